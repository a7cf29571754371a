//! The keys with which this member cosigns: what they still sign, and when they are destroyed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use contracts::read;
use contracts::record::Member;
use crypto::PublicKey;
use crypto::keystore::Keys as _;
use ledger::{Cosignature, Ledger};

use super::Own;
use super::part::{ends, epoch_of};
use super::vouch::answering;
use crate::problem::ApiError;
use crate::service::COSIGNER;

impl Own {
    /// Whether the key with which the ledger knows this member as a validator is one that a restore has burnt.
    pub(super) fn is_restored(&self, ledger: &Ledger) -> bool {
        let known = || Some(epoch_of(ledger)?.validator(&self.member)?.1.key);
        !self.burnt.is_empty() && known().is_some_and(|key| self.burnt.contains(&key))
    }

    /// The handle of the cosigning key with this public key, where this node holds it.
    pub(super) fn cosigner(&self, key: &PublicKey) -> Option<String> {
        let mut handles = self.keys.handles().into_iter().map(|(handle, _)| handle).filter(|handle| cosigns(handle));
        handles.find(|handle| self.keys.public(handle).is_ok_and(|public| public == *key))
    }

    /// This member's cosignature of a block, once that is on disk: the one that is kept, or one made now. None where it has not executed the
    /// block itself ([`Ledger::began`]); where the member is no
    /// validator of the block's epoch, as a newcomer is not of the block that let it in, or has no longer the key that it had then; and where
    /// that key is burnt and too few others have cosigned the block: it may have cosigned another at that height.
    pub(super) fn cosign(&self, ledger: &Ledger, height: u64) -> Result<Option<Cosignature>, ApiError> {
        if ledger.header(height)?.is_none() && height < ledger.head().height {
            return Ok(None);
        }
        let checkpoint = ledger.durable_checkpoint(height)?;
        let mut kept = ledger.cosignatures(height)?.into_iter();
        if let Some((_, kept)) = kept.find(|(member, _)| *member == self.member) {
            return Ok(Some(kept));
        }
        // What others executed this node answers for with their cosignatures alone.
        if height > 0 && height <= ledger.began()? {
            return Ok(None);
        }
        let epoch = ledger.epoch(checkpoint.epoch)?;
        let Some(epoch) = epoch else { return Ok(None) };
        let Some((_, validator)) = epoch.validator(&self.member) else { return Ok(None) };
        if self.burnt.contains(&validator.key) && ledger.cosignatures(height)?.len() < answering(&epoch) {
            return Ok(None);
        }
        let Some(handle) = self.cosigner(&validator.key) else { return Ok(None) };
        let cosignature = checkpoint.cosign((self.clock)() / 1000, |message| self.keys.sign_raw(&handle, message))?;
        let Some(key) = &validator.ml_dsa else { return Ok(Some(cosignature)) };
        // Half of what the epoch demands is worth nothing.
        let Some(handle) = self.ml_dsa_cosigner(key) else { return Ok(None) };
        let signer = |label, message: &[u8]| self.keys.sign_ml_dsa(&handle, label, message);
        Ok(Some(checkpoint.cosign_ml_dsa(&self.member, cosignature, signer)?))
    }

    /// Forces to disk this member's cosignature of the last block of each epoch that is over, as far as it still has the keys: whoever was
    /// away when that epoch ended has to have it ([`super::vouch`]).
    fn sign_off(&self, ledger: &Ledger) -> Result<(), ApiError> {
        for height in ends(ledger, 0)? {
            if let Some(cosignature) = self.cosign(ledger, height)? {
                ledger.add_cosignatures(height, &[(self.member.clone(), cosignature)])?;
            }
        }
        Ok(ledger.flush()?)
    }

