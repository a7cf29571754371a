//! What a principal signs, and the proof that it was checked.

use std::sync::{Arc, LazyLock};
use std::thread;

use crypto::{Digest, Label, PublicKey, Signature, SigningKey, hash};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use wire::{Bytes, Fixed};

/// What fixes a chain for good; its digest is the chain's name.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Genesis {
    /// For people: 1–64 bytes.
    #[n(0)]
    pub name: String,
    /// When the chain was founded, Unix milliseconds; the time of the first header.
    #[n(1)]
    pub created: u64,
    /// What [`crate::Application::genesis`] is given.
    #[n(2)]
    pub application: Bytes,
    /// Random, so that two chains never share a name.
    #[n(3)]
    pub nonce: Fixed<16>,
}

impl Genesis {
    /// The chain: `H(GENESIS, [cbor])`.
    pub fn chain(&self) -> Digest {
        hash(Label::GENESIS, &[&wire::to_vec(self)])
    }
}

/// A call of one method of one contract by one key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct Transaction {
    /// [`Genesis::chain`] of the only chain on which it is valid.
    #[n(0)]
    pub chain: Digest,
    /// Who signs.
    #[n(1)]
    pub sender: PublicKey,
    /// Random, so that the same call can be made twice on purpose.
    #[n(2)]
    pub nonce: Fixed<16>,
    /// Last moment, exclusive, Unix milliseconds; at most [`EXPIRY_WINDOW`] after the block's time.
    #[n(3)]
    pub expires: u64,
    /// Contract: 1–32 characters of `a-z 0-9 _ -`.
    #[n(4)]
    pub contract: String,
    /// Method: 1–32 characters of `a-z 0-9 _ -`.
    #[n(5)]
    pub method: String,
    /// Canonical CBOR that the method defines; at most [`MAX_ARGUMENTS`].
    #[n(6)]
    pub arguments: Bytes,
}

impl Transaction {
    /// The identity and idempotency key: `H(TRANSACTION, [cbor])`. It does not cover the signature.
    pub fn id(&self) -> Digest {
        hash(Label::TRANSACTION, &[&wire::to_vec(self)])
    }

    /// Signs with a key in memory, which must be [`Transaction::sender`]'s.
    pub fn sign(self, key: &SigningKey) -> SignedTransaction {
        let signature = key.sign(Label::TRANSACTION, &wire::to_vec(&self));
        SignedTransaction { transaction: self, signature }
    }

    /// Signs with a key that stays in a store: `signer` is given label and message.
    ///
    /// # Errors
    /// Those of `signer`.
    pub fn sign_with<E>(
        self,
        signer: impl FnOnce(Label, &[u8]) -> Result<Signature, E>,
    ) -> Result<SignedTransaction, E> {
        let signature = signer(Label::TRANSACTION, &wire::to_vec(&self))?;
        Ok(SignedTransaction { transaction: self, signature })
    }

    /// As [`Transaction::sign_with`], for the chain that it names: a signature that the sender has just made needs no check.
    ///
    /// # Errors
    /// What `signer` fails with, and [`Refusal::Malformed`], [`Refusal::Oversize`].
    pub fn make_with<E: From<Refusal>>(
        self,
        signer: impl FnOnce(Label, &[u8]) -> Result<Signature, E>,
    ) -> Result<VerifiedTransaction, E> {
        self.check_form()?;
        let bytes = wire::to_vec(&self);
        let signature = signer(Label::TRANSACTION, &bytes)?;
        let id = hash(Label::TRANSACTION, &[&bytes]);
        Ok(VerifiedTransaction::new(SignedTransaction { transaction: self, signature }, id, bytes.len() + SIGNATURE))
    }

