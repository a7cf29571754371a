//! Private payloads: committed to for some members, held by them, purged by them. The bytes go between nodes.
//!
//! The format page is `docs/spec/private-data.md`.

use crypto::Digest;
use ledger::Failure;

use crate::application::World;
use crate::members::{check_active, check_name, find};
use crate::message::{PrivateAttest, PrivateNamed, PrivatePut};
use crate::record::{Cause, Duty, Held, Notice, Private, Purged, Purging};
use crate::{code, key, offers, ordering, read};

/// Most bytes of a private payload: 256 KiB.
pub const MAX_PRIVATE: u64 = 256 * 1024;
/// Most recipients of a private payload.
pub const MAX_RECIPIENTS: usize = 16;
/// How far ahead a date of purging may be: a hundred years, in milliseconds.
const MAX_AHEAD: u64 = 36_525 * 24 * 3600 * 1000;
/// How much a node's clock may differ from blocks' times where it attests, in milliseconds.
const SKEW: u64 = 10 * 60 * 1000;

/// Whether members may put private payloads.
pub(crate) fn is_begun(world: &World<'_>) -> Result<bool, Failure> {
    Ok(read::private_begun(world.state)?.is_some())
}

/// Lets members put private payloads from the next transaction on, for good. Who may not do that gets the outcome that versions record
/// which know no private payloads, so that nobody else can make a consortium of two versions differ.
pub(crate) fn begin(world: &mut World<'_>) -> Result<(), Failure> {
    if let Err(failure) = ordering::presides(world) {
        return Err(if failure.fatal { failure } else { code::UNKNOWN_METHOD.refuse(failure.message) });
    }
    let member = world.operator()?;
    let height = world.height;
    world.put(key::PRIVATE_BEGUN.into(), &height);
    let notice = Notice { members: vec![member.clone()], ..world.notice(member) };
    world.emit("private.begun", notice);
    Ok(())
}

pub(crate) fn put(world: &mut World<'_>, put: PrivatePut) -> Result<(), Failure> {
    let (by, sender) = (world.sender()?, sender(world)?);
    offers::permit(world, &sender)?;
    check_name(&put.label, 64, true)?;
    if put.size == 0 || put.size > MAX_PRIVATE {
        return Err(code::PRIVATE_INVALID.refuse(format!("a payload has 1 to {MAX_PRIVATE} bytes")));
    }
    let recipients = &put.recipients;
    let ascending = recipients.is_sorted_by(|one, next| one < next);
    if !(1..=MAX_RECIPIENTS).contains(&recipients.len()) || !ascending || recipients.contains(&sender) {
        let told = format!("1 to {MAX_RECIPIENTS} recipients, in ascending order, each once, without the sender");
        return Err(code::PRIVATE_INVALID.refuse(told));
    }
    if put.purge_after.is_some_and(|after| after <= world.now || after - world.now > MAX_AHEAD) {
        return Err(code::PRIVATE_INVALID.refuse("a date of purging is in the future, within a hundred years"));
    }
    for recipient in recipients {
        find(world, recipient)?;
        check_active(world, recipient)?;
    }
    let (id, since) = (world.id, world.now);
    let private = Private { id, sender, by, put, since, purging: None, held: vec![], purged: vec![] };
    for holder in private.holders() {
        world.put(key::stamped(&key::privates_of(holder), since, &id), &id);
    }
    for recipient in &private.put.recipients {
        world.put(key::stamped(&key::open_privates(recipient), since, &id), &id);
    }
    keep(world, &private);
    tell(world, "private.put", &private, private.put.label.clone());
    Ok(())
}

