//! Begins from a snapshot of others where this node's ledger is far behind, or lacks blocks that nobody keeps any more.
//!
//! Nobody is believed: what comes is verified by [`ledger`] part by part, staged in a directory of its own, and used when all of it
//! is there. The page is `docs/spec/snapshot.md`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::seen::Seen;
use contracts::message::MemberCard;
use contracts::{code, read};
use crypto::Digest;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::{Certificate, Checkpoint, Ledger, Manifest, Part, Trust};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use wire::Bytes;

use crate::message::{AskEpochs, AskPart, AskSnapshot, Epochs, Offer, PartBytes};
use crate::problem::ApiError;
use crate::service::Node;

/// What this node takes, and how far it is.
pub(crate) struct Sync {
    /// Blocks behind which it begins from a snapshot; none where it is never to.
    after: Option<u64>,
    /// A checkpoint that the log must contain, which the operator has from a source of their own.
    pinned: Option<Checkpoint>,
    /// Manifests that turned out not to be usable.
    refused: Mutex<BTreeSet<Digest>>,
    /// The snapshot that is being fetched.
    height: AtomicU64,
    parts: AtomicU64,
    fetched: AtomicU64,
}

impl Sync {
    /// Begins from snapshots when more than `after` blocks behind.
    pub(crate) fn new(after: Option<u64>, pinned: Option<Checkpoint>) -> Self {
        let (height, parts, fetched) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { after, pinned, refused: Mutex::default(), height, parts, fetched }
    }

    /// The height, and how many parts of how many are there, of the snapshot that is being fetched.
    pub(crate) fn progress(&self) -> Option<(u64, u64, u64)> {
        let height = self.height.load(Ordering::Acquire);
        let parts = (self.fetched.load(Ordering::Relaxed), self.parts.load(Ordering::Relaxed));
        (height > 0).then_some((height, parts.0, parts.1))
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, BTreeSet<Digest>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says while it lives that a snapshot is being fetched.
struct Telling<'a>(&'a Sync);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.height.store(0, Ordering::Release);
    }
}

/// A member's node that may have what this one lacks.
#[derive(Clone)]
struct Source {
    card: MemberCard,
}

impl Source {
    async fn ask<M, A>(&self, node: &Node, path: &str, message: &M) -> Result<A, ApiError>
    where
        M: minicbor::Encode<()>,
        A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let members = || {
            let members = node.replica.view().ok().and_then(|view| read::active_members(&*view).ok());
            members.unwrap_or_default().into_iter().map(|member| member.card).collect()
        };
        let seen = Seen::default();
        let asked = node.peers.call(&self.card, members, path, message, (PATIENCE, &seen));
        let late = |_| ApiError::new(code::PEER_UNREACHABLE, format!("{}: no answer in time", self.card.name));
        timeout(PATIENCE, asked).await.map_err(late)?
    }
}

/// Begins from a snapshot where that is called for, and says whether it did; nothing where nobody answered. Whatever goes wrong, the ledger is
/// as it was.
pub(crate) async fn catch_up(node: &Arc<Node>, sources: &[String]) -> Option<bool> {
    let Some(after) = node.sync.after else { return Some(false) };
    attempt(node, sources, after).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "this node did not begin from a snapshot; it goes on by blocks where it can");
        Some(false)
    })
}

