//! The escrow agents' epochs: who holds the escrow key together, how it passes from one group to the next, and what they open.
//!
//! The ledger is the broadcast channel of both protocols and the judge of all that can be judged in the open: it checks every dealing,
//! computes key and public shares from the dealings itself, and decides by the agents' own reports which dealings count. The format page is
//! `docs/spec/escrow.md`.

use std::collections::{BTreeMap, BTreeSet};

use crypto::escrow::{Dealing, MAX_AGENTS, Origin, Round};
use crypto::{Digest, Label, hash};
use ledger::{Failure, State};

use crate::application::World;
use crate::assets::SEALED_OBJECT;
use crate::members::{check_active, find};
use crate::message::{EscrowContribute, EscrowDeal, EscrowDestroy, EscrowOpen, EscrowPlan, EscrowReceive};
use crate::record::{
    DecidedEscrow, EscrowContribution, EscrowDealt, EscrowDestroyed, EscrowEpoch, EscrowOpening, EscrowReceived,
    Notice, Proposal,
};
use crate::{code, key, read};

/// How long agents contribute to an opening after it was decided, milliseconds.
pub const OPENING_LIFE: u64 = 30 * 24 * 3600 * 1000;
/// Longest sealed partial opening, in bytes.
const MAX_SEALED: usize = 256;

/// A key on its way to the agents that a ballot decided.
#[derive(Clone, Debug)]
pub struct Making {
    /// What was decided.
    pub decided: DecidedEscrow,
    /// The epoch whose agents hand their key on; none where the new agents make a new one.
    pub from: Option<EscrowEpoch>,
    /// The run.
    pub round: Round,
}

impl Making {
    /// What is under way on this chain.
    ///
    /// # Errors
    /// [`read::Error`].
    pub fn under_way(state: &dyn State, chain: &Digest) -> Result<Option<Self>, read::Error> {
        let Some(decided) = read::decided_escrow(state)? else { return Ok(None) };
        let from = if decided.plan.fresh { None } else { read::escrow(state)? };
        Ok(Self::of(chain, decided, from))
    }

    fn of(chain: &Digest, decided: DecidedEscrow, from: Option<EscrowEpoch>) -> Option<Self> {
        let DecidedEscrow { epoch, plan, proposal } = &decided;
        let session = hash(Label::ESCROW, &[b"session", chain.as_ref(), proposal.as_ref(), &epoch.to_be_bytes()]);
        // What was decided was checked then.
        let round = Round::new(session, plan.threshold, u16::try_from(plan.agents.len()).unwrap_or(u16::MAX)).ok()?;
        Some(Self { decided, from, round })
    }

    /// How an epoch that has begun was made.
    ///
    /// # Errors
    /// [`read::Error`].
    pub fn made(state: &dyn State, chain: &Digest, epoch: &EscrowEpoch) -> Result<Option<Self>, read::Error> {
        let EscrowEpoch { number, agents, group, proposal, from, .. } = epoch;
        let plan = EscrowPlan { threshold: group.threshold, agents: agents.clone(), fresh: from.is_none() };
        let from = from.map_or(Ok(None), |from| read::escrow_epoch(state, from))?;
        Ok(Self::of(chain, DecidedEscrow { epoch: *number, plan, proposal: *proposal }, from))
    }

    /// Who deals, in order.
    pub fn dealers(&self) -> &[String] {
        self.from.as_ref().map_or(&self.decided.plan.agents, |from| &from.agents)
    }

    /// What they deal.
    pub fn origin(&self) -> Origin<'_> {
        self.from.as_ref().map_or(Origin::Fresh, |from| Origin::Of(&from.group))
    }
}

/// Which authorisation a partial opening serves: no other accepts it.
pub fn context(chain: &Digest, opening: &EscrowOpening, epoch: u64) -> Digest {
    let (proposal, recipient) = (opening.proposal, opening.recipient.id());
    hash(Label::ESCROW, &[b"context", chain.as_ref(), proposal.as_ref(), &epoch.to_be_bytes(), recipient.as_ref()])
}

