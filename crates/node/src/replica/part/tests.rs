//! What a validator leaves behind for those who were away.

use contracts::Contracts;
use contracts::message::OrderingRotate;
use crypto::{Secret, SigningKey};
use ledger::{EXPIRY_WINDOW, Transaction, VerifiedTransaction};
use wire::Fixed;

use super::*;
use crate::service::NODE;
use crate::setup::{self, Founder};

const NOW: u64 = 1_700_000_000_000;

#[test]
fn a_key_is_destroyed_once_what_it_has_to_sign_is_on_disk() {
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
    let (genesis, card) = setup::found(&home, &founder, &passphrase, NOW).unwrap();
    let keys = Arc::new(FileKeys::open(home.join("keys.sealed"), &passphrase).unwrap());
    let own = Own {
        member: "st-anna".into(),
        leader: "st-anna".into(),
        validator: None,
        keys: Arc::clone(&keys),
        directory: home,
        clock: Arc::new(|| NOW),
        burnt: BTreeSet::new(),
    };
    let path = directory.path().join("ledger.redb");
    let ledger = Ledger::open(&path, Arc::new(Contracts), genesis.clone()).unwrap();
    let record = |method: &str, arguments: Vec<u8>| {
        let transaction = Transaction {
            chain: ledger.chain(),
            sender: card.node,
            nonce: Fixed(crypto::random()),
            expires: NOW + EXPIRY_WINDOW / 2,
            contract: "ordering".into(),
            method: method.into(),
            arguments: arguments.into(),
        };
        let signed = transaction.sign_with(|label, message| keys.sign(NODE, label, message)).unwrap();
        let proposed = ledger.propose(vec![VerifiedTransaction::verify(signed, &ledger.chain()).unwrap()], NOW);
        let results = proposed.unwrap().results;
        assert_eq!(results[0].as_ref().unwrap().outcome.code, ledger::OK);
    };
    let seat = |port: u16| wire::to_vec(&OrderingSeat { address: format!("127.0.0.1:{port}") });

    // The first epoch ends with block 2.
    let key = keys.generate_signing("cosigner/new").unwrap();
    keys.generate_signing("cosigner/not-on-the-ledger").unwrap();
    record("seat", seat(1));
    record("rotate", wire::to_vec(&OrderingRotate { key, ml_dsa: None }));
    record("seat", seat(2));
    assert_eq!(ends(&ledger, 0).unwrap(), [2]);

    // As long as the old key votes, it stays.
    own.retire(&ledger, &card.cosigner, 1, &directory.path().join("order"));
    assert!(keys.public(COSIGNER).is_ok());
    own.retire(&ledger, &key, 1, &directory.path().join("order"));
    assert!(keys.public(COSIGNER).is_err());
    for handle in ["cosigner/new", "cosigner/not-on-the-ledger", NODE] {
        assert!(keys.public(handle).is_ok(), "{handle}");
    }

    // What a power cut leaves: of the first epoch only the last block can be answered for.
    let copy = directory.path().join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let after = Ledger::open(&copy, Arc::new(Contracts), genesis).unwrap();
    let by = |height: u64, key: &PublicKey| {
        let cosignature = own.cosign(&after, height).unwrap()?;
        Some(after.checkpoint(height).unwrap().verify(key, &cosignature).is_ok())
    };
    assert_eq!([by(1, &card.cosigner), by(2, &card.cosigner), by(3, &key)], [None, Some(true), Some(true)]);
}

#[test]
fn a_quorum_answers_for_a_block_and_to_a_validator_more_than_can_lie() {
    let epoch = |n: usize| {
        let validator = |at: usize| ledger::Validator {
            name: format!("v{at}"),
            key: SigningKey::from_seed(&[at as u8; 32]).public(),
            ml_dsa: None,
        };
        Epoch { number: 0, validators: (0..n).map(validator).collect() }
    };
    let names: Vec<String> = (0..10).map(|at| format!("v{at}")).collect();
    // How many of the others a validator needs, and how many somebody else.
    for (n, validator, newcomer) in [(2, 1, 2), (3, 1, 3), (4, 2, 3), (7, 3, 5), (10, 4, 7)] {
        let least = |own: &str| {
            let others: Vec<String> = names[..n].iter().filter(|name| *name != own).cloned().collect();
            (0..=others.len()).find(|count| suffice(&epoch(n), others[..*count].iter(), own))
        };
        assert_eq!((least("v0"), least("nobody")), (Some(validator), Some(newcomer)), "of {n}");
        // What others hand on of its own word does not count.
        assert!(!suffice(&epoch(n), names[..validator].iter(), "v0"));
    }
    // Nobody else's word is nobody's.
    assert!(!suffice(&epoch(1), names[..1].iter(), "v0"));
}
