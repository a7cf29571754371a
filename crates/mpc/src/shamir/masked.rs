//! Degree reduction that does not depend on who is there: products are opened under a mask.

use std::collections::HashMap;

use crypto::{Digest, Label, hash};

use crate::engine::{Failure, Fault, Io, OpId};

use super::deal::{Source, validate};
use super::field::{Field, Lane};
use super::scheme::lagrange;
use super::{LAG, Shamir, TILE};

impl Shamir {
    /// The multiplication of Damgård and Nielsen (CRYPTO 2007, §4.2) without a king: the double sharing of a random `r` comes from the sets'
    /// streams, each party sends its share of `z + r` (degree `2t`) to all, and takes whichever `2t` answer first. `[z] = (z + r) − [r]` is the same
    /// whoever answered, so that parties need not agree on who is there. One round.
    ///
    /// Malicious parties could tell one honest party another `z + r` than the rest, give it a share of the product that is off by what they know, and
    /// see from the redundant shares of the next product what that was multiplied with: the share of another factor. So all compare what
    /// they opened before anybody goes on: a second round, 32 bytes to each. What is left to them is to add the same to everybody's.
    pub(crate) async fn unmask<L: Lane>(
        &self,
        io: &mut Io,
        count: usize,
        source: impl Source<L>,
    ) -> Result<Vec<L>, Failure> {
        let op = io.op();
        let zeros: Vec<_> = (0..self.threshold).map(|_| io.op()).collect();
        let comparison = io.op();
        let keys = self.keys(io).await?;
        let seat = self.seat(io)?;
        let mut out = vec![L::NIL; count];
        let mut masked = vec![L::NIL; count];
        let others = (0..self.seats()).filter(|other| *other != seat && !self.is_cheater(*other));
        let mut gather = Gather::among(self, others, seat, 2 * self.threshold, 2 * self.threshold);
        let mut seen = *io.session();
        let tiles = count.div_ceil(TILE);
        let mut opened = vec![L::NIL; count.min(TILE)];
        for step in 0..tiles + LAG {
            if step < tiles {
                let at = step * TILE;
                let range = at..count.min(at + TILE);
                let (out, masked) = (&mut out[range.clone()], &mut masked[range]);
                self.draw(io, &keys, op, at, false, out)?;
                source(at, masked);
                masked.iter_mut().zip(&*out).for_each(|(masked, mask)| *masked = masked.sum(*mask));
                self.draw_zero(io, &keys, &zeros, at, masked)?;
                for peer in self.peers(seat) {
                    io.send(op, peer, bytemuck::cast_slice(masked));
                }
            }
            if let Some(tile) = step.checked_sub(LAG) {
                let at = tile * TILE;
                let range = at..count.min(at + TILE);
                let (out, masked) = (&mut out[range.clone()], &masked[range]);
                let opened = &mut opened[..out.len()];
                gather.tile(io, op, masked, opened).await?;
                if self.is_malicious() {
                    let parts = [
                        io.session().as_bytes(),
                        &op.0.to_be_bytes()[..],
                        seen.as_bytes(),
                        bytemuck::cast_slice(opened),
                    ];
                    seen = hash(Label::AGREEMENT, &parts);
                }
                out.iter_mut().zip(opened).for_each(|(out, opened)| *out = opened.difference(*out));
            }
        }
        if self.is_malicious() && count > 0 {
            self.compare(io, comparison, &seen).await?;
        }
        Ok(out)
    }

    /// Waits until all members that are there have come so far.
    pub(crate) async fn assemble(&self, io: &mut Io) -> Result<(), Failure> {
        let op = io.op();
        let seat = self.seat(io)?;
        self.peers(seat).for_each(|peer| io.send(op, peer, &[0]));
        let mut theirs = vec![[0]; self.seats() - 1];
        let peers: Vec<_> = self.peers(seat).zip(theirs.iter_mut().map(|byte| &mut byte[..])).collect();
        io.receive_some(op, peers, 2 * self.threshold, self.seats() - 1).await.map(|_| ())
    }

