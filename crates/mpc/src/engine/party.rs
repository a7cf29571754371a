//! One party of a session: set-up, then the work it was given, stepped by whoever owns its links.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use crypto::{Digest, Secret};

use crate::prg::{Prg, Root};

use super::frame::{self, Writer};
use super::io::{Pair, Shared};
use super::{Failure, Fault, Frame, Io, OpId};

/// What a party needs to know of its session.
pub struct Settings {
    /// Names the computation: who takes part, and over what. The same at all parties.
    pub session: Digest,
    /// Names this run of it; fresh for each, the same at all parties. Frames of another run are refused.
    pub run: [u8; 16],
    /// This party, from 0.
    pub index: u16,
    /// 1 to [`Settings::MAX_PARTIES`].
    pub parties: u16,
    /// This party's randomness of this run: fresh from the operating system, but for a simulation.
    pub seed: Secret<[u8; 32]>,
    /// Most bytes of a peer that may wait to be taken.
    pub inbox_limit: usize,
}

impl Settings {
    /// Most parties of a session.
    pub const MAX_PARTIES: u16 = 64;
    /// A bound for [`Settings::inbox_limit`] that holds columns of some million values.
    pub const INBOX_LIMIT: usize = 512 << 20;
}

/// How far a party is.
#[derive(Debug)]
pub enum Status<T> {
    /// It awaits frames.
    Waiting,
    /// It ended with this.
    Done(T),
}

/// What a party sent and received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bodies of frames.
    pub bytes_sent: u64,
    /// Of these, what operations sent, without headers.
    pub payload_sent: u64,
    /// How many frames.
    pub frames_sent: u64,
    /// Bodies of frames.
    pub bytes_received: u64,
    /// Messages in sequence: the longest chain of frames of which each awaited the one before.
    pub rounds: u32,
}

/// What a party does: straight-line code, stepped as bytes come in.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, Failure>>>>;

/// One party. Everything it does is decided by its settings, its work and the frames it is given, in their order per peer.
pub struct Party<T> {
    shared: Rc<Shared>,
    outbox: Rc<RefCell<Vec<Frame>>>,
    work: Option<Work<T>>,
}

