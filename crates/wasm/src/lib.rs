//! Checks, compiles and runs contracts in WebAssembly, so that every node gets the same outcome and the same use of fuel.
//!
//! [`Code`] is a contract's module that was found good: no floating point left to chance, no threads, nothing imported but what this
//! host offers. It counts its own fuel and depth, by instructions that [`Code::compile`] adds to it. [`Code::run`] gives it one
//! [`Call`] and its own part of the state ([`Reads`]), and tells what it would change ([`Run`]).
//!
//! ```
//! use wasm::{Call, Code, Fault, Reads, Refusal, Role, Sender, Stop};
//!
//! struct Nothing;
//!
//! impl Reads for Nothing {
//!     fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
//!         Ok(None)
//!     }
//! }
//!
//! let code = Code::compile(&wat::parse_str(
//!     r#"(module
//!         (import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
//!         (memory (export "memory") 1)
//!         (func (export "allocate") (param i32) (result i32) i32.const 1024)
//!         (func (export "call") (param $method i32) (param $named i32) (param $at i32) (param $length i32)
//!             (call $put (local.get $method) (local.get $named) (local.get $at) (local.get $length))))"#,
//! )?)?;
//! let sender = Sender { key: crypto::SigningKey::generate().public(), member: None, role: Role::Nobody };
//! let run = code.run(&Nothing, Call::method("remember", b"\x07".to_vec(), sender.clone(), 1, 1_000))?;
//! assert_eq!(run.end.unwrap().writes[b"remember".as_slice()], Some(b"\x07".to_vec()));
//!
//! // Too little fuel, and nothing is changed.
//! let call = Call { fuel: 10, ..Call::method("remember", vec![], sender, 1, 1_000) };
//! assert_eq!(code.run(&Nothing, call)?.end, Err(Stop::Fuel { limit: 10 }));
//! assert!(matches!(Code::check(b"no module"), Err(Refusal::Invalid(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Public: what the ledger's contracts need to register and call code, and the [`bounds`] that its authors must know. The format page is
//! `docs/spec/wasm.md`.

#![forbid(unsafe_code)]

pub mod bounds;
mod call;
mod check;
mod code;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod host;
mod meter;
mod refusal;

pub use call::{Call, Effects, Entry, Event, Reads, Role, Run, Sender, Verifier};
pub use code::{Code, digest};
pub use refusal::{Error, Fault, Refusal, Stop};
