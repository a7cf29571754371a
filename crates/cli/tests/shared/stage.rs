//! Real nodes of members in one directory, by the commands that operators use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::Client;
use client::wallet::{PRINCIPAL, Wallet};
use contracts::message::PrincipalAdd;
use contracts::record::Role;
use crypto::keystore::Passphrase;
use ledger::SignedTransaction;
use serde_json::Value;

#[path = "ports.rs"]
pub(crate) mod ports;

/// The members' homes in one directory, and their nodes.
pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    /// Sections that are added to the configuration of each node that is made.
    pub(crate) configuration: &'static str,
    nodes: Vec<(String, Child)>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("passphrase"), "correct horse battery staple").unwrap();
        Self { directory, configuration: "", nodes: Vec::new() }
    }

    pub(crate) fn home(&self, member: &str) -> PathBuf {
        self.directory.path().join(member)
    }

    pub(crate) fn command(&self, member: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
        command.env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE").env_remove("CREDENTIALS_DIRECTORY");
        command.arg("--home").arg(self.home(member));
        command.arg("--passphrase-file").arg(self.directory.path().join("passphrase"));
        command.stdin(Stdio::null());
        command
    }

    /// What a command prints with `--quiet`, or what it says when it refuses.
    pub(crate) fn try_run(&self, member: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(member).arg("--quiet").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    pub(crate) fn run(&self, member: &str, arguments: &[&str]) -> String {
        self.try_run(member, arguments).unwrap_or_else(|told| panic!("{member}: {arguments:?}: {told}"))
    }

    /// The JSON of a command that succeeds.
    pub(crate) fn json(&self, member: &str, arguments: &[&str]) -> Value {
        let output = self.command(member).arg("--json").args(arguments).output().unwrap();
        assert!(output.status.success(), "{member}: {arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Proposes by one member and has others vote for it, all of whom are needed: the proposal, once the proposer's node knows that it
    /// has passed, or why the last vote was refused.
    pub(crate) fn decide(&self, proposer: &str, voters: &[&str], action: &[&str]) -> Result<String, String> {
        let proposal = self.run(proposer, &[&["gov", "propose"], action].concat());
        let mut last = Ok(String::new());
        for (at, voter) in voters.iter().enumerate() {
            last.unwrap_or_else(|told| panic!("{action:?}: {told}"));
            assert_eq!(
                self.run(proposer, &["gov", "show", &proposal]),
                "open",
                "{action:?}: {at} votes are not enough"
            );
            // Each votes at its own node, which may be a moment behind.
            until("the proposal is known", || self.try_run(voter, &["gov", "show", &proposal]).is_ok());
            last = self.try_run(voter, &["gov", "vote", &proposal, "yes"]);
        }
        last?;
        until("the decision is known", || self.run(proposer, &["gov", "show", &proposal]) == "passed");
        Ok(proposal)
    }

    /// The same, of what is carried out.
    pub(crate) fn pass(&self, proposer: &str, voters: &[&str], action: &[&str]) -> String {
        self.decide(proposer, voters, action).unwrap_or_else(|told| panic!("{action:?}: {told}"))
    }

    /// Starts a member's node and waits until it serves.
    pub(crate) fn start(&mut self, member: &str) {
        let log = File::options().create(true).append(true).open(self.home(member).join("node.log")).unwrap();
        let mut command = self.command(member);
        command.args(["node", "run", "--stop-with-stdin"]).stdin(Stdio::piped());
        let node = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.nodes.push((member.to_owned(), node));
        self.run(member, &["node", "status", "--wait", "90"]);
    }

    pub(crate) fn kill(&mut self, member: &str) {
        let place = self.nodes.iter().position(|(name, _)| name == member).unwrap();
        let (_, mut node) = self.nodes.remove(place);
        node.kill().unwrap();
        node.wait().unwrap();
    }

    pub(crate) fn join(&mut self, member: &str) {
        let invitation = self.directory.path().join(format!("{member}.invitation"));
        let invitation = invitation.to_str().unwrap();
        let fingerprint = self.run(FOUNDER, &["invite", member, "--out", invitation]);
        self.join_with(member, invitation, &fingerprint);
    }

    /// Joins with an invitation that is there, and starts the node.
    pub(crate) fn join_with(&mut self, member: &str, invitation: &str, fingerprint: &str) {
        let [listen, order] = [ports::free(), ports::free()];
        let place = ["--listen", &listen, "--order-listen", &order, "--fingerprint", fingerprint];
        self.run(member, &[&["join", invitation], &place[..]].concat());
        self.configure(member, self.configuration);
        self.start(member);
    }

    /// Founds the consortium, as a regulator.
    pub(crate) fn found(&mut self, name: &str) {
        let [listen, order] = [ports::free(), ports::free()];
        let founding = ["init", "--member", FOUNDER, "--consortium", name, "--regulator"];
        self.run(FOUNDER, &[&founding[..], &["--listen", &listen, "--order-listen", &order]].concat());
        self.configure(FOUNDER, self.configuration);
        self.start(FOUNDER);
    }

    /// Adds sections to the configuration of a member's node, which does not run.
    pub(crate) fn configure(&self, member: &str, sections: &str) {
        let path = self.home(member).join("node/node.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n{sections}\n")).unwrap();
    }

    /// Has the validators begin, as soon as all their nodes have said where they take part, and waits until these members' nodes know.
    pub(crate) fn begin(&self, epoch: u64, among: &[&str], followed: &[&str]) {
        self.begin_by(FOUNDER, epoch, among, followed);
    }

    /// The same, by the founder of another consortium.
    pub(crate) fn begin_by(&self, founder: &str, epoch: u64, among: &[&str], followed: &[&str]) {
        until("the beginning", || match self.try_run(founder, &["member", "validators", "begin"]) {
            Ok(_) => true,
            // An answer that was lost is as good as one that came.
            Err(told) if told.contains("ordering_begun") => true,
            // Or the founder's node does not know yet of what another's took in.
            Err(told) if ["validators_missing", "epoch_invalid"].iter().any(|code| told.contains(code)) => false,
            Err(told) => panic!("{told}"),
        });
        let all = among.iter().map(|name| (name, "")).chain(followed.iter().map(|name| (name, ", followed")));
        for (member, ending) in all {
            let expected = format!("quorum {epoch}{ending}");
            until(&format!("{member} in `{expected}`"), || {
                self.run(member, &["member", "validators", "show"]) == expected
            });
        }
    }

    /// The member's operator.
    pub(crate) fn client(&self, member: &str) -> Client {
        let passphrase = Passphrase::read(&self.directory.path().join("passphrase")).unwrap();
        let wallet = Wallet::open(&self.home(member).join("operator"), &passphrase).unwrap();
        let chain = wallet.consortium().unwrap().chain;
        Client::new(wallet.endpoint().unwrap(), wallet.keys(), PRINCIPAL, chain, Arc::new(now)).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for (_, node) in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        if std::thread::panicking()
            && let Some(kept) = std::env::var_os("SOTTO_TEST_KEEP")
        {
            for entry in fs::read_dir(self.directory.path()).into_iter().flatten().flatten() {
                let to = Path::new(&kept).join(entry.file_name()).with_extension("log");
                let _ = fs::copy(entry.path().join("node.log"), to);
            }
        }
    }
}

/// Has principals recorded, one after the other, each asked for at the node of another member than the one that took it in, and counts them. How long
/// the slowest took.
pub(crate) fn traffic(clients: &[Client; 2], others: [&str; 2], stop: &AtomicBool, count: &AtomicUsize) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut recorded, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let (client, other) = (&clients[recorded % 2], others[recorded % 2]);
        let begun = Instant::now();
        runtime.block_on(async {
            let transaction = [addition(client, &format!("person-{recorded}"))];
            // While the ordering passes on a node may say that it is busy, and one that is behind says so: both count in what it took.
            let placed = loop {
                match client.submit_signed(&transaction).await {
                    Ok(mut placed) => break placed.remove(0),
                    Err(error) => assert!(error.code() == Some("busy") && begun.elapsed() < MOST, "{error}"),
                }
            };
            let other = client.at_member(other).await.unwrap();
            let found = loop {
                match other.transaction(&placed.id).await {
                    Ok(found) => break found,
                    Err(error) => assert!(error.code() == Some("ledger_behind") && begun.elapsed() < MOST, "{error}"),
                }
            };
            assert_eq!((found.height, found.code.as_str()), (placed.height, "ok"));
        });
        longest = longest.max(begun.elapsed());
        recorded += 1;
        count.store(recorded, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(50));
    }
    longest
}

/// Adds a principal of the client's member.
pub(crate) async fn add(client: &Client, name: &str) -> Result<client::api::TransactionResult, client::Error> {
    Ok(client.submit_signed(&[addition(client, name)]).await?.remove(0))
}

fn addition(client: &Client, name: &str) -> SignedTransaction {
    let key = crypto::SigningKey::generate().public();
    let principal = PrincipalAdd { name: name.into(), key, roles: vec![Role::Owner] };
    client.sign_transaction("members", "principal_add", &principal).unwrap()
}

/// Waits for three minutes at most: a busy machine with a slow disk is no failure.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(180), "three minutes went by before {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// How long anything may take while validators change or nodes come back: much less than it takes to notice that the ledger stands still.
pub(crate) const MOST: Duration = Duration::from_secs(45);

pub(crate) const FOUNDER: &str = "health-authority";
