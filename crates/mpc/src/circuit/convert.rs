//! From one domain to another.

use crate::domain::Domain;
use crate::engine::{Backend, Column, Failure, Io};

use super::logic;

/// Signed integers of `width` bits in another ring or field; bits become 0 and 1 whatever the width. Values that take more bits are
/// cut to their lowest `width`. One decomposition of `width` bits, one composition.
///
/// # Errors
/// The back end's; [`Failure::Program`] where the target does not hold so many bits, or is [`Domain::Bits`], for which
/// [`Backend::to_bits`] is the way.
pub async fn convert(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    to: Domain,
    width: u32,
) -> Result<Column, Failure> {
    if column.domain() == to {
        return Ok(column.clone());
    }
    if to == Domain::Bits || (width > to.width() && column.domain() != Domain::Bits) {
        return Err(Failure::Program("a conversion's width fits its target, a ring or field"));
    }
    if column.domain() == Domain::Bits {
        return backend.from_bits(io, std::slice::from_ref(column), to).await;
    }
    let bits = backend.to_bits(io, column, width).await?;
    logic::compose(backend, io, &bits, to).await
}
