//! Runs the deterministic state machines on the ledger: members, assets, contracts, requests, verdicts, grants.
//!
//! [`Contracts`] implements [`ledger::Application`]. Each module holds one contract: its methods' arguments are in
//! [`message`], what it keeps is in [`record`], its rules beside it. [`chain`] reads the same facts back out of a
//! receipt, offline. A transaction that breaks a rule is recorded with its [`code`] and changes nothing.
//!
//! Public: what a client signs ([`message`]), what a node reads ([`record`], [`read`]), what an auditor checks
//! ([`chain`]). The format page is `docs/spec/contracts.md`.

#![forbid(unsafe_code)]

pub mod chain;
pub mod code;
pub mod message;
pub mod read;
pub mod record;

mod application;
mod assets;
mod grants;
mod members;
mod offers;
mod oracles;
mod requests;
mod verdicts;

pub use application::Contracts;
