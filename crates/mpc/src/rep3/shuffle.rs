//! A secret order: Laur, Willemson and Zhang (ISC 2011, section 4), with the re-sharing of replicated shares of Araki et al. (CCS 2021).
//!
//! Three passes, one for each pair of parties. A pair draws an order from its stream, applies it to its two summands of the columns and
//! shares the outcome anew, so that the third party cannot tell what went where. The order of all three is known to nobody.
//!
//! Which memory a party touches depends on orders that it knows, not on values.

use std::rc::Rc;

use crate::engine::{Column, Failure, Io, OpId};
use crate::prg::Prg;

use super::Rep3;
use super::column::{Share, of_bits, of_ring};
use super::linear::pick_bits;
use super::seat::noise;
use super::share::{Atom, Replicated, Word};

impl Rep3 {
    pub(super) async fn shuffle_columns(&self, io: &mut Io, columns: &[Column]) -> Result<Vec<Column>, Failure> {
        let Some(len) = columns.first().map(Column::len) else { return Ok(Vec::new()) };
        if columns.iter().any(|column| column.len() != len) {
            return Err(Failure::Program("columns of one length are shuffled together"));
        }
        if len > u32::MAX as usize {
            return Err(Failure::Program("at most 2^32 - 1 rows are shuffled"));
        }
        let mut shares = columns.iter().map(Share::of).collect::<Result<Vec<_>, _>>()?;
        for low in 0..3 {
            shares = self.pass(io, low, len, shares).await?;
        }
        Ok(shares.into_iter().map(|share| share.column()).collect())
    }

    /// One pass: `low` and the party after it know the order, the party before `low` does not.
    async fn pass(&self, io: &mut Io, low: u16, len: usize, shares: Vec<Share>) -> Result<Vec<Share>, Failure> {
        let op = io.op();
        let seat = self.seat;
        let peer = if seat.index == low { Some(seat.after) } else { (seat.before == low).then_some(low) };
        let order = peer.map(|peer| order(&io.pair(peer), op, len));
        let ops: Vec<OpId> = shares.iter().map(|_| io.op()).collect();
        let (Some(order), Some(peer)) = (order, peer) else {
            let fresh = |(op, share): (&OpId, Share)| self.outside(io, *op, share);
            return Ok(ops.iter().zip(shares).map(fresh).collect());
        };
        let mut sent = Vec::with_capacity(shares.len());
        for (op, share) in ops.iter().zip(&shares) {
            sent.push(match share {
                Share::Ring64(share) => {
                    Half::Ring64(self.send_half(io, *op, peer, &self.summand(peer, share), |x| pick(x, &order)))
                }
                Share::Ring128(share) => {
                    Half::Ring128(self.send_half(io, *op, peer, &self.summand(peer, share), |x| pick(x, &order)))
                }
                Share::Bits(share, _) => {
                    Half::Bits(self.send_half(io, *op, peer, &self.summand(peer, share), |x| pick_bits(x, &order)))
                }
            });
        }
        let mut fresh = Vec::with_capacity(shares.len());
        for (op, half) in ops.iter().zip(sent) {
            fresh.push(match half {
                Half::Ring64(half) => Share::Ring64(self.receive_half(io, *op, peer, half).await?),
                Half::Ring128(half) => Share::Ring128(self.receive_half(io, *op, peer, half).await?),
                Half::Bits(half) => Share::Bits(self.receive_half(io, *op, peer, half).await?, len),
            });
        }
        Ok(fresh)
    }

    /// This party's of two summands of a column: the lower party of the pair adds both its parts, the upper one has the third.
    fn summand<A: Atom>(&self, peer: u16, share: &Replicated<A>) -> Vec<A> {
        if peer == self.seat.before {
            return share.next.clone();
        }
        share.own.iter().zip(&share.next).map(|(x, y)| x.plus(*y)).collect()
    }

    /// Masks the reordered summand by the stream with the third party, which is a new part, and sends it: the sum of what the two send is
    /// the part they share.
    fn send_half<A: Atom>(
        &self,
        io: &Io,
        op: OpId,
        peer: u16,
        summand: &[A],
        reorder: impl Fn(&[A]) -> Vec<A>,
    ) -> [Vec<A>; 2] {
        let mut half = reorder(summand);
        let third = 3 - self.seat.index - peer;
        let mask = noise(&io.pair(third), op, half.len());
        half.iter_mut().zip(&mask).for_each(|(half, mask): (&mut A, &A)| *half = half.minus(*mask));
        io.send(op, peer, bytemuck::cast_slice(&half));
        [half, mask]
    }

    async fn receive_half<A: Atom>(
        &self,
        io: &Io,
        op: OpId,
        peer: u16,
        half: [Vec<A>; 2],
    ) -> Result<Rc<Replicated<A>>, Failure> {
        let [mut sum, mask] = half;
        let mut theirs = vec![A::ZERO; sum.len()];
        io.receive(op, peer, bytemuck::cast_slice_mut(&mut theirs)).await?;
        super::linear::plus(&mut sum, &theirs);
        // The lower party's next part is the upper one's own.
        let share = if peer == self.seat.after {
            Replicated { own: mask, next: sum }
        } else {
            Replicated { own: sum, next: mask }
        };
        Ok(Rc::new(share))
    }

    /// What the party that does not know the order holds: the two masks.
    fn outside(&self, io: &Io, op: OpId, share: Share) -> Share {
        fn masks<A: Atom>(io: &Io, seat: super::seat::Seat, op: OpId, len: usize) -> Rc<Replicated<A>> {
            Rc::new(Replicated {
                own: noise(&io.pair(seat.before), op, len),
                next: noise(&io.pair(seat.after), op, len),
            })
        }
        match share {
            Share::Ring64(share) => Share::Ring64(masks(io, self.seat, op, share.len())),
            Share::Ring128(share) => Share::Ring128(masks(io, self.seat, op, share.len())),
            Share::Bits(share, len) => Share::Bits(masks(io, self.seat, op, share.len()), len),
        }
    }
}

/// What a party sent in a pass, and its mask.
enum Half {
    Ring64([Vec<u64>; 2]),
    Ring128([Vec<u128>; 2]),
    Bits([Vec<Word>; 2]),
}

impl Share {
    fn column(self) -> Column {
        match self {
            Self::Ring64(share) => of_ring(share),
            Self::Ring128(share) => of_ring(share),
            Self::Bits(share, len) => of_bits(len, share),
        }
    }
}

fn pick<A: Atom>(part: &[A], order: &[u32]) -> Vec<A> {
    order.iter().map(|row| part[*row as usize]).collect()
}

/// A uniform order of `len` rows: Fisher and Yates, each choice from 128 bits of the stream, so that its bias is below `len^2 / 2^128`.
pub(super) fn order(prg: &Prg, op: OpId, len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len as u32).collect();
    let draws: Vec<u128> = noise(prg, op, len);
    for (place, draw) in draws.into_iter().enumerate().skip(1).rev() {
        let bound = place as u128 + 1;
        let choice = ((draw >> 64) * bound + ((u128::from(draw as u64) * bound) >> 64)) >> 64;
        order.swap(place, choice as usize);
    }
    order
}
