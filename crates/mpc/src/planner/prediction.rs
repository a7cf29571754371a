//! Runs a program without data, over the costs that a protocol states.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use crate::domain::{Domain, Values};
use crate::engine::{
    Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Io, Party, Primitive, Scalar, Status, Truncation, local,
};
use crate::program::Program;
use crate::runner;

/// What a program will cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Payload that all parties together send, in bytes.
    pub bytes: u64,
    /// Messages in sequence, set-up included.
    pub rounds: u32,
    /// Multiplications and conjunctions.
    pub multiplications: u64,
}

/// Predicts what a program costs under a back end, with inputs of these lengths (in the order of [`Program::inputs`]): the program is run
/// without data, and every operation takes the rounds that the back end states. Bytes are those
/// measured, but for what depends on drawn permutations: a sort by comparisons is within 10 %. A round
/// in which only some parties send counts in full: rounds are up to a quarter more than measured.
///
/// # Errors
/// As running it would, where lengths do not fit or the back end lacks an operation.
pub fn predict(program: &Program, backend: impl Backend + 'static, lengths: &[usize]) -> Result<Prediction, Failure> {
    Ok(rehearse(program, backend, lengths, None)?.0)
}

/// As [`predict`], and all that a session sends besides: the seeds of its set-up, the back end's own keys, and what it takes to keep
/// checkpoints after every so many operations ([`Session::keep`](runner::Session::keep)), where it does. To the byte for
/// linear programs; a back end's own keys may be asked for by fewer operations than it states.
///
/// # Errors
/// As [`predict`].
pub fn predict_session(
    program: &Program,
    backend: impl Backend + 'static,
    lengths: &[usize],
    every: Option<usize>,
) -> Result<Prediction, Failure> {
    let pairs = u64::from(program.parties()) * u64::from(program.parties().saturating_sub(1));
    let (Prediction { bytes, rounds, multiplications }, keys, checkpoints) =
        rehearse(program, backend, lengths, every)?;
    let seeds = SEED * pairs;
    let (agreement, turns) = if every.is_some() { (AGREEMENT * pairs, AGREEMENT_ROUNDS) } else { (0, 0) };
    // At each checkpoint every party tells every other one that it has kept it.
    let kept = pairs * u64::from(checkpoints);
    Ok(Prediction {
        bytes: bytes + seeds + keys.bytes + agreement + kept,
        rounds: rounds + keys.rounds + turns + checkpoints,
        multiplications,
    })
}

/// What a program costs, what the back end's keys do, and how many checkpoints are kept.
fn rehearse(
    program: &Program,
    backend: impl Backend + 'static,
    lengths: &[usize],
    every: Option<usize>,
) -> Result<(Prediction, Cost, u32), Failure> {
    let (program, lengths) = (program.clone(), lengths.to_vec());
    let ledger = Rc::new(Ledger::default());
    let spending = Rc::clone(&ledger);
    let keys: Rc<Cell<Cost>> = Rc::default();
    let spent = Rc::clone(&keys);
    let mut party = Party::new(local::settings(0, 1, 0), move |io| async move {
        let dry = Dry { of: &backend, ledger: &spending };
        let (inputs, store) = (vec![None; lengths.len()], runner::Memory::default());
        let session = runner::Session::new(&program, &dry, &lengths).observe(&*spending);
        let session = match every {
            Some(every) => session.keep(&store, every),
            None => session,
        };
        let outcome = session.run(io, inputs).await;
        spent.set(backend.cost_of_keys(&spending.all.borrow()));
        outcome
    })?;
    while let (_, Status::Waiting) = party.step([])? {
        // Nobody sends anything: whoever waits does so for a round to pass.
        ledger.rounds.set(ledger.rounds.get() + 1);
    }
    let setup = 1;
    let Ledger { bytes, rounds, multiplications, checkpoints, .. } = &*ledger;
    let predicted =
        Prediction { bytes: bytes.get(), rounds: setup + rounds.get(), multiplications: multiplications.get() };
    Ok((predicted, keys.get(), checkpoints.get()))
}

