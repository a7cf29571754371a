//! A request's life, and each rule that can end it.

use contracts::message::{
    Amend, Apply, Approve, AssetRetire, Cancel, ContractState, ContractVersion, Decline, Destroy, GrantIssue,
    GrantRevoke, PrincipalRevoke, Verdict,
};
use contracts::record::Phase;
use contracts::{GRANT_SKEW, MAX_PENDING, read};
use crypto::kem::Suite;
use crypto::{Digest, Label};
use wire::Fixed;

use crate::world::*;

fn refused<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

fn phase(world: &World, request: &Digest) -> Phase {
    read::request(&world.state, request).unwrap().unwrap().phase
}

#[test]
fn a_release_from_offer_to_redemption() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    assert_eq!(phase(&world, &request), Phase::Allowed);
    let record = read::grant(&world.state, &grant).unwrap().unwrap();
    assert_eq!((record.holder, record.owner.as_str()), (researcher().public(), "northgate"));
    world.redeem(&grant, &researcher()).unwrap();
    assert_eq!(phase(&world, &request), Phase::Done);
    assert!(read::grant(&world.state, &grant).unwrap().unwrap().redeemed.is_some());
    assert!(read::open_requests(&world.state, "northgate", None, 10).unwrap().items.is_empty());
    assert_eq!(read::requests_of(&world.state, &researcher().public(), None, 10).unwrap().items.len(), 1);
}

#[test]
fn a_computation_from_offers_to_results() {
    let mut world = World::ready();
    let (_, request) = world.computing();
    for owner in HOSPITALS {
        assert_eq!(read::open_requests(&world.state, owner, None, 10).unwrap().items.len(), 1);
        let result = world.result(&request, owner);
        world.send(&keys(owner).node, "results.record", &result).unwrap();
    }
    assert_eq!(phase(&world, &request), Phase::Done);
    let record = read::request(&world.state, &request).unwrap().unwrap();
    assert_eq!((record.results.len(), record.ended.len()), (3, 3));
    assert!(read::open_requests(&world.state, "riverside", None, 10).unwrap().items.is_empty());
}

#[test]
fn each_party_records_once_that_it_has_destroyed_its_part() {
    let mut world = World::ready();
    let (_, request) = world.helped();
    let destroy = Destroy { request };
    for party in ["northgate", "health-authority", "st-anna"] {
        let result = world.helped_result(&request, party);
        world.send(&keys(party).node, "results.record", &result).unwrap();
    }
    // The helper too, and one whose share was not needed.
    for party in ["health-authority", "riverside"] {
        world.send(&keys(party).node, "results.destroy", &destroy).unwrap();
        assert_eq!(refused(world.send(&keys(party).node, "results.destroy", &destroy)), "already_recorded");
    }
    let record = read::request(&world.state, &request).unwrap().unwrap();
    let told: Vec<_> = record.destroyed.iter().map(|destroyed| (destroyed.party.as_str(), destroyed.at)).collect();
    assert_eq!(told, [("health-authority", world.now), ("riverside", world.now)]);
    assert_eq!(record.phase, Phase::Done);
    assert_eq!(refused(world.send(&researcher(), "results.destroy", &destroy)), "not_permitted");
    let unknown = Destroy { request: digest("none") };
    assert_eq!(refused(world.send(&keys("northgate").node, "results.destroy", &unknown)), "unknown_request");

    let contracts: Vec<Digest> =
        HOSPITALS.iter().map(|owner| world.offer(owner, world.compute_terms(owner)).unwrap()).collect();
    let pending = Destroy { request: world.apply(&contracts).unwrap() };
    assert_eq!(refused(world.send(&keys("northgate").node, "results.destroy", &pending)), "approvals_missing");
    assert_eq!(refused(world.send(&keys("health-authority").node, "results.destroy", &pending)), "not_permitted");
    let (_, released, _) = world.granted();
    let released = Destroy { request: released };
    assert_eq!(refused(world.send(&keys("northgate").node, "results.destroy", &released)), "contracts_mismatch");
}

