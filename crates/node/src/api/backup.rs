//! Backups of this node, for its member's operator.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use client::api::Backup;
use contracts::record::Role;
use http::header;
use wire::Fixed;

use super::{Shared, own_principal};
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::ApiError;

/// Has the node copy what it holds, unless it does so already; the copies wait ten minutes to be fetched.
#[utoipa::path(post, path = "/v1/backups", tag = "operations", responses((status = 200, body = Backup)))]
pub(crate) async fn begin(State(node): Shared, caller: Caller) -> Result<Json<Backup>, ApiError> {
    let operator = own_principal(&node, &caller, &[Role::Operator])?;
    node.audit.record(&operator.to_string(), "node.backup", &node.member, "ok", "").await?;
    Ok(Json(Backup { id: node.backups.begin(&node) }))
}

/// A backup, once, as one file (docs/spec/backup.md); `busy` while the copies are made.
#[utoipa::path(get, path = "/v1/backups/{id}", tag = "operations", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn fetch(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Fixed<16>>,
) -> Result<Response, ApiError> {
    own_principal(&node, &caller, &[Role::Operator])?;
    let pieces = node.backups.fetch(id)?;
    let body =
        futures_util::stream::unfold(pieces, |mut pieces| async { pieces.recv().await.map(|piece| (piece, pieces)) });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(body)).into_response())
}
