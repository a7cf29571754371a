//! Operations that each party does on its own parts: constants, linear combinations, rearrangement, sums.

use crate::domain::{Bits, Values, gather_columns, gather_word};
use crate::engine::{Column, Failure, Scalar};

use super::Rep3;
use super::column::{bits, of_bits, of_ring, ring, words};
use super::seat::Side;
use super::share::{Atom, Replicated, Ring, Word};
use super::sharing::known;

impl Rep3 {
    /// What everybody knows: it is part 0.
    pub(super) fn constant<A: Atom>(&self, values: &[A]) -> Replicated<A> {
        known(self.seat, 0, values)
    }

    pub(super) fn linear_ring<R: Ring>(
        &self,
        terms: &[(Scalar, &Column)],
        constant: Option<&Values>,
    ) -> Result<Column, Failure> {
        let mut sum = Replicated::zeros(terms[0].1.len());
        if let Some(constant) = constant {
            let values = R::slice(constant).ok_or(Failure::Program("a constant of the columns' domain"))?;
            self.add_constant(&mut sum, values);
        }
        for (factor, column) in terms {
            let (factor, share) = (R::scalar(*factor), ring::<R>(column)?);
            self.level.scaled(&mut sum.own, factor, &share.own);
            self.level.scaled(&mut sum.next, factor, &share.next);
        }
        Ok(of_ring(sum))
    }

    pub(super) fn linear_bits(
        &self,
        terms: &[(Scalar, &Column)],
        constant: Option<&Values>,
    ) -> Result<Column, Failure> {
        let len = terms[0].1.len();
        let mut sum = Replicated::zeros(words(len));
        if let Some(constant) = constant {
            let bits = constant.bits().ok_or(Failure::Program("a constant of the columns' domain"))?;
            self.add_constant(&mut sum, bytemuck::cast_slice(bits.words()));
        }
        for (_, column) in terms.iter().filter(|(factor, _)| factor & 1 == 1) {
            add(&mut sum, &*bits(column)?);
        }
        Ok(of_bits(len, sum))
    }

    fn add_constant<A: Atom>(&self, sum: &mut Replicated<A>, values: &[A]) {
        match self.seat.holds(0) {
            Some(Side::Own) => plus(&mut sum.own, values),
            Some(Side::Next) => plus(&mut sum.next, values),
            None => {}
        }
    }
}

/// Adds a share to another of the same length.
pub(super) fn add<A: Atom>(sum: &mut Replicated<A>, share: &Replicated<A>) {
    plus(&mut sum.own, &share.own);
    plus(&mut sum.next, &share.next);
}

/// Adds a vector to another.
pub(super) fn plus<A: Atom>(sum: &mut [A], values: &[A]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.plus(*value));
}

pub(super) fn gather_ring<R: Ring>(column: &Column, rows: &[u32]) -> Result<Column, Failure> {
    let share = ring::<R>(column)?;
    let gather = |part: &[R]| rows.iter().map(|row| part[*row as usize]).collect();
    Ok(of_ring(Replicated { own: gather(&share.own), next: gather(&share.next) }))
}

pub(super) fn gather_bits(column: &Column, rows: &[u32]) -> Result<Column, Failure> {
    let share = bits(column)?;
    Ok(of_bits(rows.len(), Replicated { own: pick_bits(&share.own, rows), next: pick_bits(&share.next, rows) }))
}

/// That a column has the rows named.
pub(super) fn within(column: &Column, rows: &[u32]) -> Result<(), Failure> {
    let most = rows.iter().fold(0, |most, row| most.max(*row));
    if rows.is_empty() || (most as usize) < column.len() {
        return Ok(());
    }
    Err(Failure::Program("a row past the end"))
}

