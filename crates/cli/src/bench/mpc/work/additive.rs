//! Sums by additive sharing, outside the engine: its messages travel by the engine's links.

use crypto::{Digest, Label, Secret, hash};
use mpc::additive::{Envelope, MAX_LENGTH, Party, Share, cost};
use mpc::engine::{Failure, Io};

use crate::args::Work;

use super::{Operation, Pending, is_right, numbers};

/// A sum of vectors, in sessions of [`MAX_LENGTH`] values.
pub(super) struct Additive {
    n: usize,
    index: u16,
}

impl Additive {
    pub(super) fn new(io: &Io, n: usize) -> Self {
        Self { n, index: io.index() }
    }

    /// The sums, so many values at a time, handed to `see` with their first place.
    async fn sum(
        &self,
        io: &mut Io,
        mut see: impl FnMut(usize, Vec<u64>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let starts: Vec<usize> = (0..self.n).step_by(MAX_LENGTH).collect();
        for batch in starts.chunks(BATCH) {
            let sessions: Vec<Digest> = batch.iter().map(|start| session(io, *start)).collect();
            // Round 1: every pair's contributions.
            let op = io.op();
            let mut parties = Vec::with_capacity(batch.len());
            for session in &sessions {
                let mut party = Party::new(*session, self.index, io.parties()).map_err(broken)?;
                for Envelope { to, body, .. } in party.step(Vec::new()).map_err(broken)?.0 {
                    body.expose(|body| io.send(op, to, body));
                }
                parties.push(party);
            }
            let message = cost(io.parties(), 1).message_bytes as usize;
            for from in io.peers() {
                for party in &mut parties {
                    let mut body = vec![0; message];
                    io.receive(op, from, &mut body).await?;
                    party.step(vec![Envelope { from, to: self.index, body: Secret::new(body) }]).map_err(broken)?;
                }
            }
            // Round 2: everybody is a recipient of every share.
            let op = io.op();
            let mut shares = Vec::with_capacity(batch.len());
            for (party, start) in parties.into_iter().zip(batch) {
                let end = self.n.min(start + MAX_LENGTH);
                let own = numbers(Work::Sum, self.index, *start..end).into_iter().map(|value| value as u64).collect();
                let share = party.share(&Secret::new(own)).map_err(broken)?;
                let bytes = share.to_bytes();
                io.peers().for_each(|peer| io.send(op, peer, &bytes));
                shares.push(vec![share]);
            }
            for from in io.peers() {
                for (shares, start) in shares.iter_mut().zip(batch) {
                    let len = MAX_LENGTH.min(self.n - start);
                    let mut bytes = vec![0; cost(io.parties(), len).share_bytes as usize];
                    io.receive(op, from, &mut bytes).await?;
                    shares.push(Share::from_bytes(from, &bytes).map_err(broken)?);
                }
            }
            for ((mut shares, session), start) in shares.into_iter().zip(sessions).zip(batch) {
                shares.sort_by_key(|share| share.index);
                see(*start, Share::sum(session, &shares).map_err(broken)?)?;
            }
        }
        Ok(())
    }
}

impl Operation for Additive {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(self.sum(io, |_, _| Ok(())))
    }

    fn verify<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let parties = io.parties();
            let right = |start: usize, sums: Vec<u64>| {
                let mut expected = vec![0; sums.len()];
                for owner in 0..parties {
                    let theirs = numbers(Work::Sum, owner, start..start + sums.len());
                    expected.iter_mut().zip(theirs).for_each(|(sum, value)| *sum += value as u64);
                }
                is_right(expected == sums)
            };
            self.sum(io, right).await
        })
    }
}

fn session(io: &Io, start: usize) -> Digest {
    hash(Label::SESSION, &[io.session().as_bytes(), io.run(), &(start as u64).to_be_bytes()])
}

fn broken(error: mpc::additive::Error) -> Failure {
    tracing::warn!(%error, "an additive session broke");
    Failure::Program("an additive session broke")
}

/// Sessions side by side: 32 MiB of values.
const BATCH: usize = 64;
