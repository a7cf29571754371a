//! The ring of three: who sits before and after a party, and the streams shared with them.

use crate::engine::{Failure, Fault, Io, OpId};
use crate::prg::Prg;

use super::share::Atom;

/// A party's place among three.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// `i`.
    pub(super) index: u16,
    /// `i − 1`, who holds `x_i` too.
    pub(super) before: u16,
    /// `i + 1`, who holds `x_{i+1}` too.
    pub(super) after: u16,
}

impl Seat {
    /// The place of whoever runs this.
    pub(super) fn of(io: &Io) -> Result<Self, Failure> {
        if io.parties() != 3 {
            return Err(Failure::Program("rep3 runs among three parties"));
        }
        let index = io.index();
        Ok(Self { index, before: (index + 2) % 3, after: (index + 1) % 3 })
    }

    /// That the two others contradict each other.
    pub(super) fn others_dispute(self, fault: Fault) -> Failure {
        Failure::Dispute { low: self.before.min(self.after), high: self.before.max(self.after), fault }
    }

    /// This party's share of a vector of which part `part` alone is not zero, and known to those who hold it.
    pub(super) fn holds(self, part: u16) -> Option<Side> {
        match part {
            part if part == self.index => Some(Side::Own),
            part if part == self.after => Some(Side::Next),
            _ => None,
        }
    }
}

/// One of the two parts that a party holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `x_i`.
    Own,
    /// `x_{i+1}`.
    Next,
}

/// Writes atoms `at ..` of an operation's stream over `out`, which is zero; `at` is even.
pub(super) fn stream<A: Atom>(prg: &Prg, op: OpId, at: usize, out: &mut [A]) {
    let byte = at * size_of::<A>();
    debug_assert_eq!(byte % 16, 0, "a tile begins a block");
    prg.apply(op, (byte / 16) as u64, bytemuck::cast_slice_mut(out));
}

/// A vector of `len` atoms of an operation's stream.
pub(super) fn noise<A: Atom>(prg: &Prg, op: OpId, len: usize) -> Vec<A> {
    let mut out = vec![A::ZERO; len];
    prg.apply(op, 0, bytemuck::cast_slice_mut(&mut out));
    out
}

/// Atoms that are masked, computed on and sent at a time: what a party touches meanwhile stays in its cache.
pub(super) const TILE: usize = 4096;
