//! How values become shares, and shares values: input, fresh randomness, re-sharing and opening.

use crypto::{Digest, Label, hash};

use crate::engine::{Failure, Fault, Io, OpId};

use super::Rep3;
use super::column::Share;
use super::seat::{Seat, Side, TILE, noise, stream};
use super::share::{Atom, Replicated};

/// Shares `len` atoms that `dealer` knows: part `d` is the stream of dealer and the party before, part `d + 1` is the difference, sent to the
/// party after, part `d + 2` is zero. Whatever the dealer sends is a sharing of something: there is nothing to verify.
pub(super) async fn deal<A: Atom>(
    io: &mut Io,
    dealer: u16,
    len: usize,
    values: Option<Vec<A>>,
) -> Result<Replicated<A>, Failure> {
    let seat = Seat::of(io)?;
    let op = io.op();
    if seat.index == dealer {
        let mut next = values.ok_or(Failure::Program("the owner gives the values"))?;
        if next.len() != len {
            return Err(Failure::Program("as many values as were announced"));
        }
        let mut own = vec![A::ZERO; len];
        let with_before = io.pair(seat.before);
        for (tile, (own, next)) in own.chunks_mut(TILE).zip(next.chunks_mut(TILE)).enumerate() {
            stream(&with_before, op, tile * TILE, own);
            next.iter_mut().zip(own).for_each(|(next, own)| *next = next.minus(*own));
            io.send(op, seat.after, bytemuck::cast_slice(next));
        }
        return Ok(Replicated { own, next });
    }
    if seat.before == dealer {
        let mut own = vec![A::ZERO; len];
        io.receive(op, dealer, bytemuck::cast_slice_mut(&mut own)).await?;
        return Ok(Replicated { own, next: vec![A::ZERO; len] });
    }
    Ok(Replicated { own: vec![A::ZERO; len], next: noise(&io.pair(dealer), op, len) })
}

/// Shares the sum of what the parties 1 and 2 hold (party 0 gives `None`): part 0 is the stream of 2 and 0, part 1 that of 0 and 1, and
/// part 2 is what 1 and 2 tell each other, each masked by its stream with 0.
pub(super) async fn pool<A: Atom>(io: &mut Io, len: usize, half: Option<Vec<A>>) -> Result<Replicated<A>, Failure> {
    let seat = Seat::of(io)?;
    let op = io.op();
    let Some(half) = half else {
        let (own, next) = (noise(&io.pair(seat.before), op, len), noise(&io.pair(seat.after), op, len));
        return Ok(Replicated { own, next });
    };
    let peer = 3 - seat.index;
    let mask: Vec<A> = noise(&io.pair(0), op, len);
    let mut sum: Vec<A> = half.iter().zip(&mask).map(|(half, mask)| half.minus(*mask)).collect();
    io.send(op, peer, bytemuck::cast_slice(&sum));
    let mut theirs = vec![A::ZERO; len];
    io.receive(op, peer, bytemuck::cast_slice_mut(&mut theirs)).await?;
    sum.iter_mut().zip(theirs).for_each(|(sum, theirs)| *sum = sum.plus(theirs));
    Ok(if seat.index == 1 { Replicated { own: mask, next: sum } } else { Replicated { own: sum, next: mask } })
}

/// Uniform atoms that nobody knows: part `i` is the stream of `i − 1` and `i`.
pub(super) fn random<A: Atom>(io: &mut Io, len: usize) -> Result<Replicated<A>, Failure> {
    let seat = Seat::of(io)?;
    let op = io.op();
    let (own, next) = (noise(&io.pair(seat.before), op, len), noise(&io.pair(seat.after), op, len));
    Ok(Replicated { own, next })
}

/// This party's share of a vector of which part `part` is `values` (given by those who hold it) and the others are zero.
pub(super) fn known<A: Atom>(seat: Seat, part: u16, values: &[A]) -> Replicated<A> {
    let mut share = Replicated::zeros(values.len());
    match seat.holds(part) {
        Some(Side::Own) => share.own.copy_from_slice(values),
        Some(Side::Next) => share.next.copy_from_slice(values),
        None => {}
    }
    share
}

impl Rep3 {
    /// Sends whoever is to know them the parts that it lacks; returns these, where this party is one. With a verifier the other holder of
    /// a part vouches for it by a digest.
    pub(super) async fn missing_parts(
        &self,
        io: &mut Io,
        shares: &[Share],
        to: Option<u16>,
    ) -> Result<Option<Vec<Vec<u64>>>, Failure> {
        let seat = self.seat;
        let ops: Vec<OpId> = shares.iter().map(|_| io.op()).collect();
        let vouching = io.op();
        let knows = |party: u16| to.is_none_or(|to| to == party);
        if knows(seat.before) {
            for (op, share) in ops.iter().zip(shares) {
                io.send(*op, seat.before, share.next());
            }
        }
        if self.verifier.is_some() && knows(seat.after) {
            let digest = digest(io, vouching, shares.iter().map(Share::own));
            io.send(vouching, seat.after, digest.as_bytes());
        }
        if !knows(seat.index) {
            return Ok(None);
        }
        let mut missing = Vec::with_capacity(shares.len());
        for (op, share) in ops.iter().zip(shares) {
            let mut part = vec![0u64; share.own().len() / 8];
            io.receive(*op, seat.after, bytemuck::cast_slice_mut(&mut part)).await?;
            missing.push(part);
        }
        if self.verifier.is_some() {
            let mut vouched = [0; 32];
            io.receive(vouching, seat.before, &mut vouched).await?;
            let found = digest(io, vouching, missing.iter().map(|part| bytemuck::cast_slice(part)));
            if found.as_bytes() != &vouched {
                return Err(seat.others_dispute(Fault::Inconsistent(vouching)));
            }
        }
        Ok(Some(missing))
    }
}

/// `H(opening, [session, operation u64 big-endian, parts …])`.
fn digest<'a>(io: &Io, op: OpId, parts: impl Iterator<Item = &'a [u8]>) -> Digest {
    let op = op.0.to_be_bytes();
    let mut all: Vec<&[u8]> = vec![io.session().as_bytes(), &op];
    parts.for_each(|part| all.push(part));
    hash(Label::OPENING, &all)
}
