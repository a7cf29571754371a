//! Proposals, their ballots, and how they end.

use crypto::Digest;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::message::Action;

/// A proposal, its ballots, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Proposal {
    /// Identity: the transaction that proposed.
    #[n(0)]
    pub id: Digest,
    /// The member that proposed.
    #[n(1)]
    pub proposer: String,
    /// What is to be done.
    #[n(2)]
    pub action: Action,
    /// Why.
    #[n(3)]
    pub reason: String,
    /// When it was proposed, Unix milliseconds.
    #[n(4)]
    pub since: u64,
    /// Last moment of voting, Unix milliseconds.
    #[n(5)]
    pub expires: u64,
    /// Where it stands.
    #[n(6)]
    pub phase: ProposalPhase,
    /// All ballots cast, in their order; those of members that are not active do not count.
    #[n(7)]
    pub ballots: Vec<CastBallot>,
    /// The transaction that closed it; none where the ledger did itself.
    #[n(8)]
    pub closed: Option<Digest>,
}

/// A ballot as it was cast.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct CastBallot {
    /// Whose.
    #[n(0)]
    pub member: String,
    /// For or against.
    #[n(1)]
    pub yes: bool,
    /// The transaction.
    #[n(2)]
    pub transaction: Digest,
}

/// Where a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum ProposalPhase {
    /// It takes ballots, until it expires.
    #[n(0)]
    Open,
    /// Enough were for it, and it was done.
    #[n(1)]
    Passed,
    /// Too many were against it.
    #[n(2)]
    Failed,
    /// By its proposer.
    #[n(3)]
    Withdrawn,
    /// Its time ran out.
    #[n(4)]
    Expired,
    /// It had passed; the owner of the key objected in time.
    #[n(5)]
    Vetoed,
}

impl std::fmt::Display for ProposalPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Vetoed => "vetoed",
        })
    }
}

/// A proposal's ballots as they count now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The active members.
    pub members: u32,
    /// Ballots for it of active members.
    pub yes: u32,
    /// Ballots against it of active members.
    pub no: u32,
    /// Ballots for it that make it pass.
    pub needed: u32,
}

impl Tally {
    /// Whether it passes or fails; none while more ballots decide.
    pub fn decides(&self) -> Option<bool> {
        match () {
            () if self.yes >= self.needed => Some(true),
            () if self.members.saturating_sub(self.no) < self.needed => Some(false),
            () => None,
        }
    }
}
