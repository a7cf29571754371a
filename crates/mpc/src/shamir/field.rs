//! What the protocol computes with: points and factors in a field, values in lanes of one or 64 elements.

use bytemuck::Pod;
use zeroize::Zeroize;

use crate::domain::{Domain, Element as _, M61, P127, Values};
use crate::engine::Failure;

/// A field that holds the parties' points.
pub(crate) trait Field: Copy + PartialEq + std::fmt::Debug + 'static {
    /// Neutral for addition.
    const ZERO: Self;
    /// Neutral for multiplication.
    const ONE: Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The inverse; zero gives zero.
    fn inverse(self) -> Self;
    /// The point of a seat: its number counted from 1, as an integer or as coefficients of bits.
    fn point(seat: usize) -> Self;
}

/// A vector's unit of arithmetic: one element of a field, or 64 of a small binary one beside each other. Operations are free of
/// branches and addresses that depend on values.
pub(crate) trait Lane: Pod + PartialEq + Zeroize + std::fmt::Debug + 'static {
    /// The field of points and factors. It is the field of the values, or lies within.
    type Scalar: Field;
    /// The field of challenges, of more than 2^120 elements; it contains the values' field.
    type Wide: Wide<Scalar = Self::Scalar, Wide = Self::Wide>;
    /// Whose values it carries.
    const DOMAIN: Domain;
    /// Elements in a lane.
    const WIDTH: usize;
    /// Zero everywhere.
    const NIL: Self;
    fn sum(self, other: Self) -> Self;
    fn difference(self, other: Self) -> Self;
    fn product(self, other: Self) -> Self;
    fn scaled(self, factor: Self::Scalar) -> Self;
    /// A factor in every element.
    fn constant(value: Self::Scalar) -> Self;
    /// Makes uniform bytes uniform elements.
    fn drawn(self) -> Self;
    /// Whether the bytes encode elements.
    fn is_valid(self) -> bool;
    /// One of the elements, in the field of challenges.
    fn wide(self, element: usize) -> Self::Wide;
    /// Uniform values of the domain rather than of the field: for bits, zeros and ones.
    fn value_drawn(self) -> Self {
        self.drawn()
    }
    /// `out = Σ factor · input`, element-wise over equally long vectors.
    fn combine(out: &mut [Self], terms: &[(Self::Scalar, &[Self])]) {
        out.fill(Self::NIL);
        for (factor, input) in terms {
            out.iter_mut().zip(*input).for_each(|(out, value)| *out = out.sum(value.scaled(*factor)));
        }
    }

    /// The inner product of two vectors.
    fn dot(left: &[Self], right: &[Self]) -> Self {
        left.iter().zip(right).fold(Self::NIL, |sum, (x, y)| sum.sum(x.product(*y)))
    }
}

/// A field of challenges.
pub(crate) trait Wide: Lane {
    /// The inverse; zero gives zero. Of public values only.
    fn inverse(self) -> Self;
}

/// How many lanes hold `len` values.
pub(crate) const fn lanes<L: Lane>(len: usize) -> usize {
    len.div_ceil(L::WIDTH)
}

/// Lanes that carry the values of a column in the clear.
pub(crate) trait Valued: Lane {
    /// # Errors
    /// [`Failure::Program`] for values of another domain.
    fn read(values: &Values) -> Result<Vec<Self>, Failure>;
    fn write(lanes: Vec<Self>, len: usize) -> Values;
    /// One of the elements.
    fn element(self, element: usize) -> Self::Scalar;
    /// The lowest coefficient of one of the elements, where the lane carries bits: the bit itself.
    fn bit(self, element: usize) -> bool;
    /// Replaces one of the elements.
    fn set(&mut self, element: usize, value: Self::Scalar);
    /// Bits beside each other, where the lane carries bits.
    fn from_word(word: u64) -> Self;
    /// A public factor.
    fn factor(factor: i128) -> Self::Scalar;
}

