//! The world state: a flat ordered table for reading, a Jellyfish Merkle tree for its root and proofs.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::sync::Arc;

use crypto::{Digest, Label, hash, sha256};
use foldhash::fast::RandomState;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader, TreeUpdateBatch};
use jmt::{KeyHash, RootHash, Sha256Jmt};
use minicbor::{Decode, Encode};
use redb::ReadOnlyTable;
use serde::{Deserialize, Serialize};
use wire::Bytes;

use crate::execution::Changes;
use crate::memory;
use crate::pending::{Pending, Reading};
use crate::store::{self, HEADERS, NODES, PAST, STATE};
use crate::{Error, HISTORY, Header, Pair, State, Unreadable};

/// A consistent snapshot of the ledger's state after one block; blocks that follow do not change it.
pub struct View {
    header: Header,
    headers: ReadOnlyTable<u64, &'static [u8]>,
    /// Below it there are headers of epochs' last blocks alone.
    base: u64,
    /// The oldest block whose state is kept.
    oldest: u64,
    /// What is not in `state` yet.
    pending: Pending,
    state: ReadOnlyTable<&'static [u8], &'static [u8]>,
    past: ReadOnlyTable<(u64, &'static [u8]), Option<&'static [u8]>>,
    nodes: Nodes,
}

impl View {
    pub(crate) fn new(Reading { read, pending }: &Reading) -> Result<Self, Error> {
        let header = store::newest(read)?;
        let oldest = store::number(read, store::OLDEST)?.unwrap_or(0).max(header.height.saturating_sub(HISTORY));
        Ok(Self {
            header,
            headers: read.open_table(HEADERS)?,
            base: store::number(read, store::BASE)?.unwrap_or(0),
            oldest,
            pending: pending.clone(),
            state: read.open_table(STATE)?,
            past: read.open_table(PAST)?,
            nodes: Nodes(read.open_table(NODES)?),
        })
    }

    /// The block after which this is the state.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The log's size when an epoch began ([`crate::PinnedEpoch::start`]): that of the last block of an earlier epoch, 0
    /// where there is none. It is the newest block's for an epoch that begins with the next one. It never changes.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn epoch_start(&self, number: u64) -> Result<u64, Error> {
        self.last_before(number)?.map_or(Ok(0), |last| Ok(self.header_at(last)?.log_size))
    }

    /// Height of the last block of an earlier epoch; none where the chain began with this one. It is the newest block's for an epoch
    /// that begins with the next one, or has not begun.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn last_before(&self, number: u64) -> Result<Option<u64>, Error> {
        // Epochs grow with the height: the first block of this epoch or a later one is found by halves.
        let (mut from, mut to) = (self.base, self.header.height + 1);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.header_at(middle)?.epoch < number {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        if from > self.base || self.base == 0 {
            return Ok(from.checked_sub(1));
        }
        for item in self.headers.range(..self.base)?.rev() {
            let (height, header) = item?;
            if store::decode::<Header>(header.value())?.epoch < number {
                return Ok(Some(height.value()));
            }
        }
        Ok(None)
    }

    /// The oldest block whose state is kept.
    pub const fn oldest(&self) -> u64 {
        self.oldest
    }

    /// A key's value, or its absence, with a proof.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Damaged`].
    pub fn prove(&self, key: &[u8]) -> Result<Proven, Error> {
        self.prove_at(self.header.height, key)
    }

    /// The same as of an earlier block: [`View::oldest`] or a later one.
    ///
    /// # Errors
    /// [`Error::UnknownBlock`], [`Error::Pruned`], [`Error::Store`], [`Error::Damaged`].
    pub fn prove_at(&self, height: u64, key: &[u8]) -> Result<Proven, Error> {
        if height < self.oldest {
            return Err(Error::Pruned { found: height, oldest: self.oldest });
        }
        let header = self.header_at(height)?;
        // The first block after it that replaced the value; at most `HISTORY` are looked at.
        let replaced = (height + 1..=self.header.height).find_map(|later| self.past.get((later, key)).transpose());
        let value = match replaced.transpose()? {
            Some(value) => value.value().map(<[u8]>::to_vec),
            None => self.value(key)?,
        };
        let (_, proof) = Sha256Jmt::new(&self.nodes)
            .get_with_proof(key_hash(key), height)
            .map_err(|_| Error::Damaged("the state tree"))?;
        let proof = StateProof::from_jmt(&borsh::to_vec(&proof).expect("writing to a Vec cannot fail"))?;
        Ok(Proven { header, key: Bytes(key.to_vec()), value: value.map(Bytes), proof })
    }

