//! Contracts: bounds of the terms, versions, standing.

use contracts::message::{Amend, AssetRetire, ContractState, ContractVersion, Offer, PrincipalRevoke};
use contracts::read;
use contracts::record::Standing;
use policy::{Adversary, Terms, Visibility};
use wire::Bytes;

use crate::world::*;

fn refused<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

#[test]
fn the_owner_offers() {
    let mut world = World::ready();
    let terms = world.release_terms();
    assert_eq!(refused(world.offer("st-anna", terms.clone())), "not_permitted");
    let offer = Offer { terms: terms.clone() };
    assert_eq!(refused(world.send(&key("northgate/approver-1"), "contracts.offer", &offer)), "not_permitted");
    let id = world.send(&key("northgate/owner"), "contracts.offer", &offer).unwrap();
    let contract = read::contract(&world.state, &id).unwrap().unwrap();
    assert_eq!((contract.owner.as_str(), contract.version, contract.standing), ("northgate", 1, Standing::Active));
    assert_eq!(contract.terms, terms);
    let revoke = PrincipalRevoke { key: key("northgate/owner").public() };
    world.send(&keys("northgate").operator, "members.principal_revoke", &revoke).unwrap();
    assert_eq!(refused(world.send(&key("northgate/owner"), "contracts.offer", &offer)), "not_permitted");
}

#[test]
fn terms_are_bounded() {
    let mut world = World::ready();
    let good = world.release_terms();
    let mut cases: Vec<(&str, Terms)> = vec![];
    let mut case = |code, change: &dyn Fn(&mut Terms)| {
        let mut terms = good.clone();
        change(&mut terms);
        cases.push((code, terms));
    };
    case("terms_invalid", &|terms| terms.purposes.clear());
    case("terms_invalid", &|terms| terms.approvals.required = 4);
    case("terms_invalid", &|terms| terms.grant.uses = 2);
    case("terms_invalid", &|terms| terms.fee = Some(1));
    case("terms_invalid", &|terms| terms.policy = digest("another policy"));
    case("terms_invalid", &|terms| terms.evidence[0].kind = "attestation".into());
    case("terms_invalid", &|terms| terms.visibility = Visibility::Private);
    case("unknown_asset", &|terms| terms.asset = digest("nothing"));
    case("unknown_approver", &|terms| terms.approvals.approvers[0] = researcher().public());
    case("unknown_approver", &|terms| terms.approvals.approvers[0] = key("northgate/owner").public());
    for (code, terms) in cases {
        assert_eq!(refused(world.offer("northgate", terms)), code);
    }
    // Private particulars stay off the ledger; the members named must exist.
    let mut private = good.clone();
    private.disclosed = None;
    private.visibility = Visibility::Members(vec!["nobody".into()]);
    assert_eq!(refused(world.offer("northgate", private.clone())), "unknown_member");
    private.visibility = Visibility::Members(vec!["riverside".into()]);
    assert_eq!(refused(world.offer("northgate", private.clone())), "ok");
    private.visibility = Visibility::Private;
    assert_eq!(refused(world.offer("northgate", private)), "ok");
    world.send(&keys("northgate").node, "assets.retire", &AssetRetire { asset: good.asset }).unwrap();
    assert_eq!(refused(world.offer("northgate", good)), "asset_retired");
}

