//! `sotto bench ledger`: data records, ordered by validators that are nodes of this machine, as processes with real keys, TLS and disks.
//!
//! A transaction counts when the node that took it answers: it is then ordered for good, executed and on that node's disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use contracts::Contracts;
use contracts::message::{AssetRegister, Commitment};
use contracts::record::Asset;
use crypto::kem::Suite;
use crypto::keystore::{FileKeys, Keys as _};
use crypto::{Digest, PublicKey};
use ledger::{Genesis, Ledger, Transaction};
use serde_json::json;
use tokio::task::JoinSet;
use wire::{Bytes, Fixed, Limits};

use crate::args::LedgerArgs;
use crate::error::Failure;
use crate::home::{Home, now};
use crate::output::Output;
use crate::stage::Stage;

use super::{RATES, percentile, round_to};

/// Runs the bench.
///
/// # Errors
/// Where the consortium cannot be raised or a transaction is refused.
pub(crate) async fn run(args: &LedgerArgs, output: &Output) -> Result<(), Failure> {
    let place = tempfile::tempdir().map_err(|error| Failure::of(&error))?;
    let waiting = output.waiting(format!("raising {} validators", args.validators));
    let names: Vec<String> = (1..=args.validators).map(|number| format!("validator-{number}")).collect();
    let others: Vec<&str> = names[1..].iter().map(String::as_str).collect();
    let mut lay_out = |home: &Home| match args.records {
        0 => Ok(()),
        records => load(home, &place.path().join("loaded"), records),
    };
    let all = (&*names[0], &*others);
    let stage = Stage::raise_laid_out(place.path(), "bench", all, RATES, &mut |_| {}, &mut lay_out).await?;
    stage.order_together().await?;
    let writers = writers(&stage, place.path(), args.tx as usize)?;
    let bytes = writers[0].record()?.len();
    // Validators that have just begun are still connecting.
    for writer in &writers {
        writer.write(1).await?;
    }
    let observer = stage.members[0].operator.client.clone();
    let (height, disk) = (observer.health().await?.height, disk(place.path())?);
    waiting.say(format!("{} validators at work for {} s", args.validators, args.seconds));
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds.into());
    let mut at_work = JoinSet::new();
    for writer in writers {
        let rate = args.rate.map(|rate| f64::from(rate) / f64::from(args.validators));
        match rate {
            Some(rate) => drop(at_work.spawn(paced(writer, rate, begun, until))),
            None => (0..AT_ONCE).for_each(|_| drop(at_work.spawn(pressing(writer.clone(), until)))),
        }
    }
    let mut times = Vec::new();
    while let Some(done) = at_work.join_next().await {
        times.extend(done.map_err(|error| Failure::of(&error))??);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let blocks = observer.health().await?.height - height;
    let grown = self::disk(place.path())?.saturating_sub(disk);
    drop(waiting);
    stage.lower().await?;
    print(args, bytes, &times, elapsed, blocks, grown, output);
    Ok(())
}

/// Lays out a node's ledger with so many records in its first state, as a file that is made for the first node, and copied.
fn load(home: &Home, made: &Path, records: u64) -> Result<(), Failure> {
    if !made.exists() {
        let genesis = home.node().join("genesis.cbor");
        let genesis = std::fs::read(&genesis).map_err(|error| Failure::file(&genesis, &error))?;
        let genesis: Genesis = wire::from_slice(&genesis, Limits::small()).map_err(|error| Failure::of(&error))?;
        let all = (0..records).map(|number| loaded(number, records));
        Ledger::danger_found_with(made, &Contracts, &genesis, all).map_err(|error| Failure::of(&error))?;
    }
    let own = home.node().join("ledger.redb");
    std::fs::copy(made, &own).map_err(|error| Failure::file(&own, &error))?;
    Ok(())
}

/// One of so many records, in the order of their keys: an asset like those that the bench registers, of a member that there is not.
fn loaded(number: u64, records: u64) -> (Vec<u8>, Vec<u8>) {
    let [mut id, other] = [[1], [2]].map(|part| crypto::sha256(&[&part, &number.to_be_bytes()]).as_bytes().to_owned());
    id[..8].copy_from_slice(&(number * (u64::MAX / records)).to_be_bytes());
    let (id, other) = (Digest::from(id), Digest::from(other));
    let commitment = Commitment {
        suite: contracts::SEALED_OBJECT.into(),
        params: id.as_bytes().to_vec().into(),
        root: (*other.as_bytes()).into(),
    };
    let registered = AssetRegister {
        name: wire::text::to_hex(&other.as_bytes()[..NAME / 2]),
        kind: "file".to_owned(),
        columns: Vec::new(),
        commitments: vec![commitment],
        segments: 1,
        suite: Suite::XWing,
    };
    let asset = Asset { id, owner: "loaded".to_owned(), registered, since: 0, retired: false, transaction: other };
    (format!("asset/{id}").into_bytes(), wire::to_vec(&asset))
}

/// Who has records ordered, through one validator and under its key.
#[derive(Clone)]
struct Writer {
    client: Client,
    keys: Arc<FileKeys>,
    key: PublicKey,
    /// Names of columns that make a record's transaction as long as it is to be.
    columns: Vec<String>,
}