#[test]
fn applications_are_checked_at_once() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let computes: Vec<Digest> =
        HOSPITALS.iter().map(|owner| world.offer(owner, world.compute_terms(owner)).unwrap()).collect();
    let other_program = {
        let mut terms = world.compute_terms("riverside");
        terms.program = Some(program(12));
        world.offer("riverside", terms).unwrap()
    };
    let again = world.offer("st-anna", world.compute_terms("st-anna")).unwrap();
    let mut case = |code: &str, contracts: &[Digest], change: &dyn Fn(&mut Apply)| {
        let mut apply = application(contracts);
        change(&mut apply);
        assert_eq!(refused(world.send(&researcher(), "requests.apply", &apply)), code);
    };
    case("purpose_not_allowed", &[contract], &|apply| apply.purpose = "marketing".into());
    case("unknown_contract", &[digest("none")], &|_| {});
    case("contract_changed", &[contract], &|apply| apply.contracts[0].version = 2);
    case("contracts_mismatch", &[], &|_| {});
    case("contracts_mismatch", &[contract, contract], &|_| {});
    case("contracts_mismatch", &[contract, computes[0]], &|_| {});
    case("contracts_mismatch", &[computes[0]], &|_| {});
    case("contracts_mismatch", &[computes[0], other_program], &|_| {});
    case("contracts_mismatch", &[computes[0], again], &|_| {});
    // Two parties cannot keep a secret from two corrupt ones.
    case("no_protocol", &computes[..2], &|_| {});
    case("ok", &computes, &|_| {});
    case("evidence_invalid", &[contract], &|apply| apply.evidence[0].kind = "attestation".into());
    case("evidence_invalid", &[contract], &|apply| apply.evidence.push(apply.evidence[0].clone()));
    case("too_many", &[contract], &|apply| apply.evidence = vec![apply.evidence[0].clone(); 9]);
    case("ok", &[contract], &|apply| apply.evidence.clear());
    world.send(&keys("northgate").node, "assets.retire", &AssetRetire { asset: world.asset_id("northgate") }).unwrap();
    assert_eq!(refused(world.apply(&[contract])), "asset_retired");
}

#[test]
fn open_requests_are_bounded_and_listed() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let first = world.apply(&[contract]).unwrap();
    for _ in 1..MAX_PENDING {
        world.now += 1;
        world.apply(&[contract]).unwrap();
    }
    assert_eq!(refused(world.apply(&[contract])), "too_many_open");
    let page = read::requests_under(&world.state, &contract, None, 100).unwrap();
    assert_eq!((page.items.len(), page.items[0].id), (100, first));
    assert!(page.items.is_sorted_by_key(|request| request.since));
    let next = read::open_requests(&world.state, "northgate", page.next.as_deref(), 1000).unwrap();
    assert_eq!(next.items.len(), read::MAX_PAGE);
    assert_eq!(next.items[0].since, page.items[99].since + 1);
    world.send(&researcher(), "requests.cancel", &Cancel { request: first }).unwrap();
    assert_eq!(refused(world.apply(&[contract])), "ok");
}

#[test]
fn only_the_requester_cancels_and_only_in_time() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    let cancel = Cancel { request };
    assert_eq!(refused(world.send(&approvers()[0], "requests.cancel", &cancel)), "not_permitted");
    world.send(&researcher(), "requests.cancel", &cancel).unwrap();
    assert_eq!(phase(&world, &request), Phase::Cancelled);
    assert_eq!(refused(world.send(&researcher(), "requests.cancel", &cancel)), "request_closed");
    assert_eq!(refused(world.approve(&request, &contract, &approvers()[0])), "request_closed");
    assert_eq!(refused(world.judge(&request, "policy_denied")), "request_closed");
    let (_, request, _) = world.granted();
    assert_eq!(refused(world.send(&researcher(), "requests.cancel", &Cancel { request })), "request_closed");
    let none = Cancel { request: digest("none") };
    assert_eq!(refused(world.send(&researcher(), "requests.cancel", &none)), "unknown_request");
}

