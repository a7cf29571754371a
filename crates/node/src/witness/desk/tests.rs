//! A witness over validators who sign whatever they like.

use crypto::keystore::Cost;
use crypto::keystore::FileKeys;
use crypto::merkle::{self, Frontier};
use crypto::{Secret, SigningKey};
use ledger::{Cosignature, Epoch, Genesis, Validator};
use std::collections::HashMap;
use wire::Fixed;

use super::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn signer(at: usize) -> SigningKey {
    SigningKey::from_seed(&[at as u8 + 1; 32])
}

fn pinned() -> Consortium {
    let genesis = Genesis { name: "t".into(), created: 1, application: vec![].into(), nonce: Fixed([1; 16]) };
    let mut consortium = Consortium::new(&genesis);
    let validators =
        (0..4).map(|at| Validator { name: NAMES[at].into(), key: signer(at).public(), ml_dsa: None }).collect();
    consortium.epochs.push(Epoch { number: 1, validators }.pinned(0));
    consortium
}

/// A log whose leaves differ from `fork` on by the salt.
struct Log {
    fork: u64,
    salt: u8,
}

impl Log {
    fn tree(&self, size: u64) -> (Digest, HashMap<(u32, u64), Digest>) {
        let (mut frontier, mut store) = (Frontier::default(), HashMap::new());
        for at in 0..size {
            let salt = if at < self.fork { 0 } else { self.salt };
            frontier.push(merkle::leaf(&[&at.to_be_bytes()[..], &[salt]].concat()), |level, index, digest| {
                store.insert((level, index), digest);
            });
        }
        (frontier.root(), store)
    }

    fn ask(&self, old: u64, size: u64, signers: &[usize]) -> String {
        let (root, store) = self.tree(size);
        let header = crypto::sha256(&[root.as_ref(), &size.to_be_bytes()]);
        let checkpoint = Checkpoint { chain: pinned().chain, size, root, header, epoch: 1 };
        let validators = pinned().epochs[0].validators.clone();
        let line = |at: &usize| -> (&Validator, Cosignature) {
            (&validators[*at], checkpoint.cosign(7, |bytes| Ok::<_, ()>(signer(*at).sign_raw(bytes))).unwrap())
        };
        let note = Note::parse(&checkpoint.note(signers.iter().map(line))).unwrap();
        let proof = match (old, old <= size) {
            (0, _) | (_, false) => vec![],
            _ => merkle::consistency_path(old, size, |level, at| Ok::<_, ()>(store[&(level, at)])).unwrap(),
        };
        AddCheckpoint { old, proof, note }.to_string()
    }
}

const HONEST: Log = Log { fork: 0, salt: 0 };
const QUORUM: [usize; 3] = [0, 1, 3];

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        fs::create_dir(room.0.path().join(LOGS)).unwrap();
        let passphrase = Secret::new(b"long enough for a test".to_vec());
        let keys = FileKeys::create_with(room.0.path().join("keys"), &passphrase, Cost::danger_weak()).unwrap();
        keys.generate_signing(COSIGNER).unwrap();
        trust(room.0.path(), &pinned()).unwrap();
        room
    }

    fn desk(&self) -> Desk {
        let passphrase = Secret::new(b"long enough for a test".to_vec());
        let keys = Arc::new(FileKeys::open(self.0.path().join("keys"), &passphrase).unwrap());
        Desk::open(self.0.path().to_owned(), "w.example/1", keys, Arc::new(|| 9_000)).unwrap()
    }
}

fn cosigned(desk: &Desk, request: &str) -> bool {
    match desk.add_checkpoint(request) {
        Answer::Cosigned(line) => {
            let mut note = request.parse::<AddCheckpoint>().unwrap().note;
            assert!(note.add_line(&line));
            assert_eq!(note.witnessed(&desk.key), Some(9));
            true
        }
        _ => false,
    }
}

