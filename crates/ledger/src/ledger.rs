//! The engine: executes, commits, refuses to fork, and answers.

mod answers;
mod commit;
mod copy;
mod load;
mod log;
mod prune;
mod restore;
mod snapshot;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use commit::{Prepared, found, store_block, store_place};
use crypto::Digest;
use crypto::merkle::Frontier;
pub use prune::Kept;
use redb::{Builder, Database, ReadableDatabase, StorageBackend, TableError, TableHandle as _};
pub use restore::Staged;
pub use snapshot::Snapshot;

use crate::execution::Overlay;
use crate::hashes::HASHES;
use crate::memory;
use crate::pending::{Pending, Reading};
use crate::seen::Seen;
use crate::state::Base;
use crate::store::{self, IDS, META, NODES, OLD_IDS, OLD_NODES, OLD_STATE, STATE};
use crate::tree::Tree;
use crate::{
    Application, Block, Committed, ConsortiumError, Context, Epoch, Error, Genesis, Header, Refusal, SignedTransaction,
    VerifiedTransaction, View,
};

/// One chain in one file. All methods take `&self`; one thread writes at a time, readers never wait for it.
pub struct Ledger {
    /// Changes where the ledger begins from a snapshot.
    database: RwLock<Arc<Database>>,
    /// The one before, for those who still read from it.
    retired: Mutex<Option<Arc<Database>>>,
    application: Arc<dyn Application>,
    genesis: Genesis,
    chain: Digest,
    writer: Mutex<Tip>,
    head: RwLock<Header>,
    durable: AtomicU64,
    /// Whether a place was executed, or a cosignature kept, that a crash could lose.
    loose: AtomicBool,
    observers: RwLock<Vec<Observer>>,
    expected: Mutex<HashMap<Digest, VerifiedTransaction>>,
    newest: Mutex<Option<Arc<View>>>,
    /// What is not at its place in the store as of a block, for the newest ones.
    pending: RwLock<VecDeque<(u64, Pending)>>,
    /// Bytes of it that stay in memory.
    room: AtomicUsize,
    seen: RwLock<Seen>,
    /// Blocks before the newest whose states are kept.
    states: AtomicU64,
}

/// Is told the height of each new block, on the thread that committed it: must return at once.
type Observer = Box<dyn Fn(u64) + Send + Sync>;

/// What the next block builds on.
struct Tip {
    header: Header,
    frontier: Frontier,
    epoch: Epoch,
    tree: Tree,
    pending: Pending,
}

impl Tip {
    /// What the next block of a store builds on, checked.
    fn read(database: &Database, application: &dyn Application) -> Result<Self, Error> {
        let read = database.begin_read()?;
        let header = store::newest(&read)?;
        let frontier = store::frontier(&read, header.log_size)?;
        if frontier.root() != header.log_root {
            return Err(Error::Damaged("the log's root is not the newest header's"));
        }
        let pending = Pending::load(&read)?;
        let view = View::new(&Reading { read, pending: pending.clone() })?;
        view.check_root()?;
        let epoch = epoch(application, &view)?;
        Ok(Self { header, frontier, epoch, tree: Tree::default(), pending })
    }
}

/// What [`Ledger::propose`] made of a batch.
#[derive(Debug)]
pub struct Proposed {
    /// The new block; none where every transaction was refused.
    pub block: Option<Block>,
    /// What became of each transaction, in the batch's order.
    pub results: Vec<Result<Committed, Refusal>>,
}

/// A new block's header, if there is one, and what became of each transaction.
struct Made {
    header: Option<Header>,
    results: Vec<Result<Committed, Refusal>>,
}

