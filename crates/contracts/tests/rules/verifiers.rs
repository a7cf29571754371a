//! Verifiers of proofs: registered by ballots, asked by contracts, about what another consortium's ledger really said.

use std::sync::Arc;

use contracts::message::{
    Action, Ballot, Callers, Install, Invite, Join, ModuleStore, PrincipalAdd, Propose, Room, System, VerifierName,
    VerifierPlan,
};
use contracts::record::Role;
use contracts::{CEILING, Contracts, DEFAULT_PARAMETERS, MAX_VERIFIERS, MAX_VERIFYING_KEY, StateStatement};
use contracts::{KeyError, VerifyingKey, read, verifier_digest};
use crypto::{Digest, Label, Secret, SigningKey, hash, mldsa};
use ledger::{Consortium, Epoch, Genesis, Ledger, ProvenState, Transaction, Validator, VerifiedTransaction};
use minicbor::Encode;
use proptest::prelude::*;
use wasm::bounds::VERIFY;
use wire::{Bytes, Fixed, Limits};

use crate::world::*;

const FACTS: &[u8] = include_bytes!("../../../../samples/contracts/facts/facts.wasm");
const NAME: &str = "x-facts";
const FOUNDER: &str = "health-authority";
const TIDELAND: &str = "tideland";
const DAY: u64 = 24 * HOUR;
/// What a signature by ML-DSA-65 costs, as the format page has it.
const ML_DSA: u64 = 100_000;

/// Another consortium: a ledger of its own, which its validators cosign.
struct Other {
    ledger: Ledger,
    nonce: u64,
    _directory: tempfile::TempDir,
}

impl Other {
    /// Founded by one member, with another member's invitation in its first block.
    fn founded(nonce: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let genesis = Genesis { name: "Tideland".into(), nonce: Fixed([nonce; 16]), ..genesis() };
        let ledger = Ledger::open(&directory.path().join("ledger"), Arc::new(Contracts), genesis).unwrap();
        let mut other = Self { ledger, nonce: 0, _directory: directory };
        let token = hash(Label::INVITATION, &[&[7; 32]]);
        let invite = Invite { name: "st-anna".into(), token, expires: START + HOUR, regulator: false };
        other.act(&keys(FOUNDER).operator, "members.invite", &invite, START);
        other.cosigned(&[FOUNDER]);
        other
    }

    /// The other member joins: its keys are among the validators' from the next block on.
    fn grows(&mut self, now: u64) {
        let join = Join { card: card("st-anna"), token: Fixed([7; 32]), ml_dsa: None };
        self.act(&keys("st-anna").operator, "members.join", &join, now);
        self.cosigned(&[FOUNDER]);
        self.add("later", now);
        self.cosigned(&[FOUNDER, "st-anna"]);
    }

    fn add(&mut self, name: &str, now: u64) {
        let add = PrincipalAdd { name: name.into(), key: key(name).public(), roles: vec![Role::Owner] };
        self.act(&keys(FOUNDER).operator, "members.principal_add", &add, now);
    }

    /// A block with one transaction.
    fn act<T: Encode<()>>(&mut self, sender: &SigningKey, method: &str, arguments: &T, now: u64) {
        let (contract, method) = method.split_once('.').unwrap();
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.nonce.to_be_bytes());
        let transaction = Transaction {
            chain: self.ledger.chain(),
            sender: sender.public(),
            nonce: Fixed(nonce),
            expires: now + HOUR,
            contract: contract.into(),
            method: method.into(),
            arguments: wire::to_vec(arguments).into(),
        };
        let verified = VerifiedTransaction::verify(transaction.sign(sender), &self.ledger.chain()).unwrap();
        let proposed = self.ledger.propose(vec![verified], now).unwrap();
        assert_eq!(proposed.results[0].as_ref().unwrap().outcome.code, "ok");
    }

    /// Has these validators cosign the newest block.
    fn cosigned(&self, validators: &[&str]) {
        let height = self.ledger.head().height;
        let checkpoint = self.ledger.durable_checkpoint(height).unwrap();
        let cosign = |name: &&str| {
            let sign = |bytes: &[u8]| Ok::<_, ()>(keys(name).cosigner.sign_raw(bytes));
            ((*name).to_owned(), checkpoint.cosign(START / 1000, sign).unwrap())
        };
        let cosignatures: Vec<_> = validators.iter().map(cosign).collect();
        assert!(self.ledger.add_cosignatures(height, &cosignatures).unwrap().1);
    }

    /// What its newest state says of a key.
    fn proof(&self, key: &str) -> String {
        self.ledger.prove_state(self.ledger.head().height, key.as_bytes()).unwrap().to_string()
    }

    fn consortium(&self) -> Consortium {
        let view = self.ledger.view().unwrap();
        read::consortium(&view, &self.ledger.chain(), "Tideland", |epoch| Ok(view.epoch_start(epoch)?)).unwrap()
    }

    fn plan(&self) -> VerifierPlan {
        let key = wire::to_vec(&self.consortium()).into();
        VerifierPlan { name: TIDELAND.into(), system: System::LedgerState, key, replaces: None }
    }
}

