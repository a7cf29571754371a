//! A party's part of a column, and what each party does to its own without talk.

use std::ops::Range;

use zeroize::Zeroize as _;

use crate::domain::{Element, Values};
use crate::engine::{Column, Failure, Scalar};
use crate::plain::scalar;

/// One party's part of a column; nothing where it is zero throughout, as that of another's input. Wiped on drop.
pub(super) struct Part<E: Element>(pub(super) Option<Vec<E>>);

impl<E: Element> Drop for Part<E> {
    fn drop(&mut self) {
        if let Some(elements) = &mut self.0 {
            elements.zeroize();
        }
    }
}

impl<E: Element> Part<E> {
    pub(super) fn column(self, len: usize) -> Column {
        Column::new(E::DOMAIN, len, self)
    }

    pub(super) fn of(column: &Column) -> Result<&Self, Failure> {
        column.share()
    }

    fn elements(&self) -> Option<&[E]> {
        self.0.as_deref()
    }

    /// Appends some of its elements, zeros too.
    pub(super) fn append_to(&self, rows: Range<usize>, all: &mut Vec<E>) {
        match self.elements() {
            Some(elements) => all.extend_from_slice(&elements[rows]),
            None => all.resize(all.len() + rows.len(), E::ZERO),
        }
    }

    fn add(&mut self, factor: E, elements: &[E]) {
        match &mut self.0 {
            Some(sum) => {
                sum.iter_mut().zip(elements).for_each(|(sum, element)| *sum = sum.add(factor.mul(*element)));
            }
            None => self.0 = Some(elements.iter().map(|element| factor.mul(*element)).collect()),
        }
    }
}

/// A constant is in the part of the party that leads.
pub(super) fn linear<E: Element>(
    leads: bool,
    terms: &[(Scalar, &Column)],
    constant: Option<&Values>,
) -> Result<Column, Failure> {
    let (_, first) = terms.first().ok_or(Failure::Program("a linear combination has a term"))?;
    for (_, term) in terms {
        first.fits("linear", term)?;
        Part::<E>::of(term)?;
    }
    let mut parts = terms.iter().filter(|(factor, term)| *factor != 0 && !is_zero::<E>(term));
    if let (Some((1, only)), None, None) = (parts.next(), parts.next(), constant) {
        // As in a sum of inputs, each another's: what a party gave is its part.
        return Ok((*only).clone());
    }
    let mut sum = Part::<E>(None);
    for (factor, term) in terms {
        if let Some(elements) = Part::of(term)?.elements() {
            sum.add(scalar(*factor), elements);
        }
    }
    if let Some(constant) = constant {
        first.fits("linear", &Column::new(constant.domain(), constant.len(), ()))?;
        if leads {
            sum.add(E::ONE, constant.elements().ok_or(Failure::Program("a constant of the columns' domain"))?);
        }
    }
    Ok(sum.column(first.len()))
}

fn is_zero<E: Element>(column: &Column) -> bool {
    Part::<E>::of(column).is_ok_and(|part| part.0.is_none())
}

pub(super) fn gather<E: Element>(from: &Column, rows: &[u32]) -> Result<Column, Failure> {
    if rows.iter().any(|row| *row as usize >= from.len()) {
        return Err(Failure::Program("a row past the end"));
    }
    let part = Part::<E>::of(from)?.elements();
    let picked = part.map(|part| rows.iter().map(|row| part[*row as usize]).collect());
    Ok(Part::<E>(picked).column(rows.len()))
}

pub(super) fn concat<E: Element>(columns: &[Column]) -> Result<Column, Failure> {
    if columns.iter().any(|column| column.domain() != E::DOMAIN) {
        return Err(Failure::Program("columns of one domain"));
    }
    let parts = columns.iter().map(Part::<E>::of).collect::<Result<Vec<_>, _>>()?;
    let len = columns.iter().map(Column::len).sum();
    if parts.iter().all(|part| part.0.is_none()) {
        return Ok(Part::<E>(None).column(len));
    }
    let mut all = Vec::with_capacity(len);
    for (column, part) in columns.iter().zip(parts) {
        part.append_to(0..column.len(), &mut all);
    }
    Ok(Part(Some(all)).column(len))
}

pub(super) fn prefix_sum<E: Element>(from: &Column) -> Result<Column, Failure> {
    let add = |sum: &mut E, element: &E| {
        *sum = sum.add(*element);
        Some(*sum)
    };
    let sums = Part::<E>::of(from)?.elements().map(|part| part.iter().scan(E::ZERO, add).collect());
    Ok(Part::<E>(sums).column(from.len()))
}

pub(super) fn sum<E: Element>(from: &Column, groups: usize) -> Result<Column, Failure> {
    if groups == 0 || !from.len().is_multiple_of(groups) {
        return Err(Failure::Program("groups divide a column's length"));
    }
    let stretch = (from.len() / groups).max(1);
    let total = |stretch: &[E]| stretch.iter().fold(E::ZERO, |sum, element| sum.add(*element));
    // Sums of nothing are zero.
    let part = Part::<E>::of(from)?.elements().filter(|part| !part.is_empty());
    Ok(Part::<E>(part.map(|part| part.chunks(stretch).map(total).collect())).column(groups))
}