/// HPKE's info of a partial opening: label, purpose, context, agent.
pub fn sealed_info(context: &Digest, index: u16) -> Vec<u8> {
    [Label::ESCROW.as_str().as_bytes(), b"/partial/", context.as_ref(), &index.to_be_bytes()].concat()
}

/// A member's index in a list, from 1.
pub fn index_in(members: &[String], member: &str) -> Option<u16> {
    members.iter().position(|name| name == member).and_then(|at| u16::try_from(at + 1).ok())
}

/// Takes a dealer's dealing.
pub(crate) fn deal(world: &mut World<'_>, deal: EscrowDeal) -> Result<(), Failure> {
    let member = world.node()?;
    let making = making(world, &deal.proposal)?;
    let index = place(making.dealers(), &member, "dealer")?;
    let at = key::escrow_place(&key::escrow_dealt(&deal.proposal), index);
    if world.holds(&at)? {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has dealt")));
    }
    making.round.check(making.origin(), index, &deal.dealing).map_err(malformed)?;
    let notice = Notice { members: vec![member.clone()], ..world.notice(making.decided.epoch) };
    world.put(at, &EscrowDealt { index, member, dealing: deal.dealing, transaction: world.id });
    world.emit("escrow.dealt", notice);
    Ok(())
}

/// Takes an agent's word of which parts it holds; where all agents hold enough of the same, the epoch begins.
pub(crate) fn receive(world: &mut World<'_>, receive: EscrowReceive) -> Result<(), Failure> {
    let member = world.node()?;
    let making = making(world, &receive.proposal)?;
    let index = place(&making.decided.plan.agents, &member, "agent")?;
    let EscrowReceive { proposal, dealers } = receive;
    let dealt: BTreeMap<u16, Dealing> =
        read::escrow_dealt(world.state, &proposal)?.into_iter().map(|one| (one.index, one.dealing)).collect();
    let ascending = dealers.windows(2).all(|pair| pair[0] < pair[1]);
    if dealers.is_empty() || dealers.len() > usize::from(MAX_AGENTS) || !ascending {
        return Err(code::MALFORMED.refuse("the dealers are named once each, in ascending order"));
    }
    if let Some(unknown) = dealers.iter().find(|dealer| !dealt.contains_key(dealer)) {
        return Err(code::MALFORMED.refuse(format!("dealer {unknown} has not dealt")));
    }
    let mut reports: BTreeMap<u16, Vec<u16>> =
        read::escrow_received(world.state, &proposal)?.into_iter().map(|one| (one.index, one.dealers)).collect();
    if let Some(before) = reports.get(&index)
        && (before.len() >= dealers.len() || !before.iter().all(|dealer| dealers.contains(dealer)))
    {
        return Err(code::ALREADY_RECORDED.refuse("a report names all that was named before, and more"));
    }
    let notice = Notice { members: vec![member.clone()], ..world.notice(making.decided.epoch) };
    world.emit("escrow.received", notice);
    reports.insert(index, dealers.clone());
    if reports.len() == making.decided.plan.agents.len() {
        let held = |dealer: &u16| reports.values().all(|dealers| dealers.contains(dealer));
        let common: BTreeMap<u16, Dealing> = dealt.into_iter().filter(|(dealer, _)| held(dealer)).collect();
        if common.len() >= usize::from(making.round.needed(making.origin())) {
            return begin(world, making, &common);
        }
    }
    let received = EscrowReceived { index, member, dealers, transaction: world.id };
    world.put(key::escrow_place(&key::escrow_received(&proposal), index), &received);
    Ok(())
}

/// The agents hold the key from now on.
fn begin(world: &mut World<'_>, making: Making, dealings: &BTreeMap<u16, Dealing>) -> Result<(), Failure> {
    let group = making.round.join(making.origin(), dealings).map_err(malformed)?;
    let Making { decided: DecidedEscrow { epoch: number, plan, proposal }, from, .. } = making;
    let (dealers, from) = (dealings.keys().copied().collect(), from.map(|from| from.number));
    let epoch = EscrowEpoch { number, agents: plan.agents, group, since: world.now, proposal, dealers, from };
    world.put(key::escrow_epoch(number), &epoch);
    world.put(key::ESCROW.into(), &number);
    world.put(key::escrow_key(&epoch.group.key), &number);
    forget(world, &proposal)?;
    let detail = epoch.group.key.to_string();
    let notice = Notice { members: epoch.agents, detail, ..world.notice(number) };
    world.emit("escrow.active", notice);
    Ok(())
}