#[test]
fn owners_decline() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    let decline = |code: &str| Decline { request, contract, code: code.into() };
    assert_eq!(refused(world.send(&keys("riverside").node, "requests.decline", &decline("declined"))), "not_permitted");
    let node = keys("northgate").node;
    assert_eq!(refused(world.send(&node, "requests.decline", &decline("Not a code"))), "malformed");
    assert_eq!(refused(world.send(&node, "requests.decline", &decline("ok"))), "malformed");
    world.send(&node, "requests.decline", &decline("evidence_invalid")).unwrap();
    assert_eq!(phase(&world, &request), Phase::Refused("evidence_invalid".into()));
}

#[test]
fn approvers_speak_once() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    let [first, second, third] = approvers();
    assert_eq!(refused(world.approve(&request, &contract, &researcher())), "not_permitted");
    assert_eq!(refused(world.approve(&request, &digest("none"), &first)), "unknown_contract");
    world.approve(&request, &contract, &first).unwrap();
    assert_eq!(refused(world.approve(&request, &contract, &first)), "already_voted");
    let revoke = PrincipalRevoke { key: second.public() };
    world.send(&keys("northgate").operator, "members.principal_revoke", &revoke).unwrap();
    assert_eq!(refused(world.approve(&request, &contract, &second)), "not_permitted");
    world.send(&third, "requests.approve", &Approve { request, contract, approve: false }).unwrap();
    assert_eq!(phase(&world, &request), Phase::Refused("objected".into()));
    assert_eq!(refused(world.judge(&request, "ok")), "request_closed");
}

#[test]
fn verdicts_are_what_the_oracles_signed() {
    let mut world = World::ready();
    let (_, request) = world.approved();
    let verdict = world.verdict(&request, "ok");
    let node = keys("st-anna").node;
    let good = signed(verdict.clone());

    // One byte of the body or of the signature.
    let mut changed = good.clone();
    changed.verdict.not_after ^= 1;
    assert_eq!(refused(world.send(&node, "verdicts.record", &changed)), "verdict_invalid");
    for at in [0, 31, 32, 63] {
        let mut changed = good.clone();
        changed.signature.0.0[at] ^= 1;
        assert_eq!(refused(world.send(&node, "verdicts.record", &changed)), "verdict_invalid");
    }
    let mut foreign = good.clone();
    foreign.signature = key("forger").sign(Label::VERDICT, &wire::to_vec(&verdict));
    assert_eq!(refused(world.send(&node, "verdicts.record", &foreign)), "verdict_invalid");
    let mut other_label = good.clone();
    other_label.signature = oracle_key().sign(Label::CREDENTIAL, &wire::to_vec(&verdict));
    assert_eq!(refused(world.send(&node, "verdicts.record", &other_label)), "verdict_invalid");
    assert_eq!(refused(world.send(&researcher(), "verdicts.record", &good)), "not_permitted");
    for signers in [vec!["st-anna"], vec!["st-anna", "st-anna"], vec!["st-anna", "health-authority"]] {
        let mut changed = good.clone();
        changed.signers = signers.into_iter().map(String::from).collect();
        assert_eq!(refused(world.send(&node, "verdicts.record", &changed)), "verdict_invalid");
    }
    assert_eq!(refused(world.send(&node, "verdicts.record", &good)), "ok");
    assert_eq!(refused(world.send(&node, "verdicts.record", &good)), "request_closed");
}

