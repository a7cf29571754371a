//! The ways out: each verifies all that was computed before it shows anything.

use crate::domain::Values;
use crate::engine::{Backend, Column, Failure, Io, checked};

/// Opens columns to all parties.
///
/// # Errors
/// The back end's: a failed check opens nothing.
pub async fn to_all(backend: &dyn Backend, io: &mut Io, columns: &[Column]) -> Result<Vec<Values>, Failure> {
    let verified = checked(backend, io, columns).await?;
    backend.open(io, verified, None).await?.ok_or(Failure::Program("a back end opens to all when asked to"))
}

/// Opens columns to one party; the others get `None`.
///
/// # Errors
/// As [`to_all`].
pub async fn to_one(
    backend: &dyn Backend,
    io: &mut Io,
    columns: &[Column],
    party: u16,
) -> Result<Option<Vec<Values>>, Failure> {
    let verified = checked(backend, io, columns).await?;
    backend.open(io, verified, Some(party)).await
}
