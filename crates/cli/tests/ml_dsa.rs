//! A running consortium turns ML-DSA on: what was proven before stays proven, what comes after needs both signatures. Real nodes, by the
//! commands that operators use, and the independent readers.

#[path = "shared/python.rs"]
#[expect(dead_code, reason = "others use all of it")]
mod python;
#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "the governance's test uses all of it")]
mod stage;

use std::fs;

use stage::{FOUNDER, Stage, add, until};

const VALIDATORS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

/// Waits until these members' nodes know that the ledger's epoch demands ML-DSA, or that it does not.
fn demanded(stage: &Stage, members: &[&str], ml_dsa: bool) -> u64 {
    let shown = |member: &str| stage.json(member, &["member", "validators", "show"]);
    for member in members {
        until("the epoch demands it, or not", || shown(member)["ml_dsa"] == ml_dsa);
    }
    shown(members[0])["epoch"].as_u64().unwrap()
}

/// The same text without the signature lines that do not suit.
fn with_lines(text: &str, suits: impl Fn(usize) -> bool) -> String {
    let mut count = 0;
    let keep = |line: &&str| {
        let signed = line.starts_with('\u{2014}');
        count += usize::from(signed);
        !signed || suits(count - 1)
    };
    text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn a_running_consortium_turns_ml_dsa_on_and_off() {
    let mut stage = Stage::new();
    stage.found("Twice signed");
    for member in &VALIDATORS[1..] {
        stage.join(member);
    }
    stage.begin(4, &VALIDATORS, &[]);
    let directory = stage.directory.path().to_owned();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let prove = |stage: &Stage, member: &str, of: &str, file: &str| {
        // The newest block may have been made a moment ago.
        until("a proof of state", || {
            stage.try_run(member, &["state", "prove", &format!("member/{of}"), "--out", &path(file)]).is_ok()
        });
        fs::read_to_string(path(file)).unwrap()
    };
    let verify = |stage: &Stage, file: &str, consortium: &str| {
        stage.try_run(FOUNDER, &["verify", &path(file), "--consortium", &path(consortium)])
    };
    let python = |script: &str, file: &str, consortium: &str| {
        let output = python::run(&format!("interop/{script}"), [&path(file), "--consortium", &path(consortium)], None);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    stage.run(FOUNDER, &["member", "export", "--out", &path("old.toml")]);
    let old = prove(&stage, FOUNDER, "st-anna", "old.proof");
    assert_eq!(old.matches('\u{2014}').count(), 3);

    // Decided by three of four; the nodes do the rest.
    stage.run(FOUNDER, &["gov", "begin", "--no-recovery"]);
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--ml-dsa", "on"]);
    let epoch = demanded(&stage, &VALIDATORS, true);
    assert!(epoch > 4);
    for member in VALIDATORS {
        runtime.block_on(add(&stage.client(member), &format!("person-{member}"))).unwrap();
    }
    stage.run(FOUNDER, &["member", "export", "--out", &path("new.toml")]);
    let consortium = fs::read_to_string(path("new.toml")).unwrap();
    assert_eq!(consortium.matches("\nml_dsa_65 = [").count(), 1);
    let new = prove(&stage, "riverside", "st-anna", "new.proof");
    let checkpoint = format!("\nepoch {epoch}\n");
    assert!(new.contains(&checkpoint), "{new}");
    assert_eq!(new.matches('\u{2014}').count(), 6);

    // Both readers: old and new under the new file, new under no old one.
    for file in ["old.proof", "new.proof"] {
        verify(&stage, file, "new.toml").unwrap();
        assert_eq!(python("verify_state.py", file, "new.toml"), (Some(0), String::new()));
    }
    let told = stage.json(FOUNDER, &["verify", &path("new.proof"), "--consortium", &path("new.toml")]);
    assert_eq!((told["ml_dsa"].as_bool(), told["cosigners"].as_array().unwrap().len()), (Some(true), 3));
    verify(&stage, "old.proof", "old.toml").unwrap();
    verify(&stage, "new.proof", "old.toml").unwrap_err();
    // Stripped, as whoever forges Ed25519 leaves it; turned around; the other half alone.
    fs::write(path("stripped"), with_lines(&new, |at| at % 2 == 0)).unwrap();
    let refused = verify(&stage, "stripped", "new.toml").unwrap_err();
    assert!(refused.contains("ML-DSA-65"), "{refused}");
    let (code, refused) = python("verify_state.py", "stripped", "new.toml");
    assert!(code == Some(1) && refused.contains("ML-DSA-65"), "{refused}");
    fs::write(path("half"), with_lines(&new, |at| at % 2 == 1)).unwrap();
    fs::write(path("two"), with_lines(&new, |at| at < 4)).unwrap();
    // Where nobody says that it is demanded, there is no signature to believe either.
    fs::write(path("undemanded.toml"), {
        let kept = consortium.lines().filter(|line| !line.starts_with("ml_dsa_65"));
        kept.flat_map(|line| [line, "\n"]).collect::<String>()
    })
    .unwrap();
    for (file, consortium) in [("half", "new.toml"), ("two", "new.toml"), ("new.proof", "undemanded.toml")] {
        verify(&stage, file, consortium).unwrap_err();
        assert_eq!(python("verify_state.py", file, consortium).0, Some(1));
    }

    // Both keys change, and the old ones go once the epoch begins; three of four are enough.
    let ages = || runtime.block_on(stage.client(FOUNDER).key_ages()).unwrap();
    let before = ages();
    for one in &before {
        assert_eq!((one.cosigner, one.operator), (Some(one.node), Some(one.node)), "{one:?}");
        assert!(one.ml_dsa > one.cosigner, "{one:?}");
    }
    stage.run("northgate", &["member", "validators", "rotate"]);
    until("the founder's node knows the new epoch", || demanded(&stage, &[FOUNDER], true) == epoch + 1);
    for (one, before) in ages().iter().zip(&before) {
        let newer = (one.cosigner > before.cosigner, one.ml_dsa > before.ml_dsa);
        assert_eq!(newer, (one.member == "northgate", one.member == "northgate"), "{one:?} {before:?}");
        assert_eq!(one.node, before.node);
    }
    stage.begin(epoch + 1, &VALIDATORS, &[]);
    stage.kill("st-anna");
    runtime.block_on(add(&stage.client("northgate"), "without-st-anna")).unwrap();
    stage.run(FOUNDER, &["member", "export", "--out", &path("rotated.toml")]);
    let rotated = prove(&stage, "northgate", "northgate", "rotated.proof");
    let by: Vec<&str> = rotated.lines().filter_map(|line| line.strip_prefix("\u{2014} ")?.split(' ').next()).collect();
    assert_eq!(by, [FOUNDER, FOUNDER, "riverside", "riverside", "northgate", "northgate"]);
    for file in ["old.proof", "new.proof", "rotated.proof"] {
        verify(&stage, file, "rotated.toml").unwrap();
        assert_eq!(python("verify_state.py", file, "rotated.toml"), (Some(0), String::new()));
    }
    verify(&stage, "rotated.proof", "new.toml").unwrap_err();
    stage.start("st-anna");

    // A fifth joins with a key of its own, without being told to.
    let file = path("eastfield.invitation");
    stage.pass("riverside", &["northgate", FOUNDER], &["admit", "eastfield", "--out", &file]);
    let fingerprint = stage.run("riverside", &["member", "export", "--out", &path("inviting.toml")]);
    stage.join_with("eastfield", &file, &fingerprint);
    let all = [&VALIDATORS[..], &["eastfield"]].concat();
    assert_eq!(demanded(&stage, &all, true), epoch + 2);
    stage.begin(epoch + 2, &all, &[]);
    runtime.block_on(add(&stage.client("eastfield"), "of-the-fifth")).unwrap();

    // The log as files, whose checkpoint four of five have cosigned with both.
    stage.run(FOUNDER, &["member", "export", "--out", &path("five.toml")]);
    let of_now = format!("\nepoch {}\n", epoch + 2);
    until("a checkpoint of five", || {
        let exported = stage.try_run("eastfield", &["log", "export", &path("log")]);
        exported.is_ok() && fs::read_to_string(directory.join("log/checkpoint")).unwrap().contains(&of_now)
    });
    let note = fs::read_to_string(directory.join("log/checkpoint")).unwrap();
    assert!(note.matches('\u{2014}').count() >= 8);
    let told = stage.json(FOUNDER, &["log", "check", &path("log"), "--consortium", &path("five.toml")]);
    assert_eq!(told["ml_dsa"], true);
    assert_eq!(python("verify_log.py", "log", "five.toml"), (Some(0), String::new()));
    fs::write(directory.join("log/checkpoint"), with_lines(&note, |at| at % 2 == 0)).unwrap();
    stage.try_run(FOUNDER, &["log", "check", &path("log"), "--consortium", &path("five.toml")]).unwrap_err();
    let (code, refused) = python("verify_log.py", "log", "five.toml");
    assert!(code == Some(1) && refused.contains("ML-DSA-65"), "{refused}");

    // And off again, by ballot alone.
    stage.pass(FOUNDER, &["riverside", "northgate", "eastfield"], &["parameters", "--ml-dsa", "off"]);
    assert_eq!(demanded(&stage, &all, false), epoch + 3);
    runtime.block_on(add(&stage.client(FOUNDER), "the-last")).unwrap();
    stage.run(FOUNDER, &["member", "export", "--out", &path("last.toml")]);
    assert_eq!(prove(&stage, "northgate", "eastfield", "last.proof").matches('\u{2014}').count(), 4);
    for file in ["old.proof", "new.proof", "rotated.proof", "last.proof"] {
        verify(&stage, file, "last.toml").unwrap();
        assert_eq!(python("verify_state.py", file, "last.toml"), (Some(0), String::new()));
    }
}
