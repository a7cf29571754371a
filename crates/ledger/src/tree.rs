//! The newest state tree, as much of it as is at hand, and how a block's changes grow it: the nodes that the library would store, which reads them
//! for proofs.

#[cfg(test)]
mod tests;

use crypto::{Digest, sha256};
use wire::Bytes;

use crate::Error;
use crate::memory;
use crate::node::{Leaf, StoredChild, StoredKind, StoredNode, Subtree, join, key_place, leaf_hash, nibble, node_place};
use crate::state::Change;

/// Reads nodes that were stored.
pub(crate) trait Source {
    /// The node at a place ([`node_place`]).
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Damaged`] where there is none, or none that can be read.
    fn node(&self, place: &[u8]) -> Result<StoredNode, Error>;
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
#[derive(Default)]
struct Inner {
    /// A bit for each nibble that has a child.
    present: u16,
    children: Vec<Child>,
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
        let before = match version.checked_sub(1) {
            None => None,
            Some(before) => {
                self.read_root(before, source)?;
                // Every version has a root of its own.
                growth.written.stale.push(node_place(before, &[]).into());
                self.root.take().flatten()
            }
        };
        let mut root = growth.grow(before, &changes)?;
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
        self.root = Some(match source.node(&node_place(version, &[]))? {
            StoredNode::Null => None,
            StoredNode::Leaf(place, value) => Some(Child::leaf(Leaf { place, value: value.into() }, version)),
            StoredNode::Inner { children, .. } => {
                let node = Inner::from(*children);
                self.bytes += node.bytes();
                Some(Child::inner(Box::new(node), version))
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

    fn inner(node: Box<Inner>, version: u64) -> Self {
        let Subtree { hash, count } = node.subtree();
        let kind = StoredKind::Inner { leaves: count };
        Self { stored: StoredChild { hash: *hash.as_bytes(), version, kind }, below: Below::Inner(node) }
    }

    /// Has the node at hand; how many bytes came with it.
    fn read(&mut self, path: &[u8], source: &impl Source) -> Result<usize, Error> {
        if !matches!(self.below, Below::Away) {
            return Ok(0);
        }
        let mut bytes = 0;
        self.below = match (source.node(&node_place(self.stored.version, path))?, self.stored.kind) {
            (StoredNode::Leaf(place, value), StoredKind::Leaf) => {
                let leaf = Leaf { place, value: value.into() };
                let hash = leaf_hash(&place.into(), &leaf.value);
                if !leaf.is_under(path) || *hash.as_bytes() != self.stored.hash {
                    return Err(Error::Damaged("a leaf of the state tree"));
                }
                Below::Leaf(leaf)
            }
            (StoredNode::Inner { children, .. }, StoredKind::Inner { .. }) => {
                let node = Inner::from(*children);
                bytes = node.bytes();
                Below::Inner(Box::new(node))
            }
            _ => return Err(Error::Damaged("a node of the state tree")),
        };
        Ok(bytes)
    }
}

impl From<[Option<StoredChild>; 16]> for Inner {
    fn from(stored: [Option<StoredChild>; 16]) -> Self {
        let mut node = Self { present: 0, children: Vec::with_capacity(stored.iter().flatten().count()) };
        for (nibble, stored) in (0..).zip(stored) {
            node.set(nibble, stored.map(|stored| Child { stored, below: Below::Away }));
        }
        node
    }
}

impl Inner {
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

    fn subtree(&self) -> Subtree {
        let mut all = [Subtree::EMPTY; 16];
        for (nibble, child) in self.children() {
            let StoredChild { hash, kind, .. } = child.stored;
            let count = match kind {
                StoredKind::Leaf => 1,
                StoredKind::Inner { leaves } => leaves,
            };
            all[usize::from(nibble)] = Subtree { hash: hash.into(), count };
        }
        join(&all)
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
        self.replace(child.stored.version);
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
        self.finish(node)
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
        let mut node = Box::<Inner>::default();
        for group in leaves.chunk_by(|one, other| one.nibble(depth) == other.nibble(depth)) {
            let at = group[0].nibble(depth);
            self.path.push(at);
            let child = self.subtree(group)?;
            self.path.pop();
            node.set(at, child);
        }
        self.bytes += node.bytes();
        self.finish(node)
    }

    /// Writes a node and its new leaves; a leaf that is alone goes up.
    fn finish(&mut self, mut node: Box<Inner>) -> Result<Option<Child>, Error> {
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
        let child = Child::inner(node, self.version);
        if let (Below::Inner(node), StoredKind::Inner { leaves }) = (&child.below, child.stored.kind) {
            self.written.inner(self.version, &self.path, node, leaves);
        }
        Ok(Some(child))
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
        self.add(version, path, |bytes| borsh::to_writer(bytes, node));
    }

    /// [`StoredNode::Inner`] without making one.
    fn inner(&mut self, version: u64, path: &[u8], node: &Inner, leaves: u64) {
        self.add(version, path, |bytes| {
            bytes.push(INNER_TAG);
            for nibble in 0..16 {
                borsh::to_writer(&mut *bytes, &node.get(nibble).map(|child| child.stored))?;
            }
            borsh::to_writer(bytes, &(node.children.len() as u64, leaves))
        });
    }

    fn add(&mut self, version: u64, path: &[u8], write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
        let start = self.bytes.len();
        self.bytes.extend(version.to_be_bytes());
        self.bytes.extend(path);
        let middle = self.bytes.len();
        write(&mut self.bytes).expect("writing to a Vec cannot fail");
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
const BYTES: usize = 1_536;

/// Changes that there is room for at once.
const MOST: usize = 4_096;

/// No two records have the same place.
const TOO_DEEP: Error = Error::Damaged("the state tree is too deep");

/// What Borsh begins a [`StoredNode::Inner`] with.
const INNER_TAG: u8 = 1;

/// About what a node takes beside its children, and each of these.
const INNER: usize = 64;
const CHILD: usize = size_of::<Child>();
