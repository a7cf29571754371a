//! The back end in the clear: one party, no secrecy. It is the reference that every protocol is held to.

use crate::domain::{Bits, Domain, Element, M61, P127, Values};
use crate::engine::{
    Adversary, Backend, Capabilities, Checked, Column, Cost, Failure, Fut, Guarantee, Io, Primitive, Scalar, Truncation,
};

/// Computes in the clear. The one party must hold every input.
pub struct Plain {
    capabilities: Capabilities,
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            capabilities: Capabilities {
                name: "plain",
                parties: 1..=1,
                adversary: Adversary::SemiHonest,
                guarantee: Guarantee::Abort,
                max_corrupt: |_| 0,
                dropouts: |_| 0,
                domains: &[Domain::Ring64, Domain::Ring128, Domain::M61, Domain::P127, Domain::Bits],
            },
        }
    }
}

/// Calls a function generic over [`Element`] for a column's domain.
macro_rules! by_domain {
    ($domain:expr, $call:ident ( $($argument:expr),* ), bits: $bits:expr) => {
        match $domain {
            Domain::Ring64 => $call::<u64>($($argument),*),
            Domain::Ring128 => $call::<u128>($($argument),*),
            Domain::M61 => $call::<M61>($($argument),*),
            Domain::P127 => $call::<P127>($($argument),*),
            Domain::Bits => $bits,
        }
    };
}

