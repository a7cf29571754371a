//! Key-encrypting keys: one HPKE operation for many objects of one recipient.

use crypto::kem::{RecipientKey, Sealed, Suite};
use crypto::{Digest, Secret, aead};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};

use crate::key::{self, BATCH};
use crate::{Access, Error};

/// A batch's key-encrypting key, wrapped to its recipient. Kept beside the objects; without it their batch stanzas are
/// mute, so destroying it erases the recipient's access to the whole batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct KeyBatch {
    #[n(0)]
    version: u8,
    #[n(1)]
    id: Fixed<16>,
    #[n(2)]
    recipient: Digest,
    #[n(3)]
    suite: Suite,
    #[n(4)]
    enc: Bytes,
    #[n(5)]
    ciphertext: Bytes,
}

impl KeyBatch {
    /// Reads a batch from its canonical bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let limits = Limits { bytes: MAX_BATCH, depth: 2 };
        let batch: Self =
            wire::from_slice(bytes, limits).map_err(|source| Error::Malformed { part: "key batch", source })?;
        if batch.version != VERSION {
            let (found, known) = (batch.version.into(), VERSION.into());
            return Err(Error::Unsupported { part: "key batch's version", found, known });
        }
        Ok(batch)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// The batch's identifier.
    pub fn id(&self) -> Fixed<16> {
        self.id
    }

    /// Unwraps the batch key.
    ///
    /// # Errors
    /// [`Error::NotRecipient`], [`Error::Keys`] or [`Error::Wrap`].
    pub fn unlock(&self, access: &Access<'_>) -> Result<BatchKey, Error> {
        if access.key_id()? != Some(self.recipient) {
            return Err(Error::NotRecipient);
        }
        let sealed = Sealed { enc: self.enc.clone(), ciphertext: self.ciphertext.clone() };
        let key = access.unwrap(&key::wrap_info(BATCH, self.id.as_ref()), &sealed)?;
        Ok(BatchKey { id: self.id, recipient: self.recipient, suite: self.suite, key })
    }
}

/// A batch's key-encrypting key, in the clear.
pub struct BatchKey {
    pub(crate) id: Fixed<16>,
    pub(crate) recipient: Digest,
    pub(crate) suite: Suite,
    key: Secret<[u8; 32]>,
}

impl BatchKey {
    /// A fresh batch for a recipient: the key to seal with, and the record to keep. Seal at most 2^32 objects with it
    /// (NIST SP 800-38D §8.3, random nonces).
    ///
    /// # Errors
    /// [`Error::Wrap`] when the recipient's key is not valid.
    pub fn generate(to: &RecipientKey) -> Result<(Self, KeyBatch), Error> {
        let (id, recipient, suite, key) = (Fixed(crypto::random()), to.id(), to.suite(), Secret::random());
        let Sealed { enc, ciphertext } = key::wrap(to, BATCH, id.as_ref(), &key)?;
        let record = KeyBatch { version: VERSION, id, recipient, suite, enc, ciphertext };
        Ok((Self { id, recipient, suite, key }, record))
    }

    /// Wraps a data key; the object's id is associated data, so that the wrap cannot be moved to another object.
    pub(crate) fn wrap(&self, object: &Digest, data_key: &Secret<[u8; 32]>) -> (Fixed<12>, Bytes) {
        let nonce: [u8; 12] = crypto::random();
        let ciphertext = data_key.expose(|key| aead::seal(&self.key, &nonce, object.as_ref(), key));
        (nonce.into(), ciphertext.into())
    }

    pub(crate) fn unwrap(&self, object: &Digest, nonce: &Fixed<12>, wrapped: &[u8]) -> Result<Secret<[u8; 32]>, Error> {
        let key = aead::open(&self.key, nonce.as_bytes(), object.as_ref(), wrapped).map_err(|_| Error::BatchWrap)?;
        key.expose(|key| key[..].try_into().map(Secret::new)).map_err(|_| Error::BatchWrap)
    }
}

const VERSION: u8 = 1;
/// Longest record in bytes: X-Wing's 1120-byte encapsulation and a few hundred around it.
const MAX_BATCH: usize = 2048;
