//! The contract file: the TOML that a person writes and `sotto contract offer` turns into terms.

use crypto::{Digest, PublicKey};
use serde::Deserialize;
use toml::value::{Datetime, Offset};
use wire::Bytes;

use crate::calendar;
use crate::check::TermsError;
use crate::engine::{PolicyError, validate};
use crate::terms::{
    Adversary, Approvals, Disclosed, EvidenceRule, GrantTerms, Means, Particulars, Terms, Visibility, Window,
};

/// The first value of every contract file.
pub const FORMAT: &str = "sottovoce-contract/v1";

/// Longest contract file in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// A contract as a person writes it; `docs/spec/terms.md` lists the keys. Parsed, not yet resolved: names stand where
/// terms hold keys and digests, and the program is still text.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractFile {
    /// [`FORMAT`].
    pub format: String,
    /// One line for people.
    pub title: String,
    /// What the asset is and how it may be used.
    #[serde(default)]
    pub description: String,
    /// Name of the asset, as registered.
    pub asset: String,
    /// `release` or `compute`.
    pub means: Means,
    /// Purposes allowed.
    pub purposes: Vec<String>,
    /// `consortium` (the default), `private`, or a list of members.
    #[serde(default)]
    pub visibility: FileVisibility,
    /// When the contract is in force.
    pub window: FileWindow,
    /// Whose consent is needed; nobody's when absent.
    #[serde(default)]
    pub approvals: FileApprovals,
    /// Evidence that a request must bring.
    #[serde(default)]
    pub evidence: Vec<EvidenceRule>,
    /// Life of a grant; 60 seconds when absent.
    #[serde(default)]
    pub grant: FileGrant,
    /// For `compute`: the program as a table, or the path of its file. See [`ContractFile::program_source`].
    pub program: Option<toml::Value>,
    /// For `compute`: fewest rows of a group; [`DEFAULT_MINIMUM_GROUP`] when absent. The caller gives it to the program.
    pub minimum_group: Option<u32>,
    /// What corrupt parties are assumed to do; `semi-honest` when absent.
    #[serde(default)]
    pub adversary: Adversary,
    /// Corrupt parties to withstand; see [`Terms::max_corrupt`].
    #[serde(default)]
    pub max_corrupt: u8,
    /// Parties that may stop answering; see [`Terms::tolerate_dropouts`].
    #[serde(default)]
    pub tolerate_dropouts: u8,
    /// Members that compute along; see [`Terms::helpers`].
    #[serde(default)]
    pub helpers: Vec<String>,
    /// Days after which what was received must be destroyed.
    pub retention_days: Option<u32>,
    /// Jurisdictions the data must stay in.
    #[serde(default)]
    pub jurisdictions: Vec<String>,
    /// Cedar policies; [`ContractFile::default_policy`] when absent.
    pub policy: Option<String>,
}

/// Fewest rows of a group when a file states none.
pub const DEFAULT_MINIMUM_GROUP: u32 = 10;

/// `visibility` as written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "visibility must be \"consortium\", \"private\" or a list of member names")]
pub enum FileVisibility {
    /// A word.
    Word(VisibilityWord),
    /// Members by name.
    Members(Vec<String>),
}

/// `visibility` as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisibilityWord {
    /// Every member.
    Consortium,
    /// The owner.
    Private,
}

impl Default for FileVisibility {
    fn default() -> Self {
        Self::Word(VisibilityWord::Consortium)
    }
}

/// `[window]`: from `not_before` (or the moment of the offer) until `not_after`, or for `days`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileWindow {
    /// A date and time with its zone.
    pub not_before: Option<Datetime>,
    /// A date and time with its zone.
    pub not_after: Option<Datetime>,
    /// Days of 24 hours after the beginning.
    pub days: Option<u32>,
}

/// `[approvals]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileApprovals {
    /// How many must approve.
    pub required: u8,
    /// Principals by name.
    pub approvers: Vec<String>,
}

/// `[grant]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileGrant {
    /// Seconds from issue to expiry.
    pub seconds: u32,
}

