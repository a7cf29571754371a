//! A validator's node is copied while it works, lost with its disk, and made again from the copy: timed, with real processes. It has its
//! vault and its trail, and does not vote with a key of which it cannot know what it signed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crypto::keystore::{FileKeys, Keys as _, Passphrase};

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

#[path = "shared/metric.rs"]
mod metric;

use metric::metric;
use stage::{FOUNDER, Stage, add, ports, until};

const MEMBERS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

/// How long it may take from a restore's beginning until the node has all that the others have.
const AIM: Duration = Duration::from_secs(60);

#[test]
fn a_lost_node_is_back_within_a_minute_and_does_not_vote_with_its_old_key() {
    let mut stage = Stage::new();
    let [listen, order] = [ports::free(), ports::free()];
    let founding = ["init", "--member", FOUNDER, "--consortium", "Backup", "--regulator"];
    stage.run(FOUNDER, &[&founding[..], &["--listen", &listen, "--order-listen", &order]].concat());
    stage.start(FOUNDER);
    MEMBERS[1..].iter().for_each(|member| stage.join(member));
    stage.begin(4, &MEMBERS, &[]);
    let all = stage.directory.path().to_owned();
    let at = |name: &str| all.join(name).to_str().unwrap().to_owned();
    let oracles = ["--participants", "st-anna,riverside,northgate", "--threshold", "2"];
    stage.run(FOUNDER, &[&["member", "oracles", "establish"], &oracles[..]].concat());

    // Northgate has objects and offers one; someone of St. Anna asks for it.
    let rows: String = (0..200_000).map(|row| format!("{row},{}\n", row * 7919 % 1_000_003)).collect();
    let table = format!("id,value\n{rows}");
    fs::write(at("table.csv"), &table).unwrap();
    for name in ["trial", "second", "third"] {
        stage.run("northgate", &["asset", "seal", &at("table.csv"), "--name", name]);
    }
    fs::write(at("contract.toml"), include_str!("shared/contract.toml")).unwrap();
    stage.run("northgate", &["contract", "offer", &at("contract.toml")]);
    let pin = stage.run("st-anna", &["member", "show"]);
    stage.run("st-anna", &["member", "export", "--out", &at("consortium.toml")]);
    let node = stage.client("st-anna").endpoint().address().to_owned();
    let person = ["init", "--principal", "m-lind", "--member", "st-anna", "--node", &node, "--pin", &pin];
    let key = stage.run("m-lind", &[&person[..], &["--consortium", &at("consortium.toml")]].concat());
    stage.run("st-anna", &["member", "principal", "add", "m-lind", "--key", &key, "--role", "requester"]);
    release(&stage, &table);

    // A backup under load; and much happens after it.
    let (stop, recorded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = {
        let client = stage.client("st-anna");
        let (stop, recorded) = (Arc::clone(&stop), Arc::clone(&recorded));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            while !stop.load(Ordering::Relaxed) {
                let number = recorded.load(Ordering::Relaxed);
                runtime.block_on(add(&client, &format!("person-{number}"))).unwrap();
                recorded.store(number + 1, Ordering::Relaxed);
            }
        })
    };
    until("fifty are recorded", || recorded.load(Ordering::Relaxed) > 50);
    let backup = at("northgate.backup");
    let made = stage.json("northgate", &["node", "backup", &backup]);
    println!("backup: {} blocks, {} bytes, {} s", made["height"], made["bytes"], made["seconds"]);
    assert!(stage.try_run("northgate", &["node", "backup", &backup]).unwrap_err().contains("exists"));
    let before = recorded.load(Ordering::Relaxed);
    until("a hundred more are recorded", || recorded.load(Ordering::Relaxed) > before + 100);

    // The disk is gone.
    stage.kill("northgate");
    let directory = stage.home("northgate").join("node");
    fs::remove_dir_all(&directory).unwrap();
    refuses_what_was_altered(&stage, Path::new(&backup), &directory);

    let begun = Instant::now();
    let restored = stage.json("northgate", &["node", "restore", &backup]);
    let written = begun.elapsed();
    assert_eq!(restored["height"], made["height"]);
    stage.start("northgate");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let height = |member: &str| runtime.block_on(stage.client(member).health()).unwrap().height;
    let there = height("st-anna");
    until("it has what the others have", || height("northgate") >= there);
    let took = begun.elapsed();
    println!("restore: {written:?} to write, {took:?} until it has all {there} blocks, under load");
    assert!(took < AIM, "{took:?}");
    let since = recorded.load(Ordering::Relaxed);
    until("fifty more are recorded", || recorded.load(Ordering::Relaxed) > since + 50);
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();

    // It serves its vault, and its trail goes on from the copy's.
    release(&stage, &table);
    stage.run("northgate", &["audit", "--verify"]);
    let trail = stage.json("northgate", &["audit"]).to_string();
    assert!(trail.contains("node.backup") && trail.contains("from a backup of block"), "{trail}");

    // It does not vote: with another one down, no quorum is left.
    let shown = stage.run("northgate", &["member", "validators", "show"]);
    assert_eq!(shown, "quorum 4, followed; restored: it votes again with a new key");
    assert!(!directory.join("order").exists(), "it has no votes");
    assert!(
        stage.command("northgate").arg("doctor").output().unwrap().stdout.windows(8).any(|word| word == b"restored")
    );
    let behind = |member: &str| {
        let series = format!("sottovoce_ordering_votes_behind{{member=\"{member}\"}}");
        metric(&runtime, &stage.client(FOUNDER), &series).unwrap()
    };
    assert!(behind("northgate") > 10.0 && behind("st-anna") < 10.0, "{} {}", behind("northgate"), behind("st-anna"));
    assert_eq!(metric(&runtime, &stage.client(FOUNDER), "sottovoce_ordering_peers "), Some(2.0));
    assert_eq!(metric(&runtime, &stage.client("northgate"), "sottovoce_ordering_restored "), Some(1.0));
    assert!(metric(&runtime, &stage.client(FOUNDER), "sottovoce_finality_seconds_count ").unwrap() > 0.0);
    stage.kill("riverside");
    let founder = stage.client(FOUNDER);
    let alone = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(8), add(&founder, "late")).await });
    assert!(alone.is_err(), "{alone:?}");
    stage.start("riverside");
    until("the ledger goes on", || {
        runtime.block_on(add(&stage.client(FOUNDER), &format!("on-{}", stage::now()))).is_ok()
    });

    // With a new key it does, and the old one is destroyed.
    stage.run("northgate", &["member", "validators", "rotate"]);
    until("the new key is known", || {
        stage.run(FOUNDER, &["member", "export", "--out", &at("new.toml")]);
        epochs(&at("new.toml")) >= 5
    });
    stage.begin(5, &MEMBERS, &[]);
    stage.kill("riverside");
    until("three of four go on", || {
        runtime.block_on(add(&stage.client("northgate"), &format!("new-{}", stage::now()))).is_ok()
    });
    let passphrase = Passphrase::read(&stage.directory.path().join("passphrase")).unwrap();
    let keys = FileKeys::open(directory.join("keys.sealed"), &passphrase).unwrap();
    let cosigners: Vec<_> = keys.handles().into_iter().filter(|(handle, _)| handle.starts_with("cosigner")).collect();
    assert!(matches!(&cosigners[..], [(handle, _)] if handle != "cosigner"), "{cosigners:?}");
}

