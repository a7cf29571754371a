//! ML-DSA-65 (FIPS 204), beside Ed25519 where a signature must outlive quantum computers, always under a label.
//!
//! The pure variant with an empty context: labels separate uses, as they do for Ed25519. Signing is hedged, so that no two signatures of
//! one text are the same; keys come from their 32-byte seed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair as _, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair, UnparsedPublicKey};
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wire::text;

use crate::sign::labelled;
use crate::{Digest, InvalidSignature, Label, Secret, hash};

/// Bytes of a public key.
pub const PUBLIC_KEY: usize = 1952;
/// Bytes of a signature.
pub const SIGNATURE: usize = 3309;

/// An ML-DSA-65 public key: 1,952 bytes, all of which decode (FIPS 204, algorithm 23): there is no malformed one of that length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Arc<[u8; PUBLIC_KEY]>);

/// An ML-DSA-65 signature: 3,309 bytes, not yet known to be well-formed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Signature(Arc<[u8; SIGNATURE]>);

/// An ML-DSA-65 private key; wiped on drop, by the library what that expands of the seed.
pub struct SigningKey {
    seed: Secret<[u8; 32]>,
    pair: PqdsaKeyPair,
}

impl PublicKey {
    /// Verifies a labelled signature.
    ///
    /// # Errors
    /// [`InvalidSignature`] when the signature is not in its one encoding, or does not match.
    pub fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        self.verify_raw(&labelled(label, message), signature)
    }

    /// Verifies a signature over exactly these bytes.
    ///
    /// # Errors
    /// As [`PublicKey::verify`].
    pub fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(&ML_DSA_65, self.0.as_slice());
        key.verify(message, signature.0.as_slice()).map_err(|_| InvalidSignature)
    }

    /// The key's name where it is too long: `H(ml-dsa-key, [key])`.
    pub fn id(&self) -> Digest {
        hash(Label::ML_DSA_KEY, &[self.as_ref()])
    }
}

impl SigningKey {
    /// A fresh key.
    pub fn generate() -> Self {
        Self::from_seed(Secret::random())
    }

    /// The key of a seed ξ (FIPS 204, algorithm 6).
    pub fn from_seed(seed: Secret<[u8; 32]>) -> Self {
        // Into the library's own key, which is wiped when it is freed.
        let pair = seed.expose(|seed| PqdsaKeyPair::from_seed(&ML_DSA_65_SIGNING, seed));
        Self { seed, pair: pair.expect("any 32 bytes are a seed") }
    }

    /// The matching public key.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_slice(self.pair.public_key().as_ref()).expect("the library's keys have 1,952 bytes")
    }

    /// The seed, for a key store.
    pub(crate) const fn seed(&self) -> &Secret<[u8; 32]> {
        &self.seed
    }

    /// Signs under a label: the message signed is `len(label) as u8 ‖ label ‖ message`.
    pub fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.sign_raw(&labelled(label, message))
    }

    /// Signs exactly these bytes.
    ///
    /// # Panics
    /// When the system has no memory or randomness to give.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        let mut signature = [0; SIGNATURE];
        let length = self.pair.sign(message, &mut signature).expect("the system provides memory and randomness");
        assert_eq!(length, SIGNATURE, "ML-DSA-65 signatures have one length");
        Signature(Arc::new(signature))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("mldsa::SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

/// A type of so many bytes: base64 in text.
macro_rules! long {
    ($type:ty, $length:expr) => {
        impl $type {
            /// Reads exactly as many bytes as it has.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Some(Self(Arc::new(bytes.try_into().ok()?)))
            }
        }

        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self.0.as_slice()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&text::to_base64(self.as_ref()))
            }
        }

        impl std::str::FromStr for $type {
            type Err = text::Error;

            fn from_str(text: &str) -> Result<Self, text::Error> {
                let bytes = text::base64(text)?;
                Self::from_slice(&bytes).ok_or(text::Error::Length { found: bytes.len(), expected: $length })
            }
        }

        impl<C> Encode<C> for $type {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(self.as_ref())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?;
                let message =
                    || decode::Error::message(format!("{} bytes where {} are expected", bytes.len(), $length));
                Self::from_slice(bytes).ok_or_else(message)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

long!(PublicKey, PUBLIC_KEY);
long!(Signature, SIGNATURE);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ml-dsa-65 {}", self.id())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SIGNATURE} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(Secret::new([seed; 32]))
    }

    #[test]
    fn signatures_are_of_one_key_label_and_text() {
        let signature = key(1).sign(Label::COSIGNATURE, b"text");
        let public = key(1).public();
        assert!(public.verify(Label::COSIGNATURE, b"text", &signature).is_ok());
        assert!(public.verify(Label::COSIGNATURE, b"texts", &signature).is_err());
        assert!(public.verify(Label::COSIGNER, b"text", &signature).is_err());
        assert!(public.verify_raw(b"text", &signature).is_err());
        assert!(key(2).public().verify(Label::COSIGNATURE, b"text", &signature).is_err());
        assert_ne!(key(1).sign(Label::COSIGNATURE, b"text"), signature);
        assert_ne!(key(1).public().id(), key(2).public().id());
    }

    #[test]
    fn every_part_of_a_signature_counts() {
        let (private, message) = (key(3), b"text");
        let (public, signature) = (private.public(), private.sign_raw(message));
        // c̃ has 48 bytes, z 3,200, the hints the last 61.
        let bits = (0..8 * 48).step_by(5).chain((8 * 48..8 * 3248).step_by(331)).chain(8 * 3248..8 * SIGNATURE);
        for bit in bits {
            let mut altered = signature.as_ref().to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            let altered = Signature::from_slice(&altered).unwrap();
            assert_eq!(public.verify_raw(message, &altered), Err(InvalidSignature), "bit {bit}");
        }
        assert!(Signature::from_slice(&signature.as_ref()[1..]).is_none());
        assert!(PublicKey::from_slice(signature.as_ref()).is_none());
    }

    #[test]
    fn texts_and_encodings_come_back_and_secrets_are_not_shown() {
        let (public, signature) = (key(4).public(), key(4).sign_raw(b""));
        assert_eq!(public.to_string().parse::<PublicKey>().unwrap(), public);
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        assert!(signature.to_string().parse::<PublicKey>().is_err());
        let bytes = wire::to_vec(&public);
        assert_eq!(bytes.len(), 3 + PUBLIC_KEY);
        assert_eq!(wire::from_slice::<PublicKey>(&bytes, wire::Limits::small()).unwrap(), public);
        assert!(wire::from_slice::<Signature>(&bytes, wire::Limits::small()).is_err());
        let shown = format!("{:?}", key(4));
        assert!(shown.contains(&public.id().to_string()) && !shown.contains("04040404"), "{shown}");
    }
}
