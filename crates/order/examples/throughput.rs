//! Measures validators as processes on this machine's loopback, each with its own clients:
//!
//! `cargo run --release -p sottovoce-order --example quorum-throughput -- [--validators 4] [--seconds 20] [--rate R] [--bytes 256]
//! [--window 1500] [--directory DIR] [--json]`
//!
//! Transactions are signed beforehand, verified when they are submitted, and register one record each. With a rate, they are
//! submitted at that rate whatever comes back; without, each validator's clients keep `--window` of them open. A
//! transaction's latency ends when it is final, executed and on disk at the validator that it was submitted to.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crypto::{Secret, SigningKey};
use ledger::{
    Application, Context, Effects, Epoch, Failure, Genesis, Ledger, Ordering as _, SignedTransaction, State,
    Transaction, Validator, VerifiedTransaction, Write,
};
use order::{Config, Endpoint, Pace, PoolLimits, Quorum};
use wire::{Bytes, Fixed};

/// The one that `sotto` uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Registers a data record that must be new.
struct Records;

impl Application for Records {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", application)])
    }

    fn execute(&self, state: &dyn State, _: &Context, transaction: &VerifiedTransaction) -> Result<Effects, Failure> {
        let key = [b"record/", transaction.id().as_bytes().as_slice()].concat();
        if state.get(&key)?.is_some() {
            return Err(Failure::refuse("exists", "the record exists"));
        }
        Ok(Effects { writes: vec![Write::put(key, transaction.transaction().arguments.0.clone())], events: vec![] })
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        let bytes = state.get(b"epoch")?.expect("the genesis writes it");
        Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("it was written well"))
    }
}

#[derive(Clone)]
struct Options {
    validators: u8,
    seconds: u64,
    rate: Option<u64>,
    bytes: usize,
    window: usize,
    gap: u64,
    directory: PathBuf,
    json: bool,
    /// Of a validator's process: its place, and where all listen.
    place: Option<u8>,
    ports: Vec<u16>,
}

fn main() -> Result<(), Box<dyn Error>> {
    // With `RUST_LOG=debug` the engine tells what it does.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let options = parse()?;
    match options.place {
        Some(place) => validate(&options, place),
        None => conduct(&options),
    }
}

fn parse() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        validators: 4,
        seconds: 20,
        rate: None,
        bytes: 256,
        window: 1_500,
        gap: 10,
        directory: std::env::temp_dir().join(format!("order-throughput-{}", std::process::id())),
        json: false,
        place: None,
        ports: vec![],
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--json" {
            options.json = true;
            continue;
        }
        let value = arguments.next().ok_or("an option without a value")?;
        match name.as_str() {
            "--validators" => options.validators = value.parse()?,
            "--seconds" => options.seconds = value.parse()?,
            "--rate" => options.rate = Some(value.parse()?),
            "--bytes" => options.bytes = value.parse()?,
            "--window" => options.window = value.parse()?,
            "--gap" => options.gap = value.parse()?,
            "--directory" => options.directory = value.into(),
            "--place" => options.place = Some(value.parse()?),
            "--ports" => options.ports = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

/// Starts the validators' processes, and sums up what they say.
fn conduct(options: &Options) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&options.directory)?;
    let listeners = (0..options.validators).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let ports: Vec<String> =
        listeners.iter().map(|one| Ok(one.local_addr()?.port().to_string())).collect::<Result<_, std::io::Error>>()?;
    drop(listeners);
    let mut children = Vec::new();
    for place in 0..options.validators {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args().skip(1)).arg("--place").arg(place.to_string());
        command.arg("--ports").arg(ports.join(",")).arg("--directory").arg(&options.directory);
        children.push(Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?));
    }
    let mut outputs: Vec<_> =
        children.iter_mut().map(|child| BufReader::new(child.0.stdout.take().expect("it is piped"))).collect();
    let line = |output: &mut BufReader<_>| -> Result<String, std::io::Error> {
        let mut line = String::new();
        output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    };
    for output in &mut outputs {
        if line(output)? != "ready" {
            return Err("a validator did not get ready".into());
        }
    }
    for child in &mut children {
        child.0.stdin.as_mut().expect("it is piped").write_all(b"go\n")?;
    }
    let (mut ordered, mut blocks) = (0u64, 0u64);
    for output in &mut outputs {
        let report = line(output)?;
        let mut numbers = report.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next().ok_or("a short report")?.map_err(|_| "a bad report");
        ordered += next()?;
        blocks = blocks.max(next()?);
    }
    for mut child in children {
        child.0.wait()?;
    }
    let mut latencies: Vec<u32> = Vec::new();
    for place in 0..options.validators {
        let bytes = fs::read(options.directory.join(format!("{place}.latencies")))?;
        latencies.extend(bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().expect("four bytes"))));
    }
    latencies.sort_unstable();
    let at = |part: f64| -> f64 {
        let index = ((latencies.len() as f64 * part) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
    };
    let seconds = options.seconds as f64;
    let total = fs::read_to_string(options.directory.join("0.total"))?.trim().parse::<u64>()?.max(1) as f64;
    let (ledger, engine) =
        (size(&options.directory.join("0.ledger"))? as f64, size(&options.directory.join("0.order"))? as f64);
    let (rate, per) = (ordered as f64 / seconds, blocks as f64 / seconds);
    let (p50, p99) = (at(0.5), at(0.99));
    let disk = (ledger + engine) / total;
    if options.json {
        println!(
            "{{\"tx_per_second\":{rate:.0},\"rate\":{},\"p50_ms\":{p50:.1},\"p99_ms\":{p99:.1},\"blocks_per_second\":{per:.1},\"disk_bytes_per_tx\":{disk:.0}}}",
            options.rate.map_or("null".into(), |rate| rate.to_string()),
        );
    } else {
        println!("{rate:.0} tx/s, p50 {p50:.1} ms, p99 {p99:.1} ms, {per:.1} blocks/s");
        println!(
            "{disk:.0} bytes of disk per transaction: {:.0} in the ledger, {:.0} in the engine, which keeps recent slates only",
            ledger / total,
            engine / total,
        );
    }
    fs::remove_dir_all(&options.directory)?;
    Ok(())
}

