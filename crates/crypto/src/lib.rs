//! Keeps secrets, hashes and signs under labels, seals to recipients, and splits keys among parties.
//!
//! Every hash and signature carries a [`Label`]; the table of all labels is `docs/spec/labels.md`. Secrets are
//! [`Secret`]: no `Debug`, no `Clone`, wiped on drop.
//!
//! ```
//! use crypto::{hash, Label, SigningKey};
//!
//! let key = SigningKey::generate();
//! let signature = key.sign(Label::TRANSACTION, b"pay the piper");
//! assert!(key.public().verify(Label::TRANSACTION, b"pay the piper", &signature).is_ok());
//! // The same bytes under another label are another message.
//! assert!(key.public().verify(Label::PROOF_OF_POSSESSION, b"pay the piper", &signature).is_err());
//! assert_ne!(hash(Label::TRANSACTION, &[b"a", b"b"]), hash(Label::TRANSACTION, &[b"ab"]));
//! ```

#![forbid(unsafe_code)]

pub mod aead;
pub mod escrow;
mod hash;
pub mod kdf;
pub mod kem;
pub mod keystore;
mod label;
pub mod merkle;
pub mod mldsa;
mod secret;
mod sign;
pub mod stream;
pub mod threshold;

pub use hash::{Digest, Sha256, hash, sha256, sha256_of};
pub use label::Label;
pub use secret::{Secret, random};
pub use sign::{InvalidSignature, PublicKey, Signature, SigningKey};
