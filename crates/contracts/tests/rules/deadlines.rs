//! What ends by itself: contracts' windows, and requests that nobody decides.

use std::sync::Arc;

use contracts::message::{
    Action, Amend, Approve, Cancel, ContractState, Deadlines, Decline, Parameters, Propose, Wake,
};
use contracts::record::{Notice, Phase, ProposalPhase, TriggerKind};
use contracts::{Contracts, MIN_DELAY, code as codes, read};
use crypto::Digest;
use ledger::{Ledger, Limits, State, VerifiedTransaction};
use policy::{Terms, Window};

use crate::governance::{FOUNDER, code, events, ordered, pass, phase};
use crate::world::*;

const WAIT: u64 = 60_000;

fn parameters() -> Parameters {
    Parameters { deadlines: Some(Deadlines { undecided: WAIT }), ..contracts::DEFAULT_PARAMETERS }
}

fn begun(parameters: &Parameters) -> World {
    let mut world = ordered();
    world.send(&keys(FOUNDER).operator, "governance.begin", parameters).unwrap();
    world
}

fn window(world: &World, not_before: u64, not_after: u64) -> Terms {
    Terms { window: Window { not_before: START + not_before, not_after: START + not_after }, ..world.release_terms() }
}

/// A block of so many milliseconds after the beginning; what the ledger told in it: the event, of what, and its detail.
fn at(world: &mut World, time: u64) -> Vec<(String, String, String)> {
    world.now = START + time;
    world.send(&keys(FOUNDER).node, "triggers.wake", &Wake { height: 1 }).unwrap();
    told(world)
}

fn told(world: &World) -> Vec<(String, String, String)> {
    let events = &world.log.last().unwrap().outcome.events;
    let own = events.iter().skip_while(|event| event.name != "trigger.ran").filter(|event| event.name != "trigger.ran");
    own.map(|event| {
        let notice: Notice = wire::from_slice(&event.data, wire::Limits::small()).unwrap();
        assert_eq!(notice.at, world.now);
        (event.name.clone(), notice.subject, notice.detail)
    })
    .collect()
}

fn one(event: &str, subject: Digest, detail: &str) -> Vec<(String, String, String)> {
    vec![(event.into(), subject.to_string(), detail.into())]
}

/// Records of deadlines.
fn kept(world: &World) -> usize {
    ["deadline/", "deadline-of/", "contract-ended/"]
        .iter()
        .map(|prefix| world.state.scan(prefix.as_bytes(), None, usize::MAX).unwrap().len())
        .sum()
}

fn state(world: &mut World, method: &str, contract: Digest) -> Vec<String> {
    world.send(&keys("northgate").operator, method, &ContractState { contract }).unwrap();
    events(world)
}

#[test]
fn a_window_is_told_when_it_begins_and_when_it_ends() {
    let mut world = begun(&parameters());
    let contract = world.offer("northgate", window(&world, 1_000, 5_000)).unwrap();
    assert_eq!(at(&mut world, 999), []);
    assert_eq!(code(world.apply(&[contract])), "contract_not_in_force");
    assert_eq!(at(&mut world, 1_000), one("contract.begun", contract, "active"));
    assert_eq!(at(&mut world, 4_999), []);
    assert_eq!(at(&mut world, 5_500), one("contract.ended", contract, "active"));
    assert!(read::has_ended(&world.state, &contract).unwrap());
    assert_eq!(code(world.apply(&[contract])), "contract_not_in_force");

    // Another window: in force again at once, or later, and each end is told.
    let amend = |world: &mut World, terms: Terms| {
        let owner = keys("northgate").operator;
        world.send(&owner, "contracts.amend", &Amend { contract, terms }).unwrap();
        events(world)
    };
    let terms = window(&world, 1_000, 9_000);
    assert_eq!(amend(&mut world, terms), ["contract.amended", "contract.begun"]);
    assert!(!read::has_ended(&world.state, &contract).unwrap());
    assert_eq!(state(&mut world, "contracts.suspend", contract), ["contract.suspended"]);
    assert_eq!(at(&mut world, 9_000), one("contract.ended", contract, "suspended"));
    assert_eq!(state(&mut world, "contracts.resume", contract), ["contract.resumed", "contract.ended"]);
    let terms = window(&world, 20_000, 30_000);
    assert_eq!(amend(&mut world, terms), ["contract.amended"]);
    assert!(read::has_ended(&world.state, &contract).unwrap());
    let terms = window(&world, 10_000, 40_000);
    assert_eq!(amend(&mut world, terms), ["contract.amended"]);
    assert_eq!(at(&mut world, 10_001), one("contract.begun", contract, "active"));
    assert_eq!(at(&mut world, 30_000), [], "what was amended away is not told");
    let terms = window(&world, 10_000, 20_000);
    assert_eq!(amend(&mut world, terms), ["contract.amended"]);
    assert_eq!(at(&mut world, 30_001), one("contract.ended", contract, "active"));
    // Nothing is told of what is revoked.
    let terms = window(&world, 31_000, 32_000);
    assert_eq!(amend(&mut world, terms), ["contract.amended"]);
    assert_eq!(state(&mut world, "contracts.revoke", contract), ["contract.revoked"]);
    assert_eq!(at(&mut world, 40_000), []);
    assert_eq!(kept(&world), 0);
}

