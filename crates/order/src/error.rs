//! Why an ordering does not start, or stopped for good.

use crypto::Digest;
use ledger::Refusal;

/// Why an ordering did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// This node's key is none of the validators'.
    #[error("this node's key is not a validator's in epoch {epoch}")]
    NotValidator {
        /// The epoch.
        epoch: u64,
    },
    /// A validator has no address, or an address has no validator.
    #[error("`{name}` is not both a validator and given an address")]
    Address {
        /// Whose.
        name: String,
    },
    /// Keys that are no Ed25519 keys, or the same twice.
    #[error("the validators' keys are not distinct Ed25519 keys")]
    Keys,
    /// The ledger is not where this ordering left it, or begins: it ends earlier, or got blocks from elsewhere.
    #[error("the ledger is at block {found}; what these validators ordered ends at block {expected}")]
    Base {
        /// Newest height.
        found: u64,
        /// Height at which the ordering begins.
        expected: u64,
    },
    /// The ledger cannot be read.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ledger::Error),
    /// The directory cannot be made.
    #[error("the directory cannot be used")]
    Io(#[from] std::io::Error),
}

/// Why an ordering stopped for good. Restarting helps where the cause was the disk.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The validators finalised a statement about the ledger that this node's ledger contradicts.
    #[error("slate {height} states header {stated} after slate {executed}; this ledger has {found}")]
    Diverged {
        /// The slate that states it.
        height: u64,
        /// The slate after which it should hold.
        executed: u64,
        /// Header digest stated.
        stated: Digest,
        /// Header digest here.
        found: Digest,
    },
    /// A final slate holds what honest validators do not vote for: more than a third of them are not honest.
    #[error("slate {height} is final and invalid: {source}")]
    Invalid {
        /// The slate.
        height: u64,
        /// Why.
        source: Refusal,
    },
    /// A final slate came out of turn.
    #[error("slate {found} came after slate {executed}")]
    Gap {
        /// Its height.
        found: u64,
        /// The newest that was executed.
        executed: u64,
    },
    /// The ledger is older than what was ordered, and the slates between are no longer kept.
    #[error(
        "the ledger has executed slate {executed}, the next one is gone: restore a newer ledger or sync it from a member"
    )]
    Behind {
        /// The newest that was executed.
        executed: u64,
    },
    /// The ledger could not go on.
    #[error("the ledger failed: {0}")]
    Ledger(String),
    /// The engine stopped.
    #[error("the consensus engine stopped: {0}")]
    Engine(String),
}

impl From<ledger::Error> for Fault {
    fn from(error: ledger::Error) -> Self {
        Self::Ledger(error.to_string())
    }
}
