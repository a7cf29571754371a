//! A running consortium decides that contracts are signed with ML-DSA too: what is there from before stays of use, what comes is signed with
//! both, offline readers say so, and who has registered is bound to it. Real nodes, by the commands that people use.

#[path = "shared/python.rs"]
#[expect(dead_code, reason = "others use all of it")]
mod python;
#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "the governance's test uses all of it")]
mod stage;

use std::fs;

use client::Client;
use client::wallet::{PRINCIPAL, Wallet};
use contracts::message::Offer;
use crypto::keystore::Passphrase;
use serde_json::Value;
use stage::{FOUNDER, Stage, add, until};

const MEMBERS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

/// Makes a wallet of someone of a member, and adds it.
fn person(stage: &Stage, member: &str, name: &str, role: &str) {
    let file = stage.directory.path().join(format!("{member}.toml")).to_str().unwrap().to_owned();
    stage.run(member, &["member", "export", "--out", &file]);
    let (pin, node) = (stage.run(member, &["member", "show"]), stage.client(member).endpoint().address().to_owned());
    let place = ["--member", member, "--node", &node, "--pin", &pin, "--consortium", &file];
    let key = stage.run(name, &[&["init", "--principal", name], &place[..]].concat());
    stage.run(member, &["member", "principal", "add", name, "--key", &key, "--role", role]);
}

