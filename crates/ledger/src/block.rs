//! What the validators agree on: blocks, their headers, and each transaction's outcome.

use crypto::{Digest, Label, hash};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Bytes;

use crate::SignedTransaction;

/// The code of a transaction that succeeded.
pub const OK: &str = "ok";

/// What a block commits to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Header {
    /// The chain.
    #[n(0)]
    pub chain: Digest,
    /// Height; the genesis has 0 and no transactions.
    #[n(1)]
    pub height: u64,
    /// Digest of the header before; of the genesis, the chain.
    #[n(2)]
    pub previous: Digest,
    /// Unix milliseconds; never before the previous header's.
    #[n(3)]
    pub time: u64,
    /// Leaves in the transaction log after this block.
    #[n(4)]
    pub log_size: u64,
    /// Root of the transaction log after this block (RFC 9162).
    #[n(5)]
    pub log_root: Digest,
    /// Root of the world state after this block was executed.
    #[n(6)]
    pub state_root: Digest,
    /// The epoch whose validators answer for this block: the one in force before it was executed.
    #[n(7)]
    pub epoch: u64,
}

impl Header {
    /// `H(HEADER, [cbor])`.
    pub fn digest(&self) -> Digest {
        hash(Label::HEADER, &[&wire::to_vec(self)])
    }
}

/// A header and what it orders.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Block {
    /// What the block commits to.
    #[n(0)]
    pub header: Header,
    /// In order of execution; at least one, but for the genesis.
    #[n(1)]
    pub transactions: Vec<SignedTransaction>,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Outcome {
    /// [`OK`], or the application's stable code of the refusal.
    #[n(0)]
    pub code: String,
    /// What it reports, which is nothing when it was refused; then, with a block's first transaction, what the ledger did by itself.
    #[n(1)]
    pub events: Vec<Event>,
}

impl Outcome {
    /// Whether the transaction succeeded.
    pub fn is_ok(&self) -> bool {
        self.code == OK
    }

    /// `H(EVENTS, [cbor of the events])`.
    pub fn events_digest(&self) -> Digest {
        hash(Label::EVENTS, &[&wire::to_vec(&self.events)])
    }
}

/// Something an application reports about a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Event {
    /// What happened.
    #[n(0)]
    pub name: String,
    /// Canonical CBOR that the application defines.
    #[n(1)]
    pub data: Bytes,
}

/// A transaction on the ledger, with its place and outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Its leaf in the transaction log, from 0.
    pub index: u64,
    /// The block.
    pub height: u64,
    /// Its place in the block, from 0.
    pub position: u32,
    /// What was signed.
    pub transaction: SignedTransaction,
    /// What it did.
    pub outcome: Outcome,
}

impl Committed {
    /// The leaf's data: `H(OUTCOME, [cbor [id, height, position, code, events digest]])`.
    pub fn leaf_data(&self) -> Digest {
        self.leaf_data_of(self.transaction.id())
    }

    fn leaf_data_of(&self, id: Digest) -> Digest {
        leaf_data(id, self.height, self.position, &self.outcome.code, self.outcome.events_digest())
    }

    /// The leaf's hash in the transaction log (RFC 9162 §2.1.1).
    pub fn leaf(&self) -> Digest {
        crypto::merkle::leaf(self.leaf_data().as_ref())
    }

    /// The same where the transaction's id is at hand.
    pub(crate) fn leaf_of(&self, id: Digest) -> Digest {
        crypto::merkle::leaf(self.leaf_data_of(id).as_ref())
    }

    /// Canonical CBOR of `[signed transaction, height, position, outcome]`; the index stands beside it.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(&Borrowed(&self.transaction, self.height, self.position, &self.outcome))
    }

    /// Reads [`Committed::to_bytes`].
    ///
    /// # Errors
    /// As [`wire::from_slice`].
    pub fn from_bytes(index: u64, bytes: &[u8]) -> Result<Self, wire::Error> {
        let Record { transaction, height, position, outcome } = wire::from_slice(bytes, RECORD)?;
        Ok(Self { index, height, position, transaction, outcome })
    }
}

fn leaf_data(id: Digest, height: u64, position: u32, code: &str, events: Digest) -> Digest {
    hash(Label::OUTCOME, &[&wire::to_vec(&Leaf { id, height, position, code, events })])
}

/// A leaf's hash, from what it says.
pub(crate) fn leaf_hash(id: Digest, height: u64, position: u32, code: &str, events: Digest) -> Digest {
    crypto::merkle::leaf(leaf_data(id, height, position, code, events).as_ref())
}

#[derive(Encode)]
#[cbor(array)]
struct Leaf<'a> {
    #[n(0)]
    id: Digest,
    #[n(1)]
    height: u64,
    #[n(2)]
    position: u32,
    #[n(3)]
    code: &'a str,
    #[n(4)]
    events: Digest,
}

#[derive(Encode)]
#[cbor(array)]
struct Borrowed<'a>(#[n(0)] &'a SignedTransaction, #[n(1)] u64, #[n(2)] u32, #[n(3)] &'a Outcome);

#[derive(Encode, Decode)]
#[cbor(array)]
struct Record {
    #[n(0)]
    transaction: SignedTransaction,
    #[n(1)]
    height: u64,
    #[n(2)]
    position: u32,
    #[n(3)]
    outcome: Outcome,
}

/// A transaction of 64 KiB and its events, bounded by [`crate::Limits`].
const RECORD: wire::Limits = wire::Limits { bytes: 512 * 1024, depth: 24 };
