//! What is signed and sent to the ledger: the arguments of every method, and the genesis.

use std::fmt;

use crypto::escrow::{Dealing, Wrap};
use crypto::kem::{RecipientKey, Sealed, Suite};
use crypto::{Digest, Label, PublicKey, Signature, hash, mldsa};
use minicbor::{Decode, Encode};
use policy::Terms;
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed};

use crate::record::{Cause, Role};

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

/// The outcome of checking one evidence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Appraisal {
    /// The evidence's kind.
    #[n(0)]
    pub kind: String,
    /// The evidence's commitment.
    #[n(1)]
    pub commitment: Digest,
    /// What it proves: accredited claims.
    #[n(2)]
    pub claims: Vec<String>,
    /// Who vouches: `issuer` for a credential signed by an accredited issuer, `none` where nothing is proven.
    #[n(3)]
    pub trust: String,
    /// Why it proves no more: a stable code, or `ok`.
    #[n(4)]
    pub code: String,
}

/// What the oracles sign, under [`Label::VERDICT`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Verdict {
    /// The chain.
    #[n(0)]
    pub chain: Digest,
    /// The oracles' epoch.
    #[n(1)]
    pub epoch: u64,
    /// The request.
    #[n(2)]
    pub request: Digest,
    /// Each contract judged, with the digest of its terms and of its policy.
    #[n(3)]
    pub contracts: Vec<Judged>,
    /// What each evidence proves, in the request's order.
    #[n(4)]
    pub appraisals: Vec<Appraisal>,
    /// `ok`, or the code of the refusal.
    #[n(5)]
    pub decision: String,
    /// Facts that only the owner can see and that the oracles took from it, by name.
    #[n(6)]
    pub owner_asserted: Vec<String>,
    /// When it was decided, Unix milliseconds: the time the policy saw.
    #[n(7)]
    pub decided: u64,
    /// After this the verdict gives no grant, Unix milliseconds.
    #[n(8)]
    pub not_after: u64,
}

/// One contract in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Judged {
    /// The contract and version.
    #[n(0)]
    pub contract: ContractVersion,
    /// `H(TERMS, [terms])`.
    #[n(1)]
    pub terms: Digest,
    /// Digest of the policy text that was run.
    #[n(2)]
    pub policy: Digest,
    /// The approvers counted, sorted.
    #[n(3)]
    pub approvals: Vec<PublicKey>,
}

/// `verdicts.record`, by any member's node key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct VerdictRecord {
    /// The verdict as signed.
    #[n(0)]
    pub verdict: Verdict,
    /// The threshold signature.
    #[n(1)]
    pub signature: Signature,
    /// The members whose oracles took part.
    #[n(2)]
    pub signers: Vec<String>,
}

/// `grants.issue`, by the node key of the owner, under an allowing verdict. The grant's identity is the transaction's.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct GrantIssue {
    /// The request.
    #[n(0)]
    pub request: Digest,
    /// The contract, of means `release`.
    #[n(1)]
    pub contract: Digest,
    /// First moment, Unix milliseconds.
    #[n(2)]
    pub not_before: u64,
    /// Last moment, Unix milliseconds.
    #[n(3)]
    pub not_after: u64,
}

/// `grants.revoke`, by the owner's node key or operator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct GrantRevoke {
    /// The grant.
    #[n(0)]
    pub grant: Digest,
}

/// `releases.record`, by the owner's node key, before the first byte leaves: the one redemption of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ReleaseRecord {
    /// The grant.
    #[n(0)]
    pub grant: Digest,
    /// The root of the object released: the registered one.
    #[n(1)]
    pub root: Digest,
    /// SHA-256 of the recipient stanzas made for the requester.
    #[n(2)]
    pub stanzas: Digest,
    /// The weakest suite among those stanzas.
    #[n(3)]
    pub suite: Suite,
    /// The holder's signature under [`Label::PROOF_OF_POSSESSION`] over [`redemption`].
    #[n(4)]
    pub possession: Signature,
    /// The moment the holder signed, Unix milliseconds.
    #[n(5)]
    pub signed: u64,
}

/// What the holder of a grant signs to redeem it: chain, grant, time.
pub fn redemption(chain: &Digest, grant: &Digest, signed: u64) -> Vec<u8> {
    [chain.as_ref(), grant.as_ref(), &signed.to_be_bytes()].concat()
}

/// `results.record`, by the node key of each party of a computation, when its share is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct ResultRecord {
    /// The request.
    #[n(0)]
    pub request: Digest,
    /// The party whose share it is: the sending node's member.
    #[n(1)]
    pub party: String,
    /// The run that made the share: the same at all parties.
    #[n(2)]
    pub run: Fixed<16>,
    /// The session: `H(SESSION, [request])`.
    #[n(3)]
    pub session: Digest,
    /// The protocol: `additive`, `rep3` or `shamir`.
    #[n(4)]
    pub protocol: String,
    /// What it withstands: `semi-honest` or `malicious`.
    #[n(5)]
    pub adversary: String,
    /// The parties in order: owners, then helpers.
    #[n(6)]
    pub parties: Vec<String>,
    /// Digest of the program.
    #[n(7)]
    pub program: Digest,
    /// SHA-256 of the sealed share.
    #[n(8)]
    pub share: Digest,
    /// Digest of what the party sent and received in that run.
    #[n(9)]
    pub transcript: Digest,
    /// True where any part was simulated; a contract may refuse it.
    #[n(10)]
    pub simulated: bool,
}

/// `results.destroy`, by the node key of a party of a computation, when nothing of it is left there: no share of the result, no
/// checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Destroy {
    /// The request.
    #[n(0)]
    pub request: Digest,
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
