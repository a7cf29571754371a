//! The same suite on both databases, against what the ledger itself says.

mod postgres;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use client::api::{Found, FoundEvent, FoundObject, FoundTransaction, LedgerEvent};
use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use contracts::message::{Amend, Approve, AssetRetire, Cancel, ContractState, Decline, GrantRevoke, Offer};
use contracts::record::{Notice, Phase, Role, Standing};
use contracts::{Contracts, read};
use crypto::{Digest, SigningKey};
use ledger::{Ledger, VerifiedTransaction};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::postgres::Postgres;
use self::world::{START, World, approvers, genesis, keys, researcher};
use super::database::Statement;
use super::*;

#[path = "../../../contracts/tests/rules/world.rs"]
#[allow(dead_code, unreachable_pub, reason = "the contracts' own tests need more of it")]
mod world;

/// One database of each kind, empty.
struct Places {
    directory: tempfile::TempDir,
    postgres: Postgres,
}

impl Places {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), postgres: Postgres::start() }
    }

    /// Both, each with a directory of its own, under this name.
    async fn both(&self, name: &str) -> [(config::ReadModel, PathBuf); 2] {
        let urls = ["sqlite".to_owned(), self.postgres.database(name).await];
        urls.map(|url| {
            let directory = self.directory.path().join(format!("{name}-{}", &url[..6]));
            std::fs::create_dir(&directory).unwrap();
            let password_file = Some(self.postgres.password());
            (config::ReadModel { database: url.try_into().unwrap(), password_file }, directory)
        })
    }
}

/// A ledger with all that can happen to members, assets, contracts and requests, several transactions to a block.
struct Story {
    _directory: tempfile::TempDir,
    ledger: Arc<Ledger>,
    world: World,
    /// Transactions of the world that are on the ledger.
    told: usize,
    /// How much later than the story's beginning it goes on, milliseconds.
    later: u64,
}

impl Story {
    fn begin() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("ledger"), Arc::new(Contracts), genesis()).unwrap();
        Self { _directory: directory, ledger: Arc::new(ledger), world: World::founded(), told: 0, later: 0 }
    }

    fn whole() -> Self {
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
    fn tell(&mut self, blocks: usize) -> usize {
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
    fn go_on(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let name = format!("person-{}", self.world.log.len());
            self.world.principal("northgate", &name, Role::Requester).unwrap();
            self.tell(1);
        }
        self.tell(usize::MAX);
    }

    fn entries(&self) -> Vec<ledger::Committed> {
        self.ledger.entries(0, 1 << 20).unwrap()
    }
}

/// What a model holds, in whole.
#[derive(Debug, PartialEq)]
struct Contents {
    height: u64,
    transactions: Vec<FoundTransaction>,
    events: Vec<FoundEvent>,
    objects: BTreeMap<(ObjectKind, String), FoundObject>,
}

