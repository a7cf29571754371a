//! Proofs that contracts have verified: what they get, what it costs, and that it is paid before.

use wasm::bounds::{MAX_FUEL, MAX_PROOF};
use wasm::{Call, Code, Error, Fault, Reads, Refusal, Role, Run, Sender, Stop, Verifier};
use wire::Fixed;

fn module(parts: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {parts})")).expect("it is written right")
}

fn call(arguments: &[u8]) -> Call {
    let sender = Sender { key: crypto::PublicKey(Fixed([5; 32])), member: Some("harbour".into()), role: Role::Node };
    Call::method("do", arguments.to_vec(), sender, 12, 1_795_000_000_000)
}

/// Registers `tideland`, to which what begins with `true ` proves what follows.
struct Tideland;

impl Reads for Tideland {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
        Ok((name == "tideland").then_some(Verifier { digest: crypto::Digest::from([9; 32]), fuel: 300_000 }))
    }

    fn verify(&self, name: &str, proof: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        assert_eq!(name, "tideland");
        Ok(proof.strip_prefix(b"true ").map(<[u8]>::to_vec))
    }
}

/// A contract that asks for proofs to be verified, and keeps 32 bytes of its memory from 64 on.
fn asking(body: &str) -> Vec<u8> {
    module(&format!(
        r#"(import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
        (import "sottovoce" "verifier" (func $verifier (param i32 i32 i32) (result i32)))
        (import "sottovoce" "verify_proof" (func $prove (param i32 i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 4) (data (i32.const 0) "tideland") (data (i32.const 16) "Tideland")
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        (func (export "call") (param i32 i32 i32 i32) {body}
            (call $put (local.get 0) (local.get 1) (i32.const 64) (i32.const 32)))"#
    ))
}

/// What such a contract keeps, with these arguments; and the fuel of the call.
fn asked(body: &str, arguments: &[u8]) -> (Result<Vec<u8>, Stop>, u64) {
    let code = Code::compile(&asking(body)).expect("it is a contract");
    let run = || code.run(&Tideland, call(arguments)).expect("this machine does its part");
    let Run { end, fuel, .. } = run();
    assert_eq!((&end, fuel), (&run().end, run().fuel));
    (end.map(|effects| effects.writes[b"do".as_slice()].clone().expect("it is written")), fuel)
}

#[test]
fn proofs_are_verified_at_a_price_that_is_paid_before() {
    // The result at 64, what is proven from 68 on, into a room of 8 bytes.
    let prove = "(i32.store (i32.const 64) (call $prove (i32.const 0) (i32.const 8) (local.get 2) (local.get 3) (i32.const 68) (i32.const 8)))";
    let kept = |arguments: &[u8]| {
        let kept = asked(prove, arguments).0.expect("it does something");
        let (result, proven) = kept.split_at(4);
        (i32::from_le_bytes(result.try_into().unwrap()), proven[..8].to_vec())
    };
    assert_eq!(kept(b"true harbour"), (7, b"harbour\0".to_vec()));
    assert_eq!(kept(b"true "), (0, vec![0; 8]));
    // What does not fit is not written.
    assert_eq!(kept(b"true lighthouse"), (10, vec![0; 8]));
    assert_eq!(kept(b"false harbour"), (-2, vec![0; 8]));
    assert_eq!(kept(b""), (-2, vec![0; 8]));
    let stranger = prove.replace("(i32.const 8) (local.get 2)", "(i32.const 4) (local.get 2)");
    assert_eq!(asked(&stranger, b"true harbour").0.unwrap()[..4], (-1_i32).to_le_bytes());

    let empty = asked("", b"true harbour").1;
    let instructions = 9;
    let paid = 100 + 20_000 + 8 + 32 * 12;
    assert_eq!(asked(prove, b"true harbour").1 - empty, instructions + paid + 300_000 + 7);
    assert_eq!(asked(prove, b"fals harbour").1 - empty, instructions + paid + 300_000);
    assert_eq!(asked(&stranger, b"true harbour").1 - empty, instructions + paid - 4);

    // Where less is left nothing is verified: this one would panic.
    struct Never;
    impl Reads for Never {
        fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            Tideland.get(key)
        }
        fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
            Tideland.verifier(name)
        }
        fn verify(&self, _: &str, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            unreachable!("it was not paid")
        }
    }
    let code = Code::compile(&asking(prove)).expect("it is a contract");
    for fuel in [1, 100, 20_000, 100_000, 300_000, paid + 300_000] {
        let run = code.run(&Never, Call { fuel, ..call(b"true harbour") }).expect("this machine does its part");
        assert_eq!(run.end, Err(Stop::Fuel { limit: fuel }));
    }
    // Nor where nobody registers any.
    struct Nothing;
    impl Reads for Nothing {
        fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
            Ok(None)
        }
    }
    let run = code.run(&Nothing, call(b"true harbour")).expect("this machine does its part");
    assert_eq!(run.end.unwrap().writes[b"do".as_slice()].as_ref().unwrap()[..4], (-1_i32).to_le_bytes());
}

