//! The life of a request at a node: taken in, shown to those who decide, judged, explained, and proven.

use std::sync::Arc;

use client::api::{Application, ContractExplanation, Explanation, Judgement, Page, Reason, RequestView};
use contracts::code;
use contracts::message::{Apply, Opening, VerdictRecord};
use contracts::record::{Phase, Request, Role};
use contracts::{read, signers};
use crypto::{Digest, PublicKey};
use futures_util::future::join_all;
use ledger::{SignedTransaction, VerifiedTransaction};

use crate::judge;
use crate::message::{AskOpenings, Done, Openings, Placed, Told};
use crate::oracle::{self, Dossier};
use crate::problem::ApiError;
use crate::service::Node;
use crate::{particulars, proxy};

/// Takes in an application: keeps what stays off the ledger, has the request recorded, tells the other owners.
///
/// # Errors
/// The ledger's refusal, on record; `not_accredited` when the evidence cannot carry the request: then the oracles'
/// refusing verdict is on record before this returns.
pub(crate) async fn apply(node: &Node, application: Application) -> Result<Placed, ApiError> {
    let signed = SignedTransaction::from_bytes(&application.transaction)?;
    let transaction = VerifiedTransaction::verify(signed, &node.replica.chain())?;
    let (contract, method) = (&*transaction.transaction().contract, &*transaction.transaction().method);
    if (contract, method) != ("requests", "apply") {
        return Err(ApiError::new(
            code::MALFORMED,
            format!("a `requests.apply` is expected here, not `{contract}.{method}`"),
        ));
    }
    let (plain, _) = signers::split(contract, method, &transaction.transaction().arguments);
    let apply: Apply = wire::from_slice(&plain, wire::Limits::small())
        .map_err(|error| ApiError::new(code::MALFORMED, error.to_string()))?;
    check_openings(&apply, &application)?;
    let (id, requester) = (transaction.id(), transaction.transaction().sender);
    let openings =
        Openings { request: id, justification: Some(application.justification), evidence: application.evidence };
    check_sizes(&openings)?;
    let placed = node.submit(vec![transaction]).await?;
    let placed = placed.into_iter().next().ok_or_else(|| ApiError::internal("one transaction was submitted"))?;
    let (actor, subject) = (requester.to_string(), id.to_string());
    let record = node.audit.record(&actor, "request.apply", &subject, &placed.code, &apply.purpose);
    if placed.code != ledger::OK {
        // Nothing is kept for requests that the ledger did not take.
        record.await?;
        return Err(ApiError::coded(&placed.code, format!("the request was refused; transaction {id} is on record")));
    }
    let (recorded, kept) = tokio::join!(record, keep(node, &openings));
    recorded?;
    kept?;
    let owners = owners(node, &apply)?;
    let others = owners.iter().filter(|owner| **owner != node.member);
    let tell = Told { height: placed.height, openings };
    let told = join_all(others.map(|owner| node.call::<_, Done>(owner, "/peer/v1/openings", &tell))).await;
    for failure in told.into_iter().filter_map(Result::err) {
        // The owner asks for them again when it needs them.
        tracing::warn!(request = %id, %failure, "an owner was not told of a request");
    }
    if owners.contains(&node.member)
        && let Some(refused) = screen(node, &actor, &id, tell.openings.evidence).await?
    {
        let told = format!("the oracles refused the request; verdict {} is on record", refused.transaction);
        return Err(ApiError::coded(&refused.decision, told));
    }
    Ok(placed)
}

/// Has the oracles refuse a request that no approval can save, so that approvers are not bothered with it.
async fn screen(node: &Node, actor: &str, id: &Digest, evidence: Vec<Opening>) -> Result<Option<Judgement>, ApiError> {
    let dossier = oracle::dossier_with(node, request(node, id)?, evidence).await?;
    let judged =
        judge::judge(&node.replica.view()?, &dossier.request, &dossier.evidence, &dossier.particulars, node.now())?;
    if dossier.request.phase != Phase::Pending || judged.code_before_approvals() != code::NOT_ACCREDITED.code {
        return Ok(None);
    }
    record_verdict(node, actor, &dossier).await.map(Some)
}

