//! Snapshots that prove themselves: what is said in them, and how each part is verified when it comes.
//!
//! Nobody who sends one is believed. [`Trust`] goes from validators that are known to those that are in force now, each set
//! handed over by a quorum of the one before; a [`Certificate`] shows what these cosigned; a [`Manifest`] follows from the
//! header that is so certified, and every part from the manifest. The page is `docs/spec/snapshot.md`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crypto::merkle::Frontier;
use crypto::{Digest, sha256};
use minicbor::{Decode, Encode};
use wire::{Bytes, Limits};

use crate::block::leaf_hash;
use crate::node::{Built, Leaf, Subtree, build, join, key_place};
use crate::{
    Application, Checkpoint, Cosignature, EXPIRY_WINDOW, Epoch, Failure, Header, Pair, State, StateProof, Unreadable,
};

/// What a snapshot consists of: enough to verify each of its parts against the block's header.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    #[n(0)]
    pub format: String,
    /// The block after which the state is that of the snapshot.
    #[n(1)]
    pub header: Header,
    /// Parts of the state, by their paths.
    #[n(2)]
    pub branches: Vec<Branch>,
    /// Roots of the log's stretches of [`LEAVES`] leaves.
    #[n(3)]
    pub log: Vec<Digest>,
    /// The last hour's headers and identities.
    #[n(4)]
    pub recent: Vec<Stretch>,
}

/// A subtree of the state tree.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Branch {
    /// Four bits of the place to a byte.
    #[n(0)]
    pub path: Bytes,
    /// Records in it, at least one.
    #[n(1)]
    pub count: u64,
    /// Its hash.
    #[n(2)]
    pub hash: Digest,
}

/// Blocks that follow on each other.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Stretch {
    /// Height of the first.
    #[n(0)]
    pub first: u64,
    /// The log's size before the first; that after it, for the very first of a snapshot, whose transactions are not in it.
    #[n(1)]
    pub size: u64,
    /// Digest of the last one's header.
    #[n(2)]
    pub last: Digest,
}

/// A record of the state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Record {
    #[n(0)]
    pub(crate) key: Bytes,
    #[n(1)]
    pub(crate) value: Bytes,
}

/// A block of the last hour: what makes its leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Recent {
    #[n(0)]
    pub(crate) header: Header,
    #[n(1)]
    pub(crate) outcomes: Vec<Brief>,
}

/// What a leaf says beside its place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Brief {
    #[n(0)]
    pub(crate) id: Digest,
    #[n(1)]
    pub(crate) code: String,
    #[n(2)]
    pub(crate) events: Digest,
}

/// What certifies a snapshot's header: the headers after it up to one whose checkpoint a quorum cosigned.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Certificate {
    /// The headers after the snapshot's; none where its own is cosigned.
    #[n(0)]
    pub headers: Vec<Header>,
    /// The cosignatures of the last one's checkpoint.
    #[n(1)]
    pub cosignatures: Vec<CosignedBy>,
}

/// The proof that other validators follow those of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Handover {
    /// The last block's of the epoch that ends.
    #[n(0)]
    pub header: Header,
    /// The cosignatures of that block.
    #[n(1)]
    pub cosignatures: Vec<CosignedBy>,
    /// What the state after it says of the validators.
    #[n(2)]
    pub shown: Vec<Shown>,
}

/// A validator's cosignature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CosignedBy {
    /// Who.
    #[n(0)]
    pub name: String,
    /// What it signed.
    #[n(1)]
    pub cosignature: Cosignature,
}

/// A key's value, or its absence, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Shown {
    /// The key.
    #[n(0)]
    pub key: Bytes,
    /// Its value; `None` where it is absent.
    #[n(1)]
    pub value: Option<Bytes>,
    /// The proof against a header's state root.
    #[n(2)]
    pub proof: StateProof,
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The [`Manifest`].
    Manifest,
    /// The [`Certificate`].
    Certificate,
    /// Records of a [`Branch`].
    Branch(u32),
    /// Leaf hashes of a stretch of the log.
    Leaves(u32),
    /// A [`Stretch`].
    Recent(u32),
}

