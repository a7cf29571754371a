//! Sealing to a recipient's key: HPKE (RFC 9180) base mode, HKDF-SHA256, AES-256-GCM.
//!
//! ```
//! use crypto::kem::{self, PrivateKey, Suite};
//!
//! let recipient = PrivateKey::generate(Suite::XWing);
//! let sealed = kem::seal(recipient.public(), b"context", b"", b"a data key").unwrap();
//! let opened = recipient.open(b"context", b"", &sealed).unwrap();
//! assert!(opened.expose(|bytes| bytes == b"a data key"));
//! assert!(recipient.open(b"another context", b"", &sealed).is_err());
//! ```

use std::fmt;

use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use wire::Bytes;
use zeroize::Zeroize as _;

use crate::{Digest, Label, Secret, hash};

/// A key encapsulation mechanism; KDF and AEAD are the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// X-Wing: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem); the default.
    XWing,
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
    /// DHKEM(P-256, HKDF-SHA256), for hardware modules that know no other.
    P256,
}

impl Suite {
    /// All suites, strongest first.
    pub const ALL: [Self; 3] = [Self::XWing, Self::X25519, Self::P256];

    /// The KEM identifier of the IANA HPKE registry.
    pub const fn id(self) -> u16 {
        match self {
            Self::XWing => 0x647a,
            Self::X25519 => 0x0020,
            Self::P256 => 0x0010,
        }
    }

    /// The suite of a KEM identifier.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    /// The name in texts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::XWing => "x-wing",
            Self::X25519 => "x25519",
            Self::P256 => "p-256",
        }
    }

    /// What it withstands.
    pub const fn strength(self) -> Strength {
        match self {
            Self::XWing => Strength::PostQuantum,
            Self::X25519 | Self::P256 => Strength::Classical,
        }
    }

    /// The weakest of several; among equals the one with the smaller identifier, so that the answer is one.
    pub fn weakest(suites: impl IntoIterator<Item = Self>) -> Option<Self> {
        suites.into_iter().min_by_key(|suite| (suite.strength(), suite.id()))
    }

    /// Bytes of a public key.
    pub const fn public_length(self) -> usize {
        match self {
            Self::XWing => 1216,
            Self::X25519 => 32,
            Self::P256 => 65,
        }
    }

    /// Bytes of an encapsulated key.
    pub const fn encapsulation_length(self) -> usize {
        match self {
            Self::XWing => 1120,
            Self::X25519 => 32,
            Self::P256 => 65,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Suite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|suite| suite.as_str() == text).ok_or(Error::UnknownSuite)
    }
}

/// What a suite withstands, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Secure against today's computers.
    Classical,
    /// Secure against quantum computers as well.
    PostQuantum,
}

/// A public key to seal to. Its length fits its suite; whether it is a valid point shows when sealing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecipientKey {
    suite: Suite,
    bytes: Bytes,
}

impl RecipientKey {
    /// A key from the bytes of RFC 9180 `SerializePublicKey`.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn new(suite: Suite, bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        check_length(bytes.len(), suite.public_length())?;
        Ok(Self { suite, bytes })
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The bytes of RFC 9180 `SerializePublicKey`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key's identifier: `H(KEY_ID, [suite id as u16 big-endian, bytes])`.
    pub fn id(&self) -> Digest {
        hash(Label::KEY_ID, &[&self.suite.id().to_be_bytes(), &self.bytes])
    }
}

/// `suite:hex`.
impl fmt::Display for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.suite, wire::text::to_hex(&self.bytes))
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientKey({}, {})", self.suite, self.id())
    }
}

impl std::str::FromStr for RecipientKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (suite, bytes) = text.split_once(':').ok_or(Error::UnknownSuite)?;
        let suite: Suite = suite.parse()?;
        // Before anything is allocated: the text may come from anyone.
        check_length(bytes.len() / 2, suite.public_length())?;
        Self::new(suite, wire::text::hex(bytes)?)
    }
}

/// What a sender hands to the recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The encapsulated key.
    #[n(0)]
    pub enc: Bytes,
    /// Ciphertext ‖ tag: 16 bytes longer than the plaintext.
    #[n(1)]
    pub ciphertext: Bytes,
}

