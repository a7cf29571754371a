//! What members' nodes ask each other; every route wants a member's TLS key.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use contracts::code;
use contracts::message::Opening;
use ledger::VerifiedTransaction;
use policy::Disclosed;

use super::Shared;
use crate::auth::Peer;
use crate::extract::{Cbor, Upgrade};
use crate::message::{
    AskBlocks, AskCommitments, AskCosigned, AskEpochs, AskEscrowPart, AskOpenings, AskOrdering, AskPart,
    AskParticulars, AskPrivate, AskRecord, AskSlate, AskSnapshot, AskTunnel, Blocks, ComputeFinish, ComputeFrame,
    ComputeStart, ComputeStarted, ComputeState, Cosigned, DkgBroadcast, DkgDone, DkgRoundOne, DkgRoundTwo, DkgStart,
    Done, Epochs, EscrowPart, Forward, Forwarded, Offer, Openings, OracleAsk, OracleCommitments, OracleShare,
    OrderedBy, PartBytes, PrivateTold, Record, SlateDropped, Told,
};
use crate::problem::ApiError;
use crate::service::Node;
use crate::{compute, dkg, escrow, oracle, particulars, private, requests, snapshots};

type Answer<T> = Result<Cbor<T>, ApiError>;

pub(super) fn prompt() -> Router<Arc<Node>> {
    Router::new()
        .route("/peer/v1/transactions", post(transactions))
        .route("/peer/v1/cosignature", post(cosignature))
        .route("/peer/v1/cosign", post(cosign))
        .route("/peer/v1/cosigned", post(cosigned))
        .route("/peer/v1/ordering", post(ordering))
        .route("/peer/v1/slate", post(slate))
        .route("/peer/v1/record", post(record))
        .route("/peer/v1/snapshot", post(snapshot))
        .route("/peer/v1/snapshot/epochs", post(snapshot_epochs))
        .route("/peer/v1/snapshot/part", post(snapshot_part))
        .route("/peer/v1/openings", post(openings))
        .route("/peer/v1/openings/ask", post(ask_openings))
        .route("/peer/v1/particulars", post(particulars))
        .route("/peer/v1/private", post(private_told))
        .route("/peer/v1/private/ask", post(ask_private))
        .route("/peer/v1/oracle/commit", post(oracle_commit))
        .route("/peer/v1/oracle/sign", post(oracle_sign))
        .route("/peer/v1/dkg/start", post(dkg_start))
        .route("/peer/v1/dkg/exchange", post(dkg_exchange))
        .route("/peer/v1/dkg/finish", post(dkg_finish))
        .route("/peer/v1/escrow/part", post(escrow_part))
        .route("/peer/v1/tunnel", post(tunnel))
        .route("/peer/v1/compute/frame", post(compute_frame))
        .route("/peer/v1/compute/start", post(compute_start))
        .route("/peer/v1/compute/alive", post(compute_alive))
        .route("/peer/v1/compute/cancel", post(compute_cancel))
        .route("/peer/v1/compute/finish", post(compute_finish))
}

/// Routes that may take longer than an ordinary answer.
pub(super) fn waiting() -> Router<Arc<Node>> {
    Router::new().route("/peer/v1/blocks", post(blocks)).route("/peer/v1/compute/wait", post(compute_wait))
}

async fn transactions(State(node): Shared, _: Peer, Cbor(forward): Cbor<Forward>) -> Answer<Forwarded> {
    let chain = node.replica.chain();
    let verified = VerifiedTransaction::verify_all(forward.transactions, &chain).into_iter();
    let results = node.replica.order(verified.collect::<Result<_, _>>()?).await?;
    Ok(Cbor(Forwarded { results }))
}

async fn blocks(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskBlocks>) -> Answer<Blocks> {
    node.replica.blocks(ask).await.map(Cbor)
}

async fn cosignature(State(node): Shared, Peer(member): Peer, Cbor(cosigned): Cbor<Cosigned>) -> Answer<Done> {
    if cosigned.signatures.iter().any(|one| one.member != member) {
        return Err(ApiError::new(code::NOT_PERMITTED, "a member cosigns for itself alone"));
    }
    node.replica.keep_cosigned(cosigned).map(Cbor)
}

async fn cosign(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskCosigned>) -> Answer<Cosigned> {
    node.replica.own_cosignature(&node, ask).await.map(Cbor)
}

async fn cosigned(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskCosigned>) -> Answer<Cosigned> {
    node.replica.cosigned(&node, ask).await.map(Cbor)
}

async fn ordering(State(node): Shared, _: Peer, Cbor(AskOrdering {}): Cbor<AskOrdering>) -> Answer<OrderedBy> {
    let ordered = tokio::task::spawn_blocking(move || node.replica.ordered_for_good());
    let ordered = ordered.await.map_err(ApiError::internal)??;
    Ok(Cbor(OrderedBy { epoch: ordered.unwrap_or(0) }))
}

async fn slate(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<AskSlate>) -> Answer<SlateDropped> {
    Ok(Cbor(SlateDropped { dropped: node.replica.has_dropped(&member, &ask).await }))
}

