//! Who votes: the validators of a ledger epoch, in the order that certificates count them.

use commonware_codec::DecodeExt as _;
use commonware_cryptography::ed25519;
use commonware_utils::ordered::Set;
use crypto::{Digest, PublicKey};
use ledger::{Epoch, Validator};

/// The validators of an epoch, sorted by key: a validator's *place* is its position here.
#[derive(Clone, Debug)]
pub struct Committee {
    chain: Digest,
    epoch: u64,
    validators: Vec<Validator>,
}

impl Committee {
    /// The committee of a ledger epoch.
    pub fn new(chain: Digest, epoch: &Epoch) -> Self {
        let mut validators = epoch.validators.clone();
        validators.sort_by_key(|validator| *validator.key.0.as_bytes());
        Self { chain, epoch: epoch.number, validators }
    }

    /// The chain.
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// The ledger epoch's number.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The validators by place.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// The validator at a place.
    pub fn at(&self, place: usize) -> Option<&Validator> {
        self.validators.get(place)
    }

    /// The place of a key.
    pub fn place(&self, key: &PublicKey) -> Option<usize> {
        self.validators.iter().position(|validator| validator.key == *key)
    }

    /// Votes that make a certificate: `n − ⌊(n − 1) / 3⌋`.
    pub fn quorum(&self) -> usize {
        let n = self.validators.len();
        n - n.saturating_sub(1) / 3
    }

    /// What separates this chain's votes from all others' signatures.
    pub(crate) fn namespace(&self) -> Vec<u8> {
        format!("sottovoce/v1/order/{}", self.chain).into_bytes()
    }

    /// The keys as the engine has them; none where two are one, or one is no point on the curve.
    pub(crate) fn keys(&self) -> Option<Set<ed25519::PublicKey>> {
        let keys = self.validators.iter().map(|validator| foreign_key(&validator.key)).collect::<Option<Vec<_>>>()?;
        Set::try_from(keys).ok()
    }
}

/// Our key as the engine has it.
pub(crate) fn foreign_key(key: &PublicKey) -> Option<ed25519::PublicKey> {
    ed25519::PublicKey::decode(key.0.as_bytes().to_vec()).ok()
}

/// The engine's key as we have it.
pub(crate) fn own_key(key: &ed25519::PublicKey) -> PublicKey {
    PublicKey(wire::Fixed::from_slice(key.as_ref()).expect("an Ed25519 key has 32 bytes"))
}
