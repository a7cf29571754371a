//! What runs at this node: its parts of attempts, and the computations that it coordinates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::code;
use crypto::{Digest, Secret};
use tokio::sync::{mpsc, watch};
use wire::Fixed;

use crate::problem::ApiError;

/// A request and the attempt at it.
pub(super) type Attempt = (Digest, Fixed<16>);

/// A message of an attempt, from a party to another.
pub(super) struct Envelope {
    /// Who sends.
    pub(super) from: u16,
    /// Who receives.
    pub(super) to: u16,
    /// Secret between the two.
    pub(super) body: Secret<Vec<u8>>,
}

/// How something ended; nothing while it is under way.
type Outcome = watch::Sender<Option<Result<(), ApiError>>>;

/// Computations under way at this node.
#[derive(Default)]
pub(crate) struct Computations {
    /// Held while this node coordinates.
    pub(super) coordinating: tokio::sync::Mutex<()>,
    /// Held while this node records a share.
    pub(super) recording: tokio::sync::Mutex<()>,
    /// Held while checkpoints' key is made, or destroyed after an attempt that was cancelled.
    pub(super) keeping: tokio::sync::Mutex<()>,
    attempts: Mutex<HashMap<Attempt, Seat>>,
    errands: Mutex<HashMap<Digest, Arc<Run>>>,
}

/// A party's place in an attempt.
struct Seat {
    /// Frames from peers; a peer may speak before this party has started.
    inbox: mpsc::Sender<Envelope>,
    waiting: Option<mpsc::Receiver<Envelope>>,
    run: Arc<Run>,
    since: u64,
}

/// What a party begins with: its messages, and what its part is known by.
pub(super) type Begun = (mpsc::Receiver<Envelope>, Arc<Run>);

/// Something under way: how far it is, whether it is to end, how it ended.
pub(crate) struct Run {
    progress: watch::Sender<Progress>,
    cancelled: watch::Sender<bool>,
    outcome: Outcome,
}

/// How far a party is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// In thousandths.
    pub permille: u16,
    /// Operations of an earlier run that were kept, so that this one goes on after them.
    pub resumed: usize,
    /// What it is at.
    pub phase: &'static str,
    /// Which operation of how many, where it is at one; counted from 1.
    pub operation: Option<(usize, usize)>,
    /// Bytes to and from the other parties.
    pub sent: u64,
    /// As above.
    pub received: u64,
    /// Messages in sequence.
    pub rounds: u32,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.phase)?;
        match self.operation {
            Some((at, total)) => write!(formatter, " (operation {at} of {total})"),
            None => Ok(()),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            progress: watch::Sender::default(),
            cancelled: watch::Sender::new(false),
            outcome: watch::Sender::new(None),
        }
    }
}

impl Run {
    /// Says how far it is.
    pub(super) fn tell(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Asks it to end.
    pub(super) fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Whether it is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Waits until it is to end.
    pub(super) async fn cancelled(&self) {
        // The sender lives as long as this does.
        _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// It has ended.
    pub(super) fn end(&self, outcome: Result<(), ApiError>) {
        self.outcome.send_replace(Some(outcome));
    }

    /// How it ended, once it has; nothing where it still goes on after `patience`.
    pub(super) async fn outcome(&self, patience: Duration) -> Option<Result<(), ApiError>> {
        let mut outcome = self.outcome.subscribe();
        let ended = outcome.wait_for(Option::is_some);
        tokio::time::timeout(patience, ended).await.ok()?.ok()?.clone()
    }

    fn has_ended(&self) -> bool {
        self.outcome.borrow().is_some()
    }
}

impl Computations {
    /// Takes part in an attempt: what has come in for it so far and will, unless it has been started before.
    pub(super) fn begin(&self, attempt: Attempt, now: u64) -> Result<Option<Begun>, ApiError> {
        self.seat(attempt, now, |seat| Some((seat.waiting.take()?, Arc::clone(&seat.run))))
    }

    /// This party's part of an attempt, where it has started one.
    pub(super) fn run(&self, attempt: &Attempt) -> Option<Arc<Run>> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(attempt).filter(|seat| seat.waiting.is_none()).map(|seat| Arc::clone(&seat.run))
    }

    /// The attempts at a request that go on.
    pub(super) fn under_way(&self, request: &Digest) -> Vec<(Attempt, Arc<Run>)> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let of = attempts.iter().filter(|((of, _), seat)| of == request && !seat.run.has_ended());
        of.map(|(attempt, seat)| (*attempt, Arc::clone(&seat.run))).collect()
    }

