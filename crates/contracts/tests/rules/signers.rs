//! Who signs contracts twice, from when on, and that nothing but the key itself ends it.

use contracts::chain::{Error, Kind, check};
use contracts::message::{
    Action, Amend, Approve, ContractState, Cosigning, Offer, Parameters, PrincipalAdd, PrincipalRevoke, Registration,
    SignerRegister, registration,
};
use contracts::record::{Role, Standing};
use contracts::{MAX_CHANGES, read, signers};
use crypto::{Digest, Label, SigningKey, mldsa};
use ledger::Transaction;
use minicbor::Encode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wire::Fixed;

use crate::governance::{code, governed, pass};
use crate::world::*;

const ON: Parameters =
    Parameters { recovery: None, signing: Some(Cosigning::MlDsa65), ..contracts::DEFAULT_PARAMETERS };
const OFF: Parameters = Parameters { recovery: None, ..contracts::DEFAULT_PARAMETERS };

fn owner() -> SigningKey {
    key("northgate/owner")
}

/// Asked of everyone; northgate's owner, two of its approvers and the researcher have registered.
fn signing() -> World {
    let mut world = governed();
    pass(&mut world, Action::Parameters(ON));
    world.register_signer(&owner(), "owner").unwrap();
    world.register_signer(&researcher(), "researcher").unwrap();
    for (approver, name) in approvers().iter().zip(["one", "two"]) {
        world.register_signer(approver, name).unwrap();
    }
    world
}

/// Offered, applied for, approved twice, allowed, granted and released, with both signatures: contract and request.
fn released(world: &mut World) -> (Digest, Digest) {
    let offer = Offer { terms: world.release_terms() };
    let contract = world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer).unwrap();
    let apply = application(&[contract]);
    let request = world.send_twice(&researcher(), &second("researcher"), "requests.apply", &apply).unwrap();
    for (approver, name) in approvers().iter().zip(["one", "two"]) {
        let approve = Approve { request, contract, approve: true };
        world.send_twice(approver, &second(name), "requests.approve", &approve).unwrap();
    }
    world.judge(&request, "ok").unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &researcher()).unwrap();
    (contract, request)
}

