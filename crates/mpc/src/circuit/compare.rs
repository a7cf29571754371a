//! Comparisons, of a secret column with another or with public values. Results are columns of bits.

use crate::domain::{Domain, Values};
use crate::engine::{Backend, Column, Cost, Failure, Io, Primitive};

use super::operand::{Operand, Range};
use super::wiring::{combine, constant, fitting, integers, not, products, side_by_side, then, times, weight, xor};
use super::{logic, open};

/// Whether `left < right`.
///
/// Cost: where the difference keeps its sign ([`Range::Bits`] below the ring's width, and fields) one [`Backend::is_negative`], or a
/// decomposition where that is cheaper; otherwise up to three side by side and one AND.
///
/// # Errors
/// The back end's.
pub async fn lt<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    less(backend, io, left.into(), right.into(), range).await
}

/// Whether `left > right`; as [`lt`].
///
/// # Errors
/// As [`lt`].
pub async fn gt<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    less(backend, io, right.into(), left.into(), range).await
}

/// Whether `left ≤ right`; as [`lt`].
///
/// # Errors
/// As [`lt`].
pub async fn le<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    not(backend, &gt(backend, io, left, right, range).await?)
}

/// Whether `left ≥ right`; as [`lt`].
///
/// # Errors
/// As [`lt`].
pub async fn ge<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    not(backend, &lt(backend, io, left, right, range).await?)
}

/// Whether `left = right`.
///
/// Cost, whichever is least: two [`Backend::is_negative`] and one AND; a decomposition and `bits − 1` ANDs in a tree; in a field
/// whose back end can, the opening of the difference under a random mask and `width − 1` ANDs ([`zero_by_mask`]).
///
/// # Errors
/// The back end's.
pub async fn eq<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    let right = right.into();
    let distance = difference(backend, left.into(), right)?;
    if left.domain() == Domain::Bits {
        return not(backend, &distance);
    }
    zero(backend, io, &distance, spread(left.domain(), range)).await
}

/// Whether `left ≠ right`; as [`eq`].
///
/// # Errors
/// As [`eq`].
pub async fn ne<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    not(backend, &eq(backend, io, left, right, range).await?)
}

/// Whether `left < right` as unsigned numbers given by as many bits each, lowest first: a tree of generate and propagate.
/// About `3 k` ANDs, `1 + ⌈log₂ k⌉` rounds for `k` bits.
///
/// # Errors
/// The back end's; [`Failure::Program`] where one side has more bits, or none.
pub async fn lt_bits(backend: &dyn Backend, io: &mut Io, left: &[Column], right: &[Column]) -> Result<Column, Failure> {
    if left.len() != right.len() {
        return Err(Failure::Program("numbers of equally many bits"));
    }
    let pairs: Vec<_> = left.iter().zip(right).collect();
    let both = products(backend, io, &pairs).await?;
    // Lowest place first. Less: ¬left ∧ right. Alike: ¬(left ⊕ right); what is below the lowest stretch does not matter.
    let less = right.iter().zip(&both).map(|(right, both)| xor(backend, right, both)).collect::<Result<Vec<_>, _>>()?;
    let alike = pairs.iter().skip(1).map(|(left, right)| combine(backend, &[(1, *left), (1, *right)], 1));
    let mut stretches: Vec<Stretch> = Vec::with_capacity(less.len());
    let mut alike = std::iter::once(Ok(None)).chain(alike.map(|alike| alike.map(Some)));
    for less in less {
        stretches.push(Stretch { less, alike: alike.next().transpose()?.flatten() });
    }
    while stretches.len() > 1 {
        let mut pairs = Vec::with_capacity(stretches.len());
        for pair in stretches.chunks_exact(2) {
            let above = pair[1].alike.as_ref().ok_or(Failure::Program("all but the lowest stretch know this"))?;
            pairs.push((above, &pair[0].less));
            pairs.extend(pair[0].alike.as_ref().map(|below| (above, below)));
        }
        let mut found = products(backend, io, &pairs).await?.into_iter();
        let mut next = Vec::with_capacity(stretches.len().div_ceil(2));
        for pair in stretches.chunks_exact(2) {
            let below = found.next().ok_or(Failure::Program("one product per pair"))?;
            let less = xor(backend, &pair[1].less, &below)?;
            let alike = if pair[0].alike.is_some() { found.next() } else { None };
            next.push(Stretch { less, alike });
        }
        if stretches.len() % 2 == 1 {
            next.extend(stretches.pop());
        }
        stretches = next;
    }
    stretches.pop().map(|all| all.less).ok_or(Failure::Program("at least one column of bits"))
}

