//! Computes on secret vectors among parties that do not trust each other.
//!
//! - [`additive`]: sums of vectors over Z_2^64 among n parties, one round, outside the engine.
//! - [`engine`]: runs one party of a computation; protocols are back ends behind [`engine::Backend`].
//! - [`program`]: a computation as a graph of vector operations; what a contract approves.
//! - [`planner`]: which protocol suits a threat model, and what a program will cost; [`runner`]: runs a program on a back end.
//! - [`circuit`]: compound operations over any back end: comparisons, division, sorting, groups.
//! - [`shamir`]: n parties, a minority corrupt, over prime fields and bits; goes on without some of them.
//! - [`domain`]: rings, fields and bits; [`prg`]: randomness without talk; [`plain`]: the back end in the clear.
//! - [`net`]: carries a party's frames: TLS 1.3 links, threads of one process, and a seeded simulation.
//!
//! Cores are sans-IO: a party is stepped with what arrived and says what to send; the caller authenticates and encrypts the
//! links. Each protocol's page, with the model and what it survives, is in `docs/spec/mpc/`.
//! [`additive`] is for a few parties, vectors over Z_2^64, one round. For many light clients: [`secagg`] through one
//! server, whoever drops out, and [`prio`] by two servers that check what clients send. Cores are sans-IO: a party is
//! stepped with what arrived and says what to send; the caller authenticates and encrypts the links. Each has its spec
//! page, with the model and what it survives, in `docs/spec/mpc/`.
//!
//! ```
//! use crypto::{Label, Secret, hash};
//! use mpc::additive::{Party, Share};
//!
//! let session = hash(Label::SESSION, &[b"example"]);
//! let mut parties: Vec<_> = (0..3).map(|index| Party::new(session, index, 3).unwrap()).collect();
//! // Round 1: each party sends one seed to each other.
//! let mut mail = Vec::new();
//! for party in &mut parties {
//!     mail.extend(party.step(Vec::new()).unwrap().0);
//! }
//! for envelope in mail {
//!     parties[envelope.to as usize].step(vec![envelope]).unwrap();
//! }
//! // Each share alone is noise; together they are the sum.
//! let inputs = [[1, 10], [2, 20], [3, u64::MAX]];
//! let shares: Vec<Share> = parties.into_iter().zip(inputs).map(|(party, input)| party.share(&Secret::new(input.to_vec())).unwrap()).collect();
//! assert_eq!(Share::sum(session, &shares).unwrap(), [6, 29]);
//! ```

#[cfg(target_endian = "big")]
compile_error!("columns travel as they lie in memory, little-endian");

pub mod additive;
pub mod circuit;
pub mod domain;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod kernel;
pub mod net;
pub mod plain;
pub mod planner;
pub mod prg;
pub mod prio;
pub mod program;
pub mod rep3;
pub mod runner;
pub mod secagg;
pub mod shamir;
#[cfg(test)]
mod views;