macro_rules! prime {
    ($field:ty) => {
        impl Field for $field {
            const ZERO: Self = <Self as crate::domain::Element>::ZERO;
            const ONE: Self = <Self as crate::domain::Element>::ONE;
            #[inline]
            fn plus(self, other: Self) -> Self {
                self.add(other)
            }
            #[inline]
            fn minus(self, other: Self) -> Self {
                self.sub(other)
            }
            #[inline]
            fn times(self, other: Self) -> Self {
                self.mul(other)
            }
            fn inverse(self) -> Self {
                self.invert()
            }
            fn point(seat: usize) -> Self {
                Self::from_u128(seat as u128 + 1)
            }
        }

        impl Valued for $field {
            fn read(values: &Values) -> Result<Vec<Self>, Failure> {
                Ok(values.elements::<Self>().ok_or(Failure::Program("values of the column's domain"))?.to_vec())
            }
            fn write(lanes: Vec<Self>, _: usize) -> Values {
                <Self as crate::domain::Element>::values(lanes)
            }
            fn element(self, _: usize) -> Self {
                self
            }
            fn bit(self, _: usize) -> bool {
                self.to_u128() & 1 == 1
            }
            fn set(&mut self, _: usize, value: Self) {
                *self = value;
            }
            fn from_word(word: u64) -> Self {
                Self::from_u128(word.into())
            }
            fn factor(factor: i128) -> Self {
                crate::plain::scalar(factor)
            }
        }
    };
}

prime!(M61);
prime!(P127);

/// What a prime field's lane does alike in both.
macro_rules! single {
    () => {
        const WIDTH: usize = 1;
        const NIL: Self = <Self as crate::domain::Element>::ZERO;
        #[inline]
        fn sum(self, other: Self) -> Self {
            self.add(other)
        }
        #[inline]
        fn difference(self, other: Self) -> Self {
            self.sub(other)
        }
        #[inline]
        fn product(self, other: Self) -> Self {
            self.mul(other)
        }
        #[inline]
        fn scaled(self, factor: Self) -> Self {
            self.mul(factor)
        }
        fn constant(value: Self) -> Self {
            value
        }
        #[inline]
        fn drawn(self) -> Self {
            crate::domain::Element::from_stream(self)
        }
        #[inline]
        fn is_valid(self) -> bool {
            self.is_canonical()
        }
    };
}

impl Lane for M61 {
    type Scalar = Self;
    type Wide = super::extension::M61x2;
    const DOMAIN: Domain = Domain::M61;
    single!();

    fn wide(self, _: usize) -> Self::Wide {
        super::extension::M61x2::real(self)
    }

    /// Products are summed in 128 bits before they are reduced.
    fn combine(out: &mut [Self], terms: &[(Self, &[Self])]) {
        let wide = |a: Self, b: Self| u128::from(a.get()) * u128::from(b.get());
        match *terms {
            [(f, x)] => out.iter_mut().zip(x).for_each(|(out, x)| *out = f.mul(*x)),
            [(f, x), (g, y)] => {
                for (out, (x, y)) in out.iter_mut().zip(x.iter().zip(y)) {
                    *out = Self::from_wide(wide(f, *x) + wide(g, *y));
                }
            }
            [(f, x), (g, y), (h, z)] => {
                for (out, ((x, y), z)) in out.iter_mut().zip(x.iter().zip(y).zip(z)) {
                    *out = Self::from_wide(wide(f, *x) + wide(g, *y) + wide(h, *z));
                }
            }
            _ => {
                out.fill(Self::NIL);
                let (fours, rest) = terms.as_chunks::<4>();
                for [(f, x), (g, y), (h, z), (i, w)] in fours {
                    for (out, (((x, y), z), w)) in out.iter_mut().zip(x.iter().zip(*y).zip(*z).zip(*w)) {
                        let sum = wide(*f, *x) + wide(*g, *y) + wide(*h, *z) + wide(*i, *w);
                        *out = Self::from_wide(sum + u128::from(out.get()));
                    }
                }
                for (f, x) in rest {
                    out.iter_mut()
                        .zip(*x)
                        .for_each(|(out, x)| *out = Self::from_wide(wide(*f, *x) + u128::from(out.get())));
                }
            }
        }
    }

    fn dot(left: &[Self], right: &[Self]) -> Self {
        let wide = |(x, y): (&Self, &Self)| u128::from(x.get()) * u128::from(y.get());
        let part = |(x, y): (&[Self], &[Self])| Self::from_wide(x.iter().zip(y).map(wide).sum());
        left.chunks(32).zip(right.chunks(32)).map(part).fold(Self::NIL, Self::sum)
    }
}

impl Lane for P127 {
    type Scalar = Self;
    type Wide = Self;
    const DOMAIN: Domain = Domain::P127;
    single!();

    fn wide(self, _: usize) -> Self {
        self
    }
}

impl Wide for P127 {
    fn inverse(self) -> Self {
        self.invert()
    }
}
