//! Stores a block: all of it or nothing.

use std::ops::Bound::Unbounded;

use crypto::{Digest, merkle, merkle::Frontier};
use redb::{Database, ReadableTable as _};
use wire::Bytes;

use super::{HISTORY, epoch};
use crate::execution::{Empty, Overlay};
use crate::hashes;
use crate::node::Row;
use crate::pending::{self, PIECE, Taken};
use crate::state::Change;
use crate::store::{
    self, COSIGNATURES, COSIGNED, ENTRIES, EPOCHS, EXECUTED, HANDOVERS, HEADERS, IDS, META, NODES, OLDEST, PAST,
    PLACES, RECENT, STALE, STATE, decode,
};
use crate::tree::{Source, Tree, Written};
use crate::{Application, Committed, Epoch, Error, Genesis, Header};

/// A block that was executed and not yet stored.
pub(super) struct Prepared {
    pub(super) header: Header,
    pub(super) ids: Vec<Digest>,
    pub(super) entries: Vec<Committed>,
    pub(super) changes: Vec<Change>,
    pub(super) tree: Tree,
    pub(super) nodes: Written,
    pub(super) subtrees: Vec<(u32, u64, Digest)>,
    pub(super) frontier: Frontier,
    /// In force from the next block on.
    pub(super) epoch: Epoch,
    /// Whether it is another than this block's.
    pub(super) turns: bool,
    /// Where its transactions stood in an order made elsewhere.
    pub(super) place: Option<u64>,
}

impl Prepared {
    /// What it changes, as it is stored and kept in memory.
    pub(super) fn row(&self) -> Vec<u8> {
        pending::encode(&self.changes, &self.ids, self.entries.first().map_or(0, |entry| entry.index))
    }
}

/// Before the genesis no node is stored.
struct Nothing;

impl Source for Nothing {
    fn row(&self, _: u64, _: &[u8]) -> Result<Row, Error> {
        Err(Error::Damaged("nothing is stored"))
    }
}

/// Stores the genesis.
pub(super) fn found(database: &Database, application: &dyn Application, genesis: &Genesis) -> Result<(), Error> {
    let writes = application.genesis(&genesis.application).map_err(Error::Application)?;
    let mut overlay = Overlay::new(&Empty);
    overlay.write(writes);
    let epoch = epoch(application, &overlay)?;
    let changes = overlay.into_changes().0.into_iter().map(|(key, new)| Change { key, old: None, new });
    let changes: Vec<_> = changes.filter(|change| change.new.is_some()).collect();
    let mut tree = Tree::default();
    let (state_root, nodes) = tree.grow(&changes, 0, &Nothing)?;
    let chain = genesis.chain();
    let header = Header {
        chain,
        height: 0,
        previous: chain,
        time: genesis.created,
        log_size: 0,
        log_root: merkle::empty(),
        state_root,
        epoch: epoch.number,
    };
    let frontier = Frontier::default();
    let (ids, entries, subtrees) = (vec![], vec![], vec![]);
    let prepared =
        Prepared { header, ids, entries, changes, tree, nodes, subtrees, frontier, epoch, turns: true, place: None };
    store_block(database, &prepared, (&prepared.row(), &Taken::default()), Some(genesis), (true, HISTORY))
}

/// Stores a block in one transaction with what it takes to its place, all of it or nothing, and keeps so many states before it.
pub(super) fn store_block(
    database: &Database,
    block: &Prepared,
    (row, taken): (&[u8], &Taken),
    genesis: Option<&Genesis>,
    (durable, states): (bool, u64),
) -> Result<(), Error> {
    let height = block.header.height;
    let write = store::begin(database, durable)?;
    if let Some(genesis) = genesis {
        write.open_table(META)?.insert("genesis", wire::to_vec(genesis).as_slice())?;
        // Readers open every table; it must exist from the start.
        write.open_table(COSIGNATURES)?;
        write.open_table(COSIGNED)?;
        write.open_table(HANDOVERS)?;
        write.open_table(IDS)?;
        write.open_table(STATE)?;
    }
    {
        write.open_table(HEADERS)?.insert(height, wire::to_vec(&block.header).as_slice())?;
        if let Some(place) = block.place {
            write.open_table(PLACES)?.insert(place, height)?;
            write.open_table(META)?.insert(EXECUTED, place.to_be_bytes().as_slice())?;
        }
        if block.turns {
            write.open_table(EPOCHS)?.insert(block.epoch.number, wire::to_vec(&block.epoch).as_slice())?;
        }
        // What comes after all that a table has, in the order of its keys, is appended: of a large block whole pages, each of them filled.
        let mut entries = write.open_table(ENTRIES)?;
        let mut end = entries.upper_bound_mut(Unbounded::<u64>)?;
        for entry in &block.entries {
            end.insert_before(entry.index, entry.to_bytes().as_slice())?;
        }
        end.close()?;
        let mut recent = write.open_table(RECENT)?;
        let mut end = recent.upper_bound_mut(Unbounded::<(u64, u32)>)?;
        for (part, at) in row.chunks(PIECE).zip(0..) {
            end.insert_before((height, at), part)?;
        }
        end.close()?;
        if let Some(through) = taken.through {
            recent.retain_in(..(through + 1, 0), |_, _| false)?;
        }
        let (mut ids, mut state) = (write.open_table(IDS)?, write.open_table(STATE)?);
        for (id, index) in &taken.ids {
            ids.insert(id, index)?;
        }
        for record in &taken.records {
            match record.value() {
                Some(value) => state.insert(record.key(), value)?,
                None => state.remove(record.key())?,
            };
        }
        hashes::store(&write, &block.subtrees)?;
        let mut past = write.open_table(PAST)?;
        if height > 0 {
            let mut end = past.upper_bound_mut(Unbounded::<(u64, &[u8])>)?;
            for Change { key, old, .. } in &block.changes {
                end.insert_before((height, key.as_slice()), old.as_deref())?;
            }
            end.close()?;
        }
        let (mut nodes, mut stales) = (write.open_table(NODES)?, write.open_table(STALE)?);
        let mut end = nodes.upper_bound_mut(Unbounded::<&[u8]>)?;
        for (place, node) in block.nodes.nodes() {
            end.insert_before(place, node)?;
        }
        end.close()?;
        // All of them are stale since this very block.
        stales.insert(height, wire::to_vec(&block.nodes.stale).as_slice())?;
        // States before `oldest` are no longer kept: what was needed only for them goes.
        if let Some(oldest) = height.checked_sub(states) {
            if states != HISTORY {
                let mut meta = write.open_table(META)?;
                let before =
                    meta.get(OLDEST)?.and_then(|bytes| Some(u64::from_be_bytes(bytes.value().try_into().ok()?)));
                if before.is_none_or(|before| before < oldest) {
                    meta.insert(OLDEST, oldest.to_be_bytes().as_slice())?;
                }
            }
            for item in stales.extract_from_if(..=oldest, |_, _| true)? {
                for key in decode::<Vec<Bytes>>(item?.1.value())? {
                    nodes.remove(&*key)?;
                }
            }
            past.retain_in(..(oldest + 1, [].as_slice()), |_, _| false)?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Stores that a place was executed from which no block was made.
pub(super) fn store_place(database: &Database, place: u64, durable: bool) -> Result<(), Error> {
    let write = store::begin(database, durable)?;
    write.open_table(META)?.insert(EXECUTED, place.to_be_bytes().as_slice())?;
    write.commit()?;
    Ok(())
}
