//! The columns of a program that is under way.

use std::collections::BTreeMap;

use crate::engine::Column;
use crate::program::{Node, Operation};

/// Columns by the operation that made them and which of its outputs they are.
#[derive(Default)]
pub(super) struct Columns(BTreeMap<(u32, u16), Column>);

impl Columns {
    pub(super) fn get(&self, node: &Node) -> Option<&Column> {
        self.0.get(&(node.0, node.1))
    }

    pub(super) fn put(&mut self, operation: usize, outputs: Vec<Column>) {
        for (output, column) in (0..).zip(outputs) {
            self.0.insert((operation as u32, output), column);
        }
    }

    pub(super) fn insert(&mut self, node: Node, column: Column) {
        self.0.insert((node.0, node.1), column);
    }

    /// An operation's operands, where all are there.
    pub(super) fn operands(&self, operation: &Operation) -> Option<Vec<Column>> {
        operation.operands().iter().map(|node| self.get(node).cloned()).collect()
    }

    /// Lets go of what neither an operation from `done` on reads, nor an opening.
    pub(super) fn forget(&mut self, operations: &[Operation], done: usize) {
        let mut wanted = std::collections::BTreeSet::new();
        for (at, operation) in operations.iter().enumerate() {
            if at >= done || matches!(operation, Operation::Open(..) | Operation::Give(_)) {
                wanted.extend(operation.operands().iter().map(|node| (node.0, node.1)));
            }
        }
        self.0.retain(|node, _| wanted.contains(node));
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Node, &Column)> {
        self.0.iter().map(|((operation, output), column)| (Node(*operation, *output), column))
    }
}
