//! What this node publishes of the log: the newest checkpoint that a quorum cosigned, with the lines of its witnesses.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use client::http::{self as transport, Endpoint};
use futures_util::future::join_all;
use http::{HeaderMap, Method, StatusCode};
use ledger::{AddCheckpoint, Note, WitnessKey};
use tokio::time::{sleep, timeout};

use crate::config::Witness;
use crate::problem::ApiError;
use crate::replica::LogPath;
use crate::service::Node;

/// The checkpoint as it is served.
pub(crate) struct Publisher {
    witnesses: Vec<Asked>,
    /// Where there are witnesses: the note with those lines that came.
    witnessed: RwLock<Option<String>>,
}

/// A witness and how to reach it.
struct Asked {
    key: WitnessKey,
    endpoint: Endpoint,
}

impl Publisher {
    /// Publishes checkpoints with the lines of these witnesses.
    ///
    /// # Errors
    /// [`transport::Error::Address`]; the configuration was checked before.
    pub(crate) fn new(witnesses: &[Witness]) -> Result<Self, transport::Error> {
        let asked = |witness: &Witness| {
            let endpoint = Endpoint::new(&witness.address, witness.pin, None)?.with_patience(PATIENCE);
            Ok(Asked { key: witness.key.clone(), endpoint })
        };
        Ok(Self {
            witnesses: witnesses.iter().map(asked).collect::<Result<_, transport::Error>>()?,
            witnessed: RwLock::default(),
        })
    }

    /// The newest published checkpoint; none before the first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub(crate) fn note(&self, node: &Node) -> Result<Option<String>, ApiError> {
        if let Some(note) = self.witnessed.read().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(Some(note));
        }
        Ok(node.replica.newest_note()?.map(|note| note.to_string()))
    }
}

/// Keeps what is published new, for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    let (mut heights, mut cosigned) = (node.replica.heights(), node.replica.cosigned_heights());
    loop {
        let (height, known) = (*heights.borrow_and_update(), *cosigned.borrow_and_update());
        let mut complete = true;
        if node.replica.follows() && height > known {
            // Who orders has blocks cosigned without being asked; a follower would learn of it with its next receipt only.
            if let Err(error) = node.replica.have_cosigned(&node, height).await {
                tracing::debug!(%error, height, "no cosigned checkpoint to publish yet");
                complete = false;
            }
        }
        if !node.publisher.witnesses.is_empty() {
            complete &= publish(&node).await;
        }
        sleep(node.replica.gather_pause()).await;
        tokio::select! {
            () = sleep(RETRY), if !complete => {}
            changed = heights.changed() => if changed.is_err() { return },
            changed = cosigned.changed() => if changed.is_err() { return },
        }
    }
}

/// Has the newest checkpoint witnessed, and publishes it with whatever lines came; whether all came.
async fn publish(node: &Arc<Node>) -> bool {
    let note = match node.replica.newest_note() {
        Ok(Some(note)) => note,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(%error, "the newest checkpoint cannot be read");
            return false;
        }
    };
    let asked = node.publisher.witnesses.iter().map(|witness| async {
        match timeout(PATIENCE, ask(node, witness, &note)).await {
            Ok(Ok(line)) => Some(line),
            Ok(Err(reason)) => {
                tracing::warn!(witness = witness.key.name(), reason, "a witness did not cosign");
                None
            }
            Err(_) => {
                tracing::warn!(witness = witness.key.name(), "a witness did not answer in time");
                None
            }
        }
    });
    let mut published = note.clone();
    let lines = join_all(asked).await;
    lines.iter().flatten().for_each(|line| _ = published.add_line(line));
    *node.publisher.witnessed.write().unwrap_or_else(PoisonError::into_inner) = Some(published.to_string());
    lines.iter().all(Option::is_some)
}

/// A witness's line for a checkpoint. Where the witness stands is its own to say: the first answer tells, the second question
/// begins there.
async fn ask(node: &Node, witness: &Asked, note: &Note) -> Result<String, String> {
    let size = note.danger_unverified().size;
    let mut old = 0;
    for _ in 0..ATTEMPTS {
        let proof = match old {
            0 => Vec::new(),
            old => node.replica.log_path(LogPath::Consistency { old, new: size }).map_err(|error| error.to_string())?,
        };
        let body = AddCheckpoint { old, proof, note: note.clone() }.to_string();
        let answer = witness
            .endpoint
            .ask(Method::POST, "/add-checkpoint", HeaderMap::new(), transport::full(body))
            .await
            .map_err(|error| error.to_string())?;
        let (status, stale) = (answer.status(), is_size(answer.headers()));
        let answer = String::from_utf8(answer.bytes(MAX_ANSWER).await.map_err(|error| error.to_string())?);
        let answer = answer.map_err(|_| "the answer is no text".to_owned())?;
        match status {
            StatusCode::OK => {
                let mut note = note.clone();
                let mut lines = answer.lines().filter(|line| note.add_line(line));
                let line = lines.next().map(str::to_owned);
                drop(lines);
                let cosigned = note.witnessed(&witness.key).is_some();
                return line.filter(|_| cosigned).ok_or_else(|| "its line is not of its key".to_owned());
            }
            StatusCode::CONFLICT if stale => {
                old = answer.trim_end().parse().map_err(|_| "its size is no number".to_owned())?;
                if old > size {
                    return Err(format!("it has cosigned {old} entries, this node's log has {size}"));
                }
            }
            status => return Err(format!("{status}: {}", answer.trim_end())),
        }
    }
    Err("others have checkpoints witnessed all the time; next time, perhaps".to_owned())
}

fn is_size(headers: &HeaderMap) -> bool {
    headers.get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "text/x.tlog.size")
}

/// For one witness to answer all of its questions.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before a checkpoint is asked for again that nobody, or not every witness, has cosigned.
const RETRY: Duration = Duration::from_secs(10);
/// Questions to one witness about one checkpoint.
const ATTEMPTS: usize = 4;
/// Longest answer of a witness, bytes.
const MAX_ANSWER: usize = 16 << 10;
