//! Turns a declarative program over members' tables into local partial sums and a table of answers.
//!
//! A [`Program`] says what may come out: for each group of a public domain the count, sum, mean, standard deviation or
//! share of column expressions. Each party evaluates it over its own [`Table`] to a vector of integers
//! ([`Program::local`]); the vectors are added by `mpc` without anyone seeing another's; whoever learns the sum reads
//! the [`Answer`] from it. Disclosure control happens before anything leaves a party: small groups enter as zeros.
//! Format, semantics and what leaks: `docs/spec/program.md`.
//!
//! ```
//! use query::{Program, Table};
//!
//! let program = Program::from_toml(r#"
//!     filter = "age >= 18"
//!     minimum_group = 2
//!     outputs = [{ name = "people", count = "*" }, { name = "weight", mean = "kg" }]
//! "#)?;
//! let one = Table::read("age,kg\n40,80\n50,70.5\n12,40\n".as_bytes())?;
//! let two = Table::read("kg,age\n60,30\n,31\n65.5,90\n".as_bytes())?;
//! // In earnest these vectors are added by `mpc`.
//! let vectors = [program.local(&one, 2)?, program.local(&two, 2)?];
//! let mut sums = vec![0u64; program.length()];
//! for vector in &vectors {
//!     vector.expose(|vector| sums.iter_mut().zip(vector).for_each(|(sum, value)| *sum = sum.wrapping_add(*value)));
//! }
//! let answer = program.answer(&sums, 2)?;
//! assert_eq!(answer.groups["all"]["people"].value, Some(5.0));
//! let weight = &answer.groups["all"]["weight"];
//! assert_eq!((weight.value, weight.n, weight.missing), (Some(69.25), 4, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod answer;
mod evaluate;
mod expression;
mod program;
mod table;

pub use answer::{Answer, AnswerError, Cell};
pub use evaluate::LocalError;
pub use expression::{Expression, Kind, ParseError};
pub use program::{ALL, Function, GroupBy, Output, Program, ProgramError};
pub use table::{MAX_BYTES, MAX_COLUMNS, MAX_ROWS, Table, TableError};