/// Ends the process with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
    }
}

/// One validator with its clients.
fn validate(options: &Options, place: u8) -> Result<(), Box<dyn Error>> {
    let validators = (0..options.validators).map(|at| Validator {
        name: format!("v{at}"),
        key: SigningKey::from_seed(&[at + 1; 32]).public(),
        ml_dsa: None,
    });
    let epoch = Epoch { number: 0, validators: validators.collect() };
    let application = Bytes(wire::to_vec(&epoch));
    let genesis = Genesis { name: "bench".into(), created: 0, application, nonce: Fixed([7; 16]) };
    let chain = genesis.chain();
    let path = options.directory.join(format!("{place}.ledger"));
    let ledger = Arc::new(Ledger::open(&path, Arc::new(Records), genesis)?);
    let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
    let peers: BTreeMap<_, _> = options
        .ports
        .iter()
        .enumerate()
        .map(|(at, port)| (format!("v{at}"), Endpoint::Socket(address(port))))
        .collect();
    let config = Config {
        directory: options.directory.join(format!("{place}.order")),
        key: Secret::new([place + 1; 32]),
        epoch,
        peers,
        listen: address(&options.ports[usize::from(place)]),
        private_addresses: true,
        base: 0,
        last: Arc::new(|_| false),
        pace: Pace { gap: Duration::from_millis(options.gap), ..Pace::default() },
        pool: PoolLimits::default(),
        keep: 512 << 20,
        threads: 1,
    };
    let quorum = Quorum::start(config, ledger.clone())?;

    let share = options.rate.map(|rate| rate.div_ceil(u64::from(options.validators)));
    let count = share.unwrap_or(20_000 / u64::from(options.validators)) * (options.seconds + 1);
    let mut supply = sign(options, place, chain, count).into_iter();
    while quorum.status().executed < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;

    let (open, latencies) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::<u32>::new())));
    let before = ledger.head().height;
    let begun = Instant::now();
    let length = Duration::from_secs(options.seconds);
    let (mut submitted, mut busy) = (0u64, 0u64);
    while begun.elapsed() < length {
        let due = match share {
            Some(share) => (share as f64 * begun.elapsed().as_secs_f64()) as u64 - submitted,
            None => options.window.saturating_sub(open.load(SeqCst)) as u64,
        };
        let signed: Vec<_> = supply.by_ref().take(due.min(500) as usize).collect();
        let arrived = Instant::now();
        submitted += signed.len() as u64;
        for verified in VerifiedTransaction::verify_all(signed, &chain) {
            open.fetch_add(1, SeqCst);
            let (counter, latencies) = (open.clone(), latencies.clone());
            let callback = Box::new(move |results: Result<Vec<Result<_, _>>, _>| {
                counter.fetch_sub(1, SeqCst);
                if results.is_ok_and(|results| results.iter().all(Result::is_ok)) && begun.elapsed() < length {
                    let micros = u32::try_from(arrived.elapsed().as_micros()).unwrap_or(u32::MAX);
                    latencies.lock().expect("no panic").push(micros);
                }
            });
            if quorum.submit(vec![verified?], callback).is_err() {
                open.fetch_sub(1, SeqCst);
                busy += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let blocks = ledger.head().height - before;
    let latencies = std::mem::take(&mut *latencies.lock().expect("no panic"));
    fs::write(
        options.directory.join(format!("{place}.latencies")),
        latencies.iter().flat_map(|micros| micros.to_le_bytes()).collect::<Vec<_>>(),
    )?;
    // The others still need this one for what they have open.
    let patience = Instant::now();
    while open.load(SeqCst) > 0 && patience.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(1));
    fs::write(options.directory.join(format!("{place}.total")), ledger.head().log_size.to_string())?;
    if busy > 0 {
        eprintln!("validator {place}: {busy} of {submitted} were refused, too many waited");
    }
    println!("{} {blocks}", latencies.len());
    drop(quorum);
    Ok(())
}

/// Signs transactions of the size asked for, by a hundred senders.
fn sign(options: &Options, place: u8, chain: crypto::Digest, count: u64) -> Vec<SignedTransaction> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64;
    let senders: Vec<_> = (0..100).map(|_| SigningKey::generate()).collect();
    let call = |number: u64, arguments: usize| {
        let mut nonce = [place; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let sender = &senders[number as usize % senders.len()];
        let transaction = Transaction {
            chain,
            sender: sender.public(),
            nonce: Fixed(nonce),
            expires: now + 1_800_000,
            contract: "records".into(),
            method: "register".into(),
            arguments: Bytes(vec![place; arguments]),
        };
        transaction.sign(sender)
    };
    // Arguments of 24 to 255 bytes have a head of two bytes.
    let bare = call(0, 24).to_bytes().len() - 24;
    (0..count).map(|number| call(number, options.bytes.saturating_sub(bare))).collect()
}

fn size(path: &Path) -> Result<u64, std::io::Error> {
    if path.is_dir() {
        return fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum();
    }
    Ok(path.metadata()?.len())
}
