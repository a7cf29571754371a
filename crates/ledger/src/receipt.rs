//! Receipts: text files that prove transactions and their outcomes to whoever holds the consortium file, with what witnesses say of the
//! log or without.

use std::fmt;
use std::str::FromStr;

use crypto::{Digest, merkle};
use wire::text;

use crate::checkpoint::verify_quorum;
use crate::testimony::Testimony;
use crate::{
    Checkpoint, Committed, Consortium, Note, NoteError, PinnedWitnesses, VerifiedTestimony, VerifiedTransaction,
};

/// A receipt that was read, but not verified: nothing in it can be believed yet.
///
/// Its text is `docs/spec/receipt.md`'s; every byte of it is covered by a hash, a signature or the one valid spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    entries: Vec<(Committed, Vec<Digest>)>,
    checkpoint: Checkpoint,
    /// Signature lines, without line ends: they mean something only beside an epoch's keys.
    signatures: Vec<String>,
    /// What witnesses say; a receipt without is of the first version.
    testimony: Option<Testimony>,
}

impl Receipt {
    /// Puts a receipt together; entries by increasing index, cosignatures as in [`Checkpoint::note`].
    pub(crate) fn new(entries: Vec<(Committed, Vec<Digest>)>, checkpoint: Checkpoint, note: &str) -> Self {
        let body = checkpoint.body();
        let signatures = note[body.len()..].trim_start_matches('\n').lines().map(str::to_owned).collect();
        Self { entries, checkpoint, signatures, testimony: None }
    }

