//! What a session with a verifier owes before it opens anything: all products since the last check, and that everybody has everything.

use std::cell::{Cell, RefCell};

use crypto::{Digest, Label, hash};

use crate::engine::{Cost, Failure, Fault, Io};

use super::Rep3;
use super::record::{Record, Shape};

/// Products and inputs that no check has covered.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) records: RefCell<Vec<Record>>,
    standing: Cell<Standing>,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// All that was done is verified.
    #[default]
    Settled,
    /// Something has been input or multiplied since.
    Owing,
    /// A check has failed or was broken off: for good.
    Failed,
}

impl Ledger {
    /// Notes that a party has shared values.
    pub(super) fn owe(&self) {
        if self.standing.get() == Standing::Settled {
            self.standing.set(Standing::Owing);
        }
    }

    /// Notes a vector of products.
    pub(super) fn record(&self, record: Record) {
        self.owe();
        self.records.borrow_mut().push(record);
    }
}

/// What a meeting costs.
pub(super) const MEETING: Cost = Cost { bytes: 96, rounds: 1 };

impl Rep3 {
    /// Verifies all since the last check. One that fails, or that is dropped on the way, is the session's last: what it covered is never opened.
    pub(super) async fn settle(&self, io: &mut Io) -> Result<(), Failure> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        match self.ledger.standing.replace(Standing::Failed) {
            Standing::Failed => {
                return Err(Failure::Program("a check of this session has failed: nothing is opened any more"));
            }
            Standing::Settled => {}
            Standing::Owing => {
                let mut records = self.ledger.records.take();
                // Strands side by side may have ended in another order elsewhere.
                records.sort_by_key(Record::op);
                self.meet(io, &records).await?;
                if !records.is_empty() {
                    verifier.verify(io, records).await?;
                }
            }
        }
        self.ledger.standing.set(Standing::Settled);
        Ok(())
    }

    /// Waits until the party before has received all that it awaited; tells the party after that this one has. What a party owes to both
    /// others is thus with them before either opens anything, a coin to begin with: a corrupt party's input is fixed before it sees what it
    /// could be fitted to. What is said is which products are about to be verified: two parties at different work part here.
    async fn meet(&self, io: &mut Io, records: &[Record]) -> Result<(), Failure> {
        let op = io.op();
        let digest = digest(io, op.0, records);
        io.send(op, self.seat.after, digest.as_bytes());
        let mut found = [0; 32];
        io.receive(op, self.seat.before, &mut found).await?;
        if digest.as_bytes() == &found {
            return Ok(());
        }
        Err(Failure::blame(self.seat.before, Fault::Inconsistent(op)))
    }
}

/// `H(agreement, [session, operation, products …])`, each product as kind, operation, shape and the lengths of its factors, u64 big-endian.
fn digest(io: &Io, op: u64, records: &[Record]) -> Digest {
    let mut list = Vec::with_capacity(56 * records.len());
    for record in records {
        let (kind, shape, [left, right]) = match record {
            Record::Ring64(product) => (0, product.shape, [product.left.len(), product.right.len()]),
            Record::Ring128(product) => (1, product.shape, [product.left.len(), product.right.len()]),
            Record::Bits(product) => (2, product.shape, [product.left.len(), product.right.len()]),
        };
        let shape = match shape {
            Shape::Each => [0; 3],
            Shape::Dot { groups } => [1, groups, 0],
            Shape::Matrix { rows, columns, .. } => [2, rows, columns],
        };
        let numbers =
            [kind, record.op().0].into_iter().chain(shape.into_iter().chain([left, right]).map(|size| size as u64));
        numbers.for_each(|number| list.extend_from_slice(&number.to_be_bytes()));
    }
    hash(Label::AGREEMENT, &[io.session().as_bytes(), &op.to_be_bytes(), &list])
}
