//! Transactions that wait: bounded, and fair to those who sent them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Range;

use crypto::{Digest, PublicKey};
use ledger::{SignedTransaction, VerifiedTransaction};

/// What one validator's transactions may take of a pool. A sender may hold a quarter of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Transactions that came from one validator.
    pub transactions: usize,
    /// Bytes of them.
    pub bytes: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { transactions: 20_000, bytes: 16 << 20 }
    }
}

/// Bundles of transactions by the validator they came from (its place) and by their sender.
///
/// A bundle's transactions keep their order; of bundles of one sender the earlier goes first. The pool knows no clock and
/// no chain: it is told what has been ordered and what time it is.
pub(crate) struct Pool {
    /// Whose bundles are kept even where another validator sent their transactions before.
    own: usize,
    limits: PoolLimits,
    lanes: Vec<Lane>,
    bundles: HashMap<u64, Bundle>,
    /// Those of this node's own lane.
    submitted: BTreeSet<u64>,
    /// Id → bundle, for those of others and for this node's own.
    known: [HashMap<Digest, u64>; 2],
    next: u64,
    turn: usize,
}

/// What came from one validator.
#[derive(Default)]
struct Lane {
    /// Bundles by sender, oldest first; some may be gone.
    senders: BTreeMap<PublicKey, Queue>,
    transactions: usize,
    bytes: usize,
    /// The sender served last.
    turn: Option<PublicKey>,
}

#[derive(Default)]
struct Queue {
    bundles: VecDeque<u64>,
    transactions: usize,
    bytes: usize,
}

struct Bundle {
    lane: usize,
    sender: PublicKey,
    transactions: Vec<VerifiedTransaction>,
}

/// What a slate may still take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) transactions: usize,
    pub(crate) bytes: usize,
}

