//! What a node does so that the ledger grows: it orders alone, follows another, or orders with the other validators.
//!
//! At first one node orders, as the configurations say. A follower fetches blocks with one question always open at the
//! leader, executes each itself and refuses any that differs from what it computed; so a leader can delay transactions,
//! but not change, drop or fork what a quorum has cosigned. The block that holds `ordering.begin` is the leader's last:
//! after it the validators of the named epoch order together ([`order::Quorum`]), until the block in which a later epoch
//! begins. Members who are no validators follow them, and take no block for which a quorum of them does not answer
//! ([`super::vouch`]); so does a validator that was away when its epoch ended.

mod follower;
mod validator;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contracts::record::Quorum as Term;
use contracts::{code, read};
use crypto::PublicKey;
use crypto::keystore::FileKeys;
use ledger::{Block, Epoch, Ledger, SignedTransaction, Solo};
use order::{Endpoint, Pace, PoolLimits, Quorum, StartError};
use tokio::time::sleep;

use self::follower::follow;
use self::validator::validate;
use super::cosigned_apart;
use crate::clock::Clock;
use crate::config::Validator;
use crate::message::Done;
use crate::problem::ApiError;
use crate::service::Node;

pub(crate) use self::validator::take_seat;

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
    /// Cosigning keys of which the node does not know all that they signed, since it was restored from a backup
    /// (`docs/spec/backup.md`).
    pub(crate) burnt: BTreeSet<PublicKey>,
}

