//! The round, its shares and their sum.

mod against_plain;
mod page;
mod privacy;

use crypto::{Label, hash, sha256};
use proptest::prelude::*;

use super::*;

fn session(name: &[u8]) -> Digest {
    hash(Label::SESSION, &[name])
}

fn parties(n: u16) -> Vec<Party> {
    (0..n).map(|index| Party::new(session(b"test"), index, n).unwrap()).collect()
}

/// Runs the round; returns how many messages and bytes were sent.
fn exchange(parties: &mut [Party]) -> (u64, u64) {
    let mut mail = Vec::new();
    for party in parties.iter_mut() {
        mail.extend(party.step(Vec::new()).unwrap().0);
    }
    let sent = (mail.len() as u64, mail.iter().map(|envelope| envelope.body.expose(Vec::len) as u64).sum());
    // Delivered in reverse, twice: neither order nor repetition matters.
    for envelope in mail.into_iter().rev() {
        let again =
            Envelope { from: envelope.from, to: envelope.to, body: Secret::new(envelope.body.expose(Clone::clone)) };
        let party = &mut parties[usize::from(envelope.to)];
        assert!(party.step(vec![envelope]).unwrap().0.is_empty());
        party.step(vec![again]).unwrap();
    }
    for party in parties {
        assert_eq!(party.step(Vec::new()).unwrap().1, Status::Ready);
    }
    sent
}

fn shares(parties: Vec<Party>, inputs: &[Vec<u64>]) -> Vec<Share> {
    parties.into_iter().zip(inputs).map(|(party, input)| party.share(&Secret::new(input.clone())).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sum_is_the_sum(n in 2u16..=MAX_PARTIES, inputs in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 16), 16), length in 1usize..=16) {
        let inputs: Vec<Vec<u64>> = inputs[..usize::from(n)].iter().map(|input| input[..length].to_vec()).collect();
        let mut group = parties(n);
        let (messages, bytes) = exchange(&mut group);
        let mut shares = shares(group, &inputs);
        let cost = cost(n, length);
        prop_assert_eq!((messages, bytes), (cost.messages, cost.bytes));
        for share in &shares {
            let bytes = share.to_bytes();
            prop_assert_eq!(bytes.len() as u64, cost.share_bytes);
            prop_assert!(Share::from_bytes(share.index, &bytes).unwrap() == *share);
            prop_assert!(Share::from_bytes((share.index + 1) % n, &bytes).is_err());
        }
        shares.reverse();
        let expected: Vec<u64> = (0..length).map(|at| inputs.iter().fold(0u64, |sum, input| sum.wrapping_add(input[at]))).collect();
        prop_assert_eq!(Share::sum(session(b"test"), &shares).unwrap(), expected);
    }

    #[test]
    fn hostile_bytes_are_refused(body in proptest::collection::vec(any::<u8>(), 0..120), from in 0u16..4) {
        let mut party = Party::new(session(b"test"), 0, 3).unwrap();
        let envelope = Envelope { from, to: 0, body: Secret::new(body.clone()) };
        prop_assert!(party.step(vec![envelope]).is_err());
        prop_assert!(Share::from_bytes(from, &body).is_err());
    }

    #[test]
    fn a_changed_byte_changes_the_meaning_or_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut group = parties(3);
        let mut sender = group.pop().unwrap();
        let envelope = sender.step(Vec::new()).unwrap().0.swap_remove(0);
        let mut body = envelope.body.expose(Clone::clone);
        // All but the seed itself is checked; the link protects the seed.
        let at = at.index(body.len() - 32);
        body[at] ^= flip;
        let changed = group[0].step(vec![Envelope { from: 2, to: 0, body: Secret::new(body) }]);
        prop_assert!(changed.is_err());
    }
}

#[test]
fn lengths_across_tiles_and_cbor_heads() {
    for length in [1, 2, 3, 31, 32, 4095, 4096, 4097, 8191, 8192, 10_000, MAX_LENGTH] {
        let mut group = parties(3);
        exchange(&mut group);
        let inputs: Vec<Vec<u64>> =
            (0..3u64).map(|party| (0..length as u64).map(|at| at.wrapping_mul(party + 7) ^ party).collect()).collect();
        let shares = shares(group, &inputs);
        assert_eq!(shares[0].to_bytes().len() as u64, cost(3, length).share_bytes, "{length}");
        let sum = Share::sum(session(b"test"), &shares).unwrap();
        assert!((0..length).all(|at| sum[at] == inputs[0][at].wrapping_add(inputs[1][at]).wrapping_add(inputs[2][at])));
    }
}

#[test]
fn bounds() {
    for (index, n) in [(0, 0), (0, 1), (2, 2), (0, MAX_PARTIES + 1), (9, 3)] {
        assert_eq!(Party::new(session(b"test"), index, n).err(), Some(Error::Parties { index, parties: n }));
    }
    for length in [0, MAX_LENGTH + 1] {
        let mut group = parties(2);
        exchange(&mut group);
        assert_eq!(group.remove(0).share(&Secret::new(vec![0; length])).err(), Some(Error::Length { found: length }));
    }
}

