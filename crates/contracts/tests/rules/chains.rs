//! Chains read back from receipts: whole ones told, and every kind of broken one refused.

use contracts::chain::{Account, Error, Kind, check};
use contracts::message::{Amend, Approve, Cancel, ContractVersion, Decline, GrantRevoke};
use contracts::read;
use crypto::{Digest, Label};

use crate::world::*;

fn chain(world: &World, request: &Digest, more: &[Digest]) -> Vec<Digest> {
    let mut ids = read::chain_ids(&world.state, request).unwrap();
    ids.extend(more);
    ids
}

fn account(world: &World, ids: &[Digest]) -> Result<Account, Error> {
    check(&world.receipt(ids), &world.consortium())
}

fn kind(world: &World, request: &Digest) -> Kind {
    let account = account(world, &chain(world, request, &[])).unwrap();
    assert_eq!((account.request, account.requester), (*request, researcher().public()));
    account.kind
}

fn names(account: &Account) -> Vec<&str> {
    account.steps.iter().map(|step| step.name.as_str()).collect()
}

#[test]
fn a_release_is_told() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let account = account(&world, &chain(&world, &request, &[])).unwrap();
    assert_eq!(account.kind, Kind::Released);
    let expected = [
        "oracles.confirmed",
        "oracles.confirmed",
        "oracles.confirmed",
        "asset.registered",
        "contract.offered",
        "request.applied",
        "request.approved",
        "request.approved",
        "request.allowed",
        "grant.issued",
        "release.recorded",
    ];
    let mut told = names(&account);
    told[..4].sort_unstable_by_key(|name| std::cmp::Reverse(*name));
    assert_eq!(told, expected);
    assert!(account.steps.iter().all(|step| step.at == Some(START) && step.code == "ok"));
}

#[test]
fn a_computation_is_told() {
    let mut world = World::ready();
    let (_, request) = world.computing();
    for owner in HOSPITALS {
        assert!(matches!(account(&world, &chain(&world, &request, &[])), Err(Error::Incomplete { .. })));
        let result = world.result(&request, owner);
        world.send(&keys(owner).node, "results.record", &result).unwrap();
    }
    assert_eq!(kind(&world, &request), Kind::Computed);
    let (_, request) = world.helped();
    for party in ["st-anna", "health-authority", "northgate"] {
        assert!(matches!(account(&world, &chain(&world, &request, &[])), Err(Error::Incomplete { .. })));
        let result = world.helped_result(&request, party);
        world.send(&keys(party).node, "results.record", &result).unwrap();
    }
    assert_eq!(kind(&world, &request), Kind::Computed);
}

#[test]
fn refusals_by_people_are_told() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    world.send(&approvers()[0], "requests.approve", &Approve { request, contract, approve: false }).unwrap();
    assert_eq!(kind(&world, &request), Kind::Refused("objected".into()));

    let request = world.apply(&[contract]).unwrap();
    let decline = Decline { request, contract, code: "declined".into() };
    world.send(&keys("northgate").node, "requests.decline", &decline).unwrap();
    assert_eq!(kind(&world, &request), Kind::Refused("declined".into()));

    let request = world.apply(&[contract]).unwrap();
    world.send(&researcher(), "requests.cancel", &Cancel { request }).unwrap();
    assert_eq!(kind(&world, &request), Kind::Cancelled);

    let request = world.apply(&[contract]).unwrap();
    world.judge(&request, "approvals_missing").unwrap();
    assert_eq!(kind(&world, &request), Kind::Refused("approvals_missing".into()));

    let (_, request, grant) = world.granted();
    world.send(&keys("northgate").node, "grants.revoke", &GrantRevoke { grant }).unwrap();
    assert_eq!(kind(&world, &request), Kind::Refused("grant_revoked".into()));

    let (_, request) = world.approved();
    world.judge(&request, "ok").unwrap();
    world.send(&researcher(), "requests.cancel", &Cancel { request }).unwrap();
    assert_eq!(kind(&world, &request), Kind::Cancelled);
}

fn step_refused(method: &str, code: &str) -> Kind {
    Kind::StepRefused { method: method.into(), code: code.into() }
}

/// Anyone can have a transaction about anyone's request refused: that tells nothing about the request.
#[test]
fn a_strangers_refused_step_ends_nothing() {
    let mut world = World::ready();
    let (contract, request, grant) = world.granted();
    let approve = Approve { request, contract, approve: false };
    let meddle = |world: &mut World| {
        world.send(&key("stranger"), "requests.approve", &approve).unwrap_err();
        let ids = chain(world, &request, &[world.last()]);
        account(world, &ids).unwrap()
    };
    assert_eq!(meddle(&mut world).kind, step_refused("requests.approve", "not_permitted"));
    world.redeem(&grant, &researcher()).unwrap();
    let told = meddle(&mut world);
    let last = told.steps.last().unwrap();
    assert_eq!(
        (told.kind, last.name.as_str(), last.code.as_str()),
        (Kind::Released, "requests.approve", "not_permitted")
    );
    assert_eq!(last.by, key("stranger").public());

    let request = world.apply(&[contract]).unwrap();
    world.judge(&request, "approvals_missing").unwrap();
    world.send(&key("stranger"), "requests.cancel", &Cancel { request }).unwrap_err();
    let ids = chain(&world, &request, &[world.last()]);
    assert_eq!(account(&world, &ids).unwrap().kind, Kind::Refused("approvals_missing".into()));
}

