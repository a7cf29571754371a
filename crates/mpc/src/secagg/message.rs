//! What travels between a client and the server. Each message is `[version, kind, session, …]`; sizes are exact.

use crypto::{Digest, Label, PublicKey, Signature, SigningKey};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};

use super::{Error, Party, Session, shamir};

/// A client's keys for one session, signed under its identity.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Advert {
    #[n(0)]
    pub(super) client: u32,
    /// For the encryption of shares: c^PK of the paper.
    #[n(1)]
    pub(super) cipher: Fixed<32>,
    /// For the masks: s^PK of the paper.
    #[n(2)]
    pub(super) mask: Fixed<32>,
    /// To the self mask's seed: what is recovered can be checked.
    #[n(3)]
    pub(super) commitment: Digest,
    #[n(4)]
    signature: Signature,
}

impl Advert {
    pub(super) fn sign(
        session: &Digest,
        client: u32,
        (cipher, mask): (Fixed<32>, Fixed<32>),
        commitment: Digest,
        key: &SigningKey,
    ) -> Self {
        let signature = key.sign(Label::SECAGG_KEYS, &Self::signed(session, client, &cipher, &mask, &commitment));
        Self { client, cipher, mask, commitment, signature }
    }

    /// Whether the client of the roster signed it, for this session.
    pub(super) fn is_signed_by(&self, session: &Digest, key: &PublicKey) -> bool {
        let signed = Self::signed(session, self.client, &self.cipher, &self.mask, &self.commitment);
        key.verify(Label::SECAGG_KEYS, &signed, &self.signature).is_ok()
    }

    /// 32 + 4 + 32 + 32 + 32 bytes.
    fn signed(session: &Digest, client: u32, cipher: &Fixed<32>, mask: &Fixed<32>, commitment: &Digest) -> Vec<u8> {
        [session.as_ref(), &client.to_be_bytes(), cipher.as_ref(), mask.as_ref(), commitment.as_ref()].concat()
    }
}

/// Two shares on their way between neighbours, and what a share must hash to when it is revealed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Sealed {
    /// The other end: the recipient on the way to the server, the dealer on the way from it.
    #[n(0)]
    pub(super) peer: u32,
    /// Share of the mask key ‖ share of the self mask, under AES-256-GCM.
    #[n(1)]
    pub(super) ciphertext: Fixed<SEALED>,
    #[n(2)]
    pub(super) tags: Tags,
}

/// Hashes of the share of the mask key and of the self mask, truncated to 16 bytes each.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Tags {
    #[n(0)]
    pub(super) key: Fixed<16>,
    #[n(1)]
    pub(super) own: Fixed<16>,
}

/// A neighbour's consent.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Consent {
    #[n(0)]
    pub(super) peer: u32,
    #[n(1)]
    pub(super) signature: Signature,
}

/// One share, opened. Which secret it belongs to follows from the set of survivors.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Opening {
    #[n(0)]
    pub(super) dealer: u32,
    #[n(1)]
    pub(super) share: Fixed<{ shamir::SHARE }>,
}

/// The message of each step, named after the rounds of Bonawitz et al. (CCS 2017, figure 4), which SecAgg+ keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Round 0, client to server: [`Advert`].
    Keys = 0,
    /// Round 0, server to client: the neighbours' adverts.
    Neighbourhood = 1,
    /// Round 1, client to server: [`Sealed`] for each neighbour.
    Shares = 2,
    /// Round 1, server to client: [`Sealed`] of each neighbour.
    Inbox = 3,
    /// Round 2, client to server: the masked vector.
    Masked = 4,
    /// Round 2, server to client: who survived.
    Survivors = 5,
    /// Round 3, client to server: a signature over the survivors.
    Consent = 6,
    /// Round 3, server to client: neighbours' signatures.
    Consents = 7,
    /// Round 4, client to server: one share of each neighbour.
    Reveal = 8,
}

