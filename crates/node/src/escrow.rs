//! What an escrow agent's node does: it makes the key with the others, hands it on, and opens what the members have decided.
//!
//! Nobody coordinates. Each node looks at its own copy of the ledger, does the step that is its own, and looks again; every step is safe to
//! repeat, and what it needs for the next one is in the key store before the ledger hears of it. So a node that was down goes on where it was,
//! and a dealer that is down or lies is done without, where enough others are left. The page is `docs/spec/escrow.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::code;
use contracts::escrow::{Making, context, index_in, sealed_info};
use contracts::message::{EscrowContribute, EscrowDeal, EscrowDestroy, EscrowReceive};
use contracts::read;
use contracts::record::{EscrowDealt, EscrowEpoch, EscrowOpening, ProposalPhase};
use crypto::escrow::{Polynomial, Share};
use crypto::keystore::Keys as _;
use crypto::{Digest, Label, Secret};
use futures_util::future::join_all;
use ledger::View;
use tokio::time::{sleep, timeout};

use crate::message::{AskEscrowPart, EscrowPart};
use crate::problem::ApiError;
use crate::service::{Node, RECIPIENT};

/// What an agent's node remembers between two looks; in memory only.
#[derive(Default)]
pub(crate) struct Agent {
    state: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// The run, how many parts this node held when it last looked, and since when.
    held: Option<(Digest, usize, u64)>,
    /// The height up to which openings were looked at and nothing was left to do.
    looked: u64,
    /// The height at which shares were counted, and how many there were.
    counted: (u64, Shares),
}

/// How many escrow keys this node is to have a share of, by whether it has one: of each key the agents of the newest epoch have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    /// They are here, and fit what the ledger says of them.
    pub(crate) held: u64,
    /// They are not, or do not fit: this node opens nothing with these keys, and hands none of them on.
    pub(crate) missing: u64,
}

/// Looks for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        sleep(PAUSE).await;
        let done = match timeout(PATIENCE, step(&node)).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => tell("look at the ledger", Err(error)),
            Err(_) => tell("be done in time", Err(ApiError::new(code::UNAVAILABLE, "it took too long"))),
        };
        let done = done & tell("count its shares", count(&node));
        if !done {
            // What is refused stands on the ledger: it is not said every second.
            sleep(REST).await;
        }
    }
}

/// Does all that this node can do now; what keeps it from one thing keeps it from no other. False where something was not done.
async fn step(node: &Node) -> Result<bool, ApiError> {
    let view = node.replica.view()?;
    if read::barred(&*view, &node.member)?.is_some() {
        return Ok(true);
    }
    let mut done = true;
    if let Some(epoch) = read::escrow(&*view)? {
        done &= tell("put its share together", assemble(node, &view, &epoch));
        done &= tell("forget what is over", clear(node, &epoch));
    }
    if let Some(making) = Making::under_way(&*view, &node.replica.chain())? {
        done &= tell("deal", deal(node, &view, &making).await);
        // What was dealt is on this copy now, or soon.
        done &= tell("receive its parts", receive(node, &*node.replica.view()?, &making).await);
    }
    done &= tell("destroy its share", destroy(node, &view).await);
    Ok(done & open(node).await?)
}

fn tell(what: &str, outcome: Result<(), ApiError>) -> bool {
    outcome.inspect_err(|error| tracing::warn!(%error, "as an escrow agent this node could not {what}")).is_ok()
}

/// Deals, where this node is a dealer that has not.
async fn deal(node: &Node, view: &View, making: &Making) -> Result<(), ApiError> {
    let Some(index) = index_in(making.dealers(), &node.member) else { return Ok(()) };
    let proposal = making.decided.proposal;
    if read::escrow_dealt(view, &proposal)?.iter().any(|dealt| dealt.index == index) {
        return Ok(());
    }
    let handle = polynomial_handle(making);
    let polynomial = match node.keys.secret(&handle) {
        Ok(kept) => Polynomial::from_secret(&kept).map_err(ApiError::internal)?,
        Err(_) => {
            let polynomial = match &making.from {
                None => Polynomial::fresh(&making.round),
                Some(from) => Polynomial::handing_on(&making.round, &share(node, from)?),
            };
            node.keys.put_secret(&handle, polynomial.to_secret())?;
            polynomial
        }
    };
    let epoch = making.decided.epoch.to_string();
    node.audit.record("node", "escrow.deal", &epoch, "ok", &making.decided.plan.agents.join(", ")).await?;
    let dealing = polynomial.dealing(&making.round, index);
    node.submit_ok(vec![node.prepare("escrow", "deal", &EscrowDeal { proposal, dealing })?]).await?;
    Ok(())
}

