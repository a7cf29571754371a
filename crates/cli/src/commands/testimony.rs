//! Testimony: what independent witnesses say of the log that a receipt is part of, and on whose word a reader relies.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use client::log::{testify, testify_at_node};
use ledger::{Consortium, NoteError, PinnedWitnesses, Receipt, VerifiedReceipt, WitnessKey};
use serde_json::json;

use super::Surroundings;
use crate::args::{TestifyArgs, WitnessesArgs};
use crate::error::{Doing as _, Failure};
use crate::output::Output;

/// Where the verifier key of a witness, or of several, is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WitnessSource {
    /// Here.
    Key(WitnessKey),
    /// In a file, one a line.
    File(PathBuf),
}

impl FromStr for WitnessSource {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let parts: Vec<&str> = text.splitn(3, '+').collect();
        // What looks like a key is one, and never a file that is missing.
        let meant_as_key =
            matches!(parts[..], [_, id, _] if id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if meant_as_key { text.parse().map(Self::Key) } else { Ok(Self::File(text.into())) }
    }
}

/// The keys that are named, files read.
///
/// # Errors
/// Which file, and which line of it, is at fault.
pub(super) fn keys(sources: &[WitnessSource]) -> Result<Vec<WitnessKey>, Failure> {
    let mut keys = Vec::new();
    for source in sources {
        match source {
            WitnessSource::Key(key) => keys.push(key.clone()),
            WitnessSource::File(path) => keys.extend(read(path)?),
        }
    }
    Ok(keys)
}

fn read(path: &Path) -> Result<Vec<WitnessKey>, Failure> {
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(MAX_KEYS + 1).read_to_string(&mut text));
    file.map_err(|error| Failure::file(path, &error))?;
    let hint = "a file of witnesses has a verifier key on each line, as `sotto --quiet witness show` prints it";
    if text.len() as u64 > MAX_KEYS {
        return Err(Failure::new(format!("{} is too long", path.display())).hint(hint));
    }
    let mut keys = Vec::new();
    for (at, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        if !line.starts_with('#') {
            let key = line.parse().map_err(|error: NoteError| Failure::of(&error).hint(hint));
            keys.push(key.doing(format!("line {} of {} is no witness", at + 1, path.display()))?);
        }
    }
    match keys.is_empty() {
        true => Err(Failure::new(format!("{} names no witness", path.display())).hint(hint)),
        false => Ok(keys),
    }
}

/// The witnesses that a reader relies on; none where none is named.
///
/// # Errors
/// Where they cannot be read, or are not independent of each other and of the validators.
pub(super) fn pinned(args: &WitnessesArgs, consortium: &Consortium) -> Result<Option<PinnedWitnesses>, Failure> {
    match keys(&args.witnesses)? {
        keys if keys.is_empty() => Ok(None),
        keys => Ok(Some(PinnedWitnesses::new(keys, args.least, consortium)?)),
    }
}

/// What is said of the testimony of a receipt, as JSON: of what log it is, and whose lines it claims to have.
pub(super) fn claimed(receipt: &VerifiedReceipt) -> serde_json::Value {
    let told = |testimony: &ledger::VerifiedTestimony| {
        let names: Vec<&str> = testimony.danger_claimed().collect();
        json!({ "size": testimony.checkpoint.size, "root": testimony.checkpoint.root, "claimed": names })
    };
    receipt.testimony.as_ref().map_or(serde_json::Value::Null, told)
}

/// Adds to a receipt what an exported log has of witnesses. Needs no network, no key and no home.
///
/// # Errors
/// Where receipt and log do not fit, or the witnesses' lines are not there.
pub(super) fn run_offline(args: &TestifyArgs, output: &Output) -> Result<(), Failure> {
    vacant(&args.out)?;
    let (Some(log), Some(path)) = (&args.log, &args.consortium) else {
        unreachable!("a log is given, and requires a consortium file");
    };
    let consortium = Consortium::parse(&text(path)?)?;
    let (receipt, witnesses) = (Receipt::parse(&text(&args.receipt)?)?, pinned(&args.witnesses, &consortium)?);
    let testified = testify(log, &consortium, &receipt, witnesses.as_ref()).doing("no testimony was added")?;
    keep(&testified, &consortium, &args.out, output)
}

