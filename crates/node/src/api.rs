//! The HTTP API: who may ask what, and where the answer comes from.
//!
//! Every route is in one of four parts: [`operations`] and [`ledger`] for anyone, [`people`] for principals and members,
//! [`peer`] for members' nodes alone. All but the first wait until the ledger has what the caller has seen ([`fresh`]).

mod backup;
mod document;
mod escrow;
pub(crate) mod events;
mod governance;
mod log;
mod members;
mod modules;
mod peer;
mod private;
mod release;
mod request;
mod search;
mod signers;
mod validators;
mod verifiers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use client::api::Health;
use client::seen;
use contracts::record::{Duty, MemberKey, Role};
use contracts::{code, read};
use crypto::PublicKey;
use http::{HeaderValue, StatusCode, header};

use crate::auth::Caller;
use crate::extract::Json;
use crate::problem::ApiError;
use crate::service::Node;

/// The node as handlers see it.
pub(crate) type Shared = State<Arc<Node>>;

/// Routes that answer at once, and routes that carry files or wait.
pub(crate) fn routers(node: Arc<Node>) -> (Router, Router) {
    let fresh = from_fn_with_state(node.clone(), fresh);
    let told = from_fn_with_state(node.clone(), told);
    let prompt = ledger()
        .merge(people())
        .merge(log::routes())
        .merge(search::routes())
        .merge(peer::prompt())
        .layer(fresh.clone());
    let prompt = prompt.merge(operations()).layer(told.clone()).with_state(node.clone());
    let streaming = Router::new()
        .route("/v1/assets/{name}", put(members::seal))
        .route("/v1/backups/{id}", get(backup::fetch))
        .route("/v1/grants/{id}/redeem", post(release::redeem))
        .route("/v1/grants/{id}/object", get(release::resume))
        .route("/v1/requests/{id}/compute", post(release::compute).delete(release::cancel))
        .merge(events::routes())
        .merge(peer::waiting())
        .layer(fresh)
        .layer(told)
        .with_state(node);
    (prompt, streaming)
}

/// Waits until this node's ledger has what the caller has seen at another node.
async fn fresh(State(node): Shared, request: Request, next: Next) -> Result<Response, ApiError> {
    let named = seen::named(request.headers()).map_err(|error| ApiError::new(code::MALFORMED, error.to_string()))?;
    if let Some(height) = named {
        node.replica.reach(height).await?;
    }
    Ok(next.run(request).await)
}

/// Says in the answer how far this node's ledger is.
async fn told(State(node): Shared, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(seen::HEIGHT, HeaderValue::from(node.replica.height()));
    response
}

/// Answered however far the ledger is.
fn operations() -> Router<Arc<Node>> {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(document::openapi))
}

fn ledger() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/consortium", get(consortium))
        .route("/v1/checkpoint", get(checkpoint))
        .route("/v1/certificate", get(certificate))
}

fn people() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/transactions", post(members::submit))
        .route("/v1/transactions/{id}", get(members::transaction))
        .route("/v1/members", get(members::members))
        .route("/v1/principals", get(members::principals))
        .route("/v1/issuers", get(members::issuers))
        .route("/v1/signers/{key}", get(signers::show))
        .route("/v1/keys", get(validators::keys))
        .route("/v1/seats", get(validators::seats))
        .route("/v1/oracles", get(members::oracles).post(members::establish))
        .route("/v1/escrow", get(escrow::show))
        .route("/v1/escrow/openings/{id}", get(escrow::opening))
        .route("/v1/governance", get(governance::list))
        .route("/v1/governance/parameters", get(governance::parameters))
        .route("/v1/governance/recoveries", get(governance::recoveries))
        .route("/v1/governance/{id}", get(governance::show))
        .route("/v1/assets", get(members::assets))
        .route("/v1/contracts", get(members::contracts))
        .route("/v1/contracts/{id}", get(members::contract))
        .route("/v1/modules", get(modules::list))
        .route("/v1/modules/{name}", get(modules::show))
        .route("/v1/modules/{name}/kept", get(modules::kept))
        .route("/v1/verifiers", get(verifiers::list))
        .route("/v1/verifiers/{name}", get(verifiers::show))
        .route("/v1/particulars", put(members::particulars))
        .route("/v1/private", get(private::list).post(private::put))
        .route("/v1/private/{id}", get(private::show))
        .route("/v1/private/{id}/payload", get(private::payload))
        .route("/v1/private/{id}/purge", post(private::purge))
        .route("/v1/cosigner", post(members::rotate))
        .route("/v1/audit", get(members::audit))
        .route("/v1/backups", post(backup::begin))
        .route("/v1/requests", get(request::list).post(request::apply))
        .route("/v1/requests/{id}", get(request::show))
        .route("/v1/requests/{id}/judge", post(request::judge))
        .route("/v1/requests/{id}/explain", get(request::explain))
        .route("/v1/requests/{id}/receipt", get(request::receipt))
        .route("/v1/requests/{id}/grant", get(release::grant))
        .route("/v1/requests/{id}/share", get(release::share))
        .route("/v1/inbox", get(request::inbox))
}

