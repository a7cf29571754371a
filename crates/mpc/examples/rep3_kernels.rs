//! Elements per second of three parties' operations, all three in this one thread: `cargo run --release --example rep3_kernels`.
//!
//! Times are processor time of all three parties' work together, without links: a third of each is one party's share of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crypto::Secret;
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Io, OpId, Truncation, checked, local};
use mpc::prg::Prg;
use mpc::rep3::Rep3;

fn main() {
    let million = 1_000_000;
    streams();
    println!("{:28} {:>9} {:>10} {:>12} {:>10}", "operation", "values", "ms", "values/s", "bytes");
    let ring = Domain::Ring64;
    let run =
        |name: &str, domain: Domain, len: usize, operation: Operation| measure(name, domain, len, &Rc::new(operation));
    run("mul ring64", ring, million, |rep3, io, x| Box::pin(async move { rep3.mul(io, x, x).await.map(drop) }));
    run("mul ring128", Domain::Ring128, million, |rep3, io, x| {
        Box::pin(async move { rep3.mul(io, x, x).await.map(drop) })
    });
    run("and", Domain::Bits, 64 * million, |rep3, io, x| Box::pin(async move { rep3.mul(io, x, x).await.map(drop) }));
    run("dot ring64", ring, million, |rep3, io, x| Box::pin(async move { rep3.dot(io, x, x, 1).await.map(drop) }));
    run("matmul 512^3 ring64", ring, 512 * 512, |rep3, io, x| {
        Box::pin(async move { rep3.matmul(io, x, x, [512; 3]).await.map(drop) })
    });
    run("is_negative ring64", ring, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("is_negative ring64", ring, million, |rep3, io, x| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("is_negative ring128", Domain::Ring128, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("to_bits 64 ring64", ring, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.to_bits(io, x, 64).await.map(drop) })
    });
    run("truncate 16 exact", ring, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.truncate(io, x, 16, Truncation::Exact).await.map(drop) })
    });
    run("truncate 16 probabilistic", ring, million, |rep3, io, x| {
        Box::pin(async move { rep3.truncate(io, x, 16, Truncation::Probabilistic).await.map(drop) })
    });
    run("one bit to ring64", Domain::Bits, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.from_bits(io, std::slice::from_ref(x), Domain::Ring64).await.map(drop) })
    });
    run("64 bits to ring64", Domain::Bits, 100_000, |rep3, io, x| {
        Box::pin(async move { rep3.from_bits(io, &vec![x.clone(); 64], Domain::Ring64).await.map(drop) })
    });
    run("shuffle ring64", ring, million, |rep3, io, x| {
        Box::pin(async move { rep3.shuffle(io, std::slice::from_ref(x)).await.map(drop) })
    });
    run("10,000 mul in sequence", ring, 1, |rep3, io, x| {
        Box::pin(async move {
            let mut product = x.clone();
            for _ in 0..10_000 {
                product = rep3.mul(io, &product, x).await?;
            }
            Ok(())
        })
    });
}

/// Rates of the pairwise streams, by length of a call.
fn streams() {
    let prg = Prg::new(&Secret::new([7; 16]));
    for len in [16, 1024, 32 * 1024, 64 * 1024, 1 << 20] {
        let (mut out, calls) = (vec![0; len], (1 << 28) / len as u64);
        let start = clock();
        (0..calls).for_each(|op| prg.fill(OpId(op), 0, &mut out));
        let time = clock() - start;
        let each = time.as_secs_f64() / calls as f64;
        println!("stream, {len:>7} bytes a call {:>10.0} ns {:>10.2} GB/s", each * 1e9, len as f64 / each / 1e9);
    }
}

/// What this thread has computed so far, where the system says; the time of day elsewhere.
fn clock() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

type Operation =
    for<'a> fn(&'a Rep3, &'a mut Io, &'a Column) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// Where the first argument is part of its name: the mean of some runs in one session, from the first party's start to the last one's end.
fn measure(name: &str, domain: Domain, len: usize, operation: &Rc<Operation>) {
    if !std::env::args().nth(1).is_none_or(|part| name.contains(&part)) {
        return;
    }
    let times: u32 = if name.contains("sequence") { 1 } else { 10 };
    let operation = Rc::clone(operation);
    let results = local::run(3, 1, move |mut io| {
        let operation = Rc::clone(&operation);
        async move {
            let rep3 = Rep3::semi_honest(&io)?;
            let column = rep3.random(&mut io, domain, len).await?;
            // Once for the caches; then all parties meet before the clock starts.
            operation(&rep3, &mut io, &column).await?;
            let one = [rep3.public(&Values::from_i64(domain, &[1]))?];
            let meeting = checked(&rep3, &mut io, &one).await?;
            rep3.open(&mut io, meeting, None).await?;
            let start = clock();
            for _ in 0..times {
                operation(&rep3, &mut io, &column).await?;
            }
            Ok((start, clock()))
        }
    });
    let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
    let spans: Vec<_> = results.into_iter().map(|(result, _)| result.expect("no party fails")).collect();
    let start = spans.iter().map(|(start, _)| *start).min().expect("three parties");
    let end = spans.iter().map(|(_, end)| *end).max().expect("three parties");
    let time = (end - start).as_secs_f64() / f64::from(times);
    let sent = sent / (u64::from(times) + 1);
    let rate = len as f64 / time / 1e6;
    println!("{name:28} {len:>9} {:>10.2} {rate:>10.1} M {sent:>10}", time * 1e3);
}
