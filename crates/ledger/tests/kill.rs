//! SIGKILL at fifty random moments: no acknowledged transaction is lost, the log only grows.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use crypto::Digest;
use ledger::{Ledger, Ordering as _, Solo};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use support::*;

const DIRECTORY: &str = "LEDGER_KILL_DIRECTORY";

#[test]
fn fifty_kills() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger");
    let mut random = ChaCha8Rng::seed_from_u64(50);
    let mut acknowledged: Vec<Digest> = Vec::new();
    let mut checkpoints: Vec<(usize, Digest)> = Vec::new();
    for round in 0..50u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_killed", "--ignored", "--nocapture"])
            .env(DIRECTORY, &path)
            .env("ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (first, started) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut lines = Vec::new();
            // A line cut short by the kill was not acknowledged.
            for line in output.lines().map_while(Result::ok) {
                if line.starts_with("ack ") {
                    let _ = first.send(());
                }
                if line.ends_with(" .") {
                    lines.push(line);
                }
            }
            lines
        });
        // Most rounds die while writing, after some acknowledgements; some while opening.
        if random.next_u32() % 8 != 0 {
            for _ in 0..=random.next_u32() % 60 {
                started.recv_timeout(Duration::from_secs(60)).expect("the child commits");
            }
        }
        thread::sleep(Duration::from_micros(u64::from(random.next_u32() % 40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in reader.join().unwrap() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["ack", id, "."] => acknowledged.push(id.parse().unwrap()),
                ["checkpoint", size, root, "."] => checkpoints.push((size.parse().unwrap(), root.parse().unwrap())),
                _ => {}
            }
        }
        let ledger = open(&path);
        for id in &acknowledged {
            assert!(ledger.committed(id).unwrap().is_some(), "{id} was acknowledged and is gone in round {round}");
        }
        let roots = roots(&ledger);
        assert_eq!(*roots.last().unwrap(), ledger.head().log_root);
        for (size, root) in &checkpoints {
            assert_eq!(roots.get(*size), Some(root), "the log of {size} leaves has changed in round {round}");
        }
    }
    assert!(acknowledged.len() > 500, "only {} acknowledged", acknowledged.len());
}

/// The child: not a test of its own.
#[test]
#[ignore = "started by fifty_kills"]
fn writes_until_killed() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let round: u64 = std::env::var("ROUND").unwrap().parse().unwrap();
    let ledger = Arc::new(open(Path::new(&path)));
    ledger.keep_changes(ROOMS[round as usize % ROOMS.len()]);
    let observed = Arc::downgrade(&ledger);
    ledger.observe(move |height| {
        let ledger = observed.upgrade().expect("the ledger calls its observers");
        let header = ledger.header(height).unwrap().unwrap();
        println!("checkpoint {} {} .", header.log_size, header.log_root);
    });
    let solo = Solo::start(ledger, Arc::new(|| NOW), 16);
    for batch in 0u64.. {
        let transactions = (0..5u64).map(|n| put(&[n as u8, batch as u8], &[7; 100], round << 32 | batch << 8 | n));
        let transactions: Vec<_> = transactions.collect();
        let callback = move |result: Result<Vec<Result<ledger::Committed, _>>, _>| {
            let mut output = std::io::stdout().lock();
            for committed in result.unwrap().into_iter().map(Result::unwrap) {
                writeln!(output, "ack {} .", committed.transaction.id()).unwrap();
            }
            output.flush().unwrap();
        };
        while solo.submit(transactions.clone(), Box::new(callback)).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn open(path: &Path) -> Ledger {
    Ledger::open(path, Arc::new(Map), genesis()).expect("a kill leaves a ledger that opens")
}
