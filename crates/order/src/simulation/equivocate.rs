//! A leader that shows one slate to some and another to the rest; as a voter it votes for two, always.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::{Finalize, Notarize, Proposal, Vote};
use commonware_cryptography::{Digestible as _, ed25519::PublicKey, sha256};

use super::twist::{Addressed, Hand, SLATES, Twist, VOTES};
use crate::slate::{Claims, Slate};

pub(super) struct Equivocate {
    hand: Hand,
    /// Slate → the other one.
    others: Mutex<BTreeMap<sha256::Digest, sha256::Digest>>,
}

impl Equivocate {
    pub(super) fn new(hand: Hand) -> Self {
        Self { hand, others: Mutex::default() }
    }

    /// The other slate of the same view; where this validator has shown none, one that does not exist.
    fn other(&self, proposal: &Proposal<sha256::Digest>) -> Proposal<sha256::Digest> {
        let shown = self.others.lock().expect("no panic").get(&proposal.payload).copied();
        let payload = shown.unwrap_or_else(|| sha256::Digest(proposal.payload.0.map(|byte| !byte)));
        Proposal { payload, ..proposal.clone() }
    }
}

impl Twist for Equivocate {
    fn twist(&self, channel: u64, mut recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        let bytes = Bytes::from(message.clone());
        let another = match channel {
            SLATES => Slate::decode_cfg(bytes, &self.hand.rules).ok().map(|slate| {
                let header = slate.header().clone();
                let claims = Claims {
                    chain: header.chain,
                    epoch: header.epoch,
                    height: header.height,
                    parent: header.parent,
                    time: header.time + 1,
                    executed: header.executed,
                    executed_header: header.executed_header,
                };
                let other = Slate::unverified(claims, slate.transactions()[..slate.transactions().len() / 2].to_vec());
                self.others.lock().expect("no panic").insert(slate.digest(), other.digest());
                other.encode()
            }),
            VOTES => match Vote::<Scheme, sha256::Digest>::decode(bytes) {
                Ok(Vote::Notarize(vote)) => Notarize::sign(&self.hand.scheme, self.other(&vote.proposal))
                    .map(|vote| Vote::Notarize(vote).encode()),
                Ok(Vote::Finalize(vote)) => Finalize::sign(&self.hand.scheme, self.other(&vote.proposal))
                    .map(|vote| Vote::Finalize(vote).encode()),
                _ => None,
            },
            _ => None,
        };
        let Some(another) = another else { return vec![(recipients, message)] };
        let rest = recipients.split_off(recipients.len() / 2);
        let another = another.to_vec();
        // Some days it is careless, and everybody gets both.
        match self.hand.seed.is_multiple_of(2) {
            true => vec![(recipients, message), (rest, another)],
            false => {
                let all = [recipients, rest].concat();
                vec![(all.clone(), message), (all, another)]
            }
        }
    }
}
