//! Proposing, following, refusing.

mod support;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};

use crypto::{Digest, SigningKey, merkle};
use ledger::{
    Block, EXPIRY_WINDOW, Error, Ledger, MAX_SKEW, Ordering, Refusal, SignedTransaction, Solo, State as _, Submit,
};
use ledger::{MAX_ARGUMENTS, MAX_BLOCK_TRANSACTIONS, VerifiedTransaction};
use support::*;
use wire::Bytes;

#[test]
fn proposes_and_records_outcomes() {
    let ledger = memory();
    let batch = vec![
        put(b"x", b"1", 1),
        verified(call("remove", b"absent", b"", 2, NOW + 1_000)),
        verified(call("remove", b"x", b"", 3, NOW + 1_000)),
        put(b"y", b"2", 4),
        verified(call("flood", b"z", b"", 5, NOW + 1_000)),
    ];
    let ids: Vec<Digest> = batch.iter().map(VerifiedTransaction::id).collect();
    let proposed = ledger.propose(batch, NOW + 1).unwrap();
    let codes: Vec<_> = proposed.results.iter().map(|result| result.as_ref().unwrap().outcome.code.clone()).collect();
    assert_eq!(codes, ["ok", "no_such_key", "ok", "ok", "effects_too_large"]);
    let block = proposed.block.unwrap();
    assert_eq!(ledger.block(1).unwrap().unwrap(), block);
    assert_eq!((ledger.head(), ledger.durable_height()), (block.header.clone(), 1));
    assert_eq!((block.header.height, block.header.time, block.header.log_size), (1, NOW + 1, 5));
    assert_eq!(block.header.previous, ledger.header(0).unwrap().unwrap().digest());
    for (at, id) in ids.iter().enumerate() {
        let committed = ledger.committed(id).unwrap().unwrap();
        assert_eq!((committed.index, committed.position, committed.height), (at as u64, at as u32, 1));
        assert_eq!(committed.transaction.id(), *id);
        assert_eq!(committed.outcome.events.len(), usize::from(committed.outcome.is_ok()));
        assert_eq!(&committed, proposed.results[at].as_ref().unwrap());
    }
    assert_eq!(ledger.committed(&crypto::sha256(&[])).unwrap(), None);
    let view = ledger.view().unwrap();
    assert_eq!(view.get(b"map/x").unwrap(), None);
    assert_eq!(view.get(b"map/y").unwrap(), Some(b"2".to_vec()));
    assert_eq!(view.scan(b"map/", None, 10).unwrap(), [(b"map/y".to_vec(), b"2".to_vec())]);
    assert_eq!(*roots(&ledger).last().unwrap(), block.header.log_root);
}

#[test]
fn refuses_what_may_not_enter() {
    let ledger = memory();
    let first = put(b"x", b"1", 1);
    ledger.propose(vec![first.clone()], NOW).unwrap();
    let at = |expires| verified(call("put", b"x", b"2", expires, expires));
    let twice = put(b"x", b"3", 3);
    let proposed = ledger
        .propose(
            vec![first.clone(), at(NOW), at(NOW + 1), at(NOW + EXPIRY_WINDOW + 1), twice.clone(), twice.clone()],
            NOW,
        )
        .unwrap();
    let codes: Vec<_> =
        proposed.results.iter().map(|result| result.as_ref().map_or_else(Refusal::code, |_| "ok")).collect();
    assert_eq!(codes, ["replayed", "expired", "ok", "expiry_too_far", "ok", "replayed"]);
    assert_eq!(proposed.block.unwrap().transactions.len(), 2);
    let replayed = ledger.propose(vec![first], NOW).unwrap();
    assert!(replayed.block.is_none() && replayed.results[0].is_err());
    assert_eq!(ledger.head().height, 2, "nothing but refusals makes no block");
    // A clock that stands behind the previous block does not turn time back.
    assert_eq!(ledger.propose(vec![put(b"z", b"", 9)], 5).unwrap().block.unwrap().header.time, NOW);
    let many = (0..=MAX_BLOCK_TRANSACTIONS as u64).map(|nonce| put(b"m", b"", 100 + nonce)).collect();
    assert!(matches!(ledger.propose(many, NOW), Err(Error::BlockSize { transactions: 1001, .. })));
}

