//! What the contracts keep in the world state.

use crypto::{Digest, PublicKey, mldsa};
use minicbor::{Decode, Encode};
use policy::Terms;
use serde::{Deserialize, Serialize};

use crate::message::{
    Apply, AssetRegister, MemberCard, OraclePlan, OraclesConfirm, ReleaseRecord, ResultRecord, Verdict,
};

mod escrow;
mod governance;
mod modules;
mod private;

pub use escrow::{
    DecidedEscrow, EscrowContribution, EscrowDealt, EscrowDestroyed, EscrowEpoch, EscrowOpening, EscrowReceived,
};
pub use governance::{CastBallot, Proposal, ProposalPhase, Tally};
pub use modules::{Course, Installed, Kept, PendingModule, Verifier};
pub use private::{Cause, Held, Private, Purged, Purging};

/// What a principal may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Role {
    /// Offers contracts over the member's assets.
    #[n(0)]
    Owner,
    /// Applies under contracts.
    #[n(1)]
    Requester,
    /// Approves requests.
    #[n(2)]
    Approver,
    /// Reads the audit trail and exports receipts.
    #[n(3)]
    Auditor,
    /// Supervises the consortium.
    #[n(4)]
    Regulator,
    /// Administers the member's node.
    #[n(5)]
    Operator,
    /// A machine that registers data.
    #[n(6)]
    Device,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Member {
    /// Its card.
    #[n(0)]
    pub card: MemberCard,
    /// Whether it may accredit issuers.
    #[n(1)]
    pub regulator: bool,
    /// When it joined, Unix milliseconds; 0 for the founder, whose time is the genesis.
    #[n(2)]
    pub joined: u64,
    /// That it is suspended or removed, by ballot: nothing it signs is taken.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barred: Option<Barred>,
}

impl Member {
    /// Whether it is neither suspended nor removed.
    pub fn is_active(&self) -> bool {
        self.barred.is_none()
    }
}

/// That a member may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Barred {
    /// For now or for good.
    #[n(0)]
    pub standing: Bar,
    /// Since when, Unix milliseconds.
    #[n(1)]
    pub since: u64,
    /// The proposal that decided it.
    #[n(2)]
    pub proposal: Digest,
}

/// How a member is barred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Bar {
    /// Until it is reinstated.
    #[n(0)]
    Suspended,
    /// For good.
    #[n(1)]
    Removed,
}

impl std::fmt::Display for Bar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        })
    }
}

/// An invitation not yet used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Invitation {
    /// The name it is for.
    #[n(0)]
    pub name: String,
    /// Last moment, Unix milliseconds.
    #[n(1)]
    pub expires: u64,
    /// Whether the newcomer may accredit issuers.
    #[n(2)]
    pub regulator: bool,
    /// The proposal that made it, where ballots govern.
    #[n(3)]
    pub proposal: Option<Digest>,
}

/// Whose a member's key is and what for; no key serves two.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct MemberKey {
    /// The member.
    #[n(0)]
    pub member: String,
    /// What the key is for.
    #[n(1)]
    pub duty: Duty,
    /// The proposal through which it is not in force, where it is not: it was replaced, or waits to take another's place, or never will.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Digest>,
}

/// That a member is about to get a new operator key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Recovering {
    /// The member.
    #[n(0)]
    pub member: String,
    /// The proposal that decided it.
    #[n(1)]
    pub proposal: Digest,
    /// The new key.
    #[n(2)]
    pub key: PublicKey,
    /// The key whose place it takes, and which may veto until then.
    #[n(3)]
    pub old: PublicKey,
    /// When it was decided, Unix milliseconds.
    #[n(4)]
    pub since: u64,
    /// When it takes effect, Unix milliseconds: in the first block that is not before.
    #[n(5)]
    pub due: u64,
}

/// The delay of recoveries that was made shorter, and still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LongerDelay {
    /// Milliseconds.
    #[n(0)]
    pub delay: u64,
    /// Until when, Unix milliseconds.
    #[n(1)]
    pub until: u64,
}

/// Work that the ledger does by itself when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Trigger {
    /// Its time, Unix milliseconds: it is done before the first block that is not before.
    #[n(0)]
    pub at: u64,
    /// What is done.
    #[n(1)]
    pub kind: TriggerKind,
    /// To what: the proposal, the contract, the request.
    #[n(2)]
    pub subject: Digest,
}

/// What the ledger does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum TriggerKind {
    /// Closes a proposal that was not decided in its time.
    #[n(0)]
    Expire,
    /// Puts a member's new operator key in the old one's place.
    #[n(1)]
    Recover,
    /// Tells that a contract's window begins.
    #[n(2)]
    Begin,
    /// Tells that a contract's window has ended.
    #[n(3)]
    End,
    /// Ends a request that nobody has decided in its time.
    #[n(4)]
    Lapse,
}

impl TriggerKind {
    /// Its name in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::Recover => "recover",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Lapse => "lapse",
        }
    }
}

