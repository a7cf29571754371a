//! What a party keeps of a computation on disk, and its end: checkpoints under a key that is destroyed with them, and shares until
//! the contracts' time has passed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contracts::code;
use contracts::message::Destroy;
use contracts::read;
use contracts::record::{Phase, Request};
use crypto::{Digest, Label, Secret, kdf};
use mpc::runner::SLOTS;

use super::runs::Attempt;
use crate::problem::ApiError;
use crate::sealed;
use crate::service::{MINT, Node};

/// A session's checkpoints: files of this node, each under a key derived from a secret of the key store and a salt in the
/// database. Without the salt nobody reads them again.
pub(super) struct Checkpoints {
    directory: PathBuf,
    request: Digest,
    key: Secret<[u8; 32]>,
}

impl Checkpoints {
    /// Those of a request's computation.
    pub(super) async fn open(node: &Node, request: &Digest) -> Result<Self, ApiError> {
        let _turn = node.computations.keeping.lock().await;
        let salt = node.store.session(request, crypto::random()).await?;
        let secret = node.keys.secret(MINT).map_err(ApiError::internal)?;
        let key = kdf::derive(&secret, &salt, &[Label::CHECKPOINT_KEY.as_str().as_bytes(), request.as_ref()]);
        let directory = node.directory.join(DIRECTORY);
        fs::create_dir_all(&directory).map_err(ApiError::internal)?;
        Ok(Self { directory, request: *request, key })
    }

    fn associated(&self, slot: usize) -> Vec<u8> {
        [Label::CHECKPOINT_KEY.as_str().as_bytes(), self.request.as_ref(), &(slot as u64).to_be_bytes()].concat()
    }
}

impl mpc::runner::Store for Checkpoints {
    fn save(&self, slot: usize, checkpoint: &[u8]) -> io::Result<()> {
        sealed::write(&path(&self.directory, &self.request, slot), &self.key, &self.associated(slot), checkpoint)
    }

    fn load(&self, slot: usize) -> io::Result<Option<Vec<u8>>> {
        // What was altered, or is of another key, is as good as none. The engine wipes what it has read.
        let opened = sealed::read(&path(&self.directory, &self.request, slot), &self.key, &self.associated(slot))?;
        Ok(opened.map(|plain| plain.expose(Clone::clone)))
    }

    fn destroy(&self) -> io::Result<()> {
        remove(&self.directory, &self.request)
    }
}

fn path(directory: &Path, request: &Digest, slot: usize) -> PathBuf {
    directory.join(format!("{request}.{slot}"))
}

fn remove(directory: &Path, request: &Digest) -> io::Result<()> {
    (0..SLOTS).try_for_each(|slot| sealed::remove(&path(directory, request, slot)))
}

/// Destroys a session's checkpoints with their key.
pub(super) async fn forget(node: &Node, request: &Digest) -> Result<(), ApiError> {
    // The key first: what a crash leaves behind cannot be read.
    node.store.end_session(request).await?;
    remove(&node.directory.join(DIRECTORY), request).map_err(ApiError::internal)
}

/// Does so after an attempt that was cancelled, unless another attempt at the request has begun since: what is kept is that one's then. Whether it did.
pub(super) async fn forget_cancelled(node: &Node, attempt: &Attempt) -> Result<bool, ApiError> {
    // Held until the key is gone, so that an attempt which begins meanwhile does not write under it.
    let _turn = node.computations.keeping.lock().await;
    let last = node.computations.begun(&attempt.0).iter().all(|other| other == attempt);
    if last {
        forget(node, &attempt.0).await?;
    }
    Ok(last)
}

/// What is to become of what a node holds of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is needed.
    Keep,
    /// The share of the result is needed, all else not.
    Trim,
    /// Its time has passed.
    Destroy,
}

impl Fate {
    /// Of a request in this phase, whose verdict lives until `verdict` and whose contracts end at `deadline`; Unix milliseconds.
    fn of(phase: &Phase, verdict: u64, deadline: u64, now: u64) -> Self {
        match phase {
            Phase::Pending => Self::Keep,
            Phase::Allowed if now <= verdict.saturating_add(LATE) && now < deadline => Self::Keep,
            Phase::Done if now < deadline => Self::Trim,
            Phase::Allowed | Phase::Done | Phase::Refused(_) | Phase::Cancelled => Self::Destroy,
        }
    }
}

/// Sees to it, as long as the node runs, that nothing of a computation is held longer than its contracts allow.
pub(crate) async fn watch(node: Arc<Node>) {
    loop {
        if let Err(error) = sweep(&node).await {
            tracing::warn!(%error, "old shares were not destroyed; it is tried again");
        }
        tokio::time::sleep(SWEEP).await;
    }
}