    fn header_at(&self, height: u64) -> Result<Header, Error> {
        store::decode(self.headers.get(height)?.ok_or(Error::UnknownBlock(height))?.value())
    }

    /// The tree's next version: its root and what to store.
    pub(crate) fn update(&self, changes: &[Change], version: u64, recent: &Lately) -> Result<(Digest, Written), Error> {
        let (root, batch) = grow(&Recent { recent, nodes: &self.nodes }, changes, version)?;
        Ok((root, batch.into()))
    }

    /// What a block's changes truly change, with the values they replace.
    pub(crate) fn compare(&self, (changes, mut read): (Changes, Changes)) -> Result<Vec<Change>, Error> {
        let mut different = Vec::new();
        for (key, new) in changes {
            let old = match read.remove(&key) {
                Some(old) => old,
                None => self.value(&key)?,
            };
            if old != new {
                different.push(Change { key, old, new });
            }
        }
        Ok(different)
    }

    /// A key's value.
    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.pending.get(key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => Ok(self.state.get(key)?.map(|value| value.value().to_vec())),
        }
    }

    /// All records from a bound on, in order.
    pub(crate) fn records<'a>(
        &'a self,
        from: Bound<&'a [u8]>,
    ) -> Result<impl Iterator<Item = Result<Pair, Error>> + 'a, Error> {
        let mut placed = self.state.range::<&[u8]>((from, Unbounded))?.peekable();
        let mut pending = self.pending.range(from).peekable();
        Ok(std::iter::from_fn(move || {
            loop {
                let order = match (placed.peek(), pending.peek()) {
                    (Some(Ok((key, _))), Some((newer, _))) => key.value().cmp(newer),
                    (Some(_), _) => Ordering::Less,
                    (None, _) => Ordering::Greater,
                };
                if order == Ordering::Less {
                    let record = placed.next()?.map_err(Error::from);
                    return Some(record.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())));
                }
                if order == Ordering::Equal {
                    placed.next();
                }
                if let (key, Some(value)) = pending.next()? {
                    return Some(Ok((key.to_vec(), value.to_vec())));
                }
            }
        }))
    }

    /// Whether the tree has the root that the header states.
    pub(crate) fn check_root(&self) -> Result<(), Error> {
        let root = Sha256Jmt::new(&self.nodes).get_root_hash(self.header.height);
        match root.is_ok_and(|RootHash(root)| root == *self.header.state_root.as_bytes()) {
            true => Ok(()),
            false => Err(Error::Damaged("the state's root is not the newest header's")),
        }
    }
}

impl State for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.value(key)?)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        let start = match after {
            Some(after) if after >= prefix => Excluded(after),
            _ => Included(prefix),
        };
        let mut pairs = Vec::new();
        for item in self.records(start)?.take(limit) {
            let (key, value) = item?;
            if !key.starts_with(prefix) {
                break;
            }
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

/// A key that a block changes.
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    pub(crate) old: Option<Vec<u8>>,
    pub(crate) new: Option<Vec<u8>>,
}

/// The first version of the tree: nothing is stored yet.
pub(crate) fn found(changes: &[Change]) -> Result<(Digest, Written), Error> {
    let (root, batch) = grow(&Nothing, changes, 0)?;
    Ok((root, batch.into()))
}

