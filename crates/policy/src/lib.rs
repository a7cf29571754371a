//! Decides whether a request satisfies a contract's Cedar policy, and explains why.
//!
//! ```
//! use policy::{ContractFile, Facts, Means, decide};
//!
//! let file = ContractFile::parse(r#"
//!     format = "sottovoce-contract/v1"
//!     title = "Trial data for research"
//!     asset = "trial"
//!     means = "release"
//!     purposes = ["research"]
//!     [window]
//!     days = 30
//! "#)?;
//! let now = 1_795_253_400_000;
//! let asset = crypto::Digest::from([7; 32]);
//! let (terms, disclosed) = file.terms(now, asset, |_| None, None)?;
//!
//! let mut facts = Facts {
//!     requester: crypto::SigningKey::generate().public(),
//!     purpose: "research".to_owned(),
//!     now,
//!     approvals: 0,
//!     accreditations: Default::default(),
//!     contract: "c1".to_owned(),
//!     version: 1,
//!     active: true,
//!     means: Means::Release,
//!     asset: "trial".to_owned(),
//!     owner: "northgate".to_owned(),
//! };
//! assert_eq!(decide(&terms, &disclosed, &facts).code, "allowed");
//! facts.purpose = "marketing".to_owned();
//! assert_eq!(decide(&terms, &disclosed, &facts).code, "purpose_not_allowed");
//! # Ok::<(), policy::FileError>(())
//! ```
//!
//! Public: [`Terms`] and what they hold (the ledger keeps them, [`Terms::check`] bounds them), [`ContractFile`] (what
//! a person writes), [`validate`] (a policy before it is offered), [`decide`] with [`Facts`] and [`Decision`] (what the
//! owner's node and every oracle compute), and the stable [`codes`]. Formats: `docs/spec/terms.md`.

#![forbid(unsafe_code)]

mod calendar;
mod check;
pub mod codes;
mod decide;
mod engine;
mod file;
mod terms;

pub use check::{
    EVIDENCE_KINDS, MAX_DESCRIPTION, MAX_GRANT_SECONDS, MAX_LIST, MAX_NAME, MAX_POLICY, MAX_PROGRAM,
    MAX_RETENTION_DAYS, MAX_TERMS, MAX_TIME, MAX_TITLE, TermsError,
};
pub use decide::{Decision, Facts, Reason, decide};
pub use engine::{
    GLOBAL_POLICIES, MAX_ANNOTATION, MAX_NESTING, MAX_OPERATORS, MAX_POLICIES, PolicyError, SCHEMA, validate,
};
pub use file::{
    ContractFile, DEFAULT_MINIMUM_GROUP, FORMAT, FileApprovals, FileError, FileGrant, FileVisibility, FileWindow,
    MAX_FILE, ProgramSource, VisibilityWord,
};
pub use terms::{
    Adversary, Approvals, Disclosed, EvidenceRule, GrantTerms, Means, Particulars, Terms, Visibility, Window,
};
