//! A copy of a ledger that is in use: one consistent snapshot in a file of its own.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::path::Path;

use redb::{Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition};
use redb::{TableError, TableHandle, Value};

use super::Ledger;
use crate::hashes::{HASHES, SINGLE};
use crate::store::{
    self, COSIGNATURES, COSIGNED, ENTRIES, EPOCHS, HANDOVERS, HEADERS, IDS, META, NODES, PAST, PLACES, RECENT, STALE,
    STATE,
};
use crate::{Error, Header};

impl Ledger {
    /// Writes what the ledger holds after its newest block into a new file, which [`Ledger::open`] opens; blocks that follow go on
    /// meanwhile and are not in it. It is on disk when this returns. The header of that block.
    ///
    /// # Errors
    /// [`Error::Store`], also where the file exists; [`Error::Damaged`] where the store holds what this version does not know. What was
    /// written by then is the caller's to remove.
    pub fn copy(&self, path: &Path) -> Result<Header, Error> {
        let read = self.database().begin_read()?;
        let mut unknown: BTreeSet<String> = read.list_tables()?.map(|table| table.name().to_owned()).collect();
        drop(std::fs::File::create_new(path)?);
        let copy = Builder::new().set_cache_size(CACHE).create(path)?;
        let mut copier = Copier { read: &read, copy: &copy, unknown: &mut unknown };
        copier.table(META)?;
        copier.table(HEADERS)?;
        copier.table(ENTRIES)?;
        copier.table(IDS)?;
        copier.table(HASHES)?;
        copier.table(SINGLE)?;
        copier.table(STATE)?;
        copier.table(RECENT)?;
        copier.table(NODES)?;
        copier.table(PAST)?;
        copier.table(STALE)?;
        copier.table(EPOCHS)?;
        copier.table(PLACES)?;
        copier.table(COSIGNATURES)?;
        copier.table(COSIGNED)?;
        copier.table(HANDOVERS)?;
        // Rather none than one that lacks something.
        if !unknown.is_empty() || read.list_multimap_tables()?.next().is_some() {
            return Err(Error::Damaged("a table that this version does not know"));
        }
        store::newest(&read)
    }
}

/// Memory for the copy's pages: none is read again. 64 MiB.
const CACHE: usize = 64 << 20;

struct Copier<'a> {
    read: &'a ReadTransaction,
    copy: &'a Database,
    unknown: &'a mut BTreeSet<String>,
}

impl Copier<'_> {
    /// Copies a table, if there is one.
    fn table<K: Key + 'static, V: Value + 'static>(&mut self, definition: TableDefinition<K, V>) -> Result<(), Error> {
        let from = match self.read.open_table(definition) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            from => from?,
        };
        self.unknown.remove(definition.name());
        let write = self.copy.begin_write()?;
        {
            let mut to = write.open_table(definition)?;
            let mut end = to.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
            for row in from.iter()? {
                let (key, value) = row?;
                end.insert_before(key.value(), value.value())?;
            }
            end.close()?;
        }
        Ok(write.commit()?)
    }
}
