//! The kernels as compiled for AVX-512 F and DQ, which is all that calling them needs.

use super::super::octet::wide::Ring;
use super::{DEGREE, Octet, PRODUCTS, Pack, Scratch};

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn expand_blocks(x: [&[u64]; 2], y: [&[u64]; 2], t: u32, all: bool, rows: &mut [u64]) {
    super::expand_blocks::<Ring>(x, y, t, all, rows);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn absorb_blocks(rows: usize, sums: &mut [Octet], words: &[u64], codes: &[u64]) {
    super::absorb_blocks::<Ring>(rows, sums, words, codes);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn lift_blocks(words: &[u64], weights: &[[u64; DEGREE]], out: &mut [Pack]) {
    super::lift_blocks::<Ring>(words, weights, out);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn scale_pack(pack: &mut Pack, code: u64, packed: bool, scratch: &mut Scratch) {
    super::scale_pack::<Ring>(pack, code, packed, scratch);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn fold_pairs(packs: &mut [Pack], code: u64, scratch: &mut Scratch) {
    super::fold_pairs::<Ring>(packs, code, scratch);
}

#[target_feature(enable = "avx512f,avx512dq")]
pub(super) fn products_of(u: [&[Pack]; 2], v: [&[Pack]; 2], t: u32, sums: &mut [[Octet; PRODUCTS]]) {
    super::products_of::<Ring>(u, v, t, sums);
}
