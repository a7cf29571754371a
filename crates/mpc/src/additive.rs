//! Secure sum by additive sharing over Z_2^64 with pairwise randomness: `docs/spec/mpc/additive.md`.
//!
//! Every pair of parties agrees on a key to which both contributed; each adds (lower index) or subtracts (higher index)
//! the pair's key stream from its input. The masks cancel in the sum of all shares and hide everything else from
//! anyone who lacks one honest party's keys.

mod mask;
mod message;

pub use message::{Cost, Envelope, MAX_LENGTH, MAX_PARTIES, Share, cost};

use crypto::{Digest, Secret};

use mask::Pair;
use message::Contribution;

/// One party of one session. It lives in memory only: after a restart a session starts anew, under fresh keys.
pub struct Party {
    session: Digest,
    index: u16,
    /// By party index; this party's own place holds no link.
    links: Vec<Option<Link>>,
    announced: bool,
}

/// What is known about one peer.
struct Link {
    ours: Secret<[u8; 32]>,
    theirs: Option<Secret<[u8; 32]>>,
}

/// How far a party is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Contributions of these parties are still missing.
    Waiting(Vec<u16>),
    /// [`Party::share`] may be called.
    Ready,
}

impl Party {
    /// Party `index` (from 0) of `parties`; `session` names the computation: who takes part, and over what. A failed
    /// session may run again under its name, since each run draws fresh contributions; whoever sees the sums of two runs
    /// over different inputs learns their difference.
    ///
    /// # Errors
    /// [`Error::Parties`] unless `2 <= parties <= MAX_PARTIES` and `index < parties`.
    pub fn new(session: Digest, index: u16, parties: u16) -> Result<Self, Error> {
        Self::with_contributions(session, index, parties, |_| Secret::random())
    }

    /// As [`Party::new`], with contributions of the caller's making.
    fn with_contributions(
        session: Digest,
        index: u16,
        parties: u16,
        mut seed: impl FnMut(u16) -> Secret<[u8; 32]>,
    ) -> Result<Self, Error> {
        message::check_parties(index, parties)?;
        let links = (0..parties).map(|peer| (peer != index).then(|| Link { ours: seed(peer), theirs: None })).collect();
        Ok(Self { session, index, links, announced: false })
    }

    /// Takes what arrived; returns what to send and how far the party is. The first call returns the whole outbox, one
    /// envelope of [`Cost::message_bytes`] per peer. A repeated, identical contribution is ignored.
    ///
    /// `from` of an envelope is whom the link authenticated, and the links must be confidential.
    ///
    /// # Errors
    /// Names the peer that sent something else than its one contribution to this session. The party is unchanged by
    /// the offending envelope.
    pub fn step(&mut self, inbox: Vec<Envelope>) -> Result<(Vec<Envelope>, Status), Error> {
        for envelope in inbox {
            self.accept(envelope)?;
        }
        let outbox = if std::mem::replace(&mut self.announced, true) { Vec::new() } else { self.outbox() };
        Ok((outbox, self.status()))
    }

    /// This party's share of the sum: `input` under all masks. Consumes the party, so that its masks hide one input only.
    ///
    /// # Errors
    /// [`Error::NotReady`] before all contributions arrived, [`Error::Length`] unless `1 <= input.len() <= MAX_LENGTH`.
    pub fn share(self, input: &Secret<Vec<u64>>) -> Result<Share, Error> {
        let pairs = self.pairs()?;
        // Declassified under the masks: uniform to anyone without the keys of every pair of this party.
        let mut values = input.expose(Clone::clone);
        message::check_length(values.len())?;
        for (peer, pair) in &pairs {
            pair.apply(&mut values, self.index < *peer);
        }
        let confirmations = pairs.iter().map(|(_, pair)| pair.confirmation()).collect();
        Ok(Share::new(self.session, self.index, self.links.len() as u16, confirmations, &values))
    }