/// That a contract in WebAssembly wants to be called at a time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Alarm {
    /// The time, Unix milliseconds: it is called before the first block that is not before.
    #[n(0)]
    pub at: u64,
    /// The contract.
    #[n(1)]
    pub contract: String,
    /// The contract's name for it.
    #[n(2)]
    pub name: String,
}

/// What a member's key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Duty {
    /// Administration.
    #[n(0)]
    Operator,
    /// What the node does by itself.
    #[n(1)]
    Node,
    /// Checkpoints.
    #[n(2)]
    Cosigner,
}

/// A principal of a member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Principal {
    /// The member.
    #[n(0)]
    pub member: String,
    /// Name within the member.
    #[n(1)]
    pub name: String,
    /// The key.
    #[n(2)]
    pub key: PublicKey,
    /// What it may do.
    #[n(3)]
    pub roles: Vec<Role>,
    /// Revoked principals may do nothing.
    #[n(4)]
    pub revoked: bool,
}

/// The ML-DSA key with which a key signs contracts beside itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Signer {
    /// The ML-DSA key.
    #[n(0)]
    pub key: mldsa::PublicKey,
    /// When it was registered, Unix milliseconds.
    #[n(1)]
    pub since: u64,
    /// The transaction that registered it.
    #[n(2)]
    pub transaction: Digest,
    /// How many there were before it.
    #[n(3)]
    pub changes: u64,
}

/// Whose ML-DSA key one is, or was, that contracts are signed with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct SignerKey {
    /// The Ed25519 key beside which it signs.
    #[n(0)]
    pub signer: PublicKey,
    /// The transaction that registered it.
    #[n(1)]
    pub transaction: Digest,
}

/// An accredited issuer of credentials.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct AccreditedIssuer {
    /// A name people know.
    #[n(0)]
    pub name: String,
    /// Its key.
    #[n(1)]
    pub key: PublicKey,
    /// The claims it may vouch for.
    #[n(2)]
    pub claims: Vec<String>,
    /// The member that accredited it.
    #[n(3)]
    pub by: String,
    /// A revoked issuer's credentials prove nothing.
    #[n(4)]
    pub revoked: bool,
}

/// An epoch of the oracles.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OracleEpoch {
    /// What the participants confirmed.
    #[n(0)]
    pub group: OraclesConfirm,
    /// When the last one confirmed, Unix milliseconds.
    #[n(1)]
    pub since: u64,
    /// The confirming transactions, in the order of the members' names.
    #[n(2)]
    pub confirmations: Vec<Digest>,
}

/// One member's confirmation of an oracle epoch that has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Confirmation {
    /// The member.
    #[n(0)]
    pub member: String,
    /// What it confirmed.
    #[n(1)]
    pub group: OraclesConfirm,
    /// The transaction.
    #[n(2)]
    pub transaction: Digest,
}

/// A registered asset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Asset {
    /// Identity: `H(ASSET, [chain, owner, name])`.
    #[n(0)]
    pub id: Digest,
    /// The owning member.
    #[n(1)]
    pub owner: String,
    /// As registered.
    #[n(2)]
    pub registered: AssetRegister,
    /// When, Unix milliseconds.
    #[n(3)]
    pub since: u64,
    /// Retired assets take no new contracts or requests.
    #[n(4)]
    pub retired: bool,
    /// The transaction that registered it.
    #[n(5)]
    pub transaction: Digest,
}

/// Whether a contract is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cbor(index_only)]
pub enum Standing {
    /// In force.
    #[n(0)]
    Active,
    /// Paused by its owner.
    #[n(1)]
    Suspended,
    /// Ended by its owner.
    #[n(2)]
    Revoked,
}

/// A contract at its newest version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Contract {
    /// Identity: the transaction that offered it.
    #[n(0)]
    pub id: Digest,
    /// The owning member.
    #[n(1)]
    pub owner: String,
    /// From 1.
    #[n(2)]
    pub version: u32,
    /// The terms at this version.
    #[n(3)]
    pub terms: Terms,
    /// Whether it is in force.
    #[n(4)]
    pub standing: Standing,
    /// When this version was offered, Unix milliseconds.
    #[n(5)]
    pub since: u64,
    /// The transaction of this version.
    #[n(6)]
    pub transaction: Digest,
    /// The identifier of the ML-DSA key that signed this version beside Ed25519; absent where none did.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Digest>,
}

/// A contract's terms as they were at a version; kept for the requests made under it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Version {
    /// The terms.
    #[n(0)]
    pub terms: Terms,
    /// When they were offered, Unix milliseconds.
    #[n(1)]
    pub since: u64,
    /// The transaction.
    #[n(2)]
    pub transaction: Digest,
    /// The identifier of the ML-DSA key that signed them beside Ed25519; absent where none did.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Digest>,
}

/// One approval or objection.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Approval {
    /// The contract approved under.
    #[n(0)]
    pub contract: Digest,
    /// Who.
    #[n(1)]
    pub approver: PublicKey,
    /// False objects.
    #[n(2)]
    pub approve: bool,
    /// The transaction.
    #[n(3)]
    pub transaction: Digest,
    /// The identifier of the ML-DSA key that signed it beside Ed25519; absent where none did.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Digest>,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
