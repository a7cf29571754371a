//! Carries a party's frames to its peers: over TLS 1.3 links between machines, between threads of one process, or through a
//! simulated network in virtual time.
//!
//! [`drive`] steps a [`Party`](crate::engine::Party) with what a [`Transport`] brings until it ends. Nothing here knows what a frame means; the
//! engine takes frames repeated or out of order, so that a transport owes it no more than each frame at least once.
//! `docs/spec/mpc/transport.md` gives the formats.
//!
//! - [`Gate`], [`Links`]: sockets. One gate serves all sessions of a node; links reconnect, and go through a third party where they cannot.
//! - [`threads`]: parties of one process.
//! - [`sim`]: whole sessions from one seed, with delay, loss, crashes and parties that lie.

mod drive;
mod gate;
mod inbox;
mod link;
mod links;
mod message;
#[cfg(any(test, fuzzing))]
pub(crate) mod noise;
mod pipe;
pub mod sim;
pub mod threads;
mod tls;

pub use drive::{Cancel, Control, End, Event, Meter, Progress, Transport, drive};
pub use gate::Gate;
pub use links::{Identify, Links, Peer, Refused, Settings, Timing};

#[cfg(test)]
mod tests;
