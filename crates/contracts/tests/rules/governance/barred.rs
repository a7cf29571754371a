//! What a barred member may no longer do, and who cannot be barred.

use contracts::message::{Action, Join, OraclePlan, OraclesConfirm, OrderingBegin, OrderingRotate};
use contracts::read;
use contracts::record::{Bar, Phase, ProposalPhase, Role};
use crypto::Digest;
use wire::Fixed;

use super::{
    ALL, DEFAULT_PARAMETERS, FOUNDER, admit, code, events, governed, pass, phase, propose, seat, validators, vote,
};
use crate::world::*;

#[test]
fn a_removed_member_never_signs_again() {
    let mut world = governed();
    world.principal("northgate", "ada", Role::Owner).unwrap();
    let (contract, request, grant) = world.granted();
    let other = world.apply(&[contract]).unwrap();
    let rotated = key("northgate, newly");
    world
        .send(&keys("northgate").node, "ordering.rotate", &OrderingRotate { key: rotated.public(), ml_dsa: None })
        .unwrap();
    pass(&mut world, Action::Suspend("northgate".into()));
    assert_eq!(
        events(&world),
        ["governance.voted", "governance.passed", "member.suspended", "ordering.left", "ordering.begun"]
    );
    assert!(!validators(&world).contains(&"northgate".to_owned()));
    let tls = card("northgate").tls;
    assert_eq!(read::member_by_tls(&world.state, &tls).unwrap(), None);
    assert_eq!(read::active_principal(&world.state, &approvers()[0].public()).unwrap(), None);

    let own = keys("northgate");
    let silent = |world: &mut World| {
        let vote = contracts::message::Approve { request: other, contract, approve: true };
        for key in [&own.operator, &own.node, &own.cosigner, &rotated, &approvers()[0], &key("northgate/ada")] {
            assert_eq!(code(world.send(key, "requests.approve", &vote)), "member_barred");
            assert_eq!(code(world.send(key, "requests.apply", &application(&[contract]))), "member_barred");
            assert_eq!(code(world.send_bytes(key, "no.such", vec![])), "member_barred");
        }
        assert_eq!(code(world.redeem(&grant, &researcher())), "member_barred");
        assert_eq!(code(world.send(&own.node, "assets.register", &asset("more"))), "member_barred");
        assert_eq!(propose(world, "northgate", Action::Reinstate("northgate".into())).unwrap_err(), "member_barred");
    };
    silent(&mut world);
    // Its contracts bind nobody meanwhile; the requester can withdraw.
    assert_eq!(code(world.apply(&[contract])), "contract_not_in_force");
    world.send(&researcher(), "requests.cancel", &contracts::message::Cancel { request: other }).unwrap();
    assert_eq!(propose(&mut world, "st-anna", Action::Enter("northgate".into())).unwrap_err(), "member_barred");

    pass(&mut world, Action::Reinstate("northgate".into()));
    assert_eq!(events(&world).last().unwrap(), "member.reinstated");
    assert!(!validators(&world).contains(&"northgate".to_owned()), "its place is another vote");
    world.redeem(&grant, &researcher()).unwrap();
    assert_eq!(read::request(&world.state, &request).unwrap().unwrap().phase, Phase::Done);
    pass(&mut world, Action::Enter("northgate".into()));
    assert_eq!(events(&world)[2..], ["ordering.entered", "ordering.begun"]);

    let removal = pass(&mut world, Action::Remove("northgate".into()));
    assert_eq!(events(&world)[2..], ["member.removed", "ordering.left", "ordering.begun"]);
    silent(&mut world);
    let barred = read::member(&world.state, "northgate").unwrap().unwrap().barred.unwrap();
    assert_eq!((barred.standing, barred.proposal), (Bar::Removed, removal));
    for action in [Action::Reinstate("northgate".into()), Action::Suspend("northgate".into())] {
        assert_eq!(propose(&mut world, "st-anna", action).unwrap_err(), "member_barred");
    }
    // Its name and its keys stay taken.
    assert_eq!(propose(&mut world, "st-anna", admit("northgate", [4; 32], START + 1)).unwrap_err(), "name_taken");
    pass(&mut world, admit("southmere", [4; 32], START + HOUR));
    let mut join = Join { card: card("southmere"), token: Fixed([4; 32]), ml_dsa: None };
    join.card.node = own.node.public();
    assert_eq!(code(world.send(&keys("southmere").operator, "members.join", &join)), "key_taken");
    // What was recorded of it before still makes a chain that holds.
    let ids = read::chain_ids(&world.state, &request).unwrap();
    let receipt = world.receipt(&ids);
    let consortium = read::consortium(&world.state, &world.chain, "trial", Ok).unwrap();
    assert_eq!(contracts::chain::check(&receipt, &consortium).unwrap().kind, contracts::chain::Kind::Released);
}

