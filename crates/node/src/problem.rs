//! What a caller is told when something is refused: `application/problem+json` (RFC 9457) with a stable code.

use axum::response::{IntoResponse, Response};
use client::api::Problem;
use contracts::code::{self, Code};
use http::{HeaderValue, StatusCode, header};

use crate::audit::AuditError;
use crate::store::StoreError;

/// A refusal on its way to the caller.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The stable code.
    pub(crate) code: String,
    /// What exactly was wrong; goes to the caller.
    pub(crate) detail: String,
    /// The HTTP status, by [`status`] unless set.
    pub(crate) status: StatusCode,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    /// A refusal with a code of the table.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::coded(code.code, detail)
    }

    /// A refusal with a code that may come from a ledger's outcome or a contract's policy.
    pub(crate) fn coded(code: impl Into<String>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Self { status: status(&code), code, detail: detail.into(), retry_after: None }
    }

    /// Our own failure: the error goes to the log, not to the caller.
    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(code::INTERNAL, "the node failed; its log has the reason")
    }

    /// With another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a time to try again, in seconds.
    pub(crate) fn with_retry(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The body.
    pub(crate) fn problem(&self) -> Problem {
        let (title, hint) = code::lookup(&self.code).map_or(
            ("The contract's policy refuses this.", "Ask the owner of the data what the code means."),
            |entry| (entry.meaning, entry.hint),
        );
        Problem {
            kind: format!("urn:sottovoce:{}", self.code),
            title: title.to_owned(),
            status: self.status.as_u16(),
            code: self.code.clone(),
            detail: self.detail.clone(),
            hint: hint.to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).expect("a problem holds only text and a number");
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Refused(self.code));
        response
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for ApiError {}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        Self::internal(error)
    }
}

/// Rides on a response so that the refusal is counted.
#[derive(Clone)]
pub(crate) struct Refused(pub(crate) String);

/// The HTTP status of a code. A code from a contract's policy, which no table holds, is a refusal: 403.
pub(crate) fn status(code: &str) -> StatusCode {
    match code {
        "unauthenticated" => StatusCode::UNAUTHORIZED,
        "malformed" | "wrong_chain" | "bad_signature" | "expired" | "expiry_too_far" | "name_invalid"
        | "address_invalid" => StatusCode::BAD_REQUEST,
        "oversize" => StatusCode::PAYLOAD_TOO_LARGE,
        "rate_limited" => StatusCode::TOO_MANY_REQUESTS,
        "busy" | "unavailable" | "ledger_behind" | "oracles_unavailable" | "block_full" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        "internal" => StatusCode::INTERNAL_SERVER_ERROR,
        "pruned" | "private_purged" => StatusCode::GONE,
        "private_full" => StatusCode::INSUFFICIENT_STORAGE,
        "computation_failed" => StatusCode::BAD_GATEWAY,
        "not_found" | "unknown_asset" | "unknown_contract" | "unknown_request" | "unknown_grant" | "unknown_member"
        | "unknown_private" | "private_missing" | "unknown_verifier" => StatusCode::NOT_FOUND,
        "computation_cancelled"
        | "replayed"
        | "name_taken"
        | "verifier_exists"
        | "key_taken"
        | "too_many"
        | "too_many_open"
        | "already_confirmed"
        | "already_voted"
        | "already_recorded"
        | "grant_exists"
        | "grant_already_used"
        | "request_closed"
        | "private_off"
        | "contract_changed"
        | "asset_retired"
        | "epoch_invalid" => StatusCode::CONFLICT,
        "asset_invalid"
        | "terms_invalid"
        | "unknown_approver"
        | "program_invalid"
        | "minimum_group_too_small"
        | "no_protocol"
        | "contracts_mismatch"
        | "evidence_missing"
        | "evidence_invalid"
        | "verdict_invalid"
        | "grant_invalid"
        | "root_mismatch"
        | "result_mismatch"
        | "private_invalid"
        | "private_mismatch"
        | "unknown_method"
        | "unknown_invitation"
        | "unknown_principal"
        | "unknown_issuer" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::FORBIDDEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_tells_code_detail_and_hint() {
        let problem = ApiError::new(code::GRANT_ALREADY_USED, "redeemed at 7").problem();
        assert_eq!(
            (problem.kind.as_str(), problem.status, problem.detail.as_str()),
            ("urn:sottovoce:grant_already_used", 409, "redeemed at 7")
        );
        assert!(!problem.title.is_empty() && !problem.hint.is_empty());
        let custom = ApiError::coded("weekend", "not on Sundays").problem();
        assert_eq!((custom.code.as_str(), custom.status), ("weekend", 403));
        let hidden = ApiError::internal("the password is 123").problem();
        assert!(!hidden.detail.contains("123"));
    }

    #[test]
    fn every_status_is_an_error() {
        for entry in code::TABLE {
            let status = status(entry.code);
            assert!(status.is_client_error() || status.is_server_error(), "{}", entry.code);
        }
        assert_eq!(status("not_accredited"), StatusCode::FORBIDDEN);
    }
}
