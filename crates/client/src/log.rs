//! The transaction log far from its nodes: mirrored into a directory of static files, and checked there or at a node.
//!
//! Nothing is believed that does not lead to a checkpoint which a quorum of the pinned consortium cosigned
//! (`docs/spec/log.md`). An exported directory is a valid C2SP `tlog-tiles` log.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crypto::{Digest, merkle};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ledger::tile::{self, entries_fit, tile_root};
use ledger::{
    Checkpoint, Committed, Consortium, MAX_NOTE, Note, NoteError, PinnedWitnesses, Receipt, Tile, Unattested,
    VerifiedTransaction, WitnessKey,
};
use tokio::time::{Instant, sleep};

use crate::Client;
use crate::bucket::{self, Bucket};

/// How much of a log is mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The checkpoint and the hashes: what anyone may have.
    Hashes,
    /// Entries and transactions too: what members may have.
    Records,
}

/// What [`export`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The checkpoint that the directory now has.
    pub checkpoint: Checkpoint,
    /// Size of the log that it had before.
    pub before: u64,
    /// Files written, the checkpoint not counted.
    pub written: u64,
}

/// What [`check`] and [`check_node`] found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The note, to be kept for the next check.
    pub note: Note,
    /// Its checkpoint.
    pub checkpoint: Checkpoint,
    /// Who cosigned, in the epoch's order.
    pub cosigners: Vec<String>,
    /// Whether they cosigned with ML-DSA-65 as well, as the epoch demands.
    pub ml_dsa: bool,
    /// Names of the witnesses that were demanded, and when each cosigned, Unix seconds.
    pub witnesses: Vec<(String, u64)>,
    /// Tiles of hashes that were recomputed.
    pub tiles: u64,
    /// Transactions whose signatures and leaves were verified.
    pub records: u64,
}

/// What a checkpoint must satisfy beside having its quorum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demands<'a> {
    /// Witnesses each of which must have cosigned it.
    pub witnesses: &'a [WitnessKey],
    /// A checkpoint of before that it must continue.
    pub since: Option<&'a Note>,
}

/// Mirrors the log of the client's node into a directory, from where it stopped last. Whatever interrupts it, the
/// directory's checkpoint is one whose files are all there. `told` hears of files settled, and how many there are.
///
/// # Errors
/// [`Error`]. Nothing was written that does not fit the node's checkpoint.
pub async fn export(
    client: &Client,
    consortium: &Consortium,
    directory: &Path,
    depth: Depth,
    mut told: impl FnMut(u64, u64),
) -> Result<Exported, Error> {
    let shelf = Shelf::create(directory)?;
    let note = Note::parse(&client.log_checkpoint().await?)?;
    let new = note.verify(consortium)?.checkpoint;
    let before = match shelf.note()? {
        None => 0,
        Some(kept) => {
            let old = kept.verify(consortium)?.checkpoint;
            _ = continues(client, &old, &new).await?;
            old.size
        }
    };
    let all = Tile::levels(new.size).flat_map(|level| Tile::level(level, new.size)).count() as u64;
    let all = if depth == Depth::Records { all + 2 * new.size.div_ceil(Tile::WIDTH.into()) } else { all };
    let mut mirror = Mirror { client, shelf: &shelf, size: new.size, before, above: HashMap::new(), written: 0 };
    mirror.right_edge(&new.root).await?;
    let mut settled = 0;
    for level in Tile::levels(new.size) {
        for tile in Tile::level(level, new.size) {
            mirror.hashes(tile).await?;
            settled += 1;
            told(settled, all);
        }
    }
    if depth == Depth::Records {
        for index in 0..new.size.div_ceil(Tile::WIDTH.into()) {
            mirror.records(index).await?;
            settled += 2;
            told(settled, all);
        }
    }
    let written = mirror.written;
    shelf.write(CHECKPOINT, note.to_string().as_bytes())?;
    shelf.tidy(before, new.size)?;
    Ok(Exported { checkpoint: new, before, written })
}

