//! Requests: applied for, approved or objected to, declined, cancelled.

use std::collections::BTreeSet;

use crypto::Digest;
use ledger::Failure;
use policy::Means;

use crate::application::World;
use crate::members::{check_active, check_code};
use crate::message::{Apply, Approve, Cancel, Deadlines, Decline};
use crate::record::{Approval, Contract, Notice, Phase, Request, Role, Trigger, TriggerKind};
use crate::{code, key, offers, read, triggers};

/// Most undecided requests of one requester.
pub const MAX_PENDING: u32 = 1000;
/// Most contracts of a request.
pub const MAX_CONTRACTS: usize = 16;
/// Most pieces of evidence of a request.
pub const MAX_EVIDENCE: usize = 8;
/// The kind of evidence that can be checked.
pub const CREDENTIAL: &str = "credential";

pub(crate) fn apply(world: &mut World<'_>, apply: Apply) -> Result<(), Failure> {
    check_evidence(&apply)?;
    let contracts = check_contracts(world, &apply)?;
    for contract in &contracts {
        if !contract.terms.purposes.contains(&apply.purpose) {
            let allowed = contract.terms.purposes.join(", ");
            return Err(code::PURPOSE_NOT_ALLOWED.refuse(format!("the contract allows: {allowed}")));
        }
    }
    let pending = pending(world)?;
    if pending >= MAX_PENDING {
        return Err(code::TOO_MANY_OPEN.refuse(format!("{pending} requests are undecided, {MAX_PENDING} are allowed")));
    }
    world.put(key::pending_count(&world.sender()?), &(pending + 1));
    if let Some(Deadlines { undecided }) = read::parameters(world.state)?.and_then(|parameters| parameters.deadlines) {
        // Under terms whose window is over nothing is allowed any more.
        let windows = contracts.iter().map(|contract| contract.terms.window.not_after);
        let at = windows.fold(world.now.saturating_add(undecided), u64::min);
        world.put(key::deadline_of(&world.id), &at);
        triggers::set(world, &lapsing(world.id, at));
    }
    let request = Request {
        id: world.id,
        requester: world.sender()?,
        since: world.now,
        phase: Phase::Pending,
        approvals: vec![],
        verdict: None,
        decided: None,
        grant: None,
        ended: vec![],
        results: vec![],
        destroyed: vec![],
        ml_dsa: world.ml_dsa,
        helpers: contracts[0].terms.helpers.clone(),
        owners: contracts.into_iter().map(|contract| contract.owner).collect(),
        apply,
    };
    for prefix in indexes(&request) {
        world.put(key::stamped(&prefix, request.since, &request.id), &request.id);
    }
    world.put(key::request(&request.id), &request);
    tell(world, "request.applied", &request, &request.apply.purpose);
    Ok(())
}

pub(crate) fn cancel(world: &mut World<'_>, cancel: &Cancel) -> Result<(), Failure> {
    let mut request = find(world, &cancel.request)?;
    if request.requester != world.sender()? {
        return Err(code::NOT_PERMITTED.refuse("only the requester may cancel"));
    }
    let idle = request.phase == Phase::Allowed && request.grant.is_none() && request.results.is_empty();
    if !request.is_pending() && !idle {
        return Err(closed(&request));
    }
    // An allowed request keeps its verdict's transaction; the cancellation comes after it.
    match request.decided {
        None => request.decided = Some(world.id),
        Some(_) => request.ended.push(world.id),
    }
    settle(world, &mut request, Phase::Cancelled)?;
    tell(world, "request.cancelled", &request, "");
    Ok(())
}

pub(crate) fn decline(world: &mut World<'_>, decline: Decline) -> Result<(), Failure> {
    let member = world.node()?;
    let mut request = find(world, &decline.request)?;
    if request.owner_of(&decline.contract) != Some(&member) {
        return Err(code::NOT_PERMITTED.refuse(format!("the request names no such contract of `{member}`")));
    }
    check_code(&decline.code)?;
    if decline.code == code::OK {
        return Err(code::MALFORMED.refuse("a declined request has the code of a reason"));
    }
    if !request.is_pending() {
        return Err(closed(&request));
    }
    in_time(world, &request)?;
    request.decided = Some(world.id);
    settle(world, &mut request, Phase::Refused(decline.code.clone()))?;
    tell(world, "request.declined", &request, &decline.code);
    Ok(())
}

