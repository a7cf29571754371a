//! Assets, contracts, private payloads and contracts in WebAssembly.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

use super::span;
use crate::commands::call::Argument;

/// `sotto module`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModuleCommand {
    /// List the contracts in WebAssembly
    List,
    /// Show one: its module, who may call it, what it may use and how much it keeps
    Show {
        /// The contract, such as x-bookings
        name: String,
    },
    /// Read what a contract keeps; `sotto state prove module/kept/NAME/KEY` proves it
    Read {
        /// The contract, such as x-bookings
        name: String,
        /// Its own key, such as booking/mri/20800
        key: String,
        /// After this block; your node keeps the last 10,000 [default: the newest]
        #[arg(long)]
        height: Option<u64>,
    },
    /// Erase what a contract kept that the members decided to erase
    Sweep {
        /// The contract, such as x-bookings
        name: String,
    },
    /// Print the digest of a module, to compare with a proposal's
    Digest {
        /// The module
        file: PathBuf,
    },
}

/// `sotto verifier`.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifierCommand {
    /// List the verifiers that are registered
    List,
    /// Show one: whose proofs it verifies, and what a proof costs a contract
    Show {
        /// The verifier, such as tideland
        name: String,
    },
    /// Print the digest of the verifier that a consortium file makes, to compare with a proposal's
    Digest {
        /// The other consortium's file
        consortium: PathBuf,
    },
}

/// `sotto private`.
#[derive(Debug, Subcommand)]
pub(crate) enum PrivateCommand {
    /// Let members put private payloads, for good, once all nodes have this version; for a regulator's or the founder's operator
    Begin,
    /// Put a file that only your member and these members hold
    Put(PrivatePutArgs),
    /// List what your member is a holder of
    List {
        /// Only what your node should have and has not
        #[arg(long)]
        missing: bool,
    },
    /// Show who holds one, who has purged it, and how your node has it
    Show {
        /// Identifier, or its beginning
        private: String,
    },
    /// Read one from your node into a file; for your member's owners and operator
    Get {
        /// Identifier, or its beginning
        private: String,
        /// Where to write it, for you alone
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Have all holders destroy what your member put; or, as a recipient, your own node
    Purge {
        /// Identifier, or its beginning
        private: String,
    },
    /// Prove what the ledger says of one, with the attestations of those who have purged it; `sotto verify` checks it offline
    Prove {
        /// Identifier, or its beginning
        private: String,
        /// Where to write the proof
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `sotto private put`.
#[derive(Debug, Args)]
pub(crate) struct PrivatePutArgs {
    /// The file: 256 KiB at most
    pub file: PathBuf,
    /// The members that receive it
    #[arg(long, required = true, value_delimiter = ',', value_name = "MEMBER,...")]
    pub to: Vec<String>,
    /// What it is called, in the open: a-z 0-9 - .
    #[arg(long, value_name = "NAME")]
    pub label: String,
    /// When all are to purge it: a moment in UTC, such as 2027-03-31, or a time from now, such as 36h or 30d [default: never]
    #[arg(long, value_name = "TIME")]
    pub purge_after: Option<PurgeDate>,
}

/// When something is to be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PurgeDate {
    /// So many milliseconds from now.
    In(u64),
    /// At this moment, Unix milliseconds.
    At(u64),
}

impl FromStr for PurgeDate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = span(text) {
            return Ok(Self::In(time));
        }
        let moment = crate::output::parse_moment(text, 0).map(Self::At);
        moment.ok_or_else(|| format!("`{text}` is no time: write one such as 2027-03-31, 36h or 30d"))
    }
}

/// `sotto call`.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The contract, such as x-bookings
    pub contract: String,
    /// Its method
    pub method: String,
    /// Numbers, true, false and null as they are, bytes as hex:00ff or file:PATH, all else as text, which text: may begin
    #[arg(allow_negative_numbers = true, value_name = "ARGUMENT")]
    pub arguments: Vec<Argument>,
}

/// `sotto asset`.
#[derive(Debug, Subcommand)]
pub(crate) enum AssetCommand {
    /// Seal a file into your member's vault and register it
    Seal {
        /// The file
        file: PathBuf,
        /// Name within your member: a-z 0-9 - .
        #[arg(long)]
        name: String,
        /// What it is [default: table for *.csv, else file]
        #[arg(long)]
        kind: Option<AssetKind>,
        /// Leave the escrow agents out, where the consortium has any: they can never open it
        #[arg(long)]
        no_escrow: bool,
    },
    /// List the registered assets
    List {
        /// Of this member only
        #[arg(long)]
        member: Option<String>,
    },
    /// Show an asset
    Show {
        /// Identifier, or MEMBER/NAME
        asset: String,
    },
    /// Take an asset out of use: no new contract or request may name it; for the member itself
    Retire {
        /// Identifier, or MEMBER/NAME
        asset: String,
    },
}

/// `sotto contract`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Check a contract file without offering it
    Check {
        /// The contract file
        file: PathBuf,
    },
    /// Offer one of your member's assets under a contract
    Offer {
        /// The contract file
        file: PathBuf,
    },
    /// Replace a contract's terms by a new version
    Amend {
        /// The contract
        contract: String,
        /// The contract file
        file: PathBuf,
    },
    /// Pause a contract
    Suspend {
        /// The contract
        contract: String,
    },
    /// Put a suspended contract into force again
    Resume {
        /// The contract
        contract: String,
    },
    /// End a contract for good
    Revoke {
        /// The contract
        contract: String,
    },
    /// List the contracts
    List,
    /// Show a contract
    Show {
        /// The contract: identifier, or MEMBER/ASSET/MEANS
        contract: String,
    },
}

/// What an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AssetKind {
    /// CSV with a header line
    Table,
    /// Anything
    File,
}

impl AssetKind {
    /// The API's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::File => "file",
        }
    }
}
