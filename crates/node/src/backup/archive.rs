//! The file: written from front to back, read only as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use crypto::{Digest, Label, PublicKey, Sha256, Signature};
use minicbor::{Decode, Encode};
use wire::{Fixed, Limits};

use super::{AUDIT, BackupError, LEDGER, STORE, VAULT};
use crate::setup::{CONFIG_FILE, GENESIS_FILE, KEYS_FILE};

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Manifest {
    /// The chain.
    #[n(0)]
    pub chain: Digest,
    /// The member whose node it is of.
    #[n(1)]
    pub member: String,
    /// When it was made: Unix milliseconds.
    #[n(2)]
    pub made: u64,
    /// Version of the program that made it.
    #[n(3)]
    pub version: String,
    /// Newest block of the ledger's copy.
    #[n(4)]
    pub height: u64,
    /// Digest of that block's header.
    #[n(5)]
    pub header: Digest,
    /// The epoch whose validators ordered the ledger; none where one node did.
    #[n(6)]
    pub epoch: Option<u64>,
    /// The files, in the order in which they lie.
    #[n(7)]
    pub files: Vec<File>,
}

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct File {
    /// Its path in the node's directory.
    #[n(0)]
    pub path: String,
    /// Its length in bytes.
    #[n(1)]
    pub length: u64,
    /// SHA-256 of its bytes.
    #[n(2)]
    pub digest: Digest,
}

/// A backup that was read as a whole: every file is as the manifest says. Who signed it is not known yet.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The manifest.
    pub manifest: Manifest,
    /// Length of the backup in bytes.
    pub length: u64,
    signed: Vec<u8>,
    signature: Signature,
}

impl Contents {
    /// Checks that a node's key signed the manifest.
    ///
    /// # Errors
    /// [`BackupError::Signature`].
    pub fn verify(&self, node: &PublicKey) -> Result<(), BackupError> {
        node.verify(Label::BACKUP, &self.signed, &self.signature).map_err(|_| BackupError::Signature)
    }
}

/// Writes a backup.
pub(super) struct Writer<W> {
    to: W,
    files: Vec<File>,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(mut to: W) -> std::io::Result<Self> {
        to.write_all(MAGIC)?;
        Ok(Self { to, files: Vec::new() })
    }

    /// Appends a file, up to its end as it is now.
    pub(super) fn add(&mut self, path: impl Into<String>, from: impl Read) -> std::io::Result<()> {
        let (length, digest) = copy(from, &mut self.to)?;
        self.files.push(File { path: path.into(), length, digest });
        Ok(())
    }

    /// Ends it with the manifest, to which `of` gives all but the files, and its signature.
    pub(super) fn end<E: From<std::io::Error>>(
        self,
        of: Manifest,
        sign: impl FnOnce(Label, &[u8]) -> Result<Signature, E>,
    ) -> Result<Manifest, E> {
        let Self { mut to, files } = self;
        let manifest = Manifest { files, ..of };
        let bytes = wire::to_vec(&manifest);
        let signature = sign(Label::BACKUP, &bytes)?;
        to.write_all(&bytes)?;
        to.write_all(signature.0.as_bytes())?;
        to.write_all(&(bytes.len() as u64).to_be_bytes())?;
        to.flush()?;
        Ok(manifest)
    }
}

/// Reads a whole backup and compares every file with the manifest. Writes nothing.
///
/// # Errors
/// [`BackupError`] says what is wrong with it.
pub fn check(path: &Path) -> Result<Contents, BackupError> {
    let mut file = fs::File::open(path)?;
    let contents = read_manifest(&mut file)?;
    let mut from = BufReader::with_capacity(PIECE, file);
    from.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    for file in &contents.manifest.files {
        file.check(copy((&mut from).take(file.length), std::io::sink())?)?;
    }
    Ok(contents)
}

/// Writes a checked backup's files, each where `at` says, and compares them again: the backup may have been changed meanwhile.
pub(super) fn extract(
    path: &Path,
    contents: &Contents,
    mut at: impl FnMut(&File) -> std::io::Result<fs::File>,
) -> Result<(), BackupError> {
    let mut from = BufReader::with_capacity(PIECE, fs::File::open(path)?);
    from.seek(SeekFrom::Start(MAGIC.len() as u64))?;
    for file in &contents.manifest.files {
        let mut to = at(file)?;
        file.check(copy((&mut from).take(file.length), &mut to)?)?;
        to.sync_all()?;
    }
    Ok(())
}