impl Contents {
    /// By walking page after page, all three from the oldest on.
    async fn of(database: &Database, limit: u32) -> Self {
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
    fn of_ledger(story: &Story) -> Self {
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

async fn opened(place: &(config::ReadModel, PathBuf)) -> Database {
    Database::open(&place.0, &place.1).await.unwrap().unwrap()
}

/// Brings a model up to the ledger.
async fn projected(database: &Database, ledger: &Arc<Ledger>, rows: usize) -> u64 {
    let mut projector = Projector::begin(database.clone(), ledger.clone()).await.unwrap();
    while projector.step(rows).await.unwrap() {}
    projector.at.height
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_what_the_ledger_says() {
    let (places, story) = (Places::new(), Story::whole());
    let expected = Contents::of_ledger(&story);
    let stands: BTreeSet<&str> = expected.objects.values().map(|object| object.status.as_str()).collect();
    for status in ["active", "retired", "suspended", "revoked", "pending", "allowed", "refused", "cancelled", "done"] {
        assert!(stands.contains(status), "the story tells of nothing that is {status}: {stands:?}");
    }
    assert!(expected.transactions.iter().any(|one| one.code != "ok"));
    for place in places.both("whole").await {
        let database = opened(&place).await;
        assert_eq!(projected(&database, &story.ledger, ROWS).await, expected.height);
        let found = Contents::of(&database, 200).await;
        assert_eq!(found, expected);
        // Pages of any size tell the same.
        assert_eq!(Contents::of(&database, 3).await, expected);
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_is_done_once() {
    let (places, story) = (Places::new(), Story::whole());
    let expected = Contents::of_ledger(&story);
    for place in places.both("cut").await {
        let database = opened(&place).await;
        // Dropped at ever later moments: before, within and after a batch's transaction.
        for patience in 0..60 {
            let begun = Projector::begin(database.clone(), story.ledger.clone());
            let Ok(Ok(mut projector)) = timeout(Duration::from_micros(patience * patience * 20), begun).await else {
                continue;
            };
            let _ = timeout(Duration::from_micros(patience * patience * 20), projector.step(1)).await;
        }
        database.close().await;
        // And by another process: with connections of its own.
        let database = opened(&place).await;
        let mut late = Projector::begin(database.clone(), story.ledger.clone()).await.unwrap();
        let mut projector = Projector::begin(database.clone(), story.ledger.clone()).await.unwrap();
        assert_eq!(projector.at, late.at);
        if projector.step(1).await.unwrap() {
            assert!(matches!(late.step(1).await, Err(ReadModelError::Moved)), "of two that write, one is told");
        }
        assert_eq!(projected(&database, &story.ledger, 7).await, expected.height);
        assert_eq!(Contents::of(&database, 200).await, expected);
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_ledgers_or_formats_tables_are_refused_until_they_are_made_anew() {
    let (places, story) = (Places::new(), Story::whole());
    let expected = Contents::of_ledger(&story);
    for place in places.both("anew").await {
        let database = opened(&place).await;
        projected(&database, &story.ledger, ROWS).await;
        let changed = async |sql: &str| {
            let mut work = database.write().await.unwrap();
            work.execute(Statement::new(sql)).await.unwrap();
            work.commit().await.unwrap();
            Projector::begin(database.clone(), story.ledger.clone()).await
        };
        let format = changed("UPDATE read_model SET format = 3").await.err().unwrap();
        assert!(matches!(format, ReadModelError::Format { found: 3, .. }) && format.is_final(), "{format}");
        assert!(format.to_string().contains("sotto node rebuild"));
        let chain = changed("UPDATE read_model SET format = 1, chain = 'abc'").await.err().unwrap();
        assert!(matches!(&chain, ReadModelError::Chain { found } if found == "abc") && chain.is_final(), "{chain}");
        let sql = format!("UPDATE read_model SET height = 3, chain = '{}'", story.ledger.chain());
        let error = changed(&sql).await.err().unwrap();
        assert!(matches!(error, ReadModelError::Block { height: 3 }) && error.is_final(), "{error}");
        // A model that is ahead of a ledger out of a backup waits.
        let mut ahead = changed("UPDATE read_model SET height = 1000000").await.unwrap();
        assert!(!ahead.step(ROWS).await.unwrap());
        database.drop_all().await.unwrap();
        assert_eq!(projected(&database, &story.ledger, ROWS).await, expected.height);
        assert_eq!(Contents::of(&database, 200).await, expected);
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_tell_everything_once_while_blocks_are_added() {
    let (places, mut story) = (Places::new(), Story::whole());
    for place in places.both("pages").await {
        let database = opened(&place).await;
        let size = story.entries().len() as u64;
        projected(&database, &story.ledger, ROWS).await;
        for order in [Order::Newest, Order::Oldest] {
            let (mut seen, mut after, mut heights) = (Vec::new(), None, Vec::new());
            loop {
                let which = Transactions { limit: Some(5), order: Some(order), after, ..Transactions::default() };
                let page = database.transactions(&which).await.unwrap();
                seen.extend(page.items.iter().map(|one| one.index));
                heights.push(page.height);
                after = page.next;
                if after.is_none() {
                    break;
                }
                if heights.len() < 8 {
                    story.go_on(1);
                    projected(&database, &story.ledger, ROWS).await;
                }
            }
            assert!(heights.is_sorted() && heights[0] < heights[7]);
            match order {
                // What came after the first page was asked for is before it.
                Order::Newest => assert!(seen.is_sorted_by(|one, next| *one == next + 1) && seen.ends_with(&[0])),
                Order::Oldest => assert_eq!(seen, (0..story.entries().len() as u64).collect::<Vec<_>>()),
            }
            assert!(seen.len() as u64 >= size);
        }
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_find_what_they_name_and_nothing_else() {
    let (places, story) = (Places::new(), Story::whole());
    let all = Contents::of_ledger(&story);
    for place in places.both("search").await {
        let database = opened(&place).await;
        projected(&database, &story.ledger, ROWS).await;
        transactions_by(&database, &all).await;
        events_by(&database, &all).await;
        objects_by(&database, &all, &story).await;
        database.close().await;
    }
}

async fn transactions_by(database: &Database, all: &Contents) {
    let some = all.transactions[all.transactions.len() / 2].clone();
    type Test<'a> = (Transactions, &'a dyn Fn(&FoundTransaction) -> bool);
    let base = Transactions { limit: Some(200), ..Transactions::default() };
    let tests: [Test<'_>; 9] = [
        (Transactions { id: Some(some.id.to_string()[..7].into()), ..base.clone() }, &|one| {
            one.id.to_string().starts_with(&some.id.to_string()[..7])
        }),
        (Transactions { sender: Some(some.sender), ..base.clone() }, &|one| one.sender == some.sender),
        (Transactions { contract: Some("requests".into()), ..base.clone() }, &|one| one.contract == "requests"),
        (Transactions { contract: Some("requests".into()), method: Some("apply".into()), ..base.clone() }, &|one| {
            (one.contract.as_str(), one.method.as_str()) == ("requests", "apply")
        }),
        (Transactions { code: Some("refused".into()), ..base.clone() }, &|one| one.code != "ok"),
        (Transactions { code: Some("grant_already_used".into()), ..base.clone() }, &|one| {
            one.code == "grant_already_used"
        }),
        (Transactions { code: Some("ok".into()), ..base.clone() }, &|one| one.code == "ok"),
        (Transactions { from_height: Some(4), to_height: Some(9), ..base.clone() }, &|one| {
            (4..=9).contains(&one.height)
        }),
        (Transactions { since: Some(some.at), until: Some(some.at + 4), ..base.clone() }, &|one| {
            (some.at..=some.at + 4).contains(&one.at)
        }),
    ];
    for (which, holds) in tests {
        let found = database.transactions(&which).await.unwrap();
        let expected: Vec<_> = all.transactions.iter().rev().filter(|one| holds(one)).cloned().collect();
        assert!(!expected.is_empty(), "{which:?}");
        assert_eq!(found, Found { items: expected, next: None, height: all.height, from: 0 }, "{which:?}");
    }
    let later = Transactions { since: Some(u64::MAX), ..base.clone() };
    assert!(database.transactions(&later).await.unwrap().items.is_empty());
    for id in ["", "XY", "12'; DROP TABLE blocks; --", &"a".repeat(65)] {
        let refused = database.transactions(&Transactions { id: Some(id.into()), ..base.clone() }).await.unwrap_err();
        assert_eq!(refused.code, "malformed", "{id}");
    }
}

async fn events_by(database: &Database, all: &Contents) {
    let request = all.events.iter().find_map(|event| event.notice.request).unwrap();
    let base = Events { limit: Some(200), ..Events::default() };
    type Test<'a> = (Events, &'a dyn Fn(&LedgerEvent) -> bool);
    let tests: [Test<'_>; 7] = [
        (Events { name: Some("request.applied".into()), ..base.clone() }, &|one| one.name == "request.applied"),
        (Events { name: Some("request".into()), ..base.clone() }, &|one| one.name.starts_with("request.")),
        (Events { member: Some("northgate".into()), ..base.clone() }, &|one| {
            one.notice.members.contains(&"northgate".to_owned())
        }),
        (Events { subject: Some("riverside".into()), ..base.clone() }, &|one| one.notice.subject == "riverside"),
        (Events { request: Some(request), ..base.clone() }, &|one| one.notice.request == Some(request)),
        (Events { member: Some("northgate".into()), name: Some("grant".into()), ..base.clone() }, &|one| {
            one.notice.members.contains(&"northgate".to_owned()) && one.name.starts_with("grant.")
        }),
        (Events { from_height: Some(3), ..base.clone() }, &|one| one.height >= 3),
    ];
    for (which, holds) in tests {
        let found = database.events(&which).await.unwrap();
        let expected: Vec<_> = all.events.iter().rev().filter(|one| holds(one)).cloned().collect();
        assert!(!expected.is_empty(), "{which:?}");
        assert_eq!(found.items, expected, "{which:?}");
    }
    // With a member the events are walked by another table: page by page all the same.
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let which = Events { member: Some("northgate".into()), limit: Some(2), after, ..Events::default() };
        let page = database.events(&which).await.unwrap();
        walked.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let whole = database.events(&Events { member: Some("northgate".into()), ..base }).await.unwrap();
    assert_eq!(walked, whole.items);
}

async fn objects_by(database: &Database, all: &Contents, story: &Story) {
    let base = Objects { limit: Some(200), order: Some(Order::Oldest), ..Objects::default() };
    let asset = story.world.asset_id("northgate");
    let view = story.ledger.view().unwrap();
    let requests = |contract: &FoundObject| -> BTreeSet<String> {
        let page = read::requests_under(&view, &contract.id.parse().unwrap(), None, 200).unwrap();
        page.items.into_iter().map(|request| request.id.to_string()).collect()
    };
    // Which of the contracts comes first differs from run to run, and not all have requests.
    let mut contracts = all.objects.values().filter(|one| one.kind == ObjectKind::Contract);
    let contract = contracts.find(|contract| !requests(contract).is_empty()).unwrap();
    let (under, requests) = (contract.id.parse().unwrap(), requests(contract));
    type Test<'a> = (Objects, &'a dyn Fn(&FoundObject) -> bool);
    let tests: [Test<'_>; 10] = [
        (Objects { kind: Some(ObjectKind::Asset), ..base.clone() }, &|one| one.kind == ObjectKind::Asset),
        (Objects { kind: Some(ObjectKind::Asset), status: Some("retired".into()), ..base.clone() }, &|one| {
            one.kind == ObjectKind::Asset && one.status == "retired"
        }),
        (Objects { code: Some("grant_revoked".into()), ..base.clone() }, &|one| {
            one.code.as_deref() == Some("grant_revoked")
        }),
        (Objects { name: Some("river".into()), ..base.clone() }, &|one| {
            one.name.as_deref().is_some_and(|name| name.starts_with("river"))
        }),
        (Objects { id: Some(contract.id[..9].into()), ..base.clone() }, &|one| one.id.starts_with(&contract.id[..9])),
        (Objects { id: Some("st-".into()), ..base.clone() }, &|one| one.id.starts_with("st-")),
        (Objects { under: Some(under), ..base.clone() }, &|one| requests.contains(&one.id)),
        (Objects { under: Some(asset), member: Some("northgate".into()), ..base.clone() }, &|one| {
            one.kind == ObjectKind::Contract && one.owner.as_deref() == Some("northgate")
        }),
        (Objects { maker: Some(researcher().public()), ..base.clone() }, &|one| {
            one.maker == Some(researcher().public())
        }),
        (Objects { member: Some("riverside".into()), kind: Some(ObjectKind::Asset), ..base.clone() }, &|one| {
            one.kind == ObjectKind::Asset && one.owner.as_deref() == Some("riverside")
        }),
    ];
    for (which, holds) in tests {
        let found = database.objects(&which).await.unwrap();
        let mut expected: Vec<_> = all.objects.values().filter(|one| holds(one)).cloned().collect();
        expected.sort_by_key(|one| (one.made_index.map_or(-1, |index| index as i64), one.kind.name(), one.id.clone()));
        assert!(!expected.is_empty(), "{which:?}");
        assert_eq!(found.items, expected, "{which:?}");
    }
    let founder = database.objects(&Objects { limit: Some(1), ..base.clone() }).await.unwrap();
    assert_eq!((founder.items[0].id.as_str(), founder.items[0].made_index), ("health-authority", None));
    let rest = Objects { limit: Some(200), after: founder.next, ..base.clone() };
    assert_eq!(database.objects(&rest).await.unwrap().items.len(), all.objects.len() - 1);
    hostile(database, all, &base).await;
}

/// Whatever is looked for is looked for, and nothing more.
async fn hostile(database: &Database, all: &Contents, base: &Objects) {
    for text in ["'; DROP TABLE objects; --", "%", "_", "$1", "\\", "\"", "{\"a\":1}", "é\u{10ffff}", "' OR '1'='1"] {
        for which in [
            Objects { name: Some(text.into()), ..base.clone() },
            Objects { status: Some(text.into()), ..base.clone() },
            Objects { member: Some(text.into()), ..base.clone() },
            Objects { id: Some(text.into()), ..base.clone() },
        ] {
            assert!(database.objects(&which).await.unwrap().items.is_empty(), "{which:?}");
        }
        let events = Events { name: Some(text.into()), subject: Some(text.into()), ..Events::default() };
        assert!(database.events(&events).await.unwrap().items.is_empty());
    }
    for text in ["a\0b".to_owned(), "x".repeat(1100)] {
        let refused = database.objects(&Objects { name: Some(text), ..base.clone() }).await.unwrap_err();
        assert_eq!(refused.code, "malformed");
    }
    for after in ["0", "zz", "'; DROP TABLE objects; --", &"00".repeat(10_000)] {
        let refused = database.objects(&Objects { after: Some(after.into()), ..base.clone() }).await.unwrap_err();
        assert_eq!(refused.code, "malformed", "{after}");
    }
    let next = database.objects(&Objects { limit: Some(1), ..base.clone() }).await.unwrap().next;
    let other = Objects { kind: Some(ObjectKind::Asset), after: next, ..base.clone() };
    assert!(database.objects(&other).await.unwrap_err().detail.contains("another search"));
    assert_eq!(Contents::of(database, 200).await, *all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_follows_its_ledger_and_who_asks_need_not_wait() {
    let (places, mut story) = (Places::new(), Story::whole());
    for place in places.both("node").await {
        let model = Arc::new(super::ReadModel::new(place.0.clone(), &place.1));
        let (heights, stopping) = (watch::Sender::new(story.ledger.head().height), CancellationToken::new());
        let running = tokio::spawn(model.clone().run(story.ledger.clone(), heights.subscribe(), stopping.clone()));
        let reached = async |height: u64| {
            let mut reached = model.height.subscribe();
            timeout(Duration::from_secs(60), reached.wait_for(|at| *at >= height)).await.unwrap().unwrap();
        };
        reached(story.ledger.head().height).await;
        story.go_on(3);
        let newest = story.ledger.head().height;
        heights.send_replace(newest);
        reached(newest).await;
        let found =
            model.transactions(&Transactions { limit: Some(1), ..Transactions::default() }, newest).await.unwrap();
        assert_eq!((found.height, found.items[0].height), (newest, newest));
        assert_eq!(model.fault(), None);
        stopping.cancel();
        timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_tried_again_and_told_of() {
    let (directory, story) = (tempfile::tempdir().unwrap(), Story::begin());
    let url = format!("postgres:///none?host={}&user=nobody", directory.path().display());
    let place = config::ReadModel { database: url.try_into().unwrap(), password_file: None };
    let model = Arc::new(super::ReadModel::new(place, directory.path()));
    let (heights, stopping) = (watch::Sender::new(0), CancellationToken::new());
    let running = tokio::spawn(model.clone().run(story.ledger.clone(), heights.subscribe(), stopping.clone()));
    let told = async {
        loop {
            if let Some(fault) = model.fault() {
                break fault;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let fault = timeout(Duration::from_secs(60), told).await.unwrap();
    assert!(fault.contains("its database fails"), "{fault}");
    let refused = model.transactions(&Transactions::default(), 0).await.unwrap_err();
    assert_eq!(refused.code, "unavailable");
    stopping.cancel();
    timeout(Duration::from_secs(60), running).await.unwrap().unwrap();

    let none = super::ReadModel::new(
        config::ReadModel { database: config::Database::None, password_file: None },
        directory.path(),
    );
    let refused = none.events(&Events::default(), 0).await.unwrap_err();
    assert!(refused.detail.contains("read_model.database"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_nodes_model_is_made_anew_from_its_files() {
    use crypto::Secret;

    use crate::setup::{self, CONFIG_FILE, Founder};
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("node");
    let founder = Founder {
        member: "st-anna".into(),
        consortium: "Trial".into(),
        listen: "127.0.0.1:1".parse().unwrap(),
        address: "https://127.0.0.1:1".into(),
        seat: None,
        regulator: true,
        operator: SigningKey::generate().public(),
    };
    let passphrase = Secret::new(b"correct horse battery staple".to_vec());
    let (genesis, _) = setup::found(&home, &founder, &passphrase, START).unwrap();
    let config = NodeConfig::load(&home.join(CONFIG_FILE)).unwrap();
    let error = rebuild(&config, |_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("there is no ledger"), "{error}");
    let ledger = Ledger::open(&home.join("ledger.redb"), Arc::new(Contracts), genesis).unwrap();
    let error = rebuild(&config, |_, _| {}).await.unwrap_err();
    assert!(matches!(error, ReadModelError::Ledger(_)), "a node that runs keeps its ledger: {error}");
    drop(ledger);
    // What is no database is no hindrance.
    std::fs::write(home.join("read-model.sqlite"), b"damaged").unwrap();
    let mut told = Vec::new();
    assert_eq!(rebuild(&config, |height, all| told.push((height, all))).await.unwrap(), 0);
    assert_eq!(told, [(0, 0)]);
    let database = opened(&(config.read_model.clone(), home)).await;
    let found = database.objects(&Objects::default()).await.unwrap();
    assert_eq!((found.items.len(), found.items[0].id.as_str()), (1, "st-anna"));
    database.close().await;
}

#[test]
fn the_machines_times_are_read() {
    let times = super::Times::read().expect("this is Linux");
    assert!(times.idle <= times.all && times.all > 0);
}
