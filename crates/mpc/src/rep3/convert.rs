//! From ring elements to bits and back, and division by powers of two.

use std::rc::Rc;

use crate::domain::Domain;
use crate::engine::{Column, Failure, Io, Truncation, join};

use super::Rep3;
use super::column::{of_bits, of_ring};
use super::product::Factors;
use super::record::Shape;
use super::seat::Side;
use super::share::{Replicated, Ring, Span, Word};
use super::sharing::{deal, known, pool};

impl Rep3 {
    pub(super) async fn decompose<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        count: u32,
    ) -> Result<Vec<Column>, Failure> {
        let len = share.len();
        let distinct = count.min(R::BITS);
        let planes = self.sum_bits(io, share, distinct as usize).await?;
        let mut columns: Vec<Column> = (0..distinct as usize).map(|plane| of_bits(len, planes.plane(plane))).collect();
        // Two's complement goes on with its sign.
        while let (Some(sign), true) = (columns.last(), columns.len() < count as usize) {
            columns.push(sign.clone());
        }
        Ok(columns)
    }

    pub(super) async fn compose<R: Ring>(&self, io: &mut Io, bits: &[Column]) -> Result<Column, Failure> {
        let first = bits.first().ok_or(Failure::Program("at least one column of bits"))?;
        if first.domain() != Domain::Bits || bits.len() > R::BITS as usize {
            return Err(Failure::Program("one column of bits for each bit of the domain at most"));
        }
        bits.iter().try_for_each(|column| first.fits("from_bits", column))?;
        let shares = bits.iter().map(super::column::bits).collect::<Result<Vec<_>, _>>()?;
        let shares: Vec<_> = shares.iter().map(|share| &**share).collect();
        let weights: Vec<R> = (0..bits.len() as u32).map(|place| R::bit(1).left(place)).collect();
        Ok(of_ring(self.weigh(io, &shares, &weights, first.len()).await?))
    }

    /// `Σ_j weights[j] · bits[j]`. With `u = b_0 + b_1` (which party 0 knows), `b = u + b_2` in bits is `u + b_2 − 2 u b_2` in the ring: two
    /// rounds. Party 0 deals all `u`, and parties 1 and 2, who know `b_2`, pool the sum of the products; with a verifier `u` and
    /// the sums are recorded products.
    async fn weigh<R: Ring>(
        &self,
        io: &mut Io,
        bits: &[&Replicated<Word>],
        weights: &[R],
        len: usize,
    ) -> Result<Replicated<R>, Failure> {
        if self.verifier.is_some() {
            return self.weigh_recorded(io, bits, weights, len).await;
        }
        let side = self.seat.holds(2);
        let dealt = side.is_none().then(|| {
            let mut all = vec![R::ZERO; bits.len() * len];
            for (u, share) in all.chunks_mut(len.max(1)).zip(bits) {
                let words: Vec<Word> = share.own.iter().zip(&share.next).map(|(x, y)| Word(x.0 ^ y.0)).collect();
                self.level.chosen(u, &words, R::bit(1), None);
            }
            all
        });
        let dealt = deal(io, 0, bits.len() * len, dealt).await?;
        let mut sum = Replicated::zeros(len);
        for (weight, column) in weights.iter().zip(0..) {
            let range = column * len..(column + 1) * len;
            self.level.scaled(&mut sum.own, *weight, &dealt.own[range.clone()]);
            self.level.scaled(&mut sum.next, *weight, &dealt.next[range]);
        }
        let half = side.map(|side| {
            // Part 2 is what this party and the other of 1 and 2 know.
            let (dealt, sum) =
                if side == Side::Own { (&dealt.next, &mut sum.own) } else { (&dealt.own, &mut sum.next) };
            let mut half = vec![R::ZERO; len];
            for (column, (share, weight)) in bits.iter().zip(weights).enumerate() {
                let known = if side == Side::Own { &share.own } else { &share.next };
                let dealt = &dealt[column * len..(column + 1) * len];
                self.level.chosen(sum, known, *weight, None);
                self.level.chosen(&mut half, known, R::ZERO.minus(weight.left(1)), Some(dealt));
            }
            half
        });
        super::linear::add(&mut sum, &pool(io, len, half).await?);
        Ok(sum)
    }

    async fn weigh_recorded<R: Ring>(
        &self,
        io: &mut Io,
        bits: &[&Replicated<Word>],
        weights: &[R],
        len: usize,
    ) -> Result<Replicated<R>, Failure> {
        let [zeroth, first, second] = [0, 1, 2].map(|part| Rc::new(self.spread::<R>(bits, len, part)));
        let both = self.product(io, Factors::each(Span::all(&zeroth), Span::all(&first))).await?;
        let weigh = |share: &dyn Fn(usize) -> R| -> Vec<R> {
            (0..len * weights.len()).map(|at| share(at).times(weights[at % weights.len()])).collect()
        };
        let u = |x: &[R], y: &[R], both: &[R]| weigh(&|at| x[at].plus(y[at]).minus(both[at].left(1)));
        let own = u(&zeroth.own, &first.own, &both.own);
        let left = Rc::new(Replicated { own, next: u(&zeroth.next, &first.next, &both.next) });
        let shape = Shape::Dot { groups: len };
        let right = Span::all(&second);
        let product = self.product(io, Factors { left: Span::all(&left), right, shape }).await?;
        let sum = |left: &[R], second: &[R], product: &[R]| {
            let second = weigh(&|at| second[at]);
            let row = |row: usize| {
                let range = row * weights.len()..(row + 1) * weights.len();
                let sum = left[range.clone()].iter().chain(&second[range]).fold(R::ZERO, |sum, term| sum.plus(*term));
                sum.minus(product[row].left(1))
            };
            (0..len).map(row).collect()
        };
        let own = sum(&left.own, &second.own, &product.own);
        Ok(Replicated { own, next: sum(&left.next, &second.next, &product.next) })
    }

    /// Part `part` of columns of bits as a share of ring elements, row by row, so that a row's columns are a stretch.
    fn spread<R: Ring>(&self, bits: &[&Replicated<Word>], len: usize, part: u16) -> Replicated<R> {
        let mut share = Replicated::zeros(len * bits.len());
        let side = self.seat.holds(part);
        let target = match side {
            Some(Side::Own) => &mut share.own,
            Some(Side::Next) => &mut share.next,
            None => return share,
        };
        for (row, target) in target.chunks_exact_mut(bits.len()).enumerate() {
            for (target, bits) in target.iter_mut().zip(bits) {
                *target = R::bit(bit(if side == Some(Side::Own) { &bits.own } else { &bits.next }, row));
            }
        }
        share
    }

    /// Floor of `v / 2^bits`, or that or one more, for `−2^(BITS−2) <= v < 2^(BITS−2)`.
    pub(super) async fn divide<R: Ring>(
        &self,
        io: &mut Io,
        share: &Rc<Replicated<R>>,
        bits: u32,
        mode: Truncation,
    ) -> Result<Column, Failure> {
        // More bits than this leave no more than the sign.
        let bits = bits.min(R::BITS - 2);
        if bits == 0 {
            return Ok(of_ring(Rc::clone(share)));
        }
        if self.verifier.is_some() {
            return self.truncate_recorded(io, share, bits).await.map(of_ring);
        }
        if mode == Truncation::Probabilistic {
            return self.truncate_parts(io, share, bits, true).await.map(of_ring);
        }
        let mut strands = io.split(2);
        let [high, low] = strands.get_disjoint_mut([0, 1]).expect("there are two");
        let (mut quotient, carry) = join(self.truncate_parts(high, share, bits, false), async {
            let carry = self.low_carry(low, share, bits).await?;
            self.weigh(low, &[&carry], &[R::bit(1)], share.len()).await
        })
        .await?;
        io.rejoin(strands);
        super::linear::add(&mut quotient, &carry);
        Ok(of_ring(quotient))
    }

    /// `⌊v / 2^bits⌋` without the carry of the lowest bits. With `v + 2^(l−2) = A + B − 2^l w`, a number below `2^(l−1)`, either both
    /// leading bits of `A` and `B` are zero and `w = 0`, or `w = 1`; so that
    ///
    /// ```text
    /// ⌊(v + 2^(l−2)) / 2^bits⌋ = ⌊A / 2^bits⌋ + ⌊B / 2^bits⌋ − 2^(l−bits) (A_l + B_l − A_l B_l) + carry
    /// ```
    ///
    /// `rounded`: of `v − 1`, and one more, so that what the carry would have added is right on average and a multiple stays exact.
    async fn truncate_parts<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        bits: u32,
        rounded: bool,
    ) -> Result<Replicated<R>, Failure> {
        let len = share.len();
        let (offset, wrap) = (R::bit(1).left(R::BITS - 2), R::bit(1).left(R::BITS - bits));
        let one = R::bit(u64::from(rounded));
        let sign = |number: R| number.right(R::BITS - 1);
        let split = |number: R| (number.right(bits).minus(sign(number).times(wrap)), sign(number));
        let side = self.seat.holds(2);
        let dealt = side.is_none().then(|| {
            let (correction, offset) = (one.minus(offset.right(bits)), offset.minus(one));
            let mut all = vec![R::ZERO; 2 * len];
            let (quotients, signs) = all.split_at_mut(len);
            for (((quotient, sign), x), y) in quotients.iter_mut().zip(signs).zip(&share.own).zip(&share.next) {
                (*quotient, *sign) = split(x.plus(*y).plus(offset));
                *quotient = quotient.plus(correction);
            }
            all
        });
        let dealt = deal(io, 0, 2 * len, dealt).await?;
        let first = |part: &[R]| part[..len].to_vec();
        let mut quotient = Replicated { own: first(&dealt.own), next: first(&dealt.next) };
        let half = side.map(|side| {
            let (dealt, sum, known) = match side {
                Side::Own => (&dealt.next, &mut quotient.own, &share.own),
                Side::Next => (&dealt.own, &mut quotient.next, &share.next),
            };
            let product = |((sum, known), dealt): ((&mut R, &R), &R)| {
                let (quotient, sign) = split(*known);
                *sum = sum.plus(quotient);
                dealt.times(sign).times(wrap)
            };
            sum.iter_mut().zip(known).zip(&dealt[len..]).map(product).collect()
        });
        super::linear::add(&mut quotient, &pool(io, len, half).await?);
        Ok(quotient)
    }

    /// The floor by recorded products. With `v + 2^(l−1) = x_0 + x_1 + x_2 − 2^l w`, a number within `2^(l−2) .. 3 · 2^(l−2)`, the lower
    /// bits' carries cannot decide `w`: it is what carries out of the three highest bits of the parts alone.
    async fn truncate_recorded<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        bits: u32,
    ) -> Result<Replicated<R>, Failure> {
        let offset = R::bit(1).left(R::BITS - 1);
        let mut shifted = share.clone();
        let zeroth = match self.seat.holds(0) {
            Some(Side::Own) => Some(&mut shifted.own),
            Some(Side::Next) => Some(&mut shifted.next),
            None => None,
        };
        zeroth.into_iter().flatten().for_each(|part| *part = part.plus(offset));
        let mut strands = io.split(2);
        let [low, high] = strands.get_disjoint_mut([0, 1]).expect("there are two");
        let (low, high) =
            join(self.carries_out(low, &shifted, 0..bits), self.carries_out(high, &shifted, R::BITS - 3..R::BITS))
                .await?;
        io.rejoin(strands);
        let wrap = R::ZERO.minus(R::bit(1).left(R::BITS - bits));
        let weights = [R::bit(1), R::bit(1), wrap, wrap];
        let carries = [&low[0], &low[1], &high[0], &high[1]];
        let mut quotient = self.weigh_recorded(io, &carries, &weights, share.len()).await?;
        let divided = |part: &[R]| part.iter().map(|part| part.right(bits)).collect();
        super::linear::add(&mut quotient, &Replicated { own: divided(&shifted.own), next: divided(&shifted.next) });
        let correction = vec![R::ZERO.minus(offset.right(bits)); share.len()];
        super::linear::add(&mut quotient, &known(self.seat, 0, &correction));
        Ok(quotient)
    }
}

/// Whether a row's bit is set.
#[inline]
fn bit(part: &[Word], row: usize) -> u64 {
    part[row / 64].0 >> (row % 64) & 1
}
