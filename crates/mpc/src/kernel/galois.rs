//! Arithmetic of the check of multiplications over `GR(2^64, 48)`, eight elements at a time, and the products that all its rings begin with.
//!
//! Coefficients are sums of words modulo 2^64, so that every variant computes the same. Challenges are public: branches and indices
//! may depend on them, and on nothing else.

use crate::rep3::Atom;

use super::octet::{Lanes, Plain};
use super::{Kind, Level};

pub(crate) use super::octet::Octet;

#[cfg(target_arch = "x86_64")]
mod avx512;
mod karatsuba;
pub(crate) use karatsuba::{PRODUCTS, combine};

/// Degree of the ring.
pub(crate) const DEGREE: usize = 48;
/// Lower exponents of its modulus.
pub(crate) const TAPS: [usize; 4] = [0, 2, 3, 5];
/// Coefficients that a packed octet times a challenge has before reduction.
pub(crate) const PACKED: usize = DEGREE + 7;

/// Eight elements: octet `c` holds their coefficients of `X^c`.
pub(crate) type Pack = [Octet; DEGREE];

/// The products of blocks at `3^t` points: see [`crate::rep3`]'s `Extension::expand`.
pub(crate) fn expand<A: Atom>(x: [&[A]; 2], y: [&[A]; 2], t: u32, all: bool, rows: &mut [A]) {
    expand_blocks::<Plain<A>>(x, y, t, all, rows);
}

/// As [`expand`], over Z_2^64.
pub(crate) fn expand_ring(level: Level, x: [&[u64]; 2], y: [&[u64]; 2], t: u32, all: bool, rows: &mut [u64]) {
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::expand_blocks(x, y, t, all, rows) },
        _ => expand_blocks::<Plain<u64>>(x, y, t, all, rows),
    }
}

#[inline(always)]
pub(super) fn expand_blocks<L: Lanes>(
    x: [&[L::Atom]; 2],
    y: [&[L::Atom]; 2],
    t: u32,
    all: bool,
    rows: &mut [L::Atom],
) {
    let (size, points) = (8 << t, 8 * 3usize.pow(t));
    let mut sum = vec![L::Atom::ZERO; size];
    // Differences of all variables above the leaf's: size/2 + size/4 + … of each of four vectors.
    let mut room = vec![L::Atom::ZERO; 4 * size];
    for (block, rows) in rows.chunks_exact_mut(points).enumerate() {
        let range = block * size..(block + 1) * size;
        let [x_own, x_next, y_own, y_next] = [x[0], x[1], y[0], y[1]].map(|side| &side[range.clone()]);
        for at in (0..size).step_by(8) {
            L::load(&y_own[at..]).add(L::load(&y_next[at..])).store(&mut sum[at..]);
        }
        expand_rows::<L>([x_own, x_next, y_own, &sum], t, all, rows, &mut room);
    }
}

