//! How a backup is made: copies in the order in which nothing that one names is missing from the others.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::{Contracts, read};
use crypto::keystore::{FileKeys, Keys as _};
use crypto::{Digest, Secret};
use ledger::{Genesis, Ledger};
use vault::Vault;
use wire::Limits;

use super::archive::{Manifest, Writer};
use super::{AUDIT, BackupError, LEDGER, STORE, VAULT};
use crate::audit::Audit;
use crate::clock;
use crate::config::NodeConfig;
use crate::metrics::Metrics;
use crate::service::NODE;
use crate::setup::{CONFIG_FILE, GENESIS_FILE, KEYS_FILE};
use crate::store::Store;

/// What is copied.
pub(super) struct Source {
    pub(super) member: String,
    pub(super) directory: PathBuf,
    pub(super) ledger: Arc<Ledger>,
    pub(super) store: Store,
    pub(super) audit: Audit,
    pub(super) vault: Arc<Vault>,
    pub(super) keys: Arc<FileKeys>,
    /// Unix milliseconds.
    pub(super) now: u64,
}

/// Copies of what changes, and the list of what does not: enough to write the backup from, whatever the node does meanwhile.
pub(super) struct Staged {
    directory: Temporary,
    small: Vec<(&'static str, Vec<u8>)>,
    objects: Vec<Digest>,
    vault: Arc<Vault>,
    keys: Arc<FileKeys>,
    manifest: Manifest,
}

impl Source {
    /// Makes the copies.
    ///
    /// # Errors
    /// Why one of them cannot be made.
    pub(super) async fn stage(self) -> Result<Staged, BackupError> {
        let Self { member, directory, ledger, store, audit, vault, keys, now } = self;
        if !directory.join(CONFIG_FILE).exists() {
            return Err(BackupError::Elsewhere);
        }
        let copies = directory.join(format!("{PREFIX}{}", wire::text::to_hex(&crypto::random::<8>())));
        DirBuilder::new().mode(0o700).create(&copies)?;
        let copies = Temporary(copies);
        // The ledger first: whatever it names was written before, and is in what is copied after it.
        let (to, chain) = (copies.0.join(LEDGER), ledger.chain());
        let copied = tokio::task::spawn_blocking(move || {
            let header = ledger.copy(&to)?;
            // As of that block, or of one soon after: it only tells a leader alone from a validator.
            let epoch = read::quorum(&*ledger.view()?).ok().flatten().map(|quorum| quorum.epoch);
            Ok::<_, ledger::Error>((header, epoch))
        });
        let (header, epoch) = copied.await.map_err(|_| BackupError::Interrupted)??;
        let small = [KEYS_FILE, GENESIS_FILE, CONFIG_FILE].map(|name| (name, fs::read(directory.join(name))));
        let small = small.into_iter().map(|(name, bytes)| Ok((name, bytes?))).collect::<std::io::Result<_>>()?;
        store.copy(&copies.0.join(STORE)).await?;
        let listed = vault.clone();
        let objects = tokio::task::spawn_blocking(move || listed.list());
        let objects = objects.await.map_err(|_| BackupError::Interrupted)??;
        // The trail last: it holds every action whose effect was copied.
        audit.copy(&copies.0.join(AUDIT)).await?;
        let manifest = Manifest {
            chain,
            member,
            made: now,
            version: env!("CARGO_PKG_VERSION").into(),
            height: header.height,
            header: header.digest(),
            epoch,
            files: Vec::new(),
        };
        Ok(Staged { directory: copies, small, objects, vault, keys, manifest })
    }
}

impl Staged {
    /// Writes the backup; the copies are gone then.
    ///
    /// # Errors
    /// Where a copy cannot be read, or `to` not be written.
    pub(super) fn write(self, to: impl Write) -> Result<Manifest, BackupError> {
        let mut writer = Writer::begin(to)?;
        let copy = |name: &str| fs::File::open(self.directory.0.join(name));
        writer.add(LEDGER, copy(LEDGER)?)?;
        for (name, bytes) in &self.small {
            writer.add(*name, &bytes[..])?;
        }
        writer.add(STORE, copy(STORE)?)?;
        for id in &self.objects {
            // One that never got onto the ledger may be gone by now.
            let Some(parts) = self.vault.parts(id)? else { continue };
            for (part, file) in vault::PARTS.iter().zip(parts) {
                writer.add(format!("{VAULT}/{id}/{part}"), file)?;
            }
        }
        writer.add(AUDIT, copy(AUDIT)?)?;
        writer.end(self.manifest, |label, manifest| self.keys.sign(NODE, label, manifest).map_err(BackupError::from))
    }
}

/// Makes a backup of a node that does not run, into a new file.
///
/// # Errors
/// [`BackupError`]; the file is not there then. A ledger that another process has open is [`BackupError::Ledger`].
pub async fn make(config: &NodeConfig, passphrase: &Secret<Vec<u8>>, to: &Path) -> Result<Manifest, BackupError> {
    let directory = config.data_dir.clone();
    for name in [LEDGER, KEYS_FILE, GENESIS_FILE] {
        if !directory.join(name).exists() {
            return Err(BackupError::NoNode(name));
        }
    }
    let genesis = fs::read(directory.join(GENESIS_FILE))?;
    let genesis: Genesis =
        wire::from_slice(&genesis, Limits::small()).map_err(|_| BackupError::Form("the node's genesis is damaged"))?;
    // First, for it is what one process alone may have open.
    let ledger = Arc::new(Ledger::open(&directory.join(LEDGER), Arc::new(Contracts), genesis)?);
    let keys = Arc::new(FileKeys::open(directory.join(KEYS_FILE), passphrase)?);
    sweep(&directory)?;
    let clock = clock::system();
    let store = Store::open(&directory.join(STORE)).await.map_err(database)?;
    let audit = Audit::open(&directory.join(AUDIT), clock.clone(), Metrics::new()).await;
    let audit = audit.map_err(|error| BackupError::Database(sqlx::Error::Io(std::io::Error::other(error))))?;
    let vault = Arc::new(Vault::open(directory.join(VAULT))?);
    let recorded = audit.record("node", "node.backup", &config.member, "ok", "while it does not run").await;
    recorded.map_err(|error| BackupError::Database(sqlx::Error::Io(std::io::Error::other(error))))?;
    let (member, now) = (config.member.clone(), clock());
    let source = Source { member, directory, ledger, store: store.clone(), audit: audit.clone(), vault, keys, now };
    let staged = source.stage().await;
    store.close().await;
    audit.close().await;
    let (staged, to) = (staged?, to.to_owned());
    let written = tokio::task::spawn_blocking(move || {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
        let written = staged.write(BufWriter::with_capacity(1 << 18, &file)).and_then(|written| {
            file.sync_all()?;
            Ok(written)
        });
        if written.is_err() {
            let _ = fs::remove_file(&to);
        }
        written
    });
    written.await.map_err(|_| BackupError::Interrupted)?
}

fn database(error: crate::store::StoreError) -> BackupError {
    BackupError::Database(sqlx::Error::Io(std::io::Error::other(error)))
}

/// Removes copies that a crash has left in a node's directory.
pub(crate) fn sweep(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A directory that goes with this.
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "copies that are not needed any more stay");
        }
    }
}

/// Of the directories that hold copies while a backup is made.
const PREFIX: &str = "backup-";
