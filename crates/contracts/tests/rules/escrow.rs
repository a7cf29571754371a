//! The escrow agents: how they come to hold a key and hand it on, with liars among them; and what they open.

use std::collections::BTreeMap;

use contracts::escrow::{Making, OPENING_LIFE, context, index_in, sealed_info};
use contracts::message::{
    Action, AssetRegister, Commitment, EscrowContribute, EscrowDeal, EscrowDestroy, EscrowOpen, EscrowPlan,
    EscrowReceive,
};
use contracts::read;
use contracts::record::EscrowEpoch;
use crypto::escrow::{Partial, Polynomial, Share, Wrap, combine};
use crypto::kem::{PrivateKey, Suite};
use crypto::{Digest, Secret};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::Limits;

use crate::governance::{FOUNDER, code, events, governed, pass, propose};
use crate::world::*;

const FIRST: [&str; 3] = ["st-anna", "riverside", "northgate"];

fn plan(threshold: u16, agents: &[&str], fresh: bool) -> Action {
    Action::Escrow(EscrowPlan { threshold, agents: agents.iter().map(|name| (*name).into()).collect(), fresh })
}

fn making(world: &World) -> Making {
    Making::under_way(&world.state, &world.chain).unwrap().unwrap()
}

fn current(world: &World) -> EscrowEpoch {
    read::escrow(&world.state).unwrap().unwrap()
}

/// What nodes do: what these dealers share, by index.
type Dealers = BTreeMap<u16, Polynomial>;

fn polynomials(making: &Making, dealers: &[&str], shares: &BTreeMap<String, Share>) -> Dealers {
    let of = |name: &&str| {
        let index = index_in(making.dealers(), name).unwrap();
        match making.from {
            None => (index, Polynomial::fresh(&making.round)),
            Some(_) => (index, Polynomial::handing_on(&making.round, &shares[*name])),
        }
    };
    dealers.iter().map(of).collect()
}

fn deal(world: &mut World, making: &Making, dealer: &str, polynomial: &Polynomial) -> String {
    let index = index_in(making.dealers(), dealer).unwrap_or(1);
    let dealing = polynomial.dealing(&making.round, index);
    let deal = EscrowDeal { proposal: making.decided.proposal, dealing };
    code(world.send(&keys(dealer).node, "escrow.deal", &deal))
}

fn receive(world: &mut World, making: &Making, agent: &str, dealers: &[u16]) -> String {
    let receive = EscrowReceive { proposal: making.decided.proposal, dealers: dealers.to_vec() };
    code(world.send(&keys(agent).node, "escrow.receive", &receive))
}

/// The agents' shares, as their nodes put them together.
fn assemble(world: &World, dealers: &Dealers) -> BTreeMap<String, Share> {
    let epoch = current(world);
    let making = Making::made(&world.state, &world.chain, &epoch).unwrap().unwrap();
    let share = |(at, name): (usize, &String)| {
        let index = at as u16 + 1;
        let parts = epoch.dealers.iter().map(|dealer| (*dealer, dealers[dealer].part(index))).collect();
        (name.clone(), making.round.assemble(making.origin(), index, &parts, &epoch.group).unwrap())
    };
    epoch.agents.iter().enumerate().map(share).collect()
}

/// The first three hold a key, of which two are needed.
fn held() -> (World, BTreeMap<String, Share>) {
    let mut world = governed();
    pass(&mut world, plan(2, &FIRST, false));
    assert_eq!(events(&world).last().unwrap(), "escrow.decided");
    let making = making(&world);
    let dealers = polynomials(&making, &FIRST, &BTreeMap::new());
    for (index, name) in (1..).zip(FIRST) {
        assert_eq!(deal(&mut world, &making, name, &dealers[&index]), "ok");
    }
    for name in FIRST {
        assert!(read::escrow(&world.state).unwrap().is_none());
        assert_eq!(receive(&mut world, &making, name, &[1, 2, 3]), "ok");
    }
    assert_eq!(events(&world).last().unwrap(), "escrow.active");
    let shares = assemble(&world, &dealers);
    (world, shares)
}

