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
    let validators =
        keys.iter().map(|(name, key)| Validator { name: name.clone(), key: key.public(), ml_dsa: None }).collect();
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

/// Rooms for changes that are not at their places, from none to all that the tests make.
pub(crate) const ROOMS: [usize; 4] = [0, 600, 6_000, 64 << 20];

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

/// The ML-DSA key of the validator at a place.
pub(crate) fn ml_dsa(at: usize) -> crypto::mldsa::SigningKey {
    crypto::mldsa::SigningKey::from_seed(crypto::Secret::new([u8::try_from(at).expect("few validators") + 1; 32]))
}

/// An epoch of the four validators that demands ML-DSA.
pub(crate) fn demanding(number: u64) -> Epoch {
    let mut epoch = epoch(number, &validators());
    for (at, validator) in epoch.validators.iter_mut().enumerate() {
        validator.ml_dsa = Some(ml_dsa(at).public());
    }
    epoch
}

/// A validator's cosignature with both its keys.
pub(crate) fn cosign_both(checkpoint: &ledger::Checkpoint, at: usize, time: u64) -> (String, ledger::Cosignature) {
    let (name, key) = validators().swap_remove(at);
    let cosignature = checkpoint.cosign(time, |message| Ok::<_, ()>(key.sign_raw(message))).unwrap();
    let signer = |label, message: &[u8]| Ok::<_, ()>(ml_dsa(at).sign(label, message));
    let cosignature = checkpoint.cosign_ml_dsa(&name, cosignature, signer).unwrap();
    (name, cosignature)
}

/// A log of which block 2 turns ML-DSA on: blocks 2 and 4 are cosigned by a quorum, as their epochs 0 and 1 demand.
pub(crate) fn turned_on() -> (Ledger, Vec<Digest>) {
    let ledger = memory();
    let mut ids = Vec::new();
    let mut send = |transaction: VerifiedTransaction| {
        ids.push(transaction.id());
        ledger.propose(vec![transaction], NOW).expect("the tests send what fits");
    };
    send(put(b"old", b"1", 1));
    send(verified(call("validators", b"x", &wire::to_vec(&demanding(1)), 2, NOW + 1_000_000)));
    send(put(b"new", b"2", 3));
    send(put(b"newer", b"3", 4));
    cosign(&ledger, 2, &validators()[..3]);
    let checkpoint = ledger.durable_checkpoint(4).unwrap();
    let both: Vec<_> = [1, 2, 3].map(|at| cosign_both(&checkpoint, at, NOW / 1000)).into();
    assert_eq!(ledger.add_cosignatures(4, &both).unwrap(), (3, true));
    (ledger, ids)
}

/// Both epochs of [`turned_on`].
pub(crate) fn turning() -> ledger::Consortium {
    let mut consortium = ledger::Consortium::new(&genesis());
    consortium.epochs.push(epoch(0, &validators()).pinned(0));
    consortium.epochs.push(demanding(1).pinned(2));
    consortium
}
