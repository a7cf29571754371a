//! What the newest blocks changed, before it is at its places in the store.
//!
//! Identities and records come in no order. A block that put each of them at its place would change a page of the store for each, once
//! a ledger is large. So it writes all of them side by side ([`RECENT`]), and they stay in memory, sorted. When they are more
//! than there is room for, each block takes some of them to their places, in the order of their keys: those that share a page are
//! there at the same time. Who reads looks here first.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::mem;
use std::ops::Bound::{self, Included, Unbounded};
use std::sync::Arc;

use crypto::Digest;
use imbl::OrdMap;
use minicbor::data::Type;
use minicbor::encode::Write as _;
use minicbor::{Decoder, Encoder};
use redb::{ReadTransaction, ReadableTable, TableError};

use crate::Error;
use crate::state::Change;
use crate::store::{self, ENTRIES, RECENT};

/// Changes that are not at their places yet. A clone is a snapshot, and costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Pending {
    ids: OrdMap<[u8; 32], u64>,
    /// With what each weighs.
    records: OrdMap<Record, usize>,
    /// What both weigh.
    bytes: usize,
    /// Bytes of the rows that are in the store, by their heights: a record holds all of its own.
    rows: OrdMap<u64, usize>,
    held: usize,
    next: Next,
    /// The block after which the pass over all keys began: what this one and those before it changed is at its place when it is over.
    began: u64,
}

/// A record as the newest block that changed it has it: a part of its row.
#[derive(Clone)]
pub(crate) struct Record {
    row: Arc<Vec<u8>>,
    key: Part,
    /// None where it is removed.
    value: Option<Part>,
}

/// Where it begins and ends.
type Part = (u32, u32);

impl Record {
    pub(crate) fn key(&self) -> &[u8] {
        &self.row[self.key.0 as usize..self.key.1 as usize]
    }

    /// None where it is removed.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.value.map(|(from, to)| &self.row[from as usize..to as usize])
    }

    fn weight(&self) -> usize {
        self.key().len() + self.value().map_or(0, <[u8]>::len) + WEIGHT
    }
}

