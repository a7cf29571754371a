//! What the rooms' errors become at the API: a caller's mistake keeps its code, a node's own failure goes to the log.

use contracts::code;
use ledger::Refusal;

use crate::problem::ApiError;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::coded(refusal.code(), refusal.to_string())
    }
}

impl From<ledger::Error> for ApiError {
    fn from(error: ledger::Error) -> Self {
        match error {
            ledger::Error::Cosignature { .. } | ledger::Error::UnknownBlock { .. } => {
                Self::new(code::MALFORMED, error.to_string())
            }
            ledger::Error::ReceiptSize { .. } => Self::new(code::OVERSIZE, error.to_string()),
            ledger::Error::NotCosigned { .. } => Self::new(code::UNAVAILABLE, error.to_string()),
            ledger::Error::Pruned { .. } => Self::new(code::NOT_FOUND, error.to_string()),
            ledger::Error::Gone { .. } => Self::new(code::PRUNED, error.to_string()),
            error => Self::internal(error),
        }
    }
}

impl From<contracts::read::Error> for ApiError {
    fn from(error: contracts::read::Error) -> Self {
        Self::internal(error)
    }
}

impl From<crypto::keystore::Error> for ApiError {
    fn from(error: crypto::keystore::Error) -> Self {
        Self::internal(error)
    }
}

impl From<vault::Error> for ApiError {
    fn from(error: vault::Error) -> Self {
        Self::internal(error)
    }
}
