//! The oracles' epochs: who signs verdicts, under which key.

use std::collections::BTreeSet;

use ledger::Failure;

use crate::application::World;
use crate::members::{check_active, find};
use crate::message::OraclesConfirm;
use crate::record::{Confirmation, Notice, OracleEpoch};
use crate::{code, key, read};

/// Most participants of an oracle epoch.
pub const MAX_ORACLES: usize = 32;
/// Longest public key material of a group, in bytes.
const MAX_GROUP: usize = 8 * 1024;

/// Records a member's confirmation; the epoch begins when every participant and a majority of the members confirmed
/// the same. A member may confirm again with other data, which replaces what it said: a failed key generation is
/// repeated under the same number.
pub(crate) fn confirm(world: &mut World<'_>, group: OraclesConfirm) -> Result<(), Failure> {
    let member = world.node()?;
    let current = read::oracle_epoch_number(world.state)?;
    if group.epoch != current + 1 {
        return Err(code::EPOCH_INVALID.refuse(format!("the next oracle epoch is {}", current + 1)));
    }
    check_group(world, &group)?;
    if read::parameters(world.state)?.is_some() {
        let decided = read::decided_oracles(world.state)?.map(|decided| decided.plan);
        if decided.is_none_or(|plan| plan.threshold != group.threshold || plan.participants != group.participants) {
            return Err(code::BALLOTS_GOVERN.refuse("no ballot has decided these oracles"));
        }
    }
    let number = group.epoch;
    let prefix = key::confirmations(number);
    let mut confirmations = read::confirmations(world.state, number)?;
    let own = confirmations.iter().position(|other| other.member == member);
    if let Some(own) = own
        && confirmations.remove(own).group == group
    {
        return Err(code::ALREADY_CONFIRMED.refuse(format!("`{member}` has confirmed this")));
    }
    let confirmation = Confirmation { member: member.clone(), group: group.clone(), transaction: world.id };
    world.put(format!("{prefix}{member}"), &confirmation);
    let notice = Notice { members: vec![member.clone()], detail: group.key.to_string(), ..world.notice(number) };
    world.emit("oracles.confirmed", notice.clone());
    let differing = confirmations.iter().filter(|other| other.group != group).map(|other| other.member.clone());
    let differing: Vec<String> = differing.collect();
    if !differing.is_empty() {
        world.emit("oracles.differ", Notice { members: differing, ..notice.clone() });
    }
    confirmations.push(confirmation);
    confirmations.sort_by(|a, b| a.member.cmp(&b.member));

    let active: BTreeSet<String> =
        read::active_members(world.state)?.into_iter().map(|member| member.card.name).collect();
    let counts = |other: &&Confirmation| other.group == group && active.contains(&other.member);
    let agreeing: Vec<&Confirmation> = confirmations.iter().filter(counts).collect();
    let members = active.len();
    let complete = group.participants.iter().all(|name| agreeing.iter().any(|other| other.member == *name));
    if complete && agreeing.len() * 2 > members {
        let epoch = OracleEpoch {
            since: world.now,
            confirmations: agreeing.iter().map(|other| other.transaction).collect(),
            group,
        };
        world.put(key::oracle_epoch(number), &epoch);
        world.put(key::ORACLES.into(), &number);
        for other in &confirmations {
            world.remove(format!("{prefix}{}", other.member));
        }
        world.emit("oracles.active", Notice { members: epoch.group.participants, ..notice });
    }
    Ok(())
}

fn check_group(world: &World<'_>, group: &OraclesConfirm) -> Result<(), Failure> {
    if group.group.len() > MAX_GROUP {
        return Err(code::MALFORMED.refuse(format!("the group's key material has {MAX_GROUP} bytes at most")));
    }
    check_plan(world, &group.participants, group.threshold)
}

/// That members can be the oracles of an epoch.
pub(crate) fn check_plan(world: &World<'_>, participants: &[String], threshold: u16) -> Result<(), Failure> {
    let n = participants.len();
    let distinct: BTreeSet<&String> = participants.iter().collect();
    if n == 0 || n > MAX_ORACLES || distinct.len() != n {
        return Err(code::MALFORMED.refuse(format!("an oracle epoch has 1 to {MAX_ORACLES} distinct participants")));
    }
    // One signature out of several would let any one participant speak for all.
    if usize::from(threshold) > n || threshold < 1 || (n > 1 && threshold < 2) {
        return Err(code::MALFORMED.refuse("the threshold is at least 2 (1 for a single oracle) and at most all"));
    }
    for name in participants {
        find(world, name)?;
        check_active(world, name)?;
    }
    Ok(())
}
