//! Proposals and ballots: what they decide, and by how many.

mod barred;
mod random;

use contracts::message::{
    Action, Ballot, Invite, Issuer, Join, OraclePlan, OraclesConfirm, OrderingBegin, OrderingPlace, OrderingRotate,
    OrderingSeat, Parameters, ProposalState, Propose, Share,
};
use contracts::read;
use contracts::record::{ProposalPhase, Role};
use crypto::{Digest, Label, hash};
use ledger::State;
use wire::Fixed;

use crate::world::*;

/// As ledgers had them before keys were recovered: nothing happens on these by itself.
const DEFAULT_PARAMETERS: Parameters = Parameters { recovery: None, ..contracts::DEFAULT_PARAMETERS };
pub(crate) const FOUNDER: &str = "health-authority";
pub(crate) const ALL: [&str; 6] = [FOUNDER, "st-anna", "riverside", "northgate", "eastfield", "westfield"];

pub(crate) fn code<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

fn seat(world: &mut World, member: &str) {
    world.send(&keys(member).node, "ordering.seat", &OrderingSeat { address: "host:7400".into() }).unwrap();
}

/// Six members whose validators order; three of them are the oracles, of which two sign. No ballots yet.
pub(crate) fn ordered() -> World {
    let mut world = World::ready();
    for name in ["eastfield", "westfield"] {
        world.join(name).unwrap();
    }
    for name in ALL {
        seat(&mut world, name);
    }
    let epoch = read::epoch(&world.state).unwrap().number;
    world.send(&keys(FOUNDER).operator, "ordering.begin", &OrderingBegin { epoch }).unwrap();
    world
}

pub(crate) fn governed() -> World {
    let mut world = ordered();
    world.send(&keys(FOUNDER).operator, "governance.begin", &DEFAULT_PARAMETERS).unwrap();
    world
}

pub(crate) fn propose(world: &mut World, by: &str, action: Action) -> Result<Digest, String> {
    let expires = world.now + HOUR;
    world.send(&keys(by).operator, "governance.propose", &Propose { action, expires, reason: "why not".into() })
}

pub(crate) fn vote(world: &mut World, by: &str, proposal: Digest, yes: bool) -> String {
    code(world.send(&keys(by).operator, "governance.ballot", &Ballot { proposal, yes }))
}

pub(crate) fn phase(world: &World, proposal: &Digest) -> ProposalPhase {
    read::proposal(&world.state, proposal).unwrap().unwrap().phase
}

/// Proposes, and has the others vote for it until it has passed.
pub(crate) fn pass(world: &mut World, action: Action) -> Digest {
    let active = read::active_members(&world.state).unwrap();
    let mut names = active.iter().map(|member| member.card.name.as_str());
    let proposal = propose(world, names.next().unwrap(), action).unwrap();
    for name in names {
        if phase(world, &proposal) == ProposalPhase::Open {
            assert_eq!(vote(world, name, proposal, true), "ok");
        }
    }
    assert_eq!(phase(world, &proposal), ProposalPhase::Passed);
    proposal
}

pub(crate) fn events(world: &World) -> Vec<String> {
    world.log.last().unwrap().outcome.events.iter().map(|event| event.name.clone()).collect()
}

fn validators(world: &World) -> Vec<String> {
    read::epoch(&world.state).unwrap().validators.into_iter().map(|validator| validator.name).collect()
}

fn admit(name: &str, token: [u8; 32], expires: u64) -> Action {
    Action::Admit(Invite { name: name.into(), token: hash(Label::INVITATION, &[&token]), expires, regulator: false })
}

#[test]
fn a_share_is_rounded_up_and_always_more_than_half() {
    let needed = |numerator, denominator, members| Share { numerator, denominator }.needed(members);
    let thirds: Vec<u32> = (1..=10).map(|members| needed(2, 3, members)).collect();
    assert_eq!(thirds, [1, 2, 2, 3, 4, 4, 5, 6, 6, 7]);
    let halves: Vec<u32> = (1..=7).map(|members| needed(1, 2, members)).collect();
    assert_eq!(halves, [1, 2, 2, 3, 3, 4, 4]);
    assert_eq!((needed(1, 1, 5), needed(51, 100, 100), needed(2, 3, u32::MAX)), (5, 51, 2_863_311_530));
}

