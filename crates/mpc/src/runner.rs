//! Runs a program on a back end: every operation as soon as its operands are there, all of a round together.
//!
//! Nothing is opened before every operation has ended and the back end has verified them all, in one check. Operations that open
//! something of their own on the way (a sort opens its shuffled digits) run alone, so that all parties check the same things at the same time.
//!
//! - [`run`] is all that a program needs; [`Session`] runs it watched, and keeps what is verified so that a session that was cut short
//!   goes on from there (`docs/spec/mpc/sessions.md`).
//! - [`run_tiled`] runs a program over more rows than fit in memory, so many at a time.

mod agreement;
mod checkpoint;
mod columns;
#[cfg(any(test, fuzzing))]
pub(crate) mod noise;
mod operation;
mod progress;
mod release;
mod schedule;
mod session;
mod tiles;

pub use checkpoint::{Checkpoint, Epoch, Memory, SLOTS, Store};
pub use progress::{Observer, Phase, Report, Silent, Stopped, Watch};
pub use session::Session;
pub use tiles::{Rows, run_tiled};

use crate::domain::Values;
use crate::engine::{Backend, Failure, Io};
use crate::program::Program;

/// What a program gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What each [`Operation::Open`](crate::program::Operation::Open) opened, in order; nothing where it opened to another party.
    pub opened: Vec<Option<Values>>,
    /// This party's share of all that is given to the recipients ([`Backend::hand_out`]), where anything is.
    pub share: Option<Vec<u8>>,
}

/// Runs `program`. `lengths` are those of all inputs, in the order of [`Program::inputs`], agreed beforehand; `inputs` are this
/// party's own, nothing for the others'.
///
/// # Errors
/// Where inputs or lengths do not fit the program, and all that ends a session.
pub async fn run(
    program: &Program,
    backend: &dyn Backend,
    io: Io,
    lengths: &[usize],
    inputs: Vec<Option<Values>>,
) -> Result<Outcome, Failure> {
    Session::new(program, backend, lengths).run(io, inputs).await
}

#[cfg(test)]
mod tests;
