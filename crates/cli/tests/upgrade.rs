//! Today's program goes on with what the program that froze the first formats has left: homes of four members and their people
//! (`first/make.sh` tells how they were made).

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::fs;
use std::path::Path;
use std::process::Command;

use stage::{FOUNDER, MOST, Stage, add, until};

/// Everything that the first version wrote is read, and nothing of it is lost: ledger and votes, vault, tables, keys, wallets, receipts,
/// proofs, a backup, and requests under way.
#[test]
fn a_consortium_of_the_first_formats_goes_on() {
    let mut stage = Stage::new();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first/consortium.tar.gz");
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(stage.directory.path()).status().unwrap();
    assert!(unpacked.success());
    let directory = stage.directory.path().to_owned();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let text = |name: &str| fs::read_to_string(path(name)).unwrap().trim().to_owned();
    let (consortium, waiting, proposal) = (path("consortium.toml"), text("waiting"), text("proposal"));

    // What was handed out then stays valid, and is checked without any node.
    for handed in ["release.receipt", "compute.receipt", "member.proof"] {
        stage.run("m-lind", &["verify", &path(handed), "--consortium", &consortium]);
    }
    // So does a backup.
    stage.run("riverside-again", &["node", "restore", &path("riverside.backup")]);
    stage.run("riverside-again", &["node", "check"]);

    for member in MEMBERS {
        stage.start(member);
    }
    for member in MEMBERS {
        until(&format!("{member} votes"), || stage.run(member, &["member", "validators", "show"]) == "quorum 4");
        stage.run(member, &["audit", "--verify"]);
    }
    stage.run("st-anna", &["log", "check"]);
    stage.run("st-anna", &["gov", "show", &proposal]);

    // The request that waited gets its second approval, and the object that was sealed then comes out.
    let received = path("received-again.csv");
    until("the request is known", || stage.try_run("dr-okafor", &["request", "show", &waiting]).is_ok());
    stage.run("dr-okafor", &["approve", &waiting]);
    stage.run("m-lind", &["fetch", &waiting, "--out", &received]);
    assert!(fs::read(&received).unwrap() == fs::read(path("northgate.csv")).unwrap());
    let receipt = path("waiting.receipt");
    stage.run("m-lind", &["receipt", &waiting, "--out", &receipt]);
    let newest = path("newest.toml");
    stage.run("st-anna", &["member", "export", "--out", &newest]);
    stage.run("m-lind", &["verify", &receipt, "--consortium", &newest]);

    // A computation over the old tables gives what it gave then.
    let contracts = ["st-anna/trial/compute", "riverside/trial/compute", "northgate/trial/compute"];
    let credential = path("m-lind.credential");
    let apply = ["--purpose", "research", "--justification", "after the upgrade", "--credential", &credential];
    let request = stage.run("m-lind", &[&["request", "apply"], &contracts[..], &apply[..]].concat());
    for member in ["st-anna", "riverside", "northgate"] {
        let steward = format!("{member}-data-steward");
        until("the steward knows of it", || stage.try_run(&steward, &["request", "show", &request]).is_ok());
        stage.run(&steward, &["approve", &request]);
    }
    assert_eq!(stage.run("m-lind", &["compute", &request]), text("computed"));

    // Members decide and write as before.
    let proposal = stage.run("st-anna", &["gov", "propose", "parameters", "--open", "5"]);
    for voter in [FOUNDER, "riverside", "northgate"] {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        stage
            .try_run(voter, &["gov", "vote", &proposal, "yes"])
            .or_else(|told| if told.contains("proposal_closed") { Ok(told) } else { Err(told) })
            .unwrap();
    }
    until("it has passed", || stage.run(FOUNDER, &["gov", "show", &proposal]) == "passed");
    issuers_are_decided(&stage, &apply);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for member in MEMBERS {
        let begun = std::time::Instant::now();
        runtime.block_on(add(&stage.client(member), "newcomer")).unwrap();
        assert!(begun.elapsed() < MOST);
    }
    let height = |member: &&str| runtime.block_on(stage.client(member).health()).unwrap().height;
    until("equal heights", || MEMBERS.iter().map(height).collect::<std::collections::BTreeSet<_>>().len() == 1);
}

/// The issuer that a regulator accredited then counts no more once the members have disowned it, and again once they have accredited it.
fn issuers_are_decided(stage: &Stage, apply: &[&str]) {
    let key = stage.run("university", &["key"]);
    let alone = stage.try_run(FOUNDER, &["member", "issuer", "revoke", "university"]).unwrap_err();
    assert!(alone.contains("ballots_govern"), "{alone}");
    let request = stage.run("m-lind", &[&["request", "apply", "northgate/trial/release"], apply].concat());
    let judged = |code: &str| {
        until(&format!("the request is judged `{code}`"), || {
            stage.json("m-lind", &["request", "explain", &request])["contracts"][0]["code"] == code
        });
    };
    let listed = |member: &str, claims: &[&str], by: &str, revoked: bool| {
        let list = stage.json(member, &["member", "issuer", "list"]);
        let issuers = list["issuers"].as_array().unwrap();
        assert_eq!(
            (issuers.len(), &issuers[0]["name"], &issuers[0]["key"]),
            (1, &"university".into(), &key[..].into())
        );
        assert_eq!((&issuers[0]["by"], &issuers[0]["revoked"]), (&by.into(), &revoked.into()));
        assert_eq!(issuers[0]["claims"].as_array().unwrap(), claims);
    };
    // Lines that begin with these words.
    let told = |member: &str, arguments: &[&str], lines: &[&str]| {
        let text = String::from_utf8(stage.command(member).args(arguments).output().unwrap().stdout).unwrap();
        let plain: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(lines.iter().all(|begins| plain.iter().any(|line| line.starts_with(begins))), "{lines:?}: {text}");
    };
    judged("approvals_missing");
    listed("st-anna", &["researcher"], FOUNDER, false);

    let disown = ["disown", "university", "--reason", "it sold diplomas"];
    let disowned = stage.pass("st-anna", &["riverside", "northgate"], &disown);
    judged("not_accredited");
    listed("st-anna", &["researcher"], FOUNDER, true);
    let (what, whose) = (format!("what disown {}", &key[..12]), format!("key {key}"));
    let lines = [&what, "by st-anna", "stands passed", "reason it sold diplomas", "issuer university", &whose];
    told("st-anna", &["gov", "show", &disowned], &lines);
    let again = stage.try_run("st-anna", &["gov", "propose", "disown", &key]).unwrap_err();
    assert!(again.contains("no issuer in good standing"), "{again}");

    // By another member's proposal, and for more.
    let accredit = ["accredit", "university", "--key", &key, "--claim", "researcher", "--claim", "clerk"];
    let accredited = stage.pass("riverside", &["st-anna", FOUNDER], &accredit);
    judged("approvals_missing");
    listed("riverside", &["researcher", "clerk"], "riverside", false);
    told("riverside", &["gov", "show", &accredited], &["what accredit university", &whose, "claims researcher, clerk"]);
    let all = [
        format!("{} accredit university riverside passed", &accredited[..12]),
        format!("{} disown {} st-anna passed", &disowned[..12], &key[..12]),
    ];
    told("riverside", &["gov", "list", "--all"], &all.each_ref().map(|line| &line[..]));
}

const MEMBERS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];
