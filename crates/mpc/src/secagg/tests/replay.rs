//! Old messages come again: of this session, of another, of another client.

use super::*;

#[test]
fn a_message_counts_once() {
    for turn in ROUNDS {
        let mut world = World::new(ten()).until(turn);
        let answer = world.answer(1).unwrap();
        world.server.accept(1, &answer).unwrap();
        assert_eq!(world.server.accept(1, &answer), Err(Error::Repeated { client: 1 }), "{turn:?}");
        for client in (0..10).filter(|client| *client != 1) {
            let answer = world.answer(client).unwrap();
            world.server.accept(client, &answer).unwrap();
        }
        let session = world.session.clone();
        if turn == Turn::Reveal {
            assert_eq!(world.server.finish().unwrap(), expected(&session, 0..10));
        } else {
            world.server.close().unwrap();
            assert_eq!(world.finish().unwrap(), expected(&session, 0..10));
        }
    }
}

#[test]
fn another_sessions_messages_are_refused() {
    let other = session_of(*ten().parameters(), 3, "another graph");
    assert_ne!(other.id(), ten().id());
    for turn in ROUNDS {
        let (mut world, mut stale) = (World::new(ten()).until(turn), World::new(other.clone()).until(turn));
        let answer = stale.answer(1).unwrap();
        assert_eq!(world.server.accept(1, &answer), Err(Error::Misdirected { from: Party::Client(1) }), "{turn:?}");
    }
    for turn in &ROUNDS[1..] {
        let (mut world, mut stale) = (World::new(ten()).until(*turn), World::new(other.clone()).until(*turn));
        // The clients of one session at the server of the other.
        std::mem::swap(&mut world.server, &mut stale.server);
        assert_eq!(world.answer(1).unwrap_err(), Error::Misdirected { from: Party::Server }, "{turn:?}");
    }
}

#[test]
fn another_clients_message_is_not_ones_own() {
    let mut world = World::new(ten());
    let keys = world.answer(1).unwrap();
    assert_eq!(world.server.accept(2, &keys), Err(Error::Keys { client: 2 }));
    let mut world = World::new(ten()).until(Turn::Share);
    let shares = world.answer(1).unwrap();
    assert_eq!(world.server.accept(2, &shares), Err(Error::Unfit { from: 2 }));
    let mut world = World::new(ten()).until(Turn::Consent);
    let consent = world.answer(1).unwrap();
    assert_eq!(world.server.accept(2, &consent), Err(Error::Dissent { client: 2 }));
    let mut world = World::new(ten()).until(Turn::Reveal);
    let reveal = world.answer(1).unwrap();
    assert!(matches!(
        world.server.accept(2, &reveal),
        Err(Error::WrongShare { from: 2, .. } | Error::NoNeighbour { .. })
    ));
    assert_eq!(world.server.accept(10, &reveal), Err(Error::Stranger { client: 10 }));
}

#[test]
fn a_client_masks_one_vector_and_reveals_once() {
    let mut world = World::new(ten()).until(Turn::Mask);
    let inbox = world.server.message(1).unwrap();
    let input = || Secret::new(vec![1, 2, 3]);
    world.clients[1].mask(&inbox, &input()).unwrap();
    let again = Error::OutOfTurn { expected: Turn::Consent, found: Turn::Mask };
    assert_eq!(world.clients[1].mask(&inbox, &input()).unwrap_err(), again);
    let mut world = World::new(ten()).until(Turn::Reveal);
    world.answer(1).unwrap();
    assert_eq!(world.answer(1).unwrap_err(), Error::OutOfTurn { expected: Turn::Done, found: Turn::Reveal });
}
