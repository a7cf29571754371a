//! What honest validators have shown; whoever contradicts it ends the test.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};

use commonware_cryptography::{Hasher as _, Sha256};
use crypto::Digest;
use ledger::{Checkpoint, Committed, Consortium, Header, Receipt, Refusal};

/// Everything that must never be contradicted, and a digest of all events in their order.
#[derive(Default)]
pub(super) struct Record(Mutex<Shown>);

#[derive(Default)]
pub(super) struct Shown {
    /// Final slates by epoch and height.
    slates: BTreeMap<(u64, u64), Digest>,
    /// Blocks by height: header and state root.
    blocks: BTreeMap<u64, (Digest, Digest)>,
    /// What was answered as on the ledger, and in what order each member answered.
    pub(super) acknowledged: BTreeMap<Digest, Committed>,
    answered: BTreeMap<usize, Vec<Digest>>,
    pub(super) refused: Vec<(Digest, Refusal)>,
    /// Receipts as they were handed out.
    receipts: Vec<String>,
    /// Highest epoch that a block was cosigned in.
    pub(super) epochs: BTreeMap<u64, usize>,
    trace: [u8; 32],
}

impl Record {
    pub(super) fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().expect("no panic holds the record")
    }

    /// No two final slates at a height of an epoch.
    pub(super) fn slate(&self, member: usize, epoch: u64, height: u64, digest: Digest) {
        let mut shown = self.shown();
        let first = *shown.slates.entry((epoch, height)).or_insert(digest);
        assert_eq!(first, digest, "validator {member} has another final slate {height} of epoch {epoch}");
        shown.note(format_args!("slate {member} {epoch} {height} {digest}"));
    }

    /// No two blocks at a height, and one state root after it.
    pub(super) fn block(&self, member: usize, header: &Header) {
        let mut shown = self.shown();
        let (height, found) = (header.height, (header.digest(), header.state_root));
        let first = *shown.blocks.entry(height).or_insert(found);
        assert_eq!(first.1, found.1, "member {member} has another state after block {height}");
        assert_eq!(first.0, found.0, "member {member} has another block {height}");
        shown.note(format_args!("block {member} {height} {}", found.0));
    }

    /// What is acknowledged twice is acknowledged as the same, and stands in the block that it names.
    pub(super) fn acknowledge(&self, member: usize, id: Digest, committed: Committed) {
        let mut shown = self.shown();
        assert!(shown.blocks.contains_key(&committed.height), "member {member} acknowledged before there was a block");
        shown.note(format_args!("answer {member} {id} {}", committed.height));
        let first = shown.acknowledged.entry(id).or_insert_with(|| committed.clone());
        assert_eq!(*first, committed, "member {member} acknowledged a transaction as another did not");
        shown.answered.entry(member).or_default().push(id);
    }

    pub(super) fn refuse(&self, member: usize, id: Digest, refusal: Refusal) {
        let mut shown = self.shown();
        shown.note(format_args!("refusal {member} {id}"));
        shown.refused.push((id, refusal));
    }

    /// What a member acknowledged itself, oldest first.
    pub(super) fn answered(&self, member: usize) -> Vec<Digest> {
        self.shown().answered.get(&member).cloned().unwrap_or_default()
    }

    /// Its disk is replaced by an older one: it may lack what it acknowledged.
    pub(super) fn forget(&self, member: usize) {
        self.shown().answered.remove(&member);
    }

    /// Keeps a receipt that a member has handed out; it verifies.
    pub(super) fn issue(&self, member: usize, receipt: &Receipt, consortium: &Consortium) {
        let verified = receipt.verify(consortium).expect("a receipt verifies when it is handed out");
        let mut shown = self.shown();
        *shown.epochs.entry(verified.epoch).or_default() += 1;
        shown.note(format_args!("receipt {member} {}", verified.checkpoint.size));
        shown.receipts.push(receipt.to_string());
    }

    /// Every receipt ever handed out still verifies by a consortium file of now, and states what was acknowledged. Their checkpoints.
    pub(super) fn receipts_hold(&self, consortium: &Consortium) -> Vec<Checkpoint> {
        let shown = self.shown();
        let check = |text: &String| {
            let receipt = Receipt::parse(text).expect("it was written well");
            let verified = receipt.verify(consortium).expect("a receipt keeps verifying");
            for entry in &verified.entries {
                let id = entry.transaction.id();
                assert_eq!(shown.acknowledged.get(&id), Some(entry), "a receipt states what was not acknowledged");
            }
            verified.checkpoint
        };
        shown.receipts.iter().map(check).collect()
    }

    /// Digest of all that was shown, in its order: the same for the same seed.
    pub(super) fn trace(&self) -> [u8; 32] {
        self.shown().trace
    }

    pub(super) fn note(&self, event: impl Display) {
        self.shown().note(event);
    }
}

impl Shown {
    fn note(&mut self, event: impl Display) {
        let mut hasher = Sha256::default();
        hasher.update(&self.trace);
        hasher.update(event.to_string().as_bytes());
        self.trace = hasher.finalize().1.0;
        tracing::debug!(%event);
    }
}
