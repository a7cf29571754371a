//! What receipts carry of witnesses: it holds, it is demanded, and neither a fork, nor a thief of old keys, nor a changed byte gets through.

mod support;

use crypto::{Digest, SigningKey};
use ledger::{
    Checkpoint, Consortium, Ledger, NoteError, PinnedWitnesses, Receipt, ReceiptError, Unattested, VerifiedReceipt,
    WitnessKey,
};
use proptest::prelude::*;
use support::*;
use wire::text;

fn consortium() -> Consortium {
    let mut consortium = Consortium::new(&genesis());
    consortium.epochs.push(epoch(0, &validators()).pinned(0));
    consortium
}

/// Blocks of 3, 5, 6 and 9 transactions, each cosigned by three of four; `salt` makes those from the second on differ.
fn filled(salt: u8) -> (Ledger, Vec<Digest>) {
    let ledger = memory();
    let mut ids = Vec::new();
    for (height, count) in (1u8..).zip([3, 5, 6, 9]) {
        let salt = if height == 1 { 0 } else { salt };
        let first = ledger.head().log_size;
        let batch: Vec<_> = (0..count).map(|n| put(&[height], &[salt], first + n)).collect();
        ids.extend(batch.iter().map(|transaction| transaction.id()));
        ledger.propose(batch, NOW).unwrap();
        assert!(cosign(&ledger, height.into(), &validators()[1..]).1);
    }
    (ledger, ids)
}

fn key(name: &str, seed: u8) -> WitnessKey {
    WitnessKey::new(name, SigningKey::from_seed(&[seed; 32]).public()).unwrap()
}

/// The line of a witness whose key has this seed.
fn line(name: &str, seed: u8, time: u64, checkpoint: &Checkpoint) -> String {
    let signer = SigningKey::from_seed(&[seed; 32]);
    key(name, seed).line(&checkpoint.cosign(time, |bytes| Ok::<_, ()>(signer.sign_raw(bytes))).unwrap())
}

/// Two witnesses, in the order of a testimony.
fn witnesses() -> [WitnessKey; 2] {
    [key("w.example/1", 41), key("w.example/2", 42)]
}

fn both(checkpoint: &Checkpoint) -> Vec<String> {
    vec![line("w.example/1", 41, 7, checkpoint), line("w.example/2", 42, 8, checkpoint)]
}

fn pinned(keys: &[WitnessKey], least: Option<usize>) -> PinnedWitnesses {
    PinnedWitnesses::new(keys.to_vec(), least, &consortium()).unwrap()
}

fn shown(path: &[Digest]) -> String {
    let path: Vec<u8> = path.iter().flat_map(|digest| *digest.as_bytes()).collect();
    if path.is_empty() { "-".into() } else { text::to_base64(&path) }
}

/// The page's form, written by hand.
fn written(plain: &str, path: &[Digest], checkpoint: &Checkpoint, lines: &[String]) -> String {
    let rest = plain.strip_prefix("sottovoce-receipt/v1\n").unwrap();
    let lines = lines.join("\n");
    format!("sottovoce-receipt/v2\n{rest}\nconsistency {}\n\n{}\n{lines}\n", shown(path), checkpoint.body())
}

/// The receipt of a transaction of the second block, and the same witnessed at the fourth.
fn sample(ledger: &Ledger, ids: &[Digest]) -> (String, String) {
    let plain = ledger.receipt(&ids[4..5]).unwrap().to_string();
    let witnessed = ledger.checkpoint(4).unwrap();
    let path = ledger.consistency(8, witnessed.size).unwrap();
    let testified = written(&plain, &path, &witnessed, &both(&witnessed));
    (plain, testified)
}

fn read(text: &str) -> Result<VerifiedReceipt, ReceiptError> {
    Receipt::parse(text)?.verify(&consortium())
}

/// When the witnesses cosigned; none where anything is refused.
fn attested(text: &str, witnesses: &PinnedWitnesses) -> Option<Vec<(String, u64)>> {
    witnesses.attest(read(text).ok()?.testimony.as_ref()).ok()
}

