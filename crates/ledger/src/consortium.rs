//! Who answers for a chain: epochs of validators, and the pinned file that names them to an offline reader.

use std::collections::BTreeSet;

use crypto::{Digest, InvalidSignature, Label, PublicKey, hash, mldsa};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Cosignature, Genesis, ReceiptError};

mod file;

/// One that orders and cosigns.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Validator {
    /// The member's name: 1–64 characters of `a-z 0-9 . -`; also its C2SP key name.
    #[n(0)]
    pub name: String,
    /// Its cosigning key.
    #[n(1)]
    pub key: PublicKey,
    /// The key with which it cosigns as well, where its epoch demands that.
    #[n(2)]
    pub ml_dsa: Option<mldsa::PublicKey>,
}

impl Validator {
    /// One that cosigns with Ed25519 alone.
    pub const fn new(name: String, key: PublicKey) -> Self {
        Self { name, key, ml_dsa: None }
    }

    /// Verifies its cosignature: under each key that it has, and under no other.
    ///
    /// # Errors
    /// [`InvalidSignature`].
    pub fn verify(&self, checkpoint: &Checkpoint, cosignature: &Cosignature) -> Result<(), InvalidSignature> {
        checkpoint.verify(&self.key, cosignature)?;
        match (&self.ml_dsa, &cosignature.ml_dsa) {
            (None, None) => Ok(()),
            (Some(key), Some(signature)) => checkpoint.verify_ml_dsa(&self.name, key, cosignature.time, signature),
            _ => Err(InvalidSignature),
        }
    }
}

/// The validators of a stretch of the chain, in their agreed order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Epoch {
    /// Number; grows with every change of validators.
    #[n(0)]
    pub number: u64,
    /// Validators; names and keys are distinct.
    #[n(1)]
    pub validators: Vec<Validator>,
}

impl Epoch {
    /// Cosignatures that make a checkpoint final: `n − ⌊(n − 1) / 3⌋`.
    pub fn quorum(&self) -> usize {
        let n = self.validators.len();
        n - n.saturating_sub(1) / 3
    }

    /// Whether its checkpoints are cosigned with ML-DSA-65 beside Ed25519: all its validators have such keys, or none has.
    pub fn demands_ml_dsa(&self) -> bool {
        self.validators.iter().any(|validator| validator.ml_dsa.is_some())
    }

    /// The validator of this name and its place.
    pub fn validator(&self, name: &str) -> Option<(usize, &Validator)> {
        self.validators.iter().enumerate().find(|(_, validator)| validator.name == name)
    }

    /// This epoch with the log's size at which it began ([`crate::View::epoch_start`]).
    pub fn pinned(self, start: u64) -> PinnedEpoch {
        let Self { number, validators } = self;
        PinnedEpoch { number, start, validators }
    }

    /// Whether there is a validator, names and keys are well-formed and distinct, and all have ML-DSA keys or none has.
    pub(crate) fn check(&self) -> Result<(), ConsortiumError> {
        let count = self.validators.len();
        if !(1..=MAX_VALIDATORS).contains(&count) {
            return Err(ConsortiumError::Count { what: "validators", found: count, limit: MAX_VALIDATORS });
        }
        distinct(self.validators.iter().map(|validator| validator.name.as_str()))?;
        distinct(self.validators.iter().map(|validator| validator.key))?;
        let ml_dsa = || self.validators.iter().filter_map(|validator| validator.ml_dsa.as_ref());
        if ![0, count].contains(&ml_dsa().count()) {
            return Err(ConsortiumError::Mixed { epoch: self.number });
        }
        distinct(ml_dsa().map(mldsa::PublicKey::id))?;
        self.validators.iter().try_for_each(|validator| check_name(&validator.name))
    }
}

/// An epoch and where in the log it began. Its validators' keys outlive it: without its bounds, the few that founded a
/// chain could sign a checkpoint of their epoch over any later log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PinnedEpoch {
    /// Number; grows with every change of validators.
    #[n(0)]
    pub number: u64,
    /// The log's size when it began: it answers for larger logs, up to the size at which the next epoch begins.
    #[n(1)]
    pub start: u64,
    /// Validators; names and keys are distinct.
    #[n(2)]
    pub validators: Vec<Validator>,
}