/// The pool has no room for a bundle of this validator or sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Pool {
    /// For `validators` validators, of which this node is `own`.
    pub(crate) fn new(validators: usize, own: usize, limits: PoolLimits) -> Self {
        Self {
            own,
            limits,
            lanes: (0..validators).map(|_| Lane::default()).collect(),
            bundles: HashMap::new(),
            submitted: BTreeSet::new(),
            known: Default::default(),
            next: 0,
            turn: 0,
        }
    }

    /// Takes a bundle in that came from the validator at `origin`. Transactions that wait already are left out.
    pub(crate) fn insert(&mut self, origin: usize, mut bundle: Vec<VerifiedTransaction>) -> Result<(), Full> {
        let own = usize::from(origin == self.own);
        let mut seen = HashSet::new();
        // What others send cannot take the place of what was submitted here: an own bundle stays whole.
        bundle.retain(|transaction| {
            let id = transaction.id();
            let waits = self.known[own].contains_key(&id) || (own == 0 && self.known[1].contains_key(&id));
            !waits && seen.insert(id)
        });
        let Some(first) = bundle.first() else { return Ok(()) };
        let sender = first.transaction().sender;
        let (count, bytes) = (bundle.len(), bundle.iter().map(VerifiedTransaction::size).sum::<usize>());
        let lane = &mut self.lanes[origin];
        let held = lane.senders.get(&sender).map_or((0, 0), |queue| (queue.transactions, queue.bytes));
        let over = |limit: usize, used: usize, more: usize| used + more > limit;
        // A quarter, or one bundle of any size where nothing else of the sender waits.
        let greedy = held.0 > 0
            && (over(self.limits.transactions / 4, held.0, count) || over(self.limits.bytes / 4, held.1, bytes));
        if greedy
            || over(self.limits.transactions, lane.transactions, count)
            || over(self.limits.bytes, lane.bytes, bytes)
        {
            return Err(Full);
        }
        let number = self.next;
        self.next += 1;
        lane.transactions += count;
        lane.bytes += bytes;
        let queue = lane.senders.entry(sender).or_default();
        queue.transactions += count;
        queue.bytes += bytes;
        queue.bundles.push_back(number);
        if own == 1 {
            self.submitted.insert(number);
        }
        self.known[own].extend(bundle.iter().map(|transaction| (transaction.id(), number)));
        self.bundles.insert(number, Bundle { lane: origin, sender, transactions: bundle });
        Ok(())
    }

    /// Picks what a slate of this time holds: in turns by validator, then by sender. Nothing is removed.
    pub(crate) fn pick(&mut self, room: Room, time: u64, ordered: &HashSet<Digest>) -> Vec<VerifiedTransaction> {
        let Room { transactions: mut count, mut bytes } = room;
        let mut picked = Vec::new();
        let mut ids = HashSet::new();
        let lanes = self.lanes.len();
        let mut turns: Vec<Turns<'_>> = (0..lanes).map(|at| self.lanes[(self.turn + at) % lanes].turns()).collect();
        let mut served: Vec<Option<PublicKey>> = vec![None; lanes];
        let mut busy = true;
        while busy && count > 0 {
            busy = false;
            for (at, turns) in turns.iter_mut().enumerate() {
                while let Some((sender, mut queue)) = turns.pop_front() {
                    let eligible = queue.by_ref().find_map(|number| {
                        let bundle = self.bundles.get(&number)?;
                        let fresh = |transaction: &&VerifiedTransaction| {
                            let id = transaction.id();
                            transaction.check_expiry(time).is_ok() && !ordered.contains(&id) && !ids.contains(&id)
                        };
                        let eligible: Vec<_> = bundle.transactions.iter().filter(fresh).collect();
                        (!eligible.is_empty()).then_some(eligible)
                    });
                    let Some(bundle) = eligible else { continue };
                    let size: usize = bundle.iter().map(|transaction| transaction.size()).sum();
                    // A sender's later bundles do not overtake the one that did not fit.
                    if bundle.len() > count || size > bytes {
                        continue;
                    }
                    (count, bytes) = (count - bundle.len(), bytes - size);
                    ids.extend(bundle.iter().map(|transaction| transaction.id()));
                    picked.extend(bundle.into_iter().cloned());
                    served[at] = Some(*sender);
                    turns.push_back((sender, queue));
                    busy = true;
                    break;
                }
            }
        }
        drop(turns);
        for (at, sender) in served.into_iter().enumerate().filter_map(|(at, sender)| Some((at, sender?))) {
            self.lanes[(self.turn + at) % lanes].turn = Some(sender);
        }
        self.turn = (self.turn + 1) % lanes;
        picked
    }

    /// The number of the next bundle.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// What was submitted here and still waits of these bundles, the oldest first, as far as it has no more than so many bytes (one
    /// bundle of any size), and the number after the last.
    pub(crate) fn waiting(&self, numbers: Range<u64>, most: usize) -> (Vec<Vec<SignedTransaction>>, u64) {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for number in self.submitted.range(numbers.start..numbers.end.max(numbers.start)) {
            let Some(bundle) = self.bundles.get(number) else { continue };
            bytes += bundle.transactions.iter().map(VerifiedTransaction::size).sum::<usize>();
            if bytes > most && !found.is_empty() {
                return (found, *number);
            }
            found.push(bundle.transactions.iter().map(|transaction| transaction.signed().clone()).collect());
        }
        (found, numbers.end)
    }

    /// A waiting transaction with exactly these bytes, as proof that they were checked.
    pub(crate) fn verified(&self, id: &Digest, signed: &SignedTransaction) -> Option<VerifiedTransaction> {
        self.known.iter().find_map(|known| {
            let bundle = self.bundles.get(known.get(id)?)?;
            // The identity does not cover the signature.
            bundle.transactions.iter().find(|one| one.id() == *id && one.signed() == signed).cloned()
        })
    }

    /// Whether a transaction of this id waits.
    pub(crate) fn holds(&self, id: &Digest) -> bool {
        self.known.iter().any(|known| known.contains_key(id))
    }

    /// Removes what stands on the ledger.
    pub(crate) fn settle<'a>(&mut self, ids: impl IntoIterator<Item = &'a Digest>) {
        for id in ids {
            for own in [0, 1] {
                if let Some(number) = self.known[own].remove(id) {
                    self.shrink(number, |transaction| transaction.id() != *id);
                }
            }
        }
    }

    /// Removes what no slate of this time or later can hold; returns ids and expiries.
    pub(crate) fn expire(&mut self, time: u64) -> Vec<(Digest, u64)> {
        let late = |transaction: &VerifiedTransaction| transaction.transaction().expires <= time;
        let mut expired: Vec<(Digest, u64)> = self
            .bundles
            .values()
            .flat_map(|bundle| bundle.transactions.iter().filter(|one| late(one)))
            .map(|one| (one.id(), one.transaction().expires))
            .collect();
        // The map has no order of its own.
        expired.sort_unstable();
        expired.dedup();
        self.settle(expired.iter().map(|(id, _)| id));
        expired
    }

    /// Transactions that wait, and their bytes.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.lanes.iter().fold((0, 0), |(count, bytes), lane| (count + lane.transactions, bytes + lane.bytes))
    }

    /// The number of the oldest bundle that waits: they are numbered as they come.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.bundles.keys().min().copied()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    fn shrink(&mut self, number: u64, keep: impl Fn(&VerifiedTransaction) -> bool) {
        let Some(bundle) = self.bundles.get_mut(&number) else { return };
        let (mut count, mut bytes) = (0, 0);
        bundle.transactions.retain(|transaction| {
            let keeps = keep(transaction);
            if !keeps {
                count += 1;
                bytes += transaction.size();
            }
            keeps
        });
        let (lane, sender, gone) = (bundle.lane, bundle.sender, bundle.transactions.is_empty());
        if gone {
            self.bundles.remove(&number);
            self.submitted.remove(&number);
        }
        let lane = &mut self.lanes[lane];
        lane.transactions -= count;
        lane.bytes -= bytes;
        if let Some(queue) = lane.senders.get_mut(&sender) {
            queue.transactions -= count;
            queue.bytes -= bytes;
            // Mostly the oldest goes; one in the middle is skipped until it is the oldest.
            while queue.bundles.front().is_some_and(|front| !self.bundles.contains_key(front)) {
                queue.bundles.pop_front();
            }
            if queue.transactions == 0 {
                lane.senders.remove(&sender);
            }
        }
    }
}