#[test]
fn testimony_is_made_and_holds() {
    let (ledger, ids) = filled(0);
    let receipt = ledger.receipt(&ids[4..5]).unwrap();
    let (plain, testified) = sample(&ledger, &ids);
    assert_eq!(receipt.to_string(), plain);
    for height in 2..=4 {
        let checkpoint = ledger.checkpoint(height).unwrap();
        let path = if height == 2 { vec![] } else { ledger.consistency(8, checkpoint.size).unwrap() };
        let mut note = ledger.note(height).unwrap();
        // Validators' lines, one under the name of a witness among them, do not get in; nor does a stranger that is no witness.
        for line in both(&checkpoint).iter().rev().chain([&line("w.example/2", 42, 9, &checkpoint)]) {
            assert!(note.add_line(line));
        }
        assert!(note.add_line("\u{2014} log.example AAAAAAA="));
        let made = receipt.with_testimony(&note, path.clone(), &consortium(), None).unwrap();
        let text = made.to_string();
        assert_eq!(text, written(&plain, &path, &checkpoint, &both(&checkpoint)));
        assert_eq!(Receipt::parse(&text).unwrap(), made);
        let verified = made.verify(&consortium()).unwrap();
        assert_eq!(verified.checkpoint, receipt.verify(&consortium()).unwrap().checkpoint);
        let testimony = verified.testimony.as_ref().unwrap();
        assert_eq!(testimony.checkpoint, checkpoint);
        assert_eq!(testimony.danger_claimed().collect::<Vec<_>>(), ["w.example/1", "w.example/2"]);
        let all = [("w.example/1".to_owned(), 7), ("w.example/2".to_owned(), 8)];
        assert_eq!(attested(&text, &pinned(&witnesses(), None)).unwrap(), all);
        // Those who are asked for alone, and in place of what was there.
        let one = pinned(&witnesses()[1..], None);
        let fewer = made.with_testimony(&note, path.clone(), &consortium(), Some(&one)).unwrap();
        assert_eq!(fewer.to_string(), written(&plain, &path, &checkpoint, &both(&checkpoint)[1..]));
        let other = pinned(&[key("w.example/3", 43)], None);
        let size = checkpoint.size;
        let none = receipt.with_testimony(&note, path.clone(), &consortium(), Some(&other));
        assert_eq!(none, Err(NoteError::Unwitnessed { size }));
        let without = receipt.with_testimony(&ledger.note(height).unwrap(), path, &consortium(), None);
        assert_eq!(without, Err(NoteError::Unwitnessed { size }));
    }
    // Cut off, and under the other number, it is the receipt that it was.
    let cut = testified.split_once("\nconsistency ").unwrap().0.replacen("/v2\n", "/v1\n", 1);
    assert_eq!(cut, plain);
    assert!(read(&cut).unwrap().testimony.is_none());
    for text in [testified.replacen("/v2\n", "/v1\n", 1), plain.replacen("/v1\n", "/v2\n", 1)] {
        assert_eq!(Receipt::parse(&text), Err(ReceiptError::Form));
    }
}

