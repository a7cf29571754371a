//! The pinned file as it is written: ML-DSA keys, which are long, stand in it once each, and validators name them.

use std::collections::BTreeMap;

use crypto::{Digest, PublicKey, mldsa};
use serde::{Deserialize, Serialize};

use super::{Consortium, ConsortiumError, Oracles, PinnedEpoch, Validator};

/// [`Consortium`] in text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    format: String,
    name: String,
    chain: Digest,
    /// In the order in which validators name them first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ml_dsa_65: Vec<mldsa::PublicKey>,
    epochs: Vec<FileEpoch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    oracles: Vec<Oracles>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileEpoch {
    number: u64,
    start: u64,
    validators: Vec<FileValidator>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileValidator {
    name: String,
    key: PublicKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ml_dsa_65: Option<Digest>,
}

impl From<Consortium> for File {
    fn from(consortium: Consortium) -> Self {
        let Consortium { format, name, chain, epochs, oracles } = consortium;
        let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
        let mut ml_dsa_65 = Vec::new();
        let mut named = |key: mldsa::PublicKey| {
            let id = key.id();
            places.entry(id).or_insert_with(|| {
                ml_dsa_65.push(key);
                ml_dsa_65.len()
            });
            id
        };
        let mut validator =
            |Validator { name, key, ml_dsa }: Validator| FileValidator { name, key, ml_dsa_65: ml_dsa.map(&mut named) };
        let mut epoch = |PinnedEpoch { number, start, validators }: PinnedEpoch| FileEpoch {
            number,
            start,
            validators: validators.into_iter().map(&mut validator).collect(),
        };
        let epochs = epochs.into_iter().map(&mut epoch).collect();
        Self { format, name, chain, ml_dsa_65, epochs, oracles }
    }
}

impl TryFrom<File> for Consortium {
    type Error = ConsortiumError;

    fn try_from(file: File) -> Result<Self, ConsortiumError> {
        let File { format, name, chain, ml_dsa_65, epochs, oracles } = file;
        let mut keys: BTreeMap<Digest, (mldsa::PublicKey, bool)> = BTreeMap::new();
        for key in ml_dsa_65 {
            let id = key.id();
            if keys.insert(id, (key, false)).is_some() {
                return Err(ConsortiumError::MlDsaKey { id });
            }
        }
        let mut found = |id: Digest| {
            let (key, used) = keys.get_mut(&id).ok_or(ConsortiumError::MlDsaKey { id })?;
            *used = true;
            Ok(key.clone())
        };
        let mut validator = |FileValidator { name, key, ml_dsa_65 }: FileValidator| {
            Ok(Validator { name, key, ml_dsa: ml_dsa_65.map(&mut found).transpose()? })
        };
        let mut epoch = |FileEpoch { number, start, validators }: FileEpoch| {
            let validators = validators.into_iter().map(&mut validator).collect::<Result<_, ConsortiumError>>()?;
            Ok(PinnedEpoch { number, start, validators })
        };
        let epochs = epochs.into_iter().map(&mut epoch).collect::<Result<_, ConsortiumError>>()?;
        // A key that nobody has would not be part of the fingerprint.
        if let Some((id, _)) = keys.iter().find(|(_, (_, used))| !used) {
            return Err(ConsortiumError::MlDsaKey { id: *id });
        }
        Ok(Self { format, name, chain, epochs, oracles })
    }
}
