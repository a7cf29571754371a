//! What is yet to be checked: products, by operation.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::engine::OpId;

use super::field::Lane;
use super::{Held, Shamir};

/// Statements in the order of operations, which is the same at all parties whatever finished first.
#[derive(Default)]
pub(crate) struct Ledger {
    statements: BTreeMap<OpId, Box<dyn Any>>,
}

/// How operands make results.
#[derive(Clone, Copy)]
pub(crate) enum Relation {
    /// Element by element.
    Products,
    /// Inner products of stretches of so many lanes.
    Groups(usize),
    /// The matrix product of this shape.
    Matrix([usize; 3]),
}

/// What a check is to confirm: `out` is the product.
pub(crate) struct Statement<L: Lane> {
    pub(crate) left: Held<L>,
    pub(crate) right: Held<L>,
    pub(crate) out: Held<L>,
    pub(crate) relation: Relation,
}

impl Ledger {
    /// The statements about one kind of lane.
    pub(crate) fn of<L: Lane>(&self) -> Vec<&Statement<L>> {
        self.statements.values().filter_map(|statement| statement.downcast_ref()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    fn note<L: Lane>(&mut self, op: OpId, statement: Statement<L>) {
        let before = self.statements.insert(op, Box::new(statement));
        debug_assert!(before.is_none(), "an operation's number is taken once");
    }
}

impl Shamir {
    pub(crate) fn note_products<L: Lane>(
        &self,
        op: OpId,
        left: &Held<L>,
        right: &Held<L>,
        out: &Held<L>,
        relation: Relation,
    ) {
        if self.is_malicious() && !out.0.is_empty() {
            let (left, right, out) = (Rc::clone(left), Rc::clone(right), Rc::clone(out));
            self.ledger.borrow_mut().note(op, Statement { left, right, out, relation });
        }
    }
}
