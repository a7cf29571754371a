//! One simulated network for each epoch, as validators of two epochs do not meet; all over the same lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use commonware_codec::DecodeExt as _;
use commonware_cryptography::Signer as _;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_p2p::simulated::{Config, Link, Network, Oracle};
use commonware_runtime::Supervisor as _;
use commonware_runtime::deterministic::Context;
use commonware_utils::{NZUsize, Probability};
use ledger::Epoch;

use super::consortium::who;
use crate::engine::max_message_size;
use crate::slate::Rules;
use crate::testing::seed;

/// The lines between members, and the networks of epochs over them.
pub(super) struct Networks {
    pub(super) context: Context,
    rules: Rules,
    lines: Mutex<Lines>,
    open: tokio::sync::Mutex<BTreeMap<u64, Open>>,
    laid: AtomicU64,
}

/// By who sends and who receives; none where it is cut.
type Lines = BTreeMap<(usize, usize), Link>;

struct Open {
    oracle: Oracle<PublicKey, Context>,
    /// Who takes part, by what key.
    members: Vec<(usize, PublicKey)>,
    /// Who has found the others.
    connected: BTreeSet<usize>,
}

impl Networks {
    pub(super) fn new(context: Context, rules: Rules) -> Self {
        Self { context, rules, lines: Mutex::default(), open: tokio::sync::Mutex::default(), laid: AtomicU64::new(0) }
    }

    /// The network of an epoch, there from its first validator on.
    pub(super) async fn of(&self, epoch: &Epoch) -> Oracle<PublicKey, Context> {
        let mut open = self.open.lock().await;
        if let Some(open) = open.get(&epoch.number) {
            return open.oracle.clone();
        }
        let members: Vec<_> = epoch
            .validators
            .iter()
            .map(who)
            .map(|(at, generation)| (usize::from(at), private(at, generation).public_key()))
            .collect();
        let config = Config {
            max_size: max_message_size(members.len() as u32, &self.rules),
            max_peers_per_set: NZUsize!(members.len()),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let context = self.context.child("network").with_attribute("epoch", epoch.number);
        let keys = members.iter().map(|(_, key)| key.clone());
        let (network, oracle) = Network::new_with_peers(context, config, keys).await;
        network.start();
        open.insert(epoch.number, Open { oracle: oracle.clone(), members, connected: BTreeSet::new() });
        oracle
    }

    /// A validator of an epoch has found the others.
    pub(super) async fn connect(&self, epoch: u64, member: usize) {
        let mut open = self.open.lock().await;
        let lines = self.lines.lock().expect("no panic holds the lines").clone();
        let open = open.get_mut(&epoch).expect("it takes part");
        if open.connected.insert(member) {
            self.laid.fetch_add(open.set(&lines).await, Relaxed);
        }
    }

    /// Sets the line of every two members for which there is one, and cuts the others.
    pub(super) async fn set(&self, lines: Lines) {
        let open = self.open.lock().await;
        self.lines.lock().expect("no panic holds the lines").clone_from(&lines);
        for open in open.values() {
            self.laid.fetch_add(open.set(&lines).await, Relaxed);
        }
    }

    /// How many lines were ever laid here. Each takes a port of the runtime's network, which is never given back.
    pub(super) fn laid(&self) -> u64 {
        self.laid.load(Relaxed)
    }

    /// Whether both can reach each other.
    pub(super) fn joined(&self, one: usize, other: usize) -> bool {
        let lines = self.lines.lock().expect("no panic holds the lines");
        lines.contains_key(&(one, other)) && lines.contains_key(&(other, one))
    }
}

impl Open {
    /// How many lines were laid.
    async fn set(&self, lines: &Lines) -> u64 {
        let mut laid = 0;
        for (from, sender) in &self.members {
            for (to, receiver) in &self.members {
                if from == to || !self.connected.contains(from) || !self.connected.contains(to) {
                    continue;
                }
                // It may have been cut already.
                let _ = self.oracle.remove_link(sender.clone(), receiver.clone()).await;
                if let Some(link) = lines.get(&(*from, *to)) {
                    let added = self.oracle.add_link(sender.clone(), receiver.clone(), link.clone()).await;
                    added.expect("the link was removed");
                    laid += 1;
                }
            }
        }
        laid
    }
}

pub(super) fn private(at: u8, generation: u8) -> PrivateKey {
    PrivateKey::decode(seed(at, generation).as_slice().to_vec()).expect("32 bytes")
}

/// A line that delivers every message after about so long, in milliseconds.
pub(super) fn good(latency: u64) -> Link {
    lossy(latency, 0)
}

/// A line that loses so many of a hundred messages.
pub(super) fn lossy(latency: u64, lost: u64) -> Link {
    Link {
        latency: std::time::Duration::from_millis(latency),
        jitter: std::time::Duration::from_millis(latency / 2),
        success_rate: Probability::new(100 - lost, 100).expect("at most all are lost"),
    }
}