impl<T: 'static> Party<T> {
    /// A party that will do `work` once all pairs have agreed on their randomness.
    ///
    /// # Errors
    /// [`Failure::Program`] unless `index < parties <= MAX_PARTIES`.
    pub fn new<W, F>(settings: Settings, work: W) -> Result<Self, Failure>
    where
        W: FnOnce(Io) -> F + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        let Settings { session, run, index, parties, seed, inbox_limit } = settings;
        if index >= parties || parties > Settings::MAX_PARTIES {
            return Err(Failure::Program("a party's index lies within the number of parties, which is bounded"));
        }
        let outbox = Rc::new(RefCell::new(Vec::new()));
        let collect = Rc::clone(&outbox);
        let count = usize::from(parties);
        let own = Prg::own(&session, &run, index, &seed);
        let shared = Rc::new(Shared {
            index,
            parties,
            session,
            run,
            pairs: RefCell::new((0..count).map(|_| None).collect()),
            own,
            mail: RefCell::new(HashMap::new()),
            writers: RefCell::new((0..count).map(|_| Writer::new()).collect()),
            sequences: RefCell::new(vec![0; count]),
            clock: Cell::new(0),
            sent: Cell::new(false),
            outlet: RefCell::new(Box::new(move |frame| collect.borrow_mut().push(frame))),
            inlet: RefCell::new(Box::new(|| None)),
            pulled: Cell::new(false),
            arrivals: RefCell::new(Arrivals::new(count, inbox_limit)),
            stats: RefCell::new(Stats::default()),
            lost: RefCell::new(vec![false; count]),
            unwanted: RefCell::new(HashMap::new()),
            awaited: RefCell::new(vec![false; count]),
        });
        let io = Io { shared: Rc::clone(&shared), next: 1, stride: 1, end: 1 << 63 };
        let work = Box::pin(async move {
            agree(&io).await?;
            work(io).await
        });
        Ok(Self { shared, outbox, work: Some(work) })
    }

    /// Hands frames to `outlet` as soon as they are full rather than at the end of a step, and lets a party that is at work
    /// look for frames by `inlet`: computing and sending overlap.
    pub fn connect(&mut self, outlet: impl FnMut(Frame) + 'static, inlet: impl FnMut() -> Option<Frame> + 'static) {
        *self.shared.outlet.borrow_mut() = Box::new(outlet);
        *self.shared.inlet.borrow_mut() = Box::new(inlet);
    }

    /// Takes what arrived and works until it must wait; returns what to send (nothing, where [`Party::connect`] has set an
    /// outlet) and how far it is.
    ///
    /// # Errors
    /// Why the session cannot go on. The party has ended then.
    ///
    /// # Panics
    /// After it has ended.
    pub fn step(&mut self, inbox: impl IntoIterator<Item = Frame>) -> Result<(Vec<Frame>, Status<T>), Failure> {
        let mut taken = Ok(());
        for frame in inbox {
            taken = taken.and_then(|()| accept(&self.shared, frame));
        }
        let work = self.work.as_mut().expect("a party is not stepped after its end");
        let polled = loop {
            self.shared.awaited.borrow_mut().fill(false);
            self.shared.pulled.set(false);
            let polled = match &taken {
                Ok(()) => work.as_mut().poll(&mut Context::from_waker(Waker::noop())),
                Err(failure) => Poll::Ready(Err(failure.clone())),
            };
            // What a strand pulled in may be what one polled before it waits for, and nothing else may come to wake that one.
            if polled.is_ready() || !self.shared.pulled.get() {
                break polled;
            }
        };
        self.shared.flush_all();
        let outbox = std::mem::take(&mut *self.outbox.borrow_mut());
        match polled {
            Poll::Pending => Ok((outbox, Status::Waiting)),
            Poll::Ready(done) => {
                self.work = None;
                done.map(|value| (outbox, Status::Done(value)))
            }
        }
    }

    /// Tells the party that a peer's link has ended for good. Work that needs the peer's bytes fails at the next step.
    pub fn lose(&mut self, peer: u16) {
        if let Some(lost) = self.shared.lost.borrow_mut().get_mut(usize::from(peer)) {
            *lost = true;
        }
    }

    /// Whose bytes it waits for, as it was last stepped.
    pub fn awaits(&self) -> Vec<u16> {
        let awaited = self.shared.awaited.borrow();
        (0..self.shared.parties).filter(|peer| awaited[usize::from(*peer)]).collect()
    }

    /// What it sent and received so far.
    pub fn stats(&self) -> Stats {
        Stats { rounds: self.shared.clock.get(), ..*self.shared.stats.borrow() }
    }
}

/// Set-up: each pair agrees on a stream to which both contributed. One round, 32 bytes to each peer.
async fn agree(io: &Io) -> Result<(), Failure> {
    let seed = |peer: u16| {
        let mut seed = [0; 32];
        io.own().fill(OpId(u64::MAX), u64::from(peer) * 2, &mut seed);
        Secret::new(seed)
    };
    let ours: Vec<_> = io.peers().map(|peer| (peer, seed(peer))).collect();
    for (peer, seed) in &ours {
        seed.expose(|seed| io.send(OpId(0), *peer, seed));
    }
    for (peer, ours) in &ours {
        let mut theirs = [0; 32];
        io.receive(OpId(0), *peer, &mut theirs).await?;
        let theirs = Secret::new(theirs);
        let (low, high) = if io.index() < *peer {
            ((io.index(), ours), (*peer, &theirs))
        } else {
            ((*peer, &theirs), (io.index(), ours))
        };
        let root = Root::new(&io.shared.session, low, high);
        let stream = Rc::new(Prg::pair(&root, &io.shared.run));
        io.shared.pairs.borrow_mut()[usize::from(*peer)] = Some(Pair { root, stream });
    }
    Ok(())
}

/// What came in, by peer.
pub(super) struct Arrivals {
    expected: Vec<u32>,
    /// Frames ahead of their turn.
    early: Vec<BTreeMap<u32, Frame>>,
    /// Bytes that nobody has taken yet.
    pub(super) waiting: Vec<usize>,
    limit: usize,
}

