//! Where an epoch demands ML-DSA-65 beside Ed25519, half of a cosignature is none, and nothing that was touched holds.

mod support;

use crypto::mldsa;
use ledger::{Checkpoint, Consortium, Error, Note, NoteError, ProvenState, Receipt, ReceiptError, SnapshotError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use support::*;
use wire::text;

fn accepted(text: &str, consortium: &Consortium) -> bool {
    Receipt::parse(text).is_ok_and(|receipt| receipt.verify(consortium).is_ok())
}

/// A receipt's text up to its signature lines, and these: Ed25519 and ML-DSA in turn.
fn parts(text: &str) -> (String, Vec<String>) {
    let at = text.find('\u{2014}').unwrap();
    (text[..at].to_owned(), text[at..].lines().map(str::to_owned).collect())
}

fn with(head: &str, lines: &[String]) -> String {
    format!("{head}{}\n", lines.join("\n"))
}

/// A line's name and its bytes, and the line of others.
fn blob(line: &str) -> (String, Vec<u8>) {
    let (name, blob) = line.strip_prefix("\u{2014} ").unwrap().split_once(' ').unwrap();
    (name.to_owned(), text::base64(blob).unwrap())
}

fn line(name: &str, blob: &[u8]) -> String {
    format!("\u{2014} {name} {}", text::to_base64(blob))
}

#[test]
fn receipts_of_both_kinds_of_epochs_hold_under_one_file() {
    let (ledger, ids) = turned_on();
    let old = ledger.receipt(&ids[..2]).unwrap().to_string();
    let new = ledger.receipt(&ids).unwrap().to_string();
    for consortium in [turning(), Consortium::parse(&turning().to_toml()).unwrap()] {
        let verified = Receipt::parse(&old).unwrap().verify(&consortium).unwrap();
        assert_eq!((verified.epoch, verified.ml_dsa, parts(&old).1.len()), (0, false, 3));
        let verified = Receipt::parse(&new).unwrap().verify(&consortium).unwrap();
        assert_eq!((verified.epoch, verified.ml_dsa, parts(&new).1.len()), (1, true, 6));
        assert_eq!(verified.cosigners, ["b", "c", "d"]);
    }
    // Its size: three signatures of 3,309 bytes, in base64.
    let length = ledger.receipt(&ids[2..]).unwrap().to_string().len();
    assert!((14_000..16_000).contains(&length), "{length}");
    let proof = ledger.prove_state(4, b"map/new").unwrap().to_string();
    assert!(ProvenState::parse(&proof).unwrap().verify(&turning()).unwrap().ml_dsa);
    // A fourth changes nothing: exactly a quorum, in the epoch's order.
    let more = cosign_both(&ledger.checkpoint(4).unwrap(), 0, 9);
    assert_eq!(ledger.add_cosignatures(4, &[more]).unwrap(), (4, true));
    let verified = ledger.receipt(&ids[2..]).unwrap().verify(&turning()).unwrap();
    assert_eq!(verified.cosigners, ["a", "b", "c"]);
}

#[test]
fn a_ledger_keeps_no_half_of_a_cosignature() {
    let (ledger, _) = turned_on();
    let (old, new) = (ledger.checkpoint(2).unwrap(), ledger.checkpoint(4).unwrap());
    let refused = |height: u64, one: (String, ledger::Cosignature)| {
        assert!(matches!(ledger.add_cosignatures(height, &[one]), Err(Error::Cosignature { .. })));
    };
    let (name, whole) = cosign_both(&new, 0, 7);
    refused(4, (name.clone(), ledger::Cosignature { ml_dsa: None, ..whole.clone() }));
    refused(4, ("b".into(), whole.clone()));
    // Of another time, another block, another's key, another name.
    refused(4, (name.clone(), ledger::Cosignature { ml_dsa: cosign_both(&new, 0, 8).1.ml_dsa, ..whole.clone() }));
    refused(4, (name.clone(), ledger::Cosignature { ml_dsa: cosign_both(&old, 0, 7).1.ml_dsa, ..whole.clone() }));
    refused(4, (name.clone(), ledger::Cosignature { ml_dsa: cosign_both(&new, 1, 7).1.ml_dsa, ..whole.clone() }));
    let other = new.cosign_ml_dsa("b", whole.clone(), |label, bytes| Ok::<_, ()>(ml_dsa(0).sign(label, bytes)));
    refused(4, (name.clone(), other.unwrap()));
    // Where none is demanded, none is taken.
    refused(2, cosign_both(&old, 3, 7));
    assert_eq!(ledger.cosignatures(4).unwrap().len(), 3);
    assert_eq!(ledger.add_cosignatures(4, &[(name, whole)]).unwrap(), (4, true));
}

#[test]
fn stripped_swapped_truncated_and_forged_lines_are_refused() {
    let (ledger, ids) = turned_on();
    let text = ledger.receipt(&ids[2..]).unwrap().to_string();
    let (head, lines) = parts(&text);
    assert!(accepted(&with(&head, &lines), &turning()));
    let every = |step: usize| -> Vec<String> { lines.iter().skip(step).step_by(2).cloned().collect() };
    // All of one kind, as an attacker leaves who can forge the other.
    let stripped = Receipt::parse(&with(&head, &every(0))).unwrap();
    assert_eq!(stripped.verify(&turning()), Err(ReceiptError::MlDsa { epoch: 1, found: 0, expected: 3 }));
    assert!(stripped.verify(&turning()).unwrap_err().to_string().contains("demands"));
    assert!(!accepted(&with(&head, &every(1)), &turning()));
    // Each kind together instead of by validator.
    assert!(!accepted(&with(&head, &[every(0), every(1)].concat()), &turning()));
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        assert!(!accepted(&with(&head, &fewer), &turning()), "{at} removed");
        let mut twice = lines.clone();
        twice.insert(at, lines[at].clone());
        assert!(!accepted(&with(&head, &twice), &turning()), "{at} twice");
        for other in (0..lines.len()).filter(|other| *other != at) {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(!accepted(&with(&head, &swapped), &turning()), "{at} and {other} swapped");
            let mut copied = lines.clone();
            copied[at] = lines[other].clone();
            assert!(!accepted(&with(&head, &copied), &turning()), "{other} in the place of {at}");
        }
    }
    let checkpoint = ledger.checkpoint(4).unwrap();
    for at in [1, 3, 5] {
        let (name, bytes) = blob(&lines[at]);
        assert_eq!(bytes.len(), 4 + 8 + mldsa::SIGNATURE);
        let changed = |bytes: &[u8]| {
            let mut lines = lines.clone();
            lines[at] = line(&name, bytes);
            with(&head, &lines)
        };
        assert!(accepted(&changed(&bytes), &turning()));
        for length in [4, 12, bytes.len() - 1] {
            assert!(!accepted(&changed(&bytes[..length]), &turning()), "{length} bytes");
        }
        assert!(!accepted(&changed(&[&*bytes, &[0]].concat()), &turning()));
        // Another time before the same signature; the genuine one of another time, which the Ed25519 line does not say.
        let mut later = bytes.clone();
        later[11] ^= 1;
        assert!(!accepted(&changed(&later), &turning()));
        let place = (at - 1) / 2 + 1;
        let signature = cosign_both(&checkpoint, place, 5).1.ml_dsa.unwrap();
        assert!(!accepted(&changed(&[&bytes[..4], &5u64.to_be_bytes(), signature.as_ref()].concat()), &turning()));
        // By a key that is not the validator's.
        let forger = mldsa::SigningKey::generate();
        let time = u64::from_be_bytes(bytes[4..12].try_into().unwrap());
        let base = checkpoint.cosign(time, |_| Ok::<_, ()>(crypto::Signature(wire::Fixed([0; 64])))).unwrap();
        let forged = checkpoint.cosign_ml_dsa(&name, base, |label, bytes| Ok::<_, ()>(forger.sign(label, bytes)));
        let forged = forged.unwrap().ml_dsa.unwrap();
        assert!(!accepted(&changed(&[&bytes[..12], forged.as_ref()].concat()), &turning()));
        let id = ledger::ml_dsa_key_id(&name, &forger.public());
        assert!(!accepted(&changed(&[&id, &bytes[4..12], forged.as_ref()].concat()), &turning()));
    }
}

