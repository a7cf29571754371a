//! The client's checks on what nodes hand it: shares of a result, and receipts.

use std::sync::Arc;

use client::flow::Ephemeral;
use client::result::{open, session, share_info};
use client::{Error, verify};
use contracts::message::{Apply, ContractVersion, ResultRecord};
use contracts::record::{Phase, Request};
use contracts::{ADDITIVE, Protocol};
use crypto::kem::{PrivateKey, Suite, seal};
use crypto::{Digest, SigningKey, sha256};
use mpc::additive::Additive;
use mpc::domain::{Domain, Values};
use mpc::engine::{Frame, Io, Party, Settings, Status, local};
use mpc::runner;
use policy::Adversary;
use query::{Program, Table};
use wire::Fixed;

const PROGRAM: &str = "decimals = 0\nminimum_group = 1\n[[outputs]]\nname = \"rows\"\ncount = \"*\"\n[[outputs]]\nname = \"sum\"\nsum = \"x\"\n";

struct World {
    request: Request,
    shares: Vec<client::api::ResultShare>,
    program: Program,
    ephemeral: Ephemeral,
}

/// Two parties compute over one table each, as nodes do.
fn world() -> World {
    let program = Program::from_toml(PROGRAM).unwrap();
    let owners = vec!["a".to_owned(), "b".to_owned()];
    let id = Digest::from([9; 32]);
    let session = session(&id);
    let key = PrivateKey::generate(Suite::X25519);
    let ephemeral = key.public().clone();

    let made = made(session, &program);
    let contracts: Vec<_> =
        [1, 2].map(|byte| ContractVersion { contract: Digest::from([byte; 32]), version: 1 }).to_vec();
    let (mut shares, mut results) = (vec![], vec![]);
    for (share, owner) in made.iter().zip(&owners) {
        let sealed = wire::to_vec(&seal(&ephemeral, &share_info(owner), session.as_ref(), share).unwrap());
        results.push(ResultRecord {
            request: id,
            party: owner.clone(),
            run: Fixed([1; 16]),
            session,
            protocol: "additive".into(),
            adversary: "semi-honest".into(),
            parties: owners.clone(),
            program: program.digest(),
            share: sha256(&[&sealed]),
            transcript: id,
            simulated: false,
        });
        let transaction = Digest::from([3; 32]);
        shares.push(client::api::ResultShare { party: owner.clone(), sealed: sealed.into(), transaction });
    }
    let apply = Apply { contracts, purpose: "research".into(), ephemeral, justification: id, evidence: vec![] };
    let request = Request {
        id,
        requester: SigningKey::from_seed(&[1; 32]).public(),
        apply,
        since: 0,
        phase: Phase::Done,
        approvals: vec![],
        verdict: None,
        decided: None,
        grant: None,
        ended: vec![],
        results,
        owners: owners.clone(),
        helpers: vec![],
        destroyed: vec![],
        ml_dsa: None,
    };
    World { request, shares, program, ephemeral: Ephemeral::Held(Arc::new(key)) }
}

/// Both parties' shares of the sum of their vectors.
fn made(session: Digest, program: &Program) -> Vec<Vec<u8>> {
    let table = Table::read(&b"x\n1\n2\n3\n"[..]).unwrap();
    let vector = program.local(&table, 2).unwrap().expose(|words| Values::Ring64(words.clone()));
    let (joint, length) = (program.joint(2, 2, Domain::Ring64), program.length());
    let mut parties = [0, 1].map(|index| {
        let (joint, vector) = (joint.clone(), vector.clone());
        let settings = Settings { session, ..local::settings(index, 2, 1) };
        let work = move |io: Io| async move {
            let inputs = (0..2).map(|owner| (owner == io.index()).then(|| vector.clone())).collect();
            let backend = Additive::new(&io)?;
            runner::run(&joint, &backend, io, &[length; 2], inputs).await
        };
        Party::new(settings, work).unwrap()
    });
    let mut mail: [Vec<Frame>; 2] = parties.each_mut().map(|party| party.step([]).unwrap().0);
    mail.swap(0, 1);
    let ended = parties.iter_mut().zip(mail).map(|(party, frames)| match party.step(frames).unwrap() {
        (_, Status::Done(outcome)) => outcome.share.unwrap(),
        _ => panic!("one message of each is all it takes"),
    });
    ended.collect()
}

impl World {
    fn open(&self) -> Result<query::Answer, Error> {
        let protocol = Protocol {
            name: ADDITIVE,
            adversary: Adversary::SemiHonest,
            parties: self.request.owners.len() as u16,
            corrupt: 1,
            dropouts: 0,
        };
        open(&self.request, &protocol, &self.program, &self.shares, &self.ephemeral)
    }
}

#[test]
fn adds_up_the_recorded_shares() {
    let answer = world().open().unwrap();
    let cell = &answer.groups[query::ALL]["sum"];
    assert_eq!((cell.value, cell.n), (Some(12.0), 6));
    assert_eq!(answer.groups[query::ALL]["rows"].value, Some(6.0));
}

#[test]
fn names_the_party_whose_share_is_not_the_recorded_one() {
    let party = |world: World| match world.open() {
        Err(Error::Share { party, .. }) => party,
        other => panic!("{other:?}"),
    };
    let mut changed = world();
    changed.shares[1].sealed.0[60] ^= 1;
    assert_eq!(party(changed), "b");

    // Recorded as it is, but not what was sealed to the requester.
    let mut changed = world();
    changed.shares[0].sealed.0[60] ^= 1;
    changed.request.results[0].share = sha256(&[&changed.shares[0].sealed]);
    assert_eq!(party(changed), "a");

    // Another party's genuine share in its place.
    let mut moved = world();
    moved.shares[1].sealed = moved.shares[0].sealed.clone();
    moved.request.results[1].share = moved.request.results[0].share;
    assert_eq!(party(moved), "b");

    let mut missing = world();
    missing.request.results.remove(1);
    assert_eq!(party(missing), "b");
    let mut other = world();
    other.request.results[0].session = Digest::from([0; 32]);
    assert_eq!(party(other), "a");
    let mut other = world();
    other.request.results[1].program = Digest::from([0; 32]);
    assert_eq!(party(other), "b");

    let mut stranger = world();
    stranger.ephemeral = Ephemeral::Held(Arc::new(PrivateKey::generate(Suite::X25519)));
    assert_eq!(party(stranger), "a");

    let mut short = world();
    short.shares.pop();
    assert!(matches!(short.open(), Err(Error::Unfit(_))));
}

#[test]
fn a_receipt_needs_its_consortium() {
    assert!(matches!(verify::verify("", ""), Err(verify::Error::Consortium(_))));
    let key = SigningKey::from_seed(&[1; 32]).public();
    let chain = Digest::from([2; 32]);
    let consortium = format!(
        "format = \"sottovoce-consortium/v1\"\nname = \"t\"\nchain = \"{chain}\"\n\
         [[epochs]]\nnumber = 1\nstart = 0\n[[epochs.validators]]\nname = \"a\"\nkey = \"{key}\"\n"
    );
    for receipt in ["", "sottovoce-receipt/v1\n", "sottovoce-receipt/v1\n\n\n"] {
        assert!(matches!(verify::verify(receipt, &consortium), Err(verify::Error::Receipt(_))));
    }
}