pub(crate) fn hold(world: &mut World<'_>, named: &PrivateNamed) -> Result<(), Failure> {
    let member = world.node()?;
    let mut private = load(world, &named.private)?;
    if !private.put.recipients.contains(&member) {
        return Err(code::NOT_PERMITTED.refuse(format!("`{member}` is no recipient of it")));
    }
    if private.due(world.now).is_some() || private.is_purged_by(&member) {
        return Err(code::PRIVATE_PURGED.refuse("it is to be purged, or was"));
    }
    if private.held.iter().any(|held| held.member == member) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has said that it holds it")));
    }
    private.held.push(Held { member: member.clone(), at: world.now, transaction: world.id });
    close(world, &private, &member)?;
    keep(world, &private);
    tell(world, "private.held", &private, member);
    Ok(())
}

pub(crate) fn purge(world: &mut World<'_>, named: &PrivateNamed) -> Result<(), Failure> {
    let mut private = load(world, &named.private)?;
    offers::permit(world, &private.sender)?;
    if private.purging.is_some() {
        return Err(code::ALREADY_RECORDED.refuse("it is to be purged"));
    }
    private.purging = Some(Purging { at: world.now, transaction: world.id });
    for holder in private.holders().filter(|holder| !private.is_purged_by(holder)) {
        world.put(key::stamped(&key::open_privates(holder), private.since, &private.id), &private.id);
    }
    keep(world, &private);
    tell(world, "private.purging", &private, String::new());
    Ok(())
}

pub(crate) fn attest(world: &mut World<'_>, attest: &PrivateAttest) -> Result<(), Failure> {
    let member = world.node()?;
    let mut private = load(world, &attest.private)?;
    if !private.is_holder(&member) {
        return Err(code::NOT_PERMITTED.refuse(format!("`{member}` is no holder of it")));
    }
    let holds = match attest.cause {
        Cause::Sender => private.purging.is_some(),
        Cause::Date => private.put.purge_after.is_some_and(|after| after <= world.now),
        Cause::Member => member != private.sender,
    };
    if !holds {
        return Err(code::PRIVATE_INVALID.refuse("it is not to be purged for that cause"));
    }
    let earliest = private.since.saturating_sub(SKEW);
    if !(earliest..=world.now.saturating_add(SKEW)).contains(&attest.at) {
        return Err(code::PRIVATE_INVALID.refuse("that is no time of purging it: check the node's clock"));
    }
    if private.is_purged_by(&member) {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has purged it")));
    }
    let purged = Purged {
        member: member.clone(),
        cause: attest.cause,
        at: attest.at,
        recorded: world.now,
        key: world.sender()?,
        signature: attest.signature,
        transaction: world.id,
    };
    if !purged.is_signed(&world.chain, &private) {
        return Err(code::BAD_SIGNATURE.refuse("the attestation is not signed by the node's key"));
    }
    private.purged.push(purged);
    close(world, &private, &member)?;
    keep(world, &private);
    tell(world, "private.purged", &private, member);
    Ok(())
}

/// The member that the sender of the transaction acts for.
fn sender(world: &World<'_>) -> Result<String, Failure> {
    if let Some(member) = world.duty(Duty::Operator)? {
        return Ok(member);
    }
    let principal = read::active_principal(world.state, &world.sender()?)?;
    let principal = principal.ok_or_else(|| code::NOT_PERMITTED.refuse("only members' people may do this"))?;
    Ok(principal.member)
}

fn load(world: &World<'_>, id: &Digest) -> Result<Private, Failure> {
    world.get(&key::private(id))?.ok_or_else(|| code::UNKNOWN_PRIVATE.refuse(format!("no private payload {id}")))
}

fn keep(world: &mut World<'_>, private: &Private) {
    world.put(key::private(&private.id), private);
}

/// The member's node has said what it had to.
fn close(world: &mut World<'_>, private: &Private, member: &str) -> Result<(), Failure> {
    let place = key::stamped(&key::open_privates(member), private.since, &private.id);
    if world.holds(&place)? {
        world.remove(place);
    }
    Ok(())
}

fn tell(world: &mut World<'_>, event: &str, private: &Private, detail: String) {
    let members = private.holders().cloned().collect();
    let notice = Notice { members, detail, ..world.notice(private.id) };
    world.emit(event, notice);
}
