//! Sums, means and variances of groups of equal size, in exact integers.

use crate::engine::{Backend, Column, Failure, Io};

use super::divide::{Rounding, by_public};
use super::operand::Range;

/// Sum and sum of squares of each of `groups` stretches of equal length. One inner product. Values of `b` bits in groups of `m` need
/// `2b + log₂ m` bits of the domain.
///
/// # Errors
/// The back end's.
pub async fn moments(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    groups: usize,
) -> Result<(Column, Column), Failure> {
    let sums = backend.sum(column, groups)?;
    let squares = backend.dot(io, column, column, groups).await?;
    Ok((sums, squares))
}

/// `2^scale` times the mean of each group, rounded. One division by a public number.
///
/// # Errors
/// As [`by_public`]; [`Failure::Program`] for groups without rows.
pub async fn mean(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    groups: usize,
    scale: u32,
    rounding: Rounding,
) -> Result<Column, Failure> {
    let rows = rows(column, groups)?;
    let sums = backend.sum(column, groups)?;
    let sums = super::logic::shift_left(backend, &sums, scale)?;
    by_public(backend, io, &sums, rows, rounding, Range::Full).await
}

/// `m² ` times the variance of each group, `m Σ x² − (Σ x)²`, exact. One round: an inner product and a square.
///
/// # Errors
/// The back end's.
pub async fn scaled_variance(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    groups: usize,
) -> Result<Column, Failure> {
    let rows = rows(column, groups)?;
    let sums = backend.sum(column, groups)?;
    let mut strands = io.split(2);
    let (squares, square) = {
        let (first, second) = strands.split_at_mut(1);
        let squares = backend.dot(&mut first[0], column, column, groups);
        crate::engine::join(squares, backend.mul(&mut second[0], &sums, &sums)).await?
    };
    io.rejoin(strands);
    backend.linear(&[(rows, &squares), (-1, &square)], None)
}

/// `2^scale` times the variance of each group, rounded: of the group itself, or (`sample`) the unbiased estimate, by `m (m − 1)`
/// instead of `m²`.
///
/// # Errors
/// As [`by_public`]; [`Failure::Program`] for groups without rows, or of one row for a sample.
pub async fn variance(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    groups: usize,
    sample: bool,
    scale: u32,
    rounding: Rounding,
) -> Result<Column, Failure> {
    let rows = rows(column, groups)?;
    let divisor = rows * (rows - i128::from(sample));
    if divisor == 0 {
        return Err(Failure::Program("the variance of a sample needs two rows"));
    }
    let scaled = scaled_variance(backend, io, column, groups).await?;
    let scaled = super::logic::shift_left(backend, &scaled, scale)?;
    by_public(backend, io, &scaled, divisor, rounding, Range::Full).await
}

/// Rows to a group.
fn rows(column: &Column, groups: usize) -> Result<i128, Failure> {
    if groups == 0 || column.is_empty() || !column.len().is_multiple_of(groups) {
        return Err(Failure::Program("groups divide a column's length and have rows"));
    }
    Ok((column.len() / groups) as i128)
}
