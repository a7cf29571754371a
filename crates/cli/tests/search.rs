//! Searching what happened, at a real node, by the commands and the client; the model is made anew, and tells the same.

#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "other tests need more of it")]
mod stage;

use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use http::{HeaderMap, Method};
use stage::{FOUNDER, Stage, add, until};

#[test]
fn what_happened_is_found_at_once_and_after_the_model_is_made_anew() {
    let mut stage = Stage::new();
    stage.found("Search");
    stage.join("st-anna");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = stage.client(FOUNDER);
    let everything = || {
        runtime.block_on(async {
            let (order, limit) = (Some(Order::Oldest), Some(200));
            let which = Transactions { order, limit, ..Transactions::default() };
            let transactions = client.search_transactions(&which).await.unwrap().items;
            let events = client.search_events(&Events { order, limit, ..Events::default() }).await.unwrap().items;
            let objects = client.search_objects(&Objects { order, limit, ..Objects::default() }).await.unwrap().items;
            (transactions, events, objects)
        })
    };
    let placed = runtime.block_on(add(&client, "person")).unwrap();
    // At once, as a rule: a search waits a moment for what its caller has seen.
    until("what was recorded is found", || everything().0.iter().any(|one| one.id == placed.id));
    let (transactions, events, objects) = everything();
    let found = transactions.iter().find(|one| one.id == placed.id).unwrap();
    assert_eq!((found.index, found.height, found.sender), (placed.index, placed.height, client.key()));
    assert!(events.iter().any(|event| event.transaction == placed.id && event.name == "principal.added"));
    let members: Vec<&str> =
        objects.iter().filter(|one| one.kind == ObjectKind::Member).map(|one| one.id.as_str()).collect();
    assert_eq!(members, [FOUNDER, "st-anna"]);

    // Page by page, by the command.
    let mut after: Option<String> = None;
    let mut walked = Vec::new();
    loop {
        let mut arguments = vec!["search", "transactions", "--oldest", "--limit", "2"];
        arguments.extend(after.iter().flat_map(|after| ["--after", after.as_str()]));
        let output = stage.command("st-anna").arg("--json").args(&arguments).output().unwrap();
        let page: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
        walked.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(walked, transactions.iter().map(|one| one.id.to_string()).collect::<Vec<_>>());
    let named = stage.run("st-anna", &["search", "objects", "--kind", "member", "--name", "st-", "--status", "active"]);
    assert_eq!(named, "st-anna");
    let refused = stage.try_run("st-anna", &["search", "events", "--after", "00"]).unwrap_err();
    assert!(refused.contains("no cursor"), "{refused}");
    let refused = stage.try_run("st-anna", &["search", "events", "--since", "yesterday"]).unwrap_err();
    assert!(refused.contains("`yesterday` is no time"), "{refused}");

    // Nobody who does not say who it is.
    let asked = client.endpoint().send(Method::GET, "/v1/search/events", HeaderMap::new(), client::http::empty());
    let asked = client::Error::from(runtime.block_on(asked).err().unwrap());
    assert_eq!(asked.code(), Some("unauthenticated"));

    let refused = stage.try_run(FOUNDER, &["node", "rebuild"]).unwrap_err();
    assert!(refused.contains("stop the node first"), "{refused}");
    stage.kill(FOUNDER);
    std::fs::write(stage.home(FOUNDER).join("node/read-model.sqlite"), "damaged").unwrap();
    let height: u64 = stage.run(FOUNDER, &["node", "rebuild"]).parse().unwrap();
    assert!(height >= placed.height);
    stage.start(FOUNDER);
    until("the model is opened", || {
        let which = Objects::default();
        !runtime.block_on(client.search_objects(&which)).is_err_and(|error| error.code() == Some("unavailable"))
    });
    let again = everything();
    assert_eq!(again.0[..transactions.len()], transactions);
    assert_eq!((&again.1[..events.len()], &again.2), (&events[..], &objects));
}
