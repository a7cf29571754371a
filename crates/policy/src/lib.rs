//! Decides whether a request satisfies a contract's Cedar policy, and explains why.

#![forbid(unsafe_code)]
