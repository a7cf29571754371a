//! Distributed key generation: two rounds, no dealer.

use std::collections::BTreeMap;

use frost_ed25519::keys::dkg::{self, round1, round2};
use frost_ed25519::keys::{SigningShare, VerifiableSecretSharingCommitment};
use frost_ed25519::{self as frost};
use minicbor::{Decode, Encode};
use wire::{Fixed, Limits};

use super::{
    Error, Fault, GroupKey, KeyShare, Parameters, SystemRandomness, check_senders, identifier, index_of, misbehaved,
    parse_each,
};
use crate::{Digest, Label, Secret, hash};

/// Longest broadcast in bytes: 64 commitments and a proof, with their heads.
const BROADCAST: usize = 4 * 1024;

/// Round 1 as broadcast: commitments to the coefficients of a party's polynomial, and proof that it knows the first.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Broadcast {
    #[n(0)]
    commitments: Vec<Fixed<32>>,
    #[n(1)]
    proof: Fixed<64>,
}

impl Parameters {
    /// Round 1 (Figure 1, round 1, steps 1 to 4): chooses a secret polynomial; the bytes go to every party.
    ///
    /// # Errors
    /// [`Error::Index`] unless `1 <= index <= parties`.
    pub fn deal(self, index: u16) -> Result<(Dealt, Vec<u8>), Error> {
        if index == 0 || index > self.parties {
            return Err(Error::Index { index });
        }
        let (secret, package) = dkg::part1(identifier(index)?, self.parties, self.threshold, SystemRandomness)
            .map_err(|_| Error::Inconsistent)?;
        let commitments = package.commitment().serialize().map_err(|_| Error::Inconsistent)?;
        let commitments =
            commitments.iter().map(|bytes| Fixed::from_slice(bytes).expect("a point has 32 bytes")).collect();
        let proof = package.proof_of_knowledge().serialize().map_err(|_| Error::Inconsistent)?;
        let proof = Fixed::from_slice(&proof).expect("a Schnorr proof has 64 bytes");
        let broadcast = wire::to_vec(&Broadcast { commitments, proof });
        Ok((Dealt { parameters: self, index, secret, broadcast: broadcast.clone() }, broadcast))
    }
}

/// The secrets of round 2, 32 bytes each, by the other party's index.
pub type Secrets = BTreeMap<u16, Secret<Vec<u8>>>;

/// A party that has broadcast and waits for the others' broadcasts.
pub struct Dealt {
    parameters: Parameters,
    index: u16,
    secret: round1::SecretPackage,
    broadcast: Vec<u8>,
}

impl Dealt {
    /// Round 2 (Figure 1, round 1 step 5 and round 2 step 1): checks all broadcasts, one's own among them, and yields a
    /// 32-byte secret for each other party, to be encrypted to it with [`Distributed::transcript`] bound in.
    ///
    /// # Errors
    /// [`Error::Senders`], [`Error::Altered`], or [`Error::Misbehaved`] with the culprits.
    pub fn distribute(self, broadcasts: &BTreeMap<u16, Vec<u8>>) -> Result<(Distributed, Secrets), Error> {
        let Self { parameters, index, secret, broadcast } = self;
        check_senders(1..=parameters.parties, broadcasts.keys().copied())?;
        if broadcasts[&index] != broadcast {
            return Err(Error::Altered);
        }
        let others = broadcasts.iter().filter(|(sender, _)| **sender != index);
        let packages = parse_each(others, |bytes| parse_broadcast(bytes, parameters.threshold))?;
        let (secret, outgoing) = dkg::part2(secret, &packages).map_err(|error| blame(&error, Fault::Proof))?;
        let outgoing = outgoing
            .into_iter()
            .map(|(receiver, package)| {
                let receiver = index_of(receiver).expect("FROST answers the parties it was given");
                (receiver, Secret::new(package.signing_share().serialize()))
            })
            .collect();
        let transcript = transcript(&parameters, broadcasts);
        Ok((Distributed { parameters, index, secret, packages, transcript }, outgoing))
    }
}

/// A party that has sent its secrets and waits for the others'.
pub struct Distributed {
    parameters: Parameters,
    index: u16,
    secret: round2::SecretPackage,
    packages: BTreeMap<frost::Identifier, round1::Package>,
    transcript: Digest,
}

impl Distributed {
    /// Digest of parameters and broadcasts. Bound into the encryption of the secrets of round 2, it makes the run fail
    /// where a party told different parties different things.
    pub const fn transcript(&self) -> Digest {
        self.transcript
    }

    /// The end (Figure 1, round 2, steps 2 to 4): checks the secrets received from all other parties against their
    /// broadcasts.
    ///
    /// # Errors
    /// [`Error::Senders`], or [`Error::Misbehaved`] with the culprits.
    pub fn finish(self, received: &Secrets) -> Result<(KeyShare, GroupKey), Error> {
        let Self { parameters, index, secret, packages, .. } = self;
        check_senders((1..=parameters.parties).filter(|sender| *sender != index), received.keys().copied())?;
        let received = parse_each(received, |bytes| {
            // Parsed into FROST's own secret type.
            bytes.expose(|bytes| SigningShare::deserialize(bytes)).ok().map(round2::Package::new)
        })?;
        let (share, group) =
            dkg::part3(&secret, &packages, &received).map_err(|error| blame(&error, Fault::SecretShare))?;
        Ok((KeyShare::new(index, parameters.parties, share), GroupKey::from_frost(&group)?))
    }
}

fn parse_broadcast(bytes: &[u8], threshold: u16) -> Option<round1::Package> {
    let broadcast: Broadcast = wire::from_slice(bytes, Limits { bytes: BROADCAST, depth: 2 }).ok()?;
    if broadcast.commitments.len() != usize::from(threshold) {
        return None;
    }
    let commitments = VerifiableSecretSharingCommitment::deserialize(broadcast.commitments).ok()?;
    Some(round1::Package::new(commitments, frost::Signature::deserialize(broadcast.proof.as_ref()).ok()?))
}

fn blame(error: &frost::Error, fault: Fault) -> Error {
    let culprits: Vec<u16> = error.culprits().into_iter().filter_map(index_of).collect();
    if culprits.is_empty() { Error::Inconsistent } else { misbehaved(culprits, fault) }
}

/// `H(DKG, [session, threshold, parties, broadcast 1, …, broadcast n])`, numbers as u16 big-endian.
fn transcript(parameters: &Parameters, broadcasts: &BTreeMap<u16, Vec<u8>>) -> Digest {
    let (threshold, parties) = (parameters.threshold.to_be_bytes(), parameters.parties.to_be_bytes());
    let mut parts: Vec<&[u8]> = vec![parameters.session.as_ref(), &threshold, &parties];
    parts.extend(broadcasts.values().map(Vec::as_slice));
    hash(Label::DKG, &parts)
}
