//! AES-256-GCM (NIST SP 800-38D) over a whole message.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::Secret;

/// Bytes of a nonce.
pub const NONCE: usize = 12;
/// Bytes by which a ciphertext is longer than its plaintext.
pub const TAG: usize = 16;

/// Encrypts `plaintext`; the result is ciphertext ‖ tag.
///
/// The caller never uses a nonce twice under one key.
pub fn seal(key: &Secret<[u8; 32]>, nonce: &[u8; NONCE], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(plaintext.len() + TAG);
    buffer.extend_from_slice(plaintext);
    cipher(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut buffer)
        .expect("a message in memory is shorter than the 64 GiB that AES-GCM takes");
    buffer
}

/// Decrypts ciphertext ‖ tag.
///
/// # Errors
/// [`Refused`] when anything differs from what was sealed.
pub fn open(
    key: &Secret<[u8; 32]>,
    nonce: &[u8; NONCE],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Secret<Vec<u8>>, Refused> {
    let mut buffer = ciphertext.to_vec();
    let length = cipher(key)
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut buffer)
        .map_err(|_| Refused)?
        .len();
    buffer.truncate(length);
    Ok(Secret::new(buffer))
}

/// Key, nonce, associated data or ciphertext is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not authenticate")]
pub struct Refused;

fn cipher(key: &Secret<[u8; 32]>) -> LessSafeKey {
    // The key goes nowhere but into the cipher, which wipes its schedule on drop.
    key.expose(|key| LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes")))
}
