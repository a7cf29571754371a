//! Secret shuffles: every set of `n − t` parties permutes by an order of its own.
//!
//! After Laur, Willemson and Zhang, "Round-efficient oblivious database manipulation" (ISC 2011, §3), where the first `t + 1` members of a set deal their
//! weighted shares anew in its order. Nobody outside the set learns the order, and some set has only honest members.

use crate::domain::{Domain, M61, P127};
use crate::engine::{Column, Failure, Io, OpId, join_all};

use super::deal::Dealt;
use super::field::{Field as _, Valued};
use super::local::pick;
use super::scheme::lagrange;
use super::{Shamir, TILE, column, held, talk_by_lane};

impl Shamir {
    /// One round for each set. Semi-honest only: nothing shows that a set's members used one order.
    pub(crate) async fn shuffled(&self, io: &mut Io, columns: &[Column]) -> Result<Vec<Column>, Failure> {
        if self.is_malicious() {
            return Err(self.unsupported("shuffles against malicious parties"));
        }
        let Some(first) = columns.first() else { return Ok(Vec::new()) };
        if columns.iter().any(|column| column.len() != first.len()) {
            return Err(Failure::Program("columns of one length"));
        }
        let keys = self.keys(io).await?;
        let seat = self.seat(io)?;
        let mut columns = columns.to_vec();
        let mut mine = keys.iter();
        for set in &self.sets {
            let op = io.op();
            let order = (set >> seat & 1 == 1).then(|| {
                let key = mine.next().expect("a key for each set that this party is in");
                order(key, op, first.len())
            });
            let ops: Vec<_> = columns.iter().map(|_| io.op()).collect();
            let (io, order) = (&*io, order.as_deref());
            let mut passes: Vec<crate::engine::Fut<'_, Column>> = Vec::new();
            for (column, op) in columns.iter().zip(ops) {
                passes.push(talk_by_lane!(self, column.domain(), pass(io, op, column, *set, order)));
            }
            let mixed = join_all(passes).await?;
            columns = mixed;
        }
        Ok(columns)
    }

    /// The first `t + 1` members of a set deal their parts of the column in the set's order.
    async fn pass<L: Valued>(
        &self,
        io: &Io,
        op: OpId,
        from: &Column,
        set: u64,
        order: Option<&[u32]>,
    ) -> Result<Column, Failure> {
        let seat = self.seat(io)?;
        let scheme = self.scheme::<L>(io)?;
        let dealers: Vec<_> = (0..self.seats()).filter(|seat| set >> seat & 1 == 1).take(self.threshold + 1).collect();
        let points: Vec<_> = dealers.iter().map(|seat| L::Scalar::point(*seat)).collect();
        let weights = lagrange(&points, L::Scalar::ZERO);
        let shares = &held::<L>(from)?.0;
        let mut out = vec![L::NIL; shares.len()];
        let mut part = vec![L::NIL; shares.len().min(TILE)];
        if let (Some(place), Some(order)) = (dealers.iter().position(|dealer| *dealer == seat), order) {
            let mixed = super::Shares(pick(shares, order));
            let mut dealt = Dealt::new(self, op, &scheme.dealing);
            for (tile, mixed) in mixed.0.chunks(TILE).enumerate() {
                dealt.tile(io, tile * TILE, weights[place], mixed, &mut out[tile * TILE..][..mixed.len()]);
            }
        }
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            for dealer in dealers.iter().filter(|dealer| **dealer != seat) {
                let part = &mut part[..out.len()];
                self.take_dealt(io, op, *dealer, tile * TILE, part).await?;
                out.iter_mut().zip(&*part).for_each(|(out, part)| *out = out.sum(*part));
            }
        }
        Ok(column(from.len(), out))
    }
}

/// A random order by a set's stream: Fisher and Yates, each place by the high half of a product, with bias below `len / 2^64`.
fn order(key: &crate::prg::Prg, op: OpId, len: usize) -> Vec<u32> {
    let draws: Vec<u64> = key.vector(op, len);
    let mut order: Vec<u32> = (0..len as u32).collect();
    for place in (1..len).rev() {
        let other = (u128::from(draws[place]) * (place as u128 + 1)) >> 64;
        order.swap(place, other as usize);
    }
    order
}
