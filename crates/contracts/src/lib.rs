//! Runs the deterministic state machines on the ledger: members, assets, contracts, requests, verdicts, grants.
//!
//! [`Contracts`] implements [`ledger::Application`]. Each module holds one contract: its methods' arguments are in
//! [`message`], what it keeps is in [`record`], its rules beside it. [`chain`] reads the same facts back out of a
//! receipt, offline. A transaction that breaks a rule is recorded with its [`code`] and changes nothing.
//!
//! ```
//! use contracts::Contracts;
//! use contracts::message::{Founding, MemberCard};
//! use crypto::SigningKey;
//! use crypto::kem::{PrivateKey, Suite};
//! use ledger::Application;
//!
//! let [operator, node, cosigner] = [(); 3].map(|()| SigningKey::generate().public());
//! let founder = MemberCard {
//!     name: "health-authority".into(),
//!     operator,
//!     node,
//!     cosigner,
//!     tls: crypto::sha256(&[b"subject public key info"]),
//!     recipient: PrivateKey::generate(Suite::XWing).public().clone(),
//!     address: "https://127.0.0.1:7001".into(),
//! };
//! let founding = wire::to_vec(&Founding { founder, regulator: true });
//! let first = Contracts.genesis(&founding)?;
//! assert!(first.iter().any(|write| write.key == b"member/health-authority"));
//! assert_eq!(Contracts.genesis(b"something else").unwrap_err().code, contracts::code::MALFORMED.code);
//! # Ok::<(), ledger::Failure>(())
//! ```
//!
//! Public: what a client signs ([`message`]), what a node reads ([`record`], [`read`]), what an auditor checks
//! ([`chain`]), what is signed twice ([`signers`]). The format page is `docs/spec/contracts.md`.

#![forbid(unsafe_code)]

pub mod chain;
pub mod code;
pub mod escrow;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod message;
pub mod read;
pub mod record;
pub mod signers;

mod application;
mod assets;
mod governance;
mod grants;
mod key;
mod members;
mod modules;
mod offers;
mod oracles;
mod ordering;
mod private;
mod protocol;
mod recovery;
mod requests;
mod triggers;
mod verdicts;
mod verifiers;

pub use application::Contracts;
pub use assets::SEALED_OBJECT;
pub use governance::{DEFAULT_PARAMETERS, MAX_REASON};
pub use grants::{GRANT_SKEW, session};
pub use members::{MAX_INVITATION, MAX_MEMBERS};
pub use modules::{CEILING, MAX_ALARM_FUEL, MAX_INSTALLED, MAX_MIGRATION, MAX_SET, MAX_WORK, PREFIX, SWEEP, prepare};
pub use oracles::MAX_ORACLES;
pub use ordering::{MAX_CHANGES, MAX_EPOCHS, MIN_VALIDATORS, YEARLY_CHANGES, may_pass_on};
pub use private::{MAX_PRIVATE, MAX_RECIPIENTS};
pub use protocol::{ADDITIVE, Protocol, REP3, SHAMIR, protocol};
pub use recovery::MIN_DELAY;
pub use requests::{CREDENTIAL, MAX_CONTRACTS, MAX_EVIDENCE, MAX_PENDING};
pub use verdicts::{MAX_AGE, MAX_AHEAD, MAX_LIFE};
pub use verifiers::{
    ForeignLedger, KeyError, MAX_VERIFIERS, MAX_VERIFYING_KEY, StateStatement, VerifyingKey, verifier_digest,
};