#[test]
fn from_the_ballot_on_everyone_signs_twice() {
    let mut world = governed();
    let old = world.offer("northgate", world.release_terms()).unwrap();
    let waiting = world.apply(&[old]).unwrap();
    pass(&mut world, Action::Parameters(ON));
    let operator = keys("northgate").operator;
    let offer = Offer { terms: world.release_terms() };
    let twice = |world: &mut World| code(world.send_twice(&operator, &second("operator"), "contracts.offer", &offer));
    // Nobody does without, registered or not; and nobody is locked out: one transaction is in between.
    assert_eq!(code(world.send(&operator, "contracts.offer", &offer)), "ml_dsa_missing");
    assert_eq!(twice(&mut world), "ml_dsa_missing");
    world.register_signer(&operator, "operator").unwrap();
    assert_eq!(crate::governance::events(&world), ["signer.registered"]);
    assert_eq!(code(world.send(&operator, "contracts.offer", &offer)), "ml_dsa_missing");
    assert_eq!(twice(&mut world), "ok");
    let new = world.last();
    let signed = Some(second("operator").public().id());
    let contract = |world: &World, id: &Digest| read::contract(&world.state, id).unwrap().unwrap();
    assert_eq!((contract(&world, &new).ml_dsa, contract(&world, &old).ml_dsa), (signed, None));

    // What is there from before goes on, with what is new about it signed twice.
    let approve = Approve { request: waiting, contract: old, approve: true };
    let approver = &approvers()[0];
    assert_eq!(code(world.send(approver, "requests.approve", &approve)), "ml_dsa_missing");
    world.register_signer(approver, "one").unwrap();
    world.send_twice(approver, &second("one"), "requests.approve", &approve).unwrap();
    let apply = application(&[old]);
    assert_eq!(code(world.send(&researcher(), "requests.apply", &apply)), "ml_dsa_missing");
    world.register_signer(&researcher(), "researcher").unwrap();
    let request = world.send_twice(&researcher(), &second("researcher"), "requests.apply", &apply).unwrap();
    let request = read::request(&world.state, &request).unwrap().unwrap();
    assert_eq!(request.ml_dsa, Some(second("researcher").public().id()));
    let waiting = read::request(&world.state, &waiting).unwrap().unwrap();
    assert_eq!((waiting.ml_dsa, waiting.approvals[0].ml_dsa), (None, Some(second("one").public().id())));
    let amend = Amend { contract: old, terms: world.release_terms() };
    assert_eq!(code(world.send(&operator, "contracts.amend", &amend)), "ml_dsa_missing");
    world.send_twice(&operator, &second("operator"), "contracts.amend", &amend).unwrap();
    assert_eq!(contract(&world, &old).ml_dsa, signed);

    // What stops something is signed once, what has it go on twice.
    let state = ContractState { contract: old };
    world.send(&operator, "contracts.suspend", &state).unwrap();
    assert_eq!(code(world.send(&operator, "contracts.resume", &state)), "ml_dsa_missing");
    assert_eq!(contract(&world, &old).standing, Standing::Suspended);
    world.send_twice(&operator, &second("operator"), "contracts.resume", &state).unwrap();
    assert_eq!(contract(&world, &old).standing, Standing::Active);
    assert_eq!(contract(&world, &old).ml_dsa, signed);
    world.send(&operator, "contracts.revoke", &state).unwrap();
    let add = PrincipalAdd { name: "new".into(), key: key("new").public(), roles: vec![Role::Owner] };
    assert_eq!(code(world.send(&operator, "members.principal_add", &add)), "ml_dsa_missing");
    world.send_twice(&operator, &second("operator"), "members.principal_add", &add).unwrap();
    world.send(&operator, "members.principal_revoke", &PrincipalRevoke { key: add.key }).unwrap();
    // No second signature where there is no place for one.
    let state = wire::to_vec(&(new, wire::Bytes(vec![1; mldsa::SIGNATURE])));
    assert_eq!(code(world.send_bytes(&operator, "contracts.suspend", state)), "malformed");
}

#[test]
fn ballots_may_begin_with_it() {
    let mut world = World::ready();
    world.begin_signing();
    let offer = Offer { terms: world.release_terms() };
    assert_eq!(code(world.send(&owner(), "contracts.offer", &offer)), "ml_dsa_missing");
    world.register_signer(&owner(), "owner").unwrap();
    world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer).unwrap();
}

#[test]
fn a_ballot_does_not_take_it_from_who_has_registered() {
    let mut world = signing();
    pass(&mut world, Action::Parameters(OFF));
    let chain = world.chain;
    let offer = Offer { terms: world.release_terms() };
    assert_eq!(code(world.send(&owner(), "contracts.offer", &offer)), "ml_dsa_missing");
    let contract = world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer).unwrap();
    assert_eq!(code(world.send(&researcher(), "requests.apply", &application(&[contract]))), "ml_dsa_missing");
    // A key may still be replaced, by itself.
    world.send(&owner(), "signers.register", &handed(&chain, &owner(), "owner", "owner 2")).unwrap();
    // Others sign once, and cannot begin with it.
    let operator = keys("northgate").operator;
    world.send(&operator, "contracts.offer", &offer).unwrap();
    assert_eq!(code(world.register_signer(&operator, "operator")), "unknown_method");
    assert_eq!(code(world.send_twice(&operator, &second("operator"), "contracts.offer", &offer)), "malformed");
    pass(&mut world, Action::Parameters(ON));
    assert_eq!(code(world.send(&operator, "contracts.offer", &offer)), "ml_dsa_missing");
}

