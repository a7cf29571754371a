//! One Ed25519 key among several parties: any `threshold` of them sign, fewer learn nothing.
//!
//! FROST(Ed25519, SHA-512) of RFC 9591 over a key that no one ever held, made by the distributed key generation of the
//! FROST paper (Komlo, Goldberg, eprint 2020/852, Figure 1). The signature is an ordinary labelled Ed25519 signature.
//! Nothing here sends or waits: messages go out as return values and come in as arguments; who encrypts and
//! authenticates them is in `docs/spec/threshold.md`.
//!
//! Public: [`Parameters`] of a key generation, its two steps [`Dealt`] and [`Distributed`], what they leave behind
//! ([`KeyShare`], [`GroupKey`]), and signing by [`commit`], [`sign`] and [`aggregate`].
//!
//! ```
//! use std::collections::BTreeMap;
//! use crypto::threshold::{aggregate, commit, sign, Package, Parameters};
//! use crypto::{sha256, Label};
//!
//! let parameters = Parameters::new(sha256(&[b"oracles, epoch 1"]), 2, 3)?;
//! // Round 1: everybody broadcasts; round 2: everybody sends a secret to each other party.
//! let (dealt, broadcasts): (Vec<_>, Vec<_>) = (1..=3).map(|index| parameters.deal(index).unwrap()).unzip();
//! let broadcasts: BTreeMap<u16, _> = (1..).zip(broadcasts).collect();
//! let (waiting, mut sent): (Vec<_>, Vec<_>) = dealt.into_iter().map(|party| party.distribute(&broadcasts).unwrap()).unzip();
//! let (mut shares, mut group) = (Vec::new(), None);
//! for (index, party) in (1..).zip(waiting) {
//!     let received = (1..).zip(&mut sent).filter_map(|(sender, sent)| Some((sender, sent.remove(&index)?))).collect();
//!     let (share, key) = party.finish(&received)?;
//!     shares.push(share);
//!     group = Some(key);
//! }
//! let group = group.unwrap();
//!
//! // Parties 1 and 3 sign.
//! let (nonces, commitments): (Vec<_>, Vec<_>) = [&shares[0], &shares[2]].map(commit).into_iter().unzip();
//! let package: Package = [1, 3].into_iter().zip(commitments).collect();
//! let signed = [&shares[0], &shares[2]].into_iter().zip(nonces).map(|(share, nonces)| {
//!     (share.index(), sign(share, nonces, &package, Label::VERDICT, b"allow").unwrap())
//! }).collect();
//! let signature = aggregate(&group, &package, &signed, Label::VERDICT, b"allow")?;
//! assert!(group.key.verify(Label::VERDICT, b"allow", &signature).is_ok());
//! # Ok::<(), crypto::threshold::Error>(())
//! ```

use frost_ed25519 as frost;

use crate::Digest;

mod generation;
mod key;
mod signing;
#[cfg(test)]
mod tests;

pub use generation::{Dealt, Distributed, Secrets};
pub use key::{GroupKey, KeyShare};
pub use signing::{Commitment, Nonces, Package, Share, aggregate, commit, sign};

/// Most parties of a group.
pub const MAX_PARTIES: u16 = 64;

/// What all parties of a key generation agree on beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    session: Digest,
    threshold: u16,
    parties: u16,
}

impl Parameters {
    /// `session` names this run and no other; `threshold` of `parties` will sign, `2 <= threshold <= parties <= 64`.
    ///
    /// # Errors
    /// [`Error::Parameters`].
    pub const fn new(session: Digest, threshold: u16, parties: u16) -> Result<Self, Error> {
        if threshold < 2 || threshold > parties || parties > MAX_PARTIES {
            return Err(Error::Parameters { threshold, parties });
        }
        Ok(Self { session, threshold, parties })
    }

    /// How many must sign.
    pub const fn threshold(&self) -> u16 {
        self.threshold
    }

