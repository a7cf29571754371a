//! The demo and the benches.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

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
    /// Who orders the ledger of the consortium that is raised
    #[arg(long, value_name = "WHO", value_enum, default_value_t = OrderedBy::Validators, conflicts_with = "contract")]
    pub ordered_by: OrderedBy,
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

/// Who orders the ledger while `sotto bench requests` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OrderedBy {
    /// The four nodes together, as in the demo
    Validators,
    /// The founder's node alone, as before `sotto member validators begin`
    Leader,
}

impl std::fmt::Display for OrderedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Validators => "validators",
            Self::Leader => "leader",
        })
    }
}

/// `sotto bench ledger`.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Validators, each a node of its own on this machine
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(4..=10))]
    pub validators: u16,
    /// Bytes of a signed transaction, as nearly as a data record's names allow: a record without columns has more than 256
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(256..=4096))]
    pub tx: u32,
    /// Transactions per second, evenly spread; without it as many as the validators take
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// For how many seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// Begin with so many records, written into each validator's ledger directly; each takes some 600 bytes of disk at each validator, and once more
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=50_000_000))]
    pub records: u64,
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
