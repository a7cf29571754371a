//! Backups of a node that runs: copies are made on the side, then sent as they are read.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use contracts::code;
use tokio::sync::mpsc;
use wire::Fixed;

use super::copy::{Source, Staged};
use crate::problem::ApiError;
use crate::service::Node;

/// The one backup that is being made, or waits to be fetched.
#[derive(Default)]
pub(crate) struct Backups(Mutex<Option<Job>>);

struct Job {
    id: Fixed<16>,
    stage: Stage,
}

enum Stage {
    Copying,
    Failed,
    Ready(Box<Staged>),
}

impl Backups {
    fn job(&self) -> std::sync::MutexGuard<'_, Option<Job>> {
        // Each change is one assignment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to copy what the node holds, unless that is under way; the name to ask for it by.
    pub(crate) fn begin(&self, node: &Arc<Node>) -> Fixed<16> {
        let mut job = self.job();
        if let Some(Job { id, stage: Stage::Copying }) = &*job {
            return *id;
        }
        let id = Fixed(crypto::random());
        *job = Some(Job { id, stage: Stage::Copying });
        drop(job);
        tokio::spawn(copy(node.clone(), id));
        id
    }

    /// What the copying came to.
    fn settle(&self, id: Fixed<16>, stage: Option<Stage>) {
        let mut job = self.job();
        if job.as_ref().is_some_and(|job| job.id == id) {
            *job = stage.map(|stage| Job { id, stage });
        }
    }

    /// The backup, once: a piece at a time.
    ///
    /// # Errors
    /// `busy` while the copies are made; `not_found` where there is no such backup (any more); `internal` where it failed.
    pub(crate) fn fetch(&self, id: Fixed<16>) -> Result<mpsc::Receiver<io::Result<Bytes>>, ApiError> {
        let mut job = self.job();
        let gone = || ApiError::new(code::NOT_FOUND, "there is no such backup: it was fetched, or another was begun");
        let found = job.take_if(|job| job.id == id && !matches!(job.stage, Stage::Copying));
        let staged = match found.map(|job| job.stage) {
            Some(Stage::Ready(staged)) => staged,
            Some(_) => return Err(ApiError::new(code::INTERNAL, "the backup failed; the node's log has the reason")),
            None if job.as_ref().is_some_and(|job| job.id == id) => {
                return Err(ApiError::new(code::BUSY, "what the node holds is being copied").with_retry(1));
            }
            None => return Err(gone()),
        };
        drop(job);
        let (pieces, body) = mpsc::channel(4);
        tokio::task::spawn_blocking(move || {
            let to = BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
            if let Err(error) = staged.write(to) {
                tracing::warn!(%error, "a backup was not sent to its end");
                // Without the end that the reader looks for it is no backup, whatever was sent.
                let _ = pieces.blocking_send(Err(io::Error::other("the backup failed")));
            }
        });
        Ok(body)
    }
}

async fn copy(node: Arc<Node>, id: Fixed<16>) {
    let source = Source {
        member: node.member.clone(),
        directory: node.directory.clone(),
        ledger: node.replica.copied().clone(),
        store: node.store.clone(),
        audit: node.audit.clone(),
        vault: node.vault.clone(),
        keys: node.keys.clone(),
        now: node.now(),
    };
    match source.stage().await {
        Ok(staged) => {
            node.backups.settle(id, Some(Stage::Ready(Box::new(staged))));
            // Copies that nobody fetches do not fill the disk.
            tokio::time::sleep(KEPT).await;
            node.backups.settle(id, None);
        }
        Err(error) => {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "a backup failed");
            node.backups.settle(id, Some(Stage::Failed));
        }
    }
}

/// Writes into the answer's body.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How long copies wait to be fetched.
const KEPT: Duration = Duration::from_secs(600);
const PIECE: usize = 256 * 1024;