/// The same rows of columns of bits.
pub(super) fn gather_all_bits(columns: &[Column], rows: &[u32]) -> Result<Vec<Column>, Failure> {
    columns.iter().try_for_each(|column| within(column, rows))?;
    let shares = columns.iter().map(bits).collect::<Result<Vec<_>, _>>()?;
    let own: Vec<&[u64]> = shares.iter().map(|share| bytemuck::cast_slice(&share.own)).collect();
    let next: Vec<&[u64]> = shares.iter().map(|share| bytemuck::cast_slice(&share.next)).collect();
    let parts = gather_columns(&own, rows).into_iter().zip(gather_columns(&next, rows));
    let columns = parts.map(|(own, next)| {
        let words = |part: Vec<u64>| part.into_iter().map(Word).collect();
        let share = Replicated { own: words(own), next: words(next) };
        of_bits(rows.len(), share)
    });
    Ok(columns.collect())
}

/// The bits at the places named, in this order.
pub(super) fn pick_bits(part: &[Word], rows: &[u32]) -> Vec<Word> {
    let words: &[u64] = bytemuck::cast_slice(part);
    rows.chunks(64).map(|rows| Word(gather_word(words, rows))).collect()
}

pub(super) fn concat_ring<R: Ring>(columns: &[Column]) -> Result<Column, Failure> {
    let shares = columns.iter().map(ring::<R>).collect::<Result<Vec<_>, _>>()?;
    let own: Vec<&[R]> = shares.iter().map(|share| &*share.own).collect();
    let next: Vec<&[R]> = shares.iter().map(|share| &*share.next).collect();
    Ok(of_ring(Replicated { own: own.concat(), next: next.concat() }))
}

pub(super) fn concat_bits(columns: &[Column]) -> Result<Column, Failure> {
    let (mut len, mut all) = (0, Replicated { own: Vec::new(), next: Vec::new() });
    for column in columns {
        let share = bits(column)?;
        append(&mut all.own, len, &share.own, column.len());
        append(&mut all.next, len, &share.next, column.len());
        len += column.len();
    }
    Ok(of_bits(len, all))
}

/// Appends `count` bits to `len` of them.
fn append(to: &mut Vec<Word>, len: usize, from: &[Word], count: usize) {
    // Clears what lies past the end, which would otherwise come to lie within.
    let from = Bits::from_words(count, from.iter().map(|word| word.0).collect());
    to.truncate(words(len));
    let shift = len % 64;
    if shift == 0 {
        to.extend(from.words().iter().map(|word| Word(*word)));
        return;
    }
    if let Some(last) = to.last_mut() {
        last.0 &= (1 << shift) - 1;
    }
    for word in from.words() {
        if let Some(last) = to.last_mut() {
            last.0 |= word << shift;
        }
        to.push(Word(word >> (64 - shift)));
    }
    to.truncate(words(len + count));
}

pub(super) fn prefix_sum<R: Ring>(column: &Column) -> Result<Column, Failure> {
    let share = ring::<R>(column)?;
    let sums = |part: &[R]| {
        let add = |sum: &mut R, value: &R| {
            *sum = sum.plus(*value);
            Some(*sum)
        };
        part.iter().scan(R::ZERO, add).collect()
    };
    Ok(of_ring(Replicated { own: sums(&share.own), next: sums(&share.next) }))
}

pub(super) fn sum<R: Ring>(column: &Column, groups: usize) -> Result<Column, Failure> {
    let stretch = stretch(column.len(), groups)?;
    let share = ring::<R>(column)?;
    let sum = |part: &[R]| -> Vec<R> {
        let group = |group: usize| part[group * stretch..(group + 1) * stretch].iter();
        (0..groups).map(|at| group(at).fold(R::ZERO, |sum, value| sum.plus(*value))).collect()
    };
    Ok(of_ring(Replicated { own: sum(&share.own), next: sum(&share.next) }))
}

/// How long each of so many groups is.
pub(super) const fn stretch(len: usize, groups: usize) -> Result<usize, Failure> {
    if groups == 0 || !len.is_multiple_of(groups) {
        return Err(Failure::Program("groups divide a column's length"));
    }
    Ok(len / groups)
}
