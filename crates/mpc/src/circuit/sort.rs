//! Sorting by secret keys, with payload; and the one-bit sort that others are made of.
//!
//! All ways give the same result, the stable order. They differ in what they cost, and open nothing that tells of the values:
//!
//! - [`Method::Quick`] shuffles all rows in a secret order, then sorts in the clear by comparisons whose results it opens. The rows' old
//!   places are the keys' lowest bits, so no two keys are equal; of distinct keys in a secret uniform order, the results of comparisons
//!   are those of a uniform permutation: whoever sees them could have drawn them alone (Hamada et al. 2012, "Practically efficient
//!   multi-party sorting protocols from comparison sort algorithms").
//! - [`Method::Radix`] finds, digit by digit from the lowest, each row's place among its digit's equals by prefix sums, shuffles rows and
//!   places together, and opens the places: a uniform permutation each time (Hamada et al. 2014, eprint 2014/121; Asharov et al. 2022, "Efficient
//!   secure three-party sorting").
//! - [`Method::Network`] exchanges rows along Batcher's odd-even merge network and opens nothing. It needs no shuffle.

mod network;
mod quick;
mod radix;

use crate::domain::{Domain, Values};
use crate::engine::{Backend, Column, Cost, Failure, Io, Primitive};

use super::operand::Range;
use super::wiring::{not, of_length, side_by_side, then, times, weight};

pub use radix::{compact, partition};

/// Which way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// Its values: of a ring or field, or bits.
    pub column: &'a Column,
    /// How large they may be: a key of fewer bits is cheaper. [`Range::Full`] is the whole of a ring, `|v| < 2^(width − 1)` in a field.
    pub range: Range,
    /// Which way round.
    pub order: Order,
}

/// How to sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A shuffle, then comparisons in the open.
    Quick,
    /// Digit by digit, a shuffle for each.
    Radix,
    /// A sorting network, without shuffle.
    Network,
}

/// The columns' rows in the order of the keys, the first of which counts most; rows of equal keys stay in the order they were. `None` takes
/// the method that costs least.
///
/// # Errors
/// The back end's; [`Failure::Shape`] where lengths differ; [`Failure::Program`] without keys.
pub async fn sort(
    backend: &dyn Backend,
    io: &mut Io,
    keys: &[Key<'_>],
    columns: &[Column],
    method: Option<Method>,
) -> Result<Vec<Column>, Failure> {
    let first = keys.first().ok_or(Failure::Program("at least one key to sort by"))?;
    let len = first.column.len();
    keys.iter().try_for_each(|key| of_length("sort", len, std::slice::from_ref(key.column)))?;
    of_length("sort", len, columns)?;
    if len < 2 {
        return Ok(columns.to_vec());
    }
    let bits = key_bits(backend, io, keys).await?;
    let chosen = method.unwrap_or_else(|| cheapest(backend, bits.len(), len, columns));
    let sorted = match chosen {
        Method::Quick => quick::sort(backend, io, bits.clone(), columns).await,
        Method::Radix => radix::sort(backend, io, &bits, columns).await,
        Method::Network => return network::sort(backend, io, bits, columns).await,
    };
    match sorted {
        // No shuffle: all parties are told so, before anything was sent for it.
        Err(Failure::Unsupported { .. }) if method.is_none() => network::sort(backend, io, bits, columns).await,
        sorted => sorted,
    }
}

/// The keys as one unsigned number's bits, lowest first, so that the least comes first.
async fn key_bits(backend: &dyn Backend, io: &mut Io, keys: &[Key<'_>]) -> Result<Vec<Column>, Failure> {
    // What counts least comes first.
    let digits = side_by_side(io, keys.len(), async |at, io| {
        let key = &keys[keys.len() - 1 - at];
        let domain = key.column.domain();
        if domain == Domain::Bits {
            return Ok(vec![key.column.clone()]);
        }
        let width = match key.range {
            Range::Bits(bits) => bits.min(domain.width()),
            _ => domain.width(),
        };
        let mut bits = backend.to_bits(io, key.column, width).await?;
        if key.range != Range::Unsigned {
            // Negative numbers come before the others.
            let top = bits.pop().ok_or(Failure::Program("a key has bits"))?;
            bits.push(not(backend, &top)?);
        }
        Ok(bits)
    });
    let mut all = Vec::new();
    for (key, bits) in keys.iter().rev().zip(digits.await?) {
        for bit in bits {
            all.push(if key.order == Order::Descending { not(backend, &bit)? } else { bit });
        }
    }
    Ok(all)
}

/// The rows' numbers, as bits, lowest first: what makes equal keys distinct, and a sort stable.
fn row_bits(backend: &dyn Backend, len: usize) -> Result<Vec<Column>, Failure> {
    let places = usize::BITS - (len - 1).leading_zeros();
    let bit = |place: u32| Values::Bits((0..len).map(|row| row >> place & 1 == 1).collect());
    (0..places).map(|place| backend.public(&bit(place))).collect()
}

/// The method that costs least by the back end's own figures.
fn cheapest(backend: &dyn Backend, bits: usize, len: usize, columns: &[Column]) -> Method {
    let cost = |primitive, domain, len| backend.cost(primitive, domain, len);
    let and = |count: usize| times(count as u64, cost(Primitive::Mul, Domain::Bits, len));
    let rounds = |cost: Cost, turns: u32| Cost { bytes: cost.bytes, rounds: cost.rounds * turns };
    let shuffle = |domain| cost(Primitive::Shuffle, domain, len);
    let carried = |bits: usize| {
        let columns = columns.iter().map(|column| shuffle(column.domain()));
        columns.fold(times(bits as u64, shuffle(Domain::Bits)), |sum, one| Cost {
            bytes: sum.bytes + one.bytes,
            rounds: sum.rounds.max(one.rounds),
        })
    };
    let turns = (len.ilog2() + 1) as usize;
    let comparison = |bits: usize| rounds(and(3 * bits), bits.next_power_of_two().ilog2() + 1);
    let repeat =
        |cost: Cost, count: usize| Cost { bytes: cost.bytes * count as u64, rounds: cost.rounds * count as u32 };
    // About 1.7 log₂ n comparisons for each row, in as many turns as the key's own logarithm.
    let whole = comparison(bits + turns);
    let level = then(whole, cost(Primitive::Open, Domain::Bits, len));
    let quick = then(
        carried(bits + turns),
        Cost { bytes: level.bytes * (17 * turns as u64) / 10, rounds: level.rounds * turns as u32 },
    );
    let radix = radix::cost(backend, bits, len, columns);
    let layers = turns * (turns + 1) / 2;
    let swap = columns.iter().fold(and(bits + turns), |sum, column| match column.domain() {
        Domain::Bits => then(sum, Cost { rounds: 0, ..and(1) }),
        domain => then(sum, Cost { rounds: 0, ..cost(Primitive::Mul, domain, len) }),
    });
    let network = repeat(then(whole, swap), layers);
    let network = Cost { bytes: network.bytes / 2, ..network };
    let ways = [(Method::Quick, quick), (Method::Radix, radix), (Method::Network, network)];
    ways.into_iter().min_by_key(|(_, cost)| weight(*cost)).map_or(Method::Network, |(method, _)| method)
}