/// `x_own`, `x_next`, `y_own`, `y_own + y_next` of `2^t` rows.
#[inline(always)]
fn expand_rows<L: Lanes>(sides: [&[L::Atom]; 4], t: u32, all: bool, rows: &mut [L::Atom], room: &mut [L::Atom]) {
    // An explicit stack instead of recursion, so that all is compiled with the level's features.
    enum Step {
        Visit { t: u32, from: [(bool, usize); 4], all: bool, room: usize, out: usize },
        Steep { t: u32, from: [(bool, usize); 4], room: usize, out: usize },
    }
    let source = |room: &[L::Atom], side: usize, (derived, at): (bool, usize), row: usize| {
        if derived { L::load(&room[at + 8 * row..]) } else { L::load(&sides[side][at + 8 * row..]) }
    };
    let mut stack = Vec::with_capacity(32);
    stack.push(Step::Visit { t, from: [(false, 0); 4], all, room: 0, out: 0 });
    while let Some(step) = stack.pop() {
        match step {
            Step::Visit { t, from, all, out, .. } if t <= 2 => match t {
                0 => leaf::<L, 1, 1>(|side, row| source(room, side, from[side], row), all, &mut rows[8 * out..]),
                1 => leaf::<L, 2, 3>(|side, row| source(room, side, from[side], row), all, &mut rows[8 * out..]),
                _ => leaf::<L, 4, 9>(|side, row| source(room, side, from[side], row), all, &mut rows[8 * out..]),
            },
            Step::Visit { t, from, all, room, out } => {
                let (half, third) = (1 << (t - 1), 3usize.pow(t - 1));
                let high = from.map(|(derived, at)| (derived, at + 8 * half));
                stack.push(Step::Steep { t, from, room, out: out + 2 * third });
                stack.push(Step::Visit { t: t - 1, from: high, all, room, out: out + third });
                stack.push(Step::Visit { t: t - 1, from, all, room, out });
            }
            Step::Steep { t, from, room: base, out } => {
                let half = 1usize << (t - 1);
                let mut derived = [(true, 0); 4];
                for side in 0..4 {
                    let at = base + side * 8 * half;
                    derived[side].1 = at;
                    for row in 0..half {
                        let (low, high) = (source(room, side, from[side], row), source(room, side, from[side], row + half));
                        high.sub(low).store(&mut room[at + 8 * row..]);
                    }
                }
                stack.push(Step::Visit { t: t - 1, from: derived, all: true, room: base + 32 * half, out });
            }
        }
    }
}

/// Two variables or fewer, in registers.
#[inline(always)]
fn leaf<L: Lanes, const ROWS: usize, const POINTS: usize>(
    load: impl Fn(usize, usize) -> L,
    all: bool,
    rows: &mut [L::Atom],
) {
    let extend = |side: usize| {
        let mut out = [L::splat(L::Atom::ZERO); POINTS];
        match ROWS {
            1 => out[0] = load(side, 0),
            2 => {
                (out[0], out[1]) = (load(side, 0), load(side, 1));
                out[2] = out[1].sub(out[0]);
            }
            _ => {
                (out[0], out[1], out[3], out[4]) = (load(side, 0), load(side, 1), load(side, 2), load(side, 3));
                (out[2], out[5]) = (out[1].sub(out[0]), out[4].sub(out[3]));
                (out[6], out[7], out[8]) = (out[3].sub(out[0]), out[4].sub(out[1]), out[5].sub(out[2]));
            }
        }
        out
    };
    let [x_own, x_next, y_own, y_sum] = [extend(0), extend(1), extend(2), extend(3)];
    for point in 0..POINTS {
        let plain = point % 3 < 2 && point / 3 < 2;
        let product = if plain && !all {
            L::splat(L::Atom::ZERO)
        } else {
            x_own[point].mul(y_sum[point]).add(x_next[point].mul(y_own[point]))
        };
        product.store(&mut rows[8 * point..]);
    }
}

/// Sums of packed words under way: for each eight rows, [`PACKED`] coefficients of these.
pub(crate) struct Sums {
    rows: usize,
    octets: Vec<Octet>,
}

impl Sums {
    /// At zero.
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, octets: vec![Octet::ZERO; rows.div_ceil(8) * PACKED] }
    }

    /// Coefficients of each row's sum, not reduced.
    pub(crate) fn rows(&self) -> impl Iterator<Item = [u64; PACKED]> + '_ {
        (0..self.rows).map(|row| std::array::from_fn(|power| self.octets[row / 8 * PACKED + power].0[row % 8]))
    }
}

/// Adds to each row `Σ_blocks α Σ_lanes X^lane word`; `words` are blocks of as many rows as `sums` has, `codes` one `α` for each.
pub(crate) fn absorb(level: Level, sums: &mut Sums, words: &[u64], codes: &[u64]) {
    let rows = sums.rows;
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::absorb_blocks(rows, &mut sums.octets, words, codes) },
        _ => absorb_blocks::<Plain<u64>>(rows, &mut sums.octets, words, codes),
    }
}