fn digest_of(plan: &VerifierPlan) -> Digest {
    verifier_digest(plan.system, &plan.key)
}

fn code<T>(result: Result<T, String>) -> String {
    result.err().unwrap_or_else(|| "ok".into())
}

fn propose(world: &mut World, action: Action) -> Result<Digest, String> {
    let expires = world.now + HOUR;
    world.send(&keys("st-anna").operator, "governance.propose", &Propose { action, expires, reason: String::new() })
}

/// Has two of the four vote for what the third has proposed: the code of the last vote, which decides.
fn vote(world: &mut World, proposal: Digest) -> String {
    let vote =
        |world: &mut World, by| world.send(&keys(by).operator, "governance.ballot", &Ballot { proposal, yes: true });
    vote(world, "riverside").unwrap();
    code(vote(world, FOUNDER))
}

fn pass(world: &mut World, action: Action) -> String {
    let proposal = propose(world, action).unwrap();
    vote(world, proposal)
}

fn register(world: &mut World, plan: &VerifierPlan) -> String {
    pass(world, Action::Verifier(plan.clone()))
}

/// Four members that ballots govern, and the example contract.
fn governed() -> World {
    let mut world = World::ready();
    world.send(&keys(FOUNDER).operator, "governance.begin", &DEFAULT_PARAMETERS).unwrap();
    install(&mut world, CEILING);
    world
}

fn install(world: &mut World, room: Room) {
    world.send(&keys("st-anna").operator, "modules.store", &ModuleStore { module: FACTS.to_vec().into() }).unwrap();
    let module = wasm::digest(FACTS);
    let install = Install { name: NAME.into(), module, callers: Callers::Known, room, migration: None };
    assert_eq!(pass(world, Action::Install(install)), "ok");
}

fn learn(world: &mut World, verifier: &str, proof: &str) -> String {
    let arguments = wire::to_vec(&(verifier, Bytes(proof.as_bytes().to_vec())));
    code(world.send_bytes(&keys("riverside").node, "x-facts.learn", arguments))
}

fn fact(world: &World, key: &str) -> Option<Vec<u8>> {
    read::kept(&world.state, NAME, &format!("fact/{TIDELAND}/{key}")).unwrap()
}

fn events(world: &World) -> Vec<String> {
    world.log.last().unwrap().outcome.events.iter().map(|event| event.name.clone()).collect()
}

