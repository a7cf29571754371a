//! An aggregator that deviates: what the other and the collector notice, and what they cannot.

use super::super::message::{self, Kind, Verifiers};
use super::*;

#[test]
fn a_wrong_verifier_share_loses_the_report_not_the_session() {
    let mut world = World::new(task(Statistic::Count, 2));
    let nonces = [0, 1, 2].map(|_| world.measure(Measurement::Count(true)));
    let (to_helper, to_leader) = (world.leader.outbox(), world.helper.outbox());
    let mut verifiers: Verifiers = message::read(&world.task, Kind::Verifiers, &to_leader).unwrap();
    verifiers.items[1].share.0[0] ^= 1;
    let spoilt = verifiers.items[1].nonce;
    assert!(nonces.contains(&spoilt));
    let lie = message::write(&world.task, Kind::Verifiers, verifiers);
    for (nonce, verdict) in world.leader.settle(&lie).unwrap() {
        assert_eq!(verdict, if nonce == spoilt { Err(Reason::InvalidProof) } else { Ok(()) });
    }
    // The liar counts it nevertheless, and the collector sees that the two do not agree.
    assert_eq!(world.helper.settle(&to_helper).unwrap().len(), 3);
    assert_eq!(world.collect().unwrap_err(), Error::Disagreement);
}

#[test]
fn withheld_and_invented_reports_are_unmatched() {
    let mut world = World::new(task(Statistic::Count, 2));
    for _ in 0..2 {
        world.measure(Measurement::Count(true));
    }
    let (_, to_leader) = (world.leader.outbox(), world.helper.outbox());
    let mut verifiers: Verifiers = message::read(&world.task, Kind::Verifiers, &to_leader).unwrap();
    let withheld = verifiers.items[1].nonce;
    verifiers.items[1].nonce = wire::Fixed([0xff; 16]);
    let lie = message::write(&world.task, Kind::Verifiers, verifiers);
    let verdicts = world.leader.settle(&lie).unwrap();
    assert_eq!(verdicts.len(), 3);
    assert!(verdicts.contains(&(withheld, Err(Reason::Unmatched))));
    assert!(verdicts.contains(&(wire::Fixed([0xff; 16]), Err(Reason::Unmatched))));
}

#[test]
fn a_message_of_another_exchange_or_of_oneself_is_refused() {
    let mut world = World::new(task(Statistic::Count, 2));
    world.measure(Measurement::Count(true));
    let (own, stale) = (world.leader.outbox(), world.helper.outbox());
    let refused = Error::Aggregator { role: Role::Helper, reason: Reason::OtherTask };
    assert_eq!(world.leader.settle(&own), Err(refused));
    world.leader.settle(&stale).unwrap();
    world.leader.outbox();
    let refused = Error::Aggregator { role: Role::Helper, reason: Reason::OtherTask };
    assert_eq!(world.leader.settle(&stale), Err(refused));
}

/// The limit of the protocol: robustness needs both aggregators to be honest.
#[test]
fn an_aggregator_can_shift_the_result_unnoticed() {
    let mut world = World::new(task(Statistic::Count, 2));
    for _ in 0..2 {
        world.measure(Measurement::Count(true));
    }
    world.exchange();
    // The share as a field element, plus one.
    world.leader.sum = changed(&world.leader.sum, |sum| {
        let value = u64::from_le_bytes(sum[..8].try_into().unwrap());
        sum.copy_from_slice(&((u128::from(value) + 1) % 0xffff_ffff_0000_0001).to_le_bytes()[..8]);
    });
    assert_eq!(world.collect().unwrap().aggregate, Aggregate::Count(3));
}
