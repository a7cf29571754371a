//! Who orders: seats, and the passage from one node to the validators.

use contracts::message::{OrderingBegin, OrderingSeat};
use contracts::read;
use contracts::record::Quorum;

use crate::world::*;

fn seat(world: &mut World, member: &str, address: &str) -> String {
    let seat = OrderingSeat { address: address.into() };
    world.send(&keys(member).node, "ordering.seat", &seat).err().unwrap_or_else(|| "ok".into())
}

fn begin(world: &mut World, epoch: u64) -> String {
    let operator = keys("health-authority").operator;
    world.send(&operator, "ordering.begin", &OrderingBegin { epoch }).err().unwrap_or_else(|| "ok".into())
}

#[test]
fn a_seat_is_a_host_and_a_port() {
    let mut world = World::founded();
    for good in ["node.example.org:7400", "127.0.0.1:1", "[::1]:65535"] {
        assert_eq!(seat(&mut world, "health-authority", good), "ok");
        assert_eq!(read::seat(&world.state, "health-authority").unwrap().as_deref(), Some(good));
    }
    let long = format!("{}:1", "a".repeat(255));
    for bad in [
        "",
        ":7400",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:07",
        "Host:1",
        "ho st:1",
        "[::x]:1",
        "a:b:1",
        &long,
    ] {
        assert_eq!(seat(&mut world, "health-authority", bad), "address_invalid", "{bad}");
    }
    let address = OrderingSeat { address: "host:1".into() };
    let by_operator = world.send(&keys("health-authority").operator, "ordering.seat", &address);
    assert_eq!(by_operator.unwrap_err(), "not_permitted");
}

#[test]
fn validators_take_over_once_four_of_them_have_seats() {
    let mut world = World::founded();
    assert_eq!(begin(&mut world, 1), "validators_missing");
    for name in HOSPITALS {
        world.join(name).unwrap();
    }
    assert_eq!(begin(&mut world, 4), "validators_missing");
    for name in HOSPITALS {
        assert_eq!(seat(&mut world, name, "host:7400"), "ok");
    }
    assert_eq!(begin(&mut world, 4), "validators_missing");
    assert_eq!(seat(&mut world, "health-authority", "host:7400"), "ok");
    assert_eq!(begin(&mut world, 3), "epoch_invalid");
    let other = world.send(&keys("northgate").operator, "ordering.begin", &OrderingBegin { epoch: 4 });
    assert_eq!(other.unwrap_err(), "not_permitted");
    assert_eq!(read::quorum(&world.state).unwrap(), None);
    assert_eq!(begin(&mut world, 4), "ok");
    let base = world.log.len() as u64;
    assert_eq!(read::quorum(&world.state).unwrap(), Some(Quorum { epoch: 4, base }));
    assert_eq!(begin(&mut world, 4), "ordering_begun");
    // A newcomer makes an epoch of the ledger; who orders stays.
    world.join("westfield").unwrap();
    assert_eq!(read::quorum(&world.state).unwrap(), Some(Quorum { epoch: 4, base }));
}
