//! The vault's directory: ranges with proofs, rewraps, erasure, and crashes.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crypto::kem::{PrivateKey, Suite};
use proptest::prelude::*;
use vault::{Access, BatchKey, Error, Extract, MAX_EXTRACT, SEGMENT, Vault};

fn key() -> PrivateKey {
    PrivateKey::generate(Suite::X25519)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn vault() -> (tempfile::TempDir, Vault) {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path().join("vault")).unwrap();
    (directory, vault)
}

fn read(vault: &Vault, id: &crypto::Digest, access: &Access<'_>) -> Result<Vec<u8>, Error> {
    let mut plaintext = Vec::new();
    vault.read(id, &mut plaintext, access, None)?;
    Ok(plaintext)
}

fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_put_can_be_listed_read_and_checked() {
    let ((_directory, vault), key) = (vault(), key());
    let mut ids = Vec::new();
    for length in [0, 5, SEGMENT, 3 * SEGMENT + 9] {
        let summary = vault.put(&bytes(length)[..], [key.public()], b"associated").unwrap();
        assert_eq!(vault.summary(&summary.id).unwrap(), summary);
        assert_eq!(vault.check(&summary.id).unwrap(), summary);
        assert_eq!(vault.head(&summary.id).unwrap().core().associated(), b"associated");
        assert_eq!(read(&vault, &summary.id, &Access::Private(&key)).unwrap(), bytes(length));
        ids.push(summary.id);
    }
    ids.sort();
    assert_eq!(vault.list().unwrap(), ids);
    let missing = crypto::Digest::from([0; 32]);
    assert!(matches!(vault.head(&missing), Err(Error::Missing { id }) if id == missing));
}

#[test]
fn no_plaintext_rests_on_disk() {
    let ((directory, vault), key) = (vault(), key());
    let marker = b"a sentence that must not be found on disk";
    let summary = vault.put(&marker.repeat(5000)[..], [key.public()], b"").unwrap();
    vault.rewrap(&summary.id, &Access::Private(&key), [key.public()]).unwrap();
    read(&vault, &summary.id, &Access::Private(&key)).unwrap();
    let object = directory.path().join("vault").join(summary.id.to_string());
    for name in entries(&object) {
        let content = fs::read(object.join(name)).unwrap();
        assert!(!content.windows(marker.len()).any(|window| window == marker));
    }
}

#[test]
fn a_transport_file_travels_from_vault_to_vault() {
    let ((_a, from), (_b, to), key) = (vault(), vault(), key());
    let summary = from.put(&bytes(100_000)[..], [key.public()], b"").unwrap();
    let export = || from.export(&summary.id, None).unwrap();
    assert_eq!(to.import(export(), Some(&summary.root)).unwrap(), summary);
    assert_eq!(read(&to, &summary.id, &Access::Private(&key)).unwrap(), bytes(100_000));
    assert!(matches!(to.import(export(), None), Err(Error::Exists { .. })));
    let (_c, third) = vault();
    assert!(matches!(third.import(export(), Some(&summary.id)), Err(Error::Root { .. })));
    assert!(third.list().unwrap().is_empty());
}

