//! Expressions over the columns of one row: exact decimals, texts, truth with missing values.

mod parse;

use std::collections::BTreeSet;
use std::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

pub use parse::ParseError;

/// A checked expression. Its one spelling is what `Display` prints; `docs/spec/program.md` has the grammar.
///
/// ```
/// let expression: query::Expression = "(cd420-cd40)>=0.50 and arms is not missing".parse()?;
/// assert_eq!(expression.to_string(), "cd420 - cd40 >= 0.5 and arms is not missing");
/// # Ok::<(), query::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    node: Node,
    kind: Kind,
}

/// What an expression yields for a row, unless that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A decimal number.
    Number,
    /// True or false.
    Truth,
}

impl Expression {
    /// What it yields.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The columns it reads.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        self.node.visit(&mut |node| {
            if let Node::Column(name) | Node::Matches { column: name, .. } | Node::Missing { column: name, .. } = node {
                found.insert(name.as_str());
            }
        });
        found
    }

    pub(crate) const fn node(&self) -> &Node {
        &self.node
    }
}

/// Bytes of the longest expression, as written and as printed.
pub(crate) const MAX_TEXT: usize = 1024;

/// Parts (columns, constants, operators) of the largest expression.
pub(crate) const MAX_NODES: usize = 128;

/// A part of an expression. The parser only makes well-kinded ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Number(Decimal),
    /// A column read as numbers.
    Column(String),
    Negative(Box<Node>),
    Arithmetic(Arithmetic, Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// A column read as text, compared with a constant.
    Matches {
        column: String,
        text: String,
        equal: bool,
    },
    /// Whether a cell is empty.
    Missing {
        column: String,
        missing: bool,
    },
    Not(Box<Node>),
    Both(Box<Node>, Box<Node>),
    Either(Box<Node>, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// `mantissa · 10^-scale`, without trailing zeros behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) mantissa: i64,
    pub(crate) scale: u8,
}

impl Decimal {
    /// Reads `-?digits(.digits)?` with at most 18 digits after leading zeros, 9 of them behind the point.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        if whole.is_empty() || part.is_empty() {
            return None;
        }
        let part = part.trim_end_matches('0');
        let mut mantissa = 0i64;
        for byte in whole.bytes().chain(part.bytes()) {
            if !byte.is_ascii_digit() || mantissa >= 10i64.pow(17) {
                return None;
            }
            mantissa = mantissa * 10 + i64::from(byte - b'0');
        }
        let scale = u8::try_from(part.len()).ok().filter(|scale| *scale <= MAX_SCALE)?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }
}

/// Most digits behind the point of a cell or constant.
pub(crate) const MAX_SCALE: u8 = 9;

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let (digits, scale) = (self.mantissa.unsigned_abs(), usize::from(self.scale));
        match scale {
            0 => write!(f, "{sign}{digits}"),
            _ => write!(
                f,
                "{sign}{}.{:0scale$}",
                digits / 10u64.pow(self.scale.into()),
                digits % 10u64.pow(self.scale.into())
            ),
        }
    }
}

impl Node {
    fn visit<'a>(&'a self, seen: &mut impl FnMut(&'a Self)) {
        seen(self);
        match self {
            Self::Negative(a) | Self::Not(a) => a.visit(seen),
            Self::Arithmetic(_, a, b) | Self::Compare(_, a, b) | Self::Both(a, b) | Self::Either(a, b) => {
                a.visit(seen);
                b.visit(seen);
            }
            _ => {}
        }
    }

    /// How tightly it binds; an operand that binds less tightly than its place demands is put in parentheses.
    const fn binding(&self) -> u8 {
        match self {
            Self::Either(..) => 0,
            Self::Both(..) => 1,
            Self::Not(_) => 2,
            Self::Compare(..) | Self::Matches { .. } | Self::Missing { .. } => 3,
            Self::Arithmetic(Arithmetic::Add | Arithmetic::Subtract, ..) => 4,
            Self::Arithmetic(Arithmetic::Multiply, ..) => 5,
            Self::Negative(_) => 6,
            Self::Number(_) | Self::Column(_) => 7,
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, least: u8) -> fmt::Result {
        if self.binding() < least {
            f.write_str("(")?;
            self.print(f, 0)?;
            return f.write_str(")");
        }
        let mut pair = |a: &Self, operator: &str, b: &Self, left: u8, right: u8| {
            a.print(f, left)?;
            write!(f, " {operator} ")?;
            b.print(f, right)
        };
        match self {
            Self::Either(a, b) => pair(a, "or", b, 0, 1),
            Self::Both(a, b) => pair(a, "and", b, 1, 2),
            Self::Compare(comparison, a, b) => pair(a, comparison.sign(), b, 4, 4),
            Self::Arithmetic(Arithmetic::Add, a, b) => pair(a, "+", b, 4, 5),
            Self::Arithmetic(Arithmetic::Subtract, a, b) => pair(a, "-", b, 4, 5),
            Self::Arithmetic(Arithmetic::Multiply, a, b) => pair(a, "*", b, 5, 6),
            Self::Not(a) => {
                f.write_str("not ")?;
                a.print(f, 2)
            }
            Self::Negative(a) => {
                f.write_str("-")?;
                a.print(f, 6)
            }
            Self::Number(number) => write!(f, "{number}"),
            Self::Column(name) => print_name(f, name),
            Self::Matches { column, text, equal } => {
                print_name(f, column)?;
                write!(f, " {} '{}'", if *equal { "=" } else { "!=" }, text.replace('\'', "''"))
            }
            Self::Missing { column, missing } => {
                print_name(f, column)?;
                f.write_str(if *missing { " is missing" } else { " is not missing" })
            }
        }
    }
}

impl Comparison {
    const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Bare where the name reads as one word, otherwise in double quotes.
fn print_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if parse::is_word(name) { f.write_str(name) } else { write!(f, "\"{}\"", name.replace('"', "\"\"")) }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.print(f, 0)
    }
}

impl std::str::FromStr for Expression {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (node, kind) = parse::parse(text)?;
        let expression = Self { node, kind };
        // The printed form is what is signed and read again, so it obeys the bound as well.
        if expression.to_string().len() > MAX_TEXT {
            return Err(ParseError { at: 0, what: format!("the expression is longer than {MAX_TEXT} bytes") });
        }
        Ok(expression)
    }
}

impl<C> Encode<C> for Expression {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.to_string())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Expression {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        d.str()?.parse().map_err(|error: ParseError| decode::Error::message(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
