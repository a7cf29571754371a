//! This node's copy of the ledger: what it holds, how transactions get onto it, and what is proven of it.
//!
//! Which [`part`] the node has in the ordering the ledger itself says: one node orders and the others follow it, or the
//! validators order together. Either way this node executes every block itself and cosigns only what it computed.

mod log;
mod part;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::{code, read};
use crypto::Digest;
use crypto::keystore::Keys as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::{Committed, Consortium, Ledger, Ordering, Refusal, Submit, VerifiedTransaction, View};
use part::Part;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::message::{AskBlocks, AskCosigned, Blocks, Cosigned, CosignedBy, Done, Forward, Forwarded, Placed};
use crate::problem::ApiError;
use crate::service::{COSIGNER, Node};

pub(crate) use log::LogPath;
pub(crate) use part::{Own, run, take_seat};

/// A copy of the ledger and this node's part in its ordering.
pub(crate) struct Replica {
    ledger: Arc<Ledger>,
    own: Own,
    part: RwLock<Arc<Part>>,
    height: watch::Sender<u64>,
    /// The newest height that a quorum has cosigned, as far as this node knows.
    cosigned: watch::Sender<u64>,
    /// The height the leader wants cosigned: one at a time, so that a quorum meets at the same one under any load.
    target: watch::Sender<u64>,
    /// Why following stopped for good.
    fault: watch::Sender<Option<String>>,
}

impl Replica {
    /// Takes the part that the ledger gives this node. May wait for the disk.
    ///
    /// # Errors
    /// As [`Part::of`].
    pub(crate) fn open(ledger: Arc<Ledger>, own: Own) -> Result<Self, ApiError> {
        let part = RwLock::new(Arc::new(Part::of(&ledger, &own)?));
        let height = watch::Sender::new(ledger.head().height);
        let observer = height.clone();
        ledger.observe(move |committed| {
            observer.send_if_modified(|height| raise(height, committed));
        });
        // A ledger that cannot tell says so at the first receipt.
        let cosigned = watch::Sender::new(ledger.cosigned_height().ok().flatten().unwrap_or(0));
        let (target, fault) = (watch::Sender::new(0), watch::Sender::new(None));
        Ok(Self { ledger, own, part, height, cosigned, target, fault })
    }