#[test]
fn refuses_malformed_transactions() {
    let chain = genesis().chain();
    let good = call("put", b"x", b"1", 1, NOW + 1);
    let verify = |change: &dyn Fn(&mut SignedTransaction), resign: bool| {
        let mut signed = good.clone();
        change(&mut signed);
        if resign {
            signed = signed.transaction.sign(&sender());
        }
        VerifiedTransaction::verify(signed, &chain).map_err(|refusal| refusal.code())
    };
    assert!(verify(&|_| {}, false).is_ok());
    assert_eq!(verify(&|t| t.transaction.chain = crypto::sha256(&[]), true), Err("wrong_chain"));
    assert_eq!(verify(&|t| t.transaction.sender = SigningKey::generate().public(), true), Err("bad_signature"));
    assert_eq!(verify(&|t| t.transaction.expires += 1, false), Err("bad_signature"));
    assert_eq!(verify(&|t| t.transaction.contract = String::new(), true), Err("malformed"));
    assert_eq!(verify(&|t| t.transaction.contract = "a".repeat(33), true), Err("malformed"));
    assert_eq!(verify(&|t| t.transaction.method = "Put".into(), true), Err("malformed"));
    assert_eq!(verify(&|t| t.transaction.method = "p\nut".into(), true), Err("malformed"));
    assert_eq!(verify(&|t| t.transaction.arguments = Bytes(vec![0; MAX_ARGUMENTS + 1]), true), Err("oversize"));
    assert!(verify(&|t| t.transaction.arguments = Bytes(vec![0; MAX_ARGUMENTS]), true).is_ok());

    let bytes = good.to_bytes();
    assert_eq!(SignedTransaction::from_bytes(&bytes).unwrap(), good);
    assert_eq!(verified(good.clone()).size(), bytes.len());
    assert_eq!(SignedTransaction::from_bytes(&vec![0; 70_000]).unwrap_err().code(), "oversize");
    for cut in 0..bytes.len() {
        assert_eq!(SignedTransaction::from_bytes(&bytes[..cut]).unwrap_err().code(), "malformed");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let accepted =
            SignedTransaction::from_bytes(&flipped).and_then(|signed| VerifiedTransaction::verify(signed, &chain));
        assert!(accepted.is_err(), "byte {at}");
    }
}

#[test]
fn verifies_many_in_order() {
    let mut signed: Vec<_> = (0..101).map(|nonce| call("put", b"x", b"", nonce, NOW + 1)).collect();
    signed[57].transaction.expires += 1;
    let results = VerifiedTransaction::verify_all(signed.clone(), &genesis().chain());
    for (at, (result, signed)) in results.iter().zip(&signed).enumerate() {
        match result {
            Ok(verified) => assert_eq!(verified.signed(), signed),
            Err(refusal) => assert_eq!((at, refusal), (57, &Refusal::BadSignature)),
        }
    }
}

fn chain_of(length: u64) -> (Ledger, Vec<Block>) {
    let ledger = memory();
    for height in 1..=length {
        let stamp = verified(call("stamp", b"time", b"", height, NOW + 1_000_000));
        ledger.propose(vec![put(&height.to_be_bytes(), b"v", 1000 + height), stamp], NOW + height).unwrap();
    }
    let blocks = ledger.blocks(1, usize::MAX).unwrap();
    (ledger, blocks)
}

#[test]
fn an_expected_transaction_is_taken_with_its_own_signature_alone() {
    let (_, blocks) = chain_of(1);
    let expected: Vec<_> = blocks[0].transactions.iter().map(|signed| verified(signed.clone())).collect();
    let follower = memory();
    follower.expect(&expected);
    // The identity is the same: it does not cover the signature.
    let mut forged = blocks[0].clone();
    forged.transactions[0].signature = forged.transactions[1].signature;
    let refused = follower.apply(&forged, NOW + 100, true);
    assert!(matches!(refused, Err(Error::Refused { position: 0, source: Refusal::BadSignature, .. })));
    follower.expect(&expected);
    follower.apply(&blocks[0], NOW + 100, true).unwrap();
    assert_eq!(follower.head(), blocks[0].header);
}

