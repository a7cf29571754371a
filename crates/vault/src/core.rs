//! The immutable core: everything that fixes how the segments are read, and nothing about who may read them.

use crypto::{Digest, Label, hash};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};

use crate::Error;

/// Plaintext bytes of every segment but the last.
pub const SEGMENT: usize = 64 * 1024;

/// Longest associated data in bytes.
pub const MAX_ASSOCIATED: usize = 16 * 1024;

/// The immutable core of a sealed object; its digest is the object's id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Core {
    #[n(0)]
    version: u8,
    #[n(1)]
    suite: u8,
    #[n(2)]
    salt: Fixed<32>,
    #[n(3)]
    commitment: Fixed<32>,
    #[n(4)]
    segment_size: u32,
    #[n(5)]
    associated: Bytes,
}

impl Core {
    /// A core for a fresh object.
    ///
    /// # Errors
    /// [`Error::TooLong`] for more than [`MAX_ASSOCIATED`] bytes of associated data.
    pub(crate) fn new(salt: [u8; 32], commitment: [u8; 32], associated: &[u8]) -> Result<Self, Error> {
        let core = Self {
            version: VERSION,
            suite: SUITE,
            salt: Fixed(salt),
            commitment: Fixed(commitment),
            segment_size: SEGMENT as u32,
            associated: associated.to_vec().into(),
        };
        core.check()?;
        Ok(core)
    }

    /// Reads a core from its canonical bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`] or [`Error::TooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let limits = Limits { bytes: MAX_CORE, depth: 1 };
        let core: Self = wire::from_slice(bytes, limits).map_err(|source| Error::Malformed { part: "core", source })?;
        core.check()?;
        Ok(core)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// The object's id: the core's labelled digest.
    pub fn id(&self) -> Digest {
        hash(Label::OBJECT_CORE, &[&self.to_bytes()])
    }

    /// Data that whoever sealed the object bound to it, in clear; meaning is the application's.
    pub fn associated(&self) -> &[u8] {
        &self.associated
    }

    pub(crate) fn salt(&self) -> &[u8; 32] {
        self.salt.as_bytes()
    }

    pub(crate) fn commitment(&self) -> &[u8; 32] {
        self.commitment.as_bytes()
    }

    fn check(&self) -> Result<(), Error> {
        let numbers = [
            ("core's version", self.version.into(), VERSION.into()),
            ("core's suite", self.suite.into(), SUITE.into()),
            ("segment size", self.segment_size.into(), SEGMENT as u64),
        ];
        for (part, found, known) in numbers {
            if found != known {
                return Err(Error::Unsupported { part, found, known });
            }
        }
        match self.associated.len() {
            0..=MAX_ASSOCIATED => Ok(()),
            found => Err(Error::TooLong { part: "associated data", found: found as u64, limit: MAX_ASSOCIATED as u64 }),
        }
    }
}

/// Longest core in bytes: the associated data and at most 128 bytes around it.
pub(crate) const MAX_CORE: usize = MAX_ASSOCIATED + 128;

const VERSION: u8 = 1;
/// AES-256-GCM STREAM, HKDF-SHA256, HMAC-SHA256, SHA-256 trees.
const SUITE: u8 = 1;
