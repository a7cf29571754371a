//! A small application, a chain and transactions for the tests.

use std::ops::Range;
use std::sync::Arc;

use crypto::{Digest, SigningKey};
use ledger::{
    Application, Consortium, Context, Effects, Epoch, Event, Failure, Genesis, Ledger, SignedTransaction, State,
    Transaction, Validator, VerifiedTransaction, Write,
};
use redb::StorageBackend;
use wire::{Bytes, Fixed};

/// A chain of four validators.
pub(crate) struct Chain {
    genesis: Genesis,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::of(4)
    }

    pub(crate) fn of(validators: u8) -> Self {
        let epoch = Epoch { number: 0, validators: (0..validators).map(|at| validator(at, 0)).collect() };
        let genesis = Genesis {
            name: "test".into(),
            created: 0,
            application: Bytes(wire::to_vec(&epoch)),
            nonce: Fixed([1; 16]),
        };
        Self { genesis }
    }

    pub(crate) fn id(&self) -> Digest {
        self.genesis.chain()
    }

    pub(crate) fn ledger_on(&self, backend: impl StorageBackend) -> Arc<Ledger> {
        let ledger = Ledger::open_backend(backend, Arc::new(Counter), self.genesis.clone());
        let ledger = ledger.expect("the backend opens");
        // Far less than a node's, so that changes go to their places.
        ledger.keep_changes(2_000);
        Arc::new(ledger)
    }
}

/// A member's place among all and the generation of its key, as its name and key tell.
pub(crate) fn who(validator: &Validator) -> (u8, u8) {
    let at = validator.name[1..].parse().expect("the tests' names end in a number");
    let generation = (0..16).find(|generation| validator.key == key(at, *generation).public());
    (at, generation.expect("few rotations"))
}

pub(crate) fn validator(at: u8, generation: u8) -> Validator {
    Validator { name: format!("v{at}"), key: key(at, generation).public(), ml_dsa: None }
}

pub(crate) fn key(at: u8, generation: u8) -> SigningKey {
    SigningKey::from_seed(&seed(at, generation))
}

/// Of at most fifteen members, each with at most sixteen keys.
pub(crate) fn seed(at: u8, generation: u8) -> [u8; 32] {
    let mut seed = [at + 1; 32];
    seed[31] ^= generation << 4;
    seed
}

/// The epoch that orders, and the block after which it began.
pub(crate) fn ordering(ledger: &Ledger) -> (Epoch, u64) {
    let view = ledger.view().expect("it reads");
    let (number, base) = ordered(&*view).expect("it reads");
    (ledger.epoch(number).expect("it reads").expect("it is kept"), base)
}

/// The consortium file that this ledger's member would hand out.
pub(crate) fn consortium(ledger: &Ledger) -> Consortium {
    let mut consortium = Consortium::new(ledger.genesis());
    let view = ledger.view().expect("it reads");
    for number in 0..=ledger.head().epoch {
        if let Some(epoch) = ledger.epoch(number).expect("it reads") {
            consortium.epochs.push(epoch.pinned(view.epoch_start(number).expect("it reads")));
        }
    }
    consortium
}

fn ordered(state: &dyn State) -> Result<(u64, u64), Failure> {
    let Some(bytes) = state.get(b"ordering")? else { return Ok((0, 0)) };
    Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("it was written well"))
}

/// The newest epoch of validators, whether it orders or not.
pub(crate) fn epoch_in(state: &dyn State) -> Epoch {
    epoch(state).expect("it reads")
}

fn epoch(state: &dyn State) -> Result<Epoch, Failure> {
    let bytes = state.get(b"epoch")?.expect("the genesis writes it");
    Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("the tests write valid epochs"))
}

/// Writes each transaction's arguments under its nonce and counts them; `validators` names the next epoch, and `begin` has the newest
/// one order.
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
        let call = transaction.transaction();
        match &*call.method {
            "validators" => {
                let next: Epoch = wire::from_slice(&call.arguments, wire::Limits::small())
                    .map_err(|error| Failure::refuse("malformed", error.to_string()))?;
                if next.number != epoch(state)?.number + 1 {
                    return Err(Failure::refuse("stale", "of another epoch than the next"));
                }
                return Ok(Effects { writes: vec![Write::put("epoch", call.arguments.to_vec())], events: vec![] });
            }
            "begin" => {
                let now = epoch(state)?.number;
                if ordered(state)?.0 >= now {
                    return Err(Failure::refuse("stale", "it orders already"));
                }
                let begun = Write::put("ordering", wire::to_vec(&(now, context.height)));
                return Ok(Effects { writes: vec![begun], events: vec![] });
            }
            _ => {}
        }
        let count =
            state.get(b"count")?.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?))).unwrap_or(0);
        let record = [b"record/".as_slice(), call.nonce.as_bytes()].concat();
        let writes = vec![
            Write::put("count", (count + 1).to_be_bytes()),
            Write::put(record, [context.time.to_be_bytes().as_slice(), &call.arguments[..]].concat()),
        ];
        Ok(Effects { writes, events: vec![Event { name: "counted".into(), data: Bytes(vec![]) }] })
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        epoch(state)
    }
}

/// A call by a sender; `number` makes it distinct.
pub(crate) fn signed_by(chain: &Chain, sender: u8, number: u64, expires: u64) -> VerifiedTransaction {
    signed(chain, sender, number, expires, "count", number.to_be_bytes().to_vec())
}

pub(crate) fn signed(
    chain: &Chain,
    sender: u8,
    number: u64,
    expires: u64,
    method: &str,
    arguments: Vec<u8>,
) -> VerifiedTransaction {
    let key = SigningKey::from_seed(&[100 + sender; 32]);
    let mut nonce = [sender; 16];
    nonce[..8].copy_from_slice(&number.to_be_bytes());
    let transaction = Transaction {
        chain: chain.id(),
        sender: key.public(),
        nonce: Fixed(nonce),
        expires,
        contract: "counter".into(),
        method: method.into(),
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
