//! Random histories: nothing panics, and what must hold holds after every transaction.

use std::collections::BTreeMap;

use contracts::message::{Amend, Approve, AssetRetire, Cancel, ContractState, Decline, GrantRevoke};
use contracts::read;
use contracts::record::Phase;
use crypto::{Digest, SigningKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::world::*;

#[derive(Clone, Debug)]
enum Deed {
    Offer,
    Amend(usize),
    Stand(usize, usize),
    Apply(usize),
    Vote(usize, usize, bool),
    Cancel(usize),
    Decline(usize),
    Judge(usize, usize),
    Grant(usize),
    Redeem(usize, bool),
    Revoke(usize),
    Compute,
    Result(usize, usize),
    Retire,
    Wait(u64),
    Noise(usize, Vec<u8>),
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = 0..6usize;
    prop_oneof![
        1 => Just(Deed::Offer),
        1 => at.clone().prop_map(Deed::Amend),
        1 => (at.clone(), 0..4usize).prop_map(|(a, b)| Deed::Stand(a, b)),
        4 => at.clone().prop_map(Deed::Apply),
        8 => (at.clone(), 0..4usize, prop::bool::weighted(0.95)).prop_map(|(a, b, c)| Deed::Vote(a, b, c)),
        1 => at.clone().prop_map(Deed::Cancel),
        1 => at.clone().prop_map(Deed::Decline),
        6 => (at.clone(), 0..5usize).prop_map(|(a, b)| Deed::Judge(a, b)),
        4 => at.clone().prop_map(Deed::Grant),
        6 => (at.clone(), prop::bool::weighted(0.8)).prop_map(|(a, b)| Deed::Redeem(a, b)),
        1 => at.clone().prop_map(Deed::Revoke),
        1 => Just(Deed::Compute),
        3 => (at.clone(), 0..3usize).prop_map(|(a, b)| Deed::Result(a, b)),
        1 => prop::bool::weighted(0.05).prop_map(|yes| if yes { Deed::Retire } else { Deed::Wait(1) }),
        2 => (0..4000u64).prop_map(Deed::Wait),
        1 => (0..31usize, prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(a, b)| Deed::Noise(a, b)),
    ]
}

const METHODS: [&str; 31] = [
    "members.invite",
    "members.join",
    "members.principal_add",
    "members.principal_revoke",
    "members.issuer_accredit",
    "members.issuer_revoke",
    "oracles.confirm",
    "ordering.seat",
    "ordering.begin",
    "governance.begin",
    "governance.propose",
    "governance.ballot",
    "governance.withdraw",
    "governance.close",
    "assets.register",
    "assets.retire",
    "contracts.offer",
    "contracts.amend",
    "contracts.suspend",
    "contracts.resume",
    "contracts.revoke",
    "requests.apply",
    "requests.cancel",
    "requests.decline",
    "requests.approve",
    "verdicts.record",
    "grants.issue",
    "grants.revoke",
    "releases.record",
    "results.record",
    "results.destroy",
];

#[derive(Default)]
struct Seen {
    contracts: Vec<Digest>,
    requests: Vec<(Digest, Vec<Digest>)>,
    grants: Vec<Digest>,
    redeemed: BTreeMap<Digest, u32>,
}

fn act(world: &mut World, seen: &mut Seen, deed: Deed) {
    let owner = keys("northgate");
    let pick = |at: usize, len: usize| at % len.max(1);
    let contract = |seen: &Seen, at: usize| seen.contracts.get(pick(at, seen.contracts.len())).copied();
    let request = |seen: &Seen, at: usize| seen.requests.get(pick(at, seen.requests.len())).cloned();
    let grant = |seen: &Seen, at: usize| seen.grants.get(pick(at, seen.grants.len())).copied();
    match deed {
        Deed::Offer => seen.contracts.extend(world.offer("northgate", world.release_terms()).ok()),
        Deed::Amend(at) => {
            let Some(contract) = contract(seen, at) else { return };
            let amend = Amend { contract, terms: world.release_terms() };
            _ = world.send(&owner.operator, "contracts.amend", &amend);
        }
        Deed::Stand(at, how) => {
            let Some(contract) = contract(seen, at) else { return };
            let method = ["contracts.suspend", "contracts.resume", "contracts.resume", "contracts.resume"][how];
            _ = world.send(&owner.operator, method, &ContractState { contract });
        }
        Deed::Apply(at) => {
            let Some(contract) = contract(seen, at) else { return };
            let version = read::contract(&world.state, &contract).unwrap().unwrap().version;
            let mut apply = application(&[contract]);
            apply.contracts[0].version = version;
            let applied = world.send(&researcher(), "requests.apply", &apply).ok();
            seen.requests.extend(applied.map(|id| (id, vec![contract])));
        }
        Deed::Vote(at, who, approve) => {
            let Some((request, contracts)) = request(seen, at) else { return };
            let voters: [SigningKey; 3] = approvers();
            let voter = voters.get(who).unwrap_or(&voters[0]);
            let vote = Approve { request, contract: contracts[0], approve };
            _ = world.send(voter, "requests.approve", &vote);
        }
        Deed::Cancel(at) => {
            let Some((request, _)) = request(seen, at) else { return };
            _ = world.send(&researcher(), "requests.cancel", &Cancel { request });
        }
        Deed::Decline(at) => {
            let Some((request, contracts)) = request(seen, at) else { return };
            let decline = Decline { request, contract: contracts[0], code: "declined".into() };
            _ = world.send(&owner.node, "requests.decline", &decline);
        }
        Deed::Judge(at, how) => {
            let Some((request, _)) = request(seen, at) else { return };
            let decision = if how == 4 { "policy_denied" } else { "ok" };
            _ = world.judge(&request, decision);
        }
        Deed::Grant(at) => {
            let Some((request, contracts)) = request(seen, at) else { return };
            seen.grants.extend(world.grant(&contracts[0], &request).ok());
        }
        Deed::Redeem(at, own) => {
            let Some(grant) = grant(seen, at) else { return };
            let holder = if own { researcher() } else { key("thief") };
            if world.redeem(&grant, &holder).is_ok() {
                assert!(own, "a thief redeemed a grant");
                *seen.redeemed.entry(grant).or_default() += 1;
            }
        }
        Deed::Revoke(at) => {
            let Some(grant) = grant(seen, at) else { return };
            _ = world.send(&owner.node, "grants.revoke", &GrantRevoke { grant });
        }
        Deed::Compute => {
            let offers: Result<Vec<Digest>, String> =
                HOSPITALS.iter().map(|owner| world.offer(owner, world.compute_terms(owner))).collect();
            let Ok(contracts) = offers else { return };
            seen.requests.extend(world.apply(&contracts).ok().map(|id| (id, contracts)));
        }
        Deed::Result(at, party) => {
            let Some((request, _)) = request(seen, at) else { return };
            let result = world.result(&request, HOSPITALS[party]);
            _ = world.send(&keys(HOSPITALS[party]).node, "results.record", &result);
        }
        Deed::Retire => {
            let retire = AssetRetire { asset: world.asset_id("northgate") };
            _ = world.send(&owner.node, "assets.retire", &retire);
        }
        Deed::Wait(time) => world.now += time,
        Deed::Noise(at, bytes) => _ = world.send_bytes(&owner.node, METHODS[at], bytes),
    }
}

fn holds(world: &World, seen: &Seen) {
    assert!(seen.redeemed.values().all(|times| *times == 1), "a grant is redeemed once at most");
    for (id, contracts) in &seen.requests {
        let request = read::request(&world.state, id).unwrap().unwrap();
        if matches!(request.phase, Phase::Allowed | Phase::Done) {
            for named in &request.apply.contracts {
                let terms = read::version(&world.state, named).unwrap().unwrap().terms;
                let given = |vote: &&contracts::record::Approval| vote.contract == named.contract && vote.approve;
                let approvals = request.approvals.iter().filter(given).count();
                assert!(approvals >= usize::from(terms.approvals.required), "allowed without its approvals");
            }
            assert_eq!(request.verdict.as_ref().unwrap().decision, "ok");
        }
        if request.phase == Phase::Done && contracts.len() == 1 {
            let grant = read::grant(&world.state, &request.grant.unwrap()).unwrap().unwrap();
            assert!(grant.redeemed.is_some() && !grant.revoked, "done without a redemption");
        }
        let open = read::open_requests(&world.state, &request.owners[0], None, 200).unwrap().items;
        let listed = open.iter().any(|other| other.id == *id);
        let awaited = request.is_pending() || (request.phase == Phase::Allowed && request.grant.is_none());
        assert_eq!(listed, awaited, "the list of open requests is out of step");
    }
}

#[test]
fn random_histories_keep_the_invariants() {
    let redeemed = std::cell::Cell::new(0);
    let histories = prop::collection::vec(deed(), 1..80);
    let run = |deeds: Vec<Deed>| {
        let mut world = World::ready();
        let mut seen = Seen::default();
        act(&mut world, &mut seen, Deed::Offer);
        for deed in deeds {
            act(&mut world, &mut seen, deed);
            holds(&world, &seen);
        }
        redeemed.set(redeemed.get() + seen.redeemed.len());
        Ok(())
    };
    // Few histories come to a redemption, and of a hundred sometimes none.
    for _ in 0..10 {
        TestRunner::new(Config { cases: 100, ..Config::default() }).run(&histories, run).unwrap();
        if redeemed.get() > 0 {
            return;
        }
    }
    panic!("no history came to a redemption: the invariants were not tried");
}
