//! One operation of a program, by the back end or the circuits over it.

use crate::domain::{Domain, Element, M61, P127, Values};
use crate::engine::{Backend, Column, Failure, Io, Scalar};
use crate::program::{Operation, Term};

/// Whether an operation opens something of its own on the way, and so runs alone.
pub(super) const fn is_alone(operation: &Operation) -> bool {
    matches!(operation, Operation::Sort(..) | Operation::Div(..) | Operation::Sqrt(_))
}

/// Runs an operation on its operands; `input` is the length, and this party's values where they are its own.
pub(super) async fn run(
    operation: &Operation,
    backend: &dyn Backend,
    mut io: Io,
    operands: Vec<Column>,
    input: Option<(usize, Option<&Values>)>,
) -> Result<Vec<Column>, Failure> {
    let io = &mut io;
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

/// What the circuits are for.
async fn compound(_: &Operation, backend: &dyn Backend, _: &mut Io, _: &[Column]) -> Result<Vec<Column>, Failure> {
    Err(Failure::Unsupported { protocol: backend.capabilities().name, what: "this operation" })
}
