//! A member's node as far as the ordering needs one: it votes where it is a validator and follows where it is not, in the epoch that
//! its ledger names; it cosigns, and hands out receipts.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use commonware_consensus::Application;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::Context as Round;
use commonware_cryptography::ed25519::PublicKey;
use commonware_cryptography::{Signer as _, sha256};
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use ledger::{Checkpoint, Epoch, Ledger, VerifiedTransaction};
use tokio::sync::watch;

use super::consortium::{consortium, key, newest, numbered, ordering, who};
use super::machine::Machine;
use super::network::Sender;
use super::networks::private;
use super::twist::{Hand, Honest, Twist};
use super::world::{Behaviour, Shared};
use super::{equivocate, flood, forge, invalid, silence, stale, waver, withhold};
use crate::automaton::{Automaton, now};
use crate::committee::{Committee, own_key};
use crate::docket::{Docket, Term, passed};
use crate::engine::{CHANNELS, Channels, Engine, Pace, Parts};
use crate::error::{Fault, StartError};
use crate::executor::Marshal;
use crate::offence::Offences;
use crate::slate::{Rules, Slate};

/// What a running node shows to the world and to the others.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) ledger: Arc<Ledger>,
    part: Arc<Mutex<Option<Part>>>,
    /// Submissions whose ordering ended before their outcome was known.
    again: Arc<Mutex<Vec<Vec<VerifiedTransaction>>>>,
    /// It has crashed: what its tasks still do until they are dropped, nobody sees.
    crashed: Arc<AtomicBool>,
}

/// Its part among an epoch's validators.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) epoch: u64,
    pub(super) docket: Arc<Docket>,
    pub(super) marshal: watch::Receiver<Option<Marshal>>,
    pub(super) offences: Offences,
}

impl Seat {
    pub(super) fn new(ledger: Arc<Ledger>) -> Self {
        Self { ledger, part: Arc::default(), again: Arc::default(), crashed: Arc::default() }
    }

    pub(super) fn part(&self) -> Option<Part> {
        self.part.lock().expect("no panic holds the part").clone()
    }

    pub(super) fn crash(&self) {
        self.crashed.store(true, Relaxed);
    }

    pub(super) fn is_crashed(&self) -> bool {
        self.crashed.load(Relaxed)
    }

    /// Submits anew once there is who orders.
    pub(super) fn again(&self, batch: Vec<VerifiedTransaction>) {
        self.again.lock().expect("no panic holds them").push(batch);
    }
}

/// Runs a member's node until it is crashed.
pub(super) async fn serve(context: Context, shared: Arc<Shared>, at: usize, seat: Seat) {
    let (others, own) = (shared.clone(), seat.clone());
    context.child("cosigning").spawn(move |context| cosign(context, others, at, own));
    let generation = |epoch: &Epoch| {
        let mut validators = epoch.validators.iter().map(who);
        validators.find(|(member, _)| usize::from(*member) == at).map(|(_, generation)| generation)
    };
    if let Some((number, base)) = passed(&seat.ledger, ordering(&seat.ledger).1).expect("it reads") {
        let epoch = numbered(&seat.ledger, number);
        if let Some(generation) = generation(&epoch) {
            shared.record.note(format_args!("back {at} {number}"));
            vote(&context.child("back"), shared.clone(), at, &seat, &epoch, (base, generation)).await;
        }
    }
    let mut run = 0;
    loop {
        let (epoch, base) = ordering(&seat.ledger);
        run += 1;
        let context = context.child("part").with_attribute("run", run);
        let votes = match generation(&epoch) {
            Some(generation) => vote(&context, shared.clone(), at, &seat, &epoch, (base, generation)).await,
            None => Votes::No,
        };
        if let Votes::No = votes {
            follow(context, shared.clone(), at, seat.clone(), epoch).await;
        }
        shared.record.note(format_args!("part {at} {}", ordering(&seat.ledger).0.number));
    }
}

enum Votes {
    /// Its epoch has ended.
    Over,
    /// It cannot vote in this epoch: it follows until the next one.
    No,
}

