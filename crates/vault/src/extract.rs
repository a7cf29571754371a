//! Ranges with proofs: a few segments that verify against the root without the rest of the object.

use std::ops::Range;

use crypto::stream::TAG;
use crypto::{Digest, merkle};
use minicbor::{Decode, Encode};
use wire::{Bytes, Limits};

use crate::{Core, Error, SEGMENT, Unlocked};

/// Longest range in bytes that one extract covers.
pub const MAX_EXTRACT: u64 = 8 * 1024 * 1024;

/// The segments that cover a range, each with its inclusion path; ciphertext only, so anyone may carry it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Extract {
    #[n(0)]
    core: Bytes,
    #[n(1)]
    core_path: Vec<Digest>,
    /// Leaves of the tree: one for the core, one for each segment.
    #[n(2)]
    leaves: u64,
    /// Index of the first segment.
    #[n(3)]
    first: u64,
    #[n(4)]
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Piece {
    #[n(0)]
    pub(crate) ciphertext: Bytes,
    #[n(1)]
    pub(crate) path: Vec<Digest>,
}

impl Extract {
    pub(crate) fn new(core: Bytes, core_path: Vec<Digest>, leaves: u64, first: u64, pieces: Vec<Piece>) -> Self {
        Self { core, core_path, leaves, first, pieces }
    }

    /// Reads an extract from its canonical bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        wire::from_slice(bytes, Limits::large()).map_err(|source| Error::Malformed { part: "extract", source })
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// Proves every leaf against the root, opens the segments, and returns exactly the plaintext's bytes of `range`.
    ///
    /// # Errors
    /// [`Error::OtherObject`], [`Error::Proof`], [`Error::Segment`], or [`Error::Range`] when the extract does not cover it.
    pub fn open(&self, root: &Digest, unlocked: &Unlocked, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let found = Core::parse(&self.core)?.id();
        if found != unlocked.id() {
            return Err(Error::OtherObject { found, expected: unlocked.id() });
        }
        self.prove(root, 0, &self.core, &self.core_path)?;
        let uncovered = Error::Range {
            start: range.start,
            end: range.end,
            length: self.leaves.saturating_sub(1).saturating_mul(SEGMENT as u64),
        };
        if covering(&range).is_none_or(|segments| {
            segments.start != self.first || segments.end - segments.start != self.pieces.len() as u64
        }) {
            return Err(uncovered);
        }
        let stream = unlocked.opener();
        let mut plaintext = Vec::with_capacity(self.pieces.len() * SEGMENT);
        for (index, piece) in (self.first..).zip(&self.pieces) {
            // `covering` bounds the index far below overflow.
            self.prove(root, index + 1, &piece.ciphertext, &piece.path)?;
            let last = index + 2 == self.leaves;
            if piece.ciphertext.len() != SEGMENT + TAG && !last {
                return Err(uncovered);
            }
            let mut segment = piece.ciphertext.to_vec();
            plaintext.extend_from_slice(stream.open(index, last, &mut segment)?);
        }
        let skip = (range.start - self.first * SEGMENT as u64) as usize;
        let length = (range.end - range.start) as usize;
        if skip + length > plaintext.len() {
            return Err(uncovered);
        }
        plaintext.truncate(skip + length);
        plaintext.drain(..skip);
        Ok(plaintext)
    }

    fn prove(&self, root: &Digest, leaf: u64, data: &[u8], path: &[Digest]) -> Result<(), Error> {
        match merkle::verify_inclusion(root, self.leaves, leaf, &merkle::leaf(data), path) {
            true => Ok(()),
            false => Err(Error::Proof { leaf }),
        }
    }
}

/// The segments that cover a range; none for an empty, reversed or too long one.
pub(crate) fn covering(range: &Range<u64>) -> Option<Range<u64>> {
    let length = range.end.checked_sub(range.start)?;
    let size = SEGMENT as u64;
    (1..=MAX_EXTRACT).contains(&length).then(|| range.start / size..range.end.div_ceil(size))
}
