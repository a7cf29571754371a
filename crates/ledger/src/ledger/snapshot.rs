//! Makes snapshots, certificates and hand-overs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Bound::Unbounded;
use std::path::{Path, PathBuf};

use crypto::merkle::Frontier;
use crypto::{Digest, sha256};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable};

use super::Ledger;
use crate::hashes::Hashes;
use crate::node::{Leaf, build, key_place, nibble};
use crate::snapshot::{Brief, CERTIFICATE, MANIFEST, MAX_DEPTH, PART, PART_BYTES, Recent, Record, keys_of_epoch};
use crate::store::{self, COSIGNED, ENTRIES, EPOCHS, Ended, HANDOVERS, HEADERS, PAST, decode};
use crate::{
    Branch, Certificate, Committed, CosignedBy, EXPIRY_WINDOW, Error, HISTORY, Handover, Header, LEAVES, Manifest,
    Pair, Part, Shown, State, Stretch, Trust, Unreadable, View,
};

/// A snapshot in files of its own, to be handed on part by part.
pub struct Snapshot {
    manifest: Manifest,
    bytes: Vec<u8>,
    id: Digest,
    state: PathBuf,
    /// Where each branch ends in the file.
    ends: Vec<u64>,
}

impl Snapshot {
    /// What it consists of.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest's identity.
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// About how many bytes it has, all parts together.
    pub fn size(&self) -> u64 {
        let state = self.ends.last().copied().unwrap_or(0);
        self.bytes.len() as u64 + state + 32 * self.manifest.header.log_size
    }

    /// A part's bytes; none where it has no such part. The certificate is [`Ledger::certificate`]'s.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Gone`].
    pub fn part(&self, ledger: &Ledger, part: Part) -> Result<Option<Vec<u8>>, Error> {
        match part {
            Part::Manifest => Ok(Some(self.bytes.clone())),
            Part::Certificate => Ok(None),
            Part::Branch(index) => {
                let index = index as usize;
                let Some(end) = self.ends.get(index) else { return Ok(None) };
                let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
                let mut bytes = vec![0; usize::try_from(end - start).map_err(|_| Error::Damaged("a snapshot"))?];
                let mut state = File::open(&self.state)?;
                state.seek(SeekFrom::Start(start))?;
                state.read_exact(&mut bytes)?;
                Ok(Some(bytes))
            }
            Part::Leaves(index) => {
                let from = u64::from(index) * LEAVES;
                let to = self.manifest.header.log_size.min(from.saturating_add(LEAVES));
                if from >= to {
                    return Ok(None);
                }
                Ok(Some(Hashes::new(&ledger.database().begin_read()?)?.range(0, from, to)?))
            }
            Part::Recent(index) => {
                let index = index as usize;
                let Some(stretch) = self.manifest.recent.get(index) else { return Ok(None) };
                let last =
                    self.manifest.recent.get(index + 1).map_or(self.manifest.header.height, |next| next.first - 1);
                let read = ledger.database().begin_read()?;
                let mut blocks = Vec::new();
                for height in stretch.first..=last {
                    blocks.push(recent(&read, height, index == 0 && height == stretch.first)?);
                }
                Ok(Some(wire::to_vec(&blocks)))
            }
        }
    }
}

