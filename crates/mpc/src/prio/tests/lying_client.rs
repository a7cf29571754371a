//! Clients that send what is not valid: refused by both aggregators for one reason, while the rest goes on.

use super::super::message::{self, Kind, Report};
use super::*;

/// A client's reports with the leader's and the helper's parts changed.
fn altered(world: &World, measurement: Measurement, change: impl Fn(&mut Report)) -> (Nonce, [Secret<Vec<u8>>; 2]) {
    let sharded = world.shard(measurement);
    let reports = sharded.reports.each_ref().map(|report| {
        let mut report: Report = report.expose(|report| message::read(&world.task, Kind::Report, report)).unwrap();
        change(&mut report);
        Secret::new(message::write(&world.task, Kind::Report, report))
    });
    (sharded.nonce, reports)
}

fn verdict(world: &mut World, nonce: Nonce, reports: &[Secret<Vec<u8>>; 2]) -> Result<(), Reason> {
    world.send(reports);
    let verdicts = world.exchange();
    verdicts.into_iter().find(|(other, _)| *other == nonce).unwrap().1
}

#[test]
fn a_vote_of_two_is_no_vote() {
    let mut world = World::new(task(Statistic::Count, 2));
    let honest = [0, 1].map(|_| world.measure(Measurement::Count(true)));
    // The leader's measurement share, plus one: together the shares say 2.
    let (nonce, reports) = altered(&world, Measurement::Count(true), |report| {
        if report.aggregator == 0 {
            report.input.0[0] = report.input.0[0].wrapping_add(1);
        }
    });
    world.send(&reports);
    for (found, verdict) in world.exchange() {
        assert_eq!(verdict, if found == nonce { Err(Reason::InvalidProof) } else { Ok(()) });
        assert!(found == nonce || honest.contains(&found));
    }
    assert_eq!(world.collect().unwrap().aggregate, Aggregate::Count(2));
}

#[test]
fn any_altered_share_is_refused_by_both() {
    for (statistic, expected) in [
        (Statistic::Count, Reason::InvalidProof),
        (Statistic::Sum { max: 9 }, Reason::InvalidProof),
        (Statistic::Histogram { buckets: 5 }, Reason::Inconsistent),
        (Statistic::Vector { length: 3, max: 9 }, Reason::Inconsistent),
    ] {
        let mut world = World::new(task(statistic, 2));
        for aggregator in 0..2 {
            let measurement = match statistic {
                Statistic::Count => Measurement::Count(true),
                Statistic::Sum { .. } => Measurement::Sum(5),
                Statistic::Histogram { .. } => Measurement::Bucket(2),
                Statistic::Vector { .. } => Measurement::Vector(vec![1, 2, 3]),
            };
            let (nonce, reports) = altered(&world, measurement, |report| {
                if report.aggregator == aggregator {
                    report.input.0[1] ^= 1;
                }
            });
            assert_eq!(verdict(&mut world, nonce, &reports), Err(expected), "{statistic:?}, aggregator {aggregator}");
        }
    }
}

/// A client that tells the aggregators different public shares cannot make one accept and the other refuse.
#[test]
fn the_aggregators_cannot_be_split() {
    let mut world = World::new(task(Statistic::Histogram { buckets: 5 }, 2));
    for part in [0, 32] {
        for to in [&[0u8][..], &[1], &[0, 1]] {
            let (nonce, reports) = altered(&world, Measurement::Bucket(1), |report| {
                if to.contains(&report.aggregator) {
                    report.public.0[part] ^= 1;
                }
            });
            assert_eq!(verdict(&mut world, nonce, &reports), Err(Reason::Inconsistent), "part {part}, {to:?}");
        }
    }
}

#[test]
fn shares_of_different_measurements_do_not_fit() {
    let mut world = World::new(task(Statistic::Count, 2));
    let (one, other) = (world.shard(Measurement::Count(true)), world.shard(Measurement::Count(true)));
    // The other's shares under the one's nonce.
    let renamed = changed(&other.reports[1], |bytes| {
        let at = bytes.windows(16).position(|window| window == other.nonce.as_bytes()).unwrap();
        bytes[at..at + 16].copy_from_slice(one.nonce.as_bytes());
    });
    let [leader, _] = one.reports;
    assert_eq!(verdict(&mut world, one.nonce, &[leader, renamed]), Err(Reason::InvalidProof));
}

/// The limit of the protocol: what is in range is valid.
#[test]
fn a_lie_within_the_range_is_not_noticed() {
    let mut world = World::new(task(Statistic::Sum { max: 120 }, 2));
    world.measure(Measurement::Sum(119));
    world.measure(Measurement::Sum(30));
    assert!(world.exchange().iter().all(|(_, verdict)| verdict.is_ok()));
    assert_eq!(world.collect().unwrap().aggregate, Aggregate::Sum(149));
}
