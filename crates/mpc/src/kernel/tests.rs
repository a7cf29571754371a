//! All levels compute the same, and what the formulas say.

use super::*;

/// A fixed sequence (SplitMix64) in which the edges 0, 1, −1 and the smallest negative number are frequent.
struct Numbers(u64);

impl Numbers {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match z % 11 {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => 1 << 63,
            _ => z ^ (z >> 31),
        }
    }

    fn vector<A: Atom>(&mut self, len: usize) -> Vec<A> {
        let mut out = vec![A::ZERO; len];
        bytemuck::cast_slice_mut::<A, u64>(&mut out).fill_with(|| self.word());
        out
    }
}

fn agrees<A: Atom>() {
    let mut numbers = Numbers(size_of::<A>() as u64);
    for len in [0, 1, 2, 7, 8, 9, 63, 64, 65, 1000, 4097] {
        let [x, x_next, y, y_next, a, b] = [(); 6].map(|()| numbers.vector::<A>(len));
        let cross = |k: usize| x[k].times(y[k]).plus(x[k].times(y_next[k])).plus(x_next[k].times(y[k]));
        let expected: Vec<A> = (0..len).map(|k| a[k].plus(cross(k)).minus(b[k])).collect();
        let sum = (0..len).fold(A::ZERO, |sum, k| sum.plus(cross(k)));
        let factor = numbers.vector::<A>(1)[0];
        let scaled: Vec<A> = (0..len).map(|k| a[k].plus(factor.times(x[k]))).collect();
        for level in Level::available() {
            let mut z = a.clone();
            level.products(&mut z, [&x, &x_next], [&y, &y_next], &b);
            assert_eq!(z, expected, "{} × {len}", level.name());
            assert_eq!(level.dot([&x, &x_next], [&y, &y_next]), sum, "{} × {len}", level.name());
            let mut z = a.clone();
            level.scaled(&mut z, factor, &x);
            assert_eq!(z, scaled, "{} × {len}", level.name());
        }
    }
    for [rows, inner, columns] in [[0, 3, 2], [2, 0, 3], [1, 1, 1], [3, 5, 7], [4, 130, 9], [2, 66, 300], [5, 4, 257]] {
        let (x, x_next) = (numbers.vector::<A>(rows * inner), numbers.vector::<A>(rows * inner));
        let (y, y_next) = (numbers.vector::<A>(inner * columns), numbers.vector::<A>(inner * columns));
        let start = numbers.vector::<A>(rows * columns);
        let cell = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            let step = |sum: A, k: usize| {
                let (left, right) = (row * inner + k, k * columns + column);
                let (x, x_next, y, y_next) = (x[left], x_next[left], y[right], y_next[right]);
                sum.plus(x.times(y)).plus(x.times(y_next)).plus(x_next.times(y))
            };
            (0..inner).fold(start[at], step)
        };
        let expected: Vec<A> = (0..rows * columns).map(cell).collect();
        for level in Level::available() {
            let mut z = start.clone();
            level.matrix(&mut z, [&x, &x_next], [&y, &y_next], [inner, columns]);
            assert_eq!(z, expected, "{} {rows} × {inner} × {columns}", level.name());
        }
    }
}

#[test]
fn all_levels_compute_the_same() {
    agrees::<u64>();
    agrees::<u128>();
    agrees::<Word>();
}

fn chooses<R: Ring>() {
    let mut numbers = Numbers(7);
    for len in [0usize, 1, 63, 64, 65, 1000] {
        let (z, x, bits) =
            (numbers.vector::<R>(len), numbers.vector::<R>(len), numbers.vector::<Word>(len.div_ceil(64)));
        let factor = numbers.vector::<R>(1)[0];
        for x in [None, Some(&*x)] {
            let term =
                |k: usize| R::bit(bits[k / 64].0 >> (k % 64) & 1).times(factor).times(x.map_or(R::bit(1), |x| x[k]));
            let expected: Vec<R> = (0..len).map(|k| z[k].plus(term(k))).collect();
            for level in Level::available() {
                let mut z = z.clone();
                level.chosen(&mut z, &bits, factor, x);
                assert_eq!(z, expected, "{} × {len}", level.name());
            }
        }
    }
}

#[test]
fn all_levels_choose() {
    chooses::<u64>();
    chooses::<u128>();
}

#[test]
fn all_levels_transpose() {
    let mut numbers = Numbers(5);
    for _ in 0..20 {
        let rows: [u64; BLOCK] = numbers.vector(BLOCK).try_into().unwrap();
        for level in Level::available() {
            let mut planes = [[0; 8]; 64];
            level.transpose(&rows, &mut planes);
            for (k, row) in rows.iter().enumerate() {
                for (p, plane) in planes.iter().enumerate() {
                    assert_eq!(plane[k / 64] >> (k % 64) & 1, row >> p & 1, "{} row {k} bit {p}", level.name());
                }
            }
        }
    }
}

/// Prints elements per second in the cache: `cargo test --release kernel -- --ignored --nocapture`.
#[test]
#[ignore = "measures, checks nothing"]
fn rates() {
    fn rate(level: Level, name: &str, count: usize, mut work: impl FnMut()) {
        let calls = (1 << 24) / count.max(1);
        let rate = (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                (0..calls / 5).for_each(|_| work());
                (calls / 5 * count) as f64 / start.elapsed().as_secs_f64()
            })
            .fold(0.0, f64::max);
        println!("{:9} {name:20} {:>9.2} G/s", level.name(), rate / 1e9);
    }
    fn kernels<A: Atom>(level: Level, name: &str) {
        let len = 4096;
        let mut numbers = Numbers(1);
        let [x, x_next, y, y_next, b] = [(); 5].map(|()| numbers.vector::<A>(len));
        let mut z = b.clone();
        rate(level, &format!("products {name}"), len, || level.products(&mut z, [&x, &x_next], [&y, &y_next], &b));
        rate(level, &format!("dot {name}"), len, || {
            z[0] = std::hint::black_box(level.dot([&x, &x_next], [&y, &y_next]))
        });
        rate(level, &format!("scaled {name}"), len, || level.scaled(&mut z, b[0], &x));
        rate(level, &format!("matrix 64^3 {name}"), 64 * 64 * 64, || {
            level.matrix(&mut z, [&x, &x_next], [&y, &y_next], [64, 64]);
        });
    }
    for level in Level::available() {
        kernels::<u64>(level, "u64");
        kernels::<u128>(level, "u128");
        kernels::<Word>(level, "words");
        let rows: [u64; BLOCK] = Numbers(2).vector(BLOCK).try_into().unwrap();
        let mut planes = [[0; 8]; 64];
        rate(level, "transposed rows", BLOCK, || level.transpose(std::hint::black_box(&rows), &mut planes));
    }
}
