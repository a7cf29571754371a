//! Recovery of an operator's key, and what else the ledger does by itself.

use std::sync::Arc;

use contracts::message::{
    Action, Ballot, Parameters, PrincipalAdd, ProposalState, Propose, Recover, Recovery, Share, Wake, recovery,
};
use contracts::record::{MemberKey, Proposal, ProposalPhase, Recovering, Role};
use contracts::{Contracts, DEFAULT_PARAMETERS, MIN_DELAY, read};
use crypto::{Digest, Label, SigningKey};
use ledger::{Ledger, Limits, State, VerifiedTransaction};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::governance::{ALL, FOUNDER, code, events, ordered, pass, phase, propose, vote};
use crate::world::*;

const DELAY: u64 = 60_000;
const MEMBER: &str = "northgate";

fn parameters() -> Parameters {
    let share = Share { numerator: 2, denominator: 3 };
    Parameters { recovery: Some(Recovery { share, delay: DELAY }), ..DEFAULT_PARAMETERS }
}

/// Six members whose validators order, and whose keys can be recovered: four must vote for it.
fn world() -> World {
    let mut world = ordered();
    world.send(&keys(FOUNDER).operator, "governance.begin", &parameters()).unwrap();
    world
}

fn fresh(name: &str) -> SigningKey {
    key(&format!("new {name}"))
}

fn statement(world: &World, member: &str, key: &SigningKey, until: u64) -> Recover {
    let possession = key.sign(Label::RECOVERY, &recovery(&world.chain, member, &key.public(), until));
    Recover { member: member.into(), key: key.public(), until, possession }
}

fn recover(world: &World, member: &str, key: &SigningKey) -> Action {
    Action::Recover(statement(world, member, key, world.now + 2 * HOUR))
}

/// Decided by the founder and three others than the member.
fn decided(world: &mut World, member: &str, key: &SigningKey) -> Digest {
    let action = recover(world, member, key);
    let mut others = ALL.iter().filter(|name| **name != member);
    let proposal = propose(world, others.next().unwrap(), action).unwrap();
    for name in others.take(3) {
        assert_eq!(phase(world, &proposal), ProposalPhase::Open);
        assert_eq!(vote(world, name, proposal, true), "ok");
    }
    assert_eq!(phase(world, &proposal), ProposalPhase::Passed);
    proposal
}

fn veto(world: &mut World, by: &SigningKey, proposal: Digest) -> String {
    code(world.send(by, "governance.veto", &ProposalState { proposal }))
}

fn add(world: &mut World, by: &SigningKey, name: &str) -> String {
    let add = PrincipalAdd { name: name.into(), key: key(name).public(), roles: vec![Role::Owner] };
    code(world.send(by, "members.principal_add", &add))
}

fn wake(world: &mut World) {
    world.send(&keys(FOUNDER).node, "triggers.wake", &Wake { height: 1 }).unwrap();
}

fn under_way(world: &World, member: &str) -> Option<Recovering> {
    read::recovery(&world.state, member).unwrap()
}

fn operator(world: &World, member: &str) -> crypto::PublicKey {
    read::member(&world.state, member).unwrap().unwrap().card.operator
}

fn due(world: &World) -> usize {
    world.state.scan(b"due/", None, 10_000).unwrap().len()
}

