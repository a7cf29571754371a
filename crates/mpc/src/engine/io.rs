//! What protocol code sees of its party: peers, pairwise randomness and operation numbers.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use crypto::{Digest, Secret};

use crate::domain::Element;
use crate::prg::{Prg, Root};

use super::frame::Writer;
use super::{Failure, Fault, Frame, Stats};

/// One operation of a session: the name of its messages and of its randomness, the same at all parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpId(pub u64);

/// What the parts of one party share.
pub(super) struct Shared {
    pub(super) index: u16,
    pub(super) parties: u16,
    pub(super) session: Digest,
    pub(super) run: [u8; 16],
    /// By peer; none at the own place.
    pub(super) pairs: RefCell<Vec<Option<Pair>>>,
    /// Of this party alone.
    pub(super) own: Prg,
    pub(super) mail: RefCell<HashMap<(u16, OpId), Mailbox>>,
    pub(super) writers: RefCell<Vec<Writer>>,
    pub(super) sequences: RefCell<Vec<u32>>,
    pub(super) clock: Cell<u32>,
    pub(super) sent: Cell<bool>,
    pub(super) outlet: RefCell<Box<dyn FnMut(Frame)>>,
    pub(super) inlet: RefCell<Box<dyn FnMut() -> Option<Frame>>>,
    /// Frames came in since this was last looked at: for whoever is polled before the one that looked for them.
    pub(super) pulled: Cell<bool>,
    pub(super) arrivals: RefCell<super::party::Arrivals>,
    pub(super) stats: RefCell<Stats>,
    pub(super) lost: RefCell<Vec<bool>>,
    /// Bytes of an operation that a peer will still send and that nobody wants.
    pub(super) unwanted: RefCell<HashMap<(u16, OpId), usize>>,
    /// Peers whose bytes somebody awaited when the party was last stepped.
    pub(super) awaited: RefCell<Vec<bool>>,
}

/// What this party shares with a peer.
pub(super) struct Pair {
    pub(super) root: Root,
    pub(super) stream: Rc<Prg>,
}

/// Bytes of one operation from one peer that nobody has taken yet.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) chunks: VecDeque<Bytes>,
}

impl Shared {
    /// Hands out what stands in a peer's frame.
    pub(super) fn flush(&self, to: u16) {
        let body = {
            let mut writers = self.writers.borrow_mut();
            let writer = &mut writers[usize::from(to)];
            if writer.is_empty() {
                return;
            }
            let mut sequences = self.sequences.borrow_mut();
            let sequence = &mut sequences[usize::from(to)];
            let body = writer.finish(&self.run, *sequence, self.clock.get());
            *sequence += 1;
            body
        };
        {
            let mut stats = self.stats.borrow_mut();
            stats.bytes_sent += body.len() as u64;
            stats.frames_sent += 1;
        }
        self.sent.set(true);
        (self.outlet.borrow_mut())(Frame { from: self.index, to, body });
    }

    pub(super) fn flush_all(&self) {
        for peer in (0..self.parties).filter(|peer| *peer != self.index) {
            self.flush(peer);
        }
    }

    /// Looks for frames that arrived while this party was at work; whether there were any.
    fn pull(&self) -> Result<bool, Failure> {
        let mut any = false;
        loop {
            let Some(frame) = (self.inlet.borrow_mut())() else { return Ok(any) };
            super::party::accept(self, frame)?;
            self.pulled.set(true);
            any = true;
        }
    }

    /// How many bytes of an operation wait.
    fn waiting(&self, from: u16, op: OpId) -> usize {
        let mail = self.mail.borrow();
        mail.get(&(from, op)).map_or(0, |mailbox| mailbox.chunks.iter().map(Bytes::len).sum())
    }

