//! Selection by a secret bit, and what follows from it: minimum, maximum, absolute value, clamping.

use crate::domain::Domain;
use crate::engine::{Backend, Column, Failure, Io};

use super::operand::{Operand, Range};
use super::wiring::{combine, constant, inject, of_length, products, side_by_side, xor};
use super::{compare, wiring};

/// `yes` where the bit is set, `no` elsewhere. One multiplication, and in a ring or field one composition of the bit before.
///
/// # Errors
/// The back end's.
pub async fn select(
    backend: &dyn Backend,
    io: &mut Io,
    bit: &Column,
    yes: &Column,
    no: &Column,
) -> Result<Column, Failure> {
    let mut chosen = select_all(backend, io, bit, &[(yes, no)]).await?;
    chosen.pop().ok_or(Failure::Program("one column"))
}

/// [`select`] for several pairs by the same bit, which is composed once per domain.
///
/// # Errors
/// The back end's.
pub async fn select_all(
    backend: &dyn Backend,
    io: &mut Io,
    bit: &Column,
    pairs: &[(&Column, &Column)],
) -> Result<Vec<Column>, Failure> {
    let mut domains: Vec<Domain> = Vec::new();
    for (yes, no) in pairs {
        yes.fits("select", no)?;
        of_length("select", bit.len(), std::slice::from_ref(*yes))?;
        if !domains.contains(&yes.domain()) {
            domains.push(yes.domain());
        }
    }
    // Bits are multiplexed at once; the rest awaits its composition.
    let chosen = side_by_side(io, domains.len(), async |at, io| {
        let domain = domains[at];
        let factor = as_factor(backend, io, bit, domain).await?;
        let here: Vec<usize> = (0..pairs.len()).filter(|pair| pairs[*pair].0.domain() == domain).collect();
        let distances = here.iter().map(|pair| backend.linear(&[(1, pairs[*pair].0), (-1, pairs[*pair].1)], None));
        let distances = distances.collect::<Result<Vec<_>, _>>()?;
        let factors: Vec<_> = distances.iter().map(|distance| (&factor, distance)).collect();
        let moved = products(backend, io, &factors).await?;
        let chosen = here
            .iter()
            .zip(&moved)
            .map(|(pair, moved)| Ok((*pair, backend.linear(&[(1, pairs[*pair].1), (1, moved)], None)?)));
        chosen.collect::<Result<Vec<_>, Failure>>()
    });
    let mut chosen: Vec<_> = chosen.await?.into_iter().flatten().collect();
    chosen.sort_by_key(|(pair, _)| *pair);
    Ok(chosen.into_iter().map(|(_, column)| column).collect())
}

/// The smaller of each pair. One comparison, one selection.
///
/// # Errors
/// The back end's.
pub async fn min<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    let right = right.into().column(backend, left)?;
    let smaller = compare::lt(backend, io, &right, left, range).await?;
    select(backend, io, &smaller, &right, left).await
}

/// The larger of each pair. One comparison, one selection.
///
/// # Errors
/// The back end's.
pub async fn max<'a>(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Column,
    right: impl Into<Operand<'a>>,
    range: Range,
) -> Result<Column, Failure> {
    let right = right.into().column(backend, left)?;
    let larger = compare::lt(backend, io, left, &right, range).await?;
    select(backend, io, &larger, &right, left).await
}

/// Which of a group's rows is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// The smallest.
    Least,
    /// The largest.
    Greatest,
}

/// The least or greatest of each group, where it stands and what stands beside it.
#[derive(Clone, Debug)]
pub struct Found {
    /// One value for each group.
    pub value: Column,
    /// Its row within the group, from 0, in the values' domain; the first of equal ones.
    pub row: Column,
    /// The payload columns' values of that row.
    pub payload: Vec<Column>,
}

