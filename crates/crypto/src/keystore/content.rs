//! What a key store holds, and its plaintext.

use std::collections::BTreeMap;

use minicbor::{Decoder, Encoder, decode};
use zeroize::Zeroizing;

use super::{Error, Kind};
use crate::kem::{PrivateKey, Suite};
use crate::{Secret, SigningKey, mldsa};

/// Most entries of a store.
const ENTRIES: usize = 1024;
/// Longest secret in bytes.
const SECRET: usize = 64 * 1024;
/// Longest plaintext in bytes.
const PLAINTEXT: usize = 1024 * 1024;
/// Bytes that an entry's encoding adds to its handle and secret, at most.
const OVERHEAD: usize = 24;

/// One key or secret.
pub(super) enum Entry {
    Signing(SigningKey),
    Recipient(PrivateKey),
    Secret(Secret<Vec<u8>>),
    MlDsa(mldsa::SigningKey),
}

impl Entry {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Signing(_) => Kind::Signing,
            Self::Recipient(_) => Kind::Recipient,
            Self::Secret(_) => Kind::Secret,
            Self::MlDsa(_) => Kind::MlDsa,
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Signing(_) | Self::MlDsa(_) => 32,
            // Lengths are public.
            Self::Recipient(key) => key.secret().expose(Vec::len),
            Self::Secret(secret) => secret.expose(Vec::len),
        }
    }
}

/// All entries by handle.
#[derive(Default)]
pub(super) struct Content(BTreeMap<String, Entry>);

impl Content {
    pub(super) fn get(&self, handle: &str) -> Result<&Entry, Error> {
        self.0.get(handle).ok_or_else(|| Error::Unknown { handle: handle.to_owned() })
    }

    pub(super) fn handles(&self) -> Vec<(String, Kind)> {
        self.0.iter().map(|(handle, entry)| (handle.clone(), entry.kind())).collect()
    }

    /// Adds an entry under a free handle.
    pub(super) fn insert(&mut self, handle: &str, entry: Entry) -> Result<(), Error> {
        check_handle(handle)?;
        if self.0.contains_key(handle) {
            return Err(Error::Taken { handle: handle.to_owned() });
        }
        let length = self.length() + handle.len() + entry.length() + OVERHEAD;
        if self.0.len() == ENTRIES || entry.length() > SECRET || length > PLAINTEXT {
            return Err(Error::Full);
        }
        self.0.insert(handle.to_owned(), entry);
        Ok(())
    }

    pub(super) fn remove(&mut self, handle: &str) -> Option<Entry> {
        self.0.remove(handle)
    }

    /// Upper bound of the encoding's length.
    fn length(&self) -> usize {
        self.0.iter().map(|(handle, entry)| handle.len() + entry.length() + OVERHEAD).sum::<usize>() + OVERHEAD
    }

    /// CBOR array of `[handle, kind, suite or null, bytes]`, handles ascending.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Allocated once: a vector that grows leaves copies of secrets behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.length()));
        let mut encoder = Encoder::new(&mut *bytes);
        let mut write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            encoder.array(self.0.len() as u64)?;
            for (handle, entry) in &self.0 {
                encoder.array(4)?.str(handle)?;
                // The secrets go into the plaintext that is sealed next and wiped.
                match entry {
                    Entry::Signing(key) => key.seed().expose(|seed| encoder.u8(0)?.null()?.bytes(seed).map(drop))?,
                    Entry::Recipient(key) => {
                        encoder.u8(1)?.u16(key.public().suite().id())?;
                        key.secret().expose(|bytes| encoder.bytes(bytes).map(drop))?;
                    }
                    Entry::Secret(secret) => secret.expose(|bytes| encoder.u8(2)?.null()?.bytes(bytes).map(drop))?,
                    Entry::MlDsa(key) => key.seed().expose(|seed| encoder.u8(3)?.null()?.bytes(seed).map(drop))?,
                }
            }
            Ok(())
        };
        write().expect("writing to a Vec cannot fail");
        bytes
    }

    /// Reads a plaintext that authenticated: bounds and order are checked, its canonical form is ours already.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, decode::Error> {
        let mut decoder = Decoder::new(bytes);
        let mut content = Self::default();
        let count = decoder.array()?.ok_or_else(|| decode::Error::message("an indefinite array"))?;
        let mut previous = String::new();
        for _ in 0..count {
            if decoder.array()? != Some(4) {
                return Err(decode::Error::message("an entry is an array of four"));
            }
            let handle = decoder.str()?.to_owned();
            let kind = decoder.u8()?;
            let suite = decoder.decode::<Option<Suite>>()?;
            let bytes = decoder.bytes()?;
            let entry = match (kind, suite) {
                (0, None) => {
                    let seed = Zeroizing::new(
                        <[u8; 32]>::try_from(bytes).map_err(|_| decode::Error::message("a seed has 32 bytes"))?,
                    );
                    Entry::Signing(SigningKey::from_seed(&seed))
                }
                (1, Some(suite)) => Entry::Recipient(
                    PrivateKey::from_secret(suite, Secret::new(bytes.to_vec())).map_err(decode::Error::message)?,
                ),
                (2, None) => Entry::Secret(Secret::new(bytes.to_vec())),
                (3, None) => {
                    let seed = bytes.try_into().map_err(|_| decode::Error::message("a seed has 32 bytes"))?;
                    Entry::MlDsa(mldsa::SigningKey::from_seed(Secret::new(seed)))
                }
                _ => return Err(decode::Error::message("an unknown kind of entry")),
            };
            if handle <= previous {
                return Err(decode::Error::message("handles out of order"));
            }
            content.insert(&handle, entry).map_err(decode::Error::message)?;
            previous = handle;
        }
        if decoder.position() == bytes.len() {
            Ok(content)
        } else {
            Err(decode::Error::message("bytes after the content"))
        }
    }
}

fn check_handle(handle: &str) -> Result<(), Error> {
    let usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/');
    if (1..=64).contains(&handle.len()) && handle.bytes().all(usual) {
        Ok(())
    } else {
        Err(Error::Handle { handle: handle.to_owned() })
    }
}
