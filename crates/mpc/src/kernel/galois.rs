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

// The generic kernels use loops, not closures: a closure is compiled without the features of the function that it is inlined into.

#[inline(always)]
pub(super) fn expand_blocks<L: Lanes>(x: [&[L::Atom]; 2], y: [&[L::Atom]; 2], t: u32, all: bool, rows: &mut [L::Atom]) {
    let (size, points) = (8 << t, 8 * 3usize.pow(t));
    // Each of x_own, x_next, y_own, y_own + y_next; then their differences in all variables above a leaf's.
    let mut room = vec![L::Atom::ZERO; 8 * size];
    let mut stack = Vec::with_capacity(32);
    for (block, rows) in rows.chunks_exact_mut(points).enumerate() {
        let range = block * size..(block + 1) * size;
        room[..size].copy_from_slice(&x[0][range.clone()]);
        room[size..2 * size].copy_from_slice(&x[1][range.clone()]);
        room[2 * size..3 * size].copy_from_slice(&y[0][range.clone()]);
        let (own, next) = (&y[0][range.clone()], &y[1][range]);
        for at in (0..size).step_by(8) {
            L::load(&own[at..]).add(L::load(&next[at..])).store(&mut room[3 * size + at..]);
        }
        stack.push(Step { t, from: [0, size, 2 * size, 3 * size], all, steep: false, room: 4 * size, out: 0 });
        while let Some(step) = stack.pop() {
            expand_step::<L>(step, &mut stack, &mut room, rows);
        }
    }
}

/// One step of a recursion over variables, the highest first.
#[derive(Clone, Copy)]
struct Step {
    t: u32,
    /// Where the four vectors stand in the room.
    from: [usize; 4],
    all: bool,
    /// The difference of the two halves is still to be taken.
    steep: bool,
    /// What is free of the room.
    room: usize,
    /// The first point.
    out: usize,
}

#[inline(always)]
fn expand_step<L: Lanes>(mut step: Step, stack: &mut Vec<Step>, room: &mut [L::Atom], rows: &mut [L::Atom]) {
    if step.steep {
        let half = 8 << (step.t - 1);
        for from in &mut step.from {
            let (before, free) = room.split_at_mut(step.room);
            let (low, high) = before[*from..*from + 2 * half].split_at(half);
            for at in (0..half).step_by(8) {
                L::load(&high[at..]).sub(L::load(&low[at..])).store(&mut free[at..]);
            }
            *from = step.room;
            step.room += half;
        }
        step = Step { t: step.t - 1, all: true, steep: false, ..step };
    }
    let rows = &mut rows[8 * step.out..];
    match step.t {
        0 => leaf::<L, 1, 1>(room, step.from, step.all, rows),
        1 => leaf::<L, 2, 3>(room, step.from, step.all, rows),
        2 => leaf::<L, 4, 9>(room, step.from, step.all, rows),
        t => {
            let (half, third) = (8 << (t - 1), 3usize.pow(t - 1));
            let mut high = step.from;
            for from in &mut high {
                *from += half;
            }
            stack.push(Step { steep: true, out: step.out + 2 * third, ..step });
            stack.push(Step { t: t - 1, from: high, out: step.out + third, ..step });
            stack.push(Step { t: t - 1, ..step });
        }
    }
}

/// Two variables or fewer, in registers.
#[inline(always)]
fn leaf<L: Lanes, const ROWS: usize, const POINTS: usize>(
    room: &[L::Atom],
    from: [usize; 4],
    all: bool,
    rows: &mut [L::Atom],
) {
    let mut sides = [[L::splat(L::Atom::ZERO); POINTS]; 4];
    for side in 0..4 {
        let rows = &room[from[side]..from[side] + 8 * ROWS];
        let out = &mut sides[side];
        out[0] = L::load(rows);
        if ROWS > 1 {
            out[1] = L::load(&rows[8..]);
            out[2] = out[1].sub(out[0]);
        }
        if ROWS > 2 {
            (out[3], out[4]) = (L::load(&rows[16..]), L::load(&rows[24..]));
            out[5] = out[4].sub(out[3]);
            (out[6], out[7], out[8]) = (out[3].sub(out[0]), out[4].sub(out[1]), out[5].sub(out[2]));
        }
    }
    let [x_own, x_next, y_own, y_sum] = &sides;
    let rows = &mut rows[..8 * POINTS];
    for point in 0..POINTS {
        let plain = point % 3 < 2 && point / 3 < 2;
        if plain && !all {
            L::splat(L::Atom::ZERO).store(&mut rows[8 * point..]);
        } else {
            x_own[point].mul(y_sum[point]).add(x_next[point].mul(y_own[point])).store(&mut rows[8 * point..]);
        }
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
                let (a, b) = (L::load(&columns[0][lane].0), L::load(&columns[1][lane].0));
                let (c, d) = (L::load(&columns[2][lane].0), L::load(&columns[3][lane].0));
                let (ab, cd) = (a.add(b), c.add(d));
                table[1][lane].set(a);
                table[2][lane].set(b);
                table[3][lane].set(ab);
                for (at, upper) in [(4, c), (8, d), (12, cd)] {
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

/// Room for a product with a challenge.
pub(crate) struct Scratch {
    steep: Pack,
    /// Sums of `1, X, X^2` times the factor, by the bits of a digit.
    sums: [[Octet; WINDOW]; 8],
    long: [Octet; 2 * DEGREE + 8],
}

/// Coefficients of a factor times a digit of three bits.
const WINDOW: usize = DEGREE + 2;

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        let zero = Octet::ZERO;
        Box::new(Self { steep: [zero; DEGREE], sums: [[zero; WINDOW]; 8], long: [zero; 2 * DEGREE + 8] })
    }
}

/// Multiplies all elements by the challenge of a code, and that of lane `n` by `X^n` where `packed`.
pub(crate) fn scale(level: Level, pack: &mut Pack, code: u64, packed: bool, scratch: &mut Scratch) {
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::scale_pack(pack, code, packed, scratch) },
        _ => scale_pack::<Plain<u64>>(pack, code, packed, scratch),
    }
}

