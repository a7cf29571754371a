//! The log's hashes as they are stored: those of one level side by side, as many as a block brings.

use crypto::Digest;
use redb::{ReadOnlyTable, ReadTransaction, TableDefinition, TableError, WriteTransaction};

use crate::Error;

/// (Level, index of the first) → roots of complete subtrees of the log that follow on each other, 32 bytes each.
pub(crate) const HASHES: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("hashes");

/// (Level, index) → root of a complete subtree: those that were stored one by one. None is added any more; each is there or in [`HASHES`].
pub(crate) const SINGLE: TableDefinition<(u8, u64), &[u8; 32]> = TableDefinition::new("tree");

/// Reads them.
pub(crate) struct Hashes {
    runs: ReadOnlyTable<(u8, u64), &'static [u8]>,
    single: Option<ReadOnlyTable<(u8, u64), &'static [u8; 32]>>,
}

impl Hashes {
    pub(crate) fn new(read: &ReadTransaction) -> Result<Self, Error> {
        let single = match read.open_table(SINGLE) {
            Err(TableError::TableDoesNotExist(_)) => None,
            single => Some(single?),
        };
        Ok(Self { runs: read.open_table(HASHES)?, single })
    }

    /// The root of a complete subtree, where the log has it.
    pub(crate) fn get(&self, level: u8, index: u64) -> Result<Option<Digest>, Error> {
        if let Some(run) = self.runs.range((level, 0)..=(level, index))?.next_back().transpose()? {
            let (first, (hashes, _)) = (run.0.value().1, run.1.value().as_chunks());
            let at = usize::try_from(index - first).ok().and_then(|at| hashes.get(at));
            if let Some(hash) = at {
                return Ok(Some(Digest::from(*hash)));
            }
        }
        let Some(single) = &self.single else { return Ok(None) };
        Ok(single.get((level, index))?.map(|hash| Digest::from(*hash.value())))
    }

    /// Those of a level from an index on and up to another, one after the other.
    ///
    /// # Errors
    /// [`Error::Damaged`] where one of them is missing.
    pub(crate) fn range(&self, level: u8, from: u64, to: u64) -> Result<Vec<u8>, Error> {
        let missing = || Error::Damaged("a missing subtree");
        let mut bytes = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or(0).min(MOST) * 32);
        let mut next = from;
        if let Some(single) = &self.single {
            for item in single.range((level, from)..(level, to))? {
                let (place, hash) = item?;
                if place.value().1 != next {
                    break;
                }
                bytes.extend_from_slice(hash.value());
                next += 1;
            }
        }
        if next >= to {
            return Ok(bytes);
        }
        let first = self.runs.range((level, 0)..=(level, next))?.next_back().transpose()?;
        let first = first.ok_or_else(missing)?.0.value();
        for item in self.runs.range(first..(level, to))? {
            let (place, run) = item?;
            let (begin, (hashes, _)) = (place.value().1, run.value().as_chunks::<32>());
            let skipped = next.checked_sub(begin).ok_or_else(missing)?;
            let hashes = usize::try_from(skipped).ok().and_then(|skipped| hashes.get(skipped..)).ok_or_else(missing)?;
            let left = usize::try_from(to - next).unwrap_or(usize::MAX);
            let hashes = &hashes[..hashes.len().min(left)];
            bytes.extend_from_slice(hashes.as_flattened());
            next += hashes.len() as u64;
        }
        if next < to { Err(missing()) } else { Ok(bytes) }
    }
}

/// Adds the subtrees that grew next, as [`crypto::merkle::Frontier::push`] tells of them.
pub(crate) fn store(write: &WriteTransaction, subtrees: &[(u32, u64, Digest)]) -> Result<(), Error> {
    let mut table = write.open_table(HASHES)?;
    let mut levels: Vec<(u64, Vec<u8>)> = Vec::new();
    for (level, index, digest) in subtrees {
        let at = *level as usize;
        // A subtree is complete when its right half is: the levels below have grown before.
        if at == levels.len() {
            levels.push((*index, Vec::new()));
        }
        let (first, run) = &mut levels[at];
        run.extend_from_slice(digest.as_bytes());
        if run.len() == RUN {
            table.insert((at as u8, *first), run.as_slice())?;
            (*first, *run) = (index + 1, Vec::new());
        }
    }
    for (level, (first, run)) in (0..).zip(&levels).filter(|(_, (_, run))| !run.is_empty()) {
        table.insert((level, *first), run.as_slice())?;
    }
    Ok(())
}

/// Most bytes of a run: it fills a page of the store.
const RUN: usize = 118 * 32;

/// Hashes that there is room for at once before they are read.
const MOST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use crypto::merkle::Frontier;
    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Builder, Database, ReadableDatabase};

    use super::*;

    fn leaf(at: u64) -> Digest {
        crypto::sha256(&[&at.to_be_bytes()])
    }

    /// Adds leaves, as one block.
    fn grow(database: &Database, log: &mut Frontier, leaves: u64, all: &mut Vec<(u32, u64, Digest)>, singly: bool) {
        let mut subtrees = Vec::new();
        for _ in 0..leaves {
            log.push(leaf(log.size()), |level, index, digest| subtrees.push((level, index, digest)));
        }
        let write = database.begin_write().unwrap();
        if singly {
            let mut table = write.open_table(SINGLE).unwrap();
            for (level, index, digest) in &subtrees {
                table.insert((*level as u8, *index), digest.as_bytes()).unwrap();
            }
        } else {
            store(&write, &subtrees).unwrap();
        }
        write.commit().unwrap();
        all.extend(subtrees);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// However the log grew, also where its beginning was stored one by one: each hash is there, alone and among others, and no other is.
        #[test]
        fn each_is_found_however_the_log_grew(
            before in prop::collection::vec(1u64..40, 0..3),
            blocks in prop::collection::vec(prop_oneof![1u64..4, 1u64..400], 0..12),
            cuts in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 8),
        ) {
            let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
            let (mut log, mut all) = (Frontier::default(), Vec::new());
            grow(&database, &mut log, 0, &mut all, false);
            before.into_iter().for_each(|leaves| grow(&database, &mut log, leaves, &mut all, true));
            blocks.into_iter().for_each(|leaves| grow(&database, &mut log, leaves, &mut all, false));
            let hashes = Hashes::new(&database.begin_read().unwrap()).unwrap();
            for (level, index, digest) in &all {
                prop_assert_eq!(hashes.get(*level as u8, *index).unwrap(), Some(*digest));
            }
            for level in 0..10u8 {
                let own: Vec<u8> =
                    all.iter().filter(|one| one.0 == u32::from(level)).flat_map(|one| one.2.as_bytes().to_vec()).collect();
                let count = own.len() as u64 / 32;
                prop_assert_eq!(hashes.get(level, count).unwrap(), None);
                prop_assert!(hashes.range(level, 0, count + 1).is_err());
                for (one, other) in &cuts {
                    let (one, other) = (one.index(own.len() / 32 + 1), other.index(own.len() / 32 + 1));
                    let (from, to) = (one.min(other), one.max(other));
                    prop_assert_eq!(&hashes.range(level, from as u64, to as u64).unwrap(), &own[32 * from..32 * to]);
                }
            }
        }
    }
}
