//! Payloads that stay off the ledger.

use crypto::{Digest, Label, Signature, hash};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed};

use crate::record::Cause;

/// `private.begin`, by the operator of a regulator or of the founder, once: from the next transaction on, members may put private
/// payloads. All members' nodes must know how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrivateBegin {}

/// `private.put`, by a principal of a member with role `owner`, or its operator: commits to a payload that only this member and the
/// recipients hold. Its identity is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrivatePut {
    /// What it is called, in the open: 1–64 characters of `a-z 0-9 - .`.
    #[n(0)]
    pub label: String,
    /// [`private_commitment`] to the payload.
    #[n(1)]
    pub commitment: Digest,
    /// The payload's bytes: 1 to [`crate::MAX_PRIVATE`].
    #[n(2)]
    pub size: u64,
    /// The members that receive it, in ascending order.
    #[n(3)]
    pub recipients: Vec<String>,
    /// From the first block on whose time is not before this, it is to be purged; Unix milliseconds.
    #[n(4)]
    pub purge_after: Option<u64>,
}

/// `private.hold`, by the node key of a recipient that has the payload, and `private.purge`, by a principal of the sender's member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrivateNamed {
    /// The private payload.
    #[n(0)]
    pub private: Digest,
}

/// `private.attest`, by the node key of a holder: that nothing of the payload is left at its node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrivateAttest {
    /// The private payload.
    #[n(0)]
    pub private: Digest,
    /// Why it was purged.
    #[n(1)]
    pub cause: Cause,
    /// When, by the node's clock, Unix milliseconds.
    #[n(2)]
    pub at: u64,
    /// The node key's signature under [`Label::PURGE`] over [`purge_statement`].
    #[n(3)]
    pub signature: Signature,
}

/// The commitment to a private payload: it opens for one chain, one sender and one list of recipients alone.
pub fn private_commitment(chain: &Digest, sender: &str, recipients: &[String], opening: &Opening) -> Digest {
    let recipients = wire::to_vec(&recipients.to_vec());
    let parts = [chain.as_ref(), sender.as_bytes(), &recipients, opening.salt.as_ref(), &opening.payload];
    hash(Label::PRIVATE, &parts)
}

/// What a node signs when it has purged a private payload: canonical CBOR of
/// `[chain, private, commitment, size, member, cause, at]`.
pub fn purge_statement(
    chain: &Digest,
    private: &Digest,
    put: &PrivatePut,
    member: &str,
    purged: (Cause, u64),
) -> Vec<u8> {
    let (cause, at) = purged;
    wire::to_vec(&(chain, private, put.commitment, put.size, member, cause, at))
}

/// A payload that stays off the ledger, with the salt that makes its commitment hiding.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Opening {
    /// 32 random bytes.
    #[n(0)]
    pub salt: Fixed<32>,
    /// The payload.
    #[n(1)]
    pub payload: Bytes,
}

impl Opening {
    /// Salts a payload.
    pub fn new(payload: Vec<u8>) -> Self {
        Self { salt: Fixed(crypto::random()), payload: payload.into() }
    }

    /// The commitment: `H(COMMITMENT, [salt, payload])`.
    pub fn commitment(&self) -> Digest {
        hash(Label::COMMITMENT, &[self.salt.as_ref(), &self.payload])
    }
}
