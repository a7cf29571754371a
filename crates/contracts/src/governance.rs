//! Governance: what the members decide together, by proposals and ballots, once ballots govern.
//!
//! The format page is `docs/spec/governance.md`.

use std::fmt;
use std::str::FromStr;

use ledger::{Epoch, Failure};

use crate::application::World;
use crate::members::{check_active, find};
use crate::message::{Action, Ballot, Deadlines, OraclePlan, Parameters, ProposalState, Propose, Recovery, Share};
use crate::record::{
    Bar, Barred, CastBallot, DecidedOracles, Member, MemberKey, Notice, Principal, Proposal, ProposalPhase, Tally,
    Trigger, TriggerKind,
};
use crate::recovery::{self, MIN_DELAY};
use crate::{code, escrow, key, members, modules, oracles, ordering, read, triggers, verifiers};

/// Longest reason of a proposal, in bytes.
pub const MAX_REASON: usize = 1000;
/// What ballots are counted by where nothing else is asked for: more than half for issuers, two thirds for all else.
pub const DEFAULT_PARAMETERS: Parameters = {
    let thirds = Share { numerator: 2, denominator: 3 };
    Parameters {
        members: thirds,
        validators: thirds,
        issuers: Share { numerator: 1, denominator: 2 },
        oracles: thirds,
        parameters: thirds,
        longest: 30 * DAY,
        open: 8,
        deadlines: None,
        recovery: Some(Recovery { share: thirds, delay: 7 * DAY }),
        cosigning: None,
        signing: None,
    }
};

const HOUR: u64 = 3600 * 1000;
const DAY: u64 = 24 * HOUR;
const MAX_LONGEST: u64 = 90 * DAY;
const MAX_OPEN: u32 = 32;
const MAX_DENOMINATOR: u32 = 100;

impl Share {
    /// The least number of members that is at least this share of `members`, and more than half of them.
    pub fn needed(&self, members: u32) -> u32 {
        let (numerator, denominator) = (u64::from(self.numerator), u64::from(self.denominator).max(1));
        let share = (u64::from(members) * numerator).div_ceil(denominator);
        u32::try_from(share).unwrap_or(u32::MAX).max(members / 2 + 1)
    }

    /// Whether it is a smaller share than another.
    pub const fn is_less_than(&self, other: &Self) -> bool {
        (self.numerator as u64) * (other.denominator as u64) < (other.numerator as u64) * (self.denominator as u64)
    }

    /// Whether it is a fraction from a half to the whole, with a small number below the line.
    fn is_fair(&self) -> bool {
        let Self { numerator, denominator } = *self;
        (1..=MAX_DENOMINATOR).contains(&denominator) && numerator <= denominator && numerator * 2 >= denominator
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl FromStr for Share {
    type Err = String;

    /// Reads `2/3`; from a half to the whole.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let share = text.split_once('/').and_then(|(numerator, denominator)| {
            Some(Self { numerator: number(numerator)?, denominator: number(denominator)? })
        });
        share.filter(Self::is_fair).ok_or_else(|| format!("`{text}` is no share: write one such as 1/2, 2/3 or 1/1"))
    }
}

impl Parameters {
    /// The share of the members that decides an action.
    pub fn share(&self, action: &Action) -> Share {
        match action {
            Action::Admit(_) | Action::Suspend(_) | Action::Reinstate(_) | Action::Remove(_) => self.members,
            Action::Escrow(_) | Action::Open(_) => self.members,
            Action::Enter(_) | Action::Leave(_) => self.validators,
            Action::Accredit(_) | Action::Disown(_) => self.issuers,
            Action::Oracles(_) => self.oracles,
            Action::Parameters(_) | Action::Install(_) | Action::Uninstall(_) => self.parameters,
            Action::Verifier(_) | Action::Retire(_) => self.parameters,
            // Where it is not set nothing comes to a vote.
            Action::Recover(_) => self.recovery.map_or(self.members, |recovery| recovery.share),
        }
    }
}

impl Action {
    /// Its name, as the format page has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admit(_) => "admit",
            Self::Suspend(_) => "suspend",
            Self::Reinstate(_) => "reinstate",
            Self::Remove(_) => "remove",
            Self::Enter(_) => "enter",
            Self::Leave(_) => "leave",
            Self::Accredit(_) => "accredit",
            Self::Disown(_) => "disown",
            Self::Oracles(_) => "oracles",
            Self::Parameters(_) => "parameters",
            Self::Recover(_) => "recover",
            Self::Install(_) => "install",
            Self::Uninstall(_) => "uninstall",
            Self::Escrow(_) => "escrow",
            Self::Open(_) => "open",
            Self::Verifier(_) => "verifier",
            Self::Retire(_) => "retire",
        }
    }
}

