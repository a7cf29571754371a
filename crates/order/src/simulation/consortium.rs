//! The consortium: its members and their keys, the contracts that their ledgers run, and what they send to them.

use std::fmt;
use std::sync::Arc;

use contracts::message::{
    Action, AssetRegister, Ballot, Callers, Commitment, Founding, Install, Invite, Issuer, Join, MemberCard,
    ModuleStore, OrderingBegin, OrderingPlace, OrderingRotate, OrderingSeat, Propose,
};
use contracts::{Contracts, read};
use crypto::kem::{RecipientKey, Suite};
use crypto::{Digest, Label, SigningKey, hash};
use ledger::{Consortium, Epoch, Genesis, Ledger, Transaction, Validator, VerifiedTransaction};
use wire::Fixed;

use super::disk::Disk;
use crate::testing::seed;

/// A consortium whose validators have begun to order.
pub(super) struct Chain {
    genesis: Genesis,
    /// What the founder's disk holds from there on.
    founded: Disk,
    members: u8,
    /// The first epoch whose validators order together.
    pub(super) first: u64,
    /// Whether ballots govern.
    pub(super) ballots: bool,
}

/// What changes about a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    /// It takes a place among the validators.
    Enter(u8),
    /// It leaves its place.
    Leave(u8),
    /// Its key becomes that of this generation.
    Rotate(u8, u8),
    /// It is barred, and with it its place is gone; by ballots only.
    Suspend(u8),
    /// It is barred no longer; by ballots only.
    Reinstate(u8),
}

impl Change {
    pub(super) const fn member(self) -> u8 {
        let (Self::Enter(at) | Self::Leave(at) | Self::Rotate(at, _) | Self::Suspend(at) | Self::Reinstate(at)) = self;
        at
    }
}

impl Chain {
    /// The founder's ledger brings all members together: first the validators, then others that are none. The founder is a regulator, and
    /// orders alone until the validators begin.
    pub(super) fn found(validators: u8, others: u8, ballots: bool) -> Self {
        let founding = Founding { founder: card(0), regulator: true };
        let application = wire::to_vec(&founding).into();
        let genesis = Genesis { name: "simulated".into(), created: 0, application, nonce: Fixed([1; 16]) };
        let members = validators + others;
        let chain = Self { genesis, founded: Disk::new(), members, first: u64::from(members + others), ballots };
        let ledger = chain.ledger_on(chain.founded.clone());
        let mut block = 0;
        let mut propose = |calls: Vec<Call>| {
            block += 1;
            let proposed = ledger.propose(chain.signed(calls, 0, BEGIN), block).expect("the disk works");
            for committed in proposed.results {
                let committed = committed.expect("it is in time");
                let (method, code) = (&committed.transaction.transaction.method, &committed.outcome.code);
                assert!(committed.outcome.is_ok() || code == "proposal_closed", "{method}: {code}");
            }
        };
        for at in 1..members {
            let token = hash(Label::INVITATION, &[&[at; 32]]);
            let invite = Invite { name: name(at), token, expires: BEGIN, regulator: false };
            let join = Join { card: card(at), token: Fixed([at; 32]), ml_dsa: None };
            let mut calls = vec![
                (operator(0), "members.invite", wire::to_vec(&invite)),
                (operator(at), "members.join", wire::to_vec(&join)),
            ];
            if at >= validators {
                calls.push((operator(at), "ordering.leave", wire::to_vec(&OrderingPlace { member: name(at) })));
            }
            propose(calls);
        }
        let seat = |at| OrderingSeat { address: format!("{}.example:7400", name(at)) };
        propose((0..members).map(|at| (node(at), "ordering.seat", wire::to_vec(&seat(at)))).collect());
        if ballots {
            let module = ModuleStore { module: BOOKINGS.to_vec().into() };
            propose(vec![
                (operator(0), "governance.begin", wire::to_vec(&contracts::DEFAULT_PARAMETERS)),
                (operator(0), "modules.store", wire::to_vec(&module)),
            ]);
            let (name, module) = ("x-bookings".into(), wasm::digest(BOOKINGS));
            let install = Install { name, module, callers: Callers::Known, room: contracts::CEILING, migration: None };
            propose(chain.decide((0..members).collect(), Action::Install(install), 0, BEGIN));
        }
        propose(vec![(operator(0), "ordering.begin", wire::to_vec(&OrderingBegin { epoch: chain.first }))]);
        drop(ledger);
        chain
    }

    pub(super) fn id(&self) -> Digest {
        self.genesis.chain()
    }

    /// A member's disk before its node runs for the first time.
    pub(super) fn disk(&self) -> Disk {
        self.founded.synced()
    }

