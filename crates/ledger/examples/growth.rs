//! Measures what a transaction costs on a small and on a large ledger: `cargo run --release -p sottovoce-ledger --example growth
//! [RECORDS] [DIRECTORY]`. The state is loaded by transactions that write a thousand records each; then blocks of a thousand
//! transactions that each read a record and write one are executed, and what they take is compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::SigningKey;
use ledger::{
    Application, Context, Effects, Epoch, Failure, Genesis, Ledger, State, Transaction, Validator, VerifiedTransaction,
    Write,
};
use wire::{Bytes, Fixed};

/// `load` writes records by number, `touch` reads one and writes another.
struct Records(SigningKey);

impl Application for Records {
    fn genesis(&self, _: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![])
    }

    fn execute(&self, state: &dyn State, _: &Context, transaction: &VerifiedTransaction) -> Result<Effects, Failure> {
        let call = transaction.transaction();
        let number = u64::from_be_bytes((&call.arguments[..]).try_into().map_err(|_| malformed())?);
        let writes = match &*call.method {
            "load" => (number..number + LOADED).map(record).collect(),
            _ => {
                state.get(&key(number))?.ok_or_else(malformed)?;
                vec![Write::put(*transaction.id().as_bytes(), vec![7; VALUE])]
            }
        };
        Ok(Effects { writes, events: vec![] })
    }

    fn epoch(&self, _: &dyn State) -> Result<Epoch, Failure> {
        Ok(Epoch { number: 0, validators: vec![Validator { name: "one".into(), key: self.0.public(), ml_dsa: None }] })
    }
}

fn malformed() -> Failure {
    Failure::refuse("malformed", "no such record")
}

fn key(number: u64) -> Vec<u8> {
    [b"record/".as_slice(), &number.to_be_bytes()].concat()
}

fn record(number: u64) -> Write {
    Write::put(key(number), [number.to_be_bytes().as_slice(), &[0; VALUE - 8]].concat())
}

/// A ledger, who writes to it, and how much it holds.
struct Bench {
    ledger: Ledger,
    chain: crypto::Digest,
    key: SigningKey,
    records: u64,
}

impl Bench {
    /// Blocks of calls of a method with these numbers; how long executing them took, without their signatures.
    fn call(&self, method: &str, numbers: impl Iterator<Item = u64>) -> Result<Duration, Box<dyn std::error::Error>> {
        let call = |number: u64| Transaction {
            chain: self.chain,
            sender: self.key.public(),
            nonce: Fixed(crypto::random()),
            expires: 1_000,
            contract: "records".into(),
            method: method.into(),
            arguments: Bytes(number.to_be_bytes().to_vec()),
        };
        let signed: Vec<_> = numbers.map(|number| call(number).sign(&self.key)).collect();
        let batch = VerifiedTransaction::verify_all(signed, &self.chain).into_iter().collect::<Result<_, _>>()?;
        let begun = Instant::now();
        let made = self.ledger.propose(batch, 1)?;
        let taken = begun.elapsed();
        assert!(made.results.iter().flatten().all(|committed| committed.outcome.is_ok()));
        Ok(taken)
    }

    fn load(&mut self, records: u64) -> Result<(), Box<dyn std::error::Error>> {
        let begun = Instant::now();
        while self.records < records {
            let until = records.min(self.records + LOADED * LOADS);
            self.call("load", (self.records..until).step_by(LOADED as usize))?;
            self.records = until.div_ceil(LOADED) * LOADED;
        }
        println!("{:9} records, loaded in {:.0} s", self.records, begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Microseconds for a transaction, in the middle of so many blocks.
    fn measure(&self) -> Result<f64, Box<dyn std::error::Error>> {
        let mut times = Vec::new();
        for block in 0..BLOCKS {
            // Spread over all records, and others in each block.
            let numbers = (0..CALLS).map(|at| (at * BLOCKS + block) * 7_919_371 % self.records);
            times.push(self.call("touch", numbers)?.as_secs_f64() * 1e6 / CALLS as f64);
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        println!("{:9} records: {median:.1} µs for a transaction (median of {BLOCKS} blocks of {CALLS})", self.records);
        Ok(median)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let most: u64 = arguments.next().map_or(Ok(10_000_000), |text| text.parse())?;
    let directory = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let path = directory.join("growth.ledger");
    let genesis =
        Genesis { name: "growth".into(), created: 0, application: Bytes::default(), nonce: Fixed(crypto::random()) };
    let ledger = Ledger::open(&path, Arc::new(Records(SigningKey::generate())), genesis.clone())?;
    let mut bench = Bench { ledger, chain: genesis.chain(), key: SigningKey::generate(), records: 0 };
    let mut first = None;
    let mut size = 10_000;
    while size <= most {
        bench.load(size)?;
        let cost = bench.measure()?;
        let ratio = cost / *first.get_or_insert(cost);
        println!("{ratio:17.2} times the first; {} MiB on disk", std::fs::metadata(&path)?.len() >> 20);
        size *= 10;
    }
    drop(bench);
    std::fs::remove_file(path)?;
    Ok(())
}

/// Records that one transaction loads, and such transactions in a block.
const LOADED: u64 = 1_000;
const LOADS: u64 = 50;
/// Bytes of a record.
const VALUE: usize = 100;
const BLOCKS: u64 = 21;
const CALLS: u64 = 1_000;
