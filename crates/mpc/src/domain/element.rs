//! One value of a ring or field.

use bytemuck::Pod;
use zeroize::Zeroize;

use super::{Domain, Values};

/// An element of a ring or prime field. All operations are modular and free of secret-dependent branches.
pub trait Element: Pod + PartialEq + Eq + Send + Sync + Zeroize + std::fmt::Debug {
    /// Its domain.
    const DOMAIN: Domain;
    /// Neutral for addition.
    const ZERO: Self;
    /// Neutral for multiplication.
    const ONE: Self;
    /// Sum.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// Difference.
    #[must_use]
    fn sub(self, other: Self) -> Self;
    /// Product.
    #[must_use]
    fn mul(self, other: Self) -> Self;
    /// Negative.
    #[must_use]
    fn neg(self) -> Self {
        Self::ZERO.sub(self)
    }
    /// A signed integer.
    fn from_i64(value: i64) -> Self;
    /// An unsigned integer, reduced.
    fn from_u128(value: u128) -> Self;
    /// The representative in `0 .. modulus`.
    fn to_u128(self) -> u128;
    /// Whether the bytes are the one valid encoding of an element.
    fn is_canonical(self) -> bool;
    /// Makes uniform bytes (as a stream wrote them over the element) an element, with bias below 2^-60.
    #[must_use]
    #[expect(
        clippy::wrong_self_convention,
        reason = "the bytes of a stream are laid out as an element that is not reduced yet"
    )]
    fn from_stream(self) -> Self;
    /// A vector of them as values.
    fn values(elements: Vec<Self>) -> Values;
    /// The elements of values of this domain.
    fn slice(values: &Values) -> Option<&[Self]>;
}

impl Element for u64 {
    const DOMAIN: Domain = Domain::Ring64;
    const ZERO: Self = 0;
    const ONE: Self = 1;
    #[inline]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline]
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn from_i64(value: i64) -> Self {
        value as Self
    }
    fn from_u128(value: u128) -> Self {
        value as Self
    }
    fn to_u128(self) -> u128 {
        self.into()
    }
    #[inline]
    fn is_canonical(self) -> bool {
        true
    }
    #[inline]
    fn from_stream(self) -> Self {
        self
    }
    fn values(elements: Vec<Self>) -> Values {
        Values::Ring64(elements)
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        match values {
            Values::Ring64(values) => Some(values),
            _ => None,
        }
    }
}

impl Element for u128 {
    const DOMAIN: Domain = Domain::Ring128;
    const ZERO: Self = 0;
    const ONE: Self = 1;
    #[inline]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline]
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline]
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn from_i64(value: i64) -> Self {
        value as Self
    }
    fn from_u128(value: u128) -> Self {
        value
    }
    fn to_u128(self) -> u128 {
        self
    }
    #[inline]
    fn is_canonical(self) -> bool {
        true
    }
    #[inline]
    fn from_stream(self) -> Self {
        self
    }
    fn values(elements: Vec<Self>) -> Values {
        Values::Ring128(elements)
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        match values {
            Values::Ring128(values) => Some(values),
            _ => None,
        }
    }
}
