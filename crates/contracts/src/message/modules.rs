//! Contracts in WebAssembly, and the verifiers of proofs that they ask.

use std::fmt;

use crypto::Digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Bytes;

use crate::record::Role;

/// A verifier of proofs that contracts in WebAssembly are to have.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct VerifierPlan {
    /// Its name: 1–32 characters of `a-z 0-9 -`.
    #[n(0)]
    pub name: String,
    /// What kind of proofs it verifies.
    #[n(1)]
    pub system: System,
    /// The verifying key, as its system has it: at most [`crate::MAX_VERIFYING_KEY`] bytes.
    #[n(2)]
    pub key: Bytes,
    /// [`crate::verifier_digest`] of the verifier of this name that it takes the place of; none where the name is free.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Digest>,
}

/// A system of proofs, with its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
pub enum System {
    /// Proofs of another consortium's state; the key is its consortium file in CBOR.
    #[n(1)]
    #[serde(rename = "ledger.state/v1")]
    LedgerState,
}

/// One registered verifier and no other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct VerifierName {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// [`crate::verifier_digest`] of what it is.
    #[n(1)]
    pub verifier: Digest,
}

/// Which module a contract in WebAssembly runs from now on, for whom, and in how much room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The contract: `x-` and 1–30 characters of `a-z 0-9 -`.
    #[n(0)]
    pub name: String,
    /// [`wasm::digest`] of the module that the proposer has stored, or that the contract has.
    #[n(1)]
    pub module: Digest,
    /// Who may call it.
    #[n(2)]
    pub callers: Callers,
    /// What it may use and keep.
    #[n(3)]
    pub room: Room,
    /// Arguments of its `migrate`, where the contract exists and the module is to take over what it keeps.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Bytes>,
}

/// Who may call a contract in WebAssembly; those of suspended and removed members never.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(flat)]
pub enum Callers {
    /// Members' operators and nodes.
    #[n(0)]
    Members,
    /// These, and all principals of members.
    #[n(1)]
    Known,
    /// Principals of members that have one of these roles: one at least, each once, in their order.
    #[n(2)]
    Roles(#[n(0)] Vec<Role>),
}

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Members => f.write_str("members"),
            Self::Known => f.write_str("members and their principals"),
            Self::Roles(roles) => {
                f.write_str("principals with the role")?;
                for (place, role) in roles.iter().enumerate() {
                    let name = format!("{role:?}").to_lowercase();
                    write!(f, "{} {name}", if place == 0 { "" } else { " or" })?;
                }
                Ok(())
            }
        }
    }
}

/// What a contract in WebAssembly may use and keep; [`crate::CEILING`] at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Fuel of one call, and of a migration: 1 at least.
    #[n(0)]
    pub fuel: u64,
    /// Records that it keeps.
    #[n(1)]
    pub records: u64,
    /// Bytes of their keys and values together.
    #[n(2)]
    pub bytes: u64,
}

/// That a contract in WebAssembly takes no more calls.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Uninstall {
    /// The contract.
    #[n(0)]
    pub name: String,
    /// Whether what it keeps is to be erased; else it stays.
    #[n(1)]
    pub erase: bool,
}

/// `modules.store`, by a member's operator: in the place of what the member stored before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ModuleStore {
    /// WebAssembly, as `docs/spec/wasm.md` allows it.
    #[n(0)]
    pub module: Bytes,
}

/// `modules.drop`, by a member's operator: the module that the member has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ModuleDrop {}

/// `modules.sweep`, by any member's operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ModuleState {
    /// The contract.
    #[n(0)]
    pub name: String,
}