/// Takes part in an epoch until that ends.
async fn vote(
    context: &Context,
    shared: Arc<Shared>,
    at: usize,
    seat: &Seat,
    epoch: &Epoch,
    (base, generation): (u64, u8),
) -> Votes {
    seat.ledger.flush().expect("the disk works");
    let behaviour = shared.behaviours[at];
    let honest = behaviour == Behaviour::Honest;
    let key = private(at as u8, generation);
    let committee = Committee::new(shared.chain.id(), epoch);
    let place = committee.place(&own_key(&key.public_key())).expect("it is a validator");
    let keys = committee.keys().expect("the tests' keys are good");
    let scheme = Scheme::signer(&committee.namespace(), keys, key.clone()).expect("it is a validator");
    let rules = Rules { chain: shared.chain.id() };
    let (number, copy) = (epoch.number, Arc::downgrade(&seat.ledger));
    let last = move |transactions: &[ledger::SignedTransaction]| {
        transactions
            .iter()
            .any(|signed| contracts::may_pass_on(&signed.transaction.contract, &signed.transaction.method))
            && copy.upgrade().is_some_and(|ledger| ordering(&ledger).0.number != number)
    };
    let (docket, outbound) =
        match Docket::new(seat.ledger.clone(), committee, place, Term { base, last: Arc::new(last) }, shared.pool) {
            Ok(docket) => docket,
            Err(StartError::Base { found, expected }) if found > expected => return Votes::No,
            Err(error) => panic!("member {at} does not start: {error}"),
        };
    if honest {
        let shared = Arc::downgrade(&shared);
        let watcher = move |slate: &Slate| {
            if let Some(shared) = shared.upgrade() {
                shared.record.slate(at, number, slate.header().height, slate.identity());
            }
        };
        assert!(docket.watcher.set(Box::new(watcher)).is_ok());
    }
    let hand = Hand { scheme: scheme.clone(), rules, seed: shared.seed ^ at as u64, chain: shared.chain.clone() };
    let twist: Arc<dyn Twist> = match behaviour {
        Behaviour::Equivocates => Arc::new(equivocate::Equivocate::new(hand)),
        Behaviour::Floods => Arc::new(flood::Flood::new(hand)),
        Behaviour::Forges => Arc::new(forge::Forge),
        Behaviour::FallsSilent => Arc::new(silence::Silence::new(hand)),
        Behaviour::SendsOld => Arc::new(stale::Stale::new(hand)),
        Behaviour::Wavers => Arc::new(waver::Waver::new(hand)),
        Behaviour::Withholds => Arc::new(withhold::Withhold::new(hand)),
        Behaviour::Honest | Behaviour::ProposesInvalid => Arc::new(Honest),
    };
    let oracle = shared.networks.of(epoch).await;
    // Engines of a new epoch have to find each other first.
    let connecting = shared.clone();
    // Not this member's task: the lines are the world's, and whole whatever becomes of it.
    shared.networks.context.child("connecting").spawn(move |context| async move {
        context
            .sleep(if number > connecting.chain.first {
                CONNECT * (1 + (at as u32 + number as u32) % 4)
            } else {
                Duration::ZERO
            })
            .await;
        connecting.networks.connect(number, at).await;
    });
    let control = oracle.control(key.public_key());
    let mut registered = Vec::new();
    for (channel, quota) in CHANNELS {
        let (sender, receiver) = control.register(channel, quota).await.expect("the network runs");
        registered.push((Sender::new(sender, channel, twist.clone()), receiver));
    }
    let mut next = registered.into_iter();
    let mut next = || next.next().expect("there are six channels");
    let channels = Channels {
        votes: next(),
        certificates: next(),
        resolver: next(),
        slates: next(),
        backfill: next(),
        transactions: next(),
    };
    let pace = Pace::default();
    let finalised = watch::Sender::new(0);
    let automaton = Automaton::new(docket.clone(), finalised.subscribe(), pace);
    let offences = Offences::default();
    let parts = Parts {
        docket: docket.clone(),
        outbound,
        scheme,
        me: key.public_key(),
        application: automaton.clone(),
        blocker: control,
        provider: oracle.manager(),
        pace,
        keep: 1 << 20,
        partition: format!("v{at}e{number}"),
        offences: offences.clone(),
        finalised,
    };
    let (told, marshal) = watch::channel(None);
    let (seed, files) = (shared.seed, shared.files[at].clone());
    let mut task = context.child("validator").spawn(move |context| async move {
        let context = Machine::new(context, files);
        match behaviour {
            Behaviour::ProposesInvalid => {
                let application = invalid::Invalid::new(automaton, seed);
                run(context, parts.with(application), channels, told).await
            }
            _ => run(context, parts, channels, told).await,
        }
    });
    let part = Part { epoch: number, docket: docket.clone(), marshal, offences };
    *seat.part.lock().expect("no panic holds the part") = Some(part);
    let again = std::mem::take(&mut *seat.again.lock().expect("no panic holds them"));
    for batch in again {
        shared.submit(at, seat, batch, now(context));
    }

    let (mut ended, mut is_running) = (docket.ended(), true);
    let votes = tokio::select! {
        biased;
        stopped = &mut task => {
            is_running = false;
            let fault = docket.fault().borrow().clone();
            let why = stopped.as_ref().map(ToString::to_string);
            let is_behind = matches!(stopped, Ok(Fault::Behind { .. }));
            assert!(!honest || is_behind, "an honest validator stopped, member {at}: {fault:?}, {why:?}");
            Votes::No
        }
        () = async { drop(ended.wait_for(|ended| *ended).await.expect("the docket is held here")) } => {
            // The others hear of the last slate; where they have not, who else would tell them?
            context.sleep(LINGER).await;
            while !is_passed(&shared, at, epoch) {
                context.sleep(ASK).await;
            }
            Votes::Over
        }
        () = overtaken(context.child("overtaken"), shared.clone(), at, seat.clone(), epoch.clone()) => Votes::No,
        () = stranded(context.child("stranded"), shared.clone(), at, seat.clone(), epoch.clone()) => Votes::No,
    };
    *seat.part.lock().expect("no panic holds the part") = None;
    docket.close();
    // Nobody hears twice of a task's end.
    if is_running {
        task.abort();
        let _ = task.await;
    }
    // What its tasks held is dropped with them.
    context.sleep(Duration::from_millis(1)).await;
    votes
}