impl Default for FileGrant {
    fn default() -> Self {
        Self { seconds: 60 }
    }
}

/// Where the program is to be read.
#[derive(Clone, Debug, PartialEq)]
pub enum ProgramSource {
    /// In the contract file itself, as the text of a program file.
    Inline(String),
    /// In a file, relative to the contract file.
    Path(String),
}

impl ContractFile {
    /// Reads a contract file.
    ///
    /// # Errors
    /// [`FileError`] says what is wrong, where, and what to write.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        if text.len() > MAX_FILE {
            return Err(FileError::TooLong { found: text.len(), limit: MAX_FILE });
        }
        let file: Self = toml::from_str(text).map_err(|error| FileError::Syntax(error.to_string()))?;
        if file.format != FORMAT {
            return Err(FileError::Format { found: file.format });
        }
        match (file.means, &file.program) {
            (Means::Compute, None) => {
                return Err(fault("program", "is missing: `compute` needs a [program] table or a path"));
            }
            (Means::Release, Some(_)) => {
                return Err(fault("program", "belongs to `compute`; remove it, or change `means`"));
            }
            (Means::Release, None) if file.minimum_group.is_some() => {
                return Err(fault("minimum_group", "belongs to `compute`; remove it, or change `means`"));
            }
            _ => {}
        }
        file.program_source()?;
        Ok(file)
    }

    /// The program's text or path, for the caller to turn into the bytes that [`ContractFile::terms`] takes.
    ///
    /// # Errors
    /// [`FileError::Field`] when it is neither a table nor a string.
    pub fn program_source(&self) -> Result<Option<ProgramSource>, FileError> {
        match &self.program {
            None => Ok(None),
            Some(toml::Value::String(path)) if !path.is_empty() => Ok(Some(ProgramSource::Path(path.clone()))),
            Some(toml::Value::Table(table)) => Ok(Some(ProgramSource::Inline(table.to_string()))),
            Some(_) => Err(fault("program", "must be a [program] table, or the path of a program file")),
        }
    }

    /// [`Terms::minimum_group`]: as written or the default; 0 for `release`.
    pub fn minimum_group(&self) -> u32 {
        match self.means {
            Means::Compute => self.minimum_group.unwrap_or(DEFAULT_MINIMUM_GROUP),
            Means::Release => 0,
        }
    }

    /// The policy of a contract that states none: one permit that restates means, purposes and evidence.
    pub fn default_policy(&self) -> String {
        let quote = |text: &String| format!("{text:?}");
        let purposes = self.purposes.iter().map(quote).collect::<Vec<_>>().join(", ");
        let claims: String = (self.evidence.iter())
            .map(|rule| format!("\n  && principal.accreditations.contains({})", quote(&rule.claim)))
            .collect();
        format!(
            "@id(\"default\")\n@reason(\"purpose and evidence are what the contract asks for\")\n\
             permit (principal, action == Action::\"{}\", resource)\nwhen {{\n  [{purposes}].contains(context.purpose){claims}\n}};\n",
            self.means
        )
    }

    /// The particulars, with the default policy where the file states none.
    pub fn particulars(&self) -> Particulars {
        Particulars {
            title: self.title.clone(),
            description: self.description.clone(),
            policy: self.policy.clone().unwrap_or_else(|| self.default_policy()),
            retention_days: self.retention_days,
            jurisdictions: self.jurisdictions.clone(),
        }
    }

    /// Makes terms under a fresh salt, checked and with a validated policy.
    ///
    /// `now` is the moment of the offer (unix milliseconds); `asset` the registered asset; `approver` finds a
    /// principal's key by name; `program` is the canonical encoding of what [`ContractFile::program_source`] names.
    ///
    /// # Errors
    /// [`FileError`] says what is wrong and what to write.
    pub fn terms(
        &self,
        now: u64,
        asset: Digest,
        approver: impl Fn(&str) -> Option<PublicKey>,
        program: Option<Bytes>,
    ) -> Result<(Terms, Disclosed), FileError> {
        let approvers = (self.approvals.approvers.iter())
            .map(|name| approver(name).ok_or_else(|| FileError::UnknownApprover { name: name.clone() }))
            .collect::<Result<_, _>>()?;
        let visibility = match &self.visibility {
            FileVisibility::Word(VisibilityWord::Consortium) => Visibility::Consortium,
            FileVisibility::Word(VisibilityWord::Private) => Visibility::Private,
            FileVisibility::Members(members) => Visibility::Members(members.clone()),
        };
        let disclosed = Disclosed::new(self.particulars());
        let terms = Terms {
            asset,
            means: self.means,
            purposes: self.purposes.clone(),
            window: self.window.resolve(now)?,
            approvals: Approvals { required: self.approvals.required, approvers },
            evidence: self.evidence.clone(),
            grant: GrantTerms { seconds: self.grant.seconds, uses: 1 },
            program,
            minimum_group: self.minimum_group(),
            adversary: self.adversary,
            max_corrupt: self.max_corrupt,
            tolerate_dropouts: self.tolerate_dropouts,
            helpers: self.helpers.clone(),
            fee: None,
            privacy_budget: None,
            policy: disclosed.policy_digest(),
            particulars: disclosed.commitment(),
            disclosed: (visibility == Visibility::Consortium).then(|| disclosed.clone()),
            visibility,
        };
        terms.check()?;
        terms.check_opening(&disclosed)?;
        validate(&disclosed.particulars.policy)?;
        Ok((terms, disclosed))
    }
}

