//! The log of real nodes, a real witness, a mirror, and proofs of state: what a reader far away can rely on.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use client::events::Which;
use client::http::{Endpoint, empty, full};
use client::wallet::{PRINCIPAL, Wallet};
use client::{Client, Clock};
use contracts::message::{Apply, ContractVersion};
use crypto::kem::{PrivateKey, Suite};
use crypto::keystore::{Cost, FileKeys};
use crypto::{Digest, Label, Secret};
use http::{HeaderMap, Method};
use ledger::{AddCheckpoint, Consortium, Note, Transaction};
use serde_json::Value;
use wire::Fixed;

#[path = "shared/ports.rs"]
mod ports;
#[path = "shared/python.rs"]
#[expect(dead_code, reason = "the demo's tests use all of it")]
mod python;
#[path = "shared/store.rs"]
mod store;

/// Homes, programs and files.
struct Site {
    directory: tempfile::TempDir,
}

/// A program that stops when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("passphrase"), PASSPHRASE).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, home: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
        command.current_dir(self.directory.path()).args(["--home", home, "--passphrase-file", "passphrase"]);
        command.args(arguments).env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE");
        command
    }

    fn run(&self, home: &str, arguments: &[&str]) -> Output {
        self.command(home, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The JSON of a command that succeeds.
    fn told(&self, home: &str, arguments: &[&str]) -> Value {
        let output = self.run(home, &[&["--json"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap()
    }

    /// What a command that fails says.
    fn refused(&self, home: &str, arguments: &[&str]) -> String {
        let output = self.run(home, arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts `sotto … run` and waits until it serves.
    fn start(&self, home: &str, what: &str, environment: &[(&str, &str)]) -> Running {
        let log = File::options().create(true).append(true).open(self.path(&format!("{home}-{what}.log"))).unwrap();
        let mut command = self.command(home, &[what, "run", "--stop-with-stdin"]);
        command.envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("ready"), "{home}: {line}");
        Running(child)
    }

    /// The operator of a member at its node.
    fn operator(&self, home: &str) -> Client {
        let wallet = Wallet::open(&self.path(home).join("operator"), &passphrase()).unwrap();
        let chain = wallet.consortium().unwrap().chain;
        Client::new(wallet.endpoint().unwrap(), wallet.keys(), PRINCIPAL, chain, clock()).unwrap()
    }

    fn consortium(&self) -> Consortium {
        Consortium::parse(&fs::read_to_string(self.path("consortium.toml")).unwrap()).unwrap()
    }
}

const PASSPHRASE: &str = "a passphrase for the test of the log";

fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(PASSPHRASE.into())
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

fn clock() -> Clock {
    std::sync::Arc::new(now)
}

/// Puts so many transactions on the ledger; each is refused there, and recorded.
async fn fill(site: &Site, home: &str, count: usize) {
    let (client, wallet) =
        (site.operator(home), Wallet::open(&site.path(home).join("operator"), &passphrase()).unwrap());
    let keys = wallet.keys();
    let call = |_| Transaction {
        chain: client.chain(),
        sender: client.key(),
        nonce: Fixed(crypto::random()),
        expires: now() + 600_000,
        contract: "requests".into(),
        method: "cancel".into(),
        arguments: wire::to_vec(&contracts::message::Cancel { request: Digest::from(crypto::random::<32>()) }).into(),
    };
    let calls: Vec<_> = (0..count)
        .map(call)
        .map(|call| call.sign_with(|label: Label, message| keys.sign(PRINCIPAL, label, message)).unwrap())
        .collect();
    for some in calls.chunks(64) {
        let results = client.submit_signed(some).await;
        // The ledger's refusal is the outcome; that it was recorded is what counts.
        assert!(matches!(&results, Ok(_) | Err(client::Error::Refused { .. })), "{results:?}");
    }
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

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

#[test]
fn the_doctor_tells_what_is_wrong() {
    let site = Site::new();
    let init = ["init", "--member", "health", "--consortium", "Ill", "--regulator", "--listen"];
    site.told("health", &[&init[..], &[&ports::free()]].concat());
    let node = site.start("health", "node", &[]);
    site.told("health", &["invite", "anna", "--out", "anna.invitation"]);
    let fingerprint = site.told("health", &["member", "export", "--out", "consortium.toml"])["fingerprint"].clone();
    let join = ["join", "anna.invitation", "--fingerprint", fingerprint.as_str().unwrap(), "--listen"];
    site.told("anna", &[&join[..], &[&ports::free()]].concat());
    let other = site.start("anna", "node", &[]);
    let level = |told: &Value, what: &str, of: &str| {
        let found = told["findings"].as_array().unwrap().iter().find(|one| one["what"] == what && one["of"] == of);
        found.unwrap_or_else(|| panic!("{what} {of}: {told}"))["level"].as_str().unwrap().to_owned()
    };
    let ill = |arguments: &[&str]| -> Value {
        let output = site.run("health", arguments);
        assert_eq!(output.status.code(), Some(1));
        // One object, also where it ends with a failure.
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let told = site.told("health", &["doctor"]);
    assert_eq!((&told["ok"], &told["faults"]), (&true.into(), &0.into()), "{told}");
    for of in ["health", "anna"] {
        assert_eq!((level(&told, "reach", of), level(&told, "clock", of)), ("ok".into(), "ok".into()));
    }
    assert_eq!((level(&told, "log", ""), level(&told, "oracles", "")), ("ok".into(), "warning".into()));
    let text = String::from_utf8(site.run("health", &["doctor"]).stdout).unwrap();
    assert!(text.contains("sotto member oracles"), "{text}");

    drop(other);
    let keys = site.path("health/node/keys.sealed");
    fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "reach", "anna"), "warning");
    assert_eq!(level(&told, "keys", &keys.canonicalize().unwrap().display().to_string()), "fault");
    drop(node);
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "node", "health"), "fault");
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

/// A request that the ledger refuses at once: its receipt tells so.
async fn refused_request(site: &Site, home: &str) -> Digest {
    let client = site.operator(home);
    let keys = Wallet::open(&site.path(home).join("operator"), &passphrase()).unwrap().keys();
    let nowhere = ContractVersion { contract: Digest::from(crypto::random::<32>()), version: 1 };
    let apply = Apply {
        contracts: vec![nowhere],
        purpose: "research".into(),
        ephemeral: PrivateKey::generate(Suite::X25519).public().clone(),
        justification: Digest::from(crypto::random::<32>()),
        evidence: vec![],
    };
    let call = Transaction {
        chain: client.chain(),
        sender: client.key(),
        nonce: Fixed(crypto::random()),
        expires: now() + 600_000,
        contract: "requests".into(),
        method: "apply".into(),
        arguments: wire::to_vec(&apply).into(),
    };
    let signed = call.sign_with(|label: Label, message| keys.sign(PRINCIPAL, label, message)).unwrap();
    let results = client.submit_signed(std::slice::from_ref(&signed)).await;
    assert!(matches!(&results, Ok(_) | Err(client::Error::Refused { .. })), "{results:?}");
    signed.id()
}

/// What a real witness cosigned goes into receipts, and is demanded of them offline, by both readers.
async fn testimony(site: &Site, witness: &str) {
    let request = refused_request(site, "health").await.to_string();
    site.told("health", &["receipt", &request, "--out", "plain.receipt"]);
    let first = site.told("health", &["receipt", &request, "--witnessed", "--out", "first.receipt"]);
    assert_eq!(first["testimony"]["claimed"], serde_json::json!(["witness.test/1"]), "{first}");
    let text = |name: &str| fs::read_to_string(site.path(name)).unwrap();
    assert!(text("plain.receipt").starts_with("sottovoce-receipt/v1\n"));
    assert!(text("first.receipt").starts_with("sottovoce-receipt/v2\n"));
    // Later, of a log that has grown.
    fill(site, "anna", 40).await;
    let later =
        ["receipt", "witness", "plain.receipt", "--out", "later.receipt", "--wait", "120", "--witness", witness];
    let size = |told: &Value| told["testimony"]["size"].as_u64().unwrap();
    let mut grown = site.told("health", &later);
    until("the witness has cosigned more", async || {
        fs::remove_file(site.path("later.receipt")).unwrap();
        grown = site.told("health", &later);
        size(&grown) > size(&first)
    })
    .await;
    let body = text("plain.receipt").replacen("/v1\n", "/v2\n", 1);
    assert!(text("later.receipt").starts_with(&format!("{body}\nconsistency ")));
    assert!(site.refused("health", &later).contains("later.receipt"));

    // Demanded by its key, in a file of keys, as one of several.
    let other = ledger::WitnessKey::new("other.test/1", crypto::SigningKey::generate().public()).unwrap().to_string();
    fs::write(site.path("witnesses"), format!("# whom we rely on\n{witness}\n{other}\n")).unwrap();
    fn verify<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["verify", name, "--consortium", "consortium.toml"], more].concat()
    }
    for (name, told) in [("first.receipt", &first), ("later.receipt", &grown)] {
        for more in [&["--witness", witness][..], &["--witness", "witnesses", "--witnesses", "1"]] {
            let verified = site.told("none", &verify(name, more));
            assert_eq!(verified["witnesses"][0][0], "witness.test/1", "{verified}");
            assert_eq!((&verified["testimony"]["size"], &verified["log"]), (&told["testimony"]["size"], &Value::Null));
        }
        let unchecked = site.told("none", &verify(name, &[]));
        assert!(unchecked["witnesses"].is_null() && unchecked["testimony"]["claimed"][0] == "witness.test/1");
        let text = String::from_utf8(site.run("none", &verify(name, &[])).stdout).unwrap();
        assert!(text.contains("1 witness's line") && text.contains("none was checked"), "{text}");
        for more in
            [&["--witness", &other][..], &["--witness", "witnesses"], &["--witness", "witnesses", "--witnesses", "2"]]
        {
            let refused = site.refused("none", &verify(name, more));
            assert!(refused.contains("not_witnessed") && refused.contains("other.test/1"), "{refused}");
        }
    }
    // As people read it, without the frame and its line ends.
    let flat = |text: &str| text.split_whitespace().filter(|word| *word != "\u{2502}").collect::<Vec<_>>().join(" ");
    let refused = flat(&site.refused("none", &verify("plain.receipt", &["--witness", witness])));
    assert!(refused.contains("not_witnessed") && refused.contains("sotto receipt witness"), "{refused}");
    assert!(
        site.refused("none", &verify("later.receipt", &["--witness", "witnesses", "--witnesses", "3"])).contains("3")
    );
    assert!(site.refused("none", &verify("later.receipt", &["--witness", "missing"])).contains("missing"));
    assert!(site.refused("none", &verify("later.receipt", &["--witnesses", "1"])).contains("--witness"));
    let validator = &site.consortium().epochs.last().unwrap().validators[0].clone();
    let validator = ledger::WitnessKey::new(&validator.name, validator.key).unwrap().to_string();
    let refused = site.refused("none", &verify("later.receipt", &["--witness", &validator]));
    assert!(refused.contains("witness_not_independent"), "{refused}");

    // The other member's node asks no witness, and says so; a mirror that was witnessed has all that is needed.
    let at_anna = ["receipt", "witness", "plain.receipt", "--out", "x.receipt", "--member", "anna", "--wait", "0"];
    until("her node has published what covers the receipt", async || {
        flat(&site.refused("health", &at_anna)).contains("the node asks none")
    })
    .await;
    assert!(!site.path("x.receipt").exists());
    until("the mirror has a witnessed checkpoint that covers the receipt", async || {
        site.told("health", &["log", "export", "log"]);
        let _ = fs::remove_file(site.path("mirrored.receipt"));
        let mirrored = ["receipt", "witness", "plain.receipt", "--out", "mirrored.receipt", "--log", "log"];
        site.run("none", &[&mirrored[..], &["--consortium", "consortium.toml", "--witness", witness]].concat())
            .status
            .success()
    })
    .await;
    site.told("none", &verify("mirrored.receipt", &["--witness", witness]));
    site.told("none", &verify("plain.receipt", &["--log", "log", "--witness", witness]));
    let both = site.refused("none", &verify("plain.receipt", &["--log", "log", "--witness", "witnesses"]));
    assert!(both.contains("not_witnessed") && both.contains("other.test/1"), "{both}");

    // The reader in Python, and changed ones.
    let reader = |name: &str| {
        let arguments = [name, "--consortium", "consortium.toml"].map(|name| match name.starts_with("--") {
            true => name.into(),
            false => site.path(name),
        });
        let witness = ["--witness".into(), PathBuf::from(witness)];
        python::run("interop/verify_receipt.py", arguments.into_iter().chain(witness), None).status.success()
    };
    assert!(
        reader("first.receipt") && reader("later.receipt") && reader("mirrored.receipt") && !reader("plain.receipt")
    );
    let whole = fs::read(site.path("later.receipt")).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 10) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(site.path("changed.receipt"), changed).unwrap();
        assert!(!site.run("none", &verify("changed.receipt", &["--witness", witness])).status.success());
        assert!(!reader("changed.receipt"));
    }
}

