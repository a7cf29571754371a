//! Snapshots: what is restored goes on as the original does, and what is not right is refused.

mod support;

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crypto::{Digest, SigningKey};
use ledger::{
    Block, Certificate, Checkpoint, EXPIRY_WINDOW, Error, Handover, Ledger, Manifest, Part, Snapshot, SnapshotError,
    State as _, Trust, VerifiedTransaction,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use support::*;

/// A call whose expiry fits the block's time.
fn at(method: &str, key: &[u8], value: &[u8], nonce: u64, time: u64) -> VerifiedTransaction {
    verified(call(method, key, value, nonce, time + EXPIRY_WINDOW))
}

/// Validators of an epoch: each has keys of its own.
fn keys(number: u64) -> Vec<(String, SigningKey)> {
    match number {
        0 => validators(),
        _ => {
            let names = ["a", "b", "c", "d"].iter().zip(0u64..);
            let seed = |at: u64| [7 + u8::try_from(number * 4 + at).unwrap(); 32];
            names.map(|(name, at)| ((*name).into(), SigningKey::from_seed(&seed(at)))).collect()
        }
    }
}

fn turn(number: u64, nonce: u64, time: u64) -> VerifiedTransaction {
    at("validators", b"", &wire::to_vec(&epoch(number, &keys(number))), nonce, time)
}

fn open(path: &Path) -> Ledger {
    Ledger::open(path, Arc::new(Map), genesis()).unwrap()
}

/// All parts of a snapshot, in memory.
struct Staging(BTreeMap<Part, Vec<u8>>);

impl Staging {
    fn of(ledger: &Ledger, snapshot: &Snapshot) -> Self {
        let part = |part| (part, snapshot.part(ledger, part).unwrap().unwrap());
        Self(snapshot.manifest().parts().into_iter().map(part).collect())
    }

    fn read(&self, part: Part) -> io::Result<Vec<u8>> {
        self.0.get(&part).cloned().ok_or(io::ErrorKind::NotFound.into())
    }
}

/// Goes along all hand-overs.
fn trust(ledger: &Ledger, source: &Ledger) -> Trust {
    let mut trust = ledger.trust();
    loop {
        let next = source.handovers(trust.newest(), 1).unwrap();
        if next.is_empty() {
            return trust;
        }
        for handover in next {
            ledger.follow(&mut trust, handover).unwrap();
        }
    }
}

/// Has a ledger begin from a snapshot of another.
fn sync(source: &Ledger, height: u64, ledger: &Ledger, path: &Path) -> Result<(), Error> {
    let directory = tempfile::tempdir().unwrap();
    let snapshot = source.snapshot(height, &directory.path().join("made"))?;
    let staging = Staging::of(source, &snapshot);
    let manifest = Manifest::parse(&snapshot.part(source, Part::Manifest)?.unwrap())?;
    assert_eq!(manifest.id(), snapshot.id());
    for part in manifest.parts() {
        Ledger::check_part(&manifest, part, &staging.read(part)?, &|part| staging.read(part))?;
    }
    let (trust, certificate) = (trust(ledger, source), source.certificate(height)?);
    let staged = path.with_extension("new");
    ledger.restore(&staged, (&manifest, &certificate, &trust), None, &|part| staging.read(part))?;
    let header = ledger.adopt(&staged, path, &trust)?;
    assert_eq!(Some(header), source.header(height)?);
    Ok(())
}

/// Ends of epochs, and every block from `height` on that is to be cosigned.
fn cosign_ends(ledger: &Ledger, also: u64) {
    for height in 1..=ledger.head().height {
        let number = ledger.header(height).unwrap().unwrap().epoch;
        let next = ledger.header(height + 1).unwrap().map_or(u64::MAX, |next| next.epoch);
        if number != next || height == also {
            assert!(cosign(ledger, height, &keys(number)[..3]).1);
        }
    }
}

/// What is asked of both gives the same.
fn same(one: &Ledger, other: &Ledger, from: u64) {
    assert_eq!(one.head(), other.head());
    let (left, right) = (one.view().unwrap(), other.view().unwrap());
    assert_eq!(left.scan(b"", None, usize::MAX).unwrap(), right.scan(b"", None, usize::MAX).unwrap());
    for number in 0..=one.head().epoch + 1 {
        assert_eq!(one.epoch(number).unwrap(), other.epoch(number).unwrap(), "epoch {number}");
        assert_eq!(left.epoch_start(number).unwrap(), right.epoch_start(number).unwrap(), "start of {number}");
    }
    for size in 0..=one.head().log_size {
        assert_eq!(one.log_root(size).unwrap(), other.log_root(size).unwrap());
    }
    if one.head().log_size > 1 {
        let size = one.head().log_size;
        assert_eq!(one.consistency(1, size).unwrap(), other.consistency(1, size).unwrap());
        assert_eq!(one.inclusion(0, size).unwrap(), other.inclusion(0, size).unwrap());
    }
    for height in from..=one.head().height {
        assert_eq!(one.header(height).unwrap(), other.header(height).unwrap());
        for (key, _) in left.scan(b"", None, 5).unwrap() {
            let (a, b) = (left.prove_at(height, &key).unwrap(), right.prove_at(height, &key).unwrap());
            assert_eq!(a, b);
            assert!(a.verify(&one.header(height).unwrap().unwrap().digest()));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u16),
    Remove(u8),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (any::<u8>(), 0u16..3000).prop_map(|(key, length)| Step::Put(key, length)),
        4 => any::<u8>().prop_map(Step::Remove),
        1 => Just(Step::Turn),
    ]
}

/// Makes blocks of these steps, each some minutes after the one before.
fn grow(ledger: &Ledger, blocks: &[Vec<Step>], nonce: &mut u64, turns: &mut u64) {
    for block in blocks {
        let time = ledger.head().time + 7 * 60_000;
        let mut batch = Vec::new();
        for step in block {
            *nonce += 1;
            batch.push(match step {
                Step::Put(key, length) => at("put", &[*key], &vec![*key; usize::from(*length)], *nonce, time),
                Step::Remove(key) => at("remove", &[*key], b"", *nonce, time),
                Step::Turn => {
                    *turns += 1;
                    turn(*turns, *nonce, time)
                }
            });
        }
        ledger.propose(batch, time).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Random ledgers: what begins from a snapshot, at the genesis or behind, is the same by root and by all reads, and executes what
    /// follows to the same roots.
    #[test]
    fn what_is_restored_goes_on_as_the_original(
        before in prop::collection::vec(prop::collection::vec(step(), 1..12), 1..14),
        after in prop::collection::vec(prop::collection::vec(step(), 1..8), 1..6),
        (head, own, back) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u64..4),
        rooms in [prop::sample::select(&ROOMS), prop::sample::select(&ROOMS)],
    ) {
        let source = memory();
        source.keep_changes(rooms[0]);
        let (mut nonce, mut turns) = (0, 0);
        grow(&source, &before, &mut nonce, &mut turns);
        let newest = source.head().height;
        let height = 1 + head.index(newest as usize) as u64;
        let height = height.max(newest.saturating_sub(back));
        cosign_ends(&source, newest);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        let ledger = open(&path);
        ledger.keep_changes(rooms[1]);
        for block in source.blocks(1, usize::MAX).unwrap().iter().take(own.index(height as usize)) {
            ledger.apply(block, u64::MAX - 1_000_000, false).unwrap();
        }
        sync(&source, height, &ledger, &path).unwrap();
        let kept = ledger.kept().unwrap();
        prop_assert_eq!(kept.height, height + 1);
        let gone = |error: Error| matches!(error, Error::Gone { .. });
        prop_assert!(ledger.outcomes(height).is_err_and(gone) && ledger.blocks(1, 1 << 20).is_err_and(gone));
        // What follows, and what was not there when the snapshot was made.
        grow(&source, &after, &mut nonce, &mut turns);
        for block in source.blocks(height + 1, usize::MAX).unwrap() {
            ledger.apply(&block, u64::MAX - 1_000_000, false).unwrap();
        }
        same(&source, &ledger, height);
        // A transaction of the last hour is known, and cannot come again.
        let last = source.entries(source.header(height).unwrap().unwrap().log_size - 1, 1).unwrap().remove(0);
        prop_assert_eq!(ledger.known(&[(last.transaction.id(), last.transaction.transaction.expires)]).unwrap(), [true]);
        // It opens again, and hands on a snapshot of its own, as soon as it has an hour.
        drop(ledger);
        let ledger = open(&path);
        same(&source, &ledger, height);
        grow(&source, &[(); 10].map(|()| vec![Step::Put(1, 1)]), &mut nonce, &mut turns);
        for block in source.blocks(ledger.head().height + 1, usize::MAX).unwrap() {
            ledger.apply(&block, u64::MAX - 1_000_000, false).unwrap();
        }
        for one in [&source, &ledger] {
            cosign_ends_from(one, 1);
        }
        let (third, top) = (directory.path().join("third"), ledger.head().height);
        let next = open(&third);
        sync(&ledger, top, &next, &third).unwrap();
        let made = |ledger: &Ledger, name: &str| ledger.snapshot(top, &directory.path().join(name)).unwrap().id();
        prop_assert_eq!(made(&ledger, "one"), made(&source, "two"));
        prop_assert_eq!(next.head(), source.head());
    }
}

fn cosign_ends_from(ledger: &Ledger, from: u64) {
    for height in from..=ledger.head().height {
        // Before a snapshot's last hour there are the last headers of epochs alone.
        if let Some(header) = ledger.header(height).unwrap() {
            cosign(ledger, height, &keys(header.epoch)[..3]);
        }
    }
}

/// A ledger of three epochs, forty blocks, and records enough for several branches.
fn original() -> Ledger {
    let ledger = memory();
    let mut nonce = 0;
    for height in 1..=40u64 {
        let time = NOW + height * 5 * 60_000;
        let mut batch = Vec::new();
        for n in 0..4u64 {
            nonce += 1;
            let key = [height.to_be_bytes(), n.to_be_bytes()].concat();
            batch.push(at("put", &key, &vec![n as u8; 15_000], nonce, time));
        }
        nonce += 1;
        if height == 10 || height == 25 {
            batch.push(turn(height / 10, nonce, time));
        }
        ledger.propose(batch, time).unwrap();
    }
    cosign_ends(&ledger, 40);
    ledger
}

struct Made {
    source: Ledger,
    manifest: Manifest,
    certificate: Certificate,
    staging: Staging,
    directory: tempfile::TempDir,
}

fn made() -> Made {
    let (source, directory) = (original(), tempfile::tempdir().unwrap());
    let snapshot = source.snapshot(38, &directory.path().join("made")).unwrap();
    let staging = Staging::of(&source, &snapshot);
    let certificate = source.certificate(38).unwrap();
    assert_eq!(certificate.headers.len(), 2);
    let manifest = snapshot.manifest().clone();
    assert!(manifest.branches.len() > 3 && manifest.recent.first().unwrap().first > 20, "{manifest:?}");
    Made { source, manifest, certificate, staging, directory }
}

#[test]
fn every_byte_of_every_part_is_covered() {
    let Made { manifest, staging, .. } = made();
    let check = |part, bytes: &[u8]| Ledger::check_part(&manifest, part, bytes, &|part| staging.read(part));
    for part in manifest.parts() {
        let good = staging.read(part).unwrap();
        check(part, &good).unwrap();
        let step = 1 + good.len() / 60;
        for place in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[place] ^= 1 << (place % 8);
            assert!(matches!(check(part, &bad), Err(Error::Snapshot(_))), "{part:?} at {place}");
        }
        for bad in [&good[..good.len() - 1], &[&good[..], b"0"].concat(), &[]] {
            assert!(matches!(check(part, bad), Err(Error::Snapshot(_))), "{part:?}");
        }
        let other = manifest.parts().into_iter().find(|other| *other != part && other.numbers().0 == part.numbers().0);
        if let Some(other) = other {
            assert!(check(part, &staging.read(other).unwrap()).is_err(), "{part:?}");
        }
    }
    for part in [Part::Branch(999), Part::Leaves(999), Part::Recent(999), Part::Manifest, Part::Certificate] {
        assert!(check(part, b"\x80").is_err());
    }
}

