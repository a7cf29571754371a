//! Rings of twice the bits, in which an error modulo `2^k` stays one that few challenges hide.

use bytemuck::{Pod, Zeroable};

use crate::rep3::Atom;

/// `Z_{2^2k}`, for a base ring `Z_{2^k}`.
pub(super) trait Larger: Pod {
    /// `Z_{2^k}`.
    type Base: Atom;
    /// The number below `2^k` that this element is.
    fn lift(base: Self::Base) -> Self;
    /// Modulo `2^k`.
    fn low(self) -> Self::Base;
    /// A challenge.
    fn challenge(code: u64) -> Self;
    /// Sum.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// Difference.
    #[must_use]
    fn sub(self, other: Self) -> Self;
    /// Product.
    #[must_use]
    fn mul(self, other: Self) -> Self;
}

impl Larger for u128 {
    type Base = u64;

    fn lift(base: u64) -> Self {
        base.into()
    }

    fn low(self) -> u64 {
        self as u64
    }

    fn challenge(code: u64) -> Self {
        code.into()
    }

    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}

/// An integer modulo 2^256: the lower and the upper half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Long([u128; 2]);

impl Larger for Long {
    type Base = u128;

    fn lift(base: u128) -> Self {
        Self([base, 0])
    }

    fn low(self) -> u128 {
        self.0[0]
    }

    fn challenge(code: u64) -> Self {
        Self([code.into(), 0])
    }

    fn add(self, other: Self) -> Self {
        let (low, carry) = self.0[0].overflowing_add(other.0[0]);
        Self([low, self.0[1].wrapping_add(other.0[1]).wrapping_add(carry.into())])
    }

    fn sub(self, other: Self) -> Self {
        let (low, borrow) = self.0[0].overflowing_sub(other.0[0]);
        Self([low, self.0[1].wrapping_sub(other.0[1]).wrapping_sub(borrow.into())])
    }

    fn mul(self, other: Self) -> Self {
        let ([x, x_high], [y, y_high]) = (self.0, other.0);
        // The lower halves' product, by halves of theirs.
        let half = |number: u128| [number & u128::from(u64::MAX), number >> 64];
        let ([a, b], [c, d]) = (half(x), half(y));
        let (low, cross) = (a * c, a * d);
        let middle = b * c + (low >> 64);
        let (sum, carry) = middle.overflowing_add(cross);
        let high = b * d + (sum >> 64) + (u128::from(carry) << 64);
        let high = high.wrapping_add(x.wrapping_mul(y_high)).wrapping_add(x_high.wrapping_mul(y));
        Self([(sum << 64) | (low & u128::from(u64::MAX)), high])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_integers_are_a_ring_of_characteristic_2_to_the_256() {
        let edges =
            [0, 1, 2, u64::MAX.into(), 1 << 64, (1 << 64) + 1, u128::MAX >> 1, 1 << 127, u128::MAX - 1, u128::MAX];
        let all: Vec<Long> = edges.iter().flat_map(|low| edges.map(|high| Long([*low, high]))).collect();
        let (zero, one) = (Long([0, 0]), Long([1, 0]));
        let minus = zero.sub(one);
        for x in &all {
            assert_eq!((x.mul(one), x.mul(minus), x.sub(*x)), (*x, zero.sub(*x), zero));
            for y in &all {
                assert_eq!((x.mul(*y), x.add(*y).sub(*y)), (y.mul(*x), *x));
                for z in all.iter().step_by(7) {
                    assert_eq!(x.add(*y).mul(*z), x.mul(*z).add(y.mul(*z)));
                }
            }
        }
        // (2^128 − 1)^2 = 2^256 − 2^129 + 1.
        assert_eq!(Long::lift(u128::MAX).mul(Long::lift(u128::MAX)), Long([1, u128::MAX - 1]));
        assert_eq!(minus, Long([u128::MAX; 2]));
    }
}