impl Part {
    /// Kind and index, as they travel.
    pub const fn numbers(self) -> (u8, u32) {
        match self {
            Self::Manifest => (0, 0),
            Self::Certificate => (1, 0),
            Self::Branch(index) => (2, index),
            Self::Leaves(index) => (3, index),
            Self::Recent(index) => (4, index),
        }
    }

    /// The part of these numbers; none for others.
    pub const fn of(kind: u8, index: u32) -> Option<Self> {
        Some(match (kind, index) {
            (0, 0) => Self::Manifest,
            (1, 0) => Self::Certificate,
            (2, index) => Self::Branch(index),
            (3, index) => Self::Leaves(index),
            (4, index) => Self::Recent(index),
            _ => return None,
        })
    }
}

/// Why a snapshot, or a part of one, is not to be used. Whoever sent it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It has not the form that it must have.
    #[error("the {0} is not of the form of a snapshot's")]
    Form(&'static str),
    /// It does not lead to what is known.
    #[error("the {0} is not what the header commits to")]
    Root(&'static str),
    /// It is of another chain, or of a block that is not newer than what is there.
    #[error("it is of another chain, or not newer than this ledger")]
    Other,
    /// Too few validators of a known epoch stand behind it.
    #[error("no quorum of epoch {epoch} stands behind it")]
    Quorum {
        /// The epoch that is stated.
        epoch: u64,
    },
    /// A hand-over that does not follow on the newest known epoch, or names no validators.
    #[error("epoch {epoch} is not handed over as it must be: {why}")]
    Handover {
        /// The epoch that ends.
        epoch: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// The log does not continue the checkpoint that the operator pinned.
    #[error("its log does not contain the checkpoint of {size} leaves that this node's operator has pinned")]
    Pinned {
        /// The pinned checkpoint's size.
        size: u64,
    },
}

impl Manifest {
    /// The format's name.
    pub const FORMAT: &str = "sottovoce-snapshot/v1";

    /// Reads a manifest and verifies that its parts make what its header commits to. The header itself is certified elsewhere
    /// ([`Trust::certify`]).
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let manifest: Self = wire::from_slice(bytes, MANIFEST).map_err(|_| SnapshotError::Form("manifest"))?;
        manifest.verify()?;
        Ok(manifest)
    }

    pub(crate) fn verify(&self) -> Result<(), SnapshotError> {
        let Self { format, header, branches, log, recent } = self;
        if format != Self::FORMAT || branches.len() > MAX_BRANCHES {
            return Err(SnapshotError::Form("manifest"));
        }
        let state = fold(branches, 0, &mut |_, _| {}).ok_or(SnapshotError::Form("list of branches"))?;
        if state.hash != header.state_root {
            return Err(SnapshotError::Root("state"));
        }
        let mut whole = Frontier::default();
        log.iter().for_each(|root| whole.push(*root, |_, _, _| {}));
        if log.len() as u64 != header.log_size.div_ceil(LEAVES) || whole.root() != header.log_root {
            return Err(SnapshotError::Root("log"));
        }
        let rising = recent.windows(2).all(|two| two[0].first < two[1].first && two[0].size <= two[1].size);
        match recent.last() {
            Some(last)
                if rising
                    && last.last == header.digest()
                    && last.first <= header.height
                    && last.size <= header.log_size =>
            {
                Ok(())
            }
            _ => Err(SnapshotError::Root("last hour")),
        }
    }

    /// What names it: the SHA-256 of its bytes.
    pub fn id(&self) -> Digest {
        sha256(&[&wire::to_vec(self)])
    }

    /// All parts but manifest and certificate, in an order in which each can be verified when it comes: the last hour after the log.
    pub fn parts(&self) -> Vec<Part> {
        let count = |length: usize| 0..u32::try_from(length).unwrap_or(u32::MAX);
        let branches = count(self.branches.len()).map(Part::Branch);
        let leaves = count(self.log.len()).map(Part::Leaves);
        branches.chain(leaves).chain(count(self.recent.len()).rev().map(Part::Recent)).collect()
    }

    /// Verifies a branch: its records, in order of their places.
    pub(crate) fn branch(&self, index: u32, bytes: &[u8], built: &mut Built<'_>) -> Result<Vec<Record>, SnapshotError> {
        let branch = self.branches.get(index as usize).ok_or(SnapshotError::Form("branch"))?;
        let records: Vec<Record> = wire::from_slice(bytes, PART).map_err(|_| SnapshotError::Form("branch"))?;
        let leaves: Vec<Leaf> = records
            .iter()
            .map(|record| Leaf { place: key_place(&record.key), value: sha256(&[&record.value]) })
            .collect();
        let ordered = leaves.windows(2).all(|two| two[0].place < two[1].place);
        let under = leaves.iter().all(|leaf| leaf.is_under(&branch.path));
        if !ordered || !under || leaves.len() as u64 != branch.count {
            return Err(SnapshotError::Form("branch"));
        }
        match build(&leaves, &mut branch.path.to_vec(), built).hash == branch.hash {
            true => Ok(records),
            false => Err(SnapshotError::Root("branch")),
        }
    }

    /// Verifies leaf hashes of a stretch of the log.
    pub(crate) fn leaves(&self, index: u32, bytes: &[u8]) -> Result<Vec<Digest>, SnapshotError> {
        let root = self.log.get(index as usize).ok_or(SnapshotError::Form("stretch of leaves"))?;
        let start = u64::from(index) * LEAVES;
        let expected = LEAVES.min(self.header.log_size.saturating_sub(start));
        if bytes.len() as u64 != expected * 32 {
            return Err(SnapshotError::Form("stretch of leaves"));
        }
        let (hashes, _) = bytes.as_chunks::<32>();
        let hashes: Vec<Digest> = hashes.iter().map(|hash| Digest::from(*hash)).collect();
        let mut tree = Frontier::default();
        hashes.iter().for_each(|hash| tree.push(*hash, |_, _, _| {}));
        if tree.root() == *root { Ok(hashes) } else { Err(SnapshotError::Root("stretch of leaves")) }
    }

    /// Verifies a stretch of the last hour; `leaf` reads a leaf's hash out of verified ones.
    pub(crate) fn recent(
        &self,
        index: u32,
        bytes: &[u8],
        leaf: &mut dyn FnMut(u64) -> Option<Digest>,
    ) -> Result<Vec<Recent>, SnapshotError> {
        let form = SnapshotError::Form("stretch of blocks");
        let at = index as usize;
        let stretch = self.recent.get(at).ok_or(form.clone())?;
        let blocks: Vec<Recent> = wire::from_slice(bytes, PART).map_err(|_| form.clone())?;
        let (first, last) = blocks.first().zip(blocks.last()).ok_or(form.clone())?;
        let before = at.checked_sub(1).and_then(|before| self.recent.get(before));
        let next = self.recent.get(at + 1);
        let ends = next.map_or(self.header.height, |next| next.first - 1);
        let size_after = next.map_or(self.header.log_size, |next| next.size);
        let joined = first.header.height == stretch.first
            && last.header.height == ends
            && last.header.digest() == stretch.last
            && last.header.log_size == size_after
            && before.is_none_or(|before| first.header.previous == before.last)
            && blocks.windows(2).all(|two| {
                two[1].header.previous == two[0].header.digest()
                    && two[0].header.height.checked_add(1) == Some(two[1].header.height)
            })
            && blocks.iter().all(|block| block.header.chain == self.header.chain);
        if !joined {
            return Err(SnapshotError::Root("stretch of blocks"));
        }
        let mut size = stretch.size;
        let mut rest = blocks.as_slice();
        if before.is_none() {
            // Older than any transaction that could still come again.
            let old = first.header.height == 0 || first.header.time.saturating_add(EXPIRY_WINDOW) <= self.header.time;
            if !old || first.header.log_size != size || !first.outcomes.is_empty() {
                return Err(form);
            }
            rest = &rest[1..];
        }
        for Recent { header, outcomes } in rest {
            for (Brief { id, code, events }, position) in outcomes.iter().zip(0..) {
                let hash = leaf_hash(*id, header.height, position, code, *events);
                if leaf(size) != Some(hash) {
                    return Err(SnapshotError::Root("stretch of blocks"));
                }
                size += 1;
            }
            if size != header.log_size {
                return Err(SnapshotError::Root("stretch of blocks"));
            }
        }
        Ok(blocks)
    }
}

/// Validators that are known to answer for a chain, from those that one's own ledger names on.
#[derive(Clone, Debug)]
pub struct Trust {
    pub(crate) chain: Digest,
    /// The newest header of the ledger that this begins with.
    pub(crate) head: Header,
    /// Epochs, each with the log's size when it was known to have begun.
    pub(crate) known: Vec<(Epoch, u64)>,
    /// How each but the first came to be known.
    pub(crate) handovers: Vec<Handover>,
}

impl Trust {
    pub(crate) fn new(head: Header, epoch: Epoch) -> Self {
        let size = head.log_size;
        Self { chain: head.chain, head, known: vec![(epoch, size)], handovers: vec![] }
    }

    /// Whether the checkpoints of the newest known epoch are cosigned with ML-DSA.
    pub fn demands_ml_dsa(&self) -> bool {
        self.last().0.demands_ml_dsa()
    }

    /// The newest known epoch.
    pub fn newest(&self) -> u64 {
        self.last().0.number
    }

    fn last(&self) -> &(Epoch, u64) {
        self.known.last().expect("it begins with one")
    }

    /// Verifies that the newest known epoch hands over to another, and knows that one from here on.
    ///
    /// # Errors
    /// [`SnapshotError::Handover`], [`SnapshotError::Quorum`].
    pub fn follow(&mut self, application: &dyn Application, handover: Handover) -> Result<(), SnapshotError> {
        let (epoch, start) = self.last();
        let Handover { header, cosignatures, shown } = &handover;
        let refused = |why| SnapshotError::Handover { epoch: header.epoch, why };
        if header.chain != self.chain || header.epoch != epoch.number || header.log_size < *start {
            return Err(refused("it does not follow on what is known"));
        }
        if self.known.len() > MAX_KNOWN || shown.len() > MAX_SHOWN {
            return Err(refused("there are too many"));
        }
        check_quorum(&Checkpoint::of(header), epoch, cosignatures)?;
        let mut values = BTreeMap::new();
        for Shown { key, value, proof } in shown {
            if !proof.verify(&header.state_root, key, value.as_deref()) {
                return Err(refused("a proof does not hold"));
            }
            values.insert(key.to_vec(), value.as_ref().map(|value| value.to_vec()));
        }
        let next = application.epoch(&Known(values)).map_err(|_| refused("it does not say who is in force"))?;
        if next.check().is_err() || next.number <= epoch.number {
            return Err(refused("it names no later validators"));
        }
        let size = header.log_size;
        self.known.push((next, size));
        self.handovers.push(handover);
        Ok(())
    }

    /// Verifies that a quorum of a known epoch stands behind a header that is newer than the ledger this began with.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn certify(&self, header: &Header, certificate: &Certificate) -> Result<(), SnapshotError> {
        if header.chain != self.chain || header.height <= self.head.height {
            return Err(SnapshotError::Other);
        }
        let mut last = header;
        for next in &certificate.headers {
            if next.previous != last.digest() || next.chain != self.chain {
                return Err(SnapshotError::Root("list of headers"));
            }
            last = next;
        }
        let (checkpoint, quorum) = (Checkpoint::of(last), SnapshotError::Quorum { epoch: last.epoch });
        let place = self.known.iter().position(|(epoch, _)| epoch.number == checkpoint.epoch).ok_or(quorum.clone())?;
        let (epoch, start) = &self.known[place];
        // A key outlives its epoch: where the epoch's end is known it answers for no more.
        let end = self.known.get(place + 1).map_or(u64::MAX, |(_, end)| *end);
        match (*start..=end).contains(&checkpoint.size) {
            true => check_quorum(&checkpoint, epoch, &certificate.cosignatures),
            false => Err(quorum),
        }
    }
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`SnapshotError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        wire::from_slice(bytes, CERTIFICATE).map_err(|_| SnapshotError::Form("certificate"))
    }
}

/// Whether these are cosignatures of distinct validators of an epoch, a quorum at least, and all good.
fn check_quorum(checkpoint: &Checkpoint, epoch: &Epoch, cosignatures: &[CosignedBy]) -> Result<(), SnapshotError> {
    let names: BTreeSet<&str> = cosignatures.iter().map(|one| one.name.as_str()).collect();
    let good = |CosignedBy { name, cosignature }: &CosignedBy| {
        epoch.validator(name).is_some_and(|(_, validator)| validator.verify(checkpoint, cosignature).is_ok())
    };
    match names.len() == cosignatures.len() && names.len() >= epoch.quorum() && cosignatures.iter().all(good) {
        true => Ok(()),
        false => Err(SnapshotError::Quorum { epoch: epoch.number }),
    }
}

/// A state of which some keys are proven; what is said of others is unknown.
struct Known(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl State for Known {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
        self.0.get(key).cloned().ok_or_else(|| Unreadable("it is not shown".into()))
    }

    fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, Unreadable> {
        Err(Unreadable("keys are shown one by one".into()))
    }
}

/// Which keys an application reads to know who is in force.
pub(crate) fn keys_of_epoch(application: &dyn Application, state: &dyn State) -> Result<BTreeSet<Vec<u8>>, Failure> {
    struct Watched<'a>(&'a dyn State, RefCell<BTreeSet<Vec<u8>>>);
    impl State for Watched<'_> {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
            self.1.borrow_mut().insert(key.to_vec());
            self.0.get(key)
        }

        fn scan(&self, _: &[u8], _: Option<&[u8]>, _: usize) -> Result<Vec<Pair>, Unreadable> {
            Err(Unreadable("keys are shown one by one".into()))
        }
    }
    let watched = Watched(state, RefCell::default());
    application.epoch(&watched)?;
    Ok(watched.1.into_inner())
}

/// Joins branches to the subtree from `depth` nibbles on; `built` is told of each inner node above them. None where they are not
/// such as the state tree has.
pub(crate) fn fold(branches: &[Branch], depth: usize, built: &mut Built<'_>) -> Option<Subtree> {
    let Some(first) = branches.first() else { return Some(Subtree::EMPTY) };
    if first.path.len() == depth {
        let whole = branches.len() == 1 && first.count > 0;
        return whole.then_some(Subtree { hash: first.hash, count: first.count });
    }
    if depth >= MAX_DEPTH {
        return None;
    }
    let mut children = [Subtree::EMPTY; 16];
    let mut rest = branches;
    for (nibble, child) in (0u8..).zip(&mut children) {
        let own = rest.iter().take_while(|branch| branch.path.get(depth) == Some(&nibble)).count();
        *child = fold(&rest[..own], depth + 1, built)?;
        rest = &rest[own..];
    }
    let joined = join(&children);
    // A record alone stands as high as it can.
    if !rest.is_empty() || joined.count < 2 {
        return None;
    }
    built(&first.path[..depth], crate::node::inner_node(&children));
    Some(joined)
}

/// Leaves of the log in one part: 1 MiB of hashes.
pub const LEAVES: u64 = 1 << 15;

/// Bytes of keys and values in a branch, and of a stretch of blocks, unless a single one is longer: 1 MiB.
pub(crate) const PART_BYTES: usize = 1 << 20;

/// Most branches.
const MAX_BRANCHES: usize = 1 << 16;

/// Nibbles of a place.
pub(crate) const MAX_DEPTH: usize = 64;

/// Most epochs that are known one after the other.
const MAX_KNOWN: usize = 4096;

/// Most keys that a hand-over shows.
const MAX_SHOWN: usize = 16;

/// A manifest has at most 12 MiB.
pub(crate) const MANIFEST: Limits = Limits { bytes: 12 << 20, depth: 8 };

/// A certificate has at most 4 MiB.
pub(crate) const CERTIFICATE: Limits = Limits { bytes: 4 << 20, depth: 8 };

/// A part has at most 3 MiB.
pub(crate) const PART: Limits = Limits { bytes: 3 << 20, depth: 8 };