impl Borrow<[u8]> for Record {
    fn borrow(&self) -> &[u8] {
        self.key()
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Record {}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

/// Where a pass over all keys goes on: at this one or the next that there is.
#[derive(Clone)]
enum Next {
    Id([u8; 32]),
    Record(Vec<u8>),
}

impl Default for Next {
    fn default() -> Self {
        Self::Id([0; 32])
    }
}

/// What a block takes to its place.
#[derive(Default)]
pub(crate) struct Taken {
    /// In order.
    pub(crate) records: Vec<Record>,
    /// In order.
    pub(crate) ids: Vec<([u8; 32], u64)>,
    /// A pass is over: what this block and those before it changed is at its place with this.
    pub(crate) through: Option<u64>,
}

impl Pending {
    /// What the store has of it.
    pub(crate) fn load(read: &ReadTransaction) -> Result<Self, Error> {
        let mut pending = Self { began: store::newest(read)?.height, ..Self::default() };
        let table = match read.open_table(RECENT) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(pending),
            table => table?,
        };
        let (kept, entries) = (store::kept(read)?, read.open_table(ENTRIES)?);
        let mut row = Vec::new();
        let mut rows = table.iter()?.peekable();
        while let Some(item) = rows.next() {
            let (place, part) = item?;
            row.extend_from_slice(part.value());
            let (height, _) = place.value();
            if let Some(Ok((next, _))) = rows.peek()
                && next.value().0 == height
            {
                continue;
            }
            let row = Arc::new(mem::take(&mut row));
            pending.hold(height, row.len());
            let (first, ids, records) = decode(&row).map_err(|_| Error::Damaged("a block's changes"))?;
            for (id, index) in ids.iter().zip(first..) {
                // Those that were pruned since are not to come back.
                if index >= kept.index || entries.get(index)?.is_some() {
                    pending.set_id(*id, index);
                }
            }
            records.into_iter().for_each(|record| pending.set(record));
        }
        Ok(pending)
    }

    /// Adds what the next block changed: its [row](encode).
    pub(crate) fn add(&mut self, height: u64, row: &Arc<Vec<u8>>) -> Result<(), Error> {
        self.hold(height, row.len());
        let (first, ids, records) = decode(row).map_err(|_| Error::Damaged("a block's changes"))?;
        ids.iter().zip(first..).for_each(|(id, index)| self.set_id(*id, index));
        records.into_iter().for_each(|record| self.set(record));
        Ok(())
    }

    fn hold(&mut self, height: u64, bytes: usize) {
        self.held += bytes;
        self.rows.insert(height, bytes);
    }

    /// Lets go of rows all of which is at its place.
    fn release(&mut self, through: u64) {
        while let Some((height, bytes)) = self.rows.get_min().copied().filter(|(height, _)| *height <= through) {
            self.rows.remove(&height);
            self.held -= bytes;
        }
    }

    fn set(&mut self, record: Record) {
        let weight = record.weight();
        let before = self.records.insert(record, weight).unwrap_or(0);
        self.bytes = self.bytes + weight - before;
    }

    fn set_id(&mut self, id: [u8; 32], index: u64) {
        if self.ids.insert(id, index).is_none() {
            self.bytes += ID_WEIGHT;
        }
    }

    /// Takes out what there is no `room` for, in bytes, after the block at `height` was added; also where little is pending of
    /// many rows, since each stays while anything of it is. No more than some times as much as the block has, so that no block takes long.
    pub(crate) fn take(&mut self, height: u64, changes: usize, room: usize) -> Taken {
        let most = LEAST + 2 * changes + self.rows.get(&height).map_or(0, |bytes| bytes / LIGHT);
        let mut taken = Taken::default();
        while taken.ids.len() + taken.records.len() < most && self.bytes > 0 {
            let left = most - taken.ids.len() - taken.records.len();
            let mut over = self.bytes.saturating_sub(room);
            if self.held > ROWS * room {
                over = self.bytes;
            }
            if over == 0 {
                break;
            }
            match self.next.clone() {
                Next::Id(from) => {
                    let over = over.div_ceil(ID_WEIGHT).min(left);
                    let found: Vec<_> = self.ids.range(from..).take(over).map(|(id, index)| (*id, *index)).collect();
                    self.bytes -= found.len() * ID_WEIGHT;
                    for (id, _) in &found {
                        self.ids.remove(id);
                    }
                    // Whatever has this very place was taken.
                    let end = self.ids.range(from..).next().map(|(id, _)| Next::Id(*id));
                    self.next = end.unwrap_or_else(|| Next::Record(vec![]));
                    taken.ids.extend(found);
                }
                Next::Record(from) => {
                    let mut found = Vec::new();
                    for (record, weight) in
                        self.records.range::<_, [u8]>((Included(from.as_slice()), Unbounded)).take(left)
                    {
                        if over == 0 {
                            break;
                        }
                        over = over.saturating_sub(*weight);
                        found.push(record.clone());
                    }
                    for record in &found {
                        self.bytes -= self.records.remove(record.key()).unwrap_or(0);
                    }
                    let end = self.records.range::<_, [u8]>((Included(from.as_slice()), Unbounded)).next();
                    let end = end.map(|(record, _)| Next::Record(record.key().to_vec()));
                    if end.is_none() {
                        let through = mem::replace(&mut self.began, height);
                        self.release(through);
                        taken.through = Some(through);
                    }
                    self.next = end.unwrap_or_default();
                    taken.records.extend(found);
                }
            }
        }
        taken
    }

    /// Forgets a transaction that was pruned.
    pub(crate) fn forget(&mut self, id: &Digest) {
        if self.ids.remove(id.as_bytes()).is_some() {
            self.bytes -= ID_WEIGHT;
        }
    }

    /// The leaf of a transaction.
    pub(crate) fn index(&self, id: &Digest) -> Option<u64> {
        self.ids.get(id.as_bytes()).copied()
    }

    /// What became of a key, if anything did: its value, or none where it is removed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.records.get_key_value(key).map(|(record, _)| record.value())
    }