    /// Drops the next bytes of an operation: those that wait, and the others as they come.
    fn skip(&self, from: u16, op: OpId, mut bytes: usize) {
        let mut scratch = [0; 4096];
        while bytes > 0 {
            let len = bytes.min(scratch.len());
            let taken = self.take(from, op, &mut scratch[..len]);
            bytes -= taken;
            if taken < len {
                break;
            }
        }
        if bytes > 0 && !self.lost.borrow()[usize::from(from)] {
            *self.unwanted.borrow_mut().entry((from, op)).or_default() += bytes;
        }
    }

    /// Moves waiting bytes to `out`; returns how many.
    fn take(&self, from: u16, op: OpId, out: &mut [u8]) -> usize {
        let mut mail = self.mail.borrow_mut();
        let Some(mailbox) = mail.get_mut(&(from, op)) else { return 0 };
        let mut filled = 0;
        while filled < out.len() {
            let Some(chunk) = mailbox.chunks.front_mut() else { break };
            let taken = chunk.len().min(out.len() - filled);
            out[filled..filled + taken].copy_from_slice(&chunk.split_to(taken));
            filled += taken;
            if chunk.is_empty() {
                mailbox.chunks.pop_front();
            }
        }
        if mailbox.chunks.is_empty() {
            mail.remove(&(from, op));
        }
        self.arrivals.borrow_mut().waiting[usize::from(from)] -= filled;
        filled
    }
}

/// A strand of a party's work with operation numbers of its own. Work in sequence shares one; work side by side is
/// [`Io::split`], in the same order at all parties, so that all give the same operation the same number.
pub struct Io {
    pub(super) shared: Rc<Shared>,
    pub(super) next: u64,
    /// From one number to the next.
    pub(super) stride: u64,
    pub(super) end: u64,
}

impl Io {
    /// This party, from 0.
    pub fn index(&self) -> u16 {
        self.shared.index
    }

    /// How many parties.
    pub fn parties(&self) -> u16 {
        self.shared.parties
    }

    /// The session's name.
    pub fn session(&self) -> &Digest {
        &self.shared.session
    }

    /// The name of this run of the session.
    pub fn run(&self) -> &[u8; 16] {
        &self.shared.run
    }

    /// The peers, in index order.
    pub fn peers(&self) -> impl Iterator<Item = u16> + use<> {
        let own = self.index();
        (0..self.parties()).filter(move |peer| *peer != own)
    }

    /// A number for the next operation of this strand.
    ///
    /// # Panics
    /// When the strand's numbers are used up; a strand of a whole session has 2^63.
    pub fn op(&mut self) -> OpId {
        assert!(self.next < self.end, "a strand's operation numbers are used up");
        self.next += self.stride;
        OpId(self.next - self.stride)
    }

    /// Strands for `count` pieces of work side by side; half of what this one has left is shared among them, in turn. Where
    /// they are done, [`Io::rejoin`] takes back what they left: without it a strand can be split some sixty times.
    pub fn split(&mut self, count: usize) -> Vec<Self> {
        let lanes = count.max(1) as u64;
        let left = (self.end - self.next.min(self.end)) / self.stride / 2;
        assert!(left >= lanes, "a strand's operation numbers are used up");
        let end = self.next + left * self.stride;
        let strand = |lane: u64| Self {
            shared: Rc::clone(&self.shared),
            next: self.next + lane * self.stride,
            stride: self.stride * lanes,
            end,
        };
        let strands = (0..count as u64).map(strand).collect();
        self.next = end;
        strands
    }

    /// Takes back the numbers that strands left over: they are all of this one's last [`Io::split`], and nothing was done on
    /// this one since.
    ///
    /// # Panics
    /// Where they are not, or only some of them.
    pub fn rejoin(&mut self, strands: Vec<Self>) {
        let Some(first) = strands.first() else { return };
        let last_split = first.end == self.next && first.stride == self.stride * strands.len() as u64;
        assert!(last_split, "a strand takes back what it split last");
        // Past the last number that any of them used, on this strand's own grid.
        let used = strands.iter().map(|strand| strand.next).max().unwrap_or(self.next);
        self.next = used.min(self.next);
    }

