//! A sorted map that is taken out of in passes over its keys: sorted runs, of which a key's newest counts.
//!
//! What comes is a run of its own, and runs of like sizes become one. So an entry is copied a few times, beside others, where a tree that
//! shares its nodes with its snapshots copies for each entry all nodes on the way to it. Those who only read look into each run.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter;
use std::ops::{Bound, Range};
use std::sync::Arc;

/// Runs, oldest first. A clone is a snapshot, and costs little.
pub(crate) struct Runs<K, V> {
    runs: Vec<Run<K, V>>,
    passed: Passed<K>,
}

/// How far a pass has come.
#[derive(Clone)]
enum Passed<K> {
    Nothing,
    /// This key and those before it.
    Through(K),
    All,
}

/// Entries in order; what of them is left for the next pass, and, of greater keys, for this one.
struct Run<K, V> {
    entries: Arc<Vec<(K, V)>>,
    later: Range<usize>,
    now: Range<usize>,
}

impl<K: Clone, V> Clone for Runs<K, V> {
    fn clone(&self) -> Self {
        Self { runs: self.runs.clone(), passed: self.passed.clone() }
    }
}

impl<K, V> Clone for Run<K, V> {
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), later: self.later.clone(), now: self.now.clone() }
    }
}

impl<K, V> Default for Runs<K, V> {
    fn default() -> Self {
        Self { runs: Vec::new(), passed: Passed::Nothing }
    }
}

impl<K: Ord + Clone, V: Clone> Runs<K, V> {
    /// Adds entries in order, each key once. Is told each that a newer one of the same key has made needless, and that is gone.
    pub(crate) fn add(&mut self, entries: Vec<(K, V)>, gone: &mut dyn FnMut(&K, &V)) {
        let passed = match &self.passed {
            Passed::Nothing => 0,
            Passed::Through(last) => entries.partition_point(|(key, _)| key <= last),
            Passed::All => entries.len(),
        };
        let mut newest = Run { later: 0..passed, now: passed..entries.len(), entries: Arc::new(entries) };
        if newest.len() == 0 {
            return;
        }
        while let Some(older) = self.runs.pop_if(|run| run.is_like(&newest)) {
            newest = older.join(&newest, gone);
        }
        self.runs.push(newest);
    }

    /// Takes out the least key of this pass with its newest value. Is told each entry that is gone. None where the pass is over.
    pub(crate) fn take(&mut self, gone: &mut dyn FnMut(&K, &V)) -> Option<(K, V)> {
        let heads = self.runs.iter().filter_map(|run| run.now().first());
        // Of equal ones the last, which is the newest.
        let (key, value) = heads.reduce(|least, head| if head.0 <= least.0 { head } else { least })?.clone();
        for run in &mut self.runs {
            if let Some((own, value)) = run.now().first().filter(|(own, _)| *own == key) {
                gone(own, value);
                run.now.start += 1;
            }
        }
        self.passed = Passed::Through(key.clone());
        Some((key, value))
    }

    /// Whether there is more in this pass.
    pub(crate) fn goes_on(&self) -> bool {
        self.runs.iter().any(|run| !run.now.is_empty())
    }

    /// Lets go of what was taken, where it is more than what is left, and joins what became small. Is told each entry that is gone by that.
    pub(crate) fn trim(&mut self, gone: &mut dyn FnMut(&K, &V)) {
        self.runs.retain(|run| run.len() > 0);
        for newer in (1..self.runs.len()).rev() {
            if self.runs[newer - 1].is_like(&self.runs[newer]) {
                let run = self.runs.remove(newer);
                self.runs[newer - 1] = self.runs[newer - 1].join(&run, gone);
            }
        }
        for run in &mut self.runs {
            if 2 * run.len() < run.entries.len() {
                *run = Run::of(run.later().to_vec(), run.now());
            }
        }
    }

    /// The pass is over: what comes is for the next one.
    pub(crate) fn end(&mut self) {
        debug_assert!(!self.goes_on());
        self.passed = Passed::All;
    }

    /// Begins the next pass.
    pub(crate) fn turn(&mut self) {
        self.end();
        self.passed = Passed::Nothing;
        for run in &mut self.runs {
            run.now = run.later.clone();
            run.later = 0..0;
        }
    }

