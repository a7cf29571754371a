//! Virtual time: what happens when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::Frame;

/// Something that happens.
pub(super) enum Event {
    /// A party works.
    Step(u16),
    /// A frame of a run reaches whom it is for.
    Arrive(u64, Frame),
    /// In a run, the first party learns that the second is gone.
    Lose(u64, u16, u16),
    /// A party's process dies.
    Crash(u16),
    /// It has started again.
    Back(u16),
}

/// Events in the order of their time; of one time, in the order they were added.
#[derive(Default)]
pub(super) struct Agenda {
    events: BTreeMap<(Duration, u64), Event>,
    added: u64,
    now: Duration,
}

impl Agenda {
    pub(super) fn add(&mut self, at: Duration, event: Event) {
        self.added += 1;
        self.events.insert((at.max(self.now), self.added), event);
    }

    /// Moves on to the next event.
    pub(super) fn next(&mut self) -> Option<(Duration, Event)> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some((at, event))
    }

    pub(super) const fn now(&self) -> Duration {
        self.now
    }
}
