//! What precedes the segments in a transport file: magic, stanzas, core.

use std::io::{self, Read, Write};

use crypto::Digest;
use crypto::kem::Suite;

use crate::core::MAX_CORE;
use crate::stanza::MAX_BLOCK;
use crate::{Access, Core, Error, Recipient, Stanzas, Unlocked};

/// Stanzas and core of one object: all that opening needs before the first segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    stanzas: Stanzas,
    core: Core,
}

impl Head {
    /// Joins stanzas to the core they belong to.
    ///
    /// # Errors
    /// [`Error::OtherObject`] when they belong to another.
    pub fn new(stanzas: Stanzas, core: Core) -> Result<Self, Error> {
        let (found, expected) = (stanzas.object(), core.id());
        if found != expected {
            return Err(Error::OtherObject { found, expected });
        }
        Ok(Self { stanzas, core })
    }

    /// Reads the head of a transport file and leaves `reader` at the first segment.
    ///
    /// # Errors
    /// Any that concerns magic, stanzas or core.
    pub fn read(mut reader: impl Read) -> Result<Self, Error> {
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic).map_err(ends_in("magic"))?;
        if magic != *MAGIC {
            return Err(Error::Magic);
        }
        let stanzas = Stanzas::parse(&read_part(&mut reader, "stanza block", MAX_BLOCK)?)?;
        let core = read_core(&mut reader)?;
        Self::new(stanzas, core)
    }

    /// Writes the head as a transport file starts.
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        writer.write_all(MAGIC)?;
        write_part(&mut writer, &self.stanzas.to_bytes())?;
        write_part(&mut writer, &self.core.to_bytes())
    }

    /// The object's id: the digest of its core.
    pub fn id(&self) -> Digest {
        self.stanzas.object()
    }

    /// The immutable core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The recipient stanzas.
    pub fn stanzas(&self) -> &Stanzas {
        &self.stanzas
    }

    /// The weakest suite among the recipients.
    pub fn weakest(&self) -> Suite {
        self.stanzas.weakest()
    }

    /// Unwraps the data key and checks the core's commitment and the stanzas' mac.
    ///
    /// # Errors
    /// [`Error::NotRecipient`], [`Error::Keys`], [`Error::Wrap`], [`Error::BatchWrap`], [`Error::Commitment`] or
    /// [`Error::Stanzas`].
    pub fn unlock(&self, access: &Access<'_>) -> Result<Unlocked, Error> {
        self.stanzas.unlock(&self.core, access)
    }

    /// New stanzas for the same object, to exactly these recipients; the segments stay as they are, and so does the escrow wrap unless an
    /// escrow key is among the recipients.
    ///
    /// # Errors
    /// As [`Head::unlock`], and [`Error::NoRecipient`], [`Error::TooLong`] or [`Error::Wrap`] for the new recipients.
    pub fn rewrap<'a>(
        &self,
        access: &Access<'_>,
        to: impl IntoIterator<Item: Into<Recipient<'a>>>,
    ) -> Result<Stanzas, Error> {
        Stanzas::wrap(to, &self.unlock(access)?, self.stanzas.escrow_bytes())
    }
}

/// Reads a length-prefixed core.
pub(crate) fn read_core(reader: impl Read) -> Result<Core, Error> {
    Core::parse(&read_part(reader, "core", MAX_CORE)?)
}

/// Writes a 32-bit big-endian length and the bytes.
pub(crate) fn write_part(mut writer: impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).expect("core and stanza block are bounded far below 4 GiB");
    writer.write_all(&length.to_be_bytes())?;
    writer.write_all(bytes)
}

/// An early end of file says in which part it came.
pub(crate) fn ends_in(part: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Truncated { part },
        _ => Error::Io(error),
    }
}

pub(crate) const MAGIC: &[u8; 8] = b"sottobj1";

fn read_part(mut reader: impl Read, part: &'static str, limit: usize) -> Result<Vec<u8>, Error> {
    let mut length = [0; 4];
    reader.read_exact(&mut length).map_err(ends_in(part))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(Error::TooLong { part, found: length as u64, limit: limit as u64 });
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).map_err(ends_in(part))?;
    Ok(bytes)
}
