//! Members, their principals, and the issuers that regulators accredit.

use std::collections::BTreeSet;

use crypto::{Digest, Label, PublicKey, hash};
use ledger::{Failure, Validator, Write};

use crate::application::{World, write};
use crate::code::{self, Code};
use crate::message::{Founding, Invite, Issuer, Join, MemberCard, PrincipalAdd, PrincipalRevoke};
use crate::record::{
    AccreditedIssuer, Bar, Duty, Invitation, Member, MemberKey, Notice, Principal, Role, ValidatorSet,
};
use crate::{governance, key, ordering, read};

/// Most members of a consortium.
pub const MAX_MEMBERS: usize = 100;
/// Longest life of an invitation: 30 days, in milliseconds.
pub const MAX_INVITATION: u64 = 30 * 24 * 3600 * 1000;

/// The genesis: the founder, who is the only validator of epoch 1.
pub(crate) fn found(founding: &Founding) -> Result<Vec<Write>, Failure> {
    let card = &founding.founder;
    check_card(card)?;
    let member = Member { card: card.clone(), regulator: founding.regulator, joined: 0, barred: None };
    let validators = ValidatorSet { validators: vec![validator(card)] };
    let mut writes: Vec<Write> = records(&member).into_iter().map(|(key, value)| write(key, Some(value))).collect();
    writes.push(write(key::epoch(1), Some(wire::to_vec(&validators))));
    writes.push(write(key::EPOCH.into(), Some(wire::to_vec(&1u64))));
    Ok(writes)
}

pub(crate) fn invite(world: &mut World<'_>, invite: &Invite) -> Result<(), Failure> {
    let inviter = world.operator()?;
    governance::not_by_ballot(world)?;
    // Every newcomer is a validator and counts for the oracles' majority: whoever may invite can become both alone.
    let may = world.get::<Member>(&key::member(&inviter))?.is_some_and(|own| own.regulator || own.joined == 0);
    if !may {
        return Err(code::NOT_PERMITTED.refuse("only a regulator or the founder may invite"));
    }
    if invite.regulator && !is_regulator(world, &inviter)? {
        return Err(code::NOT_PERMITTED.refuse("only a regulator may invite a regulator"));
    }
    admit(world, inviter, invite, None)
}

/// Makes an invitation, whoever decided it.
pub(crate) fn admit(
    world: &mut World<'_>,
    inviter: String,
    invite: &Invite,
    proposal: Option<Digest>,
) -> Result<(), Failure> {
    check_name(&invite.name, 32, false)?;
    if world.holds(&key::member(&invite.name))? {
        return Err(code::NAME_TAKEN.refuse(format!("`{}` is a member", invite.name)));
    }
    if world.holds(&key::invitation(&invite.token))? {
        return Err(code::KEY_TAKEN.refuse("this token invites someone else"));
    }
    if invite.expires <= world.now || invite.expires - world.now > MAX_INVITATION {
        return Err(code::INVITATION_EXPIRED.refuse("an invitation ends in the future, in 30 days at most"));
    }
    let invitation =
        Invitation { name: invite.name.clone(), expires: invite.expires, regulator: invite.regulator, proposal };
    world.put(key::invitation(&invite.token), &invitation);
    let notice = Notice { members: vec![inviter], ..world.notice(&invite.name) };
    world.emit("member.invited", notice);
    Ok(())
}

pub(crate) fn join(world: &mut World<'_>, join: Join) -> Result<(), Failure> {
    let Join { card, token, ml_dsa } = join;
    if world.sender()? != card.operator {
        return Err(code::NOT_PERMITTED.refuse("the newcomer's operator key signs the joining"));
    }
    check_card(&card)?;
    let token = key::invitation(&hash(Label::INVITATION, &[token.as_ref()]));
    let invitation = world
        .get::<Invitation>(&token)?
        .filter(|invitation| invitation.name == card.name)
        .ok_or_else(|| code::UNKNOWN_INVITATION.refuse(format!("no invitation of `{}` with this token", card.name)))?;
    // What the founder or a regulator had prepared alone ends with their lone powers.
    if invitation.proposal.is_none() && read::parameters(world.state)?.is_some() {
        return Err(code::UNKNOWN_INVITATION.refuse("the invitation is from before ballots governed, and void"));
    }
    if invitation.expires < world.now {
        return Err(code::INVITATION_EXPIRED.refuse(format!("the invitation ended at {}", invitation.expires)));
    }
    if world.holds(&key::member(&card.name))? {
        return Err(code::NAME_TAKEN.refuse(format!("`{}` is a member", card.name)));
    }
    for key in [&card.operator, &card.node, &card.cosigner] {
        check_unused(world, key)?;
    }
    if world.holds(&key::tls(&card.tls))? {
        return Err(code::KEY_TAKEN.refuse("the TLS key belongs to another member"));
    }
    if let Some(registration) = &ml_dsa {
        ordering::keep_ml_dsa(world, &card.name, registration)?;
    }
    let mut epoch = read::epoch(world.state)?;
    let removed = |member: &Member| member.barred.as_ref().is_some_and(|barred| barred.standing == Bar::Removed);
    if read::members(world.state)?.iter().filter(|member| !removed(member)).count() >= MAX_MEMBERS {
        return Err(code::TOO_MANY.refuse(format!("a consortium has {MAX_MEMBERS} members at most")));
    }
    epoch.validators.push(validator(&card));
    epoch.number = ordering::next(epoch.number, true)?;
    let validators = ordering::armed(world, epoch.validators)?;
    world.put(key::epoch(epoch.number), &ValidatorSet { validators });
    world.put(key::EPOCH.into(), &epoch.number);
    world.remove(token);
    let member = Member { card, regulator: invitation.regulator, joined: world.now, barred: None };
    for (key, value) in records(&member) {
        world.put_bytes(key, value);
    }
    let name = member.card.name;
    let notice = Notice { members: vec![name.clone()], detail: epoch.number.to_string(), ..world.notice(&name) };
    world.emit("member.joined", notice);
    Ok(())
}

