//! The Merkle tree of RFC 9162 §2.1 over SHA-256: roots, inclusion and consistency proofs.
//!
//! Used for the transaction log and for the roots of sealed objects. A tree of `size` leaves is stored by its complete
//! subtrees: node `(level, index)` covers the `2^level` leaves from `index · 2^level`.

use crate::{Digest, sha256};

/// Hash of a leaf: `SHA-256(0x00 ‖ data)`.
pub fn leaf(data: &[u8]) -> Digest {
    sha256(&[&[0], data])
}

/// Hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node(left: &Digest, right: &Digest) -> Digest {
    sha256(&[&[1], left.as_ref(), right.as_ref()])
}

/// The root of the empty tree: `SHA-256("")`.
pub fn empty() -> Digest {
    sha256(&[])
}

/// A growing tree that keeps only its complete subtrees: at most 64 digests, whatever its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first: one for each bit set in `size`.
    roots: Vec<Digest>,
}

impl Frontier {
    /// The tree whose complete subtrees are read from storage.
    pub fn load<E>(size: u64, mut read: impl FnMut(u32, u64) -> Result<Digest, E>) -> Result<Self, E> {
        let roots = complete(0, size).into_iter().map(|(level, index)| read(level, index)).collect::<Result<_, _>>()?;
        Ok(Self { size, roots })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash; `store` is told every complete subtree that this leaf completes, the leaf itself first.
    pub fn push(&mut self, leaf: Digest, mut store: impl FnMut(u32, u64, Digest)) {
        let (mut digest, mut index, mut level) = (leaf, self.size, 0);
        store(level, index, digest);
        while index & 1 == 1 {
            let left = self.roots.pop().expect("a right child has its left sibling on the frontier");
            digest = node(&left, &digest);
            index >>= 1;
            level += 1;
            store(level, index, digest);
        }
        self.roots.push(digest);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Digest {
        fold(&self.roots).unwrap_or_else(empty)
    }
}

/// The inclusion path of leaf `index` in the tree of `size` leaves (RFC 9162 §2.1.3.1), from stored subtrees.
///
/// # Errors
/// Whatever `read` returns. `index` must be below `size`.
pub fn inclusion_path<E>(
    size: u64,
    index: u64,
    mut read: impl FnMut(u32, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    assert!(index < size, "the leaf lies in the tree");
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            path.push(range(start, middle, &mut read)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The consistency path between the trees of `old` and `new` leaves (RFC 9162 §2.1.4.1), `0 < old <= new`.
///
/// # Errors
/// Whatever `read` returns.
pub fn consistency_path<E>(
    old: u64,
    new: u64,
    mut read: impl FnMut(u32, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    assert!(0 < old && old <= new, "the old tree is a non-empty part of the new one");
    let mut path = Vec::new();
    let (mut start, mut end, mut whole) = (0, new, true);
    while old != end {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(range(middle, end, &mut read)?);
            end = middle;
        } else {
            path.push(range(start, middle, &mut read)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range(start, end, &mut read)?);
    }
    path.reverse();
    Ok(path)
}

/// Verifies an inclusion path (RFC 9162 §2.1.3.2).
pub fn verify_inclusion(root: &Digest, size: u64, index: u64, leaf: &Digest, path: &[Digest]) -> bool {
    if index >= size {
        return false;
    }
    let (mut position, mut last, mut digest) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            digest = node(sibling, &digest);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            digest = node(&digest, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && digest == *root
}

/// Verifies a consistency path (RFC 9162 §2.1.4.2); equal sizes need an empty path and equal roots.
pub fn verify_consistency(old: u64, old_root: &Digest, new: u64, new_root: &Digest, path: &[Digest]) -> bool {
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 || old > new {
        return false;
    }
    // A complete old tree is its own first node, which the path then omits.
    let mut steps = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let (mut position, mut last) = (old - 1, new - 1);
    while position & 1 == 1 {
        position >>= 1;
        last >>= 1;
    }
    let (mut from, mut to) = (*first, *first);
    for sibling in steps {
        if last == 0 {
            return false;
        }
        if position & 1 == 1 || position == last {
            from = node(sibling, &from);
            to = node(sibling, &to);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            to = node(&to, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    last == 0 && from == *old_root && to == *new_root
}

/// Root of the leaves in `start..end`, from its complete subtrees.
fn range<E>(start: u64, end: u64, read: &mut impl FnMut(u32, u64) -> Result<Digest, E>) -> Result<Digest, E> {
    let roots =
        complete(start, end).into_iter().map(|(level, index)| read(level, index)).collect::<Result<Vec<_>, E>>()?;
    Ok(fold(&roots).expect("a range is never empty"))
}

/// The complete subtrees of `start..end`, where `start` is aligned to the largest; largest first.
fn complete(mut start: u64, end: u64) -> Vec<(u32, u64)> {
    let mut parts = Vec::new();
    while start < end {
        let level = (end - start).ilog2();
        parts.push((level, start >> level));
        start += 1 << level;
    }
    parts
}

/// Joins subtree roots from the right, smallest first.
fn fold(roots: &[Digest]) -> Option<Digest> {
    let (last, rest) = roots.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node(left, &right)))
}

/// The largest power of two below `size` (RFC 9162 §2.1.1), for `size > 1`.
const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// RFC 9162 §2.1.1, as written there.
    fn plain_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty(),
            [one] => *one,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
                node(&plain_root(left), &plain_root(right))
            }
        }
    }

    type Store = HashMap<(u32, u64), Digest>;

    fn grow(size: u64) -> (Frontier, Store, Vec<Digest>) {
        let (mut frontier, mut store, mut leaves) = (Frontier::default(), Store::new(), Vec::new());
        for index in 0..size {
            let leaf = leaf(&index.to_be_bytes());
            leaves.push(leaf);
            frontier.push(leaf, |level, index, digest| {
                store.insert((level, index), digest);
            });
        }
        (frontier, store, leaves)
    }

    fn reader(store: &Store) -> impl FnMut(u32, u64) -> Result<Digest, (u32, u64)> + '_ {
        |level, index| store.get(&(level, index)).copied().ok_or((level, index))
    }

    #[test]
    fn roots_and_proofs_match_the_plain_tree() {
        let (_, store, leaves) = grow(70);
        for size in 1..=70u64 {
            let root = plain_root(&leaves[..size as usize]);
            assert_eq!(Frontier::load(size, reader(&store)).unwrap().root(), root);
            for index in 0..size {
                let path = inclusion_path(size, index, reader(&store)).unwrap();
                assert!(verify_inclusion(&root, size, index, &leaves[index as usize], &path));
                assert!(!verify_inclusion(&root, size, index ^ 1, &leaves[index as usize], &path) || size == 1);
                assert!(
                    !verify_inclusion(
                        &root,
                        size,
                        index,
                        &leaves[index as usize],
                        &path[..path.len().saturating_sub(1)]
                    ) || path.is_empty()
                );
            }
            for old in 1..=size {
                let path = consistency_path(old, size, reader(&store)).unwrap();
                let old_root = plain_root(&leaves[..old as usize]);
                assert!(verify_consistency(old, &old_root, size, &root, &path));
                if old < size {
                    assert!(!verify_consistency(old, &root, size, &root, &path));
                    assert!(!verify_consistency(old, &old_root, size, &old_root, &path));
                    let mut longer = path.clone();
                    longer.push(root);
                    assert!(!verify_consistency(old, &old_root, size, &root, &longer));
                }
            }
        }
    }

    #[test]
    fn known_roots() {
        // RFC 6962/9162 reference tree (certificate-transparency test data): eight leaves.
        let data: [&[u8]; 8] = [
            b"",
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
        ];
        let mut frontier = Frontier::default();
        data.iter().for_each(|data| frontier.push(leaf(data), |_, _, _| {}));
        assert_eq!(frontier.root().to_string(), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
        assert_eq!(empty().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
