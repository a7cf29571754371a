//! Members install a contract in WebAssembly by ballots, call it, and have a later module take over what it keeps. Real nodes, by the
//! commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::cell::RefCell;

use serde_json::Value;
use stage::{FOUNDER, Stage, until};

const MEMBERS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];
/// Who decides with the founder.
const VOTERS: [&str; 2] = ["st-anna", "riverside"];

fn module(version: u32) -> String {
    format!("{}/../../samples/contracts/bookings/bookings-{version}.wasm", env!("CARGO_MANIFEST_DIR"))
}

/// Has three of the four decide, and all nodes know it.
fn pass(stage: &Stage, action: &[&str]) {
    let proposal = stage.pass(FOUNDER, &VOTERS, action);
    for member in MEMBERS {
        until("the decision is known", || {
            stage.try_run(member, &["gov", "show", &proposal]).as_deref() == Ok("passed")
        });
    }
}

fn call(stage: &Stage, member: &str, arguments: &[&str]) -> Result<String, String> {
    stage.try_run(member, &[&["call", "x-bookings"], arguments].concat())
}

/// What every member's node proves the state to hold under a key after a block; they say the same.
fn proven(stage: &Stage, key: &str, height: u64) -> Value {
    let mut found: Vec<Value> = Vec::new();
    for member in MEMBERS {
        let height = height.to_string();
        let out = stage.directory.path().join(format!("{member}-{}-{height}.proof", key.replace('/', "-")));
        let arguments = ["state", "prove", key, "--height", &height, "--out", out.to_str().unwrap()];
        let answer = RefCell::new(Vec::new());
        until("the node has the block, cosigned", || {
            let output = stage.command(member).arg("--json").args(arguments).output().unwrap();
            *answer.borrow_mut() = output.stdout;
            output.status.success()
        });
        let answer: Value = serde_json::from_slice(&answer.take()).unwrap();
        found.push(answer["value"].clone());
    }
    assert!(found.iter().all(|value| *value == found[0]), "{found:?}");
    found.swap_remove(0)
}

