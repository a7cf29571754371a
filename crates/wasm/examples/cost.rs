//! Measures what contracts cost this machine at worst: compiling modules that are as bad as they may be, and calls by the unit of fuel.
//!
//! `cargo run --release -p sottovoce-wasm --example cost` prints milliseconds and nanoseconds; the bounds of `docs/spec/modules.md` on the
//! work of a block come from it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use wasm::bounds::{MAX_FUEL, MAX_FUNCTIONS, MAX_INSTRUCTIONS, MAX_LOCALS, MAX_MODULE};
use wasm::{Call, Code, Error, Fault, Reads, Role, Sender};

const BOOKINGS: &[u8] = include_bytes!("../../../samples/contracts/bookings/bookings-2.wasm");

/// A state with one long value.
struct State(HashMap<Vec<u8>, Vec<u8>>);

impl Reads for State {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.get(key).cloned())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("compiling: bytes, milliseconds to check, milliseconds to compile");
    let made = modules().into_iter().map(|(what, text)| Ok((what, wat::parse_str(text)?)));
    let example = ("the example".to_owned(), BOOKINGS.to_vec());
    for (what, bytes) in made.chain([Ok(example)]).collect::<Result<Vec<_>, wat::Error>>()? {
        let (check, _) = timed(|| Code::check(&bytes));
        let (compile, end) = timed(|| Code::compile(&bytes));
        let end = match end {
            Ok(_) => String::new(),
            Err(Error::Refused(refusal)) => format!(": {refusal}"),
            Err(error) => return Err(error.into()),
        };
        println!("  {what:<44} {:>6} {:>8.1} {:>8.1}{end}", bytes.len(), millis(check), millis(compile));
    }
    println!("calls: fuel, pages, milliseconds, nanoseconds for each unit of fuel");
    let state = State(HashMap::from([(b"key".to_vec(), vec![7; 16 * 1024])]));
    for (what, body) in bodies() {
        let code = Code::compile(&wat::parse_str(contract("", &body))?)?;
        let sender = Sender { key: crypto::SigningKey::from_seed(&[7; 32]).public(), member: None, role: Role::Nobody };
        let call = || Call { fuel: MAX_FUEL, ..Call::method("go", vec![0; 64], sender.clone(), 1, 1) };
        code.run(&state, call())?;
        let (took, run) = timed(|| code.run(&state, call()));
        let run = run?;
        let each = took.as_secs_f64() * 1e9 / run.fuel as f64;
        let end = run.end.err().map(|stop| stop.to_string()).unwrap_or_default();
        println!("  {what:<44} {:>9} {:>4} {:>8.2} {each:>8.2}  {end}", run.fuel, run.pages, millis(took));
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed(), done)
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// A contract with these functions besides, and a memory that grows.
fn contract(more: &str, body: &str) -> String {
    format!(
        r#"(module
        (import "sottovoce" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
        (import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
        (import "sottovoce" "sha256" (func $sha (param i32 i32 i32)))
        (import "sottovoce" "ed25519_verify" (func $verify (param i32 i32 i32 i32) (result i32)))
        (import "sottovoce" "block_time" (func $time (result i64)))
        (memory (export "memory") 256) (data (i32.const 0) "key")
        (table 8 funcref) (elem (i32.const 0) $leaf)
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        (func $leaf (param i32) (result i32) local.get 0)
        {more}
        (func (export "call") (param i32 i32 i32 i32) (local $n i32) (local $x i64) (local $y f64) (local $p i32) {body}))"#
    )
}

/// Modules that are hard to compile.
fn modules() -> Vec<(String, String)> {
    let mut made = Vec::new();
    let mut add = |what: &str, more: String| made.push((what.to_owned(), contract(&more, "")));
    let locals = " i64".repeat(MAX_LOCALS as usize);
    // Straight on.
    let one = "(local.set 1 (i64.add (local.get 1) (local.get 2)))";
    let count = (MAX_INSTRUCTIONS - 8) / 4;
    add("one function, straight on", format!("(func (local{locals}) {})", one.repeat(count.min(6_500))));
    // Very many functions.
    let small = "(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))";
    add("as many functions as there may be", small.repeat(MAX_FUNCTIONS - 8));
    let calls = "(drop (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0)))";
    add("calls by the table", format!("(func {})", calls.repeat(3_500)).repeat(2));
    // Loops within loops, each of which changes locals.
    for (name, depth, changes, held) in
        [("loops within loops, 512 locals", 330, 4, 512), ("loops within loops, 40 locals", 1_200, 4, 40)]
    {
        let mut body = String::new();
        for n in 0..depth {
            body.push_str("(loop (br_if 0 (i32.eqz (local.get 0)))");
            for k in 0..changes {
                let (to, from) = (1 + (n * 7 + k) % held, 1 + (n * 13 + k * 5) % held);
                write!(body, "(local.set {to} (local.get {from}))").expect("writing to a String");
            }
        }
        body.push_str(&")".repeat(depth));
        add(name, format!("(func (param i32) (local{}) {body})", " i64".repeat(held)));
    }
    // One after the other.
    for (held, count) in [(512, 480), (100, 2_000)] {
        let mut body = String::new();
        for n in 0..count {
            let (to, from) = (1 + n * 7 % held, 1 + n * 13 % held);
            write!(
                body,
                "(block (br_if 0 (local.get 0)) (local.set {to} (local.get {from})) (local.set {from} (i64.const {n})))"
            )
            .expect("writing to a String");
        }
        let locals = " i64".repeat(held);
        add(
            &format!("{count} blocks past {held} locals"),
            format!("(func (param i32) (local{locals}) (loop {body} (br 0)))"),
        );
    }
    // Very many targets.
    for (targets, depth, held) in [(85, 1, 512), (85, 40, 512), (80, 80, 500), (580, 290, 4), (620, 1, 2)] {
        let mut body = "(loop".repeat(depth);
        for k in 0..held {
            write!(body, "(local.set {} (i64.add (local.get {}) (i64.const 1)))", 1 + k, 1 + k * 5 % held)
                .expect("writing to a String");
        }
        let list: String = (0..targets).map(|n| format!(" {}", n % depth)).collect();
        write!(body, "(br_table{list} (local.get 0))").expect("writing to a String");
        body.push_str(&")".repeat(depth));
        let locals = " i64".repeat(held);
        add(
            &format!("{targets} targets, {depth} loops, {held} locals"),
            format!("(func (param i32) (local{locals}) {body})"),
        );
    }
    // Values that all live at once.
    let deep = format!("{}{}", "(local.get 1)".repeat(4_000), "(i64.mul)".repeat(3_999));
    add("4,000 values on the stack", format!("(func (result i64) (local i64 i64) {})", deep.replace(['(', ')'], " ")));
    made.retain(|(what, text)| match wat::parse_str(text) {
        Ok(bytes) if bytes.len() <= MAX_MODULE => true,
        Ok(bytes) => {
            println!("  {what}: {} bytes, too long", bytes.len());
            false
        }
        Err(error) => panic!("{what}: {error}"),
    });
    made
}

/// What a call may spend its fuel on.
fn bodies() -> Vec<(String, String)> {
    let mut made = Vec::new();
    let mut add = |what: &str, body: String| made.push((what.to_owned(), body));
    let forever = |work: &str| format!("(loop {work} (br 0))");
    add("nothing", String::new());
    add("an empty loop", forever(""));
    add("additions", forever(&"(local.set $x (i64.add (local.get $x) (i64.const 3)))".repeat(50)));
    add(
        "divisions",
        forever(&"(local.set $x (i64.div_u (i64.const -1) (i64.or (local.get $x) (i64.const 1))))".repeat(50)),
    );
    let chain = "i64.const 7 i64.rem_s ".repeat(50);
    add(
        "divisions, without more",
        format!("(local.set $x (i64.const 0x7fffffffffffffff)) (loop local.get $x {chain} drop br 0)"),
    );
    let chain = "local.get $x i64.div_u ".repeat(50);
    add("divisions by a local", format!("(local.set $x (i64.const 3)) (loop i64.const -1 {chain} drop br 0)"));
    add("square roots", forever(&"(local.set $y (f64.sqrt (local.get $y)))".repeat(50)));
    let chain = "f64.sqrt ".repeat(100);
    add(
        "square roots, without more",
        format!("(local.set $y (f64.const 2)) (loop local.get $y {chain} local.set $y br 0)"),
    );
    let chain = "f64.nearest ".repeat(100);
    add("roundings", format!("(local.set $y (f64.const 2.5)) (loop local.get $y {chain} local.set $y br 0)"));
    add(
        "calls by the table",
        forever(&"(drop (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0)))".repeat(20)),
    );
    let far = "(local.set $p (i32.and (i32.add (i32.mul (local.get $p) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 16777208)))
        (i64.store (local.get $p) (i64.const 1))";
    add("stores all over the memory", forever(&far.repeat(20)));
    let far = "(local.set $p (i32.and (i32.add (i32.load (local.get $p)) (i32.add (i32.mul (local.get $p) (i32.const 1664525)) (i32.const 1013904223))) (i32.const 16777208)))";
    add("loads that wait for each other", forever(&far.repeat(20)));
    add(
        "a touch of every page, then nothing",
        "(loop (i64.store (local.get $p) (i64.const 1))
        (br_if 0 (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 4096))) (i32.const 16777216))))"
            .into(),
    );
    add("fills", forever("(memory.fill (i32.const 0) (i32.const 7) (i32.const 1000000))"));
    add("fills of one byte", forever(&"(memory.fill (i32.const 0) (i32.const 7) (i32.const 1))".repeat(20)));
    add("growing by nothing", forever(&"(drop (memory.grow (i32.const 0)))".repeat(20)));
    add("asking for the time", forever(&"(drop (call $time))".repeat(20)));
    add(
        "reads of the longest value",
        forever("(drop (call $get (i32.const 0) (i32.const 3) (i32.const 65536) (i32.const 16384)))"),
    );
    add(
        "reads of nothing",
        forever("(drop (call $get (i32.const 1) (i32.const 2) (i32.const 65536) (i32.const 16384)))"),
    );
    add("writes", forever("(call $put (i32.const 0) (i32.const 3) (i32.const 65536) (i32.const 16384))"));
    add("digests of nothing", forever("(call $sha (i32.const 0) (i32.const 0) (i32.const 64))"));
    add("digests of much", forever("(call $sha (i32.const 0) (i32.const 1000000) (i32.const 64))"));
    add("signatures", forever("(drop (call $verify (i32.const 0) (i32.const 64) (i32.const 64) (i32.const 128)))"));
    made
}
