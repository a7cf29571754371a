//! This node's copy of the ledger: what it holds, how transactions get onto it, and what is proven of it.
//!
//! Which [`part`] the node has in the ordering the ledger itself says: one node orders and the others follow it, or the
//! validators order together. Either way this node executes every block itself and cosigns only what it computed.

mod ages;
mod arming;
mod dropped;
mod keys;
mod log;
mod part;
mod vouch;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use client::api::Seat;
use contracts::{code, read};
use crypto::Digest;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::{
    Committed, Consortium, Ledger, Ordering, Refusal, Submit, Unavailable, Validator, VerifiedTransaction, View,
};
use part::Part;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::time::timeout;

use crate::message::{
    AskBlocks, AskCosigned, AskRecord, AskSlate, Blocks, Cosigned, CosignedBy, Done, Forward, Forwarded, Placed, Record,
};
use crate::metrics::Histogram;
use crate::problem::ApiError;
use crate::service::Node;

use dropped::Dropped;

pub(crate) use arming::{arm, register};
pub(crate) use keys::cosigns;
pub(crate) use log::LogPath;
pub(crate) use part::{Own, run, take_seat};

/// A copy of the ledger and this node's part in its ordering.
pub(crate) struct Replica {
    ledger: Arc<Ledger>,
    own: Own,
    part: RwLock<Arc<Part>>,
    /// Counts the parts that this node has had.
    turns: watch::Sender<u64>,
    height: watch::Sender<u64>,
    /// The newest height that a quorum has cosigned, as far as this node knows.
    cosigned: watch::Sender<u64>,
    /// The height the leader wants cosigned: one at a time, so that a quorum meets at the same one under any load.
    target: watch::Sender<u64>,
    /// Why following stopped for good.
    fault: watch::Sender<Option<String>>,
    /// From submission to the outcome on disk.
    finality: Histogram,
    /// This node's clock less the newest block's time when it came, milliseconds.
    delay: Arc<AtomicI64>,
    /// When the newest block came that was made long before, by this node's clock.
    late: Arc<AtomicU64>,
    shown: Mutex<Shown>,
    dropped: std::sync::Mutex<Dropped>,
    /// An epoch, and in which ones its validators began with their keys.
    begun: std::sync::Mutex<Option<(u64, Arc<[ages::Begun]>)>>,
}

/// The certificate that anybody is shown.
#[derive(Default)]
struct Shown {
    looked: Option<Instant>,
    certificate: Option<Vec<u8>>,
}

/// How old it may be before it is looked for anew.
const SHOWN: Duration = Duration::from_secs(1);

impl Replica {
    /// Takes the part that the ledger gives this node. May wait for the disk.
    ///
    /// # Errors
    /// As [`Part::at_start`].
    pub(crate) fn open(ledger: Arc<Ledger>, own: Own, finality: Histogram) -> Result<Self, ApiError> {
        let part = RwLock::new(Arc::new(Part::at_start(&ledger, &own)?));
        let height = watch::Sender::new(ledger.head().height);
        let (observer, delay) = (height.clone(), Arc::new(AtomicI64::new(0)));
        let (seen, copy, clock) = (delay.clone(), Arc::downgrade(&ledger), own.clock.clone());
        let late = Arc::new(AtomicU64::new(0));
        let came_late = late.clone();
        ledger.observe(move |committed| {
            if let Some(ledger) = copy.upgrade() {
                let (now, made) = (clock(), ledger.head().time);
                seen.store(now.cast_signed().saturating_sub(made.cast_signed()), Relaxed);
                if now.saturating_sub(made) > LATE {
                    came_late.store(now, Relaxed);
                }
            }
            observer.send_if_modified(|height| raise(height, committed));
        });
        // A ledger that cannot tell says so at the first receipt.
        let cosigned = watch::Sender::new(ledger.cosigned_height().ok().flatten().unwrap_or(0));
        let (target, fault, turns) = (watch::Sender::new(0), watch::Sender::new(None), watch::Sender::new(0));
        let (shown, dropped, begun) = Default::default();
        Ok(Self {
            ledger,
            own,
            part,
            turns,
            height,
            cosigned,
            target,
            fault,
            finality,
            delay,
            late,
            shown,
            dropped,
            begun,
        })
    }

