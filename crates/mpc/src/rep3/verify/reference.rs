//! Bulk work element by element: for the ring of 128 bits and toy rings, and what the fast ones are tested against.

use std::marker::PhantomData;

use crate::kernel::galois;

use super::extension::{Extension, OCTET, Scalar, Weights, multilinear, points};

/// [`Extension`] of any ring.
pub(crate) struct Reference<S>(PhantomData<S>);

impl<S: Scalar> Extension for Reference<S> {
    type Scalar = S;
    type Atom = S::Atom;
    type Pack = [S; OCTET];
    type Sums = Vec<S>;

    const FIRST: u32 = 6;

    fn variables(packs: usize) -> u32 {
        if packs > 512 { 2 } else { 3 }
    }

    fn expand(x: [&[Self::Atom]; 2], y: [&[Self::Atom]; 2], t: u32, all: bool, rows: &mut [Self::Atom]) {
        galois::expand(x, y, t, all, rows);
    }

    fn sums(rows: usize) -> Self::Sums {
        vec![S::ZERO; rows]
    }

    fn absorb(sums: &mut Self::Sums, rows: usize, words: &[Self::Atom], codes: &[u64]) {
        let each = OCTET / S::LANES;
        for (words, codes) in words.chunks(rows * OCTET).zip(codes.chunks(each)) {
            let alphas: Vec<S> = codes.iter().map(|code| S::challenge(*code)).collect();
            for (sum, row) in sums.iter_mut().zip(words.chunks(OCTET)) {
                for (lanes, alpha) in row.chunks(S::LANES).zip(&alphas) {
                    let packed = lanes
                        .iter()
                        .enumerate()
                        .fold(S::ZERO, |sum, (lane, atom)| sum.add(S::embed(*atom).shift(lane * S::VALUES)));
                    *sum = sum.add(packed.mul(*alpha));
                }
            }
        }
    }

    fn finish(sums: Self::Sums) -> Vec<S> {
        sums
    }

    fn lift(words: &[Self::Atom], weights: &[S], out: &mut Vec<Self::Pack>) {
        for block in words.chunks(weights.len() * OCTET) {
            for value in 0..S::VALUES {
                let mut pack = [S::ZERO; OCTET];
                for (row, weight) in block.chunks(OCTET).zip(weights) {
                    for (element, atom) in pack.iter_mut().zip(row) {
                        *element = element.add(S::value(*atom, value).mul(*weight));
                    }
                }
                out.push(pack);
            }
        }
    }

    fn scale(packs: &mut [Self::Pack], weights: Weights<'_>) {
        for (value, pack) in packs.iter_mut().enumerate() {
            for (lane, element) in pack.iter_mut().enumerate() {
                let (code, power) = match weights {
                    Weights::Lanes(codes) => (codes[lane / S::LANES], lane % S::LANES * S::VALUES),
                    Weights::Whole(code) => (code, 0),
                };
                *element = element.mul(S::challenge(code)).shift(power + value);
            }
        }
    }

    fn products(u: [&[Self::Pack]; 2], v: [&[Self::Pack]; 2], t: u32) -> Vec<S> {
        let mut sums = vec![S::ZERO; 3usize.pow(t)];
        for group in 0..u[0].len().div_ceil(1 << t) {
            for lane in 0..OCTET {
                let [u_own, u_next, v_own, v_next] = [u[0], u[1], v[0], v[1]].map(|side| {
                    let rows: Vec<S> = (group << t..(group + 1) << t)
                        .map(|at| side.get(at).map_or(S::ZERO, |pack| pack[lane]))
                        .collect();
                    points(&rows)
                });
                for (point, sum) in sums.iter_mut().enumerate() {
                    let local = u_own[point].mul(v_own[point].add(v_next[point])).add(u_next[point].mul(v_own[point]));
                    *sum = sum.add(local);
                }
            }
        }
        sums
    }

    fn fold(packs: Vec<Self::Pack>, point: &[u64]) -> Vec<Self::Pack> {
        let weights = multilinear::<S>(point);
        let fold = |group: &[Self::Pack]| {
            let mut out = [S::ZERO; OCTET];
            for (pack, weight) in group.iter().zip(&weights) {
                for (sum, element) in out.iter_mut().zip(pack) {
                    *sum = sum.add(element.mul(*weight));
                }
            }
            out
        };
        packs.chunks(weights.len()).map(fold).collect()
    }

    fn unpack(pack: &Self::Pack) -> [S; OCTET] {
        *pack
    }
}