pub(crate) fn principal_add(world: &mut World<'_>, add: PrincipalAdd) -> Result<(), Failure> {
    let member = world.operator()?;
    check_name(&add.name, 64, true)?;
    let distinct: BTreeSet<Role> = add.roles.iter().copied().collect();
    if add.roles.is_empty() || distinct.len() != add.roles.len() {
        return Err(code::MALFORMED.refuse("a principal has one role at least, each once"));
    }
    check_unused(world, &add.key)?;
    let named = format!("{}{}", key::principals_of(&member), add.name);
    // A revoked principal's name is free again: that is how a person gets a new key.
    if let Some(holder) = world.get::<PublicKey>(&named)?
        && read::active_principal(world.state, &holder)?.is_some()
    {
        return Err(code::NAME_TAKEN.refuse(format!("`{}` is a principal of `{member}`", add.name)));
    }
    world.put(named, &add.key);
    let notice = Notice { members: vec![member.clone()], detail: add.name.clone(), ..world.notice(add.key) };
    let principal = Principal { member, name: add.name, key: add.key, roles: add.roles, revoked: false };
    world.put(key::principal(&add.key), &principal);
    world.emit("principal.added", notice);
    Ok(())
}

pub(crate) fn principal_revoke(world: &mut World<'_>, revoke: &PrincipalRevoke) -> Result<(), Failure> {
    let member = world.operator()?;
    let mut principal = read::active_principal(world.state, &revoke.key)?.ok_or_else(|| {
        code::UNKNOWN_PRINCIPAL.refuse(format!("no principal in good standing has key {}", revoke.key))
    })?;
    if principal.member != member {
        return Err(code::NOT_PERMITTED.refuse(format!("the principal belongs to `{}`", principal.member)));
    }
    principal.revoked = true;
    world.put(key::principal(&revoke.key), &principal);
    let notice = Notice { members: vec![member], detail: principal.name, ..world.notice(revoke.key) };
    world.emit("principal.revoked", notice);
    Ok(())
}

pub(crate) fn issuer_accredit(world: &mut World<'_>, issuer: Issuer) -> Result<(), Failure> {
    let by = regulator(world)?;
    governance::not_by_ballot(world)?;
    accredit(world, by, issuer)
}

/// Accredits an issuer, whoever decided it.
pub(crate) fn accredit(world: &mut World<'_>, by: String, issuer: Issuer) -> Result<(), Failure> {
    check_name(&issuer.name, 64, true)?;
    if issuer.claims.is_empty() || issuer.claims.len() > 16 {
        return Err(code::MALFORMED.refuse("an issuer vouches for 1 to 16 claims"));
    }
    issuer.claims.iter().try_for_each(|claim| check_claim(claim))?;
    // A revoked issuer may be accredited again, under its name and with other claims.
    let active = |record: Option<AccreditedIssuer>| record.is_some_and(|record| !record.revoked);
    if active(world.get(&key::issuer(&issuer.key))?) {
        return Err(code::KEY_TAKEN.refuse("the issuer is accredited"));
    }
    if let Some(holder) = world.get::<PublicKey>(&key::issuer_name(&issuer.name))?
        && active(world.get(&key::issuer(&holder))?)
    {
        return Err(code::NAME_TAKEN.refuse(format!("an issuer is called `{}`", issuer.name)));
    }
    world.put(key::issuer_name(&issuer.name), &issuer.key);
    let notice = Notice { members: vec![by.clone()], detail: issuer.name.clone(), ..world.notice(issuer.key) };
    let Issuer { name, key, claims } = issuer;
    world.put(key::issuer(&key), &AccreditedIssuer { name, key, claims, by, revoked: false });
    world.emit("issuer.accredited", notice);
    Ok(())
}

pub(crate) fn issuer_revoke(world: &mut World<'_>, issuer: &Issuer) -> Result<(), Failure> {
    let by = regulator(world)?;
    governance::not_by_ballot(world)?;
    disown(world, by, &issuer.key)
}

