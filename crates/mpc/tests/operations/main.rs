//! Compound operations over every back end, against arithmetic in the clear.
//!
//! Each test runs one program over all of [`harness::kinds`] and holds what they open to what Rust computes. A new back end
//! takes one line there.

mod choose;
mod compare;
#[path = "../../examples/simulated_dealer/dealer.rs"]
mod dealer;
mod divide;
mod fixed;
mod harness;
mod logic;
mod segment;
mod sort;
mod statistics;
