//! The ring of three parties.

use crate::engine::{Failure, Fault, Io};

/// A party's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    /// `i`.
    pub(crate) index: u16,
    /// `i − 1`, who holds `x_i` too.
    pub(crate) before: u16,
    /// `i + 1`, who holds `x_{i+1}` too.
    pub(crate) after: u16,
}

impl Ring {
    /// The place of whoever runs this.
    ///
    /// # Errors
    /// [`Failure::Program`] unless there are three parties.
    pub(crate) fn of(io: &Io) -> Result<Self, Failure> {
        if io.parties() != 3 {
            return Err(Failure::Program("rep3 runs among three parties"));
        }
        let index = io.index();
        Ok(Self { index, before: (index + 2) % 3, after: (index + 1) % 3 })
    }

    /// That the two others contradict each other.
    pub(crate) fn others_dispute(self, fault: Fault) -> Failure {
        Failure::Dispute { low: self.before.min(self.after), high: self.before.max(self.after), fault }
    }
}