/// The same of what a member's node publishes.
///
/// # Errors
/// As [`run_offline`]; the node's.
pub(super) async fn run(args: TestifyArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    vacant(&args.out)?;
    let receipt = Receipt::parse(&text(&args.receipt)?)?;
    let mut session = surroundings.session()?;
    let consortium = match &args.consortium {
        Some(path) => Consortium::parse(&text(path)?)?,
        None => session.refresh().await?.clone(),
    };
    let witnesses = pinned(&args.witnesses, &consortium)?;
    let client = match &args.member {
        Some(member) => session.client.at_member(member).await?,
        None => session.client.clone(),
    };
    let waiting = output.waiting("the witnesses cosign");
    let patience = Duration::from_secs(args.wait.into());
    let testified = testify_at_node(&client, &consortium, &receipt, witnesses.as_ref(), patience).await;
    drop(waiting);
    keep(&testified.doing("no testimony was added")?, &consortium, &args.out, output)
}

fn keep(receipt: &Receipt, consortium: &Consortium, out: &Path, output: &Output) -> Result<(), Failure> {
    let verified = receipt.verify(consortium)?;
    fs::write(out, receipt.to_string()).map_err(|error| Failure::file(out, &error))?;
    let told = format!(
        "{} is the receipt with {}.\nWho relies on them: sotto verify {} --consortium FILE --witness KEY",
        out.display(),
        lines(&verified),
        out.display()
    );
    let value = json!({ "file": out, "testimony": claimed(&verified) });
    output.result(&value, &out.display().to_string(), &told);
    Ok(())
}

/// In words, how many lines a receipt has, and of what log.
pub(super) fn lines(receipt: &VerifiedReceipt) -> String {
    receipt.testimony.as_ref().map_or_else(String::new, |testimony| {
        let count = testimony.danger_claimed().count();
        let lines = if count == 1 { "1 witness's line".to_owned() } else { format!("{count} witnesses' lines") };
        format!("{lines} for the log of {} entries", testimony.checkpoint.size)
    })
}

fn vacant(out: &Path) -> Result<(), Failure> {
    match out.exists() {
        true => Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into())),
        false => Ok(()),
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

/// Longest file of witnesses, bytes.
const MAX_KEYS: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn key() -> WitnessKey {
        WitnessKey::new("w.example/1", crypto::SigningKey::from_seed(&[9; 32]).public()).unwrap()
    }

    #[test]
    fn what_looks_like_a_key_is_no_file() {
        assert_eq!(key().to_string().parse(), Ok(WitnessSource::Key(key())));
        // Another type of key, and a key whose id is another's.
        assert_eq!(KEY.parse::<WitnessSource>(), Err(NoteError::Witness));
        assert_eq!(key().to_string().replace("/1+", "/2+").parse::<WitnessSource>(), Err(NoteError::Witness));
        for path in ["witnesses", "a+b", "a+b+c", "./w.example+1"] {
            assert_eq!(path.parse(), Ok(WitnessSource::File(path.into())));
        }
    }

    #[test]
    fn a_file_has_a_key_on_each_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("witnesses");
        let of = |text: &str| {
            fs::write(&path, text).unwrap();
            keys(&[WitnessSource::Key(key()), WitnessSource::File(path.clone())]).map_err(|error| error.render(false))
        };
        assert_eq!(of(&format!("# ours\n\n  {}\n", key())).unwrap(), [key(), key()]);
        assert!(of("# none\n").unwrap_err().contains("names no witness"));
        assert!(of(&format!("{}\nother\n", key())).unwrap_err().contains("line 2"));
        assert!(of(&"#\n".repeat(40_000)).unwrap_err().contains("too long"));
    }
}
