//! What fuzzers feed: everything about the log and the state that reads bytes of a peer, of a file or of a witness. Guided in
//! `fuzz/`; seeded here.

use std::sync::{Arc, LazyLock};

use redb::backends::InMemoryBackend;
use wire::{Bytes, Fixed, Limits};

use crate::snapshot::MANIFEST;
use crate::{
    AddCheckpoint, Application, Block, Certificate, Committed, Consortium, Context, Effects, Epoch, Failure, Genesis,
    Handover, Ledger, Manifest, Note, PinnedWitnesses, ProvenState, Receipt, SignedTransaction, State, Tile, Validator,
    VerifiedTransaction, WitnessKey, Write,
};

/// Signed transactions, as anybody submits them.
pub fn transaction(bytes: &[u8]) {
    if let Ok(signed) = SignedTransaction::from_bytes(bytes) {
        assert_eq!(signed.to_bytes(), bytes);
        let id = signed.id();
        if let Ok(verified) = VerifiedTransaction::verify(signed, &genesis().chain()) {
            assert_eq!(verified.id(), id);
            let _ = verified.check_expiry(1_000);
        }
    }
}

/// Blocks, as nodes hand them on; those that parse are executed.
pub fn block(bytes: &[u8]) {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(ledger);
    if let Ok(block) = wire::from_slice::<Block>(bytes, Limits { bytes: 1 << 20, depth: 24 }) {
        assert_eq!(wire::to_vec(&block), bytes);
        if LEDGER.apply(&block, 1_000, false).is_ok() {
            let kept = LEDGER.block(block.header.height);
            assert_eq!(kept.expect("it reads").map(|kept| kept.header), Some(block.header));
        }
    }
}

/// Records of the log, as they stand in its entries.
pub fn record(bytes: &[u8]) {
    if let Ok(committed) = Committed::from_bytes(3, bytes) {
        assert_eq!(committed.to_bytes(), bytes);
        let _ = committed.leaf();
    }
}

/// Paths of tiles, and their bytes after a line end.
pub fn tile(bytes: &[u8]) {
    let line_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (path, content) = (&bytes[..line_end], bytes.get(line_end + 1..).unwrap_or_default());
    let Ok(path) = std::str::from_utf8(path) else { return };
    if let Ok(tile) = path.parse::<Tile>() {
        assert_eq!(tile.to_string(), path);
        let width = usize::from(tile.width());
        assert!(tile.read_hashes(content).is_none_or(|hashes| hashes.len() == width));
        assert!(tile.read_entries(content).is_none_or(|entries| entries.len() == width));
        let _ = (tile.is_within(u64::MAX), tile.parent(u64::MAX), tile.records_path());
    }
}

/// Notes, as a node publishes them.
pub fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = text.parse::<WitnessKey>();
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text);
        let _ = note.verify(&consortium());
    }
}

/// What a witness is asked.
pub fn witness(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(request) = text.parse::<AddCheckpoint>() {
        assert_eq!(request.to_string(), text);
        let last = request.note.danger_unverified();
        let _ = (request.decide(None, &consortium()), request.decide(Some(last), &consortium()));
    }
}

/// Proofs of state.
pub fn state(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(proof) = ProvenState::parse(text) {
        assert_eq!(proof.to_string(), text);
        let _ = proof.verify(&consortium());
    }
}

/// Receipts.
pub fn receipt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text);
        if let Ok(verified) = receipt.verify(&consortium()) {
            let key = WitnessKey::new("w", crypto::SigningKey::from_seed(&[8; 32]).public());
            let witnesses = PinnedWitnesses::new(key, None, &consortium());
            let _ = witnesses.expect("it is no validator's").attest(verified.testimony.as_ref());
        }
    }
}

