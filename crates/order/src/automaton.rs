//! What this node proposes and what it votes for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use commonware_consensus::Application;
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::simplex::types::Context;
use commonware_cryptography::{Digested, Digestible as _, ed25519, sha256};
use commonware_runtime::{Clock, Metrics, Spawner};
use commonware_utils::SystemTimeExt as _;
use crypto::Digest;
use futures_util::StreamExt as _;
use ledger::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_SKEW, VerifiedTransaction};
use tokio::sync::watch;

use crate::docket::Docket;
use crate::engine::Pace;
use crate::slate::{Claims, Slate, SlateHeader};

/// Proposes slates from the pool and checks those of others against this node's ledger.
#[derive(Clone)]
pub(crate) struct Automaton {
    docket: Arc<Docket>,
    /// The newest final slate that this node knows of.
    finalised: watch::Receiver<u64>,
    pace: Pace,
}

impl Automaton {
    /// Without transactions an empty slate is proposed after [`Pace::idle`]; slates are at least [`Pace::gap`] apart, and wait up to
    /// [`Pace::patience`] for a ledger that is behind.
    pub(crate) fn new(docket: Arc<Docket>, finalised: watch::Receiver<u64>, pace: Pace) -> Self {
        Self { docket, finalised, pace }
    }

    /// Builds a slate on the newest of `ancestry`; none where this node cannot.
    pub(crate) async fn build<E: Clock>(&self, context: &E, mut ancestry: impl Ancestry<Slate>) -> Option<Slate> {
        let begun = context.current();
        let (deadline, patience) = (begun + self.pace.idle, begun + self.pace.patience);
        let parent = ancestry.next().await?;
        let header = parent.inner().header().clone();
        // Each slate costs every validator several forced writes: under load fewer, larger ones.
        let gap = millis(self.pace.gap);
        let early = (header.time + gap).saturating_sub(now(context)).min(gap);
        context.sleep(Duration::from_millis(early)).await;
        let ordered = self.ordered(parent, ancestry).await?;
        let mut arrivals = self.docket.arrivals();
        loop {
            arrivals.mark_unchanged();
            let (executed, executed_header) = self.claim(&header)?;
            let (height, time) = (header.height + 1, now(context).max(header.time));
            let picked = if height - executed > MAX_LAG { vec![] } else { self.docket.pick(time, &ordered) };
            if picked.is_empty() && context.current() < deadline {
                tokio::select! {
                    biased;
                    // The sender lives as long as the docket.
                    _ = arrivals.changed() => {}
                    () = context.sleep_until(deadline) => {}
                }
                continue;
            }
            // The ledger is what takes longest then, and not this node's alone: agreeing on more, smaller slates would only take time from it.
            let (finalised, own) = (*self.finalised.borrow(), self.docket.executed());
            let behind = finalised > own && own >= header.executed;
            if behind && !full(&picked) && context.current() < patience {
                tokio::select! {
                    biased;
                    _ = self.docket.wait_for(finalised) => {}
                    () = context.sleep_until(patience) => {}
                }
                continue;
            }
            let (chain, epoch) = (header.chain, self.docket.committee().epoch());
            let claims = Claims { chain, epoch, height, parent: header.digest(), time, executed, executed_header };
            return Some(Slate::new(claims, picked));
        }
    }

    /// Ids on the slates that this ledger has not executed, from the parent down.
    async fn ordered(&self, parent: Digested<Slate>, mut ancestry: impl Ancestry<Slate>) -> Option<HashSet<Digest>> {
        let executed = self.docket.executed();
        let mut ordered = HashSet::new();
        let mut slate = parent;
        while slate.inner().header().height > executed {
            ordered.extend(slate.inner().ids());
            if slate.inner().header().height == executed + 1 {
                break;
            }
            slate = ancestry.next().await?;
        }
        Some(ordered)
    }

    /// What this node says of its ledger; what the parent says where this ledger is not so far.
    fn claim(&self, parent: &SlateHeader) -> Option<(u64, Digest)> {
        let executed = self.docket.executed();
        if executed < parent.executed {
            return Some((parent.executed, parent.executed_header));
        }
        match self.docket.header_after(executed) {
            Ok(digest) => Some((executed, digest)),
            Err(error) => {
                self.docket.fail(error.into());
                None
            }
        }
    }

