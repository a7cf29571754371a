//! What the oracles decide and sign.

use crypto::{Digest, PublicKey, Signature};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::ContractVersion;

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

/// What the oracles sign, under [`Label::VERDICT`](crypto::Label::VERDICT).
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
