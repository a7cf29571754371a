//! The stable codes of decisions.

/// The request satisfies the contract.
pub const ALLOWED: &str = "allowed";
/// The contract is suspended, revoked, superseded, or outside its window.
pub const CONTRACT_NOT_IN_FORCE: &str = "contract_not_in_force";
/// The purpose is not among the contract's.
pub const PURPOSE_NOT_ALLOWED: &str = "purpose_not_allowed";
/// Evidence that the contract asks for is missing or did not prove its claim.
pub const NOT_ACCREDITED: &str = "not_accredited";
/// Fewer valid approvals than required.
pub const APPROVALS_MISSING: &str = "approvals_missing";
/// The contract offers the asset by other means.
pub const MEANS_NOT_ALLOWED: &str = "means_not_allowed";
/// No permit of the contract's policy applies, or a forbid without a code does.
pub const POLICY_DENIED: &str = "policy_denied";
/// The policy could not be evaluated: it is invalid, not the one committed to, or failed (an overflow).
pub const POLICY_ERROR: &str = "policy_error";

/// All of them; a contract's own `@code` may be none of these.
pub const ALL: [&str; 8] = [
    ALLOWED,
    CONTRACT_NOT_IN_FORCE,
    PURPOSE_NOT_ALLOWED,
    NOT_ACCREDITED,
    APPROVALS_MISSING,
    MEANS_NOT_ALLOWED,
    POLICY_DENIED,
    POLICY_ERROR,
];
