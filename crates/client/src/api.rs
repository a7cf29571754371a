//! What the node's HTTP API takes and gives, as JSON. Shared by node and client so that they cannot drift.
//!
//! Ledger records travel as `contracts::record` types; the paths are constants so that both sides name them once.

use contracts::ForeignLedger;
use contracts::message::{Opening, Parameters};
use contracts::record::{
    Alarm, Cause, DecidedEscrow, EscrowContribution, EscrowDestroyed, EscrowEpoch, EscrowOpening, EscrowReceived,
    Installed, Kept, Notice, Private, Proposal, Request, Signer, Tally, Verifier,
};
use crypto::{Digest, PublicKey, Signature};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::Bytes;

use crate::search::ObjectKind;

/// `application/problem+json` (RFC 9457) with our stable code and a hint.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:sottovoce:CODE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// The stable code (`docs/user/codes.md`).
    pub code: String,
    /// What exactly was wrong.
    pub detail: String,
    /// What to do next.
    pub hint: String,
}

/// `POST /v1/transactions`: signed transactions, canonical CBOR in base64, run in this order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submission {
    /// 1–64 of them.
    #[schema(value_type = Vec<String>)]
    pub transactions: Vec<Bytes>,
}

/// The answer to a [`Submission`], once every transaction is durable.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// In the submission's order.
    pub results: Vec<TransactionResult>,
}

/// What became of one transaction.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TransactionResult {
    /// Its identity.
    #[schema(value_type = String)]
    pub id: Digest,
    /// The block.
    pub height: u64,
    /// Its place in the log.
    pub index: u64,
    /// `ok` or the code of the refusal.
    pub code: String,
}

/// `GET /v1/governance/parameters`: whether ballots govern, and by what they are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Governance {
    /// The parameters; absent where ballots do not govern.
    #[schema(value_type = Object)]
    pub parameters: Option<Parameters>,
    /// Validators whose nodes have registered no ML-DSA key, where the parameters ask for them and checkpoints are not yet cosigned with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ml_dsa_missing: Vec<String>,
}

/// `GET /v1/signers/{key}`: with what a key signs contracts, applications and approvals beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignerView {
    /// Whether it must sign these with ML-DSA too: the parameters ask everyone for it, or the key has registered.
    pub demanded: bool,
    /// The ML-DSA key that it has registered last, and when; absent where none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub registered: Option<Signer>,
}

/// `GET /v1/governance`, `GET /v1/governance/{id}`: a proposal, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProposalView {
    /// As the ledger has it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub proposal: Proposal,
    /// Its time has run out, by this node's clock, though nobody has closed it.
    pub expired: bool,
    /// How its ballots count now; absent once it is closed.
    #[schema(value_type = Object)]
    pub tally: Option<Tally>,
}

/// `GET /v1/escrow`: the escrow agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EscrowView {
    /// Those in force; absent before the first.
    #[schema(value_type = Object)]
    pub epoch: Option<EscrowEpoch>,
    /// Who says to have destroyed its share of the epoch that handed the key on to these.
    #[schema(value_type = Vec<Object>)]
    pub destroyed: Vec<EscrowDestroyed>,
    /// The next ones, while they do not hold the key.
    pub making: Option<EscrowMaking>,
}

/// How far a key is on its way to the escrow agents that a ballot decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EscrowMaking {
    /// What was decided.
    #[schema(value_type = Object)]
    pub decided: DecidedEscrow,
    /// Who deals: the agents that hold the key, or the new ones where they make a new key.
    pub dealers: Vec<String>,
    /// So many dealings are needed.
    pub needed: u16,
    /// Who has dealt.
    pub dealt: Vec<String>,
    /// Which of the new agents hold whose parts; all are needed.
    #[schema(value_type = Vec<Object>)]
    pub received: Vec<EscrowReceived>,
}

/// `GET /v1/escrow/openings/{id}`: what the escrow agents open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EscrowOpeningView {
    /// As it was decided.
    #[schema(value_type = Object)]
    pub opening: EscrowOpening,
    /// What the agents have contributed, each sealed to the recipient.
    #[schema(value_type = Vec<Object>)]
    pub contributions: Vec<EscrowContribution>,
    /// The epochs of those agents, and the newest that holds the key.
    #[schema(value_type = Vec<Object>)]
    pub epochs: Vec<EscrowEpoch>,
}

