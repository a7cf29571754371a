//! What a validator leaves behind for those who were away.

use std::collections::BTreeSet;
use std::sync::Arc;

use contracts::Contracts;
use contracts::message::{MemberCard, OrderingRotate, OrderingSeat};
use crypto::keystore::FileKeys;
use crypto::{Secret, SigningKey};
use ledger::{EXPIRY_WINDOW, Genesis, Transaction, VerifiedTransaction};
use wire::Fixed;

use super::*;
use crate::service::NODE;
use crate::setup::{self, Founder};

const NOW: u64 = 1_700_000_000_000;

/// A founder's node in a directory.
fn founded(directory: &Path) -> (Own, Genesis, MemberCard) {
    let home = directory.join("node");
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
        keys,
        directory: home,
        clock: Arc::new(|| NOW),
        burnt: BTreeSet::new(),
    };
    (own, genesis, card)
}

#[test]
fn a_key_is_destroyed_once_what_it_has_to_sign_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (own, genesis, card) = founded(directory.path());
    let keys = Arc::clone(&own.keys);
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

    // As long as the old key votes, it stays; what was signed in epochs before goes, also where that was broken off.
    let left = |epoch: &str| own.directory.join("order").join(epoch);
    for epoch in ["0", "1", "2.over", "10"] {
        std::fs::create_dir_all(left(epoch).join("votes")).unwrap();
    }
    own.retire(&ledger, &card.cosigner, 10);
    assert_eq!(
        ["0", "0.over", "1", "1.over", "2.over", "10"].map(|epoch| left(epoch).exists()),
        [false, false, false, false, false, true]
    );
    assert_eq!(own.votes(10), left("10"));
    assert!(keys.public(COSIGNER).is_ok());
    own.retire(&ledger, &key, 10);
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
fn nobody_votes_in_an_epoch_of_which_it_has_lost_the_votes_nor_before_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let (own, ..) = founded(directory.path());
    let (mark, takes_up) = (own.directory.join(VOTED), |epoch| own.takes_up(epoch).unwrap());
    assert!(takes_up(4) && own.votes(4).exists());
    // One that failed before it signed anything, or that starts again.
    fs::remove_file(&mark).unwrap();
    assert!(takes_up(4) && takes_up(4));
    assert!(takes_up(6));
    // Back into an epoch whose votes are there, and nothing is forgotten over it.
    assert!(takes_up(4) && !takes_up(5));
    assert_eq!(voted(&mark).unwrap(), Some(6));
    fs::remove_dir_all(own.directory.join(ORDER)).unwrap();
    assert_eq!([4, 5, 6].map(takes_up), [false; 3]);
    assert!(!own.directory.join(ORDER).exists());
    assert!(takes_up(7) && !takes_up(6));
    // Whoever cannot tell does not vote; what a write that was cut short left is in nobody's way.
    fs::write(mark.with_extension("draft"), "8").unwrap();
    for damaged in ["", "x", "-1", "7 8"] {
        fs::write(&mark, damaged).unwrap();
        let told = own.takes_up(7).unwrap_err().to_string();
        assert!(told.contains("node/voted is damaged: write into it"), "{told}");
    }
    fs::write(&mark, "7").unwrap();
    assert!(takes_up(7) && takes_up(8));
    assert_eq!(voted(&mark).unwrap(), Some(8));
    // A directory in which nothing can be looked up is not one without votes.
    fs::remove_dir_all(own.directory.join(ORDER)).unwrap();
    fs::write(own.directory.join(ORDER), "").unwrap();
    assert!(own.takes_up(9).is_err());
}