/// What each party gives each other one when a session is set up.
const SEED: u64 = 32;
/// What each tells each other one to agree from where to go on (`docs/spec/mpc/sessions.md`).
const AGREEMENT: u64 = 80 + 44;
const AGREEMENT_ROUNDS: u32 = 2;

/// What has been spent.
#[derive(Default)]
struct Ledger {
    bytes: Cell<u64>,
    /// Rounds that have passed.
    rounds: Cell<u32>,
    multiplications: Cell<u64>,
    /// Operations since the last check.
    unchecked: RefCell<Vec<(Primitive, Domain, usize)>>,
    /// All operations.
    all: RefCell<Vec<Primitive>>,
    checkpoints: Cell<u32>,
}

impl runner::Observer for Ledger {
    fn report(&self, report: &runner::Report) {
        if report.phase == runner::Phase::Checkpoint {
            self.checkpoints.set(self.checkpoints.get() + 1);
        }
    }
}

/// A back end whose columns hold nothing, and whose operations do nothing but take their rounds.
struct Dry<'a> {
    of: &'a dyn Backend,
    ledger: &'a Ledger,
}

impl Dry<'_> {
    /// Spends a primitive; the rounds that it takes.
    fn spend(&self, primitive: Primitive, domain: Domain, len: usize) -> u32 {
        let Cost { bytes, rounds } = self.of.cost(primitive, domain, len);
        let add = |sum: &Cell<u64>, more: u64| sum.set(sum.get() + more);
        add(&self.ledger.bytes, bytes);
        let products = match primitive {
            Primitive::Mul => len,
            Primitive::Dot(groups) => groups,
            Primitive::Matmul([rows, _, columns]) => rows * columns,
            _ => 0,
        };
        add(&self.ledger.multiplications, products as u64);
        self.ledger.unchecked.borrow_mut().push((primitive, domain, len));
        self.ledger.all.borrow_mut().push(primitive);
        rounds
    }

    /// What is there after so many rounds.
    fn after<'a, T: 'a>(&'a self, made: Result<(u32, T), Failure>) -> Fut<'a, T> {
        Box::pin(async move {
            let (rounds, made) = made?;
            let end = self.ledger.rounds.get() + rounds;
            std::future::poll_fn(|_| if self.ledger.rounds.get() < end { Poll::Pending } else { Poll::Ready(()) })
                .await;
            Ok(made)
        })
    }

    fn one<'a>(&'a self, primitive: Primitive, domain: Domain, len: usize, cost_len: usize) -> Fut<'a, Column> {
        let made = self.offered(primitive, domain);
        self.after(made.map(|()| (self.spend(primitive, domain, cost_len), empty(domain, len))))
    }

    /// That an operation is offered at all.
    fn offered(&self, primitive: Primitive, domain: Domain) -> Result<(), Failure> {
        let Capabilities { name, domains, .. } = self.of.capabilities();
        if self.of.offers(primitive) && domains.contains(&domain) {
            return Ok(());
        }
        Err(Failure::Unsupported { protocol: name, what: "an operation of the program" })
    }
}

/// A column that holds nothing.
fn empty(domain: Domain, len: usize) -> Column {
    Column::new(domain, len, ())
}

