//! What went wrong, why, and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::Path;

use client::http;
use contracts::code;
use crypto::keystore;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

/// A command's failure, as people read it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: Option<Box<Cause>>,
    hint: Option<String>,
    code: Option<String>,
    said: bool,
}

/// One reason behind another.
#[derive(Debug)]
struct Cause {
    text: String,
    because: Option<Box<Cause>>,
}

impl Failure {
    /// What went wrong: a sentence without a full stop.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), why: None, hint: None, code: None, said: false }
    }

    /// Why: the innermost reason so far.
    #[must_use]
    pub(crate) fn because(mut self, why: impl Into<String>) -> Self {
        let mut last = &mut self.why;
        while let Some(cause) = last {
            last = &mut cause.because;
        }
        *last = Some(Box::new(Cause { text: why.into(), because: None }));
        self
    }

    /// What to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The stable code of a refusal (`docs/user/codes.md`).
    #[must_use]
    pub(crate) fn coded(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// What the command has printed says it all: it only ends with the status of a failure.
    #[must_use]
    pub(crate) const fn said(mut self) -> Self {
        self.said = true;
        self
    }

    /// Whether nothing is left to say.
    pub(crate) const fn is_said(&self) -> bool {
        self.said
    }

    /// An error with the errors behind it.
    pub(crate) fn of(error: &dyn Error) -> Self {
        let (mut failure, mut told) = (Self::new(error.to_string()), error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Some errors repeat their source in their own text.
            if !told.ends_with(&text) {
                failure = failure.because(&text);
            }
            told = text;
            source = error.source();
        }
        failure
    }

    /// A refusal by its stable code.
    pub(crate) fn refused(code: &str, detail: impl Into<String>) -> Self {
        match code::lookup(code) {
            Some(known) => Self::new(sentence(known.meaning)).because(detail).hint(sentence(known.hint)),
            None if code.starts_with(contracts::PREFIX) => {
                Self::new(format!("the contract refused it with its code `{code}`"))
                    .because(detail)
                    .hint("see what the contract's authors say of this code")
            }
            None => Self::new(format!("it was refused with the code `{code}`"))
                .because(detail)
                .hint("the contract's own policy names this code: see `sotto request explain`, or ask the owner"),
        }
        .coded(code)
    }

    /// A file or directory that the system does not give.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check who owns it and its mode",
            io::ErrorKind::AlreadyExists => "choose another name, or move the file away",
            _ => "see what the system says",
        };
        Self::new(format!("{} cannot be used", path.display())).because(error.to_string()).hint(hint)
    }

    /// The same failure as the reason why `what` could not be done.
    #[must_use]
    pub(crate) fn stops(self, what: impl Into<String>) -> Self {
        let because = Cause { text: self.what, because: self.why };
        Self { what: what.into(), why: Some(Box::new(because)), hint: self.hint, code: self.code, said: self.said }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let why: Vec<&str> = std::iter::successors(self.why.as_deref(), |cause| cause.because.as_deref())
            .map(|cause| cause.text.as_str())
            .collect();
        json!({ "error": { "what": self.what, "why": why, "hint": self.hint, "code": self.code } })
    }

    /// For a terminal, or without colours.
    pub(crate) fn render(&self, colours: bool) -> String {
        let theme = if colours { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let mut text = String::new();
        GraphicalReportHandler::new_themed(theme)
            .with_width(100)
            .render_report(&mut text, self)
            .expect("writing to a string does not fail");
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.why.as_deref().map(|cause| cause as _)
    }
}

impl Diagnostic for Failure {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as _)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.hint.as_ref().map(|hint| Box::new(hint) as _)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.because.as_deref().map(|cause| cause as _)
    }
}

/// Says what was being done when something failed.
pub(crate) trait Doing<T> {
    /// `what` could not be done, for this reason.
    fn doing(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| error.into().stops(what))
    }
}

