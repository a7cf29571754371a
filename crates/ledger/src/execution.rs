//! Runs a block's transactions over a state without changing it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::{
    Application, Context, Effects, Event, Failure, Limits, OK, Outcome, Pair, State, Unreadable, VerifiedTransaction,
    Write,
};

/// A state with changes laid over it.
pub(crate) struct Overlay<'a> {
    base: &'a dyn State,
    changes: Changes,
    /// What was read from `base`, as much as there is room for: mostly what is then written.
    read: RefCell<Changes>,
    /// Its bytes.
    held: Cell<usize>,
    /// What the block's transactions have used so far ([`Application::execute_within`]).
    used: u64,
}

/// Key → new value, or none where the key is removed.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

impl<'a> Overlay<'a> {
    pub(crate) const fn new(base: &'a dyn State) -> Self {
        Self { base, changes: BTreeMap::new(), read: RefCell::new(BTreeMap::new()), held: Cell::new(0), used: 0 }
    }

    /// Does what is due when a block begins, as far as one block has room for it; what it reports.
    ///
    /// # Errors
    /// Fatal failures only.
    pub(crate) fn begin(&mut self, application: &dyn Application, context: &Context) -> Result<Vec<Event>, Failure> {
        let limits = Limits::V1;
        let (mut reported, mut bytes, mut used) = (Vec::new(), 0, 0);
        for _ in 0..limits.due {
            let Effects { writes, events } = match application.due(self, context, &mut used) {
                Ok(None) => break,
                Ok(Some(effects)) => match check(effects) {
                    Ok(effects) => effects,
                    Err(_) => break,
                },
                Err(failure) if failure.fatal => return Err(failure),
                Err(_) => break,
            };
            bytes += event_bytes(&events);
            if reported.len() + events.len() > limits.events || bytes > limits.due_event_bytes {
                break;
            }
            self.write(writes);
            reported.extend(events);
        }
        Ok(reported)
    }

    /// Runs the block's next transaction; a refused one changes nothing.
    ///
    /// # Errors
    /// Fatal failures only.
    pub(crate) fn run(
        &mut self,
        application: &dyn Application,
        context: &Context,
        transaction: &VerifiedTransaction,
    ) -> Result<Outcome, Failure> {
        // Apart from the state that it reads, so that a refused transaction counts, too.
        let mut used = self.used;
        let effects = application.execute_within(self, context, transaction, &mut used).and_then(check);
        self.used = used;
        match effects {
            Ok(Effects { writes, events }) => {
                self.write(writes);
                Ok(Outcome { code: OK.into(), events })
            }
            Err(failure) if failure.fatal => Err(failure),
            Err(Failure { code, .. }) => {
                // A code that cannot be recorded is the application's mistake; every node records it alike.
                let good = (1..=Limits::V1.code).contains(&code.len()) && code != OK;
                Ok(Outcome { code: if good { code.into() } else { "invalid_code".into() }, events: vec![] })
            }
        }
    }

    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        self.changes.extend(writes.into_iter().map(|write| (write.key, write.value)));
    }

    /// Keeps what was read, where there is room.
    fn keep(&self, key: &[u8], value: Option<&Vec<u8>>) {
        let held = self.held.get() + key.len() + value.map_or(0, Vec::len) + READ_WEIGHT;
        if held <= MOST_READ {
            self.held.set(held);
            self.read.borrow_mut().insert(key.to_vec(), value.cloned());
        }
    }

    /// What was changed, and what of it, and of other keys, was read before.
    pub(crate) fn into_changes(self) -> (Changes, Changes) {
        (self.changes, self.read.into_inner())
    }
}

impl State for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        match self.changes.get(key) {
            Some(value) => Ok(value.clone()),
            None => {
                if let Some(value) = self.read.borrow().get(key) {
                    return Ok(value.clone());
                }
                let value = self.base.get(key)?;
                self.keep(key, value.as_ref());
                Ok(value)
            }
        }
    }

    fn holds(&self, key: &[u8]) -> Result<bool, Unreadable> {
        if let Some(value) = self.changes.get(key) {
            return Ok(value.is_some());
        }
        if let Some(value) = self.read.borrow().get(key) {
            return Ok(value.is_some());
        }
        let holds = self.base.holds(key)?;
        if !holds {
            self.keep(key, None);
        }
        Ok(holds)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        let start = match after {
            Some(after) if after >= prefix => Excluded(after),
            _ => Included(prefix),
        };
        let range = || self.changes.range::<[u8], _>((start, Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        let removed = range().filter(|(_, value)| value.is_none()).count();
        // Enough from below that `limit` remain even when every removal hits one of them.
        let mut pairs: BTreeMap<_, _> =
            self.base.scan(prefix, after, limit.saturating_add(removed))?.into_iter().collect();
        for (key, value) in range() {
            match value {
                Some(value) => pairs.insert(key.clone(), value.clone()),
                None => pairs.remove(key),
            };
        }
        Ok(pairs.into_iter().take(limit).collect())
    }
}

/// Nothing, before the genesis.
pub(crate) struct Empty;

impl State for Empty {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(None)
    }

    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, Unreadable> {
        Ok(vec![])
    }
}

/// Most bytes of what was read that are kept until the block is made: 16 MiB.
const MOST_READ: usize = 16 << 20;
/// About what one takes beside its key and value.
const READ_WEIGHT: usize = 100;

/// Holds effects to [`Limits::V1`].
fn check(effects: Effects) -> Result<Effects, Failure> {
    let limits = Limits::V1;
    let Effects { writes, events } = &effects;
    let keys = writes.iter().all(|write| (1..=limits.key).contains(&write.key.len()));
    let write_bytes: usize =
        writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Vec::len)).sum();
    let fits = keys
        && writes.len() <= limits.writes
        && write_bytes <= limits.write_bytes
        && events.len() <= limits.events
        && event_bytes(events) <= limits.event_bytes;
    match fits {
        true => Ok(effects),
        false => Err(Failure::refuse("effects_too_large", "the transaction changes or reports too much")),
    }
}

fn event_bytes(events: &[Event]) -> usize {
    events.iter().map(|event| event.name.len() + event.data.len()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..3, 1..4)
    }

    proptest! {
        #[test]
        fn an_overlay_reads_like_the_written_map(
            base in prop::collection::btree_map(key(), any::<Vec<u8>>(), 0..20),
            writes in prop::collection::vec((key(), prop::option::of(any::<Vec<u8>>())), 0..20),
            prefix in prop::collection::vec(0u8..3, 0..3),
            after in prop::option::of(key()),
            limit in 0usize..10,
        ) {
            let mut overlay = Overlay::new(&base);
            overlay.write(writes.iter().map(|(key, value)| Write { key: key.clone(), value: value.clone() }).collect());
            let mut written = base.clone();
            for (key, value) in writes {
                match value {
                    Some(value) => written.insert(key, value),
                    None => written.remove(&key),
                };
            }
            prop_assert_eq!(overlay.scan(&prefix, after.as_deref(), limit), written.scan(&prefix, after.as_deref(), limit));
            prop_assert_eq!(overlay.holds(&prefix), State::holds(&written, &prefix));
            prop_assert_eq!(overlay.get(&prefix), State::get(&written, &prefix));
            prop_assert_eq!(overlay.holds(&prefix), State::holds(&written, &prefix));
        }
    }
}
