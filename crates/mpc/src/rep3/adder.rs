//! Addition of the parts of a ring element on their bits: what comparison and bit decomposition consist of.
//!
//! Semi-honest, two addends: `A = x_0 + x_1`, which party 0 knows, and `B = x_2`, which parties 1 and 2 know. Party 0 deals the bits of `A`
//! and the products of neighbouring ones; from these, generate and propagate bits of blocks of two are inner products of what 0
//! and what 1 and 2 know, pooled in one round. With a verifier, three addends, each part's bits being shared as they are, go through a
//! carry-save adder (the full adder of ABY3, Mohassel and Rindal, CCS 2018, section 5.3) of recorded products.
//!
//! The carry out of all blocks is a tree; all carries are Sklansky's prefix network (1960) over blocks of two.

use std::rc::Rc;

use crate::engine::{Failure, Io};

use super::Rep3;
use super::column::words;
use super::plane::{Planes, add_planes, slice};
use super::product::Factors;
use super::seat::Side;
use super::share::{Replicated, Ring, Span, Word};
use super::sharing::{deal, pool};

/// Neighbouring bits, or the lowest one alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    high: usize,
    low: Option<usize>,
}

/// Two addends: bits that party 0 dealt and bits that parties 1 and 2 know.
struct Addends {
    /// First the bits, then the products of the bits of each block of two.
    dealt: Planes,
    /// At parties 1 and 2.
    known: Option<Vec<Word>>,
    bits: usize,
}

/// Generate bits of `count` nodes and propagate bits of all but the first, which is the lowest.
struct Nodes {
    generate: Span<Word>,
    propagate: Span<Word>,
    count: usize,
    words: usize,
}