/// The steps of a receipt with what signed them, as the reader says offline.
fn signed_with(stage: &Stage, receipt: &str, consortium: &str) -> Vec<(String, String)> {
    let told = stage.json("nobody", &["verify", receipt, "--consortium", consortium]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = told["account"]["steps"].as_array().unwrap().iter();
    let with = |step: &Value| {
        let facts = step["facts"].as_array().unwrap();
        let found = facts.iter().find(|fact| fact[0] == "signed with");
        found.map(|fact| (text(&step["name"]), text(&fact[1])))
    };
    steps.filter_map(with).collect()
}

#[test]
fn a_running_consortium_has_contracts_signed_twice() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    stage.found("Twice signed");
    for member in &MEMBERS[1..] {
        stage.join(member);
    }
    stage.begin(4, &MEMBERS, &[]);
    let directory = stage.directory.path().to_owned();
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let oracles = ["--participants", "st-anna,riverside,northgate", "--threshold", "2"];
    stage.run(FOUNDER, &[&["member", "oracles", "establish"], &oracles[..]].concat());
    stage.run(FOUNDER, &["gov", "begin", "--no-recovery"]);
    person(&stage, "northgate", "steward", "owner");
    person(&stage, "northgate", "dr-okafor", "approver");
    person(&stage, "st-anna", "m-lind", "requester");
    fs::write(at("trial.csv"), "arm,age\na,40\nb,50\n").unwrap();
    fs::write(at("contract.toml"), CONTRACT).unwrap();
    stage.run("northgate", &["asset", "seal", &at("trial.csv"), "--name", "trial"]);
    let old = stage.run("steward", &["contract", "offer", &at("contract.toml")]);
    let apply = |stage: &Stage, contract: &str, why: &str| {
        until("the contract is known", || stage.try_run("m-lind", &["contract", "show", contract]).is_ok());
        stage.run("m-lind", &["request", "apply", contract, "--purpose", "research", "--justification", why])
    };
    let waiting = apply(&stage, &old, "before");
    let release = |stage: &Stage, request: &str, name: &str| {
        until("the request is known", || stage.try_run("dr-okafor", &["request", "show", request]).is_ok());
        stage.run("dr-okafor", &["approve", request]);
        stage.run("m-lind", &["fetch", request, "--out", &at(&format!("{name}.csv"))]);
        assert_eq!(fs::read(at(&format!("{name}.csv"))).unwrap(), fs::read(at("trial.csv")).unwrap());
        stage.run("m-lind", &["receipt", request, "--out", &at(&format!("{name}.receipt"))]);
    };
    // As it is before its key is made.
    fs::create_dir(at("steward-before")).unwrap();
    for file in ["keys.sealed", "profile.toml", "consortium.toml"] {
        fs::copy(directory.join("steward").join(file), directory.join("steward-before").join(file)).unwrap();
    }

    // Decided by three of four.
    assert_eq!(stage.run("steward", &["signer", "show"]), "off");
    let refused = stage.try_run("steward", &["signer", "register"]).unwrap_err();
    assert!(refused.contains("ml_dsa_off"), "{refused}");
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--ml-dsa-contracts", "on"]);
    for person in ["steward", "dr-okafor", "m-lind"] {
        until("its node knows", || stage.run(person, &["signer", "show"]) == "demanded");
    }

    // What waits from before is approved and released; the approval alone has both.
    release(&stage, &waiting, "before");
    stage.run(FOUNDER, &["member", "export", "--out", &at("consortium.toml")]);
    let [once, twice] = ["Ed25519", "Ed25519 and ML-DSA-65"];
    let told = |file: &str| {
        let steps = signed_with(&stage, &at(file), &at("consortium.toml"));
        steps.iter().map(|(name, with)| format!("{name}: {with}")).collect::<Vec<_>>()
    };
    let expected = |with: [&str; 3]| {
        let names = ["contract.offered", "request.applied", "request.approved"];
        names.iter().zip(with).map(|(name, with)| format!("{name}: {with}")).collect::<Vec<_>>()
    };
    assert_eq!(told("before.receipt"), expected([once, once, twice]));
    assert_eq!(stage.json("m-lind", &["contract", "show", &old])["ml_dsa"], Value::Null);
    let under_old = apply(&stage, &old, "under the old one");
    release(&stage, &under_old, "old");
    assert_eq!(told("old.receipt"), expected([once, twice, twice]));

    // What is offered now: the key is made and registered by itself.
    let new = stage.run("steward", &["contract", "offer", &at("contract.toml")]);
    let shown = stage.json("steward", &["signer", "show"]);
    assert_eq!((&shown["demanded"], &shown["held"]), (&true.into(), &true.into()), "{shown}");
    let key = stage.run("steward", &["signer", "show"]);
    assert_eq!(stage.json("steward", &["contract", "show", &new])["ml_dsa"], key.as_str());
    let request = apply(&stage, &new, "under the new one");
    release(&stage, &request, "new");
    assert_eq!(told("new.receipt"), expected([twice, twice, twice]));
    for file in ["before.receipt", "old.receipt", "new.receipt"] {
        let read = python::run("interop/verify_receipt.py", [&at(file), "--consortium", &at("consortium.toml")], None);
        assert!(read.status.success(), "{file}: {}", String::from_utf8_lossy(&read.stderr));
    }

    // Someone of no member, who may register what an application is signed with, and nothing else.
    let (pin, node) = (stage.run("northgate", &["member", "show"]), stage.client("northgate"));
    let place = ["--node", node.endpoint().address(), "--pin", &pin, "--consortium", &at("consortium.toml")];
    stage.run("stranger", &[&["init", "--principal", "stranger"], &place[..]].concat());
    assert_eq!(stage.run("stranger", &["signer", "show"]), "demanded");
    let applied =
        stage.run("stranger", &["request", "apply", &new, "--purpose", "research", "--justification", "why not"]);
    let of_stranger = stage.run("stranger", &["signer", "show"]);
    assert_eq!(stage.json("stranger", &["request", "show", &applied])["request"]["ml_dsa"], of_stranger.as_str());

    // Searches find them under each other as ever.
    let asset = stage.json("steward", &["contract", "show", &new])["terms"]["asset"].as_str().unwrap().to_owned();
    for (kind, under, id) in [("contract", &asset, &new), ("request", &new, &request)] {
        let search = ["search", "objects", "--kind", kind, "--under", under];
        until("the search knows it", || stage.run("steward", &search).contains(id.as_str()));
    }

    // Who has the Ed25519 key alone does nothing with it: a program that signs once, a wallet from before.
    let passphrase = Passphrase::read(&directory.join("passphrase")).unwrap();
    let wallet = Wallet::open(&directory.join("steward-before"), &passphrase).unwrap();
    let chain = wallet.consortium().unwrap().chain;
    let forger =
        Client::new(wallet.endpoint().unwrap(), wallet.keys(), PRINCIPAL, chain, std::sync::Arc::new(stage::now));
    let forger = forger.unwrap();
    let terms = runtime.block_on(forger.contract(&new.parse().unwrap())).unwrap().terms;
    let offer = || runtime.block_on(forger.submit("contracts", "offer", &Offer { terms: terms.clone() }));
    assert_eq!(offer().unwrap_err().code(), Some("ml_dsa_missing"));
    let lost = stage.try_run("steward-before", &["contract", "offer", &at("contract.toml")]).unwrap_err();
    // Without the lines of the frame that it is printed in.
    let lost = lost.replace('\u{2502}', " ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(lost.contains("does not hold it") && lost.contains("backup"), "{lost}");
    let added = runtime.block_on(add(&stage.client(FOUNDER), "signed-once")).unwrap_err();
    assert_eq!(added.code(), Some("ml_dsa_missing"));

    // The key is replaced by itself, and what follows is signed with the next.
    let rotated = stage.run("steward", &["signer", "rotate"]);
    assert_ne!(rotated, key);
    stage.run("steward", &["contract", "amend", &new, &at("contract.toml")]);
    let amended = stage.json("steward", &["contract", "show", &new]);
    assert_eq!((amended["version"].as_u64(), amended["ml_dsa"].as_str()), (Some(2), Some(rotated.as_str())));
    stage.run("steward", &["contract", "suspend", &new]);
    stage.run("steward", &["contract", "resume", &new]);

    // A ballot ends it for others, not for who is bound.
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--ml-dsa-contracts", "off"]);
    until("the founder's node knows", || stage.run(FOUNDER, &["signer", "show"]) == "off");
    until("northgate's node knows", || stage.run("northgate", &["signer", "show"]) == "off");
    runtime.block_on(add(&stage.client(FOUNDER), "signed-once")).unwrap();
    assert_eq!(offer().unwrap_err().code(), Some("ml_dsa_missing"));
    let last = stage.run("steward", &["contract", "offer", &at("contract.toml")]);
    assert_eq!(stage.json("steward", &["contract", "show", &last])["ml_dsa"], rotated.as_str());
    // What was proven stays proven.
    for file in ["before.receipt", "old.receipt", "new.receipt"] {
        assert!(!told(file).is_empty());
    }
}

const CONTRACT: &str = r#"
format = "sottovoce-contract/v1"
title = "Northgate's rows"
description = "All rows, for research."
asset = "trial"
means = "release"
purposes = ["research"]
retention_days = 180
policy = '''
@id("anyone")
@reason("members' people may have the rows")
permit (principal, action == Action::"release", resource);
'''

[window]
days = 365

[approvals]
required = 1
approvers = ["dr-okafor"]

[grant]
seconds = 60
"#;
