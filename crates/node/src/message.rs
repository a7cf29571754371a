//! What nodes say to each other under `/peer/v1/`: canonical CBOR over mutual TLS. The page is `docs/spec/peers.md`.

use contracts::message::{MemberCard, Opening, Verdict};
use crypto::Digest;
use crypto::kem::Sealed;
use crypto::threshold::{Commitment, Share};
use ledger::{Block, Cosignature, Handover, SignedTransaction};
use minicbor::{Decode, Encode};
use policy::Disclosed;
use wire::{Bytes, Fixed};

/// Transactions for the leader to order, in this order.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Forward {
    #[n(0)]
    pub transactions: Vec<SignedTransaction>,
}

/// Asks for a tunnel to the node of a third member.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskTunnel {
    #[n(0)]
    pub member: String,
}

/// Where the forwarded transactions ended.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Forwarded {
    #[n(0)]
    pub results: Vec<Placed>,
}

/// One transaction's place and outcome.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Placed {
    #[n(0)]
    pub id: Digest,
    #[n(1)]
    pub height: u64,
    #[n(2)]
    pub index: u64,
    #[n(3)]
    pub code: String,
}

/// Blocks after a height, in order; empty when none came in time.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Blocks {
    #[n(0)]
    pub blocks: Vec<Block>,
    /// The height to cosign now.
    #[n(1)]
    pub cosign: u64,
}

/// Cosignatures of the checkpoint at a height.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Cosigned {
    #[n(0)]
    pub height: u64,
    #[n(1)]
    pub signatures: Vec<CosignedBy>,
}

/// A member's cosignature.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct CosignedBy {
    #[n(0)]
    pub member: String,
    #[n(1)]
    pub cosignature: Cosignature,
}

/// What accompanies a request and stays off the ledger.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Openings {
    #[n(0)]
    pub request: Digest,
    #[n(1)]
    pub justification: Option<Opening>,
    #[n(2)]
    pub evidence: Vec<Opening>,
}

/// A request's openings for another owner, with the height that holds the request.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Told {
    #[n(0)]
    pub height: u64,
    #[n(1)]
    pub openings: Openings,
}

/// Asks an oracle for commitments to nonces, ahead of the verdicts that they will serve.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskCommitments {
    #[n(0)]
    pub count: u16,
}

/// An oracle's FROST commitments, each for one signature.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OracleCommitments {
    #[n(0)]
    pub commitments: Vec<OracleCommitment>,
}

/// An oracle's FROST commitment.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OracleCommitment {
    #[n(0)]
    pub index: u16,
    #[n(1)]
    pub commitment: Commitment,
}

/// Asks an oracle to judge, and to sign this very verdict if it comes to the same one.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OracleAsk {
    /// The owner's replica had this height when it asked: the oracle waits for it.
    #[n(0)]
    pub height: u64,
    /// The verdict proposed.
    #[n(1)]
    pub verdict: Verdict,
    /// The evidence's openings, in the request's order.
    #[n(2)]
    pub evidence: Vec<Opening>,
    /// The particulars' openings, in the verdict's order of contracts.
    #[n(3)]
    pub particulars: Vec<Disclosed>,
    /// The commitments of the oracles that take part.
    #[n(4)]
    pub package: Vec<OracleCommitment>,
}

/// An oracle's FROST signature share.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OracleShare {
    #[n(0)]
    pub index: u16,
    #[n(1)]
    pub share: Share,
}

/// Starts a distributed key generation.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgStart {
    #[n(0)]
    pub session: Fixed<16>,
    #[n(1)]
    pub epoch: u64,
    #[n(2)]
    pub participants: Vec<String>,
    #[n(3)]
    pub threshold: u16,
}

/// A participant's broadcast of round one.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgBroadcast {
    #[n(0)]
    pub index: u16,
    #[n(1)]
    pub package: Bytes,
}

/// All broadcasts of round one.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgRoundOne {
    #[n(0)]
    pub session: Fixed<16>,
    #[n(1)]
    pub broadcasts: Vec<DkgBroadcast>,
}

/// A secret package of round two, sealed to its receiver's recipient key: the coordinator relays what it cannot read.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgSecret {
    #[n(0)]
    pub from: u16,
    #[n(1)]
    pub to: u16,
    #[n(2)]
    pub sealed: Sealed,
}

/// The secret packages of round two from one participant, or for one.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgRoundTwo {
    #[n(0)]
    pub session: Fixed<16>,
    #[n(1)]
    pub secrets: Vec<DkgSecret>,
}

/// The end of a key generation, as one participant sees it.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct DkgDone {
    /// The block of its confirmation.
    #[n(0)]
    pub height: u64,
    #[n(1)]
    pub key: crypto::PublicKey,
}

/// Asks a dealer for the asker's part of what it has dealt.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskEscrowPart {
    /// The proposal that decided the escrow agents.
    #[n(0)]
    pub proposal: Digest,
}

