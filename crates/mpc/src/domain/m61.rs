//! The prime field of 2^61 − 1 elements.

use bytemuck::{Pod, Zeroable};
use zeroize::Zeroize;

use super::{Domain, Element, Values};

/// An element of the field of `p = 2^61 − 1` elements, always reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable, Zeroize)]
#[repr(transparent)]
pub struct M61(u64);

impl M61 {
    /// The modulus.
    pub const P: u64 = (1 << 61) - 1;

    /// Below `2^61 + 2^61` to below `p`.
    #[inline]
    const fn reduce(value: u64) -> Self {
        let folded = (value & Self::P) + (value >> 61);
        let less = folded.wrapping_sub(Self::P);
        // All ones where the subtraction borrowed.
        let borrowed = 0u64.wrapping_sub(less >> 63);
        Self(less.wrapping_add(borrowed & Self::P))
    }

    /// Any 128-bit value, such as a sum of 64 products, reduced without division.
    #[inline]
    pub const fn from_wide(value: u128) -> Self {
        // The three parts have 61, 61 and 6 bits.
        Self::reduce((value as u64 & Self::P) + ((value >> 61) as u64 & Self::P) + (value >> 122) as u64)
    }

    /// The representative in `0 .. p`.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The inverse, by Fermat; zero has none and gives zero.
    #[must_use]
    pub fn invert(self) -> Self {
        let (mut result, mut base, mut exponent) = (Self::ONE, self, Self::P - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                result = result.mul(base);
            }
            base = base.mul(base);
            exponent >>= 1;
        }
        result
    }
}

impl Element for M61 {
    const DOMAIN: Domain = Domain::M61;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    #[inline]
    fn add(self, other: Self) -> Self {
        Self::reduce(self.0 + other.0)
    }
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self::reduce(self.0 + Self::P - other.0)
    }
    #[inline]
    fn mul(self, other: Self) -> Self {
        let product = u128::from(self.0) * u128::from(other.0);
        Self::reduce((product as u64 & Self::P) + (product >> 61) as u64)
    }
    fn from_i64(value: i64) -> Self {
        Self(i128::from(value).rem_euclid(i128::from(Self::P)) as u64)
    }
    fn from_u128(value: u128) -> Self {
        Self((value % u128::from(Self::P)) as u64)
    }
    fn to_u128(self) -> u128 {
        self.0.into()
    }
    #[inline]
    fn is_canonical(self) -> bool {
        self.0 < Self::P
    }
    #[inline]
    fn from_stream(self) -> Self {
        Self::reduce(self.0 & Self::P)
    }
    fn values(elements: Vec<Self>) -> Values {
        Values::M61(elements)
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        match values {
            Values::M61(values) => Some(values),
            _ => None,
        }
    }
}
