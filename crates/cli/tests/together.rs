//! What the members can turn on, all on one ledger: ML-DSA beside Ed25519, escrow agents, private payloads; and a newcomer that begins from
//! a snapshot and takes part in all of it. Real nodes, by the commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::cell::RefCell;
use std::fs;

use client::verify::verify_state;
use crypto::Digest;
use ledger::Header;
use stage::{FOUNDER, Stage, add, until};
use tokio::runtime::Runtime;

const OLD: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];
const ALL: [&str; 5] = [FOUNDER, "st-anna", "riverside", "northgate", "eastfield"];

#[test]
fn a_newcomer_from_a_snapshot_takes_part_in_all_that_is_turned_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    stage.configuration = "[ledger]\nsnapshot_every = 5\nsync_after = 25";
    stage.found("Together");
    OLD[1..].iter().for_each(|member| stage.join(member));
    stage.begin(4, &OLD, &[]);
    let directory = stage.directory.path().to_owned();
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();

    // ML-DSA, by ballot; private payloads, by the founder; escrow agents, by ballot.
    let oracles = ["--participants", "st-anna,riverside,northgate", "--threshold", "2"];
    stage.run(FOUNDER, &[&["member", "oracles", "establish"], &oracles[..]].concat());
    stage.run(FOUNDER, &["private", "begin"]);
    stage.run(FOUNDER, &["gov", "begin", "--no-recovery"]);
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--ml-dsa", "on"]);
    let epoch = demanded(&stage, &OLD);
    agents(&stage, &["riverside", "northgate"], "st-anna,riverside,northgate", "2");
    let key = escrow(&stage, "northgate", 1);

    // A sealed object under a contract, and its release to someone.
    fs::write(at("trial.csv"), "arm,age\na,40\nb,50\n").unwrap();
    stage.run("northgate", &["asset", "seal", &at("trial.csv"), "--name", "trial"]);
    stage.run("northgate", &["escrow", "export", "northgate/trial", "--out", &at("trial.sotto")]);
    fs::write(at("contract.toml"), include_str!("shared/contract.toml")).unwrap();
    stage.run("northgate", &["contract", "offer", &at("contract.toml")]);
    let pin = stage.run("st-anna", &["member", "show"]);
    stage.run("st-anna", &["member", "export", "--out", &at("st-anna.toml")]);
    let node = stage.client("st-anna").endpoint().address().to_owned();
    let person = ["init", "--principal", "m-lind", "--member", "st-anna", "--node", &node, "--pin", &pin];
    let public = stage.run("m-lind", &[&person[..], &["--consortium", &at("st-anna.toml")]].concat());
    stage.run("st-anna", &["member", "principal", "add", "m-lind", "--key", &public, "--role", "requester"]);
    let first = release(&stage, "first");

    // Two private payloads, of which one is purged.
    fs::write(at("offer.txt"), OFFER).unwrap();
    let put = |stage: &Stage, to: &str, label: &str| {
        stage.run(FOUNDER, &["private", "put", &at("offer.txt"), "--to", to, "--label", label])
    };
    let (kept, gone) = (put(&stage, "riverside,st-anna", "kept"), put(&stage, "riverside,st-anna", "gone"));
    for member in ["st-anna", "riverside"] {
        stands(&stage, member, &kept, "held");
        stands(&stage, member, &gone, "held");
    }
    stage.run(FOUNDER, &["private", "purge", &gone]);
    until("all have attested", || {
        stage.json(FOUNDER, &["private", "show", &gone])["purged"].as_array().unwrap().len() == 3
    });

    // The key passes to other agents.
    agents(&stage, &["riverside", "northgate"], "health-authority,st-anna,riverside", "2");
    assert_eq!(escrow(&stage, FOUNDER, 2), key);

    // A newcomer, whose node has executed none of that.
    let founder = stage.client(FOUNDER);
    for number in 0..30 {
        runtime.block_on(add(&founder, &format!("person-{number}"))).unwrap();
    }
    let before = height(&runtime, &stage, FOUNDER);
    let admit = ["admit", "eastfield", "--out", &at("eastfield.invitation")];
    until("st-anna knows of epoch 2", || stage.run("st-anna", &["escrow", "show"]).starts_with("2 "));
    stage.pass("st-anna", &["riverside", "northgate"], &admit);
    let fingerprint = stage.run("st-anna", &["member", "export", "--out", &at("inviting.toml")]);
    stage.join_with("eastfield", &at("eastfield.invitation"), &fingerprint);
    until("eastfield is there", || height(&runtime, &stage, "eastfield") >= before);
    let log = fs::read_to_string(stage.home("eastfield").join("node.log")).unwrap();
    assert!(log.contains("begins from a snapshot"), "{log}");
    assert!(runtime.block_on(stage.client("eastfield").health()).unwrap().kept > 20);
    stage.begin(epoch + 1, &ALL, &[]);
    assert_eq!(demanded(&stage, &ALL), epoch + 1);
    runtime.block_on(add(&stage.client("eastfield"), "of-the-newcomer")).unwrap();

    // All have the same state, which both kinds of signatures stand for.
    let of = height(&runtime, &stage, "eastfield");
    let proven: Vec<Header> = ALL.iter().map(|member| state(&runtime, &stage, member, of)).collect();
    assert!(proven.iter().all(|header| *header == proven[0]), "{proven:?}");
    stage.run("eastfield", &["member", "export", "--out", &at("newest.toml")]);
    let verify =
        |stage: &Stage, file: &str| stage.json("nobody", &["verify", &at(file), "--consortium", &at("newest.toml")]);
    for member in [FOUNDER, "eastfield"] {
        let file = format!("{member}.proof");
        stage.run(member, &["state", "prove", "member/eastfield", "--height", &of.to_string(), "--out", &at(&file)]);
        assert_eq!(verify(&stage, &file)["ml_dsa"], true);
    }

    // Receipts of what was before it: as it was handed out, and as the newcomer makes it of what the others' nodes keep.
    assert_eq!(verify(&stage, "first.receipt")["ml_dsa"], true);
    let id: Digest = first.parse().unwrap();
    let again = runtime.block_on(stage.client("eastfield").receipt(&id)).unwrap();
    fs::write(at("again.receipt"), again).unwrap();
    let steps = |file: &str| verify(&stage, file)["account"]["steps"].as_array().unwrap().clone();
    assert!(steps("again.receipt").starts_with(&steps("first.receipt")));
    // And of what is after it, under the five's checkpoint.
    release(&stage, "second");
    assert_eq!(verify(&stage, "second.receipt")["ml_dsa"], true);

    // Who holds a private payload reads it, others do not; what was purged stays so.
    stage.run("riverside", &["private", "get", &kept, "--out", &at("kept.txt")]);
    assert_eq!(fs::read_to_string(at("kept.txt")).unwrap(), OFFER);
    stands(&stage, "eastfield", &kept, "none");
    let refused = stage.try_run("eastfield", &["private", "get", &kept, "--out", &at("no.txt")]).unwrap_err();
    assert!(refused.contains("not_permitted"), "{refused}");
    let refused = stage.try_run("riverside", &["private", "get", &gone, "--out", &at("no.txt")]).unwrap_err();
    assert!(refused.contains("private_purged"), "{refused}");
    prove(&stage, "eastfield", &["private", "prove", &gone, "--out", &at("gone.proof")]);
    let purged = verify(&stage, "gone.proof");
    assert_eq!((&purged["private"]["unsigned"], &purged["ml_dsa"]), (&serde_json::json!([]), &true.into()), "{purged}");
    let late = put(&stage, "eastfield,northgate", "late");
    stands(&stage, "eastfield", &late, "held");
    stage.run("eastfield", &["private", "get", &late, "--out", &at("late.txt")]);
    assert_eq!(fs::read_to_string(at("late.txt")).unwrap(), OFFER);

    // The key passes on once more, the newcomer is an agent now, and all three are needed to open.
    agents(&stage, &["riverside", "northgate", FOUNDER], "eastfield,northgate,st-anna", "3");
    assert_eq!(escrow(&stage, "eastfield", 3), key);
    until("the founder knows of epoch 3", || stage.run(FOUNDER, &["escrow", "show"]).starts_with("3 "));
    let open = ["open", &at("trial.sotto"), "--asset", "northgate/trial", "--reason", "a court's order"];
    let opening = stage.pass(FOUNDER, &["st-anna", "riverside", "eastfield"], &open);
    until("all three have contributed", || {
        stage.try_run(FOUNDER, &["escrow", "open", &opening, &at("trial.sotto"), "--out", &at("opened.csv")]).is_ok()
    });
    assert_eq!(fs::read(at("opened.csv")).unwrap(), fs::read(at("trial.csv")).unwrap());
    let key = format!("escrow/opening/{opening}");
    prove(&stage, "eastfield", &["state", "prove", &key, "--out", &at("opening.proof")]);
    assert_eq!(verify(&stage, "opening.proof")["ml_dsa"], true);
}

