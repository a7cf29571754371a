//! What validators vote on: an ordered list of transactions, not yet executed.

use std::sync::{Arc, OnceLock};

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error as CodecError, Read, Write};
use commonware_consensus::types::Height;
use commonware_consensus::{Block, BoundedBlock, Heightable};
use commonware_cryptography::{Digestible, sha256};
use crypto::{Digest, Label, hash};
use ledger::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, SignedTransaction, VerifiedTransaction};
use minicbor::{Decode, Decoder, Encode};
use wire::Limits;

/// What a slate commits to; its digest is what validators sign.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SlateHeader {
    /// The chain.
    #[n(0)]
    pub chain: Digest,
    /// The ledger epoch whose validators vote.
    #[n(1)]
    pub epoch: u64,
    /// Height among slates; ledger blocks have heights of their own.
    #[n(2)]
    pub height: u64,
    /// Digest of the slate before; zero for the first.
    #[n(3)]
    pub parent: Digest,
    /// Unix milliseconds; never before the parent's.
    #[n(4)]
    pub time: u64,
    /// The proposer's ledger holds all slates up to this height.
    #[n(5)]
    pub executed: u64,
    /// Digest of the ledger's newest header after that.
    #[n(6)]
    pub executed_header: Digest,
    /// Transactions.
    #[n(7)]
    pub count: u64,
    /// Digest of the transactions ([`body`]).
    #[n(8)]
    pub body: Digest,
}

impl SlateHeader {
    /// `H(SLATE, [cbor])`.
    pub fn digest(&self) -> Digest {
        hash(Label::SLATE, &[&wire::to_vec(self)])
    }
}

/// `H(SLATE_BODY, [cbor of each signed transaction])`.
pub fn body<'a>(transactions: impl IntoIterator<Item = &'a SignedTransaction>) -> Digest {
    let encoded: Vec<Vec<u8>> = transactions.into_iter().map(SignedTransaction::to_bytes).collect();
    let parts: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
    hash(Label::SLATE_BODY, &parts)
}

/// The transactions' encodings within a [`Travelling`] that was read from these bytes.
fn encodings(travelling: &[u8]) -> Result<Vec<&[u8]>, minicbor::decode::Error> {
    let mut decoder = Decoder::new(travelling);
    decoder.array()?;
    decoder.skip()?;
    let count = decoder.array()?.unwrap_or(0);
    let encoding = |_| {
        let from = decoder.position();
        decoder.skip()?;
        Ok(&travelling[from..decoder.position()])
    };
    (0..count).map(encoding).collect()
}

/// A header with its transactions. Having one proves that the two fit together and keep the bounds; whether it may
/// follow on its parent is for those who vote.
#[derive(Clone)]
pub(crate) struct Slate(Arc<Content>);

struct Content {
    header: SlateHeader,
    digest: Digest,
    transactions: Vec<SignedTransaction>,
    /// Set once every signature was found good.
    verified: OnceLock<Vec<VerifiedTransaction>>,
    /// As it travels, without the length.
    bytes: Bytes,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Travelling {
    #[n(0)]
    header: SlateHeader,
    #[n(1)]
    transactions: Vec<SignedTransaction>,
}

/// What a slate states besides its transactions.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) chain: Digest,
    pub(crate) epoch: u64,
    pub(crate) height: u64,
    pub(crate) parent: Digest,
    pub(crate) time: u64,
    pub(crate) executed: u64,
    pub(crate) executed_header: Digest,
}

impl Slate {
    /// A slate of transactions that this node verified.
    pub(crate) fn new(claims: Claims, verified: Vec<VerifiedTransaction>) -> Self {
        let transactions: Vec<_> = verified.iter().map(|transaction| transaction.signed().clone()).collect();
        let slate = Self::unverified(claims, transactions);
        // Fresh, hence unset.
        let _ = slate.0.verified.set(verified);
        slate
    }

    /// A slate of transactions as they came.
    pub(crate) fn unverified(claims: Claims, transactions: Vec<SignedTransaction>) -> Self {
        let Claims { chain, epoch, height, parent, time, executed, executed_header } = claims;
        let count = transactions.len() as u64;
        let body = body(&transactions);
        let header = SlateHeader { chain, epoch, height, parent, time, executed, executed_header, count, body };
        let travelling = Travelling { header, transactions };
        let bytes = Bytes::from(wire::to_vec(&travelling));
        let Travelling { header, transactions } = travelling;
        let digest = header.digest();
        Self(Arc::new(Content { header, digest, transactions, verified: OnceLock::new(), bytes }))
    }

    pub(crate) fn header(&self) -> &SlateHeader {
        &self.0.header
    }

    #[cfg(test)]
    pub(crate) fn identity(&self) -> Digest {
        self.0.digest
    }

    pub(crate) fn transactions(&self) -> &[SignedTransaction] {
        &self.0.transactions
    }

    /// The transactions with the proof that they were checked, if they were.
    pub(crate) fn verified(&self) -> Option<&[VerifiedTransaction]> {
        self.0.verified.get().map(Vec::as_slice)
    }

    /// Keeps the proof that the transactions were checked; they must be this slate's, in order.
    pub(crate) fn keep(&self, verified: Vec<VerifiedTransaction>) {
        debug_assert!(verified.iter().map(VerifiedTransaction::signed).eq(self.transactions()));
        // Whoever was first kept the same.
        let _ = self.0.verified.set(verified);
    }

