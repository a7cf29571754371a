//! Turns a declarative program over members' tables into local partial sums and a table of answers.

#![forbid(unsafe_code)]