#[test]
fn agents_are_named_by_ballot_and_make_a_key() {
    let (mut world, shares) = held();
    let epoch = current(&world);
    assert_eq!((epoch.number, epoch.from, epoch.dealers.as_slice()), (1, None, &[1, 2, 3][..]));
    assert!(shares.values().all(|share| share.fits(&epoch.group)));
    // What the run needed is gone, and nothing more is taken for it.
    assert!(read::escrow_dealt(&world.state, &epoch.proposal).unwrap().is_empty());
    assert!(read::escrow_received(&world.state, &epoch.proposal).unwrap().is_empty());
    let late = EscrowReceive { proposal: epoch.proposal, dealers: vec![1] };
    assert_eq!(code(world.send(&keys("st-anna").node, "escrow.receive", &late)), "escrow_epoch");
    // Nobody names agents alone, nor whoever is no member, nor twice, nor too few.
    for (action, refusal) in [
        (plan(2, &["st-anna", "nobody"], false), "unknown_member"),
        (plan(2, &["st-anna", "st-anna"], false), "malformed"),
        (plan(1, &["st-anna"], false), "malformed"),
        (plan(1, &["st-anna", "riverside"], false), "malformed"),
        (plan(3, &["st-anna", "riverside"], false), "malformed"),
        (plan(2, &["a"; 17], false), "malformed"),
    ] {
        assert_eq!(propose(&mut world, FOUNDER, action).unwrap_err(), refusal);
    }
    let destroy = EscrowDestroy { epoch: 1 };
    assert_eq!(code(world.send(&keys("st-anna").node, "escrow.destroy", &destroy)), "escrow_epoch");
}

#[test]
fn a_silent_and_a_lying_dealer_are_done_without() {
    let mut world = governed();
    let all = ["st-anna", "riverside", "northgate", "eastfield"];
    pass(&mut world, plan(2, &all, false));
    let making = making(&world);
    let dealers = polynomials(&making, &all, &BTreeMap::new());
    // Eastfield is silent. Riverside first deals in others' names, or something that it does not know.
    let stranger = EscrowDeal { proposal: making.decided.proposal, dealing: dealers[&1].dealing(&making.round, 1) };
    assert_eq!(code(world.send(&keys("riverside").node, "escrow.deal", &stranger)), "malformed");
    assert_eq!(code(world.send(&keys(FOUNDER).node, "escrow.deal", &stranger)), "not_permitted");
    assert_eq!(code(world.send(&keys("st-anna").operator, "escrow.deal", &stranger)), "not_permitted");
    let other = EscrowDeal { proposal: digest("other"), ..stranger };
    assert_eq!(code(world.send(&keys("st-anna").node, "escrow.deal", &other)), "escrow_epoch");
    for (index, name) in (1..4).zip(all) {
        assert_eq!(deal(&mut world, &making, name, &dealers[&index]), "ok");
        assert_eq!(deal(&mut world, &making, name, &dealers[&index]), "already_recorded");
    }
    // Riverside gives Northgate a wrong part; everybody else gets the right one.
    let dealt = read::escrow_dealt(&world.state, &making.decided.proposal).unwrap();
    let wrong = dealers[&2].part(4);
    assert!(making.round.check_part(&dealt[1].dealing, 3, &wrong).is_err());
    assert_eq!(receive(&mut world, &making, "st-anna", &[1, 2, 3]), "ok");
    assert_eq!(receive(&mut world, &making, "riverside", &[1, 2]), "ok");
    assert_eq!(receive(&mut world, &making, "northgate", &[1, 3]), "ok");
    // Who has not dealt is nobody's dealer, the order is the dealers', and nothing is taken back.
    for (dealers, refusal) in
        [(&[1, 4][..], "malformed"), (&[3, 1], "malformed"), (&[1, 1], "malformed"), (&[], "malformed"), (&[1], "ok")]
    {
        assert_eq!(receive(&mut world, &making, "eastfield", dealers), refusal);
    }
    assert_eq!(receive(&mut world, &making, "eastfield", &[1]), "already_recorded");
    assert_eq!(receive(&mut world, &making, "eastfield", &[2, 3]), "already_recorded");
    assert_eq!(receive(&mut world, &making, FOUNDER, &[1, 3]), "not_permitted");
    // All hold 1 alone: too few. Once all hold 1 and 3 the epoch begins with these.
    assert_eq!(receive(&mut world, &making, "eastfield", &[1, 2, 3]), "ok");
    assert!(read::escrow(&world.state).unwrap().is_none());
    assert_eq!(receive(&mut world, &making, "riverside", &[1, 2, 3]), "ok");
    let epoch = current(&world);
    assert_eq!(epoch.dealers, [1, 3]);
    assert!(assemble(&world, &dealers).values().all(|share| share.fits(&epoch.group)));
}

