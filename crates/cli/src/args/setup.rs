//! Founding, inviting and joining.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use crypto::Digest;

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
