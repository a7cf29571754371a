//! Sessions in one process: the rounds, dropouts in each, and one misbehaviour per file.

mod dropouts;
mod equivocating_server;
mod lying_client;
mod mangled;
mod numbers;
mod replay;
mod sums;
mod vector;
mod wrong_share;

use std::collections::BTreeSet;
use std::sync::Arc;

use crypto::{Digest, Label, Secret, SigningKey, hash};

use super::*;

pub(super) fn name(text: &str) -> Digest {
    hash(Label::SESSION, &[text.as_bytes()])
}

pub(super) fn identity(client: u32) -> Arc<SigningKey> {
    Arc::new(SigningKey::from_seed(name(&format!("identity {client}")).as_bytes()))
}

pub(super) fn session_of(parameters: Parameters, length: u32, seed: &str) -> Arc<Session> {
    let roster = (0..parameters.clients()).map(|client| identity(client).public()).collect();
    Arc::new(Session::new(name("test"), name(seed), parameters, roster, length).unwrap())
}

/// Ten clients, all neighbours of each other, six of whom open a secret.
pub(super) fn ten() -> Arc<Session> {
    session_of(Parameters::new(10, 9, 6, 0, 7).unwrap(), 3, "ten")
}

pub(super) fn input(session: &Session, client: u32) -> Vec<u64> {
    (0..u64::from(session.length()))
        .map(|at| (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(client))
        .collect()
}

pub(super) fn expected(session: &Session, survivors: impl IntoIterator<Item = u32>) -> Outcome {
    let survivors: Vec<u32> = survivors.into_iter().collect();
    let mut sum = vec![0u64; session.length() as usize];
    for client in &survivors {
        for (sum, value) in sum.iter_mut().zip(input(session, *client)) {
            *sum = sum.wrapping_add(value);
        }
    }
    Outcome { sum, survivors }
}

/// A whole session; clients leave when a test takes them out of `alive`.
pub(super) struct World {
    pub(super) session: Arc<Session>,
    pub(super) server: Server,
    pub(super) clients: Vec<Client>,
    pub(super) alive: BTreeSet<u32>,
    /// Bytes by client: to the server, from the server.
    pub(super) bytes: Vec<(u64, u64)>,
}

impl World {
    pub(super) fn new(session: Arc<Session>) -> Self {
        let n = session.parameters().clients();
        let client = |index| Client::with_seed(session.clone(), index, identity(index), &seed(index)).unwrap();
        let clients = (0..n).map(client).collect();
        let server = Server::new(session.clone());
        Self { session, server, clients, alive: (0..n).collect(), bytes: vec![(0, 0); n as usize] }
    }

    pub(super) fn leave(&mut self, clients: impl IntoIterator<Item = u32>) {
        clients.into_iter().for_each(|client| assert!(self.alive.remove(&client)));
    }

    /// What one client answers to the server in this round.
    pub(super) fn answer(&mut self, client: u32) -> Result<Vec<u8>, Error> {
        let message = self.server.message(client);
        self.bytes[client as usize].1 += message.as_ref().map_or(0, |message| message.len() as u64);
        let (party, message) = (&mut self.clients[client as usize], message.unwrap_or_default());
        match self.server.turn() {
            Turn::Advertise => party.advertise(),
            Turn::Share => party.share(&message),
            Turn::Mask => party.mask(&message, &Secret::new(input(&self.session, client))),
            Turn::Consent => party.consent(&message),
            Turn::Reveal | Turn::Done => party.reveal(&message),
        }
    }

    /// Everyone alive answers; the round stays open.
    pub(super) fn deliver(&mut self) -> Result<(), Error> {
        for client in self.alive.clone() {
            let answer = self.answer(client)?;
            self.bytes[client as usize].0 += answer.len() as u64;
            self.server.accept(client, &answer)?;
        }
        Ok(())
    }

    pub(super) fn round(&mut self) -> Result<(), Error> {
        self.deliver()?;
        self.server.close()
    }

    /// Runs rounds until the server takes messages of `turn`.
    pub(super) fn until(mut self, turn: Turn) -> Self {
        while self.server.turn() != turn {
            self.round().unwrap();
        }
        self
    }

    /// All that is left, to the end.
    pub(super) fn finish(mut self) -> Result<Outcome, Error> {
        while self.server.turn() != Turn::Reveal {
            self.round()?;
        }
        self.deliver()?;
        self.server.finish()
    }
}

pub(super) fn seed(client: u32) -> Secret<[u8; 32]> {
    Secret::new(*name(&format!("seed {client}")).as_bytes())
}

pub(super) const ROUNDS: [Turn; 5] = [Turn::Advertise, Turn::Share, Turn::Mask, Turn::Consent, Turn::Reveal];