    /// Removes keys, wherever they are.
    pub(crate) fn remove(&mut self, keys: &BTreeSet<K>, gone: &mut dyn FnMut(&K, &V)) {
        for run in &mut self.runs {
            if keys.iter().any(|key| run.get(key).is_some()) {
                run.live().filter(|(key, _)| keys.contains(key)).for_each(|(key, value)| gone(key, value));
                let kept = |part: &[(K, V)]| -> Vec<_> {
                    part.iter().filter(|(key, _)| !keys.contains(key)).cloned().collect()
                };
                *run = Run::of(kept(run.later()), &kept(run.now()));
            }
        }
    }

    /// A key's newest value.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.runs.iter().rev().find_map(|run| run.get(key))
    }

    /// All keys from a bound on with their newest values, in order.
    pub(crate) fn range<'a, Q: Ord + ?Sized>(&'a self, from: Bound<&Q>) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: Borrow<Q>,
    {
        let before = |key: &K| match from {
            Bound::Unbounded => false,
            Bound::Included(from) => key.borrow() < from,
            Bound::Excluded(from) => key.borrow() <= from,
        };
        let rest = |part: &'a [(K, V)]| &part[part.partition_point(|(key, _)| before(key))..];
        let mut runs: Vec<_> = self.runs.iter().map(|run| [rest(run.later()), rest(run.now())]).collect();
        let head = |[later, now]: &[&'a [(K, V)]; 2]| later.first().or(now.first());
        iter::from_fn(move || {
            let least =
                runs.iter().filter_map(head).reduce(|least, head| if head.0 <= least.0 { head } else { least })?;
            for run in &mut runs {
                if head(run).is_some_and(|(key, _)| *key == least.0) {
                    let part = run.iter_mut().find(|part| !part.is_empty()).expect("it has a head");
                    *part = &part[1..];
                }
            }
            Some((&least.0, &least.1))
        })
    }

    /// All entries, also those of keys that have newer ones.
    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&K, &V)> {
        self.runs.iter().flat_map(Run::live).map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Clone, V: Clone> Run<K, V> {
    fn of(later: Vec<(K, V)>, now: &[(K, V)]) -> Self {
        let (middle, mut entries) = (later.len(), later);
        entries.reserve_exact(now.len());
        entries.extend_from_slice(now);
        Self { later: 0..middle, now: middle..entries.len(), entries: Arc::new(entries) }
    }

    fn len(&self) -> usize {
        self.later.len() + self.now.len()
    }

    /// Whether it and the next newer one are to be one.
    fn is_like(&self, newer: &Self) -> bool {
        self.len() <= 2 * newer.len() && self.len() + newer.len() <= MOST
    }

    fn later(&self) -> &[(K, V)] {
        &self.entries[self.later.clone()]
    }

    fn now(&self) -> &[(K, V)] {
        &self.entries[self.now.clone()]
    }

    fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let now = self.now();
        let part = if now.first().is_some_and(|(first, _)| first.borrow() <= key) { now } else { self.later() };
        part.binary_search_by(|(own, _)| own.borrow().cmp(key)).ok().map(|at| &part[at].1)
    }

    fn live(&self) -> impl Iterator<Item = &(K, V)> {
        self.later().iter().chain(self.now())
    }

    /// Both in one. What is left for this pass and for the next stays so, in both: a key that was passed was so in every run.
    fn join(&self, newer: &Self, gone: &mut dyn FnMut(&K, &V)) -> Self {
        let mut entries = Vec::with_capacity(self.len() + newer.len());
        join(self.later(), newer.later(), &mut entries, gone);
        let middle = entries.len();
        join(self.now(), newer.now(), &mut entries, gone);
        entries.shrink_to_fit();
        Self { later: 0..middle, now: middle..entries.len(), entries: Arc::new(entries) }
    }
}

fn join<K: Ord + Clone, V: Clone>(
    mut older: &[(K, V)],
    mut newer: &[(K, V)],
    into: &mut Vec<(K, V)>,
    gone: &mut dyn FnMut(&K, &V),
) {
    while let (Some((one, other)), Some((old, new))) =
        (older.first().zip(newer.first()), older.split_first().zip(newer.split_first()))
    {
        let order = one.0.cmp(&other.0);
        if order.is_eq() {
            gone(&one.0, &one.1);
        }
        if order.is_le() {
            older = old.1;
        }
        if order.is_ge() {
            newer = new.1;
        }
        into.push(if order == Ordering::Less { one } else { other }.clone());
    }
    into.extend_from_slice(older);
    into.extend_from_slice(newer);
}

