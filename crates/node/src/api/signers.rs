//! Who signs contracts with ML-DSA beside Ed25519.

use axum::extract::State;
use client::api::SignerView;
use contracts::read;
use crypto::PublicKey;

use super::{Shared, known};
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::ApiError;

/// With what a key signs contracts, applications and approvals beside itself, and whether that is demanded. `GET /v1/state` proves it,
/// under `signer/KEY`.
#[utoipa::path(get, path = "/v1/signers/{key}", tag = "contracts", params(("key" = String, Path)), responses((status = 200, body = SignerView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(key): Path<PublicKey>,
) -> Result<Json<SignerView>, ApiError> {
    known(&caller)?;
    let view = node.replica.view()?;
    let registered = read::signer(&*view, &key)?;
    Ok(Json(SignerView { demanded: registered.is_some() || read::asks_signing(&*view)?, registered }))
}
