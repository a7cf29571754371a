//! A validator that sends old votes and certificates again and again.

use std::sync::Mutex;

use commonware_cryptography::ed25519::PublicKey;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::twist::{Addressed, CERTIFICATES, Hand, Twist, VOTES};

pub(super) struct Stale(Mutex<(ChaCha8Rng, [Vec<Vec<u8>>; 2])>);

impl Stale {
    pub(super) fn new(hand: Hand) -> Self {
        Self(Mutex::new((ChaCha8Rng::seed_from_u64(hand.seed), Default::default())))
    }
}

impl Twist for Stale {
    fn twist(&self, channel: u64, recipients: Vec<PublicKey>, message: Vec<u8>) -> Vec<Addressed> {
        let mut all = vec![(recipients.clone(), message.clone())];
        if let VOTES | CERTIFICATES = channel {
            let mut state = self.0.lock().expect("no panic");
            let (random, kept) = &mut *state;
            let kept = &mut kept[channel as usize];
            if let Some(old) = (random.next_u32() as usize).checked_rem(kept.len()) {
                all.push((recipients, kept[old].clone()));
            }
            if kept.len() < 64 {
                kept.push(message);
            }
        }
        all
    }
}