#[test]
fn an_export_resumes_at_any_offset() {
    let ((_directory, vault), owner, requester) = (vault(), key(), key());
    let summary = vault.put(&bytes(150_000)[..], [owner.public()], b"").unwrap();
    let stanzas = vault.head(&summary.id).unwrap().rewrap(&Access::Private(&owner), [requester.public()]).unwrap();
    let mut whole = Vec::new();
    let mut export = vault.export(&summary.id, Some(&stanzas)).unwrap();
    export.read_to_end(&mut whole).unwrap();
    assert_eq!(whole.len() as u64, export.length());
    for offset in [0, 1, 8, 100, 300, 500, 70_000, whole.len() - 1, whole.len(), whole.len() + 10] {
        let mut rest = Vec::new();
        export.seek(SeekFrom::Start(offset as u64)).unwrap();
        export.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, whole.get(offset..).unwrap_or_default(), "offset {offset}");
    }
    assert_eq!(export.seek(SeekFrom::End(-1)).unwrap(), export.length() - 1);
    let mut out = Vec::new();
    vault::open(&whole[..], &mut out, &Access::Private(&requester), Some(&summary.root)).unwrap();
    assert_eq!(out, bytes(150_000));
    // The vault's own stanzas are as they were.
    assert!(read(&vault, &summary.id, &Access::Private(&owner)).is_ok());
    let other = vault.put(&b"x"[..], [owner.public()], b"").unwrap();
    assert!(matches!(vault.export(&other.id, Some(&stanzas)), Err(Error::OtherObject { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn a_range_opens_with_proofs_and_only_as_it_is(
        length in 1usize..400_000,
        (a, b) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        damage in any::<prop::sample::Index>(),
    ) {
        let ((_directory, vault), key) = (vault(), key());
        let plaintext = bytes(length);
        let summary = vault.put(&plaintext[..], [key.public()], b"").unwrap();
        let unlocked = vault.head(&summary.id).unwrap().unlock(&Access::Private(&key)).unwrap();
        let (a, b) = (a.index(length), b.index(length));
        let range = a.min(b) as u64..a.max(b) as u64 + 1;
        let extract = vault.extract(&summary.id, range.clone()).unwrap().to_bytes();
        let open = |bytes: &[u8]| Extract::parse(bytes).and_then(|extract| extract.open(&summary.root, &unlocked, range.clone()));
        prop_assert_eq!(open(&extract).unwrap(), &plaintext[range.start as usize..range.end as usize]);
        let mut damaged = extract.clone();
        damaged[damage.index(extract.len())] ^= 1;
        prop_assert!(open(&damaged).is_err());
    }
}

#[test]
fn every_flipped_byte_of_an_extract_is_refused() {
    let ((_directory, vault), key) = (vault(), key());
    let summary = vault.put(&bytes(100)[..], [key.public()], b"").unwrap();
    let unlocked = vault.head(&summary.id).unwrap().unlock(&Access::Private(&key)).unwrap();
    let mut extract = vault.extract(&summary.id, 10..20).unwrap().to_bytes();
    for at in 0..extract.len() {
        extract[at] ^= 1;
        assert!(
            Extract::parse(&extract).and_then(|extract| extract.open(&summary.root, &unlocked, 10..20)).is_err(),
            "byte {at}"
        );
        extract[at] ^= 1;
    }
    assert_eq!(Extract::parse(&extract).unwrap().open(&summary.root, &unlocked, 10..20).unwrap(), &bytes(100)[10..20]);
}

#[test]
fn ranges_that_lie_are_refused() {
    let ((_directory, vault), key) = (vault(), key());
    let length = 4 * SEGMENT as u64;
    let summary = vault.put(&bytes(length as usize)[..], [key.public()], b"").unwrap();
    let unlocked = |id| vault.head(id).unwrap().unlock(&Access::Private(&key)).unwrap();
    let open = |extract: &Extract, range| extract.open(&summary.root, &unlocked(&summary.id), range);
    #[expect(clippy::reversed_empty_ranges)]
    for range in
        [0..0, 5..3, 0..length + 1, length..length + 1, 0..u64::MAX, u64::MAX - 1..u64::MAX, 0..MAX_EXTRACT + 1]
    {
        assert!(matches!(vault.extract(&summary.id, range.clone()), Err(Error::Range { .. })), "{range:?}");
    }
    let (first, second) =
        (vault.extract(&summary.id, 0..10).unwrap(), vault.extract(&summary.id, 65_536..65_546).unwrap());
    assert!(open(&first, 0..10).is_ok());
    // Segments of another range.
    assert!(matches!(open(&first, 65_536..65_546), Err(Error::Range { .. })));
    assert!(matches!(open(&second, 0..10), Err(Error::Range { .. })));
    assert!(matches!(open(&first, 60_000..70_000), Err(Error::Range { .. })));
    // Another object of the same owner.
    let other = vault.put(&bytes(length as usize)[..], [key.public()], b"").unwrap();
    let foreign = vault.extract(&other.id, 0..10).unwrap();
    assert!(matches!(open(&foreign, 0..10), Err(Error::OtherObject { .. })));
    assert!(matches!(foreign.open(&summary.root, &unlocked(&other.id), 0..10), Err(Error::Proof { leaf: 0 })));
}

#[test]
fn rotation_leaves_only_the_new_keys_and_can_be_repeated() {
    let ((_directory, vault), old, new) = (vault(), key(), PrivateKey::generate(Suite::XWing));
    let before: Vec<_> = (0..4).map(|i| vault.put(&bytes(i * 1000)[..], [old.public()], b"").unwrap()).collect();
    vault.rewrap(&before[2].id, &Access::Private(&old), [old.public(), new.public()]).unwrap();
    let changed = vault.rotate(&Access::Private(&old), [new.public()]).unwrap();
    assert_eq!(changed, vault.list().unwrap());
    assert!(vault.rotate(&Access::Private(&old), [new.public()]).unwrap().is_empty());
    for (i, summary) in before.iter().enumerate() {
        assert_eq!(read(&vault, &summary.id, &Access::Private(&new)).unwrap(), bytes(i * 1000));
        assert!(matches!(read(&vault, &summary.id, &Access::Private(&old)), Err(Error::NotRecipient)));
        assert_eq!(vault.check(&summary.id).unwrap().root, summary.root);
        assert_eq!(vault.summary(&summary.id).unwrap().weakest, Suite::XWing);
    }
    // On to a batch key.
    let (batch, record) = BatchKey::generate(new.public()).unwrap();
    assert_eq!(vault.rotate(&Access::Private(&new), [&batch]).unwrap().len(), 4);
    let batch = record.unlock(&Access::Private(&new)).unwrap();
    assert_eq!(read(&vault, &before[3].id, &Access::Batch(&batch)).unwrap(), bytes(3000));
}

#[test]
fn erasure_destroys_everything_and_states_what() {
    let ((directory, vault), key) = (vault(), key());
    let summary = vault.put(&bytes(100_000)[..], [key.public(), key.public()], b"").unwrap();
    let kept = vault.put(&b"kept"[..], [key.public()], b"").unwrap();
    let erasure = vault.erase(&summary.id).unwrap();
    assert_eq!((erasure.id, erasure.root, erasure.stanzas), (summary.id, Some(summary.root), 2));
    assert!(erasure.bytes > 100_000);
    assert!(matches!(vault.head(&summary.id), Err(Error::Missing { .. })));
    assert!(matches!(vault.erase(&summary.id), Err(Error::Missing { .. })));
    assert_eq!(vault.list().unwrap(), [kept.id]);
    assert_eq!(entries(&directory.path().join("vault")), [kept.id.to_string(), "lock".into()]);
    // A damaged object can be erased as well.
    fs::write(directory.path().join("vault").join(kept.id.to_string()).join("object"), b"rubbish").unwrap();
    assert_eq!(vault.erase(&kept.id).unwrap().root, None);
    assert_eq!(entries(&directory.path().join("vault")), ["lock"]);
}

#[test]
fn an_interrupted_erasure_is_finished_and_states_the_same() {
    let ((directory, vault), key) = (vault(), key());
    let root = directory.path().join("vault");
    let summary = vault.put(&b"secret"[..], [key.public()], b"").unwrap();
    let expected = {
        // The same object, erased elsewhere.
        let (_other, twin) = self::vault();
        twin.import(vault.export(&summary.id, None).unwrap(), None).unwrap();
        twin.erase(&summary.id).unwrap()
    };
    // As a crash leaves it: recorded, renamed, stanzas gone, ciphertext still there.
    fs::write(root.join(summary.id.to_string()).join("erasure"), wire::to_vec(&expected)).unwrap();
    let leaving = root.join(format!("erasing-{}", summary.id));
    fs::rename(root.join(summary.id.to_string()), &leaving).unwrap();
    fs::remove_file(leaving.join("stanzas")).unwrap();
    let vault = Vault::open(&root).unwrap();
    assert!(vault.list().unwrap().is_empty());
    assert_eq!(vault.erasing().unwrap(), [summary.id]);
    assert_eq!(vault.erase(&summary.id).unwrap(), expected);
    assert!(vault.erasing().unwrap().is_empty());
    assert_eq!(entries(&root), ["lock"]);
}

#[test]
fn damage_at_rest_is_found() {
    let ((directory, vault), key) = (vault(), key());
    let summary = vault.put(&bytes(70_000)[..], [key.public()], b"").unwrap();
    let object = directory.path().join("vault").join(summary.id.to_string());
    for (name, at) in [("object", 500), ("object", 70_000), ("tree", 40), ("stanzas", 60)] {
        let mut content = fs::read(object.join(name)).unwrap();
        content[at] ^= 1;
        fs::write(object.join(name), &content).unwrap();
        let opens = vault.read(&summary.id, std::io::sink(), &Access::Private(&key), Some(&summary.root)).is_ok();
        // The tree serves proofs only; opening does not need it, yet a check of the whole finds it damaged.
        assert_eq!(opens, name == "tree", "{name}");
        assert_eq!(vault.check(&summary.id).is_ok_and(|found| found == summary), name == "stanzas", "{name}");
        content[at] ^= 1;
        fs::write(object.join(name), &content).unwrap();
    }
    assert_eq!(vault.check(&summary.id).unwrap(), summary);
}

#[test]
fn a_failing_reader_leaves_nothing() {
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(std::io::ErrorKind::ConnectionReset)?;
            Ok(buffer.len())
        }
    }
    let ((directory, vault), key) = (vault(), key());
    assert!(matches!(vault.put(Failing(5), [key.public()], b""), Err(Error::Io(_))));
    assert_eq!(entries(&directory.path().join("vault")), ["lock"]);
}

#[test]
fn a_crashed_put_is_swept_but_a_running_one_is_not() {
    let ((directory, vault), key) = (vault(), key());
    let root = directory.path().join("vault");
    struct Opening<'a>(&'a Path, bool);
    impl Read for Opening<'_> {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            // Another process opens the vault while this put is under way.
            Vault::open(self.0).unwrap();
            self.1 = entries(self.0).iter().any(|name| name.starts_with("incoming-"));
            Ok(0)
        }
    }
    let mut reader = Opening(&root, false);
    let summary = vault.put(&mut reader, [key.public()], b"").unwrap();
    assert!(reader.1, "the running put was swept");
    fs::create_dir(root.join("incoming-0123")).unwrap();
    fs::write(root.join("incoming-0123/object"), b"half").unwrap();
    Vault::open(&root).unwrap();
    assert_eq!(entries(&root), [summary.id.to_string(), "lock".into()]);
}

