//! The kernels as compiled for AVX-512 with carry-less multiplication, which is all that calling them needs.

use std::arch::x86_64::{
    __m512i, _mm512_clmulepi64_epi128, _mm512_loadu_si512, _mm512_set1_epi64, _mm512_storeu_si512,
    _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use crate::rep3::Word;

use super::super::galois::expand_blocks;
use super::super::octet::wide::Words;
use super::{Carryless, Long, Octet};

/// Eight words in a register. Values exist only in the kernels below.
#[derive(Clone, Copy)]
struct Wide(__m512i);

// SAFETY of all: the kernels below are compiled for these instructions, and called where there are such.
impl Carryless for Wide {
    #[inline(always)]
    fn load(from: &[u64; 8]) -> Self {
        Self(unsafe { _mm512_loadu_si512(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [u64; 8]) {
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn even(self, other: Self) -> Self {
        Self(unsafe { _mm512_clmulepi64_epi128::<0x00>(self.0, other.0) })
    }

    #[inline(always)]
    fn odd(self, other: Self) -> Self {
        Self(unsafe { _mm512_clmulepi64_epi128::<0x11>(self.0, other.0) })
    }

    #[inline(always)]
    fn weave(even: Self, odd: Self) -> Self {
        Self(unsafe { _mm512_unpacklo_epi64(even.0, odd.0) })
    }

    #[inline(always)]
    fn splat(word: u64) -> Self {
        Self(unsafe { _mm512_set1_epi64(word as i64) })
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn expand_words(x: [&[Word]; 2], y: [&[Word]; 2], t: u32, all: bool, rows: &mut [Word]) {
    expand_blocks::<Words>(x, y, t, all, rows);
}

#[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
pub(super) fn absorb_blocks(sums: &mut [Long], words: &[u64], codes: &[u64]) {
    super::absorb_blocks::<Wide>(sums, words, codes);
}

#[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
pub(super) fn scale_packs(packs: &mut [Octet], factors: &[Octet]) {
    super::scale_packs::<Wide>(packs, factors);
}

#[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
pub(super) fn fold_packs(packs: &[Octet], code: u64, out: &mut [Octet]) {
    super::fold_packs::<Wide>(packs, code, out);
}

#[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
pub(super) fn products_of(u: [&[Octet]; 2], v: [&[Octet]; 2], t: u32, sums: &mut [Long]) {
    super::products_of::<Wide>(u, v, t, sums);
}
