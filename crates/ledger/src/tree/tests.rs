//! The tree against the library's, whatever of it is at hand, and against a damaged store.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{KeyHash, RootHash, Sha256Jmt};
use proptest::prelude::*;

use super::*;

/// Nodes as they are stored, and how often they were read.
#[derive(Default)]
struct Kept(BTreeMap<Vec<u8>, Vec<u8>>, Cell<usize>);

fn place_of(key: &NodeKey) -> Vec<u8> {
    let path: Vec<u8> = key.nibble_path().nibbles().map(u8::from).collect();
    node_place(key.version(), &path)
}

impl Kept {
    fn take(&mut self, written: &Written) {
        for place in &written.stale {
            assert!(self.0.remove(&**place).is_some(), "what is replaced was there");
        }
        for (place, node) in written.nodes() {
            assert!(self.0.insert(place.to_vec(), node.to_vec()).is_none(), "nothing is written twice");
        }
    }
}

impl Source for Kept {
    fn row(&self, version: u64, path: &[u8]) -> Result<Row, Error> {
        self.1.set(self.1.get() + 1);
        Row::read(self.0.get(&node_place(version, path)).ok_or(Error::Damaged("missing"))?, version)
    }
}

impl TreeReader for Kept {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let path: Vec<u8> = key.nibble_path().nibbles().map(u8::from).collect();
        let exists = self.0.contains_key(&place_of(key));
        exists.then(|| Ok(borsh::from_slice(&borsh::to_vec(&self.node(key.version(), &path)?.node)?)?)).transpose()
    }

    fn get_value_option(&self, _: jmt::Version, _: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        // What is not looked at: the leaves hold the digests.
        Ok(Some(vec![]))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

/// What a block sets and removes.
type Block = BTreeMap<u16, Option<u8>>;

/// A block's changes: few keys, so that they meet; mostly only sets, or none.
fn block() -> impl Strategy<Value = Block> {
    let key = || prop_oneof![0u16..40, 0u16..600];
    let set = prop::collection::btree_map(key(), any::<u8>().prop_map(Some), 0..40);
    let any = prop::collection::btree_map(key(), any::<Option<u8>>(), 0..40);
    let removed = prop::collection::btree_map(key(), Just(None), 0..40);
    prop_oneof![3 => set, 2 => any, 1 => removed]
}

/// A block's true changes, as [`crate::state::Base::compare`] leaves them.
fn changes(block: &Block, state: &mut BTreeMap<u16, u8>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, new) in block {
        let old = match new {
            Some(new) => state.insert(*key, *new),
            None => state.remove(key),
        };
        if old != *new {
            let [old, new] = [old, *new].map(|value| value.map(|value| vec![value]));
            changes.push(Change { key: key.to_be_bytes().to_vec(), old, new });
        }
    }
    changes
}

/// Has the library grow the same tree, key by key; its root.
fn grow_plainly(kept: &mut Kept, changes: &[Change], version: u64) -> Digest {
    let values = changes.iter().map(|change| (KeyHash(key_place(&change.key)), change.new.clone()));
    let (RootHash(root), batch) = Sha256Jmt::new(&*kept).put_value_set(values, version).unwrap();
    for stale in &batch.stale_node_index_batch {
        kept.0.remove(&place_of(&stale.node_key));
    }
    // A version without changes copies its root and forgets to say that the old one is stale.
    if let Some(before) = version.checked_sub(1) {
        kept.0.remove(&node_place(before, &[]));
    }
    let written = batch.node_batch.nodes().iter();
    kept.0.extend(written.map(|(key, node)| (place_of(key), borsh::to_vec(node).unwrap())));
    root.into()
}

/// Nodes by their paths alone. Of a block that removes records the library moves some leaves up and down again, which gives them another version.
fn by_path(nodes: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let nodes = nodes.iter().map(|(place, bytes)| {
        let node: StoredNode = borsh::from_slice(bytes).unwrap();
        (place[8..].to_vec(), node.bytes(0))
    });
    nodes.collect()
}