impl Backend for Plain {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn input<'a>(&'a self, _: &'a mut Io, _: u16, _: Domain, _: usize, values: Option<&'a Values>) -> Fut<'a, Column> {
        ready(values.map(column).ok_or(Failure::Program("in the clear, the one party holds every input")))
    }

    fn public(&self, values: &Values) -> Result<Column, Failure> {
        Ok(column(values))
    }

    fn linear(&self, terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
        let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
        for (_, term) in terms {
            first.fits("linear", term)?;
        }
        if let Some(constant) = constant {
            first.fits("linear", &column(constant))?;
        }
        by_domain!(first.domain(), linear(terms, constant), bits: {
            let mut words = vec![0; first.len().div_ceil(64)];
            let odd = terms.iter().filter(|(factor, _)| factor & 1 == 1).map(|(_, column)| values(column));
            for values in odd.collect::<Result<Vec<_>, _>>()?.into_iter().chain(constant) {
                let bits = values.bits().ok_or(Failure::Program("bits"))?;
                words.iter_mut().zip(bits.words()).for_each(|(word, other)| *word ^= other);
            }
            Ok(column(&Values::Bits(Bits::from_words(first.len(), words))))
        })
    }

    fn gather(&self, from: &Column, rows: &[u32]) -> Result<Column, Failure> {
        if rows.iter().any(|row| *row as usize >= from.len()) {
            return Err(Failure::Program("a row past the end"));
        }
        by_domain!(from.domain(), gather(from, rows), bits: {
            let bits = values(from)?.bits().ok_or(Failure::Program("bits"))?;
            Ok(column(&Values::Bits(bits.gather(rows))))
        })
    }

    fn concat(&self, columns: &[Column]) -> Result<Column, Failure> {
        let first = columns.first().ok_or(Failure::Program("at least one column"))?;
        if columns.iter().any(|column| column.domain() != first.domain()) {
            return Err(Failure::Program("columns of one domain"));
        }
        by_domain!(first.domain(), concat(columns), bits: {
            let all = columns.iter().map(values).collect::<Result<Vec<_>, _>>()?;
            let bits = all.iter().filter_map(|values| values.bits()).flat_map(Bits::iter).collect();
            Ok(column(&Values::Bits(bits)))
        })
    }

    fn prefix_sum(&self, column: &Column) -> Result<Column, Failure> {
        by_domain!(column.domain(), prefix_sum(column), bits: Err(no_bits("prefix sums of bits")))
    }

    fn sum(&self, column: &Column, groups: usize) -> Result<Column, Failure> {
        by_domain!(column.domain(), sum(column, groups), bits: Err(no_bits("sums of bits")))
    }

    fn mul<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column) -> Fut<'a, Column> {
        ready(mul(left, right))
    }

    fn dot<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column, groups: usize) -> Fut<'a, Column> {
        ready(mul(left, right).and_then(|products| self.sum(&products, groups)))
    }

    fn matmul<'a>(&'a self, _: &'a mut Io, left: &'a Column, right: &'a Column, shape: [usize; 3]) -> Fut<'a, Column> {
        ready(by_domain!(left.domain(), matmul(left, right, shape), bits: Err(no_bits("products of bit matrices"))))
    }

    fn truncate<'a>(&'a self, _: &'a mut Io, column: &'a Column, bits: u32, _: Truncation) -> Fut<'a, Column> {
        ready(by_domain!(column.domain(), truncate(column, bits), bits: Err(no_bits("truncation of bits"))))
    }

    fn to_bits<'a>(&'a self, _: &'a mut Io, from: &'a Column, count: u32) -> Fut<'a, Vec<Column>> {
        let all = integers(from);
        ready(all.map(|all| {
            let bit = |place: u32| all.iter().map(|value| value >> place.min(127) & 1 == 1).collect();
            (0..count).map(|place| column(&Values::Bits(bit(place)))).collect()
        }))
    }

    fn is_negative<'a>(&'a self, _: &'a mut Io, from: &'a Column) -> Fut<'a, Column> {
        ready(integers(from).map(|all| column(&Values::Bits(all.iter().map(|value| *value < 0).collect()))))
    }

    fn from_bits<'a>(&'a self, _: &'a mut Io, bits: &'a [Column], domain: Domain) -> Fut<'a, Column> {
        ready(by_domain!(domain, from_bits(bits), bits: Err(no_bits("bits of bits"))))
    }

    /// Rotates the rows by one: an order that is not the one before, and the same each time.
    fn shuffle<'a>(&'a self, _: &'a mut Io, columns: &'a [Column]) -> Fut<'a, Vec<Column>> {
        let rotated = |column: &Column| {
            let len = column.len() as u32;
            self.gather(column, &(0..len).map(|row| (row + 1) % len).collect::<Vec<_>>())
        };
        ready(columns.iter().map(rotated).collect())
    }

    fn random<'a>(&'a self, io: &'a mut Io, domain: Domain, len: usize) -> Fut<'a, Column> {
        fn random<E: Element>(io: &mut Io, len: usize) -> Column {
            let op = io.op();
            column(&E::values(io.own().vector(op, len)))
        }
        ready(Ok(by_domain!(domain, random(io, len), bits: {
            let op = io.op();
            column(&Values::Bits(io.own().bits(op, len)))
        })))
    }

    fn check<'a>(&'a self, _: &'a mut Io) -> Fut<'a, ()> {
        ready(Ok(()))
    }

    fn open<'a>(&'a self, _: &'a mut Io, columns: Checked<'a>, _: Option<u16>) -> Fut<'a, Option<Vec<Values>>> {
        ready(columns.columns().iter().map(|column| values(column).cloned()).collect::<Result<_, _>>().map(Some))
    }

    fn cost(&self, _: Primitive, _: Domain, _: usize) -> Cost {
        Cost::default()
    }
}

fn ready<'a, T: 'a>(value: Result<T, Failure>) -> Fut<'a, T> {
    Box::pin(std::future::ready(value))
}

fn column(values: &Values) -> Column {
    Column::new(values.domain(), values.len(), values.clone())
}

fn values(column: &Column) -> Result<&Values, Failure> {
    column.share()
}

fn elements<E: Element>(column: &Column) -> Result<&[E], Failure> {
    values(column)?.elements().ok_or(Failure::Program("a column of another domain"))
}