#[cbor(flat)]
pub enum Phase {
    /// Waiting for approvals and the oracles.
    #[n(0)]
    Pending,
    /// The oracles allowed it.
    #[n(1)]
    Allowed,
    /// Refused, with the code.
    #[n(2)]
    Refused(#[n(0)] String),
    /// Withdrawn by the requester.
    #[n(3)]
    Cancelled,
    /// Released, or as many parties' results recorded as it takes.
    #[n(4)]
    Done,
}

/// A request and all that happened to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Request {
    /// Identity: the transaction that applied.
    #[n(0)]
    pub id: Digest,
    /// Who applied.
    #[n(1)]
    pub requester: PublicKey,
    /// What was applied for.
    #[n(2)]
    pub apply: Apply,
    /// When, Unix milliseconds.
    #[n(3)]
    pub since: u64,
    /// Where it stands.
    #[n(4)]
    pub phase: Phase,
    /// Approvals and objections so far.
    #[n(5)]
    pub approvals: Vec<Approval>,
    /// The verdict and its transaction.
    #[n(6)]
    pub verdict: Option<Verdict>,
    /// The verdict's transaction, or the objecting, declining or cancelling one.
    #[n(7)]
    pub decided: Option<Digest>,
    /// The grant, when issued.
    #[n(8)]
    pub grant: Option<Digest>,
    /// The transactions that ended it: the release, the parties' results, or the revocation of the grant.
    #[n(9)]
    pub ended: Vec<Digest>,
    /// The parties' results so far.
    #[n(10)]
    pub results: Vec<ResultRecord>,
    /// The contracts' owners, in the order of the contracts.
    #[n(11)]
    pub owners: Vec<String>,
    /// Members that compute along without data of their own.
    #[n(12)]
    pub helpers: Vec<String>,
    /// The parties that have destroyed what they held of its computation.
    #[n(13)]
    pub destroyed: Vec<Destroyed>,
    /// The identifier of the ML-DSA key that signed the application beside Ed25519; absent where none did.
    #[n(14)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Digest>,
}

/// That a party has destroyed what it held of a computation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Destroyed {
    /// The party.
    #[n(0)]
    pub party: String,
    /// When it was recorded, Unix milliseconds.
    #[n(1)]
    pub at: u64,
}

impl Request {
    /// The parties of its computation: the owners, then the helpers.
    pub fn parties(&self) -> impl Iterator<Item = &String> {
        self.owners.iter().chain(&self.helpers)
    }

    /// The owner of one of the request's contracts.
    pub fn owner_of(&self, contract: &Digest) -> Option<&str> {
        let at = self.apply.contracts.iter().position(|named| named.contract == *contract)?;
        self.owners.get(at).map(String::as_str)
    }

    /// Whether it waits for approvals or a verdict.
    pub fn is_pending(&self) -> bool {
        self.phase == Phase::Pending
    }
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Grant {
    /// Identity: the transaction that issued it.
    #[n(0)]
    pub id: Digest,
    /// The request.
    #[n(1)]
    pub request: Digest,
    /// The contract.
    #[n(2)]
    pub contract: Digest,
    /// The owner of the asset.
    #[n(3)]
    pub owner: String,
    /// The asset.
    #[n(4)]
    pub asset: Digest,
    /// The only key that may redeem it.
    #[n(5)]
    pub holder: PublicKey,
    /// First moment, Unix milliseconds.
    #[n(6)]
    pub not_before: u64,
    /// Last moment, Unix milliseconds.
    #[n(7)]
    pub not_after: u64,
    /// Revoked grants open nothing.
    #[n(8)]
    pub revoked: bool,
    /// The one redemption.
    #[n(9)]
    pub redeemed: Option<ReleaseRecord>,
}

/// The group of oracles that a ballot decided last.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct DecidedOracles {
    /// The oracle epoch it is for.
    #[n(0)]
    pub epoch: u64,
    /// Who.
    #[n(1)]
    pub plan: OraclePlan,
    /// The proposal.
    #[n(2)]
    pub proposal: Digest,
}

/// What an event tells: enough to find the record it concerns. The data of every event of these contracts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Notice {
    /// The block's time, Unix milliseconds.
    #[n(0)]
    pub at: u64,
    /// What it is about: a name, or an identity in hex.
    #[n(1)]
    pub subject: String,
    /// The members it concerns.
    #[n(2)]
    pub members: Vec<String>,
    /// The request it belongs to.
    #[n(3)]
    pub request: Option<Digest>,
    /// A code, a version, a key: what `docs/spec/contracts.md` says for the event's name.
    #[n(4)]
    pub detail: String,
}

/// Who orders the ledger, once it is no longer one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Quorum {
    /// The epoch of the ledger whose validators order.
    #[n(0)]
    pub epoch: u64,
    /// The block that holds `ordering.begin`: the last that was ordered otherwise, by one node or the validators of an earlier epoch.
    #[n(1)]
    pub base: u64,
}

/// The validators of an epoch of the ledger, in the order of joining.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ValidatorSet {
    /// Each member's cosigner.
    #[n(0)]
    pub validators: Vec<ledger::Validator>,
}
