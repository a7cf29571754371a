//! Offline verification: a receipt's text and the pinned consortium's text in, the story of a request out.
//!
//! No network, no clock, no key: whoever holds the two files can check them, and so can `interop/`'s readers.

use contracts::chain::{self, Account};
use contracts::read;
use contracts::record::Private;
use crypto::Digest;
use ledger::{Consortium, ConsortiumError, ProvenState, Receipt, ReceiptError, VerifiedReceipt};
use wire::Limits;

/// What a receipt proves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The transactions, their outcomes and who cosigned.
    pub receipt: VerifiedReceipt,
    /// The request's life that they tell.
    pub account: Account,
    /// The consortium's name.
    pub consortium: String,
    /// The consortium's fingerprint, for people to compare.
    pub fingerprint: String,
}

/// Verifies a receipt of a request's life against a pinned consortium.
///
/// # Errors
/// [`Error`] says which of the two files is at fault, and why.
pub fn verify(receipt: &str, consortium: &str) -> Result<Verified, Error> {
    verify_under(receipt, &Consortium::parse(consortium)?)
}

/// As [`verify`], under a consortium read before.
///
/// # Errors
/// As [`verify`].
pub fn verify_under(receipt: &str, consortium: &Consortium) -> Result<Verified, Error> {
    let receipt = Receipt::parse(receipt)?.verify(consortium)?;
    let account = chain::check(&receipt, consortium)?;
    let (name, fingerprint) = (consortium.name.clone(), consortium.fingerprint());
    Ok(Verified { receipt, account, consortium: name, fingerprint })
}

/// What a proof of state proves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifiedState {
    /// Block, key, value, and who cosigned.
    pub state: ledger::VerifiedState,
    /// The consortium's name.
    pub consortium: String,
    /// The consortium's fingerprint, for people to compare.
    pub fingerprint: String,
    /// The chain.
    pub chain: Digest,
}

impl VerifiedState {
    /// The record of a private payload, where that is what was proven; and the members in it whose attestation of a purge is not
    /// signed by the key that the record names: none, unless a quorum recorded what its rules refuse.
    pub fn private(&self) -> Option<(Private, Vec<String>)> {
        let private: Private = wire::from_slice(self.state.value.as_deref()?, Limits::large()).ok()?;
        (self.state.key == read::private_key(&private.id).as_bytes()).then_some(())?;
        let unsigned = private.purged.iter().filter(|purged| !purged.is_signed(&self.chain, &private));
        let unsigned = unsigned.map(|purged| purged.member.clone()).collect();
        Some((private, unsigned))
    }
}

/// Whether a text is meant as a proof of state, rather than as a receipt.
pub fn is_state_proof(text: &str) -> bool {
    text.lines().next() == Some(ProvenState::FORMAT)
}

/// Verifies a proof of state against a pinned consortium.
///
/// # Errors
/// [`Error`] says which of the two files is at fault, and why.
pub fn verify_state(proof: &str, consortium: &str) -> Result<VerifiedState, Error> {
    let consortium = Consortium::parse(consortium)?;
    let state = ProvenState::parse(proof)?.verify(&consortium)?;
    let (fingerprint, chain) = (consortium.fingerprint(), consortium.chain);
    Ok(VerifiedState { state, consortium: consortium.name, fingerprint, chain })
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The consortium file is malformed.
    #[error("the consortium file is malformed")]
    Consortium(#[from] ConsortiumError),
    /// The receipt, or proof of state, is malformed, forged, or another consortium's.
    #[error("the receipt does not verify")]
    Receipt(#[from] ReceiptError),
    /// The transactions are genuine but do not tell one request's life.
    #[error("the receipt's transactions do not tell one request's life")]
    Chain(#[from] chain::Error),
}
