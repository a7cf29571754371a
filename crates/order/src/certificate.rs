//! The validators' certificate that a slate is final, checkable without the engine.

use std::collections::BTreeSet;

use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::Finalization;
use commonware_cryptography::sha256;
use crypto::{Digest, Signature};
use minicbor::{Decode, Encode};
use wire::{Fixed, Limits};

use crate::committee::Committee;
use crate::slate::SlateHeader;

/// Proof that a slate is final, and with it what it says of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Certificate {
    /// The slate.
    #[n(0)]
    pub header: SlateHeader,
    /// The view in which it was voted on.
    #[n(1)]
    pub view: u64,
    /// The view of its parent.
    #[n(2)]
    pub parent_view: u64,
    /// Places of validators and their signatures, by increasing place.
    #[n(3)]
    pub votes: Vec<Vote>,
}

/// One validator's vote that a slate be final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Vote {
    /// The validator's place ([`Committee`]).
    #[n(0)]
    pub place: u64,
    /// Its signature.
    #[n(1)]
    pub signature: Signature,
}

impl Certificate {
    /// As the engine has it.
    pub(crate) fn of(header: SlateHeader, finalization: &Finalization<Scheme, sha256::Digest>) -> Option<Self> {
        let certificate = &finalization.certificate;
        let votes = certificate.signers.iter().zip(&certificate.signatures).map(|(signer, signature)| {
            let signature = Signature(Fixed::from_slice(signature.get()?.as_ref())?);
            Some(Vote { place: u64::from(signer.get()), signature })
        });
        let (view, parent_view) = (finalization.proposal.round.view().get(), finalization.proposal.parent.get());
        Some(Self { header, view, parent_view, votes: votes.collect::<Option<_>>()? })
    }

    /// Canonical CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// Reads [`Certificate::to_bytes`] from anybody; it is not verified yet.
    ///
    /// # Errors
    /// As [`wire::from_slice`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, wire::Error> {
        wire::from_slice(bytes, Limits::small())
    }

    /// What the validators signed: namespace and proposal (`docs/spec/ordering.md`).
    pub fn signed(&self) -> Vec<u8> {
        let namespace = format!("sottovoce/v1/order/{}_FINALIZE", self.header.chain);
        let mut message = Vec::new();
        varint(namespace.len() as u64, &mut message);
        message.extend_from_slice(namespace.as_bytes());
        [self.header.epoch, self.view, self.parent_view].into_iter().for_each(|number| varint(number, &mut message));
        message.extend_from_slice(self.header.digest().as_ref());
        message
    }

    /// Verifies that a quorum of the committee signed; strictly, so that every reader agrees.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, committee: &Committee) -> Result<(), CertificateError> {
        let (chain, epoch) = (self.header.chain, self.header.epoch);
        if chain != committee.chain() {
            return Err(CertificateError::Chain { found: chain, expected: committee.chain() });
        }
        if epoch != committee.epoch() {
            return Err(CertificateError::Epoch { found: epoch, expected: committee.epoch() });
        }
        if self.votes.windows(2).any(|pair| pair[0].place >= pair[1].place) {
            return Err(CertificateError::Unordered);
        }
        let message = self.signed();
        let mut places = BTreeSet::new();
        for Vote { place, signature } in &self.votes {
            let refused = || CertificateError::Vote { place: *place };
            let validator = usize::try_from(*place).ok().and_then(|at| committee.at(at)).ok_or_else(refused)?;
            validator.key.verify_raw(&message, signature).map_err(|_| refused())?;
            places.insert(*place);
        }
        match places.len() {
            found if found < committee.quorum() => {
                Err(CertificateError::NoQuorum { found, expected: committee.quorum() })
            }
            _ => Ok(()),
        }
    }
}

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Of another chain.
    #[error("the certificate is of chain {found}, expected {expected}")]
    Chain {
        /// Chain found.
        found: Digest,
        /// Chain expected.
        expected: Digest,
    },
    /// Of another epoch.
    #[error("the certificate is of epoch {found}, these are the validators of epoch {expected}")]
    Epoch {
        /// Epoch found.
        found: u64,
        /// Epoch expected.
        expected: u64,
    },
    /// Votes are not by increasing place.
    #[error("the votes are not by increasing place")]
    Unordered,
    /// A vote by nobody, or one that does not verify.
    #[error("the vote of the validator at place {place} does not verify")]
    Vote {
        /// The place.
        place: u64,
    },
    /// Too few votes.
    #[error("{found} votes where {expected} are a quorum")]
    NoQuorum {
        /// Votes found.
        found: usize,
        /// Votes needed.
        expected: usize,
    },
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
