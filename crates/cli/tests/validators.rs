//! Validators come and go, and change their keys, while the ledger goes on; one that was away meanwhile catches up. Real nodes, by the
//! commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

#[path = "shared/metric.rs"]
mod metric;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use metric::metric;
use stage::{FOUNDER, MOST, Stage, add, traffic, until};

#[test]
fn the_validators_change_while_the_ledger_goes_on() {
    let mut stage = Stage::new();
    stage.found("Validators");
    for member in ["st-anna", "riverside", "northgate"] {
        stage.join(member);
    }
    stage.begin(4, &[FOUNDER, "st-anna", "riverside", "northgate"], &[]);

    // From here on, through all that follows, two members have their people recorded, each looked up at once at another node.
    let (stop, recorded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let traffic = {
        let clients = [stage.client("northgate"), stage.client("riverside")];
        let (stop, recorded) = (Arc::clone(&stop), Arc::clone(&recorded));
        std::thread::spawn(move || traffic(&clients, ["riverside", "northgate"], &stop, &recorded))
    };

    // A fifth member takes its place.
    stage.join("eastfield");
    stage.begin(5, &[FOUNDER, "st-anna", "riverside", "northgate", "eastfield"], &[]);

    // One is away while another leaves and a third changes its key.
    stage.kill("st-anna");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let founder = stage.client(FOUNDER);
    let cosigner = || {
        let members = runtime.block_on(founder.members()).unwrap();
        members.into_iter().find(|member| member.card.name == "northgate").unwrap().card.cosigner
    };
    let old = cosigner();
    stage.run("riverside", &["member", "validators", "leave"]);
    stage.run("northgate", &["member", "validators", "rotate"]);
    // Each was recorded at another node than the one that begins.
    until("the founder's node knows the new key", || cosigner() != old);
    stage.begin(7, &[FOUNDER, "northgate", "eastfield"], &["riverside"]);
    std::thread::sleep(Duration::from_secs(2));

    // It catches up across the change, and takes part again: without the founder three of four are left, and it is one of them.
    stage.start("st-anna");
    until("st-anna votes in epoch 7", || stage.run("st-anna", &["member", "validators", "show"]) == "quorum 7");
    until("fifty are recorded", || traffic.is_finished() || recorded.load(Ordering::Relaxed) > 50);
    stop.store(true, Ordering::Relaxed);
    let longest = traffic.join().unwrap();
    println!("{} transactions; the longest took {longest:?}", recorded.load(Ordering::Relaxed));
    assert!(longest < MOST, "{longest:?}");

    stage.kill(FOUNDER);
    let members = ["st-anna", "northgate", "eastfield", "riverside"];
    for (number, member) in members.iter().enumerate() {
        runtime.block_on(add(&stage.client(member), &format!("last-{number}"))).unwrap();
    }
    // All have the same blocks.
    let consortium = || members.map(|member| stage.run(member, &["member", "validators", "show"]));
    assert_eq!(consortium(), ["quorum 7", "quorum 7", "quorum 7", "quorum 7, followed"]);
    let height = |member: &&str| runtime.block_on(stage.client(member).health()).unwrap().height;
    until("equal heights", || members.iter().map(height).collect::<std::collections::BTreeSet<_>>().len() == 1);
    // A receipt's checkpoint has a quorum of the validators in force now.
    let riverside = stage.client("riverside");
    until("a checkpoint of epoch 7", || runtime.block_on(riverside.checkpoint()).unwrap().contains("\nepoch 7\n"));
}

/// A validator whose next slate nobody keeps any more follows the others, and votes again with a new key; so does one that has lost its votes,
/// also together with its ledger.
#[test]
fn who_was_away_for_too_long_or_lost_its_votes_follows_and_votes_again_in_another_epoch() {
    const ALL: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];
    let mut stage = Stage::new();
    // The least that can be kept, in the section of the validator, which is the last.
    stage.configuration = "keep_bytes = 1048576";
    stage.found("Away");
    for member in &ALL[1..] {
        stage.join(member);
    }
    stage.begin(4, &ALL, &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    // More is ordered than is kept: 1,024 slates, those that are removed together, and the section that holds the first.
    stage.kill("st-anna");
    let founder = stage.client(FOUNDER);
    let executed = || metric(&runtime, &founder, "sottovoce_ordering_executed ").unwrap();
    let enough = executed() + 1_800.0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for member in [FOUNDER, "riverside", "northgate"] {
            for turn in ["a", "b"] {
                let (client, stop) = (stage.client(member), &stop);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    for number in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                        runtime.block_on(add(&client, &format!("{turn}-{number}"))).unwrap();
                    }
                });
            }
        }
        let begun = std::time::Instant::now();
        while executed() < enough {
            assert!(begun.elapsed() < Duration::from_secs(600), "{} of {enough}", executed());
            std::thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Relaxed);
        println!("so many slates took {:?}", begun.elapsed());
    });

    let show = |stage: &Stage, member: &str| stage.run(member, &["member", "validators", "show"]);
    let height = |stage: &Stage, member: &str| runtime.block_on(stage.client(member).health()).unwrap().height;
    let follows = |stage: &Stage, member: &str, epoch: u64| {
        let voteless = format!("quorum {epoch}, followed; voteless: it votes again in another epoch");
        until("it follows", || show(stage, member) == voteless);
        until("equal heights", || height(stage, member) == height(stage, FOUNDER));
        let told = stage.command(member).arg("doctor").output().unwrap().stdout;
        assert!(String::from_utf8_lossy(&told).contains("voteless"));
    };
    stage.start("st-anna");
    follows(&stage, "st-anna", 4);
    // Also when it is started anew with blocks that its engine did not make; and it takes in what is to be ordered.
    stage.kill("st-anna");
    stage.start("st-anna");
    follows(&stage, "st-anna", 4);
    runtime.block_on(add(&stage.client("st-anna"), "followed")).unwrap();

    // With a new key it votes: nothing is ordered without it while another is down.
    let votes = |stage: &mut Stage, member: &str, other: &str, epoch: u64| {
        let cosigner = || {
            let members = runtime.block_on(founder.members()).unwrap();
            members.into_iter().find(|one| one.card.name == member).unwrap().card.cosigner
        };
        let old = cosigner();
        stage.run(member, &["member", "validators", "rotate"]);
        until("the founder's node knows the new key", || cosigner() != old);
        stage.begin(epoch, &ALL, &[]);
        stage.kill(other);
        runtime.block_on(add(&stage.client(member), &format!("voted-in-{epoch}"))).unwrap();
        stage.start(other);
    };
    votes(&mut stage, "st-anna", "riverside", 5);

    // What it voted for is lost.
    stage.kill("northgate");
    std::fs::remove_dir_all(stage.home("northgate").join("node/order")).unwrap();
    stage.start("northgate");
    follows(&stage, "northgate", 5);
    votes(&mut stage, "northgate", "st-anna", 6);

    // The ledger is lost: read anew, it leads through epochs in which this node has voted with the key that it still has.
    let unseated = |stage: &Stage| {
        let log = std::fs::read_to_string(stage.home("riverside").join("node.log")).unwrap();
        log.matches("this node cannot vote in an epoch").count()
    };
    stage.kill("riverside");
    std::fs::remove_file(stage.home("riverside").join("node/ledger.redb")).unwrap();
    stage.start("riverside");
    until("it votes by the votes that it has", || show(&stage, "riverside") == "quorum 6");
    assert_eq!(unseated(&stage), 2);
    // With the ledger its votes.
    stage.kill("riverside");
    std::fs::remove_file(stage.home("riverside").join("node/ledger.redb")).unwrap();
    std::fs::remove_dir_all(stage.home("riverside").join("node/order")).unwrap();
    stage.start("riverside");
    follows(&stage, "riverside", 6);
    assert_eq!(unseated(&stage), 5);
    votes(&mut stage, "riverside", "northgate", 7);
}