/// The least or greatest of each of `groups` stretches of equal length, with its row and payload: a tournament of `⌈log₂ m⌉` turns for
/// `m` rows to a group, `m − 1` comparisons and selections per group.
///
/// # Errors
/// The back end's; [`Failure::Program`] unless `groups` divides the length and groups have rows.
pub async fn extreme(
    backend: &dyn Backend,
    io: &mut Io,
    which: Extreme,
    values: &Column,
    payload: &[Column],
    groups: usize,
    range: Range,
) -> Result<Found, Failure> {
    let len = values.len();
    of_length("extreme", len, payload)?;
    if groups == 0 || len == 0 || !len.is_multiple_of(groups) {
        return Err(Failure::Program("groups divide a column's length and have rows"));
    }
    let mut rows = len / groups;
    let places = wiring::from_integers(values.domain(), (0..len).map(|row| (row % rows) as i128));
    let mut columns = vec![values.clone(), backend.public(&places)?];
    columns.extend_from_slice(payload);
    while rows > 1 {
        let half = rows / 2;
        let pick = |offset: usize, count: usize, step: usize| -> Vec<u32> {
            let row = |group: usize, at: usize| (group * rows + offset + at * step) as u32;
            (0..groups).flat_map(|group| (0..count).map(move |at| row(group, at))).collect()
        };
        let (first, second) = (pick(0, half, 2), pick(1, half, 2));
        let (first, second) = (backend.gather_all(&columns, &first)?, backend.gather_all(&columns, &second)?);
        // The second only where it is strictly better: of equal ones the first stays.
        let (below, above) = match which {
            Extreme::Least => (&second[0], &first[0]),
            Extreme::Greatest => (&first[0], &second[0]),
        };
        let better = compare::lt(backend, io, below, above, range).await?;
        let pairs: Vec<_> = second.iter().zip(&first).collect();
        let winners = select_all(backend, io, &better, &pairs).await?;
        if rows.is_multiple_of(2) {
            columns = winners;
        } else {
            // The odd one out goes on as it is, at the end of its group.
            let left_over = pick(rows - 1, 1, 1);
            let order: Vec<u32> = (0..groups)
                .flat_map(|group| {
                    let winners = (0..half).map(move |at| (group * half + at) as u32);
                    winners.chain(std::iter::once((groups * half + group) as u32))
                })
                .collect();
            let merged = winners.iter().zip(&columns).map(|(winners, column)| {
                let rest = backend.gather(column, &left_over)?;
                backend.gather(&backend.concat(&[winners.clone(), rest])?, &order)
            });
            columns = merged.collect::<Result<Vec<_>, Failure>>()?;
        }
        rows = rows.div_ceil(2);
    }
    let mut columns = columns.into_iter();
    let (value, row) = (columns.next(), columns.next());
    let (value, row) = value.zip(row).ok_or(Failure::Program("value and row"))?;
    Ok(Found { value, row, payload: columns.collect() })
}

/// `|v|`; the smallest number of a ring, which has no positive counterpart, stays as it is. One sign, one composition, one
/// multiplication.
///
/// # Errors
/// The back end's.
pub async fn abs(backend: &dyn Backend, io: &mut Io, column: &Column) -> Result<Column, Failure> {
    Ok(magnitude(backend, io, column).await?.0)
}

/// `|v|`, and the sign's bit as 0 or 1 in the same domain.
pub(super) async fn magnitude(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
) -> Result<(Column, Column), Failure> {
    let negative = backend.is_negative(io, column).await?;
    let negative = as_factor(backend, io, &negative, column.domain()).await?;
    let part = backend.mul(io, &negative, column).await?;
    Ok((backend.linear(&[(1, column), (-2, &part)], None)?, negative))
}

/// `low` where a value is less, `high` where it is more, itself between. Two comparisons, two compositions, one round of two
/// multiplications.
///
/// # Errors
/// The back end's; [`Failure::Program`] unless `low ≤ high`.
pub async fn clamp(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    low: i128,
    high: i128,
    range: Range,
) -> Result<Column, Failure> {
    if low > high {
        return Err(Failure::Program("a clamp's bounds are in order"));
    }
    let bounds = [low, high];
    let moves = side_by_side(io, 2, async |at, io| {
        let bound = Operand::Scalar(bounds[at]);
        let beyond = match at {
            0 => compare::lt(backend, io, column, bound, range).await?,
            _ => compare::gt(backend, io, column, bound, range).await?,
        };
        let beyond = as_factor(backend, io, &beyond, column.domain()).await?;
        let bound = constant(column.domain(), bounds[at], column.len());
        let way = backend.linear(&[(-1, column)], Some(&bound))?;
        backend.mul(io, &beyond, &way).await
    });
    let moves = moves.await?;
    backend.linear(&[(1, column), (1, &moves[0]), (1, &moves[1])], None)
}

/// A bit as a factor of its domain.
async fn as_factor(backend: &dyn Backend, io: &mut Io, bit: &Column, domain: Domain) -> Result<Column, Failure> {
    if domain == Domain::Bits {
        return Ok(bit.clone());
    }
    let mut factors = inject(backend, io, std::slice::from_ref(bit), domain).await?;
    factors.pop().ok_or(Failure::Program("one column"))
}

/// Exchanges two columns' rows where the bit is set: `(left, right)` to `(right, left)`. In bits one AND; elsewhere as [`select`].
pub(super) async fn exchange(
    backend: &dyn Backend,
    io: &mut Io,
    factor: &Column,
    left: &Column,
    right: &Column,
) -> Result<(Column, Column), Failure> {
    if left.domain() == Domain::Bits {
        let moved = backend.mul(io, factor, &xor(backend, left, right)?).await?;
        return Ok((xor(backend, left, &moved)?, xor(backend, right, &moved)?));
    }
    let distance = backend.linear(&[(1, right), (-1, left)], None)?;
    let moved = backend.mul(io, factor, &distance).await?;
    Ok((combine(backend, &[(1, left), (1, &moved)], 0)?, combine(backend, &[(1, right), (-1, &moved)], 0)?))
}
