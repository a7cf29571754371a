//! The log as this node publishes it, and proofs of its copy's state.

use std::sync::Arc;

use ledger::{Committed, Note, Tile};
use tokio::sync::watch;

use super::{Part, Replica, part};
use crate::message::{AskCosigned, Cosigned};
use crate::problem::ApiError;
use crate::service::Node;

impl Replica {
    /// The newest height that a quorum has cosigned, as it rises.
    pub(crate) fn cosigned_heights(&self) -> watch::Receiver<u64> {
        self.cosigned.subscribe()
    }

    /// The newest heights of this copy, as they rise.
    pub(crate) fn heights(&self) -> watch::Receiver<u64> {
        self.height.subscribe()
    }

    /// Whether others have blocks cosigned, and this node asks them.
    pub(crate) fn follows(&self) -> bool {
        matches!(&*self.part(), Part::Follower { .. })
    }

    /// Holds the cosignatures of a quorum for a block, or for a later one: fetches them or has them made.
    pub(crate) async fn have_cosigned(&self, node: &Arc<Node>, height: u64) -> Result<(), ApiError> {
        if self.ledger.cosigned_height()?.is_some_and(|cosigned| cosigned >= height) {
            return Ok(());
        }
        let ask = AskCosigned { height };
        // Not held while others answer: the part may change meanwhile.
        let sources = match &*self.part() {
            Part::Leader(_) | Part::Validator(_) | Part::Between => None,
            Part::Follower { sources } => Some(sources.clone()),
        };
        let cosigned: Cosigned = match sources {
            None => self.cosigned(node, ask).await?,
            Some(sources) => part::from_any(node, &sources, "/peer/v1/cosigned", &ask).await?,
        };
        self.wait_for(cosigned.height).await?;
        self.keep_cosigned(cosigned)?;
        Ok(())
    }

    /// The newest checkpoint that a quorum cosigned; none before the first.
    pub(crate) fn newest_note(&self) -> Result<Option<Note>, ApiError> {
        let Some(height) = self.ledger.cosigned_height()? else { return Ok(None) };
        Ok(Some(self.ledger.note(height)?))
    }

    /// Size of the log that a quorum cosigned.
    pub(crate) fn cosigned_size(&self) -> Result<u64, ApiError> {
        Ok(self.ledger.cosigned_size()?)
    }

    /// A tile of what a quorum cosigned.
    pub(crate) async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, ApiError> {
        let ledger = self.ledger.clone();
        Ok(tokio::task::spawn_blocking(move || ledger.tile(&tile)).await.map_err(ApiError::internal)??)
    }

    /// Transactions with their outcomes from a leaf of the log on, of all that this copy holds.
    pub(crate) async fn entries(&self, from: u64, limit: u64) -> Result<Vec<Committed>, ApiError> {
        let ledger = self.ledger.clone();
        let entries = tokio::task::spawn_blocking(move || ledger.entries(from, limit));
        Ok(entries.await.map_err(ApiError::internal)??)
    }

    /// Leaves of this copy's log.
    pub(crate) fn log_size(&self) -> u64 {
        self.ledger.head().log_size
    }

    /// Transactions with their outcomes, of what a quorum cosigned.
    pub(crate) async fn records(&self, from: u64, to: u64) -> Result<Vec<u8>, ApiError> {
        let ledger = self.ledger.clone();
        let records = tokio::task::spawn_blocking(move || ledger.records(from, to, MAX_RECORDS_BYTES));
        Ok(records.await.map_err(ApiError::internal)??)
    }

    /// An inclusion or consistency path; see [`ledger::Ledger::inclusion`], [`ledger::Ledger::consistency`].
    pub(crate) fn log_path(&self, from: LogPath) -> Result<Vec<crypto::Digest>, ApiError> {
        Ok(match from {
            LogPath::Inclusion { index, size } => self.ledger.inclusion(index, size)?,
            LogPath::Consistency { old, new } => self.ledger.consistency(old, new)?,
        })
    }

    /// What the state said of a key after a block, proven.
    pub(crate) async fn prove_state(&self, node: &Arc<Node>, height: u64, key: String) -> Result<String, ApiError> {
        self.have_cosigned(node, height).await?;
        let ledger = self.ledger.clone();
        let proof = tokio::task::spawn_blocking(move || ledger.prove_state(height, key.as_bytes()));
        Ok(proof.await.map_err(ApiError::internal)??.to_string())
    }
}

/// Which path is asked for.
pub(crate) enum LogPath {
    Inclusion { index: u64, size: u64 },
    Consistency { old: u64, new: u64 },
}

/// Most bytes of an answer with records, but for a single one that is longer.
const MAX_RECORDS_BYTES: usize = 4 << 20;
