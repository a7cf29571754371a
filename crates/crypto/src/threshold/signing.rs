//! Signing in two rounds (RFC 9591 §5).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use frost_core::CheaterDetection;
use frost_ed25519::{self as frost, round1, round2};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

use super::{
    Error, Fault, GroupKey, KeyShare, MAX_PARTIES, SystemRandomness, check_senders, index_of, misbehaved, parse_each,
};
use crate::sign::labelled;
use crate::{Label, Signature};

/// A signer's secret nonces for one signature. [`sign`] consumes them, nothing copies or stores them: used twice, they
/// would give the key share away.
///
/// ```compile_fail
/// # use crypto::{threshold::*, Label};
/// fn twice(share: &KeyShare, nonces: Nonces, package: &Package) {
///     let _ = sign(share, nonces, package, Label::VERDICT, b"allow");
///     let _ = sign(share, nonces, package, Label::VERDICT, b"deny");
/// }
/// ```
pub struct Nonces(pub(super) round1::SigningNonces);

/// The public commitment to a signer's nonces: hiding ‖ binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Commitment(#[n(0)] pub Fixed<64>);

/// One signer's part of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Share(#[n(0)] pub Fixed<32>);

/// The commitments of all who sign together, by index.
pub type Package = BTreeMap<u16, Commitment>;

/// Round 1: fresh nonces, and the commitment that goes to the coordinator.
pub fn commit(share: &KeyShare) -> (Nonces, Commitment) {
    let (nonces, commitments) = round1::commit(share.package.signing_share(), &mut SystemRandomness);
    (Nonces(nonces), Commitment(to_bytes(&commitments)))
}

/// Round 2: this signer's part of the signature over `message` under `label`.
///
/// # Errors
/// [`Error::TooFew`], [`Error::Index`], [`Error::Altered`] when the package does not hold our own commitment,
/// [`Error::Misbehaved`] with those whose commitments are malformed. The nonces are gone in any case.
pub fn sign(share: &KeyShare, nonces: Nonces, package: &Package, label: Label, message: &[u8]) -> Result<Share, Error> {
    sign_raw(share, nonces, package, &labelled(label, message))
}

pub(super) fn sign_raw(share: &KeyShare, nonces: Nonces, package: &Package, message: &[u8]) -> Result<Share, Error> {
    let own = Commitment(to_bytes(nonces.0.commitments()));
    if package.get(&share.index) != Some(&own) {
        return Err(Error::Altered);
    }
    keep(own, *nonces.0.commitments());
    let package = to_frost(package, *share.package.min_signers(), share.parties, message)?;
    let signed = round2::sign(&package, &nonces.0, &share.package).map_err(|_| Error::Inconsistent)?;
    Ok(Share(Fixed::from_slice(&signed.serialize()).expect("a scalar has 32 bytes")))
}

/// Joins the parts to a signature that [`PublicKey::verify`](crate::PublicKey::verify) accepts.
///
/// # Errors
/// [`Error::Misbehaved`] with all whose parts are wrong; [`Error::Senders`] when parts and package do not belong
/// together; [`Error::TooFew`], [`Error::Index`].
pub fn aggregate(
    group: &GroupKey,
    package: &Package,
    shares: &BTreeMap<u16, Share>,
    label: Label,
    message: &[u8],
) -> Result<Signature, Error> {
    aggregate_raw(group, package, shares, &labelled(label, message))
}

pub(super) fn aggregate_raw(
    group: &GroupKey,
    package: &Package,
    shares: &BTreeMap<u16, Share>,
    message: &[u8],
) -> Result<Signature, Error> {
    let keys = group.to_frost()?;
    check_senders(package.keys().copied(), shares.keys().copied())?;
    let package = to_frost(package, group.threshold, keys.max_signers(), message)?;
    let shares = parse_each(shares, |share| round2::SignatureShare::deserialize(share.0.as_ref()).ok())?;
    let signature =
        frost_core::aggregate_custom(&package, &shares, &keys, CheaterDetection::AllCheaters).map_err(|error| {
            let culprits: Vec<u16> = error.culprits().into_iter().filter_map(index_of).collect();
            if culprits.is_empty() { Error::Inconsistent } else { misbehaved(culprits, Fault::SignatureShare) }
        })?;
    let bytes = signature.serialize().map_err(|_| Error::Inconsistent)?;
    let signature = Signature(Fixed::from_slice(&bytes).ok_or(Error::Inconsistent)?);
    // Strict verification is what everybody else will do.
    group.key.verify_raw(message, &signature).map_err(|_| Error::Inconsistent)?;
    Ok(signature)
}

fn to_frost(package: &Package, threshold: u16, parties: u16, message: &[u8]) -> Result<frost::SigningPackage, Error> {
    if let Some(&index) = package.keys().find(|index| **index == 0 || **index > parties.min(MAX_PARTIES)) {
        return Err(Error::Index { index });
    }
    if package.len() < usize::from(threshold) {
        return Err(Error::TooFew { found: package.len(), threshold });
    }
    Ok(frost::SigningPackage::new(parse_each(package, parse)?, message))
}

/// Commitments in FROST's form, the newest last: a coordinator that signs too needs each of them twice.
static KEPT: Mutex<VecDeque<(Commitment, round1::SigningCommitments)>> = Mutex::new(VecDeque::new());
const MAX_KEPT: usize = 64;

/// Every point is checked to lie in the prime-order group, which costs as much as a signature.
fn parse(commitment: &Commitment) -> Option<round1::SigningCommitments> {
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, parsed)) = kept.iter().rev().find(|(known, _)| known == commitment) {
        return Some(*parsed);
    }
    drop(kept);
    let (hiding, binding) = commitment.0.as_bytes().split_at(32);
    let hiding = round1::NonceCommitment::deserialize(hiding).ok()?;
    let parsed = round1::SigningCommitments::new(hiding, round1::NonceCommitment::deserialize(binding).ok()?);
    keep(*commitment, parsed);
    Some(parsed)
}

fn keep(commitment: Commitment, parsed: round1::SigningCommitments) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == MAX_KEPT {
        kept.pop_front();
    }
    kept.push_back((commitment, parsed));
}

pub(super) fn to_bytes(commitments: &round1::SigningCommitments) -> Fixed<64> {
    let mut bytes = [0; 64];
    let (hiding, binding) = bytes.split_at_mut(32);
    hiding.copy_from_slice(&commitments.hiding().serialize().expect("a random nonce is not zero"));
    binding.copy_from_slice(&commitments.binding().serialize().expect("a random nonce is not zero"));
    Fixed(bytes)
}
