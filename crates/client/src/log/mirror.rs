//! A node's log, mirrored into a directory.

use std::collections::HashMap;
use std::path::Path;

use crypto::Digest;
use ledger::tile::{self, entries_fit, tile_root};
use ledger::{Consortium, Note, Tile};

use super::records::Records;
use super::shelf::Shelf;
use super::{CHECKPOINT, Depth, Error, Exported, continues};
use crate::Client;

/// Mirrors the log of the client's node into a directory, from where it stopped last. Whatever interrupts it, the
/// directory's checkpoint is one whose files are all there. `told` hears of files settled, and how many there are.
///
/// # Errors
/// [`Error`]. Nothing was written that does not fit the node's checkpoint.
pub async fn export(
    client: &Client,
    consortium: &Consortium,
    directory: &Path,
    depth: Depth,
    mut told: impl FnMut(u64, u64),
) -> Result<Exported, Error> {
    let shelf = Shelf::create(directory)?;
    let note = Note::parse(&client.log_checkpoint().await?)?;
    let new = note.verify(consortium)?.checkpoint;
    let before = match shelf.note()? {
        None => 0,
        Some(kept) => {
            let old = kept.verify(consortium)?.checkpoint;
            _ = continues(client, &old, &new).await?;
            old.size
        }
    };
    let all = Tile::levels(new.size).flat_map(|level| Tile::level(level, new.size)).count() as u64;
    let all = if depth == Depth::Records { all + 2 * new.size.div_ceil(Tile::WIDTH.into()) } else { all };
    let mut mirror = Mirror { client, shelf: &shelf, size: new.size, before, above: HashMap::new(), written: 0 };
    mirror.right_edge(&new.root).await?;
    let mut settled = 0;
    for level in Tile::levels(new.size) {
        for tile in Tile::level(level, new.size) {
            mirror.hashes(tile).await?;
            settled += 1;
            told(settled, all);
        }
    }
    if depth == Depth::Records {
        for index in 0..new.size.div_ceil(Tile::WIDTH.into()) {
            mirror.records(index).await?;
            settled += 2;
            told(settled, all);
        }
    }
    let written = mirror.written;
    shelf.write(CHECKPOINT, note.to_string().as_bytes())?;
    shelf.tidy(before, new.size)?;
    Ok(Exported { checkpoint: new, before, written })
}

/// Files on their way from a node into a directory.
struct Mirror<'a> {
    client: &'a Client,
    shelf: &'a Shelf,
    size: u64,
    /// What is within this size was verified when it was written.
    before: u64,
    /// Tiles that those below are compared with: all above the lowest level, and the right edge.
    above: HashMap<Tile, Vec<Digest>>,
    written: u64,
}

impl Mirror<'_> {
    /// Fetches the partial tiles, which alone make the root.
    async fn right_edge(&mut self, root: &Digest) -> Result<(), Error> {
        let last = |level| Tile::level(level, self.size).last().filter(|tile| !tile.is_full());
        let edge: Vec<Tile> = Tile::levels(self.size).filter_map(last).collect();
        for tile in &edge {
            let hashes = self.fetch(*tile).await?;
            self.above.insert(*tile, hashes);
        }
        let found = tile::root(self.size, self.size, &mut |tile| Ok::<_, Error>(self.above[&tile].clone()))?;
        if found != *root {
            return Err(Error::Unfit {
                path: "tile".into(),
                what: "the right edge does not make the checkpoint's root",
            });
        }
        for tile in edge {
            let bytes: Vec<u8> = self.above[&tile].iter().flat_map(|hash| *hash.as_bytes()).collect();
            if !self.shelf.has(&tile.to_string(), bytes.len() as u64) {
                self.write(&tile.to_string(), &bytes)?;
            }
        }
        Ok(())
    }

    async fn fetch(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        let bytes = self.client.log_file(&tile.to_string()).await?;
        tile.read_hashes(&bytes).ok_or_else(|| Error::Unfit { path: tile.to_string(), what: "it is not of its length" })
    }

    /// Has a full tile in the directory; the levels above it are there already.
    async fn hashes(&mut self, tile: Tile) -> Result<(), Error> {
        let (path, length) = (tile.to_string(), 32 * u64::from(tile.width()));
        let Some((parent, at)) = tile.parent(self.size) else { return Ok(()) };
        if tile.is_within(self.before) && self.shelf.has(&path, length) {
            return Ok(());
        }
        let parents = match self.above.get(&parent) {
            Some(parents) => parents.clone(),
            None => self.shelf.hashes(parent)?,
        };
        // Left by a run that was interrupted, perhaps.
        let found = self.shelf.hashes(tile).ok().filter(|hashes| tile_root(hashes) == parents[at]);
        let hashes = match found {
            Some(hashes) => hashes,
            None => {
                let hashes = self.fetch(tile).await?;
                if tile_root(&hashes) != parents[at] {
                    return Err(Error::Unfit { path, what: "it is not what the tile above has of it" });
                }
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                self.write(&path, &bytes)?;
                hashes
            }
        };
        if tile.kind() != ledger::TileKind::Hashes(0) {
            self.above.insert(tile, hashes);
        }
        Ok(())
    }

    /// Has a bundle of entries and their transactions in the directory.
    async fn records(&mut self, index: u64) -> Result<(), Error> {
        let tile = Tile::entries(index, self.size).expect("the index lies in the log");
        let (path, records) = (tile.to_string(), tile.records_path());
        // Records are renamed into place after their entries, when they are whole.
        if self.shelf.has(&path, 34 * u64::from(tile.width())) && self.shelf.exists(&records) {
            return Ok(());
        }
        let hashes = self.shelf.hashes(Tile::hashes(0, index, self.size).expect("the index lies in the log"))?;
        let bytes = self.client.log_file(&path).await?;
        let unfit = |path: &str, what| Error::Unfit { path: path.to_owned(), what };
        let entries = tile.read_entries(&bytes).filter(|entries| entries_fit(entries, &hashes));
        let entries = entries.ok_or_else(|| unfit(&path, "its entries are not those of the hashes"))?;
        self.write(&path, &bytes)?;
        let mut draft = self.shelf.draft(&records)?;
        let (mut next, end) = (tile.start(), tile.start() + u64::from(tile.width()));
        while next < end {
            let page = self.client.log_records(next, end).await?;
            let mut reader = Records { reader: page.as_slice(), chain: self.client.chain(), next };
            let mut some = false;
            while let Some((record, _)) =
                reader.read(&entries[(next - tile.start()) as usize]).map_err(|what| unfit(&records, what))?
            {
                draft.write(&record)?;
                next += 1;
                some = true;
                if next == end {
                    break;
                }
            }
            if !some {
                return Err(unfit(&records, "the node gives no more of it"));
            }
        }
        draft.finish()?;
        self.written += 1;
        Ok(())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        self.written += 1;
        self.shelf.write(path, bytes)
    }
}
