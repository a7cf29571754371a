//! This node's copy of the ledger: the leader orders, the others follow, check every block and cosign.
//!
//! A follower fetches blocks with one question always open at the leader, executes each itself and refuses any that
//! differs from what it computed. After its copy is durable it cosigns the newest checkpoint. So the one leader of the
//! `solo` ordering can delay transactions, but not change, drop or fork what a quorum has cosigned.

use std::sync::Arc;
use std::time::Duration;

use contracts::{code, read};
use crypto::Digest;
use crypto::keystore::Keys as _;
use futures_util::future::BoxFuture;
use ledger::{Block, Committed, Consortium, Ledger, Ordering as _, Refusal, Solo, Submit, VerifiedTransaction, View};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::message::{AskBlocks, AskCosigned, Blocks, Cosigned, CosignedBy, Done, Forward, Forwarded, Placed};
use crate::problem::ApiError;
use crate::service::{COSIGNER, Node};

/// A copy of the ledger and this node's part in its ordering.
pub(crate) struct Replica {
    ledger: Arc<Ledger>,
    part: Part,
    height: watch::Sender<u64>,
    /// The newest height that a quorum has cosigned, as far as this node knows.
    cosigned: watch::Sender<u64>,
    /// The height the leader wants cosigned: one at a time, so that a quorum meets at the same one under any load.
    target: watch::Sender<u64>,
    /// Why following stopped for good.
    fault: watch::Sender<Option<String>>,
}

enum Part {
    Leader(Solo),
    Follower { leader: String },
}

impl Replica {
    /// The leader's replica, which orders transactions itself.
    pub(crate) fn leader(ledger: Arc<Ledger>, clock: Clock) -> Self {
        let solo = Solo::start(ledger.clone(), clock, MAX_WAITING);
        Self::new(ledger, Part::Leader(solo))
    }

    /// A replica that follows `leader`.
    pub(crate) fn follower(ledger: Arc<Ledger>, leader: String) -> Self {
        Self::new(ledger, Part::Follower { leader })
    }

    fn new(ledger: Arc<Ledger>, part: Part) -> Self {
        let height = watch::Sender::new(ledger.head().height);
        let observer = height.clone();
        ledger.observe(move |committed| {
            observer.send_if_modified(|height| raise(height, committed));
        });
        // A ledger that cannot tell says so at the first receipt.
        let cosigned = watch::Sender::new(ledger.cosigned_height().ok().flatten().unwrap_or(0));
        Self { ledger, part, height, cosigned, target: watch::Sender::new(0), fault: watch::Sender::new(None) }
    }

    pub(crate) fn chain(&self) -> Digest {
        self.ledger.chain()
    }

    /// The consortium as it stands: what others pin.
    pub(crate) fn consortium(&self) -> Result<Consortium, ApiError> {
        let view = self.view()?;
        Ok(read::consortium(&view, &self.chain(), &self.ledger.genesis().name, |epoch| Ok(view.epoch_start(epoch)?))?)
    }

    /// Newest height of this copy.
    pub(crate) fn height(&self) -> u64 {
        *self.height.borrow()
    }

    /// A consistent snapshot of the state.
    pub(crate) fn view(&self) -> Result<Arc<View>, ApiError> {
        Ok(self.ledger.view()?)
    }

    /// A transaction that was ordered, by its identity.
    pub(crate) fn committed(&self, id: &Digest) -> Result<Option<Committed>, ApiError> {
        Ok(self.ledger.committed(id)?)
    }

    /// Why this node cannot serve, if so.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// Waits until this copy has reached `height`.
    pub(crate) async fn wait_for(&self, height: u64) -> Result<(), ApiError> {
        let mut heights = self.height.subscribe();
        let reached = timeout(CATCH_UP, heights.wait_for(|now| *now >= height)).await;
        reached
            .map_err(|_| ApiError::new(code::UNAVAILABLE, format!("this node's ledger is behind block {height}")))?
            .map_err(ApiError::internal)?;
        Ok(())
    }

