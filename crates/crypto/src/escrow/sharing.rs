//! How the key is shared for the first time, and handed on.

use std::collections::BTreeMap;
use std::fmt;

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity as _, IsIdentity as _, VartimeMultiscalarMul as _};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    Error, EscrowKey, MAX_AGENTS, challenge, check_indexes, context_of, encode, lagrange, point, random_scalar, scalar,
};
use crate::{Digest, Secret};

/// A group of agents as everybody knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The key under which data keys are wrapped.
    #[n(0)]
    pub key: EscrowKey,
    /// How many agents open.
    #[n(1)]
    pub threshold: u16,
    /// The public half of each agent's share, by index from 1.
    #[n(2)]
    pub shares: Vec<Fixed<32>>,
}

impl Group {
    /// How many agents there are.
    pub fn agents(&self) -> u16 {
        u16::try_from(self.shares.len()).unwrap_or(u16::MAX)
    }

    /// The public half of an agent's share.
    pub(super) fn share(&self, index: u16) -> Result<RistrettoPoint, Error> {
        let at = index.checked_sub(1).ok_or(Error::Index(index))?;
        point("a public share", self.shares.get(usize::from(at)).ok_or(Error::Index(index))?)
    }
}

/// What the dealers share: each a number of its own, whose sum is a new key, or each its share of a key that there is.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A new key.
    Fresh,
    /// The key of this group, whose agents are the dealers.
    Of(&'a Group),
}

/// One run in which agents come to hold a key: for the first time, or from those that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    session: Digest,
    threshold: u16,
    agents: u16,
}

impl Round {
    /// `session` names this run and no other; `threshold` of `agents` will open, `2 <= threshold <= agents <= 16`.
    ///
    /// # Errors
    /// [`Error::Parameters`].
    pub const fn new(session: Digest, threshold: u16, agents: u16) -> Result<Self, Error> {
        if threshold < 2 || threshold > agents || agents > MAX_AGENTS {
            return Err(Error::Parameters { threshold, agents });
        }
        Ok(Self { session, threshold, agents })
    }

    /// How many dealers there are.
    fn dealers(&self, origin: Origin<'_>) -> u16 {
        match origin {
            Origin::Fresh => self.agents,
            Origin::Of(group) => group.agents(),
        }
    }

    /// How many dealings it takes: more than there can be corrupt dealers.
    pub const fn needed(&self, origin: Origin<'_>) -> u16 {
        match origin {
            Origin::Fresh => self.threshold,
            Origin::Of(group) => group.threshold,
        }
    }

    /// Whether a dealer's dealing is sound: as many commitments as the threshold, the proof, and that it is of the share which the dealer
    /// has where it hands one on.
    ///
    /// # Errors
    /// [`Error::Index`], [`Error::Commitments`], [`Error::Element`], [`Error::Proof`], [`Error::OtherShare`].
    pub fn check(&self, origin: Origin<'_>, dealer: u16, dealing: &Dealing) -> Result<(), Error> {
        if !(1..=self.dealers(origin)).contains(&dealer) {
            return Err(Error::Index(dealer));
        }
        let points = dealing.points(self.threshold)?;
        if let Origin::Of(group) = origin
            && group.share(dealer)? != points[0]
        {
            return Err(Error::OtherShare(dealer));
        }
        let (e, f) = halves(&dealing.proof)?;
        let nonce = RistrettoPoint::vartime_double_scalar_mul_basepoint(&-e, &points[0], &f);
        if self.challenge(dealer, &dealing.commitments, &nonce) == e { Ok(()) } else { Err(Error::Proof) }
    }

    /// Whether a part is what the dealing has for an agent.
    ///
    /// # Errors
    /// [`Error::Part`] where it is not; [`Error::Index`], [`Error::Commitments`], [`Error::Element`].
    pub fn check_part(&self, dealing: &Dealing, agent: u16, part: &Secret<[u8; 32]>) -> Result<(), Error> {
        if !(1..=self.agents).contains(&agent) {
            return Err(Error::Index(agent));
        }
        let expected = evaluate(&dealing.points(self.threshold)?, agent);
        // The scalar is wiped after use, and its point is no secret: the dealing has it.
        let part = Zeroizing::new(part.expose(|bytes| scalar("a part", *bytes))?);
        if RistrettoPoint::mul_base(&part) == expected { Ok(()) } else { Err(Error::Part) }
    }