    fn accept(&mut self, envelope: Envelope) -> Result<(), Error> {
        let Envelope { from, to, body } = envelope;
        let contribution = body.expose(|body| Contribution::read(from, body))?;
        let found = (contribution.session, contribution.from, contribution.to, to);
        if found != (self.session, from, self.index, self.index) {
            return Err(Error::Misdirected { from });
        }
        let link = self.links.get_mut(from as usize).and_then(Option::as_mut).ok_or(Error::Misdirected { from })?;
        match &link.theirs {
            None => link.theirs = Some(contribution.seed),
            Some(known) if known.expose(|a| contribution.seed.expose(|b| a == b)) => {}
            Some(_) => return Err(Error::Conflict { from }),
        }
        Ok(())
    }

    fn outbox(&self) -> Vec<Envelope> {
        let links = self.links.iter().enumerate().filter_map(|(peer, link)| Some((peer as u16, link.as_ref()?)));
        links.map(|(to, link)| Contribution::write(self.session, self.index, to, &link.ours)).collect()
    }

    fn status(&self) -> Status {
        let waits = |(peer, link): (usize, &Option<Link>)| {
            link.as_ref().is_some_and(|link| link.theirs.is_none()).then_some(peer as u16)
        };
        let missing: Vec<u16> = self.links.iter().enumerate().filter_map(waits).collect();
        if missing.is_empty() { Status::Ready } else { Status::Waiting(missing) }
    }

    /// The keys shared with each peer, in index order.
    fn pairs(&self) -> Result<Vec<(u16, Pair)>, Error> {
        let mut pairs = Vec::with_capacity(self.links.len());
        for (peer, link) in self.links.iter().enumerate() {
            let Some(link) = link else { continue };
            let peer = peer as u16;
            let theirs = link.theirs.as_ref().ok_or_else(|| Error::NotReady { status: self.status() })?;
            let pair = if self.index < peer {
                Pair::derive(&self.session, (self.index, &link.ours), (peer, theirs))
            } else {
                Pair::derive(&self.session, (peer, theirs), (self.index, &link.ours))
            };
            pairs.push((peer, pair));
        }
        Ok(pairs)
    }
}

/// Why a session cannot go on; where a peer is at fault, which.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Too few or too many parties, or an index outside them.
    #[error("party {index} of {parties}: 2 to {MAX_PARTIES} parties are supported, indices start at 0")]
    Parties {
        /// Index asked for.
        index: u16,
        /// Parties asked for.
        parties: u16,
    },
    /// A vector is empty or too long.
    #[error("a vector of {found} values: 1 to {MAX_LENGTH} are supported")]
    Length {
        /// Values found.
        found: usize,
    },
    /// A party's bytes are not a message of this protocol.
    #[error("party {from} sent what is no message of this protocol: {source}")]
    Malformed {
        /// Who sent it.
        from: u16,
        /// What is wrong with the bytes.
        source: wire::Error,
    },
    /// A contribution for another session or party, or from no peer.
    #[error("party {from} sent a contribution that is not for this session and party")]
    Misdirected {
        /// Who sent it.
        from: u16,
    },
    /// A party sent two different contributions, for example after a restart: the session must start anew.
    #[error("party {from} sent a second, different contribution; start a new session")]
    Conflict {
        /// Who sent it.
        from: u16,
    },
    /// A share was asked for too early.
    #[error("contributions are still missing: {status:?}")]
    NotReady {
        /// Who is missing.
        status: Status,
    },
    /// Not exactly one share of each party of one session, all of one length.
    #[error("the shares do not fit together: {what}")]
    Unfit {
        /// What does not fit.
        what: &'static str,
    },
    /// Two parties masked with different keys: one of them restarted, or lies.
    #[error("parties {low} and {high} did not use the same key; the sum would be noise, start a new session")]
    Unconfirmed {
        /// The lower index.
        low: u16,
        /// The higher index.
        high: u16,
    },
}

#[cfg(test)]
mod tests;
