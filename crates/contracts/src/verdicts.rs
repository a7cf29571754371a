//! Verdicts: what the oracles decided, checked against everything the ledger knows.

use std::collections::BTreeSet;

use crypto::{Label, PublicKey};
use ledger::Failure;

use crate::application::World;
use crate::members::check_code;
use crate::message::{Judged, Verdict, VerdictRecord};
use crate::record::{OracleEpoch, Phase, Request};
use crate::requests::{closed, find, in_time, settle, tell};
use crate::{code, offers, read};

/// Oldest decision that is recorded: 5 minutes, in milliseconds.
pub const MAX_AGE: u64 = 5 * 60 * 1000;
/// How far an oracle's clock may run ahead of the block's time: 30 seconds, in milliseconds.
pub const MAX_AHEAD: u64 = 30 * 1000;
/// Longest life of a verdict: an hour, in milliseconds.
pub const MAX_LIFE: u64 = 3600 * 1000;

pub(crate) fn record(world: &mut World<'_>, record: VerdictRecord) -> Result<(), Failure> {
    world.node()?;
    let VerdictRecord { verdict, signature, signers } = record;
    let oracles = read::oracles(world.state)?.filter(|oracles| oracles.group.epoch == verdict.epoch);
    let oracles = oracles.ok_or_else(|| invalid(format!("oracle epoch {} is not in force", verdict.epoch)))?;
    let body = wire::to_vec(&verdict);
    oracles
        .group
        .key
        .verify(Label::VERDICT, &body, &signature)
        .map_err(|_| invalid("the oracles' signature does not verify"))?;
    check_signers(world, &oracles, &signers)?;
    if verdict.chain != world.chain {
        return Err(invalid("the verdict is for another ledger"));
    }
    let mut request = find(world, &verdict.request)?;
    if !request.is_pending() {
        return Err(closed(&request));
    }
    in_time(world, &request)?;
    check_times(&verdict, world.now)?;
    check_subject(world, &verdict, &request)?;
    request.decided = Some(world.id);
    let (phase, event) = match verdict.decision.as_str() {
        code::OK => {
            check_allowed(world, &verdict)?;
            (Phase::Allowed, "request.allowed")
        }
        refusal => {
            check_code(refusal)?;
            (Phase::Refused(refusal.into()), "request.refused")
        }
    };
    let decision = verdict.decision.clone();
    request.verdict = Some(verdict);
    settle(world, &mut request, phase)?;
    tell(world, event, &request, &decision);
    Ok(())
}

fn check_signers(world: &World<'_>, oracles: &OracleEpoch, signers: &[String]) -> Result<(), Failure> {
    for signer in signers {
        if let Some(barred) = read::barred(world.state, signer)? {
            return Err(invalid(format!("the oracle of `{signer}` does not count: it is {}", barred.standing)));
        }
    }
    let distinct: BTreeSet<&String> = signers.iter().collect();
    let known = signers.iter().all(|signer| oracles.group.participants.contains(signer));
    match known && distinct.len() == signers.len() && signers.len() >= usize::from(oracles.group.threshold) {
        true => Ok(()),
        false => Err(invalid(format!("{} distinct participants sign a verdict at least", oracles.group.threshold))),
    }
}

fn check_times(verdict: &Verdict, now: u64) -> Result<(), Failure> {
    if verdict.decided > now.saturating_add(MAX_AHEAD) {
        return Err(invalid("the verdict was decided in the future"));
    }
    if verdict.not_after <= verdict.decided || verdict.not_after - verdict.decided > MAX_LIFE {
        return Err(invalid("a verdict lives an hour at most"));
    }
    if now.saturating_sub(verdict.decided) > MAX_AGE || verdict.not_after <= now {
        return Err(code::VERDICT_EXPIRED.refuse("the verdict was decided too long ago"));
    }
    Ok(())
}

/// The verdict speaks of this request: its contracts, their terms, its evidence, and approvals that really were given.
fn check_subject(world: &World<'_>, verdict: &Verdict, request: &Request) -> Result<(), Failure> {
    if !verdict.contracts.iter().map(|judged| &judged.contract).eq(&request.apply.contracts) {
        return Err(invalid("the verdict names other contracts than the request"));
    }
    let offered = request.apply.evidence.iter().map(|evidence| (&evidence.kind, &evidence.commitment));
    if !verdict.appraisals.iter().map(|appraisal| (&appraisal.kind, &appraisal.commitment)).eq(offered) {
        return Err(invalid("the verdict appraises other evidence than the request brings"));
    }
    for Judged { contract, terms, policy, approvals } in &verdict.contracts {
        let offered = offers::terms_at(world, contract)?;
        if *terms != offered.digest() || *policy != offered.policy {
            return Err(invalid("the verdict judged other terms or another policy than the contract's"));
        }
        let given = |approver: &PublicKey| {
            let same =
                |vote: &&crate::record::Approval| vote.contract == contract.contract && vote.approver == *approver;
            request.approvals.iter().find(same).is_some_and(|vote| vote.approve)
        };
        if !approvals.is_sorted_by(|a, b| a < b) || !approvals.iter().all(given) {
            return Err(invalid("the verdict counts approvals that were not given"));
        }
    }
    Ok(())
}

/// What the ledger itself can see of an allowing verdict's truth.
fn check_allowed(world: &World<'_>, verdict: &Verdict) -> Result<(), Failure> {
    for judged in &verdict.contracts {
        let contract = offers::unchanged(world, &judged.contract)?;
        let required = usize::from(contract.terms.approvals.required);
        if judged.approvals.len() < required {
            let message = format!("{} of {required} approvals were given", judged.approvals.len());
            return Err(code::APPROVALS_MISSING.refuse(message));
        }
        for rule in &contract.terms.evidence {
            let proven = verdict.appraisals.iter().any(|appraisal| {
                appraisal.kind == rule.kind && appraisal.code == code::OK && appraisal.claims.contains(&rule.claim)
            });
            if !proven {
                return Err(code::NOT_ACCREDITED.refuse(format!("no appraisal proves `{}`", rule.claim)));
            }
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Failure {
    code::VERDICT_INVALID.refuse(message)
}
