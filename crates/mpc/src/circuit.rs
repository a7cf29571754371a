//! Compound operations over any [`Backend`](crate::engine::Backend): what a program calls between its inputs and its outputs.
//!
//! - [`compare`]: `< ≤ > ≥ = ≠`; [`choose`]: selection, minimum, maximum, absolute value, clamping.
//! - [`logic`]: bits and integers bit by bit; [`convert`](fn@convert): between rings, fields and bits.
//! - [`fixed`]: fixed-point products, quotients, reciprocals, roots; [`divide`]: exact integer quotients and roots, rounding of money.
//! - [`sort`](mod@sort): by secret keys, with payload; [`segment`]: prefix sums and copies within segments, groups, distinct values.
//! - [`statistics`]: exact sums, means, variances; [`open`]: the ways out.
//!
//! Every function is the same at all parties, works on whole columns, and uses no more of a back end than its page
//! (`docs/spec/mpc/operations.md`) states; where several ways lead to a result the cheaper one by the back end's own
//! [`cost`](crate::engine::Backend::cost) is taken. Nothing is opened but what that page lists.
//!
//! ```
//! use mpc::circuit::{Key, Method, Order, Range, compare, open, sort};
//! use mpc::domain::{Domain, Values};
//! use mpc::engine::{Backend, local};
//! use mpc::plain::Plain;
//!
//! let results = local::run(1, 1, |mut io| async move {
//!     let backend = Plain::default();
//!     let ages = backend.public(&Values::from_i64(Domain::Ring64, &[41, 17, 65, 30]))?;
//!     let adults = compare::ge(&backend, &mut io, &ages, 18, Range::Bits(8)).await?;
//!     let key = Key { column: &ages, range: Range::Bits(8), order: Order::Descending };
//!     let sorted = sort::sort(&backend, &mut io, &[key], &[ages.clone(), adults], None).await?;
//!     open::to_all(&backend, &mut io, &sorted).await
//! });
//! let opened = results[0].0.clone().unwrap();
//! assert!(opened[0] == Values::from_i64(Domain::Ring64, &[65, 41, 30, 17]));
//! assert!(opened[1] == Values::from_i64(Domain::Bits, &[1, 1, 1, 0]));
//! ```

pub mod choose;
pub mod compare;
mod convert;
pub mod divide;
pub mod fixed;
pub mod logic;
pub mod open;
mod operand;
pub mod segment;
pub mod sort;
pub mod statistics;
mod wiring;

pub use convert::convert;
pub use fixed::Fixed;
pub use operand::{Operand, Range};
pub use sort::{Key, Method, Order};
pub use wiring::{inject, products, side_by_side};
