//! The oracle's desk: re-checks a proposed verdict from its own replica and signs it with the others.
//!
//! Whoever coordinates (the owner's node) sends the verdict it proposes with the openings it was made from. An oracle
//! waits until its replica has seen what the coordinator saw, judges the request itself at the stated time, and signs
//! only if it comes to the same verdict, byte for byte. FROST's first round needs no verdict: the coordinator holds
//! commitments of every oracle in stock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use contracts::code;
use contracts::message::{Opening, Verdict};
use contracts::read;
use contracts::record::{OracleEpoch, Phase, Request};
use crypto::threshold::{self, Commitment, GroupKey, KeyShare, Nonces, Package, Share};
use crypto::{Digest, Label, PublicKey, Signature};
use futures_util::future::join_all;
use policy::Disclosed;
use wire::Limits;

use crate::judge::{self, Judgement};
use crate::message::{AskCommitments, OracleAsk, OracleCommitment, OracleCommitments, OracleShare};
use crate::problem::ApiError;
use crate::service::Node;

/// What both roles remember; in memory only.
#[derive(Default)]
pub(crate) struct Desk {
    /// As an oracle, the nonces it has committed to, by the member that was told; taken out before use.
    nonces: Mutex<HashMap<String, VecDeque<Committed>>>,
    /// This node's share of the key in use, read once from the key store.
    seat: Mutex<Option<(PublicKey, Arc<KeyShare>)>>,
    /// As a coordinator, oracles' commitments not used yet, by oracle, under a key.
    stock: Mutex<HashMap<String, (PublicKey, Vec<OracleCommitment>)>>,
}

struct Committed {
    commitment: Commitment,
    nonces: Nonces,
    key: PublicKey,
}

/// What coordinating came to: the verdict, its signature and who signed.
pub(crate) struct Signed {
    pub verdict: Verdict,
    pub signature: Signature,
    pub signers: Vec<String>,
}

/// What a judgement was made from.
pub(crate) struct Dossier {
    pub request: Request,
    pub evidence: Vec<Opening>,
    pub particulars: Vec<Disclosed>,
}

/// Judges at `decided` from this node's replica and writes the verdict that follows.
fn verdict(
    node: &Node,
    dossier: &Dossier,
    epoch: u64,
    decided: u64,
    not_after: u64,
) -> Result<(Verdict, Judgement), ApiError> {
    let view = node.replica.view()?;
    let judgement = judge::judge(&view, &dossier.request, &dossier.evidence, &dossier.particulars, decided)?;
    let verdict = Verdict {
        chain: node.replica.chain(),
        epoch,
        request: dossier.request.id,
        contracts: judgement.contracts.iter().map(|(judged, _)| judged.clone()).collect(),
        appraisals: judgement.appraisals.clone(),
        decision: judgement.code().to_owned(),
        owner_asserted: Vec::new(),
        decided,
        not_after,
    };
    Ok((verdict, judgement))
}

