//! A program's run, watched and resumable.

use crate::domain::Values;
use crate::engine::{Backend, Failure, Io};
use crate::program::{Operation, Program};

use super::Outcome;
use super::agreement::{self, Beginning};
use super::checkpoint::{Checkpoint, Epoch, SLOTS, Store};
use super::columns::Columns;
use super::progress::{Desk, Observer, Phase, Silent};
use super::release::release;
use super::schedule::{Input, Task, stages, stretch};

/// A program to be run by one party, and how.
///
/// A crash in the middle, and what comes of it:
///
/// ```
/// use std::rc::Rc;
///
/// use mpc::domain::{Domain, Values};
/// use mpc::engine::local;
/// use mpc::program::Builder;
/// use mpc::rep3::Rep3;
/// use mpc::runner::{Memory, Session};
///
/// let mut program = Builder::new(3);
/// let [a, b, c] = [0, 1, 2].map(|party| program.input(party, Domain::Ring64));
/// let product = program.mul(a, b);
/// let product = program.mul(product, c);
/// program.open(product);
/// let program = program.finish().unwrap();
/// let stores: Vec<_> = (0..3).map(|_| Rc::new(Memory::default())).collect();
/// // Each run has a name and seeds of its own; the stores are what is left of the run before.
/// let runs = [(1, true), (2, false)].map(|(seed, crashes)| {
///     let (program, stores) = (program.clone(), stores.clone());
///     local::run_with(
///         3,
///         seed,
///         move |io| {
///             let (program, store) = (program.clone(), Rc::clone(&stores[usize::from(io.index())]));
///             async move {
///                 let backend = Rep3::malicious(&io)?;
///                 let own = usize::from(io.index());
///                 let mut inputs = vec![None; 3];
///                 // What is kept need not be given again.
///                 inputs[own] = crashes.then(|| Values::from_i64(Domain::Ring64, &[own as i64 + 2]));
///                 Session::new(&program, &backend, &[1, 1, 1]).keep(&*store, 4).run(io, inputs).await
///             }
///         },
///         // After some frames nothing arrives any more.
///         {
///             let mut frames = 0;
///             move |frame| {
///                 frames += 1;
///                 if crashes && frames > 60 { vec![] } else { vec![frame] }
///             }
///         },
///     )
/// });
/// assert!(runs[0].iter().all(|(result, _)| result.as_ref().is_err_and(|failure| failure.is_interruption())));
/// assert!(runs[1][0].0.as_ref().unwrap().opened[0] == Some(Values::from_i64(Domain::Ring64, &[24])));
/// ```
pub struct Session<'a> {
    program: &'a Program,
    backend: &'a dyn Backend,
    lengths: &'a [usize],
    observer: &'a dyn Observer,
    keep: Option<(&'a dyn Store, usize)>,
}

impl<'a> Session<'a> {
    /// Of a program whose inputs have these lengths, in the order of [`Program::inputs`], agreed beforehand.
    pub fn new(program: &'a Program, backend: &'a dyn Backend, lengths: &'a [usize]) -> Self {
        Self { program, backend, lengths, observer: &Silent, keep: None }
    }

    /// Tells an observer how far it is.
    #[must_use]
    pub fn observe(self, observer: &'a dyn Observer) -> Self {
        Self { observer, ..self }
    }

    /// Keeps what is verified after every so many operations, and goes on from what all parties have kept. All parties do so, with one
    /// number. It costs two rounds at the beginning, and at each checkpoint a check and a round.
    #[must_use]
    pub fn keep(self, store: &'a dyn Store, every: usize) -> Self {
        Self { keep: Some((store, every.max(1))), ..self }
    }