/// Sums of four blocks are looked up among the sixteen of their subsets (the method of the four Russians).
#[inline(always)]
fn absorb_blocks<L: Lanes<Atom = u64>>(rows: usize, sums: &mut [Octet], words: &[u64], codes: &[u64]) {
    let mut table = vec![[Octet::ZERO; 8]; 16];
    for (words, codes) in words.chunks(4 * rows * 8).zip(codes.chunks(4)) {
        let mut subsets = [0u8; DEGREE];
        for (block, code) in codes.iter().enumerate() {
            for (power, subset) in subsets.iter_mut().enumerate() {
                *subset |= ((code >> power & 1) as u8) << block;
            }
        }
        for (group, sums) in sums.chunks_exact_mut(PACKED).enumerate() {
            let mut columns = [[Octet::ZERO; 8]; 4];
            for (block, columns) in columns.iter_mut().enumerate().take(codes.len()) {
                let begin = (block * rows + group * 8) * 8;
                let count = (rows - group * 8).min(8);
                transpose(&words[begin..begin + 8 * count], columns);
            }
            for lane in 0..8 {
                let [a, b, c, d] = [0, 1, 2, 3].map(|block| L::load(&columns[block][lane].0));
                let (ab, cd) = (a.add(b), c.add(d));
                let upper = [c, d, cd];
                table[1][lane].set(a);
                table[2][lane].set(b);
                table[3][lane].set(ab);
                for (at, upper) in upper.into_iter().enumerate() {
                    let at = 4 * (at + 1);
                    table[at][lane].set(upper);
                    table[at + 1][lane].set(upper.add(a));
                    table[at + 2][lane].set(upper.add(b));
                    table[at + 3][lane].set(upper.add(ab));
                }
            }
            // window[lane] gathers the coefficient of X^(power + lane).
            let mut window = [L::splat(0); 8];
            for (power, subset) in subsets.iter().enumerate() {
                let entry = &table[usize::from(subset & 15)];
                for lane in 0..8 {
                    window[lane] = window[lane].add(L::load(&entry[lane].0));
                }
                L::load(&sums[power].0).add(window[0]).store(&mut sums[power].0);
                window = [window[1], window[2], window[3], window[4], window[5], window[6], window[7], L::splat(0)];
            }
            for lane in 0..7 {
                let sum = &mut sums[DEGREE + lane];
                L::load(&sum.0).add(window[lane]).store(&mut sum.0);
            }
        }
    }
}

impl Octet {
    #[inline(always)]
    fn set<L: Lanes<Atom = u64>>(&mut self, lanes: L) {
        lanes.store(&mut self.0);
    }
}

/// Up to eight rows of eight words to columns.
#[inline(always)]
fn transpose(rows: &[u64], columns: &mut [Octet; 8]) {
    if rows.len() < 64 {
        *columns = [Octet::ZERO; 8];
    }
    for (at, row) in rows.chunks_exact(8).enumerate() {
        for lane in 0..8 {
            columns[lane].0[at] = row[lane];
        }
    }
}

/// `Σ_a weights[a] · row a`, for each block an octet of elements.
pub(crate) fn lift(level: Level, words: &[u64], weights: &[[u64; DEGREE]], out: &mut Vec<Pack>) {
    let begin = out.len();
    let size = weights.len() * 8;
    out.resize(begin + words.len() / size, [Octet::ZERO; DEGREE]);
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::lift_blocks(words, weights, &mut out[begin..]) },
        _ => lift_blocks::<Plain<u64>>(words, weights, &mut out[begin..]),
    }
}

