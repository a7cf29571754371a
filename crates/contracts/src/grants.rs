//! Enjoyment: grants and their one redemption, and the results of computations.

use crypto::{Digest, Label, hash};
use ledger::Failure;
use policy::Means;

use crate::application::World;
use crate::message::{Destroy, GrantIssue, GrantRevoke, ReleaseRecord, ResultRecord, redemption};
use crate::record::{Asset, Destroyed, Duty, Grant, Notice, Phase, Request};
use crate::requests::{close, closed, find, settle, tell};
use crate::{assets, code, key, offers, recovery};

/// How much earlier than its seconds a grant's window may open, milliseconds: clocks of owner, leader and requester differ.
pub const GRANT_SKEW: u64 = 2_000;

pub(crate) fn issue(world: &mut World<'_>, issue: &GrantIssue) -> Result<(), Failure> {
    let (mut request, owner) = allowed(world, &issue.request, &issue.contract)?;
    if request.grant.is_some() {
        return Err(code::GRANT_EXISTS.refuse("a request gives one grant"));
    }
    let named = request.apply.contracts[0];
    let terms = offers::terms_at(world, &named)?;
    if terms.means != Means::Release {
        return Err(code::CONTRACTS_MISMATCH.refuse("a computation needs no grant"));
    }
    assets::active(world, &terms.asset)?;
    let verdict = request.verdict.as_ref().expect("an allowed request has its verdict");
    let length = issue.not_after.saturating_sub(issue.not_before);
    if length == 0 || length > u64::from(terms.grant.seconds) * 1000 + GRANT_SKEW {
        return Err(code::GRANT_INVALID.refuse(format!("a grant lasts up to {} seconds", terms.grant.seconds)));
    }
    if issue.not_after <= world.now || issue.not_after > verdict.not_after {
        return Err(code::GRANT_INVALID.refuse("a grant ends in the future, and not after its verdict"));
    }
    let grant = Grant {
        id: world.id,
        request: request.id,
        contract: issue.contract,
        owner,
        asset: terms.asset,
        holder: request.requester,
        not_before: issue.not_before,
        not_after: issue.not_after,
        revoked: false,
        redeemed: None,
    };
    world.put(key::grant(&grant.id), &grant);
    request.grant = Some(grant.id);
    close(world, &request);
    world.put(key::request(&request.id), &request);
    tell_grant(world, "grant.issued", &grant, "");
    Ok(())
}

pub(crate) fn revoke(world: &mut World<'_>, revoke: &GrantRevoke) -> Result<(), Failure> {
    let mut grant = find_grant(world, &revoke.grant)?;
    let member = match world.duty(Duty::Operator)? {
        Some(member) => member,
        None => world.node()?,
    };
    if member != grant.owner {
        return Err(code::NOT_PERMITTED.refuse(format!("only `{}` may revoke this grant", grant.owner)));
    }
    if grant.redeemed.is_some() {
        return Err(code::GRANT_ALREADY_USED.refuse("the grant was redeemed before it could be revoked"));
    }
    if grant.revoked {
        return Err(code::GRANT_REVOKED.refuse("the grant is revoked"));
    }
    grant.revoked = true;
    world.put(key::grant(&grant.id), &grant);
    let mut request = find(world, &grant.request)?;
    request.ended.push(world.id);
    settle(world, &mut request, Phase::Refused(code::GRANT_REVOKED.code.into()))?;
    tell_grant(world, "grant.revoked", &grant, "");
    Ok(())
}

/// The one redemption of a grant.
pub(crate) fn release(world: &mut World<'_>, release: ReleaseRecord) -> Result<(), Failure> {
    let member = world.node()?;
    let mut grant = find_grant(world, &release.grant)?;
    if member != grant.owner {
        return Err(code::NOT_PERMITTED.refuse(format!("only the node of `{}` may release this", grant.owner)));
    }
    let possession = redemption(&world.chain, &grant.id, release.signed);
    grant
        .holder
        .verify(Label::PROOF_OF_POSSESSION, &possession, &release.possession)
        .map_err(|_| code::GRANT_WRONG_KEY.refuse("the redemption is not signed by the grant's holder"))?;
    recovery::check_in_force(world, &grant.holder)?;
    if grant.revoked {
        return Err(code::GRANT_REVOKED.refuse("the grant is revoked"));
    }
    if grant.redeemed.is_some() {
        return Err(code::GRANT_ALREADY_USED.refuse("the grant was redeemed"));
    }
    for moment in [world.now, release.signed] {
        if moment < grant.not_before {
            return Err(code::GRANT_NOT_YET.refuse(format!("the grant begins at {}", grant.not_before)));
        }
        if moment > grant.not_after {
            return Err(code::GRANT_EXPIRED.refuse(format!("the grant ended at {}", grant.not_after)));
        }
    }
    let asset: Asset = world
        .get(&key::asset(&grant.asset))?
        .ok_or_else(|| code::UNKNOWN_ASSET.refuse(format!("no asset {}", grant.asset)))?;
    if asset.registered.commitments.iter().all(|commitment| commitment.root != release.root) {
        return Err(code::ROOT_MISMATCH.refuse(format!("{} is not the registered root", release.root)));
    }
    offers::in_force(world, &grant.contract)?;
    let mut request = find(world, &grant.request)?;
    if release.suite != request.apply.ephemeral.suite() {
        return Err(code::MALFORMED.refuse("the stanzas are of another suite than the requester's key"));
    }
    let root = release.root.to_string();
    grant.redeemed = Some(release);
    world.put(key::grant(&grant.id), &grant);
    request.ended.push(world.id);
    settle(world, &mut request, Phase::Done)?;
    tell_grant(world, "release.recorded", &grant, &root);
    Ok(())
}

