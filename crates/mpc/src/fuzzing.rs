//! What fuzzers feed: everything that reads bytes of a peer, or of a disk. Guided in `fuzz/`; seeded here.

/// Bytes inside a link's TLS.
pub fn message(bytes: &[u8]) {
    crate::net::noise::message(bytes);
}

/// Bodies of a party's frames.
pub fn frame(bytes: &[u8]) {
    crate::net::noise::frame(bytes);
}

/// The description of a program.
pub fn program(bytes: &[u8]) {
    crate::runner::noise::program(bytes);
}

/// What a disk gives back as a checkpoint.
pub fn checkpoint(bytes: &[u8]) {
    crate::runner::noise::checkpoint(bytes);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::net::noise::{frames, messages};
    use crate::net::sim::Dice;
    use crate::runner::noise::{checkpoints, programs};

    /// What reads bytes, and what makes some that are right.
    type Target = (&'static str, fn(&[u8]), fn(&mut Dice) -> Vec<u8>);

    /// By the names that they have in `fuzz/`.
    const TARGETS: [Target; 4] = [
        ("message", super::message, messages),
        ("frame", super::frame, frames),
        ("program", super::program, programs),
        ("checkpoint", super::checkpoint, checkpoints),
    ];

    /// Changes bytes as a fuzzer does: single bits and bytes, edges, cuts, insertions, repetitions, and parts of another sample.
    fn change(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len() as u64 + 1) as usize;
            let some = dice.below(17) as usize;
            let end = (at + some).min(bytes.len());
            match dice.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
                1 if at < bytes.len() => bytes[at] = dice.draw() as u8,
                2 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, 0x1a, 0x1b, 0x9f][dice.below(8) as usize],
                3 => drop(bytes.drain(at..end)),
                4 => drop(bytes.splice(at..at, (0..some).map(|_| dice.draw() as u8))),
                5 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                6 => bytes.truncate(at),
                _ => {
                    let from = dice.below(other.len() as u64 + 1) as usize;
                    let piece = other[from..(from + some).min(other.len())].to_vec();
                    bytes.splice(at..end, piece);
                }
            }
        }
    }

    fn feed((name, target, right): Target, seeds: std::ops::Range<u64>) {
        for seed in seeds {
            let mut dice = Dice::new(seed);
            let (mut bytes, other) = (right(&mut dice), right(&mut dice));
            if dice.chance(20) {
                bytes = (0..dice.below(300)).map(|_| dice.draw() as u8).collect();
            } else if dice.chance(950) {
                change(&mut dice, &mut bytes, &other);
            }
            // What panics is told with its seed.
            let caught = std::panic::catch_unwind(|| target(&bytes));
            assert!(caught.is_ok(), "{name}, seed {seed}: {}", wire::text::to_hex(&bytes));
        }
    }

    #[test]
    fn noise_never_panics() {
        TARGETS.into_iter().for_each(|target| feed(target, 0..1_500));
    }

    #[test]
    fn fuzz_seeds() {
        for (name, target, right) in TARGETS {
            for seed in 0..40 {
                let bytes = right(&mut Dice::new(seed));
                target(&bytes);
                keep(name, seed as usize, &bytes);
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
            let (begun, mut seed) = (Instant::now(), 1_500);
            while begun.elapsed() < Duration::from_secs(15) {
                feed(target, seed..seed + 200);
                seed += 200;
            }
            eprintln!("{}: {seed} inputs", target.0);
        }
    }
}
