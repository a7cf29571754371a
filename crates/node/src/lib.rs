//! Runs one member's server: API, ledger replica, oracle, proxy, jobs and audit.

#![forbid(unsafe_code)]
