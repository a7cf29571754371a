//! The stable codes of refusals, and what to do about each. `docs/user/codes.md` is made from this table.

/// A refusal's code, its meaning and the way out.
pub struct Code {
    /// Stable, machine-readable.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do next.
    pub hint: &'static str,
}
