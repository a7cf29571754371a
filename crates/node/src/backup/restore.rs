//! Back into a node's directory: everything is checked before anything is there.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use contracts::Contracts;
use crypto::keystore::{FileKeys, Keys as _};
use crypto::{PublicKey, Secret};
use ledger::{Genesis, Ledger};
use wire::Limits;

use super::archive::{Contents, MAGIC, Manifest, check, extract};
use super::copy::Temporary;
use super::marker::{self, Marker};
use super::{BackupError, LEDGER};
use crate::config::NodeConfig;
use crate::replica::cosigns;
use crate::service::NODE;
use crate::setup::{CONFIG_FILE, GENESIS_FILE, KEYS_FILE};

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The backup's manifest.
    pub manifest: Manifest,
    /// The backup's length in bytes.
    pub length: u64,
    /// Keys with which the node will not vote any more.
    pub burnt: Vec<PublicKey>,
}

/// Makes a node's directory `target` from a backup. `member` is whose home it is in, where that is known; `alone` says that no other node has a
/// block after those of the backup. `now` in Unix milliseconds. May take minutes: it reads the backup twice.
///
/// # Errors
/// [`BackupError`]; nothing is left of what was written.
pub fn restore(
    backup: &Path,
    target: &Path,
    member: Option<&str>,
    passphrase: &Secret<Vec<u8>>,
    alone: bool,
    now: u64,
) -> Result<Restored, BackupError> {
    vacant(target)?;
    let contents = check(backup)?;
    let Manifest { member: found, chain, made, height, header, epoch, .. } = &contents.manifest;
    if let Some(expected) = member.filter(|expected| expected != found) {
        return Err(BackupError::OtherMember { found: found.clone(), expected: expected.to_owned() });
    }
    let foreign = |part| BackupError::Foreign { part, member: found.clone() };
    let genesis = one(backup, &contents, GENESIS_FILE)?;
    let genesis: Genesis = wire::from_slice(&genesis, Limits::small()).map_err(|_| foreign(GENESIS_FILE))?;
    if genesis.chain() != *chain {
        return Err(foreign(GENESIS_FILE));
    }

    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut draft = target.as_os_str().to_owned();
    draft.push(".restoring");
    let draft = Path::new(&draft);
    private(draft).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BackupError::Occupied(draft.display().to_string()),
        _ => error.into(),
    })?;
    let draft = Temporary(draft.to_owned());

    // What is cheap to check, before all is written.
    let at = draft.0.join(KEYS_FILE);
    create(&at)?.write_all(&one(backup, &contents, KEYS_FILE)?)?;
    let keys = FileKeys::open(&at, passphrase)?;
    contents.verify(&keys.public(NODE)?)?;
    let text = one(backup, &contents, CONFIG_FILE)?;
    let text = String::from_utf8(text).map_err(|_| foreign(CONFIG_FILE))?;
    let config = NodeConfig::parse(&text, &draft.0, [])?;
    if config.member != *found {
        return Err(foreign(CONFIG_FILE));
    }
    if fs::canonicalize(&config.data_dir).ok() != fs::canonicalize(&draft.0).ok() {
        return Err(BackupError::Elsewhere);
    }
    if epoch.is_none() && config.leads() && !alone {
        return Err(BackupError::Leader);
    }
    let handles = keys.handles().into_iter().map(|(handle, _)| handle).filter(|handle| cosigns(handle));
    let burnt = handles.map(|handle| keys.public(&handle)).collect::<Result<Vec<_>, _>>()?;
    drop(keys);
    fs::remove_file(&at)?;

    extract(backup, &contents, |file| {
        let path = draft.0.join(&file.path);
        let above = path.parent().expect("it is in the draft");
        DirBuilder::new().recursive(true).mode(0o700).create(above)?;
        create(&path)
    })?;
    let ledger = Ledger::open(&draft.0.join(LEDGER), Arc::new(Contracts), genesis)?;
    let newest = ledger.head();
    if (newest.height, newest.digest()) != (*height, *header) {
        return Err(foreign(LEDGER));
    }
    drop(ledger);

    let marker = Marker::new(*made, now, *height, burnt.clone());
    let mut file = create(&draft.0.join(marker::FILE))?;
    file.write_all(&wire::to_vec(&marker))?;
    file.sync_all()?;
    sync(&draft.0)?;
    // An empty directory gives way.
    vacant(target)?;
    fs::rename(&draft.0, target)?;
    fs::File::open(parent)?.sync_all()?;
    Ok(Restored { manifest: contents.manifest, length: contents.length, burnt })
}

/// Refuses a place where something is.
fn vacant(target: &Path) -> Result<(), BackupError> {
    match fs::read_dir(target) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::Occupied(target.display().to_string())),
        },
    }
}

/// A small file of a checked backup.
fn one(backup: &Path, contents: &Contents, name: &str) -> Result<Vec<u8>, BackupError> {
    let mut at = MAGIC.len() as u64;
    for file in &contents.manifest.files {
        if file.path == name && file.length <= MAX_SMALL {
            let mut from = fs::File::open(backup)?;
            from.seek(SeekFrom::Start(at))?;
            let mut bytes = Vec::new();
            from.take(file.length).read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        at += file.length;
    }
    Err(BackupError::Missing(name.to_owned()))
}

fn private(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn create(path: &Path) -> std::io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Forces to disk what names a directory holds, and those in it.
fn sync(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        }
    }
    fs::File::open(directory)?.sync_all()
}

/// Longest key store, genesis or configuration that is read.
const MAX_SMALL: u64 = 2 << 20;
