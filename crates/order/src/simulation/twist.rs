//! What a validator may do to its messages.

use std::sync::Arc;

use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_cryptography::ed25519::PublicKey;

use super::consortium::Chain;

/// Channels, as [`crate::engine::CHANNELS`] numbers them.
pub(super) const VOTES: u64 = 0;
pub(super) const CERTIFICATES: u64 = 1;
pub(super) const SLATES: u64 = 3;
pub(super) const BACKFILL: u64 = 4;
pub(super) const TRANSACTIONS: u64 = 5;

/// A message and who is to get it.
pub(super) type Addressed = (Vec<PublicKey>, Vec<u8>);

/// Passes messages on, changes them, sends others, or none.
pub(super) trait Twist: Send + Sync {
    fn twist(&self, channel: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed>;
}

/// What a misbehaving validator has at hand.
pub(super) struct Hand {
    pub(super) scheme: Scheme,
    pub(super) rules: crate::slate::Rules,
    pub(super) seed: u64,
    pub(super) chain: Arc<Chain>,
}

/// Passes everything on.
pub(super) struct Honest;

impl Twist for Honest {
    fn twist(&self, _: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        vec![(recipients, message)]
    }
}
