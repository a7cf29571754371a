//! The key schedule of HPKE (RFC 9180 §4.1, §5.1) written once more from the text, as a second opinion.

use crypto::kem::{Sealed, Suite};
use crypto::{Secret, aead, kdf};

pub(crate) const AES_128_GCM: u16 = 1;
const AES_256_GCM: u16 = 2;

/// RFC 9180 §4.1 `ExtractAndExpand`: the KEM's secret of a Diffie-Hellman result.
pub(crate) fn dhkem_secret(suite: Suite, dh: &[u8], enc: &[u8], public: &[u8]) -> [u8; 32] {
    let id = [b"KEM", &suite.id().to_be_bytes()[..]].concat();
    let prk = labeled_extract(&id, &[0; 32], "eae_prk", dh);
    labeled_expand(&id, &prk, "shared_secret", &[enc, public].concat(), 32)
}

/// RFC 9180 §5.1 `KeySchedule`, base mode: key (its first bytes, where the AEAD's is shorter) and base nonce.
pub(crate) fn schedule(suite: Suite, aead: u16, shared: &[u8; 32], info: &[u8]) -> ([u8; 32], [u8; 12]) {
    let id = [b"HPKE", &suite.id().to_be_bytes()[..], &1u16.to_be_bytes(), &aead.to_be_bytes()].concat();
    let psk_id = labeled_extract(&id, &[0; 32], "psk_id_hash", b"");
    let info = labeled_extract(&id, &[0; 32], "info_hash", info);
    let context = [&[0], &psk_id[..], &info].concat();
    let secret = labeled_extract(&id, shared, "secret", b"");
    let key = labeled_expand(&id, &secret, "key", &context, if aead == AES_128_GCM { 16 } else { 32 });
    let nonce = labeled_expand(&id, &secret, "base_nonce", &context, 12);
    (key, nonce[..12].try_into().unwrap())
}

/// Seals the first message under AES-256-GCM.
pub(crate) fn seal(suite: Suite, shared: &[u8; 32], enc: &[u8], info: &[u8], aad: &[u8], plaintext: &[u8]) -> Sealed {
    let (key, nonce) = schedule(suite, AES_256_GCM, shared, info);
    let ciphertext = aead::seal(&Secret::new(key), &nonce, aad, plaintext).into();
    Sealed { enc: enc.to_vec().into(), ciphertext }
}

fn labeled_extract(id: &[u8], salt: &[u8; 32], label: &str, input: &[u8]) -> [u8; 32] {
    kdf::mac(&Secret::new(*salt), &[b"HPKE-v1", id, label.as_bytes(), input])
}

/// One block of HKDF-Expand: at most 32 bytes.
fn labeled_expand(id: &[u8], prk: &[u8; 32], label: &str, info: &[u8], length: u16) -> [u8; 32] {
    kdf::mac(&Secret::new(*prk), &[&length.to_be_bytes(), b"HPKE-v1", id, label.as_bytes(), info, &[1]])
}
