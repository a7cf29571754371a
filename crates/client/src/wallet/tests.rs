use crypto::SigningKey;
use ledger::{Epoch, Genesis, Validator};
use proptest::prelude::*;

use super::*;

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(b"correct horse".to_vec())
}

fn profile() -> Profile {
    Profile {
        name: "dr.lima".into(),
        member: None,
        node: "https://127.0.0.1:7001".into(),
        tls: Digest::from([7; 32]),
        consortium: "consortium.toml".into(),
    }
}

fn consortium(nonce: u8) -> Consortium {
    let genesis = Genesis {
        name: "trial".into(),
        created: 1,
        application: wire::Bytes::default(),
        nonce: wire::Fixed([nonce; 16]),
    };
    let validators =
        vec![Validator { name: "st-anna".into(), key: SigningKey::from_seed(&[1; 32]).public(), ml_dsa: None }];
    Consortium {
        format: Consortium::FORMAT.into(),
        name: genesis.name.clone(),
        chain: genesis.chain(),
        epochs: vec![Epoch { number: 1, validators }.pinned(0)],
        oracles: vec![],
    }
}

fn create(directory: &Path) -> Wallet {
    Wallet::create_with(directory, profile(), &passphrase(), Cost::danger_weak()).unwrap()
}

#[test]
fn comes_back_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("home");
    let mut wallet = create(&directory);
    assert!(matches!(wallet.consortium(), Err(Error::Unpinned)));
    wallet.pin(consortium(1)).unwrap();
    let ephemeral = wallet.ephemeral(Suite::XWing).unwrap().public().unwrap();

    let opened = Wallet::open(&directory, &passphrase()).unwrap();
    assert_eq!((opened.key(), opened.profile()), (wallet.key(), &profile()));
    assert_eq!(opened.consortium().unwrap(), &consortium(1));
    assert_eq!(opened.endpoint().unwrap().address(), "https://127.0.0.1:7001");
    let message = crypto::kem::seal(&ephemeral, b"info", b"aad", b"share").unwrap();
    let found = opened.find_ephemeral(&ephemeral).unwrap();
    assert!(found.open(b"info", b"aad", &message).unwrap().expose(|plain| plain == b"share"));
    assert!(found.open(b"info", b"other", &message).is_err());

    opened.forget(&ephemeral).unwrap();
    assert!(matches!(opened.find_ephemeral(&ephemeral), Err(Error::Forgotten { .. })));
    let reopened = Wallet::open(&directory, &passphrase()).unwrap();
    assert!(matches!(reopened.find_ephemeral(&ephemeral), Err(Error::Forgotten { .. })));
}

#[test]
fn keeps_to_one_chain() {
    let root = tempfile::tempdir().unwrap();
    let mut wallet = create(root.path());
    wallet.pin(consortium(1)).unwrap();
    let mut grown = consortium(1);
    grown.epochs.push(Epoch { number: 2, ..grown.epochs[0].epoch() }.pinned(5));
    wallet.pin(grown.clone()).unwrap();
    assert!(matches!(wallet.pin(consortium(2)), Err(Error::OtherChain { .. })));
    assert_eq!(Wallet::open(root.path(), &passphrase()).unwrap().consortium().unwrap(), &grown);
}

#[test]
fn is_not_made_twice_and_not_opened_by_others() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::Io { .. })));
    create(root.path());
    assert!(matches!(
        Wallet::create_with(root.path(), profile(), &passphrase(), Cost::danger_weak()),
        Err(Error::Keys(_))
    ));
    let wrong = Secret::new(b"battery staple".to_vec());
    assert!(matches!(Wallet::open(root.path(), &wrong), Err(Error::Keys(keystore::Error::Locked))));
    for file in [PROFILE, KEYS] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(root.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn refuses_hostile_files() {
    let root = tempfile::tempdir().unwrap();
    create(root.path()).pin(consortium(1)).unwrap();
    let good = profile().to_toml();
    assert_eq!(Profile::parse(&good).unwrap(), profile());
    let profiles = [
        format!("{good}extra = 1\n"),
        good.replace("name", "nom"),
        good.replace("dr.lima", "Dr Lima"),
        good.replace("dr.lima", ""),
        good.replace("consortium.toml", "../consortium.toml"),
        good.replace("consortium.toml", "/etc/passwd"),
        good.replace("consortium.toml", ".."),
        good.replace("consortium.toml", "keys.sealed"),
        good.replace("https", "http"),
        good.replace("127.0.0.1:7001", "127.0.0.1:7001/path"),
        good.replace("0707", "07"),
        good.replace("0707", "07zz"),
        "\u{0}".into(),
    ];
    for text in profiles {
        assert_ne!(text, good);
        fs::write(root.path().join(PROFILE), &text).unwrap();
        assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::Profile(_))), "{text}");
    }
    fs::write(root.path().join(PROFILE), vec![b'#'; MAX_PROFILE as usize + 1]).unwrap();
    assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::TooLong { .. })));
    fs::write(root.path().join(PROFILE), [0xff]).unwrap();
    assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::Io { .. })));

    fs::write(root.path().join(PROFILE), &good).unwrap();
    let path = root.path().join("consortium.toml");
    let pinned = fs::read_to_string(&path).unwrap();
    for text in [format!("extra = 1\n{pinned}"), pinned.replace("/v1", "/v2"), String::new()] {
        fs::write(&path, text).unwrap();
        assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::Consortium(_))));
    }
    fs::write(&path, &pinned).unwrap();

    let keys = root.path().join(KEYS);
    let sealed = fs::read(&keys).unwrap();
    for at in (0..sealed.len()).step_by(7) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        fs::write(&keys, changed).unwrap();
        assert!(matches!(Wallet::open(root.path(), &passphrase()), Err(Error::Keys(_))), "byte {at}");
    }
    fs::write(&keys, sealed).unwrap();
    assert!(Wallet::open(root.path(), &passphrase()).is_ok());
}

proptest! {
    #[test]
    fn arbitrary_profiles_never_panic(text in "\\PC{0,200}") {
        let _ = Profile::parse(&text);
    }

    #[test]
    fn profiles_have_a_round_trip(name in "[a-z0-9][a-z0-9.-]{0,63}", member in proptest::option::of("[a-z0-9-]{1,64}"), tls: [u8; 32]) {
        let profile = Profile { name, member, tls: Digest::from(tls), ..profile() };
        prop_assert_eq!(Profile::parse(&profile.to_toml()).unwrap(), profile);
    }
}
