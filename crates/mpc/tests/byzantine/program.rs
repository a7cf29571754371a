//! Small programs, and what must hold of them whoever lies.

use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Fault, Io, Truncation, checked};
use mpc::net::sim::{Behaviour, Simulation, Weather};
use mpc::rep3::Rep3;

/// How products are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    SemiHonest,
    Sublinear,
    Sacrifice,
}

pub(crate) const MALICIOUS: [Protocol; 2] = [Protocol::Sublinear, Protocol::Sacrifice];

/// Values of each party's input.
const ROWS: usize = 3;

fn input(owner: u16, seed: u64) -> Vec<i64> {
    (0..ROWS as i64).map(|row| (seed as i64 % 1000 - 500) * (row + 1) + 7 * i64::from(owner) - row).collect()
}

/// What an honest party learns: the liar's input, as it is shared, and the program's results, opened at two times.
pub(crate) struct Learned {
    pub(crate) liars: Vec<i64>,
    pub(crate) results: Vec<Vec<i64>>,
}

fn read(values: &Values) -> Vec<i64> {
    match values {
        Values::Ring64(values) => values.iter().map(|value| *value as i64).collect(),
        Values::Bits(bits) => (0..bits.len()).map(|at| i64::from(bits.get(at))).collect(),
        _ => unreachable!("rings and bits are opened"),
    }
}

/// Which operations a session does, by its seed; `x` and `y` are the honest parties' inputs, `w` the liar's.
async fn operations(
    backend: &Rep3,
    io: &mut Io,
    kind: u64,
    [x, y, w]: [&Column; 3],
) -> Result<[Vec<Column>; 2], Failure> {
    let product = backend.mul(io, x, y).await?;
    Ok(match kind {
        0 => [vec![product.clone()], vec![backend.mul(io, &product, w).await?]],
        1 => [vec![backend.dot(io, x, y, 1).await?], vec![backend.matmul(io, x, w, [3, 1, 3]).await?]],
        2 => {
            let less = backend.linear(&[(1, x), (-1, w)], None)?;
            [vec![backend.is_negative(io, &less).await?], vec![product]]
        }
        3 => {
            let bits = backend.to_bits(io, w, 16).await?;
            [vec![backend.from_bits(io, &bits[..8], Domain::Ring64).await?], vec![bits[15].clone()]]
        }
        _ => [
            vec![backend.truncate(io, &product, 3, Truncation::Exact).await?],
            vec![backend.linear(&[(3, x), (-2, w)], None)?],
        ],
    })
}

/// The same in the clear.
fn expected(kind: u64, [x, y, w]: [&[i64]; 3]) -> Vec<Vec<i64>> {
    let each = |f: &dyn Fn(usize) -> i64| (0..ROWS).map(f).collect::<Vec<i64>>();
    let product = each(&|at| x[at].wrapping_mul(y[at]));
    match kind {
        0 => vec![product.clone(), each(&|at| product[at].wrapping_mul(w[at]))],
        1 => {
            let dot = product.iter().fold(0i64, |sum, product| sum.wrapping_add(*product));
            vec![vec![dot], (0..9).map(|at| x[at / 3].wrapping_mul(w[at % 3])).collect()]
        }
        2 => vec![each(&|at| i64::from(x[at].wrapping_sub(w[at]) < 0)), product],
        3 => vec![each(&|at| w[at] & 0xff), each(&|at| w[at] >> 15 & 1)],
        _ => vec![each(&|at| product[at] >> 3), each(&|at| x[at].wrapping_mul(3).wrapping_sub(w[at].wrapping_mul(2)))],
    }
}

async fn work(mut io: Io, protocol: Protocol, seed: u64, liar: u16) -> Result<Learned, Failure> {
    let backend = match protocol {
        Protocol::SemiHonest => Rep3::semi_honest(&io)?,
        Protocol::Sublinear => Rep3::malicious(&io)?,
        Protocol::Sacrifice => Rep3::malicious_by_sacrifice(&io)?,
    };
    let mut columns = Vec::new();
    for owner in [(liar + 1) % 3, (liar + 2) % 3, liar] {
        let values = Values::from_i64(Domain::Ring64, &input(owner, seed));
        let own = (io.index() == owner).then_some(&values);
        columns.push(backend.input(&mut io, owner, Domain::Ring64, ROWS, own).await?);
    }
    let [x, y, w] = [&columns[0], &columns[1], &columns[2]];
    let [mut first, second] = operations(&backend, &mut io, seed % 5, [x, y, w]).await?;
    first.push(w.clone());
    let mut opened = Vec::new();
    for columns in [first, second] {
        let columns = checked(&backend, &mut io, &columns).await?;
        opened.extend(backend.open(&mut io, columns, None).await?.expect("opened to all"));
    }
    let liars = read(&opened.remove(1));
    Ok(Learned { liars, results: opened.iter().map(read).collect() })
}

/// How sessions ended for honest parties.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Sessions in which some honest party had no result.
    pub(crate) failed: usize,
    /// Sessions in which some honest party accepted a wrong one.
    pub(crate) wrong: usize,
}

/// Plays sessions with these seeds and the liar's behaviour in each. Panics where a malicious back end breaks its promise.
pub(crate) fn suffer<B: Behaviour + 'static>(
    protocol: Protocol,
    seeds: std::ops::Range<u64>,
    behaviour: impl Fn(u64, u16) -> B,
) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        let liar = (seed / 5 % 3) as u16;
        let weather = if seed % 2 == 0 { Weather::default() } else { Weather::storm() };
        let simulation = Simulation::new(3, seed).weather(weather).corrupt(liar, behaviour(seed, liar));
        let report = simulation.run(move |io| work(io, protocol, seed, liar));
        let honest = [(liar + 1) % 3, (liar + 2) % 3];
        let inputs = honest.map(|owner| input(owner, seed));
        let (mut failed, mut wrong) = (false, false);
        for index in honest {
            match &report.last()[usize::from(index)] {
                Ok(learned) => {
                    let right = expected(seed % 5, [&inputs[0], &inputs[1], &learned.liars]);
                    wrong |= learned.results != right;
                }
                Err(failure) => {
                    failed = true;
                    let just = match failure {
                        Failure::Party { party, fault } => *party == liar || *fault == Fault::Lost,
                        Failure::Dispute { low, high, .. } => *low == liar || *high == liar,
                        Failure::Cheated { .. } => true,
                        _ => false,
                    };
                    assert!(just, "{protocol:?}, seed {seed}: {index} says {failure}, {liar} lies");
                }
            }
        }
        // Both honest parties saw the same input of the liar.
        if let [Ok(one), Ok(other)] = honest.map(|index| &report.last()[usize::from(index)]) {
            wrong |= one.liars != other.liars;
        }
        tally.failed += usize::from(failed);
        tally.wrong += usize::from(wrong);
        assert!(protocol == Protocol::SemiHonest || !wrong, "{protocol:?}, seed {seed}: {liar} lies and is believed");
    }
    tally
}
