//! A back end written outside the crate, and a computation over it: `cargo run --release --example simulated_dealer -p sottovoce-mpc`.
//!
//! Two parties hold additive shares; a third deals them the randomness that products use up. It is an example of how a protocol
//! plugs in, not one to trust: the dealer must be honest, and nothing is checked.

mod dealer;

use dealer::Dealer;
use mpc::circuit::{Key, Order, Range, choose, compare, divide, open, segment, sort};
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Failure, Io, local};

/// Which wards' stays are long, the longest one, all by length, and the sum for each ward.
async fn stays(mut io: Io) -> Result<Vec<Values>, Failure> {
    let (backend, io) = (Dealer::new(io.index()), &mut io);
    let wards = Values::from_i64(Domain::Ring64, &[3, 1, 2, 3, 1, 3]);
    let days = Values::from_i64(Domain::Ring64, &[4, 12, 7, 30, 1, 9]);
    let (index, len) = (io.index(), days.len());
    let wards = backend.input(io, 0, Domain::Ring64, len, (index == 0).then_some(&wards)).await?;
    let days = backend.input(io, 1, Domain::Ring64, len, (index == 1).then_some(&days)).await?;

    let small = Range::Bits(8);
    let long = compare::gt(&backend, io, &days, 7, small).await?;
    let weeks = choose::clamp(&backend, io, &days, 2, 14, small).await?;
    let longest = choose::extreme(&backend, io, choose::Extreme::Greatest, &days, &[], 1, small).await?;
    let root = divide::floor_sqrt(&backend, io, &days, 8).await?;
    let key = Key { column: &days, range: small, order: Order::Descending };
    let sorted = sort::sort(&backend, io, &[key], &[days.clone(), wards.clone()], None).await?;
    let groups = segment::group_sums(&backend, io, &[(&wards, small)], std::slice::from_ref(&days), None).await?;
    let results = [vec![long, weeks, longest.value, longest.row, root], sorted, groups.keys, groups.sums].concat();
    open::to_all(&backend, io, &results).await
}

fn main() {
    let names = [
        "over a week",
        "between 2 and 14",
        "longest",
        "its row",
        "root",
        "by length",
        "their wards",
        "wards",
        "their sums",
    ];
    for (result, stats) in local::run(3, 1, stays) {
        match result {
            Err(failure) => println!("failed: {failure}"),
            Ok(columns) => {
                for (name, column) in names.iter().zip(&columns) {
                    println!("{name:>18}: {}", text(column));
                }
                println!("{:>18}: {} bytes in {} rounds\n", "sent", stats.payload_sent, stats.rounds);
            }
        }
    }
}

fn text(values: &Values) -> String {
    match (values.elements::<u64>(), values.bits()) {
        (Some(numbers), _) => numbers.iter().map(|number| format!("{:>4}", *number as i64)).collect(),
        (_, Some(bits)) => bits.iter().map(|bit| if bit { " yes" } else { "  no" }).collect(),
        _ => format!("{values:?}"),
    }
}
