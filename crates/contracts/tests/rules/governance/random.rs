//! Random governments and orders of ballots, against a count of the ballots by other means.

use std::collections::{BTreeMap, BTreeSet};

use contracts::message::{Action, Ballot, Issuer, Parameters, ProposalState, Recovery, Share};
use contracts::record::{Bar, ProposalPhase};
use contracts::{MIN_VALIDATORS, read};
use crypto::Digest;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{ALL, DEFAULT_PARAMETERS, FOUNDER, admit, governed, ordered, pass, phase, propose, validators, vote};
use crate::world::*;

#[derive(Clone, Debug)]
enum Deed {
    Propose(usize, usize, usize),
    Vote(usize, usize, bool),
    Withdraw(usize, usize),
    Close(usize, usize),
    Own(usize),
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..7usize, 0..8usize, 0..7usize).prop_map(|(by, what, whom)| Deed::Propose(by, what, whom)),
        16 => (0..7usize, 0..6usize, prop::bool::weighted(0.8)).prop_map(|(by, which, yes)| Deed::Vote(by, which, yes)),
        1 => (0..7usize, 0..6usize).prop_map(|(by, which)| Deed::Withdraw(by, which)),
        2 => (0..7usize, 0..6usize).prop_map(|(by, which)| Deed::Close(by, which)),
        3 => (0..7usize).prop_map(Deed::Own),
        1 => (0..HOUR / 4).prop_map(Deed::Wait),
    ]
}

/// What ballots decided, kept apart from the contracts.
#[derive(Default)]
struct Model {
    proposals: Vec<(Digest, Action)>,
    ballots: BTreeMap<Digest, BTreeMap<String, bool>>,
    passed: BTreeSet<Digest>,
    barred: BTreeMap<String, Bar>,
    parameters: Option<Parameters>,
}

impl Model {
    /// Whether enough of those who are active now are for it: counted by other means than the contracts do.
    fn passes(&self, world: &World, id: &Digest, action: &Action) -> bool {
        let members = read::members(&world.state).unwrap();
        let active: Vec<&str> =
            members.iter().map(|member| &*member.card.name).filter(|name| !self.barred.contains_key(*name)).collect();
        let ballots = &self.ballots[id];
        let yes = active.iter().filter(|name| ballots.get(**name) == Some(&true)).count();
        let Share { numerator, denominator } = match action {
            Action::Enter(_) | Action::Leave(_) => self.parameters.as_ref().unwrap().validators,
            Action::Accredit(_) | Action::Disown(_) => self.parameters.as_ref().unwrap().issuers,
            Action::Oracles(_) => self.parameters.as_ref().unwrap().oracles,
            Action::Parameters(_) => self.parameters.as_ref().unwrap().parameters,
            _ => self.parameters.as_ref().unwrap().members,
        };
        yes * denominator as usize >= active.len() * numerator as usize && yes * 2 > active.len()
    }
}

fn act(world: &mut World, model: &mut Model, deed: &Deed, nonce: u8) {
    let names = [ALL[0], ALL[1], ALL[2], ALL[3], ALL[4], ALL[5], "southmere"];
    let pick = |model: &Model, at: usize| {
        let len = model.proposals.len();
        // The newest ones.
        (len > 0).then(|| model.proposals[len - 1 - at % len].clone())
    };
    let (by, result) = match *deed {
        Deed::Propose(by, what, whom) => {
            let whom = names[whom].to_owned();
            let shares = [(1, 2), (2, 3), (3, 4)].map(|(numerator, denominator)| Share { numerator, denominator });
            let action = match what {
                0 => Action::Suspend(whom),
                1 => Action::Reinstate(whom),
                2 => Action::Remove(whom),
                3 => Action::Enter(whom),
                4 => Action::Leave(whom),
                5 => {
                    Action::Accredit(Issuer { name: whom.clone(), key: key(&whom).public(), claims: vec!["a".into()] })
                }
                6 => {
                    let (members, recovery) = (shares[nonce as usize % 3], model.parameters.as_ref().unwrap().recovery);
                    Action::Parameters(Parameters { members, recovery, ..DEFAULT_PARAMETERS })
                }
                _ => admit(&whom, [nonce; 32], world.now + HOUR),
            };
            let result = propose(world, names[by], action.clone());
            if let Ok(id) = result {
                model.proposals.push((id, action));
                model.ballots.insert(id, [(names[by].to_owned(), true)].into());
            }
            (names[by], result.map(drop))
        }
        Deed::Vote(by, which, yes) => {
            let Some((id, _)) = pick(model, which) else { return };
            let before = phase(world, &id);
            let result = world.send(&keys(names[by]).operator, "governance.ballot", &Ballot { proposal: id, yes });
            if result.is_ok() {
                assert_eq!(before, ProposalPhase::Open);
                let second = model.ballots.get_mut(&id).unwrap().insert(names[by].to_owned(), yes);
                assert_eq!(second, None, "one ballot per member");
            }
            (names[by], result.map(drop))
        }
        Deed::Withdraw(by, which) => {
            let Some((id, _)) = pick(model, which) else { return };
            let state = ProposalState { proposal: id };
            (names[by], world.send(&keys(names[by]).operator, "governance.withdraw", &state).map(drop))
        }
        Deed::Close(by, which) => {
            let Some((id, _)) = pick(model, which) else { return };
            let state = ProposalState { proposal: id };
            (names[by], world.send(&keys(names[by]).operator, "governance.close", &state).map(drop))
        }
        Deed::Own(by) => {
            let name = format!("asset-{nonce}");
            (names[by], world.send(&keys(names[by]).node, "assets.register", &asset(&name)).map(drop))
        }
        Deed::Wait(time) => {
            world.now += time;
            return;
        }
    };
    if let Some(bar) = model.barred.get(by) {
        assert_eq!(result.as_ref().unwrap_err(), "member_barred", "{by} is {bar}");
    }
    // What has passed by this transaction had its share.
    for (id, action) in model.proposals.clone() {
        let passed = phase(world, &id) == ProposalPhase::Passed;
        if !passed || model.passed.contains(&id) {
            continue;
        }
        assert!(model.passes(world, &id, &action), "{action:?} passed without its share");
        model.passed.insert(id);
        match action {
            Action::Suspend(name) => _ = model.barred.insert(name, Bar::Suspended),
            Action::Remove(name) => _ = model.barred.insert(name, Bar::Removed),
            Action::Reinstate(name) => _ = model.barred.remove(&name),
            Action::Parameters(parameters) => model.parameters = Some(parameters),
            _ => {}
        }
    }
}

