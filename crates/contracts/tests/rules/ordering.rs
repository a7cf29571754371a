//! Who orders: seats, and the passage from one node to the validators.

use contracts::message::{OrderingBegin, OrderingPlace, OrderingRotate, OrderingSeat};
use contracts::record::Quorum;
use contracts::{MAX_CHANGES, YEARLY_CHANGES, read};

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

/// Four hospitals and the founder, all with seats; the validators of epoch 4, all but westfield, order.
fn ordering() -> World {
    let mut world = World::founded();
    for name in HOSPITALS {
        world.join(name).unwrap();
    }
    for name in HOSPITALS.into_iter().chain(["health-authority"]) {
        assert_eq!(seat(&mut world, name, "host:7400"), "ok");
    }
    assert_eq!(begin(&mut world, 4), "ok");
    world.join("westfield").unwrap();
    assert_eq!(seat(&mut world, "westfield", "host:7400"), "ok");
    world
}

fn place(world: &mut World, by: &str, method: &str, member: &str) -> String {
    let place = OrderingPlace { member: member.into() };
    world.send(&keys(by).operator, method, &place).err().unwrap_or_else(|| "ok".into())
}

fn validators(world: &World) -> (u64, Vec<String>) {
    let epoch = read::epoch(&world.state).unwrap();
    (epoch.number, epoch.validators.into_iter().map(|validator| validator.name).collect())
}

#[test]
fn a_later_epoch_takes_over_when_it_begins() {
    let mut world = ordering();
    let first = read::quorum(&world.state).unwrap().unwrap();
    assert_eq!(begin(&mut world, 4), "epoch_invalid");
    assert_eq!(begin(&mut world, 5), "ok");
    assert_eq!(read::validators(&world.state, 5).unwrap(), Some(read::epoch(&world.state).unwrap()));
    assert_eq!(read::validators(&world.state, 6).unwrap(), None);
    let base = world.log.len() as u64;
    assert_eq!(read::quorum(&world.state).unwrap(), Some(Quorum { epoch: 5, base }));
    assert!(base > first.base);
    assert_eq!(begin(&mut world, 5), "ordering_begun");

    assert_eq!(place(&mut world, "northgate", "ordering.leave", "riverside"), "not_permitted");
    assert_eq!(place(&mut world, "riverside", "ordering.leave", "riverside"), "ok");
    assert_eq!(place(&mut world, "riverside", "ordering.leave", "riverside"), "already_recorded");
    let left = ["health-authority", "st-anna", "northgate", "westfield"].map(str::to_owned).to_vec();
    assert_eq!(validators(&world), (6, left));
    // Who orders stays until the epoch begins.
    assert_eq!(read::quorum(&world.state).unwrap(), Some(Quorum { epoch: 5, base }));
    // Four are the fewest; a regulator may speak for another member.
    assert_eq!(place(&mut world, "health-authority", "ordering.leave", "westfield"), "validators_missing");
    assert_eq!(begin(&mut world, 6), "ok");
    assert_eq!(place(&mut world, "health-authority", "ordering.enter", "nobody"), "unknown_member");
    assert_eq!(place(&mut world, "health-authority", "ordering.enter", "riverside"), "ok");
    assert_eq!(place(&mut world, "riverside", "ordering.enter", "riverside"), "already_recorded");
    assert_eq!(validators(&world).0, 7);
    assert_eq!(validators(&world).1.last().unwrap(), "riverside");
}

#[test]
fn only_a_member_with_a_seat_enters() {
    let mut world = ordering();
    world.join("eastfield").unwrap();
    assert_eq!(begin(&mut world, 6), "validators_missing");
    assert_eq!(place(&mut world, "eastfield", "ordering.leave", "eastfield"), "ok");
    assert_eq!(place(&mut world, "eastfield", "ordering.enter", "eastfield"), "validators_missing");
    assert_eq!(begin(&mut world, 7), "ok");
    assert_eq!(seat(&mut world, "eastfield", "host:7400"), "ok");
    assert_eq!(place(&mut world, "eastfield", "ordering.enter", "eastfield"), "ok");
}

#[test]
fn a_validator_changes_its_key_so_often_and_no_more() {
    let mut world = ordering();
    let rotate = |world: &mut World, key: crypto::PublicKey| {
        let sent = world.send(&keys("st-anna").node, "ordering.rotate", &OrderingRotate { key, ml_dsa: None });
        sent.err().unwrap_or_else(|| "ok".into())
    };
    let old = keys("st-anna").cosigner.public();
    for taken in [old, keys("northgate").node.public()] {
        assert_eq!(rotate(&mut world, taken), "key_taken");
    }
    for number in 0..MAX_CHANGES {
        let new = key(&format!("cosigner {number}")).public();
        assert_eq!(rotate(&mut world, new), "ok");
        let epoch = read::epoch(&world.state).unwrap();
        assert_eq!((epoch.number, epoch.validator("st-anna").unwrap().1.key), (6 + number, new));
        assert_eq!(read::member(&world.state, "st-anna").unwrap().unwrap().card.cosigner, new);
        assert_eq!(read::member_key(&world.state, &new).unwrap().unwrap().member, "st-anna");
    }
    assert_eq!(rotate(&mut world, old), "key_taken");
    assert_eq!(rotate(&mut world, key("one more").public()), "too_many");
    assert_eq!(place(&mut world, "st-anna", "ordering.leave", "st-anna"), "too_many");
    // Each year gives it some more, and the founder, too.
    const YEAR: u64 = 365 * 24 * 3_600_000;
    world.now = read::member(&world.state, "st-anna").unwrap().unwrap().joined + YEAR - 1;
    assert_eq!(rotate(&mut world, key("one more").public()), "too_many");
    for year in 1..3 {
        world.now += YEAR;
        for number in 0..YEARLY_CHANGES {
            assert_eq!(rotate(&mut world, key(&format!("cosigner {number} of year {year}")).public()), "ok");
        }
        assert_eq!(rotate(&mut world, key("one more").public()), "too_many");
    }
    let founders = |world: &mut World, key: crypto::PublicKey| {
        let sent = world.send(&keys("health-authority").node, "ordering.rotate", &OrderingRotate { key, ml_dsa: None });
        sent.err().unwrap_or_else(|| "ok".into())
    };
    for number in 0..MAX_CHANGES + 2 * YEARLY_CHANGES {
        assert_eq!(founders(&mut world, key(&format!("founder's {number}")).public()), "ok");
    }
    assert_eq!(founders(&mut world, key("one more").public()), "too_many");
    let by_operator = OrderingRotate { key: key("another").public(), ml_dsa: None };
    assert_eq!(world.send(&keys("st-anna").operator, "ordering.rotate", &by_operator).unwrap_err(), "not_permitted");
}
