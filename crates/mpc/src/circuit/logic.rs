//! Bits, and integers bit by bit. A number's bits are columns of [`Domain::Bits`], lowest first.

use crate::domain::Domain;
use crate::engine::{Backend, Column, Failure, Io, Truncation};

use super::operand::Operand;
use super::wiring::{combine, not as complement, products, side_by_side, xor as sum, zeros};

/// The complement of bits. Local.
///
/// # Errors
/// The back end's.
pub fn not(backend: &dyn Backend, bits: &Column) -> Result<Column, Failure> {
    complement(backend, bits)
}

/// Exclusive or of bits. Local.
///
/// # Errors
/// [`Failure::Shape`].
pub fn xor<'a>(backend: &dyn Backend, left: &Column, right: impl Into<Operand<'a>>) -> Result<Column, Failure> {
    sum(backend, left, &right.into().column(backend, left)?)
}

/// Conjunction of bits. One AND.
///
/// # Errors
/// The back end's.
pub async fn and(backend: &dyn Backend, io: &mut Io, left: &Column, right: &Column) -> Result<Column, Failure> {
    backend.mul(io, left, right).await
}

/// Disjunction of bits. One AND.
///
/// # Errors
/// The back end's.
pub async fn or(backend: &dyn Backend, io: &mut Io, left: &Column, right: &Column) -> Result<Column, Failure> {
    let both = backend.mul(io, left, right).await?;
    backend.linear(&[(1, left), (1, right), (1, &both)], None)
}

/// Whether all of a row's bits are set: `k − 1` ANDs, `⌈log₂ k⌉` rounds for `k` columns.
///
/// # Errors
/// The back end's; [`Failure::Program`] for no column.
pub async fn all(backend: &dyn Backend, io: &mut Io, bits: Vec<Column>) -> Result<Column, Failure> {
    let mut bits = bits;
    while bits.len() > 1 {
        let pairs: Vec<_> = bits.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        let mut next = products(backend, io, &pairs).await?;
        if bits.len() % 2 == 1 {
            next.extend(bits.pop());
        }
        bits = next;
    }
    bits.pop().ok_or(Failure::Program("at least one column of bits"))
}

/// Whether any of a row's bits is set: as [`all`].
///
/// # Errors
/// As [`all`].
pub async fn any(backend: &dyn Backend, io: &mut Io, bits: &[Column]) -> Result<Column, Failure> {
    let inverted = bits.iter().map(|bit| not(backend, bit)).collect::<Result<_, _>>()?;
    not(backend, &all(backend, io, inverted).await?)
}

/// For each place, whether it or any higher one is set. `k/2 · ⌈log₂ k⌉` ANDs, `⌈log₂ k⌉` rounds (Sklansky's prefix network).
///
/// # Errors
/// The back end's.
pub async fn suffix_or(backend: &dyn Backend, io: &mut Io, bits: &[Column]) -> Result<Vec<Column>, Failure> {
    let count = bits.len();
    // From the highest place down.
    let mut places: Vec<Column> = bits.iter().rev().cloned().collect();
    let mut span = 1;
    while span < count {
        let targets: Vec<usize> = (0..count).filter(|place| place / span % 2 == 1).collect();
        let source = |place: usize| place / span * span - 1;
        let pairs: Vec<_> = targets.iter().map(|place| (&places[*place], &places[source(*place)])).collect();
        let both = products(backend, io, &pairs).await?;
        let merged = targets.iter().zip(&both).map(|(place, both)| {
            backend.linear(&[(1, &places[*place]), (1, &places[source(*place)]), (1, both)], None)
        });
        let merged = merged.collect::<Result<Vec<_>, _>>()?;
        for (place, merged) in targets.into_iter().zip(merged) {
            places[place] = merged;
        }
        span *= 2;
    }
    places.reverse();
    Ok(places)
}

/// A binary operation on integers, bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bitwise {
    /// Conjunction.
    And,
    /// Disjunction.
    Or,
    /// Exclusive or.
    Xor,
}

/// A binary operation on signed integers of `width` bits, bit by bit (two's complement). Two decompositions, `width` ANDs (none for
/// exclusive or), one composition.
///
/// # Errors
/// The back end's.
pub async fn bitwise(
    backend: &dyn Backend,
    io: &mut Io,
    operation: Bitwise,
    left: &Column,
    right: &Column,
    width: u32,
) -> Result<Column, Failure> {
    left.fits("bitwise", right)?;
    let sides = [left, right];
    let decomposed = side_by_side(io, 2, async |side, io| backend.to_bits(io, sides[side], width).await).await?;
    let pairs: Vec<_> = decomposed[0].iter().zip(&decomposed[1]).collect();
    let both = match operation {
        Bitwise::Xor => Vec::new(),
        _ => products(backend, io, &pairs).await?,
    };
    let result = pairs.iter().enumerate().map(|(place, (x, y))| match operation {
        Bitwise::And => Ok(both[place].clone()),
        Bitwise::Or => backend.linear(&[(1, x), (1, y), (1, &both[place])], None),
        Bitwise::Xor => sum(backend, x, y),
    });
    compose(backend, io, &result.collect::<Result<Vec<_>, _>>()?, left.domain()).await
}