pub(crate) fn approve(world: &mut World<'_>, approve: &Approve) -> Result<(), Failure> {
    let mut request = find(world, &approve.request)?;
    let named = request.apply.contracts.iter().find(|named| named.contract == approve.contract).copied();
    let named = named.ok_or_else(|| code::UNKNOWN_CONTRACT.refuse("the request does not name this contract"))?;
    let terms = offers::terms_at(world, &named)?;
    let sender = world.sender()?;
    let principal = read::active_principal(world.state, &sender)?
        .is_some_and(|principal| principal.roles.contains(&Role::Approver));
    if !principal || !terms.approvals.approvers.contains(&sender) {
        return Err(code::NOT_PERMITTED.refuse("only the contract's approvers may approve or object"));
    }
    if !request.is_pending() {
        return Err(closed(&request));
    }
    in_time(world, &request)?;
    offers::unchanged(world, &named)?;
    let spoken = |approval: &Approval| approval.contract == approve.contract && approval.approver == sender;
    if request.approvals.iter().any(spoken) {
        return Err(code::ALREADY_VOTED.refuse("this approver has spoken on this request"));
    }
    let approval = Approval {
        contract: approve.contract,
        approver: sender,
        approve: approve.approve,
        transaction: world.id,
        ml_dsa: world.ml_dsa,
    };
    request.approvals.push(approval);
    let approver = sender.to_string();
    if approve.approve {
        world.put(key::request(&request.id), &request);
        tell(world, "request.approved", &request, &approver);
    } else {
        request.decided = Some(world.id);
        settle(world, &mut request, Phase::Refused(code::OBJECTED.code.into()))?;
        tell(world, "request.objected", &request, &approver);
    }
    Ok(())
}

/// Ends a request that nobody has decided in its time, by the ledger itself.
pub(crate) fn lapse(world: &mut World<'_>, id: &Digest) -> Result<(), Failure> {
    let mut request = find(world, id)?;
    if !request.is_pending() {
        return Err(closed(&request));
    }
    settle(world, &mut request, Phase::Refused(code::REQUEST_EXPIRED.code.into()))?;
    tell(world, "request.expired", &request, code::REQUEST_EXPIRED.code);
    Ok(())
}

/// Refuses to decide a request whose time is over, also where the ledger has not come to end it yet.
pub(crate) fn in_time(world: &World<'_>, request: &Request) -> Result<(), Failure> {
    match read::deadline(world.state, &request.id)? {
        Some(at) if at <= world.now => {
            Err(code::REQUEST_EXPIRED.refuse(format!("it was to be decided before {at}, and nobody did")))
        }
        _ => Ok(()),
    }
}

/// That a request ends if nobody decides it before.
const fn lapsing(request: Digest, at: u64) -> Trigger {
    Trigger { at, kind: TriggerKind::Lapse, subject: request }
}

/// A request.
pub(crate) fn find(world: &World<'_>, id: &Digest) -> Result<Request, Failure> {
    world.get(&key::request(id))?.ok_or_else(|| code::UNKNOWN_REQUEST.refuse(format!("no request {id}")))
}

/// The refusal of a step for which the request is too early or too late.
pub(crate) fn closed(request: &Request) -> Failure {
    code::REQUEST_CLOSED.refuse(format!("the request is {:?}", request.phase))
}

/// Moves a request on, keeps it, and keeps the indexes in step.
pub(crate) fn settle(world: &mut World<'_>, request: &mut Request, phase: Phase) -> Result<(), Failure> {
    if request.is_pending() && phase != Phase::Pending {
        let count: u32 = world.get(&key::pending_count(&request.requester))?.unwrap_or(0);
        world.put(key::pending_count(&request.requester), &count.saturating_sub(1));
        if let Some(at) = read::deadline(world.state, &request.id)? {
            world.remove(key::deadline_of(&request.id));
            triggers::unset(world, &lapsing(request.id, at))?;
        }
    }
    request.phase = phase;
    if !matches!(request.phase, Phase::Pending | Phase::Allowed) {
        close(world, request);
    }
    world.put(key::request(&request.id), request);
    Ok(())
}