    /// That all members that are there saw the same.
    async fn compare(&self, io: &Io, op: OpId, seen: &Digest) -> Result<(), Failure> {
        let seat = self.seat(io)?;
        self.peers(seat).for_each(|peer| io.send(op, peer, seen.as_bytes()));
        let mut theirs = vec![[0; 32]; self.seats()];
        let others = (0..).zip(&mut theirs).filter(|(other, _)| *other != seat);
        let peers: Vec<_> = others.map(|(other, theirs)| (self.members[other], &mut theirs[..])).collect();
        let count = peers.len();
        let came = io.receive_some(op, peers, 2 * self.threshold, count).await?;
        let others = (0..self.seats()).filter(|other| *other != seat);
        let differs =
            |(other, came): (usize, bool)| came && !self.is_cheater(other) && theirs[other] != *seen.as_bytes();
        if others.zip(came).any(differs) {
            return Err(Failure::Cheated { fault: Fault::Inconsistent(op) });
        }
        Ok(())
    }
}

/// Collects shares of a long vector, tile by tile, from whoever answers first.
pub(crate) struct Gather<'a, L: Lane> {
    shamir: &'a Shamir,
    seat: usize,
    others: Vec<usize>,
    least: usize,
    enough: usize,
    tiles: Vec<Vec<L>>,
    factors: HashMap<Vec<usize>, Vec<L::Scalar>>,
}

impl<'a, L: Lane> Gather<'a, L> {
    /// By a seat, from at least `least` of the other ones, and no more than `enough`.
    pub(crate) fn among(
        shamir: &'a Shamir,
        others: impl Iterator<Item = usize>,
        seat: usize,
        least: usize,
        enough: usize,
    ) -> Self {
        let others: Vec<_> = others.collect();
        Self { shamir, seat, least, enough, tiles: vec![Vec::new(); others.len()], others, factors: HashMap::new() }
    }

    /// Receives a tile's shares: the seats that answered, in order, each with its shares.
    pub(crate) async fn receive(&mut self, io: &Io, op: OpId, len: usize) -> Result<Vec<(usize, &[L])>, Failure> {
        for tile in &mut self.tiles {
            tile.resize(len, L::NIL);
        }
        let peers = self.others.iter().zip(&mut self.tiles);
        let peers = peers.map(|(seat, tile)| (self.shamir.members[*seat], bytemuck::cast_slice_mut(tile))).collect();
        let came = io.receive_some(op, peers, self.least, self.enough).await?;
        let mut answers = Vec::new();
        for ((seat, came), tile) in self.others.iter().copied().zip(came).zip(&self.tiles) {
            if !came {
                continue;
            }
            match validate(op, self.shamir.members[seat], tile) {
                Ok(()) => answers.push((seat, &**tile)),
                // What is no element is a share that was not sent, where enough others may come.
                Err(_) if self.shamir.is_malicious() => {
                    self.shamir.cheaters.borrow_mut().insert(seat);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(answers)
    }

    /// Receives a tile's shares and writes the secrets over `out`; `own` are this party's.
    pub(crate) async fn tile(&mut self, io: &Io, op: OpId, own: &[L], out: &mut [L]) -> Result<(), Failure> {
        let mut factors = std::mem::take(&mut self.factors);
        let seat = self.seat;
        let least = self.least;
        let answers = self.receive(io, op, own.len()).await?;
        if answers.len() < least {
            return Err(Failure::Cheated { fault: Fault::Inconsistent(op) });
        }
        let seats: Vec<_> = [seat].into_iter().chain(answers.iter().map(|(seat, _)| *seat)).collect();
        let points = || seats.iter().map(|seat| L::Scalar::point(*seat)).collect::<Vec<_>>();
        let weights = factors.entry(seats.clone()).or_insert_with(|| lagrange(&points(), L::Scalar::ZERO));
        let shares = [own].into_iter().chain(answers.iter().map(|(_, tile)| *tile));
        L::combine(out, &weights.iter().copied().zip(shares).collect::<Vec<_>>());
        self.factors = factors;
        Ok(())
    }
}
