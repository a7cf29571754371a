//! Writes small files sealed, whole or not at all, and opens and removes them.
//!
//! A file is a random nonce and an [`aead`] ciphertext. The caller's associated data says what it is, so that none passes for another.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crypto::{Secret, aead};

/// Seals `plain` into a file in place of one that is there; it is on disk when this returns. Cut short, it leaves what was there before,
/// and a draft that [`remove`] takes along.
///
/// # Errors
/// What the file system says.
pub(crate) fn write(path: &Path, key: &Secret<[u8; 32]>, associated: &[u8], plain: &[u8]) -> io::Result<()> {
    let nonce: [u8; aead::NONCE] = crypto::random();
    let sealed = aead::seal(key, &nonce, associated, plain);
    let draft = draft(path);
    let mut file = File::create(&draft)?;
    file.write_all(&nonce)?;
    file.write_all(&sealed)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

/// Opens a file; none where there is no file, or it is not what was sealed under this key with this associated data.
///
/// # Errors
/// What the file system says.
pub(crate) fn read(path: &Path, key: &Secret<[u8; 32]>, associated: &[u8]) -> io::Result<Option<Secret<Vec<u8>>>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let Some((nonce, sealed)) = bytes.split_first_chunk() else { return Ok(None) };
    Ok(aead::open(key, nonce, associated, sealed).ok())
}

/// Removes a file and its draft, where there are any.
///
/// # Errors
/// What the file system says.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    for path in [&draft(path), path] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn draft(path: &Path) -> PathBuf {
    path.with_extension("draft")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_opens_under_its_key_and_name_alone_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let [key, other] = [1, 2].map(|byte| Secret::new([byte; 32]));
        let opened = |key: &Secret<[u8; 32]>, associated: &[u8]| {
            read(&path, key, associated).unwrap().map(|plain| plain.expose(Clone::clone))
        };
        assert_eq!(opened(&key, b"a"), None);
        // A draft that was cut short is in nobody's way.
        fs::write(draft(&path), b"half of it").unwrap();
        write(&path, &key, b"a", b"first").unwrap();
        write(&path, &key, b"a", b"second").unwrap();
        assert_eq!(opened(&key, b"a").as_deref(), Some(&b"second"[..]));
        assert_eq!((opened(&other, b"a"), opened(&key, b"b")), (None, None));
        let sealed = fs::read(&path).unwrap();
        for at in [0, aead::NONCE, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert_eq!(opened(&key, b"a"), None);
            fs::write(&path, &sealed[..at]).unwrap();
            assert_eq!(opened(&key, b"a"), None);
        }
        fs::write(draft(&path), b"half of it").unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