/// A tree's nodes, each where its parent says and none newer than it; and the places of all that is stored of them.
#[derive(Default)]
struct Reached {
    nodes: BTreeMap<Vec<u8>, Vec<u8>>,
    places: BTreeSet<Vec<u8>>,
}

impl Reached {
    fn from(kept: &Kept, version: u64) -> Self {
        let mut reached = Self::default();
        reached.reach(kept, version, &mut vec![]);
        assert_eq!(reached.nodes.len(), by_path(&reached.nodes).len(), "one node for a path");
        assert!(reached.places.iter().eq(kept.0.keys()), "each node is some node's child, or what it is told by");
        reached
    }

    fn reach(&mut self, kept: &Kept, version: u64, path: &mut Vec<u8>) {
        let Found { node, base, .. } = kept.node(version, path).unwrap();
        self.places.extend([node_place(version, path), node_place(base, path)]);
        self.nodes.insert(node_place(version, path), borsh::to_vec(&node).unwrap());
        let StoredNode::Inner { children, .. } = node else { return };
        for (nibble, child) in (0..).zip(*children) {
            let Some(child) = child else { continue };
            assert!(child.version <= version);
            path.push(nibble);
            self.reach(kept, child.version, path);
            path.pop();
        }
    }
}

proptest! {
    /// What the library makes, whatever of the tree is at hand; and it holds what was written, which the library reads and proves.
    #[test]
    fn it_grows_as_the_librarys(
        blocks in prop::collection::vec((block(), 0u8..6), 1..14),
        asked in prop::collection::vec(0u16..700, 0..8),
    ) {
        let (mut kept, mut theirs, mut tree, mut state) = (Kept::default(), Kept::default(), Tree::default(), BTreeMap::new());
        let mut alike = true;
        for ((block, left), version) in blocks.iter().zip(0u64..) {
            let changes = changes(block, &mut state);
            let (root, written) = tree.grow(&changes, version, &kept).unwrap();
            prop_assert!(written.nodes().is_sorted_by_key(|(place, _)| place) && written.stale.is_sorted());
            prop_assert_eq!(root, grow_plainly(&mut theirs, &changes, version));
            kept.take(&written);
            let [own, other] = [&kept, &theirs].map(|kept| Reached::from(kept, version).nodes);
            prop_assert_eq!(by_path(&own), by_path(&other));
            // Where both begin from the same and nothing is removed, versions are the same, too.
            if alike && changes.iter().all(|change| change.new.is_some()) {
                prop_assert_eq!(&own, &other);
            }
            alike = own == other;
            match left {
                0 => tree = Tree::default(),
                1 => if let Some(Some(Child { below: Below::Inner(node), .. })) = &mut tree.root {
                    node.leave(version.saturating_sub(2));
                },
                // As a version before this one stores it.
                2 => {
                    kept.0 = own;
                    tree = Tree::default();
                }
                _ => {}
            }
            for key in &asked {
                let known = tree.at_hand(&key_place(&key.to_be_bytes()));
                prop_assert!(known.is_none_or(|known| known == state.contains_key(key)));
                let holds = tree.holds(&key_place(&key.to_be_bytes()), version, &kept).unwrap();
                prop_assert_eq!(holds, state.contains_key(key));
                prop_assert_eq!(tree.at_hand(&key_place(&key.to_be_bytes())), Some(holds));
                let place = KeyHash(key_place(&key.to_be_bytes()));
                let (_, proof) = Sha256Jmt::new(&kept).get_with_proof(place, version).unwrap();
                let value = state.get(key).map(|value| vec![*value]);
                prop_assert!(proof.verify(RootHash(*root.as_bytes()), place, value).is_ok());
            }
        }
    }
}

fn numbered(keys: std::ops::Range<u32>) -> Vec<Change> {
    keys.map(|key| Change { key: key.to_be_bytes().to_vec(), old: None, new: Some(vec![1; 9]) }).collect()
}

