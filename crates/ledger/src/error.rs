//! Why a ledger could not do what it was asked.

use crypto::Digest;

use crate::{Failure, Refusal};

/// Why a ledger could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error("the ledger's store failed: {0}")]
    Store(#[source] Box<redb::Error>),
    /// The store holds what this ledger never wrote.
    #[error("the ledger's store is damaged: {0}")]
    Damaged(&'static str),
    /// The store holds another chain.
    #[error("the store holds chain {found}, expected {expected}")]
    OtherChain {
        /// Chain found.
        found: Digest,
        /// Chain expected.
        expected: Digest,
    },
    /// The application could not go on; nothing was recorded.
    #[error("the application stopped: {0}")]
    Application(#[source] Failure),
    /// The application names validators that no chain can have.
    #[error("the application's validators are not well-formed: {0}")]
    Epoch(#[source] crate::ConsortiumError),
    /// A block that does not follow on the newest one.
    #[error("block {found} does not follow on block {head}")]
    Gap {
        /// Height of the block.
        found: u64,
        /// Height of the newest block.
        head: u64,
    },
    /// Another block stands at this height: evidence that its maker made two.
    #[error("block {height} is {kept} here, and {found} was received: its maker has made two")]
    Fork {
        /// Height of both.
        height: u64,
        /// Header digest of the block received.
        found: Digest,
        /// Header digest of the block kept.
        kept: Digest,
    },
    /// What was ordered elsewhere has been executed before.
    #[error("place {found} is not after {newest}, the newest that was executed")]
    Place {
        /// The place.
        found: u64,
        /// The newest that was executed.
        newest: u64,
    },
    /// The ordering stopped before the transaction was committed; it may still be, later.
    #[error("the ordering stopped; ask later whether the transaction was committed")]
    Stopped,
    /// A header field is not what executing the block gives.
    #[error("block {height} states another {field} than executing it gives")]
    Diverged {
        /// The block.
        height: u64,
        /// The first field that differs.
        field: &'static str,
    },
    /// A block's time is before the previous one's, or ahead of the clock.
    #[error("block {height} has time {found}, expected {earliest} to {latest}")]
    Time {
        /// The block.
        height: u64,
        /// Unix milliseconds.
        found: u64,
        /// Unix milliseconds.
        earliest: u64,
        /// Unix milliseconds.
        latest: u64,
    },
    /// A block holds a transaction that may not stand in it.
    #[error("transaction {position} of block {height}: {source}")]
    Refused {
        /// The block.
        height: u64,
        /// The transaction's place.
        position: usize,
        /// Why.
        source: Refusal,
    },
    /// A block has no transactions, too many, or too many bytes.
    #[error("a block of {transactions} transactions and {bytes} bytes")]
    BlockSize {
        /// Transactions found.
        transactions: usize,
        /// Bytes found.
        bytes: usize,
    },
    /// No such transaction.
    #[error("the transaction {0} is not on the ledger")]
    UnknownTransaction(Digest),
    /// No such block.
    #[error("there is no block {0}")]
    UnknownBlock(u64),
    /// No tree of these leaves.
    #[error("the log has no tree of {old} in {new} leaves")]
    UnknownTree {
        /// Leaf or smaller tree.
        old: u64,
        /// Larger tree.
        new: u64,
    },
    /// The state at this height is no longer kept.
    #[error("the state at block {found} is gone, the oldest kept is {oldest}")]
    Pruned {
        /// The height.
        found: u64,
        /// The oldest height kept.
        oldest: u64,
    },
    /// The transactions of this block, and of those before, are no longer kept, or never were.
    #[error("this node keeps transactions from block {oldest} on: ask another member's node for older ones")]
    Gone {
        /// The first block whose transactions are kept.
        oldest: u64,
    },
    /// The state, or a record of it, is too large for a snapshot.
    #[error("the state is too large for a snapshot")]
    Oversize,
    /// The ledger has changed since the snapshot was asked for, or is newer than that.
    #[error("the ledger has gone on since the snapshot was asked for")]
    Moved,
    /// A snapshot is not to be used.
    #[error("the snapshot is refused: {0}")]
    Snapshot(#[from] crate::SnapshotError),
    /// No quorum has yet cosigned a checkpoint that covers the transactions.
    #[error("no quorum has cosigned leaf {index} yet; try again in a moment")]
    NotCosigned {
        /// The newest leaf asked for.
        index: u64,
    },
    /// A cosignature by someone who is no validator, or one that does not verify.
    #[error("the cosignature of `{name}` under block {height} is not a validator's, or does not verify")]
    Cosignature {
        /// The block.
        height: u64,
        /// Who is said to have signed.
        name: String,
    },
    /// A receipt for no transaction or too many.
    #[error("a receipt of {found} entries, 1 to {limit} are possible")]
    ReceiptSize {
        /// Entries asked for.
        found: usize,
        /// Entries possible.
        limit: usize,
    },
}

macro_rules! from_store {
    ($($source:ident)*) => {
        $(impl From<redb::$source> for Error {
            fn from(source: redb::$source) -> Self {
                Self::Store(Box::new(source.into()))
            }
        })*
    };
}

from_store!(DatabaseError TransactionError TableError StorageError CursorError CommitError SetDurabilityError);

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Self::Store(Box::new(redb::Error::Io(source)))
    }
}

impl From<Error> for crate::Unreadable {
    fn from(source: Error) -> Self {
        Self(source.to_string())
    }
}
