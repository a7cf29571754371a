//! The declarative program: what a computation may read and what comes out.

mod source;

use std::collections::BTreeSet;

use crypto::{Digest, Label};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use serde::{Deserialize, Serialize};
use wire::Limits;

use crate::expression::{Expression, Kind, ParseError};
use crate::table::MAX_NAME;
use source::Source;

/// A checked program. Its canonical bytes travel in the contract and are what is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Source", into = "Source")]
pub struct Program(Content);

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Content {
    #[n(0)]
    version: u8,
    #[n(1)]
    filter: Option<Expression>,
    #[n(2)]
    group_by: Option<GroupBy>,
    #[n(3)]
    outputs: Vec<Output>,
    #[n(4)]
    decimals: u8,
    #[n(5)]
    minimum_group: u32,
}

/// Groups rows by the text of a column, over a public list of values; other rows are left out.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct GroupBy {
    /// The column.
    #[n(0)]
    pub column: String,
    /// The groups, distinct.
    #[n(1)]
    pub domain: Vec<String>,
}

/// One number per group.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Output {
    /// Its name in the answer: letters, digits, `_`, `-`.
    #[n(0)]
    pub name: String,
    /// What is computed.
    #[n(1)]
    pub function: Function,
    /// Of what; absent only for a count of rows.
    #[n(2)]
    pub expression: Option<Expression>,
}

/// What is computed over the rows of a group whose expression is not missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Function {
    /// How many; without expression, how many rows.
    #[n(0)]
    Count,
    /// Sum of a number.
    #[n(1)]
    Sum,
    /// Arithmetic mean of a number.
    #[n(2)]
    Mean,
    /// Sample standard deviation of a number (divisor n − 1).
    #[n(3)]
    Sd,
    /// Fraction of rows for which a condition is true.
    #[n(4)]
    Share,
}

impl Program {
    /// Reads the TOML form that people write.
    ///
    /// # Errors
    /// [`ProgramError`] says which part is wrong and what would be right.
    pub fn from_toml(text: &str) -> Result<Self, ProgramError> {
        if text.len() > MAX_TOML {
            return Err(ProgramError::TooLong { limit: MAX_TOML });
        }
        let source: Source = toml::from_str(text).map_err(|error| ProgramError::Toml(error.to_string()))?;
        source.try_into()
    }

    /// Writes the TOML form.
    pub fn to_toml(&self) -> String {
        toml::to_string(&Source::from(self.clone())).expect("a program holds only texts and small numbers")
    }