#[test]
fn as_many_are_demanded_as_the_reader_says() {
    let (ledger, ids) = filled(0);
    let (plain, testified) = sample(&ledger, &ids);
    let [one, two] = witnesses();
    let three = key("w.example/3", 43);
    let attest = |text: &str, keys: &[WitnessKey], least| {
        pinned(keys, least).attest(read(text).unwrap().testimony.as_ref()).map(|found| found.len())
    };
    assert_eq!(attest(&testified, std::slice::from_ref(&two), None), Ok(1));
    assert_eq!(attest(&testified, &[one.clone(), one.clone(), two.clone()], None), Ok(2));
    assert_eq!(attest(&testified, &[one.clone(), two.clone(), three.clone()], Some(2)), Ok(2));
    assert_eq!(attest(&testified, &[one.clone(), three.clone()], Some(1)), Ok(1));
    let few = |found, demanded, missing: &[&str]| {
        let missing = missing.iter().map(|name| (*name).to_owned()).collect();
        Err(Unattested::Few { found, demanded, missing })
    };
    let all = [one.clone(), two.clone(), three.clone()];
    assert_eq!(attest(&testified, &all, None), few(2, 3, &["w.example/3"]));
    assert_eq!(attest(&plain, &[one.clone(), two.clone()], Some(1)), few(0, 1, &["w.example/1", "w.example/2"]));
    // Another key under the name is another witness.
    assert_eq!(attest(&testified, &[key("w.example/1", 44)], None), few(0, 1, &["w.example/1"]));

    let new = |keys: &[WitnessKey], least| PinnedWitnesses::new(keys.to_vec(), least, &consortium());
    assert_eq!(new(&all, Some(4)), Err(Unattested::Least { demanded: 4, pinned: 3 }));
    assert_eq!(new(&all, Some(0)), Err(Unattested::Least { demanded: 0, pinned: 3 }));
    assert_eq!(new(&[], None), Err(Unattested::Least { demanded: 0, pinned: 0 }));
    let twice = new(&[one, key("w.example/0", 41)], Some(2));
    assert_eq!(twice, Err(Unattested::SameKey { one: "w.example/0".into(), other: "w.example/1".into() }));
    // A validator's own key: its cosignature has the form of a witness's, and would be counted again.
    for name in ["d", "w.example/4"] {
        assert_eq!(new(&[key(name, 4)], None), Err(Unattested::Validator { name: name.into() }));
    }
}

/// A witness may have a validator's name: its key tells them apart.
#[test]
fn names_of_validators_are_names() {
    let (ledger, ids) = filled(0);
    let checkpoint = ledger.checkpoint(4).unwrap();
    let (plain, _) = sample(&ledger, &ids);
    let path = ledger.consistency(8, checkpoint.size).unwrap();
    let text = written(&plain, &path, &checkpoint, &[line("d", 41, 7, &checkpoint)]);
    assert_eq!(attested(&text, &pinned(&[key("d", 41)], None)).unwrap(), [("d".to_owned(), 7)]);
    // The validator's line in its place, which somebody put there: nobody's whom the reader pins.
    let own = ledger.note(4).unwrap().to_string().lines().last().unwrap().to_owned();
    assert!(own.starts_with("\u{2014} d "));
    let text = written(&plain, &path, &checkpoint, std::slice::from_ref(&own));
    assert!(read(&text).is_ok() && attested(&text, &pinned(&[key("d", 41)], None)).is_none());
    // And both, in the one order of their key ids.
    let orders = [[&own, &line("d", 41, 7, &checkpoint)], [&line("d", 41, 7, &checkpoint), &own]].map(|lines| {
        let text = written(&plain, &path, &checkpoint, &lines.map(Clone::clone));
        attested(&text, &pinned(&[key("d", 41)], None)).is_some()
    });
    assert!(orders[0] != orders[1]);
}

