//! What becomes of computations when their contracts' window has ended: all parties destroy what they hold of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use client::Client;
use client::flow::Ephemeral;
use crypto::Digest;

use super::{DESTROYED, HOSPITALS, Play};
use crate::commands::{audit, offers};
use crate::error::Failure;
use crate::home::now;
use crate::output::moment;
use crate::stage::Stage;

/// Two computations under contracts that end soon: one is done, one was cut short.
pub(super) struct Short {
    done: (Digest, Ephemeral),
    cut: Digest,
    /// When the contracts end, Unix milliseconds.
    ends: u64,
    /// A part of each hospital's share of the result, as its node keeps it.
    shares: Vec<[u8; MARK]>,
}

impl Play<'_, '_> {
    /// Has both run, the second without its end, for `member` dies in the middle of it.
    pub(super) async fn before_the_end(
        &mut self,
        stage: &mut Stage,
        member: &str,
        inputs: &Path,
    ) -> Result<Short, Failure> {
        self.teller.say("contracts are offered that end in a minute");
        let ends = (now() / 1000 + WINDOW) * 1000;
        let (terms, short) = (inputs.join("compute.toml"), inputs.join("compute-short.toml"));
        let text = fs::read_to_string(&terms).map_err(|error| Failure::file(&terms, &error))?;
        let until = format!("not_after = {}Z", moment(ends).replace(' ', "T"));
        let text = text.replace("days = 365", &until);
        fs::write(&short, text).map_err(|error| Failure::file(&short, &error))?;
        let mut contracts = Vec::new();
        for hospital in HOSPITALS {
            let operator = &stage.member(hospital).operator.client;
            contracts.push(offers::offer(operator, hospital, &short).await?);
            self.people.researcher.client.seen().raise(operator.seen().height());
        }
        let done = self.allowed(&contracts).await?;
        self.compute(&done, inputs, "compute_before_the_end").await?;
        let cut = self.allowed(&contracts).await?;
        self.aborted(stage, member, &cut).await?;

        let mut shares = Vec::new();
        for hospital in HOSPITALS {
            let share = self.people.researcher.client.at_member(hospital).await?.share(&done.0).await?;
            let mark = share.sealed.get(MARK..2 * MARK).and_then(|mark| mark.try_into().ok());
            shares.push(mark.ok_or_else(|| Failure::new("a sealed share is longer than its mark"))?);
        }
        let short = Short { done, cut: cut.0, ends, shares };
        for (hospital, share) in HOSPITALS.iter().zip(&short.shares) {
            let node = self.directory.join(hospital).join("node");
            if !holds(&node, share)? || checkpoints(&node, &short.cut)? == 0 {
                return Err(Failure::new(format!("{hospital} does not hold what it is to destroy")));
            }
        }
        Ok(short)
    }

    /// Waits for the end, and for all parties to have destroyed what they held of both; who did, as the ledger has it.
    pub(super) async fn after_the_end(&mut self, stage: &Stage, short: &Short) -> Result<Vec<String>, Failure> {
        self.teller.say("the contracts' window ends");
        let researcher = &self.people.researcher.client;
        let destroyed = async |request: &Digest| -> Result<Vec<String>, Failure> {
            let mut parties: Vec<_> =
                researcher.request(request).await?.request.destroyed.into_iter().map(|one| one.party).collect();
            parties.sort();
            Ok(parties)
        };
        for request in [&short.done.0, &short.cut] {
            if !destroyed(request).await?.is_empty() && now() < short.ends {
                return Err(Failure::new("a party destroyed what its contract let it keep"));
            }
        }
        tokio::time::sleep(Duration::from_millis(short.ends.saturating_sub(now()))).await;
        let begun = Instant::now();
        for request in [&short.done.0, &short.cut] {
            while destroyed(request).await?.len() < HOSPITALS.len() {
                if begun.elapsed() > DESTROYED {
                    return Err(Failure::new("a party keeps what it holds though its contract has ended"));
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        self.teller.timed("compute_ended", begun);
        for (hospital, share) in HOSPITALS.iter().zip(&short.shares) {
            let told = |what: &str| Err(Failure::new(format!("{hospital} {what}, after its contract's end")));
            // The record comes after the deed; the database is made smaller a moment later still.
            let node = self.directory.join(hospital).join("node");
            let begun = Instant::now();
            while holds(&node, share)? {
                if begun.elapsed() > DESTROYED {
                    return told("holds its share");
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            if checkpoints(&node, &short.done.0)? + checkpoints(&node, &short.cut)? > 0 {
                return told("holds a checkpoint");
            }
            match researcher.at_member(hospital).await?.share(&short.done.0).await {
                Err(error) if error.to_string().contains("not_found") && error.to_string().contains("destroyed") => {}
                _ => return told("does not refuse its share"),
            }
            let operator = &stage.member(hospital).operator.client;
            for request in [&short.done.0, &short.cut] {
                if !is_audited(operator, request).await? {
                    return told("has not written down what it destroyed");
                }
            }
        }
        match researcher.compute_and_collect(&short.cut, &short.done.1, |_| ()).await {
            Err(error) if error.to_string().contains("contract_not_in_force") => {}
            _ => return Err(Failure::new("a computation begins after its contracts' end")),
        }
        self.teller.say("all three have destroyed what they held of both computations, and the ledger says so");
        destroyed(&short.done.0).await
    }
}

/// Files with checkpoints of a request's computation.
fn checkpoints(node: &Path, request: &Digest) -> Result<usize, Failure> {
    let directory = node.join("compute");
    let entries = fs::read_dir(&directory).map_err(|error| Failure::file(&directory, &error))?;
    let name = request.to_string();
    Ok(entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count())
}

/// Whether a file below `directory` holds these bytes.
fn holds(directory: &Path, bytes: &[u8]) -> Result<bool, Failure> {
    for entry in fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))?.filter_map(Result::ok) {
        let path = entry.path();
        let found = match path.is_dir() {
            true => holds(&path, bytes)?,
            // A file may vanish meanwhile.
            false => fs::read(&path).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a member's audit trail says that what it held of a request was destroyed.
async fn is_audited(operator: &Client, request: &Digest) -> Result<bool, Failure> {
    let (trail, request) = (audit::read(operator, 0).await?, request.to_string());
    Ok(trail.iter().any(|entry| entry.action == "compute.destroy" && entry.subject == request))
}

/// Seconds from the offer to the end.
const WINDOW: u64 = 60;
/// Bytes of a share by which it is known.
const MARK: usize = 32;
