//! What can be asked of `sotto`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use client::bucket::Location;
use contracts::CEILING;
use contracts::message::Share;
use contracts::record::Role;
use crypto::{Digest, PublicKey};
use ledger::WitnessKey;
use serde::{Deserialize, Serialize};

use crate::commands::call::Argument;
use crate::output::Form;

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
    /// Export the receipt of a request
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

/// `sotto init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Found a consortium as this member; with --principal, the member you belong to
    #[arg(long, value_name = "NAME", required_unless_present = "principal")]
    pub member: Option<String>,
    /// Make a wallet for a principal of this name
    #[arg(long, value_name = "NAME", requires_all = ["node", "pin"], conflicts_with_all = ["listen", "address", "regulator"])]
    pub principal: Option<String>,
    /// Title of the consortium you found; with --principal, the consortium file you were given
    #[arg(long, value_name = "TITLE|FILE")]
    pub consortium: String,
    /// Where your node listens
    #[arg(long, value_name = "ADDR", required_unless_present = "principal")]
    pub listen: Option<SocketAddr>,
    /// Where others reach your node [default: https://ADDR]
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    #[command(flatten)]
    pub seat: SeatArgs,
    /// The founder may accredit issuers and establish oracles
    #[arg(long)]
    pub regulator: bool,
    /// Your member's node (`sotto member show` tells it)
    #[arg(long, value_name = "URL")]
    pub node: Option<String>,
    /// Digest of that node's TLS key (`sotto member show` tells it)
    #[arg(long, value_name = "DIGEST")]
    pub pin: Option<Digest>,
    /// Refuse a consortium file with another fingerprint
    #[arg(long, value_name = "FP", requires = "principal")]
    pub fingerprint: Option<String>,
}

/// `sotto invite`.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// The name the newcomer will bear
    pub name: String,
    /// The newcomer may accredit issuers and establish oracles
    #[arg(long)]
    pub regulator: bool,
    /// Hours until the invitation ends, at most 720
    #[arg(long, default_value_t = 72, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=720))]
    pub hours: u32,
    /// Where to write the invitation; it is a secret
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// A node's seat among the validators.
#[derive(Debug, clap::Args)]
pub(crate) struct SeatArgs {
    /// Where your node listens for the other validators, on a port of its own, once they order the ledger together
    #[arg(long, value_name = "ADDR")]
    pub order_listen: Option<SocketAddr>,
    /// Where the other validators reach it [default: ADDR of --order-listen]
    #[arg(long, value_name = "HOST:PORT", requires = "order_listen")]
    pub order_address: Option<String>,
}

/// `sotto join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// The invitation
    pub invitation: PathBuf,
    /// Where your node listens
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where others reach your node [default: https://ADDR]
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    #[command(flatten)]
    pub seat: SeatArgs,
    /// The consortium's fingerprint as you were told it by another way; without it you are asked
    #[arg(long, value_name = "FP")]
    pub fingerprint: Option<String>,
}

/// `sotto node`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Run the node until Ctrl-C or SIGTERM
    Run {
        /// Stop when stdin ends, so that the node does not outlive what started it
        #[arg(long)]
        stop_with_stdin: bool,
        /// Serve another consortium's ledger, too: that of this home, with a passphrase of its own where a file is named; may be given again
        #[arg(long = "with", value_name = "HOME[=FILE]")]
        with: Vec<Beside>,
    },
    /// Look for faults in the configuration and its surroundings
    Check,
    /// Ask the node how it is
    Status {
        /// Wait up to so many seconds until it is ready
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        wait: u64,
    },
    /// Make the read model, which searches read, anew from the ledger; the node must not run
    Rebuild,
    /// Copy ledger, keys, vault, tables and configuration into one file, while the node runs
    Backup {
        /// Where to write it
        file: PathBuf,
        /// The node does not run: read its files
        #[arg(long)]
        stopped: bool,
    },
    /// Make the node of this home from a backup, on a new machine or after its files were lost
    Restore {
        /// The backup
        file: PathBuf,
        /// For a node that orders the ledger alone: no other node has a later block than the backup
        #[arg(long)]
        no_later_block: bool,
    },
}