#[test]
fn a_new_key_takes_the_lost_ones_place_when_the_delay_is_over() {
    let mut world = world();
    let (old, new) = (keys(MEMBER).operator, fresh(MEMBER));
    let proposal = decided(&mut world, MEMBER, &new);
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "member.recovering"]);
    let expected = Recovering {
        member: MEMBER.into(),
        proposal,
        key: new.public(),
        old: old.public(),
        since: world.now,
        due: world.now + DELAY,
    };
    assert_eq!(under_way(&world, MEMBER).unwrap(), expected);
    assert_eq!(read::recoveries(&world.state).unwrap(), [expected]);
    assert_eq!(due(&world), 1);

    // Until then all is as it was.
    world.now += DELAY - 1;
    assert_eq!(add(&mut world, &old, "before"), "ok");
    assert_eq!(add(&mut world, &new, "early"), "key_not_in_force");
    assert_eq!(operator(&world, MEMBER), old.public());

    // The first block that is not before finds the new key there, whoever made it.
    world.now += 1;
    assert_eq!(add(&mut world, &new, "first"), "ok");
    assert_eq!(events(&world), ["principal.added", "trigger.ran", "member.recovered"]);
    assert_eq!(add(&mut world, &old, "after"), "key_not_in_force");
    let another = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    let ballot = Ballot { proposal: another, yes: true };
    assert_eq!(code(world.send(&old, "governance.ballot", &ballot)), "key_not_in_force");
    assert_eq!(code(world.send(&new, "governance.ballot", &ballot)), "ok");
    assert_eq!(operator(&world, MEMBER), new.public());
    assert_eq!((read::recoveries(&world.state).unwrap(), due(&world)), (vec![], 1), "one proposal is open");
    assert_eq!(veto(&mut world, &old, proposal), "key_not_in_force");
    assert_eq!(veto(&mut world, &new, proposal), "no_recovery");
    // The old key is nobody's for good.
    let held = read::member_key(&world.state, &old.public()).unwrap().unwrap();
    assert_eq!((held.member.as_str(), held.void), (MEMBER, Some(proposal)));
    let taken = PrincipalAdd { name: "old".into(), key: old.public(), roles: vec![Role::Owner] };
    assert_eq!(code(world.send(&new, "members.principal_add", &taken)), "key_taken");
    // Its other keys and its people are as they were.
    assert_eq!(code(world.send(&keys(MEMBER).node, "assets.register", &asset("more"))), "ok");
    assert!(read::active_principal(&world.state, &key("before").public()).unwrap().is_some());
}

#[test]
fn whatever_the_old_key_held_it_has_no_more() {
    let mut world = world();
    let old = keys("st-anna").operator;
    // Its operator asks for data with that very key, and is granted it.
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.send(&old, "requests.apply", &application(&[contract])).unwrap();
    for approver in &approvers()[..2] {
        let approve = contracts::message::Approve { request, contract, approve: true };
        world.send(approver, "requests.approve", &approve).unwrap();
    }
    world.judge(&request, "ok").unwrap();
    decided(&mut world, "st-anna", &fresh("st-anna"));
    world.now += DELAY;
    wake(&mut world);
    let grant = world.grant(&contract, &request).unwrap();
    assert_eq!(code(world.redeem(&grant, &old)), "key_not_in_force");
    let cancel = contracts::message::Cancel { request };
    assert_eq!(code(world.send(&old, "requests.cancel", &cancel)), "key_not_in_force");
    assert_eq!(code(world.send(&old, "requests.apply", &application(&[contract]))), "key_not_in_force");
    assert_eq!(code(world.send_bytes(&old, "no.such", vec![])), "key_not_in_force");
    assert_eq!(code(world.send(&fresh("st-anna"), "requests.apply", &application(&[contract]))), "ok");
}

#[test]
fn the_owner_ends_it_with_the_old_key_at_any_time_of_the_delay() {
    for wait in [0, DELAY / 2, DELAY - 1] {
        let mut world = world();
        let (old, new) = (keys(MEMBER).operator, fresh(MEMBER));
        let other = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
        let proposal = decided(&mut world, MEMBER, &new);
        world.now += wait;
        assert_eq!(veto(&mut world, &keys("st-anna").operator, proposal), "not_permitted");
        assert_eq!(veto(&mut world, &keys(MEMBER).node, proposal), "not_permitted");
        assert_eq!(veto(&mut world, &new, proposal), "key_not_in_force");
        assert_eq!(veto(&mut world, &old, other), "no_recovery");
        assert_eq!(veto(&mut world, &old, digest("none")), "unknown_proposal");
        assert_eq!(veto(&mut world, &old, proposal), "ok");
        assert_eq!(events(&world), ["member.recovery_vetoed"]);
        assert_eq!((phase(&world, &proposal), under_way(&world, MEMBER)), (ProposalPhase::Vetoed, None));
        assert_eq!(veto(&mut world, &old, proposal), "no_recovery");
        world.now += 2 * DELAY;
        wake(&mut world);
        assert_eq!(events(&world), ["triggers.woken"], "nothing is left to do");
        assert_eq!(
            (add(&mut world, &old, "still"), add(&mut world, &new, "never")),
            ("ok".into(), "key_not_in_force".into())
        );
        // Neither the statement nor the key is of use a second time; another key is, with another vote and delay.
        let again = recover(&world, MEMBER, &new);
        assert_eq!(code(propose(&mut world, "st-anna", again)), "key_taken");
        decided(&mut world, MEMBER, &fresh("another"));
        world.now += DELAY;
        assert_eq!(add(&mut world, &fresh("another"), "now"), "ok");
    }
}