/// `GET /v1/modules`, `GET /v1/modules/{name}`: a contract in WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModuleView {
    /// As the members decided it last.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub installed: Installed,
    /// How much it keeps.
    #[schema(value_type = Object)]
    pub kept: Kept,
    /// When it is to be called by the ledger.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub alarms: Vec<Alarm>,
}

/// `GET /v1/verifiers`, `GET /v1/verifiers/{name}`: a verifier of proofs, for contracts in WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifierView {
    /// As the members registered it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub registered: Verifier,
    /// The ledger whose proofs it verifies.
    #[schema(value_type = Object)]
    pub ledger: ForeignLedger,
}

/// `GET /v1/modules/{name}/kept`: what a contract in WebAssembly kept under a key after a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptValue {
    /// The contract.
    pub name: String,
    /// Its own key.
    pub key: String,
    /// The block.
    pub height: u64,
    /// The value as the contract wrote it, in base64; absent where there was none.
    #[schema(value_type = Option<String>)]
    pub value: Option<Bytes>,
}

/// `POST /v1/private`: a payload that only some members are to hold. No `Debug`: it is not for logs.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PrivateSubmission {
    /// The signed `private.put`, canonical CBOR in base64.
    #[schema(value_type = String)]
    pub transaction: Bytes,
    /// The payload and its salt.
    #[schema(value_type = Object)]
    pub opening: Opening,
}

/// The answer to a [`PrivateSubmission`], once its commitment is on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivatePlaced {
    /// The private payload.
    #[schema(value_type = String)]
    pub id: Digest,
    /// The block.
    pub height: u64,
    /// The recipients whose nodes have it on disk.
    pub held: Vec<String>,
    /// Those that did not answer: they fetch it when they are back.
    pub waiting: Vec<String>,
}

/// `GET /v1/private`, `GET /v1/private/{id}`: a private payload as the ledger and the node have it; never the payload itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PrivateView {
    /// As the ledger has it.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub private: Private,
    /// How this node has it: `held`, `missing`, `draft` (on its way to the ledger), `purging` (destroyed, and not on record yet), `purged`, or `none`, where its
    /// member is no holder.
    pub here: String,
    /// Of a missing one: how often it was asked for in vain.
    pub tries: u32,
    /// Why all are to purge it; absent while they are not.
    #[schema(value_type = Option<String>)]
    pub due: Option<Cause>,
}

/// `GET /v1/log/consistency`, `GET /v1/log/inclusion`: a path in the transaction log (RFC 9162 §2.1.3, §2.1.4).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogProof {
    /// Digests, in the RFC's order.
    #[schema(value_type = Vec<String>)]
    pub path: Vec<Digest>,
}

/// `GET /v1/events`: something that a committed transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEvent {
    /// The transaction's place in the log, and the event's among those of the transaction: `INDEX.POSITION`. Ascending, and the same at every node.
    pub id: String,
    /// The block.
    pub height: u64,
    /// The transaction.
    #[schema(value_type = String)]
    pub transaction: Digest,
    /// What happened: `request.allowed`, ... (`docs/spec/contracts.md`).
    pub name: String,
    /// When, and which record it concerns.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub notice: Notice,
}

/// `GET /v1/search/…`: one page of what a search found, and how far the node's read model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found<T> {
    /// The items, in the order asked for.
    pub items: Vec<T>,
    /// Pass as `after`, with the same search, for the next page; absent on the last one.
    pub next: Option<String>,
    /// The answer is as of this block.
    pub height: u64,
    /// Transactions and events are there from this block on, 0 where all are. Where it is not 0, the node made its read model from the ledger's state:
    /// objects that were made before are there, as far as the state tells of them.
    #[serde(default)]
    pub from: u64,
}

/// `GET /v1/search/transactions`: a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundTransaction {
    /// Its identity.
    #[schema(value_type = String)]
    pub id: Digest,
    /// Its place in the log.
    pub index: u64,
    /// The block.
    pub height: u64,
    /// The block's time, Unix milliseconds.
    pub at: u64,
    /// Who signed it.
    #[schema(value_type = String)]
    pub sender: PublicKey,
    /// The contract of the ledger.
    pub contract: String,
    /// Its method.
    pub method: String,
    /// `ok` or the code of the refusal.
    pub code: String,
}

