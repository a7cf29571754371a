//! The prime field of 2^127 − 1 elements.

use bytemuck::{Pod, Zeroable};
use zeroize::Zeroize;

use super::{Domain, Element, Values};

/// An element of the field of `p = 2^127 − 1` elements, always reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable, Zeroize)]
#[repr(transparent)]
pub struct P127(u128);

impl P127 {
    /// The modulus.
    pub const P: u128 = (1 << 127) - 1;

    /// Any 128-bit value to below `p`.
    #[inline]
    const fn reduce(value: u128) -> Self {
        let folded = (value & Self::P) + (value >> 127);
        let less = folded.wrapping_sub(Self::P);
        let borrowed = 0u128.wrapping_sub(less >> 127);
        Self(less.wrapping_add(borrowed & Self::P))
    }

    /// As a signed integer: the larger half of the field stands for the negatives.
    pub fn to_i128(self) -> i128 {
        crate::plain::signed(self)
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

impl Element for P127 {
    const DOMAIN: Domain = Domain::P127;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    #[inline]
    fn add(self, other: Self) -> Self {
        Self::reduce(self.0 + other.0)
    }
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self::reduce(self.0 + (Self::P - other.0))
    }
    #[inline]
    fn mul(self, other: Self) -> Self {
        let (a0, a1) = (self.0 as u64 as u128, self.0 >> 64);
        let (b0, b1) = (other.0 as u64 as u128, other.0 >> 64);
        // Both high halves are below 2^63, so the middle fits in 128 bits.
        let low = a0 * b0;
        let middle = a0 * b1 + a1 * b0 + (low >> 64);
        let high = a1 * b1 + (middle >> 64);
        let low = (middle << 64) | (low as u64 as u128);
        // 2^128 = 2 modulo p.
        Self::reduce(((high << 1) | (low >> 127)) + (low & Self::P))
    }
    fn from_i64(value: i64) -> Self {
        let magnitude = Self(value.unsigned_abs().into());
        if value < 0 { magnitude.neg() } else { magnitude }
    }
    fn from_u128(value: u128) -> Self {
        Self::reduce(value)
    }
    fn to_u128(self) -> u128 {
        self.0
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
        Values::P127(elements)
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        match values {
            Values::P127(values) => Some(values),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::M61;
    use super::*;

    /// Schoolbook product modulo `p`, one bit at a time.
    fn slow_mul(mut a: u128, mut b: u128, p: u128) -> u128 {
        let add = |x: u128, y: u128| if x >= p - y { x - (p - y) } else { x + y };
        let mut sum = 0;
        while b > 0 {
            if b & 1 == 1 {
                sum = add(sum, a);
            }
            a = add(a, a);
            b >>= 1;
        }
        sum
    }

    fn edge(p: u128) -> impl Strategy<Value = u128> {
        prop_oneof![0..p, Just(0), Just(1), Just(p - 1), Just(p / 2), Just(p / 2 + 1)]
    }

    proptest! {
        #[test]
        fn p127_is_arithmetic_modulo_p(a in edge(P127::P), b in edge(P127::P)) {
            let (x, y) = (P127::from_u128(a), P127::from_u128(b));
            prop_assert_eq!(x.mul(y).to_u128(), slow_mul(a, b, P127::P));
            prop_assert_eq!(x.add(y).sub(y), x);
            prop_assert_eq!(x.sub(y).to_u128(), if a >= b { a - b } else { a + (P127::P - b) });
            if a != 0 { prop_assert_eq!(x.mul(x.invert()), P127::ONE); }
        }

        #[test]
        fn m61_is_arithmetic_modulo_p(a in edge(M61::P.into()), b in edge(M61::P.into())) {
            let p = u128::from(M61::P);
            let (x, y) = (M61::from_u128(a), M61::from_u128(b));
            prop_assert_eq!(x.mul(y).to_u128(), a * b % p);
            prop_assert_eq!(x.add(y).to_u128(), (a + b) % p);
            prop_assert_eq!(x.sub(y).to_u128(), (a + p - b) % p);
            if a != 0 { prop_assert_eq!(x.mul(x.invert()), M61::ONE); }
        }
    }

    #[test]
    fn negatives_and_streams_are_reduced() {
        assert_eq!(P127::from_i64(-1).to_u128(), P127::P - 1);
        assert_eq!(P127::from_i64(i64::MIN).add(P127::from_u128(1 << 63)), P127::ZERO);
        assert_eq!(M61::from_i64(-1).to_u128(), u128::from(M61::P) - 1);
        assert_eq!(P127(u128::MAX).from_stream(), P127::ZERO);
        assert_eq!(P127::from_u128(u128::MAX).to_u128(), 1);
        assert!(!P127(P127::P).is_canonical() && P127(P127::P - 1).is_canonical());
    }
}
