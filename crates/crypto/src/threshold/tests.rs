use std::collections::BTreeMap;

use frost_core::round1::Nonce;
use frost_ed25519 as frost;
use frost_ed25519::keys::{KeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::round1::SigningNonces;
use proptest::prelude::*;
use wire::{Fixed, Limits};

use super::signing::{aggregate_raw, sign_raw, to_bytes};
use super::*;
use crate::{Label, PublicKey, Secret, sha256};

type Broadcasts = BTreeMap<u16, Vec<u8>>;
type Outgoing = BTreeMap<u16, BTreeMap<u16, Secret<Vec<u8>>>>;

fn parameters(threshold: u16, parties: u16) -> Parameters {
    Parameters::new(sha256(&[b"test"]), threshold, parties).unwrap()
}

fn deal(parameters: Parameters) -> (BTreeMap<u16, Dealt>, Broadcasts) {
    let (mut dealt, mut broadcasts) = (BTreeMap::new(), BTreeMap::new());
    for index in 1..=parameters.parties() {
        let (party, broadcast) = parameters.deal(index).unwrap();
        dealt.insert(index, party);
        broadcasts.insert(index, broadcast);
    }
    (dealt, broadcasts)
}

fn distribute(dealt: BTreeMap<u16, Dealt>, broadcasts: &Broadcasts) -> (BTreeMap<u16, Distributed>, Outgoing) {
    let (mut waiting, mut outgoing) = (BTreeMap::new(), BTreeMap::new());
    for (index, party) in dealt {
        let (party, sent) = party.distribute(broadcasts).unwrap();
        waiting.insert(index, party);
        outgoing.insert(index, sent);
    }
    (waiting, outgoing)
}

/// What the others sent to `receiver`.
fn inbox(outgoing: &mut Outgoing, receiver: u16) -> BTreeMap<u16, Secret<Vec<u8>>> {
    outgoing.iter_mut().filter_map(|(sender, sent)| Some((*sender, sent.remove(&receiver)?))).collect()
}

fn group(threshold: u16, parties: u16) -> (BTreeMap<u16, KeyShare>, GroupKey) {
    let (dealt, broadcasts) = deal(parameters(threshold, parties));
    let (waiting, mut outgoing) = distribute(dealt, &broadcasts);
    let (mut shares, mut groups) = (BTreeMap::new(), Vec::new());
    for (index, party) in waiting {
        let (share, group) = party.finish(&inbox(&mut outgoing, index)).unwrap();
        shares.insert(index, share);
        groups.push(group);
    }
    assert!(groups.windows(2).all(|pair| pair[0] == pair[1]), "all parties see the same group");
    (shares, groups.remove(0))
}

fn package<'a>(signers: impl IntoIterator<Item = &'a KeyShare>) -> (BTreeMap<u16, Nonces>, Package) {
    signers
        .into_iter()
        .map(|share| {
            let (nonces, commitment) = commit(share);
            ((share.index(), nonces), (share.index(), commitment))
        })
        .unzip()
}

fn sign_all(
    shares: &BTreeMap<u16, KeyShare>,
    nonces: BTreeMap<u16, Nonces>,
    package: &Package,
    message: &[u8],
) -> BTreeMap<u16, Share> {
    nonces
        .into_iter()
        .map(|(index, nonces)| (index, sign(&shares[&index], nonces, package, Label::VERDICT, message).unwrap()))
        .collect()
}

#[test]
fn every_pair_of_three_signs() {
    let (shares, group) = group(2, 3);
    for signers in [vec![1, 2], vec![1, 3], vec![2, 3], vec![1, 2, 3]] {
        let (nonces, package) = package(signers.iter().map(|index| &shares[index]));
        let signed = sign_all(&shares, nonces, &package, b"allow");
        let signature = aggregate(&group, &package, &signed, Label::VERDICT, b"allow").unwrap();
        assert!(group.key.verify(Label::VERDICT, b"allow", &signature).is_ok());
        assert!(group.key.verify(Label::VERDICT, b"deny", &signature).is_err());
        assert!(group.key.verify(Label::TRANSACTION, b"allow", &signature).is_err());
    }
}

