//! Builds a program by calls; faults come out at the end.

use crate::domain::Domain;

use super::{Error, Node, Operation, Program, Term};

/// A column of numbers in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers(Node);

/// A column of truth values in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truths(Node);

/// Any column.
pub trait Handle: Copy {
    /// Its place in the program.
    fn node(self) -> Node;
}

impl Handle for Numbers {
    fn node(self) -> Node {
        self.0
    }
}

impl Handle for Truths {
    fn node(self) -> Node {
        self.0
    }
}

/// A program in the making.
#[derive(Debug)]
pub struct Builder {
    parties: u16,
    operations: Vec<Operation>,
}

impl Builder {
    /// For so many parties that hold inputs.
    pub const fn new(parties: u16) -> Self {
        Self { parties, operations: Vec::new() }
    }

    /// The program, checked.
    ///
    /// # Errors
    /// The first operation whose operands do not suit it, or [`Error::Silent`] where nothing is opened.
    pub fn finish(self) -> Result<Program, Error> {
        Program::new(self.parties, self.operations)
    }

    fn push(&mut self, operation: Operation) -> Node {
        self.operations.push(operation);
        Node(u32::try_from(self.operations.len() - 1).unwrap_or(u32::MAX), 0)
    }

    fn numbers(&mut self, operation: Operation) -> Numbers {
        Numbers(self.push(operation))
    }

    fn truths(&mut self, operation: Operation) -> Truths {
        Truths(self.push(operation))
    }

    /// Numbers that `party` holds.
    pub fn input(&mut self, party: u16, domain: Domain) -> Numbers {
        self.numbers(Operation::Input(party, domain.into()))
    }

    /// Truth values that `party` holds.
    pub fn input_truths(&mut self, party: u16) -> Truths {
        self.truths(Operation::Input(party, Domain::Bits.into()))
    }

    /// As many times `value` as `like` has rows.
    pub fn constant_like(&mut self, like: Numbers, value: i64) -> Numbers {
        self.numbers(Operation::Constant(like.0, value))
    }

    /// `Σ factor · column + constant`.
    pub fn linear(&mut self, terms: &[(i64, Numbers)], constant: i64) -> Numbers {
        let terms = terms.iter().map(|(factor, column)| Term { factor: *factor, column: column.0 }).collect();
        self.numbers(Operation::Linear(terms, constant))
    }

    /// Sum of two.
    pub fn add(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.linear(&[(1, a), (1, b)], 0)
    }

    /// Difference of two.
    pub fn sub(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.linear(&[(1, a), (-1, b)], 0)
    }

    /// Products, row by row.
    pub fn mul(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Mul(a.0, b.0))
    }

    /// The inner product.
    pub fn dot(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Dot(a.0, b.0))
    }

    /// The product of matrices `rows × inner` and `inner × columns`, both by rows.
    pub fn matmul(&mut self, a: Numbers, b: Numbers, [rows, inner, columns]: [u32; 3]) -> Numbers {
        self.numbers(Operation::Matmul(a.0, b.0, rows, inner, columns))
    }

    /// The sum of all rows.
    pub fn sum(&mut self, a: Numbers) -> Numbers {
        self.numbers(Operation::Sum(a.0))
    }

    /// Each row plus all before it.
    pub fn prefix_sum(&mut self, a: Numbers) -> Numbers {
        self.numbers(Operation::PrefixSum(a.0))
    }

    /// Conjunction.
    pub fn and(&mut self, a: Truths, b: Truths) -> Truths {
        self.truths(Operation::And(a.0, b.0))
    }

    /// Exclusive or.
    pub fn xor(&mut self, a: Truths, b: Truths) -> Truths {
        self.truths(Operation::Xor(a.0, b.0))
    }

    /// Negation.
    pub fn not(&mut self, a: Truths) -> Truths {
        self.truths(Operation::Not(a.0))
    }

    /// Whether `a < b`.
    pub fn less(&mut self, a: Numbers, b: Numbers) -> Truths {
        self.truths(Operation::Less(a.0, b.0))
    }

    /// Whether `a <= b`.
    pub fn at_most(&mut self, a: Numbers, b: Numbers) -> Truths {
        let more = self.less(b, a);
        self.not(more)
    }

    /// Whether `a = b`.
    pub fn equal(&mut self, a: Numbers, b: Numbers) -> Truths {
        self.truths(Operation::Equal(a.0, b.0))
    }

    /// `a` where `condition`, else `b`.
    pub fn select(&mut self, condition: Truths, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Select(condition.0, a.0, b.0))
    }

    /// The smaller.
    pub fn min(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Min(a.0, b.0))
    }

    /// The larger.
    pub fn max(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Max(a.0, b.0))
    }

    /// Without its sign.
    pub fn abs(&mut self, a: Numbers) -> Numbers {
        self.numbers(Operation::Abs(a.0))
    }

    /// The floor of the quotient by a public number.
    pub fn div_public(&mut self, a: Numbers, divisor: u64) -> Numbers {
        self.numbers(Operation::DivPublic(a.0, divisor))
    }

    /// The floor of the quotient.
    pub fn div(&mut self, a: Numbers, b: Numbers) -> Numbers {
        self.numbers(Operation::Div(a.0, b.0))
    }

    /// The floor of the square root.
    pub fn sqrt(&mut self, a: Numbers) -> Numbers {
        self.numbers(Operation::Sqrt(a.0))
    }

    /// Product of fixed-point numbers with `scale` fractional bits.
    pub fn mul_fixed(&mut self, a: Numbers, b: Numbers, scale: u32) -> Numbers {
        self.numbers(Operation::MulFixed(a.0, b.0, scale))
    }

    /// The same numbers in another domain.
    pub fn convert(&mut self, a: Numbers, domain: Domain) -> Numbers {
        self.numbers(Operation::Convert(a.0, domain.into()))
    }

    /// One where true, zero where false.
    pub fn to_number(&mut self, a: Truths, domain: Domain) -> Numbers {
        self.numbers(Operation::ToNumber(a.0, domain.into()))
    }

    /// All columns in one secret random order.
    pub fn shuffle(&mut self, columns: &[Numbers]) -> Vec<Numbers> {
        let Node(operation, _) = self.push(Operation::Shuffle(columns.iter().map(|column| column.0).collect()));
        (0..columns.len()).map(|output| Numbers(Node(operation, output as u16))).collect()
    }

    /// The key ascending and the payload along with it; the key comes first.
    pub fn sort(&mut self, key: Numbers, payload: &[Numbers]) -> Vec<Numbers> {
        let Node(operation, _) = self.push(Operation::Sort(key.0, payload.iter().map(|column| column.0).collect()));
        (0..=payload.len()).map(|output| Numbers(Node(operation, output as u16))).collect()
    }

    /// Each row plus all before it in its segment; a true flag begins a segment, and its last row has its sum.
    pub fn segmented_sum(&mut self, flags: Truths, a: Numbers) -> Numbers {
        self.numbers(Operation::SegmentedSum(flags.0, a.0))
    }

    /// Opens a column to all parties.
    pub fn open(&mut self, column: impl Handle) {
        self.push(Operation::Open(column.node(), None));
    }

    /// Opens a column to one party.
    pub fn open_to(&mut self, party: u16, column: impl Handle) {
        self.push(Operation::Open(column.node(), Some(party)));
    }

    /// Gives a column to the computation's recipients, who are no parties.
    pub fn give(&mut self, column: impl Handle) {
        self.push(Operation::Give(column.node()));
    }
}
