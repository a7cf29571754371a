//! A leader whose slates break one rule each.

use commonware_consensus::Application;
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::Context;
use commonware_cryptography::{Digested, Digestible as _, ed25519, sha256};
use commonware_runtime::{Clock, Metrics, Spawner};
use crypto::Digest;

use crate::automaton::{Automaton, MAX_LAG};
use crate::slate::{Claims, Slate};

#[derive(Clone)]
pub(super) struct Invalid {
    honest: Automaton,
    next: u64,
}

impl Invalid {
    pub(super) fn new(honest: Automaton, seed: u64) -> Self {
        Self { honest, next: seed }
    }
}

impl<E: Clock + Spawner + Metrics> Application<E> for Invalid {
    type SigningScheme = Scheme;
    type Context = Context<sha256::Digest, ed25519::PublicKey>;
    type Block = Slate;
    type Input = ();

    async fn propose(
        &mut self,
        (context, round): (E, Self::Context),
        ancestry: impl Ancestry<Slate>,
        (): (),
    ) -> Option<Digested<Slate>> {
        let slate = self.honest.build(&context, ancestry).await?;
        let header = slate.header().clone();
        let mut claims = Claims {
            chain: header.chain,
            epoch: header.epoch,
            height: header.height,
            parent: header.parent,
            time: header.time,
            executed: header.executed,
            executed_header: header.executed_header,
        };
        let mut transactions = slate.transactions().to_vec();
        match (self.next + round.round.view().get()) % 8 {
            0 => claims.time = 0,
            1 => claims.time += 600_000,
            2 => claims.executed = claims.height,
            3 => claims.executed += 1_000,
            4 => claims.executed_header = Digest::from([9; 32]),
            5 => claims.epoch += 1,
            6 => match transactions.first_mut() {
                Some(first) => first.transaction.arguments.0.push(1),
                None => claims.height += 1,
            },
            _ => match transactions.first().cloned() {
                Some(first) => transactions.push(first),
                None => claims.executed = claims.executed.saturating_sub(MAX_LAG),
            },
        }
        let slate = Slate::unverified(claims, transactions);
        let digest = slate.digest();
        Some(Digested::precomputed(slate, digest))
    }

    async fn verify(&mut self, (context, round): (E, Self::Context), ancestry: impl Ancestry<Slate>) -> bool {
        self.honest.verify((context, round), ancestry).await
    }
}