    pub(super) fn ledger_on(&self, disk: Disk) -> Arc<Ledger> {
        let ledger = Ledger::open_backend(disk, Arc::new(Contracts), self.genesis.clone()).expect("the disk opens");
        // Far less than a node's, so that changes go to their places.
        ledger.keep_changes(2_000);
        Arc::new(ledger)
    }

    /// A call of a method, as `contract.method`; `number` makes it distinct.
    pub(super) fn call(
        &self,
        by: &SigningKey,
        number: u64,
        expires: u64,
        method: &str,
        arguments: Vec<u8>,
    ) -> VerifiedTransaction {
        let (contract, method) = method.split_once('.').expect("a contract and its method");
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let transaction = Transaction {
            chain: self.id(),
            sender: by.public(),
            nonce: Fixed(nonce),
            expires,
            contract: contract.into(),
            method: method.into(),
            arguments: arguments.into(),
        };
        VerifiedTransaction::verify(transaction.sign(by), &self.id()).expect("members sign well")
    }

    fn signed(&self, calls: Vec<Call>, number: u64, expires: u64) -> Vec<VerifiedTransaction> {
        let numbers = number * BUNDLE..;
        let signed = numbers.zip(calls);
        signed.map(|(number, (by, method, bytes))| self.call(&by, number, expires, method, bytes)).collect()
    }

    /// Registers a sealed object of a member, or, where there is the members' own contract, now and then calls that; who is no member is
    /// refused, on the ledger. `number` makes it distinct.
    pub(super) fn record(&self, sender: u8, number: u64, expires: u64) -> VerifiedTransaction {
        if self.ballots && number.is_multiple_of(4) {
            let item = wire::to_vec(&(format!("item-{number}"),));
            let by = if sender < self.members { operator(sender) } else { self.sender(sender) };
            return self.call(&by, number, expires, "x-bookings.add", item);
        }
        let digest = |part: &[u8]| hash(Label::KEY_ID, &[part, &[sender], &number.to_be_bytes()]);
        let object = digest(b"object").as_bytes().to_vec().into();
        let commitment = Commitment { suite: contracts::SEALED_OBJECT.into(), params: object, root: digest(b"root") };
        let register = AssetRegister {
            name: format!("record-{number}"),
            kind: "file".into(),
            columns: vec![],
            commitments: vec![commitment],
            segments: 1,
            suite: Suite::XWing,
        };
        self.call(&self.sender(sender), number, expires, "assets.register", wire::to_vec(&register))
    }

    /// With what a member's node signs; of others, with what nobody knows.
    pub(super) fn sender(&self, sender: u8) -> SigningKey {
        if sender < self.members { node(sender) } else { SigningKey::from_seed(&[100 + sender; 32]) }
    }

    /// What brings a change about after the state that a ledger shows: calls for one block, the deciding one first.
    pub(super) fn bring(&self, ledger: &Ledger, change: Change, number: u64, expires: u64) -> Vec<VerifiedTransaction> {
        let view = ledger.view().expect("it reads");
        let member = change.member();
        let calls = |calls: Vec<Call>| self.signed(calls, number, expires);
        let next = wire::to_vec(&OrderingBegin { epoch: newest(ledger).number + 1 });
        let begin = |by| (operator(by), "ordering.begin", next);
        let place = || wire::to_vec(&OrderingPlace { member: name(member) });
        let action = match change {
            Change::Rotate(_, generation) => {
                let rotate = OrderingRotate { key: key(member, generation).public(), ml_dsa: None };
                let by = if self.ballots { member } else { 0 };
                return calls(vec![(node(member), "ordering.rotate", wire::to_vec(&rotate)), begin(by)]);
            }
            Change::Enter(_) if !self.ballots => {
                return calls(vec![(operator(member), "ordering.enter", place()), begin(0)]);
            }
            Change::Leave(_) if !self.ballots => {
                return calls(vec![(operator(member), "ordering.leave", place()), begin(0)]);
            }
            Change::Enter(_) => Action::Enter(name(member)),
            Change::Leave(_) => Action::Leave(name(member)),
            Change::Suspend(_) => Action::Suspend(name(member)),
            Change::Reinstate(_) => Action::Reinstate(name(member)),
        };
        let active = read::active_members(&*view).expect("it reads").into_iter();
        let voters = active.map(|voter| place_of(&voter.card.name)).filter(|at| *at != member);
        calls(self.decide(voters.collect(), action, number, expires))
    }

