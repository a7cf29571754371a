//! Streaming an object out as a transport file: ciphertext only, from any offset.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// A transport file put together while it is read: a head in memory, then core and segments from disk.
pub struct Export {
    /// Magic and stanza block.
    head: Vec<u8>,
    /// Core and segments.
    object: File,
    object_length: u64,
    position: u64,
}

impl Export {
    pub(crate) fn new(head: Vec<u8>, mut object: File) -> io::Result<Self> {
        let object_length = object.seek(SeekFrom::End(0))?;
        object.rewind()?;
        Ok(Self { head, object, object_length, position: 0 })
    }

    /// Bytes of the whole transport file.
    pub fn length(&self) -> u64 {
        self.head.len() as u64 + self.object_length
    }
}

impl Read for Export {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = usize::try_from(self.position).ok().and_then(|at| self.head.get(at..)).unwrap_or_default();
        let read = if head.is_empty() {
            self.object.read(buffer)?
        } else {
            let length = head.len().min(buffer.len());
            buffer[..length].copy_from_slice(&head[..length]);
            length
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Export {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length().checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.object.seek(SeekFrom::Start(self.position.saturating_sub(self.head.len() as u64)))?;
        Ok(self.position)
    }
}
