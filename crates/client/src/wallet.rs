//! A principal's home directory: its keys, where its node is, and the consortium it trusts.
//!
//! `keys.sealed` holds all keys under one passphrase ([`crypto::keystore::FileKeys`]); `profile.toml` says who and where;
//! the consortium file is the pinned one, against which receipts are verified; `seen` is how far the ledger was at the last call. No key ever leaves `keys.sealed`.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crypto::kem::{RecipientKey, Suite};
use crypto::keystore::{self, Cost, FileKeys, Keys, Kind};
use crypto::{Digest, PublicKey, Secret};
use ledger::{Consortium, ConsortiumError};
use serde::{Deserialize, Serialize};

use crate::flow::Ephemeral;
use crate::http::{self, Endpoint};
use crate::seen::Seen;

/// The handle of the key that signs requests and transactions.
pub const PRINCIPAL: &str = "principal";

/// `profile.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The principal's name: 1–64 characters of `a-z 0-9 - .`.
    pub name: String,
    /// The member it belongs to; absent for someone outside the consortium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The node it talks to: `https://host:port`.
    pub node: String,
    /// SPKI digest of that node's TLS key.
    pub tls: Digest,
    /// Name of the pinned consortium file within the wallet's directory.
    #[serde(default = "default_consortium")]
    pub consortium: String,
}

impl Profile {
    /// Reads the TOML form; unknown keys are refused.
    ///
    /// # Errors
    /// [`Error::Profile`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let profile: Self = toml::from_str(text).map_err(|source| Error::Profile(source.to_string()))?;
        profile.check()?;
        Ok(profile)
    }

    /// The TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a profile holds texts only")
    }

    fn check(&self) -> Result<(), Error> {
        let names =
            [("name", Some(&self.name)), ("member", self.member.as_ref()), ("consortium", Some(&self.consortium))];
        for (field, name) in names {
            // No slashes and no leading dot: the consortium's name must not lead out of the directory.
            let usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
            let good =
                |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(usual) && !name.starts_with('.');
            if !name.is_none_or(good) {
                return Err(Error::Profile(format!("`{field}` is not 1 to 64 characters of a-z 0-9 - .")));
            }
        }
        if [PROFILE, KEYS, SEEN].contains(&self.consortium.as_str()) {
            return Err(Error::Profile(format!("`consortium` must not be {}", self.consortium)));
        }
        Endpoint::new(&self.node, self.tls, None)
            .map(drop)
            .map_err(|source| Error::Profile(format!("`node`: {source}")))
    }
}

/// An open wallet.
pub struct Wallet {
    directory: PathBuf,
    profile: Profile,
    consortium: Option<Consortium>,
    keys: Arc<FileKeys>,
}

impl Wallet {
    /// Makes the directory with a fresh principal's key. The consortium is pinned later, once its fingerprint was
    /// compared: [`Wallet::pin`].
    ///
    /// # Errors
    /// [`Error::Profile`]; [`Error::Keys`] where there is a wallet already; [`Error::Io`].
    pub fn create(directory: &Path, profile: Profile, passphrase: &Secret<Vec<u8>>) -> Result<Self, Error> {
        Self::create_with(directory, profile, passphrase, Cost::standard())
    }

    /// As [`Wallet::create`], at a passphrase cost of choice.
    ///
    /// # Errors
    /// As [`Wallet::create`].
    pub fn create_with(
        directory: &Path,
        profile: Profile,
        passphrase: &Secret<Vec<u8>>,
        cost: Cost,
    ) -> Result<Self, Error> {
        profile.check()?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
        let keys = FileKeys::create_with(directory.join(KEYS), passphrase, cost)?;
        keys.generate_signing(PRINCIPAL)?;
        write(&directory.join(PROFILE), &profile.to_toml())?;
        Ok(Self { directory: directory.to_owned(), profile, consortium: None, keys: Arc::new(keys) })
    }

