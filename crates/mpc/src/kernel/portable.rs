//! The kernels' code, which is also their reference; always inlined, so that it takes on the features of whoever calls it.

use crate::rep3::{Atom, Ring, Word};

use super::{BLOCK, Parts};

#[inline(always)]
pub(super) fn products<A: Atom>(z: &mut [A], [x, x_next]: Parts<'_, A>, [y, y_next]: Parts<'_, A>, b: &[A]) {
    let len = z.len();
    let (x, x_next, y, y_next, b) = (&x[..len], &x_next[..len], &y[..len], &y_next[..len], &b[..len]);
    for k in 0..len {
        let cross = x[k].times(y[k].plus(y_next[k])).plus(x_next[k].times(y[k]));
        z[k] = z[k].plus(cross).minus(b[k]);
    }
}

#[inline(always)]
pub(super) fn dot<A: Atom>([x, x_next]: Parts<'_, A>, [y, y_next]: Parts<'_, A>) -> A {
    let len = x.len();
    let (x_next, y, y_next) = (&x_next[..len], &y[..len], &y_next[..len]);
    let mut sum = A::ZERO;
    for k in 0..len {
        sum = sum.plus(x[k].times(y[k].plus(y_next[k])).plus(x_next[k].times(y[k])));
    }
    sum
}

#[inline(always)]
pub(super) fn scaled<A: Atom>(z: &mut [A], factor: A, x: &[A]) {
    for (z, x) in z.iter_mut().zip(x) {
        *z = z.plus(factor.times(*x));
    }
}

#[inline(always)]
pub(super) fn chosen<R: Ring>(z: &mut [R], bits: &[Word], factor: R, x: Option<&[R]>) {
    for (tile, (z, word)) in z.chunks_mut(64).zip(bits).enumerate() {
        let bit = |place: usize| R::ZERO.minus(R::bit(word.0 >> place & 1));
        match x {
            Some(x) => {
                let x = &x[tile * 64..tile * 64 + z.len()];
                for place in 0..z.len() {
                    z[place] = z[place].plus(factor.times(x[place]).masked(bit(place)));
                }
            }
            None => {
                for (place, z) in z.iter_mut().enumerate() {
                    *z = z.plus(factor.masked(bit(place)));
                }
            }
        }
    }
}

/// Blocks of the right matrix that stay in the cache are met by all rows of the left one; four of its rows are added at a time.
#[inline(always)]
pub(super) fn matrix<A: Atom>(
    z: &mut [A],
    [x, x_next]: Parts<'_, A>,
    [y, y_next]: Parts<'_, A>,
    [inner, columns]: [usize; 2],
) {
    if inner == 0 || columns == 0 {
        return;
    }
    if columns < NARROW {
        return narrow(z, [x, x_next], [y, y_next], [inner, columns]);
    }
    let both: Vec<A> = y.iter().zip(y_next).map(|(y, next)| y.plus(*next)).collect();
    for column in (0..columns).step_by(WIDE) {
        let width = WIDE.min(columns - column);
        for depth in (0..inner).step_by(DEEP) {
            let deep = DEEP.min(inner - depth);
            for (row, z) in z.chunks_exact_mut(columns).enumerate() {
                let z = &mut z[column..column + width];
                let at = row * inner + depth;
                let (x, x_next) = (&x[at..at + deep], &x_next[at..at + deep]);
                let line = |matrix, k| line(matrix, (depth + k) * columns + column, width);
                let mut k = 0;
                while k + 4 <= deep {
                    let (s, y) = ([0, 1, 2, 3].map(|j| line(&both, k + j)), [0, 1, 2, 3].map(|j| line(y, k + j)));
                    for c in 0..width {
                        let mut sum = z[c];
                        for j in 0..4 {
                            sum = sum.plus(x[k + j].times(s[j][c])).plus(x_next[k + j].times(y[j][c]));
                        }
                        z[c] = sum;
                    }
                    k += 4;
                }
                for k in k..deep {
                    scaled(z, x[k], line(&both, k));
                    scaled(z, x_next[k], line(y, k));
                }
            }
        }
    }
}

#[inline(always)]
fn line<A>(matrix: &[A], at: usize, width: usize) -> &[A] {
    &matrix[at..at + width]
}

/// Few columns: the right matrix is turned, so that each cell is an inner product of two stretches of memory.
#[inline(always)]
fn narrow<A: Atom>(z: &mut [A], [x, x_next]: Parts<'_, A>, y: Parts<'_, A>, [inner, columns]: [usize; 2]) {
    let turned = y.map(|y| {
        let cells = (0..columns).flat_map(|column| (0..inner).map(move |k| (k, column)));
        cells.map(|(k, column)| y[k * columns + column]).collect::<Vec<A>>()
    });
    for (row, z) in z.chunks_exact_mut(columns).enumerate() {
        let left = row * inner..(row + 1) * inner;
        for (column, z) in z.iter_mut().enumerate() {
            let right = column * inner..(column + 1) * inner;
            let sum = dot([&x[left.clone()], &x_next[left.clone()]], [&turned[0][right.clone()], &turned[1][right]]);
            *z = z.plus(sum);
        }
    }
}

/// Hacker's Delight (Warren), section 7-3, on eight matrices side by side: swaps off-diagonal squares of 32, 16, … 1 bits.
#[inline(always)]
pub(super) fn transpose(rows: &[u64; BLOCK], planes: &mut [[u64; 8]; 64]) {
    for (r, plane) in planes.iter_mut().enumerate() {
        for (w, word) in plane.iter_mut().enumerate() {
            *word = rows[64 * w + r];
        }
    }
    swap_squares::<32>(planes, 0x0000_0000_ffff_ffff);
    swap_squares::<16>(planes, 0x0000_ffff_0000_ffff);
    swap_squares::<8>(planes, 0x00ff_00ff_00ff_00ff);
    swap_squares::<4>(planes, 0x0f0f_0f0f_0f0f_0f0f);
    swap_squares::<2>(planes, 0x3333_3333_3333_3333);
    swap_squares::<1>(planes, 0x5555_5555_5555_5555);
}

#[inline(always)]
fn swap_squares<const HALF: usize>(planes: &mut [[u64; 8]; 64], mask: u64) {
    for pair in planes.chunks_exact_mut(2 * HALF) {
        let (upper, lower) = pair.split_at_mut(HALF);
        for (upper, lower) in upper.iter_mut().zip(lower) {
            let (mut x, mut y) = (*upper, *lower);
            for w in 0..8 {
                let swap = ((x[w] >> HALF) ^ y[w]) & mask;
                x[w] ^= swap << HALF;
                y[w] ^= swap;
            }
            (*upper, *lower) = (x, y);
        }
    }
}

/// Fewer columns than this are treated one by one.
const NARROW: usize = 8;
/// Columns of a block of the right matrix.
const WIDE: usize = 256;
/// Its rows.
const DEEP: usize = 64;
