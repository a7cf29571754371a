//! Ed25519 (RFC 8032) with strict verification, always under a label.

use std::fmt;

use ed25519_dalek::Signer as _;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

use crate::{Label, random};

/// An Ed25519 public key: 32 bytes, not yet known to be a valid point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct PublicKey(#[n(0)] pub Fixed<32>);

impl PublicKey {
    /// Verifies a labelled signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when key or signature is not canonical, of small order, or does not match.
    pub fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        self.verify_raw(&labelled(label, message), signature)
    }

    /// Verifies a signature over exactly these bytes, for formats that others define.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        if !self.is_canonical() {
            return Err(InvalidSignature);
        }
        let key = ed25519_dalek::VerifyingKey::from_bytes(self.0.as_bytes()).map_err(|_| InvalidSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        key.verify_strict(message, &signature).map_err(|_| InvalidSignature)
    }

    /// Whether the encoded y-coordinate is below p = 2^255 − 19 (RFC 8032 §5.1.3, step 1), which the library reduces
    /// instead of refusing.
    fn is_canonical(&self) -> bool {
        let [first, middle @ .., last] = self.0.as_bytes();
        last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Signature(#[n(0)] pub Fixed<64>);

/// An Ed25519 private key; wiped on drop.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self::from_seed(&random())
    }

    /// The key of an RFC 8032 seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The matching public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(Fixed(self.0.verifying_key().to_bytes()))
    }

    /// The RFC 8032 seed, for a key store.
    pub(crate) fn seed(&self) -> crate::Secret<[u8; 32]> {
        crate::Secret::new(self.0.to_bytes())
    }

    /// Signs under a label: the message signed is `len(label) as u8 ‖ label ‖ message`.
    pub fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.sign_raw(&labelled(label, message))
    }

    /// Signs exactly these bytes, for formats that others define.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        Signature(Fixed(self.0.sign(message).to_bytes()))
    }
}

/// The signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct InvalidSignature;

/// What is signed under a label.
pub(crate) fn labelled(label: Label, message: &[u8]) -> Vec<u8> {
    let mut bytes = label.prefix();
    bytes.extend_from_slice(message);
    bytes
}

macro_rules! hex_text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl std::str::FromStr for $type {
            type Err = wire::text::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

hex_text!(PublicKey);
hex_text!(Signature);
