//! Whole objects and ranges: what opens, and what must not.

use crypto::escrow::{Group, Origin, Polynomial, Round, Share, Wrap, combine};
use crypto::kem::{PrivateKey, RecipientKey, Suite};
use crypto::keystore::{Cost, FileKeys};
use crypto::{Label, Secret, merkle};
use proptest::prelude::*;
use vault::{
    Access, BatchKey, Error, Head, KeyBatch, MAX_ASSOCIATED, MAX_STANZAS, Recipient, SEGMENT, Stanzas, Summary, open,
    seal,
};

const SEALED: usize = SEGMENT + 16;

fn key() -> PrivateKey {
    PrivateKey::generate(Suite::X25519)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn sealed(plaintext: &[u8], to: &RecipientKey) -> (Vec<u8>, Summary) {
    let mut sealed = Vec::new();
    let summary = seal(plaintext, &mut sealed, [to], b"table").unwrap();
    (sealed, summary)
}

fn opened(sealed: &[u8], access: &Access<'_>) -> Result<Vec<u8>, Error> {
    let mut plaintext = Vec::new();
    open(sealed, &mut plaintext, access, None)?;
    Ok(plaintext)
}

/// Splits a transport file into head and segments.
fn parts(sealed: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut rest = sealed;
    Head::read(&mut rest).unwrap();
    let head = sealed[..sealed.len() - rest.len()].to_vec();
    (head, rest.chunks(SEALED).map(<[u8]>::to_vec).collect())
}

fn joined(head: &[u8], segments: &[Vec<u8>]) -> Vec<u8> {
    [head, &segments.concat()].concat()
}

#[test]
fn every_length_around_a_segment_boundary_round_trips_under_every_suite() {
    for suite in Suite::ALL {
        let key = PrivateKey::generate(suite);
        for length in [0, 1, 15, 16, 17, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT, 2 * SEGMENT + 77] {
            let plaintext = bytes(length);
            let (sealed, summary) = sealed(&plaintext, key.public());
            assert_eq!(summary.length, length as u64);
            assert_eq!(summary.segments, length.div_ceil(SEGMENT).max(1) as u64);
            assert_eq!(summary.weakest, suite);
            let mut out = Vec::new();
            assert_eq!(open(&sealed[..], &mut out, &Access::Private(&key), Some(&summary.root)).unwrap(), summary);
            assert_eq!(out, plaintext);
            // The root is the plain tree over core and segments.
            let mut tree = merkle::Frontier::default();
            let (_, segments) = parts(&sealed);
            tree.push(merkle::leaf(&Head::read(&sealed[..]).unwrap().core().to_bytes()), |_, _, _| {});
            segments.iter().for_each(|segment| tree.push(merkle::leaf(segment), |_, _, _| {}));
            assert_eq!(tree.root(), summary.root);
        }
    }
}

#[test]
fn a_reader_that_trickles_seals_the_same_segments() {
    struct Trickle<'a>(&'a [u8]);
    impl std::io::Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let limit = buffer.len().min(1000);
            std::io::Read::read(&mut self.0, &mut buffer[..limit])
        }
    }
    let (key, plaintext) = (key(), bytes(2 * SEGMENT));
    let mut sealed = Vec::new();
    let summary = seal(Trickle(&plaintext), &mut sealed, [key.public()], b"").unwrap();
    assert_eq!(summary.segments, 2);
    let mut out = Vec::new();
    open(Trickle(&sealed), &mut out, &Access::Private(&key), Some(&summary.root)).unwrap();
    assert_eq!(out, plaintext);
}

#[test]
fn every_flipped_byte_is_refused() {
    let (key, other) = (key(), key());
    let mut file = Vec::new();
    seal(&b"small"[..], &mut file, [key.public(), other.public()], b"table").unwrap();
    assert!(opened(&file, &Access::Private(&key)).is_ok());
    for at in 0..file.len() {
        for flip in [1, 0x80, 0xff] {
            file[at] ^= flip;
            assert!(opened(&file, &Access::Private(&key)).is_err(), "byte {at} ^ {flip}");
            file[at] ^= flip;
        }
    }
}

#[test]
fn every_truncation_and_any_extra_byte_is_refused() {
    let key = key();
    let (file, _) = sealed(b"small", key.public());
    for length in 0..file.len() {
        assert!(opened(&file[..length], &Access::Private(&key)).is_err(), "{length} bytes");
    }
    assert!(opened(&[&file[..], &[0]].concat(), &Access::Private(&key)).is_err());
}

