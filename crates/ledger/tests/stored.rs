//! Stores that an older version laid out, and those that begin with more than their genesis.

mod support;

use std::path::Path;
use std::sync::Arc;

use ledger::{Ledger, Pair, Tile};
use redb::{Database, ReadableTable as _, TableDefinition};
use support::*;

const HASHES: TableDefinition<(u8, u64), &[u8]> = TableDefinition::new("hashes");
const TREE: TableDefinition<(u8, u64), &[u8; 32]> = TableDefinition::new("tree");

/// Stores the log's hashes one by one, as it was done once.
fn lay_out_singly(path: &Path) {
    let write = Database::open(path).unwrap().begin_write().unwrap();
    {
        let (hashes, mut tree) = (write.open_table(HASHES).unwrap(), write.open_table(TREE).unwrap());
        for row in hashes.iter().unwrap() {
            let (place, run) = row.unwrap();
            let (level, first) = place.value();
            for (index, hash) in (first..).zip(run.value().as_chunks().0) {
                tree.insert((level, index), hash).unwrap();
            }
        }
    }
    write.delete_table(HASHES).unwrap();
    write.commit().unwrap();
}

#[test]
fn hashes_from_before_are_read_beside_those_after() {
    let directory = tempfile::tempdir().unwrap();
    let [path, copied] = ["ledger.redb", "copy.redb"].map(|name| directory.path().join(name));
    let open = |path: &Path| Ledger::open(path, Arc::new(Map), genesis()).unwrap();
    let plain = memory();
    let batch =
        |block: u64| (0..block % 5 + 1).map(|at| put(&[block as u8], &[at as u8], 10 * block + at)).collect::<Vec<_>>();
    let mut ledger = open(&path);
    for block in 1..=120 {
        // At first all are of the older form; then both are there.
        if [1, 70].contains(&block) {
            drop(ledger);
            lay_out_singly(&path);
            ledger = open(&path);
        }
        ledger.propose(batch(block), NOW).unwrap();
        plain.propose(batch(block), NOW).unwrap();
    }
    assert_eq!(ledger.head(), plain.head());
    ledger.copy(&copied).unwrap();
    drop(ledger);
    let ledgers = [open(&path), open(&copied)];
    let (height, size) = (plain.head().height, plain.head().log_size);
    for ledger in ledgers.iter().chain([&plain]) {
        assert!(cosign(ledger, height, &validators()).1);
    }
    for ledger in ledgers {
        for tile in ["tile/0/000".to_owned(), format!("tile/0/001.p/{}", size - 256), "tile/1/000.p/1".to_owned()] {
            let tile: Tile = tile.parse().unwrap();
            assert!(plain.tile(&tile).unwrap().is_some());
            assert_eq!(ledger.tile(&tile).unwrap(), plain.tile(&tile).unwrap(), "{tile}");
        }
        for block in [1, 69, 70, 71, 120] {
            let ids = [batch(block)[0].id()];
            assert_eq!(ledger.receipt(&ids).unwrap().to_string(), plain.receipt(&ids).unwrap().to_string());
        }
    }
}

#[test]
fn a_ledger_begins_with_records() {
    let directory = tempfile::tempdir().unwrap();
    let found = |name: &str, records: Vec<Pair>| {
        let path = directory.path().join(name);
        Ledger::danger_found_with(&path, &Map, &genesis(), records).map(|()| path)
    };
    let records: Vec<Pair> = (0..3_000u16).map(|at| ([b"map/", &at.to_be_bytes()[..]].concat(), vec![7; 9])).collect();
    let path = found("loaded", records.clone()).unwrap();
    let loaded = Ledger::open(&path, Arc::new(Map), genesis()).unwrap();
    let plain = memory();
    for (records, nonce) in records.chunks(500).zip(1..) {
        let batch =
            records.iter().zip(0..).map(|((key, value), at)| put(&key[4..], value, 1_000 * nonce + at)).collect();
        plain.propose(batch, NOW).unwrap();
    }
    assert_eq!(loaded.head().height, 0);
    assert_eq!(loaded.head().state_root, plain.head().state_root);
    for ledger in [&loaded, &plain] {
        let remove = verified(call("remove", &records[17].0[4..], &[], 9_001, NOW + 1_000_000));
        ledger
            .propose(vec![remove, put(&records[18].0[4..], b"else", 9_002), put(b"one more", b"new", 9_003)], NOW)
            .unwrap();
    }
    assert_eq!(loaded.head().state_root, plain.head().state_root);
    let (view, header) = (loaded.view().unwrap(), loaded.head());
    for key in [&records[16].0, &records[17].0, &records[18].0] {
        assert!(view.prove(key).unwrap().verify(&header.digest()));
    }

    // No key stands before another of its own table, and none in both.
    assert!(found("unordered", vec![records[1].clone(), records[0].clone()]).is_err());
    assert!(found("twice", vec![records[0].clone(), records[0].clone()]).is_err());
    assert!(found("of the genesis", vec![(b"epoch".to_vec(), vec![1])]).is_err());
}