async fn attempt(node: &Arc<Node>, sources: &[String], after: u64) -> Result<Option<bool>, ApiError> {
    let ledger = node.replica.copied();
    let own = ledger.head().height;
    let cards = sources.iter().filter_map(|name| node.card(name).ok());
    let sources: Vec<Source> = cards.map(|card| Source { card }).collect();
    let offers = offers(node, &sources, own, false).await;
    if offers.is_empty() {
        return Ok(None);
    }
    let head = offers.iter().map(|(_, offer)| offer.head).max().unwrap_or(0);
    let gone = offers.iter().all(|(_, offer)| offer.kept > own + 1);
    if !gone && head <= own.saturating_add(after) {
        return Ok(Some(false));
    }
    // Whoever is asked is not believed: more of them help.
    let mut known: BTreeMap<String, Source> =
        sources.into_iter().map(|source| (source.card.name.clone(), source)).collect();
    for card in offers.into_iter().flat_map(|(_, offer)| offer.members) {
        if known.len() < SOURCES && card.name != node.member {
            known.entry(card.name.clone()).or_insert(Source { card });
        }
    }
    let known: Vec<Source> = known.into_values().collect();
    tracing::info!(own, head, peers = known.len(), "this node is far behind: it asks for a snapshot");
    let (begun, mut failed) = (Instant::now(), 0);
    let mut trust = ledger.trust();
    loop {
        let offers = self::offers(node, &known, own, true).await;
        let making = offers.iter().any(|(_, offer)| offer.making);
        // One snapshot, several sources.
        let mut snapshots: BTreeMap<(u64, Digest), (u64, Vec<Source>)> = BTreeMap::new();
        for (source, offer) in offers {
            let Some(id) = offer.manifest else { continue };
            if offer.height > own
                && (gone || offer.height > own.saturating_add(after / 2))
                && !node.sync.refused().contains(&id)
            {
                let entry = snapshots.entry((offer.height, id)).or_default();
                entry.0 = entry.0.max(offer.bytes);
                entry.1.push(source);
            }
        }
        if !snapshots.is_empty() {
            failed += 1;
            trust = handed_over(node, &known, trust).await?;
        }
        for ((height, id), (bytes, sources)) in snapshots.into_iter().rev() {
            let taking = Taking { node: Arc::clone(node), height, id, sources, trust: trust.clone() };
            match taking.take(bytes).await {
                Ok(()) => return Ok(Some(true)),
                Err(error) => tracing::warn!(%error, height, manifest = %id, "a snapshot was not taken"),
            }
        }
        // Whoever says that it makes one may lie as well. Where there are no blocks to go on by, waiting is all that is left.
        let given_up = failed >= ROUNDS && !gone;
        if !making || given_up || begun.elapsed() > MAKING {
            return Err(ApiError::new(code::UNAVAILABLE, "no member's node has a snapshot that can be used"));
        }
        sleep(PAUSE).await;
    }
}

/// What those who answer have to offer. Where nothing is wanted yet the first answer suffices, and those that come a moment later.
async fn offers(node: &Node, sources: &[Source], height: u64, wanted: bool) -> Vec<(Source, Offer)> {
    let ask = AskSnapshot { height, wanted };
    let mut asked: FuturesUnordered<_> = sources
        .iter()
        .map(|source| async {
            let offer = source.ask::<_, Offer>(node, "/peer/v1/snapshot", &ask).await;
            (source.clone(), offer)
        })
        .collect();
    let (mut found, mut until) = (Vec::new(), Instant::now() + if wanted { WORD } else { HEAD });
    while let Ok(Some((source, offer))) = timeout_at(until, asked.next()).await {
        match offer {
            Ok(offer) => {
                found.push((source, offer));
                if !wanted {
                    until = until.min(Instant::now() + GRACE);
                }
            }
            Err(error) => tracing::debug!(%error, source = source.card.name, "no offer of a snapshot"),
        }
    }
    found
}

/// Knows all epochs that anybody can show to follow those that are known.
async fn handed_over(node: &Node, sources: &[Source], mut trust: Trust) -> Result<Trust, ApiError> {
    for source in sources {
        loop {
            let ask = AskEpochs { after: trust.newest() };
            let Ok(Epochs { handovers }) = source.ask(node, "/peer/v1/snapshot/epochs", &ask).await else { break };
            if handovers.is_empty() {
                break;
            }
            let ledger = node.replica.copied().clone();
            let (next, outcome) = tokio::task::spawn_blocking(move || {
                let outcome = handovers.into_iter().try_for_each(|one| ledger.follow(&mut trust, one));
                (trust, outcome)
            })
            .await
            .map_err(ApiError::internal)?;
            trust = next;
            if let Err(error) = outcome {
                tracing::warn!(%error, source = source.card.name, "a hand-over is refused");
                break;
            }
        }
    }
    Ok(trust)
}