/// Has st-anna propose escrow agents and these vote for them.
fn agents(stage: &Stage, voters: &[&str], agents: &str, threshold: &str) {
    stage.pass("st-anna", voters, &["escrow", "--agents", agents, "--threshold", threshold]);
}

/// The escrow key, once this member's node knows the epoch.
fn escrow(stage: &Stage, member: &str, epoch: u64) -> String {
    let expected = format!("{epoch} ");
    let shown = || stage.run(member, &["escrow", "show"]);
    until(&format!("{member} knows epoch {epoch} of the escrow"), || shown().starts_with(&expected));
    shown().split_once(' ').unwrap().1.to_owned()
}

/// The ledger's epoch, once these members' nodes know that it demands ML-DSA.
fn demanded(stage: &Stage, members: &[&str]) -> u64 {
    let shown = |member: &str| stage.json(member, &["member", "validators", "show"]);
    for member in members {
        until(&format!("{member}: the epoch demands it"), || shown(member)["ml_dsa"] == true);
    }
    shown(members[0])["epoch"].as_u64().unwrap()
}

/// A request for Northgate's object by someone of St. Anna, what is released, and the receipt.
fn release(stage: &Stage, name: &str) -> String {
    let at = |ending: &str| stage.directory.path().join(format!("{name}{ending}")).to_str().unwrap().to_owned();
    let apply = ["request", "apply", "northgate/trial/release", "--purpose", "research", "--justification", name];
    let request = stage.run("m-lind", &apply);
    stage.run("m-lind", &["fetch", &request, "--out", &at(".csv")]);
    assert_eq!(fs::read(at(".csv")).unwrap(), fs::read(stage.directory.path().join("trial.csv")).unwrap());
    stage.run("m-lind", &["receipt", &request, "--out", &at(".receipt")]);
    request
}

