//! Four validators over real sockets and files on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crypto::{Secret, SigningKey};
use ledger::{
    Application, Committed, Consortium, Context, Effects, Epoch, Failure, Genesis, Ledger, Ordering as _, Refusal,
    State, Submit, Transaction, Validator, VerifiedTransaction, Write,
};
use order::{Certificate, Committee, Config, Endpoint, Pace, PoolLimits, Quorum, StartError};
use wire::{Bytes, Fixed};

struct Records;

impl Application for Records {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", application)])
    }

    fn execute(&self, _: &dyn State, _: &Context, transaction: &VerifiedTransaction) -> Result<Effects, Failure> {
        let id = transaction.id();
        Ok(Effects { writes: vec![Write::put(*id.as_bytes(), *b"here")], events: vec![] })
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        let bytes = state.get(b"epoch")?.expect("the genesis writes it");
        Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("it was written well"))
    }
}

struct Network {
    directory: tempfile::TempDir,
    epoch: Epoch,
    genesis: Genesis,
    addresses: Vec<SocketAddr>,
}

impl Network {
    fn new() -> Self {
        let validators =
            (0..4).map(|at| Validator { name: format!("v{at}"), key: key(at).public(), ml_dsa: None }).collect();
        let epoch = Epoch { number: 3, validators };
        let application = Bytes(wire::to_vec(&epoch));
        let genesis = Genesis { name: "loopback".into(), created: 0, application, nonce: Fixed(crypto::random()) };
        let addresses = (0..4).map(|_| free_address()).collect();
        Self { directory: tempfile::tempdir().unwrap(), epoch, genesis, addresses }
    }

    fn ledger(&self, at: u8) -> Arc<Ledger> {
        let path = self.directory.path().join(format!("{at}.ledger"));
        Arc::new(Ledger::open(&path, Arc::new(Records), self.genesis.clone()).unwrap())
    }

    fn config(&self, at: u8) -> Config {
        let peers = self.addresses.iter().enumerate();
        Config {
            directory: Path::join(self.directory.path(), format!("{at}.order")),
            key: Secret::new([at + 1; 32]),
            epoch: self.epoch.clone(),
            peers: peers.map(|(at, address)| (format!("v{at}"), Endpoint::Socket(*address))).collect(),
            listen: self.addresses[usize::from(at)],
            private_addresses: true,
            base: 0,
            last: Arc::new(|transactions| transactions.iter().any(|signed| signed.transaction.method == "end")),
            pace: Pace::default(),
            pool: PoolLimits::default(),
            keep: 64 << 20,
            threads: 1,
        }
    }

    fn call(&self, number: u64) -> VerifiedTransaction {
        self.call_to(number, "put")
    }

    fn call_to(&self, number: u64, method: &str) -> VerifiedTransaction {
        let sender = SigningKey::from_seed(&[77; 32]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let transaction = Transaction {
            chain: self.genesis.chain(),
            sender: sender.public(),
            nonce: Fixed(nonce),
            expires: now + 600_000,
            contract: "records".into(),
            method: method.into(),
            arguments: Bytes(vec![]),
        };
        VerifiedTransaction::verify(transaction.sign(&sender), &self.genesis.chain()).unwrap()
    }
}

impl Network {
    /// The independent reader (`interop/verify_certificate.py`) accepts it, and refuses what is not quite it.
    fn read_in_python(&self, certificate: &Certificate) {
        let mut consortium = Consortium::new(&self.genesis);
        consortium.epochs.push(self.epoch.clone().pinned(0));
        let file = |name: &str| self.directory.path().join(name);
        std::fs::write(file("consortium.toml"), consortium.to_toml()).unwrap();
        let mut others = vec![certificate.clone(); 5];
        others[1].header.time += 1;
        others[2].view += 1;
        others[3].votes.remove(0);
        others[4].votes.reverse();
        let read = |certificate: &Certificate| {
            std::fs::write(file("certificate"), certificate.to_bytes()).unwrap();
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/verify_certificate.py");
            let python = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
            let mut command = Command::new(python);
            command.arg("-B").arg(script).arg(file("certificate")).arg("--consortium").arg(file("consortium.toml"));
            let output = command.output().expect("python3 is needed by this test");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!errors.contains("Traceback"), "{errors}");
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &errors)
        };
        let (good, told) = read(&others[0]);
        assert!(good && told.contains(&certificate.header.executed_header.to_string()), "{told}");
        for other in &others[1..] {
            let (good, told) = read(other);
            assert!(!good && told.starts_with("refused: "), "{told}");
        }
    }
}

