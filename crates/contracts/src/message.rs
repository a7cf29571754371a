//! What is signed and sent to the ledger: the arguments of every method, and the genesis.

use crypto::kem::{RecipientKey, Suite};
use crypto::{Digest, Label, PublicKey, Signature, mldsa};
use minicbor::{Decode, Encode};
use policy::Terms;
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed};

use crate::record::Role;

mod escrow;
mod grants;
mod modules;
mod private;
mod verdicts;

pub use escrow::{EscrowContribute, EscrowDeal, EscrowDestroy, EscrowOpen, EscrowPlan, EscrowReceive};
pub use grants::{Destroy, GrantIssue, GrantRevoke, ReleaseRecord, ResultRecord, redemption};
pub use modules::{
    Callers, Install, ModuleDrop, ModuleState, ModuleStore, Room, System, Uninstall, VerifierName, VerifierPlan,
};
pub use private::{
    Opening, PrivateAttest, PrivateBegin, PrivateNamed, PrivatePut, private_commitment, purge_statement,
};
pub use verdicts::{Appraisal, Judged, Verdict, VerdictRecord};

/// What the founder fixes for good: carried in [`ledger::Genesis::application`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Founding {
    /// The founding member.
    #[n(0)]
    pub founder: MemberCard,
    /// Whether the founder is a regulator: may accredit issuers.
    #[n(1)]
    pub regulator: bool,
}

/// How a member presents itself: names and public keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct MemberCard {
    /// Name: 1–32 characters of `a-z 0-9 -`.
    #[n(0)]
    pub name: String,
    /// Signs the member's administration: principals, issuers, invitations.
    #[n(1)]
    pub operator: PublicKey,
    /// Signs what the node does by itself: registrations, grants, releases, verdict records.
    #[n(2)]
    pub node: PublicKey,
    /// Cosigns checkpoints.
    #[n(3)]
    pub cosigner: PublicKey,
    /// SHA-256 of the node's TLS subject public key info.
    #[n(4)]
    pub tls: Digest,
    /// Receives sealed messages between nodes.
    #[n(5)]
    pub recipient: RecipientKey,
    /// Where the node answers: `https://host:port`.
    #[n(6)]
    pub address: String,
}

/// `members.invite`, by an operator of a member: lets one organisation join, once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Invite {
    /// The name the newcomer will bear.
    #[n(0)]
    pub name: String,
    /// `H(INVITATION, [token])` of the invitation's 32-byte token.
    #[n(1)]
    pub token: Digest,
    /// Last moment of joining, Unix milliseconds.
    #[n(2)]
    pub expires: u64,
    /// Whether the newcomer may accredit issuers.
    #[n(3)]
    pub regulator: bool,
}

/// `members.join`, by the newcomer's operator key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Join {
    /// The newcomer.
    #[n(0)]
    pub card: MemberCard,
    /// The invitation's token.
    #[n(1)]
    pub token: Fixed<32>,
    /// Its ML-DSA key, as by `ordering.register`, where validators cosign with such keys.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Registration>,
}

/// `members.principal_add`, by the member's operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrincipalAdd {
    /// Name within the member: 1–64 characters of `a-z 0-9 - .`.
    #[n(0)]
    pub name: String,
    /// The principal's key.
    #[n(1)]
    pub key: PublicKey,
    /// What it may do.
    #[n(2)]
    pub roles: Vec<Role>,
}

/// `members.principal_revoke`, by the member's operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct PrincipalRevoke {
    /// The principal's key.
    #[n(0)]
    pub key: PublicKey,
}

/// `members.issuer_accredit` and, with the same arguments, `members.issuer_revoke`, by a regulator's operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Issuer {
    /// A name people know.
    #[n(0)]
    pub name: String,
    /// Verifies its credentials.
    #[n(1)]
    pub key: PublicKey,
    /// The claims it may vouch for, such as `researcher`.
    #[n(2)]
    pub claims: Vec<String>,
}

/// `oracles.confirm`, by members' node keys: the epoch begins when every participant, and a majority of the members,
/// have confirmed the same. Without the majority any single member could appoint itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OraclesConfirm {
    /// The new oracle epoch: the current one plus one, from 1.
    #[n(0)]
    pub epoch: u64,
    /// Signatures needed.
    #[n(1)]
    pub threshold: u16,
    /// Member names in order; participant `i` of the key generation is number `i + 1`.
    #[n(2)]
    pub participants: Vec<String>,
    /// The group's Ed25519 key.
    #[n(3)]
    pub key: PublicKey,
    /// The group's public key material for aggregation (`crypto::threshold::GroupKey` bytes).
    #[n(4)]
    pub group: Bytes,
}

