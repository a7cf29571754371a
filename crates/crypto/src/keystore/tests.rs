use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proptest::prelude::*;

use super::file::stage;
use super::*;
use crate::kem::{self, Suite};

struct Fixture {
    directory: tempfile::TempDir,
    passphrase: Secret<Vec<u8>>,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), passphrase: Secret::new(b"correct horse".to_vec()) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    fn create(&self) -> FileKeys {
        FileKeys::create_with(self.path(), &self.passphrase, Cost::danger_weak()).unwrap()
    }

    fn open(&self) -> Result<FileKeys, Error> {
        FileKeys::open(self.path(), &self.passphrase)
    }
}

#[test]
fn keys_outlive_the_process() {
    let fixture = Fixture::new();
    let store = fixture.create();
    let signing = store.generate_signing("ledger").unwrap();
    let recipients = Suite::ALL.map(|suite| store.generate_recipient(&format!("vault/{suite}"), suite).unwrap());
    store.put_secret("tls", Secret::new(vec![7; 300])).unwrap();
    drop(store);

    let store = fixture.open().unwrap();
    assert_eq!(store.public("ledger").unwrap(), signing);
    let signature = store.sign("ledger", Label::TRANSACTION, b"m").unwrap();
    assert!(signing.verify(Label::TRANSACTION, b"m", &signature).is_ok());
    assert!(signing.verify_raw(b"m", &store.sign_raw("ledger", b"m").unwrap()).is_ok());
    for recipient in recipients {
        let handle = format!("vault/{}", recipient.suite());
        assert_eq!(store.recipient(&handle).unwrap(), recipient);
        let sealed = kem::seal(&recipient, b"info", b"aad", b"data key").unwrap();
        assert!(store.unwrap(&handle, b"info", b"aad", &sealed).unwrap().expose(|bytes| bytes == b"data key"));
        assert!(matches!(store.unwrap(&handle, b"other", b"aad", &sealed), Err(Error::Sealed(_))));
    }
    assert!(store.secret("tls").unwrap().expose(|bytes| bytes == &[7; 300]));
    let handles: Vec<_> = store.handles().into_iter().map(|(handle, _)| handle).collect();
    assert_eq!(handles, ["ledger", "tls", "vault/p-256", "vault/x-wing", "vault/x25519"]);
}

#[test]
fn handles_are_checked() {
    let fixture = Fixture::new();
    let store = fixture.create();
    store.generate_signing("ledger").unwrap();
    assert!(matches!(store.generate_signing("ledger"), Err(Error::Taken { .. })));
    assert!(matches!(store.public("other"), Err(Error::Unknown { .. })));
    assert!(matches!(
        store.recipient("ledger"),
        Err(Error::Kind { found: Kind::Signing, expected: Kind::Recipient, .. })
    ));
    assert!(matches!(store.secret("ledger"), Err(Error::Kind { .. })));
    for handle in ["", "Ledger", "a b", "é", &"a".repeat(65)] {
        assert!(matches!(store.generate_signing(handle), Err(Error::Handle { .. })), "{handle}");
    }
    assert!(matches!(store.put_secret("big", Secret::new(vec![0; 64 * 1024 + 1])), Err(Error::Full)));
    store.remove("ledger").unwrap();
    assert!(matches!(store.remove("ledger"), Err(Error::Unknown { .. })));
    assert!(fixture.open().unwrap().handles().is_empty());
}

#[test]
fn the_whole_file_stays_bounded() {
    let fixture = Fixture::new();
    let store = fixture.create();
    let stored =
        (0..20).take_while(|n| store.put_secret(&format!("s{n}"), Secret::new(vec![1; 64 * 1024])).is_ok()).count();
    assert_eq!(stored, 15);
    assert_eq!(fixture.open().unwrap().handles().len(), 15);
}

