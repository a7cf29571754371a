//! One file, sealed under a passphrase.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::{Algorithm, Argon2, Params, Version};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};

use super::content::{Content, Entry};
use super::{Error, Keys, Kind, Passphrase, at};
use crate::kem::{PrivateKey, RecipientKey, Sealed, Suite};
use crate::{Digest, Label, PublicKey, Secret, Signature, SigningKey, aead, hash, mldsa, random, sha256};

/// Longest file in bytes: 1 MiB of plaintext and a header.
const FILE: usize = 1024 * 1024 + 1024;
const FORMAT: &str = "sottovoce-keys/v1";

/// What guessing a passphrase costs: parameters of argon2id (RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106 §4.
    pub const fn standard() -> Self {
        Self { memory: 64 * 1024, passes: 3, lanes: 4 }
    }

    /// 64 KiB, one pass: for tests, where a passphrase guards nothing.
    pub const fn danger_weak() -> Self {
        Self { memory: 64, passes: 1, lanes: 1 }
    }

    /// Bounds what a file may ask for: at most 256 MiB, 16 passes, 8 lanes, and 1 GiB written in all.
    fn check(self) -> Result<Params, Error> {
        let Self { memory, passes, lanes } = self;
        let refused = Error::Cost { memory, passes, lanes };
        if memory > 256 * 1024 || passes > 16 || lanes > 8 || u64::from(memory) * u64::from(passes) > 1024 * 1024 {
            return Err(refused);
        }
        Params::new(memory, passes, lanes, Some(32)).map_err(|_| refused)
    }

    /// The key of a passphrase.
    fn key(self, passphrase: &[u8], salt: &[u8; 32]) -> Result<Secret<[u8; 32]>, Error> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.check()?)
            .hash_password_into(passphrase, salt, &mut *key)
            .expect("checked parameters and passphrase lengths are within argon2's");
        Ok(Secret::new(*key))
    }
}

/// The file before its ciphertext; bound to it as associated data.
#[derive(Clone, Copy, Encode, Decode)]
#[cbor(array)]
struct Header {
    #[n(0)]
    memory: u32,
    #[n(1)]
    passes: u32,
    #[n(2)]
    lanes: u32,
    #[n(3)]
    salt: Fixed<32>,
    #[n(4)]
    nonce: Fixed<12>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Sheet {
    #[n(0)]
    format: String,
    #[n(1)]
    header: Header,
    #[n(2)]
    ciphertext: Bytes,
}

/// Keys in a file, sealed under a passphrase by argon2id and AES-256-GCM.
///
/// Every change is on disk before the call returns. A file that another process changed meanwhile is not overwritten.
pub struct FileKeys {
    path: PathBuf,
    key: Secret<[u8; 32]>,
    cost: Cost,
    salt: Fixed<32>,
    state: Mutex<State>,
}

struct State {
    content: Content,
    /// Digest of the file as last read or written.
    stored: Digest,
}

impl FileKeys {
    /// A new, empty store at the standard cost.
    ///
    /// # Errors
    /// [`Error::Io`] when the file exists or cannot be written, [`Error::Passphrase`].
    pub fn create(path: impl Into<PathBuf>, passphrase: &Secret<Vec<u8>>) -> Result<Self, Error> {
        Self::create_with(path, passphrase, Cost::standard())
    }

    /// A new, empty store at a cost of choice.
    ///
    /// # Errors
    /// As [`FileKeys::create`].
    pub fn create_with(path: impl Into<PathBuf>, passphrase: &Secret<Vec<u8>>, cost: Cost) -> Result<Self, Error> {
        let (path, salt) = (path.into(), random());
        let key = unlock(passphrase, cost, &salt)?;
        let state = State { content: Content::default(), stored: sha256(&[]) };
        let store = Self { path, key, cost, salt: Fixed(salt), state: Mutex::new(state) };
        let lock = store.lock_file()?;
        if store.path.exists() {
            return Err(at(&store.path)(io::ErrorKind::AlreadyExists.into()));
        }
        store.write(&mut store.state())?;
        drop(lock);
        Ok(store)
    }