#[test]
fn contracts_can_tell_verifiers_apart() {
    let tell = "(i32.store8 (i32.const 64) (call $verifier (i32.const 0) (i32.const 8) (i32.const 65)))";
    let told = asked(tell, b"").0.unwrap();
    assert_eq!((told[0], &told[1..]), (1, &[9; 31][..]));
    let other = asked(&tell.replace("(i32.const 8)", "(i32.const 7)"), b"").0.unwrap();
    assert_eq!(other, [0; 32]);
    assert_eq!(asked(tell, b"").1 - asked("", b"").1, 6 + 100 + 10_000 + 8 + 32);
}

#[test]
fn proofs_and_names_have_their_bounds() {
    let prove = |name: &str, proof: &str, place: &str| format!("(drop (call $prove {name} {proof} {place}))");
    let good = ("(i32.const 0) (i32.const 8)", "(local.get 2) (local.get 3)", "(i32.const 68) (i32.const 8)");
    let long = format!("(i32.const 0) (i32.const {})", MAX_PROOF + 1);
    for (body, why) in [
        (prove("(i32.const 16) (i32.const 8)", good.1, good.2), "a name has"),
        (prove("(i32.const 0) (i32.const 0)", good.1, good.2), "a name has"),
        (prove("(i32.const 0) (i32.const 33)", good.1, good.2), "a name has"),
        (prove("(i32.const 262143) (i32.const 8)", good.1, good.2), "outside"),
        (prove(good.0, "(i32.const 262140) (i32.const 8)", good.2), "outside"),
        (prove(good.0, "(i32.const -1) (i32.const 8)", good.2), "outside"),
        (prove(good.0, good.1, "(i32.const 262140) (i32.const 8)"), "outside"),
        (prove(good.0, good.1, "(i32.const -1) (i32.const 8)"), "outside"),
        (prove(good.0, &long, good.2), "a proof has"),
        ("(drop (call $verifier (i32.const 0) (i32.const 8) (i32.const 262140)))".into(), "outside"),
        ("(drop (call $verifier (i32.const 16) (i32.const 8) (i32.const 64)))".into(), "a name has"),
    ] {
        match asked(&body, b"true harbour").0 {
            Err(Stop::Trap(told)) => assert!(told.contains(why), "{body}: {told}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    // Where nothing is to be written any place will do; a length that nobody can pay for ends by fuel.
    assert!(asked(&prove(good.0, good.1, "(i32.const -1) (i32.const 0)"), b"true harbour").0.is_ok());
    let endless = prove(good.0, "(i32.const 0) (i32.const -1)", good.2);
    assert_eq!(asked(&endless, b"").0, Err(Stop::Fuel { limit: MAX_FUEL }));
    // Another type is another function, which there is not.
    let text = r#"(import "sottovoce" "verify_proof" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) i32.const 0)
        (func (export "call") (param i32 i32 i32 i32))"#;
    assert!(matches!(Code::compile(&module(text)), Err(Error::Refused(Refusal::Import { .. }))));
}