#[inline(always)]
fn lift_blocks<L: Lanes<Atom = u64>>(words: &[u64], weights: &[[u64; DEGREE]], out: &mut [Pack]) {
    const STRIPE: usize = 24;
    for (words, out) in words.chunks_exact(weights.len() * 8).zip(out) {
        for stripe in 0..DEGREE / STRIPE {
            let mut sums = [L::splat(0); STRIPE];
            for (row, weights) in words.chunks_exact(8).zip(weights) {
                let row = L::load(row);
                let weights: &[u64; STRIPE] = weights[stripe * STRIPE..].first_chunk().expect("a stripe");
                for power in 0..STRIPE {
                    sums[power] = sums[power].add(row.mul(L::splat(weights[power])));
                }
            }
            for power in 0..STRIPE {
                sums[power].store(&mut out[stripe * STRIPE + power].0);
            }
        }
    }
}

/// Multiplies all elements by the challenge of a code, and that of lane `n` by `X^n` where `packed`.
pub(crate) fn scale(level: Level, pack: &mut Pack, code: u64, packed: bool) {
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::scale_pack(pack, code, packed) },
        _ => scale_pack::<Plain<u64>>(pack, code, packed),
    }
}

#[inline(always)]
fn scale_pack<L: Lanes<Atom = u64>>(pack: &mut Pack, code: u64, packed: bool) {
    let mut long = [Octet::ZERO; 2 * DEGREE + 8];
    times_challenge::<L>(pack, code, &mut long);
    if packed {
        for power in (0..2 * DEGREE).rev() {
            let octet = std::mem::replace(&mut long[power], Octet::ZERO);
            for lane in 0..8 {
                long[power + lane].0[lane] = octet.0[lane];
            }
        }
    }
    reduce::<L>(&mut long, pack);
}

/// The product with the challenge of a code, not reduced: windows of three bits of it, whose seven sums are made first.
#[inline(always)]
fn times_challenge<L: Lanes<Atom = u64>>(pack: &Pack, code: u64, long: &mut [Octet; 2 * DEGREE + 8]) {
    const LEN: usize = DEGREE + 2;
    let mut sums = [[Octet::ZERO; LEN]; 8];
    for power in 0..LEN {
        let at = |shift: usize| match power.checked_sub(shift) {
            Some(power) if power < DEGREE => L::load(&pack[power].0),
            _ => L::splat(0),
        };
        let (a, b, c) = (at(0), at(1), at(2));
        let ab = a.add(b);
        sums[1][power].set(a);
        sums[2][power].set(b);
        sums[3][power].set(ab);
        sums[4][power].set(c);
        sums[5][power].set(c.add(a));
        sums[6][power].set(c.add(b));
        sums[7][power].set(c.add(ab));
    }
    // The power's window w contributes sums[digit w][power − 3 w].
    for stripe in (0..2 * DEGREE).step_by(8) {
        let mut out = [L::splat(0); 8];
        for window in 0..DEGREE / 3 {
            let digit = (code >> (3 * window) & 7) as usize;
            let low = 3 * window;
            if digit == 0 || low > stripe + 7 || low + LEN <= stripe {
                continue;
            }
            let sums = &sums[digit];
            for (lane, out) in out.iter_mut().enumerate() {
                let power = (stripe + lane).wrapping_sub(low);
                if power < LEN {
                    *out = out.add(L::load(&sums[power].0));
                }
            }
        }
        for (lane, out) in out.into_iter().enumerate() {
            long[stripe + lane].set(out);
        }
    }
}

#[inline(always)]
fn reduce<L: Lanes<Atom = u64>>(long: &mut [Octet; 2 * DEGREE + 8], pack: &mut Pack) {
    for high in (DEGREE..long.len()).rev() {
        let value = L::load(&long[high].0);
        for tap in TAPS {
            let low = &mut long[high - DEGREE + tap];
            L::load(&low.0).sub(value).store(&mut low.0);
        }
    }
    pack.copy_from_slice(&long[..DEGREE]);
}

/// `low + r (high − low)` for the challenge `r` of a code.
pub(crate) fn fold(level: Level, low: &Pack, high: &Pack, code: u64, out: &mut Pack) {
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::fold_pair(low, high, code, out) },
        _ => fold_pair::<Plain<u64>>(low, high, code, out),
    }
}