#[test]
fn only_what_continues_the_receipt_is_testimony() {
    let (ledger, ids) = filled(0);
    let (fork, _) = filled(1);
    let (plain, _) = sample(&ledger, &ids);
    let (of, path) = (|height| ledger.checkpoint(height).unwrap(), |old, new| ledger.consistency(old, new).unwrap());
    let refused = |path: &[Digest], checkpoint: &Checkpoint| {
        let text = written(&plain, path, checkpoint, &both(checkpoint));
        assert!(Receipt::parse(&text).is_ok());
        read(&text).unwrap_err()
    };
    let broken = |witnessed| ReceiptError::Testimony { size: 8, witnessed };
    // Paths of other sizes, shorter, longer, turned round, none, and one that is too many where sizes are equal.
    let right = path(8, 23);
    let mut turned = right.clone();
    turned.reverse();
    for wrong in [
        path(3, 23),
        path(14, 23),
        path(8, 14),
        right[1..].to_vec(),
        right[..right.len() - 1].to_vec(),
        [right.as_slice(), &right[..1]].concat(),
        turned,
        vec![],
    ] {
        assert_eq!(refused(&wrong, &of(4)), broken(23));
    }
    assert_eq!(refused(&right[..1], &of(2)), broken(8));
    // Smaller than the receipt's, with the path that leads the other way.
    assert_eq!(refused(&path(3, 8), &of(1)), broken(3));
    assert_eq!(refused(&[], &of(1)), broken(3));
    // A fork that a quorum and both witnesses signed: grown from the same beginning, of the same size, and other headers of the same log.
    assert_eq!(refused(&fork.consistency(8, 23).unwrap(), &fork.checkpoint(4).unwrap()), broken(23));
    assert_eq!(refused(&right, &fork.checkpoint(4).unwrap()), broken(23));
    assert_eq!(refused(&[], &fork.checkpoint(2).unwrap()), broken(8));
    assert_eq!(refused(&[], &Checkpoint { header: of(1).header, ..of(2) }), broken(8));
    assert_eq!(refused(&right, &Checkpoint { root: of(3).root, ..of(4) }), broken(23));
    assert_eq!(refused(&right, &Checkpoint { size: 40, ..of(4) }), broken(40));
    // The shape of the path leaves room for other sizes: which it is, the witnesses say.
    let near = Checkpoint { size: 24, ..of(4) };
    let text = written(&plain, &right, &near, &both(&of(4)));
    assert!(read(&text).is_ok() && attested(&text, &pinned(&witnesses(), Some(1))).is_none());
    // Of another chain.
    let found = of(1).root;
    assert_eq!(
        refused(&right, &Checkpoint { chain: found, ..of(4) }),
        ReceiptError::Chain { found, expected: of(4).chain }
    );
    // Of an epoch that the reader does not know: the witnesses do.
    let later = Checkpoint { epoch: 7, ..of(4) };
    let text = written(&plain, &right, &later, &both(&later));
    assert_eq!(attested(&text, &pinned(&witnesses(), None)).unwrap().len(), 2);

    // Nothing of the kind is made either: not from a note that no quorum cosigned, and not from one that does not continue the receipt.
    let receipt = Receipt::parse(&plain).unwrap();
    let mut note = fork.note(4).unwrap();
    both(&fork.checkpoint(4).unwrap()).iter().for_each(|line| assert!(note.add_line(line)));
    let made = receipt.with_testimony(&note, right.clone(), &consortium(), None);
    assert_eq!(made, Err(NoteError::Unproven(broken(23))));
    let mut other = consortium();
    other.epochs[0].validators[1].key = sender().public();
    assert!(matches!(receipt.with_testimony(&note, right, &other, None), Err(NoteError::Unproven(_))));
}

/// Also where the epoch demands ML-DSA of its validators. An epoch does not go back.
#[test]
fn the_witnessed_epoch_is_not_before_the_receipts() {
    let (ledger, ids) = turned_on();
    let plain = ledger.receipt(&ids[2..3]).unwrap().to_string();
    ledger.propose(vec![put(b"newest", b"4", 5)], NOW).unwrap();
    let (path, newest) = (ledger.consistency(4, 5).unwrap(), ledger.checkpoint(5).unwrap());
    assert_eq!(newest.epoch, 1);
    for (epoch, holds) in [(0, false), (1, true), (2, true)] {
        let witnessed = Checkpoint { epoch, ..newest };
        let text = written(&plain, &path, &witnessed, &both(&witnessed));
        let told = Receipt::parse(&text).unwrap().verify(&turning());
        match holds {
            true => assert_eq!(pinned(&witnesses(), None).attest(told.unwrap().testimony.as_ref()).unwrap().len(), 2),
            false => assert_eq!(told, Err(ReceiptError::Testimony { size: 4, witnessed: 5 })),
        }
    }
}