    /// The attempts at a request that this party has begun and not ended: not those of which it has heard no more than what peers sent, as
    /// after a restart in the middle of one.
    pub(super) fn begun(&self, request: &Digest) -> Vec<Attempt> {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |seat: &Seat| seat.waiting.is_none() && !seat.run.has_ended();
        attempts.iter().filter(|((of, _), seat)| of == request && goes_on(seat)).map(|(attempt, _)| *attempt).collect()
    }

    /// Whether this node takes part in an attempt, or has yet to.
    pub(super) fn is_alive(&self, attempt: &Attempt) -> bool {
        let attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.get(attempt).is_some_and(|seat| !seat.run.has_ended())
    }

    /// Takes a message for a party's part of an attempt.
    pub(super) fn deliver(&self, attempt: Attempt, now: u64, envelope: Envelope) -> Result<(), ApiError> {
        let inbox = self.seat(attempt, now, |seat| seat.inbox.clone())?;
        match inbox.try_send(envelope) {
            // One that has ended needs it no more.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(ApiError::new(code::BUSY, "too many messages of this attempt wait to be read"))
            }
        }
    }

    /// Runs `act` on the attempt's seat, made if need be; forgets attempts that ended, or were to begin, long ago.
    fn seat<R>(&self, attempt: Attempt, now: u64, act: impl FnOnce(&mut Seat) -> R) -> Result<R, ApiError> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.retain(|_, seat| {
            let goes_on = seat.waiting.is_none() && !seat.run.has_ended();
            goes_on || now.saturating_sub(seat.since) < ATTEMPT_LIFE
        });
        if attempts.len() >= MAX_ATTEMPTS && !attempts.contains_key(&attempt) {
            // Those that have ended make room, so that nobody is kept out by what is over.
            attempts.retain(|_, seat| !seat.run.has_ended());
        }
        if attempts.len() >= MAX_ATTEMPTS && !attempts.contains_key(&attempt) {
            return Err(ApiError::new(code::BUSY, "too many computations are under way"));
        }
        let seat = attempts.entry(attempt).or_insert_with(|| {
            let (inbox, waiting) = mpsc::channel(MAX_WAITING);
            Seat { inbox, waiting: Some(waiting), run: Arc::default(), since: now }
        });
        Ok(act(seat))
    }

    /// The errand of coordinating a request's computation, and whether it is a new one.
    pub(super) fn errand(&self, request: &Digest) -> (Arc<Run>, bool) {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        match errands.get(request) {
            Some(errand) => (Arc::clone(errand), false),
            None => (Arc::clone(errands.entry(*request).or_default()), true),
        }
    }

    /// The errand under way.
    pub(super) fn known_errand(&self, request: &Digest) -> Option<Arc<Run>> {
        self.errands.lock().unwrap_or_else(PoisonError::into_inner).get(request).cloned()
    }

    /// Forgets an errand, so that the next one who asks begins another.
    pub(super) fn forget(&self, request: &Digest, errand: &Arc<Run>) {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        if errands.get(request).is_some_and(|known| Arc::ptr_eq(known, errand)) {
            errands.remove(request);
        }
    }
}

/// Messages of an attempt that may wait to be read.
const MAX_WAITING: usize = 256;
const ATTEMPT_LIFE: u64 = 10 * 60 * 1000;
const MAX_ATTEMPTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_peers_have_sent_for_is_not_begun() {
        let computations = Computations::default();
        let [request, other] = [1, 2].map(|name| Digest::from([name; 32]));
        let [first, second] = [1, 2].map(|name| (request, Fixed([name; 16])));
        let (_inbox, run) = computations.begin(first, 0).unwrap().unwrap();
        // Somebody else's computation, and one that peers have begun and this party has not.
        let _elsewhere = computations.begin((other, Fixed([3; 16])), 0).unwrap().unwrap();
        let envelope = || Envelope { from: 1, to: 0, body: Secret::new(vec![]) };
        computations.deliver(second, 0, envelope()).unwrap();
        assert_eq!(computations.begun(&request), [first]);
        let _begun = computations.begin(second, 0).unwrap().unwrap();
        assert_eq!(computations.begun(&request).len(), 2);
        run.end(Ok(()));
        assert_eq!(computations.begun(&request), [second]);
    }
}