/// Keeps openings that the receiving owner's node passed on.
pub(crate) async fn receive(node: &Node, openings: Told) -> Result<Done, ApiError> {
    node.replica.wait_for(openings.height).await?;
    let request = request(node, &openings.openings.request)?;
    let Openings { evidence, justification, .. } = &openings.openings;
    let expected = request.apply.evidence.iter().map(|offered| offered.commitment);
    let justified = justification.as_ref().is_none_or(|opening| opening.commitment() == request.apply.justification);
    if !evidence.iter().map(Opening::commitment).eq(expected) || !justified {
        return Err(ApiError::new(code::EVIDENCE_INVALID, "the openings do not match the request"));
    }
    if !owners(node, &request.apply)?.contains(&node.member) {
        return Err(ApiError::new(code::NOT_PERMITTED, "this node owns nothing that the request names"));
    }
    keep(node, &openings.openings).await?;
    Ok(Done {})
}

/// The evidence of a request in its order: what this node holds, or else what another owner's node does.
pub(crate) async fn evidence(node: &Node, request: &Request) -> Result<Vec<Opening>, ApiError> {
    let offered = &request.apply.evidence;
    let held = held_evidence(node, request).await?;
    if held.len() == offered.len() {
        return Ok(held);
    }
    for owner in owners(node, &request.apply)?.iter().filter(|owner| **owner != node.member) {
        let asked: Result<Openings, _> =
            node.call(owner, "/peer/v1/openings/ask", &AskOpenings { request: request.id }).await;
        let Ok(found) = asked else { continue };
        let fits = found.evidence.iter().map(Opening::commitment).eq(offered.iter().map(|offered| offered.commitment));
        if found.request == request.id && fits {
            keep(node, &found).await?;
            return Ok(found.evidence);
        }
    }
    Err(ApiError::new(code::EVIDENCE_MISSING, "no owner's node holds the request's evidence"))
}

/// Answers an owner of the same request that lacks its openings.
pub(crate) async fn answer_openings(node: &Node, member: &str, ask: AskOpenings) -> Result<Openings, ApiError> {
    let request = request(node, &ask.request)?;
    let owners = owners(node, &request.apply)?;
    if ![member, &node.member].iter().all(|one| owners.iter().any(|owner| owner == one)) {
        return Err(ApiError::new(code::NOT_PERMITTED, "only owners of the request's assets share its evidence"));
    }
    node.audit.record(member, "evidence.read", &ask.request.to_string(), "ok", "").await?;
    openings(node, &ask.request).await
}

/// What this node holds of a request beside the ledger.
async fn openings(node: &Node, id: &Digest) -> Result<Openings, ApiError> {
    let request = request(node, id)?;
    Ok(Openings {
        request: *id,
        justification: node.store.opening(Some(id), &request.apply.justification).await?,
        evidence: held_evidence(node, &request).await?,
    })
}

async fn held_evidence(node: &Node, request: &Request) -> Result<Vec<Opening>, ApiError> {
    let mut evidence = Vec::new();
    for offered in &request.apply.evidence {
        evidence.extend(node.store.opening(Some(&request.id), &offered.commitment).await?);
    }
    Ok(evidence)
}

/// Has the oracles judge a pending request, and records their verdict, with the grant where a release was allowed.
///
/// # Errors
/// `approvals_missing` and the like before any verdict; a refusing verdict is no error.
pub(crate) async fn judge(node: &Node, actor: &str, id: &Digest) -> Result<Judgement, ApiError> {
    let request = request(node, id)?;
    if request.phase != Phase::Pending {
        return decided(node, actor, &request).await;
    }
    let dossier = match oracle::dossier(node, id).await {
        Ok(dossier) => dossier,
        Err(error) => return Err(refused(node, actor, id, error).await),
    };
    match record_verdict(node, actor, &dossier).await {
        Ok(judgement) => Ok(judgement),
        // Someone else had it judged meanwhile.
        Err(_) if self::request(node, id)?.phase != Phase::Pending => {
            decided(node, actor, &self::request(node, id)?).await
        }
        Err(error) => Err(refused(node, actor, id, error).await),
    }
}

async fn record_verdict(node: &Node, actor: &str, dossier: &Dossier) -> Result<Judgement, ApiError> {
    let signed = oracle::coordinate(node, dossier).await?;
    let decision = signed.verdict.decision.clone();
    let ends = signed.verdict.not_after;
    let record =
        VerdictRecord { verdict: signed.verdict, signature: signed.signature, signers: signed.signers.clone() };
    let verdict = node.prepare("verdicts", "record", &record)?;
    let transaction = verdict.id();
    let granted = if decision == ledger::OK { proxy::grant(node, &dossier.request, ends)? } else { None };
    let (grant, token) = granted.unzip();
    node.audit
        .record(actor, "request.judge", &dossier.request.id.to_string(), &decision, &signed.signers.join(", "))
        .await?;
    node.submit_ok([verdict].into_iter().chain(grant).collect()).await?;
    Ok(Judgement { decision, signers: signed.signers, transaction, grant: token })
}

