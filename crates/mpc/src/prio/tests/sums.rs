//! The aggregate is the plain one, and costs what the formulas say.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn counts(yes in proptest::collection::vec(any::<bool>(), 2..20)) {
        let mut world = World::new(task(Statistic::Count, 2));
        for yes in &yes {
            world.measure(Measurement::Count(*yes));
        }
        world.exchange();
        let plain = yes.iter().filter(|yes| **yes).count() as u64;
        prop_assert_eq!(world.collect().unwrap().aggregate, Aggregate::Count(plain));
    }

    #[test]
    fn sums(max in 1..=MAX_VALUE, values in proptest::collection::vec(any::<u64>(), 2..20)) {
        let mut world = World::new(task(Statistic::Sum { max }, 2));
        let values: Vec<u64> = values.into_iter().map(|value| value % (max + 1)).collect();
        for value in &values {
            world.measure(Measurement::Sum(*value));
        }
        world.exchange();
        let collected = world.collect().unwrap();
        prop_assert_eq!(collected.count as usize, values.len());
        prop_assert_eq!(collected.aggregate, Aggregate::Sum(values.iter().sum()));
    }

    #[test]
    fn vectors(max in 1u64..1000, length in 1u32..20, seed in any::<u64>()) {
        let mut world = World::new(task(Statistic::Vector { length, max }, 2));
        let value = |client: u64, at: u64| seed.wrapping_mul(client * 31 + at + 1) % (max + 1);
        for client in 0..5 {
            world.measure(Measurement::Vector((0..u64::from(length)).map(|at| value(client, at)).collect()));
        }
        world.exchange();
        let plain = (0..u64::from(length)).map(|at| (0..5).map(|client| u128::from(value(client, at))).sum()).collect();
        prop_assert_eq!(world.collect().unwrap().aggregate, Aggregate::Vector(plain));
    }

    #[test]
    fn histograms(buckets in 1u32..30, choices in proptest::collection::vec(any::<u32>(), 2..20)) {
        let mut world = World::new(task(Statistic::Histogram { buckets }, 2));
        let mut plain = vec![0u128; buckets as usize];
        for choice in choices.iter().map(|choice| choice % buckets) {
            world.measure(Measurement::Bucket(choice));
            plain[choice as usize] += 1;
        }
        world.exchange();
        prop_assert_eq!(world.collect().unwrap().aggregate, Aggregate::Histogram(plain));
    }
}

#[test]
fn the_largest_values_do_not_wrap() {
    let mut world = World::new(task(Statistic::Sum { max: MAX_VALUE }, 3));
    for _ in 0..3 {
        world.measure(Measurement::Sum(MAX_VALUE));
    }
    world.exchange();
    assert_eq!(world.collect().unwrap().aggregate, Aggregate::Sum(3 * MAX_VALUE));
    // 2^20 reports of less than 2^40 stay below the field's 2^64 − 2^32 + 1.
    assert!(MAX_REPORTS as u64 * MAX_VALUE < u64::MAX - (1 << 32));
}

/// The table of `docs/spec/mpc/prio.md`.
#[test]
fn bytes_are_as_predicted() {
    for (statistic, measurement, expected) in [
        (Statistic::Count, Measurement::Count(true), [107, 91, 86, 85]),
        (Statistic::Sum { max: 255 }, Measurement::Sum(9), [380, 91, 78, 85]),
        (Statistic::Histogram { buckets: 100 }, Measurement::Bucket(3), [2477, 188, 343, 1679]),
        (
            Statistic::Vector { length: 1000, max: 255 },
            Measurement::Vector(vec![255; 1000]),
            [134_255, 188, 2_135, 16_079],
        ),
    ] {
        let mut world = World::new(task(statistic, 2));
        let cost = Cost::of(&world.task);
        let sharded = world.shard(measurement);
        let sent = sharded.reports.each_ref().map(|report| report.expose(Vec::len) as u64);
        assert_eq!(sent, cost.report, "{statistic:?}");
        assert_eq!([cost.report[0], cost.report[1], cost.verifier, cost.total], expected, "{statistic:?}");
        world.send(&sharded.reports);
        let to_helper = world.leader.outbox();
        assert_eq!(to_helper.len() as u64, cost.verifiers + cost.verifier);
        let to_leader = world.helper.outbox();
        assert_eq!(to_leader.len(), to_helper.len());
        world.leader.settle(&to_leader).unwrap();
        world.leader.accepted.insert(wire::Fixed([0; 16]));
        let total = world.leader.aggregate().unwrap().expose(Vec::len) as u64;
        // A count of 2 takes one byte where the formula has two.
        assert_eq!(total + 1, cost.total, "{statistic:?}");
    }
}

#[test]
fn impossible_tasks_and_measurements_are_refused() {
    let statistics = [
        Statistic::Sum { max: 0 },
        Statistic::Sum { max: MAX_VALUE + 1 },
        Statistic::Vector { length: 0, max: 1 },
        Statistic::Vector { length: 1, max: 0 },
        Statistic::Vector { length: 1 << 20, max: 2 },
        Statistic::Histogram { buckets: 0 },
        Statistic::Histogram { buckets: u32::MAX },
    ];
    for statistic in statistics {
        assert!(matches!(Task::new(name("test"), statistic, 2), Err(Error::Task { .. })), "{statistic:?}");
    }
    for minimum in [0, 1, MAX_REPORTS as u32 + 1] {
        assert!(matches!(Task::new(name("test"), Statistic::Count, minimum), Err(Error::Task { .. })));
    }
    let refused = |statistic, measurement| {
        Client::new(task(statistic, 2)).shard(&Secret::new(measurement)).err() == Some(Error::Measurement)
    };
    assert!(refused(Statistic::Count, Measurement::Sum(1)));
    assert!(refused(Statistic::Sum { max: 9 }, Measurement::Sum(10)));
    assert!(refused(Statistic::Sum { max: 9 }, Measurement::Bucket(1)));
    assert!(refused(Statistic::Vector { length: 2, max: 9 }, Measurement::Vector(vec![1, 10])));
    assert!(refused(Statistic::Vector { length: 2, max: 9 }, Measurement::Vector(vec![1])));
    assert!(refused(Statistic::Histogram { buckets: 3 }, Measurement::Bucket(3)));
}