/// A part of an escrow key, sealed to the asker's recipient key.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct EscrowPart {
    #[n(0)]
    pub sealed: Sealed,
}

/// Asks a party to compute its masked share of an allowed request.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ComputeStart {
    #[n(0)]
    pub request: Digest,
    #[n(1)]
    pub attempt: Fixed<16>,
    #[n(2)]
    pub height: u64,
}

/// A party has begun, or names the attempt whose share it has recorded before.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ComputeStarted {
    #[n(0)]
    pub recorded: Option<Fixed<16>>,
}

/// Whether a party holds its share of an attempt.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ComputeState {
    #[n(0)]
    pub held: bool,
}

/// Names an attempt: asks a party to seal and record the share it holds of it, how far it is, or to end it.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ComputeFinish {
    #[n(0)]
    pub request: Digest,
    #[n(1)]
    pub attempt: Fixed<16>,
}

/// A message of the protocol from one party to another.
#[derive(Clone, Encode, Decode)]
#[cbor(array)]
pub(crate) struct ComputeFrame {
    #[n(0)]
    pub request: Digest,
    #[n(1)]
    pub attempt: Fixed<16>,
    #[n(2)]
    pub from: u16,
    #[n(3)]
    pub to: u16,
    #[n(4)]
    pub payload: Bytes,
    /// The sender's replica had this height: the receiver waits for it, so that it knows the request as well.
    #[n(5)]
    pub height: u64,
}

/// Nothing to say.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Done {}

/// Asks the owner's node for a contract's particulars.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskParticulars {
    #[n(0)]
    pub contract: Digest,
}

/// Asks for blocks after a height.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskBlocks {
    #[n(0)]
    pub after: u64,
    /// The last height that the leader has the asker's cosignature of.
    #[n(1)]
    pub cosigned: u64,
}

/// Asks who orders the ledger.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskOrdering {}

/// Who orders, as far as a node's copy of the ledger goes.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct OrderedBy {
    /// The epoch of the ledger whose validators order; 0 where one node does.
    #[n(0)]
    pub epoch: u64,
}

/// Asks whether a slate of an epoch's ordering is still kept.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskSlate {
    #[n(0)]
    pub epoch: u64,
    #[n(1)]
    pub height: u64,
}

/// Whether it was executed and is no longer kept; false also from a node that does not vote in that epoch.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct SlateDropped {
    #[n(0)]
    pub dropped: bool,
}

/// Asks for a height, or a later one, that a quorum has cosigned.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskCosigned {
    #[n(0)]
    pub height: u64,
}

/// Asks what snapshot there is above a height.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskSnapshot {
    /// The asker's newest block.
    #[n(0)]
    pub height: u64,
    /// Whether one is to be made where there is none.
    #[n(1)]
    pub wanted: bool,
}

/// What a node has to offer to whoever is behind.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Offer {
    /// Its newest block.
    #[n(0)]
    pub head: u64,
    /// The first block that it can hand on.
    #[n(1)]
    pub kept: u64,
    /// The height of its snapshot; 0 where there is none.
    #[n(2)]
    pub height: u64,
    /// That snapshot's manifest.
    #[n(3)]
    pub manifest: Option<Digest>,
    /// About how many bytes it has.
    #[n(4)]
    pub bytes: u64,
    /// Whether one is being made.
    #[n(5)]
    pub making: bool,
    /// Members whose nodes may have it too.
    #[n(6)]
    pub members: Vec<MemberCard>,
}

/// Asks how an epoch, and those after it, handed over.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskEpochs {
    #[n(0)]
    pub after: u64,
}

/// How epochs handed over, one after the other.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Epochs {
    #[n(0)]
    pub handovers: Vec<Handover>,
}

/// Asks for a part of a snapshot: `docs/spec/snapshot.md`.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskPart {
    #[n(0)]
    pub height: u64,
    #[n(1)]
    pub manifest: Digest,
    #[n(2)]
    pub kind: u8,
    #[n(3)]
    pub index: u32,
}

/// A part of a snapshot.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct PartBytes {
    #[n(0)]
    pub bytes: Bytes,
}

/// Asks for a transaction that is on the ledger.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskRecord {
    #[n(0)]
    pub id: Digest,
}

/// A transaction with its outcome, and its place in the log.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Record {
    #[n(0)]
    pub index: u64,
    /// As [`ledger::Committed::to_bytes`].
    #[n(1)]
    pub bytes: Bytes,
}

/// A private payload for one of its recipients, with the height that holds its commitment. No `Debug`: it is not for logs.
#[derive(Encode, Decode)]
#[cbor(array)]
pub(crate) struct PrivateTold {
    #[n(0)]
    pub height: u64,
    #[n(1)]
    pub private: Digest,
    #[n(2)]
    pub opening: Opening,
}

/// Asks another holder for a private payload.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskPrivate {
    #[n(0)]
    pub private: Digest,
}

/// Asks for the openings of a request.
#[derive(Debug, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AskOpenings {
    #[n(0)]
    pub request: Digest,
}
