//! Orders signed transactions into an authenticated, crash-safe log with checkpoints and receipts.

#![forbid(unsafe_code)]
