//! Grants, their redemption, and what a computation leaves.

use crypto::kem::Suite;
use crypto::{Digest, Signature};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::Fixed;

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
    /// The holder's signature under [`Label::PROOF_OF_POSSESSION`](crypto::Label::PROOF_OF_POSSESSION) over [`redemption`].
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
