//! The works: what a party computes, what it measures, and whether the result is right.

use std::rc::Rc;
use std::time::Instant;

use mpc::circuit::{Key, Order, Range, compare, sort};
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Fault, Io, Stats, checked};
use mpc::rep3::Rep3;
use mpc::shamir::Shamir;

use crate::args::{Adversary, MpcArgs, Work};

use super::party::{Assignment, Measured, Run, cpu_seconds};

/// The protocols of the bench, with the numbers of parties that a table without further choice shows.
const PROTOCOLS: &[(&str, &[Adversary], &[u16])] =
    &[
        ("none", &[Adversary::SemiHonest], &[3]),
        ("rep3", &[Adversary::SemiHonest, Adversary::Malicious], &[3]),
        ("shamir", &[Adversary::SemiHonest, Adversary::Malicious], &[3, 5]),
    ];

/// One party's end of a protocol: the only place that knows them all.
fn backend(protocol: &str, adversary: Adversary, io: &Io) -> Result<Rc<dyn Backend>, Failure> {
    match (protocol, adversary) {
        ("rep3", Adversary::SemiHonest) => Ok(Rc::new(Rep3::semi_honest(io)?)),
        ("rep3", Adversary::Malicious) => Ok(Rc::new(Rep3::malicious(io)?)),
        ("shamir", adversary) => {
            let adversary = match adversary {
                Adversary::SemiHonest => mpc::engine::Adversary::SemiHonest,
                Adversary::Malicious => mpc::engine::Adversary::Malicious,
            };
            Ok(Rc::new(Shamir::new(io.parties(), (io.parties() - 1) / 2, adversary)?))
        }
        _ => Err(Failure::Program("no such protocol")),
    }
}

/// Whether a protocol does a work.
fn does(protocol: &str, adversary: Adversary, work: Work) -> bool {
    match protocol {
        // Its shuffles, and with them sorts, are for parties that follow the protocol.
        "shamir" => adversary == Adversary::SemiHonest || work != Work::Sort,
        "none" => matches!(work, Work::Mul | Work::Mulseq),
        _ => true,
    }
}

/// The rows that the arguments ask for.
pub(super) fn chosen(args: &MpcArgs) -> Vec<(Work, &'static str, Adversary, u16)> {
    let mut rows = Vec::new();
    for work in Work::ALL.into_iter().filter(|work| args.work.is_empty() || args.work.contains(work)) {
        for (protocol, adversaries, usual) in PROTOCOLS {
            // The traffic alone is no protocol: it is measured where it is asked for.
            if args.protocol.as_deref().map_or(*protocol == "none", |asked| asked != *protocol) {
                continue;
            }
            for adversary in adversaries.iter().filter(|one| args.adversary.is_none_or(|asked| asked == **one)) {
                let parties = args.parties.map_or_else(|| usual.to_vec(), |parties| vec![parties]);
                let fits = does(protocol, *adversary, work);
                rows.extend(parties.into_iter().filter(|_| fits).map(|parties| (work, *protocol, *adversary, parties)));
            }
        }
    }
    rows
}

/// Does the work as often as asked, and once before to warm up.
pub(super) async fn run(mut io: Io, assignment: Assignment) -> Result<Measured, Failure> {
    let Assignment { work, n, runs, .. } = assignment;
    let mut measured = Measured::default();
    let bench: Box<dyn Operation> = if assignment.protocol == "none" {
        Box::new(Traffic { work, n })
    } else {
        Box::new(Protocol::new(&mut io, &assignment).await?)
    };
    for run in 0..=runs {
        let (cpu_before, before) = (cpu_seconds(), Instant::now());
        barrier(&mut io).await?;
        let (stats, cpu, begun) = (io.stats(), cpu_seconds(), Instant::now());
        bench.once(&mut io).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let spent = cpu_seconds() - cpu;
        let after = io.stats();
        barrier(&mut io).await?;
        measured.repeated_seconds += before.elapsed().as_secs_f64();
        measured.repeated_cpu_seconds += cpu_seconds() - cpu_before;
        // The first fills caches and buffers.
        if run > 0 {
            measured.runs.push(Run { seconds, cpu_seconds: spent });
            (measured.bytes, measured.rounds) = difference(stats, after);
        }
    }
    bench.verify(&mut io).await?;
    Ok(measured)
}