/// Most entries of a run that others became: joining takes some milliseconds at most. So where more keys than this are changed again and again,
/// they are like as many new ones.
const MOST: usize = if cfg!(test) { 1 << 8 } else { 1 << 16 };

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain map, whatever comes, goes and is removed meanwhile, and whoever reads from before.
        #[test]
        fn it_is_a_map_that_is_passed_over(
            steps in prop::collection::vec((prop::collection::btree_map(0u16..300, any::<u32>(), 0..40), 0usize..40, 0u16..900), 1..60),
        ) {
            let (mut runs, mut plain, mut held) = (Runs::default(), BTreeMap::new(), 0);
            // What this pass has still to take; and where it is.
            let (mut left, mut last) = (BTreeMap::<u16, u32>::new(), None);
            for (batch, takes, removed) in steps {
                let before = (runs.clone(), plain.clone());
                held += batch.len();
                let mut gone = 0;
                runs.add(batch.clone().into_iter().collect(), &mut |_, _| gone += 1);
                left.extend(batch.iter().filter(|(key, _)| last.is_none_or(|last| **key > last)).map(|(key, value)| (*key, *value)));
                plain.extend(batch);
                for _ in 0..takes {
                    match runs.take(&mut |_, _| gone += 1) {
                        Some((key, value)) => {
                            prop_assert_eq!(left.pop_first(), Some((key, value)));
                            prop_assert_eq!(plain.remove(&key), Some(value));
                            last = Some(key);
                        }
                        None => {
                            prop_assert!(left.is_empty() && !runs.goes_on());
                            runs.turn();
                            (left, last) = (plain.clone(), None);
                        }
                    }
                }
                for key in [removed, removed / 2] {
                    plain.remove(&key);
                    left.remove(&key);
                }
                runs.remove(&[removed, removed / 2].into(), &mut |_, _| gone += 1);
                runs.trim(&mut |_, _| gone += 1);
                held -= gone;
                let stored = runs.runs.iter().map(|run| run.entries.len()).sum::<usize>();
                prop_assert!(stored <= 2 * held, "{} entries of {}", stored, held);
                prop_assert_eq!(runs.all().count(), held);
                for (runs, plain) in [(&runs, &plain), (&before.0, &before.1)] {
                    prop_assert!(runs.range::<u16>(Bound::Unbounded).eq(plain));
                    for key in [0, 7, 150, 299, removed] {
                        prop_assert_eq!(runs.get(&key), plain.get(&key));
                        prop_assert!(runs.range(Bound::Included(&key)).eq(plain.range(key..)));
                        prop_assert!(runs.range(Bound::Excluded(&key)).eq(plain.range((Bound::Excluded(key), Bound::Unbounded))));
                    }
                }
            }
        }
    }

    #[test]
    fn there_are_few_runs() {
        let (mut runs, mut held) = (Runs::default(), 0);
        for batch in 0..4_000u64 {
            // Sizes that fall slowly, so that each is a little smaller than the one before; and keys that grow, before which a pass never comes to
            // an end, beside some in no order.
            let size = 1 + (4_000 - batch) / 200;
            let keys = (0..size).map(|at| match at % 3 {
                0 => (batch * 1_000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1,
                _ => 1 << 63 | batch << 32 | at,
            });
            let entries: BTreeMap<_, _> = keys.map(|key| (key, batch)).collect();
            held += entries.len();
            runs.add(entries.into_iter().collect(), &mut |_, _| held -= 1);
            for _ in 0..if batch > 1_000 { size + 3 } else { 0 } {
                runs.take(&mut |_, _| held -= 1);
            }
            runs.trim(&mut |_, _| held -= 1);
            let few = 2 * held / MOST + 12;
            assert!(runs.runs.len() <= few, "{} runs of {held} at {batch}", runs.runs.len());
            assert!(runs.runs.iter().map(|run| run.entries.len()).sum::<usize>() <= 2 * held);
        }
    }
}
