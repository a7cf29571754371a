//! A party's share of a column as bytes that outlast the session.

use crate::domain::Domain;
use crate::engine::{Column, Failure};

use super::column::{Share, no_field, of_bits, of_ring};
use super::share::{Replicated, Word};

/// The parts `x_i`, then `x_{i+1}`, elements little-endian.
pub(super) fn save(column: &Column) -> Result<Vec<u8>, Failure> {
    let share = Share::of(column)?;
    Ok([share.own(), share.next()].concat())
}

/// The column that [`save`] wrote.
pub(super) fn load(domain: Domain, len: usize, bytes: &[u8]) -> Result<Column, Failure> {
    if bytes.len() != 2 * domain.bytes(len) {
        return Err(Failure::Program("a share that was kept has the length of its column"));
    }
    let (own, next) = bytes.split_at(bytes.len() / 2);
    Ok(match domain {
        Domain::Ring64 => of_ring::<u64>(Replicated { own: elements(own), next: elements(next) }),
        Domain::Ring128 => of_ring::<u128>(Replicated { own: elements(own), next: elements(next) }),
        Domain::Bits => of_bits(len, Replicated::<Word> { own: elements(own), next: elements(next) }),
        _ => return Err(no_field()),
    })
}

/// Elements from their bytes, however these are aligned.
fn elements<A: bytemuck::Pod>(bytes: &[u8]) -> Vec<A> {
    bytes.chunks_exact(size_of::<A>()).map(bytemuck::pod_read_unaligned).collect()
}