    /// Queues bytes for a peer under an operation; they leave when the frame is full or this party must wait.
    pub fn send(&self, op: OpId, to: u16, mut bytes: &[u8]) {
        debug_assert_ne!(to, self.index(), "a party does not write to itself");
        self.shared.stats.borrow_mut().payload_sent += bytes.len() as u64;
        while !bytes.is_empty() {
            let full = {
                let mut writers = self.shared.writers.borrow_mut();
                let writer = &mut writers[usize::from(to)];
                let taken = writer.push(op, bytes);
                bytes = &bytes[taken..];
                writer.is_full() || !bytes.is_empty()
            };
            if full {
                self.shared.flush(to);
            }
        }
    }

    /// Queues elements for a peer.
    pub fn send_elements<E: Element>(&self, op: OpId, to: u16, elements: &[E]) {
        self.send(op, to, bytemuck::cast_slice(elements));
    }

    /// Awaits as many of a peer's bytes of an operation as `out` holds. Bytes of one operation arrive in order, so that a long
    /// column can be taken tile by tile.
    pub fn receive<'a>(&self, op: OpId, from: u16, out: &'a mut [u8]) -> Receive<'a> {
        Receive { shared: Rc::clone(&self.shared), op, from, out, filled: 0 }
    }

    /// Awaits elements from a peer.
    ///
    /// # Errors
    /// Blames the peer for a value outside the domain, or for going away.
    pub async fn receive_elements<E: Element>(&self, op: OpId, from: u16, out: &mut [E]) -> Result<(), Failure> {
        self.receive(op, from, bytemuck::cast_slice_mut(out)).await?;
        let valid = out.iter().fold(true, |valid, element| valid & element.is_canonical());
        if valid { Ok(()) } else { Err(Failure::blame(from, Fault::Value(op))) }
    }

    /// Awaits one message of an operation from each of several peers, as many bytes as each one's `out` holds, until `enough` of them
    /// have answered, or until at least `least` have and the others are lost. Tells whose came; a message that did not come in time is
    /// dropped when it comes, so that a long column can be taken tile by tile.
    pub fn receive_some<'a>(
        &self,
        op: OpId,
        peers: Vec<(u16, &'a mut [u8])>,
        least: usize,
        enough: usize,
    ) -> ReceiveSome<'a> {
        ReceiveSome { shared: Rc::clone(&self.shared), op, peers, least, enough }
    }

    /// This party's links and streams without operation numbers: for a back end's set-up, which several strands may await. Its
    /// messages bear numbers from 2^63 on, which no strand gives.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { shared: Rc::clone(&self.shared), next: 0, stride: 1, end: 0 }
    }

    /// The stream shared with a peer.
    ///
    /// # Panics
    /// Before the session's set-up, or for the party itself.
    pub fn pair(&self, peer: u16) -> Rc<Prg> {
        self.of_pair(peer, |pair| Rc::clone(&pair.stream))
    }

    /// A key shared with a peer, for a purpose of the back end's: fresh for each run, and independent of the pair's stream.
    ///
    /// # Panics
    /// As [`Io::pair`].
    pub fn pair_key<const N: usize>(&self, peer: u16, purpose: &[u8]) -> Secret<[u8; N]> {
        self.of_pair(peer, |pair| pair.root.key(&[purpose]))
    }

    fn of_pair<R>(&self, peer: u16, read: impl FnOnce(&Pair) -> R) -> R {
        let pairs = self.shared.pairs.borrow();
        read(pairs[usize::from(peer)].as_ref().expect("a pair has agreed once the session is set up"))
    }

    /// A stream that no other party knows.
    pub fn own(&self) -> &Prg {
        &self.shared.own
    }

    /// What this party sent and received so far, but for what stands in frames that are not full.
    pub fn stats(&self) -> Stats {
        Stats { rounds: self.shared.clock.get(), ..*self.shared.stats.borrow() }
    }

    /// Whether a peer is known to be gone.
    pub fn is_lost(&self, peer: u16) -> bool {
        self.shared.lost.borrow()[usize::from(peer)]
    }
}

