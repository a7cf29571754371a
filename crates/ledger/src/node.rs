//! The nodes of the state tree: their form in the store, and their hashes.

use crypto::{Digest, Label, hash, sha256_of};

/// A key's place in the tree: `H(STATE_KEY, [key])`.
pub(crate) fn key_place(key: &[u8]) -> [u8; 32] {
    *hash(Label::STATE_KEY, &[key]).as_bytes()
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

/// A node as the library stores it, whose fields are private: by its Borsh form.
#[derive(Debug, borsh::BorshDeserialize, borsh::BorshSerialize)]
pub(crate) enum StoredNode {
    /// The root of a tree without records.
    Null,
    Inner {
        children: Box<[Option<StoredChild>; 16]>,
        present: u64,
        leaves: u64,
    },
    Leaf([u8; 32], [u8; 32]),
}

/// A child as it stands in its parent.
#[derive(Clone, Copy, Debug, borsh::BorshDeserialize, borsh::BorshSerialize)]
pub(crate) struct StoredChild {
    pub(crate) hash: [u8; 32],
    pub(crate) version: u64,
    pub(crate) kind: StoredKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, borsh::BorshDeserialize, borsh::BorshSerialize)]
pub(crate) enum StoredKind {
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

/// A node's place in the store: version big-endian, then one byte for each nibble of its path.
pub(crate) fn node_place(version: u64, path: &[u8]) -> Vec<u8> {
    [&version.to_be_bytes()[..], path].concat()
}

pub(crate) fn leaf_hash(key: &Digest, value: &Digest) -> Digest {
    tagged(b"JMT::LeafNode", key, value)
}

pub(crate) fn inner_hash(left: &Digest, right: &Digest) -> Digest {
    tagged(b"JMT::IntrnalNode", left, right)
}

fn tagged(tag: &[u8], one: &Digest, other: &Digest) -> Digest {
    let (mut bytes, mut end) = ([0; 96], 0);
    for part in [tag, one.as_ref(), other.as_ref()] {
        bytes[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    sha256_of(&bytes[..end])
}

/// Stands for an empty subtree.
pub(crate) const EMPTY: &[u8; 32] = b"SPARSE_MERKLE_PLACEHOLDER_HASH__";
