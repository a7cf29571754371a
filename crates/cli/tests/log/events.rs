//! The ledger's events, followed while a node restarts, and at another node.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use client::Client;
use client::events::Which;
use client::signature::sign_request;
use client::wallet::{PRINCIPAL, Wallet};
use crypto::Digest;
use crypto::keystore::{Cost, FileKeys};
use http::{HeaderValue, Method};
use serde_json::Value;

use crate::ports;
use crate::site::{Site, clock, now, passphrase, until};

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

/// Ids are the same at every node: who was told something by one goes on after it at another, by the header of a browser too.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_at_another_node() {
    let site = Site::new();
    let found = ["init", "--member", "m0", "--consortium", "Events", "--listen", &ports::free(), "--regulator"];
    site.told("m0", &found);
    let _founder = site.start("m0", "node", &[]);
    let invited = site.told("m0", &["invite", "m1", "--out", "m1.invitation"]);
    let (listen, order) = (ports::free(), ports::free());
    let join = ["join", "m1.invitation", "--listen", &listen, "--order-listen", &order, "--fingerprint"];
    site.told("m1", &[&join[..], &[invited["fingerprint"].as_str().unwrap()]].concat());
    let other = site.start("m1", "node", &[]);
    let add = |name: &str| {
        let key = crypto::SigningKey::generate().public().to_string();
        site.told("m0", &["member", "principal", "add", name, "--key", &key, "--role", "auditor"]);
    };
    ["a", "b", "c"].into_iter().for_each(add);
    let all = || -> Vec<Value> { site.told("m0", &["events"])["events"].as_array().unwrap().clone() };
    // Its operator is nobody there before the node knows its own member.
    until("both have all", async || {
        let told = site.run("m1", &["--json", "events"]).stdout;
        serde_json::from_slice::<Value>(&told).is_ok_and(|told| told["events"] == Value::from(all()))
    })
    .await;

    let founder = site.operator("m0");
    let client = founder.at_member("m1").await.unwrap();
    let before = all();
    for (at, event) in before.iter().enumerate() {
        let id = event["id"].as_str().unwrap();
        // The header takes precedence over what the address names.
        for path in ["", "&after=0.0", "&from=0"].map(|more| format!("/v1/events?wait=false{more}")) {
            let told = resumed(&site, &client, &path, id).await.unwrap();
            assert!(told.starts_with(&before[at + 1..]), "{path} after {id}: {told:?}");
        }
    }
    for wrong in ["7", "7.x"] {
        let refusal = resumed(&site, &client, "/v1/events?wait=false", wrong).await.unwrap_err();
        assert!(matches!(&refusal, client::http::Error::Problem(problem) if problem.code == "malformed"), "{refusal}");
    }

    // One follows at the other node until that stops, and goes on at the founder's: each event once.
    let mut events = client.events(&Which { from: Some(0), wait: true, ..Which::default() }).await.unwrap();
    let mut told = Vec::new();
    while told.len() < before.len() {
        told.push(serde_json::to_value(events.next().await.unwrap().unwrap()).unwrap());
    }
    drop(other);
    // The connection ends, one way or the other.
    while let Ok(Some(event)) = events.next().await {
        told.push(serde_json::to_value(event).unwrap());
    }
    ["d", "e"].into_iter().for_each(add);
    let after = Some(events.place().unwrap().to_owned());
    let mut events = founder.events(&Which { after, ..Which::default() }).await.unwrap();
    while let Some(event) = events.next().await.unwrap() {
        told.push(serde_json::to_value(event).unwrap());
    }
    assert_eq!(told, all());
    assert!(told.len() >= before.len() + 2);
}

/// What a node tells of after the event that the header names.
async fn resumed(site: &Site, client: &Client, path: &str, id: &str) -> Result<Vec<Value>, client::http::Error> {
    let keys = Wallet::open(&site.path("m0").join("operator"), &passphrase()).unwrap().keys();
    let (endpoint, sign) = (client.endpoint(), |base: &[u8]| keys.sign_raw(PRINCIPAL, base));
    let uri = endpoint.target_uri(path);
    let mut headers = sign_request(&Method::GET, &uri, None, &client.key(), now(), sign).unwrap();
    headers.insert("last-event-id", HeaderValue::from_str(id).unwrap());
    let text = endpoint.send(Method::GET, path, headers, client::http::empty()).await?.text().await?;
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    Ok(data.map(|data| serde_json::from_str(data).unwrap()).collect())
}
