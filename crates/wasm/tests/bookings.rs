//! The example contract of `samples/contracts/bookings`, in both versions.

use std::cell::RefCell;
use std::collections::BTreeMap;

use wasm::{Call, Code, Entry, Fault, Reads, Role, Sender, Stop};
use wire::Fixed;

const FIRST: &[u8] = include_bytes!("../../../samples/contracts/bookings/bookings-1.wasm");
const SECOND: &[u8] = include_bytes!("../../../samples/contracts/bookings/bookings-2.wasm");
const DAY: u64 = 24 * 3600 * 1000;
const TODAY: u64 = 20_700;

#[derive(Default)]
struct State(RefCell<BTreeMap<Vec<u8>, Vec<u8>>>);

impl Reads for State {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.0.borrow().get(key).cloned())
    }
}

impl State {
    /// Calls for a member, and keeps what comes of it; tells the events, or why there are none.
    fn call(
        &self,
        code: &Code,
        member: &str,
        role: Role,
        entry: Entry,
        arguments: Vec<u8>,
    ) -> Result<Vec<String>, Stop> {
        let key = crypto::PublicKey(Fixed([1; 32]));
        let member = Some(member.to_owned()).filter(|member| !member.is_empty());
        let sender = Sender { key, member, role };
        let call = Call { entry, ..Call::method("", arguments, sender, 9, TODAY * DAY + 5) };
        let effects = code.run(self, call).expect("this machine does its part").end?;
        for (key, value) in effects.writes {
            match value {
                Some(value) => _ = self.0.borrow_mut().insert(key, value),
                None => _ = self.0.borrow_mut().remove(&key),
            }
        }
        Ok(effects
            .events
            .into_iter()
            .map(|event| format!("{} {} {}", event.name, event.subject, event.detail))
            .collect())
    }

    fn method(&self, code: &Code, member: &str, method: &str, arguments: Vec<u8>) -> Result<Vec<String>, Stop> {
        let role = if method == "add" { Role::Operator } else { Role::Principal };
        self.call(code, member, role, Entry::Method(method.into()), arguments)
    }
}

fn refused(code: &str) -> Result<Vec<String>, Stop> {
    Err(Stop::Refused(code.into()))
}

fn told(event: &str) -> Result<Vec<String>, Stop> {
    Ok(vec![event.into()])
}

/// `[item]` and `[item, number]`.
fn item(name: &str) -> Vec<u8> {
    [&[0x81, 0x60 | name.len() as u8][..], name.as_bytes()].concat()
}

fn item_and(name: &str, number: u64) -> Vec<u8> {
    let mut bytes = [&[0x82, 0x60 | name.len() as u8][..], name.as_bytes()].concat();
    match number {
        0..24 => bytes.push(number as u8),
        24..256 => bytes.extend([0x18, number as u8]),
        _ => bytes.extend([&[0x19][..], &(number as u16).to_be_bytes()].concat()),
    }
    bytes
}

#[test]
fn members_share_an_instrument_and_a_later_version_takes_over() {
    let first = Code::compile(FIRST).expect("version 1 is a contract");
    let state = State::default();
    let key = format!("booking/laser/{}", TODAY + 2);
    assert_eq!(state.method(&first, "harbour", "book", item_and("laser", TODAY)), refused("no_such_item"));
    assert_eq!(state.method(&first, "harbour", "add", item("laser")), told("added laser harbour"));
    assert_eq!(state.method(&first, "island", "add", item("laser")), refused("name_taken"));
    let principal = state.call(&first, "island", Role::Principal, Entry::Method("add".into()), item("saw"));
    assert_eq!(principal, refused("operators_only"));
    assert_eq!(state.method(&first, "", "book", item_and("laser", TODAY + 2)), refused("no_member"));
    assert_eq!(state.method(&first, "island", "book", item_and("laser", TODAY - 1)), refused("in_the_past"));
    assert_eq!(
        state.method(&first, "island", "book", item_and("laser", TODAY + 2)),
        told(&format!("asked {key} island"))
    );
    assert_eq!(state.method(&first, "coast", "book", item_and("laser", TODAY + 2)), refused("taken"));
    assert_eq!(state.method(&first, "island", "approve", item_and("laser", TODAY + 2)), refused("not_yours"));
    let approved = state.method(&first, "harbour", "approve", item_and("laser", TODAY + 2));
    assert_eq!(approved, told(&format!("approved {key} island")));
    assert_eq!(state.method(&first, "harbour", "approve", item_and("laser", TODAY + 2)), refused("approved_already"));
    assert_eq!(state.method(&first, "coast", "cancel", item_and("laser", TODAY + 2)), refused("not_yours"));
    assert_eq!(state.method(&first, "island", "limit", item_and("laser", 5)), refused("unknown_method"));
    assert_eq!(state.method(&first, "island", "book", b"\x82\x61".to_vec()), refused("malformed"));
    // What the owner books needs nobody's approval.
    let own = state.method(&first, "harbour", "book", item_and("laser", TODAY));
    assert_eq!(own, told(&format!("approved booking/laser/{TODAY} harbour")));

    let second = Code::compile(SECOND).expect("version 2 is a contract");
    assert!(second.migrates() && !first.migrates());
    let migrate = |from, days: u8| state.call(&second, "", Role::Nobody, Entry::Migrate { from }, vec![0x81, days]);
    assert_eq!(migrate(3, 10), refused("unknown_version"));
    assert_eq!(migrate(1, 10), Ok(vec![]));
    assert_eq!(state.0.borrow()[b"item/laser".as_slice()], b"\x82\x67harbour\x0a");
    assert_eq!(state.method(&second, "coast", "book", item_and("laser", TODAY + 11)), refused("too_far_ahead"));
    assert_eq!(state.method(&second, "coast", "limit", item_and("laser", 30)), refused("not_yours"));
    assert_eq!(state.method(&second, "harbour", "limit", item_and("laser", 30)), told("limited laser 30"));
    assert!(state.method(&second, "coast", "book", item_and("laser", TODAY + 11)).is_ok());
    let cancelled = state.method(&second, "island", "cancel", item_and("laser", TODAY + 2));
    assert_eq!(cancelled, told(&format!("cancelled {key} island")));
    assert!(!state.0.borrow().contains_key(key.as_bytes()));
}

/// What a call uses is part of what nodes agree on: these numbers change with no version of the engine, only with the format. They were
/// found by a reader of `docs/spec/wasm.md` in another language, on another release of the engine.
#[test]
fn the_fuel_of_a_call_is_frozen() {
    let code = Code::compile(FIRST).expect("version 1 is a contract");
    let key = crypto::PublicKey(Fixed([1; 32]));
    let sender = Sender { key, member: Some("harbour".into()), role: Role::Operator };
    let call = Call::method("add", item("laser"), sender, 9, TODAY * DAY);
    let run = code.run(&State::default(), call).expect("this machine does its part");
    assert!(run.end.is_ok());
    assert_eq!((code.digest().to_string().as_str(), run.fuel), FROZEN);
}

const FROZEN: (&str, u64) = ("7230afc9f2d774e72cca437780bc32a2c2135eeeb98673637261da984bc7bc80", 41_089);
