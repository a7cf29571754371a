//! Opening: who sends shares to whom, and how wrong ones are found.

use std::collections::BTreeSet;

use crate::engine::{Failure, Fault, Io, OpId};

use super::decode::vartime_wrong;
use super::field::{Field as _, Lane};
use super::masked::Gather;
use super::scheme::lagrange;
use super::{LAG, Shamir, TILE};

impl Shamir {
    /// Opens sharings of degree `t` to all members, or to one seat. One round.
    ///
    /// Against semi-honest parties a receiver needs `t` others' shares: those that come first of the seats that follow its own. Against malicious ones it takes all that come, `2t` at least: with these a wrong share is noticed;
    /// with `3t` it is corrected and its sender named ([`Shamir::cheaters`]).
    ///
    /// Where wrong shares are not to be corrected, one ends the session: for sharings whose degree is not checked yet, as whose wrong share an
    /// honest one could appear.
    pub(crate) async fn reveal<L: Lane>(
        &self,
        io: &Io,
        op: OpId,
        shares: &[L],
        to: Option<usize>,
        correct: bool,
    ) -> Result<Option<Vec<L>>, Failure> {
        let (seat, count) = (self.seat(io)?, shares.len());
        let receives = to.is_none_or(|to| to == seat);
        let readers: Vec<_> = (0..self.seats())
            .filter(|reader| *reader != seat && to.is_none_or(|to| to == *reader) && self.reads(*reader, seat))
            .map(|reader| self.members[reader])
            .collect();
        let (least, enough) =
            if self.is_malicious() { (2 * self.threshold, self.seats() - 1) } else { (self.threshold, self.threshold) };
        let mut gather = Gather::among(
            self,
            (0..self.seats()).filter(|other| *other != seat && self.reads(seat, *other)),
            seat,
            least,
            enough,
        );
        let mut out = vec![L::NIL; if receives { count } else { 0 }];
        let tiles = count.div_ceil(TILE);
        for step in 0..tiles + LAG {
            if step < tiles {
                let tile = &shares[step * TILE..count.min((step + 1) * TILE)];
                for reader in &readers {
                    io.send(op, *reader, bytemuck::cast_slice(tile));
                }
            }
            if let Some(tile) = step.checked_sub(LAG).filter(|_| receives) {
                let range = tile * TILE..count.min((tile + 1) * TILE);
                let (own, out) = (&shares[range.clone()], &mut out[range]);
                if self.is_malicious() {
                    let answers = gather.receive(io, op, own.len()).await?;
                    let all = [(seat, own)].into_iter().chain(answers).collect();
                    self.correct(op, all, correct, L::Scalar::ZERO, out)?;
                } else {
                    gather.tile(io, op, own, out).await?;
                }
            }
        }
        Ok(receives.then_some(out))
    }

    /// Opens to all what is not checked yet.
    pub(crate) async fn reveal_strictly<L: Lane>(&self, io: &mut Io, shares: &[L]) -> Result<Vec<L>, Failure> {
        let op = io.op();
        Ok(self.reveal(io, op, shares, None, false).await?.expect("opened to all"))
    }

    /// Whether a seat's share goes to a reader.
    fn reads(&self, reader: usize, seat: usize) -> bool {
        let step = (seat + self.members.len() - reader) % self.members.len();
        step != 0 && step <= self.senders()
    }

    /// How many of the seats that follow a reader's own send it their shares: against malicious parties all, else as many as are needed when all that may
    /// vanish have.
    pub(crate) fn senders(&self) -> usize {
        match (self.is_malicious(), self.is_tolerant()) {
            (true, _) => self.seats() - 1,
            (false, true) => self.seats() - 1 - self.threshold,
            (false, false) => self.threshold,
        }
    }

    /// The values at a point (at zero, the secrets) of shares of which some may be wrong. Whose share is found to be wrong is noted, and not believed
    /// again.
    pub(crate) fn correct<L: Lane>(
        &self,
        op: OpId,
        answers: Vec<(usize, &[L])>,
        correct: bool,
        point: L::Scalar,
        out: &mut [L],
    ) -> Result<(), Failure> {
        let cheaters = &mut *self.cheaters.borrow_mut();
        let decoded = decode(self.threshold, cheaters, answers, correct, point, out);
        decoded.ok_or(Failure::Cheated { fault: Fault::Inconsistent(op) })
    }
}

/// Writes the values at a point over `out`, of the shares of seats of which up to `threshold` lie, those in `cheaters` among them; seats that are
/// found to lie are added to these. Nothing where it is unclear who lies, or a lie could go unnoticed.
pub(crate) fn decode<L: Lane>(
    threshold: usize,
    cheaters: &mut BTreeSet<usize>,
    mut answers: Vec<(usize, &[L])>,
    correct: bool,
    point: L::Scalar,
    out: &mut [L],
) -> Option<()> {
    loop {
        answers.retain(|(seat, _)| !cheaters.contains(seat));
        let unknown = threshold.checked_sub(cheaters.len())?;
        if answers.len() < threshold + 1 + unknown {
            return None;
        }
        let Some((lane, element)) = mismatch(threshold, &answers, point, out) else { return Some(()) };
        if !correct || answers.len() < threshold + 1 + 2 * unknown {
            return None;
        }
        let seats: Vec<_> = answers.iter().map(|(seat, _)| *seat).collect();
        let shares: Vec<L::Wide> = answers.iter().map(|(_, tile)| tile[lane].wide(element)).collect();
        let wrong = vartime_wrong(threshold, &seats, &shares)?;
        if wrong.is_empty() || wrong.len() > unknown {
            return None;
        }
        cheaters.extend(wrong.into_iter().map(|place| seats[place]));
    }
}

/// Writes the secrets over `out`, from the first shares; the lane and element where the other shares lie elsewhere.
fn mismatch<L: Lane>(
    threshold: usize,
    answers: &[(usize, &[L])],
    point: L::Scalar,
    out: &mut [L],
) -> Option<(usize, usize)> {
    let (base, rest) = answers.split_at(threshold + 1);
    let points: Vec<_> = base.iter().map(|(seat, _)| L::Scalar::point(*seat)).collect();
    let at = |point, out: &mut [L]| {
        let factors = lagrange(&points, point);
        L::combine(out, &factors.into_iter().zip(base.iter().map(|(_, tile)| *tile)).collect::<Vec<_>>());
    };
    let mut found = None;
    for (seat, tile) in rest {
        at(L::Scalar::point(*seat), out);
        let wrong = out.iter().zip(*tile).position(|(expected, share)| expected != share);
        found = found.or(wrong.map(|lane| (lane, out[lane].difference(tile[lane]))));
    }
    at(point, out);
    found.map(|(lane, difference)| {
        let element = (0..L::WIDTH).find(|element| difference.wide(*element) != <L::Wide as Lane>::NIL);
        (lane, element.expect("lanes that differ do so in an element"))
    })
}
