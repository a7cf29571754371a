//! Parameters: the bounds by other means, and the figures of the spec page.

use super::*;

fn threat(adversary: Adversary, corrupt: u16, dropouts: u16) -> Threat {
    Threat { adversary, corrupt, dropouts, security: 40, correctness: 20 }
}

/// The table of `docs/spec/mpc/secagg.md`.
#[test]
fn derived_numbers() {
    for (n, corrupt, dropouts, semi_honest, malicious) in TABLE {
        for (adversary, expected) in [(Adversary::SemiHonest, semi_honest), (Adversary::Malicious, malicious)] {
            let derived = Parameters::derive(n, &threat(adversary, corrupt, dropouts));
            let found = derived.map(|found| (found.neighbours(), found.threshold(), found.window())).ok();
            assert_eq!(found, expected, "n = {n}, {corrupt} corrupt, {dropouts} drop out, {adversary:?}");
        }
    }
}

type Numbers = Option<(u32, u32, u32)>;

/// Clients, corrupt and dropped out in thousandths, (k, t, g) semi-honest and malicious.
const TABLE: [(u32, u16, u16, Numbers, Numbers); 8] = [
    (10, 200, 200, Some((6, 3, 1)), Some((9, 6, 0))),
    (100, 100, 200, Some((28, 11, 1)), Some((54, 33, 11))),
    (100, 50, 300, Some((28, 6, 1)), Some((66, 36, 6))),
    (1_000, 100, 200, Some((66, 31, 1)), Some((202, 129, 39))),
    (1_000, 50, 300, Some((66, 23, 1)), Some((318, 181, 33))),
    (10_000, 100, 200, Some((78, 37, 1)), Some((282, 180, 51))),
    (10_000, 50, 300, Some((82, 29, 1)), Some((530, 303, 51))),
    (65_536, 50, 300, Some((86, 30, 1)), Some((604, 345, 57))),
];

/// A small graph where the tails can be counted: 6 clients, 2 corrupt, 4 neighbours of each.
#[test]
fn tails_are_exact() {
    // Both corrupt ones may be neighbours, hence t = 3; one drops out, hence 3 of 4 neighbours survive; to cut the ring takes 4.
    let threat =
        Threat { adversary: Adversary::SemiHonest, corrupt: 400, dropouts: 200, security: 40, correctness: 20 };
    let parameters = Parameters::derive(6, &threat).unwrap();
    assert_eq!((parameters.neighbours(), parameters.threshold(), parameters.minimum()), (4, 3, 5));
    // Malicious: with 4 neighbours 2 t > 4 + 2 takes all four; with 5, 2 t > 5 + 2 takes 4, and 4 of 5 others survive.
    let threat = Threat { adversary: Adversary::Malicious, ..threat };
    assert_eq!(Parameters::derive(6, &threat).unwrap().threshold(), 4);
    // One dropout more leaves 3.
    let threat = Threat { dropouts: 400, ..threat };
    assert!(matches!(Parameters::derive(6, &threat), Err(Error::Parameters { .. })));
}

/// Random graphs keep what the bounds promise, at parameters weak enough to see failures if the bounds were wrong.
#[test]
fn graphs_keep_the_promise() {
    let threat = Threat { adversary: Adversary::Malicious, corrupt: 50, dropouts: 200, security: 7, correctness: 7 };
    let parameters = Parameters::derive(500, &threat).unwrap();
    assert!(!parameters.is_complete(), "{parameters:?}");
    let (k, t) = (parameters.neighbours(), parameters.threshold());
    let roster: Vec<_> = (0..500).map(|client| identity(client).public()).collect();
    let (mut exposed, mut failed) = (0, 0);
    for trial in 0..200 {
        // Clients 0 to 24 are corrupt, 400 to 499 drop out: the graph is random, so who they are does not matter.
        let session =
            Session::new(name("test"), name(&format!("trial {trial}")), parameters, roster.clone(), 1).unwrap();
        let neighbours = |client| session.neighbours(client);
        let corrupt = |client| neighbours(client).into_iter().filter(|peer| *peer < 25).count() as u32;
        let alive = |client| neighbours(client).into_iter().filter(|peer| *peer < 400).count() as u32;
        exposed += u32::from((0..500).any(|client| 2 * t <= k + corrupt(client)));
        let mut set = Set::new(500);
        (0..400).for_each(|client| assert!(set.insert(client)));
        failed += u32::from((0..500).any(|client| alive(client) < t) || session.check_survivors(&set).is_err());
    }
    // Expected at most 200 / 128 of each.
    assert!(exposed <= 8 && failed <= 8, "{exposed} exposed, {failed} failed of 200");
}

#[test]
fn neighbours_are_mutual_distinct_and_as_many_as_stated() {
    for (n, k) in [(10, 9), (11, 4), (100, 30), (101, 98)] {
        let session = session_of(Parameters::new(n, k, 2, 0, 2).unwrap(), 1, "mutual");
        for client in 0..n {
            let neighbours = session.neighbours(client);
            assert_eq!(neighbours.len() as u32, k);
            assert!(neighbours.is_sorted_by(|a, b| a < b) && !neighbours.contains(&client));
            for other in 0..n {
                assert_eq!(session.are_neighbours(client, other), neighbours.contains(&other));
                assert_eq!(session.are_neighbours(client, other), session.are_neighbours(other, client));
            }
        }
    }
}

#[test]
fn impossible_numbers_are_refused() {
    let cases = [(2, 1, 2, 0, 2), (10, 1, 2, 0, 2), (10, 10, 2, 0, 2), (10, 5, 2, 0, 2), (10, 4, 1, 0, 2)];
    let more = [(10, 4, 5, 0, 2), (10, 4, 3, 3, 2), (10, 4, 3, 0, 1), (10, 4, 3, 0, 11), (MAX_CLIENTS + 1, 4, 3, 0, 9)];
    for (n, k, t, g, minimum) in cases.into_iter().chain(more) {
        assert!(
            matches!(Parameters::new(n, k, t, g, minimum), Err(Error::Parameters { .. })),
            "{n} {k} {t} {g} {minimum}"
        );
    }
    let keys: Vec<_> = (0..10).map(|client| identity(client).public()).collect();
    let new = |roster: Vec<_>, length| Session::new(name("a"), name("b"), *ten().parameters(), roster, length).err();
    assert!(new(keys.clone(), 1).is_none());
    for (roster, length) in
        [(keys[1..].to_vec(), 1), ([&keys[1..], &keys[1..2]].concat(), 1), (keys.clone(), 0), (keys, MAX_LENGTH + 1)]
    {
        assert!(matches!(new(roster, length), Some(Error::Parameters { .. })));
    }
    assert_eq!(Client::new(ten(), 1, identity(2)).err(), Some(Error::Stranger { client: 1 }));
}