impl Ledger {
    /// Opens the ledger in a file, or founds it there. A file left by a crash opens at its last durable block.
    ///
    /// # Errors
    /// [`Error::OtherChain`] when the file holds another chain, [`Error::Damaged`] when its newest block does not fit its
    /// log and state, [`Error::Application`] or [`Error::Epoch`] when the application refuses the genesis, and
    /// [`Error::Store`].
    pub fn open(path: &Path, application: Arc<dyn Application>, genesis: Genesis) -> Result<Self, Error> {
        if !path.exists() {
            // A crash while the store is laid out leaves a file that no one can open: it gets its name when it is whole.
            let mut draft = path.as_os_str().to_owned();
            draft.push(".founding");
            if Path::new(&draft).exists() {
                fs::remove_file(&draft)?;
            }
            drop(Self::start(Builder::new().create(&draft)?, application.clone(), genesis.clone())?);
            fs::rename(&draft, path)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(parent)?.sync_all()?;
        }
        Self::start(Builder::new().set_cache_size(memory::pages()).open(path)?, application, genesis)
    }

    /// [`Ledger::open`] over any storage, empty or founded. A crash while it is being founded may leave it neither.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_backend(
        backend: impl StorageBackend,
        application: Arc<dyn Application>,
        genesis: Genesis,
    ) -> Result<Self, Error> {
        Self::start(Builder::new().set_cache_size(memory::pages()).create_with_backend(backend)?, application, genesis)
    }

    fn start(database: Database, application: Arc<dyn Application>, genesis: Genesis) -> Result<Self, Error> {
        let chain = genesis.chain();
        let read = database.begin_read()?;
        match read.open_table(META) {
            Err(TableError::TableDoesNotExist(_)) => found(&database, &*application, &genesis)?,
            Err(source) => return Err(source.into()),
            Ok(_) => {
                let found = store::genesis(&read)?.chain();
                if found != chain {
                    return Err(Error::OtherChain { found, expected: chain });
                }
                // A process killed while it waited for the disk leaves blocks that are read, but not yet safe.
                let write = store::begin(&database, true)?;
                for table in read.list_tables()? {
                    match table.name() {
                        name if name == OLD_IDS.name() => write.rename_table(OLD_IDS, IDS)?,
                        name if name == OLD_STATE.name() => write.rename_table(OLD_STATE, STATE)?,
                        name if name == OLD_NODES.name() => write.rename_table(OLD_NODES, NODES)?,
                        _ => {}
                    }
                }
                write.open_table(HASHES)?;
                write.commit()?;
            }
        }
        let tip = Tip::read(&database, &*application)?;
        let header = tip.header.clone();
        let pending = RwLock::new(VecDeque::from([(header.height, tip.pending.clone())]));
        let ledger = Self {
            database: RwLock::new(Arc::new(database)),
            retired: Mutex::default(),
            application,
            genesis,
            chain,
            durable: AtomicU64::new(header.height),
            loose: AtomicBool::new(false),
            writer: Mutex::new(tip),
            observers: RwLock::default(),
            expected: Mutex::default(),
            newest: Mutex::default(),
            pending,
            seen: RwLock::new(Seen::after(header.height, header.time)),
            head: RwLock::new(header),
            room: AtomicUsize::new(memory::changes()),
            states: AtomicU64::new(HISTORY),
        };
        // Those of an earlier version, and those that a crash has kept from being made.
        ledger.show_ends()?;
        Ok(ledger)
    }

    fn database(&self) -> Arc<Database> {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the states of so many blocks before the newest, at most [`HISTORY`], from the next block on.
    pub fn keep_states(&self, blocks: u64) {
        self.states.store(blocks.min(HISTORY), Ordering::Release);
    }

    /// Keeps changes of at most about so many bytes beside their places in the store, from the next block on; 64 to 128 MiB unless this is called.
    /// The more there are, the fewer pages of the store a block writes. With the rows that they are in, some of which nobody needs any more,
    /// they take up to three times as much memory; rows of twice as much are read when the ledger is opened.
    pub fn keep_changes(&self, bytes: usize) {
        self.room.store(bytes, Ordering::Release);
    }

    /// The store after its newest block, and what is not at its place there.
    fn reading(&self) -> Result<Reading, Error> {
        loop {
            let read = self.database().begin_read()?;
            let height = store::height(&read)?;
            let pendings = self.pending.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, pending)) = pendings.iter().rfind(|(of, _)| *of == height) {
                return Ok(Reading { read, pending: pending.clone() });
            }
            // Two blocks came meanwhile, or another database.
        }
    }

    fn seen(&self) -> RwLockReadGuard<'_, Seen> {
        self.seen.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells readers what is pending after a block, before they can see it.
    fn publish(&self, height: u64, pending: &Pending) {
        let mut pendings = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        pendings.retain(|(of, _)| *of != height);
        pendings.push_back((height, pending.clone()));
        if pendings.len() > READABLE {
            pendings.pop_front();
        }
    }

    /// Makes the next block from a batch, in its order, and commits it durably. Its time is `now` (Unix milliseconds),
    /// or the previous block's where the clock stands behind it.
    ///
    /// # Errors
    /// [`Error::BlockSize`], [`Error::Application`], [`Error::Store`]: nothing was committed.
    pub fn propose(&self, batch: Vec<VerifiedTransaction>, now: u64) -> Result<Proposed, Error> {
        let Made { header, results } = self.make(batch, now, None, true)?;
        let committed = results.iter().flatten().map(|committed| committed.transaction.clone());
        let block = header.map(|header| Block { header, transactions: committed.collect() });
        Ok(Proposed { block, results })
    }

    /// Makes the next block from what others and this node have agreed on: a batch that stands at `place` in their order,
    /// with the agreed `time`. The same batches at the same places give the same blocks on every node, since expiry and
    /// replays are judged by the time and the log alone. Where every transaction is refused no block is made. Returns what
    /// became of each transaction, in the batch's order.
    ///
    /// With `durable` false a crash may lose what was executed, and all after it, until [`Ledger::flush`]; it is then to be
    /// executed again. [`Ledger::executed`] tells how far this ledger is.
    ///
    /// # Errors
    /// [`Error::Place`] where this place or a later one was executed, [`Error::BlockSize`], [`Error::Application`],
    /// [`Error::Store`]: nothing was committed.
    pub fn execute(
        &self,
        batch: Vec<VerifiedTransaction>,
        time: u64,
        place: u64,
        durable: bool,
    ) -> Result<Vec<Result<Committed, Refusal>>, Error> {
        Ok(self.make(batch, time, Some(place), durable)?.results)
    }

    fn make(
        &self,
        batch: Vec<VerifiedTransaction>,
        time: u64,
        place: Option<u64>,
        durable: bool,
    ) -> Result<Made, Error> {
        check_size(&batch)?;
        let mut tip = self.lock();
        let time = time.max(tip.header.time);
        let mut accepted = Vec::new();
        let mut refusals = Vec::new();
        let reading = self.reading()?;
        if let Some(found) = place
            && let Some(newest) = store::executed(&reading.read)?.filter(|newest| *newest >= found)
        {
            return Err(Error::Place { found, newest });
        }
        let mut replays = Replays::new(&reading, self.seen())?;
        for transaction in batch {
            match transaction.check_expiry(time).and(replays.check(&transaction)?) {
                Ok(()) => {
                    refusals.push(None);
                    accepted.push(transaction);
                }
                Err(refusal) => refusals.push(Some(refusal)),
            }
        }
        drop(replays);
        drop(reading);
        let mut committed = Vec::new().into_iter();
        let mut header = None;
        if !accepted.is_empty() {
            let prepared = Prepared { place, ..self.prepare(&mut tip, time, accepted)? };
            let late = prepared.header.height - self.durable_height() >= MAX_UNFLUSHED;
            header = Some(prepared.header.clone());
            committed = self.commit(&mut tip, prepared, durable || late)?.into_iter();
        } else if let Some(place) = place {
            store_place(&self.database(), place, durable)?;
        }
        if place.is_some() && !durable {
            self.loose.store(true, Ordering::Release);
        }
        drop(tip);
        let results = refusals.into_iter().map(|refusal| match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(committed.next().expect("every accepted transaction was committed")),
        });
        let results = results.collect();
        self.announce(header.as_ref());
        Ok(Made { header, results })
    }

    /// Checks a block made elsewhere, executes it and commits it: every signature is verified and every header field
    /// must be what executing gives. A block that is already here is accepted again; another at its height never.
    ///
    /// With `durable` false the block is not yet forced to disk: a crash may lose it, and with it those after it, until
    /// [`Ledger::flush`]. `now` in Unix milliseconds.
    ///
    /// # Errors
    /// [`Error::Gap`], [`Error::Fork`], [`Error::Diverged`], [`Error::Time`], [`Error::Refused`], [`Error::BlockSize`]: the
    /// block is wrong; [`Error::Application`], [`Error::Store`]: this node is. Nothing was committed.
    pub fn apply(&self, block: &Block, now: u64, durable: bool) -> Result<(), Error> {
        let header = &block.header;
        let height = header.height;
        let mut tip = self.lock();
        if height <= tip.header.height {
            let kept = self.header(height)?.ok_or(Error::UnknownBlock(height))?.digest();
            let found = header.digest();
            return if found == kept { Ok(()) } else { Err(Error::Fork { height, found, kept }) };
        }
        if height != tip.header.height + 1 {
            return Err(Error::Gap { found: height, head: tip.header.height });
        }
        let diverged = |field| Error::Diverged { height, field };
        if header.chain != self.chain {
            return Err(diverged("chain"));
        }
        if header.previous != tip.header.digest() {
            return Err(diverged("previous"));
        }
        let (earliest, latest) = (tip.header.time, now.saturating_add(MAX_SKEW).max(tip.header.time));
        if !(earliest..=latest).contains(&header.time) {
            return Err(Error::Time { height, found: header.time, earliest, latest });
        }
        let transactions = self.check_block(block)?;
        let prepared = self.prepare(&mut tip, header.time, transactions)?;
        let fields = [
            ("log size", prepared.header.log_size == header.log_size),
            ("log root", prepared.header.log_root == header.log_root),
            ("state root", prepared.header.state_root == header.state_root),
            ("epoch", prepared.header.epoch == header.epoch),
            ("header", prepared.header == *header),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, same)| !same) {
            return Err(diverged(field));
        }
        let late = height - self.durable_height() >= MAX_UNFLUSHED;
        self.commit(&mut tip, prepared, durable || late)?;
        drop(tip);
        self.announce(Some(&block.header));
        Ok(())
    }

    /// Keeps transactions that are on their way to whoever orders: in the block that brings them to
    /// [`Ledger::apply`] their signatures are not verified a second time.
    pub fn expect(&self, transactions: &[VerifiedTransaction]) {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if expected.len() + transactions.len() > MAX_EXPECTED {
            // Those that never came; any other is merely verified again.
            expected.clear();
        }
        expected.extend(transactions.iter().map(|transaction| (transaction.id(), transaction.clone())));
    }

    /// Forces every committed block to disk, and every cosignature.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn flush(&self) -> Result<(), Error> {
        let tip = self.lock();
        // Before: what is written meanwhile, and maybe not by this, says so again.
        let loose = self.loose.swap(false, Ordering::AcqRel);
        if self.durable_height() < tip.header.height || loose {
            let forced = store::begin(&self.database(), true).and_then(|write| Ok(write.commit()?));
            if forced.is_err() {
                self.loose.fetch_or(loose, Ordering::AcqRel);
            }
            forced?;
            self.durable.store(tip.header.height, Ordering::Release);
        }
        Ok(())
    }

    /// The newest block that no crash can lose.
    pub fn durable_height(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Has `observer` told the height of each new block, on the thread that committed it: it must return at once.
    pub fn observe(&self, observer: impl Fn(u64) + Send + Sync + 'static) {
        self.observers.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(observer));
    }

    /// What the chain was founded on.
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The chain.
    pub const fn chain(&self) -> Digest {
        self.chain
    }

    /// The newest block's header.
    pub fn head(&self) -> Header {
        self.head.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tip> {
        // The tip changes only after a commit, in one assignment, but that its tree may not be at hand: a panic elsewhere leaves it whole.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce(&self, header: Option<&Header>) {
        if let Some(header) = header {
            let observers = self.observers.read().unwrap_or_else(PoisonError::into_inner);
            observers.iter().for_each(|observer| observer(header.height));
        }
    }

    /// Signatures, expiry and replays of a block made elsewhere.
    fn check_block(&self, block: &Block) -> Result<Vec<VerifiedTransaction>, Error> {
        let Header { height, time, .. } = block.header;
        if block.transactions.len() > MAX_BLOCK_TRANSACTIONS {
            return Err(Error::BlockSize { transactions: block.transactions.len(), bytes: 0 });
        }
        let mut transactions = Vec::with_capacity(block.transactions.len());
        let reading = self.reading()?;
        let mut replays = Replays::new(&reading, self.seen())?;
        for (position, result) in self.verify(&block.transactions).into_iter().enumerate() {
            let refused = |source| Error::Refused { height, position, source };
            let transaction = result.map_err(refused)?;
            transaction.check_expiry(time).map_err(refused)?;
            replays.check(&transaction)?.map_err(refused)?;
            transactions.push(transaction);
        }
        if transactions.is_empty() {
            return Err(Error::BlockSize { transactions: 0, bytes: 0 });
        }
        check_size(&transactions)?;
        Ok(transactions)
    }

    /// Verifies a block's transactions, except those that this node verified before it sent them on.
    fn verify(&self, transactions: &[SignedTransaction]) -> Vec<Result<VerifiedTransaction, Refusal>> {
        let mut known = Vec::with_capacity(transactions.len());
        let mut unknown = Vec::new();
        {
            let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            for transaction in transactions {
                // The identity does not cover the signature: both must be the ones verified.
                let same = match expected.is_empty() {
                    true => None,
                    false => expected.remove(&transaction.id()).filter(|known| known.signed() == transaction),
                };
                if same.is_none() {
                    unknown.push(transaction.clone());
                }
                known.push(same);
            }
        }
        let mut verified = VerifiedTransaction::verify_all(unknown, &self.chain).into_iter();
        let results = known.into_iter().map(|known| match known {
            Some(known) => Ok(known),
            None => verified.next().expect("every unknown transaction was verified"),
        });
        results.collect()
    }

    /// Executes the next block without storing anything. The tree goes with it: until it is stored, none is at hand.
    fn prepare(&self, tip: &mut Tip, time: u64, transactions: Vec<VerifiedTransaction>) -> Result<Prepared, Error> {
        let view = self.view()?;
        let base = Base::new(&view, std::mem::take(&mut tip.tree));
        let height = tip.header.height + 1;
        let mut overlay = Overlay::new(&base);
        let mut frontier = tip.frontier.clone();
        let mut subtrees = Vec::new();
        let mut entries = Vec::new();
        let begins = Context { chain: self.chain, height, time, position: 0 };
        let mut due = overlay.begin(&*self.application, &begins).map_err(Error::Application)?;
        for (transaction, position) in transactions.into_iter().zip(0..) {
            let context = Context { position, ..begins };
            let mut outcome = overlay.run(&*self.application, &context, &transaction).map_err(Error::Application)?;
            // What the ledger did by itself is told with the first transaction.
            outcome.events.append(&mut due);
            let (id, transaction) = (transaction.id(), transaction.into_signed());
            let entry = Committed { index: frontier.size(), height, position, transaction, outcome };
            frontier.push(entry.leaf_of(id), |level, index, digest| subtrees.push((level, index, digest)));
            entries.push((id, entry));
        }
        let epoch = epoch(&*self.application, &overlay)?;
        if epoch != tip.epoch && epoch.number <= tip.epoch.number {
            return Err(Error::Epoch(ConsortiumError::Order { what: "epochs", found: epoch.number }));
        }
        let changes = overlay.into_changes();
        let changes = base.compare(changes)?;
        let (tree, state_root, nodes) = base.grow(&changes)?;
        let header = Header {
            chain: self.chain,
            height,
            previous: tip.header.digest(),
            time,
            log_size: frontier.size(),
            log_root: frontier.root(),
            state_root,
            epoch: tip.epoch.number,
        };
        let (ids, entries) = entries.into_iter().unzip();
        let turns = epoch != tip.epoch;
        Ok(Prepared { header, ids, entries, changes, tree, nodes, subtrees, frontier, epoch, turns, place: None })
    }

    fn commit(&self, tip: &mut Tip, prepared: Prepared, durable: bool) -> Result<Vec<Committed>, Error> {
        let forget = || *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // Before, so that a snapshot that nobody uses keeps no page from being reused; after, because it is not the newest.
        forget();
        let height = prepared.header.height;
        let mut pending = tip.pending.clone();
        let row = Arc::new(prepared.row());
        pending.add(height, &row)?;
        let changed = prepared.changes.len() + prepared.ids.len();
        let taken = pending.take(height, changed, self.room.load(Ordering::Acquire));
        self.seen.write().unwrap_or_else(PoisonError::into_inner).add(prepared.header.time, &prepared.ids);
        self.publish(height, &pending);
        let states = self.states.load(Ordering::Acquire);
        store_block(&self.database(), &prepared, (&row, &taken), None, (durable, states))?;
        forget();
        let Prepared { header, entries, frontier, epoch, tree, turns, .. } = prepared;
        if durable {
            self.durable.store(header.height, Ordering::Release);
        }
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = header.clone();
        *tip = Tip { header, frontier, epoch, tree, pending };
        if turns && let Err(error) = self.show_ends() {
            // The block stands all the same; what is missing is made at the next change, or when the ledger is opened again.
            debug_assert!(false, "{error}");
        }
        Ok(entries)
    }
}

