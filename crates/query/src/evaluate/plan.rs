//! Expressions with their columns looked up and their decimal scales worked out, ready to run row by row.

use std::collections::HashMap;
use std::rc::Rc;

use super::LocalError;
use crate::expression::{Arithmetic, Comparison, Kind, Node};
use crate::program::{Function, Output};
use crate::table::{Numbers, Table, TableError};

/// How an output sees a row.
pub(super) enum Plan {
    /// Every row counts.
    Rows,
    /// Rows count where the expression is not missing.
    Present(Result<Number, Truth>),
    Share(Truth),
    Number(Number),
}

/// A number times `10^scale`.
pub(super) struct Number {
    pub(super) scale: u32,
    formula: Formula,
}

enum Formula {
    Constant(i128),
    Column(Rc<Numbers>),
    Negative(Box<Number>),
    /// Each operand is brought to the sum's scale by its factor; a difference has a negative second factor.
    Sum(Box<[(Number, i128); 2]>),
    Product(Box<[Number; 2]>),
}

/// A condition.
pub(super) enum Truth {
    /// Worked out for each row.
    Known(Vec<Option<bool>>),
    /// Operands and the factors that bring them to one scale.
    Compare(Comparison, Box<[(Number, i128); 2]>),
    Not(Box<Truth>),
    Both(Box<[Truth; 2]>),
    Either(Box<[Truth; 2]>),
}

impl Number {
    /// The value for a row: outer `None` on overflow, inner `None` where missing.
    pub(super) fn at(&self, row: usize) -> Option<Option<i128>> {
        Some(Some(match &self.formula {
            Formula::Constant(value) => *value,
            Formula::Column(numbers) => match numbers.values[row] {
                Some(value) => value.into(),
                None => return Some(None),
            },
            Formula::Negative(a) => match a.at(row)? {
                Some(a) => a.checked_neg()?,
                None => return Some(None),
            },
            Formula::Sum(operands) => match (operands[0].0.at(row)?, operands[1].0.at(row)?) {
                (Some(left), Some(right)) => {
                    left.checked_mul(operands[0].1)?.checked_add(right.checked_mul(operands[1].1)?)?
                }
                _ => return Some(None),
            },
            Formula::Product(operands) => match (operands[0].at(row)?, operands[1].at(row)?) {
                (Some(left), Some(right)) => left.checked_mul(right)?,
                _ => return Some(None),
            },
        }))
    }
}

impl Truth {
    /// The value for a row, in the logic of Kleene: outer `None` on overflow, inner `None` where unknown.
    pub(super) fn at(&self, row: usize) -> Option<Option<bool>> {
        Some(match self {
            Self::Known(values) => values[row],
            Self::Compare(comparison, operands) => {
                let [a, b] = operands.as_ref();
                match (a.0.at(row)?, b.0.at(row)?) {
                    (Some(left), Some(right)) => {
                        Some(comparison.holds(left.checked_mul(a.1)?.cmp(&right.checked_mul(b.1)?)))
                    }
                    _ => None,
                }
            }
            Self::Not(a) => a.at(row)?.map(|value| !value),
            Self::Both(operands) => join(operands[0].at(row)?, operands[1].at(row)?, false),
            Self::Either(operands) => join(operands[0].at(row)?, operands[1].at(row)?, true),
        })
    }
}

/// `decisive` wins over everything, unknown over the other value.
fn join(a: Option<bool>, b: Option<bool>, decisive: bool) -> Option<bool> {
    if a == Some(decisive) || b == Some(decisive) {
        return Some(decisive);
    }
    (a.is_some() && b.is_some()).then_some(!decisive)
}

/// Looks up columns, each once.
pub(super) struct Reader<'a> {
    table: &'a Table,
    numbers: HashMap<String, Rc<Numbers>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self { table, numbers: HashMap::new() }
    }

    pub(super) fn plan(&mut self, output: &Output) -> Result<Plan, LocalError> {
        let Some(expression) = &output.expression else { return Ok(Plan::Rows) };
        let node = expression.node();
        Ok(match (output.function, expression.kind()) {
            (Function::Count, Kind::Number) => Plan::Present(Ok(self.number(node)?)),
            (Function::Count, Kind::Truth) => Plan::Present(Err(self.truth(node)?)),
            (_, Kind::Truth) => Plan::Share(self.truth(node)?),
            (_, Kind::Number) => Plan::Number(self.number(node)?),
        })
    }

    pub(super) fn truth(&mut self, node: &Node) -> Result<Truth, LocalError> {
        Ok(match node {
            Node::Compare(comparison, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                Truth::Compare(*comparison, Box::new(aligned(a, b, 1)?.1))
            }
            Node::Matches { column, text, equal } => {
                let matches = |cell: &str| (!cell.is_empty()).then(|| (cell == text) == *equal);
                Truth::Known(self.table.cells(column)?.map(matches).collect())
            }
            Node::Missing { column, missing } => {
                Truth::Known(self.table.cells(column)?.map(|cell| Some(cell.is_empty() == *missing)).collect())
            }
            Node::Not(a) => Truth::Not(self.truth(a)?.into()),
            Node::Both(a, b) => Truth::Both(Box::new([self.truth(a)?, self.truth(b)?])),
            Node::Either(a, b) => Truth::Either(Box::new([self.truth(a)?, self.truth(b)?])),
            Node::Number(_) | Node::Column(_) | Node::Negative(_) | Node::Arithmetic(..) => {
                unreachable!("the parser puts no number here")
            }
        })
    }

    fn number(&mut self, node: &Node) -> Result<Number, LocalError> {
        Ok(match node {
            Node::Number(decimal) => {
                Number { scale: decimal.scale.into(), formula: Formula::Constant(decimal.mantissa.into()) }
            }
            Node::Column(name) => {
                let numbers = self.column(name)?;
                Number { scale: numbers.scale.into(), formula: Formula::Column(numbers) }
            }
            Node::Negative(a) => {
                let a = self.number(a)?;
                Number { scale: a.scale, formula: Formula::Negative(a.into()) }
            }
            Node::Arithmetic(Arithmetic::Multiply, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                Number { scale: a.scale + b.scale, formula: Formula::Product(Box::new([a, b])) }
            }
            Node::Arithmetic(operation, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                let (scale, operands) = aligned(a, b, if *operation == Arithmetic::Add { 1 } else { -1 })?;
                Number { scale, formula: Formula::Sum(operands.into()) }
            }
            _ => unreachable!("the parser puts no condition here"),
        })
    }

    fn column(&mut self, name: &str) -> Result<Rc<Numbers>, TableError> {
        if let Some(known) = self.numbers.get(name) {
            return Ok(known.clone());
        }
        let numbers = Rc::new(self.table.numbers(name)?);
        self.numbers.insert(name.into(), numbers.clone());
        Ok(numbers)
    }
}

/// Two operands with the factors that bring them to the finer scale, the second one's times `sign`.
fn aligned(a: Number, b: Number, sign: i128) -> Result<(u32, [(Number, i128); 2]), LocalError> {
    let scale = a.scale.max(b.scale);
    let factor =
        |own| 10i128.checked_pow(scale - own).ok_or_else(|| LocalError::Overflow { part: "an expression".into() });
    let factors = (factor(a.scale)?, factor(b.scale)? * sign);
    Ok((scale, [(a, factors.0), (b, factors.1)]))
}
