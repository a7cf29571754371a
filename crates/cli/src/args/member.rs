//! Members, their people, issuers, oracles and validators.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use contracts::record::Role;
use crypto::PublicKey;

use super::RecoverKeyArgs;

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

/// `sotto signer`.
#[derive(Debug, Subcommand)]
pub(crate) enum SignerCommand {
    /// Show whether a key signs contracts with ML-DSA too, and whether it must
    Show {
        /// Another's public key [default: your own]
        #[arg(long)]
        key: Option<PublicKey>,
    },
    /// Make and register your ML-DSA key, before it is needed; signing does so by itself
    Register,
    /// Make a new ML-DSA key and have the registered one hand over to it
    Rotate,
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
    /// Write their newest certificate that a slate is final, of a node that votes
    Certificate {
        /// Where to write it
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
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