impl PinnedEpoch {
    /// The epoch itself.
    pub fn epoch(&self) -> Epoch {
        Epoch { number: self.number, validators: self.validators.clone() }
    }
}

/// The pinned file: what an offline reader must know, from a source it trusts, before it can verify anything.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(try_from = "file::File", into = "file::File")]
pub struct Consortium {
    /// [`Consortium::FORMAT`].
    #[n(0)]
    pub format: String,
    /// The consortium's name, for people: 1–64 bytes without control characters.
    #[n(1)]
    pub name: String,
    /// The chain.
    #[n(2)]
    pub chain: Digest,
    /// Every epoch whose receipts are to be accepted, by increasing number; none is left out between two others, since
    /// one ends where the next begins.
    #[n(3)]
    pub epochs: Vec<PinnedEpoch>,
    /// Every oracle group whose verdicts are to be accepted, by increasing epoch.
    #[n(4)]
    pub oracles: Vec<Oracles>,
}

/// A group that signs verdicts together.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Oracles {
    /// Number of the oracle epoch; independent of the validators' epochs.
    #[n(0)]
    pub epoch: u64,
    /// Signatures needed.
    #[n(1)]
    pub threshold: u16,
    /// Members, in the order of their indices.
    #[n(2)]
    pub participants: Vec<String>,
    /// The group's key.
    #[n(3)]
    pub key: PublicKey,
}

impl Consortium {
    /// The format's name.
    pub const FORMAT: &str = "sottovoce-consortium/v1";

    /// A consortium with nothing but its chain; add its epochs.
    pub fn new(genesis: &Genesis) -> Self {
        let format = Self::FORMAT.to_owned();
        Self { format, name: genesis.name.clone(), chain: genesis.chain(), epochs: vec![], oracles: vec![] }
    }

    /// Reads the TOML file. Unknown keys, repeated names and numbers out of order are refused.
    ///
    /// # Errors
    /// [`ConsortiumError`].
    pub fn parse(text: &str) -> Result<Self, ConsortiumError> {
        if text.len() > MAX_FILE {
            return Err(ConsortiumError::Count { what: "bytes", found: text.len(), limit: MAX_FILE });
        }
        let consortium: Self = toml::from_str(text).map_err(|source| ConsortiumError::Toml(source.to_string()))?;
        consortium.check()?;
        Ok(consortium)
    }