#[test]
fn refusals_by_rules_are_told() {
    let mut world = World::ready();
    // A purpose that the contract does not allow: there is no request, but there is a receipt.
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let mut apply = application(&[contract]);
    apply.purpose = "marketing".into();
    world.send(&researcher(), "requests.apply", &apply).unwrap_err();
    let mut ids = read::contract_ids(&world.state, &apply).unwrap();
    ids.push(world.last());
    let told = account(&world, &ids).unwrap();
    assert_eq!((told.kind, told.request), (Kind::Refused("purpose_not_allowed".into()), world.last()));
    assert_eq!(told.steps.last().unwrap().at, None);

    // A changed verdict, then the true one, a stolen grant, the redemption, and one more.
    let (contract, request) = world.approved();
    let mut changed = signed(world.verdict(&request, "ok"));
    changed.verdict.not_after += 1;
    world.send(&keys("riverside").node, "verdicts.record", &changed).unwrap_err();
    let ids = chain(&world, &request, &[world.last()]);
    assert_eq!(account(&world, &ids).unwrap().kind, step_refused("verdicts.record", "verdict_invalid"));
    world.judge(&request, "ok").unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &key("thief")).unwrap_err();
    let stolen = world.last();
    let ids = chain(&world, &request, &[stolen]);
    assert_eq!(account(&world, &ids).unwrap().kind, step_refused("releases.record", "grant_wrong_key"));
    world.redeem(&grant, &researcher()).unwrap();
    world.redeem(&grant, &researcher()).unwrap_err();
    let ids = chain(&world, &request, &[world.last()]);
    let told = account(&world, &ids).unwrap();
    assert_eq!((told.kind, told.steps.last().unwrap().code.as_str()), (Kind::Released, "grant_already_used"));
    // A refusal in the middle proves nothing about what follows.
    let ids = chain(&world, &request, &[stolen]);
    assert!(matches!(account(&world, &ids), Err(Error::RefusedEarly { .. })));
}

#[test]
fn amended_contracts_are_told() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let terms = world.release_terms();
    world.send(&keys("northgate").operator, "contracts.amend", &Amend { contract, terms }).unwrap();
    let mut apply = application(&[contract]);
    apply.contracts[0] = ContractVersion { contract, version: 2 };
    let request = world.send(&researcher(), "requests.apply", &apply).unwrap();
    for approver in &approvers()[..2] {
        world.approve(&request, &contract, approver).unwrap();
    }
    world.judge(&request, "ok").unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &researcher()).unwrap();
    assert_eq!(kind(&world, &request), Kind::Released);
}

#[test]
fn no_link_may_be_missing_or_foreign() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let (_, other, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let whole = chain(&world, &request, &[]);
    assert!(account(&world, &whole).is_ok());
    for left_out in &whole {
        let ids: Vec<Digest> = whole.iter().filter(|id| *id != left_out).copied().collect();
        assert!(account(&world, &ids).is_err());
    }
    for foreign in chain(&world, &other, &[]) {
        if !whole.contains(&foreign) {
            let mut ids = whole.clone();
            ids.push(foreign);
            assert!(account(&world, &ids).is_err());
        }
    }
    // Transactions that are no part of a request's life.
    let joined = world.log[1].transaction.id();
    let mut ids = whole.clone();
    ids.push(joined);
    assert!(matches!(account(&world, &ids), Err(Error::Unrelated { .. })));
    assert!(matches!(account(&world, &[]), Err(Error::Incomplete { .. })));
}

#[test]
fn the_oracles_are_the_pinned_ones() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let receipt = world.receipt(&chain(&world, &request, &[]));
    let pinned = world.consortium();
    assert!(check(&receipt, &pinned).is_ok());
    let mut other = pinned.clone();
    other.oracles[0].key = key("another group").public();
    assert!(check(&receipt, &other).is_err());
    let mut other = pinned.clone();
    other.oracles.clear();
    assert!(check(&receipt, &other).is_err());
    let mut other = pinned.clone();
    other.oracles[0].threshold = 3;
    assert!(check(&receipt, &other).is_err());
    let mut other = pinned;
    other.chain = digest("another chain");
    assert!(check(&receipt, &other).is_err());
}

/// Even a ledger whose validators all lie cannot make a verdict: the chain checks the oracles' signature itself.
#[test]
fn a_forged_verdict_is_refused_whatever_the_log_says() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let ids = chain(&world, &request, &[]);
    let mut receipt = world.receipt(&ids);
    let at = receipt.entries.iter().position(|entry| entry.transaction.transaction.contract == "verdicts").unwrap();
    let mut forged = signed(world.verdict(&request, "ok"));
    forged.signature = key("forger").sign(Label::VERDICT, &wire::to_vec(&forged.verdict));
    receipt.entries[at].transaction.transaction.arguments = wire::to_vec(&forged).into();
    assert!(matches!(check(&receipt, &world.consortium()), Err(Error::Broken { .. })));
}
