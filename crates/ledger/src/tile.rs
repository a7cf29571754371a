//! The log as static files (C2SP `tlog-tiles`): where each tile stands, what the tree of a size has of it, and how
//! subtrees, and with them roots and proofs, are read out of tiles.

use std::fmt;
use std::str::FromStr;

use crypto::Digest;
use crypto::merkle::{self, Frontier};

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes at a level: each covers `256^level` leaves.
    Hashes(u8),
    /// Leaf data: the bundle of entries that hash to the tile of level 0 at the same index.
    Entries,
}

/// Up to 256 consecutive hashes of a level of the log, or as many entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl Tile {
    /// Hashes of a full tile.
    pub const WIDTH: u16 = 256;

    /// The hash tile at a level and index, as wide as the tree of `size` leaves has it; none where it has nothing of it.
    pub fn hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        Self::in_tree(TileKind::Hashes(level), index, size)
    }

    /// The bundle of entries at an index, as the tree of `size` leaves has it.
    pub fn entries(index: u64, size: u64) -> Option<Self> {
        Self::in_tree(TileKind::Entries, index, size)
    }

    fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let left = Self::count(kind, size).checked_sub(index.checked_mul(u64::from(Self::WIDTH))?)?;
        let width = left.min(u64::from(Self::WIDTH)) as u16;
        (width > 0).then_some(Self { kind, index, width })
    }

    /// How many hashes, or entries, the tree of `size` leaves has at this level.
    fn count(kind: TileKind, size: u64) -> u64 {
        match kind {
            TileKind::Entries => size,
            TileKind::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
        }
    }

    /// The hash tiles of the tree of `size` leaves at a level, by index.
    pub fn level(level: u8, size: u64) -> impl Iterator<Item = Self> {
        (0..).map_while(move |index| Self::hashes(level, index, size))
    }

    /// The levels of the tree of `size` leaves, the highest first.
    pub fn levels(size: u64) -> impl Iterator<Item = u8> {
        (0..8u8).rev().filter(move |level| Self::hashes(*level, 0, size).is_some())
    }

    /// What it holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its index within its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds: 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds all it ever will.
    pub const fn is_full(&self) -> bool {
        self.width == Self::WIDTH
    }

    /// The first of its hashes or entries, counted within its level.
    pub const fn start(&self) -> u64 {
        self.index * Self::WIDTH as u64
    }

    /// Whether the tree of `size` leaves has all of it.
    pub fn is_within(&self, size: u64) -> bool {
        self.start() + u64::from(self.width) <= Self::count(self.kind, size)
    }

    /// The full tile's parent in the tree of `size` leaves and its place there; none for a partial one, which no level
    /// above knows.
    pub fn parent(&self, size: u64) -> Option<(Self, usize)> {
        let TileKind::Hashes(level) = self.kind else { return None };
        let above = Self::hashes(level + 1, self.index / u64::from(Self::WIDTH), size).filter(|_| self.is_full())?;
        Some((above, (self.index % u64::from(Self::WIDTH)) as usize))
    }

    /// Where the transactions of a bundle of entries stand in an exported log, beside the tiles.
    pub fn records_path(&self) -> String {
        format!("records/{}", self.tail())
    }

    /// The tile's bytes as hashes; none unless they are exactly `width` of 32 bytes.
    pub fn read_hashes(&self, bytes: &[u8]) -> Option<Vec<Digest>> {
        let (digests, []) = bytes.as_chunks::<32>() else { return None };
        (digests.len() == usize::from(self.width)).then(|| digests.iter().map(|digest| (*digest).into()).collect())
    }

    /// The bundle's bytes as leaf data; none unless they are exactly `width` entries of 32 bytes, each after its length.
    pub fn read_entries(&self, bytes: &[u8]) -> Option<Vec<Digest>> {
        let (entries, []) = bytes.as_chunks::<34>() else { return None };
        let entry = |entry: &[u8; 34]| Digest::from(*entry.strip_prefix(&ENTRY_LENGTH)?.first_chunk()?).into();
        let entries = entries.iter().map(entry).collect::<Option<Vec<Digest>>>()?;
        (entries.len() == usize::from(self.width)).then_some(entries)
    }

    fn tail(&self) -> String {
        let groups = self.index.to_string().len().div_ceil(3);
        let group = |at: usize| format!("{:03}", self.index / 1000u64.pow(at as u32) % 1000);
        let mut tail: String = (1..groups).rev().map(|at| format!("x{}/", group(at))).collect();
        tail.push_str(&group(0));
        if !self.is_full() {
            tail.push_str(&format!(".p/{}", self.width));
        }
        tail
    }
}

