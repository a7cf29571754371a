//! Client, aggregator and collector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crypto::{Digest, Secret};
use wire::{Bytes, Fixed};

use super::message::{self, Kind, MAX_PENDING, Report, Total, Verifier, Verifiers};
use super::{Aggregate, Error, MAX_REPORTS, Measurement, Nonce, Reason, Role, Task};

/// A client of a task; it keeps nothing between reports.
pub struct Client {
    task: Arc<Task>,
}

/// One measurement, split.
pub struct Sharded {
    /// Names the report, at both aggregators.
    pub nonce: Nonce,
    /// What the leader and the helper each get, over links that authenticate them and encrypt.
    pub reports: [Secret<Vec<u8>>; 2],
}

impl Client {
    /// A client of this task.
    pub const fn new(task: Arc<Task>) -> Self {
        Self { task }
    }

    /// Splits a measurement into a report for each aggregator, with a proof that it is valid.
    ///
    /// # Errors
    /// [`Error::Measurement`] when it is not of the task's statistic or out of its range.
    pub fn shard(&self, measurement: &Secret<Measurement>) -> Result<Sharded, Error> {
        let nonce: Nonce = Fixed(crypto::random());
        let scheme = self.task.scheme();
        // Whether it is in range is the caller's to know.
        if !measurement.expose(|measurement| self.task.statistic().admits(measurement)) {
            return Err(Error::Measurement);
        }
        // Declassified into the shares, each of which alone says nothing.
        let (public, inputs) =
            measurement.expose(|measurement| scheme.shard(self.task.context(), measurement, &nonce))?;
        let mut aggregator = 0;
        let reports = inputs.map(|input| {
            let input = Bytes(input.expose(Clone::clone));
            let report = Report { aggregator, nonce, public: Bytes(public.clone()), input };
            aggregator += 1;
            Secret::new(message::write(&self.task, Kind::Report, report))
        });
        Ok(Sharded { nonce, reports })
    }
}

/// One of the two aggregators of a task.
///
/// Reports are prepared as they come; [`Aggregator::outbox`] and [`Aggregator::settle`] are one exchange with the other
/// aggregator for all that came since the last; [`Aggregator::aggregate`] ends a batch.
pub struct Aggregator {
    task: Arc<Task>,
    role: Role,
    key: Secret<[u8; 32]>,
    seen: BTreeSet<Nonce>,
    pending: BTreeMap<Nonce, Pending>,
    /// Exchanges so far, and whether this aggregator has spoken in the current one.
    step: u32,
    spoken: bool,
    batch: u32,
    pub(super) accepted: BTreeSet<Nonce>,
    pub(super) sum: Secret<Vec<u8>>,
}

/// A report between preparation and the other aggregator's word.
struct Pending {
    state: Secret<Vec<u8>>,
    public: Vec<u8>,
    share: Vec<u8>,
}

/// What became of each report of an exchange.
pub type Verdicts = Vec<(Nonce, Result<(), Reason>)>;

impl Aggregator {
    /// An aggregator of this task. `key` is 32 random bytes that both aggregators know and no client does, fixed before the
    /// first report; a client who knows it can pass off what is invalid.
    pub fn new(task: Arc<Task>, role: Role, key: Secret<[u8; 32]>) -> Self {
        Self::restore(task, role, key, BTreeSet::new(), 0)
    }

    /// An aggregator after a restart, in batch `batch`, that has seen these reports: all since the task began
    /// ([`Aggregator::seen`]). What was pending or not yet aggregated is lost.
    pub fn restore(task: Arc<Task>, role: Role, key: Secret<[u8; 32]>, seen: BTreeSet<Nonce>, batch: u32) -> Self {
        Self {
            task,
            role,
            key,
            seen,
            pending: BTreeMap::new(),
            step: 0,
            spoken: false,
            batch,
            accepted: BTreeSet::new(),
            sum: Secret::new(Vec::new()),
        }
    }