#[test]
fn a_wrong_passphrase_is_refused() {
    let fixture = Fixture::new();
    fixture.create();
    let wrong = Secret::new(b"correct horsf".to_vec());
    assert!(matches!(FileKeys::open(fixture.path(), &wrong), Err(Error::Locked)));
    assert!(matches!(FileKeys::open(fixture.path(), &Secret::new(Vec::new())), Err(Error::Passphrase)));
    assert!(
        matches!(FileKeys::create(fixture.path(), &fixture.passphrase), Err(Error::Io { .. })),
        "never overwritten"
    );
    assert!(fixture.open().is_ok());
}

#[test]
fn the_standard_cost_opens() {
    let fixture = Fixture::new();
    let key = FileKeys::create(fixture.path(), &fixture.passphrase).unwrap().generate_signing("ledger").unwrap();
    assert_eq!(fixture.open().unwrap().public("ledger").unwrap(), key);
}

#[test]
fn any_flipped_byte_is_refused() {
    let fixture = Fixture::new();
    let store = fixture.create();
    store.generate_signing("ledger").unwrap();
    let good = fs::read(fixture.path()).unwrap();
    for at in 0..good.len() {
        for flip in [0x01, 0x80] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            fs::write(fixture.path(), &bad).unwrap();
            assert!(fixture.open().is_err(), "byte {at}");
        }
    }
    for end in 0..good.len() {
        fs::write(fixture.path(), &good[..end]).unwrap();
        assert!(fixture.open().is_err(), "cut at {end}");
    }
    fs::write(fixture.path(), [&good[..], &[0]].concat()).unwrap();
    assert!(fixture.open().is_err(), "a byte more");
    fs::write(fixture.path(), vec![0; 3 * 1024 * 1024]).unwrap();
    assert!(fixture.open().is_err(), "too long");
    fs::write(fixture.path(), &good).unwrap();
    assert!(fixture.open().is_ok());
}

#[test]
fn hostile_costs_are_refused_before_they_cost() {
    let fixture = Fixture::new();
    fixture.create();
    let good = fs::read(fixture.path()).unwrap();
    // Format, then the header: an array of five that starts with 64 KiB (18 40), one pass, one lane.
    let at = good.windows(5).position(|window| window == [0x85, 0x18, 0x40, 1, 1]).unwrap() + 1;
    let costs: [(u32, u32, u32); 6] =
        [(u32::MAX, 1, 1), (256 * 1024 + 1, 1, 1), (64, 17, 1), (64, 1, 9), (256 * 1024, 16, 1), (1, 0, 0)];
    for (memory, passes, lanes) in costs {
        let mut bad = good[..at].to_vec();
        [memory, passes, lanes].iter().for_each(|number| bad.extend(wire::to_vec(number)));
        bad.extend(&good[at + 4..]);
        fs::write(fixture.path(), &bad).unwrap();
        let started = std::time::Instant::now();
        assert!(matches!(fixture.open(), Err(Error::Cost { .. })));
        assert!(started.elapsed().as_millis() < 100);
    }
}

#[test]
fn a_crash_before_the_rename_leaves_the_old_file() {
    let fixture = Fixture::new();
    let store = fixture.create();
    store.generate_signing("ledger").unwrap();
    let old = fs::read(fixture.path()).unwrap();
    // The process died with the temporary file written, or half of it.
    for half in [&b"a whole new file"[..], b""] {
        let temporary = stage(&fixture.path(), half).unwrap();
        assert_eq!(fs::metadata(&temporary).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(fixture.path()).unwrap(), old);
        assert_eq!(fixture.open().unwrap().handles().len(), 1);
    }
    // What it left behind is in nobody's way.
    fixture.open().unwrap().generate_signing("second").unwrap();
    assert_eq!(fixture.open().unwrap().handles().len(), 2);
    let mut names: Vec<_> =
        fs::read_dir(fixture.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["keys", "keys.lock"]);
}

