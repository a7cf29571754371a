use std::collections::{BTreeMap, BTreeSet};

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use wire::{Fixed, Limits};

use super::*;
use crate::{Secret, sha256};

type Dealers = BTreeMap<u16, Polynomial>;

fn round(name: &str, threshold: u16, agents: u16) -> Round {
    Round::new(sha256(&[name.as_bytes()]), threshold, agents).unwrap()
}

fn dealings(round: &Round, dealers: &Dealers) -> BTreeMap<u16, Dealing> {
    dealers.iter().map(|(index, secret)| (*index, secret.dealing(round, *index))).collect()
}

/// What all come to hold of what these dealers deal.
fn run(round: &Round, origin: Origin<'_>, agents: u16, dealers: &Dealers) -> (Group, Vec<Share>) {
    let dealings = dealings(round, dealers);
    let group = round.join(origin, &dealings).unwrap();
    let shares = (1..=agents).map(|agent| {
        let parts: BTreeMap<u16, _> = dealers.iter().map(|(dealer, secret)| (*dealer, secret.part(agent))).collect();
        for (dealer, part) in &parts {
            round.check_part(&dealings[dealer], agent, part).unwrap();
        }
        round.assemble(origin, agent, &parts, &group).unwrap()
    });
    let shares = shares.collect();
    (group, shares)
}

fn make(threshold: u16, agents: u16) -> (Group, Vec<Share>) {
    let round = round("first", threshold, agents);
    run(&round, Origin::Fresh, agents, &(1..=agents).map(|index| (index, Polynomial::fresh(&round))).collect())
}

fn hand_on(group: &Group, shares: &[Share], dealers: &[u16], threshold: u16, agents: u16) -> (Group, Vec<Share>) {
    let round = round("second", threshold, agents);
    let dealers =
        dealers.iter().map(|dealer| (*dealer, Polynomial::handing_on(&round, &shares[usize::from(*dealer) - 1])));
    run(&round, Origin::Of(group), agents, &dealers.collect())
}

/// The plain reference: the secret itself, by interpolation.
fn secret(shares: &[Share], of: &[u16]) -> Scalar {
    of.iter().map(|index| lagrange(*index, of.iter().copied()) * *shares[usize::from(*index) - 1].scalar).sum()
}

fn object(name: &str) -> Digest {
    sha256(&[name.as_bytes()])
}

fn data(byte: u8) -> Secret<[u8; 32]> {
    Secret::new([byte; 32])
}

fn opened(secret: &Secret<[u8; 32]>) -> [u8; 32] {
    secret.expose(|bytes| *bytes)
}

#[test]
fn every_threshold_of_agents_has_the_same_secret_before_and_after_it_is_handed_on() {
    let (group, shares) = make(2, 4);
    let expected = secret(&shares, &[1, 2]);
    assert_eq!(encode(&RistrettoPoint::mul_base(&expected)), group.key.0);
    for pair in [[1, 3], [2, 4], [3, 4]] {
        assert_eq!(secret(&shares, &pair), expected);
    }
    // To more, to fewer, with another threshold; by any subset of the old.
    let mut seen = BTreeSet::new();
    for dealers in [&[1, 2][..], &[2, 4], &[1, 3, 4], &[1, 2, 3, 4]] {
        let (next, fresh) = hand_on(&group, &shares, dealers, 3, 5);
        assert_eq!(next.key, group.key);
        assert_eq!((next.threshold, next.shares.len()), (3, 5));
        assert_eq!(secret(&fresh, &[1, 2, 3]), expected);
        assert_eq!(secret(&fresh, &[2, 4, 5]), expected);
        // Two of the new do not do, and old and new shares do not mix.
        assert_ne!(secret(&fresh, &[1, 2]), expected);
        assert!(seen.insert(next.shares.clone()), "other dealers, other shares");
        let (again, last) = hand_on(&next, &fresh, &[1, 3, 5], 2, 2);
        assert_eq!((again.key, secret(&last, &[1, 2])), (group.key, expected));
    }
}

