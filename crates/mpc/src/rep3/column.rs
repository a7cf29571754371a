//! Shares as the engine's opaque columns.

use std::rc::Rc;

use crate::domain::{Bits, Domain, Values};
use crate::engine::{Column, Failure};

use super::share::{Replicated, Ring, Word};

/// A column's share, by domain.
pub(super) enum Share {
    Ring64(Rc<Replicated<u64>>),
    Ring128(Rc<Replicated<u128>>),
    Bits(Rc<Replicated<Word>>, usize),
}

impl Share {
    pub(super) fn of(column: &Column) -> Result<Self, Failure> {
        match column.domain() {
            Domain::Ring64 => ring(column).map(Self::Ring64),
            Domain::Ring128 => ring(column).map(Self::Ring128),
            Domain::Bits => Ok(Self::Bits(bits(column)?, column.len())),
            _ => Err(no_field()),
        }
    }

    /// Bytes of the parts `x_i`.
    pub(super) fn own(&self) -> &[u8] {
        match self {
            Self::Ring64(share) => bytemuck::cast_slice(&share.own),
            Self::Ring128(share) => bytemuck::cast_slice(&share.own),
            Self::Bits(share, _) => bytemuck::cast_slice(&share.own),
        }
    }

    /// Bytes of the parts `x_{i+1}`.
    pub(super) fn next(&self) -> &[u8] {
        match self {
            Self::Ring64(share) => bytemuck::cast_slice(&share.next),
            Self::Ring128(share) => bytemuck::cast_slice(&share.next),
            Self::Bits(share, _) => bytemuck::cast_slice(&share.next),
        }
    }

    /// The values, given the third part as words.
    pub(super) fn values(&self, third: Vec<u64>) -> Values {
        match self {
            Self::Ring64(share) => Values::Ring64(sum(share, third)),
            Self::Ring128(share) => {
                let third = third.chunks_exact(2).map(|half| u128::from(half[1]) << 64 | u128::from(half[0]));
                Values::Ring128(sum(share, third.collect()))
            }
            Self::Bits(share, len) => {
                let words = sum(share, third.into_iter().map(Word).collect());
                Values::Bits(Bits::from_words(*len, words.into_iter().map(|word| word.0).collect()))
            }
        }
    }
}

fn sum<A: super::Atom>(share: &Replicated<A>, mut third: Vec<A>) -> Vec<A> {
    let held = share.own.iter().zip(&share.next);
    third.iter_mut().zip(held).for_each(|(sum, (own, next))| *sum = sum.plus(*own).plus(*next));
    third
}

/// A share of ring elements as a column.
pub(super) fn of_ring<R: Ring>(share: impl Into<Rc<Replicated<R>>>) -> Column {
    let share = share.into();
    Column::new(R::DOMAIN, share.len(), share)
}

/// A share of bits as a column of `len`.
pub(super) fn of_bits(len: usize, share: impl Into<Rc<Replicated<Word>>>) -> Column {
    let share: Rc<Replicated<Word>> = share.into();
    debug_assert_eq!(share.len(), words(len), "as many words as hold the bits");
    Column::new(Domain::Bits, len, share)
}

/// The share of a column of ring elements.
pub(super) fn ring<R: Ring>(column: &Column) -> Result<Rc<Replicated<R>>, Failure> {
    column.share::<Rc<Replicated<R>>>().cloned()
}

/// The share of a column of bits.
pub(super) fn bits(column: &Column) -> Result<Rc<Replicated<Word>>, Failure> {
    column.share::<Rc<Replicated<Word>>>().cloned()
}

/// Words that hold so many bits.
pub(super) const fn words(bits: usize) -> usize {
    bits.div_ceil(64)
}

/// That fields are another protocol's.
pub(super) const fn no_field() -> Failure {
    Failure::Unsupported { protocol: super::NAME, what: "values of a field" }
}

/// That something is not for bits.
pub(super) const fn no_bits(what: &'static str) -> Failure {
    Failure::Unsupported { protocol: super::NAME, what }
}
