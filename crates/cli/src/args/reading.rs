//! Reading the trail and the ledger, searching it, proving and verifying what it says.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use client::bucket::Location;
use crypto::{Digest, PublicKey};

use crate::commands::testimony::WitnessSource;

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
    /// A witness that must have cosigned: its verifier key, or a file of such keys, one a line; may be repeated
    #[arg(long = "witness", value_name = "KEY|FILE")]
    pub witnesses: Vec<WitnessSource>,
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
    /// Who must have cosigned the receipt's testimony, or with --log that log.
    #[command(flatten)]
    pub witnesses: WitnessesArgs,
}

/// The witnesses that a reader relies on.
#[derive(Debug, Args)]
pub(crate) struct WitnessesArgs {
    /// A witness that must have cosigned: its verifier key, or a file of such keys, one a line; may be repeated
    #[arg(long = "witness", value_name = "KEY|FILE")]
    pub witnesses: Vec<WitnessSource>,
    /// How many of these witnesses must have cosigned [default: all]
    #[arg(long = "witnesses", value_name = "N", requires = "witnesses")]
    pub least: Option<usize>,
}