/// A bucket of an object store is brought up to a mirror, and is one itself.
async fn buckets(site: &Site) {
    let store = store::Store::start(&site.path("store"));
    fs::write(site.path("authority.pem"), store.authority()).unwrap();
    let export =
        ["--json", "log", "export", "log", "--to", "s3://logs/of/trial", "--region", "eu-test-1", "--endpoint"];
    let vouched = ["--authorities", "authority.pem"];
    let run = |keys: &[(&str, &str)], more: &[&str]| {
        let mut command = site.command("health", &[&export[..], &[store.url()], more].concat());
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_SESSION_TOKEN");
        let output = command.envs(keys.iter().copied()).stdin(Stdio::null()).output().unwrap();
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!error.contains(store::SECRET) && !error.contains("Signature") && !out.contains(store::SECRET));
        match output.status.success() {
            true => Ok(serde_json::from_str::<Value>(&out).unwrap()["store"].clone()),
            false => Err(error + &out),
        }
    };
    let keys = |secret| [("AWS_ACCESS_KEY_ID", store::ID), ("AWS_SECRET_ACCESS_KEY", secret)];
    assert!(run(&[], &vouched).unwrap_err().contains("AWS_ACCESS_KEY_ID"));
    assert!(run(&keys(store::SECRET), &[]).unwrap_err().contains("--authorities"));
    assert!(run(&keys("another"), &vouched).unwrap_err().contains("403"));
    assert_eq!(store.taken(), 0);

    // Cut off, it has no checkpoint yet, and goes on from there.
    let place = site.path("store/logs/of/trial");
    store.takes(2);
    assert!(run(&keys(store::SECRET), &vouched).unwrap_err().contains("refused PUT"));
    assert!(store.taken() == 2 && !place.join("checkpoint").exists());
    store.takes(usize::MAX);
    let told = run(&keys(store::SECRET), &vouched).unwrap();
    assert!(told["before"] == 0 && told["to"] == "s3://logs/of/trial/", "{told}");
    let check = ["log", "check", place.to_str().unwrap(), "--consortium", "consortium.toml"];
    let checked = site.told("none", &check);
    assert_eq!(checked["records"], checked["checkpoint"]["size"]);

    // What is there already does not travel again.
    let before = store.taken();
    fill(site, "health", 2).await;
    let size = checked["checkpoint"]["size"].as_u64().unwrap();
    until("two more are in the bucket", async || {
        run(&keys(store::SECRET), &vouched).unwrap();
        site.told("none", &check)["records"].as_u64().unwrap() >= size + 2
    })
    .await;
    assert!(store.taken() - before <= 24, "{} objects", store.taken() - before);
    let again = run(&keys(store::SECRET), &vouched).unwrap();
    assert!(again["before"].as_u64().unwrap() >= size + 2, "{again}");

    // What is no log of ours is left alone.
    let kept = fs::read(place.join("checkpoint")).unwrap();
    fs::write(place.join("checkpoint"), "not a checkpoint\n").unwrap();
    assert!(run(&keys(store::SECRET), &vouched).unwrap_err().contains("checkpoint"));
    fs::write(place.join("checkpoint"), kept).unwrap();
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

