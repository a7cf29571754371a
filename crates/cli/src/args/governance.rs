//! Proposals and ballots, and what the escrow agents open.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use contracts::CEILING;
use contracts::message::Share;
use crypto::PublicKey;

use super::{RoleName, span};
use crate::commands::call::Argument;

/// `sotto gov`.
#[derive(Debug, Subcommand)]
pub(crate) enum GovernanceCommand {
    /// Have ballots govern from now on, for good; for the operator of a regulator or of the founder
    Begin(ParameterArgs),
    /// Show whether ballots govern, and how many must vote for what
    Parameters,
    /// Propose something, and vote for it
    Propose {
        /// What
        #[command(subcommand)]
        action: ActionCommand,
        /// Until when, and why
        #[command(flatten)]
        proposal: ProposalArgs,
    },
    /// Vote on a proposal, once; the vote that is enough has it done
    Vote {
        /// The proposal
        proposal: String,
        /// For or against
        vote: VoteName,
    },
    /// Withdraw your own proposal
    Withdraw {
        /// The proposal
        proposal: String,
    },
    /// Count again after a change of the members, or close what has expired
    Close {
        /// The proposal
        proposal: String,
    },
    /// Object to the recovery of your own operator key, with the key that is to be replaced: that ends it
    Veto {
        /// The proposal that decided it [default: the one under way]
        proposal: Option<String>,
    },
    /// List the members whose operator key is about to be replaced, and when
    Recoveries,
    /// List the open proposals
    List {
        /// The closed ones too
        #[arg(long)]
        all: bool,
    },
    /// Show a proposal, and who has voted how
    Show {
        /// The proposal
        proposal: String,
    },
}

/// How long a proposal is open, and why it is made.
#[derive(Debug, Args)]
pub(crate) struct ProposalArgs {
    /// Why, for those who vote; everyone who reads the ledger sees it
    #[arg(long, global = true, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Days until it expires
    #[arg(long, global = true, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
}

/// `sotto gov propose`.
#[derive(Debug, Subcommand)]
pub(crate) enum ActionCommand {
    /// Invite an organisation; the invitation is good once enough have voted for it
    Admit(AdmitArgs),
    /// Bar a member until it is reinstated: nothing it signs is taken
    Suspend {
        /// The member
        member: String,
    },
    /// End a member's suspension
    Reinstate {
        /// The member
        member: String,
    },
    /// Bar a member for good
    Remove {
        /// The member
        member: String,
    },
    /// Give a member its place among the validators
    Enter {
        /// The member
        member: String,
    },
    /// Take a member's place among the validators
    Leave {
        /// The member
        member: String,
    },
    /// Accredit an issuer
    Accredit {
        /// A name people know
        name: String,
        /// Its public key
        #[arg(long)]
        key: PublicKey,
        /// What it may vouch for; may be repeated
        #[arg(long = "claim", value_name = "CLAIM", required = true)]
        claims: Vec<String>,
    },
    /// End an issuer's accreditation
    Disown {
        /// Name or public key
        issuer: String,
    },
    /// Decide who the oracles of the next epoch are; `sotto member oracles establish` then makes their key
    Oracles {
        /// Members, separated by commas
        #[arg(long, value_delimiter = ',', required = true, value_name = "NAME,…")]
        participants: Vec<String>,
        /// How many of them a verdict needs
        #[arg(long, value_name = "N")]
        threshold: u16,
    },
    /// Decide who the escrow agents are: they make a key, or take over the one that there is
    Escrow {
        /// Members, separated by commas; 2 to 16
        #[arg(long, value_delimiter = ',', required = true, value_name = "NAME,…")]
        agents: Vec<String>,
        /// How many of them open, 2 at least
        #[arg(long, value_name = "N")]
        threshold: u16,
        /// Make a new key, instead of taking over the one that there is
        #[arg(long)]
        fresh: bool,
    },
    /// Have the escrow agents open a sealed object to your wallet
    Open {
        /// The sealed object, as `sotto escrow export` writes it
        file: PathBuf,
        /// The asset: OWNER/NAME, identifier, or its first digits
        #[arg(long, value_name = "ASSET")]
        asset: String,
    },
    /// Change how many must vote for what
    Parameters(ParameterArgs),
    /// Give a member that has lost its operator key a new one, after a delay in which it may veto that
    Recover {
        /// What the member made with `sotto member recover-key`
        file: PathBuf,
    },
    /// Have a contract in WebAssembly run a module, which is stored with the proposal
    Install(InstallArgs),
    /// Have a contract in WebAssembly take no more calls
    Uninstall {
        /// The contract, such as x-bookings
        name: String,
        /// Have what it keeps erased, by `sotto module sweep`; else it stays, and a later module may go on with it
        #[arg(long)]
        erase: bool,
    },
    /// Register a verifier of proofs of another consortium's state, for contracts in WebAssembly
    Verifier {
        /// What contracts call it, such as tideland
        name: String,
        /// The other consortium's file: have its fingerprint from a source you trust
        #[arg(long, value_name = "FILE")]
        consortium: PathBuf,
        /// Take the place of the verifier that has this name now
        #[arg(long)]
        replace: bool,
    },
    /// Take a verifier of proofs off
    Retire {
        /// The verifier, such as tideland
        name: String,
    },
}

