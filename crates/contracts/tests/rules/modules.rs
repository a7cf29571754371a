//! Contracts in WebAssembly: stored by members, installed by ballots, called by those whom the ballots let.

use std::sync::Arc;

use contracts::message::{
    Action, Ballot, Callers, Install, ModuleDrop, ModuleState, ModuleStore, Propose, Room, Uninstall,
};
use contracts::record::{Course, Kept, Role};
use contracts::{CEILING, Contracts, DEFAULT_PARAMETERS, MAX_INSTALLED, MAX_MIGRATION, SWEEP, read};
use crypto::{Digest, SigningKey};
use ledger::{Ledger, Transaction, VerifiedTransaction};
use wire::Fixed;

use crate::world::*;

const FIRST: &[u8] = include_bytes!("../../../../samples/contracts/bookings/bookings-1.wasm");
const SECOND: &[u8] = include_bytes!("../../../../samples/contracts/bookings/bookings-2.wasm");
const NAME: &str = "x-bookings";
const FOUNDER: &str = "health-authority";
const DAY: u64 = 24 * HOUR;

/// Four members that ballots govern.
fn governed() -> World {
    let mut world = World::ready();
    world.send(&keys(FOUNDER).operator, "governance.begin", &DEFAULT_PARAMETERS).unwrap();
    world
}

fn code<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

fn store(world: &mut World, by: &str, module: &[u8]) -> String {
    code(world.send(&keys(by).operator, "modules.store", &ModuleStore { module: module.to_vec().into() }))
}

fn propose(world: &mut World, by: &str, action: Action) -> Result<Digest, String> {
    let expires = world.now + HOUR;
    world.send(&keys(by).operator, "governance.propose", &Propose { action, expires, reason: String::new() })
}

/// To be varied.
fn installation(module: &[u8]) -> Install {
    let (name, module) = (NAME.into(), wasm::digest(module));
    Install { name, module, callers: Callers::Known, room: CEILING, migration: None }
}

fn install(module: &[u8]) -> Action {
    Action::Install(installation(module))
}

fn migrate(module: &[u8], arguments: Vec<u8>) -> Action {
    Action::Install(Install { migration: Some(arguments.into()), ..installation(module) })
}

fn uninstall(erase: bool) -> Action {
    Action::Uninstall(Uninstall { name: NAME.into(), erase })
}

/// Proposes, and has two more of the four vote for it: the code of the last vote, which decides.
fn pass(world: &mut World, action: Action) -> String {
    let proposal = propose(world, "st-anna", action).unwrap();
    let vote =
        |world: &mut World, by| world.send(&keys(by).operator, "governance.ballot", &Ballot { proposal, yes: true });
    vote(world, "riverside").unwrap();
    code(vote(world, FOUNDER))
}

/// Stores for the proposer of [`pass`], then that.
fn take(world: &mut World, module: &[u8], action: Action) -> String {
    assert_eq!(store(world, "st-anna", module), "ok");
    pass(world, action)
}

fn call(world: &mut World, sender: &SigningKey, method: &str, item: &str, number: Option<u64>) -> String {
    let arguments = match number {
        None => wire::to_vec(&(item,)),
        Some(number) => wire::to_vec(&(item, number)),
    };
    code(world.send_bytes(sender, &format!("{NAME}.{method}"), arguments))
}

fn events(world: &World) -> Vec<String> {
    world.log.last().unwrap().outcome.events.iter().map(|event| event.name.clone()).collect()
}

fn operator(member: &str) -> SigningKey {
    keys(member).operator
}

