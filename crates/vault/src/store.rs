//! A directory of sealed objects that survives a crash at any moment.
//!
//! ```text
//! DIR/lock                    shared by writers; whoever gets it alone may sweep what crashed writers left
//! DIR/<id>/object             length-prefixed core, then segments: the transport file after its stanza block
//! DIR/<id>/tree               tree digests (see `tree`)
//! DIR/<id>/stanzas            stanza block: the only file that ever changes, replaced whole
//! DIR/incoming-<random>/      an object on its way in, renamed to `<id>` once all its bytes are on disk
//! DIR/erasing-<id>/           an object on its way out, until nothing of it is left
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crypto::Digest;
use crypto::stream::TAG;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Fixed, Limits};

use crate::extract::{Piece, covering};
use crate::head::{MAGIC, ends_in, read_core, write_part};
use crate::stanza::MAX_BLOCK;
use crate::tree::Stored;
use crate::{Access, Error, Export, Extract, Head, Recipient, SEGMENT, Sealer, Stanzas, Summary};

/// A member's sealed objects, in a directory of their own.
pub struct Vault {
    directory: PathBuf,
}

/// What an attestation of erasure states; who erased, when and why is the caller's to add and sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Erasure {
    /// The object that is no longer kept.
    #[n(0)]
    pub id: Digest,
    /// Its root; absent when the object was too damaged to tell.
    #[n(1)]
    pub root: Option<Digest>,
    /// Wrapped data keys that were destroyed with it.
    #[n(2)]
    pub stanzas: u64,
    /// Bytes of core and segments that were removed.
    #[n(3)]
    pub bytes: u64,
}

