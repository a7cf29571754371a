//! What a contract is asked, and what it did.

use std::collections::BTreeMap;

use crypto::{Digest, PublicKey};
use wire::Fixed;

use crate::Fault;
use crate::bounds::MAX_FUEL;
use crate::host::Writes;

/// What a contract sees of the ledger: its own keys, and the verifiers that are registered.
pub trait Reads {
    /// The value under a key.
    ///
    /// # Errors
    /// [`Fault`] when the store fails.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// The verifier of this name; none where none is registered, as where nobody registers any.
    ///
    /// # Errors
    /// [`Fault`] when the store fails.
    fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
        let _ = name;
        Ok(None)
    }

    /// What a proof proves under the verifier of this name, at most [`crate::bounds::MAX_PROOF`] bytes; none where it proves nothing, or
    /// no such verifier is registered. Asked only after its fuel was paid.
    ///
    /// # Errors
    /// [`Fault`] when the store fails.
    fn verify(&self, name: &str, proof: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let _ = (name, proof);
        Ok(None)
    }
}

/// Who verifies proofs, as a contract may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// The digest of its system and its key.
    pub digest: Digest,
    /// What verifying one proof costs, besides what the proof's bytes do.
    pub fuel: u64,
}

/// One call of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub entry: Entry,
    /// Canonical CBOR that the method defines; at most [`crate::bounds::MAX_ARGUMENTS`] bytes.
    pub arguments: Vec<u8>,
    /// Who calls.
    pub sender: Sender,
    /// The block's height.
    pub height: u64,
    /// The block's time, Unix milliseconds.
    pub time: u64,
    /// How much it may use: [`MAX_FUEL`], where nothing less is wanted.
    pub fuel: u64,
}

impl Call {
    /// A method's call, with all the fuel that there is.
    pub fn method(name: impl Into<String>, arguments: Vec<u8>, sender: Sender, height: u64, time: u64) -> Self {
        Self { entry: Entry::Method(name.into()), arguments, sender, height, time, fuel: MAX_FUEL }
    }
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A method by its name: 1–32 bytes.
    Method(String),
    /// The taking over of an earlier version's state.
    Migrate {
        /// The earlier version.
        from: u32,
    },
    /// An alarm that it has set, by its name. There are no arguments.
    Alarm(String),
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The key that signed.
    pub key: PublicKey,
    /// The member for whom it acts, if any: at most 32 bytes.
    pub member: Option<String>,
    /// What it is to that member.
    pub role: Role,
}

/// What a key is to its member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Known to nobody.
    Nobody,
    /// The member's operator.
    Operator,
    /// The member's node.
    Node,
    /// One of the member's principals.
    Principal,
    /// No key: the ledger calls by itself.
    Ledger,
}

impl Sender {
    /// The ledger itself.
    pub const LEDGER: Self = Self { key: PublicKey(Fixed([0; 32])), member: None, role: Role::Ledger };
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What it used: the same on every node.
    pub fuel: u64,
    /// Pages of 64 KiB that its memory had in the end, however it ended: the same on every node.
    pub pages: u64,
    /// What it changes and reports, or why it changes nothing.
    pub end: Result<Effects, crate::Stop>,
}

/// What a call changes and reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The new value of each key that was written; none where it is removed.
    pub writes: Writes,
    /// Reports in their order.
    pub events: Vec<Event>,
    /// The alarms that it sets, by name, each with its time in Unix milliseconds; none where it is cleared.
    pub alarms: BTreeMap<String, Option<u64>>,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// 1–32 characters of `a-z 0-9 _ -`.
    pub name: String,
    /// What it is about.
    pub subject: String,
    /// More about it.
    pub detail: String,
}
