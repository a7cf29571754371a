//! Eight atoms side by side.

use bytemuck::{Pod, Zeroable};

use crate::rep3::{Atom, Word};

/// Eight 64-bit words where a vector register can load them at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Octet(pub(crate) [u64; 8]);

impl Octet {
    /// Zeros.
    pub(crate) const ZERO: Self = Self([0; 8]);
}

/// Arithmetic on eight atoms at once.
pub(super) trait Lanes: Copy {
    /// One lane.
    type Atom: Atom;
    /// Reads the first eight.
    fn load(from: &[Self::Atom]) -> Self;
    /// Writes the first eight.
    fn store(self, to: &mut [Self::Atom]);
    /// Sums.
    fn add(self, other: Self) -> Self;
    /// Differences.
    fn sub(self, other: Self) -> Self;
    /// Products.
    fn mul(self, other: Self) -> Self;
    /// One atom in all lanes.
    fn splat(atom: Self::Atom) -> Self;
}

/// [`Lanes`] in plain code.
#[derive(Clone, Copy)]
pub(super) struct Plain<A>([A; 8]);

impl<A: Atom> Plain<A> {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(A, A) -> A) -> Self {
        Self(std::array::from_fn(|lane| op(self.0[lane], other.0[lane])))
    }
}

impl<A: Atom> Lanes for Plain<A> {
    type Atom = A;

    #[inline(always)]
    fn load(from: &[A]) -> Self {
        Self(*from.first_chunk().expect("eight atoms"))
    }

    #[inline(always)]
    fn store(self, to: &mut [A]) {
        *to.first_chunk_mut().expect("eight atoms") = self.0;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, A::plus)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, A::minus)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, A::times)
    }

    #[inline(always)]
    fn splat(atom: A) -> Self {
        Self([atom; 8])
    }
}

/// [`Lanes`] in AVX-512 registers. Values exist only in code that runs after the processor was asked for AVX-512 F and DQ.
#[cfg(target_arch = "x86_64")]
pub(super) mod wide {
    use std::arch::x86_64::{
        __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_mullo_epi64, _mm512_set1_epi64,
        _mm512_storeu_si512, _mm512_sub_epi64, _mm512_xor_si512,
    };

    use super::{Lanes, Word};

    /// Of Z_2^64.
    #[derive(Clone, Copy)]
    pub(crate) struct Ring(pub(crate) __m512i);

    /// Of bits.
    #[derive(Clone, Copy)]
    pub(crate) struct Words(pub(crate) __m512i);

    // SAFETY of all below: see the module; loads and stores are of eight atoms that the slices have.
    impl Lanes for Ring {
        type Atom = u64;

        #[inline(always)]
        fn load(from: &[u64]) -> Self {
            let from: &[u64; 8] = from.first_chunk().expect("eight atoms");
            Self(unsafe { _mm512_loadu_si512(from.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store(self, to: &mut [u64]) {
            let to: &mut [u64; 8] = to.first_chunk_mut().expect("eight atoms");
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm512_sub_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm512_mullo_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn splat(atom: u64) -> Self {
            Self(unsafe { _mm512_set1_epi64(atom as i64) })
        }
    }

    impl Lanes for Words {
        type Atom = Word;

        #[inline(always)]
        fn load(from: &[Word]) -> Self {
            let from: &[Word; 8] = from.first_chunk().expect("eight atoms");
            Self(unsafe { _mm512_loadu_si512(from.as_ptr().cast()) })
        }

        #[inline(always)]
        fn store(self, to: &mut [Word]) {
            let to: &mut [Word; 8] = to.first_chunk_mut().expect("eight atoms");
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_xor_si512(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            self.add(other)
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm512_and_si512(self.0, other.0) })
        }

        #[inline(always)]
        fn splat(atom: Word) -> Self {
            Self(unsafe { _mm512_set1_epi64(atom.0 as i64) })
        }
    }
}
