//! Randomness that sets of parties share: every set of `n − t` holds a key, from which all make sharings without talk.
//!
//! Pseudo-random secret sharing: Cramer, Damgård, Ishai, TCC 2005, §3 (random sharings) and §4 (sharings of zero of degree 2t). A sharing made so is
//! of the right degree whatever corrupt parties do, and it does not depend on who is there.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crypto::{Label, Secret, hash};

use crate::engine::{Failure, Fault, Io, OpId};
use crate::prg::Prg;

use super::field::{Field as _, Lane, lanes};
use super::{Shamir, TILE};

/// The keys of the sets to which this party belongs, in the order of [`super::scheme::sets`].
pub(crate) type Keys = Rc<Vec<Prg>>;

/// How far the keys are.
pub(crate) enum Agreement {
    Unasked,
    Running(Pin<Box<dyn Future<Output = Result<Vec<Prg>, Failure>>>>),
    Agreed(Keys),
    Failed(Failure),
}

impl Shamir {
    /// This party's keys; agreed on at the first call, in one round (two against malicious parties; none where sets are pairs).
    pub(crate) async fn keys(&self, io: &Io) -> Result<Keys, Failure> {
        if self.sets.is_empty() {
            return Err(self.unsupported("random sharings among so many parties"));
        }
        std::future::poll_fn(|context| {
            let mut agreement = self.agreement.borrow_mut();
            loop {
                match &mut *agreement {
                    Agreement::Unasked => {
                        let seat = self.seat(io)?;
                        let agree = agree(
                            io.aside(),
                            self.members.clone(),
                            self.sets.clone(),
                            seat,
                            self.is_malicious(),
                            self.setup,
                        );
                        *agreement = Agreement::Running(Box::pin(agree));
                    }
                    Agreement::Running(running) => match running.as_mut().poll(context) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(keys)) => *agreement = Agreement::Agreed(Rc::new(keys)),
                        Poll::Ready(Err(failure)) => *agreement = Agreement::Failed(failure),
                    },
                    Agreement::Agreed(keys) => return Poll::Ready(Ok(Rc::clone(keys))),
                    Agreement::Failed(failure) => return Poll::Ready(Err(failure.clone())),
                }
            }
        })
        .await
    }

    /// Adds random sharings from the sets' streams to `out`: `Σ_A f_A(own point) · stream_A`. `at` counts lanes and begins a tile.
    pub(crate) fn draw<L: Lane>(
        &self,
        io: &Io,
        keys: &Keys,
        op: OpId,
        at: usize,
        values: bool,
        out: &mut [L],
    ) -> Result<(), Failure> {
        let scheme = self.scheme::<L>(io)?;
        let streams: Vec<_> = keys.iter().zip(&scheme.sets).map(|(key, factor)| (key, op, *factor)).collect();
        add_streams(&streams, at, values, out);
        Ok(())
    }

    /// Adds a sharing of zero of degree `2t` to `out`: `Σ_A Σ_{1 ≤ j ≤ t} f_A(own point) · point^j · stream_{A,j}`.
    pub(crate) fn draw_zero<L: Lane>(
        &self,
        io: &Io,
        keys: &Keys,
        ops: &[OpId],
        at: usize,
        out: &mut [L],
    ) -> Result<(), Failure> {
        let scheme = self.scheme::<L>(io)?;
        let sets = keys.iter().zip(&scheme.sets);
        let powers = |(key, factor): (_, &L::Scalar)| {
            let factor = *factor;
            ops.iter()
                .zip(&scheme.powers[1..])
                .map(move |(op, power)| (key, *op, factor.times(*power)))
                .collect::<Vec<_>>()
        };
        add_streams(&sets.flat_map(powers).collect::<Vec<_>>(), at, false, out);
        Ok(())
    }

    /// Sharings of uniform field elements, or of uniform values of the domain, that nobody knows.
    pub(crate) async fn draw_column<L: Lane>(&self, io: &mut Io, len: usize, values: bool) -> Result<Vec<L>, Failure> {
        let op = io.op();
        let keys = self.keys(io).await?;
        let mut out = vec![L::NIL; lanes::<L>(len)];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            self.draw(io, &keys, op, tile * TILE, values, out)?;
        }
        Ok(out)
    }
}

