//! The newest state tree, as much of it as is at hand, and how a block's changes grow it: the nodes that the library would store, which reads them
//! for proofs.

#[cfg(test)]
mod tests;

use crypto::{Digest, sha256};
use wire::Bytes;

use crate::Error;
use crate::memory;
use crate::node::{
    Found, Leaf, Row, StoredChild, StoredKind, StoredNode, Subtree, join, key_place, leaf_hash, nibble, node_place,
    write_inner,
};
use crate::state::Change;

/// Reads nodes that were stored.
pub(crate) trait Source {
    /// The node of a version at a path, as it is stored.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Damaged`] where there is none, or none that can be read.
    fn row(&self, version: u64, path: &[u8]) -> Result<Row, Error>;

    /// The node of a version at a path.
    ///
    /// # Errors
    /// As [`Source::row`].
    fn node(&self, version: u64, path: &[u8]) -> Result<Found, Error> {
        Found::read(version, |version| self.row(version, path))
    }
}

/// The tree after the newest block. What is not at hand is read when it is needed; nothing that is at hand has to be.
#[derive(Default)]
pub(crate) struct Tree {
    /// None where it is not at hand; then none where there are no records.
    root: Option<Option<Child>>,
    /// About how many bytes came since older nodes last went.
    bytes: usize,
    /// The newest block when they did.
    turned: u64,
}

/// A subtree, as its parent has it.
struct Child {
    stored: StoredChild,
    below: Below,
}

/// The node of a subtree.
enum Below {
    Away,
    Leaf(Leaf),
    Inner(Box<Inner>),
}

/// A node of several children, in order of their nibbles.
struct Inner {
    /// A bit for each nibble that has a child.
    present: u16,
    /// A bit for each whose child is another than in the node of the version `base`, which is stored with all its children.
    since: u16,
    base: u64,
    children: Vec<Child>,
    /// What each four nibbles make, and a bit for each of these that is so.
    quarters: [Subtree; 4],
    made: u8,
}

/// What a block changes of the tree, as it is stored.
#[derive(Default)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    /// Where a node's place begins and where its bytes begin and end.
    nodes: Vec<[usize; 3]>,
    /// Places of those that it replaces, in order.
    pub(crate) stale: Vec<Bytes>,
}

/// Places in the tree, in order, with the digests of values, or none where the record goes.
type Placed = ([u8; 32], Option<Digest>);

impl Tree {
    /// Whether there is a record at a place after block `version`, which is the newest.
    pub(crate) fn holds(&mut self, place: &[u8; 32], version: u64, source: &impl Source) -> Result<bool, Error> {
        self.make_room(version);
        self.read_root(version, source)?;
        let Some(Some(child)) = &mut self.root else { return Ok(false) };
        let mut child = child;
        for depth in 0..=PATH {
            if matches!(child.below, Below::Away) {
                let path: Vec<u8> = (0..depth).map(|at| nibble(place, at)).collect();
                self.bytes += child.read(&path, source)?;
            }
            match &mut child.below {
                Below::Leaf(leaf) => return Ok(leaf.place == *place),
                Below::Inner(node) if depth < PATH => match node.get_mut(nibble(place, depth)) {
                    Some(next) => child = next,
                    None => return Ok(false),
                },
                _ => break,
            }
        }
        Err(TOO_DEEP)
    }

    /// The same, as far as what is at hand tells.
    pub(crate) fn at_hand(&self, place: &[u8; 32]) -> Option<bool> {
        let Some(mut child) = self.root.as_ref()?.as_ref() else { return Some(false) };
        for depth in 0..PATH {
            match &child.below {
                Below::Away => return None,
                Below::Leaf(leaf) => return Some(leaf.place == *place),
                Below::Inner(node) => match node.get(nibble(place, depth)) {
                    Some(next) => child = next,
                    None => return Some(false),
                },
            }
        }
        None
    }