    /// All changed keys from a bound on, in order, with their values.
    pub(crate) fn range<'a>(&'a self, from: Bound<&'a [u8]>) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.records.range::<_, [u8]>((from, Unbounded)).map(|(record, _)| (record.key(), record.value()))
    }
}

/// A consistent reader: of the store, and of what is not at its place there yet.
pub(crate) struct Reading {
    pub(crate) read: ReadTransaction,
    pub(crate) pending: Pending,
}

impl Reading {
    /// The leaf of a transaction.
    pub(crate) fn index(&self, id: &Digest) -> Result<Option<u64>, Error> {
        match self.pending.index(id) {
            Some(index) => Ok(Some(index)),
            None => store::index(&self.read, id),
        }
    }
}

/// A block's changes as they are stored: CBOR `[first leaf, identities one after the other, [key, value or null, …]]`.
pub(crate) fn encode(changes: &[Change], ids: &[Digest], first: u64) -> Vec<u8> {
    let bytes =
        changes.iter().map(|change| change.key.len() + change.new.as_ref().map_or(0, Vec::len) + 10).sum::<usize>();
    let mut bytes = Vec::with_capacity(bytes + 32 * ids.len() + 32);
    let written = (|| {
        let mut encoder = Encoder::new(&mut bytes);
        encoder.array(3)?.u64(first)?.bytes_len(32 * ids.len() as u64)?;
        for id in ids {
            encoder.writer_mut().write_all(id.as_bytes()).map_err(minicbor::encode::Error::write)?;
        }
        encoder.array(2 * changes.len() as u64)?;
        for Change { key, new, .. } in changes {
            encoder.bytes(key)?;
            match new {
                Some(value) => encoder.bytes(value)?,
                None => encoder.null()?,
            };
        }
        Ok::<(), minicbor::encode::Error<_>>(())
    })();
    written.expect("writing to a Vec cannot fail");
    bytes
}

/// First leaf, identities, records.
type Row<'a> = (u64, &'a [[u8; 32]], Vec<Record>);

fn decode(row: &Arc<Vec<u8>>) -> Result<Row<'_>, minicbor::decode::Error> {
    let wrong = || minicbor::decode::Error::message("a block's changes");
    let mut decoder = Decoder::new(row);
    if decoder.array()? != Some(3) {
        return Err(wrong());
    }
    let first = decoder.u64()?;
    let (ids, rest) = decoder.bytes()?.as_chunks::<32>();
    let count = decoder.array()?.filter(|count| rest.is_empty() && count.is_multiple_of(2)).ok_or_else(wrong)?;
    let part = |decoder: &mut Decoder<'_>| {
        let bytes = decoder.bytes()?.len();
        let end = u32::try_from(decoder.position()).map_err(|_| wrong())?;
        Ok::<_, minicbor::decode::Error>((end - bytes as u32, end))
    };
    let mut records = Vec::new();
    for _ in 0..count / 2 {
        let key = part(&mut decoder)?;
        let value = match decoder.datatype()? {
            Type::Null => {
                decoder.null()?;
                None
            }
            _ => Some(part(&mut decoder)?),
        };
        records.push(Record { row: row.clone(), key, value });
    }
    Ok((first, ids, records))
}

/// Bytes of the store's records of a block's changes: each fills a page.
pub(crate) const PIECE: usize = 3_800;

/// Room for changes that are not at their places, in bytes, unless another is asked for: 64 MiB.
pub(crate) const ROOM: usize = 64 << 20;

/// About what a record takes beside its key and value.
const WEIGHT: usize = 100;

/// About what an identity takes.
const ID_WEIGHT: usize = 80;

/// What a block may take to its place however few changes it has.
const LEAST: usize = 64;

/// And one more for each of so many bytes of its row.
const LIGHT: usize = 256;

