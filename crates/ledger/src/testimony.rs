//! Testimony: what a receipt carries of independent witnesses, and what a reader makes of it (`docs/spec/receipt.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crypto::{Digest, merkle};

use crate::note::Line;
use crate::receipt::{path_text, read_path};
use crate::{Checkpoint, Consortium, Note, NoteError, ReceiptError, WitnessKey};

/// The end of a receipt, read but not verified: a checkpoint that continues the receipt's, why it does, and witnesses' lines under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Testimony {
    /// RFC 9162 §2.1.4.1, from the receipt's log to the witnessed one; empty where they are one.
    path: Vec<Digest>,
    checkpoint: Checkpoint,
    /// By name and key id, none twice.
    lines: Vec<Line>,
}

impl Testimony {
    /// What a note that a quorum cosigned has of these witnesses, or of any.
    pub(crate) fn of(
        note: &Note,
        path: Vec<Digest>,
        consortium: &Consortium,
        witnesses: Option<&PinnedWitnesses>,
    ) -> Result<Self, NoteError> {
        let checkpoint = note.verify(consortium)?.checkpoint;
        let epoch = consortium.accountable(&checkpoint)?.epoch();
        let pinned = witnesses.map(|witnesses| witnesses.keys.as_slice());
        let lines = note.testimony(&epoch, pinned, MAX_TESTIMONIES);
        match lines.is_empty() {
            true => Err(NoteError::Unwitnessed { size: checkpoint.size }),
            false => Ok(Self { path, checkpoint, lines }),
        }
    }

    /// Reads the three parts that blank lines divide; numbers and white space are compared with [`Display`](fmt::Display) by the receipt.
    pub(crate) fn read(path: &str, body: &str, lines: &str) -> Option<Self> {
        let path = read_path(path.strip_prefix("consistency ")?)?;
        let checkpoint = Checkpoint::parse_body(&format!("{body}\n"))?;
        let mut read: Vec<Line> = Vec::new();
        for line in lines.strip_suffix('\n')?.split('\n') {
            let line = Line::read(line).filter(Line::is_witness)?;
            if read.len() == MAX_TESTIMONIES || read.last().is_some_and(|last| !last.precedes(&line)) {
                return None;
            }
            read.push(line);
        }
        (path.len() <= MAX_PATH).then_some(Self { path, checkpoint, lines: read })
    }

    /// Whether the witnessed log continues the receipt's.
    pub(crate) fn verify(&self, receipt: &Checkpoint) -> Result<VerifiedTestimony, ReceiptError> {
        let witnessed = self.checkpoint;
        if witnessed.chain != receipt.chain {
            return Err(ReceiptError::Chain { found: witnessed.chain, expected: receipt.chain });
        }
        let continues = match witnessed.size == receipt.size {
            // A block holds at least one transaction, so a log of one size has one header.
            true => witnessed == *receipt && self.path.is_empty(),
            false => {
                let (old, new) = ((receipt.size, &receipt.root), (witnessed.size, &witnessed.root));
                witnessed.epoch >= receipt.epoch && merkle::verify_consistency(old.0, old.1, new.0, new.1, &self.path)
            }
        };
        match continues {
            true => Ok(VerifiedTestimony { checkpoint: witnessed, lines: self.lines.clone() }),
            false => Err(ReceiptError::Testimony { size: receipt.size, witnessed: witnessed.size }),
        }
    }
}

impl fmt::Display for Testimony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consistency {}\n\n{}\n", path_text(&self.path), self.checkpoint.body())?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Testimony whose checkpoint continues the receipt's. Its lines were not verified: [`PinnedWitnesses::attest`] does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTestimony {
    /// The checkpoint that is said to be witnessed. Its root is that of a log which the receipt is part of; what that log's size, header and
    /// epoch are, the witnesses alone say.
    pub checkpoint: Checkpoint,
    lines: Vec<Line>,
}

impl VerifiedTestimony {
    /// Whose lines it claims to have: nobody's, until they are attested.
    pub fn danger_claimed(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.name.as_str())
    }

    fn cosigned(&self, witness: &WitnessKey) -> Result<Option<u64>, Unattested> {
        let Some(line) = self.lines.iter().find(|line| line.is_of(witness)) else { return Ok(None) };
        match line.cosigned(witness, &self.checkpoint) {
            Some(time) => Ok(Some(time)),
            None => Err(Unattested::False { name: witness.name().to_owned() }),
        }
    }
}

