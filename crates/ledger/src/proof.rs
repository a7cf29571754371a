//! Proofs of state: text files that prove what the world state said of a key after a block, or that it said nothing.
//!
//! Ledgers have them verified for their contracts (`docs/spec/proofs.md`), and outcomes stand on what is accepted here: with the checkpoint's and
//! the consortium's rules it is frozen, and a change is another version.

use std::fmt;
use std::str::FromStr;

use wire::{Limits, text};

use crate::checkpoint::verify_quorum;
use crate::{Checkpoint, Consortium, HISTORY, Header, Proven, ReceiptError};

/// A proof of state that was read, but not verified: nothing in it can be believed yet.
///
/// It leads from a key's value, or its absence, over the block's state root and the headers after it to a checkpoint that a
/// quorum cosigned. Its text is `docs/spec/state-proof.md`'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenState {
    proven: Proven,
    /// The headers after the proven block's, up to the checkpoint's.
    headers: Vec<Header>,
    checkpoint: Checkpoint,
    signatures: Vec<String>,
}

impl ProvenState {
    /// The first line of its text.
    pub const FORMAT: &str = "sottovoce-state-proof/v1";

    /// Puts a proof together; cosignatures as in [`Checkpoint::note`].
    pub(crate) fn new(proven: Proven, headers: Vec<Header>, checkpoint: Checkpoint, note: &str) -> Self {
        let signatures = note[checkpoint.body().len()..].trim_start_matches('\n').lines().map(str::to_owned).collect();
        Self { proven, headers, checkpoint, signatures }
    }

    /// Reads a proof of state.
    ///
    /// # Errors
    /// [`ReceiptError::TooLong`], [`ReceiptError::Form`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > MAX_BYTES {
            return Err(ReceiptError::TooLong { found: text.len(), limit: MAX_BYTES });
        }
        let proof = Self::read(text).ok_or(ReceiptError::Form)?;
        // One spelling only: numbers, white space, line ends, order.
        if proof.to_string() == text { Ok(proof) } else { Err(ReceiptError::Form) }
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::FORMAT)?.strip_prefix('\n')?;
        let (head, note) = rest.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let proven = text::base64(lines.next()?.strip_prefix("proven ")?).ok()?;
        let proven = wire::from_slice(&proven, PROVEN).ok()?;
        let mut headers = Vec::new();
        for line in lines {
            let header = text::base64(line.strip_prefix("header ")?).ok()?;
            headers.push(wire::from_slice(&header, Limits::small()).ok()?);
            if headers.len() > HISTORY as usize {
                return None;
            }
        }
        let (body, signatures) = note.split_once("\n\n")?;
        let checkpoint = Checkpoint::parse_body(&format!("{body}\n"))?;
        let signatures = signatures.lines().map(str::to_owned).collect();
        Some(Self { proven, headers, checkpoint, signatures })
    }

    /// Verifies everything against the pinned consortium: exactly a quorum of the epoch's validators cosigned, in their
    /// order; the headers lead from the block to the one that was cosigned; the state of the block says that of the key.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn verify(&self, consortium: &Consortium) -> Result<VerifiedState, ReceiptError> {
        let (cosigners, ml_dsa) = verify_quorum(&self.checkpoint, &self.signatures, consortium)?;
        let mut last = &self.proven.header;
        for header in &self.headers {
            if header.previous != last.digest() || header.chain != self.checkpoint.chain {
                return Err(ReceiptError::Header { height: header.height });
            }
            last = header;
        }
        // All that a checkpoint says of a block, not only its header's digest.
        if Checkpoint::of(last) != self.checkpoint {
            return Err(ReceiptError::Header { height: last.height });
        }
        let Proven { header, key, value, .. } = &self.proven;
        if !self.proven.verify(&header.digest()) {
            return Err(ReceiptError::State { height: header.height });
        }
        let value = value.as_ref().map(|value| value.to_vec());
        let (header, key, checkpoint) = (header.clone(), key.to_vec(), self.checkpoint);
        Ok(VerifiedState { header, key, value, checkpoint, cosigners, ml_dsa })
    }
}

impl fmt::Display for ProvenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nproven {}", Self::FORMAT, text::to_base64(&wire::to_vec(&self.proven)))?;
        for header in &self.headers {
            writeln!(f, "header {}", text::to_base64(&wire::to_vec(header)))?;
        }
        write!(f, "\n{}\n", self.checkpoint.body())?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for ProvenState {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a proof of state proves: after this block the world state held this value under the key, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedState {
    /// The block.
    pub header: Header,
    /// The key.
    pub key: Vec<u8>,
    /// Its value; `None` where the key was absent.
    pub value: Option<Vec<u8>>,
    /// The checkpoint that the block's header leads to.
    pub checkpoint: Checkpoint,
    /// Who cosigned it, in the epoch's order.
    pub cosigners: Vec<String>,
    /// Whether they cosigned it with ML-DSA-65 as well, as the epoch demands.
    pub ml_dsa: bool,
}

/// A value of at most 1 MiB and 256 siblings.
const PROVEN: Limits = Limits { bytes: (1 << 20) + (64 << 10), depth: 8 };

/// Longest proof of state: 8 MiB.
const MAX_BYTES: usize = 8 << 20;