async fn run<A>(
    context: Machine,
    parts: Parts<
        A,
        impl commonware_p2p::Blocker<PublicKey = PublicKey>,
        impl commonware_p2p::Provider<PublicKey = PublicKey>,
    >,
    channels: Channels<Sender, commonware_p2p::simulated::Receiver<PublicKey>>,
    told: watch::Sender<Option<Marshal>>,
) -> Fault
where
    A: Application<
            Machine,
            SigningScheme = Scheme,
            Context = Round<sha256::Digest, PublicKey>,
            Block = Slate,
            Input = (),
        > + Sync,
{
    match Engine::start(context, parts, channels).await {
        Ok(engine) => {
            told.send_replace(Some(engine.marshal.clone()));
            engine.stopped().await
        }
        Err(fault) => fault,
    }
}

/// How many others of an epoch say that a later one orders. Liars say so always.
fn ahead(shared: &Shared, at: usize, epoch: &Epoch) -> usize {
    let says = |validator: &&ledger::Validator| {
        let other = usize::from(who(validator).0);
        let Some(seat) = shared.reach(at, other).filter(|_| other != at) else { return false };
        shared.behaviours[other] != Behaviour::Honest || ordering(&seat.ledger).0.number > epoch.number
    };
    epoch.validators.iter().filter(says).count()
}

/// Whether a quorum, this member among them, has the last block of an epoch.
fn is_passed(shared: &Shared, at: usize, epoch: &Epoch) -> bool {
    ahead(shared, at, epoch) + 1 >= epoch.quorum()
}

/// Waits until more validators of this member's epoch than can lie say that a later one orders, and answer for the blocks that this
/// member lacks, while none comes.
async fn overtaken(context: Context, shared: Arc<Shared>, at: usize, seat: Seat, epoch: Epoch) {
    loop {
        let height = seat.ledger.head().height;
        context.sleep(STUCK).await;
        if seat.ledger.head().height > height || ahead(&shared, at, &epoch) <= epoch.validators.len() - epoch.quorum() {
            continue;
        }
        if (0..epoch.validators.len()).any(|turn| !fetch(&shared, at, &seat, &epoch, turn).is_empty()) {
            return;
        }
    }
}

/// Waits until more validators than can lie have dropped the slate that this member needs next, twice in a row while it executes none.
async fn stranded(context: Context, shared: Arc<Shared>, at: usize, seat: Seat, epoch: Epoch) {
    let mut before = None;
    loop {
        let Some(Part { docket, marshal, .. }) = seat.part() else { return std::future::pending().await };
        let executed = docket.executed();
        context.sleep(STRANDED).await;
        let own = marshal.borrow().clone();
        match own {
            Some(own) if docket.executed() == executed && !Engine::has(&own, executed + 1).await => {}
            _ => {
                before = None;
                continue;
            }
        }
        let mut dropped = 0;
        for validator in &epoch.validators {
            let other = usize::from(who(validator).0);
            let Some(seat) = shared.reach(at, other).filter(|_| other != at) else { continue };
            if shared.behaviours[other] != Behaviour::Honest {
                dropped += 1;
                continue;
            }
            let Some(part) = seat.part().filter(|part| part.epoch == epoch.number) else { continue };
            let (marshal, newest) = (part.marshal.borrow().clone(), part.docket.executed());
            if let Some(marshal) = marshal.filter(|_| executed + 1 < newest) {
                dropped += usize::from(Engine::has_dropped(&marshal, executed + 1, newest).await);
            }
        }
        if docket.executed() != executed || dropped <= epoch.validators.len() - epoch.quorum() {
            before = None;
        } else if before.replace(executed) == Some(executed) {
            return;
        }
    }
}

/// Takes blocks from the validators of the epoch that orders until another orders.
async fn follow(context: Context, shared: Arc<Shared>, at: usize, seat: Seat, epoch: Epoch) {
    for turn in 1.. {
        context.sleep(FOLLOW).await;
        for block in fetch(&shared, at, &seat, &epoch, turn) {
            seat.ledger.apply(&block, now(&context), false).expect("what is answered for is right");
            if ordering(&seat.ledger).0.number != epoch.number {
                return;
            }
        }
    }
}