#[test]
fn computations_promise_only_what_a_protocol_keeps() {
    let mut world = World::ready();
    let good = world.compute_terms("northgate");
    let mut cases: Vec<(&str, Terms)> = vec![];
    let mut case = |code, change: &dyn Fn(&mut Terms)| {
        let mut terms = good.clone();
        change(&mut terms);
        cases.push((code, terms));
    };
    // A group of nine: the program would let it out, the terms ask for ten.
    case("minimum_group_too_small", &|terms| terms.program = Some(program(9)));
    case("ok", &|terms| terms.program = Some(program(11)));
    case("program_invalid", &|terms| terms.program = Some(Bytes(vec![0x80])));
    case("program_invalid", &|terms| {
        let mut bytes = program(10);
        bytes.0.push(0);
        terms.program = Some(bytes);
    });
    case("terms_invalid", &|terms| terms.program = None);
    case("terms_invalid", &|terms| terms.minimum_group = 0);
    // Two of five malicious: `shamir`. Eight of any number up to sixteen: nothing withstands it. One of three: `rep3` does.
    case("ok", &|terms| terms.adversary = Adversary::Malicious);
    case("no_protocol", &|terms| (terms.adversary, terms.max_corrupt) = (Adversary::Malicious, 8));
    case("no_protocol", &|terms| (terms.adversary, terms.max_corrupt) = (Adversary::Covert, 8));
    case("ok", &|terms| (terms.adversary, terms.max_corrupt) = (Adversary::Malicious, 1));
    case("ok", &|terms| (terms.adversary, terms.max_corrupt) = (Adversary::Covert, 1));
    case("ok", &|terms| terms.tolerate_dropouts = 1);
    case("no_protocol", &|terms| terms.tolerate_dropouts = 12);
    case("terms_invalid", &|terms| terms.helpers = vec!["St Anna".into()]);
    case("terms_invalid", &|terms| terms.privacy_budget = Some(1));
    case("ok", &|_| {});
    for (code, terms) in cases {
        assert_eq!(refused(world.offer("northgate", terms)), code);
    }
}

#[test]
fn amendments_make_versions() {
    let mut world = World::ready();
    let terms = world.release_terms();
    let contract = world.offer("northgate", terms.clone()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    let mut amended = terms.clone();
    amended.purposes = vec!["teaching".into()];
    let amend = Amend { contract, terms: amended.clone() };
    assert_eq!(refused(world.send(&keys("riverside").operator, "contracts.amend", &amend)), "not_permitted");
    let mut moved = amend.clone();
    moved.terms.asset = world.asset_id("riverside");
    assert_eq!(refused(world.send(&keys("northgate").operator, "contracts.amend", &moved)), "terms_invalid");
    world.send(&keys("northgate").operator, "contracts.amend", &amend).unwrap();
    assert_eq!(read::contract(&world.state, &contract).unwrap().unwrap().version, 2);
    let first = read::version(&world.state, &ContractVersion { contract, version: 1 }).unwrap().unwrap();
    assert_eq!((first.terms, first.transaction), (terms, contract));

    // The request under version 1 lapses, visibly: no approval, no permission, only its refusal.
    assert_eq!(refused(world.approve(&request, &contract, &approvers()[0])), "contract_changed");
    assert_eq!(refused(world.judge(&request, "ok")), "contract_changed");
    assert_eq!(refused(world.apply(&[contract])), "contract_changed");
    world.judge(&request, "contract_changed").unwrap();
}

#[test]
fn standing_governs() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let state = ContractState { contract };
    let operator = keys("northgate").operator;
    let send = |world: &mut World, method: &str| refused(world.send(&operator, method, &state));
    assert_eq!(send(&mut world, "contracts.resume"), "contract_not_in_force");
    assert_eq!(send(&mut world, "contracts.suspend"), "ok");
    assert_eq!(refused(world.apply(&[contract])), "contract_not_in_force");
    assert_eq!(send(&mut world, "contracts.resume"), "ok");
    assert_eq!(refused(world.apply(&[contract])), "ok");
    assert_eq!(send(&mut world, "contracts.revoke"), "ok");
    assert_eq!(send(&mut world, "contracts.resume"), "contract_not_in_force");
    assert_eq!(refused(world.apply(&[contract])), "contract_not_in_force");
    let terms = world.release_terms();
    assert_eq!(refused(world.send(&operator, "contracts.amend", &Amend { contract, terms })), "contract_not_in_force");
    let none = ContractState { contract: digest("none") };
    assert_eq!(refused(world.send(&operator, "contracts.suspend", &none)), "unknown_contract");
    assert_eq!(read::contracts(&world.state, None, 10).unwrap().items.len(), 1);
}

#[test]
fn windows_govern() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    world.now = START + 24 * HOUR - 1;
    assert_eq!(refused(world.apply(&[contract])), "ok");
    world.now = START + 24 * HOUR;
    assert_eq!(refused(world.apply(&[contract])), "contract_not_in_force");
    world.now = START - 2 * HOUR;
    assert_eq!(refused(world.apply(&[contract])), "contract_not_in_force");
}