fn status(answer: Answer) -> u16 {
    match answer {
        Answer::Refused(status, _) => status.as_u16(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_goes_forward_only() {
    let room = Room::new();
    let desk = room.desk();
    assert!(cosigned(&desk, &HONEST.ask(0, 5, &QUORUM)));
    assert!(cosigned(&desk, &HONEST.ask(5, 5, &[0, 1, 2, 3])));
    assert!(cosigned(&desk, &HONEST.ask(5, 300, &QUORUM)));
    // Replays and rollbacks.
    for old in
        [HONEST.ask(0, 5, &QUORUM), HONEST.ask(5, 5, &QUORUM), HONEST.ask(5, 300, &QUORUM), HONEST.ask(5, 299, &QUORUM)]
    {
        assert_eq!(desk.add_checkpoint(&old), Answer::Stale(300));
    }
    assert_eq!(status(desk.add_checkpoint(&HONEST.ask(300, 299, &QUORUM))), 400);
    assert!(cosigned(&desk, &HONEST.ask(300, 301, &QUORUM)));
}

#[test]
fn forks_are_refused_and_kept_as_evidence() {
    let room = Room::new();
    let desk = room.desk();
    assert!(cosigned(&desk, &HONEST.ask(0, 40, &QUORUM)));
    let fork = Log { fork: 39, salt: 1 };
    assert_eq!(status(desk.add_checkpoint(&fork.ask(40, 41, &QUORUM))), 422);
    assert!(!room.0.path().join("evidence").exists());
    assert_eq!(status(desk.add_checkpoint(&fork.ask(40, 40, &[0, 1, 2, 3]))), 409);
    let evidence: Vec<_> = fs::read_dir(room.0.path().join("evidence")).unwrap().collect();
    assert_eq!(evidence.len(), 1);
    let note = fs::read_to_string(evidence[0].as_ref().unwrap().path()).unwrap();
    assert!(Note::parse(&note).unwrap().verify(&pinned()).is_ok());
    for salt in 2..60 {
        assert_eq!(status(desk.add_checkpoint(&Log { fork: 0, salt }.ask(40, 40, &QUORUM))), 409);
    }
    assert_eq!(fs::read_dir(room.0.path().join("evidence")).unwrap().count(), MAX_EVIDENCE);
    // What it had cosigned is what it goes on from.
    assert!(cosigned(&desk, &HONEST.ask(40, 41, &QUORUM)));
}

#[test]
fn strangers_and_minorities_are_refused() {
    let room = Room::new();
    let desk = room.desk();
    let good = HONEST.ask(0, 5, &QUORUM);
    assert_eq!(status(desk.add_checkpoint(&HONEST.ask(0, 5, &[0, 1]))), 403);
    assert_eq!(status(desk.add_checkpoint(&HONEST.ask(0, 5, &[0, 0, 0]))), 403);
    assert_eq!(status(desk.add_checkpoint(&good.replace("epoch 1", "epoch 2"))), 403);
    assert_eq!(status(desk.add_checkpoint(&good.replace("\n5\n", "\n6\n"))), 403);
    assert_eq!(status(desk.add_checkpoint(&good.replace("old 0", "old 00"))), 400);
    assert_eq!(status(desk.add_checkpoint(&good.replace("old 0", "old 0\nAAAA"))), 400);
    for origin in ["sottovoce/".to_owned() + &"0".repeat(64), "example.com/log".into(), "../../x".into(), String::new()]
    {
        let other = good.replace(&format!("sottovoce/{}", pinned().chain), &origin);
        assert_eq!(status(desk.add_checkpoint(&other)), 404, "{origin}");
    }
    for nothing in ["", "\n\n", "old 0\n\n", "\u{0}"] {
        assert_eq!(status(desk.add_checkpoint(nothing)), 404);
    }
    // None of it counted.
    assert!(cosigned(&desk, &good));
}

#[test]
fn what_it_cosigned_outlives_the_process_and_is_never_forgotten() {
    let room = Room::new();
    assert!(cosigned(&room.desk(), &HONEST.ask(0, 5, &QUORUM)));
    let desk = room.desk();
    assert_eq!(desk.add_checkpoint(&HONEST.ask(0, 5, &QUORUM)), Answer::Stale(5));
    // One process at a time.
    let keys = desk.keys.clone();
    let second = Desk::open(room.0.path().to_owned(), "w.example/1", keys.clone(), Arc::new(|| 0));
    assert!(matches!(second.err(), Some(WitnessError::Running(_))));
    // The consortium's newer file leaves it be; another's is refused.
    let mut later = pinned();
    later.epochs.push(Epoch { number: 2, ..later.epochs[0].epoch() }.pinned(900));
    trust(room.0.path(), &later).unwrap();
    assert!(matches!(trust(room.0.path(), &pinned()), Err(WitnessError::Contradiction)));
    assert_eq!(desk.add_checkpoint(&HONEST.ask(0, 5, &QUORUM)), Answer::Stale(5));
    assert!(cosigned(&desk, &HONEST.ask(5, 6, &QUORUM)));

    // A crash leaves a draft, and the file of before.
    let seen = seen(room.0.path(), &pinned().chain);
    fs::write(seen.with_extension("draft"), "sottovoce/torn").unwrap();
    assert!(cosigned(&desk, &HONEST.ask(6, 7, &QUORUM)));
    let kept = fs::read(&seen).unwrap();
    for damaged in [b"".as_slice(), b"nothing", &kept[1..], &kept[..kept.len() - 40]] {
        fs::write(&seen, damaged).unwrap();
        assert_eq!(status(desk.add_checkpoint(&HONEST.ask(0, 5, &QUORUM))), 500);
    }
    fs::remove_file(&seen).unwrap();
    assert_eq!(status(desk.add_checkpoint(&HONEST.ask(0, 5, &QUORUM))), 500);
    // The same consortium file again does not make it forget.
    trust(room.0.path(), &later).unwrap();
    assert!(!seen.exists());
    drop(desk);
    let again = Desk::open(room.0.path().to_owned(), "w.example/1", keys, Arc::new(|| 0));
    assert!(matches!(again.err(), Some(WitnessError::Forgotten(_))));
}

/// Many at once, of which each was consistent when it was made: sizes never fall.
#[test]
fn requests_at_the_same_time_take_turns() {
    let room = Room::new();
    let desk = room.desk();
    assert!(cosigned(&desk, &HONEST.ask(0, 1, &QUORUM)));
    let asks: Vec<_> = (2..10).map(|size| HONEST.ask(1, size, &QUORUM)).collect();
    let won: Vec<bool> = std::thread::scope(|scope| {
        let runs: Vec<_> = asks
            .iter()
            .map(|request| scope.spawn(|| matches!(desk.add_checkpoint(request), Answer::Cosigned(_))))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
}