#[test]
fn truncated_at_a_segment_boundary_is_refused() {
    let key = key();
    for length in [3 * SEGMENT, 3 * SEGMENT + 5] {
        let (file, _) = sealed(&bytes(length), key.public());
        let (head, segments) = parts(&file);
        for kept in 0..segments.len() {
            let cut = joined(&head, &segments[..kept]);
            let error = opened(&cut, &Access::Private(&key)).unwrap_err();
            assert!(matches!(error, Error::Segment(_) | Error::Truncated { .. }), "{kept} segments: {error}");
        }
    }
}

#[test]
fn reordered_repeated_dropped_and_foreign_segments_are_refused() {
    let key = key();
    let (file, _) = sealed(&bytes(4 * SEGMENT), key.public());
    let (head, segments) = parts(&file);
    let (foreign, _) = sealed(&bytes(4 * SEGMENT), key.public());
    let refused = |order: &[usize]| {
        let moved: Vec<_> = order.iter().map(|i| segments[*i].clone()).collect();
        assert!(matches!(opened(&joined(&head, &moved), &Access::Private(&key)), Err(Error::Segment(_))), "{order:?}");
    };
    for order in [
        &[1, 0, 2, 3][..],
        &[0, 2, 1, 3],
        &[0, 1, 3, 2],
        &[0, 1, 1, 2, 3],
        &[0, 1, 3],
        &[1, 2, 3],
        &[3],
        &[0, 1, 2, 3, 3],
    ] {
        refused(order);
    }
    for at in 0..4 {
        let mut mixed = segments.clone();
        mixed[at] = parts(&foreign).1[at].clone();
        assert!(matches!(opened(&joined(&head, &mixed), &Access::Private(&key)), Err(Error::Segment(_))));
    }
}

#[test]
fn another_object_of_the_same_recipient_has_another_root() {
    let key = key();
    let (_, summary) = sealed(b"registered", key.public());
    let (other, found) = sealed(b"registered", key.public());
    let error = open(&other[..], std::io::sink(), &Access::Private(&key), Some(&summary.root)).unwrap_err();
    assert!(matches!(error, Error::Root { found: f, expected } if f == found.root && expected == summary.root));
}

#[test]
fn wrong_recipient_is_refused() {
    let (key, other) = (key(), key());
    let (file, _) = sealed(b"secret", key.public());
    assert!(matches!(opened(&file, &Access::Private(&other)), Err(Error::NotRecipient)));
    let (batch, _) = BatchKey::generate(key.public()).unwrap();
    assert!(matches!(opened(&file, &Access::Batch(&batch)), Err(Error::NotRecipient)));
}

#[test]
fn stanzas_moved_to_another_object_are_refused() {
    let key = key();
    let heads: Vec<Head> = (0..2).map(|_| Head::read(&sealed(b"secret", key.public()).0[..]).unwrap()).collect();
    // The block names its object.
    let error = Head::new(heads[0].stanzas().clone(), heads[1].core().clone()).unwrap_err();
    assert!(matches!(error, Error::OtherObject { .. }));
    // A block rewritten to name the other object: HPKE's info names it too.
    let forged = rename(heads[0].stanzas(), heads[0].id().as_ref(), heads[1].id().as_ref());
    let head = Head::new(Stanzas::parse(&forged).unwrap(), heads[1].core().clone()).unwrap();
    assert!(matches!(head.unlock(&Access::Private(&key)), Err(Error::Wrap(_))));
    // The same with a batch: there the id is associated data.
    let (batch, _) = BatchKey::generate(key.public()).unwrap();
    let stanzas = heads[0].rewrap(&Access::Private(&key), [&batch]).unwrap();
    let forged = rename(&stanzas, heads[0].id().as_ref(), heads[1].id().as_ref());
    let head = Head::new(Stanzas::parse(&forged).unwrap(), heads[1].core().clone()).unwrap();
    assert!(matches!(head.unlock(&Access::Batch(&batch)), Err(Error::BatchWrap)));
}

fn rename(stanzas: &Stanzas, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = stanzas.to_bytes();
    let at = bytes.windows(32).position(|window| window == from).unwrap();
    bytes[at..at + 32].copy_from_slice(to);
    bytes
}