/// Where the validators order together: the same log, witnessed, mirrored and proven, and certificates are not needed for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_validators_order_is_one_log_too() {
    let site = Site::new();
    let (listen, order) = (ports::free(), ports::free());
    let found = ["init", "--member", "m0", "--consortium", "Together", "--listen", &listen, "--order-listen", &order];
    site.told("m0", &[found.as_slice(), &["--regulator"]].concat());
    let mut programs = vec![site.start("m0", "node", &[])];
    for name in ["m1", "m2", "m3"] {
        let (invitation, listen, order) = (format!("{name}.invitation"), ports::free(), ports::free());
        let invited = site.told("m0", &["invite", name, "--out", &invitation]);
        let fingerprint = invited["fingerprint"].as_str().unwrap();
        let join = ["join", &invitation, "--listen", &listen, "--order-listen", &order, "--fingerprint", fingerprint];
        site.told(name, &join);
        programs.push(site.start(name, "node", &[]));
    }
    until("all have a seat, and begin", async || site.run("m0", &["member", "validators", "begin"]).status.success())
        .await;
    let ordering = async |home: &str| {
        site.operator(home).health().await.is_ok_and(|health| health.ordering.starts_with("quorum "))
    };
    until("the validators order", async || {
        ordering("m0").await && ordering("m1").await && ordering("m2").await && ordering("m3").await
    })
    .await;
    site.told("m0", &["member", "export", "--out", "consortium.toml"]);
    let before = site.told("m0", &["log", "check", "--out", "seen.note"])["checkpoint"]["size"].as_u64().unwrap();

    // The founder's node is stopped: log and state are published and proven all the same.
    drop(programs.remove(0));
    fill(&site, "m1", 260).await;
    until("it is published", async || {
        site.told("m2", &["log", "export", "log"])["size"].as_u64().unwrap() >= before + 260
    })
    .await;
    let checked =
        site.told("none", &["log", "check", "log", "--consortium", "consortium.toml", "--since", "seen.note"]);
    assert!(checked["records"] == checked["checkpoint"]["size"] && checked["cosigners"].as_array().unwrap().len() >= 3);
    let arguments = [site.path("log"), "--consortium".into(), site.path("consortium.toml")];
    assert!(python::run("interop/verify_log.py", arguments, None).status.success());
    site.told("m1", &["log", "check", "--since", "seen.note", "--member", "m3"]);
    let proven = site.told("m3", &["state", "prove", "member/m2", "--out", "m2.state"]);
    assert!(proven["value"].is_string() && proven["cosigners"].as_array().unwrap().len() == 3);
    let early = site.told("m3", &["state", "prove", "member/m3", "--height", "1", "--out", "early.state"]);
    assert!(early["value"].is_null());
    for file in ["m2.state", "early.state"] {
        site.told("none", &["verify", file, "--consortium", "consortium.toml"]);
        let arguments = [site.path(file), "--consortium".into(), site.path("consortium.toml")];
        assert!(python::run("interop/verify_state.py", arguments, None).status.success());
    }
}
