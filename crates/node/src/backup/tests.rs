use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contracts::Contracts;
use contracts::message::Opening;
use crypto::keystore::{FileKeys, Keys as _};
use crypto::{Label, Secret, Signature, SigningKey};
use ledger::Ledger;
use vault::Vault;

use super::archive::{MAGIC, Writer};
use super::*;
use crate::config::NodeConfig;
use crate::service::{COSIGNER, RECIPIENT};
use crate::setup::{self, CONFIG_FILE, Founder};
use crate::store::{self, Store};

const NOW: u64 = 1_700_000_000_000;

/// A founder's home with an object, an opening and a computation under way, and its backup.
struct Made {
    directory: tempfile::TempDir,
    passphrase: Secret<Vec<u8>>,
    backup: PathBuf,
    object: crypto::Digest,
    opening: Opening,
}

async fn made() -> Made {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("node");
    let passphrase = Secret::new(b"correct horse battery staple".to_vec());
    let founder = Founder {
        member: "st-anna".into(),
        consortium: "Trial".into(),
        listen: "127.0.0.1:1".parse().unwrap(),
        address: "https://127.0.0.1:1".into(),
        seat: None,
        regulator: true,
        operator: SigningKey::generate().public(),
    };
    let (genesis, _) = setup::found(&home, &founder, &passphrase, NOW).unwrap();
    drop(Ledger::open(&home.join(LEDGER), Arc::new(Contracts), genesis).unwrap());
    let keys = FileKeys::open(home.join("keys.sealed"), &passphrase).unwrap();
    let vault = Vault::open(home.join(VAULT)).unwrap();
    let object = vault.put(&b"plaintext of a patient"[..], [&keys.recipient(RECIPIENT).unwrap()], b"").unwrap().id;
    let tables = Store::open(&home.join(STORE)).await.unwrap();
    let opening = Opening::new(b"a study of recovery".to_vec());
    tables.put_opening("justification", None, &opening, NOW).await.unwrap();
    tables.session(&object, [0xb1; 32]).await.unwrap();
    tables.close().await;
    fs::create_dir(home.join("order")).unwrap();
    fs::write(home.join("order/votes"), b"votes").unwrap();
    fs::create_dir(home.join("compute")).unwrap();
    let backup = directory.path().join("st-anna.backup");
    let config = NodeConfig::load(&home.join(CONFIG_FILE)).unwrap();
    let manifest = make(&config, &passphrase, &backup).await.unwrap();
    assert_eq!((&*manifest.member, manifest.height, manifest.epoch), ("st-anna", 0, None));
    Made { directory, passphrase, backup, object, opening }
}

impl Made {
    fn restore(&self, backup: &Path, target: &Path, member: Option<&str>) -> Result<Restored, BackupError> {
        restore(backup, target, member, &self.passphrase, true, NOW + 1)
    }

    /// Whether nothing is where the refused backup would have come to be, nor beside it.
    fn untouched(&self, target: &Path) -> bool {
        let beside = fs::read_dir(self.directory.path()).unwrap().flatten();
        !target.exists() && beside.into_iter().all(|entry| !entry.file_name().to_str().unwrap().contains("restoring"))
    }
}

