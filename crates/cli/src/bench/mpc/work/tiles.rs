//! A work over more rows than fit in memory, a tile at a time.

use std::ops::Range;
use std::rc::Rc;

use mpc::domain::{Domain, Element, M61, Values};
use mpc::engine::{Backend, Failure, Io};
use mpc::program::{Builder, Program};
use mpc::runner::{Rows, Silent, run_tiled};

use crate::args::Work;

use super::super::party::Assignment;
use super::{Operation, Pending, backend, domain, is_right, numbers};

/// A work as a program, its inputs shared on the way.
pub(super) struct Tiles {
    backend: Rc<dyn Backend>,
    program: Program,
    work: Work,
    n: usize,
    index: u16,
    domain: Domain,
}

impl Tiles {
    /// Whether a work can be done row by row.
    pub(super) const fn does(work: Work) -> bool {
        matches!(work, Work::Mul | Work::Dot | Work::Sum)
    }

    pub(super) fn new(io: &Io, assignment: &Assignment) -> Result<Self, Failure> {
        let backend = backend(&assignment.protocol, assignment.adversary, io)?;
        let (work, n, index) = (assignment.work, assignment.n, io.index());
        let domain = domain(&*backend, work)?;
        let mut program = Builder::new(io.parties());
        let owners = if work == Work::Sum { io.parties() } else { 2 };
        let columns: Vec<_> = (0..owners).map(|owner| program.input(owner, domain)).collect();
        let result = match work {
            Work::Mul => program.mul(columns[0], columns[1]),
            Work::Dot => program.dot(columns[0], columns[1]),
            _ => program.linear(&columns.iter().map(|column| (1, *column)).collect::<Vec<_>>(), 0),
        };
        program.open(result);
        let program = program.finish().map_err(|_| Failure::Program("a work is a program"))?;
        Ok(Self { backend, program, work, n, index, domain })
    }

    /// Runs it, and compares all that is opened.
    async fn run(&self, io: &mut Io) -> Result<(), Failure> {
        let mut columns = Stream { tiles: self, parties: io.parties() };
        let outcome = run_tiled(&self.program, &*self.backend, io, (self.n, TILE), &mut columns, &Silent).await?;
        if self.work == Work::Dot {
            let mut sum = 0u128;
            for start in (0..self.n).step_by(TILE) {
                let [left, right] = [0, 1].map(|owner| numbers(self.work, owner, start..self.n.min(start + TILE)));
                sum += left.iter().zip(right).map(|(x, y)| (x * y) as u128).sum::<u128>();
            }
            let expected = match self.domain {
                Domain::M61 => Values::M61(vec![M61::from_u128(sum)]),
                _ => Values::Ring64(vec![sum as u64]),
            };
            is_right(outcome.opened == [Some(expected)])?;
        }
        Ok(())
    }
}

impl Operation for Tiles {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(self.run(io))
    }

    /// Every run has compared its results.
    fn verify<'a>(&'a self, _: &'a mut Io) -> Pending<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Inputs as they are drawn, results as they are opened.
struct Stream<'a> {
    tiles: &'a Tiles,
    parties: u16,
}

impl Rows for Stream<'_> {
    fn take(&mut self, input: usize, rows: Range<usize>) -> Result<Option<Values>, Failure> {
        let Tiles { index, domain, work, .. } = *self.tiles;
        Ok((usize::from(index) == input).then(|| Values::from_i64(domain, &numbers(work, index, rows))))
    }

    fn put(&mut self, _: usize, rows: Range<usize>, values: Option<Values>) -> Result<(), Failure> {
        let work = self.tiles.work;
        let expected: Vec<i64> = match work {
            Work::Mul => {
                let [left, right] = [0, 1].map(|owner| numbers(work, owner, rows.clone()));
                left.iter().zip(right).map(|(x, y)| x * y).collect()
            }
            _ => {
                let mut sum = vec![0; rows.len()];
                for owner in 0..self.parties {
                    sum.iter_mut().zip(numbers(work, owner, rows.clone())).for_each(|(sum, value)| *sum += value);
                }
                sum
            }
        };
        is_right(values == Some(Values::from_i64(self.tiles.domain, &expected)))
    }
}

/// Rows that are held as whole columns; of more, a tile at a time.
pub(super) const MOST: usize = 4 << 20;
/// Rows at a time.
const TILE: usize = 1 << 20;
