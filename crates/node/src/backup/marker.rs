//! What a restored node knows of itself: the keys that it may have signed with after the backup was made.

use std::path::Path;

use crypto::PublicKey;
use minicbor::{Decode, Encode};
use wire::Limits;

use super::BackupError;

/// A restored node's marker.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Marker {
    #[n(0)]
    format: String,
    /// When the backup was made: Unix milliseconds.
    #[n(1)]
    pub(crate) made: u64,
    /// When it was restored.
    #[n(2)]
    pub(crate) restored: u64,
    /// Newest block of the backup.
    #[n(3)]
    pub(crate) height: u64,
    /// The cosigning keys of the backup: it is not known what they signed since.
    #[n(4)]
    pub(crate) burnt: Vec<PublicKey>,
}

impl Marker {
    pub(super) fn new(made: u64, restored: u64, height: u64, burnt: Vec<PublicKey>) -> Self {
        Self { format: FORMAT.into(), made, restored, height, burnt }
    }

    /// The marker in a node's directory; none where the node was never restored.
    ///
    /// # Errors
    /// [`BackupError::Io`], [`BackupError::Form`]: a node that cannot tell which keys are burnt must not start.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, BackupError> {
        let bytes = match std::fs::read(directory.join(FILE)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        match wire::from_slice::<Self>(&bytes, Limits::small()) {
            Ok(marker) if marker.format == FORMAT => Ok(Some(marker)),
            _ => Err(BackupError::Form("the marker of its restore is damaged: restore the backup anew")),
        }
    }
}

/// In a node's directory.
pub(super) const FILE: &str = "restored.cbor";
const FORMAT: &str = "sottovoce-restored/v1";
