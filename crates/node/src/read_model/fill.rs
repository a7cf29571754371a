//! What the state says of members, assets, contracts and requests, as rows: for a node that has not all blocks. Those that it has are told after
//! it, as everywhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use client::search::ObjectKind;
use contracts::message::{ContractVersion, Founding};
use contracts::read::{self, Page};
use contracts::record::{Asset, Bar, Contract, Member, Phase, Request, Standing};
use crypto::Digest;
use ledger::{Kept, Ledger, View};
use wire::Limits;

use super::database::signed;
use super::fold::{ACTIVE, Batch, Change, Object, by_time};
use super::{Position, ReadModelError};

/// Rows from one state, and from the blocks up to it that the node has.
pub(super) struct Filling {
    ledger: Arc<Ledger>,
    view: Arc<View>,
    /// From where on blocks are told.
    from: Kept,
    /// What the ledger kept at the beginning: where that changes meanwhile, rows may be missing.
    kept: Kept,
    at: Position,
    next: Next,
}

/// What comes next.
enum Next {
    Members,
    Assets(Option<String>),
    Contracts(Option<String>),
    Requests(Option<String>),
    Blocks(Position),
    End,
}

impl Filling {
    /// Takes the newest state, and has the ledger put it on the disk first: the model must not be ahead of what a crash leaves.
    pub(super) fn begin(ledger: Arc<Ledger>, from: Kept) -> Result<Self, ReadModelError> {
        let (kept, view) = (ledger.kept()?, ledger.view()?);
        ledger.flush()?;
        let at = Position::of(view.header());
        Ok(Self { ledger, view, from, kept, at, next: Next::Members })
    }

    /// Where the model is when all is written.
    pub(super) const fn at(&self) -> Position {
        self.at
    }

    /// The next rows, about so many; none at the end.
    pub(super) fn next(&mut self, rows: usize) -> Result<Option<Batch>, ReadModelError> {
        let mut batch = Batch::after(self.at);
        while batch.size() < rows {
            self.next = match std::mem::replace(&mut self.next, Next::End) {
                Next::Members => {
                    self.members(&mut batch)?;
                    Next::Assets(None)
                }
                Next::Assets(after) => {
                    let Page { items, next } = read::assets(&*self.view, after.as_deref(), read::MAX_PAGE)?;
                    items.into_iter().try_for_each(|asset| self.asset(&mut batch, asset))?;
                    next.map_or(Next::Contracts(None), |next| Next::Assets(Some(next)))
                }
                Next::Contracts(after) => {
                    let Page { items, next } = read::contracts(&*self.view, after.as_deref(), read::MAX_PAGE)?;
                    items.into_iter().try_for_each(|contract| self.contract(&mut batch, contract))?;
                    next.map_or(Next::Requests(None), |next| Next::Contracts(Some(next)))
                }
                Next::Requests(after) => {
                    let Page { items, next } = read::requests(&*self.view, after.as_deref(), read::MAX_PAGE)?;
                    items.into_iter().try_for_each(|request| self.request(&mut batch, request))?;
                    match next {
                        Some(next) => Next::Requests(Some(next)),
                        None => Next::Blocks(Position { height: self.from.height.saturating_sub(1), ..self.at }),
                    }
                }
                // What objects are made and changed by blocks is a batch of its own.
                Next::Blocks(from) if batch.size() > 0 => {
                    self.next = Next::Blocks(from);
                    return Ok(Some(batch));
                }
                Next::Blocks(from) => {
                    batch = Batch::after(from);
                    self.blocks(&mut batch, rows)?;
                    match batch.to.height < self.at.height && batch.size() > 0 {
                        true => {
                            self.next = Next::Blocks(batch.to);
                            return Ok(Some(batch));
                        }
                        false => Next::End,
                    }
                }
                Next::End => break,
            };
        }
        if batch.size() > 0 {
            return Ok(Some(batch));
        }
        // Blocks that were removed, or skipped by a snapshot, may have been missed.
        match self.ledger.kept()? {
            kept if kept == self.kept => Ok(None),
            kept => Err(ReadModelError::Begun { height: kept.height }),
        }
    }

    /// The blocks that the node has, up to the state's.
    fn blocks(&self, batch: &mut Batch, rows: usize) -> Result<(), ReadModelError> {
        for height in batch.to.height + 1..=self.at.height {
            let header = self.ledger.header(height)?.ok_or(ReadModelError::Damaged("a block of the ledger"))?;
            batch.add(&header, &self.ledger.outcomes(height)?);
            if batch.size() >= rows {
                break;
            }
        }
        Ok(())
    }