/// Finds transactions that are already on the ledger or stand twice in a batch.
struct Replays<'a> {
    ids: redb::ReadOnlyTable<&'static [u8; 32], u64>,
    pending: &'a Pending,
    seen: RwLockReadGuard<'a, Seen>,
    batch: HashSet<Digest>,
}

impl<'a> Replays<'a> {
    fn new(Reading { read, pending }: &'a Reading, seen: RwLockReadGuard<'a, Seen>) -> Result<Self, Error> {
        Ok(Self { ids: read.open_table(IDS)?, pending, seen, batch: HashSet::new() })
    }

    fn check(&mut self, transaction: &VerifiedTransaction) -> Result<Result<(), Refusal>, Error> {
        let id = transaction.id();
        let known = self.seen.may_hold(&id, transaction.transaction().expires)
            && (self.pending.index(&id).is_some() || self.ids.get(id.as_bytes())?.is_some());
        let fresh = !known && self.batch.insert(id);
        Ok(if fresh { Ok(()) } else { Err(Refusal::Replayed { id }) })
    }
}

fn epoch(application: &dyn Application, state: &dyn crate::State) -> Result<Epoch, Error> {
    let epoch = application.epoch(state).map_err(Error::Application)?;
    epoch.check().map_err(Error::Epoch)?;
    Ok(epoch)
}

