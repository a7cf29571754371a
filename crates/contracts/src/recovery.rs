//! Recovery: the members give one of them a new operator key, by ballot, after a delay, unless the holder of the old one objects.
//!
//! Only that key: what opens data, and what a node signs, no ballot gives to anybody. The rules are in `docs/spec/governance.md`.

use crypto::{Digest, PublicKey};
use ledger::Failure;

use crate::application::World;
use crate::members::{check_active, check_unused, find};
use crate::message::{Action, Parameters, ProposalState, Recover, Recovery};
use crate::record::{Duty, LongerDelay, MemberKey, Notice, Proposal, ProposalPhase, Recovering, Trigger, TriggerKind};
use crate::{code, key, read, triggers};

/// Shortest delay between the decision and its effect: twice what a block's time may be ahead of the clocks, in milliseconds.
pub const MIN_DELAY: u64 = 20 * 1000;
/// How far ahead the end of a new key's statement may lie, in milliseconds: 90 days.
const MAX_STATEMENT: u64 = 90 * 24 * 3600 * 1000;

/// Takes a proposal's new key for good, whatever becomes of it: no statement is of use a second time.
pub(crate) fn reserve(world: &mut World<'_>, recover: &Recover) {
    let held = MemberKey { member: recover.member.clone(), duty: Duty::Operator, void: Some(world.id) };
    world.put(key::member_key(&recover.key), &held);
    world.put(key::VOID.into(), &true);
}

/// Refuses a key that was replaced, or proposed and is not in force.
pub(crate) fn check_in_force(world: &World<'_>, key: &PublicKey) -> Result<(), Failure> {
    // One look where no key was ever proposed.
    if world.get::<bool>(key::VOID)?.is_none() {
        return Ok(());
    }
    match world.get::<MemberKey>(&key::member_key(key))? {
        Some(MemberKey { member, void: Some(_), .. }) => {
            Err(code::KEY_NOT_IN_FORCE.refuse(format!("the key is not, or no longer, one of `{member}`")))
        }
        _ => Ok(()),
    }
}

/// Begins the delay of what the members have decided.
pub(crate) fn begin(world: &mut World<'_>, recover: &Recover, proposal: &Proposal) -> Result<(), Failure> {
    let terms = read::parameters(world.state)?.and_then(|parameters| parameters.recovery);
    let Some(Recovery { delay, .. }) = terms else {
        return Err(code::RECOVERY_OFF.refuse("the parameters say nothing of recovery"));
    };
    let Recover { member: name, key: new, until, .. } = recover;
    let member = find(world, name)?;
    check_active(world, name)?;
    if proposal.proposer == *name {
        return Err(code::NOT_PERMITTED.refuse("another member proposes a member's recovery"));
    }
    if read::quorum(world.state)?.is_none() {
        return Err(code::VALIDATORS_MISSING
            .refuse("while one node orders the ledger it could leave the veto out: have the validators begin first"));
    }
    if read::recovery(world.state, name)?.is_some() {
        return Err(code::RECOVERY_PENDING.refuse(format!("the key of `{name}` is being recovered")));
    }
    check_key(world, recover, proposal)?;
    if *until < world.now {
        return Err(code::EXPIRED.refuse(format!("the new key's statement ended at {until}")));
    }
    if *until < proposal.expires || until - world.now > MAX_STATEMENT {
        return Err(code::MALFORMED.refuse("the new key's statement ends after the proposal, and in 90 days at most"));
    }
    if !recover.is_signed(&world.chain) {
        return Err(code::BAD_SIGNATURE.refuse("the new key has not signed that it is to be this member's"));
    }
    let recovering = Recovering {
        member: name.clone(),
        proposal: proposal.id,
        key: *new,
        old: member.card.operator,
        since: world.now,
        due: world.now.saturating_add(delay.max(longer(world)?)),
    };
    world.put(key::recovery(name), &recovering);
    triggers::set(world, &trigger(&recovering));
    let detail = recovering.due.to_string();
    let notice = Notice { members: vec![name.clone()], detail, ..world.notice(name) };
    world.emit("member.recovering", notice);
    Ok(())
}

