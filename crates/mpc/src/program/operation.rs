//! What a program can do, and which operands each operation takes.

use minicbor::{Decode, Encode};

use crate::domain::Domain;

use super::Error;

/// An output of an earlier operation: which operation, which of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(array)]
pub struct Node(#[n(0)] pub u32, #[n(1)] pub u16);

/// A public factor of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Term {
    /// The factor.
    #[n(0)]
    pub factor: i64,
    /// The column.
    #[n(1)]
    pub column: Node,
}

/// A domain as programs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// [`Domain::Ring64`].
    #[n(0)]
    Ring64,
    /// [`Domain::Ring128`].
    #[n(1)]
    Ring128,
    /// [`Domain::M61`].
    #[n(2)]
    M61,
    /// [`Domain::P127`].
    #[n(3)]
    P127,
    /// [`Domain::Bits`].
    #[n(4)]
    Bits,
}

impl From<Kind> for Domain {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ring64 => Self::Ring64,
            Kind::Ring128 => Self::Ring128,
            Kind::M61 => Self::M61,
            Kind::P127 => Self::P127,
            Kind::Bits => Self::Bits,
        }
    }
}

impl From<Domain> for Kind {
    fn from(domain: Domain) -> Self {
        match domain {
            Domain::Ring64 => Self::Ring64,
            Domain::Ring128 => Self::Ring128,
            Domain::M61 => Self::M61,
            Domain::P127 => Self::P127,
            Domain::Bits => Self::Bits,
        }
    }
}

