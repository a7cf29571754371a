//! The log as tiles, what a witness cosigns, and proofs of state: they hold, and nothing that was touched does.

mod support;

use std::collections::HashMap;

use crypto::{Digest, SigningKey, merkle};
use ledger::{
    AddCheckpoint, Checkpoint, Committed, Consortium, Error, Ledger, Note, ProvenState, ReceiptError, Tile, TileKind,
    Unwitnessed, tile,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use support::*;

fn consortium() -> Consortium {
    let mut consortium = Consortium::new(&genesis());
    consortium.epochs.push(epoch(0, &validators()).pinned(0));
    consortium
}

/// Blocks of so many transactions; `salt` makes chains differ.
fn grow(ledger: &Ledger, blocks: &[u64], salt: u8) {
    for (height, count) in blocks.iter().enumerate() {
        let first = ledger.head().log_size;
        let batch = (0..*count).map(|n| put(&[height as u8], &[salt], first + n)).collect();
        ledger.propose(batch, NOW).unwrap();
    }
}

fn filled() -> Ledger {
    let ledger = memory();
    grow(&ledger, &[300, 1, 255, 200], 0);
    assert!(cosign(&ledger, 2, &validators()[..3]).1 && cosign(&ledger, 4, &validators()[1..]).1);
    ledger
}

#[test]
fn tiles_give_the_cosigned_root_and_bundles_their_transactions() {
    let ledger = filled();
    let size = ledger.cosigned_size().unwrap();
    assert_eq!(size, 756);
    let verified = ledger.note(4).unwrap().verify(&consortium()).unwrap();
    assert_eq!((verified.checkpoint.size, verified.cosigners.len()), (size, 3));

    let mut hashes = HashMap::new();
    for level in Tile::levels(size) {
        for tile in Tile::level(level, size) {
            let bytes = ledger.tile(&tile).unwrap().unwrap();
            hashes.insert(tile, tile.read_hashes(&bytes).unwrap());
        }
    }
    let mut read = |tile: Tile| Ok::<_, ()>(hashes[&tile].clone());
    assert_eq!(tile::root(size, size, &mut read), Ok(verified.checkpoint.root));
    assert_eq!(tile::root(301, size, &mut read), Ok(ledger.checkpoint(2).unwrap().root));
    for (tile, found) in &hashes {
        if let Some((parent, at)) = tile.parent(size) {
            assert_eq!(hashes[&parent][at], tile::tile_root(found));
        }
    }

    let mut all = Vec::new();
    for index in 0..=size / 256 {
        let tile = Tile::entries(index, size).unwrap();
        let entries = tile.read_entries(&ledger.tile(&tile).unwrap().unwrap()).unwrap();
        assert!(tile::entries_fit(&entries, &hashes[&Tile::hashes(0, index, size).unwrap()]));
        all.extend(entries);
    }
    let (mut bytes, mut from) = (ledger.records(0, u64::MAX, 10_000).unwrap(), 0);
    let mut pages = 0;
    while !bytes.is_empty() {
        let mut rest = bytes.as_slice();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (record, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
            let record = Committed::from_bytes(from, record).unwrap();
            assert_eq!(record.leaf_data(), all[from as usize]);
            (rest, from) = (tail, from + 1);
        }
        pages += 1;
        bytes = ledger.records(from, u64::MAX, 10_000).unwrap();
    }
    assert!(from == size && pages > 3);
    assert_eq!(ledger.records(5, 6, 0).unwrap(), ledger.records(5, 6, 1 << 20).unwrap());
}

#[test]
fn nothing_is_published_that_no_quorum_cosigned() {
    let ledger = filled();
    grow(&ledger, &[100], 0);
    let tile = |path: &str| ledger.tile(&path.parse().unwrap()).unwrap();
    // 756 of 856 entries.
    assert!(tile("tile/0/002.p/244").is_some() && tile("tile/0/002.p/7").is_some() && tile("tile/0/001").is_some());
    for beyond in ["tile/0/002.p/245", "tile/0/002", "tile/entries/002.p/245", "tile/1/000.p/3", "tile/7/000.p/1"] {
        assert_eq!(tile(beyond), None, "{beyond}");
    }
    assert_eq!(ledger.tile(&"tile/9/000".parse().unwrap()).unwrap(), None);
    assert!(ledger.records(756, 800, 1 << 20).unwrap().is_empty());
    let unsigned = memory();
    grow(&unsigned, &[3], 0);
    assert_eq!(unsigned.tile(&"tile/0/000.p/1".parse().unwrap()).unwrap(), None);
    assert_eq!(unsigned.cosigned_size().unwrap(), 0);
    assert!(unsigned.note(1).is_err());
}

fn request(ledger: &Ledger, old: u64, height: u64) -> AddCheckpoint {
    let note = ledger.note(height).unwrap();
    let size = note.danger_unverified().size;
    let proof = if old == 0 { vec![] } else { ledger.consistency(old, size).unwrap() };
    AddCheckpoint { old, proof, note }
}

#[test]
fn a_witness_cosigns_what_continues_and_nothing_else() {
    let ledger = filled();
    let (pinned, small, large) = (consortium(), ledger.checkpoint(2).unwrap(), ledger.checkpoint(4).unwrap());
    let decide = |request: &AddCheckpoint, last: Option<&Checkpoint>| request.decide(last, &pinned);
    assert_eq!(decide(&request(&ledger, 0, 2), None).unwrap().checkpoint, small);
    assert_eq!(decide(&request(&ledger, small.size, 4), Some(&small)).unwrap().checkpoint, large);
    // The same again is no step back.
    assert_eq!(decide(&request(&ledger, large.size, 4), Some(&large)).unwrap().checkpoint, large);
    assert_eq!(request(&ledger, small.size, 4).to_string().parse(), Ok(request(&ledger, small.size, 4)));

    // Rollback and replay: whoever asks is told where the witness stands.
    let stale = Err(Unwitnessed::Stale { known: large.size });
    assert_eq!(decide(&request(&ledger, 0, 2), Some(&large)), stale);
    assert_eq!(decide(&request(&ledger, small.size, 4), Some(&large)), stale);
    assert_eq!(decide(&request(&ledger, small.size, 2), Some(&large)), stale);
    let backward = AddCheckpoint { old: large.size, ..request(&ledger, 0, 2) };
    assert_eq!(decide(&backward, Some(&large)), Err(Unwitnessed::Backward { old: large.size, size: small.size }));

    // A fork that a quorum signed: of the same size, and grown from another log.
    let fork = memory();
    grow(&fork, &[300, 1, 255, 200], 1);
    assert!(cosign(&fork, 2, &validators()).1 && cosign(&fork, 4, &validators()).1);
    assert_eq!(decide(&request(&fork, large.size, 4), Some(&large)), Err(Unwitnessed::Fork { size: large.size }));
    let inconsistent = Err(Unwitnessed::Inconsistent { old: small.size, size: large.size });
    assert_eq!(decide(&request(&fork, small.size, 4), Some(&small)), inconsistent);
    let mut other_proof = request(&ledger, small.size, 4);
    other_proof.proof = fork.consistency(small.size, large.size).unwrap();
    assert_eq!(decide(&other_proof, Some(&small)), inconsistent);
    other_proof.proof.clear();
    assert_eq!(decide(&other_proof, Some(&small)), inconsistent);
    assert!(decide(&AddCheckpoint { proof: vec![small.root], ..request(&ledger, 0, 2) }, None).is_err());

    // The same log under another header: another state.
    let other_header = Checkpoint { header: small.root, ..large };
    let keys = validators();
    let line = |(name, key): &(String, SigningKey)| {
        let validator = ledger::Validator { name: name.clone(), key: key.public(), ml_dsa: None };
        (validator, other_header.cosign(1, |bytes| Ok::<_, ()>(key.sign_raw(bytes))).unwrap())
    };
    let lines: Vec<_> = keys.iter().map(line).collect();
    let note = Note::parse(&other_header.note(lines.iter().map(|(name, line)| (name, line.clone())))).unwrap();
    let forged = AddCheckpoint { old: large.size, proof: vec![], note };
    assert_eq!(decide(&forged, Some(&large)), Err(Unwitnessed::Fork { size: large.size }));

    // Without a quorum, or of another consortium.
    let alone = memory();
    grow(&alone, &[300, 1], 0);
    cosign(&alone, 2, &validators()[..2]);
    assert!(matches!(decide(&request(&alone, 0, 2), None), Err(Unwitnessed::Unproven(_))));
    let mut other = consortium();
    other.chain = small.root;
    assert!(matches!(request(&ledger, 0, 2).decide(None, &other), Err(Unwitnessed::Unproven(_))));
}

#[test]
fn a_changed_byte_of_a_request_to_a_witness_is_refused() {
    let ledger = filled();
    let (pinned, small) = (consortium(), ledger.checkpoint(2).unwrap());
    let text = request(&ledger, small.size, 4).to_string();
    let accepted = |bytes: Vec<u8>| {
        let request = String::from_utf8(bytes).ok().and_then(|text| text.parse::<AddCheckpoint>().ok());
        request.is_some_and(|request| request.decide(Some(&small), &pinned).is_ok())
    };
    assert!(accepted(text.clone().into_bytes()));
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        assert!(!accepted(bytes), "bit of byte {at}");
    }
}

