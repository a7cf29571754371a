//! Contracts in WebAssembly, and the verifiers of proofs that they ask.

use crypto::Digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::message::{Callers, Room, System};

/// The module that a member has stored, for a ballot to install.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct PendingModule {
    /// [`wasm::digest`] of the bytes.
    #[n(0)]
    pub module: Digest,
    /// When, Unix milliseconds.
    #[n(1)]
    pub since: u64,
    /// The bytes.
    #[n(2)]
    pub bytes: wire::Bytes,
}

/// A contract in WebAssembly as the members decided it last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Installed {
    /// The contract.
    #[n(0)]
    pub name: String,
    /// From 1.
    #[n(1)]
    pub version: u32,
    /// The module.
    #[n(2)]
    pub module: Digest,
    /// Who may call it.
    #[n(3)]
    pub callers: Callers,
    /// What it may use and keep.
    #[n(4)]
    pub room: Room,
    /// Since when it stands so, Unix milliseconds.
    #[n(5)]
    pub since: u64,
    /// The proposal that decided it.
    #[n(6)]
    pub proposal: Digest,
    /// Whether it takes calls.
    #[n(7)]
    pub course: Course,
}

/// A verifier of proofs as the members registered it. Its key stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Verifier {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// What kind of proofs it verifies.
    #[n(1)]
    pub system: System,
    /// [`crate::verifier_digest`] of system and key.
    #[n(2)]
    pub verifier: Digest,
    /// The how-manieth that this ledger has registered, from 1: no two have one number, whatever they are called.
    #[n(3)]
    pub number: u64,
    /// What verifying a proof costs a contract, besides what the proof's bytes do.
    #[n(4)]
    pub fuel: u64,
    /// Bytes of its key.
    #[n(5)]
    pub size: u32,
    /// Since when, Unix milliseconds.
    #[n(6)]
    pub since: u64,
    /// The proposal that decided it.
    #[n(7)]
    pub proposal: Digest,
}

/// Whether a contract in WebAssembly takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Course {
    /// It does.
    #[n(0)]
    Running,
    /// It does not; what it kept stays, and another module may go on with it.
    #[n(1)]
    Stopped,
    /// It does not; what it kept is to be erased, and then its name is free.
    #[n(2)]
    Erasing,
}

impl std::fmt::Display for Course {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Erasing => "being erased",
        })
    }
}

/// How much a contract in WebAssembly keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Kept {
    /// Records.
    #[n(0)]
    pub records: u64,
    /// Bytes of their keys, without the contract's, and of their values.
    #[n(1)]
    pub bytes: u64,
}
