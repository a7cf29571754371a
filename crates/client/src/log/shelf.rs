//! The directory of static files that a log is mirrored into.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crypto::{Digest, merkle};
use ledger::{Checkpoint, MAX_NOTE, Note, NoteError, Tile, tile};

use super::{CHECKPOINT, Error, is_later};

/// A directory of static files.
pub(super) struct Shelf {
    pub(super) root: PathBuf,
}

impl Shelf {
    pub(super) fn create(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io(&root.display().to_string()))?;
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn note(&self) -> Result<Option<Note>, Error> {
        match self.read(CHECKPOINT, MAX_NOTE) {
            Ok(bytes) => Ok(Some(Note::parse(std::str::from_utf8(&bytes).map_err(|_| NoteError::Form)?)?)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn hashes(&self, tile: Tile) -> Result<Vec<Digest>, Error> {
        let path = tile.to_string();
        let bytes = self.read(&path, 32 * 256)?;
        tile.read_hashes(&bytes).ok_or(Error::Unfit { path, what: "it is not of its length" })
    }

    /// Checks, by the tiles that the path between both sizes is made of, that the directory's checkpoint continues an older one; the path that shows it.
    pub(super) fn continuation(&self, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Digest>, Error> {
        if !is_later(old, new)? {
            return Ok(Vec::new());
        }
        let subtree = |level, index| tile::subtree(new.size, level, index, &mut |tile| self.hashes(tile));
        let path = merkle::consistency_path(old.size, new.size, subtree)?;
        match merkle::verify_consistency(old.size, &old.root, new.size, &new.root, &path) {
            true => Ok(path),
            false => Err(Error::Inconsistent { old: old.size, new: new.size }),
        }
    }

    pub(super) fn has(&self, path: &str, length: u64) -> bool {
        fs::metadata(self.root.join(path)).is_ok_and(|found| found.is_file() && found.len() == length)
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    pub(super) fn open(&self, path: &str) -> Result<File, Error> {
        File::open(self.root.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
            _ => Error::io(path)(error),
        })
    }

    /// A file of at most so many bytes.
    pub(super) fn read(&self, path: &str, most: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.open(path)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
        match bytes.len() <= most {
            true => Ok(bytes),
            false => Err(Error::Unfit { path: path.to_owned(), what: "it is too long" }),
        }
    }

    /// Writes a file whole or not at all.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut draft = self.draft(path)?;
        draft.write(bytes)?;
        draft.finish()
    }

    pub(super) fn draft(&self, path: &str) -> Result<Draft, Error> {
        let target = self.root.join(path);
        let parent = target.parent().expect("our paths have a file's name");
        fs::create_dir_all(parent).map_err(Error::io(path))?;
        let mut draft = target.clone().into_os_string();
        draft.push(".draft");
        let draft = PathBuf::from(draft);
        let file = File::create(&draft).map_err(Error::io(path))?;
        Ok(Draft { path: path.to_owned(), file: io::BufWriter::new(file), draft, target })
    }

    /// Removes partial tiles whose full ones are there, and partial records that longer ones replace. Only those of the
    /// checkpoint before can be: each run tidies up after the last.
    pub(super) fn tidy(&self, before: u64, size: u64) -> Result<(), Error> {
        let remove = |path: String| match fs::remove_dir_all(self.root.join(&path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(&path)(error)),
            _ => Ok(()),
        };
        let partial = |tile: &Tile| !tile.is_full();
        let hashes = Tile::levels(before).filter_map(|level| Tile::level(level, before).last());
        for tile in
            hashes.chain(before.checked_sub(1).and_then(|last| Tile::entries(last / 256, before))).filter(partial)
        {
            let path = tile.to_string();
            let (directory, _) = path.rsplit_once('/').expect("a partial tile stands in a directory");
            let filled = match tile.kind() {
                ledger::TileKind::Entries => Tile::entries(tile.index(), size),
                ledger::TileKind::Hashes(level) => Tile::hashes(level, tile.index(), size),
            };
            if filled.is_some_and(|filled| filled.is_full()) {
                remove(directory.to_owned())?;
            }
            if tile.kind() == ledger::TileKind::Entries && size > before {
                let records = tile.records_path();
                match fs::remove_file(self.root.join(&records)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(&records)(error)),
                    _ => {}
                }
                // Empty where the bundle is full now.
                let (directory, _) = records.rsplit_once('/').expect("partial records stand in a directory");
                let _ = fs::remove_dir(self.root.join(directory));
            }
        }
        Ok(())
    }
}

/// A file that gets its name when it is whole.
pub(super) struct Draft {
    path: String,
    file: io::BufWriter<File>,
    draft: PathBuf,
    target: PathBuf,
}

impl Draft {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        let Self { path, file, draft, target } = self;
        let finish = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&draft, &target)
        };
        finish().map_err(Error::io(&path))
    }
}
