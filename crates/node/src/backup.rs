//! One consistent copy of a node in one file, and what comes out of it: see `docs/spec/backup.md`.

mod archive;
mod copy;
mod desk;
mod marker;
mod restore;

pub use archive::{Contents, File, Manifest, check};
pub use copy::make;
pub(crate) use copy::sweep;
pub(crate) use desk::Backups;
pub(crate) use marker::Marker;
pub use restore::{Restored, restore};

/// Why a backup was not made, or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file is no backup, or not a whole one.
    #[error("the file is no whole backup: {0}")]
    Form(&'static str),
    /// A backup of another version of the format.
    #[error("the backup's format is another: `{0}`")]
    Version(String),
    /// A file in the backup is not what the manifest says.
    #[error("`{0}` in the backup was altered")]
    Altered(String),
    /// The manifest names a file that no node has, or one twice.
    #[error("the backup's manifest names `{0}`, which does not belong in a backup, or stands in it twice")]
    Stray(String),
    /// A file that every node has is not in the backup.
    #[error("the backup lacks `{0}`")]
    Missing(String),
    /// The manifest is not signed by the node's own key.
    #[error("the backup's manifest is not signed by the key that the backup holds")]
    Signature,
    /// A part of the backup is of another node.
    #[error("`{part}` in the backup is not of {member}'s node on this chain")]
    Foreign {
        /// The part.
        part: &'static str,
        /// The manifest's member.
        member: String,
    },
    /// The backup is another member's than the home it is to be restored into.
    #[error("the backup is of {found}, and this is the home of {expected}")]
    OtherMember {
        /// The backup's member.
        found: String,
        /// The home's.
        expected: String,
    },
    /// The target holds something.
    #[error("{0} is not empty")]
    Occupied(String),
    /// The node orders the ledger alone.
    #[error("this node orders the ledger alone: restored, it would make other blocks than others have cosigned")]
    Leader,
    /// The node's data is elsewhere than its configuration.
    #[error("the node's data_dir is not the directory of its node.toml")]
    Elsewhere,
    /// There is no node to back up.
    #[error("there is no node's `{0}` to back up")]
    NoNode(&'static str),
    /// The ledger cannot be copied or opened.
    #[error("the ledger cannot be read")]
    Ledger(#[from] ledger::Error),
    /// The key store cannot be opened.
    #[error("the key store does not open")]
    Keys(#[from] crypto::keystore::Error),
    /// A database cannot be copied.
    #[error("a database cannot be copied")]
    Database(#[from] sqlx::Error),
    /// The vault cannot be read.
    #[error("the vault cannot be read")]
    Vault(#[from] vault::Error),
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Config(#[from] crate::config::ConfigError),
    /// A file cannot be read or written.
    #[error("cannot read or write a file")]
    Io(#[from] std::io::Error),
    /// The process is stopping.
    #[error("interrupted")]
    Interrupted,
}

const LEDGER: &str = "ledger.redb";
const STORE: &str = "node.sqlite";
const AUDIT: &str = "audit.sqlite";
const VAULT: &str = "vault";

#[cfg(test)]
mod tests;