    /// Opens a store.
    ///
    /// # Errors
    /// [`Error::Locked`] for a wrong passphrase or an altered file, [`Error::Exposed`] when others may read it,
    /// [`Error::Format`], [`Error::Cost`], [`Error::Io`].
    pub fn open(path: impl Into<PathBuf>, passphrase: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let path = path.into();
        let bytes = read(&path)?;
        let format = |reason| Error::Format { path: path.clone(), reason };
        let limits = Limits { bytes: FILE, depth: 2 };
        let sheet: Sheet = wire::from_slice(&bytes, limits).map_err(|_| format("its encoding is not canonical"))?;
        if sheet.format != FORMAT {
            return Err(format("its format is another"));
        }
        let Header { memory, passes, lanes, salt, nonce } = sheet.header;
        let cost = Cost { memory, passes, lanes };
        let key = unlock(passphrase, cost, &salt.0)?;
        let plaintext = aead::open(&key, &nonce.0, associated(&sheet.header).as_ref(), &sheet.ciphertext)
            .map_err(|_| Error::Locked)?;
        // The content's secrets move into secrets of their own.
        let content =
            plaintext.expose(|bytes| Content::decode(bytes)).map_err(|_| format("its content is not understood"))?;
        let state = State { content, stored: sha256(&[&bytes]) };
        Ok(Self { path, key, cost, salt, state: Mutex::new(state) })
    }

    /// Makes a signing key.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Handle`], [`Error::Full`], [`Error::Changed`], [`Error::Io`].
    pub fn generate_signing(&self, handle: &str) -> Result<PublicKey, Error> {
        let key = SigningKey::generate();
        let public = key.public();
        self.insert(handle, Entry::Signing(key))?;
        Ok(public)
    }

    /// Makes an ML-DSA-65 key.
    ///
    /// # Errors
    /// As [`FileKeys::generate_signing`].
    pub fn generate_ml_dsa(&self, handle: &str) -> Result<mldsa::PublicKey, Error> {
        let key = mldsa::SigningKey::generate();
        let public = key.public();
        self.insert(handle, Entry::MlDsa(key))?;
        Ok(public)
    }

    /// Makes a recipient's key.
    ///
    /// # Errors
    /// As [`FileKeys::generate_signing`].
    pub fn generate_recipient(&self, handle: &str, suite: Suite) -> Result<RecipientKey, Error> {
        let key = PrivateKey::generate(suite);
        let public = key.public().clone();
        self.insert(handle, Entry::Recipient(key))?;
        Ok(public)
    }

    /// Keeps bytes that have a meaning of their own, at most 64 KiB.
    ///
    /// # Errors
    /// As [`FileKeys::generate_signing`].
    pub fn put_secret(&self, handle: &str, secret: Secret<Vec<u8>>) -> Result<(), Error> {
        self.insert(handle, Entry::Secret(secret))
    }

    /// The bytes that [`FileKeys::put_secret`] kept.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Kind`].
    pub fn secret(&self, handle: &str) -> Result<Secret<Vec<u8>>, Error> {
        match self.state().content.get(handle)? {
            // From one secret into another.
            Entry::Secret(secret) => Ok(secret.expose(|bytes| Secret::new(bytes.clone()))),
            other => Err(mismatch(handle, other, Kind::Secret)),
        }
    }

    /// The RFC 8032 seed of a signing key, for an engine that signs by itself. Whoever holds it is that key.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Kind`].
    pub fn danger_seed(&self, handle: &str) -> Result<Secret<[u8; 32]>, Error> {
        self.with_signing(handle, SigningKey::seed)
    }

    /// Forgets a key, on disk too. Backups of the file are beyond its reach.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Changed`], [`Error::Io`].
    pub fn remove(&self, handle: &str) -> Result<(), Error> {
        let _lock = self.lock_file()?;
        let mut state = self.state();
        let entry = state.content.remove(handle).ok_or_else(|| Error::Unknown { handle: handle.to_owned() })?;
        let written = self.save(&mut state);
        if written.is_err() {
            state.content.insert(handle, entry).expect("it was there before");
        }
        written
    }

    fn insert(&self, handle: &str, entry: Entry) -> Result<(), Error> {
        let _lock = self.lock_file()?;
        let mut state = self.state();
        state.content.insert(handle, entry)?;
        let written = self.save(&mut state);
        if written.is_err() {
            state.content.remove(handle);
        }
        written
    }

    /// Writes the file unless another process wrote it since; the caller holds the file's lock.
    fn save(&self, state: &mut State) -> Result<(), Error> {
        if sha256(&[&read(&self.path)?]) != state.stored {
            return Err(Error::Changed { path: self.path.clone() });
        }
        self.write(state)
    }

    /// Temporary file, fsync, rename, fsync of the directory: a crash leaves the old file or the new one.
    fn write(&self, state: &mut State) -> Result<(), Error> {
        let bytes = self.seal(&state.content);
        let temporary = stage(&self.path, &bytes)?;
        fs::rename(&temporary, &self.path).map_err(at(&self.path))?;
        // Renamed: whatever follows, this is what the next reader finds.
        state.stored = sha256(&[&bytes]);
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
    }