#[test]
fn a_follower_reaches_the_same_head_and_never_forks() {
    let (leader, blocks) = chain_of(5);
    let follower = memory();
    assert!(matches!(follower.apply(&blocks[1], NOW + 100, true), Err(Error::Gap { found: 2, head: 0 })));
    for block in &blocks {
        follower.apply(block, NOW + 100, false).unwrap();
        follower.apply(block, NOW + 100, false).unwrap();
    }
    assert_eq!(follower.head(), leader.head());
    assert_eq!(follower.durable_height(), 0);
    follower.flush().unwrap();
    assert_eq!(follower.durable_height(), 5);
    // The leader makes another block of the same height elsewhere.
    let other = memory();
    let fork = other.propose(vec![put(b"fork", b"", 7)], NOW + 1).unwrap().block.unwrap();
    assert!(matches!(follower.apply(&fork, NOW + 100, true), Err(Error::Fork { height: 1, .. })));
    assert_eq!(leader.blocks(2, 1).unwrap().len(), 1);
    assert_eq!(leader.blocks(6, 1).unwrap().len(), 0);
    let encoded = wire::to_vec(&blocks[0]);
    assert_eq!(wire::from_slice::<Block>(&encoded, wire::Limits::large()).unwrap(), blocks[0]);
}

#[test]
fn a_follower_refuses_every_tampered_block() {
    let (_, blocks) = chain_of(2);
    let follower = memory();
    follower.apply(&blocks[0], NOW + 100, true).unwrap();
    let wrong = crypto::sha256(&[]);
    type Change<'a> = &'a dyn Fn(&mut Block);
    let changes: [(&str, Change<'_>); 17] = [
        ("chain", &|b| b.header.chain = wrong),
        ("height", &|b| b.header.height = 3),
        ("height again", &|b| b.header.height = 1),
        ("previous", &|b| b.header.previous = wrong),
        ("time before", &|b| b.header.time = NOW),
        ("time ahead", &|b| b.header.time = NOW + 101 + MAX_SKEW),
        ("another time", &|b| b.header.time += 1),
        ("log size", &|b| b.header.log_size += 1),
        ("log root", &|b| b.header.log_root = wrong),
        ("state root", &|b| b.header.state_root = wrong),
        ("epoch", &|b| b.header.epoch = 1),
        ("order", &|b| b.transactions.swap(0, 1)),
        ("one less", &|b| drop(b.transactions.pop())),
        ("none", &|b| b.transactions.clear()),
        ("one twice", &|b| b.transactions.push(b.transactions[0].clone())),
        ("a replay", &|b| b.transactions[0] = blocks[0].transactions[0].clone()),
        ("a signature", &|b| b.transactions[0].signature = b.transactions[1].signature),
    ];
    let head = follower.head();
    for (what, change) in changes {
        let mut block = blocks[1].clone();
        change(&mut block);
        assert!(follower.apply(&block, NOW + 100, true).is_err(), "{what}");
        assert_eq!(follower.head(), head, "{what}");
    }
    follower.apply(&blocks[1], NOW + 100, true).unwrap();
}

#[test]
fn opens_again_and_only_its_own_chain() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let open = |genesis| Ledger::open(&path, Arc::new(Map), genesis);
    let ledger = open(genesis()).unwrap();
    ledger.propose(vec![put(b"x", b"1", 1)], NOW).unwrap();
    let head = ledger.head();
    drop(ledger);
    let ledger = open(genesis()).unwrap();
    assert_eq!((ledger.head(), ledger.durable_height()), (head, 1));
    drop(ledger);
    let other = ledger::Genesis { created: 1, ..genesis() };
    assert!(matches!(open(other), Err(Error::OtherChain { .. })));
}

#[test]
fn every_two_trees_are_consistent() {
    let (ledger, _) = chain_of(10);
    let roots = roots(&ledger);
    for new in 1..=20u64 {
        let root = &roots[new as usize];
        for old in 1..=new {
            let path = ledger.consistency(old, new).unwrap();
            assert!(merkle::verify_consistency(old, &roots[old as usize], new, root, &path));
            let leaf = ledger.entries(old - 1, 1).unwrap()[0].leaf();
            assert!(merkle::verify_inclusion(root, new, old - 1, &leaf, &ledger.inclusion(old - 1, new).unwrap()));
        }
    }
    assert!(ledger.consistency(0, 5).is_err() && ledger.consistency(5, 21).is_err() && ledger.inclusion(5, 5).is_err());
}

