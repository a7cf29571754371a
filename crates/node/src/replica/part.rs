//! What a node does so that the ledger grows: it orders alone, follows another, or orders with the other validators.
//!
//! At first one node orders, as the configurations say. A follower fetches blocks with one question always open at the
//! leader, executes each itself and refuses any that differs from what it computed; so a leader can delay transactions,
//! but not change, drop or fork what a quorum has cosigned. The block that holds `ordering.begin` is the leader's last:
//! after it the validators of the named epoch order together ([`order::Quorum`]), and members who are none follow them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use contracts::message::OrderingSeat;
use contracts::{code, read};
use crypto::keystore::FileKeys;
use ledger::{Block, Ledger, Solo};
use order::{Endpoint, Pace, PoolLimits, Quorum};
use tokio::time::sleep;

use super::cosigned_apart;
use crate::clock::Clock;
use crate::config::Validator;
use crate::message::{AskBlocks, Blocks, Done};
use crate::problem::ApiError;
use crate::service::{COSIGNER, Node};

/// What follows from this node's own configuration.
pub(crate) struct Own {
    /// Its member.
    pub(crate) member: String,
    /// The member whose node orders at first.
    pub(crate) leader: String,
    /// How it takes part among the validators, if it is to.
    pub(crate) validator: Option<Validator>,
    pub(crate) keys: Arc<FileKeys>,
    /// The node's data.
    pub(crate) directory: PathBuf,
    pub(crate) clock: Clock,
}

/// A node's part in the ordering.
pub(super) enum Part {
    Leader(Solo),
    Follower {
        /// Members whose nodes have the blocks: any of them will do.
        sources: Vec<String>,
    },
    Validator(Quorum),
}

impl Part {
    /// The part that the ledger gives a node.
    ///
    /// # Errors
    /// Where the ledger cannot be read, or the engine among validators does not start.
    pub(super) fn of(ledger: &Arc<Ledger>, own: &Own) -> Result<Self, ApiError> {
        let view = ledger.view()?;
        let Some(quorum) = read::quorum(&view)? else {
            if own.leader != own.member {
                return Ok(Self::Follower { sources: vec![own.leader.clone()] });
            }
            let copy = ledger.clone();
            let last = move |block: &Block| passes_on(&copy, block);
            let solo = Solo::start_until(ledger.clone(), own.clock.clone(), MAX_WAITING, last);
            return Ok(Self::Leader(solo));
        };
        let epoch = ledger.epoch(quorum.epoch)?.ok_or_else(|| ApiError::internal("the ordering's epoch is kept"))?;
        let seat = own.validator.as_ref().filter(|_| epoch.validator(&own.member).is_some());
        let Some(seat) = seat else {
            let others = epoch.validators.into_iter().map(|validator| validator.name);
            let (first, rest): (Vec<_>, Vec<_>) =
                others.filter(|name| *name != own.member).partition(|name| *name == own.leader);
            return Ok(Self::Follower { sources: [first, rest].concat() });
        };
        let mut peers = std::collections::BTreeMap::new();
        for validator in &epoch.validators {
            let address = read::seat(&view, &validator.name)?
                .ok_or_else(|| ApiError::internal("no ordering begins before all validators have a seat"))?;
            peers.insert(validator.name.clone(), endpoint(&address)?);
        }
        drop(view);
        // What the engine builds on is not to be lost.
        ledger.flush()?;
        let config = order::Config {
            directory: own.directory.join("order").join(quorum.epoch.to_string()),
            key: own.keys.danger_seed(COSIGNER)?,
            peers,
            epoch,
            listen: seat.listen,
            private_addresses: seat.private_addresses,
            base: quorum.base,
            pace: Pace::default(),
            pool: PoolLimits::default(),
            keep: KEEP,
            threads: 2,
        };
        Ok(Self::Validator(Quorum::start(config, ledger.clone()).map_err(ApiError::internal)?))
    }
}

/// `host:port`, as it stands on the ledger.
fn endpoint(seat: &str) -> Result<Endpoint, ApiError> {
    if let Ok(address) = seat.parse::<SocketAddr>() {
        return Ok(Endpoint::Socket(address));
    }
    let parts = seat.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.map(|(host, port)| Endpoint::Host(host, port)).ok_or_else(|| ApiError::internal("a seat is checked"))
}

/// Whether the newest block is the last one that one node orders.
fn passes_on(ledger: &Ledger, block: &Block) -> bool {
    let named = |method: (&str, &str)| method == ("ordering", "begin");
    let mut transactions = block.transactions.iter().map(|signed| &signed.transaction);
    // Most blocks hold no such transaction, and it may have been refused.
    transactions.any(|transaction| named((&transaction.contract, &transaction.method))) && has_quorum(ledger)
}

