//! The oracle's desk: re-checks a proposed verdict from its own replica and signs it with the others.
//!
//! Whoever coordinates (the owner's node) sends the verdict it proposes with the openings it was made from. An oracle
//! waits until its replica has seen what the coordinator saw, judges the request itself at the stated time, and commits
//! to sign only if it comes to the same verdict, byte for byte.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use contracts::code;
use contracts::message::{Opening, Verdict};
use contracts::read;
use contracts::record::{OracleEpoch, Phase, Request};
use crypto::threshold::{self, GroupKey, KeyShare, Nonces, Package};
use crypto::{Digest, Label, PublicKey, Signature};
use futures_util::future::join_all;
use policy::Disclosed;
use wire::{Fixed, Limits};

use crate::judge::{self, Judgement};
use crate::message::{OracleAsk, OracleCommitment, OraclePackage, OracleShare};
use crate::problem::ApiError;
use crate::service::Node;

/// Signing sessions under way; nonces live in memory only and are taken out before use.
#[derive(Default)]
pub(crate) struct Desk {
    sessions: Mutex<HashMap<Fixed<16>, Session>>,
}

struct Session {
    nonces: Nonces,
    verdict: Vec<u8>,
    key: PublicKey,
    since: u64,
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
    let ask = OracleAsk {
        session: Fixed(crypto::random()),
        height: node.replica.height(),
        verdict: verdict.clone(),
        evidence: dossier.evidence.clone(),
        particulars: dossier.particulars.clone(),
    };

    // FROST round 1 (RFC 9591 §5.1): commitments, from this node first, from others as far as needed.
    let threshold = usize::from(epoch.group.threshold);
    let mut candidates = order(node, &epoch.group.participants).into_iter();
    let (mut commitments, mut refusals) = (Vec::new(), Vec::new());
    while commitments.len() < threshold {
        let next: Vec<String> = candidates.by_ref().take(threshold - commitments.len()).collect();
        if next.is_empty() {
            return Err(ApiError::new(code::ORACLES_UNAVAILABLE, refusals.join("; ")));
        }
        let answers = join_all(next.iter().map(|member| ask_commitment(node, member, &ask))).await;
        for (member, answer) in next.into_iter().zip(answers) {
            let place = epoch.group.participants.iter().position(|one| *one == member).map(|place| place as u16 + 1);
            match answer {
                Ok(commitment) if Some(commitment.index) != place => {
                    refusals.push(format!("{member}: answered for another oracle"))
                }
                Ok(commitment) => commitments.push((member, commitment)),
                Err(error) => refusals.push(format!("{member}: {error}")),
            }
        }
    }
    commitments.sort_by_key(|(_, commitment)| commitment.index);

    // Round 2 (RFC 9591 §5.2): signature shares over exactly these commitments, then aggregation (§5.3).
    let signers: Vec<String> = commitments.iter().map(|(member, _)| member.clone()).collect();
    let package = OraclePackage {
        session: ask.session,
        commitments: commitments.into_iter().map(|(_, commitment)| commitment).collect(),
    };
    let shares = join_all(signers.iter().map(|member| ask_share(node, member, &package))).await;
    let mut collected = BTreeMap::new();
    for (member, share) in signers.iter().zip(shares) {
        let share = share.map_err(|error| ApiError::new(code::ORACLES_UNAVAILABLE, format!("{member}: {error}")))?;
        collected.insert(share.index, share.share);
    }
    // A wrong share's sender is named by its number in the epoch.
    let signature =
        threshold::aggregate(&group, &frost_package(&package), &collected, Label::VERDICT, &wire::to_vec(&verdict));
    let signature = signature.map_err(|error| ApiError::new(code::ORACLES_UNAVAILABLE, error.to_string()))?;
    Ok(Signed { verdict, signature, signers })
}

