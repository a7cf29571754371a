//! How fast three parties verify their multiplications: products checked per second by one core, bytes and rounds.
//!
//! `cargo run --release -p sottovoce-mpc --example verify_throughput [-- COUNT]`. All parties run in lock step in one thread, so that a
//! party's time is a third of the whole; on two cores three parties take half of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mpc::domain::Domain;
use mpc::engine::local;
use mpc::rep3::Rehearsal;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok());
    let works = [
        ("ring64 products", Domain::Ring64, count.unwrap_or(1_000_000), false),
        ("ring64 inner product", Domain::Ring64, count.unwrap_or(1_000_000), true),
        ("ring128 products", Domain::Ring128, count.unwrap_or(100_000), false),
        ("bits", Domain::Bits, count.unwrap_or(19_000_000), false),
    ];
    for (name, domain, count, inner) in works {
        let mut best: Option<(Duration, u64, u32)> = None;
        for seed in 0..5 {
            let run = measure(domain, count, inner, seed);
            best = Some(best.map_or(run, |best| best.min(run)));
        }
        let (whole, bytes, rounds) = best.expect("some runs");
        let party = whole / 3;
        println!(
            "{name:22} {count:>10}: {:7.2} ms per party, {:8.1} M/s, {:6.2} ns each; {bytes} bytes in all, {rounds} rounds",
            party.as_secs_f64() * 1e3,
            count as f64 / party.as_secs_f64() / 1e6,
            party.as_secs_f64() * 1e9 / count as f64,
        );
    }
}

/// Time of all parties together, bytes that they send, rounds: of the check alone.
fn measure(domain: Domain, count: usize, inner: bool, seed: u64) -> (Duration, u64, u32) {
    let (ready, begin) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<Instant>)));
    let started = Rc::clone(&begin);
    let runs = local::run(3, seed, move |mut io| {
        let (ready, begin) = (Rc::clone(&ready), Rc::clone(&begin));
        async move {
            let rehearsal = Rehearsal::multiply(&mut io, domain, count, inner).await?;
            let cost = rehearsal.cost();
            ready.set(ready.get() + 1);
            if begin.get().is_none() {
                begin.set(Some(Instant::now()));
            }
            rehearsal.verify(&mut io).await?;
            Ok(cost)
        }
    });
    let whole = started.get().expect("it has begun").elapsed();
    let cost = runs.into_iter().map(|(result, _)| result.expect("true products")).next().expect("three parties");
    (whole, cost.bytes, cost.rounds)
}
