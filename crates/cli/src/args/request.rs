//! Requests, and what comes of them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::reading::WitnessesArgs;

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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ReceiptArgs {
    /// What is done with a receipt that is there already.
    #[command(subcommand)]
    pub command: Option<ReceiptCommand>,
    /// The request
    #[arg(required = true)]
    pub request: Option<String>,
    /// Where to write the receipt
    #[arg(long, value_name = "FILE", required = true)]
    pub out: Option<PathBuf>,
    /// Add what the witnesses that your node asks have cosigned; fails where none has within half a minute
    #[arg(long)]
    pub witnessed: bool,
}

/// `sotto receipt witness`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Add to a receipt what independent witnesses have cosigned of the log
    Witness(TestifyArgs),
}

/// `sotto receipt witness`.
#[derive(Debug, Args)]
pub(crate) struct TestifyArgs {
    /// The receipt
    pub receipt: PathBuf,
    /// Where to write the receipt with the witnesses' lines
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Take them from this exported log instead of from a node; hashes suffice
    #[arg(long, value_name = "DIR", requires = "consortium", conflicts_with = "member")]
    pub log: Option<PathBuf>,
    /// The consortium file, from a source you trust [default: the one your home pinned]
    #[arg(long, value_name = "FILE")]
    pub consortium: Option<PathBuf>,
    /// Ask this member's node instead of yours
    #[arg(long, value_name = "MEMBER")]
    pub member: Option<String>,
    /// How long to wait for the node's witnesses
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub wait: u32,
    /// Whose lines.
    #[command(flatten)]
    pub witnesses: WitnessesArgs,
}
