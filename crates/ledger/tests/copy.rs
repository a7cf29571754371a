//! A copy of a ledger that goes on meanwhile.

mod support;

use std::sync::Arc;

use ledger::Ledger;
use support::*;

#[test]
fn a_copy_opens_at_its_block_and_goes_on_as_the_ledger_did() {
    let directory = tempfile::tempdir().unwrap();
    let [path, copied] = ["ledger.redb", "copy.redb"].map(|name| directory.path().join(name));
    let open = |path: &std::path::Path| Ledger::open(path, Arc::new(Map), genesis()).unwrap();
    let ledger = open(&path);
    let put = |nonce: u8| vec![verified(call("put", &[nonce], &[nonce], nonce.into(), NOW + 1_000_000))];
    for nonce in 1..=20 {
        ledger.propose(put(nonce), NOW).unwrap();
    }
    let header = std::thread::scope(|scope| {
        let copying = scope.spawn(|| ledger.copy(&copied).unwrap());
        for nonce in 21..=60 {
            ledger.propose(put(nonce), NOW).unwrap();
        }
        copying.join().unwrap()
    });
    assert!((20..=60).contains(&header.height));
    assert!(ledger.copy(&copied).is_err(), "nothing is overwritten");

    let copy = open(&copied);
    assert_eq!(copy.head(), header);
    for height in 0..=header.height {
        assert_eq!(copy.block(height).unwrap(), ledger.block(height).unwrap());
    }
    // Catching up from there gives the same chain.
    for block in ledger.blocks(header.height + 1, usize::MAX).unwrap() {
        copy.apply(&block, NOW, true).unwrap();
    }
    assert_eq!(copy.head(), ledger.head());
}