#[test]
fn a_veto_in_the_block_of_the_effect_is_too_late() {
    let mut world = world();
    let proposal = decided(&mut world, MEMBER, &fresh(MEMBER));
    world.now += DELAY;
    assert_eq!(veto(&mut world, &keys(MEMBER).operator, proposal), "key_not_in_force");
    assert_eq!(events(&world), ["trigger.ran", "member.recovered"], "told although the veto was refused");
    assert_eq!(operator(&world, MEMBER), fresh(MEMBER).public());
}

#[test]
fn what_cannot_be_recovered_is_not_put_to_the_vote() {
    let mut world = world();
    let new = fresh(MEMBER);
    let good = statement(&world, MEMBER, &new, START + 2 * HOUR);
    let try_by = |world: &mut World, by: &str, recover: Recover| code(propose(world, by, Action::Recover(recover)));
    let with = |change: &dyn Fn(&mut Recover)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed
    };
    // Of somebody else, of another key, for longer, for another ledger, by another key, for nothing.
    for wrong in [
        with(&|one| one.member = "riverside".into()),
        with(&|one| one.key = fresh("other").public()),
        with(&|one| one.until += 1),
        with(&|one| one.possession = keys(MEMBER).operator.sign(Label::RECOVERY, b"")),
        with(&|one| {
            let bytes = recovery(&digest("another chain"), MEMBER, &new.public(), one.until);
            one.possession = new.sign(Label::RECOVERY, &bytes);
        }),
        with(&|one| {
            let bytes = recovery(&genesis().chain(), MEMBER, &new.public(), one.until);
            one.possession = new.sign(Label::PROOF_OF_POSSESSION, &bytes);
        }),
        with(&|one| one.key = crypto::PublicKey(wire::Fixed([0; 32]))),
    ] {
        assert_eq!(try_by(&mut world, "st-anna", wrong), "bad_signature");
    }
    let until = |world: &World, until| statement(world, MEMBER, &fresh(MEMBER), until);
    let (past, short, long) =
        (until(&world, START - 1), until(&world, START + HOUR - 1), until(&world, START + 91 * 24 * HOUR));
    assert_eq!(try_by(&mut world, "st-anna", past), "expired");
    assert_eq!(try_by(&mut world, "st-anna", short), "malformed");
    assert_eq!(try_by(&mut world, "st-anna", long), "malformed");
    let nobody = statement(&world, "nobody", &new, START + 2 * HOUR);
    assert_eq!(try_by(&mut world, "st-anna", nobody), "unknown_member");
    assert_eq!(try_by(&mut world, MEMBER, good.clone()), "not_permitted");
    world.principal("northgate", "ada", Role::Owner).unwrap();
    for taken in [keys("st-anna").cosigner, keys(MEMBER).operator, key("northgate/ada")] {
        let taken = statement(&world, MEMBER, &taken, START + 2 * HOUR);
        assert_eq!(try_by(&mut world, "st-anna", taken), "key_taken");
    }
    // None of that took the key.
    assert_eq!(try_by(&mut world, "st-anna", good.clone()), "ok");
    assert_eq!(try_by(&mut world, "riverside", good), "key_taken", "proposed once");
    pass(&mut world, Action::Suspend("riverside".into()));
    let barred = statement(&world, "riverside", &fresh("riverside"), START + 2 * HOUR);
    assert_eq!(try_by(&mut world, "st-anna", barred), "member_barred");
}

#[test]
fn while_one_node_orders_or_nobody_has_agreed_no_key_is_recovered() {
    let mut world = World::ready();
    let action = recover(&world, MEMBER, &fresh(MEMBER));
    assert_eq!(code(propose(&mut world, "st-anna", action.clone())), "ballots_do_not_govern");
    world.send(&keys(FOUNDER).operator, "governance.begin", &parameters()).unwrap();
    assert_eq!(code(propose(&mut world, "st-anna", action)), "validators_missing");
    let mut world = ordered();
    let none = Parameters { recovery: None, ..DEFAULT_PARAMETERS };
    world.send(&keys(FOUNDER).operator, "governance.begin", &none).unwrap();
    let action = recover(&world, MEMBER, &fresh(MEMBER));
    assert_eq!(code(propose(&mut world, "st-anna", action.clone())), "recovery_off");
    pass(&mut world, Action::Parameters(parameters()));
    assert_eq!(code(propose(&mut world, "st-anna", action)), "ok");
}

