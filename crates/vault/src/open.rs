//! Opening: one pass over a transport file, two segments in memory.

use std::io::{self, Read, Write};

use crypto::Digest;
use crypto::stream::{MAX_SEGMENTS, TAG};

use crate::seal::{buffer, fill};
use crate::tree::Growing;
use crate::{Access, Error, Head, SEGMENT, Summary};

/// Opens a transport file. `root` is what a ledger or receipt says the object's root is; without it, any object sealed
/// to this key is accepted.
///
/// Each segment is authentic before its plaintext is written, yet only the end tells that the object is whole and the
/// expected one: discard what was written when this fails.
///
/// # Errors
/// Any: see [`Error`].
pub fn open(
    mut sealed: impl Read,
    mut plaintext: impl Write,
    access: &Access<'_>,
    root: Option<&Digest>,
) -> Result<Summary, Error> {
    let head = Head::read(&mut sealed)?;
    let stream = head.unlock(access)?.opener();
    let mut length = 0;
    let summary = segments(&head, sealed, io::sink(), |index, last, segment| {
        let plain = stream.open(index, last, segment)?;
        length += plain.len() as u64;
        Ok(plaintext.write_all(plain)?)
    })?;
    plaintext.flush()?;
    debug_assert_eq!(length, summary.length);
    summary.expect_root(root)
}

impl Summary {
    /// Refuses another root than the expected.
    pub(crate) fn expect_root(self, root: Option<&Digest>) -> Result<Self, Error> {
        match root {
            Some(expected) if *expected != self.root => Err(Error::Root { found: self.root, expected: *expected }),
            _ => Ok(self),
        }
    }
}

/// Reads sealed segments to the end and grows their tree; `each` gets index, whether it is the last, and ciphertext.
pub(crate) fn segments(
    head: &Head,
    mut sealed: impl Read,
    nodes: impl Write,
    mut each: impl FnMut(u64, bool, &mut [u8]) -> Result<(), Error>,
) -> Result<Summary, Error> {
    let mut tree = Growing::new(nodes);
    tree.push(&head.core().to_bytes())?;
    let (mut segment, mut ahead) = (buffer(), buffer());
    let (mut index, mut length) = (0, 0);
    fill(&mut sealed, &mut segment, SEGMENT + TAG)?;
    loop {
        match segment.len() {
            0..TAG => return Err(Error::Truncated { part: "segments" }),
            TAG if index > 0 => return Err(Error::EmptySegment),
            _ => {}
        }
        fill(&mut sealed, &mut ahead, SEGMENT + TAG)?;
        let last = ahead.is_empty();
        tree.push(&segment)?;
        length += (segment.len() - TAG) as u64;
        each(index, last, &mut segment)?;
        if last {
            let (id, root, weakest) = (head.id(), tree.root(), head.weakest());
            return Ok(Summary { id, root, segments: index + 1, length, weakest });
        }
        index += 1;
        if index == MAX_SEGMENTS {
            return Err(Error::TooLong { part: "number of segments", found: index + 1, limit: MAX_SEGMENTS });
        }
        std::mem::swap(&mut segment, &mut ahead);
    }
}