fn writers(stage: &Stage, directory: &Path, size: usize) -> Result<Vec<Writer>, Failure> {
    let passphrase = crypto::keystore::Passphrase::read(&directory.join("passphrase"))?;
    let writer = |member: &crate::stage::Member| {
        let keys = FileKeys::open(directory.join(&member.name).join("node").join("keys.sealed"), &passphrase)?;
        let key = keys.public(NODE_KEY)?;
        Writer { client: member.operator.client.clone(), keys: Arc::new(keys), key, columns: Vec::new() }.filled(size)
    };
    stage.members.iter().map(writer).collect()
}

impl Writer {
    /// The same, with transactions of about so many bytes.
    fn filled(self, size: usize) -> Result<Self, Failure> {
        let missing = size.saturating_sub(self.record()?.len());
        let columns = (0..missing.div_ceil(COLUMN)).map(|column| {
            let length = COLUMN.min(missing - column * COLUMN).saturating_sub(2).max(3);
            format!("{column:0length$}")
        });
        Ok(Self { columns: columns.collect(), ..self })
    }

    /// A signed record of a sealed object that nobody registered before.
    fn record(&self) -> Result<Bytes, Failure> {
        let kind = if self.columns.is_empty() { "file" } else { "table" };
        let (root, params) = (crypto::random::<32>().into(), crypto::random::<32>().to_vec().into());
        let commitment = Commitment { suite: contracts::SEALED_OBJECT.into(), params, root };
        let register = AssetRegister {
            name: wire::text::to_hex(&crypto::random::<{ NAME / 2 }>()),
            kind: kind.to_owned(),
            columns: self.columns.clone(),
            commitments: vec![commitment],
            segments: 1,
            suite: Suite::XWing,
        };
        let transaction = Transaction {
            chain: self.client.chain(),
            sender: self.key,
            nonce: Fixed(crypto::random()),
            expires: now() + ledger::EXPIRY_WINDOW / 2,
            contract: "assets".into(),
            method: "register".into(),
            arguments: wire::to_vec(&register).into(),
        };
        let signed = transaction.sign_with(|label, message| self.keys.sign(NODE_KEY, label, message))?;
        Ok(wire::to_vec(&signed).into())
    }

    /// Has so many records ordered; when the answer came.
    async fn write(&self, count: usize) -> Result<Instant, Failure> {
        let records = (0..count).map(|_| self.record()).collect::<Result<_, _>>()?;
        let submitted = self.client.transactions(records).await?;
        match submitted.results.iter().find(|result| result.code != ledger::OK) {
            None => Ok(Instant::now()),
            Some(refused) => Err(Failure::new(format!("a record was refused: {}", refused.code))),
        }
    }
}

/// Full submissions, one after the other.
async fn pressing(writer: Writer, until: Instant) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let done = writer.write(MOST).await?;
        times.extend(std::iter::repeat_n(milliseconds(done - begun), MOST));
    }
    Ok(times)
}

/// So many records per second, whether or not those before have been answered; a record's time begins when it is due.
async fn paced(writer: Writer, rate: f64, begun: Instant, until: Instant) -> Result<Vec<f64>, Failure> {
    let (mut sent, mut answers, mut times) = (0usize, JoinSet::new(), Vec::new());
    let mut beat = tokio::time::interval(BEAT);
    while Instant::now() < until {
        let due = beat.tick().await.into_std();
        let target = (due.duration_since(begun).as_secs_f64() * rate) as usize;
        while sent < target {
            let (writer, count) = (writer.clone(), MOST.min(target - sent));
            sent += count;
            answers.spawn(async move { writer.write(count).await.map(|done| (done - due, count)) });
        }
    }
    while let Some(answer) = answers.join_next().await {
        let (time, count) = answer.map_err(|error| Failure::of(&error))??;
        times.extend(std::iter::repeat_n(milliseconds(time), count));
    }
    Ok(times)
}

fn print(args: &LedgerArgs, bytes: usize, times: &[f64], elapsed: f64, blocks: u64, grown: u64, output: &Output) {
    let rate = times.len() as f64 / elapsed;
    let [p50, p99] = [0.50, 0.99].map(|share| percentile(times, share));
    let per_second = round_to(blocks as f64 / elapsed);
    let per_tx = grown as f64 / times.len().max(1) as f64 / f64::from(args.validators);
    let value = json!({
        "validators": args.validators, "records": args.records, "tx_bytes": bytes, "seconds": args.seconds, "transactions": times.len(),
        "tx_per_second": round_to(rate), "rate": args.rate, "p50_ms": p50, "p99_ms": p99,
        "blocks_per_second": per_second, "disk_bytes_per_tx": per_tx.round(),
    });
    let text = format!(
        "{} validators, {elapsed:.1} s: {} transactions of {bytes} bytes, {rate:.1} per second; answered in {p50:.1} ms (p50), {p99:.1} ms (p99)\n\
         {per_second:.1} blocks per second; {per_tx:.0} bytes of each validator's disk per transaction",
        args.validators,
        times.len(),
    );
    output.result(&value, &round_to(rate).to_string(), &text);
}

/// Bytes of all files below a directory.
fn disk(directory: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))? {
        let entry = entry.map_err(|error| Failure::file(directory, &error))?;
        // What a node takes away meanwhile takes no room.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The handle of a node's own key.
const NODE_KEY: &str = "node";
/// Transactions of one submission, at most.
const MOST: usize = 64;
/// Submissions at once at each validator, where the rate is what they take.
const AT_ONCE: usize = 8;
/// Between two submissions at a rate.
const BEAT: Duration = Duration::from_millis(10);
/// Characters of a record's name.
const NAME: usize = 16;
/// Characters of a column's name.
const COLUMN: usize = 100;