/// The process answers.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(node): Shared) -> Json<Health> {
    Json(state(&node, "ok"))
}

/// The node can serve: its ledger follows and its key store is open.
#[utoipa::path(get, path = "/ready", tag = "operations", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(crate) async fn ready(State(node): Shared) -> Response {
    let syncing = node.sync.progress().map(|(height, fetched, parts)| {
        format!("fetching a snapshot of the ledger at block {height}: {fetched} of {parts} parts")
    });
    match node.replica.fault().or(syncing) {
        None => Json(state(&node, "ok")).into_response(),
        Some(fault) => (StatusCode::SERVICE_UNAVAILABLE, Json(state(&node, &fault))).into_response(),
    }
}

/// Prometheus metrics.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(node): Shared) -> Result<Response, ApiError> {
    let text = tokio::task::spawn_blocking(move || node.vitals.tell(&node)).await.map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// The consortium as others pin it: compare its fingerprint by another channel before trusting it.
#[utoipa::path(get, path = "/v1/consortium", tag = "ledger", responses((status = 200, body = String, content_type = "application/toml")))]
pub(crate) async fn consortium(State(node): Shared) -> Result<Response, ApiError> {
    Ok(([(header::CONTENT_TYPE, "application/toml")], node.replica.consortium()?.to_toml()).into_response())
}

/// The newest checkpoint with a quorum of cosignatures, as a C2SP signed note.
#[utoipa::path(get, path = "/v1/checkpoint", tag = "ledger", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn checkpoint(State(node): Shared) -> Result<Response, ApiError> {
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], node.replica.checkpoint()?).into_response())
}

/// The newest certificate that a slate is final, of the validators among whom this node votes (docs/spec/ordering.md).
#[utoipa::path(get, path = "/v1/certificate", tag = "ledger", responses((status = 200, body = String, content_type = "application/octet-stream")))]
pub(crate) async fn certificate(State(node): Shared) -> Result<Response, ApiError> {
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], node.replica.certificate().await?).into_response())
}

fn state(node: &Node, status: &str) -> Health {
    Health {
        status: status.to_owned(),
        member: node.member.clone(),
        height: node.replica.height(),
        ordering: node.replica.ordering(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kept: node.replica.copied().kept().map_or(0, |kept| kept.height),
    }
}

/// The caller's key, where it is a principal of this node's own member with one of these roles, or its operator.
pub(crate) fn own_principal(node: &Node, caller: &Caller, roles: &[Role]) -> Result<PublicKey, ApiError> {
    let key = caller.key()?;
    match person(node, &key)? {
        Some((member, held)) if member == node.member && held.iter().any(|role| roles.contains(role)) => Ok(key),
        _ => {
            let named = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect::<Vec<_>>().join(" or ");
            Err(ApiError::new(
                code::NOT_PERMITTED,
                format!("this is for principals of {} with the role {named}", node.member),
            ))
        }
    }
}

/// The member and the roles of a key: a principal's own, or the operator's of a member. Those of a suspended or removed member are
/// nobody here, but at their own node they are at home.
pub(crate) fn person(node: &Node, key: &PublicKey) -> Result<Option<(String, Vec<Role>)>, ApiError> {
    let view = node.replica.view()?;
    let found = match read::principal(&view, key)?.filter(|principal| !principal.revoked) {
        Some(principal) => Some((principal.member, principal.roles)),
        None => {
            let in_force = |known: &MemberKey| known.duty == Duty::Operator && known.void.is_none();
            let operator = read::member_key(&view, key)?.filter(in_force);
            operator.map(|known| (known.member, vec![Role::Operator]))
        }
    };
    match found {
        Some((member, _)) if member != node.member && read::barred(&view, &member)?.is_some() => Ok(None),
        found => Ok(found),
    }
}

/// Refuses callers that are neither a key nor a member.
pub(crate) fn known(caller: &Caller) -> Result<(), ApiError> {
    match caller {
        Caller::Anonymous => Err(ApiError::new(code::UNAUTHENTICATED, "sign the request (RFC 9421) with your key")),
        Caller::Key(_) | Caller::Member(_) => Ok(()),
    }
}

/// Whether the caller may read the ledger's entries: a member's node or a principal of a member.
pub(crate) fn insider(node: &Node, caller: &Caller) -> Result<(), ApiError> {
    known(caller)?;
    match caller {
        Caller::Key(key) if person(node, key)?.is_none() => {
            Err(ApiError::new(code::NOT_PERMITTED, "only principals of members may read this"))
        }
        _ => Ok(()),
    }
}
