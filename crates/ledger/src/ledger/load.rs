//! A ledger that begins with more than its genesis says: for measuring alone.

use std::ops::Bound::Unbounded;
use std::path::Path;

use crypto::sha256;
use redb::{Builder, ReadableDatabase};

use super::{Ledger, found};
use crate::memory;
use crate::node::{Leaf, build, key_place, node_place};
use crate::pending::{Pending, Reading};
use crate::store::{self, HEADERS, NODES, STATE};
use crate::{Application, Error, Genesis, Pair, View};

impl Ledger {
    /// Founds a ledger in a new file whose first state holds these records besides those of the genesis, in the order of their keys. Nobody who
    /// founds the same consortium comes to the same state: what large ledgers cost can be measured with it, and nothing else is it for. [`Ledger::open`]
    /// opens it. Takes 64 bytes of memory for each record.
    ///
    /// # Errors
    /// As [`Ledger::open`]; [`Error::Store`] also where keys are not in order, or the file exists.
    #[doc(hidden)]
    pub fn danger_found_with(
        path: &Path,
        application: &dyn Application,
        genesis: &Genesis,
        records: impl IntoIterator<Item = Pair>,
    ) -> Result<(), Error> {
        drop(std::fs::File::create_new(path)?);
        let database = Builder::new().set_cache_size(memory::pages()).create(path)?;
        found(&database, application, genesis)?;
        let read = database.begin_read()?;
        let pending = Pending::load(&read)?;
        let view = View::new(&Reading { read, pending })?;
        let leaf = |key: &[u8], value: &[u8]| Leaf { place: key_place(key), value: sha256(&[value]) };
        let mut leaves = Vec::new();
        for record in view.records(Unbounded)? {
            let (key, value) = record?;
            leaves.push(leaf(&key, &value));
        }
        let write = store::begin(&database, true)?;
        {
            let mut state = write.open_table(STATE)?;
            let mut end = state.upper_bound_mut(Unbounded::<&[u8]>)?;
            for (key, value) in records {
                leaves.push(leaf(&key, &value));
                end.insert_before(key.as_slice(), value.as_slice())?;
            }
            end.close()?;
            leaves.sort_unstable_by_key(|leaf| leaf.place);
            if leaves.windows(2).any(|two| two[0].place == two[1].place) {
                return Err(Error::Damaged("a record of the genesis stands twice"));
            }
            let mut nodes = write.open_table(NODES)?;
            nodes.retain(|_, _| false)?;
            let (mut upper, mut branch, mut failed) = (Vec::new(), Vec::new(), None);
            let mut end = nodes.upper_bound_mut(Unbounded::<&[u8]>)?;
            let state = build(&leaves, &mut Vec::new(), &mut |path, node| {
                let to = if path.len() < 2 { &mut upper } else { &mut branch };
                to.push((node_place(0, path), node.bytes(0)));
                // Below a branch's own node there is nothing more of it, and what follows has higher places.
                if path.len() == 2 {
                    branch.sort_unstable();
                    for (place, node) in branch.drain(..) {
                        let stored = end.insert_before(place.as_slice(), node.as_slice());
                        failed = failed.take().or(stored.err());
                    }
                }
            });
            end.close()?;
            failed.map_or(Ok(()), Err)?;
            for (place, node) in upper {
                nodes.insert(place.as_slice(), node.as_slice())?;
            }
            let header = crate::Header { state_root: state.hash, ..view.header().clone() };
            write.open_table(HEADERS)?.insert(0, wire::to_vec(&header).as_slice())?;
        }
        Ok(write.commit()?)
    }
}
