//! Sorting shuffled rows by comparisons whose results are opened.

use crate::domain::Values;
use crate::engine::{Backend, Column, Failure, Io};

use super::super::{compare, open};
use super::row_bits;

/// The rows in the order of unsigned keys given by their bits, lowest first.
pub(super) async fn sort(
    backend: &dyn Backend,
    io: &mut Io,
    bits: Vec<Column>,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let len = bits.first().map_or(0, Column::len);
    // Rows' old places decide between equal keys: no two are alike, and the order is stable.
    let keys = [row_bits(backend, len)?, bits].concat();
    let width = keys.len();
    let mut shuffled = backend.shuffle(io, &[keys.as_slice(), columns].concat()).await?;
    let columns = shuffled.split_off(width);
    let mut plan = Plan::new(len);
    let mut keys = shuffled;
    while !plan.is_done() {
        let (left, right) = plan.pairs();
        let (left, right) = (backend.gather_all(&keys, &left)?, backend.gather_all(&keys, &right)?);
        let less = compare::lt_bits(backend, io, &left, &right).await?;
        // Declassified: the order of two distinct keys at places that a secret uniform shuffle has chosen.
        let opened = open::to_all(backend, io, &[less]).await?;
        let opened = opened.into_iter().next().ok_or(Failure::Program("one column was opened"))?;
        let order = plan.learn(&if backend.is_rehearsal() { plan.simulated() } else { opened })?;
        keys = backend.gather_all(&keys, &order)?;
    }
    backend.gather_all(&columns, &plan.placed)
}

/// What is known in the open of the order of shuffled rows.
struct Plan {
    /// The row at each place of the result, as far as it is settled.
    placed: Vec<u32>,
    /// Rows that are not settled, stretch by stretch: the order of the keys' rows.
    rows: Vec<u32>,
    stretches: Vec<Stretch>,
}

/// Rows between two that are settled.
struct Stretch {
    /// Where the first of them stands in the result.
    place: usize,
    len: usize,
    /// Some of its rows in order, by their place in the stretch.
    sample: Vec<u32>,
}

/// What is compared within a stretch.
enum Task {
    /// The first so many rows, each with each.
    All(u32),
    /// Every row with each of these.
    Split(Vec<u32>),
}

/// Stretches of so many rows are compared each with each.
const SMALL: usize = 16;
/// Rows that split a stretch in one turn.
const PIVOTS: usize = 3;

impl Stretch {
    fn task(&self) -> Task {
        if self.len <= SMALL {
            return Task::All(self.len as u32);
        }
        if self.sample.is_empty() {
            // Comparing a sample of 2 √n rows each with each costs twice as much as one comparison per row.
            return Task::All(2 * self.len.isqrt() as u32);
        }
        let count = self.sample.len().min(PIVOTS);
        Task::Split((1..=count).map(|at| self.sample[at * (self.sample.len() + 1) / (count + 1) - 1]).collect())
    }
}

impl Plan {
    fn new(len: usize) -> Self {
        let rows = (0..len as u32).collect();
        Self { placed: vec![0; len], rows, stretches: vec![Stretch { place: 0, len, sample: Vec::new() }] }
    }

    const fn is_done(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The pairs to compare next, by their places among the rows that are not settled.
    fn pairs(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut left, mut right, mut begin) = (Vec::new(), Vec::new(), 0);
        for stretch in &self.stretches {
            match stretch.task() {
                // By distance, so that both sides are runs of rows.
                Task::All(count) => {
                    for distance in 1..count {
                        left.extend(begin..begin + count - distance);
                        right.extend(begin + distance..begin + count);
                    }
                }
                Task::Split(pivots) => {
                    for pivot in pivots {
                        left.extend(begin..begin + stretch.len as u32);
                        right.extend(std::iter::repeat_n(begin + pivot, stretch.len));
                    }
                }
            }
            begin += stretch.len as u32;
        }
        (left, right)
    }

    /// Results for [`Plan::pairs`] as whoever sees them could have drawn them alone: those of a permutation that looks random.
    fn simulated(&self) -> Values {
        // SplitMix64 takes no two rows to one rank (Steele, Lea, Flood 2014, figure 15).
        let rank = |place: &u32| {
            let mut rank = u64::from(self.rows[*place as usize]).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            rank = (rank ^ rank >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            rank = (rank ^ rank >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            rank ^ rank >> 31
        };
        let (left, right) = self.pairs();
        Values::Bits(left.iter().zip(&right).map(|(left, right)| rank(left) < rank(right)).collect())
    }

    /// Takes the results for [`Plan::pairs`]; returns the rows that are left, in their new order, by their old places.
    fn learn(&mut self, less: &Values) -> Result<Vec<u32>, Failure> {
        let mut less = less.bits().ok_or(Failure::Program("comparisons yield bits"))?.iter();
        let (mut order, mut next, mut begin) = (Vec::new(), Vec::new(), 0u32);
        for stretch in std::mem::take(&mut self.stretches) {
            let len = stretch.len;
            match stretch.task() {
                Task::All(count) => {
                    let mut ranks = vec![0usize; count as usize];
                    for distance in 1..count as usize {
                        for low in 0..count as usize - distance {
                            let before = less.next().unwrap_or_default();
                            ranks[if before { low + distance } else { low }] += 1;
                        }
                    }
                    let mut sample = vec![u32::MAX; count as usize];
                    for (row, rank) in ranks.into_iter().enumerate() {
                        sample[rank] = row as u32;
                    }
                    if sample.contains(&u32::MAX) {
                        return Err(Failure::Program("the comparisons opened by a sort make an order"));
                    }
                    if count as usize == len {
                        for (rank, row) in sample.into_iter().enumerate() {
                            self.placed[stretch.place + rank] = self.rows[(begin + row) as usize];
                        }
                    } else {
                        order.extend(begin..begin + len as u32);
                        next.push(Stretch { sample, ..stretch });
                    }
                }
                Task::Split(pivots) => {
                    // How many pivots a row is not below.
                    let mut parts = vec![0usize; len];
                    for _ in &pivots {
                        parts.iter_mut().for_each(|part| *part += usize::from(!less.next().unwrap_or_default()));
                    }
                    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); pivots.len() + 1];
                    // Where each row stands within its part.
                    let mut within = vec![0u32; len];
                    for (row, part) in parts.iter().enumerate() {
                        if !pivots.contains(&(row as u32)) {
                            within[row] = rows[*part].len() as u32;
                            rows[*part].push(row as u32);
                        }
                    }
                    let mut place = stretch.place;
                    for (at, rows) in rows.into_iter().enumerate() {
                        match rows.as_slice() {
                            [] => {}
                            [row] => self.placed[place] = self.rows[(begin + row) as usize],
                            _ => {
                                let sample = stretch
                                    .sample
                                    .iter()
                                    .filter(|row| parts[**row as usize] == at && !pivots.contains(row));
                                let sample = sample.map(|row| within[*row as usize]).collect();
                                next.push(Stretch { place, len: rows.len(), sample });
                                order.extend(rows.iter().map(|row| begin + row));
                            }
                        }
                        place += rows.len();
                        if let Some(pivot) = pivots.get(at) {
                            let slot = self.placed.get_mut(place);
                            *slot.ok_or(Failure::Program("as many rows as places"))? =
                                self.rows[(begin + pivot) as usize];
                            place += 1;
                        }
                    }
                }
            }
            begin += len as u32;
        }
        self.rows = order.iter().map(|row| self.rows[*row as usize]).collect();
        self.stretches = next;
        Ok(order)
    }
}
