//! The same transactions on a real ledger: same outcomes, and a receipt whose chain holds offline.

use std::sync::Arc;

use contracts::chain::{Kind, check};
use contracts::{Contracts, read};
use crypto::Digest;
use ledger::{Ledger, Receipt, VerifiedTransaction};

use crate::world::*;

/// Puts a world's log on a ledger, a block per transaction.
fn replay(world: &World, path: &std::path::Path) -> Ledger {
    let ledger = Ledger::open(path, Arc::new(Contracts), genesis()).unwrap();
    for expected in &world.log {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let proposed = ledger.propose(vec![verified], world.now).unwrap();
        assert_eq!(proposed.results[0].as_ref().unwrap().outcome, expected.outcome);
    }
    ledger
}

#[test]
fn a_receipt_of_a_real_ledger_holds_offline() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    world.redeem(&grant, &researcher()).unwrap_err();
    let again = world.last();
    let ledger = replay(&world, &directory.path().join("ledger"));

    let height = ledger.head().height;
    let checkpoint = ledger.durable_checkpoint(height).unwrap();
    let cosignatures: Vec<_> = ["health-authority", "st-anna", "riverside"]
        .map(|name| {
            let sign = |bytes: &[u8]| Ok::<_, ()>(keys(name).cosigner.sign_raw(bytes));
            (name.to_owned(), checkpoint.cosign(START / 1000, sign).unwrap())
        })
        .to_vec();
    assert!(ledger.add_cosignatures(height, &cosignatures).unwrap().1);
    let view = ledger.view().unwrap();
    let consortium = read::consortium(&view, &ledger.chain(), "trial", |epoch| Ok(view.epoch_start(epoch)?)).unwrap();
    assert_eq!(consortium, world.consortium());
    consortium.check().unwrap();

    let mut ids = read::chain_ids(&view, &request).unwrap();
    for more in [None, Some(again)] {
        ids.extend::<Option<Digest>>(more);
        let text = ledger.receipt(&ids).unwrap().to_string();
        let verified = Receipt::parse(&text).unwrap().verify(&consortium).unwrap();
        assert_eq!(check(&verified, &consortium).unwrap().kind, Kind::Released);
    }
}

#[test]
fn the_ledger_refuses_replays_strangers_and_the_late() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::ready();
    world.offer("northgate", world.release_terms()).unwrap();
    let ledger = replay(&world, &directory.path().join("ledger"));
    let last = world.log.last().unwrap().transaction.clone();
    let verify = |signed| VerifiedTransaction::verify(signed, &world.chain);
    let propose = |signed, now| {
        let proposed = ledger.propose(vec![verify(signed).unwrap()], now).unwrap();
        proposed.results[0].as_ref().map(|committed| committed.outcome.code.clone()).map_err(|refusal| refusal.code())
    };
    assert_eq!(propose(last.clone(), START), Err("replayed"));
    let mut fresh = last.transaction.clone();
    fresh.nonce.0[15] = 1;
    let fresh = fresh.sign(&keys("northgate").operator);
    assert_eq!(propose(fresh.clone(), START + HOUR), Err("expired"));
    let mut foreign = last.transaction.clone();
    foreign.chain = digest("another chain");
    assert_eq!(verify(foreign.sign(&keys("northgate").operator)).unwrap_err().code(), "wrong_chain");
    let mut changed = last;
    changed.transaction.expires += 1;
    assert_eq!(verify(changed).unwrap_err().code(), "bad_signature");
}
