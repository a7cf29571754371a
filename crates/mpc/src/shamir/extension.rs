//! Fields of challenges: extensions large enough that a polynomial's chance root is no worry.

use std::sync::OnceLock;

use bytemuck::{Pod, Zeroable};
use zeroize::Zeroize;

use crate::domain::{Domain, Element as _, M61};

use super::field::{Lane, Wide};
use super::slices::Gf;

/// `a + b·i` with `i² = −1` over the field of 2^61 − 1 elements, where −1 is no square (the prime is 3 modulo 4).
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Zeroize)]
#[repr(C)]
pub(crate) struct M61x2 {
    real: M61,
    imaginary: M61,
}

impl M61x2 {
    pub(crate) const fn real(real: M61) -> Self {
        Self { real, imaginary: M61::ZERO }
    }
}

impl Lane for M61x2 {
    type Scalar = M61;
    type Wide = Self;
    const DOMAIN: Domain = Domain::M61;
    const WIDTH: usize = 1;
    const NIL: Self = Self::real(M61::ZERO);

    #[inline]
    fn sum(self, other: Self) -> Self {
        Self { real: self.real.add(other.real), imaginary: self.imaginary.add(other.imaginary) }
    }
    #[inline]
    fn difference(self, other: Self) -> Self {
        Self { real: self.real.sub(other.real), imaginary: self.imaginary.sub(other.imaginary) }
    }
    #[inline]
    fn product(self, other: Self) -> Self {
        let wide = |a: M61, b: M61| u128::from(a.get()) * u128::from(b.get());
        // p² added keeps the difference positive.
        const SQUARE: u128 = (M61::P as u128) * (M61::P as u128);
        let real = wide(self.real, other.real) + SQUARE - wide(self.imaginary, other.imaginary);
        let imaginary = wide(self.real, other.imaginary) + wide(self.imaginary, other.real);
        Self { real: M61::from_wide(real), imaginary: M61::from_wide(imaginary) }
    }
    #[inline]
    fn scaled(self, factor: M61) -> Self {
        Self { real: self.real.mul(factor), imaginary: self.imaginary.mul(factor) }
    }
    fn constant(value: M61) -> Self {
        Self::real(value)
    }
    fn from_stream(self) -> Self {
        Self {
            real: crate::domain::Element::from_stream(self.real),
            imaginary: crate::domain::Element::from_stream(self.imaginary),
        }
    }
    fn is_valid(self) -> bool {
        self.real.is_canonical() & self.imaginary.is_canonical()
    }
    fn wide(self, _: usize) -> Self {
        self
    }
}

/// The field of 2^128 elements, modulo `x^128 + x^7 + x^2 + x + 1`, with points in the subfield of 2^`D`.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable, Zeroize)]
#[repr(transparent)]
pub(crate) struct Binary<const D: usize>(pub(crate) u128);

impl<const D: usize> Binary<D> {
    /// Powers `1, w, …` of a root `w` of the small field's modulus: where the small field's coefficients go.
    fn roots() -> &'static [u128] {
        static ROOTS: [OnceLock<Vec<u128>>; 3] = [const { OnceLock::new() }; 3];
        ROOTS[D.trailing_zeros() as usize - 1].get_or_init(|| {
            // x generates a large group; its cofactor-th power lies in the subfield. Some power of it is the root.
            let mut seed = 2;
            loop {
                let unit = power(seed, u128::MAX / ((1 << D) - 1));
                let mut root = unit;
                for _ in 1..1 << D {
                    if Self::is_root(root) {
                        return (0..D as u128).map(|exponent| power(root, exponent)).collect();
                    }
                    root = multiply(root, unit);
                }
                seed += 1;
            }
        })
    }

    fn is_root(value: u128) -> bool {
        let modulus = Gf::<D>::MODULUS;
        let terms = (0..=D as u128).filter(|exponent| modulus >> exponent & 1 == 1);
        value > 1 && terms.fold(0, |sum, exponent| sum ^ power(value, exponent)) == 0
    }

    /// An element of the small field.
    pub(crate) fn embed(value: u8) -> Self {
        let select = |(place, root): (usize, &u128)| root & 0u128.wrapping_sub(u128::from(value >> place & 1));
        Self(Self::roots().iter().enumerate().map(select).fold(0, |sum, term| sum ^ term))
    }
}

impl<const D: usize> Lane for Binary<D> {
    type Scalar = Gf<D>;
    type Wide = Self;
    const DOMAIN: Domain = Domain::Bits;
    const WIDTH: usize = 1;
    const NIL: Self = Self(0);

    #[inline]
    fn sum(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline]
    fn difference(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline]
    fn product(self, other: Self) -> Self {
        Self(multiply(self.0, other.0))
    }
    fn scaled(self, factor: Gf<D>) -> Self {
        self.product(Self::embed(factor.0))
    }
    fn constant(value: Gf<D>) -> Self {
        Self::embed(value.0)
    }
    fn from_stream(self) -> Self {
        self
    }
    fn is_valid(self) -> bool {
        true
    }
    fn wide(self, _: usize) -> Self {
        self
    }
}