    /// The canonical encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// Reads the canonical encoding, and no other.
    ///
    /// # Errors
    /// [`ProgramError::Encoding`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        Ok(wire::from_slice(bytes, LIMITS)?)
    }

    /// The digest that contracts and sessions bind: `H(program, [canonical bytes])`.
    pub fn digest(&self) -> Digest {
        crypto::hash(Label::PROGRAM, &[&self.to_bytes()])
    }

    /// Which rows take part; without filter all.
    pub const fn filter(&self) -> Option<&Expression> {
        self.0.filter.as_ref()
    }

    /// How rows are grouped; without grouping there is one group, [`ALL`].
    pub const fn group_by(&self) -> Option<&GroupBy> {
        self.0.group_by.as_ref()
    }

    /// What is computed for each group, in order.
    pub fn outputs(&self) -> &[Output] {
        &self.0.outputs
    }

    /// Digits behind the point to which each row's number is rounded before it is added.
    pub const fn decimals(&self) -> u8 {
        self.0.decimals
    }

    /// Fewest rows (and values of an output) with which a party's group enters.
    pub const fn minimum_group(&self) -> u32 {
        self.0.minimum_group
    }

    /// Names of the groups, in order.
    pub fn groups(&self) -> Vec<&str> {
        self.group_by().map_or_else(|| vec![ALL], |group_by| group_by.domain.iter().map(String::as_str).collect())
    }

    /// The columns a table must have.
    pub fn columns(&self) -> BTreeSet<&str> {
        let expressions =
            self.0.filter.iter().chain(self.0.outputs.iter().filter_map(|output| output.expression.as_ref()));
        let grouped = self.group_by().map(|group_by| group_by.column.as_str());
        expressions.flat_map(Expression::columns).chain(grouped).collect()
    }

    /// Number of values in a party's vector: for each group, for each output, [`Output::words`].
    pub fn length(&self) -> usize {
        self.groups().len() * self.outputs().iter().map(Output::words).sum::<usize>()
    }

    /// What the joint sum costs, exactly.
    pub fn cost(&self, parties: u16) -> mpc::additive::Cost {
        mpc::additive::cost(parties, self.length())
    }

    /// The same for the engine of [`mpc`]: the vectors of the first `owners` of the parties in, their sum to the recipient. In a field the words
    /// go in as signed numbers, whose sum it holds.
    pub fn joint(&self, parties: u16, owners: u16, domain: mpc::domain::Domain) -> mpc::program::Program {
        let mut program = mpc::program::Builder::new(parties);
        let inputs: Vec<_> = (0..owners).map(|party| (1, program.input(party, domain))).collect();
        let sums = program.linear(&inputs, 0);
        program.give(sums);
        program.finish().expect("sums of inputs of one domain are a program, for a number of parties that is in bounds")
    }

    fn check(content: Content) -> Result<Self, ProgramError> {
        let Content { version, filter, group_by, outputs, decimals, minimum_group } = &content;
        if *version != VERSION {
            return Err(ProgramError::Version { found: *version });
        }
        if filter.as_ref().is_some_and(|filter| filter.kind() != Kind::Truth) {
            return Err(ProgramError::Kind { part: "the filter".into(), expected: "a condition like age >= 18" });
        }
        if let Some(group_by) = group_by {
            group_by.check()?;
        }
        if !(1..=MAX_OUTPUTS).contains(&outputs.len()) {
            return Err(ProgramError::Bound {
                part: "number of outputs",
                found: outputs.len() as u64,
                least: 1,
                most: MAX_OUTPUTS as u64,
            });
        }
        let mut names = BTreeSet::new();
        for output in outputs {
            output.check()?;
            if !names.insert(&output.name) {
                return Err(ProgramError::Twice { part: "the output", name: output.name.clone() });
            }
        }
        if *decimals > MAX_DECIMALS {
            return Err(ProgramError::Bound {
                part: "decimals",
                found: (*decimals).into(),
                least: 0,
                most: MAX_DECIMALS.into(),
            });
        }
        if !(1..=MAX_MINIMUM).contains(minimum_group) {
            return Err(ProgramError::Bound {
                part: "minimum_group",
                found: (*minimum_group).into(),
                least: 1,
                most: MAX_MINIMUM.into(),
            });
        }
        let program = Self(content);
        let length = program.length();
        if length > mpc::additive::MAX_LENGTH {
            let most = mpc::additive::MAX_LENGTH as u64;
            return Err(ProgramError::Bound {
                part: "number of values, groups times outputs,",
                found: length as u64,
                least: 1,
                most,
            });
        }
        if program.to_bytes().len() > LIMITS.bytes {
            return Err(ProgramError::TooLong { limit: LIMITS.bytes });
        }
        Ok(program)
    }
}

impl GroupBy {
    fn check(&self) -> Result<(), ProgramError> {
        if !(1..=MAX_GROUPS).contains(&self.domain.len()) {
            return Err(ProgramError::Bound {
                part: "size of the domain",
                found: self.domain.len() as u64,
                least: 1,
                most: MAX_GROUPS as u64,
            });
        }
        let mut seen = BTreeSet::new();
        for name in std::iter::once(&self.column).chain(&self.domain) {
            if name.is_empty() || name.len() > MAX_NAME || name.trim() != name || name.chars().any(char::is_control) {
                return Err(ProgramError::Name { part: "a column or group", name: name.clone() });
            }
        }
        match self.domain.iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(ProgramError::Twice { part: "the group", name: name.clone() }),
            None => Ok(()),
        }
    }
}