#[test]
fn the_founder_or_a_regulator_has_ballots_begin_once_and_for_good() {
    let mut world = World::founded();
    world.join("st-anna").unwrap();
    let begin = |world: &mut World, by: &str, parameters: &Parameters| {
        code(world.send(&keys(by).operator, "governance.begin", parameters))
    };
    assert_eq!(propose(&mut world, FOUNDER, Action::Suspend("st-anna".into())).unwrap_err(), "ballots_do_not_govern");
    assert_eq!(begin(&mut world, "st-anna", &DEFAULT_PARAMETERS), "not_permitted");
    assert_eq!(code(world.send(&keys(FOUNDER).node, "governance.begin", &DEFAULT_PARAMETERS)), "not_permitted");
    let share = |numerator, denominator| Share { numerator, denominator };
    for bad in [share(1, 3), share(3, 2), share(0, 1), share(1, 0), share(51, 101), share(u32::MAX, u32::MAX)] {
        assert_eq!(begin(&mut world, FOUNDER, &Parameters { members: bad, ..DEFAULT_PARAMETERS }), "malformed");
        assert_eq!(begin(&mut world, FOUNDER, &Parameters { parameters: bad, ..DEFAULT_PARAMETERS }), "malformed");
    }
    for longest in [0, HOUR - 1, 91 * 24 * HOUR, u64::MAX] {
        assert_eq!(begin(&mut world, FOUNDER, &Parameters { longest, ..DEFAULT_PARAMETERS }), "malformed");
    }
    for open in [0, 33] {
        assert_eq!(begin(&mut world, FOUNDER, &Parameters { open, ..DEFAULT_PARAMETERS }), "malformed");
    }
    assert_eq!(begin(&mut world, FOUNDER, &DEFAULT_PARAMETERS), "ok");
    assert_eq!(begin(&mut world, FOUNDER, &DEFAULT_PARAMETERS), "already_recorded");
    assert_eq!(read::parameters(&world.state).unwrap(), Some(DEFAULT_PARAMETERS));
}

#[test]
fn lone_powers_end_when_ballots_govern() {
    let mut world = ordered();
    let founder = keys(FOUNDER);
    // An invitation that nobody knows of.
    let hidden = Invite {
        name: "hidden".into(),
        token: hash(Label::INVITATION, &[&[1; 32]]),
        expires: START + HOUR,
        regulator: true,
    };
    world.send(&founder.operator, "members.invite", &hidden).unwrap();
    world.send(&founder.operator, "governance.begin", &DEFAULT_PARAMETERS).unwrap();
    let join = Join { card: card("hidden"), token: Fixed([1; 32]), ml_dsa: None };
    assert_eq!(code(world.send(&keys("hidden").operator, "members.join", &join)), "unknown_invitation");
    let again = Invite { name: "other".into(), token: digest("token"), ..hidden };
    assert_eq!(code(world.send(&founder.operator, "members.invite", &again)), "ballots_govern");
    let issuer = Issuer { name: "college".into(), key: key("college").public(), claims: vec!["researcher".into()] };
    assert_eq!(code(world.send(&founder.operator, "members.issuer_accredit", &issuer)), "ballots_govern");
    assert_eq!(code(world.send(&founder.operator, "members.issuer_revoke", &issuer)), "ballots_govern");
    let place = |member: &str| OrderingPlace { member: member.into() };
    assert_eq!(code(world.send(&founder.operator, "ordering.leave", &place("riverside"))), "ballots_govern");
    assert_eq!(code(world.send(&keys("riverside").operator, "ordering.leave", &place("riverside"))), "ok");
    assert_eq!(code(world.send(&keys("riverside").operator, "ordering.enter", &place("riverside"))), "ballots_govern");
    assert_eq!(code(world.send(&founder.operator, "ordering.enter", &place("riverside"))), "ballots_govern");
    // What follows from the epoch that is there, anyone may have begin.
    let epoch = read::epoch(&world.state).unwrap().number;
    assert_eq!(code(world.send(&keys("st-anna").node, "ordering.begin", &OrderingBegin { epoch })), "not_permitted");
    assert_eq!(code(world.send(&keys("st-anna").operator, "ordering.begin", &OrderingBegin { epoch })), "ok");
    let group = OraclesConfirm { threshold: 3, ..oracles(2) };
    assert_eq!(code(world.send(&keys("riverside").node, "oracles.confirm", &group)), "ballots_govern");
    // Each member's own affairs stay its own.
    world.principal("st-anna", "ada", Role::Owner).unwrap();
    let rotate = OrderingRotate { key: key("new").public(), ml_dsa: None };
    world.send(&keys("st-anna").node, "ordering.rotate", &rotate).unwrap();
}