#[test]
fn verdicts_say_what_the_ledger_knows() {
    let mut world = World::ready();
    let (_, request) = world.approved();
    let good = world.verdict(&request, "ok");
    let now = world.now;
    let mut case = |code: &str, change: &dyn Fn(&mut Verdict)| {
        let mut verdict = good.clone();
        change(&mut verdict);
        assert_eq!(refused(world.record(verdict)), code);
    };
    case("verdict_invalid", &|verdict| verdict.chain = digest("another"));
    case("verdict_invalid", &|verdict| verdict.epoch = 2);
    case("unknown_request", &|verdict| verdict.request = digest("none"));
    case("verdict_invalid", &|verdict| verdict.contracts[0].contract.version = 2);
    case("verdict_invalid", &|verdict| verdict.contracts.clear());
    case("verdict_invalid", &|verdict| verdict.contracts[0].terms = digest("other terms"));
    case("verdict_invalid", &|verdict| verdict.contracts[0].policy = digest("other policy"));
    case("verdict_invalid", &|verdict| verdict.contracts[0].approvals[0] = approvers()[2].public());
    case("verdict_invalid", &|verdict| verdict.contracts[0].approvals.reverse());
    case("verdict_invalid", &|verdict| verdict.contracts[0].approvals = vec![approvers()[0].public(); 2]);
    case("approvals_missing", &|verdict| verdict.contracts[0].approvals.truncate(1));
    case("verdict_invalid", &|verdict| verdict.appraisals.clear());
    case("verdict_invalid", &|verdict| verdict.appraisals[0].commitment = digest("other"));
    case("not_accredited", &|verdict| verdict.appraisals[0].claims.clear());
    case("not_accredited", &|verdict| verdict.appraisals[0].code = "evidence_invalid".into());
    case("malformed", &|verdict| verdict.decision = "No!".into());
    case("verdict_invalid", &|verdict| verdict.decided = now + 31_000);
    case("verdict_invalid", &|verdict| verdict.not_after = verdict.decided + HOUR + 1);
    case("verdict_invalid", &|verdict| verdict.not_after = verdict.decided);
    case("verdict_expired", &|verdict| verdict.decided = now - 301_000);
    case("verdict_expired", &|verdict| (verdict.decided, verdict.not_after) = (now - 100, now));
    case("ok", &|verdict| verdict.decided = now - 299_000);
}

#[test]
fn verdicts_refuse() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    world.approve(&request, &contract, &approvers()[0]).unwrap();
    assert_eq!(refused(world.judge(&request, "ok")), "approvals_missing");
    world.judge(&request, "approvals_missing").unwrap();
    assert_eq!(phase(&world, &request), Phase::Refused("approvals_missing".into()));
    assert_eq!(refused(world.grant(&contract, &request)), "request_closed");
}

#[test]
fn an_older_oracle_epoch_judges_no_more() {
    let mut world = World::ready();
    let (_, request) = world.approved();
    let verdict = world.verdict(&request, "ok");
    HOSPITALS.iter().for_each(|name| _ = world.send(&keys(name).node, "oracles.confirm", &oracles(2)).unwrap());
    assert_eq!(refused(world.record(verdict)), "verdict_invalid");
    assert_eq!(refused(world.judge(&request, "ok")), "ok");
}

#[test]
fn suspended_contracts_allow_nothing() {
    let mut world = World::ready();
    let (contract, request) = world.approved();
    let operator = keys("northgate").operator;
    world.send(&operator, "contracts.suspend", &ContractState { contract }).unwrap();
    assert_eq!(refused(world.judge(&request, "ok")), "contract_not_in_force");
    world.send(&operator, "contracts.resume", &ContractState { contract }).unwrap();
    world.judge(&request, "ok").unwrap();
    world.send(&operator, "contracts.suspend", &ContractState { contract }).unwrap();
    assert_eq!(refused(world.grant(&contract, &request)), "contract_not_in_force");
    world.send(&operator, "contracts.resume", &ContractState { contract }).unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.send(&operator, "contracts.suspend", &ContractState { contract }).unwrap();
    assert_eq!(refused(world.redeem(&grant, &researcher())), "contract_not_in_force");
}

#[test]
fn an_amendment_after_the_verdict_leaves_the_grant() {
    let mut world = World::ready();
    let (contract, request) = world.approved();
    world.judge(&request, "ok").unwrap();
    let mut terms = world.release_terms();
    terms.grant.seconds = 1;
    world.send(&keys("northgate").operator, "contracts.amend", &Amend { contract, terms }).unwrap();
    // The grant is measured by the terms the request was made under.
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &researcher()).unwrap();
}