#[test]
fn who_never_decided_on_it_has_the_ledger_of_before() {
    for mut world in [World::ready(), governed()] {
        let offer = Offer { terms: world.release_terms() };
        assert_eq!(code(world.register_signer(&owner(), "owner")), "unknown_method");
        assert_eq!(code(world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer)), "malformed");
        let contract = world.send(&owner(), "contracts.offer", &offer).unwrap();
        let request = world.apply(&[contract]).unwrap();
        world.approve(&request, &contract, &approvers()[0]).unwrap();
        // Records are as they were: nothing stands at their ends.
        let contract = read::contract(&world.state, &contract).unwrap().unwrap();
        let request = read::request(&world.state, &request).unwrap().unwrap();
        assert_eq!((wire::to_vec(&contract)[0], wire::to_vec(&request)[0]), (0x87, 0x8e));
        assert_eq!(wire::to_vec(&request.approvals[0])[0], 0x84);
    }
    assert_eq!(wire::to_vec(&contracts::DEFAULT_PARAMETERS)[0], 0x88);
}

/// A registration of the key of one name that the key of another hands over to.
fn handed(chain: &Digest, signer: &SigningKey, from: &str, to: &str) -> SignerRegister {
    let first = registered(chain, signer, to);
    let statement = signers::statement(chain, &signer.public(), &first.key);
    SignerRegister { handover: Some(second(from).sign(Label::SIGNER, &statement)), ..first }
}

#[test]
fn a_key_is_held_by_who_registers_it_and_replaced_by_itself_alone() {
    let mut world = governed();
    pass(&mut world, Action::Parameters(Parameters { cosigning: Some(Cosigning::MlDsa65), ..ON }));
    let chain = world.chain;
    let send = |world: &mut World, by: &SigningKey, registration: &SignerRegister| {
        code(world.send(by, "signers.register", registration))
    };
    let own = registered(&chain, &owner(), "owner");
    // Another's statement, another's key under one's own, another chain's, an altered one, one of another kind.
    assert_eq!(send(&mut world, &researcher(), &own), "bad_signature");
    let stolen = SignerRegister { key: second("two").public(), ..own.clone() };
    assert_eq!(send(&mut world, &owner(), &stolen), "bad_signature");
    assert_eq!(send(&mut world, &owner(), &registered(&digest("other"), &owner(), "owner")), "bad_signature");
    let mut bytes = own.possession.as_ref().to_vec();
    bytes[77] ^= 4;
    let altered = SignerRegister { possession: mldsa::Signature::from_slice(&bytes).unwrap(), ..own.clone() };
    assert_eq!(send(&mut world, &owner(), &altered), "bad_signature");
    let statement = signers::statement(&chain, &owner().public(), &own.key);
    let cosigned = second("owner").sign(Label::COSIGNER, &statement);
    assert_eq!(send(&mut world, &owner(), &SignerRegister { possession: cosigned, ..own.clone() }), "bad_signature");
    assert_eq!(send(&mut world, &owner(), &handed(&chain, &owner(), "owner", "owner")), "malformed");
    assert_eq!(send(&mut world, &owner(), &own), "ok");
    assert_eq!(send(&mut world, &owner(), &own), "key_taken");
    assert_eq!(code(world.register_signer(&researcher(), "owner")), "key_taken");

    // Who forges Ed25519 alone: without the old key, with the new one in its place, with another's handing over.
    let before = read::signer(&world.state, &owner().public()).unwrap().unwrap();
    let forged = registered(&chain, &owner(), "forger");
    assert_eq!(send(&mut world, &owner(), &forged), "ml_dsa_missing");
    assert_eq!(send(&mut world, &owner(), &handed(&chain, &owner(), "forger", "forger")), "bad_signature");
    let elsewhere = handed(&chain, &researcher(), "owner", "forger");
    let moved = SignerRegister { handover: elsewhere.handover, ..forged };
    assert_eq!(send(&mut world, &owner(), &moved), "bad_signature");
    let other = handed(&chain, &owner(), "owner", "another");
    let swapped = SignerRegister { handover: other.handover, ..registered(&chain, &owner(), "forger") };
    assert_eq!(send(&mut world, &owner(), &swapped), "bad_signature");
    assert_eq!(read::signer(&world.state, &owner().public()).unwrap().unwrap(), before);

    // A validator's key is nobody's for contracts, and the other way round.
    let of_node = |name: &str, chain: &Digest| {
        let key = second(name);
        let possession = key.sign(Label::COSIGNER, &registration(chain, "northgate", &key.public()));
        Registration { key: key.public(), possession }
    };
    let node = keys("northgate").node;
    world.send(&node, "ordering.register", &of_node("node", &chain)).unwrap();
    assert_eq!(code(world.register_signer(&researcher(), "node")), "key_taken");
    assert_eq!(code(world.send(&node, "ordering.register", &of_node("owner", &chain))), "key_taken");

    // From key to key, so many times; the old ones sign nothing any more.
    let offer = Offer { terms: world.release_terms() };
    let names: Vec<String> = (0..=MAX_CHANGES + 1).map(|at| format!("owner {at}")).collect();
    let mut last = "owner";
    for name in &names[..MAX_CHANGES as usize] {
        let registration = handed(&chain, &owner(), last, name);
        assert_eq!(send(&mut world, &owner(), &registration), "ok");
        assert_eq!(code(world.send_twice(&owner(), &second(last), "contracts.offer", &offer)), "bad_signature");
        assert_eq!(code(world.send_twice(&owner(), &second(name), "contracts.offer", &offer)), "ok");
        last = name;
    }
    let one_more = handed(&chain, &owner(), last, &names[MAX_CHANGES as usize]);
    assert_eq!(send(&mut world, &owner(), &one_more), "too_many");
    let first = read::signer_key(&world.state, &second("owner").public().id()).unwrap().unwrap();
    assert_eq!(first.signer, owner().public());
}

