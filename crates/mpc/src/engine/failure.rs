//! Why a computation ended without a result, and who is to blame.

use crate::domain::Domain;

use super::OpId;

/// A computation's end without a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// One party misbehaved in a way that this party saw for itself.
    #[error("party {party}: {fault}")]
    Party {
        /// Whose fault.
        party: u16,
        /// What it did.
        fault: Fault,
    },
    /// One of two parties misbehaved; which of them cannot be told from what was seen.
    #[error("parties {low} and {high} are in dispute: {fault}")]
    Dispute {
        /// The lower index.
        low: u16,
        /// The higher index.
        high: u16,
        /// What was found.
        fault: Fault,
    },
    /// Somebody misbehaved; who cannot be told.
    #[error("a check failed: {fault}")]
    Cheated {
        /// What was found.
        fault: Fault,
    },
    /// The protocol in use does not offer this.
    #[error("{protocol} does not offer {what}")]
    Unsupported {
        /// The protocol.
        protocol: &'static str,
        /// What was asked for.
        what: &'static str,
    },
    /// Columns that do not fit an operation: a mistake of the program.
    #[error("{what}: {left:?} × {left_len} and {right:?} × {right_len} do not fit together")]
    Shape {
        /// The operation.
        what: &'static str,
        /// Domain of the first.
        left: Domain,
        /// Its length.
        left_len: usize,
        /// Domain of the second.
        right: Domain,
        /// Its length.
        right_len: usize,
    },
    /// The program or its inputs break a rule.
    #[error("{0}")]
    Program(&'static str),
    /// The caller ended it.
    #[error("cancelled")]
    Cancelled,
    /// What is to outlast a crash could not be kept.
    #[error("a checkpoint could not be kept: {0}")]
    Storage(std::io::ErrorKind),
}

/// What a party did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Its link ended or it fell silent.
    #[error("lost")]
    Lost,
    /// Its bytes are no frame.
    #[error("sent what is no frame: {0}")]
    Malformed(&'static str),
    /// It spoke for another session or an earlier run.
    #[error("sent a frame of another session")]
    Stale,
    /// It sent more than was asked for.
    #[error("sent more than the bound of {0} bytes")]
    Flood(usize),
    /// A value it sent is no element of the domain.
    #[error("sent a value outside the domain in operation {0:?}")]
    Value(OpId),
    /// It stated what contradicts others' statements or its own.
    #[error("contradicts itself or others in operation {0:?}")]
    Inconsistent(OpId),
    /// A proof of honest work did not hold.
    #[error("the proof of its multiplications does not hold")]
    Proof,
}

impl Failure {
    /// Whether somebody or something was missing, and nobody is suspected: only then may a session go on from a checkpoint.
    pub const fn is_interruption(&self) -> bool {
        matches!(self, Self::Party { fault: Fault::Lost, .. } | Self::Cancelled | Self::Storage(_))
    }

    /// That `party` did `fault`.
    pub const fn blame(party: u16, fault: Fault) -> Self {
        Self::Party { party, fault }
    }
}