#[test]
fn an_interrupted_rewrap_leaves_the_old_stanzas_or_the_new() {
    let ((directory, vault), key, other) = (vault(), key(), key());
    let summary = vault.put(&b"secret"[..], [key.public()], b"").unwrap();
    let object = directory.path().join("vault").join(summary.id.to_string());
    // A crash before the rename leaves the successor, torn or whole, beside the stanzas.
    for torn in [&b""[..], b"torn", &fs::read(object.join("stanzas")).unwrap()] {
        fs::write(object.join("stanzas.new"), torn).unwrap();
        assert_eq!(read(&vault, &summary.id, &Access::Private(&key)).unwrap(), b"secret");
    }
    vault.rewrap(&summary.id, &Access::Private(&key), [other.public()]).unwrap();
    assert_eq!(read(&vault, &summary.id, &Access::Private(&other)).unwrap(), b"secret");
    assert_eq!(entries(&object), ["object", "stanzas", "tree"]);
}

const ROUNDS: u64 = 12;

/// A process that puts and rewraps is killed again and again; every object that it acknowledged opens, and every object
/// in the vault is whole.
#[test]
fn kill_minus_nine_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (root, key) = (directory.path().join("vault"), key());
    let secret = key.secret().expose(|bytes| wire::text::to_hex(bytes));
    let log = directory.path().join("acknowledged");
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash_child", "--ignored", "--nocapture"])
            .env("VAULT_CRASH_ROOT", &root)
            .env("VAULT_CRASH_KEY", &secret)
            .env("VAULT_CRASH_LOG", &log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + 13 * round));
        // On a slow disk the last one lives until it has done something.
        let begun = Instant::now();
        let is_idle = || fs::read_to_string(&log).unwrap_or_default().lines().count() == 0;
        while round == ROUNDS - 1 && is_idle() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let vault = Vault::open(&root).unwrap();
        let kept = vault.list().unwrap();
        for id in &kept {
            assert_eq!(read(&vault, id, &Access::Private(&key)).unwrap(), bytes(200_000));
            assert!(vault.check(id).is_ok());
        }
        let acknowledged = fs::read_to_string(&log).unwrap_or_default();
        // The kill may tear the log's last line, never an acknowledgement before it.
        for id in acknowledged.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            assert!(kept.contains(&id.parse().unwrap()), "{id} was acknowledged and is gone");
        }
        assert!(entries(&root).iter().all(|name| !name.starts_with("incoming-")));
    }
    assert!(fs::read_to_string(&log).unwrap().lines().count() > 0, "the child got nothing done");
}