/// A signature that was made for one transaction, put into others.
#[test]
fn a_second_signature_is_of_one_transaction() {
    let mut world = signing();
    let offer = Offer { terms: world.release_terms() };
    let plain = wire::to_vec(&offer);
    let own = second("owner");
    let with = |transaction: &Transaction, signature: &mldsa::Signature| {
        signers::join(&transaction.contract, &transaction.method, &transaction.arguments, signature).unwrap()
    };
    let try_with = |world: &mut World, make: &dyn Fn(&Transaction) -> mldsa::Signature| {
        code(world.send_made(&owner(), "contracts.offer", plain.clone(), |its| with(its, &make(its))))
    };
    let statement = |its: &Transaction| signers::signed_twice(its, &its.arguments);
    assert_eq!(try_with(&mut world, &|its| own.sign(Label::CONTRACT, &statement(its))), "ok");
    // By another signer, by the forger, under another label, over the plain text, over what the sender signs itself.
    assert_eq!(try_with(&mut world, &|its| second("one").sign(Label::CONTRACT, &statement(its))), "bad_signature");
    assert_eq!(try_with(&mut world, &|its| second("forger").sign(Label::CONTRACT, &statement(its))), "bad_signature");
    assert_eq!(try_with(&mut world, &|its| own.sign(Label::TRANSACTION, &statement(its))), "bad_signature");
    assert_eq!(try_with(&mut world, &|its| own.sign(Label::SIGNER, &statement(its))), "bad_signature");
    assert_eq!(try_with(&mut world, &|its| own.sign_raw(&statement(its))), "bad_signature");
    assert_eq!(try_with(&mut world, &|its| own.sign(Label::CONTRACT, &its.arguments)), "bad_signature");
    // Of the same with one thing changed.
    type Change<'a> = &'a dyn Fn(&mut Transaction);
    let other_terms = wire::to_vec(&Offer { terms: world.compute_terms("northgate") });
    let changes: [Change<'_>; 7] = [
        &|its| its.chain = digest("other"),
        &|its| its.sender = researcher().public(),
        &|its| its.nonce = Fixed([3; 16]),
        &|its| its.expires += 1,
        &|its| its.contract = "requests".into(),
        &|its| its.method = "resume".into(),
        &|its| its.arguments = other_terms.clone().into(),
    ];
    for change in changes {
        let made = |its: &Transaction| {
            let mut other = its.clone();
            change(&mut other);
            own.sign(Label::CONTRACT, &statement(&other))
        };
        assert_eq!(try_with(&mut world, &made), "bad_signature");
    }
    // Every part of it counts.
    for bit in [0, 48 * 8, 1000 * 8 + 3, 3247 * 8 + 7, 3308 * 8] {
        let made = |its: &Transaction| {
            let mut bytes = own.sign(Label::CONTRACT, &statement(its)).as_ref().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            mldsa::Signature::from_slice(&bytes).unwrap()
        };
        assert_eq!(try_with(&mut world, &made), "bad_signature", "bit {bit}");
    }
    // Twice, too short, too long, as no last field.
    let forms: [&dyn Fn(Vec<u8>) -> Vec<u8>; 4] = [
        &|mut bytes| {
            bytes.pop();
            bytes
        },
        &|bytes| [&bytes[..], &[0]].concat(),
        &|bytes| [&bytes[..], &bytes[bytes.len() - mldsa::SIGNATURE - 3..]].concat(),
        &|mut bytes| {
            bytes[0] = 0x81;
            bytes
        },
    ];
    for form in forms {
        let sent = world.send_made(&owner(), "contracts.offer", plain.clone(), |its| form(twice_signed(its, &own)));
        assert!(["malformed", "ml_dsa_missing", "bad_signature"].contains(&code(sent).as_str()));
    }
    // An approval's under an objection.
    let contract = world.send_twice(&owner(), &own, "contracts.offer", &offer).unwrap();
    let apply = application(&[contract]);
    let request = world.send_twice(&researcher(), &second("researcher"), "requests.apply", &apply).unwrap();
    let objection = Approve { request, contract, approve: false };
    let approver = &approvers()[0];
    let approval = wire::to_vec(&Approve { approve: true, ..objection.clone() });
    let sent = world.send_made(approver, "requests.approve", approval, |its| {
        let other = Transaction { arguments: wire::to_vec(&objection).into(), ..its.clone() };
        with(its, &second("one").sign(Label::CONTRACT, &statement(&other)))
    });
    assert_eq!(code(sent), "bad_signature");
}