/// One that nobody listens on just now, and that no other test was given.
fn free_address() -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap();
    loop {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        if given.insert(address) {
            return address;
        }
    }
}

fn key(at: u8) -> SigningKey {
    SigningKey::from_seed(&[at + 1; 32])
}

/// Submits one and waits for its answer.
fn order(quorum: &Quorum, transaction: VerifiedTransaction) -> Result<Committed, Refusal> {
    let (done, wait) = mpsc::channel();
    quorum.submit(vec![transaction], Box::new(move |results| drop(done.send(results)))).unwrap();
    wait.recv_timeout(Duration::from_secs(60)).expect("answered in a minute").expect("it runs").remove(0)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn four_validators_order_survive_a_loss_and_take_it_back() {
    let network = Network::new();
    let ledgers: Vec<_> = (0..4).map(|at| network.ledger(at)).collect();
    let mut quorums: Vec<_> = ledgers
        .iter()
        .zip(0..)
        .map(|(ledger, at)| Some(Quorum::start(network.config(at), ledger.clone()).unwrap()))
        .collect();
    let mut number = 0;
    let mut next = || {
        number += 1;
        network.call(number)
    };
    let first = next();
    order(quorums[0].as_ref().unwrap(), first.clone()).unwrap();
    for at in [1, 2, 3, 0, 1] {
        let committed = order(quorums[at].as_ref().unwrap(), next()).unwrap();
        assert!(committed.outcome.is_ok() && committed.height <= ledgers[at].durable_height());
    }
    // One goes; what waited there is told so.
    let (done, wait) = mpsc::channel();
    let gone = quorums[3].take().unwrap();
    gone.submit(vec![next()], Box::new(move |results| done.send(results.is_ok()).expect("it waits"))).unwrap();
    drop(gone);
    let _: bool = wait.recv_timeout(Duration::from_secs(10)).expect("answered one way or the other");
    for at in [0, 1, 2, 0, 1, 2] {
        order(quorums[at].as_ref().unwrap(), next()).unwrap();
    }
    // It comes back with what it has, and meets the others.
    quorums[3] = Some(Quorum::start(network.config(3), ledgers[3].clone()).unwrap());
    let last = order(quorums[3].as_ref().unwrap(), next()).unwrap();
    until("catching up", || ledgers.iter().all(|ledger| ledger.head().height >= last.height));
    let digests: Vec<_> = ledgers.iter().map(|ledger| ledger.header(last.height).unwrap().unwrap().digest()).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));

    let committee = Committee::new(network.genesis.chain(), &network.epoch);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let certificate = runtime.block_on(quorums[3].as_ref().unwrap().certificate()).expect("there are final slates");
    certificate.verify(&committee).unwrap();
    assert_eq!(certificate.header.epoch, 3);
    network.read_in_python(&certificate);
    for quorum in quorums.iter().flatten() {
        assert!(quorum.status().fault.is_none() && quorum.offences().is_empty());
    }

    // A new process of the same validator: the ledger file and the engine's own are enough.
    drop(quorums);
    drop(ledgers);
    let ledgers: Vec<_> = (0..4).map(|at| network.ledger(at)).collect();
    let quorums: Vec<_> = ledgers
        .iter()
        .zip(0..)
        .map(|(ledger, at)| Quorum::start(network.config(at), ledger.clone()).unwrap())
        .collect();
    assert!(order(&quorums[2], next()).unwrap().height > last.height);
    // What was ordered in the run before is refused at once.
    assert!(matches!(order(&quorums[0], first), Err(Refusal::Replayed { .. })));
}

