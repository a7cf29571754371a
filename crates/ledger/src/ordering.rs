//! Who decides the order: the trait, and the one-node ordering.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::{Block, Committed, Ledger, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, Refusal, VerifiedTransaction};

/// Brings transactions into the one agreed order.
pub trait Ordering: Send + Sync {
    /// Queues a batch, whose order is kept and whose transactions share a block; `callback` is called once, on another
    /// thread, when it is durable. It must return at once.
    ///
    /// # Errors
    /// [`Submit`]; `callback` is then dropped.
    fn submit(&self, batch: Vec<VerifiedTransaction>, callback: Callback) -> Result<(), Submit>;
}

/// Is told what became of each transaction of a batch, in its order.
pub type Callback = Box<dyn FnOnce(Result<Vec<Result<Committed, Refusal>>, Unavailable>) + Send>;

/// Why a batch was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Submit {
    /// Too many batches wait: try again in a moment.
    #[error("too many transactions wait; try again in a moment")]
    Busy,
    /// More than one block can hold.
    #[error("the batch does not fit in a block")]
    TooLarge,
    /// The ordering has stopped.
    #[error("the ordering has stopped")]
    Stopped,
}

/// The ledger could not commit; its error says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the ledger could not commit: {0}")]
pub struct Unavailable(pub Arc<crate::Error>);

/// One node orders: a thread groups the batches that wait into a block, commits it with one fsync, and answers.
///
/// Dropping it answers the batches already queued, then stops.
pub struct Solo {
    queue: Option<SyncSender<Waiting>>,
    worker: Option<JoinHandle<()>>,
}

struct Waiting {
    batch: Vec<VerifiedTransaction>,
    bytes: usize,
    callback: Callback,
}

impl Solo {
    /// Starts the thread. `clock` gives Unix milliseconds; at most `capacity` batches wait.
    pub fn start(ledger: Arc<Ledger>, clock: Arc<dyn Fn() -> u64 + Send + Sync>, capacity: usize) -> Self {
        Self::start_until(ledger, clock, capacity, |_| false)
    }

    /// As [`Solo::start`]; the first block that is `last` is the last that it orders. Whose batches wait then learns
    /// nothing more of them, and what is submitted later is refused: [`Submit::Stopped`].
    pub fn start_until(
        ledger: Arc<Ledger>,
        clock: Arc<dyn Fn() -> u64 + Send + Sync>,
        capacity: usize,
        last: impl Fn(&Block) -> bool + Send + 'static,
    ) -> Self {
        let (queue, waiting) = sync_channel(capacity);
        let worker = thread::Builder::new()
            .name("ordering".into())
            .spawn(move || run(&ledger, &*clock, &waiting, &last))
            .expect("the operating system provides a thread at start");
        Self { queue: Some(queue), worker: Some(worker) }
    }
}

impl Ordering for Solo {
    fn submit(&self, batch: Vec<VerifiedTransaction>, callback: Callback) -> Result<(), Submit> {
        let bytes = batch.iter().map(VerifiedTransaction::size).sum();
        if batch.len() > MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES {
            return Err(Submit::TooLarge);
        }
        let queue = self.queue.as_ref().expect("the queue closes only on drop");
        queue.try_send(Waiting { batch, bytes, callback }).map_err(|error| match error {
            TrySendError::Full(_) => Submit::Busy,
            TrySendError::Disconnected(_) => Submit::Stopped,
        })
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(worker) = self.worker.take() {
            // A panic of the application has been reported by its thread; there is nothing left to stop.
            let _ = worker.join();
        }
    }
}

/// Least time from one block to the next.
const PACE: Duration = Duration::from_millis(8);

fn run(ledger: &Ledger, clock: &dyn Fn() -> u64, waiting: &Receiver<Waiting>, last: &dyn Fn(&Block) -> bool) {
    let mut next = None;
    let mut begun: Option<Instant> = None;
    while let Some(first) = next.take().or_else(|| waiting.recv().ok()) {
        // Every block is committed by every member: under load fewer, larger ones. After a pause the first is not held up.
        if let Some(rest) = begun.and_then(|begun| PACE.checked_sub(begun.elapsed())) {
            thread::sleep(rest);
        }
        begun = Some(Instant::now());
        let (mut transactions, mut bytes) = (first.batch.len(), first.bytes);
        let mut group = vec![first];
        // Batches that came while the last block was written share this one's fsync.
        while let Ok(another) = waiting.try_recv() {
            transactions += another.batch.len();
            bytes += another.bytes;
            if transactions > MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES {
                next = Some(another);
                break;
            }
            group.push(another);
        }
        let (batches, callbacks): (Vec<_>, Vec<_>) =
            group.into_iter().map(|waiting| (waiting.batch, waiting.callback)).unzip();
        let lengths: Vec<usize> = batches.iter().map(Vec::len).collect();
        match ledger.propose(batches.into_iter().flatten().collect(), clock()) {
            Ok(proposed) => {
                let mut results = proposed.results.into_iter();
                for (callback, length) in callbacks.into_iter().zip(lengths) {
                    callback(Ok(results.by_ref().take(length).collect()));
                }
                if proposed.block.as_ref().is_some_and(last) {
                    return;
                }
            }
            Err(error) => {
                let error = Unavailable(Arc::new(error));
                callbacks.into_iter().for_each(|callback| callback(Err(error.clone())));
            }
        }
    }
}
