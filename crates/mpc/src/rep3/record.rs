//! The products of a session that a malicious party may have falsified: what a verifier is given before anything is opened.

use crate::domain::Domain;
use crate::engine::{Cost, Fut, Io, OpId};

use super::share::{Atom, Span, Word};

/// One vector of products, as this party holds its operands and result.
///
/// With `c = Σ left · right` as `shape` says, party `i` computed and sent to party `i − 1` its part of the result
///
/// ```text
/// z_i = Σ (x_i (y_i + y_{i+1}) + x_{i+1} y_i) + a_i − a_{i−1}
/// ```
///
/// and received `z_{i+1}` from party `i + 1`: `out` is `(z_i, z_{i+1})`. The mask `a_i` is the stream of the pair `(i, i + 1)` under `op`,
/// from its beginning, atom by atom of `out` (for bits: words, exclusive or).
#[derive(Clone)]
pub(crate) struct Product<A> {
    /// Names its messages and masks.
    pub(crate) op: OpId,
    /// The left factors.
    pub(crate) left: Span<A>,
    /// The right factors.
    pub(crate) right: Span<A>,
    /// The results.
    pub(crate) out: Span<A>,
    /// Which factors go into which result.
    pub(crate) shape: Shape,
}

/// Which factors go into which result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `out[k] = left[k] · right[k]`.
    Each,
    /// `groups` inner products of stretches of equal length: `out` has `groups` atoms.
    Dot {
        /// How many.
        groups: usize,
    },
    /// `left` is `rows × inner`, `right` is `inner × columns`, `out` is `rows × columns`, all by rows.
    Matrix {
        /// Of `left` and `out`.
        rows: usize,
        /// Of the sums.
        inner: usize,
        /// Of `right` and `out`.
        columns: usize,
    },
}

impl<A: Atom> Product<A> {
    /// How many atoms, and how they are multiplied.
    pub(crate) const fn size(&self) -> Size {
        Size { shape: self.shape, left: self.left.len(), results: self.out.len() }
    }

    /// The places of the factors whose products make a result.
    pub(crate) fn terms(&self, result: usize) -> impl Iterator<Item = (usize, usize)> + use<A> {
        let (count, left, right) = match self.shape {
            Shape::Each => (1, (result, 1), (result, 1)),
            Shape::Dot { groups } => {
                let stretch = self.left.len() / groups;
                (stretch, (result * stretch, 1), (result * stretch, 1))
            }
            Shape::Matrix { inner, columns, .. } => (inner, (result / columns * inner, 1), (result % columns, columns)),
        };
        (0..count).map(move |k| (left.0 + k * left.1, right.0 + k * right.1))
    }
}

/// What of a vector of products is public.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Which factors go into which result.
    pub(crate) shape: Shape,
    /// Left factors.
    pub(crate) left: usize,
    /// Results.
    pub(crate) results: usize,
}

impl Size {
    /// Of products element by element.
    pub(crate) const fn each(len: usize) -> Self {
        Self { shape: Shape::Each, left: len, results: len }
    }

    /// Of inner products of stretches of so many left factors in all.
    pub(crate) const fn dot(left: usize, groups: usize) -> Self {
        Self { shape: Shape::Dot { groups }, left, results: groups }
    }
}

/// The sizes of a check's records, by ring: all that its cost depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    /// Over Z_2^64.
    pub(crate) ring64: Vec<Size>,
    /// Over Z_2^128.
    pub(crate) ring128: Vec<Size>,
    /// Of words of bits.
    pub(crate) bits: Vec<Size>,
}

impl Sizes {
    /// Those of a ring.
    pub(crate) fn ring(&mut self, domain: Domain) -> &mut Vec<Size> {
        if domain == Domain::Ring128 { &mut self.ring128 } else { &mut self.ring64 }
    }

    /// Those of records.
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut sizes = Self::default();
        for record in records {
            match record {
                Record::Ring64(product) => sizes.ring64.push(product.size()),
                Record::Ring128(product) => sizes.ring128.push(product.size()),
                Record::Bits(product) => sizes.bits.push(product.size()),
            }
        }
        sizes
    }
}

/// A [`Product`] of any of the kinds of atoms.
#[derive(Clone)]
pub(crate) enum Record {
    /// Over Z_2^64.
    Ring64(Product<u64>),
    /// Over Z_2^128.
    Ring128(Product<u128>),
    /// Conjunctions of words of bits.
    Bits(Product<Word>),
}

impl Record {
    /// Names its messages and masks.
    pub(crate) const fn op(&self) -> OpId {
        match self {
            Self::Ring64(product) => product.op,
            Self::Ring128(product) => product.op,
            Self::Bits(product) => product.op,
        }
    }
}

/// Finds out whether recorded products are what they should be, with all three parties.
pub(crate) trait Verifier {
    /// Verifies records, ordered by operation, the same at all parties. No work that multiplies may be under way beside it.
    ///
    /// # Errors
    /// Where one is false: a [`crate::engine::Fault::Proof`], of a party, a pair or somebody.
    fn verify<'a>(&'a self, io: &'a mut Io, records: Vec<Record>) -> Fut<'a, ()>;

    /// What verifying records of these sizes costs, all parties together.
    fn cost(&self, sizes: &Sizes) -> Cost;
}
