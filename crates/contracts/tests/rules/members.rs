//! Members, principals, issuers, oracles, assets.

use contracts::message::{AssetRetire, Invite, Issuer, Join, PrincipalAdd, PrincipalRevoke};
use contracts::read;
use contracts::record::{Duty, Notice, Role};
use crypto::{Label, hash};
use ledger::Application;
use wire::Fixed;

use crate::world::*;

fn refused<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

fn invite(name: &str, token: [u8; 32], expires: u64) -> Invite {
    Invite { name: name.into(), token: hash(Label::INVITATION, &[&token]), expires, regulator: false }
}

#[test]
fn joining_changes_the_validators() {
    let mut world = World::founded();
    assert_eq!(read::epoch(&world.state).unwrap().number, 1);
    world.join("st-anna").unwrap();
    let epoch = contracts::Contracts.epoch(&world.state).unwrap();
    assert_eq!(epoch.number, 2);
    assert_eq!(epoch.validators[1].name, "st-anna");
    assert_eq!(epoch.validators[1].key, keys("st-anna").cosigner.public());
    let member = read::member(&world.state, "st-anna").unwrap().unwrap();
    assert_eq!((member.card, member.joined), (card("st-anna"), START));
    let held = read::member_key(&world.state, &keys("st-anna").node.public()).unwrap().unwrap();
    assert_eq!((held.member.as_str(), held.duty), ("st-anna", Duty::Node));
    assert_eq!(read::member_by_tls(&world.state, &card("st-anna").tls).unwrap().as_deref(), Some("st-anna"));
    assert_eq!(read::members(&world.state).unwrap().len(), 2);
    let consortium = world.consortium();
    consortium.check().unwrap();
    assert_eq!(consortium.epochs.len(), 2);
    assert_eq!(consortium.epoch(2), Some(&epoch.pinned(world.log.len() as u64)));
}

#[test]
fn invitations_are_bounded() {
    let mut world = World::founded();
    let founder = keys("health-authority");
    let send = |world: &mut World, invite: &Invite| refused(world.send(&founder.operator, "members.invite", invite));
    assert_eq!(send(&mut world, &invite("Upper", [1; 32], START + 1)), "name_invalid");
    assert_eq!(send(&mut world, &invite("", [1; 32], START + 1)), "name_invalid");
    assert_eq!(send(&mut world, &invite(&"a".repeat(33), [1; 32], START + 1)), "name_invalid");
    assert_eq!(send(&mut world, &invite("health-authority", [1; 32], START + 1)), "name_taken");
    assert_eq!(send(&mut world, &invite("a", [1; 32], START)), "invitation_expired");
    assert_eq!(send(&mut world, &invite("a", [1; 32], START + 31 * 24 * HOUR)), "invitation_expired");
    assert_eq!(send(&mut world, &invite("a", [1; 32], START + 1)), "ok");
    assert_eq!(send(&mut world, &invite("b", [1; 32], START + 1)), "key_taken");
    let node = refused(world.send(&founder.node, "members.invite", &invite("c", [2; 32], START + 1)));
    assert_eq!(node, "not_permitted");
    // Only a regulator makes a regulator.
    world.join("st-anna").unwrap();
    let regulator = Invite { regulator: true, ..invite("c", [3; 32], START + 1) };
    assert_eq!(refused(world.send(&keys("st-anna").operator, "members.invite", &regulator)), "not_permitted");
    assert_eq!(send(&mut world, &regulator), "ok");
}

