//! Addition modulo a Mersenne prime on shared bits: what carries out of the top comes in at the bottom.
//!
//! A number is a vector of lanes by position: `width` stretches of equally many lanes, lowest bit first. All sums are modulo `2^width − 1`.

use std::rc::Rc;

use crate::engine::{Failure, Io};

use super::field::Lane;
use super::{Held, Shamir, Shares};

impl Shamir {
    /// Conjunctions of two vectors of bits.
    pub(crate) async fn both<L: Lane>(&self, io: &mut Io, left: Vec<L>, right: Vec<L>) -> Result<Held<L>, Failure> {
        self.multiply(io, &Rc::new(Shares(left)), &Rc::new(Shares(right))).await
    }

    /// Two numbers with the sum of all, three becoming two in one round (a carry-save adder).
    pub(crate) async fn add_up<L: Lane>(
        &self,
        io: &mut Io,
        mut numbers: Vec<Vec<L>>,
        width: usize,
    ) -> Result<[Vec<L>; 2], Failure> {
        while numbers.len() > 2 {
            let size = numbers[0].len();
            let rest = numbers.split_off(numbers.len() / 3 * 3);
            let triples = numbers.chunks_exact(3);
            // The majority of x, y, z is (x ⊕ z)(y ⊕ z) ⊕ z.
            let xor = |a: &[L], b: &[L]| a.iter().zip(b).map(|(a, b)| a.sum(*b)).collect::<Vec<_>>();
            let left = triples.clone().flat_map(|triple| xor(&triple[0], &triple[2])).collect();
            let right = triples.clone().flat_map(|triple| xor(&triple[1], &triple[2])).collect();
            let products = self.both(io, left, right).await?;
            let mut fewer = Vec::new();
            for (triple, product) in triples.zip(products.0.chunks_exact(size.max(1))) {
                fewer.push(xor(&xor(&triple[0], &triple[1]), &triple[2]));
                let mut carry = xor(product, &triple[2]);
                carry.rotate_right(size / width);
                fewer.push(carry);
            }
            if size == 0 {
                fewer = vec![Vec::new(); 2];
            }
            fewer.extend(rest);
            numbers = fewer;
        }
        let second = numbers.pop().unwrap_or_default();
        Ok([numbers.pop().unwrap_or_default(), second])
    }

    /// The top bit of `a + b`, which is not zero modulo `2^width − 1`.
    pub(crate) async fn top_of_sum<L: Lane>(
        &self,
        io: &mut Io,
        [a, b]: [Vec<L>; 2],
        width: usize,
    ) -> Result<Vec<L>, Failure> {
        let size = a.len() / width;
        let propagate: Vec<L> = a.iter().zip(&b).map(|(a, b)| a.sum(*b)).collect();
        let generate = self.both(io, a, b).await?;
        // Carries of stretches of positions below the top, two becoming one in a round.
        let below = (width - 1) * size;
        let (top_generate, top_propagate) = (&generate.0[below..], &propagate[below..]);
        let (mut g, mut p) = (generate.0[..below].to_vec(), propagate[..below].to_vec());
        while g.len() > size {
            let pairs = g.len() / (2 * size);
            let stretch = |place: usize| place * size..(place + 1) * size;
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for pair in 0..pairs {
                left.extend_from_slice(&p[stretch(2 * pair + 1)]);
                right.extend_from_slice(&g[stretch(2 * pair)]);
                left.extend_from_slice(&p[stretch(2 * pair + 1)]);
                right.extend_from_slice(&p[stretch(2 * pair)]);
            }
            let products = self.both(io, left, right).await?;
            let (mut fewer_g, mut fewer_p) = (Vec::new(), Vec::new());
            for pair in 0..pairs {
                let high = g[stretch(2 * pair + 1)].iter();
                fewer_g.extend(high.zip(&products.0[stretch(2 * pair)]).map(|(g, product)| g.sum(*product)));
                fewer_p.extend_from_slice(&products.0[stretch(2 * pair + 1)]);
            }
            fewer_g.extend_from_slice(&g[2 * pairs * size..]);
            fewer_p.extend_from_slice(&p[2 * pairs * size..]);
            (g, p) = (fewer_g, fewer_p);
        }
        // What goes around is `top_generate ⊕ top_propagate · g`, and `p · g` is zero.
        let around = self.both(io, p, top_generate.to_vec()).await?;
        let carry = g.iter().zip(&around.0).map(|(g, around)| g.sum(*around));
        Ok(carry.zip(top_propagate).map(|(carry, propagate)| carry.sum(*propagate)).collect())
    }

    /// The lowest `count` bits of `a + b`, which is not zero modulo `2^width − 1`.
    pub(crate) async fn low_of_sum<L: Lane>(
        &self,
        io: &mut Io,
        [a, b]: [Vec<L>; 2],
        width: usize,
        count: usize,
    ) -> Result<Vec<L>, Failure> {
        let size = a.len() / width;
        let propagate: Vec<L> = a.iter().zip(&b).map(|(a, b)| a.sum(*b)).collect();
        let generate = self.both(io, a, b).await?;
        let (mut g, mut p) = (generate.0.clone(), propagate.clone());
        let stretch = |place: usize| place * size..(place + 1) * size;
        // Carries out of all positions from the lowest (Sklansky's prefix network).
        let mut block = 1;
        while block < width {
            let places: Vec<_> = (0..width).filter(|place| place & block != 0).collect();
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for place in &places {
                let under = (place & !(block - 1)) - 1;
                left.extend_from_slice(&p[stretch(*place)]);
                right.extend_from_slice(&g[stretch(under)]);
                left.extend_from_slice(&p[stretch(*place)]);
                right.extend_from_slice(&p[stretch(under)]);
            }
            let products = self.both(io, left, right).await?;
            for (index, place) in places.iter().enumerate() {
                let carried = &products.0[stretch(2 * index)];
                g[stretch(*place)].iter_mut().zip(carried).for_each(|(g, carried)| *g = g.sum(*carried));
                p[stretch(*place)].copy_from_slice(&products.0[stretch(2 * index + 1)]);
            }
            block *= 2;
        }
        // The carry out of the top comes in where all below propagate.
        let around = &g[stretch(width - 1)];
        let left = p[..(count - 1) * size].to_vec();
        let right = (1..count).flat_map(|_| around.iter().copied()).collect();
        let through = self.both(io, left, right).await?;
        let mut sum = propagate[..count * size].to_vec();
        sum[..size].iter_mut().zip(around).for_each(|(sum, around)| *sum = sum.sum(*around));
        for (place, sum) in sum[size..].iter_mut().enumerate() {
            *sum = sum.sum(g[place]).sum(through.0[place]);
        }
        Ok(sum)
    }
}
