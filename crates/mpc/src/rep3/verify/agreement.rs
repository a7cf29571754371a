//! What two parties should both hold, compared by one digest for each pair at check time.

use aws_lc_rs::digest::{Context, SHA256};
use crypto::{Label, hash};

use crate::engine::{Failure, Fault, Io, OpId};

use super::ring::Ring;

/// Running digests of what this party should hold in common with each of the others: parts that a third party dealt to both, values it
/// opened to both, what it said to both. Both ends note the same bytes under the same operations in the same order.
pub(crate) struct Agreement {
    ring: Ring,
    /// With the party before, with the party after.
    notes: [Context; 2],
}

impl Agreement {
    /// Nothing noted.
    ///
    /// # Errors
    /// [`Failure::Program`] unless there are three parties.
    pub(crate) fn new(io: &Io) -> Result<Self, Failure> {
        Ok(Self { ring: Ring::of(io)?, notes: [Context::new(&SHA256), Context::new(&SHA256)] })
    }

    /// Notes what `peer` should hold too.
    pub(crate) fn note(&mut self, peer: u16, op: OpId, bytes: &[u8]) {
        let notes = &mut self.notes[usize::from(peer == self.ring.after)];
        // Lengths keep two lists of notes from running into the same bytes.
        notes.update(&op.0.to_be_bytes());
        notes.update(&(bytes.len() as u64).to_be_bytes());
        notes.update(bytes);
    }

    /// Compares all noted so far, and begins anew. One round, 32 bytes to each peer.
    ///
    /// Each party's digest comes with its index, so that a peer cannot hand back what it was sent.
    ///
    /// # Errors
    /// Where a peer holds something else: it or the third party is at fault, and that is what a [`Failure::Dispute`] of these two says.
    pub(crate) async fn compare(&mut self, io: &mut Io) -> Result<(), Failure> {
        let op = io.op();
        let notes = std::mem::replace(&mut self.notes, [Context::new(&SHA256), Context::new(&SHA256)]);
        let peers = [self.ring.before, self.ring.after];
        let mut expected = Vec::with_capacity(2);
        for (peer, notes) in peers.into_iter().zip(notes) {
            let notes = notes.finish();
            let digest = |party: u16| {
                let (op, party) = (op.0.to_be_bytes(), party.to_be_bytes());
                hash(Label::AGREEMENT, &[io.session().as_bytes(), &op, &party, notes.as_ref()])
            };
            io.send(op, peer, digest(self.ring.index).as_bytes());
            expected.push((peer, digest(peer)));
        }
        for (peer, expected) in expected {
            let mut found = [0; 32];
            io.receive(op, peer, &mut found).await?;
            if expected.as_bytes() != &found {
                return Err(self.ring.others_dispute(Fault::Inconsistent(op)));
            }
        }
        Ok(())
    }
}
