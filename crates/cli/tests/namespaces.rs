//! Four validators, each in a network namespace of its own, joined by a bridge: lines are cut and slowed and a node is killed, under
//! load. Needs Linux, iproute2 and the right to make namespaces (root); without them it says so and proves nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::Client;
use client::wallet::{PRINCIPAL, Wallet};
use contracts::message::PrincipalAdd;
use contracts::record::Role;
use crypto::Digest;
use crypto::keystore::Passphrase;

const MEMBERS: [&str; 4] = ["health-authority", "st-anna", "riverside", "northgate"];

#[test]
#[ignore = "namespaces: minutes, and root; run by .ci/run and nightly.sh"]
fn four_validators_in_namespaces_are_cut_killed_and_slowed() {
    let Some(lab) = Lab::build() else { return };
    let mut stage = Stage::raise(lab);
    let load = Load::begin(&stage);
    load.goes_on(&[0, 1, 2, 3], "all are there");

    // One is cut off: three go on, and it tells nobody anything.
    stage.lab.cut(3);
    load.settle();
    let alone = load.of(3);
    load.goes_on(&[0, 1, 2], "one is cut off");
    assert_eq!(load.of(3), alone, "one that is cut off acknowledged something");
    stage.lab.heal();
    load.goes_on(&[0, 1, 2, 3], "it is back");
    stage.meet("one that was cut off catches up");

    // One is killed, and comes back with its disk.
    stage.kill(1);
    load.goes_on(&[0, 2, 3], "one is killed");
    stage.start(1);
    load.goes_on(&[0, 1, 2, 3], "the killed one is back");
    stage.meet("one that was killed catches up");

    // Two halves, each with half of the callers: nothing is acknowledged, nothing breaks.
    stage.lab.halve();
    load.settle();
    let before = load.all();
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(load.all(), before, "half of the validators acknowledged something");
    stage.all_run();
    stage.lab.heal();
    load.goes_on(&[0, 1, 2, 3], "the halves are joined again");

    // One is killed while another is cut off: two are left, and stop without harm.
    stage.lab.cut(3);
    stage.kill(2);
    load.settle();
    let before = load.all();
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(load.all(), before, "two of four acknowledged something");
    stage.lab.heal();
    stage.start(2);
    load.goes_on(&[0, 1, 2, 3], "all are there again");

    // All lines are slow, and lose packets where the kernel can do that.
    println!("lines are slowed by {}", stage.lab.slow());
    load.goes_on(&[0, 1, 2, 3], "all lines are slow");
    stage.kill(0);
    load.goes_on(&[1, 2, 3], "all lines are slow and the founder is killed");
    stage.start(0);
    stage.lab.fast();
    load.goes_on(&[0, 1, 2, 3], "the lines are fast again");

    // What anybody was told stands on every ledger, at the same height; and the ledgers are one.
    let acknowledged = load.end();
    stage.meet("the end");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (member, name) in MEMBERS.iter().enumerate() {
        let client = stage.client(member);
        for (id, height) in &acknowledged {
            let begun = Instant::now();
            let found = loop {
                match runtime.block_on(client.transaction(id)) {
                    // More are asked for than a node answers one caller at once.
                    Err(error) if error.code() == Some("rate_limited") && begun.elapsed() < Duration::from_secs(90) => {
                        std::thread::sleep(Duration::from_millis(100));
                    }
                    found => break found.unwrap_or_else(|error| panic!("{name} lost {id}: {error}")),
                }
            };
            assert_eq!((found.height, found.code.as_str()), (*height, "ok"), "{name} has {id} elsewhere");
        }
    }
    println!("{} transactions were acknowledged; each is on all four ledgers", acknowledged.len());
    // A header commits to the state's root and to all headers before it.
    let state = |member: usize| {
        let note = runtime.block_on(stage.client(member).checkpoint()).unwrap();
        note.split("\n\n").next().unwrap().to_owned()
    };
    until("one checkpoint of all", || (0..4).map(state).collect::<BTreeSet<_>>().len() == 1);
    stage.all_run();
    for member in MEMBERS {
        let log = fs::read_to_string(stage.home(member).join("node.log")).unwrap();
        assert!(!log.contains("panicked"), "{member}'s node panicked: {log}");
    }
}

