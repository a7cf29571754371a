//! Ed25519 (RFC 8032) with strict verification, always under a label.

use std::collections::HashMap;
use std::fmt;
use std::sync::{OnceLock, PoisonError, RwLock};

use ed25519_dalek::{Signer as _, Verifier as _, VerifyingKey};
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
        let (key, is_known) = match Points::known(self) {
            Some(key) => (key, true),
            None => (self.point().ok_or(InvalidSignature)?, false),
        };
        let parsed = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        key.verify(message, &parsed).map_err(|_| InvalidSignature)?;
        // What matched is the canonical encoding of a point, which is of small order if it is one of these: the library's strict
        // verification would decode it to find out.
        if SMALL_ORDER.contains(parsed.r_bytes()) {
            return Err(InvalidSignature);
        }
        if !is_known {
            Points::keep(*self, key);
        }
        Ok(())
    }

    /// The key as a point, which strict verification takes: in canonical encoding, and not of small order.
    fn point(&self) -> Option<VerifyingKey> {
        let key = self.is_canonical().then(|| VerifyingKey::from_bytes(self.0.as_bytes()).ok());
        key.flatten().filter(|key| !key.is_weak())
    }

    /// Whether the encoded y-coordinate is below p = 2^255 − 19 (RFC 8032 §5.1.3, step 1), which the library reduces
    /// instead of refusing.
    fn is_canonical(&self) -> bool {
        let [first, middle @ .., last] = self.0.as_bytes();
        last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *first < 0xed
    }
}

/// The canonical encodings of the eight points of small order.
const SMALL_ORDER: [[u8; 32]; 8] = {
    let (mut one, mut minus_one, mut zero) = ([0; 32], [0xff; 32], [[0; 32]; 2]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    zero[1][31] = 0x80;
    let mut eighth = [
        *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
        *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
        [0; 32],
        [0; 32],
    ];
    (eighth[2], eighth[3]) = (eighth[0], eighth[1]);
    eighth[2][31] |= 0x80;
    eighth[3][31] |= 0x80;
    let [a, b, c, d] = eighth;
    [one, minus_one, zero[0], zero[1], a, b, c, d]
};

/// Keys whose signatures verified, as points: decoding one costs a fifth of a verification, and the same few sign most of what comes in.
#[derive(Default)]
struct Points {
    young: HashMap<PublicKey, VerifyingKey>,
    old: HashMap<PublicKey, VerifyingKey>,
}

impl Points {
    fn shared() -> &'static RwLock<Self> {
        static POINTS: OnceLock<RwLock<Points>> = OnceLock::new();
        POINTS.get_or_init(RwLock::default)
    }

    fn known(key: &PublicKey) -> Option<VerifyingKey> {
        let points = Self::shared().read().unwrap_or_else(PoisonError::into_inner);
        points.young.get(key).or_else(|| points.old.get(key)).copied()
    }

    fn keep(key: PublicKey, point: VerifyingKey) {
        let mut points = Self::shared().write().unwrap_or_else(PoisonError::into_inner);
        if points.young.len() >= KEPT {
            points.old = std::mem::take(&mut points.young);
        }
        points.young.insert(key, point);
    }
}

/// Points in one generation of two, of some 250 bytes each.
const KEPT: usize = 2048;

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

#[cfg(test)]
mod tests {
    use frost_ed25519::{Ciphersuite as _, Ed25519Sha512};

    use super::*;

    /// What is taken must be exactly what the library's own strict verification takes.
    fn agrees(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let parsed = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        let strict = key.is_canonical()
            && VerifyingKey::from_bytes(key.0.as_bytes()).is_ok_and(|key| key.verify_strict(message, &parsed).is_ok());
        // Twice: a key that is known then takes another way.
        for _ in 0..2 {
            assert_eq!(key.verify_raw(message, signature).is_ok(), strict, "{key} {signature}");
        }
        strict
    }

    #[test]
    fn the_points_of_small_order_are_these() {
        for (at, encoded) in SMALL_ORDER.iter().enumerate() {
            assert!(!SMALL_ORDER[..at].contains(encoded));
            let point = VerifyingKey::from_bytes(encoded).unwrap();
            assert!(point.is_weak());
            assert_eq!(PublicKey(Fixed(*encoded)).point(), None);
        }
    }

    #[test]
    fn verification_is_as_strict_as_the_librarys() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign_raw(b"text");
        assert!(agrees(&key.public(), b"text", &signature) && !agrees(&key.public(), b"texts", &signature));
        // Every bit of a signature counts.
        for bit in 0..512 {
            let mut altered = signature;
            altered.0.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!agrees(&key.public(), b"text", &altered));
        }
        // Points of small order as key, as R, or as both, with s = 0: without the strictness some of these would verify for any text.
        let mut zero = Signature(Fixed([0; 64]));
        let mut loose = 0;
        for r in SMALL_ORDER {
            zero.0.0[..32].copy_from_slice(&r);
            for a in SMALL_ORDER.into_iter().chain([*key.public().0.as_bytes()]) {
                assert!(!agrees(&PublicKey(Fixed(a)), b"text", &zero));
                let parsed = ed25519_dalek::Signature::from_bytes(zero.0.as_bytes());
                loose += usize::from(VerifyingKey::from_bytes(&a).unwrap().verify(b"text", &parsed).is_ok());
            }
        }
        assert!(loose > 0);
    }

    #[test]
    fn a_signature_with_r_of_small_order_is_refused_though_it_matches() {
        // Whoever holds a private key can choose R of small order: r = 0 gives the identity, and s = k·a.
        let private = SigningKey::from_seed(&[9; 32]);
        let (key, r) = (private.public(), SMALL_ORDER[0]);
        let k = Ed25519Sha512::H2(&[&r[..], key.0.as_bytes(), b"text"].concat());
        let mut signature = Signature(Fixed([0; 64]));
        signature.0.0[..32].copy_from_slice(&r);
        signature.0.0[32..].copy_from_slice((k * private.0.to_scalar()).as_bytes());
        let parsed = ed25519_dalek::Signature::from_bytes(signature.0.as_bytes());
        assert!(VerifyingKey::from_bytes(key.0.as_bytes()).unwrap().verify(b"text", &parsed).is_ok());
        assert!(!agrees(&key, b"text", &signature));
    }

    #[test]
    fn what_is_kept_of_keys_is_bounded() {
        for number in 0..2 * KEPT + 10 {
            let key = SigningKey::from_seed(&crate::sha256(&[&number.to_le_bytes()]).0.0);
            key.public().verify_raw(b"text", &key.sign_raw(b"text")).unwrap();
        }
        let points = Points::shared().read().unwrap();
        assert!(points.young.len() <= KEPT && points.old.len() <= KEPT && !points.old.is_empty());
    }
}