    /// Runs it. `inputs` are this party's own, nothing for the others'; one that is to be shared before a checkpoint which all have
    /// kept is not needed.
    ///
    /// # Errors
    /// Where inputs or lengths do not fit the program, and all that ends a session. A checkpoint is left behind only where
    /// [`Failure::is_interruption`]; else, and at the end, the store is emptied.
    pub async fn run(&self, mut io: Io, inputs: Vec<Option<Values>>) -> Result<Outcome, Failure> {
        let result = self.attempt(&mut io, inputs).await;
        if let Some((store, _)) = self.keep
            && !result.as_ref().is_err_and(Failure::is_interruption)
        {
            let destroyed = store.destroy().map_err(|error| Failure::Storage(error.kind()));
            return result.and_then(|outcome| destroyed.map(|()| outcome));
        }
        result
    }

    async fn attempt(&self, io: &mut Io, inputs: Vec<Option<Values>>) -> Result<Outcome, Failure> {
        let operations = self.program.operations();
        let tasks = tasks(self.program, self.lengths, &inputs)?;
        let desk = Desk::new(self.observer, io, operations.len());
        let (mut columns, mut keeper) = match self.keep {
            None => (Columns::default(), None),
            Some((store, every)) => {
                desk.at(Phase::Agreement);
                let begun = agreement::begin(self.program, self.backend, io, self.lengths, store).await?;
                let Beginning { columns, epoch, slot } = begun;
                (columns, Some(Keeper { store, every, epoch, slot }))
            }
        };
        let begin = keeper.as_ref().map_or(0, |keeper| keeper.epoch.done as usize);
        desk.skip(begin);
        let every = self.keep.map_or(usize::MAX, |(_, every)| every);
        let left = tasks.get(begin..).ok_or(Failure::Program("a checkpoint's operations are its program's"))?;
        for stage in stages(left, every) {
            let done = begin + stage.end;
            stretch(self.backend, io, &desk, &left[stage], &mut columns).await?;
            columns.forget(operations, done);
            if let Some(keeper) = &mut keeper
                && (done == operations.len() || done - keeper.epoch.done as usize >= keeper.every)
            {
                desk.at(Phase::Checkpoint);
                keeper.keep(self.backend, io, &columns, done).await?;
            }
        }
        desk.go_on()?;
        desk.at(Phase::Release);
        // Who has just heard of it may want it to end here, with what was kept.
        desk.go_on()?;
        release(&operations.iter().collect::<Vec<_>>(), self.backend, io, &columns).await
    }
}

/// Keeps checkpoints.
struct Keeper<'a> {
    store: &'a dyn Store,
    every: usize,
    /// What the next one is of, but for how far it is.
    epoch: Epoch,
    slot: usize,
}

impl Keeper<'_> {
    async fn keep(
        &mut self,
        backend: &dyn Backend,
        io: &mut Io,
        columns: &Columns,
        done: usize,
    ) -> Result<(), Failure> {
        backend.check(io).await?;
        self.epoch.done = done as u32;
        let checkpoint = Checkpoint::take(self.epoch.clone(), io.index(), backend, columns)?;
        let bytes = zeroize::Zeroizing::new(checkpoint.to_bytes());
        self.store.save(self.slot, &bytes).map_err(|error| Failure::Storage(error.kind()))?;
        self.slot = (self.slot + 1) % SLOTS;
        // Nobody goes on before all have kept it: so what one has, or the one before it, all have.
        agreement::wait_for_all(backend, io).await
    }
}

/// The operations with their inputs.
pub(super) fn tasks<'a>(
    program: &'a Program,
    lengths: &[usize],
    inputs: &'a [Option<Values>],
) -> Result<Vec<Task<'a>>, Failure> {
    let count = program.inputs().count();
    if lengths.len() != count || inputs.len() != count {
        return Err(Failure::Program("each input has a length, and a place for its values"));
    }
    let mut places = lengths.iter().zip(inputs).map(|(len, values)| (*len, values.as_ref()));
    let task = |(index, operation): (usize, &'a Operation)| {
        let input: Option<Input<'a>> = if matches!(operation, Operation::Input(..)) { places.next() } else { None };
        Task { index, operation, input }
    };
    Ok(program.operations().iter().enumerate().map(task).collect())
}