/// The complement of each bit of a signed integer: `−v − 1`. Local.
///
/// # Errors
/// The back end's.
pub fn complement_integer(backend: &dyn Backend, column: &Column) -> Result<Column, Failure> {
    combine(backend, &[(-1, column)], -1)
}

/// Signed integers from their bits in two's complement, the highest one telling the sign. One composition.
///
/// # Errors
/// The back end's.
pub async fn compose(backend: &dyn Backend, io: &mut Io, bits: &[Column], domain: Domain) -> Result<Column, Failure> {
    let (top, low) = bits.split_last().ok_or(Failure::Program("at least one column of bits"))?;
    if bits.len() as u32 >= domain.width() && matches!(domain, Domain::Ring64 | Domain::Ring128) {
        return backend.from_bits(io, bits, domain).await;
    }
    // v + 2^(w−1) has the same bits, but for the highest one, and no sign.
    let mut bits = low.to_vec();
    bits.push(not(backend, top)?);
    let raised = backend.from_bits(io, &bits, domain).await?;
    combine(backend, &[(1, &raised)], -(1 << (bits.len() - 1)))
}

/// How many of a row's bits are set, as bits. Adders of three bits, one AND each: about `k − log₂ k` ANDs for `k` columns.
///
/// # Errors
/// The back end's; [`Failure::Program`] for no column.
pub async fn popcount_bits(backend: &dyn Backend, io: &mut Io, bits: &[Column]) -> Result<Vec<Column>, Failure> {
    if bits.is_empty() {
        return Err(Failure::Program("at least one column of bits"));
    }
    let places = (bits.len() as u32).ilog2() as usize + 1;
    // By weight: columns still to be added up.
    let mut waiting: Vec<Vec<Column>> = vec![Vec::new(); places + 1];
    waiting[0] = bits.to_vec();
    while waiting.iter().any(|columns| columns.len() > 1) {
        // All adders of this round: three columns of one weight, or the last two.
        let mut adders: Vec<(usize, [Column; 3])> = Vec::new();
        for (place, columns) in waiting.iter_mut().enumerate() {
            while columns.len() >= 3 {
                let mut take = || columns.pop().ok_or(Failure::Program("three columns"));
                adders.push((place, [take()?, take()?, take()?]));
            }
        }
        if adders.is_empty() {
            // Half adders ripple from the lowest place that still has two.
            let (place, columns) = waiting
                .iter_mut()
                .enumerate()
                .find(|(_, columns)| columns.len() == 2)
                .ok_or(Failure::Program("two columns"))?;
            let zero = zeros(backend, Domain::Bits, columns[0].len())?;
            let mut take = || columns.pop().ok_or(Failure::Program("two columns"));
            adders.push((place, [take()?, take()?, zero]));
        }
        let halves = adders.iter().map(|(_, [a, b, c])| Ok((sum(backend, a, c)?, sum(backend, b, c)?)));
        let halves = halves.collect::<Result<Vec<_>, Failure>>()?;
        let pairs: Vec<_> = halves.iter().map(|(left, right)| (left, right)).collect();
        let carries = products(backend, io, &pairs).await?;
        for ((place, [a, b, c]), carry) in adders.iter().zip(&carries) {
            waiting[*place].push(backend.linear(&[(1, a), (1, b), (1, c)], None)?);
            if place + 1 < places {
                waiting[place + 1].push(sum(backend, carry, c)?);
            }
        }
    }
    let found = waiting.into_iter().take(places).flatten().collect::<Vec<_>>();
    Ok(found)
}

/// How many of the lowest `width` bits of each integer are set, in the integers' domain. One decomposition, [`popcount_bits`], one
/// composition.
///
/// # Errors
/// The back end's.
pub async fn popcount(backend: &dyn Backend, io: &mut Io, column: &Column, width: u32) -> Result<Column, Failure> {
    let bits = backend.to_bits(io, column, width).await?;
    let count = popcount_bits(backend, io, &bits).await?;
    backend.from_bits(io, &count, column.domain()).await
}

/// `v · 2^places`, reduced into the domain. Local.
///
/// # Errors
/// The back end's; [`Failure::Program`] past the domain's width.
pub fn shift_left(backend: &dyn Backend, column: &Column, places: u32) -> Result<Column, Failure> {
    if places >= column.domain().width() {
        return Err(Failure::Program("a shift is shorter than the domain is wide"));
    }
    backend.linear(&[(1 << places, column)], None)
}

/// `⌊v / 2^places⌋` of values with `|v| < 2^(width − 2)`. One exact truncation.
///
/// # Errors
/// The back end's.
pub async fn shift_right(backend: &dyn Backend, io: &mut Io, column: &Column, places: u32) -> Result<Column, Failure> {
    if places == 0 {
        return Ok(column.clone());
    }
    backend.truncate(io, column, places, Truncation::Exact).await
}

/// The lowest `width` bits, shifted down by `places`, zeros following: `⌊(v mod 2^width) / 2^places⌋`. One decomposition, one composition.
///
/// # Errors
/// The back end's; [`Failure::Program`] unless `places < width`.
pub async fn shift_right_logical(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    width: u32,
    places: u32,
) -> Result<Column, Failure> {
    if places >= width {
        return Err(Failure::Program("a shift is shorter than the value is wide"));
    }
    let bits = backend.to_bits(io, column, width).await?;
    backend.from_bits(io, &bits[places as usize..], column.domain()).await
}