impl Vault {
    /// Opens or creates a vault and removes what crashed writers left, unless another process writes just now.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        let vault = Self { directory: directory.into() };
        private_directory(&vault.directory)?;
        let lock = vault.lock()?;
        if lock.try_lock().is_ok() {
            for name in vault.names()? {
                if name.starts_with(INCOMING) {
                    fs::remove_dir_all(vault.directory.join(name))?;
                }
            }
        }
        Ok(vault)
    }

    /// Seals a plaintext into the vault. The object is there, whole and durable, or not at all.
    ///
    /// # Errors
    /// As [`crate::seal`].
    pub fn put<'a>(
        &self,
        plaintext: impl Read,
        to: impl IntoIterator<Item: Into<Recipient<'a>>>,
        associated: &[u8],
    ) -> Result<Summary, Error> {
        let sealer = Sealer::new(to, associated)?;
        let mut incoming = Incoming::begin(self, sealer.head())?;
        let summary = sealer.run(plaintext, &mut incoming.object, &mut incoming.tree)?;
        incoming.commit(summary)
    }

    /// Takes in a transport file as it is, without opening it; `root` as in [`crate::open`].
    ///
    /// # Errors
    /// [`Error::Root`], [`Error::Exists`], or any that concerns the file's form.
    pub fn import(&self, mut sealed: impl Read, root: Option<&Digest>) -> Result<Summary, Error> {
        let head = Head::read(&mut sealed)?;
        let mut incoming = Incoming::begin(self, &head)?;
        let Incoming { object, tree, .. } = &mut incoming;
        let summary = crate::open::segments(&head, sealed, tree, |_, _, segment| Ok(object.write_all(segment)?))?;
        incoming.commit(summary.expect_root(root)?)
    }

    /// Ids of all objects, ascending.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let mut ids: Vec<Digest> = self.names()?.iter().filter_map(|name| name.parse().ok()).collect();
        ids.sort();
        Ok(ids)
    }

    /// Stanzas and core of an object.
    ///
    /// # Errors
    /// [`Error::Missing`], or any that concerns stanzas or core.
    pub fn head(&self, id: &Digest) -> Result<Head, Error> {
        self.read_head(id, &mut self.object(id)?)
    }

    /// An object's summary, as its tree and file sizes state it; [`Vault::check`] reads every byte instead.
    ///
    /// # Errors
    /// As [`Vault::head`].
    pub fn summary(&self, id: &Digest) -> Result<Summary, Error> {
        let kept = self.kept(id)?;
        let root = Stored::new(self.tree(id)?, kept.segments + 1).root().map_err(ends_in("tree"))?;
        let length = kept.bytes - kept.segments * TAG as u64;
        Ok(Summary { id: *id, root, segments: kept.segments, length, weakest: kept.head.weakest() })
    }

    /// Reads every byte of an object and of its tree, and returns the summary of what is really there.
    ///
    /// # Errors
    /// As [`Vault::head`], and [`Error::Tree`] when the stored tree is not that of the stored bytes.
    pub fn check(&self, id: &Digest) -> Result<Summary, Error> {
        let Kept { head, object, .. } = self.kept(id)?;
        let mut tree = Comparison { stored: BufReader::new(self.tree(id)?), same: true };
        let summary = crate::open::segments(&head, object, &mut tree, |_, _, _| Ok(()))?;
        if tree.same && tree.stored.fill_buf()?.is_empty() { Ok(summary) } else { Err(Error::Tree) }
    }

    /// Opens an object into `plaintext`; see [`crate::open`].
    ///
    /// # Errors
    /// As [`crate::open`], and [`Error::Missing`].
    pub fn read(
        &self,
        id: &Digest,
        plaintext: impl Write,
        access: &Access<'_>,
        root: Option<&Digest>,
    ) -> Result<Summary, Error> {
        crate::open(self.export(id, None)?, plaintext, access, root)
    }

    /// The segments that cover `range` of the plaintext, with proofs.
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Error::Range`] beyond the end or for more than [`crate::MAX_EXTRACT`] bytes.
    pub fn extract(&self, id: &Digest, range: Range<u64>) -> Result<Extract, Error> {
        let kept = self.kept(id)?;
        let length = kept.bytes - kept.segments * TAG as u64;
        let refused = Error::Range { start: range.start, end: range.end, length };
        let Some(segments) = covering(&range).filter(|_| range.end <= length) else { return Err(refused) };
        let leaves = kept.segments + 1;
        let mut tree = Stored::new(self.tree(id)?, leaves);
        let mut object = kept.object;
        let start = kept.start + segments.start * SEALED;
        object.seek(SeekFrom::Start(start))?;
        let mut pieces = Vec::new();
        for index in segments.clone() {
            let mut ciphertext = Vec::with_capacity(SEALED as usize);
            (&object).take(SEALED).read_to_end(&mut ciphertext)?;
            let path = tree.path(index + 1).map_err(ends_in("tree"))?;
            pieces.push(Piece { ciphertext: ciphertext.into(), path });
        }
        let core_path = tree.path(0).map_err(ends_in("tree"))?;
        Ok(Extract::new(kept.head.core().to_bytes().into(), core_path, leaves, segments.start, pieces))
    }

    /// The transport file of an object, with its own stanzas or, for a release, with others made by [`Head::rewrap`].
    ///
    /// # Errors
    /// [`Error::Missing`], or [`Error::OtherObject`] for stanzas of another object.
    pub fn export(&self, id: &Digest, stanzas: Option<&Stanzas>) -> Result<Export, Error> {
        let mut object = self.object(id)?;
        let own = self.read_head(id, &mut object)?;
        let stanzas = stanzas.unwrap_or(own.stanzas());
        if stanzas.object() != *id {
            return Err(Error::OtherObject { found: stanzas.object(), expected: *id });
        }
        let mut head = MAGIC.to_vec();
        write_part(&mut head, &stanzas.to_bytes())?;
        Ok(Export::new(head, object)?)
    }

    /// Replaces an object's stanzas, so that exactly these recipients can open it from now on. Whoever opened it before
    /// may have kept the data key: after a compromise, seal the plaintext anew instead.
    ///
    /// # Errors
    /// As [`Head::rewrap`], and [`Error::Missing`].
    pub fn rewrap<'a>(
        &self,
        id: &Digest,
        access: &Access<'_>,
        to: impl IntoIterator<Item: Into<Recipient<'a>>>,
    ) -> Result<(), Error> {
        let mut object = self.object(id)?;
        // Two rewraps of one object take turns, so that neither's outcome is a mixture; closing the file unlocks.
        object.lock()?;
        let stanzas = self.read_head(id, &mut object)?.rewrap(access, to)?;
        replace_durably(&self.path(id), STANZAS, &stanzas.to_bytes())?;
        Ok(())
    }

    /// Rewraps every object to exactly these keys, and returns the ids of those it changed. Objects already sealed to
    /// them are left alone, so that an interrupted rotation goes on where it stopped.
    ///
    /// # Errors
    /// As [`Vault::rewrap`], at the first object that cannot be rewrapped.
    pub fn rotate<'a>(
        &self,
        access: &Access<'_>,
        to: impl IntoIterator<Item: Into<Recipient<'a>>>,
    ) -> Result<Vec<Digest>, Error> {
        let to: Vec<Recipient<'a>> = to.into_iter().map(Into::into).collect();
        let mut changed = Vec::new();
        for id in self.list()? {
            let head = self.head(&id)?;
            let escrow =
                to.iter().rev().find_map(|to| if let Recipient::Escrow(key) = to { Some(**key) } else { None });
            let listed: Vec<_> = to.iter().filter(|to| !matches!(to, Recipient::Escrow(_))).collect();
            let same = head.stanzas().list().len() == listed.len()
                && head.stanzas().list().iter().zip(listed).all(|(stanza, to)| stanza.is_for(to))
                && escrow.is_none_or(|key| head.stanzas().escrow().is_some_and(|wrap| wrap.key == key));
            if !same {
                self.rewrap(&id, access, to.iter().copied())?;
                changed.push(id);
            }
        }
        Ok(changed)
    }

    /// Destroys an object: first its wrapped keys, overwritten and removed, then its ciphertext. Call it again for each
    /// of [`Vault::erasing`] after a crash. On media that keep old blocks (flash, snapshots, backups) what may remain is
    /// ciphertext and wrapped keys that only its recipients could open.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Io`].
    pub fn erase(&self, id: &Digest) -> Result<Erasure, Error> {
        let (kept, leaving) = (self.path(id), self.directory.join(format!("{ERASING}{id}")));
        if kept.is_dir() {
            // Written before anything is destroyed, so that a call repeated after a crash states the same.
            replace_durably(&kept, ERASURE, &wire::to_vec(&self.erasure(id)))?;
            fs::rename(&kept, &leaving)?;
            sync_directory(&self.directory)?;
        }
        let record = absent(fs::read(leaving.join(ERASURE)))?;
        if record.is_some() {
            [STANZAS, &new(STANZAS)].into_iter().try_for_each(|name| overwrite(&leaving.join(name)))?;
            [STANZAS, &new(STANZAS), OBJECT, TREE]
                .into_iter()
                .try_for_each(|name| absent(fs::remove_file(leaving.join(name))).map(drop))?;
            sync_directory(&leaving)?;
        }
        absent(fs::remove_dir_all(&leaving))?;
        sync_directory(&self.directory)?;
        let record = record.ok_or(Error::Missing { id: *id })?;
        wire::from_slice(&record, Limits::small())
            .map_err(|source| Error::Malformed { part: "record of erasure", source })
    }

    /// What erasing an object will state. A damaged object must be erasable too, so nothing here fails.
    fn erasure(&self, id: &Digest) -> Erasure {
        let stanzas = self.head(id).map_or(0, |head| head.stanzas().list().len() as u64);
        let bytes = self.object(id).and_then(|object| Ok(object.metadata()?.len())).unwrap_or(0);
        Erasure { id: *id, root: self.summary(id).ok().map(|summary| summary.root), stanzas, bytes }
    }

    /// Ids of objects whose erasure was interrupted; they can no longer be read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn erasing(&self) -> Result<Vec<Digest>, Error> {
        Ok(self.names()?.iter().filter_map(|name| name.strip_prefix(ERASING)?.parse().ok()).collect())
    }

    /// The files of an object, in the order of [`PARTS`], each as it is now whatever becomes of the object; none where it is not kept.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn parts(&self, id: &Digest) -> Result<Option<[File; 3]>, Error> {
        let open = |name: &str| absent(File::open(self.path(id).join(name)));
        match (open(OBJECT)?, open(TREE)?, open(STANZAS)?) {
            (Some(object), Some(tree), Some(stanzas)) => Ok(Some([object, tree, stanzas])),
            _ => Ok(None),
        }
    }

    fn path(&self, id: &Digest) -> PathBuf {
        self.directory.join(id.to_string())
    }

    fn object(&self, id: &Digest) -> Result<File, Error> {
        self.file(id, OBJECT)
    }

    fn tree(&self, id: &Digest) -> Result<File, Error> {
        self.file(id, TREE)
    }

    fn file(&self, id: &Digest, name: &str) -> Result<File, Error> {
        File::open(self.path(id).join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { id: *id },
            _ => Error::Io(error),
        })
    }

    /// Reads stanzas and core; leaves `object` at the first segment.
    fn read_head(&self, id: &Digest, object: &mut File) -> Result<Head, Error> {
        object.rewind()?;
        let mut stanzas = Vec::new();
        self.file(id, STANZAS)?.take(MAX_BLOCK as u64 + 1).read_to_end(&mut stanzas)?;
        let head = Head::new(Stanzas::parse(&stanzas)?, read_core(object)?)?;
        if head.id() != *id {
            return Err(Error::OtherObject { found: head.id(), expected: *id });
        }
        Ok(head)
    }

    fn kept(&self, id: &Digest) -> Result<Kept, Error> {
        let mut object = self.object(id)?;
        let head = self.read_head(id, &mut object)?;
        let start = object.stream_position()?;
        let bytes = object.metadata()?.len() - start;
        Ok(Kept { head, object, start, bytes, segments: segment_count(bytes)? })
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let entries = fs::read_dir(&self.directory)?.collect::<Result<Vec<_>, _>>()?;
        Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn lock(&self) -> Result<File, Error> {
        Ok(OpenOptions::new().create(true).truncate(false).write(true).open(self.directory.join("lock"))?)
    }
}