#[test]
fn an_epoch_takes_effect_one_block_later() {
    let ledger = memory();
    let fewer = epoch(4, &validators()[..3]);
    let change = verified(call("validators", b"", &wire::to_vec(&fewer), 1, NOW + 1_000));
    ledger.propose(vec![change], NOW).unwrap();
    ledger.propose(vec![put(b"x", b"", 2)], NOW).unwrap();
    assert_eq!(ledger.checkpoint(1).unwrap().epoch, 0);
    assert_eq!(ledger.checkpoint(2).unwrap().epoch, 4);
    assert_eq!(ledger.epoch(4).unwrap().unwrap(), fewer);
    let view = ledger.view().unwrap();
    assert_eq!([0, 1, 4, 5].map(|epoch| view.epoch_start(epoch).unwrap()), [0, 1, 1, 2]);
    assert_eq!([0, 1, 4, 5].map(|epoch| view.last_before(epoch).unwrap()), [None, Some(1), Some(1), Some(2)]);
    assert_eq!(cosign(&ledger, 1, &validators()[1..]), (3, true));
    assert_eq!(cosign(&ledger, 2, &validators()[1..3]), (2, false));
    let checkpoint = ledger.checkpoint(2).unwrap();
    let outsider = checkpoint.cosign(1, |message| Ok::<_, ()>(validators()[3].1.sign_raw(message))).unwrap();
    assert!(matches!(ledger.add_cosignatures(2, &[("d".into(), outsider.clone())]), Err(Error::Cosignature { .. })));
    assert!(matches!(ledger.add_cosignatures(2, &[("a".into(), outsider)]), Err(Error::Cosignature { .. })));
    assert_eq!(ledger.cosigned_height().unwrap(), Some(1));
    assert_eq!(cosign(&ledger, 2, &validators()[..1]), (3, true));
    // Another set of validators under the same number could not be told from it.
    let other = wire::to_vec(&epoch(4, &validators()));
    let change = verified(call("validators", b"", &other, 3, NOW + 1_000));
    assert!(matches!(ledger.propose(vec![change], NOW), Err(Error::Epoch(_))));
    assert_eq!(ledger.cosigned_height().unwrap(), Some(2));
}

#[test]
fn solo_groups_batches_and_answers_each() {
    let ledger = Arc::new(memory());
    let heights = Arc::new(AtomicU64::new(0));
    let seen = heights.clone();
    ledger.observe(move |height| seen.store(height, std::sync::atomic::Ordering::SeqCst));
    let solo = Solo::start(ledger.clone(), Arc::new(|| NOW), 1000);
    let (answers, results) = mpsc::channel();
    for batch in 0..50u64 {
        let transactions = (0..3).map(|n| put(b"k", &[n as u8], batch * 3 + n)).collect();
        let answers = answers.clone();
        solo.submit(transactions, Box::new(move |result| answers.send((batch, result.unwrap())).unwrap())).unwrap();
    }
    let too_many = vec![put(b"k", b"", 0); MAX_BLOCK_TRANSACTIONS + 1];
    assert_eq!(solo.submit(too_many, Box::new(|_| {})), Err(Submit::TooLarge));
    drop(solo);
    drop(answers);
    let mut answered = 0;
    for (batch, results) in results {
        answered += 1;
        let committed: Vec<_> = results.into_iter().map(Result::unwrap).collect();
        assert!(committed.windows(2).all(|two| two[0].index + 1 == two[1].index && two[0].height == two[1].height));
        assert_eq!(committed[0].transaction.id(), put(b"k", &[0], batch * 3).id());
        assert!(committed[0].height <= ledger.durable_height());
    }
    assert_eq!((answered, ledger.head().log_size), (50, 150));
    assert_eq!(heights.load(std::sync::atomic::Ordering::SeqCst), ledger.head().height);
}

#[test]
fn solo_ends_with_the_block_that_is_its_last() {
    let ledger = Arc::new(memory());
    let solo = Solo::start_until(ledger.clone(), Arc::new(|| NOW), 16, |block| block.header.height == 2);
    for nonce in 0..2 {
        let (answer, answered) = mpsc::channel();
        let callback = Box::new(move |result: Result<Vec<_>, _>| answer.send(result.unwrap().len()).unwrap());
        solo.submit(vec![put(b"k", b"", nonce)], callback).unwrap();
        assert_eq!(answered.recv().unwrap(), 1);
    }
    // Whether it came before the end or after: nobody waits for ever, and nothing more is ordered.
    let late = loop {
        let (answer, answered) = mpsc::channel::<()>();
        let callback = Box::new(move |_: Result<Vec<_>, _>| answer.send(()).unwrap());
        match solo.submit(vec![put(b"k", b"", 2)], callback) {
            Ok(()) => assert!(answered.recv().is_err()),
            Err(refused) => break refused,
        }
    };
    assert_eq!(late, Submit::Stopped);
    assert_eq!(ledger.head().height, 2);
}

