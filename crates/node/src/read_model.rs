//! The read model: what the ledger says, in the tables of a SQL database, for people and programs that search.
//!
//! Final blocks that are on disk are folded into rows and written in their order, each batch in one transaction together
//! with the height that it reaches: whatever happens in between, every block is in there once. All of it comes from the ledger and can be
//! made anew from there: on a node that has not all blocks, from the state and the blocks that it has. `docs/spec/read-model.md` is the page.

mod cursor;
mod database;
mod fill;
mod fold;
mod search;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use client::api::{Found, FoundEvent, FoundObject, FoundTransaction};
use client::search::{Events, Objects, Transactions};
use contracts::{Contracts, code};
use crypto::Digest;
use ledger::{Genesis, Header, Kept, Ledger};
use tokio::sync::{Notify, OnceCell, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use wire::Limits;

use self::database::Database;
use self::fill::Filling;
use self::fold::Batch;
use crate::config::{self, NodeConfig};
use crate::problem::ApiError;
use crate::setup::GENESIS_FILE;

/// A node's read model, as the rest of the node sees it.
pub(crate) struct ReadModel {
    place: config::ReadModel,
    directory: PathBuf,
    database: OnceCell<Database>,
    height: watch::Sender<u64>,
    /// Somebody asks, and would rather not wait.
    asked: Notify,
    /// It is being made from the ledger's state, and nobody can search meanwhile.
    is_filling: AtomicBool,
    fault: Mutex<Option<Fault>>,
}

/// Why a model stands still.
#[derive(Clone, Debug)]
struct Fault {
    told: String,
    /// Only a rebuilding helps: what is in it is not to be told.
    is_final: bool,
}

/// How far a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    /// The newest block in it.
    height: u64,
    /// That block's digest.
    block: Digest,
    /// Transactions so far.
    size: u64,
}

impl Position {
    fn of(header: &Header) -> Self {
        Self { height: header.height, block: header.digest(), size: header.log_size }
    }
}

impl ReadModel {
    /// A model that [`ReadModel::run`] will open.
    pub(crate) fn new(place: config::ReadModel, directory: &Path) -> Self {
        Self {
            place,
            directory: directory.to_owned(),
            database: OnceCell::new(),
            height: watch::Sender::new(0),
            asked: Notify::new(),
            is_filling: AtomicBool::new(false),
            fault: Mutex::new(None),
        }
    }

    /// The newest block in it, where there is one: those after it are still needed.
    pub(crate) fn needs(&self) -> Option<u64> {
        self.is_kept().then(|| self.height())
    }

    /// Whether there is to be one.
    pub(crate) fn is_kept(&self) -> bool {
        self.place.database != config::Database::None
    }

    /// The newest block in it.
    pub(crate) fn height(&self) -> u64 {
        *self.height.borrow()
    }

    /// Why it stands still, if it does.
    pub(crate) fn fault(&self) -> Option<String> {
        self.faulty().map(|fault| fault.told)
    }