/// `sotto gov propose install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The contract, such as x-bookings: `x-` and 1 to 30 characters of a-z 0-9 -
    pub name: String,
    /// The module (docs/spec/wasm.md)
    #[arg(long, value_name = "FILE")]
    pub module: PathBuf,
    /// Who may call it
    #[arg(long, value_name = "WHO", default_value = "members")]
    pub callers: CallersName,
    /// Only principals with this role may call it; may be repeated
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "callers")]
    pub roles: Vec<RoleName>,
    /// What a call, or a migration, may use: about as many instructions
    #[arg(long, value_name = "N", default_value_t = CEILING.fuel, value_parser = clap::value_parser!(u64).range(1..=CEILING.fuel))]
    pub fuel: u64,
    /// How many records it may keep
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(..=CEILING.records))]
    pub records: u64,
    /// How many bytes their keys and values may have together
    #[arg(long, value_name = "N", default_value_t = 1 << 20, value_parser = clap::value_parser!(u64).range(..=CEILING.bytes))]
    pub bytes: u64,
    /// Have it take over what the contract keeps, with these arguments, written as for `sotto call`
    #[arg(long, num_args = 0.., value_name = "ARGUMENT", allow_negative_numbers = true)]
    pub migrate: Option<Vec<Argument>>,
}

/// Who may call a contract in WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CallersName {
    /// Members' operators and nodes
    Members,
    /// These, and all principals of members
    Known,
}

/// `sotto escrow`.
#[derive(Debug, Subcommand)]
pub(crate) enum EscrowCommand {
    /// Show the escrow agents in force, and how far the next ones are
    Show,
    /// Copy one of your member's sealed objects out of its node's vault; it stays sealed
    Export {
        /// The asset: OWNER/NAME, identifier, or its first digits
        asset: String,
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Open a sealed object by a proposal of yours that has passed, once enough agents have contributed
    Open {
        /// The proposal
        proposal: String,
        /// The sealed object
        file: PathBuf,
        /// Where to write the plaintext
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `sotto gov propose admit`.
#[derive(Debug, Args)]
pub(crate) struct AdmitArgs {
    /// The name the newcomer will bear
    pub name: String,
    /// Hours for which the invitation outlives the proposal; with --days 30 days in all
    #[arg(long, default_value_t = 72, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=696))]
    pub hours: u32,
    /// Where to write the invitation; it is a secret
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Shares of the active members, always more than half, and bounds; what is not named stays.
#[derive(Debug, Args)]
pub(crate) struct ParameterArgs {
    /// For admitting, suspending, reinstating and removing members [to begin with: 2/3]
    #[arg(long, value_name = "SHARE")]
    pub members: Option<Share>,
    /// For changing who validates [to begin with: 2/3]
    #[arg(long, value_name = "SHARE")]
    pub validators: Option<Share>,
    /// For issuers [to begin with: 1/2]
    #[arg(long, value_name = "SHARE")]
    pub issuers: Option<Share>,
    /// For deciding who the oracles are [to begin with: 2/3]
    #[arg(long, value_name = "SHARE")]
    pub oracles: Option<Share>,
    /// For changing these parameters [to begin with: 2/3]
    #[arg(long, value_name = "SHARE")]
    pub parameters: Option<Share>,
    /// Longest life of a proposal in days [to begin with: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=90))]
    pub longest_days: Option<u32>,
    /// Most open proposals of one member [to begin with: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    pub open: Option<u32>,
    /// For giving a member a new operator key, not less than --members [to begin with: 2/3]
    #[arg(long, value_name = "SHARE")]
    pub recovery: Option<Share>,
    /// How long the owner may veto that: 20s to 90d, such as 36h or 7d [to begin with: 7d]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub recovery_delay: Option<u64>,
    /// Members' keys are not recovered at all
    #[arg(long, conflicts_with_all = ["recovery", "recovery_delay"])]
    pub no_recovery: bool,
    /// Have the ledger tell when contracts' windows begin and end, and end requests that nobody has decided for so long: 20s to 90d, such as 36h
    /// or 30d [to begin with: not]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub deadlines: Option<u64>,
    /// Nothing of that: what has ended is refused when it is used, and no more
    #[arg(long, conflicts_with = "deadlines")]
    pub no_deadlines: bool,
    /// Whether validators cosign with ML-DSA-65 beside Ed25519, once the nodes of all have registered a key [to begin with: off]
    #[arg(long, value_name = "ON|OFF")]
    pub ml_dsa: Option<Switch>,
    /// Whether contracts, applications and approvals are signed with ML-DSA-65 beside Ed25519, by everyone at once [to begin with: off]
    #[arg(long, value_name = "ON|OFF")]
    pub ml_dsa_contracts: Option<Switch>,
}

/// Whether something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VoteName {
    /// For it
    Yes,
    /// Against it
    No,
}
