//! A validator that passes on as many transactions of one sender as it can make.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use commonware_cryptography::ed25519::PublicKey;

use super::twist::{Addressed, Hand, TRANSACTIONS, Twist};

pub(super) struct Flood {
    hand: Hand,
    sent: AtomicU64,
}

impl Flood {
    pub(super) fn new(hand: Hand) -> Self {
        Self { hand, sent: AtomicU64::new(0) }
    }
}

impl Twist for Flood {
    fn twist(&self, channel: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        let mut all = vec![(recipients.clone(), message)];
        let sent = self.sent.load(Relaxed);
        if channel == TRANSACTIONS && sent < MOST {
            self.sent.fetch_add(EACH, Relaxed);
            let numbers = sent..sent + EACH;
            let page: Vec<_> =
                numbers.map(|number| vec![self.hand.chain.record(99, number, 1_000_000).into_signed()]).collect();
            all.push((recipients, wire::to_vec(&page)));
        }
        all
    }
}

/// More than a sender may have wait.
const EACH: u64 = 150;
const MOST: u64 = 3 * EACH;