impl From<http::Error> for Failure {
    fn from(error: http::Error) -> Self {
        match &error {
            http::Error::Problem(problem) => Self::new(sentence(&problem.title))
                .because(problem.detail.clone())
                .hint(sentence(&problem.hint))
                .coded(&problem.code),
            http::Error::Transport(_) | http::Error::Timeout => Self::of(&error)
                .hint("is the node running? `sotto node status` asks it; your wallet's profile.toml says where it is"),
            http::Error::Io(source) => Self::new("a local file cannot be read or written").because(source.to_string()),
            _ => Self::of(&error).hint("is there a sotto node of this version at that address?"),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        use client::Error as Client;
        match error {
            Client::Http(error) => error.into(),
            Client::Keys(error) => error.into(),
            Client::Refused { code, transaction } => {
                Self::refused(&code, format!("the ledger refused the transaction {transaction}"))
            }
            Client::SecondKeyLost { .. } => Self::of(&error).hint(
                "put back a backup of your home that has it; else it needs another key beside the lost one: your operator revokes you and adds you again with a new wallet (`sotto member principal`), an operator's key is recovered (`sotto member recover-key`), anyone else makes a new wallet",
            ),
            Client::UnknownMember(_) => Self::of(&error).hint("`sotto member list` names the members"),
            Client::Object(_) => {
                Self::of(&error).hint("do not use what was received; tell the owner, and keep the receipt")
            }
            Client::Escrow(_) => Self::of(&error).hint(
                "agents contribute within a minute while their nodes run, and for 30 days: see `sotto escrow show`, and try again",
            ),
            Client::Share { .. } => Self::of(&error).hint("ask that party's operator; nothing was computed from it"),
            _ => Self::of(&error),
        }
    }
}

impl From<keystore::Error> for Failure {
    fn from(error: keystore::Error) -> Self {
        let hint = match &error {
            keystore::Error::Locked => Some("type it again, or check --passphrase-file and SOTTO_PASSPHRASE_FILE"),
            keystore::Error::Passphrase => Some("choose another passphrase"),
            keystore::Error::Changed { .. } => Some("run the command again"),
            _ => None,
        };
        Self { hint: hint.map(str::to_owned), ..Self::of(&error) }
    }
}

impl From<client::wallet::Error> for Failure {
    fn from(error: client::wallet::Error) -> Self {
        match error {
            client::wallet::Error::Keys(error) => error.into(),
            error => Self::of(&error),
        }
    }
}

impl From<node::config::ConfigError> for Failure {
    fn from(error: node::config::ConfigError) -> Self {
        Self::of(&error).hint("mend node.toml; docs/operator/configuration.md describes every key")
    }
}

impl From<node::BootError> for Failure {
    fn from(error: node::BootError) -> Self {
        match error {
            node::BootError::Keys(error) => error.into(),
            error => Self::of(&error).hint("`sotto node check` looks for faults"),
        }
    }
}

impl From<client::log::Error> for Failure {
    fn from(error: client::log::Error) -> Self {
        use client::bucket::Error as Bucket;
        use client::log::Error as Log;
        let hint = match &error {
            Log::Client(_) => {
                let Log::Client(error) = error else { unreachable!("it was matched") };
                return error.into();
            }
            Log::Unattested(_) => {
                let Log::Unattested(error) = error else { unreachable!("it was matched") };
                return error.into();
            }
            Log::Note(unwitnessed @ ledger::NoteError::Unwitnessed { .. }) => {
                let why = format!("{unwitnessed}: the node asks none, or they do not answer");
                return Self::refused(code::NOT_WITNESSED.code, why);
            }
            Log::Fork { .. } | Log::Inconsistent { .. } => {
                "keep both checkpoints: together they prove that validators lied; tell the other members"
            }
            Log::Behind { .. } => "the log you know is longer: ask another node, and this one again later",
            Log::Unwitnessed(_) => "is the witness among the node's `witnesses`, and does it run?",
            Log::Note(_) => "get a consortium file that is new enough, from a source you trust",
            Log::Bucket(Bucket::Location(_)) => {
                "as in --to s3://my-logs/consortium: letters, digits and . _ - in the prefix"
            }
            Log::Bucket(Bucket::Endpoint(_) | Bucket::Unreachable { .. }) => {
                "is --endpoint the store's address, and does its certificate come from an authority that browsers trust, or from one in --authorities?"
            }
            Log::Bucket(Bucket::Credentials) => "set both to an access key that may read and write there",
            Log::Bucket(Bucket::Authorities) => "give a file of certificates as in -----BEGIN CERTIFICATE-----",
            Log::Bucket(Bucket::Refused { status: 403, .. }) => {
                "the key must be allowed to get and put objects there and to list the bucket; is this machine's clock right?"
            }
            Log::Bucket(_) => "does the bucket exist, in this region? Run it again: it goes on from where it stopped",
            Log::Missing { .. } => "export the log again into the same directory: what is missing is fetched",
            Log::Unfit { .. } => {
                "remove that file and export again; where it comes from a node, do not rely on that node"
            }
            _ => "check who owns the directory, and whether the disk is full",
        };
        Self::of(&error).hint(hint)
    }
}

impl From<node::read_model::ReadModelError> for Failure {
    fn from(error: node::read_model::ReadModelError) -> Self {
        use node::read_model::ReadModelError as Model;
        let hint = match &error {
            Model::Ledger(_) => "stop the node first: one process alone has its ledger open",
            Model::Disabled => "set `read_model.database` in node.toml; docs/operator/configuration.md describes it",
            _ => "see `read_model` in docs/operator/configuration.md; `sotto node rebuild` may be repeated",
        };
        Self::of(&error).hint(hint)
    }
}

impl From<node::witness::WitnessError> for Failure {
    fn from(error: node::witness::WitnessError) -> Self {
        use node::witness::WitnessError as Witness;
        match error {
            Witness::Keys(error) => error.into(),
            Witness::Forgotten(_) => Self::of(&error)
                .hint("never put an older copy in its place: a witness that forgets can be made to cosign a fork"),
            error => Self::of(&error),
        }
    }
}

impl From<client::verify::Error> for Failure {
    fn from(error: client::verify::Error) -> Self {
        let hint = match &error {
            client::verify::Error::Consortium(_) => "get the consortium file again, from a source you trust",
            _ => "do not rely on it; get the receipt again, and a consortium file that is new enough",
        };
        Self::of(&error).hint(hint)
    }
}

impl From<ledger::Unattested> for Failure {
    fn from(error: ledger::Unattested) -> Self {
        use ledger::Unattested as Witnesses;
        match &error {
            Witnesses::Few { .. } | Witnesses::False { .. } => {
                Self::refused(code::NOT_WITNESSED.code, error.to_string())
            }
            Witnesses::SameKey { .. } | Witnesses::Validator { .. } => {
                Self::refused(code::WITNESS_NOT_INDEPENDENT.code, error.to_string())
            }
            _ => Self::of(&error).hint("--witnesses is 1 at least, and no more than the witnesses that you name"),
        }
    }
}

/// Errors that explain themselves.
macro_rules! plain {
    ($($type:ty),* $(,)?) => {
        $(
            impl From<$type> for Failure {
                fn from(error: $type) -> Self {
                    Self::of(&error)
                }
            }
        )*
    };
}

plain!(
    ledger::ConsortiumError,
    ledger::NoteError,
    ledger::ReceiptError,
    node::setup::SetupError,
    policy::FileError,
    query::ProgramError,
    vault::Error,
    crate::invitation::Error,
);

/// Without the full stop at its end.
fn sentence(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_problem_is_printed_with_its_code_and_hint() {
        let problem = client::api::Problem {
            kind: "urn:sottovoce:grant_already_used".into(),
            title: "The grant was redeemed; it can be used once.".into(),
            status: 409,
            code: "grant_already_used".into(),
            detail: "redeemed in block 41".into(),
            hint: "Apply again for another release.".into(),
        };
        let failure = Failure::from(client::Error::Http(http::Error::Problem(Box::new(problem))));
        let text = failure.render(false);
        for part in ["grant_already_used", "it can be used once", "redeemed in block 41", "Apply again"] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert_eq!(failure.json()["error"]["code"], "grant_already_used");
    }

    #[test]
    fn a_refusal_of_the_ledger_is_explained() {
        let transaction = crypto::Digest::from([7; 32]);
        let failure = Failure::from(client::Error::Refused { code: "name_taken".into(), transaction });
        assert_eq!(failure.to_string(), "The name is in use");
        assert_eq!(failure.json()["error"]["hint"], "Choose another name");
        let own = Failure::refused("outside_hours", "weekday 7");
        assert!(own.render(false).contains("sotto request explain"));
    }

    #[test]
    fn reasons_stand_in_order() {
        let failure = Failure::new("c").because("d").stops("b").stops("a").because("e").hint("h");
        let json = failure.json();
        assert_eq!((json["error"]["what"].as_str(), &json["error"]["why"]), (Some("a"), &json!(["b", "c", "d", "e"])));
    }

    #[test]
    fn missing_files_and_wrong_passphrases_say_what_to_do() {
        let missing = Failure::file(Path::new("x.toml"), &io::ErrorKind::NotFound.into());
        assert!(missing.render(false).contains("check the path"));
        assert!(Failure::from(keystore::Error::Locked).render(false).contains("--passphrase-file"));
    }
}