type Turns<'a> = VecDeque<(&'a PublicKey, std::iter::Copied<std::collections::vec_deque::Iter<'a, u64>>)>;

impl Lane {
    /// The senders' queues, the one after the last served first.
    fn turns(&self) -> Turns<'_> {
        let mut turns: Turns<'_> =
            self.senders.iter().map(|(sender, queue)| (sender, queue.bundles.iter().copied())).collect();
        if let Some(last) = &self.turn {
            let after = self.senders.keys().take_while(|sender| *sender <= last).count();
            let length = turns.len().max(1);
            turns.rotate_left(after % length);
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Chain, bundle, signed_by};

    const NOW: u64 = 1_000;
    const ROOM: Room = Room { transactions: 100, bytes: 1 << 20 };

    fn pool(transactions: usize) -> Pool {
        Pool::new(4, 0, PoolLimits { transactions, bytes: 1 << 20 })
    }

    fn ids(transactions: &[VerifiedTransaction]) -> Vec<Digest> {
        transactions.iter().map(VerifiedTransaction::id).collect()
    }

    #[test]
    fn bundles_keep_their_order_and_stay_until_they_are_settled() {
        let chain = Chain;
        let mut pool = pool(100);
        let (first, second) = (bundle(&chain, 1, 0..3), bundle(&chain, 1, 3..5));
        pool.insert(1, first.clone()).unwrap();
        pool.insert(1, second.clone()).unwrap();
        let expected = [ids(&first), ids(&second)].concat();
        assert_eq!(ids(&pool.pick(ROOM, NOW, &HashSet::new())), expected);
        assert_eq!(ids(&pool.pick(ROOM, NOW, &expected[..4].iter().copied().collect())), expected[4..]);
        pool.settle(&expected[..2]);
        assert_eq!(ids(&pool.pick(ROOM, NOW, &HashSet::new())), expected[2..]);
        pool.settle(&expected);
        assert!(pool.is_empty());
        assert_eq!(pool.load(), (0, 0));
    }

    #[test]
    fn one_that_floods_delays_itself() {
        let chain = Chain;
        let mut pool = pool(1_000);
        for at in 0..50 {
            pool.insert(1, bundle(&chain, 1, at..at + 1)).unwrap();
        }
        let quiet = [bundle(&chain, 2, 0..1), bundle(&chain, 3, 0..1)];
        // One more sender of the same validator, and one of another.
        pool.insert(1, quiet[0].clone()).unwrap();
        pool.insert(2, quiet[1].clone()).unwrap();
        let picked = ids(&pool.pick(Room { transactions: 4, ..ROOM }, NOW, &HashSet::new()));
        for quiet in quiet {
            assert!(picked.contains(&quiet[0].id()));
        }
    }

