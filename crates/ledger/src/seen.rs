//! Identities of the last hour, as a Bloom filter: whether a transaction may be on the ledger.

use std::collections::VecDeque;

use crypto::Digest;

use crate::EXPIRY_WINDOW;

/// Tells of most transactions that are new that they are, without a look into the store. It knows of blocks since the ledger was
/// opened, for as long as their transactions could come again.
pub(crate) struct Seen {
    /// The time of the block after which it begins; none where it begins with the chain.
    from: Option<u64>,
    /// The newest block's time.
    newest: u64,
    /// Oldest first.
    stretches: VecDeque<Stretch>,
}

struct Stretch {
    /// Times of its first block and of its last.
    first: u64,
    last: u64,
    ids: usize,
    bits: Vec<u64>,
}

impl Seen {
    /// One that begins after a block of this height and time.
    pub(crate) fn after(height: u64, time: u64) -> Self {
        Self { from: (height > 0).then_some(time), newest: time, stretches: VecDeque::new() }
    }

    /// Adds a block's transactions, before anybody can see them.
    pub(crate) fn add(&mut self, time: u64, ids: &[Digest]) {
        self.newest = time;
        while self.stretches.front().is_some_and(|oldest| oldest.last.saturating_add(EXPIRY_WINDOW) < time) {
            self.stretches.pop_front();
        }
        let full = |newest: &Stretch| newest.ids + ids.len() > IDS || newest.first + EXPIRY_WINDOW / 2 < time;
        if self.stretches.back().is_none_or(full) {
            self.stretches.push_back(Stretch { first: time, last: time, ids: 0, bits: vec![0; WORDS] });
        }
        if let Some(newest) = self.stretches.back_mut() {
            (newest.last, newest.ids) = (time, newest.ids + ids.len());
            for (word, bit) in ids.iter().flat_map(places) {
                newest.bits[word] |= bit;
            }
        }
    }

    /// Whether a transaction that expires then may be on the ledger.
    pub(crate) fn may_hold(&self, id: &Digest, expires: u64) -> bool {
        // What is older than the filter would have expired by now.
        let older =
            expires <= self.newest || self.from.is_some_and(|from| expires <= from.saturating_add(EXPIRY_WINDOW));
        let places = places(id);
        older || self.stretches.iter().any(|stretch| places.iter().all(|(word, bit)| stretch.bits[*word] & bit != 0))
    }
}

/// An identity is a hash: parts of it are as good as other hashes.
fn places(id: &Digest) -> [(usize, u64); PLACES] {
    let (parts, _) = id.as_bytes().as_chunks::<4>();
    std::array::from_fn(|at| {
        let bit = u32::from_be_bytes(parts[at]) as usize % (WORDS * 64);
        (bit / 64, 1 << (bit % 64))
    })
}

/// Bits of each identity.
const PLACES: usize = 4;

/// Identities of a stretch: of as many one in four hundred others is taken for one of them.
const IDS: usize = 1 << 19;

/// A stretch is 1 MiB.
const WORDS: usize = IDS / 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> Digest {
        crypto::sha256(&[&number.to_be_bytes()])
    }

    proptest! {
        /// Whatever could come again is said to be there; a new transaction mostly is not.
        #[test]
        fn nothing_that_could_come_again_is_missed(
            height in 0u64..2,
            blocks in prop::collection::vec((0u64..EXPIRY_WINDOW, prop::collection::vec(1..=EXPIRY_WINDOW, 1..20)), 1..30),
        ) {
            let mut time = EXPIRY_WINDOW;
            let mut seen = Seen::after(height, time);
            // One of before it began, where there were blocks.
            let mut all: Vec<(Digest, u64)> = (0..height).map(|_| (id(u64::MAX), time + EXPIRY_WINDOW)).collect();
            let mut new = 0;
            for (step, lives) in blocks {
                time += step;
                let block: Vec<_> = lives.iter().map(|life| { new += 1; (id(new), time + life) }).collect();
                seen.add(time, &block.iter().map(|(id, _)| *id).collect::<Vec<_>>());
                all.extend(block);
                for (id, expires) in &all {
                    prop_assert!(seen.may_hold(id, *expires));
                }
                let taken = (0..1_000).filter(|other| seen.may_hold(&id(1 << 32 | other), time + EXPIRY_WINDOW));
                let taken = taken.count();
                prop_assert!(taken < 10 || height == 1 && time == EXPIRY_WINDOW, "{} of a thousand", taken);
                prop_assert!(seen.stretches.len() <= 5);
            }
        }
    }
}
