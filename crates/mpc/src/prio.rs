//! Aggregates of many light clients' measurements by two servers that check what is sent: `docs/spec/mpc/prio.md`.
//!
//! Prio3 (draft-irtf-cfrg-vdaf-18, through the `prio` crate): each client splits its measurement between two aggregators
//! with a proof that it is valid. The aggregators check the proof together without learning the measurement, and add up
//! what is valid; a collector joins their two sums. As long as one aggregator is honest, nobody learns more than
//! aggregates; as long as both are, no client can do worse than lie within the range.
//!
//! ```
//! use std::sync::Arc;
//! use crypto::{Label, Secret, hash};
//! use mpc::prio::{Aggregate, Aggregator, Client, Collector, Measurement, Role, Statistic, Task};
//!
//! let task = Task::new(hash(Label::SESSION, &[b"example"]), Statistic::Sum { max: 120 }, 3).unwrap();
//! let task = Arc::new(task);
//! let mut leader = Aggregator::new(task.clone(), Role::Leader, Secret::new([7; 32]));
//! let mut helper = Aggregator::new(task.clone(), Role::Helper, Secret::new([7; 32]));
//! for age in [30, 40, 50] {
//!     let sharded = Client::new(task.clone()).shard(&Secret::new(Measurement::Sum(age))).unwrap();
//!     leader.receive(&sharded.reports[0]).unwrap();
//!     helper.receive(&sharded.reports[1]).unwrap();
//! }
//! let (to_helper, to_leader) = (leader.outbox(), helper.outbox());
//! assert!(leader.settle(&to_leader).unwrap().iter().all(|(_, verdict)| verdict.is_ok()));
//! helper.settle(&to_helper).unwrap();
//! let collected = Collector::new(task).unshard(&leader.aggregate().unwrap(), &helper.aggregate().unwrap()).unwrap();
//! assert_eq!((collected.count, collected.aggregate), (3, Aggregate::Sum(120)));
//! ```

mod message;
mod roles;
mod scheme;

use crypto::{Digest, Label, hash};
use minicbor::{Decode, Encode};
use wire::Fixed;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use message::{Cost, MAX_PENDING};
pub use roles::{Aggregator, Client, Collected, Collector, Sharded, Verdicts};

use scheme::{Scheme, Sizes};

/// Names a report: 16 random bytes of the client's choice.
pub type Nonce = Fixed<16>;

/// Most reports in the life of a task; their nonces are kept.
pub const MAX_REPORTS: usize = 1 << 20;

/// Largest value of a sum or a place of a vector, so that no aggregate of [`MAX_REPORTS`] wraps.
pub const MAX_VALUE: u64 = (1 << 40) - 1;

/// Most bits in a vector (length times bits of a value), and buckets in a histogram.
pub const MAX_BITS: u64 = 1 << 20;

/// What is aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Statistic {
    /// How many say yes.
    #[n(0)]
    Count,
    /// The sum of values from 0 to `max`.
    #[n(1)]
    Sum {
        /// Largest value.
        #[n(0)]
        max: u64,
    },
    /// The sums at each place of vectors of values from 0 to `max`.
    #[n(2)]
    Vector {
        /// Values in a vector.
        #[n(0)]
        length: u32,
        /// Largest value.
        #[n(1)]
        max: u64,
    },
    /// How many fall into each bucket, one for each client.
    #[n(3)]
    Histogram {
        /// Buckets.
        #[n(0)]
        buckets: u32,
    },
}

impl Statistic {
    /// Whether a measurement is of this statistic and in its range.
    fn admits(&self, measurement: &Measurement) -> bool {
        match (*self, measurement) {
            (Self::Count, Measurement::Count(_)) => true,
            (Self::Sum { max }, Measurement::Sum(value)) => *value <= max,
            (Self::Vector { length, max }, Measurement::Vector(values)) => {
                values.len() == length as usize && values.iter().all(|value| *value <= max)
            }
            (Self::Histogram { buckets }, Measurement::Bucket(bucket)) => *bucket < buckets,
            _ => false,
        }
    }
}

/// What a client measures.
#[derive(Zeroize, ZeroizeOnDrop)]
pub enum Measurement {
    /// For [`Statistic::Count`].
    Count(bool),
    /// For [`Statistic::Sum`].
    Sum(u64),
    /// For [`Statistic::Vector`].
    Vector(Vec<u64>),
    /// For [`Statistic::Histogram`]: from 0.
    Bucket(u32),
}

/// What measurements come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Of [`Statistic::Count`].
    Count(u64),
    /// Of [`Statistic::Sum`].
    Sum(u64),
    /// Of [`Statistic::Vector`].
    Vector(Vec<u128>),
    /// Of [`Statistic::Histogram`].
    Histogram(Vec<u128>),
}

/// Which aggregator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Aggregator 0, which gets the long shares.
    Leader = 0,
    /// Aggregator 1, which gets seeds.
    Helper = 1,
}

