//! SHA-256 under a label.

use std::fmt;

use aws_lc_rs::digest::{self, SHA256};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

use crate::Label;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Digest(#[n(0)] pub Fixed<32>);

impl Digest {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(Fixed(bytes))
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = wire::text::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// `SHA-256(len(label) as u8 ‖ label ‖ (len(part) as u64 big-endian ‖ part)*)`: no two lists of parts collide.
pub fn hash(label: Label, parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&SHA256);
    context.update(&label.prefix());
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    finish(context)
}

/// Plain SHA-256 of the concatenated parts, for formats that others define.
pub fn sha256(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    finish(context)
}

/// Plain SHA-256 of bytes that are no secret, at once: half the time where they are few.
pub fn sha256_of(bytes: &[u8]) -> Digest {
    let digest: [u8; 32] = digest::digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 yields 32 bytes");
    digest.into()
}

/// Plain SHA-256 of bytes that come in pieces.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(digest::Context::new(&SHA256))
    }

    /// Appends a piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        finish(self.0)
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        Self::new()
    }
}

fn finish(context: digest::Context) -> Digest {
    let bytes: [u8; 32] = context.finish().as_ref().try_into().expect("SHA-256 yields 32 bytes");
    bytes.into()
}