    fn faulty(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// A page of transactions, as of `height` at best.
    ///
    /// # Errors
    /// `malformed`, `busy`, `unavailable`.
    pub(crate) async fn transactions(
        &self,
        which: &Transactions,
        height: u64,
    ) -> Result<Found<FoundTransaction>, ApiError> {
        self.ready(height).await?.transactions(which).await
    }

    /// A page of events; as [`ReadModel::transactions`].
    pub(crate) async fn events(&self, which: &Events, height: u64) -> Result<Found<FoundEvent>, ApiError> {
        self.ready(height).await?.events(which).await
    }

    /// A page of objects; as [`ReadModel::transactions`].
    pub(crate) async fn objects(&self, which: &Objects, height: u64) -> Result<Found<FoundObject>, ApiError> {
        self.ready(height).await?.objects(which).await
    }

    /// The database, as soon as it has reached `height`, or after a moment.
    async fn ready(&self, height: u64) -> Result<&Database, ApiError> {
        if !self.is_kept() {
            let told = "this node keeps no read model: its operator may set `read_model.database`";
            return Err(ApiError::new(code::UNAVAILABLE, told));
        }
        let behind = height.saturating_sub(self.height());
        if (1..=NEAR).contains(&behind) && self.fault().is_none() {
            self.asked.notify_one();
            // Where it does not get there, the answer says how far it is.
            let _ = timeout(PATIENCE, self.height.subscribe().wait_for(|reached| *reached >= height)).await;
        }
        match (self.faulty(), self.database.get()) {
            (Some(Fault { told, is_final }), database) if is_final || database.is_none() => {
                Err(ApiError::new(code::UNAVAILABLE, format!("the read model cannot be used: {told}")))
            }
            _ if self.is_filling.load(Ordering::Acquire) => {
                let told = "the read model is being made from the ledger's state: search again in a while, or at another member's node";
                Err(ApiError::new(code::UNAVAILABLE, told).with_retry(10))
            }
            // What is in it is right; it is only old, and the answer says so.
            (_, Some(database)) => Ok(database),
            (_, None) => Err(ApiError::new(code::UNAVAILABLE, "the read model is being opened").with_retry(1)),
        }
    }

    /// Has a thread [follow](ReadModel::follow_until) the ledger until `stopping`; done with it. The thread, and those that it starts, have
    /// the lowest priority: they work when nothing else of the machine does, and a model under load is a little old.
    pub(crate) async fn run(
        self: Arc<Self>,
        ledger: Arc<Ledger>,
        heights: watch::Receiver<u64>,
        stopping: CancellationToken,
    ) {
        let (done, ended) = oneshot::channel();
        let started = thread::Builder::new().name("read-model".into()).spawn(move || {
            // Of this thread alone, and of no more importance than its work.
            let _ = rustix::process::nice(LOWEST);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(self.follow_until(ledger, heights, stopping)),
                Err(error) => tracing::error!(%error, "the read model does not run"),
            }
            let _ = done.send(());
        });
        match started {
            Ok(_) => drop(ended.await),
            Err(error) => tracing::error!(%error, "the read model does not run"),
        }
    }

