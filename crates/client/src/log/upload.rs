//! A mirrored directory, brought into a bucket.

use std::path::Path;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ledger::{Consortium, MAX_NOTE, Note, NoteError, Tile};

use super::shelf::Shelf;
use super::{CHECKPOINT, Error, Exported, covers};
use crate::bucket::Bucket;

/// Brings a bucket up to a directory that [`export`](super::export) has made, from where it stopped last. The checkpoint is written last: whatever
/// interrupts it, the bucket's is one whose files are all there. No object but the checkpoint is ever written anew where its content could
/// differ, and none is removed. `told` hears of files settled, and how many there are.
///
/// # Errors
/// [`Error`]; nothing was written where the directory does not continue the bucket's log.
pub async fn publish(
    directory: &Path,
    consortium: &Consortium,
    bucket: &Bucket,
    mut told: impl FnMut(u64, u64),
) -> Result<Exported, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let checkpoint = note.verify(consortium)?.checkpoint;
    let before = match bucket.get(CHECKPOINT, MAX_NOTE).await? {
        None => 0,
        Some(bytes) => {
            let kept = Note::parse(std::str::from_utf8(&bytes).map_err(|_| NoteError::Form)?)?;
            let old = kept.verify(consortium)?.checkpoint;
            covers(directory, consortium, &[], &old)?;
            old.size
        }
    };
    let size = checkpoint.size;
    let tiles = Tile::levels(size).flat_map(|level| Tile::level(level, size)).filter(|tile| !tile.is_within(before));
    let mut paths: Vec<String> = tiles.map(|tile| tile.to_string()).collect();
    if shelf.root.join("tile/entries").exists() {
        // The first bundle goes last: where it is there, so are those after it, up to the checkpoint's size.
        let since = match Tile::entries(0, before) {
            Some(first) if bucket.has(&first.records_path()).await? => before,
            _ => 0,
        };
        let bundles = (0..size.div_ceil(Tile::WIDTH.into())).rev().filter_map(|index| Tile::entries(index, size));
        for bundle in bundles.filter(|bundle| !bundle.is_within(since)) {
            paths.extend([bundle.to_string(), bundle.records_path()]);
        }
    }
    let last = paths.pop();
    let all = paths.len() as u64 + 2;
    let mut settled = 0;
    let put = |path: String| async move { bucket.put(&path, &directory.join(&path), "application/octet-stream").await };
    let mut at_work = stream::iter(paths).map(put).buffer_unordered(UPLOADS);
    while at_work.try_next().await?.is_some() {
        settled += 1;
        told(settled, all);
    }
    drop(at_work);
    if let Some(path) = last {
        put(path).await?;
        settled += 1;
        told(settled, all);
    }
    let written = settled;
    if before < size || before == 0 {
        bucket.put(CHECKPOINT, &directory.join(CHECKPOINT), "text/plain; charset=utf-8").await?;
    }
    told(all, all);
    Ok(Exported { checkpoint, before, written })
}

/// Files on their way into a bucket at a time.
const UPLOADS: usize = 8;
