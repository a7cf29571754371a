//! What the newest blocks changed, before it is at its places in the store.
//!
//! Identities and records come in no order. A block that put each of them at its place would change a page of the store for each, once
//! a ledger is large. So it writes all of them side by side ([`RECENT`]), and they stay in memory, sorted. When they are more
//! than there is room for, each block takes some of them to their places, in the order of their keys: those that share a page are
//! there at the same time. Who reads looks here first.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::iter;
use std::mem;
use std::ops::Bound;
use std::sync::Arc;

use crypto::Digest;
use imbl::OrdMap;
use minicbor::data::Type;
use minicbor::encode::Write as _;
use minicbor::{Decoder, Encoder};
use redb::{ReadTransaction, ReadableTable, TableError};

use crate::Error;
use crate::runs::Runs;
use crate::state::Change;
use crate::store::{self, ENTRIES, RECENT};

/// Changes that are not at their places yet. A clone is a snapshot, and costs little.
#[derive(Clone, Default)]
pub(crate) struct Pending {
    ids: Runs<[u8; 32], u64>,
    records: Runs<Key, Spot>,
    /// What both weigh, with what a newer change has made needless and is still there.
    bytes: usize,
    /// The rows that are in the store, by their heights: each for as long as anything of it may be pending.
    rows: OrdMap<u64, Arc<Vec<u8>>>,
    /// Their bytes.
    held: usize,
    /// The pass over all keys has passed the identities.
    among_records: bool,
    /// The block after which the pass over all keys began: what this one and those before it changed is at its place when it is over.
    began: u64,
}

/// A record's key, within its run where it is short: looking for one then touches no other memory, and many are copied at once.
#[derive(Clone)]
enum Key {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Arc<[u8]>),
}

/// Where the newest block that changed a record has it.
#[derive(Clone, Copy)]
struct Spot {
    height: u64,
    /// None where it is removed.
    value: Option<Part>,
}

/// Where a part of a row begins and ends.
type Part = (u32, u32);

/// A record as the newest block that changed it has it.
pub(crate) struct Record {
    key: Key,
    row: Arc<Vec<u8>>,
    value: Option<Part>,
}

impl Record {
    pub(crate) fn key(&self) -> &[u8] {
        self.key.bytes()
    }

    /// None where it is removed.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        self.value.map(|at| part(&self.row, at))
    }
}

/// A part of a row.
fn part(row: &[u8], (from, to): Part) -> &[u8] {
    &row[from as usize..to as usize]
}

