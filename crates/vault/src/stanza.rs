//! Recipient stanzas: the data key, wrapped once for each recipient, authenticated by the data key itself.

use crypto::escrow::{EscrowKey, Wrap};
use crypto::kem::{PrivateKey, RecipientKey, Sealed, Suite};
use crypto::keystore::Keys;
use crypto::{Digest, Label, Secret, hash, kdf};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};

use crate::key::{self, OBJECT};
use crate::{BatchKey, Core, Error, Unlocked};

/// Most recipients of an object.
pub const MAX_STANZAS: usize = 128;

/// To whom an object is sealed.
#[derive(Clone, Copy)]
pub enum Recipient<'a> {
    /// A public key.
    Key(&'a RecipientKey),
    /// A batch of one recipient's objects.
    Batch(&'a BatchKey),
    /// The escrow agents together; one key at most.
    Escrow(&'a EscrowKey),
}

impl<'a> From<&'a RecipientKey> for Recipient<'a> {
    fn from(key: &'a RecipientKey) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a BatchKey> for Recipient<'a> {
    fn from(batch: &'a BatchKey) -> Self {
        Self::Batch(batch)
    }
}

/// As whom an object is opened.
#[derive(Clone, Copy)]
pub enum Access<'a> {
    /// A key that never leaves its store.
    Handle(&'a dyn Keys, &'a str),
    /// A key in memory: a requester's ephemeral key.
    Private(&'a PrivateKey),
    /// A batch already unlocked.
    Batch(&'a BatchKey),
    /// The data key itself, as the escrow agents open it.
    DataKey(&'a Secret<[u8; 32]>),
}

impl Access<'_> {
    /// Identifier of the public key, absent for a batch.
    pub(crate) fn key_id(&self) -> Result<Option<Digest>, Error> {
        match self {
            Self::Handle(keys, handle) => Ok(Some(keys.recipient(handle).map_err(Error::Keys)?.id())),
            Self::Private(key) => Ok(Some(key.public().id())),
            Self::Batch(_) | Self::DataKey(_) => Ok(None),
        }
    }

    /// Opens an HPKE wrap of a 256-bit key.
    pub(crate) fn unwrap(&self, info: &[u8], sealed: &Sealed) -> Result<Secret<[u8; 32]>, Error> {
        let key = match self {
            Self::Handle(keys, handle) => keys.unwrap(handle, info, b"", sealed).map_err(Error::Keys)?,
            Self::Private(key) => key.open(info, b"", sealed).map_err(Error::Wrap)?,
            Self::Batch(_) | Self::DataKey(_) => return Err(Error::NotRecipient),
        };
        key.expose(|key| key[..].try_into().map(Secret::new)).map_err(|_| Error::Commitment)
    }
}

/// The data key, wrapped for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Stanza {
    /// HPKE to a public key; info binds the object's id.
    #[n(0)]
    Direct {
        /// Identifier of the recipient's key.
        #[n(0)]
        recipient: Digest,
        /// HPKE suite.
        #[n(1)]
        suite: Suite,
        /// HPKE encapsulation.
        #[n(2)]
        enc: Bytes,
        /// HPKE ciphertext of the data key: 48 bytes.
        #[n(3)]
        ciphertext: Bytes,
    },
    /// AES-256-GCM under a batch key; associated data is the object's id.
    #[n(1)]
    Batch {
        /// Identifier of the batch.
        #[n(0)]
        batch: Fixed<16>,
        /// Identifier of the key to which the batch key is wrapped.
        #[n(1)]
        recipient: Digest,
        /// Suite under which the batch key is wrapped.
        #[n(2)]
        suite: Suite,
        /// AES-GCM nonce.
        #[n(3)]
        nonce: Fixed<12>,
        /// Ciphertext and tag of the data key: 48 bytes.
        #[n(4)]
        ciphertext: Bytes,
    },
}

impl Stanza {
    /// Suite that protects the data key towards this recipient.
    pub fn suite(&self) -> Suite {
        match self {
            Self::Direct { suite, .. } | Self::Batch { suite, .. } => *suite,
        }
    }

    /// Identifier of the recipient's public key.
    pub fn recipient(&self) -> Digest {
        match self {
            Self::Direct { recipient, .. } | Self::Batch { recipient, .. } => *recipient,
        }
    }

    /// Whether the stanza already serves this recipient in this way.
    pub(crate) fn is_for(&self, to: &Recipient<'_>) -> bool {
        match (self, to) {
            (Self::Direct { recipient, .. }, Recipient::Key(to)) => *recipient == to.id(),
            (Self::Batch { batch, .. }, Recipient::Batch(to)) => *batch == to.id,
            _ => false,
        }
    }

    fn direct(to: &RecipientKey, unlocked: &Unlocked) -> Result<Self, Error> {
        let Sealed { enc, ciphertext } = key::wrap(to, OBJECT, unlocked.id().as_ref(), unlocked.key())?;
        Ok(Self::Direct { recipient: to.id(), suite: to.suite(), enc, ciphertext })
    }

    fn batch(to: &BatchKey, unlocked: &Unlocked) -> Self {
        let (nonce, ciphertext) = to.wrap(&unlocked.id(), unlocked.key());
        Self::Batch { batch: to.id, recipient: to.recipient, suite: to.suite, nonce, ciphertext }
    }
}

/// All stanzas of an object, with the mac that only a holder of the data key can make.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Stanzas {
    #[n(0)]
    version: u8,
    #[n(1)]
    object: Digest,
    #[n(2)]
    list: Vec<Stanza>,
    /// The data key under the escrow agents' key: [`Wrap`]; absent where the sealer named none.
    #[n(3)]
    escrow: Option<Bytes>,
    #[n(4)]
    mac: Fixed<32>,
}

impl Stanzas {
    /// Wraps an object's data key to each recipient. The escrow agents keep the wrap that they have unless others are named.
    pub(crate) fn wrap<'a>(
        to: impl IntoIterator<Item: Into<Recipient<'a>>>,
        unlocked: &Unlocked,
        mut escrow: Option<Bytes>,
    ) -> Result<Self, Error> {
        let mut list = Vec::new();
        for to in to {
            let to: Recipient<'a> = to.into();
            match to {
                Recipient::Key(to) => list.push(Stanza::direct(to, unlocked)?),
                Recipient::Batch(to) => list.push(Stanza::batch(to, unlocked)),
                Recipient::Escrow(key) => {
                    let wrap = Wrap::seal(key, &unlocked.id(), unlocked.key()).map_err(Error::Escrow)?;
                    escrow = Some(wire::to_vec(&wrap).into());
                }
            }
        }
        let mut stanzas = Self { version: VERSION, object: unlocked.id(), list, escrow, mac: Fixed([0; 32]) };
        stanzas.mac = Fixed(kdf::mac(&unlocked.stanzas(), &[stanzas.authenticated().as_ref()]));
        stanzas.check()?;
        Ok(stanzas)
    }

    /// Reads a stanza block from its canonical bytes. Authentic only once [`crate::Head::unlock`] has succeeded.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Unsupported`], [`Error::NoRecipient`] or [`Error::TooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let limits = Limits { bytes: MAX_BLOCK, depth: 3 };
        let block: Self =
            wire::from_slice(bytes, limits).map_err(|source| Error::Malformed { part: "stanza block", source })?;
        block.check()?;
        Ok(block)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// The object whose data key is wrapped.
    pub fn object(&self) -> Digest {
        self.object
    }

    /// The stanzas, in the order in which the recipients were named.
    pub fn list(&self) -> &[Stanza] {
        &self.list
    }

    /// The data key under the escrow agents' key, where the sealer named one.
    pub fn escrow(&self) -> Option<Wrap> {
        self.escrow.as_ref().and_then(|bytes| parse_wrap(bytes).ok())
    }

    pub(crate) fn escrow_bytes(&self) -> Option<Bytes> {
        self.escrow.clone()
    }

    /// The weakest suite among the recipients: the strength of the whole object, but for the escrow, which is classical.
    pub fn weakest(&self) -> Suite {
        Suite::weakest(self.list.iter().map(Stanza::suite)).expect("a block has a stanza")
    }

    /// Unwraps the data key, then checks it against the core's commitment, the block's mac, and the escrow wrap, which is made again.
    pub(crate) fn unlock(&self, core: &Core, access: &Access<'_>) -> Result<Unlocked, Error> {
        if let Access::DataKey(key) = access {
            // The copy is a secret again.
            return self.authenticate(key.expose(|key| Secret::new(*key)), core);
        }
        let ours = access.key_id()?;
        let key = self.list.iter().find_map(|stanza| match (stanza, access) {
            (Stanza::Direct { recipient, enc, ciphertext, .. }, _) if Some(*recipient) == ours => {
                let sealed = Sealed { enc: enc.clone(), ciphertext: ciphertext.clone() };
                Some(access.unwrap(&key::wrap_info(OBJECT, self.object.as_ref()), &sealed))
            }
            (Stanza::Batch { batch, nonce, ciphertext, .. }, Access::Batch(key)) if *batch == key.id => {
                Some(key.unwrap(&self.object, nonce, ciphertext))
            }
            _ => None,
        });
        self.authenticate(key.ok_or(Error::NotRecipient)??, core)
    }

    fn authenticate(&self, key: Secret<[u8; 32]>, core: &Core) -> Result<Unlocked, Error> {
        let unlocked = Unlocked::check(key, core)?;
        kdf::verify_mac(&unlocked.stanzas(), &[self.authenticated().as_ref()], self.mac.as_bytes())
            .map_err(|_| Error::Stanzas)?;
        if let Some(bytes) = &self.escrow {
            parse_wrap(bytes)?.check_data(&unlocked.id(), unlocked.key()).map_err(Error::Escrow)?;
        }
        Ok(unlocked)
    }

    /// What the mac covers: the labelled digest of the block without its mac.
    fn authenticated(&self) -> Digest {
        hash(Label::STANZAS, &[&wire::to_vec(&(self.version, self.object, &self.list, &self.escrow))])
    }

    fn check(&self) -> Result<(), Error> {
        if self.version != VERSION {
            let (found, known) = (self.version.into(), VERSION.into());
            return Err(Error::Unsupported { part: "stanza block's version", found, known });
        }
        if let Some(bytes) = &self.escrow {
            parse_wrap(bytes)?.check(&self.object).map_err(Error::Escrow)?;
        }
        match self.list.len() {
            0 => Err(Error::NoRecipient),
            1..=MAX_STANZAS => Ok(()),
            found => Err(Error::TooLong { part: "list of recipients", found: found as u64, limit: MAX_STANZAS as u64 }),
        }
    }
}

fn parse_wrap(bytes: &[u8]) -> Result<Wrap, Error> {
    let limits = Limits { bytes: MAX_WRAP, depth: 2 };
    wire::from_slice(bytes, limits).map_err(|source| Error::Malformed { part: "escrow wrap", source })
}

/// Bytes of an escrow wrap: six of 32, with their heads.
const MAX_WRAP: usize = 205;

/// Longest block in bytes: [`MAX_STANZAS`] stanzas of X-Wing, about 1.3 KB each.
pub(crate) const MAX_BLOCK: usize = 192 * 1024;

const VERSION: u8 = 1;
