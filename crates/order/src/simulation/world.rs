//! The validators, their network and their disks; and what must hold of them at all times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use commonware_codec::DecodeExt as _;
use commonware_consensus::Application;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::Context as Round;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_cryptography::{Signer as _, sha256};
use commonware_p2p::simulated::{Config, Link, Network, Oracle};
use commonware_runtime::deterministic::Context;
use commonware_runtime::{Clock as _, Handle, Spawner as _, Supervisor as _};
use commonware_utils::{NZUsize, Probability};
use crypto::Digest;
use ledger::{Committed, Ledger, Refusal, SignedTransaction, VerifiedTransaction};
use tokio::sync::watch;

use super::disk::Disk;
use super::network::Sender;
use super::twist::{Hand, Honest, Twist};
use super::{equivocate, flood, forge, invalid, silence, stale, waver, withhold};
use crate::automaton::{Automaton, now};
use crate::committee::Committee;
use crate::docket::{Docket, Term};
use crate::engine::{CHANNELS, Channels, Engine, Pace, Parts, max_message_size};
use crate::executor::Marshal;
use crate::offence::{Offence, Offences};
use crate::pool::PoolLimits;
use crate::slate::{Rules, Slate};
use crate::testing::{Chain, signed_by};

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
    oracle: Oracle<PublicKey, Context>,
    nodes: Vec<Node>,
    record: Arc<Record>,
    seed: u64,
    submitted: u64,
    runs: u64,
}

struct Node {
    key: PrivateKey,
    disk: Disk,
    behaviour: Behaviour,
    running: Option<Running>,
}

pub(super) struct Running {
    pub(super) docket: Arc<Docket>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) marshal: watch::Receiver<Option<Marshal>>,
    offences: Offences,
    task: Handle<()>,
}

/// What honest validators have shown so far; whoever contradicts it ends the test.
#[derive(Default)]
struct Record {
    slates: Mutex<BTreeMap<u64, Digest>>,
    blocks: Mutex<BTreeMap<u64, Digest>>,
    acknowledged: Mutex<BTreeMap<Digest, Committed>>,
    refused: Mutex<Vec<(Digest, Refusal)>>,
}

impl Record {
    /// No two final slates at a height, no two blocks at a height.
    fn agree(of: &Mutex<BTreeMap<u64, Digest>>, what: &str, node: usize, height: u64, digest: Digest) {
        let mut known = of.lock().expect("no panic holds the record");
        let first = *known.entry(height).or_insert(digest);
        assert_eq!(first, digest, "validator {node} has another {what} {height}");
    }
}