/// Brings a bucket up to a directory that [`export`] has made, from where it stopped last. The checkpoint is written last: whatever
/// interrupts it, the bucket's is one whose files are all there. No object but the checkpoint is ever written anew where its content could
/// differ, and none is removed. `told` hears of files settled, and how many there are.
///
/// # Errors
/// [`Error`]; nothing was written where the directory does not continue the bucket's log.
pub async fn publish(
    directory: &Path,
    consortium: &Consortium,
    bucket: &Bucket,
    mut told: impl FnMut(u64, u64),
) -> Result<Exported, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let checkpoint = note.verify(consortium)?.checkpoint;
    let before = match bucket.get(CHECKPOINT, MAX_NOTE).await? {
        None => 0,
        Some(bytes) => {
            let kept = Note::parse(std::str::from_utf8(&bytes).map_err(|_| NoteError::Form)?)?;
            let old = kept.verify(consortium)?.checkpoint;
            covers(directory, consortium, &[], &old)?;
            old.size
        }
    };
    let size = checkpoint.size;
    let tiles = Tile::levels(size).flat_map(|level| Tile::level(level, size)).filter(|tile| !tile.is_within(before));
    let mut paths: Vec<String> = tiles.map(|tile| tile.to_string()).collect();
    if shelf.root.join("tile/entries").exists() {
        // The first bundle goes last: where it is there, so are those after it, up to the checkpoint's size.
        let since = match Tile::entries(0, before) {
            Some(first) if bucket.has(&first.records_path()).await? => before,
            _ => 0,
        };
        let bundles = (0..size.div_ceil(Tile::WIDTH.into())).rev().filter_map(|index| Tile::entries(index, size));
        for bundle in bundles.filter(|bundle| !bundle.is_within(since)) {
            paths.extend([bundle.to_string(), bundle.records_path()]);
        }
    }
    let last = paths.pop();
    let all = paths.len() as u64 + 2;
    let mut settled = 0;
    let put = |path: String| async move { bucket.put(&path, &directory.join(&path), "application/octet-stream").await };
    let mut at_work = stream::iter(paths).map(put).buffer_unordered(UPLOADS);
    while at_work.try_next().await?.is_some() {
        settled += 1;
        told(settled, all);
    }
    drop(at_work);
    if let Some(path) = last {
        put(path).await?;
        settled += 1;
        told(settled, all);
    }
    let written = settled;
    if before < size || before == 0 {
        bucket.put(CHECKPOINT, &directory.join(CHECKPOINT), "text/plain; charset=utf-8").await?;
    }
    told(all, all);
    Ok(Exported { checkpoint, before, written })
}

/// Checks that the log of the client's node continues an older checkpoint of it; the path that shows it.
async fn continues(client: &Client, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Digest>, Error> {
    if !is_later(old, new)? {
        return Ok(Vec::new());
    }
    let path = client.log_consistency(old.size, new.size).await?;
    match merkle::verify_consistency(old.size, &old.root, new.size, &new.root, &path) {
        true => Ok(path),
        false => Err(Error::Inconsistent { old: old.size, new: new.size }),
    }
}

/// Whether a checkpoint is of a larger log than another, rather than the same.
fn is_later(old: &Checkpoint, new: &Checkpoint) -> Result<bool, Error> {
    match new.size.cmp(&old.size) {
        Ordering::Less => Err(Error::Behind { found: new.size, known: old.size }),
        Ordering::Equal if old != new => Err(Error::Fork { size: new.size }),
        order => Ok(order.is_gt()),
    }
}

/// Files on their way from a node into a directory.
struct Mirror<'a> {
    client: &'a Client,
    shelf: &'a Shelf,
    size: u64,
    /// What is within this size was verified when it was written.
    before: u64,
    /// Tiles that those below are compared with: all above the lowest level, and the right edge.
    above: HashMap<Tile, Vec<Digest>>,
    written: u64,
}

