//! Orders signed transactions into an authenticated, crash-safe log with checkpoints and receipts.
//!
//! A [`Ledger`] runs an [`Application`] over blocks of [`VerifiedTransaction`]s. It keeps a transparency log (RFC 9162)
//! whose leaves prove outcomes, a world state with proofs of presence and absence, and the validators' cosignatures of
//! its checkpoints (C2SP). A [`Receipt`] carries all of that to a reader who holds nothing but the [`Consortium`] file.
//! The format pages are `docs/spec/ledger.md`, `docs/spec/receipt.md` and `docs/spec/consortium.md`.
//!
//! ```
//! use crypto::SigningKey;
//! use ledger::{Genesis, Refusal, Transaction, VerifiedTransaction};
//! use wire::{Bytes, Fixed};
//!
//! let genesis = Genesis { name: "trial".into(), created: 1_000, application: Bytes::default(), nonce: Fixed([7; 16]) };
//! let key = SigningKey::generate();
//! let transaction = Transaction {
//!     chain: genesis.chain(),
//!     sender: key.public(),
//!     nonce: Fixed(crypto::random()),
//!     expires: 61_000,
//!     contract: "assets".into(),
//!     method: "register".into(),
//!     arguments: Bytes(vec![1, 2, 3]),
//! };
//! let signed = transaction.sign(&key);
//! assert!(VerifiedTransaction::verify(signed.clone(), &genesis.chain()).is_ok());
//! // On another chain the same bytes mean nothing.
//! assert!(matches!(VerifiedTransaction::verify(signed, &crypto::sha256(&[])), Err(Refusal::WrongChain { .. })));
//! ```
//!
//! Public: what is signed ([`Transaction`], [`Genesis`]), what is agreed ([`Block`], [`Header`], [`Outcome`]), what runs
//! ([`Application`], [`State`]), what keeps it ([`Ledger`], [`View`]), what orders it ([`Ordering`], [`Solo`]), what
//! proves it offline ([`Consortium`], [`Checkpoint`], [`Receipt`], [`ProvenState`]), what others mirror and witness
//! ([`tile`], [`Note`], [`AddCheckpoint`]), and what a newcomer begins with ([`Snapshot`], [`Manifest`], [`Trust`]).

#![forbid(unsafe_code)]

mod application;
mod block;
mod checkpoint;
mod consortium;
mod error;
mod execution;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hashes;
mod ledger;
mod memory;
mod node;
mod note;
mod ordering;
mod pending;
mod proof;
mod receipt;
mod runs;
mod seen;
mod snapshot;
mod state;
mod store;
mod testimony;
pub mod tile;
mod transaction;
mod tree;
mod witness;

pub use application::{Application, Context, Effects, Failure, Limits, Pair, State, Unreadable, Write};
pub use block::{Block, Committed, Event, Header, OK, Outcome};
pub use checkpoint::{Checkpoint, Cosignature, key_id, ml_dsa_key_id};
pub use consortium::{Consortium, ConsortiumError, Epoch, Oracles, PinnedEpoch, Validator};
pub use error::Error;
pub use ledger::{
    HISTORY, Kept, Ledger, MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_SKEW, Proposed, RECALL, Snapshot, Staged,
};
pub use note::{MAX_NOTE, Note, NoteError, VerifiedNote, WitnessKey};
pub use ordering::{Callback, Ordering, Solo, Submit, Unavailable};
pub use proof::{ProvenState, VerifiedState};
pub use receipt::{Receipt, ReceiptError, VerifiedReceipt};
pub use snapshot::{
    Branch, Certificate, CosignedBy, Handover, LEAVES, Manifest, Part, Shown, SnapshotError, Stretch, Trust,
};
pub use state::{Proven, StateProof, View};
pub use testimony::{PinnedWitnesses, Unattested, VerifiedTestimony};
pub use tile::{Tile, TileKind};
pub use transaction::{
    EXPIRY_WINDOW, Genesis, MAX_ARGUMENTS, Refusal, SignedTransaction, Transaction, VerifiedTransaction,
};
pub use witness::{AddCheckpoint, MAX_ADD_CHECKPOINT, Unwitnessed};
