//! Computes on secret vectors among parties that do not trust each other.
//!
//! - [`engine`]: runs one party of a computation; protocols are back ends behind [`engine::Backend`].
//! - [`program`]: a computation as a graph of vector operations; what a contract approves.
//! - [`planner`]: which protocol suits a threat model, and what a program will cost; [`runner`]: runs a program on a back end.
//! - [`circuit`]: compound operations over any back end: comparisons, division, sorting, groups.
//! - [`additive`]: n parties, all but one corrupt, who follow the protocol; sums, and what else is linear, in one round.
//! - [`rep3`]: three parties of which one is corrupt, over rings and bits.
//! - [`shamir`]: n parties, a minority corrupt, over prime fields and bits; goes on without some of them.
//! - [`domain`]: rings, fields and bits; [`prg`]: randomness without talk; [`plain`]: the back end in the clear.
//! - [`net`]: carries a party's frames: TLS 1.3 links, threads of one process, and a seeded simulation.
//! - For many light clients, outside the engine: [`secagg`] through one server, whoever drops out, and [`prio`] by two servers that
//!   check what clients send.
//!
//! Cores are sans-IO: a party is stepped with what arrived and says what to send; the caller authenticates and encrypts the
//! links. Each protocol's page, with the model and what it survives, is in `docs/spec/mpc/`.
//!
//! ```
//! use mpc::additive::Additive;
//! use mpc::domain::{Domain, Values};
//! use mpc::engine::local;
//! use mpc::program::Builder;
//! use mpc::runner;
//!
//! // Three parties' numbers, and their sum to all.
//! let mut program = Builder::new(3);
//! let inputs: Vec<_> = (0..3).map(|party| (1, program.input(party, Domain::Ring64))).collect();
//! let sum = program.linear(&inputs, 0);
//! program.open(sum);
//! let program = program.finish().unwrap();
//! // All of them in this thread; `net` has them meet from afar.
//! let results = local::run(3, 1, move |io| {
//!     let program = program.clone();
//!     async move {
//!         let own = usize::from(io.index());
//!         let mut inputs = vec![None; 3];
//!         inputs[own] = Some(Values::Ring64(vec![own as u64 + 1, 10]));
//!         let backend = Additive::new(&io)?;
//!         runner::run(&program, &backend, io, &[2, 2, 2], inputs).await
//!     }
//! });
//! for (outcome, _) in results {
//!     assert!(outcome.unwrap().opened[0] == Some(Values::Ring64(vec![6, 30])));
//! }
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
