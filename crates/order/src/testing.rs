//! A chain and transactions for the tests.

use std::ops::Range;

use crypto::{Digest, SigningKey};
use ledger::{SignedTransaction, Transaction, Validator, VerifiedTransaction};
use wire::{Bytes, Fixed};

/// A chain that there is no ledger of.
pub(crate) struct Chain;

impl Chain {
    pub(crate) fn id(&self) -> Digest {
        Digest::from([1; 32])
    }
}

/// The validator at a place, with its first key.
pub(crate) fn validator(at: u8) -> Validator {
    Validator::new(format!("v{at}"), SigningKey::from_seed(&seed(at, 0)).public())
}

/// Of at most fifteen members, each with at most sixteen keys.
pub(crate) fn seed(at: u8, generation: u8) -> [u8; 32] {
    let mut seed = [at + 1; 32];
    seed[31] ^= generation << 4;
    seed
}

/// A call by a sender; `number` makes it distinct.
pub(crate) fn signed_by(chain: &Chain, sender: u8, number: u64, expires: u64) -> VerifiedTransaction {
    signed(chain, sender, number, expires, number.to_be_bytes().to_vec())
}

pub(crate) fn signed(chain: &Chain, sender: u8, number: u64, expires: u64, arguments: Vec<u8>) -> VerifiedTransaction {
    let key = SigningKey::from_seed(&[100 + sender; 32]);
    let mut nonce = [sender; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let transaction = Transaction {
        chain: chain.id(),
        sender: key.public(),
        nonce: Fixed(nonce),
        expires,
        contract: "counter".into(),
        method: "count".into(),
        arguments: Bytes(arguments),
    };
    VerifiedTransaction::verify(transaction.sign(&key), &chain.id()).expect("the tests sign well")
}

pub(crate) fn bundle(chain: &Chain, sender: u8, numbers: Range<u64>) -> Vec<VerifiedTransaction> {
    numbers.map(|number| signed_by(chain, sender, number, 1_000_000)).collect()
}

pub(crate) fn call(chain: &Chain, number: u64) -> SignedTransaction {
    signed_by(chain, 0, number, 1_000_000).into_signed()
}