    fn part(&self) -> Arc<Part> {
        self.part.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who orders the ledger, as far as this copy goes.
    pub(crate) fn ordering(&self) -> String {
        match &*self.part() {
            Part::Leader(_) => format!("solo {}", self.own.member),
            Part::Follower { sources } if sources.len() == 1 => format!("solo {}", sources[0]),
            Part::Follower { .. } | Part::Validator(_) => "quorum".to_owned(),
        }
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
        let part = self.part();
        let Part::Follower { sources } = &*part else { return self.order(transactions).await };
        self.ledger.expect(&transactions);
        let forward =
            Forward { transactions: transactions.into_iter().map(VerifiedTransaction::into_signed).collect() };
        let placed = part::from_any(node, sources, "/peer/v1/transactions", &forward).await;
        let placed = placed.map(|Forwarded { results }| results)?;
        // Who took them says where to look; what became of them is what this node's own copy holds.
        self.wait_for(placed.iter().map(|placed| placed.height).max().unwrap_or(0)).await?;
        let own = ids.iter().map(|id| {
            let own = self.committed(id)?.ok_or_else(|| {
                ApiError::new(code::UNAVAILABLE, "the leader named an outcome that this node's ledger does not hold")
            })?;
            Ok(Placed { id: *id, height: own.height, index: own.index, code: own.outcome.code })
        });
        own.collect()
    }

    /// Orders transactions: alone, or with the other validators.
    pub(crate) async fn order(&self, transactions: Vec<VerifiedTransaction>) -> Result<Vec<Placed>, ApiError> {
        let part = self.part();
        let ordering: &dyn Ordering = match &*part {
            Part::Leader(solo) => solo,
            Part::Validator(quorum) => quorum,
            Part::Follower { .. } => {
                return Err(ApiError::new(code::NOT_PERMITTED, "this node does not order transactions"));
            }
        };
        let ids: Vec<Digest> = transactions.iter().map(VerifiedTransaction::id).collect();
        let (done, wait) = oneshot::channel();
        // The receiver is gone only when the caller has given up; the transactions are ordered all the same.
        ordering.submit(transactions, Box::new(move |results| drop(done.send(results)))).map_err(
            |error| match error {
                Submit::Busy | Submit::Stopped => ApiError::new(code::BUSY, error.to_string()).with_retry(1),
                _ => ApiError::new(code::OVERSIZE, error.to_string()),
            },
        )?;
        // Dropped where the ordering passes to others: who asks again hears of the first outcome.
        let results = wait.await.map_err(|_| ApiError::new(code::BUSY, "the ordering has ended").with_retry(1))?;
        let results = results.map_err(ApiError::internal)?;
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
    pub(crate) async fn cosigned(&self, node: &Arc<Node>, ask: AskCosigned) -> Result<Cosigned, ApiError> {
        if matches!(&*self.part(), Part::Validator(_)) && *self.cosigned.borrow() < ask.height {
            self.wait_for(ask.height).await?;
            self.gather(node, self.height()).await?;
        }
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

    /// This member's cosignature of a block of its copy.
    pub(crate) async fn own_cosignature(&self, node: &Arc<Node>, ask: AskCosigned) -> Result<Cosigned, ApiError> {
        self.wait_for(ask.height).await?;
        let made = cosigned_apart(node, ask.height).await?;
        made.ok_or_else(|| ApiError::new(code::NOT_PERMITTED, "this member was no validator at that height"))
    }

    /// Asks the other validators to cosign a block of this copy, until a quorum has.
    async fn gather(&self, node: &Arc<Node>, height: u64) -> Result<(), ApiError> {
        let Some(own) = cosigned_apart(node, height).await? else { return Ok(()) };
        self.keep_cosigned(own)?;
        let epoch = self.ledger.checkpoint(height)?.epoch;
        let epoch = self.ledger.epoch(epoch)?.ok_or_else(|| ApiError::internal("a checkpoint's epoch is kept"))?;
        let ask = AskCosigned { height };
        let others = epoch.validators.iter().filter(|validator| validator.name != node.member);
        let mut asked: FuturesUnordered<_> = others
            .map(|other| async {
                let answer = timeout(CATCH_UP, node.call::<_, Cosigned>(&other.name, "/peer/v1/cosign", &ask)).await;
                (&other.name, answer)
            })
            .collect();
        while *self.cosigned.borrow() < height {
            let Some((name, answer)) = asked.next().await else {
                return Err(ApiError::new(
                    code::UNAVAILABLE,
                    "too few members have cosigned: are their nodes running?",
                ));
            };
            // One that is away or answers for another block is missing, no more.
            let kept = match answer {
                Ok(Ok(cosigned)) if cosigned.height == height => self.keep_cosigned(cosigned).map(|Done {}| ()),
                Ok(Ok(_)) => Err(ApiError::internal("it cosigned another block")),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(ApiError::new(code::PEER_UNREACHABLE, "no answer in time")),
            };
            if let Err(error) = kept {
                tracing::debug!(%error, validator = %name, height, "a validator did not cosign");
            }
        }
        Ok(())
    }

    /// A receipt for these transactions.
    pub(crate) async fn receipt(&self, node: &Arc<Node>, ids: &[Digest]) -> Result<String, ApiError> {
        let mut height = 0;
        for id in ids {
            let committed = self.committed(id)?.ok_or_else(|| {
                ApiError::new(code::UNKNOWN_REQUEST, format!("transaction {id} is not on the ledger"))
            })?;
            height = height.max(committed.height);
        }
        self.have_cosigned(node, height).await?;
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

/// [`Replica::cosign`], which waits for the disk, on a thread of its own.
async fn cosigned_apart(node: &Arc<Node>, height: u64) -> Result<Option<Cosigned>, ApiError> {
    let own = Arc::clone(node);
    let made = tokio::task::spawn_blocking(move || own.replica.cosign(&own, height));
    made.await.map_err(ApiError::internal)?
}

/// Raises a watched number; true where it rose.
fn raise(known: &mut u64, to: u64) -> bool {
    let rises = to > *known;
    *known = to.max(*known);
    rises
}

const LONG_POLL: Duration = Duration::from_secs(20);
const CATCH_UP: Duration = Duration::from_secs(15);
const MAX_BLOCKS_BYTES: usize = 8 * 1024 * 1024;
