//! Dealing: a party's values become sharings of degree `t`, of which only `n − 1 − t` shares travel.

use crate::engine::{Failure, Fault, Io, OpId};

use super::field::{Field as _, Lane, lanes};
use super::scheme::Dealing;
use super::sets::stream_tile;
use super::{LAG, Shamir, TILE};

/// Writes this party's part of a tile that begins at a lane.
pub(crate) trait Source<L>: Fn(usize, &mut [L]) {}
impl<L, F: Fn(usize, &mut [L])> Source<L> for F {}

impl Shamir {
    /// Shares what the dealer's seat holds. The others give no values.
    pub(crate) async fn deal<L: Lane>(
        &self,
        io: &mut Io,
        dealer: usize,
        len: usize,
        values: Option<&[L]>,
    ) -> Result<Vec<L>, Failure> {
        let op = io.op();
        let (seat, len) = (self.seat(io)?, lanes::<L>(len));
        if seat != dealer {
            let mut out = vec![L::NIL; len];
            for (tile, out) in out.chunks_mut(TILE).enumerate() {
                self.take_dealt(io, op, dealer, tile * TILE, out).await?;
            }
            return Ok(out);
        }
        let values = values.filter(|values| values.len() == len);
        let values = values.ok_or(Failure::Program("the owner of an input gives its values, as many as stated"))?;
        let scheme = self.scheme::<L>(io)?;
        let mut dealt = Dealt::new(self, op, &scheme.dealing);
        let mut out = vec![L::NIL; len];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            dealt.tile(io, tile * TILE, L::Scalar::ONE, &values[tile * TILE..][..out.len()], out);
        }
        Ok(out)
    }

    /// Sharings of degree `t` of what sharings of degree `2t` hold; `source` gives this party's shares of these. One round.
    ///
    /// With `n = 2t + 1` parties each deals its share anew (Gennaro, Rabin, Rabin, PODC 1998, §3; shares from streams as in Cramer, Damgård,
    /// Ishai 2005); with more, see [`Shamir::unmask`].
    pub(crate) async fn reduce<L: Lane>(
        &self,
        io: &mut Io,
        count: usize,
        source: impl Source<L>,
    ) -> Result<Vec<L>, Failure> {
        if self.is_tolerant() {
            return self.unmask(io, count, source).await;
        }
        let op = io.op();
        let seat = self.seat(io)?;
        let scheme = self.scheme::<L>(io)?;
        let mut out = vec![L::NIL; count];
        let mut dealt = Dealt::new(self, op, &scheme.dealing);
        let mut local = vec![L::NIL; count.min(TILE)];
        let dealers = 2 * self.threshold + 1;
        let tiles = count.div_ceil(TILE);
        let mut own = vec![L::NIL; count.min(TILE)];
        // Tiles are sent ahead of those received, so that frames leave full.
        for step in 0..tiles + LAG {
            if step < tiles && seat < dealers {
                let at = step * TILE;
                let len = TILE.min(count - at);
                source(at, &mut local[..len]);
                dealt.tile(io, at, scheme.product[seat], &local[..len], &mut own[..len]);
                out[at..at + len].iter_mut().zip(&own).for_each(|(out, own)| *out = out.sum(*own));
            }
            if let Some(tile) = step.checked_sub(LAG) {
                let at = tile * TILE;
                let len = TILE.min(count - at);
                for dealer in (0..dealers).filter(|dealer| *dealer != seat) {
                    self.take_dealt(io, op, dealer, at, &mut own[..len]).await?;
                    out[at..at + len].iter_mut().zip(&own).for_each(|(out, own)| *out = out.sum(*own));
                }
            }
        }
        Ok(out)
    }

    /// This party's shares of a tile that another seat deals: drawn from the pair's stream, or received.
    pub(crate) async fn take_dealt<L: Lane>(
        &self,
        io: &Io,
        op: OpId,
        dealer: usize,
        at: usize,
        out: &mut [L],
    ) -> Result<(), Failure> {
        let from = self.members[dealer];
        if Dealing::<L::Scalar>::is_silent(self.seats(), self.threshold, dealer, self.seat(io)?) {
            stream_tile(&io.pair(from), op, at, false, out);
            return Ok(());
        }
        receive(io, op, from, out).await
    }
}

/// Awaits lanes from a party.
///
/// # Errors
/// Blames the party for what is no element, or for going away.
pub(crate) async fn receive<L: Lane>(io: &Io, op: OpId, from: u16, out: &mut [L]) -> Result<(), Failure> {
    io.receive(op, from, bytemuck::cast_slice_mut(out)).await?;
    validate(op, from, out)
}

/// That all of a party's lanes are elements.
pub(crate) fn validate<L: Lane>(op: OpId, from: u16, lanes: &[L]) -> Result<(), Failure> {
    if lanes.iter().fold(true, |valid, lane| valid & lane.is_valid()) {
        return Ok(());
    }
    Err(Failure::blame(from, Fault::Value(op)))
}

/// A dealer at work on an operation.
pub(crate) struct Dealt<'a, L: Lane> {
    op: OpId,
    members: &'a [u16],
    dealing: &'a Dealing<L::Scalar>,
    streams: Vec<Vec<L>>,
    told: Vec<L>,
}

impl<'a, L: Lane> Dealt<'a, L> {
    pub(crate) fn new(shamir: &'a Shamir, op: OpId, dealing: &'a Dealing<L::Scalar>) -> Self {
        Self {
            op,
            members: &shamir.members,
            dealing,
            streams: vec![Vec::new(); dealing.silent.len()],
            told: Vec::new(),
        }
    }

    /// Deals `factor · secret`: sends the others' shares and writes the own ones over `own`, where the dealer has a seat.
    pub(crate) fn tile(&mut self, io: &Io, at: usize, factor: L::Scalar, secret: &[L], own: &mut [L]) {
        self.told.resize(secret.len(), L::NIL);
        for (seat, stream) in self.dealing.silent.iter().zip(&mut self.streams) {
            stream.resize(secret.len(), L::NIL);
            stream_tile(&io.pair(self.members[*seat]), self.op, at, false, stream);
        }
        let terms = |factors: &[L::Scalar]| -> Vec<(L::Scalar, &[L])> {
            let streams = factors[1..].iter().zip(&self.streams).map(|(factor, stream)| (*factor, &**stream));
            [(factors[0].times(factor), secret)].into_iter().chain(streams).collect()
        };
        for (seat, factors) in &self.dealing.told {
            L::combine(&mut self.told, &terms(factors));
            io.send(self.op, self.members[*seat], bytemuck::cast_slice(&self.told));
        }
        if let Some(factors) = &self.dealing.own {
            L::combine(own, &terms(factors));
        }
    }
}
