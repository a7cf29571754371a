//! Where transactions come in and outcomes go out: the pool, the ledger and those who wait, under one roof.
//!
//! No network, no clock, no tasks: what time it is and what was agreed on comes in as arguments.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crypto::Digest;
use ledger::{
    Callback, Committed, Ledger, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, Refusal, SignedTransaction, Submit,
    VerifiedTransaction,
};
use tokio::sync::{mpsc, watch};

use crate::answers::{Answers, Batch};
use crate::committee::Committee;
use crate::error::{Fault, StartError};
use crate::pool::{Full, Pool, PoolLimits, Room};
use crate::slate::{Claims, Slate};

/// Where an ordering begins, and where it ends.
#[derive(Clone)]
pub(crate) struct Term {
    /// The ledger block after which it begins.
    pub(crate) base: u64,
    /// Whether the block just made of these transactions is its last.
    pub(crate) last: Last,
}

/// Is asked with the transactions of each block, once the ledger has it, whether the ordering passes to others with it. The answer
/// follows from the ledger alone, so that all validators give the same.
pub type Last = Arc<dyn Fn(&[SignedTransaction]) -> bool + Send + Sync>;

/// One node's part in an ordering.
pub(crate) struct Docket {
    ledger: Arc<Ledger>,
    committee: Committee,
    own: usize,
    term: Term,
    /// Its last block is made: slates that follow are not executed.
    over: AtomicBool,
    /// The same, once that block is on disk and answered, and nothing more is taken in.
    ended: watch::Sender<bool>,
    pool: Mutex<Pool>,
    answers: Mutex<Answers>,
    /// Counts arrivals, for those who wait for something to order.
    arrivals: watch::Sender<u64>,
    /// The newest slate whose block is on disk.
    executed: watch::Sender<u64>,
    /// Bundles on their way to the other validators.
    outbound: mpsc::UnboundedSender<Vec<SignedTransaction>>,
    fault: watch::Sender<Option<Fault>>,
    closed: AtomicBool,
    /// Slate time at which the pool was last swept.
    swept: Mutex<u64>,
    /// Is shown each final slate before it is executed.
    #[cfg(test)]
    pub(crate) watcher: std::sync::OnceLock<Watcher>,
}

#[cfg(test)]
type Watcher = Box<dyn Fn(&Slate) + Send + Sync>;

/// What executing a slate gave, to be told once it is on disk.
pub(crate) struct Outcomes {
    height: u64,
    time: u64,
    ids: Vec<Digest>,
    results: Vec<Result<Committed, Refusal>>,
}

/// A validator sent transactions that no honest one passes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it passed on a transaction that is not valid: {0}")]
pub(crate) struct Forged(pub(crate) Refusal);

/// Bundles to pass on.
pub(crate) type Outbound = mpsc::UnboundedReceiver<Vec<SignedTransaction>>;

impl Docket {
    /// For the validator at place `own`.
    pub(crate) fn new(
        ledger: Arc<Ledger>,
        committee: Committee,
        own: usize,
        term: Term,
        limits: PoolLimits,
    ) -> Result<(Arc<Self>, Outbound), StartError> {
        let (executed, expected) = begun(&ledger, committee.epoch(), term.base)?;
        let found = ledger.head().height;
        if found != expected {
            return Err(StartError::Base { found, expected });
        }
        // It was over when this node went down.
        let newest = if found > term.base { ledger.blocks(found, 1)? } else { vec![] };
        let over = newest.iter().any(|block| (term.last)(&block.transactions));
        let (outbound, passing) = mpsc::unbounded_channel();
        let pool = Pool::new(committee.validators().len(), own, limits);
        let docket = Self {
            ledger,
            committee,
            own,
            term,
            over: AtomicBool::new(over),
            ended: watch::Sender::new(over),
            pool: Mutex::new(pool),
            answers: Mutex::default(),
            arrivals: watch::Sender::new(0),
            executed: watch::Sender::new(executed),
            outbound,
            fault: watch::Sender::new(None),
            closed: AtomicBool::new(over),
            swept: Mutex::new(0),
            #[cfg(test)]
            watcher: Default::default(),
        };
        Ok((Arc::new(docket), passing))
    }

