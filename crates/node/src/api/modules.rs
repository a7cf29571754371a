//! Contracts in WebAssembly: which there are, and what they keep.

use axum::extract::State;
use client::api::{KeptValue, ModuleView, Page};
use contracts::record::Installed;
use contracts::{code, read};
use serde::Deserialize;
use utoipa::IntoParams;

use super::log::kept_height;
use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::ApiError;
use crate::service::Node;

/// The contracts in WebAssembly by name, uninstalled ones among them, with how much each keeps.
#[utoipa::path(get, path = "/v1/modules", tag = "contracts", responses((status = 200, body = Page<ModuleView>)))]
pub(crate) async fn list(State(node): Shared, caller: Caller) -> Result<Json<Page<ModuleView>>, ApiError> {
    insider(&node, &caller)?;
    // A ledger has few: one page holds them.
    let installed = read::installed_contracts(&node.replica.view()?)?;
    let items = installed.into_iter().map(|installed| view(&node, installed)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// A contract in WebAssembly.
#[utoipa::path(get, path = "/v1/modules/{name}", tag = "contracts", params(("name" = String, Path)), responses((status = 200, body = ModuleView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ModuleView>, ApiError> {
    insider(&node, &caller)?;
    let found = read::installed(&node.replica.view()?, &name)?;
    let installed = found.ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, format!("no contract `{name}`")))?;
    Ok(Json(view(&node, installed)?))
}

/// Which of what a contract keeps, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// The contract's own key, such as `booking/mri/20800`.
    pub key: String,
    /// After this block; else after the newest.
    pub height: Option<u64>,
}

/// What a contract in WebAssembly kept under a key after a block. `GET /v1/state` proves it, under `module/kept/NAME/KEY`.
#[utoipa::path(get, path = "/v1/modules/{name}/kept", tag = "contracts", params(("name" = String, Path), Which), responses((status = 200, body = KeptValue)))]
pub(crate) async fn kept(
    State(node): Shared,
    caller: Caller,
    Path(name): Path<String>,
    Query(Which { key, height }): Query<Which>,
) -> Result<Json<KeptValue>, ApiError> {
    insider(&node, &caller)?;
    let place = read::kept_key(&name, &key);
    if place.len() > super::log::MAX_KEY {
        return Err(ApiError::new(code::MALFORMED, "a contract's keys have at most 128 bytes"));
    }
    let height = kept_height(&node, height)?;
    let view = node.replica.view()?;
    let found = tokio::task::spawn_blocking(move || view.prove_at(height, place.as_bytes()));
    let value = found.await.map_err(ApiError::internal)??.value;
    Ok(Json(KeptValue { name, key, height, value }))
}

fn view(node: &Node, installed: Installed) -> Result<ModuleView, ApiError> {
    let view = node.replica.view()?;
    let (kept, alarms) = (read::usage(&view, &installed.name)?, read::alarms(&view, &installed.name)?);
    Ok(ModuleView { installed, kept, alarms })
}