/// Fetches and keeps this node's parts, where it is to be an agent, and says on the ledger which ones it holds.
async fn receive(node: &Node, view: &View, making: &Making) -> Result<(), ApiError> {
    let Some(index) = index_in(&making.decided.plan.agents, &node.member) else { return Ok(()) };
    let proposal = making.decided.proposal;
    let dealt = read::escrow_dealt(view, &proposal)?;
    let handle = |dealer| part_handle(making.decided.epoch, &proposal, dealer);
    let handles = handles(node);
    let missing = dealt.iter().filter(|dealt| !handles.contains(&handle(dealt.index)));
    let fetched = missing.map(|dealt| async move { (dealt, fetch(node, making, dealt, index).await) });
    let mut failed = Ok(());
    for (dealt, part) in join_all(fetched).await {
        match part {
            Ok(part) => node.keys.put_secret(&handle(dealt.index), part)?,
            Err(error) => failed = Err(ApiError::coded(&error.code, format!("{}: {}", dealt.member, error.detail))),
        }
    }
    let handles = self::handles(node);
    let held: Vec<u16> =
        dealt.iter().map(|one| one.index).filter(|dealer| handles.contains(&handle(*dealer))).collect();
    let reports = read::escrow_received(view, &proposal)?;
    let reported = reports.iter().find(|one| one.index == index).map_or(0, |one| one.dealers.len());
    if held.len() > reported && held.len() >= usize::from(making.round.needed(making.origin())) {
        let waited = node.agent.waited(&proposal, held.len(), node.now());
        if held.len() == making.dealers().len() || waited >= GRACE {
            let receive = EscrowReceive { proposal, dealers: held };
            node.submit_ok(vec![node.prepare("escrow", "receive", &receive)?]).await?;
        }
    }
    // A dealer that is down, or lies, is done without where enough others are left.
    failed
}

/// One dealer's part for this node, which is agent `index`, checked against what the dealer dealt on the ledger.
async fn fetch(node: &Node, making: &Making, dealt: &EscrowDealt, index: u16) -> Result<Secret<Vec<u8>>, ApiError> {
    let proposal = making.decided.proposal;
    let part = if dealt.member == node.member {
        polynomial(node, making)?.part(index)
    } else {
        let answer: EscrowPart = node.call(&dealt.member, PART, &AskEscrowPart { proposal }).await?;
        let opened = node.keys.unwrap(RECIPIENT, &part_info(&proposal, dealt.index, index), b"", &answer.sealed)?;
        let short = || ApiError::new(code::MALFORMED, "that is no part of a key");
        // Into a type that is wiped as well.
        Secret::new(opened.expose(|bytes| <[u8; 32]>::try_from(bytes.as_slice())).map_err(|_| short())?)
    };
    let wrong = |error: crypto::escrow::Error| ApiError::new(code::MALFORMED, error.to_string());
    making.round.check_part(&dealt.dealing, index, &part).map_err(wrong)?;
    // Into the key store, and nowhere else.
    Ok(part.expose(|bytes| Secret::new(bytes.to_vec())))
}