/// The next blocks, from the next validator: such as a quorum answers for, or for a validator more others than can lie.
fn fetch(shared: &Shared, at: usize, seat: &Seat, epoch: &Epoch, turn: usize) -> Vec<ledger::Block> {
    let source = usize::from(who(&epoch.validators[turn % epoch.validators.len()]).0);
    // Those who lie have nothing that anybody answers for.
    if source == at || shared.behaviours[source] != Behaviour::Honest {
        return vec![];
    }
    let Some(other) = shared.reach(at, source) else { return vec![] };
    let mut blocks = other.ledger.blocks(seat.ledger.head().height + 1, 1 << 20).expect("it reads");
    let current = newest(&seat.ledger);
    let fit = blocks.iter().take_while(|block| block.header.epoch == current.number).count();
    blocks.truncate(fit);
    let Some(last) = blocks.last().map(|block| block.header.clone()) else { return vec![] };
    let checkpoint = Checkpoint::of(&last);
    let answers = |epoch: &Epoch| {
        let answer = |validator: &&ledger::Validator| {
            let other = usize::from(who(validator).0);
            let honest = shared.behaviours[other] == Behaviour::Honest;
            let reached = shared.reach(at, other).filter(|_| honest && other != at);
            // Who answers for its newest block forces that to disk.
            reached.is_some_and(|other| {
                other.ledger.durable_checkpoint(last.height).is_ok_and(|found| found == checkpoint)
            })
        };
        let votes = epoch.validators.iter().any(|validator| usize::from(who(validator).0) == at);
        let liars = epoch.validators.len() - epoch.quorum();
        let least = if votes { liars + 1 } else { epoch.quorum() };
        epoch.validators.iter().filter(answer).count() >= least
    };
    if answers(&current) || answers(epoch) { blocks } else { vec![] }
}

/// Has this member's newest block cosigned, and hands out receipts for what it acknowledged.
async fn cosign(context: Context, shared: Arc<Shared>, at: usize, seat: Seat) {
    let (mut done, mut issued) = (0, 0);
    if shared.behaviours[at] != Behaviour::Honest {
        return std::future::pending().await;
    }
    loop {
        context.sleep(COSIGN).await;
        let ledger = &seat.ledger;
        let height = ledger.durable_height();
        if height <= done {
            continue;
        }
        let checkpoint = ledger.durable_checkpoint(height).expect("it reads");
        let epoch = ledger.epoch(checkpoint.epoch).expect("it reads").expect("it is kept");
        let mut all = Vec::new();
        for validator in &epoch.validators {
            let (member, generation) = who(validator);
            let other = usize::from(member);
            let reached = if other == at { Some(seat.clone()) } else { shared.reach(at, other) };
            let Some(other_seat) = reached else { continue };
            let sign = |checkpoint: &Checkpoint| {
                let signed = checkpoint.cosign(7, |bytes| Ok::<_, ()>(key(member, generation).sign_raw(bytes)));
                (validator.name.clone(), signed.expect("it has the key"))
            };
            if shared.behaviours[other] != Behaviour::Honest {
                let lie = Checkpoint { root: crypto::Digest::from([7; 32]), ..checkpoint };
                assert!(ledger.add_cosignatures(height, &[sign(&lie)]).is_err(), "a lie was kept");
            } else if other_seat.ledger.durable_height() >= height {
                all.push(sign(&other_seat.ledger.durable_checkpoint(height).expect("it reads")));
            }
        }
        let (_, quorum) = ledger.add_cosignatures(height, &all).expect("honest members cosign the same");
        if !quorum {
            continue;
        }
        done = height;
        let answered = shared.record.answered(at);
        let consortium = consortium(ledger);
        for id in answered.iter().skip(issued).rev().take(2) {
            match ledger.receipt(&[*id]) {
                Ok(receipt) => shared.record.issue(at, &receipt, &consortium),
                // It stands in a block after the cosigned one.
                Err(ledger::Error::NotCosigned { .. }) => {}
                Err(error) => panic!("member {at} gives no receipt: {error}"),
            }
        }
        issued = answered.len();
    }
}

/// How long a validator stays in an epoch that has ended, and the other pauses of a node.
const LINGER: Duration = Duration::from_millis(300);
/// Once to four times so long it takes until a validator of a new epoch has found the others.
const CONNECT: Duration = Duration::from_millis(500);
const STUCK: Duration = Duration::from_secs(3);
const STRANDED: Duration = Duration::from_secs(10);
const ASK: Duration = Duration::from_millis(200);
const FOLLOW: Duration = Duration::from_millis(100);
const COSIGN: Duration = Duration::from_secs(1);
