//! The field of 2^64 elements, for words of bits.

use crate::kernel::carryless;
use crate::rep3::Word;

use super::extension::Scalar;

/// An element of `GF(2)[X]/(X^64 + X^4 + X^3 + X + 1)`; bit `b` is the coefficient of `X^b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Binary(pub(crate) u64);

impl Scalar for Binary {
    type Atom = Word;
    const ZERO: Self = Self(0);
    const ONE: Self = Self(1);
    const CHALLENGE_BITS: u32 = 64;
    const VALUES: usize = 64;
    const LANES: usize = 1;
    const BYTES: usize = 8;

    #[inline]
    fn add(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    #[inline]
    fn mul(self, other: Self) -> Self {
        Self(carryless::multiply(self.0, other.0))
    }

    fn shift(self, power: usize) -> Self {
        self.mul(Self(1 << power))
    }

    fn challenge(code: u64) -> Self {
        Self(code)
    }

    #[inline]
    fn embed(atom: Word) -> Self {
        Self(atom.0)
    }

    #[inline]
    fn value(atom: Word, index: usize) -> Self {
        Self(atom.0 >> index & 1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Self(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    }
}
