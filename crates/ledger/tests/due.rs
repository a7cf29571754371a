//! What an application does by itself when a block begins.

mod support;

use std::sync::Arc;

use ledger::{
    Application, Context, Effects, Epoch, Event, Failure, Ledger, Limits, Proposed, State, VerifiedTransaction, Write,
};
use proptest::prelude::*;
use support::{Map, NOW, call, genesis, put, verified};
use wire::Bytes;

/// [`Map`] with work: `map/due/T…` is due at second T after [`NOW`]. What its value says, it does; and it is off the list.
struct Working;

impl Application for Working {
    fn genesis(&self, application: &[u8]) -> Result<Vec<Write>, Failure> {
        Map.genesis(application)
    }

    fn execute(&self, state: &dyn State, context: &Context, call: &VerifiedTransaction) -> Result<Effects, Failure> {
        Map.execute(state, context, call)
    }

    fn due(&self, state: &dyn State, context: &Context, _: &mut u64) -> Result<Option<Effects>, Failure> {
        let Some((key, value)) = state.scan(b"map/due/", None, 1)?.into_iter().next() else { return Ok(None) };
        if NOW + u64::from(key[8]) * 1000 > context.time {
            return Ok(None);
        }
        assert_eq!(context.position, 0);
        let mut effects = Effects { writes: vec![Write::remove(key.clone())], events: vec![] };
        match value.as_slice() {
            b"refuses" => return Err(Failure::refuse("no", "never")),
            b"fails" => return Err(Failure { fatal: true, ..Failure::refuse("broken", "the store") }),
            b"floods" => effects.writes.push(Write::put(b"map/flood", vec![0; 2 << 20])),
            b"tells" => effects.events = vec![Event { name: "long".into(), data: Bytes(vec![0; 30 * 1024]) }],
            _ => effects.events = vec![Event { name: "done".into(), data: Bytes(key[8..].to_vec()) }],
        }
        effects.writes.push(Write::put([b"map/done/", &key[8..]].concat(), value));
        Ok(Some(effects))
    }

    fn epoch(&self, state: &dyn State) -> Result<Epoch, Failure> {
        Map.epoch(state)
    }
}

fn memory() -> Ledger {
    Ledger::open_backend(redb::backends::InMemoryBackend::new(), Arc::new(Working), genesis()).unwrap()
}

fn due(second: u8, name: &[u8], what: &[u8], nonce: u64) -> VerifiedTransaction {
    put(&[b"due/", &[second][..], name].concat(), what, nonce)
}

/// The ledger's own events in an outcome: those after the transaction's.
fn done(proposed: &Proposed, at: usize, own: usize) -> Vec<Vec<u8>> {
    let events = &proposed.results[at].as_ref().unwrap().outcome.events;
    events[own..].iter().map(|event| event.data.to_vec()).collect()
}

fn has(ledger: &Ledger, key: &[u8]) -> bool {
    ledger.view().unwrap().get(key).unwrap().is_some()
}

#[test]
fn it_is_done_before_the_first_transaction_and_told_after_its_events() {
    let ledger = memory();
    ledger.propose(vec![due(2, b"b", b"", 1), due(2, b"a", b"", 2), due(3, b"c", b"", 3)], NOW).unwrap();
    let early = ledger.propose(vec![put(b"x", b"", 4)], NOW + 1999).unwrap();
    assert_eq!(done(&early, 0, 1), Vec::<Vec<u8>>::new());
    // Also where the first is refused: the next then has its own events alone.
    let refused = verified(call("nothing", b"y", b"", 5, NOW + 1_000_000));
    let proposed = ledger.propose(vec![refused, put(b"z", b"", 6)], NOW + 2000).unwrap();
    assert_eq!(proposed.results[0].as_ref().unwrap().outcome.code, "no_such_method");
    assert_eq!(done(&proposed, 0, 0), [b"\x02a".to_vec(), b"\x02b".to_vec()]);
    assert_eq!(done(&proposed, 1, 1), Vec::<Vec<u8>>::new());
    assert!(has(&ledger, b"map/done/\x02a") && !has(&ledger, b"map/due/\x02a") && has(&ledger, b"map/due/\x03c"));
}

#[test]
fn it_never_fails_a_block_but_where_the_node_fails() {
    for what in [&b"refuses"[..], b"floods"] {
        let ledger = memory();
        ledger.propose(vec![due(1, b"a", b"", 1), due(1, b"b", what, 2), due(1, b"c", b"", 3)], NOW).unwrap();
        for nonce in 4..6 {
            let proposed = ledger.propose(vec![put(b"x", b"", nonce)], NOW + 1000).unwrap();
            assert_eq!(proposed.results[0].as_ref().unwrap().outcome.code, "ok");
        }
        assert!(
            has(&ledger, b"map/done/\x01a") && has(&ledger, b"map/due/\x01b"),
            "it stops there, and changes nothing"
        );
    }
    let ledger = memory();
    ledger.propose(vec![due(1, b"a", b"fails", 1)], NOW).unwrap();
    ledger.propose(vec![put(b"x", b"", 2)], NOW + 1000).unwrap_err();
    assert_eq!(ledger.head().height, 1);
}

#[test]
fn what_a_block_tells_of_it_is_bounded() {
    let ledger = memory();
    let work = (0..5).map(|at| due(1, &[at], b"tells", u64::from(at))).collect();
    ledger.propose(work, NOW).unwrap();
    // Two of 30 KiB fit into 64.
    for (nonce, expected) in [(10, 2), (11, 2), (12, 1), (13, 0)] {
        let proposed = ledger.propose(vec![put(b"x", b"", nonce)], NOW + 1000).unwrap();
        assert_eq!(done(&proposed, 0, 1).len(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn everything_is_done_once_in_order_and_so_much_a_block(seconds in prop::collection::vec(0u8..6, 0..80)) {
        let (ledger, follower) = (memory(), memory());
        let mut expected: Vec<Vec<u8>> = (0u8..).zip(&seconds).map(|(at, second)| vec![*second, at]).collect();
        let work = expected.iter().zip(0..).map(|(key, nonce)| due(key[0], &key[1..], b"", nonce));
        let mut batch: Vec<_> = work.collect();
        batch.push(put(b"first", b"", 1000));
        let mut blocks = vec![ledger.propose(batch, NOW).unwrap().block.unwrap()];
        expected.sort_unstable();
        let mut told = Vec::new();
        for second in 0..20u64 {
            let time = NOW + second * 1000;
            let proposed = ledger.propose(vec![put(b"x", b"", 2000 + second)], time).unwrap();
            let now = done(&proposed, 0, 1);
            let due = expected[told.len()..].iter().filter(|key| u64::from(key[0]) <= second).count();
            prop_assert_eq!(now.len(), due.min(Limits::V1.due));
            told.extend(now);
            blocks.push(proposed.block.unwrap());
        }
        prop_assert_eq!(told, expected);
        for block in &blocks {
            follower.apply(block, NOW + 100_000, true).unwrap();
        }
        prop_assert_eq!(follower.head(), ledger.head());
    }
}
