//! What blocks add to the read model: a pure function of the ledger's entries, the same on every node.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use client::search::ObjectKind;
use contracts::message::{Apply, Founding, Offer};
use contracts::record::Notice;
use contracts::{code, signers};
use ledger::{Committed, Genesis, Header};
use wire::Limits;

use super::Position;
use super::database::{Value, signed};

/// What consecutive blocks add: rows, and changes of objects that were there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Where the model must be before.
    pub(super) from: Position,
    /// Where it is after.
    pub(super) to: Position,
    blocks: Vec<Value>,
    transactions: Vec<Value>,
    events: Vec<Value>,
    event_members: Vec<Value>,
    objects: Vec<Object>,
    /// Where the batch's own objects are among them.
    own: HashMap<(ObjectKind, String), usize>,
    links: Vec<Value>,
    /// Changes of objects that an earlier batch made.
    changes: Changes,
}

/// Changes by object.
pub(super) type Changes = BTreeMap<(ObjectKind, String), Change>;

/// Rows of one table, one after the other.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) values: Vec<Value>,
}

/// A row of `objects`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: ObjectKind,
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) owner: Option<String>,
    /// None where the state does not say who.
    pub(super) maker: Option<String>,
    /// A place of the log, [`FOUNDED`], or [`by_time`].
    pub(super) made: i64,
    pub(super) made_at: i64,
    pub(super) now: Change,
}

/// What an event changes of an object; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) status: Option<String>,
    pub(super) code: Option<String>,
    pub(super) version: Option<i64>,
    /// The transaction's place, and its block's time; none where the state does not say them.
    pub(super) changed: Option<i64>,
    pub(super) changed_at: Option<i64>,
}

impl Batch {
    /// Nothing yet, after this place.
    pub(super) fn after(from: Position) -> Self {
        Self {
            from,
            to: from,
            blocks: Vec::new(),
            transactions: Vec::new(),
            events: Vec::new(),
            event_members: Vec::new(),
            objects: Vec::new(),
            own: HashMap::new(),
            links: Vec::new(),
            changes: BTreeMap::new(),
        }
    }

    /// What the genesis says: block 0, and the founder.
    pub(super) fn genesis(genesis: &Genesis, header: &Header) -> Self {
        let mut batch = Self::after(Position::of(header));
        batch.block(header, &[]);
        // What the contracts took when the ledger was founded can be read.
        if let Ok(Founding { founder, .. }) = wire::from_slice::<Founding>(&genesis.application, Limits::small()) {
            let name = founder.name;
            batch.make(Object {
                kind: ObjectKind::Member,
                id: name.clone(),
                name: Some(name.clone()),
                owner: Some(name),
                maker: Some(founder.operator.to_string()),
                made: FOUNDED,
                made_at: signed(header.time),
                now: Change {
                    status: Some(ACTIVE.into()),
                    changed: Some(FOUNDED),
                    changed_at: Some(signed(header.time)),
                    ..Change::default()
                },
            });
        }
        batch
    }

    /// Adds the next block.
    pub(super) fn add(&mut self, header: &Header, entries: &[Committed]) {
        self.block(header, entries);
        for entry in entries {
            let transaction = &entry.transaction.transaction;
            self.transactions.extend([
                Value::number(entry.index),
                Value::text(&entry.transaction.id().to_string()),
                Value::number(entry.height),
                Value::text(&transaction.sender.to_string()),
                Value::text(&transaction.contract),
                Value::text(&transaction.method),
                Value::text(&entry.outcome.code),
                Value::number(header.time),
            ]);
            for (ordinal, event) in (0..).zip(&entry.outcome.events) {
                // Another application's events may tell something else; the stream of events leaves them out, too.
                let Ok(notice) = wire::from_slice::<Notice>(&event.data, Limits::small()) else { continue };
                self.event(entry, ordinal, &event.name, &notice);
                self.tell(entry, &event.name, &notice);
            }
        }
        self.to = Position::of(header);
    }

    /// Adds an object as the state has it, and what it is found by.
    pub(super) fn stand(&mut self, object: Object, targets: &[String]) {
        self.link(object.kind, &object.id, object.made, targets);
        self.make(object);
    }

    /// The members that it makes.
    pub(super) fn members(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().filter(|object| object.kind == ObjectKind::Member).map(|object| object.id.as_str())
    }

    /// Rows so far, of all tables.
    pub(super) fn size(&self) -> usize {
        self.blocks.len() / BLOCKS.len()
            + self.transactions.len() / TRANSACTIONS.len()
            + self.events.len() / EVENTS.len()
            + self.event_members.len() / EVENT_MEMBERS.len()
            + self.objects.len()
            + self.links.len() / LINKS.len()
            + self.changes.len()
    }

