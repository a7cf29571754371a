//! The ledger's records: members, principals, issuers, oracles, assets, contracts, transactions, audit.

use std::io;

use axum::extract::{Request, State};
use client::api::{AuditEntry, OracleSetup, OracleView, Page, Submission, Submitted, TransactionResult};
use contracts::message::{Opening, OrderingRotate};
use contracts::record::{AccreditedIssuer, Asset, Contract, Member, Principal, Role};
use contracts::{code, read};
use crypto::Digest;
use futures_util::StreamExt as _;
use ledger::{SignedTransaction, Transaction, VerifiedTransaction};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;

use super::{Shared, insider, known, own_principal, person};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query, is_forged};
use crate::message::Placed;
use crate::problem::ApiError;
use crate::replica::arm;
use crate::service::{COSIGNER, COSIGNER_ML_DSA, Node};
use crate::{assets, dkg, particulars};

/// A page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// Continue after this.
    pub after: Option<String>,
    /// At most so many items, up to 200.
    pub limit: Option<usize>,
    /// Of this member only.
    pub member: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 200)
    }
}

/// Has signed transactions ordered; answers once they are durable.
#[utoipa::path(post, path = "/v1/transactions", tag = "ledger", request_body = Submission, responses((status = 200, body = Submitted)))]
pub(crate) async fn submit(
    State(node): Shared,
    caller: Caller,
    Json(submission): Json<Submission>,
) -> Result<Json<Submitted>, ApiError> {
    known(&caller)?;
    if submission.transactions.is_empty() || submission.transactions.len() > MAX_SUBMISSION {
        return Err(ApiError::new(code::OVERSIZE, format!("1 to {MAX_SUBMISSION} transactions at once")));
    }
    let chain = node.replica.chain();
    let signed = submission.transactions.iter().map(|bytes| SignedTransaction::from_bytes(bytes));
    let mut transactions = Vec::new();
    for transaction in VerifiedTransaction::verify_all(signed.collect::<Result<_, _>>()?, &chain) {
        let transaction = transaction?;
        may_submit(&node, transaction.transaction())?;
        transactions.push(transaction);
    }
    let methods: Vec<String> =
        transactions.iter().map(|one| format!("{}.{}", one.transaction().contract, one.transaction().method)).collect();
    let placed = node.submit(transactions).await?;
    let actor = caller.actor();
    let subjects: Vec<String> = placed.iter().map(|placed| placed.id.to_string()).collect();
    let records = placed.iter().zip(&subjects).zip(&methods).map(|((placed, subject), method)| {
        node.audit.record(&actor, "transaction.submit", subject, &placed.code, method)
    });
    // Written as one group.
    futures_util::future::try_join_all(records).await?;
    let results = placed.into_iter().map(|one| TransactionResult {
        id: one.id,
        height: one.height,
        index: one.index,
        code: one.code,
    });
    Ok(Json(Submitted { results: results.collect() }))
}

/// Strangers join, withdraw and register what they sign with here, and apply at `/v1/requests`; anything else of theirs would only fill the ledger.
fn may_submit(node: &Node, transaction: &Transaction) -> Result<(), ApiError> {
    let method = (&*transaction.contract, &*transaction.method);
    let view = node.replica.view()?;
    let open = [("members", "join"), ("requests", "cancel")].contains(&method)
        // With which they then apply; asked for by none, it would be refused.
        || method == ("signers", "register") && read::asks_signing(&*view)?;
    let held = read::member_key(&view, &transaction.sender)?;
    if let Some(held) = held.as_ref().filter(|held| held.void.is_some()) {
        let message = format!("the key is not, or no longer, one of `{}`", held.member);
        return Err(ApiError::new(code::KEY_NOT_IN_FORCE, message));
    }
    let held = held.map(|held| held.member);
    let member = match held {
        None => person(node, &transaction.sender)?.map(|(member, _)| member),
        held => held,
    };
    match member {
        // The ledger would refuse it, and hold the refusal.
        Some(member) if read::barred(&view, &member)?.is_some() => {
            Err(ApiError::new(code::MEMBER_BARRED, format!("`{member}` is suspended or removed")))
        }
        None if !open => {
            Err(ApiError::new(code::NOT_PERMITTED, format!("{} is no principal's or member's key", transaction.sender)))
        }
        _ => Ok(()),
    }
}