/// The namespaces, and the bridge that joins them. Node `at` has the address `subnet` + at + 1; this process reaches all by the bridge.
struct Lab {
    tag: String,
    subnet: String,
}

impl Lab {
    /// None where this machine cannot have it.
    fn build() -> Option<Self> {
        let process = std::process::id();
        let lab = Self {
            tag: format!("so{:x}", process & 0xff_ffff),
            subnet: format!("10.{}.{}.", 64 + (process >> 8) % 128, process & 0xff),
        };
        let made = lab.make();
        if let Err(why) = made {
            // Past what the test runner captures.
            let told = format!("SKIPPED, nothing is proven: this machine makes no network namespaces: {why}\n");
            std::io::stderr().write_all(told.as_bytes()).unwrap();
            return None;
        }
        Some(lab)
    }

    fn make(&self) -> Result<(), String> {
        let bridge = self.bridge();
        ip(&["link", "add", &bridge, "type", "bridge"])?;
        ip(&["addr", "add", &format!("{}254/24", self.subnet), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for at in 0..4 {
            let (space, outer) = (self.space(at), self.outer(at));
            ip(&["netns", "add", &space])?;
            ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &space])?;
            ip(&["link", "set", &outer, "master", &bridge, "up"])?;
            ip(&["-n", &space, "addr", "add", &format!("{}/24", self.address(at)), "dev", "eth0"])?;
            ip(&["-n", &space, "link", "set", "lo", "up"])?;
            ip(&["-n", &space, "link", "set", "eth0", "up"])?;
        }
        Ok(())
    }

    fn bridge(&self) -> String {
        format!("{}b", self.tag)
    }

    fn space(&self, at: usize) -> String {
        format!("{}n{at}", self.tag)
    }

    fn outer(&self, at: usize) -> String {
        format!("{}v{at}", self.tag)
    }

    fn address(&self, at: usize) -> String {
        format!("{}{}", self.subnet, at + 1)
    }

    /// From everybody.
    fn cut(&self, at: usize) {
        ip(&["link", "set", &self.outer(at), "down"]).unwrap();
    }

    /// Into two pairs, which this process reaches still.
    fn halve(&self) {
        self.between_halves("add");
    }

    fn between_halves(&self, what: &str) {
        for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            for (from, to) in [(from, to), (to, from)] {
                let route = format!("{}/32", self.address(to));
                // Taken away where there is none.
                let done = ip(&["-n", &self.space(from), "route", what, "blackhole", &route]);
                assert!(done.is_ok() || what == "del", "{done:?}");
            }
        }
    }

    fn heal(&self) {
        self.between_halves("del");
        for at in 0..4 {
            ip(&["link", "set", &self.outer(at), "up"]).unwrap();
        }
    }

    /// Delays and loses what the lines carry; where the kernel has no `netem`, it makes them narrow. How.
    fn slow(&self) -> &'static str {
        let netem = ["netem", "delay", "80ms", "20ms", "loss", "1%"];
        if (0..4).all(|at| self.shape(at, &netem).is_ok()) {
            return "netem: 80 ms each way, one packet in a hundred lost";
        }
        self.fast();
        for at in 0..4 {
            self.shape(at, &["tbf", "rate", "512kbit", "burst", "4kb", "latency", "2s"]).unwrap();
        }
        "tbf: 512 kbit/s each way (this kernel has no netem)"
    }

    fn shape(&self, at: usize, how: &[&str]) -> Result<(), String> {
        let outer = self.outer(at);
        run("tc", &[&["qdisc", "add", "dev", &outer, "root"], how].concat())?;
        run("tc", &[&["-n", &self.space(at), "qdisc", "add", "dev", "eth0", "root"], how].concat())
    }

    fn fast(&self) {
        for at in 0..4 {
            // None is there where it failed half way.
            let _ = run("tc", &["qdisc", "del", "dev", &self.outer(at), "root"]);
            let _ = run("tc", &["-n", &self.space(at), "qdisc", "del", "dev", "eth0", "root"]);
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for at in 0..4 {
            // The pair of the line goes with it.
            let _ = ip(&["link", "del", &self.outer(at)]);
            let _ = ip(&["netns", "del", &self.space(at)]);
        }
        let _ = ip(&["link", "del", &self.bridge()]);
    }
}

