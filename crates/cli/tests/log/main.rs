//! The log of real nodes, a real witness, a mirror, and proofs of state: what a reader far away can rely on.

mod buckets;
mod doctor;
mod events;
#[path = "../shared/ports.rs"]
mod ports;
#[path = "../shared/python.rs"]
#[expect(dead_code, reason = "the demo's tests use all of it")]
mod python;
mod reader;
mod site;
#[path = "../shared/store.rs"]
mod store;
mod testimony;
mod validators;