/// A home that a node serves besides its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The home.
    pub home: PathBuf,
    /// Its passphrase's file [default: the first home's passphrase].
    pub passphrase_file: Option<PathBuf>,
}

impl FromStr for Beside {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (home, file) = text.split_once('=').map_or((text, None), |(home, file)| (home, Some(file)));
        match home.is_empty() || file == Some("") {
            true => Err("name a home, and after `=` a file where it has a passphrase of its own"),
            false => Ok(Self { home: home.into(), passphrase_file: file.map(PathBuf::from) }),
        }
    }
}

/// `sotto member`.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List the members
    List,
    /// Show a member: its node's address and pin, its keys
    Show {
        /// The member [default: your own]
        name: Option<String>,
    },
    /// Write the consortium file that receipts are verified against
    Export {
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Make a new operator key for a member that has lost its own, for another member to propose
    RecoverKey(RecoverKeyArgs),
    /// Your member's people and machines
    #[command(subcommand)]
    Principal(PrincipalCommand),
    /// Issuers of credentials; for a regulator's operator
    #[command(subcommand)]
    Issuer(IssuerCommand),
    /// Credentials
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// The oracles, which decide together
    #[command(subcommand)]
    Oracles(OraclesCommand),
    /// The validators, and who orders the ledger
    #[command(subcommand)]
    Validators(ValidatorsCommand),
}

/// `sotto member recover-key`.
#[derive(Debug, Args)]
pub(crate) struct RecoverKeyArgs {
    /// Your member
    #[arg(long, value_name = "NAME")]
    pub member: String,
    /// Your member's node (any member's `sotto member show NAME` tells it)
    #[arg(long, value_name = "URL")]
    pub node: String,
    /// Digest of that node's TLS key (any member's `sotto member show NAME` tells it)
    #[arg(long, value_name = "DIGEST")]
    pub pin: Digest,
    /// The consortium file
    #[arg(long, value_name = "FILE")]
    pub consortium: PathBuf,
    /// Refuse a consortium file with another fingerprint
    #[arg(long, value_name = "FP")]
    pub fingerprint: Option<String>,
    /// Days within which the members must have decided
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=90))]
    pub days: u32,
    /// Where to write what another member proposes; it is no secret
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `sotto member principal`.
#[derive(Debug, Subcommand)]
pub(crate) enum PrincipalCommand {
    /// Add a principal
    Add {
        /// Name within your member
        name: String,
        /// Its public key, which `sotto key` prints
        #[arg(long)]
        key: PublicKey,
        /// What it may do; may be repeated
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<RoleName>,
    },
    /// Revoke a principal
    Revoke {
        /// Name or public key
        principal: String,
    },
    /// List your member's principals
    List,
}

/// `sotto member issuer`.
#[derive(Debug, Subcommand)]
pub(crate) enum IssuerCommand {
    /// Accredit an issuer
    Accredit {
        /// A name people know
        name: String,
        /// Its public key, which `sotto key` prints
        #[arg(long)]
        key: PublicKey,
        /// A claim it may vouch for; may be repeated
        #[arg(long = "claim", value_name = "CLAIM", required = true)]
        claims: Vec<String>,
    },
    /// Revoke an issuer
    Revoke {
        /// Name or public key
        issuer: String,
    },
    /// List the issuers
    List,
}

/// `sotto member credential`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Vouch for claims about a key
    Issue(IssueArgs),
}

