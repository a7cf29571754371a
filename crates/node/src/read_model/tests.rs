//! The same suite on both databases, against what the ledger itself says.

mod contents;
mod postgres;
mod running;
mod searches;
mod state;
mod story;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::search::{Order, Transactions};
use ledger::Ledger;
use tokio::time::timeout;

use self::contents::Contents;
use self::postgres::Postgres;
use self::story::Story;
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