#[test]
fn agents_open_what_is_wrapped_and_nothing_else() {
    let (group, shares) = make(3, 5);
    let (object, context) = (object("object"), sha256(&[b"decided"]));
    let wrap = Wrap::seal(&group.key, &object, &data(7)).unwrap();
    wrap.check(&object).unwrap();
    wrap.check_data(&object, &data(7)).unwrap();
    let partials: Vec<Partial> = shares.iter().map(|share| share.open(&wrap, &object, &context).unwrap()).collect();
    for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let chosen = chosen.map(|at: usize| partials[at]);
        assert_eq!(opened(&combine(&group, &wrap, &object, &context, &chosen).unwrap()), [7; 32]);
    }
    let all = |partials: &[Partial]| combine(&group, &wrap, &object, &context, partials).map(|key| opened(&key));
    assert_eq!(all(&partials[..2]), Err(Error::TooFew { found: 2, needed: 3 }));
    // The same agent twice is one agent.
    assert_eq!(all(&[partials[0], partials[0], partials[1]]), Err(Error::TooFew { found: 2, needed: 3 }));
    // A wrong one is passed over, or named.
    let wrong = Partial { point: partials[1].point, ..partials[0] };
    assert_eq!(all(&[wrong, partials[1], partials[2], partials[3]]), Ok([7; 32]));
    assert_eq!(all(&[wrong, partials[1], partials[2]]), Err(Error::Partials(vec![1])));
    // It proves nothing for another authorisation, another object, another index.
    let other = sha256(&[b"other"]);
    assert_eq!(combine(&group, &wrap, &object, &other, &partials).err(), Some(Error::Partials(vec![1, 2, 3, 4, 5])));
    assert_eq!(combine(&group, &wrap, &other, &context, &partials).err(), Some(Error::Wrap));
    for index in [0, 2, 6, u16::MAX] {
        assert!(all(&[Partial { index, ..partials[0] }, partials[3], partials[4]]).is_err());
    }
}

#[test]
fn no_wrap_is_moved_altered_or_taken_for_another() {
    let (group, shares) = make(2, 2);
    let (here, there, context) = (object("here"), object("there"), sha256(&[b"decided"]));
    let wrap = Wrap::seal(&group.key, &here, &data(1)).unwrap();
    // Another object's label.
    assert_eq!(wrap.check(&there), Err(Error::Wrap));
    assert_eq!(shares[0].open(&wrap, &there, &context).err(), Some(Error::Wrap));
    assert_ne!(wrap, Wrap::seal(&group.key, &there, &data(1)).unwrap());
    // Any bit of any field.
    let bytes = wire::to_vec(&wrap);
    for at in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        if let Ok(altered) = wire::from_slice::<Wrap>(&bytes, Limits::small()) {
            assert!(altered.check(&here).is_err(), "bit {at}");
            assert!(shares[0].open(&altered, &here, &context).is_err(), "bit {at}");
            assert!(altered.check_data(&here, &data(1)).is_err(), "bit {at}");
        }
    }
    // A sound wrap of another data key, as a dishonest sealer could put in the slot.
    let other = Wrap::seal(&group.key, &here, &data(2)).unwrap();
    other.check(&here).unwrap();
    assert_eq!(other.check_data(&here, &data(1)), Err(Error::NotDerived));
    // Another group's key.
    let (stranger, strangers) = make(2, 2);
    assert_eq!(strangers[0].open(&wrap, &here, &context).err(), Some(Error::OtherKey));
    assert_eq!(combine(&stranger, &wrap, &here, &context, &[]).err(), Some(Error::OtherKey));
    for key in [[0; 32], [0xff; 32]] {
        assert!(matches!(Wrap::seal(&EscrowKey(Fixed(key)), &here, &data(1)), Err(Error::Element(_))));
        let none = Wrap { key: EscrowKey(Fixed(key)), ..wrap };
        assert!(matches!(none.check(&here), Err(Error::Element(_))));
    }
    // The neutral element in place of a point.
    for altered in [Wrap { point: Fixed([0; 32]), ..wrap }, Wrap { twin: Fixed([0; 32]), ..wrap }] {
        assert!(matches!(altered.check(&here), Err(Error::Element(_))));
    }
}

#[test]
fn a_wrap_whose_coins_do_not_come_from_the_data_key_opens_nothing() {
    // Sound in TDH2's sense, by coins of the sealer's choice: recipients could not have checked it.
    let (group, shares) = make(2, 2);
    let (here, context) = (object("here"), sha256(&[b"decided"]));
    let honest = Wrap::seal(&group.key, &here, &data(1)).unwrap();
    let (r, s) = (Scalar::from(5_u8), Scalar::from(7_u8));
    let mut wrap = Wrap { point: encode(&RistrettoPoint::mul_base(&r)), twin: encode(&(*TWIN * r)), ..honest };
    let (w, twin_w) = (encode(&RistrettoPoint::mul_base(&s)), encode(&(*TWIN * s)));
    let parts: [&[u8]; 7] = [
        wrap.key.0.as_ref(),
        here.as_ref(),
        wrap.masked.as_ref(),
        wrap.point.as_ref(),
        w.as_ref(),
        wrap.twin.as_ref(),
        twin_w.as_ref(),
    ];
    let e = challenge("wrap", &parts);
    wrap.challenge = Fixed(e.to_bytes());
    wrap.response = Fixed((s + r * e).to_bytes());
    wrap.check(&here).unwrap();
    let partials = [0, 1].map(|at: usize| shares[at].open(&wrap, &here, &context).unwrap());
    assert_eq!(combine(&group, &wrap, &here, &context, &partials).err(), Some(Error::NotDerived));
}

