//! Masks: AES-256-CTR under a key that is used for one vector only.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use crypto::Secret;
use zeroize::Zeroize as _;

/// Adds or subtracts the key's stream, read as u64 little-endian from counter block 0.
pub(super) fn apply(key: &Secret<[u8; 32]>, values: &mut [u64], add: bool) {
    let mut tile = vec![0; TILE * 8];
    for (index, values) in values.chunks_mut(TILE).enumerate() {
        let stream = &mut tile[..values.len() * 8];
        stream.fill(0);
        encrypt(key, (index * TILE / 2) as u128, stream);
        let masks = stream.chunks_exact(8).map(|mask| u64::from_le_bytes(mask.try_into().expect("eight bytes")));
        if add {
            values.iter_mut().zip(masks).for_each(|(value, mask)| *value = value.wrapping_add(mask));
        } else {
            values.iter_mut().zip(masks).for_each(|(value, mask)| *value = value.wrapping_sub(mask));
        }
    }
    tile.zeroize();
}

/// The same stream word by word, for random field elements and the graph.
pub(super) struct Stream {
    key: Secret<[u8; 32]>,
    tile: Secret<Vec<u8>>,
    /// Words used of the tile, and tiles used before it.
    used: usize,
    tiles: usize,
}

impl Stream {
    pub(super) fn new(key: &Secret<[u8; 32]>) -> Self {
        // The copy stays a secret.
        let key = Secret::new(key.expose(|key| *key));
        Self { key, tile: Secret::new(Vec::new()), used: SMALL, tiles: 0 }
    }

    pub(super) fn word(&mut self) -> u64 {
        if self.used == SMALL {
            let mut tile = vec![0; SMALL * 8];
            encrypt(&self.key, (self.tiles * SMALL / 2) as u128, &mut tile);
            self.tile = Secret::new(tile);
            (self.used, self.tiles) = (0, self.tiles + 1);
        }
        let at = self.used * 8;
        self.used += 1;
        // The caller keeps the word where it keeps its secrets.
        self.tile.expose(|tile| u64::from_le_bytes(tile[at..at + 8].try_into().expect("eight bytes")))
    }
}

fn encrypt(key: &Secret<[u8; 32]>, counter: u128, stream: &mut [u8]) {
    let key = key.expose(|key| UnboundCipherKey::new(&AES_256, key)).expect("an AES-256 key has 32 bytes");
    let context = EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
    let key = EncryptingKey::ctr(key).expect("AES-256 has a counter mode");
    key.less_safe_encrypt(stream, context).expect("counter mode takes any length");
}

/// Values masked at once (32 KiB); two of them fill one AES block.
const TILE: usize = 4096;

/// Words drawn at once.
const SMALL: usize = 128;
