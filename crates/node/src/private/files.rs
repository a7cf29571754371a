//! Private payloads at rest: one sealed file each, under a key of its own that goes when its salt goes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use contracts::message::Opening;
use crypto::{Digest, Label, Secret, kdf};
use wire::Limits;

use crate::sealed;

/// The directory of a node's private payloads.
#[derive(Clone)]
pub(crate) struct Files {
    directory: PathBuf,
}

impl Files {
    /// Those under a node's data.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let directory = data.join(DIRECTORY);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok(Self { directory })
    }

    /// Seals a payload; it is on disk when this returns.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn write(&self, key: &Secret<[u8; 32]>, id: &Digest, opening: &Opening) -> io::Result<()> {
        let plain = Secret::new(wire::to_vec(opening));
        // It leaves as ciphertext.
        plain.expose(|plain| sealed::write(&self.path(id), key, &associated(id), plain))
    }

    /// Opens a payload; none where there is no file, or it is not what was sealed under this key.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn read(&self, key: &Secret<[u8; 32]>, id: &Digest) -> io::Result<Option<Opening>> {
        let Some(plain) = sealed::read(&self.path(id), key, &associated(id))? else { return Ok(None) };
        // It goes to a holder, which is what it is kept for.
        Ok(plain.expose(|plain| wire::from_slice(plain, Limits::large())).ok())
    }

    /// Removes a payload's file, where there is one.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn remove(&self, id: &Digest) -> io::Result<()> {
        sealed::remove(&self.path(id))
    }

    /// The names of all files that are there: identities, and what was never finished.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.directory)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    /// Removes a file by its name.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn remove_name(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(name))
    }

    fn path(&self, id: &Digest) -> PathBuf {
        self.directory.join(id.to_string())
    }
}

/// The key of a payload: from the node's secret and the payload's salt.
pub(crate) fn key(secret: &Secret<Vec<u8>>, salt: &Secret<[u8; 32]>, id: &Digest) -> Secret<[u8; 32]> {
    // What is derived is a secret again.
    salt.expose(|salt| kdf::derive(secret, salt, &[Label::PRIVATE_KEY.as_str().as_bytes(), id.as_ref()]))
}

fn associated(id: &Digest) -> Vec<u8> {
    [Label::PRIVATE_KEY.as_str().as_bytes(), id.as_ref()].concat()
}

/// Under the node's data.
const DIRECTORY: &str = "private";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_rests_sealed_under_its_own_key() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::open(directory.path()).unwrap();
        let [one, other] = [1, 2].map(|byte| Digest::from([byte; 32]));
        let secret = Secret::new(vec![5; 32]);
        let of = |salt: u8, id: &Digest| key(&secret, &Secret::new([salt; 32]), id);
        let opening = Opening::new(b"the price is 100,000".to_vec());
        assert_eq!(files.read(&of(1, &one), &one).unwrap(), None);
        files.write(&of(1, &one), &one, &opening).unwrap();
        assert_eq!(files.read(&of(1, &one), &one).unwrap(), Some(opening.clone()));
        assert_eq!(files.read(&of(2, &one), &one).unwrap(), None, "another salt");
        let path = files.path(&one);
        let sealed = fs::read(&path).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"price" || window == &opening.salt.as_ref()[..5]));
        // Another's file in its place, and files that were cut or changed.
        fs::write(files.path(&other), &sealed).unwrap();
        assert_eq!(files.read(&of(1, &one), &other).unwrap(), None);
        for length in [0, 5, 12, sealed.len() - 1] {
            fs::write(&path, &sealed[..length]).unwrap();
            assert_eq!(files.read(&of(1, &one), &one).unwrap(), None);
        }
        assert_eq!(files.names().unwrap().len(), 2);
        files.remove(&one).unwrap();
        files.remove(&one).unwrap();
        assert_eq!(files.names().unwrap(), [other.to_string()]);
    }
}
