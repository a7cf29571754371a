//! Models that are made from a state: whatever happened before, they say what events would have said, as far as a state can.

use client::api::FoundObject;
use client::search::{ObjectKind, Objects, Order};
use contracts::message::{
    Action, Amend, Approve, AssetRegister, AssetRetire, Ballot, Cancel, ContractState, Deadlines, Decline, GrantRevoke,
    OrderingBegin, OrderingSeat, Parameters, Propose, Recover, recovery,
};
use contracts::read;
use contracts::record::ProposalPhase;
use crypto::Label;
use ledger::Kept;
use policy::{Terms, Window};

use super::world::{HOSPITALS, HOUR, START, World, approvers, asset, key, keys, researcher};
use super::*;

const FOUNDER: &str = "health-authority";
const ALL: [&str; 6] = [FOUNDER, "st-anna", "riverside", "northgate", "eastfield", "westfield"];

/// What happens, from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.next(of.len())])
    }
}

/// Proposes, and has all vote; what is not possible, and who cannot vote any more, is refused.
fn pass(world: &mut World, by: &str, action: Action) {
    let propose = Propose { action, expires: world.now + HOUR, reason: "so it goes".into() };
    let Ok(proposal) = world.send(&keys(by).operator, "governance.propose", &propose) else { return };
    for name in ALL {
        let open = read::proposal(&world.state, &proposal).unwrap().unwrap().phase == ProposalPhase::Open;
        if open {
            let _ = world.send(&keys(name).operator, "governance.ballot", &Ballot { proposal, yes: true });
        }
    }
}

/// A consortium of six that governs itself, and what the seed has happen there.
fn random(seed: u64) -> Story {
    let (mut story, mut chance) = (Story::begin(), Chance(seed));
    let mut world = std::mem::replace(&mut story.world, World::founded()).settled();
    for name in ["eastfield", "westfield"] {
        world.join(name).unwrap();
    }
    for name in ALL {
        world.send(&keys(name).node, "ordering.seat", &OrderingSeat { address: "host:7400".into() }).unwrap();
    }
    let epoch = read::epoch(&world.state).unwrap().number;
    world.send(&keys(FOUNDER).operator, "ordering.begin", &OrderingBegin { epoch }).unwrap();
    let deadlines = Some(Deadlines { undecided: 30_000 });
    let parameters = Parameters { deadlines, ..contracts::DEFAULT_PARAMETERS };
    world.send(&keys(FOUNDER).operator, "governance.begin", &parameters).unwrap();
    let (mut contracts, mut requests) = (Vec::new(), Vec::new());
    for step in 0..70 {
        // Much of it is refused: that is on the ledger too.
        let (contract, request) = (chance.one(&contracts), chance.one(&requests));
        match (chance.next(14), contract, request) {
            (0, _, _) => contracts.extend(world.offer("northgate", world.release_terms())),
            (1, _, _) => {
                let window = Window { not_before: START - HOUR, not_after: START + 20_000 };
                contracts.extend(world.offer("northgate", Terms { window, ..world.release_terms() }));
            }
            (2..=4, Some(contract), _) => requests.extend(world.apply(&[contract])),
            (5, _, Some(request)) => drop(world.judge(&request, "minimum_group_too_small")),
            (6, _, Some(request)) => drop(world.send(&researcher(), "requests.cancel", &Cancel { request })),
            (7, Some(contract), Some(request)) => {
                let decline = Decline { request, contract, code: "not_now".into() };
                let _ = world.send(&keys("northgate").node, "requests.decline", &decline);
                let objection = Approve { request, contract, approve: false };
                let _ = world.send(&approvers()[0], "requests.approve", &objection);
            }
            (8, Some(contract), _) => {
                let method = ["contracts.suspend", "contracts.resume", "contracts.revoke"][chance.next(3)];
                let _ = world.send(&keys("northgate").operator, method, &ContractState { contract });
            }
            (9, Some(contract), _) => {
                let amend = Amend { contract, terms: world.release_terms() };
                let _ = world.send(&keys("northgate").operator, "contracts.amend", &amend);
            }
            (10, _, _) => {
                let owner = chance.one(&HOSPITALS).unwrap();
                let register = AssetRegister { name: format!("table-{step}"), ..asset("table") };
                let _ = world.send(&keys(owner).node, "assets.register", &register);
                let retire = AssetRetire { asset: world.asset_id("riverside") };
                if chance.next(3) == 0 {
                    let _ = world.send(&keys("riverside").node, "assets.retire", &retire);
                }
            }
            (11, _, _) if read::asset(&world.state, &world.asset_id("northgate")).unwrap().is_some() => {
                let (contract, request, grant) = world.granted();
                contracts.push(contract);
                requests.push(request);
                match chance.next(3) {
                    0 => drop(world.redeem(&grant, &researcher())),
                    1 => drop(world.send(&keys("northgate").node, "grants.revoke", &GrantRevoke { grant })),
                    _ => {}
                }
            }
            (12, _, _) => {
                let name = ["eastfield", "westfield"][chance.next(2)].to_owned();
                let action = match chance.next(5) {
                    0..3 => Action::Suspend(name),
                    3 => Action::Reinstate(name),
                    _ => Action::Remove(name),
                };
                pass(&mut world, FOUNDER, action);
            }
            (13, _, _) => {
                let (name, new) = (["riverside", "eastfield"][chance.next(2)], key(&format!("new-{step}")));
                let until = world.now + 2 * HOUR;
                let possession = new.sign(Label::RECOVERY, &recovery(&world.chain, name, &new.public(), until));
                let recover = Recover { member: name.into(), key: new.public(), until, possession };
                pass(&mut world, "st-anna", Action::Recover(recover));
            }
            _ => {}
        }
    }
    story.world = world;
    story.tell(usize::MAX);
    // What nobody decided, and whose window is over, has ended by then.
    story.later = 60_000;
    story.world.now += story.later;
    story.go_on(4);
    // And someone waits.
    let contract = story.world.offer("northgate", story.world.release_terms()).unwrap();
    story.world.apply(&[contract]).unwrap();
    story.tell(usize::MAX);
    story
}