/// `ordering.seat`, by a member's node key: where the node takes part in the ordering.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OrderingSeat {
    /// `host:port`, for the other validators.
    #[n(0)]
    pub address: String,
}

/// `ordering.enter` and `ordering.leave`, by the operator of the member, of a regulator or of the founder: the member becomes a
/// validator again, or no longer is one. Either makes a new epoch of the ledger; who orders changes when that begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OrderingPlace {
    /// Which member.
    #[n(0)]
    pub member: String,
}

/// `ordering.register`, by a member's node key, where the [parameters](Parameters) ask for ML-DSA: the key with which it cosigns beside
/// its Ed25519 key, from the block on after which all validators have one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Registered by nobody so far.
    #[n(0)]
    pub key: mldsa::PublicKey,
    /// The key's signature under [`Label::COSIGNER`] over [`registration`].
    #[n(1)]
    pub possession: mldsa::Signature,
}

impl Registration {
    /// Whether the key has signed that it is this member's, for this chain.
    pub fn is_signed(&self, chain: &Digest, member: &str) -> bool {
        self.key.verify(Label::COSIGNER, &registration(chain, member, &self.key), &self.possession).is_ok()
    }
}

/// What a member's ML-DSA key signs to show that it is held: canonical CBOR of `[chain, member, key]`.
pub fn registration(chain: &Digest, member: &str, key: &mldsa::PublicKey) -> Vec<u8> {
    wire::to_vec(&(chain, member, key))
}

/// `signers.register`, by any key that may sign contracts, applications or approvals: the ML-DSA key with which it signs these beside its
/// own, from the next transaction on and for good. A first one is taken while the [parameters](Parameters) ask for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct SignerRegister {
    /// Registered by nobody so far.
    #[n(0)]
    pub key: mldsa::PublicKey,
    /// The key's signature under [`Label::SIGNER`] over [`statement`](crate::signers::statement).
    #[n(1)]
    pub possession: mldsa::Signature,
    /// That of the signer's ML-DSA key so far, where it has one, over the same.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<mldsa::Signature>,
}

/// `ordering.rotate`, by a member's node key: the key that it cosigns with from the next block on, and votes with once the new
/// epoch that this makes begins.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OrderingRotate {
    /// Used by nobody so far.
    #[n(0)]
    pub key: PublicKey,
    /// A new ML-DSA key with it, as by `ordering.register`.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ml_dsa: Option<Registration>,
}

/// `ordering.begin`, by the operator of a regulator or of the founder: from the next block on, the validators of the
/// current epoch order the ledger together.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct OrderingBegin {
    /// The ledger's epoch when this takes effect.
    #[n(0)]
    pub epoch: u64,
}

/// `governance.begin`, by the operator of a regulator or of the founder, once; and what ballots may change later.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// For admitting, suspending, reinstating and removing members.
    #[n(0)]
    pub members: Share,
    /// For changing who validates.
    #[n(1)]
    pub validators: Share,
    /// For issuers.
    #[n(2)]
    pub issuers: Share,
    /// For deciding who the oracles are.
    #[n(3)]
    pub oracles: Share,
    /// For changing these parameters.
    #[n(4)]
    pub parameters: Share,
    /// Longest life of a proposal, milliseconds.
    #[n(5)]
    pub longest: u64,
    /// Most open proposals of one member.
    #[n(6)]
    pub open: u32,
    /// What ends by itself; absent where nothing does. What was made before goes on as it was.
    #[n(10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadlines: Option<Deadlines>,
    /// How a member's operator key is recovered; absent where it cannot be. Where it is there, the ledger closes expired proposals itself.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What validators cosign with beside Ed25519, once all of them have registered a key for it; absent where nothing.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigning: Option<Cosigning>,
    /// What contracts, applications and approvals are signed with beside Ed25519 from the next transaction on; absent where nothing. Who
    /// has registered a key for it goes on when it is absent again.
    #[n(9)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Cosigning>,
}

/// What of contracts and requests ends by itself, and is told when it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Deadlines {
    /// How long a request waits for its decision, milliseconds.
    #[n(0)]
    pub undecided: u64,
}

/// A signature scheme beside Ed25519.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
pub enum Cosigning {
    /// ML-DSA-65 of FIPS 204.
    #[n(0)]
    #[serde(rename = "ml-dsa-65")]
    MlDsa65,
}

/// How members give another one a new operator key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// Who must vote for it: not less than for removing members.
    #[n(0)]
    pub share: Share,
    /// How long the owner may veto it, from the deciding ballot on, milliseconds.
    #[n(1)]
    pub delay: u64,
}