#[test]
fn a_request_that_nobody_decides_ends() {
    let mut world = begun(&parameters());
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    assert_eq!(read::deadline(&world.state, &request).unwrap(), Some(START + WAIT));
    world.now = START + WAIT - 1;
    world.approve(&request, &contract, &approvers()[0]).unwrap();
    assert_eq!(at(&mut world, WAIT), one("request.expired", request, "request_expired"));
    let ended = read::request(&world.state, &request).unwrap().unwrap();
    assert_eq!((ended.phase, ended.decided), (Phase::Refused("request_expired".into()), None));
    assert!(codes::lookup("request_expired").is_some());
    assert!(read::open_requests(&world.state, "northgate", None, 10).unwrap().items.is_empty());
    assert_eq!(code(world.approve(&request, &contract, &approvers()[1])), "request_closed");
    assert_eq!(code(world.judge(&request, "ok")), "request_closed");
    assert_eq!(code(world.send(&researcher(), "requests.cancel", &Cancel { request })), "request_closed");

    // What is decided in any way is left alone.
    let allowed = world.approved().1;
    world.judge(&allowed, "ok").unwrap();
    let cancelled = world.apply(&[contract]).unwrap();
    world.send(&researcher(), "requests.cancel", &Cancel { request: cancelled }).unwrap();
    let declined = world.apply(&[contract]).unwrap();
    let decline = Decline { request: declined, contract, code: "not_now".into() };
    world.send(&keys("northgate").node, "requests.decline", &decline).unwrap();
    let objected = world.apply(&[contract]).unwrap();
    let objection = Approve { request: objected, contract, approve: false };
    world.send(&approvers()[0], "requests.approve", &objection).unwrap();
    let next = read::next_deadline(&world.state).unwrap().unwrap();
    assert_eq!((next.kind, next.at), (TriggerKind::End, world.release_terms().window.not_after));
    assert_eq!(at(&mut world, 3 * WAIT), []);

    // With its contract's window at the latest: that is told first.
    let brief = world.offer("northgate", window(&world, 0, 3 * WAIT + 5_000)).unwrap();
    let request = world.apply(&[brief]).unwrap();
    let both = [one("contract.ended", brief, "active"), one("request.expired", request, "request_expired")].concat();
    assert_eq!(at(&mut world, 3 * WAIT + 5_000), both);
}

