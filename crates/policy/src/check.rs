//! The bounds of terms and particulars. Deterministic, and independent of the policy engine: the ledger runs them.

use std::collections::BTreeSet;

use crate::terms::{Disclosed, Means, Particulars, Terms, Visibility};

/// Longest encoding of terms in bytes; leaves room for the rest of a transaction.
pub const MAX_TERMS: usize = 48 * 1024;
/// Longest policy text in bytes.
pub const MAX_POLICY: usize = 16 * 1024;
/// Longest encoded program in bytes.
pub const MAX_PROGRAM: usize = 16 * 1024;
/// Most purposes, approvers, members, jurisdictions or evidence rules.
pub const MAX_LIST: usize = 32;
/// Longest name (purpose, claim, kind, member) in bytes.
pub const MAX_NAME: usize = 64;
/// Longest title in bytes.
pub const MAX_TITLE: usize = 200;
/// Longest description in bytes.
pub const MAX_DESCRIPTION: usize = 4000;
/// Longest life of a grant in seconds: a day.
pub const MAX_GRANT_SECONDS: u32 = 86_400;
/// Longest retention in days: a century.
pub const MAX_RETENTION_DAYS: u32 = 36_525;
/// Latest time in unix milliseconds: the end of the year 9999.
pub const MAX_TIME: u64 = 253_402_300_799_999;
/// Kinds of evidence this version can check.
pub const EVIDENCE_KINDS: [&str; 1] = ["credential"];

impl Terms {
    /// Proves every bound of the terms, and that disclosed particulars open the digests.
    ///
    /// Does not run the policy engine: [`crate::validate`] does, at the node that offers.
    ///
    /// # Errors
    /// [`TermsError`] names the first field at fault.
    pub fn check(&self) -> Result<(), TermsError> {
        let size = wire::to_vec(self).len();
        if size > MAX_TERMS {
            return Err(TermsError::Size { found: size, limit: MAX_TERMS });
        }
        self.check_visibility()?;
        names("purposes", &self.purposes, 1)?;
        if self.window.not_before >= self.window.not_after || self.window.not_after > MAX_TIME {
            return Err(fault("window", "must begin before it ends, and end before the year 10000"));
        }
        self.check_consent()?;
        self.check_means()?;
        if !(1..=MAX_GRANT_SECONDS).contains(&self.grant.seconds) {
            return Err(fault("grant.seconds", "must be between 1 and 86400"));
        }
        if self.grant.uses != 1 {
            return Err(fault("grant.uses", "must be 1: this version honours a grant once"));
        }
        if self.fee.is_some() || self.privacy_budget.is_some() {
            return Err(fault("fee and privacy_budget", "must be absent: this version enforces neither"));
        }
        self.disclosed.as_ref().map_or(Ok(()), |disclosed| self.check_opening(disclosed))
    }

    /// Proves that `disclosed` is what these terms commit to, and within bounds.
    ///
    /// # Errors
    /// [`TermsError::Opening`] when a digest differs; [`TermsError::Field`] for a bound.
    pub fn check_opening(&self, disclosed: &Disclosed) -> Result<(), TermsError> {
        if disclosed.commitment() != self.particulars {
            return Err(TermsError::Opening { digest: "particulars" });
        }
        if disclosed.policy_digest() != self.policy {
            return Err(TermsError::Opening { digest: "policy" });
        }
        disclosed.particulars.check()
    }

    fn check_visibility(&self) -> Result<(), TermsError> {
        match &self.visibility {
            Visibility::Members(members) => names("visibility", members, 1)?,
            Visibility::Consortium | Visibility::Private => {}
        }
        match (&self.visibility, &self.disclosed) {
            (Visibility::Consortium, None) => {
                Err(fault("disclosed", "must hold the particulars when the consortium may read them"))
            }
            (Visibility::Members(_) | Visibility::Private, Some(_)) => {
                Err(fault("disclosed", "must be absent unless the whole consortium may read the particulars"))
            }
            _ => Ok(()),
        }
    }

    fn check_consent(&self) -> Result<(), TermsError> {
        let approvers = &self.approvals.approvers;
        if approvers.len() > MAX_LIST || usize::from(self.approvals.required) > approvers.len() {
            return Err(fault("approvals", "must name at least as many approvers as are required, and at most 32"));
        }
        if approvers.iter().collect::<BTreeSet<_>>().len() != approvers.len() {
            return Err(fault("approvals.approvers", "must not repeat a key: one person is one approval"));
        }
        if self.evidence.len() > MAX_LIST {
            return Err(fault("evidence", "must hold at most 32 rules"));
        }
        for (i, rule) in self.evidence.iter().enumerate() {
            if !EVIDENCE_KINDS.contains(&rule.kind.as_str()) {
                return Err(fault("evidence.kind", "must be `credential`, the kind this version can check"));
            }
            name("evidence.claim", &rule.claim)?;
            if self.evidence[..i].contains(rule) {
                return Err(fault("evidence", "must not repeat a rule"));
            }
        }
        Ok(())
    }

