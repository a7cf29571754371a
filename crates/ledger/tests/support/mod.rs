//! A small application, keys and clocks for the tests.
#![allow(dead_code)]

use std::sync::Arc;

use crypto::{Digest, SigningKey};
use ledger::{
    Application, Context, Effects, Epoch, Event, Failure, Genesis, Ledger, SignedTransaction, State, Transaction,
    Validator, VerifiedTransaction, Write,
};
use wire::{Bytes, Fixed};

/// `map.put` sets `arguments[1..=n]` (n = `arguments[0]`) to the rest, `map.remove` removes it, `map.stamp` writes the
/// block's time, `map.validators` replaces the epoch, `map.flood` does too much, anything else is refused.
pub(crate) struct Map;

impl Application for Map {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![Write::put("epoch", application)])
    }

    fn execute(
        &self,
        state: &dyn State,
        context: &Context,
        transaction: &VerifiedTransaction,
    ) -> Result<Effects, Failure> {
        let transaction = transaction.transaction();
        let arguments = &transaction.arguments;
        let split = || arguments.split_first().and_then(|(n, rest)| rest.split_at_checked(usize::from(*n)));
        let (key, value) = split().ok_or_else(|| Failure::refuse("bad_arguments", "no key"))?;
        let key = [b"map/", key].concat();
        let write = match transaction.method.as_str() {
            "put" => Write::put(key.clone(), value),
            "remove" if state.get(&key)?.is_none() => return Err(Failure::refuse("no_such_key", "nothing to remove")),
            "remove" => Write::remove(key.clone()),
            "stamp" => Write::put(key.clone(), context.time.to_be_bytes()),
            "validators" => Write::put("epoch", value),
            "flood" => Write::put(key.clone(), vec![0; 2 << 20]),
            _ => return Err(Failure::refuse("no_such_method", "unknown")),
        };
        let events = vec![Event { name: transaction.method.clone(), data: Bytes(key) }];
        Ok(Effects { writes: vec![write], events })
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        let bytes = state.get(b"epoch")?.expect("the genesis writes it");
        Ok(wire::from_slice(&bytes, wire::Limits::small()).expect("the tests write valid epochs"))
    }
}

pub(crate) const NOW: u64 = 1_700_000_000_000;

/// Four validators: `a`, `b`, `c`, `d`.
pub(crate) fn validators() -> Vec<(String, SigningKey)> {
    ["a", "b", "c", "d"]
        .iter()
        .zip(1..)
        .map(|(name, seed)| ((*name).into(), SigningKey::from_seed(&[seed; 32])))
        .collect()
}

pub(crate) fn epoch(number: u64, keys: &[(String, SigningKey)]) -> Epoch {
    let validators = keys.iter().map(|(name, key)| Validator { name: name.clone(), key: key.public() }).collect();
    Epoch { number, validators }
}

pub(crate) fn genesis() -> Genesis {
    let application = Bytes(wire::to_vec(&epoch(0, &validators())));
    Genesis { name: "test".into(), created: NOW, application, nonce: Fixed([1; 16]) }
}

pub(crate) fn sender() -> SigningKey {
    SigningKey::from_seed(&[99; 32])
}

/// A `map` call; `nonce` makes it distinct.
pub(crate) fn call(method: &str, key: &[u8], value: &[u8], nonce: u64, expires: u64) -> SignedTransaction {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&nonce.to_be_bytes());
    let mut arguments = vec![u8::try_from(key.len()).expect("short keys")];
    arguments.extend_from_slice(key);
    arguments.extend_from_slice(value);
    let transaction = Transaction {
        chain: genesis().chain(),
        sender: sender().public(),
        nonce: Fixed(bytes),
        expires,
        contract: "map".into(),
        method: method.into(),
        arguments: Bytes(arguments),
    };
    transaction.sign(&sender())
}

pub(crate) fn put(key: &[u8], value: &[u8], nonce: u64) -> VerifiedTransaction {
    verified(call("put", key, value, nonce, NOW + 1_000_000))
}

pub(crate) fn verified(signed: SignedTransaction) -> VerifiedTransaction {
    VerifiedTransaction::verify(signed, &genesis().chain()).expect("the tests sign well")
}

pub(crate) fn memory() -> Ledger {
    Ledger::open_backend(redb::backends::InMemoryBackend::new(), Arc::new(Map), genesis()).expect("memory suffices")
}

/// Has these validators cosign a block.
pub(crate) fn cosign(ledger: &Ledger, height: u64, keys: &[(String, SigningKey)]) -> (usize, bool) {
    let checkpoint = ledger.durable_checkpoint(height).unwrap();
    let cosign =
        |key: &SigningKey| checkpoint.cosign(NOW / 1000, |message| Ok::<_, ()>(key.sign_raw(message))).unwrap();
    let cosignatures: Vec<_> = keys.iter().map(|(name, key)| (name.clone(), cosign(key))).collect();
    ledger.add_cosignatures(height, &cosignatures).unwrap()
}

/// The roots of all trees of a log, recomputed from its entries.
pub(crate) fn roots(ledger: &Ledger) -> Vec<Digest> {
    let mut frontier = crypto::merkle::Frontier::default();
    let mut roots = vec![frontier.root()];
    for entry in ledger.entries(0, u64::MAX).unwrap() {
        frontier.push(entry.leaf(), |_, _, _| {});
        roots.push(frontier.root());
    }
    roots
}
