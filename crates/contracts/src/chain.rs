//! Reads a request's life back out of a verified receipt, offline: that its transactions are one coherent chain.
//!
//! The receipt proves that each transaction stands in the log with its outcome; the chain proves that they belong
//! together: contract → request → approvals → verdict, signed by the oracles that the consortium file pins → grant →
//! release, or results. `docs/spec/contracts.md` lists every check, for other readers.

mod story;

use crypto::{Digest, PublicKey};
use ledger::{Consortium, VerifiedReceipt};
use serde::Serialize;

/// What a chain tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// How it ended.
    pub kind: Kind,
    /// The request.
    pub request: Digest,
    /// Who applied.
    pub requester: PublicKey,
    /// Each transaction, in the order of the log.
    pub steps: Vec<Step>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "code")]
pub enum Kind {
    /// The asset was released.
    Released,
    /// Every party recorded its part of the result.
    Computed,
    /// Refused, with the stable code; by a verdict, the owner, an approver, or a rule of the ledger on the application.
    Refused(String),
    /// It had not ended when the ledger refused one more transaction about it, its last here. Anyone can send one: it
    /// tells what was tried, not what became of the request.
    StepRefused {
        /// Contract and method of the refused transaction.
        method: String,
        /// The stable code.
        code: String,
    },
    /// Withdrawn by the requester.
    Cancelled,
}

/// One transaction of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What happened: an event's name such as `request.applied`, or `contract.method` of a refused transaction.
    pub name: String,
    /// The block's time, Unix milliseconds; unknown for a refused transaction, which leaves no event of its own.
    pub at: Option<u64>,
    /// Who signed.
    pub by: PublicKey,
    /// The transaction.
    pub transaction: Digest,
    /// Its place in the log.
    pub index: u64,
    /// `ok`, or the refusal's code.
    pub code: String,
    /// What to show, by name.
    pub facts: Vec<(String, String)>,
}

/// Checks that a verified receipt tells one request's life to its end, and retells it.
///
/// # Errors
/// [`Error`] names the entry at fault. A receipt of single transactions that are no request's chain is
/// [`Error::Incomplete`]; it still proves those transactions.
pub fn check(receipt: &VerifiedReceipt, consortium: &Consortium) -> Result<Account, Error> {
    story::tell(receipt, consortium)
}

/// Why transactions are not one coherent chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments or events of an entry are not what its method's are.
    #[error("entry {index} cannot be read: {detail}")]
    Unreadable {
        /// Place in the log.
        index: u64,
        /// What the reader found.
        detail: String,
    },
    /// A transaction that has no place in a request's life, or is another's.
    #[error("entry {index} (`{method}`) does not belong to this chain")]
    Unrelated {
        /// Place in the log.
        index: u64,
        /// Contract and method.
        method: String,
    },
    /// A refused transaction before the end.
    #[error("entry {index} was refused with `{code}`; only the last one may be")]
    RefusedEarly {
        /// Place in the log.
        index: u64,
        /// The code.
        code: String,
    },
    /// A link between two entries does not hold.
    #[error("entry {index}: {rule}")]
    Broken {
        /// Place in the log.
        index: u64,
        /// What must hold.
        rule: &'static str,
    },
    /// The chain does not reach an end.
    #[error("the chain is incomplete: {missing}")]
    Incomplete {
        /// What is missing.
        missing: &'static str,
    },
}
