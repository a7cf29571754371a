//! A party's share of a column as bytes that outlast the session.

use crate::engine::{Column, Failure};

use super::field::{Valued, lanes};
use super::{Shamir, column, held};

impl Shamir {
    /// The lanes, little-endian.
    pub(super) fn save_column<L: Valued>(&self, column: &Column) -> Result<Vec<u8>, Failure> {
        Ok(bytemuck::cast_slice(&held::<L>(column)?.0).to_vec())
    }

    /// The column that [`Shamir::save_column`] wrote.
    pub(super) fn load_column<L: Valued>(&self, len: usize, bytes: &[u8]) -> Result<Column, Failure> {
        if bytes.len() != lanes::<L>(len) * size_of::<L>() {
            return Err(Failure::Program("a share that was kept has the length of its column"));
        }
        let shares: Vec<L> = bytes.chunks_exact(size_of::<L>()).map(bytemuck::pod_read_unaligned).collect();
        if !shares.iter().all(|lane| lane.is_valid()) {
            return Err(Failure::Program("a share that was kept is of its column's domain"));
        }
        Ok(column(len, shares))
    }
}