/// A share of the active members, in lowest or other terms: how many must vote for a proposal at least. Always more than half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Above the line.
    #[n(0)]
    pub numerator: u32,
    /// Below it.
    #[n(1)]
    pub denominator: u32,
}

/// What members decide by ballot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name", content = "argument")]
#[cbor(flat)]
pub enum Action {
    /// Invites an organisation.
    #[n(0)]
    Admit(#[n(0)] Invite),
    /// Bars a member until it is reinstated.
    #[n(1)]
    Suspend(#[n(0)] String),
    /// Ends a suspension.
    #[n(2)]
    Reinstate(#[n(0)] String),
    /// Bars a member for good.
    #[n(3)]
    Remove(#[n(0)] String),
    /// Gives a member its place among the validators.
    #[n(4)]
    Enter(#[n(0)] String),
    /// Takes a member's place among the validators.
    #[n(5)]
    Leave(#[n(0)] String),
    /// Accredits an issuer.
    #[n(6)]
    Accredit(#[n(0)] Issuer),
    /// Ends an issuer's accreditation.
    #[n(7)]
    Disown(#[n(0)] PublicKey),
    /// Decides who the oracles of the next epoch are.
    #[n(8)]
    Oracles(#[n(0)] OraclePlan),
    /// Replaces the parameters.
    #[n(9)]
    Parameters(#[n(0)] Parameters),
    /// Has a contract in WebAssembly run a module.
    #[n(10)]
    Install(#[n(0)] Install),
    /// Has a contract in WebAssembly take no more calls.
    #[n(11)]
    Uninstall(#[n(0)] Uninstall),
    /// Gives a member a new operator key, after a delay.
    #[n(12)]
    Recover(#[n(0)] Recover),
    /// Decides who the escrow agents of the next epoch are.
    #[n(16)]
    Escrow(#[n(0)] EscrowPlan),
    /// Has the escrow agents open one object's data key to one recipient.
    #[n(17)]
    Open(#[n(0)] EscrowOpen),
    /// Registers a verifier of proofs.
    #[n(20)]
    Verifier(#[n(0)] VerifierPlan),
    /// Takes a verifier of proofs off.
    #[n(21)]
    Retire(#[n(0)] VerifierName),
}

/// A new operator key for a member that has lost its own: made, and shown to be held, by the member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// The member.
    #[n(0)]
    pub member: String,
    /// The new key: nobody's so far, and proposed for the first time.
    #[n(1)]
    pub key: PublicKey,
    /// Last moment of proposing and deciding it, Unix milliseconds.
    #[n(2)]
    pub until: u64,
    /// The new key's signature under [`Label::RECOVERY`] over [`recovery`].
    #[n(3)]
    pub possession: Signature,
}

impl Recover {
    /// Whether the key has signed this, for this chain.
    pub fn is_signed(&self, chain: &Digest) -> bool {
        let statement = recovery(chain, &self.member, &self.key, self.until);
        self.key.verify(Label::RECOVERY, &statement, &self.possession).is_ok()
    }
}

/// What the new key of a member signs to show that it is held: canonical CBOR of `[chain, member, key, until]`.
pub fn recovery(chain: &Digest, member: &str, key: &PublicKey, until: u64) -> Vec<u8> {
    wire::to_vec(&(chain, member, key, until))
}

/// Who the oracles of the next epoch are, before they have a key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct OraclePlan {
    /// Signatures needed.
    #[n(0)]
    pub threshold: u16,
    /// Member names in order.
    #[n(1)]
    pub participants: Vec<String>,
}

/// `governance.propose`, by a member's operator, whose vote it carries. The proposal's identity is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Propose {
    /// What is to be done.
    #[n(0)]
    pub action: Action,
    /// Last moment of voting, Unix milliseconds.
    #[n(1)]
    pub expires: u64,
    /// Why, for those who vote: at most 1,000 bytes, in the open.
    #[n(2)]
    pub reason: String,
}

/// `governance.ballot`, by a member's operator, once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Ballot {
    /// The proposal.
    #[n(0)]
    pub proposal: Digest,
    /// For or against.
    #[n(1)]
    pub yes: bool,
}

/// `governance.withdraw`, by the proposer's operator, `governance.close`, by any member's, and `governance.veto`, by that of the member
/// that is to be recovered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ProposalState {
    /// The proposal.
    #[n(0)]
    pub proposal: Digest,
}

/// `triggers.wake`, by a member's node key: does nothing, but makes a block, before which the ledger does what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Wake {
    /// The newest block that the sender knows.
    #[n(0)]
    pub height: u64,
}

/// `assets.register`, by the owner's node key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct AssetRegister {
    /// Name within the member: 1–64 characters of `a-z 0-9 - .`.
    #[n(0)]
    pub name: String,
    /// What it is: `table` or `file`.
    #[n(1)]
    pub kind: String,
    /// Column names of a table, in order; empty for a file.
    #[n(2)]
    pub columns: Vec<String>,
    /// Roots under which later proofs can speak of the asset.
    #[n(3)]
    pub commitments: Vec<Commitment>,
    /// Segments of the sealed object.
    #[n(4)]
    pub segments: u64,
    /// The weakest suite among the recipients.
    #[n(5)]
    pub suite: Suite,
}

/// A commitment to an asset's content.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Commitment {
    /// How the root is made: `sealed-object-v1` for the tree over ciphertext.
    #[n(0)]
    pub suite: String,
    /// The suite's parameters; for `sealed-object-v1` the object's id, which is the digest of its core.
    #[n(1)]
    pub params: Bytes,
    /// The root.
    #[n(2)]
    pub root: Digest,
}

/// `assets.retire`, by the owner's node key: no new contract or request may name it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct AssetRetire {
    /// The asset.
    #[n(0)]
    pub asset: Digest,
}

/// `contracts.offer`, by a principal of the owner with role `owner`, or its operator. The contract's identity is the
/// transaction's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Offer {
    /// The terms.
    #[n(0)]
    pub terms: Terms,
}

/// `contracts.amend`: the next version of a contract; requests under older versions that have no verdict yet lapse.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Amend {
    /// The contract.
    #[n(0)]
    pub contract: Digest,
    /// The new terms; the asset stays the same.
    #[n(1)]
    pub terms: Terms,
}

/// `contracts.suspend`, `contracts.resume` and `contracts.revoke`, by the owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ContractState {
    /// The contract.
    #[n(0)]
    pub contract: Digest,
}

/// `requests.apply`, by the requester's own key. The request's identity is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Apply {
    /// The contracts it falls under, each with the version the requester read: one for `release`, one or more with the
    /// same program for `compute`.
    #[n(0)]
    pub contracts: Vec<ContractVersion>,
    /// One of the contracts' purposes.
    #[n(1)]
    pub purpose: String,
    /// What is released is sealed to this key.
    #[n(2)]
    pub ephemeral: RecipientKey,
    /// Salted commitment to the justification, which travels to the owners' nodes.
    #[n(3)]
    pub justification: Digest,
    /// Evidence offered, each by kind and salted commitment.
    #[n(4)]
    pub evidence: Vec<EvidenceCommitment>,
}

/// A contract at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ContractVersion {
    /// The contract.
    #[n(0)]
    pub contract: Digest,
    /// Its version, from 1.
    #[n(1)]
    pub version: u32,
}

/// Evidence by kind and commitment; the bytes travel to the owners' nodes and the oracles.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct EvidenceCommitment {
    /// `credential`; other kinds are refused until a verifier for them exists.
    #[n(0)]
    pub kind: String,
    /// `H(COMMITMENT, [salt, bytes])`.
    #[n(1)]
    pub commitment: Digest,
}

/// `requests.cancel`, by the requester.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Cancel {
    /// The request.
    #[n(0)]
    pub request: Digest,
}

/// `requests.decline`, by the node key of an owner whose contract the request names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Decline {
    /// The request.
    #[n(0)]
    pub request: Digest,
    /// The contract under which it is declined.
    #[n(1)]
    pub contract: Digest,
    /// The stable code of the reason.
    #[n(2)]
    pub code: String,
}

/// `requests.approve`, by one of the contract's approvers, once each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Approve {
    /// The request.
    #[n(0)]
    pub request: Digest,
    /// The contract approved under.
    #[n(1)]
    pub contract: Digest,
    /// False objects: one objection refuses the request.
    #[n(2)]
    pub approve: bool,
}

/// A credential: an accredited issuer vouches for claims about a key. Sent as evidence of kind `credential`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Credential {
    /// What is signed.
    #[n(0)]
    pub body: CredentialBody,
    /// The issuer's signature under [`Label::CREDENTIAL`].
    #[n(1)]
    pub signature: Signature,
}

/// What an issuer signs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct CredentialBody {
    /// The issuer's key.
    #[n(0)]
    pub issuer: PublicKey,
    /// The key the claims are about.
    #[n(1)]
    pub subject: PublicKey,
    /// The subject's name, for the people who approve.
    #[n(2)]
    pub name: String,
    /// What is vouched for.
    #[n(3)]
    pub claims: Vec<String>,
    /// First moment, Unix milliseconds.
    #[n(4)]
    pub not_before: u64,
    /// Last moment, Unix milliseconds.
    #[n(5)]
    pub not_after: u64,
}
