//! One operation of a program, by the back end or the circuits over it.

use crate::circuit::{Fixed, Key, Order, Range, choose, compare, convert, divide, fixed, segment, sort};
use crate::domain::{Domain, Element, M61, P127, Values};
use crate::engine::{Backend, Column, Failure, Io, Scalar, Truncation};
use crate::program::{Operation, Term};

use super::schedule::Input;

/// Whether an operation opens something of its own on the way, and so runs alone.
pub(super) const fn is_alone(operation: &Operation) -> bool {
    matches!(operation, Operation::Sort(..) | Operation::Equal(..))
}

/// Runs an operation on its operands; `input` is the length, and this party's values where they are its own.
pub(super) async fn run(
    operation: &Operation,
    backend: &dyn Backend,
    io: &mut Io,
    operands: Vec<Column>,
    input: Option<Input<'_>>,
) -> Result<Vec<Column>, Failure> {
    let operand = |place: usize| operands.get(place).ok_or(Failure::Program("an operation has its operands"));
    let first = || operand(0);
    let column = match operation {
        Operation::Input(party, kind) => {
            let (len, values) = input.ok_or(Failure::Program("an input has a length"))?;
            let domain = Domain::from(*kind);
            if values.is_some_and(|values| (values.domain(), values.len()) != (domain, len)) {
                return Err(Failure::Program("an input has the domain and length that were agreed"));
            }
            backend.input(io, *party, domain, len, values).await?
        }
        Operation::Constant(_, value) => {
            let like = first()?;
            backend.public(&repeated(like.domain(), *value, like.len()))?
        }
        Operation::Linear(terms, constant) => {
            let factors = terms.iter().map(|Term { factor, .. }| Scalar::from(*factor));
            let terms: Vec<(Scalar, &Column)> = factors.zip(&operands).collect();
            let constant = match constant {
                0 => None,
                value => Some(repeated(first()?.domain(), *value, first()?.len())),
            };
            backend.linear(&terms, constant.as_ref())?
        }
        Operation::Mul(..) | Operation::And(..) => backend.mul(io, first()?, operand(1)?).await?,
        Operation::Dot(..) => backend.dot(io, first()?, operand(1)?, 1).await?,
        Operation::Matmul(_, _, rows, inner, columns) => {
            let shape = [*rows as usize, *inner as usize, *columns as usize];
            backend.matmul(io, first()?, operand(1)?, shape).await?
        }
        Operation::Sum(_) => backend.sum(first()?, 1)?,
        Operation::PrefixSum(_) => backend.prefix_sum(first()?)?,
        Operation::Xor(..) => backend.linear(&[(1, first()?), (1, operand(1)?)], None)?,
        Operation::Not(_) => {
            let ones = (0..first()?.len()).map(|_| true).collect();
            backend.linear(&[(1, first()?)], Some(&Values::Bits(ones)))?
        }
        Operation::ToNumber(_, kind) => backend.from_bits(io, &operands, (*kind).into()).await?,
        Operation::Shuffle(_) => return backend.shuffle(io, &operands).await,
        Operation::Open(..) | Operation::Give(_) => return Ok(Vec::new()),
        _ => return compound(operation, backend, io, &operands).await,
    };
    Ok(vec![column])
}

/// As many times `value`.
fn repeated(domain: Domain, value: i64, len: usize) -> Values {
    match domain {
        Domain::Ring64 => u64::values(vec![u64::from_i64(value); len]),
        Domain::Ring128 => u128::values(vec![u128::from_i64(value); len]),
        Domain::M61 => M61::values(vec![M61::from_i64(value); len]),
        Domain::P127 => P127::values(vec![P127::from_i64(value); len]),
        Domain::Bits => Values::Bits((0..len).map(|_| value & 1 == 1).collect()),
    }
}

/// Bits that a domain's numbers have with their sign: in a field all but one, for a shift that keeps them positive must not wrap.
const fn whole(domain: Domain) -> u32 {
    match domain {
        Domain::M61 | Domain::P127 => domain.width() - 1,
        _ => domain.width(),
    }
}

/// What the circuits are for.
async fn compound(
    operation: &Operation,
    backend: &dyn Backend,
    io: &mut Io,
    operands: &[Column],
) -> Result<Vec<Column>, Failure> {
    let operand = |place: usize| operands.get(place).ok_or(Failure::Program("an operation has its operands"));
    let (a, b) = (operand(0)?, operand(1));
    // What an exact quotient or root takes of the domain.
    let width = a.domain().width();
    let column = match operation {
        Operation::Less(..) => compare::lt(backend, io, a, b?, Range::Full).await?,
        Operation::Equal(..) => compare::eq(backend, io, a, b?, Range::Full).await?,
        Operation::Select(..) => choose::select(backend, io, a, b?, operand(2)?).await?,
        Operation::Min(..) => choose::min(backend, io, a, b?, Range::Full).await?,
        Operation::Max(..) => choose::max(backend, io, a, b?, Range::Full).await?,
        Operation::Abs(_) => choose::abs(backend, io, a).await?,
        Operation::DivPublic(_, divisor) => {
            divide::by_public(backend, io, a, (*divisor).into(), divide::Rounding::Floor, Range::Full).await?
        }
        Operation::Div(..) => divide::floor(backend, io, a, b?, width - 3).await?.quotient,
        Operation::Sqrt(_) => divide::floor_sqrt(backend, io, a, (width - 2) & !1).await?,
        Operation::MulFixed(_, _, scale) => {
            let [left, right] = [a, b?].map(|column| Fixed { column: column.clone(), scale: *scale });
            fixed::mul(backend, io, &left, &right, *scale, Truncation::Exact).await?.column
        }
        Operation::Convert(_, kind) => {
            let to = Domain::from(*kind);
            convert(backend, io, a, to, whole(a.domain()).min(whole(to))).await?
        }
        Operation::Sort(..) => {
            let range = Range::Bits(whole(a.domain()));
            let key = Key { column: a, range, order: Order::Ascending };
            return sort::sort(backend, io, &[key], operands, None).await;
        }
        Operation::SegmentedSum(..) => return segment::prefix_sums(backend, io, a, std::slice::from_ref(b?)).await,
        Operation::Input(..)
        | Operation::Constant(..)
        | Operation::Linear(..)
        | Operation::Mul(..)
        | Operation::Dot(..)
        | Operation::Matmul(..)
        | Operation::Sum(_)
        | Operation::PrefixSum(_)
        | Operation::And(..)
        | Operation::Xor(..)
        | Operation::Not(_)
        | Operation::ToNumber(..)
        | Operation::Shuffle(_)
        | Operation::Open(..)
        | Operation::Give(_) => return Err(Failure::Program("an operation of the back end itself")),
    };
    Ok(vec![column])
}