/// Has ballots govern from the next transaction on, for good.
pub(crate) fn begin(world: &mut World<'_>, parameters: &Parameters) -> Result<(), Failure> {
    ordering::presides(world)?;
    if read::parameters(world.state)?.is_some() {
        return Err(code::ALREADY_RECORDED.refuse("ballots govern this consortium already"));
    }
    check_parameters(parameters)?;
    world.put(key::PARAMETERS.into(), parameters);
    let member = world.operator()?;
    let notice = Notice { members: vec![member.clone()], ..world.notice(&member) };
    world.emit("governance.begun", notice);
    ordering::arm(world, &member)
}

/// Takes a proposal, with its proposer's vote for it.
pub(crate) fn propose(world: &mut World<'_>, propose: Propose) -> Result<(), Failure> {
    let proposer = world.operator()?;
    let parameters = govern(world)?;
    let Propose { action, expires, reason } = propose;
    if expires <= world.now || expires - world.now > parameters.longest {
        let message = format!("a proposal ends in the future, after {} ms at most", parameters.longest);
        return Err(code::MALFORMED.refuse(message));
    }
    if reason.len() > MAX_REASON || reason.chars().any(|c| c.is_control() && c != '\n') {
        let message = format!("a reason has {MAX_REASON} bytes at most, and no control characters but line breaks");
        return Err(code::MALFORMED.refuse(message));
    }
    make_room(world, &proposer, &parameters)?;
    let ballot = CastBallot { member: proposer.clone(), yes: true, transaction: world.id };
    let mut proposal = Proposal {
        id: world.id,
        proposer,
        action,
        reason,
        since: world.now,
        expires,
        phase: ProposalPhase::Open,
        ballots: vec![ballot],
        closed: None,
    };
    // What cannot be done is not worth a vote.
    enact(&mut world.trial(), &proposal)?;
    if let Action::Recover(recover) = &proposal.action {
        recovery::reserve(world, recover);
    }
    world.put(key::stamped(key::PROPOSALS, proposal.since, &proposal.id), &proposal.id);
    tell(world, "governance.proposed", &proposal, proposal.action.name())?;
    decide(world, &mut proposal, &parameters)?;
    if proposal.phase == ProposalPhase::Open {
        world.put(opened(&proposal), &proposal.id);
        // Ledgers of versions that closed nothing by themselves go on as they began.
        if parameters.recovery.is_some() {
            triggers::set(world, &expiry(&proposal));
        }
    }
    world.put(key::proposal(&proposal.id), &proposal);
    Ok(())
}

/// Takes a member's one vote on a proposal, and does what it decides.
pub(crate) fn ballot(world: &mut World<'_>, ballot: &Ballot) -> Result<(), Failure> {
    let member = world.operator()?;
    let parameters = govern(world)?;
    let mut proposal = open(world, &ballot.proposal)?;
    if proposal.expires < world.now {
        return Err(code::PROPOSAL_CLOSED.refuse(format!("its time ended at {}", proposal.expires)));
    }
    if proposal.ballots.iter().any(|cast| cast.member == member) {
        return Err(code::ALREADY_VOTED.refuse(format!("`{member}` has voted on this proposal")));
    }
    proposal.ballots.push(CastBallot { member, yes: ballot.yes, transaction: world.id });
    tell(world, "governance.voted", &proposal, if ballot.yes { "yes" } else { "no" })?;
    decide(world, &mut proposal, &parameters)?;
    world.put(key::proposal(&proposal.id), &proposal);
    Ok(())
}

/// Ends a proposal by its proposer's will.
pub(crate) fn withdraw(world: &mut World<'_>, state: &ProposalState) -> Result<(), Failure> {
    let member = world.operator()?;
    govern(world)?;
    let mut proposal = open(world, &state.proposal)?;
    if proposal.proposer != member {
        return Err(code::NOT_PERMITTED.refuse(format!("only `{}` may withdraw its proposal", proposal.proposer)));
    }
    finish(world, &mut proposal, ProposalPhase::Withdrawn)
}

