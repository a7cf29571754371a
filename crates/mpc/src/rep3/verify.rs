//! Verifies multiplications of three parties, all at once, with communication sublinear in their number:
//! docs/spec/mpc/rep3-malicious.md.
//!
//! [`proof`] is the protocol; [`plan`] says how it goes for given lengths; [`batch`] lays records out as blocks of rows; [`claim`] is the
//! linear function that results and messages must satisfy; [`coin`] tosses coins. Challenge rings: [`extension`] says what they offer,
//! [`galois`] and [`binary`] are their elements, [`wide`] and [`reference`] their bulk work. [`sacrifice`] is an older
//! check, linear in communication: reference and fallback.

mod batch;
mod binary;
mod claim;
mod coin;
mod extension;
mod galois;
mod plan;
mod proof;
mod reference;
mod rehearsal;
mod sacrifice;
#[cfg(test)]
mod tests;
mod wide;

use crate::engine::{Cost, Failure, Fut, Io, join};
use crate::kernel::galois::DEGREE;

use super::record::Sizes;
use super::{Product, Record, Verifier, Word};

pub use rehearsal::Rehearsal;
pub(crate) use sacrifice::Sacrifice;

use galois::Galois;
use proof::{Honest, prove};
use reference::Reference;
use wide::{Bits, Ring64};

/// `GR(2^128, 48)`.
type Ring128 = Reference<Galois<u128, DEGREE>>;

/// The check by distributed zero-knowledge proof.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sublinear;

impl Verifier for Sublinear {
    fn verify<'a>(&'a self, io: &'a mut Io, records: Vec<Record>) -> Fut<'a, ()> {
        Box::pin(verify(io, records))
    }

    fn cost(&self, sizes: &Sizes) -> Cost {
        side_by_side([
            plan::cost::<Ring64>(&sizes.ring64),
            plan::cost::<Ring128>(&sizes.ring128),
            plan::cost::<Bits>(&sizes.bits),
        ])
    }
}

/// Verifies records of any rings, side by side.
///
/// # Errors
/// Where one is false, or a party does not follow the protocol: whoever did it, or two of whom one did.
pub(crate) async fn verify(io: &mut Io, records: Vec<Record>) -> Result<(), Failure> {
    let Sorted { ring64, ring128, bits } = Sorted::new(records);
    let mut strands = io.split(3);
    let [first, second, third] = strands.get_disjoint_mut([0, 1, 2]).expect("there are three");
    let rings = join(prove::<Ring64>(first, &ring64, &Honest), prove::<Ring128>(second, &ring128, &Honest));
    join(rings, prove::<Bits>(third, &bits, &Honest)).await?;
    io.rejoin(strands);
    Ok(())
}

/// The cost of work side by side.
fn side_by_side(costs: [Cost; 3]) -> Cost {
    let sum = |sum: Cost, cost: Cost| Cost { bytes: sum.bytes + cost.bytes, rounds: sum.rounds.max(cost.rounds) };
    costs.into_iter().fold(Cost::default(), sum)
}

/// Has the checks of this thread use these kernels.
#[cfg(test)]
pub(crate) fn set_level(level: crate::kernel::Level) {
    wide::FORCED.set(Some(level));
    crate::kernel::words::PLAIN.set(level.name() == "portable");
}

/// Records by ring.
struct Sorted {
    ring64: Vec<Product<u64>>,
    ring128: Vec<Product<u128>>,
    bits: Vec<Product<Word>>,
}

impl Sorted {
    fn new(records: Vec<Record>) -> Self {
        let mut sorted = Self { ring64: Vec::new(), ring128: Vec::new(), bits: Vec::new() };
        for record in records {
            match record {
                Record::Ring64(product) => sorted.ring64.push(product),
                Record::Ring128(product) => sorted.ring128.push(product),
                Record::Bits(product) => sorted.bits.push(product),
            }
        }
        sorted
    }
}