/// Ends an issuer's accreditation, whoever decided it.
pub(crate) fn disown(world: &mut World<'_>, by: String, issuer: &PublicKey) -> Result<(), Failure> {
    let mut record = world
        .get::<AccreditedIssuer>(&key::issuer(issuer))?
        .filter(|record| !record.revoked)
        .ok_or_else(|| code::UNKNOWN_ISSUER.refuse(format!("no accredited issuer has key {issuer}")))?;
    record.revoked = true;
    world.put(key::issuer(issuer), &record);
    let notice = Notice { members: vec![by], detail: record.name, ..world.notice(issuer) };
    world.emit("issuer.revoked", notice);
    Ok(())
}

/// The member whose operator sent this, if it is a regulator.
fn regulator(world: &World<'_>) -> Result<String, Failure> {
    let member = world.operator()?;
    match is_regulator(world, &member)? {
        true => Ok(member),
        false => Err(code::NOT_PERMITTED.refuse(format!("`{member}` is not a regulator"))),
    }
}

fn is_regulator(world: &World<'_>, member: &str) -> Result<bool, Failure> {
    Ok(world.get::<Member>(&key::member(member))?.is_some_and(|member| member.regulator))
}

/// A member, barred or not.
pub(crate) fn find(world: &World<'_>, name: &str) -> Result<Member, Failure> {
    let found = world.get::<Member>(&key::member(name))?;
    found.ok_or_else(|| code::UNKNOWN_MEMBER.refuse(format!("no member is called `{name}`")))
}

/// Refuses what a suspended or removed member would do or have done to it.
pub(crate) fn check_active(world: &World<'_>, name: &str) -> Result<(), Failure> {
    match read::barred(world.state, name)? {
        None => Ok(()),
        Some(barred) => Err(code::MEMBER_BARRED.refuse(format!("`{name}` is {}", barred.standing))),
    }
}

/// Every record that makes a member.
fn records(member: &Member) -> Vec<(String, Vec<u8>)> {
    let card = &member.card;
    let keys = [(card.operator, Duty::Operator), (card.node, Duty::Node), (card.cosigner, Duty::Cosigner)];
    let mut records =
        vec![(key::member(&card.name), wire::to_vec(member)), (key::tls(&card.tls), wire::to_vec(&card.name))];
    for (key, duty) in keys {
        records.push((key::member_key(&key), wire::to_vec(&MemberKey { member: card.name.clone(), duty, void: None })));
    }
    records
}

pub(crate) fn validator(card: &MemberCard) -> Validator {
    Validator::new(card.name.clone(), card.cosigner)
}

/// No member and no principal, past or present, has the key.
pub(crate) fn check_unused(world: &World<'_>, key: &PublicKey) -> Result<(), Failure> {
    let member = world.get::<MemberKey>(&key::member_key(key))?;
    let principal = world.get::<Principal>(&key::principal(key))?;
    match member.is_none() && principal.is_none() {
        true => Ok(()),
        false => Err(code::KEY_TAKEN.refuse(format!("key {key} is in use"))),
    }
}

fn check_card(card: &MemberCard) -> Result<(), Failure> {
    check_name(&card.name, 32, false)?;
    if card.operator == card.node || card.operator == card.cosigner || card.node == card.cosigner {
        return Err(code::KEY_TAKEN.refuse("operator, node and cosigner have a key each"));
    }
    let authority = card.address.strip_prefix("https://").and_then(|rest| rest.rsplit_once(':'));
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'[' | b']' | b':');
    match authority {
        Some((name, port))
            if (1..=253).contains(&name.len())
                && name.bytes().all(host)
                && port.bytes().all(|b| b.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(())
        }
        _ => Err(code::ADDRESS_INVALID.refuse("the address is `https://host:port`")),
    }
}

/// A name of `a-z 0-9 -` (and `.` where dotted), beginning with a letter or digit.
pub(crate) fn check_name(name: &str, longest: usize, dotted: bool) -> Result<(), Failure> {
    shape(name, longest, |b| b == b'-' || dotted && b == b'.', &code::NAME_INVALID)
}

/// A claim or purpose: as `policy` accepts them.
fn check_claim(claim: &str) -> Result<(), Failure> {
    shape(claim, 64, |b| matches!(b, b'-' | b'_' | b'.'), &code::NAME_INVALID)
}

/// A refusal's code: one of the table, or one that a contract's policy names.
pub(crate) fn check_code(text: &str) -> Result<(), Failure> {
    shape(text, 64, |b| b == b'_', &code::MALFORMED)
}

fn shape(text: &str, longest: usize, mark: impl Fn(u8) -> bool, otherwise: &Code) -> Result<(), Failure> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let shaped = text.bytes().all(|b| plain(b) || mark(b)) && text.bytes().next().is_some_and(plain);
    match shaped && text.len() <= longest {
        true => Ok(()),
        false => Err(otherwise.refuse(format!("a name has 1 to {longest} plain characters"))),
    }
}