#[inline(always)]
fn fold_pair<L: Lanes<Atom = u64>>(low: &Pack, high: &Pack, code: u64, out: &mut Pack) {
    let mut steep = [Octet::ZERO; DEGREE];
    subtract_pack::<L>(high, low, &mut steep);
    let mut long = [Octet::ZERO; 2 * DEGREE + 8];
    times_challenge::<L>(&steep, code, &mut long);
    for (long, low) in long.iter_mut().zip(low) {
        L::load(&long.0).add(L::load(&low.0)).store(&mut long.0);
    }
    reduce::<L>(&mut long, out);
}

#[inline(always)]
fn subtract_pack<L: Lanes<Atom = u64>>(left: &Pack, right: &Pack, out: &mut Pack) {
    for ((left, right), out) in left.iter().zip(right).zip(out) {
        L::load(&left.0).sub(L::load(&right.0)).store(&mut out.0);
    }
}

/// The products of groups of `2^t` octets at `3^t` points, summed over groups and lanes: [`PRODUCTS`] each, for [`combine`]. The last
/// group is padded with zeros.
pub(crate) fn products(level: Level, u: [&[Pack]; 2], v: [&[Pack]; 2], t: u32) -> Vec<[u64; PRODUCTS]> {
    let points = 3usize.pow(t);
    let mut sums = vec![[Octet::ZERO; PRODUCTS]; points];
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::products_of(u, v, t, &mut sums) },
        _ => products_of::<Plain<u64>>(u, v, t, &mut sums),
    }
    sums.iter().map(|sums| sums.map(|octet| octet.0.iter().fold(0u64, |sum, lane| sum.wrapping_add(*lane)))).collect()
}

#[inline(always)]
fn products_of<L: Lanes<Atom = u64>>(
    u: [&[Pack]; 2],
    v: [&[Pack]; 2],
    t: u32,
    sums: &mut [[Octet; PRODUCTS]],
) {
    let points = sums.len();
    let (places, steep): (Vec<_>, _) = (rows_to_points(t).collect(), differences(t));
    let mut sides: [Vec<Pack>; 4] = std::array::from_fn(|_| vec![[Octet::ZERO; DEGREE]; points]);
    for group in 0..u[0].len().div_ceil(1 << t) {
        for (side, points) in [u[0], u[1], v[0], v[1]].into_iter().zip(&mut sides) {
            for (row, point) in &places {
                points[*point] = side.get((group << t) + row).copied().unwrap_or([Octet::ZERO; DEGREE]);
            }
            for (point, step) in &steep {
                let (before, after) = points.split_at_mut(*point);
                subtract_pack::<L>(&before[point - step], &before[point - 2 * step], &mut after[0]);
            }
        }
        let [u_own, u_next, v_own, v_next] = &sides;
        for point in 0..points {
            karatsuba::accumulate::<L>(&mut sums[point], [&u_own[point], &u_next[point]], [&v_own[point], &v_next[point]]);
        }
    }
}

/// The points with an ∞, in an order in which each is the difference of two before it: itself less a step, and less two.
pub(super) fn differences(t: u32) -> Vec<(usize, usize)> {
    fn is_plain(point: usize) -> bool {
        point == 0 || (point % 3 < 2 && is_plain(point / 3))
    }
    let at = |step: usize| {
        let steep = move |point: &usize| point / step % 3 == 2 && is_plain(point / (3 * step));
        (0..3usize.pow(t)).filter(steep).map(move |point| (point, step))
    };
    (0..t).flat_map(|bit| at(3usize.pow(bit))).collect()
}

/// Rows with the numbers of their points.
pub(super) fn rows_to_points(t: u32) -> impl Iterator<Item = (usize, usize)> {
    (0..1usize << t).map(move |row| (row, (0..t).map(|bit| (row >> bit & 1) * 3usize.pow(bit)).sum()))
}