#[test]
fn one_of_three_does_not_sign() {
    let (shares, group) = group(2, 3);
    let (mut nonces, package) = package([&shares[&1]]);
    let alone = sign(&shares[&1], nonces.remove(&1).unwrap(), &package, Label::VERDICT, b"allow");
    assert_eq!(alone, Err(Error::TooFew { found: 1, threshold: 2 }));
    let empty = aggregate(&group, &Package::new(), &BTreeMap::new(), Label::VERDICT, b"allow");
    assert_eq!(empty, Err(Error::TooFew { found: 0, threshold: 2 }));
}

#[test]
fn wrong_signature_shares_name_all_culprits() {
    let (shares, group) = group(3, 5);
    let (nonces, package) = package([1, 2, 4, 5].map(|index| &shares[&index]));
    let mut signed = sign_all(&shares, nonces, &package, b"allow");
    // Different bits, lest the two errors cancel: then the sum would be right, and the signature valid.
    signed.get_mut(&2).unwrap().0.0[0] ^= 1;
    signed.get_mut(&5).unwrap().0.0[0] ^= 2;
    let refused = aggregate(&group, &package, &signed, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(misbehaved(vec![2, 5], Fault::SignatureShare)));
    // Not a scalar at all.
    signed.get_mut(&2).unwrap().0 = Fixed([0xff; 32]);
    let refused = aggregate(&group, &package, &signed, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(misbehaved(vec![2], Fault::Malformed)));
    signed.remove(&2);
    let refused = aggregate(&group, &package, &signed, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(Error::Senders { expected: vec![1, 2, 4, 5], found: vec![1, 4, 5] }));
}

#[test]
fn a_share_over_another_message_is_the_signers_fault() {
    let (shares, group) = group(2, 3);
    let (mut nonces, package) = package([&shares[&1], &shares[&3]]);
    let honest = sign(&shares[&1], nonces.remove(&1).unwrap(), &package, Label::VERDICT, b"allow").unwrap();
    let other = sign(&shares[&3], nonces.remove(&3).unwrap(), &package, Label::VERDICT, b"deny").unwrap();
    let refused = aggregate(&group, &package, &BTreeMap::from([(1, honest), (3, other)]), Label::VERDICT, b"allow");
    assert_eq!(refused, Err(misbehaved(vec![3], Fault::SignatureShare)));
}

#[test]
fn a_signer_insists_on_its_own_commitment() {
    let (shares, _) = group(2, 3);
    let (mut nonces, mut package) = package([&shares[&1], &shares[&2]]);
    package.insert(1, commit(&shares[&1]).1);
    let refused = sign(&shares[&1], nonces.remove(&1).unwrap(), &package, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(Error::Altered));
    package.insert(1, Commitment(Fixed([0xff; 64])));
    let refused = sign(&shares[&2], nonces.remove(&2).unwrap(), &package, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(misbehaved(vec![1], Fault::Malformed)));
    let (mut nonces, mut stranger) = self::package([&shares[&1], &shares[&2]]);
    stranger.insert(4, stranger[&2]);
    let refused = sign(&shares[&2], nonces.remove(&2).unwrap(), &stranger, Label::VERDICT, b"allow");
    assert_eq!(refused, Err(Error::Index { index: 4 }));
}

#[test]
fn a_broadcast_without_knowledge_names_its_sender() {
    let (mut dealt, mut broadcasts) = deal(parameters(2, 3));
    // Party 2 repeats the commitments of party 3 under its own name.
    let stolen = broadcasts[&3].clone();
    broadcasts.insert(2, stolen);
    assert_eq!(dealt.remove(&1).unwrap().distribute(&broadcasts).err(), Some(misbehaved(vec![2], Fault::Proof)));
    assert_eq!(dealt.remove(&2).unwrap().distribute(&broadcasts).err(), Some(Error::Altered));
}

#[test]
fn malformed_broadcasts_name_their_senders() {
    let (_, broadcasts) = deal(parameters(2, 3));
    let shorter = deal(parameters(2, 3)).1.remove(&2).unwrap()[..100].to_vec();
    let longer = deal(parameters(3, 3)).1.remove(&2).unwrap();
    for bad in [Vec::new(), shorter, longer, vec![0; 100_000]] {
        let (mut dealt, mut fresh) = deal(parameters(2, 3));
        fresh.insert(2, bad.clone());
        fresh.insert(3, bad);
        let refused = dealt.remove(&1).unwrap().distribute(&fresh).err();
        assert_eq!(refused, Some(misbehaved(vec![2, 3], Fault::Malformed)));
    }
    let (mut dealt, mut fresh) = deal(parameters(2, 3));
    fresh.remove(&2);
    let refused = dealt.remove(&1).unwrap().distribute(&fresh).err();
    assert_eq!(refused, Some(Error::Senders { expected: vec![1, 2, 3], found: vec![1, 3] }));
    assert!(wire::from_slice::<Vec<u8>>(&broadcasts[&1], Limits::small()).is_err());
}

