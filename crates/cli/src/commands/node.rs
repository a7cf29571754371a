//! A member's node: run, checked, asked.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Client;
use client::api::Health;
use crypto::Secret;
use node::config::NodeConfig;
use node::setup::CONFIG_FILE;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::{Surroundings, backup};
use crate::args::NodeCommand;
use crate::error::Failure;
use crate::home::Home;
use crate::log;
use crate::output::{Output, fields};

/// Runs a home's node until `shutdown` is done; `ready` is told where it listens.
///
/// # Errors
/// Why it does not start.
pub(crate) async fn serve(
    home: &Home,
    passphrase: Secret<Vec<u8>>,
    shutdown: impl Future<Output = ()> + Send,
    ready: impl FnOnce(SocketAddr) + Send,
) -> Result<(), Failure> {
    let config = configuration(home)?;
    log::install(&config.log)?;
    Ok(node::run(config, passphrase, shutdown, ready).await?)
}

/// Asks a node how it is; waits up to `patience` until it is ready and its copy of the ledger knows its own member.
///
/// # Errors
/// Where it does not answer, or is not ready, in time.
pub(crate) async fn status(client: &Client, patience: Duration) -> Result<Health, Failure> {
    let until = Instant::now() + patience;
    loop {
        let failure = match once(client).await {
            Ok(health) => return Ok(health),
            Err(failure) => failure,
        };
        if Instant::now() >= until {
            return Err(failure);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn once(client: &Client) -> Result<Health, Failure> {
    let health = client.ready().await?;
    match client.members().await?.iter().any(|member| member.card.name == health.member) {
        true => Ok(health),
        false => Err(Failure::new("the node's copy of the ledger does not know its own member yet")
            .hint("is the node that orders the ledger running? give it a moment: sotto node status --wait 30")),
    }
}

pub(super) async fn run(command: NodeCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    match command {
        NodeCommand::Run { stop_with_stdin } => {
            configuration(&surroundings.home)?;
            // A node's many small allocations come and go: huge pages are zeroed for a few of their kilobytes. Where the
            // kernel has no such switch, it is only slower.
            #[cfg(target_os = "linux")]
            let _ = rustix::thread::disable_transparent_huge_pages(true);
            let passphrase = surroundings.passphrase()?;
            serve(&surroundings.home, passphrase, stop(stop_with_stdin)?, announce).await
        }
        NodeCommand::Check => {
            let config = configuration(&surroundings.home)?;
            let faults = config.check_surroundings();
            let Some(first) = faults.first() else {
                let text = format!("`{}` can run at {}", config.member, config.listen);
                output.result(&json!({ "member": config.member, "faults": [] }), "ok", &text);
                return Ok(());
            };
            let failure = Failure::new(format!("{} faults in the node's surroundings", faults.len()));
            let failure = faults.iter().fold(failure, |failure, fault| {
                failure.because(format!("{}: {}; {}", fault.key, fault.problem, fault.hint))
            });
            Err(failure.hint(first.hint))
        }
        NodeCommand::Status { wait } => {
            let waiting = output.waiting("waiting for the node");
            let session = surroundings.session()?;
            let health = status(&session.client, Duration::from_secs(wait)).await?;
            drop(waiting);
            let text = fields(&[
                ("member", health.member.clone()),
                ("status", health.status.clone()),
                ("blocks", health.height.to_string()),
                ("ordering", health.ordering.clone()),
                ("version", health.version.clone()),
            ]);
            output.result(&health, &health.status, &text);
            Ok(())
        }
        NodeCommand::Rebuild => {
            let config = configuration(&surroundings.home)?;
            let waiting = output.waiting("reading the ledger");
            let begun = Instant::now();
            let told = |height, all| waiting.say(format!("block {height} of {all}"));
            let height = node::read_model::rebuild(&config, told).await?;
            drop(waiting);
            let seconds = begun.elapsed().as_secs_f64();
            let text = format!("The read model is made anew, up to block {height}, in {seconds:.1} s");
            output.result(&json!({ "height": height, "seconds": seconds }), &height.to_string(), &text);
            Ok(())
        }
        NodeCommand::Backup { file, stopped } => backup::make(&file, stopped, surroundings, output).await,
        NodeCommand::Restore { file, no_later_block } => {
            backup::restore(file, no_later_block, surroundings, output).await
        }
    }
}

pub(super) fn configuration(home: &Home) -> Result<NodeConfig, Failure> {
    let path = home.node().join(CONFIG_FILE);
    if !path.exists() {
        return Err(Failure::new(format!("there is no node at {}", home.node().display()))
            .hint("name a member's home with --home or SOTTO_HOME; make one with `sotto init` or `sotto join`"));
    }
    Ok(NodeConfig::load(&path)?)
}

/// Done at Ctrl-C, at SIGTERM or, where wanted, when stdin ends.
pub(super) fn stop(with_stdin: bool) -> Result<impl Future<Output = ()> + Send, Failure> {
    let refuse = |error| Failure::of(&error).stops("the system does not let signals be watched");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refuse)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refuse)?;
    let (ended, end) = oneshot::channel::<()>();
    if with_stdin {
        // A thread of its own: the runtime would wait for a read that never ends.
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            drop(ended);
        });
    } else {
        // Never dropped, so that `end` never is.
        std::mem::forget(ended);
    }
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = end => {}
        }
    })
}

/// One line of JSON on stdout, whatever the form asked for: who started the node waits for it.
pub(super) fn announce(address: SocketAddr) {
    let mut stdout = std::io::stdout().lock();
    // Nobody may be listening.
    let _ = writeln!(stdout, "{}", json!({ "ready": address.to_string() }));
    let _ = stdout.flush();
}
