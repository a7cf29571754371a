//! A contract's terms: what the ledger holds of an offer, and the particulars it commits to.

use std::fmt;

use crypto::{Digest, Label, PublicKey};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed};

/// An owner's terms for one asset; the argument of `contracts.offer`. Its format page is `docs/spec/terms.md`.
///
/// Decoding proves the shape only: [`Terms::check`] proves the bounds.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The asset offered.
    #[n(0)]
    pub asset: Digest,
    /// Whether rows leave, or only the result of a program.
    #[n(1)]
    pub means: Means,
    /// Who may read the particulars.
    #[n(2)]
    pub visibility: Visibility,
    /// Purposes allowed; a request names exactly one of them.
    #[n(3)]
    pub purposes: Vec<String>,
    /// When requests may be granted.
    #[n(4)]
    pub window: Window,
    /// Whose consent a request needs.
    #[n(5)]
    pub approvals: Approvals,
    /// Evidence a request must bring; all of it.
    #[n(6)]
    pub evidence: Vec<EvidenceRule>,
    /// Life of the grant made from a verdict.
    #[n(7)]
    pub grant: GrantTerms,
    /// For [`Means::Compute`]: the canonical encoding of the program that may run.
    #[n(8)]
    pub program: Option<Bytes>,
    /// For [`Means::Compute`]: fewest rows a group needs to enter the result.
    #[n(9)]
    pub minimum_group: u32,
    /// For [`Means::Compute`]: what corrupt parties are assumed to do.
    #[n(10)]
    pub adversary: Adversary,
    /// For [`Means::Compute`]: corrupt parties the protocol must withstand.
    #[n(11)]
    pub max_corrupt: u8,
    /// For [`Means::Compute`]: parties that may stop answering.
    #[n(12)]
    pub tolerate_dropouts: u8,
    /// For [`Means::Compute`]: members that compute along without an asset in it, so that there are parties enough.
    #[n(13)]
    pub helpers: Vec<String>,
    /// Reserved for a fee; absent in this version, which enforces none.
    #[n(14)]
    pub fee: Option<u64>,
    /// Reserved for a privacy budget; absent in this version, which enforces none.
    #[n(15)]
    pub privacy_budget: Option<u64>,
    /// Salted digest of the policy text: [`Disclosed::policy_digest`].
    #[n(16)]
    pub policy: Digest,
    /// Salted commitment to the particulars: [`Disclosed::commitment`].
    #[n(17)]
    pub particulars: Digest,
    /// The opening of both; present if and only if the whole consortium may read it.
    #[n(18)]
    pub disclosed: Option<Disclosed>,
}

impl Terms {
    /// The digest that requests and verdicts name: `H(TERMS, [cbor])`.
    pub fn digest(&self) -> Digest {
        crypto::hash(Label::TERMS, &[&wire::to_vec(self)])
    }
}

/// What leaves the owner's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The asset itself, re-encrypted to the requester.
    #[n(0)]
    Release,
    /// The result of the contract's program, to which the asset contributes.
    #[n(1)]
    Compute,
}

impl Means {
    /// The name used in text, in policies and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Compute => "compute",
        }
    }
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may read a contract's particulars. The terms themselves are on the ledger, where every member reads them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Every member: the particulars stand in the terms.
    #[n(0)]
    Consortium,
    /// The owner and these members, by name: the owner's node hands them the opening.
    #[n(1)]
    Members(#[n(0)] Vec<String>),
    /// The owner alone, and whomever the owner tells.
    #[n(2)]
    Private,
}

impl Visibility {
    /// Whether `member` may read the particulars of `owner`'s contract.
    pub fn includes(&self, owner: &str, member: &str) -> bool {
        member == owner
            || match self {
                Self::Consortium => true,
                Self::Members(members) => members.iter().any(|name| name == member),
                Self::Private => false,
            }
    }
}

/// From `not_before`, inclusive, to `not_after`, exclusive; unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// First moment in force.
    #[n(0)]
    pub not_before: u64,
    /// First moment no longer in force.
    #[n(1)]
    pub not_after: u64,
}

impl Window {
    /// Whether `now` (unix milliseconds) lies inside.
    pub const fn contains(&self, now: u64) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// `required` of `approvers` must approve a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How many must approve; 0 when none is asked.
    #[n(0)]
    pub required: u8,
    /// Keys of the principals who may approve.
    #[n(1)]
    pub approvers: Vec<PublicKey>,
}

/// A kind of evidence and what it must prove.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRule {
    /// The kind; this version checks `credential`.
    #[n(0)]
    pub kind: String,
    /// The claim it must prove, such as `researcher`.
    #[n(1)]
    pub claim: String,
}

/// Life of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// Seconds from issue to expiry.
    #[n(0)]
    pub seconds: u32,
    /// Redemptions allowed; this version honours exactly 1.
    #[n(1)]
    pub uses: u8,
}

/// What corrupt parties of a computation are assumed to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(flat)]
#[serde(rename_all = "kebab-case")]
pub enum Adversary {
    /// They follow the protocol and look at all they see.
    #[default]
    #[n(0)]
    SemiHonest,
    /// They cheat only where the risk of being caught is small.
    #[n(1)]
    Covert,
    /// They do anything.
    #[n(2)]
    Malicious,
}

impl fmt::Display for Adversary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SemiHonest => "semi-honest",
            Self::Covert => "covert",
            Self::Malicious => "malicious",
        })
    }
}

/// The part of a contract that not everyone may read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Particulars {
    /// One line for people.
    #[n(0)]
    pub title: String,
    /// What the asset is and how it may be used, for people.
    #[n(1)]
    pub description: String,
    /// The contract's Cedar policies.
    #[n(2)]
    pub policy: String,
    /// Days after which the requester must have destroyed what it received; an obligation.
    #[n(3)]
    pub retention_days: Option<u32>,
    /// Jurisdictions (ISO 3166 codes, `EU`) the data must stay in; an obligation. Empty: anywhere.
    #[n(4)]
    pub jurisdictions: Vec<String>,
}

/// Particulars with the salt that opens the digests in the terms. Destroying the salt blinds both digests for good.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Disclosed {
    /// 32 random bytes.
    #[n(0)]
    pub salt: Fixed<32>,
    /// What was committed to.
    #[n(1)]
    pub particulars: Particulars,
}

impl Disclosed {
    /// Particulars under a fresh salt.
    pub fn new(particulars: Particulars) -> Self {
        Self { salt: Fixed(crypto::random()), particulars }
    }

    /// `H(COMMITMENT, [salt, cbor(particulars)])`.
    pub fn commitment(&self) -> Digest {
        crypto::hash(Label::COMMITMENT, &[self.salt.as_bytes(), &wire::to_vec(&self.particulars)])
    }

    /// `H(POLICY, [salt, policy text])`: salted, because most policies are easily guessed.
    pub fn policy_digest(&self) -> Digest {
        crypto::hash(Label::POLICY, &[self.salt.as_bytes(), self.particulars.policy.as_bytes()])
    }
}
