//! Sums of many light clients' vectors through one server, whoever drops out: `docs/spec/mpc/secagg.md`.
//!
//! SecAgg+ (Bell, Bonawitz, Gascón, Lepoint, Raykova: *Secure Single-Server Aggregation with (Poly)Logarithmic
//! Overhead*, CCS 2020, eprint 2020/704). Each client masks its vector with a mask of its own and with one for each of
//! its k neighbours on a sparse random graph, and shares the seeds of all among these neighbours. Whoever stays opens,
//! of each neighbour, the self mask if its vector came and the mask key if it did not; then all masks fall off the sum.
//!
//! What a client puts into its vector is not checked by anyone: one client can shift the sum by any amount.
//!
//! ```
//! use std::sync::Arc;
//! use crypto::{Label, Secret, SigningKey, hash};
//! use mpc::secagg::{Adversary, Client, Parameters, Server, Session, Threat};
//!
//! let threat = Threat { adversary: Adversary::Malicious, corrupt: 100, dropouts: 200, security: 40, correctness: 20 };
//! let parameters = Parameters::derive(10, &threat).unwrap();
//! let keys: Vec<_> = (0..10).map(|_| Arc::new(SigningKey::generate())).collect();
//! let roster = keys.iter().map(|key| key.public()).collect();
//! let (name, seed) = (hash(Label::SESSION, &[b"example"]), hash(Label::HEADER, &[b"a later block"]));
//! let session = Arc::new(Session::new(name, seed, parameters, roster, 2).unwrap());
//! let mut clients: Vec<_> =
//!     keys.into_iter().zip(0..).map(|(key, i)| Client::new(session.clone(), i, key).unwrap()).collect();
//! let mut server = Server::new(session);
//!
//! // Round 0: keys. Each later round: the server's message to a client, and its answer.
//! for (client, i) in clients.iter_mut().zip(0..) {
//!     server.accept(i, &client.advertise().unwrap()).unwrap();
//! }
//! server.close().unwrap();
//! for (client, i) in clients.iter_mut().zip(0..) {
//!     let message = server.message(i).unwrap();
//!     server.accept(i, &client.share(&message).unwrap()).unwrap();
//! }
//! server.close().unwrap();
//! // Client 9 drops out before its vector arrives.
//! for (client, i) in clients.iter_mut().zip(0..9) {
//!     let (message, input) = (server.message(i).unwrap(), Secret::new(vec![1, u64::from(i)]));
//!     server.accept(i, &client.mask(&message, &input).unwrap()).unwrap();
//! }
//! server.close().unwrap();
//! for (client, i) in clients.iter_mut().zip(0..9) {
//!     let message = server.message(i).unwrap();
//!     server.accept(i, &client.consent(&message).unwrap()).unwrap();
//! }
//! server.close().unwrap();
//! for (client, i) in clients.iter_mut().zip(0..9) {
//!     let message = server.message(i).unwrap();
//!     server.accept(i, &client.reveal(&message).unwrap()).unwrap();
//! }
//! assert_eq!(server.finish().unwrap().sum, [9, 36]);
//! ```

mod client;
mod keys;
mod mask;
mod message;
mod parameters;
mod server;
mod session;
mod set;
mod shamir;

use std::fmt;

pub use client::Client;
pub use message::Cost;
pub use parameters::{Adversary, MAX_CLIENTS, Parameters, Threat};
pub use server::{Outcome, Server};
pub use session::{MAX_LENGTH, Session};

use set::Set;

/// What a client does next, or the server takes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Round 0, AdvertiseKeys.
    Advertise,
    /// Round 1, ShareKeys.
    Share,
    /// Round 2, MaskedInputCollection.
    Mask,
    /// Round 3, ConsistencyCheck.
    Consent,
    /// Round 4, Unmasking.
    Reveal,
    /// Nothing more.
    Done,
}

/// Whom an error concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The server.
    Server,
    /// A client, by index.
    Client(u32),
    /// All clients together.
    Roster,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Client(client) => write!(f, "client {client}"),
            Self::Roster => f.write_str("the roster"),
        }
    }
}

/// Why a set of survivors hides too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Thin {
    /// Too few altogether.
    #[error("{found} survivors, at least {needed} are needed")]
    Few {
        /// Survivors.
        found: u32,
        /// Survivors needed.
        needed: u32,
    },
    /// Too few in a row of half the neighbours.
    #[error("{found} survivors in a row on the ring from place {place}, at least {needed} are needed")]
    Gap {
        /// First place of the row.
        place: u32,
        /// Survivors in it.
        found: u32,
        /// Survivors needed.
        needed: u32,
    },
}