fn proven(ledger: &Ledger, height: u64, key: &[u8]) -> String {
    ledger.prove_state(height, key).unwrap().to_string()
}

#[test]
fn the_state_is_proven_at_any_kept_height() {
    let ledger = memory();
    for height in 1..=6u8 {
        let value = vec![height; 3];
        ledger
            .propose(
                vec![put(&[height], &value, u64::from(height)), put(b"same", &value, 100 + u64::from(height))],
                NOW,
            )
            .unwrap();
    }
    assert!(cosign(&ledger, 2, &validators()).1 && cosign(&ledger, 5, &validators()).1);
    let pinned = consortium();
    let read = |height, key: &[u8]| {
        let verified = ProvenState::parse(&proven(&ledger, height, key)).unwrap().verify(&pinned).unwrap();
        assert_eq!((verified.header.height, verified.key.as_slice(), verified.cosigners.len()), (height, key, 3));
        assert_eq!(verified.checkpoint, ledger.checkpoint(if height <= 2 { 2 } else { 5 }).unwrap());
        verified.value
    };
    assert_eq!(read(0, b"map/same"), None);
    for height in 1..=5 {
        assert_eq!(read(height, b"map/same"), Some(vec![height as u8; 3]));
        for key in 1..=6 {
            assert_eq!(
                read(height, &[b"map/".as_slice(), &[key]].concat()),
                (u64::from(key) <= height).then(|| vec![key; 3])
            );
        }
        assert_eq!(read(height, b""), None);
    }
    assert!(matches!(ledger.prove_state(6, b"map/same"), Err(Error::NotCosigned { index: 11 })));
    assert!(matches!(ledger.prove_state(7, b"map/same"), Err(Error::UnknownBlock(7))));
}

