//! How a follower's ledger grows: it fetches blocks, applies those that others answer for, and cosigns what it is asked for.

use std::sync::Arc;
use std::time::Duration;

use contracts::code;
use ledger::{Block, Ledger};
use tokio::time::{Instant, sleep};

use super::{LAST_PAUSE, ordered_by, turns};
use crate::message::{AskBlocks, Blocks, Done};
use crate::problem::ApiError;
use crate::replica::cosigned_apart;
use crate::replica::vouch::vouch;
use crate::service::Node;
use crate::sync;

/// Fetches blocks until the part changes; from the next source where one does not answer.
pub(super) async fn follow(node: &Arc<Node>, sources: &[String]) {
    let (mut pause, mut cosigned, mut turn) = (FIRST_PAUSE, 0, 0);
    let (mut unsure, mut unanswered, mut looked) = (true, false, Instant::now());
    loop {
        // At the start, and after something went wrong: it may be far behind, or want blocks that nobody keeps.
        if std::mem::take(&mut unsure) {
            looked = Instant::now();
            match sync::catch_up(node, sources).await {
                Some(true) => return,
                outcome => unanswered = outcome.is_none(),
            }
        }
        let source = &sources[turn % sources.len()];
        match advance(node, source, &mut cosigned).await {
            Ok(false) => pause = FIRST_PAUSE,
            Ok(true) => return,
            Err(Setback::Diverged(reason)) => {
                tracing::error!(reason, source, "a ledger differs from this node's own: following stops");
                let _ = node.audit.record("node", "ledger.diverged", source, "ledger_diverged", &reason).await;
                node.replica.fault.send_replace(Some(reason));
                return;
            }
            Err(Setback::Unreachable(error)) => {
                tracing::warn!(%error, source, "cannot follow; trying again");
                turn += 1;
                unsure = unanswered || error.code == code::PRUNED.code || looked.elapsed() > LOOK;
                sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

enum Setback {
    Unreachable(ApiError),
    Diverged(String),
}

impl<E: Into<ApiError>> From<E> for Setback {
    fn from(error: E) -> Self {
        Self::Unreachable(error.into())
    }
}

/// Fetches, checks and keeps the next blocks, then cosigns what the source asks for. `cosigned` is the last height that
/// it has this node's cosignature of. True where the ordering passes to the validators with the last block.
async fn advance(node: &Arc<Node>, source: &str, cosigned: &mut u64) -> Result<bool, Setback> {
    let replica = &node.replica;
    let ask = AskBlocks { after: replica.ledger.head().height, cosigned: *cosigned };
    let Blocks { blocks, cosign } = node.call(source, "/peer/v1/blocks", &ask).await?;
    // One that was restored may have cosigned other blocks than it is shown now, also of the one that orders.
    let (blocks, word) = match ordered_by(&replica.ledger).is_some() || !replica.own.burnt.is_empty() {
        true => vouch(node, blocks).await?,
        false => (blocks, None),
    };
    let (ledger, now) = (replica.ledger.clone(), node.now());
    let applied =
        tokio::task::spawn_blocking(move || apply(&ledger, &blocks, now)).await.map_err(ApiError::internal)?;
    let last = match applied {
        Ok(last) => last,
        // This node's disk or clock, or blocks that crossed: the same question may go well next time.
        Err(
            error @ (ledger::Error::Store(_)
            | ledger::Error::Time { .. }
            | ledger::Error::Gap { .. }
            | ledger::Error::Application(_)),
        ) => {
            return Err(Setback::Unreachable(error.into()));
        }
        Err(error) => return Err(Setback::Diverged(error.to_string())),
    };
    // Not those of a block after the one with which the ordering passes on.
    if let Some(word) = word.filter(|word| word.height <= replica.ledger.head().height) {
        replica.keep_cosigned(word)?;
    }
    if cosign > *cosigned && cosign <= replica.ledger.head().height {
        if let Some(cosignature) = cosigned_apart(node, cosign).await? {
            let _: Done = node.call(source, "/peer/v1/cosignature", &cosignature).await?;
        }
        *cosigned = cosign;
    }
    Ok(last)
}

/// Applies blocks up to the one with which the ordering passes to others; whether that was among them.
fn apply(ledger: &Ledger, blocks: &[Block], now: u64) -> Result<bool, ledger::Error> {
    // Not forced to disk each: a copy that lost blocks in a crash fetches them again, and nothing is cosigned before it
    // is on disk.
    let before = ordered_by(ledger);
    for block in blocks {
        ledger.apply(block, now, false)?;
        if turns(ledger, before, &block.transactions) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Least time between two looks whether this node is far behind, unless it is told that it is.
const LOOK: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