/// What a stretch of places tells of two numbers.
struct Stretch {
    less: Column,
    /// Not kept for the lowest.
    alike: Option<Column>,
}

/// Whether each value is zero, for values of a field: the value is opened under a mask whose bits the parties share, and the mask is
/// compared with what it shows. Uniform masks hide the value; one in `2^width` zeros is missed.
///
/// # Errors
/// The back end's, where it offers no random bits.
pub async fn zero_by_mask(backend: &dyn Backend, io: &mut Io, column: &Column) -> Result<Column, Failure> {
    let domain = column.domain();
    if !matches!(domain, Domain::M61 | Domain::P127) {
        return Err(Failure::Program("a zero test by mask works in fields"));
    }
    let (width, len) = (domain.width() as usize, column.len());
    // The mask is uniform below 2^width, which is p + 1: of the residues only zero comes twice.
    let bits = side_by_side(io, width, async |_, io| backend.random(io, Domain::Bits, len).await).await?;
    let mask = backend.from_bits(io, &bits, domain).await?;
    let masked = backend.linear(&[(1, column), (1, &mask)], None)?;
    // Declassified: a uniform mask that is used once hides the value.
    let shown = open::to_all(backend, io, &[masked]).await?;
    let shown = shown.first().ok_or(Failure::Program("one column was opened"))?;
    let shown = integers(shown);
    // A negative integer stands for p minus its magnitude, whose bits are its own below, less one.
    let modulus = (1i128 << (width - 1)) - 1 + (1i128 << (width - 1));
    let alike = bits.iter().enumerate().map(|(place, bit)| {
        let clear = shown.iter().map(|value| (if *value < 0 { value + modulus } else { *value }) >> place & 1 == 0);
        backend.linear(&[(1, bit)], Some(&Values::Bits(clear.collect())))
    });
    let alike = alike.collect::<Result<Vec<_>, _>>()?;
    logic::all(backend, io, alike).await
}

/// Whether each value is zero, of values of `bits` bits.
async fn zero(backend: &dyn Backend, io: &mut Io, column: &Column, bits: u32) -> Result<Column, Failure> {
    let (domain, len) = (column.domain(), column.len());
    let cost = |primitive, domain, len| backend.cost(primitive, domain, len);
    let and = |count: u64, len| times(count, cost(Primitive::Mul, Domain::Bits, len));
    let tree = |bits: u32| {
        let all = and(u64::from(bits.saturating_sub(1)), len);
        Cost { rounds: all.rounds * bits.next_power_of_two().ilog2(), ..all }
    };
    let by_signs = then(times(2, cost(Primitive::IsNegative, domain, len)), and(1, len));
    let by_bits = then(cost(Primitive::ToBits(bits), domain, len), tree(bits));
    let field = matches!(domain, Domain::M61 | Domain::P127);
    if field {
        let width = domain.width();
        let mask = times(width.into(), cost(Primitive::Random, Domain::Bits, len));
        let masked = then(cost(Primitive::FromBits(width), domain, len), cost(Primitive::Open, domain, len));
        let by_mask = then(then(mask, masked), tree(width));
        if weight(by_mask) < weight(by_bits).min(weight(by_signs)) {
            return zero_by_mask(backend, io, column).await;
        }
    }
    if weight(by_bits) < weight(by_signs) {
        let bits = backend.to_bits(io, column, bits).await?;
        return logic::any(backend, io, &bits).await.and_then(|any| not(backend, &any));
    }
    // Neither it nor its negative is below zero. The smallest number of a ring is its own negative, and below zero.
    let sides = [column.clone(), backend.linear(&[(-1, column)], None)?];
    let below = side_by_side(io, 2, async |side, io| backend.is_negative(io, &sides[side]).await).await?;
    let above = below.iter().map(|below| not(backend, below)).collect::<Result<Vec<_>, _>>()?;
    backend.mul(io, &above[0], &above[1]).await
}

