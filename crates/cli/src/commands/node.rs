//! A member's node: run, checked, asked.

use std::io::Write as _;
use std::iter;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use client::Client;
use client::api::Health;
use crypto::Secret;
use node::config::NodeConfig;
use node::setup::CONFIG_FILE;
use serde_json::json;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::{Surroundings, backup};
use crate::args::{Beside, NodeCommand};
use crate::error::Failure;
use crate::home::Home;
use crate::output::{Output, fields};
use crate::{log, passphrase};

/// Runs a home's node until `shutdown` is done; it says where it listens.
async fn serve(
    home: &Home,
    passphrase: Secret<Vec<u8>>,
    shutdown: impl Future<Output = ()> + Send,
    together: bool,
) -> Result<(), Failure> {
    let config = configuration(home)?;
    log::install(&config.log, together)?;
    Ok(node::run(config, passphrase, shutdown, announce).await?)
}

/// The homes whose nodes are to run in this process, each with its passphrase.
fn together(with: &[Beside], surroundings: &Surroundings) -> Result<Vec<Keyed>, Failure> {
    let homes = iter::once(surroundings.home.clone()).chain(with.iter().map(|beside| Home::at(&beside.home)));
    let homes: Vec<Home> = homes.collect();
    if homes.len() > MAX_TOGETHER {
        return Err(Failure::new(format!("one process serves {MAX_TOGETHER} homes at most"))
            .hint("run the others by a process of their own"));
    }
    let configs = homes.iter().map(configuration).collect::<Result<Vec<_>, _>>()?;
    for (at, one) in configs.iter().enumerate() {
        for (before, other) in configs[..at].iter().enumerate() {
            let orders = |config: &NodeConfig| config.validator.as_ref().map(|validator| validator.listen);
            let shared = match () {
                () if one.data_dir == other.data_dir => Some("data_dir"),
                () if one.listen == other.listen => Some("listen"),
                () if orders(one).is_some() && orders(one) == orders(other) => Some("validator.listen"),
                () => None,
            };
            if let Some(shared) = shared {
                let [one, other] = [&homes[at], &homes[before]].map(|home| home.directory().display());
                return Err(Failure::new(format!("{other} and {one} have the same `{shared}`")).hint(
                    "give each its own in its node/node.toml, and none of them by the environment, which counts for all",
                ));
            }
        }
    }
    let files = iter::once(None).chain(with.iter().map(|beside| beside.passphrase_file.as_deref()));
    let passphrase = |file: Option<&Path>| match file {
        Some(_) => passphrase::existing(file),
        None => surroundings.passphrase(),
    };
    homes.into_iter().zip(files).map(|(home, file)| Ok((home, passphrase(file)?))).collect()
}

/// Runs the nodes of several homes side by side, each on threads of its own, until `shutdown` is done. Where one ends before, all do: who
/// started the process sees it, and starts it again.
///
/// # Errors
/// Why one of them does not start, or has ended.
async fn serve_all(homes: Vec<Keyed>, shutdown: impl Future<Output = ()> + Send) -> Result<(), Failure> {
    let (stop, stopping) = watch::channel(false);
    let mut nodes = JoinSet::new();
    for (home, passphrase) in homes {
        let mut stopping = stopping.clone();
        nodes.spawn_blocking(move || {
            let place = home.directory().display().to_string();
            let runtime = Builder::new_multi_thread().thread_name(place.clone()).enable_all().build();
            let node = async move {
                // An error is that nobody can say so any more.
                let shutdown = async move { _ = stopping.wait_for(|stop| *stop).await };
                serve(&home, passphrase, shutdown, true).await
            };
            let done = match runtime {
                // On the threads that have the name.
                Ok(runtime) => runtime.block_on(runtime.spawn(node)).unwrap_or_else(|error| Err(Failure::of(&error))),
                Err(error) => Err(Failure::of(&error)),
            };
            done.map_err(|failure| failure.stops(format!("the node of {place} cannot run")))
        });
    }
    let mut ends = Vec::new();
    tokio::select! {
        () = shutdown => {}
        Some(end) = nodes.join_next() => ends.push(end.unwrap_or_else(|error| Err(Failure::of(&error)))),
    }
    stop.send_replace(true);
    while let Some(end) = nodes.join_next().await {
        ends.push(end.unwrap_or_else(|error| Err(Failure::of(&error))));
    }
    ends.into_iter().collect()
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
        NodeCommand::Run { stop_with_stdin, with } => {
            configuration(&surroundings.home)?;
            // A node's many small allocations come and go: huge pages are zeroed for a few of their kilobytes. Where the
            // kernel has no such switch, it is only slower.
            #[cfg(target_os = "linux")]
            let _ = rustix::thread::disable_transparent_huge_pages(true);
            if !with.is_empty() {
                return serve_all(together(&with, surroundings)?, stop(stop_with_stdin)?).await;
            }
            let passphrase = surroundings.passphrase()?;
            serve(&surroundings.home, passphrase, stop(stop_with_stdin)?, false).await
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

/// A home, and the passphrase of its keys.
type Keyed = (Home, Secret<Vec<u8>>);

/// Homes whose nodes one process serves.
const MAX_TOGETHER: usize = 16;
