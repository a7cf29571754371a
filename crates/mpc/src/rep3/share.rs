//! What a party holds of a secret vector: two of its three parts.

use std::ops::Range;
use std::rc::Rc;

use bytemuck::{Pod, Zeroable};

use crate::domain::{Domain, Values};
use crate::engine::Scalar;

use super::record::{Product, Record};

/// Party `i`'s share of a vector `x = x_0 + x_1 + x_2`: the parts `x_i` and `x_{i+1}`, indices modulo 3. A part alone is noise; part `j`
/// is held by the parties `j` and `j − 1`.
///
/// Bits are [`Word`]s of 64 under exclusive or. What lies past a column's last bit shares public values or fresh randomness, never
/// secrets, and openings clear it.
#[derive(Clone)]
pub(crate) struct Replicated<A> {
    /// `x_i`, which the previous party holds too.
    pub(crate) own: Vec<A>,
    /// `x_{i+1}`, which the next party holds too.
    pub(crate) next: Vec<A>,
}

impl<A: Atom> Replicated<A> {
    /// A sharing of zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self { own: vec![A::ZERO; len], next: vec![A::ZERO; len] }
    }

    /// Atoms: values, or words of bits.
    pub(crate) fn len(&self) -> usize {
        self.own.len()
    }
}

/// What parts consist of and products are taken of: elements of Z_2^64 or Z_2^128, or words of 64 bits.
pub(crate) trait Atom: Pod + PartialEq + Eq + std::fmt::Debug {
    /// Neutral for addition.
    const ZERO: Self;
    /// Sum; exclusive or of words.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// Difference; exclusive or of words.
    #[must_use]
    fn minus(self, other: Self) -> Self;
    /// Product; conjunction of words.
    #[must_use]
    fn times(self, other: Self) -> Self;
    /// A product as an entry of the log.
    fn record(product: Product<Self>) -> Record;
}

/// 64 bits side by side: addition is exclusive or, multiplication is conjunction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Word(pub(crate) u64);

impl Atom for Word {
    const ZERO: Self = Self(0);
    #[inline]
    fn plus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline]
    fn minus(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline]
    fn times(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    fn record(product: Product<Self>) -> Record {
        Record::Bits(product)
    }
}

impl Atom for u64 {
    const ZERO: Self = 0;
    #[inline]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn record(product: Product<Self>) -> Record {
        Record::Ring64(product)
    }
}

impl Atom for u128 {
    const ZERO: Self = 0;
    #[inline]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    #[inline]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn record(product: Product<Self>) -> Record {
        Record::Ring128(product)
    }
}

/// Elements of Z_2^64 or Z_2^128.
pub(crate) trait Ring: Atom {
    /// Its domain.
    const DOMAIN: Domain;
    /// Bits of an element.
    const BITS: u32;
    /// A public factor.
    fn scalar(factor: Scalar) -> Self;
    /// A bit as an element.
    fn bit(bit: u64) -> Self;
    /// Itself where `mask` is all ones, zero where it is zero.
    #[must_use]
    fn masked(self, mask: Self) -> Self;
    /// The quotient by `2^bits`, as an unsigned number; zero from `BITS` on.
    #[must_use]
    fn right(self, bits: u32) -> Self;
    /// The product by `2^bits`; zero from `BITS` on.
    #[must_use]
    fn left(self, bits: u32) -> Self;
    /// The 64 bits from bit `64 · limb` on.
    fn limb(self, limb: u32) -> u64;
    /// The elements of values of this domain.
    fn slice(values: &Values) -> Option<&[Self]>;
}

impl Ring for u64 {
    const DOMAIN: Domain = Domain::Ring64;
    const BITS: u32 = 64;
    fn scalar(factor: Scalar) -> Self {
        factor as Self
    }
    #[inline]
    fn bit(bit: u64) -> Self {
        bit
    }
    #[inline]
    fn masked(self, mask: Self) -> Self {
        self & mask
    }
    #[inline]
    fn right(self, bits: u32) -> Self {
        self.checked_shr(bits).unwrap_or(0)
    }
    #[inline]
    fn left(self, bits: u32) -> Self {
        self.checked_shl(bits).unwrap_or(0)
    }
    #[inline]
    fn limb(self, _: u32) -> u64 {
        self
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        values.elements()
    }
}

impl Ring for u128 {
    const DOMAIN: Domain = Domain::Ring128;
    const BITS: u32 = 128;
    fn scalar(factor: Scalar) -> Self {
        factor as Self
    }
    #[inline]
    fn bit(bit: u64) -> Self {
        bit.into()
    }
    #[inline]
    fn masked(self, mask: Self) -> Self {
        self & mask
    }
    #[inline]
    fn right(self, bits: u32) -> Self {
        self.checked_shr(bits).unwrap_or(0)
    }
    #[inline]
    fn left(self, bits: u32) -> Self {
        self.checked_shl(bits).unwrap_or(0)
    }
    #[inline]
    fn limb(self, limb: u32) -> u64 {
        (self >> (64 * limb)) as u64
    }
    fn slice(values: &Values) -> Option<&[Self]> {
        values.elements()
    }
}

/// A stretch of a share, kept alive by it: an operand of a product without a copy.
#[derive(Clone)]
pub(crate) struct Span<A> {
    share: Rc<Replicated<A>>,
    from: usize,
    len: usize,
}

impl<A: Atom> Span<A> {
    /// All of a share.
    pub(crate) fn all(share: &Rc<Replicated<A>>) -> Self {
        Self { share: Rc::clone(share), from: 0, len: share.len() }
    }

    /// A part of a share.
    ///
    /// # Panics
    /// Past its end.
    pub(crate) fn of(share: &Rc<Replicated<A>>, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= share.len(), "a span lies within its share");
        Self { share: Rc::clone(share), from: range.start, len: range.len() }
    }

    /// Atoms.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// A part of it.
    ///
    /// # Panics
    /// Past its end.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len, "a span lies within its share");
        Self { share: Rc::clone(&self.share), from: self.from + range.start, len: range.len() }
    }

    /// Parts `x_i`.
    pub(crate) fn own(&self) -> &[A] {
        &self.share.own[self.from..self.from + self.len]
    }

    /// Parts `x_{i+1}`.
    pub(crate) fn next(&self) -> &[A] {
        &self.share.next[self.from..self.from + self.len]
    }
}