fn difference(before: Stats, after: Stats) -> (u64, u32) {
    (after.bytes_sent - before.bytes_sent, after.rounds - before.rounds)
}

/// All parties are here.
async fn barrier(io: &mut Io) -> Result<(), Failure> {
    let op = io.op();
    io.peers().for_each(|peer| io.send(op, peer, &[1]));
    for peer in io.peers() {
        io.receive(op, peer, &mut [0]).await?;
    }
    Ok(())
}

type Pending<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// What is measured.
trait Operation {
    /// Does it once.
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a>;
    /// Does it once more and compares the result.
    fn verify<'a>(&'a self, io: &'a mut Io) -> Pending<'a>;
}

/// The bytes that a multiplication of replicated shares sends, without the multiplication: what the links alone can do.
struct Traffic {
    work: Work,
    n: usize,
}

impl Operation for Traffic {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let (next, previous) = ((io.index() + 1) % io.parties(), (io.index() + io.parties() - 1) % io.parties());
            let (rounds, len) = if self.work == Work::Mulseq { (self.n, 1) } else { (1, self.n) };
            let mut column = vec![1u64; len];
            for _ in 0..rounds {
                let op = io.op();
                for tile in column.chunks_mut(TILE) {
                    io.send_elements(op, previous, tile);
                }
                for tile in column.chunks_mut(TILE) {
                    io.receive_elements(op, next, tile).await?;
                }
            }
            Ok(())
        })
    }

    fn verify<'a>(&'a self, _: &'a mut Io) -> Pending<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A work by a protocol.
struct Protocol {
    backend: Rc<dyn Backend>,
    work: Work,
    n: usize,
    index: u16,
    domain: Domain,
    columns: Vec<Column>,
}

impl Protocol {
    async fn new(io: &mut Io, assignment: &Assignment) -> Result<Self, Failure> {
        let backend = backend(&assignment.protocol, assignment.adversary, io)?;
        let (work, n, index) = (assignment.work, assignment.n, io.index());
        // Comparisons of 64-bit numbers need a domain with room.
        let wanted: &[Domain] = if work == Work::Lt || work == Work::Sort {
            &[Domain::Ring64, Domain::P127]
        } else {
            &[Domain::Ring64, Domain::M61, Domain::P127]
        };
        let offered = backend.capabilities().domains;
        let domain = *wanted.iter().find(|domain| offered.contains(domain)).ok_or(Failure::Program("no fit domain"))?;
        let mut columns = Vec::new();
        if !matches!(work, Work::Sum | Work::Sum1) {
            for owner in 0..2 {
                let values = (owner == index).then(|| Values::from_i64(domain, &numbers(work, owner, n)));
                columns.push(backend.input(io, owner, domain, n, values.as_ref()).await?);
            }
        }
        Ok(Self { backend, work, n, index, domain, columns })
    }