#[test]
fn a_node_restored_where_ml_dsa_is_demanded_cosigns_again_with_new_keys_of_both_kinds() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stage = Stage::new();
    stage.found("Backup");
    MEMBERS[1..].iter().for_each(|member| stage.join(member));
    stage.begin(4, &MEMBERS, &[]);
    stage.run(FOUNDER, &["gov", "begin", "--no-recovery"]);
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--ml-dsa", "on"]);
    let shown = |stage: &Stage, member: &str| stage.json(member, &["member", "validators", "show"]);
    for member in MEMBERS {
        until("the epoch demands it", || shown(&stage, member)["ml_dsa"] == true);
    }
    let epoch = shown(&stage, FOUNDER)["epoch"].as_u64().unwrap();
    let backup = stage_path(&stage, "northgate.backup");
    stage.run("northgate", &["node", "backup", &backup]);
    let founder = stage.client(FOUNDER);
    for number in 0..20 {
        runtime.block_on(add(&founder, &format!("after-the-backup-{number}"))).unwrap();
    }

    // Its disk is gone; the copy has both keys, of which neither is used again.
    stage.kill("northgate");
    let directory = stage.home("northgate").join("node");
    fs::remove_dir_all(&directory).unwrap();
    stage.run("northgate", &["node", "restore", &backup]);
    let passphrase = Passphrase::read(&stage.directory.path().join("passphrase")).unwrap();
    let cosigners = || -> Vec<String> {
        let keys = FileKeys::open(directory.join("keys.sealed"), &passphrase).unwrap();
        let handles = keys.handles().into_iter().map(|(handle, _)| handle);
        handles.filter(|handle| handle.starts_with("cosigner")).collect()
    };
    let copied = cosigners();
    assert_eq!(copied.len(), 2, "{copied:?}");
    stage.start("northgate");
    let height = |member: &str| runtime.block_on(stage.client(member).health()).unwrap().height;
    let there = height(FOUNDER);
    until("it has what the others have", || height("northgate") >= there);
    let voting = stage.run("northgate", &["member", "validators", "show"]);
    assert!(voting.ends_with(", followed; restored: it votes again with a new key"), "{voting}");

    // New keys of both kinds, and it is needed: of four only three are there.
    stage.run("northgate", &["member", "validators", "rotate"]);
    until("the new keys are known", || {
        stage.run(FOUNDER, &["member", "export", "--out", &stage_path(&stage, "new.toml")]);
        epochs(&stage_path(&stage, "new.toml")) > epoch as usize
    });
    stage.begin(epoch + 1, &MEMBERS, &[]);
    assert_eq!(shown(&stage, "northgate")["ml_dsa"], true);
    until("the old keys are destroyed", || cosigners().iter().all(|handle| !copied.contains(handle)));
    assert_eq!(cosigners().len(), 2);
    stage.kill("riverside");
    until("three of four go on", || {
        runtime.block_on(add(&stage.client("northgate"), &format!("new-{}", stage::now()))).is_ok()
    });
    let (proof, consortium) = (stage_path(&stage, "member.proof"), stage_path(&stage, "newest.toml"));
    until("a proof of state", || {
        stage.try_run("northgate", &["state", "prove", "member/northgate", "--out", &proof]).is_ok()
    });
    stage.run(FOUNDER, &["member", "export", "--out", &consortium]);
    let verified = stage.json("nobody", &["verify", &proof, "--consortium", &consortium]);
    let by: Vec<&str> = verified["cosigners"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!((verified["ml_dsa"].as_bool(), by), (Some(true), vec![FOUNDER, "st-anna", "northgate"]));
}

