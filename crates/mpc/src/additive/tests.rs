//! The session, its shares and their sum.

mod against_plain;
mod hostile;
mod page;
mod privacy;

use crypto::{Digest, Label, Secret, hash, sha256};
use proptest::prelude::*;

use super::share::write;
use super::*;
use crate::engine::{Failure, Fault, Frame, Party, Stats, Status, checked, local};
use crate::prg::Root;
use crate::program::{Builder, Program};
use crate::runner;

/// The session of [`local::run`].
fn session() -> Digest {
    local::settings(0, 2, 0).session
}

/// The sum of all parties' inputs, for a recipient.
fn program(parties: u16, domain: Domain) -> Program {
    let mut program = Builder::new(parties);
    let inputs: Vec<_> = (0..parties).map(|party| (1, program.input(party, domain))).collect();
    let sum = program.linear(&inputs, 0);
    program.give(sum);
    program.finish().unwrap()
}

/// A party's work: its share of [`program`].
async fn share(io: Io, inputs: &[Values]) -> Result<Vec<u8>, Failure> {
    let own = usize::from(io.index());
    let (domain, lengths) = (inputs[own].domain(), vec![inputs[own].len(); inputs.len()]);
    let mut given = vec![None; inputs.len()];
    given[own] = Some(inputs[own].clone());
    let (program, backend) = (program(io.parties(), domain), Additive::new(&io)?);
    let outcome = runner::run(&program, &backend, io, &lengths, given).await?;
    Ok(outcome.share.expect("the sum is given"))
}

/// All parties' shares, and what they sent. The network delivers in reverse, twice: neither order nor repetition matters.
fn exchange(inputs: &[Values], seed: u64) -> Vec<(Result<Vec<u8>, Failure>, Stats)> {
    let all = inputs.to_vec();
    let work = move |io: Io| {
        let inputs = all.clone();
        async move { share(io, &inputs).await }
    };
    let mut held = Vec::new();
    let expected = inputs.len() * (inputs.len() - 1);
    local::run_with(inputs.len() as u16, seed, work, move |frame| {
        held.push(frame.clone());
        if held.len() < expected {
            return vec![frame];
        }
        let mut all: Vec<Frame> = held.drain(..).rev().collect();
        all.push(frame);
        all
    })
}

fn shares(inputs: &[Values], seed: u64) -> Vec<Vec<u8>> {
    exchange(inputs, seed).into_iter().map(|(share, _)| share.unwrap()).collect()
}

fn ring(values: &[u64]) -> Values {
    Values::Ring64(values.to_vec())
}

fn words(values: &Values) -> &[u64] {
    values.elements().expect("of the ring")
}

/// Parties' ends of the sessions in which party `i` gives `j` the bytes that `seed` says.
fn agreed(name: &Digest, parties: u16, seed: impl Fn(u16, u16) -> [u8; 32]) -> Vec<Vec<Pair>> {
    let root = |low: u16, high: u16| {
        let [ours, theirs] = [seed(low, high), seed(high, low)].map(Secret::new);
        Root::new(name, (low, &ours), (high, &theirs))
    };
    let end = |own: u16| {
        let peers = (0..parties).filter(move |peer| *peer != own);
        peers.map(|peer| Pair::agreed(peer, &root(own.min(peer), own.max(peer)))).collect()
    };
    (0..parties).map(end).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn the_sum_is_the_sum(n in 2u16..=MAX_PARTIES, inputs in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 16), 16), length in 1usize..=16, seed in any::<u64>()) {
        let inputs: Vec<Values> = inputs[..usize::from(n)].iter().map(|input| ring(&input[..length])).collect();
        let ended = exchange(&inputs, seed);
        let cost = cost(n, length);
        let bytes: u64 = ended.iter().map(|(_, stats)| stats.payload_sent).sum();
        let messages: u64 = ended.iter().map(|(_, stats)| stats.frames_sent).sum();
        prop_assert_eq!((messages, bytes), (cost.messages, cost.bytes));
        let shares: Vec<_> = ended.into_iter().map(|(share, _)| share.unwrap()).collect();
        prop_assert!(shares.iter().all(|share| share.len() as u64 == cost.share_bytes));
        let expected: Vec<u64> = (0..length).map(|at| inputs.iter().fold(0u64, |sum, input| sum.wrapping_add(words(input)[at]))).collect();
        prop_assert!(combine(&session(), Domain::Ring64, &shares).unwrap() == ring(&expected));
        let mut turned = shares;
        turned.rotate_left(1);
        prop_assert!(combine(&session(), Domain::Ring64, &turned).is_err());
    }

    #[test]
    fn hostile_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120), at in 0usize..3) {
        let mut shares = shares(&[ring(&[1]), ring(&[2]), ring(&[3])], 1);
        shares[at] = bytes;
        let refused = combine(&session(), Domain::Ring64, &shares).unwrap_err();
        let named = matches!(refused, Failure::Party { party, .. } if usize::from(party) == at);
        prop_assert!(named);
    }

    #[test]
    fn a_changed_byte_shifts_the_sum_or_is_refused(of in 0usize..3, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut shares = shares(&[ring(&[1]), ring(&[2]), ring(&[3])], 1);
        // All but the values is checked; the seal protects these.
        let at = at.index(shares[of].len() - 8);
        shares[of][at] ^= flip;
        prop_assert!(combine(&session(), Domain::Ring64, &shares).is_err());
    }
}