#[test]
fn the_file_decides_what_an_epoch_demands() {
    let (ledger, ids) = turned_on();
    let (old, new) = (ledger.receipt(&ids[..1]).unwrap(), ledger.receipt(&ids[3..]).unwrap());
    // Who holds a file that demands nothing is not shown lines that it cannot check.
    let mut plain = turning();
    plain.epochs[1] = epoch(1, &validators()).pinned(2);
    assert!(new.verify(&plain).is_err() && old.verify(&plain).is_ok());
    // Keys of others, or the same in other places.
    let mut turned = turning();
    let keys: Vec<_> = (0..4).map(|at| Some(ml_dsa((at + 1) % 4).public())).collect();
    for (validator, key) in turned.epochs[1].validators.iter_mut().zip(keys) {
        validator.ml_dsa = key;
    }
    assert_eq!(new.verify(&turned), Err(ReceiptError::Cosignature { at: 0 }));
    // An epoch that demanded it from the start does not take what was made without.
    let mut early = turning();
    early.epochs[0] = demanding(0).pinned(0);
    assert!(matches!(old.verify(&early), Err(ReceiptError::MlDsa { .. })));
    // The old epoch's keys say nothing of the log after its end, so nothing gets around the new one's demand.
    let checkpoint = Checkpoint { epoch: 0, ..ledger.checkpoint(4).unwrap() };
    let epoch = epoch(0, &validators());
    let lines = (0..3).map(|at| {
        let (_, cosignature) = cosign_both(&checkpoint, at, 5);
        (&epoch.validators[at], ledger::Cosignature { ml_dsa: None, ..cosignature })
    });
    let note = Note::parse(&checkpoint.note(lines)).unwrap();
    assert!(matches!(note.verify(&turning()), Err(NoteError::Unproven(ReceiptError::OutsideEpoch { .. }))));
}

