//! The judgement of a request: appraises its evidence, gathers the facts and runs the policy.
//!
//! Owner, oracle, party and `explain` all come here, so that they cannot differ: the same view of the ledger, the same
//! openings and the same time give the same judgement.

use std::collections::BTreeSet;

use contracts::code;
use contracts::message::{Appraisal, Credential, Judged, Opening};
use contracts::read;
use contracts::record::{Contract, Request, Standing};
use crypto::{Label, PublicKey};
use ledger::State;
use policy::{Decision, Disclosed, Facts};
use wire::Limits;

use crate::problem::ApiError;

/// A request judged under each of its contracts.
pub(crate) struct Judgement {
    /// What each evidence proves, in the request's order.
    pub appraisals: Vec<Appraisal>,
    /// The contracts with their decisions, in the request's order.
    pub contracts: Vec<(Judged, Decision)>,
}

impl Judgement {
    /// `ok`, or the first refusal's code.
    pub(crate) fn code(&self) -> &str {
        self.contracts
            .iter()
            .map(|(_, decision)| decision)
            .find(|decision| !decision.allow)
            .map_or("ok", |decision| &*decision.code)
    }

    /// The code when missing approvals are left aside: what can be said before anyone approved.
    pub(crate) fn code_before_approvals(&self) -> &str {
        let refused = self
            .contracts
            .iter()
            .map(|(_, decision)| decision)
            .find(|decision| !decision.allow && decision.code != "approvals_missing");
        refused.map_or("ok", |decision| &*decision.code)
    }
}

/// Judges `request` at `now` (Unix milliseconds) with the openings at hand: evidence in the request's order, particulars
/// in the order of its contracts.
///
/// # Errors
/// When the ledger lacks a contract or an opening does not match its commitment.
pub(crate) fn judge(
    state: &dyn State,
    request: &Request,
    evidence: &[Opening],
    particulars: &[Disclosed],
    now: u64,
) -> Result<Judgement, ApiError> {
    if particulars.len() != request.apply.contracts.len() {
        return Err(ApiError::new(code::EVIDENCE_MISSING, "not every contract's particulars are at hand"));
    }
    let appraisals = appraise_all(state, request, evidence, now)?;
    let accreditations: BTreeSet<String> =
        appraisals.iter().flat_map(|appraisal| appraisal.claims.iter().cloned()).collect();
    let mut contracts = Vec::new();
    for (named, disclosed) in request.apply.contracts.iter().zip(particulars) {
        let contract = read::contract(state, &named.contract)?
            .ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, named.contract.to_string()))?;
        let asset = read::asset(state, &contract.terms.asset)?
            .ok_or_else(|| ApiError::new(code::UNKNOWN_ASSET, contract.terms.asset.to_string()))?;
        let approvals = approvals(request, &contract);
        let facts = Facts {
            requester: request.requester,
            purpose: request.apply.purpose.clone(),
            now,
            approvals: approvals.len() as u32,
            accreditations: accreditations.clone(),
            contract: contract.id.to_string(),
            version: contract.version,
            active: in_force(&contract, named.version) && !asset.retired,
            means: contract.terms.means,
            asset: asset.registered.name.clone(),
            owner: contract.owner.clone(),
        };
        let decision = policy::decide(&contract.terms, disclosed, &facts);
        // The verdict names the terms applied under, also where it refuses because they were amended since.
        let version = read::version(state, named)?;
        let version =
            version.ok_or_else(|| ApiError::new(code::CONTRACT_CHANGED, format!("no version {}", named.version)))?;
        let judged =
            Judged { contract: *named, terms: version.terms.digest(), policy: version.terms.policy, approvals };
        contracts.push((judged, decision));
    }
    Ok(Judgement { appraisals, contracts })
}

/// Whether the contract still stands as the request read it.
fn in_force(contract: &Contract, version: u32) -> bool {
    contract.standing == Standing::Active && contract.version == version
}

/// The approvers that said yes under a contract, sorted.
fn approvals(request: &Request, contract: &Contract) -> Vec<PublicKey> {
    let given = request.approvals.iter().filter(|approval| approval.contract == contract.id && approval.approve);
    given.map(|approval| approval.approver).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Appraises each evidence; an opening that does not match its commitment is an error, evidence that proves nothing is not.
fn appraise_all(
    state: &dyn State,
    request: &Request,
    evidence: &[Opening],
    now: u64,
) -> Result<Vec<Appraisal>, ApiError> {
    let offered = &request.apply.evidence;
    if evidence.len() != offered.len() {
        return Err(ApiError::new(
            code::EVIDENCE_MISSING,
            format!("{} of {} pieces of evidence are at hand", evidence.len(), offered.len()),
        ));
    }
    let mut appraisals = Vec::new();
    for (offered, opening) in offered.iter().zip(evidence) {
        if opening.commitment() != offered.commitment {
            return Err(ApiError::new(
                code::EVIDENCE_INVALID,
                "the evidence does not match the commitment on the ledger",
            ));
        }
        let proven = match offered.kind.as_str() {
            "credential" => appraise_credential(state, &request.requester, &opening.payload, now)?,
            _ => Err("evidence_kind_unknown"),
        };
        let (claims, trust, code) = match proven {
            Ok(claims) => (claims, "issuer", "ok"),
            Err(code) => (Vec::new(), "none", code),
        };
        appraisals.push(Appraisal {
            kind: offered.kind.clone(),
            commitment: offered.commitment,
            claims,
            trust: trust.into(),
            code: code.into(),
        });
    }
    Ok(appraisals)
}

/// What a credential proves about `subject`: the claims that its accredited issuer may vouch for, or why none.
fn appraise_credential(
    state: &dyn State,
    subject: &PublicKey,
    bytes: &[u8],
    now: u64,
) -> Result<Result<Vec<String>, &'static str>, ApiError> {
    let Ok(credential) = wire::from_slice::<Credential>(bytes, Limits { bytes: 4096, depth: 6 }) else {
        return Ok(Err("evidence_malformed"));
    };
    let body = &credential.body;
    if body.issuer.verify(Label::CREDENTIAL, &wire::to_vec(body), &credential.signature).is_err() {
        return Ok(Err("evidence_invalid"));
    }
    if body.subject != *subject {
        return Ok(Err("evidence_not_yours"));
    }
    if !(body.not_before..=body.not_after).contains(&now) {
        return Ok(Err("evidence_expired"));
    }
    let Some(issuer) = read::issuer(state, &body.issuer)?.filter(|issuer| !issuer.revoked) else {
        return Ok(Err("issuer_not_accredited"));
    };
    Ok(Ok(body
        .claims
        .iter()
        .filter(|claim| issuer.claims.contains(claim))
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()))
}

/// The name in a credential, for the people who approve; not yet appraised.
pub(crate) fn applicant(evidence: &[Opening]) -> Option<String> {
    let opening = evidence.first()?;
    let credential: Credential = wire::from_slice(&opening.payload, Limits { bytes: 4096, depth: 6 }).ok()?;
    Some(credential.body.name)
}