/// A node's part in the ordering.
pub(super) enum Part {
    Leader(Solo),
    Follower {
        /// Members whose nodes have the blocks: any of them will do.
        sources: Vec<String>,
    },
    Validator(Quorum),
    /// The one before has ended, and the next one has not begun.
    Between,
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
            let last = move |block: &Block| turns(&copy, None, &block.transactions);
            let solo = Solo::start_until(ledger.clone(), own.clock.clone(), MAX_WAITING, last);
            return Ok(Self::Leader(solo));
        };
        let epoch = read::validators(&*view, quorum.epoch)?;
        let epoch = epoch.ok_or_else(|| ApiError::internal("the ordering's epoch is kept"))?;
        drop(view);
        let seat = own.validator.as_ref().filter(|_| epoch.validator(&own.member).is_some());
        let Some(seat) = seat else { return Ok(Self::following(&epoch, own)) };
        match Self::among(ledger, own, seat, quorum, &epoch) {
            Err(Unseated::Overtaken) => {
                tracing::warn!(
                    epoch = quorum.epoch,
                    "this node cannot vote in an epoch of which it has blocks from others or no longer its votes, or that is before one in which it has voted, or with a key that it has no longer or that a restore has burnt: it follows until another one begins"
                );
                Ok(Self::following(&epoch, own))
            }
            Err(Unseated::Failed(error)) => Err(error),
            Ok(part) => Ok(part),
        }
    }

    /// The part of a node that starts. Where its newest block is the last of an epoch in which it voted, it is in that once more, until the
    /// others have that block too: all may have gone down when it was the only one.
    ///
    /// # Errors
    /// As [`Part::of`].
    pub(super) fn at_start(ledger: &Arc<Ledger>, own: &Own) -> Result<Self, ApiError> {
        Self::before(ledger, own)?.map_or_else(|| Self::of(ledger, own), Ok)
    }

    /// Its part in the epoch that has passed the ordering on with the newest block, where it has that and all that it signed in it.
    fn before(ledger: &Arc<Ledger>, own: &Own) -> Result<Option<Self>, ApiError> {
        let view = ledger.view()?;
        let Some(quorum) = read::quorum(&*view)? else { return Ok(None) };
        let Some((number, base)) = order::passed(ledger, quorum.base)? else { return Ok(None) };
        let epoch = read::validators(&*view, number)?.filter(|epoch| epoch.validator(&own.member).is_some());
        let Some(epoch) = epoch else { return Ok(None) };
        drop(view);
        if !own.votes(number).try_exists().map_err(ApiError::internal)? {
            return Ok(None);
        }
        let Some(seat) = own.validator.as_ref() else { return Ok(None) };
        match Self::among(ledger, own, seat, Term { epoch: number, base }, &epoch) {
            Ok(part) => {
                tracing::info!(
                    epoch = number,
                    "this epoch was over when the node stopped; the others may lack its end"
                );
                Ok(Some(part))
            }
            Err(Unseated::Overtaken) => Ok(None),
            Err(Unseated::Failed(error)) => {
                tracing::warn!(epoch = number, %error, "this node cannot tell the others how this epoch ended");
                Ok(None)
            }
        }
    }

    /// Follows the validators of an epoch.
    fn following(epoch: &Epoch, own: &Own) -> Self {
        let others = epoch.validators.iter().map(|validator| validator.name.clone());
        let (first, rest): (Vec<_>, Vec<_>) =
            others.filter(|name| *name != own.member).partition(|name| *name == own.leader);
        Self::Follower { sources: [first, rest].concat() }
    }

    /// Orders with the other validators of an epoch.
    fn among(ledger: &Arc<Ledger>, own: &Own, seat: &Validator, quorum: Term, epoch: &Epoch) -> Result<Self, Unseated> {
        let view = ledger.view()?;
        let mut peers = BTreeMap::new();
        for validator in &epoch.validators {
            let address = read::seat(&view, &validator.name)?
                .ok_or_else(|| ApiError::internal("no ordering begins before all validators have a seat"))?;
            peers.insert(validator.name.clone(), endpoint(&address)?);
        }
        drop(view);
        let key = &epoch.validator(&own.member).ok_or_else(|| ApiError::internal("it was looked for"))?.1.key;
        if own.burnt.contains(key) {
            return Err(Unseated::Overtaken);
        }
        let handle = own.cosigner(key).ok_or(Unseated::Overtaken)?;
        // Without what it voted for it could vote twice.
        if !own.takes_up(quorum.epoch).map_err(ApiError::internal)? {
            return Err(Unseated::Overtaken);
        }
        // What the engine builds on is not to be lost.
        ledger.flush()?;
        let copy = Arc::clone(ledger);
        let config = order::Config {
            directory: own.votes(quorum.epoch),
            key: own.keys.danger_seed(&handle).map_err(ApiError::from)?,
            peers,
            epoch: epoch.clone(),
            listen: seat.listen,
            private_addresses: seat.private_addresses,
            base: quorum.base,
            last: Arc::new(move |transactions| turns(&copy, Some(quorum.epoch), transactions)),
            pace: Pace::default(),
            pool: PoolLimits::default(),
            keep: usize::try_from(seat.keep_bytes).unwrap_or(usize::MAX),
            threads: 2,
        };
        match Quorum::start(config, ledger.clone()) {
            Ok(started) => {
                own.retire(ledger, key, quorum.epoch);
                Ok(Self::Validator(started))
            }
            Err(StartError::Base { found, expected }) if found > expected => Err(Unseated::Overtaken),
            Err(error) => Err(ApiError::internal(error).into()),
        }
    }
}