    /// The nonces of all reports this aggregator has prepared, to be stored before their effects leave it.
    pub const fn seen(&self) -> &BTreeSet<Nonce> {
        &self.seen
    }

    /// Prepares a report; it counts once the other aggregator has it too and both find it valid.
    ///
    /// # Errors
    /// [`Error::Report`] with the reason; other reports are not affected. [`Error::Full`] when the task has seen
    /// [`MAX_REPORTS`] or [`MAX_PENDING`] await the other aggregator, [`Error::OutOfTurn`] between outbox and settlement.
    pub fn receive(&mut self, report: &Secret<Vec<u8>>) -> Result<Nonce, Error> {
        if self.spoken {
            return Err(Error::OutOfTurn);
        }
        if self.seen.len() >= MAX_REPORTS || self.pending.len() >= MAX_PENDING {
            return Err(Error::Full);
        }
        let report: Report = report
            .expose(|report| message::read(&self.task, Kind::Report, report))
            .map_err(|reason| Error::Report { nonce: None, reason })?;
        let nonce = report.nonce;
        let refuse = |reason| Err(Error::Report { nonce: Some(nonce), reason });
        if usize::from(report.aggregator) != self.role as usize {
            return refuse(Reason::OtherTask);
        }
        if self.seen.contains(&nonce) {
            return refuse(Reason::Replayed);
        }
        let (task, role) = (&self.task, self.role as usize);
        // The key leaves for the library only, which derives the query's randomness from it.
        let verified = self
            .key
            .expose(|key| task.scheme().verify(key, task.context(), role, &nonce, &report.public, &report.input));
        let (state, share) = match verified {
            Ok(verified) => verified,
            Err(reason) => return refuse(reason),
        };
        self.seen.insert(nonce);
        self.pending.insert(nonce, Pending { state, public: report.public.to_vec(), share });
        Ok(nonce)
    }

    /// The message for the other aggregator about all reports that came since the last exchange; confidential. No more
    /// reports are taken until [`Aggregator::settle`].
    pub fn outbox(&mut self) -> Vec<u8> {
        self.spoken = true;
        let item = |(nonce, pending): (&Nonce, &Pending)| Verifier {
            nonce: *nonce,
            public: message::public_digest(&self.task, nonce, &pending.public),
            share: Bytes(pending.share.clone()),
        };
        let items = self.pending.iter().map(item).collect();
        let verifiers = Verifiers { aggregator: self.role as u8, step: self.step, items };
        message::write(&self.task, Kind::Verifiers, verifiers)
    }

    /// Takes the other aggregator's message; decides on every report that either of the two holds, both alike.
    ///
    /// # Errors
    /// [`Error::Aggregator`] when the message is none of this exchange; nothing is decided then.
    pub fn settle(&mut self, peer: &[u8]) -> Result<Verdicts, Error> {
        if !self.spoken {
            return Err(Error::OutOfTurn);
        }
        let other = self.role.other();
        let refuse = |reason| Error::Aggregator { role: other, reason };
        let verifiers: Verifiers = message::read(&self.task, Kind::Verifiers, peer).map_err(refuse)?;
        if usize::from(verifiers.aggregator) != other as usize || verifiers.step != self.step {
            return Err(refuse(Reason::OtherTask));
        }
        if !verifiers.items.is_sorted_by(|a, b| a.nonce < b.nonce) {
            return Err(refuse(Reason::Malformed));
        }
        let mut verdicts = Vec::with_capacity(verifiers.items.len().max(self.pending.len()));
        for theirs in verifiers.items {
            let verdict = match self.pending.remove(&theirs.nonce) {
                None => Err(Reason::Unmatched),
                Some(ours) => self.decide(&ours, &theirs),
            };
            if let Ok(output) = &verdict {
                self.sum = self.task.scheme().add(&self.sum, output);
                self.accepted.insert(theirs.nonce);
            }
            verdicts.push((theirs.nonce, verdict.map(drop)));
        }
        let unmatched = std::mem::take(&mut self.pending).into_keys().map(|nonce| (nonce, Err(Reason::Unmatched)));
        verdicts.extend(unmatched);
        verdicts.sort_unstable_by_key(|(nonce, _)| *nonce);
        self.spoken = false;
        self.step += 1;
        Ok(verdicts)
    }

