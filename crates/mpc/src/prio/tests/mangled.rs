//! Truncated, oversized, foreign and changed bytes.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::new(task(Statistic::Histogram { buckets: 4 }, 2));
        let message = Secret::new(bytes.clone());
        prop_assert!(world.leader.receive(&message).is_err());
        world.leader.outbox();
        prop_assert!(world.leader.settle(&bytes).is_err());
        prop_assert!(Collector::new(world.task.clone()).unshard(&message, &message).is_err());
    }

    /// A changed bit of a report: refused at once, or by both in the exchange, or (in a nonce) by neither's match.
    #[test]
    fn a_changed_bit_does_not_count(at in any::<prop::sample::Index>(), bit in 0u8..8, aggregator in 0usize..2) {
        let mut world = World::new(task(Statistic::Histogram { buckets: 4 }, 2));
        let sharded = world.shard(Measurement::Bucket(1));
        let mut reports = sharded.reports;
        reports[aggregator] = changed(&reports[aggregator], |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        });
        let _ = world.leader.receive(&reports[0]);
        let _ = world.helper.receive(&reports[1]);
        prop_assert!(world.exchange().iter().all(|(_, verdict)| verdict.is_err()));
    }
}

#[test]
fn truncated_and_extended_messages_are_refused() {
    let mut world = World::new(task(Statistic::Vector { length: 3, max: 9 }, 2));
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let extend = |bytes: &mut Vec<u8>| bytes.push(0);
    let flood = |bytes: &mut Vec<u8>| bytes.resize(1 << 22, 0);
    let sharded = world.shard(Measurement::Vector(vec![1, 2, 3]));
    for change in [cut as fn(&mut Vec<u8>), extend, flood, Vec::clear] {
        for (aggregator, report) in [&mut world.leader, &mut world.helper].into_iter().zip(&sharded.reports) {
            assert_eq!(reason(aggregator.receive(&changed(report, change))), Reason::Malformed);
        }
    }
    world.send(&sharded.reports);
    world.measure(Measurement::Vector(vec![4, 5, 6]));
    let (to_helper, to_leader) = (world.leader.outbox(), world.helper.outbox());
    for change in [cut as fn(&mut Vec<u8>), extend, Vec::clear] {
        let mut bytes = to_leader.clone();
        change(&mut bytes);
        assert_eq!(reason(world.leader.settle(&bytes)), Reason::Malformed);
    }
    world.leader.settle(&to_leader).unwrap();
    world.helper.settle(&to_helper).unwrap();
    let (leader, helper) = (world.leader.aggregate().unwrap(), world.helper.aggregate().unwrap());
    let collector = Collector::new(world.task.clone());
    for change in [cut as fn(&mut Vec<u8>), extend, flood, Vec::clear] {
        assert_eq!(reason(collector.unshard(&changed(&leader, change), &helper)), Reason::Malformed);
        assert_eq!(reason(collector.unshard(&leader, &changed(&helper, change))), Reason::Malformed);
    }
    assert_eq!(collector.unshard(&leader, &helper).unwrap().aggregate, Aggregate::Vector(vec![5, 7, 9]));
}