#[test]
fn ballots_install_a_contract_members_call_it_and_a_later_module_takes_over() {
    let mut world = governed();
    assert_eq!(call(&mut world, &operator("st-anna"), "add", "mri", None), "unknown_method");
    assert_eq!(propose(&mut world, "st-anna", install(FIRST)).unwrap_err(), "unknown_module");
    assert_eq!(store(&mut world, "st-anna", FIRST), "ok");
    assert_eq!(events(&world), ["module.stored"]);
    assert_eq!(store(&mut world, "st-anna", FIRST), "already_recorded");
    assert_eq!(store(&mut world, "st-anna", b"no module"), "module_refused");
    assert_eq!(call(&mut world, &operator("st-anna"), "add", "mri", None), "unknown_method");
    assert_eq!(propose(&mut world, "st-anna", migrate(FIRST, vec![0x80])).unwrap_err(), "malformed");
    assert_eq!(pass(&mut world, install(FIRST)), "ok");
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "module.installed"]);
    assert_eq!(propose(&mut world, "st-anna", install(FIRST)).unwrap_err(), "already_recorded");
    // It is the contract's now, and no longer the member's.
    assert_eq!(code(world.send(&operator("st-anna"), "modules.drop", &ModuleDrop {})), "unknown_module");

    let day = world.now / DAY + 3;
    assert_eq!(call(&mut world, &operator("st-anna"), "add", "mri", None), "ok");
    assert_eq!(events(&world), ["x-bookings.added"]);
    assert_eq!(call(&mut world, &keys("riverside").node, "book", "mri", Some(day)), "ok");
    assert_eq!(call(&mut world, &operator("riverside"), "approve", "mri", Some(day)), "x-bookings.not_yours");
    world.principal("st-anna", "nurse", Role::Owner).unwrap();
    assert_eq!(call(&mut world, &key("st-anna/nurse"), "approve", "mri", Some(day)), "ok");
    let booking = format!("booking/mri/{day}");
    assert_eq!(read::kept(&world.state, NAME, &booking).unwrap().unwrap(), wire::to_vec(&("riverside", 1)));
    assert_eq!(code(world.send_bytes(&operator("st-anna"), "x-bookings.book", vec![0xff; 3])), "x-bookings.malformed");
    assert_eq!(code(world.send_bytes(&operator("st-anna"), "x-bookings.book", vec![0; 2000])), "x-bookings.too_long");

    // A migration that fails leaves the ballot, the contract and what it keeps as they were.
    let before = read::usage(&world.state, NAME).unwrap();
    assert_eq!(take(&mut world, SECOND, migrate(SECOND, vec![0x80])), "x-bookings.malformed");
    assert_eq!(read::installed(&world.state, NAME).unwrap().unwrap().version, 1);
    assert_eq!(read::kept(&world.state, NAME, "item/mri").unwrap().unwrap(), wire::to_vec(&"st-anna"));
    assert_eq!(read::usage(&world.state, NAME).unwrap(), before);
    assert_eq!(call(&mut world, &operator("riverside"), "limit", "mri", Some(3)), "x-bookings.unknown_method");
    assert_eq!(pass(&mut world, migrate(SECOND, wire::to_vec(&(7_u64,)))), "ok");
    let installed = read::installed(&world.state, NAME).unwrap().unwrap();
    assert_eq!((installed.version, installed.module), (2, wasm::digest(SECOND)));
    assert_eq!(read::kept(&world.state, NAME, "item/mri").unwrap().unwrap(), wire::to_vec(&("st-anna", 7)));
    assert_eq!(call(&mut world, &operator("riverside"), "book", "mri", Some(day + 20)), "x-bookings.too_far_ahead");

    // It stops with all that it keeps, and goes on with it; no module has to be stored again for that.
    assert_eq!(pass(&mut world, uninstall(false)), "ok");
    assert_eq!(call(&mut world, &operator("riverside"), "book", "mri", Some(day + 1)), "unknown_method");
    assert_eq!(propose(&mut world, "st-anna", uninstall(false)).unwrap_err(), "unknown_method");
    assert_eq!(pass(&mut world, install(SECOND)), "ok");
    assert_eq!(read::installed(&world.state, NAME).unwrap().unwrap().version, 3);
    assert_eq!(call(&mut world, &operator("riverside"), "book", "mri", Some(day)), "x-bookings.taken");
    assert_eq!(read::installed_contracts(&world.state).unwrap().len(), 1);
}