fn own<E: Element>(elements: Vec<E>) -> Column {
    let values = E::values(elements);
    Column::new(E::DOMAIN, values.len(), values)
}

const fn no_bits(what: &'static str) -> Failure {
    Failure::Unsupported { protocol: "plain", what }
}

/// A factor as an element.
pub(crate) fn scalar<E: Element>(factor: Scalar) -> E {
    let magnitude = E::from_u128(factor.unsigned_abs());
    if factor < 0 { magnitude.neg() } else { magnitude }
}

/// An element as the signed integer it stands for.
pub(crate) fn signed<E: Element>(element: E) -> i128 {
    match E::DOMAIN {
        Domain::Ring64 => i128::from(element.to_u128() as u64 as i64),
        Domain::Ring128 => element.to_u128() as i128,
        _ => {
            // The larger half of a field stands for the negatives.
            let negative = element.neg().to_u128();
            let value = element.to_u128();
            if value <= negative { value as i128 } else { -(negative as i128) }
        }
    }
}

fn integers(from: &Column) -> Result<Vec<i128>, Failure> {
    fn all<E: Element>(from: &Column) -> Result<Vec<i128>, Failure> {
        Ok(elements::<E>(from)?.iter().map(|element| signed(*element)).collect())
    }
    by_domain!(from.domain(), all(from), bits: Err(no_bits("bits of bits")))
}

fn linear<E: Element>(terms: &[(Scalar, &Column)], constant: Option<&Values>) -> Result<Column, Failure> {
    let mut sum = match constant {
        Some(constant) => {
            constant.elements::<E>().ok_or(Failure::Program("a constant of the columns' domain"))?.to_vec()
        }
        None => vec![E::ZERO; terms[0].1.len()],
    };
    for (factor, column) in terms {
        let factor = scalar::<E>(*factor);
        sum.iter_mut().zip(elements::<E>(column)?).for_each(|(sum, value)| *sum = sum.add(factor.mul(*value)));
    }
    Ok(own(sum))
}

fn gather<E: Element>(from: &Column, rows: &[u32]) -> Result<Column, Failure> {
    let from = elements::<E>(from)?;
    Ok(own(rows.iter().map(|row| from[*row as usize]).collect()))
}

fn concat<E: Element>(columns: &[Column]) -> Result<Column, Failure> {
    let all = columns.iter().map(elements::<E>).collect::<Result<Vec<_>, _>>()?;
    Ok(own(all.concat()))
}

fn prefix_sum<E: Element>(column: &Column) -> Result<Column, Failure> {
    let mut sum = E::ZERO;
    let add = |value: &E| {
        sum = sum.add(*value);
        sum
    };
    Ok(own(elements::<E>(column)?.iter().map(add).collect()))
}

fn sum<E: Element>(column: &Column, groups: usize) -> Result<Column, Failure> {
    if groups == 0 || !column.len().is_multiple_of(groups) {
        return Err(Failure::Program("groups divide a column's length"));
    }
    if column.is_empty() {
        return Ok(own(vec![E::ZERO; groups]));
    }
    let stretches = elements::<E>(column)?.chunks(column.len() / groups);
    Ok(own(stretches.map(|stretch| stretch.iter().fold(E::ZERO, |sum, value| sum.add(*value))).collect()))
}

fn mul(left: &Column, right: &Column) -> Result<Column, Failure> {
    fn mul<E: Element>(left: &Column, right: &Column) -> Result<Column, Failure> {
        Ok(own(elements::<E>(left)?.iter().zip(elements::<E>(right)?).map(|(x, y)| x.mul(*y)).collect()))
    }
    left.fits("mul", right)?;
    by_domain!(left.domain(), mul(left, right), bits: {
        let (x, y) = (values(left)?.bits(), values(right)?.bits());
        let (x, y) = x.zip(y).ok_or(Failure::Program("bits"))?;
        let words = x.words().iter().zip(y.words()).map(|(x, y)| x & y).collect();
        Ok(column(&Values::Bits(Bits::from_words(left.len(), words))))
    })
}

