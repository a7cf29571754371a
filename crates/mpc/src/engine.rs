//! Runs one party of a computation: what it sends and awaits, round by round, whatever the protocol.
//!
//! A [`Party`] is sans-IO: it is stepped with the frames that arrived and hands out those to send. Inside, protocol code is
//! straight-line `async` over an [`Io`]: it suspends only to await a peer's bytes, and all operations that suspend in the
//! same round share one frame per peer. No executor is needed, and nothing but arrival wakes anything.

mod backend;
mod failure;
mod frame;
mod io;
mod join;
pub mod local;
mod party;

pub use backend::{
    Adversary, Backend, Capabilities, Checked, Column, Cost, Fut, Guarantee, Primitive, Scalar, Truncation, checked,
};
pub use failure::{Failure, Fault};
pub use frame::{Frame, MAX_FRAME};
pub use io::{Io, OpId, ReceiveSome};
pub use join::{join, join_all};
pub use party::{Party, Settings, Stats, Status};
