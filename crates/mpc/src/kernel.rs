//! Vector arithmetic of the protocols, compiled for what the processor offers: the only module that calls code the compiler may not
//! assume to run everywhere.
//!
//! Each kernel is plain code in [`portable`], compiled three times: as it is, for AVX2 and for AVX-512. All compute exactly, so that
//! transcripts are the same whichever runs. A [`Level`] other than the portable one exists only after the processor was asked.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod carryless;
pub(crate) mod field128;
pub(crate) mod galois;
mod octet;
mod portable;
pub(crate) mod words;

use crate::rep3::{Atom, Ring, Word};

/// Which compilation of the kernels runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// A share's two parts, side by side: `[x_i, x_{i+1}]`.
pub(crate) type Parts<'a, A> = [&'a [A]; 2];

/// 512 rows of 64 bits: eight matrices of 64 × 64.
pub(crate) const BLOCK: usize = 512;

impl Level {
    /// All that this processor offers, the fastest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx2");
            if avx512 {
                levels.push(Self(Kind::Avx512));
            }
            if is_x86_feature_detected!("avx2") {
                levels.push(Self(Kind::Avx2));
            }
        }
        levels.push(Self(Kind::Portable));
        levels
    }

    /// The fastest that this processor offers.
    pub(crate) fn detect() -> Self {
        Self::available()[0]
    }

    /// The name, for reports.
    #[cfg(test)]
    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512",
        }
    }

    /// `z[k] += x_i[k] (y_i[k] + y_{i+1}[k]) + x_{i+1}[k] y_i[k] − b[k]`; all slices are as long as `z`.
    pub(crate) fn products<A: Atom>(self, z: &mut [A], x: Parts<'_, A>, y: Parts<'_, A>, b: &[A]) {
        match self.0 {
            Kind::Portable => portable::products(z, x, y, b),
            // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::products(z, x, y, b) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::products(z, x, y, b) },
        }
    }

    /// `Σ_k x_i[k] (y_i[k] + y_{i+1}[k]) + x_{i+1}[k] y_i[k]`; all slices are of one length.
    pub(crate) fn dot<A: Atom>(self, x: Parts<'_, A>, y: Parts<'_, A>) -> A {
        match self.0 {
            Kind::Portable => portable::dot(x, y),
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::dot(x, y) },
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::dot(x, y) },
        }
    }

    /// `z += X_i (Y_i + Y_{i+1}) + X_{i+1} Y_i` for matrices by rows: `x` is `rows × inner`, `y` is `inner × columns`, `z` is
    /// `rows × columns`, of which `shape` gives the last two.
    pub(crate) fn matrix<A: Atom>(self, z: &mut [A], x: Parts<'_, A>, y: Parts<'_, A>, shape: [usize; 2]) {
        match self.0 {
            Kind::Portable => portable::matrix(z, x, y, shape),
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::matrix(z, x, y, shape) },
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::matrix(z, x, y, shape) },
        }
    }

    /// `z[k] += factor · x[k]`.
    pub(crate) fn scaled<A: Atom>(self, z: &mut [A], factor: A, x: &[A]) {
        match self.0 {
            Kind::Portable => portable::scaled(z, factor, x),
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::scaled(z, factor, x) },
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::scaled(z, factor, x) },
        }
    }

    /// `z[k] += factor · x[k]` where bit `k` is set; without `x`, `factor`. There are as many words as hold `z.len()` bits.
    pub(crate) fn chosen<R: Ring>(self, z: &mut [R], bits: &[Word], factor: R, x: Option<&[R]>) {
        match self.0 {
            Kind::Portable => portable::chosen(z, bits, factor, x),
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::chosen(z, bits, factor, x) },
            // SAFETY: as in `products`.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::chosen(z, bits, factor, x) },
        }
    }

    /// Transposes eight matrices of 64 × 64 bits: bit `p` of `rows[64 w + r]` goes to bit `r` of `planes[p][w]`.
    pub(crate) fn transpose(self, rows: &[u64; BLOCK], planes: &mut [[u64; 8]; 64]) {
        match self.0 {
            Kind::Portable => portable::transpose(rows, planes),
            // With AVX-512 the compiler resorts to gathers and scatters: 0.13 instead of 2.1 G rows/s.
            // SAFETY: as in `products`; the higher level is made only where AVX2 is offered too.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::Avx512 => unsafe { avx2::transpose(rows, planes) },
        }
    }
}

#[cfg(test)]
mod tests;
