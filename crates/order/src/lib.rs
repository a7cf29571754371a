//! Brings transactions into one order among validators of which fewer than a third may lie.
//!
//! A [`Quorum`] is to a network of validators what [`ledger::Solo`] is to one node: the [`ledger::Ordering`] that a node
//! submits to. Inside, commonware's simplex consensus agrees on *slates*, ordered lists of transactions; each validator
//! executes the final ones on its own ledger, so that all make the same blocks. What is agreed on, what a certificate is and
//! what is bounded stands in `docs/spec/ordering.md`.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use order::{Config, Endpoint, Pace, PoolLimits, Quorum};
//!
//! fn join(
//!     ledger: Arc<ledger::Ledger>,
//!     key: crypto::Secret<[u8; 32]>,
//!     epoch: ledger::Epoch,
//! ) -> Result<Quorum, order::StartError> {
//!     let peers = epoch.validators.iter().map(|one| (one.name.clone(), Endpoint::Host(format!("{}.example", one.name), 7400)));
//!     let config = Config {
//!         directory: "/var/lib/sottovoce/order".into(),
//!         key,
//!         peers: peers.collect::<BTreeMap<_, _>>(),
//!         epoch,
//!         listen: ([0, 0, 0, 0], 7400).into(),
//!         private_addresses: false,
//!         base: 0,
//!         last: Arc::new(|_| false),
//!         pace: Pace::default(),
//!         pool: PoolLimits::default(),
//!         keep: 512 << 20,
//!         threads: 2,
//!     };
//!     Quorum::start(config, ledger)
//! }
//! ```
//!
//! Public: the ordering ([`Quorum`], its [`Config`], [`Status`] and [`Pulse`]), what proves finality offline ([`Certificate`],
//! [`Committee`], [`SlateHeader`]), who misbehaved ([`Offence`]) and why it stopped ([`Fault`]).

#![forbid(unsafe_code)]

mod answers;
mod automaton;
mod certificate;
mod committee;
mod docket;
mod engine;
mod error;
mod executor;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gossip;
mod offence;
mod pool;
mod pulse;
mod quorum;
#[cfg(test)]
mod simulation;
mod slate;
#[cfg(test)]
mod testing;

pub use certificate::{Certificate, CertificateError, Vote};
pub use committee::Committee;
pub use docket::{Last, passed};
pub use engine::Pace;
pub use error::{Fault, StartError};
pub use offence::{Offence, OffenceKind};
pub use pool::PoolLimits;
pub use pulse::Pulse;
pub use quorum::{Config, Endpoint, Quorum, Status};
pub use slate::{SlateHeader, body};
