//! What a party keeps of a session that may be cut short: verified columns, and what they are of.

use std::cell::RefCell;
use std::io;

use crypto::{Digest, Label};
use minicbor::{Decode, Encode};
use wire::{Bytes, Fixed, Limits};
use zeroize::Zeroize as _;

use crate::engine::{Adversary, Backend, Column, Failure, Io};
use crate::program::{Kind, Node, Program};

use super::columns::Columns;

/// Where a party's checkpoints outlast its process. What is saved are shares: the store seals it under a key of its own, writes
/// it whole or not at all, and has it on disk when `save` returns. Its two slots are for one session.
pub trait Store {
    /// Puts a checkpoint in place of what the slot holds.
    ///
    /// # Errors
    /// Those of the disk.
    fn save(&self, slot: usize, checkpoint: &[u8]) -> io::Result<()>;

    /// What a slot holds; nothing where it is empty, or is not what was saved.
    ///
    /// # Errors
    /// Those of the disk.
    fn load(&self, slot: usize) -> io::Result<Option<Vec<u8>>>;

    /// Empties all slots, so that nothing of them can be read again.
    ///
    /// # Errors
    /// Those of the disk.
    fn destroy(&self) -> io::Result<()>;
}

/// Slots of a [`Store`]. Parties wait for each other at each checkpoint, so that none is ahead of another by more than one.
pub const SLOTS: usize = 2;

/// A [`Store`] that does not outlast its process: for tests and simulations.
#[derive(Default)]
pub struct Memory(RefCell<[Option<Vec<u8>>; SLOTS]>);

impl Store for Memory {
    fn save(&self, slot: usize, checkpoint: &[u8]) -> io::Result<()> {
        let mut slots = self.0.borrow_mut();
        *slots.get_mut(slot).ok_or(io::ErrorKind::InvalidInput)? = Some(checkpoint.to_vec());
        Ok(())
    }

    fn load(&self, slot: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(slot).cloned().flatten())
    }

    fn destroy(&self) -> io::Result<()> {
        for slot in self.0.borrow_mut().iter_mut() {
            slot.zeroize();
            *slot = None;
        }
        Ok(())
    }
}

/// One party's checkpoint. Its canonical bytes are secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint(Content);

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Content {
    #[n(0)]
    version: u8,
    #[n(1)]
    epoch: Epoch,
    #[n(2)]
    party: u16,
    #[n(3)]
    columns: Vec<Kept>,
}

/// What a checkpoint is of: the same at all parties that hold it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Epoch {
    /// The program's digest.
    #[n(0)]
    pub program: Fixed<32>,
    /// The inputs' lengths.
    #[n(1)]
    pub lengths: Vec<u64>,
    /// The back end's name.
    #[n(2)]
    pub protocol: String,
    /// Whether it withstands malicious parties.
    #[n(3)]
    pub malicious: bool,
    /// How many parties.
    #[n(4)]
    pub parties: u16,
    /// The run in which it was made.
    #[n(5)]
    pub run: Fixed<16>,
    /// How often the session had been resumed then.
    #[n(6)]
    pub number: u32,
    /// Operations that had ended: all before this place in the program.
    #[n(7)]
    pub done: u32,
}

impl Epoch {
    pub(super) fn new(program: &Program, backend: &dyn Backend, io: &Io, lengths: &[usize]) -> Self {
        let offer = backend.capabilities();
        Self {
            program: Fixed(*program.digest().as_bytes()),
            lengths: lengths.iter().map(|len| *len as u64).collect(),
            protocol: offer.name.to_owned(),
            malicious: offer.adversary == Adversary::Malicious,
            parties: io.parties(),
            run: Fixed(*io.run()),
            number: 0,
            done: 0,
        }
    }

    /// Names it among the parties of a session.
    pub(super) fn digest(&self, session: &Digest) -> Digest {
        crypto::hash(Label::CHECKPOINT, &[session.as_bytes(), &wire::to_vec(self)])
    }

    /// Whether it is of the same computation, whatever the run.
    pub(super) fn continues(&self, other: &Self) -> bool {
        let of = |epoch: &Self| Self { run: Fixed([0; 16]), number: 0, done: 0, ..epoch.clone() };
        of(self) == of(other)
    }
}

/// A column's share.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Kept {
    #[n(0)]
    node: Node,
    #[n(1)]
    kind: Kind,
    #[n(2)]
    len: u64,
    /// As [`Backend::save`] wrote it.
    #[n(3)]
    share: Bytes,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.share.0.zeroize();
    }
}

impl Checkpoint {
    /// This party's, of the columns there are.
    pub(super) fn take(epoch: Epoch, party: u16, backend: &dyn Backend, columns: &Columns) -> Result<Self, Failure> {
        let keep = |(node, column): (Node, &Column)| {
            let share = backend.save(column)?.into();
            Ok(Kept { node, kind: column.domain().into(), len: column.len() as u64, share })
        };
        let columns = columns.iter().map(keep).collect::<Result<_, Failure>>()?;
        Ok(Self(Content { version: VERSION, epoch, party, columns }))
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Where they are not canonical, or of a later format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, wire::Error> {
        let content: Content = wire::from_slice(bytes, LIMITS)?;
        match content.version {
            VERSION => Ok(Self(content)),
            _ => Err(wire::Error::Shape("a checkpoint of a later format".to_owned())),
        }
    }

    /// The canonical bytes. They are secret.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(&self.0)
    }

    /// What it is of.
    pub const fn epoch(&self) -> &Epoch {
        &self.0.epoch
    }

    /// Whose it is.
    pub const fn party(&self) -> u16 {
        self.0.party
    }

    /// The columns, back in a session.
    pub(super) fn restore(&self, program: &Program, backend: &dyn Backend) -> Result<Columns, Failure> {
        let mut columns = Columns::default();
        for Kept { node, kind, len, share } in &self.0.columns {
            let domain = (*kind).into();
            let known = program.kinds(node.0 as usize).get(usize::from(node.1));
            // A length that its bytes cannot hold would overflow before it is refused.
            let fits = |len: &usize| known == Some(&domain) && *len <= share.len().saturating_mul(8);
            let len = usize::try_from(*len).ok().filter(fits);
            let len = len.ok_or(Failure::Program("a checkpoint's columns are those of its program"))?;
            columns.insert(*node, backend.load(domain, len, share)?);
        }
        Ok(columns)
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Content { epoch, party, columns, .. } = &self.0;
        write!(formatter, "checkpoint of party {party}, {} columns, {epoch:?}", columns.len())
    }
}

const VERSION: u8 = 1;
/// What one party holds of some hundreds of millions of values.
const LIMITS: Limits = Limits { bytes: 16 << 30, depth: 8 };
