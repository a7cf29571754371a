//! Computes sums of secret vectors among parties that do not trust each other.
//!
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

#![forbid(unsafe_code)]

pub mod additive;
pub mod prio;
pub mod secagg;