fn grow(nodes: &impl TreeReader, changes: &[Change], version: u64) -> Result<(Digest, TreeUpdateBatch), Error> {
    let tree = Sha256Jmt::new(nodes);
    let places = changes.iter().map(|change| key_hash(&change.key));
    let put = changes.iter().map(|change| change.new.clone()).collect::<Option<Vec<_>>>().filter(|put| !put.is_empty());
    let grown = match put {
        // What only sets values is inserted at once, which hashes each node once; the library has no such way to delete.
        Some(put) => tree
            .batch_put_value_sets(vec![places.zip(put).collect()], None, version)
            .map(|(roots, batch)| (roots[0], batch)),
        None => tree.put_value_set(places.zip(changes.iter().map(|change| change.new.clone())), version),
    };
    let (RootHash(root), mut batch) = grown.map_err(|_| Error::Damaged("the state tree"))?;
    // A version without changes copies its root and forgets to say that the old one is stale.
    if let Some(before) = version.checked_sub(1) {
        let node_key = NodeKey::new(before, std::iter::empty().collect());
        batch.stale_node_index_batch.insert(jmt::storage::StaleNodeIndex { stale_since_version: version, node_key });
    }
    Ok((root.into(), batch))
}

/// A key's place in the tree: `H(STATE_KEY, [key])`.
pub(crate) fn key_place(key: &[u8]) -> [u8; 32] {
    key_hash(key).0
}

fn key_hash(key: &[u8]) -> KeyHash {
    KeyHash(*hash(Label::STATE_KEY, &[key]).as_bytes())
}

/// A node's place in the store: version big-endian, then one byte for each nibble of its path.
pub(crate) fn node_key(key: &NodeKey) -> Vec<u8> {
    let path = key.nibble_path();
    let mut bytes = Vec::with_capacity(8 + path.num_nibbles());
    bytes.extend(key.version().to_be_bytes());
    bytes.extend(path.nibbles().map(u8::from));
    bytes
}

/// A record's place in the tree, and the digest of its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) place: [u8; 32],
    pub(crate) value: Digest,
}

impl Leaf {
    /// Four bits of the place.
    pub(crate) fn nibble(&self, at: usize) -> u8 {
        nibble(&self.place, at)
    }

    pub(crate) fn is_under(&self, path: &[u8]) -> bool {
        path.iter().enumerate().all(|(at, nibble)| at < 64 && self.nibble(at) == *nibble)
    }
}

/// Four bits of a place.
pub(crate) fn nibble(place: &[u8; 32], at: usize) -> u8 {
    match at % 2 {
        0 => place[at / 2] >> 4,
        _ => place[at / 2] & 15,
    }
}

/// What is known of a subtree from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) hash: Digest,
    /// Records in it.
    pub(crate) count: u64,
}

impl Subtree {
    pub(crate) const EMPTY: Self = Self { hash: Digest(wire::Fixed(*EMPTY)), count: 0 };
}

/// Is told each node of a tree, with the nibbles of its path.
pub(crate) type Built<'a> = dyn FnMut(&[u8], StoredNode) + 'a;

/// Builds the subtree at a path from its leaves, in order of their places; none stands twice.
pub(crate) fn build(leaves: &[Leaf], path: &mut Vec<u8>, built: &mut Built<'_>) -> Subtree {
    match leaves {
        [] => Subtree::EMPTY,
        [Leaf { place, value }] => {
            built(path, StoredNode::Leaf(*place, *value.as_bytes()));
            Subtree { hash: leaf_hash(&Digest::from(*place), value), count: 1 }
        }
        _ => {
            let depth = path.len();
            let mut children = [Subtree::EMPTY; 16];
            let mut rest = leaves;
            for (nibble, child) in (0u8..).zip(&mut children) {
                let own = rest.partition_point(|leaf| leaf.nibble(depth) <= nibble);
                path.push(nibble);
                *child = build(&rest[..own], path, built);
                path.pop();
                rest = &rest[own..];
            }
            built(path, inner_node(&children));
            join(&children)
        }
    }
}

