//! A validator that votes to finalise a view and to skip it.

use bytes::Bytes;
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Nullify, Vote};
use commonware_cryptography::{ed25519::PublicKey, sha256};

use super::twist::{Addressed, Hand, Twist, VOTES};

pub(super) struct Waver(Hand);

impl Waver {
    pub(super) fn new(hand: Hand) -> Self {
        Self(hand)
    }
}

impl Twist for Waver {
    fn twist(&self, channel: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        let mut all = vec![(recipients.clone(), message.clone())];
        if channel == VOTES
            && let Ok(Vote::Finalize(vote)) = Vote::<Scheme, sha256::Digest>::decode(Bytes::from(message))
            && let Some(nullify) = Nullify::sign::<sha256::Digest>(&self.0.scheme, vote.proposal.round)
        {
            let nullify = Vote::<Scheme, sha256::Digest>::Nullify(nullify).encode().to_vec();
            // Whichever comes first, the second gives it away.
            all.insert((self.0.seed % 2) as usize, (recipients, nullify));
        }
        all
    }
}
