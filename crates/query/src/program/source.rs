//! The textual form of a program, in TOML and JSON.

use serde::{Deserialize, Serialize};

use super::{Content, Function, GroupBy, Output, Program, ProgramError, VERSION};
use crate::Expression;

/// What people write. Unknown keys are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    domain: Option<Vec<String>>,
    #[serde(default)]
    decimals: u8,
    #[serde(default = "ten")]
    minimum_group: u32,
    outputs: Vec<OutputSource>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputSource {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sum: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sd: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<String>,
}

const fn ten() -> u32 {
    10
}

/// The expression of a count of rows.
const ROWS: &str = "*";

impl TryFrom<Source> for Program {
    type Error = ProgramError;

    fn try_from(source: Source) -> Result<Self, ProgramError> {
        let Source { filter, group_by, domain, decimals, minimum_group, outputs } = source;
        let filter = filter.map(|text| expression("the filter", &text)).transpose()?;
        let group_by = match (group_by, domain) {
            (None, None) => None,
            (Some(column), Some(domain)) => Some(GroupBy { column, domain }),
            _ => return Err(ProgramError::Grouping),
        };
        let outputs = outputs.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        Self::check(Content { version: VERSION, filter, group_by, outputs, decimals, minimum_group })
    }
}

impl TryFrom<OutputSource> for Output {
    type Error = ProgramError;

    fn try_from(source: OutputSource) -> Result<Self, ProgramError> {
        let OutputSource { name, count, sum, mean, sd, share } = source;
        let functions = [
            (Function::Count, count),
            (Function::Sum, sum),
            (Function::Mean, mean),
            (Function::Sd, sd),
            (Function::Share, share),
        ];
        let mut named = functions.into_iter().filter_map(|(function, text)| Some((function, text?)));
        let (Some((function, text)), None) = (named.next(), named.next()) else {
            return Err(ProgramError::Function { name });
        };
        let expression = match (function, text.trim()) {
            (Function::Count, ROWS) => None,
            (_, text) => Some(expression(&format!("the output “{name}”"), text)?),
        };
        Ok(Self { name, function, expression })
    }
}

fn expression(part: &str, text: &str) -> Result<Expression, ProgramError> {
    text.parse().map_err(|source| ProgramError::Expression { part: part.into(), source })
}

impl From<Program> for Source {
    fn from(Program(content): Program) -> Self {
        let Content { version: _, filter, group_by, outputs, decimals, minimum_group } = content;
        let (group_by, domain) = group_by.map(|group_by| (group_by.column, group_by.domain)).unzip();
        let outputs = outputs.into_iter().map(Into::into).collect();
        Self { filter: filter.map(|filter| filter.to_string()), group_by, domain, decimals, minimum_group, outputs }
    }
}

impl From<Output> for OutputSource {
    fn from(output: Output) -> Self {
        let mut source = Self { name: output.name, ..Self::default() };
        let text = output.expression.map_or_else(|| ROWS.into(), |expression| expression.to_string());
        let place = match output.function {
            Function::Count => &mut source.count,
            Function::Sum => &mut source.sum,
            Function::Mean => &mut source.mean,
            Function::Sd => &mut source.sd,
            Function::Share => &mut source.share,
        };
        *place = Some(text);
        source
    }
}