#[inline(always)]
fn scale_pack<L: Lanes<Atom = u64>>(pack: &mut Pack, code: u64, packed: bool, scratch: &mut Scratch) {
    let Scratch { sums, long, .. } = scratch;
    times_challenge::<L>(pack, code, sums, long);
    if packed {
        // Lane by lane, from the top: X^n moves lane n up by n.
        for power in (0..long.len()).rev() {
            for lane in 1..8 {
                long[power].0[lane] = if power >= lane { long[power - lane].0[lane] } else { 0 };
            }
        }
    }
    reduce::<L>(long, pack);
}

/// The product with the challenge of a code, not reduced: windows of three bits of it, whose seven sums are made first.
#[inline(always)]
fn times_challenge<L: Lanes<Atom = u64>>(
    pack: &Pack,
    code: u64,
    sums: &mut [[Octet; WINDOW]; 8],
    long: &mut [Octet; 2 * DEGREE + 8],
) {
    let (mut b, mut c) = (L::splat(0), L::splat(0));
    for power in 0..WINDOW {
        let a = if power < DEGREE { L::load(&pack[power].0) } else { L::splat(0) };
        let ab = a.add(b);
        sums[1][power].set(a);
        sums[2][power].set(b);
        sums[3][power].set(ab);
        sums[4][power].set(c);
        sums[5][power].set(c.add(a));
        sums[6][power].set(c.add(b));
        sums[7][power].set(c.add(ab));
        (c, b) = (b, a);
    }
    // Window w of the code adds sums[digit w], moved up by 3 w.
    for octet in long.iter_mut() {
        *octet = Octet::ZERO;
    }
    for window in 0..DEGREE / 3 {
        let digit = (code >> (3 * window) & 7) as usize;
        if digit == 0 {
            continue;
        }
        for (long, sum) in long[3 * window..].iter_mut().zip(&sums[digit]) {
            L::load(&long.0).add(L::load(&sum.0)).store(&mut long.0);
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

/// `low + r (high − low)` for each two octets (the last with zeros, where there is an odd number) and the challenge `r` of a code: they stay where
/// they are, half as many.
pub(crate) fn fold(level: Level, packs: &mut Vec<Pack>, code: u64, scratch: &mut Scratch) {
    match level.0 {
        // SAFETY: this level is made by `available` alone, after the processor said that it has these features.
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => unsafe { avx512::fold_pairs(packs, code, scratch) },
        _ => fold_pairs::<Plain<u64>>(packs, code, scratch),
    }
    packs.truncate(packs.len().div_ceil(2));
}

#[inline(always)]
fn fold_pairs<L: Lanes<Atom = u64>>(packs: &mut [Pack], code: u64, scratch: &mut Scratch) {
    const NONE: &Pack = &[Octet::ZERO; DEGREE];
    let Scratch { steep, sums, long } = scratch;
    for pair in 0..packs.len().div_ceil(2) {
        let low = &packs[2 * pair];
        subtract_pack::<L>(packs.get(2 * pair + 1).unwrap_or(NONE), low, steep);
        times_challenge::<L>(steep, code, sums, long);
        for (long, low) in long.iter_mut().zip(low) {
            L::load(&long.0).add(L::load(&low.0)).store(&mut long.0);
        }
        reduce::<L>(long, &mut packs[pair]);
    }
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
fn products_of<L: Lanes<Atom = u64>>(u: [&[Pack]; 2], v: [&[Pack]; 2], t: u32, sums: &mut [[Octet; PRODUCTS]]) {
    let points = sums.len();
    let mut room = karatsuba::Room::new();
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
            let (u, v) = ([&u_own[point], &u_next[point]], [&v_own[point], &v_next[point]]);
            karatsuba::accumulate::<L>(&mut sums[point], u, v, &mut room);
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