#[test]
fn a_contract_acts_on_what_another_ledger_says() {
    let mut world = governed();
    let mut other = Other::founded(1);
    let (founder, absent) = (format!("member/{FOUNDER}"), "member/riverside");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&founder)), "x-facts.unknown_verifier");
    assert_eq!(register(&mut world, &other.plan()), "ok");
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "verifier.registered"]);
    let registered = read::verifier(&world.state, TIDELAND).unwrap().unwrap();
    assert_eq!((registered.number, registered.verifier), (1, digest_of(&other.plan())));
    assert_eq!(read::verifying_key(&world.state, TIDELAND).unwrap().unwrap(), other.plan().key);
    assert_eq!(read::verifiers(&world.state).unwrap(), [registered]);

    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&founder)), "ok");
    assert_eq!(events(&world), ["x-facts.learned"]);
    let view = other.ledger.view().unwrap();
    assert_eq!(fact(&world, &founder), ledger::State::get(&view, founder.as_bytes()).unwrap());
    assert!(fact(&world, &founder).is_some());
    // An old truth does not take the place of what is known, nor does the same one.
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&founder)), "x-facts.known");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(absent)), "ok");
    assert_eq!((events(&world), fact(&world, absent)), (vec!["x-facts.gone".into()], None));
    let old = other.proof(&founder);
    other.add("someone", START);
    other.cosigned(&[FOUNDER]);
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&founder)), "ok");
    assert_eq!(learn(&mut world, TIDELAND, &old), "x-facts.known");
    other.add("someone-else", START);
    other.cosigned(&[FOUNDER]);
    let late = other.proof(&founder);
    world.now += DAY + 1;
    assert_eq!(learn(&mut world, TIDELAND, &late), "x-facts.stale");
    other.add("early", world.now + 2 * HOUR);
    other.cosigned(&[FOUNDER]);
    let early = other.proof(&founder);
    assert_eq!(learn(&mut world, TIDELAND, &early), "x-facts.ahead");
}

#[test]
fn what_was_tampered_with_or_is_anothers_proves_nothing() {
    let mut world = governed();
    let other = Other::founded(1);
    assert_eq!(register(&mut world, &other.plan()), "ok");
    let proof = other.proof(&format!("member/{FOUNDER}"));
    // The same people's ledger, by another genesis.
    let another = Other::founded(2);
    let foreign = another.proof(&format!("member/{FOUNDER}"));
    assert_eq!(learn(&mut world, TIDELAND, &foreign), "x-facts.not_proven");
    let key = VerifyingKey::read(System::LedgerState, &other.plan().key).unwrap();
    let of_another = VerifyingKey::read(System::LedgerState, &another.plan().key).unwrap();
    assert!(key.verify(proof.as_bytes()).is_some() && key.verify(foreign.as_bytes()).is_none());
    assert!(of_another.verify(proof.as_bytes()).is_none() && of_another.verify(foreign.as_bytes()).is_some());
    // Every byte of it is covered.
    for at in 0..proof.len() {
        let mut bytes = proof.clone().into_bytes();
        bytes[at] ^= 1;
        assert_eq!(key.verify(&bytes), None, "byte {at}");
        assert_eq!(key.verify(&proof.as_bytes()[..at]), None, "up to byte {at}");
    }
    let mut tampered = proof.clone().into_bytes();
    for at in (0..proof.len()).step_by(97) {
        tampered[at] ^= 1;
        assert_eq!(learn(&mut world, TIDELAND, &String::from_utf8_lossy(&tampered)), "x-facts.not_proven");
        tampered[at] ^= 1;
    }
    for noise in ["", "sottovoce-state-proof/v1\n", &proof.repeat(2), &format!("{proof}\n")] {
        assert_eq!(learn(&mut world, TIDELAND, noise), "x-facts.not_proven");
    }
    // What is verified is what stands in the proof.
    let statement: StateStatement = wire::from_slice(&key.verify(proof.as_bytes()).unwrap(), Limits::small()).unwrap();
    let verified = ProvenState::parse(&proof).unwrap().verify(&other.consortium()).unwrap();
    let value = verified.value.map(Bytes);
    assert_eq!((statement.key.0, statement.value), (verified.key, value));
    let header = verified.header;
    assert_eq!((statement.chain, statement.height, statement.time), (header.chain, header.height, header.time));
    assert_eq!(learn(&mut world, TIDELAND, &proof), "ok");
}

