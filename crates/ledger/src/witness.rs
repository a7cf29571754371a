//! What a witness is asked, and when it cosigns (C2SP `tlog-witness`): without clock, key or disk.

use std::fmt;
use std::str::FromStr;

use crypto::{Digest, merkle};
use wire::{Fixed, text};

use crate::note::{MAX_NOTE, Note, NoteError, VerifiedNote};
use crate::{Checkpoint, Consortium};

/// The body of `add-checkpoint`: a checkpoint, and why it continues the one that the witness cosigned last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the log that the witness cosigned last, as far as the asker knows; 0 for none.
    pub old: u64,
    /// The consistency path (RFC 9162 §2.1.4.1) from there; at most 63 digests, empty where `old` is 0.
    pub proof: Vec<Digest>,
    /// The checkpoint with its validators' cosignatures.
    pub note: Note,
}

impl FromStr for AddCheckpoint {
    type Err = NoteError;

    fn from_str(body: &str) -> Result<Self, NoteError> {
        if body.len() > MAX_ADD_CHECKPOINT {
            return Err(NoteError::Form);
        }
        let (head, note) = body.split_once("\n\n").ok_or(NoteError::Form)?;
        let read = || {
            let mut lines = head.split('\n');
            let old = lines.next()?.strip_prefix("old ")?.parse().ok()?;
            let digest = |line| Some(Digest(Fixed::from_slice(&text::base64(line).ok()?)?));
            let proof = lines.map(digest).collect::<Option<Vec<_>>>()?;
            (proof.len() <= MAX_PROOF).then_some((old, proof))
        };
        let (old, proof) = read().ok_or(NoteError::Form)?;
        let request = Self { old, proof, note: Note::parse(note)? };
        // One spelling only.
        if request.to_string() == body { Ok(request) } else { Err(NoteError::Form) }
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|digest| writeln!(f, "{}", text::to_base64(digest.as_ref())))?;
        write!(f, "\n{}", self.note)
    }
}

impl AddCheckpoint {
    /// Whether a witness that cosigned `last` of this chain, or nothing yet, may cosign this: a quorum of the pinned
    /// consortium stands behind it, and it continues `last`. Who cosigns stores it as the last one before it answers, and lets
    /// nothing else be decided meanwhile.
    ///
    /// A block holds at least one transaction, so a log of one size has one header: a checkpoint that says otherwise is a
    /// fork of the chain, even where the logs are the same.
    ///
    /// # Errors
    /// [`Unwitnessed`].
    pub fn decide(&self, last: Option<&Checkpoint>, consortium: &Consortium) -> Result<VerifiedNote, Unwitnessed> {
        let verified = self.note.verify(consortium)?;
        let (new, known) = (verified.checkpoint, last.map_or(0, |last| last.size));
        if self.old > new.size {
            return Err(Unwitnessed::Backward { old: self.old, size: new.size });
        }
        if self.old != known {
            return Err(Unwitnessed::Stale { known });
        }
        let holds = match last {
            None => self.proof.is_empty(),
            Some(last) if last.size == new.size && *last != new => return Err(Unwitnessed::Fork { size: new.size }),
            Some(last) => merkle::verify_consistency(last.size, &last.root, new.size, &new.root, &self.proof),
        };
        if holds { Ok(verified) } else { Err(Unwitnessed::Inconsistent { old: known, size: new.size }) }
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unwitnessed {
    /// No quorum of the pinned consortium stands behind it.
    #[error(transparent)]
    Unproven(#[from] NoteError),
    /// The asker says that the witness knows a larger log than the one it asks for.
    #[error("the old size {old} is above the checkpoint's, {size}")]
    Backward {
        /// The size claimed.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The witness has cosigned another size last: ask again from there.
    #[error("the log that was cosigned last has {known} entries")]
    Stale {
        /// The size cosigned last.
        known: u64,
    },
    /// Another checkpoint of the same size was cosigned: the validators have signed a fork.
    #[error("another checkpoint of {size} entries was cosigned before: a quorum has signed a fork")]
    Fork {
        /// The size of both.
        size: u64,
    },
    /// The path does not lead from the log that was cosigned last to this one.
    #[error("the log of {size} entries is not shown to continue the one of {old}")]
    Inconsistent {
        /// The size cosigned last.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
}

/// Longest body of `add-checkpoint`: a note, and 64 lines of proof.
pub const MAX_ADD_CHECKPOINT: usize = MAX_NOTE + 64 * 48;

/// Most digests of a proof.
const MAX_PROOF: usize = 63;