/// Answers a coordinator's ask, after judging the request independently.
pub(crate) async fn commit(node: &Node, ask: OracleAsk) -> Result<OracleCommitment, ApiError> {
    let disagree = |what: &str| ApiError::new(code::ORACLE_DISAGREES, what.to_owned());
    node.replica.wait_for(ask.height).await?;
    let epoch = current_epoch(node)?;
    let now = node.now();
    if ask.verdict.epoch != epoch.group.epoch {
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
    let dossier = Dossier { request, evidence: ask.evidence, particulars: ask.particulars };
    let (own, _) = verdict(node, &dossier, epoch.group.epoch, ask.verdict.decided, ask.verdict.not_after)?;
    if own != ask.verdict {
        return Err(disagree(&format!(
            "it comes to `{}` where `{}` was proposed, or to other grounds",
            own.decision, ask.verdict.decision
        )));
    }
    if own.decision == "approvals_missing" {
        return Err(disagree("approvals are missing: that is no verdict yet"));
    }
    node.audit.record("node", "oracle.commit", &own.request.to_string(), "ok", &own.decision).await?;
    let share = seat(node, &epoch.group.key)?;
    let (nonces, commitment) = threshold::commit(&share);
    let mut sessions = node.oracle.sessions.lock().expect("no panic while the sessions are held");
    sessions.retain(|_, session| now.saturating_sub(session.since) < SESSION_LIFE);
    if sessions.len() >= MAX_SESSIONS {
        return Err(ApiError::new(code::BUSY, "too many verdicts are being signed"));
    }
    let session = Session { nonces, verdict: wire::to_vec(&own), key: epoch.group.key, since: now };
    if sessions.insert(ask.session, session).is_some() {
        // Two asks under one session name would let a coordinator mix them: both are dropped.
        sessions.remove(&ask.session);
        return Err(disagree("the session exists already"));
    }
    Ok(OracleCommitment { index: share.index(), commitment })
}

/// Signs what was committed to; the nonces are gone afterwards, whatever happens.
pub(crate) async fn sign(node: &Node, package: OraclePackage) -> Result<OracleShare, ApiError> {
    let taken = node.oracle.sessions.lock().expect("no panic while the sessions are held").remove(&package.session);
    let session = taken.ok_or_else(|| ApiError::new(code::ORACLE_DISAGREES, "no such signing session"))?;
    let share = seat(node, &session.key)?;
    let signed = threshold::sign(&share, session.nonces, &frost_package(&package), Label::VERDICT, &session.verdict);
    let signed = signed.map_err(|error| ApiError::new(code::ORACLE_DISAGREES, error.to_string()))?;
    node.audit.record("node", "oracle.sign", &crypto::sha256(&[&session.verdict]).to_string(), "ok", "").await?;
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

async fn ask_commitment(node: &Node, member: &str, ask: &OracleAsk) -> Result<OracleCommitment, ApiError> {
    if member == node.member {
        return commit(node, ask.clone()).await;
    }
    node.call(member, "/peer/v1/oracle/commit", ask).await
}

async fn ask_share(node: &Node, member: &str, package: &OraclePackage) -> Result<OracleShare, ApiError> {
    if member == node.member {
        return sign(node, package.clone()).await;
    }
    node.call(member, "/peer/v1/oracle/sign", package).await
}

fn frost_package(package: &OraclePackage) -> Package {
    package.commitments.iter().map(|one| (one.index, one.commitment)).collect()
}

/// This node's share of the oracles' key.
fn seat(node: &Node, key: &PublicKey) -> Result<KeyShare, ApiError> {
    let missing =
        |_| ApiError::new(code::ORACLE_DISAGREES, format!("this node holds no share of the oracles' key {key}"));
    let bytes = node.keys.secret(&share_handle(key)).map_err(missing)?;
    KeyShare::from_secret(&bytes).map_err(|error| ApiError::internal(error.to_string()))
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
    let view = node.replica.view()?;
    let request =
        read::request(&view, request)?.ok_or_else(|| ApiError::new(code::UNKNOWN_REQUEST, request.to_string()))?;
    let evidence = crate::requests::evidence(node, &request).await?;
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
const SESSION_LIFE: u64 = 60 * 1000;
const MAX_SESSIONS: usize = 4096;