    fn check_means(&self) -> Result<(), TermsError> {
        match (self.means, &self.program) {
            (Means::Compute, None) => Err(fault("program", "must be given for `compute`: it is what may be computed")),
            (Means::Compute, Some(program)) if !(1..=MAX_PROGRAM).contains(&program.len()) => {
                Err(fault("program", "must have between 1 and 16384 bytes"))
            }
            (Means::Compute, Some(_)) if self.minimum_group == 0 => Err(fault("minimum_group", "must be 1 at least")),
            (Means::Compute, Some(_)) => names("helpers", &self.helpers, 0),
            (Means::Release, Some(_)) => Err(fault("program", "must be absent for `release`")),
            (Means::Release, None)
                if self.minimum_group != 0
                    || self.max_corrupt != 0
                    || self.tolerate_dropouts != 0
                    || !self.helpers.is_empty() =>
            {
                Err(fault(
                    "minimum_group, max_corrupt, tolerate_dropouts and helpers",
                    "must be 0 and none for `release`: they bind computations only",
                ))
            }
            (Means::Release, None) => Ok(()),
        }
    }
}

impl Particulars {
    /// Proves the bounds of the particulars.
    ///
    /// # Errors
    /// [`TermsError::Field`].
    pub fn check(&self) -> Result<(), TermsError> {
        if !(1..=MAX_TITLE).contains(&self.title.len()) || self.title.chars().any(char::is_control) {
            return Err(fault("title", "must have between 1 and 200 bytes on one line"));
        }
        let odd = |c: char| c.is_control() && c != '\n' && c != '\t';
        if self.description.len() > MAX_DESCRIPTION || self.description.chars().any(odd) {
            return Err(fault("description", "must have at most 4000 bytes and no control characters"));
        }
        if !(1..=MAX_POLICY).contains(&self.policy.len()) {
            return Err(fault("policy", "must have between 1 and 16384 bytes"));
        }
        if self.retention_days.is_some_and(|days| !(1..=MAX_RETENTION_DAYS).contains(&days)) {
            return Err(fault("retention_days", "must be between 1 and 36525"));
        }
        if self.jurisdictions.len() > MAX_LIST {
            return Err(fault("jurisdictions", "must hold at most 32 codes"));
        }
        for (i, code) in self.jurisdictions.iter().enumerate() {
            let shaped = (2..=6).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            if !shaped || self.jurisdictions[..i].contains(code) {
                return Err(fault("jurisdictions", "must hold distinct codes in capitals, such as `DE` or `EU`"));
            }
        }
        Ok(())
    }
}

/// Between `least` and [`MAX_LIST`] distinct names.
fn names(field: &'static str, list: &[String], least: usize) -> Result<(), TermsError> {
    if !(least..=MAX_LIST).contains(&list.len()) {
        let rule = if least == 0 { "must hold at most 32 names" } else { "must hold between 1 and 32 names" };
        return Err(fault(field, rule));
    }
    list.iter().try_for_each(|text| name(field, text))?;
    if list.iter().collect::<BTreeSet<_>>().len() != list.len() {
        return Err(fault(field, "must not repeat a name"));
    }
    Ok(())
}

/// A name: lowercase letters, digits, `-`, `_`, `.`; begins with a letter or digit.
fn name(field: &'static str, text: &str) -> Result<(), TermsError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let shaped = text.bytes().all(|b| plain(b) || matches!(b, b'-' | b'_' | b'.'));
    match text.bytes().next() {
        Some(first) if plain(first) && shaped && text.len() <= MAX_NAME => Ok(()),
        _ => Err(fault(field, "must hold names of 1 to 64 lowercase letters, digits, `-`, `_` and `.`")),
    }
}

const fn fault(field: &'static str, rule: &'static str) -> TermsError {
    TermsError::Field { field, rule }
}

/// Why terms were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The encoding is too long.
    #[error("the terms have {found} bytes, at most {limit} are accepted")]
    Size {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// A field breaks its rule.
    #[error("`{field}` {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// The particulars are not those committed to.
    #[error("the particulars do not open the `{digest}` digest of the terms")]
    Opening {
        /// The digest that differs.
        digest: &'static str,
    },
}