/// Takes an agent's word that it holds its share of an earlier epoch no more.
pub(crate) fn destroy(world: &mut World<'_>, destroy: &EscrowDestroy) -> Result<(), Failure> {
    let member = world.node()?;
    let unknown = || code::ESCROW_EPOCH.refuse(format!("there is no epoch {} of escrow agents", destroy.epoch));
    let epoch = read::escrow_epoch(world.state, destroy.epoch)?.ok_or_else(unknown)?;
    place(&epoch.agents, &member, "agent")?;
    let newest = read::escrow_of(world.state, &epoch.group.key)?.ok_or_else(unknown)?.number;
    if newest == epoch.number {
        return Err(code::ESCROW_EPOCH.refuse("the key of this epoch was not handed on: its shares are still needed"));
    }
    let at = format!("{}{member}", key::escrow_destroyed(epoch.number));
    if world.holds(&at)? {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has said so")));
    }
    let notice = Notice { members: vec![member.clone()], ..world.notice(epoch.number) };
    world.put(at, &EscrowDestroyed { member, at: world.now, transaction: world.id });
    world.emit("escrow.destroyed", notice);
    Ok(())
}

/// Takes an agent's part of an opening.
pub(crate) fn contribute(world: &mut World<'_>, contribute: EscrowContribute) -> Result<(), Failure> {
    let member = world.node()?;
    let EscrowContribute { proposal, sealed } = contribute;
    let opening = read::escrow_opening(world.state, &proposal)?
        .ok_or_else(|| code::UNKNOWN_PROPOSAL.refuse(format!("no opening was decided by {proposal}")))?;
    if opening.until < world.now {
        return Err(code::EXPIRED.refuse(format!("agents contributed until {}", opening.until)));
    }
    let epoch = read::escrow_of(world.state, &opening.wrap.key)?
        .ok_or_else(|| code::NO_ESCROW.refuse("nobody holds the wrap's key"))?;
    let index = place(&epoch.agents, &member, "agent")?;
    if sealed.enc.len() != opening.recipient.suite().encapsulation_length() || sealed.ciphertext.len() > MAX_SEALED {
        return Err(code::MALFORMED.refuse("that is no partial opening, sealed to the recipient"));
    }
    let at = format!("{}{:020}/{index:05}", key::escrow_contributions(&proposal), epoch.number);
    if world.holds(&at)? {
        return Err(code::ALREADY_RECORDED.refuse(format!("`{member}` has contributed")));
    }
    let notice = Notice { members: vec![member.clone()], ..world.notice(proposal) };
    world.put(at, &EscrowContribution { epoch: epoch.number, index, member, sealed, transaction: world.id });
    world.emit("escrow.contributed", notice);
    Ok(())
}

/// Decides who the next agents are.
pub(crate) fn decide(world: &mut World<'_>, plan: &EscrowPlan, proposal: &Proposal) -> Result<(), Failure> {
    let agents = u16::try_from(plan.agents.len()).unwrap_or(u16::MAX);
    Round::new(proposal.id, plan.threshold, agents).map_err(malformed)?;
    if plan.agents.iter().collect::<BTreeSet<_>>().len() != plan.agents.len() {
        return Err(code::MALFORMED.refuse("each agent is named once"));
    }
    for name in &plan.agents {
        find(world, name)?;
        check_active(world, name)?;
    }
    if !plan.fresh
        && let Some(from) = read::escrow(world.state)?
    {
        check_left(world, &from, "")?;
    }
    if let Some(before) = read::decided_escrow(world.state)? {
        forget(world, &before.proposal)?;
    }
    let epoch = read::escrow_epoch_number(world.state)? + 1;
    world.put(key::DECIDED_ESCROW.into(), &DecidedEscrow { epoch, plan: plan.clone(), proposal: proposal.id });
    let notice = Notice { members: plan.agents.clone(), ..world.notice(epoch) };
    world.emit("escrow.decided", notice);
    Ok(())
}

