//! What a validator does beside voting: it has what is ordered cosigned, and learns when its epoch is over. Before that, it takes its seat.

use std::sync::Arc;
use std::time::Duration;

use contracts::message::OrderingSeat;
use contracts::{code, read};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::Epoch;
use order::{Fault, Quorum};
use tokio::time::{sleep, timeout};

use super::{GATHER_PAUSE, LAST_PAUSE, Part, ends, epoch_of, ordered_by};
use crate::message::{AskBlocks, AskOrdering, AskSlate, Blocks, OrderedBy, SlateDropped};
use crate::problem::ApiError;
use crate::replica::is_cosigned;
use crate::replica::vouch::{VOUCH, vouch};
use crate::service::Node;

/// Watches the engine among the validators, and has what it brought cosigned, for receipts and readers. Ends with the epoch: where that
/// was over before this node knew, with the part that it has until its ledger says so.
pub(super) async fn validate(node: &Arc<Node>, quorum: &Quorum) -> Option<Part> {
    let replica = &node.replica;
    // The epoch had passed the ordering on before this node was started.
    let back = ordered_by(&replica.ledger) != Some(quorum.epoch());
    let fault = tokio::select! {
        fault = quorum.failed() => match (fault, epoch_of(&replica.ledger)) {
            // Blocks of the others have what slates that nobody keeps do not tell.
            (Fault::Behind { executed }, Some(epoch)) => {
                tracing::warn!(executed, "the next slate is gone: this node follows the others until another epoch begins");
                return Some(Part::following(&epoch, &replica.own));
            }
            (fault, _) => fault.to_string(),
        },
        () = have_newest_cosigned(node) => return None,
        () = have_ends_cosigned(node) => return None,
        before = ended(node, quorum) => {
            // The others hear of the last slate, before nobody of this epoch is left to tell them: with fewer than a quorum, those who lack
            // it could find too few who answer for it.
            sleep(LINGER).await;
            while let Some(epoch) = &before
                && !are_ahead(node, epoch, epoch.quorum() - 1, ASK).await
                && !(back && goes_on(node).await)
            {
                sleep(ASK_PAUSE).await;
            }
            return None;
        }
        behind = overtaken(node) => return Some(behind),
        behind = stranded(node, quorum) => return Some(behind),
    };
    tracing::error!(fault, "the ordering has stopped");
    let _ = node.audit.record("node", "ordering.stopped", &replica.own.member, "unavailable", &fault).await;
    replica.fault.send_replace(Some(fault));
    None
}

/// Has the newest block cosigned again and again. Ends with the node.
async fn have_newest_cosigned(node: &Arc<Node>) {
    let replica = &node.replica;
    let mut heights = replica.height.subscribe();
    loop {
        let height = *heights.borrow_and_update();
        if height > *replica.cosigned.borrow()
            && let Err(error) = replica.gather(node, height).await
        {
            tracing::warn!(%error, height, "no quorum has cosigned yet; trying again");
            sleep(LAST_PAUSE).await;
            continue;
        }
        sleep(replica.gather_pause()).await;
        if heights.changed().await.is_err() {
            return;
        }
    }
}

/// Has the last block of each epoch cosigned: whoever was away then takes it from any node, also when those who cosigned it have left.
/// Apart from the newest block: receipts are not to wait for one that too few can cosign.
async fn have_ends_cosigned(node: &Arc<Node>) {
    let ledger = &node.replica.ledger;
    // Epochs before this one are done with.
    let (mut from, mut told) = (0, false);
    loop {
        let now = ledger.head().epoch;
        let mut failed = None;
        match ends(ledger, from) {
            Ok(ends) => {
                for height in ends {
                    match is_cosigned(ledger, height) {
                        Ok(true) => {}
                        Ok(false) => failed = node.replica.gather(node, height).await.err().or(failed),
                        Err(error) => failed = Some(error.into()),
                    }
                }
            }
            Err(error) => failed = Some(error),
        }
        let Some(error) = failed else {
            (from, told) = (now, false);
            sleep(GATHER_PAUSE).await;
            continue;
        };
        // One may stay so: of an epoch whose validators are gone.
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "no quorum has cosigned the last block of an epoch yet; going on trying");
        }
        sleep(END_PAUSE).await;
    }
}

/// Waits until the ordering has ended, and says which epoch's it was.
async fn ended(node: &Arc<Node>, quorum: &Quorum) -> Option<Epoch> {
    // Not the ledger's: its last block may be made before anybody asks.
    let epoch = node.replica.view().ok().and_then(|view| read::validators(&view, quorum.epoch()).ok()?);
    quorum.ended().await;
    epoch
}

/// Whether the epoch that orders by this node's ledger can go on, with this node: of those who voted before, some may be gone for good.
async fn goes_on(node: &Arc<Node>) -> bool {
    let Some(epoch) = epoch_of(&node.replica.ledger) else { return false };
    let before = Epoch { number: epoch.number - 1, ..epoch };
    are_ahead(node, &before, before.quorum() - 1, ASK).await
}

/// Whether so many other validators of an epoch say that a later one orders.
async fn are_ahead(node: &Arc<Node>, epoch: &Epoch, enough: usize, patience: Duration) -> bool {
    let ask = AskOrdering {};
    let others = epoch.validators.iter().filter(|validator| validator.name != node.member);
    let mut asked: FuturesUnordered<_> = others
        .map(|other| async {
            let answer = timeout(patience, node.call::<_, OrderedBy>(&other.name, "/peer/v1/ordering", &ask)).await;
            answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.epoch > epoch.number))
        })
        .collect();
    let mut ahead = 0;
    while ahead < enough {
        let Some(one) = asked.next().await else { return false };
        ahead += usize::from(one);
    }
    true
}

