//! Clients leave in each round: the sum is the survivors', or the server says what is missing.

use super::*;

#[test]
fn three_of_ten_may_leave_in_any_round() {
    for turn in ROUNDS {
        let mut world = World::new(ten()).until(turn);
        world.leave([0, 4, 9]);
        // Whose vector arrived is in the sum, even if it left right after.
        let arrived = matches!(turn, Turn::Consent | Turn::Reveal);
        let survivors = (0..10).filter(|client| arrived || ![0, 4, 9].contains(client));
        let session = world.session.clone();
        assert_eq!(world.finish().unwrap(), expected(&session, survivors), "{turn:?}");
    }
}

#[test]
fn four_are_too_many_before_the_vectors_are_in() {
    for turn in [Turn::Advertise, Turn::Share, Turn::Mask] {
        let mut world = World::new(ten()).until(turn);
        world.leave([1, 2, 3, 5]);
        let stopped = world.finish().unwrap_err();
        assert_eq!(stopped, Error::TooManyDropouts { turn, found: 6, needed: 7, missing: vec![1, 2, 3, 5] });
    }
}

#[test]
fn consents_below_the_threshold_stop_the_session() {
    let mut world = World::new(ten()).until(Turn::Consent);
    world.leave([1, 2, 3, 5, 6]);
    let stopped = world.finish().unwrap_err();
    let missing = vec![1, 2, 3, 5, 6];
    assert_eq!(stopped, Error::TooManyDropouts { turn: Turn::Consent, found: 5, needed: 6, missing });
}

#[test]
fn shares_below_the_threshold_are_named() {
    let mut world = World::new(ten()).until(Turn::Reveal);
    world.leave([1, 2, 3, 5]);
    let Error::Unrecoverable { missing } = world.finish().unwrap_err() else { panic!("not the missing shares") };
    // Six are left: a client that is gone has six holders, one that is there has five others.
    let short: Vec<u32> = missing.iter().map(|missing| missing.client).collect();
    assert_eq!(short, [0, 4, 6, 7, 8, 9]);
    assert!(missing.iter().all(|missing| (missing.found, missing.needed) == (5, 6)));
}

#[test]
fn a_hole_in_the_ring_stops_the_session_before_anyone_reveals() {
    let session = session_of(Parameters::new(40, 12, 4, 2, 20).unwrap(), 1, "hole");
    let mut world = World::new(session.clone()).until(Turn::Mask);
    // The neighbours of a client on both sides stand in a row.
    world.leave(session.neighbours(7));
    assert!(matches!(world.finish(), Err(Error::TooThin { from: Party::Roster, thin: Thin::Gap { .. } })));
}

#[test]
fn a_late_message_is_refused() {
    let mut world = World::new(ten()).until(Turn::Share);
    let late = world.answer(6).unwrap();
    world.leave([6]);
    world.round().unwrap();
    assert_eq!(world.server.accept(6, &late), Err(Error::Dropped { client: 6 }));
    assert!(world.server.message(6).is_none());
    let session = world.session.clone();
    assert_eq!(world.finish().unwrap(), expected(&session, (0..10).filter(|client| *client != 6)));
}