/// Manifests and certificates of snapshots, hand-overs of epochs, and parts, as nodes hand them on.
pub fn snapshot(bytes: &[u8]) {
    static LEDGER: LazyLock<Ledger> = LazyLock::new(ledger);
    let mut trust = LEDGER.trust();
    if let Ok(manifest) = wire::from_slice::<Manifest>(bytes, MANIFEST) {
        assert_eq!(wire::to_vec(&manifest), bytes);
        let _ = manifest.verify();
        let none = |_| Err(std::io::ErrorKind::NotFound.into());
        for part in manifest.parts().into_iter().take(8) {
            let _ = Ledger::check_part(&manifest, part, bytes, &none);
        }
    }
    if let Ok(certificate) = Certificate::parse(bytes)
        && let Some(last) = certificate.headers.last()
    {
        let _ = trust.certify(last, &certificate);
    }
    if let Ok(handover) = wire::from_slice::<Handover>(bytes, Limits { bytes: 1 << 20, depth: 24 }) {
        assert_eq!(wire::to_vec(&handover), bytes);
        let _ = LEDGER.follow(&mut trust, handover);
    }
}

/// Whose word is taken: four validators, whose keys anyone knows.
fn consortium() -> Consortium {
    let validator = |at: u8| Validator {
        name: format!("v{at}"),
        key: crypto::SigningKey::from_seed(&[at; 32]).public(),
        ml_dsa: None,
    };
    let epochs = vec![Epoch { number: 0, validators: (1..=4).map(validator).collect() }.pinned(0)];
    let chain = genesis().chain();
    Consortium { format: Consortium::FORMAT.into(), name: "t".into(), chain, epochs, oracles: vec![] }
}

/// Writes what it is called with.
struct Map;

impl Application for Map {
    fn genesis(&self, _: &[u8]) -> Result<Vec<Write>, Failure> {
        Ok(vec![])
    }

    fn execute(&self, _: &dyn State, _: &Context, call: &VerifiedTransaction) -> Result<Effects, Failure> {
        let arguments = call.transaction().arguments.to_vec();
        Ok(Effects { writes: vec![Write::put(arguments.clone(), arguments)], events: vec![] })
    }

    fn epoch(&self, _: &dyn State) -> Result<Epoch, Failure> {
        Ok(consortium().epochs[0].epoch())
    }
}

fn genesis() -> Genesis {
    Genesis { name: "t".into(), created: 1_000, application: Bytes::default(), nonce: Fixed([1; 16]) }
}