#[test]
fn the_key_is_handed_on_by_any_enough_of_those_who_hold_it() {
    let (mut world, shares) = held();
    let key = current(&world).group.key;
    let next = ["eastfield", FOUNDER, "st-anna", "westfield"];
    pass(&mut world, plan(3, &next, false));
    let making = making(&world);
    assert_eq!(making.dealers(), FIRST);
    // Riverside is down. Who holds no share is no dealer; who deals another number than its share is found.
    let dealers = polynomials(&making, &["st-anna", "northgate"], &shares);
    assert_eq!(deal(&mut world, &making, "eastfield", &dealers[&1]), "not_permitted");
    let liar = Polynomial::fresh(&making.round);
    assert_eq!(deal(&mut world, &making, "northgate", &liar), "malformed");
    assert_eq!(deal(&mut world, &making, "northgate", &dealers[&1]), "malformed");
    assert_eq!(deal(&mut world, &making, "northgate", &dealers[&3]), "ok");
    assert_eq!(deal(&mut world, &making, "st-anna", &dealers[&1]), "ok");
    for name in next {
        assert_eq!(current(&world).number, 1);
        assert_eq!(receive(&mut world, &making, name, &[1, 3]), "ok");
    }
    let epoch = current(&world);
    assert_eq!((epoch.number, epoch.from, epoch.group.key, epoch.group.threshold), (2, Some(1), key, 3));
    let fresh = assemble(&world, &dealers);
    // The old shares are worth nothing among the new, and their holders say that they are gone.
    assert!(!shares["st-anna"].fits(&epoch.group));
    let destroy = EscrowDestroy { epoch: 1 };
    for name in FIRST {
        assert_eq!(code(world.send(&keys(name).node, "escrow.destroy", &destroy)), "ok");
        assert_eq!(code(world.send(&keys(name).node, "escrow.destroy", &destroy)), "already_recorded");
    }
    assert_eq!(code(world.send(&keys("eastfield").node, "escrow.destroy", &destroy)), "not_permitted");
    assert_eq!(
        code(world.send(&keys("eastfield").node, "escrow.destroy", &EscrowDestroy { epoch: 2 })),
        "escrow_epoch"
    );
    assert_eq!(read::escrow_destroyed(&world.state, 1).unwrap().len(), 3);
    // A decision that nothing came of gives way to the next one, and what was dealt for it is gone.
    pass(&mut world, plan(2, &["riverside", "northgate"], false));
    let lapsed = self::making(&world);
    let dealers = polynomials(&lapsed, &["eastfield"], &fresh);
    assert_eq!(deal(&mut world, &lapsed, "eastfield", &dealers[&1]), "ok");
    pass(&mut world, plan(2, &FIRST, true));
    assert!(read::escrow_dealt(&world.state, &lapsed.decided.proposal).unwrap().is_empty());
    assert_eq!(deal(&mut world, &lapsed, "eastfield", &dealers[&1]), "escrow_epoch");
    // A new key: its agents deal, and those of the old one keep their shares.
    let making = self::making(&world);
    assert_eq!(making.dealers(), FIRST);
    let dealers = polynomials(&making, &FIRST, &BTreeMap::new());
    for (index, name) in (1..).zip(FIRST) {
        assert_eq!(deal(&mut world, &making, name, &dealers[&index]), "ok");
    }
    for name in FIRST {
        assert_eq!(receive(&mut world, &making, name, &[1, 2, 3]), "ok");
    }
    let epoch = current(&world);
    assert_eq!((epoch.number, epoch.from), (3, None));
    assert_ne!(epoch.group.key, key);
    assert_eq!(
        code(world.send(&keys("eastfield").node, "escrow.destroy", &EscrowDestroy { epoch: 2 })),
        "escrow_epoch"
    );
    assert_eq!(read::escrow_of(&world.state, &key).unwrap().unwrap().number, 2);
}