/// A model of all events, in a SQLite of its own.
async fn whole(story: &Story) -> Contents {
    let directory = tempfile::tempdir().unwrap();
    let database = "sqlite".to_owned().try_into().unwrap();
    let place = (config::ReadModel { database, password_file: None }, directory.path().to_owned());
    let database = opened(&place).await;
    projected(&database, &story.ledger, ROWS).await;
    let contents = Contents::of(&database, 200).await;
    database.close().await;
    contents
}

/// From a block on, as a ledger keeps it.
fn kept(story: &Story, height: u64) -> Kept {
    Kept { height, index: story.ledger.header(height - 1).unwrap().unwrap().log_size }
}

/// That a model with the blocks from `from` on says what that of all says.
fn same(found: &Contents, whole: &Contents, from: Kept) {
    assert_eq!(found.height, whole.height);
    let transactions: Vec<_> = whole.transactions.iter().filter(|one| one.height >= from.height).cloned().collect();
    assert_eq!(found.transactions, transactions);
    let events: Vec<_> = whole.events.iter().filter(|one| one.height >= from.height).cloned().collect();
    assert_eq!(found.events, events);
    assert_eq!(found.objects.keys().collect::<Vec<_>>(), whole.objects.keys().collect::<Vec<_>>());
    for (key, whole) in &whole.objects {
        let found = &found.objects[key];
        let is_told = |index: &Option<u64>| index.is_some_and(|index| index >= from.index);
        let expected = FoundObject {
            made_index: whole.made_index.filter(|_| is_told(&whole.made_index)),
            changed_index: whole.changed_index.filter(|_| is_told(&whole.changed_index)),
            // What the state may not know is right where it does.
            maker: found.maker.and(whole.maker),
            changed_at: found.changed_at.and(whole.changed_at),
            ..whole.clone()
        };
        assert_eq!(*found, expected);
        assert!(found.changed_at.is_some() || !is_told(&whole.changed_index), "{whole:?}");
        let is_known = match found.kind {
            ObjectKind::Asset | ObjectKind::Request => found.maker.is_some(),
            ObjectKind::Member => found.maker.is_some() || ["riverside", "eastfield"].contains(&found.id.as_str()),
            ObjectKind::Contract => found.maker.is_some() == is_told(&whole.made_index),
        };
        assert!(is_known, "{found:?}");
        let since = match (found.kind, found.status.as_str()) {
            (ObjectKind::Asset, "active") | (ObjectKind::Request, "pending") => true,
            (ObjectKind::Member, status) => status != "active",
            _ => false,
        };
        assert!(!since || found.changed_at.is_some(), "{found:?}");
    }
}