fn holds(world: &World, model: &Model) {
    for member in read::members(&world.state).unwrap() {
        let name = &member.card.name;
        assert_eq!(member.barred.map(|barred| barred.standing), model.barred.get(name).copied(), "{name}");
    }
    assert_eq!(read::parameters(&world.state).unwrap(), model.parameters);
    let validators = validators(world);
    assert!(validators.len() >= MIN_VALIDATORS);
    assert!(validators.iter().all(|name| !model.barred.contains_key(name)), "a barred member validates");
    let oracles = read::oracles(&world.state).unwrap().unwrap().group;
    let active = oracles.participants.iter().filter(|name| !model.barred.contains_key(*name)).count();
    assert!(active >= usize::from(oracles.threshold), "a verdict could not be signed any more");
    let open = read::open_proposals(&world.state, None, 200).unwrap().items;
    assert!(open.iter().all(|proposal| proposal.phase == ProposalPhase::Open));
    for name in ALL {
        assert!(open.iter().filter(|proposal| proposal.proposer == name).count() <= 8);
    }
    for (id, _) in &model.proposals {
        let listed = open.iter().any(|proposal| proposal.id == *id);
        assert_eq!(listed, phase(world, id) == ProposalPhase::Open, "the list of open proposals is out of step");
    }
}

#[test]
fn random_governments_keep_the_invariants() {
    let (decided, barred) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let histories = (prop::collection::vec(deed(), 20..120), any::<bool>());
    // The ledger closes what expires by itself where keys are recovered.
    let strict = Recovery { share: Share { numerator: 3, denominator: 4 }, delay: HOUR };
    let run = |(deeds, by_itself): (Vec<Deed>, bool)| {
        let recovery = by_itself.then_some(strict);
        let parameters = Parameters { recovery, ..DEFAULT_PARAMETERS };
        let mut world = ordered();
        world.send(&keys(FOUNDER).operator, "governance.begin", &parameters).unwrap();
        let mut model = Model { parameters: Some(parameters), ..Model::default() };
        for (nonce, deed) in deeds.iter().enumerate() {
            act(&mut world, &mut model, deed, nonce as u8);
            holds(&world, &model);
        }
        decided.set(decided.get() + model.passed.len());
        barred.set(barred.get() + model.barred.len());
        Ok(())
    };
    TestRunner::new(Config { cases: 60, ..Config::default() }).run(&histories, run).unwrap();
    assert!(decided.get() > 20 && barred.get() > 5, "{} {}", decided.get(), barred.get());
}

#[test]
fn the_order_of_ballots_decides_nothing() {
    let orders = (
        Just(ALL[1..].to_vec()).prop_shuffle(),
        Just(ALL[1..].to_vec()).prop_shuffle(),
        prop::collection::vec(any::<bool>(), 5),
        0..3u32,
    );
    let run = |(one, other, yes, extra): (Vec<&str>, Vec<&str>, Vec<bool>, u32)| {
        let outcome = |order: &[&str]| {
            let mut world = governed();
            let share = Share { numerator: 2 + extra, denominator: 3 + extra };
            pass(&mut world, Action::Parameters(Parameters { validators: share, ..DEFAULT_PARAMETERS }));
            let proposal = propose(&mut world, FOUNDER, Action::Leave("riverside".into())).unwrap();
            for name in order {
                let at = ALL[1..].iter().position(|other| other == name).unwrap();
                if phase(&world, &proposal) == ProposalPhase::Open {
                    assert_eq!(vote(&mut world, name, proposal, yes[at]), "ok");
                }
            }
            (phase(&world, &proposal), validators(&world))
        };
        let decided = outcome(&one);
        prop_assert_eq!(&decided, &outcome(&other));
        prop_assert!(decided.0 != ProposalPhase::Open);
        let for_it = 1 + yes.iter().filter(|yes| **yes).count() as u32;
        let needed = Share { numerator: 2 + extra, denominator: 3 + extra }.needed(6);
        prop_assert_eq!(decided.0 == ProposalPhase::Passed, for_it >= needed);
        Ok(())
    };
    TestRunner::new(Config { cases: 60, ..Config::default() }).run(&orders, run).unwrap();
}
