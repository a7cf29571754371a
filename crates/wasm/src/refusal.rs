//! Why a module is not taken, and how a call ends.

/// Why bytes are no contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Longer than a module may be.
    #[error("the module has {found} bytes, at most {limit} are accepted")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// No module, or one that needs more of WebAssembly than contracts have.
    #[error("not a module of WebAssembly 1.0 with the extensions of `lime1`: {0}")]
    Invalid(String),
    /// More of something than a module may have.
    #[error("the module has {found} {what}, at most {limit} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// Found.
        found: u64,
        /// Accepted.
        limit: u64,
    },
    /// An import that is none of the host's functions, or of another type.
    #[error("the import `{module}.{name}` is no function of the host, or has another type")]
    Import {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// An export that must be there is missing or of another type.
    #[error("the export `{0}` is missing or has another type")]
    Export(&'static str),
    /// A name that is kept for what the host adds.
    #[error("the export `{0}` has a name that is kept for the host")]
    Reserved(String),
    /// A function that would run before anybody calls.
    #[error("the module has a start function")]
    Start,
    /// What the module puts into its memory or table at the beginning does not fit.
    #[error("the module's data or elements do not fit its memory or table")]
    Beginning,
}

/// The host could not do its part: nothing may be recorded, and the node must not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host of contracts failed: {0}")]
pub struct Fault(pub String);

/// Why a module could not be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module's fault: the same on every node.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This node's fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why a call changed nothing: the same on every node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Stop {
    /// Its fuel ran out.
    #[error("the call needs more than {limit} of fuel")]
    Fuel {
        /// What it was given.
        limit: u64,
    },
    /// Calls within it went too deep.
    #[error("functions call each other too deeply")]
    Depth,
    /// It asked for something impossible, or more than a call may.
    #[error("the contract failed: {0}")]
    Trap(String),
    /// The contract refused, with a code of its own: 1–24 characters of `a-z 0-9 _`.
    #[error("the contract refused: {0}")]
    Refused(String),
}
