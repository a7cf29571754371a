//! Products of random vectors and their check, for measuring it alone.

use std::rc::Rc;

use crate::domain::Domain;
use crate::engine::{Cost, Failure, Io, OpId};
use crate::prg::Prg;
use crate::rep3::record::Sizes;
use crate::rep3::share::Span;
use crate::rep3::{Atom, Product, Record, Replicated, Shape, Verifier as _, Word};

use crate::rep3::seat::Seat;

/// Products that have been computed and not yet verified.
pub struct Rehearsal {
    records: Vec<Record>,
}

impl Rehearsal {
    /// Multiplies two random vectors, element by element, or to one inner product: of [`Domain::Ring64`], [`Domain::Ring128`] or
    /// [`Domain::Bits`] (`count` bits, rounded up to words).
    ///
    /// # Errors
    /// [`Failure::Unsupported`] for other domains; a peer's faults.
    pub async fn multiply(io: &mut Io, domain: Domain, count: usize, inner: bool) -> Result<Self, Failure> {
        let record = match domain {
            Domain::Ring64 => u64::record(products(io, count, inner).await?),
            Domain::Ring128 => u128::record(products(io, count, inner).await?),
            Domain::Bits => Word::record(products(io, count.div_ceil(64), inner).await?),
            _ => return Err(Failure::Unsupported { protocol: "rep3", what: "prime fields" }),
        };
        Ok(Self { records: vec![record] })
    }

    /// Verifies them.
    ///
    /// # Errors
    /// Where they are false.
    pub async fn verify(self, io: &mut Io) -> Result<(), Failure> {
        super::verify(io, self.records).await
    }

    /// What that costs.
    pub fn cost(&self) -> Cost {
        super::Sublinear.cost(&Sizes::of(&self.records))
    }
}

async fn products<A: Atom>(io: &mut Io, len: usize, inner: bool) -> Result<Product<A>, Failure> {
    let seat = Seat::of(io)?;
    let mut random = || {
        let op = io.op();
        Rc::new(Replicated::<A> {
            own: noise(&io.pair(seat.before), op, len),
            next: noise(&io.pair(seat.after), op, len),
        })
    };
    let (x, y) = (random(), random());
    let op = io.op();
    let results = if inner { 1 } else { len };
    let minus: Vec<A> = noise(&io.pair(seat.before), op, results);
    let mut own: Vec<A> = noise(&io.pair(seat.after), op, results);
    own.iter_mut().zip(minus).for_each(|(own, minus)| *own = own.minus(minus));
    for at in 0..len {
        let term = x.own[at].times(y.own[at].plus(y.next[at])).plus(x.next[at].times(y.own[at]));
        let z = &mut own[if inner { 0 } else { at }];
        *z = z.plus(term);
    }
    io.send(op, seat.before, bytemuck::cast_slice(&own));
    let mut next = vec![A::ZERO; results];
    io.receive(op, seat.after, bytemuck::cast_slice_mut(&mut next)).await?;
    let out = Rc::new(Replicated { own, next });
    let shape = if inner { Shape::Dot { groups: 1 } } else { Shape::Each };
    Ok(Product { op, left: Span::all(&x), right: Span::all(&y), out: Span::all(&out), shape })
}

fn noise<A: Atom>(prg: &Prg, op: OpId, len: usize) -> Vec<A> {
    let mut out = vec![A::ZERO; len];
    prg.fill(op, 0, bytemuck::cast_slice_mut(&mut out));
    out
}