#[test]
fn joining_needs_the_token_and_unused_keys() {
    let mut world = World::founded();
    let invitation = invite("st-anna", [1; 32], START + 10);
    world.send(&keys("health-authority").operator, "members.invite", &invitation).unwrap();
    let operator = keys("st-anna").operator;
    let join = Join { card: card("st-anna"), token: Fixed([1; 32]), ml_dsa: None };
    let send = |world: &mut World, join: &Join| refused(world.send(&operator, "members.join", join));
    assert_eq!(send(&mut world, &Join { token: Fixed([2; 32]), ..join.clone() }), "unknown_invitation");
    let mut other = join.clone();
    other.card.name = "riverside".into();
    assert_eq!(send(&mut world, &other), "unknown_invitation");
    let mut other = join.clone();
    other.card.node = keys("health-authority").node.public();
    assert_eq!(send(&mut world, &other), "key_taken");
    let mut other = join.clone();
    other.card.cosigner = other.card.node;
    assert_eq!(send(&mut world, &other), "key_taken");
    let mut other = join.clone();
    other.card.tls = card("health-authority").tls;
    assert_eq!(send(&mut world, &other), "key_taken");
    for address in ["http://a:1", "https://a", "https://a:0", "https://a:70000", "https://a b:1", "https://a/x:1"] {
        let mut other = join.clone();
        other.card.address = address.into();
        assert_eq!(send(&mut world, &other), "address_invalid", "{address}");
    }
    assert_eq!(refused(world.send(&keys("riverside").operator, "members.join", &join)), "not_permitted");
    world.now += 11;
    assert_eq!(send(&mut world, &join), "invitation_expired");
    world.now -= 1;
    assert_eq!(send(&mut world, &join), "ok");
    assert_eq!(send(&mut world, &join), "unknown_invitation");
}

#[test]
fn principals_belong_to_their_member() {
    let mut world = World::founded();
    world.join("northgate").unwrap();
    world.principal("northgate", "ada", Role::Approver).unwrap();
    assert_eq!(refused(world.principal("northgate", "ada", Role::Owner)), "key_taken");
    let ada = key("northgate/ada").public();
    let operator = keys("northgate").operator;
    let add = PrincipalAdd { name: "ada".into(), key: key("ada, newly").public(), roles: vec![Role::Approver] };
    let send = |world: &mut World, add: &PrincipalAdd| refused(world.send(&operator, "members.principal_add", add));
    assert_eq!(send(&mut world, &add), "name_taken");
    assert_eq!(send(&mut world, &PrincipalAdd { roles: vec![], ..add.clone() }), "malformed");
    assert_eq!(send(&mut world, &PrincipalAdd { roles: vec![Role::Owner; 2], ..add.clone() }), "malformed");
    assert_eq!(send(&mut world, &PrincipalAdd { name: "a b".into(), ..add.clone() }), "name_invalid");
    let node = keys("northgate").node.public();
    assert_eq!(send(&mut world, &PrincipalAdd { name: "eve".into(), key: node, ..add.clone() }), "key_taken");
    assert_eq!(refused(world.send(&key("northgate/ada"), "members.principal_add", &add)), "not_permitted");

    let revoke = PrincipalRevoke { key: ada };
    assert_eq!(
        refused(world.send(&keys("health-authority").operator, "members.principal_revoke", &revoke)),
        "not_permitted"
    );
    world.send(&operator, "members.principal_revoke", &revoke).unwrap();
    assert_eq!(refused(world.send(&operator, "members.principal_revoke", &revoke)), "unknown_principal");
    assert!(read::principal(&world.state, &ada).unwrap().unwrap().revoked);
    // The person gets a new key; the old one stays dead.
    world.send(&operator, "members.principal_add", &add).unwrap();
    let page = read::principals_of(&world.state, "northgate", None, 10).unwrap();
    assert_eq!(page.items.iter().map(|own| own.key).collect::<Vec<_>>(), [add.key]);
    let again = PrincipalAdd { name: "bob".into(), key: ada, roles: vec![Role::Owner] };
    assert_eq!(refused(world.send(&operator, "members.principal_add", &again)), "key_taken");
}