/// The members' homes in one directory, and their nodes, by place.
struct Stage {
    nodes: [Option<Child>; 4],
    directory: tempfile::TempDir,
    lab: Lab,
}

impl Stage {
    fn raise(lab: Lab) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("passphrase"), "correct horse battery staple").unwrap();
        let mut stage = Self { nodes: [const { None }; 4], directory, lab };
        for (at, name) in MEMBERS.iter().enumerate() {
            let (listen, order) =
                (format!("{}:7443", stage.lab.address(at)), format!("{}:7400", stage.lab.address(at)));
            let place = ["--listen", &listen, "--order-listen", &order];
            if at == 0 {
                let founding = ["init", "--member", MEMBERS[0], "--consortium", "Namespaces", "--regulator"];
                stage.run(0, &[&founding[..], &place].concat());
            } else {
                let invitation = stage.directory.path().join(format!("{name}.invitation"));
                let invitation = invitation.to_str().unwrap().to_owned();
                let fingerprint = stage.run(0, &["invite", name, "--out", &invitation]);
                stage.run(at, &[&["join", &invitation, "--fingerprint", &fingerprint], &place[..]].concat());
            }
            stage.start(at);
        }
        until("all have a seat", || stage.try_run(0, &["member", "validators", "begin"]).is_ok());
        for at in 0..4 {
            let shown = || stage.run(at, &["member", "validators", "show"]);
            until("all order together", || shown().starts_with("quorum") && !shown().ends_with("followed"));
        }
        stage
    }

    fn home(&self, member: &str) -> PathBuf {
        self.directory.path().join(member)
    }

    fn arguments(&self, at: usize) -> Vec<String> {
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (home, passphrase) = (path(self.home(MEMBERS[at])), path(self.directory.path().join("passphrase")));
        vec!["--home".into(), home, "--passphrase-file".into(), passphrase]
    }

    /// What a command prints with `--quiet`, or what it says when it refuses.
    fn try_run(&self, at: usize, arguments: &[&str]) -> Result<String, String> {
        let mut command = clean(Command::new(SOTTO));
        command.args(self.arguments(at)).arg("--quiet").args(arguments).stdin(Stdio::null());
        told(&command.output().unwrap())
    }

    fn run(&self, at: usize, arguments: &[&str]) -> String {
        self.try_run(at, arguments).unwrap_or_else(|told| panic!("{}: {arguments:?}: {told}", MEMBERS[at]))
    }

    /// Starts a node in its namespace and waits until it serves.
    fn start(&mut self, at: usize) {
        let log = self.home(MEMBERS[at]).join("node.log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = clean(Command::new("ip"));
        // `ip` becomes the node: its process is the one to kill.
        command.args(["netns", "exec", &self.lab.space(at), SOTTO]).args(self.arguments(at));
        command.args(["node", "run", "--stop-with-stdin"]).stdin(Stdio::piped());
        self.nodes[at] = Some(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
        self.run(at, &["node", "status", "--wait", "60"]);
    }

    fn kill(&mut self, at: usize) {
        let mut node = self.nodes[at].take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    fn all_run(&mut self) {
        for (node, member) in self.nodes.iter_mut().zip(MEMBERS) {
            let ended = node.as_mut().and_then(|node| node.try_wait().unwrap());
            assert!(ended.is_none(), "{member}'s node has ended: {ended:?}");
        }
    }

    /// Waits until every node has what any of them has now.
    fn meet(&self, what: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clients: Vec<_> = (0..4).map(|at| self.client(at)).collect();
        let height = |client: &Client| runtime.block_on(client.health()).map_or(0, |health| health.height);
        let newest = clients.iter().map(height).max().unwrap();
        until(what, || clients.iter().all(|client| height(client) >= newest));
    }

    /// The member's operator.
    fn client(&self, at: usize) -> Client {
        let passphrase = Passphrase::read(&self.directory.path().join("passphrase")).unwrap();
        let wallet = Wallet::open(&self.home(MEMBERS[at]).join("operator"), &passphrase).unwrap();
        let chain = wallet.consortium().unwrap().chain;
        Client::new(wallet.endpoint().unwrap(), wallet.keys(), PRINCIPAL, chain, Arc::new(now)).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for node in self.nodes.iter_mut().flatten() {
            let _ = node.kill();
            let _ = node.wait();
        }
        if std::thread::panicking() {
            for member in MEMBERS {
                let log = fs::read_to_string(self.home(member).join("node.log")).unwrap_or_default();
                // The engine tells much of what it opens.
                let telling = |line: &&str| !line.contains("marshal::core::cache");
                let last = log.lines().rev().filter(telling).take(8).collect::<Vec<_>>();
                eprintln!("--- {member}'s node, the newest first\n{}", last.join("\n"));
            }
        }
    }
}

/// Callers at each node, each with one transaction after the other, and what they were told.
struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<[AtomicUsize; 4]>,
    acknowledged: Arc<Mutex<Vec<(Digest, u64)>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(stage: &Stage) -> Self {
        let mut load =
            Self { stop: Arc::default(), counts: Arc::default(), acknowledged: Arc::default(), callers: Vec::new() };
        for at in 0..4 {
            let client = stage.client(at);
            for caller in 0..CALLERS {
                let (client, stop) = (client.clone(), load.stop.clone());
                let (counts, acknowledged) = (load.counts.clone(), load.acknowledged.clone());
                load.callers.push(std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    for number in 0_u32.. {
                        if stop.load(Relaxed) {
                            return;
                        }
                        // Whoever gets no answer knows nothing, and asks with another one.
                        let adding = add(&client, format!("p-{at}-{caller}-{number}"));
                        match runtime.block_on(async { tokio::time::timeout(PATIENCE, adding).await }) {
                            Ok(Ok(told)) => {
                                assert_eq!(told.code, "ok");
                                acknowledged.lock().unwrap().push((told.id, told.height));
                                counts[at].fetch_add(1, Relaxed);
                            }
                            Ok(Err(_)) | Err(_) => std::thread::sleep(Duration::from_millis(100)),
                        }
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }));
            }
        }
        load
    }

    fn of(&self, at: usize) -> usize {
        self.counts[at].load(Relaxed)
    }

    fn all(&self) -> usize {
        (0..4).map(|at| self.of(at)).sum()
    }

    fn is_up(&self) -> bool {
        assert!(self.callers.iter().all(|caller| !caller.is_finished()), "a caller was told what cannot be");
        true
    }

    /// Until what was on its way has arrived, or nobody waits for it any more.
    fn settle(&self) {
        assert!(self.is_up());
        std::thread::sleep(PATIENCE + Duration::from_secs(2));
    }

    /// Each of these nodes acknowledges twenty more.
    fn goes_on(&self, among: &[usize], when: &str) {
        let begun = Instant::now();
        let before: Vec<usize> = among.iter().map(|at| self.of(*at)).collect();
        until(when, || self.is_up() && among.iter().zip(&before).all(|(at, before)| self.of(*at) >= before + 20));
        println!("{when}: twenty more at each of {} nodes in {:.1} s", among.len(), begun.elapsed().as_secs_f64());
    }

    fn end(self) -> Vec<(Digest, u64)> {
        self.stop.store(true, Relaxed);
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
        std::mem::take(&mut self.acknowledged.lock().unwrap())
    }
}

async fn add(client: &Client, name: String) -> Result<client::api::TransactionResult, client::Error> {
    let key = crypto::SigningKey::generate().public();
    client.submit("members", "principal_add", &PrincipalAdd { name, key, roles: vec![Role::Owner] }).await
}

fn clean(mut command: Command) -> Command {
    command.env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE").env_remove("CREDENTIALS_DIRECTORY");
    command
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    told(&output).map(drop).map_err(|told| format!("{program} {}: {told}", arguments.join(" ")))
}

fn told(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(90), "a minute and a half went by before this held: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

const SOTTO: &str = env!("CARGO_BIN_EXE_sotto");
/// At each node.
const CALLERS: usize = 2;
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
