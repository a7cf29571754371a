//! A home: where a member's node and operator, or a principal's wallet, live.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use client::wallet::{PRINCIPAL, Profile, Wallet};
use client::{Client, Clock};
use crypto::{Digest, Secret};
use ledger::Consortium;

use crate::error::Failure;

/// A home's directory. A member's holds `node/` and `operator/`; a principal's is the wallet itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The home at `given`, else at `$HOME/.sotto`.
    ///
    /// # Errors
    /// Where neither is known.
    pub(crate) fn resolve(given: Option<PathBuf>) -> Result<Self, Failure> {
        let usual = || std::env::home_dir().map(|home| home.join(".sotto"));
        let found = given.or_else(usual);
        found.map(Self).ok_or_else(|| {
            Failure::new("there is no telling where your home is").hint("name it with --home or SOTTO_HOME")
        })
    }

    /// The home at `directory`.
    pub(crate) fn at(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// A member's node.
    pub(crate) fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// A member's operator.
    pub(crate) fn operator(&self) -> PathBuf {
        self.0.join("operator")
    }

    /// A witness.
    pub(crate) fn witness(&self) -> PathBuf {
        self.0.join("witness")
    }

    /// Whether it is a member's.
    pub(crate) fn is_member(&self) -> bool {
        self.operator().is_dir() || self.node().is_dir()
    }

    /// The wallet: a member's operator's, or the principal's own.
    pub(crate) fn wallet(&self) -> PathBuf {
        if self.is_member() { self.operator() } else { self.0.clone() }
    }

    /// Refuses a home that something lives in.
    pub(crate) fn vacant(&self) -> Result<(), Failure> {
        let taken = self.is_member() || self.0.join("profile.toml").exists() || self.0.join("keys.sealed").exists();
        match taken {
            false => Ok(()),
            true => Err(Failure::new(format!("{} is somebody's home already", self.0.display()))
                .hint("choose another with --home; keys are never overwritten")),
        }
    }

    /// Opens the wallet.
    ///
    /// # Errors
    /// Where there is none, or it does not open.
    pub(crate) fn open(&self, passphrase: &Secret<Vec<u8>>) -> Result<Session, Failure> {
        self.inhabited()?;
        Session::new(Wallet::open(&self.wallet(), passphrase)?)
    }

    /// Refuses a home without a wallet, before anyone is asked for its passphrase.
    pub(crate) fn inhabited(&self) -> Result<(), Failure> {
        let directory = self.wallet();
        match directory.join("profile.toml").exists() {
            true => Ok(()),
            false => Err(Failure::new(format!("there is no wallet at {}", directory.display()))
                .hint("name your home with --home or SOTTO_HOME; make one with `sotto init` or `sotto join`")),
        }
    }
}

/// An open wallet and the client that acts for it.
pub(crate) struct Session {
    /// The wallet.
    pub(crate) wallet: Wallet,
    /// Its principal at its node.
    pub(crate) client: Client,
}

impl Session {
    /// A session of an open wallet with a pinned consortium.
    ///
    /// # Errors
    /// Where no consortium is pinned.
    pub(crate) fn new(wallet: Wallet) -> Result<Self, Failure> {
        let chain = wallet.consortium()?.chain;
        let client =
            Client::new(wallet.endpoint()?, wallet.keys(), PRINCIPAL, chain, clock())?.with_seen(wallet.seen());
        Ok(Self { wallet, client })
    }

    /// The member that the wallet's principal belongs to.
    ///
    /// # Errors
    /// For someone outside the consortium.
    pub(crate) fn member(&self) -> Result<&str, Failure> {
        self.wallet.profile().member.as_deref().ok_or_else(|| {
            Failure::new("this wallet belongs to no member").hint("use the home of a member's operator or principal")
        })
    }

