//! Recorded products as blocks of rows: what is multiplied, weighted and lifted in step.

use std::borrow::Cow;

use crate::rep3::{Atom, Product, Shape};

use super::extension::OCTET;

/// Products of one kind: results that are each a sum of as many terms.
pub(crate) struct Batch<'a, A: Atom> {
    /// `L`.
    pub(crate) terms: usize,
    /// `G`.
    pub(crate) results: usize,
    /// Rows are stretches of a result's terms, rather than of results.
    pub(crate) by_term: bool,
    /// `2^t`.
    rows: usize,
    segments: Vec<Segment<'a, A>>,
}

/// One record's part of a batch.
struct Segment<'a, A: Atom> {
    product: &'a Product<A>,
    /// Where it stands among the records.
    record: usize,
    /// Its first result in the batch.
    first: usize,
}

/// Blocks that lie one after the other.
pub(crate) struct Tile<'a, A: Atom> {
    /// `x_i`, `x_{i+1}`.
    pub(crate) left: [Cow<'a, [A]>; 2],
    /// `y_i`, `y_{i+1}`.
    pub(crate) right: [Cow<'a, [A]>; 2],
    /// The first.
    pub(crate) first: usize,
    /// How many.
    pub(crate) blocks: usize,
}

impl<'a, A: Atom> Batch<'a, A> {
    /// The kinds among records, but for matrices, for `t` variables.
    pub(crate) fn sort(products: &'a [Product<A>], t: u32) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        for (record, product) in products.iter().enumerate() {
            let results = product.out.len();
            let terms = match product.shape {
                _ if results == 0 => continue,
                Shape::Each => 1,
                Shape::Dot { .. } => product.left.len() / results,
                Shape::Matrix { .. } => continue,
            };
            let at = batches.iter().position(|batch| batch.terms == terms).unwrap_or_else(|| {
                batches.push(Self { terms, results: 0, by_term: false, rows: 1 << t, segments: Vec::new() });
                batches.len() - 1
            });
            let batch = &mut batches[at];
            batch.segments.push(Segment { product, record, first: batch.results });
            batch.results += results;
        }
        for batch in &mut batches {
            let pad = |len: usize| len.next_multiple_of(batch.size());
            // Whichever pads less.
            batch.by_term = batch.terms > 1 && batch.results * pad(batch.terms) < pad(batch.results) * batch.terms;
        }
        batches
    }

    /// Words of a block.
    pub(crate) const fn size(&self) -> usize {
        self.rows * OCTET
    }

    /// Stretches with weights of their own: blocks of results, or results.
    pub(crate) const fn units(&self) -> usize {
        if self.by_term { self.results } else { self.results.div_ceil(self.size()) }
    }

    /// Blocks of a unit, all with the same weights.
    pub(crate) const fn blocks_of_unit(&self) -> usize {
        if self.by_term { self.terms.div_ceil(self.size()) } else { self.terms }
    }

    /// All blocks.
    pub(crate) const fn blocks(&self) -> usize {
        self.units() * self.blocks_of_unit()
    }

    /// Calls `visit` with all blocks in order, at most `limit` at a time.
    pub(crate) fn tiles(&self, limit: usize, mut visit: impl FnMut(Tile<'_, A>)) {
        let mut first = 0;
        while first < self.blocks() {
            let blocks = (self.blocks() - first).min(limit);
            if let Some(tile) = self.borrow(first, blocks) {
                visit(tile);
            } else {
                let mut gathered: [Vec<A>; 4] = std::array::from_fn(|_| Vec::with_capacity(blocks * self.size()));
                (first..first + blocks).for_each(|block| self.gather(block, &mut gathered));
                let [x_own, x_next, y_own, y_next] = gathered.map(Cow::Owned);
                visit(Tile { left: [x_own, x_next], right: [y_own, y_next], first, blocks });
            }
            first += blocks;
        }
    }

    /// Blocks in place, where they are one stretch of one record.
    fn borrow(&self, first: usize, blocks: usize) -> Option<Tile<'_, A>> {
        let size = self.size();
        let (result, from, len) = if self.by_term {
            let (unit, block) = (first / self.blocks_of_unit(), first % self.blocks_of_unit());
            if block * size + blocks * size > self.terms {
                return None;
            }
            (unit, block * size, blocks * size)
        } else {
            if self.terms != 1 || (first + blocks) * size > self.results {
                return None;
            }
            (first * size, 0, blocks * size)
        };
        let (segment, at) = self.locate(result);
        let begin = at * self.terms + from;
        if begin + len > segment.product.left.len() {
            return None;
        }
        let (left, right) = (&segment.product.left, &segment.product.right);
        let of = |side: &'a [A]| Cow::Borrowed(&side[begin..begin + len]);
        let (left, right) = ([of(left.own()), of(left.next())], [of(right.own()), of(right.next())]);
        Some(Tile { left, right, first, blocks })
    }

    /// The record of a result, and its place there.
    fn locate(&self, result: usize) -> (&Segment<'a, A>, usize) {
        let at = self.segments.partition_point(|segment| segment.first <= result) - 1;
        (&self.segments[at], result - self.segments[at].first)
    }

    /// Appends one block, with zeros for what there is not.
    fn gather(&self, block: usize, sides: &mut [Vec<A>; 4]) {
        let size = self.size();
        let (unit, step) = (block / self.blocks_of_unit(), block % self.blocks_of_unit());
        let end = sides[0].len() + size;
        let mut append = |segment: &Segment<'_, A>, begin: usize, len: usize| {
            let (left, right) = (&segment.product.left, &segment.product.right);
            for (out, side) in sides.iter_mut().zip([left.own(), left.next(), right.own(), right.next()]) {
                out.extend_from_slice(&side[begin..begin + len]);
            }
        };
        if self.by_term {
            let (segment, at) = self.locate(unit);
            append(segment, at * self.terms + step * size, (self.terms - step * size).min(size));
        } else {
            let (mut result, last) = (unit * size, (unit * size + size).min(self.results));
            while result < last {
                let (segment, at) = self.locate(result);
                let count = (last - result).min(segment.product.out.len() - at);
                if self.terms == 1 {
                    append(segment, at, count);
                } else {
                    (at..at + count).for_each(|at| append(segment, at * self.terms + step, 1));
                }
                result += count;
            }
        }
        sides.iter_mut().for_each(|side| side.resize(end, A::ZERO));
    }

    /// The batch's results, of vectors given for each record.
    pub(crate) fn results_of<'b>(&self, outs: &[Cow<'b, [A]>]) -> Cow<'b, [A]> {
        let own = |segment: &Segment<'_, A>| outs[segment.record].clone();
        match &self.segments[..] {
            [segment] => own(segment),
            segments => segments.iter().flat_map(|segment| own(segment).into_owned()).collect(),
        }
    }
}