impl Key {
    fn new(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(key);
                Self::Short { length, bytes }
            }
            _ => Self::Long(key.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(key) => key,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Spot {
    fn weight(self, key: &Key) -> usize {
        key.bytes().len() + self.value.map_or(0, |(from, to)| (to - from) as usize) + WEIGHT
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
            let (first, ids) = pending.hold(height, &row)?;
            let mut there = Vec::with_capacity(ids.len());
            for (id, index) in ids.iter().zip(first..) {
                // Those that were pruned since are not to come back.
                if index >= kept.index || entries.get(index)?.is_some() {
                    there.push((*id, index));
                }
            }
            pending.set_ids(there);
        }
        Ok(pending)
    }

    /// Adds what the next block changed: its [row](encode).
    pub(crate) fn add(&mut self, height: u64, row: &Arc<Vec<u8>>) -> Result<(), Error> {
        let (first, ids) = self.hold(height, row)?;
        self.set_ids(ids.iter().copied().zip(first..).collect());
        Ok(())
    }

    /// Adds a row with its records; its identities, and the first one's leaf.
    fn hold<'a>(&mut self, height: u64, row: &'a Arc<Vec<u8>>) -> Result<(u64, &'a [[u8; 32]]), Error> {
        let (first, ids, records) = decode(row).map_err(|_| Error::Damaged("a block's changes"))?;
        self.held += row.len();
        self.rows.insert(height, row.clone());
        let records = records.into_iter().map(|(key, value)| (Key::new(key), Spot { height, value }));
        let mut records: Vec<_> = records.collect();
        records.sort_by(|(one, _), (other, _)| one.cmp(other));
        if records.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(Error::Damaged("a block's changes"));
        }
        self.bytes += records.iter().map(|(key, spot)| spot.weight(key)).sum::<usize>();
        let bytes = &mut self.bytes;
        self.records.add(records, &mut |key, spot| *bytes -= spot.weight(key));
        Ok((first, ids))
    }

    /// Lets go of rows all of which is at its place.
    fn release(&mut self, through: u64) {
        while let Some((height, _)) = self.rows.get_min().filter(|(height, _)| *height <= through) {
            let height = *height;
            self.held -= self.rows.remove(&height).map_or(0, |row| row.len());
        }
    }

    /// The row of a block of which something is pending.
    fn row(&self, height: u64) -> &Arc<Vec<u8>> {
        self.rows.get(&height).expect(ROW)
    }

    fn set_ids(&mut self, mut ids: Vec<([u8; 32], u64)>) {
        ids.sort_unstable();
        self.bytes += ids.len() * ID_WEIGHT;
        let bytes = &mut self.bytes;
        self.ids.add(ids, &mut |_, _| *bytes -= ID_WEIGHT);
    }

    /// Takes out what there is no `room` for, in bytes, after the block at `height` was added; also where little is pending of
    /// many rows, since each stays while anything of it is. No more than some times as much as the block has, so that no block takes long.
    pub(crate) fn take(&mut self, height: u64, changes: usize, room: usize) -> Taken {
        let most = LEAST + 2 * changes + self.rows.get(&height).map_or(0, |row| row.len() / LIGHT);
        let mut taken = Taken::default();
        while taken.ids.len() + taken.records.len() < most && self.bytes > 0 {
            let left = most - taken.ids.len() - taken.records.len();
            let mut over = self.bytes.saturating_sub(room);
            if self.held > room.saturating_mul(ROWS) {
                over = self.bytes;
            }
            if over == 0 {
                break;
            }
            let bytes = &mut self.bytes;
            let end = bytes.saturating_sub(over);
            if !self.among_records {
                let wanted = over.div_ceil(ID_WEIGHT).min(left);
                let found = iter::from_fn(|| self.ids.take(&mut |_, _| *bytes -= ID_WEIGHT)).take(wanted);
                taken.ids.extend(found);
                if !self.ids.goes_on() {
                    self.ids.end();
                    self.among_records = true;
                }
                continue;
            }
            for _ in 0..left {
                if *bytes <= end {
                    break;
                }
                let Some((key, spot)) = self.records.take(&mut |key, spot| *bytes -= spot.weight(key)) else { break };
                let row = self.rows.get(&spot.height).expect(ROW).clone();
                taken.records.push(Record { key, row, value: spot.value });
            }
            if !self.records.goes_on() {
                self.ids.turn();
                self.records.turn();
                self.among_records = false;
                let through = mem::replace(&mut self.began, height);
                self.release(through);
                taken.through = Some(through);
            }
        }
        let bytes = &mut self.bytes;
        self.ids.trim(&mut |_, _| *bytes -= ID_WEIGHT);
        self.records.trim(&mut |key, spot| *bytes -= spot.weight(key));
        taken
    }

    /// Forgets transactions that were pruned.
    pub(crate) fn forget(&mut self, pruned: &BTreeSet<[u8; 32]>) {
        let bytes = &mut self.bytes;
        self.ids.remove(pruned, &mut |_, _| *bytes -= ID_WEIGHT);
    }

    /// The leaf of a transaction.
    pub(crate) fn index(&self, id: &Digest) -> Option<u64> {
        self.ids.get::<[u8; 32]>(id.as_bytes()).copied()
    }

    /// What became of a key, if anything did: its value, or none where it is removed.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.records.get(key).map(|spot| self.value(spot))
    }

    fn value(&self, spot: &Spot) -> Option<&[u8]> {
        spot.value.map(|at| part(self.row(spot.height), at))
    }

    /// All changed keys from a bound on, in order, with their values.
    pub(crate) fn range<'a>(&'a self, from: Bound<&'a [u8]>) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.records.range::<[u8]>(from).map(|(key, spot)| (key.bytes(), self.value(spot)))
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