#[test]
fn each_member_stores_one_module_and_nobody_takes_it_away() {
    let mut world = governed();
    let store_as = |world: &mut World, sender: &SigningKey| {
        code(world.send(sender, "modules.store", &ModuleStore { module: FIRST.to_vec().into() }))
    };
    assert_eq!(store_as(&mut world, &keys("st-anna").node), "not_permitted");
    assert_eq!(store_as(&mut world, &key("stranger")), "not_permitted");
    assert_eq!(store(&mut world, "riverside", FIRST), "ok");
    // The same module, stored by another, is another's.
    assert_eq!(store(&mut world, "st-anna", FIRST), "ok");
    let proposal = propose(&mut world, "st-anna", install(FIRST)).unwrap();
    assert_eq!(code(world.send(&operator("riverside"), "modules.drop", &ModuleDrop {})), "ok");
    assert_eq!(events(&world), ["module.dropped"]);
    // The proposer replaces it: there is nothing left to decide on.
    assert_eq!(store(&mut world, "st-anna", SECOND), "ok");
    let pending = read::pending_module(&world.state, "st-anna").unwrap().unwrap();
    assert_eq!(pending.module, wasm::digest(SECOND));
    let vote =
        |world: &mut World, by| code(world.send(&operator(by), "governance.ballot", &Ballot { proposal, yes: true }));
    assert_eq!(vote(&mut world, "riverside"), "ok");
    assert_eq!(vote(&mut world, FOUNDER), "unknown_module");
    assert_eq!(store(&mut world, "st-anna", FIRST), "ok");
    assert_eq!(vote(&mut world, FOUNDER), "ok");
    assert!(read::pending_module(&world.state, "st-anna").unwrap().is_none());

    let mut world = World::ready();
    assert_eq!(store(&mut world, "st-anna", FIRST), "ballots_do_not_govern");
}

#[test]
fn modules_that_are_not_deterministic_are_refused() {
    let mut world = governed();
    let whole = r#"(memory (export "memory") 1) (func (export "allocate") (param i32) (result i32) i32.const 0)
        (func (export "call") (param i32 i32 i32 i32))"#;
    for part in [
        "(import \"wasi_snapshot_preview1\" \"random_get\" (func (param i32 i32) (result i32)))",
        "(import \"env\" \"now\" (func (result i64)))",
    ] {
        let module = wat::parse_str(format!("(module {part} {whole})")).unwrap();
        assert_eq!(store(&mut world, "st-anna", &module), "module_refused", "{part}");
    }
    for part in [
        "(func $s) (start $s)",
        "(func (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))",
        "(func (drop (memory.atomic.notify (i32.const 0) (i32.const 0))))",
    ] {
        let module = wat::parse_str(format!("(module {whole} {part})")).unwrap();
        assert_eq!(store(&mut world, "st-anna", &module), "module_refused", "{part}");
    }
    assert!(read::pending_module(&world.state, "st-anna").unwrap().is_none());
}

#[test]
fn a_proposal_says_what_a_contract_may_within_bounds() {
    let mut world = governed();
    store(&mut world, "st-anna", FIRST);
    let mut refused = |install: Install| propose(&mut world, "st-anna", Action::Install(install)).unwrap_err();
    for name in ["", "x-", "members", "bookings", "x-A", "x-a_b", "x-a/b", "X-a", &format!("x-{}", "a".repeat(31))] {
        assert_eq!(refused(Install { name: name.into(), ..installation(FIRST) }), "name_invalid", "{name}");
    }
    let rooms = [
        Room { fuel: 0, ..CEILING },
        Room { fuel: CEILING.fuel + 1, ..CEILING },
        Room { records: CEILING.records + 1, ..CEILING },
        Room { bytes: CEILING.bytes + 1, ..CEILING },
    ];
    for room in rooms {
        assert_eq!(refused(Install { room, ..installation(FIRST) }), "malformed");
    }
    for roles in [vec![], vec![Role::Owner, Role::Owner], vec![Role::Approver, Role::Owner]] {
        assert_eq!(refused(Install { callers: Callers::Roles(roles), ..installation(FIRST) }), "malformed");
    }
    let migration = Some(vec![0; MAX_MIGRATION + 1].into());
    assert_eq!(refused(Install { migration, ..installation(FIRST) }), "oversize");
}

