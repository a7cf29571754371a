//! Makes a ledger's file from a snapshot, and begins with it.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crypto::Digest;
use crypto::merkle::Frontier;
use redb::{Builder, Database, ReadableDatabase, ReadableTable};

use super::{Ledger, Tip};
use crate::hashes::{self, HASHES};
use crate::memory;
use crate::node::{StoredNode, node_place};
use crate::seen::Seen;
use crate::snapshot::fold;
use crate::store::{
    self, BASE, BEGAN, COSIGNATURES, COSIGNED, ENTRIES, EPOCHS, Ended, HANDOVERS, HEADERS, IDS, KEPT, META, NODES,
    OLDEST, PAST, PLACES, RECENT, STALE, STATE,
};
use crate::{
    Certificate, Checkpoint, CosignedBy, Epoch, Error, Handover, Header, LEAVES, Manifest, Part, SnapshotError, Trust,
};

/// Reads a part of a snapshot where it is staged.
pub type Staged<'a> = dyn Fn(Part) -> std::io::Result<Vec<u8>> + 'a;

impl Ledger {
    /// Verifies a part of a snapshot of which the manifest is verified. For one of the last hour, `staged` gives the leaves of the log,
    /// which came before.
    ///
    /// # Errors
    /// [`Error::Snapshot`]: whoever sent it is at fault. [`Error::Store`] where what is staged cannot be read.
    pub fn check_part(manifest: &Manifest, part: Part, bytes: &[u8], staged: &Staged<'_>) -> Result<(), Error> {
        match part {
            Part::Manifest | Part::Certificate => return Err(SnapshotError::Form("list of parts").into()),
            Part::Branch(index) => drop(manifest.branch(index, bytes, &mut |_, _| {})?),
            Part::Leaves(index) => drop(manifest.leaves(index, bytes)?),
            Part::Recent(index) => {
                let mut leaves = Leaves { staged, read: HashMap::new(), failed: None };
                let recent = manifest.recent(index, bytes, &mut |at| leaves.get(at));
                if let Some(failed) = leaves.failed {
                    return Err(failed.into());
                }
                recent?;
            }
        }
        Ok(())
    }

    /// Makes a ledger's file from a snapshot all of whose parts are staged, verifying all of it, and forces it to disk. `trust` began with
    /// this ledger, and certifies the manifest's header by `certificate`. A log that does not contain `pinned` is refused. What an
    /// earlier attempt has left at `path` is removed.
    ///
    /// # Errors
    /// [`Error::Snapshot`], [`Error::Moved`], [`Error::Store`], [`Error::Damaged`]. The file is not to be used then.
    pub fn restore(
        &self,
        path: &Path,
        (manifest, certificate, trust): (&Manifest, &Certificate, &Trust),
        pinned: Option<&Checkpoint>,
        staged: &Staged<'_>,
    ) -> Result<(), Error> {
        manifest.verify()?;
        trust.certify(&manifest.header, certificate)?;
        if trust.head != self.head() {
            return Err(Error::Moved);
        }
        if path.exists() {
            fs::remove_file(path)?;
        }
        let database = Builder::new().set_cache_size(memory::pages()).create(path)?;
        let writer = Writer { database: &database, version: manifest.header.height };
        writer.tables(self, &manifest.header)?;
        for index in 0..manifest.branches.len() {
            let index = u32::try_from(index).map_err(|_| Error::Oversize)?;
            writer.branch(manifest, index, &staged(Part::Branch(index))?)?;
        }
        let mut upper = Vec::new();
        fold(&manifest.branches, 0, &mut |path, node| upper.push((path.to_vec(), node)));
        writer.nodes(upper)?;
        writer.log(manifest, pinned, staged)?;
        for index in 0..manifest.recent.len() {
            let index = u32::try_from(index).map_err(|_| Error::Oversize)?;
            writer.recent(manifest, index, staged)?;
        }
        let in_force = Tip::read(&database, &*self.application)?.epoch;
        writer.epochs(self, trust, &in_force)?;
        if certificate.headers.is_empty() {
            writer.cosigned(&manifest.header, &certificate.cosignatures)?;
        }
        // All that was written so far, too.
        store::begin(&database, true)?.commit()?;
        drop(database);
        Ok(())
    }