    /// Follows the ledger until `stopping`. Nothing else of the node waits for it: where the database fails, it tries again later;
    /// where only a rebuilding helps, it stands still.
    async fn follow_until(
        self: Arc<Self>,
        ledger: Arc<Ledger>,
        heights: watch::Receiver<u64>,
        stopping: CancellationToken,
    ) {
        if !self.is_kept() {
            return;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.height();
            let followed = tokio::select! {
                followed = self.follow(&ledger, heights.clone()) => followed,
                () = stopping.cancelled() => break,
            };
            let Err(error) = followed else { break };
            if let ReadModelError::Begun { height } = error {
                tracing::info!(from = height, "the read model begins anew, from the ledger's state");
                continue;
            }
            let told = error.to_string();
            self.set_fault(Some(Fault { told: told.clone(), is_final: error.is_final() }));
            if error.is_final() {
                tracing::error!(error = told, "the read model stands still");
                break;
            }
            tracing::warn!(error = told, "the read model stands still; trying again");
            if self.height() > before {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stopping.cancelled() => break,
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
        if let Some(database) = self.database.get() {
            database.close().await;
        }
    }

    /// Goes on from where the model is, for as long as nothing fails.
    async fn follow(&self, ledger: &Arc<Ledger>, mut heights: watch::Receiver<u64>) -> Result<(), ReadModelError> {
        // Opened once: its pools connect anew by themselves.
        let (database, opened) = match self.database.get() {
            Some(database) => (database.clone(), false),
            None => {
                let opened = Database::open(&self.place, &self.directory).await?;
                (opened.ok_or(ReadModelError::Disabled)?, true)
            }
        };
        let begun = async {
            let lacks = Projector::lacks(&database, ledger).await?.is_some();
            self.is_filling.store(lacks, Ordering::Release);
            Projector::begin_resting(database.clone(), ledger.clone(), REST).await
        };
        let begun = begun.await;
        self.is_filling.store(false, Ordering::Release);
        let mut projector = match begun {
            Ok(projector) => projector,
            Err(error) => {
                if opened {
                    database.close().await;
                }
                return Err(error);
            }
        };
        let _ = self.database.set(database);
        let mut spare = Spare::default();
        loop {
            self.height
                .send_if_modified(|height| std::mem::replace(height, projector.at.height) != projector.at.height);
            self.set_fault(None);
            // Before the ledger is looked at: what comes meanwhile wakes this up again.
            let newest = *heights.borrow_and_update();
            let begun = Instant::now();
            if projector.step(ROWS).await? {
                let rest = if projector.is_full { begun.elapsed() * spare.rest() } else { PACE };
                let rest = rest.min(LONGEST);
                tokio::select! {
                    () = sleep(rest) => {}
                    () = self.asked.notified() => sleep(SHORTEST).await,
                }
            } else if newest > projector.at.height {
                // What others ordered is not on this node's disk yet.
                tokio::select! {
                    () = sleep(PACE) => {}
                    () = self.asked.notified() => sleep(SHORTEST).await,
                }
                // Who follows and cosigns nothing has nobody else who forces it there.
                if !projector.is_behind() {
                    let ledger = ledger.clone();
                    let flushed = tokio::task::spawn_blocking(move || ledger.flush());
                    flushed.await.map_err(|_| ReadModelError::Interrupted)??;
                }
            } else if heights.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// What the machine has to spare, since it was last asked.
#[derive(Default)]
struct Spare {
    before: Option<Times>,
}

/// What its processors have done since its start, in its own measure.
#[derive(Clone, Copy)]
struct Times {
    idle: u64,
    all: u64,
}

impl Times {
    /// As Linux tells it; none on other systems.
    fn read() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests had is in the first two.
        let times: Vec<u64> = line.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
        let idle = times.get(3..5)?.iter().sum();
        Some(Self { idle, all: times.iter().sum() })
    }
}

impl Spare {
    /// How much longer than its work a model that is behind rests: its thread's low priority helps only within its own session or service.
    fn rest(&mut self) -> u32 {
        let now = Times::read();
        let before = std::mem::replace(&mut self.before, now);
        let is_busy = before.zip(now).is_some_and(|(before, now)| {
            let (idle, all) = (now.idle.saturating_sub(before.idle), now.all.saturating_sub(before.all));
            all > 0 && idle * 10 < all
        });
        if is_busy { REST_BUSY } else { REST }
    }
}

/// Brings a model up to the ledger, batch by batch.
struct Projector {
    database: Database,
    ledger: Arc<Ledger>,
    at: Position,
    /// The last batch was as large as one may be: more waits.
    is_full: bool,
}

impl Projector {
    /// Looks where the model is; makes its tables where there are none, and fills them where the node lacks blocks that the model does.
    async fn begin(database: Database, ledger: Arc<Ledger>) -> Result<Self, ReadModelError> {
        Self::begin_resting(database, ledger, 0).await
    }

    /// As [`Projector::begin`]; a filling rests so many times what it works.
    async fn begin_resting(database: Database, ledger: Arc<Ledger>, rest: u32) -> Result<Self, ReadModelError> {
        let chain = ledger.chain();
        if let Some(from) = Self::lacks(&database, &ledger).await? {
            return Self::fill(database, ledger, from, (ROWS, rest)).await;
        }
        let at = match database.position(&chain).await? {
            Some(at) => {
                // Where the ledger came out of a backup it may not have that block again yet.
                if ledger.header(at.height)?.is_some_and(|header| header.digest() != at.block) {
                    return Err(ReadModelError::Block { height: at.height });
                }
                at
            }
            None => {
                let header = ledger.header(0)?.ok_or(ReadModelError::Damaged("the ledger's genesis"))?;
                let batch = Batch::genesis(ledger.genesis(), &header);
                let at = batch.to;
                database.found(&chain, batch).await?;
                at
            }
        };
        Ok(Self { database, ledger, at, is_full: false })
    }

    /// From where on the ledger keeps blocks, where the model, or one that would begin with the first block, lacks some before.
    async fn lacks(database: &Database, ledger: &Ledger) -> Result<Option<Kept>, ReadModelError> {
        let at = database.position(&ledger.chain()).await?.map_or(0, |at| at.height);
        let kept = ledger.kept()?;
        Ok((kept.height > at.saturating_add(1)).then_some(kept))
    }

    /// Makes the model from the newest state, and from the blocks from `from` on up to it; nothing of it is there before all is.
    async fn fill(
        database: Database,
        ledger: Arc<Ledger>,
        from: Kept,
        (rows, rest): (usize, u32),
    ) -> Result<Self, ReadModelError> {
        let of = ledger.clone();
        let filling = tokio::task::spawn_blocking(move || Filling::begin(of, from));
        let mut filling = filling.await.map_err(|_| ReadModelError::Interrupted)??;
        let at = filling.at();
        let mut fill = database.fill().await?;
        loop {
            let begun = Instant::now();
            let next = tokio::task::spawn_blocking(move || {
                let batch = filling.next(rows);
                (filling, batch)
            });
            let (left, batch) = next.await.map_err(|_| ReadModelError::Interrupted)?;
            filling = left;
            let Some(batch) = batch? else { break };
            fill.add(batch).await?;
            sleep((begun.elapsed() * rest).min(LONGEST)).await;
        }
        fill.end(&ledger.chain(), &at).await?;
        tracing::info!(height = at.height, from = from.height, "the read model was made from the ledger's state");
        Ok(Self { database, ledger, at, is_full: false })
    }

    /// Whether there are blocks on disk that are not in the model.
    fn is_behind(&self) -> bool {
        self.ledger.durable_height() > self.at.height
    }

    /// Writes the next batch: of whole blocks, as many as give about so many rows. Whether there was one.
    async fn step(&mut self, rows: usize) -> Result<bool, ReadModelError> {
        // A ledger that came out of a backup may have to catch up with the model first.
        if !self.is_behind() {
            return Ok(false);
        }
        let (ledger, from) = (self.ledger.clone(), self.at);
        let batch = tokio::task::spawn_blocking(move || read(&ledger, from, rows));
        let batch = batch.await.map_err(|_| ReadModelError::Interrupted)??;
        let at = batch.to;
        self.is_full = batch.size() >= rows || at.height - from.height == BLOCKS;
        self.database.apply(batch).await?;
        self.at = at;
        Ok(true)
    }
}

/// Whether all blocks after one are there.
fn check_whole(ledger: &Ledger, after: u64) -> Result<(), ReadModelError> {
    match ledger.kept()?.height {
        height if height > after + 1 => Err(ReadModelError::Begun { height }),
        _ => Ok(()),
    }
}

/// The next blocks, as rows.
fn read(ledger: &Ledger, from: Position, rows: usize) -> Result<Batch, ReadModelError> {
    check_whole(ledger, from.height)?;
    let known = ledger.header(from.height)?;
    if known.is_none_or(|header| header.digest() != from.block) {
        return Err(ReadModelError::Block { height: from.height });
    }
    let mut batch = Batch::after(from);
    let last = ledger.durable_height().min(from.height.saturating_add(BLOCKS));
    for height in from.height + 1..=last {
        let header = ledger.header(height)?.ok_or(ReadModelError::Damaged("a block of the ledger"))?;
        batch.add(&header, &ledger.outcomes(height)?);
        if batch.size() >= rows {
            break;
        }
    }
    Ok(batch)
}

/// Drops the read model of a node that does not run, and makes it anew from the ledger: where the node has not all blocks, from the state and those
/// that it has. `told` hears how far it is, and how far it will go. The height that it has reached.
///
/// # Errors
/// [`ReadModelError`]; a ledger that the node has open is [`ReadModelError::Ledger`].
pub async fn rebuild(config: &NodeConfig, mut told: impl FnMut(u64, u64)) -> Result<u64, ReadModelError> {
    let directory = &config.data_dir;
    let genesis = std::fs::read(directory.join(GENESIS_FILE)).map_err(ReadModelError::Files)?;
    let genesis: Genesis =
        wire::from_slice(&genesis, Limits::small()).map_err(|_| ReadModelError::Damaged("the node's genesis"))?;
    let path = directory.join("ledger.redb");
    if !path.exists() {
        return Err(ReadModelError::Damaged("there is no ledger: has the node ever run?"));
    }
    // First, for it is what one process alone may have open.
    let ledger = tokio::task::spawn_blocking(move || Ledger::open(&path, Arc::new(Contracts), genesis));
    let ledger = Arc::new(ledger.await.map_err(|_| ReadModelError::Interrupted)??);
    if config.read_model.database == config::Database::Sqlite {
        database::remove(directory).map_err(ReadModelError::Files)?;
    }
    let database = Database::open(&config.read_model, directory).await?.ok_or(ReadModelError::Disabled)?;
    let made = async {
        database.drop_all().await?;
        let mut projector = Projector::begin(database.clone(), ledger.clone()).await?;
        told(projector.at.height, ledger.durable_height());
        while projector.step(ROWS).await? {
            told(projector.at.height, ledger.durable_height());
        }
        Ok::<_, ReadModelError>(projector.at.height)
    };
    let made = made.await;
    database.close().await;
    made
}

/// Why a read model stands still, or was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadModelError {
    /// The database failed.
    #[error("its database fails: {0}")]
    Database(#[from] sqlx::Error),
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Ledger(#[from] ledger::Error),
    /// The ledger's state cannot be read.
    #[error("the ledger's state cannot be read: {0}")]
    State(#[from] contracts::read::Error),
    /// The node's files cannot be read, or those of the model not be removed.
    #[error("the node's files cannot be used: {0}")]
    Files(#[source] std::io::Error),
    /// The password's file cannot be used.
    #[error("the password's file {path} cannot be used: {source}", path = path.display())]
    Password {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database's URL, or the environment, says what cannot be.
    #[error("`read_model.database`: {0}")]
    Url(String),
    /// The tables are of another version of this program.
    #[error("its tables are of format {found}, not {expected}: stop the node, `sotto node rebuild`")]
    Format {
        /// Found.
        found: i64,
        /// This program's.
        expected: i64,
    },
    /// The tables are another ledger's.
    #[error(
        "its tables are those of the ledger {found}: name another database, or stop the node and `sotto node rebuild`"
    )]
    Chain {
        /// The other chain.
        found: String,
    },
    /// The model has another block than the ledger.
    #[error("its block {height} is not the ledger's: stop the node, `sotto node rebuild`")]
    Block {
        /// The height.
        height: u64,
    },
    /// The node has removed blocks, or skipped them by a snapshot, that the model lacks: it begins anew.
    #[error("this node keeps transactions from block {height} on, and the model lacks some before: it is made anew")]
    Begun {
        /// The first block whose transactions it keeps.
        height: u64,
    },
    /// Somebody else has written to the model meanwhile.
    #[error("another program writes to its tables: give each node a database or a schema of its own")]
    Moved,
    /// Something is not what was written.
    #[error("damaged: {0}; stop the node, `sotto node rebuild`")]
    Damaged(&'static str),
    /// The configuration says that there is to be none.
    #[error("`read_model.database` is `none`")]
    Disabled,
    /// The process is stopping.
    #[error("interrupted")]
    Interrupted,
}

impl ReadModelError {
    /// Whether trying again cannot help.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Format { .. } | Self::Chain { .. } | Self::Block { .. } | Self::Damaged(_))
    }
}

/// Rows of a batch, about: a few megabytes. A block adds at most some thousand more.
const ROWS: usize = 4096;
/// Most blocks of a batch.
const BLOCKS: u64 = 1024;
/// Between two batches where little waits: a database of its own disk's speed commits once in it.
const PACE: Duration = Duration::from_secs(1);
/// While there is much to do: so many times what a batch took is left to the rest of the node, with which it shares the ledger's file and
/// memory.
const REST: u32 = 3;
/// The same where less than a tenth of the machine's time is idle: several nodes may share it, and the ordering comes first.
const REST_BUSY: u32 = 99;
/// Longest rest.
const LONGEST: Duration = Duration::from_secs(30);
/// What a thread's priority is lowered by, to the lowest that there is.
const LOWEST: i32 = 19;
/// Between two batches where somebody asks.
const SHORTEST: Duration = Duration::from_millis(50);
/// How long who asks waits for the newest block, where no more than so many are missing.
const PATIENCE: Duration = Duration::from_secs(2);
const NEAR: u64 = 1024;
/// Until a database that failed is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(60);
