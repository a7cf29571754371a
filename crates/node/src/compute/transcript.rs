//! What a party sent and received in one run of a computation, as one digest that it puts on the ledger.

use crypto::{Digest, Label, hash, sha256};

/// Digests of a run's messages. Its order is that of sender, receiver and digest, so that it does not depend on which arrived first.
#[derive(Default)]
pub(super) struct Transcript(Vec<(u16, u16, Digest)>);

impl Transcript {
    /// Notes a message.
    pub(super) fn add(&mut self, from: u16, to: u16, body: &[u8]) {
        self.0.push((from, to, sha256(&[body])));
    }

    /// `H(TRANSCRIPT, [session, (from u16 ‖ to u16 ‖ SHA-256 of the message)…])`.
    pub(super) fn digest(mut self, session: &Digest) -> Digest {
        self.0.sort();
        let entries =
            self.0.iter().map(|(from, to, body)| [&from.to_be_bytes()[..], &to.to_be_bytes(), body.as_ref()].concat());
        let parts: Vec<Vec<u8>> = std::iter::once(session.as_ref().to_vec()).chain(entries).collect();
        hash(Label::TRANSCRIPT, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}
