//! Where the threads that receive leave events for the one thread that drives the party.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Thread;
use std::time::Instant;

use super::Event;

/// A queue of events whose reader is one thread, and sleeps when there are none.
pub(super) struct Inbox {
    events: Mutex<VecDeque<Event>>,
    count: AtomicUsize,
    reader: Mutex<Option<Thread>>,
}

impl Inbox {
    pub(super) const fn new() -> Self {
        Self { events: Mutex::new(VecDeque::new()), count: AtomicUsize::new(0), reader: Mutex::new(None) }
    }

    /// The calling thread is the one that reads.
    pub(super) fn attach(&self) {
        *lock(&self.reader) = Some(std::thread::current());
    }

    /// Leaves events and wakes the reader.
    pub(super) fn push(&self, events: impl IntoIterator<Item = Event>) {
        {
            let mut queue = lock(&self.events);
            queue.extend(events);
            self.count.store(queue.len(), Ordering::Release);
        }
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(reader) = &*lock(&self.reader) {
            reader.unpark();
        }
    }

    /// Moves all events to the end of `events`; whether there were any.
    pub(super) fn collect(&self, events: &mut VecDeque<Event>) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut queue = lock(&self.events);
        self.count.store(0, Ordering::Release);
        if events.is_empty() {
            std::mem::swap(&mut *queue, events);
        } else {
            events.append(&mut queue);
        }
        true
    }

    /// Waits for an event, a wake or `until`: at first awake, since what is awaited is mostly on its way.
    pub(super) fn wait(&self, until: Instant, spins: u32) {
        for _ in 0..spins {
            if self.count.load(Ordering::Acquire) != 0 {
                return;
            }
            std::thread::yield_now();
        }
        if self.count.load(Ordering::Acquire) == 0 {
            std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

/// A lock whose data no panic can leave half changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