#[test]
fn a_name_is_bound_anew_only_by_a_ballot_that_says_so_and_to_the_same_ledger() {
    let mut world = governed();
    let mut other = Other::founded(1);
    let first = other.plan();
    let replacing = |plan: VerifierPlan, digest| VerifierPlan { replaces: Some(digest), ..plan };
    let refused = |world: &mut World, plan: VerifierPlan| propose(world, Action::Verifier(plan)).unwrap_err();
    assert_eq!(refused(&mut world, replacing(first.clone(), digest_of(&first))), "unknown_verifier");
    assert_eq!(register(&mut world, &first), "ok");
    assert_eq!(refused(&mut world, first.clone()), "already_recorded");

    // Validators that the registered file does not know answer for nothing.
    other.grows(START + 1);
    let key = format!("member/{FOUNDER}");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "x-facts.not_proven");
    let newer = other.plan();
    assert_eq!(refused(&mut world, newer.clone()), "verifier_exists");
    assert_eq!(refused(&mut world, replacing(newer.clone(), digest_of(&newer))), "unknown_verifier");
    assert_eq!(refused(&mut world, replacing(first.clone(), digest_of(&first))), "already_recorded");
    assert_eq!(refused(&mut world, replacing(newer.clone(), digest("another"))), "unknown_verifier");
    let stranger = Other::founded(2).plan();
    assert_eq!(refused(&mut world, replacing(stranger.clone(), digest_of(&first))), "verifier_refused");

    // Ballots that cross each other: the second finds another verifier than the one that it names.
    let shorter = {
        let mut consortium = other.consortium();
        consortium.epochs.remove(0);
        VerifierPlan { key: wire::to_vec(&consortium).into(), ..newer.clone() }
    };
    let crossing = propose(&mut world, Action::Verifier(replacing(shorter, digest_of(&first)))).unwrap();
    let retire =
        |plan: &VerifierPlan| Action::Retire(VerifierName { name: TIDELAND.into(), verifier: digest_of(plan) });
    let retiring = propose(&mut world, retire(&first)).unwrap();
    assert_eq!(register(&mut world, &replacing(newer.clone(), digest_of(&first))), "ok");
    assert_eq!(vote(&mut world, crossing), "unknown_verifier");
    assert_eq!(vote(&mut world, retiring), "unknown_verifier");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "ok");
    assert_eq!(read::verifier(&world.state, TIDELAND).unwrap().unwrap().number, 2);

    // Retired, it is asked in vain; then the name is another's, under a number of its own.
    assert_eq!(propose(&mut world, retire(&first)).unwrap_err(), "unknown_verifier");
    assert_eq!(pass(&mut world, retire(&newer)), "ok");
    assert_eq!(events(&world), ["governance.voted", "governance.passed", "verifier.retired"]);
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "x-facts.unknown_verifier");
    assert!(read::verifying_key(&world.state, TIDELAND).unwrap().is_none());
    assert_eq!(register(&mut world, &stranger), "ok");
    assert_eq!(read::verifier(&world.state, TIDELAND).unwrap().unwrap().number, 3);
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "x-facts.not_proven");
}

#[test]
fn verifiers_have_their_bounds() {
    let mut world = governed();
    let other = Other::founded(1);
    let mut refused = |plan: VerifierPlan| propose(&mut world, Action::Verifier(plan)).unwrap_err();
    for name in ["", "Tideland", "tide land", "tide_land", "tide/land", &"t".repeat(33)] {
        assert_eq!(refused(VerifierPlan { name: name.into(), ..other.plan() }), "name_invalid", "{name}");
    }
    let key = |key: Vec<u8>| VerifierPlan { key: key.into(), ..other.plan() };
    assert_eq!(refused(key(vec![0; MAX_VERIFYING_KEY + 1])), "oversize");
    assert_eq!(refused(key(vec![])), "verifier_refused");
    assert_eq!(refused(key(other.consortium().to_toml().into_bytes())), "verifier_refused");
    let mut nobody = other.consortium();
    nobody.epochs.clear();
    assert_eq!(refused(key(wire::to_vec(&nobody))), "verifier_refused");
    // This ledger's own state is not for contracts.
    let own = Consortium { chain: world.chain, ..other.consortium() };
    assert_eq!(propose(&mut world, Action::Verifier(key(wire::to_vec(&own)))).unwrap_err(), "verifier_refused");

    for n in 0..MAX_VERIFIERS {
        assert_eq!(register(&mut world, &VerifierPlan { name: format!("v{n}"), ..other.plan() }), "ok");
    }
    assert_eq!(propose(&mut world, Action::Verifier(other.plan())).unwrap_err(), "too_many");
    assert_eq!(read::verifiers(&world.state).unwrap().len(), MAX_VERIFIERS);
}