#[test]
fn a_touched_proof_of_state_is_refused() {
    let ledger = memory();
    for height in 1..=4u8 {
        ledger.propose(vec![put(b"k", &[height], u64::from(height))], NOW).unwrap();
    }
    assert!(cosign(&ledger, 3, &validators()).1);
    let pinned = consortium();
    let verified = |text: &str| ProvenState::parse(text).ok()?.verify(&pinned).ok();
    let accepted = |text: &str| verified(text).is_some();
    // A proof that one key is absent may prove the same of another: that is another statement, and true.
    let another = |text: &str, key: &[u8]| {
        verified(text)
            .is_some_and(|found| found.key != key && found.value.is_none() && !found.key.starts_with(b"map/k"))
    };
    for (key, height) in [(b"map/k".as_slice(), 1), (b"map/none", 1), (b"map/k", 3)] {
        let text = proven(&ledger, height, key);
        assert!(accepted(&text));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << (at % 8);
            assert!(
                !String::from_utf8(bytes).is_ok_and(|text| accepted(&text) && !another(&text, key)),
                "bit of byte {at}"
            );
        }
        let mut random = ChaCha8Rng::seed_from_u64(height);
        for _ in 0..300 {
            let mut bytes = text.clone().into_bytes();
            let at = random.next_u32() as usize % bytes.len();
            bytes[at] ^= 1 + (random.next_u32() % 255) as u8;
            assert!(!String::from_utf8(bytes).is_ok_and(|text| accepted(&text) && !another(&text, key)), "byte {at}");
        }
    }
    // Headers left out, repeated, or of another block; the signatures of another checkpoint; a value of another height.
    let text = proven(&ledger, 1, b"map/k");
    let lines: Vec<&str> = text.lines().collect();
    let headers: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].starts_with("header ") && lines[*at].len() > 60).collect();
    assert_eq!(headers.len(), 2);
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
    let twice = |at: usize| [&lines[..at], &lines[at..=at], &lines[at..]].concat().join("\n") + "\n";
    for at in headers {
        assert!(!accepted(&without(at)) && !accepted(&twice(at)));
    }
    let later = proven(&ledger, 2, b"map/k");
    let swapped = text.replacen(lines[1], later.lines().nth(1).unwrap(), 1);
    assert!(matches!(ProvenState::parse(&swapped).unwrap().verify(&pinned), Err(ReceiptError::Header { height: 2 })));
    let mut other = consortium();
    other.epochs[0].validators[0].key = sender().public();
    assert!(matches!(ProvenState::parse(&text).unwrap().verify(&other), Err(ReceiptError::Cosignature { at: 0 })));
    assert!(!accepted(&text.replacen("/v1\n", "/v2\n", 1)) && !accepted(text.trim_end()) && !accepted(""));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(old [0-9]{0,5}\n)?([A-Za-z0-9+/=]{0,44}\n){0,3}\n?(sottovoce/[0-9a-f]{64}\n[0-9]{1,20}\n)?.{0,80}") {
        let _ = Note::parse(&text);
        let _ = ProvenState::parse(&text);
        if let Ok(request) = text.parse::<AddCheckpoint>() {
            prop_assert_eq!(request.to_string(), text);
        }
    }
}

/// Tiles whose numbers overflow are none of any ledger.
#[test]
fn far_tiles_do_not_exist() {
    let ledger = filled();
    for path in
        ["tile/0/x018/x014/x398/x509/x481/982", "tile/63/x018/x014/x398/x509/x481/982", "tile/entries/x999/x999/999"]
    {
        if let Ok(tile) = path.parse::<Tile>() {
            assert_eq!(ledger.tile(&tile).unwrap(), None, "{path}");
        }
    }
    assert_eq!("tile/3/000".parse::<Tile>().unwrap().kind(), TileKind::Hashes(3));
    assert_eq!(ledger.log_root(0).unwrap(), merkle::empty());
    assert_eq!(ledger.log_root(301).unwrap(), ledger.checkpoint(2).unwrap().root);
    assert!(ledger.log_root(10_000).is_err());
    let _: Digest = ledger.log_root(1).unwrap();
}
