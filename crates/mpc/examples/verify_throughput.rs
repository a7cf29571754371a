//! How fast three parties verify their multiplications: products checked per second by one core, bytes and rounds.
//!
//! `cargo run --release -p sottovoce-mpc --example verify_throughput [-- NAME]`. All parties run in lock step in one thread, so that a
//! party's time is a third of the whole; on two cores three parties take half of it. Where the system tells a thread's processor time,
//! that is what counts.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fs, sync::LazyLock};

use mpc::domain::Domain;
use mpc::engine::local;
use mpc::rep3::Rehearsal;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let works = [
        ("ring64 products", Domain::Ring64, 1_000_000, false),
        ("ring64 inner product", Domain::Ring64, 1_000_000, true),
        ("ring128 products", Domain::Ring128, 10_000, false),
        ("bits", Domain::Bits, 19_000_000, false),
    ];
    for (name, domain, count, inner) in works.into_iter().filter(|(name, ..)| name.contains(&wanted)) {
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
    let (ready, begin) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None::<Duration>)));
    let started = Rc::clone(&begin);
    let runs = local::run(3, seed, move |mut io| {
        let (ready, begin) = (Rc::clone(&ready), Rc::clone(&begin));
        async move {
            let rehearsal = Rehearsal::multiply(&mut io, domain, count, inner).await?;
            let cost = rehearsal.cost();
            ready.set(ready.get() + 1);
            if begin.get().is_none() {
                begin.set(Some(now()));
            }
            rehearsal.verify(&mut io).await?;
            Ok(cost)
        }
    });
    let whole = now() - started.get().expect("it has begun");
    let cost = runs.into_iter().map(|(result, _)| result.expect("true products")).next().expect("three parties");
    (whole, cost.bytes, cost.rounds)
}

/// Time that this thread has run, or time that has passed.
fn now() -> Duration {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let run = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let run = run.and_then(|line| line.split_whitespace().next()?.parse().ok());
    run.map_or_else(|| BEGIN.elapsed(), Duration::from_nanos)
}