impl Output {
    /// Values per group: n, then missing (unless rows are counted), then Σx, then Σx² as needed, then withheld.
    pub const fn words(&self) -> usize {
        match (self.function, &self.expression) {
            (Function::Count, None) => 2,
            (Function::Count, Some(_)) => 3,
            (Function::Sum | Function::Mean | Function::Share, _) => 4,
            (Function::Sd, _) => 5,
        }
    }

    fn check(&self) -> Result<(), ProgramError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err(ProgramError::Name { part: "an output", name: self.name.clone() });
        }
        let expected = match (self.function, self.expression.as_ref().map(Expression::kind)) {
            (Function::Count, _) | (Function::Share, Some(Kind::Truth)) => return Ok(()),
            (Function::Sum | Function::Mean | Function::Sd, Some(Kind::Number)) => return Ok(()),
            (Function::Share, _) => "a condition like cens = 1",
            _ => "a number like cd420 - cd40",
        };
        Err(ProgramError::Kind { part: format!("the output “{}”", self.name), expected })
    }
}

impl<C> Encode<C> for Program {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(e, context)
    }
}

impl<'b, C> Decode<'b, C> for Program {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        Self::check(Content::decode(d, context)?).map_err(|error| decode::Error::message(error.to_string()))
    }
}

/// The one group of a program without grouping.
pub const ALL: &str = "all";

const VERSION: u8 = 1;
const MAX_TOML: usize = 256 * 1024;
const MAX_OUTPUTS: usize = 64;
const MAX_GROUPS: usize = 1024;
const MAX_DECIMALS: u8 = 6;
const MAX_MINIMUM: u32 = 1_000_000;
/// Half of what a transaction holds: contracts carry programs.
const LIMITS: Limits = Limits { bytes: 32 * 1024, depth: 6 };

/// Why a program was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Not TOML, or an unknown or missing key.
    #[error("the program is not of the expected form: {0}")]
    Toml(String),
    /// Not a canonical encoding of a program.
    #[error("the program's bytes are refused: {0}")]
    Encoding(#[from] wire::Error),
    /// An expression cannot be read.
    #[error("{part}: {source}")]
    Expression {
        /// Where it stands.
        part: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A condition where a number belongs, or the reverse.
    #[error("{part} needs {expected}")]
    Kind {
        /// Which part.
        part: String,
        /// What it takes.
        expected: &'static str,
    },
    /// An output does not name exactly one function.
    #[error("the output “{name}” needs exactly one of count, sum, mean, sd, share")]
    Function {
        /// The output.
        name: String,
    },
    /// `group_by` without `domain`, or the reverse.
    #[error("group_by and domain belong together: the domain lists the groups, for example domain = [\"0\", \"1\"]")]
    Grouping,
    /// A name that cannot be one.
    #[error(
        "“{name}” cannot name {part}: outputs take 1 to 64 letters, digits, _ or -; columns and groups 1 to 128 bytes without outer space"
    )]
    Name {
        /// What it would name.
        part: &'static str,
        /// The name.
        name: String,
    },
    /// A name used twice.
    #[error("{part} “{name}” appears twice")]
    Twice {
        /// What it names.
        part: &'static str,
        /// The name.
        name: String,
    },
    /// A number outside its bounds.
    #[error("{part} is {found}: {least} to {most} are supported")]
    Bound {
        /// What it counts.
        part: &'static str,
        /// Found.
        found: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// Too many bytes.
    #[error("the program is longer than {limit} bytes")]
    TooLong {
        /// Bytes supported.
        limit: usize,
    },
    /// A version of the format that this reader does not know.
    #[error("the program is of version {found}, this reader knows {VERSION}")]
    Version {
        /// Found.
        found: u8,
    },
}

#[cfg(test)]
mod tests;