impl Mirror<'_> {
    /// Fetches the partial tiles, which alone make the root.
    async fn right_edge(&mut self, root: &Digest) -> Result<(), Error> {
        let last = |level| Tile::level(level, self.size).last().filter(|tile| !tile.is_full());
        let edge: Vec<Tile> = Tile::levels(self.size).filter_map(last).collect();
        for tile in &edge {
            let hashes = self.fetch(*tile).await?;
            self.above.insert(*tile, hashes);
        }
        let found = tile::root(self.size, self.size, &mut |tile| Ok::<_, Error>(self.above[&tile].clone()))?;
        if found != *root {
            return Err(Error::Unfit {
                path: "tile".into(),
                what: "the right edge does not make the checkpoint's root",
            });
        }
        for tile in edge {
            let bytes: Vec<u8> = self.above[&tile].iter().flat_map(|hash| *hash.as_bytes()).collect();
            if !self.shelf.has(&tile.to_string(), bytes.len() as u64) {
                self.write(&tile.to_string(), &bytes)?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        let bytes = self.client.log_file(&tile.to_string()).await?;
        tile.read_hashes(&bytes).ok_or_else(|| Error::Unfit { path: tile.to_string(), what: "it is not of its length" })
    }

    /// Has a full tile in the directory; the levels above it are there already.
    async fn hashes(&mut self, tile: Tile) -> Result<(), Error> {
        let (path, length) = (tile.to_string(), 32 * u64::from(tile.width()));
        let Some((parent, at)) = tile.parent(self.size) else { return Ok(()) };
        if tile.is_within(self.before) && self.shelf.has(&path, length) {
            return Ok(());
        }
        let parents = match self.above.get(&parent) {
            Some(parents) => parents.clone(),
            None => self.shelf.hashes(parent)?,
        };
        // Left by a run that was interrupted, perhaps.
        let found = self.shelf.hashes(tile).ok().filter(|hashes| tile_root(hashes) == parents[at]);
        let hashes = match found {
            Some(hashes) => hashes,
            None => {
                let hashes = self.fetch(tile).await?;
                if tile_root(&hashes) != parents[at] {
                    return Err(Error::Unfit { path, what: "it is not what the tile above has of it" });
                }
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                self.write(&path, &bytes)?;
                hashes
            }
        };
        if tile.kind() != ledger::TileKind::Hashes(0) {
            self.above.insert(tile, hashes);
        }
        Ok(())
    }

    /// Has a bundle of entries and their transactions in the directory.
    async fn records(&mut self, index: u64) -> Result<(), Error> {
        let tile = Tile::entries(index, self.size).expect("the index lies in the log");
        let (path, records) = (tile.to_string(), tile.records_path());
        // Records are renamed into place after their entries, when they are whole.
        if self.shelf.has(&path, 34 * u64::from(tile.width())) && self.shelf.exists(&records) {
            return Ok(());
        }
        let hashes = self.shelf.hashes(Tile::hashes(0, index, self.size).expect("the index lies in the log"))?;
        let bytes = self.client.log_file(&path).await?;
        let unfit = |path: &str, what| Error::Unfit { path: path.to_owned(), what };
        let entries = tile.read_entries(&bytes).filter(|entries| entries_fit(entries, &hashes));
        let entries = entries.ok_or_else(|| unfit(&path, "its entries are not those of the hashes"))?;
        self.write(&path, &bytes)?;
        let mut draft = self.shelf.draft(&records)?;
        let (mut next, end) = (tile.start(), tile.start() + u64::from(tile.width()));
        while next < end {
            let page = self.client.log_records(next, end).await?;
            let mut reader = Records { reader: page.as_slice(), chain: self.client.chain(), next };
            let mut some = false;
            while let Some((record, _)) =
                reader.read(&entries[(next - tile.start()) as usize]).map_err(|what| unfit(&records, what))?
            {
                draft.write(&record)?;
                next += 1;
                some = true;
                if next == end {
                    break;
                }
            }
            if !some {
                return Err(unfit(&records, "the node gives no more of it"));
            }
        }
        draft.finish()?;
        self.written += 1;
        Ok(())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.written += 1;
        self.shelf.write(path, bytes)
    }
}

/// Records one after the other, each verified.
struct Records<R> {
    reader: R,
    chain: Digest,
    next: u64,
}

impl<R: io::Read> Records<R> {
    /// The next record with its length before it, and the transaction; none at the end.
    fn read(&mut self, entry: &Digest) -> Result<Option<(Vec<u8>, Committed)>, &'static str> {
        let mut length = [0; 4];
        let mut first = 0;
        while first < 4 {
            match self.reader.read(&mut length[first..]) {
                Ok(0) if first == 0 => return Ok(None),
                Ok(0) | Err(_) => return Err("a record breaks off"),
                Ok(read) => first += read,
            }
        }
        let size = u32::from_be_bytes(length) as usize;
        if size > MAX_RECORD {
            return Err("a record is too long");
        }
        let mut bytes = vec![0; 4 + size];
        bytes[..4].copy_from_slice(&length);
        self.reader.read_exact(&mut bytes[4..]).map_err(|_| "a record breaks off")?;
        let committed = Committed::from_bytes(self.next, &bytes[4..]).map_err(|_| "a record is malformed")?;
        if committed.leaf_data() != *entry {
            return Err("a record is not what the log says");
        }
        // The leaf does not cover the signature.
        VerifiedTransaction::verify(committed.transaction.clone(), &self.chain)
            .map_err(|_| "a record's transaction does not hold by itself")?;
        self.next += 1;
        Ok(Some((bytes, committed)))
    }
}