/// First leaf; identities; keys, and where their values are.
type Row<'a> = (u64, &'a [[u8; 32]], Vec<(&'a [u8], Option<Part>)>);

fn decode(row: &[u8]) -> Result<Row<'_>, minicbor::decode::Error> {
    let wrong = || minicbor::decode::Error::message("a block's changes");
    let mut decoder = Decoder::new(row);
    if decoder.array()? != Some(3) {
        return Err(wrong());
    }
    let first = decoder.u64()?;
    let (ids, rest) = decoder.bytes()?.as_chunks::<32>();
    let count = decoder.array()?.filter(|count| rest.is_empty() && count.is_multiple_of(2)).ok_or_else(wrong)?;
    let mut records = Vec::new();
    for _ in 0..count / 2 {
        let key = decoder.bytes()?;
        let value = match decoder.datatype()? {
            Type::Null => {
                decoder.null()?;
                None
            }
            _ => {
                let bytes = decoder.bytes()?.len();
                let end = u32::try_from(decoder.position()).map_err(|_| wrong())?;
                Some((end - bytes as u32, end))
            }
        };
        records.push((key, value));
    }
    Ok((first, ids, records))
}

/// Bytes of the store's records of a block's changes: each fills a page.
pub(crate) const PIECE: usize = 3_800;

const ROW: &str = "a row is let go of when all of it is at its place";

/// About what a record takes beside its key and value in its row.
const WEIGHT: usize = 140;

/// Bytes of keys that are within their run.
const SHORT: usize = 78;

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
        let long =
            Just(vec![1; 2 * SHORT]).prop_flat_map(|key| (0..3 * SHORT / 2).prop_map(move |cut| key[cut..].to_vec()));
        (
            prop_oneof![4 => prop::collection::vec(0u8..3, 1..4), 1 => long],
            prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
        )
    }

    type Map = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

    /// What one reads: what is pending, else what is placed.
    fn read(pending: &Pending, placed: &Map) -> Map {
        let newer = pending.range(Bound::Unbounded).map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
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
                // As after a restart: all of it goes to its place, also in several passes, and is read all the time.
                let (mut placed, mut later) = (placed.clone(), height);
                again.began = height;
                while again.bytes > 0 {
                    later += 1;
                    let taken = again.take(later, 0, 0);
                    placed.extend(taken.records.iter().map(|one| (one.key().to_vec(), one.value().map(<[u8]>::to_vec))));
                    prop_assert_eq!(&read(&again, &placed), &now);
                }
            }
            // All identities are somewhere, and the weight is what is there.
            let ids = pending.ids.all().count();
            prop_assert_eq!(ids + placed_ids.len(), first as usize);
            let weight = pending.records.all().map(|(key, spot)| spot.weight(key));
            prop_assert_eq!(pending.bytes, weight.sum::<usize>() + ids * ID_WEIGHT);
        }

        /// Who writes the same keys again and again has no more rows kept than others do.
        #[test]
        fn rows_are_let_go_of(keys in 1u8..6, length in 1usize..400, room in 1_000usize..10_000) {
            let (mut pending, mut longest) = (Pending::default(), 0);
            for height in 1..600u64 {
                let changes: Vec<_> =
                    (0..keys).map(|key| Change { key: vec![key], old: None, new: Some(vec![height as u8; length]) }).collect();
                let row = Arc::new(encode(&changes, &[crypto::sha256(&[&height.to_be_bytes()])], height));
                longest = longest.max(row.len());
                pending.add(height, &row).unwrap();
                pending.take(height, changes.len() + 1, room);
                prop_assert!(pending.held <= (ROWS + 1) * room + 4 * longest, "{} bytes at {height}", pending.held);
            }
        }

        /// A row that is damaged is refused, and never more than its own bytes are read.
        #[test]
        fn damaged_rows_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
            let _ = decode(&bytes);
            let changes = [Change { key: vec![1; 3], old: None, new: Some(vec![2; 9]) }, Change { key: vec![2], old: None, new: None }];
            let row = encode(&changes, &[crypto::sha256(&[b"one"])], 7);
            let (first, ids, records) = decode(&row).unwrap();
            prop_assert_eq!((first, ids.len(), records.len()), (7, 1, 2));
            prop_assert!(decode(&row[..at.index(row.len())]).is_err());
        }
    }
}