/// What was decided of a request before.
async fn decided(node: &Node, actor: &str, request: &Request) -> Result<Judgement, ApiError> {
    let transaction = request.decided.unwrap_or(request.id);
    let decision = match &request.phase {
        Phase::Allowed | Phase::Done => ledger::OK.to_owned(),
        Phase::Refused(code) => code.clone(),
        Phase::Cancelled | Phase::Pending => {
            return Err(ApiError::new(code::REQUEST_CLOSED, "the request was cancelled"));
        }
    };
    if let (Phase::Allowed, None, Some(verdict)) = (&request.phase, request.grant, &request.verdict) {
        // Another owner's node recorded the verdict, or the grant was refused beside it: the release is still due.
        if let Some((issue, token)) = proxy::grant(node, request, verdict.not_after)? {
            node.audit.record(actor, "grant.issue", &request.id.to_string(), ledger::OK, "").await?;
            node.submit_ok(vec![issue]).await?;
            return Ok(Judgement { decision, signers: Vec::new(), transaction, grant: Some(token) });
        }
    }
    let grant = request.grant.and_then(|_| proxy::token(node, &request.requester, &request.id).ok());
    Ok(Judgement { decision, signers: Vec::new(), transaction, grant })
}

/// Why a request is allowed or refused as things stand, without deciding anything.
pub(crate) async fn explain(node: &Node, id: &Digest) -> Result<Explanation, ApiError> {
    let dossier = oracle::dossier(node, id).await?;
    let judged =
        judge::judge(&node.replica.view()?, &dossier.request, &dossier.evidence, &dossier.particulars, node.now())?;
    let contracts = judged.contracts.into_iter().map(|(judged, decision)| ContractExplanation {
        contract: judged.contract.contract,
        allow: decision.allow,
        code: decision.code.to_string(),
        reasons: decision.reasons.into_iter().map(reason).collect(),
        determining: decision.determining,
        obligations: decision.obligations,
    });
    Ok(Explanation { contracts: contracts.collect() })
}

fn reason(reason: policy::Reason) -> Reason {
    Reason {
        check: reason.check.to_string(),
        satisfied: reason.satisfied,
        detail: reason.detail,
        hint: reason.hint.unwrap_or_default(),
    }
}

/// A request as `caller` may see it: what stays off the ledger only for the requester and the owners' people.
pub(crate) async fn view(node: &Node, caller: Option<&PublicKey>, request: Request) -> Result<RequestView, ApiError> {
    let insider = match caller {
        None => false,
        Some(key) if *key == request.requester => true,
        Some(key) => {
            let owners = owners(node, &request.apply)?;
            let roles = [Role::Approver, Role::Owner, Role::Auditor, Role::Operator];
            let person = crate::api::person(node, key)?;
            person.is_some_and(|(member, held)| {
                owners.contains(&member) && member == node.member && held.iter().any(|role| roles.contains(role))
            })
        }
    };
    let (mut justification, mut applicant) = (None, None);
    if insider {
        let openings = openings(node, &request.id).await?;
        applicant = judge::applicant(&openings.evidence);
        justification = openings.justification.and_then(|opening| String::from_utf8(opening.payload.0).ok());
    }
    let mut titles = Vec::new();
    let state = node.replica.view()?;
    for named in &request.apply.contracts {
        // Titles of hidden particulars are for their owner's own people; others' are not asked for here.
        let contract = read::contract(&state, &named.contract)?;
        let own = insider
            && contract.as_ref().is_some_and(|contract| contract.owner == node.member)
            && caller != Some(&request.requester);
        let disclosed = match contract.and_then(|contract| contract.terms.disclosed) {
            None if own => particulars::of(node, &named.contract).await.ok(),
            disclosed => disclosed,
        };
        titles.push(disclosed.map(|disclosed| disclosed.particulars.title).unwrap_or_default());
    }
    let lapses = read::deadline(&state, &request.id)?;
    Ok(RequestView { request, justification, applicant, titles, lapses })
}

/// Requests that wait for `approver`'s word: those of one page of the open requests.
pub(crate) async fn inbox(
    node: &Node,
    approver: &PublicKey,
    after: Option<&str>,
) -> Result<Page<RequestView>, ApiError> {
    let page = read::open_requests(&node.replica.view()?, &node.member, after, 100)?;
    let mut items = Vec::new();
    for request in page.items {
        if awaits(node, &request, approver)? {
            items.push(view(node, Some(approver), request).await?);
        }
    }
    Ok(Page { items, next: page.next })
}