fn matmul<E: Element>(left: &Column, right: &Column, [rows, inner, columns]: [usize; 3]) -> Result<Column, Failure> {
    if (rows * inner, inner * columns) != (left.len(), right.len()) {
        return Err(Failure::Program("matrices have the sizes their shape states"));
    }
    let (left, right) = (elements::<E>(left)?, elements::<E>(right)?);
    let cell = |row: usize, column: usize| {
        (0..inner).fold(E::ZERO, |sum, k| sum.add(left[row * inner + k].mul(right[k * columns + column])))
    };
    Ok(own((0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| cell(r, c)).collect()))
}

fn truncate<E: Element>(column: &Column, bits: u32) -> Result<Column, Failure> {
    Ok(own(elements::<E>(column)?.iter().map(|value| scalar::<E>(signed(*value) >> bits.min(127))).collect()))
}

fn from_bits<E: Element>(bits: &[Column]) -> Result<Column, Failure> {
    let first = bits.first().ok_or(Failure::Program("at least one column of bits"))?;
    let mut sum = vec![E::ZERO; first.len()];
    for (place, column) in bits.iter().enumerate() {
        first.fits("from_bits", column)?;
        let bits = values(column)?.bits().ok_or(Failure::Program("a column of bits"))?;
        let weight = E::from_u128(1 << place.min(127));
        sum.iter_mut().zip(bits.iter()).for_each(|(sum, bit)| *sum = sum.add(if bit { weight } else { E::ZERO }));
    }
    Ok(own(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{checked, local};

    #[test]
    fn computes_in_the_clear() {
        let results = local::run(1, 1, |mut io| async move {
            let plain = Plain::default();
            let a = plain.public(&Values::from_i64(Domain::Ring64, &[3, -5, 0]))?;
            let b = plain.public(&Values::from_i64(Domain::Ring64, &[7, 2, i64::MIN]))?;
            let product = plain.mul(&mut io, &a, &b).await?;
            let sum = plain.linear(&[(2, &product), (-1, &a)], Some(&Values::from_i64(Domain::Ring64, &[1, 1, 1])))?;
            let negative = plain.is_negative(&mut io, &sum).await?;
            let columns = [sum, negative];
            let opened = checked(&plain, &mut io, &columns).await?;
            plain.open(&mut io, opened, None).await
        });
        let opened = results[0].0.clone().unwrap().unwrap();
        assert!(opened[0] == Values::from_i64(Domain::Ring64, &[40, -14, 1]));
        assert!(opened[1] == Values::from_i64(Domain::Bits, &[0, 1, 0]));
    }

    #[test]
    fn two_parties_exchange_in_one_round_whatever_the_size() {
        for len in [1usize, 1000, 3_000_000] {
            let results = local::run(2, 5, move |mut io| async move {
                let peer = 1 - io.index();
                let mut strands = io.split(2);
                let (left, right) = (strands[0].op(), strands[1].op());
                let ours = vec![u64::from(io.index()) + 1; len];
                io.send_elements(left, peer, &ours);
                io.send_elements(right, peer, &[9u64]);
                let (mut theirs, mut nine) = (vec![0u64; len], [0u64]);
                io.receive_elements(right, peer, &mut nine).await?;
                io.receive_elements(left, peer, &mut theirs).await?;
                let shared: Vec<u64> = io.pair(peer).vector(left, 4);
                Ok((theirs[len - 1], nine[0], shared))
            });
            let stats = results[0].1;
            let values: Vec<_> = results.into_iter().map(|(result, _)| result.unwrap()).collect();
            assert_eq!((values[0].0, values[1].0, values[0].1), (2, 1, 9));
            assert_eq!(values[0].2, values[1].2);
            assert_eq!((stats.rounds, stats.payload_sent), (2, 32 + 8 + 8 * len as u64));
        }
    }
}
