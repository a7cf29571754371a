//! What comes out: objects under grants, and shares of results.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use client::api::{Computation, GrantToken, Redemption, ResultShare};
use contracts::code;
use contracts::record::Role;
use crypto::Digest;
use http::{HeaderMap, StatusCode, header};
use std::io::{Read, Seek, SeekFrom};
use tokio::sync::mpsc;
use vault::Export;

use super::Shared;
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::ApiError;
use crate::{compute, proxy, requests};

/// The caller's grant for a request that was allowed.
#[utoipa::path(get, path = "/v1/requests/{id}/grant", tag = "releases", params(("id" = String, Path)), responses((status = 200, body = GrantToken)))]
pub(crate) async fn grant(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<GrantToken>, ApiError> {
    Ok(Json(proxy::token(&node, &caller.key()?, &id)?))
}

/// Redeems a grant, once, and streams the sealed object under stanzas for the holder's ephemeral key.
#[utoipa::path(post, path = "/v1/grants/{id}/redeem", tag = "releases", params(("id" = String, Path)), request_body = Redemption,
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn redeem(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
    Json(redemption): Json<Redemption>,
) -> Result<Response, ApiError> {
    let export = proxy::redeem(&node, &caller.key()?, &id, &redemption).await?;
    Ok(stream(export, 0))
}

/// Resumes a redeemed grant by range (`Range: bytes=N-`), for its holder within its window.
#[utoipa::path(get, path = "/v1/grants/{id}/object", tag = "releases", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream"), (status = 206)))]
pub(crate) async fn resume(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let start = range(&headers)?;
    let mut export = proxy::resume(&node, &caller.key()?, &id).await?;
    if start >= export.length() {
        return Err(ApiError::new(code::MALFORMED, format!("the object ends at byte {}", export.length()))
            .with_status(StatusCode::RANGE_NOT_SATISFIABLE));
    }
    export.seek(SeekFrom::Start(start)).map_err(ApiError::internal)?;
    Ok(stream(export, start))
}

/// Has the parties of an allowed request compute, unless they do; answers when enough of them have recorded their shares, or after a
/// moment with how far it is.
#[utoipa::path(post, path = "/v1/requests/{id}/compute", tag = "releases", params(("id" = String, Path)), responses((status = 200, body = Computation)))]
pub(crate) async fn compute(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<Computation>, ApiError> {
    requester(&requests::request(&node, &id)?.requester, &caller)?;
    Ok(Json(compute::coordinate(&node, &id).await?))
}

/// Ends the computation of a request at all parties; for the requester and this party's operators.
#[utoipa::path(delete, path = "/v1/requests/{id}/compute", tag = "releases", params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn cancel(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<StatusCode, ApiError> {
    if requester(&requests::request(&node, &id)?.requester, &caller).is_err() {
        super::own_principal(&node, &caller, &[Role::Operator])?;
    }
    node.audit.record(&caller.actor(), "compute.cancel", &id.to_string(), "ok", "").await?;
    match compute::cancel(&node, &id)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::new(code::NOT_FOUND, "no computation of that request is under way at this party")),
    }
}

/// This party's share of a result, sealed to the requester.
#[utoipa::path(get, path = "/v1/requests/{id}/share", tag = "releases", params(("id" = String, Path)), responses((status = 200, body = ResultShare)))]
pub(crate) async fn share(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<ResultShare>, ApiError> {
    let request = requests::request(&node, &id)?;
    requester(&request.requester, &caller)?;
    let gone = request.destroyed.iter().any(|destroyed| destroyed.party == node.member);
    let reason = match gone {
        true => "this party has destroyed its share of that result: the contracts' time has passed",
        false => "this party has no share of that result",
    };
    let share = compute::own_share(&node, &id).await?.ok_or_else(|| ApiError::new(code::NOT_FOUND, reason))?;
    node.audit.record(&caller.actor(), "share.fetch", &id.to_string(), "ok", "").await?;
    Ok(Json(share))
}

fn requester(requester: &crypto::PublicKey, caller: &Caller) -> Result<(), ApiError> {
    if caller.key()? == *requester {
        Ok(())
    } else {
        Err(ApiError::new(code::NOT_PERMITTED, "only the requester may have this"))
    }
}

/// Streams an export from where it stands, without holding more than a few pieces.
fn stream(mut export: Export, start: u64) -> Response {
    let length = export.length();
    let (pieces, body) = mpsc::channel::<std::io::Result<bytes::Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match export.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => Ok(read),
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            let sent = pieces.blocking_send(read.map(|read| {
                piece.truncate(read);
                piece.into()
            }));
            // A caller that went away may resume.
            if sent.is_err() || failed {
                return;
            }
        }
    });
    let body = Body::from_stream(futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|piece| (piece, body))
    }));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, "application/octet-stream".parse().expect("a static header value"));
    headers.insert(header::CONTENT_LENGTH, (length - start).into());
    if start == 0 {
        return (headers, body).into_response();
    }
    let range = format!("bytes {start}-{}/{length}", length - 1);
    headers.insert(header::CONTENT_RANGE, range.parse().expect("digits are a header value"));
    (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
}

/// The first byte asked for; only open-ended single ranges are understood.
fn range(headers: &HeaderMap) -> Result<u64, ApiError> {
    let Some(range) = headers.get(header::RANGE) else { return Ok(0) };
    let start = range.to_str().ok().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    start.ok_or_else(|| ApiError::new(code::MALFORMED, "a range has the form `bytes=N-`"))
}

const PIECE: usize = 128 * 1024;
