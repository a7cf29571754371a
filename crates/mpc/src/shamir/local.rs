//! What needs no talk: every party does it to its own shares.

use crate::domain::{Domain, M61, P127, Values};
use crate::engine::{Column, Failure, Scalar};

use super::field::{Field as _, Valued, lanes};
use super::{Shamir, column, held};

impl Shamir {
    /// A public value is its own share: the constant polynomial.
    pub(crate) fn share_public<L: Valued>(&self, values: &Values) -> Result<Column, Failure> {
        Ok(column(values.len(), L::read(values)?))
    }

    pub(crate) fn combination<L: Valued>(
        &self,
        terms: &[(Scalar, &Column)],
        constant: Option<&Values>,
    ) -> Result<Column, Failure> {
        let first = terms[0].1;
        let mut inputs = Vec::with_capacity(terms.len() + 1);
        for (factor, term) in terms {
            first.fits("linear", term)?;
            inputs.push((L::factor(*factor), &*held::<L>(term)?.0));
        }
        let constant = constant.map(|constant| {
            first.fits("linear", &Column::new(constant.domain(), constant.len(), ()))?;
            L::read(constant)
        });
        let constant = constant.transpose()?;
        if let Some(constant) = &constant {
            inputs.push((L::Scalar::ONE, constant));
        }
        let mut out = vec![L::NIL; lanes::<L>(first.len())];
        L::combine(&mut out, &inputs);
        Ok(column(first.len(), out))
    }

    pub(crate) fn rows_of<L: Valued>(&self, from: &Column, rows: &[u32]) -> Result<Column, Failure> {
        if rows.iter().any(|row| *row as usize >= from.len()) {
            return Err(Failure::Program("a row past the end"));
        }
        Ok(column(rows.len(), pick::<L>(&held::<L>(from)?.0, rows)))
    }

    pub(crate) fn chain<L: Valued>(&self, columns: &[Column]) -> Result<Column, Failure> {
        if columns.iter().any(|column| column.domain() != L::DOMAIN) {
            return Err(Failure::Program("columns of one domain"));
        }
        let len = columns.iter().map(Column::len).sum();
        let mut out = Vec::with_capacity(lanes::<L>(len));
        let mut at = 0;
        for column in columns {
            let shares = &held::<L>(column)?.0;
            if at % L::WIDTH == 0 {
                out.extend_from_slice(shares);
            } else {
                for row in 0..column.len() {
                    let place = at + row;
                    if place % L::WIDTH == 0 {
                        out.push(L::NIL);
                    }
                    let last = out.last_mut().expect("a lane was begun");
                    last.set(place % L::WIDTH, shares[row / L::WIDTH].element(row % L::WIDTH));
                }
            }
            at += column.len();
            out.truncate(lanes::<L>(at));
        }
        Ok(column(len, out))
    }

    pub(crate) fn running_sum<L: Valued>(&self, from: &Column) -> Result<Column, Failure> {
        let add = |sum: &mut L, share: &L| {
            *sum = sum.sum(*share);
            Some(*sum)
        };
        Ok(column(from.len(), held::<L>(from)?.0.iter().scan(L::NIL, add).collect()))
    }

    pub(crate) fn group_sums<L: Valued>(&self, from: &Column, groups: usize) -> Result<Column, Failure> {
        if groups == 0 || from.len() % groups != 0 {
            return Err(Failure::Program("groups divide a column's length"));
        }
        if from.is_empty() {
            return Ok(column(groups, vec![L::NIL; groups]));
        }
        let stretches = held::<L>(from)?.0.chunks(from.len() / groups);
        Ok(column(groups, stretches.map(|stretch| stretch.iter().fold(L::NIL, |sum, share| sum.sum(*share))).collect()))
    }

    /// A column's shares as bytes, to be kept between sessions; they are as secret as shares are.
    ///
    /// # Errors
    /// [`Failure::Program`] for another back end's column.
    pub fn export(&self, column: &Column) -> Result<crypto::Secret<Vec<u8>>, Failure> {
        super::by_lane!(self, column.domain(), bytes_of(column)).map(crypto::Secret::new)
    }

    /// The reverse of [`Shamir::export`].
    ///
    /// # Errors
    /// [`Failure::Program`] for bytes that are no such shares.
    pub fn import(&self, domain: Domain, len: usize, bytes: &crypto::Secret<Vec<u8>>) -> Result<Column, Failure> {
        super::by_lane!(self, domain, from_bytes(len, bytes))
    }

    fn from_bytes<L: Valued>(&self, len: usize, bytes: &crypto::Secret<Vec<u8>>) -> Result<Column, Failure> {
        let mut shares = vec![L::NIL; lanes::<L>(len)];
        let fits = bytes.expose(|bytes| {
            let out: &mut [u8] = bytemuck::cast_slice_mut(&mut shares);
            out.len() == bytes.len() && {
                out.copy_from_slice(bytes);
                true
            }
        });
        if fits && shares.iter().all(|lane| lane.is_valid()) {
            return Ok(column(len, shares));
        }
        Err(Failure::Program("bytes are shares of as many values"))
    }
}

/// Elements in another order.
pub(crate) fn pick<L: Valued>(from: &[L], rows: &[u32]) -> Vec<L> {
    if L::WIDTH == 1 {
        return rows.iter().map(|row| from[*row as usize]).collect();
    }
    let lane = |rows: &[u32]| {
        let mut lane = L::NIL;
        for (place, row) in rows.iter().enumerate() {
            let row = *row as usize;
            lane.set(place, from[row / L::WIDTH].element(row % L::WIDTH));
        }
        lane
    };
    rows.chunks(L::WIDTH).map(lane).collect()
}