#[test]
fn nobody_is_barred_below_four_validators_or_the_oracles_threshold() {
    let mut world = World::ready();
    world.send(&keys(FOUNDER).operator, "governance.begin", &DEFAULT_PARAMETERS).unwrap();
    let suspend = |name: &str| Action::Suspend(name.into());
    assert_eq!(
        propose(&mut world, FOUNDER, suspend("northgate")).unwrap_err(),
        "validators_missing",
        "one node orders"
    );
    for name in &ALL[..4] {
        seat(&mut world, name);
    }
    let epoch = read::epoch(&world.state).unwrap().number;
    world.send(&keys(FOUNDER).operator, "ordering.begin", &OrderingBegin { epoch }).unwrap();
    assert_eq!(
        propose(&mut world, FOUNDER, suspend("northgate")).unwrap_err(),
        "validators_missing",
        "three would be left"
    );

    let mut world = governed();
    // Put to the vote while there are enough validators, decided when there no longer are.
    let one = propose(&mut world, FOUNDER, suspend("northgate")).unwrap();
    pass(&mut world, Action::Remove("eastfield".into()));
    pass(&mut world, Action::Leave("westfield".into()));
    assert_eq!(vote(&mut world, "riverside", one, true), "ok");
    assert_eq!(vote(&mut world, "westfield", one, true), "ok");
    assert_eq!(vote(&mut world, "st-anna", one, true), "validators_missing");
    assert_eq!(phase(&world, &one), ProposalPhase::Open);
    pass(&mut world, Action::Enter("westfield".into()));
    assert_eq!(vote(&mut world, "st-anna", one, true), "ok", "it was refused, so it was not cast");
    assert_eq!(phase(&world, &one), ProposalPhase::Passed);

    // Two of three oracles are left; no other can go until there is a new epoch of them.
    let mut world = governed();
    pass(&mut world, suspend("northgate"));
    assert_eq!(propose(&mut world, FOUNDER, Action::Remove("riverside".into())).unwrap_err(), "oracles_too_few");
    let verdict = |world: &mut World| {
        let contract = world.offer("st-anna", terms(world)).unwrap();
        let request = world.apply(&[contract]).unwrap();
        let mut record = signed(world.verdict(&request, "ok"));
        record.signers = vec!["st-anna".into(), "northgate".into()];
        assert_eq!(code(world.send(&keys("st-anna").node, "verdicts.record", &record)), "verdict_invalid");
        record.signers = vec!["st-anna".into(), "riverside".into()];
        world.send(&keys("st-anna").node, "verdicts.record", &record).unwrap();
    };
    verdict(&mut world);
    let participants: Vec<String> = ["st-anna", FOUNDER, "eastfield", "westfield"].map(String::from).to_vec();
    let plan = OraclePlan { threshold: 2, participants: participants.clone() };
    assert_eq!(
        propose(
            &mut world,
            FOUNDER,
            Action::Oracles(OraclePlan { threshold: 2, participants: vec!["northgate".into(), "st-anna".into()] })
        )
        .unwrap_err(),
        "member_barred"
    );
    pass(&mut world, Action::Oracles(plan));
    assert_eq!(events(&world).last().unwrap(), "oracles.decided");
    let group = OraclesConfirm { participants, ..oracles(2) };
    let other = OraclesConfirm { threshold: 3, ..group.clone() };
    assert_eq!(code(world.send(&keys("st-anna").node, "oracles.confirm", &other)), "ballots_govern");
    for name in ["st-anna", FOUNDER, "eastfield", "westfield"] {
        world.send(&keys(name).node, "oracles.confirm", &group).unwrap();
    }
    assert_eq!(read::oracle_epoch_number(&world.state).unwrap(), 2);
    // What was decided is done: another epoch is another decision.
    let next = OraclesConfirm { epoch: 3, ..group };
    assert_eq!(code(world.send(&keys("st-anna").node, "oracles.confirm", &next)), "ballots_govern");
    assert_eq!(read::decided_oracles(&world.state).unwrap(), None);
    pass(&mut world, Action::Remove("riverside".into()));
}

/// St-anna's terms: anyone, without approvals.
fn terms(world: &World) -> policy::Terms {
    policy::Terms {
        asset: world.asset_id("st-anna"),
        approvals: policy::Approvals { required: 0, approvers: vec![] },
        evidence: vec![],
        ..world.release_terms()
    }
}

#[test]
fn helpers_that_are_suspended_take_part_in_no_new_computation() {
    let mut world = governed();
    let contracts: Vec<Digest> =
        HOSPITALS.iter().map(|owner| world.offer(owner, world.helped_terms(owner)).unwrap()).collect();
    pass(&mut world, Action::Suspend(FOUNDER.into()));
    assert_eq!(code(world.apply(&contracts)), "member_barred");
    pass(&mut world, Action::Reinstate(FOUNDER.into()));
    world.apply(&contracts).unwrap();
}