/// Whether validators order the ledger. One that cannot be read grows no further anyway.
fn has_quorum(ledger: &Ledger) -> bool {
    ledger.view().is_ok_and(|view| read::quorum(&view).is_ok_and(|quorum| quorum.is_some()))
}

/// The node's part in ordering, for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    let replica = &node.replica;
    loop {
        match &*replica.part() {
            Part::Leader(_) => lead(&node).await,
            Part::Follower { sources } => follow(&node, sources).await,
            Part::Validator(quorum) => validate(&node, quorum).await,
        }
        if replica.fault().is_some() {
            return;
        }
        // Whoever orders from here on, the ledger says.
        let next = {
            let node = Arc::clone(&node);
            tokio::task::spawn_blocking(move || Part::of(&node.replica.ledger, &node.replica.own)).await
        };
        match next.map_err(ApiError::internal).flatten() {
            Ok(part) => *replica.part.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(part),
            Err(error) => {
                tracing::error!(%error, "this node cannot take its part in the ordering");
                replica.fault.send_replace(Some(error.to_string()));
                return;
            }
        }
        let ordering = replica.ordering();
        tracing::info!(ordering, height = replica.height(), "the ordering has changed");
    }
}

/// Sets the next height to cosign when the last one has its quorum, until the validators take over.
async fn lead(node: &Arc<Node>) {
    let replica = &node.replica;
    let (mut heights, mut quorums) = (replica.height.subscribe(), replica.cosigned.subscribe());
    while !has_quorum(&replica.ledger) {
        let (height, cosigned) = (*heights.borrow_and_update(), *quorums.borrow_and_update());
        let target = *replica.target.borrow();
        if height > target && cosigned >= target {
            let own = cosigned_apart(node, height).await;
            match own.and_then(|own| own.map_or(Ok(Done {}), |own| replica.keep_cosigned(own))) {
                Ok(Done {}) => {
                    replica.target.send_replace(height);
                    // Each target costs every member a flush and a signature: under load one of them covers many blocks.
                    sleep(COSIGN_PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the leader cannot cosign its own checkpoint");
                    sleep(LAST_PAUSE).await;
                }
            }
            continue;
        }
        tokio::select! {
            changed = heights.changed() => if changed.is_err() { return },
            changed = quorums.changed() => if changed.is_err() { return },
        }
    }
}

/// Fetches blocks until the part changes; from the next source where one does not answer.
async fn follow(node: &Arc<Node>, sources: &[String]) {
    let (mut pause, mut cosigned, mut turn) = (FIRST_PAUSE, 0, 0);
    loop {
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
    if cosign > *cosigned && cosign <= replica.ledger.head().height {
        if let Some(cosignature) = cosigned_apart(node, cosign).await? {
            let _: Done = node.call(source, "/peer/v1/cosignature", &cosignature).await?;
        }
        *cosigned = cosign;
    }
    Ok(last)
}

/// Applies blocks up to the last that one node orders; whether that was among them.
fn apply(ledger: &Ledger, blocks: &[Block], now: u64) -> Result<bool, ledger::Error> {
    // Not forced to disk each: a copy that lost blocks in a crash fetches them again, and nothing is cosigned before it
    // is on disk.
    for block in blocks {
        ledger.apply(block, now, false)?;
        if passes_on(ledger, block) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Watches the engine among the validators, and has what it brought cosigned, for receipts and readers.
async fn validate(node: &Arc<Node>, quorum: &Quorum) {
    let replica = &node.replica;
    let cosigning = async {
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
            sleep(GATHER_PAUSE).await;
            if heights.changed().await.is_err() {
                return;
            }
        }
    };
    let fault = tokio::select! {
        fault = quorum.failed() => fault.to_string(),
        () = cosigning => return,
    };
    tracing::error!(fault, "the ordering has stopped");
    let _ = node.audit.record("node", "ordering.stopped", &replica.own.member, "unavailable", &fault).await;
    replica.fault.send_replace(Some(fault));
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

/// Asks the first of these members that can be reached.
pub(super) async fn from_any<M, A>(node: &Node, members: &[String], path: &str, message: &M) -> Result<A, ApiError>
where
    M: minicbor::Encode<()>,
    A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let mut failure = ApiError::new(code::UNAVAILABLE, "no validator is known");
    for member in members {
        match node.call(member, path, message).await {
            Err(error) if error.code == code::PEER_UNREACHABLE.code => failure = error,
            answer => return answer,
        }
    }
    Err(failure)
}

/// Least time between two heights to cosign.
const COSIGN_PAUSE: Duration = Duration::from_millis(200);
/// The same among validators, each of whom asks all others. Receipts do not wait for it.
const GATHER_PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
const SEAT_PAUSE: Duration = Duration::from_millis(500);
/// Batches that may wait at the leader.
const MAX_WAITING: usize = 4096;
/// Bytes of final slates kept for validators that were away.
const KEEP: usize = 512 << 20;
