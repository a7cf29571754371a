//! Prio3 for each statistic behind one interface over bytes, so that no type parameter leaves this file.

use crypto::Secret;
use prio::codec::{Encode, ParameterizedDecode as _};
use prio::field::{Field64, Field128, FieldElement};
use prio::flp::Type;
use prio::flp::gadgets::{Mul, ParallelSum};
use prio::flp::types::{Count, Histogram, Sum, SumVec};
use prio::vdaf::prio3::{
    Prio3, Prio3InputShare, Prio3PublicShare, Prio3VerifierShare, Prio3VerifyState, optimal_chunk_length,
};
use prio::vdaf::xof::XofTurboShake128;
use prio::vdaf::{Aggregatable as _, AggregateShare, Aggregator as _, Client as _, Collector as _};
use prio::vdaf::{OutputShare, VerifyTransition};

use super::{Aggregate, Error, Measurement, Nonce, Reason, Statistic};

/// What the three roles need of Prio3. Bytes are Prio3's encodings of draft-irtf-cfrg-vdaf-18.
pub(super) trait Scheme: Send + Sync {
    fn sizes(&self) -> Sizes;

    /// `shard`: the public share and an input share for each aggregator.
    fn shard(&self, context: &[u8], measurement: &Measurement, nonce: &Nonce) -> Result<Sharded, Error>;

    /// `verify_init`: an aggregator's state and its verifier share.
    fn verify(
        &self,
        key: &[u8; 32],
        context: &[u8],
        aggregator: usize,
        nonce: &Nonce,
        public: &[u8],
        input: &[u8],
    ) -> Result<(Secret<Vec<u8>>, Vec<u8>), Reason>;

    /// `verifier_shares_to_message` and `verify_next`: an aggregator's share of the output.
    fn decide(
        &self,
        context: &[u8],
        aggregator: usize,
        state: &Secret<Vec<u8>>,
        public: &[u8],
        verifiers: [&[u8]; 2],
    ) -> Result<Secret<Vec<u8>>, Reason>;

    /// Adds an output share to an aggregate share; an empty one is zero.
    fn add(&self, sum: &Secret<Vec<u8>>, output: &Secret<Vec<u8>>) -> Secret<Vec<u8>>;

    /// `unshard`.
    fn unshard(&self, shares: [&[u8]; 2], count: u32) -> Result<Aggregate, Reason>;
}

/// A public share and an input share for each aggregator.
pub(super) type Sharded = (Vec<u8>, [Secret<Vec<u8>>; 2]);

/// Bytes of what Prio3 makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) public: usize,
    /// Of the leader and the helper.
    pub(super) inputs: [usize; 2],
    pub(super) verifier: usize,
    pub(super) aggregate: usize,
}

/// The scheme for a statistic whose numbers were checked.
pub(super) fn scheme(statistic: &Statistic) -> Box<dyn Scheme> {
    let bits = |max: u64| (u64::BITS - max.leading_zeros()) as usize;
    match *statistic {
        Statistic::Count => count(),
        Statistic::Sum { max } => sum(max),
        Statistic::Vector { length, max } => {
            vector(length as usize, max, optimal_chunk_length(length as usize * bits(max)))
        }
        Statistic::Histogram { buckets } => histogram(buckets as usize, optimal_chunk_length(buckets as usize)),
    }
}

fn count() -> Box<dyn Scheme> {
    Box::new(Engine::new(
        1,
        Count::<Field64>::new(),
        |measurement| match measurement {
            Measurement::Count(counts) => Some(*counts),
            _ => None,
        },
        Aggregate::Count,
    ))
}

fn sum(max: u64) -> Box<dyn Scheme> {
    Box::new(Engine::new(
        2,
        Sum::<Field64>::new(max).expect("a checked maximum"),
        |measurement| match measurement {
            Measurement::Sum(value) => Some(*value),
            _ => None,
        },
        Aggregate::Sum,
    ))
}

pub(super) fn vector(length: usize, max: u64, chunk: usize) -> Box<dyn Scheme> {
    Box::new(Engine::new(
        3,
        SumVec::<Field128, ParallelSum<Field128, Mul>>::new(u128::from(max), length, chunk)
            .expect("checked length and maximum"),
        |measurement| match measurement {
            Measurement::Vector(values) => Some(values.iter().copied().map(u128::from).collect()),
            _ => None,
        },
        Aggregate::Vector,
    ))
}

pub(super) fn histogram(buckets: usize, chunk: usize) -> Box<dyn Scheme> {
    Box::new(Engine::new(
        4,
        Histogram::<Field128, ParallelSum<Field128, Mul>>::new(buckets, chunk).expect("a checked number of buckets"),
        |measurement| match measurement {
            Measurement::Bucket(bucket) => Some(*bucket as usize),
            _ => None,
        },
        Aggregate::Histogram,
    ))
}

/// Prio3 over one validity circuit.
struct Engine<T: Type> {
    prio3: Prio3<T, XofTurboShake128, SEED>,
    circuit: T,
    encode: fn(&Measurement) -> Option<T::Measurement>,
    decode: fn(T::AggregateResult) -> Aggregate,
}

