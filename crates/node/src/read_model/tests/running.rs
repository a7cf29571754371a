//! A node's model while the node runs, while its database is away, and while the node is stopped.

use std::sync::Arc;
use std::time::Duration;

use client::search::{Events, Objects, Transactions};
use contracts::Contracts;
use crypto::SigningKey;
use ledger::Ledger;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::story::Story;
use super::world::START;
use super::{Places, opened};
use crate::config::{self, NodeConfig};
use crate::read_model::{ReadModel, ReadModelError, Times, rebuild};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_follows_its_ledger_and_who_asks_need_not_wait() {
    let (places, mut story) = (Places::new(), Story::whole());
    for place in places.both("node").await {
        let model = Arc::new(ReadModel::new(place.0.clone(), &place.1));
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
    let model = Arc::new(ReadModel::new(place, directory.path()));
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

    let none =
        ReadModel::new(config::ReadModel { database: config::Database::None, password_file: None }, directory.path());
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
    let times = Times::read().expect("this is Linux");
    assert!(times.idle <= times.all && times.all > 0);
}
