//! What docs/spec/mpc/rep3.md and rep3-malicious.md state of costs is what [`Backend::cost`] states; the tests of [`super::operations`] and of the check hold
//! that against what is sent.

use super::*;

/// `T(m)`.
fn tree(m: i64) -> i64 {
    if m <= 1 { 0 } else { 2 * (m / 2) - 1 + m % 2 + tree((m + 1) / 2) }
}

/// `S(m)`: the products of Sklansky's network over `m` nodes, where the lowest stretch of each level takes no propagate bit along.
fn network(m: i64) -> i64 {
    let levels = (0..).take_while(|level| 1i64 << level < m);
    levels
        .map(|level| {
            let upper = (0..m).filter(|node| node >> level & 1 == 1);
            upper.map(|node| if node >> (level + 1) == 0 { 1 } else { 2 }).sum::<i64>()
        })
        .sum()
}

/// `⌈log2 m⌉`.
fn log(m: i64) -> i64 {
    (0..).find(|level| 1 << level >= m).expect("some power")
}

/// Rows of the first table.
fn semi_honest(primitive: Primitive, domain: Domain, n: usize) -> (i64, i64) {
    let l = i64::from(domain.width());
    let p = 8 * n.div_ceil(64) as i64;
    // Of bits, planes take the place of values.
    let all = if domain == Domain::Bits { p } else { l / 8 * n as i64 };
    let one = l / 8;
    match primitive {
        Primitive::Input => (all, 1),
        Primitive::Mul => (3 * all, 1),
        Primitive::Dot(g) => (3 * one * g as i64, 1),
        Primitive::Matmul([r, _, c]) => (3 * one * (r * c) as i64, 1),
        Primitive::Open => (3 * all, 1),
        Primitive::OpenTo => (all, 1),
        Primitive::Random => (0, 0),
        Primitive::IsNegative => (p * (3 * l / 2 - 1 + 2 * (l - 1) + 3 * tree(l / 2)), 2 + log(l / 2)),
        Primitive::ToBits(k) => {
            let k = i64::from(k);
            let (m, h) = ((k - 1) / 2, k / 2);
            (p * (k + m + 2 * (2 * m - 1 + h) + 3 * (network(m) + h - 1)), if k == 3 { 2 } else { 3 + log(m) })
        }
        Primitive::FromBits(k) => ((i64::from(k) + 2) * all, 2),
        Primitive::Truncate(_, Truncation::Probabilistic) => (4 * all, 2),
        Primitive::Truncate(d, Truncation::Exact) => {
            let d = i64::from(d);
            let half = (d + 1) / 2;
            (7 * all + p * (d + d / 2 + 2 * (2 * half - 1) + 3 * tree(half)), 4 + log(half))
        }
        Primitive::Shuffle => (6 * all, 3),
        Primitive::HandOut => (3 * 16, 1),
    }
}

/// Rows of the second, for what differs.
fn recorded(primitive: Primitive, domain: Domain, n: usize) -> (i64, i64) {
    let l = i64::from(domain.width());
    let p = 8 * n.div_ceil(64) as i64;
    let all = if domain == Domain::Bits { p } else { l / 8 * n as i64 };
    match primitive {
        Primitive::Open => (3 * all + 96, 1),
        Primitive::OpenTo => (all + 32, 1),
        Primitive::IsNegative => (3 * p * (2 * l - 3 + tree(l - 2)), 2 + log(l - 2)),
        Primitive::FromBits(k) => (3 * (i64::from(k) + 1) * all, 2),
        Primitive::Truncate(d, _) => {
            let d = i64::from(d);
            (15 * all + 3 * p * (2 * d - 1 + tree(d - 1) + 6), (4 + log(d - 1)).max(5))
        }
        Primitive::HandOut => (3 * 48, 1),
        _ => semi_honest(primitive, domain, n),
    }
}

#[test]
fn costs_are_as_the_page_states() {
    let rings = [Domain::Ring64, Domain::Ring128];
    let anywhere = [
        Primitive::Input,
        Primitive::Mul,
        Primitive::Open,
        Primitive::OpenTo,
        Primitive::Random,
        Primitive::Shuffle,
        Primitive::HandOut,
    ];
    let mut rows: Vec<(Primitive, Domain)> = Vec::new();
    rows.extend(anywhere.iter().flat_map(|primitive| rings.map(|domain| (*primitive, domain))));
    rows.extend(anywhere.map(|primitive| (primitive, Domain::Bits)));
    for domain in rings {
        rows.extend([1, 7, 130].map(|groups| (Primitive::Dot(groups), domain)));
        rows.extend([[2, 5, 3], [9, 1, 9]].map(|shape| (Primitive::Matmul(shape), domain)));
        rows.push((Primitive::IsNegative, domain));
        rows.extend((1..=domain.width()).map(|k| (Primitive::FromBits(k), domain)));
        rows.extend((2..=domain.width() - 2).flat_map(|d| {
            [Truncation::Exact, Truncation::Probabilistic].map(|mode| (Primitive::Truncate(d, mode), domain))
        }));
    }
    for (primitive, domain) in rows {
        for n in [1usize, 64, 65, 1000] {
            for (with_verifier, stated) in [(false, semi_honest as fn(_, _, _) -> _), (true, recorded)] {
                let found = cost::cost(with_verifier, primitive, domain, n);
                let stated: (i64, i64) = stated(primitive, domain, n);
                let found = (found.bytes as i64, i64::from(found.rounds));
                assert_eq!(found, stated, "{primitive:?} of {n} {domain:?}, with a verifier: {with_verifier}");
            }
        }
    }
    for (k, n) in (3..=64).flat_map(|k| [1usize, 65].map(|n| (k, n))) {
        let found = cost::cost(false, Primitive::ToBits(k), Domain::Ring64, n);
        let stated = semi_honest(Primitive::ToBits(k), Domain::Ring64, n);
        assert_eq!((found.bytes as i64, i64::from(found.rounds)), stated, "{k} bits of {n}");
    }
}

