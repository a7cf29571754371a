//! What a ledger answers about its log as static files, and about its state to readers far away.

use crypto::Digest;
use redb::{ReadableDatabase, ReadableTable};

use super::Ledger;
use crate::hashes::Hashes;
use crate::store::{self, COSIGNED, ENTRIES};
use crate::tile::write_entry;
use crate::{Checkpoint, Committed, Error, HISTORY, Header, Note, ProvenState, Tile, TileKind};

impl Ledger {
    /// Size of the log at the newest block that a quorum cosigned; 0 where there is none. What lies within never changes.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn cosigned_size(&self) -> Result<u64, Error> {
        let table = self.database().begin_read()?.open_table(COSIGNED)?;
        Ok(table.last()?.map_or(0, |(size, _)| size.value()))
    }

    /// The checkpoint of a block with all cosignatures that are kept.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Store`].
    pub fn note(&self, height: u64) -> Result<Note, Error> {
        let (checkpoint, note) = self.signed(height, usize::MAX)?;
        debug_assert_eq!(checkpoint.chain, self.chain);
        Note::parse(&note).map_err(|_| Error::Damaged("a cosignature"))
    }

    /// A tile's bytes; none where the log that a quorum cosigned does not have all of it.
    ///
    /// # Errors
    /// [`Error::Gone`] of entries, [`Error::Store`], [`Error::Damaged`].
    pub fn tile(&self, tile: &Tile) -> Result<Option<Vec<u8>>, Error> {
        if !tile.is_within(self.cosigned_size()?) {
            return Ok(None);
        }
        let read = self.database().begin_read()?;
        let (start, end) = (tile.start(), tile.start() + u64::from(tile.width()));
        let bytes = match tile.kind() {
            TileKind::Hashes(level) => Hashes::new(&read)?.range(8 * level, start, end)?,
            TileKind::Entries => {
                store::kept(&read)?.check(start)?;
                let mut bytes = Vec::new();
                for item in read.open_table(ENTRIES)?.range(start..end)? {
                    let (index, entry) = item?;
                    let entry = Committed::from_bytes(index.value(), entry.value());
                    write_entry(&mut bytes, &entry.map_err(|_| Error::Damaged("an entry"))?.leaf_data());
                }
                bytes
            }
        };
        let each = if tile.kind() == TileKind::Entries { 34 } else { 32 };
        match bytes.len() == usize::from(tile.width()) * each {
            true => Ok(Some(bytes)),
            false => Err(Error::Damaged("a missing subtree")),
        }
    }

    /// Transactions with their outcomes from a leaf of the log on, up to `to` and within what a quorum cosigned: each as
    /// [`Committed::to_bytes`] after its length in four bytes, big-endian. As many as fit in `max_bytes`, and one at least if
    /// there is one.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Store`].
    pub fn records(&self, from: u64, to: u64, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let to = to.min(self.cosigned_size()?);
        let mut bytes = Vec::new();
        if from >= to {
            return Ok(bytes);
        }
        let read = self.database().begin_read()?;
        store::kept(&read)?.check(from)?;
        let table = read.open_table(ENTRIES)?;
        for item in table.range(from..to)? {
            let (_, entry) = item?;
            let entry = entry.value();
            if !bytes.is_empty() && bytes.len() + 4 + entry.len() > max_bytes {
                break;
            }
            let length = u32::try_from(entry.len()).map_err(|_| Error::Damaged("an entry"))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// What the state said of a key after a block, proven under the oldest cosigned checkpoint at or after it.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Pruned`], [`Error::NotCosigned`], [`Error::Store`], [`Error::Damaged`].
    pub fn prove_state(&self, height: u64, key: &[u8]) -> Result<ProvenState, Error> {
        let proven = self.view()?.prove_at(height, key)?;
        let size = proven.header.log_size;
        let not_cosigned = || Error::NotCosigned { index: size.saturating_sub(1) };
        let table = self.database().begin_read()?.open_table(COSIGNED)?;
        let cosigned = table.range(size..)?.next().transpose()?.ok_or_else(not_cosigned)?.1.value();
        if cosigned - height > HISTORY {
            return Err(not_cosigned());
        }
        let headers = (height + 1..=cosigned).map(|height| self.header(height)?.ok_or(Error::UnknownBlock(height)));
        let headers: Vec<Header> = headers.collect::<Result<_, _>>()?;
        let epoch = self.checkpoint(cosigned)?.epoch;
        let quorum = self.epoch(epoch)?.ok_or(Error::Damaged("a missing epoch"))?.quorum();
        let (checkpoint, note) = self.signed(cosigned, quorum)?;
        Ok(ProvenState::new(proven, headers, checkpoint, &note))
    }

    /// The root of the log's first `size` leaves.
    ///
    /// # Errors
    /// [`Error::UnknownTree`], [`Error::Store`].
    pub fn log_root(&self, size: u64) -> Result<Digest, Error> {
        if size > self.head().log_size {
            return Err(Error::UnknownTree { old: size, new: self.head().log_size });
        }
        Ok(store::frontier(&self.database().begin_read()?, size)?.root())
    }

    /// A block's checkpoint and its note with at most so many cosignatures, in the epoch's order.
    pub(super) fn signed(&self, height: u64, most: usize) -> Result<(Checkpoint, String), Error> {
        let checkpoint = self.checkpoint(height)?;
        let epoch = self.epoch(checkpoint.epoch)?.ok_or(Error::Damaged("a missing epoch"))?;
        let mut cosignatures = self.cosignatures(height)?;
        cosignatures.truncate(most);
        let validators = cosignatures
            .into_iter()
            .filter_map(|(name, cosignature)| epoch.validator(&name).map(|(_, validator)| (validator, cosignature)));
        Ok((checkpoint, checkpoint.note(validators)))
    }
}