    /// Whether this node votes for a slate. Waits where that cannot be said yet.
    async fn judge<E: Clock + Spawner>(&self, context: &E, slate: &Slate, parent: &SlateHeader) -> bool {
        let header = slate.header();
        if let Err(why) = follows(header, parent, self.docket.committee().epoch()) {
            tracing::warn!(height = header.height, why, "a slate is refused");
            return false;
        }
        let latest = header.time.saturating_sub(MAX_SKEW);
        if let Some(early) = latest.checked_sub(now(context)).filter(|early| *early > 0) {
            // The view ends before a slate from the far future is due.
            context.sleep(Duration::from_millis(early)).await;
        }
        let (docket, checked) = (self.docket.clone(), slate.clone());
        let check = context.child("signatures").shared(true).spawn(move |_| async move { docket.check(&checked) });
        match check.await {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => {
                tracing::warn!(height = header.height, %refusal, "a slate is refused");
                return false;
            }
            // This node is stopping: it has no opinion.
            Err(_) => return std::future::pending().await,
        }
        if !self.docket.wait_for(header.executed).await {
            return std::future::pending().await;
        }
        match self.docket.header_after(header.executed) {
            Ok(digest) if digest == header.executed_header => true,
            Ok(found) => {
                let (executed, stated) = (header.executed, header.executed_header);
                tracing::warn!(executed, %stated, %found, "a slate states another ledger than this node's");
                false
            }
            Err(error) => {
                self.docket.fail(error.into());
                std::future::pending().await
            }
        }
    }
}

impl<E: Clock + Spawner + Metrics> Application<E> for Automaton {
    type SigningScheme = Scheme;
    type Context = Context<sha256::Digest, ed25519::PublicKey>;
    type Block = Slate;
    type Input = ();

    async fn propose(
        &mut self,
        (context, _): (E, Self::Context),
        ancestry: impl Ancestry<Slate>,
        (): (),
    ) -> Option<Digested<Slate>> {
        let slate = self.build(&context, ancestry).await?;
        let digest = slate.digest();
        Some(Digested::precomputed(slate, digest))
    }

    async fn verify(&mut self, (context, _): (E, Self::Context), mut ancestry: impl Ancestry<Slate>) -> bool {
        let (Some(slate), Some(parent)) = (ancestry.next().await, ancestry.next().await) else {
            // The parent cannot be had at present.
            return std::future::pending().await;
        };
        self.judge(&context, slate.inner(), parent.inner().header()).await
    }
}

/// Whether a slate of these would hardly become larger: what is submitted together is not taken apart, so that few are filled to the last place.
fn full(picked: &[VerifiedTransaction]) -> bool {
    let bytes: usize = picked.iter().map(VerifiedTransaction::size).sum();
    4 * picked.len() >= 3 * MAX_BLOCK_TRANSACTIONS || 2 * bytes >= MAX_BLOCK_BYTES
}

/// What can be said of a slate and its parent without a ledger or a clock. The engine has checked height and digest.
fn follows(header: &SlateHeader, parent: &SlateHeader, epoch: u64) -> Result<(), &'static str> {
    let lag = header.height.checked_sub(header.executed).ok_or("it claims to be executed itself")?;
    match () {
        () if header.epoch != epoch => Err("of another epoch"),
        () if header.time < parent.time => Err("older than its parent"),
        () if header.executed < parent.executed => Err("it claims that less is executed than its parent does"),
        () if lag == 0 => Err("it claims to be executed itself"),
        () if lag > MAX_LAG && header.count > 0 => Err("too far ahead of the ledger to hold transactions"),
        () => Ok(()),
    }
}

/// The context's clock, in Unix milliseconds: the only one in this crate.
pub(crate) fn now(context: &impl Clock) -> u64 {
    context.current().epoch_millis()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A slate further ahead of its executed height than this holds no transactions.
pub(crate) const MAX_LAG: u64 = 16;
