//! Small parts that operations are wired from.

use crate::domain::{Bits, Domain, Element, M61, P127, Values};
use crate::engine::{Backend, Column, Cost, Failure, Io, join_all};
use crate::plain::{scalar, signed};

/// Does `work` for each index below `count`, side by side: what the pieces send in one round shares its frames.
///
/// # Errors
/// The first failure.
pub async fn side_by_side<T>(
    io: &mut Io,
    count: usize,
    work: impl AsyncFn(usize, &mut Io) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    if count == 1 {
        return Ok(vec![work(0, io).await?]);
    }
    let mut strands = io.split(count);
    let pieces = strands.iter_mut().enumerate().map(|(index, io)| work(index, io)).collect();
    let results = join_all(pieces).await?;
    io.rejoin(strands);
    Ok(results)
}

/// Products of pairs of columns, side by side: one multiplication each, one round in all.
///
/// # Errors
/// The back end's.
pub async fn products(
    backend: &dyn Backend,
    io: &mut Io,
    pairs: &[(&Column, &Column)],
) -> Result<Vec<Column>, Failure> {
    side_by_side(io, pairs.len(), async |at, io| backend.mul(io, pairs[at].0, pairs[at].1).await).await
}

/// Columns of bits as columns of 0 and 1 in a ring or field, side by side.
///
/// # Errors
/// The back end's.
pub async fn inject(
    backend: &dyn Backend,
    io: &mut Io,
    bits: &[Column],
    domain: Domain,
) -> Result<Vec<Column>, Failure> {
    side_by_side(io, bits.len(), async |at, io| backend.from_bits(io, &bits[at..=at], domain).await).await
}

/// One integer, `len` times.
pub(super) fn constant(domain: Domain, value: i128, len: usize) -> Values {
    fn all<E: Element>(value: i128, len: usize) -> Values {
        E::values(vec![scalar(value); len])
    }
    match domain {
        Domain::Ring64 => all::<u64>(value, len),
        Domain::Ring128 => all::<u128>(value, len),
        Domain::M61 => all::<M61>(value, len),
        Domain::P127 => all::<P127>(value, len),
        Domain::Bits => {
            let word = if value & 1 == 1 { u64::MAX } else { 0 };
            Values::Bits(Bits::from_words(len, vec![word; len.div_ceil(64)]))
        }
    }
}

/// Public values as the signed integers they stand for; bits as 0 and 1.
pub(super) fn integers(values: &Values) -> Vec<i128> {
    match values {
        Values::Ring64(values) => values.iter().map(|value| signed(*value)).collect(),
        Values::Ring128(values) => values.iter().map(|value| signed(*value)).collect(),
        Values::M61(values) => values.iter().map(|value| signed(*value)).collect(),
        Values::P127(values) => values.iter().map(|value| signed(*value)).collect(),
        Values::Bits(bits) => bits.iter().map(i128::from).collect(),
    }
}

/// Signed integers as values of a domain.
pub(super) fn from_integers(domain: Domain, values: impl Iterator<Item = i128>) -> Values {
    match domain {
        Domain::Ring64 => Values::Ring64(values.map(scalar).collect()),
        Domain::Ring128 => Values::Ring128(values.map(scalar).collect()),
        Domain::M61 => Values::M61(values.map(scalar).collect()),
        Domain::P127 => Values::P127(values.map(scalar).collect()),
        Domain::Bits => Values::Bits(values.map(|value| value & 1 == 1).collect()),
    }
}

/// That public values fit a column.
pub(super) fn fitting(what: &'static str, column: &Column, values: &Values) -> Result<(), Failure> {
    if (column.domain(), column.len()) == (values.domain(), values.len()) {
        return Ok(());
    }
    let (left, right) = (column.domain(), values.domain());
    Err(Failure::Shape { what, left, left_len: column.len(), right, right_len: values.len() })
}

/// That all columns have `len` rows.
pub(super) fn of_length(what: &'static str, len: usize, columns: &[Column]) -> Result<(), Failure> {
    match columns.iter().find(|column| column.len() != len) {
        None => Ok(()),
        Some(column) => {
            let domain = column.domain();
            Err(Failure::Shape { what, left: domain, left_len: len, right: domain, right_len: column.len() })
        }
    }
}

/// `Σ factor · column + constant`.
pub(super) fn combine(
    backend: &dyn Backend,
    terms: &[(i128, &Column)],
    constant_term: i128,
) -> Result<Column, Failure> {
    if constant_term == 0 {
        return backend.linear(terms, None);
    }
    let first = terms.first().ok_or(Failure::Program("a linear combination has a term"))?.1;
    backend.linear(terms, Some(&constant(first.domain(), constant_term, first.len())))
}

/// The complement of bits.
pub(super) fn not(backend: &dyn Backend, bits: &Column) -> Result<Column, Failure> {
    combine(backend, &[(1, bits)], 1)
}

/// Exclusive or.
pub(super) fn xor(backend: &dyn Backend, left: &Column, right: &Column) -> Result<Column, Failure> {
    backend.linear(&[(1, left), (1, right)], None)
}

/// Consecutive rows.
pub(super) fn slice(backend: &dyn Backend, column: &Column, begin: usize, end: usize) -> Result<Column, Failure> {
    let rows: Vec<u32> = (begin as u32..end as u32).collect();
    backend.gather(column, &rows)
}

/// A column of `len` zeros.
pub(super) fn zeros(backend: &dyn Backend, domain: Domain, len: usize) -> Result<Column, Failure> {
    backend.public(&Values::zeros(domain, len))
}

/// Bits of a ring or field that hold a value and leave the product of two such halves in range: products must stay below
/// `2^(width − 2)`, which truncation takes.
pub(super) const fn headroom(domain: Domain) -> u32 {
    domain.width() - 2
}

/// One after the other.
pub(super) const fn then(first: Cost, second: Cost) -> Cost {
    Cost { bytes: first.bytes + second.bytes, rounds: first.rounds + second.rounds }
}

/// So many side by side.
pub(super) const fn times(count: u64, cost: Cost) -> Cost {
    Cost { bytes: cost.bytes * count, rounds: cost.rounds }
}

/// A figure to compare ways by: bytes, and for each round the bytes that all parties' links carry in its latency within a data centre.
pub(super) fn weight(cost: Cost) -> u64 {
    cost.bytes + u64::from(cost.rounds) * ROUND_BYTES
}

/// Three links of 1 GB/s for 30 µs.
const ROUND_BYTES: u64 = 100_000;