    /// How many hold a share.
    pub const fn parties(&self) -> u16 {
        self.parties
    }
}

/// Why a key generation or a signature did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such group.
    #[error("{threshold} of {parties} parties cannot be: 2 <= threshold <= parties <= 64")]
    Parameters {
        /// Threshold asked for.
        threshold: u16,
        /// Parties asked for.
        parties: u16,
    },
    /// An index outside the group.
    #[error("there is no party {index}")]
    Index {
        /// The index.
        index: u16,
    },
    /// Messages are missing or too many.
    #[error("messages of parties {expected:?} are needed, those of {found:?} are there")]
    Senders {
        /// Indexes that should have sent.
        expected: Vec<u16>,
        /// Indexes that did.
        found: Vec<u16>,
    },
    /// Too few parties for a signature.
    #[error("{found} parties do not reach the threshold of {threshold}")]
    TooFew {
        /// Parties taking part.
        found: usize,
        /// Parties needed.
        threshold: u16,
    },
    /// These parties sent something that no honest party sends.
    #[error("parties {culprits:?} sent {fault}")]
    Misbehaved {
        /// Their indexes, ascending.
        culprits: Vec<u16>,
        /// What they sent.
        fault: Fault,
    },
    /// One's own message came back altered, or the package holds another commitment than one's own.
    #[error("another party's copy of our own message differs from what we sent")]
    Altered,
    /// Everything checks one by one and still does not fit together, or stored key material is damaged.
    #[error("the key material does not fit together")]
    Inconsistent,
}

/// What a party did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Bytes that are no such message.
    #[error("a malformed message")]
    Malformed,
    /// A proof of knowledge that does not hold.
    #[error("a wrong proof of knowledge")]
    Proof,
    /// A secret share that does not match what its sender broadcast.
    #[error("a secret share that contradicts its broadcast")]
    SecretShare,
    /// A signature share that does not verify.
    #[error("a wrong signature share")]
    SignatureShare,
}

fn misbehaved(culprits: Vec<u16>, fault: Fault) -> Error {
    Error::Misbehaved { culprits, fault }
}

/// The scalar by which FROST knows a party.
fn identifier(index: u16) -> Result<frost::Identifier, Error> {
    if index > MAX_PARTIES {
        return Err(Error::Index { index });
    }
    frost::Identifier::try_from(index).map_err(|_| Error::Index { index })
}

/// The party of a FROST identifier.
fn index_of(wanted: frost::Identifier) -> Option<u16> {
    (1..=MAX_PARTIES).find(|index| identifier(*index).is_ok_and(|found| found == wanted))
}

/// Fails unless exactly the expected parties sent.
fn check_senders(expected: impl Iterator<Item = u16>, found: impl Iterator<Item = u16>) -> Result<(), Error> {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.collect(), found.collect());
    if expected == found { Ok(()) } else { Err(Error::Senders { expected, found }) }
}

/// Parses each party's message, naming all whose message is malformed.
fn parse_each<'a, M: 'a, T>(
    messages: impl IntoIterator<Item = (&'a u16, &'a M)>,
    parse: impl Fn(&M) -> Option<T>,
) -> Result<std::collections::BTreeMap<frost::Identifier, T>, Error> {
    let (mut parsed, mut culprits) = (std::collections::BTreeMap::new(), Vec::new());
    for (&index, message) in messages {
        match parse(message) {
            Some(value) => drop(parsed.insert(identifier(index)?, value)),
            None => culprits.push(index),
        }
    }
    if culprits.is_empty() { Ok(parsed) } else { Err(misbehaved(culprits, Fault::Malformed)) }
}

/// The operating system's randomness, in the form that FROST asks for.
struct SystemRandomness;

impl frost::rand_core::RngCore for SystemRandomness {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(crate::random())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(crate::random())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), frost::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl frost::rand_core::CryptoRng for SystemRandomness {}
