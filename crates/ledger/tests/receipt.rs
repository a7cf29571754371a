//! Receipts hold, and nothing that was touched does.

mod support;

use crypto::{Digest, SigningKey};
use ledger::{Consortium, Ledger, Receipt, ReceiptError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use support::*;

fn consortium() -> Consortium {
    let mut consortium = Consortium::new(&genesis());
    consortium.epochs.push(epoch(0, &validators()).pinned(0));
    consortium
}

/// Three blocks; the second is cosigned by three of four.
fn filled() -> (Ledger, Vec<Digest>) {
    let ledger = memory();
    let mut ids = Vec::new();
    for height in 1..=3 {
        let batch: Vec<_> = (0..5).map(|n| put(&[n], &[height as u8; 20], height * 10 + u64::from(n))).collect();
        ids.extend(batch.iter().map(|transaction| transaction.id()));
        ledger.propose(batch, NOW).unwrap();
    }
    assert_eq!(cosign(&ledger, 2, &validators()[1..]), (3, true));
    (ledger, ids)
}

fn accepted(text: &str, consortium: &Consortium) -> bool {
    Receipt::parse(text).is_ok_and(|receipt| receipt.verify(consortium).is_ok())
}

#[test]
fn a_receipt_holds() {
    let (ledger, ids) = filled();
    let receipt = ledger.receipt(&[ids[7], ids[2], ids[7]]).unwrap();
    let text = receipt.to_string();
    let verified = Receipt::parse(&text).unwrap().verify(&consortium()).unwrap();
    assert_eq!(verified.cosigners, ["b", "c", "d"]);
    assert_eq!(verified.epoch, 0);
    assert_eq!(verified.checkpoint, ledger.checkpoint(2).unwrap());
    let entries: Vec<_> = verified.entries.iter().map(|entry| entry.transaction.id()).collect();
    assert_eq!(entries, [ids[2], ids[7]]);
    assert_eq!(verified.entries[0], ledger.committed(&ids[2]).unwrap().unwrap());
    assert!(matches!(ledger.receipt(&[ids[12]]), Err(ledger::Error::NotCosigned { index: 12 })));
    assert!(matches!(ledger.receipt(&[crypto::sha256(&[])]), Err(ledger::Error::UnknownTransaction(_))));
    assert!(ledger.receipt(&[]).is_err());
    // A fourth cosignature does not change that exactly a quorum is carried, in the epoch's order.
    cosign(&ledger, 2, &validators());
    let verified = ledger.receipt(&[ids[0]]).unwrap().verify(&consortium()).unwrap();
    assert_eq!(verified.cosigners, ["a", "b", "c"]);
}

#[test]
fn a_log_of_one_entry_has_an_empty_path() {
    let ledger = memory();
    let transaction = put(b"x", b"", 1);
    ledger.propose(vec![transaction.clone()], NOW).unwrap();
    cosign(&ledger, 1, &validators());
    let text = ledger.receipt(&[transaction.id()]).unwrap().to_string();
    assert!(text.contains("\npath -\n") && accepted(&text, &consortium()));
}

#[test]
fn one_changed_byte_is_refused() {
    let (ledger, ids) = filled();
    let text = ledger.receipt(&[ids[0], ids[9]]).unwrap().to_string();
    let refused = |bytes: Vec<u8>| String::from_utf8(bytes).map_or(true, |text| !accepted(&text, &consortium()));
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..1000 {
        let mut bytes = text.clone().into_bytes();
        let at = random.next_u32() as usize % bytes.len();
        bytes[at] ^= 1 + (random.next_u32() % 255) as u8;
        assert!(refused(bytes), "byte {at}");
    }
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 8);
        assert!(refused(bytes), "bit of byte {at}");
        let mut bytes = text.clone().into_bytes();
        bytes.remove(at);
        assert!(refused(bytes), "byte {at} removed");
        for extra in [b'\n', b' ', b'=', b'A', b'0'] {
            let mut bytes = text.clone().into_bytes();
            bytes.insert(at, extra);
            assert!(refused(bytes), "byte {extra} inserted at {at}");
        }
    }
    assert!(refused([text.as_bytes(), b"\n"].concat()) && accepted(&text, &consortium()));
}