#[test]
fn a_key_that_somebody_takes_between_proposal_and_decision_stays_the_proposals() {
    let mut world = world();
    let action = recover(&world, MEMBER, &fresh(MEMBER));
    let proposal = propose(&mut world, "st-anna", action).unwrap();
    let thief = PrincipalAdd { name: "thief".into(), key: fresh(MEMBER).public(), roles: vec![Role::Owner] };
    assert_eq!(code(world.send(&keys("riverside").operator, "members.principal_add", &thief)), "key_taken");
    for name in ["riverside", "eastfield", "westfield"] {
        assert_eq!(vote(&mut world, name, proposal, true), "ok");
    }
    assert_eq!(under_way(&world, MEMBER).unwrap().proposal, proposal);
}

#[test]
fn a_member_is_recovered_once_at_a_time_and_the_other_vote_waits() {
    let mut world = world();
    let second = recover(&world, MEMBER, &fresh("second"));
    let second = propose(&mut world, "st-anna", second).unwrap();
    assert_eq!(vote(&mut world, "riverside", second, true), "ok");
    assert_eq!(vote(&mut world, "eastfield", second, true), "ok");
    decided(&mut world, MEMBER, &fresh("first"));
    assert_eq!(vote(&mut world, "westfield", second, true), "recovery_pending");
    let third = recover(&world, MEMBER, &fresh("third"));
    assert_eq!(code(propose(&mut world, "st-anna", third)), "recovery_pending");
    // Another member's goes on beside it.
    decided(&mut world, "westfield", &fresh("westfield"));
    assert_eq!(read::recoveries(&world.state).unwrap().len(), 2);
    world.now += DELAY;
    wake(&mut world);
    let told = ["triggers.woken", "trigger.ran", "member.recovered", "trigger.ran", "member.recovered"];
    assert_eq!(events(&world), told);
    assert_eq!(
        code(world.send(&fresh("westfield"), "governance.ballot", &Ballot { proposal: second, yes: true })),
        "ok"
    );
    assert_eq!(under_way(&world, MEMBER).unwrap().old, fresh("first").public());
    assert_eq!(veto(&mut world, &keys(MEMBER).operator, second), "key_not_in_force");
    assert_eq!(veto(&mut world, &fresh("first"), second), "ok");
}

#[test]
fn who_is_barred_and_cannot_object_is_not_recovered() {
    for action in [Action::Suspend(MEMBER.into()), Action::Remove(MEMBER.into())] {
        let mut world = world();
        let proposal = decided(&mut world, MEMBER, &fresh(MEMBER));
        pass(&mut world, action);
        assert!(events(&world).contains(&"member.recovery_ended".to_owned()), "{:?}", events(&world));
        assert_eq!((under_way(&world, MEMBER), due(&world)), (None, 0));
        world.now += DELAY;
        wake(&mut world);
        assert_eq!(operator(&world, MEMBER), keys(MEMBER).operator.public());
        assert_eq!(veto(&mut world, &keys(MEMBER).operator, proposal), "member_barred");
        assert_eq!(add(&mut world, &fresh(MEMBER), "new"), "member_barred");
    }
}

#[test]
fn votes_and_proposals_of_the_old_key_are_the_members_still() {
    let mut world = world();
    let mine = propose(&mut world, MEMBER, Action::Leave("riverside".into())).unwrap();
    let theirs = propose(&mut world, "st-anna", Action::Leave("eastfield".into())).unwrap();
    assert_eq!(vote(&mut world, MEMBER, theirs, true), "ok");
    decided(&mut world, MEMBER, &fresh(MEMBER));
    world.now += DELAY;
    wake(&mut world);
    let (old, new) = (keys(MEMBER).operator, fresh(MEMBER));
    assert_eq!(code(world.send(&new, "governance.ballot", &Ballot { proposal: theirs, yes: false })), "already_voted");
    let proposal = read::proposal(&world.state, &theirs).unwrap().unwrap();
    assert_eq!(read::tally(&world.state, &proposal).unwrap().yes, 2);
    let state = ProposalState { proposal: mine };
    assert_eq!(code(world.send(&old, "governance.withdraw", &state)), "key_not_in_force");
    assert_eq!(code(world.send(&new, "governance.withdraw", &state)), "ok");
}