/// Checks a directory as [`export`] makes it, all of it, with no network.
///
/// # Errors
/// [`Error`] names the file at fault.
pub fn check(directory: &Path, consortium: &Consortium, demands: Demands<'_>) -> Result<Checked, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let mut checked = proven(note, consortium, demands.witnesses)?;
    let Checkpoint { size, root, chain, .. } = checked.checkpoint;
    let mut read = |tile: Tile| shelf.hashes(tile);
    if tile::root(size, size, &mut read)? != root {
        return Err(Error::Unfit { path: "tile".into(), what: "the right edge does not make the checkpoint's root" });
    }
    // Those above are read again and again, those of the lowest level once.
    let mut parents: Option<(Tile, Vec<Digest>)> = None;
    for tile in Tile::levels(size).flat_map(|level| Tile::level(level, size)) {
        let hashes = shelf.hashes(tile)?;
        checked.tiles += 1;
        let Some((parent, at)) = tile.parent(size) else { continue };
        if parents.as_ref().is_none_or(|(known, _)| *known != parent) {
            parents = Some((parent, shelf.hashes(parent)?));
        }
        if parents.as_ref().is_some_and(|(_, parents)| parents[at] != tile_root(&hashes)) {
            return Err(Error::Unfit { path: tile.to_string(), what: "it is not what the tile above has of it" });
        }
    }
    if let Some(since) = demands.since {
        let old = since.verify(consortium)?.checkpoint;
        if old.size > size {
            return Err(Error::Behind { found: size, known: old.size });
        }
        if old.size == size && old != checked.checkpoint {
            return Err(Error::Fork { size });
        }
        if tile::root(old.size, size, &mut read)? != old.root {
            return Err(Error::Inconsistent { old: old.size, new: size });
        }
    }
    if shelf.root.join("tile/entries").exists() || shelf.root.join("records").exists() {
        for index in 0..size.div_ceil(Tile::WIDTH.into()) {
            checked.records += check_records(&shelf, chain, index, size)?;
        }
    }
    Ok(checked)
}

