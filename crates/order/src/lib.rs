//! Brings transactions into one order among validators of which fewer than a third may lie.

#![forbid(unsafe_code)]

mod answers;
mod automaton;
mod certificate;
mod committee;
mod docket;
mod engine;
mod error;
mod executor;
mod gossip;
mod offence;
mod pool;
mod slate;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use certificate::{Certificate, CertificateError, Vote};
pub use committee::Committee;
pub use engine::Pace;
pub use error::{Fault, StartError};
pub use offence::{Offence, OffenceKind};
pub use pool::PoolLimits;
pub use slate::{SlateHeader, body};
