//! All that a model holds, and all that a ledger says.

use std::collections::BTreeMap;

use client::api::{FoundEvent, FoundObject, FoundTransaction, LedgerEvent};
use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use contracts::read;
use contracts::record::{Notice, Phase, Standing};
use crypto::Digest;
use wire::Limits;

use super::story::Story;
use super::world::keys;
use crate::read_model::database::Database;

/// What a model holds, in whole.
#[derive(Debug, PartialEq)]
pub(super) struct Contents {
    pub(super) height: u64,
    pub(super) transactions: Vec<FoundTransaction>,
    pub(super) events: Vec<FoundEvent>,
    pub(super) objects: BTreeMap<(ObjectKind, String), FoundObject>,
}

impl Contents {
    /// By walking page after page, all three from the oldest on.
    pub(super) async fn of(database: &Database, limit: u32) -> Self {
        let (limit, order) = (Some(limit), Some(Order::Oldest));
        let (mut transactions, mut after, mut height) = (Vec::new(), None, 0);
        loop {
            let page =
                database.transactions(&Transactions { limit, order, after, ..Transactions::default() }).await.unwrap();
            height = height.max(page.height);
            transactions.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let (mut events, mut after) = (Vec::new(), None);
        loop {
            let page = database.events(&Events { limit, order, after, ..Events::default() }).await.unwrap();
            events.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let (mut objects, mut after) = (BTreeMap::new(), None);
        loop {
            let page = database.objects(&Objects { limit, order, after, ..Objects::default() }).await.unwrap();
            for object in page.items {
                assert!(objects.insert((object.kind, object.id.clone()), object).is_none(), "each object once");
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Self { height, transactions, events, objects }
    }

    /// From the ledger's entries and its state, without the model's own code.
    pub(super) fn of_ledger(story: &Story) -> Self {
        let (ledger, entries) = (&story.ledger, story.entries());
        let view = ledger.view().unwrap();
        let time = |height: u64| ledger.header(height).unwrap().unwrap().time;
        let place = |id: &Digest| ledger.committed(id).unwrap().map(|entry| entry.index);
        let at = |index: Option<u64>| index.map_or(time(0), |index| time(entries[index as usize].height));
        let transactions = entries.iter().map(|entry| {
            let transaction = &entry.transaction.transaction;
            FoundTransaction {
                id: entry.transaction.id(),
                index: entry.index,
                height: entry.height,
                at: time(entry.height),
                sender: transaction.sender,
                contract: transaction.contract.clone(),
                method: transaction.method.clone(),
                code: entry.outcome.code.clone(),
            }
        });
        let mut events = Vec::new();
        for entry in &entries {
            for (ordinal, event) in entry.outcome.events.iter().enumerate() {
                events.push(LedgerEvent {
                    id: format!("{}.{ordinal}", entry.index),
                    height: entry.height,
                    transaction: entry.transaction.id(),
                    name: event.name.clone(),
                    notice: wire::from_slice::<Notice>(&event.data, Limits::small()).unwrap(),
                });
            }
        }
        // The last event that changed how an object stands.
        let last = |subject: &str, names: &[&str]| {
            let of = |event: &&LedgerEvent| {
                let about =
                    [event.notice.subject.clone(), event.notice.request.map(|id| id.to_string()).unwrap_or_default()];
                about.iter().any(|about| about == subject) && names.contains(&event.name.as_str())
            };
            let event = events.iter().rfind(of)?;
            event.id.split('.').next()?.parse().ok()
        };
        let mut objects = BTreeMap::new();
        let mut object =
            |kind, id: String, made: Option<u64>, changed: Option<u64>, with: &dyn Fn(&mut FoundObject)| {
                let maker = Some(match made {
                    Some(made) => entries[made as usize].transaction.transaction.sender,
                    None => keys("health-authority").operator.public(),
                });
                let mut object = FoundObject {
                    kind,
                    id: id.clone(),
                    name: None,
                    owner: None,
                    maker,
                    status: "active".into(),
                    code: None,
                    version: None,
                    made_index: made,
                    made_at: at(made),
                    changed_index: changed,
                    changed_at: Some(at(changed)),
                };
                with(&mut object);
                objects.insert((kind, id), object);
            };
        for member in read::members(&view).unwrap() {
            let name = member.card.name;
            let made = last(&name, &["member.joined"]);
            object(ObjectKind::Member, name.clone(), made, made, &|object| {
                (object.name, object.owner) = (Some(name.clone()), Some(name.clone()));
            });
        }
        for asset in read::assets(&view, None, 200).unwrap().items {
            let id = asset.id.to_string();
            let changed = last(&id, &["asset.registered", "asset.retired"]);
            object(ObjectKind::Asset, id, place(&asset.transaction), changed, &|object| {
                (object.name, object.owner) = (Some(asset.registered.name.clone()), Some(asset.owner.clone()));
                object.status = if asset.retired { "retired" } else { "active" }.into();
            });
        }
        for contract in read::contracts(&view, None, 200).unwrap().items {
            let id = contract.id.to_string();
            let names =
                ["offered", "amended", "suspended", "resumed", "revoked"].map(|name| format!("contract.{name}"));
            let changed = last(&id, &names.each_ref().map(String::as_str));
            object(ObjectKind::Contract, id, place(&contract.id), changed, &|object| {
                object.owner = Some(contract.owner.clone());
                object.version = Some(contract.version.into());
                object.status = match contract.standing {
                    Standing::Active => "active",
                    Standing::Suspended => "suspended",
                    Standing::Revoked => "revoked",
                }
                .into();
            });
        }
        let moving = [
            "request.applied",
            "request.allowed",
            "request.refused",
            "request.declined",
            "request.objected",
            "request.cancelled",
            "request.done",
            "release.recorded",
            "grant.revoked",
        ];
        for request in entries.iter().filter_map(|entry| read::request(&view, &entry.transaction.id()).unwrap()) {
            let id = request.id.to_string();
            let changed = last(&id, &moving);
            object(ObjectKind::Request, id, place(&request.id), changed, &|object| {
                object.name = Some(request.apply.purpose.clone());
                let (status, code) = match &request.phase {
                    Phase::Pending => ("pending", None),
                    Phase::Allowed => ("allowed", None),
                    Phase::Refused(code) => ("refused", Some(code.clone())),
                    Phase::Cancelled => ("cancelled", None),
                    Phase::Done => ("done", None),
                };
                (object.status, object.code) = (status.into(), code);
            });
        }
        Self { height: ledger.head().height, transactions: transactions.collect(), events, objects }
    }
}