    /// Writes the TOML file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a consortium has only tables, strings and numbers below 2^63")
    }

    /// Whether it could have been parsed.
    ///
    /// # Errors
    /// [`ConsortiumError`].
    pub fn check(&self) -> Result<(), ConsortiumError> {
        if self.format != Self::FORMAT {
            return Err(ConsortiumError::Format { found: self.format.clone() });
        }
        if !(1..=64).contains(&self.name.len()) || self.name.chars().any(char::is_control) {
            return Err(ConsortiumError::Name { found: self.name.clone() });
        }
        if !(1..=MAX_EPOCHS).contains(&self.epochs.len()) {
            return Err(ConsortiumError::Count { what: "epochs", found: self.epochs.len(), limit: MAX_EPOCHS });
        }
        if self.oracles.len() > MAX_EPOCHS {
            return Err(ConsortiumError::Count { what: "oracles", found: self.oracles.len(), limit: MAX_EPOCHS });
        }
        increasing("epochs", self.epochs.iter().map(|epoch| epoch.number))?;
        increasing("oracles", self.oracles.iter().map(|oracles| oracles.epoch))?;
        // Of two that begin together the first was never in force: two joined in one block.
        if let Some(pair) = self.epochs.windows(2).find(|pair| pair[1].start < pair[0].start) {
            return Err(ConsortiumError::Order { what: "starts", found: pair[1].start });
        }
        // TOML integers are signed.
        if let Some(last) = self.epochs.last().filter(|last| i64::try_from(last.start).is_err()) {
            return Err(ConsortiumError::Order { what: "starts", found: last.start });
        }
        self.epochs.iter().try_for_each(|epoch| epoch.epoch().check())?;
        for oracles in &self.oracles {
            let count = oracles.participants.len();
            if !(1..=MAX_VALIDATORS).contains(&count) {
                return Err(ConsortiumError::Count { what: "participants", found: count, limit: MAX_VALIDATORS });
            }
            if !(1..=count).contains(&usize::from(oracles.threshold)) {
                return Err(ConsortiumError::Threshold { found: oracles.threshold, participants: count });
            }
            distinct(oracles.participants.iter().map(String::as_str))?;
            oracles.participants.iter().try_for_each(|name| check_name(name))?;
        }
        Ok(())
    }

    /// The epoch of this number.
    pub fn epoch(&self, number: u64) -> Option<&PinnedEpoch> {
        self.epochs.iter().find(|epoch| epoch.number == number)
    }

    /// Whether a checkpoint over a log of `size` entries can be of this epoch: it is larger than the log at which the epoch
    /// began, and not larger than the one at which the next pinned epoch began.
    pub fn answers(&self, epoch: &PinnedEpoch, size: u64) -> bool {
        let next = self.epochs.iter().find(|next| next.number > epoch.number);
        epoch.start < size && next.is_none_or(|next| size <= next.start)
    }

    /// The epoch that answers for a checkpoint.
    ///
    /// # Errors
    /// [`ReceiptError::Chain`], [`ReceiptError::UnknownEpoch`], [`ReceiptError::OutsideEpoch`].
    pub fn accountable(&self, checkpoint: &Checkpoint) -> Result<&PinnedEpoch, ReceiptError> {
        let Checkpoint { chain, size, epoch: number, .. } = *checkpoint;
        if chain != self.chain {
            return Err(ReceiptError::Chain { found: chain, expected: self.chain });
        }
        let epoch = self.epoch(number).ok_or(ReceiptError::UnknownEpoch { found: number })?;
        if self.answers(epoch, size) { Ok(epoch) } else { Err(ReceiptError::OutsideEpoch { epoch: number, size }) }
    }

    /// The oracles of this epoch.
    pub fn oracles(&self, epoch: u64) -> Option<&Oracles> {
        self.oracles.iter().find(|oracles| oracles.epoch == epoch)
    }

    /// `H(CONSORTIUM, [canonical cbor])`: of the content, whatever the file's layout.
    pub fn digest(&self) -> Digest {
        hash(Label::CONSORTIUM, &[&wire::to_vec(self)])
    }

    /// [`Consortium::digest`] for people to compare: sixteen groups of four hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let digest = self.digest().to_string();
        let groups: Vec<&str> = (0..digest.len()).step_by(4).map(|at| &digest[at..at + 4]).collect();
        groups.join(" ")
    }
}

/// Why a consortium is not well-formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsortiumError {
    /// Not TOML of the expected form.
    #[error("the consortium file cannot be read: {0}")]
    Toml(String),
    /// Another format or version.
    #[error("the format is `{found}`, expected `{}`", Consortium::FORMAT)]
    Format {
        /// Format found.
        found: String,
    },
    /// A name with forbidden characters or length.
    #[error("the name `{found}` is not well-formed")]
    Name {
        /// Name found.
        found: String,
    },
    /// Too few or too many.
    #[error("{found} {what} where 1 to {limit} are accepted")]
    Count {
        /// Of what.
        what: &'static str,
        /// Number found.
        found: usize,
        /// Number accepted.
        limit: usize,
    },
    /// A name or key stands twice in one group.
    #[error("`{found}` stands twice in one group")]
    Repeated {
        /// What is repeated.
        found: String,
    },
    /// Some of an epoch's validators have ML-DSA keys and others have none.
    #[error("in epoch {epoch} some validators have ML-DSA keys and others have none")]
    Mixed {
        /// The epoch.
        epoch: u64,
    },
    /// A validator's ML-DSA key is not in the file's list, or one of the list is no validator's or stands there twice.
    #[error("the ML-DSA key {id} is not both in the list of keys, once, and a validator's")]
    MlDsaKey {
        /// The key's identifier.
        id: Digest,
    },
    /// Numbers do not increase.
    #[error("the numbers of the {what} do not increase at {found}")]
    Order {
        /// Of what.
        what: &'static str,
        /// The number out of order.
        found: u64,
    },
    /// A threshold no group of that size can have.
    #[error("a threshold of {found} among {participants} participants")]
    Threshold {
        /// Threshold found.
        found: u16,
        /// Participants.
        participants: usize,
    },
}

