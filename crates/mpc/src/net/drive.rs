//! Steps a party with what its transport brings, until it ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::engine::{Failure, Fault, Frame, Party, Stats, Status};

/// What carries frames between one party and its peers.
pub trait Transport {
    /// This party, and how many there are.
    fn seat(&self) -> (u16, u16);

    /// Takes a frame to send.
    ///
    /// # Errors
    /// Gives the frame back where too much is on the way to that peer; [`Transport::wait`] returns when there is room.
    fn offer(&mut self, frame: Frame) -> Result<(), Frame>;

    /// Moves what came in to the end of `events`; whether there was any.
    fn collect(&mut self, events: &mut VecDeque<Event>) -> bool;

    /// Waits until something came in, room was made, the thread was unparked, or `until`. May return early.
    fn wait(&mut self, until: Instant);

    /// Sends what is still to be sent, says goodbye and closes.
    fn finish(&mut self, end: End);
}

/// What a transport tells of a peer.
#[derive(Debug)]
pub enum Event {
    /// The body of a frame from this peer, whom the transport authenticated.
    Frame(u16, Bytes),
    /// The peer has ended its work: nothing more comes from it.
    Left(u16),
    /// The peer cannot be reached any more.
    Lost(u16),
    /// The peer broke the rules of the transport.
    Broken(u16, Fault),
}

/// How a party ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a result.
    Done,
    /// Without.
    Failed,
}

/// How far a session is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What the party sent and received.
    pub stats: Stats,
    /// Thousandths of the work, as far as the work says by its [`Meter`].
    pub permille: u16,
    /// Since the drive began.
    pub elapsed: Duration,
}

/// By this, work tells how far it is; its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Meter(Rc<Cell<u16>>);

impl Meter {
    /// Says how far the work is, in thousandths.
    pub fn set(&self, permille: u16) {
        self.0.set(permille.min(1000));
    }
}

/// Ends a session from another thread; its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    asked: AtomicBool,
    drivers: Mutex<Vec<Thread>>,
}

impl Cancel {
    /// Ends the sessions that are driven with this, at their next wait or frame.
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.drivers.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(Thread::unpark);
    }

    /// Whether it was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    fn attach(&self) {
        self.0.drivers.lock().unwrap_or_else(PoisonError::into_inner).push(std::thread::current());
    }

    fn detach(&self) {
        let own = std::thread::current().id();
        self.0.drivers.lock().unwrap_or_else(PoisonError::into_inner).retain(|driver| driver.id() != own);
    }
}

/// How a drive is watched and ended.
#[derive(Clone, Debug)]
pub struct Control {
    /// Ends it.
    pub cancel: Cancel,
    /// How far the work is.
    pub meter: Meter,
    /// A peer whose frames are awaited, and who is connected but sends none to go on with for so long, is lost.
    pub stall: Duration,
}

impl Default for Control {
    fn default() -> Self {
        Self { cancel: Cancel::default(), meter: Meter::default(), stall: Duration::from_secs(600) }
    }
}

/// Runs a party to its end in this thread, and closes the transport. `progress` is called some times a second while the party waits.
///
/// Backpressure: where a peer takes no more, the party stops at its send, but goes on taking what peers send, up to the
/// session's inbox limit; so two parties that send to each other never wait for one another.
///
/// # Errors
/// The party's own; [`Failure::Cancelled`]; the fault of a peer that breaks the transport's rules.
pub fn drive<T: 'static>(
    mut party: Party<T>,
    transport: impl Transport + 'static,
    progress: &mut dyn FnMut(Progress),
    control: &Control,
) -> (Result<T, Failure>, Stats) {
    let begun = Instant::now();
    let Control { cancel, meter, stall } = control;
    cancel.attach();
    let seat = transport.seat();
    let room = Rc::new(RefCell::new(Mailroom {
        transport,
        seat,
        arrived: VecDeque::new(),
        frames: VecDeque::new(),
        held: vec![0; usize::from(seat.1)],
        absent: Vec::new(),
        failure: None,
        cancel: cancel.clone(),
    }));
    let (outlet, inlet) = (Rc::clone(&room), Rc::clone(&room));
    party.connect(
        move |frame| outlet.borrow_mut().send(frame),
        move || {
            let mut room = inlet.borrow_mut();
            room.sort();
            room.take()
        },
    );
    let mut told = begun;
    let result = loop {
        let stepped = party.step(std::iter::empty());
        let mut room = room.borrow_mut();
        match stepped {
            // A fault that the transport saw is why the party could not go on.
            Err(failure) => break Err(room.failure.take().unwrap_or(failure)),
            Ok((_, Status::Done(value))) => break Ok(value),
            Ok((_, Status::Waiting)) => {}
        }
        let waiting = Instant::now();
        loop {
            room.sort();
            if waiting.elapsed() >= *stall {
                room.absent.extend(party.awaits());
            }
            if room.failure.is_some() || !room.frames.is_empty() || !room.absent.is_empty() {
                break;
            }
            room.transport.wait(told + TELL);
            if told.elapsed() >= TELL {
                told = Instant::now();
                progress(Progress { stats: party.stats(), permille: meter.0.get(), elapsed: begun.elapsed() });
            }
        }
        if let Some(failure) = room.failure.take() {
            break Err(failure);
        }
        for peer in room.absent.drain(..) {
            party.lose(peer);
        }
    };
    let end = if result.is_ok() { End::Done } else { End::Failed };
    let stats = party.stats();
    room.borrow_mut().transport.finish(end);
    progress(Progress { stats, permille: meter.0.get(), elapsed: begun.elapsed() });
    cancel.detach();
    (result, stats)
}

/// Between the party and its transport.
struct Mailroom<L> {
    transport: L,
    seat: (u16, u16),
    arrived: VecDeque<Event>,
    /// Taken off the transport, not yet given to the party.
    frames: VecDeque<Frame>,
    /// Bytes of these, by peer.
    held: Vec<usize>,
    absent: Vec<u16>,
    failure: Option<Failure>,
    cancel: Cancel,
}

impl<L: Transport> Mailroom<L> {
    /// Sorts what came in.
    fn sort(&mut self) {
        if self.cancel.is_cancelled() {
            self.failure.get_or_insert(Failure::Cancelled);
        }
        if !self.transport.collect(&mut self.arrived) {
            return;
        }
        for event in self.arrived.drain(..) {
            match event {
                Event::Frame(from, body) => {
                    let held = &mut self.held[usize::from(from)];
                    *held += body.len();
                    self.frames.push_back(Frame { from, to: self.seat.0, body });
                    if *held > MAX_HELD {
                        let fault = Fault::Flood(MAX_HELD);
                        self.failure.get_or_insert(Failure::blame(from, fault));
                    }
                }
                Event::Left(peer) | Event::Lost(peer) => self.absent.push(peer),
                Event::Broken(peer, fault) => {
                    self.failure.get_or_insert(Failure::blame(peer, fault));
                }
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        if self.failure.is_some() {
            return None;
        }
        let frame = self.frames.pop_front()?;
        self.held[usize::from(frame.from)] -= frame.body.len();
        Some(frame)
    }

    fn send(&mut self, mut frame: Frame) {
        while self.failure.is_none() {
            match self.transport.offer(frame) {
                Ok(()) => return,
                Err(back) => frame = back,
            }
            self.sort();
            self.transport.wait(Instant::now() + TELL);
        }
    }
}

/// Between two reports of progress.
const TELL: Duration = Duration::from_millis(250);
/// Bytes of one peer that may come in while the party stands at a full queue.
const MAX_HELD: usize = 512 << 20;