/// The path below the log's prefix: `tile/<level>/<index>[.p/<width>]`, `tile/entries/<index>[.p/<width>]`.
impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/{}", self.tail()),
            TileKind::Entries => write!(f, "tile/entries/{}", self.tail()),
        }
    }
}

impl FromStr for Tile {
    type Err = NoTile;

    fn from_str(path: &str) -> Result<Self, NoTile> {
        let read = || {
            if path.len() > MAX_PATH {
                return None;
            }
            let (kind, tail) = path.strip_prefix("tile/")?.split_once('/')?;
            let kind = match kind {
                "entries" => TileKind::Entries,
                level => TileKind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
            };
            let (index, width) = match tail.split_once(".p/") {
                Some((index, width)) => (index, width.parse().ok().filter(|width| (1..256).contains(width))?),
                None => (tail, Self::WIDTH),
            };
            let groups = index.split('/').map(|group| group.trim_start_matches('x').parse::<u64>().ok());
            let index = groups.into_iter().try_fold(0u64, |sum, group| sum.checked_mul(1000)?.checked_add(group?))?;
            // Its first hash must have a number.
            index.checked_mul(u64::from(Self::WIDTH))?.checked_add(u64::from(Self::WIDTH))?;
            let tile = Self { kind, index, width };
            // One spelling only: zeros, signs, the letter before each group.
            (tile.to_string() == path).then_some(tile)
        };
        read().ok_or(NoTile)
    }
}

/// The text is not the path of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile: tile/<level>/<index> or tile/entries/<index>, index in groups of three digits")]
pub struct NoTile;

/// Writes an entry of a bundle: its length in two bytes, then its leaf data.
pub(crate) fn write_entry(bundle: &mut Vec<u8>, leaf_data: &Digest) {
    bundle.extend_from_slice(&ENTRY_LENGTH);
    bundle.extend_from_slice(leaf_data.as_ref());
}

/// The root that consecutive hashes of a level make: of a full tile, what the tile above has of it.
pub fn tile_root(hashes: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    hashes.iter().for_each(|hash| frontier.push(*hash, |_, _, _| {}));
    frontier.root()
}

/// Reads the root of a complete subtree out of the hash tiles of the tree of `size` leaves, in the form that
/// [`crypto::merkle`] reads stored trees: with it, any root, inclusion or consistency path follows from tiles alone.
/// `read` gives the hashes of a tile, as many as the tile is wide.
///
/// # Errors
/// Whatever `read` returns. The subtree must lie in the tree.
pub fn subtree<E>(
    size: u64,
    level: u32,
    index: u64,
    read: &mut impl FnMut(Tile) -> Result<Vec<Digest>, E>,
) -> Result<Digest, E> {
    let (tier, within) = ((level / 8) as u8, level % 8);
    let first = index << within;
    let tile = Tile::hashes(tier, first / u64::from(Tile::WIDTH), size).expect("the subtree lies in the tree");
    let at = (first - tile.start()) as usize;
    Ok(tile_root(&read(tile)?[at..at + (1 << within)]))
}

/// The root of the first `old` leaves, out of the hash tiles of the tree of `size` leaves.
///
/// # Errors
/// Whatever `read` returns. `old` must not be above `size`.
pub fn root<E>(old: u64, size: u64, read: &mut impl FnMut(Tile) -> Result<Vec<Digest>, E>) -> Result<Digest, E> {
    assert!(old <= size, "the older tree is a part of the newer one");
    Ok(Frontier::load(old, |level, index| subtree(size, level, index, read))?.root())
}

/// Whether leaf data hash to the hashes of the tile of level 0 at the same index.
pub fn entries_fit(entries: &[Digest], hashes: &[Digest]) -> bool {
    entries.len() == hashes.len()
        && entries.iter().zip(hashes).all(|(entry, hash)| merkle::leaf(entry.as_ref()) == *hash)
}

/// Leaf data have 32 bytes: the length before each, big-endian.
const ENTRY_LENGTH: [u8; 2] = [0, 32];

