//! Removes old transactions where the operator wants that, step by step, in the background.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::message::ContractVersion;
use contracts::read;
use contracts::record::Standing;
use crypto::Digest;
use ledger::View;
use tokio::time::sleep;

use crate::config::Keep;
use crate::problem::ApiError;
use crate::service::Node;

/// Prunes for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        sleep(PAUSE).await;
        node.snapshots.sweep();
        if node.keep == Keep::All {
            continue;
        }
        if let Err(error) = prune(&node).await {
            tracing::warn!(%error, "old transactions were not removed; it is tried again");
        }
    }
}

async fn prune(node: &Arc<Node>) -> Result<(), ApiError> {
    let own = Arc::clone(node);
    let due = tokio::task::spawn_blocking(move || due(&own)).await.map_err(ApiError::internal)??;
    let Some((below, needed)) = due else { return Ok(()) };
    let before = node.replica.copied().kept()?.height;
    let needed = Arc::new(needed);
    loop {
        let (ledger, needed) = (node.replica.copied().clone(), Arc::clone(&needed));
        let step = tokio::task::spawn_blocking(move || ledger.prune(below, STEP, &|id| needed.contains(id)));
        if !step.await.map_err(ApiError::internal)?? {
            break;
        }
        sleep(REST).await;
    }
    let after = node.replica.copied().kept()?.height;
    if after > before {
        tracing::info!(from = after, "older transactions were removed");
    }
    Ok(())
}

/// Below which block there may be something to remove, and which transactions stay nevertheless.
fn due(node: &Node) -> Result<Option<(u64, HashSet<Digest>)>, ApiError> {
    let ledger = node.replica.copied();
    let head = ledger.head();
    let below = match node.keep {
        Keep::All => 0,
        Keep::Blocks(blocks) => head.height.saturating_sub(blocks),
        Keep::Days(days) => ledger.first_since(head.time.saturating_sub(days.saturating_mul(DAY)))?,
    };
    // Who takes a snapshot needs the blocks after it; the read model those that are not in it.
    let below = node.snapshots.oldest().map_or(below, |oldest| below.min(oldest));
    let below = match node.read_model.needs() {
        Some(height) => below.min(height),
        None => below,
    };
    let view = ledger.view()?;
    match below.min(view.oldest()) > ledger.kept()?.height + SLACK {
        true => Ok(Some((below, needed(&view)?))),
        false => Ok(None),
    }
}

/// Transactions of receipts that may still be asked for: of contracts in force, of requests that are not over, of oracles, of
/// ML-DSA keys that contracts are signed with.
fn needed(view: &View) -> Result<HashSet<Digest>, ApiError> {
    let mut needed = HashSet::new();
    let mut after = None;
    loop {
        let page = read::contracts(view, after.as_deref(), PAGE)?;
        for contract in page.items {
            if contract.standing == Standing::Revoked {
                continue;
            }
            needed.extend([contract.id, contract.transaction]);
            let first = read::version(view, &ContractVersion { contract: contract.id, version: 1 })?;
            let signed = contract.ml_dsa.into_iter().chain(first.and_then(|first| first.ml_dsa));
            needed.extend(read::registrations(view, signed)?);
            if let Some(asset) = read::asset(view, &contract.terms.asset)? {
                needed.insert(asset.transaction);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Whoever has registered a key signs with it what is yet to come.
    let mut after = None;
    loop {
        let page = read::signers(view, after.as_deref(), PAGE)?;
        needed.extend(page.items.iter().map(|signer| signer.transaction));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for number in 0..=read::oracle_epoch_number(view)? {
        if let Some(oracles) = read::oracle_epoch(view, number)? {
            needed.extend(oracles.confirmations);
        }
    }
    for member in read::members(view)? {
        let mut after = None;
        loop {
            let page = read::open_requests(view, &member.card.name, after.as_deref(), PAGE)?;
            for request in page.items {
                needed.extend(read::chain_ids(view, &request.id)?);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(needed)
}

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two steps.
const REST: Duration = Duration::from_millis(200);
/// Transactions of a step.
const STEP: usize = 2_000;
/// Blocks that are not worth a look at what is needed.
const SLACK: u64 = 16;
/// Records of a page.
const PAGE: usize = 256;
/// Milliseconds.
const DAY: u64 = 24 * 3600 * 1000;
