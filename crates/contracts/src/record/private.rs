//! Payloads that stay off the ledger.

use crypto::{Digest, Label, PublicKey, Signature};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::message::{PrivatePut, purge_statement};

/// A payload that only some members hold, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Private {
    /// Identity: the transaction that put it.
    #[n(0)]
    pub id: Digest,
    /// The member that put it.
    #[n(1)]
    pub sender: String,
    /// Who did for it.
    #[n(2)]
    pub by: PublicKey,
    /// As it was put.
    #[n(3)]
    pub put: PrivatePut,
    /// When, Unix milliseconds.
    #[n(4)]
    pub since: u64,
    /// That the sender wants it purged.
    #[n(5)]
    pub purging: Option<Purging>,
    /// The recipients whose nodes have it, in the order of their word.
    #[n(6)]
    pub held: Vec<Held>,
    /// The holders whose nodes have purged it, in the order of their word.
    #[n(7)]
    pub purged: Vec<Purged>,
}

impl Private {
    /// The sender's member, then the recipients.
    pub fn holders(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.sender).chain(&self.put.recipients)
    }

    /// Whether a member may have it.
    pub fn is_holder(&self, member: &str) -> bool {
        self.holders().any(|holder| holder == member)
    }

    /// Whether a member's node has said that it purged it.
    pub fn is_purged_by(&self, member: &str) -> bool {
        self.purged.iter().any(|purged| purged.member == member)
    }

    /// Why all holders are to purge it at a block's time; none while they are not.
    pub fn due(&self, time: u64) -> Option<Cause> {
        match (&self.purging, self.put.purge_after) {
            (Some(_), _) => Some(Cause::Sender),
            (None, Some(after)) if time >= after => Some(Cause::Date),
            _ => None,
        }
    }
}

/// That a private payload is to be purged by all.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Purging {
    /// Since when, Unix milliseconds.
    #[n(0)]
    pub at: u64,
    /// The transaction.
    #[n(1)]
    pub transaction: Digest,
}

/// That a recipient's node has a private payload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Held {
    /// The member.
    #[n(0)]
    pub member: String,
    /// When that was recorded, Unix milliseconds.
    #[n(1)]
    pub at: u64,
    /// The transaction.
    #[n(2)]
    pub transaction: Digest,
}

/// A node's attestation that it has destroyed a private payload and its key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Purged {
    /// The member.
    #[n(0)]
    pub member: String,
    /// Why.
    #[n(1)]
    pub cause: Cause,
    /// When, by the node's clock, Unix milliseconds.
    #[n(2)]
    pub at: u64,
    /// When that was recorded, Unix milliseconds.
    #[n(3)]
    pub recorded: u64,
    /// The member's node key then.
    #[n(4)]
    pub key: PublicKey,
    /// Its signature under [`Label::PURGE`] over [`purge_statement`].
    #[n(5)]
    pub signature: Signature,
    /// The transaction.
    #[n(6)]
    pub transaction: Digest,
}

impl Purged {
    /// Whether the key has signed this, of that payload on that chain.
    pub fn is_signed(&self, chain: &Digest, private: &Private) -> bool {
        let statement = purge_statement(chain, &private.id, &private.put, &self.member, (self.cause, self.at));
        self.key.verify(Label::PURGE, &statement, &self.signature).is_ok()
    }
}

/// Why a private payload was purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Cause {
    /// The sender's member wanted it.
    #[n(0)]
    Sender,
    /// Its date has come.
    #[n(1)]
    Date,
    /// The holder itself wanted it.
    #[n(2)]
    Member,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sender => "the sender asked for it",
            Self::Date => "its date has come",
            Self::Member => "by the member's own wish",
        })
    }
}