#[test]
fn a_cheating_dealer_is_named() {
    let (dealt, broadcasts) = deal(parameters(2, 3));
    let (mut waiting, mut outgoing) = distribute(dealt, &broadcasts);
    let mut received = inbox(&mut outgoing, 1);
    // Party 3 sends party 1 what it computed for party 2.
    received.insert(3, outgoing.get_mut(&3).unwrap().remove(&2).unwrap());
    let refused = waiting.remove(&1).unwrap().finish(&received).err();
    assert_eq!(refused, Some(misbehaved(vec![3], Fault::SecretShare)));

    let mut received = inbox(&mut outgoing, 2);
    received.insert(3, Secret::new(vec![0xff; 32]));
    let refused = waiting.remove(&2).unwrap().finish(&received).err();
    assert_eq!(refused, Some(misbehaved(vec![3], Fault::Malformed)));
    let refused = waiting.remove(&3).unwrap().finish(&BTreeMap::new()).err();
    assert_eq!(refused, Some(Error::Senders { expected: vec![1, 2], found: vec![] }));
}

#[test]
fn parties_that_heard_different_things_have_different_transcripts() {
    let (mut dealt, broadcasts) = deal(parameters(2, 3));
    let (_, replacement) = parameters(2, 3).deal(3).unwrap();
    let mut others = broadcasts.clone();
    others.insert(3, replacement);
    let one = dealt.remove(&1).unwrap().distribute(&broadcasts).unwrap().0;
    let two = dealt.remove(&2).unwrap().distribute(&others).unwrap().0;
    assert_ne!(one.transcript(), two.transcript());
}

#[test]
fn parameters_are_bounded() {
    for (threshold, parties) in [(0, 3), (1, 3), (4, 3), (2, 65), (2, 1)] {
        let refused = Parameters::new(sha256(&[]), threshold, parties);
        assert_eq!(refused, Err(Error::Parameters { threshold, parties }));
    }
    for index in [0, 4] {
        assert_eq!(parameters(2, 3).deal(index).err(), Some(Error::Index { index }));
    }
}

#[test]
fn shares_survive_the_key_store() {
    let (mut shares, group) = group(2, 3);
    let secret = shares[&2].to_secret();
    let restored = KeyShare::from_secret(&secret).unwrap();
    assert_eq!((restored.index(), restored.group()), (2, group.key));
    assert!(!format!("{restored:?}").contains(&hex::encode(restored.package.signing_share().serialize())));
    shares.insert(2, restored);
    let (nonces, package) = package([&shares[&1], &shares[&2]]);
    let signed = sign_all(&shares, nonces, &package, b"allow");
    assert!(aggregate(&group, &package, &signed, Label::VERDICT, b"allow").is_ok());
    let length = secret.expose(Vec::len);
    for end in 0..length {
        assert!(KeyShare::from_secret(&Secret::new(secret.expose(|bytes| bytes[..end].to_vec()))).is_err());
    }
}

#[test]
fn the_group_key_is_canonical_and_checked() {
    let (_, group) = group(2, 3);
    let bytes = wire::to_vec(&group);
    assert_eq!(wire::from_slice::<GroupKey>(&bytes, Limits::small()).unwrap(), group);
    let json = serde_json::to_string(&group).unwrap();
    assert_eq!(serde_json::from_str::<GroupKey>(&json).unwrap(), group);
    for damage in [
        |group: &mut GroupKey| group.threshold = 1,
        |group: &mut GroupKey| group.threshold = 4,
        |group: &mut GroupKey| group.shares[0] = Fixed([0xff; 32]),
    ] {
        let mut damaged = group.clone();
        damage(&mut damaged);
        assert_eq!(damaged.to_frost().err(), Some(Error::Inconsistent));
    }
}