/// Rows may have so many times the room's bytes.
const ROWS: usize = 2;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn change() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
        (prop::collection::vec(0u8..3, 1..4), prop::option::of(prop::collection::vec(any::<u8>(), 0..300)))
    }

    type Map = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    /// What one reads: what is pending, else what is placed.
    fn read(pending: &Pending, placed: &Map) -> Map {
        let newer = pending.range(Unbounded).map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
        let mut all: Map = placed.clone().into_iter().chain(newer).collect();
        all.retain(|_, value| value.is_some());
        all
    }

    proptest! {
        /// Whatever the room: what is pending over what is placed is what was written; no more is pending than there is room for,
        /// and what the rows that are left say, over what is placed, is the same.
        #[test]
        fn changes_are_read_wherever_they_are(
            blocks in prop::collection::vec(prop::collection::vec(change(), 0..30), 1..30),
            room in 0usize..6_000,
        ) {
            let (mut pending, mut placed, mut written) = (Pending::default(), Map::new(), Map::new());
            let (mut placed_ids, mut rows) = (BTreeMap::new(), BTreeMap::new());
            let mut first = 0;
            for (height, block) in (1..).zip(blocks) {
                let block: Map = block.into_iter().collect();
                let ids: Vec<Digest> = block.iter().map(|change| crypto::sha256(&[&wire::to_vec(&(height, &change.0))])).collect();
                let changes: Vec<_> =
                    block.iter().map(|(key, new)| Change { key: key.clone(), old: None, new: new.clone() }).collect();
                let row = Arc::new(encode(&changes, &ids, first));
                let before = pending.clone();
                let (old, old_placed) = (read(&before, &placed), placed.clone());
                pending.add(height, &row).unwrap();
                rows.insert(height, row);
                written.extend(block);
                let taken = pending.take(height, 2 * ids.len(), room);
                let keys: Vec<_> = taken.records.iter().map(|record| record.key().to_vec()).collect();
                placed.extend(taken.records.iter().map(|one| (one.key().to_vec(), one.value().map(<[u8]>::to_vec))));
                placed_ids.extend(taken.ids);
                if let Some(through) = taken.through {
                    rows.retain(|height, _| *height > through);
                }
                let now = written.clone().into_iter().filter(|(_, value)| value.is_some()).collect::<Map>();
                prop_assert_eq!(&read(&pending, &placed), &now);
                for (key, value) in &written {
                    let found = pending.get(key).map_or_else(|| placed.get(key).cloned().flatten(), |new| new.map(<[u8]>::to_vec));
                    prop_assert_eq!(&found, value);
                }
                // A block's changes are few: there is room for them at once.
                prop_assert!(pending.bytes <= room || keys.len() + ids.len() >= LEAST);
                // Who reads from before goes on as before.
                prop_assert_eq!(read(&before, &old_placed), old);
                for (id, index) in ids.iter().zip(first..) {
                    let found = pending.index(id).or_else(|| placed_ids.get(id.as_bytes()).copied());
                    prop_assert_eq!(found, Some(index));
                }
                first += ids.len() as u64;
                let mut again = Pending::default();
                rows.iter().for_each(|(height, row)| again.add(*height, row).unwrap());
                prop_assert_eq!((&again.rows, again.held), (&pending.rows, pending.held));
                prop_assert_eq!(&read(&again, &placed), &now);
            }
            // All identities are somewhere, and the weight is what is there.
            prop_assert_eq!(pending.ids.len() + placed_ids.len(), first as usize);
            let weight = pending.records.iter().map(|(record, weight)| { assert_eq!(record.weight(), *weight); *weight });
            prop_assert_eq!(pending.bytes, weight.sum::<usize>() + pending.ids.len() * ID_WEIGHT);
        }

        /// A row that is damaged is refused, and never more than its own bytes are read.
        #[test]
        fn damaged_rows_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
            let _ = decode(&Arc::new(bytes));
            let changes = [Change { key: vec![1; 3], old: None, new: Some(vec![2; 9]) }, Change { key: vec![2], old: None, new: None }];
            let row = encode(&changes, &[crypto::sha256(&[b"one"])], 7);
            let whole = Arc::new(row.clone());
            let (first, ids, records) = decode(&whole).unwrap();
            prop_assert_eq!((first, ids.len(), records.len()), (7, 1, 2));
            prop_assert!(decode(&Arc::new(row[..at.index(row.len())].to_vec())).is_err());
        }
    }
}
