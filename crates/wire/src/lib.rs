//! Encodes what is signed, hashed or sent as canonical, bounded CBOR.
//!
//! Every value has exactly one encoding: deterministic CBOR (RFC 8949 §4.2.1) without floats, tags or indefinite
//! lengths. A struct is an array of its fields in order, where absent values at the end are left out and other absent
//! values are `null`; an enum is `[variant, fields...]`, or the variant's number alone where none has fields.
//! Readers refuse any other bytes for the same value, so that a digest names one value and one encoding.
//! The format page is `docs/spec/wire.md`.
//!
//! ```
//! use wire::{from_slice, to_vec, Limits};
//!
//! #[derive(Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
//! #[cbor(array)]
//! struct Reading {
//!     #[n(0)] patient: u64,
//!     #[n(1)] note: Option<String>,
//! }
//!
//! let reading = Reading { patient: 7, note: None };
//! let bytes = to_vec(&reading);
//! assert_eq!(bytes, [0x81, 0x07]);
//! assert_eq!(from_slice::<Reading>(&bytes, Limits::small()).unwrap(), reading);
//! // The same value with the absent note spelled out, or with a longer integer, is refused.
//! assert!(from_slice::<Reading>(&[0x82, 0x07, 0xf6], Limits::small()).is_err());
//! assert!(from_slice::<Reading>(&[0x81, 0x18, 0x07], Limits::small()).is_err());
//! ```
//!
//! Public: [`to_vec`] and [`from_slice`] (the only way in and out), [`Limits`], the byte strings [`Fixed`] and
//! [`Bytes`] that appear in every signed type, and the strict textual forms in [`text`].

#![forbid(unsafe_code)]

mod bytes;
mod canonical;
pub mod text;

pub use bytes::{Bytes, Fixed};
pub use canonical::{Error, Limits, from_slice, to_vec};
pub use minicbor;
