//! What a key generation leaves behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use frost_ed25519::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::{self as frost};
use minicbor::{Decode, Decoder, Encode, Encoder};
use serde::{Deserialize, Serialize};
use wire::Fixed;
use zeroize::Zeroizing;

use super::{Error, MAX_PARTIES, identifier, index_of};
use crate::{PublicKey, Secret};

/// One party's share of the key. It stays with that party, in its key store.
pub struct KeyShare {
    pub(super) index: u16,
    pub(super) parties: u16,
    pub(super) package: KeyPackage,
}

impl KeyShare {
    pub(super) const fn new(index: u16, parties: u16, package: KeyPackage) -> Self {
        Self { index, parties, package }
    }

    /// The party's index, from 1.
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// The group's public key.
    pub fn group(&self) -> PublicKey {
        public(&self.package.verifying_key().serialize())
    }

    /// The share as bytes for a key store: CBOR `[index, threshold, parties, secret scalar, group key]`.
    pub fn to_secret(&self) -> Secret<Vec<u8>> {
        let scalar = Zeroizing::new(self.package.signing_share().serialize());
        // Room for all of it: growing would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(96));
        let mut encoder = Encoder::new(&mut *bytes);
        let mut write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            encoder.array(5)?.u16(self.index)?.u16(*self.package.min_signers())?.u16(self.parties)?;
            encoder.bytes(&scalar)?.bytes(self.group().0.as_ref())?.ok()
        };
        write().expect("writing to a Vec cannot fail");
        Secret::new(std::mem::take(&mut *bytes))
    }

    /// Reads what [`KeyShare::to_secret`] wrote.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] for any other bytes.
    pub fn from_secret(secret: &Secret<Vec<u8>>) -> Result<Self, Error> {
        // The scalar moves into FROST's own secret type.
        secret.expose(|bytes| Self::decode(bytes)).ok_or(Error::Inconsistent)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut decoder = Decoder::new(bytes);
        if decoder.array().ok()? != Some(5) {
            return None;
        }
        let (index, threshold, parties) = (decoder.u16().ok()?, decoder.u16().ok()?, decoder.u16().ok()?);
        let share = SigningShare::deserialize(decoder.bytes().ok()?).ok()?;
        let group = frost::VerifyingKey::deserialize(decoder.bytes().ok()?).ok()?;
        let sound = decoder.position() == bytes.len()
            && (1..=parties).contains(&index)
            && threshold <= parties
            && parties <= MAX_PARTIES;
        let verifying = VerifyingShare::from(share);
        sound.then(|| {
            Some(Self::new(
                index,
                parties,
                KeyPackage::new(identifier(index).ok()?, share, verifying, group, threshold),
            ))
        })?
    }
}

/// Shows whose share it is, and of what.
impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyShare").field("index", &self.index).field("group", &self.group()).finish_non_exhaustive()
    }
}

/// The public outcome, the same for all parties. Each party keeps its own copy: a wrong one blames the innocent.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct GroupKey {
    /// The key under which the group's signatures verify.
    #[n(0)]
    pub key: PublicKey,
    /// How many must sign.
    #[n(1)]
    pub threshold: u16,
    /// Each party's verifying share, by index from 1: what its signature shares are checked against.
    #[n(2)]
    pub shares: Vec<Fixed<32>>,
}

impl GroupKey {
    pub(super) fn from_frost(group: &PublicKeyPackage) -> Result<Self, Error> {
        let shares: BTreeMap<u16, Fixed<32>> = group
            .verifying_shares()
            .iter()
            .map(|(party, share)| Some((index_of(*party)?, Fixed::from_slice(&share.serialize().ok()?)?)))
            .collect::<Option<_>>()
            .ok_or(Error::Inconsistent)?;
        let threshold = group.min_signers().ok_or(Error::Inconsistent)?;
        Ok(Self { key: public(&group.verifying_key().serialize()), threshold, shares: shares.into_values().collect() })
    }

    /// The key in FROST's form. Every point is checked to lie in the prime-order group, which costs more than a
    /// signature: the one in use is kept.
    pub(super) fn to_frost(&self) -> Result<Arc<PublicKeyPackage>, Error> {
        static KEPT: Mutex<Option<(GroupKey, Arc<PublicKeyPackage>)>> = Mutex::new(None);
        // It is replaced in one assignment: a panic elsewhere leaves it whole.
        let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, package)) = kept().as_ref().filter(|(key, _)| key == self) {
            return Ok(package.clone());
        }
        let package = Arc::new(self.parse()?);
        *kept() = Some((self.clone(), package.clone()));
        Ok(package)
    }

    fn parse(&self) -> Result<PublicKeyPackage, Error> {
        if self.threshold < 2
            || self.shares.len() > usize::from(MAX_PARTIES)
            || usize::from(self.threshold) > self.shares.len()
        {
            return Err(Error::Inconsistent);
        }
        let shares = (1..)
            .zip(&self.shares)
            .map(|(index, share)| Some((identifier(index).ok()?, VerifyingShare::deserialize(share.as_ref()).ok()?)))
            .collect::<Option<BTreeMap<_, _>>>()
            .ok_or(Error::Inconsistent)?;
        let key = frost::VerifyingKey::deserialize(self.key.0.as_ref()).map_err(|_| Error::Inconsistent)?;
        Ok(PublicKeyPackage::new(shares, key, Some(self.threshold)))
    }
}

fn public(key: &Result<Vec<u8>, frost::Error>) -> PublicKey {
    let bytes = key.as_ref().ok().and_then(|bytes| Fixed::from_slice(bytes));
    PublicKey(bytes.expect("a verifying key is never the identity and has 32 bytes"))
}