#[test]
fn where_the_members_have_not_agreed_on_it_nothing_is_told_or_kept() {
    let off = Parameters { deadlines: None, ..parameters() };
    let mut world = begun(&off);
    let old = world.offer("northgate", window(&world, 0, 10_000)).unwrap();
    let waiting = world.apply(&[old]).unwrap();
    assert_eq!(kept(&world), 0);
    // By ballot, for what is made from then on.
    pass(&mut world, Action::Parameters(parameters()));
    assert_eq!(kept(&world), 0);
    let new = world.offer("northgate", window(&world, 0, 10_000)).unwrap();
    let request = world.apply(&[old]).unwrap();
    assert_eq!(kept(&world), 3);
    let both = [one("contract.ended", new, "active"), one("request.expired", request, "request_expired")].concat();
    assert_eq!(at(&mut world, 10_000), both);
    assert!(read::request(&world.state, &waiting).unwrap().unwrap().is_pending());
    // And what has its time keeps it when they take it out again.
    let last = world.offer("northgate", window(&world, 0, 20_000)).unwrap();
    pass(&mut world, Action::Parameters(off));
    world.offer("northgate", window(&world, 0, 20_000)).unwrap();
    assert_eq!(at(&mut world, 20_000), one("contract.ended", last, "active"));
    for undecided in [MIN_DELAY - 1, 91 * 24 * HOUR] {
        let bad = Parameters { deadlines: Some(Deadlines { undecided }), ..parameters() };
        let expires = world.now + HOUR;
        let propose = Propose { action: Action::Parameters(bad), expires, reason: String::new() };
        assert_eq!(code(world.send(&keys(FOUNDER).operator, "governance.propose", &propose)), "malformed");
    }
}

#[test]
fn thousands_that_end_at_once_hold_up_nothing_else() {
    let mut world = begun(&parameters());
    let mut expected: Vec<(TriggerKind, String)> = Vec::new();
    for _ in 0..2_000 {
        let contract = world.offer("northgate", window(&world, 0, WAIT)).unwrap();
        expected.push((TriggerKind::End, contract.to_string()));
    }
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    for _ in 0..100 {
        expected.push((TriggerKind::Lapse, world.apply(&[contract]).unwrap().to_string()));
    }
    expected.sort_unstable();
    let last: Digest = expected.last().unwrap().1.parse().unwrap();
    let propose = Propose { action: Action::Leave("riverside".into()), expires: START + WAIT, reason: String::new() };
    let proposal = world.send(&keys(FOUNDER).operator, "governance.propose", &propose).unwrap();
    // Later than all others, and first all the same.
    let first = at(&mut world, WAIT + 1);
    assert_eq!((first[0].0.as_str(), phase(&world, &proposal)), ("governance.expired", ProposalPhase::Expired));
    let mut done: Vec<String> = first.into_iter().skip(1).map(|(_, subject, _)| subject).collect();
    assert_eq!(done.len(), Limits::V1.due - 1);
    // What the ledger has not come to is over all the same.
    assert_eq!(code(world.approve(&last, &contract, &approvers()[0])), "request_expired");
    done.extend(told(&world).into_iter().map(|(_, subject, _)| subject));
    assert_eq!(code(world.judge(&last, "not_now")), "request_expired");
    done.extend(told(&world).into_iter().map(|(_, subject, _)| subject));
    while done.len() < expected.len() {
        let told = at(&mut world, WAIT + 2);
        assert_eq!(told.len(), Limits::V1.due.min(expected.len() - done.len()));
        done.extend(told.into_iter().map(|(_, subject, _)| subject));
    }
    assert_eq!(done, expected.into_iter().map(|(_, subject)| subject).collect::<Vec<_>>());
    assert_eq!(read::next_deadline(&world.state).unwrap().unwrap().at, world.release_terms().window.not_after);
}

#[test]
fn ledgers_come_to_the_same_whoever_made_the_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = begun(&parameters());
    let contract = world.offer("northgate", window(&world, 5_000, WAIT)).unwrap();
    assert_eq!(at(&mut world, 5_000).len(), 1);
    world.apply(&[contract]).unwrap();
    assert_eq!(at(&mut world, WAIT).len(), 2);
    let open = |name: &str| Ledger::open(&directory.path().join(name), Arc::new(Contracts), genesis()).unwrap();
    let (one, other) = (open("one"), open("other"));
    for (expected, time) in world.log.iter().zip(&world.times) {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let proposed = one.propose(vec![verified], *time).unwrap();
        assert_eq!(proposed.results[0].as_ref().unwrap().outcome, expected.outcome);
        other.apply(&proposed.block.unwrap(), *time, true).unwrap();
        assert_eq!(one.head(), other.head());
    }
    assert!(read::has_ended(&*other.view().unwrap(), &contract).unwrap());
}
