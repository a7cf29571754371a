//! A validator that takes part, then only listens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use commonware_cryptography::ed25519::PublicKey;

use super::twist::{Addressed, Hand, Twist};

pub(super) struct Silence {
    left: AtomicU64,
}

impl Silence {
    pub(super) fn new(hand: Hand) -> Self {
        Self { left: AtomicU64::new(hand.seed % 200) }
    }
}

impl Twist for Silence {
    fn twist(&self, _: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        let left = self.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(1)));
        match left {
            Ok(0) | Err(_) => vec![],
            Ok(_) => vec![(recipients, message)],
        }
    }
}