impl Arrivals {
    fn new(parties: usize, limit: usize) -> Self {
        let early = (0..parties).map(|_| BTreeMap::new()).collect();
        Self { expected: vec![0; parties], early, waiting: vec![0; parties], limit }
    }
}

/// Sorts a frame's sections to their operations. Repeated frames are ignored; early ones wait for those before them.
pub(super) fn accept(shared: &Shared, frame: Frame) -> Result<(), Failure> {
    let from = frame.from;
    if from >= shared.parties || from == shared.index || frame.to != shared.index {
        return Err(Failure::Program("a frame is handed to the party it is for, with the sender that the link knows"));
    }
    let (header, _) = frame::read(&frame)?;
    if header.run != shared.run {
        return Err(Failure::blame(from, Fault::Stale));
    }
    let peer = usize::from(from);
    let mut arrivals = shared.arrivals.borrow_mut();
    if header.sequence < arrivals.expected[peer] {
        return Ok(());
    }
    if arrivals.early[peer].len() >= MAX_EARLY {
        return Err(Failure::blame(from, Fault::Flood(MAX_EARLY)));
    }
    arrivals.early[peer].insert(header.sequence, frame);
    loop {
        let expected = arrivals.expected[peer];
        let Some(frame) = arrivals.early[peer].remove(&expected) else { return Ok(()) };
        arrivals.expected[peer] += 1;
        let (header, sections) = frame::read(&frame)?;
        // A clock that runs away would only spoil a statistic.
        shared.clock.set(shared.clock.get().max(header.clock.saturating_add(1)));
        shared.stats.borrow_mut().bytes_received += frame.body.len() as u64;
        sort(shared, &mut arrivals, from, sections)?;
    }
}

fn sort(shared: &Shared, arrivals: &mut Arrivals, from: u16, mut sections: Bytes) -> Result<(), Failure> {
    let mut mail = shared.mail.borrow_mut();
    let mut unwanted = shared.unwanted.borrow_mut();
    while let Some((op, mut bytes)) = frame::section(from, &mut sections)? {
        if let Some(left) = unwanted.get_mut(&(from, op)) {
            let dropped = bytes.len().min(*left);
            *left -= dropped;
            if *left == 0 {
                unwanted.remove(&(from, op));
            }
            bytes = bytes.slice(dropped..);
        }
        if bytes.is_empty() {
            continue;
        }
        let waiting = &mut arrivals.waiting[usize::from(from)];
        *waiting += bytes.len();
        if *waiting > arrivals.limit || mail.len() >= MAX_MAILBOXES {
            return Err(Failure::blame(from, Fault::Flood(arrivals.limit)));
        }
        mail.entry((from, op)).or_default().chunks.push_back(bytes);
    }
    Ok(())
}

/// Frames of a peer that may wait for one before them.
const MAX_EARLY: usize = 4096;
/// Operations that may have bytes waiting.
const MAX_MAILBOXES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::super::{join, local};
    use super::*;

    #[test]
    fn what_comes_in_while_one_strand_is_polled_reaches_those_before_it() {
        let work = |mut io: Io| async move {
            let ops = [io.op(), io.op()];
            if io.index() == 1 {
                ops.iter().for_each(|op| io.send(*op, 0, &[7]));
                return Ok(());
            }
            let (mut first, mut second) = ([0], [0]);
            join(io.receive(ops[0], 1, &mut first), io.receive(ops[1], 1, &mut second)).await.map(|_| ())
        };
        let [mut receiver, mut sender] = [0, 1].map(|index| Party::new(local::settings(index, 2, 3), work).unwrap());
        let (seed, _) = sender.step([]).unwrap();
        let (other_seed, _) = receiver.step([]).unwrap();
        let (mut frames, _) = sender.step(other_seed).unwrap();
        // There is nothing for the first strand to pull, and all for the second.
        let mut looked = 0;
        receiver.connect(drop, move || {
            looked += 1;
            if looked == 2 { frames.pop() } else { None }
        });
        assert!(matches!(receiver.step(seed), Ok((_, Status::Done(())))));
    }
}