/// `sotto member credential issue`.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    /// The issuer's wallet [default: your home]
    #[arg(long, value_name = "DIR")]
    pub issuer_home: Option<PathBuf>,
    /// The public key the claims are about
    #[arg(long, value_name = "KEY")]
    pub subject: PublicKey,
    /// The subject's name, for the people who approve
    #[arg(long)]
    pub name: String,
    /// What you vouch for; may be repeated
    #[arg(long = "claim", value_name = "CLAIM", required = true)]
    pub claims: Vec<String>,
    /// Days of validity
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: u32,
    /// Where to write the credential
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `sotto member validators`.
#[derive(Debug, Subcommand)]
pub(crate) enum ValidatorsCommand {
    /// Have the validators of the ledger's epoch order it together from now on; for the operator of a regulator or of the founder
    Begin,
    /// Take a place among the validators again, once they begin anew
    Enter(PlaceArgs),
    /// Leave the place among the validators, once they begin anew without
    Leave(PlaceArgs),
    /// Have your node make a new key to cosign with, and to vote with once the validators begin anew
    Rotate,
    /// Show the validators, and who orders the ledger
    Show,
}

/// Whose place among the validators.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Another member's than your own; for the operator of a regulator or of the founder
    #[arg(long)]
    pub(crate) member: Option<String>,
}

/// `sotto member oracles`.
#[derive(Debug, Subcommand)]
pub(crate) enum OraclesCommand {
    /// Make a new key among members' nodes; for a regulator's operator
    Establish {
        /// Members, separated by commas
        #[arg(long, value_delimiter = ',', required = true, value_name = "NAME,…")]
        participants: Vec<String>,
        /// How many of them a verdict needs
        #[arg(long, value_name = "N")]
        threshold: u16,
    },
    /// Show the oracles in force
    Show,
}

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
    /// Whether validators cosign with ML-DSA-65 beside Ed25519, once the nodes of all have registered a key [to begin with: off]
    #[arg(long, value_name = "ON|OFF")]
    pub ml_dsa: Option<Switch>,
}

/// Whether something is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
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

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VoteName {
    /// For it
    Yes,
    /// Against it
    No,
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

/// `sotto audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only what came after this sequence number
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: i64,
    /// Check that no entry is missing and the chain of digests is whole
    #[arg(long)]
    pub verify: bool,
}

/// `sotto events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Only those after the event of this id: `INDEX.POSITION`, as it was printed
    #[arg(long, value_name = "ID", conflicts_with = "from")]
    pub after: Option<String>,
    /// Only those of the transaction at this place of the log and of later ones [default: 0; with --follow: what comes from now on]
    #[arg(long, value_name = "INDEX")]
    pub from: Option<u64>,
    /// Wait for more, until it is interrupted; goes on by itself where the connection breaks. With --json one object for each event, a line each
    #[arg(short, long)]
    pub follow: bool,
    /// Only this event (`request.allowed`), or all whose names begin with this word (`request`)
    #[arg(long)]
    pub name: Option<String>,
    /// Only those that concern this member
    #[arg(long)]
    pub member: Option<String>,
    /// Only those about this: a name, or an identity in full
    #[arg(long)]
    pub subject: Option<String>,
    /// Only those that belong to this request; all that a requester who is no member's may ask for
    #[arg(long)]
    pub request: Option<String>,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// `sotto search`.
