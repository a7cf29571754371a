//! What witnesses say of the log, added to a receipt.

use std::path::Path;
use std::time::Duration;

use crypto::Digest;
use ledger::{Consortium, Note, NoteError, PinnedWitnesses, Receipt, Unattested};
use tokio::time::{Instant, sleep};

use super::shelf::Shelf;
use super::{CHECKPOINT, Error, continues};
use crate::Client;

/// Adds to a receipt what the witnesses say whose lines the checkpoint of a directory has, as [`export`](super::export) makes it: those of the pinned ones, of which
/// enough must be there, else all. Needs no network.
///
/// # Errors
/// [`Error`]; [`Error::Note`] where the receipt does not verify, or no witness has cosigned; [`Error::Unattested`]; [`Error::Behind`] where the directory's log is
/// the older one.
pub fn testify(
    directory: &Path,
    consortium: &Consortium,
    receipt: &Receipt,
    witnesses: Option<&PinnedWitnesses>,
) -> Result<Receipt, Error> {
    let old = receipt.verify(consortium).map_err(NoteError::from)?.checkpoint;
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let path = shelf.continuation(&old, &note.verify(consortium)?.checkpoint)?;
    testified(receipt, &note, path, consortium, witnesses)
}

/// The same from what the client's node publishes for anyone. Waits until its checkpoint covers the receipt and the witnesses have cosigned, for so long.
///
/// # Errors
/// As [`testify`]: what was still missing at the end.
pub async fn testify_at_node(
    client: &Client,
    consortium: &Consortium,
    receipt: &Receipt,
    witnesses: Option<&PinnedWitnesses>,
    patience: Duration,
) -> Result<Receipt, Error> {
    let old = receipt.verify(consortium).map_err(NoteError::from)?.checkpoint;
    let deadline = Instant::now() + patience;
    loop {
        let found = async {
            let note = Note::parse(&client.log_checkpoint().await?)?;
            let path = continues(client, &old, &note.verify(consortium)?.checkpoint).await?;
            testified(receipt, &note, path, consortium, witnesses)
        };
        let missing = match found.await {
            Err(
                missing @ (Error::Behind { .. }
                | Error::Note(NoteError::Unwitnessed { .. })
                | Error::Unattested(Unattested::Few { .. })),
            ) => missing,
            settled => return settled,
        };
        if Instant::now() + PAUSE > deadline {
            return Err(missing);
        }
        sleep(PAUSE).await;
    }
}

fn testified(
    receipt: &Receipt,
    note: &Note,
    path: Vec<Digest>,
    consortium: &Consortium,
    witnesses: Option<&PinnedWitnesses>,
) -> Result<Receipt, Error> {
    let testified = receipt.with_testimony(note, path, consortium, witnesses)?;
    if let Some(witnesses) = witnesses {
        let verified = testified.verify(consortium).map_err(NoteError::from)?;
        witnesses.attest(verified.testimony.as_ref())?;
    }
    Ok(testified)
}

/// Before a node is asked once more for what witnesses have cosigned.
const PAUSE: Duration = Duration::from_millis(500);