#[test]
fn the_share_and_the_delay_have_bounds() {
    let mut world = ordered();
    let share = |numerator, denominator| Share { numerator, denominator };
    let begin = |world: &mut World, members, of, delay| {
        let recovery = Some(Recovery { share: of, delay });
        let parameters = Parameters { members, recovery, ..DEFAULT_PARAMETERS };
        code(world.send(&keys(FOUNDER).operator, "governance.begin", &parameters))
    };
    let thirds = share(2, 3);
    for (members, of, delay) in [
        (thirds, share(1, 2), DELAY),
        (thirds, share(65, 100), DELAY),
        (share(3, 4), thirds, DELAY),
        (share(1, 2), share(1, 3), DELAY),
        (thirds, share(4, 3), DELAY),
        (thirds, thirds, MIN_DELAY - 1),
        (thirds, thirds, 0),
        (thirds, thirds, 90 * 24 * HOUR + 1),
        (thirds, thirds, u64::MAX),
    ] {
        assert_eq!(begin(&mut world, members, of, delay), "malformed", "{members} {of} {delay}");
    }
    assert_eq!(begin(&mut world, thirds, share(5, 6), MIN_DELAY), "ok");
    let action = recover(&world, MEMBER, &fresh(MEMBER));
    let proposal = propose(&mut world, FOUNDER, action).unwrap();
    for name in ["st-anna", "riverside", "eastfield"] {
        assert_eq!(vote(&mut world, name, proposal, true), "ok");
    }
    assert_eq!(phase(&world, &proposal), ProposalPhase::Open, "four of six are not five sixths");
    assert_eq!(vote(&mut world, "westfield", proposal, true), "ok");
    assert_eq!(under_way(&world, MEMBER).unwrap().due, world.now + MIN_DELAY);
}

#[test]
fn a_shorter_delay_holds_when_the_longer_one_has_gone_by() {
    let short = Parameters {
        recovery: parameters().recovery.map(|recovery| Recovery { delay: MIN_DELAY, ..recovery }),
        ..DEFAULT_PARAMETERS
    };
    let none = Parameters { recovery: None, ..DEFAULT_PARAMETERS };
    for ways in [vec![short.clone()], vec![none, short.clone()]] {
        let mut world = world();
        for way in ways {
            pass(&mut world, Action::Parameters(way));
        }
        world.now += DELAY - 1;
        decided(&mut world, MEMBER, &fresh(MEMBER));
        assert_eq!(under_way(&world, MEMBER).unwrap().due, world.now + DELAY);
        world.now += 1;
        decided(&mut world, "westfield", &fresh("westfield"));
        assert_eq!(under_way(&world, "westfield").unwrap().due, world.now + MIN_DELAY);
        // One that is under way ends when it was to end, whatever is decided meanwhile.
        let end = under_way(&world, MEMBER).unwrap().due;
        pass(&mut world, Action::Parameters(parameters()));
        assert_eq!(under_way(&world, MEMBER).unwrap().due, end);
    }
}

#[test]
fn a_ledger_without_the_parameter_keeps_nothing_that_it_did_not_keep() {
    let mut world = ordered();
    let none = Parameters { recovery: None, ..DEFAULT_PARAMETERS };
    world.send(&keys(FOUNDER).operator, "governance.begin", &none).unwrap();
    assert_eq!(world.state.get(b"governance/parameters").unwrap().unwrap()[0], 0x87, "an array of seven");
    let proposal = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    assert_eq!(due(&world), 0);
    world.now += 2 * HOUR;
    wake(&mut world);
    assert_eq!((events(&world), phase(&world, &proposal)), (vec!["triggers.woken".to_owned()], ProposalPhase::Open));
    for (_, value) in world.state.scan(b"member-key/", None, 100).unwrap() {
        assert_eq!(value[0], 0x82, "an array of two");
    }
    // Agreed on, it holds for what is proposed after; what was open is closed as before.
    pass(&mut world, Action::Parameters(parameters()));
    assert_eq!(world.state.get(b"governance/parameters").unwrap().unwrap()[0], 0x88);
    let later = propose(&mut world, "riverside", Action::Leave("riverside".into())).unwrap();
    assert_eq!(due(&world), 1);
    world.now += 2 * HOUR;
    wake(&mut world);
    assert_eq!((phase(&world, &proposal), phase(&world, &later)), (ProposalPhase::Open, ProposalPhase::Expired));
    let closed = read::proposal(&world.state, &later).unwrap().unwrap().closed;
    assert_eq!(closed, None, "by no transaction");
    let close = ProposalState { proposal };
    assert_eq!(code(world.send(&keys(FOUNDER).operator, "governance.close", &close)), "ok");
}