#[test]
fn grants_follow_contract_and_verdict() {
    let mut world = World::ready();
    let (contract, request) = world.approved();
    assert_eq!(refused(world.grant(&contract, &request)), "request_closed");
    world.judge(&request, "ok").unwrap();
    let now = world.now;
    let good = GrantIssue { request, contract, not_before: now, not_after: now + 5000 };
    assert_eq!(refused(world.send(&keys("riverside").node, "grants.issue", &good)), "not_permitted");
    let node = keys("northgate").node;
    let send = |world: &mut World, issue: &GrantIssue| refused(world.send(&node, "grants.issue", issue));
    assert_eq!(send(&mut world, &GrantIssue { not_after: now + 5001 + GRANT_SKEW, ..good.clone() }), "grant_invalid");
    assert_eq!(send(&mut world, &GrantIssue { not_after: now, ..good.clone() }), "grant_invalid");
    let past = GrantIssue { not_before: now - 5000, not_after: now, ..good.clone() };
    assert_eq!(send(&mut world, &past), "grant_invalid");
    let late = GrantIssue { not_before: now + 599_000, not_after: now + 600_001, ..good.clone() };
    assert_eq!(send(&mut world, &late), "grant_invalid");
    let other = GrantIssue { contract: digest("none"), ..good.clone() };
    assert_eq!(send(&mut world, &other), "not_permitted");
    assert_eq!(send(&mut world, &good), "ok");
    assert_eq!(send(&mut world, &good), "grant_exists");

    let (contract, request) = world.approved();
    world.judge(&request, "ok").unwrap();
    world.now += 600_001;
    assert_eq!(refused(world.grant(&contract, &request)), "verdict_expired");
}

#[test]
fn a_grant_opens_once_for_its_holder_in_its_window() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    assert_eq!(refused(world.redeem(&digest("none"), &researcher())), "unknown_grant");
    assert_eq!(refused(world.redeem(&grant, &key("thief"))), "grant_wrong_key");
    let good = world.redemption(&grant, &researcher());
    assert_eq!(refused(world.send(&keys("riverside").node, "releases.record", &good)), "not_permitted");
    let node = keys("northgate").node;
    let mut changed = good.clone();
    changed.signed += 1;
    assert_eq!(refused(world.send(&node, "releases.record", &changed)), "grant_wrong_key");
    let mut changed = good.clone();
    changed.root = digest("another root");
    assert_eq!(refused(world.send(&node, "releases.record", &changed)), "root_mismatch");
    let mut changed = good.clone();
    changed.suite = Suite::XWing;
    assert_eq!(refused(world.send(&node, "releases.record", &changed)), "malformed");
    world.now -= GRANT_SKEW + 1;
    assert_eq!(refused(world.redeem(&grant, &researcher())), "grant_not_yet");
    world.now += GRANT_SKEW + 5002;
    assert_eq!(refused(world.redeem(&grant, &researcher())), "grant_expired");
    // Signed in the window, recorded after it: too late as well.
    assert_eq!(refused(world.send(&node, "releases.record", &good)), "grant_expired");
    world.now -= 1;
    world.redeem(&grant, &researcher()).unwrap();
    assert_eq!(refused(world.redeem(&grant, &researcher())), "grant_already_used");
    assert_eq!(phase(&world, &request), Phase::Done);
}