#[test]
fn only_those_may_call_whom_the_members_let() {
    let mut world = governed();
    world.principal("st-anna", "owner", Role::Owner).unwrap();
    world.principal("st-anna", "device", Role::Device).unwrap();
    let senders = [operator("st-anna"), keys("st-anna").node, key("st-anna/owner"), key("st-anna/device")];
    let may = |world: &mut World| {
        senders.each_ref().map(|sender| call(world, sender, "nothing", "mri", None) != "not_permitted")
    };
    let of = |callers| Action::Install(Install { callers, ..installation(FIRST) });
    assert_eq!(take(&mut world, FIRST, of(Callers::Members)), "ok");
    assert_eq!(may(&mut world), [true, true, false, false]);
    assert_eq!(pass(&mut world, of(Callers::Known)), "ok");
    assert_eq!(may(&mut world), [true; 4]);
    assert_eq!(pass(&mut world, of(Callers::Roles(vec![Role::Approver, Role::Device]))), "ok");
    assert_eq!(may(&mut world), [false, false, false, true]);
    assert_eq!(pass(&mut world, of(Callers::Known)), "ok");
    for nobody in [key("stranger"), keys("st-anna").cosigner] {
        assert_eq!(call(&mut world, &nobody, "add", "mri", None), "not_permitted");
    }
    let revoke = contracts::message::PrincipalRevoke { key: key("st-anna/owner").public() };
    world.send(&operator("st-anna"), "members.principal_revoke", &revoke).unwrap();
    assert_eq!(may(&mut world), [true, true, false, true]);
}

#[test]
fn calls_that_fail_are_recorded_with_a_code_and_change_nothing() {
    let mut world = governed();
    let bodies = [
        ("(loop (br 0))", "out_of_fuel"),
        ("(call $deep)", "call_too_deep"),
        ("unreachable", "contract_failed"),
        ("(call 0 (i32.const 70000) (i32.const 1) (i32.const 0) (i32.const 1))", "contract_failed"),
    ];
    for (body, expected) in bodies {
        let module = keeper(body);
        assert_eq!(take(&mut world, &module, install(&module)), "ok");
        assert_eq!(code(world.send_bytes(&keys("st-anna").node, "x-bookings.go", vec![])), expected);
        let outcome = &world.log.last().unwrap().outcome;
        assert_eq!((outcome.code.as_str(), outcome.events.len()), (expected, 0));
        assert_eq!(read::kept(&world.state, NAME, "key").unwrap(), None);
        assert_eq!(read::usage(&world.state, NAME).unwrap(), Kept::default());
    }
}

#[test]
fn what_a_contract_keeps_is_counted_and_bounded() {
    let mut world = governed();
    let module = writer();
    let of =
        |records, bytes| Action::Install(Install { room: Room { records, bytes, ..CEILING }, ..installation(&module) });
    assert_eq!(take(&mut world, &module, of(2, 12)), "ok");
    // The key is the method's name, the value the arguments; without arguments it is deleted.
    let write = |world: &mut World, key: &str, length: usize| {
        code(world.send_bytes(&keys("st-anna").node, &format!("{NAME}.{key}"), vec![7; length]))
    };
    let kept = |world: &World| {
        let Kept { records, bytes } = read::usage(&world.state, NAME).unwrap();
        (records, bytes)
    };
    for (key, length, expected, after) in [
        ("a", 5, "ok", (1, 6)),
        ("b", 6, "contract_full", (1, 6)),
        ("b", 5, "ok", (2, 12)),
        ("b", 5, "ok", (2, 12)),
        ("c", 1, "contract_full", (2, 12)),
        ("a", 1, "ok", (2, 8)),
        ("c", 1, "contract_full", (2, 8)),
        ("a", 0, "ok", (1, 6)),
        ("nothing", 0, "ok", (1, 6)),
        ("c", 1, "ok", (2, 8)),
    ] {
        assert_eq!((write(&mut world, key, length), kept(&world)), (expected.into(), after), "{key} {length}");
    }
    // With less room than it needs it shrinks, and grows no more.
    assert_eq!(pass(&mut world, of(1, 4)), "ok");
    assert_eq!(write(&mut world, "b", 4), "ok");
    assert_eq!(write(&mut world, "b", 5), "contract_full");
    assert_eq!(kept(&world), (2, 7));
}