/// Checks that an older checkpoint, such as a receipt's, is of the log in a directory: that log continues it, and whoever
/// cosigned the directory's checkpoint stands behind the older one's entries as well. Needs the tiles that the path between
/// both sizes is made of, and no more.
///
/// # Errors
/// [`Error`]; [`Error::Behind`] where the directory's log is the older one.
pub fn covers(
    directory: &Path,
    consortium: &Consortium,
    witnesses: &[WitnessKey],
    old: &Checkpoint,
) -> Result<Checked, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let checked = proven(note, consortium, witnesses)?;
    shelf.continuation(old, &checked.checkpoint)?;
    Ok(checked)
}

/// Adds to a receipt what the witnesses say whose lines the checkpoint of a directory has, as [`export`] makes it: those of the pinned ones, of which
/// enough must be there, else all. Needs no network.
///
/// # Errors
/// [`Error`]; [`Error::Note`] where the receipt does not verify, or no witness has cosigned; [`Error::Unattested`]; [`Error::Behind`] where the directory's log is
/// the older one.
pub fn testify(
    directory: &Path,
    consortium: &Consortium,
    receipt: &Receipt,
    witnesses: Option<&PinnedWitnesses>,
) -> Result<Receipt, Error> {
    let old = receipt.verify(consortium).map_err(NoteError::from)?.checkpoint;
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let path = shelf.continuation(&old, &note.verify(consortium)?.checkpoint)?;
    testified(receipt, &note, path, consortium, witnesses)
}

/// The same from what the client's node publishes for anyone. Waits until its checkpoint covers the receipt and the witnesses have cosigned, for so long.
///
/// # Errors
/// As [`testify`]: what was still missing at the end.
pub async fn testify_at_node(
    client: &Client,
    consortium: &Consortium,
    receipt: &Receipt,
    witnesses: Option<&PinnedWitnesses>,
    patience: Duration,
) -> Result<Receipt, Error> {
    let old = receipt.verify(consortium).map_err(NoteError::from)?.checkpoint;
    let deadline = Instant::now() + patience;
    loop {
        let found = async {
            let note = Note::parse(&client.log_checkpoint().await?)?;
            let path = continues(client, &old, &note.verify(consortium)?.checkpoint).await?;
            testified(receipt, &note, path, consortium, witnesses)
        };
        let missing = match found.await {
            Err(
                missing @ (Error::Behind { .. }
                | Error::Note(NoteError::Unwitnessed { .. })
                | Error::Unattested(Unattested::Few { .. })),
            ) => missing,
            settled => return settled,
        };
        if Instant::now() + PAUSE > deadline {
            return Err(missing);
        }
        sleep(PAUSE).await;
    }
}

fn testified(
    receipt: &Receipt,
    note: &Note,
    path: Vec<Digest>,
    consortium: &Consortium,
    witnesses: Option<&PinnedWitnesses>,
) -> Result<Receipt, Error> {
    let testified = receipt.with_testimony(note, path, consortium, witnesses)?;
    if let Some(witnesses) = witnesses {
        let verified = testified.verify(consortium).map_err(NoteError::from)?;
        witnesses.attest(verified.testimony.as_ref())?;
    }
    Ok(testified)
}

fn check_records(shelf: &Shelf, chain: Digest, index: u64, size: u64) -> Result<u64, Error> {
    let tile = Tile::entries(index, size).expect("the index lies in the log");
    let (path, records) = (tile.to_string(), tile.records_path());
    let unfit = |path: &str, what| Error::Unfit { path: path.to_owned(), what };
    let hashes = shelf.hashes(Tile::hashes(0, index, size).expect("the index lies in the log"))?;
    let entries = tile.read_entries(&shelf.read(&path, 34 * 256)?).filter(|entries| entries_fit(entries, &hashes));
    let entries = entries.ok_or_else(|| unfit(&path, "its entries are not those of the hashes"))?;
    let mut reader = Records { reader: BufReader::new(shelf.open(&records)?), chain, next: tile.start() };
    for entry in &entries {
        if reader.read(entry).map_err(|what| unfit(&records, what))?.is_none() {
            return Err(unfit(&records, "a record is missing"));
        }
    }
    match reader.reader.read(&mut [0]) {
        Ok(0) => Ok(entries.len() as u64),
        _ => Err(unfit(&records, "there is more in it than the log has")),
    }
}

