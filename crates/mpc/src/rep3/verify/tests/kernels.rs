//! Bulk work in vector registers against element by element.

use crate::kernel::Level;

use super::super::extension::{OCTET, Weights};
use super::*;

/// Words from a seed, among them edges.
pub(super) fn words(seed: u64, len: usize) -> Vec<u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|at| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match at % 11 {
                3 => u64::MAX,
                5 => 1 << 63,
                7 => 0,
                _ => state ^ (state >> 29),
            }
        })
        .collect()
}

fn atoms<E: Extension>(seed: u64, len: usize) -> Vec<E::Atom> {
    bytemuck::cast_slice(&words(seed, len)).to_vec()
}

fn agree<E: Extension>()
where
    E::Atom: Atom,
{
    type Plain<E> = Reference<<E as Extension>::Scalar>;
    let bits = E::Scalar::CHALLENGE_BITS;
    let mask = |codes: Vec<u64>| codes.into_iter().map(|code| code & (u64::MAX >> (64 - bits))).collect::<Vec<_>>();
    for t in 0..=6u32 {
        for blocks in [1usize, 2, 3, 4, 5, 9] {
            let len = (blocks * OCTET) << t;
            let sides: [Vec<E::Atom>; 4] =
                std::array::from_fn(|side| atoms::<E>(u64::from(t) * 100 + side as u64, len));
            let [a, b, c, d] = &sides;
            let points = 3usize.pow(t);
            for all in [false, true] {
                let mut fast = vec![E::Atom::ZERO; blocks * points * OCTET];
                let mut slow = fast.clone();
                E::expand([a, b], [c, d], t, all, &mut fast);
                Plain::<E>::expand([a, b], [c, d], t, all, &mut slow);
                assert_eq!(fast, slow, "{t} {blocks}");
                let each = OCTET / E::Scalar::LANES;
                let codes = mask(words(9, blocks * each));
                let (mut sums, mut plain) = (E::sums(points), Plain::<E>::sums(points));
                let (some, rest) = (blocks / 2 * points * OCTET, blocks / 2 * each);
                E::absorb(&mut sums, points, &fast[..some], &codes[..rest]);
                E::absorb(&mut sums, points, &fast[some..], &codes[rest..]);
                Plain::<E>::absorb(&mut plain, points, &fast, &codes);
                assert_eq!(E::finish(sums), Plain::<E>::finish(plain), "{t} {blocks}");
            }
            if t > 3 {
                continue;
            }
            let weights: Vec<E::Scalar> = super::super::extension::multilinear(&mask(words(4, t as usize)));
            let lift = |side: &[E::Atom]| {
                let (mut fast, mut slow) = (Vec::new(), Vec::new());
                E::lift(side, &weights, &mut fast);
                Plain::<E>::lift(side, &weights, &mut slow);
                (fast, slow)
            };
            let mut lifted = [lift(a), lift(b), lift(c), lift(d)];
            let codes = mask(words(8, OCTET / E::Scalar::LANES));
            let same = |fast: &[E::Pack], slow: &[[E::Scalar; OCTET]]| {
                assert_eq!(fast.len(), slow.len());
                assert!(fast.iter().zip(slow).all(|(fast, slow)| E::unpack(fast) == *slow));
            };
            for (at, (fast, slow)) in lifted.iter_mut().enumerate() {
                let weights = if at % 2 == 0 { Weights::Whole(codes[0]) } else { Weights::Lanes(&codes) };
                E::scale(&mut fast[..E::Scalar::VALUES], weights);
                Plain::<E>::scale(&mut slow[..E::Scalar::VALUES], weights);
                same(fast, slow);
                let point = mask(words(3, 2));
                same(&E::fold(fast.clone(), &point), &Plain::<E>::fold(slow.clone(), &point));
            }
            let [a, b, c, d] = &lifted;
            for t in 0..3 {
                let fast = E::products([&a.0, &b.0], [&c.0, &d.0], t);
                assert_eq!(fast, Plain::<E>::products([&a.1, &b.1], [&c.1, &d.1], t), "{t}");
            }
        }
    }
}

#[test]
fn ring_kernels_agree_with_the_reference() {
    agree::<Ring64>();
}

#[test]
fn bit_kernels_agree_with_the_reference() {
    agree::<Bits>();
}

#[test]
fn levels_agree() {
    use crate::kernel::{carryless, galois};
    let levels = Level::available();
    let results = levels.iter().map(|level| {
        let [a, b, c, d] = [1, 2, 3, 4].map(|seed| words(seed, 2 * 64 * 8));
        let mut rows = vec![0; 2 * 729 * 8];
        galois::expand_ring(*level, [&a, &b], [&c, &d], 6, true, &mut rows);
        let mut sums = galois::Sums::new(729);
        galois::absorb(*level, &mut sums, &rows, &[0xdead_beef, 0x1234_5678_9abc]);
        let weights: Vec<[u64; 48]> = words(7, 64 * 48).chunks(48).map(|row| row.try_into().unwrap()).collect();
        let mut packs = Vec::new();
        galois::lift(*level, &a, &weights, &mut packs);
        galois::scale(*level, &mut packs[1], 0xffff_0000_1111, true, &mut galois::Scratch::new());
        let mut folded = vec![packs[0], packs[1], packs[0]];
        galois::fold(*level, &mut folded, 0x8000_0000_0001, &mut galois::Scratch::new());
        let products = galois::products(*level, [&packs, &packs], [&packs, &folded], 1);
        let words: Vec<Word> = bytemuck::cast_slice(&a).to_vec();
        let mut bit_rows = vec![Word(0); 2 * 729 * 8];
        carryless::expand(*level, [&words, &words[..]], [&words, &words], 6, false, &mut bit_rows);
        let mut bit_sums = vec![[galois::Octet::ZERO; 2]; 729];
        carryless::absorb(*level, &mut bit_sums, bytemuck::cast_slice(&bit_rows), &b[..16]);
        let octets: Vec<galois::Octet> = a.chunks(8).map(|row| galois::Octet(row.try_into().unwrap())).collect();
        let bit_products = carryless::products(*level, [&octets, &octets], [&octets, &octets[..]], 2);
        let bit_fold = carryless::fold(*level, &octets[..5], b[0]);
        (rows, sums.rows().collect::<Vec<_>>(), packs, folded, products, bit_rows, bit_sums, bit_products, bit_fold)
    });
    let results: Vec<_> = results.collect();
    for result in &results[1..] {
        assert!(*result == results[0]);
    }
}
