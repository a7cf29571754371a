//! Escrow agents make a key, hand it on while one of them is down, and open what the members decide. Real nodes, by the commands that
//! operators use.

#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "the governance's test uses all of it")]
mod stage;

use std::fs;

use crypto::keystore::{FileKeys, Passphrase};
use serde_json::Value;
use stage::{FOUNDER, Stage, until};

const ALL: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

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
    stage.pass("st-anna", &voters, &[&["escrow"], &agents[..]].concat());
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
    stage.pass(FOUNDER, &["st-anna", "riverside"], &[&["escrow"], &next[..]].concat());
    assert_eq!(epoch(&stage, FOUNDER, 2), key);
    // The old shares are destroyed by those who are there, and by the other when it is back.
    let destroyed = |stage: &Stage| stage.json(FOUNDER, &["escrow", "show"])["destroyed"].as_array().unwrap().len();
    until("two shares are destroyed", || destroyed(&stage) == 2);
    stage.start("northgate");
    until("three shares are destroyed", || destroyed(&stage) == 3);
    let making = stage.json(FOUNDER, &["escrow", "show"]);
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
        let told = stage.json(FOUNDER, &["search", "events", "--name", "escrow.contributed"]);
        told["items"].as_array().unwrap().len() == 3
    });
}

/// What the doctor says of a member's share: how it stands, and what to do.
fn finding(stage: &Stage, member: &str) -> Option<(String, String)> {
    let output = stage.command(member).args(["--json", "doctor"]).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap_or_else(|| panic!("{told}"));
    let found = findings.iter().find(|finding| finding["what"] == "escrow")?;
    Some((found["level"].as_str()?.to_owned(), found["hint"].as_str().unwrap_or_default().to_owned()))
}

/// What a node's metrics say of shares: how many it holds, and how many it lacks.
fn shares(stage: &Stage, runtime: &tokio::runtime::Runtime, member: &str) -> [u64; 2] {
    let client = stage.client(member);
    let text = runtime.block_on(async {
        let asked = client.endpoint().ask(http::Method::GET, "/metrics", http::HeaderMap::new(), client::http::empty());
        asked.await.unwrap().text().await.unwrap()
    });
    ["held", "missing"].map(|standing| {
        let series = format!("sottovoce_escrow_shares{{standing=\"{standing}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    })
}

#[test]
fn an_agent_that_has_lost_its_share_is_told_so_and_gets_another() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    stage.found("Lost share");
    for member in &ALL[1..] {
        stage.join(member);
    }
    stage.begin(4, &ALL, &[]);
    stage.run(FOUNDER, &["gov", "begin"]);
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    let plan = ["escrow", "--agents", "st-anna,riverside,northgate", "--threshold", "2"];
    stage.pass("st-anna", &["riverside", "northgate"], &plan);
    let key = epoch(&stage, "st-anna", 1);
    let stands = |stage: &Stage, level: &str| {
        until(&format!("the doctor finds: {level}"), || {
            finding(stage, "riverside").is_some_and(|(found, _)| found == level)
        });
    };
    stands(&stage, "ok");
    assert_eq!(shares(&stage, &runtime, "riverside"), [1, 0]);
    assert_eq!(finding(&stage, FOUNDER), None, "it is no agent");
    assert_eq!(shares(&stage, &runtime, FOUNDER), [0, 0]);

    // As a key store from before has none.
    stage.kill("riverside");
    {
        let passphrase = Passphrase::read(&stage.directory.path().join("passphrase")).unwrap();
        let keys = FileKeys::open(stage.home("riverside").join("node/keys.sealed"), &passphrase).unwrap();
        keys.remove("escrow-share-1").unwrap();
    }
    stage.start("riverside");
    stands(&stage, "warning");
    assert!(finding(&stage, "riverside").unwrap().1.contains("sotto gov propose escrow"));
    assert_eq!(shares(&stage, &runtime, "riverside"), [0, 1]);
    // The others open without it meanwhile, and know nothing of it.
    assert_eq!(finding(&stage, "st-anna").unwrap().0, "ok");

    // The same agents again: the other two hand the key on, also to who has lost its share.
    stage.pass("st-anna", &["riverside", "northgate"], &plan);
    assert_eq!(epoch(&stage, "riverside", 2), key);
    stands(&stage, "ok");
    assert_eq!(shares(&stage, &runtime, "riverside"), [1, 0]);
}