#[test]
fn lengths_across_tiles_and_cbor_heads() {
    for length in [1, 2, 3, 31, 32, 4095, 4096, 4097, 8191, 8192, 10_000, MAX_LENGTH] {
        let input =
            |party: u64| ring(&(0..length as u64).map(|at| at.wrapping_mul(party + 7) ^ party).collect::<Vec<_>>());
        let inputs: Vec<Values> = (0..3).map(input).collect();
        let shares = shares(&inputs, length as u64);
        assert_eq!(shares[0].len() as u64, cost(3, length).share_bytes, "{length}");
        let sum = combine(&session(), Domain::Ring64, &shares).unwrap();
        let expected = |at: usize| inputs.iter().fold(0u64, |sum, input| sum.wrapping_add(words(input)[at]));
        assert!((0..length).all(|at| words(&sum)[at] == expected(at)));
    }
}

/// The fields' and the wide ring's sums go to a recipient, too, and what is no element of a field is refused.
#[test]
fn sums_in_other_domains_are_given() {
    for domain in [Domain::Ring128, Domain::M61, Domain::P127] {
        let inputs =
            [[-5, 7, i64::MIN >> 4], [3, 0, 1], [-1, 1, i64::MIN >> 4]].map(|input| Values::from_i64(domain, &input));
        let mut shares = shares(&inputs, 4);
        let sum = combine(&session(), domain, &shares).unwrap();
        assert!(sum == Values::from_i64(domain, &[-3, 8, (i64::MIN >> 3) + 1]), "{domain:?}");
        if domain != Domain::Ring128 {
            let end = shares[1].len();
            shares[1][end - 8..].fill(0xff);
            assert!(matches!(combine(&session(), domain, &shares), Err(Failure::Party { party: 1, .. })));
        }
    }
}

#[test]
fn bounds() {
    for parties in [0, 1, MAX_PARTIES + 1] {
        assert!(matches!(Additive::of(parties).err(), Some(Failure::Program(_))));
    }
    for length in [0, MAX_LENGTH + 1] {
        let ended = exchange(&[ring(&vec![0; length]), ring(&vec![0; length])], 1);
        assert!(ended.iter().all(|(share, _)| matches!(share, Err(Failure::Program(_)))), "{length}");
    }
}

#[test]
fn a_share_is_handed_out_once() {
    let results = local::run(2, 1, |mut io| async move {
        let backend = Additive::new(&io)?;
        let column = [backend.public(&ring(&[1]))?];
        let columns = checked(&backend, &mut io, &column).await?;
        backend.hand_out(&mut io, columns).await?;
        let columns = checked(&backend, &mut io, &column).await?;
        backend.hand_out(&mut io, columns).await
    });
    assert!(results.iter().all(|(again, _)| matches!(again, Err(Failure::Program(_)))));
}

