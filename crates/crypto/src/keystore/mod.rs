//! Keys used by handle: callers name a key and never hold its bytes.
//!
//! [`Keys`] is what signers and openers ask for; [`FileKeys`] keeps all keys of a node or principal in one file sealed
//! under a passphrase (`docs/spec/keys.md`), so that the slow passphrase hash runs once.
//!
//! ```
//! use crypto::keystore::{Cost, FileKeys, Keys};
//! use crypto::{Label, Secret};
//!
//! let directory = tempfile::tempdir()?;
//! let (path, passphrase) = (directory.path().join("keys"), Secret::new(b"correct horse".to_vec()));
//! let keys = FileKeys::create_with(&path, &passphrase, Cost::danger_weak())?;
//! let public = keys.generate_signing("ledger")?;
//! let signature = FileKeys::open(&path, &passphrase)?.sign("ledger", Label::TRANSACTION, b"body")?;
//! assert!(public.verify(Label::TRANSACTION, b"body", &signature).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::path::PathBuf;

use crate::kem::{self, RecipientKey, Sealed};
use crate::{Label, PublicKey, Secret, Signature, mldsa};

mod content;
mod file;
mod passphrase;
#[cfg(test)]
mod tests;

pub use file::{Cost, FileKeys};
pub use passphrase::Passphrase;

/// A store that uses keys on behalf of its callers.
pub trait Keys: Send + Sync {
    /// Signs under a label, as [`SigningKey::sign`](crate::SigningKey::sign).
    ///
    /// # Errors
    /// [`Error::Unknown`] or [`Error::Kind`]; stores in hardware report their own failures as [`Error::Io`].
    fn sign(&self, handle: &str, label: Label, message: &[u8]) -> Result<Signature, Error>;

    /// Signs exactly these bytes, for formats that others define (C2SP notes, RFC 9421).
    ///
    /// # Errors
    /// As [`Keys::sign`].
    fn sign_raw(&self, handle: &str, message: &[u8]) -> Result<Signature, Error>;

    /// The public half of a signing key.
    ///
    /// # Errors
    /// As [`Keys::sign`].
    fn public(&self, handle: &str) -> Result<PublicKey, Error>;

    /// Signs under a label with an ML-DSA-65 key, as [`mldsa::SigningKey::sign`].
    ///
    /// # Errors
    /// As [`Keys::sign`].
    fn sign_ml_dsa(&self, handle: &str, label: Label, message: &[u8]) -> Result<mldsa::Signature, Error>;

    /// The public half of an ML-DSA-65 key.
    ///
    /// # Errors
    /// As [`Keys::sign`].
    fn ml_dsa(&self, handle: &str) -> Result<mldsa::PublicKey, Error>;

    /// Makes and keeps an ML-DSA-65 key.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Handle`], [`Error::Full`], and what writing the store fails with.
    fn generate_ml_dsa(&self, handle: &str) -> Result<mldsa::PublicKey, Error>;

    /// The public half of a recipient's key.
    ///
    /// # Errors
    /// As [`Keys::sign`].
    fn recipient(&self, handle: &str) -> Result<RecipientKey, Error>;

    /// Opens what was sealed to a recipient's key, as [`PrivateKey::open`](kem::PrivateKey::open).
    ///
    /// # Errors
    /// As [`Keys::sign`], and [`Error::Sealed`] when the message does not open.
    fn unwrap(&self, handle: &str, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error>;

    /// The handles in order, each with what it names.
    fn handles(&self) -> Vec<(String, Kind)>;
}

/// What a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An Ed25519 key.
    Signing,
    /// An HPKE key.
    Recipient,
    /// Bytes with a meaning of their own: a threshold share, a TLS key.
    Secret,
    /// An ML-DSA-65 key.
    MlDsa,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Signing => "signing key",
            Self::Recipient => "recipient key",
            Self::Secret => "secret",
            Self::MlDsa => "ML-DSA key",
        })
    }
}

/// Why a key store did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No key has this handle.
    #[error("the key store has no key {handle:?}")]
    Unknown {
        /// The handle asked for.
        handle: String,
    },
    /// The handle names something else.
    #[error("{handle:?} is a {found}, not a {expected}")]
    Kind {
        /// The handle asked for.
        handle: String,
        /// What it names.
        found: Kind,
        /// What was asked for.
        expected: Kind,
    },
    /// The handle is taken: keys are never replaced in silence.
    #[error("the key store already has a key {handle:?}")]
    Taken {
        /// The handle.
        handle: String,
    },
    /// The handle has an unusual spelling.
    #[error("{handle:?} is no handle: use 1 to 64 of a-z 0-9 - _ . /")]
    Handle {
        /// The handle.
        handle: String,
    },
    /// The store is full, or a secret too long.
    #[error("a key store holds at most 1,024 keys, secrets of 64 KiB and 1 MiB in all")]
    Full,
    /// The sealed message did not open.
    #[error(transparent)]
    Sealed(#[from] kem::Error),
    /// The passphrase is wrong or the file was altered; the two look alike.
    #[error("the passphrase is wrong, or the key store was altered")]
    Locked,
    /// The file is no key store.
    #[error("{} is not a key store: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file asks for a passphrase hash that is out of bounds.
    #[error("the passphrase hash wants {memory} KiB, {passes} passes and {lanes} lanes, which is out of bounds")]
    Cost {
        /// Memory in KiB.
        memory: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// The file is open to others.
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Another process wrote the file meanwhile.
    #[error("{} was changed by another process; open it again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A key store or passphrase is already, or not yet, there.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The passphrase is empty or longer than 1,024 bytes.
    #[error("a passphrase has 1 to 1,024 bytes")]
    Passphrase,
}

/// Attaches the path to a system's error.
fn at(path: &std::path::Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::Io { path: path.to_owned(), source }
}
