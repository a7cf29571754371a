//! Measures blocks of small transactions: `cargo run --release -p sottovoce-ledger --example throughput [DIRECTORY]`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crypto::SigningKey;
use ledger::{
    Application, Context, Effects, Epoch, Event, Failure, Genesis, Ledger, State, Transaction, Validator,
    VerifiedTransaction, Write,
};
use wire::{Bytes, Fixed};

/// Each transaction reads one record and writes three.
struct Records(SigningKey);

impl Application for Records {
    fn genesis(&self, _: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![])
    }

    fn execute(&self, state: &dyn State, _: &Context, transaction: &VerifiedTransaction) -> Result<Effects, Failure> {
        let id = *transaction.id().as_bytes();
        state.get(&id)?;
        let writes = (0..3u8).map(|n| Write::put([&[n], id.as_slice()].concat(), vec![n; 200])).collect();
        Ok(Effects { writes, events: vec![Event { name: "recorded".into(), data: Bytes(id.to_vec()) }] })
    }

    fn epoch(&self, _: &dyn State) -> Result<Epoch, Failure> {
        Ok(Epoch { number: 0, validators: vec![Validator { name: "one".into(), key: self.0.public(), ml_dsa: None }] })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let (a, b) = (directory.join("throughput-a.ledger"), directory.join("throughput-b.ledger"));
    let key = SigningKey::generate();
    let genesis =
        Genesis { name: "bench".into(), created: 0, application: Bytes::default(), nonce: Fixed(crypto::random()) };
    let application = Arc::new(Records(SigningKey::generate()));
    let ledger = Ledger::open(&a, application.clone(), genesis.clone())?;
    let follower = Ledger::open(&b, application, genesis.clone())?;
    for (transactions, blocks) in [(1usize, 200u32), (10, 200), (100, 200), (1000, 20)] {
        let (mut verifying, mut proposing, mut following) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut slowest = Duration::ZERO;
        for _ in 0..blocks {
            let call = || Transaction {
                chain: genesis.chain(),
                sender: key.public(),
                nonce: Fixed(crypto::random()),
                expires: 1_000,
                contract: "records".into(),
                method: "put".into(),
                arguments: Bytes(vec![7; 200]),
            };
            let signed: Vec<_> = (0..transactions).map(|_| call().sign(&key)).collect();
            let start = Instant::now();
            let batch: Vec<_> =
                VerifiedTransaction::verify_all(signed, &genesis.chain()).into_iter().collect::<Result<_, _>>()?;
            verifying += start.elapsed();
            let start = Instant::now();
            let block = ledger.propose(batch, 1)?.block.expect("fresh transactions make a block");
            slowest = slowest.max(start.elapsed());
            proposing += start.elapsed();
            let start = Instant::now();
            follower.apply(&block, 1, false)?;
            following += start.elapsed();
        }
        println!(
            "{transactions:5} transactions: verify {:7.2?}, propose {:7.2?} (slowest {slowest:7.2?}), apply without fsync {:7.2?}",
            verifying / blocks,
            proposing / blocks,
            following / blocks,
        );
    }
    follower.flush()?;
    drop((ledger, follower));
    [a, b].iter().try_for_each(std::fs::remove_file)?;
    Ok(())
}
