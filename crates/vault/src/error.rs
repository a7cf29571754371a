//! What can go wrong with a sealed object.

use crypto::Digest;

/// Why an object was not sealed, opened, rewrapped or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed.
    #[error("cannot read or write the sealed object")]
    Io(#[from] std::io::Error),
    /// The file does not start as a sealed object does.
    #[error("not a sealed object: it does not start with `sottobj1`")]
    Magic,
    /// The file ends too early.
    #[error("the sealed object ends in the middle of its {part}")]
    Truncated {
        /// What was being read.
        part: &'static str,
    },
    /// A part is longer than the format allows.
    #[error("the {part} has {found} bytes or items, at most {limit} are allowed")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// What it has.
        found: u64,
        /// What it may have.
        limit: u64,
    },
    /// A part is not canonical CBOR of the expected form.
    #[error("the {part} is malformed")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: wire::Error,
    },
    /// A version or suite that this reader does not know.
    #[error("the {part} is {found}, this reader knows only {known}")]
    Unsupported {
        /// Which number.
        part: &'static str,
        /// Its value.
        found: u64,
        /// The value that is known.
        known: u64,
    },
    /// The stanzas belong to another object.
    #[error("the stanzas are those of object {found}, not of {expected}")]
    OtherObject {
        /// The object that the stanzas name.
        found: Digest,
        /// The object they came with.
        expected: Digest,
    },
    /// Sealing needs a recipient.
    #[error("an object must be sealed to one recipient at least")]
    NoRecipient,
    /// The key at hand is none of the object's recipients.
    #[error("the object is not sealed to this key")]
    NotRecipient,
    /// The key store refused, or the wrapped key is forged.
    #[error("the key store cannot unwrap the data key")]
    Keys(#[source] crypto::keystore::Error),
    /// HPKE refused a wrapped key.
    #[error("the wrapped key does not open")]
    Wrap(#[source] crypto::kem::Error),
    /// AES-GCM refused a data key wrapped under a batch key.
    #[error("the data key does not open under the batch key")]
    BatchWrap,
    /// The unwrapped data key is not the one that the core commits to.
    #[error("the unwrapped data key is not the one that the object commits to")]
    Commitment,
    /// The stanzas were changed by someone who does not hold the data key.
    #[error("the stanzas are not authentic")]
    Stanzas,
    /// The escrow wrap is not that of the object's data key: the agents could not open the object.
    #[error("the escrow wrap is not the one of this object's data key")]
    Escrow(#[source] crypto::escrow::Error),
    /// A segment was changed, moved, or is missing.
    #[error("the object was changed or cut")]
    Segment(#[from] crypto::stream::Refused),
    /// An empty last segment follows others, which no sealer writes.
    #[error("an empty segment ends the object")]
    EmptySegment,
    /// The object is intact but not the one expected.
    #[error("the object's root is {found}, not {expected}")]
    Root {
        /// Root of what was read.
        found: Digest,
        /// Root that was asked for.
        expected: Digest,
    },
    /// The tree that the vault keeps is damaged; the object itself may be intact.
    #[error("the stored tree is not that of the stored object")]
    Tree,
    /// A leaf of an extract is not in the tree.
    #[error("leaf {leaf} is not proven to lie under the root")]
    Proof {
        /// 0 for the core, `i + 1` for segment `i`.
        leaf: u64,
    },
    /// The range is empty, reversed, too long, or beyond the end.
    #[error("bytes {start}..{end} are not a range of the object's {length} bytes that can be read at once")]
    Range {
        /// First byte.
        start: u64,
        /// Byte after the last.
        end: u64,
        /// Length of the object's plaintext, as far as known.
        length: u64,
    },
    /// The vault keeps no such object.
    #[error("the vault keeps no object {id}")]
    Missing {
        /// Which object.
        id: Digest,
    },
    /// The vault keeps this object already.
    #[error("the vault keeps object {id} already")]
    Exists {
        /// Which object.
        id: Digest,
    },
}
