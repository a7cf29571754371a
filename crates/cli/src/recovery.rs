//! The recovery file: a member's new operator key, signed by itself, for another member to propose.
//!
//! TOML, unknown keys refused. It is no secret, and worth nothing without the members' votes; it tells nobody who made it. Whoever
//! proposes it asks the member by another way whether the key is its own.

use contracts::message::{Recover, recovery};
use crypto::keystore::{self, Keys};
use crypto::{Digest, Label, PublicKey, Signature};
use serde::{Deserialize, Serialize};

/// The file's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement {
    format: String,
    /// The chain.
    pub chain: Digest,
    /// The member.
    pub member: String,
    /// Its new operator key.
    pub key: PublicKey,
    /// Last moment of deciding it, Unix milliseconds.
    pub until: u64,
    possession: Signature,
}

impl Statement {
    /// Has a key sign that it is to be the member's.
    ///
    /// # Errors
    /// Where the key cannot be used.
    pub(crate) fn make(
        chain: Digest,
        member: &str,
        until: u64,
        keys: &dyn Keys,
        handle: &str,
    ) -> Result<Self, keystore::Error> {
        let key = keys.public(handle)?;
        let possession = keys.sign(handle, Label::RECOVERY, &recovery(&chain, member, &key, until))?;
        Ok(Self { format: FORMAT.into(), chain, member: member.into(), key, until, possession })
    }

    /// Reads the file and checks that the key has signed it.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_FILE {
            return Err(Error::TooLong { found: text.len() });
        }
        let statement: Self = toml::from_str(text).map_err(|error| Error::Form(error.to_string()))?;
        if statement.format != FORMAT {
            return Err(Error::Format { found: statement.format });
        }
        match statement.action().is_signed(&statement.chain) {
            true => Ok(statement),
            false => Err(Error::Signature),
        }
    }

    /// Writes the file.
    pub(crate) fn to_toml(&self) -> String {
        let text = toml::to_string(self).expect("a statement holds texts and a small number");
        format!(
            "# A new operator key for a member that has lost its own. Another member proposes it: sotto gov propose recover\n{text}"
        )
    }

    /// What is proposed.
    pub(crate) fn action(&self) -> Recover {
        let Self { member, key, until, possession, .. } = self;
        Recover { member: member.clone(), key: *key, until: *until, possession: *possession }
    }
}

/// Why a recovery file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Longer than any.
    #[error("a recovery file has at most {MAX_FILE} bytes; this one has {found}")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// It is no such file.
    #[error("it is no recovery file: {0}")]
    Form(String),
    /// Another version's.
    #[error("its format is `{found}`, and `{FORMAT}` is known here")]
    Format {
        /// The format found.
        found: String,
    },
    /// The key did not sign it.
    #[error("the new key has not signed it: it was altered, or made without that key")]
    Signature,
}

const FORMAT: &str = "sottovoce-recovery-1";
const MAX_FILE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_read_back_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let passphrase = crypto::Secret::new(b"correct horse".to_vec());
        let cost = keystore::Cost::standard();
        let keys = keystore::FileKeys::create_with(directory.path().join("keys"), &passphrase, cost).unwrap();
        keys.generate_signing("new").unwrap();
        let chain = Digest::from([7; 32]);
        let made = Statement::make(chain, "st-anna", 1_800_000_000_000, &keys, "new").unwrap();
        let text = made.to_toml();
        assert_eq!(Statement::parse(&text).unwrap(), made);
        for (from, to) in [
            ("st-anna", "northgate"),
            ("1800000000000", "1800000000001"),
            (&*chain.to_string(), &*Digest::from([8; 32]).to_string()),
            (FORMAT, "sottovoce-recovery-2"),
            ("until", "till"),
        ] {
            assert!(Statement::parse(&text.replacen(from, to, 2)).is_err(), "{from}");
        }
        assert!(Statement::parse(&"x".repeat(5000)).is_err());
    }
}