/// An object as it lies on disk.
struct Kept {
    head: Head,
    object: File,
    /// Offset of the first segment.
    start: u64,
    /// Bytes of all sealed segments.
    bytes: u64,
    segments: u64,
}

/// An object on its way in; removed on drop unless committed.
struct Incoming<'a> {
    vault: &'a Vault,
    directory: PathBuf,
    object: File,
    tree: BufWriter<File>,
    /// Held while writing, so that nobody sweeps this directory.
    _lock: File,
}

impl<'a> Incoming<'a> {
    fn begin(vault: &'a Vault, head: &Head) -> Result<Self, Error> {
        if vault.path(&head.id()).exists() {
            return Err(Error::Exists { id: head.id() });
        }
        let lock = vault.lock()?;
        lock.lock_shared()?;
        let directory = vault.directory.join(format!("{INCOMING}{}", Fixed(crypto::random::<16>())));
        private_directory(&directory)?;
        let create = |name: &str| File::create_new(directory.join(name));
        let (object, tree) = (create(OBJECT)?, BufWriter::new(create(TREE)?));
        let mut incoming = Self { vault, directory, object, tree, _lock: lock };
        replace_durably(&incoming.directory, STANZAS, &head.stanzas().to_bytes())?;
        write_part(&mut incoming.object, &head.core().to_bytes())?;
        Ok(incoming)
    }

