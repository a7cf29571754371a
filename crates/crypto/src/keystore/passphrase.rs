//! Unattended unlock.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{Error, at};
use crate::Secret;

/// Where a passphrase comes from when nobody is there to type it.
pub struct Passphrase;

impl Passphrase {
    /// Most bytes of a passphrase.
    pub const MAX: usize = 1024;

    /// The passphrase in `$CREDENTIALS_DIRECTORY/sotto-passphrase` (a systemd credential) or, failing that, in the file
    /// that `SOTTO_PASSPHRASE_FILE` names; `None` when neither is there.
    ///
    /// # Errors
    /// [`Error::Io`] when a named file cannot be read, [`Error::Passphrase`] when what it holds is empty or too long.
    pub fn resolve() -> Result<Option<Secret<Vec<u8>>>, Error> {
        let credential =
            std::env::var_os("CREDENTIALS_DIRECTORY").map(|path| PathBuf::from(path).join("sotto-passphrase"));
        if let Some(path) = credential.filter(|path| path.exists()) {
            return Self::read(&path).map(Some);
        }
        std::env::var_os("SOTTO_PASSPHRASE_FILE").map(|path| Self::read(Path::new(&path))).transpose()
    }

    /// The passphrase in a file; one line break at its end does not count.
    ///
    /// # Errors
    /// As [`Passphrase::resolve`].
    pub fn read(path: &Path) -> Result<Secret<Vec<u8>>, Error> {
        // Room for the longest: growing would leave copies behind.
        let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(Self::MAX + 64));
        let file = File::open(path).map_err(at(path))?;
        file.take(Self::MAX as u64 + 3).read_to_end(&mut bytes).map_err(at(path))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::check(&bytes)?;
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }

    /// Bounds of a passphrase.
    pub(super) const fn check(bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() || bytes.len() > Self::MAX { Err(Error::Passphrase) } else { Ok(()) }
    }
}