/// Checks the checkpoint that the client's node publishes.
///
/// # Errors
/// [`Error`].
pub async fn check_node(client: &Client, consortium: &Consortium, demands: Demands<'_>) -> Result<Checked, Error> {
    let checked = proven(Note::parse(&client.log_checkpoint().await?)?, consortium, demands.witnesses)?;
    if let Some(since) = demands.since {
        _ = continues(client, &since.verify(consortium)?.checkpoint, &checked.checkpoint).await?;
    }
    Ok(checked)
}

fn proven(note: Note, consortium: &Consortium, demanded: &[WitnessKey]) -> Result<Checked, Error> {
    let verified = note.verify(consortium)?;
    let mut witnesses = Vec::new();
    for key in demanded {
        let time = note.witnessed(key).ok_or_else(|| Error::Unwitnessed(key.name().to_owned()))?;
        witnesses.push((key.name().to_owned(), time));
    }
    let ledger::VerifiedNote { checkpoint, cosigners, ml_dsa } = verified;
    Ok(Checked { note, checkpoint, cosigners, ml_dsa, witnesses, tiles: 0, records: 0 })
}

/// A directory of static files.
struct Shelf {
    root: PathBuf,
}

impl Shelf {
    fn create(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io(&root.display().to_string()))?;
        Ok(Self { root: root.to_owned() })
    }

    fn note(&self) -> Result<Option<Note>, Error> {
        match self.read(CHECKPOINT, MAX_NOTE) {
            Ok(bytes) => Ok(Some(Note::parse(std::str::from_utf8(&bytes).map_err(|_| NoteError::Form)?)?)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn hashes(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        let path = tile.to_string();
        let bytes = self.read(&path, 32 * 256)?;
        tile.read_hashes(&bytes).ok_or(Error::Unfit { path, what: "it is not of its length" })
    }

    /// Checks, by the tiles that the path between both sizes is made of, that the directory's checkpoint continues an older one; the path that shows it.
    fn continuation(&self, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Digest>, Error> {
        if !is_later(old, new)? {
            return Ok(Vec::new());
        }
        let subtree = |level, index| tile::subtree(new.size, level, index, &mut |tile| self.hashes(tile));
        let path = merkle::consistency_path(old.size, new.size, subtree)?;
        match merkle::verify_consistency(old.size, &old.root, new.size, &new.root, &path) {
            true => Ok(path),
            false => Err(Error::Inconsistent { old: old.size, new: new.size }),
        }
    }

    fn has(&self, path: &str, length: u64) -> bool {
        fs::metadata(self.root.join(path)).is_ok_and(|found| found.is_file() && found.len() == length)
    }

    fn exists(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    fn open(&self, path: &str) -> Result<File, Error> {
        File::open(self.root.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
            _ => Error::io(path)(error),
        })
    }

    /// A file of at most so many bytes.
    fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.open(path)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
        match bytes.len() <= most {
            true => Ok(bytes),
            false => Err(Error::Unfit { path: path.to_owned(), what: "it is too long" }),
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut draft = self.draft(path)?;
        draft.write(bytes)?;
        draft.finish()
    }

    fn draft(&self, path: &str) -> Result<Draft, Error> {
        let target = self.root.join(path);
        let parent = target.parent().expect("our paths have a file's name");
        fs::create_dir_all(parent).map_err(Error::io(path))?;
        let mut draft = target.clone().into_os_string();
        draft.push(".draft");
        let draft = PathBuf::from(draft);
        let file = File::create(&draft).map_err(Error::io(path))?;
        Ok(Draft { path: path.to_owned(), file: io::BufWriter::new(file), draft, target })
    }

    /// Removes partial tiles whose full ones are there, and partial records that longer ones replace. Only those of the
    /// checkpoint before can be: each run tidies up after the last.
    fn tidy(&self, before: u64, size: u64) -> Result<(), Error> {
        let remove = |path: String| match fs::remove_dir_all(self.root.join(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path)(error)),
            _ => Ok(()),
        };
        let partial = |tile: &Tile| !tile.is_full();
        let hashes = Tile::levels(before).filter_map(|level| Tile::level(level, before).last());
        for tile in
            hashes.chain(before.checked_sub(1).and_then(|last| Tile::entries(last / 256, before))).filter(partial)
        {
            let path = tile.to_string();
            let (directory, _) = path.rsplit_once('/').expect("a partial tile stands in a directory");
            let filled = match tile.kind() {
                ledger::TileKind::Entries => Tile::entries(tile.index(), size),
                ledger::TileKind::Hashes(level) => Tile::hashes(level, tile.index(), size),
            };
            if filled.is_some_and(|filled| filled.is_full()) {
                remove(directory.to_owned())?;
            }
            if tile.kind() == ledger::TileKind::Entries && size > before {
                let records = tile.records_path();
                match fs::remove_file(self.root.join(&records)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(&records)(error)),
                    _ => {}
                }
                // Empty where the bundle is full now.
                let (directory, _) = records.rsplit_once('/').expect("partial records stand in a directory");
                let _ = fs::remove_dir(self.root.join(directory));
            }
        }
        Ok(())
    }
}

/// A file that gets its name when it is whole.
struct Draft {
    path: String,
    file: io::BufWriter<File>,
    draft: PathBuf,
    target: PathBuf,
}

impl Draft {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }

    fn finish(self) -> Result<(), Error> {
        let Self { path, file, draft, target } = self;
        let finish = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&draft, &target)
        };
        finish().map_err(Error::io(&path))
    }
}