impl Ledger {
    /// Makes a snapshot of the state after a block that is kept, in a directory that it empties before; about as many bytes as the state are
    /// written there, and as many again while it is made. Blocks that follow go on meanwhile.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Pruned`] where the block's state is not kept, or too much has changed since; [`Error::Gone`] where the
    /// last hour's transactions are not there, [`Error::Oversize`], [`Error::Store`].
    pub fn snapshot(&self, height: u64, directory: &Path) -> Result<Snapshot, Error> {
        let reading = self.reading()?;
        let view = View::new(&reading)?;
        let read = reading.read;
        let newest = view.header().height;
        if height < view.oldest() {
            return Err(Error::Pruned { found: height, oldest: view.oldest() });
        }
        let header = store::header(&read, height)?.ok_or(Error::UnknownBlock(height))?;
        let since = since(&read, height, newest)?;
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        let mut buckets = Buckets::new(directory);
        for item in view.records(Unbounded)? {
            let (key, value) = item?;
            match since.get(&key) {
                Some(None) => {}
                Some(Some(before)) => buckets.add(&key, before)?,
                None => buckets.add(&key, &value)?,
            }
        }
        for (key, before) in &since {
            // Those that were removed since.
            if let Some(before) = before
                && view.value(key)?.is_none()
            {
                buckets.add(key, before)?;
            }
        }
        drop((since, view));
        let path = directory.join("state");
        let mut out = Out { file: BufWriter::new(File::create_new(&path)?), at: 0, ends: vec![], branches: vec![] };
        buckets.write(&mut out)?;
        let Out { file, ends, branches, .. } = out;
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        let (log, recent) = (log_roots(&read, header.log_size)?, stretches(&read, &header)?);
        let manifest = Manifest { format: Manifest::FORMAT.into(), header, branches, log, recent };
        let bytes = wire::to_vec(&manifest);
        if bytes.len() > MANIFEST.bytes {
            return Err(Error::Oversize);
        }
        // What does not verify here is not handed to anybody.
        manifest.verify()?;
        Ok(Snapshot { id: manifest.id(), manifest, bytes, state: path, ends })
    }

    /// The certificate of a block, where a quorum has cosigned it or one of the blocks after it, not too far.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::NotCosigned`], [`Error::Store`].
    pub fn certificate(&self, height: u64) -> Result<Certificate, Error> {
        let header = self.header(height)?.ok_or(Error::UnknownBlock(height))?;
        let not_cosigned = || Error::NotCosigned { index: header.log_size.saturating_sub(1) };
        let table = self.database().begin_read()?.open_table(COSIGNED)?;
        let cosigned = table.range(header.log_size..)?.next().transpose()?.ok_or_else(not_cosigned)?.1.value();
        if cosigned < height || cosigned - height > HISTORY {
            return Err(not_cosigned());
        }
        let headers = (height + 1..=cosigned).map(|height| self.header(height)?.ok_or(Error::UnknownBlock(height)));
        let headers = headers.collect::<Result<_, _>>()?;
        let cosignatures = self.cosignatures(cosigned)?.into_iter();
        let cosignatures = cosignatures.map(|(name, cosignature)| CosignedBy { name, cosignature }).collect();
        let certificate = Certificate { headers, cosignatures };
        match wire::to_vec(&certificate).len() <= CERTIFICATE.bytes {
            true => Ok(certificate),
            false => Err(not_cosigned()),
        }
    }

    /// How epochs handed over to the next, from the one of this number on, as many as fit in `max_bytes` and a quorum has cosigned.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Damaged`].
    pub fn handovers(&self, from: u64, max_bytes: usize) -> Result<Vec<Handover>, Error> {
        let table = self.database().begin_read()?.open_table(HANDOVERS)?;
        let (mut handovers, mut bytes) = (Vec::new(), 0);
        for item in table.range(from..)? {
            let Ended { height, shown } = decode(item?.1.value())?;
            let header = self.header(height)?.ok_or(Error::UnknownBlock(height))?;
            let epoch = self.epoch(header.epoch)?.ok_or(Error::Damaged("a missing epoch"))?;
            let cosignatures = self.cosignatures(height)?.into_iter();
            let cosignatures: Vec<_> =
                cosignatures.map(|(name, cosignature)| CosignedBy { name, cosignature }).collect();
            if cosignatures.len() < epoch.quorum() {
                break;
            }
            let handover = Handover { header, cosignatures, shown };
            bytes += wire::to_vec(&handover).len();
            if bytes > max_bytes && !handovers.is_empty() {
                break;
            }
            handovers.push(handover);
        }
        Ok(handovers)
    }

