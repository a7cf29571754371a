//! Coins that no party can foresee or sway: shares of randomness that two parties hold, opened one after the other.

use crypto::{Digest, Label, Secret, hash};

use crate::engine::{Failure, Fault, Io, OpId};
use crate::prg::Prg;

use crate::rep3::seat::Seat;
use crate::rep3::shuffle::order;

/// Coins of one check, in the order in which they are tossed.
pub(crate) struct Coins {
    op: OpId,
    /// Where revealed parts travel; their order tells them apart.
    reveal: OpId,
    seat: Seat,
    own: Vec<[u8; 32]>,
    next: Vec<[u8; 32]>,
    /// What the party after says of the parts that this one lacks.
    digests: Vec<[u8; 32]>,
    tossed: usize,
}

impl Coins {
    /// Step 0: tells the party before the digests of the parts that it lacks.
    pub(crate) fn commit(io: &mut Io, seat: Seat, count: usize) -> Self {
        let (op, reveal) = (io.op(), io.op());
        let parts = |peer: u16| {
            let mut parts = vec![[0; 32]; count];
            io.pair(peer).fill(op, 0, parts.as_flattened_mut());
            parts
        };
        let (own, next) = (parts(seat.before), parts(seat.after));
        let coins = Self { op, reveal, seat, own, next, digests: Vec::new(), tossed: 0 };
        for (level, part) in coins.next.iter().enumerate() {
            io.send(op, seat.before, coins.digest(io, level, part).as_bytes());
        }
        coins
    }

    /// Π_coin. Call once all that the party after owes this one has been received: this reveals to it what it lacked.
    ///
    /// # Errors
    /// A dispute of the two others, where what one reveals is not what the other committed to.
    pub(crate) async fn toss(&mut self, io: &Io) -> Result<Challenges, Failure> {
        let level = self.tossed;
        self.tossed += 1;
        io.send(self.reveal, self.seat.after, &self.own[level]);
        if level == 0 {
            self.digests = vec![[0; 32]; self.own.len()];
            io.receive(self.op, self.seat.after, self.digests.as_flattened_mut()).await?;
        }
        let mut missing = [0; 32];
        io.receive(self.reveal, self.seat.before, &mut missing).await?;
        if self.digest(io, level, &missing).as_bytes() != &self.digests[level] {
            return Err(self.seat.others_dispute(Fault::Inconsistent(self.reveal)));
        }
        let coin: [u8; 32] = std::array::from_fn(|at| self.own[level][at] ^ self.next[level][at] ^ missing[at]);
        let digest = self.digest(io, level, &coin);
        let key = digest.as_bytes().first_chunk().expect("16 of 32 bytes");
        Ok(Challenges { prg: Prg::new(&Secret::new(*key)), next: 0 })
    }

    fn digest(&self, io: &Io, level: usize, part: &[u8; 32]) -> Digest {
        let (op, level) = (self.op.0.to_be_bytes(), (level as u64).to_be_bytes());
        hash(Label::COIN, &[io.session().as_bytes(), &op, &level, part])
    }
}

/// Challenges that a coin decides: public once it is tossed.
pub(crate) struct Challenges {
    prg: Prg,
    next: u64,
}

impl Challenges {
    /// Codes of `count` uniform elements of an exceptional set of `2^bits`.
    pub(crate) fn codes(&mut self, count: usize, bits: u32) -> Vec<u64> {
        let mut codes = vec![0u64; count];
        self.prg.elements(OpId(self.next), 0, &mut codes);
        self.next += 1;
        codes.iter_mut().for_each(|code| *code &= u64::MAX >> (64 - bits));
        codes
    }

    /// A uniform order of so many.
    pub(crate) fn order(&mut self, count: usize) -> Vec<u32> {
        self.next += 1;
        order(&self.prg, OpId(self.next - 1), count)
    }

    /// The code of a uniform element that is not zero.
    pub(crate) fn unit(&mut self, bits: u32) -> u64 {
        loop {
            // 64 zeros in a row do not happen; if they did, all parties would go on together.
            if let Some(code) = self.codes(64, bits).into_iter().find(|code| *code != 0) {
                return code;
            }
        }
    }
}