    /// Destroys the keys that this member cosigned and voted with before, and the votes of epochs that are over: what was signed then
    /// stays valid, and nobody can sign more of it.
    pub(super) fn retire(&self, ledger: &Ledger, voting: &PublicKey, epoch: u64) {
        if let Err(error) = self.sign_off(ledger) {
            tracing::warn!(%error, "cosigning keys that are no longer used are still there: not all that they are to sign is signed");
            return;
        }
        let Ok(view) = ledger.view() else { return };
        let Ok(Some(Member { card, .. })) = read::member(&view, &self.member) else { return };
        for (handle, _) in self.keys.handles().into_iter().filter(|(handle, _)| cosigns(handle)) {
            let Ok(public) = self.keys.public(&handle) else { continue };
            // One that was made and is not on the ledger yet, the ledger does not know.
            let known = read::member_key(&view, &public).is_ok_and(|key| key.is_some());
            if !known || public == card.cosigner || public == *voting {
                continue;
            }
            match self.keys.remove(&handle) {
                Ok(()) => tracing::info!(handle, "a cosigning key that is no longer used is destroyed"),
                Err(error) => tracing::warn!(handle, %error, "a cosigning key that is no longer used is still there"),
            }
        }
        let registered = read::ml_dsa(&view, &self.member).ok().flatten();
        for handle in self.ml_dsa_cosigners().collect::<Vec<_>>() {
            let Ok(public) = self.keys.ml_dsa(&handle) else { continue };
            let known = read::ml_dsa_holder(&view, &public.id()).is_ok_and(|holder| holder.is_some());
            if !known || Some(&public) == registered.as_ref() {
                continue;
            }
            match self.keys.remove(&handle) {
                Ok(()) => tracing::info!(handle, "an ML-DSA key that is no longer used is destroyed"),
                Err(error) => tracing::warn!(handle, %error, "an ML-DSA key that is no longer used is still there"),
            }
        }
        for entry in fs::read_dir(self.directory.join(ORDER)).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let of: Option<u64> = name.strip_suffix(OVER).unwrap_or(name).parse().ok();
            if of.is_some_and(|of| of < epoch)
                && let Err(error) = discard(&entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "the files of an ordering that is over stay");
            }
        }
    }

    /// Where the files are in which this node keeps what it signed in an epoch.
    pub(super) fn votes(&self, epoch: u64) -> PathBuf {
        self.directory.join(ORDER).join(epoch.to_string())
    }

    /// Whether this node may vote in an epoch: where it has what it signed in it, or has signed nothing in it. On disk is then that it may have
    /// voted in that one, apart from its votes and from its ledger: where either is lost, it votes neither in that epoch anew nor in one before.
    ///
    /// # Errors
    /// What the file system says, and where what is on disk is not of that form: a node that cannot tell must not vote.
    pub(super) fn takes_up(&self, epoch: u64) -> io::Result<bool> {
        let (votes, path) = (self.votes(epoch), self.directory.join(VOTED));
        let newest = voted(&path)?;
        if !votes.try_exists()? {
            if newest.is_some_and(|newest| epoch <= newest) {
                return Ok(false);
            }
            // Before the number: one that fails in between has signed nothing.
            fs::create_dir_all(&votes)?;
            File::open(self.directory.join(ORDER))?.sync_all()?;
            File::open(&self.directory)?.sync_all()?;
        }
        if newest.is_none_or(|newest| newest < epoch) {
            let draft = path.with_extension("draft");
            let mut file = File::create(&draft)?;
            writeln!(file, "{epoch}")?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(true)
    }
}

/// The newest epoch in which this node may have voted.
fn voted(path: &Path) -> io::Result<Option<u64>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let epoch = text.trim_end().parse().ok();
    let damaged = || {
        let path = path.display();
        io::Error::other(format!(
            "{path} is damaged: write into it the number of the newest epoch in which this node may have voted, the one that orders now"
        ))
    };
    epoch.map(Some).ok_or_else(damaged)
}

/// Removes an epoch's files; under another name first, since with a part of them nobody must vote in it again.
fn discard(path: &Path) -> io::Result<()> {
    let over = path.with_extension(&OVER[1..]);
    if path != over {
        fs::rename(path, &over)?;
        File::open(path.parent().expect("it is in a directory"))?.sync_all()?;
    }
    fs::remove_dir_all(over)
}

const ORDER: &str = "order";
/// The number of the newest epoch in which this node may have voted.
const VOTED: &str = "voted";
/// At the end of the name of a directory that is being removed.
const OVER: &str = ".over";

/// Whether a key store's handle names a cosigning key.
pub(crate) fn cosigns(handle: &str) -> bool {
    handle == COSIGNER || handle.strip_prefix(COSIGNER).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