impl<T: Type> Engine<T> {
    fn new(
        algorithm: u32,
        circuit: T,
        encode: fn(&Measurement) -> Option<T::Measurement>,
        decode: fn(T::AggregateResult) -> Aggregate,
    ) -> Self {
        let prio3 = Prio3::new(2, 1, algorithm, circuit.clone()).expect("two aggregators and one proof");
        Self { prio3, circuit, encode, decode }
    }
}

impl<T: Type + Send + Sync> Scheme for Engine<T> {
    fn sizes(&self) -> Sizes {
        let element = <T::Field as FieldElement>::ENCODED_SIZE;
        let seed = if self.circuit.joint_rand_len() > 0 { SEED } else { 0 };
        let circuit = &self.circuit;
        Sizes {
            public: 2 * seed,
            inputs: [(circuit.input_len() + circuit.proof_len()) * element + seed, SEED + seed],
            verifier: circuit.verifier_len() * element + seed,
            aggregate: circuit.output_len() * element,
        }
    }

    fn shard(&self, context: &[u8], measurement: &Measurement, nonce: &Nonce) -> Result<Sharded, Error> {
        let measurement = (self.encode)(measurement).ok_or(Error::Measurement)?;
        let (public, inputs) =
            self.prio3.shard(context, &measurement, nonce.as_bytes()).map_err(|_| Error::Measurement)?;
        let [leader, helper] = inputs.try_into().expect("one input share for each of two aggregators");
        Ok((bytes(&public), [Secret::new(bytes(&leader)), Secret::new(bytes(&helper))]))
    }

    fn verify(
        &self,
        key: &[u8; 32],
        context: &[u8],
        aggregator: usize,
        nonce: &Nonce,
        public: &[u8],
        input: &[u8],
    ) -> Result<(Secret<Vec<u8>>, Vec<u8>), Reason> {
        let public = Prio3PublicShare::get_decoded_with_param(&self.prio3, public).map_err(|_| Reason::Malformed)?;
        let input = Prio3InputShare::get_decoded_with_param(&(&self.prio3, aggregator), input)
            .map_err(|_| Reason::Malformed)?;
        let (state, share) = self
            .prio3
            .verify_init(key, context, aggregator, &(), nonce.as_bytes(), &public, &input)
            .map_err(|_| Reason::Malformed)?;
        Ok((Secret::new(bytes(&state)), bytes(&share)))
    }

    fn decide(
        &self,
        context: &[u8],
        aggregator: usize,
        state: &Secret<Vec<u8>>,
        public: &[u8],
        verifiers: [&[u8]; 2],
    ) -> Result<Secret<Vec<u8>>, Reason> {
        let state = state
            .expose(|state| Prio3VerifyState::get_decoded_with_param(&(&self.prio3, aggregator), state))
            .expect("a state that this aggregator encoded");
        let mut shares = Vec::with_capacity(2);
        for (verifier, part) in verifiers.into_iter().zip([0, 1]) {
            let share = Prio3VerifierShare::get_decoded_with_param(&state, verifier).map_err(|_| Reason::Malformed)?;
            // Each aggregator's part of the joint randomness must be what the client published. Both aggregators see
            // the same bytes here, so that they decide alike; `verify_next` alone would let a client split them.
            let stated = public.get(part * SEED..(part + 1) * SEED).unwrap_or_default();
            if !verifier.ends_with(stated) {
                return Err(Reason::Inconsistent);
            }
            shares.push(share);
        }
        let message = self.prio3.verifier_shares_to_message(context, &(), shares).map_err(|_| Reason::InvalidProof)?;
        match self.prio3.verify_next(context, state, message) {
            Ok(VerifyTransition::Finish(output)) => Ok(Secret::new(bytes(&output))),
            Ok(VerifyTransition::Continue(..)) | Err(_) => Err(Reason::Inconsistent),
        }
    }

    fn add(&self, sum: &Secret<Vec<u8>>, output: &Secret<Vec<u8>>) -> Secret<Vec<u8>> {
        let output = output
            .expose(|output| OutputShare::get_decoded_with_param(&(&self.prio3, &()), output))
            .expect("an output share that `decide` encoded");
        let mut total = sum.expose(|sum| match sum.is_empty() {
            true => self.prio3.aggregate_init(&()),
            false => AggregateShare::get_decoded_with_param(&(&self.prio3, &()), sum)
                .expect("an aggregate share that `add` encoded"),
        });
        total.accumulate(&output).expect("shares of one length");
        Secret::new(bytes(&total))
    }

    fn unshard(&self, shares: [&[u8]; 2], count: u32) -> Result<Aggregate, Reason> {
        let decode = |share| AggregateShare::get_decoded_with_param(&(&self.prio3, &()), share);
        let shares =
            [decode(shares[0]).map_err(|_| Reason::Malformed)?, decode(shares[1]).map_err(|_| Reason::Malformed)?];
        self.prio3.unshard(&(), shares, count as usize).map(self.decode).map_err(|_| Reason::Malformed)
    }
}

fn bytes(value: &impl Encode) -> Vec<u8> {
    value.get_encoded().expect("what the library made has an encoding")
}

/// Bytes of a seed of XofTurboShake128.
const SEED: usize = 32;