/// An empty one, in memory.
fn ledger() -> Ledger {
    Ledger::open_backend(InMemoryBackend::new(), Arc::new(Map), genesis()).expect("memory opens")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crypto::{Digest, SigningKey};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

    use super::*;
    use crate::Transaction;

    /// What reads bytes, and what is right.
    type Target = (&'static str, fn(&[u8]), fn(&Samples) -> &Vec<Vec<u8>>);

    /// By the names that they have in `fuzz/`.
    const TARGETS: [Target; 9] = [
        ("ledger_transaction", transaction, |samples| &samples.transactions),
        ("ledger_block", block, |samples| &samples.blocks),
        ("ledger_record", record, |samples| &samples.records),
        ("log_tile", tile, |samples| &samples.tiles),
        ("log_note", note, |samples| &samples.notes),
        ("ledger_witness", witness, |samples| &samples.requests),
        ("ledger_state", state, |samples| &samples.proofs),
        ("ledger_receipt", receipt, |samples| &samples.receipts),
        ("ledger_snapshot", snapshot, |samples| &samples.snapshots),
    ];

    /// Tiles by path, with the bytes of each hash or entry and how many there are.
    const TILES: [(&str, usize, usize); 5] = [
        ("tile/0/x001/234.p/5", 32, 5),
        ("tile/1/000", 32, 256),
        ("tile/entries/001", 34, 256),
        ("tile/entries/x001/002.p/7", 34, 7),
        ("tile/3/x001/004.p/255", 32, 255),
    ];

    struct Samples {
        transactions: Vec<Vec<u8>>,
        blocks: Vec<Vec<u8>>,
        records: Vec<Vec<u8>>,
        tiles: Vec<Vec<u8>>,
        notes: Vec<Vec<u8>>,
        requests: Vec<Vec<u8>>,
        proofs: Vec<Vec<u8>>,
        receipts: Vec<Vec<u8>>,
        snapshots: Vec<Vec<u8>>,
    }

    static SAMPLES: LazyLock<Samples> = LazyLock::new(Samples::new);

    impl Samples {
        fn new() -> Self {
            let (genesis, ledger) = (genesis(), ledger());
            let key = SigningKey::from_seed(&[9; 32]);
            let mut ids = Vec::new();
            for height in 1..=3u8 {
                let call = |n: u8| Transaction {
                    chain: genesis.chain(),
                    sender: key.public(),
                    nonce: Fixed([n; 16]),
                    expires: 60_000,
                    contract: "map".into(),
                    method: "put".into(),
                    arguments: vec![height, n].into(),
                };
                let calls = (height * 4..height * 4 + 4).map(call).map(|call| call.sign(&key));
                let calls: Vec<_> =
                    calls.map(|call| VerifiedTransaction::verify(call, &genesis.chain()).unwrap()).collect();
                ids.push(calls[1].id());
                ledger.propose(calls, 1_000).unwrap();
                let checkpoint = ledger.checkpoint(height.into()).unwrap();
                let sign = |at: u8| {
                    let key = SigningKey::from_seed(&[at; 32]);
                    (format!("v{at}"), checkpoint.cosign(7, |bytes| Ok::<_, ()>(key.sign_raw(bytes))).unwrap())
                };
                ledger.add_cosignatures(height.into(), &(1..=3).map(sign).collect::<Vec<_>>()).unwrap();
            }
            let notes: Vec<Note> = (1..=3).map(|height| ledger.note(height).unwrap()).collect();
            let request = |old: u64, note: &Note| {
                let size = note.danger_unverified().size;
                let proof = if old == 0 { vec![] } else { ledger.consistency(old, size).unwrap() };
                AddCheckpoint { old, proof, note: note.clone() }.to_string()
            };
            // At the receipt's own checkpoint, and at a later one.
            let testified = |height: u64, path: Vec<Digest>| {
                let key = SigningKey::from_seed(&[8; 32]);
                let witness = WitnessKey::new("w", key.public()).unwrap();
                let cosignature =
                    ledger.checkpoint(height).unwrap().cosign(9, |bytes| Ok::<_, ()>(key.sign_raw(bytes)));
                let mut note = ledger.note(height).unwrap();
                assert!(note.add_line(&witness.line(&cosignature.unwrap())));
                let receipt = ledger.receipt(&ids[..1]).unwrap();
                receipt.with_testimony(&note, path, &consortium(), None).unwrap()
            };
            let testified = [testified(1, vec![]), testified(3, ledger.consistency(4, 12).unwrap())];
            let proof = |height, key: &[u8]| ledger.prove_state(height, key).unwrap().to_string();
            let blocks = ledger.blocks(1, 1 << 20).unwrap();
            let directory = tempfile::tempdir().unwrap();
            let made = ledger.snapshot(3, &directory.path().join("made")).unwrap();
            let certificate = ledger.certificate(1).unwrap();
            let shown = ledger.view().unwrap().prove(&[1, 5]).unwrap();
            let shown = crate::Shown { key: shown.key, value: shown.value, proof: shown.proof };
            let header = ledger.header(3).unwrap().unwrap();
            let handover = Handover { header, cosignatures: certificate.cosignatures.clone(), shown: vec![shown] };
            let texts = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
            Self {
                transactions: blocks.iter().map(|block| block.transactions[0].to_bytes()).collect(),
                records: ledger.entries(0, 4).unwrap().iter().map(Committed::to_bytes).collect(),
                blocks: blocks.iter().map(wire::to_vec).collect(),
                tiles: TILES
                    .map(|(path, length, width)| {
                        [path.as_bytes(), b"\n", &b"\0 0123456789abcdef0123456789abcdef"[34 - length..].repeat(width)]
                            .concat()
                    })
                    .to_vec(),
                requests: texts(&[request(0, &notes[0]), request(4, &notes[1]), request(4, &notes[2])]),
                notes: texts(&notes.iter().map(ToString::to_string).collect::<Vec<_>>()),
                proofs: texts(&[proof(1, &[1, 5]), proof(3, &[9]), proof(2, &[2, 9])]),
                snapshots: vec![wire::to_vec(made.manifest()), wire::to_vec(&certificate), wire::to_vec(&handover)],
                receipts: texts(
                    &[ledger.receipt(&ids).unwrap(), ledger.receipt(&ids[..1]).unwrap()]
                        .iter()
                        .chain(&testified)
                        .map(ToString::to_string)
                        .collect::<Vec<_>>(),
                ),
            }
        }
    }

    /// Changes bytes as a fuzzer does: single bits and bytes, digits, cuts, repetitions, and parts of another sample.
    fn change(dice: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
        let mut below = |most: usize| dice.next_u64() as usize % most.max(1);
        for _ in 0..1 + below(4) {
            let at = below(bytes.len() + 1);
            let end = (at + below(40)).min(bytes.len());
            match below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << below(8),
                1 if at < bytes.len() => bytes[at] = b"09aAzZ+/=\n x\xe2\xff"[below(14)],
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, (0..below(17)).map(|_| b'0' + below(10) as u8).collect::<Vec<_>>())),
                4 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                5 => bytes.truncate(at),
                _ => {
                    let from = below(other.len() + 1);
                    let piece = other[from..(from + below(80)).min(other.len())].to_vec();
                    bytes.splice(at..end, piece);
                }
            }
        }
    }

    fn feed((name, target, samples): Target, seeds: std::ops::Range<u64>) {
        let samples = samples(&SAMPLES);
        for seed in seeds {
            let mut dice = ChaCha8Rng::seed_from_u64(seed);
            let mut one = || samples[dice.next_u64() as usize % samples.len()].clone();
            let (mut bytes, other) = (one(), one());
            if !seed.is_multiple_of(50) {
                change(&mut dice, &mut bytes, &other);
            }
            // What panics is told with its seed.
            let caught = std::panic::catch_unwind(|| target(&bytes));
            assert!(caught.is_ok(), "{name}, seed {seed}: {}", wire::text::to_hex(&bytes));
        }
    }

    #[test]
    fn samples_are_right() {
        for (bytes, (path, length, width)) in SAMPLES.tiles.iter().zip(TILES) {
            let (tile, content) = (path.parse::<Tile>().unwrap(), &bytes[path.len() + 1..]);
            let read = if length == 32 { tile.read_hashes(content) } else { tile.read_entries(content) };
            assert_eq!(read.unwrap().len(), width, "{path}");
        }
        for (at, text) in SAMPLES.receipts.iter().enumerate() {
            Receipt::parse(std::str::from_utf8(text).unwrap()).unwrap_or_else(|_| panic!("receipt {at}"));
        }
        for text in &SAMPLES.notes {
            Note::parse(std::str::from_utf8(text).unwrap()).unwrap().verify(&consortium()).unwrap();
        }
        for bytes in &SAMPLES.transactions {
            VerifiedTransaction::verify(SignedTransaction::from_bytes(bytes).unwrap(), &genesis().chain()).unwrap();
        }
    }

    #[test]
    fn noise_never_panics() {
        TARGETS.into_iter().for_each(|target| feed(target, 0..600));
    }

    #[test]
    fn fuzz_seeds() {
        for (name, target, samples) in TARGETS {
            for (at, bytes) in samples(&SAMPLES).iter().enumerate() {
                target(bytes);
                keep(name, at, bytes);
            }
        }
    }

    /// Gives a sample to the guided target of that name, where the environment says where its corpus is.
    fn keep(name: &str, at: usize, bytes: &[u8]) {
        let Some(corpus) = std::env::var_os("FUZZ_CORPUS") else { return };
        let place = std::path::Path::new(&corpus).join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("seed-{at}")), bytes).unwrap();
    }

    /// A minute of it in all; the seeds begin where the short test ends.
    #[test]
    #[ignore = "fuzz: a minute, run by .ci/run"]
    fn fuzz_minute() {
        for target in TARGETS {
            let (begun, mut seed) = (Instant::now(), 600);
            while begun.elapsed() < Duration::from_secs(8) {
                feed(target, seed..seed + 200);
                seed += 200;
            }
            eprintln!("{}: {seed} inputs", target.0);
        }
    }
}
