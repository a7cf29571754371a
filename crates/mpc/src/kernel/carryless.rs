//! Products of binary polynomials: `GF(2)[X]/(X^64 + X^4 + X^3 + X + 1)`, eight elements at a time, and sums of packed words of bits.
//!
//! All is exact, so that every variant computes the same.

use crate::rep3::Word;

use super::galois::{expand_blocks, rows_to_points};
use super::octet::{Octet, Plain};
use super::{Kind, Level, words};

#[cfg(target_arch = "x86_64")]
mod avx512;

/// The modulus below `X^64`.
const MODULUS: u64 = 0b1_1011;

/// Eight elements of 128 bits, not reduced: of the products of lanes 0, 2, 4, 6 and of lanes 1, 3, 5, 7, each low word first.
pub(crate) type Long = [Octet; 2];

/// Operations on eight words at once.
trait Carryless: Copy {
    fn load(from: &[u64; 8]) -> Self;
    fn store(self, to: &mut [u64; 8]);
    fn xor(self, other: Self) -> Self;
    /// Products of lanes 0, 2, 4, 6: low word, high word.
    fn even(self, other: Self) -> Self;
    /// Products of lanes 1, 3, 5, 7.
    fn odd(self, other: Self) -> Self;
    /// Lanes 0, 2, 4, 6 of two.
    fn weave(even: Self, odd: Self) -> Self;
    fn splat(word: u64) -> Self;

    #[inline(always)]
    fn multiply(self, other: Self) -> Self {
        Self::weave(self.even(other).reduce(), self.odd(other).reduce())
    }

    /// Four elements of 128 bits modulo the modulus, in lanes 0, 2, 4, 6.
    #[inline(always)]
    fn reduce(self) -> Self {
        // The modulus in odd lanes meets the high words; what flows over has four bits and cannot do so again.
        let modulus = Self::splat(MODULUS);
        let over = self.odd(modulus);
        self.xor(over).xor(over.odd(modulus))
    }
}

/// In plain code.
#[derive(Clone, Copy)]
struct Portable([u64; 8]);

impl Carryless for Portable {
    fn load(from: &[u64; 8]) -> Self {
        Self(*from)
    }

    fn store(self, to: &mut [u64; 8]) {
        *to = self.0;
    }

    fn xor(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane] ^ other.0[lane]))
    }

    fn even(self, other: Self) -> Self {
        Self::products(|pair| (self.0[2 * pair], other.0[2 * pair]))
    }

    fn odd(self, other: Self) -> Self {
        Self::products(|pair| (self.0[2 * pair + 1], other.0[2 * pair + 1]))
    }

    fn weave(even: Self, odd: Self) -> Self {
        Self(std::array::from_fn(|lane| if lane % 2 == 0 { even.0[lane] } else { odd.0[lane - 1] }))
    }

    fn splat(word: u64) -> Self {
        Self([word; 8])
    }
}

impl Portable {
    fn products(pair: impl Fn(usize) -> (u64, u64)) -> Self {
        let mut out = [0; 8];
        for at in 0..4 {
            let (left, right) = pair(at);
            let product = words::multiply(left, right);
            (out[2 * at], out[2 * at + 1]) = (product as u64, (product >> 64) as u64);
        }
        Self(out)
    }
}

/// The product of two elements.
pub(crate) fn multiply(left: u64, right: u64) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if words::have_instruction() {
        // SAFETY: the processor has the instruction that the function is compiled for.
        return unsafe { multiply_by_instruction(left, right) };
    }
    reduced(words::multiply(left, right))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq")]
fn multiply_by_instruction(left: u64, right: u64) -> u64 {
    reduced(words::multiply_by_instruction(left, right))
}

/// An element of 128 bits modulo the modulus; what flows over has four bits and cannot do so again.
#[inline]
fn reduced(value: u128) -> u64 {
    let fold = |high: u128| high ^ (high << 1) ^ (high << 3) ^ (high << 4);
    let over = fold(value >> 64);
    value as u64 ^ over as u64 ^ fold(over >> 64) as u64
}