#[test]
fn random_changes_of_a_receipt_are_refused() {
    let (ledger, ids) = turned_on();
    let text = ledger.receipt(&ids[2..]).unwrap().to_string();
    let refused = |bytes: Vec<u8>| String::from_utf8(bytes).map_or(true, |text| !accepted(&text, &turning()));
    let mut random = ChaCha8Rng::seed_from_u64(204);
    for round in 0..3000 {
        let mut bytes = text.clone().into_bytes();
        let at = random.next_u32() as usize % bytes.len();
        match random.next_u32() % 4 {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, b"\n =A0\xff"[random.next_u32() as usize % 6]),
            2 => {
                let other = random.next_u32() as usize % bytes.len();
                if bytes[at] == bytes[other] {
                    continue;
                }
                bytes.swap(at, other);
            }
            _ => bytes[at] ^= 1 + (random.next_u32() % 255) as u8,
        }
        assert!(refused(bytes), "round {round}, byte {at}");
    }
    assert!(accepted(&text, &turning()));
}

#[test]
fn a_note_needs_a_quorum_by_both_keys() {
    let (ledger, _) = turned_on();
    let checkpoint = ledger.checkpoint(4).unwrap();
    ledger.add_cosignatures(4, &[cosign_both(&checkpoint, 0, 9)]).unwrap();
    let text = ledger.note(4).unwrap().to_string();
    let (head, lines) = parts(&text);
    assert_eq!(lines.len(), 8);
    let verify = |lines: &[String]| Note::parse(&with(&head, lines)).unwrap().verify(&turning());
    assert_eq!(verify(&lines).unwrap().cosigners, ["a", "b", "c", "d"]);
    let reversed: Vec<String> = lines.iter().rev().cloned().collect();
    assert!(verify(&reversed).unwrap().ml_dsa);
    // Three by both keys, and the fourth by one.
    let mut seven = lines.clone();
    seven.remove(7);
    assert_eq!(verify(&seven).unwrap().cosigners, ["a", "b", "c"]);
    // Four by Ed25519, and three by ML-DSA of whom one is not among... two by both.
    let mut two = seven.clone();
    two.remove(5);
    let few = verify(&two);
    assert!(
        matches!(few, Err(NoteError::Unproven(ReceiptError::MlDsa { epoch: 1, found: 2, expected: 3 }))),
        "{few:?}"
    );
    let mut crossed = lines.clone();
    crossed.remove(7);
    crossed.remove(0);
    let few = verify(&crossed);
    assert!(matches!(few, Err(NoteError::Unproven(ReceiptError::MlDsa { found: 2, .. }))), "{few:?}");
    let plain: Vec<String> = lines.iter().step_by(2).cloned().collect();
    let few = verify(&plain);
    assert!(matches!(few, Err(NoteError::Unproven(ReceiptError::MlDsa { found: 0, .. }))), "{few:?}");
    // One that lies refuses the note, also where the others would do.
    let (name, mut bytes) = blob(&lines[7]);
    bytes[100] ^= 1;
    let mut lie = lines.clone();
    lie[7] = line(&name, &bytes);
    assert!(matches!(verify(&lie), Err(NoteError::Unproven(ReceiptError::Cosignature { at: 7 }))));
    lie[7] = line(&name, &bytes[..50]);
    assert!(matches!(verify(&lie), Err(NoteError::Unproven(ReceiptError::Cosignature { at: 7 }))));
    // A stranger's line of another key is ignored.
    let id = ledger::ml_dsa_key_id(&name, &mldsa::SigningKey::generate().public());
    lie[7] = line(&name, &[&id, &bytes[4..]].concat());
    assert_eq!(verify(&lie).unwrap().cosigners, ["a", "b", "c"]);
}

