//! What a node does so that the ledger grows: it orders alone, follows another, or orders with the other validators.
//!
//! At first one node orders, as the configurations say. A follower fetches blocks with one question always open at the
//! leader, executes each itself and refuses any that differs from what it computed; so a leader can delay transactions,
//! but not change, drop or fork what a quorum has cosigned. The block that holds `ordering.begin` is the leader's last:
//! after it the validators of the named epoch order together ([`order::Quorum`]), until the block in which a later epoch
//! begins. Members who are no validators follow them, and take no block for which a quorum of them does not answer
//! ([`vouch`]); so does a validator that was away when its epoch ended.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contracts::message::OrderingSeat;
use contracts::record::{Member, Quorum as Term};
use contracts::{code, read};
use crypto::PublicKey;
use crypto::keystore::{FileKeys, Keys as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::{Block, Checkpoint, Cosignature, Epoch, Ledger, SignedTransaction, Solo};
use order::{Endpoint, Fault, Pace, PoolLimits, Quorum, StartError};
use tokio::time::{Instant, sleep, timeout};

use super::{cosigned_apart, is_cosigned};
use crate::clock::Clock;
use crate::config::Validator;
use crate::message::{AskBlocks, AskCosigned, AskOrdering, Blocks, Cosigned, CosignedBy, Done, OrderedBy};
use crate::problem::ApiError;
use crate::service::{COSIGNER, Node};
use crate::sync;

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
        let epoch = ledger.epoch(quorum.epoch)?.ok_or_else(|| ApiError::internal("the ordering's epoch is kept"))?;
        let seat = own.validator.as_ref().filter(|_| epoch.validator(&own.member).is_some());
        let Some(seat) = seat else { return Ok(Self::following(&epoch, own)) };
        match Self::among(ledger, own, seat, quorum, &epoch) {
            Err(Unseated::Overtaken) => {
                tracing::warn!(
                    epoch = quorum.epoch,
                    "this node cannot vote in an epoch of which it has blocks from others, or with a key that it has no longer or that a restore has burnt: it follows until another one begins"
                );
                Ok(Self::following(&epoch, own))
            }
            Err(Unseated::Failed(error)) => Err(error),
            Ok(part) => Ok(part),
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
        // What the engine builds on is not to be lost.
        ledger.flush()?;
        let directory = own.directory.join("order");
        let copy = Arc::clone(ledger);
        let config = order::Config {
            directory: directory.join(quorum.epoch.to_string()),
            key: own.keys.danger_seed(&handle).map_err(ApiError::from)?,
            peers,
            epoch: epoch.clone(),
            listen: seat.listen,
            private_addresses: seat.private_addresses,
            base: quorum.base,
            last: Arc::new(move |transactions| turns(&copy, Some(quorum.epoch), transactions)),
            pace: Pace::default(),
            pool: PoolLimits::default(),
            keep: KEEP,
            threads: 2,
        };
        match Quorum::start(config, ledger.clone()) {
            Ok(started) => {
                own.retire(ledger, key, quorum.epoch, &directory);
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
    /// epoch is destroyed, as one is that catches up on what it once took part in; or it was restored, and has no other key yet.
    Overtaken,
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for Unseated {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Own {
    /// Whether the key with which the ledger knows this member as a validator is one that a restore has burnt.
    pub(super) fn is_restored(&self, ledger: &Ledger) -> bool {
        let known = || Some(epoch_of(ledger)?.validator(&self.member)?.1.key);
        !self.burnt.is_empty() && known().is_some_and(|key| self.burnt.contains(&key))
    }

    /// The handle of the cosigning key with this public key, where this node holds it.
    pub(super) fn cosigner(&self, key: &PublicKey) -> Option<String> {
        let mut handles = self.keys.handles().into_iter().map(|(handle, _)| handle).filter(|handle| cosigns(handle));
        handles.find(|handle| self.keys.public(handle).is_ok_and(|public| public == *key))
    }

    /// This member's cosignature of a block, once that is on disk: the one that is kept, or one made now. None where it has not executed the
    /// block itself ([`Ledger::began`]); where the member is no
    /// validator of the block's epoch, as a newcomer is not of the block that let it in, or has no longer the key that it had then; and where
    /// that key is burnt and too few others have cosigned the block: it may have cosigned another at that height.
    pub(super) fn cosign(&self, ledger: &Ledger, height: u64) -> Result<Option<Cosignature>, ApiError> {
        if ledger.header(height)?.is_none() && height < ledger.head().height {
            return Ok(None);
        }
        let checkpoint = ledger.durable_checkpoint(height)?;
        let mut kept = ledger.cosignatures(height)?.into_iter();
        if let Some((_, kept)) = kept.find(|(member, _)| *member == self.member) {
            return Ok(Some(kept));
        }
        // What others executed this node answers for with their cosignatures alone.
        if height > 0 && height <= ledger.began()? {
            return Ok(None);
        }
        let epoch = ledger.epoch(checkpoint.epoch)?;
        let Some(epoch) = epoch else { return Ok(None) };
        let Some((_, validator)) = epoch.validator(&self.member) else { return Ok(None) };
        if self.burnt.contains(&validator.key) && ledger.cosignatures(height)?.len() < answering(&epoch) {
            return Ok(None);
        }
        let Some(handle) = self.cosigner(&validator.key) else { return Ok(None) };
        let cosignature = checkpoint.cosign((self.clock)() / 1000, |message| self.keys.sign_raw(&handle, message))?;
        let Some(key) = &validator.ml_dsa else { return Ok(Some(cosignature)) };
        // Half of what the epoch demands is worth nothing.
        let Some(handle) = self.ml_dsa_cosigner(key) else { return Ok(None) };
        let signer = |label, message: &[u8]| self.keys.sign_ml_dsa(&handle, label, message);
        Ok(Some(checkpoint.cosign_ml_dsa(&self.member, cosignature, signer)?))
    }

    /// Forces to disk this member's cosignature of the last block of each epoch that is over, as far as it still has the keys: whoever was
    /// away when that epoch ended has to have it ([`vouch`]).
    fn sign_off(&self, ledger: &Ledger) -> Result<(), ApiError> {
        for height in ends(ledger, 0)? {
            if let Some(cosignature) = self.cosign(ledger, height)? {
                ledger.add_cosignatures(height, &[(self.member.clone(), cosignature)])?;
            }
        }
        Ok(ledger.flush()?)
    }

    /// Destroys the keys that this member cosigned and voted with before, and the votes of epochs that are over: what was signed then
    /// stays valid, and nobody can sign more of it.
    fn retire(&self, ledger: &Ledger, voting: &PublicKey, epoch: u64, directory: &Path) {
        if let Err(error) = self.sign_off(ledger) {
            tracing::warn!(%error, "cosigning keys that are no longer used are still there: not all that they are to sign is signed");
            return;
        }
        let Ok(view) = ledger.view() else { return };
        let Ok(Some(Member { card, .. })) = read::member(&view, &self.member) else { return };
        for (handle, _) in self.keys.handles().into_iter().filter(|(handle, _)| cosigns(handle)) {
            let Ok(public) = self.keys.public(&handle) else { continue };
            // One that was made and is not on the ledger yet, the ledger does not know.
            let known = read::member_key(&view, &public).is_ok_and(|key| key.is_some());
            if !known || public == card.cosigner || public == *voting {
                continue;
            }
            match self.keys.remove(&handle) {
                Ok(()) => tracing::info!(handle, "a cosigning key that is no longer used is destroyed"),
                Err(error) => tracing::warn!(handle, %error, "a cosigning key that is no longer used is still there"),
            }
        }
        let registered = read::ml_dsa(&view, &self.member).ok().flatten();
        for handle in self.ml_dsa_cosigners().collect::<Vec<_>>() {
            let Ok(public) = self.keys.ml_dsa(&handle) else { continue };
            let known = read::ml_dsa_holder(&view, &public.id()).is_ok_and(|holder| holder.is_some());
            if !known || Some(&public) == registered.as_ref() {
                continue;
            }
            match self.keys.remove(&handle) {
                Ok(()) => tracing::info!(handle, "an ML-DSA key that is no longer used is destroyed"),
                Err(error) => tracing::warn!(handle, %error, "an ML-DSA key that is no longer used is still there"),
            }
        }
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let of: Option<u64> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if of.is_some_and(|of| of < epoch)
                && let Err(error) = std::fs::remove_dir_all(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "the files of an ordering that is over stay");
            }
        }
    }
}

/// Whether a key store's handle names a cosigning key.
pub(crate) fn cosigns(handle: &str) -> bool {
    handle == COSIGNER || handle.strip_prefix(COSIGNER).is_some_and(|rest| rest.starts_with('/'))
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

/// The same, with its validators.
fn epoch_of(ledger: &Ledger) -> Option<Epoch> {
    ledger.epoch(ordered_by(ledger)?).ok().flatten()
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

/// Fetches blocks until the part changes; from the next source where one does not answer.
async fn follow(node: &Arc<Node>, sources: &[String]) {
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

/// The first of these blocks, as many as can be checked at once: a quorum of those who order, or of all validators of the ledger's
/// epoch, answers for the last of them with its cosignature, and so for those before it, which its header commits to. With them, those of
/// these cosignatures that are of the ledger's epoch.
async fn vouch(node: &Arc<Node>, mut blocks: Vec<Block>) -> Result<(Vec<Block>, Option<Cosigned>), ApiError> {
    let ledger = &node.replica.ledger;
    let view = ledger.view()?;
    let current = read::epoch(&*view)?;
    let quorum = read::quorum(&*view)?;
    let (alone, ordering) = (quorum.is_none(), quorum.map(|quorum| ledger.epoch(quorum.epoch)).transpose()?.flatten());
    drop(view);
    // Who answers for later blocks is known once these are here.
    let (sent, fit) = (blocks.len(), blocks.iter().take_while(|block| block.header.epoch == current.number).count());
    blocks.truncate(fit);
    let Some(last) = blocks.last() else {
        return match sent {
            0 => Ok((blocks, None)),
            _ => Err(ApiError::new(code::UNAVAILABLE, "it sent blocks of another epoch than the ledger's")),
        };
    };
    let mut before = ledger.head().digest();
    for block in &blocks {
        if block.header.previous != before {
            return Err(ApiError::new(code::UNAVAILABLE, "it sent blocks that do not follow on each other"));
        }
        before = block.header.digest();
    }
    let (checkpoint, ask) = (Checkpoint::of(&last.header), AskCosigned { height: last.header.height });
    let epochs: Vec<Epoch> = [Some(current), ordering].into_iter().flatten().collect();
    let names: BTreeSet<&str> = epochs.iter().flat_map(|epoch| &epoch.validators).map(|one| &*one.name).collect();
    let mut asked: FuturesUnordered<_> = names
        .into_iter()
        .filter(|name| *name != node.member)
        .map(|name| async { timeout(VOUCH, node.call::<_, Cosigned>(name, "/peer/v1/cosign", &ask)).await.ok()?.ok() })
        .collect();
    let mut answered = vec![BTreeMap::new(); epochs.len()];
    while let Some(answer) = asked.next().await {
        for CosignedBy { member, cosignature } in answer.into_iter().flat_map(|cosigned| cosigned.signatures) {
            for (epoch, answered) in epochs.iter().zip(&mut answered) {
                let Some((_, validator)) = epoch.validator(&member) else { continue };
                // Those who order may be of an epoch before this one, when they had other ML-DSA keys or none: they are known by the keys
                // that they order with.
                let verified = match epoch.number == checkpoint.epoch {
                    true => validator.verify(&checkpoint, &cosignature),
                    false => checkpoint.verify(&validator.key, &cosignature),
                };
                if verified.is_ok() {
                    answered.insert(member.clone(), cosignature.clone());
                }
            }
        }
        let suffice = |epoch: &Epoch, answered: &BTreeMap<_, _>| match alone {
            true => answered.len() >= answering(epoch),
            false => suffice(epoch, answered.keys(), &node.member),
        };
        if epochs.iter().zip(&answered).any(|(epoch, answered)| suffice(epoch, answered)) {
            drop(asked);
            let of_the_ledger = std::mem::take(&mut answered[0]).into_iter();
            let signatures = of_the_ledger.map(|(member, cosignature)| CosignedBy { member, cosignature }).collect();
            return Ok((blocks, Some(Cosigned { height: ask.height, signatures })));
        }
    }
    Err(ApiError::new(code::UNAVAILABLE, format!("too few validators answer for block {}", ask.height)))
}

/// Whether these members' word for a block suffices: a quorum's, or where this member is a validator of the epoch, that of more others
/// than can lie, of whom one at least has executed it. Those who lie could else keep silent, and validators behind, whom the others
/// need, would wait for each other.
fn suffice<'a>(epoch: &Epoch, answered: impl Iterator<Item = &'a String>, own: &str) -> bool {
    let liars = epoch.validators.len() - epoch.quorum();
    let least = if epoch.validator(own).is_some() { liars + 1 } else { epoch.quorum() };
    answered.filter(|member| *member != own).count() >= least
}

/// How many validators beside a restored one answer for a block so surely that it cannot have cosigned another that counts: 2f + 1. Whoever
/// asks does not count itself: it has no signature of its own where it asks.
fn answering(epoch: &Epoch) -> usize {
    2 * (epoch.validators.len() - epoch.quorum()) + 1
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

/// Watches the engine among the validators, and has what it brought cosigned, for receipts and readers. Ends with the epoch: where that
/// was over before this node knew, with the part that it has until its ledger says so.
async fn validate(node: &Arc<Node>, quorum: &Quorum) -> Option<Part> {
    let replica = &node.replica;
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
            {
                sleep(ASK_PAUSE).await;
            }
            return None;
        }
        behind = overtaken(node) => return Some(behind),
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
    let epoch = node.replica.ledger.epoch(quorum.epoch()).ok().flatten();
    quorum.ended().await;
    epoch
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
            // Also one that has not turned yet to what this node's ledger says already, or has turned before.
            Err(error) if ELSEWHERE.contains(&&*error.code) => failure = error,
            answer => return answer,
        }
    }
    Err(failure)
}

/// Refusals after which another validator may answer.
const ELSEWHERE: [&str; 3] = [code::PEER_UNREACHABLE.code, code::NOT_PERMITTED.code, code::BUSY.code];
/// Least time between two looks whether this node is far behind, unless it is told that it is.
const LOOK: Duration = Duration::from_secs(60);
/// How long a validator's answer for a block may take.
const VOUCH: Duration = Duration::from_secs(15);
/// How long no block comes before a validator asks whether its epoch is over.
const STUCK: Duration = Duration::from_secs(3);
/// How long a validator stays in an epoch that has ended.
const LINGER: Duration = Duration::from_millis(300);
/// How long an answer to whether the others have its end too may take; those who had it a moment later are asked again.
const ASK: Duration = Duration::from_secs(1);
const ASK_PAUSE: Duration = Duration::from_millis(200);
const RELEASE: Duration = Duration::from_millis(10);
/// Least time between two heights to cosign.
const COSIGN_PAUSE: Duration = Duration::from_millis(400);
/// The same among validators, each of whom asks all others. Receipts do not wait for it.
pub(super) const GATHER_PAUSE: Duration = Duration::from_secs(1);
/// The same where the epoch demands ML-DSA.
pub(super) const GATHER_PAUSE_ML_DSA: Duration = Duration::from_secs(5);
/// Between two attempts to have the last block of an epoch cosigned.
const END_PAUSE: Duration = Duration::from_secs(15);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
const SEAT_PAUSE: Duration = Duration::from_millis(500);
/// Batches that may wait at the leader.
const MAX_WAITING: usize = 4096;
/// Bytes of final slates kept for validators that were away.
const KEEP: usize = 512 << 20;

#[cfg(test)]
mod tests;
