//! A reader far away: two members' nodes, a witness, and who relies on none of them.

use std::fs;
use std::path::Path;

use client::Client;
use client::http::{Endpoint, empty, full};
use client::wallet::PRINCIPAL;
use crypto::keystore::{Cost, FileKeys};
use http::{HeaderMap, Method};
use ledger::{AddCheckpoint, Note};

use crate::buckets::buckets;
use crate::site::{Running, Site, clock, fill, passphrase, until};
use crate::testimony::testimony;
use crate::{ports, python};

/// Two members' nodes and a witness; the first node asks the witness.
struct World {
    site: Site,
    witness: String,
    witness_endpoint: Endpoint,
    programs: Vec<Running>,
}

fn world() -> World {
    let site = Site::new();
    let (first, second, third) = (ports::free(), ports::free(), ports::free());
    site.told(
        "health",
        &["init", "--member", "health", "--consortium", "Log trial", "--listen", &first, "--regulator"],
    );
    let node = site.start("health", "node", &[]);
    site.told("health", &["invite", "anna", "--out", "anna.invitation"]);
    let fingerprint = site.told("health", &["member", "export", "--out", "first.toml"])["fingerprint"].clone();
    site.told(
        "anna",
        &["join", "anna.invitation", "--listen", &second, "--fingerprint", fingerprint.as_str().unwrap()],
    );
    let other = site.start("anna", "node", &[]);
    let fingerprint = site.told("health", &["member", "export", "--out", "consortium.toml"])["fingerprint"].clone();

    let card = site.told("w", &["witness", "init", "--name", "witness.test/1", "--listen", &third]);
    assert!(
        site.refused("w", &["witness", "trust", "consortium.toml", "--fingerprint", "0000"]).contains("fingerprint")
    );
    // The older file first, then the newer one, which says all that the older one says.
    site.told("w", &["witness", "trust", "first.toml"]);
    site.told("w", &["witness", "trust", "consortium.toml", "--fingerprint", fingerprint.as_str().unwrap()]);
    assert!(site.refused("w", &["witness", "trust", "first.toml"]).contains("contradicts"));
    let text = |name: &str| card[name].as_str().unwrap().to_owned();
    let witness = site.start("w", "witness", &[]);
    drop(node);
    let asked = format!(r#"[{{ key = "{}", address = "{}", pin = "{}" }}]"#, text("key"), text("address"), text("pin"));
    let node = site.start("health", "node", &[("SOTTO_NODE_WITNESSES", &asked)]);
    let witness_endpoint = Endpoint::new(&text("address"), text("pin").parse().unwrap(), None).unwrap();
    World { site, witness: text("key"), witness_endpoint, programs: vec![node, other, witness] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_far_away_relies_on_nobody() {
    let World { site, witness, witness_endpoint, mut programs } = world();
    fill(&site, "health", 300).await;
    let client = site.operator("health");
    let size = async |client: &Client| match client.log_checkpoint().await {
        Ok(text) => Note::parse(&text).unwrap().danger_unverified().size,
        Err(_) => 0,
    };
    until("300 entries are published", async || size(&client).await >= 300).await;
    until("the follower publishes them too", async || size(&site.operator("anna")).await >= 300).await;
    let key = witness.parse().unwrap();
    until("the witness cosigns", async || {
        let note = Note::parse(&client.log_checkpoint().await.unwrap()).unwrap();
        note.verify(&site.consortium()).is_ok() && note.witnessed(&key).is_some()
    })
    .await;

    // Anyone may have hashes; entries, transactions and state are for members.
    let anyone = client.endpoint();
    let status =
        async |path: &str| anyone.ask(Method::GET, path, HeaderMap::new(), empty()).await.unwrap().status().as_u16();
    for public in [
        "/log/checkpoint",
        "/log/tile/0/000",
        "/log/tile/1/000.p/1",
        "/v1/log/consistency?old=5&new=300",
        "/v1/log/inclusion?index=7&size=300",
    ] {
        assert_eq!(status(public).await, 200, "{public}");
    }
    for missing in [
        "/log/tile/0/00",
        "/log/tile/8/000",
        "/log/tile/0/x001/000",
        "/log/tile/",
        "/v1/log/consistency?old=5&new=9999999",
        "/v1/log/consistency?old=0&new=5",
        "/v1/log/inclusion?index=7&size=7",
    ] {
        assert_eq!(status(missing).await, 404, "{missing}");
    }
    let private = ["/log/tile/entries/000", "/v1/log/records?from=0&to=9", "/v1/state?key=member/anna"];
    for private in private {
        assert_eq!(status(private).await, 401, "{private}");
    }
    let keys = FileKeys::create_with(site.path("stranger"), &passphrase(), Cost::danger_weak()).unwrap();
    keys.generate_signing(PRINCIPAL).unwrap();
    let stranger = Client::new(anyone.clone(), std::sync::Arc::new(keys), PRINCIPAL, client.chain(), clock()).unwrap();
    assert_eq!(stranger.log_file("tile/entries/000").await.unwrap_err().code(), Some("not_permitted"));
    assert_eq!(stranger.log_records(0, 9).await.unwrap_err().code(), Some("not_permitted"));
    assert_eq!(stranger.prove_state("member/anna", None).await.unwrap_err().code(), Some("not_permitted"));

    mirrors(&site, &witness).await;
    testimony(&site, &witness).await;
    buckets(&site).await;
    states(&site).await;
    witnesses(&site, &client, &witness_endpoint).await;
    // The witness gone, checkpoints are published all the same; who demands it, is told.
    drop(programs.pop());
    fill(&site, "health", 3).await;
    until("a checkpoint without the witness", async || {
        Note::parse(&client.log_checkpoint().await.unwrap()).unwrap().witnessed(&key).is_none()
    })
    .await;
    assert!(site.refused("health", &["log", "check", "--witness", &witness]).contains("witness.test/1"));
    site.told("health", &["log", "check", "--since", "seen.note", "--member", "anna"]);
    let late = ["receipt", "witness", "plain.receipt", "--out", "late.receipt", "--witness", &witness, "--wait", "0"];
    assert!(site.refused("health", &late).contains("not_witnessed"));
}

async fn mirrors(site: &Site, witness: &str) {
    // Hashes first, then all of it, by the other member.
    site.told("anna", &["log", "export", "log", "--hashes"]);
    let offline = ["log", "check", "log", "--consortium", "consortium.toml"];
    assert_eq!(site.told("none", &offline)["records"], 0);
    let whole = site.told("anna", &["log", "export", "log"]);
    let size = whole["size"].as_u64().unwrap();
    let checked = site.told("none", &[offline.as_slice(), &["--out", "seen.note"]].concat());
    assert!(size >= 300 && checked["records"] == size && checked["cosigners"].as_array().unwrap().len() == 2);
    let reader = |site: &Site| {
        let arguments = [site.path("log"), "--consortium".into(), site.path("consortium.toml")];
        python::run("interop/verify_log.py", arguments, None).status.success()
    };
    assert!(reader(site));

    // A changed byte in any kind of file, and a missing file; exporting again mends what is missing or cut off.
    let kinds = ["tile/0/000", "tile/1/000.p/1", "tile/entries/000", "records/000"];
    for (at, name) in kinds.iter().enumerate() {
        let path = site.path("log").join(name);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / (at + 2)] ^= 4;
        fs::write(&path, changed).unwrap();
        let refused = site.refused("none", &offline);
        // A changed top shows at the root, or in those below it.
        assert!(refused.contains(name) || refused.contains("root") || refused.contains("tile"), "{refused}");
        assert!(!reader(site));
        fs::remove_file(&path).unwrap();
        fs::write(path.with_extension("draft"), "torn").unwrap();
        assert!(site.refused("none", &offline).contains("missing"));
        site.told("anna", &["log", "export", "log"]);
        site.told("none", &offline);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    // It goes on from where it is, at another member's node, and shows that it does.
    fill(site, "anna", 230).await;
    until("more is published", async || {
        site.told("health", &["log", "export", "log"])["size"].as_u64().unwrap() >= size + 230
    })
    .await;
    let again = site.told("health", &["log", "export", "log"]);
    assert!(again["before"].as_u64().unwrap() >= size + 230 && again["written"].as_u64().unwrap() < 12, "{again}");
    site.told("none", &[offline.as_slice(), &["--since", "seen.note"]].concat());
    assert!(reader(site));
    assert!(site.path("log/tile/0/001").exists() && !site.path("log/tile/0/001.p").exists());
    assert!(!site.path("log/records/001.p").exists());
    let checked =
        site.told("health", &["log", "check", "--since", "seen.note", "--member", "anna", "--out", "later.note"]);
    assert!(checked["checkpoint"]["size"].as_u64().unwrap() >= size + 230);
    until("the witness has cosigned this one", async || {
        site.run("health", &["log", "check", "--witness", witness]).status.success()
    })
    .await;
    // Backward is refused: a shorter log, and one that was never this one.
    assert!(
        site.refused("none", &[offline.as_slice(), &["--since", "missing.note"]].concat()).contains("missing.note")
    );
    fs::create_dir(site.path("old")).unwrap();
    fs::copy(site.path("seen.note"), site.path("old/checkpoint")).unwrap();
    assert!(site.refused("none", &["log", "check", "old", "--consortium", "consortium.toml"]).contains("missing"));
}

async fn states(site: &Site) {
    let present = site.told("anna", &["state", "prove", "member/anna", "--out", "anna.state"]);
    let height = present["height"].as_u64().unwrap();
    assert!(present["value"].is_string() && present["key"] == "member/anna");
    let verify = |file: &str| site.told("none", &["verify", file, "--consortium", "consortium.toml"]);
    assert_eq!(verify("anna.state")["value"], present["value"]);
    let absent = site.told("anna", &["state", "prove", "member/nobody", "--height", "0", "--out", "nobody.state"]);
    assert!(absent["value"].is_null() && absent["height"] == 0);
    assert!(verify("nobody.state")["value"].is_null());
    // Before she joined.
    let before = site.told("health", &["state", "prove", "member/anna", "--height", "0", "--out", "before.state"]);
    assert!(before["value"].is_null());
    assert!(
        site.refused("none", &["verify", "anna.state", "--consortium", "consortium.toml", "--log", "log"])
            .contains("--log")
    );
    let far = (height + 1_000_000).to_string();
    assert!(
        site.refused("anna", &["state", "prove", "member/anna", "--height", &far, "--out", "x.state"])
            .contains("not_found")
    );
    assert!(site.refused("anna", &["state", "prove", "member/anna", "--out", "anna.state"]).contains("anna.state"));

    let reader = |name: &str| {
        let arguments = [site.path(name), "--consortium".into(), site.path("consortium.toml")];
        python::run("interop/verify_state.py", arguments, None)
    };
    let told = String::from_utf8(reader("anna.state").stdout).unwrap();
    assert_eq!(told.trim(), format!("verified: {height} member/anna {}", present["value"].as_str().unwrap()));
    let text = fs::read(site.path("anna.state")).unwrap();
    for at in (0..text.len()).step_by(text.len() / 12) {
        let mut changed = text.clone();
        changed[at] ^= 1;
        fs::write(site.path("changed.state"), changed).unwrap();
        assert!(!site.run("none", &["verify", "changed.state", "--consortium", "consortium.toml"]).status.success());
        assert!(!reader("changed.state").status.success());
    }
}

/// What a witness over the network answers, and that it goes on after a restart.
async fn witnesses(site: &Site, client: &Client, witness: &Endpoint) {
    let note = Note::parse(&fs::read_to_string(site.path("seen.note")).unwrap()).unwrap();
    let ask = async |body: String| {
        let answer = witness.ask(Method::POST, "/add-checkpoint", HeaderMap::new(), full(body)).await.unwrap();
        let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
        (status, kind.map(|kind| kind.to_str().unwrap().to_owned()), answer.text().await.unwrap())
    };
    // It has seen more by now: the old checkpoint is refused, with where it stands.
    let rollback = AddCheckpoint { old: 0, proof: vec![], note: note.clone() }.to_string();
    let (status, kind, body) = ask(rollback.clone()).await;
    assert_eq!((status, kind.as_deref()), (409, Some("text/x.tlog.size")));
    let known: u64 = body.strip_suffix('\n').unwrap().parse().unwrap();
    assert!(known > note.danger_unverified().size);
    let newest = Note::parse(&client.log_checkpoint().await.unwrap()).unwrap();
    let proof = client.log_consistency(known, newest.danger_unverified().size).await.unwrap();
    let forward = AddCheckpoint { old: known, proof: proof.clone(), note: newest.clone() };
    let mut wrong = forward.clone();
    wrong.proof.push(newest.danger_unverified().root);
    assert_eq!(ask(wrong.to_string()).await.0, 422);
    let (status, _, line) = ask(forward.to_string()).await;
    assert!(status == 200 && line.starts_with("\u{2014} witness.test/1 "), "{line}");
    assert_eq!(ask("nothing".into()).await.0, 404);
    assert_eq!(ask(rollback.replace("sottovoce/", "example.com/")).await.0, 404);
    assert_eq!(ask(rollback.replace("old 0", "old x")).await.0, 400);
    assert!(ask("x".repeat(80_000)).await.0 >= 400);
    let seen: Vec<_> = fs::read_dir(site.path("w/witness/seen")).unwrap().collect();
    assert!(seen.iter().any(|file| {
        let path: &Path = &file.as_ref().unwrap().path();
        fs::read_to_string(path).unwrap().starts_with("sottovoce/")
    }));
    // A second one over the same directory is refused while the first runs.
    assert!(site.refused("w", &["witness", "run"]).contains("another process"));
}