/// `GET /v1/search/events`: an event, as the stream of events tells it.
pub type FoundEvent = LedgerEvent;

/// `GET /v1/search/objects`: a member, an asset, a contract or a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its identity: 64 hexadecimal digits, or a member's name.
    pub id: String,
    /// The name of a member or an asset, the purpose of a request; a contract has none.
    pub name: Option<String>,
    /// The member it belongs to; a request belongs to none.
    pub owner: Option<String>,
    /// Who signed the transaction that made it; absent where the node knows it from the state alone, which does not say.
    #[schema(value_type = Option<String>)]
    pub maker: Option<PublicKey>,
    /// How it stands.
    pub status: String,
    /// Of a refused request: the code.
    pub code: Option<String>,
    /// Of a contract: its newest version.
    pub version: Option<u64>,
    /// Place in the log of the transaction that made it; absent for the founder, whom the genesis made, and where the node's read model begins
    /// after it.
    pub made_index: Option<u64>,
    /// When it was made, Unix milliseconds.
    pub made_at: u64,
    /// Place in the log of the transaction that last changed how it stands; absent as `made_index` is.
    pub changed_index: Option<u64>,
    /// When that was, Unix milliseconds; absent where the node's read model begins after it and the state does not say.
    pub changed_at: Option<u64>,
}

/// `POST /v1/requests`: the application and what stays off the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// The signed `requests.apply`.
    #[schema(value_type = String)]
    pub transaction: Bytes,
    /// The justification's opening: UTF-8 text of at most 4,000 bytes.
    #[schema(value_type = Object)]
    pub justification: Opening,
    /// The evidence's openings, in the request's order.
    #[schema(value_type = Vec<Object>)]
    pub evidence: Vec<Opening>,
}

/// A request with what the caller may see beside the ledger.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RequestView {
    /// The ledger's record.
    #[schema(value_type = Object)]
    pub request: Request,
    /// The justification, for the requester, the owners' approvers and auditors.
    pub justification: Option<String>,
    /// The name in the credential, likewise.
    pub applicant: Option<String>,
    /// Titles of the contracts, where they may be seen.
    pub titles: Vec<String>,
    /// The first moment at which nobody decides it any more, Unix milliseconds; absent where it is decided, or waits without end.
    #[serde(default)]
    pub lapses: Option<u64>,
}

/// One page of a list; `next` continues it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass as `after` for the next page.
    pub next: Option<String>,
}

/// `POST /v1/requests/{id}/judge`: what the oracles decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Judgement {
    /// `ok` or the code of the refusal.
    pub decision: String,
    /// The oracles that signed.
    pub signers: Vec<String>,
    /// The verdict's transaction.
    #[schema(value_type = String)]
    pub transaction: Digest,
    /// The grant, for a release.
    pub grant: Option<GrantToken>,
}

/// A grant in the form its holder presents.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantToken {
    /// The grant's identity on the ledger.
    #[schema(value_type = String)]
    pub grant: Digest,
    /// A Biscuit token, base64.
    #[schema(value_type = String)]
    pub token: Bytes,
    /// First moment, Unix milliseconds.
    pub not_before: u64,
    /// Last moment, Unix milliseconds.
    pub not_after: u64,
}

/// `POST /v1/grants/{id}/redeem`: the token and the holder's proof of possession.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Redemption {
    /// The token.
    #[schema(value_type = String)]
    pub token: Bytes,
    /// The moment of signing, Unix milliseconds.
    pub signed: u64,
    /// Signature over `contracts::message::redemption`.
    #[schema(value_type = String)]
    pub possession: Signature,
}

/// `POST /v1/requests/{id}/compute`: how far a computation is, as the party that coordinates it sees its own part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Computation {
    /// Enough parties have recorded their shares of the result.
    pub done: bool,
    /// How much of the program is done, in thousandths.
    pub permille: u16,
    /// What it is at.
    pub phase: String,
    /// Bytes sent to the other parties.
    pub sent_bytes: u64,
    /// Bytes received from them.
    pub received_bytes: u64,
    /// Messages in sequence.
    pub rounds: u32,
}