/// The subtree that sixteen halves of halves of halves of halves make.
pub(crate) fn join(children: &[Subtree]) -> Subtree {
    let [left, right] = match children {
        [one] => return *one,
        more => [&more[..more.len() / 2], &more[more.len() / 2..]].map(join),
    };
    match (left.count, right.count) {
        (0, 0 | 1) => right,
        (1, 0) => left,
        _ => Subtree { hash: inner_hash(&left.hash, &right.hash), count: left.count.saturating_add(right.count) },
    }
}

/// A node as the tree's own code stores it, whose fields are private: by its Borsh form.
#[derive(Debug, borsh::BorshSerialize)]
pub(crate) enum StoredNode {
    /// Kept so that the others have their numbers; nothing that is built is empty.
    #[allow(dead_code)]
    Null,
    Inner {
        children: Box<[Option<StoredChild>; 16]>,
        present: u64,
        leaves: u64,
    },
    Leaf([u8; 32], [u8; 32]),
}

/// A child as it stands in its parent.
#[derive(Debug, borsh::BorshSerialize)]
pub(crate) struct StoredChild {
    hash: [u8; 32],
    version: u64,
    kind: StoredKind,
}

#[derive(Debug, borsh::BorshSerialize)]
enum StoredKind {
    Leaf,
    Inner { leaves: u64 },
}

/// A node over these children, all of version 0.
pub(crate) fn inner_node(children: &[Subtree; 16]) -> StoredNode {
    let child = |one: Subtree| {
        let kind = if one.count == 1 { StoredKind::Leaf } else { StoredKind::Inner { leaves: one.count } };
        (one.count > 0).then(|| StoredChild { hash: *one.hash.as_bytes(), version: 0, kind })
    };
    let present = children.iter().filter(|child| child.count > 0).count() as u64;
    // What others claim is not to overflow; it is compared with what comes.
    let leaves = children.iter().fold(0, |sum: u64, child| sum.saturating_add(child.count));
    StoredNode::Inner { children: Box::new(children.map(child)), present, leaves }
}

impl StoredNode {
    /// Its bytes in the store, its children being of this version.
    pub(crate) fn bytes(mut self, version: u64) -> Vec<u8> {
        if let Self::Inner { children, .. } = &mut self {
            children.iter_mut().flatten().for_each(|child| child.version = version);
        }
        borsh::to_vec(&self).expect("writing to a Vec cannot fail")
    }
}

/// A node's place in the store, as [`node_key`].
pub(crate) fn node_place(version: u64, path: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes()[..], path].concat()
}

