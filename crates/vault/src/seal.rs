//! Sealing: one pass over the plaintext, two segments in memory.

use std::io::{self, Read, Write};

use crypto::Digest;
use crypto::kem::Suite;
use crypto::stream::{MAX_SEGMENTS, TAG};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::key::DataKey;
use crate::tree::Growing;
use crate::{Error, Head, Recipient, SEGMENT, Stanzas, Unlocked};

/// What is known of a sealed object once all its bytes were seen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Summary {
    /// Digest of the core: the object's id.
    #[n(0)]
    pub id: Digest,
    /// Merkle root over core and segments.
    #[n(1)]
    pub root: Digest,
    /// Number of segments, at least 1.
    #[n(2)]
    pub segments: u64,
    /// Bytes of plaintext.
    #[n(3)]
    pub length: u64,
    /// The weakest suite among the recipients.
    #[n(4)]
    pub weakest: Suite,
}

/// Seals `plaintext` into a transport file.
///
/// # Errors
/// [`Error::NoRecipient`], [`Error::TooLong`], [`Error::Wrap`], or those of reader and writer.
pub fn seal<'a>(
    plaintext: impl Read,
    mut sealed: impl Write,
    to: impl IntoIterator<Item: Into<Recipient<'a>>>,
    associated: &[u8],
) -> Result<Summary, Error> {
    let sealer = Sealer::new(to, associated)?;
    sealer.head().write(&mut sealed)?;
    sealer.run(plaintext, sealed, io::sink())
}

/// A fresh object whose head is known and whose segments are still to come.
pub struct Sealer {
    head: Head,
    unlocked: Unlocked,
}

impl Sealer {
    /// A fresh data key, wrapped to the recipients; `associated` is bound to the object in clear.
    ///
    /// # Errors
    /// [`Error::NoRecipient`], [`Error::TooLong`] or [`Error::Wrap`].
    pub fn new<'a>(to: impl IntoIterator<Item: Into<Recipient<'a>>>, associated: &[u8]) -> Result<Self, Error> {
        let (core, unlocked) = DataKey::generate().commit(associated)?;
        let head = Head::new(Stanzas::wrap(to, &unlocked, None)?, core)?;
        Ok(Self { head, unlocked })
    }

    /// Stanzas and core, to be written before the segments.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Seals the segments; `nodes` receives the tree's digests in the order in which they become known.
    ///
    /// # Errors
    /// Those of reader and writers, or [`Error::TooLong`] beyond 256 TiB.
    pub fn run(self, mut plaintext: impl Read, mut segments: impl Write, nodes: impl Write) -> Result<Summary, Error> {
        let mut tree = Growing::new(nodes);
        tree.push(&self.head.core().to_bytes())?;
        let mut stream = self.unlocked.sealer();
        let (mut segment, mut ahead) = (buffer(), buffer());
        let (mut count, mut length) = (1, 0);
        fill(&mut plaintext, &mut segment, SEGMENT)?;
        // Whether a segment is the last is known only after looking behind it.
        while segment.len() == SEGMENT {
            fill(&mut plaintext, &mut ahead, SEGMENT)?;
            if ahead.is_empty() {
                break;
            }
            if count == MAX_SEGMENTS {
                return Err(Error::TooLong { part: "number of segments", found: count + 1, limit: MAX_SEGMENTS });
            }
            length += segment.len() as u64;
            stream.seal_next(&mut segment);
            tree.push(&segment)?;
            segments.write_all(&segment)?;
            std::mem::swap(&mut segment, &mut ahead);
            count += 1;
        }
        length += segment.len() as u64;
        stream.seal_last(&mut segment);
        tree.push(&segment)?;
        segments.write_all(&segment)?;
        segments.flush()?;
        Ok(Summary { id: self.head.id(), root: tree.root(), segments: count, length, weakest: self.head.weakest() })
    }
}

/// A buffer for one segment and its tag; never grows, so that no copy of plaintext stays behind unwiped.
pub(crate) fn buffer() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(SEGMENT + TAG))
}

/// Reads `size` bytes, or fewer at the end of the input.
pub(crate) fn fill(reader: &mut impl Read, buffer: &mut Vec<u8>, size: usize) -> io::Result<()> {
    buffer.resize(size, 0);
    let mut filled = 0;
    while filled < size {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(())
}