#[test]
fn what_a_ledger_recorded_before_is_encoded_as_before() {
    // A member and an invitation of a ledger without ballots have no more fields than they had.
    let mut world = World::founded();
    world.join("st-anna").unwrap();
    let invite = Invite { name: "northgate".into(), token: digest("token"), expires: START + HOUR, regulator: false };
    world.send(&keys(FOUNDER).operator, "members.invite", &invite).unwrap();
    for prefix in ["member/", "invitation/"] {
        for (_, value) in world.state.scan(prefix.as_bytes(), None, 10).unwrap() {
            assert_eq!(value[0], 0x83, "an array of three");
        }
    }
}

#[test]
fn a_newcomer_is_admitted_by_the_votes_of_two_thirds() {
    let mut world = governed();
    let action = admit("southmere", [3; 32], START + 2 * HOUR);
    let proposal = propose(&mut world, "riverside", action.clone()).unwrap();
    assert_eq!(events(&world), ["governance.proposed"]);
    let join = Join { card: card("southmere"), token: Fixed([3; 32]), ml_dsa: None };
    let joins = |world: &mut World| code(world.send(&keys("southmere").operator, "members.join", &join));
    assert_eq!(vote(&mut world, "st-anna", proposal, false), "ok");
    assert_eq!(vote(&mut world, "northgate", proposal, true), "ok");
    assert_eq!(vote(&mut world, "northgate", proposal, false), "already_voted");
    assert_eq!(vote(&mut world, "riverside", proposal, true), "already_voted");
    assert_eq!(
        code(world.send(&keys("eastfield").node, "governance.ballot", &Ballot { proposal, yes: true })),
        "not_permitted"
    );
    assert_eq!(vote(&mut world, "eastfield", proposal, true), "ok");
    assert_eq!(joins(&mut world), "unknown_invitation", "three of six are not two thirds");
    let tally = read::tally(&world.state, &read::proposal(&world.state, &proposal).unwrap().unwrap()).unwrap();
    assert_eq!((tally.members, tally.yes, tally.no, tally.needed), (6, 3, 1, 4));
    assert_eq!(vote(&mut world, "westfield", proposal, true), "ok");
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "member.invited"]);
    assert_eq!(vote(&mut world, FOUNDER, proposal, true), "proposal_closed");
    assert_eq!(joins(&mut world), "ok");
    assert_eq!(validators(&world).last().unwrap(), "southmere");
    // The newcomer votes: seven members, five needed.
    let proposal = propose(&mut world, "southmere", Action::Leave("southmere".into())).unwrap();
    for name in ["st-anna", "riverside", "northgate"] {
        assert_eq!(vote(&mut world, name, proposal, true), "ok");
    }
    assert_eq!(phase(&world, &proposal), ProposalPhase::Open);
    assert_eq!(vote(&mut world, FOUNDER, proposal, true), "ok");
    // It never took a seat; without it all have one, and the epoch begins in the same transaction.
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "ordering.left", "ordering.begun"]);
    assert_eq!(read::quorum(&world.state).unwrap().unwrap().epoch, read::epoch(&world.state).unwrap().number);
}