/// The newest block may have been made a moment ago, and be cosigned in the next one.
fn prove(stage: &Stage, member: &str, arguments: &[&str]) {
    until("a proof of state", || stage.try_run(member, arguments).is_ok());
}

/// Waits until a member's node has a private payload like that.
fn stands(stage: &Stage, member: &str, id: &str, here: &str) {
    until(&format!("{member}: {here}"), || stage.try_run(member, &["private", "show", id]).as_deref() == Ok(here));
}

fn height(runtime: &Runtime, stage: &Stage, member: &str) -> u64 {
    runtime.block_on(stage.client(member).health()).unwrap().height
}

/// The header of a block, with its state root, as a member's node proves it.
fn state(runtime: &Runtime, stage: &Stage, member: &str, height: u64) -> Header {
    let (client, found) = (stage.client(member), RefCell::new(None));
    until(&format!("{member} proves the state of block {height}"), || {
        let proof = runtime.block_on(client.prove_state("member/eastfield", Some(height)));
        *found.borrow_mut() = proof.ok();
        found.borrow().is_some()
    });
    let consortium = runtime.block_on(client.consortium()).unwrap();
    let state = verify_state(&found.take().unwrap(), &consortium).unwrap().state;
    assert!(state.ml_dsa && state.value.is_some());
    state.header
}

const OFFER: &str = "the price is 4,711 and stays among us";