impl Computation {
    /// One that has ended with a result.
    pub fn done() -> Self {
        Self { done: true, permille: 1000, phase: "done".into(), sent_bytes: 0, received_bytes: 0, rounds: 0 }
    }
}

/// `GET /v1/requests/{id}/share`: a party's sealed share of the result.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResultShare {
    /// The party.
    pub party: String,
    /// The share, sealed to the requester's ephemeral key: canonical CBOR of `crypto::kem::Sealed`, base64.
    #[schema(value_type = String)]
    pub sealed: Bytes,
    /// The transaction that recorded it.
    #[schema(value_type = String)]
    pub transaction: Digest,
}

/// `GET /v1/requests/{id}/explain`: why a request is allowed or refused as things stand.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// One per contract.
    pub contracts: Vec<ContractExplanation>,
}

/// The decision under one contract.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ContractExplanation {
    /// The contract.
    #[schema(value_type = String)]
    pub contract: Digest,
    /// Whether it would be allowed now.
    pub allow: bool,
    /// `ok` or the first reason's code.
    pub code: String,
    /// Every check, in order.
    pub reasons: Vec<Reason>,
    /// The policies that decided.
    pub determining: Vec<String>,
    /// What comes with an allowance.
    pub obligations: Vec<(String, String)>,
}

/// One check.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// What was checked.
    pub check: String,
    /// Whether it holds.
    pub satisfied: bool,
    /// What was found and expected.
    pub detail: String,
    /// What to do where it does not hold.
    pub hint: String,
}

/// One entry of the audit trail.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub sequence: i64,
    /// Unix milliseconds.
    pub at: u64,
    /// Who: a key, a member, or `node`.
    pub actor: String,
    /// What: `object.release`, `request.judge`, ...
    pub action: String,
    /// On what.
    pub subject: String,
    /// `ok` or the code of the refusal.
    pub code: String,
    /// Details that hold no secret.
    pub detail: String,
    /// `H(AUDIT, [previous, entry])`: a chain, so that a missing entry shows.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// `GET /health` and `GET /ready`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is missing.
    pub status: String,
    /// The member.
    pub member: String,
    /// Newest block of the replica.
    pub height: u64,
    /// Who orders the ledger: `solo` and the member whose node does, or `quorum` and the epoch whose validators do; with `, followed`
    /// where this node is none of them.
    pub ordering: String,
    /// Version of the program.
    pub version: String,
    /// The first block whose transactions the node keeps; 0 where it keeps all.
    #[serde(default)]
    pub kept: u64,
}

/// `GET /v1/keys`: since when the keys of a member are in force that is neither suspended nor removed, as the ledger tells; Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyAges {
    /// The member.
    pub member: String,
    /// The key that it cosigns and votes with; absent where it is no validator, or the node's copy of the ledger has no header of then.
    pub cosigner: Option<u64>,
    /// The ML-DSA key that it cosigns with; absent where it does so with none, or that copy has no header of then.
    pub ml_dsa: Option<u64>,
    /// Those of its node, that of its TLS certificate among them: they are the ones with which it joined.
    pub node: u64,
    /// Its operator's; absent where another was ever proposed for it, since the state does not tell then.
    pub operator: Option<u64>,
}

/// `GET /v1/seats`: where a validator takes part in the ordering, for the others to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seat {
    /// The member.
    pub member: String,
    /// `host:port`.
    pub address: String,
}

/// `POST /v1/backups`: a backup that is being made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// The name to fetch it by.
    #[schema(value_type = String)]
    pub id: wire::Fixed<16>,
}

/// `POST /v1/oracles`: starts a key generation among the named members, coordinated by this node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OracleSetup {
    /// Members, in order.
    pub participants: Vec<String>,
    /// Signatures needed.
    pub threshold: u16,
}

/// `GET /v1/oracles`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OracleView {
    /// The epoch.
    pub epoch: u64,
    /// Signatures needed.
    pub threshold: u16,
    /// Members.
    pub participants: Vec<String>,
    /// The group's key.
    #[schema(value_type = String)]
    pub key: PublicKey,
}
