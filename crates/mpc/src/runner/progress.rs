//! How far a run is, for whoever watches it, and how it is cancelled.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::engine::{Failure, Io, Stats};
use crate::net::{Cancel, Meter};
use crate::planner::Prediction;
use crate::program::{Operation, Program};

/// What a run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Agreeing with the peers from where to go on.
    Agreement,
    /// This operation, by its place in the program; of those side by side, the first that has not ended.
    Operation(usize),
    /// Verifying, and keeping what is verified.
    Checkpoint,
    /// Verifying all, and opening.
    Release,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it is at.
    pub phase: Phase,
    /// Operations that have ended.
    pub done: usize,
    /// Of these, how many had ended in a run before this one, whose columns were kept.
    pub resumed: usize,
    /// Operations of the program; over rows in tiles, of all tiles.
    pub total: usize,
    /// What this party sent and received so far.
    pub stats: Stats,
}

/// Watches a run.
pub trait Observer {
    /// The run has moved on. Called whenever an operation has ended and before each wait.
    fn report(&self, _: &Report) {}

    /// Whether the run is to end. Looked at whenever it goes on.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

/// A run's place at which its observer is told.
pub(super) struct Desk<'a> {
    observer: &'a dyn Observer,
    io: Io,
    done: Cell<usize>,
    resumed: Cell<usize>,
    total: usize,
    phase: Cell<Phase>,
}

impl<'a> Desk<'a> {
    pub(super) fn new(observer: &'a dyn Observer, io: &Io, total: usize) -> Self {
        Self {
            observer,
            io: io.aside(),
            done: Cell::new(0),
            resumed: Cell::new(0),
            total,
            phase: Cell::new(Phase::Agreement),
        }
    }

    /// So many operations have ended before this run.
    pub(super) fn skip(&self, operations: usize) {
        self.done.set(self.done.get() + operations);
        self.resumed.set(self.resumed.get() + operations);
    }

    pub(super) fn end(&self, operation: usize) {
        self.done.set(self.done.get() + 1);
        self.at(Phase::Operation(operation));
    }

    pub(super) fn at(&self, phase: Phase) {
        self.phase.set(phase);
        let (done, resumed, total, stats) = (self.done.get(), self.resumed.get(), self.total, self.io.stats());
        self.observer.report(&Report { phase, done, resumed, total, stats });
    }

    /// That nobody wants the run to end.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.observer.is_cancelled() { Err(Failure::Cancelled) } else { Ok(()) }
    }
}

/// An observer that remembers the last report: for a node's progress events, and to say where a run has stopped. Its clones are one.
///
/// ```
/// use mpc::domain::{Domain, Values};
/// use mpc::engine::local;
/// use mpc::plain::Plain;
/// use mpc::program::Builder;
/// use mpc::runner::{Session, Watch};
///
/// let mut program = Builder::new(1);
/// let a = program.input(0, Domain::Ring64);
/// let square = program.mul(a, a);
/// program.open(square);
/// let program = program.finish().unwrap();
/// let results = local::run(1, 1, move |io| {
///     let program = program.clone();
///     async move {
///         let (backend, watch) = (Plain::default(), Watch::default());
///         let inputs = vec![Some(Values::from_i64(Domain::Ring64, &[7]))];
///         let outcome = Session::new(&program, &backend, &[1]).observe(&watch).run(io, inputs).await?;
///         assert_eq!(watch.permille(), 1000);
///         Ok(outcome)
///     }
/// });
/// assert!(results[0].0.is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watch(Rc<State>);

#[derive(Debug, Default)]
struct State {
    cancel: Cancel,
    meter: Meter,
    expected: Cell<u64>,
    last: RefCell<Option<Report>>,
}

impl Watch {
    /// For a run that [`drive`](crate::net::drive) steps under the same `cancel` and `meter`.
    pub fn new(cancel: Cancel, meter: Meter) -> Self {
        Self(Rc::new(State { cancel, meter, ..State::default() }))
    }

    /// Measures how far the run is by the bytes that it was predicted to send, among so many parties, rather than by its operations.
    pub fn expect(&self, prediction: &Prediction, parties: u16) {
        self.0.expected.set(prediction.bytes / u64::from(parties.max(1)));
    }

    /// The last report, where there was one.
    pub fn last(&self) -> Option<Report> {
        *self.0.last.borrow()
    }

    /// How far the run is, in thousandths.
    pub fn permille(&self) -> u16 {
        let Some(Report { done, total, stats, .. }) = self.last() else { return 0 };
        let by = |part: u64, whole: u64| (part.saturating_mul(1000) / whole.max(1)).min(1000) as u16;
        let operations = by(done as u64, total as u64);
        match self.0.expected.get() {
            // Predictions are rough: the whole is there when the last operation is.
            expected if expected > 0 && operations < 1000 => by(stats.payload_sent, expected).min(999),
            _ => operations,
        }
    }

    /// Why a run of `program` has ended, and at what.
    pub fn stopped(&self, program: &Program, failure: Failure) -> Stopped {
        let phase = self.last().map(|report| report.phase);
        let operation = match phase {
            Some(Phase::Operation(at)) => program.operations().get(at).map(Operation::name),
            _ => None,
        };
        Stopped { phase, operation, failure }
    }
}

impl Observer for Watch {
    fn report(&self, report: &Report) {
        self.0.last.replace(Some(*report));
        self.0.meter.set(self.permille());
    }

    fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }
}

/// A run's end without a result: who, where, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// What the run was at; nothing where it had not begun.
    pub phase: Option<Phase>,
    /// The operation's name, where it was at one.
    pub operation: Option<&'static str>,
    /// Who and why.
    pub failure: Failure,
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { phase, operation, failure } = self;
        match phase {
            None => write!(formatter, "before the computation began: {failure}"),
            Some(Phase::Agreement) => write!(formatter, "while agreeing from where to go on: {failure}"),
            Some(Phase::Operation(at)) => {
                write!(formatter, "at operation {at} ({}): {failure}", operation.unwrap_or("of another program"))
            }
            Some(Phase::Checkpoint) => write!(formatter, "while verifying on the way: {failure}"),
            Some(Phase::Release) => write!(formatter, "while verifying and opening the results: {failure}"),
        }
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.failure)
    }
}
