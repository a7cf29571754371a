//! Homes in a directory of their own, and the programs that run there.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use client::wallet::{PRINCIPAL, Wallet};
use client::{Client, Clock};
use crypto::{Digest, Label, Secret};
use ledger::{Consortium, Transaction};
use serde_json::Value;
use wire::Fixed;

/// Homes, programs and files.
pub(crate) struct Site {
    directory: tempfile::TempDir,
}

/// A program that stops when this is dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("passphrase"), PASSPHRASE).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn command(&self, home: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
        command.current_dir(self.directory.path()).args(["--home", home, "--passphrase-file", "passphrase"]);
        command.args(arguments).env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE");
        command
    }

    pub(crate) fn run(&self, home: &str, arguments: &[&str]) -> Output {
        self.command(home, arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The JSON of a command that succeeds.
    pub(crate) fn told(&self, home: &str, arguments: &[&str]) -> Value {
        let output = self.run(home, &[&["--json"], arguments].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap()
    }

    /// What the doctor finds, whether or not something is at fault.
    pub(crate) fn doctor(&self, home: &str) -> Value {
        serde_json::from_slice(&self.run(home, &["--json", "doctor"]).stdout).unwrap()
    }

    /// What a command that fails says.
    pub(crate) fn refused(&self, home: &str, arguments: &[&str]) -> String {
        let output = self.run(home, arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts `sotto … run` and waits until it serves.
    pub(crate) fn start(&self, home: &str, what: &str, environment: &[(&str, &str)]) -> Running {
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
    pub(crate) fn operator(&self, home: &str) -> Client {
        let wallet = Wallet::open(&self.path(home).join("operator"), &passphrase()).unwrap();
        let chain = wallet.consortium().unwrap().chain;
        Client::new(wallet.endpoint().unwrap(), wallet.keys(), PRINCIPAL, chain, clock()).unwrap()
    }

    pub(crate) fn consortium(&self) -> Consortium {
        Consortium::parse(&fs::read_to_string(self.path("consortium.toml")).unwrap()).unwrap()
    }
}

/// Of what the doctor told: how something stands, and what was found of it.
pub(crate) fn finding<'a>(told: &'a Value, what: &str, of: &str) -> (&'a str, &'a str) {
    let found = told["findings"].as_array().unwrap().iter().find(|one| one["what"] == what && one["of"] == of);
    let found = found.unwrap_or_else(|| panic!("{what} {of}: {told}"));
    (found["level"].as_str().unwrap(), found["found"].as_str().unwrap())
}

const PASSPHRASE: &str = "a passphrase for the test of the log";

pub(crate) fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(PASSPHRASE.into())
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

pub(crate) fn clock() -> Clock {
    std::sync::Arc::new(now)
}

/// Puts so many transactions on the ledger; each is refused there, and recorded.
pub(crate) async fn fill(site: &Site, home: &str, count: usize) {
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
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
