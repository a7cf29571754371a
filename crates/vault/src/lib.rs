//! Seals, opens, rewraps and range-reads objects without ever holding one whole in memory.
//!
//! A sealed object is an immutable [`Core`], segments of 64 KiB under AES-256-GCM STREAM, and, apart from both, the
//! [`Stanzas`] that wrap its data key for each recipient; so a rewrap touches no ciphertext. Its **id** is the digest of
//! the core, its **root** a Merkle tree over core and segments. The format page is `docs/spec/sealed-object.md`.
//!
//! ```
//! use crypto::kem::{PrivateKey, Suite};
//! use vault::{Access, open, seal};
//!
//! let key = PrivateKey::generate(Suite::XWing);
//! let mut sealed = Vec::new();
//! let summary = seal(&b"a patient's table"[..], &mut sealed, [key.public()], b"")?;
//!
//! let mut plain = Vec::new();
//! open(&sealed[..], &mut plain, &Access::Private(&key), Some(&summary.root))?;
//! assert_eq!(plain, b"a patient's table");
//! # Ok::<(), vault::Error>(())
//! ```
//!
//! Public: [`seal`] and [`open`] for whole objects (transport files), [`Head`] to look at one and to [`Head::rewrap`] it,
//! [`Recipient`] and [`Access`] for who may open it and as whom, [`BatchKey`] for many objects of one recipient,
//! [`Extract`] for ranges with proofs, and [`Vault`], a directory of sealed objects.

#![forbid(unsafe_code)]

mod batch;
mod core;
mod error;
mod export;
mod extract;
mod head;
mod key;
mod open;
mod seal;
mod stanza;
mod store;
mod tree;

pub use self::batch::{BatchKey, KeyBatch};
pub use self::core::{Core, MAX_ASSOCIATED, SEGMENT};
pub use self::error::Error;
pub use self::export::Export;
pub use self::extract::{Extract, MAX_EXTRACT};
pub use self::head::Head;
pub use self::key::Unlocked;
pub use self::open::open;
pub use self::seal::{Sealer, Summary, seal};
pub use self::stanza::{Access, MAX_STANZAS, Recipient, Stanza, Stanzas};
pub use self::store::{Erasure, PARTS, Vault};
