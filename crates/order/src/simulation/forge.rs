//! A validator that passes on transactions which their senders never signed.

use commonware_cryptography::ed25519::PublicKey;

use super::twist::{Addressed, TRANSACTIONS, Twist};
use crate::gossip;

pub(super) struct Forge;

impl Twist for Forge {
    fn twist(&self, channel: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        if channel != TRANSACTIONS {
            return vec![(recipients, message)];
        }
        let mut page = gossip::parse(&message).expect("an honest page");
        for signed in page.iter_mut().flatten() {
            signed.transaction.arguments.0.push(0xff);
        }
        vec![(recipients, wire::to_vec(&page))]
    }
}