#[test]
fn a_call_that_cannot_pay_verifies_nothing() {
    let mut world = governed();
    let other = Other::founded(1);
    assert_eq!(register(&mut world, &other.plan()), "ok");
    let proof = other.proof(&format!("member/{FOUNDER}"));
    // Less than a signature costs, and less than the bytes do.
    for fuel in [150_000, 90_000, 30_000, 1_000] {
        let install = Install {
            name: NAME.into(),
            module: wasm::digest(FACTS),
            callers: Callers::Known,
            room: Room { fuel, ..CEILING },
            migration: None,
        };
        assert_eq!(pass(&mut world, Action::Install(install)), "ok");
        assert_eq!(learn(&mut world, TIDELAND, &proof), "out_of_fuel");
        assert_eq!(fact(&world, &format!("member/{FOUNDER}")), None);
    }
}

#[test]
fn every_replica_verifies_alike() {
    let mut world = governed();
    let mut other = Other::founded(1);
    assert_eq!(register(&mut world, &other.plan()), "ok");
    let key = format!("member/{FOUNDER}");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "ok");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof("member/nobody")), "ok");
    assert_eq!(learn(&mut world, TIDELAND, "noise"), "x-facts.not_proven");
    other.grows(START + 1);
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "x-facts.not_proven");
    let replaces = Some(read::verifier(&world.state, TIDELAND).unwrap().unwrap().verifier);
    assert_eq!(register(&mut world, &VerifierPlan { replaces, ..other.plan() }), "ok");
    assert_eq!(learn(&mut world, TIDELAND, &other.proof(&key)), "ok");

    let directory = tempfile::tempdir().unwrap();
    let [one, another] = ["one", "another"]
        .map(|name| Ledger::open(&directory.path().join(name), Arc::new(Contracts), genesis()).unwrap());
    for expected in &world.log {
        let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
        let proposed = one.propose(vec![verified], world.now).unwrap();
        assert_eq!(proposed.results[0].as_ref().unwrap().outcome, expected.outcome);
        another.apply(&proposed.block.unwrap(), world.now, true).unwrap();
        assert_eq!(one.head(), another.head());
    }
    let view = one.view().unwrap();
    assert_eq!(read::verifiers(&view).unwrap(), read::verifiers(&world.state).unwrap());
}

fn made_up(epochs: &[(usize, bool)]) -> Consortium {
    let validator = |n: usize, ml_dsa: bool| Validator {
        name: format!("v{n}"),
        key: SigningKey::from_seed(hash(Label::KEY_ID, &[&n.to_be_bytes()]).as_bytes()).public(),
        ml_dsa: ml_dsa.then(|| mldsa::SigningKey::from_seed(Secret::new([n as u8; 32])).public()),
    };
    let epoch = |(number, (count, ml_dsa)): (u64, &(usize, bool))| {
        let validators = (0..*count).map(|n| validator(n, *ml_dsa)).collect();
        Epoch { number, validators }.pinned(number * 10)
    };
    let (format, chain) = (Consortium::FORMAT.to_owned(), Digest::from([7; 32]));
    let epochs = (0..).zip(epochs).map(epoch).collect();
    Consortium { format, name: "Tideland".into(), chain, epochs, oracles: vec![] }
}

#[test]
fn a_key_costs_what_its_dearest_epoch_does() {
    let fuel = |epochs: &[(usize, bool)]| VerifyingKey::LedgerState(made_up(epochs)).fuel(10) - 10 * 32;
    assert_eq!(fuel(&[(1, false)]), VERIFY);
    assert_eq!(fuel(&[(4, false), (1, false)]), 3 * VERIFY);
    assert_eq!(fuel(&[(4, false), (3, true)]), 3 * (VERIFY + ML_DSA));
}