    /// The group that these dealings make; all its public shares follow from the dealings alone. Where a key is handed on it stays the same.
    ///
    /// # Errors
    /// Those of [`Round::check`], [`Error::TooFew`]; [`Error::Element`] where the sum is the neutral element.
    pub fn join(&self, origin: Origin<'_>, dealings: &BTreeMap<u16, Dealing>) -> Result<Group, Error> {
        self.check_count(origin, dealings)?;
        let mut sum = vec![RistrettoPoint::identity(); usize::from(self.threshold)];
        for (dealer, dealing) in dealings {
            self.check(origin, *dealer, dealing)?;
            let factor = self.factor(origin, *dealer, dealings.keys().copied());
            for (sum, point) in sum.iter_mut().zip(dealing.points(self.threshold)?) {
                *sum += RistrettoPoint::vartime_multiscalar_mul([factor], [point]);
            }
        }
        let shares: Vec<RistrettoPoint> = (1..=self.agents).map(|agent| evaluate(&sum, agent)).collect();
        if sum[0].is_identity() || shares.iter().any(|share| share.is_identity()) {
            return Err(Error::Element("the sum of the dealings"));
        }
        let key = EscrowKey(encode(&sum[0]));
        if let Origin::Of(group) = origin
            && group.key != key
        {
            return Err(Error::Inconsistent);
        }
        Ok(Group { key, threshold: self.threshold, shares: shares.iter().map(encode).collect() })
    }

    /// An agent's share, from its parts of the very dealings that made the group.
    ///
    /// # Errors
    /// [`Error::TooFew`], [`Error::Index`], [`Error::Element`]; [`Error::Inconsistent`] where the share is not the one of the group.
    pub fn assemble(
        &self,
        origin: Origin<'_>,
        agent: u16,
        parts: &BTreeMap<u16, Secret<[u8; 32]>>,
        group: &Group,
    ) -> Result<Share, Error> {
        self.check_count(origin, parts)?;
        let mut sum = Zeroizing::new(Scalar::ZERO);
        for (dealer, part) in parts {
            // The scalar is wiped after use.
            let part = Zeroizing::new(part.expose(|bytes| scalar("a part", *bytes))?);
            *sum += self.factor(origin, *dealer, parts.keys().copied()) * *part;
        }
        let share = Share { index: agent, key: group.key, scalar: sum };
        if share.fits(group) { Ok(share) } else { Err(Error::Inconsistent) }
    }

    fn check_count<T>(&self, origin: Origin<'_>, of: &BTreeMap<u16, T>) -> Result<(), Error> {
        check_indexes(of, self.dealers(origin))?;
        let needed = self.needed(origin);
        if of.len() < usize::from(needed) {
            return Err(Error::TooFew { found: of.len(), needed });
        }
        Ok(())
    }

    fn factor(&self, origin: Origin<'_>, dealer: u16, dealers: impl Iterator<Item = u16>) -> Scalar {
        match origin {
            Origin::Fresh => Scalar::ONE,
            Origin::Of(_) => lagrange(dealer, dealers),
        }
    }

    fn challenge(&self, dealer: u16, commitments: &[Fixed<32>], nonce: &RistrettoPoint) -> Scalar {
        let (threshold, agents) = (self.threshold.to_be_bytes(), self.agents.to_be_bytes());
        let (context, nonce) = (context_of(&self.session, dealer), encode(nonce));
        let all: Vec<u8> = commitments.iter().flat_map(|one| *one.as_bytes()).collect();
        challenge("dealing", &[&context, &threshold, &agents, &all, nonce.as_ref()])
    }
}

/// What a dealer chose, and shares: a polynomial. Wiped on drop.
pub struct Polynomial(Zeroizing<Vec<Scalar>>);

impl Polynomial {
    /// A polynomial for a new key.
    pub fn fresh(round: &Round) -> Self {
        Self::of(round, random_scalar())
    }

    /// A polynomial that hands a share on.
    pub fn handing_on(round: &Round, share: &Share) -> Self {
        Self::of(round, *share.scalar)
    }

    fn of(round: &Round, first: Scalar) -> Self {
        // Room for all of it: growing would leave copies behind.
        let mut coefficients = Zeroizing::new(Vec::with_capacity(usize::from(round.threshold)));
        coefficients.push(first);
        coefficients.extend((1..round.threshold).map(|_| random_scalar()));
        Self(coefficients)
    }

    /// What everybody gets to see.
    pub fn dealing(&self, round: &Round, dealer: u16) -> Dealing {
        let commitments: Vec<Fixed<32>> = self.0.iter().map(|one| encode(&RistrettoPoint::mul_base(one))).collect();
        let nonce = Zeroizing::new(random_scalar());
        let e = round.challenge(dealer, &commitments, &RistrettoPoint::mul_base(&nonce));
        let f = *nonce + e * self.0[0];
        let mut proof = [0; 64];
        proof[..32].copy_from_slice(e.as_bytes());
        proof[32..].copy_from_slice(f.as_bytes());
        Dealing { commitments, proof: Fixed(proof) }
    }

    /// The part that only this agent gets to see.
    pub fn part(&self, agent: u16) -> Secret<[u8; 32]> {
        let at = Scalar::from(agent);
        let mut value = Zeroizing::new(Scalar::ZERO);
        for coefficient in self.0.iter().rev() {
            *value = *value * at + coefficient;
        }
        Secret::new(value.to_bytes())
    }

