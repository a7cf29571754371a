//! How the node, its ledger and the other validators are, as `GET /metrics` tells it: looked at when it is asked.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use contracts::read;

use crate::metrics::{Gauge, Metrics};
use crate::service::Node;

/// Gauges that are set when somebody looks.
pub(crate) struct Vitals {
    ready: Gauge,
    height: Gauge,
    cosigned: Gauge,
    delay: Gauge,
    epoch: Gauge,
    votes: Gauge,
    restored: Gauge,
    voteless: Gauge,
    finalised: Gauge,
    executed: Gauge,
    peers: Gauge,
    behind: Gauge,
    pool: Gauge,
    pool_bytes: Gauge,
    pool_age: Gauge,
    offences: Gauge,
    disk_free: Gauge,
    disk: Gauge,
    ledger_bytes: Gauge,
    kept: Gauge,
    proven: Gauge,
    syncing: Gauge,
    sync_parts: Gauge,
    key_age: Gauge,
    model_height: Gauge,
    model_failed: Gauge,
    recovery: Gauge,
    private: Gauge,
    private_bytes: Gauge,
    private_room: Gauge,
    private_missing_age: Gauge,
    escrow: Gauge,
    /// The oldest submission that waits, and since when it is seen to.
    waiting: Mutex<Option<(u64, Instant)>>,
    looking: Mutex<()>,
}