/// Has the agents open one wrap to one recipient.
pub(crate) fn authorise(world: &mut World<'_>, open: &EscrowOpen, proposal: &Proposal) -> Result<(), Failure> {
    let asset = read::asset(world.state, &open.asset)?
        .ok_or_else(|| code::UNKNOWN_ASSET.refuse(format!("no asset {}", open.asset)))?;
    let objects = asset.registered.commitments.iter().filter(|one| one.suite == SEALED_OBJECT);
    let mut objects = objects.filter_map(|one| wire::Fixed::from_slice(&one.params).map(Digest));
    let Some(object) = objects.find(|object| open.wrap.check(object).is_ok()) else {
        return Err(code::MALFORMED.refuse("the wrap was not made for this asset's object"));
    };
    if world.get::<Digest>(&key::object(&object))? != Some(asset.id) {
        return Err(code::NO_ESCROW.refuse("the asset was registered before there were escrow agents"));
    }
    let epoch = read::escrow_of(world.state, &open.wrap.key)?
        .ok_or_else(|| code::NO_ESCROW.refuse(format!("no agents hold the key {}", open.wrap.key)))?;
    let opening = EscrowOpening {
        proposal: proposal.id,
        asset: asset.id,
        owner: asset.owner.clone(),
        object,
        wrap: open.wrap,
        recipient: open.recipient.clone(),
        since: world.now,
        until: world.now.saturating_add(OPENING_LIFE),
    };
    world.put(key::escrow_opening(&proposal.id), &opening);
    world.put(key::escrow_until(opening.until, &proposal.id), &proposal.id);
    let mut members = epoch.agents;
    if !members.contains(&asset.owner) {
        members.push(asset.owner);
    }
    let notice = Notice { members, detail: asset.id.to_string(), ..world.notice(proposal.id) };
    world.emit("escrow.opening", notice);
    Ok(())
}

/// That without this member as many agents are active as an opening needs.
pub(crate) fn check_without(world: &World<'_>, member: &str) -> Result<(), Failure> {
    match read::escrow(world.state)? {
        Some(epoch) if epoch.agents.iter().any(|name| name == member) => check_left(world, &epoch, member),
        _ => Ok(()),
    }
}

fn check_left(world: &World<'_>, epoch: &EscrowEpoch, without: &str) -> Result<(), Failure> {
    let active = read::active_members(world.state)?;
    let counts = |name: &&String| *name != without && active.iter().any(|member| member.card.name == **name);
    let (left, needed) = (epoch.agents.iter().filter(counts).count(), epoch.group.threshold);
    match left >= usize::from(needed) {
        true => Ok(()),
        false => Err(code::ESCROW_TOO_FEW.refuse(format!("it takes {needed} escrow agents, there would be {left}"))),
    }
}

/// What is under way, by this very decision.
fn making(world: &World<'_>, proposal: &Digest) -> Result<Making, Failure> {
    Making::under_way(world.state, &world.chain)?
        .filter(|making| making.decided.proposal == *proposal)
        .ok_or_else(|| code::ESCROW_EPOCH.refuse(format!("no agents wait for a key by {proposal}")))
}

fn place(members: &[String], member: &str, what: &str) -> Result<u16, Failure> {
    index_in(members, member).ok_or_else(|| code::NOT_PERMITTED.refuse(format!("`{member}` is no {what}")))
}

/// Removes what a run has left.
fn forget(world: &mut World<'_>, proposal: &Digest) -> Result<(), Failure> {
    let dealt = read::escrow_dealt(world.state, proposal)?.into_iter().map(|one| one.index);
    dealt.for_each(|index| world.remove(key::escrow_place(&key::escrow_dealt(proposal), index)));
    let received = read::escrow_received(world.state, proposal)?.into_iter().map(|one| one.index);
    received.for_each(|index| world.remove(key::escrow_place(&key::escrow_received(proposal), index)));
    Ok(())
}

fn malformed(error: crypto::escrow::Error) -> Failure {
    code::MALFORMED.refuse(error.to_string())
}