#[test]
fn a_manifest_that_its_header_does_not_commit_to_is_refused() {
    let Made { manifest, .. } = made();
    let parse = |manifest: &Manifest| Manifest::parse(&wire::to_vec(manifest));
    assert_eq!(parse(&manifest), Ok(manifest.clone()));
    let changes: Vec<fn(&mut Manifest)> = vec![
        |m| m.format.push('x'),
        |m| drop(m.branches.pop()),
        |m| m.branches.swap(0, 1),
        |m| m.branches[0].hash = Digest::from([0; 32]),
        |m| m.branches[0].path = vec![9, 9, 9].into(),
        |m| m.branches[0].path.0.push(16),
        |m| m.branches[0].path = vec![0; 400].into(),
        |m| m.branches[0].count = 0,
        |m| m.branches.clear(),
        |m| m.log[0] = Digest::from([0; 32]),
        |m| m.log.push(Digest::from([0; 32])),
        |m| m.log.clear(),
        |m| m.recent.clear(),
        |m| m.recent.last_mut().unwrap().last = Digest::from([0; 32]),
        |m| m.recent.insert(0, m.recent[0].clone()),
        |m| m.header.state_root = Digest::from([0; 32]),
        |m| m.header.log_root = Digest::from([0; 32]),
        |m| m.header.height += 1,
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let mut bad = manifest.clone();
        change(&mut bad);
        assert!(parse(&bad).is_err(), "change {at}");
    }
    // A subtree of one record stands as high as it can: a path that is longer makes the same root, and another tree.
    let one = memory();
    let mut lone = manifest.clone();
    let directory = tempfile::tempdir().unwrap();
    one.propose(vec![put(b"k", b"v", 1)], NOW).unwrap();
    let small = one.snapshot(1, &directory.path().join("made")).unwrap().manifest().clone();
    assert_eq!(small.branches.len(), 1, "a small state is one branch");
    lone.branches = small.branches;
    assert!(parse(&lone).is_err());
}