/// Awaits bytes from a peer.
pub struct Receive<'a> {
    shared: Rc<Shared>,
    op: OpId,
    from: u16,
    out: &'a mut [u8],
    filled: usize,
}

impl Future for Receive<'_> {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.filled += this.shared.take(this.from, this.op, &mut this.out[this.filled..]);
            if this.filled == this.out.len() {
                return Poll::Ready(Ok(()));
            }
            if !this.shared.pull()? {
                break;
            }
        }
        if this.shared.lost.borrow()[usize::from(this.from)] {
            return Poll::Ready(Err(Failure::blame(this.from, Fault::Lost)));
        }
        this.shared.awaited.borrow_mut()[usize::from(this.from)] = true;
        Poll::Pending
    }
}

/// Awaits messages from some of several peers.
pub struct ReceiveSome<'a> {
    shared: Rc<Shared>,
    op: OpId,
    peers: Vec<(u16, &'a mut [u8])>,
    least: usize,
    enough: usize,
}

impl Future for ReceiveSome<'_> {
    /// For each peer, whether its message came.
    type Output = Result<Vec<bool>, Failure>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut came = Vec::new();
        loop {
            let ready = |(peer, out): &(u16, &mut [u8])| this.shared.waiting(*peer, this.op) >= out.len();
            came.clear();
            came.extend(this.peers.iter().map(ready));
            let count = came.iter().filter(|came| **came).count();
            if count >= this.enough {
                break;
            }
            if this.shared.pull()? {
                continue;
            }
            let lost = this.shared.lost.borrow();
            let gone = |(came, (peer, _)): (&bool, &(u16, &mut [u8]))| !came && lost[usize::from(*peer)];
            let missing = came.iter().zip(&this.peers).filter(|pair| gone(*pair)).count();
            if count + missing < this.peers.len() && this.peers.len() - missing >= this.least {
                let mut awaited = this.shared.awaited.borrow_mut();
                for (came, (peer, _)) in came.iter().zip(&this.peers) {
                    awaited[usize::from(*peer)] |= !came && !lost[usize::from(*peer)];
                }
                return Poll::Pending;
            }
            if count >= this.least {
                break;
            }
            let first = came.iter().zip(&this.peers).find(|pair| gone(*pair)).map(|(_, (peer, _))| *peer);
            return Poll::Ready(match first {
                Some(peer) => Err(Failure::blame(peer, Fault::Lost)),
                None => Err(Failure::Program("more answers are awaited than there are peers")),
            });
        }
        let mut left = this.enough;
        for (came, (peer, out)) in came.iter_mut().zip(&mut this.peers) {
            *came &= left > 0;
            if *came {
                left -= 1;
                this.shared.take(*peer, this.op, out);
            } else {
                this.shared.skip(*peer, this.op, out.len());
            }
        }
        Poll::Ready(Ok(came))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::local;

    #[test]
    fn strands_never_share_a_number_and_give_back_the_rest() {
        local::run(1, 1, |mut io| async move {
            let mut seen = HashSet::new();
            for turn in 0..10_000 {
                seen.insert(io.op());
                let mut strands = io.split(1 + turn % 5);
                for (at, strand) in strands.iter_mut().enumerate() {
                    for _ in 0..at {
                        assert!(seen.insert(strand.op()));
                    }
                    let mut inner = strand.split(2);
                    assert!(seen.insert(inner[1].op()));
                    if turn % 400 != 0 {
                        strand.rejoin(inner);
                    }
                    assert!(seen.insert(strand.op()));
                }
                if turn % 400 != 0 {
                    io.rejoin(strands);
                }
                assert!(seen.insert(io.op()));
            }
            Ok(())
        });
    }
}
