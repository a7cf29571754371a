//! The members, their network and their disks; and what must hold of them at all times.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Handle, Spawner as _, Supervisor as _};
use crypto::{Digest, merkle};
use ledger::{Committed, Ledger, Refusal, VerifiedTransaction};

use super::consortium::{Chain, Change, consortium, newest, ordering, standing, who};
use super::disk::Disk;
use super::machine::Files;
use super::member::{self, Part, Seat};
use super::networks::Networks;
use super::record::Record;
use crate::automaton::now;
use crate::offence::Offence;
use crate::pool::PoolLimits;
use crate::slate::Rules;

/// How a validator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Honest,
    Equivocates,
    Floods,
    Forges,
    ProposesInvalid,
    FallsSilent,
    SendsOld,
    Wavers,
    Withholds,
}

pub(super) const MISBEHAVIOURS: [Behaviour; 8] = [
    Behaviour::Equivocates,
    Behaviour::Floods,
    Behaviour::Forges,
    Behaviour::ProposesInvalid,
    Behaviour::FallsSilent,
    Behaviour::SendsOld,
    Behaviour::Wavers,
    Behaviour::Withholds,
];

pub(super) struct World {
    pub(super) context: Context,
    pub(super) chain: Arc<Chain>,
    pub(super) shared: Arc<Shared>,
    nodes: Vec<Node>,
    submitted: u64,
    /// Changes that may still come to pass: each with the transaction that decides it, and the last moment of that.
    asked: Vec<(Change, Digest, u64)>,
    runs: u64,
}

/// What the members' nodes share with the world.
pub(super) struct Shared {
    pub(super) chain: Arc<Chain>,
    pub(super) behaviours: Vec<Behaviour>,
    /// Of each member's engine.
    pub(super) files: Vec<Files>,
    pub(super) record: Arc<Record>,
    pub(super) networks: Networks,
    pub(super) seed: u64,
    pub(super) pool: PoolLimits,
    seats: Mutex<BTreeMap<usize, Seat>>,
}

struct Node {
    disk: Disk,
    task: Option<Handle<()>>,
}

/// What a failure of all power leaves of a world.
pub(super) struct Wreck {
    disks: Vec<Disk>,
    chain: Arc<Chain>,
    behaviours: Vec<Behaviour>,
    record: Arc<Record>,
    seed: u64,
    pool: PoolLimits,
    submitted: u64,
    asked: Vec<(Change, Digest, u64)>,
    runs: u64,
}

impl Wreck {
    /// Digest of all that the members showed.
    pub(super) fn trace(&self) -> [u8; 32] {
        self.record.trace()
    }
}

impl Shared {
    fn seat(&self, at: usize) -> Option<Seat> {
        self.seats.lock().expect("no panic holds the seats").get(&at).cloned()
    }

    /// A running member that another can reach.
    pub(super) fn reach(&self, from: usize, to: usize) -> Option<Seat> {
        self.seat(to).filter(|_| self.networks.joined(from, to))
    }

    /// Submits at a member's node. What it acknowledges is remembered; what its ordering leaves open is submitted anew.
    pub(super) fn submit(&self, at: usize, seat: &Seat, batch: Vec<VerifiedTransaction>, now: u64) -> bool {
        let Some(Part { docket, .. }) = seat.part() else { return false };
        let (record, honest) = (self.record.clone(), self.behaviours[at] == Behaviour::Honest);
        let (copy, ledger, again) = (batch.clone(), Arc::downgrade(&seat.ledger), seat.clone());
        let callback = move |results: Result<Vec<Result<Committed, Refusal>>, _>| {
            if again.is_crashed() {
                return;
            }
            let Ok(results) = results else { return again.again(copy) };
            for (transaction, result) in copy.iter().zip(results) {
                match result {
                    Ok(committed) if honest => {
                        let ledger = ledger.upgrade().expect("it answers, so that it runs");
                        assert!(committed.height <= ledger.durable_height(), "acknowledged before it was on disk");
                        let found = ledger.committed(&transaction.id()).expect("it reads");
                        assert_eq!(found.as_ref(), Some(&committed), "acknowledged as it does not stand on the ledger");
                        record.acknowledge(at, transaction.id(), committed);
                    }
                    Ok(_) => {}
                    Err(refusal) => record.refuse(at, transaction.id(), refusal),
                }
            }
        };
        docket.submit(batch, Box::new(callback), now).is_ok()
    }
}