#[test]
fn proposals_are_bounded_and_checked() {
    let mut world = governed();
    let operator = keys("st-anna").operator;
    let action = Action::Leave("riverside".into());
    let send = |world: &mut World, action: &Action, expires: u64, reason: &str| {
        let propose = Propose { action: action.clone(), expires, reason: reason.into() };
        code(world.send(&operator, "governance.propose", &propose))
    };
    assert_eq!(send(&mut world, &action, START, ""), "malformed");
    assert_eq!(send(&mut world, &action, START + 30 * 24 * HOUR + 1, ""), "malformed");
    assert_eq!(send(&mut world, &action, u64::MAX, ""), "malformed");
    assert_eq!(send(&mut world, &action, START + 1, &"a".repeat(1001)), "malformed");
    assert_eq!(send(&mut world, &action, START + 1, "a\u{1b}[2J"), "malformed");
    // What cannot be done is not put to the vote.
    for (action, refusal) in [
        (Action::Suspend("nobody".into()), "unknown_member"),
        (Action::Reinstate("riverside".into()), "already_recorded"),
        (Action::Enter("riverside".into()), "already_recorded"),
        (admit("riverside", [1; 32], START + 1), "name_taken"),
        (admit("Southmere", [1; 32], START + 1), "name_invalid"),
        (admit("southmere", [1; 32], START), "invitation_expired"),
        (Action::Disown(key("college").public()), "unknown_issuer"),
        (
            Action::Oracles(OraclePlan { threshold: 1, participants: vec!["st-anna".into(), "riverside".into()] }),
            "malformed",
        ),
        (Action::Oracles(OraclePlan { threshold: 1, participants: vec!["nobody".into()] }), "unknown_member"),
        (Action::Parameters(Parameters { open: 0, ..DEFAULT_PARAMETERS }), "malformed"),
    ] {
        assert_eq!(send(&mut world, &action, START + 1, ""), refusal, "{action:?}");
    }
    assert_eq!(
        code(world.send(
            &keys("st-anna").node,
            "governance.propose",
            &Propose { action: action.clone(), expires: START + 1, reason: String::new() }
        )),
        "not_permitted"
    );
    for _ in 0..8 {
        assert_eq!(send(&mut world, &action, START + 1000, "one\nmore"), "ok");
    }
    assert_eq!(send(&mut world, &action, START + 1000, ""), "too_many_open");
    let first = read::open_proposals(&world.state, None, 200).unwrap().items[0].id;
    let of = |proposal| ProposalState { proposal };
    assert_eq!(code(world.send(&keys("riverside").operator, "governance.withdraw", &of(first))), "not_permitted");
    assert_eq!(code(world.send(&operator, "governance.withdraw", &of(digest("none")))), "unknown_proposal");
    assert_eq!(code(world.send(&operator, "governance.withdraw", &of(first))), "ok");
    assert_eq!(code(world.send(&operator, "governance.withdraw", &of(first))), "proposal_closed");
    assert_eq!(vote(&mut world, "riverside", first, true), "proposal_closed");
    assert_eq!(send(&mut world, &action, START + 1000, ""), "ok");
    let open = read::open_proposals(&world.state, None, 200).unwrap().items;
    assert_eq!(code(world.send(&operator, "governance.close", &of(open[0].id))), "proposal_open");
    world.now = START + 1000;
    assert_eq!(vote(&mut world, "riverside", open[0].id, true), "ok");
    world.now += 1;
    assert_eq!(vote(&mut world, "northgate", open[0].id, true), "proposal_closed");
    assert_eq!(code(world.send(&keys("riverside").operator, "governance.close", &of(open[0].id))), "ok");
    assert_eq!(events(&world), ["governance.expired"]);
    // The others that have expired make room by themselves.
    let later = world.now + 1000;
    assert_eq!(send(&mut world, &action, later, ""), "ok");
    assert_eq!(read::open_proposals(&world.state, None, 200).unwrap().items.len(), 1);
    assert_eq!(phase(&world, &open[1].id), ProposalPhase::Expired);
    let page = read::proposals(&world.state, None, 4).unwrap();
    let next = read::proposals(&world.state, page.next.as_deref(), 200).unwrap();
    assert_eq!((page.items.len(), next.items.len(), next.next), (4, 6, None));
}

#[test]
fn a_proposal_fails_as_soon_as_it_can_no_longer_pass() {
    let mut world = governed();
    let proposal = propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap();
    assert_eq!(vote(&mut world, "riverside", proposal, false), "ok");
    assert_eq!(vote(&mut world, "northgate", proposal, false), "ok");
    assert_eq!(phase(&world, &proposal), ProposalPhase::Open, "four could still be for it");
    assert_eq!(vote(&mut world, "eastfield", proposal, false), "ok");
    assert_eq!(events(&world), ["governance.voted", "governance.failed"]);
    assert_eq!(vote(&mut world, "westfield", proposal, true), "proposal_closed");
    assert_eq!(read::open_proposals(&world.state, None, 200).unwrap().items, []);
}