#[test]
fn who_does_not_answer_for_it_is_not_believed() {
    let Made { source, manifest, certificate, directory, .. } = made();
    let path = directory.path().join("ledger");
    let ledger = open(&path);
    let all = source.handovers(0, usize::MAX).unwrap();
    assert_eq!(all.iter().map(|one| one.header.epoch).collect::<Vec<_>>(), [0, 1]);
    let mut trust = ledger.trust();
    // The epoch of the certificate is not known yet.
    assert!(matches!(trust.certify(&manifest.header, &certificate), Err(SnapshotError::Quorum { epoch: 2 })));
    let refused = |trust: &Trust, handover: &Handover| {
        let mut trust = trust.clone();
        ledger.follow(&mut trust, handover.clone()).unwrap_err()
    };
    // Out of turn, by too few, by one twice, by a stranger, with another value, of another block, of too few keys.
    assert!(matches!(refused(&trust, &all[1]), SnapshotError::Handover { epoch: 1, .. }));
    let change = |change: &dyn Fn(&mut Handover)| {
        let mut bad = all[0].clone();
        change(&mut bad);
        refused(&trust, &bad)
    };
    assert!(matches!(change(&|bad| drop(bad.cosignatures.pop())), SnapshotError::Quorum { .. }));
    assert!(matches!(change(&|bad| bad.cosignatures[2] = bad.cosignatures[1].clone()), SnapshotError::Quorum { .. }));
    assert!(matches!(change(&|bad| bad.cosignatures[0].name = "mallory".into()), SnapshotError::Quorum { .. }));
    assert!(matches!(change(&|bad| bad.cosignatures[0].cosignature.time += 1), SnapshotError::Quorum { .. }));
    assert!(matches!(change(&|bad| bad.header.time += 1), SnapshotError::Quorum { .. }));
    let value = wire::to_vec(&epoch(1, &validators()));
    assert!(matches!(
        change(&|bad| bad.shown[0].value = Some(value.clone().into())),
        SnapshotError::Handover { why: "a proof does not hold", .. }
    ));
    assert!(matches!(change(&|bad| bad.shown.clear()), SnapshotError::Handover { .. }));
    assert!(matches!(change(&|bad| bad.shown = vec![bad.shown[0].clone(); 99]), SnapshotError::Handover { .. }));
    // A block within the epoch hands nothing over, whoever cosigned it.
    cosign(&source, 9, &validators());
    let mut early = all[0].clone();
    early.header = source.header(9).unwrap().unwrap();
    early.cosignatures = source.certificate(9).unwrap().cosignatures;
    for shown in &mut early.shown {
        let proven = source.view().unwrap().prove_at(9, &shown.key).unwrap();
        (shown.value, shown.proof) = (proven.value, proven.proof);
    }
    let early = refused(&trust, &early);
    assert!(matches!(early, SnapshotError::Handover { why: "it names no later validators", .. }), "{early}");

    for handover in all {
        ledger.follow(&mut trust, handover).unwrap();
    }
    trust.certify(&manifest.header, &certificate).unwrap();
    let bad = |change: &dyn Fn(&mut Certificate)| {
        let mut bad = certificate.clone();
        change(&mut bad);
        trust.certify(&manifest.header, &bad).unwrap_err()
    };
    assert!(matches!(bad(&|bad| drop(bad.cosignatures.pop())), SnapshotError::Quorum { .. }));
    assert!(matches!(bad(&|bad| bad.cosignatures.clear()), SnapshotError::Quorum { .. }));
    assert!(matches!(bad(&|bad| bad.headers.truncate(1)), SnapshotError::Quorum { .. }));
    assert!(matches!(bad(&|bad| bad.headers.swap(0, 1)), SnapshotError::Root(_)));
    // The keys of an epoch that is over sign a log from after its end: whoever knows the end does not take that.
    let mut later = manifest.header.clone();
    later.epoch = 0;
    let signed = Checkpoint::of(&later);
    let by = validators().into_iter().map(|(name, key)| {
        let cosignature = signed.cosign(1, |message| Ok::<_, ()>(key.sign_raw(message))).unwrap();
        ledger::CosignedBy { name, cosignature }
    });
    let late = Certificate { headers: vec![], cosignatures: by.collect() };
    assert!(matches!(trust.certify(&later, &late), Err(SnapshotError::Quorum { epoch: 0 })));
}