    /// Goes on with the ledger in the file `staged`, as [`Ledger::restore`] made it, which takes the place of the one at `path`: this
    /// ledger's own. After a crash the one or the other is there, whole. Those who read from the old one go on until [`Ledger::release`].
    ///
    /// # Errors
    /// [`Error::Moved`] where this ledger has grown since `trust` began with it, [`Error::OtherChain`], [`Error::Damaged`], [`Error::Store`]:
    /// nothing has changed.
    pub fn adopt(&self, staged: &Path, path: &Path, trust: &Trust) -> Result<Header, Error> {
        let database = Builder::new().set_cache_size(memory::pages()).open(staged)?;
        let found = store::genesis(&database.begin_read()?)?.chain();
        if found != self.chain {
            return Err(Error::OtherChain { found, expected: self.chain });
        }
        let new = Tip::read(&database, &*self.application)?;
        let header = new.header.clone();
        {
            let mut tip = self.lock();
            if tip.header != trust.head || header.height <= tip.header.height {
                return Err(Error::Moved);
            }
            fs::rename(staged, path)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::File::open(parent)?.sync_all()?;
            *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Seen::after(header.height, header.time);
            self.publish(header.height, &new.pending);
            let old = {
                let mut current = self.database.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *current, Arc::new(database))
            };
            *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = Some(old);
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = None;
            *self.head.write().unwrap_or_else(PoisonError::into_inner) = header.clone();
            self.durable.store(header.height, Ordering::Release);
            *tip = new;
        }
        self.announce(Some(&header));
        Ok(header)
    }
}

