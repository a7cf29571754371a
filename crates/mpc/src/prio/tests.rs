//! Aggregations in one process: sums, official vectors, and one misbehaviour per file.

mod batches;
mod lying_aggregator;
mod lying_client;
mod mangled;
mod replay;
mod sums;
mod vectors;

use std::sync::Arc;

use crypto::{Digest, Label, Secret, hash};

use super::*;

pub(super) fn name(text: &str) -> Digest {
    hash(Label::SESSION, &[text.as_bytes()])
}

pub(super) fn task(statistic: Statistic, minimum: u32) -> Arc<Task> {
    Arc::new(Task::new(name("test"), statistic, minimum).unwrap())
}

pub(super) struct World {
    pub(super) task: Arc<Task>,
    pub(super) leader: Aggregator,
    pub(super) helper: Aggregator,
}

impl World {
    pub(super) fn new(task: Arc<Task>) -> Self {
        let aggregator = |role| Aggregator::new(task.clone(), role, Secret::new([7; 32]));
        let (leader, helper) = (aggregator(Role::Leader), aggregator(Role::Helper));
        Self { task, leader, helper }
    }

    pub(super) fn shard(&self, measurement: Measurement) -> Sharded {
        Client::new(self.task.clone()).shard(&Secret::new(measurement)).unwrap()
    }

    pub(super) fn send(&mut self, reports: &[Secret<Vec<u8>>; 2]) {
        self.leader.receive(&reports[0]).unwrap();
        self.helper.receive(&reports[1]).unwrap();
    }

    /// A measurement from client to both aggregators.
    pub(super) fn measure(&mut self, measurement: Measurement) -> Nonce {
        let sharded = self.shard(measurement);
        self.send(&sharded.reports);
        sharded.nonce
    }

    /// One exchange; both aggregators decide alike.
    pub(super) fn exchange(&mut self) -> Verdicts {
        let (to_helper, to_leader) = (self.leader.outbox(), self.helper.outbox());
        let verdicts = self.leader.settle(&to_leader).unwrap();
        assert_eq!(self.helper.settle(&to_helper).unwrap(), verdicts);
        verdicts
    }

    pub(super) fn collect(&mut self) -> Result<Collected, Error> {
        let (leader, helper) = (self.leader.aggregate()?, self.helper.aggregate()?);
        Collector::new(self.task.clone()).unshard(&leader, &helper)
    }
}

/// The bytes of a message, changed.
pub(super) fn changed(message: &Secret<Vec<u8>>, change: impl FnOnce(&mut Vec<u8>)) -> Secret<Vec<u8>> {
    let mut bytes = message.expose(Clone::clone);
    change(&mut bytes);
    Secret::new(bytes)
}

pub(super) fn reason<T>(result: Result<T, Error>) -> Reason {
    match result {
        Err(Error::Report { reason, .. } | Error::Aggregator { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}
