//! Escrow agents: who they are to be, what they deal, and what they open.

use crypto::Digest;
use crypto::escrow::{Dealing, Wrap};
use crypto::kem::{RecipientKey, Sealed};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Who the escrow agents of the next epoch are, before they hold the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct EscrowPlan {
    /// How many agents open.
    #[n(0)]
    pub threshold: u16,
    /// Member names in order.
    #[n(1)]
    pub agents: Vec<String>,
    /// Whether they make a new key where there is one, instead of taking that one over.
    #[n(2)]
    pub fresh: bool,
}

/// That the escrow agents open one object's data key, to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct EscrowOpen {
    /// The asset whose object it is.
    #[n(0)]
    pub asset: Digest,
    /// The wrap in that object's escrow slot.
    #[n(1)]
    pub wrap: Wrap,
    /// Who gets to read the agents' partial openings.
    #[n(2)]
    pub recipient: RecipientKey,
}

/// `escrow.deal`, by the node key of a dealer: commitments to what it shares.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowDeal {
    /// The proposal that decided the agents.
    #[n(0)]
    pub proposal: Digest,
    /// The dealing.
    #[n(1)]
    pub dealing: Dealing,
}

/// `escrow.receive`, by the node key of an agent that is to be: it holds, durably, its parts of these dealings, and they fit.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowReceive {
    /// The proposal that decided the agents.
    #[n(0)]
    pub proposal: Digest,
    /// The dealers' indexes, ascending: all that the agent has named before, and more.
    #[n(1)]
    pub dealers: Vec<u16>,
}

/// `escrow.destroy`, by the node key of an agent of an earlier epoch whose key was handed on: it holds its share no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowDestroy {
    /// The epoch.
    #[n(0)]
    pub epoch: u64,
}

/// `escrow.contribute`, by the node key of an agent: its partial opening, sealed to the recipient that the ballot named.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EscrowContribute {
    /// The proposal that decided the opening.
    #[n(0)]
    pub proposal: Digest,
    /// CBOR of [`crypto::escrow::Partial`] under HPKE.
    #[n(1)]
    pub sealed: Sealed,
}
