//! What is in order about a log: in a directory, all of it; at a node, its checkpoint.

use std::io::{BufReader, Read as _};
use std::path::Path;

use crypto::Digest;
use ledger::tile::{self, entries_fit, tile_root};
use ledger::{Checkpoint, Consortium, Note, Tile, WitnessKey};

use super::records::Records;
use super::shelf::Shelf;
use super::{CHECKPOINT, Checked, Demands, Error, continues};
use crate::Client;

/// Checks a directory as [`export`](super::export) makes it, all of it, with no network.
///
/// # Errors
/// [`Error`] names the file at fault.
pub fn check(directory: &Path, consortium: &Consortium, demands: Demands<'_>) -> Result<Checked, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let mut checked = proven(note, consortium, demands.witnesses)?;
    let Checkpoint { size, root, chain, .. } = checked.checkpoint;
    let mut read = |tile: Tile| shelf.hashes(tile);
    if tile::root(size, size, &mut read)? != root {
        return Err(Error::Unfit { path: "tile".into(), what: "the right edge does not make the checkpoint's root" });
    }
    // Those above are read again and again, those of the lowest level once.
    let mut parents: Option<(Tile, Vec<Digest>)> = None;
    for tile in Tile::levels(size).flat_map(|level| Tile::level(level, size)) {
        let hashes = shelf.hashes(tile)?;
        checked.tiles += 1;
        let Some((parent, at)) = tile.parent(size) else { continue };
        if parents.as_ref().is_none_or(|(known, _)| *known != parent) {
            parents = Some((parent, shelf.hashes(parent)?));
        }
        if parents.as_ref().is_some_and(|(_, parents)| parents[at] != tile_root(&hashes)) {
            return Err(Error::Unfit { path: tile.to_string(), what: "it is not what the tile above has of it" });
        }
    }
    if let Some(since) = demands.since {
        let old = since.verify(consortium)?.checkpoint;
        if old.size > size {
            return Err(Error::Behind { found: size, known: old.size });
        }
        if old.size == size && old != checked.checkpoint {
            return Err(Error::Fork { size });
        }
        if tile::root(old.size, size, &mut read)? != old.root {
            return Err(Error::Inconsistent { old: old.size, new: size });
        }
    }
    if shelf.root.join("tile/entries").exists() || shelf.root.join("records").exists() {
        for index in 0..size.div_ceil(Tile::WIDTH.into()) {
            checked.records += check_records(&shelf, chain, index, size)?;
        }
    }
    Ok(checked)
}

/// Checks that an older checkpoint, such as a receipt's, is of the log in a directory: that log continues it, and whoever
/// cosigned the directory's checkpoint stands behind the older one's entries as well. Needs the tiles that the path between
/// both sizes is made of, and no more.
///
/// # Errors
/// [`Error`]; [`Error::Behind`] where the directory's log is the older one.
pub fn covers(
    directory: &Path,
    consortium: &Consortium,
    witnesses: &[WitnessKey],
    old: &Checkpoint,
) -> Result<Checked, Error> {
    let shelf = Shelf { root: directory.to_owned() };
    let note = shelf.note()?.ok_or_else(|| Error::Missing { path: CHECKPOINT.into() })?;
    let checked = proven(note, consortium, witnesses)?;
    shelf.continuation(old, &checked.checkpoint)?;
    Ok(checked)
}

/// Checks the checkpoint that the client's node publishes.
///
/// # Errors
/// [`Error`].
pub async fn check_node(client: &Client, consortium: &Consortium, demands: Demands<'_>) -> Result<Checked, Error> {
    let checked = proven(Note::parse(&client.log_checkpoint().await?)?, consortium, demands.witnesses)?;
    if let Some(since) = demands.since {
        _ = continues(client, &since.verify(consortium)?.checkpoint, &checked.checkpoint).await?;
    }
    Ok(checked)
}

fn check_records(shelf: &Shelf, chain: Digest, index: u64, size: u64) -> Result<u64, Error> {
    let tile = Tile::entries(index, size).expect("the index lies in the log");
    let (path, records) = (tile.to_string(), tile.records_path());
    let unfit = |path: &str, what| Error::Unfit { path: path.to_owned(), what };
    let hashes = shelf.hashes(Tile::hashes(0, index, size).expect("the index lies in the log"))?;
    let entries = tile.read_entries(&shelf.read(&path, 34 * 256)?).filter(|entries| entries_fit(entries, &hashes));
    let entries = entries.ok_or_else(|| unfit(&path, "its entries are not those of the hashes"))?;
    let mut reader = Records { reader: BufReader::new(shelf.open(&records)?), chain, next: tile.start() };
    for entry in &entries {
        if reader.read(entry).map_err(|what| unfit(&records, what))?.is_none() {
            return Err(unfit(&records, "a record is missing"));
        }
    }
    match reader.reader.read(&mut [0]) {
        Ok(0) => Ok(entries.len() as u64),
        _ => Err(unfit(&records, "there is more in it than the log has")),
    }
}

fn proven(note: Note, consortium: &Consortium, demanded: &[WitnessKey]) -> Result<Checked, Error> {
    let verified = note.verify(consortium)?;
    let mut witnesses = Vec::new();
    for key in demanded {
        let time = note.witnessed(key).ok_or_else(|| Error::Unwitnessed(key.name().to_owned()))?;
        witnesses.push((key.name().to_owned(), time));
    }
    let ledger::VerifiedNote { checkpoint, cosigners, ml_dsa } = verified;
    Ok(Checked { note, checkpoint, cosigners, ml_dsa, witnesses, tiles: 0, records: 0 })
}