    /// Whether a transaction is among the blocks that are told: what it made is told there.
    fn is_told(&self, transaction: &Digest) -> Result<bool, ReadModelError> {
        match self.ledger.committed(transaction) {
            Ok(entry) => Ok(entry.is_some_and(|entry| entry.index >= self.from.index)),
            Err(ledger::Error::Gone { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn members(&self, batch: &mut Batch) -> Result<(), ReadModelError> {
        let genesis = self.ledger.genesis();
        let founder = wire::from_slice::<Founding>(&genesis.application, Limits::small()).ok();
        let founder = founder.map(|founding| founding.founder);
        // With which key a member joined that had others since, the state does not say.
        let rekeyed: BTreeSet<String> = read::rekeyed(&*self.view)?;
        for Member { card, joined, barred, .. } in read::members(&*self.view)? {
            let name = card.name;
            let founder = founder.as_ref().filter(|founder| founder.name == name);
            let made_at = if founder.is_some() { genesis.created } else { joined };
            let maker = match founder {
                Some(founder) => Some(founder.operator),
                None => Some(card.operator).filter(|_| !rekeyed.contains(&name)),
            };
            // When a member that is active began to be so, only events say: it may have been suspended before.
            let (status, since) = match (barred, read::recovery(&*self.view, &name)?) {
                (Some(barred), _) if barred.standing == Bar::Removed => ("removed", Some(barred.since)),
                (Some(barred), _) => ("suspended", Some(barred.since)),
                (None, Some(recovering)) => ("recovering", Some(recovering.since)),
                (None, None) => (ACTIVE, None),
            };
            let object = Object {
                kind: ObjectKind::Member,
                id: name.clone(),
                name: Some(name.clone()),
                owner: Some(name),
                maker: maker.map(|maker| maker.to_string()),
                made: by_time(made_at),
                made_at: signed(made_at),
                now: stands(status, since),
            };
            batch.stand(object, &[]);
        }
        Ok(())
    }

    fn asset(&self, batch: &mut Batch, asset: Asset) -> Result<(), ReadModelError> {
        if self.is_told(&asset.transaction)? {
            return Ok(());
        }
        // The owner's node registers it, and its key never changes.
        let maker = read::member(&*self.view, &asset.owner)?.map(|owner| owner.card.node.to_string());
        let owner = asset.owner;
        let object = Object {
            kind: ObjectKind::Asset,
            id: asset.id.to_string(),
            name: Some(asset.registered.name),
            owner: Some(owner.clone()),
            maker,
            made: by_time(asset.since),
            made_at: signed(asset.since),
            now: if asset.retired { stands("retired", None) } else { stands(ACTIVE, Some(asset.since)) },
        };
        batch.stand(object, &[owner]);
        Ok(())
    }

    fn contract(&self, batch: &mut Batch, contract: Contract) -> Result<(), ReadModelError> {
        if self.is_told(&contract.id)? {
            return Ok(());
        }
        let first = read::version(&*self.view, &ContractVersion { contract: contract.id, version: 1 })?;
        let made_at = first.ok_or(ReadModelError::Damaged("a contract without its first version"))?.since;
        let status = match contract.standing {
            Standing::Active if read::has_ended(&*self.view, &contract.id)? => "ended",
            Standing::Active => ACTIVE,
            Standing::Suspended => "suspended",
            Standing::Revoked => "revoked",
        };
        let object = Object {
            kind: ObjectKind::Contract,
            id: contract.id.to_string(),
            name: None,
            owner: Some(contract.owner.clone()),
            maker: None,
            made: by_time(made_at),
            made_at: signed(made_at),
            now: Change { version: Some(contract.version.into()), ..stands(status, None) },
        };
        batch.stand(object, &[contract.owner, contract.terms.asset.to_string()]);
        Ok(())
    }

    fn request(&self, batch: &mut Batch, request: Request) -> Result<(), ReadModelError> {
        if self.is_told(&request.id)? {
            return Ok(());
        }
        let mut targets: Vec<String> = request.parties().cloned().collect();
        targets.extend(request.apply.contracts.iter().map(|named| named.contract.to_string()));
        targets.sort_unstable();
        targets.dedup();
        let now = match request.phase {
            Phase::Pending => stands("pending", Some(request.since)),
            Phase::Allowed => stands("allowed", None),
            Phase::Refused(code) => Change { code: Some(code), ..stands("refused", None) },
            Phase::Cancelled => stands("cancelled", None),
            Phase::Done => stands("done", None),
        };
        let object = Object {
            kind: ObjectKind::Request,
            id: request.id.to_string(),
            name: Some(request.apply.purpose),
            owner: None,
            maker: Some(request.requester.to_string()),
            made: by_time(request.since),
            made_at: signed(request.since),
            now,
        };
        batch.stand(object, &targets);
        Ok(())
    }
}

/// How an object stands, and since when where the state says so.
fn stands(status: &str, since: Option<u64>) -> Change {
    Change { status: Some(status.into()), changed_at: since.map(signed), ..Change::default() }
}
