//! The sum is the sum, and costs what the formulas say.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn of_any_graph_with_any_dropouts_in_any_round(
        half in 4u32..8, more in 1u32..20, length in 1u32..50, graph in any::<u64>(),
        gone in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..5), 0..4),
    ) {
        let n = 2 * half + more + 1;
        let session = session_of(Parameters::new(n, 2 * half, half - 2, 0, n / 2).unwrap(), length, &graph.to_string());
        let mut world = World::new(session.clone());
        let mut masked = None;
        for (turn, round) in ROUNDS.into_iter().zip(0..) {
            prop_assert_eq!(world.server.turn(), turn);
            for (client, _) in gone.iter().filter(|gone| gone.1 == round) {
                // The same one may be drawn twice.
                world.alive.remove(&(client.index(n as usize) as u32));
            }
            world.deliver().unwrap();
            if turn == Turn::Mask {
                masked = Some(world.alive.clone());
            }
            if turn != Turn::Reveal {
                world.server.close().unwrap();
            }
        }
        prop_assert_eq!(world.server.finish().unwrap(), expected(&session, masked.unwrap()));
    }
}

#[test]
fn bytes_are_as_predicted() {
    for (n, k, length) in [(10, 9, 3), (40, 12, 100), (300, 8, 2), (300, 30, 9000)] {
        let session = session_of(Parameters::new(n, k, k / 2 + 1, 1, n / 2).unwrap(), length, "cost");
        let mut world = World::new(session.clone()).until(Turn::Reveal);
        world.deliver().unwrap();
        for client in 0..n {
            let cost = Cost::of(&session, client);
            assert_eq!(
                world.bytes[client as usize],
                (cost.sent_bytes(), cost.received_bytes()),
                "client {client} of {n}"
            );
        }
        assert_eq!(world.server.finish().unwrap(), expected(&session, 0..n));
    }
}

/// The table of `docs/spec/mpc/secagg.md`, message by message.
#[test]
fn messages_are_as_long_as_the_page_states() {
    let h = |argument: u64| match argument {
        0..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    };
    for (n, k, m) in [(10u32, 9, 3u32), (40, 12, 100), (300, 30, 9000)] {
        let session = session_of(Parameters::new(n, k, k / 2 + 1, 1, n / 2).unwrap(), m, "page");
        let mut world = World::new(session.clone());
        let (k, t, m) = (u64::from(k), u64::from(k / 2 + 1), u64::from(m));
        // Five round trips; to the first answer no message leads.
        for (round, turn) in ROUNDS.into_iter().enumerate() {
            assert_eq!(world.server.turn(), turn);
            for client in 0..n {
                let neighbours = session.neighbours(client);
                let indices =
                    |count: u64| neighbours[..count as usize].iter().map(|peer| h((*peer).into())).sum::<u64>();
                let (i, i_t, map) = (indices(k), indices(t), u64::from(n.div_ceil(8)));
                let shares = 37 + h(k) + 134 * k + i;
                let (received, sent) = match turn {
                    Turn::Advertise => (0, 206 + h(client.into())),
                    Turn::Share => (37 + h(k) + 169 * k + i, shares),
                    Turn::Mask => (shares, 37 + h(8 * m) + 8 * m),
                    Turn::Consent => (37 + h(map) + map, 103),
                    _ => (37 + h(t) + 67 * t + i_t, 37 + h(k) + 43 * k + i),
                };
                let before = world.bytes[client as usize];
                let answer = world.answer(client).unwrap();
                world.server.accept(client, &answer).unwrap();
                let found = (world.bytes[client as usize].1 - before.1, answer.len() as u64);
                assert_eq!(found, (received, sent), "client {client} of {n}, round {round}");
            }
            if turn != Turn::Reveal {
                world.server.close().unwrap();
            }
        }
        assert_eq!(world.server.finish().unwrap(), expected(&session, 0..n));
    }
}

#[test]
fn a_masked_vector_alone_says_nothing() {
    // 4,096 zeros under masks: bits look like coin flips (five standard deviations around half of 262,144).
    let session = session_of(Parameters::new(10, 4, 3, 1, 7).unwrap(), 4096, "noise");
    let mut world = World::new(session).until(Turn::Mask);
    let inbox = world.server.message(3).unwrap();
    let masked = world.clients[3].mask(&inbox, &Secret::new(vec![0; 4096])).unwrap();
    let ones: u32 = masked[masked.len() - 4096 * 8..].iter().map(|byte| byte.count_ones()).sum();
    assert!(ones.abs_diff(131_072) < 1280, "{ones}");
}

/// A scaled-down `examples/secagg_scale.rs`: numbers derived from a threat, three tenths of clients gone in the end.
#[test]
fn two_hundred_clients_with_three_tenths_gone() {
    let threat = Threat { adversary: Adversary::Malicious, corrupt: 50, dropouts: 300, security: 40, correctness: 20 };
    let session = session_of(Parameters::derive(200, &threat).unwrap(), 500, "scale");
    let mut world = World::new(session.clone());
    for (round, turn) in ROUNDS.into_iter().enumerate() {
        world.leave((0..12).map(|step| (step * 17 + round as u32) % 200));
        world.deliver().unwrap();
        if turn != Turn::Reveal {
            world.server.close().unwrap();
        }
    }
    assert_eq!(world.alive.len(), 140);
    let survivors =
        (0..200).filter(|client| !(0..12).any(|step| (0..3).any(|round| (step * 17 + round) % 200 == *client)));
    assert_eq!(world.server.finish().unwrap(), expected(&session, survivors));
}