impl File {
    fn check(&self, (length, digest): (u64, Digest)) -> Result<(), BackupError> {
        match (length, digest) == (self.length, self.digest) {
            true => Ok(()),
            false => Err(BackupError::Altered(self.path.clone())),
        }
    }
}

/// The manifest, with its names and lengths checked.
fn read_manifest(file: &mut fs::File) -> Result<Contents, BackupError> {
    let length = file.metadata()?.len();
    let mut magic = Vec::new();
    (&mut *file).take(MAGIC.len() as u64).read_to_end(&mut magic)?;
    if magic != MAGIC {
        let line = magic.split(|byte| *byte == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
        return Err(match line.filter(|line| line.starts_with("sottovoce-backup/") && line.len() < MAGIC.len() + 8) {
            Some(line) => BackupError::Version(line.to_owned()),
            None => BackupError::Form("it does not begin like one"),
        });
    }
    let cut = BackupError::Form("it does not end like one: it was cut off, or altered");
    let tail = (SIGNATURE + 8) as u64;
    let Some(room) = length.checked_sub(MAGIC.len() as u64 + tail) else { return Err(cut) };
    let mut ending = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut ending)?;
    let size = u64::from_be_bytes(ending);
    if size > room || size > MAX_MANIFEST as u64 {
        return Err(cut);
    }
    file.seek(SeekFrom::Start(length - tail - size))?;
    let mut signed = Vec::new();
    (&mut *file).take(size).read_to_end(&mut signed)?;
    let mut signature = [0; SIGNATURE];
    file.read_exact(&mut signature)?;
    let limits = Limits { bytes: MAX_MANIFEST, depth: 3 };
    let manifest: Manifest = wire::from_slice(&signed, limits).map_err(|_| cut)?;
    check_names(&manifest)?;
    let lengths = manifest.files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.length));
    if lengths != Some(room - size) {
        return Err(BackupError::Form("its files have other lengths than its manifest says"));
    }
    let signature = Signature(Fixed(signature));
    Ok(Contents { manifest, length, signed, signature })
}

/// Nothing but what a node has, and all that it cannot do without.
fn check_names(manifest: &Manifest) -> Result<(), BackupError> {
    let mut single = BTreeSet::from(SINGLE);
    let mut objects: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for File { path, .. } in &manifest.files {
        let stray = || BackupError::Stray(path.chars().take(128).collect());
        if single.remove(&**path) {
            continue;
        }
        let mut steps = path.split('/');
        let (Some(VAULT), Some(id), Some(part), None) = (steps.next(), steps.next(), steps.next(), steps.next()) else {
            return Err(stray());
        };
        // Exactly the textual form of an id, and so no way out of the directory.
        if id.parse::<Digest>().is_err() || !vault::PARTS.contains(&part) {
            return Err(stray());
        }
        let parts = objects.entry(id).or_default();
        if parts.contains(&part) {
            return Err(stray());
        }
        parts.push(part);
    }
    if let Some(missing) = single.first() {
        return Err(BackupError::Missing((*missing).to_owned()));
    }
    match objects.into_iter().find(|(_, parts)| parts.len() < vault::PARTS.len()) {
        Some((id, _)) => Err(BackupError::Missing(format!("{VAULT}/{id}"))),
        None => Ok(()),
    }
}

/// Copies to the end; how many bytes, and their digest.
fn copy(mut from: impl Read, mut to: impl Write) -> std::io::Result<(u64, Digest)> {
    let (mut length, mut digest, mut piece) = (0, Sha256::new(), vec![0; PIECE]);
    loop {
        let read = match from.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            return Ok((length, digest.finish()));
        }
        digest.update(&piece[..read]);
        to.write_all(&piece[..read])?;
        length += read as u64;
    }
}

/// The first line names format and version.
pub(super) const MAGIC: &[u8] = b"sottovoce-backup/v1\n";
const SINGLE: [&str; 6] = [LEDGER, CONFIG_FILE, GENESIS_FILE, KEYS_FILE, STORE, AUDIT];
/// Longest manifest: some 700,000 objects.
const MAX_MANIFEST: usize = 256 << 20;
const SIGNATURE: usize = 64;
const PIECE: usize = 256 * 1024;