    /// Has transactions ordered and waits until this copy holds them.
    pub(crate) async fn submit(
        &self,
        node: &Node,
        transactions: Vec<VerifiedTransaction>,
    ) -> Result<Vec<Placed>, ApiError> {
        let ids: Vec<Digest> = transactions.iter().map(VerifiedTransaction::id).collect();
        let placed = match &self.part {
            Part::Leader(_) => return self.order(transactions).await,
            Part::Follower { leader } => {
                self.ledger.expect(&transactions);
                let forward =
                    Forward { transactions: transactions.into_iter().map(VerifiedTransaction::into_signed).collect() };
                node.call::<_, Forwarded>(leader, "/peer/v1/transactions", &forward).await?.results
            }
        };
        // The leader says where to look; what became of them is what this node's own copy holds.
        self.wait_for(placed.iter().map(|placed| placed.height).max().unwrap_or(0)).await?;
        let own = ids.iter().map(|id| {
            let own = self.committed(id)?.ok_or_else(|| {
                ApiError::new(code::UNAVAILABLE, "the leader named an outcome that this node's ledger does not hold")
            })?;
            Ok(Placed { id: *id, height: own.height, index: own.index, code: own.outcome.code })
        });
        own.collect()
    }

    /// Orders transactions; the leader's part.
    pub(crate) async fn order(&self, transactions: Vec<VerifiedTransaction>) -> Result<Vec<Placed>, ApiError> {
        let Part::Leader(solo) = &self.part else {
            return Err(ApiError::new(code::NOT_PERMITTED, "this node does not order transactions"));
        };
        let ids: Vec<Digest> = transactions.iter().map(VerifiedTransaction::id).collect();
        let (done, wait) = oneshot::channel();
        // The receiver is gone only when the caller has given up; the transactions are ordered all the same.
        solo.submit(transactions, Box::new(move |results| drop(done.send(results)))).map_err(|error| match error {
            Submit::Busy | Submit::Stopped => ApiError::new(code::BUSY, error.to_string()).with_retry(1),
            _ => ApiError::new(code::OVERSIZE, error.to_string()),
        })?;
        let results = wait.await.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
        let placed = ids.iter().zip(results).map(|(id, result)| self.placed(id, result));
        placed.collect()
    }

    /// Where a transaction ended. One that is on the ledger already is answered with its first outcome: its id is the
    /// idempotency key.
    fn placed(&self, id: &Digest, result: Result<Committed, Refusal>) -> Result<Placed, ApiError> {
        let committed = match result {
            Ok(committed) => committed,
            Err(Refusal::Replayed { .. }) => match self.committed(id)? {
                Some(committed) => committed,
                None => {
                    return Err(ApiError::new(
                        code::REPLAYED,
                        format!("transaction {id} stands twice in one submission"),
                    ));
                }
            },
            Err(refusal) => return Err(refusal.into()),
        };
        Ok(Placed { id: *id, height: committed.height, index: committed.index, code: committed.outcome.code })
    }

    /// Blocks after a height, and the height to cosign; waits for the first news of either for a while.
    pub(crate) async fn blocks(&self, ask: AskBlocks) -> Result<Blocks, ApiError> {
        let (mut heights, mut targets) = (self.height.subscribe(), self.target.subscribe());
        let news = async {
            tokio::select! {
                _ = heights.wait_for(|height| *height > ask.after) => {}
                _ = targets.wait_for(|target| *target > ask.cosigned) => {}
            }
        };
        // Without news the answer is empty, and the follower asks again.
        let _ = timeout(LONG_POLL, news).await;
        let (ledger, cosign) = (self.ledger.clone(), *self.target.borrow());
        let blocks = tokio::task::spawn_blocking(move || ledger.blocks(ask.after.saturating_add(1), MAX_BLOCKS_BYTES));
        Ok(Blocks { blocks: blocks.await.map_err(ApiError::internal)??, cosign })
    }