/// The products of blocks at `3^t` points, over words of bits.
pub(crate) fn expand(level: Level, x: [&[Word]; 2], y: [&[Word]; 2], t: u32, all: bool, rows: &mut [Word]) {
    match level.0 {
        // SAFETY: see `carries`.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::expand_words(x, y, t, all, rows) },
        _ => expand_blocks::<Plain<Word>>(x, y, t, all, rows),
    }
}

/// Whether the processor multiplies polynomials in wide registers.
fn carries(level: Level) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        level.0 == Kind::Avx512 && is_x86_feature_detected!("vpclmulqdq") && is_x86_feature_detected!("avx512vl")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        false
    }
}

/// Adds to each row the products of its words and the codes of the block's lanes; `sums` has as many as a block has rows.
pub(crate) fn absorb(level: Level, sums: &mut [Long], words: &[u64], codes: &[u64]) {
    if carries(level) {
        // SAFETY: the processor has all that the kernel is compiled for.
        #[cfg(target_arch = "x86_64")]
        return unsafe { avx512::absorb_blocks(sums, words, codes) };
    }
    absorb_blocks::<Portable>(sums, words, codes);
}

#[inline(always)]
fn absorb_blocks<C: Carryless>(sums: &mut [Long], words: &[u64], codes: &[u64]) {
    for (words, codes) in words.chunks_exact(sums.len() * 8).zip(codes.chunks_exact(8)) {
        let codes = C::load(codes.first_chunk().expect("eight codes"));
        for (sum, row) in sums.iter_mut().zip(words.chunks_exact(8)) {
            let row = C::load(row.first_chunk().expect("eight words"));
            accumulate(sum, row.even(codes), row.odd(codes));
        }
    }
}

#[inline(always)]
fn accumulate<C: Carryless>(sum: &mut Long, even: C, odd: C) {
    C::load(&sum[0].0).xor(even).store(&mut sum[0].0);
    C::load(&sum[1].0).xor(odd).store(&mut sum[1].0);
}

/// The sum of all lanes, reduced.
pub(crate) fn total(sum: &Long) -> u64 {
    let all = sum.iter().flat_map(|octet| octet.0.chunks_exact(2));
    let (low, high) = all.fold((0, 0), |(low, high), pair| (low ^ pair[0], high ^ pair[1]));
    reduced(u128::from(high) << 64 | u128::from(low))
}

/// `Σ_a weights[a] · bit b of row a`, for each block 64 octets, one for each bit.
pub(crate) fn lift(words: &[u64], weights: &[u64], out: &mut Vec<Octet>) {
    let tables: Vec<[u64; 256]> = weights.chunks(8).map(subsets).collect();
    for block in words.chunks_exact(weights.len() * 8) {
        let mut packs = [Octet::ZERO; 64];
        for (rows, table) in block.chunks(64).zip(&tables) {
            for lane in 0..8 {
                for byte in 0..8 {
                    // The byte of each row, as a matrix of 8 × 8 bits; transposed, an index for each bit.
                    let matrix = rows
                        .chunks_exact(8)
                        .enumerate()
                        .fold(0, |matrix, (row, words)| matrix | (words[lane] >> (8 * byte) & 0xff) << (8 * row));
                    for (bit, index) in transpose(matrix).to_le_bytes().into_iter().enumerate() {
                        packs[8 * byte + bit].0[lane] ^= table[usize::from(index)];
                    }
                }
            }
        }
        out.extend_from_slice(&packs);
    }
}

/// The sums of all subsets of up to eight weights.
fn subsets(weights: &[u64]) -> [u64; 256] {
    let mut sums = [0; 256];
    for set in 1usize..256 {
        let lowest = set.trailing_zeros() as usize;
        sums[set] = sums[set & (set - 1)] ^ weights.get(lowest).copied().unwrap_or(0);
    }
    sums
}