#[derive(Debug, Subcommand)]
pub(crate) enum SearchCommand {
    /// Transactions, refused ones among them
    Transactions {
        /// Whose identity begins with these digits
        #[arg(long, value_name = "DIGITS")]
        id: Option<String>,
        /// Signed by this key
        #[arg(long, value_name = "KEY")]
        sender: Option<PublicKey>,
        /// Of this contract of the ledger, such as `requests`
        #[arg(long, value_name = "NAME")]
        contract: Option<String>,
        /// Of this method, such as `apply`
        #[arg(long, value_name = "NAME")]
        method: Option<String>,
        /// With this outcome: `ok`, a code, or `refused` for all that is not `ok`
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// What transactions did
    Events {
        /// Only this event (`request.allowed`), or all whose names begin with this word (`request`)
        #[arg(long)]
        name: Option<String>,
        /// Only those that concern this member
        #[arg(long)]
        member: Option<String>,
        /// Only those about this: a name, or an identity in full
        #[arg(long)]
        subject: Option<String>,
        /// Only those that belong to this request, its identity in full
        #[arg(long, value_name = "DIGEST")]
        request: Option<Digest>,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Members, assets, contracts and requests as they stand
    Objects {
        /// Of this kind
        #[arg(long)]
        kind: Option<KindName>,
        /// That stand so: `active`, `suspended`, `removed`, `recovering`, `retired`, `revoked`; requests: `pending`, `allowed`, `refused`, `cancelled`, `done`
        #[arg(long)]
        status: Option<String>,
        /// Requests that were refused with this code
        #[arg(long)]
        code: Option<String>,
        /// Whose name begins with this: a member's, an asset's, a request's purpose
        #[arg(long)]
        name: Option<String>,
        /// Whose identity begins with this
        #[arg(long, value_name = "DIGITS")]
        id: Option<String>,
        /// That concern this member: its assets and contracts, the requests that it is a party to
        #[arg(long)]
        member: Option<String>,
        /// That stand under this asset or contract, its identity in full
        #[arg(long, value_name = "DIGEST")]
        under: Option<Digest>,
        /// Made by this key
        #[arg(long, value_name = "KEY")]
        maker: Option<PublicKey>,
        #[command(flatten)]
        page: PageArgs,
    },
}

/// Kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindName {
    /// Members
    Member,
    /// Assets
    Asset,
    /// Contracts
    Contract,
    /// Requests
    Request,
}

/// Which part of what is found.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// From this time on, in UTC: 2026-11-21, 2026-11-21T09:30; or so long ago: 90m, 12h, 7d
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// From this block on
    #[arg(long, value_name = "HEIGHT")]
    pub from_height: Option<u64>,
    /// Up to this block
    #[arg(long, value_name = "HEIGHT")]
    pub to_height: Option<u64>,
    /// Begin with the oldest
    #[arg(long)]
    pub oldest: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
    /// Go on where the page before ended, with the same search: what was printed below it
    #[arg(long, value_name = "CURSOR")]
    pub after: Option<String>,
}

/// `sotto log`.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Mirror the log into a directory that any web server can serve; run it again to go on from there
    Export {
        /// The directory
        directory: PathBuf,
        /// Only checkpoint and hashes, which are public: no entries, no transactions
        #[arg(long)]
        hashes: bool,
        /// Then bring this bucket of an object store up to the directory: s3://BUCKET/PREFIX, under AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
        #[arg(long, value_name = "URL")]
        to: Option<Location>,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Check an exported log, offline, or the checkpoint of your node
    Check(LogCheckArgs),
}

/// Where the object store of `sotto log export --to` is.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The object store, where it is not Amazon's: https://HOST
    #[arg(long, value_name = "URL", requires = "to")]
    pub endpoint: Option<String>,
    /// Its region
    #[arg(long, value_name = "REGION", default_value = "us-east-1", env = "AWS_REGION", hide_env_values = true)]
    pub region: String,
    /// The only certificate authorities that may vouch for it, in PEM [default: those that browsers trust]
    #[arg(long, value_name = "FILE", requires = "to")]
    pub authorities: Option<PathBuf>,
}