    /// The transactions' ids.
    pub(crate) fn ids(&self) -> Vec<Digest> {
        match self.verified() {
            Some(verified) => verified.iter().map(VerifiedTransaction::id).collect(),
            None => self.transactions().iter().map(SignedTransaction::id).collect(),
        }
    }

    /// Bytes that the slate takes on disk and on the wire.
    pub(crate) fn size(&self) -> usize {
        LENGTH + self.0.bytes.len()
    }

    fn parse(bytes: Bytes, rules: &Rules) -> Result<Self, CodecError> {
        let refused = |why| CodecError::Invalid("slate", why);
        let Travelling { header, transactions } =
            wire::from_slice(&bytes, Limits { bytes: MAX_CBOR, depth: 24 }).map_err(|_| refused("not canonical"))?;
        if header.chain != rules.chain {
            return Err(refused("of another chain"));
        }
        if transactions.len() > MAX_BLOCK_TRANSACTIONS || header.count != transactions.len() as u64 {
            return Err(refused("too many transactions, or miscounted"));
        }
        let parts = encodings(&bytes).map_err(|_| refused("not canonical"))?;
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if size > MAX_BLOCK_BYTES || hash(Label::SLATE_BODY, &parts) != header.body {
            return Err(refused("too large, or not what its header states"));
        }
        let digest = header.digest();
        Ok(Self(Arc::new(Content { header, digest, transactions, verified: OnceLock::new(), bytes })))
    }
}

impl std::fmt::Debug for Slate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slate").field(&self.0.header).finish()
    }
}

/// What a reader must know to refuse what is not of its chain.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) chain: Digest,
}

impl Write for Slate {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_u32(u32::try_from(self.0.bytes.len()).expect("a slate has at most MAX_CBOR bytes"));
        buf.put_slice(&self.0.bytes);
    }
}

impl EncodeSize for Slate {
    fn encode_size(&self) -> usize {
        self.size()
    }
}

impl Read for Slate {
    type Cfg = Rules;

    fn read_cfg(buf: &mut impl Buf, rules: &Rules) -> Result<Self, CodecError> {
        if buf.remaining() < LENGTH {
            return Err(CodecError::EndOfBuffer);
        }
        let length = buf.get_u32() as usize;
        if length > MAX_CBOR {
            return Err(CodecError::InvalidLength(length));
        }
        if buf.remaining() < length {
            return Err(CodecError::EndOfBuffer);
        }
        let bytes = buf.copy_to_bytes(length);
        Self::parse(bytes, rules)
    }
}

impl Digestible for Slate {
    type Digest = sha256::Digest;

    fn digest(&self) -> sha256::Digest {
        foreign(&self.0.digest)
    }
}

impl Heightable for Slate {
    fn height(&self) -> Height {
        Height::new(self.0.header.height)
    }
}

impl Block for Slate {
    fn parent(&self) -> sha256::Digest {
        foreign(&self.0.header.parent)
    }
}

impl BoundedBlock for Slate {
    fn max_encode_size(_: &Rules) -> usize {
        LENGTH + MAX_CBOR
    }
}

/// Our digest as the engine has it.
pub(crate) fn foreign(digest: &Digest) -> sha256::Digest {
    sha256::Digest(*digest.as_bytes())
}

/// Bytes of the length before a slate.
const LENGTH: usize = 4;

/// Most bytes of a slate's CBOR: the transactions, and the header with the arrays' heads around it.
const MAX_CBOR: usize = MAX_BLOCK_BYTES + 4096;

#[cfg(test)]
mod tests {
    use commonware_codec::{Decode as _, Encode as _};

    use super::*;
    use crate::testing::{Chain, call};

    fn claims(chain: &Chain) -> Claims {
        let zero = Digest::from([0; 32]);
        Claims { chain: chain.id(), epoch: 0, height: 1, parent: zero, time: 1, executed: 0, executed_header: zero }
    }

    #[test]
    fn a_slate_travels_and_every_flipped_byte_is_refused_or_changes_its_digest() {
        let chain = Chain;
        let rules = Rules { chain: chain.id() };
        let slate = Slate::unverified(claims(&chain), vec![call(&chain, 1), call(&chain, 2)]);
        let bytes = slate.encode();
        assert_eq!(bytes.len(), slate.encode_size());
        let back = Slate::decode_cfg(bytes.clone(), &rules).unwrap();
        assert_eq!(back.identity(), slate.identity());
        for at in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= 1;
            if let Ok(other) = Slate::decode_cfg(Bytes::from(flipped), &rules) {
                assert_ne!(other.identity(), slate.identity(), "byte {at}");
            }
        }
    }

    #[test]
    fn bounds_and_other_chains_are_refused() {
        let chain = Chain;
        let slate = Slate::unverified(claims(&chain), vec![call(&chain, 1)]);
        let other = Rules { chain: Digest::from([7; 32]) };
        assert!(Slate::decode_cfg(slate.encode(), &other).is_err());
        let rules = Rules { chain: chain.id() };
        let many = Slate::unverified(claims(&chain), vec![call(&chain, 1); MAX_BLOCK_TRANSACTIONS + 1]);
        assert!(Slate::decode_cfg(many.encode(), &rules).is_err());
        let mut long = (u32::MAX).to_be_bytes().to_vec();
        long.extend([0; 64]);
        assert!(Slate::decode_cfg(Bytes::from(long), &rules).is_err());
        assert!(Slate::decode_cfg(slate.encode().slice(..20), &rules).is_err());
    }
}
