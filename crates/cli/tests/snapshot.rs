//! Members whose nodes begin from a snapshot instead of the first block, and members who keep less than everything. Real nodes, by the
//! commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

#[path = "shared/identity.rs"]
mod identity;

#[path = "shared/liar.rs"]
mod liar;

#[path = "../../node/src/read_model/tests/postgres.rs"]
mod postgres;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use client::api::Health;
use client::verify::verify_state;
use client::wallet::{PRINCIPAL, Wallet};
use contracts::Contracts;
use contracts::message::{Apply, ContractVersion};
use crypto::Digest;
use crypto::kem::{PrivateKey, Suite};
use crypto::keystore::Passphrase;
use ledger::{Consortium, Genesis, Ledger, Transaction, VerifiedTransaction};
use liar::{Liar, Lie};
use postgres::Postgres;
use serde_json::Value;
use stage::{FOUNDER, Stage, add, ports, until};
use tokio::runtime::Runtime;
use wire::{Fixed, Limits};

const DAY: u64 = 24 * 3600 * 1000;

fn health(runtime: &Runtime, stage: &Stage, member: &str) -> Health {
    runtime.block_on(stage.client(member).health()).unwrap()
}

fn log(stage: &Stage, member: &str) -> String {
    fs::read_to_string(stage.home(member).join("node.log")).unwrap()
}

