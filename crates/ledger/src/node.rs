//! The nodes of the state tree: their form in the store, and their hashes.

use crypto::{Digest, Label, hash, sha256_of};
use minicbor::{Decoder, Encoder};

use crate::Error;

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

/// A node as the library has it, whose fields are private: by its Borsh form. Leaves are stored like this, inner nodes were once.
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
    StoredNode::inner(Box::new(children.map(child)))
}

impl StoredNode {
    fn inner(children: Box<[Option<StoredChild>; 16]>) -> Self {
        let present = children.iter().flatten().count() as u64;
        // What others claim is not to overflow; it is compared with what comes.
        let leaves = children.iter().flatten().fold(0, |sum: u64, child| sum.saturating_add(child.kind.leaves()));
        Self::Inner { children, present, leaves }
    }

    /// Whether a node of a version can be this one.
    fn fits(&self, version: u64) -> bool {
        let Self::Inner { children, .. } = self else { return true };
        let mut children = children.iter().flatten();
        children.all(|child| child.version <= version && (child.kind == StoredKind::Leaf || child.kind.leaves() > 1))
    }

    /// Its bytes in the store, its children being of this version.
    pub(crate) fn bytes(mut self, version: u64) -> Vec<u8> {
        let Self::Inner { children, .. } = &mut self else {
            return borsh::to_vec(&self).expect("writing to a Vec cannot fail");
        };
        children.iter_mut().flatten().for_each(|child| child.version = version);
        let present = (0..16).filter(|nibble| children[*nibble].is_some()).fold(0, |all, nibble| all | 1 << nibble);
        let mut bytes = Vec::new();
        write_inner(&mut bytes, version, (present, None), children.iter().flatten());
        bytes
    }
}

impl StoredKind {
    /// Records below.
    pub(crate) const fn leaves(self) -> u64 {
        match self {
            Self::Leaf => 1,
            Self::Inner { leaves } => leaves,
        }
    }
}

/// A node as the store has it.
pub(crate) enum Row {
    Whole(StoredNode),
    /// An inner node: the children that are not as its base has them.
    Part {
        children: Box<[Option<StoredChild>; 16]>,
        base: u64,
        /// A bit for each nibble whose child is told here, or is the base's.
        told: u16,
        rest: u16,
    },
}

/// Writes an inner node: [`INNER_TAG`]; bits of the nibbles that have a child, and of those whose child is told here, two bytes each, big-endian; unless
/// these are the same, how many versions before this one the base is, which has the others; then for each child that is told how many
/// records are below it (one: it is a leaf), how many versions before this one it was written, and its hash. Numbers are CBOR's.
///
/// `base` is that version and the bits of what is told, or none where all children are. These come in order.
pub(crate) fn write_inner<'a>(
    bytes: &mut Vec<u8>,
    version: u64,
    (present, base): (u16, Option<(u64, u16)>),
    told: impl IntoIterator<Item = &'a StoredChild>,
) {
    bytes.push(INNER_TAG);
    bytes.extend(present.to_be_bytes());
    bytes.extend(base.map_or(present, |(_, told)| told).to_be_bytes());
    let number = |bytes: &mut Vec<u8>, number: u64| {
        Encoder::new(bytes).u64(number).expect("writing to a Vec cannot fail");
    };
    if let Some((base, _)) = base {
        number(bytes, version - base);
    }
    for child in told {
        number(bytes, child.kind.leaves());
        number(bytes, version - child.version);
        bytes.extend(child.hash);
    }
}

impl Row {
    /// Reads the node of a version.
    pub(crate) fn read(bytes: &[u8], version: u64) -> Result<Self, Error> {
        let row = match bytes {
            [INNER_TAG, rest @ ..] => Self::inner(rest, version),
            _ => borsh::from_slice::<StoredNode>(bytes).ok().filter(|node| node.fits(version)).map(Self::Whole),
        };
        row.ok_or(DAMAGED)
    }

    fn inner(bytes: &[u8], version: u64) -> Option<Self> {
        let (&[a, b, c, d], bytes) = bytes.split_first_chunk()?;
        let (present, told) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        if present == 0 || told & !present != 0 {
            return None;
        }
        let rest = present & !told;
        let mut from = Decoder::new(bytes);
        let before = |from: &mut Decoder<'_>| version.checked_sub(from.u64().ok()?);
        let base = if rest == 0 { version } else { before(&mut from).filter(|base| *base < version)? };
        let mut children: Box<[_; 16]> = Box::new([None; 16]);
        for (_, child) in (0..16).zip(children.iter_mut()).filter(|(nibble, _)| told & 1 << nibble != 0) {
            let kind = match from.u64().ok()? {
                0 => return None,
                1 => StoredKind::Leaf,
                leaves => StoredKind::Inner { leaves },
            };
            let version = before(&mut from)?;
            let hash = *bytes.get(from.position()..)?.first_chunk()?;
            from.set_position(from.position() + hash.len());
            *child = Some(StoredChild { hash, version, kind });
        }
        (from.position() == bytes.len()).then_some(())?;
        Some(match rest {
            0 => Self::Whole(StoredNode::inner(children)),
            _ => Self::Part { children, base, told, rest },
        })
    }
}

/// A node that was read.
pub(crate) struct Found {
    pub(crate) node: StoredNode,
    /// The version of the node at its path that has all its children: its own, or an inner node's base.
    pub(crate) base: u64,
    /// A bit for each nibble whose child is not as the base has it.
    pub(crate) since: u16,
}

impl Found {
    /// The node of a version; `row` reads rows of its path.
    pub(crate) fn read(version: u64, row: impl Fn(u64) -> Result<Row, Error>) -> Result<Self, Error> {
        match row(version)? {
            Row::Whole(node) => Ok(Self { node, base: version, since: 0 }),
            Row::Part { mut children, base, told, rest } => {
                let Row::Whole(StoredNode::Inner { children: all, .. }) = row(base)? else { return Err(DAMAGED) };
                for (at, (child, base)) in children.iter_mut().zip(*all).enumerate() {
                    if rest & 1 << at != 0 {
                        *child = Some(base.ok_or(DAMAGED)?);
                    }
                }
                Ok(Self { node: StoredNode::inner(children), base, since: told })
            }
        }
    }
}

/// Others are those of [`StoredNode`].
const INNER_TAG: u8 = 3;

const DAMAGED: Error = Error::Damaged("a node of the state tree");

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
