//! The ways out of a program: verifies everything, then opens and hands out what it says.

use crate::engine::{Backend, Column, Failure, Io, checked, join_all};
use crate::program::{Node, Operation};

use super::Outcome;
use super::columns::Columns;

/// Does the openings and gifts among operations.
pub(super) async fn release(
    operations: &[&Operation],
    backend: &dyn Backend,
    io: &mut Io,
    columns: &Columns,
) -> Result<Outcome, Failure> {
    let column = |node: &Node| columns.get(node).cloned().ok_or(Failure::Program("what is opened was computed"));
    let mut opens: Vec<(Column, Option<u16>)> = Vec::new();
    let mut given: Vec<Column> = Vec::new();
    for operation in operations {
        match operation {
            Operation::Open(node, to) => opens.push((column(node)?, *to)),
            Operation::Give(node) => given.push(column(node)?),
            _ => {}
        }
    }
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
    io.rejoin(strands);
    let mut by_target: Vec<_> = opened.into_iter().map(|values| values.map(Vec::into_iter)).collect();
    let mut next = |to: &Option<u16>| {
        let place = targets.iter().position(|target| target == to).expect("every target has a group");
        by_target[place].as_mut().and_then(Iterator::next)
    };
    Ok(Outcome { opened: opens.iter().map(|(_, to)| next(to)).collect(), share })
}
