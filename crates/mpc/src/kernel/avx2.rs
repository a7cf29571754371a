//! The kernels compiled for AVX2.

use crate::rep3::{Atom, Ring, Word};

use super::{BLOCK, Parts, portable};

#[target_feature(enable = "avx2")]
pub(super) fn products<A: Atom>(z: &mut [A], x: Parts<'_, A>, y: Parts<'_, A>, b: &[A]) {
    portable::products(z, x, y, b);
}

#[target_feature(enable = "avx2")]
pub(super) fn dot<A: Atom>(x: Parts<'_, A>, y: Parts<'_, A>) -> A {
    portable::dot(x, y)
}

#[target_feature(enable = "avx2")]
pub(super) fn matrix<A: Atom>(z: &mut [A], x: Parts<'_, A>, y: Parts<'_, A>, shape: [usize; 2]) {
    portable::matrix(z, x, y, shape);
}

#[target_feature(enable = "avx2")]
pub(super) fn scaled<A: Atom>(z: &mut [A], factor: A, x: &[A]) {
    portable::scaled(z, factor, x);
}

#[target_feature(enable = "avx2")]
pub(super) fn transpose(rows: &[u64; BLOCK], planes: &mut [[u64; 8]; 64]) {
    portable::transpose(rows, planes);
}

#[target_feature(enable = "avx2")]
pub(super) fn chosen<R: Ring>(z: &mut [R], bits: &[Word], factor: R, x: Option<&[R]>) {
    portable::chosen(z, bits, factor, x);
}