    /// Changes records; the new root, and what to store. Where this fails nothing is at hand any more; nor must the tree be used again where what it
    /// says to store is not stored.
    pub(crate) fn grow(
        &mut self,
        changes: &[Change],
        version: u64,
        source: &impl Source,
    ) -> Result<(Digest, Written), Error> {
        let placed = |change: &Change| (key_place(&change.key), change.new.as_ref().map(|value| sha256(&[value])));
        let mut changes: Vec<Placed> = changes.iter().map(placed).collect();
        changes.sort_unstable_by_key(|(place, _)| *place);
        let written = Written::with_room(changes.len());
        let mut growth = Growth { version, source, path: Vec::with_capacity(PATH), written, bytes: 0 };
        let last = version.checked_sub(1);
        let before = match last {
            None => None,
            Some(last) => {
                self.read_root(last, source)?;
                self.root.take().flatten()
            }
        };
        let mut root = growth.grow(before, &changes)?;
        // Every version has a root of its own.
        if let Some(last) = last.filter(|last| !root.as_ref().is_some_and(|root| root.is_from(*last))) {
            growth.written.stale.push(node_place(last, &[]).into());
        }
        match &mut root {
            None => growth.written.node(version, &[], &StoredNode::Null),
            Some(child) => {
                child.stored.version = version;
                growth.write_leaf(child);
            }
        }
        let Growth { mut written, bytes, .. } = growth;
        written.sort();
        let hash = root.as_ref().map_or(Subtree::EMPTY.hash, |child| child.stored.hash.into());
        self.root = Some(root);
        self.bytes += bytes;
        self.make_room(version);
        Ok((hash, written))
    }

    fn read_root(&mut self, version: u64, source: &impl Source) -> Result<(), Error> {
        if self.root.is_some() {
            return Ok(());
        }
        let Found { node, base, since } = source.node(version, &[])?;
        self.root = Some(match node {
            StoredNode::Null => None,
            StoredNode::Leaf(place, value) => Some(Child::leaf(Leaf { place, value: value.into() }, version)),
            StoredNode::Inner { children, .. } => {
                let node = Inner::read(*children, base, since);
                self.bytes += node.bytes();
                Some(Child::inner(node, version))
            }
        });
        Ok(())
    }

    /// Lets go of what no block has changed since older nodes last went, where much came to hand since; of all where that is not enough.
    fn make_room(&mut self, newest: u64) {
        if self.bytes <= memory::nodes() {
            return;
        }
        let kept = match &mut self.root {
            Some(Some(Child { below: Below::Inner(node), .. })) => node.leave(self.turned),
            _ => 0,
        };
        if kept > 2 * memory::nodes() {
            self.root = None;
        }
        self.bytes = 0;
        self.turned = newest;
    }
}

impl Child {
    /// What stands for a child while it is elsewhere.
    const NONE: Self =
        Self { stored: StoredChild { hash: [0; 32], version: 0, kind: StoredKind::Leaf }, below: Below::Away };

    fn leaf(leaf: Leaf, version: u64) -> Self {
        let hash = *leaf_hash(&leaf.place.into(), &leaf.value).as_bytes();
        Self { stored: StoredChild { hash, version, kind: StoredKind::Leaf }, below: Below::Leaf(leaf) }
    }

    fn inner(mut node: Box<Inner>, version: u64) -> Self {
        let Subtree { hash, count } = node.subtree();
        let kind = StoredKind::Inner { leaves: count };
        Self { stored: StoredChild { hash: *hash.as_bytes(), version, kind }, below: Below::Inner(node) }
    }

    /// Whether its node is stored as what is other than in that of a version.
    fn is_from(&self, version: u64) -> bool {
        matches!(&self.below, Below::Inner(node) if node.base == version)
    }