/// What the doctor says, whether or not something is at fault.
fn doctor(stage: &Stage, member: &str) -> String {
    let output = stage.command(member).args(["doctor", "--json"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// All that a search finds, and from which block on.
fn searched(stage: &Stage, member: &str, what: &[&str]) -> (Vec<Value>, u64) {
    let found = stage.json(member, &[&["search"], what, &["--limit", "200", "--oldest"]].concat());
    (found["items"].as_array().unwrap().clone(), found["from"].as_u64().unwrap())
}

/// That a member whose node has blocks from `kept` on finds all that stands, and all that happened from then on, as the founder does.
fn searched_from(stage: &Stage, member: &str, kept: u64) {
    until("the model is there", || stage.try_run(member, &["search", "objects"]).is_ok());
    let height = |member: &str| stage.json(member, &["search", "transactions"])["height"].as_u64().unwrap();
    until("both are as new", || height(member) == height(FOUNDER));
    let key = |one: &Value| {
        ["kind", "id", "name", "owner", "status", "code", "version", "made_at"].map(|field| one[field].to_string())
    };
    let stands = |member: &str| searched(stage, member, &["objects"]).0.iter().map(key).collect::<BTreeSet<_>>();
    assert_eq!(stands(member), stands(FOUNDER));
    for what in ["transactions", "events"] {
        let ((some, from), (all, whole)) = (searched(stage, member, &[what]), searched(stage, FOUNDER, &[what]));
        assert_eq!((from, whole), (kept, 0), "{what}");
        let all: Vec<Value> = all.into_iter().filter(|one| one["height"].as_u64().unwrap() >= kept).collect();
        assert_eq!(some, all, "{what}");
    }
    let told = stage.command(member).args(["search", "events"]).output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains(&format!("complete from block {kept} on")), "{told}");
}

#[test]
fn a_fifth_member_begins_from_a_snapshot() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    stage.configuration = "[ledger]\nsnapshot_every = 5\nsync_after = 25";
    stage.found("Snapshots");
    for member in ["st-anna", "riverside", "northgate"] {
        stage.join(member);
    }
    stage.begin(4, &[FOUNDER, "st-anna", "riverside", "northgate"], &[]);
    let founder = stage.client(FOUNDER);
    let first = runtime.block_on(add(&founder, "first")).unwrap();
    for number in 0..50 {
        runtime.block_on(add(&founder, &format!("early-{number}"))).unwrap();
    }
    let before = health(&runtime, &stage, FOUNDER).height;

    // It has the state, and has executed none of the early blocks.
    stage.join("eastfield");
    until("eastfield is there", || health(&runtime, &stage, "eastfield").height >= before);
    let kept = health(&runtime, &stage, "eastfield").kept;
    assert!(kept > first.height && kept > 20, "it keeps blocks from {kept} on: {}", log(&stage, "eastfield"));
    assert!(log(&stage, "eastfield").contains("begins from a snapshot"));
    assert_eq!(health(&runtime, &stage, FOUNDER).kept, 0);
    let eastfield = stage.client("eastfield");
    let refused = runtime.block_on(eastfield.transaction(&first.id)).unwrap_err();
    assert_eq!(refused.code(), Some("pruned"), "{refused}");
    let all = |member: &str| runtime.block_on(stage.client(member).consortium()).unwrap();
    assert_eq!(all("eastfield"), all(FOUNDER), "it knows all epochs, and where each began");
    let ages = |member: &str| runtime.block_on(stage.client(member).key_ages()).unwrap();
    assert_eq!(ages("eastfield"), ages(FOUNDER), "and when");
    assert!(ages(FOUNDER).iter().all(|one| one.cosigner == Some(one.node)), "{:?}", ages(FOUNDER));
    // All hashes of the log are there, and state is proven, by what any reader checks.
    until("a tile is published", || runtime.block_on(eastfield.log_file("tile/0/000.p/20")).is_ok());
    let tile = |client: &client::Client| runtime.block_on(client.log_file("tile/0/000.p/20")).unwrap();
    assert_eq!(tile(&eastfield), tile(&founder));
    let (size, proof) = (20, stage.directory.path().join("member.proof"));
    let path = |client: &client::Client| runtime.block_on(client.log_consistency(3, size)).unwrap();
    assert_eq!(path(&eastfield), path(&founder));
    let text = runtime.block_on(eastfield.prove_state("member/st-anna", None)).unwrap();
    fs::write(&proof, text).unwrap();
    let pinned = stage.directory.path().join("consortium.toml");
    fs::write(&pinned, all(FOUNDER)).unwrap();
    stage.run("eastfield", &["verify", proof.to_str().unwrap(), "--consortium", pinned.to_str().unwrap()]);
    // What is searched was made from the state: who and what is there, and what happens from then on, though it cosigns nothing yet.
    searched_from(&stage, "eastfield", kept);
    runtime.block_on(add(&founder, "after-the-filling")).unwrap();
    searched_from(&stage, "eastfield", kept);

    // It orders and cosigns with the others: of five four are needed, and one is gone.
    stage.begin(5, &[FOUNDER, "st-anna", "riverside", "northgate", "eastfield"], &[]);
    stage.kill("northgate");
    let late = runtime.block_on(add(&eastfield, "late")).unwrap();
    assert_eq!(runtime.block_on(eastfield.transaction(&late.id)).unwrap().height, late.height);
    until("a checkpoint of epoch 5", || runtime.block_on(eastfield.checkpoint()).unwrap().contains("\nepoch 5\n"));

    // It starts again after a kill, from where it was.
    stage.kill("eastfield");
    stage.start("eastfield");
    until("eastfield votes", || stage.run("eastfield", &["member", "validators", "show"]) == "quorum 5");
    assert_eq!(health(&runtime, &stage, "eastfield").kept, kept);
    assert_eq!(log(&stage, "eastfield").matches("begins from a snapshot").count(), 1);
    searched_from(&stage, "eastfield", kept);
    // And made anew, on another database.
    let server = Postgres::start();
    let url = runtime.block_on(server.database("eastfield"));
    let password = server.password();
    stage.kill("eastfield");
    let section = format!("[read_model]\ndatabase = \"{url}\"\npassword_file = \"{}\"", password.display());
    stage.configure("eastfield", &section);
    stage.run("eastfield", &["node", "rebuild"]);
    stage.start("eastfield");
    until("eastfield is searched", || stage.try_run("eastfield", &["search", "objects"]).is_ok());
    searched_from(&stage, "eastfield", kept);
    // Four of five order, once it is back among them.
    let name = || format!("of-postgres-{}", stage::now());
    until("eastfield orders", || runtime.block_on(add(&eastfield, &name())).is_ok());
    searched_from(&stage, "eastfield", kept);
    let words = doctor(&stage, FOUNDER);
    assert!(words.contains("kept whole by"), "{words}");
}

#[test]
fn who_keeps_less_goes_on_and_takes_in_newcomers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    // Blocks of long ago: nothing of the last two hours is pruned.
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first/consortium.tar.gz");
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(stage.directory.path()).status().unwrap();
    assert!(unpacked.success());
    stage.configuration = "[ledger]\nkeep = \"20 blocks\"\nstates = 10\nsnapshot_every = 5\nsync_after = 12";
    let members = [FOUNDER, "st-anna", "riverside", "northgate"];
    for member in members {
        stage.configure(member, stage.configuration);
        stage.start(member);
    }
    for member in members {
        until(&format!("{member} votes"), || stage.run(member, &["member", "validators", "show"]) == "quorum 4");
    }
    let founder = stage.client(FOUNDER);
    let old = health(&runtime, &stage, FOUNDER).height;
    for number in 0..30 {
        runtime.block_on(add(&founder, &format!("later-{number}"))).unwrap();
    }
    for member in members {
        until(&format!("{member} prunes"), || health(&runtime, &stage, member).kept > 10);
        assert!(health(&runtime, &stage, member).kept <= old + 2, "the last hours stay");
    }
    let words = doctor(&stage, FOUNDER);
    assert!(words.contains("no node that answers keeps all transactions"), "{words}");

    // A receipt of a request under a contract of then: what it needs is kept.
    let waiting = fs::read_to_string(stage.directory.path().join("waiting")).unwrap().trim().to_owned();
    until("the request is known", || stage.try_run("dr-okafor", &["request", "show", &waiting]).is_ok());
    stage.run("dr-okafor", &["approve", &waiting]);
    let path = |name: &str| stage.directory.path().join(name).to_str().unwrap().to_owned();
    stage.run("m-lind", &["fetch", &waiting, "--out", &path("received-late.csv")]);
    stage.run("m-lind", &["receipt", &waiting, "--out", &path("waiting.receipt")]);
    stage.run("st-anna", &["member", "export", "--out", &path("newest.toml")]);
    stage.run("m-lind", &["verify", &path("waiting.receipt"), "--consortium", &path("newest.toml")]);

    // Nobody has the first blocks any more: a newcomer begins from a snapshot, and asks others for what a receipt needs.
    let invitation = path("eastfield.invitation");
    let proposal = stage.run("st-anna", &["gov", "propose", "admit", "eastfield", "--out", &invitation]);
    for voter in ["st-anna", "riverside", "northgate"] {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        // Who proposes may have voted with that, and the last vote may not be needed.
        let voted = stage.try_run(voter, &["gov", "vote", &proposal, "yes"]);
        if let Err(told) = voted {
            assert!(["proposal_closed", "already_voted"].iter().any(|code| told.contains(code)), "{told}");
        }
    }
    until("it has passed", || stage.run("st-anna", &["gov", "show", &proposal]) == "passed");
    let fingerprint = stage.run("st-anna", &["member", "export", "--out", &path("pinned.toml")]);
    stage.join_with("eastfield", &invitation, &fingerprint);
    let kept = health(&runtime, &stage, "eastfield").kept;
    assert!(kept > 20, "{}", log(&stage, "eastfield"));
    runtime.block_on(add(&stage.client("eastfield"), "one-more")).unwrap();
    // One that keeps less starts again, and makes what is searched anew from what it keeps.
    stage.kill("st-anna");
    stage.run("st-anna", &["node", "rebuild"]);
    stage.start("st-anna");
    until("st-anna votes", || stage.run("st-anna", &["member", "validators", "show"]).starts_with("quorum 4"));
    runtime.block_on(add(&stage.client("st-anna"), "and-another")).unwrap();
    let stands = |member: &str| {
        let (objects, from) = searched(&stage, member, &["objects"]);
        let key = |one: &Value| ["id", "status", "code", "version"].map(|field| one[field].to_string());
        (objects.iter().map(key).collect::<BTreeSet<_>>(), from > 0)
    };
    let (all, _) = stands("riverside");
    until("st-anna and eastfield find all", || {
        ["st-anna", "eastfield"].iter().all(|name| stands(name) == (all.clone(), true))
    });
    assert_eq!(stands("riverside"), (all, false), "who kept a model has all of it");
    let height = |member: &str| health(&runtime, &stage, member).height;
    until("equal heights", || ["eastfield", "st-anna", FOUNDER].map(height).windows(2).all(|two| two[0] == two[1]));
}