    /// What this ledger knows of who answers for later blocks.
    pub fn trust(&self) -> Trust {
        let tip = self.lock();
        Trust::new(tip.header.clone(), tip.epoch.clone())
    }

    /// Verifies a hand-over with this ledger's application: [`Trust::follow`].
    ///
    /// # Errors
    /// [`crate::SnapshotError`].
    pub fn follow(&self, trust: &mut Trust, handover: Handover) -> Result<(), crate::SnapshotError> {
        trust.follow(&*self.application, handover)
    }

    /// Makes what shows how epochs ended, where it is not there yet and can still be made.
    pub(super) fn show_ends(&self) -> Result<(), Error> {
        let view = self.view()?;
        let read = self.database().begin_read()?;
        let epochs = read.open_table(EPOCHS)?;
        let done = match read.open_table(HANDOVERS) {
            Err(redb::TableError::TableDoesNotExist(_)) => None,
            done => Some(done?),
        };
        let mut made = Vec::new();
        // The newest first: once one cannot be made, no older one can.
        for item in epochs.iter()?.rev() {
            let number = item?.0.value();
            let Some(end) = view.last_before(number)? else { break };
            if end < view.oldest() {
                break;
            }
            let header = self.header(end)?.ok_or(Error::UnknownBlock(end))?;
            if done.as_ref().map(|done| done.get(header.epoch)).transpose()?.flatten().is_some() {
                break;
            }
            let state = At { view: &view, height: end };
            let keys = keys_of_epoch(&*self.application, &state).map_err(Error::Application)?;
            let shown = keys.into_iter().map(|key| {
                let proven = view.prove_at(end, &key)?;
                Ok(Shown { key: proven.key, value: proven.value, proof: proven.proof })
            });
            made.push((header.epoch, Ended { height: end, shown: shown.collect::<Result<_, Error>>()? }));
        }
        if made.is_empty() && done.is_some() {
            return Ok(());
        }
        // Made again where a crash loses it.
        let write = store::begin(&self.database(), false)?;
        {
            let mut table = write.open_table(HANDOVERS)?;
            for (epoch, ended) in made {
                table.insert(epoch, wire::to_vec(&ended).as_slice())?;
            }
        }
        write.commit()?;
        self.loose.store(true, std::sync::atomic::Ordering::Release);
        Ok(())
    }
}

/// The state after an earlier block.
struct At<'a> {
    view: &'a View,
    height: u64,
}

impl State for At<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.view.prove_at(self.height, key)?.value.map(|value| value.to_vec()))
    }

    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, Unreadable> {
        Err(Unreadable("keys are shown one by one".into()))
    }
}

/// What blocks after a height replaced, as it was after that height.
fn since(read: &ReadTransaction, height: u64, newest: u64) -> Result<BTreeMap<Vec<u8>, Option<Vec<u8>>>, Error> {
    let (mut since, mut bytes) = (BTreeMap::new(), 0);
    let past = read.open_table(PAST)?;
    for item in past.range((height + 1, [].as_slice())..)? {
        let (place, value) = item?;
        let (_, key) = place.value();
        if !since.contains_key(key) {
            let value = value.value().map(<[u8]>::to_vec);
            bytes += key.len() + value.as_ref().map_or(0, Vec::len) + 100;
            if bytes > MAX_SINCE {
                return Err(Error::Pruned { found: height, oldest: newest });
            }
            since.insert(key.to_vec(), value);
        }
    }
    Ok(since)
}

/// Roots of the log's stretches.
fn log_roots(read: &ReadTransaction, size: u64) -> Result<Vec<Digest>, Error> {
    let hashes = Hashes::new(read)?;
    let whole = hashes.range(LEAVES.ilog2() as u8, 0, size / LEAVES)?;
    let mut roots: Vec<_> = whole.as_chunks().0.iter().map(|root| Digest::from(*root)).collect();
    if !size.is_multiple_of(LEAVES) {
        let mut rest = Frontier::default();
        for leaf in hashes.range(0, size / LEAVES * LEAVES, size)?.as_chunks().0 {
            rest.push(Digest::from(*leaf), |_, _, _| {});
        }
        roots.push(rest.root());
    }
    Ok(roots)
}