#[test]
fn a_pinned_checkpoint_must_be_in_its_log() {
    let Made { source, manifest, certificate, staging, directory } = made();
    let path = directory.path().join("ledger");
    let ledger = open(&path);
    let trust = trust(&ledger, &source);
    let restore = |pinned: Option<&Checkpoint>| {
        let staged = directory.path().join("staged");
        ledger.restore(&staged, (&manifest, &certificate, &trust), pinned, &|part| staging.read(part))
    };
    for height in [1, 20, 38] {
        restore(Some(&source.checkpoint(height).unwrap())).unwrap();
    }
    let mut other = source.checkpoint(20).unwrap();
    other.root = Digest::from([1; 32]);
    for pinned in [other, source.checkpoint(39).unwrap()] {
        assert!(matches!(restore(Some(&pinned)), Err(Error::Snapshot(SnapshotError::Pinned { .. }))));
    }
    assert_eq!(ledger.head().height, 0, "nothing of it was used");
}

#[test]
fn what_is_staged_is_not_believed_either() {
    let Made { source, manifest, certificate, mut staging, directory } = made();
    let path = directory.path().join("ledger");
    let ledger = open(&path);
    let trust = trust(&ledger, &source);
    let staged = directory.path().join("staged");
    for part in [Part::Branch(1), Part::Leaves(0), Part::Recent(0)] {
        let good = staging.0[&part].clone();
        staging.0.get_mut(&part).unwrap()[100] ^= 1;
        let bad = ledger.restore(&staged, (&manifest, &certificate, &trust), None, &|part| staging.read(part));
        assert!(matches!(bad, Err(Error::Snapshot(_))), "{part:?}");
        staging.0.remove(&part);
        let bad = ledger.restore(&staged, (&manifest, &certificate, &trust), None, &|part| staging.read(part));
        assert!(matches!(bad, Err(Error::Store(_))), "{part:?}");
        staging.0.insert(part, good);
    }
    // A ledger that goes on meanwhile does not go back.
    ledger.restore(&staged, (&manifest, &certificate, &trust), None, &|part| staging.read(part)).unwrap();
    let block: Block = source.block(1).unwrap().unwrap();
    ledger.apply(&block, u64::MAX - 1_000_000, true).unwrap();
    assert!(matches!(ledger.adopt(&staged, &path, &trust), Err(Error::Moved)));
    assert_eq!(open_copy(&ledger, &directory.path().join("copy")).head().height, 1);
}

