//! Recorded products as blocks of rows: what is multiplied, weighted and lifted in step.

use std::borrow::Cow;

use crate::rep3::record::Size;
use crate::rep3::{Atom, Product, Shape};

use super::extension::OCTET;

/// Results that are each a sum of as many terms, and how these are laid out.
pub(crate) struct Kind {
    /// `L`.
    terms: usize,
    /// `G`.
    results: usize,
    /// Rows are stretches of a result's terms, rather than of results.
    pub(crate) by_term: bool,
    /// `2^t`.
    rows: usize,
}

/// Products of one kind.
pub(crate) struct Batch<'a, A: Atom> {
    /// What they have in common.
    pub(crate) kind: Kind,
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

impl Kind {
    /// The kinds among records of these sizes, but for matrices, for `t` variables.
    pub(crate) fn sort(sizes: &[Size], t: u32) -> Vec<Self> {
        let mut kinds: Vec<Self> = Vec::new();
        for size in sizes {
            let Some(terms) = terms(size) else { continue };
            match kinds.iter_mut().find(|kind| kind.terms == terms) {
                Some(kind) => kind.results += size.results,
                None => kinds.push(Self { terms, results: size.results, by_term: false, rows: 1 << t }),
            }
        }
        for kind in &mut kinds {
            let pad = |len: usize| len.next_multiple_of(kind.size());
            // Whichever pads less.
            kind.by_term = kind.terms > 1 && kind.results * pad(kind.terms) < pad(kind.results) * kind.terms;
        }
        kinds
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
}

/// Terms of each result of a record that makes one of a kind.
const fn terms(size: &Size) -> Option<usize> {
    match size.shape {
        _ if size.results == 0 => None,
        Shape::Each => Some(1),
        Shape::Dot { .. } => Some(size.left / size.results),
        Shape::Matrix { .. } => None,
    }
}

impl<'a, A: Atom> Batch<'a, A> {
    /// Records by kind, but for matrices, for `t` variables.
    pub(crate) fn sort(products: &'a [Product<A>], t: u32) -> Vec<Self> {
        let sizes: Vec<Size> = products.iter().map(Product::size).collect();
        let batch = |kind: Kind| {
            let mut segments: Vec<Segment<'a, A>> = Vec::new();
            let mut first = 0;
            for (record, product) in products.iter().enumerate() {
                if terms(&product.size()) == Some(kind.terms) {
                    segments.push(Segment { product, record, first });
                    first += product.out.len();
                }
            }
            Self { kind, segments }
        };
        Kind::sort(&sizes, t).into_iter().map(batch).collect()
    }

    /// Calls `visit` with all blocks in order, at most `limit` at a time.
    pub(crate) fn tiles(&self, limit: usize, mut visit: impl FnMut(Tile<'_, A>)) {
        let mut first = 0;
        while first < self.kind.blocks() {
            let blocks = (self.kind.blocks() - first).min(limit);
            if let Some(tile) = self.borrow(first, blocks) {
                visit(tile);
            } else {
                let mut gathered: [Vec<A>; 4] = std::array::from_fn(|_| Vec::with_capacity(blocks * self.kind.size()));
                (first..first + blocks).for_each(|block| self.gather(block, &mut gathered));
                let [x_own, x_next, y_own, y_next] = gathered.map(Cow::Owned);
                visit(Tile { left: [x_own, x_next], right: [y_own, y_next], first, blocks });
            }
            first += blocks;
        }
    }

    /// Blocks in place, where they are one stretch of one record.
    fn borrow(&self, first: usize, blocks: usize) -> Option<Tile<'_, A>> {
        let size = self.kind.size();
        let (result, from, len) = if self.kind.by_term {
            let (unit, block) = (first / self.kind.blocks_of_unit(), first % self.kind.blocks_of_unit());
            if block * size + blocks * size > self.kind.terms {
                return None;
            }
            (unit, block * size, blocks * size)
        } else {
            if self.kind.terms != 1 || (first + blocks) * size > self.kind.results {
                return None;
            }
            (first * size, 0, blocks * size)
        };
        let (segment, at) = self.locate(result);
        let begin = at * self.kind.terms + from;
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
        let size = self.kind.size();
        let (unit, step) = (block / self.kind.blocks_of_unit(), block % self.kind.blocks_of_unit());
        let end = sides[0].len() + size;
        let mut append = |segment: &Segment<'_, A>, begin: usize, len: usize| {
            let (left, right) = (&segment.product.left, &segment.product.right);
            for (out, side) in sides.iter_mut().zip([left.own(), left.next(), right.own(), right.next()]) {
                out.extend_from_slice(&side[begin..begin + len]);
            }
        };
        if self.kind.by_term {
            let (segment, at) = self.locate(unit);
            append(segment, at * self.kind.terms + step * size, (self.kind.terms - step * size).min(size));
        } else {
            let (mut result, last) = (unit * size, (unit * size + size).min(self.kind.results));
            while result < last {
                let (segment, at) = self.locate(result);
                let count = (last - result).min(segment.product.out.len() - at);
                if self.kind.terms == 1 {
                    append(segment, at, count);
                } else {
                    (at..at + count).for_each(|at| append(segment, at * self.kind.terms + step, 1));
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
