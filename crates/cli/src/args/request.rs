//! Requests, and what comes of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `sotto request`.
#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Apply under one contract for a release, or under several for a computation
    Apply(ApplyArgs),
    /// List your requests
    List,
    /// Show a request
    Show {
        /// The request
        request: String,
    },
    /// Wait until a request is decided, and tell each change
    Watch {
        /// The request
        request: String,
    },
    /// Withdraw a request
    Cancel {
        /// The request
        request: String,
    },
    /// Explain why a request is allowed or refused as things stand
    Explain {
        /// The request
        request: String,
    },
}

/// `sotto request apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The contracts: identifiers, or MEMBER/ASSET/MEANS
    #[arg(required = true, value_name = "CONTRACT")]
    pub contracts: Vec<String>,
    /// One of the contracts' purposes
    #[arg(long)]
    pub purpose: String,
    /// Why you need the data, for the approvers
    #[arg(long, value_name = "TEXT")]
    pub justification: String,
    /// A credential; may be repeated
    #[arg(long = "credential", value_name = "FILE")]
    pub credentials: Vec<PathBuf>,
}

/// `sotto approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The request
    pub request: Option<String>,
    /// The contract, where you approve for several of the request's
    #[arg(long, requires = "request")]
    pub contract: Option<String>,
    /// Object instead: one objection refuses the request
    #[arg(long, requires = "request")]
    pub object: bool,
}

/// `sotto fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    /// The request
    pub request: String,
    /// Where to write the data
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `sotto compute`.
#[derive(Debug, Args)]
pub(crate) struct ComputeArgs {
    /// The request
    pub request: String,
    /// End the computation that is under way, at all parties
    #[arg(long)]
    pub cancel: bool,
}

/// `sotto receipt`.
#[derive(Debug, Args)]
pub(crate) struct ReceiptArgs {
    /// The request
    pub request: String,
    /// Where to write the receipt
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