#[test]
fn keys_are_read_strictly_and_within_bounds() {
    let read = |bytes: &[u8]| VerifyingKey::read(System::LedgerState, bytes);
    let good = made_up(&[(1, false), (4, false)]);
    let bytes = wire::to_vec(&good);
    assert_eq!(read(&bytes), Ok(VerifyingKey::LedgerState(good.clone())));
    assert_eq!(read(&bytes).unwrap().ledger().validators.len(), 4);
    assert!(matches!(read(b""), Err(KeyError::Form(_))));
    assert!(matches!(read(&[&bytes[..], &[0]].concat()), Err(KeyError::Form(_))));
    assert!(matches!(read(good.to_toml().as_bytes()), Err(KeyError::Form(_))));
    let nobody = Consortium { epochs: vec![], ..good.clone() };
    assert!(matches!(read(&wire::to_vec(&nobody)), Err(KeyError::Consortium(_))));
    let other = Consortium { format: "sottovoce-consortium/v2".into(), ..good };
    assert!(matches!(read(&wire::to_vec(&other)), Err(KeyError::Consortium(_))));
    let long = made_up(&vec![(9, false); 100]);
    assert!(matches!(read(&wire::to_vec(&long)), Err(KeyError::TooLong { .. })));
    // What is long: validators with both keys. What is dear: a hundred and more.
    assert!(read(&wire::to_vec(&made_up(&[(14, true)]))).is_ok());
    assert!(matches!(read(&wire::to_vec(&made_up(&[(14, true), (4, true)]))), Err(KeyError::TooLong { .. })));
    assert!(read(&wire::to_vec(&made_up(&[(64, false)]))).is_ok());
    assert!(matches!(read(&wire::to_vec(&made_up(&[(128, false)]))), Err(KeyError::TooDear { .. })));
}

#[test]
fn a_verifier_is_its_system_and_its_key() {
    let of = |key: &[u8]| verifier_digest(System::LedgerState, key);
    assert_eq!(of(b"a"), hash(Label::VERIFIER, &[b"ledger.state/v1", b"a"]));
    assert_ne!(of(b"a"), of(b"b"));
    assert_eq!(serde_name(System::LedgerState), System::LedgerState.name());
}

/// As the format page has it, byte by byte: contracts read this.
#[test]
fn statements_have_the_documented_bytes() {
    let statement = |value| {
        let (chain, key) = (Digest::from([1; 32]), Bytes(b"k".to_vec()));
        wire::to_vec(&StateStatement { chain, key, value, height: 7, time: 1_000 })
    };
    let head = [&[0x85, 0x58, 0x20][..], &[1; 32], &[0x41, b'k']].concat();
    assert_eq!(statement(None), [&head[..], &[0xf6, 7, 0x19, 0x03, 0xe8]].concat());
    assert_eq!(statement(Some(Bytes(vec![9]))), [&head[..], &[0x41, 9, 7, 0x19, 0x03, 0xe8]].concat());
    assert_eq!(wire::to_vec(&System::LedgerState), [1]);
}

/// The name that JSON has is the one that is hashed.
fn serde_name(system: System) -> String {
    use serde::Deserialize as _;
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer};
    let name: StrDeserializer<'_, Error> = system.name().into_deserializer();
    System::deserialize(name).unwrap().name().to_owned()
}

proptest! {
    /// Whatever is handed in as a key or a proof is refused or taken, and nothing else.
    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(VerifyingKey::read(System::LedgerState, &bytes).is_err());
        let key = VerifyingKey::LedgerState(made_up(&[(1, false)]));
        prop_assert_eq!(key.verify(&bytes), None);
    }

    #[test]
    fn what_is_nearly_a_key_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = wire::to_vec(&made_up(&[(1, false), (4, false)]));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(key) = VerifyingKey::read(System::LedgerState, &bytes) {
            let VerifyingKey::LedgerState(consortium) = &key else { unreachable!("there is one system") };
            prop_assert_eq!(wire::to_vec(consortium), bytes);
            prop_assert_eq!(key.verify(b"sottovoce-state-proof/v1\n"), None);
        }
    }
}
