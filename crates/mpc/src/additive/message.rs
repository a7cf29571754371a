//! What travels: one contribution per ordered pair, then one share per party to the recipient. Sizes are exact.

use crypto::{Digest, Secret};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed, Limits};
use zeroize::Zeroize as _;

use super::Error;

/// Most parties in a session.
pub const MAX_PARTIES: u16 = 16;

/// Most values in a vector.
pub const MAX_LENGTH: usize = 65_536;

/// Bytes for a peer. They hold a secret: the link must authenticate both ends and encrypt.
pub struct Envelope {
    /// Who sends; on receipt, whom the link authenticated.
    pub from: u16,
    /// Who receives.
    pub to: u16,
    /// The message.
    pub body: Secret<Vec<u8>>,
}

/// A party's share of the sum: noise without the others. Each party seals its own to the recipients of the result.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Share {
    #[n(0)]
    version: u8,
    /// The session.
    #[n(1)]
    pub session: Digest,
    /// Whose share it is.
    #[n(2)]
    pub index: u16,
    /// Parties of the session.
    #[n(3)]
    pub parties: u16,
    /// One for each other party, in index order.
    #[n(4)]
    confirmations: Vec<Digest>,
    /// u64 little-endian.
    #[n(5)]
    values: Bytes,
}

impl Share {
    pub(super) fn new(session: Digest, index: u16, parties: u16, confirmations: Vec<Digest>, values: &[u64]) -> Self {
        let values = values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into();
        Self { version: VERSION, session, index, parties, confirmations, values }
    }

    /// The canonical encoding, [`Cost::share_bytes`] long.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// Reads a share that party `from` is known to have sent.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unfit`] when it is no share, or another party's.
    pub fn from_bytes(from: u16, bytes: &[u8]) -> Result<Self, Error> {
        let share: Self = wire::from_slice(bytes, LIMITS).map_err(|source| Error::Malformed { from, source })?;
        if share.index != from {
            return Err(Error::Unfit { what: "a party handed in another party's share" });
        }
        share.check()?;
        Ok(share)
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values.len() / 8
    }

    /// Whether it holds no value; such a share is refused everywhere.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The sum of all parties' inputs modulo 2^64, from one share of each party in any order.
    ///
    /// # Errors
    /// [`Error::Unfit`] when shares are missing, doubled, of another session or of different lengths;
    /// [`Error::Unconfirmed`] when two parties masked with different keys. A party that lies about its input or shifts
    /// its share is not noticed.
    pub fn sum(session: Digest, shares: &[Self]) -> Result<Vec<u64>, Error> {
        let unfit = |what| Err(Error::Unfit { what });
        let Some(first) = shares.first() else { return unfit("there is none") };
        if shares.len() != usize::from(first.parties) {
            return unfit("there is not one share for each party");
        }
        let mut by_index: Vec<Option<&Self>> = vec![None; shares.len()];
        for share in shares {
            share.check()?;
            if share.session != session {
                return unfit("a share belongs to another session");
            }
            if share.parties != first.parties || share.values.len() != first.values.len() {
                return unfit("numbers of parties or values differ");
            }
            if by_index[usize::from(share.index)].replace(share).is_some() {
                return unfit("a party has two shares");
            }
        }
        let ordered: Vec<&Self> =
            by_index.into_iter().map(|share| share.expect("as many distinct indices as places")).collect();
        for (high, share) in ordered.iter().enumerate() {
            for (low, other) in ordered[..high].iter().enumerate() {
                // A party's list leaves itself out: lower peers keep their place, higher ones move down by one.
                if share.confirmations[low] != other.confirmations[high - 1] {
                    return Err(Error::Unconfirmed { low: low as u16, high: high as u16 });
                }
            }
        }
        let mut sum = vec![0u64; first.len()];
        for share in ordered {
            for (sum, value) in sum.iter_mut().zip(share.values.chunks_exact(8)) {
                *sum = sum.wrapping_add(u64::from_le_bytes(value.try_into().expect("chunks are eight bytes")));
            }
        }
        Ok(sum)
    }

    fn check(&self) -> Result<(), Error> {
        check_parties(self.index, self.parties)?;
        if self.version != VERSION {
            return Err(Error::Unfit { what: "an unknown version" });
        }
        if self.confirmations.len() != usize::from(self.parties) - 1 || !self.values.len().is_multiple_of(8) {
            return Err(Error::Unfit { what: "a share of the wrong shape" });
        }
        check_length(self.len())
    }
}

/// What a session costs, exactly; tests compare it with what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Rounds between the parties, before each seals its share to the recipients.
    pub rounds: u32,
    /// Messages between the parties, all together.
    pub messages: u64,
    /// Bytes of one message.
    pub message_bytes: u64,
    /// Bytes between the parties, all together.
    pub bytes: u64,
    /// Bytes of one party's share for the recipient, before sealing.
    pub share_bytes: u64,
}

/// The cost of one session of `parties` over vectors of `length` values; framing and TLS not counted.
pub fn cost(parties: u16, length: usize) -> Cost {
    let n = u64::from(parties);
    let (messages, values) = (n * n.saturating_sub(1), 8 * length as u64);
    let head = match values {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    };
    let share_bytes = 39 + 34 * n.saturating_sub(1) + head + values;
    Cost { rounds: 1, messages, message_bytes: MESSAGE, bytes: messages * MESSAGE, share_bytes }
}

/// A party's half of a pair's key.
pub(super) struct Contribution {
    pub(super) session: Digest,
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) seed: Secret<[u8; 32]>,
}

impl Contribution {
    pub(super) fn write(session: Digest, from: u16, to: u16, seed: &Secret<[u8; 32]>) -> Envelope {
        // Declassified into the envelope, which is itself secret.
        let mut message = Message { version: VERSION, session, from, to, seed: Fixed(seed.expose(|seed| *seed)) };
        let body = Secret::new(wire::to_vec(&message));
        message.seed.0.zeroize();
        Envelope { from, to, body }
    }

    pub(super) fn read(from: u16, body: &[u8]) -> Result<Self, Error> {
        let mut message: Message =
            wire::from_slice(body, LIMITS).map_err(|source| Error::Malformed { from, source })?;
        if message.version != VERSION {
            return Err(Error::Malformed { from, source: wire::Error::Shape("an unknown version".into()) });
        }
        let seed = Secret::new(message.seed.0);
        message.seed.0.zeroize();
        Ok(Self { session: message.session, from: message.from, to: message.to, seed })
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Message {
    #[n(0)]
    version: u8,
    #[n(1)]
    session: Digest,
    #[n(2)]
    from: u16,
    #[n(3)]
    to: u16,
    #[n(4)]
    seed: Fixed<32>,
}

pub(super) const fn check_parties(index: u16, parties: u16) -> Result<(), Error> {
    if parties < 2 || parties > MAX_PARTIES || index >= parties {
        return Err(Error::Parties { index, parties });
    }
    Ok(())
}

pub(super) const fn check_length(found: usize) -> Result<(), Error> {
    if found == 0 || found > MAX_LENGTH { Err(Error::Length { found }) } else { Ok(()) }
}

const VERSION: u8 = 1;

/// `[version, session, from, to, seed]`: 1 + 1 + 34 + 1 + 1 + 34.
const MESSAGE: u64 = 72;

/// The longest share and some room.
const LIMITS: Limits = Limits { bytes: MAX_LENGTH * 8 + 1024, depth: 4 };