/// Coordinates the oracles: proposes the verdict and collects a threshold of signature shares.
///
/// # Errors
/// `approvals_missing` before anyone is asked; `oracles_unavailable` when too few come to the same verdict.
pub(crate) async fn coordinate(node: &Node, dossier: &Dossier) -> Result<Signed, ApiError> {
    let epoch = current_epoch(node)?;
    let decided = node.now();
    let (verdict, _) = verdict(node, dossier, epoch.group.epoch, decided, decided + VERDICT_LIFE)?;
    if verdict.decision == "approvals_missing" {
        return Err(ApiError::new(code::APPROVALS_MISSING, "the contract's approvers have not approved yet"));
    }
    let group: GroupKey = wire::from_slice(&epoch.group.group, Limits::small()).map_err(ApiError::internal)?;
    let threshold = usize::from(epoch.group.threshold);
    let mut ask = OracleAsk {
        height: node.replica.height(),
        verdict,
        evidence: dossier.evidence.clone(),
        particulars: dossier.particulars.clone(),
        package: Vec::new(),
    };
    // This node first, others as far as needed. Who fails is asked once more, with fresh commitments: it may have
    // restarted and lost those in stock.
    let view = node.replica.view()?;
    let mut active = Vec::new();
    for member in &epoch.group.participants {
        // A verdict that a suspended or removed member has signed is not taken.
        if read::barred(&view, member)?.is_none() {
            active.push(member.clone());
        }
    }
    drop(view);
    let (mut candidates, mut failed, mut refusals) = (order(node, &active), Vec::new(), Vec::new());
    loop {
        if candidates.len() < threshold {
            return Err(ApiError::new(code::ORACLES_UNAVAILABLE, refusals.join("; ")));
        }
        let signers = candidates[..threshold].to_vec();
        let errors = match round(node, &epoch, &signers, &mut ask).await {
            Ok(shares) => {
                // Aggregation (RFC 9591 §5.3). A wrong share's sender is named by its number in the epoch.
                let (package, message) = (frost_package(&ask.package), wire::to_vec(&ask.verdict));
                let signature = threshold::aggregate(&group, &package, &shares, Label::VERDICT, &message);
                let signature =
                    signature.map_err(|error| ApiError::new(code::ORACLES_UNAVAILABLE, error.to_string()))?;
                let participants = epoch.group.participants.into_iter();
                let signers = participants.filter(|member| signers.contains(member)).collect();
                return Ok(Signed { verdict: ask.verdict, signature, signers });
            }
            Err(errors) => errors,
        };
        for (member, error) in errors {
            node.oracle.stock.lock().expect("no panic while the stock is held").remove(&member);
            if failed.contains(&member) || error.code == code::PEER_UNREACHABLE.code {
                candidates.retain(|candidate| *candidate != member);
                refusals.push(format!("{member}: {error}"));
            } else {
                failed.push(member);
            }
        }
    }
}

/// One attempt of these oracles: a commitment of each, then their signature shares; or who failed, and how.
async fn round(
    node: &Node,
    epoch: &OracleEpoch,
    signers: &[String],
    ask: &mut OracleAsk,
) -> Result<BTreeMap<u16, Share>, Vec<(String, ApiError)>> {
    // FROST round 1 (RFC 9591 §5.1): commitments, mostly from the stock.
    let commitments = join_all(signers.iter().map(|member| commitment(node, epoch, member))).await;
    ask.package = all(signers, commitments)?;
    ask.package.sort_by_key(|commitment| commitment.index);
    // Round 2 (RFC 9591 §5.2): signature shares over exactly these commitments.
    let ask = &*ask;
    let shares = join_all(signers.iter().map(|member| async move {
        if *member == node.member {
            // It has judged already: the verdict is its own.
            let committed = take(node, &node.member, &ask.package)?;
            return release(node, committed, &ask.verdict, &ask.package).await;
        }
        node.call::<_, OracleShare>(member, "/peer/v1/oracle/sign", ask).await
    }));
    Ok(all(signers, shares.await)?.into_iter().map(|share| (share.index, share.share)).collect())
}

