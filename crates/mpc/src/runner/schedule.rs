//! Which operations run side by side, and running them.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::domain::Values;
use crate::engine::{Backend, Column, Failure, Io};
use crate::program::Operation;

use super::columns::Columns;
use super::operation;
use super::progress::{Desk, Phase};

/// An input's length, and its values where they are this party's.
pub(super) type Input<'a> = (usize, Option<&'a Values>);

/// An operation to run.
pub(super) struct Task<'a> {
    pub(super) index: usize,
    pub(super) operation: &'a Operation,
    pub(super) input: Option<Input<'a>>,
}

/// Cuts a range of tasks where one must run alone, and after `most` at the latest.
pub(super) fn stages(tasks: &[Task<'_>], most: usize) -> Vec<std::ops::Range<usize>> {
    let mut stages = Vec::new();
    let mut begin = 0;
    while begin < tasks.len() {
        let alone = |at: &usize| operation::is_alone(tasks[*at].operation);
        let end = match alone(&begin) {
            true => begin + 1,
            false => (begin..tasks.len()).find(alone).unwrap_or(tasks.len()).min(begin.saturating_add(most.max(1))),
        };
        stages.push(begin..end);
        begin = end;
    }
    stages
}

type Running<'a> = (usize, Pin<Box<dyn Future<Output = Result<(Vec<Column>, Io), Failure>> + 'a>>);

/// Runs tasks, each as soon as its operands are among the columns.
pub(super) async fn stretch(
    backend: &dyn Backend,
    io: &mut Io,
    desk: &Desk<'_>,
    tasks: &[Task<'_>],
    columns: &mut Columns,
) -> Result<(), Failure> {
    let strands = io.split(tasks.len());
    let mut unbegun: Vec<(&Task<'_>, Io)> = tasks.iter().zip(strands).collect();
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut ended = Vec::with_capacity(tasks.len());
    let polled = std::future::poll_fn(|context: &mut Context<'_>| {
        loop {
            desk.go_on()?;
            let mut moved = false;
            let mut still = Vec::with_capacity(unbegun.len());
            for (task, strand) in unbegun.drain(..) {
                let Some(operands) = columns.operands(task.operation) else {
                    still.push((task, strand));
                    continue;
                };
                let mut strand = strand;
                let (operation, input) = (task.operation, task.input);
                running.push((
                    task.index,
                    Box::pin(async move {
                        let outputs = operation::run(operation, backend, &mut strand, operands, input).await?;
                        Ok((outputs, strand))
                    }),
                ));
                moved = true;
            }
            unbegun = still;
            let mut fault = Ok(());
            running.retain_mut(|(index, future)| {
                if fault.is_err() {
                    return true;
                }
                match future.as_mut().poll(context) {
                    Poll::Pending => true,
                    Poll::Ready(Ok((outputs, strand))) => {
                        columns.put(*index, outputs);
                        ended.push(strand);
                        desk.end(*index);
                        moved = true;
                        false
                    }
                    Poll::Ready(Err(failure)) => {
                        desk.at(Phase::Operation(*index));
                        fault = Err(failure);
                        false
                    }
                }
            });
            fault?;
            if running.is_empty() && unbegun.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                if let Some((index, _)) = running.first() {
                    desk.at(Phase::Operation(*index));
                }
                return Poll::Pending;
            }
        }
    })
    .await;
    drop(running);
    polled?;
    io.rejoin(ended);
    Ok(())
}
