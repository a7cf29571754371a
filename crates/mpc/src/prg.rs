//! Randomness without talk: streams that a pair of parties, or one party alone, can both write.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::iv::FixedLength;
use crypto::{Digest, Label, Secret};
use zeroize::Zeroize as _;

use crate::domain::{Bits, Element};
use crate::engine::OpId;

/// What two parties agreed on: all that they share comes of it.
pub struct Root {
    root: Prk,
    low: u16,
    high: u16,
}

impl Root {
    /// HKDF-SHA256 (RFC 5869), extraction: salt = session, input = lower party's seed ‖ higher party's. One honest seed makes all
    /// keys uniform.
    pub fn new(session: &Digest, low: (u16, &Secret<[u8; 32]>), high: (u16, &Secret<[u8; 32]>)) -> Self {
        let mut seeds = [0; 64];
        low.1.expose(|seed| seeds[..32].copy_from_slice(seed));
        high.1.expose(|seed| seeds[32..].copy_from_slice(seed));
        let root = Salt::new(HKDF_SHA256, session.as_bytes()).extract(&seeds);
        seeds.zeroize();
        Self { root, low: low.0, high: high.0 }
    }

    /// A key for a purpose, independent of those for others: expansion with info = label ‖ indices u16 big-endian ‖ purpose.
    pub fn key<const N: usize>(&self, purpose: &[&[u8]]) -> Secret<[u8; N]> {
        let (low, high) = (self.low.to_be_bytes(), self.high.to_be_bytes());
        let mut info: Vec<&[u8]> = vec![Label::SESSION.as_str().as_bytes(), &low, &high];
        info.extend(purpose);
        expand(&self.root, &info)
    }
}

/// A keyed stream: AES in counter mode, block `(operation ‖ block)`, both u64 big-endian. Each operation has a stream of
/// 2^64 blocks of its own; an [`OpId`] is taken once in a run and the key is fresh for each run of a session, so that no part of a stream is
/// ever used twice, not even after a restart.
pub struct Prg {
    key: EncryptingKey,
    /// Which of the streams made by this thread, and whether it is one of a run's.
    #[cfg(test)]
    number: (u64, bool),
}

impl Prg {
    /// A stream under a uniform key: AES-128.
    pub fn new(key: &Secret<[u8; 16]>) -> Self {
        Self::under(key.expose(|key| UnboundCipherKey::new(&AES_128, key)).expect("an AES-128 key has 16 bytes"))
    }

    /// A stream by AES-256, for what is to stay hidden for long: masks of what leaves the session.
    pub fn wide(key: &Secret<[u8; 32]>) -> Self {
        Self::under(key.expose(|key| UnboundCipherKey::new(&AES_256, key)).expect("an AES-256 key has 32 bytes"))
    }

    fn under(key: UnboundCipherKey) -> Self {
        let key = EncryptingKey::ctr(key).expect("AES has a counter mode");
        Self {
            key,
            #[cfg(test)]
            number: (tests::number(), false),
        }
    }

    /// The pair's stream: AES-128 under its root's key for the purpose "stream" ‖ run, so that a run's fresh name makes another one.
    pub fn pair(root: &Root, run: &[u8; 16]) -> Self {
        Self::of_run(&root.key(&[b"stream", run]))
    }

    /// A party's own stream from its seed: HKDF-SHA256, salt = session, info = label ‖ index u16 big-endian ‖ "own" ‖ run.
    pub fn own(session: &Digest, run: &[u8; 16], index: u16, seed: &Secret<[u8; 32]>) -> Self {
        let root = seed.expose(|seed| Salt::new(HKDF_SHA256, session.as_bytes()).extract(seed));
        Self::of_run(&expand(&root, &[Label::SESSION.as_str().as_bytes(), &index.to_be_bytes(), b"own", run]))
    }

    fn of_run(key: &Secret<[u8; 16]>) -> Self {
        let prg = Self::new(key);
        #[cfg(test)]
        let prg = Self { number: (prg.number.0, true), ..prg };
        prg
    }

    /// Writes `op`'s stream from byte `16 * block` over `out`.
    pub fn fill(&self, op: OpId, block: u64, out: &mut [u8]) {
        out.fill(0);
        self.apply(op, block, out);
    }

    /// Adds the same stream to `out`, bit by bit without carries: for zeros, or masks of bits, it saves a pass.
    pub fn apply(&self, op: OpId, block: u64, out: &mut [u8]) {
        #[cfg(test)]
        tests::note(self, op, block, out.len());
        let counter = (u128::from(op.0) << 64) | u128::from(block);
        let context = EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
        self.key.less_safe_encrypt(out, context).expect("counter mode takes any length");
    }

    /// Writes elements `at ..` of `op`'s stream over `out`. `at` must be even where an element has eight bytes, so that it
    /// begins a block.
    pub fn elements<E: Element>(&self, op: OpId, at: usize, out: &mut [E]) {
        debug_assert_eq!(at * size_of::<E>() % 16, 0, "a tile begins a block");
        self.fill(op, (at * size_of::<E>() / 16) as u64, bytemuck::cast_slice_mut(out));
        for element in out {
            *element = element.from_stream();
        }
    }

    /// A vector of `len` elements of `op`'s stream, from its beginning.
    pub fn vector<E: Element>(&self, op: OpId, len: usize) -> Vec<E> {
        let mut out = vec![E::zeroed(); len];
        self.apply(op, 0, bytemuck::cast_slice_mut(&mut out));
        for element in &mut out {
            *element = element.from_stream();
        }
        out
    }

    /// `len` bits of `op`'s stream, from its beginning.
    pub fn bits(&self, op: OpId, len: usize) -> Bits {
        Bits::from_words(len, self.vector(op, len.div_ceil(64)))
    }
}

fn expand<const N: usize>(root: &Prk, info: &[&[u8]]) -> Secret<[u8; N]> {
    let mut key = [0; N];
    root.expand(info, Key::<N>).and_then(|okm| okm.fill(&mut key)).expect("a key's bytes are within what HKDF yields");
    Secret::new(key)
}

/// So many bytes of HKDF output.
struct Key<const N: usize>;

impl<const N: usize> KeyType for Key<N> {
    fn len(&self) -> usize {
        N
    }
}

#[cfg(test)]
mod tests;
