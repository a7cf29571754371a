//! Validators come and go, and change their keys, while the ledger goes on; one that was away meanwhile catches up. Real nodes, by the
//! commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

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
