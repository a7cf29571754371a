//! Wrapping a data key, and opening it together.

use std::collections::BTreeMap;

use curve25519_dalek::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul as _;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;
use zeroize::{Zeroize as _, Zeroizing};

use super::{Error, EscrowKey, Group, Share, TWIN, challenge, encode, lagrange, point, random_scalar, scalar};
use crate::{Digest, Label, Secret, hash, kdf};

/// A data key under an escrow key, for one object: TDH2's ciphertext, its label the object's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Wrap {
    /// The key it is for.
    #[n(0)]
    pub key: EscrowKey,
    /// The data key, masked: *c*.
    #[n(1)]
    pub masked: Fixed<32>,
    /// *u* = *r·G*.
    #[n(2)]
    pub point: Fixed<32>,
    /// *ū* = *r·Ḡ*.
    #[n(3)]
    pub twin: Fixed<32>,
    /// *e*.
    #[n(4)]
    pub challenge: Fixed<32>,
    /// *f* = *s + r·e*.
    #[n(5)]
    pub response: Fixed<32>,
}

impl Wrap {
    /// Wraps the data key of an object. The coins come from the data key, the object and the escrow key: the same three always make the
    /// same wrap, so whoever has the data key can see whether a wrap is the right one.
    ///
    /// # Errors
    /// [`Error::Element`] where the key is none.
    pub fn seal(key: &EscrowKey, object: &Digest, data: &Secret<[u8; 32]>) -> Result<Self, Error> {
        let public = point("the escrow key", &key.0)?;
        let info = [Label::ESCROW.prefix().as_slice(), b"coins", key.0.as_ref()].concat();
        let coins = kdf::derive::<128, _>(data, object.as_ref(), &[&info]);
        // Both are wiped after use.
        let [r, s] = coins.expose(|coins| {
            [0, 64].map(|at| {
                let mut bytes: [u8; 64] = coins[at..at + 64].try_into().expect("half of 128 bytes");
                let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&bytes));
                bytes.zeroize();
                scalar
            })
        });
        let (u, twin) = (encode(&RistrettoPoint::mul_base(&r)), encode(&(*TWIN * *r)));
        let mut shared = public * *r;
        // The data key is masked: what is left of it is no secret.
        let masked = Fixed(data.expose(|data| mask(key, object, &u, &shared, data)));
        shared.zeroize();
        let wrap = Self { key: *key, masked, point: u, twin, challenge: Fixed([0; 32]), response: Fixed([0; 32]) };
        let e = wrap.challenge_of(object, &RistrettoPoint::mul_base(&s), &(*TWIN * *s));
        let f = *s + *r * e;
        Ok(Self { challenge: Fixed(e.to_bytes()), response: Fixed(f.to_bytes()), ..wrap })
    }

    /// Whether it was made for this object by somebody who knew what is in it, as anybody can tell; not what is in it.
    ///
    /// # Errors
    /// [`Error::Element`], [`Error::Wrap`].
    pub fn check(&self, object: &Digest) -> Result<(), Error> {
        point("the escrow key", &self.key.0)?;
        self.parse(object).map(drop)
    }

    /// Whether it is the wrap of this data key, for whoever has that.
    ///
    /// # Errors
    /// [`Error::NotDerived`] where it is another; [`Error::Element`].
    pub fn check_data(&self, object: &Digest, data: &Secret<[u8; 32]>) -> Result<(), Error> {
        if Self::seal(&self.key, object, data)? == *self { Ok(()) } else { Err(Error::NotDerived) }
    }

    /// *u*, where all holds.
    fn parse(&self, object: &Digest) -> Result<RistrettoPoint, Error> {
        let (u, twin) = (point("a wrap's point", &self.point)?, point("a wrap's point", &self.twin)?);
        let e = scalar("a wrap's challenge", *self.challenge.as_bytes())?;
        let f = scalar("a wrap's response", *self.response.as_bytes())?;
        let w = RistrettoPoint::vartime_double_scalar_mul_basepoint(&-e, &u, &f);
        let twin_w = RistrettoPoint::vartime_multiscalar_mul([f, -e], [*TWIN, twin]);
        if self.challenge_of(object, &w, &twin_w) == e { Ok(u) } else { Err(Error::Wrap) }
    }

    fn challenge_of(&self, object: &Digest, w: &RistrettoPoint, twin_w: &RistrettoPoint) -> Scalar {
        let Self { key, masked, point, twin, .. } = self;
        let (w, twin_w) = (encode(w), encode(twin_w));
        let object = object.as_ref();
        let parts =
            [key.0.as_ref(), object, masked.as_ref(), point.as_ref(), w.as_ref(), twin.as_ref(), twin_w.as_ref()];
        challenge("wrap", &parts)
    }
}

/// One agent's part of an opening, with the proof that it is the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// The agent.
    #[n(0)]
    pub index: u16,
    /// *u·x* of its share *x*.
    #[n(1)]
    pub point: Fixed<32>,
    /// *e*.
    #[n(2)]
    pub challenge: Fixed<32>,
    /// *f* = *s + x·e*.
    #[n(3)]
    pub response: Fixed<32>,
}

