//! The tree file: every complete subtree's digest, in the order in which growing the tree completes them.
//!
//! Append-only, so that sealing streams it out; any node is then one seek away, so that a proof reads a few dozen.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crypto::Digest;
use crypto::merkle::{self, Frontier};

/// A tree that grows while its nodes are written out.
pub(crate) struct Growing<W> {
    frontier: Frontier,
    nodes: W,
    /// Nodes completed by one leaf, kept to reuse the allocation.
    completed: Vec<u8>,
}

impl<W: Write> Growing<W> {
    pub(crate) fn new(nodes: W) -> Self {
        Self { frontier: Frontier::default(), nodes, completed: Vec::new() }
    }

    /// Appends a leaf.
    pub(crate) fn push(&mut self, data: &[u8]) -> io::Result<()> {
        let Self { frontier, nodes, completed } = self;
        completed.clear();
        frontier.push(merkle::leaf(data), |_, _, digest| completed.extend_from_slice(digest.as_ref()));
        nodes.write_all(completed)
    }

    pub(crate) fn root(&self) -> Digest {
        self.frontier.root()
    }
}

/// A stored tree of known size.
pub(crate) struct Stored<R> {
    nodes: R,
    leaves: u64,
}

impl<R: Read + Seek> Stored<R> {
    pub(crate) fn new(nodes: R, leaves: u64) -> Self {
        Self { nodes, leaves }
    }

    pub(crate) fn root(&mut self) -> io::Result<Digest> {
        Ok(Frontier::load(self.leaves, |level, index| read(&mut self.nodes, level, index))?.root())
    }

    pub(crate) fn path(&mut self, leaf: u64) -> io::Result<Vec<Digest>> {
        merkle::inclusion_path(self.leaves, leaf, |level, index| read(&mut self.nodes, level, index))
    }
}

fn read(nodes: &mut (impl Read + Seek), level: u32, index: u64) -> io::Result<Digest> {
    // Leaf n is preceded by the nodes of n leaves, 2n − popcount(n); its parents follow it, lowest first.
    let leaf = ((index + 1) << level) - 1;
    let position = 2 * leaf - u64::from(leaf.count_ones()) + u64::from(level);
    let mut digest = [0; 32];
    nodes.seek(SeekFrom::Start(position * 32))?;
    nodes.read_exact(&mut digest)?;
    Ok(digest.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_nodes_give_the_growing_root_and_valid_paths() {
        let mut file = Vec::new();
        for leaves in 1..100u64 {
            let mut growing = Growing::new(&mut file);
            (0..leaves).for_each(|leaf| growing.push(&leaf.to_be_bytes()).unwrap());
            let root = growing.root();
            let mut stored = Stored::new(io::Cursor::new(&file), leaves);
            assert_eq!(stored.root().unwrap(), root);
            for leaf in 0..leaves {
                let path = stored.path(leaf).unwrap();
                assert!(merkle::verify_inclusion(&root, leaves, leaf, &merkle::leaf(&leaf.to_be_bytes()), &path));
            }
            file.clear();
        }
    }
}
