//! Runs a program without data, over the costs that a protocol states.

use std::cell::Cell;

use crate::domain::{Domain, Values};
use crate::engine::{
    Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Io, Primitive, Scalar, Truncation, local,
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

/// Predicts what a program costs under a back end, with inputs of these lengths (in the order of [`Program::inputs`]).
///
/// # Errors
/// As running it would, where lengths do not fit or the back end lacks an operation.
pub fn predict(program: &Program, backend: impl Backend + 'static, lengths: &[usize]) -> Result<Prediction, Failure> {
    let (program, lengths) = (program.clone(), lengths.to_vec());
    let backend = std::rc::Rc::new(backend);
    let mut results = local::run(1, 0, move |io| {
        let (program, lengths, backend) = (program.clone(), lengths.clone(), backend.clone());
        async move {
            let dry = Dry { of: &*backend, spent: Cell::default(), floor: Cell::new(1), unchecked: Cell::new(0) };
            runner::run(&program, &dry, io, &lengths, vec![None; lengths.len()]).await?;
            let spent = dry.spent.get();
            Ok(Prediction { rounds: spent.rounds.max(dry.floor.get()), ..spent })
        }
    });
    results.remove(0).0
}

/// A back end whose columns hold only the round in which they are ready.
struct Dry<'a> {
    of: &'a dyn Backend,
    spent: Cell<Prediction>,
    /// No later opening comes before this round.
    floor: Cell<u32>,
    unchecked: Cell<usize>,
}

/// The round in which a column is ready.
struct Ready(u32);

impl Dry<'_> {
    fn ready(&self, columns: &[&Column]) -> Result<u32, Failure> {
        columns.iter().try_fold(1, |latest, column| Ok(latest.max(column.share::<Ready>()?.0)))
    }

    /// Spends a primitive whose inputs are ready in round `from`; the round in which its result is.
    fn spend(&self, primitive: Primitive, domain: Domain, len: usize, from: u32) -> u32 {
        let Cost { bytes, rounds } = self.of.cost(primitive, domain, len);
        let mut spent = self.spent.get();
        let ready = from + rounds;
        spent.bytes += bytes;
        spent.rounds = spent.rounds.max(ready);
        let products = match primitive {
            Primitive::Mul => len,
            Primitive::Dot(groups) => groups,
            Primitive::Matmul([rows, _, columns]) => rows * columns,
            _ => 0,
        };
        spent.multiplications += products as u64;
        self.unchecked.set(self.unchecked.get() + products);
        self.spent.set(spent);
        ready
    }

    fn one<'a>(
        &self,
        primitive: Primitive,
        domain: Domain,
        len: usize,
        from: &[&Column],
        cost_len: usize,
    ) -> Fut<'a, Column> {
        let made =
            self.ready(from).map(|from| Column::new(domain, len, Ready(self.spend(primitive, domain, cost_len, from))));
        Box::pin(std::future::ready(made))
    }

    fn local(&self, domain: Domain, len: usize, from: &[&Column]) -> Result<Column, Failure> {
        Ok(Column::new(domain, len, Ready(self.ready(from)?)))
    }
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
        self.one(Primitive::Input, domain, len, &[], len)
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        self.local(values.domain(), values.len(), &[])
    }

    fn linear(&self, terms: &[(Scalar, &Column)], _: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        let columns: Vec<&Column> = terms.iter().map(|(_, column)| *column).collect();
        columns.iter().try_for_each(|column| first.fits("linear", column))?;
        self.local(first.domain(), first.len(), &columns)
    }

    fn gather(&self, column: &Column, rows: &[u32]) -> Result<Column, Failure> {
        self.local(column.domain(), rows.len(), &[column])
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        self.local(first.domain(), columns.iter().map(Column::len).sum(), &columns.iter().collect::<Vec<_>>())
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        self.local(column.domain(), column.len(), &[column])
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        self.local(column.domain(), groups, &[column])
    }

    fn mul<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        if let Err(failure) = left.fits("mul", right) {
            return Box::pin(std::future::ready(Err(failure)));
        }
        self.one(Primitive::Mul, left.domain(), left.len(), &[left, right], left.len())
    }

    fn dot<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column> {
        self.one(Primitive::Dot(groups), left.domain(), groups, &[left, right], left.len())
    }

    fn matmul<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column, shape: [usize; 3]) -> Fut<'a, Column> {
        let len = shape[0] * shape[2];
        self.one(Primitive::Matmul(shape), left.domain(), len, &[left, right], len)
    }

    fn truncate<'a>(&'a self, _: &'a mut Io, column: &'a Column, bits: u32, mode: Truncation) -> Fut<'a, Column> {
        self.one(Primitive::Truncate(bits, mode), column.domain(), column.len(), &[column], column.len())
    }

    fn to_bits<'a>(&'a self, _: &'a mut Io, column: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        let made = self.ready(&[column]).map(|from| {
            let ready = self.spend(Primitive::ToBits(count), column.domain(), column.len(), from);
            (0..count).map(|_| Column::new(Domain::Bits, column.len(), Ready(ready))).collect()
        });
        Box::pin(std::future::ready(made))
    }

    fn is_negative<'a>(&'a self, _: &'a mut Io, column: &'a Column) -> Fut<'a, Column> {
        let made = self.ready(&[column]).map(|from| {
            let ready = self.spend(Primitive::IsNegative, column.domain(), column.len(), from);
            Column::new(Domain::Bits, column.len(), Ready(ready))
        });
        Box::pin(std::future::ready(made))
    }

    fn from_bits<'a>(&'a self, _: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        let len = bits.first().map_or(0, Column::len);
        self.one(Primitive::FromBits(bits.len() as u32), domain, len, &bits.iter().collect::<Vec<_>>(), len)
    }

    fn shuffle<'a>(&'a self, _: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>> {
        let made = self.ready(&columns.iter().collect::<Vec<_>>()).map(|from| {
            let one = |column: &Column| {
                let ready = self.spend(Primitive::Shuffle, column.domain(), column.len(), from);
                Column::new(column.domain(), column.len(), Ready(ready))
            };
            columns.iter().map(one).collect()
        });
        Box::pin(std::future::ready(made))
    }

    fn random<'a>(&'a self, _: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        self.one(Primitive::Random, domain, len, &[], len)
    }

    fn check<'a>(&'a self, _: &'a mut Io) -> Fut<'a, ()> {
        let pending = self.unchecked.replace(0);
        let from = self.spent.get().rounds.max(self.floor.get());
        self.floor.set(self.spend(Primitive::Check(pending), Domain::Ring64, 0, from));
        Box::pin(std::future::ready(Ok(())))
    }

    fn open<'a>(&'a self, _: &'a mut Io, columns: Checked<'a>, to: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        let primitive = if to.is_none() { Primitive::Open } else { Primitive::OpenTo };
        let floor = self.floor.get();
        let opened = columns.columns().iter().map(|column| {
            self.spend(primitive, column.domain(), column.len(), self.ready(&[column])?.max(floor));
            Ok(Values::zeros(column.domain(), column.len()))
        });
        Box::pin(std::future::ready(opened.collect::<Result<_, _>>().map(Some)))
    }

    fn hand_out<'a>(&'a self, _: &'a mut Io, _: Checked<'a>) -> Fut<'a, Vec<u8>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn cost(&self, primitive: Primitive, domain: Domain, len: usize) -> Cost {
        self.of.cost(primitive, domain, len)
    }
}