impl Vitals {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let gauge = |name, help| metrics.gauge(name, help, &[]);
        Self {
            ready: gauge("sottovoce_ready", "1 while the node can serve."),
            height: gauge("sottovoce_ledger_height", "Newest block of the replica."),
            cosigned: gauge("sottovoce_ledger_cosigned_height", "Newest block that a quorum has cosigned."),
            delay: gauge("sottovoce_ledger_delay_seconds", "Own clock less the newest block's time, when it came."),
            epoch: gauge("sottovoce_ordering_epoch", "Epoch whose validators order the ledger; 0 where one node does."),
            votes: gauge("sottovoce_ordering_votes", "1 where this node votes in the ordering."),
            restored: gauge("sottovoce_ordering_restored", "1 where its cosigning key is burnt by a restore."),
            voteless: gauge("sottovoce_ordering_voteless", "1 where it follows an epoch in which it is to vote."),
            finalised: gauge("sottovoce_ordering_finalised", "Newest final slate of the epoch."),
            executed: gauge("sottovoce_ordering_executed", "Newest slate of the epoch whose block is on disk."),
            peers: gauge("sottovoce_ordering_peers", "Other validators to which there is a connection."),
            behind: metrics.gauge(
                "sottovoce_ordering_votes_behind",
                "Views by which a validator's newest vote is behind this one's view.",
                &["member"],
            ),
            pool: gauge("sottovoce_ordering_pool_transactions", "Transactions that wait to be ordered."),
            pool_bytes: gauge("sottovoce_ordering_pool_bytes", "Bytes of them."),
            pool_age: gauge("sottovoce_ordering_pool_age_seconds", "How long the oldest one is seen to wait."),
            offences: gauge("sottovoce_ordering_offences", "Signed offences of validators, since the start."),
            disk_free: gauge("sottovoce_disk_free_bytes", "Room left on the disk of the data directory."),
            disk: gauge("sottovoce_disk_bytes", "Size of that disk."),
            ledger_bytes: gauge("sottovoce_ledger_bytes", "Size of the ledger's file."),
            kept: gauge("sottovoce_ledger_kept_height", "First block whose transactions are kept; 0 where all are."),
            proven: gauge("sottovoce_ledger_proven_height", "Oldest block whose state can be proven."),
            syncing: gauge("sottovoce_sync_height", "Block of the snapshot that is being fetched; 0 where none is."),
            sync_parts: gauge("sottovoce_sync_parts_missing", "Parts of it that are not there yet."),
            key_age: metrics.gauge("sottovoce_key_age_seconds", "Age of a key, by the ledger.", &["key"]),
            model_height: gauge("sottovoce_read_model_height", "Newest block in the read model, where there is one."),
            model_failed: gauge("sottovoce_read_model_failed", "1 while the read model stands still."),
            private: metrics.gauge(
                "sottovoce_private",
                "Private payloads, by how this node has them: held, missing, or purged and not on record.",
                &["standing"],
            ),
            private_bytes: gauge("sottovoce_private_bytes", "Bytes of those that are held."),
            private_room: gauge("sottovoce_private_room_bytes", "Most bytes of them that are kept."),
            private_missing_age: gauge("sottovoce_private_missing_seconds", "For how long the oldest is missing."),
            escrow: metrics.gauge(
                "sottovoce_escrow_shares",
                "Escrow keys of which this node is to have a share: held, or missing.",
                &["standing"],
            ),
            recovery: gauge(
                "sottovoce_recovery_pending",
                "1 while another key is about to replace the member's operator key.",
            ),
            waiting: Mutex::new(None),
            looking: Mutex::new(()),
        }
    }

    /// Looks at everything, and tells all metrics; may wait for the disk.
    pub(crate) fn tell(&self, node: &Node) -> String {
        // One at a time: another would tell without the validators that this one has just cleared.
        let _looking = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let replica = &node.replica;
        let flag = |gauge: &Gauge, holds: bool| gauge.set(&[], f64::from(u8::from(holds)));
        flag(&self.ready, replica.fault().is_none());
        self.height.set(&[], replica.height() as f64);
        self.cosigned.set(&[], replica.cosigned_height() as f64);
        self.delay.set(&[], replica.delay());
        self.epoch.set(&[], replica.ordered_by().unwrap_or(0) as f64);
        flag(&self.restored, replica.is_restored());
        flag(&self.voteless, replica.is_voteless());
        let part = replica.taking_part();
        flag(&self.votes, part.is_some());
        // What was told of an epoch that is over is not told on.
        self.behind.clear();
        let (mut oldest, mut counts) = (None, [0; 6]);
        if let Some((status, offences)) = part {
            let order::Status { finalised, executed, waiting, waiting_bytes, pulse, .. } = status;
            oldest = status.oldest;
            counts = [
                finalised,
                executed,
                waiting as u64,
                waiting_bytes as u64,
                pulse.connected.len() as u64,
                offences as u64,
            ];
            for (member, views) in pulse.behind {
                self.behind.set(&[&member], views as f64);
            }
        }
        let told = [&self.finalised, &self.executed, &self.pool, &self.pool_bytes, &self.peers, &self.offences];
        told.into_iter().zip(counts).for_each(|(gauge, count)| gauge.set(&[], count as f64));
        self.pool_age.set(&[], self.waits(oldest));

        if node.read_model.is_kept() {
            self.model_height.set(&[], node.read_model.height() as f64);
            flag(&self.model_failed, node.read_model.fault().is_some());
        }
        let room = |path: &PathBuf| {
            rustix::fs::statvfs(path).ok().map(|room| (room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize))
        };
        if let Some((free, all)) = room(&node.directory) {
            self.disk_free.set(&[], free as f64);
            self.disk.set(&[], all as f64);
        }
        let ledger = std::fs::metadata(node.directory.join("ledger.redb"));
        self.ledger_bytes.set(&[], ledger.map_or(0, |file| file.len()) as f64);
        if let (Ok(kept), Ok(view)) = (replica.copied().kept(), replica.view()) {
            self.kept.set(&[], kept.height as f64);
            self.proven.set(&[], view.oldest() as f64);
        }
        let (height, fetched, parts) = node.sync.progress().unwrap_or_default();
        self.syncing.set(&[], height as f64);
        self.sync_parts.set(&[], parts.saturating_sub(fetched) as f64);
        let age = |since: u64| node.now().saturating_sub(since) as f64 / 1000.0;
        if let Ok(cosigning) = replica.cosigning_since() {
            for (key, since) in ["cosigner", "cosigner_ml_dsa"].into_iter().zip(cosigning) {
                if let Some(since) = since {
                    self.key_age.set(&[key], age(since));
                }
            }
        }
        let private = node.privates.counts();
        for (standing, count) in [("held", private.held), ("missing", private.missing), ("purging", private.purging)] {
            self.private.set(&[standing], count as f64);
        }
        self.private_bytes.set(&[], private.bytes as f64);
        self.private_room.set(&[], node.privates.most() as f64);
        let missing = if private.missing > 0 { age(private.missing_since) } else { 0.0 };
        self.private_missing_age.set(&[], missing);
        let shares = node.agent.shares();
        for (standing, count) in [("held", shares.held), ("missing", shares.missing)] {
            self.escrow.set(&[standing], count as f64);
        }
        let recovery = replica.view().ok().and_then(|view| read::recovery(&view, &node.member).ok().flatten());
        flag(&self.recovery, recovery.is_some());
        let joined = replica.view().ok().and_then(|view| read::member(&view, &node.member).ok().flatten());
        if let Some(member) = joined {
            let since = if member.joined == 0 { replica.founded() } else { member.joined };
            self.key_age.set(&["node"], age(since));
        }
        node.metrics.render()
    }

    /// For how long the oldest submission is the same one.
    fn waits(&self, oldest: Option<u64>) -> f64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(oldest) = oldest else {
            *waiting = None;
            return 0.0;
        };
        match &*waiting {
            Some((known, since)) if *known == oldest => since.elapsed().as_secs_f64(),
            _ => {
                *waiting = Some((oldest, Instant::now()));
                0.0
            }
        }
    }
}