/// Who has all validators' keys, of all epochs, after the witnesses saw the log: what they sign verifies, and has no testimony.
#[test]
fn stolen_keys_do_not_forge_testimony() {
    let (ledger, ids) = filled(0);
    let (forged, lies) = filled(1);
    let lie = forged.receipt(&lies[4..5]).unwrap().to_string();
    assert!(read(&lie).is_ok() && !ids.contains(&lies[4]));
    let demanded = pinned(&witnesses(), Some(1));
    for height in 1..=4 {
        for (log, own) in [(&ledger, &ledger), (&forged, &ledger), (&forged, &forged), (&ledger, &forged)] {
            let (witnessed, shown) = (ledger.checkpoint(height).unwrap(), own.checkpoint(height).unwrap());
            let path = if height <= 2 { vec![] } else { log.consistency(8, shown.size).unwrap() };
            // Genuine lines are over what the witnesses saw, whatever they are put under.
            let text = written(&lie, &path, &shown, &both(&witnessed));
            assert!(attested(&text, &demanded).is_none(), "{height}");
        }
    }
    // Of the stretch before the fork nothing is changed, and both logs bear witness.
    let before = ledger.receipt(&ids[..1]).unwrap().to_string();
    let end = ledger.checkpoint(4).unwrap();
    let text = written(&before, &ledger.consistency(3, 23).unwrap(), &end, &both(&end));
    assert_eq!(attested(&text, &demanded).unwrap().len(), 2);
}

#[test]
fn lines_have_one_order_and_are_bounded() {
    let (ledger, ids) = filled(0);
    let checkpoint = ledger.checkpoint(4).unwrap();
    let (plain, testified) = sample(&ledger, &ids);
    let path = ledger.consistency(8, checkpoint.size).unwrap();
    let with = |lines: &[String]| written(&plain, &path, &checkpoint, lines);
    let [one, two]: [String; 2] = both(&checkpoint).try_into().unwrap();
    assert_eq!(with(&[one.clone(), two.clone()]), testified);
    let many = |count: u8| (0..count).map(|at| line(&format!("w{at:02}"), 50 + at, 7, &checkpoint)).collect::<Vec<_>>();
    assert!(read(&with(&many(16))).is_ok());
    let again = line("w.example/1", 41, 9, &checkpoint);
    let blob = |length: usize| format!("\u{2014} w.example/3 {}", text::to_base64(&vec![7; length]));
    assert!(read(&with(&[one.clone(), blob(76)])).is_ok());
    for lines in [
        vec![two.clone(), one.clone()],
        vec![one.clone(), one.clone()],
        vec![one.clone(), again],
        many(17),
        vec![],
        vec![one.clone(), blob(75)],
        vec![one.clone(), blob(77)],
        vec![one.clone(), blob(4)],
        vec![one.clone(), "\u{2014} w.example/3".into()],
        vec![one.clone(), two.replace("w.example/2", "w.exämple/2")],
        vec![one.clone(), two.replace("w.example/2", "w.example+2")],
        vec![one.clone(), two.replace("w.example/2", &"x".repeat(129))],
        vec![one.clone(), two.replace("w.example/2 ", "w.example/2  ")],
        vec![one.clone(), two.replace("\u{2014} ", "- ")],
        vec![one.clone(), String::new(), two.clone()],
        vec![one.clone(), two.clone(), String::new()],
        vec![one.clone(), format!("{two} ")],
    ] {
        assert_eq!(Receipt::parse(&with(&lines)), Err(ReceiptError::Form), "{lines:?}");
    }
    // Longer paths than any log has, and other spellings.
    let long = written(&plain, &[checkpoint.root; 64], &checkpoint, &[one]);
    assert_eq!(Receipt::parse(&long), Err(ReceiptError::Form));
    for text in [
        testified.replacen("\nconsistency ", "\nconsistency  ", 1),
        testified.replacen("\nconsistency ", "\n\nconsistency ", 1),
        testified.replacen("\nconsistency ", "\n", 1),
        testified.replacen(&shown(&path), "", 1),
        testified.replacen(&shown(&path), &text::to_base64(&[7; 33]), 1),
        testified.replacen("\n23\n", "\n023\n", 1),
        testified.replacen("\n23\n", "\n+23\n", 1),
        testified.replace('\n', "\r\n"),
        testified.trim_end().into(),
        format!("{testified}\n"),
        format!("{testified}{two}\n"),
        format!("{testified}\nmore\n"),
        testified.replacen("/v2\n", "/v3\n", 1),
    ] {
        assert_eq!(Receipt::parse(&text), Err(ReceiptError::Form), "{text}");
    }
}

