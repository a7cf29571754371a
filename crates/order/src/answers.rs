//! Who waits for the outcome of which transaction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crypto::Digest;
use ledger::{Callback, Committed, Error, Refusal, Unavailable};

/// Callbacks of batches whose outcome is not known yet.
#[derive(Default)]
pub(crate) struct Answers(BTreeMap<Digest, Vec<(Batch, usize)>>);

/// Shared by the transactions of one batch.
#[derive(Clone)]
pub(crate) struct Batch(Arc<Mutex<Open>>);

struct Open {
    results: Vec<Option<Outcome>>,
    left: usize,
    callback: Option<Callback>,
}

type Outcome = Result<Committed, Refusal>;

impl Batch {
    pub(crate) fn new(length: usize, callback: Callback) -> Self {
        let results = (0..length).map(|_| None).collect();
        Self(Arc::new(Mutex::new(Open { results, left: length, callback: Some(callback) })))
    }

    /// Sets a transaction's outcome, once; with the last one the callback is called.
    pub(crate) fn set(&self, at: usize, outcome: Outcome) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { results, left, callback } = &mut *open;
        if results[at].is_none() {
            results[at] = Some(outcome);
            *left -= 1;
        }
        if *left == 0
            && let Some(callback) = callback.take()
        {
            let results = std::mem::take(results).into_iter().flatten().collect();
            drop(open);
            callback(Ok(results));
        }
    }

    fn abandon(&self, why: &Unavailable) {
        let callback = self.0.lock().unwrap_or_else(PoisonError::into_inner).callback.take();
        if let Some(callback) = callback {
            callback(Err(why.clone()));
        }
    }
}

impl Answers {
    /// Has a batch wait for a transaction.
    pub(crate) fn wait(&mut self, id: Digest, batch: &Batch, at: usize) {
        self.0.entry(id).or_default().push((batch.clone(), at));
    }

    /// Whether as many wait for this transaction as may.
    pub(crate) fn crowded(&self, id: &Digest) -> bool {
        self.0.get(id).is_some_and(|waiting| waiting.len() >= MAX_WAITING)
    }

    /// Those who wait for this transaction, no longer waiting.
    pub(crate) fn take(&mut self, id: &Digest) -> Vec<(Batch, usize)> {
        self.0.remove(id).unwrap_or_default()
    }

    /// Nobody will learn anything more.
    pub(crate) fn close(self, error: Error) {
        let why = Unavailable(Arc::new(error));
        for (batch, _) in self.0.into_values().flatten() {
            batch.abandon(&why);
        }
    }
}

/// Submissions of one transaction that are answered with it.
const MAX_WAITING: usize = 64;