impl Rep3 {
    /// Bit `place` of each value (`place >= 1`).
    pub(super) async fn bit<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        place: u32,
    ) -> Result<Replicated<Word>, Failure> {
        let top = place as usize;
        let (nodes, mut sum) = if self.verifier.is_none() {
            let blocks = blocks_below(top);
            let addends = self.addends(io, share, top + 1, &blocks).await?;
            (self.nodes(io, &addends, &blocks).await?, self.digits(&addends, top..top + 1))
        } else {
            let (sums, carries) = self.carry_save(io, share, 0..place + 1).await?;
            let mut digit = sums.plane(top);
            add_planes(&mut digit, &carries.share, carries.words, [(0, top - 1)].into_iter());
            (self.recorded_nodes(io, &sums, &carries, top - 1).await?, digit)
        };
        super::linear::add(&mut sum, &self.carry(io, nodes).await?);
        Ok(sum)
    }

    /// The carry out of the lowest `count` bits of `A` and `B` (`count >= 1`).
    pub(super) async fn low_carry<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        count: u32,
    ) -> Result<Replicated<Word>, Failure> {
        let blocks = blocks_below(count as usize);
        let addends = self.addends(io, share, count as usize, &blocks).await?;
        let nodes = self.nodes(io, &addends, &blocks).await?;
        self.carry(io, nodes).await
    }

    /// With a verifier: the two carries out of the bits `from .. to` of the parts, as if what is below were zero; their sum is 0, 1 or 2.
    pub(super) async fn carries_out<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        places: std::ops::Range<u32>,
    ) -> Result<[Replicated<Word>; 2], Failure> {
        let count = places.len();
        let (sums, carries) = self.carry_save(io, share, places.start..places.end + 1).await?;
        let nodes = self.recorded_nodes(io, &sums, &carries, count - 1).await?;
        let carry = self.carry(io, nodes).await?;
        Ok([carries.plane(count - 1), carry])
    }

    /// The lowest `count` bits of each value, as planes.
    pub(super) async fn sum_bits<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        count: usize,
    ) -> Result<Planes, Failure> {
        if self.verifier.is_none() {
            let blocks: Vec<Block> =
                (0..count.saturating_sub(1) / 2).map(|k| Block { high: 2 * k + 1, low: Some(2 * k) }).collect();
            let addends = self.addends(io, share, count, &blocks).await?;
            let digits = Planes::new(self.digits(&addends, 0..count), addends.dealt.words);
            let generated = self.generate(io, &addends, &blocks, count / 2).await?;
            return self.finish_sum(io, digits, generated, count).await;
        }
        let (sums, carries) = self.carry_save(io, share, 0..count as u32).await?;
        let words = sums.words;
        if count < 2 {
            return Ok(sums);
        }
        // Position 0 takes no carry: what is left is the sum of two numbers of one bit less.
        let count = count - 1;
        let mut digits = sums.pick(1..count + 1);
        super::linear::add(&mut digits, &carries.pick(0..count));
        let digits = Planes::new(digits, words);
        let both = Factors::each(sums.span(1..count), carries.span(0..count - 1));
        let bits = Planes::new(self.product(io, both).await?, words);
        let blocks = (count - 1) / 2;
        let high = Rc::new(digits.pick((0..blocks).map(|k| 2 * k + 1)));
        let low = Rc::new(digits.pick((1..blocks).map(|k| 2 * k)));
        let below = Rc::new(bits.pick((0..blocks).map(|k| 2 * k)));
        let factors = vec![
            Factors::each(Span::all(&high), Span::all(&below)),
            Factors::each(Span::of(&high, words.min(high.len())..high.len()), Span::all(&low)),
        ];
        let products = self.products(io, factors).await?;
        // Generate bits of blocks, their propagate bits but for the first, generate bits of even positions.
        let mut generated = bits.pick((0..blocks).map(|k| 2 * k + 1));
        super::linear::add(&mut generated, &products[0]);
        let even = bits.pick((0..count / 2).map(|k| 2 * k));
        for more in [&*products[1], &even] {
            generated.own.extend_from_slice(&more.own);
            generated.next.extend_from_slice(&more.next);
        }
        let upper = self.finish_sum(io, digits, Planes::new(generated, words), count).await?;
        let mut all = sums.plane(0);
        all.own.extend_from_slice(&upper.share.own);
        all.next.extend_from_slice(&upper.share.next);
        Ok(Planes::new(all, words))
    }

    /// Party 0 deals the lowest bits of `x_0 + x_1`, and the products within blocks; parties 1 and 2 know those of `x_2`.
    async fn addends<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        bits: usize,
        blocks: &[Block],
    ) -> Result<Addends, Failure> {
        let words = words(share.len());
        let pairs: Vec<_> = blocks.iter().filter_map(|block| Some((block.high, block.low?))).collect();
        let part = |part: &[R]| slice(self.level, part, bits as u32);
        let (values, known) = match self.seat.holds(2) {
            Some(Side::Own) => (None, Some(part(&share.own))),
            Some(Side::Next) => (None, Some(part(&share.next))),
            None => {
                let sum: Vec<R> = share.own.iter().zip(&share.next).map(|(x, y)| x.plus(*y)).collect();
                let mut planes = part(&sum);
                planes.reserve(pairs.len() * words);
                for (high, low) in &pairs {
                    let both = (0..words).map(|w| Word(planes[high * words + w].0 & planes[low * words + w].0));
                    let both: Vec<Word> = both.collect();
                    planes.extend(both);
                }
                (Some(planes), None)
            }
        };
        let dealt = deal(io, 0, (bits + pairs.len()) * words, values).await?;
        Ok(Addends { dealt: Planes::new(dealt, words), known, bits })
    }

    /// `A ⊕ B` at some places.
    fn digits(&self, addends: &Addends, places: std::ops::Range<usize>) -> Replicated<Word> {
        let words = addends.dealt.words;
        let mut digits = addends.dealt.pick(places.clone());
        if let Some(known) = &addends.known {
            let known = &known[places.start * words..places.end * words];
            let part = if self.seat.index == 1 { &mut digits.next } else { &mut digits.own };
            super::linear::plus(part, known);
        }
        digits
    }

    async fn nodes(&self, io: &mut Io, addends: &Addends, blocks: &[Block]) -> Result<Nodes, Failure> {
        let (count, words) = (blocks.len(), addends.dealt.words);
        let planes = self.generate(io, addends, blocks, 0).await?;
        Ok(Nodes { generate: planes.span(0..count), propagate: planes.span(count..2 * count - 1), count, words })
    }

    /// Generate bits of the blocks, propagate bits of all but the first, generate bits of the first `even` even positions:
    ///
    /// ```text
    /// G = a_1 b_1 + (a_1 + b_1) a_0 b_0 = a_1 · b_1 + a_1 a_0 · b_0 + a_0 · b_1 b_0
    /// P = (a_1 + b_1) (a_0 + b_0)       = a_1 a_0 + a_1 · b_0 + a_0 · b_1 + b_1 b_0
    /// ```
    async fn generate(&self, io: &mut Io, addends: &Addends, blocks: &[Block], even: usize) -> Result<Planes, Failure> {
        let words = addends.dealt.words;
        let half = addends.known.as_ref().map(|known| {
            let share = &addends.dealt.share;
            // Part 1 is a's bits masked by part 0: each times what is known, the two together are the inner product.
            let (dealt, first) = if self.seat.index == 1 { (&share.own, true) } else { (&share.next, false) };
            let plane = |from: &'_ [Word], plane: usize, w: usize| from[plane * words + w].0;
            let mut product = addends.bits;
            let products: Vec<usize> = blocks
                .iter()
                .map(|block| {
                    product += usize::from(block.low.is_some());
                    product - 1
                })
                .collect();
            let mut half = Vec::with_capacity((2 * blocks.len() + even) * words);
            for (block, product) in blocks.iter().zip(&products) {
                let Block { high, low } = *block;
                half.extend((0..words).map(|w| {
                    let (a1, b1) = (plane(dealt, high, w), plane(known, high, w));
                    let Some(low) = low else { return Word(a1 & b1) };
                    let (a0, b0) = (plane(dealt, low, w), plane(known, low, w));
                    Word((a1 & b1) ^ (plane(dealt, *product, w) & b0) ^ (a0 & b1 & b0))
                }));
            }
            for (block, product) in blocks.iter().zip(&products).skip(1) {
                let low = block.low.expect("only the first block may be a single bit");
                half.extend((0..words).map(|w| {
                    let (a1, b1) = (plane(dealt, block.high, w), plane(known, block.high, w));
                    let (a0, b0) = (plane(dealt, low, w), plane(known, low, w));
                    let constant = if first { b1 & b0 } else { 0 };
                    Word(plane(dealt, *product, w) ^ (a1 & b0) ^ (a0 & b1) ^ constant)
                }));
            }
            for k in 0..even {
                half.extend((0..words).map(|w| Word(plane(dealt, 2 * k, w) & plane(known, 2 * k, w))));
            }
            half
        });
        let planes = (2 * blocks.len()).saturating_sub(1) + even;
        Ok(Planes::new(pool(io, planes * words, half).await?, words))
    }

    /// The bits `places` of the three parts as a sum of two numbers, of which the second is shifted: `s = x_0 + x_1 + x_2` and
    /// `c = (x_0 + x_2)(x_1 + x_2) + x_2` in bits; the carry of the last place is left out.
    async fn carry_save<R: Ring>(
        &self,
        io: &mut Io,
        share: &Replicated<R>,
        places: std::ops::Range<u32>,
    ) -> Result<(Planes, Planes), Failure> {
        let words = words(share.len());
        let part = |part: &[R]| {
            let mut planes = slice(self.level, part, places.end.min(R::BITS));
            planes.drain(..places.start as usize * words);
            planes.resize(places.len() * words, Word(0));
            planes
        };
        let sums = Planes::new(Replicated { own: part(&share.own), next: part(&share.next) }, words);
        let count = places.len().saturating_sub(1);
        let without = |part: u16| {
            let mut parts = sums.pick(0..count);
            match self.seat.holds(part) {
                Some(Side::Own) => parts.own.fill(Word(0)),
                Some(Side::Next) => parts.next.fill(Word(0)),
                None => {}
            }
            Rc::new(parts)
        };
        let factors = Factors::each(Span::all(&without(1)), Span::all(&without(0)));
        let mut carries = Replicated::clone(&*self.product(io, factors).await?);
        match self.seat.holds(2) {
            Some(Side::Own) => super::linear::plus(&mut carries.own, &sums.share.own),
            Some(Side::Next) => super::linear::plus(&mut carries.next, &sums.share.next),
            None => {}
        }
        Ok((sums, Planes::new(carries, words)))
    }

    /// Nodes of single bits: the places `1 ..= count` of a carry-save sum.
    async fn recorded_nodes(
        &self,
        io: &mut Io,
        sums: &Planes,
        carries: &Planes,
        count: usize,
    ) -> Result<Nodes, Failure> {
        let order = layout(count);
        let sum = Rc::new(sums.pick(order.iter().map(|place| place + 1)));
        let carry = Rc::new(carries.pick(order.iter().copied()));
        let generate = self.product(io, Factors::each(Span::all(&sum), Span::all(&carry))).await?;
        let words = sums.words;
        let mut propagate = Replicated::clone(&*sum);
        super::linear::add(&mut propagate, &carry);
        let first = words.min(propagate.len());
        let propagate = Span::of(&Rc::new(propagate), first..sum.len());
        Ok(Nodes { generate: Span::all(&generate), propagate, count, words })
    }

    /// The carry out of all nodes, which lie in the order of [`layout`], so that the operands of each level lie side by side.
    async fn carry(&self, io: &mut Io, nodes: Nodes) -> Result<Replicated<Word>, Failure> {
        let Nodes { mut generate, mut propagate, mut count, words } = nodes;
        if count == 0 {
            return Ok(Replicated::zeros(words));
        }
        let planes = |span: &Span<Word>, from: usize, to: usize| span.part(from * words..to * words);
        while count > 1 {
            let (pairs, single) = (count / 2, count % 2);
            let high = count - pairs;
            let upper = planes(&propagate, high - 1, count - 1);
            let mut factors = vec![Factors::each(upper, planes(&generate, single, high))];
            if pairs + single > 1 {
                let skipped = 1 - single;
                let upper = planes(&propagate, high + skipped - 1, count - 1);
                factors.push(Factors::each(upper, planes(&propagate, 0, high - 1)));
            }
            let products = self.products(io, factors).await?;
            let join = |part: &[Word], product: &[Word]| {
                let mut joined = part[..single * words].to_vec();
                joined.extend_from_slice(&part[high * words..count * words]);
                super::linear::plus(&mut joined[single * words..], product);
                joined
            };
            let own = join(generate.own(), &products[0].own);
            let next = join(generate.next(), &products[0].next);
            generate = Span::all(&Rc::new(Replicated { own, next }));
            if let Some(product) = products.get(1) {
                propagate = Span::all(product);
            }
            count = high;
        }
        Ok(Replicated { own: generate.own().to_vec(), next: generate.next().to_vec() })
    }

    /// The sum's bits from `count` digits and what [`Rep3::generate`] gives for all blocks of two but the last.
    async fn finish_sum(
        &self,
        io: &mut Io,
        digits: Planes,
        generated: Planes,
        count: usize,
    ) -> Result<Planes, Failure> {
        let (blocks, even, words) = (count.saturating_sub(1) / 2, count / 2, digits.words);
        let generate = generated.pick(0..blocks);
        let mut propagate = Replicated::zeros(words.min(blocks * words));
        let rest = generated.pick(blocks..(2 * blocks).saturating_sub(1).max(blocks));
        propagate.own.extend(rest.own);
        propagate.next.extend(rest.next);
        let carries = Planes::new(self.prefixes(io, generate, propagate, blocks, words).await?, words);
        let mut sum = digits.pick(0..count);
        add_planes(&mut sum, &carries.share, words, (0..blocks).map(|k| (2 * k + 2, k)));
        let first = (2 * blocks).saturating_sub(1);
        add_planes(&mut sum, &generated.share, words, (0..even).map(|k| (2 * k + 1, first + k)));
        if even > 1 {
            let below = Rc::new(digits.pick((1..even).map(|k| 2 * k)));
            let odd = self.product(io, Factors::each(Span::all(&below), carries.span(0..even - 1))).await?;
            add_planes(&mut sum, &odd, words, (1..even).map(|k| (2 * k + 1, k - 1)));
        }
        Ok(Planes::new(sum, words))
    }

    /// Generate bits of all prefixes: Sklansky's network. Node 0's propagate bits are not looked at.
    async fn prefixes(
        &self,
        io: &mut Io,
        generate: Replicated<Word>,
        propagate: Replicated<Word>,
        count: usize,
        words: usize,
    ) -> Result<Replicated<Word>, Failure> {
        let (mut generate, mut propagate) = (Planes::new(generate, words), Planes::new(propagate, words));
        let mut half = 1;
        while half < count {
            let upper: Vec<usize> = (0..count).filter(|node| node & half != 0).collect();
            let below = |node: usize| (node & !(2 * half - 1)) + half - 1;
            let inner: Vec<usize> = upper.iter().copied().filter(|node| *node >= 2 * half).collect();
            let [left, right] = [propagate.pick(upper.iter().copied()), generate.pick(upper.iter().map(|n| below(*n)))];
            let [more, lower] = [inner.iter().copied(), inner.iter().copied()];
            let [more, lower] = [propagate.pick(more), propagate.pick(lower.map(below))];
            let span = |share| Span::all(&Rc::new(share));
            let mut factors = vec![Factors::each(span(left), span(right))];
            if !inner.is_empty() {
                factors.push(Factors::each(span(more), span(lower)));
            }
            let products = self.products(io, factors).await?;
            let mut sums = Replicated::clone(&generate.share);
            add_planes(&mut sums, &products[0], words, upper.iter().enumerate().map(|(k, node)| (*node, k)));
            generate = Planes::new(sums, words);
            if let Some(product) = products.get(1) {
                let mut all = Replicated::clone(&propagate.share);
                for (k, node) in inner.iter().enumerate() {
                    let (to, from) = (node * words..(node + 1) * words, k * words..(k + 1) * words);
                    all.own[to.clone()].copy_from_slice(&product.own[from.clone()]);
                    all.next[to].copy_from_slice(&product.next[from]);
                }
                propagate = Planes::new(all, words);
            }
            half *= 2;
        }
        Ok(Rc::unwrap_or_clone(generate.share))
    }
}

/// Blocks of two below bit `top`, in the order of [`layout`]; the lowest bit stands alone where there is an odd number of them.
fn blocks_below(top: usize) -> Vec<Block> {
    let odd = top % 2;
    let block = |k: usize| match (odd, k) {
        (1, 0) => Block { high: 0, low: None },
        _ => Block { high: 2 * k + 1 - odd, low: Some(2 * k - odd) },
    };
    layout(top.div_ceil(2)).into_iter().map(block).collect()
}

/// The order of so many nodes in which each level's lower and upper partners are two stretches, the unpaired lowest before them, and the
/// results again lie in this order.
fn layout(count: usize) -> Vec<usize> {
    if count < 2 {
        return (0..count).collect();
    }
    let inner = layout(count.div_ceil(2));
    if count.is_multiple_of(2) {
        return inner.iter().map(|k| 2 * k).chain(inner.iter().map(|k| 2 * k + 1)).collect();
    }
    let paired = || inner.iter().skip(1);
    std::iter::once(0).chain(paired().map(|k| 2 * k - 1)).chain(paired().map(|k| 2 * k)).collect()
}