/// A message of any kind.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Frame<T> {
    #[n(0)]
    version: u8,
    #[n(1)]
    kind: u8,
    #[n(2)]
    session: Digest,
    #[n(3)]
    body: T,
}

pub(super) fn write<T: Encode<()>>(session: &Session, kind: Kind, body: T) -> Vec<u8> {
    wire::to_vec(&Frame { version: VERSION, kind: kind as u8, session: *session.id(), body })
}

/// Reads a message of this kind and session.
pub(super) fn read<T>(session: &Session, from: Party, kind: Kind, bytes: &[u8]) -> Result<T, Error>
where
    T: Encode<()> + for<'b> Decode<'b, ()>,
{
    let frame: Frame<T> =
        wire::from_slice(bytes, limits(session, kind)).map_err(|source| Error::Malformed { from, source })?;
    if frame.version != VERSION || frame.kind != kind as u8 || frame.session != *session.id() {
        return Err(Error::Misdirected { from });
    }
    Ok(frame.body)
}

/// The longest message of each kind and some room.
fn limits(session: &Session, kind: Kind) -> Limits {
    let neighbours = session.parameters().neighbours() as usize;
    let bytes = match kind {
        Kind::Keys | Kind::Consent => 256,
        Kind::Neighbourhood => neighbours * 192,
        Kind::Shares | Kind::Inbox => neighbours * 160,
        Kind::Masked => session.length() as usize * 8,
        Kind::Survivors => session.parameters().clients() as usize / 8,
        Kind::Consents => neighbours * 80,
        Kind::Reveal => neighbours * 64,
    };
    Limits { bytes: bytes + 256, depth: 5 }
}

/// Whether peers come in index order, each once.
pub(super) fn ascend(peers: impl Iterator<Item = u32>) -> bool {
    peers.is_sorted_by(|a, b| a < b)
}

/// What a session costs one client when nobody drops out, exactly; framing and TLS not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Round trips with the server.
    pub rounds: u32,
    /// Bytes of each message to the server: keys, shares, masked vector, consent, reveal.
    pub sent: [u64; 5],
    /// Bytes of each message from the server: neighbourhood, inbox, survivors, consents.
    pub received: [u64; 4],
}

impl Cost {
    /// The cost of client `client` of the roster.
    pub fn of(session: &Session, client: u32) -> Self {
        let neighbours = session.neighbours(client);
        let k = neighbours.len() as u64;
        let t = session.parameters().threshold() as usize;
        let indices = |n: usize| neighbours[..n].iter().map(|peer| head(u64::from(*peer))).sum::<u64>();
        let (all, advert, sealed) = (indices(neighbours.len()), 1 + 3 * 34 + 66, 1 + 98 + 35);
        let values = 8 * u64::from(session.length());
        let map = u64::from(session.parameters().clients()).div_ceil(8);
        Self {
            rounds: 5,
            sent: [
                FRAME + advert + head(u64::from(client)),
                FRAME + head(k) + k * sealed + all,
                FRAME + head(values) + values,
                FRAME + 66,
                FRAME + head(k) + k * 43 + all,
            ],
            received: [
                FRAME + head(k) + k * advert + all,
                FRAME + head(k) + k * sealed + all,
                FRAME + head(map) + map,
                FRAME + head(t as u64) + t as u64 * 67 + indices(t),
            ],
        }
    }

    /// All bytes to the server.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.iter().sum()
    }

    /// All bytes from the server.
    pub fn received_bytes(&self) -> u64 {
        self.received.iter().sum()
    }
}

/// Bytes of a CBOR head with this argument.
const fn head(argument: u64) -> u64 {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

/// Values as u64 little-endian.
pub(super) fn to_bytes(values: &[u64]) -> Bytes {
    values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
}

const VERSION: u8 = 1;

/// `[version, kind, session, …]`: 1 + 1 + 1 + 34.
const FRAME: u64 = 37;

/// Two shares and the tag of AES-256-GCM.
pub(super) const SEALED: usize = 2 * shamir::SHARE + crypto::aead::TAG;