/// The witnesses that a reader relies on, and how many of them must have cosigned. Each has a key of its own, and none is a validator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedWitnesses {
    keys: Vec<WitnessKey>,
    least: usize,
}

impl PinnedWitnesses {
    /// Pins these, one at least, of which `least` must have cosigned, all where it is none. A key that is named twice counts once.
    ///
    /// # Errors
    /// [`Unattested::SameKey`], [`Unattested::Validator`], [`Unattested::Least`].
    pub fn new(
        keys: impl IntoIterator<Item = WitnessKey>,
        least: Option<usize>,
        consortium: &Consortium,
    ) -> Result<Self, Unattested> {
        let keys: Vec<WitnessKey> = BTreeSet::from_iter(keys).into_iter().collect();
        let mut names = BTreeMap::new();
        for key in &keys {
            let name = key.name().to_owned();
            if let Some(other) = names.insert(key.key(), name.clone()) {
                return Err(Unattested::SameKey { one: other, other: name });
            }
            let mut validators = consortium.epochs.iter().flat_map(|epoch| &epoch.validators);
            if validators.any(|validator| validator.key == key.key()) {
                return Err(Unattested::Validator { name });
            }
        }
        let (least, pinned) = (least.unwrap_or(keys.len()), keys.len());
        match (1..=pinned).contains(&least) {
            true => Ok(Self { keys, least }),
            false => Err(Unattested::Least { demanded: least, pinned }),
        }
    }

    /// Who of them cosigned the checkpoint of a receipt's testimony, and when, Unix seconds.
    ///
    /// # Errors
    /// [`Unattested::Few`]; [`Unattested::False`] where a line of one of them does not verify.
    pub fn attest(&self, testimony: Option<&VerifiedTestimony>) -> Result<Vec<(String, u64)>, Unattested> {
        self.count(|key| testimony.map_or(Ok(None), |testimony| testimony.cosigned(key)))
    }

    /// The same of a note.
    ///
    /// # Errors
    /// [`Unattested::Few`].
    pub fn attest_note(&self, note: &Note) -> Result<Vec<(String, u64)>, Unattested> {
        self.count(|key| Ok(note.witnessed(key)))
    }

    fn count(
        &self,
        when: impl Fn(&WitnessKey) -> Result<Option<u64>, Unattested>,
    ) -> Result<Vec<(String, u64)>, Unattested> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for key in &self.keys {
            match when(key)? {
                Some(time) => found.push((key.name().to_owned(), time)),
                None => missing.push(key.name().to_owned()),
            }
        }
        match found.len() >= self.least {
            true => Ok(found),
            false => Err(Unattested::Few { found: found.len(), demanded: self.least, missing }),
        }
    }
}

/// Why a reader's witnesses do not stand behind a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unattested {
    /// Two names for one key would count one witness twice.
    #[error("the witnesses `{one}` and `{other}` have one key")]
    SameKey {
        /// The first name.
        one: String,
        /// The second.
        other: String,
    },
    /// The key of a validator: its word is in the quorum's already.
    #[error("the key of the witness `{name}` is a validator's of the consortium file")]
    Validator {
        /// The witness.
        name: String,
    },
    /// More are demanded than are pinned, or none.
    #[error("{demanded} witnesses cannot be demanded of {pinned} that are named")]
    Least {
        /// How many are demanded.
        demanded: usize,
        /// How many were named.
        pinned: usize,
    },
    /// Too few have cosigned.
    #[error("{found} of the witnesses that you rely on have cosigned where {demanded} must; there is no line of {}", .missing.join(", "))]
    Few {
        /// How many have.
        found: usize,
        /// How many must.
        demanded: usize,
        /// Who has not.
        missing: Vec<String>,
    },
    /// A line under the name and key id of a witness was not made by it.
    #[error("the line of the witness `{name}` does not verify: it was changed, or made by somebody else")]
    False {
        /// The witness.
        name: String,
    },
}

/// Most witnesses' lines of a receipt: as many as a node asks.
const MAX_TESTIMONIES: usize = 16;

/// Most digests of a consistency path, as in tlog-witness.
const MAX_PATH: usize = 63;
