//! One peer's link: the frames that it has not acknowledged, the connection that carries them now, and what came in.
//!
//! A link outlives its connections. Frames are numbered; on a new connection both sides say how many they have, and the rest is
//! sent again. A sender has at most [`WINDOW`] bytes on the way that the other party has not taken: so a thread that receives
//! never waits for anything but bytes, and no two parties ever wait for each other.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::{Fault, MAX_FRAME};

use super::Event;
use super::inbox::{Inbox, lock};
use super::message::{self, Assembler, Counters, Kind, Message};
use super::tls::{Channel, Incoming};

/// A connection as it is spoken: messages in, messages out.
pub(super) struct Conversation {
    pub(super) channel: Arc<Channel>,
    incoming: Incoming,
    assembler: Assembler,
    messages: Vec<Message>,
    fresh: bool,
}

impl Conversation {
    pub(super) fn new((channel, incoming): (Channel, Incoming)) -> Self {
        let (assembler, messages) = (Assembler::default(), Vec::new());
        Self { channel: Arc::new(channel), incoming, assembler, messages, fresh: true }
    }

    /// Waits for bytes; the messages that they complete. The inner error is the peer's fault: TLS says that it wrote this.
    pub(super) fn receive(&mut self) -> io::Result<Result<std::vec::Drain<'_, Message>, &'static str>> {
        let (assembler, messages) = (&mut self.assembler, &mut self.messages);
        let mut wrong = None;
        let mut sink = |bytes: &[u8]| {
            assembler.feed(bytes, messages).map_err(|what| {
                wrong = Some(what);
                io::ErrorKind::InvalidData.into()
            })
        };
        // At first, what came with the end of the handshake.
        let result = if std::mem::replace(&mut self.fresh, false) {
            self.channel.process(&mut self.incoming, &mut sink)
        } else {
            self.channel.receive(&mut self.incoming, &mut sink)
        };
        match (wrong, result) {
            (Some(what), _) => Ok(Err(what)),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Ok(Ok(self.messages.drain(..))),
        }
    }

    /// The one message that opens a conversation, by `deadline`; the sender must wait for an answer before it goes on.
    pub(super) fn first(&mut self, deadline: Instant) -> io::Result<Message> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.channel.patience(left)?;
            if let Some(first) = self.receive()?.map_err(io::Error::other)?.next() {
                return Ok(first);
            }
        }
    }

    /// As [`Conversation::first`], where messages may follow at once: they stay.
    pub(super) fn answer(&mut self, deadline: Instant) -> io::Result<(Message, Vec<Message>)> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.channel.patience(left)?;
            let mut messages = self.receive()?.map_err(io::Error::other)?;
            if let Some(first) = messages.next() {
                return Ok((first, messages.collect()));
            }
        }
    }
}

/// A peer's link.
pub(super) struct Link {
    pub(super) peer: u16,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever encrypts and sends; always taken before the state.
    pen: Mutex<Pen>,
    inbox: Arc<Inbox>,
    /// Bytes of frames that the party took.
    consumed: AtomicU64,
    /// What the peer was last told of this.
    told: AtomicU64,
    /// Whether the party waits for room.
    stopped: AtomicBool,
}

#[derive(Default)]
struct Pen {
    plain: Vec<u8>,
    out: Vec<u8>,
}

/// What is queued beside frames.
struct Note {
    kind: Kind,
    other: u16,
    stream: u32,
    bytes: Bytes,
}

pub(super) struct State {
    /// Not acknowledged; the first has the number `base`.
    frames: VecDeque<Bytes>,
    base: u64,
    /// The next to send on this connection.
    cursor: u64,
    /// Bytes of frames offered so far, and of these what the peer's party has taken.
    offered: u64,
    taken: u64,
    notes: VecDeque<Note>,
    /// Bytes of notes, by whom they come from.
    noted: Vec<usize>,
    /// Frames and bytes received.
    received: u64,
    arrived: u64,
    /// What the peer was last told of this.
    told: Counters,
    told_arrived: u64,
    carrier: Option<Arc<Channel>>,
    /// The number of the carrier, or of the one to come.
    pub(super) connection: u32,
    /// Since when there is no carrier.
    down: Instant,
    pulse: bool,
    bye: bool,
    bye_sent: bool,
    /// The peer has said that it knows.
    bye_known: bool,
    left: bool,
    /// The peer is to be told that its goodbye is known.
    left_answer: bool,
    closed: bool,
}