impl Backend for Dry<'_> {
    fn capabilities(&self) -> &Capabilities {
        self.of.capabilities()
    }

    fn input<'a>(
        &'a self,
        _: &'a mut Io,
        _: u16,
        domain: Domain,
        len: usize,
        _: Option<&'a Values>,
    ) -> Fut<'a, Column> {
        self.one(Primitive::Input, domain, len, len)
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        Ok(empty(values.domain(), values.len()))
    }

    fn linear(&self, terms: &[(Scalar, &Column)], _: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        terms.iter().try_for_each(|(_, column)| first.fits("linear", column))?;
        Ok(empty(first.domain(), first.len()))
    }

    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure> {
        Ok(empty(column.domain(), rows.len()))
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        Ok(empty(first.domain(), columns.iter().map(Column::len).sum()))
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        Ok(column.clone())
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        Ok(empty(column.domain(), groups))
    }

    fn mul<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        if let Err(failure) = left.fits("mul", right) {
            return self.after(Err(failure));
        }
        self.one(Primitive::Mul, left.domain(), left.len(), left.len())
    }

    fn dot<'a>(&'a self, _: &'a mut Io, left: &'a Column, _: &'a Column, groups: usize) -> Fut<'a, Column> {
        self.one(Primitive::Dot(groups), left.domain(), groups, left.len())
    }

    fn matmul<'a>(&'a self, _: &'a mut Io, left: &'a Column, _: &'a Column, shape: [usize; 3]) -> Fut<'a, Column> {
        let len = shape[0] * shape[2];
        self.one(Primitive::Matmul(shape), left.domain(), len, len)
    }

    fn truncate<'a>(&'a self, _: &'a mut Io, column: &'a Column, bits: u32, mode: Truncation) -> Fut<'a, Column> {
        self.one(Primitive::Truncate(bits, mode), column.domain(), column.len(), column.len())
    }

    fn to_bits<'a>(&'a self, _: &'a mut Io, column: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        let made = self.offered(Primitive::ToBits(count), column.domain());
        let bits = || vec![empty(Domain::Bits, column.len()); count as usize];
        self.after(made.map(|()| (self.spend(Primitive::ToBits(count), column.domain(), column.len()), bits())))
    }

    fn is_negative<'a>(&'a self, _: &'a mut Io, column: &'a Column) -> Fut<'a, Column> {
        let made = self.offered(Primitive::IsNegative, column.domain());
        let spend = || self.spend(Primitive::IsNegative, column.domain(), column.len());
        self.after(made.map(|()| (spend(), empty(Domain::Bits, column.len()))))
    }

    fn from_bits<'a>(&'a self, _: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        let len = bits.first().map_or(0, Column::len);
        self.one(Primitive::FromBits(bits.len() as u32), domain, len, len)
    }

    fn shuffle<'a>(&'a self, _: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>> {
        let offered = columns.iter().try_for_each(|column| self.offered(Primitive::Shuffle, column.domain()));
        let one = |column: &Column| self.spend(Primitive::Shuffle, column.domain(), column.len());
        self.after(offered.map(|()| (columns.iter().map(one).max().unwrap_or(0), columns.to_vec())))
    }

    fn random<'a>(&'a self, _: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        self.one(Primitive::Random, domain, len, len)
    }

    fn check<'a>(&'a self, _: &'a mut Io) -> Fut<'a, ()> {
        let Cost { bytes, rounds } = self.of.cost_of_check(&self.ledger.unchecked.take());
        self.ledger.bytes.set(self.ledger.bytes.get() + bytes);
        self.after(Ok((rounds, ())))
    }

    fn open<'a>(&'a self, _: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        let primitive = if to.is_none() { Primitive::Open } else { Primitive::OpenTo };
        let columns = columns.columns();
        let one = |(at, column): (usize, &Column)| {
            // What vouches for an opening is sent once, however many columns it has.
            let again = if at > 0 { self.of.cost(primitive, column.domain(), 0).bytes } else { 0 };
            let rounds = self.spend(primitive, column.domain(), column.len());
            self.ledger.bytes.set(self.ledger.bytes.get() - again);
            rounds
        };
        let rounds = columns.iter().enumerate().map(one).max();
        let zeros = columns.iter().map(|column| Values::zeros(column.domain(), column.len())).collect();
        self.after(Ok((rounds.unwrap_or(0), Some(zeros))))
    }

    fn hand_out<'a>(&'a self, _: &'a mut Io, _: Checked<'a>) -> Fut<'a, Vec<u8>> {
        let rounds = self.spend(Primitive::HandOut, Domain::Bits, 0);
        self.after(Ok((rounds, Vec::new())))
    }

    /// What is kept is nothing.
    fn save(&self, _: &Column) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    fn offers(&self, primitive: Primitive) -> bool {
        self.of.offers(primitive)
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        self.of.cost(primitive, domain, len)
    }

    fn cost_of_check(&self, done: &[(Primitive, Domain, usize)]) -> Cost {
        self.of.cost_of_check(done)
    }

    fn cost_of_keys(&self, done: &[Primitive]) -> Cost {
        self.of.cost_of_keys(done)
    }
}