/// One step over whole columns. Numbers are signed integers of a ring or field; what each operation means at the edges is in
/// `docs/spec/mpc/operations.md`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Operation {
    /// A column that a party holds.
    #[n(0)]
    Input(#[n(0)] u16, #[n(1)] Kind),
    /// As many times this number as the column has rows.
    #[n(1)]
    Constant(#[n(0)] Node, #[n(1)] i64),
    /// `Σ factor · column + constant`.
    #[n(2)]
    Linear(#[n(0)] Vec<Term>, #[n(1)] i64),
    /// Products.
    #[n(3)]
    Mul(#[n(0)] Node, #[n(1)] Node),
    /// The inner product: one number.
    #[n(4)]
    Dot(#[n(0)] Node, #[n(1)] Node),
    /// The matrix product, by rows: rows, inner, columns.
    #[n(5)]
    Matmul(#[n(0)] Node, #[n(1)] Node, #[n(2)] u32, #[n(3)] u32, #[n(4)] u32),
    /// The sum: one number.
    #[n(6)]
    Sum(#[n(0)] Node),
    /// Each row plus all before it.
    #[n(7)]
    PrefixSum(#[n(0)] Node),
    /// Conjunction.
    #[n(8)]
    And(#[n(0)] Node, #[n(1)] Node),
    /// Exclusive or.
    #[n(9)]
    Xor(#[n(0)] Node, #[n(1)] Node),
    /// Negation.
    #[n(10)]
    Not(#[n(0)] Node),
    /// Whether the first is less.
    #[n(11)]
    Less(#[n(0)] Node, #[n(1)] Node),
    /// Whether they are equal.
    #[n(12)]
    Equal(#[n(0)] Node, #[n(1)] Node),
    /// The second where the first is true, else the third.
    #[n(13)]
    Select(#[n(0)] Node, #[n(1)] Node, #[n(2)] Node),
    /// The smaller.
    #[n(14)]
    Min(#[n(0)] Node, #[n(1)] Node),
    /// The larger.
    #[n(15)]
    Max(#[n(0)] Node, #[n(1)] Node),
    /// Without its sign.
    #[n(16)]
    Abs(#[n(0)] Node),
    /// The floor of the quotient by a public number above zero.
    #[n(17)]
    DivPublic(#[n(0)] Node, #[n(1)] u64),
    /// The floor of the quotient of integers. By zero it is without meaning.
    #[n(18)]
    Div(#[n(0)] Node, #[n(1)] Node),
    /// The floor of the square root.
    #[n(19)]
    Sqrt(#[n(0)] Node),
    /// Product of fixed-point numbers with so many fractional bits, rounded down.
    #[n(20)]
    MulFixed(#[n(0)] Node, #[n(1)] Node, #[n(2)] u32),
    /// The same numbers in another domain; they must fit it.
    #[n(21)]
    Convert(#[n(0)] Node, #[n(1)] Kind),
    /// True as one, false as zero.
    #[n(22)]
    ToNumber(#[n(0)] Node, #[n(1)] Kind),
    /// All columns in one secret random order.
    #[n(23)]
    Shuffle(#[n(0)] Vec<Node>),
    /// The key ascending, and the payload along with it; equal keys keep their order.
    #[n(24)]
    Sort(#[n(0)] Node, #[n(1)] Vec<Node>),
    /// Each row plus all before it in its segment; a true flag begins a segment.
    #[n(25)]
    SegmentedSum(#[n(0)] Node, #[n(1)] Node),
    /// Opens a column to all parties, or to one.
    #[n(26)]
    Open(#[n(0)] Node, #[n(1)] Option<u16>),
    /// Gives a column to the computation's recipients, who are no parties: each party hands out its share.
    #[n(27)]
    Give(#[n(0)] Node),
}

impl Operation {
    /// The columns it reads.
    pub fn operands(&self) -> Vec<Node> {
        match self {
            Self::Input(..) => vec![],
            Self::Constant(a, _)
            | Self::Sum(a)
            | Self::PrefixSum(a)
            | Self::Not(a)
            | Self::Abs(a)
            | Self::DivPublic(a, _)
            | Self::Sqrt(a)
            | Self::Convert(a, _)
            | Self::ToNumber(a, _)
            | Self::Open(a, _)
            | Self::Give(a) => vec![*a],
            Self::Mul(a, b)
            | Self::Dot(a, b)
            | Self::Matmul(a, b, ..)
            | Self::And(a, b)
            | Self::Xor(a, b)
            | Self::Less(a, b)
            | Self::Equal(a, b)
            | Self::Min(a, b)
            | Self::Max(a, b)
            | Self::Div(a, b)
            | Self::MulFixed(a, b, _)
            | Self::SegmentedSum(a, b) => vec![*a, *b],
            Self::Select(a, b, c) => vec![*a, *b, *c],
            Self::Linear(terms, _) => terms.iter().map(|term| term.column).collect(),
            Self::Shuffle(columns) => columns.clone(),
            Self::Sort(key, payload) => std::iter::once(*key).chain(payload.iter().copied()).collect(),
        }
    }

    /// What it is called in messages: the [`super::Builder`]'s name for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Input(..) => "input",
            Self::Constant(..) => "constant",
            Self::Linear(..) => "linear",
            Self::Mul(..) => "mul",
            Self::Dot(..) => "dot",
            Self::Matmul(..) => "matmul",
            Self::Sum(_) => "sum",
            Self::PrefixSum(_) => "prefix_sum",
            Self::And(..) => "and",
            Self::Xor(..) => "xor",
            Self::Not(_) => "not",
            Self::Less(..) => "less",
            Self::Equal(..) => "equal",
            Self::Select(..) => "select",
            Self::Min(..) => "min",
            Self::Max(..) => "max",
            Self::Abs(_) => "abs",
            Self::DivPublic(..) => "div_public",
            Self::Div(..) => "div",
            Self::Sqrt(_) => "sqrt",
            Self::MulFixed(..) => "mul_fixed",
            Self::Convert(..) => "convert",
            Self::ToNumber(..) => "to_number",
            Self::Shuffle(_) => "shuffle",
            Self::Sort(..) => "sort",
            Self::SegmentedSum(..) => "segmented_sum",
            Self::Open(..) => "open",
            Self::Give(_) => "give",
        }
    }

    /// The domains of its outputs, from those of its operands.
    pub(super) fn kinds(
        &self,
        parties: u16,
        of: impl Fn(&Node) -> Result<Domain, Error>,
        index: usize,
    ) -> Result<Vec<Domain>, Error> {
        let wrong = |what| Error::Kind { index, what };
        let number = |node: &Node| match of(node)? {
            Domain::Bits => Err(wrong("numbers are expected, not truth values")),
            domain => Ok(domain),
        };
        let truth = |node: &Node| match of(node)? {
            Domain::Bits => Ok(Domain::Bits),
            _ => Err(wrong("truth values are expected, not numbers")),
        };
        let alike = |a: &Node, b: &Node| match (number(a)?, number(b)?) {
            (a, b) if a == b => Ok(a),
            _ => Err(wrong("both operands live in one domain")),
        };
        let party = |party: u16| if party < parties { Ok(()) } else { Err(wrong("a party is below their number")) };
        let target = |kind: Kind| match Domain::from(kind) {
            Domain::Bits => Err(wrong("a domain of numbers is expected")),
            domain => Ok(domain),
        };
        Ok(match self {
            Self::Input(holder, kind) => {
                party(*holder)?;
                vec![(*kind).into()]
            }
            Self::Linear(terms, _) => {
                let first = terms.first().ok_or_else(|| wrong("a linear combination has a term"))?;
                for term in terms {
                    alike(&first.column, &term.column)?;
                }
                vec![number(&first.column)?]
            }
            Self::Matmul(a, b, rows, inner, columns) => {
                if [rows, inner, columns].iter().any(|side| **side == 0 || **side > MAX_SIDE) {
                    return Err(wrong("a matrix has sides of 1 to 2^24"));
                }
                vec![alike(a, b)?]
            }
            Self::Mul(a, b) | Self::Dot(a, b) | Self::Min(a, b) | Self::Max(a, b) | Self::Div(a, b) => {
                vec![alike(a, b)?]
            }
            Self::MulFixed(a, b, scale) => {
                let domain = alike(a, b)?;
                if *scale >= domain.width() / 2 {
                    return Err(wrong("fractional bits take less than half of the domain"));
                }
                vec![domain]
            }
            Self::Sum(a) | Self::PrefixSum(a) | Self::Abs(a) | Self::Sqrt(a) => vec![number(a)?],
            Self::DivPublic(a, divisor) => {
                if *divisor == 0 || *divisor > i64::MAX as u64 {
                    return Err(wrong("a public divisor is 1 to 2^63 − 1"));
                }
                vec![number(a)?]
            }
            Self::Constant(like, _) => vec![number(like)?],
            Self::And(a, b) | Self::Xor(a, b) => {
                truth(a)?;
                vec![truth(b)?]
            }
            Self::Not(a) => vec![truth(a)?],
            Self::Less(a, b) | Self::Equal(a, b) => {
                alike(a, b)?;
                vec![Domain::Bits]
            }
            Self::Select(condition, a, b) => {
                truth(condition)?;
                vec![alike(a, b)?]
            }
            Self::Convert(a, kind) => {
                number(a)?;
                vec![target(*kind)?]
            }
            Self::ToNumber(a, kind) => {
                truth(a)?;
                vec![target(*kind)?]
            }
            Self::Shuffle(columns) => {
                if columns.is_empty() {
                    return Err(wrong("something is shuffled"));
                }
                columns.iter().map(&of).collect::<Result<_, _>>()?
            }
            Self::Sort(key, payload) => {
                let rest = payload.iter().map(&of).collect::<Result<Vec<_>, _>>()?;
                std::iter::once(number(key)?).chain(rest).collect()
            }
            Self::SegmentedSum(flags, a) => {
                truth(flags)?;
                vec![number(a)?]
            }
            Self::Open(a, to) => {
                to.iter().try_for_each(|to| party(*to))?;
                of(a)?;
                vec![]
            }
            Self::Give(a) => {
                of(a)?;
                vec![]
            }
        })
    }
}

const MAX_SIDE: u32 = 1 << 24;
