//! Cedar: the schema, the consortium's own forbids, and contract policies compiled and kept.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::str::FromStr as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cedar_policy::{Authorizer, Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use crypto::{Digest, Label};

use crate::check::MAX_POLICY;
use crate::codes;

/// Most policies in one contract.
pub const MAX_POLICIES: usize = 64;
/// Deepest nesting of brackets in a policy text.
pub const MAX_NESTING: usize = 32;
/// Most operators and keywords in one policy text: bounds the depth of its syntax tree, which the engine walks by recursion.
pub const MAX_OPERATORS: usize = 512;
/// Longest annotation in bytes.
pub const MAX_ANNOTATION: usize = 300;

/// The schema that every policy is validated against, in Cedar's schema language.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// What holds for every contract, whatever its own policies say: the structured checks once more, as forbids.
pub const GLOBAL_POLICIES: &str = include_str!("global.cedar");

pub(crate) static AUTHORIZER: LazyLock<Authorizer> = LazyLock::new(Authorizer::new);

pub(crate) static CEDAR_SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).expect("our schema is valid, as the tests prove").0);

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(CEDAR_SCHEMA.clone()));

/// A contract's policies together with the global ones, in the order of their text, validated.
pub(crate) struct Compiled {
    pub(crate) set: PolicySet,
    pub(crate) policies: Vec<Entry>,
}

/// What explanations need of a policy.
pub(crate) struct Entry {
    pub(crate) id: PolicyId,
    pub(crate) name: String,
    pub(crate) effect: Effect,
    pub(crate) code: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) obligations: Vec<(String, String)>,
}

/// Validates a contract's policy text as the node does before it offers it: parse, bounds, annotations, and strict
/// validation against [`SCHEMA`].
///
/// # Errors
/// [`PolicyError`] says which policy is at fault, why, and what may be written instead.
pub fn validate(text: &str) -> Result<(), PolicyError> {
    compiled(text).map(|_| ())
}

/// The compiled form of a text; the latest few are kept, since parsing and validating cost more than deciding.
pub(crate) fn compiled(text: &str) -> Result<Arc<Compiled>, PolicyError> {
    static KEPT: Mutex<VecDeque<(Digest, Arc<Compiled>)>> = Mutex::new(VecDeque::new());
    const KEEP: usize = 64;

    if text.len() > MAX_POLICY {
        return Err(PolicyError::TooLong { found: text.len(), limit: MAX_POLICY });
    }
    let digest = crypto::hash(Label::POLICY, &[text.as_bytes()]);
    let known = {
        // A thread that panicked while it held the lock left whole entries behind: they stay valid.
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(name, _)| *name == digest).map(|(_, compiled)| Arc::clone(compiled))
    };
    if let Some(compiled) = known {
        return Ok(compiled);
    }
    let compiled = Arc::new(compile(text)?);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == KEEP {
        kept.pop_front();
    }
    kept.push_back((digest, Arc::clone(&compiled)));
    Ok(compiled)
}

fn compile(text: &str) -> Result<Compiled, PolicyError> {
    bound_complexity(text)?;
    let global = parse(GLOBAL_POLICIES)?;
    let own = parse(text)?;
    if own.is_empty() {
        return Err(PolicyError::Empty);
    }
    if own.len() > MAX_POLICIES {
        return Err(PolicyError::TooMany { found: own.len(), limit: MAX_POLICIES });
    }
    let mut policies: Vec<Entry> = Vec::with_capacity(global.len() + own.len());
    let mut set = PolicySet::new();
    let sources =
        global.iter().map(|policy| ("sottovoce", policy)).chain(own.iter().map(|policy| ("contract", policy)));
    for (i, (origin, policy)) in sources.enumerate() {
        let entry = entry(PolicyId::new(format!("{i:03}")), origin, i, global.len(), policy)?;
        if policies.iter().any(|other| other.name == entry.name) {
            return Err(PolicyError::Annotation {
                policy: entry.name.clone(),
                problem: format!("the id `{}` is used twice", entry.name),
            });
        }
        set.add(policy.new_id(entry.id.clone())).expect("ids are numbered, policies are static");
        policies.push(entry);
    }
    let result = VALIDATOR.validate(&set, ValidationMode::Strict);
    let complaints: Vec<String> = (result.validation_errors())
        .map(|error| {
            let named = policies.iter().find(|entry| entry.id == *error.policy_id());
            // The engine speaks of our numbers; people know the names.
            let said = at(error, text).replace(&format!("for policy `{}`, ", error.policy_id()), "");
            format!("policy `{}`: {said}", named.map_or("", |entry| &entry.name))
        })
        .collect();
    if !complaints.is_empty() {
        return Err(PolicyError::Invalid { complaints: complaints.join("; ") });
    }
    Ok(Compiled { set, policies })
}

/// Parses into policies in the order of the text.
fn parse(text: &str) -> Result<Vec<Policy>, PolicyError> {
    let set = PolicySet::from_str(text).map_err(|errors| {
        let problem = errors.iter().map(|error| at(error, text)).collect::<Vec<_>>().join("; ");
        PolicyError::Syntax { problem }
    })?;
    if set.num_of_templates() > 0 {
        return Err(PolicyError::Template);
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    // The parser numbers policies in order: `policy0`, `policy1`, …
    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap_or(0));
    Ok(policies)
}