impl World {
    /// Validators with these behaviours, none of them running.
    pub(super) async fn new(context: Context, seed: u64, behaviours: &[Behaviour]) -> Self {
        let count = u8::try_from(behaviours.len()).expect("few validators");
        let chain = Arc::new(Chain::of(count));
        let keys: Vec<PrivateKey> =
            (1..=count).map(|seed| PrivateKey::decode([seed; 32].as_slice().to_vec()).expect("32 bytes")).collect();
        let rules = Rules { chain: chain.id() };
        let config = Config {
            max_size: max_message_size(u32::from(count), &rules),
            max_peers_per_set: NZUsize!(behaviours.len()),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let public = keys.iter().map(PrivateKey::public_key);
        let (network, oracle) = Network::new_with_peers(context.child("network"), config, public).await;
        network.start();
        let node = |(key, behaviour): (PrivateKey, &Behaviour)| Node {
            key,
            disk: Disk::new(),
            behaviour: *behaviour,
            running: None,
        };
        let nodes = keys.into_iter().zip(behaviours).map(node).collect();
        let record = Arc::default();
        Self { context, chain, oracle, nodes, record, seed, submitted: 0, runs: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn honest(&self) -> Vec<usize> {
        (0..self.size()).filter(|at| self.nodes[*at].behaviour == Behaviour::Honest).collect()
    }

    pub(super) fn running(&self, at: usize) -> Option<&Running> {
        self.nodes[at].running.as_ref()
    }

    /// Sets the link of every two validators for which `joined` holds, and cuts the others.
    pub(super) async fn link(&self, link: &Link, joined: impl Fn(usize, usize) -> bool) {
        for (from, to) in (0..self.size()).flat_map(|from| (0..self.size()).map(move |to| (from, to))) {
            if from == to {
                continue;
            }
            let (sender, receiver) = (self.nodes[from].key.public_key(), self.nodes[to].key.public_key());
            // It may have been cut already.
            let _ = self.oracle.remove_link(sender.clone(), receiver.clone()).await;
            if joined(from, to) {
                self.oracle.add_link(sender, receiver, link.clone()).await.expect("the link was removed");
            }
        }
    }

    pub(super) async fn start(&mut self, at: usize) {
        self.runs += 1;
        let Node { key, disk, behaviour, .. } = &self.nodes[at];
        let (key, behaviour) = (key.clone(), *behaviour);
        let ledger = self.chain.ledger_on(disk.clone());
        let honest = behaviour == Behaviour::Honest;
        let committee = Committee::new(self.chain.id(), &self.chain.epoch);
        let own = crate::committee::own_key(&key.public_key());
        let place = committee.place(&own).expect("it is a validator");
        let keys = committee.keys().expect("the tests' keys are good");
        let scheme = Scheme::signer(&committee.namespace(), keys, key.clone()).expect("it is a validator");
        let rules = Rules { chain: self.chain.id() };
        let limits = PoolLimits { transactions: 400, bytes: 1 << 20 };
        let (docket, outbound) =
            Docket::new(ledger.clone(), committee, place, Term { base: 0, last: Arc::new(|_| false) }, limits)
                .expect("the ledger is this chain's");
        if honest {
            let (record, weak) = (self.record.clone(), Arc::downgrade(&ledger));
            ledger.observe(move |height| {
                let Some(ledger) = weak.upgrade() else { return };
                let header = ledger.header(height).expect("it reads").expect("it was committed");
                Record::agree(&record.blocks, "block", at, height, header.digest());
            });
            let record = self.record.clone();
            let watcher = move |slate: &Slate| {
                Record::agree(&record.slates, "final slate", at, slate.header().height, slate.identity());
            };
            assert!(docket.watcher.set(Box::new(watcher)).is_ok());
        }
        let hand = Hand { scheme: scheme.clone(), rules, seed: self.seed, chain: self.chain.clone() };
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
        let control = self.oracle.control(key.public_key());
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
        let automaton = Automaton::new(docket.clone(), pace.idle, pace.gap);
        let offences = Offences::default();
        let parts = Parts {
            docket: docket.clone(),
            outbound,
            scheme,
            me: key.public_key(),
            application: automaton.clone(),
            blocker: control,
            provider: self.oracle.manager(),
            pace,
            keep: 1 << 20,
            partition: format!("v{at}"),
            offences: offences.clone(),
            finalised: watch::Sender::new(0),
        };
        let context = self.context.child("validator").with_attribute("run", self.runs);
        let (told, marshal) = watch::channel(None);
        let seed = self.seed;
        let task = context.spawn(move |context| async move {
            match behaviour {
                Behaviour::ProposesInvalid => {
                    let application = invalid::Invalid::new(automaton, seed);
                    let parts = parts.with(application);
                    run(context, parts, channels, told, honest).await;
                }
                _ => run(context, parts, channels, told, honest).await,
            }
        });
        self.nodes[at].running = Some(Running { docket, ledger, marshal, offences, task });
    }

    /// Ends a validator where it stands; its disks lose what was not synced.
    pub(super) async fn crash(&mut self, at: usize) {
        let Some(running) = self.nodes[at].running.take() else { return };
        let disk = self.nodes[at].disk.crash(self.seed ^ self.runs);
        running.task.abort();
        let _ = running.task.await;
        drop((running.docket, running.ledger));
        self.nodes[at].disk = disk;
        // What the tasks held is dropped with them.
        self.context.sleep(Duration::from_millis(1)).await;
    }

    /// What a backup of a validator's ledger would hold now.
    pub(super) fn copy_disk(&self, at: usize) -> Disk {
        self.nodes[at].disk.synced()
    }

    pub(super) fn restore_disk(&mut self, at: usize, disk: Disk) {
        self.nodes[at].disk = disk;
    }

    /// Submits a new transaction of `sender` at a validator; what is acknowledged is remembered.
    pub(super) fn submit(&mut self, at: usize, sender: u8) -> Option<Digest> {
        self.submitted += 1;
        let time = now(&self.context);
        let transaction = signed_by(&self.chain, sender, self.submitted, time + 1_800_000);
        let id = transaction.id();
        self.submit_all(at, vec![transaction]).then_some(id)
    }

    pub(super) fn submit_all(&self, at: usize, batch: Vec<VerifiedTransaction>) -> bool {
        let Some(running) = &self.nodes[at].running else { return false };
        let (record, honest) = (self.record.clone(), self.nodes[at].behaviour == Behaviour::Honest);
        let ids: Vec<Digest> = batch.iter().map(VerifiedTransaction::id).collect();
        let ledger = running.ledger.clone();
        let callback = move |results: Result<Vec<Result<Committed, Refusal>>, _>| {
            let Ok(results) = results else { return };
            for (id, result) in ids.iter().zip(results) {
                match result {
                    Ok(committed) if honest => {
                        assert!(committed.height <= ledger.durable_height(), "acknowledged before it was on disk");
                        record.acknowledged.lock().expect("no panic").insert(*id, committed);
                    }
                    Ok(_) => {}
                    Err(refusal) => record.refused.lock().expect("no panic").push((*id, refusal)),
                }
            }
        };
        running.docket.submit(batch, Box::new(callback), now(&self.context)).is_ok()
    }

    pub(super) fn acknowledged(&self) -> MutexGuard<'_, BTreeMap<Digest, Committed>> {
        self.record.acknowledged.lock().expect("no panic holds the record")
    }

    pub(super) fn refused(&self) -> Vec<(Digest, Refusal)> {
        self.record.refused.lock().expect("no panic holds the record").clone()
    }

    pub(super) fn offences(&self, at: usize) -> Vec<Offence> {
        let running = self.nodes[at].running.as_ref();
        running.map(|running| running.offences.lock().expect("no panic").clone()).unwrap_or_default()
    }

    pub(super) async fn pass(&self, time: Duration) {
        self.context.sleep(time).await;
    }

    /// Once the faults have healed: new transactions at every honest validator are acknowledged, all honest ledgers meet,
    /// and hold everything that was ever acknowledged.
    pub(super) async fn must_recover(&mut self) {
        let honest = self.honest();
        let ids: BTreeSet<Digest> = honest
            .iter()
            .map(|at| self.submit(*at, 1 + *at as u8).expect("a validator that was healed takes transactions"))
            .collect();
        let mut waited = 0;
        while !ids.iter().all(|id| self.acknowledged().contains_key(id)) {
            waited += 1;
            assert!(
                waited < 1_200,
                "seed {}: no progress in two minutes after the faults healed: {}",
                self.seed,
                self.describe()
            );
            self.pass(Duration::from_millis(100)).await;
        }
        let heights = || honest.iter().map(|at| self.ledger(*at).head().height).collect::<BTreeSet<_>>();
        while heights().len() > 1 {
            waited += 1;
            assert!(waited < 1_800, "seed {}: the ledgers do not meet: {}", self.seed, self.describe());
            self.pass(Duration::from_millis(100)).await;
        }
        let acknowledged = self.acknowledged();
        for at in honest {
            let ledger = self.ledger(at);
            for (id, committed) in acknowledged.iter() {
                let found = ledger.committed(id).expect("it reads");
                assert_eq!(found.as_ref(), Some(committed), "validator {at} lost what was acknowledged");
            }
        }
    }

    fn ledger(&self, at: usize) -> &Ledger {
        &self.nodes[at].running.as_ref().expect("it runs").ledger
    }

    fn describe(&self) -> String {
        let node = |(at, node): (usize, &Node)| match &node.running {
            Some(running) => format!(
                "{at} {:?}: executed {}, block {}, fault {:?}; ",
                node.behaviour,
                running.docket.executed(),
                running.ledger.head().height,
                *running.docket.fault().borrow(),
            ),
            None => format!("{at} {:?}: down; ", node.behaviour),
        };
        self.nodes.iter().enumerate().map(node).collect()
    }
}

async fn run<A>(
    context: Context,
    parts: Parts<
        A,
        impl commonware_p2p::Blocker<PublicKey = PublicKey>,
        impl commonware_p2p::Provider<PublicKey = PublicKey>,
    >,
    channels: Channels<Sender, commonware_p2p::simulated::Receiver<PublicKey>>,
    told: watch::Sender<Option<Marshal>>,
    honest: bool,
) where
    A: Application<
            Context,
            SigningScheme = Scheme,
            Context = Round<sha256::Digest, PublicKey>,
            Block = Slate,
            Input = (),
        > + Sync,
{
    let docket = parts.docket.clone();
    let fault = match Engine::start(context, parts, channels).await {
        Ok(engine) => {
            told.send_replace(Some(engine.marshal.clone()));
            engine.stopped().await
        }
        Err(fault) => fault,
    };
    assert!(!honest, "an honest validator stopped: {:?}, {fault}", *docket.fault().borrow());
}

/// A link that delivers every message after about so long.
pub(super) fn good(latency: u64) -> Link {
    lossy(latency, 0)
}

/// A link that loses so many of a hundred messages.
pub(super) fn lossy(latency: u64, lost: u64) -> Link {
    Link {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(latency / 2),
        success_rate: Probability::new(100 - lost, 100).expect("at most all are lost"),
    }
}

/// A page's transactions, for those who tamper with it.
pub(super) fn page(bytes: &[u8]) -> Vec<Vec<SignedTransaction>> {
    wire::from_slice(bytes, wire::Limits { bytes: crate::gossip::MAX_PAGE, depth: 24 }).expect("an honest page")
}
