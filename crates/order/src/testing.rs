//! A small application, a chain and transactions for the tests.

use std::ops::Range;
use std::sync::Arc;

use crypto::{Digest, SigningKey};
use ledger::{
    Application, Context, Effects, Epoch, Event, Failure, Genesis, Ledger, SignedTransaction, State, Transaction,
    Validator, VerifiedTransaction, Write,
};
use redb::StorageBackend;
use wire::{Bytes, Fixed};

/// A chain of four validators.
pub(crate) struct Chain {
    pub(crate) genesis: Genesis,
    pub(crate) epoch: Epoch,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::of(4)
    }

    pub(crate) fn of(validators: u8) -> Self {
        let key = |at| SigningKey::from_seed(&[at + 1; 32]).public();
        let validators = (0..validators).map(|at| Validator { name: format!("v{at}"), key: key(at) }).collect();
        let epoch = Epoch { number: 0, validators };
        let genesis = Genesis {
            name: "test".into(),
            created: 0,
            application: Bytes(wire::to_vec(&epoch)),
            nonce: Fixed([1; 16]),
        };
        Self { genesis, epoch }
    }

    pub(crate) fn id(&self) -> Digest {
        self.genesis.chain()
    }

    pub(crate) fn ledger_on(&self, backend: impl StorageBackend) -> Arc<Ledger> {
        let ledger = Ledger::open_backend(backend, Arc::new(Counter), self.genesis.clone());
        Arc::new(ledger.expect("the backend opens"))
    }
}

/// Writes each transaction's arguments under its nonce and counts them.
struct Counter;

impl Application for Counter {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", application)])
    }

    fn execute(
        &self,
        state: &dyn State,
        context: &Context,
        transaction: &VerifiedTransaction,
    ) -> Result<Effects, Failure> {
        let count =
            state.get(b"count")?.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        let transaction = transaction.transaction();
        let record = [b"record/".as_slice(), transaction.nonce.as_bytes()].concat();
        let writes = vec![
            Write::put("count", (count + 1).to_be_bytes()),
            Write::put(record, [context.time.to_be_bytes().as_slice(), &transaction.arguments[..]].concat()),
        ];
        Ok(Effects { writes, events: vec![Event { name: "counted".into(), data: Bytes(vec![]) }] })
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        let bytes = state.get(b"epoch")?.expect("the genesis writes it");
        Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("the tests write valid epochs"))
    }
}

/// A call by a sender; `number` makes it distinct.
pub(crate) fn signed_by(chain: &Chain, sender: u8, number: u64, expires: u64) -> VerifiedTransaction {
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
        arguments: Bytes(number.to_be_bytes().to_vec()),
    };
    VerifiedTransaction::verify(transaction.sign(&key), &chain.id()).expect("the tests sign well")
}

pub(crate) fn bundle(chain: &Chain, sender: u8, numbers: Range<u64>) -> Vec<VerifiedTransaction> {
    numbers.map(|number| signed_by(chain, sender, number, 1_000_000)).collect()
}

pub(crate) fn call(chain: &Chain, number: u64) -> SignedTransaction {
    signed_by(chain, 0, number, 1_000_000).into_signed()
}