async fn sweep(node: &Node) -> Result<(), ApiError> {
    for request in node.store.computed().await? {
        // What runs now is looked at when it has ended.
        if !node.computations.begun(&request).is_empty() {
            continue;
        }
        let found = {
            let view = node.replica.view()?;
            match read::request(&view, &request)? {
                None => None,
                Some(found) => {
                    let mut deadline = u64::MAX;
                    for named in &found.apply.contracts {
                        let version = read::version(&view, named)?;
                        deadline = deadline.min(version.map_or(0, |version| version.terms.window.not_after));
                    }
                    Some((found, deadline))
                }
            }
        };
        // A replica that lags does not know it yet.
        let Some((found, deadline)) = found else { continue };
        let verdict = found.verdict.as_ref().map_or(0, |verdict| verdict.not_after);
        match Fate::of(&found.phase, verdict, deadline, node.now()) {
            Fate::Keep => {}
            Fate::Trim => {
                forget(node, &request).await?;
                node.store.drop_attempts(&request).await?;
            }
            Fate::Destroy => destroy(node, &found).await?,
        }
    }
    Ok(())
}

/// Destroys all that this node holds of a computation, and puts that on record.
async fn destroy(node: &Node, request: &Request) -> Result<(), ApiError> {
    let id = request.id;
    node.store.destroy_shares(&id).await?;
    remove(&node.directory.join(DIRECTORY), &id).map_err(ApiError::internal)?;
    let party = request.parties().any(|party| *party == node.member);
    let recorded = request.destroyed.iter().any(|destroyed| destroyed.party == node.member);
    if party && !recorded {
        let detail = "its share of the result and what it kept on the way";
        node.audit.record("node", "compute.destroy", &id.to_string(), "ok", detail).await?;
        let transaction = node.prepare("results", "destroy", &Destroy { request: id })?;
        let placed = node.submit(vec![transaction]).await?;
        if let Some(refused) =
            placed.iter().find(|placed| ![ledger::OK, code::ALREADY_RECORDED.code].contains(&placed.code.as_str()))
        {
            tracing::warn!(request = %id, code = refused.code, "the ledger did not take the record of what was destroyed");
        }
    }
    // Kept until here, so that a node that stops in between comes back to it.
    node.store.end_session(&id).await?;
    Ok(())
}

/// Under the node's data.
const DIRECTORY: &str = "compute";
const SWEEP: Duration = Duration::from_secs(10);
/// How much longer than the verdict lives a computation's parts are kept: clocks differ. Milliseconds.
const LATE: u64 = 60_000;

#[cfg(test)]
mod tests {
    use mpc::runner::Store as _;

    use super::*;

    fn checkpoints(directory: &Path, key: u8) -> Checkpoints {
        Checkpoints { directory: directory.into(), request: Digest::from([7; 32]), key: Secret::new([key; 32]) }
    }

    #[test]
    fn nothing_is_held_longer_than_it_is_needed_and_allowed() {
        let [verdict, deadline] = [1_000, 500_000];
        let fate = |phase, now| Fate::of(&phase, verdict, deadline, now);
        assert_eq!(fate(Phase::Pending, u64::MAX), Fate::Keep);
        assert_eq!(fate(Phase::Allowed, verdict + LATE), Fate::Keep);
        assert_eq!(fate(Phase::Allowed, verdict + LATE + 1), Fate::Destroy);
        // One that was cut short, and whose contracts end while its verdict lives.
        let cut = |now| Fate::of(&Phase::Allowed, deadline, verdict, now);
        assert_eq!((cut(verdict - 1), cut(verdict)), (Fate::Keep, Fate::Destroy));
        assert_eq!(fate(Phase::Done, deadline - 1), Fate::Trim);
        assert_eq!(fate(Phase::Done, deadline), Fate::Destroy);
        assert_eq!(fate(Phase::Cancelled, 0), Fate::Destroy);
        assert_eq!(fate(Phase::Refused("not_accredited".into()), 0), Fate::Destroy);
    }

    #[test]
    fn a_checkpoint_is_read_under_its_own_key_and_slot_until_it_is_destroyed() {
        let directory = tempfile::tempdir().unwrap();
        let kept = checkpoints(directory.path(), 1);
        assert_eq!(kept.load(0).unwrap(), None);
        kept.save(0, b"shares").unwrap();
        kept.save(1, b"later shares").unwrap();
        kept.save(0, b"still later").unwrap();
        assert_eq!(kept.load(0).unwrap().as_deref(), Some(&b"still later"[..]));
        assert_eq!(kept.load(1).unwrap().as_deref(), Some(&b"later shares"[..]));
        assert_eq!(checkpoints(directory.path(), 2).load(0).unwrap(), None);
        let [first, second] = [0, 1].map(|slot| path(directory.path(), &kept.request, slot));
        let sealed = fs::read(&first).unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"still"));
        // One slot's bytes in the other's place.
        fs::write(&second, &sealed).unwrap();
        assert_eq!(kept.load(1).unwrap(), None);
        for length in [0, 5, sealed.len() - 1] {
            fs::write(&first, &sealed[..length]).unwrap();
            assert_eq!(kept.load(0).unwrap(), None);
        }
        kept.destroy().unwrap();
        kept.destroy().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
