//! Calls of contracts in WebAssembly.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use contracts::code;
use wasm::bounds::MAX_ARGUMENTS;

use super::Surroundings;
use crate::args::CallArgs;
use crate::error::Failure;
use crate::output::Output;

pub(super) async fn run(args: CallArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let CallArgs { contract, method, arguments } = args;
    let session = surroundings.session()?;
    let (arguments, mut tries) = (Arguments::read(arguments)?, 1);
    let placed = loop {
        match session.client.submit(&contract, &method, &arguments).await {
            // Nothing was done, and the next block has room again.
            Err(error) if error.code() == Some(code::BLOCK_FULL.code) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => break done?,
        }
    };
    let text = format!("{contract}.{method}: done in block {}", placed.height);
    output.result(&placed, &placed.id.to_string(), &text);
    Ok(())
}

/// How often a call is signed, where blocks have no work left for it.
const TRIES: u32 = 5;
/// How long it waits in between.
const PAUSE: Duration = Duration::from_millis(500);

/// The arguments of a method: an array, as the ledger's methods have it.
pub(crate) struct Arguments(Vec<Argument>);

impl Arguments {
    /// With what stands in files that they name.
    pub(crate) fn read(arguments: Vec<Argument>) -> Result<Self, Failure> {
        let read = |argument| match argument {
            Argument::File(path) => {
                let file = File::open(&path).map_err(|error| Failure::file(&path, &error))?;
                let mut bytes = Vec::new();
                let more = file.take(MAX_ARGUMENTS as u64 + 1).read_to_end(&mut bytes);
                more.map_err(|error| Failure::file(&path, &error))?;
                match bytes.len() <= MAX_ARGUMENTS {
                    true => Ok(Argument::Bytes(bytes)),
                    false => Err(Failure::refused(
                        code::OVERSIZE.code,
                        format!(
                            "{} has more than {MAX_ARGUMENTS} bytes, as many as a call's arguments",
                            path.display()
                        ),
                    )),
                }
            }
            argument => Ok(argument),
        };
        arguments.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl<C> minicbor::Encode<C> for Arguments {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(self.0.len() as u64)?;
        for argument in &self.0 {
            match argument {
                Argument::Number(number) => _ = e.u64(*number)?,
                Argument::Negative(number) => _ = e.i64(*number)?,
                Argument::Bool(value) => _ = e.bool(*value)?,
                Argument::Null => _ = e.null()?,
                Argument::Bytes(bytes) => _ = e.bytes(bytes)?,
                Argument::File(_) => return Err(minicbor::encode::Error::message("the file was not read")),
                Argument::Text(text) => _ = e.str(text)?,
            }
        }
        Ok(())
    }
}

/// One argument, by how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Decimal.
    Number(u64),
    /// Decimal, below 0.
    Negative(i64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// `hex:` and lowercase hex.
    Bytes(Vec<u8>),
    /// `file:` and a path: the bytes that stand there.
    File(PathBuf),
    /// `text:` and anything, or anything else.
    Text(String),
}

impl FromStr for Argument {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let bytes = || text.strip_prefix("hex:").and_then(|hex| wire::text::hex(hex).ok()).map(Self::Bytes);
        Ok(match text {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            "null" => Self::Null,
            _ => match (text.parse(), text.parse::<i64>()) {
                (Ok(number), _) if !text.starts_with('+') => Self::Number(number),
                (_, Ok(number)) if number < 0 => Self::Negative(number),
                _ => match text.strip_prefix("file:") {
                    Some(path) if !path.is_empty() => Self::File(path.into()),
                    _ => bytes().unwrap_or_else(|| Self::Text(text.strip_prefix("text:").unwrap_or(text).to_owned())),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_what_they_look_like() {
        let read = |text: &str| text.parse::<Argument>().unwrap();
        let written = ["laser", "20", "-1", "true", "null", "hex:00ff", "text:20", "+1", "hex:0", "-"].map(read);
        let text = |text: &str| Argument::Text(text.into());
        let expected = [
            text("laser"),
            Argument::Number(20),
            Argument::Negative(-1),
            Argument::Bool(true),
            Argument::Null,
            Argument::Bytes(vec![0, 0xff]),
            text("20"),
            text("+1"),
            text("hex:0"),
            text("-"),
        ];
        assert_eq!(written, expected);
        let files = ["file:a b", "file:", "text:file:a"].map(read);
        assert_eq!(files, [Argument::File("a b".into()), text("file:"), text("file:a")]);
        let bytes = wire::to_vec(&Arguments(written[..3].to_vec()));
        assert_eq!(bytes, b"\x83\x65laser\x14\x20");
    }
}