/// No path of a tile is longer.
const MAX_PATH: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |path: &str| path.parse::<Tile>().unwrap();
        let far = tile("tile/0/x001/x234/067");
        assert_eq!((far.kind, far.index, far.width), (TileKind::Hashes(0), 1_234_067, 256));
        assert_eq!(tile("tile/entries/005.p/17"), Tile { kind: TileKind::Entries, index: 5, width: 17 });
        assert_eq!(tile("tile/entries/x001/000.p/17").records_path(), "records/x001/000.p/17");
        for other in [
            "",
            "tile/0/0",
            "tile/0/1234",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/00/000",
            "tile/64/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/+00",
            "tile/0/xx001/000",
            "tile/0/000/",
            "/tile/0/000",
            "tile/data/000",
            "tile/0/../000",
            "tile/0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(other.parse::<Tile>(), Err(NoTile), "{other}");
        }
    }

    #[test]
    fn a_tree_has_the_tiles_of_the_specification() {
        let shape = |size| {
            let levels: Vec<u8> = Tile::levels(size).collect();
            let of = |level| {
                let tiles: Vec<Tile> = Tile::level(level, size).collect();
                let partial = tiles.last().filter(|last| !last.is_full()).map_or(0, |last| last.width);
                (level, tiles.iter().filter(|tile| tile.is_full()).count(), partial)
            };
            levels.into_iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(shape(70_000), [(2, 0, 1), (1, 1, 17), (0, 273, 112)]);
        assert_eq!(shape(256), [(1, 0, 1), (0, 1, 0)]);
        assert_eq!(shape(1), [(0, 0, 1)]);
        assert_eq!(shape(0), []);
        assert_eq!(Tile::hashes(7, 0, u64::MAX).unwrap().width, 255);
        assert!(Tile::hashes(8, 0, u64::MAX).is_none() && Tile::hashes(0, u64::MAX, u64::MAX).is_none());
    }

    /// A tree of so many leaves, as stored subtrees and as tiles.
    fn tree(size: u64) -> (Frontier, impl FnMut(Tile) -> Result<Vec<Digest>, Infallible>) {
        let mut store = HashMap::new();
        let mut frontier = Frontier::default();
        for at in 0..size {
            frontier.push(merkle::leaf(&at.to_be_bytes()), |level, index, digest| {
                store.insert((level, index), digest);
            });
        }
        let read = move |tile: Tile| {
            let TileKind::Hashes(level) = tile.kind() else { unreachable!("only hashes are asked for") };
            let hash = |at| store[&(8 * u32::from(level), tile.start() + u64::from(at))];
            Ok((0..tile.width()).map(hash).collect())
        };
        (frontier, read)
    }

    #[test]
    fn roots_and_proofs_come_out_of_tiles() {
        for size in [1u64, 2, 255, 256, 257, 511, 512, 700, 66_000] {
            let (frontier, mut read) = tree(size);
            assert_eq!(root(size, size, &mut read), Ok(frontier.root()));
            for old in [1, 2, 200, 256, 257, 300, 65_536, 65_537].into_iter().filter(|old| *old <= size) {
                let (before, _) = tree(old);
                assert_eq!(root(old, size, &mut read), Ok(before.root()), "{old} of {size}");
                let subtrees = |level, index| subtree(size, level, index, &mut read);
                let path = merkle::consistency_path(old, size, subtrees).unwrap();
                assert!(merkle::verify_consistency(old, &before.root(), size, &frontier.root(), &path));
            }
            let index = size / 2;
            let subtrees = |level, index| subtree(size, level, index, &mut read);
            let path = merkle::inclusion_path(size, index, subtrees).unwrap();
            let leaf = merkle::leaf(&index.to_be_bytes());
            assert!(merkle::verify_inclusion(&frontier.root(), size, index, &leaf, &path));
            for tile in Tile::levels(size).flat_map(|level| Tile::level(level, size)) {
                let Some((parent, at)) = tile.parent(size) else { continue };
                assert_eq!(read(parent).unwrap()[at], tile_root(&read(tile).unwrap()));
            }
        }
    }

    proptest! {
        #[test]
        fn any_tile_has_one_path(level in 0u8..64, index in 0..u64::MAX / 256 - 1, width in 1u16..=256, entries: bool) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let tile = Tile { kind, index, width };
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
        }

        #[test]
        fn any_text_is_a_path_or_refused(text in "(tile/)?([0-9]{1,2}|entries)/(x[0-9]{3}/){0,7}[0-9]{2,4}(\\.p/[0-9]{1,4})?") {
            if let Ok(tile) = text.parse::<Tile>() {
                prop_assert_eq!(tile.to_string(), text);
            }
        }

        #[test]
        fn bundles_have_one_reading(bytes in proptest::collection::vec(any::<u8>(), 0..200), width in 1u16..6) {
            let tile = Tile { kind: TileKind::Entries, index: 0, width };
            if let Some(entries) = tile.read_entries(&bytes) {
                let mut again = Vec::new();
                entries.iter().for_each(|entry| write_entry(&mut again, entry));
                prop_assert_eq!(again, bytes.clone());
            }
            if let Some(hashes) = tile.read_hashes(&bytes) {
                prop_assert_eq!(hashes.len() * 32, bytes.len());
            }
        }
    }
}