    /// The rows to insert by table, and the changes.
    pub(super) fn into_parts(self) -> ([Table; 6], Changes) {
        let objects = self.objects.iter().flat_map(Object::row).collect();
        let tables = [
            Table { name: "blocks", columns: &BLOCKS, values: self.blocks },
            Table { name: "transactions", columns: &TRANSACTIONS, values: self.transactions },
            Table { name: "events", columns: &EVENTS, values: self.events },
            Table { name: "event_members", columns: &EVENT_MEMBERS, values: self.event_members },
            Table { name: "objects", columns: &OBJECTS, values: objects },
            Table { name: "object_links", columns: &LINKS, values: self.links },
        ];
        (tables, self.changes)
    }

    fn block(&mut self, header: &Header, entries: &[Committed]) {
        let count = entries.len() as u64;
        self.blocks.extend([
            Value::number(header.height),
            Value::number(header.time),
            Value::number(header.log_size.saturating_sub(count)),
            Value::number(count),
            Value::text(&header.digest().to_string()),
        ]);
    }

    fn event(&mut self, entry: &Committed, ordinal: u64, name: &str, notice: &Notice) {
        let request = notice.request.map(|request| request.to_string());
        let members = serde_json::to_string(&notice.members).expect("a list of texts");
        self.events.extend([
            Value::number(entry.index),
            Value::number(ordinal),
            Value::number(entry.height),
            Value::number(notice.at),
            Value::text(name),
            Value::text(&notice.subject),
            Value::Text(request),
            Value::text(&notice.detail),
            // Bounded by the consortium's size; in JSON no U+0000 stands as itself.
            Value::Text(Some(members)),
        ]);
        let mut members: Vec<&String> = notice.members.iter().collect();
        members.sort_unstable();
        members.dedup();
        for member in members {
            self.event_members.extend([Value::text(member), Value::number(entry.index), Value::number(ordinal)]);
        }
    }

    /// What an event says of an object: see the table in docs/spec/read-model.md.
    fn tell(&mut self, entry: &Committed, name: &str, notice: &Notice) {
        let (subject, detail) = (notice.subject.as_str(), notice.detail.as_str());
        let change = |status: &str| Change { status: Some(status.into()), ..Change::of(entry, notice) };
        let refused = |code: &str| Change { code: Some(code.into()), ..change("refused") };
        let version = detail.parse().ok();
        let owner = notice.members.first().cloned();
        let object = |kind, now| Object {
            kind,
            id: subject.into(),
            name: None,
            owner: owner.clone(),
            maker: Some(entry.transaction.transaction.sender.to_string()),
            made: signed(entry.index),
            made_at: signed(notice.at),
            now,
        };
        let of_request = notice.request.map(|request| request.to_string()).unwrap_or_default();
        match name {
            "member.joined" => {
                self.make(Object { name: Some(subject.into()), ..object(ObjectKind::Member, change(ACTIVE)) });
            }
            "member.suspended" => self.change(ObjectKind::Member, subject, change("suspended")),
            "member.removed" => self.change(ObjectKind::Member, subject, change("removed")),
            "member.reinstated" => self.change(ObjectKind::Member, subject, change(ACTIVE)),
            "member.recovering" => self.change(ObjectKind::Member, subject, change("recovering")),
            // Where a suspension ended it, that follows.
            "member.recovered" | "member.recovery_vetoed" | "member.recovery_ended" => {
                self.change(ObjectKind::Member, subject, change(ACTIVE));
            }
            "asset.registered" => {
                self.make(Object { name: Some(detail.into()), ..object(ObjectKind::Asset, change(ACTIVE)) });
                self.link(ObjectKind::Asset, subject, signed(entry.index), owner.as_slice());
            }
            "asset.retired" => self.change(ObjectKind::Asset, subject, change("retired")),
            "contract.offered" => {
                self.make(object(ObjectKind::Contract, Change { version, ..change(ACTIVE) }));
                let offer = wire::from_slice::<Offer>(&arguments(entry), Limits::small());
                let asset = offer.ok().map(|offer| offer.terms.asset.to_string());
                let targets: Vec<String> = owner.iter().cloned().chain(asset).collect();
                self.link(ObjectKind::Contract, subject, signed(entry.index), &targets);
            }
            // A suspended contract that is amended stays suspended.
            "contract.amended" => {
                self.change(ObjectKind::Contract, subject, Change { version, ..Change::of(entry, notice) });
            }
            "contract.suspended" => self.change(ObjectKind::Contract, subject, change("suspended")),
            "contract.resumed" => self.change(ObjectKind::Contract, subject, change(ACTIVE)),
            // What is suspended stays so, whatever its window.
            "contract.begun" if detail == ACTIVE => self.change(ObjectKind::Contract, subject, change(ACTIVE)),
            "contract.ended" if detail == ACTIVE => self.change(ObjectKind::Contract, subject, change("ended")),
            "contract.revoked" => self.change(ObjectKind::Contract, subject, change("revoked")),
            "request.applied" => {
                let request = object(ObjectKind::Request, change("pending"));
                self.make(Object { name: Some(detail.into()), owner: None, ..request });
                let apply = wire::from_slice::<Apply>(&arguments(entry), Limits::small());
                let contracts = apply.map(|apply| apply.contracts).unwrap_or_default();
                let contracts = contracts.into_iter().map(|named| named.contract.to_string());
                let mut targets: Vec<String> = notice.members.iter().cloned().chain(contracts).collect();
                targets.sort_unstable();
                targets.dedup();
                self.link(ObjectKind::Request, subject, signed(entry.index), &targets);
            }
            "request.allowed" => self.change(ObjectKind::Request, subject, change("allowed")),
            "request.refused" | "request.declined" | "request.expired" => {
                self.change(ObjectKind::Request, subject, refused(detail));
            }
            "request.objected" => self.change(ObjectKind::Request, subject, refused(code::OBJECTED.code)),
            "request.cancelled" => self.change(ObjectKind::Request, subject, change("cancelled")),
            "request.done" => self.change(ObjectKind::Request, subject, change("done")),
            "release.recorded" => self.change(ObjectKind::Request, &of_request, change("done")),
            "grant.revoked" => self.change(ObjectKind::Request, &of_request, refused(code::GRANT_REVOKED.code)),
            _ => {}
        }
    }

