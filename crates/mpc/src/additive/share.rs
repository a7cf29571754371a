//! What goes to the recipient: one share of each party. Sizes are exact.

use crypto::Digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Limits};
use zeroize::Zeroize as _;

use crate::domain::{Domain, Element, M61, P127, Values};
use crate::engine::{Failure, Fault, OpId};

use super::mask::Pair;
use super::{MAX_PARTIES, unsupported};

/// Most values that are handed out.
pub const MAX_LENGTH: usize = 65_536;

/// A party's share: noise without the others.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Share {
    #[n(0)]
    version: u8,
    #[n(1)]
    session: Digest,
    /// Whose it is.
    #[n(2)]
    index: u16,
    /// Parties of the session.
    #[n(3)]
    parties: u16,
    /// One for each other party, in index order.
    #[n(4)]
    confirmations: Vec<Digest>,
    /// Elements little-endian; of which domain, is the program's to say.
    #[n(5)]
    values: Bytes,
}

/// A party's share of `values` for the recipient, under all masks. They are those of operation 0, which no other opening takes: they hide one vector.
pub(super) fn write<E: Element>(
    session: &Digest,
    index: u16,
    pairs: &[Pair],
    mut values: Vec<E>,
) -> Result<Vec<u8>, Failure> {
    if !(1..=MAX_LENGTH).contains(&values.len()) {
        values.zeroize();
        return Err(Failure::Program("a share for recipients has 1 to 65,536 values"));
    }
    for pair in pairs {
        pair.apply(OpId(0), 0, &mut values, index);
    }
    // Declassified under the masks: uniform to anyone without the keys of every pair of this party.
    let share = Share {
        version: VERSION,
        session: *session,
        index,
        parties: pairs.len() as u16 + 1,
        confirmations: pairs.iter().map(Pair::confirmation).collect(),
        values: bytemuck::cast_slice(&values).to_vec().into(),
    };
    Ok(wire::to_vec(&share))
}

/// What the parties' shares, in index order, are of: all columns that were given, one after the other. Domain and session are what the recipient knows
/// beforehand, from the program and the request.
///
/// # Errors
/// Names the party whose share is none, is another's or of another session, or is not as long as the first; or the two that masked with different keys.
/// A party that lies about its input or shifts its share is not noticed.
pub fn combine(session: &Digest, domain: Domain, shares: &[Vec<u8>]) -> Result<Values, Failure> {
    match domain {
        Domain::Ring64 => added_up::<u64>(session, shares),
        Domain::Ring128 => added_up::<u128>(session, shares),
        Domain::M61 => added_up::<M61>(session, shares),
        Domain::P127 => added_up::<P127>(session, shares),
        Domain::Bits => Err(unsupported("bits")),
    }
}

fn added_up<E: Element>(session: &Digest, shares: &[Vec<u8>]) -> Result<Values, Failure> {
    if !(2..=usize::from(MAX_PARTIES)).contains(&shares.len()) {
        return Err(Failure::Program("one share of each of 2 to 16 parties"));
    }
    let parties = shares.len() as u16;
    let mut read: Vec<(Share, Vec<E>)> = Vec::with_capacity(shares.len());
    for (party, bytes) in (0..parties).zip(shares) {
        let unfit = |what| Failure::blame(party, Fault::Malformed(what));
        let share: Share = wire::from_slice(bytes, LIMITS).map_err(|_| unfit("its share is none"))?;
        if (share.version, share.index, share.parties) != (VERSION, party, parties) {
            return Err(unfit("its share is another party's, or of another number of parties"));
        }
        if share.session != *session {
            return Err(unfit("its share belongs to another session"));
        }
        let whole = share.values.len().is_multiple_of(size_of::<E>());
        let elements: Vec<E> = share.values.chunks_exact(size_of::<E>()).map(bytemuck::pod_read_unaligned).collect();
        let valid = (1..=MAX_LENGTH).contains(&elements.len()) && elements.iter().all(|element| element.is_canonical());
        if !whole || !valid || share.confirmations.len() != shares.len() - 1 {
            return Err(unfit("its share is of the wrong shape"));
        }
        if read.first().is_some_and(|(_, first)| first.len() != elements.len()) {
            return Err(unfit("its share is not as long as the first party's"));
        }
        read.push((share, elements));
    }
    for (high, (share, _)) in read.iter().enumerate() {
        for (low, (other, _)) in read[..high].iter().enumerate() {
            // A party's list leaves itself out: lower peers keep their place, higher ones move down by one.
            if share.confirmations[low] != other.confirmations[high - 1] {
                let fault = Fault::Malformed("they did not use the same key, the sum would be noise");
                return Err(Failure::Dispute { low: low as u16, high: high as u16, fault });
            }
        }
    }
    let mut sum = vec![E::ZERO; read[0].1.len()];
    for (_, elements) in &read {
        sum.iter_mut().zip(elements).for_each(|(sum, element)| *sum = sum.add(*element));
    }
    Ok(E::values(sum))
}

/// What a session with one share for the recipient costs, exactly; tests compare it with what was sent.
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

/// The cost of one session of `parties` over vectors of `length` 64-bit values; framing and TLS not counted.
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

const VERSION: u8 = 1;

/// A party's half of a pair's key.
const MESSAGE: u64 = 32;

/// The longest share and some room.
const LIMITS: Limits = Limits { bytes: MAX_LENGTH * 16 + 1024, depth: 4 };