/// Counts again: after a change of the members a proposal may pass or fail without another ballot; and closes what has expired.
pub(crate) fn close(world: &mut World<'_>, state: &ProposalState) -> Result<(), Failure> {
    world.operator()?;
    let parameters = govern(world)?;
    let mut proposal = open(world, &state.proposal)?;
    if proposal.expires < world.now {
        return finish(world, &mut proposal, ProposalPhase::Expired);
    }
    decide(world, &mut proposal, &parameters)?;
    match proposal.phase {
        ProposalPhase::Open => Err(code::PROPOSAL_OPEN.refuse("the ballots so far decide nothing")),
        _ => Ok(()),
    }
}

/// Closes a proposal that was not decided in its time, by the ledger itself.
pub(crate) fn expire(world: &mut World<'_>, id: &crypto::Digest) -> Result<(), Failure> {
    let mut proposal = open(world, id)?;
    match proposal.expires < world.now {
        true => finish(world, &mut proposal, ProposalPhase::Expired),
        false => Err(code::PROPOSAL_OPEN.refuse("its time is not over")),
    }
}

/// Refuses what a suspended or removed member sends, whatever it is: by any key of its own or of its principals; and what is signed by a
/// key that is not in force.
pub(crate) fn check_sender(world: &World<'_>) -> Result<(), Failure> {
    let key = &world.sender()?;
    if barred_members(world)? > 0 {
        let member = match world.get::<MemberKey>(&key::member_key(key))? {
            Some(held) => Some(held.member),
            None => world.get::<Principal>(&key::principal(key))?.map(|principal| principal.member),
        };
        member.map_or(Ok(()), |member| check_active(world, &member))?;
    }
    recovery::check_in_force(world, key)
}

/// Refuses one member's lone act where ballots govern.
pub(crate) fn not_by_ballot(world: &World<'_>) -> Result<(), Failure> {
    match read::parameters(world.state)? {
        None => Ok(()),
        Some(_) => Err(code::BALLOTS_GOVERN.refuse("the members decide this by ballots")),
    }
}

/// How a proposal's ballots count among these active members.
pub(crate) fn count(proposal: &Proposal, active: &[Member], parameters: &Parameters) -> Tally {
    let counts = |cast: &&CastBallot| active.iter().any(|member| member.card.name == cast.member);
    let of = |yes| proposal.ballots.iter().filter(counts).filter(|cast| cast.yes == yes).count() as u32;
    let members = active.len() as u32;
    Tally { members, yes: of(true), no: of(false), needed: parameters.share(&proposal.action).needed(members) }
}

/// Counts, and does what the ballots decide, if they do.
fn decide(world: &mut World<'_>, proposal: &mut Proposal, parameters: &Parameters) -> Result<(), Failure> {
    let active = read::active_members(world.state)?;
    match count(proposal, &active, parameters).decides() {
        None => Ok(()),
        Some(false) => finish(world, proposal, ProposalPhase::Failed),
        Some(true) => {
            finish(world, proposal, ProposalPhase::Passed)?;
            // Where it cannot be done now, the whole transaction is refused, and nothing is recorded of the ballot.
            enact(world, proposal)
        }
    }
}

/// Closes a proposal.
fn finish(world: &mut World<'_>, proposal: &mut Proposal, phase: ProposalPhase) -> Result<(), Failure> {
    proposal.phase = phase;
    proposal.closed = (!world.by_ledger()).then_some(world.id);
    world.remove(opened(proposal));
    triggers::unset(world, &expiry(proposal))?;
    world.put(key::proposal(&proposal.id), proposal);
    tell(world, &format!("governance.{phase}"), proposal, "")
}