#[test]
fn a_proposal_that_nobody_decides_is_closed_by_the_ledger() {
    let mut world = world();
    let proposal = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    world.now += HOUR;
    assert_eq!(vote(&mut world, "riverside", proposal, true), "ok", "the last moment");
    world.now += 1;
    assert_eq!(vote(&mut world, "northgate", proposal, true), "proposal_closed");
    assert_eq!(events(&world), ["trigger.ran", "governance.expired"]);
    assert_eq!((phase(&world, &proposal), due(&world)), (ProposalPhase::Expired, 0));
    // Decided and withdrawn ones leave nothing to do.
    let open = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    let state = ProposalState { proposal: open };
    world.send(&keys("st-anna").operator, "governance.withdraw", &state).unwrap();
    pass(&mut world, Action::Leave("riverside".into()));
    assert_eq!(due(&world), 0);
}

/// Which proposals the last block closed by itself, in its order.
fn closed(world: &World) -> Vec<String> {
    let subject = |event: &ledger::Event| {
        let notice: contracts::record::Notice = wire::from_slice(&event.data, wire::Limits::small()).unwrap();
        (event.name == "governance.expired").then_some(notice.subject)
    };
    world.log.last().unwrap().outcome.events.iter().filter_map(subject).collect()
}

#[test]
fn what_is_due_is_done_in_its_order_and_a_block_does_so_much_of_it() {
    let lives = prop::collection::vec((0..ALL.len(), 1..40u64), 1..60);
    let run = |lives: Vec<(usize, u64)>| {
        let mut world = ordered();
        let many = Parameters { open: 32, ..parameters() };
        world.send(&keys(FOUNDER).operator, "governance.begin", &many).unwrap();
        let mut expected = Vec::new();
        for (by, life) in lives {
            let action = Action::Leave("riverside".into());
            let propose = Propose { action, expires: START + life, reason: String::new() };
            if let Ok(id) = world.send(&keys(ALL[by]).operator, "governance.propose", &propose) {
                expected.push((START + life + 1, id));
            }
        }
        expected.sort_unstable();
        let mut done = Vec::new();
        while done.len() < expected.len() {
            world.now += 7;
            // What is due by now and was not done, the first sixteen of it; nothing else, whatever the transaction is.
            wake(&mut world);
            let due = expected[done.len()..].iter().filter(|(at, _)| *at <= world.now).take(Limits::V1.due);
            let due: Vec<String> = due.map(|(_, id)| id.to_string()).collect();
            prop_assert_eq!(&closed(&world), &due);
            done.extend(due);
        }
        prop_assert_eq!(due(&world), 0);
        for (_, id) in expected {
            prop_assert_eq!(phase(&world, &id), ProposalPhase::Expired);
        }
        Ok(())
    };
    TestRunner::new(Config { cases: 40, ..Config::default() }).run(&lives, run).unwrap();
}

#[test]
fn ledgers_come_to_the_same_whoever_made_the_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = world();
    for _ in 0..3 {
        propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    }
    let proposal = decided(&mut world, MEMBER, &fresh(MEMBER));
    world.now += DELAY;
    assert_eq!(veto(&mut world, &keys(MEMBER).operator, proposal), "key_not_in_force");
    assert_eq!(add(&mut world, &fresh(MEMBER), "ada"), "ok");
    world.now += HOUR;
    wake(&mut world);

    let open = |name: &str| Ledger::open(&directory.path().join(name), Arc::new(Contracts), genesis()).unwrap();
    let (one, other) = (open("one"), open("other"));
    for (expected, time) in world.log.iter().zip(&world.times) {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let proposed = one.propose(vec![verified], *time).unwrap();
        assert_eq!(proposed.results[0].as_ref().unwrap().outcome, expected.outcome);
        other.apply(&proposed.block.unwrap(), *time, true).unwrap();
        assert_eq!(one.head(), other.head());
    }
    // Opened again, and read back: the events of the ledger's own work are in the log.
    drop(other);
    let other = open("other");
    assert_eq!(other.head(), one.head());
    let entries = other.entries(0, u64::MAX).unwrap();
    let expired = entries.last().unwrap().outcome.events.iter().filter(|event| event.name == "governance.expired");
    assert_eq!(expired.count(), 3);
    let view = other.view().unwrap();
    assert_eq!(read::member(&view, MEMBER).unwrap().unwrap().card.operator, fresh(MEMBER).public());
    let held: MemberKey = read::member_key(&view, &keys(MEMBER).operator.public()).unwrap().unwrap();
    assert_eq!(held.void, Some(proposal));
    let proposal: Proposal = read::proposal(&view, &proposal).unwrap().unwrap();
    assert_eq!(proposal.phase, ProposalPhase::Passed);
}
