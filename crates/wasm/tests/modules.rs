//! Which modules are taken, and how calls end.

use proptest::prelude::*;
use wasm::bounds::{MAX_EVENTS, MAX_FUEL, MAX_LOCALS, MAX_MODULE, MAX_PAGES};
use wasm::{Call, Code, Entry, Error, Fault, Reads, Refusal, Role, Run, Sender, Stop};
use wire::Fixed;

struct Nothing;

impl Reads for Nothing {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }
}

/// A contract whose `call` has this body, among other parts of a module; `call`'s parameters are the method's place and length and the
/// arguments'.
fn contract(parts: &str, body: &str) -> Vec<u8> {
    module(&format!(
        r#"(import "sottovoce" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
        (import "sottovoce" "emit" (func $emit (param i32 i32 i32 i32 i32 i32)))
        (import "sottovoce" "caller_key" (func $key (param i32)))
        (import "sottovoce" "sha256" (func $hash (param i32 i32 i32)))
        (import "sottovoce" "ed25519_verify" (func $verify (param i32 i32 i32 i32) (result i32)))
        (import "sottovoce" "block_time" (func $time (result i64)))
        (import "sottovoce" "refuse" (func $refuse (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        {parts}
        (func (export "call") (param i32 i32 i32 i32) {body})"#
    ))
}

fn module(parts: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {parts})")).expect("it is written right")
}

fn call(arguments: &[u8]) -> Call {
    let sender = Sender { key: crypto::PublicKey(Fixed([5; 32])), member: Some("harbour".into()), role: Role::Node };
    Call::method("do", arguments.to_vec(), sender, 12, 1_795_000_000_000)
}

fn run(bytes: &[u8]) -> Run {
    Code::compile(bytes).expect("it is a contract").run(&Nothing, call(b"")).expect("this machine does its part")
}

fn refusal(bytes: &[u8]) -> Refusal {
    match Code::compile(bytes) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn trap(bytes: &[u8]) -> String {
    match run(bytes).end {
        Err(Stop::Trap(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_sees_its_block_its_sender_and_its_arguments_and_changes_the_state() {
    let bytes = contract(
        "",
        "(call $key (i32.const 0))
         (i64.store (i32.const 32) (call $time))
         (memory.copy (i32.const 40) (local.get 2) (local.get 3))
         (call $put (local.get 0) (local.get 1) (i32.const 0) (i32.add (i32.const 40) (local.get 3)))
         (call $emit (local.get 0) (local.get 1) (local.get 0) (local.get 1) (local.get 0) (i32.const 0))",
    );
    let code = Code::compile(&bytes).expect("it is a contract");
    assert_eq!(code.digest(), wasm::digest(&bytes));
    assert!(!code.migrates());
    let effects = code.run(&Nothing, call(b"\x61")).expect("it runs").end.expect("it does something");
    let expected = [&[5; 32][..], &1_795_000_000_000_u64.to_le_bytes(), b"\x61"].concat();
    assert_eq!(effects.writes[b"do".as_slice()].as_deref(), Some(&*expected));
    let event = &effects.events[0];
    assert_eq!((&*event.name, &*event.subject, &*event.detail), ("do", "do", ""));
    let migrate = Call { entry: Entry::Migrate { from: 1 }, ..call(b"") };
    assert!(matches!(code.run(&Nothing, migrate).expect("it runs").end, Err(Stop::Trap(_))));
}

#[test]
fn what_is_not_deterministic_or_not_bounded_is_refused() {
    let invalid = |parts: &str, body: &str| {
        let refusal = refusal(&contract(parts, body));
        assert!(matches!(refusal, Refusal::Invalid(_)), "{parts} {body}: {refusal}");
    };
    invalid("", "(drop (i32.atomic.load (i32.const 0)))");
    invalid("", "(drop (v128.const i64x2 0 0))");
    invalid("", "(drop (ref.null extern))");
    invalid("(func $again (return_call $again))", "");
    invalid("(memory 1)", "");
    invalid("(table 1 externref)", "");
    invalid("(table $t 1 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 1)))");
    invalid("(tag)", "");
    invalid("(data $late \"x\")", "");
    assert!(matches!(refusal(b"(module)"), Refusal::Invalid(_)));
    assert!(matches!(refusal(b""), Refusal::Invalid(_)));

    let own = |parts: &str| refusal(&module(parts));
    let entries = r#"(func (export "allocate") (param i32) (result i32) i32.const 0)
        (func (export "call") (param i32 i32 i32 i32))"#;
    assert!(matches!(own(&format!("(memory (export \"memory\") i64 1) {entries}")), Refusal::Invalid(_)));
    assert!(matches!(own(&format!("(memory (export \"memory\") 1 2 shared) {entries}")), Refusal::Invalid(_)));
    assert_eq!(own(entries), Refusal::Export("memory"));
    assert_eq!(own(&format!("(memory 1) {entries}")), Refusal::Export("memory"));
    assert_eq!(own("(memory (export \"memory\") 1)"), Refusal::Export("allocate"));
    let wrong = r#"(memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) i32.const 0)
        (func (export "call") (param i32))"#;
    assert_eq!(own(wrong), Refusal::Export("call"));
    assert_eq!(refusal(&contract("(func (export \"migrate\"))", "")), Refusal::Export("migrate"));
    assert_eq!(
        refusal(&contract("(global (export \"sottovoce:fuel\") i64 (i64.const 0))", "")),
        Refusal::Reserved("sottovoce:fuel".into())
    );
    assert_eq!(refusal(&contract("(start $start) (func $start)", "")), Refusal::Start);

    let import =
        |text: &str| matches!(own(&format!("{text} (memory (export \"memory\") 1) {entries}")), Refusal::Import { .. });
    assert!(import(r#"(import "env" "memory" (memory 1))"#) || import(r#"(import "env" "other" (func))"#));
    assert!(import(r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#));
    assert!(import(r#"(import "sottovoce" "random" (func (param i32)))"#));
    assert!(import(r#"(import "sottovoce" "caller_key" (func (param i64)))"#));
    assert!(import(r#"(import "sottovoce" "limit" (global i32))"#));

    let many = |what: &str, parts: &str| match refusal(&contract(parts, "")) {
        Refusal::TooMany { what: found, .. } => assert_eq!(found, what),
        other => panic!("{other}"),
    };
    many("locals in a function", &format!("(func (local {}))", "i32 ".repeat(MAX_LOCALS as usize + 1)));
    many("instructions in a function", &format!("(func {})", "nop ".repeat(20_000)));
    // What would take a compiler seconds: many targets, or many branches past many locals.
    let targets = " 0".repeat(3_000);
    many("units of labour for a compiler", &format!("(func (loop (br_table{targets} (i32.const 0))))"));
    let locals = "i64 ".repeat(MAX_LOCALS as usize);
    let branches = "(block (br_if 0 (i32.const 1)))".repeat(1_000);
    many("units of labour for a compiler", &format!("(func (local {locals}) {branches})"));
    many("parameters", &format!("(func (param {}))", "i32 ".repeat(33)));
    many("functions", &"(func)".repeat(3000));
    many("elements in a table", "(table 5000 funcref)");
    let large = format!("(memory (export \"memory\") {}) {entries}", MAX_PAGES + 1);
    assert!(matches!(own(&large), Refusal::TooMany { what: "pages of memory", .. }));
    let long = contract(&format!("(data (i32.const 0) \"{}\")", "x".repeat(MAX_MODULE)), "");
    assert!(matches!(refusal(&long), Refusal::TooLong { .. }));
    assert_eq!(refusal(&contract("(data (i32.const 65535) \"xy\")", "")), Refusal::Beginning);
    assert_eq!(refusal(&contract("(table 1 funcref) (elem (i32.const 1) $f) (func $f)", "")), Refusal::Beginning);
}

#[test]
fn no_loop_outlives_its_fuel() {
    let forever = ["(loop br 0)", "(loop (br_if 0 (i32.const 1)))", "(loop $l (block (br_table $l 0 (i32.const 0))))"];
    for body in forever {
        let Run { fuel, end, .. } = run(&contract("", body));
        assert_eq!(end, Err(Stop::Fuel { limit: MAX_FUEL }), "{body}");
        assert!(fuel <= MAX_FUEL && fuel > MAX_FUEL - 100, "{body}: {fuel}");
    }
    // Nor does a tree of calls, a fill by whole memories, or work of the host.
    let leaves: String = (1..30).map(|n| format!("(func $f{n} (call $f{0}) (call $f{0}))", n - 1)).collect();
    let tree = contract(&format!("(func $f0) {leaves}"), "(call $f29)");
    let fill = contract("", "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br 0))");
    let line = contract("", &"(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))".repeat(1000));
    let verify =
        contract("", "(loop (drop (call $verify (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (br 0))");
    for bytes in [tree, fill, line, verify] {
        assert_eq!(run(&bytes).end, Err(Stop::Fuel { limit: MAX_FUEL }));
    }
}

#[test]
fn deep_calls_end_by_the_bound_on_frames_and_not_by_the_machines_stack() {
    let small = contract("(func $fall (call $fall))", "(call $fall)");
    assert_eq!(run(&small).end, Err(Stop::Depth));
    // Frames as large as they can be: many locals that all live across the call, many operands.
    let locals = "i64 ".repeat(MAX_LOCALS as usize);
    let set: String =
        (0..MAX_LOCALS).map(|n| format!("(local.set {n} (i64.add (call $time) (i64.const {n})))")).collect();
    let sum: String =
        (0..MAX_LOCALS).map(|n| format!("(global.set $sum (i64.xor (global.get $sum) (local.get {n})))")).collect();
    let wide = contract(
        &format!("(global $sum (mut i64) (i64.const 0)) (func $fall (local {locals}) {set} (call $fall) {sum})"),
        "(call $fall)",
    );
    assert_eq!(run(&wide).end, Err(Stop::Depth));
    let operands = "(i64.load (i32.const 8)) ".repeat(2000);
    let tall = contract(&format!("(func $fall {operands} (call $fall) {})", "drop ".repeat(2000)), "(call $fall)");
    assert_eq!(run(&tall).end, Err(Stop::Depth));
    let parameters = "i64 ".repeat(32);
    let passed: String = (0..32).map(|n| format!("(local.get {n})")).collect();
    let zeros = "(i64.const 0) ".repeat(32);
    let fat =
        contract(&format!("(func $fall (param {parameters}) {passed} (call $fall))"), &format!("{zeros} (call $fall)"));
    assert_eq!(run(&fat).end, Err(Stop::Depth));
    // Through a table too; and what comes back gives its frame back.
    let table = "(type $f (func)) (table 1 funcref) (elem (i32.const 0) $fall)
        (func $fall (call_indirect (type $f) (i32.const 0)))";
    assert_eq!(run(&contract(table, "(call $fall)")).end, Err(Stop::Depth));
    let often = "(local $i i32) (loop (call $leaf) (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 100000))))";
    assert!(run(&contract("(func $leaf (nop))", often)).end.is_ok());
}

#[test]
fn memory_grows_to_the_bound_and_no_further() {
    let grown = |text: &str, pages: i32| {
        let body = format!(
            "(i32.store (i32.const 0) (memory.grow (i32.const {pages})))
             (i32.store (i32.const 4) (memory.size))
             (call $put (local.get 0) (local.get 1) (i32.const 0) (i32.const 8))"
        );
        let bytes = contract("", &body);
        let text = wasmprint(&bytes, text);
        let writes = run(&text).end.expect("it does something").writes;
        let value = writes[b"do".as_slice()].clone().expect("it is written");
        (i32::from_le_bytes(value[..4].try_into().unwrap()), i32::from_le_bytes(value[4..].try_into().unwrap()))
    };
    let most = MAX_PAGES as i32;
    assert_eq!(grown("1", 0), (1, 1));
    assert_eq!(grown("1", most - 1), (1, most));
    assert_eq!(grown("1", most), (-1, 1));
    assert_eq!(grown("1", -1), (-1, 1));
    // A module's own bound holds too.
    assert_eq!(grown("1 3", 2), (1, 3));
    assert_eq!(grown("1 3", 3), (-1, 1));
}

/// The module with another memory.
fn wasmprint(bytes: &[u8], memory: &str) -> Vec<u8> {
    // The only memory section is `05 03 01 00 01`: one memory, no bound, one page.
    let plain = [5, 3, 1, 0, 1];
    let at = bytes.windows(5).position(|window| window == plain).expect("it has a memory");
    match memory {
        "1" => bytes.to_vec(),
        "1 3" => [&bytes[..at], &[5, 4, 1, 1, 1, 3], &bytes[at + 5..]].concat(),
        other => panic!("{other}"),
    }
}

#[test]
fn what_goes_wrong_in_a_contract_ends_its_call_and_nothing_else() {
    for body in [
        "unreachable",
        "(drop (i32.load (i32.const -1)))",
        "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
        "(drop (i32.trunc_f64_s (f64.const 1e99)))",
        "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
    ] {
        trap(&contract("", body));
    }
    let table = "(type $f (func)) (type $g (func (param i32))) (table 2 funcref) (elem (i32.const 0) $h) (func $h)";
    for body in [
        "(call_indirect (type $f) (i32.const 1))",
        "(call_indirect (type $f) (i32.const 2))",
        "(call_indirect (type $g) (i32.const 7) (i32.const 0))",
    ] {
        trap(&contract(table, body));
    }
    // A module cannot say that its fuel ran out.
    let lie = contract("(global $mine (mut i32) (i32.const 1))", "(global.set $mine (i32.const 1)) unreachable");
    trap(&lie);
}

#[test]
fn pointers_beyond_the_memory_are_a_trap() {
    for body in [
        "(call $put (i32.const 65535) (i32.const 2) (i32.const 0) (i32.const 0))",
        "(call $put (local.get 0) (local.get 1) (i32.const -1) (i32.const 1))",
        "(call $put (local.get 0) (local.get 1) (i32.const 65536) (i32.const 1))",
        "(call $key (i32.const 65505))",
        "(call $key (i32.const -1))",
        "(call $hash (i32.const 1) (i32.const 65536) (i32.const 0))",
        "(call $hash (i32.const 0) (i32.const 0) (i32.const 65530))",
        "(drop (call $verify (i32.const 65530) (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(drop (call $get (i32.const 65536) (i32.const 1) (i32.const 0) (i32.const 0)))",
        "(call $refuse (i32.const 65536) (i32.const 1))",
    ] {
        assert_eq!(trap(&contract("", body)), "it points outside of its memory", "{body}");
    }
    let high = r#"(import "sottovoce" "caller_key" (func (param i32))) (memory (export "memory") 1)
        (func (export "allocate") (param i32) (result i32) i32.const -1) (func (export "call") (param i32 i32 i32 i32))"#;
    assert_eq!(trap(&module(high)), "it points outside of its memory");
    // A length that nobody can pay for ends by fuel.
    let long = contract("", "(call $hash (i32.const 0) (i32.const -1) (i32.const 0))");
    assert_eq!(run(&long).end, Err(Stop::Fuel { limit: MAX_FUEL }));
}

#[test]
fn keys_values_events_and_codes_have_their_bounds() {
    let data = "(data (i32.const 0) \"a b\") (data (i32.const 16) \"not_yours\") (data (i32.const 32) \"\\ff\")";
    for body in [
        "(call $put (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $put (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0))",
        "(call $put (i32.const 16) (i32.const 200) (i32.const 0) (i32.const 0))",
        "(call $put (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 16385))",
        "(call $emit (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $emit (i32.const 16) (i32.const 3) (i32.const 32) (i32.const 1) (i32.const 0) (i32.const 0))",
        "(call $refuse (i32.const 0) (i32.const 3))",
        "(call $refuse (i32.const 0) (i32.const 0))",
    ] {
        trap(&contract(data, body));
    }
    let event = "(call $emit (i32.const 16) (i32.const 3) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3))";
    assert!(run(&contract(data, &event.repeat(MAX_EVENTS))).end.is_ok());
    trap(&contract(data, &event.repeat(MAX_EVENTS + 1)));
    let refused = run(&contract(data, "(call $refuse (i32.const 16) (i32.const 9))"));
    assert_eq!(refused.end, Err(Stop::Refused("not_yours".into())));
    // Too much in all: values of 16 KiB under one key after another.
    let all = "(local $i i32) (loop (i32.store8 (i32.const 16) (i32.add (i32.const 48) (local.get $i)))
        (call $put (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 16384))
        (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if 0 (i32.lt_u (local.get $i) (i32.const 17))))";
    assert_eq!(trap(&contract(data, all)), "it writes more than a call may");
}

#[test]
fn signatures_are_verified_strictly() {
    let key = crypto::SigningKey::from_seed(&[7; 32]);
    let message = b"instrument 4 is free";
    let signature = key.sign_raw(message);
    let bytes = contract(
        "",
        "(i32.store8 (i32.const 0) (call $verify (local.get 2) (i32.add (local.get 2) (i32.const 96))
            (i32.sub (local.get 3) (i32.const 96)) (i32.add (local.get 2) (i32.const 32))))
         (call $put (local.get 0) (local.get 1) (i32.const 0) (i32.const 1))",
    );
    let code = Code::compile(&bytes).expect("it is a contract");
    let verified = |key: &[u8], signature: &[u8], message: &[u8]| {
        let run = code.run(&Nothing, call(&[key, signature, message].concat())).expect("it runs");
        run.end.expect("it does something").writes[b"do".as_slice()] == Some(vec![1])
    };
    let (key, signature) = (key.public().0, signature.0);
    assert!(verified(key.as_ref(), signature.as_ref(), message));
    assert!(!verified(key.as_ref(), signature.as_ref(), b"instrument 4 is mine"));
    // A key of small order, under which anything may verify.
    let small = [&[1_u8][..], &[0; 31]].concat();
    assert!(!verified(&small, &[&small[..], &[0; 32]].concat(), message));
}

#[test]
fn no_number_tells_one_machine_from_another() {
    // A quiet NaN has one form, whatever made it.
    let bytes = contract(
        "",
        "(f64.store (i32.const 0) (f64.sub (f64.const inf) (f64.const inf)))
         (f64.store (i32.const 8) (f64.sqrt (f64.const -1)))
         (f64.store (i32.const 16) (f64.mul (f64.const -nan) (f64.const 2)))
         (call $put (local.get 0) (local.get 1) (i32.const 0) (i32.const 24))",
    );
    let value = run(&bytes).end.expect("it does something").writes[b"do".as_slice()].clone().expect("it is written");
    let canonical = 0x7ff8_0000_0000_0000_u64.to_le_bytes();
    assert_eq!(value, [canonical; 3].concat());
}

#[test]
fn fuel_is_counted_as_the_format_page_says() {
    // `call`: 1 for the function; `allocate`: 1, and 1 for its constant.
    let empty = run(&contract("", ""));
    assert_eq!(empty.fuel, 3);
    let fuel = |body: &str| run(&contract("", body)).fuel - empty.fuel;
    assert_eq!(fuel("(drop (i32.const 1))"), 1);
    assert_eq!(fuel("nop nop (block)"), 0);
    assert_eq!(fuel("(drop (i32.add (i32.const 1) (i32.const 2)))"), 3);
    // A branch that is not taken is not paid for.
    assert_eq!(fuel("(if (i32.const 0) (then (drop (i32.const 1)) (drop (i32.const 1))))"), 2);
    assert_eq!(fuel("(if (i32.const 1) (then (drop (i32.const 1)) (drop (i32.const 1))))"), 4);
    assert_eq!(fuel("(local $a i32) (local $b i64)"), 2);
    assert_eq!(fuel("(memory.fill (i32.const 0) (i32.const 1) (i32.const 500))"), 4 + 500);
    assert_eq!(fuel("(drop (memory.grow (i32.const 1)))"), 2 + 1000);
    assert_eq!(fuel("(call $key (i32.const 0))"), 2 + 100 + 32);
    assert_eq!(fuel("(call $hash (i32.const 0) (i32.const 10) (i32.const 64))"), 4 + 100 + 40);
    let put = "(call $put (local.get 0) (local.get 1) (i32.const 0) (i32.const 10))";
    assert_eq!(fuel(put), 5 + 100 + 5000 + 12);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A call with less fuel than it needs ends without it; with as much as it used, it ends as before.
    #[test]
    fn the_fuel_that_was_used_is_the_fuel_that_is_needed(rounds in 1_u32..2000, bytes in prop::collection::vec(any::<u8>(), 0..200), less in 1_u64..1000) {
        let body = format!(
            "(local $i i32)
             (loop
                (call $hash (local.get 2) (local.get 3) (i32.const 0))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if 0 (i32.lt_u (local.get $i) (i32.const {rounds}))))
             (call $put (local.get 0) (local.get 1) (i32.const 0) (i32.const 32))"
        );
        let code = Code::compile(&contract("", &body)).expect("it is a contract");
        let run = |fuel: u64| code.run(&Nothing, Call { fuel, ..call(&bytes) }).expect("this machine does its part");
        let first = run(MAX_FUEL);
        prop_assert!(first.end.is_ok());
        prop_assert_eq!(&run(MAX_FUEL), &first);
        prop_assert_eq!(&run(first.fuel), &first);
        let fuel = first.fuel.saturating_sub(less);
        prop_assert_eq!(run(fuel).end, Err(Stop::Fuel { limit: fuel }));
    }
}
