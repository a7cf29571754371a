//! Who cosigns with ML-DSA, from when on, and that nothing but a ballot ends it.

use contracts::message::{
    Action, Cosigning, Invite, Join, OrderingBegin, OrderingPlace, OrderingRotate, OrderingSeat, Parameters,
    Registration, registration,
};
use contracts::{MAX_CHANGES, read};
use crypto::{Digest, Label, Secret, hash, mldsa};
use ledger::Epoch;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::Fixed;

use crate::governance::{ALL, FOUNDER, code, events, governed, ordered, pass, propose};
use crate::world::*;

const ON: Parameters =
    Parameters { recovery: None, cosigning: Some(Cosigning::MlDsa65), ..contracts::DEFAULT_PARAMETERS };
const OFF: Parameters = Parameters { recovery: None, ..contracts::DEFAULT_PARAMETERS };

fn ml_dsa(name: &str) -> mldsa::SigningKey {
    mldsa::SigningKey::from_seed(Secret::new(*hash(Label::KEY_ID, &[name.as_bytes()]).as_bytes()))
}

fn registered(chain: &Digest, member: &str, name: &str) -> Registration {
    let key = ml_dsa(name);
    let possession = key.sign(Label::COSIGNER, &registration(chain, member, &key.public()));
    Registration { key: key.public(), possession }
}

fn register(world: &mut World, member: &str, name: &str) -> String {
    let registration = registered(&world.chain, member, name);
    code(world.send(&keys(member).node, "ordering.register", &registration))
}

fn epoch(world: &World) -> Epoch {
    let epoch = read::epoch(&world.state).unwrap();
    // All or none, always.
    let with = epoch.validators.iter().filter(|validator| validator.ml_dsa.is_some()).count();
    assert!(with == 0 || with == epoch.validators.len());
    epoch
}

/// Governed, asked for, and all have registered a key.
fn armed() -> World {
    let mut world = governed();
    pass(&mut world, Action::Parameters(ON));
    for name in ALL {
        assert_eq!(register(&mut world, name, name), "ok");
    }
    assert!(epoch(&world).demands_ml_dsa());
    world
}

#[test]
fn the_epoch_with_the_last_key_demands_it() {
    let mut world = governed();
    let before = epoch(&world);
    assert_eq!(register(&mut world, "st-anna", "st-anna"), "ml_dsa_off");
    pass(&mut world, Action::Parameters(ON));
    assert_eq!(events(&world).last().unwrap(), "governance.parameters");
    assert_eq!(read::ml_dsa_missing(&world.state).unwrap().len(), ALL.len());
    for (at, name) in ALL.into_iter().enumerate() {
        assert_eq!(epoch(&world), before, "nothing changes before all have one");
        assert_eq!(read::ml_dsa_missing(&world.state).unwrap().len(), ALL.len() - at);
        assert_eq!(register(&mut world, name, name), "ok");
    }
    assert_eq!(events(&world), ["ordering.registered", "ordering.cosigning"]);
    let now = epoch(&world);
    assert_eq!((now.number, now.demands_ml_dsa()), (before.number + 1, true));
    for validator in &now.validators {
        assert_eq!(validator.ml_dsa, Some(ml_dsa(&validator.name).public()));
        assert_eq!(before.validator(&validator.name).unwrap().1.key, validator.key);
    }
    assert_eq!(read::ml_dsa_missing(&world.state).unwrap(), Vec::<String>::new());
    // Who orders goes on.
    assert!(read::quorum(&world.state).unwrap().unwrap().epoch < now.number);
    // Asked again, nothing changes; no longer asked, the next epoch demands none, and keys that are there count at once when it is.
    pass(&mut world, Action::Parameters(Parameters { open: 3, ..ON }));
    assert_eq!(epoch(&world), now);
    pass(&mut world, Action::Parameters(OFF));
    assert_eq!(events(&world).last().unwrap(), "ordering.cosigning");
    assert_eq!((epoch(&world).number, epoch(&world).demands_ml_dsa()), (now.number + 1, false));
    assert_eq!(epoch(&world).validators, before.validators);
    pass(&mut world, Action::Parameters(ON));
    assert_eq!((epoch(&world).number, epoch(&world).validators), (now.number + 2, now.validators));
}

#[test]
fn ballots_may_begin_with_it() {
    let mut world = ordered();
    world.send(&keys(FOUNDER).operator, "governance.begin", &ON).unwrap();
    for name in ALL {
        assert_eq!(register(&mut world, name, name), "ok");
    }
    assert!(epoch(&world).demands_ml_dsa());
    // Also where one node orders, and nobody votes.
    let mut world = World::founded();
    world.send(&keys(FOUNDER).operator, "governance.begin", &ON).unwrap();
    assert_eq!(register(&mut world, FOUNDER, FOUNDER), "ok");
    assert!(epoch(&world).demands_ml_dsa());
}

