//! Decides, remembers, signs: in this order, and one request at a time.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crypto::Digest;
use crypto::keystore::Keys;
use http::StatusCode;
use ledger::{AddCheckpoint, Checkpoint, Consortium, Note, Unwitnessed, WitnessKey};

use super::WitnessError;
use crate::clock::Clock;
use crate::service::COSIGNER;

/// A witness at work in its directory.
pub(super) struct Desk {
    directory: PathBuf,
    key: WitnessKey,
    keys: Arc<dyn Keys>,
    clock: Clock,
    /// Held from reading what was cosigned last until the next is on disk.
    turn: Mutex<()>,
    /// Held for as long as this process is the witness.
    _lock: File,
}

/// What `add-checkpoint` is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The signature line, without a line end.
    Cosigned(String),
    /// The size that was cosigned last.
    Stale(u64),
    /// A status, and why.
    Refused(StatusCode, String),
}

impl Answer {
    /// The witness's own failure: the reason goes to the log.
    pub(super) fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "the witness failed");
        Self::Refused(StatusCode::INTERNAL_SERVER_ERROR, "the witness failed; its log has the reason".into())
    }
}

impl Desk {
    /// The witness `name` with its cosigning key in `keys`.
    ///
    /// # Errors
    /// [`WitnessError::Running`] while another process is the same witness; [`WitnessError::Forgotten`] where it cannot
    /// tell what it has cosigned of a chain that it witnesses.
    pub(super) fn open(
        directory: PathBuf,
        name: &str,
        keys: Arc<dyn Keys>,
        clock: Clock,
    ) -> Result<Self, WitnessError> {
        let lock = File::create(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WitnessError::Running(directory)),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        for chain in chains(&directory)? {
            consortium(&directory, &chain)?;
            last(&directory, &chain)?;
        }
        let key = WitnessKey::new(name, keys.public(COSIGNER)?)?;
        Ok(Self { directory, key, keys, clock, turn: Mutex::default(), _lock: lock })
    }

    /// Answers `add-checkpoint`. Whatever it signs is on disk before.
    pub(super) fn add_checkpoint(&self, body: &str) -> Answer {
        self.decide(body).unwrap_or_else(|error| Answer::failed(&error))
    }

    fn decide(&self, body: &str) -> Result<Answer, WitnessError> {
        // Which chain, before whether the rest is well-formed: others' logs have other forms.
        let origin = body.split_once("\n\n").and_then(|(_, note)| note.lines().next()).unwrap_or_default();
        let chain = origin.strip_prefix("sottovoce/").and_then(|chain| chain.parse::<Digest>().ok());
        let known = chain.map(|chain| consortium(&self.directory, &chain)).transpose()?.flatten();
        let (Some(chain), Some(consortium)) = (chain, known) else {
            return Ok(Answer::Refused(StatusCode::NOT_FOUND, "this log is not witnessed here".into()));
        };
        let refused = |status, error: &dyn std::fmt::Display| Ok(Answer::Refused(status, error.to_string()));
        let request: AddCheckpoint = match body.parse() {
            Ok(request) => request,
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
        };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last(&self.directory, &chain)?;
        let verified = match request.decide(last.as_ref(), &consortium) {
            Ok(verified) => verified,
            Err(Unwitnessed::Stale { known }) => return Ok(Answer::Stale(known)),
            Err(fork @ Unwitnessed::Fork { size }) => {
                tracing::error!(%chain, size, "a quorum of the chain's validators has signed a fork");
                self.keep_evidence(&chain, &request.note)?;
                return refused(StatusCode::CONFLICT, &fork);
            }
            Err(error @ Unwitnessed::Unproven(_)) => return refused(StatusCode::FORBIDDEN, &error),
            Err(error @ Unwitnessed::Backward { .. }) => return refused(StatusCode::BAD_REQUEST, &error),
            Err(error) => {
                tracing::warn!(%chain, %error, "a checkpoint is not shown to continue the last one");
                return refused(StatusCode::UNPROCESSABLE_ENTITY, &error);
            }
        };
        if last != Some(verified.checkpoint) {
            write(&seen(&self.directory, &chain), request.note.to_string().as_bytes())?;
        }
        let time = (self.clock)() / 1000;
        let cosignature = verified.checkpoint.cosign(time, |message| self.keys.sign_raw(COSIGNER, message))?;
        tracing::info!(%chain, size = verified.checkpoint.size, "cosigned");
        Ok(Answer::Cosigned(self.key.line(&cosignature)))
    }

