//! Computes sums of secret vectors among parties that do not trust each other.

#![forbid(unsafe_code)]
