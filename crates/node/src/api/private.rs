//! Payloads that only some members hold: put, listed, read, purged.

use axum::extract::State;
use client::api::{Page, PrivatePlaced, PrivateSubmission, PrivateView};
use contracts::message::Opening;
use contracts::read;
use crypto::Digest;

use super::members::Paging;
use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::private;
use crate::problem::ApiError;

/// Has the commitment to a payload recorded, and the payload given to its recipients; for the own member's operator and its principals
/// with the role owner.
#[utoipa::path(post, path = "/v1/private", tag = "private", request_body = PrivateSubmission, responses((status = 200, body = PrivatePlaced)))]
pub(crate) async fn put(
    State(node): Shared,
    caller: Caller,
    Json(submission): Json<PrivateSubmission>,
) -> Result<Json<PrivatePlaced>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(private::put(&node, submission).await?))
}

/// What a member is a holder of, oldest first: the node's own member, unless another is named. Never the payloads.
#[utoipa::path(get, path = "/v1/private", tag = "private", params(Paging), responses((status = 200, body = Page<PrivateView>)))]
pub(crate) async fn list(
    State(node): Shared,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<PrivateView>>, ApiError> {
    insider(&node, &caller)?;
    let member = paging.member.as_deref().unwrap_or(&node.member);
    let found = read::privates_of(&node.replica.view()?, member, paging.after.as_deref(), paging.limit())?;
    let mut items = Vec::with_capacity(found.items.len());
    for private in found.items {
        items.push(private::view(&node, private).await?);
    }
    Ok(Json(Page { items, next: found.next }))
}

/// A private payload as the ledger and the node have it; never the payload.
#[utoipa::path(get, path = "/v1/private/{id}", tag = "private", params(("id" = String, Path)), responses((status = 200, body = PrivateView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<PrivateView>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(private::view(&node, private::find(&node, &id)?).await?))
}

/// The payload and its salt, for the holder's operator and its principals with the role owner.
#[utoipa::path(get, path = "/v1/private/{id}/payload", tag = "private", params(("id" = String, Path)), responses((status = 200, body = Object)))]
pub(crate) async fn payload(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<Opening>, ApiError> {
    Ok(Json(private::open(&node, &caller.key()?, &id).await?))
}

/// Destroys what this recipient's node holds, and has that recorded; for its operator and its principals with the role owner. The sender's people sign `private.purge` instead.
#[utoipa::path(post, path = "/v1/private/{id}/purge", tag = "private", params(("id" = String, Path)), responses((status = 200, body = PrivateView)))]
pub(crate) async fn purge(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<PrivateView>, ApiError> {
    Ok(Json(private::drop_own(&node, &caller.key()?, &id).await?))
}
