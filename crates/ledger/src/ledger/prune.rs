//! What is kept of old blocks, and how it goes.

use std::collections::BTreeSet;

use crypto::Digest;
use redb::{ReadableDatabase, ReadableTable};

use super::{Ledger, RECALL};
use crate::store::{self, COSIGNATURES, COSIGNED, ENTRIES, HEADERS, IDS, KEPT, META, decode};
use crate::{Committed, Error, Header};

/// From where on transactions are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first block whose transactions are there; 0 where all are.
    pub height: u64,
    /// The first of these transactions' leaf.
    pub index: u64,
}

impl Kept {
    /// # Errors
    /// [`Error::Gone`] where a leaf's transaction is not kept.
    pub(crate) const fn check(&self, index: u64) -> Result<(), Error> {
        match index < self.index {
            true => Err(Error::Gone { oldest: self.height }),
            false => Ok(()),
        }
    }
}

impl Ledger {
    /// The first block of this time or a later one, Unix milliseconds; the one after the newest where there is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Damaged`].
    pub fn first_since(&self, time: u64) -> Result<u64, Error> {
        let read = self.database().begin_read()?;
        let newest = store::newest(&read)?.height;
        let (mut from, mut to) = (store::number(&read, store::BASE)?.unwrap_or(0), newest + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            match store::header(&read, middle)?.ok_or(Error::Damaged("a missing header"))?.time < time {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        Ok(from)
    }

    /// The block of the snapshot that this ledger began from, the newest that it has not executed itself; 0 where it has executed all.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn began(&self) -> Result<u64, Error> {
        Ok(store::number(&self.database().begin_read()?, store::BEGAN)?.unwrap_or(0))
    }

    /// From where on transactions are kept.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn kept(&self) -> Result<Kept, Error> {
        store::kept(&self.database().begin_read()?)
    }

    /// Removes transactions of blocks before a height, and their blocks' cosignatures: about so many at a time, in one write
    /// transaction with the note of what is left. Those that are `needed` stay, to be found by their identities. Never what is within [`RECALL`] of the newest block's time or not below the oldest kept
    /// state; never a header, a hash of the log, or what shows how an epoch ended. Whether more is to go.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Damaged`].
    pub fn prune(&self, below: u64, transactions: usize, needed: &dyn Fn(&Digest) -> bool) -> Result<bool, Error> {
        // Nobody writes a block, or begins from a snapshot, meanwhile.
        let mut tip = self.lock();
        let below = below.min(self.view()?.oldest()).min(tip.header.height);
        let recall = tip.header.time.saturating_sub(RECALL);
        let database = self.database();
        let kept = store::kept(&database.begin_read()?)?;
        let (mut height, mut index, mut more) = (kept.height.max(1), kept.index, false);
        let (mut pending, mut pruned) = (tip.pending.clone(), BTreeSet::new());
        let write = store::begin(&database, true)?;
        {
            let headers = write.open_table(HEADERS)?;
            let (mut entries, mut ids) = (write.open_table(ENTRIES)?, write.open_table(IDS)?);
            let (mut cosignatures, mut cosigned) = (write.open_table(COSIGNATURES)?, write.open_table(COSIGNED)?);
            let header = |height: u64| -> Result<Header, Error> {
                decode(headers.get(height)?.ok_or(Error::Damaged("a missing header"))?.value())
            };
            let from = index;
            while height < below {
                let block = header(height)?;
                if block.time >= recall {
                    break;
                }
                if index - from >= transactions as u64 {
                    more = true;
                    break;
                }
                let mut gone = Vec::new();
                for item in entries.range(index..block.log_size)? {
                    let (at, entry) = item?;
                    let entry = Committed::from_bytes(at.value(), entry.value());
                    let id = entry.map_err(|_| Error::Damaged("an entry"))?.transaction.id();
                    if !needed(&id) {
                        gone.push((at.value(), id));
                    }
                }
                for (at, id) in gone {
                    entries.remove(at)?;
                    ids.remove(id.as_bytes())?;
                    pruned.insert(*id.as_bytes());
                }
                if header(height + 1)?.epoch == block.epoch {
                    cosignatures.retain_in((height, "")..(height + 1, ""), |_, _| false)?;
                    cosigned.remove(block.log_size)?;
                }
                (height, index) = (height + 1, block.log_size);
            }
            if height == kept.height.max(1) {
                return Ok(false);
            }
            write.open_table(META)?.insert(KEPT, height.to_be_bytes().as_slice())?;
        }
        pending.forget(&pruned);
        write.commit()?;
        self.publish(tip.header.height, &pending);
        tip.pending = pending;
        Ok(more)
    }
}
