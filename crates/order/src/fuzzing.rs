//! What fuzzers feed: everything about the ordering that reads bytes of a peer, or of whoever hands out a certificate. Guided in
//! `fuzz/`; seeded here.

use commonware_codec::{Decode as _, Encode as _};
use crypto::{Digest, SigningKey};
use ledger::{Epoch, Validator, VerifiedTransaction};

use crate::certificate::Certificate;
use crate::committee::Committee;
use crate::gossip;
use crate::slate::{Rules, Slate};

/// Certificates.
pub fn certificate(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::from_bytes(bytes) {
        assert_eq!(certificate.to_bytes(), bytes);
        let _ = certificate.verify(&committee());
    }
}

/// Slates, as they travel and as they stand on disk.
pub fn slate(bytes: &[u8]) {
    if let Ok(slate) = Slate::decode_cfg(bytes::Bytes::copy_from_slice(bytes), &Rules { chain: chain() }) {
        assert_eq!(slate.encode(), bytes);
        assert_eq!((slate.ids().len() as u64, slate.size()), (slate.header().count, bytes.len()));
    }
}

/// Pages of transactions that validators pass on.
pub fn page(bytes: &[u8]) {
    if let Ok(page) = gossip::parse(bytes) {
        assert_eq!(wire::to_vec(&page), bytes);
        let _ = VerifiedTransaction::verify_all(page.into_iter().flatten().collect(), &chain());
    }
}

/// Four validators, whose keys anyone knows.
fn committee() -> Committee {
    let validator = |at: u8| Validator { name: format!("v{at}"), key: key(at).public(), ml_dsa: None };
    Committee::new(chain(), &Epoch { number: 3, validators: (1..=4).map(validator).collect() })
}

fn key(at: u8) -> SigningKey {
    SigningKey::from_seed(&[at; 32])
}

fn chain() -> Digest {
    Digest::from([7; 32])
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use ledger::{SignedTransaction, Transaction};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
    use wire::{Bytes, Fixed};

    use super::*;
    use crate::certificate::Vote;
    use crate::slate::Claims;

    /// What reads bytes, and some that are right.
    type Target = (&'static str, fn(&[u8]), fn(&Samples) -> &Vec<Vec<u8>>);

    /// By the names that they have in `fuzz/`.
    const TARGETS: [Target; 3] = [
        ("order_certificate", certificate, |samples| &samples.certificates),
        ("order_slate", slate, |samples| &samples.slates),
        ("order_page", page, |samples| &samples.pages),
    ];

    struct Samples {
        certificates: Vec<Vec<u8>>,
        slates: Vec<Vec<u8>>,
        pages: Vec<Vec<u8>>,
    }

    static SAMPLES: LazyLock<Samples> = LazyLock::new(Samples::new);

    impl Samples {
        fn new() -> Self {
            let slates: Vec<Slate> = (0..3).map(slate_of).collect();
            let certificates = slates.iter().map(certified);
            Self {
                certificates: certificates.map(|certificate| certificate.to_bytes()).collect(),
                slates: slates.iter().map(|slate| slate.encode().to_vec()).collect(),
                pages: (0..3)
                    .map(|bundles| wire::to_vec(&(0..bundles).map(|at| calls(at + 1)).collect::<Vec<_>>()))
                    .collect(),
            }
        }
    }

    fn calls(count: u8) -> Vec<SignedTransaction> {
        let call = |at: u8| Transaction {
            chain: chain(),
            sender: key(9).public(),
            nonce: Fixed([at; 16]),
            expires: 60_000,
            contract: "counter".into(),
            method: "count".into(),
            arguments: Bytes(vec![at; usize::from(at)]),
        };
        (0..count).map(|at| call(at).sign(&key(9))).collect()
    }

    fn slate_of(count: u8) -> Slate {
        let claims = Claims {
            chain: chain(),
            epoch: 3,
            height: 20,
            parent: Digest::from([1; 32]),
            time: 5_000,
            executed: 18,
            executed_header: Digest::from([2; 32]),
        };
        Slate::unverified(claims, calls(count))
    }

    fn certified(slate: &Slate) -> Certificate {
        let committee = committee();
        let mut certificate = Certificate { header: slate.header().clone(), view: 30, parent_view: 29, votes: vec![] };
        let message = certificate.signed();
        for place in 0..committee.quorum() {
            let signer = (1..=4).map(key).find(|key| key.public() == committee.at(place).unwrap().key).unwrap();
            certificate.votes.push(Vote { place: place as u64, signature: signer.sign_raw(&message) });
        }
        certificate
    }

    /// Changes bytes as a fuzzer does: single bits and bytes, heads of CBOR, cuts, repetitions, and parts of another sample.
    fn change(dice: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
        let mut below = |most: usize| dice.next_u64() as usize % most.max(1);
        for _ in 0..1 + below(4) {
            let at = below(bytes.len() + 1);
            let end = (at + below(40)).min(bytes.len());
            match below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << below(8),
                1 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0x9b, 0x9f, 0x5b, 0xff, 0x1b, 0x18][below(10)],
                2 => drop(bytes.drain(at..end)),
                3 => drop(bytes.splice(at..at, (0..below(17)).map(|_| below(256) as u8).collect::<Vec<_>>())),
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

    fn feed((name, target, samples): Target, seeds: Range<u64>) {
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
        for bytes in &SAMPLES.certificates {
            Certificate::from_bytes(bytes).unwrap().verify(&committee()).unwrap();
        }
        for bytes in &SAMPLES.slates {
            Slate::decode_cfg(bytes::Bytes::from(bytes.clone()), &Rules { chain: chain() }).unwrap();
        }
        for bytes in &SAMPLES.pages {
            let page = gossip::parse(bytes).unwrap();
            let verified = VerifiedTransaction::verify_all(page.into_iter().flatten().collect(), &chain());
            assert!(verified.iter().all(Result::is_ok));
        }
    }

    #[test]
    fn noise_never_panics() {
        TARGETS.into_iter().for_each(|target| feed(target, 0..2_000));
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
            let (begun, mut seed) = (Instant::now(), 2_000);
            while begun.elapsed() < Duration::from_secs(20) {
                feed(target, seed..seed + 200);
                seed += 200;
            }
            eprintln!("{}: {seed} inputs", target.0);
        }
    }
}
