//! A contract's particulars: on the ledger for all, or with the owner's node for those it lets read them.

use contracts::code;
use contracts::message::Opening;
use contracts::read;
use contracts::record::Contract;
use crypto::Digest;
use ledger::State;
use policy::{Disclosed, Particulars};
use wire::Limits;

use crate::message::AskParticulars;
use crate::problem::ApiError;
use crate::service::Node;

/// The particulars of a contract, from the ledger, from this node, or from the owner's node.
///
/// # Errors
/// `not_permitted` where the owner does not let this member read them.
pub(crate) async fn of(node: &Node, contract: &Digest) -> Result<Disclosed, ApiError> {
    let contract = contract_of(node, contract)?;
    if let Some(disclosed) = contract.terms.disclosed {
        return Ok(disclosed);
    }
    if contract.owner == node.member {
        if let Some(held) = held(node, &contract).await? {
            return Ok(held);
        }
        return Err(ApiError::new(
            code::EVIDENCE_MISSING,
            "the contract's particulars were not handed to its owner's node: `sotto contract offer` does so",
        ));
    }
    let disclosed: Disclosed =
        node.call(&contract.owner, "/peer/v1/particulars", &AskParticulars { contract: contract.id }).await?;
    check(&contract, &disclosed)?;
    Ok(disclosed)
}

/// Answers a member that asks for the particulars of one of this node's contracts.
pub(crate) async fn answer(node: &Node, member: &str, ask: AskParticulars) -> Result<Disclosed, ApiError> {
    let contract = contract_of(node, &ask.contract)?;
    // Another's contract may name the commitment of one of ours: what opens it is not for that owner.
    if contract.owner != node.member {
        return Err(ApiError::new(code::NOT_PERMITTED, "the contract's owner alone hands out its particulars"));
    }
    if !contract.terms.visibility.includes(&contract.owner, member) {
        return Err(ApiError::new(code::NOT_PERMITTED, "the contract's owner keeps its particulars from this member"));
    }
    node.audit.record(member, "particulars.read", &ask.contract.to_string(), "ok", "").await?;
    of(node, &ask.contract).await
}

/// Keeps the particulars that this node's owner hands in, before or after the offer: the opening of their commitment.
///
/// # Errors
/// `malformed` where the payload is not particulars.
pub(crate) async fn keep(node: &Node, opening: &Opening) -> Result<Digest, ApiError> {
    wire::from_slice::<Particulars>(&opening.payload, Limits::small())
        .map_err(|error| ApiError::new(code::MALFORMED, error.to_string()))?;
    node.store.put_opening("particulars", None, opening, node.now()).await?;
    Ok(opening.commitment())
}

async fn held(node: &Node, contract: &Contract) -> Result<Option<Disclosed>, ApiError> {
    let Some(opening) = node.store.opening(None, &contract.terms.particulars).await? else { return Ok(None) };
    let particulars =
        wire::from_slice(&opening.payload, Limits::small()).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Some(Disclosed { salt: opening.salt, particulars }))
}

fn check(contract: &Contract, disclosed: &Disclosed) -> Result<(), ApiError> {
    if disclosed.commitment() != contract.terms.particulars || disclosed.policy_digest() != contract.terms.policy {
        return Err(ApiError::new(code::EVIDENCE_INVALID, "the particulars do not match the contract"));
    }
    Ok(())
}

fn contract_of(node: &Node, id: &Digest) -> Result<Contract, ApiError> {
    let view: &dyn State = &node.replica.view()?;
    read::contract(view, id)?.ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, id.to_string()))
}