/// What the engine says of an error, with line, column and its advice.
fn at(error: &dyn miette::Diagnostic, text: &str) -> String {
    let mut line = error.to_string();
    if let Some(label) = error.labels().and_then(|mut labels| labels.next()) {
        let before = &text[..text.floor_char_boundary(label.offset())];
        let row = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let _ = write!(line, " (line {row}, column {column})");
        if let Some(expected) = label.label() {
            let _ = write!(line, ": {expected}");
        }
    }
    if let Some(advice) = error.help() {
        let _ = write!(line, "; {advice}");
    }
    line
}

/// Reads the annotations of one policy.
fn entry(id: PolicyId, origin: &str, i: usize, globals: usize, policy: &Policy) -> Result<Entry, PolicyError> {
    let own = origin == "contract";
    let number = if own { i - globals + 1 } else { i + 1 };
    let label = policy.annotation("id").map_or_else(|| number.to_string(), str::to_owned);
    let name = format!("{origin}/{label}");
    let fault = |problem: String| PolicyError::Annotation { policy: name.clone(), problem };

    let mut obligations = Vec::new();
    for (key, value) in policy.annotations() {
        if value.is_empty() || value.len() > MAX_ANNOTATION || value.chars().any(char::is_control) {
            return Err(fault(format!("`@{key}` must hold between 1 and {MAX_ANNOTATION} bytes on one line")));
        }
        match (key, policy.effect()) {
            ("reason" | "hint", _) => {}
            ("id", _) if is_word(value) => {}
            ("id", _) => return Err(fault(format!("`@id(\"{value}\")` must {WORD}"))),
            ("code", Effect::Permit) => return Err(fault("`@code` belongs to a forbid".to_owned())),
            ("code", Effect::Forbid) if !is_word(value) => {
                return Err(fault(format!("`@code(\"{value}\")` must {WORD}")));
            }
            ("code", Effect::Forbid) if own && codes::ALL.contains(&value) => {
                return Err(fault(format!("`@code(\"{value}\")` has a meaning of its own; choose another")));
            }
            ("code", Effect::Forbid) => {}
            (other, effect) => match other.strip_prefix("obligation_") {
                Some("") | None => {
                    return Err(fault(format!(
                        "`@{other}` is unknown; known are @id, @reason, @hint, @code (forbid), @obligation_NAME (permit)"
                    )));
                }
                Some(_) if effect == Effect::Forbid => return Err(fault(format!("`@{other}` belongs to a permit"))),
                Some(duty) => obligations.push((duty.to_owned(), value.to_owned())),
            },
        }
    }
    let text = |key: &str| policy.annotation(key).map(str::to_owned);
    obligations.sort();
    Ok(Entry {
        id,
        effect: policy.effect(),
        code: text("code"),
        reason: text("reason"),
        hint: text("hint"),
        obligations,
        name,
    })
}

const WORD: &str = "hold 1 to 48 lowercase letters, digits and `_`, beginning with a letter";

fn is_word(text: &str) -> bool {
    text.len() <= 48
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Refuses texts whose syntax tree could be deep, before the parser sees them: the tree is never deeper than the
/// brackets nest plus the operators and keywords that stand outside strings and comments.
fn bound_complexity(text: &str) -> Result<(), PolicyError> {
    let (mut depth, mut operators) = (0usize, 0usize);
    let mut bytes = text.bytes().peekable();
    let mut word = false;
    while let Some(byte) = bytes.next() {
        let continues = word;
        word = byte.is_ascii_alphanumeric() || byte == b'_';
        match byte {
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => while bytes.next().is_some_and(|inner| inner != b'\n') {},
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > MAX_NESTING {
                    return Err(PolicyError::TooDeep { limit: MAX_NESTING });
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'&' | b'|' if bytes.peek() == Some(&byte) => {
                bytes.next();
                operators += 1;
            }
            b'.' | b'+' | b'-' | b'*' | b'!' | b'<' | b'>' | b'=' | b'&' | b'|' => operators += 1,
            b'i' if !continues && matches!(bytes.peek(), Some(b'f' | b's' | b'n')) => operators += 1,
            _ => {}
        }
        if operators > MAX_OPERATORS {
            return Err(PolicyError::TooComplex { limit: MAX_OPERATORS });
        }
    }
    Ok(())
}

/// Why a policy text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The text is too long.
    #[error("the policy has {found} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// There are too many policies.
    #[error("the text holds {found} policies, at most {limit} are accepted")]
    TooMany {
        /// Policies found.
        found: usize,
        /// Policies accepted.
        limit: usize,
    },
    /// Brackets nest too deep.
    #[error("brackets nest deeper than {limit}; split the condition into several policies")]
    TooDeep {
        /// Depth accepted.
        limit: usize,
    },
    /// Too many operators.
    #[error("the text holds more than {limit} operators; shorten it, or use a set and `contains`")]
    TooComplex {
        /// Operators accepted.
        limit: usize,
    },
    /// There is no policy.
    #[error(
        "the text holds no policy, so nothing would ever be permitted; write at least one permit(…), or leave `policy` out"
    )]
    Empty,
    /// Not Cedar.
    #[error("this is not a Cedar policy: {problem}")]
    Syntax {
        /// What the parser says, with line and column.
        problem: String,
    },
    /// A template has no meaning here.
    #[error("`?principal` and `?resource` make a template; name what you mean in a when {{ … }} instead")]
    Template,
    /// An annotation is unknown, misplaced or malformed.
    #[error("policy `{policy}`: {problem}")]
    Annotation {
        /// The policy's name.
        policy: String,
        /// What is wrong.
        problem: String,
    },
    /// Parsed, but not valid under the schema.
    #[error(
        "the policy does not fit the schema (see docs/user/policies.md for what a policy may speak of): {complaints}"
    )]
    Invalid {
        /// What the validator says.
        complaints: String,
    },
}