    /// Has the node at hand; how many bytes came with it.
    fn read(&mut self, path: &[u8], source: &impl Source) -> Result<usize, Error> {
        if !matches!(self.below, Below::Away) {
            return Ok(0);
        }
        let mut bytes = 0;
        let Found { node, base, since } = source.node(self.stored.version, path)?;
        self.below = match (node, self.stored.kind) {
            (StoredNode::Leaf(place, value), StoredKind::Leaf) => {
                let leaf = Leaf { place, value: value.into() };
                let hash = leaf_hash(&place.into(), &leaf.value);
                if !leaf.is_under(path) || *hash.as_bytes() != self.stored.hash {
                    return Err(Error::Damaged("a leaf of the state tree"));
                }
                Below::Leaf(leaf)
            }
            (StoredNode::Inner { children, .. }, StoredKind::Inner { leaves }) => {
                let mut node = Inner::read(*children, base, since);
                // A block that changes it needs most of these hashes anyway.
                if node.subtree() != (Subtree { hash: self.stored.hash.into(), count: leaves }) {
                    return Err(Error::Damaged("a node of the state tree"));
                }
                bytes = node.bytes();
                Below::Inner(node)
            }
            _ => return Err(Error::Damaged("a node of the state tree")),
        };
        Ok(bytes)
    }
}

impl Inner {
    /// A node without children.
    fn new() -> Box<Self> {
        let (present, since, base, children) = (0, 0, 0, Vec::new());
        Box::new(Self { present, since, base, children, quarters: [Subtree::EMPTY; 4], made: 0 })
    }

    fn read(stored: [Option<StoredChild>; 16], base: u64, since: u16) -> Box<Self> {
        let mut node = Self::new();
        node.children.reserve_exact(stored.iter().flatten().count());
        for (nibble, stored) in (0..).zip(stored) {
            node.set(nibble, stored.map(|stored| Child { stored, below: Below::Away }));
        }
        (node.base, node.since) = (base, since);
        node
    }

    /// Where the child of a nibble is, or would be.
    const fn at(&self, nibble: u8) -> (usize, bool) {
        let before = self.present & ((1 << nibble) - 1);
        (before.count_ones() as usize, self.present & 1 << nibble != 0)
    }

    fn get(&self, nibble: u8) -> Option<&Child> {
        match self.at(nibble) {
            (at, true) => Some(&self.children[at]),
            _ => None,
        }
    }

    fn get_mut(&mut self, nibble: u8) -> Option<&mut Child> {
        match self.at(nibble) {
            (at, true) => Some(&mut self.children[at]),
            _ => None,
        }
    }

    /// Replaces the child of a nibble.
    fn set(&mut self, nibble: u8, child: Option<Child>) {
        self.since |= 1 << nibble;
        self.made &= !(1 << (nibble / 4));
        match (self.at(nibble), child) {
            ((at, true), Some(child)) => self.children[at] = child,
            ((at, false), Some(child)) => {
                self.present |= 1 << nibble;
                // Not twice as much as is needed.
                self.children.reserve_exact(1);
                self.children.insert(at, child);
            }
            ((at, true), None) => {
                self.present &= !(1 << nibble);
                self.children.remove(at);
            }
            ((_, false), None) => {}
        }
    }

    /// Nibbles with their children, in order.
    fn children(&self) -> impl Iterator<Item = (u8, &Child)> {
        (0..16).filter(|nibble| self.at(*nibble).1).zip(&self.children)
    }

    fn subtree(&mut self) -> Subtree {
        for quarter in (0..4u8).filter(|quarter| self.made & 1 << quarter == 0) {
            let mut all = [Subtree::EMPTY; 4];
            for (nibble, subtree) in (4 * quarter..).zip(&mut all) {
                if let Some(Child { stored: StoredChild { hash, kind, .. }, .. }) = self.get(nibble) {
                    *subtree = Subtree { hash: (*hash).into(), count: kind.leaves() };
                }
            }
            self.quarters[usize::from(quarter)] = join(&all);
        }
        self.made = 0b1111;
        join(&self.quarters)
    }

