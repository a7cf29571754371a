//! Gives a principal's program the API client, the wallet and offline verification.

#![forbid(unsafe_code)]
