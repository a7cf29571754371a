//! What runs on the ledger: deterministic, bounded, and unknown to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crypto::Digest;

use crate::{Epoch, Event, VerifiedTransaction};

/// A deterministic state machine. Two runs over the same state and transaction give the same bytes on any machine: no
/// clock but [`Context::time`], no randomness, no iteration over unordered maps.
pub trait Application: Send + Sync {
    /// The first state, from [`crate::Genesis::application`].
    ///
    /// # Errors
    /// Any [`Failure`] refuses the genesis.
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure>;

    /// Runs one transaction. `state` shows what the transactions before it wrote.
    ///
    /// # Errors
    /// A [`Failure`] with a code refuses the transaction: the code is recorded, nothing is written. A fatal one stops
    /// the block.
    fn execute(
        &self,
        state: &dyn State,
        context: &Context,
        transaction: &VerifiedTransaction,
    ) -> Result<Effects, Failure>;

    /// The next piece of work that is due when a block begins, before its first transaction; none where nothing is. Asked again with
    /// its effects in the state, [`Limits::due`] times a block at most; so the effects must take the piece off whatever list it is on.
    /// The events are recorded with the first transaction's, after its own. The position in `context` is 0. `used` is what the
    /// pieces before it in the block have used, in the application's own measure, and takes up what this one uses; it is counted apart from
    /// what transactions use.
    ///
    /// # Errors
    /// A fatal [`Failure`] stops the block. Any other ends this block's work and changes nothing, and so does a piece beyond
    /// the bounds: the same would come again, so an application that means to go on refuses nothing here.
    fn due(&self, state: &dyn State, context: &Context, used: &mut u64) -> Result<Option<Effects>, Failure> {
        let _ = (state, context, used);
        Ok(None)
    }

    /// As [`Application::execute`], for an application that bounds what a block's transactions use together. `used` is what those before
    /// it in the block have used, in the application's own measure, refused ones among them, and takes up what this one uses, refused or
    /// not. Every block begins with 0, whoever executes it and however often; nothing of it is stored. [`Application::execute`] runs a
    /// transaction as if it stood alone in its block.
    ///
    /// # Errors
    /// Those of [`Application::execute`].
    fn execute_within(
        &self,
        state: &dyn State,
        context: &Context,
        transaction: &VerifiedTransaction,
        used: &mut u64,
    ) -> Result<Effects, Failure> {
        let _ = used;
        self.execute(state, context, transaction)
    }

    /// The validators in force in this state: names and keys well-formed and distinct ([`crate::Validator`]), a greater
    /// number with every change. Anything else stops the block, so that `execute` must refuse what would lead there.
    ///
    /// # Errors
    /// Any [`Failure`] stops the block.
    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure>;
}

/// The world state as of one moment: an ordered map of byte strings.
pub trait State {
    /// The value under a key.
    ///
    /// # Errors
    /// [`Unreadable`] when the store fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable>;

    /// Whether there is a value under a key: the cheapest way to ask where one is to be written if not.
    ///
    /// # Errors
    /// [`Unreadable`] when the store fails.
    fn holds(&self, key: &[u8]) -> Result<bool, Unreadable> {
        Ok(self.get(key)?.is_some())
    }

    /// At most `limit` pairs whose keys start with `prefix` and come after `after` (a whole key), in order of keys.
    ///
    /// # Errors
    /// [`Unreadable`] when the store fails.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable>;
}

impl<S: State + ?Sized> State for std::sync::Arc<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        (**self).get(key)
    }

    fn holds(&self, key: &[u8]) -> Result<bool, Unreadable> {
        (**self).holds(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        (**self).scan(prefix, after, limit)
    }
}

/// A state in memory.
impl State for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        let under = self.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded));
        let under = under.take_while(|(key, _)| key.starts_with(prefix));
        let wanted = under.filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after)).take(limit);
        Ok(wanted.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The block around a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The chain.
    pub chain: Digest,
    /// The block's height.
    pub height: u64,
    /// The block's time, Unix milliseconds.
    pub time: u64,
    /// The transaction's place in the block.
    pub position: u32,
}

/// What a transaction that succeeded changes and reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes of the state; of two to one key the later counts.
    pub writes: Vec<Write>,
    /// Reports, bound into the log.
    pub events: Vec<Event>,
}

/// One change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: Vec<u8>,
    /// The new value; `None` removes the key.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// Sets a value.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: Some(value.into()) }
    }

    /// Removes a key.
    pub fn remove(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: None }
    }
}

/// Why an application did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Failure {
    /// Stable and machine-readable, recorded on the ledger: 1–64 bytes.
    pub code: Cow<'static, str>,
    /// For people; not recorded.
    pub message: String,
    /// The node cannot go on (its store failed): nothing is recorded.
    pub fatal: bool,
}

impl Failure {
    /// A refusal with a stable code.
    pub fn refuse(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), fatal: false }
    }
}

impl From<Unreadable> for Failure {
    fn from(source: Unreadable) -> Self {
        Self { code: "unreadable".into(), message: source.to_string(), fatal: true }
    }
}

/// The store failed to read the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state cannot be read: {0}")]
pub struct Unreadable(pub String);

/// What one transaction may do at most; more is refused with the code `effects_too_large`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Writes.
    pub writes: usize,
    /// Bytes of a key; keys are never empty.
    pub key: usize,
    /// Bytes of all keys and values together.
    pub write_bytes: usize,
    /// Events.
    pub events: usize,
    /// Bytes of all events' names and data together.
    pub event_bytes: usize,
    /// Bytes of a code.
    pub code: usize,
    /// Pieces of work that are done when a block begins; all of them together report `events` events at most.
    pub due: usize,
    /// Bytes of those events' names and data together.
    pub due_event_bytes: usize,
}

impl Limits {
    /// The limits of this version of the ledger: part of what validators agree on.
    pub const V1: Self = Self {
        writes: 1024,
        key: 256,
        write_bytes: 1 << 20,
        events: 64,
        event_bytes: 256 * 1024,
        code: 64,
        due: 16,
        due_event_bytes: 64 * 1024,
    };
}