#[test]
fn a_stanza_added_by_an_outsider_is_refused() {
    // An attacker who may write the stanza block, yet holds no data key, cannot drop or swap recipients unseen.
    let (key, other) = (key(), key());
    let mut file = Vec::new();
    seal(&b"secret"[..], &mut file, [key.public(), other.public()], b"").unwrap();
    let head = Head::read(&file[..]).unwrap();
    let block = head.stanzas();
    let swapped: Vec<_> = block.list().iter().rev().cloned().collect();
    let (_, _, mac) = (block.object(), (), &block.to_bytes()[block.to_bytes().len() - 32..]);
    let forged = |list: &[vault::Stanza]| {
        let mac: wire::Fixed<32> = wire::Fixed::from_slice(mac).unwrap();
        Stanzas::parse(&wire::to_vec(&(1u8, block.object(), list, Option::<wire::Bytes>::None, mac))).unwrap()
    };
    assert_eq!(forged(block.list()), *block);
    for list in [&swapped[..], &swapped[1..], &block.list()[..1]] {
        let head = Head::new(forged(list), head.core().clone()).unwrap();
        assert!(matches!(head.unlock(&Access::Private(&key)), Err(Error::Stanzas)));
    }
}

/// Two escrow agents and their key.
fn agents() -> (Group, Vec<Share>) {
    let round = Round::new(crypto::sha256(&[b"agents"]), 2, 2).unwrap();
    let dealers = [1, 2].map(|index| (index, Polynomial::fresh(&round)));
    let dealings = dealers.iter().map(|(index, secret)| (*index, secret.dealing(&round, *index))).collect();
    let group = round.join(Origin::Fresh, &dealings).unwrap();
    let share = |agent| {
        let parts = dealers.iter().map(|(dealer, secret)| (*dealer, secret.part(agent))).collect();
        round.assemble(Origin::Fresh, agent, &parts, &group).unwrap()
    };
    let shares = [1, 2].map(share).into();
    (group, shares)
}

/// What the agents open together.
fn by_agents(group: &Group, shares: &[Share], head: &Head) -> Secret<[u8; 32]> {
    let (wrap, context) = (head.stanzas().escrow().unwrap(), crypto::sha256(&[b"decided"]));
    let partials: Vec<_> = shares.iter().map(|share| share.open(&wrap, &head.id(), &context).unwrap()).collect();
    combine(group, &wrap, &head.id(), &context, &partials).unwrap()
}

#[test]
fn escrow_agents_open_what_was_sealed_to_them_and_a_rewrap_keeps_their_wrap() {
    let (owner, requester, (group, shares)) = (key(), key(), agents());
    let mut file = Vec::new();
    let to = [Recipient::Key(owner.public()), Recipient::Escrow(&group.key)];
    let summary = seal(&b"secret"[..], &mut file, to, b"").unwrap();
    assert_eq!(opened(&file, &Access::Private(&owner)).unwrap(), b"secret");
    let head = Head::read(&file[..]).unwrap();
    let data = by_agents(&group, &shares, &head);
    assert_eq!(opened(&file, &Access::DataKey(&data)).unwrap(), b"secret");
    assert!(matches!(opened(&file, &Access::DataKey(&Secret::new([0; 32]))), Err(Error::Commitment)));
    // A rewrap leaves the agents what they have; nobody needs to name them.
    let stanzas = head.rewrap(&Access::Private(&owner), [requester.public()]).unwrap();
    assert_eq!((stanzas.escrow(), stanzas.list().len()), (head.stanzas().escrow(), 1));
    let mut rewrapped = Vec::new();
    Head::new(stanzas, head.core().clone()).unwrap().write(&mut rewrapped).unwrap();
    rewrapped.extend(parts(&file).1.concat());
    assert_eq!(opened(&rewrapped, &Access::Private(&requester)).unwrap(), b"secret");
    assert_eq!(opened(&rewrapped, &Access::DataKey(&data)).unwrap(), b"secret");
    // Others get theirs when they are named; agents alone are no recipient.
    let (other, _) = agents();
    let to = [Recipient::Key(owner.public()), Recipient::Escrow(&other.key)];
    let changed = head.rewrap(&Access::Private(&owner), to).unwrap();
    assert_eq!(changed.escrow().unwrap().key, other.key);
    let alone = seal(&b""[..], std::io::sink(), [Recipient::Escrow(&group.key)], b"");
    assert!(matches!(alone, Err(Error::NoRecipient)));
    assert_eq!(summary.weakest, Suite::X25519);
}

