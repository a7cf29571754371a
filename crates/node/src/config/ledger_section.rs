//! What a node keeps of the ledger, and how a copy that is far behind catches up.

use std::path::PathBuf;

use ledger::{Checkpoint, HISTORY, MAX_NOTE, Note};
use serde::Deserialize;

/// What a node keeps of the ledger, and how a copy that is far behind catches up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerSection {
    /// Which transactions are kept.
    pub keep: Keep,
    /// Blocks before the newest whose states can be proven.
    pub states: u64,
    /// Heights that are multiples of it are those of snapshots.
    pub snapshot_every: u64,
    /// How the node catches up.
    pub sync: SyncBy,
    /// Blocks that it may be behind and still catch up by blocks.
    pub sync_after: u64,
    /// A file with a checkpoint that the log of a snapshot must contain; relative to the configuration file.
    pub checkpoint: Option<PathBuf>,
}

impl Default for LedgerSection {
    fn default() -> Self {
        Self {
            keep: Keep::All,
            states: HISTORY,
            snapshot_every: 1_000,
            sync: SyncBy::Snapshot,
            sync_after: 5_000,
            checkpoint: None,
        }
    }
}

/// Which transactions a node keeps: `all`, `<n> blocks` or `<n> days`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Keep {
    /// All since it began.
    #[default]
    All,
    /// Those of so many newest blocks.
    Blocks(u64),
    /// Those of blocks of so many days before the newest.
    Days(u64),
}

impl TryFrom<String> for Keep {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let parts = text.split_once(' ').and_then(|(count, unit)| Some((count.parse::<u64>().ok()?, unit)));
        match parts {
            Some((count, "blocks" | "block")) if count > 0 => Ok(Self::Blocks(count)),
            Some((count, "days" | "day")) if (1..=MAX_DAYS).contains(&count) => Ok(Self::Days(count)),
            _ => Err(format!("`{text}` is none of `all`, `<n> blocks`, `<n> days`")),
        }
    }
}

/// How a node catches up that is far behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncBy {
    /// From a snapshot of others, which proves itself.
    #[default]
    Snapshot,
    /// By executing all blocks, as long as somebody keeps them.
    Blocks,
}

impl LedgerSection {
    /// Blocks behind which it begins from a snapshot; none where it is never to.
    pub(crate) fn behind(&self) -> Option<u64> {
        (self.sync == SyncBy::Snapshot).then_some(self.sync_after)
    }

    /// Key, value, least and most of every number.
    pub(super) const fn bounds(&self) -> [(&'static str, u64, u64, u64); 3] {
        [
            ("ledger.states", self.states, 10, HISTORY),
            // A snapshot's state must still be kept when it is made.
            ("ledger.snapshot_every", self.snapshot_every, 1, self.states),
            ("ledger.sync_after", self.sync_after, 1, u64::MAX),
        ]
    }

    /// The pinned checkpoint.
    ///
    /// # Errors
    /// [`PinError`].
    pub(crate) fn pinned(&self) -> Result<Option<Checkpoint>, PinError> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let unread = |source| PinError::Unreadable { path: path.clone(), source };
        let length = std::fs::metadata(path).map_err(unread)?.len();
        if length > MAX_NOTE as u64 {
            return Err(PinError::Form(path.clone()));
        }
        let text = std::fs::read_to_string(path).map_err(unread)?;
        let note = Note::parse(&text).map_err(|_| PinError::Form(path.clone()))?;
        // Its signatures are of no interest: the operator says that it is right.
        Ok(Some(*note.danger_unverified()))
    }
}

/// Why a pinned checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no checkpoint.
    #[error("{path} is no signed checkpoint: take it with `sotto log checkpoint` or from /log/checkpoint", path = .0.display())]
    Form(PathBuf),
}

/// A hundred years.
const MAX_DAYS: u64 = 36_500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_three_forms() {
        let of = |text: &str| Keep::try_from(text.to_owned());
        assert_eq!(of("all"), Ok(Keep::All));
        assert_eq!(of("20000 blocks"), Ok(Keep::Blocks(20_000)));
        assert_eq!(of("1 day"), Ok(Keep::Days(1)));
        for wrong in ["", "none", "0 blocks", "0 days", "-1 days", "1", "days 1", "1  days", "99999 days", "1.5 days"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pinned_checkpoint_is_a_note() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("checkpoint");
        let section = LedgerSection { checkpoint: Some(path.clone()), ..Default::default() };
        assert!(matches!(section.pinned(), Err(PinError::Unreadable { .. })));
        std::fs::write(&path, "not one\n").unwrap();
        assert!(matches!(section.pinned(), Err(PinError::Form(_))));
        assert_eq!(LedgerSection::default().pinned().unwrap(), None);
    }
}