/// `sotto log check`.
#[derive(Debug, Args)]
pub(crate) struct LogCheckArgs {
    /// An exported log; without it your node is asked
    #[arg(requires = "consortium")]
    pub directory: Option<PathBuf>,
    /// The consortium file, from a source you trust [default: the one your home pinned]
    #[arg(long, value_name = "FILE")]
    pub consortium: Option<PathBuf>,
    /// A checkpoint you kept: the log must continue it
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// The verifier key of a witness that must have cosigned; may be repeated
    #[arg(long = "witness", value_name = "KEY")]
    pub witnesses: Vec<WitnessKey>,
    /// Also ask this member's node, and check that both logs are one
    #[arg(long, value_name = "MEMBER", conflicts_with = "directory")]
    pub member: Option<String>,
    /// Write the checkpoint to this file, for the next --since
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `sotto state`.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Prove what the state says of a key, or that it says nothing; for members
    Prove {
        /// The key, such as member/st-anna (docs/spec/contracts.md lists them)
        key: String,
        /// After this block; your node keeps the last 10,000 [default: the newest]
        #[arg(long)]
        height: Option<u64>,
        /// Where to write the proof
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `sotto witness`.
#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Make a witness in your home
    Init {
        /// Its name, such as witness.example/1
        #[arg(long)]
        name: String,
        /// Where it listens
        #[arg(long, value_name = "ADDR")]
        listen: SocketAddr,
        /// Where nodes reach it [default: https://ADDR]
        #[arg(long, value_name = "URL")]
        address: Option<String>,
    },
    /// Witness a consortium's chain from now on, or take the consortium's newer file
    Trust {
        /// The consortium file, from a source you trust
        consortium: PathBuf,
        /// Refuse a consortium file with another fingerprint
        #[arg(long, value_name = "FP")]
        fingerprint: Option<String>,
    },
    /// Show what nodes and readers need to know of it
    Show,
    /// Run the witness until Ctrl-C or SIGTERM
    Run {
        /// Stop when stdin ends, so that the witness does not outlive what started it
        #[arg(long)]
        stop_with_stdin: bool,
    },
}

/// `sotto verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The receipt, or proof of state
    pub receipt: PathBuf,
    /// The consortium file, from a source you trust
    #[arg(long, value_name = "FILE")]
    pub consortium: PathBuf,
    /// An exported log that the receipt must be part of; hashes suffice
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// The verifier key of a witness that must have cosigned that log; may be repeated
    #[arg(long = "witness", value_name = "KEY", requires = "log")]
    pub witnesses: Vec<WitnessKey>,
}

/// `sotto demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep everything in this directory instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Leave the nodes running until Ctrl-C
    #[arg(long)]
    pub serve: bool,
    /// Show what happens when this hospital's node dies in the middle of a computation. (st-anna's node coordinates: without it a run begins anew)
    #[arg(long, value_name = "MEMBER", value_parser = ["riverside", "northgate"])]
    pub drop: Option<String>,
    /// Show what happens when the node of the member that founded the consortium is killed: the other validators go on
    #[arg(long, value_name = "MEMBER", value_parser = ["health-authority"])]
    pub kill: Option<String>,
    /// Show what happens when the link between riverside's and northgate's nodes fails: a third one carries
    #[arg(long)]
    pub cut: bool,
}

/// `sotto bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Whole requests: apply, approve, judge, release
    Requests(BenchArgs),
    /// The ledger alone: data records ordered by validators
    Ledger(LedgerArgs),
    /// Sealing and opening of large objects
    Seal(SealArgs),
    /// Joint computations, among processes over TLS
    Mpc(MpcArgs),
    /// One party of `bench mpc`
    #[command(hide = true)]
    MpcParty,
}

/// `sotto bench requests`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Requesters at work at the same time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub clients: u32,
    /// For how many seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// A contract of a running consortium, for which your home's principal applies; its requests are real, and stay on the
    /// ledger. Without it a consortium of four nodes is raised on this machine, and taken down again
    #[arg(long, value_name = "CONTRACT", requires = "approvers")]
    pub contract: Option<String>,
    /// Home of an approver of that contract; as many as it requires, or more
    #[arg(long = "approver", value_name = "DIR", requires = "contract")]
    pub approvers: Vec<PathBuf>,
    /// The approvers' passphrase [default: that of your home]
    #[arg(long, value_name = "FILE", requires = "contract")]
    pub approvers_passphrase_file: Option<PathBuf>,
    /// A credential of your home's principal; may be repeated
    #[arg(long = "credential", value_name = "FILE", requires = "contract")]
    pub credentials: Vec<PathBuf>,
    /// One of the contract's purposes [default: its first]
    #[arg(long, requires = "contract")]
    pub purpose: Option<String>,
}

