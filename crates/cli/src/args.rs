//! What can be asked of `sotto`, by subject.

mod data;
mod governance;
mod member;
mod node;
mod reading;
mod request;
mod setup;
mod trial;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::output::Form;

pub(crate) use self::data::{
    AssetCommand, AssetKind, CallArgs, ContractCommand, ModuleCommand, PrivateCommand, PrivatePutArgs, PurgeDate,
    VerifierCommand,
};
pub(crate) use self::governance::{
    ActionCommand, AdmitArgs, CallersName, EscrowCommand, GovernanceCommand, InstallArgs, ParameterArgs, ProposalArgs,
    Switch, VoteName,
};
pub(crate) use self::member::{
    CredentialCommand, IssueArgs, IssuerCommand, MemberCommand, OraclesCommand, PlaceArgs, PrincipalCommand, RoleName,
    SignerCommand, ValidatorsCommand,
};
pub(crate) use self::node::{Beside, NodeCommand};
pub(crate) use self::reading::{
    AuditArgs, EventsArgs, KindName, LogCheckArgs, LogCommand, PageArgs, SearchCommand, StateCommand, StoreArgs,
    VerifyArgs, WitnessCommand, WitnessesArgs,
};
pub(crate) use self::request::{
    ApplyArgs, ApproveArgs, ComputeArgs, FetchArgs, ReceiptArgs, ReceiptCommand, RequestCommand, TestifyArgs,
};
pub(crate) use self::setup::{InitArgs, InviteArgs, JoinArgs, RecoverKeyArgs, SeatArgs};
pub(crate) use self::trial::{
    Adversary, BenchArgs, BenchCommand, DemoArgs, LedgerArgs, MpcArgs, Net, OrderedBy, SealArgs, Work,
};

/// Shares data under contracts that no single party can bend, with a receipt for every release.
#[derive(Debug, Parser)]
#[command(name = "sotto", version, max_term_width = 120, propagate_version = false, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Your home: a member's (`node/` and `operator/`) or a principal's wallet [default: ~/.sotto]
    #[arg(long, global = true, value_name = "DIR", env = "SOTTO_HOME", hide_env = true)]
    pub home: Option<PathBuf>,
    /// Print one JSON object, and nothing else
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only the identifier or value that a script would go on with
    #[arg(short, long, global = true, conflicts_with = "json")]
    pub quiet: bool,
    /// Read the passphrase from this file; else a systemd credential, SOTTO_PASSPHRASE_FILE, or a prompt
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Global {
    /// How results are printed.
    pub(crate) const fn form(&self) -> Form {
        match (self.json, self.quiet) {
            (true, _) => Form::Json,
            (_, true) => Form::Quiet,
            _ => Form::Text,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Found a consortium (--member), or make a principal's wallet (--principal)
    Init(InitArgs),
    /// Invite an organisation to join the consortium
    Invite(InviteArgs),
    /// Join a consortium with an invitation
    Join(JoinArgs),
    /// Run a member's node, check it, ask how it is
    #[command(subcommand)]
    Node(NodeCommand),
    /// Look for what is wrong with your node, its files, its peers and clocks
    Doctor,
    /// Members, their principals, issuers, credentials, oracles
    #[command(subcommand)]
    Member(MemberCommand),
    /// What the members decide together: proposals and ballots
    #[command(subcommand)]
    Gov(GovernanceCommand),
    /// The escrow agents, and opening what the members have decided to open
    #[command(subcommand)]
    Escrow(EscrowCommand),
    /// Print the public key of your home's wallet
    Key,
    /// The ML-DSA key with which you sign contracts beside your own, where the members have decided on it
    #[command(subcommand)]
    Signer(SignerCommand),
    /// Seal and list data
    #[command(subcommand)]
    Asset(AssetCommand),
    /// Offer data under contracts
    #[command(subcommand)]
    Contract(ContractCommand),
    /// Payloads that only some members hold: put, read and purge them
    #[command(subcommand)]
    Private(PrivateCommand),
    /// Call a contract in WebAssembly
    Call(CallArgs),
    /// Contracts in WebAssembly, and what they keep
    #[command(subcommand)]
    Module(ModuleCommand),
    /// Verifiers of proofs, which contracts in WebAssembly ask
    #[command(subcommand)]
    Verifier(VerifierCommand),
    /// Apply for data and follow your requests
    #[command(subcommand)]
    Request(RequestCommand),
    /// Approve or refuse a request; without one, list those that wait for you
    Approve(ApproveArgs),
    /// Receive the data of an allowed request, once
    Fetch(FetchArgs),
    /// Have the parties of an allowed request compute, and open the result
    Compute(ComputeArgs),
    /// Export the receipt of a request, or add to one what witnesses have cosigned
    Receipt(ReceiptArgs),
    /// Read your node's audit trail
    Audit(AuditArgs),
    /// Follow what happens on the ledger
    Events(EventsArgs),
    /// Search the ledger: transactions, events, and members, assets, contracts and requests as they stand
    #[command(subcommand)]
    Search(SearchCommand),
    /// Verify a receipt, or a proof of state, offline
    Verify(VerifyArgs),
    /// Mirror the ledger's log as static files, and check it
    #[command(subcommand)]
    Log(LogCommand),
    /// Prove what the ledger's state says
    #[command(subcommand)]
    State(StateCommand),
    /// Run an independent witness, which cosigns only what continues what it saw before
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// See it all work: a consortium of four on this machine
    Demo(DemoArgs),
    /// Measure on this machine
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Write the manual pages
    Man {
        /// Directory to write them to
        directory: PathBuf,
    },
}

/// Reads a time of whole seconds, minutes, hours or days, as milliseconds.
fn span(text: &str) -> Result<u64, String> {
    let unit = |unit: char| match unit {
        's' => Some(1_000),
        'm' => Some(60_000),
        'h' => Some(3_600_000),
        'd' => Some(86_400_000),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, last)| {
        let number = text[..at].bytes().all(|byte| byte.is_ascii_digit()).then(|| text[..at].parse::<u64>().ok())?;
        number?.checked_mul(unit(last)?)
    });
    parsed.ok_or_else(|| format!("`{text}` is no time: write one such as 90s, 36h or 7d"))
}