/// Each byte is covered, but for those of which the page says that they are claims.
#[test]
fn a_changed_byte_is_refused_unless_it_is_a_claim() {
    let (ledger, ids) = filled(0);
    let (_, testified) = sample(&ledger, &ids);
    let body = testified.rfind("\nsottovoce/").unwrap();
    let place = |what: &str| body + testified[body..].find(what).unwrap();
    let (size, header) = (place("\n23\n") + 1, place("\nheader ") + 1);
    let (first, second) = (place("\u{2014} w.example/1"), place("\u{2014} w.example/2"));
    let all = pinned(&witnesses(), None);
    let (one, two) = (pinned(&witnesses()[..1], None), pinned(&witnesses()[1..], None));
    let either = pinned(&witnesses(), Some(1));
    let mut claimed = 0;
    for at in 0..testified.len() {
        for bit in 0..8 {
            let mut bytes = testified.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let told = |witnesses| attested(&text, witnesses);
            assert_eq!(told(&all), None, "bit {bit} of byte {at}");
            // What a line that was changed into another's says is ignored; what it says under its own name refuses.
            assert!(told(&one).is_none() || at >= second, "bit {bit} of byte {at}");
            assert!(told(&two).is_none() || (first..second).contains(&at), "bit {bit} of byte {at}");
            assert!(told(&either).is_none_or(|found| found.len() == 1) && (told(&either).is_none() || at >= first));
            if read(&text).is_ok() {
                assert!(at >= header || (size..size + 2).contains(&at), "bit {bit} of byte {at}");
                claimed += 1;
            }
        }
    }
    assert!(claimed > 100);
    for at in 0..testified.len() {
        let mut bytes = testified.clone().into_bytes();
        bytes.remove(at);
        let text = String::from_utf8(bytes).unwrap_or_default();
        assert!(attested(&text, &all).is_none(), "byte {at} removed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any set of witnesses' lines has one spelling, from any note, and at most 16 are carried.
    #[test]
    fn any_set_of_witnesses_has_one_spelling(
        named in proptest::collection::btree_map("[a-z]{1,3}(\\.[a-z]{1,2})?(/[0-9])?", (1u8..=200, any::<u64>()), 1..20),
        height in 2u64..=4,
        least in 1usize..20,
    ) {
        let (ledger, ids) = filled(0);
        let checkpoint = ledger.checkpoint(height).unwrap();
        let mut note = ledger.note(height).unwrap();
        let seed = |seed: u8| 50 + seed % 200;
        for (name, (key, time)) in named.iter().rev() {
            note.add_line(&line(name, seed(*key), *time, &checkpoint));
        }
        let path = ledger.consistency(8, checkpoint.size).unwrap();
        let receipt = ledger.receipt(&ids[4..5]).unwrap();
        let made = receipt.with_testimony(&note, path.clone(), &consortium(), None).unwrap();
        let lines: Vec<String> =
            named.iter().take(16).map(|(name, (key, time))| line(name, seed(*key), *time, &checkpoint)).collect();
        let text = made.to_string();
        prop_assert_eq!(&text, &written(&receipt.to_string(), &path, &checkpoint, &lines));
        prop_assert_eq!(Receipt::parse(&text), Ok(made));
        let keys = named.iter().take(16).map(|(name, (number, _))| key(name, seed(*number)));
        if let Ok(witnesses) = PinnedWitnesses::new(keys, Some(least), &consortium()) {
            let expected: Vec<_> = named.iter().take(16).map(|(name, (_, time))| (name.clone(), *time)).collect();
            prop_assert_eq!(attested(&text, &witnesses), Some(expected));
        }
    }

    #[test]
    fn any_testimony_is_read_or_refused(end in "(consistency [A-Za-z0-9+/=-]{0,50}\n{0,2})?(sottovoce/[0-9a-f]{64}\n[0-9]{1,20}\n)?(\u{2014} [a-z/+ ]{0,9}[A-Za-z0-9=]{0,104}\n){0,3}.{0,40}") {
        let (ledger, ids) = filled(0);
        let plain = ledger.receipt(&ids[4..5]).unwrap().to_string();
        let text = format!("{}\n{end}", plain.replacen("/v1\n", "/v2\n", 1));
        if let Ok(receipt) = Receipt::parse(&text) {
            prop_assert_eq!(receipt.to_string(), text);
        }
    }
}
