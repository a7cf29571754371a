//! Searching the read model: transactions, events and objects, page by page.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use client::api::{Found, FoundEvent, FoundObject, FoundTransaction};
use client::search::{Events, Objects, Transactions};

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Query};
use crate::problem::ApiError;
use crate::service::Node;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/search/transactions", get(transactions))
        .route("/v1/search/events", get(events))
        .route("/v1/search/objects", get(objects))
}

/// Transactions, refused ones among them; for members' people and nodes.
#[utoipa::path(get, path = "/v1/search/transactions", tag = "ledger", params(Transactions), responses((status = 200, body = Found<FoundTransaction>)))]
pub(crate) async fn transactions(
    State(node): Shared,
    caller: Caller,
    Query(which): Query<Transactions>,
) -> Result<Json<Found<FoundTransaction>>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(node.read_model.transactions(&which, node.replica.height()).await?))
}

/// What committed transactions did; for members' people and nodes.
#[utoipa::path(get, path = "/v1/search/events", tag = "ledger", params(Events), responses((status = 200, body = Found<FoundEvent>)))]
pub(crate) async fn events(
    State(node): Shared,
    caller: Caller,
    Query(which): Query<Events>,
) -> Result<Json<Found<FoundEvent>>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(node.read_model.events(&which, node.replica.height()).await?))
}

/// Members, assets, contracts and requests as they stand; for members' people and nodes.
#[utoipa::path(get, path = "/v1/search/objects", tag = "ledger", params(Objects), responses((status = 200, body = Found<FoundObject>)))]
pub(crate) async fn objects(
    State(node): Shared,
    caller: Caller,
    Query(which): Query<Objects>,
) -> Result<Json<Found<FoundObject>>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(node.read_model.objects(&which, node.replica.height()).await?))
}