    /// A proposal of the first of these members, for which all the others vote, even if fewer would decide it.
    fn decide(&self, voters: Vec<u8>, action: Action, number: u64, expires: u64) -> Vec<Call> {
        let propose = wire::to_vec(&Propose { action, expires, reason: String::new() });
        let propose = || (operator(voters[0]), "governance.propose", propose.clone());
        let proposal = self.signed(vec![propose()], number, expires)[0].id();
        let ballot = wire::to_vec(&Ballot { proposal, yes: true });
        let ballots = voters[1..].iter().map(|at| (operator(*at), "governance.ballot", ballot.clone()));
        [propose()].into_iter().chain(ballots).collect()
    }

    /// A proposal that nobody else votes on, and that the ledger closes by itself.
    pub(super) fn idle(&self, by: u8, number: u64, expires: u64) -> VerifiedTransaction {
        let digest = hash(Label::KEY_ID, &[b"issuer", &number.to_be_bytes()]);
        let key = SigningKey::from_seed(digest.as_bytes()).public();
        let issuer = Issuer { name: format!("issuer-{number}"), key, claims: vec!["researcher".into()] };
        let propose = Propose { action: Action::Accredit(issuer), expires, reason: "nobody hears".into() };
        self.call(&operator(by), number * BUNDLE, expires, "governance.propose", wire::to_vec(&propose))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("members", &self.members).finish_non_exhaustive()
    }
}

/// Who calls which `contract.method`, with what.
type Call = (SigningKey, &'static str, Vec<u8>);

/// A contract of the members' own.
const BOOKINGS: &[u8] = include_bytes!("../../../../samples/contracts/bookings/bookings-1.wasm");
/// Calls in one bundle, at most.
const BUNDLE: u64 = 100;
/// Virtual milliseconds until which the consortium has come together.
const BEGIN: u64 = 100;

fn name(at: u8) -> String {
    format!("v{at}")
}

fn place_of(name: &str) -> u8 {
    name[1..].parse().expect("members' names end in a number")
}

/// A validator's place among all members and the generation of its key, as its name and key tell.
pub(super) fn who(validator: &Validator) -> (u8, u8) {
    let at = place_of(&validator.name);
    let generation = (0..16).find(|generation| validator.key == key(at, *generation).public());
    (at, generation.expect("few rotations"))
}

/// With what a member cosigns and votes.
pub(super) fn key(at: u8, generation: u8) -> SigningKey {
    SigningKey::from_seed(&seed(at, generation))
}

fn operator(at: u8) -> SigningKey {
    let mut seed = seed(at, 0);
    seed[0] ^= 0x80;
    SigningKey::from_seed(&seed)
}

fn node(at: u8) -> SigningKey {
    let mut seed = seed(at, 0);
    seed[0] ^= 0x40;
    SigningKey::from_seed(&seed)
}

fn card(at: u8) -> MemberCard {
    MemberCard {
        name: name(at),
        operator: operator(at).public(),
        node: node(at).public(),
        cosigner: key(at, 0).public(),
        tls: hash(Label::KEY_ID, &[b"tls", &[at]]),
        recipient: RecipientKey::new(Suite::X25519, vec![at + 9; 32]).expect("any 32 bytes are a key"),
        address: format!("https://{}.example:7001", name(at)),
    }
}

/// The epoch that orders, and the block after which it began.
pub(super) fn ordering(ledger: &Ledger) -> (Epoch, u64) {
    let view = ledger.view().expect("it reads");
    let quorum = read::quorum(&*view).expect("it reads").expect("validators order");
    (numbered(ledger, quorum.epoch), quorum.base)
}

pub(super) fn numbered(ledger: &Ledger, epoch: u64) -> Epoch {
    let view = ledger.view().expect("it reads");
    read::validators(&*view, epoch).expect("it reads").expect("it was made")
}

/// The newest epoch of validators, whether it orders or not.
pub(super) fn newest(ledger: &Ledger) -> Epoch {
    read::epoch(&*ledger.view().expect("it reads")).expect("it reads")
}

/// The generation of a member's key, and whether it is barred.
pub(super) fn standing(ledger: &Ledger, at: u8) -> (u8, bool) {
    let view = ledger.view().expect("it reads");
    let member = read::member(&*view, &name(at)).expect("it reads").expect("it has joined");
    let validator = Validator { name: name(at), key: member.card.cosigner, ml_dsa: None };
    (who(&validator).1, member.barred.is_some())
}

/// The consortium file that this ledger's member would hand out.
pub(super) fn consortium(ledger: &Ledger) -> Consortium {
    let view = ledger.view().expect("it reads");
    let start = |number| Ok(view.epoch_start(number)?);
    read::consortium(&*view, &ledger.chain(), &ledger.genesis().name, start).expect("it reads")
}