/// The stretches of the last hour before a block.
fn stretches(read: &ReadTransaction, header: &Header) -> Result<Vec<Stretch>, Error> {
    let headers = read.open_table(HEADERS)?;
    let at = |height: u64| -> Result<Header, Error> {
        decode(headers.get(height)?.ok_or(Error::UnknownBlock(height))?.value())
    };
    // The last block that is so old, or the first of all.
    let (mut from, mut to) = (store::number(read, store::BASE)?.unwrap_or(0), header.height);
    while from < to {
        let middle = from + (to - from).div_ceil(2);
        match at(middle)?.time.saturating_add(EXPIRY_WINDOW) <= header.time {
            true => from = middle,
            false => to = middle - 1,
        }
    }
    let first = at(from)?;
    let kept = store::kept(read)?;
    if first.height != 0 && first.time.saturating_add(EXPIRY_WINDOW) > header.time || first.height + 1 < kept.height {
        return Err(Error::Gone { oldest: kept.height });
    }
    let mut stretches = Vec::new();
    let (mut begun, mut size, mut bytes) = (from, first.log_size, 0);
    for height in from..=header.height {
        let block = recent(read, height, height == from)?;
        bytes += wire::to_vec(&block).len();
        let (last, log_size) = (block.header.digest(), block.header.log_size);
        if bytes >= PART_BYTES || height == header.height {
            stretches.push(Stretch { first: begun, size, last });
            (begun, size, bytes) = (height + 1, log_size, 0);
        }
    }
    Ok(stretches)
}

/// A block of the last hour; the very first one without its transactions.
fn recent(read: &ReadTransaction, height: u64, alone: bool) -> Result<Recent, Error> {
    let header = store::header(read, height)?.ok_or(Error::UnknownBlock(height))?;
    let mut outcomes = Vec::new();
    if !alone && let Some(before) = height.checked_sub(1) {
        let before = store::header(read, before)?.ok_or(Error::UnknownBlock(before))?;
        store::kept(read)?.check(before.log_size)?;
        for item in read.open_table(ENTRIES)?.range(before.log_size..header.log_size)? {
            let (index, entry) = item?;
            let entry = Committed::from_bytes(index.value(), entry.value());
            let Committed { transaction, outcome, .. } = entry.map_err(|_| Error::Damaged("an entry"))?;
            outcomes.push(Brief { id: transaction.id(), events: outcome.events_digest(), code: outcome.code });
        }
    }
    Ok(Recent { header, outcomes })
}

/// Records by the first byte of their places, on disk where they are many.
struct Buckets {
    directory: PathBuf,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Default)]
struct Bucket {
    waiting: Vec<u8>,
    spilt: bool,
    count: u64,
    bytes: u64,
}

/// A record with its place.
struct Placed {
    leaf: Leaf,
    record: Record,
}

impl Placed {
    fn size(&self) -> u64 {
        (self.record.key.len() + self.record.value.len()) as u64
    }
}