#[test]
fn no_member_is_barred_whom_the_escrow_needs() {
    let (mut world, _) = held();
    pass(&mut world, Action::Suspend("northgate".into()));
    assert_eq!(propose(&mut world, FOUNDER, Action::Suspend("riverside".into())).unwrap_err(), "oracles_too_few");
    pass(
        &mut world,
        Action::Oracles(contracts::message::OraclePlan { threshold: 1, participants: vec![FOUNDER.into()] }),
    );
    let group = contracts::message::OraclesConfirm { threshold: 1, participants: vec![FOUNDER.into()], ..oracles(2) };
    for name in [FOUNDER, "st-anna", "riverside"] {
        world.send(&keys(name).node, "oracles.confirm", &group).unwrap();
    }
    assert_eq!(propose(&mut world, FOUNDER, Action::Suspend("riverside".into())).unwrap_err(), "escrow_too_few");
    assert_eq!(propose(&mut world, FOUNDER, plan(2, &["northgate", "st-anna"], false)).unwrap_err(), "member_barred");
}

/// St-anna's asset with an object of this id, and the wrap in that object.
fn escrowed(world: &mut World) -> (Digest, Digest, Wrap) {
    let object = digest("object");
    let commitment = Commitment {
        suite: "sealed-object-v1".into(),
        params: object.as_bytes().to_vec().into(),
        root: digest("tree"),
    };
    let register = AssetRegister { name: "escrowed".into(), commitments: vec![commitment], ..asset("trial") };
    world.send(&keys("st-anna").node, "assets.register", &register).unwrap();
    let asset = read::asset_named(&world.state, &world.chain, "st-anna", "escrowed").unwrap().unwrap().id;
    let wrap = Wrap::seal(&current(world).group.key, &object, &Secret::new([5; 32])).unwrap();
    (asset, object, wrap)
}