/// What became of a transaction.
#[utoipa::path(get, path = "/v1/transactions/{id}", tag = "ledger", params(("id" = String, Path)), responses((status = 200, body = TransactionResult)))]
pub(crate) async fn transaction(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<TransactionResult>, ApiError> {
    known(&caller)?;
    let committed = node.replica.found(&id, code::NOT_FOUND)?;
    Ok(Json(TransactionResult { id, height: committed.height, index: committed.index, code: committed.outcome.code }))
}

/// The members.
#[utoipa::path(get, path = "/v1/members", tag = "consortium", responses((status = 200, body = Object)))]
pub(crate) async fn members(State(node): Shared, caller: Caller) -> Result<Json<Page<Member>>, ApiError> {
    known(&caller)?;
    // A consortium has few members: one page holds them.
    Ok(Json(Page { items: read::members(&node.replica.view()?)?, next: None }))
}

/// A member's principals.
#[utoipa::path(get, path = "/v1/principals", tag = "consortium", params(Paging), responses((status = 200, body = Object)))]
pub(crate) async fn principals(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Principal>>, ApiError> {
    insider(&node, &caller)?;
    let member = paging.member.clone().unwrap_or_else(|| node.member.clone());
    Ok(Json(page(read::principals_of(&node.replica.view()?, &member, paging.after.as_deref(), paging.limit())?)))
}

/// The accredited issuers of credentials.
#[utoipa::path(get, path = "/v1/issuers", tag = "consortium", params(Paging), responses((status = 200, body = Object)))]
pub(crate) async fn issuers(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AccreditedIssuer>>, ApiError> {
    known(&caller)?;
    Ok(Json(page(read::issuers(&node.replica.view()?, paging.after.as_deref(), paging.limit())?)))
}

/// The oracles in force.
#[utoipa::path(get, path = "/v1/oracles", tag = "consortium", responses((status = 200, body = OracleView)))]
pub(crate) async fn oracles(State(node): Shared, caller: Caller) -> Result<Json<OracleView>, ApiError> {
    known(&caller)?;
    let group = crate::oracle::current_epoch(&node)?.group;
    Ok(Json(OracleView {
        epoch: group.epoch,
        threshold: group.threshold,
        participants: group.participants,
        key: group.key,
    }))
}

/// Starts a distributed key generation for a new epoch of oracles, coordinated by this node.
#[utoipa::path(post, path = "/v1/oracles", tag = "consortium", request_body = OracleSetup, responses((status = 200, body = OracleView)))]
pub(crate) async fn establish(
    State(node): Shared,
    caller: Caller,
    Json(setup): Json<OracleSetup>,
) -> Result<Json<OracleView>, ApiError> {
    let operator = own_principal(&node, &caller, &[Role::Operator])?;
    let subject = setup.participants.join(", ");
    node.audit
        .record(&operator.to_string(), "oracle.establish", &subject, "ok", &format!("threshold {}", setup.threshold))
        .await?;
    let group = dkg::coordinate(&node, setup.participants, setup.threshold).await?;
    Ok(Json(OracleView {
        epoch: group.epoch,
        threshold: group.threshold,
        participants: group.participants,
        key: group.key,
    }))
}

/// Makes a new key for this node to cosign with, and to vote with once the epoch that this makes begins; and another ML-DSA key where it
/// has one. The old ones are destroyed then.
#[utoipa::path(post, path = "/v1/cosigner", tag = "consortium", responses((status = 200, body = TransactionResult)))]
pub(crate) async fn rotate(State(node): Shared, caller: Caller) -> Result<Json<TransactionResult>, ApiError> {
    let operator = own_principal(&node, &caller, &[Role::Operator])?;
    let suffix = wire::text::to_hex(&crypto::random::<8>());
    let handle = format!("{COSIGNER}/{suffix}");
    let key = node.keys.generate_signing(&handle)?;
    // With it the ML-DSA key, where this member has one.
    let view = node.replica.view()?;
    let armed = read::asks_ml_dsa(&*view)? && read::ml_dsa(&*view, &node.member)?.is_some();
    drop(view);
    let also = armed.then(|| format!("{COSIGNER_ML_DSA}/{suffix}"));
    let ml_dsa = also.as_ref().map(|also| arm(&node.keys, also, &node.replica.chain(), &node.member)).transpose()?;
    node.audit.record(&operator.to_string(), "cosigner.rotate", &node.member, "ok", &key.to_string()).await?;
    let placed = node.submit(vec![node.prepare("ordering", "rotate", &OrderingRotate { key, ml_dsa })?]).await?;
    let Placed { id, height, index, code } =
        placed.into_iter().next().ok_or_else(|| ApiError::internal("one transaction was submitted"))?;
    if code != ledger::OK {
        node.keys.remove(&handle)?;
        also.map(|also| node.keys.remove(&also)).transpose()?;
    }
    Ok(Json(TransactionResult { id, height, index, code }))
}

/// How an asset is sealed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealing {
    /// `table` (CSV with a header line) or `file`.
    pub kind: String,
    /// False leaves the escrow agents out; else they can open it, where the consortium has any.
    pub escrow: Option<bool>,
}

/// Seals the body into this member's vault and registers it.
#[utoipa::path(put, path = "/v1/assets/{name}", tag = "assets", params(("name" = String, Path), Sealing),
    request_body(content = String, content_type = "application/octet-stream"), responses((status = 200, body = Object)))]