struct Nodes(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Nodes {
    fn get(&self, place: &[u8]) -> anyhow::Result<Option<Node>> {
        let bytes = self.0.get(place)?;
        bytes.map(|bytes| Ok(borsh::from_slice(bytes.value())?)).transpose()
    }
}

impl TreeReader for Nodes {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        self.get(&node_key(key))
    }

    fn get_value_option(&self, _: jmt::Version, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        // Values are read from the flat table; a proof needs only their hashes, which the leaves hold.
        Ok(Some(Vec::new()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("asked for only when a tree is restored")
    }
}

/// What a block changes of the tree, as it is stored.
pub(crate) struct Written {
    /// Nodes by their keys: all of the block's version.
    pub(crate) nodes: Vec<(NodeKey, Arc<[u8]>)>,
    /// Keys of those that it replaces.
    pub(crate) stale: Vec<NodeKey>,
}

impl From<TreeUpdateBatch> for Written {
    fn from(batch: TreeUpdateBatch) -> Self {
        let bytes = |node| borsh::to_vec(node).expect("writing to a Vec cannot fail").into();
        let nodes = batch.node_batch.nodes().iter().map(|(key, node)| (key.clone(), bytes(node)));
        let stale = batch.stale_node_index_batch.iter().map(|stale| stale.node_key.clone());
        Self { nodes: nodes.collect(), stale: stale.collect() }
    }
}

/// Nodes of the state tree that blocks lately wrote and none replaced: the next block reads some of them. Those that are used are
/// written anew; of the others the older half goes when there are too many.
#[derive(Default)]
pub(crate) struct Lately {
    young: HashMap<NodeKey, Arc<[u8]>, RandomState>,
    old: HashMap<NodeKey, Arc<[u8]>, RandomState>,
    /// Of the young ones.
    bytes: usize,
}

impl Lately {
    fn get(&self, key: &NodeKey) -> Option<&[u8]> {
        self.young.get(key).or_else(|| self.old.get(key)).map(|node| &**node)
    }

    /// Takes in what a block wrote, and leaves what it replaced.
    pub(crate) fn update(&mut self, written: Written) {
        for key in &written.stale {
            match self.young.remove(key) {
                Some(node) => self.bytes -= node.len() + NODE_WEIGHT,
                None => drop(self.old.remove(key)),
            }
        }
        for (key, node) in written.nodes {
            self.bytes += node.len() + NODE_WEIGHT;
            self.young.insert(key, node);
        }
        if self.bytes > memory::nodes() {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

/// About what a node takes beside itself.
const NODE_WEIGHT: usize = 120;

/// Nodes that are at hand, and the store's.
struct Recent<'a> {
    recent: &'a Lately,
    nodes: &'a Nodes,
}

impl TreeReader for Recent<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        match self.recent.get(key) {
            Some(node) => Ok(Some(borsh::from_slice(node)?)),
            None => self.nodes.get_node_option(key),
        }
    }

    fn get_value_option(&self, version: jmt::Version, key: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        self.nodes.get_value_option(version, key)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        self.nodes.get_rightmost_leaf()
    }
}

struct Nothing;

impl TreeReader for Nothing {
    fn get_node_option(&self, _: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(None)
    }

    fn get_value_option(&self, _: jmt::Version, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

/// A key's value, or its absence, in the state after a block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Proven {
    /// The block.
    #[n(0)]
    pub header: Header,
    /// The key.
    #[n(1)]
    pub key: Bytes,
    /// Its value; `None` where it is absent.
    #[n(2)]
    pub value: Option<Bytes>,
    /// The proof against [`Header::state_root`].
    #[n(3)]
    pub proof: StateProof,
}

impl Proven {
    /// Whether it holds under the block with this header digest: [`crate::Checkpoint::header`] of a cosigned checkpoint.
    pub fn verify(&self, header: &Digest) -> bool {
        self.header.digest() == *header && self.proof.verify(&self.header.state_root, &self.key, self.value.as_deref())
    }
}

/// The path from a key's place in the state tree to its root.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct StateProof {
    /// Key hash and value hash of the only leaf in the subtree where the key belongs; `None` where it is empty.
    #[n(0)]
    pub leaf: Option<(Digest, Digest)>,
    /// The siblings, deepest first; at most 256.
    #[n(1)]
    pub siblings: Vec<Digest>,
}

impl StateProof {
    /// Whether `key` has this value, or is absent, under this root.
    pub fn verify(&self, root: &Digest, key: &[u8], value: Option<&[u8]>) -> bool {
        let KeyHash(place) = key_hash(key);
        let depth = self.siblings.len();
        let holds = match (value, self.leaf) {
            (Some(value), Some((leaf, found))) => *leaf.as_bytes() == place && found == sha256(&[value]),
            (Some(_), None) => false,
            // Another key's leaf stands where this key's would: it shares the whole path down to there.
            (None, Some((leaf, _))) => *leaf.as_bytes() != place && shared_bits(leaf.as_bytes(), &place) >= depth,
            (None, None) => true,
        };
        if !holds || depth > 256 {
            return false;
        }
        let start = self.leaf.map_or(Digest::from(*EMPTY), |(key, value)| leaf_hash(&key, &value));
        let computed = self.siblings.iter().zip((0..depth).rev()).fold(start, |digest, (sibling, bit)| {
            match place[bit / 8] >> (7 - bit % 8) & 1 {
                1 => inner_hash(sibling, &digest),
                _ => inner_hash(&digest, sibling),
            }
        });
        computed == *root
    }

    /// Reads the tree's own proof, whose fields are private, by its Borsh form.
    fn from_jmt(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(borsh::BorshDeserialize)]
        struct Proof {
            leaf: Option<([u8; 32], [u8; 32])>,
            siblings: Vec<Sibling>,
        }
        #[derive(borsh::BorshDeserialize)]
        enum Sibling {
            Empty,
            Inner([u8; 32], [u8; 32]),
            Leaf([u8; 32], [u8; 32]),
        }
        let Proof { leaf, siblings } = borsh::from_slice(bytes).map_err(|_| Error::Damaged("a state proof"))?;
        let leaf = leaf.map(|(key, value)| (key.into(), value.into()));
        let digest = |sibling| match sibling {
            Sibling::Empty => Digest::from(*EMPTY),
            Sibling::Inner(left, right) => inner_hash(&left.into(), &right.into()),
            Sibling::Leaf(key, value) => leaf_hash(&key.into(), &value.into()),
        };
        Ok(Self { leaf, siblings: siblings.into_iter().map(digest).collect() })
    }
}

fn leaf_hash(key: &Digest, value: &Digest) -> Digest {
    sha256(&[b"JMT::LeafNode", key.as_ref(), value.as_ref()])
}

fn inner_hash(left: &Digest, right: &Digest) -> Digest {
    sha256(&[b"JMT::IntrnalNode", left.as_ref(), right.as_ref()])
}

fn shared_bits(a: &[u8; 32], b: &[u8; 32]) -> usize {
    match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(byte) => byte * 8 + (a[byte] ^ b[byte]).leading_zeros() as usize,
        None => 256,
    }
}