    /// Everything that can be said of its form without a clock, a chain or a key.
    fn check_form(&self) -> Result<(), Refusal> {
        for (field, name) in [("contract", &self.contract), ("method", &self.method)] {
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
            if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(good) {
                return Err(Refusal::Malformed(format!("{field} is not 1 to {MAX_NAME} characters of a-z 0-9 _ -")));
            }
        }
        match self.arguments.len() {
            found if found > MAX_ARGUMENTS => Err(Refusal::Oversize { found, limit: MAX_ARGUMENTS }),
            _ => Ok(()),
        }
    }
}

/// A transaction as it travels: not yet checked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct SignedTransaction {
    /// What is signed.
    #[n(0)]
    pub transaction: Transaction,
    /// Under [`Label::TRANSACTION`], over the transaction's canonical CBOR.
    #[n(1)]
    pub signature: Signature,
}

impl SignedTransaction {
    /// [`Transaction::id`].
    pub fn id(&self) -> Digest {
        self.transaction.id()
    }

    /// Canonical CBOR.
    pub fn to_bytes(&self) -> Vec<u8> {
        wire::to_vec(self)
    }

    /// Reads canonical CBOR from an untrusted sender.
    ///
    /// # Errors
    /// [`Refusal::Oversize`], [`Refusal::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        wire::from_slice(bytes, wire::Limits::small()).map_err(|source| match source {
            wire::Error::TooLong { found, limit } => Refusal::Oversize { found, limit },
            source => Refusal::Malformed(source.to_string()),
        })
    }
}

/// A transaction whose form, chain and signature were checked; having one is the proof. A clone shares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction(Arc<Verified>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verified {
    signed: SignedTransaction,
    id: Digest,
    size: usize,
}

impl VerifiedTransaction {
    fn new(signed: SignedTransaction, id: Digest, size: usize) -> Self {
        Self(Arc::new(Verified { signed, id, size }))
    }

    /// Checks form, chain and signature. Expiry and replay are checked when a block is made, by its time.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::Oversize`], [`Refusal::WrongChain`], [`Refusal::BadSignature`].
    pub fn verify(signed: SignedTransaction, chain: &Digest) -> Result<Self, Refusal> {
        Self::verify_share(vec![signed], chain).pop().expect("one result for one transaction")
    }

    /// Some, one after the other.
    fn verify_share(signed: Vec<SignedTransaction>, chain: &Digest) -> Vec<Result<Self, Refusal>> {
        let encoded = |SignedTransaction { transaction, .. }: &SignedTransaction| {
            transaction.check_form()?;
            match transaction.chain == *chain {
                true => Ok(wire::to_vec(transaction)),
                false => Err(Refusal::WrongChain { found: transaction.chain, expected: *chain }),
            }
        };
        let encoded: Vec<Result<Vec<u8>, Refusal>> = signed.iter().map(encoded).collect();
        let whole = signed.iter().zip(&encoded);
        let whole =
            whole.filter_map(|(one, bytes)| Some((one.transaction.sender, &**bytes.as_ref().ok()?, &one.signature)));
        let mut verified = PublicKey::verify_all(Label::TRANSACTION, whole).into_iter();
        let results = signed.into_iter().zip(encoded).map(|(signed, bytes)| {
            let bytes = bytes?;
            verified.next().expect("every well-formed one was verified").map_err(|_| Refusal::BadSignature)?;
            Ok(Self::new(signed, hash(Label::TRANSACTION, &[&bytes]), bytes.len() + SIGNATURE))
        });
        results.collect()
    }

