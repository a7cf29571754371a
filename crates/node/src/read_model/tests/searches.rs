//! Searches find what they name, and nothing else.

use std::collections::BTreeSet;

use client::api::{Found, FoundObject, FoundTransaction, LedgerEvent};
use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use contracts::read;

use super::contents::Contents;
use super::story::Story;
use super::world::researcher;
use super::{Places, opened, projected};
use crate::read_model::ROWS;
use crate::read_model::database::Database;

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