    /// Every byte is on disk before the rename makes the object visible, and the rename before this returns.
    fn commit(mut self, summary: Summary) -> Result<Summary, Error> {
        self.tree.flush()?;
        self.tree.get_ref().sync_all()?;
        self.object.sync_all()?;
        sync_directory(&self.directory)?;
        fs::rename(&self.directory, self.vault.path(&summary.id)).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Error::Exists { id: summary.id },
            _ => Error::Io(error),
        })?;
        sync_directory(&self.vault.directory)?;
        Ok(summary)
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // After a commit there is nothing here; otherwise a failure leaves rubbish that the next `Vault::open` sweeps.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A writer that compares what is written with what is stored.
struct Comparison {
    stored: BufReader<File>,
    same: bool,
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stored = Vec::with_capacity(bytes.len());
        (&mut self.stored).take(bytes.len() as u64).read_to_end(&mut stored)?;
        self.same &= stored == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Number of segments in so many bytes; the last has its tag at least.
fn segment_count(bytes: u64) -> Result<u64, Error> {
    match bytes % SEALED {
        0 if bytes > 0 => Ok(bytes / SEALED),
        rest if rest >= TAG as u64 => Ok(bytes / SEALED + 1),
        _ => Err(Error::Truncated { part: "segments" }),
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

/// Replaces `directory/name` whole: whatever happens, a reader finds the old content or the new.
fn replace_durably(directory: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let fresh = directory.join(new(name));
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(fresh, directory.join(name))?;
    sync_directory(directory)
}

/// Makes renames and removals in a directory durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Overwrites a file with zeros, if it is there.
fn overwrite(path: &Path) -> io::Result<()> {
    let Some(mut file) = absent(OpenOptions::new().write(true).open(path))? else { return Ok(()) };
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

/// What is not there is `None`.
fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Name under which a file's successor is written.
fn new(name: &str) -> String {
    format!("{name}.new")
}

const OBJECT: &str = "object";
const TREE: &str = "tree";
const STANZAS: &str = "stanzas";
/// Names of an object's files.
pub const PARTS: [&str; 3] = [OBJECT, TREE, STANZAS];
const ERASURE: &str = "erasure";
const INCOMING: &str = "incoming-";
const ERASING: &str = "erasing-";
/// Bytes of every sealed segment but the last.
const SEALED: u64 = (SEGMENT + TAG) as u64;