/// The owner objects, with the key that is to be replaced.
pub(crate) fn veto(world: &mut World<'_>, state: &ProposalState) -> Result<(), Failure> {
    let name = world.operator()?;
    let found: Option<Proposal> = world.get(&key::proposal(&state.proposal))?;
    let mut proposal = found.ok_or_else(|| code::UNKNOWN_PROPOSAL.refuse(format!("no proposal {}", state.proposal)))?;
    let of = match &proposal.action {
        Action::Recover(recover) => recover.member.clone(),
        _ => return Err(code::NO_RECOVERY.refuse("the proposal is none of a recovery")),
    };
    if of != name {
        return Err(code::NOT_PERMITTED.refuse(format!("only `{of}` may veto the recovery of its key")));
    }
    let recovering = read::recovery(world.state, &name)?.filter(|one| one.proposal == proposal.id);
    let recovering = recovering.ok_or_else(|| code::NO_RECOVERY.refuse("it is not under way"))?;
    proposal.phase = ProposalPhase::Vetoed;
    proposal.closed = Some(world.id);
    world.put(key::proposal(&proposal.id), &proposal);
    stop(world, &recovering, "member.recovery_vetoed")
}

/// Ends a member's recovery, if one is under way, because the member is barred and cannot object.
pub(crate) fn end(world: &mut World<'_>, name: &str) -> Result<(), Failure> {
    match read::recovery(world.state, name)? {
        Some(recovering) => stop(world, &recovering, "member.recovery_ended"),
        None => Ok(()),
    }
}

/// Puts the new key in the old one's place: the delay is over.
pub(crate) fn take_effect(world: &mut World<'_>, proposal: &Digest) -> Result<(), Failure> {
    let found: Option<Proposal> = world.get(&key::proposal(proposal))?;
    let name = match found.map(|proposal| proposal.action) {
        Some(Action::Recover(recover)) => recover.member,
        _ => return Err(code::NO_RECOVERY.refuse("the proposal is none of a recovery")),
    };
    let recovering = read::recovery(world.state, &name)?.filter(|one| one.proposal == *proposal);
    let Recovering { key: new, old, .. } = recovering.ok_or_else(|| code::NO_RECOVERY.refuse("it is over"))?;
    let mut member = find(world, &name)?;
    check_active(world, &name)?;
    member.card.operator = new;
    world.put(key::member(&name), &member);
    let held = |void| MemberKey { member: name.clone(), duty: Duty::Operator, void };
    world.put(key::member_key(&new), &held(None));
    world.put(key::member_key(&old), &held(Some(*proposal)));
    world.remove(key::recovery(&name));
    let notice = Notice { members: vec![name.clone()], detail: new.to_string(), ..world.notice(&name) };
    world.emit("member.recovered", notice);
    Ok(())
}

/// Remembers a delay that new parameters make shorter: it holds until it has gone by, so that nobody is overtaken.
pub(crate) fn shorten(world: &mut World<'_>, new: &Parameters) -> Result<(), Failure> {
    let delay = |parameters: &Parameters| parameters.recovery.map_or(0, |recovery| recovery.delay);
    let Some(old) = read::parameters(world.state)?.as_ref().map(delay) else { return Ok(()) };
    if delay(new) < old {
        let kept: Option<LongerDelay> = world.get(key::LONGER_DELAY)?;
        let kept = kept.filter(|kept| world.now < kept.until).unwrap_or(LongerDelay { delay: 0, until: 0 });
        let until = kept.until.max(world.now.saturating_add(old));
        world.put(key::LONGER_DELAY.into(), &LongerDelay { delay: kept.delay.max(old), until });
    }
    Ok(())
}

/// The delay that holds beside the parameters'; 0 where none does.
fn longer(world: &World<'_>) -> Result<u64, Failure> {
    let kept: Option<LongerDelay> = world.get(key::LONGER_DELAY)?;
    Ok(kept.filter(|kept| world.now < kept.until).map_or(0, |kept| kept.delay))
}

/// That nobody has the key, or it was taken by this very proposal.
fn check_key(world: &World<'_>, recover: &Recover, proposal: &Proposal) -> Result<(), Failure> {
    match world.get::<MemberKey>(&key::member_key(&recover.key))? {
        Some(held) if held.void == Some(proposal.id) => Ok(()),
        _ => check_unused(world, &recover.key),
    }
}

fn stop(world: &mut World<'_>, recovering: &Recovering, event: &str) -> Result<(), Failure> {
    let name = &recovering.member;
    world.remove(key::recovery(name));
    triggers::unset(world, &trigger(recovering))?;
    let detail = recovering.proposal.to_string();
    let notice = Notice { members: vec![name.clone()], detail, ..world.notice(name) };
    world.emit(event, notice);
    Ok(())
}

const fn trigger(recovering: &Recovering) -> Trigger {
    Trigger { at: recovering.due, kind: TriggerKind::Recover, subject: recovering.proposal }
}