/// Why a validator does not vote.
enum Unseated {
    /// Its ledger holds blocks of the epoch that its engine did not make, so that it cannot know what it voted for; or its key of that
    /// epoch is destroyed, as one is that catches up on what it once took part in; or its votes of that epoch are gone, as those of epochs are
    /// before the newest in which it voted; or it was restored, and has no other key yet.
    Overtaken,
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Unseated {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
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

/// Whether the ordering passes to others with the newest block, which holds these transactions; until it, the validators of `epoch`
/// ordered, or one node.
fn turns(ledger: &Ledger, epoch: Option<u64>, transactions: &[SignedTransaction]) -> bool {
    // Most blocks hold no such transaction, and it may have been refused.
    transactions.iter().any(begins) && ordered_by(ledger) != epoch
}

fn begins(signed: &SignedTransaction) -> bool {
    contracts::may_pass_on(&signed.transaction.contract, &signed.transaction.method)
}

/// Heights of the last blocks of the ledger's epochs that are over, from that of this number on.
pub(super) fn ends(ledger: &Ledger, from: u64) -> Result<Vec<u64>, ApiError> {
    let view = ledger.view()?;
    let now = read::epoch(&*view)?.number;
    let mut ends = Vec::new();
    for number in from..now {
        // Of two changes in one block the first makes an epoch without blocks. Nobody has to answer for block 0.
        if let Some(end) = view.last_before(number + 1)?.filter(|end| *end > 0 && ends.last() != Some(end)) {
            ends.push(end);
        }
    }
    Ok(ends)
}

/// The epoch whose validators order the ledger; none where one node does. One that cannot be read grows no further anyway.
pub(super) fn ordered_by(ledger: &Ledger) -> Option<u64> {
    ledger.view().ok().and_then(|view| read::quorum(&view).ok().flatten()).map(|quorum| quorum.epoch)
}

/// The same, with its validators.
pub(super) fn epoch_of(ledger: &Ledger) -> Option<Epoch> {
    let view = ledger.view().ok()?;
    let quorum = read::quorum(&*view).ok()??;
    read::validators(&*view, quorum.epoch).ok()?
}

/// The node's part in ordering, for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    let replica = &node.replica;
    loop {
        let behind = match &*replica.part() {
            Part::Leader(_) => {
                lead(&node).await;
                None
            }
            Part::Follower { sources } => {
                follow(&node, sources).await;
                None
            }
            Part::Validator(quorum) => validate(&node, quorum).await,
            Part::Between => None,
        };
        if replica.fault().is_some() {
            return;
        }
        // The old part gives its port and its files back before the next one takes them.
        let mut old = replica.take(Arc::new(Part::Between));
        let ended = loop {
            match Arc::try_unwrap(old) {
                Ok(part) => break part,
                // Those who wait for an answer of it are told that there will be none.
                Err(held) => old = held,
            }
            sleep(RELEASE).await;
        };
        let next = {
            let node = Arc::clone(&node);
            tokio::task::spawn_blocking(move || {
                drop(ended);
                // Whoever orders from here on, the ledger says.
                behind.map_or_else(|| Part::of(&node.replica.ledger, &node.replica.own), Ok)
            })
            .await
        };
        match next.map_err(ApiError::internal).flatten() {
            Ok(part) => drop(replica.take(Arc::new(part))),
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
    while ordered_by(&replica.ledger).is_none() {
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

/// Asks the first of these members that can be reached.
pub(super) async fn from_any<M, A>(node: &Node, members: &[String], path: &str, message: &M) -> Result<A, ApiError>
where
    M: minicbor::Encode<()>,
    A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let mut failure = ApiError::new(code::UNAVAILABLE, "no validator is known");
    for member in members {
        match node.call(member, path, message).await {
            // Also one that has not turned yet to what this node's ledger says already, or has turned before.
            Err(error) if ELSEWHERE.contains(&&*error.code) => failure = error,
            answer => return answer,
        }
    }
    Err(failure)
}

/// Refusals after which another validator may answer.
const ELSEWHERE: [&str; 3] = [code::PEER_UNREACHABLE.code, code::NOT_PERMITTED.code, code::BUSY.code];
const RELEASE: Duration = Duration::from_millis(10);
/// Least time between two heights to cosign.
const COSIGN_PAUSE: Duration = Duration::from_millis(400);
/// The same among validators, each of whom asks all others. Receipts do not wait for it.
pub(super) const GATHER_PAUSE: Duration = Duration::from_secs(1);
/// The same where the epoch demands ML-DSA.
pub(super) const GATHER_PAUSE_ML_DSA: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Batches that may wait at the leader.
const MAX_WAITING: usize = 4096;
