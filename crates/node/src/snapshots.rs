//! Snapshots that this node hands on: made when somebody asks, kept while somebody does.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contracts::{code, read};
use crypto::Digest;
use ledger::{Ledger, Part, Snapshot};

use crate::message::{AskEpochs, AskPart, AskSnapshot, Epochs, Offer, PartBytes};
use crate::problem::ApiError;
use crate::service::Node;

/// The snapshots at hand.
pub(crate) struct Snapshots {
    directory: PathBuf,
    /// Heights that are multiples of it have snapshots.
    every: u64,
    made: Mutex<Vec<Made>>,
    making: AtomicBool,
}

#[derive(Clone)]
struct Made {
    snapshot: Arc<Snapshot>,
    directory: PathBuf,
    asked: Instant,
}

impl Made {
    fn height(&self) -> u64 {
        self.snapshot.manifest().header.height
    }
}

impl Snapshots {
    /// Those in a directory of their own under the node's; what another process has left there is removed.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub(crate) fn new(data: &Path, every: u64) -> std::io::Result<Self> {
        let directory = data.join(DIRECTORY);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        Ok(Self { directory, every, made: Mutex::default(), making: AtomicBool::new(false) })
    }

    /// Those at hand: pruning keeps the blocks after the oldest of them.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.made().iter().map(Made::height).min()
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest one above a height.
    fn above(&self, height: u64) -> Option<Arc<Snapshot>> {
        let mut made = self.made();
        let found = made.iter_mut().filter(|made| made.height() > height).max_by_key(|made| made.height())?;
        found.asked = Instant::now();
        Some(found.snapshot.clone())
    }

    fn of(&self, height: u64, id: &Digest) -> Option<Arc<Snapshot>> {
        let mut made = self.made();
        let found = made.iter_mut().find(|made| made.height() == height && made.snapshot.id() == *id)?;
        found.asked = Instant::now();
        Some(found.snapshot.clone())
    }

    /// Takes one more and lets older ones go.
    fn keep(&self, snapshot: Snapshot, directory: PathBuf) {
        let mut made = self.made();
        made.push(Made { snapshot: Arc::new(snapshot), directory, asked: Instant::now() });
        while made.len() > KEPT {
            let gone = made.remove(0);
            remove(&gone.directory);
        }
    }

    /// Lets those go that nobody has asked for in a day.
    pub(crate) fn sweep(&self) {
        self.made().retain(|made| {
            let wanted = made.asked.elapsed() < IDLE;
            if !wanted {
                remove(&made.directory);
            }
            wanted
        });
    }
}

/// What this node has to offer to whoever is at a height; begins to make a snapshot where one is wanted and there is none.
pub(crate) fn offer(node: &Arc<Node>, ask: &AskSnapshot) -> Result<Offer, ApiError> {
    let (snapshots, ledger) = (&node.snapshots, node.replica.copied());
    let head = ledger.head().height;
    let newest = head / snapshots.every * snapshots.every;
    let found = snapshots.above(ask.height);
    // One that is old is made anew, while it is still handed on.
    let old = found.as_ref().is_none_or(|found| newest.saturating_sub(found.manifest().header.height) > FRESH);
    if ask.wanted && old && newest > ask.height && !snapshots.making.swap(true, Ordering::AcqRel) {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            if let Err(error) = make(&node, newest).await {
                tracing::warn!(%error, height = newest, "no snapshot was made");
            }
            node.snapshots.making.store(false, Ordering::Release);
        });
    }
    let certified = found.filter(|found| ledger.certificate(found.manifest().header.height).is_ok());
    let view = ledger.view()?;
    let mut members: Vec<_> = read::active_members(&view)?.into_iter().map(|member| member.card).collect();
    members.truncate(MEMBERS);
    Ok(Offer {
        head,
        kept: ledger.kept()?.height,
        height: certified.as_ref().map_or(0, |found| found.manifest().header.height),
        manifest: certified.as_ref().map(|found| found.id()),
        bytes: certified.as_ref().map_or(0, |found| found.size()),
        making: snapshots.making.load(Ordering::Acquire),
        members,
    })
}

/// How epochs handed over.
pub(crate) async fn epochs(node: &Node, ask: AskEpochs) -> Result<Epochs, ApiError> {
    let ledger = node.replica.copied().clone();
    let found = tokio::task::spawn_blocking(move || ledger.handovers(ask.after, MAX_HANDOVERS));
    Ok(Epochs { handovers: found.await.map_err(ApiError::internal)?? })
}

/// A part of a snapshot.
pub(crate) async fn part(node: &Node, ask: AskPart) -> Result<PartBytes, ApiError> {
    let gone = || ApiError::new(code::NOT_FOUND, "this node has no such snapshot any more, or no such part of it");
    let snapshot = node.snapshots.of(ask.height, &ask.manifest).ok_or_else(gone)?;
    let part = Part::of(ask.kind, ask.index).ok_or_else(gone)?;
    let ledger = node.replica.copied().clone();
    let read = tokio::task::spawn_blocking(move || match part {
        Part::Certificate => Ok(Some(wire::to_vec(&ledger.certificate(ask.height)?))),
        part => snapshot.part(&ledger, part),
    });
    let bytes = read.await.map_err(ApiError::internal)??.ok_or_else(gone)?;
    Ok(PartBytes { bytes: bytes.into() })
}

/// Makes a snapshot, and has certified what shows that it is right.
async fn make(node: &Arc<Node>, height: u64) -> Result<(), ApiError> {
    node.replica.have_certified(node, height).await?;
    let ledger = node.replica.copied().clone();
    let directory = node.snapshots.directory.join(height.to_string());
    let (own, to) = (Arc::clone(node), directory.clone());
    let made = tokio::task::spawn_blocking(move || {
        room(&own, &ledger)?;
        Ok::<_, ApiError>(ledger.snapshot(height, &to)?)
    });
    match made.await.map_err(ApiError::internal)? {
        Ok(snapshot) => {
            tracing::info!(height, bytes = snapshot.size(), "a snapshot is made");
            node.snapshots.keep(snapshot, directory);
            Ok(())
        }
        Err(error) => {
            remove(&directory);
            Err(error)
        }
    }
}

/// Whether the disk has room for as much again as the ledger's file has.
fn room(node: &Node, ledger: &Arc<Ledger>) -> Result<(), ApiError> {
    let file = std::fs::metadata(node.directory.join("ledger.redb")).map_or(0, |file| file.len());
    let free = rustix::fs::statvfs(&node.directory).map_or(0, |room| room.f_bavail * room.f_frsize);
    match free > 2 * file {
        true => Ok(()),
        false => Err(ApiError::new(
            code::UNAVAILABLE,
            format!("{free} bytes are free, a snapshot at block {} may need {}", ledger.head().height, 2 * file),
        )),
    }
}

fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %directory.display(), %error, "an old snapshot stays");
    }
}

/// The snapshots' directory in the node's.
const DIRECTORY: &str = "snapshots";
/// Most snapshots kept.
const KEPT: usize = 2;
/// A snapshot so many blocks older than one that could be made is made anew.
const FRESH: u64 = 4_000;
/// How long one is kept that nobody asks for.
const IDLE: Duration = Duration::from_secs(24 * 3600);
/// Most members named in an offer.
const MEMBERS: usize = 256;
/// Most bytes of hand-overs in an answer.
const MAX_HANDOVERS: usize = 4 << 20;