impl Ledger {
    /// Lets go of the file that [`Ledger::adopt`] took the place of, whose room the disk has back then: when nobody reads from it any more. Whoever
    /// still does is refused.
    pub fn release(&self) {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Fills a new ledger's file. Nothing is forced to disk before the end.
struct Writer<'a> {
    database: &'a Database,
    /// The height of the snapshot.
    version: u64,
}

impl Writer<'_> {
    fn write(&self, fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), Error>) -> Result<(), Error> {
        let write = store::begin(self.database, false)?;
        fill(&write)?;
        Ok(write.commit()?)
    }

    /// All tables, and what says where the ledger begins.
    fn tables(&self, own: &Ledger, header: &Header) -> Result<(), Error> {
        self.write(|write| {
            let mut meta = write.open_table(META)?;
            meta.insert("genesis", wire::to_vec(&own.genesis).as_slice())?;
            meta.insert(BEGAN, header.height.to_be_bytes().as_slice())?;
            meta.insert(OLDEST, header.height.to_be_bytes().as_slice())?;
            meta.insert(KEPT, (header.height + 1).to_be_bytes().as_slice())?;
            write.open_table(HEADERS)?;
            write.open_table(ENTRIES)?;
            write.open_table(IDS)?;
            write.open_table(HASHES)?;
            write.open_table(STATE)?;
            write.open_table(RECENT)?;
            write.open_table(NODES)?;
            write.open_table(PAST)?;
            write.open_table(STALE)?;
            write.open_table(EPOCHS)?;
            write.open_table(PLACES)?;
            write.open_table(HANDOVERS)?;
            write.open_table(COSIGNATURES)?;
            write.open_table(COSIGNED)?;
            Ok(())
        })
    }

    fn branch(&self, manifest: &Manifest, index: u32, bytes: &[u8]) -> Result<(), Error> {
        let mut nodes = Vec::new();
        let records = manifest.branch(index, bytes, &mut |path, node| nodes.push((path.to_vec(), node)))?;
        self.write(|write| {
            let mut state = write.open_table(STATE)?;
            for record in &records {
                state.insert(&*record.key, &*record.value)?;
            }
            Ok(())
        })?;
        self.nodes(nodes)
    }

    fn nodes(&self, nodes: Vec<(Vec<u8>, StoredNode)>) -> Result<(), Error> {
        self.write(|write| {
            let mut table = write.open_table(NODES)?;
            for (path, node) in nodes {
                table.insert(node_place(self.version, &path).as_slice(), node.bytes(self.version).as_slice())?;
            }
            Ok(())
        })
    }

    fn log(&self, manifest: &Manifest, pinned: Option<&Checkpoint>, staged: &Staged<'_>) -> Result<(), Error> {
        let mut log = Frontier::default();
        let mut contained = pinned.is_none();
        for index in 0..manifest.log.len() {
            let index = u32::try_from(index).map_err(|_| Error::Oversize)?;
            let hashes = manifest.leaves(index, &staged(Part::Leaves(index))?)?;
            self.write(|write| {
                let mut subtrees = Vec::new();
                for hash in hashes {
                    contained |= pinned.is_some_and(|pinned| pinned.size == log.size() && pinned.root == log.root());
                    log.push(hash, |level, index, digest| subtrees.push((level, index, digest)));
                }
                hashes::store(write, &subtrees)
            })?;
        }
        contained |= pinned.is_some_and(|pinned| pinned.size == log.size() && pinned.root == log.root());
        match (contained, pinned) {
            (false, Some(pinned)) => Err(SnapshotError::Pinned { size: pinned.size }.into()),
            _ => Ok(()),
        }
    }

    fn recent(&self, manifest: &Manifest, index: u32, staged: &Staged<'_>) -> Result<(), Error> {
        let bytes = staged(Part::Recent(index))?;
        let mut leaves = Leaves { staged, read: HashMap::new(), failed: None };
        let blocks = manifest.recent(index, &bytes, &mut |at| leaves.get(at));
        if let Some(failed) = leaves.failed {
            return Err(failed.into());
        }
        let blocks = blocks?;
        self.write(|write| {
            let (mut headers, mut ids) = (write.open_table(HEADERS)?, write.open_table(IDS)?);
            for block in &blocks {
                let from = block.header.log_size - block.outcomes.len() as u64;
                headers.insert(block.header.height, wire::to_vec(&block.header).as_slice())?;
                for (brief, at) in block.outcomes.iter().zip(from..) {
                    ids.insert(brief.id.as_bytes(), at)?;
                }
            }
            if index == 0 {
                let base = blocks.first().map_or(0, |first| first.header.height);
                write.open_table(META)?.insert(BASE, base.to_be_bytes().as_slice())?;
            }
            Ok(())
        })
    }

    /// Epochs up to the one in force, with how each ended: those that this node's own ledger knows, and those handed over since.
    fn epochs(&self, own: &Ledger, trust: &Trust, in_force: &Epoch) -> Result<(), Error> {
        let read = own.database().begin_read()?;
        let table = read.open_table(EPOCHS)?;
        let ends = read.open_table(HANDOVERS)?;
        self.write(|write| {
            let mut epochs = write.open_table(EPOCHS)?;
            for item in table.iter()? {
                let (number, epoch) = item?;
                epochs.insert(number.value(), epoch.value())?;
            }
            let handed = trust.known.iter().map(|(epoch, _)| epoch).chain([in_force]);
            for epoch in handed.filter(|epoch| epoch.number <= in_force.number) {
                epochs.insert(epoch.number, wire::to_vec(epoch).as_slice())?;
            }
            let mut handovers = write.open_table(HANDOVERS)?;
            for item in ends.iter()? {
                let (number, ended) = item?;
                handovers.insert(number.value(), ended.value())?;
            }
            Ok(())
        })?;
        // Each epoch's last block, also where nothing shows who came after it.
        for item in table.iter()? {
            let number = item?.0.value();
            let Some(end) = own.view()?.last_before(number)? else { continue };
            let header = own.header(end)?.ok_or(Error::UnknownBlock(end))?;
            let cosignatures = own.cosignatures(end)?.into_iter();
            let cosignatures: Vec<_> =
                cosignatures.map(|(name, cosignature)| CosignedBy { name, cosignature }).collect();
            self.header(&header)?;
            self.cosigned(&header, &cosignatures)?;
        }
        for Handover { header, cosignatures, shown } in &trust.handovers {
            if header.height > self.version {
                break;
            }
            self.header(header)?;
            self.cosigned(header, cosignatures)?;
            let ended = Ended { height: header.height, shown: shown.clone() };
            self.write(|write| {
                write.open_table(HANDOVERS)?.insert(header.epoch, wire::to_vec(&ended).as_slice())?;
                Ok(())
            })?;
        }
        Ok(())
    }

    fn header(&self, header: &Header) -> Result<(), Error> {
        self.write(|write| {
            write.open_table(HEADERS)?.insert(header.height, wire::to_vec(header).as_slice())?;
            Ok(())
        })
    }

    fn cosigned(&self, header: &Header, cosignatures: &[CosignedBy]) -> Result<(), Error> {
        let read = self.database.begin_read()?;
        let epoch = store::epoch(&read, header.epoch)?.ok_or(Error::Damaged("a missing epoch"))?;
        self.write(|write| {
            let mut table = write.open_table(COSIGNATURES)?;
            for CosignedBy { name, cosignature } in cosignatures {
                table.insert((header.height, name.as_str()), wire::to_vec(cosignature).as_slice())?;
            }
            if cosignatures.len() >= epoch.quorum() {
                write.open_table(COSIGNED)?.insert(header.log_size, header.height)?;
            }
            Ok(())
        })
    }
}

/// Leaf hashes out of staged parts, which were verified when they came: what they prove is checked against them, and they against the
/// header, before anything is used.
struct Leaves<'a> {
    staged: &'a Staged<'a>,
    /// The parts read last.
    read: HashMap<u32, Vec<u8>>,
    failed: Option<std::io::Error>,
}

impl Leaves<'_> {
    fn get(&mut self, at: u64) -> Option<Digest> {
        let part = u32::try_from(at / LEAVES).ok()?;
        if !self.read.contains_key(&part) {
            match (self.staged)(Part::Leaves(part)) {
                Ok(bytes) => {
                    if self.read.len() > 1 {
                        self.read.clear();
                    }
                    self.read.insert(part, bytes);
                }
                Err(error) => {
                    self.failed = Some(error);
                    return None;
                }
            }
        }
        let (hashes, _) = self.read.get(&part)?.as_chunks::<32>();
        hashes.get(usize::try_from(at % LEAVES).ok()?).map(|hash| Digest::from(*hash))
    }
}