impl World {
    /// Validators with these behaviours, none of them running.
    pub(super) async fn new(context: Context, seed: u64, behaviours: &[Behaviour]) -> Self {
        Self::with_newcomers(context, seed, behaviours, 0)
    }

    /// The same, and members who are no validators yet.
    pub(super) fn with_newcomers(context: Context, seed: u64, behaviours: &[Behaviour], newcomers: usize) -> Self {
        Self::with_pool(context, seed, behaviours, newcomers, POOL)
    }

    /// The same, whose pools hold so much. Of every second seed's consortium, ballots govern.
    pub(super) fn with_pool(
        context: Context,
        seed: u64,
        behaviours: &[Behaviour],
        newcomers: usize,
        pool: PoolLimits,
    ) -> Self {
        let few = |members| u8::try_from(members).expect("few members");
        let chain = Arc::new(Chain::found(few(behaviours.len()), few(newcomers), seed.is_multiple_of(2)));
        let behaviours = [behaviours, &vec![Behaviour::Honest; newcomers]].concat();
        let disks = behaviours.iter().map(|_| chain.disk()).collect();
        let (record, asked) = (Arc::default(), vec![]);
        Self::of(context, Wreck { disks, chain, behaviours, record, seed, pool, submitted: 0, asked, runs: 0 })
    }

    /// What rises from a wreck; all lines are cut.
    pub(super) fn of(context: Context, wreck: Wreck) -> Self {
        let Wreck { disks, chain, behaviours, record, seed, pool, submitted, asked, runs } = wreck;
        let networks = Networks::new(context.child("networks"), Rules { chain: chain.id() });
        let files = (0..behaviours.len()).map(|at| Files::new(seed ^ runs ^ at as u64)).collect();
        let nodes = disks.into_iter().map(|disk| Node { disk, task: None }).collect();
        let shared = Arc::new(Shared {
            chain: chain.clone(),
            behaviours,
            files,
            record,
            networks,
            seed,
            pool,
            seats: Mutex::default(),
        });
        Self { context, chain, shared, nodes, submitted, asked, runs }
    }