/// A founder's home whose ledger has a block every twelve hours since `from`, each with an application that it refused; the applications.
fn long_ago(stage: &Stage, from: u64, blocks: u64) -> Vec<Digest> {
    let [listen, home] = [ports::free(), stage.home(FOUNDER).to_str().unwrap().to_owned()];
    stage.run(FOUNDER, &["init", "--member", FOUNDER, "--consortium", "Days", "--listen", &listen]);
    let (path, pinned) = (format!("{home}/node/genesis.cbor"), format!("{home}/operator/consortium.toml"));
    let mut genesis: Genesis = wire::from_slice(&fs::read(&path).unwrap(), Limits::small()).unwrap();
    genesis.created = from;
    fs::write(path, wire::to_vec(&genesis)).unwrap();
    let mut consortium = Consortium::parse(&fs::read_to_string(&pinned).unwrap()).unwrap();
    consortium.chain = genesis.chain();
    fs::write(pinned, consortium.to_toml()).unwrap();

    let passphrase = Passphrase::read(&stage.directory.path().join("passphrase")).unwrap();
    let wallet = Wallet::open(&Path::new(&home).join("operator"), &passphrase).unwrap();
    let (sender, keys, chain) = (wallet.key(), wallet.keys(), genesis.chain());
    let unknown = ContractVersion { contract: Digest::from([7; 32]), version: 1 };
    let apply = Apply {
        contracts: vec![unknown],
        purpose: "research".into(),
        ephemeral: PrivateKey::generate(Suite::X25519).public().clone(),
        justification: Digest::from([8; 32]),
        evidence: vec![],
    };
    let ledger = Ledger::open(&Path::new(&home).join("node/ledger.redb"), Arc::new(Contracts), genesis).unwrap();
    // As the node is configured.
    ledger.keep_states(10);
    let block = |height: u64| {
        let time = from + height * DAY / 2;
        let (nonce, expires) = (Fixed(crypto::random()), time + 60_000);
        let (contract, method, arguments) = ("requests".into(), "apply".into(), wire::to_vec(&apply).into());
        let call = Transaction { chain, sender, nonce, expires, contract, method, arguments };
        let signed = call.sign_with(|label, message| keys.sign(PRINCIPAL, label, message)).unwrap();
        let call = VerifiedTransaction::verify(signed, &chain).unwrap();
        let id = call.id();
        let made = ledger.propose(vec![call], time).unwrap();
        assert_eq!(made.results[0].as_ref().unwrap().outcome.code, "unknown_contract");
        assert_eq!((ledger.head().height, ledger.head().time), (height, time));
        id
    };
    (1..=blocks).map(block).collect()
}

