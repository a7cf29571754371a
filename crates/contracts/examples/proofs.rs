//! Measures what proofs cost this machine under a verifier of another ledger's state, by the unit of the fuel that contracts pay: good ones, and
//! those that are made to be dear.
//!
//! `cargo run --release -p sottovoce-contracts --example proofs` prints bytes, fuel, microseconds, and nanoseconds for each unit of fuel.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::VerifyingKey;
use contracts::message::System;
use crypto::{Label, Secret, SigningKey, hash, mldsa};
use ledger::{
    Application, Consortium, Context, Effects, Epoch, Failure, Genesis, Ledger, State, Validator, VerifiedTransaction,
    Write,
};
use wasm::bounds::{MAX_PROOF, PROOF, PROOF_BYTE};
use wire::{Fixed, Limits};

/// A ledger that holds one record.
struct One;

impl Application for One {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", application), Write::put("member/harbour", vec![7; 400])])
    }

    fn execute(&self, _: &dyn State, _: &Context, _: &VerifiedTransaction) -> Result<Effects, Failure> {
        Err(Failure::refuse("no_such_method", "nothing can be done here"))
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        let bytes = state.get(b"epoch")?.ok_or_else(|| Failure::refuse("unreadable", "no epoch"))?;
        wire::from_slice(&bytes, Limits::large()).map_err(|error| Failure::refuse("unreadable", error.to_string()))
    }
}

fn key(n: usize) -> SigningKey {
    SigningKey::from_seed(hash(Label::KEY_ID, &[&n.to_be_bytes()]).as_bytes())
}

fn ml_dsa(n: usize) -> mldsa::SigningKey {
    mldsa::SigningKey::from_seed(Secret::new(*hash(Label::KEY_ID, &[b"ml-dsa", &n.to_be_bytes()]).as_bytes()))
}

/// A consortium of so many validators, and a proof of its one record.
fn made(count: usize, both: bool) -> Result<(Consortium, String), Box<dyn Error>> {
    let validator =
        |n: usize| Validator { name: format!("v{n}"), key: key(n).public(), ml_dsa: both.then(|| ml_dsa(n).public()) };
    let epoch = Epoch { number: 1, validators: (0..count).map(validator).collect() };
    let application = wire::to_vec(&epoch).into();
    let genesis = Genesis { name: "Tideland".into(), created: 1, application, nonce: Fixed([7; 16]) };
    let chain = genesis.chain();
    let directory = tempfile::tempdir()?;
    let ledger = Ledger::open(&directory.path().join("ledger"), Arc::new(One), genesis)?;
    let transaction = ledger::Transaction {
        chain,
        sender: key(0).public(),
        nonce: Fixed([1; 16]),
        expires: 10,
        contract: "one".into(),
        method: "do".into(),
        arguments: vec![].into(),
    };
    let verified = VerifiedTransaction::verify(transaction.sign(&key(0)), &chain).map_err(|error| error.to_string())?;
    ledger.propose(vec![verified], 2)?;
    let height = ledger.head().height;
    let checkpoint = ledger.durable_checkpoint(height)?;
    let mut cosignatures = Vec::new();
    for n in 0..epoch.quorum() {
        let (name, key) = (format!("v{n}"), key(n));
        let mut cosignature = checkpoint.cosign(1, |bytes| Ok::<_, Box<dyn Error>>(key.sign_raw(bytes)))?;
        if both {
            let second = |label, bytes: &[u8]| Ok::<_, Box<dyn Error>>(ml_dsa(n).sign(label, bytes));
            cosignature = checkpoint.cosign_ml_dsa(&name, cosignature, second)?;
        }
        cosignatures.push((name, cosignature));
    }
    ledger.add_cosignatures(height, &cosignatures)?;
    let proof = ledger.prove_state(height, b"member/harbour")?.to_string();
    let epochs = vec![epoch.pinned(0)];
    let (format, name) = (Consortium::FORMAT.to_owned(), "Tideland".to_owned());
    Ok((Consortium { format, name, chain, epochs, oracles: vec![] }, proof))
}

/// As long as a proof may be, by repeating its header line: read to its end, and refused.
fn stretched(proof: &str) -> String {
    let (head, tail) = proof.split_once("\n\n").unwrap_or((proof, ""));
    let proven = head.lines().nth(1).unwrap_or_default();
    let header = proven.strip_prefix("proven ").and_then(|text| wire::text::base64(text).ok());
    let header = header.and_then(|bytes| wire::from_slice::<ledger::Proven>(&bytes, Limits::large()).ok());
    let line = header
        .map_or(String::new(), |proven| format!("\nheader {}", wire::text::to_base64(&wire::to_vec(&proven.header))));
    let times = (MAX_PROOF - proof.len()) / line.len().max(1);
    format!("{head}{}\n\n{tail}", line.repeat(times))
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("proofs: bytes of key and proof, fuel, microseconds, nanoseconds for each unit of fuel");
    let (four, proof) = made(4, false)?;
    let (ten, of_ten) = made(10, false)?;
    let (hundred, of_hundred) = made(64, false)?;
    let (both, of_both) = made(10, true)?;
    let mut long = four.clone();
    let epochs = (1..=400).map(|number| {
        let epoch = four.epochs[0].epoch();
        Epoch { number, ..epoch }.pinned(number - 1)
    });
    long.epochs = epochs.collect();
    long.epochs.iter_mut().skip(1).for_each(|epoch| epoch.start += 1_000_000);
    while wire::to_vec(&long).len() > contracts::MAX_VERIFYING_KEY {
        long.epochs.pop();
    }
    for (what, consortium, proof) in [
        ("four validators", &four, proof.clone()),
        ("ten validators", &ten, of_ten),
        ("64 validators", &hundred, of_hundred),
        ("ten with ML-DSA", &both, of_both),
        ("four, the longest key", &long, proof.clone()),
        ("nothing but headers", &four, stretched(&proof)),
        ("noise", &four, "x".repeat(MAX_PROOF)),
        ("noise in base64", &four, proof.replace("\nproven ", &format!("\nproven {}", "A".repeat(100_000)))),
    ] {
        let bytes = wire::to_vec(consortium);
        let read = VerifyingKey::read(System::LedgerState, &bytes)?;
        let fuel = PROOF + PROOF_BYTE * proof.len() as u64 + read.fuel(bytes.len());
        // The key is read for every proof.
        let once = || VerifyingKey::read(System::LedgerState, &bytes).ok().and_then(|key| key.verify(proof.as_bytes()));
        let proven = once();
        let (begun, mut times) = (Instant::now(), 0_u32);
        while begun.elapsed() < Duration::from_millis(300) {
            once();
            times += 1;
        }
        let each = begun.elapsed().as_secs_f64() / f64::from(times);
        let end = if proven.is_some() { "proven" } else { "refused" };
        let (micros, nanos) = (each * 1e6, each * 1e9 / fuel as f64);
        let (key, length) = (bytes.len(), proof.len());
        println!("  {what:<24} {key:>6} {length:>7} {fuel:>9} {micros:>9.1} {nanos:>6.2}  {end}");
    }
    Ok(())
}