/// Seals to a recipient under `info` (what it is for) and `aad`.
///
/// # Errors
/// [`Error::InvalidKey`] when the recipient's key is no valid point, or one of small order.
pub fn seal(recipient: &RecipientKey, info: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Sealed, Error> {
    match recipient.suite {
        Suite::XWing => seal_with::<hpke::kem::XWing>(recipient, info, aad, plaintext),
        Suite::X25519 => seal_with::<hpke::kem::X25519HkdfSha256>(recipient, info, aad, plaintext),
        Suite::P256 => seal_with::<hpke::kem::DhP256HkdfSha256>(recipient, info, aad, plaintext),
    }
}

/// A private key that opens what was sealed to its public key.
pub struct PrivateKey {
    public: RecipientKey,
    secret: Secret<Vec<u8>>,
    parsed: Parsed,
}

/// A private key as its KEM takes it: expanding X-Wing's seed costs half as much as opening. The library wipes it on drop.
enum Parsed {
    XWing(Box<<hpke::kem::XWing as Kem>::PrivateKey>),
    X25519(<hpke::kem::X25519HkdfSha256 as Kem>::PrivateKey),
    P256(<hpke::kem::DhP256HkdfSha256 as Kem>::PrivateKey),
}

impl PrivateKey {
    /// A fresh key.
    pub fn generate(suite: Suite) -> Self {
        match suite {
            Suite::XWing => generate_with::<hpke::kem::XWing>(suite, |key| Parsed::XWing(Box::new(key))),
            Suite::X25519 => generate_with::<hpke::kem::X25519HkdfSha256>(suite, Parsed::X25519),
            Suite::P256 => generate_with::<hpke::kem::DhP256HkdfSha256>(suite, Parsed::P256),
        }
    }

    /// The key of the bytes of RFC 9180 `SerializePrivateKey` (X-Wing: its 32-byte seed).
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for any other bytes.
    pub fn from_secret(suite: Suite, secret: Secret<Vec<u8>>) -> Result<Self, Error> {
        let (public, parsed) = match suite {
            Suite::XWing => parse::<hpke::kem::XWing>(&secret, |key| Parsed::XWing(Box::new(key))),
            Suite::X25519 => parse::<hpke::kem::X25519HkdfSha256>(&secret, Parsed::X25519),
            Suite::P256 => parse::<hpke::kem::DhP256HkdfSha256>(&secret, Parsed::P256),
        }?;
        Ok(Self { public: RecipientKey { suite, bytes: public }, secret, parsed })
    }

    /// The matching public key.
    pub const fn public(&self) -> &RecipientKey {
        &self.public
    }

    /// The bytes that [`PrivateKey::from_secret`] takes.
    pub const fn secret(&self) -> &Secret<Vec<u8>> {
        &self.secret
    }

    /// Opens what was sealed to this key under the same `info` and `aad`.
    ///
    /// # Errors
    /// [`Error::Refused`] when anything differs from what was sealed.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error> {
        match &self.parsed {
            Parsed::XWing(key) => open_with::<hpke::kem::XWing>(key, info, aad, sealed),
            Parsed::X25519(key) => open_with::<hpke::kem::X25519HkdfSha256>(key, info, aad, sealed),
            Parsed::P256(key) => open_with::<hpke::kem::DhP256HkdfSha256>(key, info, aad, sealed),
        }
    }
}

/// Shows the public key only.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Why a key or a sealed message was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A suite that is not ours.
    #[error("unknown suite; a key reads x-wing:…, x25519:… or p-256:…")]
    UnknownSuite,
    /// A key of the wrong length.
    #[error("the key has {found} bytes, its suite expects {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// Bytes that are no key of the suite.
    #[error("the key is not valid for its suite")]
    InvalidKey,
    /// Not lowercase hexadecimal.
    #[error(transparent)]
    Text(#[from] wire::text::Error),
    /// The sealed message is for another key or context, or was altered.
    #[error("the message was sealed to another key or for another purpose, or was altered")]
    Refused,
}

type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::AesGcm256;

fn seal_with<K: Kem>(recipient: &RecipientKey, info: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Sealed, Error> {
    let key = K::PublicKey::from_bytes(&recipient.bytes).map_err(|_| Error::InvalidKey)?;
    let (enc, ciphertext) = hpke::single_shot_seal::<Aead, Kdf, K>(&OpModeS::Base, &key, info, plaintext, aad)
        .map_err(|_| Error::InvalidKey)?;
    Ok(Sealed { enc: enc.to_bytes().to_vec().into(), ciphertext: ciphertext.into() })
}

fn open_with<K: Kem>(key: &K::PrivateKey, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error> {
    let enc = K::EncappedKey::from_bytes(&sealed.enc).map_err(|_| Error::Refused)?;
    hpke::single_shot_open::<Aead, Kdf, K>(&OpModeR::Base, key, &enc, info, &sealed.ciphertext, aad)
        .map(Secret::new)
        .map_err(|_| Error::Refused)
}

fn generate_with<K: Kem>(suite: Suite, parsed: impl FnOnce(K::PrivateKey) -> Parsed) -> PrivateKey {
    let (secret, public) = K::gen_keypair();
    let public = RecipientKey { suite, bytes: public.to_bytes().to_vec().into() };
    let mut bytes = secret.to_bytes();
    let kept = Secret::new(bytes.to_vec());
    bytes.zeroize();
    PrivateKey { public, secret: kept, parsed: parsed(secret) }
}

/// The public key, and the private key as the KEM takes it.
fn parse<K: Kem>(
    secret: &Secret<Vec<u8>>,
    parsed: impl FnOnce(K::PrivateKey) -> Parsed,
) -> Result<(Bytes, Parsed), Error> {
    let key = secret.expose(|bytes| K::PrivateKey::from_bytes(bytes)).map_err(|_| Error::InvalidKey)?;
    Ok((K::sk_to_pk(&key).to_bytes().to_vec().into(), parsed(key)))
}

const fn check_length(found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Length { found, expected }) }
}