#[test]
fn agents_open_what_the_members_decide_to_whom_they_decide() {
    let (mut world, shares) = held();
    let (asset, object, wrap) = escrowed(&mut world);
    let reader = PrivateKey::generate(Suite::X25519);
    let open = EscrowOpen { asset, wrap, recipient: reader.public().clone() };
    // A thief of the object's ciphertext makes it no asset of its own.
    let theft = AssetRegister { name: "mine".into(), ..read::asset(&world.state, &asset).unwrap().unwrap().registered };
    assert_eq!(code(world.send(&keys("northgate").node, "assets.register", &theft)), "asset_invalid");
    // Another asset's object, a key that nobody holds, a wrap that was changed.
    let foreign = crypto::escrow::EscrowKey(wrap.point);
    let stray = Wrap::seal(&foreign, &object, &Secret::new([5; 32])).unwrap();
    for (bad, refusal) in [
        (EscrowOpen { asset: world.asset_id("northgate"), ..open.clone() }, "malformed"),
        (EscrowOpen { asset: digest("none"), ..open.clone() }, "unknown_asset"),
        (EscrowOpen { wrap: stray, ..open.clone() }, "no_escrow"),
        (EscrowOpen { wrap: Wrap { masked: wrap.twin, ..wrap }, ..open.clone() }, "malformed"),
    ] {
        assert_eq!(propose(&mut world, FOUNDER, Action::Open(bad)).unwrap_err(), refusal);
    }
    let undecided = propose(&mut world, FOUNDER, Action::Open(open.clone())).unwrap();
    assert!(read::escrow_opening(&world.state, &undecided).unwrap().is_none());
    let proposal = pass(&mut world, Action::Open(open));
    assert_eq!(events(&world).last().unwrap(), "escrow.opening");
    let opening = read::escrow_opening(&world.state, &proposal).unwrap().unwrap();
    assert_eq!((opening.object, opening.owner.as_str(), opening.until), (object, "st-anna", world.now + OPENING_LIFE));
    let cursor = read::escrow_opening_cursor(world.now);
    assert_eq!(read::escrow_openings(&world.state, Some(&cursor), 10).unwrap().items.len(), 1);
    let context = context(&world.chain, &opening, 1);
    let seal = |partial: &Partial| {
        let info = sealed_info(&context, partial.index);
        crypto::kem::seal(reader.public(), &info, b"", &wire::to_vec(partial)).unwrap()
    };
    let part = |name: &str| shares[name].open(&wrap, &object, &context).unwrap();
    let contribute = |world: &mut World, by: &str, partial: &Partial| {
        let contribute = EscrowContribute { proposal, sealed: seal(partial) };
        code(world.send(&keys(by).node, "escrow.contribute", &contribute))
    };
    assert_eq!(contribute(&mut world, FOUNDER, &part("st-anna")), "not_permitted");
    // Riverside lies: its part is Northgate's. It is found by who reads it.
    assert_eq!(contribute(&mut world, "riverside", &Partial { index: 2, ..part("northgate") }), "ok");
    assert_eq!(contribute(&mut world, "riverside", &part("riverside")), "already_recorded");
    for name in ["st-anna", "northgate"] {
        assert_eq!(contribute(&mut world, name, &part(name)), "ok");
    }
    let other = EscrowContribute { proposal: undecided, sealed: seal(&part("st-anna")) };
    assert_eq!(code(world.send(&keys("st-anna").node, "escrow.contribute", &other)), "unknown_proposal");
    let given = read::escrow_contributions(&world.state, &proposal).unwrap();
    let partials: Vec<Partial> = given
        .iter()
        .map(|one| {
            let opened = reader.open(&sealed_info(&context, one.index), b"", &one.sealed).unwrap();
            opened.expose(|bytes| wire::from_slice(bytes, Limits::small()).unwrap())
        })
        .collect();
    let group = current(&world).group;
    let data = combine(&group, &wrap, &object, &context, &partials).unwrap();
    assert!(data.expose(|key| *key == [5; 32]));
    let named = combine(&group, &wrap, &object, &context, &partials[..2]).err();
    assert_eq!(named, Some(crypto::escrow::Error::Partials(vec![2])));
    // After its time nobody contributes any more.
    let again = pass(&mut world, Action::Open(EscrowOpen { asset, wrap, recipient: reader.public().clone() }));
    world.now += OPENING_LIFE + 1;
    let late = EscrowContribute { proposal: again, sealed: seal(&part("st-anna")) };
    assert_eq!(code(world.send(&keys("st-anna").node, "escrow.contribute", &late)), "expired");
}

/// How a dealer behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Conduct {
    Honest,
    Silent,
    /// Gives this agent a wrong part, and all others the right ones.
    LiesTo(u16),
    /// Deals, and gives nobody anything.
    Withholds,
}

fn conduct() -> impl Strategy<Value = Conduct> {
    prop_oneof![
        4 => Just(Conduct::Honest),
        1 => Just(Conduct::Silent),
        1 => (1_u16..5).prop_map(Conduct::LiesTo),
        1 => Just(Conduct::Withholds),
    ]
}

