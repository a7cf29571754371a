//! The canonical encoding: one value, one byte string.

use minicbor::decode::Decoder;

/// Encodes a value; the result is canonical because `minicbor` writes shortest integers and definite lengths, and our
/// types hold neither floats nor unsorted maps.
pub fn to_vec<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    // Most values fit: growing byte by byte costs more than encoding.
    let mut bytes = Vec::with_capacity(USUAL);
    minicbor::encode(value, &mut bytes)
        .expect("writing to a Vec cannot fail, and our types encode without user errors");
    bytes
}

/// Encodes a value and compares it with these bytes, without writing it anywhere.
fn encodes_as<T: minicbor::Encode<()>>(value: &T, bytes: &[u8]) -> bool {
    let mut rest = Rest(bytes);
    minicbor::encode(value, &mut rest).is_ok() && rest.0.is_empty()
}

/// What must still be written.
struct Rest<'a>(&'a [u8]);

impl minicbor::encode::Write for Rest<'_> {
    type Error = Differs;

    fn write_all(&mut self, written: &[u8]) -> Result<(), Differs> {
        self.0 = self.0.strip_prefix(written).ok_or(Differs)?;
        Ok(())
    }
}

#[derive(Debug)]
struct Differs;

/// Bytes that most values take.
const USUAL: usize = 512;

/// Decodes one value from untrusted bytes.
///
/// # Errors
/// [`Error`] when the bytes exceed the limits, are not canonical, do not hold a `T`, or hold more than one.
pub fn from_slice<T>(bytes: &[u8], limits: Limits) -> Result<T, Error>
where
    T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    scan(bytes, limits)?;
    let value: T = Decoder::new(bytes).decode().map_err(|source| Error::Shape(source.to_string()))?;
    // The scan fixed lengths and integers; encoding again catches what only the type knows: unknown trailing fields,
    // unsorted maps, duplicate keys.
    if !encodes_as(&value, bytes) {
        return Err(Error::NotCanonical { at: 0, what: "a value that encodes differently" });
    }
    Ok(value)
}

/// What a reader accepts at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest input in bytes.
    pub bytes: usize,
    /// Deepest nesting of arrays and maps.
    pub depth: usize,
}

impl Limits {
    /// 64 KiB, depth 24: a transaction, a message between nodes.
    pub const fn small() -> Self {
        Self { bytes: 64 * 1024, depth: 24 }
    }

    /// 16 MiB, depth 24: a block, a page of blocks.
    pub const fn large() -> Self {
        Self { bytes: 16 * 1024 * 1024, depth: 24 }
    }
}

/// Why bytes were refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is longer than the reader accepts.
    #[error("the input has {found} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// Arrays or maps nest deeper than the reader accepts.
    #[error("the input nests deeper than {limit}")]
    TooDeep {
        /// Depth accepted.
        limit: usize,
    },
    /// The input ends inside a value.
    #[error("the input ends in the middle of a value")]
    Truncated,
    /// Bytes follow the value.
    #[error("{extra} bytes follow the value")]
    Trailing {
        /// Bytes that follow.
        extra: usize,
    },
    /// The value has another, canonical encoding.
    #[error("not canonical at byte {at}: {what}")]
    NotCanonical {
        /// Offset of the offending item.
        at: usize,
        /// What was found.
        what: &'static str,
    },
    /// Well-formed, but not the expected type.
    #[error("not of the expected form: {0}")]
    Shape(String),
}

/// Walks the whole input once without building anything: lengths, depth, shortest integers, no floats, no tags.
fn scan(input: &[u8], limits: Limits) -> Result<(), Error> {
    if input.len() > limits.bytes {
        return Err(Error::TooLong { found: input.len(), limit: limits.bytes });
    }
    // Items still to come at each open level.
    let mut open: Vec<u64> = vec![1];
    let mut at = 0;
    while let Some(left) = open.last_mut() {
        if *left == 0 {
            open.pop();
            continue;
        }
        *left -= 1;
        let start = at;
        let (major, argument, next) = head(input, at)?;
        at = next;
        match major {
            0 | 1 => {}
            2 | 3 => {
                let length = usize::try_from(argument).map_err(|_| Error::Truncated)?;
                let end = at.checked_add(length).filter(|end| *end <= input.len()).ok_or(Error::Truncated)?;
                if major == 3 && std::str::from_utf8(&input[at..end]).is_err() {
                    return Err(Error::NotCanonical { at: start, what: "text that is not UTF-8" });
                }
                at = end;
            }
            4 | 5 => {
                let items = if major == 5 { argument.checked_mul(2).ok_or(Error::Truncated)? } else { argument };
                // Each item takes a byte at least: a length that cannot fit is refused before anything is allocated.
                if items > (input.len() - at) as u64 {
                    return Err(Error::Truncated);
                }
                if open.len() > limits.depth {
                    return Err(Error::TooDeep { limit: limits.depth });
                }
                open.push(items);
            }
            6 => return Err(Error::NotCanonical { at: start, what: "a tag" }),
            _ => match input[start] {
                0xf4..=0xf6 => {}
                _ => return Err(Error::NotCanonical { at: start, what: "a float or an unknown simple value" }),
            },
        }
    }
    match input.len() - at {
        0 => Ok(()),
        extra => Err(Error::Trailing { extra }),
    }
}

