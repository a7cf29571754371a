//! Measures how long a newcomer takes to begin from a snapshot, and how long to execute all blocks: `cargo run --release
//! -p sottovoce-ledger --example snapshot [RECORDS] [DIRECTORY]`. Each record is written by a transaction of its own, a thousand to a block.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crypto::SigningKey;
use ledger::{
    Application, Context, Effects, Epoch, Failure, Genesis, Ledger, Manifest, Part, State, Transaction, Validator,
    VerifiedTransaction, Write,
};
use wire::{Bytes, Fixed};

/// Each call writes a record under its own identity.
struct Records(Validator);

impl Application for Records {
    fn genesis(&self, _: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", [0])])
    }

    fn execute(&self, _: &dyn State, _: &Context, transaction: &VerifiedTransaction) -> Result<Effects, Failure> {
        let record = Write::put(*transaction.id().as_bytes(), vec![7; VALUE]);
        Ok(Effects { writes: vec![record], events: vec![] })
    }

    fn epoch(&self, _: &dyn State) -> Result<Epoch, Failure> {
        Ok(Epoch { number: 0, validators: vec![self.0.clone()] })
    }
}

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let records: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let directory: PathBuf = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let directory = directory.join(format!("snapshot-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let key = SigningKey::generate();
    let genesis =
        Genesis { name: "snapshot".into(), created: 0, application: Bytes::default(), nonce: Fixed(crypto::random()) };
    let open = |name: &str| {
        let validator = Validator { name: "one".into(), key: key.public(), ml_dsa: None };
        Ledger::open(&directory.join(name), Arc::new(Records(validator)), genesis.clone())
    };
    let source = open("source")?;
    for block in 0..records.div_ceil(BLOCK) {
        // A block every ten seconds: the last hour is a part of the history only.
        let time = 1 + block * 10_000;
        let call = |_| Transaction {
            chain: genesis.chain(),
            sender: key.public(),
            nonce: Fixed(crypto::random()),
            expires: time + 60_000,
            contract: "records".into(),
            method: "write".into(),
            arguments: Bytes(vec![1; 200]),
        };
        let signed = (0..BLOCK.min(records - block * BLOCK)).map(call).map(|call| call.sign(&key)).collect();
        let batch = VerifiedTransaction::verify_all(signed, &genesis.chain()).into_iter().collect::<Result<_, _>>()?;
        source.propose(batch, time)?;
    }
    let head = source.head();
    let cosignature = source.durable_checkpoint(head.height)?.cosign(1, |text| Ok::<_, Failed>(key.sign_raw(text)))?;
    source.add_cosignatures(head.height, &[("one".into(), cosignature)])?;
    println!(
        "{records} records by as many transactions in {} blocks, {}",
        head.height,
        size(&directory.join("source"))?
    );

    let begun = Instant::now();
    let snapshot = source.snapshot(head.height, &directory.join("made"))?;
    println!("a snapshot is made in {:.2} s", begun.elapsed().as_secs_f64());
    let part = |part| Ok::<_, Failed>((part, snapshot.part(&source, part)?.ok_or("no such part")?));
    let begun = Instant::now();
    let manifest = Manifest::parse(&part(Part::Manifest)?.1)?;
    let mut staged = HashMap::new();
    for wanted in manifest.parts() {
        let (part, bytes) = part(wanted)?;
        let read = |part| staged.get(&part).cloned().ok_or(std::io::ErrorKind::NotFound.into());
        Ledger::check_part(&manifest, part, &bytes, &read)?;
        staged.insert(part, bytes);
    }
    let (count, bytes) = (staged.len(), staged.values().map(Vec::len).sum::<usize>());
    println!("{count} parts of {:.1} MiB are verified in {:.2} s", mib(bytes as u64), begun.elapsed().as_secs_f64());
    let newcomer = open("newcomer")?;
    let (trust, certificate) = (newcomer.trust(), source.certificate(head.height)?);
    let begun = Instant::now();
    let (to, from) = (directory.join("newcomer"), directory.join("staged"));
    let read = |part| staged.get(&part).cloned().ok_or(std::io::ErrorKind::NotFound.into());
    newcomer.restore(&from, (&manifest, &certificate, &trust), None, &read)?;
    newcomer.adopt(&from, &to, &trust)?;
    println!("a newcomer begins from them in {:.2} s, {}", begun.elapsed().as_secs_f64(), size(&to)?);
    assert_eq!(newcomer.head(), head);

    let blocks = source.blocks(1, usize::MAX)?;
    let bytes: usize = blocks.iter().map(|block| wire::to_vec(block).len()).sum();
    let other = open("other")?;
    let begun = Instant::now();
    for block in &blocks {
        other.apply(block, u64::MAX / 2, false)?;
    }
    other.flush()?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "one that executes all blocks ({:.1} MiB) in {took:.2} s, {}",
        mib(bytes as u64),
        size(&directory.join("other"))?
    );
    drop((source, newcomer, other));
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

fn size(path: &std::path::Path) -> std::io::Result<String> {
    Ok(format!("{:.1} MiB on disk", mib(std::fs::metadata(path)?.len())))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Bytes of a record.
const VALUE: usize = 300;
/// Transactions of a block.
const BLOCK: u64 = 1_000;