async fn record(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskRecord>) -> Answer<Record> {
    let committed = node.replica.found(&ask.id, code::NOT_FOUND)?;
    Ok(Cbor(Record { index: committed.index, bytes: committed.to_bytes().into() }))
}

async fn snapshot(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskSnapshot>) -> Answer<Offer> {
    snapshots::offer(&node, &ask).map(Cbor)
}

async fn snapshot_epochs(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskEpochs>) -> Answer<Epochs> {
    snapshots::epochs(&node, ask).await.map(Cbor)
}

async fn snapshot_part(State(node): Shared, _: Peer, Cbor(ask): Cbor<AskPart>) -> Answer<PartBytes> {
    snapshots::part(&node, ask).await.map(Cbor)
}

async fn openings(State(node): Shared, _: Peer, Cbor(openings): Cbor<Told>) -> Answer<Done> {
    requests::receive(&node, openings).await.map(Cbor)
}

async fn ask_openings(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<AskOpenings>) -> Answer<Openings> {
    requests::answer_openings(&node, &member, ask).await.map(Cbor)
}

async fn particulars(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<AskParticulars>) -> Answer<Disclosed> {
    particulars::answer(&node, &member, ask).await.map(Cbor)
}

async fn private_told(State(node): Shared, Peer(member): Peer, Cbor(told): Cbor<PrivateTold>) -> Answer<Done> {
    private::receive(&node, &member, told).await.map(Cbor)
}

async fn ask_private(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<AskPrivate>) -> Answer<Opening> {
    private::give(&node, &member, ask).await.map(Cbor)
}

async fn oracle_commit(
    State(node): Shared,
    Peer(member): Peer,
    Cbor(ask): Cbor<AskCommitments>,
) -> Answer<OracleCommitments> {
    oracle::commit(&node, &member, &ask).map(Cbor)
}

async fn oracle_sign(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<OracleAsk>) -> Answer<OracleShare> {
    oracle::sign(&node, &member, ask).await.map(Cbor)
}

async fn dkg_start(State(node): Shared, Peer(member): Peer, Cbor(start): Cbor<DkgStart>) -> Answer<DkgBroadcast> {
    dkg::start(&node, &member, start).await.map(Cbor)
}

async fn dkg_exchange(State(node): Shared, _: Peer, Cbor(all): Cbor<DkgRoundOne>) -> Answer<DkgRoundTwo> {
    dkg::exchange(&node, all).await.map(Cbor)
}

async fn dkg_finish(State(node): Shared, _: Peer, Cbor(round): Cbor<DkgRoundTwo>) -> Answer<DkgDone> {
    dkg::finish(&node, round).await.map(Cbor)
}

async fn escrow_part(State(node): Shared, Peer(member): Peer, Cbor(ask): Cbor<AskEscrowPart>) -> Answer<EscrowPart> {
    escrow::part(&node, &member, &ask).map(Cbor)
}

async fn tunnel(
    State(node): Shared,
    Peer(caller): Peer,
    Upgrade(near): Upgrade,
    Cbor(ask): Cbor<AskTunnel>,
) -> Result<Response, ApiError> {
    let card = node.card(&ask.member)?;
    let tunnel = node.tunnels.dig(&caller, &card, node.peers.address(&card)).await?;
    node.audit.record(&caller, "tunnel.open", &card.name, "ok", "what flows is theirs, and encrypted").await?;
    Ok(tunnel.carry(near))
}

async fn compute_start(
    State(node): Shared,
    Peer(member): Peer,
    Cbor(start): Cbor<ComputeStart>,
) -> Answer<ComputeStarted> {
    compute::party_only(&node, &start.request, &member, start.height).await?;
    compute::start(&node, start).await.map(Cbor)
}

async fn compute_frame(State(node): Shared, Peer(member): Peer, Cbor(frame): Cbor<ComputeFrame>) -> Answer<Done> {
    compute::receive(&node, &member, frame).await.map(Cbor)
}

async fn compute_alive(State(node): Shared, Peer(_): Peer, Cbor(asked): Cbor<ComputeFinish>) -> Answer<Done> {
    compute::alive(&node, &asked).map(Cbor)
}

async fn compute_wait(
    State(node): Shared,
    Peer(member): Peer,
    Cbor(asked): Cbor<ComputeFinish>,
) -> Answer<ComputeState> {
    compute::party_only(&node, &asked.request, &member, 0).await?;
    compute::wait(&node, &asked).await.map(Cbor)
}

async fn compute_cancel(State(node): Shared, Peer(member): Peer, Cbor(asked): Cbor<ComputeFinish>) -> Answer<Done> {
    compute::party_only(&node, &asked.request, &member, 0).await?;
    compute::cancelled_by(&node, &member, &asked).await.map(Cbor)
}

async fn compute_finish(State(node): Shared, Peer(member): Peer, Cbor(finish): Cbor<ComputeFinish>) -> Answer<Done> {
    compute::party_only(&node, &finish.request, &member, 0).await?;
    compute::finish(&node, finish).await.map(Cbor)
}
