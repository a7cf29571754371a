//! What fuzzers feed: modules, as anybody registers them; those that are taken are run. Guided in `fuzz/`; seeded here.

use crypto::{Digest, PublicKey};
use wire::Fixed;

use crate::{Call, Code, Entry, Error, Fault, Reads, Role, Run, Sender, Verifier, bounds};

/// Refused, or run twice with the same end: never anything else.
pub fn module(bytes: &[u8]) {
    let code = match Code::compile(bytes) {
        Ok(code) => code,
        Err(Error::Refused(_)) => return,
        Err(fault) => panic!("{fault}"),
    };
    assert_eq!(Code::check(bytes), Ok(()));
    for entry in [Entry::Method("add".into()), Entry::Migrate { from: 1 }, Entry::Alarm("noon".into())] {
        let run = || run(&code, entry.clone());
        let first = run();
        assert!(first.fuel <= FUEL);
        assert_eq!(run(), first);
    }
}

fn run(code: &Code, entry: Entry) -> Run {
    // The array of one text, `wren`.
    let arguments = vec![0x81, 0x64, b'w', b'r', b'e', b'n'];
    let sender = Sender { key: PublicKey(Fixed([3; 32])), member: Some("harbour".into()), role: Role::Operator };
    let call = Call { entry, arguments, sender, height: 7, time: 1_795_000_000_000, fuel: FUEL };
    code.run(&Echo, call).expect("this machine does its part")
}

/// A state that holds something under every other key; and a verifier, under every other name, to which every other proof proves itself.
struct Echo;

impl Reads for Echo {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(is_odd(key).then(|| key.to_vec()))
    }

    fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
        let verifier = Verifier { digest: Digest::from([7; 32]), fuel: 50_000 };
        Ok(is_odd(name.as_bytes()).then_some(verifier))
    }

    fn verify(&self, name: &str, proof: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        assert!(is_odd(name.as_bytes()) && proof.len() <= bounds::MAX_PROOF);
        Ok(is_odd(proof).then(|| proof.to_vec()))
    }
}

fn is_odd(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 2 == 1
}

const FUEL: u64 = bounds::MAX_FUEL / 10;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;
    use crate::Stop;

    fn seeds() -> Vec<Vec<u8>> {
        let text = r#"(module
            (import "sottovoce" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
            (import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
            (import "sottovoce" "sha256" (func $hash (param i32 i32 i32)))
            (import "sottovoce" "verifier" (func $verifier (param i32 i32 i32) (result i32)))
            (import "sottovoce" "verify_proof" (func $prove (param i32 i32 i32 i32 i32 i32) (result i32)))
            (type $step (func (param i32) (result i32)))
            (memory (export "memory") 1 4)
            (table 3 funcref)
            (global $last (mut f64) (f64.const 0.5))
            (elem (i32.const 0) $twice $fall)
            (data (i32.const 8) "key")
            (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
            (func $fall (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (call_indirect (type $step) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
                    (else (memory.grow (i32.const 1)))))
            (func (export "allocate") (param i32) (result i32) i32.const 1024)
            (func (export "call") (param i32 i32 i32 i32) (local $i i32)
                (loop $again
                    (local.set $i (call_indirect (type $step) (i32.add (local.get $i) (i32.const 1)) (i32.const 0)))
                    (global.set $last (f64.div (global.get $last) (f64.convert_i32_u (local.get $i))))
                    (br_if $again (i32.lt_u (local.get $i) (i32.const 500))))
                (memory.fill (i32.const 64) (i32.const 7) (i32.const 100))
                (memory.copy (i32.const 200) (i32.const 64) (local.get 1))
                (call $hash (local.get 0) (local.get 1) (i32.const 96))
                (drop (call $get (i32.const 8) (i32.const 3) (i32.const 96) (i32.const 32)))
                (drop (call $fall (i32.const 40)))
                (drop (call $verifier (i32.const 8) (i32.const 3) (i32.const 256)))
                (drop (call $prove (i32.const 8) (i32.const 3) (local.get 0) (local.get 1) (i32.const 256) (i32.const 64)))
                (f64.store (i32.const 16) (global.get $last))
                (call $put (i32.const 8) (i32.const 3) (i32.const 16) (i32.const 112))))"#;
        vec![
            wat::parse_str(text).expect("it is written right"),
            include_bytes!("../../../samples/contracts/bookings/bookings-1.wasm").to_vec(),
            include_bytes!("../../../samples/contracts/bookings/bookings-2.wasm").to_vec(),
            include_bytes!("../../../samples/contracts/facts/facts.wasm").to_vec(),
        ]
    }

    #[test]
    fn the_seeds_run() {
        for seed in seeds() {
            let code = Code::compile(&seed).expect("it is a contract");
            let run = run(&code, Entry::Method("add".into()));
            // The last one has no such method.
            let does =
                run.end.map_or_else(|end| end == Stop::Refused("unknown_method".into()), |one| !one.writes.is_empty());
            assert!(does);
            module(&seed);
        }
    }

    #[test]
    fn fuzz_seeds() {
        for (at, bytes) in seeds().iter().enumerate() {
            module(bytes);
            keep("wasm_module", at, bytes);
        }
    }

    /// Gives a sample to the guided target of that name, where the environment says where its corpus is.
    fn keep(name: &str, at: usize, bytes: &[u8]) {
        let Some(corpus) = std::env::var_os("FUZZ_CORPUS") else { return };
        let place = std::path::Path::new(&corpus).join(name);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(format!("seed-{at}")), bytes).unwrap();
    }

    /// Noise, or one of the seeds with a few changes.
    fn inputs() -> impl Strategy<Value = Vec<u8>> {
        let changed = |(which, changes, cut): (prop::sample::Index, Vec<_>, Option<prop::sample::Index>)| {
            let seeds = seeds();
            let mut bytes = which.get(&seeds).clone();
            for (at, byte) in changes {
                let at: prop::sample::Index = at;
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            bytes
        };
        let change = (any::<prop::sample::Index>(), any::<u8>());
        let cut = prop::option::weighted(0.1, any::<prop::sample::Index>());
        prop_oneof![
            1 => prop::collection::vec(any::<u8>(), 0..200),
            9 => (any::<prop::sample::Index>(), prop::collection::vec(change, 1..4), cut).prop_map(changed),
        ]
    }

    fn whole(bytes: Vec<u8>) -> Result<(), TestCaseError> {
        module(&bytes);
        Ok(())
    }

    #[test]
    fn noise_never_panics() {
        let mut runner = TestRunner::new(Config { cases: 400, ..Config::default() });
        runner.run(&inputs(), whole).expect("none panics");
    }

    #[test]
    #[ignore = "fuzz: some seconds, run by .ci/run"]
    fn fuzz_minute() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
            runner.run(&inputs(), whole).expect("none panics");
        }
    }
}
