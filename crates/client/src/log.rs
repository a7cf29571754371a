//! The transaction log far from its nodes: mirrored into a directory of static files, and checked there or at a node.
//!
//! Nothing is believed that does not lead to a checkpoint which a quorum of the pinned consortium cosigned
//! (`docs/spec/log.md`). An exported directory is a valid C2SP `tlog-tiles` log.

mod checking;
mod mirror;
mod records;
mod shelf;
mod testimony;
mod upload;

use std::cmp::Ordering;
use std::io;

use crypto::{Digest, merkle};
use ledger::{Checkpoint, Note, NoteError, Unattested, WitnessKey};

use crate::Client;
use crate::bucket;

pub use self::checking::{check, check_node, covers};
pub use self::mirror::export;
pub use self::testimony::{testify, testify_at_node};
pub use self::upload::publish;

/// How much of a log is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The checkpoint and the hashes: what anyone may have.
    Hashes,
    /// Entries and transactions too: what members may have.
    Records,
}

/// What [`export`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The checkpoint that the directory now has.
    pub checkpoint: Checkpoint,
    /// Size of the log that it had before.
    pub before: u64,
    /// Files written, the checkpoint not counted.
    pub written: u64,
}

/// What [`check`] and [`check_node`] found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The note, to be kept for the next check.
    pub note: Note,
    /// Its checkpoint.
    pub checkpoint: Checkpoint,
    /// Who cosigned, in the epoch's order.
    pub cosigners: Vec<String>,
    /// Whether they cosigned with ML-DSA-65 as well, as the epoch demands.
    pub ml_dsa: bool,
    /// Names of the witnesses that were demanded, and when each cosigned, Unix seconds.
    pub witnesses: Vec<(String, u64)>,
    /// Tiles of hashes that were recomputed.
    pub tiles: u64,
    /// Transactions whose signatures and leaves were verified.
    pub records: u64,
}

/// What a checkpoint must satisfy beside having its quorum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demands<'a> {
    /// Witnesses each of which must have cosigned it.
    pub witnesses: &'a [WitnessKey],
    /// A checkpoint of before that it must continue.
    pub since: Option<&'a Note>,
}

/// Why a log cannot be mirrored, or is not in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node refused, or does not answer.
    #[error(transparent)]
    Client(#[from] crate::Error),
    /// No quorum of the pinned consortium stands behind a checkpoint.
    #[error("the checkpoint proves nothing")]
    Note(#[from] NoteError),
    /// A witness that was demanded has not cosigned.
    #[error("the witness `{0}` has not cosigned this checkpoint")]
    Unwitnessed(String),
    /// Too few of the pinned witnesses have.
    #[error(transparent)]
    Unattested(#[from] Unattested),
    /// The log is shorter than it was.
    #[error("the log has {found} entries, {known} were known before")]
    Behind {
        /// Entries found.
        found: u64,
        /// Entries known.
        known: u64,
    },
    /// Two checkpoints of one size differ, and a quorum cosigned each: keep both, they are proof.
    #[error("two checkpoints of {size} entries differ, and a quorum cosigned both: the chain was forked")]
    Fork {
        /// Their size.
        size: u64,
    },
    /// The log does not continue the one of before.
    #[error("the log of {new} entries does not continue the one of {old} entries")]
    Inconsistent {
        /// Entries of before.
        old: u64,
        /// Entries now.
        new: u64,
    },
    /// A file of the log is not there.
    #[error("{path} is missing")]
    Missing {
        /// The file, below the directory.
        path: String,
    },
    /// A file of the log is not what the checkpoint commits to.
    #[error("{path}: {what}")]
    Unfit {
        /// The file, below the directory.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The object store refuses, or is not reached.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file, below the directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    fn io(path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Checks that the log of the client's node continues an older checkpoint of it; the path that shows it.
async fn continues(client: &Client, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Digest>, Error> {
    if !is_later(old, new)? {
        return Ok(Vec::new());
    }
    let path = client.log_consistency(old.size, new.size).await?;
    match merkle::verify_consistency(old.size, &old.root, new.size, &new.root, &path) {
        true => Ok(path),
        false => Err(Error::Inconsistent { old: old.size, new: new.size }),
    }
}

/// Whether a checkpoint is of a larger log than another, rather than the same.
fn is_later(old: &Checkpoint, new: &Checkpoint) -> Result<bool, Error> {
    match new.size.cmp(&old.size) {
        Ordering::Less => Err(Error::Behind { found: new.size, known: old.size }),
        Ordering::Equal if old != new => Err(Error::Fork { size: new.size }),
        order => Ok(order.is_gt()),
    }
}

const CHECKPOINT: &str = "checkpoint";
