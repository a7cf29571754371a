//! Runs a program on a back end: every operation as soon as its operands are there, all of a round together.
//!
//! Nothing is opened before every operation has ended and the back end has verified them all, in one check. Operations that open
//! something of their own on the way (a sort opens its shuffled digits) run alone, so that all parties check the same things at the same time.

mod operation;

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::domain::Values;
use crate::engine::{Backend, Column, Failure, Io, checked, join_all};
use crate::program::{Node, Operation, Program};

/// What a program gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What each [`Operation::Open`] opened, in order; nothing where it opened to another party.
    pub opened: Vec<Option<Values>>,
    /// This party's share of all that is given to the recipients ([`Backend::hand_out`]), where anything is.
    pub share: Option<Vec<u8>>,
}

/// Runs `program`. `lengths` are those of all inputs, in the order of [`Program::inputs`], agreed beforehand; `inputs` are this
/// party's own, nothing for the others'.
///
/// # Errors
/// Where inputs or lengths do not fit the program, and all that ends a session.
pub async fn run(
    program: &Program,
    backend: &dyn Backend,
    mut io: Io,
    lengths: &[usize],
    inputs: Vec<Option<Values>>,
) -> Result<Outcome, Failure> {
    let count = program.inputs().count();
    if lengths.len() != count || inputs.len() != count {
        return Err(Failure::Program("each input has a length, and a place for its values"));
    }
    let columns = compute(program, backend, &mut io, lengths, &inputs).await?;
    release(program, backend, &mut io, &columns).await
}

/// All columns, by operation and output.
async fn compute(
    program: &Program,
    backend: &dyn Backend,
    io: &mut Io,
    lengths: &[usize],
    inputs: &[Option<Values>],
) -> Result<Vec<Vec<Column>>, Failure> {
    let operations = program.operations();
    let mut strands = io.split(operations.len()).into_iter();
    let mut places = (0..).zip(lengths.iter().zip(inputs));
    let mut waiting: Vec<Option<Pending<'_>>> = Vec::with_capacity(operations.len());
    for operation in operations {
        let input = if matches!(operation, Operation::Input(..)) { places.next() } else { None };
        let input = input.map(|(_, (len, values))| (*len, values.as_ref()));
        let strand = strands.next().expect("a strand for each operation");
        waiting.push(Some(Pending { operation, input, strand }));
    }
    let mut columns: Vec<Option<Vec<Column>>> = vec![None; operations.len()];
    let mut begin = 0;
    while begin < operations.len() {
        // Up to the next operation that runs alone.
        let alone = operation::is_alone(&operations[begin]);
        let end = match alone {
            true => begin + 1,
            false => {
                (begin..operations.len()).find(|at| operation::is_alone(&operations[*at])).unwrap_or(operations.len())
            }
        };
        stretch(backend, &mut waiting, &mut columns, begin..end).await?;
        begin = end;
    }
    Ok(columns.into_iter().map(|outputs| outputs.expect("every operation has run")).collect())
}

/// An operation that has not begun.
struct Pending<'a> {
    operation: &'a Operation,
    input: Option<(usize, Option<&'a Values>)>,
    strand: Io,
}

type Running<'a> = (usize, Pin<Box<dyn Future<Output = Result<Vec<Column>, Failure>> + 'a>>);