/// Stands for an empty subtree.
const EMPTY: &[u8; 32] = b"SPARSE_MERKLE_PLACEHOLDER_HASH__";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Kept(BTreeMap<Vec<u8>, Node>);

    impl Kept {
        fn take(&mut self, batch: &TreeUpdateBatch) {
            self.0.extend(batch.node_batch.nodes().iter().map(|(key, node)| (node_key(key), node.clone())));
            for stale in &batch.stale_node_index_batch {
                self.0.remove(&node_key(&stale.node_key));
            }
        }
    }

    impl TreeReader for Kept {
        fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
            Ok(self.0.get(&node_key(key)).cloned())
        }

        fn get_value_option(&self, _: jmt::Version, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
            Ok(None)
        }
    }

    /// One block's changes: few keys, so that they meet.
    fn block() -> impl Strategy<Value = BTreeMap<u8, Option<u8>>> {
        let set = || prop::collection::btree_map(any::<u8>(), any::<u8>().prop_map(Some), 0..40);
        prop_oneof![2 => set(), 1 => prop::collection::btree_map(any::<u8>(), any::<Option<u8>>(), 0..40)]
    }

    proptest! {
        /// Growing at once leaves the root and the very nodes that growing key by key does.
        #[test]
        fn blocks_grow_as_keys_do(blocks in prop::collection::vec(block(), 1..12)) {
            let (mut at_once, mut by_key) = (Kept::default(), Kept::default());
            for (block, version) in blocks.iter().zip(0u64..) {
                let changes: Vec<_> =
                    block.iter().map(|(key, new)| Change { key: vec![*key], old: None, new: new.map(|value| vec![value]) }).collect();
                let (root, batch) = grow(&at_once, &changes, version).unwrap();
                let values = changes.iter().map(|change| (key_hash(&change.key), change.new.clone()));
                let (RootHash(expected), mut plain) = Sha256Jmt::new(&by_key).put_value_set(values, version).unwrap();
                prop_assert_eq!(root, Digest::from(expected));
                if let Some(before) = version.checked_sub(1) {
                    let node_key = NodeKey::new(before, std::iter::empty().collect());
                    plain.stale_node_index_batch.insert(jmt::storage::StaleNodeIndex { stale_since_version: version, node_key });
                }
                at_once.take(&batch);
                by_key.take(&plain);
                prop_assert_eq!(&at_once.0, &by_key.0);
            }
        }
    }
}
