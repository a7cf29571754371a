//! Bit slices: plane `p` holds bit `p` of every row, 64 rows to a word.

use std::rc::Rc;

use crate::kernel::{BLOCK, Level};

use super::share::{Replicated, Ring, Span, Word};

/// The lowest `count` bits of each row as planes, one after the other; rows past the last are zero.
pub(super) fn slice<R: Ring>(level: Level, rows: &[R], count: u32) -> Vec<Word> {
    let words = rows.len().div_ceil(64);
    let mut planes = vec![Word(0); count as usize * words];
    let (mut limbs, mut turned) = ([0; BLOCK], [[0; 8]; 64]);
    for (block, rows) in rows.chunks(BLOCK).enumerate() {
        let (at, width) = (block * 8, rows.len().div_ceil(64));
        for limb in 0..count.div_ceil(64) {
            limbs.iter_mut().zip(rows).for_each(|(limb_of, row)| *limb_of = row.limb(limb));
            limbs[rows.len()..].fill(0);
            level.transpose(&limbs, &mut turned);
            for (place, plane) in turned.iter().take((count - 64 * limb) as usize).enumerate() {
                let start = (64 * limb as usize + place) * words + at;
                planes[start..start + width].copy_from_slice(bytemuck::cast_slice(&plane[..width]));
            }
        }
    }
    planes
}

/// A share's planes, all of the same number of words.
#[derive(Clone)]
pub(super) struct Planes {
    pub(super) share: Rc<Replicated<Word>>,
    pub(super) words: usize,
}

impl Planes {
    pub(super) fn new(share: impl Into<Rc<Replicated<Word>>>, words: usize) -> Self {
        Self { share: share.into(), words }
    }

    /// Consecutive planes, without a copy.
    pub(super) fn span(&self, planes: std::ops::Range<usize>) -> Span<Word> {
        Span::of(&self.share, planes.start * self.words..planes.end * self.words)
    }

    /// The planes named, one after the other.
    pub(super) fn pick(&self, planes: impl Iterator<Item = usize> + Clone) -> Replicated<Word> {
        let part = |part: &[Word]| planes.clone().flat_map(|plane| self.range(part, plane)).copied().collect();
        Replicated { own: part(&self.share.own), next: part(&self.share.next) }
    }

    /// One plane.
    pub(super) fn plane(&self, plane: usize) -> Replicated<Word> {
        self.pick(std::iter::once(plane))
    }

    fn range<'a>(&self, part: &'a [Word], plane: usize) -> &'a [Word] {
        &part[plane * self.words..(plane + 1) * self.words]
    }
}

/// Adds `planes` of `from`, in this order, to those of `to` named beside.
pub(super) fn add_planes(
    to: &mut Replicated<Word>,
    from: &Replicated<Word>,
    words: usize,
    places: impl Iterator<Item = (usize, usize)>,
) {
    for (target, source) in places {
        let (target, source) = (target * words..(target + 1) * words, source * words..(source + 1) * words);
        super::linear::plus(&mut to.own[target.clone()], &from.own[source.clone()]);
        super::linear::plus(&mut to.next[target], &from.next[source]);
    }
}
