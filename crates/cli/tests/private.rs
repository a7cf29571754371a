//! Payloads that only some members hold: one of them is away while they are put and has them when it is back, others get nothing, liars
//! are found out, and what is purged stays purged. Real nodes, by the commands that people use.

use std::fs;
use std::path::Path;

use client::Client;
use client::http::{Endpoint, Error, full};
use contracts::message::Opening;
use crypto::Digest;
use http::{HeaderMap, Method};
use serde_json::Value;

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

#[expect(dead_code, reason = "the computations' tests use all of it")]
#[path = "shared/python.rs"]
mod python;

#[path = "shared/identity.rs"]
mod identity;

use identity::identity;
use stage::{FOUNDER, Stage, until};

/// What no file may hold.
const SECRET: &str = "the consortium's price is 4,711,000 and stays among us";

fn show(stage: &Stage, member: &str, id: &str) -> Value {
    stage.json(member, &["private", "show", id])
}

/// The members in a list of a record.
fn members(record: &Value, list: &str) -> Vec<String> {
    let mut names: Vec<String> =
        record[list].as_array().unwrap().iter().map(|one| one["member"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// How a member's node has it.
fn stands(stage: &Stage, member: &str, id: &str, here: &str) {
    until(&format!("{member}: {here}"), || {
        stage.try_run(member, &["private", "show", id]).is_ok_and(|found| found == here)
    });
}

fn in_files(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).unwrap().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => in_files(&path, text),
        path => fs::read(path).unwrap_or_default().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

fn actions(stage: &Stage, member: &str, subject: &str) -> Vec<(String, String, String)> {
    let trail = stage.json(member, &["audit"]);
    let entries = trail["entries"].as_array().unwrap_or_else(|| panic!("{trail}")).iter();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    let of = entries.filter(|entry| entry["subject"] == subject);
    of.map(|entry| (text(entry, "action"), text(entry, "actor"), text(entry, "code"))).collect()
}

/// Another member's node as seen by the node of `own`: with the TLS key of that one.
async fn peer(stage: &Stage, own: &str, other: &str) -> Endpoint {
    let members = stage.client(own).members().await.unwrap();
    let card = members.into_iter().find(|member| member.card.name == other).unwrap().card;
    Endpoint::new(&card.address, card.tls, Some(&identity(stage, own))).unwrap()
}

/// The code of what a node answers to another's message.
async fn says(endpoint: &Endpoint, path: &str, message: Vec<u8>) -> String {
    match endpoint.send(Method::POST, path, HeaderMap::new(), full(message)).await {
        Ok(_) => "ok".into(),
        Err(Error::Problem(problem)) => problem.code,
        Err(error) => panic!("{error}"),
    }
}

async fn height(client: &Client) -> u64 {
    client.health().await.unwrap().height
}

#[test]
fn payloads_reach_their_holders_alone_and_are_purged_for_good() {
    let mut stage = Stage::new();
    stage.found("Private");
    for member in ["st-anna", "riverside"] {
        stage.join(member);
    }
    let all = stage.directory.path().to_owned();
    let at = |name: &str| all.join(name).to_str().unwrap().to_owned();
    fs::write(at("offer.txt"), SECRET).unwrap();
    let put = |stage: &Stage, by: &str, to: &str, more: &[&str]| {
        let offer = at("offer.txt");
        stage.try_run(by, &[&["private", "put", &offer, "--to", to, "--label", "offer-7"], more].concat())
    };

    // Nobody has begun; and not everybody may.
    let early = put(&stage, FOUNDER, "st-anna", &[]).unwrap_err();
    assert!(early.contains("private_off"), "{early}");
    let refused = stage.try_run("st-anna", &["private", "begin"]).unwrap_err();
    assert!(refused.contains("not_permitted"), "{refused}");
    stage.run(FOUNDER, &["private", "begin"]);
    for (to, code) in [("nobody", "unknown_member"), (FOUNDER, "private_invalid")] {
        let told = put(&stage, FOUNDER, to, &[]).unwrap_err();
        assert!(told.contains(code), "{told}");
    }
    fs::write(at("large"), vec![7; 256 * 1024 + 1]).unwrap();
    let large = ["private", "put", &at("large"), "--to", "st-anna", "--label", "large"];
    assert!(stage.try_run(FOUNDER, &large).unwrap_err().contains("262144"));

    // One is away while it is put, and has it when it is back.
    stage.kill("riverside");
    let offer = at("offer.txt");
    let placed = stage.json(FOUNDER, &["private", "put", &offer, "--to", "st-anna,riverside", "--label", "offer-7"]);
    assert_eq!(placed["held"][0], "st-anna");
    assert_eq!(placed["waiting"][0], "riverside");
    let id = placed["id"].as_str().unwrap().to_owned();
    stands(&stage, "st-anna", &id, "held");
    stage.run("st-anna", &["private", "get", &id[..12], "--out", &at("got.txt")]);
    assert_eq!(fs::read_to_string(at("got.txt")).unwrap(), SECRET);
    // From another recipient, where the sender is away in its turn.
    let second = put(&stage, "st-anna", "health-authority,riverside", &["--purge-after", "365d"]).unwrap();
    stands(&stage, FOUNDER, &second, "held");
    stage.kill("st-anna");
    stage.start("riverside");
    stands(&stage, "riverside", &id, "held");
    stands(&stage, "riverside", &second, "held");
    stage.start("st-anna");
    for id in [&id, &second] {
        until("its holders have said so", || members(&show(&stage, FOUNDER, id), "held").len() == 2);
        stage.run("riverside", &["private", "get", id, "--out", &at(&format!("{id}.txt"))]);
        assert_eq!(fs::read_to_string(at(&format!("{id}.txt"))).unwrap(), SECRET);
    }
    for member in [FOUNDER, "st-anna", "riverside"] {
        assert!(!in_files(&stage.home(member), SECRET), "{member} keeps it in the clear");
        assert!(stage.home(member).join("node/private").join(&id).exists());
    }

    // Who is not named gets nothing: by its commands, at another's node, or as a node.
    let between = put(&stage, "st-anna", "riverside", &[]).unwrap();
    stands(&stage, "riverside", &between, "held");
    until("it is known", || stage.try_run(FOUNDER, &["private", "show", &between]).as_deref() == Ok("none"));
    let told_off = stage.try_run(FOUNDER, &["private", "get", &between, "--out", &at("none")]).unwrap_err();
    assert!(told_off.contains("not_permitted") && !Path::new(&at("none")).exists(), "{told_off}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let digest = |id: &str| id.parse::<Digest>().unwrap();
    let (ask, push) = ("/peer/v1/private/ask", "/peer/v1/private");
    let opening = runtime.block_on(async {
        let founder = stage.client(FOUNDER);
        let elsewhere = founder.at_member("riverside").await.unwrap();
        let refused = elsewhere.private_payload(&digest(&between)).await.unwrap_err();
        assert_eq!(refused.code(), Some("not_permitted"));
        let riverside = peer(&stage, FOUNDER, "riverside").await;
        assert_eq!(says(&riverside, ask, wire::to_vec(&(digest(&between),))).await, "not_permitted");
        assert_eq!(says(&riverside, ask, wire::to_vec(&(digest(&id),))).await, "ok");
        // Nor is anything but the very payload taken, and from its sender alone.
        let opening = founder.private_payload(&digest(&id)).await.unwrap();
        let height = height(&founder).await;
        let other = Opening { salt: opening.salt, payload: SECRET.replace("4,711", "9,999").into_bytes().into() };
        let salted = Opening { payload: opening.payload.clone(), ..Opening::new(vec![]) };
        for wrong in [&other, &salted] {
            let message = wire::to_vec(&(height, digest(&id), wrong.clone()));
            assert_eq!(says(&riverside, push, message).await, "private_mismatch");
        }
        let message = wire::to_vec(&(height, digest(&between), opening.clone()));
        assert_eq!(says(&riverside, push, message).await, "not_permitted");
        let from_recipient = peer(&stage, "st-anna", "riverside").await;
        let message = wire::to_vec(&(height, digest(&id), opening.clone()));
        assert_eq!(says(&from_recipient, push, message).await, "not_permitted");
        opening
    });
    let trail = actions(&stage, "riverside", &id);
    for (action, actor, code) in [
        ("private.fetch", "node", "ok"),
        ("private.give", FOUNDER, "ok"),
        ("private.take", FOUNDER, "private_mismatch"),
        ("private.take", "st-anna", "not_permitted"),
    ] {
        assert!(trail.contains(&(action.into(), actor.into(), code.into())), "{action}: {trail:?}");
    }
    assert!(actions(&stage, "riverside", &between).contains(&(
        "private.give".into(),
        FOUNDER.into(),
        "not_permitted".into()
    )));

    // The sender has it purged: everywhere, with an attestation of each, and it does not come back.
    let refused = stage.try_run(FOUNDER, &["private", "purge", &between]).unwrap_err();
    assert!(refused.contains("not_permitted"), "{refused}");
    stage.run(FOUNDER, &["private", "purge", &id]);
    let holders = [FOUNDER, "riverside", "st-anna"];
    for member in holders {
        stands(&stage, member, &id, "purged");
        assert!(!stage.home(member).join("node/private").join(&id).exists());
        let gone = stage.try_run(member, &["private", "get", &id, "--out", &at("gone")]).unwrap_err();
        assert!(gone.contains("private_purged"), "{gone}");
        assert!(actions(&stage, member, &id).iter().any(|(action, ..)| action == "private.purge"));
    }
    until("all have attested", || members(&show(&stage, FOUNDER, &id), "purged") == holders);
    runtime.block_on(async {
        let riverside = peer(&stage, FOUNDER, "riverside").await;
        let message = wire::to_vec(&(height(&stage.client(FOUNDER)).await, digest(&id), opening));
        assert_eq!(says(&riverside, push, message).await, "private_purged");
        assert_eq!(says(&riverside, ask, wire::to_vec(&(digest(&id),))).await, "private_purged");
    });

    // The attestations are checked offline, from the proof and a pinned consortium alone.
    let (proof, consortium) = (at("purged.proof"), at("consortium.toml"));
    until("the proof is cosigned", || {
        let _ = fs::remove_file(&proof);
        stage.try_run("st-anna", &["private", "prove", &id, "--out", &proof]).is_ok()
    });
    stage.run("st-anna", &["member", "export", "--out", &consortium]);
    let verified = stage.json("nobody", &["verify", &proof, "--consortium", &consortium]);
    assert_eq!(members(&verified["private"]["record"], "purged"), holders);
    assert_eq!(verified["private"]["unsigned"], Value::Array(vec![]));
    let read = |proof: &str| python::run("interop/verify_purge.py", [proof, "--consortium", &consortium], None);
    let output = String::from_utf8(read(&proof).stdout).unwrap();
    let mut attested: Vec<&str> = output.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    attested.sort_unstable();
    assert_eq!(attested, holders, "{output}");
    let text = fs::read_to_string(&proof).unwrap();
    let value = text.lines().max_by_key(|line| line.len()).unwrap();
    let (place, digit) = value.char_indices().nth(value.len() / 2).unwrap();
    let other = if digit == 'A' { "B" } else { "A" };
    let forged = format!("{}{other}{}", &value[..place], &value[place + 1..]);
    fs::write(at("forged.proof"), text.replace(value, &forged)).unwrap();
    assert!(stage.try_run("nobody", &["verify", &at("forged.proof"), "--consortium", &consortium]).is_err());
    assert_eq!(read(&at("forged.proof")).status.code(), Some(1));

    // A recipient drops its own; the others keep theirs.
    stage.run("riverside", &["private", "purge", &second]);
    stands(&stage, "riverside", &second, "purged");
    until("that is on the ledger", || members(&show(&stage, FOUNDER, &second), "purged") == ["riverside"]);
    stands(&stage, "st-anna", &second, "held");
    stands(&stage, FOUNDER, &second, "held");

    // By its date, though nobody sends anything; and across a kill.
    let dated = put(&stage, "riverside", "st-anna", &["--purge-after", "15s"]).unwrap();
    stage.kill("st-anna");
    stands(&stage, "riverside", &dated, "purged");
    stage.start("st-anna");
    stands(&stage, "st-anna", &dated, "purged");
    stands(&stage, "st-anna", &second, "held");
    let record = show(&stage, FOUNDER, &dated);
    assert!(record["purged"].as_array().unwrap().iter().all(|one| one["cause"] == "date"), "{record}");
    for member in holders {
        stage.run(member, &["audit", "--verify"]);
    }
    until("the doctor finds nothing missing", || {
        let doctor = stage.command("st-anna").arg("doctor").output().unwrap();
        String::from_utf8(doctor.stdout).unwrap().contains("none is missing")
    });
}

#[test]
fn a_backup_holds_no_payload_and_brings_none_back() {
    let mut stage = Stage::new();
    stage.found("Private");
    stage.join("st-anna");
    stage.run(FOUNDER, &["private", "begin"]);
    let all = stage.directory.path().to_owned();
    let at = |name: &str| all.join(name).to_str().unwrap().to_owned();
    fs::write(at("offer.txt"), SECRET).unwrap();
    let put = |stage: &Stage, label: &str| {
        let id = stage.run(FOUNDER, &["private", "put", &at("offer.txt"), "--to", "st-anna", "--label", label]);
        stands(stage, "st-anna", &id, "held");
        id
    };
    let (first, second) = (put(&stage, "first"), put(&stage, "second"));
    stage.run("st-anna", &["node", "backup", &at("backup")]);
    stage.run(FOUNDER, &["private", "purge", &first]);
    stands(&stage, "st-anna", &first, "purged");

    stage.kill("st-anna");
    fs::remove_dir_all(stage.home("st-anna").join("node")).unwrap();
    stage.run("st-anna", &["node", "restore", &at("backup")]);
    assert!(!stage.home("st-anna").join("node/private").exists());
    stage.start("st-anna");
    stands(&stage, "st-anna", &second, "held");
    stands(&stage, "st-anna", &first, "purged");
    assert!(!stage.home("st-anna").join("node/private").join(&first).exists());
    stage.run("st-anna", &["private", "get", &second, "--out", &at("got.txt")]);
    assert_eq!(fs::read_to_string(at("got.txt")).unwrap(), SECRET);
    let gone = stage.try_run("st-anna", &["private", "get", &first, "--out", &at("gone")]).unwrap_err();
    assert!(gone.contains("private_purged"), "{gone}");
}