fn open_copy(ledger: &Ledger, path: &Path) -> Ledger {
    ledger.copy(path).unwrap();
    open(path)
}

/// The path of a restoring, cut at every step: what is left opens, as it was or as it will be.
#[test]
fn a_cut_leaves_the_old_ledger_or_the_new() {
    let Made { source, manifest, certificate, staging, directory } = made();
    let (path, staged) = (directory.path().join("ledger"), directory.path().join("staged"));
    let parts = manifest.parts().len() * 2 + 4;
    let mut whole = 0;
    for cut in 0..parts {
        let ledger = open(&path);
        let trust = trust(&ledger, &source);
        let left = std::cell::Cell::new(cut);
        let read = |part| match left.get() {
            0 => Err(io::Error::other("cut")),
            more => {
                left.set(more - 1);
                staging.read(part)
            }
        };
        let made = ledger.restore(&staged, (&manifest, &certificate, &trust), None, &read);
        whole += u32::from(made.is_ok());
        drop(ledger);
        let again = open(&path);
        assert_eq!(again.head().height, 0);
        drop(again);
    }
    assert!(whole > 0, "some had all they asked for");
    let ledger = open(&path);
    let trust = trust(&ledger, &source);
    ledger.restore(&staged, (&manifest, &certificate, &trust), None, &|part| staging.read(part)).unwrap();
    ledger.adopt(&staged, &path, &trust).unwrap();
    assert!(!staged.exists());
    assert_eq!(open_copy(&ledger, &directory.path().join("copy")).head().height, 38);
    drop(ledger);
    assert_eq!(open(&path).head().height, 38);
}