#[test]
fn what_is_at_hand_is_bounded_and_not_read_again() {
    let (mut kept, mut tree) = (Kept::default(), Tree::default());
    for version in 0..40u32 {
        let (_, written) = tree.grow(&numbered(version * 500..(version + 1) * 500), version.into(), &kept).unwrap();
        kept.take(&written);
    }
    assert_eq!(kept.1.get(), 0);
    // As if much had come to hand.
    let size = |tree: &mut Tree| match &mut tree.root {
        Some(Some(Child { below: Below::Inner(node), .. })) => node.leave(0),
        _ => 0,
    };
    let all = size(&mut tree);
    (tree.bytes, tree.turned) = (memory::nodes() + 1, 38);
    tree.make_room(39);
    let left = size(&mut tree);
    assert!(left > 0 && left < all && tree.bytes == 0 && tree.turned == 39, "{left} of {all}");
    let (_, written) = tree.grow(&numbered(20_000..20_500), 40, &kept).unwrap();
    assert!(kept.1.get() > 0);
    kept.take(&written);
    for key in (0..21_000u32).step_by(97) {
        assert_eq!(tree.holds(&key_place(&key.to_be_bytes()), 40, &kept).unwrap(), key < 20_500);
    }
}

#[test]
fn what_few_changes_write_is_small() {
    let (mut kept, mut tree) = (Kept::default(), Tree::default());
    let (mut bytes, mut whole) = (0, 0);
    for version in 0..200u32 {
        let (_, written) = tree.grow(&numbered(version * 100..(version + 1) * 100), version.into(), &kept).unwrap();
        kept.take(&written);
        if version >= 100 {
            bytes += written.nodes().map(|(_, node)| node.len()).sum::<usize>();
            // As they are in the library's form.
            let nodes = written.nodes().map(|(place, _)| kept.node(version.into(), &place[8..]).unwrap().node);
            whole += nodes.map(|node| borsh::to_vec(&node).unwrap().len()).sum::<usize>();
        }
    }
    assert!(5 * bytes < 2 * whole, "{bytes} of {whole}");
}

#[test]
fn a_damaged_tree_is_refused_and_read_again() {
    let (mut kept, mut tree) = (Kept::default(), Tree::default());
    // Of the second block most nodes are told by those of the first.
    for (keys, version) in [(0..2_000, 0), (0..50, 1)] {
        let (_, written) = tree.grow(&numbered(keys), version, &kept).unwrap();
        kept.take(&written);
    }
    let parts = kept.0.values().filter(|node| node[0] == 3 && node[1..3] != node[3..5]).count();
    assert!(parts > 30, "{parts}");
    let (whole, newest) = (kept.0.clone(), Reached::from(&kept, 1).nodes);
    let leaves = || whole.iter().filter(|(_, node)| node.len() == 65);
    for (at, (place, node)) in whole.iter().enumerate().step_by(41) {
        let other = leaves().find(|(other, _)| *other != place).unwrap().1;
        let mut fewer = node.clone();
        fewer[2] &= fewer[2].wrapping_sub(1);
        let mut older = node.clone();
        older[5] ^= 1;
        // Missing, cut off, a leaf that is another's, or where there is none; without a child, and by another base, or of another count.
        for damaged in [None, Some(&node[..node.len() / 2]), Some(other), Some(&fewer), Some(&older)] {
            // A root has no parent that says what it is: the header does, when the ledger is opened.
            if place.len() == 8 && damaged.is_some_and(|damaged| damaged.len() >= node.len()) {
                continue;
            }
            // What another node takes from this one may be none of it.
            if damaged == Some(node)
                || !newest.contains_key(place) && [Some(&fewer[..]), Some(&older)].contains(&damaged)
            {
                continue;
            }
            kept.0.remove(place);
            kept.0.extend(damaged.map(|damaged| (place.clone(), damaged.to_vec())));
            let mut tree = Tree::default();
            let holds = |key: u32, tree: &mut Tree| tree.holds(&key_place(&key.to_be_bytes()), 1, &kept);
            let damaged = (0..2_000).any(|key| holds(key, &mut tree).is_err());
            assert!(damaged, "{at}");
            let grown = tree.grow(&numbered(2_000..2_500), 2, &kept);
            kept.0.insert(place.clone(), node.clone());
            if grown.is_err() {
                // What failed left nothing behind.
                assert!(tree.grow(&numbered(2_000..2_500), 2, &kept).is_ok());
            }
        }
    }
}
