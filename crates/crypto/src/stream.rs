//! STREAM: a long message as AES-256-GCM segments that cannot be reordered, dropped, repeated or cut short.
//!
//! Segment `i` is sealed in place under the nonce `i as u88 big-endian ‖ last`, where `last` is 1 for the final segment
//! and 0 otherwise (Hoang, Reyhanitabar, Rogaway, Vizár: *Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance*, CRYPTO 2015, §7, with AES-256-GCM of NIST SP 800-38D as its AEAD). A key seals one message only.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::Secret;

/// Bytes that sealing adds to each segment.
pub const TAG: usize = 16;

/// Most segments of a message: 256 TiB in segments of 64 KiB.
pub const MAX_SEGMENTS: u64 = 1 << 32;

/// Seals the segments of one message in order; consuming it for the last keeps a nonce from being used twice.
pub struct Sealer {
    key: LessSafeKey,
    associated: [u8; 32],
    next: u64,
}

impl Sealer {
    /// `key` must be fresh: no other message may ever be sealed under it. `associated` is bound into every segment.
    pub fn new(key: &Secret<[u8; 32]>, associated: [u8; 32]) -> Self {
        Self { key: cipher(key), associated, next: 0 }
    }

    /// Seals a segment that others follow, in place, and appends its tag.
    ///
    /// # Panics
    /// After [`MAX_SEGMENTS`] segments.
    pub fn seal_next(&mut self, segment: &mut Vec<u8>) {
        assert!(self.next < MAX_SEGMENTS, "a message has at most {MAX_SEGMENTS} segments");
        self.seal(false, segment);
        self.next += 1;
    }

    /// Seals the last segment, in place, and appends its tag.
    pub fn seal_last(self, segment: &mut Vec<u8>) {
        self.seal(true, segment);
    }

    fn seal(&self, last: bool, segment: &mut Vec<u8>) {
        self.key
            .seal_in_place_append_tag(nonce(self.next, last), Aad::from(self.associated), segment)
            .expect("AES-GCM seals any segment that fits in memory");
    }
}

/// Opens the segments of one message, in any order.
pub struct Opener {
    key: LessSafeKey,
    associated: [u8; 32],
}

impl Opener {
    /// The counterpart of [`Sealer::new`].
    pub fn new(key: &Secret<[u8; 32]>, associated: [u8; 32]) -> Self {
        Self { key: cipher(key), associated }
    }

    /// Opens segment `index` in place and returns its plaintext, [`TAG`] bytes shorter. Reaching the end of a message is
    /// known only by opening a segment as `last`.
    ///
    /// # Errors
    /// [`Refused`] when the segment is not the one sealed at this place of this message; its bytes are then undefined.
    pub fn open<'a>(&self, index: u64, last: bool, segment: &'a mut [u8]) -> Result<&'a mut [u8], Refused> {
        let associated = Aad::from(self.associated);
        self.key.open_in_place(nonce(index, last), associated, segment).map_err(|_| Refused { index })
    }
}

/// A segment is not the one that was sealed at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {index} is not the one that was sealed at its place")]
pub struct Refused {
    /// Place of the segment, counted from 0.
    pub index: u64,
}

fn cipher(key: &Secret<[u8; 32]>) -> LessSafeKey {
    key.expose(|key| LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes")))
}

fn nonce(index: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[3..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = last.into();
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal(key: &Secret<[u8; 32]>, segments: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut sealer = Sealer::new(key, [3; 32]);
        let mut sealed = segments.to_vec();
        let (last, others) = sealed.split_last_mut().expect("a message has a segment");
        others.iter_mut().for_each(|segment| sealer.seal_next(segment));
        sealer.seal_last(last);
        sealed
    }

    proptest! {
        #[test]
        fn opens_only_in_its_place(key: [u8; 32], segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..6)) {
            let key = Secret::new(key);
            let opener = Opener::new(&key, [3; 32]);
            for (sealed_at, sealed) in seal(&key, &segments).iter().enumerate() {
                for index in 0..segments.len() {
                    for last in [false, true] {
                        let mut segment = sealed.clone();
                        let right = index == sealed_at && last == (index + 1 == segments.len());
                        match opener.open(index as u64, last, &mut segment) {
                            Ok(plain) => prop_assert!(right && plain == segments[index]),
                            Err(_) => prop_assert!(!right),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn refuses_any_flip_other_associated_data_and_short_segments() {
        let key = Secret::new([9; 32]);
        let sealed = &seal(&key, &[b"one".to_vec()])[0];
        let opener = Opener::new(&key, [3; 32]);
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(opener.open(0, true, &mut flipped).unwrap_err(), Refused { index: 0 });
            assert!(opener.open(0, true, &mut sealed[..at].to_vec()).is_err());
        }
        assert!(Opener::new(&key, [4; 32]).open(0, true, &mut sealed.clone()).is_err());
        assert!(Opener::new(&Secret::new([8; 32]), [3; 32]).open(0, true, &mut sealed.clone()).is_err());
        assert_eq!(opener.open(0, true, &mut sealed.clone()).unwrap(), b"one");
    }

    #[test]
    fn known_answer() {
        // Computed with OpenSSL's AES-256-GCM under the documented nonces.
        let key = Secret::new(std::array::from_fn(|i| i as u8));
        let mut sealer = Sealer::new(&key, [7; 32]);
        sealer.seal_next(&mut b"first".to_vec());
        let mut segment = b"second".to_vec();
        sealer.seal_last(&mut segment);
        let expected: wire::Fixed<22> = "1b68e319a4de230eea7afa53a19493706e78b10c5a54".parse().unwrap();
        assert_eq!(segment, expected.as_ref());
    }
}
