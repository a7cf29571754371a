//! Requests: apply, list, show, judge, explain, prove.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use client::api::{Application, Explanation, Judgement, Page, RequestView, TransactionResult};
use contracts::{code, read};
use crypto::{Digest, PublicKey};
use http::header;
use serde::Deserialize;
use utoipa::IntoParams;

use super::members::Paging;
use super::{Shared, insider, known};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::ApiError;
use crate::requests;
use crate::service::Node;

/// Applies under one or more contracts.
#[utoipa::path(post, path = "/v1/requests", tag = "requests", request_body = Application, responses((status = 200, body = TransactionResult)))]
pub(crate) async fn apply(
    State(node): Shared,
    caller: Caller,
    Json(application): Json<Application>,
) -> Result<Json<TransactionResult>, ApiError> {
    known(&caller)?;
    let placed = requests::apply(&node, application).await?;
    Ok(Json(TransactionResult { id: placed.id, height: placed.height, index: placed.index, code: placed.code }))
}

/// Which requests to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    /// Under this contract; else the caller's own.
    #[param(value_type = Option<String>)]
    pub contract: Option<Digest>,
    /// Continue after this.
    pub after: Option<String>,
}

/// Requests under a contract, or the caller's own.
#[utoipa::path(get, path = "/v1/requests", tag = "requests", params(Listing), responses((status = 200, body = Object)))]
pub(crate) async fn list(
    State(node): Shared,
    caller: Caller,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<RequestView>>, ApiError> {
    let view = node.replica.view()?;
    let after = listing.after.as_deref();
    let found = match &listing.contract {
        Some(contract) => {
            insider(&node, &caller)?;
            read::requests_under(&view, contract, after, 100)?
        }
        None => read::requests_of(&view, &caller.key()?, after, 100)?,
    };
    let mut items = Vec::new();
    for request in found.items {
        items.push(requests::view(&node, key(&caller).as_ref(), request).await?);
    }
    Ok(Json(Page { items, next: found.next }))
}

/// A request as the caller may see it.
#[utoipa::path(get, path = "/v1/requests/{id}", tag = "requests", params(("id" = String, Path)), responses((status = 200, body = RequestView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<RequestView>, ApiError> {
    let request = requests::request(&node, &id)?;
    party(&node, &caller, &request.requester)?;
    Ok(Json(requests::view(&node, key(&caller).as_ref(), request).await?))
}

/// Has the oracles judge the request now.
#[utoipa::path(post, path = "/v1/requests/{id}/judge", tag = "requests", params(("id" = String, Path)), responses((status = 200, body = Judgement)))]
pub(crate) async fn judge(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<Judgement>, ApiError> {
    let request = requests::request(&node, &id)?;
    party(&node, &caller, &request.requester)?;
    let mut judgement = requests::judge(&node, &caller.actor(), &id).await?;
    if key(&caller) != Some(request.requester) {
        // The token is its holder's alone.
        judgement.grant = None;
    }
    Ok(Json(judgement))
}

/// Why the request is allowed or refused as things stand.
#[utoipa::path(get, path = "/v1/requests/{id}/explain", tag = "requests", params(("id" = String, Path)), responses((status = 200, body = Explanation)))]
pub(crate) async fn explain(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<Explanation>, ApiError> {
    party(&node, &caller, &requests::request(&node, &id)?.requester)?;
    Ok(Json(requests::explain(&node, &id).await?))
}

/// The request's receipt chain.
#[utoipa::path(get, path = "/v1/requests/{id}/receipt", tag = "requests", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn receipt(State(node): Shared, caller: Caller, Path(id): Path<Digest>) -> Result<Response, ApiError> {
    // Of one that is on record the requester is known, also where its transaction is not kept here.
    let requester = match requests::request(&node, &id) {
        Ok(request) => request.requester,
        Err(_) => node.replica.found(&id, code::UNKNOWN_REQUEST)?.transaction.transaction.sender,
    };
    party(&node, &caller, &requester)?;
    let receipt = requests::receipt(&node, &id).await?;
    node.audit.record(&caller.actor(), "receipt.export", &id.to_string(), "ok", "").await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], receipt).into_response())
}

/// Requests that wait for the caller's approval.
#[utoipa::path(get, path = "/v1/inbox", tag = "requests", params(Paging), responses((status = 200, body = Page<RequestView>)))]
pub(crate) async fn inbox(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<RequestView>>, ApiError> {
    Ok(Json(requests::inbox(&node, &caller.key()?, paging.after.as_deref()).await?))
}

/// The requester itself, or someone of a member.
fn party(node: &Node, caller: &Caller, requester: &PublicKey) -> Result<(), ApiError> {
    if key(caller).as_ref() == Some(requester) { Ok(()) } else { insider(node, caller) }
}

fn key(caller: &Caller) -> Option<PublicKey> {
    caller.key().ok()
}