#[test]
fn days_are_those_before_the_newest_block_by_the_ledgers_own_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    // Sixty days of blocks, the newest twenty days old.
    let from = stage::now() - 80 * DAY;
    let all = long_ago(&stage, from, 120);
    stage.configure(FOUNDER, "[ledger]\nkeep = \"50 days\"\nstates = 10\nsnapshot_every = 5");
    stage.start(FOUNDER);
    let founder = stage.client(FOUNDER);
    let prunes_to = |stage: &Stage, kept: u64| {
        until(&format!("blocks go until {kept}"), || health(&runtime, stage, FOUNDER).kept >= kept);
        assert_eq!(health(&runtime, stage, FOUNDER).kept, kept);
    };
    // One that is as old to the millisecond stays.
    prunes_to(&stage, 20);
    let directory = stage.directory.path().to_owned();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let handed = |stage: &Stage, block: usize| {
        let out = path(&format!("{block}.receipt"));
        stage.try_run(FOUNDER, &["receipt", &all[block - 1].to_string(), "--out", &out])
    };
    stage.run(FOUNDER, &["member", "export", "--out", &path("days.toml")]);
    handed(&stage, 20).unwrap();
    handed(&stage, 60).unwrap();

    // Fewer days. What has gone is refused as that, and nothing else.
    stage.kill(FOUNDER);
    let file = stage.home(FOUNDER).join("node/node.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("50 days", "30 days")).unwrap();
    stage.start(FOUNDER);
    let founder_knows = |block: usize| runtime.block_on(founder.transaction(&all[block - 1]));
    prunes_to(&stage, 60);
    for gone in [1, 59] {
        let refused = founder_knows(gone).unwrap_err();
        assert_eq!(refused.code(), Some("pruned"), "{refused}");
        assert!(refused.to_string().contains("from block 60 on"), "{refused}");
        let refused = handed(&stage, gone).unwrap_err();
        assert!(refused.contains("pruned") && !Path::new(&path(&format!("{gone}.receipt"))).exists(), "{refused}");
    }
    for (block, place) in [(60, 59), (120, 119)] {
        let found = founder_knows(block).unwrap();
        assert_eq!((found.height, found.index, found.code.as_str()), (block as u64, place, "unknown_contract"));
    }
    handed(&stage, 61).unwrap();
    // Receipts of before hold, also of what has gone; and the log proves that it still has what it removed.
    for name in ["20.receipt", "60.receipt", "61.receipt"] {
        stage.run(FOUNDER, &["verify", &path(name), "--consortium", &path("days.toml")]);
    }
    assert!(!runtime.block_on(founder.log_inclusion(0, 120)).unwrap().is_empty());

    // A block of today makes all others older: by 20 days, and by the moments since this test began.
    runtime.block_on(add(&founder, "today")).unwrap();
    prunes_to(&stage, 101);
    assert_eq!(founder_knows(100).unwrap_err().code(), Some("pruned"));
    assert_eq!(founder_knows(101).unwrap().height, 101);
}