pub(crate) async fn seal(
    State(node): Shared,
    caller: Caller,
    Path(name): Path<String>,
    Query(sealing): Query<Sealing>,
    request: Request,
) -> Result<Json<Asset>, ApiError> {
    let principal = own_principal(&node, &caller, &[Role::Owner, Role::Operator])?;
    if !["table", "file"].contains(&sealing.kind.as_str()) {
        return Err(ApiError::new(code::MALFORMED, "an asset is a `table` or a `file`"));
    }
    if read::asset_named(&node.replica.view()?, &node.replica.chain(), &node.member, &name)?.is_some() {
        return Err(ApiError::new(code::NAME_TAKEN, format!("{} has an asset `{name}` already", node.member)));
    }
    let (pieces, body) = mpsc::channel(8);
    let limit = node.max_upload;
    let pump = async move {
        let mut stream = request.into_body().into_data_stream();
        let mut total = 0u64;
        while let Some(piece) = stream.next().await {
            let piece = match piece {
                Ok(piece) if piece.is_empty() => continue,
                Ok(piece) => {
                    total += piece.len() as u64;
                    if total > limit {
                        Err(io::Error::other(format!("the body has more than {limit} bytes")))
                    } else {
                        Ok(piece)
                    }
                }
                Err(error) if is_forged(&error) => Err(io::Error::other("the body is not the one that was signed")),
                Err(error) => Err(io::Error::other(error.to_string())),
            };
            let failed = piece.is_err();
            // The sealer has stopped reading when it failed; its error is the answer.
            if pieces.send(piece).await.is_err() || failed {
                return;
            }
        }
        // An empty piece says that the body ended, and was not cut off.
        let _ = pieces.send(Ok(bytes::Bytes::new())).await;
    };
    let actor = principal.to_string();
    let (_, sealed) =
        tokio::join!(pump, assets::seal(&node, &actor, name, (sealing.kind, sealing.escrow.unwrap_or(true)), body));
    sealed.map(Json)
}

/// The registered assets.
#[utoipa::path(get, path = "/v1/assets", tag = "assets", params(Paging), responses((status = 200, body = Object)))]
pub(crate) async fn assets(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Asset>>, ApiError> {
    known(&caller)?;
    Ok(Json(page(read::assets(&node.replica.view()?, paging.after.as_deref(), paging.limit())?)))
}

/// The contracts.
#[utoipa::path(get, path = "/v1/contracts", tag = "contracts", params(Paging), responses((status = 200, body = Object)))]
pub(crate) async fn contracts(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Contract>>, ApiError> {
    known(&caller)?;
    let listed = read::contracts(&node.replica.view()?, paging.after.as_deref(), paging.limit())?;
    Ok(Json(page(listed)))
}

/// A contract.
#[utoipa::path(get, path = "/v1/contracts/{id}", tag = "contracts", params(("id" = String, Path)), responses((status = 200, body = Object)))]
pub(crate) async fn contract(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<Contract>, ApiError> {
    known(&caller)?;
    let contract = read::contract(&node.replica.view()?, &id)?
        .ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, id.to_string()))?;
    Ok(Json(contract))
}

/// Hands a contract's particulars to its owner's node, where the ledger holds only their commitment.
#[utoipa::path(put, path = "/v1/particulars", tag = "contracts", request_body = Object, responses((status = 200, body = String)))]
pub(crate) async fn particulars(
    State(node): Shared,
    caller: Caller,
    Json(opening): Json<Opening>,
) -> Result<Json<Digest>, ApiError> {
    let principal = own_principal(&node, &caller, &[Role::Owner, Role::Operator])?;
    let commitment = particulars::keep(&node, &opening).await?;
    node.audit.record(&principal.to_string(), "contract.particulars", &commitment.to_string(), "ok", "").await?;
    Ok(Json(commitment))
}

/// Where to read on in the audit trail.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trail {
    /// After this sequence number.
    pub after: Option<i64>,
    /// At most so many entries, up to 500.
    pub limit: Option<u32>,
    /// On this subject only.
    pub subject: Option<String>,
}

/// This node's audit trail, for its auditors, operators and regulators.
#[utoipa::path(get, path = "/v1/audit", tag = "operations", params(Trail), responses((status = 200, body = Page<AuditEntry>)))]
pub(crate) async fn audit(
    State(node): Shared,
    caller: Caller,
    Query(trail): Query<Trail>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let reader = own_principal(&node, &caller, &[Role::Auditor, Role::Operator, Role::Regulator])?;
    node.audit.record(&reader.to_string(), "audit.read", trail.subject.as_deref().unwrap_or("all"), "ok", "").await?;
    let (after, limit) = (trail.after.unwrap_or(0), trail.limit.unwrap_or(100).clamp(1, 500));
    let items = match &trail.subject {
        Some(subject) => node.audit.page_of(subject, after, limit).await?,
        None => node.audit.page(after, limit).await?,
    };
    let next = items.last().filter(|_| items.len() == limit as usize).map(|last| last.sequence.to_string());
    Ok(Json(Page { items, next }))
}

/// A page of the state as the API shows it.
pub(crate) fn page<T>(page: read::Page<T>) -> Page<T> {
    Page { items: page.items, next: page.next }
}

const MAX_SUBMISSION: usize = 64;