#[test]
fn liars_among_the_dealers_are_found_by_everybody() {
    let round = round("first", 2, 3);
    let dealers: Dealers = (1..=3).map(|index| (index, Polynomial::fresh(&round))).collect();
    let all = dealings(&round, &dealers);
    let check = |dealer: u16, dealing: &Dealing| round.check(Origin::Fresh, dealer, dealing);
    check(1, &all[&1]).unwrap();
    // Another's dealing as one's own, another session's, more or fewer commitments, no elements.
    assert_eq!(check(2, &all[&1]), Err(Error::Proof));
    assert_eq!(self::round("other", 2, 3).check(Origin::Fresh, 1, &all[&1]), Err(Error::Proof));
    assert_eq!(self::round("first", 2, 4).check(Origin::Fresh, 1, &all[&1]), Err(Error::Proof));
    assert_eq!(check(4, &all[&1]), Err(Error::Index(4)));
    assert_eq!(check(0, &all[&1]), Err(Error::Index(0)));
    let altered = |change: &dyn Fn(&mut Dealing)| {
        let mut dealing = all[&1].clone();
        change(&mut dealing);
        check(1, &dealing).unwrap_err()
    };
    assert_eq!(altered(&|one| _ = one.commitments.pop()), Error::Commitments { expected: 2, found: 1 });
    assert_eq!(altered(&|one| one.commitments.push(one.commitments[0])), Error::Commitments { expected: 2, found: 3 });
    assert_eq!(altered(&|one| one.commitments[1] = Fixed([0; 32])), Error::Element("a commitment"));
    assert_eq!(altered(&|one| one.commitments[0] = Fixed([0xff; 32])), Error::Element("a commitment"));
    assert_eq!(altered(&|one| one.commitments.swap(0, 1)), Error::Proof);
    assert_eq!(altered(&|one| one.proof = Fixed([0; 64])), Error::Proof);
    assert_eq!(altered(&|one| one.proof = Fixed([0xff; 64])), Error::Element("a proof"));
    // A rogue key: the inverse of what the others commit to cancels them, and nobody can prove it.
    let rogue = [&all[&2], &all[&3]].map(|one| point("a commitment", &one.commitments[0]).unwrap());
    let rogue = encode(&(RistrettoPoint::mul_base(&Scalar::from(3_u8)) - rogue[0] - rogue[1]));
    assert_eq!(altered(&|one| one.commitments[0] = rogue), Error::Proof);
    // A part of another agent, of another dealer, or none.
    assert_eq!(round.check_part(&all[&1], 1, &dealers[&1].part(2)), Err(Error::Part));
    assert_eq!(round.check_part(&all[&1], 1, &dealers[&2].part(1)), Err(Error::Part));
    assert_eq!(round.check_part(&all[&1], 1, &Secret::new([0xff; 32])), Err(Error::Element("a part")));
    // Without the liar the others have a key; too few have none.
    let honest: Dealers = dealers.into_iter().filter(|(index, _)| *index != 1).collect();
    let (group, shares) = run(&round, Origin::Fresh, 3, &honest);
    assert!(shares.iter().all(|share| share.fits(&group)));
    let one: BTreeMap<u16, Dealing> = all.into_iter().take(1).collect();
    assert_eq!(round.join(Origin::Fresh, &one).err(), Some(Error::TooFew { found: 1, needed: 2 }));
}

