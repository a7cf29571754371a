//! Escrow agents, and what they have dealt, received and opened.

use crypto::Digest;
use crypto::escrow::{Dealing, Group, Wrap};
use crypto::kem::{RecipientKey, Sealed};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::message::EscrowPlan;

/// An epoch of the escrow agents.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowEpoch {
    /// From 1.
    #[n(0)]
    pub number: u64,
    /// Member names in order; agent `i` of the group is number `i + 1`.
    #[n(1)]
    pub agents: Vec<String>,
    /// Their key, threshold and public shares.
    #[n(2)]
    pub group: Group,
    /// Since when, Unix milliseconds.
    #[n(3)]
    pub since: u64,
    /// The proposal that decided it.
    #[n(4)]
    pub proposal: Digest,
    /// The indexes of the dealers whose dealings made it, ascending.
    #[n(5)]
    pub dealers: Vec<u16>,
    /// The epoch that handed its key on; none where the key is new.
    #[n(6)]
    pub from: Option<u64>,
}

/// The escrow agents that a ballot decided last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct DecidedEscrow {
    /// The epoch it is for.
    #[n(0)]
    pub epoch: u64,
    /// Who.
    #[n(1)]
    pub plan: EscrowPlan,
    /// The proposal.
    #[n(2)]
    pub proposal: Digest,
}

/// What a dealer has dealt, until the epoch begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowDealt {
    /// The dealer's index, from 1.
    #[n(0)]
    pub index: u16,
    /// The dealer.
    #[n(1)]
    pub member: String,
    /// What it dealt.
    #[n(2)]
    pub dealing: Dealing,
    /// The transaction.
    #[n(3)]
    pub transaction: Digest,
}

/// What an agent that is to be has received, until the epoch begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowReceived {
    /// The agent's index, from 1.
    #[n(0)]
    pub index: u16,
    /// The agent.
    #[n(1)]
    pub member: String,
    /// The dealers whose parts it holds, ascending.
    #[n(2)]
    pub dealers: Vec<u16>,
    /// The transaction.
    #[n(3)]
    pub transaction: Digest,
}

/// An agent's word that it holds its share of an earlier epoch no more.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowDestroyed {
    /// The agent.
    #[n(0)]
    pub member: String,
    /// When it was recorded, Unix milliseconds.
    #[n(1)]
    pub at: u64,
    /// The transaction.
    #[n(2)]
    pub transaction: Digest,
}

/// An opening that the members have decided.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowOpening {
    /// The proposal that decided it.
    #[n(0)]
    pub proposal: Digest,
    /// The asset.
    #[n(1)]
    pub asset: Digest,
    /// Its owner.
    #[n(2)]
    pub owner: String,
    /// The id of its object, which is the wrap's label.
    #[n(3)]
    pub object: Digest,
    /// What is opened.
    #[n(4)]
    pub wrap: Wrap,
    /// To whom.
    #[n(5)]
    pub recipient: RecipientKey,
    /// When it was decided, Unix milliseconds.
    #[n(6)]
    pub since: u64,
    /// After this no agent contributes any more, Unix milliseconds.
    #[n(7)]
    pub until: u64,
}

/// An agent's part of an opening.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowContribution {
    /// The epoch of the agents that it was one of; parts of different epochs do not fit together.
    #[n(0)]
    pub epoch: u64,
    /// The agent's index.
    #[n(1)]
    pub index: u16,
    /// The agent.
    #[n(2)]
    pub member: String,
    /// Its partial opening, sealed to the recipient.
    #[n(3)]
    pub sealed: Sealed,
    /// The transaction.
    #[n(4)]
    pub transaction: Digest,
}
