//! Whole sessions in one thread and in virtual time, from one seed: what the network does, who crashes, who lies.
//!
//! A [`Simulation`] steps real [`Party`]s and carries their frames over modelled links. The links are as [`super::Links`] makes them to be: a frame
//! that is lost or tampered with on the way is sent again (TLS and TCP see to that; it costs time), and a link that keeps failing is lost
//! to both ends. Frames may come late, twice, and, where [`Weather::reorder`] says so, out of order. A party that lies does so
//! inside its own TLS: a [`Behaviour`] changes the frames it sends.
//!
//! ```
//! use mpc::net::sim::{Simulation, Weather};
//!
//! let report = Simulation::new(3, 42).weather(Weather::storm()).run(|mut io| async move {
//!     let op = io.op();
//!     io.peers().for_each(|peer| io.send_elements(op, peer, &[u64::from(io.index())]));
//!     let mut sum = u64::from(io.index());
//!     for peer in io.peers() {
//!         let mut theirs = [0u64];
//!         io.receive_elements(op, peer, &mut theirs).await?;
//!         sum += theirs[0];
//!     }
//!     Ok(sum)
//! });
//! assert!(report.last().iter().all(|result| *result == Ok(3)), "seed {}", report.seed);
//! ```

mod behaviour;
mod clock;
mod equivocation;
mod oversized;
mod replay;
mod silence;
mod stale;
mod swapped;
mod truncated;
mod weather;
mod wrong_share;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crypto::{Digest, Secret};

use crate::engine::{Failure, Frame, Io, Party, Settings, Stats, Status};

pub use behaviour::{Behaviour, Sections};
pub use equivocation::Equivocation;
pub use oversized::Oversized;
pub use replay::Replay;
pub use silence::Silence;
pub use stale::Stale;
pub use swapped::Swapped;
pub use truncated::Truncated;
pub use weather::{Dice, Weather};
pub use wrong_share::WrongShare;

use clock::{Agenda, Event};
use weather::{Fate, Sky};

/// A session to be played.
pub struct Simulation {
    parties: u16,
    seed: u64,
    weather: Weather,
    crashes: Vec<Crash>,
    liars: Vec<Option<Box<dyn Behaviour>>>,
    deadline: Duration,
}

/// A party's process dies, and perhaps starts again.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// Whose.
    pub party: u16,
    /// When, since the beginning.
    pub at: Duration,
    /// How long after that it is back: then all begin a new run.
    pub back: Option<Duration>,
}

/// What came of it.
#[derive(Debug)]
pub struct Report<T> {
    /// Plays it again.
    pub seed: u64,
    /// Of each run, by party: its result; a run that a crash cut short has the failures.
    pub runs: Vec<Vec<Result<T, Failure>>>,
    /// What each party sent in the last run.
    pub stats: Vec<Stats>,
    /// Virtual time.
    pub elapsed: Duration,
    /// Whether the parties had to be told that nothing would come any more.
    pub stalled: bool,
}

impl<T> Report<T> {
    /// Results of the last run, by party.
    ///
    /// # Panics
    /// Never: there is at least one run.
    pub fn last(&self) -> &[Result<T, Failure>] {
        self.runs.last().expect("at least one run")
    }
}

impl Simulation {
    /// Among so many parties, all honest, in fair weather.
    pub fn new(parties: u16, seed: u64) -> Self {
        let liars = (0..parties).map(|_| None).collect();
        let deadline = Duration::from_secs(3600);
        Self { parties, seed, weather: Weather::default(), crashes: Vec::new(), liars, deadline }
    }

    /// What the network does.
    #[must_use]
    pub fn weather(mut self, weather: Weather) -> Self {
        self.weather = weather;
        self
    }

    /// A party crashes.
    #[must_use]
    pub fn crash(mut self, crash: Crash) -> Self {
        self.crashes.push(crash);
        self
    }

    /// A party sends what `behaviour` makes of its frames.
    ///
    /// # Panics
    /// For a party that is not there.
    #[must_use]
    pub fn corrupt(mut self, party: u16, behaviour: impl Behaviour + 'static) -> Self {
        self.liars[usize::from(party)] = Some(Box::new(behaviour));
        self
    }