/// RFC 9591, appendix E.1.
#[test]
fn rfc_9591_vectors() {
    let bytes = |text: &str| hex::decode(text).unwrap();
    let key = bytes("15d21ccd7ee42959562fc8aa63224c8851fb3ec85a3faf66040d380fb9738673");
    let scalars = [
        "929dcc590407aae7d388761cddb0c0db6f5627aea8e217f4a033f2ec83d93509",
        "a91e66e012e4364ac9aaa405fcafd370402d9859f7b6685c07eed76bf409e80d",
        "d3cb090a075eb154e82fdb4b3cb507f110040905468bb9c46da8bdea643a9a02",
    ]
    .map(|text| SigningShare::deserialize(&bytes(text)).unwrap());
    let verifying = scalars.map(VerifyingShare::from);
    let share = |index: u16| {
        let at = usize::from(index) - 1;
        let group = frost::VerifyingKey::deserialize(&key).unwrap();
        KeyShare::new(index, 3, KeyPackage::new(identifier(index).unwrap(), scalars[at], verifying[at], group, 2))
    };
    let group = GroupKey {
        key: PublicKey(Fixed::from_slice(&key).unwrap()),
        threshold: 2,
        shares: verifying.iter().map(|share| Fixed::from_slice(&share.serialize().unwrap()).unwrap()).collect(),
    };
    let nonces = |hiding: &str, binding: &str| {
        let nonce = |text: &str| Nonce::deserialize(&bytes(text)).unwrap();
        Nonces(SigningNonces::from_nonces(nonce(hiding), nonce(binding)))
    };
    let one = nonces(
        "ef6599dea4010581a72b3018c37c29a4341d7cab0773e8687ca74dcf14009701",
        "2baadfa0c69aa60d517ad4751de372a73f9d89cfc39026601f18458cdec12605",
    );
    let three = nonces(
        "80f8d9a4b8f9366e1a0b618107c907cd3ee29fa9bb40b4691cc1bde696240005",
        "2610b664a5a187b4855e87d2ff485bebdf043dc2f161fcd4854cd01dc0276404",
    );
    let package: Package =
        [(1, &one), (3, &three)].map(|(index, nonces)| (index, Commitment(to_bytes(nonces.0.commitments())))).into();
    let signed = BTreeMap::from([
        (1, sign_raw(&share(1), one, &package, b"test").unwrap()),
        (3, sign_raw(&share(3), three, &package, b"test").unwrap()),
    ]);
    assert_eq!(signed[&1].0.to_string(), "60997f0142e43e8005027fe5ab7447dac00d22c2d7ddd9571a02613ba7d81c08");
    assert_eq!(signed[&3].0.to_string(), "79390e78bc59699c7af831f8f5fb478ec871a85f561a8641b5670ac4443f720f");
    let signature = aggregate_raw(&group, &package, &signed, b"test").unwrap();
    assert_eq!(
        signature.to_string(),
        "154fb694ee7fcb37bf2381d94488c2a84b03b3352ad085feca81ad26d45852b7ecfe971ce4da95c4a95db93ac376b053897fca212ef85f99cf696bffeb178f07"
    );
    assert!(aggregate_raw(&group, &package, &signed, b"tess").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn flipped_broadcasts_never_panic(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let (mut dealt, mut broadcasts) = deal(parameters(2, 3));
        let broadcast = broadcasts.get_mut(&2).unwrap();
        let at = at.index(broadcast.len());
        broadcast[at] ^= flip;
        // The proof does not cover the second commitment: a point there passes, and round 2 finds the contradiction.
        match dealt.remove(&1).unwrap().distribute(&broadcasts) {
            Ok(_) => {}
            Err(Error::Misbehaved { culprits, .. }) => prop_assert_eq!(culprits, vec![2]),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn any_group_signs(parties in 2u16..7, threshold in 2u16..7, message in prop::collection::vec(any::<u8>(), 0..200)) {
        let threshold = threshold.min(parties);
        let (shares, group) = group(threshold, parties);
        let (nonces, package) = package(shares.values().take(usize::from(threshold)));
        let signed = sign_all(&shares, nonces, &package, &message);
        let signature = aggregate(&group, &package, &signed, Label::VERDICT, &message).unwrap();
        prop_assert!(group.key.verify(Label::VERDICT, &message, &signature).is_ok());
    }
}
