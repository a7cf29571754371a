//! The tables, and reading single things from them.

use crypto::{Digest, merkle::Frontier};
use redb::{Database, Durability, ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};

use crate::hashes::Hashes;
use crate::snapshot::Shown;
use crate::{Committed, Epoch, Error, Genesis, Header, Kept};

/// `genesis` → its CBOR; the following, where they are there → eight bytes, big-endian.
pub(crate) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// The newest place that was executed.
pub(crate) const EXECUTED: &str = "executed";
/// The first height from which on all headers are there: before it those of epochs' last blocks alone.
pub(crate) const BASE: &str = "base";
/// The oldest height whose state is kept, where that is not [`crate::HISTORY`] before the newest.
pub(crate) const OLDEST: &str = "oldest";
/// The block of the snapshot that this ledger began from.
pub(crate) const BEGAN: &str = "began";
/// The first height whose transactions are kept.
pub(crate) const KEPT: &str = "kept";
/// Height → header.
pub(crate) const HEADERS: TableDefinition<u64, &[u8]> = TableDefinition::new("headers");
/// Leaf index → [`Committed::to_bytes`].
pub(crate) const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
/// Transaction id → leaf index, but for those in [`RECENT`].
pub(crate) const IDS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("identities");
/// Key → value, newest state, in order, but for what is in [`RECENT`].
pub(crate) const STATE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
/// (Height, part) → part of what the block adds to [`IDS`] and [`STATE`] ([`crate::pending`]); those there are came later than what is there.
pub(crate) const RECENT: TableDefinition<(u64, u32), &[u8]> = TableDefinition::new("recent");
/// What [`IDS`] was called when all identities were in it. An older program must not take the rest for all.
pub(crate) const OLD_IDS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("ids");
/// What [`STATE`] was called when all records were in it.
pub(crate) const OLD_STATE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("state");
/// State tree: version ‖ nibbles → node ([`crate::node::Row`]).
pub(crate) const NODES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("tree_nodes");
/// What [`NODES`] was called when all inner nodes in it had the library's form, which an older program takes the others for.
pub(crate) const OLD_NODES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("nodes");
/// (Height, key) → the value that this block replaced. By height first, so that a block's are written side by side.
pub(crate) const PAST: TableDefinition<(u64, &[u8]), Option<&[u8]>> = TableDefinition::new("past");
/// Height → keys of [`NODES`] that are no longer needed for states from this height on; one record, since they are
/// written at every block and read once.
pub(crate) const STALE: TableDefinition<u64, &[u8]> = TableDefinition::new("stale");
/// Number → epoch.
pub(crate) const EPOCHS: TableDefinition<u64, &[u8]> = TableDefinition::new("epochs");
/// Place in an order made elsewhere → height of the block that was made from it. See [`crate::Ledger::execute`].
pub(crate) const PLACES: TableDefinition<u64, u64> = TableDefinition::new("places");
/// (Height, validator) → cosignature.
pub(crate) const COSIGNATURES: TableDefinition<(u64, &str), &[u8]> = TableDefinition::new("cosignatures");
/// Number of an epoch that is over → its CBOR [`Ended`].
pub(crate) const HANDOVERS: TableDefinition<u64, &[u8]> = TableDefinition::new("handovers");
/// Log size → height, where a quorum cosigned.
pub(crate) const COSIGNED: TableDefinition<u64, u64> = TableDefinition::new("cosigned");

/// Begins to write what is on disk when it is committed, with all before it, or not before the next that is. After a crash the file is opened
/// at the last one that is at once, however large it is: each keeps which pages are free, which else is found by reading all of them.
pub(crate) fn begin(database: &Database, durable: bool) -> Result<WriteTransaction, Error> {
    let mut write = database.begin_write()?;
    write.set_durability(if durable { Durability::Immediate } else { Durability::None })?;
    write.set_quick_repair(durable);
    Ok(write)
}

pub(crate) fn genesis(read: &ReadTransaction) -> Result<Genesis, Error> {
    let table = read.open_table(META)?;
    let bytes = table.get("genesis")?.ok_or(Error::Damaged("no genesis"))?;
    decode(bytes.value())
}