    /// Plays it: each party does `work`.
    ///
    /// # Panics
    /// Where the session hangs: neither goes on nor ends. The message names the seed.
    pub fn run<T, W, F>(self, work: W) -> Report<T>
    where
        T: 'static,
        W: Fn(Io) -> F + Clone + 'static,
        F: Future<Output = Result<T, Failure>> + 'static,
    {
        Stage::new(self, work).play()
    }
}

/// A simulation at work.
struct Stage<T, W> {
    plan: Simulation,
    work: W,
    dice: Dice,
    agenda: Agenda,
    sky: Sky,
    run: u64,
    seats: Vec<Seat<T>>,
    finished: Vec<Vec<Result<T, Failure>>>,
    stalled: bool,
}

struct Seat<T> {
    party: Option<Party<T>>,
    result: Option<(Result<T, Failure>, Stats)>,
    up: bool,
    /// When it last had something to send: what came since has not helped it.
    since: Duration,
}

impl<T, W, F> Stage<T, W>
where
    T: 'static,
    W: Fn(Io) -> F + Clone + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    fn new(plan: Simulation, work: W) -> Self {
        let mut agenda = Agenda::default();
        for crash in &plan.crashes {
            agenda.add(crash.at, Event::Crash(crash.party));
            if let Some(back) = crash.back {
                agenda.add(crash.at + back, Event::Back(crash.party));
            }
        }
        let (dice, sky) = (Dice::new(plan.seed), Sky::new(plan.weather, plan.parties));
        Self { plan, work, dice, agenda, sky, run: 0, seats: vec![], finished: vec![], stalled: false }
    }

    fn play(mut self) -> Report<T> {
        self.begin();
        loop {
            while let Some((now, event)) = self.agenda.next() {
                assert!(now <= self.plan.deadline, "seed {}: no end after {now:?}", self.plan.seed);
                self.happen(now, event);
            }
            if !self.wake() {
                break;
            }
        }
        let elapsed = self.agenda.now();
        let stats = self.seats.iter().filter_map(|seat| seat.result.as_ref()).map(|(_, stats)| *stats).collect();
        self.close();
        Report { seed: self.plan.seed, runs: self.finished, stats, elapsed, stalled: self.stalled }
    }

    /// Nothing travels any more. Whoever has waited longest does so for one who is silent: after the transport's patience that one is lost
    /// to it. The others may wait for the one that waited. Whether anybody did.
    fn wake(&mut self) -> bool {
        let waiting = (0u16..).zip(&mut self.seats).filter(|(_, seat)| seat.party.is_some());
        let Some((index, seat)) = waiting.min_by_key(|(_, seat)| seat.since) else { return false };
        let party = seat.party.as_mut().expect("it waits");
        let awaited = party.awaits();
        assert!(!awaited.is_empty(), "seed {}: party {index} waits for nobody", self.plan.seed);
        awaited.into_iter().for_each(|peer| party.lose(peer));
        self.stalled = true;
        self.agenda.add(self.agenda.now() + STALL, Event::Step(index));
        true
    }

    fn begin(&mut self) {
        self.sky = Sky::new(self.plan.weather, self.plan.parties);
        self.seats = (0..self.plan.parties)
            .map(|index| {
                let party = Party::new(self.settings(index), self.work.clone()).expect("few parties");
                Seat { party: Some(party), result: None, up: true, since: Duration::ZERO }
            })
            .collect();
        let now = self.agenda.now();
        (0..self.plan.parties).for_each(|index| self.agenda.add(now, Event::Step(index)));
    }

    /// Everything random of a party comes from seed, run and index: never twice the same.
    fn settings(&self, index: u16) -> Settings {
        let (seed, number) = (self.plan.seed.to_le_bytes(), self.run.to_le_bytes());
        let mut own = [0; 32];
        own[..8].copy_from_slice(&seed);
        own[8..16].copy_from_slice(&number);
        own[16..18].copy_from_slice(&index.to_le_bytes());
        let mut run = [0; 16];
        run[..8].copy_from_slice(&seed);
        run[8..].copy_from_slice(&number);
        Settings {
            session: Digest::from([7; 32]),
            run,
            index,
            parties: self.plan.parties,
            seed: Secret::new(own),
            inbox_limit: Settings::INBOX_LIMIT,
        }
    }

    fn seat(&mut self, index: u16) -> &mut Seat<T> {
        &mut self.seats[usize::from(index)]
    }

    fn happen(&mut self, now: Duration, event: Event) {
        match event {
            Event::Step(index) => self.step(now, index, None),
            Event::Arrive(run, frame) if run == self.run => self.step(now, frame.to, Some(frame)),
            Event::Arrive(..) => {}
            Event::Lose(run, index, peer) if run == self.run => {
                if let Some(party) = &mut self.seat(index).party {
                    party.lose(peer);
                    self.step(now, index, None);
                }
            }
            Event::Lose(..) => {}
            Event::Crash(index) => {
                let seat = self.seat(index);
                seat.up = false;
                if let Some(party) = seat.party.take() {
                    seat.result = Some((Err(Failure::Cancelled), party.stats()));
                    let patience = self.plan.weather.patience;
                    self.part(now + patience, index);
                }
            }
            Event::Back(index) => {
                self.seat(index).up = true;
                // Whoever has not noticed yet, notices now: the one who is back knows nothing of the run.
                for seat in &mut self.seats {
                    if let Some(mut party) = seat.party.take() {
                        party.lose(index);
                        let failure = Failure::blame(index, crate::engine::Fault::Lost);
                        seat.result = Some((Err(failure), party.stats()));
                    }
                }
                let failed = self.seats.iter().any(|seat| matches!(seat.result, Some((Err(_), _))));
                if failed && self.seats.iter().all(|seat| seat.up) {
                    self.close();
                    self.run += 1;
                    self.begin();
                }
            }
        }
    }

    /// All others lose a party then.
    fn part(&mut self, at: Duration, index: u16) {
        for other in (0..self.plan.parties).filter(|other| *other != index) {
            self.agenda.add(at, Event::Lose(self.run, other, index));
        }
    }

    fn step(&mut self, now: Duration, index: u16, frame: Option<Frame>) {
        let seat = self.seat(index);
        let Some(party) = &mut seat.party else { return };
        let stepped = party.step(frame);
        let stats = party.stats();
        let (outbox, result) = match stepped {
            Ok((outbox, Status::Waiting)) => (outbox, None),
            Ok((outbox, Status::Done(value))) => (outbox, Some(Ok(value))),
            Err(failure) => (vec![], Some(Err(failure))),
        };
        let ended = result.is_some();
        if !outbox.is_empty() {
            seat.since = now;
        }
        if let Some(result) = result {
            seat.party = None;
            seat.result = Some((result, stats));
        }
        for frame in outbox {
            let frames = match &mut self.plan.liars[usize::from(index)] {
                Some(liar) => liar.send(frame, &mut self.dice),
                None => vec![frame],
            };
            frames.into_iter().for_each(|frame| self.carry(now, frame));
        }
        if ended {
            // Its goodbye comes after all its frames.
            for other in (0..self.plan.parties).filter(|other| *other != index) {
                let at = self.sky.last(index, other).max(now) + self.plan.weather.latency;
                self.agenda.add(at, Event::Lose(self.run, other, index));
            }
        }
    }

    fn carry(&mut self, now: Duration, frame: Frame) {
        match self.sky.fate(now, &frame, &mut self.dice) {
            Fate::Arrives(times) => {
                for at in times {
                    self.agenda.add(at, Event::Arrive(self.run, frame.clone()));
                }
            }
            Fate::Severed(at) => {
                self.agenda.add(at, Event::Lose(self.run, frame.to, frame.from));
                self.agenda.add(at, Event::Lose(self.run, frame.from, frame.to));
            }
            Fate::Gone => {}
        }
    }

    fn close(&mut self) {
        let results = self.seats.drain(..).map(|seat| seat.result.expect("every party has ended").0);
        self.finished.push(results.collect());
    }
}

/// After so long without a frame, a peer that is awaited is lost.
const STALL: Duration = Duration::from_secs(60);