#[test]
fn a_key_is_held_by_whoever_registers_it_and_registered_once() {
    let mut world = governed();
    pass(&mut world, Action::Parameters(ON));
    let send = |world: &mut World, by: &crypto::SigningKey, registration: &Registration| {
        code(world.send(by, "ordering.register", registration))
    };
    let own = registered(&world.chain, "st-anna", "st-anna");
    let node = keys("st-anna").node;
    assert_eq!(send(&mut world, &keys("st-anna").operator, &own), "not_permitted");
    assert_eq!(send(&mut world, &key("stranger"), &own), "not_permitted");
    // Another's statement, another's key under one's own, another chain's, an altered one.
    assert_eq!(send(&mut world, &keys("riverside").node, &own), "bad_signature");
    let stolen = Registration { key: ml_dsa("riverside").public(), ..own.clone() };
    assert_eq!(send(&mut world, &node, &stolen), "bad_signature");
    assert_eq!(send(&mut world, &node, &registered(&digest("other"), "st-anna", "st-anna")), "bad_signature");
    let mut bytes = own.possession.as_ref().to_vec();
    bytes[1000] ^= 1;
    let altered = Registration { possession: mldsa::Signature::from_slice(&bytes).unwrap(), ..own.clone() };
    assert_eq!(send(&mut world, &node, &altered), "bad_signature");
    let cosigned = ml_dsa("st-anna").sign(Label::COSIGNATURE, &registration(&world.chain, "st-anna", &own.key));
    assert_eq!(send(&mut world, &node, &Registration { possession: cosigned, ..own.clone() }), "bad_signature");
    for short in [own.key.as_ref().len() - 1, own.key.as_ref().len() + 1] {
        let arguments = wire::to_vec(&(wire::Bytes(vec![7; short]), wire::Bytes(own.possession.as_ref().to_vec())));
        assert_eq!(code(world.send_bytes(&node, "ordering.register", arguments)), "malformed");
    }
    assert_eq!(send(&mut world, &node, &own), "ok");
    assert_eq!(send(&mut world, &node, &own), "key_taken");
    assert_eq!(register(&mut world, "riverside", "st-anna"), "key_taken");
    assert_eq!(read::ml_dsa_holder(&world.state, &own.key.id()).unwrap().as_deref(), Some("st-anna"));
    pass(&mut world, Action::Suspend("northgate".into()));
    assert_eq!(register(&mut world, "northgate", "northgate"), "member_barred");
}

#[test]
fn keys_change_one_by_one_and_together() {
    let mut world = armed();
    let first = epoch(&world);
    assert_eq!(register(&mut world, "st-anna", "second"), "ok");
    let second = epoch(&world);
    assert_eq!(second.number, first.number + 1);
    assert_eq!(second.validator("st-anna").unwrap().1.ml_dsa, Some(ml_dsa("second").public()));
    // The old one is never anybody's again.
    assert_eq!(register(&mut world, "st-anna", "st-anna"), "key_taken");
    // The Ed25519 key alone: the other stays.
    let node = keys("st-anna").node;
    let rotate = |world: &mut World, name: &str, ml_dsa: Option<Registration>| {
        code(world.send(&node, "ordering.rotate", &OrderingRotate { key: key(name).public(), ml_dsa }))
    };
    assert_eq!(rotate(&mut world, "cosigner 1", None), "ok");
    let third = epoch(&world);
    let own = third.validator("st-anna").unwrap().1.clone();
    assert_eq!((own.key, own.ml_dsa), (key("cosigner 1").public(), Some(ml_dsa("second").public())));
    // Both by one, which counts once.
    let both = registered(&world.chain, "st-anna", "third");
    assert_eq!(rotate(&mut world, "cosigner 2", Some(both.clone())), "ok");
    let fourth = epoch(&world);
    let own = fourth.validator("st-anna").unwrap().1.clone();
    assert_eq!((own.key, own.ml_dsa), (key("cosigner 2").public(), Some(ml_dsa("third").public())));
    assert_eq!(fourth.number, first.number + 3);
    // Half of it refused is all of it.
    assert_eq!(rotate(&mut world, "cosigner 3", Some(both)), "key_taken");
    assert_eq!(epoch(&world), fourth);
    for number in 3..MAX_CHANGES {
        assert_eq!(register(&mut world, "st-anna", &format!("key {number}")), "ok");
    }
    assert_eq!(register(&mut world, "st-anna", "one more"), "too_many");
}