/// `left < right`, where at least one is secret.
pub(super) async fn less(
    backend: &dyn Backend,
    io: &mut Io,
    left: Operand<'_>,
    right: Operand<'_>,
    range: Range,
) -> Result<Column, Failure> {
    let distance = difference(backend, left, right)?;
    let domain = distance.domain();
    if domain == Domain::Bits {
        // ¬left ∧ right = right ⊕ left ∧ right
        let (left, right) = (left.column(backend, &distance)?, right.column(backend, &distance)?);
        let both = backend.mul(io, &left, &right).await?;
        return xor(backend, &right, &both);
    }
    if let Some(bits) = narrow(domain, range) {
        return sign(backend, io, &distance, bits).await;
    }
    // The difference may wrap. Where the signs are alike it does not; where they differ, the left one's decides.
    let secret: Vec<&Column> = [&left, &right].into_iter().filter_map(Operand::secret).collect();
    let columns: Vec<&Column> = std::iter::once(&distance).chain(secret).collect();
    let signs = side_by_side(io, columns.len(), async |at, io| backend.is_negative(io, columns[at]).await).await?;
    let mut signs = signs.into_iter();
    let wrapped = signs.next().ok_or(Failure::Program("the difference's sign"))?;
    let mut sign_of = |side: Operand<'_>| match side.public(&distance)? {
        None => signs.next().ok_or(Failure::Program("a secret operand's sign")),
        Some(values) => backend.public(&Values::Bits(integers(&values).iter().map(|value| *value < 0).collect())),
    };
    let (left, right) = (sign_of(left)?, sign_of(right)?);
    // An unsigned number's order is that of the signed one with its highest bit flipped, on both sides.
    let flip = i128::from(range == Range::Unsigned);
    let differ = xor(backend, &left, &right)?;
    let wrong = combine(backend, &[(1, &left), (1, &wrapped)], flip)?;
    let correction = backend.mul(io, &differ, &wrong).await?;
    xor(backend, &wrapped, &correction)
}

/// Whether each value of `bits` bits is negative, in the cheaper of two ways.
pub(super) async fn sign(backend: &dyn Backend, io: &mut Io, column: &Column, bits: u32) -> Result<Column, Failure> {
    let (domain, len) = (column.domain(), column.len());
    let whole = backend.cost(Primitive::IsNegative, domain, len);
    let part = backend.cost(Primitive::ToBits(bits), domain, len);
    if bits < domain.width() && weight(part) < weight(whole) {
        let mut bits = backend.to_bits(io, column, bits).await?;
        return bits.pop().ok_or(Failure::Program("at least one bit"));
    }
    backend.is_negative(io, column).await
}

/// `left − right`.
fn difference(backend: &dyn Backend, left: Operand<'_>, right: Operand<'_>) -> Result<Column, Failure> {
    let negative = |domain: Domain, values: &Values| {
        super::wiring::from_integers(domain, integers(values).into_iter().map(i128::wrapping_neg))
    };
    match (left, right) {
        (Operand::Secret(left), Operand::Secret(right)) => {
            left.fits("comparison", right)?;
            backend.linear(&[(1, left), (-1, right)], None)
        }
        (Operand::Secret(left), Operand::Public(right)) => {
            fitting("comparison", left, right)?;
            backend.linear(&[(1, left)], Some(&negative(left.domain(), right)))
        }
        (Operand::Secret(left), Operand::Scalar(right)) => {
            let right = constant(left.domain(), right, left.len());
            backend.linear(&[(1, left)], Some(&negative(left.domain(), &right)))
        }
        (left, Operand::Secret(right)) => {
            let left = left.public(right)?.ok_or(Failure::Program("a public operand"))?;
            backend.linear(&[(-1, right)], Some(&left))
        }
        _ => Err(Failure::Program("at least one side of a comparison is secret")),
    }
}

/// Bits of a difference that keeps its sign; `None` where it may wrap.
fn narrow(domain: Domain, range: Range) -> Option<u32> {
    let ring = matches!(domain, Domain::Ring64 | Domain::Ring128);
    match range {
        Range::Bits(bits) if !ring || bits < domain.width() => Some((bits + 1).min(domain.width())),
        _ if ring => None,
        _ => Some(domain.width()),
    }
}

/// Bits of a difference, for equality: where it wraps it is still zero for equal values only.
fn spread(domain: Domain, range: Range) -> u32 {
    match range {
        Range::Bits(bits) => (bits + 1).min(domain.width()),
        _ => domain.width(),
    }
}
