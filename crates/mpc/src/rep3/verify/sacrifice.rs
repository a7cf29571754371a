//! The older check: every product is compared with one of random factors, which is given up for it. Linear in communication, of a few
//! lines, and of another design than [`super::proof`] down to the challenges: reference and fallback. docs/spec/mpc/rep3-malicious.md, last section.
//!
//! Over rings ([`rings`]) the comparison is made in a ring of twice the bits ([`larger`]); words of bits ([`words`]) are cut and chosen.

mod larger;
mod rings;
mod words;

use crypto::{Label, hash};

use crate::engine::{Cost, Failure, Fault, Fut, Io, join};
use crate::rep3::record::Sizes;
use crate::rep3::seat::Seat;
use crate::rep3::{Record, Verifier};

use super::proof::Honest;
use super::{Sorted, side_by_side};

use larger::Long;

/// The check by sacrifice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sacrifice;

impl Verifier for Sacrifice {
    fn verify<'a>(&'a self, io: &'a mut Io, records: Vec<Record>) -> Fut<'a, ()> {
        Box::pin(verify(io, records))
    }

    fn cost(&self, sizes: &Sizes) -> Cost {
        side_by_side([
            rings::cost::<u128>(&sizes.ring64),
            rings::cost::<Long>(&sizes.ring128),
            words::cost(&sizes.bits),
        ])
    }
}

async fn verify(io: &mut Io, records: Vec<Record>) -> Result<(), Failure> {
    let Sorted { ring64, ring128, bits } = Sorted::new(records);
    let mut strands = io.split(3);
    let [first, second, third] = strands.get_disjoint_mut([0, 1, 2]).expect("there are three");
    let rings = join(
        rings::prove::<u128>(first, &ring64, rings::CHALLENGE_BITS, &Honest),
        rings::prove::<Long>(second, &ring128, rings::CHALLENGE_BITS, &Honest),
    );
    join(rings, words::prove(third, &bits, words::bucket, &Honest)).await?;
    io.rejoin(strands);
    Ok(())
}

/// Opens a vector: sends the parts that the party before lacks, and vouches to the party after for those that it lacks. Returns the parts that
/// this one lacked.
///
/// # Errors
/// A dispute of the two others.
async fn reveal(io: &mut Io, seat: Seat, [own, next]: [&[u8]; 2]) -> Result<Vec<u8>, Failure> {
    let (op, vouching) = (io.op(), io.op());
    let digest = |part: &[u8]| hash(Label::OPENING, &[io.session().as_bytes(), &vouching.0.to_be_bytes(), part]);
    io.send(op, seat.before, next);
    io.send(vouching, seat.after, digest(own).as_bytes());
    let mut missing = vec![0; own.len()];
    io.receive(op, seat.after, &mut missing).await?;
    let mut vouched = [0; 32];
    io.receive(vouching, seat.before, &mut vouched).await?;
    if digest(&missing).as_bytes() != &vouched {
        return Err(seat.others_dispute(Fault::Inconsistent(vouching)));
    }
    Ok(missing)
}

/// That a shared vector is zero: what the parts that this party lacks must be for it is compared with what both others say they are.
///
/// # Errors
/// A dispute where they differ among each other, a cheat where the vector is not zero.
async fn zero(io: &mut Io, seat: Seat, [own, next, expected]: [&[u8]; 3]) -> Result<(), Failure> {
    let op = io.op();
    let digest = |part: &[u8]| hash(Label::OPENING, &[io.session().as_bytes(), &op.0.to_be_bytes(), part]);
    io.send(op, seat.after, digest(own).as_bytes());
    io.send(op, seat.before, digest(next).as_bytes());
    let mut found = [[0; 32]; 2];
    for (peer, found) in [seat.before, seat.after].into_iter().zip(&mut found) {
        io.receive(op, peer, found).await?;
    }
    if found[0] != found[1] {
        return Err(seat.others_dispute(Fault::Inconsistent(op)));
    }
    if digest(expected).as_bytes() == &found[0] { Ok(()) } else { Err(Failure::Cheated { fault: Fault::Proof }) }
}

#[cfg(test)]
mod tests;