    async fn compute(&self, io: &mut Io) -> Result<Column, Failure> {
        let backend = &*self.backend;
        match self.work {
            Work::Mul => backend.mul(io, &self.columns[0], &self.columns[1]).await,
            Work::Dot => backend.dot(io, &self.columns[0], &self.columns[1], 1).await,
            Work::Lt => {
                compare::lt(backend, io, &self.columns[0], &self.columns[1], COMPARED).await
            }
            Work::Mulseq => {
                let mut column = backend.gather(&self.columns[0], &[0])?;
                let factor = backend.gather(&self.columns[1], &[0])?;
                for _ in 0..self.n {
                    column = backend.mul(io, &column, &factor).await?;
                }
                Ok(column)
            }
            Work::Sort => {
                let key = Key { column: &self.columns[0], range: Range::Full, order: Order::Ascending };
                let sorted = sort::sort(backend, io, &[key], &self.columns[..1], None).await?;
                sorted.into_iter().next().ok_or(Failure::Program("a column sorted is a column"))
            }
            Work::Sum | Work::Sum1 => {
                let mut columns = Vec::new();
                for owner in 0..io.parties() {
                    let own = (owner == self.index)
                        .then(|| Values::from_i64(self.domain, &numbers(self.work, owner, self.n)));
                    columns.push(backend.input(io, owner, self.domain, self.n, own.as_ref()).await?);
                }
                let terms: Vec<_> = columns.iter().map(|column| (1, column)).collect();
                backend.linear(&terms, None)
            }
        }
    }

    fn expected(&self, parties: u16) -> Values {
        let [left, right] = [0, 1].map(|owner| numbers(self.work, owner, self.n));
        let pairs = || left.iter().zip(&right);
        match self.work {
            Work::Mul => Values::from_i64(self.domain, &pairs().map(|(x, y)| x * y).collect::<Vec<_>>()),
            Work::Dot => Values::from_i64(self.domain, &[pairs().map(|(x, y)| x * y).sum()]),
            Work::Lt => Values::from_i64(Domain::Bits, &pairs().map(|(x, y)| i64::from(x < y)).collect::<Vec<_>>()),
            Work::Mulseq => {
                let result = if self.n % 2 == 0 { left[0] } else { -left[0] };
                Values::from_i64(self.domain, &[result])
            }
            Work::Sort => {
                let mut sorted = left;
                sorted.sort_unstable();
                Values::from_i64(self.domain, &sorted)
            }
            Work::Sum | Work::Sum1 => {
                let mut sum = vec![0; self.n];
                for owner in 0..parties {
                    sum.iter_mut().zip(numbers(self.work, owner, self.n)).for_each(|(sum, value)| *sum += value);
                }
                Values::from_i64(self.domain, &sum)
            }
        }
    }

    /// Whether opening belongs to the work.
    fn opens(&self) -> bool {
        matches!(self.work, Work::Sum | Work::Sum1)
    }

    async fn open(&self, io: &mut Io, column: Column) -> Result<Option<Vec<Values>>, Failure> {
        let columns = [column];
        let columns = checked(&*self.backend, io, &columns).await?;
        self.backend.open(io, columns, None).await
    }
}

impl Operation for Protocol {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let column = self.compute(io).await?;
            if self.opens() {
                self.open(io, column).await?;
            } else {
                // Whatever a malicious back end must verify before it may open.
                checked(&*self.backend, io, &[column]).await?;
            }
            Ok(())
        })
    }

    fn verify<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let column = self.compute(io).await?;
            let opened = self.open(io, column).await?;
            let right = opened.is_some_and(|opened| opened.first() == Some(&self.expected(io.parties())));
            if right { Ok(()) } else { Err(Failure::Cheated { fault: Fault::Proof }) }
        })
    }
}

/// An owner's numbers: small where they are multiplied, wide where they are compared.
fn numbers(work: Work, owner: u16, n: usize) -> Vec<i64> {
    let mut state = u64::from(owner) + 1;
    let mut draw = || {
        // Knuth's linear congruential generator (MMIX): the numbers only have to differ.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    };
    (0..n)
        .map(|_| match work {
            Work::Lt | Work::Sort => (draw() as i64) >> 3,
            Work::Mulseq if owner == 1 => -1,
            _ => (draw() >> 44) as i64,
        })
        .collect()
}

/// Of the numbers compared; as MP-SPDZ's default, with room for their difference.
const COMPARED: Range = Range::Bits(62);
/// Elements handed over at once.
const TILE: usize = 8192;
