//! Escrow agents make a key, hand it on while one of them is down, and open what the members decide. Real nodes, by the commands that
//! operators use.

#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "the validators' tests use all of it")]
mod stage;

use std::fs;

use serde_json::Value;
use stage::{FOUNDER, Stage, until};

const ALL: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

/// Proposes by one member and has others vote for it; all of them are needed.
fn pass(stage: &Stage, proposer: &str, voters: &[&str], action: &[&str]) -> String {
    let proposal = stage.run(proposer, &[&["gov", "propose"], action].concat());
    for voter in voters {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        stage.run(voter, &["gov", "vote", &proposal, "yes"]);
    }
    until("the decision is known", || stage.run(proposer, &["gov", "show", &proposal]) == "passed");
    proposal
}

fn json(stage: &Stage, member: &str, arguments: &[&str]) -> Value {
    let output = stage.command(member).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{member}: {arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The escrow's epoch and key, as this member's node knows it, once the epoch is there.
fn epoch(stage: &Stage, member: &str, number: u64) -> String {
    let expected = format!("{number} ");
    until(&format!("{member} knows epoch {number} of the escrow"), || {
        stage.run(member, &["escrow", "show"]).starts_with(&expected)
    });
    stage.run(member, &["escrow", "show"]).split_once(' ').unwrap().1.to_owned()
}

#[test]
fn agents_make_a_key_hand_it_on_and_open_what_is_decided() {
    let mut stage = Stage::new();
    stage.found("Escrow");
    for member in &ALL[1..] {
        stage.join(member);
    }
    stage.begin(4, &ALL, &[]);
    let directory = stage.directory.path().to_owned();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (plain, sealed, other, opened) =
        (path("trial.csv"), path("trial.sotto"), path("old.sotto"), path("opened.csv"));
    fs::write(&plain, "arm,age\na,40\nb,50\n").unwrap();

    // Nobody holds anything, and what is sealed now nobody but its owner ever opens.
    assert_eq!(stage.run("st-anna", &["escrow", "show"]), "none");
    stage.run("st-anna", &["asset", "seal", &plain, "--name", "old"]);
    let agents = ["--agents", "st-anna,riverside,northgate", "--threshold", "2"];
    let early = stage.try_run("st-anna", &[&["gov", "propose", "escrow"], &agents[..]].concat()).unwrap_err();
    assert!(early.contains("sotto gov begin"), "{early}");
    stage.run(FOUNDER, &["gov", "begin"]);
    let few = ["gov", "propose", "escrow", "--agents", "st-anna,riverside", "--threshold", "1"];
    let few = stage.try_run(FOUNDER, &few).unwrap_err();
    assert!(few.contains("malformed"), "{few}");

    // Three agents, of whom two open. They make the key by themselves.
    let voters = ["riverside", "northgate"];
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    pass(&stage, "st-anna", &voters, &[&["escrow"], &agents[..]].concat());
    let key = epoch(&stage, "st-anna", 1);
    assert_eq!(epoch(&stage, FOUNDER, 1), key);

    // What is sealed from now on the agents can open, unless its owner leaves them out.
    stage.run("st-anna", &["asset", "seal", &plain, "--name", "trial"]);
    stage.run("st-anna", &["asset", "seal", &plain, "--name", "own", "--no-escrow"]);
    for name in ["old", "own"] {
        let file = if name == "old" { other.clone() } else { path("own.sotto") };
        stage.run("st-anna", &["escrow", "export", &format!("st-anna/{name}"), "--out", &file]);
        let asset = format!("st-anna/{name}");
        let none = stage.try_run("st-anna", &["gov", "propose", "open", &file, "--asset", &asset]).unwrap_err();
        assert!(none.contains("no_escrow"), "{none}");
    }
    stage.run("st-anna", &["escrow", "export", "st-anna/trial", "--out", &sealed]);

    // Other agents take the key over, with another threshold, while one of the old ones is down: the key stays.
    stage.kill("northgate");
    let next = ["--agents", "health-authority,st-anna,riverside", "--threshold", "3"];
    pass(&stage, FOUNDER, &["st-anna", "riverside"], &[&["escrow"], &next[..]].concat());
    assert_eq!(epoch(&stage, FOUNDER, 2), key);
    // The old shares are destroyed by those who are there, and by the other when it is back.
    let destroyed = |stage: &Stage| json(stage, FOUNDER, &["escrow", "show"])["destroyed"].as_array().unwrap().len();
    until("two shares are destroyed", || destroyed(&stage) == 2);
    stage.start("northgate");
    until("three shares are destroyed", || destroyed(&stage) == 3);
    let making = json(&stage, FOUNDER, &["escrow", "show"]);
    assert_eq!((&making["epoch"]["from"], &making["making"]), (&1.into(), &Value::Null), "{making}");

    // St. Anna has lost its vault's key; the founder is to read the data. The wrong file is refused at once.
    until("the founder knows the asset", || stage.try_run(FOUNDER, &["asset", "show", "st-anna/trial"]).is_ok());
    let wrong = stage.try_run(FOUNDER, &["gov", "propose", "open", &other, "--asset", "st-anna/trial"]).unwrap_err();
    assert!(wrong.contains("not the sealed object"), "{wrong}");
    let open = ["open", &sealed, "--asset", "st-anna/trial", "--reason", "a court's order"];
    let proposal = stage.run(FOUNDER, &[&["gov", "propose"], &open[..]].concat());
    let undecided = stage.try_run(FOUNDER, &["escrow", "open", &proposal, &sealed, "--out", &opened]).unwrap_err();
    assert!(undecided.contains("unknown_proposal"), "{undecided}");
    for voter in ["st-anna", "northgate"] {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        stage.run(voter, &["gov", "vote", &proposal, "yes"]);
    }
    until("enough agents have contributed", || {
        stage.try_run(FOUNDER, &["escrow", "open", &proposal, &sealed, "--out", &opened]).is_ok()
    });
    assert_eq!(fs::read(&opened).unwrap(), fs::read(&plain).unwrap());
    // Nobody else holds the key that it was opened to.
    let stranger =
        stage.try_run("st-anna", &["escrow", "open", &proposal, &sealed, "--out", &path("no.csv")]).unwrap_err();
    assert!(!stranger.is_empty() && !std::path::Path::new(&path("no.csv")).exists());

    // What was decided and who contributed can be proven to who holds the consortium file alone.
    let (proof, consortium) = (path("opening.proof"), path("consortium.toml"));
    stage.run(FOUNDER, &["member", "export", "--out", &consortium]);
    stage.run(FOUNDER, &["state", "prove", &format!("escrow/opening/{proposal}"), "--out", &proof]);
    stage.run(FOUNDER, &["verify", &proof, "--consortium", &consortium]);
    until("three contributions are found", || {
        let told = json(&stage, FOUNDER, &["search", "events", "--name", "escrow.contributed"]);
        told["items"].as_array().unwrap().len() == 3
    });
}
