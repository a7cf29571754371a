//! What docs/spec/mpc/additive.md states is what is sent.

use super::*;

/// The formulas of its section on cost: bytes between parties, bytes of a share.
fn stated(n: u64, m: u64) -> (u64, u64) {
    let h = match 8 * m {
        ..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    };
    (72 * n * (n - 1), 39 + 34 * (n - 1) + h + 8 * m)
}

#[test]
fn bytes_and_rounds_are_as_the_page_states() {
    // Its table.
    for (n, m, between, share) in [(3, 108, 432, 974), (3, 24, 432, 301), (16, 65_536, 17_280, 524_842)] {
        assert_eq!(stated(n, m), (between, share));
    }
    for (n, m) in [(2, 1), (3, 24), (3, 108), (5, 2), (5, 3), (7, 31), (7, 32), (16, 8191), (16, 8192), (16, 65_536)] {
        let mut group = parties(n);
        // One round: [`exchange`] steps each party once and finds all ready.
        let (_, between) = exchange(&mut group);
        let shares = shares(group, &vec![vec![7; m]; usize::from(n)]);
        let (stated_between, stated_share) = stated(n.into(), m as u64);
        assert_eq!(between, stated_between, "{n} parties");
        assert!(shares.iter().all(|share| share.to_bytes().len() as u64 == stated_share), "{m} values among {n}");
        assert_eq!(cost(n, m).rounds, 1);
    }
}
