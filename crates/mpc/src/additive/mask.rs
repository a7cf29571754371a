//! The keys that two parties share, and the masks made from them.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::iv::FixedLength;
use crypto::{Digest, Label, Secret};
use zeroize::Zeroize as _;

/// The keys of one pair in one session.
pub(super) struct Pair {
    mask: Secret<[u8; 32]>,
    confirmation: Digest,
}

impl Pair {
    /// HKDF-SHA256 (RFC 5869): salt = session, input = lower party's seed ‖ higher party's seed, info = label ‖ indices
    /// as u16 big-endian ‖ purpose. One honest contribution makes the keys uniform.
    pub(super) fn derive(session: &Digest, low: (u16, &Secret<[u8; 32]>), high: (u16, &Secret<[u8; 32]>)) -> Self {
        let mut seeds = [0; 64];
        low.1.expose(|seed| seeds[..32].copy_from_slice(seed));
        high.1.expose(|seed| seeds[32..].copy_from_slice(seed));
        let root = Salt::new(HKDF_SHA256, session.as_bytes()).extract(&seeds);
        seeds.zeroize();
        let expand = |purpose: &[u8]| {
            let (low, high) = (low.0.to_be_bytes(), high.0.to_be_bytes());
            let info = [Label::SESSION.as_str().as_bytes(), &low, &high, purpose];
            let mut key = [0; 32];
            root.expand(&info, Key)
                .and_then(|okm| okm.fill(&mut key))
                .expect("32 bytes are within what HKDF-SHA256 yields");
            key
        };
        // The confirmation is independent of the mask key to anyone without the seeds, hence may be published.
        Self { mask: Secret::new(expand(b"mask")), confirmation: expand(b"confirm").into() }
    }

    /// What both parties publish beside their shares, so that different keys are noticed.
    pub(super) const fn confirmation(&self) -> Digest {
        self.confirmation
    }

    /// Adds or subtracts the pair's stream: AES-256-CTR from counter 0, read as u64 little-endian. The key is fresh for
    /// each session and masks one vector, so that no part of the stream is ever used twice.
    pub(super) fn apply(&self, values: &mut [u64], add: bool) {
        let mut tile = vec![0; TILE * 8];
        for (index, values) in values.chunks_mut(TILE).enumerate() {
            let stream = &mut tile[..values.len() * 8];
            stream.fill(0);
            let counter = (index * TILE / 2) as u128;
            self.encrypt(counter, stream);
            for (value, mask) in values.iter_mut().zip(stream.chunks_exact(8)) {
                let mask = u64::from_le_bytes(mask.try_into().expect("chunks are eight bytes"));
                *value = if add { value.wrapping_add(mask) } else { value.wrapping_sub(mask) };
            }
        }
        tile.zeroize();
    }

    fn encrypt(&self, counter: u128, stream: &mut [u8]) {
        let key = self.mask.expose(|key| UnboundCipherKey::new(&AES_256, key)).expect("an AES-256 key has 32 bytes");
        let context = EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
        let key = EncryptingKey::ctr(key).expect("AES-256 has a counter mode");
        key.less_safe_encrypt(stream, context).expect("counter mode takes any length");
    }
}

/// 32 bytes of HKDF output.
struct Key;

impl KeyType for Key {
    fn len(&self) -> usize {
        32
    }
}

/// Values masked at once (32 KiB); two of them fill one AES block.
const TILE: usize = 4096;