#[test]
fn listings_come_in_pages() {
    let mut world = World::founded();
    world.join("northgate").unwrap();
    let names: Vec<String> = (0..7).map(|i| format!("p{i}")).collect();
    names.iter().for_each(|name| _ = world.principal("northgate", name, Role::Device).unwrap());
    let (mut found, mut after) = (vec![], None);
    loop {
        let page = read::principals_of(&world.state, "northgate", after.as_deref(), 3).unwrap();
        assert!(page.items.len() <= 3);
        found.extend(page.items.into_iter().map(|own| own.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, names);
}

#[test]
fn only_regulators_accredit() {
    let mut world = World::ready();
    let issuer = Issuer { name: "college".into(), key: key("college").public(), claims: vec!["researcher".into()] };
    assert_eq!(refused(world.send(&keys("northgate").operator, "members.issuer_accredit", &issuer)), "not_permitted");
    let regulator = keys("health-authority").operator;
    let send = |world: &mut World, method: &str, issuer: &Issuer| refused(world.send(&regulator, method, issuer));
    let empty = Issuer { claims: vec![], ..issuer.clone() };
    assert_eq!(send(&mut world, "members.issuer_accredit", &empty), "malformed");
    assert_eq!(send(&mut world, "members.issuer_revoke", &issuer), "unknown_issuer");
    assert_eq!(send(&mut world, "members.issuer_accredit", &issuer), "ok");
    assert_eq!(send(&mut world, "members.issuer_accredit", &issuer), "key_taken");
    let namesake = Issuer { key: key("mill").public(), ..issuer.clone() };
    assert_eq!(send(&mut world, "members.issuer_accredit", &namesake), "name_taken");
    assert_eq!(send(&mut world, "members.issuer_revoke", &issuer), "ok");
    assert!(read::issuer(&world.state, &issuer.key).unwrap().unwrap().revoked);
    assert_eq!(send(&mut world, "members.issuer_accredit", &issuer), "ok");
    assert_eq!(read::issuers(&world.state, None, 10).unwrap().items.len(), 1);
}

#[test]
fn oracles_begin_when_all_confirm_the_same() {
    let mut world = World::founded();
    HOSPITALS.iter().for_each(|name| _ = world.join(name).unwrap());
    let node = |name: &str| keys(name).node;
    assert_eq!(refused(world.send(&node("st-anna"), "oracles.confirm", &oracles(2))), "epoch_invalid");
    assert_eq!(refused(world.send(&researcher(), "oracles.confirm", &oracles(1))), "not_permitted");
    let mut bad = oracles(1);
    bad.threshold = 1;
    assert_eq!(refused(world.send(&node("st-anna"), "oracles.confirm", &bad)), "malformed");
    let mut bad = oracles(1);
    bad.participants[0] = "nobody".into();
    assert_eq!(refused(world.send(&node("st-anna"), "oracles.confirm", &bad)), "unknown_member");

    world.send(&node("st-anna"), "oracles.confirm", &oracles(1)).unwrap();
    assert_eq!(refused(world.send(&node("st-anna"), "oracles.confirm", &oracles(1))), "already_confirmed");
    let mut differing = oracles(1);
    differing.key = key("another group").public();
    world.send(&node("riverside"), "oracles.confirm", &differing).unwrap();
    let names: Vec<&str> = world.log.last().unwrap().outcome.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["oracles.confirmed", "oracles.differ"]);
    world.send(&node("northgate"), "oracles.confirm", &oracles(1)).unwrap();
    assert!(read::oracles(&world.state).unwrap().is_none());
    // The liar comes round: the epoch begins.
    world.send(&node("riverside"), "oracles.confirm", &oracles(1)).unwrap();
    let current = read::oracles(&world.state).unwrap().unwrap();
    assert_eq!((current.group, current.confirmations.len()), (oracles(1), 3));
    assert!(read::confirmations(&world.state, 1).unwrap().is_empty());
    assert_eq!(world.consortium().oracles(1).unwrap().key, oracle_key().public());
    assert_eq!(refused(world.send(&node("st-anna"), "oracles.confirm", &oracles(1))), "epoch_invalid");
}

#[test]
fn a_minority_cannot_appoint_itself() {
    let mut world = World::ready();
    let mut coup = oracles(2);
    coup.participants = vec!["st-anna".into()];
    coup.threshold = 1;
    world.send(&keys("st-anna").node, "oracles.confirm", &coup).unwrap();
    assert_eq!(read::oracle_epoch_number(&world.state).unwrap(), 1);
    world.send(&keys("riverside").node, "oracles.confirm", &coup).unwrap();
    assert_eq!(read::oracle_epoch_number(&world.state).unwrap(), 1);
    // With three of four members it is no coup.
    world.send(&keys("health-authority").node, "oracles.confirm", &coup).unwrap();
    assert_eq!(read::oracle_epoch_number(&world.state).unwrap(), 2);
}

#[test]
fn assets_are_registered_once_by_their_owner() {
    let mut world = World::ready();
    let node = keys("northgate").node;
    let send = |world: &mut World, asset: &_| refused(world.send(&node, "assets.register", asset));
    assert_eq!(send(&mut world, &asset("trial")), "name_taken");
    assert_eq!(send(&mut world, &asset("Trial")), "name_invalid");
    let mut bad = asset("other");
    bad.columns = vec!["a".into(), "a".into()];
    assert_eq!(send(&mut world, &bad), "asset_invalid");
    let mut bad = asset("other");
    bad.kind = "stream".into();
    assert_eq!(send(&mut world, &bad), "asset_invalid");
    let mut bad = asset("other");
    bad.commitments[0].suite = "other-v1".into();
    assert_eq!(send(&mut world, &bad), "asset_invalid");
    let mut bad = asset("other");
    bad.commitments.clear();
    assert_eq!(send(&mut world, &bad), "asset_invalid");
    assert_eq!(send(&mut world, &asset("other")), "ok");
    assert_eq!(refused(world.send(&researcher(), "assets.register", &asset("mine"))), "not_permitted");
    let retire = AssetRetire { asset: world.asset_id("northgate") };
    assert_eq!(refused(world.send(&keys("st-anna").node, "assets.retire", &retire)), "not_permitted");
    assert_eq!(refused(world.send(&node, "assets.retire", &AssetRetire { asset: digest("none") })), "unknown_asset");
    world.send(&node, "assets.retire", &retire).unwrap();
    assert_eq!(refused(world.send(&node, "assets.retire", &retire)), "asset_retired");
    assert_eq!(read::assets(&world.state, None, 10).unwrap().items.len(), 4);
}

#[test]
fn arguments_are_canonical_and_methods_known() {
    let mut world = World::founded();
    let operator = keys("health-authority").operator;
    assert_eq!(refused(world.send(&operator, "members.dissolve", &1u8)), "unknown_method");
    assert_eq!(refused(world.send_bytes(&operator, "members.invite", vec![])), "malformed");
    let mut bytes = wire::to_vec(&invite("a", [1; 32], START + 1));
    bytes.push(0);
    assert_eq!(refused(world.send_bytes(&operator, "members.invite", bytes)), "malformed");
    let mut bytes = wire::to_vec(&invite("a", [1; 32], START + 1));
    *bytes.last_mut().unwrap() = 0xf7;
    assert_eq!(refused(world.send_bytes(&operator, "members.invite", bytes)), "malformed");
}

#[test]
fn events_tell_when_and_about_what() {
    let world = World::ready();
    let events = world.log.iter().flat_map(|entry| &entry.outcome.events);
    let registered: Vec<Notice> = events
        .filter(|event| event.name == "asset.registered")
        .map(|event| wire::from_slice(&event.data, wire::Limits::small()).unwrap())
        .collect();
    assert_eq!(registered.len(), 3);
    assert_eq!(registered[2].members, ["northgate"]);
    assert_eq!(registered[2].subject, world.asset_id("northgate").to_string());
    assert_eq!((registered[2].at, registered[2].detail.as_str()), (START, "trial"));
}

#[test]
fn every_code_of_the_ledger_and_of_policies_is_in_the_table() {
    use ledger::Refusal;
    let some = digest("some");
    let refusals = [
        Refusal::Malformed(String::new()),
        Refusal::Oversize { found: 1, limit: 0 },
        Refusal::WrongChain { found: some, expected: some },
        Refusal::BadSignature,
        Refusal::Expired { expires: 0, time: 0 },
        Refusal::ExpiryTooFar { expires: 0, time: 0 },
        Refusal::Replayed { id: some },
    ];
    let codes = refusals.iter().map(Refusal::code).chain(policy::codes::ALL);
    for code in codes.filter(|code| *code != policy::codes::ALLOWED) {
        assert!(contracts::code::lookup(code).is_some(), "{code}");
    }
}