    fn seal(&self, content: &Content) -> Vec<u8> {
        let Cost { memory, passes, lanes } = self.cost;
        // A random nonce: a store is written far fewer than 2^32 times under its key.
        let header = Header { memory, passes, lanes, salt: self.salt, nonce: Fixed(random()) };
        let ciphertext = aead::seal(&self.key, &header.nonce.0, associated(&header).as_ref(), &content.encode());
        wire::to_vec(&Sheet { format: FORMAT.to_owned(), header, ciphertext: ciphertext.into() })
    }

    /// Keeps other processes from writing; the lock ends with the handle, even when the process is killed.
    fn lock_file(&self) -> Result<File, Error> {
        let path = beside(&self.path, "lock");
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between a change and its end, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_signing<R>(&self, handle: &str, action: impl FnOnce(&SigningKey) -> R) -> Result<R, Error> {
        match self.state().content.get(handle)? {
            Entry::Signing(key) => Ok(action(key)),
            other => Err(mismatch(handle, other, Kind::Signing)),
        }
    }

    fn with_ml_dsa<R>(&self, handle: &str, action: impl FnOnce(&mldsa::SigningKey) -> R) -> Result<R, Error> {
        match self.state().content.get(handle)? {
            Entry::MlDsa(key) => Ok(action(key)),
            other => Err(mismatch(handle, other, Kind::MlDsa)),
        }
    }

    fn with_recipient<R>(&self, handle: &str, action: impl FnOnce(&PrivateKey) -> R) -> Result<R, Error> {
        match self.state().content.get(handle)? {
            Entry::Recipient(key) => Ok(action(key)),
            other => Err(mismatch(handle, other, Kind::Recipient)),
        }
    }
}

impl Keys for FileKeys {
    fn sign(&self, handle: &str, label: Label, message: &[u8]) -> Result<Signature, Error> {
        self.with_signing(handle, |key| key.sign(label, message))
    }

    fn sign_raw(&self, handle: &str, message: &[u8]) -> Result<Signature, Error> {
        self.with_signing(handle, |key| key.sign_raw(message))
    }

    fn public(&self, handle: &str) -> Result<PublicKey, Error> {
        self.with_signing(handle, SigningKey::public)
    }

    fn sign_ml_dsa(&self, handle: &str, label: Label, message: &[u8]) -> Result<mldsa::Signature, Error> {
        self.with_ml_dsa(handle, |key| key.sign(label, message))
    }

    fn ml_dsa(&self, handle: &str) -> Result<mldsa::PublicKey, Error> {
        self.with_ml_dsa(handle, mldsa::SigningKey::public)
    }

    fn generate_ml_dsa(&self, handle: &str) -> Result<mldsa::PublicKey, Error> {
        // The store's own, which is found before this one.
        Self::generate_ml_dsa(self, handle)
    }

    fn recipient(&self, handle: &str) -> Result<RecipientKey, Error> {
        self.with_recipient(handle, |key| key.public().clone())
    }

    fn unwrap(&self, handle: &str, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error> {
        Ok(self.with_recipient(handle, |key| key.open(info, aad, sealed))??)
    }

    fn handles(&self) -> Vec<(String, Kind)> {
        self.state().content.handles()
    }
}

/// Shows where the keys are and what they are called.
impl fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileKeys").field("path", &self.path).field("handles", &self.handles()).finish_non_exhaustive()
    }
}

/// Writes a file beside `path`, readable by its owner only, and waits until it is on disk.
pub(super) fn stage(path: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let temporary = beside(path, "new");
    // What a crash left behind; whoever holds the lock may remove it.
    match fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(at(&temporary)(source)),
        _ => {}
    }
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(at(&temporary))?;
    Ok(temporary)
}

/// `path` with another extension appended to its name.
fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Reads a store's file, within bounds, if nobody else may.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let file = File::open(path).map_err(at(path))?;
    let mode = file.metadata().map_err(at(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(FILE as u64 + 1).read_to_end(&mut bytes).map_err(at(path))?;
    Ok(bytes)
}

fn unlock(passphrase: &Secret<Vec<u8>>, cost: Cost, salt: &[u8; 32]) -> Result<Secret<[u8; 32]>, Error> {
    // The passphrase goes nowhere but into the hash.
    passphrase.expose(|bytes| {
        Passphrase::check(bytes)?;
        cost.key(bytes, salt)
    })
}

/// What is bound to the ciphertext: `H(KEY_STORE, [CBOR of the header])`.
fn associated(header: &Header) -> Digest {
    hash(Label::KEY_STORE, &[&wire::to_vec(header)])
}

fn mismatch(handle: &str, entry: &Entry, expected: Kind) -> Error {
    Error::Kind { handle: handle.to_owned(), found: entry.kind(), expected }
}
