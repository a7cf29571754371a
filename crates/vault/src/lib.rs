//! Seals, opens, rewraps and range-reads objects without ever holding one whole in memory.

#![forbid(unsafe_code)]
