//! Times operations over three parties in one thread, in lock step: `cargo run --release --example operation_times -p
//! sottovoce-mpc [rows] [operation]`. Seconds are of all three parties' work together, without any link.

use std::time::Instant;

use mpc::circuit::sort::{Method, sort};
use mpc::circuit::{Key, Order, Range, choose, compare, divide, fixed, segment};
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Io, Truncation, local};
use mpc::rep3::Rep3;

async fn operate(name: &str, backend: &dyn Backend, io: &mut Io, x: &Column, y: &Column) -> Result<(), Failure> {
    let (full, exact) = (Range::Full, Truncation::Exact);
    let by = |method: Method, range: Range| (Key { column: x, range, order: Order::Ascending }, Some(method));
    let columns = std::slice::from_ref(x);
    match name {
        "lt" => drop(compare::lt(backend, io, x, y, full).await?),
        "lt48" => drop(compare::lt(backend, io, x, y, Range::Bits(48)).await?),
        "lt16" => drop(compare::lt(backend, io, x, y, Range::Bits(16)).await?),
        "eq" => drop(compare::eq(backend, io, x, y, full).await?),
        "select" => drop(choose::min(backend, io, x, y, Range::Bits(48)).await?),
        "by_public" => drop(divide::by_public(backend, io, x, 1000, divide::Rounding::Floor, full).await?),
        "floor" => drop(divide::floor(backend, io, x, y, 32).await?),
        "div" => {
            let (x, y) = (fixed::Fixed::new(x.clone(), 8), fixed::Fixed::new(y.clone(), 8));
            drop(fixed::div(backend, io, &x, &y, 8, 31, exact).await?);
        }
        "sqrt" => drop(fixed::sqrt(backend, io, &fixed::Fixed::new(x.clone(), 0), 0, 32, exact).await?),
        "quick" | "radix" | "network" | "quick32" | "radix32" => {
            let range = if name.ends_with("32") { Range::Bits(32) } else { full };
            let method = match &name[..5] {
                "quick" => Method::Quick,
                "radix" => Method::Radix,
                _ => Method::Network,
            };
            let (key, method) = by(method, range);
            drop(sort(backend, io, &[key], columns, method).await?);
        }
        "sort" => {
            let (key, _) = by(Method::Quick, full);
            drop(sort(backend, io, &[key], columns, None).await?);
        }
        "shuffle" => drop(backend.shuffle(io, columns).await?),
        "to_bits" => drop(backend.to_bits(io, x, 64).await?),
        "groups" => {
            drop(segment::group_sums(backend, io, &[(x, Range::Bits(32))], std::slice::from_ref(y), None).await?)
        }
        "segments" => {
            let starts = backend.is_negative(io, x).await?;
            drop(segment::prefix_sums(backend, io, &starts, columns).await?);
        }
        _ => return Err(Failure::Program("an operation of the list")),
    }
    Ok(())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rows: usize = arguments.next().and_then(|rows| rows.parse().ok()).unwrap_or(10_000);
    let chosen = arguments.next();
    let all = [
        "lt",
        "lt48",
        "lt16",
        "eq",
        "select",
        "by_public",
        "div",
        "sqrt",
        "floor",
        "to_bits",
        "shuffle",
        "quick",
        "radix",
        "quick32",
        "radix32",
        "sort",
        "groups",
        "segments",
    ];
    println!("{:>10} {:>9} {:>10} {:>7}", "operation", "seconds", "MB sent", "rounds");
    for name in all.iter().filter(|name| chosen.as_ref().is_none_or(|chosen| chosen == *name)) {
        let name = *name;
        let setup = 2;
        let results = local::run(3, 1, move |mut io| async move {
            let backend = Rep3::semi_honest(&io)?;
            let x = backend.random(&mut io, Domain::Ring64, rows).await?;
            let y = backend.random(&mut io, Domain::Ring64, rows).await?;
            // A round, so that all begin together.
            let one = backend.public(&Values::from_i64(Domain::Ring64, &[1]))?;
            backend.mul(&mut io, &one, &one).await?;
            let begin = Instant::now();
            operate(name, &backend, &mut io, &x, &y).await?;
            Ok(begin.elapsed())
        });
        let stats = results[0].1;
        let time = results.into_iter().map(|(result, _)| result.expect("an operation succeeds")).max();
        let megabytes = stats.payload_sent as f64 / 1e6;
        let seconds = time.unwrap_or_default().as_secs_f64();
        println!("{name:>10} {seconds:>9.4} {megabytes:>10.3} {:>7}", stats.rounds - setup);
    }
}