#[test]
fn cosignatures_are_exactly_a_quorum() {
    let (ledger, ids) = filled();
    cosign(&ledger, 2, &validators());
    let text = ledger.receipt(&[ids[3]]).unwrap().to_string();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with('\u{2014}')).unwrap();
    let (body, signatures) = (&lines[..first], &lines[first..]);
    assert_eq!(signatures.len(), 3);
    let with = |signatures: &[&str]| [body, signatures].concat().join("\n") + "\n";
    assert!(accepted(&with(signatures), &consortium()));
    for at in 0..3 {
        let mut fewer = signatures.to_vec();
        fewer.remove(at);
        assert!(!accepted(&with(&fewer), &consortium()), "{at} removed");
        for other in (0..3).filter(|other| *other != at) {
            let mut twice = signatures.to_vec();
            twice[at] = signatures[other];
            assert!(!accepted(&with(&twice), &consortium()), "{other} in the place of {at}");
            let mut swapped = signatures.to_vec();
            swapped.swap(at, other);
            assert!(!accepted(&with(&swapped), &consortium()), "{at} and {other} swapped");
            let mut more = signatures.to_vec();
            more.push(signatures[at]);
            assert!(!accepted(&with(&more), &consortium()), "{at} once more");
        }
        // A name in front of another's signature.
        let mut renamed = signatures.to_vec();
        let line = signatures[at].replacen(&format!(" {} ", ["a", "b", "c"][at]), " d ", 1);
        renamed[at] = &line;
        assert!(!accepted(&with(&renamed), &consortium()));
    }
}

#[test]
fn a_receipt_forged_whole_under_other_keys_is_refused() {
    let forged: Vec<_> = validators().into_iter().map(|(name, _)| (name, SigningKey::generate())).collect();
    let genesis = genesis();
    // The forger's ledger claims the same chain, with its own validators' keys in the application's state.
    let backend = redb::backends::InMemoryBackend::new();
    struct Forged(Vec<u8>);
    impl ledger::Application for Forged {
        fn genesis(&self, _: &[u8]) -> Result<Vec<ledger::Write>, ledger::Failure> {
            Ok(vec![ledger::Write::put("epoch", self.0.clone())])
        }
        fn execute(
            &self,
            state: &dyn ledger::State,
            context: &ledger::Context,
            transaction: &ledger::VerifiedTransaction,
        ) -> Result<ledger::Effects, ledger::Failure> {
            Map.execute(state, context, transaction)
        }
        fn epoch(&self, state: &dyn ledger::State) -> Result<ledger::Epoch, ledger::Failure> {
            Map.epoch(state)
        }
    }
    let application = std::sync::Arc::new(Forged(wire::to_vec(&epoch(0, &forged))));
    let ledger = Ledger::open_backend(backend, application, genesis.clone()).unwrap();
    let transaction = put(b"x", b"", 1);
    ledger.propose(vec![transaction.clone()], NOW).unwrap();
    assert_eq!(cosign(&ledger, 1, &forged), (4, true));
    let receipt = ledger.receipt(&[transaction.id()]).unwrap();
    let mut own = Consortium::new(&genesis);
    own.epochs.push(epoch(0, &forged).pinned(0));
    assert!(receipt.verify(&own).is_ok(), "under the forger's own file it would hold");
    assert_eq!(receipt.verify(&consortium()), Err(ReceiptError::Cosignature { at: 0 }));
    assert_ne!(own.fingerprint(), consortium().fingerprint(), "which is why fingerprints are compared");
}

