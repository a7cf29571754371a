//! The invitation file: what a newcomer needs to join, and one secret.
//!
//! TOML, unknown keys refused. Whoever holds the file can join in the invited name, once. It proves nothing about the
//! consortium: the newcomer compares the fingerprint by another way. What is derived from the genesis is checked against
//! it here; the rest (`node`, `tls`, `leader`) can at worst make joining fail. `checksum` finds slips, not forgers.

use contracts::message::{Founding, MemberCard};
use crypto::{Digest, Label, hash};
use ledger::{Consortium, ConsortiumError, Genesis};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed, Limits};

/// An invitation whose parts fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// The name the newcomer will bear.
    pub name: String,
    /// The member that invites.
    pub inviter: String,
    /// Last moment of joining, Unix milliseconds.
    pub expires: u64,
    /// The inviting member's node.
    pub node: String,
    /// Digest of that node's TLS key.
    pub tls: Digest,
    /// The member whose node orders the ledger.
    pub leader: String,
    /// The secret; its digest is on the ledger.
    pub token: Fixed<32>,
    /// The consortium's beginning.
    pub genesis: Genesis,
    /// The consortium as it was when the invitation was written.
    pub consortium: Consortium,
}

/// The file's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    name: String,
    inviter: String,
    expires: u64,
    node: String,
    tls: Digest,
    leader: String,
    token: Fixed<32>,
    genesis: Bytes,
    checksum: Digest,
    consortium: Consortium,
}

impl Invitation {
    /// Reads the file and checks that its parts fit together.
    ///
    /// # Errors
    /// [`Error`].
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_FILE {
            return Err(Error::TooLong { found: text.len() });
        }
        let file: File = toml::from_str(text).map_err(|error| Error::Form(error.to_string()))?;
        if file.format != FORMAT {
            return Err(Error::Format { found: file.format });
        }
        if file.checksum != file.digest() {
            return Err(Error::Altered);
        }
        file.consortium.check()?;
        let genesis: Genesis =
            wire::from_slice(&file.genesis, Limits::small()).map_err(|error| Error::Form(error.to_string()))?;
        let founder = founder(&genesis)?;
        if genesis.chain() != file.consortium.chain || genesis.name != file.consortium.name {
            return Err(Error::Contradiction("genesis and consortium are of different chains"));
        }
        let first = file.consortium.epochs.first().filter(|epoch| epoch.number == 1);
        let founded = |epoch: &ledger::PinnedEpoch| matches!(epoch.validators.as_slice(), [one] if epoch.start == 0 && one.name == founder.name && one.key == founder.cosigner);
        if !first.is_some_and(founded) {
            return Err(Error::Contradiction("the consortium does not begin with its founder"));
        }
        for name in [&file.leader, &file.inviter] {
            // Who joins is a validator first, and may leave that place.
            if !file.consortium.epochs.iter().any(|epoch| epoch.validators.iter().any(|one| one.name == *name)) {
                return Err(Error::Contradiction("leader and inviter are not both members"));
            }
        }
        if file.inviter == founder.name && file.tls != founder.tls {
            return Err(Error::Contradiction("the founder's TLS key is not the one of the genesis"));
        }
        let File { name, inviter, expires, node, tls, leader, token, consortium, .. } = file;
        Ok(Self { name, inviter, expires, node, tls, leader, token, genesis, consortium })
    }

    /// Writes the file.
    pub(crate) fn to_toml(&self) -> String {
        let Self { name, inviter, expires, node, tls, leader, token, genesis, consortium } = self.clone();
        let (format, genesis, checksum) = (FORMAT.to_owned(), wire::to_vec(&genesis).into(), Digest::from([0; 32]));
        let mut file = File { format, name, inviter, expires, node, tls, leader, token, genesis, checksum, consortium };
        file.checksum = file.digest();
        let text = toml::to_string(&file).expect("an invitation holds texts, small numbers and tables");
        format!(
            "# An invitation to a sottovoce consortium. It is a secret: whoever holds it can join in this name, once.\n{text}"
        )
    }

    /// What the ledger knows of the token.
    pub(crate) fn token_digest(&self) -> Digest {
        hash(Label::INVITATION, &[self.token.as_ref()])
    }
}

impl File {
    /// SHA-256 of everything else in canonical encoding. Unlabelled: it decides nothing.
    fn digest(&self) -> Digest {
        let content = (
            (&self.format, &self.name, &self.inviter, self.expires),
            (&self.node, self.tls, &self.leader),
            (self.token, &self.genesis, &self.consortium),
        );
        crypto::sha256(&[&wire::to_vec(&content)])
    }
}