/// Runs a stretch of operations, each as soon as its operands are there.
async fn stretch<'a>(
    backend: &'a dyn Backend,
    waiting: &mut [Option<Pending<'a>>],
    columns: &mut [Option<Vec<Column>>],
    stretch: std::ops::Range<usize>,
) -> Result<(), Failure> {
    let mut running: Vec<Running<'a>> = Vec::new();
    let mut unbegun: Vec<usize> = stretch.collect();
    std::future::poll_fn(|context: &mut Context<'_>| {
        loop {
            let mut moved = false;
            let mut still = Vec::with_capacity(unbegun.len());
            for index in unbegun.drain(..) {
                let operands = waiting[index].as_ref().map(|pending| operands(pending.operation, columns));
                match operands {
                    Some(Some(operands)) => {
                        let Pending { operation, input, strand } = waiting[index].take().expect("it has not begun");
                        running.push((index, Box::pin(operation::run(operation, backend, strand, operands, input))));
                        moved = true;
                    }
                    _ => still.push(index),
                }
            }
            unbegun = still;
            let mut ended = Ok(());
            running.retain_mut(|(index, future)| match future.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(Ok(outputs)) => {
                    columns[*index] = Some(outputs);
                    moved = true;
                    false
                }
                Poll::Ready(Err(failure)) => {
                    if ended.is_ok() {
                        ended = Err(failure);
                    }
                    false
                }
            });
            ended?;
            if running.is_empty() && unbegun.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if !moved {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// An operation's operands, where all are there.
fn operands(operation: &Operation, columns: &[Option<Vec<Column>>]) -> Option<Vec<Column>> {
    let of =
        |Node(operation, output): &Node| columns.get(*operation as usize)?.as_ref()?.get(usize::from(*output)).cloned();
    operation.operands().iter().map(of).collect()
}

/// Verifies everything, then opens and hands out what the program says.
async fn release(
    program: &Program,
    backend: &dyn Backend,
    io: &mut Io,
    columns: &[Vec<Column>],
) -> Result<Outcome, Failure> {
    let column = |node: &Node| columns[node.0 as usize][usize::from(node.1)].clone();
    let opens: Vec<(Column, Option<u16>)> = program
        .operations()
        .iter()
        .filter_map(|operation| match operation {
            Operation::Open(node, to) => Some((column(node), *to)),
            _ => None,
        })
        .collect();
    let given: Vec<Column> = program
        .operations()
        .iter()
        .filter_map(|operation| match operation {
            Operation::Give(node) => Some(column(node)),
            _ => None,
        })
        .collect();
    let share = match given.is_empty() {
        true => None,
        false => {
            let verified = checked(backend, io, &given).await?;
            Some(backend.hand_out(io, verified).await?)
        }
    };
    if opens.is_empty() {
        return Ok(Outcome { opened: Vec::new(), share });
    }
    // Grouped by target, so that one verification and one round serve all.
    let mut targets: Vec<Option<u16>> = Vec::new();
    for (_, to) in &opens {
        if !targets.contains(to) {
            targets.push(*to);
        }
    }
    let groups: Vec<Vec<Column>> = targets
        .iter()
        .map(|target| opens.iter().filter(|(_, to)| to == target).map(|(column, _)| column.clone()).collect())
        .collect();
    let mut verified = Vec::with_capacity(groups.len());
    for group in &groups {
        // What the first check covered is verified; the later ones have nothing left to do.
        verified.push(checked(backend, io, group).await?);
    }
    let mut strands = io.split(groups.len());
    let opening: Vec<_> = strands
        .iter_mut()
        .zip(verified)
        .zip(&targets)
        .map(|((strand, columns), target)| backend.open(strand, columns, *target))
        .collect();
    let opened = join_all(opening).await?;
    let mut by_target: Vec<_> = opened.into_iter().map(|values| values.map(Vec::into_iter)).collect();
    let mut next = |to: &Option<u16>| {
        let place = targets.iter().position(|target| target == to).expect("every target has a group");
        by_target[place].as_mut().and_then(Iterator::next)
    };
    Ok(Outcome { opened: opens.iter().map(|(_, to)| next(to)).collect(), share })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Domain;
    use crate::engine::local;
    use crate::plain::Plain;
    use crate::program::Builder;

    #[test]
    fn a_program_runs_in_the_clear() {
        let mut program = Builder::new(2);
        let a = program.input(0, Domain::Ring64);
        let b = program.input(1, Domain::Ring64);
        let product = program.mul(a, b);
        let shifted = program.linear(&[(2, product), (-1, a)], 7);
        let total = program.sum(shifted);
        program.open(shifted);
        program.open_to(1, total);
        let program = program.finish().unwrap();
        let results = local::run(1, 3, move |io| {
            let program = program.clone();
            async move {
                let inputs = [[1i64, -2, 3], [4, 5, -6]].map(|row| Some(Values::from_i64(Domain::Ring64, &row)));
                run(&program, &Plain::default(), io, &[3, 3], inputs.to_vec()).await
            }
        });
        let outcome = results.into_iter().next().unwrap().0.unwrap();
        let expected = [14, -11, -32];
        assert!(outcome.opened[0] == Some(Values::from_i64(Domain::Ring64, &expected)));
        assert!(outcome.opened[1] == Some(Values::from_i64(Domain::Ring64, &[expected.iter().sum()])));
    }

    #[test]
    fn inputs_that_do_not_fit_are_refused() {
        let mut program = Builder::new(1);
        let a = program.input(0, Domain::Ring64);
        program.open(a);
        let program = program.finish().unwrap();
        for (lengths, inputs) in [
            (vec![2], vec![Some(Values::from_i64(Domain::Ring64, &[1]))]),
            (vec![1], vec![Some(Values::from_i64(Domain::M61, &[1]))]),
            (vec![], vec![]),
        ] {
            let program = program.clone();
            let results = local::run(1, 3, move |io| {
                let (program, lengths, inputs) = (program.clone(), lengths.clone(), inputs.clone());
                async move { run(&program, &Plain::default(), io, &lengths, inputs).await }
            });
            assert!(matches!(results[0].0, Err(Failure::Program(_))));
        }
    }
}
