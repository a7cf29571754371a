//! A leader that votes for its slate but shows it to one validator only, or to none, and answers no question for it.

use commonware_cryptography::ed25519::PublicKey;

use super::twist::{Addressed, BACKFILL, Hand, SLATES, Twist};

pub(super) struct Withhold {
    shown: usize,
}

impl Withhold {
    pub(super) fn new(hand: Hand) -> Self {
        Self { shown: usize::from(!hand.seed.is_multiple_of(2)) }
    }
}

impl Twist for Withhold {
    fn twist(&self, channel: u64, mut recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        match channel {
            SLATES => recipients.truncate(self.shown),
            BACKFILL => recipients.clear(),
            _ => {}
        }
        vec![(recipients, message)]
    }
}