    /// Opens a wallet.
    ///
    /// # Errors
    /// [`Error::Io`] where there is none, [`Error::Profile`], [`Error::Consortium`], [`Error::TooLong`], [`Error::Keys`].
    pub fn open(directory: &Path, passphrase: &Secret<Vec<u8>>) -> Result<Self, Error> {
        let profile = Profile::parse(&read(&directory.join(PROFILE), MAX_PROFILE)?)?;
        let path = directory.join(&profile.consortium);
        let consortium = match read(&path, MAX_CONSORTIUM) {
            Ok(text) => Some(Consortium::parse(&text)?),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let keys = FileKeys::open(directory.join(KEYS), passphrase)?;
        keys.public(PRINCIPAL)?;
        Ok(Self { directory: directory.to_owned(), profile, consortium, keys: Arc::new(keys) })
    }

    /// Who and where.
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The pinned consortium.
    ///
    /// # Errors
    /// [`Error::Unpinned`] before [`Wallet::pin`].
    pub fn consortium(&self) -> Result<&Consortium, Error> {
        self.consortium.as_ref().ok_or(Error::Unpinned)
    }

    /// Pins a consortium, or a newer state of the pinned one. The caller has compared its fingerprint.
    ///
    /// # Errors
    /// [`Error::OtherChain`] where another chain is pinned, [`Error::Io`].
    pub fn pin(&mut self, consortium: Consortium) -> Result<(), Error> {
        if let Some(pinned) = &self.consortium
            && pinned.chain != consortium.chain
        {
            return Err(Error::OtherChain { found: consortium.chain, pinned: pinned.chain });
        }
        consortium.check()?;
        write(&self.directory.join(&self.profile.consortium), &consortium.to_toml())?;
        self.consortium = Some(consortium);
        Ok(())
    }

    /// The highest ledger height that this principal's programs have seen. It is kept in the wallet's directory when the last clone of
    /// it goes. A hint: one that cannot be read is 0, and one that cannot be kept costs a question too early.
    pub fn seen(&self) -> Seen {
        let path = self.directory.join(SEEN);
        let text = read(&path, 32).ok();
        let height = text.and_then(|text| text.trim_end().parse().ok()).unwrap_or(0);
        Seen::kept(height, move |height| _ = fs::write(&path, format!("{height}\n")))
    }

    /// Replaces the profile: the node moved, or its key changed.
    ///
    /// # Errors
    /// [`Error::Profile`], [`Error::Io`].
    pub fn set_profile(&mut self, profile: Profile) -> Result<(), Error> {
        profile.check()?;
        write(&self.directory.join(PROFILE), &profile.to_toml())?;
        self.profile = profile;
        Ok(())
    }

    /// The principal's public key.
    pub fn key(&self) -> PublicKey {
        self.keys
            .public(PRINCIPAL)
            .expect("creating and opening both made sure of the principal's key, which is never removed")
    }

    /// All keys, by handle.
    pub fn keys(&self) -> Arc<dyn Keys> {
        Arc::clone(&self.keys) as _
    }

    /// The profile's node.
    ///
    /// # Errors
    /// [`http::Error::Address`].
    pub fn endpoint(&self) -> Result<Endpoint, http::Error> {
        Endpoint::new(&self.profile.node, self.profile.tls, None)
    }

    /// Makes a key that one request's result will be sealed to, and keeps it until [`Wallet::forget`].
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn ephemeral(&self, suite: Suite) -> Result<Ephemeral, Error> {
        let handle = format!("{EPHEMERAL}{}", wire::Fixed::<16>(crypto::random()));
        self.keys.generate_recipient(&handle, suite)?;
        Ok(Ephemeral::Stored(self.keys(), handle))
    }

    /// The kept key of this public key.
    ///
    /// # Errors
    /// [`Error::Forgotten`], [`Error::Keys`].
    pub fn find_ephemeral(&self, public: &RecipientKey) -> Result<Ephemeral, Error> {
        for (handle, kind) in self.keys.handles() {
            if kind == Kind::Recipient && handle.starts_with(EPHEMERAL) && self.keys.recipient(&handle)? == *public {
                return Ok(Ephemeral::Stored(self.keys(), handle));
            }
        }
        Err(Error::Forgotten { key: public.id() })
    }

    /// Destroys a request's key: what was sealed to it can be opened no more.
    ///
    /// # Errors
    /// [`Error::Forgotten`], [`Error::Keys`].
    pub fn forget(&self, public: &RecipientKey) -> Result<(), Error> {
        match self.find_ephemeral(public)? {
            Ephemeral::Stored(_, handle) => Ok(self.keys.remove(&handle)?),
            Ephemeral::Held(_) => unreachable!("the wallet's keys are stored"),
        }
    }
}

/// Why a wallet was not made, opened or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The profile is malformed.
    #[error("the wallet's profile.toml is malformed: {0}")]
    Profile(String),
    /// The pinned consortium is malformed.
    #[error(transparent)]
    Consortium(#[from] ConsortiumError),
    /// No consortium is pinned.
    #[error("no consortium is pinned: join one first, comparing its fingerprint")]
    Unpinned,
    /// Another chain is pinned.
    #[error("the consortium is that of chain {found}, but chain {pinned} is pinned; use another wallet for it")]
    OtherChain {
        /// Chain of the new one.
        found: Digest,
        /// Chain of the pinned one.
        pinned: Digest,
    },
    /// The wallet holds no such request's key.
    #[error("this wallet does not hold the request's key {key}; use the wallet that applied")]
    Forgotten {
        /// Identifier of the public key.
        key: Digest,
    },
    /// A file is longer than is accepted.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Bytes accepted.
        limit: u64,
    },
    /// The key store refused.
    #[error(transparent)]
    Keys(#[from] keystore::Error),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn default_consortium() -> String {
    "consortium.toml".to_owned()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    |source| Error::Io { path: path.to_owned(), source }
}

fn read(path: &Path, limit: u64) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path).map_err(at(path))?;
    file.take(limit + 1).read_to_string(&mut text).map_err(at(path))?;
    if text.len() as u64 > limit { Err(Error::TooLong { path: path.to_owned(), limit }) } else { Ok(text) }
}

/// Temporary file, fsync, rename, fsync of the directory: a crash leaves the old file or the new one.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    let directory = path.parent().expect("wallet files lie in the wallet's directory");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(at(path))
}

const PROFILE: &str = "profile.toml";
const KEYS: &str = "keys.sealed";
const SEEN: &str = "seen";
const EPHEMERAL: &str = "ephemeral/";
const MAX_PROFILE: u64 = 16 * 1024;
const MAX_CONSORTIUM: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