/// Hands an agent that is to be its part of what this node has dealt: what a ballot decided and the ledger holds, and nothing else.
pub(crate) fn part(node: &Node, member: &str, ask: &AskEscrowPart) -> Result<EscrowPart, ApiError> {
    let view = node.replica.view()?;
    let making = Making::under_way(&*view, &node.replica.chain())?;
    let Some(making) = making.filter(|making| making.decided.proposal == ask.proposal) else {
        return Err(ApiError::new(code::ESCROW_EPOCH, "no agents wait for a key by this decision"));
    };
    let agent = index_in(&making.decided.plan.agents, member)
        .ok_or_else(|| ApiError::new(code::NOT_PERMITTED, format!("`{member}` is not to be an escrow agent")))?;
    let dealer = index_in(making.dealers(), &node.member)
        .filter(|index| {
            read::escrow_dealt(&*view, &ask.proposal).is_ok_and(|all| all.iter().any(|one| one.index == *index))
        })
        .ok_or_else(|| ApiError::new(code::NOT_PERMITTED, format!("`{}` has not dealt", node.member)))?;
    let part = polynomial(node, &making)?.part(agent);
    let info = part_info(&ask.proposal, dealer, agent);
    let recipient = node.card(member)?.recipient;
    let sealed = part.expose(|part| crypto::kem::seal(&recipient, &info, b"", part)).map_err(ApiError::internal)?;
    Ok(EscrowPart { sealed })
}

/// Puts this node's share together from its parts, where the epoch has begun.
fn assemble(node: &Node, view: &View, epoch: &EscrowEpoch) -> Result<(), ApiError> {
    let Some(index) = index_in(&epoch.agents, &node.member) else { return Ok(()) };
    let handle = share_handle(epoch.number);
    if handles(node).contains(&handle) {
        return Ok(());
    }
    let making = Making::made(view, &node.replica.chain(), epoch)?
        .ok_or_else(|| ApiError::internal("an escrow epoch has a threshold that cannot be"))?;
    let mut parts = BTreeMap::new();
    for dealer in &epoch.dealers {
        // A node that was restored from a backup may have none: then the others open, and another ballot gives it a share.
        let Ok(part) = node.keys.secret(&part_handle(epoch.number, &epoch.proposal, *dealer)) else { return Ok(()) };
        // Into a type that is wiped as well.
        let part = part.expose(|bytes| <[u8; 32]>::try_from(bytes.as_slice()));
        parts.insert(*dealer, Secret::new(part.map_err(ApiError::internal)?));
    }
    let share = making.round.assemble(making.origin(), index, &parts, &epoch.group).map_err(ApiError::internal)?;
    node.keys.put_secret(&handle, share.to_secret())?;
    tracing::info!(epoch = epoch.number, "this node holds its share of the escrow key");
    Ok(())
}

/// Forgets what runs have left that are over: polynomials when all agents have their parts, parts when the share is put together. A run is
/// over when its epoch has begun, by this or another; a ledger that is read again from its beginning does not take what is still needed.
fn clear(node: &Node, current: &EscrowEpoch) -> Result<(), ApiError> {
    let handles = handles(node);
    let waits = index_in(&current.agents, &node.member).is_some() && !handles.contains(&share_handle(current.number));
    let own = run_handle("part", current.number, &current.proposal);
    for handle in &handles {
        let over = epoch_of(handle).is_some_and(|epoch| epoch <= current.number);
        if over && !(waits && handle.starts_with(&own)) {
            node.keys.remove(handle)?;
        }
    }
    Ok(())
}

/// Destroys this node's shares of epochs whose key was handed on, and says so.
async fn destroy(node: &Node, view: &View) -> Result<(), ApiError> {
    for number in 1..read::escrow_epoch_number(view)? {
        let Some(epoch) = read::escrow_epoch(view, number)? else { continue };
        let newest = read::escrow_of(view, &epoch.group.key)?.map_or(number, |newest| newest.number);
        let said = || read::escrow_destroyed(view, number).map(|all| all.iter().any(|one| one.member == node.member));
        if newest == number || index_in(&epoch.agents, &node.member).is_none() {
            continue;
        }
        // Also one that came back with a backup.
        let handle = share_handle(number);
        if handles(node).contains(&handle) {
            node.keys.remove(&handle)?;
        }
        if said()? {
            continue;
        }
        node.audit.record("node", "escrow.destroy", &number.to_string(), "ok", "").await?;
        node.submit_ok(vec![node.prepare("escrow", "destroy", &EscrowDestroy { epoch: number })?]).await?;
    }
    Ok(())
}