#[test]
fn nobody_becomes_a_validator_without_a_key_where_they_are_demanded() {
    let mut world = armed();
    let admitted = |world: &mut World, name: &str| {
        let invite = Invite {
            name: name.into(),
            token: hash(Label::INVITATION, &[&[8; 32]]),
            expires: world.now + HOUR,
            regulator: false,
        };
        pass(world, Action::Admit(invite));
    };
    admitted(&mut world, "southmere");
    let join = |world: &mut World, ml_dsa: Option<Registration>| {
        let join = Join { card: card("southmere"), token: Fixed([8; 32]), ml_dsa };
        code(world.send(&keys("southmere").operator, "members.join", &join))
    };
    let before = epoch(&world);
    assert_eq!(join(&mut world, None), "ml_dsa_missing");
    let of_another = registered(&world.chain, "st-anna", "southmere");
    assert_eq!(join(&mut world, Some(of_another)), "bad_signature");
    let taken = registered(&world.chain, "southmere", "st-anna");
    assert_eq!(join(&mut world, Some(taken)), "key_taken");
    assert_eq!(epoch(&world), before);
    let own = registered(&world.chain, "southmere", "southmere");
    assert_eq!(join(&mut world, Some(own)), "ok");
    assert!(epoch(&world).demands_ml_dsa() && epoch(&world).validators.len() == 7);

    // Who has left keeps its key, and comes back with it.
    let leave = OrderingPlace { member: "northgate".into() };
    world.send(&keys("northgate").operator, "ordering.leave", &leave).unwrap();
    assert!(epoch(&world).demands_ml_dsa() && epoch(&world).validators.len() == 6);
    pass(&mut world, Action::Enter("northgate".into()));
    assert!(epoch(&world).demands_ml_dsa() && epoch(&world).validators.len() == 7);
    // Suspended, and back.
    pass(&mut world, Action::Suspend("riverside".into()));
    assert!(epoch(&world).demands_ml_dsa() && epoch(&world).validators.len() == 6);
    // Where it is not asked for, nobody brings one.
    let mut world = governed();
    admitted(&mut world, "southmere");
    let own = registered(&world.chain, "southmere", "southmere");
    assert_eq!(join(&mut world, Some(own)), "ml_dsa_off");
    assert_eq!(join(&mut world, None), "ok");
}

#[test]
fn one_that_registers_none_holds_it_up_until_it_leaves() {
    let mut world = governed();
    pass(&mut world, Action::Parameters(ON));
    for name in ALL.into_iter().filter(|name| *name != "westfield") {
        assert_eq!(register(&mut world, name, name), "ok");
    }
    assert!(!epoch(&world).demands_ml_dsa());
    assert_eq!(read::ml_dsa_missing(&world.state).unwrap(), ["westfield"]);
    pass(&mut world, Action::Leave("westfield".into()));
    assert!(epoch(&world).demands_ml_dsa());
    // It comes back with a key, not before.
    let refused = propose(&mut world, FOUNDER, Action::Enter("westfield".into())).unwrap_err();
    assert_eq!(refused, "ml_dsa_missing");
    assert_eq!(register(&mut world, "westfield", "westfield"), "ok");
    assert_eq!(events(&world), ["ordering.registered"]);
    pass(&mut world, Action::Enter("westfield".into()));
    assert!(epoch(&world).demands_ml_dsa() && epoch(&world).validators.len() == 6);
}

/// Any steps in any order: no epoch after one that demands it does not, but by a ballot on the parameters.
#[test]
fn only_a_ballot_on_the_parameters_ends_it() {
    let step = (0..8u8, 0..ALL.len());
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    runner
        .run(&proptest::collection::vec(step, 1..30), |steps| {
            let mut world = armed();
            let mut asked = true;
            for (number, (what, who)) in steps.into_iter().enumerate() {
                let (name, before) = (ALL[who], epoch(&world));
                let fresh = format!("{name} {number}");
                let place = OrderingPlace { member: name.into() };
                match what {
                    0 => drop(register(&mut world, name, &fresh)),
                    1 => drop(world.send(&keys(name).operator, "ordering.leave", &place)),
                    2 | 3
                        if before.validator(name).is_none()
                            && propose(&mut world, FOUNDER, Action::Enter(name.into())).is_ok() =>
                    {
                        world.now += 2 * HOUR;
                        pass(&mut world, Action::Enter(name.into()));
                    }
                    4 => {
                        let rotate = OrderingRotate { key: key(&fresh).public(), ml_dsa: None };
                        drop(world.send(&keys(name).node, "ordering.rotate", &rotate));
                    }
                    5 => {
                        let ml_dsa = Some(registered(&world.chain, name, &fresh));
                        let rotate = OrderingRotate { key: key(&fresh).public(), ml_dsa };
                        drop(world.send(&keys(name).node, "ordering.rotate", &rotate));
                    }
                    6 => {
                        let begin = OrderingBegin { epoch: before.number };
                        drop(world.send(&keys(name).operator, "ordering.begin", &begin));
                        let seat = OrderingSeat { address: "host:7400".into() };
                        drop(world.send(&keys(name).node, "ordering.seat", &seat));
                    }
                    7 if number % 3 == 0 => {
                        asked = !asked;
                        let parameters = if asked { ON } else { OFF };
                        pass(&mut world, Action::Parameters(parameters));
                    }
                    _ => {}
                }
                let after = epoch(&world);
                prop_assert_eq!(after.demands_ml_dsa(), asked);
                prop_assert!(after == before || after.number > before.number);
                for validator in &after.validators {
                    let registered = read::ml_dsa(&world.state, &validator.name).unwrap();
                    prop_assert_eq!(&validator.ml_dsa, if asked { &registered } else { &None });
                }
            }
            Ok(())
        })
        .unwrap();
}
