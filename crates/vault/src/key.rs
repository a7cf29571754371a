//! The data key and what is derived from it.

use crypto::kem::{RecipientKey, Sealed};
use crypto::{Digest, Label, Secret, stream};
use subtle::ConstantTimeEq as _;

use crate::{Core, Error};

/// A fresh object's 256-bit data key and salt.
pub(crate) struct DataKey {
    key: Secret<[u8; 32]>,
    salt: [u8; 32],
}

impl DataKey {
    pub(crate) fn generate() -> Self {
        Self { key: Secret::random(), salt: crypto::random() }
    }

    /// The core that commits to this key, and the key bound to that core.
    pub(crate) fn commit(self, associated: &[u8]) -> Result<(Core, Unlocked), Error> {
        // The commitment is public: HKDF output under its own purpose tells nothing of the key or its other children.
        let commitment = derive(&self.key, &self.salt, COMMITMENT).expose(|commitment| *commitment);
        let core = Core::new(self.salt, commitment, associated)?;
        let id = core.id();
        Ok((core, Unlocked { key: self.key, salt: self.salt, id }))
    }
}

/// The data key of one object, checked against the object's commitment.
pub struct Unlocked {
    key: Secret<[u8; 32]>,
    salt: [u8; 32],
    id: Digest,
}

impl Unlocked {
    /// Checks that `key` is the one that `core` commits to, in constant time.
    pub(crate) fn check(key: Secret<[u8; 32]>, core: &Core) -> Result<Self, Error> {
        let found = derive(&key, core.salt(), COMMITMENT);
        if !found.expose(|found| bool::from(found.ct_eq(core.commitment()))) {
            return Err(Error::Commitment);
        }
        Ok(Self { key, salt: *core.salt(), id: core.id() })
    }

    /// The object that this key opens.
    pub fn id(&self) -> Digest {
        self.id
    }

    pub(crate) fn key(&self) -> &Secret<[u8; 32]> {
        &self.key
    }

    pub(crate) fn sealer(&self) -> stream::Sealer {
        stream::Sealer::new(&derive(&self.key, &self.salt, SEGMENTS), *self.id.as_bytes())
    }

    pub(crate) fn opener(&self) -> stream::Opener {
        stream::Opener::new(&derive(&self.key, &self.salt, SEGMENTS), *self.id.as_bytes())
    }

    pub(crate) fn stanzas(&self) -> Secret<[u8; 32]> {
        derive(&self.key, &self.salt, STANZAS)
    }
}

/// Wraps a 256-bit key to a recipient; `purpose` and `name` go into the HPKE info.
pub(crate) fn wrap(to: &RecipientKey, purpose: &[u8], name: &[u8], key: &Secret<[u8; 32]>) -> Result<Sealed, Error> {
    key.expose(|key| crypto::kem::seal(to, &wrap_info(purpose, name), b"", key)).map_err(Error::Wrap)
}

/// The HPKE info of a wrap: `len(label) as u8 ‖ label ‖ purpose ‖ name`.
pub(crate) fn wrap_info(purpose: &[u8], name: &[u8]) -> Vec<u8> {
    info(Label::WRAP, &[purpose, name])
}

/// HPKE purpose of a data key's wrap; the name that follows is the object's id (32 bytes).
pub(crate) const OBJECT: &[u8] = b"object";
/// HPKE purpose of a batch key's wrap; the name that follows is the batch's id (16 bytes).
pub(crate) const BATCH: &[u8] = b"batch";

const COMMITMENT: &[u8] = b"commitment";
const SEGMENTS: &[u8] = b"segments";
const STANZAS: &[u8] = b"stanzas";

fn derive(key: &Secret<[u8; 32]>, salt: &[u8; 32], purpose: &[u8]) -> Secret<[u8; 32]> {
    crypto::kdf::derive(key, salt, &[&info(Label::DERIVE, &[purpose])])
}

fn info(label: Label, parts: &[&[u8]]) -> Vec<u8> {
    let label = label.as_str().as_bytes();
    let mut info = vec![u8::try_from(label.len()).expect("labels are shorter than 256 bytes")];
    info.extend_from_slice(label);
    parts.iter().for_each(|part| info.extend_from_slice(part));
    info
}