#[tokio::test]
async fn what_was_kept_is_back_but_for_votes_and_the_keys_of_checkpoints() {
    let made = made().await;
    let target = made.directory.path().join("elsewhere/node");
    let restored = made.restore(&made.backup, &target, Some("st-anna")).unwrap();
    assert_eq!(restored.length, fs::metadata(&made.backup).unwrap().len());

    let mut names: Vec<String> =
        fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let all = [
        "audit.sqlite",
        "genesis.cbor",
        "keys.sealed",
        "ledger.redb",
        "node.sqlite",
        "node.toml",
        "restored.cbor",
        "vault",
    ];
    assert_eq!(names, all, "no votes, no checkpoints");
    let keys = FileKeys::open(target.join("keys.sealed"), &made.passphrase).unwrap();
    let marker = Marker::load(&target).unwrap().unwrap();
    assert_eq!(marker.burnt, [keys.public(COSIGNER).unwrap()]);
    assert_eq!((marker.burnt, marker.restored), (restored.burnt, NOW + 1));
    let vault = Vault::open(target.join(VAULT)).unwrap();
    vault.check(&made.object).unwrap();
    let mut plain = Vec::new();
    vault.read(&made.object, &mut plain, &vault::Access::Handle(&keys, RECIPIENT), None).unwrap();
    assert_eq!(plain, b"plaintext of a patient");

    let tables = Store::open(&target.join(STORE)).await.unwrap();
    assert_eq!(tables.opening(None, &made.opening.commitment()).await.unwrap(), Some(made.opening.clone()));
    assert_eq!(tables.computed().await.unwrap(), [made.object], "what is yet to be put on record as destroyed");
    assert_ne!(tables.session(&made.object, [0; 32]).await.unwrap(), [0xb1; 32]);
    tables.close().await;
    let secret = |bytes: &[u8]| bytes.windows(32).any(|window| window == [0xb1; 32]);
    assert!(!secret(&fs::read(&made.backup).unwrap()), "no salt");
    let trail = store::pool(&target.join(AUDIT), 1, store::PAGE).await.unwrap();
    let (entries,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM audit WHERE action = 'node.backup'").fetch_one(&trail).await.unwrap();
    assert_eq!(entries, 1, "the trail holds what was done until it was copied");
    // A damaged marker stops the node.
    fs::write(target.join(marker::FILE), b"nothing").unwrap();
    assert!(matches!(Marker::load(&target), Err(BackupError::Form(_))));
}

#[tokio::test]
async fn an_altered_backup_is_refused_and_nothing_is_written() {
    let made = made().await;
    let good = fs::read(&made.backup).unwrap();
    let manifest = check(&made.backup).unwrap().manifest;
    let target = made.directory.path().join("elsewhere");
    let forged = made.directory.path().join("forged");
    let refused = |bytes: &[u8]| {
        fs::write(&forged, bytes).unwrap();
        let error = made.restore(&forged, &target, None).unwrap_err();
        assert!(made.untouched(&target), "{error}");
        error
    };
    // One byte in each file, in the manifest, in the signature, in the length.
    let mut at = MAGIC.len();
    for file in &manifest.files {
        let mut bytes = good.clone();
        bytes[at + file.length as usize / 2] ^= 1;
        assert!(matches!(refused(&bytes), BackupError::Altered(path) if path == file.path));
        at += file.length as usize;
    }
    for place in [at + 3, good.len() - 9, good.len() - 1, good.len() - 5] {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        refused(&bytes);
    }
    // Cut off, and longer than it is.
    for length in [0, 5, MAGIC.len(), MAGIC.len() + 72, at, good.len() - 1] {
        assert!(matches!(refused(&good[..length]), BackupError::Form(_)), "{length}");
    }
    assert!(matches!(refused(&[&good[..], b"more"].concat()), BackupError::Form(_)));
    let later = [b"sottovoce-backup/v2\n", &good[MAGIC.len()..]].concat();
    assert!(matches!(refused(&later), BackupError::Version(version) if version == "sottovoce-backup/v2"));

    // Whoever makes a backup of these files anew has not the node's key.
    let key = SigningKey::generate();
    let again = |keep: &dyn Fn(&str) -> Option<String>| {
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes).unwrap();
        let mut at = MAGIC.len();
        for file in &manifest.files {
            if let Some(path) = keep(&file.path) {
                writer.add(path, &good[at..at + file.length as usize]).unwrap();
            }
            at += file.length as usize;
        }
        let sign = |label: Label, bytes: &[u8]| Ok::<Signature, BackupError>(key.sign(label, bytes));
        writer.end(manifest.clone(), sign).unwrap();
        bytes
    };
    assert!(matches!(refused(&again(&|path| Some(path.into()))), BackupError::Signature));
    for file in &manifest.files {
        let without = again(&|path| (path != file.path).then(|| path.into()));
        assert!(matches!(refused(&without), BackupError::Missing(_)), "{}", file.path);
    }
    for stray in ["order/votes", "../node.toml", "/etc/passwd", "vault/../../x/object", "node.toml/", "NODE.TOML"] {
        let named = again(&|path| Some(if path == "node.toml" { stray.into() } else { path.into() }));
        assert!(matches!(refused(&named), BackupError::Stray(path) if path == stray), "{stray}");
    }
    let twice = again(&|path| Some(if path == "node.toml" { "ledger.redb".into() } else { path.into() }));
    assert!(matches!(refused(&twice), BackupError::Stray(_)));
}

#[tokio::test]
async fn only_into_an_empty_place_of_the_same_member_with_the_passphrase() {
    let made = made().await;
    let target = made.directory.path().join("elsewhere");
    let refused = made.restore(&made.backup, &target, Some("riverside")).unwrap_err();
    assert!(matches!(refused, BackupError::OtherMember { .. }));
    let other = Secret::new(b"incorrect horse battery staple".to_vec());
    let refused = restore(&made.backup, &target, None, &other, true, NOW).unwrap_err();
    assert!(matches!(refused, BackupError::Keys(crypto::keystore::Error::Locked)));
    // It ordered alone, and others may be ahead.
    let refused = restore(&made.backup, &target, None, &made.passphrase, false, NOW).unwrap_err();
    assert!(matches!(refused, BackupError::Leader));
    assert!(made.untouched(&target));
    fs::create_dir(&target).unwrap();
    fs::write(target.join("letter"), b"mine").unwrap();
    assert!(matches!(made.restore(&made.backup, &target, None).unwrap_err(), BackupError::Occupied(_)));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 1);
    fs::remove_file(target.join("letter")).unwrap();
    made.restore(&made.backup, &target, None).unwrap();
    // Never over what runs.
    let refused = made.restore(&made.backup, &made.directory.path().join("node"), None).unwrap_err();
    assert!(matches!(refused, BackupError::Occupied(_)));
}