    /// Keeps a note that proves a fork; the first few say all there is to say.
    fn keep_evidence(&self, chain: &Digest, note: &Note) -> Result<(), WitnessError> {
        let directory = self.directory.join("evidence");
        fs::create_dir_all(&directory)?;
        let Checkpoint { size, header, .. } = *note.danger_unverified();
        let path = directory.join(format!("{chain}-{size}-{}", &header.to_string()[..16]));
        if path.exists() || fs::read_dir(&directory)?.count() >= MAX_EVIDENCE {
            return Ok(());
        }
        Ok(write(&path, note.to_string().as_bytes())?)
    }
}

/// Puts a consortium file where the witness reads it.
pub(super) fn trust(directory: &Path, new: &Consortium) -> Result<(), WitnessError> {
    new.check()?;
    let old = consortium(directory, &new.chain)?;
    let continues = |old: &Consortium| old.epochs.iter().all(|epoch| new.epoch(epoch.number) == Some(epoch));
    if !old.as_ref().is_none_or(continues) {
        return Err(WitnessError::Contradiction);
    }
    fs::create_dir_all(directory.join(LOGS))?;
    fs::create_dir_all(directory.join(SEEN))?;
    let seen = seen(directory, &new.chain);
    // That nothing was cosigned yet is written down too: what is merely missing was lost.
    if old.is_none() && !seen.exists() {
        write(&seen, NOTHING)?;
    }
    Ok(write(&log(directory, &new.chain), new.to_toml().as_bytes())?)
}

/// The consortium file of a chain.
pub(super) fn consortium(directory: &Path, chain: &Digest) -> Result<Option<Consortium>, WitnessError> {
    match fs::read_to_string(log(directory, chain)) {
        Ok(text) => Ok(Some(Consortium::parse(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn chains(directory: &Path) -> Result<Vec<Digest>, WitnessError> {
    let mut chains = Vec::new();
    for entry in fs::read_dir(directory.join(LOGS))? {
        let name = entry?.file_name();
        let chain: Option<Digest> = name.to_str().and_then(|name| name.strip_suffix(".toml")?.parse().ok());
        chains.extend(chain);
    }
    Ok(chains)
}

/// What was cosigned last of a chain that is witnessed.
fn last(directory: &Path, chain: &Digest) -> Result<Option<Checkpoint>, WitnessError> {
    let forgotten = || WitnessError::Forgotten(*chain);
    let bytes = fs::read(seen(directory, chain)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => forgotten(),
        _ => error.into(),
    })?;
    if bytes == NOTHING {
        return Ok(None);
    }
    let note = Note::parse(std::str::from_utf8(&bytes).map_err(|_| forgotten())?).map_err(|_| forgotten())?;
    let checkpoint = *note.danger_unverified();
    if checkpoint.chain == *chain { Ok(Some(checkpoint)) } else { Err(forgotten()) }
}

/// Writes a file whole or not at all, and durably.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().expect("our files are in the witness's directory");
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(parent)?.sync_all()
}

fn log(directory: &Path, chain: &Digest) -> PathBuf {
    directory.join(LOGS).join(format!("{chain}.toml"))
}

fn seen(directory: &Path, chain: &Digest) -> PathBuf {
    directory.join(SEEN).join(format!("{chain}.note"))
}

/// Consortium files, by chain.
pub(super) const LOGS: &str = "logs";
/// What was cosigned last, by chain.
const SEEN: &str = "seen";
/// Of a chain of which nothing was cosigned yet.
const NOTHING: &[u8] = b"nothing yet\n";
/// Most notes kept that prove forks.
const MAX_EVIDENCE: usize = 16;

#[cfg(test)]
mod tests;