#[test]
fn another_consortium_or_epoch_is_refused() {
    let (ledger, ids) = filled();
    let receipt = ledger.receipt(&[ids[0]]).unwrap();
    let mut other = consortium();
    other.chain = crypto::sha256(&[]);
    assert!(matches!(receipt.verify(&other), Err(ReceiptError::Chain { .. })));
    let mut other = consortium();
    other.epochs[0].number = 1;
    assert_eq!(receipt.verify(&other), Err(ReceiptError::UnknownEpoch { found: 0 }));
    let mut other = consortium();
    other.epochs[0].validators.pop();
    assert!(receipt.verify(&other).is_err(), "d cosigned");
}

/// Who founded a chain alone keeps its key: it answers for the log until others joined, and for no more.
#[test]
fn an_epoch_answers_for_its_own_log_only() {
    let founder = &validators()[..1];
    let genesis = ledger::Genesis { application: wire::Bytes(wire::to_vec(&epoch(1, founder))), ..support::genesis() };
    let open = || {
        let backend = redb::backends::InMemoryBackend::new();
        Ledger::open_backend(backend, std::sync::Arc::new(Map), genesis.clone()).unwrap()
    };
    let send = |ledger: &Ledger, method: &str, value: &[u8], nonce: u64| {
        let mut transaction = call(method, b"x", value, nonce, NOW + 1_000).transaction;
        transaction.chain = genesis.chain();
        let transaction = transaction.sign(&sender());
        let verified = ledger::VerifiedTransaction::verify(transaction.clone(), &genesis.chain()).unwrap();
        ledger.propose(vec![verified], NOW).unwrap();
        transaction.id()
    };
    let honest = open();
    let alone = send(&honest, "put", b"1", 1);
    let joining = send(&honest, "validators", &wire::to_vec(&epoch(2, &validators())), 2);
    let together = send(&honest, "put", b"2", 3);
    cosign(&honest, 1, founder);
    cosign(&honest, 2, founder);
    cosign(&honest, 3, &validators());
    let view = honest.view().unwrap();
    let mut consortium = Consortium::new(&genesis);
    for (number, validators) in [(1, founder), (2, &validators()[..])] {
        consortium.epochs.push(epoch(number, validators).pinned(view.epoch_start(number).unwrap()));
    }
    assert_eq!(consortium.epochs.iter().map(|epoch| epoch.start).collect::<Vec<_>>(), [0, 2]);
    for id in [alone, joining, together] {
        assert!(honest.receipt(&[id]).unwrap().verify(&consortium).is_ok());
    }
    // The founder alone goes on from its own epoch, as if nobody had joined.
    let forged = open();
    for nonce in 1..=3 {
        let id = send(&forged, "put", b"a lie", nonce);
        cosign(&forged, nonce, founder);
        let told = forged.receipt(&[id]).unwrap().verify(&consortium);
        match nonce {
            // What it could always say of the time when it was alone.
            1 | 2 => assert!(told.is_ok()),
            _ => assert_eq!(told, Err(ReceiptError::OutsideEpoch { epoch: 1, size: 3 })),
        }
    }
    // Nor do later validators answer for the log before them.
    let backdated = honest.receipt(&[together]).unwrap();
    consortium.epochs[1].start = 3;
    assert_eq!(backdated.verify(&consortium), Err(ReceiptError::OutsideEpoch { epoch: 2, size: 3 }));
}

#[test]
fn arbitrary_text_never_panics() {
    let (ledger, ids) = filled();
    let text = ledger.receipt(&[ids[0]]).unwrap().to_string();
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..5_000 {
        let mut bytes = text.clone().into_bytes();
        for _ in 0..1 + random.next_u32() % 4 {
            let (from, to) = (random.next_u32() as usize % bytes.len(), random.next_u32() as usize % bytes.len());
            bytes.splice(from.min(to)..from.max(to), *b"\n ");
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        assert!(!accepted(&String::from_utf8_lossy(&bytes), &consortium()));
    }
}
