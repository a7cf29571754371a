//! Bits as elements of a small binary field, 64 beside each other: a lane is `D` words, one for each coefficient.

use crate::domain::{Bits, Domain, Values};
use crate::engine::Failure;

use super::extension::Binary;
use super::field::{Field, Lane, Valued};

/// An element of the field of 2^`D` elements, coefficients of a polynomial modulo [`Gf::MODULUS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gf<const D: usize>(pub(crate) u8);

impl<const D: usize> Gf<D> {
    /// `x² + x + 1`, `x⁴ + x + 1`, `x⁸ + x⁴ + x³ + x + 1`.
    pub(crate) const MODULUS: u16 = match D {
        2 => 0b111,
        4 => 0b1_0011,
        _ => 0b1_0001_1011,
    };
}

impl<const D: usize> Field for Gf<D> {
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    fn minus(self, other: Self) -> Self {
        self.plus(other)
    }
    fn times(self, other: Self) -> Self {
        let mut product = 0u16;
        for place in 0..D {
            product ^= (u16::from(self.0) << place) & 0u16.wrapping_sub(u16::from(other.0 >> place & 1));
        }
        for place in (D..2 * D - 1).rev() {
            product ^= (Self::MODULUS << (place - D)) & 0u16.wrapping_sub(product >> place & 1);
        }
        Self(product as u8)
    }
    fn inverse(self) -> Self {
        // a^(2^D − 2).
        let (mut result, mut square) = (Self::ONE, self);
        for _ in 1..D {
            square = square.times(square);
            result = result.times(square);
        }
        result
    }
    fn point(seat: usize) -> Self {
        Self(seat as u8 + 1)
    }
}

macro_rules! sliced {
    ($($d:literal),*) => {$(
        impl Lane for [u64; $d] {
            type Scalar = Gf<$d>;
            type Wide = Binary<$d>;
            const DOMAIN: Domain = Domain::Bits;
            const WIDTH: usize = 64;
            const NIL: Self = [0; $d];

            #[inline]
            fn sum(self, other: Self) -> Self {
                std::array::from_fn(|place| self[place] ^ other[place])
            }
            #[inline]
            fn difference(self, other: Self) -> Self {
                self.sum(other)
            }
            #[inline]
            fn product(self, other: Self) -> Self {
                let mut product = [0; 2 * $d - 1];
                for (i, x) in self.iter().enumerate() {
                    for (j, y) in other.iter().enumerate() {
                        product[i + j] ^= x & y;
                    }
                }
                for place in ($d..2 * $d - 1).rev() {
                    for bit in 0..$d {
                        if Gf::<$d>::MODULUS >> bit & 1 == 1 {
                            product[place - $d + bit] ^= product[place];
                        }
                    }
                }
                std::array::from_fn(|place| product[place])
            }
            #[inline]
            fn scaled(self, factor: Gf<$d>) -> Self {
                // Factors are public.
                let mut sum = Self::NIL;
                let mut power = self;
                for place in 0..$d {
                    if factor.0 >> place & 1 == 1 {
                        sum = sum.sum(power);
                    }
                    let top = power[$d - 1];
                    power = std::array::from_fn(|bit| {
                        let below = if bit == 0 { 0 } else { power[bit - 1] };
                        below ^ if Gf::<$d>::MODULUS >> bit & 1 == 1 { top } else { 0 }
                    });
                }
                sum
            }
            fn constant(value: Gf<$d>) -> Self {
                std::array::from_fn(|place| 0u64.wrapping_sub(u64::from(value.0 >> place & 1)))
            }
            fn from_stream(self) -> Self {
                self
            }
            fn value_from_stream(self) -> Self {
                std::array::from_fn(|place| if place == 0 { self[0] } else { 0 })
            }
            fn is_valid(self) -> bool {
                true
            }
            fn wide(self, element: usize) -> Binary<$d> {
                Binary::embed(self.element(element).0)
            }
        }

        impl Valued for [u64; $d] {
            fn read(values: &Values) -> Result<Vec<Self>, Failure> {
                let bits = values.bits().ok_or(Failure::Program("values of the column's domain"))?;
                let lane = |word: &u64| std::array::from_fn(|place| if place == 0 { *word } else { 0 });
                Ok(bits.words().iter().map(lane).collect())
            }
            fn write(lanes: Vec<Self>, len: usize) -> Values {
                Values::Bits(Bits::from_words(len, lanes.iter().map(|lane| lane[0]).collect()))
            }
            fn element(self, element: usize) -> Gf<$d> {
                Gf(self.iter().enumerate().fold(0, |sum, (place, word)| sum | ((word >> element & 1) as u8) << place))
            }
            fn bit(self, element: usize) -> bool {
                self[0] >> element & 1 == 1
            }
            fn set(&mut self, element: usize, value: Gf<$d>) {
                for (place, word) in self.iter_mut().enumerate() {
                    *word = (*word & !(1 << element)) | u64::from(value.0 >> place & 1) << element;
                }
            }
            fn from_word(word: u64) -> Self {
                std::array::from_fn(|place| if place == 0 { word } else { 0 })
            }
            fn factor(factor: i128) -> Gf<$d> {
                Gf((factor & 1) as u8)
            }
        }
    )*};
}

sliced!(2, 4, 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_compute_in_every_element() {
        fn check<const D: usize>()
        where
            [u64; D]: Valued<Scalar = Gf<D>>,
        {
            for a in 1..1u16 << D {
                let a = Gf::<D>(a as u8);
                assert_eq!(a.times(a.inverse()), Gf::ONE);
                for b in 0..1u16 << D {
                    let b = Gf::<D>(b as u8);
                    let mut lane = <[u64; D]>::NIL;
                    lane.set(17, b);
                    let scaled = lane.scaled(a);
                    assert_eq!(scaled.element(17), a.times(b));
                    assert_eq!(scaled.element(16), Gf::ZERO);
                    assert_eq!(<[u64; D]>::constant(a).product(lane), scaled);
                }
            }
        }
        check::<2>();
        check::<4>();
        check::<8>();
    }
}