pub(crate) fn newest(read: &ReadTransaction) -> Result<Header, Error> {
    let table = read.open_table(HEADERS)?;
    let (_, bytes) = table.last()?.ok_or(Error::Damaged("no header"))?;
    decode(bytes.value())
}

/// The newest block's height.
pub(crate) fn height(read: &ReadTransaction) -> Result<u64, Error> {
    let table = read.open_table(HEADERS)?;
    Ok(table.last()?.ok_or(Error::Damaged("no header"))?.0.value())
}

pub(crate) fn header(read: &ReadTransaction, height: u64) -> Result<Option<Header>, Error> {
    read.open_table(HEADERS)?.get(height)?.map(|bytes| decode(bytes.value())).transpose()
}

/// The newest place that was executed.
pub(crate) fn executed(read: &ReadTransaction) -> Result<Option<u64>, Error> {
    number(read, EXECUTED)
}

/// A number of [`META`].
pub(crate) fn number(read: &ReadTransaction, name: &str) -> Result<Option<u64>, Error> {
    let table = read.open_table(META)?;
    let Some(bytes) = table.get(name)? else { return Ok(None) };
    let bytes = bytes.value().try_into().map_err(|_| Error::Damaged("a number"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// The first height whose transactions are kept, and the first of these.
pub(crate) fn kept(read: &ReadTransaction) -> Result<Kept, Error> {
    let height = number(read, KEPT)?.unwrap_or(0);
    let Some(before) = height.checked_sub(1) else { return Ok(Kept::default()) };
    let index = header(read, before)?.ok_or(Error::Damaged("a missing header"))?.log_size;
    Ok(Kept { height, index })
}

/// How an epoch ended.
#[derive(Clone, Debug, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub(crate) struct Ended {
    /// Its last block.
    #[n(0)]
    pub(crate) height: u64,
    /// What the state after it says of the validators.
    #[n(1)]
    pub(crate) shown: Vec<Shown>,
}

/// The last block that was made from a place up to `place`: its place and height.
pub(crate) fn place(read: &ReadTransaction, place: u64) -> Result<Option<(u64, u64)>, Error> {
    match read.open_table(PLACES) {
        Ok(table) => {
            let last = table.range(..=place)?.next_back().transpose()?;
            Ok(last.map(|(place, height)| (place.value(), height.value())))
        }
        // Nothing was ever executed here.
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(source) => Err(source.into()),
    }
}

/// The leaf of a transaction that is at its place.
pub(crate) fn index(read: &ReadTransaction, id: &Digest) -> Result<Option<u64>, Error> {
    Ok(read.open_table(IDS)?.get(id.as_bytes())?.map(|index| index.value()))
}

pub(crate) fn entries(read: &ReadTransaction, from: u64, to: u64) -> Result<Vec<Committed>, Error> {
    let table = read.open_table(ENTRIES)?;
    let mut entries = Vec::new();
    for item in table.range(from..to)? {
        let (index, bytes) = item?;
        let entry = Committed::from_bytes(index.value(), bytes.value()).map_err(|_| Error::Damaged("an entry"))?;
        entries.push(entry);
    }
    Ok(entries)
}

pub(crate) fn epoch(read: &ReadTransaction, number: u64) -> Result<Option<Epoch>, Error> {
    read.open_table(EPOCHS)?.get(number)?.map(|bytes| decode(bytes.value())).transpose()
}

/// A reader of complete subtrees, as [`crypto::merkle`] wants it.
pub(crate) fn subtrees(read: &ReadTransaction) -> Result<impl FnMut(u32, u64) -> Result<Digest, Error>, Error> {
    let hashes = Hashes::new(read)?;
    Ok(move |level, index| {
        let level = u8::try_from(level).expect("a tree of u64 leaves has at most 64 levels");
        hashes.get(level, index)?.ok_or(Error::Damaged("a missing subtree"))
    })
}

pub(crate) fn frontier(read: &ReadTransaction, size: u64) -> Result<Frontier, Error> {
    Frontier::load(size, subtrees(read)?)
}

/// Our own bytes, which were canonical when they were written.
pub(crate) fn decode<T: for<'b> minicbor::Decode<'b, ()>>(bytes: &[u8]) -> Result<T, Error> {
    minicbor::decode(bytes).map_err(|_| Error::Damaged("a record"))
}
