//! A key that agents hold together and nobody alone: how it is made, handed on, and used to open what is wrapped under it.
//!
//! TDH2 of Shoup and Gennaro (Journal of Cryptology 15, 2002, section 4) over ristretto255, Feldman's verifiable secret sharing for the
//! key generation, and the same for resharing (Desmedt and Jajodia 1997; Herzberg and others 1995). The format page is
//! `docs/spec/escrow.md`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use crypto::escrow::{Origin, Polynomial, Round, Share, Wrap, combine};
//! use crypto::{Secret, sha256};
//!
//! // Three agents make a key of which two are needed.
//! let round = Round::new(sha256(&[b"session"]), 2, 3)?;
//! let dealers: BTreeMap<u16, Polynomial> = (1..=3).map(|index| (index, Polynomial::fresh(&round))).collect();
//! let dealings = dealers.iter().map(|(index, secret)| (*index, secret.dealing(&round, *index))).collect();
//! let group = round.join(Origin::Fresh, &dealings)?;
//! let shares: Vec<Share> = (1..=3).map(|index| {
//!     let parts = dealers.iter().map(|(dealer, secret)| (*dealer, secret.part(index))).collect();
//!     round.assemble(Origin::Fresh, index, &parts, &group)
//! }).collect::<Result<_, _>>()?;
//!
//! // Anybody wraps a data key for an object; whoever has the data key makes the same wrap again.
//! let (object, key) = (sha256(&[b"object"]), Secret::new([7; 32]));
//! let wrap = Wrap::seal(&group.key, &object, &key)?;
//! assert_eq!(wrap, Wrap::seal(&group.key, &object, &key)?);
//!
//! // Agents 1 and 3 open it, for this authorisation.
//! let context = sha256(&[b"authorisation"]);
//! let partials = [&shares[0], &shares[2]].map(|share| share.open(&wrap, &object, &context).unwrap());
//! let opened = combine(&group, &wrap, &object, &context, &partials)?;
//! assert!(opened.expose(|bytes| *bytes == [7; 32]));
//! # Ok::<(), crypto::escrow::Error>(())
//! ```

use std::collections::BTreeMap;
use std::sync::LazyLock;

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity as _;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

use crate::{Digest, Label, hash};

mod sharing;
#[cfg(test)]
mod tests;
mod wrap;

pub use sharing::{Dealing, Group, Origin, Polynomial, Round, Share};
pub use wrap::{Partial, Wrap, combine};

/// Most agents of an escrow key.
pub const MAX_AGENTS: u16 = 16;

/// The public key of a group of agents: a ristretto255 point. That it is one, and not the identity, shows when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct EscrowKey(#[n(0)] pub Fixed<32>);

impl std::fmt::Display for EscrowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for EscrowKey {
    type Err = wire::text::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why something of an escrow key was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such group.
    #[error("{threshold} of {agents} agents cannot be: 2 <= threshold <= agents <= {MAX_AGENTS}")]
    Parameters {
        /// Threshold asked for.
        threshold: u16,
        /// Agents asked for.
        agents: u16,
    },
    /// There is no such agent.
    #[error("there is no agent {0}")]
    Index(u16),
    /// Bytes that are no point of the group, the identity, or no reduced scalar.
    #[error("{0} is no canonical element of the group, or the neutral one")]
    Element(&'static str),
    /// A dealing does not have as many commitments as the threshold.
    #[error("a dealing has {expected} commitments, this one {found}")]
    Commitments {
        /// As many as the threshold.
        expected: u16,
        /// How many there are.
        found: usize,
    },
    /// The dealer does not show that it knows what it shares.
    #[error("the dealing's proof does not hold")]
    Proof,
    /// An agent deals another share than its own.
    #[error("the dealing is not of the share that agent {0} has")]
    OtherShare(u16),
    /// A part contradicts the dealing that it is of.
    #[error("the part does not fit the dealing")]
    Part,
    /// Fewer than needed.
    #[error("{found} are there, {needed} are needed")]
    TooFew {
        /// How many are there.
        found: usize,
        /// How many are needed.
        needed: u16,
    },
    /// The wrap is not made by whoever claims to know what is in it, or was made for another object.
    #[error("the wrap does not hold for this object")]
    Wrap,
    /// The wrap is for another key.
    #[error("the wrap is for another escrow key")]
    OtherKey,
    /// An agent's partial opening is wrong.
    #[error("the partial openings of agents {0:?} are wrong")]
    Partials(Vec<u16>),
    /// The wrap is sound by itself and holds no data key from which it was made.
    #[error("the wrap was not made from the data key in it")]
    NotDerived,
    /// What is stored or what was put together does not fit.
    #[error("the key material does not fit together")]
    Inconsistent,
}

/// `H(escrow, [purpose ‖ 0, …]) ‖ H(escrow, [purpose ‖ 1, …])`.
fn wide(purpose: &str, parts: &[&[u8]]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (number, half) in (0u8..).zip(bytes.chunks_mut(32)) {
        let purpose = [purpose.as_bytes(), &[number]].concat();
        let parts: Vec<&[u8]> = std::iter::once(purpose.as_slice()).chain(parts.iter().copied()).collect();
        half.copy_from_slice(hash(Label::ESCROW, &parts).as_ref());
    }
    bytes
}

/// A challenge of a proof.
fn challenge(purpose: &str, parts: &[&[u8]]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&wide(purpose, parts))
}

/// A fresh secret scalar.
fn random_scalar() -> Scalar {
    let bytes = zeroize::Zeroizing::new(crate::random::<64>());
    Scalar::from_bytes_mod_order_wide(&bytes)
}

/// The second generator, of which nobody knows the logarithm.
static TWIN: LazyLock<RistrettoPoint> = LazyLock::new(|| RistrettoPoint::from_uniform_bytes(&wide("generator", &[])));

fn encode(point: &RistrettoPoint) -> Fixed<32> {
    Fixed(point.compress().to_bytes())
}

/// Reads a point other than the identity.
fn point(name: &'static str, bytes: &Fixed<32>) -> Result<RistrettoPoint, Error> {
    let point = CompressedRistretto(*bytes.as_bytes()).decompress().filter(|point| !point.is_identity());
    point.ok_or(Error::Element(name))
}

/// Reads a scalar below the group's order.
fn scalar(name: &'static str, bytes: [u8; 32]) -> Result<Scalar, Error> {
    Option::from(Scalar::from_canonical_bytes(bytes)).ok_or(Error::Element(name))
}

/// The factor of `index` in the interpolation at zero over `indexes`, which are distinct and not zero.
fn lagrange(index: u16, indexes: impl Iterator<Item = u16>) -> Scalar {
    let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
    for other in indexes.filter(|other| *other != index) {
        above *= Scalar::from(other);
        below *= Scalar::from(other) - Scalar::from(index);
    }
    above * below.invert()
}

/// Fails unless all indexes are from 1 to `agents`.
fn check_indexes<T>(of: &BTreeMap<u16, T>, agents: u16) -> Result<(), Error> {
    match of.keys().find(|index| !(1..=agents).contains(*index)) {
        Some(index) => Err(Error::Index(*index)),
        None => Ok(()),
    }
}

/// What a proof is made in, as bytes.
fn context_of(session: &Digest, index: u16) -> Vec<u8> {
    [session.as_ref(), &index.to_be_bytes()].concat()
}
