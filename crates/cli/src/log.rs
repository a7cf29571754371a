//! The log, on stderr.

use node::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

use crate::error::Failure;

/// Installs the log of a node as its configuration wants it; with the names of threads, in which several nodes of one process differ.
///
/// # Errors
/// Where the filter cannot be read.
pub(crate) fn install(log: &Log, threads: bool) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| {
        Failure::of(&error).stops("`log.filter` in node.toml cannot be read").hint("write `info`, or levels by module")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let builder = builder.with_thread_names(threads);
    let installed = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A second node in the same process (the demo's) writes to the first one's log.
    drop(installed);
    Ok(())
}