/// Objects by blocks and times, against those of all events.
async fn spans(database: &Database, whole: &Contents, from: Kept) {
    let base = Objects { limit: Some(200), order: Some(Order::Oldest), ..Objects::default() };
    let found = async |which: Objects| -> BTreeSet<String> {
        let page = database.objects(&which).await.unwrap();
        assert_eq!(page.from, from.height, "{which:?}");
        assert!(page.items.is_sorted_by_key(|one| one.made_at), "{which:?}");
        page.items.into_iter().map(|one| one.id).collect()
    };
    let all = |holds: &dyn Fn(&FoundObject) -> bool| -> BTreeSet<String> {
        whole.objects.values().filter(|one| holds(one)).map(|one| one.id.clone()).collect()
    };
    let times: BTreeSet<u64> = whole.objects.values().map(|one| one.made_at).collect();
    for time in times.iter().step_by(5).copied().chain([0, START - HOUR, START + 1000 * HOUR]) {
        assert_eq!(found(Objects { since: Some(time), ..base.clone() }).await, all(&|one| one.made_at >= time));
        assert_eq!(found(Objects { until: Some(time), ..base.clone() }).await, all(&|one| one.made_at <= time));
    }
    for height in [0, 1] {
        assert_eq!(found(Objects { from_height: Some(height), ..base.clone() }).await, all(&|_| true));
    }
    let told = |one: &FoundObject| one.made_index.is_some_and(|index| index >= from.index);
    assert_eq!(found(Objects { from_height: Some(from.height), ..base.clone() }).await, all(&told));
    // Of which block those were that the state told of is not known.
    assert_eq!(found(Objects { from_height: Some(2), ..base.clone() }).await, all(&told));
    assert!(found(Objects { to_height: Some(from.height - 2), ..base.clone() }).await.is_empty());
    assert_eq!(found(Objects { to_height: Some(from.height - 1), ..base.clone() }).await, all(&|one| !told(one)));
    assert_eq!(found(Objects { to_height: Some(whole.height), ..base.clone() }).await, all(&|_| true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_state_says_is_what_events_said() {
    let (places, mut stands) = (Places::new(), BTreeSet::new());
    for (seed, name) in (1..).zip(["one", "two", "three"]) {
        let (mut story, mut chance) = (random(seed), Chance(seed));
        let before = whole(&story).await;
        stands.extend(before.objects.values().map(|one| (one.kind, one.status.clone())));
        let head = story.ledger.head().height;
        let froms = [head + 1, 3 + chance.next(head as usize - 3) as u64].map(|height| kept(&story, height));
        let mut models = Vec::new();
        for (place, from) in places.both(name).await.iter().zip(froms) {
            let database = opened(place).await;
            let rows = [7, ROWS][chance.next(2)];
            let projector = Projector::fill(database.clone(), story.ledger.clone(), from, (rows, 0)).await.unwrap();
            assert_eq!(projector.at, Position::of(&story.ledger.head()));
            for limit in [200, 3] {
                same(&Contents::of(&database, limit).await, &before, from);
            }
            spans(&database, &before, from).await;
            models.push((database, from));
        }
        // It goes on from there, each block once.
        story.go_on(3);
        let contract = story.world.offer("northgate", story.world.release_terms()).unwrap();
        let _ = story.world.apply(&[contract]);
        story.tell(usize::MAX);
        let after = whole(&story).await;
        for (database, from) in models {
            projected(&database, &story.ledger, 7).await;
            same(&Contents::of(&database, 3).await, &after, from);
            spans(&database, &after, from).await;
            database.close().await;
        }
    }
    use ObjectKind::{Asset, Contract, Member, Request};
    for (kind, statuses) in [
        (Member, &["active", "suspended", "removed", "recovering"][..]),
        (Asset, &["active", "retired"]),
        (Contract, &["active", "suspended", "revoked", "ended"]),
        (Request, &["pending", "allowed", "refused", "cancelled", "done"]),
    ] {
        for status in statuses {
            assert!(stands.contains(&(kind, (*status).to_owned())), "no seed has a {} that is {status}", kind.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_removed_blocks_that_the_model_lacks_makes_it_from_the_state() {
    let (places, mut story) = (Places::new(), Story::whole());
    let early = story.ledger.head().height;
    let (stale, current) = (places.both("stale").await, places.both("current").await);
    for place in &stale {
        let database = opened(place).await;
        let mut projector = Projector::begin(database.clone(), story.ledger.clone()).await.unwrap();
        assert!(projector.step(1).await.unwrap() && projector.at.height < early);
        database.close().await;
    }
    story.ledger.keep_states(2);
    story.later = 3 * HOUR;
    story.world.now += story.later;
    story.go_on(12);
    let all = whole(&story).await;
    for place in &current {
        let database = opened(place).await;
        projected(&database, &story.ledger, ROWS).await;
        database.close().await;
    }
    assert!(!story.ledger.prune(u64::MAX, usize::MAX, &|_| false).unwrap());
    let from = story.ledger.kept().unwrap();
    assert!(from.height > 2 && from.height <= story.ledger.head().height, "{from:?}");
    for (stale, current) in stale.iter().zip(&current) {
        // One that was there already has it all.
        let database = opened(current).await;
        assert_eq!(projected(&database, &story.ledger, ROWS).await, all.height);
        assert_eq!(Contents::of(&database, 200).await, all);
        // Made anew it begins where the node does.
        database.drop_all().await.unwrap();
        assert_eq!(projected(&database, &story.ledger, ROWS).await, all.height);
        same(&Contents::of(&database, 200).await, &all, from);
        database.close().await;

        // One that is too old begins anew by itself, and what was half done is done again.
        let database = opened(stale).await;
        for patience in 0..20 {
            let begun = Projector::begin(database.clone(), story.ledger.clone());
            let _ = timeout(Duration::from_micros(patience * patience * 20), begun).await;
        }
        database.close().await;
        let model = Arc::new(super::super::ReadModel::new(stale.0.clone(), &stale.1));
        let (heights, stopping) = (watch::Sender::new(all.height), CancellationToken::new());
        let running = tokio::spawn(model.clone().run(story.ledger.clone(), heights.subscribe(), stopping.clone()));
        let mut reached = model.height.subscribe();
        timeout(Duration::from_secs(60), reached.wait_for(|at| *at >= all.height)).await.unwrap().unwrap();
        let found = model.objects(&Objects { limit: Some(200), ..Objects::default() }, all.height).await.unwrap();
        assert_eq!((found.height, found.from, found.items.len()), (all.height, from.height, all.objects.len()));
        assert_eq!((model.fault(), model.needs()), (None, Some(all.height)));
        stopping.cancel();
        timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
        let database = opened(stale).await;
        same(&Contents::of(&database, 200).await, &all, from);
        database.close().await;
    }
}