    pub(crate) fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Slate 0, on which all agree without being told.
    pub(crate) fn genesis(&self) -> Result<Slate, ledger::Error> {
        let base = self.term.base;
        let header = self.ledger.header(base)?.ok_or(ledger::Error::UnknownBlock(base))?;
        let claims = Claims {
            chain: self.ledger.chain(),
            epoch: self.committee.epoch(),
            height: 0,
            parent: Digest::from([0; 32]),
            time: header.time,
            executed: 0,
            executed_header: header.digest(),
        };
        Ok(Slate::new(claims, vec![]))
    }

    /// As [`ledger::Ordering::submit`]; `now` in Unix milliseconds.
    pub(crate) fn submit(&self, batch: Vec<VerifiedTransaction>, callback: Callback, now: u64) -> Result<(), Submit> {
        let bytes: usize = batch.iter().map(VerifiedTransaction::size).sum();
        if batch.len() > MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES {
            return Err(Submit::TooLarge);
        }
        if batch.is_empty() {
            callback(Ok(vec![]));
            return Ok(());
        }
        let mut seen = HashSet::new();
        let (mut fresh, mut refused) = (Vec::new(), Vec::new());
        for (at, transaction) in batch.iter().enumerate() {
            let id = transaction.id();
            let replayed = if seen.insert(id) { Ok(()) } else { Err(Refusal::Replayed { id }) };
            match transaction.check_expiry(now).and(replayed) {
                Ok(()) => fresh.push((at, transaction.clone())),
                Err(refusal) => refused.push((at, refusal)),
            }
        }
        let waiting = Batch::new(batch.len(), callback);
        let passing: Vec<VerifiedTransaction> = fresh.iter().map(|(_, transaction)| transaction.clone()).collect();
        {
            let mut answers = self.answers();
            // Under the answers' lock: once this is seen, nobody closes them before it is written there.
            if self.closed.load(SeqCst) {
                return Err(Submit::Stopped);
            }
            // Who submits one transaction again and again takes no room in the pool, but some here.
            if passing.iter().any(|transaction| answers.crowded(&transaction.id())) {
                return Err(Submit::Busy);
            }
            self.pool().insert(self.own, passing.clone()).map_err(|Full| Submit::Busy)?;
            for (at, transaction) in &fresh {
                answers.wait(transaction.id(), &waiting, *at);
            }
        }
        refused.into_iter().for_each(|(at, refusal)| waiting.set(at, Err(refusal)));
        if !passing.is_empty() {
            let signed = passing.iter().map(|transaction| transaction.signed().clone()).collect();
            // Nobody takes them only when the ordering stops, which closes the answers.
            let _ = self.outbound.send(signed);
            self.arrivals.send_modify(|count| *count += 1);
        }
        // After they are written down: what is executed from here on finds them.
        self.settle_known(&passing.iter().map(named).collect::<Vec<_>>());
        Ok(())
    }

    /// The number of the next bundle that comes in ([`Docket::waiting`]).
    pub(crate) fn next(&self) -> u64 {
        self.pool().next()
    }

    /// What was submitted here and still waits, as [`Pool::waiting`].
    pub(crate) fn waiting(&self, numbers: Range<u64>, most: usize) -> (Vec<Vec<SignedTransaction>>, u64) {
        self.pool().waiting(numbers, most)
    }

    /// Transactions among these that this node does not have yet, waiting or ordered.
    pub(crate) fn unknown(&self, bundle: Vec<SignedTransaction>) -> Vec<SignedTransaction> {
        let named = |signed: &SignedTransaction| (signed.id(), signed.transaction.expires);
        let named: Vec<(Digest, u64)> = bundle.iter().map(named).collect();
        let Ok(known) = self.ledger.known(&named) else { return vec![] };
        let pool = self.pool();
        let fresh = bundle.into_iter().zip(named).zip(known);
        fresh.filter(|((_, (id, _)), known)| !known && !pool.holds(id)).map(|((signed, _), _)| signed).collect()
    }