/// What a link's thread does next.
pub(super) enum Task {
    /// Speak on this connection.
    Send(Arc<Channel>, u32),
    /// There is none, since then.
    Connect(Instant),
    /// The link has ended.
    End,
}

impl Link {
    pub(super) fn new(peer: u16, parties: u16, inbox: Arc<Inbox>) -> Self {
        let state = State {
            frames: VecDeque::new(),
            base: 0,
            cursor: 0,
            offered: 0,
            taken: 0,
            notes: VecDeque::new(),
            noted: vec![0; usize::from(parties)],
            received: 0,
            arrived: 0,
            told: Counters::default(),
            told_arrived: 0,
            carrier: None,
            connection: 0,
            down: Instant::now(),
            pulse: false,
            bye: false,
            bye_sent: false,
            bye_known: false,
            left: false,
            left_answer: false,
            closed: false,
        };
        Self {
            peer,
            state: Mutex::new(state),
            changed: Condvar::new(),
            pen: Mutex::default(),
            inbox,
            consumed: AtomicU64::new(0),
            told: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Takes a frame to send, where the window has room. A short one that nothing stands before is sent by the calling thread.
    pub(super) fn offer(&self, body: Bytes) -> Result<(), Bytes> {
        let mut state = self.state();
        if state.closed || state.left {
            // Nobody will take it.
            return Ok(());
        }
        if state.offered - state.taken >= WINDOW {
            self.stopped.store(true, Ordering::Release);
            return Err(body);
        }
        let idle = state.cursor == state.base + state.frames.len() as u64 && state.notes.is_empty();
        let short = body.len() <= SHORT;
        state.offered += body.len() as u64;
        state.frames.push_back(body);
        if idle && short && state.carrier.as_ref().is_some_and(|channel| !channel.is_relayed()) {
            // The pen is free, or its holder takes the frame before it lays it down, for it looks at the state once more.
            if let Ok(mut pen) = self.pen.try_lock() {
                let channel = state.carrier.clone().expect("there is one, as just seen");
                let connection = state.connection;
                let rest = self.compose(&mut state, &mut pen.plain);
                drop(state);
                let Pen { plain, out } = &mut *pen;
                let sent = channel.send(plain, out).and_then(|()| channel.send(&rest.unwrap_or_default(), out));
                drop(pen);
                if let Err(error) = sent {
                    self.fail(connection, &error);
                }
                return Ok(());
            }
        }
        self.changed.notify_all();
        Ok(())
    }

    /// The party has taken so many bytes of the peer's frames.
    pub(super) fn consume(&self, bytes: usize) {
        let consumed = self.consumed.fetch_add(bytes as u64, Ordering::AcqRel) + bytes as u64;
        if consumed - self.told.load(Ordering::Acquire) >= WINDOW / 4 {
            self.state().pulse = true;
            self.changed.notify_all();
        }
    }

    /// What the peer is told of the frames received.
    fn counters(&self, state: &State) -> Counters {
        Counters { received: state.received, consumed: self.consumed.load(Ordering::Acquire) }
    }

    /// Writes what is to be sent next over `plain`; returns the rest of a long frame, which is to follow at once.
    fn compose(&self, state: &mut State, plain: &mut Vec<u8>) -> Option<Bytes> {
        plain.clear();
        let counters = self.counters(state);
        while plain.len() < SHORT {
            let Some(note) = state.notes.pop_front() else { break };
            state.noted[usize::from(note.other)] -= note.bytes.len();
            plain.extend_from_slice(&message::head(note.kind, counters, message::ROUTE + note.bytes.len()));
            plain.extend_from_slice(&note.other.to_le_bytes());
            plain.extend_from_slice(&note.stream.to_le_bytes());
            plain.extend_from_slice(&note.bytes);
        }
        let mut rest = None;
        while plain.len() < SHORT && rest.is_none() {
            let Some(frame) = state.frames.get((state.cursor - state.base) as usize) else { break };
            plain.extend_from_slice(&message::head(Kind::Frame, counters, frame.len()));
            // A long one goes out from where it lies, but for what makes the first record full.
            let here = frame.len().min(SHORT.saturating_sub(plain.len()));
            plain.extend_from_slice(&frame[..here]);
            rest = (here < frame.len()).then(|| frame.slice(here..));
            state.cursor += 1;
        }
        if state.bye && !state.bye_sent && state.cursor == state.base + state.frames.len() as u64 && rest.is_none() {
            plain.extend_from_slice(&message::head(Kind::Bye, counters, 0));
            state.bye_sent = true;
        }
        if rest.is_none() && std::mem::take(&mut state.left_answer) {
            plain.extend_from_slice(&message::head(Kind::Bye, counters, KNOWN.len()));
            plain.extend_from_slice(KNOWN);
        }
        if plain.is_empty() {
            plain.extend_from_slice(&message::head(Kind::Pulse, counters, 0));
        }
        state.pulse = false;
        state.told = counters;
        state.told_arrived = state.arrived;
        self.told.store(counters.consumed, Ordering::Release);
        rest
    }

    /// Waits until there is something to do; a beat of the heart is, too.
    pub(super) fn next(&self, heartbeat: Duration) -> Task {
        let mut state = self.state();
        let until = Instant::now() + heartbeat;
        loop {
            if state.closed {
                return Task::End;
            }
            let Some(channel) = &state.carrier else { return Task::Connect(state.down) };
            let waiting = state.cursor < state.base + state.frames.len() as u64;
            let told = state.pulse || state.left_answer || (state.bye && !state.bye_sent);
            if waiting || !state.notes.is_empty() || told {
                return Task::Send(Arc::clone(channel), state.connection);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Task::Send(Arc::clone(channel), state.connection);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a connection, the end, or `patience`.
    pub(super) fn rest(&self, patience: Duration) {
        let state = self.state();
        if !state.closed && state.carrier.is_none() {
            drop(self.changed.wait_timeout(state, patience));
        }
    }

    /// Sends what is to be sent.
    pub(super) fn send(&self, channel: &Channel, connection: u32) {
        let mut pen = lock(&self.pen);
        let mut state = self.state();
        if state.connection != connection || state.carrier.is_none() {
            return;
        }
        let rest = self.compose(&mut state, &mut pen.plain);
        drop(state);
        // Whoever waits for room for what is relayed.
        self.changed.notify_all();
        let Pen { plain, out } = &mut *pen;
        let sent = channel.send(plain, out).and_then(|()| channel.send(&rest.unwrap_or_default(), out));
        drop(pen);
        if let Err(error) = sent {
            self.fail(connection, &error);
        }
    }

    /// A connection has failed; whoever is to, makes another.
    pub(super) fn fail(&self, connection: u32, error: &io::Error) {
        let mut state = self.state();
        if state.connection != connection {
            return;
        }
        let Some(channel) = state.carrier.take() else { return };
        channel.close();
        state.down = Instant::now();
        // One who has said goodbye may go.
        state.closed |= state.left;
        if !state.closed {
            tracing::warn!(peer = self.peer, %error, "a link failed");
        }
        drop(state);
        self.changed.notify_all();
        self.inbox.wake();
    }

    /// Makes way for a connection of this number: nothing more is taken from those before. What this side has of the frames so far.
    pub(super) fn fence(&self, connection: u32) -> Option<Counters> {
        let mut state = self.state();
        if state.closed || connection <= state.connection {
            return None;
        }
        state.connection = connection;
        if let Some(channel) = state.carrier.take() {
            channel.close();
            state.down = Instant::now();
        }
        Some(self.counters(&state))
    }

    /// Speaks on this connection from now on, from where the peer says it is. Whether it is still the one to come.
    pub(super) fn attach(&self, channel: Arc<Channel>, connection: u32, theirs: Counters) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.closed || state.connection != connection {
            return Ok(false);
        }
        self.acknowledge(&mut state, theirs)?;
        state.cursor = state.base;
        state.bye_sent = false;
        state.carrier = Some(channel);
        drop(state);
        self.changed.notify_all();
        self.inbox.wake();
        Ok(true)
    }

    /// Lets go of what the peer has.
    fn acknowledge(&self, state: &mut State, theirs: Counters) -> Result<(), Fault> {
        if theirs.received > state.base + state.frames.len() as u64 || theirs.consumed > state.offered {
            return Err(Fault::Malformed("it has what was not sent"));
        }
        while state.base < theirs.received {
            state.frames.pop_front();
            state.base += 1;
        }
        state.cursor = state.cursor.max(state.base);
        if theirs.consumed > state.taken {
            state.taken = theirs.consumed;
        }
        if self.stopped.swap(false, Ordering::AcqRel) || state.bye {
            self.inbox.wake();
        }
        Ok(())
    }

    /// Takes messages that came in on a connection; appends what the party is to know. Whether the connection is still the one.
    ///
    /// # Errors
    /// What the peer did wrong.
    pub(super) fn take(
        &self,
        connection: u32,
        messages: impl Iterator<Item = Message>,
        events: &mut Vec<Event>,
        relay: &mut dyn FnMut(Kind, Bytes),
    ) -> Result<bool, Fault> {
        let mut state = self.state();
        if state.connection != connection || state.closed {
            return Ok(false);
        }
        let mut last = None;
        for message in messages {
            last = Some(message.counters);
            match message.kind {
                Kind::Frame => {
                    state.received += 1;
                    state.arrived += message.body.len() as u64;
                    if state.arrived - self.consumed.load(Ordering::Acquire) > WINDOW + MAX_FRAME as u64 {
                        return Err(Fault::Flood(WINDOW as usize));
                    }
                    events.push(Event::Frame(self.peer, message.body));
                }
                Kind::Pulse => {}
                Kind::Bye if !message.body.is_empty() => {
                    state.bye_known |= state.bye_sent;
                    self.inbox.wake();
                }
                Kind::Bye => {
                    state.left_answer = true;
                    if !std::mem::replace(&mut state.left, true) {
                        events.push(Event::Left(self.peer));
                    }
                }
                Kind::Relay | Kind::Relayed => relay(message.kind, message.body),
                Kind::Hello | Kind::Welcome => return Err(Fault::Malformed("a greeting out of place")),
            }
        }
        if let Some(counters) = last {
            self.acknowledge(&mut state, counters)?;
        }
        let due = state.received - state.told.received >= 256 || state.arrived - state.told_arrived >= WINDOW / 4;
        state.pulse |= due;
        if state.pulse || state.left_answer {
            drop(state);
            self.changed.notify_all();
        }
        Ok(true)
    }

    /// Queues a piece of a stream that goes by this link. `wait`s for room, or refuses where there is none.
    pub(super) fn note(&self, kind: Kind, other: u16, stream: u32, bytes: Bytes, wait: bool) -> bool {
        let mut state = self.state();
        loop {
            if state.closed || state.carrier.as_ref().is_none_or(|channel| channel.is_relayed()) {
                return false;
            }
            let noted = &mut state.noted[usize::from(other)];
            if *noted + bytes.len() <= if wait { WAITING } else { RELAYED } {
                *noted += bytes.len();
                break;
            }
            if !wait {
                return false;
            }
            let waited = self.changed.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.notes.push_back(Note { kind, other, stream, bytes });
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Ends the link for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        if let Some(channel) = state.carrier.take() {
            channel.close();
        }
        state.frames.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// Says goodbye once all is sent.
    pub(super) fn bid_farewell(&self) {
        self.state().bye = true;
        self.changed.notify_all();
    }

    /// Whether the peer has all that was sent and knows that it was all, or will never have it. Whoever closes before the peer knows may take
    /// its goodbye back: what waits unread at either end of a connection is lost with it.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.state();
        state.closed || (state.bye_known && state.frames.is_empty())
    }

    /// Whether the peer has ended its work, or the link has.
    pub(super) fn has_left(&self) -> bool {
        let state = self.state();
        state.closed || state.left
    }

    /// Whether it has a connection, and whether that goes through a third party.
    pub(super) fn carrier(&self) -> Option<bool> {
        self.state().carrier.as_ref().map(|channel| channel.is_relayed())
    }
}

/// The body of the answer to a goodbye.
const KNOWN: &[u8] = &[1];
/// Bytes that may be on the way and not taken by the other party.
pub(super) const WINDOW: u64 = 8 << 20;
/// The plaintext of one record; a frame of this length or less is sent by the thread that offers it.
const SHORT: usize = 16 * 1024;
/// Bytes from one party that may wait here for being passed on.
const RELAYED: usize = 3 * WINDOW as usize;
/// Bytes of an own relayed stream that may wait here.
const WAITING: usize = 1 << 20;