#[test]
fn what_was_kept_is_erased_in_parts_and_then_the_name_is_free() {
    let mut world = governed();
    let module = writer();
    assert_eq!(take(&mut world, &module, install(&module)), "ok");
    for n in 0..=SWEEP {
        world.send_bytes(&keys("st-anna").node, &format!("{NAME}.k{n}"), vec![1]).unwrap();
    }
    let sweep =
        |world: &mut World, by: &SigningKey| code(world.send(by, "modules.sweep", &ModuleState { name: NAME.into() }));
    assert_eq!(sweep(&mut world, &operator("riverside")), "unknown_method");
    assert_eq!(pass(&mut world, uninstall(false)), "ok");
    assert_eq!(sweep(&mut world, &operator("riverside")), "unknown_method");
    assert_eq!(pass(&mut world, uninstall(true)), "ok");
    assert_eq!(read::installed(&world.state, NAME).unwrap().unwrap().course, Course::Erasing);
    assert_eq!(propose(&mut world, "st-anna", install(&module)).unwrap_err(), "contract_erasing");
    assert_eq!(sweep(&mut world, &keys("riverside").node), "not_permitted");
    assert_eq!(sweep(&mut world, &operator("riverside")), "ok");
    assert_eq!(events(&world), ["module.swept"]);
    assert_eq!(read::usage(&world.state, NAME).unwrap().records, 1);
    assert_eq!(sweep(&mut world, &operator("riverside")), "ok");
    assert_eq!(events(&world), ["module.erased"]);
    assert!(read::installed(&world.state, NAME).unwrap().is_none());
    assert!(read::module(&world.state, NAME).unwrap().is_none());
    assert_eq!(read::usage(&world.state, NAME).unwrap(), Kept::default());
    assert_eq!(take(&mut world, &module, install(&module)), "ok");
    assert_eq!(read::installed(&world.state, NAME).unwrap().unwrap().version, 1);
}

#[test]
fn a_ledger_has_so_many_contracts_and_no_more() {
    let mut world = governed();
    let named = |n| Action::Install(Install { name: format!("x-{n}"), ..installation(FIRST) });
    for n in 0..MAX_INSTALLED {
        assert_eq!(take(&mut world, FIRST, named(n)), "ok");
    }
    store(&mut world, "st-anna", FIRST);
    assert_eq!(propose(&mut world, "st-anna", named(MAX_INSTALLED)).unwrap_err(), "too_many_contracts");
}

/// What a block's transactions use together is bounded, failed ones count, and every ledger that executes the block finds the same.
#[test]
fn a_block_has_so_much_work_of_contracts_and_every_replica_agrees() {
    let mut world = governed();
    let endless = keeper("(loop (br 0))");
    assert_eq!(take(&mut world, &endless, install(&endless)), "ok");
    let cheap = Install { name: "x-cheap".into(), ..installation(FIRST) };
    let room = Room { fuel: 1_000_000, ..CEILING };
    assert_eq!(take(&mut world, FIRST, Action::Install(Install { room, ..cheap })), "ok");

    let directory = tempfile::tempdir().unwrap();
    let ledgers = ["one", "other"]
        .map(|name| Ledger::open(&directory.path().join(name), Arc::new(Contracts), genesis()).unwrap());
    let [one, other] = &ledgers;
    for expected in &world.log {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let block = one.propose(vec![verified], world.now).unwrap().block.unwrap();
        other.apply(&block, world.now, true).unwrap();
    }
    let mut nonce = 0_u8;
    let mut signed = |contract: &str, method: &str, arguments: Vec<u8>| {
        nonce += 1;
        let sender = operator("riverside");
        let transaction = Transaction {
            chain: world.chain,
            sender: sender.public(),
            nonce: Fixed([nonce; 16]),
            expires: world.now + HOUR,
            contract: contract.into(),
            method: method.into(),
            arguments: arguments.into(),
        };
        VerifiedTransaction::verify(transaction.sign(&sender), &world.chain).unwrap()
    };
    let mut batch: Vec<_> = (0..3).map(|_| signed(NAME, "go", vec![])).collect();
    batch.push(signed("x-cheap", "add", wire::to_vec(&("mri",))));
    batch.push(signed("assets", "register", vec![]));
    batch.extend((0..3).map(|_| signed(NAME, "go", vec![])));
    let proposed = one.propose(batch, world.now).unwrap();
    let codes: Vec<String> =
        proposed.results.iter().map(|result| result.as_ref().unwrap().outcome.code.clone()).collect();
    // One fits with what it may use at most; a smaller one still does; what is no contract of this kind is not concerned.
    assert_eq!(codes[..1], ["out_of_fuel"]);
    assert!(codes[1..3].iter().all(|code| code == "block_full"), "{codes:?}");
    assert_eq!(codes[3..5], ["ok", "malformed"]);
    assert!(codes[5..].iter().all(|code| code == "block_full"), "{codes:?}");
    let block = proposed.block.unwrap();
    other.apply(&block, world.now, true).unwrap();
    assert_eq!(one.head(), other.head());
    // The next block begins anew.
    let next = one.propose(vec![signed(NAME, "go", vec![])], world.now).unwrap();
    assert_eq!(next.results[0].as_ref().unwrap().outcome.code, "out_of_fuel");
    other.apply(&next.block.unwrap(), world.now, true).unwrap();
    assert_eq!(one.head(), other.head());
}