/// `sotto bench ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Validators, each a node of its own on this machine
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=10))]
    pub validators: u16,
    /// Bytes of a signed transaction, as nearly as a data record's names allow
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(256..=4096))]
    pub tx: u32,
    /// Transactions per second, evenly spread; without it as many as the validators take
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// For how many seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
}

/// `sotto bench seal`.
#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// Size of the object in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub mebibytes: u32,
}

/// `sotto bench mpc`.
#[derive(Debug, Args)]
pub(crate) struct MpcArgs {
    /// What to compute; may be repeated [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub work: Vec<Work>,
    /// By which protocol; `none` sends the bytes of `rep3` and computes nothing [default: all]
    #[arg(long, value_name = "NAME")]
    pub protocol: Option<String>,
    /// Against whom [default: both]
    #[arg(long)]
    pub adversary: Option<Adversary>,
    /// How many parties [default: as the protocol's table has it]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=64))]
    pub parties: Option<u16>,
    /// Over which network
    #[arg(long, value_enum, default_value_t = Net::Loopback)]
    pub net: Net,
    /// How many values [default: as the work has it]
    #[arg(long, value_name = "SIZE")]
    pub n: Option<usize>,
    /// How often, after once to warm up; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub runs: usize,
}

/// A work of `sotto bench mpc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Work {
    /// Multiplications, all at once
    Mul,
    /// One inner product
    Dot,
    /// Comparisons of 64-bit numbers
    Lt,
    /// Sorting 64-bit numbers
    Sort,
    /// Multiplications, each of the result before
    Mulseq,
    /// Sum of vectors, one of each party
    Sum,
    /// Sum of one integer of each party, from start to finish
    Sum1,
}

impl Work {
    /// All, in the table's order.
    pub(crate) const ALL: [Self; 7] = [Self::Mul, Self::Dot, Self::Lt, Self::Sort, Self::Mulseq, Self::Sum, Self::Sum1];

    /// How many values, where nothing is said.
    pub(crate) const fn size(self, parties: u16) -> usize {
        match self {
            Self::Mul | Self::Dot => 1_000_000,
            Self::Lt => 100_000,
            Self::Sort | Self::Mulseq => 10_000,
            Self::Sum => {
                if parties < 10 {
                    1_000_000
                } else {
                    100_000
                }
            }
            Self::Sum1 => 1,
        }
    }
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mul => "mul",
            Self::Dot => "dot",
            Self::Lt => "lt",
            Self::Sort => "sort",
            Self::Mulseq => "mulseq",
            Self::Sum => "sum",
            Self::Sum1 => "sum1",
        })
    }
}

/// What corrupt parties may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Adversary {
    /// Look at what they see
    SemiHonest,
    /// Anything
    Malicious,
}

impl std::fmt::Display for Adversary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SemiHonest => "semi-honest",
            Self::Malicious => "malicious",
        })
    }
}

/// The network between the parties of `sotto bench mpc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Net {
    /// This machine's loopback
    Loopback,
    /// 0.2 ms there and back, 1 Gbit/s
    Lan,
    /// 50 ms there and back, 100 Mbit/s
    Wan,
}

/// A role as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Offers contracts over the member's assets
    Owner,
    /// Applies under contracts
    Requester,
    /// Approves requests
    Approver,
    /// Reads the audit trail and exports receipts
    Auditor,
    /// Supervises the consortium
    Regulator,
    /// Administers the member's node
    Operator,
    /// A machine that registers data
    Device,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Requester => Self::Requester,
            RoleName::Approver => Self::Approver,
            RoleName::Auditor => Self::Auditor,
            RoleName::Regulator => Self::Regulator,
            RoleName::Operator => Self::Operator,
            RoleName::Device => Self::Device,
        }
    }
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