    /// Checks and keeps bundles that the validator at `origin` passed on. `now` in Unix milliseconds.
    pub(crate) fn take(&self, origin: usize, page: Vec<Vec<SignedTransaction>>, now: u64) -> Result<(), Forged> {
        let chain = self.committee.chain();
        let before = self.ledger.head().height;
        let page: Vec<Vec<SignedTransaction>> = page.into_iter().map(|bundle| self.unknown(bundle)).collect();
        let lengths: Vec<usize> = page.iter().map(Vec::len).collect();
        let mut verified = VerifiedTransaction::verify_all(page.into_iter().flatten().collect(), &chain).into_iter();
        let mut ids = Vec::new();
        for length in lengths {
            let bundle = verified.by_ref().take(length).collect::<Result<Vec<_>, _>>().map_err(Forged)?;
            // Clocks differ: what is merely too early or too late is nobody's offence.
            let timely: Vec<_> =
                bundle.into_iter().filter(|transaction| transaction.check_expiry(now).is_ok()).collect();
            ids.extend(timely.iter().map(named));
            // A flood ends here; its sender proposes it itself, or not.
            let _ = self.pool().insert(origin, timely);
        }
        // Those that were on the ledger were left out; those that came onto it meanwhile came with a block.
        if self.ledger.head().height != before {
            self.settle_known(&ids);
        }
        if !ids.is_empty() {
            self.arrivals.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Whatever was executed and is on disk while it came in waits no longer.
    fn settle_known(&self, named: &[(Digest, u64)]) {
        let Ok(known) = self.ledger.known(named) else { return };
        let known: Vec<Digest> = named.iter().zip(known).filter_map(|((id, _), known)| known.then_some(*id)).collect();
        if known.is_empty() {
            return;
        }
        let durable = self.ledger.durable_height();
        for id in &known {
            // One that is not on disk yet is answered when it is, by who executes it.
            let safe = match self.ledger.committed(id) {
                Ok(committed) => committed.is_some_and(|committed| committed.height <= durable),
                // It is older than what is kept.
                Err(error) => matches!(error, ledger::Error::Gone { .. }),
            };
            if safe {
                let waiting = self.answers().take(id);
                waiting.into_iter().for_each(|(batch, at)| batch.set(at, Err(Refusal::Replayed { id: *id })));
            }
        }
        self.pool().settle(&known);
    }

    /// What to put on a slate of this time, leaving out what is `ordered` already.
    pub(crate) fn pick(&self, time: u64, ordered: &HashSet<Digest>) -> Vec<VerifiedTransaction> {
        let room = Room { transactions: MAX_BLOCK_TRANSACTIONS, bytes: MAX_BLOCK_BYTES };
        self.pool().pick(room, time, ordered)
    }

    pub(crate) fn arrivals(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// Checks a slate's transactions: signatures (only of those not checked before), expiry, no id twice.
    pub(crate) fn check(&self, slate: &Slate) -> Result<(), Refusal> {
        let time = slate.header().time;
        let mut seen = HashSet::new();
        let mut check = |transaction: &VerifiedTransaction| {
            let id = transaction.id();
            transaction.check_expiry(time)?;
            if seen.insert(id) { Ok(()) } else { Err(Refusal::Replayed { id }) }
        };
        if let Some(verified) = slate.verified() {
            return verified.iter().try_for_each(check);
        }
        let mut found = Vec::with_capacity(slate.transactions().len());
        let mut rest = Vec::new();
        {
            let ids: Vec<Digest> = slate.transactions().iter().map(SignedTransaction::id).collect();
            let pool = self.pool();
            for (signed, id) in slate.transactions().iter().zip(ids) {
                let known = pool.verified(&id, signed);
                if known.is_none() {
                    rest.push(signed.clone());
                }
                found.push(known);
            }
        }
        let mut rest = VerifiedTransaction::verify_all(rest, &self.committee.chain()).into_iter();
        let verified = found
            .into_iter()
            .map(|found| found.map_or_else(|| rest.next().expect("every unknown one was verified"), Ok))
            .collect::<Result<Vec<_>, _>>()?;
        verified.iter().try_for_each(&mut check)?;
        slate.keep(verified);
        Ok(())
    }

    /// The digest of the ledger's newest header once the slates up to `height` are executed, which must be so.
    pub(crate) fn header_after(&self, height: u64) -> Result<Digest, ledger::Error> {
        let block = last_block(&self.ledger, self.committee.epoch(), self.term.base, height)?;
        Ok(self.ledger.header(block)?.ok_or(ledger::Error::UnknownBlock(block))?.digest())
    }

    /// Executes the next final slate; nothing where it was executed before. It is not on disk yet.
    pub(crate) fn execute(&self, slate: &Slate) -> Result<Option<Outcomes>, Fault> {
        let header = slate.header();
        let (height, time) = (header.height, header.time);
        #[cfg(test)]
        if let Some(watcher) = self.watcher.get() {
            watcher(slate);
        }
        let epoch = self.committee.epoch();
        let (executed, _) = begun(&self.ledger, epoch, self.term.base)?;
        // What was agreed on after the last block is nobody's order: the next validators' begins with that block.
        if height <= executed || self.over.load(SeqCst) {
            return Ok(None);
        }
        if height != executed + 1 {
            return Err(Fault::Gap { found: height, executed });
        }
        let found = self.header_after(header.executed)?;
        if header.executed > executed || header.executed_header != found {
            let (executed, stated) = (header.executed, header.executed_header);
            return Err(Fault::Diverged { height, executed, stated, found });
        }
        self.check(slate).map_err(|source| Fault::Invalid { height, source })?;
        let verified = slate.verified().expect("a slate that was checked holds the proof");
        let ids = verified.iter().map(VerifiedTransaction::id).collect();
        let results = self.ledger.execute(verified.to_vec(), time, place(epoch, height), false)?;
        if results.iter().any(Result::is_ok) && (self.term.last)(slate.transactions()) {
            self.over.store(true, SeqCst);
        }
        Ok(Some(Outcomes { height, time, ids, results }))
    }

    /// Forces what was executed to disk, then tells those who wait.
    pub(crate) fn conclude(&self, all: Vec<Outcomes>) -> Result<(), Fault> {
        let Some((height, time)) = all.last().map(|last| (last.height, last.time)) else { return Ok(()) };
        self.ledger.flush()?;
        for Outcomes { ids, results, .. } in all {
            self.pool().settle(&ids);
            for (id, result) in ids.into_iter().zip(results) {
                // One that an earlier slate held was answered with it.
                let waiting = self.answers().take(&id);
                waiting.into_iter().for_each(|(batch, at)| batch.set(at, result.clone()));
            }
        }
        self.executed.send_replace(height);
        self.sweep(time);
        if self.over.load(SeqCst) {
            self.close();
            self.ended.send_replace(true);
        }
        Ok(())
    }

    /// Once the chain's time has reached a transaction's expiry no slate can hold it any more.
    fn sweep(&self, time: u64) {
        {
            let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
            if time < swept.saturating_add(SWEEP) {
                return;
            }
            *swept = time;
        }
        let expired = self.pool().expire(time);
        for (id, expires) in expired {
            let waiting = self.answers().take(&id);
            waiting.into_iter().for_each(|(batch, at)| batch.set(at, Err(Refusal::Expired { expires, time })));
        }
    }

    /// The newest slate whose block is on disk.
    pub(crate) fn executed(&self) -> u64 {
        *self.executed.borrow()
    }

    /// Waits until the slates up to `height` are executed; false when the ordering stops.
    pub(crate) async fn wait_for(&self, height: u64) -> bool {
        self.executed.subscribe().wait_for(|executed| *executed >= height).await.is_ok()
    }

    /// Transactions that wait, and their bytes.
    pub(crate) fn load(&self) -> (usize, usize) {
        self.pool().load()
    }

    /// The number of the oldest bundle in the pool.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.pool().oldest()
    }

    /// This validator's place.
    pub(crate) const fn own(&self) -> usize {
        self.own
    }

    /// Whether its last block is made, on disk and answered.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    pub(crate) fn fault(&self) -> watch::Receiver<Option<Fault>> {
        self.fault.subscribe()
    }

    /// Stops for good.
    pub(crate) fn fail(&self, fault: Fault) {
        tracing::error!(%fault, "the ordering stops");
        self.close();
        self.fault.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(fault);
            }
            first
        });
    }

    /// Takes nothing more in, and tells those who wait that they will learn nothing more.
    pub(crate) fn close(&self) {
        let abandoned = {
            let mut answers = self.answers();
            self.closed.store(true, SeqCst);
            std::mem::take(&mut *answers)
        };
        abandoned.close(ledger::Error::Stopped);
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        // A panic in the pool's code would leave counts wrong, not transactions.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As [`Ledger::known`] asks for it.
fn named(transaction: &VerifiedTransaction) -> (Digest, u64) {
    (transaction.id(), transaction.transaction().expires)
}

/// How far the ledger has executed the slates of an epoch's validators, whose ordering began after block `base`: the newest slate's
/// height, and the newest block that they made.
///
/// # Errors
/// The ledger cannot be read.
fn begun(ledger: &Ledger, epoch: u64, base: u64) -> Result<(u64, u64), ledger::Error> {
    let executed =
        ledger.executed()?.filter(|newest| newest >> HEIGHT_BITS == epoch).map_or(0, |newest| newest & HEIGHTS);
    Ok((executed, last_block(ledger, epoch, base, executed)?))
}

/// The newest block of the slates of an epoch up to a height; `base` where they made none.
fn last_block(ledger: &Ledger, epoch: u64, base: u64, height: u64) -> Result<u64, ledger::Error> {
    let found = ledger.place(place(epoch, height))?.filter(|(place, _)| place >> HEIGHT_BITS == epoch);
    Ok(found.map_or(base, |(_, block)| block))
}

/// The epoch whose slates made a ledger's newest block, where that is `base`, with which the ordering has passed on: its number, and the
/// block after which it began. None where there are later blocks, or the newest came from others.
///
/// A node that starts with such a ledger takes part in that epoch once more: it may be the only one that has the block.
///
/// # Errors
/// Where the ledger cannot be read.
pub fn passed(ledger: &Ledger, base: u64) -> Result<Option<(u64, u64)>, ledger::Error> {
    let Some(newest) = ledger.executed()? else { return Ok(None) };
    let (epoch, mut until) = (newest >> HEIGHT_BITS, newest & HEIGHTS);
    let block = |height| last_block(ledger, epoch, 0, height);
    if ledger.head().height != base || block(until)? != base {
        return Ok(None);
    }
    // The first slate that made a block; slate 0 made none.
    let mut from = 0;
    while until - from > 1 {
        let middle = from.midpoint(until);
        match block(middle)? {
            0 => from = middle,
            _ => until = middle,
        }
    }
    Ok(Some((epoch, block(until)? - 1)))
}

/// A slate's place in the whole order, of which the ledger keeps track: by epoch, then by height.
fn place(epoch: u64, height: u64) -> u64 {
    epoch << HEIGHT_BITS | height & HEIGHTS
}

/// A thousand slates in a second reach it in 34 years, and epochs, of which a consortium has at most 1,024, are numbered in what is left.
const HEIGHT_BITS: u32 = 40;
const HEIGHTS: u64 = (1 << HEIGHT_BITS) - 1;

/// Least slate time between two sweeps of the pool, in milliseconds.
const SWEEP: u64 = 1_000;
