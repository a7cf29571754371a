//! The transaction log as static files (C2SP `tlog-tiles`), its proofs, and proofs of the world state.
//!
//! Hashes and checkpoints are for anyone; entries, transactions and state for members (`docs/spec/log.md`).

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use client::api::LogProof;
use contracts::code;
use http::header;
use ledger::{Tile, TileKind};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::ApiError;
use crate::replica::LogPath;
use crate::service::Node;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/log/checkpoint", get(checkpoint))
        .route("/log/tile/{*path}", get(tile))
        .route("/v1/log/consistency", get(consistency))
        .route("/v1/log/inclusion", get(inclusion))
        .route("/v1/log/records", get(records))
        .route("/v1/state", get(state))
}

/// The newest published checkpoint, as a C2SP signed note with its witnesses' lines.
#[utoipa::path(get, path = "/log/checkpoint", operation_id = "published_checkpoint", tag = "log", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn checkpoint(State(node): Shared) -> Result<Response, ApiError> {
    let note = node.publisher.note(&node)?.ok_or_else(unpublished)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "max-age=1")];
    Ok((headers, note).into_response())
}

/// A hash tile, for anyone, or a bundle of entries (`entries/…`), for members: C2SP tlog-tiles.
#[utoipa::path(get, path = "/log/tile/{path}", tag = "log", params(("path" = String, Path)), responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn tile(State(node): Shared, caller: Caller, Path(path): Path<String>) -> Result<Response, ApiError> {
    let missing = || ApiError::new(code::NOT_FOUND, "the published log has no such tile");
    let tile: Tile = format!("tile/{path}").parse().map_err(|_| missing())?;
    let cache = match tile.kind() {
        TileKind::Hashes(_) => "public, max-age=31536000, immutable",
        TileKind::Entries => {
            insider(&node, &caller)?;
            "private, max-age=31536000, immutable"
        }
    };
    let bytes = node.replica.tile(tile).await?.ok_or_else(missing)?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, cache)];
    Ok((headers, bytes).into_response())
}

/// From which size of the log to which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sizes {
    /// The smaller size, at least 1.
    pub old: u64,
    /// The larger size, at most the published one.
    pub new: u64,
}

/// The consistency path between two sizes of the log (RFC 9162 §2.1.4.1).
#[utoipa::path(get, path = "/v1/log/consistency", tag = "log", params(Sizes), responses((status = 200, body = LogProof)))]
pub(crate) async fn consistency(
    State(node): Shared,
    Query(Sizes { old, new }): Query<Sizes>,
) -> Result<Json<LogProof>, ApiError> {
    within(&node, old > 0 && old <= new, new)?;
    Ok(Json(LogProof { path: node.replica.log_path(LogPath::Consistency { old, new })? }))
}

/// Which leaf of which log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Leaf {
    /// The leaf, from 0.
    pub index: u64,
    /// The log's size, at most the published one.
    pub size: u64,
}

/// The inclusion path of a leaf (RFC 9162 §2.1.3.1).
#[utoipa::path(get, path = "/v1/log/inclusion", tag = "log", params(Leaf), responses((status = 200, body = LogProof)))]
pub(crate) async fn inclusion(
    State(node): Shared,
    Query(Leaf { index, size }): Query<Leaf>,
) -> Result<Json<LogProof>, ApiError> {
    within(&node, index < size, size)?;
    Ok(Json(LogProof { path: node.replica.log_path(LogPath::Inclusion { index, size })? }))
}

/// Which transactions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    /// The first leaf.
    pub from: u64,
    /// The leaf after the last.
    pub to: u64,
}

/// Transactions with their outcomes, each after its length in four bytes; as many as fit in 4 MiB. For members.
#[utoipa::path(get, path = "/v1/log/records", tag = "log", params(Range), responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn records(
    State(node): Shared,
    caller: Caller,
    Query(Range { from, to }): Query<Range>,
) -> Result<Response, ApiError> {
    insider(&node, &caller)?;
    let bytes = node.replica.records(from, to).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Which record of which state.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The key, such as `member/st-anna`.
    pub key: String,
    /// After this block; else after the newest.
    pub height: Option<u64>,
}

/// What the world state said of a key after a block, or that it said nothing, with a proof that verifies offline. For members.
#[utoipa::path(get, path = "/v1/state", tag = "log", params(Record), responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn state(
    State(node): Shared,
    caller: Caller,
    Query(Record { key, height }): Query<Record>,
) -> Result<Response, ApiError> {
    insider(&node, &caller)?;
    if key.len() > MAX_KEY {
        return Err(ApiError::new(code::MALFORMED, format!("a key has at most {MAX_KEY} bytes")));
    }
    let height = kept_height(&node, height)?;
    let proof = node.replica.prove_state(&node, height, key.clone()).await?;
    node.audit.record(&caller.actor(), "state.prove", &key, "ok", &format!("block {height}")).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof).into_response())
}

/// The block after which the state is asked for, where this node keeps that state; the newest unless stated.
pub(super) fn kept_height(node: &Node, height: Option<u64>) -> Result<u64, ApiError> {
    let newest = node.replica.height();
    let height = height.unwrap_or(newest);
    let oldest = node.replica.view()?.oldest();
    if height > newest || height < oldest {
        return Err(ApiError::new(
            code::NOT_FOUND,
            format!("this node keeps the states of blocks {oldest} to {newest}"),
        ));
    }
    Ok(height)
}

/// Refuses what the published log does not answer.
fn within(node: &Node, ordered: bool, size: u64) -> Result<(), ApiError> {
    let published = node.replica.cosigned_size()?;
    match ordered && size <= published {
        true => Ok(()),
        false => Err(ApiError::new(code::NOT_FOUND, format!("the published log has {published} entries"))),
    }
}

fn unpublished() -> ApiError {
    ApiError::new(code::UNAVAILABLE, "no checkpoint is cosigned yet").with_retry(1)
}

/// Longest key of the state, bytes.
pub(super) const MAX_KEY: usize = 256;