/// Takes a request out of its owners' lists of what there is to do.
pub(crate) fn close(world: &mut World<'_>, request: &Request) {
    for owner in &request.owners {
        world.remove(key::stamped(&key::open(owner), request.since, &request.id));
    }
}

/// An event about a request.
pub(crate) fn tell(world: &mut World<'_>, event: &str, request: &Request, detail: &str) {
    let notice = Notice {
        members: request.parties().cloned().collect(),
        request: Some(request.id),
        detail: detail.into(),
        ..world.notice(request.id)
    };
    world.emit(event, notice);
}

/// Undecided requests of the sender.
fn pending(world: &World<'_>) -> Result<u32, Failure> {
    Ok(world.get(&key::pending_count(&world.sender()?))?.unwrap_or(0))
}

fn indexes(request: &Request) -> Vec<String> {
    let mut prefixes = vec![key::requests_of(&request.requester)];
    prefixes.extend(request.apply.contracts.iter().map(|named| key::requests_under(&named.contract)));
    prefixes.extend(request.owners.iter().map(|owner| key::open(owner)));
    prefixes
}

fn check_evidence(apply: &Apply) -> Result<(), Failure> {
    if apply.evidence.len() > MAX_EVIDENCE {
        return Err(code::TOO_MANY.refuse(format!("a request brings {MAX_EVIDENCE} pieces of evidence at most")));
    }
    let distinct: BTreeSet<&Digest> = apply.evidence.iter().map(|evidence| &evidence.commitment).collect();
    if distinct.len() != apply.evidence.len() || apply.evidence.iter().any(|evidence| evidence.kind != CREDENTIAL) {
        return Err(code::EVIDENCE_INVALID.refuse(format!("evidence is of kind `{CREDENTIAL}`, each piece once")));
    }
    Ok(())
}

/// The contracts, each in force at the version read, and such that they can be enjoyed together.
fn check_contracts(world: &World<'_>, apply: &Apply) -> Result<Vec<Contract>, Failure> {
    if apply.contracts.is_empty() || apply.contracts.len() > MAX_CONTRACTS {
        let message = format!("a request names 1 to {MAX_CONTRACTS} contracts");
        return Err(code::CONTRACTS_MISMATCH.refuse(message));
    }
    let contracts: Vec<Contract> =
        apply.contracts.iter().map(|named| offers::unchanged(world, named)).collect::<Result<_, _>>()?;
    let mismatch = |message: &str| Err(code::CONTRACTS_MISMATCH.refuse(message));
    let first = &contracts[0];
    if contracts.iter().any(|contract| contract.terms.means != first.terms.means) {
        return mismatch("a request is for release or for computation, not both");
    }
    match first.terms.means {
        Means::Release if contracts.len() > 1 => return mismatch("a release is under one contract"),
        Means::Release => {}
        Means::Compute => {
            let owners: BTreeSet<&String> = contracts.iter().map(|contract| &contract.owner).collect();
            if owners.len() != contracts.len() || owners.len() < 2 {
                return mismatch("a computation joins two or more distinct owners");
            }
            if contracts.iter().any(|contract| contract.terms.program != first.terms.program) {
                return mismatch("all contracts of a computation carry the same program");
            }
            if contracts.iter().any(|contract| contract.terms.helpers != first.terms.helpers) {
                return mismatch("all contracts of a computation name the same helpers");
            }
            if let Some(both) = first.terms.helpers.iter().find(|helper| owners.contains(helper)) {
                return mismatch(&format!("`{both}` owns data in this computation and cannot help as well"));
            }
            first.terms.helpers.iter().try_for_each(|helper| check_active(world, helper))?;
            crate::protocol(contracts.iter().map(|contract| &contract.terms))
                .map_err(|reason| code::NO_PROTOCOL.refuse(reason))?;
        }
    }
    Ok(contracts)
}