    /// Takes a member's cosignature; the ledger verifies it against the checkpoint of that height.
    pub(crate) fn keep_cosigned(&self, cosigned: Cosigned) -> Result<Done, ApiError> {
        let signatures: Vec<_> = cosigned.signatures.into_iter().map(|one| (one.member, one.cosignature)).collect();
        let (_, quorum) = self.ledger.add_cosignatures(cosigned.height, &signatures)?;
        if quorum {
            self.cosigned.send_if_modified(|known| raise(known, cosigned.height));
        }
        Ok(Done {})
    }

    /// The cosignatures of the oldest block at or above a height that a quorum has cosigned; waits for it.
    pub(crate) async fn cosigned(&self, ask: AskCosigned) -> Result<Cosigned, ApiError> {
        let mut cosigned = self.cosigned.subscribe();
        let reached = timeout(CATCH_UP, cosigned.wait_for(|known| *known >= ask.height)).await;
        let Ok(Ok(height)) = reached.map(|reached| reached.map(|height| *height)) else {
            return Err(ApiError::new(code::UNAVAILABLE, "too few members have cosigned: are their nodes running?"));
        };
        let signatures = self
            .ledger
            .cosignatures(height)?
            .into_iter()
            .map(|(member, cosignature)| CosignedBy { member, cosignature });
        Ok(Cosigned { height, signatures: signatures.collect() })
    }

    /// A receipt for these transactions.
    pub(crate) async fn receipt(&self, node: &Node, ids: &[Digest]) -> Result<String, ApiError> {
        let mut height = 0;
        for id in ids {
            let committed = self.committed(id)?.ok_or_else(|| {
                ApiError::new(code::UNKNOWN_REQUEST, format!("transaction {id} is not on the ledger"))
            })?;
            height = height.max(committed.height);
        }
        if self.ledger.cosigned_height()?.is_none_or(|cosigned| cosigned < height) {
            let cosigned: Cosigned = match &self.part {
                Part::Leader(_) => self.cosigned(AskCosigned { height }).await?,
                Part::Follower { leader } => node.call(leader, "/peer/v1/cosigned", &AskCosigned { height }).await?,
            };
            self.wait_for(cosigned.height).await?;
            self.keep_cosigned(cosigned)?;
        }
        Ok(self.ledger.receipt(ids)?.to_string())
    }

    /// The newest cosigned checkpoint this node holds, as a signed note.
    pub(crate) fn checkpoint(&self) -> Result<String, ApiError> {
        let height = self
            .ledger
            .cosigned_height()?
            .ok_or_else(|| ApiError::new(code::UNAVAILABLE, "no checkpoint is cosigned yet"))?;
        let checkpoint = self.ledger.checkpoint(height)?;
        let epoch =
            self.ledger.epoch(checkpoint.epoch)?.ok_or_else(|| ApiError::internal("a checkpoint's epoch is kept"))?;
        let signatures = self.ledger.cosignatures(height)?;
        Ok(checkpoint
            .note(signatures.iter().filter_map(|(name, cosignature)| Some((epoch.validator(name)?.1, *cosignature)))))
    }

    /// Cosigns a block of this copy, once it is on disk; nothing where this member is no validator of its epoch, as a
    /// newcomer is not of the block that let it in.
    fn cosign(&self, node: &Node, height: u64) -> Result<Option<Cosigned>, ApiError> {
        let checkpoint = self.ledger.durable_checkpoint(height)?;
        if self.ledger.epoch(checkpoint.epoch)?.is_none_or(|epoch| epoch.validator(&node.member).is_none()) {
            return Ok(None);
        }
        let cosignature = checkpoint.cosign(node.now() / 1000, |message| node.keys.sign_raw(COSIGNER, message))?;
        Ok(Some(Cosigned { height, signatures: vec![CosignedBy { member: node.member.clone(), cosignature }] }))
    }
}