#[test]
#[ignore = "started by kill_minus_nine_loses_nothing_acknowledged"]
fn crash_child() {
    let Ok(root) = std::env::var("VAULT_CRASH_ROOT") else { return };
    let secret = wire::text::hex(&std::env::var("VAULT_CRASH_KEY").unwrap()).unwrap();
    let key = PrivateKey::from_secret(Suite::X25519, crypto::Secret::new(secret)).unwrap();
    let mut log =
        fs::OpenOptions::new().create(true).append(true).open(std::env::var("VAULT_CRASH_LOG").unwrap()).unwrap();
    let vault = Vault::open(root).unwrap();
    loop {
        let summary = vault.put(&bytes(200_000)[..], [key.public()], b"").unwrap();
        std::io::Write::write_all(&mut log, format!("{}\n", summary.id).as_bytes()).unwrap();
        vault.rewrap(&summary.id, &Access::Private(&key), [key.public(), key.public()]).unwrap();
    }
}

#[test]
fn summaries_and_erasures_have_a_json_form() {
    let ((_directory, vault), key) = (vault(), key());
    let summary = vault.put(&b"x"[..], [key.public()], b"").unwrap();
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["id"], summary.id.to_string());
    assert_eq!(json["weakest"], "x25519");
    assert_eq!(serde_json::from_value::<vault::Summary>(json).unwrap(), summary);
    let erasure = vault.erase(&summary.id).unwrap();
    let json = serde_json::to_string(&erasure).unwrap();
    assert_eq!(serde_json::from_str::<vault::Erasure>(&json).unwrap(), erasure);
}