#[test]
fn who_hands_on_another_share_than_its_own_is_found() {
    let (group, shares) = make(2, 3);
    let round = round("second", 2, 3);
    let origin = Origin::Of(&group);
    let honest = Polynomial::handing_on(&round, &shares[0]);
    let liar = Polynomial::fresh(&round);
    assert_eq!(round.check(origin, 2, &liar.dealing(&round, 2)), Err(Error::OtherShare(2)));
    assert_eq!(round.check(origin, 2, &honest.dealing(&round, 2)), Err(Error::OtherShare(2)));
    // A newcomer is no dealer, an old agent is, whatever the new number.
    let wider = self::round("third", 2, 5);
    assert_eq!(wider.check(origin, 4, &liar.dealing(&wider, 4)), Err(Error::Index(4)));
    let parts = BTreeMap::from([(1, honest.part(1))]);
    assert_eq!(round.assemble(origin, 1, &parts, &group).err(), Some(Error::TooFew { found: 1, needed: 2 }));
    // Parts of different dealers than the group was made from make no share.
    let dealers: Dealers =
        (1..=3).map(|index| (index, Polynomial::handing_on(&round, &shares[usize::from(index) - 1]))).collect();
    let all = dealings(&round, &dealers);
    let two: BTreeMap<u16, Dealing> = all.into_iter().take(2).collect();
    let next = round.join(origin, &two).unwrap();
    let parts = |of: [u16; 2]| of.iter().map(|dealer| (*dealer, dealers[dealer].part(1))).collect();
    assert!(round.assemble(origin, 1, &parts([1, 2]), &next).is_ok());
    assert_eq!(round.assemble(origin, 1, &parts([2, 3]), &next).err(), Some(Error::Inconsistent));
}

#[test]
fn what_is_stored_comes_back_and_damage_is_found() {
    let (group, shares) = make(2, 2);
    let kept = shares[0].to_secret();
    assert!(Share::from_secret(&kept).unwrap().fits(&group));
    assert_eq!(format!("{:?}", shares[0]), format!("Share {{ index: 1, key: {:?}, .. }}", group.key));
    let bytes = kept.expose(Vec::clone);
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(!Share::from_secret(&Secret::new(bytes)).is_ok_and(|share| share.fits(&group)), "byte {at}");
    }
    for bytes in [vec![], vec![0; 65], vec![0; 67], vec![0xff; 66]] {
        assert!(Share::from_secret(&Secret::new(bytes)).is_err());
    }
    let round = round("first", 3, 3);
    let polynomial = Polynomial::fresh(&round);
    let again = Polynomial::from_secret(&polynomial.to_secret()).unwrap();
    assert_eq!(opened(&again.part(2)), opened(&polynomial.part(2)));
    for bytes in [vec![], vec![1; 32], vec![1; 95], vec![0xff; 96], vec![1; 32 * 17]] {
        assert!(Polynomial::from_secret(&Secret::new(bytes)).is_err());
    }
    for (threshold, agents) in [(0, 0), (1, 1), (1, 3), (3, 2), (2, 17)] {
        assert_eq!(Round::new(object(""), threshold, agents), Err(Error::Parameters { threshold, agents }));
    }
}

/// The frozen vectors, which `interop/check_escrow.py` makes again from the page alone.
#[test]
fn the_vectors_hold() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/escrow.json");
    let text = std::fs::read_to_string(file).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bytes = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
    let fixed = |value: &serde_json::Value| Fixed::<32>::from_slice(&bytes(value)).unwrap();
    assert_eq!(encode(&TWIN), fixed(&vectors["generator"]));
    for vector in vectors["wraps"].as_array().unwrap() {
        let secret = Scalar::from_canonical_bytes(*fixed(&vector["secret"]).as_bytes()).unwrap();
        let key = EscrowKey(encode(&RistrettoPoint::mul_base(&secret)));
        assert_eq!(key.0, fixed(&vector["key"]));
        let (object, data) = (Digest(fixed(&vector["object"])), Secret::new(*fixed(&vector["data"]).as_bytes()));
        let wrap = Wrap::seal(&key, &object, &data).unwrap();
        assert_eq!(wire::text::to_hex(&wire::to_vec(&wrap)), vector["wrap"].as_str().unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_group_opens(agents in 2_u16..7, lower in any::<prop::sample::Index>(), key: [u8; 32], label: [u8; 32]) {
        let threshold = 2 + lower.index(usize::from(agents) - 1) as u16;
        let (group, shares) = make(threshold, agents);
        let (object, context) = (Digest::from(label), Digest::from(key));
        let wrap = Wrap::seal(&group.key, &object, &Secret::new(key)).unwrap();
        let partials: Vec<Partial> =
            shares.iter().rev().take(threshold.into()).map(|one| one.open(&wrap, &object, &context).unwrap()).collect();
        prop_assert_eq!(opened(&combine(&group, &wrap, &object, &context, &partials).unwrap()), key);
    }

    #[test]
    fn noise_is_no_wrap_no_dealing_and_no_partial(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (group, _) = make(2, 2);
        if let Ok(wrap) = wire::from_slice::<Wrap>(&bytes, Limits::small()) {
            prop_assert!(wrap.check(&object("here")).is_err());
        }
        if let Ok(dealing) = wire::from_slice::<Dealing>(&bytes, Limits::small()) {
            prop_assert!(round("first", 2, 2).check(Origin::Of(&group), 1, &dealing).is_err());
        }
    }
}
