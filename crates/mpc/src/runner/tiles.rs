//! A program over more rows than fit in memory: so many at a time.

use std::ops::Range;

use crate::domain::Values;
use crate::engine::{Backend, Failure, Io};
use crate::program::{Node, Operation, Program};

use super::Outcome;
use super::columns::Columns;
use super::progress::{Desk, Observer, Phase};
use super::release::release;
use super::schedule::{Task, stages, stretch};

/// Where a party's rows come from and go to, tile by tile.
pub trait Rows {
    /// Rows of an input, by its place in [`Program::inputs`]; nothing where it is another party's.
    ///
    /// # Errors
    /// Where they cannot be had: the session ends.
    fn take(&mut self, input: usize, rows: Range<usize>) -> Result<Option<Values>, Failure>;

    /// Rows that an opening of a column gave, by its place among the program's openings; nothing where it opened to another party.
    ///
    /// # Errors
    /// Where they cannot be kept: the session ends.
    fn put(&mut self, opening: usize, rows: Range<usize>, values: Option<Values>) -> Result<(), Failure>;
}

/// What an operation's results are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// As long as the inputs: made tile by tile.
    Rows,
    /// Added up over all tiles.
    Total,
    /// Made of totals, once.
    After,
}

/// Runs `program` over inputs of `rows` rows each, `tile` of them at a time; memory is that of one tile. Operations must treat each row by
/// itself, until sums or inner products end the rows; what comes of these is computed and opened at the end, as [`Outcome`].
///
/// Rows that are themselves opened go to `store` tile by tile, each verified before it is opened: what was opened before a session failed,
/// stays opened. Each tile is checked by itself.
///
/// # Errors
/// [`Failure::Program`] for another program; those of [`Session::run`](super::Session::run) and of `store`.
pub async fn run_tiled(
    program: &Program,
    backend: &dyn Backend,
    io: &mut Io,
    (rows, tile): (usize, usize),
    store: &mut dyn Rows,
    observer: &dyn Observer,
) -> Result<Outcome, Failure> {
    let extents = extents(program)?;
    let operations = program.operations();
    let tile = tile.max(1);
    let tiles = rows.div_ceil(tile).max(1);
    let of = |extent| extents.iter().filter(|found| **found == extent).count();
    let desk = Desk::new(observer, io, tiles * (of(Extent::Rows) + of(Extent::Total)) + of(Extent::After));
    let place = |index: usize| extents[index];
    let inputs: Vec<usize> =
        (0..operations.len()).filter(|index| matches!(operations[*index], Operation::Input(..))).collect();
    let outs: Vec<&Operation> =
        operations.iter().filter(|operation| matches!(operation, Operation::Open(..))).collect();
    let (streamed, late): (Vec<_>, Vec<_>) =
        outs.iter().enumerate().partition(|(_, operation)| is_rows(operation, &extents));
    let mut totals = Columns::default();
    for at in 0..tiles {
        let range = at * tile..rows.min((at + 1) * tile);
        let values = (0..inputs.len()).map(|input| store.take(input, range.clone())).collect::<Result<Vec<_>, _>>()?;
        let tasks: Vec<Task<'_>> = (0..operations.len())
            .filter(|index| place(*index) != Extent::After)
            .map(|index| {
                let input = inputs.iter().position(|input| *input == index);
                let input = input.map(|input| (range.len(), values[input].as_ref()));
                Task { index, operation: &operations[index], input }
            })
            .collect();
        let mut columns = Columns::default();
        for stage in stages(&tasks, usize::MAX) {
            stretch(backend, io, &desk, &tasks[stage], &mut columns).await?;
        }
        desk.at(Phase::Release);
        let openings: Vec<_> = streamed.iter().map(|(_, operation)| **operation).collect();
        // Without openings too: the products of a tile are verified before the next one takes their room.
        backend.check(io).await?;
        let Outcome { opened, .. } = release(&openings, backend, io, &columns).await?;
        for ((opening, _), values) in streamed.iter().zip(opened) {
            store.put(*opening, range.clone(), values)?;
        }
        for index in (0..operations.len()).filter(|index| place(*index) == Extent::Total) {
            let node = Node(index as u32, 0);
            let part = columns.get(&node).ok_or(Failure::Program("an operation has a result"))?;
            let sum = match totals.get(&node) {
                None => part.clone(),
                Some(sum) => backend.linear(&[(1, sum), (1, part)], None)?,
            };
            totals.insert(node, sum);
        }
    }
    let tasks: Vec<Task<'_>> = (0..operations.len())
        .filter(|index| place(*index) == Extent::After)
        .map(|index| Task { index, operation: &operations[index], input: None })
        .collect();
    for stage in stages(&tasks, usize::MAX) {
        stretch(backend, io, &desk, &tasks[stage], &mut totals).await?;
    }
    desk.at(Phase::Release);
    let given = operations.iter().filter(|operation| matches!(operation, Operation::Give(_)));
    let ways: Vec<&Operation> = late.iter().map(|(_, operation)| **operation).chain(given).collect();
    let Outcome { opened, share } = release(&ways, backend, io, &totals).await?;
    // What was streamed has its place, and nothing in it.
    let mut opened = opened.into_iter();
    let opened = outs.iter().map(|operation| if is_rows(operation, &extents) { None } else { opened.next().flatten() });
    Ok(Outcome { opened: opened.collect(), share })
}

/// What each operation's results are.
fn extents(program: &Program) -> Result<Vec<Extent>, Failure> {
    let mut extents: Vec<Extent> = Vec::new();
    for operation in program.operations() {
        let operands = operation.operands();
        let rows = operands.iter().filter(|node| extents[node.0 as usize] == Extent::Rows).count();
        let extent = match operation {
            Operation::Input(..) => Extent::Rows,
            _ if rows == 0 => Extent::After,
            _ if rows < operands.len() => {
                return Err(Failure::Program("over tiles, rows and their sums do not meet in one operation"));
            }
            Operation::Sum(_) | Operation::Dot(..) => Extent::Total,
            Operation::Constant(..)
            | Operation::Linear(..)
            | Operation::Mul(..)
            | Operation::And(..)
            | Operation::Xor(..)
            | Operation::Not(_)
            | Operation::Less(..)
            | Operation::Equal(..)
            | Operation::Select(..)
            | Operation::Min(..)
            | Operation::Max(..)
            | Operation::Abs(_)
            | Operation::DivPublic(..)
            | Operation::Div(..)
            | Operation::Sqrt(_)
            | Operation::MulFixed(..)
            | Operation::Convert(..)
            | Operation::ToNumber(..)
            | Operation::Open(..) => Extent::Rows,
            Operation::Matmul(..)
            | Operation::PrefixSum(_)
            | Operation::Shuffle(_)
            | Operation::Sort(..)
            | Operation::SegmentedSum(..)
            | Operation::Give(_) => {
                return Err(Failure::Program("over tiles, operations treat each row by itself or add all up"));
            }
        };
        extents.push(extent);
    }
    Ok(extents)
}

/// Whether a way out is of rows.
fn is_rows(operation: &Operation, extents: &[Extent]) -> bool {
    operation.operands().iter().any(|node| extents[node.0 as usize] == Extent::Rows)
}