    /// [`VerifiedTransaction::verify`] for many, on all cores; results in the same order.
    pub fn verify_all(signed: Vec<SignedTransaction>, chain: &Digest) -> Vec<Result<Self, Refusal>> {
        // Asked once: the answer is read from files of the system.
        static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));
        let share = signed.len().div_ceil(*CORES).max(MIN_SHARE);
        if signed.len() <= share {
            return Self::verify_share(signed, chain);
        }
        thread::scope(|scope| {
            let mut own = signed;
            let mut others = own.split_off(share);
            let mut workers = Vec::new();
            while !others.is_empty() {
                let rest = others.split_off(share.min(others.len()));
                let share = std::mem::replace(&mut others, rest);
                workers.push(scope.spawn(move || Self::verify_share(share, chain)));
            }
            let mut verified = Self::verify_share(own, chain);
            for worker in workers {
                verified.extend(worker.join().expect("verification does not panic"));
            }
            verified
        })
    }

    /// [`Transaction::id`].
    pub fn id(&self) -> Digest {
        self.0.id
    }

    /// What was signed.
    pub fn transaction(&self) -> &Transaction {
        &self.0.signed.transaction
    }

    /// With its signature.
    pub fn signed(&self) -> &SignedTransaction {
        &self.0.signed
    }

    /// With its signature, by value.
    pub fn into_signed(self) -> SignedTransaction {
        Arc::unwrap_or_clone(self.0).signed
    }

    /// Bytes of its canonical CBOR, with its signature.
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// Whether it may enter a block of this time.
    ///
    /// # Errors
    /// [`Refusal::Expired`], [`Refusal::ExpiryTooFar`].
    pub fn check_expiry(&self, time: u64) -> Result<(), Refusal> {
        let expires = self.transaction().expires;
        if expires <= time {
            return Err(Refusal::Expired { expires, time });
        }
        if expires - time > EXPIRY_WINDOW {
            return Err(Refusal::ExpiryTooFar { expires, time });
        }
        Ok(())
    }
}

/// Why a transaction does not enter a block. It leaves no trace on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its bytes or fields are not of the required form.
    #[error("the transaction is malformed: {0}")]
    Malformed(String),
    /// It is too long.
    #[error("the transaction has {found} bytes where at most {limit} are accepted")]
    Oversize {
        /// Bytes found.
        found: usize,
        /// Bytes accepted.
        limit: usize,
    },
    /// It was signed for another chain.
    #[error("the transaction is for chain {found}, this is chain {expected}")]
    WrongChain {
        /// Chain named by the transaction.
        found: Digest,
        /// This chain.
        expected: Digest,
    },
    /// Its signature does not verify under its sender's key.
    #[error("the transaction's signature does not verify")]
    BadSignature,
    /// Its time has passed.
    #[error("the transaction expired at {expires}, the block's time is {time}")]
    Expired {
        /// Unix milliseconds.
        expires: u64,
        /// Unix milliseconds.
        time: u64,
    },
    /// It would stay valid for too long.
    #[error("the transaction expires at {expires}, more than an hour after the block's time {time}")]
    ExpiryTooFar {
        /// Unix milliseconds.
        expires: u64,
        /// Unix milliseconds.
        time: u64,
    },
    /// It is already on the ledger, or twice in one block; [`crate::Ledger::committed`] tells its outcome.
    #[error("the transaction {id} is already on the ledger")]
    Replayed {
        /// The transaction.
        id: Digest,
    },
}

impl Refusal {
    /// The stable, machine-readable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Oversize { .. } => "oversize",
            Self::WrongChain { .. } => "wrong_chain",
            Self::BadSignature => "bad_signature",
            Self::Expired { .. } => "expired",
            Self::ExpiryTooFar { .. } => "expiry_too_far",
            Self::Replayed { .. } => "replayed",
        }
    }
}

/// A transaction may expire at most this long after the block's time: one hour, in milliseconds.
pub const EXPIRY_WINDOW: u64 = 60 * 60 * 1000;

/// Longest arguments in bytes.
pub const MAX_ARGUMENTS: usize = 60 * 1024;

/// Longest contract or method name in bytes.
const MAX_NAME: usize = 32;

/// Bytes around a transaction: the array's head and the signature.
const SIGNATURE: usize = 1 + 2 + 64;

/// Below this many signatures per thread, starting a thread costs more than it saves.
const MIN_SHARE: usize = 64;
