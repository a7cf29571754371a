//! The table of answers, read from the sums of all parties' vectors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::program::{Function, Output, Program};

/// What a computation tells its recipient.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How many parties took part.
    pub parties: u16,
    /// For each group, for each output by name.
    pub groups: BTreeMap<String, BTreeMap<String, Cell>>,
}

/// One number of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The number; absent when no party's group was large enough, or fewer than two values have no deviation.
    pub value: Option<f64>,
    /// Values (or rows) that entered.
    pub n: u64,
    /// Rows left out because the value was missing, at the parties whose group entered.
    pub missing: u64,
    /// Parties that withheld their group because it was too small (or empty).
    pub withheld: u16,
}

impl Program {
    /// Reads the sums, as `mpc` returns them. Integers are exact up to the last step; the result is correct to a few
    /// units in the last place of a double.
    ///
    /// # Errors
    /// [`AnswerError`] when no honest parties could have these sums; a party that lies plausibly is not noticed.
    pub fn answer(&self, sums: &[u64], parties: u16) -> Result<Answer, AnswerError> {
        if sums.len() != self.length() {
            return Err(AnswerError::Length { found: sums.len(), expected: self.length() });
        }
        let mut rest = sums;
        let mut groups = BTreeMap::new();
        for group in self.groups() {
            let mut cells = BTreeMap::new();
            for output in self.outputs() {
                let (words, after) = rest.split_at(output.words());
                rest = after;
                let implausible = || AnswerError::Implausible { output: output.name.clone(), group: group.into() };
                let cell = self.cell(output, words, parties).ok_or_else(implausible)?;
                cells.insert(output.name.clone(), cell);
            }
            groups.insert(group.into(), cells);
        }
        Ok(Answer { parties, groups })
    }

    /// One cell from its words; `None` when they contradict each other.
    fn cell(&self, output: &Output, words: &[u64], parties: u16) -> Option<Cell> {
        let words: Vec<i128> = words.iter().map(|word| i128::from(word.cast_signed())).collect();
        let (n, withheld) = (words[0], words[words.len() - 1]);
        let missing = if output.expression.is_some() { words[1] } else { 0 };
        let contributors = i128::from(parties).checked_sub(withheld)?;
        let least = contributors * i128::from(self.minimum_group());
        if withheld < 0
            || contributors < 0
            || missing < 0
            || n < least
            || (contributors == 0 && words[..words.len() - 1] != vec![0; words.len() - 1])
        {
            return None;
        }
        let sum = words[words.len().min(3) - 1];
        let scale = 10i128.pow(self.decimals().into());
        let value = match output.function {
            Function::Count => Some(n as f64),
            Function::Share if !(0..=n).contains(&sum) => return None,
            Function::Sum => Some(sum as f64 / scale as f64),
            Function::Mean => Some(sum as f64 / (n * scale) as f64),
            Function::Share => Some(sum as f64 / n as f64),
            Function::Sd => {
                // All |words| <= 2^63: both products stay below 2^126. By Cauchy and Schwarz the difference is not negative.
                let spread = n * words[3] - sum * sum;
                if spread < 0 {
                    return None;
                }
                (n >= 2).then(|| (spread as f64 / (n * (n - 1)) as f64).sqrt() / scale as f64)
            }
        };
        let narrow = |word: i128| u64::try_from(word).ok();
        Some(Cell {
            value: value.filter(|_| n > 0),
            n: narrow(n)?,
            missing: narrow(missing)?,
            withheld: u16::try_from(withheld).ok()?,
        })
    }
}

/// Why sums are no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not as many values as the program has.
    #[error("{found} sums where the program has {expected}")]
    Length {
        /// Values found.
        found: usize,
        /// Values expected.
        expected: usize,
    },
    /// Negative counts, more parties withholding than there are, fewer rows than the minimum, or the like.
    #[error(
        "the output “{output}”, group “{group}”: the sums contradict each other; a party did not follow the program"
    )]
    Implausible {
        /// The output.
        output: String,
        /// The group.
        group: String,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn program() -> Program {
        Program::from_toml("decimals = 2\nminimum_group = 3\noutputs = [{ name = \"x\", sd = \"a\" }, { name = \"y\", share = \"a = 1\" }]").unwrap()
    }

    #[test]
    fn cells() {
        let answer = program().answer(&[4, 2, 1000, 260_000, 1, 3, 0, 3, 1], 2).unwrap();
        let (x, y) = (&answer.groups["all"]["x"], &answer.groups["all"]["y"]);
        let deviation = ((260_000.0f64 - 250_000.0) / 3.0).sqrt() / 100.0;
        assert_eq!(*x, Cell { value: Some(deviation), n: 4, missing: 2, withheld: 1 });
        assert_eq!(*y, Cell { value: Some(1.0), n: 3, missing: 0, withheld: 1 });
        let nothing = program().answer(&[0, 0, 0, 0, 2, 0, 0, 0, 2], 2).unwrap();
        assert!(nothing.groups["all"].values().all(|cell| cell.value.is_none() && cell.withheld == 2));
    }

    #[test]
    fn sums_that_no_honest_parties_have() {
        let good: [u64; 9] = [4, 2, 1000, 260_000, 1, 3, 0, 3, 1];
        let minus = |value: u64| 0u64.wrapping_sub(value);
        for (at, value) in [
            (0, 2),
            (0, minus(4)),
            (1, minus(1)),
            (3, 249_999),
            (4, 3),
            (4, minus(1)),
            (4, 2),
            (4, 0),
            (5, 2),
            (7, 4),
            (7, minus(1)),
        ] {
            let mut sums = good;
            sums[at] = value;
            assert!(matches!(program().answer(&sums, 2), Err(AnswerError::Implausible { .. })), "{at} {value}");
        }
        assert!(matches!(program().answer(&good[1..], 2), Err(AnswerError::Length { found: 8, expected: 9 })));
    }

    proptest! {
        #[test]
        fn any_sums_are_read_or_refused(sums in proptest::collection::vec(prop_oneof![any::<u64>(), 0u64..9], 9), parties in any::<u16>()) {
            if let Ok(answer) = program().answer(&sums, parties) {
                prop_assert!(answer.groups["all"].values().all(|cell| cell.value.is_none_or(f64::is_finite)));
            }
        }
    }
}