/// Does what a proposal asks for.
fn enact(world: &mut World<'_>, proposal: &Proposal) -> Result<(), Failure> {
    let by = proposal.proposer.clone();
    match &proposal.action {
        Action::Admit(invite) => members::admit(world, by, invite, Some(proposal.id)),
        Action::Suspend(name) => bar(world, name, Bar::Suspended, proposal),
        Action::Remove(name) => bar(world, name, Bar::Removed, proposal),
        Action::Reinstate(name) => reinstate(world, name),
        Action::Enter(name) => {
            let validators = ordering::entered(world, name)?;
            let epoch = ordering::turn(world, name, "ordering.entered", validators, true)?;
            ordering::proceed(world, epoch)
        }
        Action::Leave(name) => {
            let validators = ordering::left(world, name)?;
            let epoch = ordering::turn(world, name, "ordering.left", validators, false)?;
            ordering::proceed(world, epoch)
        }
        Action::Accredit(issuer) => members::accredit(world, by, issuer.clone()),
        Action::Disown(issuer) => members::disown(world, by, issuer),
        Action::Oracles(plan) => decide_oracles(world, plan, proposal),
        Action::Install(install) => modules::install(world, install, proposal),
        Action::Uninstall(uninstall) => modules::uninstall(world, uninstall, proposal),
        Action::Parameters(parameters) => {
            check_parameters(parameters)?;
            recovery::shorten(world, parameters)?;
            world.put(key::PARAMETERS.into(), parameters);
            let notice = Notice { members: vec![by.clone()], ..world.notice(proposal.id) };
            world.emit("governance.parameters", notice);
            ordering::arm(world, &by)
        }
        Action::Recover(recover) => recovery::begin(world, recover, proposal),
        Action::Escrow(plan) => escrow::decide(world, plan, proposal),
        Action::Open(open) => escrow::authorise(world, open, proposal),
        Action::Verifier(plan) => verifiers::register(world, plan, proposal),
        Action::Retire(named) => verifiers::retire(world, named),
    }
}

/// Suspends or removes a member: from the next transaction on nothing it signs is taken.
fn bar(world: &mut World<'_>, name: &str, standing: Bar, proposal: &Proposal) -> Result<(), Failure> {
    let mut member = find(world, name)?;
    match &member.barred {
        Some(barred) if barred.standing == standing => {
            return Err(code::ALREADY_RECORDED.refuse(format!("`{name}` is {standing}")));
        }
        Some(barred) if barred.standing == Bar::Removed => {
            return Err(code::MEMBER_BARRED.refuse(format!("`{name}` is removed, for good")));
        }
        Some(_) => {}
        None => world.put(key::BARRED.into(), &(barred_members(world)? + 1)),
    }
    if read::quorum(world.state)?.is_none() {
        return Err(code::VALIDATORS_MISSING
            .refuse("while one node orders the ledger it could leave ballots out: have the validators begin first"));
    }
    check_oracles(world, name)?;
    escrow::check_without(world, name)?;
    recovery::end(world, name)?;
    member.barred = Some(Barred { standing, since: world.now, proposal: proposal.id });
    world.put(key::member(name), &member);
    let notice = Notice { members: vec![name.to_owned()], ..world.notice(name) };
    world.emit(&format!("member.{standing}"), notice);
    let current = read::epoch(world.state)?;
    let epoch: Epoch = match current.validators.iter().any(|validator| validator.name == name) {
        true => {
            let validators = ordering::left(world, name)?;
            ordering::turn(world, name, "ordering.left", validators, false)?
        }
        // It may still be among those who order.
        false => current,
    };
    ordering::proceed(world, epoch)
}

fn reinstate(world: &mut World<'_>, name: &str) -> Result<(), Failure> {
    let mut member = find(world, name)?;
    match member.barred.take() {
        None => Err(code::ALREADY_RECORDED.refuse(format!("`{name}` is not suspended"))),
        Some(barred) if barred.standing == Bar::Removed => {
            Err(code::MEMBER_BARRED.refuse(format!("`{name}` is removed, for good")))
        }
        Some(_) => {
            world.put(key::BARRED.into(), &barred_members(world)?.saturating_sub(1));
            world.put(key::member(name), &member);
            let notice = Notice { members: vec![name.to_owned()], ..world.notice(name) };
            world.emit("member.reinstated", notice);
            Ok(())
        }
    }
}

/// That without this member as many oracles are active as a verdict needs.
fn check_oracles(world: &World<'_>, without: &str) -> Result<(), Failure> {
    let Some(epoch) = read::oracles(world.state)? else { return Ok(()) };
    let (participants, threshold) = (epoch.group.participants, usize::from(epoch.group.threshold));
    if !participants.iter().any(|name| name == without) {
        return Ok(());
    }
    let active = read::active_members(world.state)?;
    let counts = |name: &&String| *name != without && active.iter().any(|member| member.card.name == **name);
    let left = participants.iter().filter(counts).count();
    match left >= threshold {
        true => Ok(()),
        false => {
            Err(code::ORACLES_TOO_FEW.refuse(format!("a verdict needs {threshold} oracles, {left} would be left")))
        }
    }
}

