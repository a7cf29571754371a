//! Runs a program over each back end, and compares.

use mpc::additive::Additive;
use mpc::circuit::open;
use mpc::domain::{Domain, Element, M61, P127, Values};
use mpc::engine::{Adversary, Backend, Column, Failure, Io, Stats, local};
use mpc::plain::Plain;
use mpc::rep3::Rep3;
use mpc::shamir::Shamir;

use super::dealer::Dealer;

/// A back end to be held to the reference.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) parties: u16,
    pub(crate) make: fn(&Io) -> Box<dyn Backend>,
}

/// All of them: a new one takes a line here.
pub(crate) fn kinds() -> Vec<Kind> {
    vec![
        Kind { name: "plain", parties: 1, make: |_| Box::new(Plain::default()) },
        Kind { name: "simulated dealer", parties: 3, make: |io| Box::new(Dealer::new(io.index())) },
        Kind {
            name: "shamir",
            parties: 3,
            make: |_| Box::new(Shamir::new(3, 1, Adversary::SemiHonest).expect("one of three")),
        },
        Kind {
            name: "shamir against malicious parties",
            parties: 3,
            make: |_| Box::new(Shamir::new(3, 1, Adversary::Malicious).expect("one of three")),
        },
        Kind {
            name: "shamir with one to spare",
            parties: 4,
            make: |_| Box::new(Shamir::new(4, 1, Adversary::SemiHonest).expect("one of four")),
        },
        Kind { name: "additive", parties: 4, make: |io| Box::new(Additive::new(io).expect("four parties")) },
        Kind { name: "rep3", parties: 3, make: |io| Box::new(Rep3::semi_honest(io).expect("three parties")) },
    ]
}

/// A program over columns.
pub(crate) trait Program:
    AsyncFn(&dyn Backend, &mut Io, &[Column]) -> Result<Vec<Column>, Failure> + Clone + 'static
{
}

impl<P> Program for P where
    P: AsyncFn(&dyn Backend, &mut Io, &[Column]) -> Result<Vec<Column>, Failure> + Clone + 'static
{
}

