//! Elements per second of three parties' operations, all three in this one thread: `cargo run --release --example rep3_kernels`.
//!
//! Times are of all three parties' work together, without links. A third of each is one party's share of it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crypto::Secret;
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Io, OpId, Truncation, local};
use mpc::prg::Prg;
use mpc::rep3::Rep3;

fn main() {
    let million = 1_000_000;
    streams();
    println!("{:28} {:>9} {:>10} {:>12} {:>10} {:>7}", "operation", "values", "ms", "values/s", "bytes", "rounds");
    let ring = Domain::Ring64;
    let run =
        |name: &str, domain: Domain, len: usize, operation: Operation| measure(name, domain, len, &Rc::new(operation));
    run("mul ring64", ring, million, |rep3, io, x, _| Box::pin(async move { rep3.mul(io, x, x).await.map(drop) }));
    run("mul ring128", Domain::Ring128, million, |rep3, io, x, _| {
        Box::pin(async move { rep3.mul(io, x, x).await.map(drop) })
    });
    run("and", Domain::Bits, 64 * million, |rep3, io, x, _| {
        Box::pin(async move { rep3.mul(io, x, x).await.map(drop) })
    });
    run("dot ring64", ring, million, |rep3, io, x, _| Box::pin(async move { rep3.dot(io, x, x, 1).await.map(drop) }));
    run("matmul 512^3 ring64", ring, 512 * 512, |rep3, io, x, _| {
        Box::pin(async move { rep3.matmul(io, x, x, [512; 3]).await.map(drop) })
    });
    run("is_negative ring64", ring, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("is_negative ring64", ring, million, |rep3, io, x, _| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("is_negative ring128", Domain::Ring128, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.is_negative(io, x).await.map(drop) })
    });
    run("to_bits 64 ring64", ring, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.to_bits(io, x, 64).await.map(drop) })
    });
    run("truncate 16 exact", ring, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.truncate(io, x, 16, Truncation::Exact).await.map(drop) })
    });
    run("truncate 16 probabilistic", ring, million, |rep3, io, x, _| {
        Box::pin(async move { rep3.truncate(io, x, 16, Truncation::Probabilistic).await.map(drop) })
    });
    run("one bit to ring64", Domain::Bits, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.from_bits(io, std::slice::from_ref(x), Domain::Ring64).await.map(drop) })
    });
    run("64 bits to ring64", Domain::Bits, 100_000, |rep3, io, x, _| {
        Box::pin(async move { rep3.from_bits(io, &vec![x.clone(); 64], Domain::Ring64).await.map(drop) })
    });
    run("shuffle ring64", ring, million, |rep3, io, x, _| {
        Box::pin(async move { rep3.shuffle(io, std::slice::from_ref(x)).await.map(drop) })
    });
    run("10,000 mul in sequence", ring, 1, |rep3, io, x, _| {
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
        let start = Instant::now();
        (0..calls).for_each(|op| prg.fill(OpId(op), 0, &mut out));
        let time = start.elapsed();
        let each = time.as_secs_f64() / calls as f64;
        println!("stream, {len:>7} bytes a call {:>10.0} ns {:>10.2} GB/s", each * 1e9, len as f64 / each / 1e9);
    }
}

type Operation = for<'a> fn(
    &'a Rep3,
    &'a mut Io,
    &'a Column,
    usize,
) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// The best of five runs, from the first party's start to the last one's end.
fn measure(name: &str, domain: Domain, len: usize, operation: &Rc<Operation>) {
    let mut best = (Duration::MAX, 0, 0);
    for _ in 0..5 {
        let operation = Rc::clone(operation);
        let results = local::run(3, 1, move |mut io| {
            let operation = Rc::clone(&operation);
            async move {
                let rep3 = Rep3::semi_honest(&io)?;
                // Fresh in memory, as the result of an operation before would be.
                let column = rep3.random(&mut io, domain, len).await?;
                let column = rep3.linear(&[(1, &column)], None)?;
                // All parties meet before the clock starts.
                let warm = rep3
                    .mul(&mut io, &rep3.public(&Values::from_i64(domain, &[1]))?, &rep3.gather(&column, &[0])?)
                    .await?;
                drop(warm);
                let start = Instant::now();
                operation(&rep3, &mut io, &column, len).await?;
                Ok((start, Instant::now()))
            }
        });
        let sent: u64 = results.iter().map(|(_, stats)| stats.payload_sent).sum();
        let rounds = results.iter().map(|(_, stats)| stats.rounds).max().unwrap_or(0);
        let spans: Vec<_> = results.into_iter().map(|(result, _)| result.expect("no party fails")).collect();
        let start = spans.iter().map(|(start, _)| *start).min().expect("three parties");
        let end = spans.iter().map(|(_, end)| *end).max().expect("three parties");
        best = best.min((end - start, sent, rounds));
    }
    let (time, sent, rounds) = best;
    let rate = len as f64 / time.as_secs_f64();
    println!("{name:28} {len:>9} {:>10.2} {:>10.1} M {sent:>10} {rounds:>7}", time.as_secs_f64() * 1e3, rate / 1e6);
}