    #[test]
    fn turns_go_round_when_slates_are_too_small() {
        let chain = Chain;
        let mut pool = pool(1_000);
        for sender in 1..=6 {
            pool.insert(1, bundle(&chain, sender, 0..4)).unwrap();
        }
        let mut senders = HashSet::new();
        for _ in 0..6 {
            let picked = pool.pick(Room { transactions: 4, ..ROOM }, NOW, &HashSet::new());
            assert_eq!(picked.len(), 4);
            senders.insert(picked[0].transaction().sender);
        }
        assert_eq!(senders.len(), 6);
    }

    #[test]
    fn space_is_divided_by_validator_and_by_sender() {
        let chain = Chain;
        let mut pool = pool(8);
        pool.insert(1, bundle(&chain, 1, 0..2)).unwrap();
        // A quarter of eight is two.
        assert_eq!(pool.insert(1, bundle(&chain, 1, 2..3)), Err(Full));
        pool.insert(1, bundle(&chain, 2, 0..6)).unwrap();
        assert_eq!(pool.insert(1, bundle(&chain, 3, 0..1)), Err(Full));
        pool.insert(2, bundle(&chain, 3, 0..1)).unwrap();
        pool.settle(&ids(&bundle(&chain, 2, 0..6)));
        pool.insert(1, bundle(&chain, 4, 0..6)).unwrap();
    }

    #[test]
    fn a_transaction_waits_once_but_an_own_bundle_stays_whole() {
        let chain = Chain;
        let mut pool = pool(100);
        let whole = bundle(&chain, 1, 0..3);
        pool.insert(2, whole[..1].to_vec()).unwrap();
        pool.insert(3, whole[..1].to_vec()).unwrap();
        assert_eq!(pool.load().0, 1);
        pool.insert(0, whole.clone()).unwrap();
        pool.insert(0, whole.clone()).unwrap();
        assert_eq!(pool.load().0, 4);
        // However it is picked, no id is picked twice.
        let picked = ids(&pool.pick(ROOM, NOW, &HashSet::new()));
        assert_eq!(picked.iter().collect::<HashSet<_>>().len(), picked.len());
        assert_eq!(picked.len(), 3);
        pool.settle(&ids(&whole));
        assert!(pool.is_empty());
    }

    #[test]
    fn what_was_submitted_here_and_waits_is_found_by_pages() {
        let chain = Chain;
        let mut pool = pool(100);
        let bundles: Vec<_> = (0..4).map(|at| bundle(&chain, 1, at * 3..at * 3 + 3)).collect();
        for (at, bundle) in bundles.iter().enumerate() {
            pool.insert(0, bundle.clone()).unwrap();
            pool.insert(1 + at % 3, super::tests::bundle(&chain, 2, at as u64..at as u64 + 1)).unwrap();
        }
        pool.settle(&ids(&bundles[1]));
        pool.settle(&ids(&bundles[2][..1]));
        let signed = |bundle: &[VerifiedTransaction]| -> Vec<SignedTransaction> {
            bundle.iter().map(|transaction| transaction.signed().clone()).collect()
        };
        let expected = [signed(&bundles[0]), signed(&bundles[2][1..]), signed(&bundles[3])];
        assert_eq!(pool.waiting(0..pool.next(), 1 << 20), (expected.to_vec(), 8));
        // By pages of one, each at least.
        let (first, next) = pool.waiting(0..pool.next(), 1);
        assert_eq!((first, next), (expected[..1].to_vec(), 4));
        assert_eq!(pool.waiting(next..pool.next(), 1), (expected[1..2].to_vec(), 6));
        assert_eq!(pool.waiting(next..6, 1 << 20), (expected[1..2].to_vec(), 6));
        let (late, early) = (9, 5);
        assert_eq!(pool.waiting(late..early, 1), (vec![], early));
    }

    #[test]
    fn what_has_expired_goes() {
        let chain = Chain;
        let mut pool = pool(100);
        let soon = signed_by(&chain, 1, 1, NOW + 5);
        let later = signed_by(&chain, 1, 2, NOW + 50);
        pool.insert(1, vec![soon.clone(), later.clone()]).unwrap();
        assert_eq!(ids(&pool.pick(ROOM, NOW + 5, &HashSet::new())), [later.id()]);
        assert_eq!(pool.expire(NOW + 5), [(soon.id(), NOW + 5)]);
        assert!(pool.holds(&later.id()) && !pool.holds(&soon.id()));
        // Proof of the check is for these bytes only.
        let mut forged = later.signed().clone();
        forged.signature = soon.signed().signature;
        assert!(pool.verified(&later.id(), &forged).is_none());
        assert!(pool.verified(&later.id(), later.signed()).is_some());
    }
}
