//! The state's proofs, now and in the past.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::{HISTORY, Ledger, Proven, State as _, VerifiedTransaction};
use proptest::prelude::*;
use support::*;

fn write(key: u8, value: Option<u8>, nonce: u64) -> VerifiedTransaction {
    let method = if value.is_some() { "put" } else { "remove" };
    verified(call(method, &[key], &Vec::from_iter(value), nonce, NOW + 1_000_000))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is written and removed: every height's every key is proven as it was, and no other value is.
    #[test]
    fn presence_and_absence_at_every_height(
        blocks in prop::collection::vec(prop::collection::vec((0u8..12, prop::option::of(any::<u8>())), 1..8), 1..8),
        room in prop::sample::select(&ROOMS),
    ) {
        let ledger = memory();
        ledger.keep_changes(room);
        let mut model = BTreeMap::new();
        let mut history = vec![model.clone()];
        let mut nonce = 0;
        for block in blocks {
            let mut batch = Vec::new();
            for (key, value) in block {
                nonce += 1;
                batch.push(write(key, value, nonce));
                match value {
                    Some(value) => model.insert(key, vec![value]),
                    None => model.remove(&key),
                };
            }
            ledger.propose(batch, NOW).unwrap();
            history.push(model.clone());
        }
        let view = ledger.view().unwrap();
        for (height, model) in (0..).zip(&history) {
            let header = ledger.header(height).unwrap().unwrap();
            for key in 0..12u8 {
                let proven = view.prove_at(height, &[b"map/".as_slice(), &[key]].concat()).unwrap();
                prop_assert_eq!(proven.value.as_ref().map(|value| value.0.clone()), model.get(&key).cloned());
                prop_assert!(proven.verify(&header.digest()));
                for other in [None, Some(vec![]), Some(vec![1, 2])] {
                    let other = Proven { value: other.map(Into::into), ..proven.clone() };
                    prop_assert!(other.value == proven.value || !other.verify(&header.digest()));
                }
                let other = Proven { key: [b"map/".as_slice(), &[key ^ 1]].concat().into(), ..proven.clone() };
                prop_assert!(other.value.is_none() || !other.verify(&header.digest()));
            }
        }
        let pairs: Vec<_> = model.iter().map(|(key, value)| ([b"map/".as_slice(), &[*key]].concat(), value.clone())).collect();
        prop_assert_eq!(view.scan(b"map/", None, 100).unwrap(), pairs);
    }
}

#[test]
fn tampered_proofs_are_refused() {
    let ledger = memory();
    let batch = (0..100u8).map(|n| write(n, Some(n), u64::from(n))).collect();
    ledger.propose(batch, NOW).unwrap();
    let header = ledger.head().digest();
    let view = ledger.view().unwrap();
    for key in [b"map/\x05".as_slice(), b"map/absent"] {
        let proven = view.prove(key).unwrap();
        assert!(proven.verify(&header));
        assert!(!proven.verify(&crypto::sha256(&[])));
        let bytes = wire::to_vec(&proven);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let accepted =
                wire::from_slice::<Proven>(&flipped, wire::Limits::small()).is_ok_and(|proven| proven.verify(&header));
            // Another absent key in the same empty place is as absent as this one; it is then named as such.
            let moved = proven.value.is_none()
                && wire::from_slice::<Proven>(&flipped, wire::Limits::small())
                    .is_ok_and(|other| other.key != proven.key);
            assert!(!accepted || moved, "byte {at} of {key:?}");
        }
        for at in 0..proven.proof.siblings.len() {
            let mut shorter = proven.clone();
            shorter.proof.siblings.remove(at);
            assert!(!shorter.verify(&header));
        }
    }
    assert!(view.prove_at(2, b"x").is_err());
}

#[test]
fn a_view_does_not_move() {
    let ledger = memory();
    let view = ledger.view().unwrap();
    ledger.propose(vec![write(1, Some(1), 1)], NOW).unwrap();
    assert_eq!(view.header().height, 0);
    assert_eq!(view.get(b"map/\x01").unwrap(), None);
    assert!(view.prove(b"map/\x01").unwrap().verify(&ledger.header(0).unwrap().unwrap().digest()));
}

#[test]
fn states_are_kept_for_a_window() {
    let ledger = memory();
    for height in 1..=HISTORY + 20 {
        ledger.propose(vec![write((height % 5) as u8, Some(height as u8), height)], NOW).unwrap();
    }
    let view = ledger.view().unwrap();
    for height in [20, 21, 22, 25, 5_000, HISTORY + 20] {
        let proven = view.prove_at(height, &[b"map/".as_slice(), &[3]].concat()).unwrap();
        let written = (0..=height).rev().find(|height| height % 5 == 3).unwrap();
        assert_eq!(proven.value, Some(vec![written as u8].into()));
        assert!(proven.verify(&ledger.header(height).unwrap().unwrap().digest()));
    }
    assert!(matches!(view.prove_at(19, b"map/x"), Err(ledger::Error::Pruned { found: 19, oldest: 20 })));
}

/// Of a large tree most nodes are told by earlier ones, which stay as long as any state that is kept needs them.
#[test]
fn kept_states_of_a_large_tree_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.redb");
    let open = || {
        let ledger = Ledger::open(&path, Arc::new(Map), genesis()).unwrap();
        ledger.keep_states(3);
        ledger
    };
    let (mut ledger, mut model, mut nonce) = (open(), BTreeMap::new(), 0);
    let mut history = vec![model.clone()];
    for block in 1..=60u64 {
        // At first many keys, then few of them again and again, some for the last time and some anew.
        let keys: Vec<u16> = match block {
            1..=4 => (0..400).map(|at| at * 4 + block as u16).collect(),
            _ => (0..12).map(|at| ((block / 3 * 131 + at * 7 + block % 3 * 500) % 1_700) as u16).collect(),
        };
        let mut batch = Vec::new();
        for key in keys {
            nonce += 1;
            let value = (nonce % 5 > 0).then_some(nonce as u8);
            let method = if value.is_some() { "put" } else { "remove" };
            batch.push(verified(call(method, &key.to_be_bytes(), &Vec::from_iter(value), nonce, NOW + 1_000_000)));
            match value {
                Some(value) => model.insert(key, vec![value]),
                None => model.remove(&key),
            };
        }
        ledger.propose(batch, NOW).unwrap();
        history.push(model.clone());
        if block % 7 == 0 {
            drop(ledger);
            ledger = open();
        }
        let view = ledger.view().unwrap();
        assert_eq!(view.oldest(), block.saturating_sub(3));
        for height in view.oldest()..=block {
            let header = ledger.header(height).unwrap().unwrap();
            for key in (0..1_700u16).step_by(23).map(|key| (key + block as u16) % 1_700) {
                let proven = view.prove_at(height, &[b"map/".as_slice(), &key.to_be_bytes()].concat()).unwrap();
                assert_eq!(
                    proven.value.as_ref().map(|value| value.0.clone()),
                    history[height as usize].get(&key).cloned()
                );
                assert!(proven.verify(&header.digest()), "{key} at {height} after {block}");
            }
        }
    }
}
