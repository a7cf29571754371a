//! Where a page ended, as the caller carries it: opaque, bounded, and good for the same search only.
//!
//! It is no secret and no permission: whoever makes one up reads on from another place of what the same search gives anyway.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use contracts::code;
use minicbor::{Decode, Encode};
use serde::Serialize;
use wire::Limits;

use crate::problem::ApiError;

/// The last item of a page.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Cursor {
    #[n(0)]
    version: u8,
    /// Which search: [`fingerprint`].
    #[n(1)]
    of: u64,
    /// Place in the log, from 1; 0 is the genesis, and below it is what stands by its time.
    #[n(2)]
    place: i64,
    /// An event's place in its transaction.
    #[n(3)]
    pub(super) ordinal: u32,
    /// An object's kind and identity.
    #[n(4)]
    pub(super) kind: String,
    #[n(5)]
    pub(super) id: String,
}

impl Cursor {
    /// `place` as the tables have it.
    pub(super) fn new(of: u64, place: i64, ordinal: u32, kind: String, id: String) -> Self {
        Self { version: VERSION, of, place: place.saturating_add(1), ordinal, kind, id }
    }

    /// As the tables have it.
    pub(super) fn place(&self) -> i64 {
        self.place.saturating_sub(1)
    }

    /// Reads what a caller gives.
    ///
    /// # Errors
    /// `malformed` where it is no cursor, or another search's.
    pub(super) fn parse(text: &str, of: u64) -> Result<Self, ApiError> {
        let refuse = |detail| Err(ApiError::new(code::MALFORMED, detail));
        if text.len() > MAX_LENGTH {
            return refuse("`after` is longer than any cursor: pass the `next` of the page before, as it was given");
        }
        let bytes = wire::text::hex(text).ok();
        let cursor = bytes.and_then(|bytes| wire::from_slice::<Self>(&bytes, Limits::small()).ok());
        match cursor.filter(|cursor| cursor.version == VERSION) {
            None => refuse("`after` is no cursor: pass the `next` of the page before, as it was given"),
            Some(cursor) if cursor.of != of => {
                refuse("`after` is of another search: keep the search as it was, or begin anew without `after`")
            }
            Some(cursor) if [&cursor.kind, &cursor.id].iter().any(|text| text.contains('\0')) => {
                refuse("`after` is no cursor: pass the `next` of the page before, as it was given")
            }
            Some(cursor) => Ok(cursor),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&wire::text::to_hex(&wire::to_vec(self)))
    }
}

/// Tells searches apart (FNV-1a, 64 bits): their fields but `after` and `limit`. It keeps callers from a mistake, nobody from an intent.
pub(super) fn fingerprint(what: &str, which: &impl Serialize) -> u64 {
    let fields = serde_json::to_value(which).expect("a search has texts and numbers only");
    // In the order of their names, however JSON keeps them.
    let fields: BTreeMap<_, _> = fields.as_object().into_iter().flatten().collect();
    let mut text = what.to_owned();
    for (key, value) in
        fields.into_iter().filter(|(key, value)| !["after", "limit"].contains(&key.as_str()) && !value.is_null())
    {
        _ = write!(text, " {key}={value}");
    }
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const VERSION: u8 = 1;
/// Longest cursor, characters.
const MAX_LENGTH: usize = 512;

#[cfg(test)]
mod tests {
    use client::search::{Events, Objects};

    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_search() {
        let which = Objects { name: Some("care".into()), ..Objects::default() };
        let of = fingerprint("objects", &which);
        let cursor = Cursor::new(of, -1, 3, "asset".into(), "ab".into());
        assert_eq!(cursor.place(), -1);
        assert_eq!(Cursor::parse(&cursor.to_string(), of).unwrap(), cursor);
        let same = Objects { after: Some(cursor.to_string()), limit: Some(3), ..which };
        assert_eq!(fingerprint("objects", &same), of);
        let by_time = Cursor::new(of, -(1 << 62), 0, "asset".into(), "ab".into());
        assert_eq!(Cursor::parse(&by_time.to_string(), of).unwrap().place(), -(1 << 62));
        for other in [fingerprint("objects", &Objects::default()), fingerprint("events", &Events::default())] {
            let refused = Cursor::parse(&cursor.to_string(), other).unwrap_err();
            assert!(refused.to_string().contains("another search"), "{refused}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let of = 7;
        let good = Cursor::new(of, 5, 0, String::new(), String::new()).to_string();
        let zero = Cursor::new(of, 5, 0, "a\0".into(), String::new()).to_string();
        let mut later = Cursor::new(of, 5, 0, String::new(), String::new());
        later.version = 2;
        let long = Cursor::new(of, 5, 0, "x".repeat(300), String::new()).to_string();
        for bad in
            ["", "zz", "'; DROP TABLE events; --", &good[2..], &format!("{good}00"), &zero, &later.to_string(), &long]
        {
            assert_eq!(Cursor::parse(bad, of).unwrap_err().code, "malformed", "{bad}");
        }
        // Whatever is taken is written the same way again.
        let bytes = wire::text::hex(&Cursor::new(of, 5, 1, "asset".into(), "ab".into()).to_string()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let text = wire::text::to_hex(&other);
            assert!(Cursor::parse(&text, of).map_or(true, |cursor| cursor.to_string() == text), "{bit}");
        }
        let far = Cursor::new(of, i64::MAX, 0, String::new(), String::new());
        assert_eq!(Cursor::parse(&far.to_string(), of).unwrap().place(), i64::MAX - 1);
    }
}