    fn make(&mut self, object: Object) {
        self.own.insert((object.kind, object.id.clone()), self.objects.len());
        self.objects.push(object);
    }

    fn change(&mut self, kind: ObjectKind, id: &str, change: Change) {
        let key = (kind, id.to_owned());
        let before = match self.own.get(&key) {
            Some(at) => &mut self.objects[*at].now,
            None => self.changes.entry(key).or_default(),
        };
        let Change { status, code, version, changed, changed_at } = change;
        *before = Change {
            status: status.or(before.status.take()),
            code: code.or(before.code.take()),
            version: version.or(before.version),
            changed,
            changed_at,
        };
    }

    /// What an object is found by: members that it concerns, and what it stands under.
    fn link(&mut self, kind: ObjectKind, id: &str, made: i64, targets: &[String]) {
        for target in targets {
            let made = Value::Number(Some(made));
            self.links.extend([Value::text(target), made, Value::text(kind.name()), Value::text(id)]);
        }
    }
}

impl Change {
    fn of(entry: &Committed, notice: &Notice) -> Self {
        Self { changed: Some(signed(entry.index)), changed_at: Some(signed(notice.at)), ..Self::default() }
    }
}

impl Object {
    fn row(&self) -> [Value; OBJECTS.len()] {
        let text = |text: &Option<String>| text.as_deref().map_or(Value::Text(None), Value::text);
        [
            Value::text(self.kind.name()),
            Value::text(&self.id),
            text(&self.name),
            text(&self.owner),
            text(&self.maker),
            text(&self.now.status),
            text(&self.now.code),
            Value::Number(self.now.version),
            Value::Number(Some(self.made)),
            Value::Number(Some(self.made_at)),
            Value::Number(self.now.changed),
            Value::Number(self.now.changed_at),
        ]
    }
}

/// A transaction's arguments as its method has them, however often it is signed.
fn arguments(entry: &Committed) -> Cow<'_, [u8]> {
    let transaction = &entry.transaction.transaction;
    signers::split(&transaction.contract, &transaction.method, &transaction.arguments).0
}

/// The place of what the genesis made: before the first transaction.
pub(super) const FOUNDED: i64 = -1;
pub(super) const ACTIVE: &str = "active";

/// Where an object stands of which the state tells when it was made, Unix milliseconds, and not by which transaction: before all places, in the
/// order of time.
pub(super) fn by_time(at: u64) -> i64 {
    signed(at).min(BEFORE / 2) - BEFORE
}

/// Its distance from the time: 2^62.
const BEFORE: i64 = 1 << 62;

const BLOCKS: [&str; 5] = ["height", "at", "first", "transactions", "digest"];
const TRANSACTIONS: [&str; 8] = ["place", "id", "height", "sender", "contract", "method", "code", "at"];
const EVENTS: [&str; 9] = ["place", "ordinal", "height", "at", "name", "subject", "request", "detail", "members"];
const EVENT_MEMBERS: [&str; 3] = ["member", "place", "ordinal"];
const OBJECTS: [&str; 12] =
    ["kind", "id", "name", "owner", "maker", "status", "code", "version", "made", "made_at", "changed", "changed_at"];
const LINKS: [&str; 4] = ["target", "made", "kind", "id"];