/// What a program opens over one back end, and what party 0 sent. Inputs belong to the parties in turn.
pub(crate) fn run(kind: &Kind, inputs: &[Values], program: impl Program) -> Result<(Vec<Values>, Stats), Failure> {
    let (make, inputs) = (kind.make, inputs.to_vec());
    let results = local::run(kind.parties, 7, move |mut io| {
        let (program, inputs) = (program.clone(), inputs.clone());
        async move {
            let backend = make(&io);
            let domains = backend.capabilities().domains;
            if inputs.iter().any(|values| !domains.contains(&values.domain())) {
                return Err(Failure::Unsupported { protocol: "this back end", what: "a domain of the inputs" });
            }
            let mut columns = Vec::new();
            for (at, values) in inputs.iter().enumerate() {
                let owner = at as u16 % io.parties();
                let own = (io.index() == owner).then_some(values);
                columns.push(backend.input(&mut io, owner, values.domain(), values.len(), own).await?);
            }
            let results = program(&*backend, &mut io, &columns).await?;
            open::to_all(&*backend, &mut io, &results).await
        }
    });
    // Where an operation is not offered, some may have sent and wait for those that have ended.
    let refused = results.iter().find_map(|(result, _)| match result {
        Err(Failure::Unsupported { protocol, what }) => Some(Failure::Unsupported { protocol, what }),
        _ => None,
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let mut opened: Option<(Vec<Values>, Stats)> = None;
    for (result, stats) in results {
        let values = result?;
        if let Some((first, _)) = &opened {
            assert!(*first == values, "{}: parties open different values", kind.name);
        } else {
            opened = Some((values, stats));
        }
    }
    Ok(opened.expect("at least one party"))
}

/// That every back end that offers what it takes opens what is expected.
#[track_caller]
pub(crate) fn expect(what: &str, inputs: &[Values], expected: &[Values], program: impl Program) {
    let mut ran = 0;
    for kind in kinds() {
        match run(&kind, inputs, program.clone()) {
            Err(Failure::Unsupported { .. }) if kind.name != "plain" => {}
            Err(failure) => panic!("{what} over {}: {failure}", kind.name),
            Ok((found, _)) => {
                ran += 1;
                assert_eq!(found.len(), expected.len(), "{what} over {}: columns", kind.name);
                for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let (found, expected) = (integers(found), integers(expected));
                    let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
                    if let Some(row) = differs {
                        panic!(
                            "{what} over {}, column {at}, row {row}: {} for {}",
                            kind.name, found[row], expected[row]
                        );
                    }
                    assert_eq!(found.len(), expected.len(), "{what} over {}: rows", kind.name);
                }
            }
        }
    }
    assert!(ran > 0, "{what}: no back end offers it");
}

/// What every back end that offers what it takes opens, for results that need not be the same.
pub(crate) fn outcomes(inputs: &[Values], program: impl Program) -> Vec<(&'static str, Vec<Values>)> {
    let mut outcomes = Vec::new();
    for kind in kinds() {
        match run(&kind, inputs, program.clone()) {
            Err(Failure::Unsupported { .. }) if kind.name != "plain" => {}
            Err(failure) => panic!("over {}: {failure}", kind.name),
            Ok((found, _)) => outcomes.push((kind.name, found)),
        }
    }
    outcomes
}

/// Signed integers as values of a domain.
pub(crate) fn values(domain: Domain, integers: &[i128]) -> Values {
    fn all<E: Element>(integers: &[i128]) -> Values {
        let element = |value: &i128| {
            let magnitude = E::from_u128(value.unsigned_abs());
            if *value < 0 { magnitude.neg() } else { magnitude }
        };
        E::values(integers.iter().map(element).collect())
    }
    match domain {
        Domain::Ring64 => all::<u64>(integers),
        Domain::Ring128 => all::<u128>(integers),
        Domain::M61 => all::<M61>(integers),
        Domain::P127 => all::<P127>(integers),
        _ => Values::Bits(integers.iter().map(|value| value & 1 == 1).collect()),
    }
}

/// Values as signed integers.
pub(crate) fn integers(values: &Values) -> Vec<i128> {
    let signed =
        |value: u128, modulus: u128| if value > modulus / 2 { -((modulus - value) as i128) } else { value as i128 };
    match values {
        Values::Ring64(values) => values.iter().map(|value| i128::from(*value as i64)).collect(),
        Values::Ring128(values) => values.iter().map(|value| *value as i128).collect(),
        Values::M61(values) => values.iter().map(|value| signed(value.to_u128(), M61::P.into())).collect(),
        Values::P127(values) => values.iter().map(|value| signed(value.to_u128(), P127::P)).collect(),
        Values::Bits(bits) => bits.iter().map(i128::from).collect(),
    }
}

/// Truths as values.
pub(crate) fn truths(bits: impl IntoIterator<Item = bool>) -> Values {
    Values::Bits(bits.into_iter().collect())
}

/// A reproducible stream of numbers (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A signed integer of so many bits.
    pub(crate) fn integer(&mut self, bits: u32) -> i128 {
        let wide = (i128::from(self.next()) << 64) | i128::from(self.next());
        wide >> (128 - bits)
    }

    /// Signed integers of so many bits: the edges first, then random ones of all sizes.
    pub(crate) fn integers(&mut self, bits: u32, len: usize) -> Vec<i128> {
        let high = i128::MAX >> (128 - bits);
        let edges = [0, -1, 1, high, -high, -high - 1, high - 1, 2, -2];
        (0..len)
            .map(|at| match edges.get(at) {
                Some(edge) if bits > 2 => *edge,
                _ => {
                    let bits =
                        if self.next().is_multiple_of(4) { 1 + (self.next() % u64::from(bits)) as u32 } else { bits };
                    self.integer(bits)
                }
            })
            .collect()
    }
}

/// Lengths that are special to somebody: none, one, odd, about a word, about a tile.
pub(crate) const LENGTHS: [usize; 7] = [0, 1, 3, 63, 65, 4095, 4097];

/// Rings and fields.
pub(crate) const NUMBERS: [Domain; 4] = [Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127];

/// Bits of the signed integers that operations with a sign take in a domain: comparisons' differences keep it.
pub(crate) fn signed_bits(domain: Domain) -> u32 {
    match domain {
        Domain::Ring64 | Domain::Ring128 => domain.width(),
        _ => domain.width() - 3,
    }
}
