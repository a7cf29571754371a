//! A party's share of a column as bytes that outlast the session.

use crate::engine::{Column, Failure};

use super::field::{Valued, lanes};
use super::{Shamir, column};

impl Shamir {
    /// The column whose lanes [`Shamir::bytes_of`] wrote.
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
