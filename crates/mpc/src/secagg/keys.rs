//! A client's secrets of one session, and what two clients derive from them.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use crypto::{Digest, Label, Secret, aead, hash, kdf};
use wire::Fixed;
use zeroize::Zeroizing;

use super::message::{SEALED, Sealed, Tags};
use super::shamir::SHARE;

/// An X25519 key (RFC 7748), fresh for each session.
pub(super) struct Key {
    pub(super) secret: Secret<[u8; 32]>,
    pub(super) public: Fixed<32>,
}

impl Key {
    pub(super) fn new(secret: Secret<[u8; 32]>) -> Self {
        let key = secret.expose(private);
        let public = key.compute_public_key().expect("every 32 bytes are a private key");
        // A public key is public.
        let public = Fixed::from_slice(public.as_ref()).expect("an X25519 key has 32 bytes");
        Self { secret, public }
    }

    /// The Diffie-Hellman secret; `None` when the peer's key is of small order.
    pub(super) fn agree(&self, peer: &Fixed<32>) -> Option<Secret<[u8; 32]>> {
        let key = self.secret.expose(private);
        agree(&key, UnparsedPublicKey::new(&X25519, peer.as_ref()), (), |agreed| {
            Ok(Secret::new(agreed.try_into().expect("an X25519 secret has 32 bytes")))
        })
        .ok()
    }
}

/// A secret of a client's own: from the seed of its session.
pub(super) fn own(seed: &Secret<[u8; 32]>, session: &Digest, purpose: &[u8]) -> Secret<[u8; 32]> {
    kdf::derive(seed, session.as_ref(), &[label(), b"/own/", purpose])
}

/// The key of the mask of a pair, the same at both ends.
pub(super) fn pair_mask(agreed: &Secret<[u8; 32]>, session: &Digest, one: u32, other: u32) -> Secret<[u8; 32]> {
    let (low, high) = (one.min(other).to_be_bytes(), one.max(other).to_be_bytes());
    kdf::derive(agreed, session.as_ref(), &[label(), b"/mask/", &low, &high])
}

/// The key of a client's self mask.
pub(super) fn self_mask(seed: &Secret<[u8; 32]>, session: &Digest, client: u32) -> Secret<[u8; 32]> {
    kdf::derive(seed, session.as_ref(), &[label(), b"/self/", &client.to_be_bytes()])
}

/// What a client publishes of its self mask's seed: hiding, for the seed is 32 random bytes.
pub(super) fn commit(seed: &Secret<[u8; 32]>, session: &Digest, client: u32) -> Digest {
    seed.expose(|seed| hash(Label::SECAGG, &[b"self", session.as_ref(), &client.to_be_bytes(), seed]))
}

/// The two secrets that a client shares.
#[derive(Clone, Copy)]
pub(super) enum Part {
    /// Its mask key: opened when it dropped out before it masked.
    Key,
    /// Its self mask's seed: opened when it survived.
    Own,
}

/// What a share must hash to when it is revealed: hiding, for a share is uniform.
pub(super) fn tag(share: &[u8; SHARE], part: Part, session: &Digest, dealer: u32, holder: u32) -> Fixed<16> {
    let name: &[u8] = match part {
        Part::Key => b"key",
        Part::Own => b"own",
    };
    let parts = [b"share", session.as_ref(), &dealer.to_be_bytes(), &holder.to_be_bytes(), name, share];
    let digest = hash(Label::SECAGG, &parts);
    Fixed::from_slice(&digest.as_bytes()[..16]).expect("16 bytes")
}

/// Seals both shares of `dealer` for `holder`.
pub(super) fn seal(
    agreed: &Secret<[u8; 32]>,
    session: &Digest,
    (dealer, holder): (u32, u32),
    key: &Secret<[u8; SHARE]>,
    own: &Secret<[u8; SHARE]>,
) -> Sealed {
    let mut plain = Zeroizing::new([0; 2 * SHARE]);
    key.expose(|share| plain[..SHARE].copy_from_slice(share));
    own.expose(|share| plain[SHARE..].copy_from_slice(share));
    let channel = channel(agreed, session, dealer, holder);
    // The channel's key is for this message alone.
    let sealed = aead::seal(&channel, &[0; aead::NONCE], session.as_ref(), &plain[..]);
    let tags = Tags {
        key: key.expose(|share| tag(share, Part::Key, session, dealer, holder)),
        own: own.expose(|share| tag(share, Part::Own, session, dealer, holder)),
    };
    Sealed { peer: holder, ciphertext: Fixed::from_slice(&sealed).expect("80 bytes and a tag"), tags }
}

/// Opens one of the shares that `dealer` sealed for `holder`; `None` when it is not what its dealer announced.
pub(super) fn open(
    agreed: &Secret<[u8; 32]>,
    session: &Digest,
    (dealer, holder): (u32, u32),
    sealed: (&Fixed<SEALED>, &Tags),
    part: Part,
) -> Option<Secret<[u8; SHARE]>> {
    let channel = channel(agreed, session, dealer, holder);
    let plain = aead::open(&channel, &[0; aead::NONCE], session.as_ref(), sealed.0.as_ref()).ok()?;
    let (at, expected) = match part {
        Part::Key => (0, sealed.1.key),
        Part::Own => (SHARE, sealed.1.own),
    };
    // The share stays a secret.
    let share: [u8; SHARE] = plain.expose(|plain| plain.get(at..at + SHARE)?.try_into().ok())?;
    let share = Secret::new(share);
    let found = share.expose(|share| tag(share, part, session, dealer, holder));
    (found == expected).then_some(share)
}

/// The key for the shares of one client to another: each direction has its own.
fn channel(agreed: &Secret<[u8; 32]>, session: &Digest, dealer: u32, holder: u32) -> Secret<[u8; 32]> {
    kdf::derive(agreed, session.as_ref(), &[label(), b"/share/", &dealer.to_be_bytes(), &holder.to_be_bytes()])
}

fn private(secret: &[u8; 32]) -> PrivateKey {
    PrivateKey::from_private_key(&X25519, secret).expect("every 32 bytes are a private key")
}

fn label() -> &'static [u8] {
    Label::SECAGG.as_str().as_bytes()
}
