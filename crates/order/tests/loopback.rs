//! Four validators over real sockets and files on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crypto::{Secret, SigningKey};
use ledger::{
    Application, Committed, Consortium, Context, Effects, Epoch, Failure, Genesis, Ledger, MAX_ARGUMENTS,
    MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, Ordering as _, Refusal, State, Submit, Transaction, Validator,
    VerifiedTransaction, Write,
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
        self.call_of(77, number, method, 0).unwrap()
    }

    /// A call of a sender with arguments of a length.
    fn call_of(&self, sender: u8, number: u64, method: &str, length: usize) -> Result<VerifiedTransaction, Refusal> {
        let sender = SigningKey::from_seed(&[sender; 32]);
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
            arguments: Bytes(vec![7; length]),
        };
        VerifiedTransaction::verify(transaction.sign(&sender), &self.genesis.chain())
    }

    /// So many calls of a sender that have so many bytes in all: of the first ones each as large as may be, of the last ones each small.
    fn bundle(&self, sender: u8, count: usize, bytes: usize) -> Vec<VerifiedTransaction> {
        let call = |at: usize, length| self.call_of(sender, at as u64, "put", length).unwrap();
        // Arguments of this length and of the longest have heads of one length.
        let least = call(0, SMALL).size();
        let mut spare = bytes.checked_sub(count * least).expect("all have room");
        let calls = (0..count).map(|at| {
            let more = spare.min(MAX_ARGUMENTS - SMALL);
            spare -= more;
            call(at, SMALL + more)
        });
        let calls: Vec<_> = calls.collect();
        assert_eq!(calls.iter().map(VerifiedTransaction::size).sum::<usize>(), bytes);
        calls
    }

    /// How many calls fill a slate, of which all that can be are as large as may be.
    fn fewest(&self) -> usize {
        MAX_BLOCK_BYTES.div_ceil(self.call_of(0, 0, "put", MAX_ARGUMENTS).unwrap().size())
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
    wait.recv_timeout(Duration::from_secs(180)).expect("answered in three minutes").expect("it runs").remove(0)
}

/// Submits some that belong together; whoever waits learns what became of them.
fn submit(quorum: &Quorum, bundle: Vec<VerifiedTransaction>) -> mpsc::Receiver<Vec<Result<Committed, Refusal>>> {
    let (done, wait) = mpsc::channel();
    let told = Box::new(move |results: Result<_, _>| {
        // Nobody waits any more once the test has failed.
        let _ = done.send(results.expect("it runs"));
    });
    quorum.submit(bundle, told).unwrap();
    wait
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(180), "{what} takes too long");
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
fn the_largest_bundles_are_ordered_and_larger_ones_refused() {
    let network = Network::new();
    let ledgers: Vec<_> = (0..4).map(|at| network.ledger(at)).collect();
    let start = |at: u8| Quorum::start(network.config(at), ledgers[usize::from(at)].clone()).unwrap();
    let mut quorums: Vec<_> = (0..4).map(|at| Some(start(at))).collect();
    let [fewest, most] = [network.fewest(), MAX_BLOCK_TRANSACTIONS];
    let mut sender = 0;
    // As many bytes as a slate holds, in as few transactions as can be and in as many as may be.
    let mut full = |count| {
        sender += 1;
        network.bundle(sender, count, MAX_BLOCK_BYTES)
    };
    let mut ordered = Vec::new();
    let answered = |wait: mpsc::Receiver<Vec<Result<Committed, Refusal>>>| {
        let results = wait.recv_timeout(Duration::from_secs(180)).expect("answered in three minutes");
        let committed: Vec<Committed> = results.into_iter().collect::<Result<_, _>>().expect("none is refused");
        assert!(committed.iter().all(|one| one.outcome.is_ok() && one.height == committed[0].height));
        committed[0].height
    };

    // One at each validator, all at once.
    let bundles = [full(fewest), full(most), full(fewest), full(most)];
    let waiting: Vec<_> = quorums.iter().flatten().zip(bundles).map(|(at, bundle)| submit(at, bundle)).collect();
    ordered.extend(waiting.into_iter().map(answered));
    // One validator is away while there are more, and fetches the slates with their certificates.
    drop(quorums[3].take());
    let away = ledgers[3].head().height;
    let bundles = [full(fewest), full(most)];
    let waiting: Vec<_> = quorums.iter().flatten().zip(bundles).map(|(at, bundle)| submit(at, bundle)).collect();
    ordered.extend(waiting.into_iter().map(answered));
    quorums[3] = Some(start(3));
    ordered.push(order(quorums[3].as_ref().unwrap(), network.call(1)).unwrap().height);
    let last = *ordered.iter().max().unwrap();
    assert!(away < last);
    until("catching up", || ledgers.iter().all(|ledger| ledger.head().height >= last));

    // Each is a block, in which nothing else has room; all have the same ones.
    assert_eq!(ordered.iter().collect::<BTreeSet<_>>().len(), 7);
    for ledger in &ledgers {
        assert_eq!(ledger.header(last).unwrap(), ledgers[0].header(last).unwrap());
        for block in ledger.blocks(1, usize::MAX).unwrap() {
            let bytes: usize = block.transactions.iter().map(|signed| signed.to_bytes().len()).sum();
            assert!(bytes <= MAX_BLOCK_BYTES && block.transactions.len() <= MAX_BLOCK_TRANSACTIONS);
            let full = ordered[..6].contains(&block.header.height);
            assert!(!full || bytes == MAX_BLOCK_BYTES, "block {} has {bytes} bytes", block.header.height);
        }
    }

    // One byte or one transaction more is refused where it is submitted, and a larger transaction before.
    let quorum = quorums[0].as_ref().unwrap();
    let refused = |bundle| quorum.submit(bundle, Box::new(|_| panic!("it was refused"))).unwrap_err();
    assert_eq!(refused(network.bundle(100, fewest, MAX_BLOCK_BYTES + 1)), Submit::TooLarge);
    assert_eq!(refused(network.bundle(100, most + 1, MAX_BLOCK_BYTES)), Submit::TooLarge);
    let oversize = network.call_of(100, 0, "put", MAX_ARGUMENTS + 1);
    assert!(matches!(oversize, Err(Refusal::Oversize { limit: MAX_ARGUMENTS, .. })));
    // What is too much for one slate in two bundles goes into two.
    let height = order(quorum, network.call(2)).unwrap().height;
    let bundles = [full(most), full(fewest)];
    let waiting: Vec<_> = bundles.into_iter().map(|bundle| submit(quorum, bundle)).collect();
    let heights: Vec<u64> = waiting.into_iter().map(answered).collect();
    assert!(heights.iter().all(|found| *found > height) && heights[0] != heights[1], "{heights:?}");
    for quorum in quorums.iter().flatten() {
        assert!(quorum.status().fault.is_none() && quorum.offences().is_empty());
    }
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

/// Arguments of a small call that fills up a bundle.
const SMALL: usize = 256;