fn check_size(transactions: &[VerifiedTransaction]) -> Result<(), Error> {
    let bytes = transactions.iter().map(VerifiedTransaction::size).sum();
    if transactions.len() > MAX_BLOCK_TRANSACTIONS || bytes > MAX_BLOCK_BYTES {
        return Err(Error::BlockSize { transactions: transactions.len(), bytes });
    }
    Ok(())
}

/// States of this many blocks before the newest can still be read and proven, unless fewer are asked for.
pub const HISTORY: u64 = 10_000;

/// Transactions of this long before the newest block, by block time, are never pruned: two hours, in milliseconds.
pub const RECALL: u64 = 2 * crate::EXPIRY_WINDOW;

/// Most transactions of a block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 1_000;

/// Most bytes of a block's transactions: 8 MiB.
pub const MAX_BLOCK_BYTES: usize = 8 << 20;

/// A block's time may be this far ahead of the clock of the node that applies it: ten seconds, in milliseconds.
pub const MAX_SKEW: u64 = 10_000;

/// Most transactions that [`Ledger::expect`] keeps.
const MAX_EXPECTED: usize = 256;

/// Most blocks that a crash could lose where nobody forces them to disk before.
const MAX_UNFLUSHED: u64 = 256;

/// What is pending after so many of the newest blocks can be read.
const READABLE: usize = 4;