fn check_name(name: &str) -> Result<(), ConsortiumError> {
    // Names are C2SP key names as well: no spaces, no plus sign.
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    match (1..=64).contains(&name.len()) && name.bytes().all(good) {
        true => Ok(()),
        false => Err(ConsortiumError::Name { found: name.to_owned() }),
    }
}

fn distinct<T: Ord + std::fmt::Display>(items: impl Iterator<Item = T>) -> Result<(), ConsortiumError> {
    let mut seen = BTreeSet::new();
    for item in items {
        if seen.contains(&item) {
            return Err(ConsortiumError::Repeated { found: item.to_string() });
        }
        seen.insert(item);
    }
    Ok(())
}

fn increasing(what: &'static str, numbers: impl Iterator<Item = u64>) -> Result<(), ConsortiumError> {
    let mut last = None;
    for number in numbers {
        // TOML integers are signed.
        if last.is_some_and(|last| number <= last) || i64::try_from(number).is_err() {
            return Err(ConsortiumError::Order { what, found: number });
        }
        last = Some(number);
    }
    Ok(())
}

const MAX_VALIDATORS: usize = 128;
const MAX_EPOCHS: usize = 1024;
const MAX_FILE: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Consortium {
        let validator =
            |name: &str, seed| Validator::new(name.into(), crypto::SigningKey::from_seed(&[seed; 32]).public());
        Consortium {
            format: Consortium::FORMAT.into(),
            name: "Trial".into(),
            chain: Digest::from([1; 32]),
            epochs: vec![
                Epoch { number: 0, validators: vec![validator("a", 1)] }.pinned(0),
                Epoch { number: 3, validators: vec![validator("a", 1), validator("b.c", 2)] }.pinned(7),
            ],
            oracles: vec![Oracles {
                epoch: 1,
                threshold: 1,
                participants: vec!["a".into()],
                key: validator("", 9).key,
            }],
        }
    }

    #[test]
    fn round_trip_and_fingerprint() {
        let text = sample().to_toml();
        assert_eq!(Consortium::parse(&text).unwrap(), sample());
        let reordered = format!("# a comment\n{text}");
        assert_eq!(Consortium::parse(&reordered).unwrap().fingerprint(), sample().fingerprint());
        assert_eq!(sample().fingerprint().len(), 16 * 5 - 1);
        let mut other = sample();
        other.epochs[1].validators.swap(0, 1);
        assert_ne!(other.fingerprint(), sample().fingerprint());
        let mut other = sample();
        other.epochs[1].start += 1;
        assert_ne!(other.fingerprint(), sample().fingerprint());
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let mut consortium = sample();
        let answers = |consortium: &Consortium, at: usize| -> Vec<u64> {
            (0..20).filter(|size| consortium.answers(&consortium.epochs[at], *size)).collect()
        };
        assert_eq!(answers(&consortium, 0), (1..=7).collect::<Vec<_>>());
        assert_eq!(answers(&consortium, 1), (8..20).collect::<Vec<_>>());
        // Never in force.
        consortium.epochs.insert(1, Epoch { number: 2, ..consortium.epochs[0].epoch() }.pinned(7));
        consortium.check().unwrap();
        assert_eq!(answers(&consortium, 1), []);
        assert_eq!(answers(&consortium, 0), (1..=7).collect::<Vec<_>>());
        consortium.epochs[1].start = 8;
        assert_eq!(consortium.check(), Err(ConsortiumError::Order { what: "starts", found: 7 }));
        consortium.epochs[2].start = 1 << 63;
        assert_eq!(consortium.check(), Err(ConsortiumError::Order { what: "starts", found: 1 << 63 }));
    }

    #[test]
    fn refuses_what_is_not_well_formed() {
        let text = sample().to_toml();
        let refused = [
            format!("extra = 1\n{text}"),
            text.replace("name = \"b.c\"", "name = \"a\""),
            text.replace("name = \"b.c\"", "name = \"b c\""),
            text.replace("name = \"b.c\"", "name = \"b+c\""),
            text.replace("name = \"b.c\"", "name = \"b.c\"\nweight = 3"),
            text.replace("number = 3", "number = 0"),
            text.replace("start = 7\n", ""),
            text.replace("start = 0", "start = 8"),
            text.replace("start = 7", "start = -7"),
            text.replace("threshold = 1", "threshold = 2"),
            text.replace("/v1", "/v2"),
            text.replace(
                &sample().epochs[1].validators[1].key.to_string(),
                &sample().epochs[0].validators[0].key.to_string(),
            ),
            text[..text.find("[[epochs]]").unwrap()].to_owned(),
        ];
        for refused in refused {
            assert_ne!(refused, text);
            assert!(Consortium::parse(&refused).is_err(), "{refused}");
        }
    }

    /// The sample, whose last epoch demands ML-DSA, and one more with one of the keys.
    fn demanding() -> Consortium {
        let mut consortium = sample();
        let key = |seed| mldsa::SigningKey::from_seed(crypto::Secret::new([seed; 32])).public();
        for (validator, seed) in consortium.epochs[1].validators.iter_mut().zip(1..) {
            validator.ml_dsa = Some(key(seed));
        }
        let mut last = consortium.epochs[1].clone();
        (last.number, last.start, last.validators[0].ml_dsa) = (4, 9, Some(key(9)));
        consortium.epochs.push(last);
        consortium
    }

    #[test]
    fn ml_dsa_keys_are_pinned_each_once() {
        let (plain, consortium) = (sample(), demanding());
        let text = consortium.to_toml();
        assert_eq!(Consortium::parse(&text).unwrap(), consortium);
        let demands = |at: usize| consortium.epochs[at].epoch().demands_ml_dsa();
        assert_eq!([demands(0), demands(1), demands(2)], [false, true, true]);
        assert_ne!(plain.fingerprint(), consortium.fingerprint());
        // Three keys, though four places.
        let ids: Vec<_> = consortium.epochs[1..].iter().flat_map(|epoch| &epoch.validators).collect();
        let keys: Vec<_> = ids.iter().filter_map(|validator| validator.ml_dsa.clone()).collect();
        assert!(keys.len() == 4 && keys.iter().all(|key| text.matches(&key.to_string()).count() == 1));
        let (first, third) = (&keys[0], &keys[2]);
        for refused in [
            // A key for another, one that is not listed, one that nobody has, one twice, one of another length.
            text.replace(&first.to_string(), &third.to_string()),
            text.replacen(&first.id().to_string(), &Digest::from([7; 32]).to_string(), 1),
            text.replace(&third.id().to_string(), &first.id().to_string()),
            text.replacen(&format!("\"{first}\""), &format!("\"{first}\", \"{first}\""), 1),
            text.replacen(&format!("\"{first}\""), "\"AAAA\"", 1),
            // Some have keys and some have none.
            text.replacen(&format!("ml_dsa_65 = \"{}\"\n", third.id()), "", 1),
            // One key for two.
            text.replacen(&keys[1].id().to_string(), &first.id().to_string(), 1),
        ] {
            assert_ne!(refused, text);
            assert!(Consortium::parse(&refused).is_err(), "{refused}");
        }
        // Without any it is a file as it always was.
        assert!(!plain.to_toml().contains("ml_dsa"));
        let mut swapped = consortium.clone();
        let (left, right) = swapped.epochs[1].validators.split_at_mut(1);
        std::mem::swap(&mut left[0].ml_dsa, &mut right[0].ml_dsa);
        assert_ne!(swapped.fingerprint(), consortium.fingerprint());
    }

    #[test]
    fn quorums() {
        for (validators, quorum) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (10, 7), (100, 67)] {
            let validator = Validator::new("a".into(), sample().oracles[0].key);
            assert_eq!(Epoch { number: 0, validators: vec![validator; validators] }.quorum(), quorum);
        }
    }
}