    /// Valid reports of the batch so far.
    pub fn accepted(&self) -> u32 {
        self.accepted.len() as u32
    }

    /// Ends the batch: this aggregator's share of its aggregate, for the collector alone. A report counts in one batch.
    ///
    /// # Errors
    /// [`Error::BatchTooSmall`] below the task's minimum, [`Error::OutOfTurn`] while reports are pending; the batch stays
    /// open.
    pub fn aggregate(&mut self) -> Result<Secret<Vec<u8>>, Error> {
        if self.spoken || !self.pending.is_empty() {
            return Err(Error::OutOfTurn);
        }
        self.task.check_batch(self.accepted())?;
        // Declassified to the collector: half of the aggregate.
        let share = Bytes(self.sum.expose(Clone::clone));
        let total = Total {
            aggregator: self.role as u8,
            batch: self.batch,
            count: self.accepted(),
            reports: message::reports_digest(&self.task, self.batch, self.accepted.iter()),
            share,
        };
        let bytes = Secret::new(message::write(&self.task, Kind::Total, total));
        self.batch += 1;
        self.accepted.clear();
        self.sum = Secret::new(Vec::new());
        Ok(bytes)
    }

    fn decide(&self, ours: &Pending, theirs: &Verifier) -> Result<Secret<Vec<u8>>, Reason> {
        if message::public_digest(&self.task, &theirs.nonce, &ours.public) != theirs.public {
            return Err(Reason::Inconsistent);
        }
        let verifiers = match self.role {
            Role::Leader => [&ours.share[..], &theirs.share[..]],
            Role::Helper => [&theirs.share[..], &ours.share[..]],
        };
        let scheme = self.task.scheme();
        scheme.decide(self.task.context(), self.role as usize, &ours.state, &ours.public, verifiers)
    }
}

/// The collector of a task.
pub struct Collector {
    task: Arc<Task>,
}

/// The aggregate of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The batch, counted from 0.
    pub batch: u32,
    /// Reports in it.
    pub count: u32,
    /// Of their nonces, for an audit.
    pub reports: Digest,
    /// What they come to.
    pub aggregate: Aggregate,
}

impl Collector {
    /// A collector of this task.
    pub const fn new(task: Arc<Task>) -> Self {
        Self { task }
    }

    /// The aggregate, from the leader's and the helper's share of one batch.
    ///
    /// # Errors
    /// [`Error::Aggregator`] names who sent no such share, [`Error::Disagreement`] when the two count different reports,
    /// [`Error::BatchTooSmall`] when both released too few.
    pub fn unshard(&self, leader: &Secret<Vec<u8>>, helper: &Secret<Vec<u8>>) -> Result<Collected, Error> {
        let leader = message::read_total(&self.task, Role::Leader, leader)?;
        let helper = message::read_total(&self.task, Role::Helper, helper)?;
        let (batch, count, reports) = (leader.batch, leader.count, leader.reports);
        if (batch, count, reports) != (helper.batch, helper.count, helper.reports) {
            return Err(Error::Disagreement);
        }
        self.task.check_batch(count)?;
        for (role, total) in [(Role::Leader, &leader), (Role::Helper, &helper)] {
            if total.share.len() != self.task.sizes().aggregate {
                return Err(Error::Aggregator { role, reason: Reason::Malformed });
            }
        }
        let aggregate = self.task.scheme().unshard([&leader.share, &helper.share], count);
        // Each share alone is any vector: two that add up to no aggregate are a matter between them.
        let aggregate = aggregate.map_err(|_| Error::Disagreement)?;
        Ok(Collected { batch, count, reports, aggregate })
    }
}