#[test]
fn nothing_before_everyone_contributed() {
    let inputs = [ring(&[1]), ring(&[2]), ring(&[3])];
    let mut parties: Vec<_> = (0..3)
        .map(|index| {
            let inputs = inputs.clone();
            Party::new(local::settings(index, 3, 1), move |io| async move { share(io, &inputs).await }).unwrap()
        })
        .collect();
    let mut mail = parties[1].step([]).unwrap().0;
    let first = mail.remove(0);
    assert_eq!(first.to, 0);
    let (_, status) = parties[0].step([first]).unwrap();
    assert!(matches!(status, Status::Waiting));
    assert_eq!(parties[0].awaits(), [2]);
    // Nobody else will come: no share, and who is missing.
    parties[0].lose(2);
    assert_eq!(parties[0].step([]).err(), Some(Failure::blame(2, Fault::Lost)));
}

#[test]
fn another_run_a_wrong_sender_and_a_second_seed_change_nothing_unnoticed() {
    let inputs = [ring(&[1]), ring(&[2]), ring(&[3])];
    let party = |index: u16, seed: u64| {
        let inputs = inputs.clone();
        Party::new(local::settings(index, 3, seed), move |io| async move { share(io, &inputs).await }).unwrap()
    };
    let to = |mut party: Party<Vec<u8>>, to: u16| {
        let frame = party.step([]).unwrap().0.into_iter().find(|frame| frame.to == to);
        frame.expect("a message to each")
    };
    // A message of another run.
    assert_eq!(party(0, 1).step([to(party(1, 2), 0)]).err(), Some(Failure::blame(1, Fault::Stale)));
    // One for another party, of nobody, of oneself.
    for (from, receiver) in [(1, 2), (7, 0), (0, 0)] {
        let frame = Frame { from, to: receiver, ..to(party(1, 1), 0) };
        assert!(matches!(party(0, 1).step([frame]), Err(Failure::Program(_))));
    }
    // No message at all.
    let short = Frame { from: 1, to: 0, body: vec![0; 20].into() };
    assert!(matches!(party(0, 1).step([short]), Err(Failure::Party { party: 1, fault: Fault::Malformed(_) })));
    // A second one, of other bytes, is not read: the session is under the first, and a third party's is under another.
    let mut changed = to(party(1, 1), 0).body.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let changed = Frame { from: 1, to: 0, body: changed.into() };
    let mut zero = party(0, 1);
    zero.step([to(party(1, 1), 0), changed.clone()]).unwrap();
    let (_, Status::Done(right)) = zero.step([to(party(2, 1), 0)]).unwrap() else { panic!("all are there") };
    assert_eq!(right, shares(&inputs, 1)[0]);
    let mut zero = party(0, 1);
    let (_, Status::Done(wrong)) = zero.step([changed, to(party(2, 1), 0)]).unwrap() else { panic!("all are there") };
    let mut shares = shares(&inputs, 1);
    shares[0] = wrong;
    assert_eq!(combine(&session(), Domain::Ring64, &shares).unwrap_err(), different_keys(0, 1));
}

fn different_keys(low: u16, high: u16) -> Failure {
    let fault = Fault::Malformed("they did not use the same key, the sum would be noise");
    Failure::Dispute { low, high, fault }
}

#[test]
fn shares_that_do_not_fit_are_refused() {
    let make = |length: usize, seed| shares(&vec![ring(&vec![5; length]); 3], seed);
    let (good, other, longer) = (make(4, 1), make(4, 2), make(5, 3));
    let name = session();
    let sum = |shares: &[Vec<u8>]| combine(&name, Domain::Ring64, shares);
    assert!(sum(&good).is_ok());
    assert!(matches!(sum(&[]), Err(Failure::Program(_))));
    assert!(matches!(sum(&good[..1]), Err(Failure::Program(_))));
    assert!(matches!(sum(&good[..2]), Err(Failure::Party { party: 0, .. })), "one is missing");
    let elsewhere = combine(&hash(Label::SESSION, &[b"else"]), Domain::Ring64, &good);
    assert!(matches!(elsewhere, Err(Failure::Party { party: 0, .. })));
    let swap = |at: usize, share: &[u8]| {
        let mut shares = good.clone();
        shares[at] = share.to_vec();
        sum(&shares)
    };
    assert!(matches!(swap(1, &good[0]), Err(Failure::Party { party: 1, .. })), "a doubled share");
    assert!(matches!(swap(1, &longer[1]), Err(Failure::Party { party: 1, .. })));
    assert_eq!(swap(1, &other[1]).unwrap_err(), different_keys(0, 1), "a share made under other keys");
    assert!(combine(&name, Domain::Ring128, &good).is_ok() && combine(&name, Domain::Bits, &good).is_err());
    assert!(combine(&name, Domain::Ring128, &longer).is_err());
}