/// Joins as [`Stage::join`] does, where liars stand in these members' places.
fn join_among(stage: &mut Stage, member: &str, members: &[&str], lie: Lie) -> Vec<Liar> {
    let invitation = stage.directory.path().join(format!("{member}.invitation")).to_str().unwrap().to_owned();
    let fingerprint = stage.run(FOUNDER, &["invite", member, "--out", &invitation]);
    let [listen, order] = [ports::free(), ports::free()];
    let place = ["--listen", &listen, "--order-listen", &order, "--fingerprint", &fingerprint];
    stage.run(member, &[&["join", &invitation], &place[..]].concat());
    let liars: Vec<Liar> = members.iter().map(|name| Liar::start(stage, name, member, lie)).collect();
    let addresses = members.iter().zip(&liars).map(|(name, liar)| format!("{name} = \"{}\"\n", liar.address()));
    stage.configure(member, &format!("{}\n[peers.addresses]\n{}", stage.configuration, addresses.collect::<String>()));
    stage.start(member);
    liars
}

/// Four validators that have made some fifty blocks, and how many.
fn four(runtime: &Runtime, name: &str) -> (Stage, u64) {
    let mut stage = Stage::new();
    stage.configuration = "[ledger]\nsnapshot_every = 5\nsync_after = 25";
    stage.found(name);
    for member in ["st-anna", "riverside", "northgate"] {
        stage.join(member);
    }
    stage.begin(4, &[FOUNDER, "st-anna", "riverside", "northgate"], &[]);
    let founder = stage.client(FOUNDER);
    for number in 0..50 {
        runtime.block_on(add(&founder, &format!("early-{number}"))).unwrap();
    }
    let height = health(runtime, &stage, FOUNDER).height;
    (stage, height)
}

#[test]
fn what_liars_alter_is_refused_and_taken_from_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut stage, before) = four(&runtime, "Liars");

    // Three of four lie in all that they give of a snapshot: the fourth gives it. Whoever answers first, of two parts that are asked for at once one
    // is asked of a liar.
    let liars = join_among(&mut stage, "eastfield", &[FOUNDER, "st-anna", "northgate"], liar::parts);
    until("eastfield is there", || health(&runtime, &stage, "eastfield").height >= before);
    let words = log(&stage, "eastfield");
    assert!(words.contains("begins from a snapshot") && health(&runtime, &stage, "eastfield").kept > 20, "{words}");
    assert!(liars.iter().map(Liar::lies).sum::<usize>() > 0 && words.contains("is refused"), "{words}");
    // It has the state that the others have.
    runtime.block_on(add(&stage.client("eastfield"), "of-the-fifth")).unwrap();
    let height = health(&runtime, &stage, "eastfield").height;
    let state = |member: &str| {
        let client = stage.client(member);
        until(&format!("{member} proves its state"), || {
            runtime.block_on(client.prove_state("member/eastfield", Some(height))).is_ok()
        });
        let proof = runtime.block_on(client.prove_state("member/eastfield", Some(height))).unwrap();
        verify_state(&proof, &runtime.block_on(client.consortium()).unwrap()).unwrap().state.header
    };
    assert_eq!(state("eastfield"), state("riverside"));
}

#[test]
fn who_is_given_nothing_but_lies_goes_on_by_blocks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut stage, before) = four(&runtime, "Lies alone");
    // All that it knows alter what they give of a snapshot, and say for ever that they make one more.
    let all = [FOUNDER, "st-anna", "riverside", "northgate"];
    let liars = join_among(&mut stage, "eastfield", &all, liar::parts_and_making);
    until("eastfield is there", || health(&runtime, &stage, "eastfield").height >= before);
    let words = log(&stage, "eastfield");
    assert!(words.contains("it goes on by blocks") && !words.contains("begins from a snapshot"), "{words}");
    assert!(words.matches("a snapshot was not taken").count() >= 3, "{words}");
    assert!(liars.iter().all(|liar| liar.lies() > 0));
    // It has executed all of them, and takes part.
    assert_eq!(health(&runtime, &stage, "eastfield").kept, 0);
    runtime.block_on(add(&stage.client("eastfield"), "of-the-fifth")).unwrap();
}