/// All results, or all errors with the members that made them.
fn all<T>(members: &[String], results: Vec<Result<T, ApiError>>) -> Result<Vec<T>, Vec<(String, ApiError)>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (member, result) in members.iter().zip(results) {
        match result {
            Ok(result) => good.push(result),
            Err(error) => bad.push((member.clone(), error)),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// A commitment of an oracle for one signature, from the stock or fetched with more to come.
async fn commitment(node: &Node, epoch: &OracleEpoch, member: &str) -> Result<OracleCommitment, ApiError> {
    let stock = || node.oracle.stock.lock().expect("no panic while the stock is held");
    let key = epoch.group.key;
    if let Some(found) = stock().get_mut(member).filter(|(of, _)| *of == key).and_then(|(_, held)| held.pop()) {
        return Ok(found);
    }
    let ask = AskCommitments { count: BATCH };
    let mut fetched = match member == node.member {
        true => commit(node, member, &ask)?,
        false => node.call::<_, OracleCommitments>(member, "/peer/v1/oracle/commit", &ask).await?,
    };
    let place = epoch.group.participants.iter().position(|one| one == member).map(|place| place as u16 + 1);
    let strange = fetched.commitments.iter().any(|commitment| Some(commitment.index) != place);
    let first = fetched.commitments.pop().filter(|_| !strange && fetched.commitments.len() < usize::from(BATCH));
    let first = first.ok_or_else(|| ApiError::new(code::ORACLE_DISAGREES, "it answered for another oracle"))?;
    let mut stock = stock();
    match stock.get_mut(member).filter(|(of, held)| *of == key && held.len() < MAX_STOCK) {
        Some((_, held)) => held.append(&mut fetched.commitments),
        None => drop(stock.insert(member.to_owned(), (key, fetched.commitments))),
    }
    Ok(first)
}

/// Commits to nonces for a member that coordinates (RFC 9591 §5.1): they wait in memory until it asks for signatures.
pub(crate) fn commit(node: &Node, member: &str, ask: &AskCommitments) -> Result<OracleCommitments, ApiError> {
    let key = current_epoch(node)?.group.key;
    let share = seat(node, &key)?;
    let made: Vec<_> = (0..ask.count.min(BATCH)).map(|_| threshold::commit(&share)).collect();
    let commitment = |commitment| OracleCommitment { index: share.index(), commitment };
    let commitments = made.iter().map(|(_, made)| commitment(*made)).collect();
    let mut nonces = node.oracle.nonces.lock().expect("no panic while the nonces are held");
    let held = nonces.entry(member.to_owned()).or_default();
    held.extend(made.into_iter().map(|(nonces, commitment)| Committed { commitment, nonces, key }));
    // A member that asks for ever more loses the oldest of its own.
    let surplus = held.len().saturating_sub(MAX_NONCES);
    held.drain(..surplus);
    Ok(OracleCommitments { commitments })
}

/// Answers a coordinator's ask: judges the request independently, then signs what it came to itself. The nonces are
/// gone afterwards, whatever happens.
pub(crate) async fn sign(node: &Node, member: &str, ask: OracleAsk) -> Result<OracleShare, ApiError> {
    let committed = take(node, member, &ask.package)?;
    let disagree = |what: &str| ApiError::new(code::ORACLE_DISAGREES, what.to_owned());
    node.replica.wait_for(ask.height).await?;
    let epoch = current_epoch(node)?;
    let now = node.now();
    if ask.verdict.epoch != epoch.group.epoch || committed.key != epoch.group.key {
        return Err(disagree("the verdict names another oracle epoch"));
    }
    if ask.verdict.decided.abs_diff(now) > SKEW {
        return Err(disagree("the time of decision is too far from this node's clock"));
    }
    if ask.verdict.not_after.saturating_sub(ask.verdict.decided) > VERDICT_LIFE {
        return Err(disagree("the verdict would live too long"));
    }
    let request = read::request(&node.replica.view()?, &ask.verdict.request)?
        .ok_or_else(|| disagree("the request is not on the ledger"))?;
    if request.phase != Phase::Pending {
        return Err(disagree("the request is decided already"));
    }
    let proposed = ask.verdict;
    let dossier = Dossier { request, evidence: ask.evidence, particulars: ask.particulars };
    let (own, _) = verdict(node, &dossier, epoch.group.epoch, proposed.decided, proposed.not_after)?;
    if own != proposed {
        return Err(disagree(&format!(
            "it comes to `{}` where `{}` was proposed, or to other grounds",
            own.decision, proposed.decision
        )));
    }
    if own.decision == "approvals_missing" {
        return Err(disagree("approvals are missing: that is no verdict yet"));
    }
    release(node, committed, &own, &ask.package).await
}

/// Takes out of memory the nonces whose commitment `member` was told and has put into this package.
fn take(node: &Node, member: &str, package: &[OracleCommitment]) -> Result<Committed, ApiError> {
    let mut nonces = node.oracle.nonces.lock().expect("no panic while the nonces are held");
    let held = nonces.get_mut(member);
    let named = |committed: &Committed| package.iter().any(|one| one.commitment == committed.commitment);
    let taken = held.and_then(|held| held.remove(held.iter().position(named)?));
    taken
        .ok_or_else(|| ApiError::new(code::ORACLE_DISAGREES, "none of the commitments is an unused one of this oracle"))
}

/// Records and makes this oracle's signature share over a verdict that it came to itself (RFC 9591 §5.2).
async fn release(
    node: &Node,
    committed: Committed,
    verdict: &Verdict,
    package: &[OracleCommitment],
) -> Result<OracleShare, ApiError> {
    let message = wire::to_vec(verdict);
    let detail = format!("{}, verdict {}", verdict.decision, crypto::sha256(&[&message]));
    node.audit.record("node", "oracle.sign", &verdict.request.to_string(), "ok", &detail).await?;
    let share = seat(node, &committed.key)?;
    let signed = threshold::sign(&share, committed.nonces, &frost_package(package), Label::VERDICT, &message);
    let signed = signed.map_err(|error| ApiError::new(code::ORACLE_DISAGREES, error.to_string()))?;
    Ok(OracleShare { index: share.index(), share: signed })
}

/// The oracles in force.
pub(crate) fn current_epoch(node: &Node) -> Result<OracleEpoch, ApiError> {
    let current = read::oracles(&node.replica.view()?)?;
    current.ok_or_else(|| ApiError::new(code::ORACLES_MISSING, "the consortium has no oracles yet"))
}

/// This node first (it has judged already), then the others, starting at a varying place so that the work is spread.
fn order(node: &Node, participants: &[String]) -> Vec<String> {
    let (own, mut others): (Vec<String>, Vec<String>) =
        participants.iter().cloned().partition(|member| *member == node.member);
    if !others.is_empty() {
        let turn = usize::from(crypto::random::<1>()[0]) % others.len();
        others.rotate_left(turn);
    }
    own.into_iter().chain(others).collect()
}

fn frost_package(package: &[OracleCommitment]) -> Package {
    package.iter().map(|one| (one.index, one.commitment)).collect()
}

/// This node's share of the oracles' key.
fn seat(node: &Node, key: &PublicKey) -> Result<Arc<KeyShare>, ApiError> {
    let kept = || node.oracle.seat.lock().expect("no panic while the seat is held");
    if let Some((_, share)) = kept().as_ref().filter(|(of, _)| of == key) {
        return Ok(share.clone());
    }
    let missing =
        |_| ApiError::new(code::ORACLE_DISAGREES, format!("this node holds no share of the oracles' key {key}"));
    let bytes = node.keys.secret(&share_handle(key)).map_err(missing)?;
    let share = KeyShare::from_secret(&bytes).map_err(|error| ApiError::internal(error.to_string()))?;
    let share = Arc::new(share);
    *kept() = Some((*key, share.clone()));
    Ok(share)
}

/// The key store's handle of a share of an oracle key. Named by the key and not by the epoch, so that a key generation
/// that failed late can be repeated.
pub(crate) fn share_handle(key: &PublicKey) -> String {
    // A handle has 64 characters at most; half of the key names it well enough.
    let name: String = key.to_string().chars().take(32).collect();
    format!("oracle-{name}")
}

/// The dossier of a request from what this node holds.
pub(crate) async fn dossier(node: &Node, request: &Digest) -> Result<Dossier, ApiError> {
    let request = crate::requests::request(node, request)?;
    let evidence = crate::requests::evidence(node, &request).await?;
    dossier_with(node, request, evidence).await
}

/// The same, with evidence at hand.
pub(crate) async fn dossier_with(node: &Node, request: Request, evidence: Vec<Opening>) -> Result<Dossier, ApiError> {
    let mut particulars = Vec::new();
    for named in &request.apply.contracts {
        particulars.push(crate::particulars::of(node, &named.contract).await?);
    }
    Ok(Dossier { request, evidence, particulars })
}

/// A verdict gives a grant for ten minutes.
const VERDICT_LIFE: u64 = 10 * 60 * 1000;
/// Clocks of coordinator and oracle may differ by this much.
const SKEW: u64 = 30 * 1000;
/// Commitments fetched at a time.
const BATCH: u16 = 16;
/// Commitments of one oracle that a coordinator holds before it fetches no more.
const MAX_STOCK: usize = 64;
/// Nonces that an oracle keeps for each member.
const MAX_NONCES: usize = 1024;
