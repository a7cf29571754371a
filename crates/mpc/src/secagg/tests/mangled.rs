//! Truncated, oversized, foreign and changed bytes, in every round and both directions.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), round in 0usize..5) {
        let mut world = World::new(ten()).until(ROUNDS[round]);
        prop_assert!(world.server.accept(1, &bytes).is_err());
        let client = &mut world.clients[1];
        let refused = match ROUNDS[round] {
            Turn::Share => client.share(&bytes).is_err(),
            Turn::Mask => client.mask(&bytes, &Secret::new(vec![0; 3])).is_err(),
            Turn::Consent => client.consent(&bytes).is_err(),
            Turn::Reveal => client.reveal(&bytes).is_err(),
            Turn::Advertise | Turn::Done => true,
        };
        prop_assert!(refused);
    }

    /// All but the ciphertexts and tags (which only their holder can judge) and the masked values (which nobody can).
    #[test]
    fn a_changed_bit_is_refused(at in any::<prop::sample::Index>(), bit in 0u8..8, round in 0usize..5) {
        let turn = ROUNDS[round];
        let mut world = World::new(ten()).until(turn);
        let mut answer = world.answer(1).unwrap();
        let end = match turn {
            // The frame and the list's head; the frame and the byte string's head.
            Turn::Share | Turn::Mask => 38,
            _ => answer.len(),
        };
        answer[at.index(end)] ^= 1 << bit;
        prop_assert!(world.server.accept(1, &answer).is_err());
    }
}

#[test]
fn truncated_and_extended_messages_are_refused_in_both_directions() {
    for turn in ROUNDS {
        let mut world = World::new(ten()).until(turn);
        if turn != Turn::Advertise {
            let message = world.server.message(1).unwrap();
            for bytes in [&message[..message.len() - 1], &[&message[..], &[0]].concat(), &[], &vec![0x80; 100_000]] {
                let client = &mut world.clients[1];
                let refused = match turn {
                    Turn::Share => client.share(bytes),
                    Turn::Mask => client.mask(bytes, &Secret::new(vec![0; 3])),
                    Turn::Consent => client.consent(bytes),
                    _ => client.reveal(bytes),
                };
                assert!(matches!(refused, Err(Error::Malformed { from: Party::Server, .. })), "{turn:?}");
            }
        }
        let mut world = World::new(ten()).until(turn);
        let answer = world.answer(1).unwrap();
        for bytes in [&answer[..answer.len() - 1], &[&answer[..], &[0]].concat(), &[], &vec![0x80; 100_000]] {
            let refused = world.server.accept(1, bytes);
            assert!(matches!(refused, Err(Error::Malformed { from: Party::Client(1), .. })), "{turn:?}");
        }
        world.server.accept(1, &answer).unwrap();
    }
}

#[test]
fn a_message_of_another_round_is_refused() {
    let mut answers = Vec::new();
    let mut world = World::new(ten());
    for turn in ROUNDS {
        let mut twin = World::new(ten()).until(turn);
        answers.push(twin.answer(1).unwrap());
    }
    for (round, turn) in ROUNDS.into_iter().enumerate() {
        for (other, answer) in answers.iter().enumerate().filter(|(other, _)| *other != round) {
            let refused = world.server.accept(1, answer);
            let named = matches!(
                refused,
                Err(Error::Misdirected { from: Party::Client(1) } | Error::Malformed { from: Party::Client(1), .. })
            );
            assert!(named, "{turn:?}, message of round {other}: {refused:?}");
        }
        world.deliver().unwrap();
        if turn != Turn::Reveal {
            world.server.close().unwrap();
        }
    }
}

#[test]
fn sets_have_one_encoding() {
    assert!(Set::read(&[0xff, 0x03], 10).is_some());
    assert!(Set::read(&[0xff, 0x07], 10).is_none(), "a client beyond the roster");
    assert!(Set::read(&[0xff], 10).is_none());
    assert!(Set::read(&[0xff, 0x03, 0], 10).is_none());
    assert!(Set::read(&[0xff], 8).is_some());
}