#[test]
fn a_wrong_escrow_wrap_is_refused_by_every_recipient() {
    let (owner, (group, shares)) = (key(), agents());
    let mut file = Vec::new();
    let to = [Recipient::Key(owner.public()), Recipient::Escrow(&group.key)];
    seal(&b"secret"[..], &mut file, to, b"").unwrap();
    let head = Head::read(&file[..]).unwrap();
    let data = by_agents(&group, &shares, &head);
    // The sealer itself, which has the data key, makes the block and its mac anew, with another wrap.
    let (id, list) = (head.id(), head.stanzas().list().to_vec());
    let label = [&[u8::try_from(Label::DERIVE.as_str().len()).unwrap()], Label::DERIVE.as_str().as_bytes()].concat();
    let salt = head.core().to_bytes()[5..37].to_vec();
    let mac_key: Secret<[u8; 32]> = crypto::kdf::derive(&data, &salt, &[&label, b"stanzas"]);
    let forge = |escrow: Option<wire::Bytes>| {
        let digest = crypto::hash(Label::STANZAS, &[&wire::to_vec(&(1u8, id, &list, &escrow))]);
        let mac = wire::Fixed(crypto::kdf::mac(&mac_key, &[digest.as_ref()]));
        Stanzas::parse(&wire::to_vec(&(1u8, id, &list, &escrow, mac)))
    };
    let honest = head.stanzas().escrow().unwrap();
    let wrapped = |wrap: &Wrap| forge(Some(wire::to_vec(wrap).into()));
    assert_eq!(wrapped(&honest).unwrap(), *head.stanzas());
    let unlock = |stanzas: Stanzas| {
        Head::new(stanzas, head.core().clone()).unwrap().unlock(&Access::Private(&owner)).map(|_| ())
    };
    assert!(unlock(forge(None).unwrap()).is_ok());
    // Sound, and of another data key: nobody without the data key can tell, every recipient does.
    let other = Wrap::seal(&group.key, &id, &Secret::new([9; 32])).unwrap();
    assert!(matches!(unlock(wrapped(&other).unwrap()), Err(Error::Escrow(_))));
    // Of another object, changed, or no wrap: refused before.
    let moved = Wrap::seal(&group.key, &crypto::sha256(&[b"elsewhere"]), &data).unwrap();
    assert!(matches!(wrapped(&moved), Err(Error::Escrow(_))));
    assert!(matches!(wrapped(&Wrap { masked: honest.twin, ..honest }), Err(Error::Escrow(_))));
    for bytes in [vec![], vec![0xf6], vec![0; 205], [wire::to_vec(&honest), vec![0]].concat()] {
        assert!(matches!(forge(Some(bytes.into())), Err(Error::Malformed { part: "escrow wrap", .. })));
    }
}

#[test]
fn rewrap_changes_who_opens_and_no_ciphertext() {
    let (owner, requester) = (key(), PrivateKey::generate(Suite::XWing));
    let (file, summary) = sealed(b"secret", owner.public());
    let (_, segments) = parts(&file);
    let head = Head::read(&file[..]).unwrap();
    let stanzas = head.rewrap(&Access::Private(&owner), [requester.public()]).unwrap();
    let mut rewrapped = Vec::new();
    Head::new(stanzas, head.core().clone()).unwrap().write(&mut rewrapped).unwrap();
    rewrapped.extend(segments.concat());
    let mut out = Vec::new();
    let found = open(&rewrapped[..], &mut out, &Access::Private(&requester), Some(&summary.root)).unwrap();
    assert_eq!((out.as_slice(), found.weakest), (&b"secret"[..], Suite::XWing));
    assert!(matches!(opened(&rewrapped, &Access::Private(&owner)), Err(Error::NotRecipient)));
    assert!(matches!(head.rewrap(&Access::Private(&requester), [owner.public()]), Err(Error::NotRecipient)));
}