    /// The coefficients for a key store, 32 bytes each.
    pub fn to_secret(&self) -> Secret<Vec<u8>> {
        let mut bytes = Vec::with_capacity(32 * self.0.len());
        self.0.iter().for_each(|one| bytes.extend_from_slice(one.as_bytes()));
        Secret::new(bytes)
    }

    /// Reads what [`Polynomial::to_secret`] wrote.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] for any other bytes.
    pub fn from_secret(secret: &Secret<Vec<u8>>) -> Result<Self, Error> {
        // Into a type that is wiped as well.
        secret.expose(|bytes| {
            let pieces = bytes.chunks_exact(32);
            if bytes.len() < 64 || bytes.len() > 32 * usize::from(MAX_AGENTS) || !pieces.remainder().is_empty() {
                return Err(Error::Inconsistent);
            }
            let mut coefficients = Zeroizing::new(Vec::with_capacity(pieces.len()));
            for piece in pieces {
                let mut bytes: [u8; 32] = piece.try_into().map_err(|_| Error::Inconsistent)?;
                coefficients.push(scalar("a coefficient", bytes).map_err(|_| Error::Inconsistent)?);
                bytes.zeroize();
            }
            Ok(Self(coefficients))
        })
    }
}

/// What a dealer tells everybody: commitments to its polynomial, and that it knows what it shares.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Dealing {
    /// A point for each coefficient, as many as the threshold.
    #[n(0)]
    pub commitments: Vec<Fixed<32>>,
    /// Schnorr proof of the first: challenge ‖ response.
    #[n(1)]
    pub proof: Fixed<64>,
}

impl Dealing {
    fn points(&self, threshold: u16) -> Result<Vec<RistrettoPoint>, Error> {
        if self.commitments.len() != usize::from(threshold) {
            return Err(Error::Commitments { expected: threshold, found: self.commitments.len() });
        }
        self.commitments.iter().map(|one| point("a commitment", one)).collect()
    }
}

/// An agent's share of the key. It stays with the agent, in its key store. Wiped on drop.
pub struct Share {
    pub(super) index: u16,
    pub(super) key: EscrowKey,
    pub(super) scalar: Zeroizing<Scalar>,
}

impl Share {
    /// The agent's index, from 1.
    pub const fn index(&self) -> u16 {
        self.index
    }

    /// Whether it is the share that its agent has in this group.
    pub fn fits(&self, group: &Group) -> bool {
        let own = RistrettoPoint::mul_base(&self.scalar);
        self.key == group.key && group.share(self.index).is_ok_and(|share| share == own)
    }

    /// As bytes for a key store: index as u16 big-endian ‖ key ‖ scalar.
    pub fn to_secret(&self) -> Secret<Vec<u8>> {
        let mut bytes = Vec::with_capacity(66);
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(self.key.0.as_ref());
        bytes.extend_from_slice(self.scalar.as_bytes());
        Secret::new(bytes)
    }

    /// Reads what [`Share::to_secret`] wrote.
    ///
    /// # Errors
    /// [`Error::Inconsistent`] for any other bytes.
    pub fn from_secret(secret: &Secret<Vec<u8>>) -> Result<Self, Error> {
        // Into a type that is wiped as well.
        secret.expose(|bytes| {
            let bytes: &[u8; 66] = bytes.as_slice().try_into().map_err(|_| Error::Inconsistent)?;
            let index = u16::from_be_bytes([bytes[0], bytes[1]]);
            let key = Fixed::from_slice(&bytes[2..34]).ok_or(Error::Inconsistent)?;
            let mut own: [u8; 32] = bytes[34..].try_into().map_err(|_| Error::Inconsistent)?;
            let scalar = scalar("a share", own).map_err(|_| Error::Inconsistent)?;
            own.zeroize();
            let share = Self { index, key: EscrowKey(key), scalar: Zeroizing::new(scalar) };
            if (1..=MAX_AGENTS).contains(&index) { Ok(share) } else { Err(Error::Inconsistent) }
        })
    }
}

/// Shows whose share it is, and of what.
impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("index", &self.index).field("key", &self.key).finish_non_exhaustive()
    }
}

/// The committed polynomial at an agent's index, in the exponent.
fn evaluate(points: &[RistrettoPoint], agent: u16) -> RistrettoPoint {
    let at = Scalar::from(agent);
    points.iter().rev().fold(RistrettoPoint::identity(), |sum, point| {
        RistrettoPoint::vartime_multiscalar_mul([at, Scalar::ONE], [sum, *point])
    })
}

fn halves(proof: &Fixed<64>) -> Result<(Scalar, Scalar), Error> {
    let (e, f) = proof.as_bytes().split_at(32);
    let half = |bytes: &[u8]| scalar("a proof", bytes.try_into().map_err(|_| Error::Proof)?);
    Ok((half(e)?, half(f)?))
}