#[test]
fn only_the_owner_reads() {
    let fixture = Fixture::new();
    fixture.create();
    assert_eq!(fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(fixture.path(), fs::Permissions::from_mode(0o640)).unwrap();
    let refused = fixture.open().unwrap_err();
    assert!(matches!(refused, Error::Exposed { mode: 0o640, .. }));
    assert!(refused.to_string().contains("chmod 600"));
}

#[test]
fn another_process_is_not_overwritten() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.create(), fixture.open().unwrap());
    one.generate_signing("one").unwrap();
    assert!(matches!(two.generate_signing("two"), Err(Error::Changed { .. })));
    assert!(two.handles().is_empty(), "what is not on disk is not in memory either");
    assert_eq!(fixture.open().unwrap().handles().len(), 1);
}

#[test]
fn threads_share_a_store() {
    let fixture = Fixture::new();
    let store = fixture.create();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || (0..4).for_each(|n| assert!(store.generate_signing(&format!("{thread}-{n}")).is_ok())));
        }
    });
    assert_eq!(fixture.open().unwrap().handles().len(), 16);
}

#[test]
fn debug_tells_no_secret() {
    let fixture = Fixture::new();
    let store = fixture.create();
    store.put_secret("tls", Secret::new(b"hunter2".to_vec())).unwrap();
    let key = kem::PrivateKey::generate(Suite::X25519);
    let secret = key.secret().expose(|bytes| hex::encode(bytes));
    let shown = format!("{store:?} {key:?}");
    assert!(shown.contains("tls") && !shown.contains("hunter2") && !shown.contains(&secret));
    let raw = fs::read(fixture.path()).unwrap();
    assert!(!raw.windows(7).any(|window| window == b"hunter2") && !raw.windows(3).any(|window| window == b"tls"));
}

#[test]
fn passphrase_files_end_with_one_line_break() {
    let fixture = Fixture::new();
    let path = fixture.directory.path().join("passphrase");
    for (text, expected) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), ("abc\n\n", "abc\n"), (" a ", " a ")]
    {
        fs::write(&path, text).unwrap();
        assert!(Passphrase::read(&path).unwrap().expose(|bytes| bytes == expected.as_bytes()));
    }
    for text in [String::new(), "\n".into(), "a".repeat(1025), "a".repeat(5000)] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Passphrase::read(&path), Err(Error::Passphrase)));
    }
    fs::write(&path, "a".repeat(1024) + "\r\n").unwrap();
    assert!(Passphrase::read(&path).is_ok());
    assert!(matches!(Passphrase::read(&path.join("none")), Err(Error::Io { .. })));
}

proptest! {
    #[test]
    fn arbitrary_content_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = super::content::Content::decode(&bytes);
    }
}

#[test]
fn ml_dsa_keys_stand_beside_the_others_and_older_stores_open_as_before() {
    let fixture = Fixture::new();
    let store = fixture.create();
    let ledger = store.generate_signing("ledger").unwrap();
    // A store of before is one without such keys.
    drop(store);
    let store = fixture.open().unwrap();
    let public = store.generate_ml_dsa("cosigner-ml-dsa").unwrap();
    assert!(matches!(store.generate_ml_dsa("ledger"), Err(Error::Taken { .. })));
    drop(store);

    let store = fixture.open().unwrap();
    assert_eq!((store.ml_dsa("cosigner-ml-dsa").unwrap(), store.public("ledger").unwrap()), (public.clone(), ledger));
    let signature = store.sign_ml_dsa("cosigner-ml-dsa", Label::COSIGNATURE, b"m").unwrap();
    assert!(public.verify(Label::COSIGNATURE, b"m", &signature).is_ok());
    assert!(matches!(store.sign("cosigner-ml-dsa", Label::COSIGNATURE, b"m"), Err(Error::Kind { .. })));
    assert!(matches!(store.sign_ml_dsa("ledger", Label::COSIGNATURE, b"m"), Err(Error::Kind { .. })));
    assert_eq!(store.handles(), [("cosigner-ml-dsa".into(), Kind::MlDsa), ("ledger".into(), Kind::Signing)]);
    store.remove("cosigner-ml-dsa").unwrap();
    assert!(matches!(fixture.open().unwrap().ml_dsa("cosigner-ml-dsa"), Err(Error::Unknown { .. })));
}