impl FileWindow {
    fn resolve(&self, now: u64) -> Result<Window, FileError> {
        let not_before =
            self.not_before.as_ref().map_or(Ok(now), |moment| milliseconds("window.not_before", moment))?;
        let not_after = match (&self.not_after, self.days) {
            (Some(moment), None) => milliseconds("window.not_after", moment)?,
            (None, Some(days)) => not_before.saturating_add(u64::from(days) * 86_400_000),
            _ => return Err(fault("window", "must hold either `not_after` or `days`")),
        };
        Ok(Window { not_before, not_after })
    }
}

/// Unix milliseconds of an offset date-time; fractions below a millisecond are dropped.
fn milliseconds(field: &'static str, moment: &Datetime) -> Result<u64, FileError> {
    let (Some(date), Some(time), Some(offset)) = (moment.date, moment.time, moment.offset) else {
        return Err(fault(field, "must say date, time and zone, such as 2026-12-01T00:00:00Z"));
    };
    let resolve = || {
        let days = calendar::days(date.year.into(), date.month.into(), date.day.into())?;
        let seconds = u64::from(time.hour) * 3600 + u64::from(time.minute) * 60 + u64::from(time.second);
        let local = days * 86_400_000 + seconds * 1000 + u64::from(time.nanosecond / 1_000_000);
        let ahead = match offset {
            Offset::Z => 0,
            Offset::Custom { minutes } => i64::from(minutes) * 60_000,
        };
        local.checked_add_signed(-ahead)
    };
    resolve().ok_or_else(|| fault(field, "must be a date that exists, from 1970 on"))
}

const fn fault(field: &'static str, rule: &'static str) -> FileError {
    FileError::Field { field, rule }
}

/// Why a contract file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file is too long.
    #[error("the contract file has {found} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// Not TOML, or a key that is unknown, missing or of another type.
    #[error("the contract file cannot be read: {0}")]
    Syntax(String),
    /// Another format.
    #[error("`format` is `{found}`; this version reads `{FORMAT}`")]
    Format {
        /// What was found.
        found: String,
    },
    /// A key breaks its rule.
    #[error("`{field}` {rule}")]
    Field {
        /// The key.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// An approver is nobody the ledger knows.
    #[error("approver `{name}` is no known principal; add it with `sotto member principal add`, or mend the name")]
    UnknownApprover {
        /// The name.
        name: String,
    },
    /// The terms break a bound.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The policy is not valid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}