/// Waits until more validators of this node's epoch than can lie say that another epoch orders, and answer for the blocks up to there:
/// then nobody will tell this node how its own ended, and it has to follow the others.
async fn overtaken(node: &Arc<Node>) -> Part {
    let replica = &node.replica;
    let mut heights = replica.height.subscribe();
    loop {
        // As long as blocks come, its own epoch goes on.
        if timeout(STUCK, heights.changed()).await.is_ok() {
            continue;
        }
        let Some(epoch) = epoch_of(&replica.ledger) else { continue };
        if !are_ahead(node, &epoch, epoch.validators.len() - epoch.quorum() + 1, VOUCH).await {
            continue;
        }
        let mut gone = false;
        for validator in epoch.validators.iter().filter(|validator| validator.name != node.member) {
            let ask = AskBlocks { after: replica.ledger.head().height, cosigned: 0 };
            let answer = timeout(VOUCH, node.call::<_, Blocks>(&validator.name, "/peer/v1/blocks", &ask)).await;
            gone |= matches!(&answer, Ok(Err(error)) if error.code == code::PRUNED.code);
            let Ok(Ok(Blocks { blocks, .. })) = answer else { continue };
            // One who left with too few to answer for it would wait for ever; in its epoch it still hears of the last slate.
            if !blocks.is_empty() && vouch(node, blocks).await.is_ok() {
                tracing::warn!(epoch = epoch.number, "this epoch is over; its end comes from the others");
                return Part::following(&epoch, &replica.own);
            }
        }
        if gone {
            tracing::warn!(
                epoch = epoch.number,
                "this epoch is over, and its end is no longer kept: a snapshot has it"
            );
            return Part::following(&epoch, &replica.own);
        }
    }
}

/// Waits until more validators of this epoch than can lie have dropped the slate that this node needs next, twice in a row while it executes
/// none: it was away for too long, and has to follow the others. One who still had that slate would have sent it between; one that is here is
/// only slow to execute.
async fn stranded(node: &Arc<Node>, quorum: &Quorum) -> Part {
    let mut before = None;
    loop {
        let executed = quorum.status().executed;
        sleep(STRANDED).await;
        let Some(epoch) = is_dropped(node, quorum, executed).await else {
            before = None;
            continue;
        };
        if before.replace(executed) == Some(executed) {
            tracing::warn!(
                executed,
                "this node was away for so long that more validators than can lie have dropped the next slate: it follows the others until another epoch begins"
            );
            return Part::following(&epoch, &node.replica.own);
        }
    }
}

/// The epoch that orders, where this node is still at this slate of it, lacks the next one, and more of the others than can lie have dropped that.
async fn is_dropped(node: &Arc<Node>, quorum: &Quorum, executed: u64) -> Option<Epoch> {
    // With its last block the epoch is over, which is told otherwise.
    let epoch = epoch_of(&node.replica.ledger).filter(|epoch| epoch.number == quorum.epoch())?;
    let ask = AskSlate { epoch: epoch.number, height: executed + 1 };
    if quorum.status().executed != executed || quorum.has(ask.height).await {
        return None;
    }
    let others = epoch.validators.iter().filter(|validator| validator.name != node.member);
    let mut asked: FuturesUnordered<_> =
        others.map(|other| timeout(VOUCH, node.call::<_, SlateDropped>(&other.name, "/peer/v1/slate", &ask))).collect();
    let mut dropped = 0;
    while dropped <= epoch.validators.len() - epoch.quorum() {
        dropped += usize::from(matches!(asked.next().await?, Ok(Ok(SlateDropped { dropped: true }))));
    }
    drop(asked);
    // It may have come meanwhile.
    (!quorum.has(ask.height).await && quorum.status().executed == executed).then_some(epoch)
}

/// Puts on the ledger where this node takes part among the validators, where that is not there yet.
pub(crate) async fn take_seat(node: Arc<Node>) {
    let Some(validator) = node.replica.own.validator.clone() else { return };
    loop {
        match seat(&node, &validator.address).await {
            Ok(true) => return,
            // A newcomer's node runs before the ledger knows its member.
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the ledger does not know yet where this node takes part"),
        }
        sleep(SEAT_PAUSE).await;
    }
}

async fn seat(node: &Node, address: &str) -> Result<bool, ApiError> {
    let view = node.replica.view()?;
    if read::member(&view, &node.member)?.is_none() {
        return Ok(false);
    }
    if read::seat(&view, &node.member)?.as_deref() == Some(address) {
        return Ok(true);
    }
    drop(view);
    let seat = OrderingSeat { address: address.to_owned() };
    node.submit_ok(vec![node.prepare("ordering", "seat", &seat)?]).await?;
    Ok(true)
}

/// How long no block comes before a validator asks whether its epoch is over.
const STUCK: Duration = Duration::from_secs(3);
/// How long no slate is executed before a validator asks whether the next one is still kept.
const STRANDED: Duration = Duration::from_secs(10);
/// How long a validator stays in an epoch that has ended.
const LINGER: Duration = Duration::from_millis(300);
/// How long an answer to whether the others have its end too may take; those who had it a moment later are asked again.
const ASK: Duration = Duration::from_secs(1);
const ASK_PAUSE: Duration = Duration::from_millis(200);
/// Between two attempts to have the last block of an epoch cosigned.
const END_PAUSE: Duration = Duration::from_secs(15);
const SEAT_PAUSE: Duration = Duration::from_millis(500);