fn decide_oracles(world: &mut World<'_>, plan: &OraclePlan, proposal: &Proposal) -> Result<(), Failure> {
    oracles::check_plan(world, &plan.participants, plan.threshold)?;
    let epoch = read::oracle_epoch_number(world.state)? + 1;
    world.put(key::DECIDED_ORACLES.into(), &DecidedOracles { epoch, plan: plan.clone(), proposal: proposal.id });
    let notice = Notice { members: plan.participants.clone(), ..world.notice(epoch) };
    world.emit("oracles.decided", notice);
    Ok(())
}

/// The parameters, where ballots govern.
pub(crate) fn govern(world: &World<'_>) -> Result<Parameters, Failure> {
    let parameters = read::parameters(world.state)?;
    parameters.ok_or_else(|| code::BALLOTS_DO_NOT_GOVERN.refuse("nobody has had ballots begin"))
}

fn check_parameters(parameters: &Parameters) -> Result<(), Failure> {
    let Parameters { members, validators, issuers, oracles, parameters: own, longest, open, recovery, .. } = parameters;
    if ![members, validators, issuers, oracles, own].into_iter().all(Share::is_fair) {
        let message = format!("a share is a fraction from 1/2 to 1/1 with at most {MAX_DENOMINATOR} below the line");
        return Err(code::MALFORMED.refuse(message));
    }
    if !(HOUR..=MAX_LONGEST).contains(longest) {
        return Err(code::MALFORMED.refuse("proposals live from an hour to 90 days at most"));
    }
    if !(1..=MAX_OPEN).contains(open) {
        return Err(code::MALFORMED.refuse(format!("a member has 1 to {MAX_OPEN} open proposals at most")));
    }
    if parameters.deadlines.is_some_and(|Deadlines { undecided }| !(MIN_DELAY..=MAX_LONGEST).contains(&undecided)) {
        return Err(code::MALFORMED.refuse("a request waits 20 seconds to 90 days for its decision"));
    }
    let Some(Recovery { share, delay }) = recovery else { return Ok(()) };
    if !share.is_fair() || share.is_less_than(members) {
        return Err(code::MALFORMED.refuse("the share for recovery is a fraction, and not less than that for members"));
    }
    if !(MIN_DELAY..=MAX_LONGEST).contains(delay) {
        return Err(code::MALFORMED.refuse("the delay of a recovery is 20 seconds to 90 days"));
    }
    Ok(())
}

/// Closes a member's proposals whose time has run out, and refuses where too many are left.
fn make_room(world: &mut World<'_>, member: &str, parameters: &Parameters) -> Result<(), Failure> {
    let ids = read::page(world.state, &key::open_proposals(member), None, MAX_OPEN as usize)?.items;
    let mut left = 0;
    for id in &ids {
        let mut proposal = open(world, id)?;
        match proposal.expires < world.now {
            true => finish(world, &mut proposal, ProposalPhase::Expired)?,
            false => left += 1,
        }
    }
    match left < parameters.open {
        true => Ok(()),
        false => Err(code::TOO_MANY_OPEN.refuse(format!("`{member}` has {left} open proposals, as many as it may"))),
    }
}

/// A proposal that is not closed.
fn open(world: &World<'_>, id: &crypto::Digest) -> Result<Proposal, Failure> {
    let found: Option<Proposal> = world.get(&key::proposal(id))?;
    let proposal = found.ok_or_else(|| code::UNKNOWN_PROPOSAL.refuse(format!("no proposal {id}")))?;
    match proposal.phase {
        ProposalPhase::Open => Ok(proposal),
        phase => Err(code::PROPOSAL_CLOSED.refuse(format!("the proposal is {phase}"))),
    }
}

/// When the ledger closes a proposal by itself: after the last moment of voting.
const fn expiry(proposal: &Proposal) -> Trigger {
    Trigger { at: proposal.expires.saturating_add(1), kind: TriggerKind::Expire, subject: proposal.id }
}

fn opened(proposal: &Proposal) -> String {
    format!("{}{}", key::open_proposals(&proposal.proposer), proposal.id)
}

fn barred_members(world: &World<'_>) -> Result<u64, Failure> {
    Ok(world.get(key::BARRED)?.unwrap_or(0))
}

fn tell(world: &mut World<'_>, event: &str, proposal: &Proposal, detail: &str) -> Result<(), Failure> {
    let member = if world.by_ledger() { proposal.proposer.clone() } else { world.operator()? };
    let notice = Notice { members: vec![member], detail: detail.into(), ..world.notice(proposal.id) };
    world.emit(event, notice);
    Ok(())
}
