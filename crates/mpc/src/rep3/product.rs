//! Multiplication: Araki et al. 2016, protocol 3.2 (section 3.2), over rings and words of bits.

use std::rc::Rc;

use crate::engine::{Failure, Io, OpId};

use super::Rep3;
use super::record::{Product, Shape};
use super::seat::{Seat, TILE, noise, stream};
use super::share::{Atom, Replicated, Span};

/// Two vectors to multiply, and how.
pub(super) struct Factors<A> {
    pub(super) left: Span<A>,
    pub(super) right: Span<A>,
    pub(super) shape: Shape,
}

impl<A: Atom> Factors<A> {
    /// Element by element.
    pub(super) const fn each(left: Span<A>, right: Span<A>) -> Self {
        Self { left, right, shape: Shape::Each }
    }

    const fn results(&self) -> usize {
        match self.shape {
            Shape::Each => self.left.len(),
            Shape::Dot { groups } => groups,
            Shape::Matrix { rows, columns, .. } => rows * columns,
        }
    }
}

impl Rep3 {
    /// One vector of products.
    pub(super) async fn product<A: Atom>(
        &self,
        io: &mut Io,
        factors: Factors<A>,
    ) -> Result<Rc<Replicated<A>>, Failure> {
        let mut products = self.products(io, vec![factors]).await?;
        Ok(products.pop().expect("as many results as factors"))
    }

    /// Vectors of products, all in one round. Each is recorded where there is a verifier.
    pub(super) async fn products<A: Atom>(
        &self,
        io: &mut Io,
        factors: Vec<Factors<A>>,
    ) -> Result<Vec<Rc<Replicated<A>>>, Failure> {
        let seat = self.seat;
        let mut sent = Vec::with_capacity(factors.len());
        for factors in factors {
            let op = io.op();
            // Steps 1 and 2: z_i = Σ (x_i y_i + x_i y_{i+1} + x_{i+1} y_i) + a_i − a_{i−1}, sent to the party before.
            let own = self.send_part(io, seat, op, &factors);
            sent.push((op, factors, own));
        }
        let mut products = Vec::with_capacity(sent.len());
        for (op, Factors { left, right, shape }, own) in sent {
            // Step 3: z_{i+1}, from the party after.
            let mut next = vec![A::ZERO; own.len()];
            io.receive(op, seat.after, bytemuck::cast_slice_mut(&mut next)).await?;
            let product = Rc::new(Replicated { own, next });
            self.record(|| A::record(Product { op, left, right, out: Span::all(&product), shape }));
            products.push(product);
        }
        Ok(products)
    }

    fn send_part<A: Atom>(&self, io: &Io, seat: Seat, op: OpId, factors: &Factors<A>) -> Vec<A> {
        let Factors { left, right, shape } = factors;
        let (x, y) = ([left.own(), left.next()], [right.own(), right.next()]);
        let (with_after, with_before) = (io.pair(seat.after), io.pair(seat.before));
        let mut z = vec![A::ZERO; factors.results()];
        let mut mask = vec![A::ZERO; z.len().min(TILE)];
        if let Shape::Matrix { inner, columns, .. } = *shape {
            let mask: Vec<A> = noise(&with_before, op, z.len());
            stream(&with_after, op, 0, &mut z);
            z.iter_mut().zip(mask).for_each(|(z, mask)| *z = z.minus(mask));
            self.level.matrix(&mut z, x, y, [inner, columns]);
            io.send(op, seat.before, bytemuck::cast_slice(&z));
            return z;
        }
        let stretch = if z.is_empty() { 0 } else { left.len() / z.len() };
        for (tile, z) in z.chunks_mut(TILE).enumerate() {
            let at = tile * TILE;
            let mask = &mut mask[..z.len()];
            stream(&with_after, op, at, z);
            stream(&with_before, op, at, mask);
            if matches!(shape, Shape::Each) {
                let range = at..at + z.len();
                self.level.products(z, x.map(|x| &x[range.clone()]), y.map(|y| &y[range.clone()]), mask);
            } else {
                for (k, (z, mask)) in z.iter_mut().zip(mask).enumerate() {
                    let range = (at + k) * stretch..(at + k + 1) * stretch;
                    let sum = self.level.dot(x.map(|x| &x[range.clone()]), y.map(|y| &y[range.clone()]));
                    *z = z.plus(sum).minus(*mask);
                }
            }
            io.send(op, seat.before, bytemuck::cast_slice(z));
        }
        z
    }
}
