//! Views of corrupt parties, real ones held against simulated ones: what the privacy tests of all protocols have in common.
//!
//! A view is a list of [`Track`]s, each one bit of it in every execution. Compared are, by Pearson's statistic, single bits, parities of two, and joint
//! values of several, against one fixed threshold.

use crate::net::sim::Dice;

/// Executions, a multiple of 64.
pub(crate) const ROWS: usize = 100_032;
/// Words of a track.
pub(crate) const WORDS: usize = ROWS / 64;

/// One bit of the view in every execution.
pub(crate) type Track = Vec<u64>;

/// Tracks of the views that `N` parties have of each execution, by number: the lowest and the highest bit of each word. Views of a party are of one length.
/// All processors work on them.
pub(crate) fn executed<const N: usize>(execution: impl Fn(u64) -> [Vec<u64>; N] + Sync) -> [Vec<Track>; N] {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let some = |words: std::ops::Range<usize>| {
        let mut all: [Vec<Track>; N] = std::array::from_fn(|_| Vec::new());
        for (word, row) in words.enumerate().flat_map(|(at, word)| (0..64).map(move |row| (at, word * 64 + row))) {
            for (tracks, view) in all.iter_mut().zip(execution(row as u64)) {
                tracks.resize(2 * view.len(), Track::new());
                for (value, tracks) in view.iter().zip(tracks.chunks_exact_mut(2)) {
                    for (track, bit) in tracks.iter_mut().zip([value & 1, value >> 63]) {
                        track.resize(word + 1, 0);
                        track[word] |= bit << (row % 64);
                    }
                }
            }
        }
        all
    };
    let mut all: [Vec<Track>; N] = std::array::from_fn(|_| Vec::new());
    std::thread::scope(|scope| {
        let stretch = WORDS.div_ceil(threads);
        let stretches = (0..WORDS).step_by(stretch).map(|from| from..WORDS.min(from + stretch));
        let running: Vec<_> = stretches.map(|words| scope.spawn(|| some(words))).collect();
        for done in running {
            for (tracks, more) in all.iter_mut().zip(done.join().expect("an execution ends")) {
                tracks.resize(more.len(), Track::new());
                tracks.iter_mut().zip(more).for_each(|(track, more)| track.extend(more));
            }
        }
    });
    all.iter().for_each(|tracks| assert!(tracks.iter().all(|track| track.len() == WORDS), "views are of one length"));
    all
}

/// By how much the parity of two tracks (of one, where they are the same) exceeds the threshold.
pub(crate) fn parity(real: &[Track], simulated: &[Track], [x, y]: [usize; 2]) -> f64 {
    let ones = |view: &[Track]| {
        let parity = |(x_word, y_word): (&u64, &u64)| if x == y { *x_word } else { x_word ^ y_word };
        f64::from(view[x].iter().zip(&view[y]).map(|words| parity(words).count_ones()).sum::<u32>())
    };
    let rows = real[x].len() as f64 * 64.0;
    let (real, simulated) = (ones(real), ones(simulated));
    let (ones, zeros) = (real + simulated, 2.0 * rows - real - simulated);
    let square = (real - simulated) * (real - simulated);
    let statistic = if ones * zeros > 0.0 { square / ones + square / zeros } else { square };
    statistic - threshold(1.0)
}

/// By how much the joint values of tracks exceed the threshold.
pub(crate) fn joint(real: &[Track], simulated: &[Track], chosen: &[usize]) -> f64 {
    let count = |view: &[Track]| {
        let mut cells = vec![0u32; 1 << chosen.len()];
        for row in 0..view[chosen[0]].len() * 64 {
            let bit = |track: &usize| (view[*track][row / 64] >> (row % 64) & 1) as usize;
            cells[chosen.iter().fold(0, |cell, track| cell << 1 | bit(track))] += 1;
        }
        cells
    };
    let cells = count(real).into_iter().zip(count(simulated)).filter(|(x, y)| x + y > 0);
    let (mut sum, mut used) = (0.0, 0.0);
    for (x, y) in cells {
        let (x, y) = (f64::from(x), f64::from(y));
        sum += (x - y) * (x - y) / (x + y);
        used += 1.0;
    }
    sum - threshold(f64::max(used - 1.0, 1.0))
}

/// Six standard deviations above the mean, by Wilson and Hilferty: exceeded once in 10^9.
fn threshold(freedom: f64) -> f64 {
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 6.0 * spread.sqrt()).powi(3)
}

/// The largest excess over the threshold of: each track, the parity of each pair of tracks, the joint values of some six tracks.
pub(crate) fn excess(real: &[Track], simulated: &[Track]) -> f64 {
    assert_eq!(real.len(), simulated.len());
    let pairs = (0..real.len()).flat_map(|x| (0..=x).map(move |y| [x, y]));
    let worst = pairs.map(|pair| parity(real, simulated, pair)).fold(f64::MIN, f64::max);
    let mut dice = Dice::new(real.len() as u64);
    let six = (0..30).map(|_| [(); 6].map(|()| dice.below(real.len() as u64) as usize));
    six.map(|chosen| joint(real, simulated, &chosen)).fold(worst, f64::max)
}