#[test]
fn a_hand_over_binds_the_keys_of_the_next_epoch() {
    let (ledger, _) = turned_on();
    let fresh = memory();
    let handovers = ledger.handovers(0, 1 << 20).unwrap();
    assert_eq!(handovers.len(), 1);
    let header = ledger.header(3).unwrap().unwrap();
    let certificate = ledger.certificate(3).unwrap();
    let mut trust = fresh.trust();
    assert!(!trust.demands_ml_dsa());
    fresh.follow(&mut trust, handovers[0].clone()).unwrap();
    assert!(trust.demands_ml_dsa());
    trust.certify(&header, &certificate).unwrap();
    let mut stripped = certificate.clone();
    stripped.cosignatures[0].cosignature.ml_dsa = None;
    assert!(matches!(trust.certify(&header, &stripped), Err(SnapshotError::Quorum { epoch: 1 })));
    let mut crossed = certificate;
    crossed.cosignatures[0].cosignature.ml_dsa = crossed.cosignatures[1].cosignature.ml_dsa.clone();
    assert!(matches!(trust.certify(&header, &crossed), Err(SnapshotError::Quorum { epoch: 1 })));
    // Other keys than those that the state proves.
    let mut other = handovers[0].clone();
    let value = other.shown.iter_mut().find_map(|shown| shown.value.as_mut()).unwrap();
    let mut keys = demanding(1);
    keys.validators.iter_mut().for_each(|validator| validator.ml_dsa = None);
    *value = wire::to_vec(&keys).into();
    assert!(matches!(fresh.follow(&mut fresh.trust(), other), Err(SnapshotError::Handover { .. })));
}

#[test]
fn what_is_signed_has_the_documented_bytes() {
    let (ledger, _) = turned_on();
    let checkpoint = ledger.checkpoint(4).unwrap();
    let mut claimed = Vec::new();
    let base = checkpoint.cosign(1_679_315_147, |_| Ok::<_, ()>(crypto::Signature(wire::Fixed([0; 64])))).unwrap();
    let signed = checkpoint.cosign_ml_dsa("st-anna", base, |label, bytes| {
        assert_eq!(label.as_str(), "sottovoce/v1/cosignature");
        claimed = bytes.to_vec();
        Ok::<_, ()>(ml_dsa(0).sign(label, bytes))
    });
    let body = checkpoint.body();
    let head = [b"\x83\x67st-anna\x1a\x64\x18\x50\xcb\x78".as_slice(), &[u8::try_from(body.len()).unwrap()]].concat();
    assert_eq!(claimed, [&head, body.as_bytes()].concat());
    // Label, then that: as any ML-DSA-65 implementation signs it, with an empty context.
    let message = [b"\x18sottovoce/v1/cosignature", &*claimed].concat();
    assert!(ml_dsa(0).public().verify_raw(&message, &signed.unwrap().ml_dsa.unwrap()).is_ok());
    let key = ml_dsa(0).public();
    let id = crypto::sha256(&[b"st-anna\n\xffsottovoce/ml-dsa-65", key.as_ref()]);
    assert_eq!(ledger::ml_dsa_key_id("st-anna", &key), id.as_bytes()[..4]);
}
