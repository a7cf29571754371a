//! A party's own part: the program over one table, small groups left out, as integers modulo 2^64.

mod plan;

use std::collections::HashMap;

use crypto::Secret;

use crate::program::{Function, Output, Program};
use crate::table::{Table, TableError};
use plan::{Plan, Reader};

impl Program {
    /// This party's vector for a joint sum of `parties`: [`Program::length`] values in two's complement, laid out
    /// group by group, output by output as [`Output::words`] says. A group with fewer rows than
    /// [`Program::minimum_group`], and an output with fewer values, enters as zeros with its withheld counter at 1.
    ///
    /// # Errors
    /// [`LocalError`] when the table does not fit the program, or a number could leave the range in which `parties`
    /// such vectors add up without wrapping.
    ///
    /// # Panics
    /// When `parties` is 0.
    pub fn local(&self, table: &Table, parties: u16) -> Result<Secret<Vec<u64>>, LocalError> {
        assert!(parties > 0, "a sum has a party");
        let mut reader = Reader::new(table);
        let filter = self.filter().map(|filter| reader.truth(filter.node())).transpose()?;
        let groups = self.rows_to_groups(table)?;
        let plans = self.outputs().iter().map(|output| reader.plan(output)).collect::<Result<Vec<_>, _>>()?;

        let mut rows = vec![0u64; self.groups().len()];
        let mut tallies = vec![Tally::default(); rows.len() * plans.len()];
        for row in 0..table.rows() {
            let Some(group) = groups.as_ref().map_or(Some(0), |groups| groups[row]) else { continue };
            if let Some(filter) = &filter
                && self.within("the filter", filter.at(row))? != Some(true)
            {
                continue;
            }
            rows[group as usize] += 1;
            let first = group as usize * plans.len();
            for ((output, plan), tally) in self.outputs().iter().zip(&plans).zip(&mut tallies[first..]) {
                let value = self.within(&output.name, plan.at(row, self.decimals()))?;
                tally.add(value, output.function).ok_or_else(|| self.range(output, group as usize))?;
            }
        }

        let limit = (1i128 << 62) / i128::from(parties);
        let mut vector = Vec::with_capacity(self.length());
        for ((group, rows), tallies) in rows.into_iter().enumerate().zip(tallies.chunks(plans.len())) {
            for (output, tally) in self.outputs().iter().zip(tallies) {
                for word in tally.words(output, rows, self.minimum_group().into()) {
                    if word.abs() >= limit {
                        return Err(self.range(output, group));
                    }
                    // Two's complement: negative numbers become their residue modulo 2^64.
                    vector.push(word as u64);
                }
            }
        }
        Ok(Secret::new(vector))
    }

    /// The group of each row, `None` where it is outside the domain; `None` altogether without grouping.
    fn rows_to_groups(&self, table: &Table) -> Result<Option<Vec<Option<u32>>>, TableError> {
        let Some(group_by) = self.group_by() else { return Ok(None) };
        let places: HashMap<&str, u32> = group_by.domain.iter().map(String::as_str).zip(0..).collect();
        Ok(Some(table.cells(&group_by.column)?.map(|cell| places.get(cell).copied()).collect()))
    }

    fn range(&self, output: &Output, group: usize) -> LocalError {
        LocalError::Range { output: output.name.clone(), group: self.groups()[group].into(), decimals: self.decimals() }
    }

    fn within<T>(&self, part: &str, value: Option<T>) -> Result<T, LocalError> {
        value.ok_or_else(|| LocalError::Overflow { part: part.into() })
    }
}

/// What one output has seen of one group.
#[derive(Clone, Default)]
struct Tally {
    n: u64,
    missing: u64,
    sum: i128,
    squares: i128,
}

impl Tally {
    /// `None` on overflow.
    fn add(&mut self, value: Option<i128>, function: Function) -> Option<()> {
        let Some(value) = value else {
            self.missing += 1;
            return Some(());
        };
        self.n += 1;
        self.sum = self.sum.checked_add(value)?;
        if function == Function::Sd {
            self.squares = self.squares.checked_add(value.checked_mul(value)?)?;
        }
        Some(())
    }

    /// The output's words, zeros and a withheld counter where the group or its values are too few.
    fn words(&self, output: &Output, rows: u64, minimum: u64) -> Vec<i128> {
        let enters = rows >= minimum && self.n >= minimum;
        let mut words = vec![i128::from(self.n)];
        if output.expression.is_some() {
            words.push(self.missing.into());
        }
        if output.function != Function::Count {
            words.push(self.sum);
        }
        if output.function == Function::Sd {
            words.push(self.squares);
        }
        if !enters {
            words.fill(0);
        }
        words.push(i128::from(!enters));
        words
    }
}

impl Plan {
    /// An output's value for a row, rounded to the program's scale; outer `None` on overflow.
    fn at(&self, row: usize, decimals: u8) -> Option<Option<i128>> {
        match self {
            Self::Rows => Some(Some(1)),
            Self::Present(Ok(number)) => Some(number.at(row)?.map(|_| 1)),
            Self::Present(Err(truth)) => Some(truth.at(row)?.map(|_| 1)),
            Self::Share(truth) => Some(truth.at(row)?.map(i128::from)),
            Self::Number(number) => match number.at(row)? {
                None => Some(None),
                Some(value) => Some(Some(rescale(value, number.scale, decimals)?)),
            },
        }
    }
}

/// From one decimal scale to another, half away from zero; `None` on overflow.
fn rescale(value: i128, from: u32, to: u8) -> Option<i128> {
    let to = u32::from(to);
    if from <= to {
        return value.checked_mul(10i128.checked_pow(to - from)?);
    }
    let divisor = 10i128.checked_pow(from - to)?;
    let (quotient, rest) = (value / divisor, value % divisor);
    // |rest| < divisor, which is even: comparing with its half is exact.
    Some(if rest.abs() >= divisor / 2 { quotient + value.signum() } else { quotient })
}

/// Why a table yields no vector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The table lacks a column, or a cell is not of the expected form.
    #[error(transparent)]
    Table(#[from] TableError),
    /// An intermediate number exceeds 38 digits.
    #[error("{part}: a number exceeds 38 digits; use fewer multiplications or shorter numbers")]
    Overflow {
        /// The output, or the filter.
        part: String,
    },
    /// A sum might wrap.
    #[error(
        "the output “{output}”, group “{group}”: the sum is too large for 62 bits among all parties; lower decimals, now {decimals}"
    )]
    Range {
        /// The output.
        output: String,
        /// The group.
        group: String,
        /// Digits behind the point.
        decimals: u8,
    },
}

#[cfg(test)]
mod tests;
