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
    (32 * n * (n - 1), 39 + 34 * (n - 1) + h + 8 * m)
}

#[test]
fn bytes_and_rounds_are_as_the_page_states() {
    // Its table.
    for (n, m, between, share) in [(3, 108, 192, 974), (3, 24, 192, 301), (16, 65_536, 7_680, 524_842)] {
        assert_eq!(stated(n, m), (between, share));
    }
    for (n, m) in [(2, 1), (3, 24), (3, 108), (5, 2), (5, 3), (7, 31), (7, 32), (16, 8191), (16, 8192), (16, 65_536)] {
        let ended = exchange(&vec![ring(&vec![7; m]); usize::from(n)], 6);
        let between: u64 = ended.iter().map(|(_, stats)| stats.payload_sent).sum();
        let (stated_between, stated_share) = stated(n.into(), m as u64);
        assert_eq!(between, stated_between, "{n} parties");
        assert_eq!((cost(n, m).bytes, cost(n, m).share_bytes), (stated_between, stated_share));
        for (share, stats) in ended {
            assert_eq!(share.unwrap().len() as u64, stated_share, "{m} values among {n}");
            // As frames, each a header of 24 and one of 12.
            assert_eq!((stats.rounds, stats.bytes_sent), (1, u64::from(n - 1) * 68));
        }
        assert_eq!(cost(n, m).rounds, 1);
    }
}

/// Its section on openings.
#[test]
fn openings_are_as_the_page_states() {
    for (n, m) in [(2u16, 1usize), (3, 24), (5, 4097), (16, 100)] {
        let backend = Additive::of(n).unwrap();
        for (domain, size) in [(Domain::Ring64, 8), (Domain::M61, 8), (Domain::Ring128, 16), (Domain::P127, 16)] {
            let bytes = |primitive| backend.cost(primitive, domain, m).bytes;
            let (n, m) = (u64::from(n), m as u64);
            assert_eq!(
                (bytes(Primitive::Open), bytes(Primitive::OpenTo)),
                (n * (n - 1) * size * m, (n - 1) * size * m)
            );
            assert_eq!((bytes(Primitive::Input), bytes(Primitive::Random), bytes(Primitive::HandOut)), (0, 0, 0));
        }
    }
}
