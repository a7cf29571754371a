//! The validators: since when their keys, and other members', are in force, and where they take part in the ordering.

use axum::extract::State;
use client::api::{KeyAges, Page, Seat};

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::Json;
use crate::problem::ApiError;

/// Since when members' keys are in force, by member.
#[utoipa::path(get, path = "/v1/keys", tag = "consortium", responses((status = 200, body = Page<KeyAges>)))]
pub(crate) async fn keys(State(node): Shared, caller: Caller) -> Result<Json<Page<KeyAges>>, ApiError> {
    insider(&node, &caller)?;
    let ages = tokio::task::spawn_blocking(move || node.replica.key_ages());
    let ages = ages.await.map_err(ApiError::internal)??;
    Ok(Json(Page { items: ages, next: None }))
}

/// Where the validators that order the ledger together take part; none while one node orders.
#[utoipa::path(get, path = "/v1/seats", tag = "consortium", responses((status = 200, body = Page<Seat>)))]
pub(crate) async fn seats(State(node): Shared, caller: Caller) -> Result<Json<Page<Seat>>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(Page { items: node.replica.seats()?, next: None }))
}
