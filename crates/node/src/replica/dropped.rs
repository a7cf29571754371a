//! What this node tells validators that were away of slates that it no longer keeps. To look for one may take reading it whole.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::message::AskSlate;

/// What it knows of them.
#[derive(Default)]
pub(super) struct Dropped {
    epoch: u64,
    /// The newest slate that was found dropped: so are all before it.
    until: u64,
    /// When each validator last had one looked for.
    looked: BTreeMap<String, Instant>,
}

impl Dropped {
    /// The answer to a validator that asks at a moment; none where it is to be looked for.
    pub(super) fn answer(&mut self, member: &str, ask: &AskSlate, now: Instant) -> Option<bool> {
        if self.epoch != ask.epoch {
            *self = Self { epoch: ask.epoch, ..Self::default() };
        }
        if (1..=self.until).contains(&ask.height) {
            return Some(true);
        }
        if self.looked.get(member).is_some_and(|looked| now.saturating_duration_since(*looked) < PAUSE) {
            return Some(false);
        }
        self.looked.insert(member.to_owned(), now);
        None
    }

    /// Takes note of what was looked for and is no longer kept.
    pub(super) fn note(&mut self, ask: &AskSlate) {
        if self.epoch == ask.epoch {
            self.until = self.until.max(ask.height);
        }
    }
}

/// Least time between two slates that are looked for because one validator asks; one that is away asks every ten seconds.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_looked_for_in_a_second_for_each_who_asks_and_none_below_what_was_found() {
        let (mut dropped, begun) = (Dropped::default(), Instant::now());
        let ask = |epoch, height| AskSlate { epoch, height };
        let later = |milliseconds| begun + Duration::from_millis(milliseconds);
        assert_eq!(dropped.answer("st-anna", &ask(4, 9), begun), None);
        assert_eq!(dropped.answer("st-anna", &ask(4, 9), later(999)), Some(false));
        assert_eq!(dropped.answer("riverside", &ask(4, 9), later(999)), None);
        // What was refused meanwhile does not put it off.
        assert_eq!(dropped.answer("st-anna", &ask(4, 9), later(1_000)), None);
        dropped.note(&ask(4, 9));
        dropped.note(&ask(4, 7));
        for (height, known) in [(0, Some(false)), (1, Some(true)), (9, Some(true)), (10, Some(false))] {
            assert_eq!(dropped.answer("st-anna", &ask(4, height), later(1_001)), known, "{height}");
        }
        // Slates of another epoch have heights of their own.
        assert_eq!(dropped.answer("st-anna", &ask(5, 1), later(1_002)), None);
        dropped.note(&ask(4, 9));
        assert_eq!(dropped.answer("st-anna", &ask(5, 1), later(1_003)), Some(false));
    }
}