#[test]
fn issuers_and_parameters_are_decided_by_their_shares() {
    let mut world = governed();
    let issuer = Issuer { name: "college".into(), key: key("college").public(), claims: vec!["researcher".into()] };
    pass(&mut world, Action::Accredit(issuer.clone()));
    let record = read::issuer(&world.state, &issuer.key).unwrap().unwrap();
    assert!(!record.revoked);
    // More than half, once they want no more for issuers than for the rest: four of six; and unanimity for members.
    let unanimous = Share { numerator: 1, denominator: 1 };
    let changed = Parameters { members: unanimous, open: 1, ..DEFAULT_PARAMETERS };
    let suspension = propose(&mut world, "westfield", Action::Suspend("northgate".into())).unwrap();
    pass(&mut world, Action::Parameters(changed.clone()));
    assert_eq!(events(&world).last().unwrap(), "governance.parameters");
    assert_eq!(read::parameters(&world.state).unwrap(), Some(changed));
    // Open proposals are counted by what holds now.
    for name in ["st-anna", "riverside", "eastfield", FOUNDER] {
        assert_eq!(vote(&mut world, name, suspension, true), "ok");
    }
    assert_eq!(phase(&world, &suspension), ProposalPhase::Open);
    assert_eq!(vote(&mut world, "northgate", suspension, false), "ok");
    assert_eq!(phase(&world, &suspension), ProposalPhase::Failed);
    propose(&mut world, "st-anna", Action::Disown(issuer.key)).unwrap();
    assert_eq!(propose(&mut world, "st-anna", Action::Leave("riverside".into())).unwrap_err(), "too_many_open");
    pass(&mut world, Action::Disown(issuer.key));
    assert!(read::issuer(&world.state, &issuer.key).unwrap().unwrap().revoked);
}

#[test]
fn a_change_of_members_is_counted_again() {
    let mut world = governed();
    let close = |world: &mut World, proposal| {
        code(world.send(&keys("westfield").operator, "governance.close", &ProposalState { proposal }))
    };
    // Three of six for it, one against; who has not voted is removed one after the other.
    let proposal = propose(&mut world, "st-anna", Action::Leave("st-anna".into())).unwrap();
    assert_eq!(vote(&mut world, "riverside", proposal, true), "ok");
    assert_eq!(vote(&mut world, FOUNDER, proposal, true), "ok");
    assert_eq!(vote(&mut world, "westfield", proposal, false), "ok");
    assert_eq!(close(&mut world, proposal), "proposal_open");
    pass(&mut world, Action::Remove("eastfield".into()));
    assert_eq!(close(&mut world, proposal), "proposal_open", "three of five are not two thirds");
    let other = propose(&mut world, "northgate", admit("southmere", [5; 32], START + HOUR)).unwrap();
    assert_eq!(vote(&mut world, "st-anna", other, true), "ok");
    // A ballot of who is suspended does not count, and does again once it is reinstated.
    pass(&mut world, admit("middleton", [6; 32], START + HOUR));
    let join = Join { card: card("middleton"), token: Fixed([6; 32]), ml_dsa: None };
    world.send(&keys("middleton").operator, "members.join", &join).unwrap();
    seat(&mut world, "middleton");
    pass(&mut world, Action::Suspend("northgate".into()));
    let counted = |world: &World, id: &Digest| {
        let proposal = read::proposal(&world.state, id).unwrap().unwrap();
        let tally = read::tally(&world.state, &proposal).unwrap();
        (tally.yes, tally.no, tally.needed, tally.members)
    };
    assert_eq!(counted(&world, &other), (1, 0, 4, 5));
    pass(&mut world, Action::Reinstate("northgate".into()));
    assert_eq!(counted(&world, &other), (2, 0, 4, 6));
    pass(&mut world, Action::Remove("northgate".into()));
    pass(&mut world, Action::Leave("westfield".into()));
    assert_eq!(counted(&world, &proposal), (3, 1, 4, 5));
    assert_eq!(vote(&mut world, "middleton", proposal, false), "ok");
    assert_eq!(phase(&world, &proposal), ProposalPhase::Failed);
}

#[test]
fn a_proposal_may_pass_because_others_have_gone() {
    let mut world = governed();
    let close = |world: &mut World, proposal| {
        code(world.send(&keys("westfield").operator, "governance.close", &ProposalState { proposal }))
    };
    // Three of six are not two thirds, three of four are.
    let proposal = propose(&mut world, "st-anna", admit("southmere", [5; 32], START + HOUR)).unwrap();
    assert_eq!(vote(&mut world, "riverside", proposal, true), "ok");
    assert_eq!(vote(&mut world, FOUNDER, proposal, true), "ok");
    for gone in ["eastfield", "northgate"] {
        assert_eq!(close(&mut world, proposal), "proposal_open");
        pass(&mut world, Action::Remove(gone.into()));
    }
    assert_eq!(phase(&world, &proposal), ProposalPhase::Open);
    assert_eq!(close(&mut world, proposal), "ok");
    assert_eq!(phase(&world, &proposal), ProposalPhase::Passed);
    let join = Join { card: card("southmere"), token: Fixed([5; 32]), ml_dsa: None };
    world.send(&keys("southmere").operator, "members.join", &join).unwrap();
}