/// A contract that keeps something and then does this.
fn keeper(body: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (import "sottovoce" "state_put" (func (param i32 i32 i32 i32)))
        (memory (export "memory") 1) (data (i32.const 0) "key")
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        (func $deep (call $deep))
        (func (export "call") (param i32 i32 i32 i32)
            (call 0 (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 1)) {body}))"#
    ))
    .unwrap()
}

/// A contract that keeps its arguments under its method's name, or deletes what it keeps there where there are none.
fn writer() -> Vec<u8> {
    let text = r#"(module
        (import "sottovoce" "state_put" (func (param i32 i32 i32 i32)))
        (import "sottovoce" "state_delete" (func (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        (func (export "call") (param i32 i32 i32 i32)
            (if (local.get 3)
                (then (call 0 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
                (else (call 1 (local.get 0) (local.get 1))))))"#;
    wat::parse_str(text).unwrap()
}

/// A contract that sets an alarm called like its method for the time in its arguments (8 bytes, little end first), or clears it where there
/// are none. An alarm keeps, under its name, who called; then it does as its first letter says.
fn clock() -> Vec<u8> {
    let text = r#"(module
        (import "sottovoce" "state_put" (func $put (param i32 i32 i32 i32)))
        (import "sottovoce" "emit" (func $emit (param i32 i32 i32 i32 i32 i32)))
        (import "sottovoce" "caller_role" (func $role (result i32)))
        (import "sottovoce" "refuse" (func $refuse (param i32 i32)))
        (import "sottovoce" "alarm_set" (func $set (param i32 i32 i64)))
        (import "sottovoce" "alarm_clear" (func $clear (param i32 i32)))
        (memory (export "memory") 1) (data (i32.const 0) "late")
        (func (export "allocate") (param i32) (result i32) i32.const 1024)
        (func (export "call") (param i32 i32 i32 i32)
            (if (local.get 3)
                (then (call $set (local.get 0) (local.get 1) (i64.load (local.get 2))))
                (else (call $clear (local.get 0) (local.get 1)))))
        (func (export "alarm") (param $name i32) (param $length i32) (local $first i32)
            (i32.store8 (i32.const 16) (call $role))
            (call $put (local.get $name) (local.get $length) (i32.const 16) (i32.const 1))
            (call $emit (local.get $name) (local.get $length) (local.get $name) (local.get $length) (i32.const 0) (i32.const 0))
            (local.set $first (i32.load8_u (local.get $name)))
            (if (i32.eq (local.get $first) (i32.const 97)) ;; a: again, as soon as may be
                (then (call $set (local.get $name) (local.get $length) (i64.const 0))))
            (if (i32.eq (local.get $first) (i32.const 114)) ;; r: refuses
                (then (call $refuse (i32.const 0) (i32.const 4))))
            (if (i32.eq (local.get $first) (i32.const 108)) ;; l: loops
                (then (loop $on (br $on))))))"#;
    wat::parse_str(text).unwrap()
}

fn set(world: &mut World, name: &str, at: u64) -> String {
    code(world.send_bytes(&keys("st-anna").node, &format!("{NAME}.{name}"), at.to_le_bytes().to_vec()))
}

fn clear(world: &mut World, name: &str) -> String {
    code(world.send_bytes(&keys("st-anna").node, &format!("{NAME}.{name}"), vec![]))
}

/// A block in which nobody does anything that is recorded; what the ledger did by itself, as events' names and details.
fn tick(world: &mut World) -> Vec<(String, String)> {
    assert_eq!(code(world.send_bytes(&key("stranger"), "nothing.nothing", vec![])), "unknown_method");
    let told = |event: &ledger::Event| {
        let notice: contracts::record::Notice = wire::from_slice(&event.data, wire::Limits::small()).unwrap();
        (event.name.clone(), notice.detail)
    };
    world.log.last().unwrap().outcome.events.iter().map(told).collect()
}

fn told(events: &[(&str, &str)]) -> Vec<(String, String)> {
    events.iter().map(|(name, detail)| ((*name).to_owned(), (*detail).to_owned())).collect()
}

fn with_clock() -> World {
    let mut world = governed();
    assert_eq!(take(&mut world, &clock(), install(&clock())), "ok");
    world
}

fn names(world: &World) -> Vec<String> {
    read::alarms(&world.state, NAME).unwrap().into_iter().map(|alarm| alarm.name).collect()
}

#[test]
fn the_ledger_calls_a_contract_at_the_time_that_it_set() {
    let mut world = with_clock();
    let noon = world.now + HOUR;
    assert_eq!(set(&mut world, "noon", noon), "ok");
    assert_eq!(names(&world), ["noon"]);
    world.now = noon - 1;
    assert!(tick(&mut world).is_empty());
    world.now = noon;
    assert_eq!(tick(&mut world), told(&[("trigger.ran", "alarm noon"), ("x-bookings.noon", "")]));
    // The ledger is no key's member: role 4.
    assert_eq!(read::kept(&world.state, NAME, "noon").unwrap(), Some(vec![4]));
    assert!(names(&world).is_empty());
    assert_eq!(read::next_alarm(&world.state).unwrap(), None);
    assert!(tick(&mut world).is_empty());

    // Set anew, it is at the later time only; cleared, at none.
    let (sooner, later) = (world.now + 10, world.now + 20);
    assert_eq!(set(&mut world, "noon", sooner), "ok");
    assert_eq!(set(&mut world, "noon", later), "ok");
    assert_eq!(set(&mut world, "never", sooner), "ok");
    assert_eq!(clear(&mut world, "never"), "ok");
    assert_eq!(clear(&mut world, "never"), "ok");
    world.now = sooner;
    assert!(tick(&mut world).is_empty());
    world.now = later + 5;
    assert_eq!(tick(&mut world).len(), 2);
    assert_eq!(read::next_alarm(&world.state).unwrap(), None);
}

#[test]
fn an_alarm_that_fails_changes_nothing_and_does_not_come_again() {
    let mut world = with_clock();
    for (name, expected) in [("refuses", "x-bookings.late"), ("loops", "out_of_fuel")] {
        let soon = world.now + 1;
        assert_eq!(set(&mut world, name, soon), "ok");
        world.now = soon;
        let ran = format!("alarm {name}");
        assert_eq!(tick(&mut world), told(&[("trigger.ran", &ran), ("trigger.failed", expected)]));
        assert_eq!(read::kept(&world.state, NAME, name).unwrap(), None);
        assert!(tick(&mut world).is_empty());
    }
    // A later version that takes no alarms is not called.
    let soon = world.now + 1;
    assert_eq!(set(&mut world, "noon", soon), "ok");
    assert_eq!(take(&mut world, &writer(), install(&writer())), "ok");
    world.now = soon;
    assert_eq!(tick(&mut world), told(&[("trigger.ran", "alarm noon"), ("trigger.failed", "unknown_method")]));
}

#[test]
fn a_state_that_was_reached_has_consequences_at_the_start_of_the_next_block() {
    let mut world = with_clock();
    // A time that has gone by: not within the block that sets it.
    assert_eq!(set(&mut world, "again", 0), "ok");
    assert_eq!(events(&world), Vec::<String>::new());
    for _ in 0..3 {
        world.now += 1;
        assert_eq!(tick(&mut world), told(&[("trigger.ran", "alarm again"), ("x-bookings.again", "")]));
    }
    assert_eq!(pass(&mut world, uninstall(false)), "ok");
    assert!(names(&world).is_empty());
    world.now += 1;
    assert!(tick(&mut world).is_empty());
}

#[test]
fn alarms_are_bounded_and_wait_for_each_other() {
    let mut world = with_clock();
    let soon = world.now + 1;
    for n in 0..contracts::MAX_SET {
        assert_eq!(set(&mut world, &format!("n{n:02}"), soon), "ok");
    }
    assert_eq!(set(&mut world, "one-more", soon), "contract_full");
    assert_eq!(set(&mut world, "n00", soon), "ok");
    assert_eq!(clear(&mut world, "n00"), "ok");
    assert_eq!(set(&mut world, "one-more", soon), "ok");
    world.now = soon;
    // Sixteen a block, by name where the time is the same.
    for block in 0..4 {
        let ran: Vec<_> = tick(&mut world).into_iter().filter(|(name, _)| name == "trigger.ran").collect();
        assert_eq!(ran.len(), 16);
        assert_eq!(ran[0].1, format!("alarm n{:02}", 1 + 16 * block));
    }
    assert!(tick(&mut world).is_empty());

    // Those that use all their fuel: as many as the block has work for, and the others in the next ones.
    let soon = world.now + 1;
    for n in 0..12 {
        assert_eq!(set(&mut world, &format!("loops-{n:02}"), soon), "ok");
    }
    world.now = soon;
    let failed = |world: &mut World| tick(world).into_iter().filter(|(name, _)| name == "trigger.failed").count();
    assert_eq!([0; 4].map(|_| failed(&mut world)), [5, 5, 2, 0]);
}

/// Alarms are no part of what transactions may use, nor the other way round; and every ledger comes to the same.
#[test]
fn every_replica_calls_alike() {
    let mut world = with_clock();
    let soon = world.now + 1;
    for name in ["again", "loops-1", "loops-2", "noon", "refuses"] {
        assert_eq!(set(&mut world, name, soon), "ok");
    }
    let directory = tempfile::tempdir().unwrap();
    let ledgers = ["one", "other"]
        .map(|name| Ledger::open(&directory.path().join(name), Arc::new(Contracts), genesis()).unwrap());
    let [one, other] = &ledgers;
    let follow = |verified: Vec<VerifiedTransaction>, now: u64| {
        let proposed = one.propose(verified, now).unwrap();
        other.apply(&proposed.block.unwrap(), now, true).unwrap();
        assert_eq!(one.head(), other.head());
        proposed.results
    };
    for expected in &world.log {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let results = follow(vec![verified], world.now);
        assert_eq!(results[0].as_ref().unwrap().outcome.code, expected.outcome.code);
    }
    for round in 0..3_u8 {
        let sender = operator("riverside");
        let transaction = Transaction {
            chain: world.chain,
            sender: sender.public(),
            nonce: Fixed([round; 16]),
            expires: world.now + HOUR,
            contract: NAME.into(),
            method: "later".into(),
            arguments: (soon + HOUR).to_le_bytes().to_vec().into(),
        };
        let verified = VerifiedTransaction::verify(transaction.sign(&sender), &world.chain).unwrap();
        let results = follow(vec![verified], soon + u64::from(round));
        let outcome = &results[0].as_ref().unwrap().outcome;
        let ran = outcome.events.iter().filter(|event| event.name == "trigger.ran").count();
        assert_eq!((outcome.code.as_str(), ran), ("ok", if round == 0 { 5 } else { 1 }));
    }
}