/// The figures that it gives besides.
#[test]
fn figures_are_as_the_page_states() {
    let planes = |with_verifier, primitive, domain| {
        let Cost { bytes, rounds } = cost::cost(with_verifier, primitive, domain, 64);
        (bytes / 8, rounds)
    };
    assert_eq!(planes(false, Primitive::IsNegative, Domain::Ring64), (392, 7));
    assert_eq!(planes(false, Primitive::IsNegative, Domain::Ring128), (805, 8));
    assert_eq!(planes(false, Primitive::ToBits(64), Domain::Ring64), (734, 8));
    assert_eq!(planes(true, Primitive::IsNegative, Domain::Ring64).0, 726);
}

/// The fallback's, for `N` left factors and `G` results in a ring of `e` bytes, for `M` words with buckets of `B`.
#[test]
fn a_check_by_sacrifice_costs_as_the_page_states() {
    local::run(3, 1, |io| async move {
        let rep3 = Rep3::malicious_by_sacrifice(&io)?;
        let check = |done: &[(Primitive, Domain, usize)]| rep3.cost_of_check(done);
        let meeting = ledger::MEETING;
        for (primitive, n, g) in [(Primitive::Mul, 700u64, 700), (Primitive::Dot(7), 700, 7)] {
            for (domain, e) in [(Domain::Ring64, 8), (Domain::Ring128, 16)] {
                let bytes = 3 * (2 * e * (2 * g + n) + 160);
                let stated = Cost { bytes: bytes + meeting.bytes, rounds: 4 + meeting.rounds };
                assert_eq!(check(&[(primitive, domain, 700)]), stated);
            }
        }
        for (m, b) in [(1u64, 22), (100_000, 3), (1 << 20, 2)] {
            let bytes = 3 * (8 * ((m + 1) * b + 3 * b + 2 * m * b) + 160);
            let stated = Cost { bytes: bytes + meeting.bytes, rounds: 4 + meeting.rounds };
            assert_eq!(check(&[(Primitive::Mul, Domain::Bits, 64 * m as usize)]), stated, "{m} words");
        }
        Ok(())
    })
    .into_iter()
    .for_each(|(result, _)| assert_eq!(result, Ok(())));
}

/// The sublinear check's, for one vector of products.
#[test]
fn a_check_costs_as_the_page_states() {
    local::run(3, 1, |io| async move {
        let rep3 = Rep3::malicious(&io)?;
        for n in [1u64, 8, 63, 64, 65, 513, 5000, 70_001, 1_000_000, 100_000_000] {
            for (domain, r, is_bits) in
                [(Domain::Ring64, 384, false), (Domain::Ring128, 768, false), (Domain::Bits, 8, true)]
            {
                let log = u64::from(n.ilog2());
                // Variables of step 2, and the octets that it leaves: of bits 64 for each block.
                let t = if is_bits { (log / 2).min(7) } else { (log.saturating_sub(6) / 2).min(6) } as u32;
                let mut octets = n.div_ceil(8 << t) * if is_bits { 64 } else { 1 };
                let first = 3u64.pow(t) - (1 << t);
                let (mut points, mut coins) = (0, 2 + u64::from(first > 0));
                while octets > 1 {
                    let variables = if !is_bits && octets > 512 { 2 } else { 3 };
                    let variables = variables.min(octets.next_power_of_two().ilog2());
                    points += 3u64.pow(variables) - 1;
                    coins += 1;
                    octets = octets.div_ceil(1 << variables);
                }
                let bytes = 3 * (64 * coins + r * (first + points + 26 + 9) + 3 * r + 32);
                let stated =
                    Cost { bytes: bytes + ledger::MEETING.bytes, rounds: 2 * coins as u32 + ledger::MEETING.rounds };
                let len = if is_bits { 64 * n } else { n } as usize;
                assert_eq!(rep3.cost_of_check(&[(Primitive::Mul, domain, len)]), stated, "{n} words, {domain:?}");
            }
        }
        Ok(())
    })
    .into_iter()
    .for_each(|(result, _)| assert_eq!(result, Ok(())));
}
