//! Parties of one process, each on a thread of its own.
//!
//! ```
//! use mpc::net::{Control, drive, threads};
//! use mpc::engine::{Party, local};
//!
//! let parties: Vec<_> = threads::links(3)
//!     .into_iter()
//!     .map(|links| {
//!         std::thread::spawn(move || {
//!             let index = links.index();
//!             let party = Party::new(local::settings(index, 3, 7), |mut io| async move {
//!                 let op = io.op();
//!                 for peer in io.peers() {
//!                     io.send_elements(op, peer, &[u64::from(io.index())]);
//!                 }
//!                 let mut sum = [u64::from(io.index())];
//!                 for peer in io.peers() {
//!                     let mut theirs = [0u64];
//!                     io.receive_elements(op, peer, &mut theirs).await?;
//!                     sum[0] += theirs[0];
//!                 }
//!                 Ok(sum[0])
//!             });
//!             drive(party.unwrap(), links, &mut |_| {}, &Control::default()).0
//!         })
//!     })
//!     .collect();
//! for party in parties {
//!     assert_eq!(party.join().unwrap(), Ok(3));
//! }
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::engine::Frame;

use super::inbox::Inbox;
use super::{End, Event, Transport};

/// Links of `parties` parties, by index; each goes to its party's thread.
pub fn links(parties: u16) -> Vec<Threads> {
    let count = usize::from(parties);
    let hall = Arc::new(Hall {
        inboxes: (0..count).map(|_| Inbox::new()).collect(),
        waiting: (0..count * count).map(|_| AtomicUsize::new(0)).collect(),
        gone: (0..count).map(|_| AtomicBool::new(false)).collect(),
    });
    (0..parties).map(|index| Threads { hall: Arc::clone(&hall), index, closed: false }).collect()
}

/// One party's links to the other threads.
pub struct Threads {
    hall: Arc<Hall>,
    index: u16,
    closed: bool,
}

struct Hall {
    inboxes: Vec<Inbox>,
    /// Bytes on their way, by sender and receiver.
    waiting: Vec<AtomicUsize>,
    /// Which have ended.
    gone: Vec<AtomicBool>,
}

impl Hall {
    fn waiting(&self, from: u16, to: u16) -> &AtomicUsize {
        &self.waiting[usize::from(from) * self.inboxes.len() + usize::from(to)]
    }
}

impl Threads {
    /// Which party's.
    pub const fn index(&self) -> u16 {
        self.index
    }

    fn leave(&mut self, event: fn(u16) -> Event) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.hall.gone[usize::from(self.index)].store(true, Ordering::Release);
        for (peer, inbox) in self.hall.inboxes.iter().enumerate() {
            if peer != usize::from(self.index) {
                inbox.push([event(self.index)]);
            }
        }
    }
}

impl Transport for Threads {
    fn seat(&self) -> (u16, u16) {
        self.hall.inboxes[usize::from(self.index)].attach();
        (self.index, self.hall.inboxes.len() as u16)
    }

    fn offer(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.hall.gone[usize::from(frame.to)].load(Ordering::Acquire) {
            // Nobody will take it.
            return Ok(());
        }
        let waiting = self.hall.waiting(self.index, frame.to);
        if waiting.load(Ordering::Acquire) >= WINDOW {
            return Err(frame);
        }
        waiting.fetch_add(frame.body.len(), Ordering::AcqRel);
        self.hall.inboxes[usize::from(frame.to)].push([Event::Frame(frame.from, frame.body)]);
        Ok(())
    }

    fn collect(&mut self, events: &mut VecDeque<Event>) -> bool {
        let known = events.len();
        if !self.hall.inboxes[usize::from(self.index)].collect(events) {
            return false;
        }
        for event in events.iter().skip(known) {
            match event {
                Event::Frame(from, body) => {
                    let waiting = self.hall.waiting(*from, self.index);
                    if waiting.fetch_sub(body.len(), Ordering::AcqRel) >= WINDOW {
                        self.hall.inboxes[usize::from(*from)].wake();
                    }
                }
                Event::Left(_) | Event::Lost(_) | Event::Broken(..) => {}
            }
        }
        true
    }

    fn wait(&mut self, until: Instant) {
        self.hall.inboxes[usize::from(self.index)].wait(until, 0);
    }

    fn finish(&mut self, _: End) {
        self.leave(Event::Left);
    }
}

impl Drop for Threads {
    /// A party whose thread ends without finishing is lost to the others.
    fn drop(&mut self) {
        self.leave(Event::Lost);
    }
}

/// Bytes that may be on their way from one party to another.
const WINDOW: usize = 8 << 20;