impl Wide for M61x2 {
    fn inverse(self) -> Self {
        let norm = self.real.mul(self.real).add(self.imaginary.mul(self.imaginary)).invert();
        Self { real: self.real.mul(norm), imaginary: self.imaginary.neg().mul(norm) }
    }
}

impl<const D: usize> Wide for Binary<D> {
    fn inverse(self) -> Self {
        Self(power(self.0, u128::MAX - 1))
    }
}

fn power(mut base: u128, mut exponent: u128) -> u128 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}

/// Product in the field of 2^128 elements.
#[inline]
pub(crate) fn multiply(a: u128, b: u128) -> u128 {
    let (a0, a1) = (a as u64, (a >> 64) as u64);
    let (b0, b1) = (b as u64, (b >> 64) as u64);
    let (low, high) = (carryless(a0, b0), carryless(a1, b1));
    let middle = carryless(a0 ^ a1, b0 ^ b1) ^ low ^ high;
    let (low, high) = (low ^ (middle << 64), high ^ (middle >> 64));
    // x^128 = x^7 + x^2 + x + 1; what that pushes past the end is folded once more.
    let over = (high >> 127) ^ (high >> 126) ^ (high >> 121);
    let fold = |value: u128| value ^ (value << 1) ^ (value << 2) ^ (value << 7);
    low ^ fold(high) ^ fold(over)
}

/// Product of polynomials over bits, without table or branch: every fourth bit apart, so that carries do not meet (Pornin, BearSSL `ctmul64`).
#[inline]
fn carryless(a: u64, b: u64) -> u128 {
    const EVERY: u64 = 0x1111_1111_1111_1111;
    const WIDE: u128 = 0x1111_1111_1111_1111_1111_1111_1111_1111;
    // Sixteen bits to a class: a column's sum is at most 16, which would spill; the top class bit is taken apart.
    let split = |value: u64, class: u32| value & (EVERY << class);
    let mut sum = 0;
    for class in 0..4 {
        let mut column = 0u128;
        for from in 0..4 {
            let with = (class + 4 - from) % 4;
            let (x, y) = (split(a, from), split(b, with));
            // Fifteen bits of x, then the last one alone.
            let rest = x & !(1 << (60 + from));
            column ^= u128::from(rest) * u128::from(y) & (WIDE << class);
            column ^= (u128::from(y) << (60 + from)) & 0u128.wrapping_sub(u128::from(x >> (60 + from) & 1));
        }
        sum ^= column & (WIDE << class);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::field::Field as _;
    use super::*;

    fn slow(a: u128, b: u128) -> u128 {
        let mut sum = 0;
        for place in (0..128).rev() {
            sum = (sum << 1) ^ if sum >> 127 == 1 { 0x87 } else { 0 };
            sum ^= if b >> place & 1 == 1 { a } else { 0 };
        }
        sum
    }

    #[test]
    fn binary_products_are_those_of_the_schoolbook() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u128;
        let mut next = || {
            state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(7);
            state ^ (state >> 61)
        };
        for _ in 0..2000 {
            let (a, b) = (next(), next());
            assert_eq!(multiply(a, b), slow(a, b));
        }
        for edge in [0, 1, u128::MAX, 1 << 127, u128::from(u64::MAX)] {
            assert_eq!(multiply(edge, u128::MAX), slow(edge, u128::MAX));
            assert_eq!(multiply(edge, edge), slow(edge, edge));
        }
    }

    #[test]
    fn small_fields_lie_in_the_large_one() {
        fn check<const D: usize>() {
            for a in 0..1u16 << D {
                for b in 0..1u16 << D {
                    let (x, y) = (Gf::<D>(a as u8), Gf::<D>(b as u8));
                    let (wide_x, wide_y) = (Binary::<D>::constant(x), Binary::<D>::constant(y));
                    assert_eq!(wide_x.product(wide_y), Binary::constant(x.times(y)));
                    assert_eq!(wide_x.sum(wide_y), Binary::constant(x.plus(y)));
                }
            }
        }
        check::<2>();
        check::<4>();
        check::<8>();
    }

    #[test]
    fn the_pair_field_has_a_root_of_minus_one() {
        let i = M61x2 { real: M61::from_i64(0), imaginary: M61::from_i64(1) };
        assert_eq!(i.product(i), M61x2::real(M61::from_i64(-1)));
        let a = M61x2 { real: M61::from_i64(-3), imaginary: M61::from_i64(5) };
        let b = M61x2 { real: M61::from_i64(7), imaginary: M61::from_i64(-1) };
        let expected = M61x2 { real: M61::from_i64(-16), imaginary: M61::from_i64(38) };
        assert_eq!(a.product(b), expected);
    }
}