#[test]
fn pruning_changes_nothing_that_is_computed() {
    ROOMS.into_iter().for_each(prune_with);
}

fn prune_with(room: usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let (whole, pruned) = (original(), open(&path));
    pruned.keep_changes(room);
    pruned.keep_states(5);
    for block in whole.blocks(1, usize::MAX).unwrap() {
        pruned.apply(&block, u64::MAX - 1_000_000, false).unwrap();
    }
    cosign_ends(&pruned, 12);
    assert_eq!(pruned.view().unwrap().oldest(), 35);
    // Within two hours, and below the oldest state: 24 blocks of five minutes.
    let needed = whole.entries(7, 1).unwrap().remove(0);
    let mut steps = 0;
    while pruned.prune(u64::MAX, 10, &|id| *id == needed.transaction.id()).unwrap() {
        steps += 1;
    }
    assert!(steps > 3, "in steps");
    let kept = pruned.kept().unwrap();
    assert_eq!(kept.height, 40 - 24);
    assert_eq!(kept.index, whole.header(kept.height - 1).unwrap().unwrap().log_size);
    assert!(!pruned.prune(u64::MAX, 10, &|_| false).unwrap(), "there is no more");
    assert_eq!(pruned.kept().unwrap(), kept);
    let gone = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Gone { oldest: 16 })), "{result:?}");
    gone(pruned.block(15).map(drop));
    gone(pruned.outcomes(1).map(drop));
    gone(pruned.blocks(15, 1 << 20).map(drop));
    gone(pruned.entries(kept.index - 1, 5).map(drop));
    assert_eq!(pruned.entries(kept.index, 500).unwrap(), whole.entries(kept.index, 500).unwrap());
    let first = whole.entries(0, 1).unwrap().remove(0).transaction;
    assert_eq!(pruned.committed(&first.id()).unwrap(), None);
    assert!(pruned.receipt(&[first.id()]).is_err());
    // What is needed is found, and has its receipt under a later checkpoint.
    assert_eq!(pruned.committed(&needed.transaction.id()).unwrap().as_ref(), Some(&needed));
    cosign(&pruned, 40, &keys(2)[..3]);
    pruned.receipt(&[needed.transaction.id()]).unwrap();
    let absent = whole.entries(8, 1).unwrap().remove(0);
    assert!(pruned.holds(&absent).unwrap() && pruned.receipt_of(vec![absent.clone(), needed]).is_ok());
    assert!(!pruned.holds(&ledger::Committed { position: 3, ..absent }).unwrap());
    // It cannot come again: it has expired.
    assert!(pruned.propose(vec![verified(first)], 0).unwrap().results[0].is_err());
    // Ends of epochs stay cosigned, others not.
    assert_eq!(pruned.cosignatures(10).unwrap().len(), 3);
    assert!(pruned.cosignatures(12).unwrap().is_empty());
    assert_eq!(pruned.handovers(0, usize::MAX).unwrap().len(), 2);
    // All hashes are there, and what follows is the same.
    let (mut nonce, mut turns) = (1_000, 5);
    let more = vec![vec![Step::Put(1, 10), Step::Remove(1), Step::Put(2, 2000), Step::Turn]; 8];
    grow(&whole, &more, &mut nonce, &mut turns);
    for block in whole.blocks(41, usize::MAX).unwrap() {
        pruned.apply(&block, u64::MAX - 1_000_000, false).unwrap();
        pruned.prune(u64::MAX, 3, &|_| false).unwrap();
    }
    same(&whole, &pruned, 43);
    assert!(matches!(pruned.view().unwrap().prove_at(42, b"epoch"), Err(Error::Pruned { oldest: 43, .. })));
    drop(pruned);
    let pruned = open(&path);
    same(&whole, &pruned, 43);
    // And one that begins from it.
    cosign_ends_from(&pruned, 41);
    let next = directory.path().join("next");
    let ledger = open(&next);
    sync(&pruned, 47, &ledger, &next).unwrap();
    assert_eq!(ledger.head(), whole.header(47).unwrap().unwrap());
}