impl Role {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Leader => Self::Helper,
            Self::Helper => Self::Leader,
        }
    }
}

/// What all roles of an aggregation know beforehand.
pub struct Task {
    id: Digest,
    /// The context of Prio3's derivations: the task's identity.
    context: Vec<u8>,
    statistic: Statistic,
    minimum: u32,
    scheme: Box<dyn Scheme>,
}

impl Task {
    /// An aggregation of `statistic`, named by `name`, in batches of `minimum` valid reports at least.
    ///
    /// # Errors
    /// [`Error::Task`] when numbers are out of range: a value or bucket at least, [`MAX_VALUE`] and [`MAX_BITS`] at most, a
    /// minimum from 2 to [`MAX_REPORTS`].
    pub fn new(name: Digest, statistic: Statistic, minimum: u32) -> Result<Self, Error> {
        let value = |max: u64| (1..=MAX_VALUE).contains(&max);
        let fits = match statistic {
            Statistic::Count => true,
            Statistic::Sum { max } => value(max),
            Statistic::Vector { length, max } => {
                let bits = u64::from(u64::BITS - max.leading_zeros());
                value(max) && length > 0 && u64::from(length) * bits <= MAX_BITS
            }
            Statistic::Histogram { buckets } => buckets > 0 && u64::from(buckets) <= MAX_BITS,
        };
        if !fits {
            return Err(Error::Task { what: "a statistic out of range" });
        }
        if !(2..=MAX_REPORTS).contains(&(minimum as usize)) {
            return Err(Error::Task { what: "a batch has 2 to 1,048,576 reports at least" });
        }
        let parts: [&[u8]; 4] = [b"task", name.as_ref(), &wire::to_vec(&statistic), &minimum.to_be_bytes()];
        let id = hash(Label::PRIO, &parts);
        let context = [Label::PRIO.as_str().as_bytes(), b"/", id.as_ref()].concat();
        Ok(Self { id, context, statistic, minimum, scheme: scheme::scheme(&statistic) })
    }

    /// The digest of everything the task is: every message is bound to it.
    pub const fn id(&self) -> &Digest {
        &self.id
    }

    /// What is aggregated.
    pub const fn statistic(&self) -> &Statistic {
        &self.statistic
    }

    /// Reports of a batch at least.
    pub const fn minimum(&self) -> u32 {
        self.minimum
    }

    fn context(&self) -> &[u8] {
        &self.context
    }

    fn scheme(&self) -> &dyn Scheme {
        &*self.scheme
    }

    fn sizes(&self) -> Sizes {
        self.scheme.sizes()
    }

    const fn check_batch(&self, found: u32) -> Result<(), Error> {
        if found < self.minimum { Err(Error::BatchTooSmall { found, needed: self.minimum }) } else { Ok(()) }
    }
}

/// Why a message or a report does not count. Codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not a message of this protocol, or shares of the wrong length.
    #[error("malformed")]
    Malformed,
    /// Of another task, version, aggregator or exchange.
    #[error("other-task")]
    OtherTask,
    /// Its nonce was seen before.
    #[error("replayed")]
    Replayed,
    /// The measurement is not proven valid.
    #[error("invalid-proof")]
    InvalidProof,
    /// The client told the aggregators different things.
    #[error("inconsistent")]
    Inconsistent,
    /// Only one aggregator has it, or the other refused it at once.
    #[error("unmatched")]
    Unmatched,
}

/// Why an aggregation cannot begin or go on; where someone is at fault, who.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Numbers that no task can have.
    #[error("no such task: {what}")]
    Task {
        /// What is wrong.
        what: &'static str,
    },
    /// A measurement is not of the task's statistic, or out of its range.
    #[error("the measurement is not one of this task")]
    Measurement,
    /// A client's report does not count.
    #[error("a report does not count: {reason}")]
    Report {
        /// Which, where it could be read.
        nonce: Option<Nonce>,
        /// Why.
        reason: Reason,
    },
    /// An aggregator's message cannot be used.
    #[error("the {role:?} sent a message that cannot be used: {reason}")]
    Aggregator {
        /// Who sent it.
        role: Role,
        /// Why.
        reason: Reason,
    },
    /// The aggregators state different batches.
    #[error("the aggregators do not state the same batch")]
    Disagreement,
    /// A batch is too small to be opened.
    #[error("a batch of {found} valid reports, at least {needed} are needed")]
    BatchTooSmall {
        /// Reports in it.
        found: u32,
        /// Reports needed.
        needed: u32,
    },
    /// No more reports can be taken.
    #[error("no more reports can be taken")]
    Full,
    /// An exchange is under way, or none is, or reports are pending.
    #[error("the aggregator is not at this point of an exchange")]
    OutOfTurn,
}

#[cfg(test)]
mod tests;
