//! The world state: a flat ordered table for reading, a Jellyfish Merkle tree for its root and proofs.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use crypto::{Digest, sha256};
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, RootHash, Sha256Jmt};
use minicbor::{Decode, Encode};
use redb::ReadOnlyTable;
use serde::{Deserialize, Serialize};
use wire::Bytes;

use crate::execution::Changes;
use crate::node::{EMPTY, Row, inner_hash, key_place, leaf_hash, node_place};
use crate::pending::{Pending, Reading};
use crate::store::{self, HEADERS, NODES, PAST, STATE};
use crate::tree::{Source, Tree, Written};
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
            .get_with_proof(KeyHash(key_place(key)), height)
            .map_err(|_| Error::Damaged("the state tree"))?;
        let proof = StateProof::from_jmt(&borsh::to_vec(&proof).expect("writing to a Vec cannot fail"))?;
        Ok(Proven { header, key: Bytes(key.to_vec()), value: value.map(Bytes), proof })
    }

    fn header_at(&self, height: u64) -> Result<Header, Error> {
        store::decode(self.headers.get(height)?.ok_or(Error::UnknownBlock(height))?.value())
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

/// The state that the next block changes. What is not there is told by the tree, mostly from memory.
pub(crate) struct Base<'a> {
    view: &'a View,
    tree: RefCell<Tree>,
}

impl<'a> Base<'a> {
    /// `tree` is the view's.
    pub(crate) const fn new(view: &'a View, tree: Tree) -> Self {
        Self { view, tree: RefCell::new(tree) }
    }

    /// A key's value, which may be written: the tree's nodes are read for it that the block then changes.
    fn replaced(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.tree.borrow_mut().holds(&key_place(key), self.view.header.height, &self.view.nodes)? {
            true => self.view.value(key),
            false => Ok(None),
        }
    }

    /// What a block's changes truly change, with the values they replace.
    pub(crate) fn compare(&self, (changes, mut read): (Changes, Changes)) -> Result<Vec<Change>, Error> {
        let mut different = Vec::new();
        for (key, new) in changes {
            let old = match read.remove(&key) {
                Some(old) => old,
                None => self.replaced(&key)?,
            };
            if old != new {
                different.push(Change { key, old, new });
            }
        }
        Ok(different)
    }

    /// The tree's next version, its root, and what to store.
    pub(crate) fn grow(self, changes: &[Change]) -> Result<(Tree, Digest, Written), Error> {
        let mut tree = self.tree.into_inner();
        let (root, written) = tree.grow(changes, self.view.header.height + 1, &self.view.nodes)?;
        Ok((tree, root, written))
    }
}

impl State for Base<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        match self.tree.borrow_mut().at_hand(&key_place(key)) {
            Some(false) => Ok(None),
            _ => Ok(self.view.value(key)?),
        }
    }

    fn holds(&self, key: &[u8]) -> Result<bool, Unreadable> {
        Ok(self.tree.borrow_mut().holds(&key_place(key), self.view.header.height, &self.view.nodes)?)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>, Unreadable> {
        self.view.scan(prefix, after, limit)
    }
}

/// A key that a block changes.
pub(crate) struct Change {
    pub(crate) key: Vec<u8>,
    pub(crate) old: Option<Vec<u8>>,
    pub(crate) new: Option<Vec<u8>>,
}

struct Nodes(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Source for Nodes {
    fn row(&self, version: u64, path: &[u8]) -> Result<Row, Error> {
        let bytes = self.0.get(node_place(version, path).as_slice())?;
        Row::read(bytes.ok_or(Error::Damaged("a missing node of the state tree"))?.value(), version)
    }
}

impl TreeReader for Nodes {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let path: Vec<u8> = key.nibble_path().nibbles().map(u8::from).collect();
        // The library asks only for what there is.
        let node = self.node(key.version(), &path)?.node;
        Ok(Some(borsh::from_slice(&borsh::to_vec(&node)?)?))
    }

    fn get_value_option(&self, _: jmt::Version, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        // Values are read from the flat table; a proof needs only their hashes, which the leaves hold.
        Ok(Some(Vec::new()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("asked for only when a tree is restored")
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
        let place = key_place(key);
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

fn shared_bits(a: &[u8; 32], b: &[u8; 32]) -> usize {
    match a.iter().zip(b).position(|(a, b)| a != b) {
        Some(byte) => byte * 8 + (a[byte] ^ b[byte]).leading_zeros() as usize,
        None => 256,
    }
}