impl<C> Encode<C> for Suite {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u16(self.id())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Suite {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_id(d.u16()?).ok_or_else(|| decode::Error::message("an unknown suite"))
    }
}

impl<C> Encode<C> for RecipientKey {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.u16(self.suite.id())?.bytes(&self.bytes)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for RecipientKey {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a recipient key is an array of two"));
        }
        let suite = Suite::decode(d, context)?;
        let bytes = d.bytes()?;
        check_length(bytes.len(), suite.public_length()).map_err(decode::Error::message)?;
        Ok(Self { suite, bytes: bytes.to_vec().into() })
    }
}

impl Serialize for Suite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Suite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for RecipientKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecipientKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Limits;

    use super::*;

    #[test]
    fn every_suite_seals_and_opens() {
        for suite in Suite::ALL {
            let key = PrivateKey::generate(suite);
            assert_eq!(key.public().as_bytes().len(), suite.public_length());
            let sealed = seal(key.public(), b"info", b"aad", b"").unwrap();
            assert_eq!((sealed.enc.len(), sealed.ciphertext.len()), (suite.encapsulation_length(), 16));
            assert!(key.open(b"info", b"aad", &sealed).unwrap().expose(Vec::is_empty));
            assert_eq!(PrivateKey::generate(suite).open(b"info", b"aad", &sealed).err(), Some(Error::Refused));
            let copy = PrivateKey::from_secret(suite, Secret::new(key.secret().expose(Clone::clone))).unwrap();
            assert_eq!(copy.public(), key.public());
            assert!(copy.open(b"info", b"aad", &sealed).is_ok());
        }
    }

    #[test]
    fn keys_have_one_spelling() {
        for suite in Suite::ALL {
            let key = PrivateKey::generate(suite).public().clone();
            let text = key.to_string();
            assert_eq!(text.parse::<RecipientKey>().unwrap(), key);
            assert_eq!(serde_json::from_str::<RecipientKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
            let bytes = wire::to_vec(&key);
            assert_eq!(wire::from_slice::<RecipientKey>(&bytes, Limits::small()).unwrap(), key);
            for wrong in
                [text.to_uppercase(), format!("{text}00"), text[..text.len() - 2].to_owned(), format!(" {text}")]
            {
                assert!(wrong.parse::<RecipientKey>().is_err());
            }
            let another = Suite::ALL.into_iter().find(|other| *other != suite).unwrap();
            assert!(RecipientKey::new(another, key.as_bytes().to_vec()).is_err());
        }
        assert!("rot13:00".parse::<RecipientKey>().is_err());
    }

    #[test]
    fn invalid_keys_are_refused() {
        let zero = RecipientKey::new(Suite::X25519, vec![0; 32]).unwrap();
        assert_eq!(seal(&zero, b"", b"", b"").err(), Some(Error::InvalidKey));
        let off_curve = RecipientKey::new(Suite::P256, [&[4][..], &[7; 64]].concat()).unwrap();
        assert_eq!(seal(&off_curve, b"", b"", b"").err(), Some(Error::InvalidKey));
        // ML-KEM coefficients at or above the modulus (FIPS 203 §7.2).
        let too_big = RecipientKey::new(Suite::XWing, vec![0xff; 1216]).unwrap();
        assert_eq!(seal(&too_big, b"", b"", b"").err(), Some(Error::InvalidKey));
        assert!(PrivateKey::from_secret(Suite::P256, Secret::new(vec![0; 32])).is_err(), "zero is no scalar");
        assert!(PrivateKey::from_secret(Suite::XWing, Secret::new(vec![0; 31])).is_err());
    }

    #[test]
    fn the_weakest_suite_is_one() {
        assert!(Strength::Classical < Strength::PostQuantum);
        assert_eq!(Suite::weakest([Suite::XWing, Suite::X25519, Suite::P256]), Some(Suite::P256));
        assert_eq!(Suite::weakest([Suite::XWing, Suite::X25519]), Some(Suite::X25519));
        assert_eq!(Suite::weakest([]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn arbitrary_sealed_messages_never_panic(enc in prop::collection::vec(any::<u8>(), 0..1200), ciphertext in prop::collection::vec(any::<u8>(), 0..64)) {
            let sealed = Sealed { enc: enc.into(), ciphertext: ciphertext.into() };
            for suite in Suite::ALL {
                prop_assert!(PrivateKey::generate(suite).open(b"", b"", &sealed).is_err());
            }
        }

        #[test]
        fn flipped_messages_are_refused(message in prop::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let key = PrivateKey::generate(Suite::XWing);
            let mut sealed = seal(key.public(), b"", b"", &message).unwrap();
            prop_assert!(key.open(b"", b"", &sealed).unwrap().expose(|bytes| *bytes == message));
            let at = at.index(sealed.ciphertext.len());
            sealed.ciphertext.0[at] ^= flip;
            prop_assert!(key.open(b"", b"", &sealed).is_err());
        }
    }
}
