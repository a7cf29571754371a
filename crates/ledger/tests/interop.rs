//! The independent Python readers (`interop/verify_log.py`, `interop/verify_state.py`) and ours agree about logs, checkpoints,
//! paths and proofs of state: whole ones, and every kind of changed one.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crypto::SigningKey;
use ledger::{Consortium, Ledger, Note, ProvenState, Tile, WitnessKey};
use support::*;
use wire::text::to_base64;

fn consortium() -> Consortium {
    let mut consortium = Consortium::new(&genesis());
    consortium.epochs.push(epoch(0, &validators()).pinned(0));
    consortium
}

/// 70,000 entries would show the same: two levels, partial tiles on both, a full one.
fn filled() -> Ledger {
    let ledger = memory();
    for (height, count) in [300u64, 1, 255, 200].into_iter().enumerate() {
        let first = ledger.head().log_size;
        let batch = (0..count).map(|n| put(&[height as u8], &[7, height as u8], first + n)).collect();
        ledger.propose(batch, NOW).unwrap();
    }
    assert!(cosign(&ledger, 2, &validators()[..3]).1 && cosign(&ledger, 4, &validators()[1..]).1);
    ledger
}

/// The other readers, with a directory for their files.
struct Python(tempfile::TempDir);

impl Python {
    fn new() -> Self {
        let python = Self(tempfile::tempdir().unwrap());
        fs::write(python.file("consortium.toml"), consortium().to_toml()).unwrap();
        python
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `SOTTO_PYTHON` names another interpreter.
    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let interpreter = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop").join(script);
        let mut command = Command::new(&interpreter);
        command
            .current_dir(self.0.path())
            .arg("-B")
            .arg(script)
            .args(arguments)
            .args(["--consortium", "consortium.toml"]);
        let output = command.output().unwrap_or_else(|error| panic!("{interpreter} is needed by this test: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("Error: No module named"), "pip install cryptography==48.0.0: {errors}");
        assert!(!errors.contains("Traceback"), "the reader must refuse, not crash: {errors}");
        output
    }

    fn accepted(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.run(script, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, script: &str, arguments: &[&str]) -> String {
        let output = self.run(script, arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.starts_with("refused: ") && errors.lines().count() == 1, "{errors}");
        errors
    }

    /// The answer to each of many files, by one process.
    fn answers(&self, script: &str, files: &[Vec<u8>], arguments: &[&str]) -> Vec<Option<String>> {
        let lines: Vec<String> = files.iter().map(|file| to_base64(file)).collect();
        fs::write(self.file("batch"), lines.join("\n")).unwrap();
        let output = self.run(script, &[&["--batch", "batch"], arguments].concat());
        let answers = String::from_utf8(output.stdout).unwrap();
        assert_eq!(answers.lines().count(), files.len(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = |line: &str| line.strip_prefix("verified: ").map(str::to_owned);
        answers
            .lines()
            .inspect(|line| assert!(told(line).is_some() || line.starts_with("refused: ")))
            .map(told)
            .collect()
    }
}

/// One file for each of many changed bytes.
fn changed(text: &[u8]) -> Vec<Vec<u8>> {
    let one = |at: usize| {
        let mut bytes = text.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    let step = (text.len() / 400).max(1);
    (0..text.len()).step_by(step).map(one).collect()
}

/// Writes the log below a directory, as `sotto log export` does.
fn export(ledger: &Ledger, directory: &Path) {
    let size = ledger.cosigned_size().unwrap();
    let write = |path: &str, bytes: &[u8]| {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    for tile in Tile::levels(size).flat_map(|level| Tile::level(level, size)) {
        write(&tile.to_string(), &ledger.tile(&tile).unwrap().unwrap());
    }
    for tile in (0..=size / 256).filter_map(|index| Tile::entries(index, size)) {
        write(&tile.to_string(), &ledger.tile(&tile).unwrap().unwrap());
        let end = tile.start() + u64::from(tile.width());
        write(&tile.records_path(), &ledger.records(tile.start(), end, usize::MAX).unwrap());
    }
    write("checkpoint", ledger.note(ledger.cosigned_height().unwrap().unwrap()).unwrap().to_string().as_bytes());
}

#[test]
fn an_exported_log_verifies_and_no_changed_byte_does() {
    let (ledger, python) = (filled(), Python::new());
    let directory = python.file("log");
    export(&ledger, &directory);
    fs::write(python.file("since"), ledger.note(2).unwrap().to_string()).unwrap();
    let told = python.accepted("verify_log.py", &["log", "--since", "since"]);
    assert_eq!(told.trim(), "verified: 756 entries, 4 tiles, 756 records");

    let mut files = Vec::new();
    let mut open = vec![directory.clone()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    assert_eq!(files.len(), 1 + 4 + 3 + 3);
    for (round, file) in files.iter().enumerate() {
        let whole = fs::read(file).unwrap();
        for part in 0..3 {
            let mut bytes = whole.clone();
            let at = (whole.len() * part / 3 + 37 * round) % whole.len();
            bytes[at] ^= 1 << (at % 8);
            fs::write(file, bytes).unwrap();
            python.refused("verify_log.py", &["log"]);
        }
        fs::write(file, &whole[..whole.len() - 1]).unwrap();
        python.refused("verify_log.py", &["log"]);
        fs::remove_file(file).unwrap();
        python.refused("verify_log.py", &["log"]);
        fs::write(file, whole).unwrap();
    }

    // A fork from the second block on, cosigned by a quorum as well.
    let fork = memory();
    fork.propose((0..300).map(|n| put(&[0], &[8], n)).collect(), NOW).unwrap();
    fork.propose(vec![put(&[1], &[8], 300)], NOW).unwrap();
    cosign(&fork, 2, &validators());
    fs::write(python.file("fork"), fork.note(2).unwrap().to_string()).unwrap();
    let refused = python.refused("verify_log.py", &["log", "--since", "fork"]);
    assert!(refused.contains("does not continue"), "{refused}");
    // Hashes alone are a log too; without them it is none.
    fs::remove_dir_all(directory.join("records")).unwrap();
    python.refused("verify_log.py", &["log"]);
    fs::remove_dir_all(directory.join("tile/entries")).unwrap();
    assert!(python.accepted("verify_log.py", &["log"]).contains("756 entries, 4 tiles, 0 records"));
    fs::remove_dir_all(directory.join("tile/1")).unwrap();
    python.refused("verify_log.py", &["log"]);
}

#[test]
fn both_readers_agree_about_checkpoints() {
    let (ledger, python) = (filled(), Python::new());
    let witness = SigningKey::from_seed(&[42; 32]);
    let key = WitnessKey::new("w.example/1", witness.public()).unwrap();
    let mut note = ledger.note(4).unwrap();
    let cosignature = ledger.checkpoint(4).unwrap().cosign(9, |bytes| Ok::<_, ()>(witness.sign_raw(bytes)));
    assert!(note.add_line(&key.line(&cosignature.unwrap())));
    let text = note.to_string();
    let lines: Vec<&str> = text.lines().collect();
    let with = |lines: &[&str]| (lines.join("\n") + "\n").into_bytes();
    let turned = [&lines[..6], &[lines[9], lines[8], lines[7], lines[6]]].concat();
    let mut files = vec![
        text.clone().into_bytes(),
        with(&turned),
        with(&[&lines[..6], &lines[7..]].concat()),
        with(&[&lines[..7], &lines[6..]].concat()),
        with(&lines[..9]),
        text.replace('\n', "\r\n").into_bytes(),
        format!("{text}\n").into_bytes(),
        text.replace("\u{2014}", "-").into_bytes(),
        text.trim_end().into(),
    ];
    files.extend(changed(text.as_bytes()));
    let ours = |bytes: &Vec<u8>, witnesses: &[WitnessKey]| {
        let note = Note::parse(std::str::from_utf8(bytes).ok()?).ok()?;
        let size = note.verify(&consortium()).ok()?.checkpoint.size;
        witnesses.iter().all(|key| note.witnessed(key).is_some()).then(|| size.to_string())
    };
    // Without and with the witness demanded.
    for witnesses in [vec![], vec![key]] {
        let texts: Vec<String> = witnesses.iter().map(ToString::to_string).collect();
        let arguments: Vec<&str> = texts.iter().flat_map(|text| ["--witness", text]).collect();
        let theirs = python.answers("verify_log.py", &files, &arguments);
        for (at, (file, theirs)) in files.iter().zip(&theirs).enumerate() {
            assert_eq!(&ours(file, &witnesses), theirs, "file {at}");
        }
        let accepted = theirs.iter().flatten().count();
        // A stranger's line may say anything; the witness's may not, once it is demanded.
        assert!(if witnesses.is_empty() { accepted >= 4 } else { accepted == 3 }, "{accepted}");
    }
}

#[test]
fn paths_lead_to_the_checkpoint_or_are_refused() {
    let (ledger, python) = (filled(), Python::new());
    let size = ledger.cosigned_size().unwrap();
    fs::write(python.file("checkpoint"), ledger.note(4).unwrap().to_string()).unwrap();
    let entries = ledger.entries(0, size).unwrap();
    let mut lines = Vec::new();
    let hex = |path: Vec<crypto::Digest>| path.iter().map(|digest| format!(" {digest}")).collect::<String>();
    for index in [0, 1, 255, 256, 299, 300, 511, 755] {
        let path = hex(ledger.inclusion(index, size).unwrap());
        lines.push(format!("inclusion {index} {}{path}", entries[index as usize].leaf_data()));
    }
    for old in [1, 2, 255, 256, 257, 300, 512, 755, 756] {
        let path = hex(ledger.consistency(old, size).unwrap());
        lines.push(format!("consistency {old} {}{path}", ledger.log_root(old).unwrap()));
    }
    let run = |lines: &[String], accepted: bool| {
        fs::write(python.file("paths"), lines.join("\n")).unwrap();
        let arguments = ["--paths", "paths", "--checkpoint", "checkpoint"];
        match accepted {
            true => assert_eq!(
                python.accepted("verify_log.py", &arguments).trim(),
                format!("verified: {} paths", lines.len())
            ),
            false => drop(python.refused("verify_log.py", &arguments)),
        }
    };
    run(&lines, true);
    for (at, line) in lines.iter().enumerate().step_by(2) {
        let last = line.chars().last().unwrap();
        let other = if last == '0' { '1' } else { '0' };
        let changed = format!("{}{other}", &line[..line.len() - 1]);
        let shorter = line.rsplit_once(' ').unwrap().0.to_owned();
        let longer = format!("{line} {}", ledger.log_root(3).unwrap());
        for bad in [changed, shorter, longer] {
            // A shorter path of equal sizes has no root left: it is malformed, and not tried here.
            if bad.split(' ').count() >= 3 {
                run(&[bad], false);
            }
        }
        let (kind, rest) = line.split_once(' ').unwrap();
        let (number, rest) = rest.split_once(' ').unwrap();
        let next = number.parse::<u64>().unwrap() ^ 1;
        run(&[format!("{kind} {next} {rest}")], false);
        assert!(at < lines.len());
    }
}

#[test]
fn both_readers_agree_about_proofs_of_state() {
    let (ledger, python) = (memory(), Python::new());
    for height in 1..=4u8 {
        let batch = (0..8).map(|n| put(&[b'a' + n], &[height; 5], u64::from(height) * 10 + u64::from(n))).collect();
        ledger.propose(batch, NOW).unwrap();
    }
    assert!(cosign(&ledger, 3, &validators()[..3]).1);
    let mut files = Vec::new();
    for (height, key) in [(0, "map/a"), (1, "map/a"), (3, "map/h"), (2, "map/none"), (3, "epoch"), (1, "")] {
        files.push(ledger.prove_state(height, key.as_bytes()).unwrap().to_string().into_bytes());
    }
    let whole = files.len();
    for at in [1, 3] {
        files.extend(changed(&files[at].clone()));
    }
    let ours = |bytes: &Vec<u8>| {
        let text = std::str::from_utf8(bytes).ok()?;
        let found = ProvenState::parse(text).ok()?.verify(&consortium()).ok()?;
        let key: String = String::from_utf8_lossy(&found.key)
            .chars()
            .map(|one| if (' '..='~').contains(&one) { one } else { '?' })
            .collect();
        let value = found.value.map_or("absent".into(), |value| wire::text::to_hex(&value));
        Some(format!("{} {key} {value}", found.header.height))
    };
    let theirs = python.answers("verify_state.py", &files, &[]);
    for (at, (file, theirs)) in files.iter().zip(&theirs).enumerate() {
        assert_eq!(&ours(file), theirs, "file {at}");
    }
    assert!(theirs[..whole].iter().all(Option::is_some));
    assert_eq!(theirs[1].as_deref(), Some("1 map/a 0101010101"));
    assert_eq!(theirs[0].as_deref(), Some("0 map/a absent"));
    // Only where a proof of absence came to be about another absent key.
    assert!(theirs[whole..].iter().flatten().all(|told| told.ends_with(" absent") && !told.contains(" map/none ")));
}

#[test]
fn both_readers_agree_where_an_epoch_demands_ml_dsa() {
    let ((ledger, _), python) = (turned_on(), Python::new());
    let consortium = turning();
    fs::write(python.file("consortium.toml"), consortium.to_toml()).unwrap();
    let checkpoint = ledger.checkpoint(4).unwrap();
    ledger.add_cosignatures(4, &[cosign_both(&checkpoint, 0, 9)]).unwrap();
    let note = ledger.note(4).unwrap().to_string();
    let proof = ledger.prove_state(4, b"map/new").unwrap().to_string();
    let lines: Vec<&str> = note.lines().collect();
    let with = |lines: &[&str]| (lines.join("\n") + "\n").into_bytes();
    let without = |text: &str, places: &[usize]| {
        let first = text.lines().position(|line| line.starts_with('\u{2014}')).unwrap();
        let kept = text.lines().enumerate().filter(|(at, _)| !places.contains(&at.wrapping_sub(first)));
        (kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n") + "\n").into_bytes()
    };
    let turned: Vec<&str> = lines[..6].iter().chain(lines[6..].iter().rev()).copied().collect();
    let mut notes = vec![note.clone().into_bytes(), with(&turned), ledger.note(2).unwrap().to_string().into_bytes()];
    for places in [&[1][..], &[0], &[1, 3], &[0, 3], &[1, 3, 5, 7], &[0, 2, 4, 6], &[6, 7]] {
        notes.push(without(&note, places));
    }
    notes.extend(changed(note.as_bytes()));
    let theirs = python.answers("verify_log.py", &notes, &[]);
    for (at, (file, theirs)) in notes.iter().zip(&theirs).enumerate() {
        let read = std::str::from_utf8(file).ok().and_then(|text| Note::parse(text).ok());
        let ours = read.and_then(|note| note.verify(&consortium).ok()).map(|note| note.checkpoint.size.to_string());
        assert_eq!(&ours, theirs, "note {at}");
    }
    assert_eq!(
        theirs[..10].iter().map(Option::is_some).collect::<Vec<_>>(),
        [true, true, true, true, true, false, false, false, false, true]
    );
    let mut proofs =
        vec![proof.clone().into_bytes(), ledger.prove_state(2, b"map/old").unwrap().to_string().into_bytes()];
    for places in [&[1][..], &[0], &[1, 3, 5], &[0, 2, 4], &[4, 5]] {
        proofs.push(without(&proof, places));
    }
    proofs.extend(changed(proof.as_bytes()));
    let theirs = python.answers("verify_state.py", &proofs, &[]);
    for (at, (file, theirs)) in proofs.iter().zip(&theirs).enumerate() {
        let read = std::str::from_utf8(file).ok().and_then(|text| ProvenState::parse(text).ok());
        let ours = read.is_some_and(|proof| proof.verify(&consortium).is_ok());
        assert_eq!(ours, theirs.is_some(), "proof {at}");
    }
    assert!(theirs[..2].iter().all(Option::is_some) && theirs[2..7].iter().all(Option::is_none));
    // And about the file that says what is demanded.
    let told = Command::new(std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into()))
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/fingerprint.py"))
        .arg(python.file("consortium.toml"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), consortium.fingerprint());
}