/// The founder's card in a genesis.
///
/// # Errors
/// [`Error::Form`].
pub(crate) fn founder(genesis: &Genesis) -> Result<MemberCard, Error> {
    let founding: Founding = wire::from_slice(&genesis.application, Limits::small())
        .map_err(|error| Error::Form(format!("genesis: {error}")))?;
    Ok(founding.founder)
}

/// Why an invitation cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// The file is too long.
    #[error("the invitation has {found} bytes, at most {MAX_FILE} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// Not TOML of the expected form.
    #[error("the invitation cannot be read: {0}")]
    Form(String),
    /// Another format or version.
    #[error("the invitation's format is `{found}`, expected `{FORMAT}`")]
    Format {
        /// Format found.
        found: String,
    },
    /// The checksum does not fit.
    #[error("the invitation was altered or damaged on its way; have it sent again")]
    Altered,
    /// The consortium in it is not well-formed.
    #[error(transparent)]
    Consortium(#[from] ConsortiumError),
    /// Parts that do not belong together.
    #[error("the invitation contradicts itself: {0}; do not use it")]
    Contradiction(&'static str),
}

const FORMAT: &str = "sottovoce-invitation/v1";
const MAX_FILE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use crypto::SigningKey;
    use crypto::kem::{PrivateKey, Suite};
    use proptest::prelude::*;

    use super::*;

    fn card() -> MemberCard {
        let [operator, node, cosigner] = [(); 3].map(|()| SigningKey::generate().public());
        MemberCard {
            name: "health-authority".into(),
            operator,
            node,
            cosigner,
            tls: crypto::sha256(&[b"tls"]),
            recipient: PrivateKey::generate(Suite::X25519).public().clone(),
            address: "https://127.0.0.1:7001".into(),
        }
    }

    fn invitation() -> Invitation {
        let founder = card();
        let application = wire::to_vec(&Founding { founder: founder.clone(), regulator: true }).into();
        let genesis = Genesis { name: "Trials".into(), created: 1, application, nonce: Fixed([3; 16]) };
        let consortium = crate::commands::setup::founded(&genesis, &founder);
        Invitation {
            name: "northgate".into(),
            inviter: founder.name.clone(),
            expires: 1_795_253_400_000,
            node: founder.address.clone(),
            tls: founder.tls,
            leader: founder.name,
            token: Fixed([9; 32]),
            genesis,
            consortium,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let invitation = invitation();
        assert_eq!(Invitation::parse(&invitation.to_toml()).unwrap(), invitation);
    }

    #[test]
    fn a_resealed_forgery_is_caught_where_the_genesis_speaks() {
        let honest = invitation();
        let refused = |forged: Invitation| match Invitation::parse(&forged.to_toml()) {
            Err(Error::Contradiction(what)) => what,
            other => panic!("{other:?}"),
        };
        let other_key =
            ledger::Validator { name: "health-authority".into(), key: SigningKey::generate().public(), ml_dsa: None };
        let mut consortium = honest.consortium.clone();
        consortium.epochs[0].validators[0] = other_key;
        refused(Invitation { consortium, ..honest.clone() });
        let genesis = Genesis { created: 2, ..honest.genesis.clone() };
        refused(Invitation { genesis, ..honest.clone() });
        refused(Invitation { tls: crypto::sha256(&[b"another"]), ..honest.clone() });
        refused(Invitation { leader: "northgate".into(), ..honest });
    }

    #[test]
    fn unknown_keys_and_formats_are_refused() {
        let text = invitation().to_toml();
        assert!(matches!(Invitation::parse(&text.replace("/v1", "/v2")), Err(Error::Format { .. })));
        assert!(matches!(Invitation::parse(&format!("colour = 1\n{text}")), Err(Error::Form(_))));
        assert!(matches!(Invitation::parse(&" ".repeat(MAX_FILE + 1)), Err(Error::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn no_changed_letter_is_overlooked(at in 0..4096usize, letter in "[0-9a-z]") {
            let honest = invitation();
            let text = honest.to_toml();
            let start = text.find("format").unwrap();
            let at = start + at % (text.len() - start);
            prop_assume!(text.as_bytes()[at].is_ascii_alphanumeric() && text.as_bytes()[at] != letter.as_bytes()[0]);
            let changed = format!("{}{letter}{}", &text[..at], &text[at + 1..]);
            prop_assert!(Invitation::parse(&changed).is_err());
        }
    }
}