#[test]
fn batch_keys_open_many_objects_with_one_unwrap() {
    let owner = PrivateKey::generate(Suite::XWing);
    let (batch, record) = BatchKey::generate(owner.public()).unwrap();
    let files: Vec<Vec<u8>> = (0..5)
        .map(|i| {
            let mut file = Vec::new();
            assert_eq!(seal(&bytes(i)[..], &mut file, [&batch], b"").unwrap().weakest, Suite::XWing);
            file
        })
        .collect();
    drop(batch);
    let record = KeyBatch::parse(&record.to_bytes()).unwrap();
    let batch = record.unlock(&Access::Private(&owner)).unwrap();
    for (i, file) in files.iter().enumerate() {
        assert_eq!(opened(file, &Access::Batch(&batch)).unwrap(), bytes(i));
        // The owner's key alone is not enough: the batch must be unlocked first.
        assert!(matches!(opened(file, &Access::Private(&owner)), Err(Error::NotRecipient)));
    }
    assert!(matches!(record.unlock(&Access::Private(&key())), Err(Error::NotRecipient)));
    let (other, _) = BatchKey::generate(owner.public()).unwrap();
    assert!(matches!(opened(&files[0], &Access::Batch(&other)), Err(Error::NotRecipient)));
    let bytes = record.to_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(
            KeyBatch::parse(&flipped).and_then(|record| record.unlock(&Access::Private(&owner))).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_key_store_opens_by_handle() {
    let directory = tempfile::tempdir().unwrap();
    let passphrase = Secret::new(b"correct horse".to_vec());
    let keys = FileKeys::create_with(directory.path().join("keys"), &passphrase, Cost::danger_weak()).unwrap();
    let public = keys.generate_recipient("vault", Suite::XWing).unwrap();
    keys.generate_recipient("other", Suite::XWing).unwrap();
    let (file, _) = sealed(b"secret", &public);
    assert_eq!(opened(&file, &Access::Handle(&keys, "vault")).unwrap(), b"secret");
    assert!(matches!(opened(&file, &Access::Handle(&keys, "other")), Err(Error::NotRecipient)));
    assert!(matches!(opened(&file, &Access::Handle(&keys, "missing")), Err(Error::Keys(_))));
}

#[test]
fn the_weakest_recipient_states_the_strength() {
    let keys = Suite::ALL.map(PrivateKey::generate);
    let summary = seal(&b""[..], std::io::sink(), keys.iter().map(PrivateKey::public), b"").unwrap();
    assert_eq!(summary.weakest, Suite::P256);
    let (batch, _) = BatchKey::generate(keys[1].public()).unwrap();
    let summary =
        seal(&b""[..], std::io::sink(), [Recipient::Key(keys[0].public()), Recipient::Batch(&batch)], b"").unwrap();
    assert_eq!(summary.weakest, Suite::X25519);
}

#[test]
fn bounds_are_enforced() {
    let key = key();
    let nobody: [&RecipientKey; 0] = [];
    assert!(matches!(seal(&b""[..], std::io::sink(), nobody, b""), Err(Error::NoRecipient)));
    let many = vec![key.public(); MAX_STANZAS + 1];
    assert!(matches!(seal(&b""[..], std::io::sink(), many, b""), Err(Error::TooLong { .. })));
    assert!(matches!(
        seal(&b""[..], std::io::sink(), [key.public()], &[0; MAX_ASSOCIATED + 1]),
        Err(Error::TooLong { .. })
    ));
    // As much as is allowed can be read back.
    let strong = PrivateKey::generate(Suite::XWing);
    let mut file = Vec::new();
    seal(&b"x"[..], &mut file, vec![strong.public(); MAX_STANZAS], &[0; MAX_ASSOCIATED]).unwrap();
    assert_eq!(opened(&file, &Access::Private(&strong)).unwrap(), b"x");
    // A length that promises gigabytes allocates nothing.
    assert!(matches!(Head::read(&b"sottobj1\xff\xff\xff\xff"[..]), Err(Error::TooLong { .. })));
    assert!(matches!(Head::read(&b"sottobj2"[..]), Err(Error::Magic)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_plaintext_round_trips_and_any_damage_is_refused(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200_000),
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let key = key();
        let (mut file, _) = sealed(&plaintext, key.public());
        prop_assert_eq!(opened(&file, &Access::Private(&key)).unwrap(), plaintext);
        let at = at.index(file.len());
        file[at] ^= flip;
        prop_assert!(opened(&file, &Access::Private(&key)).is_err());
    }
}