impl Buckets {
    fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), buckets: vec![Bucket::default(); 256] }
    }

    fn path(&self, at: usize) -> PathBuf {
        self.directory.join(format!("bucket-{at}"))
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let at = usize::from(key_place(key)[0]);
        let bucket = &mut self.buckets[at];
        bucket.count += 1;
        bucket.bytes += (key.len() + value.len()) as u64;
        for part in [key, value] {
            let length = u32::try_from(part.len()).map_err(|_| Error::Oversize)?;
            bucket.waiting.extend_from_slice(&length.to_be_bytes());
            bucket.waiting.extend_from_slice(part);
        }
        if bucket.waiting.len() > SPILL {
            let waiting = std::mem::take(&mut bucket.waiting);
            bucket.spilt = true;
            File::options().create(true).append(true).open(self.path(at))?.write_all(&waiting)?;
        }
        Ok(())
    }

    /// A bucket's records in order of their places; it is empty then.
    fn take(&mut self, at: usize) -> Result<Vec<Placed>, Error> {
        let Bucket { waiting, spilt, .. } = std::mem::take(&mut self.buckets[at]);
        let mut bytes = Vec::new();
        if spilt {
            bytes = fs::read(self.path(at))?;
            fs::remove_file(self.path(at))?;
        }
        bytes.extend_from_slice(&waiting);
        let (mut placed, mut rest) = (Vec::new(), bytes.as_slice());
        let mut part = || {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let (part, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            Some(part)
        };
        while let Some(key) = part() {
            let value = part().ok_or(Error::Damaged("a snapshot"))?;
            let leaf = Leaf { place: key_place(key), value: sha256(&[value]) };
            placed.push(Placed { leaf, record: Record { key: key.to_vec().into(), value: value.to_vec().into() } });
        }
        placed.sort_unstable_by_key(|placed| placed.leaf.place);
        Ok(placed)
    }

    /// Writes all records as branches.
    fn write(&mut self, out: &mut Out) -> Result<(), Error> {
        let all = self.buckets.len();
        self.write_range(0, all, vec![], out)
    }

    /// Those of a range of buckets, whose paths have two nibbles: what is above them is decided by their sums.
    fn write_range(&mut self, from: usize, width: usize, path: Vec<u8>, out: &mut Out) -> Result<(), Error> {
        let range = from..from + width;
        let own = &self.buckets[range.clone()];
        let (count, bytes): (u64, u64) = (own.iter().map(|one| one.count).sum(), own.iter().map(|one| one.bytes).sum());
        if count == 0 {
            return Ok(());
        }
        if width == 1 || count == 1 || bytes <= PART_BYTES as u64 {
            let mut placed = Vec::new();
            for at in range {
                placed.append(&mut self.take(at)?);
            }
            return out.write(&placed, path);
        }
        for nibble in 0..16u8 {
            let part = width / 16;
            self.write_range(from + usize::from(nibble) * part, part, [&path[..], &[nibble]].concat(), out)?;
        }
        Ok(())
    }
}

/// Where branches go.
struct Out {
    file: BufWriter<File>,
    at: u64,
    ends: Vec<u64>,
    branches: Vec<Branch>,
}

impl Out {
    /// Writes the subtree at a path: as one branch, or as those of its parts.
    fn write(&mut self, placed: &[Placed], path: Vec<u8>) -> Result<(), Error> {
        if placed.is_empty() {
            return Ok(());
        }
        let bytes: u64 = placed.iter().map(Placed::size).sum();
        if placed.len() > 1 && bytes > PART_BYTES as u64 && path.len() < MAX_DEPTH {
            let mut rest = placed;
            for own in 0..16u8 {
                let end = rest.partition_point(|one| nibble(&one.leaf.place, path.len()) <= own);
                self.write(&rest[..end], [&path[..], &[own]].concat())?;
                rest = &rest[end..];
            }
            return Ok(());
        }
        let leaves: Vec<Leaf> = placed.iter().map(|one| one.leaf).collect();
        let subtree = build(&leaves, &mut path.clone(), &mut |_, _| {});
        let records: Vec<&Record> = placed.iter().map(|one| &one.record).collect();
        let encoded = wire::to_vec(&records);
        if encoded.len() > PART.bytes {
            return Err(Error::Oversize);
        }
        self.file.write_all(&encoded)?;
        self.at += encoded.len() as u64;
        self.ends.push(self.at);
        self.branches.push(Branch { path: path.into(), count: subtree.count, hash: subtree.hash });
        Ok(())
    }
}

/// Bytes of what was replaced since a block that are held in memory: 256 MiB.
const MAX_SINCE: usize = 256 << 20;

/// Bytes of a bucket that wait in memory.
const SPILL: usize = 128 << 10;
