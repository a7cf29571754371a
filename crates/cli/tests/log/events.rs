//! The ledger's events, followed while a node restarts.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use client::Client;
use client::events::Which;
use client::wallet::PRINCIPAL;
use crypto::Digest;
use crypto::keystore::{Cost, FileKeys};
use serde_json::Value;

use crate::ports;
use crate::site::{Site, clock, passphrase};

/// One node, restarted while somebody follows: each event is told once, in the ledger's order.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_across_a_restart() {
    let site = Site::new();
    site.told(
        "health",
        &["init", "--member", "health", "--consortium", "Events", "--listen", &ports::free(), "--regulator"],
    );
    let node = site.start("health", "node", &[]);
    let add = |name: &str| {
        let key = crypto::SigningKey::generate().public().to_string();
        site.told("health", &["member", "principal", "add", name, "--key", &key, "--role", "auditor"]);
    };
    add("before");
    let mut follower = site.command("health", &["--json", "events", "--follow", "--name", "principal"]);
    let errors = File::create(site.path("follower.log")).unwrap();
    let mut follower = follower.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
    let mut told = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = move || -> Value { serde_json::from_str(&told.next().unwrap().unwrap()).unwrap() };
    // It tells what comes after it began; when that is, only its first event shows.
    let mut added = Vec::new();
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| (next(), next));
        while !first.is_finished() {
            let name = format!("p{}", added.len());
            add(&name);
            added.push(name);
            std::thread::sleep(Duration::from_millis(300));
        }
        first.join().unwrap()
    });
    let (first, mut next) = first;
    assert_eq!((&first["name"], &first["members"]), (&"principal.added".into(), &serde_json::json!(["health"])));
    drop(node);
    let _node = site.start("health", "node", &[]);
    add("after");
    let all = site.told("health", &["events", "--name", "principal.added"]);
    let all = all["events"].as_array().unwrap();
    assert_eq!(all.len(), added.len() + 2);
    let place = all.iter().position(|event| *event == first).unwrap();
    for event in &all[place + 1..] {
        assert_eq!(next(), *event);
    }
    follower.kill().unwrap();
    follower.wait().unwrap();

    let rest = site.told("health", &["events", "--name", "principal", "--after", first["id"].as_str().unwrap()]);
    assert_eq!(rest["events"].as_array().unwrap()[..], all[place + 1..]);
    assert_eq!(site.told("health", &["events", "--limit", "1"])["events"].as_array().unwrap().len(), 1);
    assert_eq!(site.told("health", &["events", "--subject", "nothing"])["events"], serde_json::json!([]));
    assert!(site.refused("health", &["events", "--after", "7"]).contains("INDEX.POSITION"));

    // Others see nothing, but for what became of their own requests.
    let operator = site.operator("health");
    let keys = FileKeys::create_with(site.path("stranger"), &passphrase(), Cost::danger_weak()).unwrap();
    keys.generate_signing(PRINCIPAL).unwrap();
    let endpoint = operator.endpoint().clone();
    let stranger = Client::new(endpoint, std::sync::Arc::new(keys), PRINCIPAL, operator.chain(), clock()).unwrap();
    let refusal = stranger.events(&Which::default()).await.err().unwrap();
    assert_eq!(refusal.code(), Some("not_permitted"));
    let unknown = Which { request: Some(Digest::from([3; 32])), ..Which::default() };
    assert_eq!(stranger.events(&unknown).await.err().unwrap().code(), Some("unknown_request"));
}