/// A request for Northgate's object by someone of St. Anna, and what is released.
fn release(stage: &Stage, table: &str) {
    let out = stage_path(stage, "released.csv");
    let _ = fs::remove_file(&out);
    let apply =
        ["request", "apply", "northgate/trial/release", "--purpose", "research", "--justification", "to see it"];
    let request = stage.run("m-lind", &apply);
    stage.run("m-lind", &["fetch", &request, "--out", &out]);
    assert_eq!(fs::read_to_string(&out).unwrap(), table);
}

/// A byte in the ledger, in the vault, at the end; cut off; of another version.
fn refuses_what_was_altered(stage: &Stage, backup: &Path, directory: &Path) {
    let good = fs::read(backup).unwrap();
    let forged = stage_path(stage, "forged.backup");
    let refused = |bytes: &[u8]| {
        fs::write(&forged, bytes).unwrap();
        let told = stage.try_run("northgate", &["node", "restore", &forged]).unwrap_err();
        let beside = fs::read_dir(stage.home("northgate")).unwrap().flatten();
        let left: Vec<_> = beside
            .map(|entry| entry.file_name())
            .filter(|name| name.to_str().unwrap().contains("node") && name != "node.log")
            .collect();
        assert!(!directory.exists() && left.is_empty(), "{told}: {left:?}");
        told
    };
    for place in [100, good.len() / 2, good.len() - 100] {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        refused(&bytes);
    }
    assert!(refused(&good[..good.len() - 1000]).contains("no whole backup"));
    assert!(refused(&[b"sottovoce-backup/v9\n", &good[20..]].concat()).contains("v9"));
}

fn epochs(file: &str) -> usize {
    ledger::Consortium::parse(&fs::read_to_string(file).unwrap())
        .unwrap()
        .epochs
        .last()
        .map_or(0, |epoch| epoch.number as usize)
}

fn stage_path(stage: &Stage, name: &str) -> String {
    stage.directory.path().join(name).to_str().unwrap().to_owned()
}
