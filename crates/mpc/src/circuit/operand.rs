//! What an operation is applied to, and how large it may be.

use crate::domain::Values;
use crate::engine::{Backend, Column, Failure};

use super::wiring::{constant, fitting};

/// One side of an operation: secret, or known to all.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    /// A secret column.
    Secret(&'a Column),
    /// Public values, one for each row.
    Public(&'a Values),
    /// One public integer for all rows, reduced into the domain.
    Scalar(i128),
}

impl<'a> From<&'a Column> for Operand<'a> {
    fn from(column: &'a Column) -> Self {
        Self::Secret(column)
    }
}

impl<'a> From<&'a Values> for Operand<'a> {
    fn from(values: &'a Values) -> Self {
        Self::Public(values)
    }
}

impl From<i128> for Operand<'_> {
    fn from(value: i128) -> Self {
        Self::Scalar(value)
    }
}

impl Operand<'_> {
    /// The public values that it stands for in a computation with `like`; `None` where it is secret.
    pub(super) fn public(&self, like: &Column) -> Result<Option<Values>, Failure> {
        match self {
            Self::Secret(_) => Ok(None),
            Self::Public(values) => fitting("operand", like, values).map(|()| Some((*values).clone())),
            Self::Scalar(value) => Ok(Some(constant(like.domain(), *value, like.len()))),
        }
    }

    /// It as a column like another.
    pub(super) fn column(&self, backend: &dyn Backend, like: &Column) -> Result<Column, Failure> {
        match self.public(like)? {
            Some(values) => backend.public(&values),
            None => self.secret().cloned().ok_or(Failure::Program("a secret operand")),
        }
    }

    pub(super) const fn secret(&self) -> Option<&Column> {
        match self {
            Self::Secret(column) => Some(column),
            _ => None,
        }
    }
}

/// How large the values of an operation may be: what the caller promises, for it is not checked. A narrow range is cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// All that the operation takes in this domain. For comparisons in a ring this is every value, smallest and largest included;
    /// in a field those whose difference the back end can tell the sign of. Other operations state it.
    Full,
    /// Every value of a ring, read as `0 ≤ v < 2^width`; for comparisons and keys only.
    Unsigned,
    /// Signed integers of so many bits: `−2^(bits − 1) ≤ v < 2^(bits − 1)`.
    Bits(u32),
}
