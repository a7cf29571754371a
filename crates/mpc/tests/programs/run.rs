//! Runs a program over a back end, all parties in one thread.

use mpc::additive::{self, Additive};
use mpc::domain::{Domain, Values};
use mpc::engine::{Adversary, Backend, Failure, Io, Stats, local};
use mpc::plain::Plain;
use mpc::planner::{Prediction, predict};
use mpc::program::Program;
use mpc::rep3::{self, Rep3};
use mpc::runner::{self, Outcome};
use mpc::shamir::{self, Shamir};

/// A program with inputs.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) program: Program,
    /// The same, where what is given is opened, after all else that is.
    pub(crate) clear: Program,
    pub(crate) inputs: Vec<Values>,
}

impl Sample {
    pub(crate) fn lengths(&self) -> Vec<usize> {
        self.inputs.iter().map(Values::len).collect()
    }

    /// The inputs that a party holds.
    pub(crate) fn held(&self, party: u16) -> Vec<Option<Values>> {
        let owners = self.program.inputs().map(|(owner, _)| owner);
        owners.zip(&self.inputs).map(|(owner, values)| (owner == party).then(|| values.clone())).collect()
    }
}

/// What a recipient does with three shares of a program over a domain.
type Combine = fn([Vec<u8>; 3], Domain) -> Result<Vec<Values>, Failure>;

/// A protocol.
#[derive(Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) name: &'static str,
    pub(crate) parties: u16,
    pub(crate) make: fn(&Io) -> Box<dyn Backend>,
    pub(crate) predict: fn(&Io, &Sample) -> Result<Prediction, Failure>,
    /// What a recipient reads in all parties' shares.
    pub(crate) combine: Combine,
}

pub(crate) const SEMI_HONEST: Protocol = Protocol {
    name: "rep3",
    parties: 3,
    make: |io| Box::new(semi_honest(io)),
    predict: |io, sample| predict(&sample.program, semi_honest(io), &sample.lengths()),
    combine: |shares, _| rep3::combine(&shares),
};
pub(crate) const MALICIOUS: Protocol = Protocol {
    name: "rep3 malicious",
    parties: 3,
    make: |io| Box::new(malicious(io)),
    predict: |io, sample| predict(&sample.program, malicious(io), &sample.lengths()),
    combine: |shares, _| rep3::combine(&shares),
};
pub(crate) const SHAMIR: Protocol = Protocol {
    name: "shamir",
    parties: 3,
    make: |_| Box::new(minority()),
    predict: |_, sample| predict(&sample.program, minority(), &sample.lengths()),
    combine: |shares, _| {
        let shares: Vec<_> = (0..).zip(shares).collect();
        shamir::combine(3, 1, &shares).map(|combined| combined.values)
    },
};

pub(crate) const ADDITIVE: Protocol = Protocol {
    name: "additive",
    parties: 3,
    make: |io| Box::new(Additive::new(io).expect("three parties")),
    predict: |io, sample| predict(&sample.program, Additive::new(io).expect("three parties"), &sample.lengths()),
    combine: |shares, domain| {
        let session = local::settings(0, 3, 0).session;
        additive::combine(&session, domain, &shares).map(|values| vec![values])
    },
};

pub(crate) const SHAMIR_MALICIOUS: Protocol = Protocol {
    name: "shamir malicious",
    make: |_| Box::new(against_liars()),
    predict: |_, sample| predict(&sample.program, against_liars(), &sample.lengths()),
    ..SHAMIR
};

fn semi_honest(io: &Io) -> Rep3 {
    Rep3::semi_honest(io).expect("three parties")
}

fn malicious(io: &Io) -> Rep3 {
    Rep3::malicious(io).expect("three parties")
}

fn minority() -> Shamir {
    Shamir::new(3, 1, Adversary::SemiHonest).expect("a threshold below half")
}

fn against_liars() -> Shamir {
    Shamir::new(3, 1, Adversary::Malicious).expect("a threshold below half")
}

/// What the reference opens.
pub(crate) fn reference(sample: &Sample) -> Result<Outcome, Failure> {
    let sample = sample.clone();
    let mut results = local::run(1, 1, move |io| {
        let sample = sample.clone();
        async move {
            // It is nobody's party: what goes to one party goes to it.
            let inputs = sample.inputs.iter().cloned().map(Some).collect();
            runner::run(&sample.clear, &Plain::default(), io, &sample.lengths(), inputs).await
        }
    });
    results.remove(0).0
}

/// What each party of a protocol gets, and what it sent.
pub(crate) fn over(protocol: Protocol, sample: &Sample, seed: u64) -> Vec<(Result<Outcome, Failure>, Stats)> {
    let sample = sample.clone();
    local::run(protocol.parties, seed, move |io| {
        let sample = sample.clone();
        async move {
            let (backend, inputs) = ((protocol.make)(&io), sample.held(io.index()));
            runner::run(&sample.program, &*backend, io, &sample.lengths(), inputs).await
        }
    })
}

/// That all parties open what the reference does, and hand out shares of it.
///
/// # Errors
/// [`Failure::Unsupported`] where the protocol does not offer what the program needs.
#[track_caller]
pub(crate) fn expect(protocol: Protocol, sample: &Sample, seed: u64) -> Result<(), Failure> {
    let what = format!("{} over {}, seed {seed}", sample.name, protocol.name);
    let expected = reference(sample).unwrap_or_else(|failure| panic!("{what}, in the clear: {failure}"));
    let results = over(protocol, sample, seed);
    let refused = results.iter().find_map(|(result, _)| match result {
        Err(refused @ Failure::Unsupported { .. }) => Some(refused.clone()),
        _ => None,
    });
    if let Some(refused) = refused {
        return Err(refused);
    }
    let targets: Vec<Option<u16>> = sample
        .program
        .operations()
        .iter()
        .filter_map(|operation| match operation {
            mpc::program::Operation::Open(_, to) => Some(*to),
            _ => None,
        })
        .collect();
    let mut shares = Vec::new();
    for (party, (result, _)) in (0..).zip(results) {
        let outcome = result.unwrap_or_else(|failure| panic!("{what}, party {party}: {failure}"));
        for (at, (found, to)) in outcome.opened.iter().zip(&targets).enumerate() {
            let expected = expected.opened[at].as_ref().filter(|_| to.is_none_or(|to| to == party));
            assert!(found.as_ref() == expected, "{what}: opening {at} at party {party}");
        }
        shares.extend(outcome.share);
    }
    let given = match <[Vec<u8>; 3]>::try_from(shares) {
        Ok(shares) => {
            (protocol.combine)(shares, sample.inputs[0].domain()).unwrap_or_else(|failure| panic!("{what}: {failure}"))
        }
        Err(_) => Vec::new(),
    };
    let rest: Vec<Values> = expected.opened.into_iter().skip(targets.len()).flatten().collect();
    assert!(given == rest, "{what}: what is given");
    Ok(())
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

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A signed number, `|v| < 2^bits`.
    pub(crate) fn signed(&mut self, bits: u32) -> i64 {
        let bits = if self.below(3) == 0 { 1 + self.below(bits as usize) as u32 } else { bits };
        (self.next() as i64) >> (63 - bits.min(63)) | i64::from(bits == 0)
    }
}