    /// All power fails at once: nothing is ended, disks are torn. The engines' files are torn by their runtime.
    pub(super) async fn wreck(self) -> Wreck {
        if !self.runs.is_multiple_of(2) {
            self.until_written(0..self.size()).await;
        }
        let Self { chain, shared, nodes, submitted, asked, runs, .. } = self;
        let running = |at: usize| nodes[at].task.is_some();
        let torn = |(at, node): (usize, &Node)| match running(at) {
            true => node.disk.crash(shared.seed ^ runs ^ at as u64),
            false => node.disk.clone(),
        };
        Wreck {
            disks: nodes.iter().enumerate().map(torn).collect(),
            chain,
            behaviours: shared.behaviours.clone(),
            record: shared.record.clone(),
            seed: shared.seed,
            pool: shared.pool,
            submitted,
            asked,
            runs,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn honest(&self) -> Vec<usize> {
        (0..self.size()).filter(|at| self.shared.behaviours[*at] == Behaviour::Honest).collect()
    }

    /// Lines laid in this runtime.
    pub(super) fn laid(&self) -> u64 {
        self.shared.networks.laid()
    }

    pub(super) fn is_running(&self, at: usize) -> bool {
        self.nodes[at].task.is_some()
    }

    pub(super) fn seat(&self, at: usize) -> Option<Seat> {
        self.shared.seat(at)
    }

    pub(super) fn ledger(&self, at: usize) -> Arc<Ledger> {
        self.seat(at).expect("it runs").ledger
    }

    /// Its part among the validators; none while it has none.
    pub(super) fn part(&self, at: usize) -> Option<Part> {
        self.seat(at)?.part()
    }

    /// Sets the line of every two members for which `joined` holds, and cuts the others.
    pub(super) async fn link(&self, link: &Link, joined: impl Fn(usize, usize) -> bool) {
        let pairs = (0..self.size()).flat_map(|from| (0..self.size()).map(move |to| (from, to)));
        let lines = pairs.filter(|(from, to)| from != to && joined(*from, *to));
        self.shared.networks.set(lines.map(|pair| (pair, link.clone())).collect()).await;
        self.shared.record.note("lines");
    }

    pub(super) async fn start(&mut self, at: usize) {
        self.runs += 1;
        let ledger = self.chain.ledger_on(self.nodes[at].disk.clone());
        // What it told anybody is on its disk, whatever became of the disk.
        for id in self.shared.record.answered(at) {
            assert!(ledger.committed(&id).expect("it reads").is_some(), "member {at} lost what it acknowledged");
        }
        if self.shared.behaviours[at] == Behaviour::Honest {
            let (record, weak) = (self.shared.record.clone(), Arc::downgrade(&ledger));
            ledger.observe(move |height| {
                let Some(ledger) = weak.upgrade() else { return };
                record.block(at, &ledger.header(height).expect("it reads").expect("it was committed"));
            });
        }
        let seat = Seat::new(ledger);
        self.shared.seats.lock().expect("no panic holds the seats").insert(at, seat.clone());
        let (shared, context) = (self.shared.clone(), self.context.child("member").with_attribute("run", self.runs));
        self.shared.record.note(format_args!("start {at}"));
        self.nodes[at].task =
            Some(context.spawn(move |context| async move { member::serve(context, shared, at, seat).await }));
        // Until it can be asked.
        for _ in 0..50 {
            if self.part(at).is_none() {
                self.context.sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Ends a node where it stands, every other time in the midst of a write; its disks lose what was not synced.
    pub(super) async fn crash(&mut self, at: usize) {
        if !self.is_running(at) {
            return;
        }
        if !(self.runs + at as u64).is_multiple_of(2) {
            self.until_written(at..at + 1).await;
        }
        self.cut(at).await;
    }

    /// The same at once.
    pub(super) async fn cut(&mut self, at: usize) {
        let task = self.nodes[at].task.take().expect("it runs");
        self.shared.record.note(format_args!("crash {at}"));
        let disk = self.nodes[at].disk.crash(self.shared.seed ^ self.runs);
        let seat = self.shared.seats.lock().expect("no panic holds the seats").remove(&at);
        seat.expect("it ran").crash();
        task.abort();
        let _ = task.await;
        self.nodes[at].disk = disk;
        // What the tasks held is dropped with them.
        self.context.sleep(Duration::from_millis(1)).await;
        self.shared.files[at].crash(&self.context, self.shared.seed ^ self.runs ^ (at as u64) << 32).await;
    }

    /// Waits until one of these members' engines is in the midst of a write, if any is soon: most of the time nothing is written.
    async fn until_written(&self, members: Range<usize>) {
        for _ in 0..SOON {
            if self.shared.files[members.clone()].iter().any(Files::are_written) {
                return;
            }
            self.pass(Duration::from_millis(1)).await;
        }
    }

    /// What a backup of a ledger would hold now.
    pub(super) fn copy_disk(&self, at: usize) -> Disk {
        self.nodes[at].disk.synced()
    }

    pub(super) fn restore_disk(&mut self, at: usize, disk: Disk) {
        self.shared.record.forget(at);
        self.nodes[at].disk = disk;
    }

    /// Submits a new transaction of `sender` at a validator; what is acknowledged is remembered.
    pub(super) fn submit(&mut self, at: usize, sender: u8) -> Option<Digest> {
        self.submitted += 1;
        let time = now(&self.context);
        let transaction = self.chain.record(sender, self.submitted, time + 1_800_000);
        let id = transaction.id();
        self.submit_all(at, vec![transaction]).then_some(id)
    }

    pub(super) fn submit_all(&self, at: usize, batch: Vec<VerifiedTransaction>) -> bool {
        let Some(seat) = self.seat(at) else { return false };
        self.shared.submit(at, &seat, batch, now(&self.context))
    }

    /// Asks at a member's node for a change of the members, and for the changed validators to order. Not where too many liars could then be
    /// among too few validators, whatever of all that was asked for comes to pass.
    pub(super) fn change(&mut self, at: usize, change: Change) -> bool {
        let Some(seat) = self.seat(at).filter(|_| self.may_change(change)) else { return false };
        self.submitted += 1;
        let expires = now(&self.context) + PATIENCE;
        let calls = self.chain.bring(&seat.ledger, change, self.submitted, expires);
        self.asked.push((change, calls[0].id(), expires));
        self.submit_all(at, calls)
    }

    fn may_change(&mut self, change: Change) -> bool {
        let running = self.honest().into_iter().filter_map(|at| self.seat(at));
        let Some(seat) = running.max_by_key(|seat| seat.ledger.head().height) else { return false };
        let head = seat.ledger.head();
        let open = |id: &Digest| seat.ledger.committed(id).expect("it reads").is_none();
        self.asked.retain(|(_, id, expires)| *expires >= head.time && open(id));
        let lies = |at: &u8| self.shared.behaviours[usize::from(*at)] != Behaviour::Honest;
        let validators = newest(&seat.ledger).validators;
        let (mut liars, mut honest): (BTreeSet<u8>, BTreeSet<u8>) =
            validators.iter().map(|validator| who(validator).0).partition(lies);
        for change in self.asked.iter().map(|(asked, ..)| *asked).chain([change]) {
            match change {
                Change::Enter(at) if lies(&at) => _ = liars.insert(at),
                Change::Leave(at) | Change::Suspend(at) => _ = honest.remove(&at),
                _ => {}
            }
        }
        3 * liars.len() < liars.len() + honest.len()
    }

    /// Whether a member is among the newest validators, the generation of its key, and whether it is barred, as a running ledger has it.
    pub(super) fn standing(&self, at: usize) -> Option<(bool, u8, bool)> {
        let ledger = (0..self.size()).find_map(|at| self.seat(at))?.ledger;
        let (generation, barred) = standing(&ledger, at as u8);
        let validates = newest(&ledger).validators.iter().any(|validator| usize::from(who(validator).0) == at);
        Some((validates, generation, barred))
    }

    /// Submits a proposal that nobody votes on, and that the ledger closes when its time is over.
    pub(super) fn propose(&mut self, at: usize) {
        self.submitted += 1;
        let proposal = self.chain.idle(at as u8, self.submitted, now(&self.context) + 3_000);
        self.submit_all(at, vec![proposal]);
    }

    pub(super) fn acknowledged(&self) -> BTreeMap<Digest, Committed> {
        self.shared.record.shown().acknowledged.clone()
    }

    pub(super) fn refused(&self) -> Vec<(Digest, Refusal)> {
        self.shared.record.shown().refused.clone()
    }

    pub(super) fn offences(&self, at: usize) -> Vec<Offence> {
        self.part(at).map(|part| part.offences.lock().expect("no panic").clone()).unwrap_or_default()
    }

    pub(super) async fn pass(&self, time: Duration) {
        self.context.sleep(time).await;
    }

    /// Once the faults have healed: new transactions at every honest validator are acknowledged, all honest ledgers meet,
    /// and hold everything that was ever acknowledged; all receipts verify.
    pub(super) async fn must_recover(&mut self) {
        let honest = self.honest();
        let mut waited = 0;
        // Those who vote, and know the epoch that the others know.
        let epochs =
            |world: &Self| -> BTreeSet<u64> { honest.iter().map(|at| ordering(&world.ledger(*at)).0.number).collect() };
        let voters = |world: &Self| -> Vec<usize> {
            let (epoch, _) = ordering(&world.ledger(honest[0]));
            let places = epoch.validators.iter().map(|validator| usize::from(who(validator).0));
            places.filter(|at| honest.contains(at)).collect()
        };
        let votes = |world: &Self, at: usize| {
            world.part(at).is_some_and(|part| part.epoch == ordering(&world.ledger(at)).0.number)
        };
        let (mut waiting, mut within) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let now = epochs(self);
            let ready = now.len() == 1 && voters(self).into_iter().all(|at| votes(self, at));
            // Who leaves the validators meanwhile takes in nothing any more.
            if ready && (waiting.is_empty() || within != now) {
                within = now;
                waiting.clear();
                for at in voters(self) {
                    let id = self.submit(at, at as u8);
                    waiting.insert(id.expect("a validator that was healed takes transactions"));
                }
            }
            let acknowledged = self.acknowledged();
            if !waiting.is_empty() && waiting.iter().all(|id| acknowledged.contains_key(id)) {
                break;
            }
            waited += 1;
            self.goes_on(waited < 1_200, "no progress in two minutes after the faults healed");
            self.pass(Duration::from_millis(100)).await;
        }
        let heights = |world: &Self| honest.iter().map(|at| world.ledger(*at).head().height).collect::<BTreeSet<_>>();
        while heights(self).len() > 1 {
            waited += 1;
            self.goes_on(waited < 1_800, "the ledgers do not meet");
            self.pass(Duration::from_millis(100)).await;
        }
        let acknowledged = self.acknowledged();
        for id in &waiting {
            let code = &acknowledged[id].outcome.code;
            let own = code.starts_with(contracts::PREFIX);
            assert!(own || ["ok", "member_barred"].contains(&&**code), "a member's record is refused: {code}");
        }
        for at in honest {
            let ledger = self.ledger(at);
            for (id, committed) in &acknowledged {
                let found = ledger.committed(id).expect("it reads");
                assert_eq!(found.as_ref(), Some(committed), "validator {at} lost what was acknowledged");
            }
            let (size, root) = (ledger.head().log_size, ledger.head().log_root);
            for checkpoint in self.shared.record.receipts_hold(&consortium(&ledger)).into_iter().take(20) {
                let path = ledger.consistency(checkpoint.size, size).expect("it reads");
                let consistent = merkle::verify_consistency(checkpoint.size, &checkpoint.root, size, &root, &path);
                assert!(consistent, "a receipt's log is not the beginning of member {at}'s");
            }
        }
    }

    fn goes_on(&self, holds: bool, what: &str) {
        assert!(holds, "seed {}: {what}: {}", self.shared.seed, self.describe());
    }

    pub(super) fn describe(&self) -> String {
        let node = |at: usize| {
            let behaviour = self.shared.behaviours[at];
            let Some(seat) = self.seat(at) else { return format!("\n{at} {behaviour:?}: down") };
            let (height, epoch) = (seat.ledger.head().height, ordering(&seat.ledger).0);
            let part = seat.part().map(|part| {
                let (load, fault) = (part.docket.load().0, part.docket.fault().borrow().clone());
                format!("votes in {}, executed {}, waiting {load}, fault {fault:?}", part.epoch, part.docket.executed())
            });
            let names: Vec<_> = epoch.validators.iter().map(who).collect();
            format!("\n{at} {behaviour:?}: block {height}, epoch {} of {names:?}, {part:?}", epoch.number)
        };
        (0..self.size()).map(node).collect()
    }
}

/// Milliseconds in which a change is decided, or is not any more.
const PATIENCE: u64 = 20_000;
/// How many milliseconds a crash waits for a write.
const SOON: u64 = 2_000;

/// So little that a flood fills it.
const POOL: PoolLimits = PoolLimits { transactions: 400, bytes: 1 << 20 };
