//! What the members decide together: proposals, their ballots, and by what these are counted.

use axum::extract::State;
use client::api::{Governance, Page, ProposalView};
use contracts::record::{Proposal, ProposalPhase, Recovering};
use contracts::{code, read};
use crypto::Digest;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, insider};
use crate::auth::Caller;
use crate::extract::{Json, Path, Query};
use crate::problem::ApiError;
use crate::service::Node;

/// Which proposals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Continue after this.
    pub after: Option<String>,
    /// At most so many items, up to 200.
    pub limit: Option<usize>,
    /// Only those that are not closed, by proposer; else all, oldest first.
    pub open: Option<bool>,
}

/// The proposals.
#[utoipa::path(get, path = "/v1/governance", tag = "consortium", params(Which), responses((status = 200, body = Page<ProposalView>)))]
pub(crate) async fn list(
    State(node): Shared,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Page<ProposalView>>, ApiError> {
    insider(&node, &caller)?;
    let (after, limit) = (which.after.as_deref(), which.limit.unwrap_or(100).clamp(1, 200));
    let state = node.replica.view()?;
    let read::Page { items, next } = match which.open {
        Some(true) => read::open_proposals(&state, after, limit)?,
        _ => read::proposals(&state, after, limit)?,
    };
    let items = items.into_iter().map(|proposal| view(&node, proposal)).collect::<Result<_, _>>()?;
    Ok(Json(Page { items, next }))
}

/// A proposal.
#[utoipa::path(get, path = "/v1/governance/{id}", tag = "consortium", params(("id" = String, Path)), responses((status = 200, body = ProposalView)))]
pub(crate) async fn show(
    State(node): Shared,
    caller: Caller,
    Path(id): Path<Digest>,
) -> Result<Json<ProposalView>, ApiError> {
    insider(&node, &caller)?;
    let found = read::proposal(&node.replica.view()?, &id)?;
    let proposal = found.ok_or_else(|| ApiError::new(code::UNKNOWN_PROPOSAL, id.to_string()))?;
    Ok(Json(view(&node, proposal)?))
}

/// Whether ballots govern, and by what they are counted.
#[utoipa::path(get, path = "/v1/governance/parameters", tag = "consortium", responses((status = 200, body = Governance)))]
pub(crate) async fn parameters(State(node): Shared, caller: Caller) -> Result<Json<Governance>, ApiError> {
    insider(&node, &caller)?;
    let view = node.replica.view()?;
    Ok(Json(Governance { parameters: read::parameters(&view)?, ml_dsa_missing: read::ml_dsa_missing(&view)? }))
}

/// Members' operator keys that are about to be replaced, by member; one of each at most.
#[utoipa::path(get, path = "/v1/governance/recoveries", tag = "consortium", responses((status = 200, body = Object)))]
pub(crate) async fn recoveries(State(node): Shared, caller: Caller) -> Result<Json<Page<Recovering>>, ApiError> {
    insider(&node, &caller)?;
    Ok(Json(Page { items: read::recoveries(&node.replica.view()?)?, next: None }))
}

fn view(node: &Node, proposal: Proposal) -> Result<ProposalView, ApiError> {
    let open = proposal.phase == ProposalPhase::Open;
    let tally = if open { Some(read::tally(&node.replica.view()?, &proposal)?) } else { None };
    Ok(ProposalView { expired: open && proposal.expires < node.now(), tally, proposal })
}