    /// Asks the wallet's own node for the consortium as it is now, and pins it where it continues the pinned one.
    ///
    /// # Errors
    /// Where it does not: that must never happen, and the pinned one stays.
    pub(crate) async fn refresh(&mut self) -> Result<&Consortium, Failure> {
        let found = Consortium::parse(&self.client.consortium().await?)?;
        let pinned = self.wallet.consortium()?;
        if found != *pinned {
            if !continues(pinned, &found) {
                return Err(Failure::new("the node's consortium contradicts the one you pinned")
                    .because(format!("its fingerprint is {}", found.fingerprint()))
                    .hint("do not go on: compare fingerprints with another member first"));
            }
            // A member's people trust their own node; anyone else compares the new fingerprint first.
            if self.wallet.profile().member.is_none() {
                return Err(Failure::new("the consortium has changed since you pinned it")
                    .because(format!("its fingerprint is now {}", found.fingerprint()))
                    .hint("ask a member for the new file (`sotto member export`), compare fingerprints with another member, and put it into your home as consortium.toml"));
            }
            self.wallet.pin(found)?;
        }
        Ok(self.wallet.consortium()?)
    }
}

/// Whether `later` says all that `pinned` says, and perhaps more.
pub(crate) fn continues(pinned: &Consortium, later: &Consortium) -> bool {
    pinned.chain == later.chain
        && pinned.name == later.name
        && pinned.epochs.iter().all(|epoch| later.epoch(epoch.number) == Some(epoch))
        && pinned.oracles.iter().all(|oracles| later.oracles(oracles.epoch) == Some(oracles))
}

/// Makes a wallet in `directory`, under a consortium whose fingerprint was compared.
///
/// # Errors
/// Where one is there already.
pub(crate) fn create(
    directory: &Path,
    profile: Profile,
    consortium: Consortium,
    passphrase: &Secret<Vec<u8>>,
) -> Result<Wallet, Failure> {
    let mut wallet = Wallet::create(directory, profile, passphrase)?;
    wallet.pin(consortium)?;
    Ok(wallet)
}

/// A profile of someone of `member` at the node `node`, whose TLS key has the digest `tls`.
pub(crate) fn profile(name: &str, member: Option<&str>, node: &str, tls: Digest) -> Profile {
    Profile {
        name: name.to_owned(),
        member: member.map(str::to_owned),
        node: node.to_owned(),
        tls,
        consortium: "consortium.toml".to_owned(),
    }
}

/// The system's clock.
pub(crate) fn clock() -> Clock {
    Arc::new(now)
}

/// Unix milliseconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set after 1970");
    u64::try_from(since.as_millis()).expect("milliseconds since 1970 fit 64 bits for as long as anyone reads this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_members_or_a_principals() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path());
        assert!(home.vacant().is_ok() && !home.is_member());
        assert_eq!(home.wallet(), directory.path());
        std::fs::create_dir(home.operator()).unwrap();
        assert!(home.vacant().is_err() && home.is_member());
        assert_eq!(home.wallet(), home.operator());
    }

    #[test]
    fn a_consortium_may_grow_but_never_change() {
        let genesis = ledger::Genesis {
            name: "Trials".into(),
            created: 1,
            application: Vec::new().into(),
            nonce: wire::Fixed([1; 16]),
        };
        let validator = |name: &str| ledger::Validator {
            name: name.into(),
            key: crypto::SigningKey::generate().public(),
            ml_dsa: None,
        };
        let mut pinned = Consortium::new(&genesis);
        pinned.epochs.push(ledger::Epoch { number: 1, validators: vec![validator("a")] }.pinned(0));
        let mut later = pinned.clone();
        later.epochs.push(ledger::Epoch { number: 2, validators: vec![validator("a"), validator("b")] }.pinned(1));
        assert!(continues(&pinned, &pinned) && continues(&pinned, &later));
        assert!(!continues(&later, &pinned));
        let mut moved = later.clone();
        moved.epochs[1].start = 2;
        assert!(!continues(&later, &moved));
        later.epochs[0].validators[0] = validator("a");
        assert!(!continues(&pinned, &later));
    }
}