const DIRECTORY: &str = "LEDGER_SNAPSHOT_DIRECTORY";

/// SIGKILL at thirty seeded moments of a restoring: what is there opens, as it was or as it will be, and the next attempt goes well.
#[test]
fn a_kill_leaves_the_old_ledger_or_the_new() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut random = ChaCha8Rng::seed_from_u64(30);
    let mut adopted = 0;
    for _ in 0..30 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "restores_until_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert!(output.lines().map_while(Result::ok).any(|line| line.ends_with("begins")), "the child begins");
        std::thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let height = open(&path).head().height;
        assert!(height == 0 || height == 38, "{height}");
        if height == 38 {
            adopted += 1;
            std::fs::remove_file(&path).unwrap();
        }
    }
    println!("{adopted} of 30 were done before they were killed");
    let source = original();
    let ledger = open(&path);
    sync(&source, 38, &ledger, &path).unwrap();
    assert_eq!(ledger.head().height, 38);
}

#[test]
#[ignore = "killed by a_kill_leaves_the_old_ledger_or_the_new"]
fn restores_until_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let path = Path::new(&directory).join("ledger");
    let source = original();
    let ledger = open(&path);
    // With a line end of its own, past what the test runner prints before.
    println!("\nbegins");
    std::io::stdout().flush().unwrap();
    sync(&source, 38, &ledger, &path).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}
