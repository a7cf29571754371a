//! Results for somebody who is no party.

use super::*;
use crate::domain::Bits;
use crate::shamir::{Combined, combine};

/// Each party's share of `[x·y, x]` and some bits.
fn shares(parties: u16, threshold: u16, adversary: Adversary) -> Vec<(u16, Vec<u8>)> {
    let results = local::run(parties, 8, move |mut io| async move {
        let shamir = Shamir::new(parties, threshold, adversary)?;
        let inputs = inputs();
        let columns = share(&shamir, &mut io, &inputs).await?;
        let given = [shamir.mul(&mut io, &columns[0], &columns[1]).await?, columns[2].clone(), columns[3].clone()];
        let given = checked(&shamir, &mut io, &given).await?;
        shamir.hand_out(&mut io, given).await
    });
    (0..).zip(results).map(|(seat, (share, _))| (seat, share.unwrap())).collect()
}

fn inputs() -> [Values; 4] {
    let bits: Bits = (0..130).map(|row| row % 3 == 1).collect();
    let numbers = |domain, numbers: &[i64]| Values::from_i64(domain, numbers);
    [
        numbers(Domain::M61, &[3, -4, 5]),
        numbers(Domain::M61, &[7, 8, -9]),
        numbers(Domain::P127, &[-1]),
        Values::Bits(bits),
    ]
}

fn expected() -> [Values; 3] {
    let [.., wide, bits] = inputs();
    [Values::from_i64(Domain::M61, &[21, -32, -45]), wide, bits]
}

#[test]
fn a_recipient_learns_the_values_from_enough_shares() {
    for (parties, threshold) in SIZES {
        for adversary in BOTH {
            let shares = shares(parties, threshold, adversary);
            for missing in 0..=parties - 2 * threshold - 1 {
                for rotation in 0..usize::from(parties) {
                    let mut some = shares.clone();
                    some.rotate_left(rotation);
                    some.truncate(usize::from(parties - missing));
                    let Combined { values, cheaters } = combine(parties, threshold, &some).unwrap();
                    assert!(values == expected() && cheaters.is_empty());
                }
            }
            let few = &shares[..usize::from(2 * threshold)];
            assert!(matches!(combine(parties, threshold, few), Err(Failure::Program(_))));
        }
    }
    let shares = shares(3, 1, Adversary::Malicious);
    let twice = [shares.clone(), shares[..1].to_vec()].concat();
    assert!(combine(3, 1, &twice).is_err());
    assert!(combine(3, 1, &[&shares[..2], &[(3, shares[2].1.clone())]].concat()).is_err());
}

#[test]
fn a_wrong_share_is_noticed_or_corrected() {
    for (parties, threshold) in [(3, 1), (4, 1), (7, 2)] {
        let shares = shares(parties, threshold, Adversary::Malicious);
        for liar in 0..usize::from(parties) {
            for at in 0..shares[liar].1.len() {
                let mut changed = shares.clone();
                changed[liar].1[at] ^= 1;
                match combine(parties, threshold, &changed) {
                    Ok(Combined { values, cheaters }) => {
                        // A share that is none is like one that is missing: some may be.
                        assert!(values == expected(), "byte {at} of seat {liar} of {parties}");
                        assert_eq!(cheaters, [liar as u16]);
                    }
                    Err(Failure::Cheated { .. }) => assert_eq!(parties, 3, "byte {at} of seat {liar}"),
                    Err(failure) => panic!("byte {at} of seat {liar} of {parties}: {failure}"),
                }
                // With a share missing, it can only be noticed.
                changed.remove((liar + 1) % usize::from(parties));
                if let Ok(Combined { values, cheaters }) = combine(parties, threshold, &changed) {
                    assert!(values == expected() && cheaters == [liar as u16], "byte {at} of seat {liar}");
                }
            }
        }
    }
}

#[test]
fn liars_together_are_corrected_or_noticed() {
    let shares = shares(7, 2, Adversary::Malicious);
    for (first, second) in [(0, 1), (2, 6), (4, 5)] {
        let mut changed = shares.clone();
        for (place, liar) in [first, second].into_iter().enumerate() {
            let last = changed[liar].1.len() - 9 - place;
            changed[liar].1[last] ^= 1;
        }
        let Combined { values, cheaters } = combine(7, 2, &changed).unwrap();
        assert!(values == expected());
        assert_eq!(cheaters, [first as u16, second as u16]);
        // Five shares, two of them wrong.
        let kept: Vec<_> = (0..7).filter(|seat| *seat == first || *seat == second || *seat != 3).collect();
        let five: Vec<_> = kept.into_iter().map(|seat| changed[seat].clone()).rev().take(5).collect();
        if five.iter().any(|(seat, _)| [first, second].contains(&usize::from(*seat))) {
            assert!(matches!(combine(7, 2, &five), Err(Failure::Cheated { .. })));
        }
    }
    // Where corrupt members are most of those who answer, they cannot claim another threshold.
    let mut few = shares[..4].to_vec();
    few[0].1[0] ^= 1;
    assert!(combine(7, 3, &few).is_err());
}