/// Reads an item's head: major type, argument, offset after it.
fn head(input: &[u8], at: usize) -> Result<(u8, u64, usize), Error> {
    let first = *input.get(at).ok_or(Error::Truncated)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let wide = |n: usize| -> Result<u64, Error> {
        let bytes = input.get(at + 1..at + 1 + n).ok_or(Error::Truncated)?;
        Ok(bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    };
    let (argument, length, least) = match info {
        0..=23 => (u64::from(info), 0, 0),
        24 => (wide(1)?, 1, 24),
        25 => (wide(2)?, 2, 0x100),
        26 => (wide(4)?, 4, 0x1_0000),
        27 => (wide(8)?, 8, 0x1_0000_0000),
        31 => return Err(Error::NotCanonical { at, what: "an indefinite length" }),
        _ => return Err(Error::NotCanonical { at, what: "a reserved head" }),
    };
    if argument < least {
        return Err(Error::NotCanonical { at, what: "an integer longer than needed" });
    }
    Ok((major, argument, at + 1 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, Fixed};
    use proptest::prelude::*;

    #[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
    #[cbor(array)]
    struct Sample {
        #[n(0)]
        number: u64,
        #[n(1)]
        signed: i64,
        #[n(2)]
        name: String,
        #[n(3)]
        digest: Fixed<4>,
        #[n(4)]
        data: Option<Bytes>,
        #[n(5)]
        kind: Kind,
        #[n(6)]
        list: Vec<u32>,
    }

    #[derive(Clone, Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
    enum Kind {
        #[n(0)]
        Empty,
        #[n(1)]
        Full(#[n(0)] u8, #[n(1)] String),
    }

    fn sample() -> impl Strategy<Value = Sample> {
        let kind = prop_oneof![Just(Kind::Empty), (any::<u8>(), ".{0,5}").prop_map(|(a, b)| Kind::Full(a, b))];
        let data = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300).prop_map(Bytes::from));
        (
            any::<u64>(),
            any::<i64>(),
            ".{0,30}",
            any::<[u8; 4]>(),
            data,
            kind,
            proptest::collection::vec(any::<u32>(), 0..40),
        )
            .prop_map(|(number, signed, name, digest, data, kind, list)| Sample {
                number,
                signed,
                name,
                digest: Fixed(digest),
                data,
                kind,
                list,
            })
    }

    proptest! {
        #[test]
        fn round_trip(value in sample()) {
            let bytes = to_vec(&value);
            prop_assert_eq!(from_slice::<Sample>(&bytes, Limits::small()).unwrap(), value);
        }

        #[test]
        fn any_accepted_bytes_are_the_encoding(value in sample(), at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = to_vec(&value);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(other) = from_slice::<Sample>(&bytes, Limits::small()) {
                prop_assert_eq!(to_vec(&other), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_slice::<Sample>(&bytes, Limits::small());
        }
    }

    #[test]
    fn refuses_what_has_another_spelling() {
        let limits = Limits::small();
        let cases: [(&[u8], &str); 7] = [
            (&[0x18, 0x17], "longer integer"),
            (&[0x19, 0x00, 0xff], "longer integer"),
            (&[0x9f, 0xff], "indefinite array"),
            (&[0xc0, 0x01], "tag"),
            (&[0xf9, 0x00, 0x00], "float"),
            (&[0xf7], "undefined"),
            (&[0x61, 0xff], "bad utf-8"),
        ];
        for (bytes, what) in cases {
            assert!(matches!(scan(bytes, limits), Err(Error::NotCanonical { .. })), "{what}");
        }
        assert_eq!(scan(&[0x01, 0x01], limits), Err(Error::Trailing { extra: 1 }));
        assert_eq!(scan(&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], limits), Err(Error::Truncated));
        assert_eq!(scan(&[0x81; 100], limits), Err(Error::TooDeep { limit: 24 }));
        assert_eq!(scan(&[0u8; 65 * 1024], limits), Err(Error::TooLong { found: 65 * 1024, limit: 64 * 1024 }));
    }

    #[test]
    fn refuses_an_extra_field() {
        #[derive(Debug, minicbor::Encode, minicbor::Decode)]
        #[cbor(array)]
        struct One {
            #[n(0)]
            _only: u8,
        }
        assert!(from_slice::<One>(&[0x81, 0x01], Limits::small()).is_ok());
        assert!(from_slice::<One>(&[0x82, 0x01, 0x02], Limits::small()).is_err());
    }
}