/// A client whose secret cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whose secret.
    pub client: u32,
    /// Shares that came.
    pub found: u32,
    /// Shares needed.
    pub needed: u32,
}

/// Why a session cannot begin or go on; where a party is at fault, which.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Numbers that no session can have.
    #[error("no such session: {what}")]
    Parameters {
        /// What is wrong.
        what: &'static str,
    },
    /// A client that is not of the roster, or has not its key there.
    #[error("client {client} is not in the roster with this key")]
    Stranger {
        /// The index.
        client: u32,
    },
    /// A vector is not of the session's length.
    #[error("a vector of {found} values where the session has {expected}")]
    Length {
        /// Values found.
        found: usize,
        /// Values of the session.
        expected: u32,
    },
    /// A message is asked for, or comes, at another turn.
    #[error("{found:?} at the turn of {expected:?}")]
    OutOfTurn {
        /// The turn.
        expected: Turn,
        /// What was asked for.
        found: Turn,
    },
    /// Bytes are not a message of this protocol.
    #[error("{from} sent what is no message of this round: {source}")]
    Malformed {
        /// Who sent it.
        from: Party,
        /// What is wrong with the bytes.
        source: wire::Error,
    },
    /// A message of another session, round or version.
    #[error("{from} sent a message that is not of this session and round")]
    Misdirected {
        /// Who sent it.
        from: Party,
    },
    /// A list is not in index order, or a set is not of this roster.
    #[error("{from} sent a list that is not in order")]
    Unordered {
        /// Who sent it.
        from: Party,
    },
    /// A client's message does not hold one part for each of its neighbours, or one value for each place.
    #[error("client {from} sent a message of the wrong shape")]
    Unfit {
        /// Who sent it.
        from: u32,
    },
    /// A second message of a client in one round.
    #[error("client {client} already sent its message of this round")]
    Repeated {
        /// The client.
        client: u32,
    },
    /// A message of a client that dropped out in an earlier round.
    #[error("client {client} dropped out in an earlier round")]
    Dropped {
        /// The client.
        client: u32,
    },
    /// A message about two clients who are no neighbours.
    #[error("{from} sent something about client {client}, who does not belong there")]
    NoNeighbour {
        /// Who sent it.
        from: Party,
        /// Whom it is about.
        client: u32,
    },
    /// Keys that their client did not sign, or that are no keys.
    #[error("the keys of client {client} are not its own, or are none")]
    Keys {
        /// Whose keys they should be.
        client: u32,
    },
    /// Too few neighbours are left to hide behind.
    #[error("client {client} has {found} neighbours left, at least {needed} are needed")]
    TooFewNeighbours {
        /// The client that stops.
        client: u32,
        /// Neighbours left.
        found: u32,
        /// Neighbours needed.
        needed: u32,
    },
    /// A set of survivors that hides too little.
    #[error("{from}: {thin}")]
    TooThin {
        /// Who is at fault: the server that names such a set, or the roster that thinned out.
        from: Party,
        /// Why.
        thin: Thin,
    },
    /// The server left a client out although its vector came.
    #[error("the server's set of survivors leaves out client {client}, who is asked to consent to it")]
    Excluded {
        /// The client.
        client: u32,
    },
    /// The server names a survivor with whom this client was not let mask.
    #[error("the server names neighbour {client} a survivor, but withheld its keys or shares")]
    Unmasked {
        /// The neighbour.
        client: u32,
    },
    /// The server named two different sets of survivors, and would get both secrets of a client.
    #[error("the server named two different sets of survivors")]
    Equivocation,
    /// A signature is not the client's over this set of survivors.
    #[error("client {client} has not consented to this set of survivors")]
    Dissent {
        /// Whose signature it should be.
        client: u32,
    },
    /// A client revealed a share that is not what it was dealt.
    #[error("client {from} revealed a wrong share of client {dealer}")]
    WrongShare {
        /// Who lies.
        from: u32,
        /// Whose secret it is a share of.
        dealer: u32,
    },
    /// Too few clients are left.
    #[error("{turn:?}: {found} clients are left, at least {needed} are needed; missing are {missing:?}")]
    TooManyDropouts {
        /// The round.
        turn: Turn,
        /// Clients left.
        found: u32,
        /// Clients needed.
        needed: u32,
        /// Who is missing.
        missing: Vec<u32>,
    },
    /// Too few shares came to open a secret.
    #[error("too few shares came: {missing:?}")]
    Unrecoverable {
        /// Of which secrets.
        missing: Vec<Missing>,
    },
    /// A client's shares do not give what it announced.
    #[error("client {client} dealt shares that do not give its secret")]
    Misdealt {
        /// Who lied.
        client: u32,
    },
}

#[cfg(test)]
mod tests;
