//! Verifiers of proofs: which there are, for contracts in WebAssembly.

use axum::extract::State;
use client::api::{Page, VerifierView};
use contracts::record::Verifier;
use contracts::{VerifyingKey, code, read};

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::ApiError;

/// The registered verifiers of proofs by name, each with the ledger whose proofs it verifies.
#[utoipa::path(get, path = "/v1/verifiers", tag = "contracts", responses((status = 200, body = Page<VerifierView>)))]
pub(crate) async fn list(State(node): Shared, caller: Caller) -> Result<Json<Page<VerifierView>>, ApiError> {
    insider(&node, &caller)?;
    let state = node.replica.view()?;
    // A ledger has few: one page holds them.
    let items = read::verifiers(&state)?.into_iter().map(|one| view(&state, one)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next: None }))
}

/// A registered verifier of proofs. `GET /v1/state` proves it, under `verifier/registered/NAME`, and its key, under `verifier/key/NAME`.
#[utoipa::path(get, path = "/v1/verifiers/{name}", tag = "contracts", params(("name" = String, Path)), responses((status = 200, body = VerifierView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<VerifierView>, ApiError> {
    insider(&node, &caller)?;
    let state = node.replica.view()?;
    let found = read::verifier(&state, &name)?;
    let unknown = || ApiError::new(code::UNKNOWN_VERIFIER, format!("no verifier `{name}` is registered"));
    Ok(Json(view(&state, found.ok_or_else(unknown)?)?))
}

fn view(state: &dyn ledger::State, registered: Verifier) -> Result<VerifierView, ApiError> {
    let absent = || ApiError::internal(format!("the key of verifier `{}` is absent", registered.name));
    let bytes = read::verifying_key(state, &registered.name)?.ok_or_else(absent)?;
    let key = VerifyingKey::read(registered.system, &bytes).map_err(ApiError::internal)?;
    Ok(VerifierView { registered, ledger: key.ledger() })
}
