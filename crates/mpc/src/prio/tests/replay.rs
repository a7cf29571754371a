//! Reports and totals come again.

use super::*;

#[test]
fn a_report_counts_once_in_the_life_of_a_task() {
    let mut world = World::new(task(Statistic::Count, 2));
    let sharded = world.shard(Measurement::Count(true));
    world.send(&sharded.reports);
    assert_eq!(reason(world.leader.receive(&sharded.reports[0])), Reason::Replayed);
    world.exchange();
    assert_eq!(reason(world.helper.receive(&sharded.reports[1])), Reason::Replayed);
    world.measure(Measurement::Count(true));
    world.exchange();
    world.collect().unwrap();
    assert_eq!(reason(world.leader.receive(&sharded.reports[0])), Reason::Replayed, "in a later batch");
    let seen = world.leader.seen().clone();
    assert_eq!(seen.len(), 2);
    let mut restarted = Aggregator::restore(world.task.clone(), Role::Leader, Secret::new([7; 32]), seen, 1);
    assert_eq!(reason(restarted.receive(&sharded.reports[0])), Reason::Replayed, "after a restart");
}

#[test]
fn a_report_of_another_task_or_for_the_other_aggregator_is_refused() {
    let mut world = World::new(task(Statistic::Count, 2));
    let other = World::new(task(Statistic::Count, 3));
    let foreign = other.shard(Measurement::Count(true));
    assert_eq!(reason(world.leader.receive(&foreign.reports[0])), Reason::OtherTask);
    let sharded = world.shard(Measurement::Count(true));
    assert_eq!(reason(world.leader.receive(&sharded.reports[1])), Reason::OtherTask);
    assert_eq!(reason(world.helper.receive(&sharded.reports[0])), Reason::OtherTask);
    world.send(&sharded.reports);
    assert_eq!(world.exchange(), [(sharded.nonce, Ok(()))]);
}

#[test]
fn totals_of_different_batches_or_of_one_aggregator_do_not_join() {
    let mut world = World::new(task(Statistic::Count, 2));
    let mut totals = Vec::new();
    for _ in 0..2 {
        for _ in 0..2 {
            world.measure(Measurement::Count(true));
        }
        world.exchange();
        totals.push((world.leader.aggregate().unwrap(), world.helper.aggregate().unwrap()));
    }
    let collector = Collector::new(world.task.clone());
    assert!(collector.unshard(&totals[0].0, &totals[0].1).is_ok());
    assert_eq!(collector.unshard(&totals[0].0, &totals[1].1), Err(Error::Disagreement));
    assert_eq!(reason(collector.unshard(&totals[0].0, &totals[0].0)), Reason::OtherTask);
    assert_eq!(reason(collector.unshard(&totals[0].1, &totals[0].0)), Reason::OtherTask);
    let other = Collector::new(task(Statistic::Count, 3));
    assert_eq!(reason(other.unshard(&totals[0].0, &totals[0].1)), Reason::OtherTask);
}
