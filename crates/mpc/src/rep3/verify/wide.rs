//! Bulk work in vector registers: the rings in earnest.

use std::sync::OnceLock;

use bytemuck::cast_slice;

use crate::kernel::{Level, carryless, galois};
use crate::rep3::Word;

use super::binary::Binary;
use super::extension::{Extension, OCTET, Weights};
use super::galois::Galois;

#[cfg(test)]
thread_local! {
    /// What a test has the checks of its thread use.
    pub(crate) static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// What the processor offers, asked once.
fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = FORCED.get() {
        return level;
    }
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(Level::detect)
}

/// `GR(2^64, 48)`.
pub(crate) struct Ring64;

/// `GF(2^64)`.
pub(crate) struct Bits;

impl Extension for Ring64 {
    type Scalar = Galois<u64, { galois::DEGREE }>;
    type Atom = u64;
    type Pack = galois::Pack;
    type Sums = galois::Sums;

    const FIRST: u32 = 6;

    fn variables(packs: usize) -> u32 {
        if packs > 512 { 2 } else { 3 }
    }

    fn expand(x: [&[u64]; 2], y: [&[u64]; 2], t: u32, all: bool, rows: &mut [u64]) {
        galois::expand_ring(level(), x, y, t, all, rows);
    }

    fn sums(rows: usize) -> Self::Sums {
        galois::Sums::new(rows)
    }

    fn absorb(sums: &mut Self::Sums, _: usize, words: &[u64], codes: &[u64]) {
        galois::absorb(level(), sums, words, codes);
    }

    fn finish(sums: Self::Sums) -> Vec<Self::Scalar> {
        sums.rows().map(|mut row| Galois::reduce(&mut row)).collect()
    }

    fn lift(words: &[u64], weights: &[Self::Scalar], out: &mut Vec<Self::Pack>) {
        let weights: Vec<_> = weights.iter().map(|weight| weight.0).collect();
        galois::lift(level(), words, &weights, out);
    }

    fn scale(packs: &mut [Self::Pack], weights: Weights<'_>) {
        let (code, packed) = match weights {
            Weights::Lanes(codes) => (codes[0], true),
            Weights::Whole(code) => (code, false),
        };
        let mut scratch = galois::Scratch::new();
        for pack in packs {
            galois::scale(level(), pack, code, packed, &mut scratch);
        }
    }

    fn products(u: [&[Self::Pack]; 2], v: [&[Self::Pack]; 2], t: u32) -> Vec<Self::Scalar> {
        let sums = galois::products(level(), u, v, t);
        sums.iter().map(|sum| Galois::reduce(&mut galois::combine(sum))).collect()
    }

    fn fold(mut packs: Vec<Self::Pack>, point: &[u64]) -> Vec<Self::Pack> {
        let mut scratch = galois::Scratch::new();
        point.iter().for_each(|code| galois::fold(level(), &mut packs, *code, &mut scratch));
        packs
    }

    fn unpack(pack: &Self::Pack) -> [Self::Scalar; OCTET] {
        std::array::from_fn(|lane| Galois(std::array::from_fn(|power| pack[power].0[lane])))
    }
}

impl Extension for Bits {
    type Scalar = Binary;
    type Atom = Word;
    type Pack = galois::Octet;
    type Sums = Vec<carryless::Long>;

    const FIRST: u32 = 7;

    fn variables(_: usize) -> u32 {
        3
    }

    fn expand(x: [&[Word]; 2], y: [&[Word]; 2], t: u32, all: bool, rows: &mut [Word]) {
        carryless::expand(level(), x, y, t, all, rows);
    }

    fn sums(rows: usize) -> Self::Sums {
        vec![[galois::Octet::ZERO; 2]; rows]
    }

    fn absorb(sums: &mut Self::Sums, _: usize, words: &[Word], codes: &[u64]) {
        carryless::absorb(level(), sums, cast_slice(words), codes);
    }

    fn finish(sums: Self::Sums) -> Vec<Binary> {
        sums.iter().map(|sum| Binary(carryless::total(sum))).collect()
    }

    fn lift(words: &[Word], weights: &[Binary], out: &mut Vec<Self::Pack>) {
        let weights: Vec<u64> = weights.iter().map(|weight| weight.0).collect();
        carryless::lift(cast_slice(words), &weights, out);
    }

    fn scale(packs: &mut [Self::Pack], weights: Weights<'_>) {
        let mut factors = Vec::with_capacity(packs.len());
        let mut factor: [u64; OCTET] = match weights {
            Weights::Lanes(codes) => codes.try_into().expect("a code for each lane"),
            Weights::Whole(code) => [code; OCTET],
        };
        for _ in 0..packs.len() {
            factors.push(galois::Octet(factor));
            // Times X: what flows over comes back as the modulus.
            factor = factor.map(|word| (word << 1) ^ ((word >> 63) * 0b1_1011));
        }
        carryless::scale(level(), packs, &factors);
    }

    fn products(u: [&[Self::Pack]; 2], v: [&[Self::Pack]; 2], t: u32) -> Vec<Binary> {
        carryless::products(level(), u, v, t).into_iter().map(Binary).collect()
    }

    fn fold(packs: Vec<Self::Pack>, point: &[u64]) -> Vec<Self::Pack> {
        point.iter().fold(packs, |packs, code| carryless::fold(level(), &packs, *code))
    }

    fn unpack(pack: &Self::Pack) -> [Binary; OCTET] {
        pack.0.map(Binary)
    }
}
