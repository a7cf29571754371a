//! Private payloads: who may put, hold, purge and attest, within which bounds; and ledgers on which nobody has begun.

use contracts::message::{
    Opening, PrincipalRevoke, PrivateAttest, PrivateBegin, PrivateNamed, PrivatePut, private_commitment,
    purge_statement,
};
use contracts::record::{Cause, Private, Role};
use contracts::{MAX_PRIVATE, MAX_RECIPIENTS, read};
use crypto::{Digest, Label, SigningKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::governance::{FOUNDER, code};
use crate::world::*;

const DAY: u64 = 24 * HOUR;

fn begun() -> World {
    let mut world = World::ready();
    world.send(&keys(FOUNDER).operator, "private.begin", &PrivateBegin {}).unwrap();
    world
}

fn argument(world: &World, recipients: &[&str]) -> PrivatePut {
    let recipients: Vec<String> = recipients.iter().map(|name| (*name).to_owned()).collect();
    let opening = Opening::new(b"offer: 100,000".to_vec());
    PrivatePut {
        label: "offer-7".into(),
        commitment: private_commitment(&world.chain, "northgate", &recipients, &opening),
        size: 14,
        recipients,
        purge_after: None,
    }
}

fn put(world: &mut World, change: impl Fn(&mut PrivatePut)) -> Result<Digest, String> {
    let mut argument = argument(world, &["riverside", "st-anna"]);
    change(&mut argument);
    world.send(&key("northgate/owner"), "private.put", &argument)
}

fn named(world: &mut World, sender: &SigningKey, method: &str, private: Digest) -> String {
    code(world.send(sender, &format!("private.{method}"), &PrivateNamed { private }))
}

fn found(world: &World, id: &Digest) -> Private {
    read::private(&world.state, id).unwrap().unwrap()
}

fn attestation(world: &World, id: &Digest, member: &str, purged: (Cause, u64)) -> PrivateAttest {
    let statement = purge_statement(&world.chain, id, &found(world, id).put, member, purged);
    let signature = keys(member).node.sign(Label::PURGE, &statement);
    PrivateAttest { private: *id, cause: purged.0, at: purged.1, signature }
}

fn attest(world: &mut World, id: &Digest, member: &str, cause: Cause) -> String {
    let argument = attestation(world, id, member, (cause, world.now));
    code(world.send(&keys(member).node, "private.attest", &argument))
}

/// What a member's node has yet to say something of, and all that it is a holder of.
fn lists(world: &World, member: &str) -> (usize, usize) {
    let open = read::open_privates(&world.state, member, None, 200).unwrap().items.len();
    (open, read::privates_of(&world.state, member, None, 200).unwrap().items.len())
}

/// As versions recorded it that knew no private payloads: whatever is sent, and whoever sends it.
#[test]
fn before_the_beginning_nothing_is_known() {
    let mut world = World::ready();
    assert_eq!(put(&mut world, |_| {}).unwrap_err(), "unknown_method");
    let operator = keys("northgate").operator;
    for method in ["begin", "put", "hold", "purge", "attest", "other"] {
        let sent = world.send(&operator, &format!("private.{method}"), &PrivateBegin {});
        assert_eq!(code(sent), "unknown_method", "{method}");
        let sent = world.send_bytes(&keys(FOUNDER).operator, &format!("private.{method}"), vec![0x81, 0x00]);
        assert_eq!(code(sent), "unknown_method", "{method}");
    }
    assert_eq!(read::private_begun(&world.state).unwrap(), None);
    world.send(&keys(FOUNDER).operator, "private.begin", &PrivateBegin {}).unwrap();
    assert_eq!(read::private_begun(&world.state).unwrap(), Some(world.log.len() as u64));
    assert_eq!(code(world.send(&operator, "private.begin", &PrivateBegin {})), "already_recorded");
    assert_eq!(put(&mut world, |_| {}).map(drop), Ok(()));
    assert_eq!(code(world.send(&operator, "private.other", &PrivateBegin {})), "unknown_method");
}

#[test]
fn what_is_put_is_bounded() {
    let mut world = begun();
    let now = world.now;
    let mut refused = |change: &dyn Fn(&mut PrivatePut)| put(&mut world, change).err().unwrap_or("ok".into());
    for size in [0, MAX_PRIVATE + 1, u64::MAX] {
        assert_eq!(refused(&|put| put.size = size), "private_invalid");
    }
    assert_eq!(refused(&|put| put.size = MAX_PRIVATE), "ok");
    for label in ["", "Offer", "an offer", &"x".repeat(65), "é"] {
        assert_eq!(refused(&|put| put.label = label.into()), "name_invalid");
    }
    for date in [0, now, now + 36_526 * DAY] {
        assert_eq!(refused(&|put| put.purge_after = Some(date)), "private_invalid");
    }
    assert_eq!(refused(&|put| put.purge_after = Some(now + 1)), "ok");
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for names in
        [&[][..], &["st-anna", "riverside"], &["riverside", "riverside"], &["northgate"], &["northgate", "st-anna"]]
    {
        assert_eq!(refused(&|put| put.recipients = to(names)), "private_invalid", "{names:?}");
    }
    let many: Vec<String> = (0..=MAX_RECIPIENTS).map(|number| format!("m-{number:02}")).collect();
    assert_eq!(refused(&|put| put.recipients = many.clone()), "private_invalid");
    assert_eq!(refused(&|put| put.recipients = many[1..].to_vec()), "unknown_member");
    assert_eq!(refused(&|put| put.recipients = to(&["nobody"])), "unknown_member");
}

#[test]
fn only_a_members_owner_or_operator_puts() {
    let mut world = begun();
    let argument = argument(&world, &["riverside", "st-anna"]);
    world.principal("northgate", "reader", Role::Auditor).unwrap();
    for name in ["northgate/approver-1", "northgate/reader", "northgate/node", "nobody"] {
        assert_eq!(code(world.send(&key(name), "private.put", &argument)), "not_permitted", "{name}");
    }
    let id = world.send(&key("northgate/owner"), "private.put", &argument).unwrap();
    let private = found(&world, &id);
    assert_eq!((private.sender.as_str(), private.by), ("northgate", key("northgate/owner").public()));
    assert_eq!(private.holders().collect::<Vec<_>>(), ["northgate", "riverside", "st-anna"]);
    world.send(&keys("northgate").operator, "private.put", &argument).unwrap();
    let revoke = PrincipalRevoke { key: key("northgate/owner").public() };
    world.send(&keys("northgate").operator, "members.principal_revoke", &revoke).unwrap();
    assert_eq!(code(world.send(&key("northgate/owner"), "private.put", &argument)), "not_permitted");
}

#[test]
fn it_is_held_purged_and_attested() {
    let mut world = begun();
    let id = put(&mut world, |_| {}).unwrap();
    assert_eq!([FOUNDER, "northgate", "riverside"].map(|name| lists(&world, name)), [(0, 0), (0, 1), (1, 1)]);

    // Whose word counts.
    assert_eq!(named(&mut world, &keys("northgate").node, "hold", id), "not_permitted");
    assert_eq!(named(&mut world, &keys(FOUNDER).node, "hold", id), "not_permitted");
    assert_eq!(named(&mut world, &keys("riverside").operator, "hold", id), "not_permitted");
    assert_eq!(named(&mut world, &keys("riverside").node, "hold", digest("none")), "unknown_private");
    assert_eq!(named(&mut world, &keys("riverside").node, "hold", id), "ok");
    assert_eq!(named(&mut world, &keys("riverside").node, "hold", id), "already_recorded");
    assert_eq!(lists(&world, "riverside"), (0, 1));

    // Not yet to be purged; a recipient may by itself, the sender's node alone may not.
    for cause in [Cause::Sender, Cause::Date] {
        assert_eq!(attest(&mut world, &id, "riverside", cause), "private_invalid");
    }
    assert_eq!(attest(&mut world, &id, "northgate", Cause::Member), "private_invalid");
    assert_eq!(attest(&mut world, &id, FOUNDER, Cause::Member), "not_permitted");
    assert_eq!(attest(&mut world, &id, "st-anna", Cause::Member), "ok");
    assert_eq!(attest(&mut world, &id, "st-anna", Cause::Member), "already_recorded");
    assert_eq!(lists(&world, "st-anna"), (0, 1));
    assert_eq!(named(&mut world, &keys("st-anna").node, "hold", id), "private_purged");

    // The sender's wish binds all who have not said so yet.
    assert_eq!(named(&mut world, &keys("riverside").operator, "purge", id), "not_permitted");
    assert_eq!(named(&mut world, &key("northgate/approver-1"), "purge", id), "not_permitted");
    assert_eq!(named(&mut world, &key("northgate/owner"), "purge", id), "ok");
    assert_eq!(named(&mut world, &keys("northgate").operator, "purge", id), "already_recorded");
    assert_eq!(["northgate", "riverside", "st-anna"].map(|name| lists(&world, name).0), [1, 1, 0]);
    assert_eq!(found(&world, &id).due(0), Some(Cause::Sender));
    assert_eq!(attest(&mut world, &id, "riverside", Cause::Date), "private_invalid");
    for member in ["riverside", "northgate"] {
        assert_eq!(attest(&mut world, &id, member, Cause::Sender), "ok");
    }
    let private = found(&world, &id);
    assert_eq!(private.purged.len(), 3);
    assert!(private.purged.iter().all(|purged| purged.is_signed(&world.chain, &private)));
    assert!(private.purged.iter().all(|purged| !purged.is_signed(&digest("another chain"), &private)));
    assert_eq!(["northgate", "riverside", "st-anna"].map(|name| lists(&world, name)), [(0, 1); 3]);
}

#[test]
fn by_its_date_it_is_purged_and_no_longer_held() {
    let mut world = begun();
    let date = world.now + DAY;
    let id = put(&mut world, |put| put.purge_after = Some(date)).unwrap();
    world.now = date - 1;
    assert_eq!(attest(&mut world, &id, "northgate", Cause::Date), "private_invalid");
    assert_eq!(named(&mut world, &keys("riverside").node, "hold", id), "ok");
    world.now = date;
    assert_eq!(named(&mut world, &keys("st-anna").node, "hold", id), "private_purged");
    assert_eq!(found(&world, &id).due(world.now), Some(Cause::Date));
    for member in ["northgate", "riverside", "st-anna"] {
        assert_eq!(attest(&mut world, &id, member, Cause::Date), "ok");
        assert_eq!(lists(&world, member), (0, 1));
    }
}

#[test]
fn an_attestation_is_the_nodes_own_and_of_its_time() {
    let mut world = begun();
    let id = put(&mut world, |_| {}).unwrap();
    let other = put(&mut world, |put| put.size = 15).unwrap();
    let node = keys("st-anna").node;
    let now = world.now;
    let good = attestation(&world, &id, "st-anna", (Cause::Member, now));
    let signed =
        |world: &World, id: &Digest, member: &str| attestation(world, id, member, (Cause::Member, now)).signature;
    let forged = [
        PrivateAttest { at: now - 1, ..good.clone() },
        PrivateAttest { private: other, ..good.clone() },
        PrivateAttest { signature: signed(&world, &id, "riverside"), ..good.clone() },
        PrivateAttest { signature: signed(&world, &other, "st-anna"), ..good.clone() },
    ];
    for forged in forged {
        assert_eq!(code(world.send(&node, "private.attest", &forged)), "bad_signature");
    }
    let minute = 60_000;
    for at in [0, now - 11 * minute, now + 11 * minute, u64::MAX] {
        let wrong = attestation(&world, &id, "st-anna", (Cause::Member, at));
        assert_eq!(code(world.send(&node, "private.attest", &wrong)), "private_invalid", "{at}");
    }
    assert_eq!(code(world.send(&keys("st-anna").operator, "private.attest", &good)), "not_permitted");
    assert_eq!(code(world.send(&node, "private.attest", &good)), "ok");
}

#[test]
fn nothing_goes_to_or_from_a_barred_member() {
    let mut world = crate::governance::governed();
    world.send(&keys(FOUNDER).operator, "private.begin", &PrivateBegin {}).unwrap();
    let id = put(&mut world, |_| {}).unwrap();
    crate::governance::pass(&mut world, contracts::message::Action::Suspend("st-anna".into()));
    assert_eq!(put(&mut world, |_| {}).unwrap_err(), "member_barred");
    assert_eq!(named(&mut world, &keys("st-anna").node, "hold", id), "member_barred");
    assert_eq!(put(&mut world, |put| put.recipients = vec!["riverside".into()]).map(drop), Ok(()));
    crate::governance::pass(&mut world, contracts::message::Action::Reinstate("st-anna".into()));
    crate::governance::pass(&mut world, contracts::message::Action::Suspend("northgate".into()));
    assert_eq!(put(&mut world, |put| put.recipients = vec!["riverside".into()]).unwrap_err(), "member_barred");
    assert_eq!(named(&mut world, &key("northgate/owner"), "purge", id), "member_barred");
    // What the others hold they may purge by themselves.
    assert_eq!(attest(&mut world, &id, "riverside", Cause::Member), "ok");
}

#[test]
fn a_commitment_is_one_of_its_chain_sender_and_recipients() {
    let opening = Opening::new(b"yes".to_vec());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let chain = digest("chain");
    let of = |chain: &Digest, sender: &str, recipients: &[&str], opening: &Opening| {
        private_commitment(chain, sender, &names(recipients), opening)
    };
    let one = of(&chain, "a", &["b", "c"], &opening);
    assert_eq!(of(&chain, "a", &["b", "c"], &opening.clone()), one);
    assert_ne!(of(&digest("another"), "a", &["b", "c"], &opening), one);
    assert_ne!(of(&chain, "b", &["b", "c"], &opening), one);
    assert_ne!(of(&chain, "a", &["b"], &opening), one);
    assert_ne!(of(&chain, "a", &["bc"], &opening), one);
    assert_ne!(of(&chain, "a", &["b", "c"], &Opening::new(b"yes".to_vec())), one, "another salt");
    assert_ne!(of(&chain, "a", &["b", "c"], &Opening { payload: b"no".to_vec().into(), ..opening }), one);
}

/// As an independent reader computes them from the page.
#[test]
fn commitment_and_attestation_are_the_pages() {
    let opening = Opening { salt: [7; 32].into(), payload: b"yes".to_vec().into() };
    let recipients = vec!["b".to_owned(), "c".to_owned()];
    let commitment = private_commitment(&[1; 32].into(), "a", &recipients, &opening);
    assert_eq!(commitment.to_string(), "ffee9fe9436ed83195ffead6ef890a8ba0e26af61b4286d711cf882ecf4ebc6f");
    let put = PrivatePut { label: "x".into(), commitment, size: 3, recipients, purge_after: None };
    let statement = purge_statement(&[1; 32].into(), &[3; 32].into(), &put, "b", (Cause::Date, START));
    let digest = crypto::sha256(&[&statement]).to_string();
    assert_eq!(digest, "6545bb5bd496613c866e80fee8f2b6ee12c051e1d58e797adfebb0dbf9bbaeef");
}

#[derive(Clone, Debug)]
enum Deed {
    Put(usize, u64),
    Hold(usize, usize),
    Purge(usize, usize),
    Attest(usize, usize, Cause),
    Wait(u64),
}

/// Whatever members do: who has purged never holds again, nobody but holders says anything, and the index of what is to be said is exactly that.
#[test]
fn random_histories_keep_who_holds_what() {
    let cast = [FOUNDER, "northgate", "riverside", "st-anna"];
    let cause = prop_oneof![Just(Cause::Sender), Just(Cause::Date), Just(Cause::Member)];
    let deed = prop_oneof![
        2 => (0..4usize, 0..3u64).prop_map(|(a, b)| Deed::Put(a, b)),
        4 => (0..4usize, 0..6usize).prop_map(|(a, b)| Deed::Hold(a, b)),
        1 => (0..4usize, 0..6usize).prop_map(|(a, b)| Deed::Purge(a, b)),
        4 => (0..4usize, 0..6usize, cause).prop_map(|(a, b, c)| Deed::Attest(a, b, c)),
        1 => (0..2 * HOUR).prop_map(Deed::Wait),
    ];
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(deed, 1..60), |deeds| {
            let (mut world, mut ids) = (begun(), Vec::new());
            for deed in deeds {
                match deed {
                    Deed::Put(by, hours) => {
                        let recipients: Vec<&str> =
                            cast.iter().copied().filter(|name| *name != cast[by]).skip(by % 2).collect();
                        let mut argument = argument(&world, &recipients);
                        argument.purge_after = (hours > 0).then(|| world.now + hours * HOUR);
                        ids.push(world.send(&keys(cast[by]).operator, "private.put", &argument).unwrap());
                    }
                    Deed::Hold(by, at) if at < ids.len() => {
                        drop(named(&mut world, &keys(cast[by]).node, "hold", ids[at]))
                    }
                    Deed::Purge(by, at) if at < ids.len() => {
                        drop(named(&mut world, &keys(cast[by]).operator, "purge", ids[at]));
                    }
                    Deed::Attest(by, at, cause) if at < ids.len() => {
                        drop(attest(&mut world, &ids[at], cast[by], cause))
                    }
                    Deed::Wait(time) => world.now += time,
                    _ => {}
                }
                for id in &ids {
                    let private = found(&world, id);
                    for held in &private.held {
                        let left = private.purged.iter().find(|purged| purged.member == held.member);
                        prop_assert!(left.is_none_or(|purged| purged.recorded >= held.at));
                        prop_assert!(private.put.recipients.contains(&held.member));
                    }
                    let mut said: Vec<_> = private.purged.iter().map(|purged| &purged.member).collect();
                    prop_assert!(said.iter().all(|member| private.is_holder(member)));
                    said.sort();
                    said.dedup();
                    prop_assert_eq!(said.len(), private.purged.len());
                    prop_assert!(private.purged.iter().all(|purged| purged.is_signed(&world.chain, &private)));
                    for member in cast {
                        let open = read::open_privates(&world.state, member, None, 200).unwrap();
                        let listed = open.items.iter().any(|one| one.id == *id);
                        let holds = private.held.iter().any(|held| held.member == member);
                        let recipient = private.put.recipients.iter().any(|name| name == member);
                        let waited_for = !private.is_purged_by(member)
                            && (recipient && !holds || private.purging.is_some() && private.is_holder(member));
                        prop_assert_eq!(listed, waited_for, "{} of {:?}", member, private);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}
