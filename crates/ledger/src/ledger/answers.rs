//! What a ledger answers: blocks, states, proofs, cosignatures, receipts.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crypto::{Digest, merkle};
use redb::{ReadableDatabase, ReadableTable};

use super::Ledger;
use crate::hashes::Hashes;
use crate::receipt::MAX_ENTRIES;
use crate::store::{self, COSIGNATURES, COSIGNED};
use crate::{Block, Checkpoint, Committed, Cosignature, Epoch, Error, Header, Receipt, VerifiedTransaction, View};

impl Ledger {
    /// The header of a block.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn header(&self, height: u64) -> Result<Option<Header>, Error> {
        store::header(&self.database().begin_read()?, height)
    }

    /// A block.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Store`].
    pub fn block(&self, height: u64) -> Result<Option<Block>, Error> {
        let Some(header) = self.header(height)? else { return Ok(None) };
        let transactions = self.block_entries(&header)?.into_iter().map(|entry| entry.transaction).collect();
        Ok(Some(Block { header, transactions }))
    }

    /// The transactions of a block with their outcomes; empty where there is no such block.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Store`].
    pub fn outcomes(&self, height: u64) -> Result<Vec<Committed>, Error> {
        let oldest = self.kept()?.height;
        if height > 0 && height < oldest {
            return Err(Error::Gone { oldest });
        }
        self.header(height)?.map_or(Ok(vec![]), |header| self.block_entries(&header))
    }

    /// Consecutive blocks from a height, as many as fit in `max_bytes` of CBOR, and one at least if there is one.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Store`].
    pub fn blocks(&self, from: u64, max_bytes: usize) -> Result<Vec<Block>, Error> {
        let oldest = self.kept()?.height;
        if from > 0 && from < oldest {
            return Err(Error::Gone { oldest });
        }
        let mut blocks = Vec::new();
        let mut bytes = 0;
        for height in from..=self.head().height {
            let block = self.block(height)?.ok_or(Error::Damaged("a missing block"))?;
            bytes += wire::to_vec(&block).len();
            if !blocks.is_empty() && bytes > max_bytes {
                break;
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Transactions with their outcomes from a leaf of the log on, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Store`].
    pub fn entries(&self, from: u64, limit: u64) -> Result<Vec<Committed>, Error> {
        let read = self.database().begin_read()?;
        store::kept(&read)?.check(from)?;
        store::entries(&read, from, from.saturating_add(limit))
    }

    /// A snapshot of the newest state; the same one until the next block.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn view(&self) -> Result<Arc<View>, Error> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = &*newest {
            return Ok(view.clone());
        }
        let view = Arc::new(View::new(&self.reading()?)?);
        *newest = Some(view.clone());
        Ok(view)
    }

    /// What became of a transaction; `None` while it is not on the ledger, or where it is older than what is [kept](Ledger::kept).
    ///
    /// # Errors
    /// [`Error::Gone`] where it is known to be on the ledger, and no more; [`Error::Store`].
    pub fn committed(&self, id: &Digest) -> Result<Option<Committed>, Error> {
        let reading = self.reading()?;
        let Some(index) = reading.index(id)? else { return Ok(None) };
        let read = reading.read;
        if let Some(entry) = store::entries(&read, index, index + 1)?.pop() {
            return Ok(Some(entry));
        }
        store::kept(&read)?.check(index)?;
        Err(Error::Damaged("a missing entry"))
    }

    /// The newest place given to [`Ledger::execute`].
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Damaged`].
    pub fn executed(&self) -> Result<Option<u64>, Error> {
        store::executed(&self.database().begin_read()?)
    }

    /// Which of these transactions, each by its identity and when it expires, are on the ledger.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn known(&self, transactions: &[(Digest, u64)]) -> Result<Vec<bool>, Error> {
        let may_hold: Vec<bool> = {
            let seen = self.seen();
            transactions.iter().map(|(id, expires)| seen.may_hold(id, *expires)).collect()
        };
        if !may_hold.contains(&true) {
            return Ok(may_hold);
        }
        let reading = self.reading()?;
        let known = |((id, _), may): (&(Digest, u64), bool)| Ok(may && reading.index(id)?.is_some());
        transactions.iter().zip(may_hold).map(known).collect()
    }

    /// The last block that [`Ledger::execute`] made from a place up to `place`, as `(its place, height)`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn place(&self, place: u64) -> Result<Option<(u64, u64)>, Error> {
        store::place(&self.database().begin_read()?, place)
    }

    /// The epoch of this number, once it was in force.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn epoch(&self, number: u64) -> Result<Option<Epoch>, Error> {
        store::epoch(&self.database().begin_read()?, number)
    }

    /// The checkpoint of a block.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Store`].
    pub fn checkpoint(&self, height: u64) -> Result<Checkpoint, Error> {
        self.header(height)?.map(|header| Checkpoint::of(&header)).ok_or(Error::UnknownBlock(height))
    }

    /// The checkpoint of a block, to be cosigned: the block is on disk when this returns. Who cosigned and then lost the
    /// block in a crash could be made to cosign another.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Store`].
    pub fn durable_checkpoint(&self, height: u64) -> Result<Checkpoint, Error> {
        if height > self.durable_height() {
            self.flush()?;
        }
        self.checkpoint(height)
    }

    /// Verifies and keeps validators' cosignatures of a block; returns how many it has, and whether they are a quorum.
    /// Of two by one validator the first is kept.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Cosignature`] (none is kept), [`Error::Store`].
    pub fn add_cosignatures(
        &self,
        height: u64,
        cosignatures: &[(String, Cosignature)],
    ) -> Result<(usize, bool), Error> {
        let checkpoint = self.checkpoint(height)?;
        let epoch = self.epoch(checkpoint.epoch)?.ok_or(Error::Damaged("a missing epoch"))?;
        for (name, cosignature) in cosignatures {
            let refused = || Error::Cosignature { height, name: name.clone() };
            let (_, validator) = epoch.validator(name).ok_or_else(refused)?;
            validator.verify(&checkpoint, cosignature).map_err(|_| refused())?;
        }
        // Cosignatures can mostly be asked for again: they go to disk with the next block, or by a flush.
        let write = store::begin(&self.database(), false)?;
        let count = {
            let mut table = write.open_table(COSIGNATURES)?;
            for (name, cosignature) in cosignatures {
                if table.get((height, name.as_str()))?.is_none() {
                    table.insert((height, name.as_str()), wire::to_vec(cosignature).as_slice())?;
                }
            }
            table.range((height, "")..(height + 1, ""))?.count()
        };
        let quorum = count >= epoch.quorum();
        if quorum {
            write.open_table(COSIGNED)?.insert(checkpoint.size, height)?;
        }
        write.commit()?;
        self.loose.store(true, Ordering::Release);
        Ok((count, quorum))
    }

    /// A block's cosignatures, in the epoch's order.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn cosignatures(&self, height: u64) -> Result<Vec<(String, Cosignature)>, Error> {
        let checkpoint = self.checkpoint(height)?;
        let read = self.database().begin_read()?;
        let epoch = store::epoch(&read, checkpoint.epoch)?.ok_or(Error::Damaged("a missing epoch"))?;
        let table = read.open_table(COSIGNATURES)?;
        let mut found = Vec::new();
        for validator in epoch.validators {
            if let Some(bytes) = table.get((height, validator.name.as_str()))? {
                found.push((validator.name, store::decode(bytes.value())?));
            }
        }
        Ok(found)
    }

    /// The newest block that a quorum cosigned.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn cosigned_height(&self) -> Result<Option<u64>, Error> {
        let table = self.database().begin_read()?.open_table(COSIGNED)?;
        Ok(table.last()?.map(|(_, height)| height.value()))
    }

    /// A receipt for these transactions under the oldest checkpoint that covers them all and that a quorum cosigned.
    ///
    /// # Errors
    /// [`Error::ReceiptSize`], [`Error::UnknownTransaction`], [`Error::NotCosigned`], [`Error::Store`].
    pub fn receipt(&self, ids: &[Digest]) -> Result<Receipt, Error> {
        if !(1..=MAX_ENTRIES).contains(&ids.len()) {
            return Err(Error::ReceiptSize { found: ids.len(), limit: MAX_ENTRIES });
        }
        let entries = ids.iter().map(|id| self.committed(id)?.ok_or(Error::UnknownTransaction(*id)));
        self.receipt_of(entries.collect::<Result<_, _>>()?)
    }

    /// Whether a transaction with its outcome, which others may have sent, is on this ledger, at its place.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn holds(&self, entry: &Committed) -> Result<bool, Error> {
        let leaf = Hashes::new(&self.database().begin_read()?)?.get(0, entry.index)?;
        // The leaf does not cover the signature.
        let verified = VerifiedTransaction::verify(entry.transaction.clone(), &self.chain);
        Ok(leaf == Some(entry.leaf()) && verified.is_ok())
    }

    /// As [`Ledger::receipt`], for transactions of this ledger that are at hand, also where it does not [keep](Ledger::kept) them: they must be
    /// such as it [holds](Ledger::holds).
    ///
    /// # Errors
    /// [`Error::ReceiptSize`], [`Error::NotCosigned`], [`Error::Store`].
    pub fn receipt_of(&self, mut entries: Vec<Committed>) -> Result<Receipt, Error> {
        if !(1..=MAX_ENTRIES).contains(&entries.len()) {
            return Err(Error::ReceiptSize { found: entries.len(), limit: MAX_ENTRIES });
        }
        entries.sort_by_key(|entry| entry.index);
        entries.dedup_by_key(|entry| entry.index);
        let index = entries.last().expect("there is one at least").index;
        let read = self.database().begin_read()?;
        let found = read.open_table(COSIGNED)?.range(index + 1..)?.next().transpose()?;
        let height = found.ok_or(Error::NotCosigned { index })?.1.value();
        let epoch = self.checkpoint(height)?.epoch;
        let quorum = store::epoch(&read, epoch)?.ok_or(Error::Damaged("a missing epoch"))?.quorum();
        let (checkpoint, note) = self.signed(height, quorum)?;
        let mut subtrees = store::subtrees(&read)?;
        let entries = entries.into_iter().map(|entry| {
            let path = merkle::inclusion_path(checkpoint.size, entry.index, &mut subtrees)?;
            Ok((entry, path))
        });
        Ok(Receipt::new(entries.collect::<Result<_, Error>>()?, checkpoint, &note))
    }

    /// The inclusion path of a leaf in the tree of `size` leaves (RFC 9162 §2.1.3).
    ///
    /// # Errors
    /// [`Error::UnknownTree`], [`Error::Store`].
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, Error> {
        if index >= size || size > self.head().log_size {
            return Err(Error::UnknownTree { old: index, new: size });
        }
        merkle::inclusion_path(size, index, store::subtrees(&self.database().begin_read()?)?)
    }

    /// The consistency path between the trees of `old` and `new` leaves (RFC 9162 §2.1.4).
    ///
    /// # Errors
    /// [`Error::UnknownTree`], [`Error::Store`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Digest>, Error> {
        if old == 0 || old > new || new > self.head().log_size {
            return Err(Error::UnknownTree { old, new });
        }
        merkle::consistency_path(old, new, store::subtrees(&self.database().begin_read()?)?)
    }

    fn block_entries(&self, header: &Header) -> Result<Vec<Committed>, Error> {
        let read = self.database().begin_read()?;
        let kept = store::kept(&read)?.height;
        if header.height > 0 && header.height < kept {
            return Err(Error::Gone { oldest: kept });
        }
        let from = match header.height.checked_sub(1) {
            Some(before) => store::header(&read, before)?.ok_or(Error::Damaged("a missing header"))?.log_size,
            None => 0,
        };
        store::entries(&read, from, header.log_size)
    }
}