    /// The version that has all its children and the bits of those that are told beside it, where few are other than there.
    fn base(&self, version: u64) -> Option<(u64, u16)> {
        let told = self.since & self.present;
        (self.base < version && 3 * told.count_ones() <= self.present.count_ones()).then_some((self.base, told))
    }

    /// About what it takes in memory.
    fn bytes(&self) -> usize {
        INNER + CHILD * self.children.capacity()
    }

    /// Lets go of the nodes below that no block after this one changed; how many bytes are left.
    fn leave(&mut self, version: u64) -> usize {
        let mut left = self.bytes();
        for child in &mut self.children {
            match &mut child.below {
                // What is below a node is never newer than it.
                Below::Inner(_) if child.stored.version <= version => child.below = Below::Away,
                Below::Inner(node) => left += node.leave(version),
                _ => {}
            }
        }
        left
    }
}

/// What a block makes of the tree.
struct Growth<'a, S> {
    version: u64,
    source: &'a S,
    /// Nibbles down to where it works.
    path: Vec<u8>,
    written: Written,
    /// What came to hand.
    bytes: usize,
}

impl<S: Source> Growth<'_, S> {
    /// What becomes of the subtree at the path. An inner node is written; a leaf is once it is known where it will be: one of this version has not been.
    fn grow(&mut self, before: Option<Child>, changes: &[Placed]) -> Result<Option<Child>, Error> {
        let Some(mut child) = before else { return self.plant(None, changes) };
        self.bytes += child.read(&self.path, self.source)?;
        let Below::Inner(mut node) = child.below else { return self.plant(Some(child), changes) };
        let depth = self.path.len();
        if depth == PATH {
            return Err(TOO_DEEP);
        }
        for group in changes.chunk_by(|(one, _), (other, _)| nibble(one, depth) == nibble(other, depth)) {
            let at = nibble(&group[0].0, depth);
            let before = node.get_mut(at).map(|child| std::mem::replace(child, Child::NONE));
            self.path.push(at);
            let grown = self.grow(before, group)?;
            self.path.pop();
            let room = node.bytes();
            node.set(at, grown);
            self.bytes += node.bytes().saturating_sub(room);
        }
        self.finish(node, Some(child.stored.version))
    }

    /// Changes where there is a leaf, or nothing.
    fn plant(&mut self, before: Option<Child>, changes: &[Placed]) -> Result<Option<Child>, Error> {
        let fresh = changes.iter().filter_map(|(place, value)| value.map(|value| Leaf { place: *place, value }));
        let mut leaves: Vec<Leaf> = fresh.collect();
        if let Some(child) = before {
            let Below::Leaf(leaf) = child.below else { return Err(Error::Damaged("a leaf of the state tree")) };
            let changed = changes.binary_search_by_key(&leaf.place, |(place, _)| *place).is_ok();
            if !changed && leaves.is_empty() {
                return Ok(Some(child));
            }
            self.replace(child.stored.version);
            if !changed {
                leaves.insert(leaves.partition_point(|other| other.place < leaf.place), leaf);
            }
        }
        self.subtree(&leaves)
    }

    /// A subtree of these leaves, in order.
    fn subtree(&mut self, leaves: &[Leaf]) -> Result<Option<Child>, Error> {
        match leaves {
            [] => return Ok(None),
            [leaf] => return Ok(Some(Child::leaf(*leaf, self.version))),
            _ => {}
        }
        let depth = self.path.len();
        if depth == PATH {
            return Err(TOO_DEEP);
        }
        let mut node = Inner::new();
        for group in leaves.chunk_by(|one, other| one.nibble(depth) == other.nibble(depth)) {
            let at = group[0].nibble(depth);
            self.path.push(at);
            let child = self.subtree(group)?;
            self.path.pop();
            node.set(at, child);
        }
        self.bytes += node.bytes();
        self.finish(node, None)
    }

    /// Writes a node and its new leaves in place of the node of the version `before`; a leaf that is alone goes up.
    fn finish(&mut self, mut node: Box<Inner>, before: Option<u64>) -> Result<Option<Child>, Error> {
        let alone =
            matches!(node.children.as_slice(), [] | [Child { stored: StoredChild { kind: StoredKind::Leaf, .. }, .. }]);
        let base = node.base(self.version).filter(|_| !alone && before.is_some());
        if let Some(before) = before {
            if base.is_none() || node.base != before {
                self.replace(before);
            }
            if base.is_none() && node.base != before {
                self.written.stale.push(node_place(node.base, &self.path).into());
            }
        }
        match node.children.as_mut_slice() {
            [] => return Ok(None),
            [only] if only.stored.kind == StoredKind::Leaf => {
                if only.stored.version != self.version {
                    self.path.push(node.present.trailing_zeros() as u8);
                    only.read(&self.path, self.source)?;
                    self.replace(only.stored.version);
                    self.path.pop();
                    only.stored.version = self.version;
                }
                return Ok(node.children.pop());
            }
            _ => {}
        }
        for (nibble, child) in node.children() {
            self.path.push(nibble);
            self.write_leaf(child);
            self.path.pop();
        }
        self.written.inner(self.version, &self.path, &node, base);
        if base.is_none() {
            (node.base, node.since) = (self.version, 0);
        }
        Ok(Some(Child::inner(node, self.version)))
    }

    /// Writes a leaf that is new at the path.
    fn write_leaf(&mut self, child: &Child) {
        if let Below::Leaf(Leaf { place, value }) = &child.below
            && child.stored.version == self.version
        {
            self.written.node(self.version, &self.path, &StoredNode::Leaf(*place, *value.as_bytes()));
        }
    }

    /// Another version takes the place of the node at the path. Of roots that is said once.
    fn replace(&mut self, version: u64) {
        if !self.path.is_empty() {
            self.written.stale.push(node_place(version, &self.path).into());
        }
    }
}