#[test]
fn nothing_before_everyone_contributed() {
    let mut group = parties(3);
    let mut mail = group[1].step(Vec::new()).unwrap().0;
    let first = mail.remove(0);
    assert_eq!(first.to, 0);
    assert_eq!(group[0].step(vec![first]).unwrap().1, Status::Waiting(vec![2]));
    let early = group.remove(0).share(&Secret::new(vec![1]));
    assert_eq!(early.err(), Some(Error::NotReady { status: Status::Waiting(vec![2]) }));
}

#[test]
fn another_session_a_wrong_sender_and_a_second_seed_are_refused() {
    let contribution = |name: &[u8], from, to| Contribution::write(session(name), from, to, &Secret::random());
    let mut party = Party::new(session(b"test"), 0, 3).unwrap();
    let mut other = contribution(b"test", 1, 0);
    other.from = 2;
    for envelope in [
        contribution(b"else", 1, 0),
        contribution(b"test", 1, 2),
        contribution(b"test", 0, 0),
        contribution(b"test", 7, 0),
        other,
    ] {
        let from = envelope.from;
        assert_eq!(party.step(vec![envelope]).err(), Some(Error::Misdirected { from }));
    }
    party.step(vec![contribution(b"test", 1, 0)]).unwrap();
    assert_eq!(party.step(vec![contribution(b"test", 1, 0)]).err(), Some(Error::Conflict { from: 1 }));
}

#[test]
fn shares_that_do_not_fit_are_refused() {
    let make = |length| {
        let mut group = parties(3);
        exchange(&mut group);
        shares(group, &vec![vec![5; length]; 3])
    };
    let (good, other, longer) = (make(4), make(4), make(5));
    let name = session(b"test");
    assert!(Share::sum(name, &good).is_ok());
    assert!(matches!(Share::sum(name, &[]), Err(Error::Unfit { .. })));
    assert!(matches!(Share::sum(name, &good[..2]), Err(Error::Unfit { .. })));
    assert!(matches!(Share::sum(session(b"else"), &good), Err(Error::Unfit { .. })));
    let swap = |at: usize, share: &Share| {
        let mut shares = good.clone();
        shares[at] = share.clone();
        Share::sum(name, &shares)
    };
    assert!(matches!(swap(1, &good[0]), Err(Error::Unfit { .. })), "a doubled share");
    assert!(matches!(swap(1, &longer[1]), Err(Error::Unfit { .. })));
    assert_eq!(swap(1, &other[1]).err(), Some(Error::Unconfirmed { low: 0, high: 1 }), "a share made under other keys");
}

#[test]
fn a_share_without_its_masks_says_nothing() {
    // 4,096 zeros under masks: bits look like coin flips (five standard deviations around half of 262,144).
    let mut group = parties(2);
    exchange(&mut group);
    let shares = shares(group, &[vec![0; 4096], vec![0; 4096]]);
    for share in &shares {
        let bytes = share.to_bytes();
        let ones: u32 = bytes[bytes.len() - 4096 * 8..].iter().map(|byte| byte.count_ones()).sum();
        assert!(ones.abs_diff(131_072) < 1280, "{ones}");
    }
    assert_eq!(Share::sum(session(b"test"), &shares).unwrap(), vec![0; 4096]);
}

/// The transcript of `docs/spec/mpc/additive.md`: contribution of i to j is 32 bytes of value 16 i + j, input of i is
/// `[i + 1, 100 (i + 1), 2^64 - 1 - i]`. A change here is a change of the wire format.
#[test]
fn golden_transcript() {
    let name = session(b"golden");
    let seed = |from: u16, to: u16| Secret::new([(16 * from + to) as u8; 32]);
    let mut group: Vec<_> = (0..3).map(|i| Party::with_contributions(name, i, 3, |to| seed(i, to)).unwrap()).collect();
    exchange(&mut group);
    let inputs: Vec<Vec<u64>> = (0..3).map(|i| vec![i + 1, 100 * (i + 1), u64::MAX - i]).collect();
    let shares = shares(group, &inputs);
    assert_eq!(Share::sum(name, &shares).unwrap(), [6, 600, 0u64.wrapping_sub(6)]);
    let digests: Vec<String> = shares.iter().map(|share| sha256(&[&share.to_bytes()]).to_string()).collect();
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 3] = [
    "1f6d55b6cbf48e040ba716e4f2e2feaa444f794e1693a68ec9dbb5bfd091b56b",
    "18ed44198568536399c0e983e8572a8409555c521b609afd31abfd16f44d7e8c",
    "88b494920da1195db60cd31de832e3b32b37b89a4369e077a4fa86da5a01c181",
];