#[test]
fn a_share_without_its_masks_says_nothing() {
    // 4,096 zeros under masks: bits look like coin flips (five standard deviations around half of 262,144).
    let shares = shares(&[ring(&[0; 4096]), ring(&[0; 4096])], 5);
    for bytes in &shares {
        let ones: u32 = bytes[bytes.len() - 4096 * 8..].iter().map(|byte| byte.count_ones()).sum();
        assert!(ones.abs_diff(131_072) < 1280, "{ones}");
    }
    assert!(combine(&session(), Domain::Ring64, &shares).unwrap() == ring(&[0; 4096]));
}

/// The transcript of `docs/spec/mpc/additive.md`: contribution of i to j is 32 bytes of value 16 i + j, input of i is
/// `[i + 1, 100 (i + 1), 2^64 - 1 - i]`. A change here is a change of the shares' format.
#[test]
fn golden_transcript() {
    let name = hash(Label::SESSION, &[b"golden"]);
    let ends = agreed(&name, 3, |from, to| [(16 * from + to) as u8; 32]);
    let inputs: Vec<Vec<u64>> = (0..3).map(|i| vec![i + 1, 100 * (i + 1), u64::MAX - i]).collect();
    let shares: Vec<_> = (0..)
        .zip(&ends)
        .zip(inputs)
        .map(|((index, pairs), input)| write(&name, index, pairs, input).unwrap())
        .collect();
    assert!(combine(&name, Domain::Ring64, &shares).unwrap() == ring(&[6, 600, 0u64.wrapping_sub(6)]));
    let digests: Vec<String> = shares.iter().map(|share| sha256(&[share]).to_string()).collect();
    assert_eq!(digests, GOLDEN);
}

/// What a session writes is what its messages and the page say.
#[test]
fn a_session_writes_the_page_s_share() {
    let inputs: Vec<Values> = (0..3u64).map(|party| ring(&[party, 10 * party, u64::MAX])).collect();
    let mut seeds = std::collections::BTreeMap::new();
    let all = inputs.clone();
    let work = move |io: Io| {
        let inputs = all.clone();
        async move { share(io, &inputs).await }
    };
    let results = local::run_with(3, 8, work, |frame| {
        seeds.insert((frame.from, frame.to), contribution(&frame));
        vec![frame]
    });
    let ends = agreed(&session(), 3, |from, to| seeds[&(from, to)]);
    for ((index, pairs), (result, _)) in (0..).zip(&ends).zip(results) {
        let expected = write(&session(), index, pairs, words(&inputs[usize::from(index)]).to_vec()).unwrap();
        assert_eq!(result.unwrap(), expected);
    }
}

/// What a frame of the set-up tells: its body is as [`Frame`] documents it, with one section.
fn contribution(frame: &Frame) -> [u8; 32] {
    assert_eq!(frame.body.len(), 24 + 12 + 32);
    frame.body[24 + 12..].try_into().unwrap()
}

const GOLDEN: [&str; 3] = [
    "1f6d55b6cbf48e040ba716e4f2e2feaa444f794e1693a68ec9dbb5bfd091b56b",
    "18ed44198568536399c0e983e8572a8409555c521b609afd31abfd16f44d7e8c",
    "88b494920da1195db60cd31de832e3b32b37b89a4369e077a4fa86da5a01c181",
];