#[test]
fn owners_revoke_grants() {
    let mut world = World::ready();
    let (_, request, grant) = world.granted();
    let revoke = GrantRevoke { grant };
    assert_eq!(refused(world.send(&keys("riverside").operator, "grants.revoke", &revoke)), "not_permitted");
    assert_eq!(refused(world.send(&researcher(), "grants.revoke", &revoke)), "not_permitted");
    world.send(&keys("northgate").operator, "grants.revoke", &revoke).unwrap();
    assert_eq!(refused(world.send(&keys("northgate").node, "grants.revoke", &revoke)), "grant_revoked");
    assert_eq!(refused(world.redeem(&grant, &researcher())), "grant_revoked");
    assert_eq!(phase(&world, &request), Phase::Refused("grant_revoked".into()));
    let (_, _, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let revoke = GrantRevoke { grant };
    assert_eq!(refused(world.send(&keys("northgate").node, "grants.revoke", &revoke)), "grant_already_used");
}

#[test]
fn as_many_results_as_it_takes_are_enough() {
    let mut world = World::ready();
    let (_, request) = world.helped();
    assert_eq!(phase(&world, &request), Phase::Allowed);
    for party in ["northgate", "health-authority", "st-anna"] {
        let result = world.helped_result(&request, party);
        world.send(&keys(party).node, "results.record", &result).unwrap();
    }
    assert_eq!(phase(&world, &request), Phase::Done);
    let late = world.helped_result(&request, "riverside");
    assert_eq!(refused(world.send(&keys("riverside").node, "results.record", &late)), "request_closed");
}

#[test]
fn helpers_are_members_that_own_nothing_in_it() {
    let mut world = World::ready();
    let mut terms = world.compute_terms("northgate");
    (terms.helpers, terms.max_corrupt) = (vec!["nobody".into()], 1);
    assert_eq!(refused(world.offer("northgate", terms)), "unknown_member");
    let (one, two) = (world.helped_terms("northgate"), world.helped_terms("riverside"));
    let both = [world.offer("northgate", one).unwrap(), world.offer("riverside", two).unwrap()];
    assert_eq!(refused(world.apply(&both)), "no_protocol", "one more party is needed");
    let mut other = world.helped_terms("st-anna");
    other.helpers = vec!["riverside".into()];
    let other = world.offer("st-anna", other).unwrap();
    assert_eq!(refused(world.apply(&[both[0], both[1], other])), "contracts_mismatch");
    let mut same = world.helped_terms("northgate");
    same.helpers = vec!["riverside".into()];
    let same = world.offer("northgate", same).unwrap();
    let mut own = world.helped_terms("riverside");
    own.helpers = vec!["riverside".into()];
    let own = world.offer("riverside", own).unwrap();
    assert_eq!(refused(world.apply(&[same, own])), "contracts_mismatch");
}

#[test]
fn results_follow_from_the_request() {
    let mut world = World::ready();
    let (contracts, request) = world.computing();
    let node = keys("riverside").node;
    let good = world.result(&request, "riverside");
    let mut case = |code: &str, change: &dyn Fn(&mut contracts::message::ResultRecord)| {
        let mut result = good.clone();
        change(&mut result);
        assert_eq!(refused(world.send(&node, "results.record", &result)), code);
    };
    case("not_permitted", &|result| result.party = "st-anna".into());
    case("unknown_request", &|result| result.request = digest("none"));
    case("result_mismatch", &|result| result.session = digest("other"));
    case("result_mismatch", &|result| result.program = digest("other"));
    case("result_mismatch", &|result| result.parties.reverse());
    case("result_mismatch", &|result| result.protocol = "shamir".into());
    case("result_mismatch", &|result| result.adversary = "malicious".into());
    case("simulated_refused", &|result| result.simulated = true);
    case("ok", &|_| {});
    case("already_recorded", &|_| {});
    assert_eq!(refused(world.send(&researcher(), "results.record", &good)), "not_permitted");
    // Shares of different runs do not fit together.
    let mut other = world.result(&request, "northgate");
    other.run = Fixed([8; 16]);
    assert_eq!(refused(world.send(&keys("northgate").node, "results.record", &other)), "result_mismatch");
    let helper = world.result(&request, "health-authority");
    assert_eq!(refused(world.send(&keys("health-authority").node, "results.record", &helper)), "not_permitted");
    // A grant is not how a computation is enjoyed, nor a result how a release is.
    let issue = GrantIssue { request, contract: contracts[1], not_before: world.now, not_after: world.now + 1000 };
    assert_eq!(refused(world.send(&keys("riverside").node, "grants.issue", &issue)), "contracts_mismatch");
    let (_, request) = world.approved();
    world.judge(&request, "ok").unwrap();
    let result = world.result(&request, "northgate");
    assert_eq!(refused(world.send(&keys("northgate").node, "results.record", &result)), "contracts_mismatch");
}

#[test]
fn versions_are_kept_for_their_requests() {
    let mut world = World::ready();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    let ids = read::chain_ids(&world.state, &request).unwrap();
    assert_eq!(ids.len(), 3);
    let terms = world.release_terms();
    let amended = world.send(&keys("northgate").operator, "contracts.amend", &Amend { contract, terms }).unwrap();
    assert_eq!(read::chain_ids(&world.state, &request).unwrap(), ids);
    let mut apply = application(&[contract]);
    apply.contracts[0] = ContractVersion { contract, version: 2 };
    let request = world.send(&researcher(), "requests.apply", &apply).unwrap();
    assert!(read::chain_ids(&world.state, &request).unwrap().contains(&amended));
    assert!(read::chain_ids(&world.state, &digest("none")).unwrap().is_empty());
}