    fn part(&self) -> Arc<Part> {
        self.part.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another part; the one before.
    fn take(&self, part: Arc<Part>) -> Arc<Part> {
        let old = std::mem::replace(&mut *self.part.write().unwrap_or_else(PoisonError::into_inner), part);
        self.turns.send_modify(|count| *count += 1);
        old
    }

    /// Where the validators that order the ledger together take part; nobody does while one node orders.
    pub(crate) fn seats(&self) -> Result<Vec<Seat>, ApiError> {
        let view = self.view()?;
        let Some(quorum) = read::quorum(&*view)? else { return Ok(Vec::new()) };
        let epoch = read::validators(&*view, quorum.epoch)?;
        let epoch = epoch.ok_or_else(|| ApiError::internal("the ordering's epoch is kept"))?;
        let seat = |Validator { name, .. }| {
            let address = read::seat(&*view, &name)?;
            Ok(address.map(|address| Seat { member: name, address }))
        };
        epoch.validators.into_iter().filter_map(|validator| seat(validator).transpose()).collect()
    }

    /// The epoch whose validators order the ledger; none where one node does.
    pub(crate) fn ordered_by(&self) -> Option<u64> {
        part::ordered_by(&self.ledger)
    }

    /// The same, once no crash can undo it: others leave the epoch before on this node's word. May wait for the disk.
    pub(crate) fn ordered_for_good(&self) -> Result<Option<u64>, ApiError> {
        let quorum = read::quorum(&*self.view()?)?;
        if quorum.is_some_and(|quorum| quorum.base > self.ledger.durable_height()) {
            self.ledger.flush()?;
        }
        Ok(quorum.map(|quorum| quorum.epoch))
    }

    /// Who orders the ledger, as far as this copy goes.
    pub(crate) fn ordering(&self) -> String {
        match &*self.part() {
            Part::Leader(_) => format!("solo {}", self.own.member),
            Part::Follower { sources } if self.ordered_by().is_none() => format!("solo {}", sources[0]),
            Part::Follower { .. } => {
                let why = match self.is_voteless() {
                    _ if self.is_restored() => RESTORED,
                    true => VOTELESS,
                    false => "",
                };
                format!("quorum {}, followed{why}", self.ordered_by().unwrap_or(0))
            }
            Part::Validator(quorum) if self.is_among(quorum) => format!("quorum {}", quorum.epoch()),
            Part::Validator(_) | Part::Between => format!("quorum {}, joining", self.ordered_by().unwrap_or(0)),
        }
    }

    /// Whether this node follows an epoch in which its member validates, for another reason than that it was restored. Not while it reads what
    /// was ordered long ago: epochs that are over it does not have to vote in.
    pub(crate) fn is_voteless(&self) -> bool {
        let validates =
            || part::epoch_of(&self.ledger).is_some_and(|epoch| epoch.validator(&self.own.member).is_some());
        let reads = || (self.own.clock)().saturating_sub(self.late.load(Relaxed)) < MOMENT.as_millis() as u64;
        matches!(&*self.part(), Part::Follower { .. })
            && self.own.validator.is_some()
            && validates()
            && !self.is_restored()
            && !reads()
    }

    /// Whether this node votes in the epoch that orders, with so many validators connected that they can decide, and has what they have decided.
    fn is_among(&self, quorum: &order::Quorum) -> bool {
        let epoch = part::epoch_of(&self.ledger).filter(|epoch| epoch.number == quorum.epoch());
        let status = quorum.status();
        status.finalised <= status.executed + NEAR
            && epoch.is_some_and(|epoch| status.pulse.connected.len() + 1 >= epoch.quorum())
    }

    /// How far the ordering is, where this node votes in it; and who was caught lying.
    pub(crate) fn taking_part(&self) -> Option<(order::Status, usize)> {
        match &*self.part() {
            Part::Validator(quorum) => Some((quorum.status(), quorum.offences().len())),
            _ => None,
        }
    }

    /// The validators' newest certificate, or the one of a second ago, in canonical CBOR, where this node votes among them.
    ///
    /// # Errors
    /// `not_found` where it does not, `unavailable` before the first slate is final.
    pub(crate) async fn certificate(&self) -> Result<Vec<u8>, ApiError> {
        let mut shown = self.shown.lock().await;
        let found = match &*self.part() {
            Part::Validator(quorum) => quorum.certificate(),
            _ => {
                return Err(ApiError::new(
                    code::NOT_FOUND,
                    "this node does not vote: ask a validator of the epoch that orders",
                ));
            }
        };
        // Anybody may ask, and the ordering looks it up. Also where who asked did not wait.
        if shown.looked.is_none_or(|looked| looked.elapsed() >= SHOWN) {
            shown.looked = Some(Instant::now());
            if let Some(certificate) = found.await {
                shown.certificate = Some(certificate.to_bytes());
            }
        }
        let none = || ApiError::new(code::UNAVAILABLE, "no slate is final yet").with_retry(1);
        shown.certificate.clone().ok_or_else(none)
    }

    /// Whether this node votes in an epoch and no longer keeps a slate of it that it has executed. False to a member that does not order: the
    /// answer may take reading a whole slate; and to a validator that asks again at once.
    pub(crate) async fn has_dropped(&self, member: &str, ask: &AskSlate) -> bool {
        if part::epoch_of(&self.ledger).is_none_or(|epoch| epoch.validator(member).is_none()) {
            return false;
        }
        let looked = match &*self.part() {
            Part::Validator(quorum) if quorum.epoch() == ask.epoch => quorum.has_dropped(ask.height),
            _ => return false,
        };
        let known = || self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = known().answer(member, ask, Instant::now());
        if let Some(answer) = answer {
            return answer;
        }
        let found = looked.await;
        if found {
            known().note(ask);
        }
        found
    }

    /// Whether this node's cosigning key is one that a restore has burnt.
    pub(crate) fn is_restored(&self) -> bool {
        self.own.is_restored(&self.ledger)
    }

    /// The newest height that a quorum has cosigned, as far as this node knows.
    pub(crate) fn cosigned_height(&self) -> u64 {
        *self.cosigned.borrow()
    }

    /// This node's clock less the newest block's time when it came, in seconds.
    pub(crate) fn delay(&self) -> f64 {
        self.delay.load(Relaxed) as f64 / 1000.0
    }

    /// Least time between two heights that are cosigned without anybody's need. A quorum's cosignatures are kept of each, and with ML-DSA they
    /// are fifty times as long.
    pub(crate) fn gather_pause(&self) -> Duration {
        if self.ledger.trust().demands_ml_dsa() { part::GATHER_PAUSE_ML_DSA } else { part::GATHER_PAUSE }
    }

    /// When the chain was founded: Unix milliseconds.
    pub(crate) fn founded(&self) -> u64 {
        self.ledger.genesis().created
    }

    /// The copy itself.
    pub(crate) const fn copied(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(crate) fn chain(&self) -> Digest {
        self.ledger.chain()
    }

    /// The consortium as it stands: what others pin.
    pub(crate) fn consortium(&self) -> Result<Consortium, ApiError> {
        let view = self.view()?;
        Ok(read::consortium(&view, &self.chain(), &self.ledger.genesis().name, |epoch| Ok(view.epoch_start(epoch)?))?)
    }

    /// The newest block's time, Unix milliseconds.
    pub(crate) fn time(&self) -> u64 {
        self.ledger.head().time
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

    /// The same where it must be there; `missing` says that it is not, on a node that keeps everything.
    ///
    /// # Errors
    /// `pruned`, `missing`.
    pub(crate) fn found(&self, id: &Digest, missing: code::Code) -> Result<Committed, ApiError> {
        if let Some(committed) = self.committed(id)? {
            return Ok(committed);
        }
        match self.ledger.kept()?.height {
            0 => Err(ApiError::new(missing, format!("transaction {id} is not on this node's ledger"))),
            from => {
                let told = format!("transaction {id} is not among those that this node keeps, from block {from} on");
                Err(ApiError::new(code::PRUNED, told))
            }
        }
    }

    /// Has a quorum's cosignatures for a block or a later one, and for the last one of each epoch that is over, as far as they are still to be
    /// had: what shows to others that a snapshot is right.
    pub(crate) async fn have_certified(&self, node: &Arc<Node>, height: u64) -> Result<(), ApiError> {
        for end in part::ends(&self.ledger, 0)? {
            // Where an end lies before a snapshot that this node itself began from, it came with that.
            let known = self.ledger.header(end)?.is_some();
            if known
                && !is_cosigned(&self.ledger, end)?
                && let Err(error) = self.gather(node, end).await
            {
                tracing::warn!(%error, height = end, "no quorum has cosigned the last block of an epoch: newcomers need it");
            }
        }
        self.have_cosigned(node, height).await
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

    /// Waits a moment until this copy has reached a height that a caller has seen elsewhere: its word for it, no more.
    ///
    /// # Errors
    /// `ledger_behind`, at once where it cannot get there in that moment.
    pub(crate) async fn reach(&self, height: u64) -> Result<(), ApiError> {
        match self.fault() {
            Some(_) if self.height() < height => Err(behind(self.height(), height)),
            _ => reach(self.height.subscribe(), height).await,
        }
    }

    /// Has transactions ordered and waits until this copy holds them.
    pub(crate) async fn submit(
        &self,
        node: &Node,
        transactions: Vec<VerifiedTransaction>,
    ) -> Result<Vec<Placed>, ApiError> {
        let ids: Vec<Digest> = transactions.iter().map(VerifiedTransaction::id).collect();
        let begun = Instant::now();
        loop {
            let mut turned = self.turns.subscribe();
            let refused = match self.part() {
                part if matches!(*part, Part::Follower { .. }) => self.forward(node, part, &ids, &transactions).await,
                part => self.order_by(part, transactions.clone()).await,
            };
            match refused {
                // Where the ordering passes to others meanwhile: an id counts once, however often it is submitted.
                // As often as that happens in a while: several epochs may begin one after the other.
                Err(error) if passes(&error) && begun.elapsed() < CATCH_UP => {
                    // This node may have turned before those that it forwards to.
                    let _ = timeout(TURN, turned.changed()).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Has another node's order them.
    async fn forward(
        &self,
        node: &Node,
        part: Arc<Part>,
        ids: &[Digest],
        transactions: &[VerifiedTransaction],
    ) -> Result<Vec<Placed>, ApiError> {
        let Part::Follower { sources } = &*part else { return Err(ended()) };
        let sources = sources.clone();
        // Not held while it waits: the part may change.
        drop(part);
        self.ledger.expect(transactions);
        let signed = transactions.iter().map(|transaction| transaction.signed().clone());
        let forward = Forward { transactions: signed.collect() };
        let placed = part::from_any(node, &sources, "/peer/v1/transactions", &forward).await;
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
        self.order_by(self.part(), transactions).await
    }

    async fn order_by(&self, part: Arc<Part>, transactions: Vec<VerifiedTransaction>) -> Result<Vec<Placed>, ApiError> {
        let begun = Instant::now();
        let ids: Vec<Digest> = transactions.iter().map(VerifiedTransaction::id).collect();
        let wait = {
            let ordering: &dyn Ordering = match &*part {
                Part::Leader(solo) => solo,
                Part::Validator(quorum) => quorum,
                Part::Between => return Err(ended()),
                Part::Follower { .. } => {
                    return Err(ApiError::new(code::NOT_PERMITTED, NO_ORDER));
                }
            };
            let (done, wait) = oneshot::channel();
            // The receiver is gone only when the caller has given up; the transactions are ordered all the same.
            let submitted = ordering.submit(transactions, Box::new(move |results| drop(done.send(results))));
            submitted.map_err(|error| match error {
                Submit::Stopped => ended(),
                Submit::Busy => ApiError::new(code::BUSY, error.to_string()).with_retry(1),
                _ => ApiError::new(code::OVERSIZE, error.to_string()),
            })?;
            wait
        };
        // Not held while it waits: the part may end, and drops or closes what waits then.
        drop(part);
        let results = match wait.await {
            Ok(Err(Unavailable(why))) if matches!(*why, ledger::Error::Stopped) => return Err(ended()),
            Ok(results) => results.map_err(ApiError::internal)?,
            Err(_) => return Err(ended()),
        };
        self.finality.observe(&[], begun.elapsed().as_secs_f64());
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
        let found = tokio::task::spawn_blocking(move || {
            let mut blocks = ledger.blocks(ask.after.saturating_add(1), MAX_BLOCKS_BYTES)?;
            // Who is far behind has no use for a last block that nobody can cosign any more.
            if blocks.last().is_some_and(|last| last.header.height < ledger.head().height) {
                let mut kept = blocks.len();
                while kept > 0 && !is_cosigned(&ledger, blocks[kept - 1].header.height)? {
                    kept -= 1;
                }
                blocks.truncate(if kept > 0 { kept } else { blocks.len() });
            }
            Ok::<_, ledger::Error>(blocks)
        });
        Ok(Blocks { blocks: found.await.map_err(ApiError::internal)??, cosign })
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

    /// This member's cosignature of a block of its copy, also where the key that it was made with is destroyed, and those that it holds of
    /// others.
    pub(crate) async fn own_cosignature(&self, node: &Arc<Node>, ask: AskCosigned) -> Result<Cosigned, ApiError> {
        self.wait_for(ask.height).await?;
        let own = cosigned_apart(node, ask.height).await?.into_iter().flat_map(|own| own.signatures);
        let held = self.ledger.cosignatures(ask.height)?.into_iter().filter(|(member, _)| *member != node.member);
        let held = held.map(|(member, cosignature)| CosignedBy { member, cosignature });
        let signatures: Vec<_> = own.chain(held).collect();
        match signatures.is_empty() {
            false => Ok(Cosigned { height: ask.height, signatures }),
            true => Err(ApiError::new(code::NOT_PERMITTED, "this member was no validator at that height")),
        }
    }

    /// Asks the other validators to cosign a block of this copy, until a quorum has.
    async fn gather(&self, node: &Arc<Node>, height: u64) -> Result<(), ApiError> {
        if let Some(own) = cosigned_apart(node, height).await? {
            self.keep_cosigned(own)?;
        }
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
        while !is_cosigned(&self.ledger, height)? {
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
        let (mut height, mut entries) = (0, Vec::new());
        for id in ids {
            let committed = match self.found(id, code::UNKNOWN_REQUEST) {
                Err(error) if error.code == code::PRUNED.code => self.fetched(node, id).await.ok_or(error)?,
                committed => committed?,
            };
            height = height.max(committed.height);
            entries.push(committed);
        }
        self.have_cosigned(node, height).await?;
        Ok(self.ledger.receipt_of(entries)?.to_string())
    }

    /// A transaction that this node does not keep, from another's: it is on this ledger as it came, or is not taken.
    async fn fetched(&self, node: &Arc<Node>, id: &Digest) -> Option<Committed> {
        let members = read::active_members(&self.ledger.view().ok()?).ok()?;
        let ask = AskRecord { id: *id };
        for member in members.into_iter().map(|member| member.card.name).filter(|name| *name != node.member) {
            let asked = node.call::<_, Record>(&member, "/peer/v1/record", &ask);
            let Ok(Ok(Record { index, bytes })) = timeout(RECALL, asked).await else { continue };
            let committed = Committed::from_bytes(index, &bytes).ok().filter(|found| found.transaction.id() == *id);
            match committed {
                Some(committed) if self.ledger.holds(&committed).unwrap_or(false) => return Some(committed),
                _ => tracing::warn!(member, transaction = %id, "what it sent is not what stands on the ledger"),
            }
        }
        None
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
        Ok(checkpoint.note(
            signatures.into_iter().filter_map(|(name, cosignature)| Some((epoch.validator(&name)?.1, cosignature))),
        ))
    }
}

/// Whether this copy holds a quorum's cosignatures of a block.
fn is_cosigned(ledger: &Ledger, height: u64) -> Result<bool, ledger::Error> {
    let epoch = ledger.epoch(ledger.checkpoint(height)?.epoch)?;
    let count = ledger.cosignatures(height)?.len();
    Ok(epoch.is_some_and(|epoch| count >= epoch.quorum()))
}

/// [`Own::cosign`], which waits for the disk, on a thread of its own.
async fn cosigned_apart(node: &Arc<Node>, height: u64) -> Result<Option<Cosigned>, ApiError> {
    let own = Arc::clone(node);
    let made = tokio::task::spawn_blocking(move || own.replica.own.cosign(&own.replica.ledger, height));
    let made = made.await.map_err(ApiError::internal)??;
    let of_this = |cosignature| vec![CosignedBy { member: node.member.clone(), cosignature }];
    Ok(made.map(|cosignature| Cosigned { height, signatures: of_this(cosignature) }))
}

/// Waits for a height that may be anything.
async fn reach(mut heights: watch::Receiver<u64>, height: u64) -> Result<(), ApiError> {
    let now = *heights.borrow();
    let patience = if height.saturating_sub(now) <= FAR { MOMENT } else { Duration::ZERO };
    let reached = timeout(patience, heights.wait_for(|now| *now >= height)).await.is_ok_and(|reached| reached.is_ok());
    if reached { Ok(()) } else { Err(behind(*heights.borrow(), height)) }
}

fn behind(own: u64, height: u64) -> ApiError {
    let detail = format!("this node's ledger is at block {own}, the call names block {height}");
    ApiError::new(code::LEDGER_BEHIND, detail).with_retry(1)
}

/// Whether this node, or another that it forwarded to (whose name stands before its words), says that others order from now on.
fn passes(error: &ApiError) -> bool {
    let said = |code: code::Code, words| error.code == code.code && error.detail.ends_with(words);
    said(code::BUSY, ENDED) || said(code::NOT_PERMITTED, NO_ORDER)
}

/// The ordering has passed to others: who asks again hears of the first outcome.
fn ended() -> ApiError {
    ApiError::new(code::BUSY, ENDED).with_retry(1)
}

/// Raises a watched number; true where it rose.
fn raise(known: &mut u64, to: u64) -> bool {
    let rises = to > *known;
    *known = to.max(*known);
    rises
}

/// What a restored node adds to how it follows, until it has a new key.
const RESTORED: &str = "; restored: it votes again with a new key";
/// What is said of a validator that cannot vote in the epoch that orders.
const VOTELESS: &str = "; voteless: it votes again in another epoch";
/// Milliseconds after which a block that comes was made long ago.
const LATE: u64 = 30_000;
/// Final slates that a validator under load may have to execute yet.
const NEAR: u64 = 64;
const LONG_POLL: Duration = Duration::from_secs(20);
const CATCH_UP: Duration = Duration::from_secs(15);
/// Between two attempts to have transactions ordered while the ordering passes on.
const TURN: Duration = Duration::from_millis(250);
const ENDED: &str = "the ordering passes to others";
/// What a node says that has not turned to its part in the ordering yet, or has turned before.
const NO_ORDER: &str = "this node does not order transactions";
/// How long a call waits for a height that its caller has seen, and how many blocks ahead that may be for it to be worth waiting.
const MOMENT: Duration = Duration::from_secs(5);
const FAR: u64 = 10_000;
const MAX_BLOCKS_BYTES: usize = 8 * 1024 * 1024;
/// How long another node may take for a transaction that this one does not keep.
const RECALL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_forwards_knows_that_the_ordering_passes_on() {
        let forwarded = |error: ApiError| ApiError { detail: format!("eastfield: {}", error.detail), ..error };
        let unturned = || ApiError::new(code::NOT_PERMITTED, NO_ORDER);
        for error in [ended(), forwarded(ended()), unturned(), forwarded(unturned())] {
            assert!(passes(&error), "{error}");
        }
        let [crowded, stranger] = [(code::BUSY, "4096 batches wait"), (code::NOT_PERMITTED, "only members may")]
            .map(|(code, detail)| ApiError::new(code, detail));
        assert!(!passes(&crowded) && !passes(&stranger));
    }

    #[tokio::test]
    async fn a_height_is_waited_for_a_moment_and_one_out_of_reach_not_at_all() {
        let heights = watch::Sender::new(7);
        for at_once in [0, 7] {
            reach(heights.subscribe(), at_once).await.unwrap();
        }
        let (soon, wild) = (reach(heights.subscribe(), 9), reach(heights.subscribe(), u64::MAX));
        let begun = Instant::now();
        let refused = wild.await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(
            (refused.code.as_str(), refused.status.as_u16(), refused.retry_after),
            ("ledger_behind", 503, Some(1))
        );
        let rising = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            heights.send_replace(9);
        };
        tokio::join!(soon, rising).0.unwrap();
        assert_eq!(reach(heights.subscribe(), 9 + FAR).await.unwrap_err().code, "ledger_behind");
        assert!(begun.elapsed() >= MOMENT);
    }
}