/// Transposes a matrix of 8 × 8 bits.
const fn transpose(mut matrix: u64) -> u64 {
    let mut swap = (matrix ^ (matrix >> 7)) & 0x00aa_00aa_00aa_00aa;
    matrix ^= swap ^ (swap << 7);
    swap = (matrix ^ (matrix >> 14)) & 0x0000_cccc_0000_cccc;
    matrix ^= swap ^ (swap << 14);
    swap = (matrix ^ (matrix >> 28)) & 0x0000_0000_f0f0_f0f0;
    matrix ^ swap ^ (swap << 28)
}

/// Multiplies elements by those of as many octets.
pub(crate) fn scale(level: Level, packs: &mut [Octet], factors: &[Octet]) {
    if carries(level) {
        // SAFETY: as in `absorb`.
        #[cfg(target_arch = "x86_64")]
        return unsafe { avx512::scale_packs(packs, factors) };
    }
    scale_packs::<Portable>(packs, factors);
}

#[inline(always)]
fn scale_packs<C: Carryless>(packs: &mut [Octet], factors: &[Octet]) {
    for (pack, factor) in packs.iter_mut().zip(factors) {
        C::load(&pack.0).multiply(C::load(&factor.0)).store(&mut pack.0);
    }
}

/// `low + r (high − low)` for neighbours; a last one without is multiplied by `1 − r`.
pub(crate) fn fold(level: Level, packs: &[Octet], code: u64) -> Vec<Octet> {
    let mut out = vec![Octet::ZERO; packs.len().div_ceil(2)];
    if carries(level) {
        // SAFETY: as in `absorb`.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            avx512::fold_packs(packs, code, &mut out);
        }
        return out;
    }
    fold_packs::<Portable>(packs, code, &mut out);
    out
}

#[inline(always)]
fn fold_packs<C: Carryless>(packs: &[Octet], code: u64, out: &mut [Octet]) {
    let r = C::splat(code);
    for (pair, out) in packs.chunks(2).zip(out) {
        let low = C::load(&pair[0].0);
        let steep = if let [_, high] = pair { C::load(&high.0).xor(low) } else { low };
        low.xor(steep.multiply(r)).store(&mut out.0);
    }
}

/// The products of groups of `2^t` octets at `3^t` points, summed over groups and lanes. The last group is padded with zeros.
pub(crate) fn products(level: Level, u: [&[Octet]; 2], v: [&[Octet]; 2], t: u32) -> Vec<u64> {
    let mut sums = vec![[Octet::ZERO; 2]; 3usize.pow(t)];
    if carries(level) {
        // SAFETY: as in `absorb`.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            avx512::products_of(u, v, t, &mut sums);
        }
    } else {
        products_of::<Portable>(u, v, t, &mut sums);
    }
    sums.iter().map(total).collect()
}

#[inline(always)]
fn products_of<C: Carryless>(u: [&[Octet]; 2], v: [&[Octet]; 2], t: u32, sums: &mut [Long]) {
    let places: Vec<(usize, usize)> = rows_to_points(t).collect();
    let mut sides: [Vec<Octet>; 4] = std::array::from_fn(|_| vec![Octet::ZERO; sums.len()]);
    let steep = super::galois::differences(t);
    for group in 0..u[0].len().div_ceil(1 << t) {
        for (side, points) in [u[0], u[1], v[0], v[1]].into_iter().zip(&mut sides) {
            for (row, point) in &places {
                points[*point] = side.get((group << t) + row).copied().unwrap_or(Octet::ZERO);
            }
            for (point, step) in &steep {
                let difference = C::load(&points[point - step].0).xor(C::load(&points[point - 2 * step].0));
                difference.store(&mut points[*point].0);
            }
        }
        for (point, sum) in sums.iter_mut().enumerate() {
            let (u_own, u_next) = (C::load(&sides[0][point].0), C::load(&sides[1][point].0));
            let (v_own, v_next) = (C::load(&sides[2][point].0), C::load(&sides[3][point].0));
            let both = v_own.xor(v_next);
            accumulate(sum, u_own.even(both).xor(u_next.even(v_own)), u_own.odd(both).xor(u_next.odd(v_own)));
        }
    }
}