/// The node's part in ordering, for as long as the node runs: the leader cosigns what it made, a follower follows.
pub(crate) fn run(node: Arc<Node>) -> BoxFuture<'static, ()> {
    match &node.replica.part {
        Part::Leader(_) => Box::pin(lead(node)),
        Part::Follower { leader } => {
            let leader = leader.clone();
            Box::pin(follow(node, leader))
        }
    }
}

/// Sets the next height to cosign when the last one has its quorum.
async fn lead(node: Arc<Node>) {
    let replica = &node.replica;
    let (mut heights, mut quorums) = (replica.height.subscribe(), replica.cosigned.subscribe());
    loop {
        let (height, cosigned) = (*heights.borrow_and_update(), *quorums.borrow_and_update());
        let target = *replica.target.borrow();
        if height > target && cosigned >= target {
            let own =
                replica.cosign(&node, height).and_then(|own| own.map_or(Ok(Done {}), |own| replica.keep_cosigned(own)));
            match own {
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

async fn follow(node: Arc<Node>, leader: String) {
    let (mut pause, mut cosigned) = (FIRST_PAUSE, 0);
    loop {
        match advance(&node, &leader, &mut cosigned).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(Setback::Diverged(reason)) => {
                tracing::error!(reason, "the leader's ledger differs from this node's own: following stops");
                let _ = node.audit.record("node", "ledger.diverged", &leader, "ledger_diverged", &reason).await;
                node.replica.fault.send_replace(Some(reason));
                return;
            }
            Err(Setback::Unreachable(error)) => {
                tracing::warn!(%error, leader, "cannot follow the leader; trying again");
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

/// Fetches, checks and keeps the next blocks, then cosigns what the leader asks for. `cosigned` is the last height that
/// the leader has this node's cosignature of.
async fn advance(node: &Arc<Node>, leader: &str, cosigned: &mut u64) -> Result<(), Setback> {
    let replica = &node.replica;
    let ask = AskBlocks { after: replica.ledger.head().height, cosigned: *cosigned };
    let Blocks { blocks, cosign } = node.call(leader, "/peer/v1/blocks", &ask).await?;
    let (ledger, now) = (replica.ledger.clone(), node.now());
    let applied =
        tokio::task::spawn_blocking(move || apply(&ledger, &blocks, now)).await.map_err(ApiError::internal)?;
    match applied {
        Ok(()) => {}
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
    }
    if cosign > *cosigned && cosign <= replica.ledger.head().height {
        // It waits for the disk.
        let own = Arc::clone(node);
        let made = tokio::task::spawn_blocking(move || own.replica.cosign(&own, cosign));
        if let Some(cosignature) = made.await.map_err(ApiError::internal)?? {
            let _: Done = node.call(leader, "/peer/v1/cosignature", &cosignature).await?;
        }
        *cosigned = cosign;
    }
    Ok(())
}

fn apply(ledger: &Ledger, blocks: &[Block], now: u64) -> Result<(), ledger::Error> {
    // Not forced to disk each: a copy that lost blocks in a crash fetches them again, and nothing is cosigned before it
    // is on disk.
    blocks.iter().try_for_each(|block| ledger.apply(block, now, false))
}

/// Raises a watched number; true where it rose.
fn raise(known: &mut u64, to: u64) -> bool {
    let rises = to > *known;
    *known = to.max(*known);
    rises
}

/// Least time between two heights to cosign.
const COSIGN_PAUSE: Duration = Duration::from_millis(200);
const LONG_POLL: Duration = Duration::from_secs(20);
const CATCH_UP: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// Batches that may wait at the leader.
const MAX_WAITING: usize = 4096;
const MAX_BLOCKS_BYTES: usize = 8 * 1024 * 1024;