/// Why a log cannot be mirrored, or is not in order.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The node refused, or does not answer.
    #[error(transparent)]
    Client(#[from] crate::Error),
    /// No quorum of the pinned consortium stands behind a checkpoint.
    #[error("the checkpoint proves nothing")]
    Note(#[from] NoteError),
    /// A witness that was demanded has not cosigned.
    #[error("the witness `{0}` has not cosigned this checkpoint")]
    Unwitnessed(String),
    /// Too few of the pinned witnesses have.
    #[error(transparent)]
    Unattested(#[from] Unattested),
    /// The log is shorter than it was.
    #[error("the log has {found} entries, {known} were known before")]
    Behind {
        /// Entries found.
        found: u64,
        /// Entries known.
        known: u64,
    },
    /// Two checkpoints of one size differ, and a quorum cosigned each: keep both, they are proof.
    #[error("two checkpoints of {size} entries differ, and a quorum cosigned both: the chain was forked")]
    Fork {
        /// Their size.
        size: u64,
    },
    /// The log does not continue the one of before.
    #[error("the log of {new} entries does not continue the one of {old} entries")]
    Inconsistent {
        /// Entries of before.
        old: u64,
        /// Entries now.
        new: u64,
    },
    /// A file of the log is not there.
    #[error("{path} is missing")]
    Missing {
        /// The file, below the directory.
        path: String,
    },
    /// A file of the log is not what the checkpoint commits to.
    #[error("{path}: {what}")]
    Unfit {
        /// The file, below the directory.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The object store refuses, or is not reached.
    #[error(transparent)]
    Bucket(#[from] bucket::Error),
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file, below the directory.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    fn io(path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Longest record: as long as [`Committed::from_bytes`] takes.
const MAX_RECORD: usize = 512 << 10;
const CHECKPOINT: &str = "checkpoint";
/// Before a node is asked once more for what witnesses have cosigned.
const PAUSE: Duration = Duration::from_millis(500);
/// Files on their way into a bucket at a time.
const UPLOADS: usize = 8;
