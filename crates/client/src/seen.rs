//! How far the ledger was at the nodes that a caller has talked to, so that none answers it from an earlier state.
//!
//! A node answers with the height that its copy of the ledger has ([`HEIGHT`]); the caller names the highest of them in its next
//! call, to whichever node, and that node first comes as far. It is a hint, for convenience: nothing is decided by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// In an answer: the height of the node's copy of the ledger. In a call: the height that it must have reached first.
pub const HEIGHT: HeaderName = HeaderName::from_static("sotto-height");

/// The highest ledger height that a caller has been told of. Clones share it.
#[derive(Clone, Default)]
pub struct Seen(Arc<Inner>);

#[derive(Default)]
struct Inner {
    height: AtomicU64,
    /// As it began.
    first: u64,
    /// Is told at the end, where it has changed.
    keep: Option<Keep>,
}

type Keep = Box<dyn Fn(u64) + Send + Sync>;

impl Seen {
    /// A caller that has seen this height.
    pub fn at(height: u64) -> Self {
        Self(Arc::new(Inner { height: height.into(), first: height, keep: None }))
    }

    /// The same; `keep` is told the height, where it has changed, when the last clone goes.
    pub fn kept(height: u64, keep: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { height: height.into(), first: height, keep: Some(Box::new(keep)) }))
    }

    /// The height; 0 before the first answer.
    pub fn height(&self) -> u64 {
        self.0.height.load(Ordering::Acquire)
    }

    /// Takes note of a height.
    pub fn raise(&self, to: u64) {
        self.0.height.fetch_max(to, Ordering::AcqRel);
    }

    /// A node that was asked at height `asked` is at `told` and gets no further: whoever named the former may have lied, so it is
    /// given up, unless something else was heard meanwhile.
    pub(crate) fn give_up(&self, asked: u64, told: u64) {
        let _ = self.0.height.compare_exchange(asked, told.min(asked), Ordering::AcqRel, Ordering::Acquire);
    }

    /// Names the height in a call, where there is one to name.
    pub(crate) fn name(&self, headers: &mut HeaderMap) -> u64 {
        let height = self.height();
        if height > 0 {
            headers.insert(HEIGHT, HeaderValue::from(height));
        }
        height
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seen").field(&self.height()).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let height = *self.height.get_mut();
        if let Some(keep) = self.keep.as_ref().filter(|_| height != self.first) {
            keep(height);
        }
    }
}

/// The height that headers name; none where they name none.
///
/// # Errors
/// [`Malformed`] unless it stands there once, in digits without leading zeros.
pub fn named(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut values = headers.get_all(&HEIGHT).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let height =
        value.to_str().ok().and_then(|text| text.parse().ok().filter(|height: &u64| height.to_string() == text));
    match (height, values.next()) {
        (Some(height), None) => Ok(Some(height)),
        _ => Err(Malformed),
    }
}

/// The header is there and is no height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `sotto-height` is not one number in digits")]
pub struct Malformed;

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| _ = headers.append(HEIGHT, HeaderValue::from_str(value).unwrap()));
        headers
    }

    #[test]
    fn a_height_has_one_spelling() {
        assert_eq!(named(&headers(&[])), Ok(None));
        assert_eq!(named(&headers(&["0"])), Ok(Some(0)));
        assert_eq!(named(&headers(&["18446744073709551615"])), Ok(Some(u64::MAX)));
        for bad in [&["01"][..], &["+1"], &["-1"], &[""], &["18446744073709551616"], &["1", "1"], &["1,2"]] {
            assert_eq!(named(&headers(bad)), Err(Malformed), "{bad:?}");
        }
    }

    #[test]
    fn a_height_that_no_node_confirms_is_given_up() {
        let seen = Seen::default();
        let mut headers = HeaderMap::new();
        assert_eq!((seen.name(&mut headers), headers.len()), (0, 0));
        seen.raise(7);
        seen.clone().raise(5);
        assert_eq!((seen.name(&mut headers), named(&headers)), (7, Ok(Some(7))));
        seen.raise(u64::MAX);
        seen.give_up(7, 3);
        assert_eq!(seen.height(), u64::MAX);
        seen.give_up(u64::MAX, 9);
        assert_eq!(seen.height(), 9);
    }

    #[test]
    fn what_has_changed_is_kept_at_the_end() {
        let (told, kept) = std::sync::mpsc::channel();
        let seen = Seen::kept(3, move |height| told.send(height).unwrap());
        let clone = seen.clone();
        clone.raise(5);
        drop(seen);
        assert!(kept.try_recv().is_err());
        drop(clone);
        assert_eq!(kept.try_recv(), Ok(5));
        let (told, kept) = std::sync::mpsc::channel();
        drop(Seen::kept(3, move |height| told.send(height).unwrap()));
        assert!(kept.recv().is_err());
    }
}