#[test]
fn members_install_call_and_upgrade_a_contract() {
    let mut stage = Stage::new();
    stage.found("Bookings");
    for member in &MEMBERS[1..] {
        stage.join(member);
    }
    stage.begin(4, &MEMBERS, &[]);
    stage.run(FOUNDER, &["gov", "begin"]);
    let early = call(&stage, "st-anna", &["add", "mri"]).unwrap_err();
    assert!(early.contains("unknown_method"), "{early}");
    let (first, second) = (module(1), module(2));
    let told = stage.try_run(FOUNDER, &["gov", "propose", "install", "x-bookings", "--module", file!()]).unwrap_err();
    assert!(told.contains("cannot be used") || told.contains("module_refused"), "{told}");
    let room = ["--fuel", "2000000", "--records", "50", "--bytes", "5000"];
    pass(&stage, &[&["install", "x-bookings", "--module", &first][..], &room].concat());

    call(&stage, "st-anna", &["add", "mri"]).unwrap();
    // A day far ahead of any clock.
    call(&stage, "riverside", &["book", "mri", "40000"]).unwrap();
    let taken = call(&stage, "northgate", &["book", "mri", "40000"]).unwrap_err();
    assert!(taken.contains("x-bookings.taken"), "{taken}");
    let refused = call(&stage, "riverside", &["approve", "mri", "40000"]).unwrap_err();
    assert!(refused.contains("x-bookings.not_yours"), "{refused}");
    let asked = height(&stage, "northgate");
    call(&stage, "st-anna", &["approve", "mri", "40000"]).unwrap();
    let approved = wire::text::to_hex(&wire::to_vec(&("riverside", 1)));
    let now = height(&stage, "st-anna");
    assert_eq!(proven(&stage, "module/kept/x-bookings/booking/mri/40000", now), Value::from(approved.clone()));

    // What it keeps is read as it is and as it was; what it did is found.
    let read = |height: u64| {
        let height = height.to_string();
        stage.run("st-anna", &["module", "read", "x-bookings", "booking/mri/40000", "--height", &height])
    };
    assert_eq!(read(now), approved);
    assert_eq!(read(asked), wire::text::to_hex(&wire::to_vec(&("riverside", 0))));
    let output = stage.command("st-anna").arg("--json").args(["module", "show", "x-bookings"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["kept"]["records"], &shown["room"]["fuel"]), (&Value::from(4), &Value::from(2_000_000)));
    assert_eq!(shown["module"], Value::from(stage.run(FOUNDER, &["module", "digest", &first])));
    until("the events are found", || {
        let found = stage.command("st-anna").arg("--json").args(["search", "events", "--name", "x-bookings"]).output();
        let found: Value = serde_json::from_slice(&found.unwrap().stdout).unwrap_or_default();
        let names = found["items"].as_array().map(|items| items.iter().map(|one| one["name"].clone()).collect());
        names == Some(["approved", "asked", "added"].map(|name| Value::from(format!("x-bookings.{name}"))).to_vec())
    });

    // A call that needs too much is recorded as failed, at every node alike.
    let endless = stage.directory.path().join("endless.wasm");
    std::fs::write(&endless, ENDLESS).unwrap();
    pass(&stage, &["install", "x-endless", "--module", endless.to_str().unwrap()]);
    let failed = stage.try_run("northgate", &["call", "x-endless", "go"]).unwrap_err();
    assert!(failed.contains("out_of_fuel"), "{failed}");

    // A migration that fails leaves the old version; one that does not takes over.
    let upgrade = ["install", "x-bookings", "--module", &second, "--migrate"];
    let failed = stage.decide(FOUNDER, &VOTERS, &[&upgrade[..], &["soon"]].concat()).unwrap_err();
    assert!(failed.contains("x-bookings.malformed"), "{failed}");
    call(&stage, "riverside", &["cancel", "mri", "40000"]).unwrap();
    pass(&stage, &[&upgrade[..], &["30"]].concat());
    let item = wire::text::to_hex(&wire::to_vec(&("st-anna", 30)));
    assert_eq!(proven(&stage, "module/kept/x-bookings/item/mri", height(&stage, FOUNDER)), Value::from(item));
    let refused = call(&stage, "northgate", &["book", "mri", "40001"]).unwrap_err();
    assert!(refused.contains("x-bookings.too_far_ahead"), "{refused}");

    // A node that starts again compiles again, and comes to the same.
    stage.kill("northgate");
    stage.start("northgate");
    let refused = call(&stage, "northgate", &["book", "mri", "40001"]).unwrap_err();
    assert!(refused.contains("x-bookings.too_far_ahead"), "{refused}");

    pass(&stage, &["uninstall", "x-bookings", "--erase"]);
    let gone = call(&stage, "st-anna", &["add", "ct"]).unwrap_err();
    assert!(gone.contains("unknown_method"), "{gone}");
    stage.run("st-anna", &["module", "sweep", "x-bookings"]);
    assert_eq!(stage.run("st-anna", &["module", "list"]), "x-endless");
    assert_eq!(proven(&stage, "module/kept/x-bookings/item/mri", height(&stage, "st-anna")), Value::Null);
}

fn height(stage: &Stage, member: &str) -> u64 {
    let output = stage.command(member).args(["--json", "node", "status"]).output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    status["height"].as_u64().unwrap()
}

/// A contract whose `call` is `(loop (br 0))`.
const ENDLESS: &[u8] = &[
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, // magic, version
    1, 13, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 0, // two types
    3, 3, 2, 0, 1, // two functions
    5, 3, 1, 0, 1, // a memory
    7, 28, 3, 6, b'm', b'e', b'm', b'o', b'r', b'y', 2, 0, // exports
    8, b'a', b'l', b'l', b'o', b'c', b'a', b't', b'e', 0, 0, // allocate
    4, b'c', b'a', b'l', b'l', 0, 1, // call
    10, 15, 2, 5, 0, 0x41, 0x80, 8, 0x0b, // allocate: 1024
    7, 0, 3, 0x40, 0x0c, 0, 0x0b, 0x0b, // call: loop
];