#[test]
fn what_cannot_work_does_not_start() {
    let network = Network::new();
    let ledger = network.ledger(0);
    let start = |change: &dyn Fn(&mut Config)| {
        let mut config = network.config(0);
        change(&mut config);
        Quorum::start(config, ledger.clone()).err()
    };
    assert!(matches!(start(&|config| config.key = Secret::new([99; 32])), Some(StartError::NotValidator { epoch: 3 })));
    let missing = start(&|config| drop(config.peers.remove("v2")));
    assert!(matches!(missing, Some(StartError::Address { name }) if name == "v2"));
    let extra = start(&|config| drop(config.peers.insert("nobody".into(), Endpoint::Host("x".into(), 1))));
    assert!(matches!(extra, Some(StartError::Address { name }) if name == "nobody"));
    assert!(matches!(start(&|config| config.base = 1), Some(StartError::Base { found: 0, expected: 1 })));
    assert!(start(&|config| config.peers = BTreeMap::new()).is_some());
    // A batch that no slate holds.
    let quorum = Quorum::start(network.config(0), ledger.clone()).unwrap();
    let many = vec![network.call(1); ledger::MAX_BLOCK_TRANSACTIONS + 1];
    assert_eq!(quorum.submit(many, Box::new(|_| {})), Err(Submit::TooLarge));
}

#[test]
fn an_epoch_ends_with_its_last_block_and_the_next_begins_there() {
    let network = Network::new();
    let ledgers: Vec<_> = (0..4).map(|at| network.ledger(at)).collect();
    let start = |epoch: u64, base: u64, at: u8| {
        let mut config = network.config(at);
        config.epoch.number = epoch;
        config.directory.push(epoch.to_string());
        Quorum::start(Config { base, ..config }, ledgers[usize::from(at)].clone())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let old: Vec<_> = (0..4).map(|at| start(3, 0, at).unwrap()).collect();
    for number in 0..5 {
        order(&old[0], network.call(number)).unwrap();
    }
    // Much is on its way when the end comes: all of it is in no block, or in one up to the last.
    let (done, wait) = mpsc::channel();
    for number in 100..200 {
        let done = done.clone();
        let told = Box::new(move |results: Result<_, _>| {
            // Nobody waits any more once the test has failed.
            let _ = done.send(results.is_ok());
        });
        old[number as usize % 4].submit(vec![network.call(number)], told).unwrap();
    }
    drop(done);
    let last = order(&old[1], network.call_to(1_000, "end")).unwrap().height;
    for (quorum, ledger) in old.iter().zip(&ledgers) {
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), quorum.ended()).await }).unwrap();
        assert_eq!((ledger.head().height, ledger.durable_height()), (last, last));
        assert_eq!(ledger.head(), ledgers[0].head());
        assert_eq!(quorum.submit(vec![network.call(2_000)], Box::new(|_| {})), Err(Submit::Stopped));
    }
    assert_eq!(wait.iter().count(), 100);
    drop(old);

    let new: Vec<_> = (0..4).map(|at| start(4, last, at).unwrap()).collect();
    for number in 200..210 {
        assert!(order(&new[number as usize % 4], network.call(number)).unwrap().height > last);
    }
    // What was lost at the end can be submitted anew; what was not is known.
    for number in [0, 150] {
        let again = order(&new[2], network.call(number));
        assert!(again.is_ok() || matches!(again, Err(Refusal::Replayed { .. })), "{again:?}");
    }
    let height = ledgers[2].head().height;
    until("equal heights", || ledgers.iter().all(|ledger| ledger.head().height >= height));
    assert!(new.iter().all(|quorum| quorum.status().fault.is_none()));
    drop(new);
    // It goes on after a restart; one that got a block from elsewhere knows that it cannot.
    drop(start(4, last, 3).unwrap());
    ledgers[3].propose(vec![network.call(9_999)], 0).unwrap();
    assert!(matches!(start(4, last, 3), Err(StartError::Base { found, expected }) if found == expected + 1));
}