/// Whether `approver` may still speak on the request under one of its contracts.
fn awaits(node: &Node, request: &Request, approver: &PublicKey) -> Result<bool, ApiError> {
    let view = node.replica.view()?;
    for named in &request.apply.contracts {
        let Some(contract) = read::contract(&view, &named.contract)? else { continue };
        let asked = contract.terms.approvals.approvers.contains(approver);
        let given = request.approvals.iter().filter(|one| one.contract == contract.id);
        let spoken = given.clone().any(|one| one.approver == *approver);
        let enough = given.filter(|one| one.approve).count() >= usize::from(contract.terms.approvals.required);
        if asked && !spoken && !enough {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The request's receipt: its whole chain, under a checkpoint that a quorum cosigned.
pub(crate) async fn receipt(node: &Arc<Node>, id: &Digest) -> Result<String, ApiError> {
    let view = node.replica.view()?;
    let mut ids = read::chain_ids(&view, id)?;
    if ids.is_empty() {
        // A request that the ledger refused at once has no record in the state, but its transaction is on the log.
        let committed = node.replica.found(id, code::UNKNOWN_REQUEST)?;
        let transaction = &committed.transaction.transaction;
        let (plain, _) = signers::split(&transaction.contract, &transaction.method, &transaction.arguments);
        if let Ok(apply) = wire::from_slice::<Apply>(&plain, wire::Limits::small()) {
            ids = read::contract_ids(&view, &apply)?;
        }
        ids.push(*id);
    }
    node.replica.receipt(node, &ids).await
}

/// A request by its identity.
pub(crate) fn request(node: &Node, id: &Digest) -> Result<Request, ApiError> {
    read::request(&node.replica.view()?, id)?.ok_or_else(|| ApiError::new(code::UNKNOWN_REQUEST, id.to_string()))
}

/// The owners of a request's contracts.
fn owners(node: &Node, apply: &Apply) -> Result<Vec<String>, ApiError> {
    let view = node.replica.view()?;
    let mut owners = Vec::new();
    for named in &apply.contracts {
        owners.extend(read::contract(&view, &named.contract)?.map(|contract| contract.owner));
    }
    Ok(owners)
}

fn check_openings(apply: &Apply, application: &Application) -> Result<(), ApiError> {
    let invalid = |detail: &str| Err(ApiError::new(code::EVIDENCE_INVALID, detail));
    if application.justification.commitment() != apply.justification {
        return invalid("the justification does not match its commitment");
    }
    if !application.evidence.iter().map(Opening::commitment).eq(apply.evidence.iter().map(|offered| offered.commitment))
    {
        return invalid("the evidence does not match its commitments");
    }
    let text = &application.justification.payload;
    if text.len() > MAX_JUSTIFICATION || std::str::from_utf8(text).is_err() {
        return invalid("the justification is UTF-8 text of at most 4,000 bytes");
    }
    Ok(())
}

async fn keep(node: &Node, openings: &Openings) -> Result<(), ApiError> {
    check_sizes(openings)?;
    let evidence = openings.evidence.iter().map(|opening| ("evidence", opening));
    let justification = openings.justification.iter().map(|opening| ("justification", opening));
    let all: Vec<_> = evidence.chain(justification).collect();
    Ok(node.store.put_openings(Some(&openings.request), &all, node.now()).await?)
}

fn check_sizes(openings: &Openings) -> Result<(), ApiError> {
    let large = |opening: &Opening| opening.payload.len() > MAX_OPENING;
    if openings.evidence.len() > MAX_EVIDENCE || openings.evidence.iter().chain(&openings.justification).any(large) {
        return Err(ApiError::new(code::OVERSIZE, "at most 8 pieces of evidence of 16 KiB each"));
    }
    Ok(())
}

/// Puts a refusal on the audit trail.
async fn refused(node: &Node, actor: &str, id: &Digest, error: ApiError) -> ApiError {
    match node.audit.record(actor, "request.judge", &id.to_string(), &error.code, &error.detail).await {
        Ok(_) => error,
        Err(failed) => failed.into(),
    }
}

const MAX_JUSTIFICATION: usize = 4000;
const MAX_EVIDENCE: usize = 8;
const MAX_OPENING: usize = 16 * 1024;
