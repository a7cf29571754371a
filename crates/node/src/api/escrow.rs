//! The escrow agents: who they are, how far the next ones are, and what they open.

use axum::extract::State;
use client::api::{EscrowMaking, EscrowOpeningView, EscrowView};
use contracts::escrow::Making;
use contracts::{code, read};
use crypto::Digest;

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path};
use crate::problem::ApiError;

/// The escrow agents in force, and the key's way to the next ones.
#[utoipa::path(get, path = "/v1/escrow", tag = "consortium", responses((status = 200, body = EscrowView)))]
pub(crate) async fn show(State(node): Shared, caller: Caller) -> Result<Json<EscrowView>, ApiError> {
    insider(&node, &caller)?;
    let view = node.replica.view()?;
    let making = match Making::under_way(&*view, &node.replica.chain())? {
        None => None,
        Some(making) => {
            let proposal = making.decided.proposal;
            Some(EscrowMaking {
                dealers: making.dealers().to_vec(),
                needed: making.round.needed(making.origin()),
                dealt: read::escrow_dealt(&*view, &proposal)?.into_iter().map(|one| one.member).collect(),
                received: read::escrow_received(&*view, &proposal)?,
                decided: making.decided,
            })
        }
    };
    let epoch = read::escrow(&*view)?;
    let destroyed = match epoch.as_ref().and_then(|epoch| epoch.from) {
        None => Vec::new(),
        Some(from) => read::escrow_destroyed(&*view, from)?,
    };
    Ok(Json(EscrowView { epoch, destroyed, making }))
}

/// What the escrow agents open by a decided proposal, with what each has contributed, sealed to the recipient.
#[utoipa::path(get, path = "/v1/escrow/openings/{id}", tag = "consortium", params(("id" = String, Path)), responses((status = 200, body = EscrowOpeningView)))]
pub(crate) async fn opening(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<EscrowOpeningView>, ApiError> {
    insider(&node, &caller)?;
    let view = node.replica.view()?;
    let missing = || ApiError::new(code::UNKNOWN_PROPOSAL, format!("no opening was decided by {id}"));
    let opening = read::escrow_opening(&*view, &id)?.ok_or_else(missing)?;
    let contributions = read::escrow_contributions(&*view, &id)?;
    let mut numbers: Vec<u64> = contributions.iter().map(|one| one.epoch).collect();
    numbers.extend(read::escrow_of(&*view, &opening.wrap.key)?.map(|epoch| epoch.number));
    numbers.sort_unstable();
    numbers.dedup();
    let epochs = numbers.into_iter().map(|number| read::escrow_epoch(&*view, number));
    let epochs = epochs.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    Ok(Json(EscrowOpeningView { opening, contributions, epochs }))
}