/// One run with these dealers, as honest agents' nodes do it. What they come to hold, where the epoch begins; and that it does exactly where
/// enough dealers were honest to all.
fn attempt(
    world: &mut World,
    plan: Action,
    conducts: &[Conduct],
    shares: &BTreeMap<String, Share>,
) -> Option<BTreeMap<String, Share>> {
    let before = read::escrow_epoch_number(&world.state).unwrap();
    pass(world, plan);
    let making = making(world);
    let names: Vec<String> = making.dealers().to_vec();
    let dealers = polynomials(&making, &names.iter().map(String::as_str).collect::<Vec<_>>(), shares);
    let of = |dealer: u16| conducts[usize::from(dealer) % conducts.len()];
    for (dealer, name) in (1..).zip(&names).filter(|(dealer, _)| of(*dealer) != Conduct::Silent) {
        assert_eq!(deal(world, &making, name, &dealers[&dealer]), "ok");
    }
    let proposal = making.decided.proposal;
    let agents = making.decided.plan.agents.clone();
    let needed = usize::from(making.round.needed(making.origin()));
    let held = |world: &World, agent: u16| -> Vec<u16> {
        let dealt = read::escrow_dealt(&world.state, &proposal).unwrap();
        let fits = |dealer: u16| {
            let sent = match of(dealer) {
                Conduct::LiesTo(to) if to == agent => dealers[&dealer].part(agent + 1),
                Conduct::Withholds => return false,
                _ => dealers[&dealer].part(agent),
            };
            let dealing = &dealt.iter().find(|one| one.index == dealer).unwrap().dealing;
            making.round.check_part(dealing, agent, &sent).is_ok()
        };
        dealt.iter().map(|one| one.index).filter(|dealer| fits(*dealer)).collect()
    };
    let lists: Vec<Vec<u16>> = (1..=agents.len() as u16).map(|agent| held(world, agent)).collect();
    for (name, list) in agents.iter().zip(&lists).filter(|(_, list)| list.len() >= needed) {
        assert_eq!(receive(world, &making, name, list), "ok");
    }
    let common = |dealer: &u16| lists.iter().all(|list| list.contains(dealer));
    let expected: Vec<u16> = lists[0].iter().copied().filter(|dealer| common(dealer)).collect();
    let begun = read::escrow_epoch_number(&world.state).unwrap() > before;
    assert_eq!(begun, expected.len() >= needed, "{conducts:?}");
    begun.then(|| {
        assert_eq!(current(world).dealers, expected);
        assemble(world, &dealers)
    })
}

#[test]
fn with_any_liars_the_epoch_begins_exactly_where_enough_were_honest_to_all() {
    let everybody = [FOUNDER, "st-anna", "riverside", "northgate", "eastfield", "westfield"];
    let case = (
        prop::collection::vec(conduct(), 6),
        prop::collection::vec(conduct(), 6),
        2_usize..5,
        2_u16..4,
        2_usize..5,
        2_u16..4,
        0_usize..3,
    );
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let run = runner.run(&case, |(first, second, old, old_threshold, new, new_threshold, skip)| {
        let mut world = governed();
        let (old_threshold, new_threshold) = (old_threshold.min(old as u16), new_threshold.min(new as u16));
        let plan = |threshold, agents: &[&str]| self::plan(threshold, agents, false);
        let Some(shares) = attempt(&mut world, plan(old_threshold, &everybody[..old]), &first, &BTreeMap::new()) else {
            return Ok(());
        };
        let key = current(&world).group.key;
        let agents = &everybody[skip..(skip + new).min(6)];
        if agents.len() < 2 || usize::from(new_threshold) > agents.len() {
            return Ok(());
        }
        let Some(shares) = attempt(&mut world, plan(new_threshold, agents), &second, &shares) else {
            // Those who held it hold it still.
            prop_assert_eq!(current(&world).number, 1);
            return Ok(());
        };
        // The key is the same, and the new agents open with it.
        let group = current(&world).group;
        prop_assert_eq!(group.key, key);
        let (object, context) = (digest("object"), digest("decided"));
        let wrap = Wrap::seal(&key, &object, &Secret::new([5; 32])).unwrap();
        let open = |share: &Share| share.open(&wrap, &object, &context).unwrap();
        let partials: Vec<Partial> = shares.values().take(new_threshold.into()).map(open).collect();
        prop_assert!(combine(&group, &wrap, &object, &context, &partials).is_ok());
        Ok(())
    });
    run.unwrap();
}
