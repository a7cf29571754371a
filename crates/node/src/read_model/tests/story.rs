//! What there is for a model to tell: a ledger with a history.

use std::sync::Arc;

use contracts::Contracts;
use contracts::message::{Amend, Approve, AssetRetire, Cancel, ContractState, Decline, GrantRevoke, Offer};
use contracts::record::Role;
use ledger::{Ledger, VerifiedTransaction};

use super::world::{START, World, approvers, genesis, keys, researcher};

/// A ledger with all that can happen to members, assets, contracts and requests, several transactions to a block.
pub(super) struct Story {
    _directory: tempfile::TempDir,
    pub(super) ledger: Arc<Ledger>,
    pub(super) world: World,
    /// Transactions of the world that are on the ledger.
    told: usize,
    /// How much later than the story's beginning it goes on, milliseconds.
    pub(super) later: u64,
}

impl Story {
    pub(super) fn begin() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("ledger"), Arc::new(Contracts), genesis()).unwrap();
        Self { _directory: directory, ledger: Arc::new(ledger), world: World::founded(), told: 0, later: 0 }
    }

    pub(super) fn whole() -> Self {
        let mut story = Self::begin();
        let chapters: [fn(&mut World); 2] = [
            |world| {
                let (_, _, grant) = world.granted();
                world.redeem(&grant, &researcher()).unwrap();
                world.redeem(&grant, &researcher()).unwrap_err();
                let (_, _, grant) = world.granted();
                world.send(&keys("northgate").node, "grants.revoke", &GrantRevoke { grant }).unwrap();
            },
            |world| {
                let (_, allowed) = world.approved();
                world.judge(&allowed, "ok").unwrap();
                let contract = world.offer("northgate", world.release_terms()).unwrap();
                let refused = world.apply(&[contract]).unwrap();
                world.judge(&refused, "minimum_group_too_small").unwrap();
                let cancelled = world.apply(&[contract]).unwrap();
                world.send(&researcher(), "requests.cancel", &Cancel { request: cancelled }).unwrap();
                let declined = world.apply(&[contract]).unwrap();
                let decline = Decline { request: declined, contract, code: "not_now".into() };
                world.send(&keys("northgate").node, "requests.decline", &decline).unwrap();
                let objected = world.apply(&[contract]).unwrap();
                let objection = Approve { request: objected, contract, approve: false };
                world.send(&approvers()[0], "requests.approve", &objection).unwrap();
                world.apply(&[contract]).unwrap();
                let state = ContractState { contract };
                world.send(&keys("northgate").operator, "contracts.suspend", &state).unwrap();
                let terms = world.release_terms();
                let amend = Amend { contract, terms };
                world.send(&keys("northgate").operator, "contracts.amend", &amend).unwrap();
                let ended = world.offer("northgate", world.release_terms()).unwrap();
                let state = ContractState { contract: ended };
                world.send(&keys("northgate").operator, "contracts.revoke", &state).unwrap();
                let offer = Offer { terms: world.release_terms() };
                world.send(&researcher(), "contracts.offer", &offer).unwrap_err();
                let asset = world.asset_id("riverside");
                world.send(&keys("riverside").node, "assets.retire", &AssetRetire { asset }).unwrap();
            },
        ];
        story.world = std::mem::replace(&mut story.world, World::founded()).settled();
        for chapter in chapters {
            chapter(&mut story.world);
        }
        story.tell(usize::MAX);
        story
    }

    /// Puts up to so many blocks of the world's transactions on the ledger: of one, two and three transactions in turn. How many it put.
    pub(super) fn tell(&mut self, blocks: usize) -> usize {
        for made in 0..blocks {
            let rest = &self.world.log[self.told..];
            let batch: Vec<_> = rest.iter().take(1 + self.told % 3).collect();
            if batch.is_empty() {
                return made;
            }
            self.told += batch.len();
            let verify = |one: &&ledger::Committed| {
                VerifiedTransaction::verify(one.transaction.clone(), &self.world.chain).unwrap()
            };
            let batch = batch.iter().map(verify).collect();
            // So that verdicts and grants, which have their times in them, are in time.
            let now = START + self.later + self.told as u64;
            assert!(self.ledger.propose(batch, now).unwrap().results.iter().all(Result::is_ok));
        }
        blocks
    }

    /// A principal's coming, again and again, so that there is always one more transaction.
    pub(super) fn go_on(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let name = format!("person-{}", self.world.log.len());
            self.world.principal("northgate", &name, Role::Requester).unwrap();
            self.tell(1);
        }
        self.tell(usize::MAX);
    }

    pub(super) fn entries(&self) -> Vec<ledger::Committed> {
        self.ledger.entries(0, 1 << 20).unwrap()
    }
}
