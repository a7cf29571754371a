//! A node as a child process that cannot outlive this one.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, ChildStdin, Command};

use crate::error::Failure;

/// A running node. It stops when its standard input closes, so whatever ends this process, even SIGKILL, ends it too.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    log: String,
}

impl Process {
    /// Starts `sotto node run` in a home; what it says goes to `node.log` there.
    ///
    /// # Errors
    /// Where the operating system does not start it.
    pub(crate) fn start(
        name: &str,
        home: &Path,
        passphrase_file: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let log = home.join("node.log");
        let start = || {
            let file = File::create(&log)?;
            Command::new(std::env::current_exe()?)
                .args(["node", "run", "--stop-with-stdin", "--home"])
                .arg(home)
                .arg("--passphrase-file")
                .arg(passphrase_file)
                .envs(settings.iter().copied())
                .stdin(Stdio::piped())
                .stdout(file.try_clone()?)
                .stderr(file)
                // Ctrl-C goes to this process alone, which then stops its children in order.
                .process_group(0)
                .kill_on_drop(true)
                .spawn()
        };
        let mut child =
            start().map_err(|error| Failure::of(&error).stops(format!("the node of {name} did not start")))?;
        let input = child.stdin.take();
        Ok(Self { child, input, log: log.display().to_string() })
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Where it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let sent = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| rustix::process::kill_process(pid, signal));
        sent.map_err(|error| Failure::of(&error).stops("a node cannot be signalled"))
    }

    /// Fails where it has ended.
    ///
    /// # Errors
    /// With the end of its log.
    pub(crate) fn check(&mut self, name: &str) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(5).collect();
                let last = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
                Err(Failure::new(format!("the node of {name} has ended ({status})"))
                    .because(last)
                    .hint(format!("read its log: {}", self.log)))
            }
            Err(error) => Err(Failure::of(&error)),
        }
    }

    /// Ends it, if it has not ended yet, and waits.
    pub(crate) async fn end(mut self) {
        drop(self.input.take());
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            // Dropping the child kills it.
            _ = self.child.start_kill();
            _ = self.child.wait().await;
        }
    }

    /// Closes its standard input and waits until it has ended.
    ///
    /// # Errors
    /// Where it had to be killed.
    pub(crate) async fn stop(mut self, name: String) -> Result<(), Failure> {
        drop(self.input.take());
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(format!("the node of {name} ended with {status}"))
                .hint(format!("read its log: {}", self.log))),
            Ok(Err(error)) => Err(Failure::of(&error)),
            Err(_) => {
                // `kill_on_drop` does it as `self` goes.
                Err(Failure::new(format!("the node of {name} did not stop in {} s and was killed", PATIENCE.as_secs())))
            }
        }
    }
}

/// How long a node may take to stop.
const PATIENCE: Duration = Duration::from_secs(15);
