//! Gives people the sotto command.

#![forbid(unsafe_code)]

fn main() {}
