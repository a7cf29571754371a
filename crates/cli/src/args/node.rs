//! Running, copying and restoring a node.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;

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