pub(crate) fn result(world: &mut World<'_>, result: ResultRecord) -> Result<(), Failure> {
    let member = world.node()?;
    let mut request = find(world, &result.request)?;
    if result.party != member || request.parties().all(|party| *party != member) {
        return Err(code::NOT_PERMITTED.refuse(format!("`{member}` is no party of this computation, or not that one")));
    }
    still_allowed(world, &request)?;
    for named in &request.apply.contracts {
        offers::in_force(world, &named.contract)?;
    }
    if request.results.iter().any(|other| other.party == member) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has recorded its result")));
    }
    // Shares of two runs do not fit together.
    if request.results.iter().any(|other| other.run != result.run) {
        return Err(code::RESULT_MISMATCH.refuse("the others have recorded another run's"));
    }
    // No terms of this version accept a simulated part.
    if result.simulated {
        return Err(code::SIMULATED_REFUSED.refuse("the contract accepts no simulated computation"));
    }
    let named = &request.apply.contracts;
    let terms = named.iter().map(|named| offers::terms_at(world, named)).collect::<Result<Vec<_>, _>>()?;
    let protocol = crate::protocol(&terms).map_err(|reason| code::NO_PROTOCOL.refuse(reason))?;
    let program = terms.into_iter().next().and_then(|terms| terms.program);
    let program =
        program.ok_or_else(|| code::CONTRACTS_MISMATCH.refuse("the request is for release, not for computation"))?;
    let expected = ResultRecord {
        request: request.id,
        party: result.party.clone(),
        run: result.run,
        session: session(&request.id),
        protocol: protocol.name.into(),
        adversary: protocol.adversary.to_string(),
        parties: request.parties().cloned().collect(),
        program: hash(Label::PROGRAM, &[&program]),
        share: result.share,
        transcript: result.transcript,
        simulated: false,
    };
    if result != expected {
        return Err(code::RESULT_MISMATCH.refuse("session, protocol, parties or program differ from the request's"));
    }
    request.results.push(result);
    request.ended.push(world.id);
    let complete = request.results.len() == protocol.enough();
    settle(world, &mut request, if complete { Phase::Done } else { Phase::Allowed })?;
    tell(world, "result.recorded", &request, &member);
    if complete {
        tell(world, "request.done", &request, "");
    }
    Ok(())
}

pub(crate) fn destroy(world: &mut World<'_>, destroy: &Destroy) -> Result<(), Failure> {
    let member = world.node()?;
    let mut request = find(world, &destroy.request)?;
    if request.parties().all(|party| *party != member) {
        return Err(code::NOT_PERMITTED.refuse(format!("`{member}` is no party of this computation")));
    }
    if offers::terms_at(world, &request.apply.contracts[0])?.means != Means::Compute {
        return Err(code::CONTRACTS_MISMATCH.refuse("the request is for release, not for computation"));
    }
    if request.is_pending() {
        return Err(code::APPROVALS_MISSING.refuse("the request has no verdict yet, so there is nothing to destroy"));
    }
    if request.destroyed.iter().any(|other| other.party == member) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has destroyed its part already")));
    }
    request.destroyed.push(Destroyed { party: member.clone(), at: world.now });
    world.put(key::request(&request.id), &request);
    tell(world, "result.destroyed", &request, &member);
    Ok(())
}

/// The session of a request's computation: `H(SESSION, [request])`.
pub fn session(request: &Digest) -> Digest {
    hash(Label::SESSION, &[request.as_ref()])
}

/// An allowed request whose verdict still lives, under a contract in force that belongs to the sending node's member.
fn allowed(world: &World<'_>, request: &Digest, contract: &Digest) -> Result<(Request, String), Failure> {
    let member = world.node()?;
    let request = find(world, request)?;
    if request.owner_of(contract) != Some(&member) {
        return Err(code::NOT_PERMITTED.refuse(format!("the request names no such contract of `{member}`")));
    }
    still_allowed(world, &request)?;
    offers::in_force(world, contract)?;
    Ok((request, member))
}

/// That a request was allowed, has not ended, and its verdict still lives.
fn still_allowed(world: &World<'_>, request: &Request) -> Result<(), Failure> {
    if request.phase != Phase::Allowed {
        return Err(closed(request));
    }
    if request.verdict.as_ref().is_none_or(|verdict| verdict.not_after < world.now) {
        return Err(code::VERDICT_EXPIRED.refuse("the verdict's time has passed"));
    }
    Ok(())
}

fn find_grant(world: &World<'_>, id: &Digest) -> Result<Grant, Failure> {
    world.get(&key::grant(id))?.ok_or_else(|| code::UNKNOWN_GRANT.refuse(format!("no grant {id}")))
}

fn tell_grant(world: &mut World<'_>, event: &str, grant: &Grant, detail: &str) {
    let notice = Notice {
        members: vec![grant.owner.clone()],
        request: Some(grant.request),
        detail: detail.into(),
        ..world.notice(grant.id)
    };
    world.emit(event, notice);
}
