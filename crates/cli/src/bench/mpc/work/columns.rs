//! A work by a protocol's operations on whole columns.

use std::rc::Rc;

use mpc::circuit::{Key, Order, Range, compare, sort};
use mpc::domain::{Domain, Values};
use mpc::engine::{Backend, Column, Failure, Io, checked};

use crate::args::Work;

use super::super::party::Assignment;
use super::{Operation, Pending, backend, domain, is_right, numbers};

/// A work by a protocol.
pub(super) struct Columns {
    backend: Rc<dyn Backend>,
    work: Work,
    n: usize,
    index: u16,
    domain: Domain,
    columns: Vec<Column>,
    /// This party's numbers, where sharing them belongs to the work.
    own: Option<Values>,
}

impl Columns {
    pub(super) async fn new(io: &mut Io, assignment: &Assignment) -> Result<Self, Failure> {
        let backend = backend(&assignment.protocol, assignment.adversary, io)?;
        let (work, n, index) = (assignment.work, assignment.n, io.index());
        let domain = domain(&*backend, work)?;
        let mut columns = Vec::new();
        let sums = matches!(work, Work::Sum | Work::Sum1);
        if !sums {
            for owner in 0..2 {
                let values = (owner == index).then(|| Values::from_i64(domain, &numbers(work, owner, 0..n)));
                columns.push(backend.input(io, owner, domain, n, values.as_ref()).await?);
            }
        }
        let own = sums.then(|| Values::from_i64(domain, &numbers(work, index, 0..n)));
        Ok(Self { backend, work, n, index, domain, columns, own })
    }

    async fn compute(&self, io: &mut Io) -> Result<Column, Failure> {
        let backend = &*self.backend;
        match self.work {
            Work::Mul => backend.mul(io, &self.columns[0], &self.columns[1]).await,
            Work::Dot => backend.dot(io, &self.columns[0], &self.columns[1], 1).await,
            Work::Lt => compare::lt(backend, io, &self.columns[0], &self.columns[1], COMPARED).await,
            Work::Mulseq => {
                let mut column = backend.gather(&self.columns[0], &[0])?;
                let factor = backend.gather(&self.columns[1], &[0])?;
                for _ in 0..self.n {
                    column = backend.mul(io, &column, &factor).await?;
                }
                Ok(column)
            }
            Work::Sort => {
                // 64-bit keys; the whole of the ring.
                let range = if self.domain == Domain::Ring64 { Range::Full } else { Range::Bits(64) };
                let key = Key { column: &self.columns[0], range, order: Order::Ascending };
                let sorted = sort::sort(backend, io, &[key], &self.columns[..1], None).await?;
                sorted.into_iter().next().ok_or(Failure::Program("a column sorted is a column"))
            }
            Work::Sum | Work::Sum1 => {
                let mut columns = Vec::new();
                for owner in 0..io.parties() {
                    let own = self.own.as_ref().filter(|_| owner == self.index);
                    columns.push(backend.input(io, owner, self.domain, self.n, own).await?);
                }
                let terms: Vec<_> = columns.iter().map(|column| (1, column)).collect();
                backend.linear(&terms, None)
            }
        }
    }

    fn expected(&self, parties: u16) -> Values {
        let [left, right] = [0, 1].map(|owner| numbers(self.work, owner, 0..self.n));
        let pairs = || left.iter().zip(&right);
        match self.work {
            Work::Mul => Values::from_i64(self.domain, &pairs().map(|(x, y)| x * y).collect::<Vec<_>>()),
            Work::Dot => Values::from_i64(self.domain, &[pairs().map(|(x, y)| x * y).sum()]),
            Work::Lt => Values::from_i64(Domain::Bits, &pairs().map(|(x, y)| i64::from(x < y)).collect::<Vec<_>>()),
            Work::Mulseq => {
                let result = if self.n.is_multiple_of(2) { left[0] } else { -left[0] };
                Values::from_i64(self.domain, &[result])
            }
            Work::Sort => {
                let mut sorted = left;
                sorted.sort_unstable();
                Values::from_i64(self.domain, &sorted)
            }
            Work::Sum | Work::Sum1 => {
                let mut sum = vec![0; self.n];
                for owner in 0..parties {
                    sum.iter_mut().zip(numbers(self.work, owner, 0..self.n)).for_each(|(sum, value)| *sum += value);
                }
                Values::from_i64(self.domain, &sum)
            }
        }
    }

    /// Whether opening belongs to the work.
    fn opens(&self) -> bool {
        matches!(self.work, Work::Sum | Work::Sum1)
    }

    async fn open(&self, io: &mut Io, column: Column) -> Result<Option<Vec<Values>>, Failure> {
        let columns = [column];
        let columns = checked(&*self.backend, io, &columns).await?;
        self.backend.open(io, columns, None).await
    }
}

impl Operation for Columns {
    fn once<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let column = self.compute(io).await?;
            if self.opens() {
                self.open(io, column).await?;
            } else {
                // Whatever a malicious back end must verify before it may open.
                checked(&*self.backend, io, &[column]).await?;
            }
            Ok(())
        })
    }

    fn verify<'a>(&'a self, io: &'a mut Io) -> Pending<'a> {
        Box::pin(async move {
            let column = self.compute(io).await?;
            let opened = self.open(io, column).await?;
            is_right(opened.is_some_and(|opened| opened.first() == Some(&self.expected(io.parties()))))
        })
    }
}

/// Of the numbers compared; as MP-SPDZ's default, with room for their difference.
const COMPARED: Range = Range::Bits(62);