/// Adds `Σ factor · stream` to a tile.
fn add_streams<L: Lane>(streams: &[(&Prg, OpId, L::Scalar)], at: usize, values: bool, out: &mut [L]) {
    let mut tiles = vec![vec![L::NIL; out.len()]; streams.len().min(8)];
    let mut sum = vec![L::NIL; out.len()];
    for some in streams.chunks(8) {
        for ((key, op, _), tile) in some.iter().zip(&mut tiles) {
            stream_tile(key, *op, at, values, tile);
        }
        let terms: Vec<_> = some.iter().zip(&tiles).map(|((.., factor), tile)| (*factor, &**tile)).collect();
        L::combine(&mut sum, &terms);
        out.iter_mut().zip(&sum).for_each(|(out, sum)| *out = out.sum(*sum));
    }
}

/// One tile of a stream, as elements or as values of the domain.
pub(crate) fn stream_tile<L: Lane>(key: &Prg, op: OpId, at: usize, values: bool, out: &mut [L]) {
    debug_assert_eq!(at * size_of::<L>() % 16, 0, "a tile begins a block");
    key.fill(op, (at * size_of::<L>() / 16) as u64, bytemuck::cast_slice_mut(out));
    for lane in out {
        *lane = if values { lane.value_from_stream() } else { lane.from_stream() };
    }
}

/// Each set's lowest member draws its key and tells the others. Against malicious parties each pair then compares a digest of the keys that both
/// hold.
async fn agree(
    io: Io,
    members: Vec<u16>,
    sets: Vec<u64>,
    seat: usize,
    compare: bool,
    setup: OpId,
) -> Result<Vec<Prg>, Failure> {
    let mine: Vec<_> = sets.into_iter().enumerate().filter(|(_, set)| set >> seat & 1 == 1).collect();
    if mine.iter().all(|(_, set)| set.count_ones() == 2) {
        return pairs(&io, &members, &mine, seat);
    }
    let mut keys: Vec<Secret<[u8; 16]>> = Vec::new();
    let others = |set: u64| (0..members.len()).filter(move |other| *other != seat && set >> other & 1 == 1);
    for (index, set) in &mine {
        let mut key = [0; 16];
        if set.trailing_zeros() as usize == seat {
            io.own().fill(setup, *index as u64, &mut key);
            for other in others(*set) {
                io.send(setup, members[other], &key);
            }
        }
        keys.push(Secret::new(key));
    }
    for ((_, set), key) in mine.iter().zip(&mut keys) {
        let leader = set.trailing_zeros() as usize;
        if leader != seat {
            let mut told = [0; 16];
            io.receive(setup, members[leader], &mut told).await?;
            *key = Secret::new(told);
        }
    }
    if compare {
        let op = OpId(setup.0 + 1);
        let digest = |other: usize| {
            let mut common = Vec::new();
            for (key, _) in keys.iter().zip(&mine).filter(|(_, (_, set))| set >> other & 1 == 1) {
                key.expose(|key| common.extend_from_slice(key));
            }
            let digest = hash(Label::SET_KEYS, &[io.session().as_bytes(), &common]);
            zeroize::Zeroize::zeroize(&mut common);
            digest
        };
        let peers: Vec<_> = (0..members.len()).filter(|other| *other != seat).collect();
        for peer in &peers {
            io.send(op, members[*peer], digest(*peer).as_bytes());
        }
        for peer in peers {
            let mut theirs = [0; 32];
            io.receive(op, members[peer], &mut theirs).await?;
            if theirs != *digest(peer).as_bytes() {
                return Err(Failure::Cheated { fault: Fault::Inconsistent(op) });
            }
        }
    }
    Ok(keys.iter().map(Prg::new).collect())
}

/// Sets of two share the pair's own stream.
fn pairs(io: &Io, members: &[u16], mine: &[(usize, u64)], seat: usize) -> Result<Vec<Prg>, Failure> {
    let key = |(_, set): &(usize, u64)| {
        let other = (set & !(1 << seat)).trailing_zeros() as usize;
        let mut key = [0; 16];
        // A stream's block that no operation takes becomes the set's key.
        io.pair(members[other]).fill(OpId(u64::MAX - 1), 0, &mut key);
        Prg::new(&Secret::new(key))
    };
    Ok(mine.iter().map(key).collect())
}
