//! Batches and their minimum.

use super::super::message::{self, Kind, Total};
use super::*;

#[test]
fn a_small_batch_is_not_released() {
    let mut world = World::new(task(Statistic::Count, 3));
    world.measure(Measurement::Count(true));
    world.measure(Measurement::Count(true));
    world.exchange();
    assert_eq!(world.collect().unwrap_err(), Error::BatchTooSmall { found: 2, needed: 3 });
    // It stays open for more, in another exchange.
    world.measure(Measurement::Count(false));
    world.exchange();
    let collected = world.collect().unwrap();
    assert_eq!((collected.batch, collected.count, collected.aggregate), (0, 3, Aggregate::Count(2)));
}

#[test]
fn refused_reports_do_not_count_towards_it() {
    let mut world = World::new(task(Statistic::Count, 3));
    world.measure(Measurement::Count(true));
    world.measure(Measurement::Count(true));
    let alone = world.shard(Measurement::Count(true));
    world.leader.receive(&alone.reports[0]).unwrap();
    assert!(world.exchange().contains(&(alone.nonce, Err(Reason::Unmatched))));
    assert_eq!(world.collect().unwrap_err(), Error::BatchTooSmall { found: 2, needed: 3 });
}

#[test]
fn each_report_counts_in_one_batch() {
    let mut world = World::new(task(Statistic::Sum { max: 9 }, 2));
    for (batch, values) in [[1, 2], [3, 4]].into_iter().enumerate() {
        for value in values {
            world.measure(Measurement::Sum(value));
        }
        world.exchange();
        let collected = world.collect().unwrap();
        assert_eq!(collected.batch, batch as u32);
        assert_eq!(collected.aggregate, Aggregate::Sum(values.iter().sum()));
    }
    assert_eq!(world.collect().unwrap_err(), Error::BatchTooSmall { found: 0, needed: 2 });
}

#[test]
fn nothing_is_released_while_reports_are_pending() {
    let mut world = World::new(task(Statistic::Count, 2));
    for _ in 0..2 {
        world.measure(Measurement::Count(true));
    }
    assert!(matches!(world.leader.aggregate(), Err(Error::OutOfTurn)));
    assert_eq!(world.leader.settle(&[]), Err(Error::OutOfTurn));
    world.leader.outbox();
    let late = world.shard(Measurement::Count(true));
    assert_eq!(world.leader.receive(&late.reports[0]), Err(Error::OutOfTurn));
}

/// Even two aggregators that release too little together find a collector that does not join it.
#[test]
fn the_collector_refuses_a_small_batch() {
    let mut world = World::new(task(Statistic::Count, 3));
    world.measure(Measurement::Count(true));
    world.exchange();
    let release = |aggregator: u8, sum: &Secret<Vec<u8>>| {
        let total = Total {
            aggregator,
            batch: 0,
            count: 1,
            reports: name("one"),
            share: wire::Bytes(sum.expose(Clone::clone)),
        };
        Secret::new(message::write(&world.task, Kind::Total, total))
    };
    let (leader, helper) = (release(0, &world.leader.sum), release(1, &world.helper.sum));
    let refused = Collector::new(world.task.clone()).unshard(&leader, &helper);
    assert_eq!(refused, Err(Error::BatchTooSmall { found: 1, needed: 3 }));
}