impl Share {
    /// This agent's part of opening a wrap, under the authorisation that `context` names. A wrap that does not hold for the object is not
    /// touched: that is what makes the scheme withstand chosen ciphertexts.
    ///
    /// # Errors
    /// [`Error::OtherKey`], [`Error::Wrap`], [`Error::Element`].
    pub fn open(&self, wrap: &Wrap, object: &Digest, context: &Digest) -> Result<Partial, Error> {
        if wrap.key != self.key {
            return Err(Error::OtherKey);
        }
        let u = wrap.parse(object)?;
        let nonce = Zeroizing::new(random_scalar());
        let (index, part) = (self.index, encode(&(u * *self.scalar)));
        let public = encode(&RistrettoPoint::mul_base(&self.scalar));
        let scene = Scene { wrap, object, context, index, part, public };
        let e = scene.challenge(&(u * *nonce), &RistrettoPoint::mul_base(&nonce));
        let f = *nonce + *self.scalar * e;
        Ok(Partial { index, point: part, challenge: Fixed(e.to_bytes()), response: Fixed(f.to_bytes()) })
    }
}

/// What an agent's proof speaks of.
struct Scene<'a> {
    wrap: &'a Wrap,
    object: &'a Digest,
    context: &'a Digest,
    index: u16,
    part: Fixed<32>,
    public: Fixed<32>,
}

impl Scene<'_> {
    fn challenge(&self, of_wrap: &RistrettoPoint, of_generator: &RistrettoPoint) -> Scalar {
        let wrap = wire::to_vec(self.wrap);
        let (index, of_wrap, of_generator) = (self.index.to_be_bytes(), encode(of_wrap), encode(of_generator));
        challenge(
            "partial",
            &[
                self.object.as_ref(),
                self.context.as_ref(),
                &wrap,
                &index,
                self.public.as_ref(),
                self.part.as_ref(),
                of_wrap.as_ref(),
                of_generator.as_ref(),
            ],
        )
    }
}

/// The data key, from the partial openings of at least as many agents as the threshold says. Each is checked, and those that are wrong are
/// passed over where enough are left; the data key is checked against the wrap, which must have been made from it.
///
/// # Errors
/// [`Error::OtherKey`], [`Error::Wrap`], [`Error::Element`]; [`Error::Partials`] with the agents whose partial openings are wrong where too
/// few are left, [`Error::TooFew`] where none is wrong; [`Error::NotDerived`].
pub fn combine(
    group: &Group,
    wrap: &Wrap,
    object: &Digest,
    context: &Digest,
    partials: &[Partial],
) -> Result<Secret<[u8; 32]>, Error> {
    if wrap.key != group.key {
        return Err(Error::OtherKey);
    }
    let u = wrap.parse(object)?;
    let (mut sound, mut wrong) = (BTreeMap::new(), Vec::new());
    for partial in partials {
        match verify(group, (wrap, &u), object, context, partial) {
            Ok(point) => drop(sound.insert(partial.index, point)),
            Err(_) => wrong.push(partial.index),
        }
    }
    let needed = group.threshold;
    if sound.len() < usize::from(needed) {
        return Err(if wrong.is_empty() {
            Error::TooFew { found: sound.len(), needed }
        } else {
            Error::Partials(wrong)
        });
    }
    let sound: BTreeMap<u16, RistrettoPoint> = sound.into_iter().take(needed.into()).collect();
    let factors = sound.keys().map(|index| lagrange(*index, sound.keys().copied()));
    let mut shared = RistrettoPoint::vartime_multiscalar_mul(factors, sound.values());
    let data = Secret::new(mask(&group.key, object, &wrap.point, &shared, wrap.masked.as_bytes()));
    shared.zeroize();
    wrap.check_data(object, &data)?;
    Ok(data)
}

fn verify(
    group: &Group,
    (wrap, u): (&Wrap, &RistrettoPoint),
    object: &Digest,
    context: &Digest,
    partial: &Partial,
) -> Result<RistrettoPoint, Error> {
    let Partial { index, point: part, .. } = *partial;
    let (public, found) = (group.share(index)?, point("a partial opening", &part)?);
    let e = scalar("a proof", *partial.challenge.as_bytes())?;
    let f = scalar("a proof", *partial.response.as_bytes())?;
    let scene = Scene { wrap, object, context, index, part, public: encode(&public) };
    let of_wrap = RistrettoPoint::vartime_multiscalar_mul([f, -e], [*u, found]);
    let of_generator = RistrettoPoint::vartime_double_scalar_mul_basepoint(&-e, &public, &f);
    if scene.challenge(&of_wrap, &of_generator) == e { Ok(found) } else { Err(Error::Partials(vec![index])) }
}

/// The data key under the mask of a shared point, or out of it.
fn mask(key: &EscrowKey, object: &Digest, u: &Fixed<32>, shared: &RistrettoPoint, data: &[u8; 32]) -> [u8; 32] {
    let mut encoded = shared.compress().to_bytes();
    let mut pad = *hash(Label::ESCROW, &[b"mask", key.0.as_ref(), object.as_ref(), u.as_ref(), &encoded]).as_bytes();
    encoded.zeroize();
    let mut masked = *data;
    masked.iter_mut().zip(&pad).for_each(|(byte, pad)| *byte ^= pad);
    pad.zeroize();
    masked
}