    /// The same receipt with testimony: the note's checkpoint, the consistency path that leads there from this receipt's, and the lines that these witnesses
    /// made, or without such all that may be witnesses'. Replaces what testimony there is.
    ///
    /// # Errors
    /// [`NoteError::Unproven`] where no quorum cosigned the note, or it does not continue this receipt's checkpoint, or the receipt becomes too long;
    /// [`NoteError::Unwitnessed`].
    pub fn with_testimony(
        &self,
        note: &Note,
        path: Vec<Digest>,
        consortium: &Consortium,
        witnesses: Option<&PinnedWitnesses>,
    ) -> Result<Self, NoteError> {
        let testimony = Testimony::of(note, path, consortium, witnesses)?;
        testimony.verify(&self.checkpoint)?;
        let receipt = Self { testimony: Some(testimony), ..self.clone() };
        let found = receipt.to_string().len();
        match found <= MAX_BYTES {
            true => Ok(receipt),
            false => Err(ReceiptError::TooLong { found, limit: MAX_BYTES }.into()),
        }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReceiptError::TooLong`], [`ReceiptError::Form`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_BYTES {
            return Err(ReceiptError::TooLong { found: text.len(), limit: MAX_BYTES });
        }
        let receipt = Self::read(text).ok_or(ReceiptError::Form)?;
        // One spelling only: numbers, white space, line ends, order.
        if receipt.to_string() != text {
            return Err(ReceiptError::Form);
        }
        Ok(receipt)
    }

    fn read(text: &str) -> Option<Self> {
        let (format, rest) = text.split_once('\n')?;
        let parts: Vec<&str> = rest.splitn(7, "\n\n").collect();
        let (head, body, signatures, testimony) = match (format, parts.as_slice()) {
            (FORMAT, [head, body, signatures]) => (head, body, signatures, None),
            (TESTIFIED, [head, body, signatures, path, witnessed, lines]) => {
                (head, body, signatures, Some(Testimony::read(path, witnessed, lines)?))
            }
            _ => return None,
        };
        let mut entries = Vec::new();
        let mut lines = head.split('\n');
        while let Some(entry) = lines.next() {
            let (index, record) = entry.strip_prefix("entry ")?.split_once(' ')?;
            let committed = Committed::from_bytes(index.parse().ok()?, &text::base64(record).ok()?).ok()?;
            let path = read_path(lines.next()?.strip_prefix("path ")?)?;
            if path.len() > 64 || entries.len() == MAX_ENTRIES {
                return None;
            }
            entries.push((committed, path));
        }
        let checkpoint = Checkpoint::parse_body(&format!("{body}\n"))?;
        let signatures = signatures.lines().map(str::to_owned).collect();
        Some(Self { entries, checkpoint, signatures, testimony })
    }

    /// Verifies everything against the pinned consortium: chain, that the log's size lies within the epoch, every transaction's signature, every leaf's path to the
    /// root, and that exactly a quorum of the epoch's validators cosigned, in their order. Of testimony, that its checkpoint continues the receipt's: whose word its
    /// lines are, [`PinnedWitnesses::attest`] says.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, consortium: &Consortium) -> Result<VerifiedReceipt, ReceiptError> {
        let checkpoint = self.checkpoint;
        let (cosigners, ml_dsa) = verify_quorum(&checkpoint, &self.signatures, consortium)?;
        let mut last = None;
        for (committed, path) in &self.entries {
            let index = committed.index;
            if last.is_some_and(|last| index <= last) {
                return Err(ReceiptError::EntryOrder { index });
            }
            last = Some(index);
            if !merkle::verify_inclusion(&checkpoint.root, checkpoint.size, index, &committed.leaf(), path) {
                return Err(ReceiptError::Inclusion { index });
            }
            VerifiedTransaction::verify(committed.transaction.clone(), &consortium.chain)
                .map_err(|source| ReceiptError::Transaction { index, source })?;
        }
        let testimony = self.testimony.as_ref().map(|testimony| testimony.verify(&checkpoint)).transpose()?;
        let entries = self.entries.iter().map(|(committed, _)| committed.clone()).collect();
        Ok(VerifiedReceipt { entries, checkpoint, epoch: checkpoint.epoch, cosigners, ml_dsa, testimony })
    }

    /// What it claims, unverified: for showing a receipt that was refused.
    pub fn danger_unverified_entries(&self) -> impl Iterator<Item = &Committed> {
        self.entries.iter().map(|(committed, _)| committed)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.testimony.is_some() { TESTIFIED } else { FORMAT })?;
        for (committed, path) in &self.entries {
            writeln!(f, "entry {} {}", committed.index, text::to_base64(&committed.to_bytes()))?;
            writeln!(f, "path {}", path_text(path))?;
        }
        write!(f, "\n{}\n", self.checkpoint.body())?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.testimony.as_ref().map_or(Ok(()), |testimony| write!(f, "\n{testimony}"))
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a receipt proves: these transactions, with these outcomes, stand in the log that these validators cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// By increasing index.
    pub entries: Vec<Committed>,
    /// The checkpoint that covers them.
    pub checkpoint: Checkpoint,
    /// The epoch whose validators cosigned.
    pub epoch: u64,
    /// Who cosigned, in the epoch's order.
    pub cosigners: Vec<String>,
    /// Whether they cosigned with ML-DSA-65 as well, as the epoch demands.
    pub ml_dsa: bool,
    /// What lines of witnesses it carries, if any. None of them was verified.
    pub testimony: Option<VerifiedTestimony>,
}

/// Why a receipt was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The text is too long.
    #[error("the receipt has {found} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// The text is not a receipt in its one valid spelling.
    #[error("the text is not a well-formed receipt")]
    Form,
    /// It is of another chain than the pinned one.
    #[error("the receipt is of chain {found}, the consortium file pins {expected}")]
    Chain {
        /// Chain found.
        found: Digest,
        /// Chain pinned.
        expected: Digest,
    },
    /// The consortium file does not name this epoch's validators.
    #[error("the consortium file does not know epoch {found}; get its newest version from a source you trust")]
    UnknownEpoch {
        /// Epoch found.
        found: u64,
    },
    /// The epoch's validators do not answer for a log of this size: it is of another epoch.
    #[error("a log of {size} entries is not of epoch {epoch}, which began after it or ended before it")]
    OutsideEpoch {
        /// Epoch claimed.
        epoch: u64,
        /// Size of the log claimed.
        size: u64,
    },
    /// Not exactly a quorum of cosignatures.
    #[error("{found} cosignatures where exactly {expected} make a quorum")]
    Quorum {
        /// Cosignatures found.
        found: usize,
        /// The quorum.
        expected: usize,
    },
    /// The epoch demands ML-DSA-65 beside Ed25519, and too few cosigned with both: the lines were left out on the way, or made by who has
    /// not the keys.
    #[error(
        "{found} ML-DSA-65 cosignatures where {expected} make a quorum: epoch {epoch} demands them beside Ed25519's"
    )]
    MlDsa {
        /// The epoch.
        epoch: u64,
        /// Validators that cosigned with both.
        found: usize,
        /// The quorum.
        expected: usize,
    },
    /// A cosignature is not a valid one by a validator of the epoch.
    #[error("cosignature {at} is not a validator's of this epoch, or does not verify")]
    Cosignature {
        /// Its place, from 0.
        at: usize,
    },
    /// Cosignatures are repeated, or not in the epoch's order.
    #[error("cosignature {at} is repeated or out of order")]
    CosignatureOrder {
        /// Its place, from 0.
        at: usize,
    },
    /// Entries are repeated, or not by increasing index.
    #[error("entry {index} is repeated or out of order")]
    EntryOrder {
        /// The entry's index.
        index: u64,
    },
    /// An entry is not in the log that was cosigned.
    #[error("entry {index} is not in the log that was cosigned")]
    Inclusion {
        /// The entry's index.
        index: u64,
    },
    /// The checkpoint in the testimony does not continue the receipt's.
    #[error("the witnessed log of {witnessed} entries is not shown to continue the receipt's, of {size}")]
    Testimony {
        /// Size of the receipt's log.
        size: u64,
        /// Size of the witnessed one.
        witnessed: u64,
    },
    /// The header in a proof of state, or one of those after it, is not the one that was cosigned.
    #[error("the header of block {height} is not the one that the cosigned checkpoint leads to")]
    Header {
        /// The block.
        height: u64,
    },
    /// The value, or its absence, is not what the block's state holds.
    #[error("the state after block {height} does not say that of the key")]
    State {
        /// The block.
        height: u64,
    },
    /// An entry's transaction does not hold by itself.
    #[error("entry {index}: {source}")]
    Transaction {
        /// The entry's index.
        index: u64,
        /// Why.
        source: crate::Refusal,
    },
}

/// A path as receipts write it.
pub(crate) fn path_text(path: &[Digest]) -> String {
    let bytes: Vec<u8> = path.iter().flat_map(|digest| *digest.as_bytes()).collect();
    if bytes.is_empty() { "-".into() } else { text::to_base64(&bytes) }
}

/// Reads [`path_text`].
pub(crate) fn read_path(path: &str) -> Option<Vec<Digest>> {
    if path == "-" {
        return Some(Vec::new());
    }
    let bytes = text::base64(path).ok()?;
    let (digests, []) = bytes.as_chunks::<32>() else { return None };
    Some(digests.iter().map(|digest| Digest::from(*digest)).collect())
}

/// Without testimony.
const FORMAT: &str = "sottovoce-receipt/v1";

/// With testimony.
const TESTIFIED: &str = "sottovoce-receipt/v2";

/// Longest receipt: 4 MiB.
const MAX_BYTES: usize = 4 << 20;

/// Most entries of a receipt.
pub(crate) const MAX_ENTRIES: usize = 256;
