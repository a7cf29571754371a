//! Fields of challenges: extensions large enough that a polynomial's chance root is no worry.

use std::sync::OnceLock;

use bytemuck::{Pod, Zeroable};
use zeroize::Zeroize;

use crate::domain::{Domain, Element as _, M61};
use crate::kernel::field128::multiply;

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

#[cfg(test)]
mod tests {
    use super::super::field::Field as _;
    use super::*;

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