impl Written {
    /// Room for what so many changes mostly take, as far as blocks have so many.
    fn with_room(changes: usize) -> Self {
        let changes = changes.min(MOST);
        Self {
            bytes: Vec::with_capacity(changes * BYTES),
            nodes: Vec::with_capacity(changes * NODES),
            stale: Vec::with_capacity(changes * NODES),
        }
    }

    /// Places with their nodes, in order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.nodes.iter().map(|&[start, middle, end]| (&self.bytes[start..middle], &self.bytes[middle..end]))
    }

    fn node(&mut self, version: u64, path: &[u8], node: &StoredNode) {
        self.add(version, path, |bytes| borsh::to_writer(bytes, node).expect("writing to a Vec cannot fail"));
    }

    fn inner(&mut self, version: u64, path: &[u8], node: &Inner, base: Option<(u64, u16)>) {
        let told = base.map_or(node.present, |(_, told)| told);
        let told = node.children().filter(|(nibble, _)| told & 1 << nibble != 0).map(|(_, child)| &child.stored);
        self.add(version, path, |bytes| write_inner(bytes, version, (node.present, base), told));
    }

    fn add(&mut self, version: u64, path: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend(version.to_be_bytes());
        self.bytes.extend(path);
        let middle = self.bytes.len();
        write(&mut self.bytes);
        self.nodes.push([start, middle, self.bytes.len()]);
    }

    fn sort(&mut self) {
        let bytes = &self.bytes;
        self.nodes.sort_unstable_by_key(|&[start, middle, _]| &bytes[start..middle]);
        self.stale.sort_unstable();
    }
}

/// Nibbles of a place.
const PATH: usize = 64;

/// What a change among many mostly takes: nodes, and their bytes.
const NODES: usize = 4;
const BYTES: usize = 768;

/// Changes that there is room for at once.
const MOST: usize = 4_096;

/// No two records have the same place.
const TOO_DEEP: Error = Error::Damaged("the state tree is too deep");

/// About what a node takes beside its children, and each of these.
const INNER: usize = size_of::<Inner>() + 16;
const CHILD: usize = size_of::<Child>();