#[test]
fn solo_refuses_when_too_many_wait() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let clock = move || {
        let _ = gate.lock().unwrap().recv();
        NOW
    };
    let solo = Solo::start(Arc::new(memory()), Arc::new(clock), 2);
    let (answers, results) = mpsc::channel();
    let mut busy = 0;
    for nonce in 0..20 {
        let answers = answers.clone();
        let callback = Box::new(move |result: Result<Vec<_>, _>| answers.send(result.unwrap().len()).unwrap());
        busy += usize::from(solo.submit(vec![put(b"k", b"", nonce)], callback) == Err(Submit::Busy));
    }
    // At most two wait and a group of three is with the thread.
    assert!(busy >= 15, "{busy}");
    drop((go, answers));
    drop(solo);
    assert_eq!(results.iter().sum::<usize>(), 20 - busy);
}

#[test]
fn a_fatal_failure_commits_nothing() {
    struct Broken(AtomicU64);
    impl ledger::Application for Broken {
        fn genesis(&self, application: &[u8]) -> Result<Vec<ledger::Write>, ledger::Failure> {
            Map.genesis(application)
        }
        fn execute(
            &self,
            state: &dyn ledger::State,
            context: &ledger::Context,
            transaction: &VerifiedTransaction,
        ) -> Result<ledger::Effects, ledger::Failure> {
            if self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
                return Err(ledger::Unreadable("gone".into()).into());
            }
            Map.execute(state, context, transaction)
        }
        fn epoch(&self, state: &dyn ledger::State) -> Result<ledger::Epoch, ledger::Failure> {
            Map.epoch(state)
        }
    }
    let backend = redb::backends::InMemoryBackend::new();
    let ledger = Ledger::open_backend(backend, Arc::new(Broken(AtomicU64::new(0))), genesis()).unwrap();
    let batch = vec![put(b"x", b"", 1), put(b"y", b"", 2)];
    assert!(matches!(ledger.propose(batch.clone(), NOW), Err(Error::Application(_))));
    assert_eq!(ledger.head().height, 0);
    assert!(ledger.propose(batch, NOW).unwrap().results.iter().all(Result::is_ok));
}

#[test]
fn what_was_ordered_elsewhere_gives_the_same_blocks_everywhere() {
    let (one, other) = (memory(), memory());
    let places = [
        (3, vec![put(b"a", b"1", 1), put(b"b", b"2", 2)]),
        // Nothing new: no block, but the place counts.
        (4, vec![put(b"a", b"1", 1)]),
        (5, vec![]),
        (9, vec![put(b"b", b"2", 2), put(b"c", b"3", 3)]),
    ];
    assert_eq!(one.executed().unwrap(), None);
    for (place, batch) in places.clone() {
        one.execute(batch, NOW + place, place, true).unwrap();
        assert_eq!(one.executed().unwrap(), Some(place));
    }
    for (place, batch) in places {
        let results = other.execute(batch, NOW + place, place, false).unwrap();
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            match place {
                3 => 2,
                9 => 1,
                _ => 0,
            }
        );
    }
    other.flush().unwrap();
    assert_eq!(one.head(), other.head());
    assert_eq!((one.head().height, one.head().time), (2, NOW + 9));
    let places = [2, 3, 4, 8, 9, u64::MAX].map(|place| one.place(place).unwrap());
    assert_eq!(places, [None, Some((3, 1)), Some((3, 1)), Some((3, 1)), Some((9, 2)), Some((9, 2))]);
    assert!(matches!(one.execute(vec![], NOW + 9, 9, true), Err(Error::Place { found: 9, newest: 9 })));
    let known = [put(b"a", b"1", 1), put(b"z", b"", 9)].map(|one| (one.id(), one.transaction().expires));
    assert_eq!(one.known(&known).unwrap(), [true, false]);
}