/// Counts this node's shares, after it has done what it could to have them.
fn count(node: &Node) -> Result<(), ApiError> {
    let (height, view) = (node.replica.height(), node.replica.view()?);
    let (counted, before) = node.agent.remembered(|state| state.counted);
    if counted == height && before.missing == 0 {
        return Ok(());
    }
    let mut shares = Shares::default();
    for number in 1..=read::escrow_epoch_number(&*view)? {
        let Some(epoch) = read::escrow_epoch(&*view, number)? else { continue };
        let newest = read::escrow_of(&*view, &epoch.group.key)?.map_or(number, |newest| newest.number);
        if newest != number || index_in(&epoch.agents, &node.member).is_none() {
            continue;
        }
        match share(node, &epoch) {
            Ok(_) => shares.held += 1,
            Err(_) => shares.missing += 1,
        }
    }
    if shares.missing > before.missing {
        tracing::warn!(
            missing = shares.missing,
            "this node is an escrow agent without its share: have the agents decided anew"
        );
    }
    node.agent.remembered(|state| state.counted = (height, shares));
    Ok(())
}

/// Contributes to what the members have decided to open, by this node's own copy of the ledger.
async fn open(node: &Node) -> Result<bool, ApiError> {
    let (height, view) = (node.replica.height(), node.replica.view()?);
    if node.agent.remembered(|state| state.looked) >= height {
        return Ok(true);
    }
    let mut done = true;
    let mut after = Some(read::escrow_opening_cursor(node.now()));
    while let Some(from) = after {
        let page = read::escrow_openings(&*view, Some(&from), PAGE)?;
        for opening in page.items {
            done &= tell("open what was decided", contribute(node, &view, &opening).await);
        }
        after = page.next;
    }
    if done {
        node.agent.remembered(|state| state.looked = height);
    }
    Ok(done)
}

async fn contribute(node: &Node, view: &View, opening: &EscrowOpening) -> Result<(), ApiError> {
    let EscrowOpening { proposal, asset, object, wrap, recipient, .. } = opening;
    let Some(epoch) = read::escrow_of(view, &wrap.key)? else { return Ok(()) };
    let Some(index) = index_in(&epoch.agents, &node.member) else { return Ok(()) };
    let decided = read::proposal(view, proposal)?.is_some_and(|proposal| proposal.phase == ProposalPhase::Passed);
    let given = read::escrow_contributions(view, proposal)?;
    if !decided || given.iter().any(|one| one.epoch == epoch.number && one.index == index) {
        return Ok(());
    }
    // Without its share this node cannot; the others can.
    let Ok(share) = share(node, &epoch) else { return Ok(()) };
    let context = context(&node.replica.chain(), opening, epoch.number);
    let partial = share.open(wrap, object, &context).map_err(ApiError::internal)?;
    node.audit
        .record("node", "escrow.open", &asset.to_string(), "ok", &format!("by {proposal}, to {}", recipient.id()))
        .await?;
    let sealed = crypto::kem::seal(recipient, &sealed_info(&context, index), b"", &wire::to_vec(&partial));
    // A recipient's key that nobody can seal to was the voters' mistake: nothing can be done about it here.
    let Ok(sealed) = sealed else { return Ok(()) };
    let contribute = EscrowContribute { proposal: *proposal, sealed };
    node.submit_ok(vec![node.prepare("escrow", "contribute", &contribute)?]).await?;
    Ok(())
}

impl Agent {
    /// This node's shares, as it counted them last; none before it has.
    pub(crate) fn shares(&self) -> Shares {
        self.remembered(|state| state.counted.1)
    }