/// One snapshot, on its way here.
struct Taking {
    node: Arc<Node>,
    height: u64,
    id: Digest,
    sources: Vec<Source>,
    trust: Trust,
}

impl Taking {
    /// Takes it, and begins from it.
    async fn take(self, bytes: u64) -> Result<(), ApiError> {
        let sync = &self.node.sync;
        sync.parts.store(0, Ordering::Relaxed);
        sync.fetched.store(0, Ordering::Relaxed);
        sync.height.store(self.height, Ordering::Release);
        let _telling = Telling(sync);
        let free = rustix::fs::statvfs(&self.node.directory).map_or(0, |room| room.f_bavail * room.f_frsize);
        if free / 3 < bytes {
            let told = format!("a snapshot of {bytes} bytes needs three times as much room, {free} bytes are free");
            return Err(ApiError::new(code::UNAVAILABLE, told));
        }
        let stage = self.stage()?;
        let manifest = self.manifest(&stage).await?;
        let certificate = self.certificate(&manifest).await?;
        let manifest = Arc::new(manifest);
        let wanted = self.left(&manifest, &stage).await?;
        sync.parts.store(manifest.parts().len() as u64, Ordering::Relaxed);
        sync.fetched.store((manifest.parts().len() - wanted.len()) as u64, Ordering::Relaxed);
        tracing::info!(
            height = self.height,
            parts = manifest.parts().len(),
            missing = wanted.len(),
            sources = self.sources.len(),
            "fetching a snapshot"
        );
        // The last hour is verified by the leaves, which come before.
        let (last, first): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|part| matches!(part, Part::Recent(_)));
        for parts in [first, last] {
            self.fetch(&manifest, &stage, parts).await?;
        }
        let header = self.begin(manifest, certificate, &stage).await?;
        let ledger = self.node.replica.copied().clone();
        tokio::spawn(async move {
            sleep(READERS).await;
            ledger.release();
        });
        if let Err(error) = std::fs::remove_dir_all(self.node.directory.join(STAGE)) {
            tracing::warn!(%error, "what a snapshot was staged in stays");
        }
        tracing::info!(height = header, "this node's ledger begins from a snapshot at this block");
        let told = format!("block {header}, manifest {}", self.id);
        let _ = self.node.audit.record("node", "ledger.snapshot", &self.node.member, "ok", &told).await;
        Ok(())
    }

    /// The directory where it is staged; what was staged of others is removed.
    fn stage(&self) -> Result<PathBuf, ApiError> {
        let all = self.node.directory.join(STAGE);
        let own = all.join(format!("{}-{}", self.height, self.id));
        let made = || {
            std::fs::create_dir_all(&own)?;
            for entry in std::fs::read_dir(&all)? {
                let path = entry?.path();
                if path != own {
                    std::fs::remove_dir_all(path)?;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        made().map_err(ApiError::internal)?;
        Ok(own)
    }

    async fn manifest(&self, stage: &Path) -> Result<Manifest, ApiError> {
        let file = path(stage, Part::Manifest);
        let of_this = |bytes: &[u8]| match Manifest::parse(bytes) {
            Ok(manifest) if manifest.id() == self.id && manifest.header.height == self.height => Ok(manifest),
            Ok(_) => Err("it is another snapshot's".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Some(manifest) = std::fs::read(&file).ok().and_then(|bytes| of_this(&bytes).ok()) {
            return Ok(manifest);
        }
        for source in &self.sources {
            let outcome = match self.part(source, Part::Manifest).await {
                Ok(bytes) => of_this(&bytes).map(|manifest| (manifest, bytes)),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok((manifest, bytes)) => {
                    write(&file, &bytes).map_err(ApiError::internal)?;
                    return Ok(manifest);
                }
                Err(error) => tracing::warn!(error, source = source.card.name, "a manifest is refused"),
            }
        }
        Err(ApiError::new(code::UNAVAILABLE, "nobody gives a manifest that holds"))
    }

    async fn certificate(&self, manifest: &Manifest) -> Result<Certificate, ApiError> {
        for source in &self.sources {
            let outcome = match self.part(source, Part::Certificate).await {
                Ok(bytes) => Certificate::parse(&bytes)
                    .and_then(|certificate| {
                        self.trust.certify(&manifest.header, &certificate)?;
                        Ok(certificate)
                    })
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(certificate) => return Ok(certificate),
                Err(error) => tracing::warn!(error, source = source.card.name, "a certificate is refused"),
            }
        }
        Err(ApiError::new(code::UNAVAILABLE, "nobody shows that a quorum stands behind it"))
    }

    /// The parts that are not there yet; those that are there are verified again.
    async fn left(&self, manifest: &Arc<Manifest>, stage: &Path) -> Result<Vec<Part>, ApiError> {
        let (manifest, stage) = (Arc::clone(manifest), stage.to_owned());
        let left = tokio::task::spawn_blocking(move || {
            let missing = |part: &Part| {
                let read = |part| std::fs::read(path(&stage, part));
                read(*part).map_or(true, |bytes| Ledger::check_part(&manifest, *part, &bytes, &read).is_err())
            };
            manifest.parts().into_iter().filter(missing).collect()
        });
        left.await.map_err(ApiError::internal)
    }

    /// Fetches parts from all sources at once.
    async fn fetch(&self, manifest: &Arc<Manifest>, stage: &Path, parts: Vec<Part>) -> Result<(), ApiError> {
        let one = |source: &Source, part| {
            let source = source.clone();
            async move {
                let outcome = self.one(&source, manifest, stage, part).await;
                match &outcome {
                    Ok(()) => drop(self.node.sync.fetched.fetch_add(1, Ordering::Relaxed)),
                    Err(error) => {
                        tracing::warn!(%error, source = source.card.name, ?part, "a part of a snapshot did not come, or is refused");
                    }
                }
                outcome.is_ok()
            }
        };
        match from_all(&self.sources, parts, one).await {
            true => Ok(()),
            false => Err(ApiError::new(code::UNAVAILABLE, "nobody gives all of its parts")),
        }
    }

    /// Fetches, verifies and stages a part.
    async fn one(&self, source: &Source, manifest: &Arc<Manifest>, stage: &Path, part: Part) -> Result<(), ApiError> {
        let bytes = self.part(source, part).await?;
        let (manifest, stage) = (Arc::clone(manifest), stage.to_owned());
        let kept = tokio::task::spawn_blocking(move || {
            let read = |part| std::fs::read(path(&stage, part));
            Ledger::check_part(&manifest, part, &bytes, &read)?;
            Ok::<_, ledger::Error>(write(&path(&stage, part), &bytes)?)
        });
        kept.await.map_err(ApiError::internal)?.map_err(refusal)
    }

    async fn part(&self, source: &Source, part: Part) -> Result<Bytes, ApiError> {
        let (kind, index) = part.numbers();
        let ask = AskPart { height: self.height, manifest: self.id, kind, index };
        let PartBytes { bytes } = source.ask(&self.node, "/peer/v1/snapshot/part", &ask).await?;
        Ok(bytes)
    }

    /// Makes the ledger's new file, and begins with it.
    async fn begin(&self, manifest: Arc<Manifest>, certificate: Certificate, stage: &Path) -> Result<u64, ApiError> {
        let (node, trust, stage, id) = (Arc::clone(&self.node), self.trust.clone(), stage.to_owned(), self.id);
        let begun = tokio::task::spawn_blocking(move || {
            let (ledger, file) = (node.replica.copied(), node.directory.join("ledger.redb"));
            let staged = node.directory.join("ledger.redb.syncing");
            let read = |part| std::fs::read(path(&stage, part));
            let restored = ledger.restore(&staged, (&manifest, &certificate, &trust), node.sync.pinned.as_ref(), &read);
            if let Err(error) = restored {
                let _ = std::fs::remove_file(&staged);
                if matches!(error, ledger::Error::Snapshot(_)) {
                    // All its parts were right: what is wrong with it stays so.
                    node.sync.refused().insert(id);
                }
                return Err(refusal(error));
            }
            Ok(ledger.adopt(&staged, &file, &trust)?.height)
        });
        begun.await.map_err(ApiError::internal)?
    }
}

/// Has `one` done with each of the parts, by all sources at once, each when it is free; whether that was possible. A source that has failed
/// three times is asked no more, and what it failed with is given to the others.
async fn from_all<S, F>(sources: &[S], parts: Vec<Part>, one: impl Fn(&S, Part) -> F) -> bool
where
    F: Future<Output = bool>,
{
    let (count, queue) = (parts.len() as u64, Mutex::new(VecDeque::from(parts)));
    let done = AtomicU64::new(0);
    let waiting = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let workers = sources.iter().map(|source| async {
        let mut strikes = 0;
        // Others may give back what they could not get.
        while strikes < STRIKES && done.load(Ordering::Acquire) < count {
            let next = waiting().pop_front();
            let Some(part) = next else {
                sleep(IDLE).await;
                continue;
            };
            match one(source, part).await {
                true => drop(done.fetch_add(1, Ordering::AcqRel)),
                false => {
                    strikes += 1;
                    waiting().push_back(part);
                }
            }
        }
    });
    join_all(workers).await;
    done.load(Ordering::Acquire) == count
}

/// What is wrong with what others sent is for the log here, where it is told anyway.
fn refusal(error: ledger::Error) -> ApiError {
    match error {
        ledger::Error::Snapshot(error) => ApiError::new(code::MALFORMED, error.to_string()),
        error => error.into(),
    }
}

fn path(stage: &Path, part: Part) -> PathBuf {
    let (kind, index) = part.numbers();
    stage.join(format!("{kind}-{index}"))
}

/// Writes a part under another name and renames it: what has a part's name was whole once. It is verified again before it is used.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("part");
    std::fs::write(&draft, bytes)?;
    std::fs::rename(draft, path)
}

/// Where snapshots are staged, in the node's directory.
const STAGE: &str = "sync";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to say what one has.
const WORD: Duration = Duration::from_secs(15);
/// How long it may take to say how far one is, and how long others have to say it once one has.
const HEAD: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_millis(500);
/// How long others may take to make a snapshot.
const MAKING: Duration = Duration::from_secs(1200);
/// Rounds of offers of which none could be used, after which a node goes on by blocks where it can.
const ROUNDS: u32 = 3;
/// Between two questions whether there is one.
const PAUSE: Duration = Duration::from_secs(2);
/// While others fetch the last parts.
const IDLE: Duration = Duration::from_millis(50);
/// How long those who read from the old ledger's file may go on.
const READERS: Duration = Duration::from_secs(120);
/// Parts that a source may fail to give.
const STRIKES: u32 = 3;
/// Most nodes that are asked.
const SOURCES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_fails_is_asked_no_more_and_the_others_give_what_it_did_not() {
        let parts: Vec<Part> = (0..40).map(Part::Branch).collect();
        let asked = Mutex::new(BTreeMap::<(&str, bool), u32>::new());
        let one = |source: &&'static str, part: Part| {
            // One lies always, one now and then.
            let good = match *source {
                "liar" => false,
                "unsteady" => part != Part::Branch(7),
                _ => true,
            };
            *asked.lock().unwrap().entry((*source, good)).or_default() += 1;
            async move {
                tokio::task::yield_now().await;
                good
            }
        };
        assert!(from_all(&["liar", "unsteady", "honest"], parts.clone(), one).await);
        let told = asked.lock().unwrap().clone();
        assert_eq!(told[&("liar", false)], STRIKES);
        assert_eq!(told.iter().filter(|((_, good), _)| *good).map(|(_, count)| count).sum::<u32>(), 40);
        assert!(!from_all(&["liar", "liar"], parts.clone(), one).await);
        assert!(!from_all(&[], parts, one).await);
        assert!(from_all(&["liar"], vec![], one).await);
    }

    #[test]
    fn a_part_has_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let place = path(directory.path(), Part::Recent(3));
        write(&place, b"whole").unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_ne!(path(directory.path(), Part::Leaves(3)), place);
    }
}