fn sent<T: Encode<()>>(world: &mut World, by: &SigningKey, key: Option<&str>, method: &str, arguments: &T) -> bool {
    match key {
        Some(name) => world.send_twice(by, &second(name), method, arguments).is_ok(),
        None => world.send(by, method, arguments).is_ok(),
    }
}

/// Any steps in any order: who has registered signs nothing once, and has the last key that its own keys handed over to.
#[test]
fn only_the_key_itself_ends_it() {
    let step = (0..8u8, 0..3usize, any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    runner
        .run(&proptest::collection::vec(step, 1..24), |steps| {
            let mut world = governed();
            let chain = world.chain;
            let people = [keys("northgate").operator, owner(), keys("st-anna").operator];
            // By person: the key in force.
            let mut held: [Option<String>; 3] = [None, None, None];
            let mut asked = false;
            for (number, (what, who, with)) in steps.into_iter().enumerate() {
                let (person, fresh) = (&people[who], format!("{who} {number}"));
                let current = held[who].clone();
                match what {
                    0 => {
                        let registered = world.register_signer(person, &fresh).is_ok();
                        prop_assert_eq!(registered, asked && current.is_none());
                        if registered {
                            held[who] = Some(fresh);
                        }
                    }
                    1 => {
                        let from = if with { current.clone().unwrap_or_default() } else { "forger".into() };
                        let registration = handed(&chain, person, &from, &fresh);
                        let handed = world.send(person, "signers.register", &registration).is_ok();
                        prop_assert_eq!(handed, with && current.is_some());
                        if handed {
                            held[who] = Some(fresh);
                        }
                    }
                    2 => {
                        asked = !asked;
                        pass(&mut world, Action::Parameters(if asked { ON } else { OFF }));
                    }
                    3 | 4 if who < 2 => {
                        let offer = Offer { terms: world.release_terms() };
                        let key = if with { current.as_deref() } else { None };
                        let done = sent(&mut world, person, key, "contracts.offer", &offer);
                        prop_assert_eq!(done, key.is_some() || !asked && current.is_none());
                        if done {
                            let contract = read::contract(&world.state, &world.last()).unwrap().unwrap();
                            let key = key.map(|name| second(name).public().id());
                            prop_assert_eq!(contract.ml_dsa, key);
                        }
                    }
                    _ => {
                        let add = PrincipalAdd {
                            name: format!("p{number}"),
                            key: key(&fresh).public(),
                            roles: vec![Role::Owner],
                        };
                        let key = if with { Some("forger") } else { None };
                        let operator = who != 1;
                        let done = sent(&mut world, person, key, "members.principal_add", &add);
                        prop_assert_eq!(done, operator && !with && !asked && current.is_none());
                    }
                }
                for (person, held) in people.iter().zip(&held) {
                    let known = read::signer(&world.state, &person.public()).unwrap().map(|signer| signer.key);
                    prop_assert_eq!(known, held.as_ref().map(|name| second(name).public()));
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_chain_tells_who_signed_twice_and_holds_them_to_it() {
    let mut world = signing();
    let chain = world.chain;
    world.send(&owner(), "signers.register", &handed(&chain, &owner(), "owner", "unused")).unwrap();
    let unused = world.last();
    world.send(&owner(), "signers.register", &handed(&chain, &owner(), "unused", "owner again")).unwrap();
    let offer = Offer { terms: world.release_terms() };
    assert_eq!(code(world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer)), "bad_signature");

    let mut world = signing();
    let (_, request) = released(&mut world);
    let ids = read::chain_ids(&world.state, &request).unwrap();
    let account = check(&world.receipt(&ids), &world.consortium()).unwrap();
    assert_eq!(account.kind, Kind::Released);
    let told = |fact: &str| {
        let named = |step: &&contracts::chain::Step| step.facts.iter().any(|(name, _)| name == fact);
        account.steps.iter().filter(named).map(|step| step.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(told("ML-DSA key"), ["signer.registered"; 4]);
    let signed = ["contract.offered", "request.applied", "request.approved", "request.approved"];
    assert_eq!(told("signed with"), signed);
    let both = |step: &contracts::chain::Step| {
        step.facts.iter().all(|(name, with)| name != "signed with" || with == "Ed25519 and ML-DSA-65")
    };
    assert!(account.steps.iter().all(both));

    // Without a registration, with one that nothing needs, with another's key.
    let registrations: Vec<Digest> = world
        .log
        .iter()
        .filter(|entry| entry.transaction.transaction.contract == "signers")
        .map(|entry| entry.transaction.id())
        .collect();
    assert_eq!(registrations.len(), 4);
    for left_out in &registrations {
        let fewer: Vec<Digest> = ids.iter().filter(|id| *id != left_out).copied().collect();
        let broken = check(&world.receipt(&fewer), &world.consortium()).unwrap_err();
        assert!(matches!(broken, Error::Broken { rule, .. } if rule.contains("registered in the chain")), "{broken}");
    }
    assert!(!ids.contains(&unused));
    world.register_signer(&approvers()[2], "three").unwrap();
    let more = [ids.as_slice(), &[world.last()]].concat();
    assert!(check(&world.receipt(&more), &world.consortium()).is_err());

    // Stripped, altered and swapped, each time signed again with Ed25519: what a quorum would have to cosign for whoever forges that.
    let place = |method: &str| {
        world.log.iter().position(|entry| entry.transaction.transaction.method == method && entry.outcome.is_ok())
    };
    let [approver, ..] = approvers();
    for (method, signer) in [("offer", owner()), ("apply", researcher()), ("approve", approver)] {
        let at = place(method).unwrap();
        let whole = world.log[at].transaction.transaction.clone();
        let (plain, signature) = signers::split(&whole.contract, &whole.method, &whole.arguments);
        let signature = signature.unwrap();
        let mut other = signature.as_ref().to_vec();
        other[9] ^= 1;
        let altered = mldsa::Signature::from_slice(&other).unwrap();
        let forged = second("forger").sign(Label::CONTRACT, &signers::signed_twice(&whole, &plain));
        let joined = |signature| signers::join(&whole.contract, &whole.method, &plain, signature).unwrap();
        for arguments in [plain.to_vec(), joined(&altered), joined(&forged)] {
            let mut receipt = world.receipt(&ids);
            let entry = receipt.entries.iter_mut().find(|entry| entry.index == at as u64).unwrap();
            let transaction = Transaction { arguments: arguments.into(), ..whole.clone() };
            entry.transaction = transaction.sign(&signer);
            assert!(check(&receipt, &world.consortium()).is_err(), "{method}");
        }
        // With a nonce of its own, and the signature of before.
        let mut receipt = world.receipt(&ids);
        let entry = receipt.entries.iter_mut().find(|entry| entry.index == at as u64).unwrap();
        entry.transaction = Transaction { nonce: Fixed([8; 16]), ..whole.clone() }.sign(&signer);
        assert!(check(&receipt, &world.consortium()).is_err(), "{method}");
    }
}

#[test]
fn what_was_signed_once_and_twice_stands_in_one_chain() {
    let mut world = governed();
    let contract = world.offer("northgate", world.release_terms()).unwrap();
    let request = world.apply(&[contract]).unwrap();
    world.approve(&request, &contract, &approvers()[0]).unwrap();
    pass(&mut world, Action::Parameters(ON));
    world.register_signer(&approvers()[1], "two").unwrap();
    let approve = Approve { request, contract, approve: true };
    world.send_twice(&approvers()[1], &second("two"), "requests.approve", &approve).unwrap();
    world.judge(&request, "ok").unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &researcher()).unwrap();
    let account =
        check(&world.receipt(&read::chain_ids(&world.state, &request).unwrap()), &world.consortium()).unwrap();
    let with: Vec<&str> = account
        .steps
        .iter()
        .flat_map(|step| &step.facts)
        .filter(|(name, _)| name == "signed with")
        .map(|(_, with)| with.as_str())
        .collect();
    assert_eq!(with, ["Ed25519", "Ed25519", "Ed25519", "Ed25519 and ML-DSA-65"]);

    // Offered with one key, amended with the next: both registrations are there, in their order.
    let mut world = signing();
    let chain = world.chain;
    let offer = Offer { terms: world.release_terms() };
    let contract = world.send_twice(&owner(), &second("owner"), "contracts.offer", &offer).unwrap();
    world.send(&owner(), "signers.register", &handed(&chain, &owner(), "owner", "owner 2")).unwrap();
    let amend = Amend { contract, terms: world.release_terms() };
    world.send_twice(&owner(), &second("owner 2"), "contracts.amend", &amend).unwrap();
    let mut apply = application(&[contract]);
    apply.contracts[0].version = 2;
    let request = world.send_twice(&researcher(), &second("researcher"), "requests.apply", &apply).unwrap();
    let cancel = contracts::message::Cancel { request };
    world.send(&researcher(), "requests.cancel", &cancel).unwrap();
    let ids = read::chain_ids(&world.state, &request).unwrap();
    let account = check(&world.receipt(&ids), &world.consortium()).unwrap();
    assert_eq!(account.kind, Kind::Cancelled);
    assert_eq!(account.steps.iter().filter(|step| step.name == "signer.registered").count(), 3);
}