    fn remembered<T>(&self, look: impl FnOnce(&mut Remembered) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// For how long this node has held as many parts and no more, milliseconds.
    fn waited(&self, proposal: &Digest, held: usize, now: u64) -> u64 {
        self.remembered(|state| match state.held {
            Some((run, before, since)) if run == *proposal && before == held => now.saturating_sub(since),
            _ => {
                state.held = Some((*proposal, held, now));
                0
            }
        })
    }
}

/// This node's share in an epoch.
fn share(node: &Node, epoch: &EscrowEpoch) -> Result<Share, ApiError> {
    let missing = || ApiError::new(code::NO_ESCROW, format!("this node has no share of epoch {}", epoch.number));
    let kept = node.keys.secret(&share_handle(epoch.number)).map_err(|_| missing())?;
    let share = Share::from_secret(&kept).map_err(ApiError::internal)?;
    if share.fits(&epoch.group) { Ok(share) } else { Err(ApiError::internal("the escrow share is not the epoch's")) }
}

fn polynomial(node: &Node, making: &Making) -> Result<Polynomial, ApiError> {
    let missing = |_| ApiError::new(code::NO_ESCROW, "this node has lost what it dealt");
    let kept = node.keys.secret(&polynomial_handle(making)).map_err(missing)?;
    Polynomial::from_secret(&kept).map_err(ApiError::internal)
}

/// The key store's handles that are of the escrow.
fn handles(node: &Node) -> BTreeSet<String> {
    node.keys.handles().into_iter().map(|(handle, _)| handle).filter(|handle| handle.starts_with("escrow-")).collect()
}

fn share_handle(epoch: u64) -> String {
    format!("escrow-share-{epoch}")
}

fn polynomial_handle(making: &Making) -> String {
    run_handle("deal", making.decided.epoch, &making.decided.proposal)
}

fn part_handle(epoch: u64, proposal: &Digest, dealer: u16) -> String {
    format!("{}-{dealer}", run_handle("part", epoch, proposal))
}

/// What a run keeps: the epoch that it is for tells when it is over. A handle has 64 characters at most.
fn run_handle(what: &str, epoch: u64, proposal: &Digest) -> String {
    let run: String = proposal.to_string().chars().take(24).collect();
    format!("escrow-{what}-{epoch}-{run}")
}

/// The epoch that a handle of a run is for.
fn epoch_of(handle: &str) -> Option<u64> {
    let rest = handle.strip_prefix("escrow-deal-").or_else(|| handle.strip_prefix("escrow-part-"))?;
    rest.split('-').next()?.parse().ok()
}

/// HPKE's info of a part: label, purpose, run, from, to.
fn part_info(proposal: &Digest, from: u16, to: u16) -> Vec<u8> {
    let label = Label::ESCROW.as_str().as_bytes();
    [label, b"/part/", proposal.as_ref(), &from.to_be_bytes(), &to.to_be_bytes()].concat()
}

/// Where dealers hand out parts.
const PART: &str = "/peer/v1/escrow/part";
/// How often a node looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long it rests where something was not done.
const REST: Duration = Duration::from_secs(10);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a node waits for more parts when it has enough, milliseconds.
const GRACE: u64 = 10_000;
/// Openings of a page.
const PAGE: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_waits_for_more_parts_only_while_more_come() {
        let (agent, run, other) = (Agent::default(), Digest::from([1; 32]), Digest::from([2; 32]));
        assert_eq!(agent.waited(&run, 2, 100), 0);
        assert_eq!(agent.waited(&run, 2, 400), 300);
        assert_eq!(agent.waited(&run, 3, 500), 0);
        assert_eq!(agent.waited(&run, 3, 501), 1);
        assert_eq!(agent.waited(&other, 3, 900), 0);
    }

    #[test]
    fn handles_are_short_enough_and_differ() {
        let (proposal, last) = (Digest::from([0xab; 32]), u64::MAX);
        let all = [
            run_handle("deal", last, &proposal),
            part_handle(last, &proposal, 16),
            part_handle(last, &proposal, 1),
            part_handle(7, &proposal, 1),
            share_handle(last),
        ];
        assert!(all.iter().all(|handle| handle.len() <= 64));
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5);
        let epochs: Vec<Option<u64>> = all.iter().map(|handle| epoch_of(handle)).collect();
        assert_eq!(epochs, [Some(last), Some(last), Some(last), Some(7), None]);
    }
}
