//! Textual forms of bytes, each with exactly one valid spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Reads lowercase hex.
///
/// # Errors
/// [`Error::Hex`] for odd lengths, uppercase digits or anything else.
pub fn hex(text: &str) -> Result<Vec<u8>, Error> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Error::Hex);
    }
    hex::decode(text).map_err(|_| Error::Hex)
}

/// Writes lowercase hex.
pub fn to_hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// Reads standard base64 (RFC 4648 §4) with padding and zero trailing bits.
///
/// # Errors
/// [`Error::Base64`] for any other spelling.
pub fn base64(text: &str) -> Result<Vec<u8>, Error> {
    STANDARD.decode(text).map_err(|_| Error::Base64)
}

/// Writes standard base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Why text was refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not lowercase hex.
    #[error("not lowercase hexadecimal")]
    Hex,
    /// Not canonical base64.
    #[error("not canonical base64 (RFC 4648 §4, padded)")]
    Base64,
    /// The wrong number of bytes.
    #[error("{found} bytes where {expected} are expected")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_each() {
        assert_eq!(hex("00ff").unwrap(), [0, 255]);
        assert!(hex("00FF").is_err() && hex("0").is_err() && hex("0g").is_err());
        assert_eq!(base64("AA==").unwrap(), [0]);
        assert!(base64("AB==").is_err(), "non-zero trailing bits");
        assert!(base64("AA").is_err(), "no padding");
        assert!(base64("AA==\n").is_err(), "white space");
        assert!(base64("-_==").is_err(), "another alphabet");
    }
}
