//! Members decide by ballots who belongs to them and who validates, while the ledger goes on. Real nodes, by the commands that
//! operators use.

#[path = "shared/stage.rs"]
mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stage::{FOUNDER, MOST, Stage, add, traffic, until};

fn ordering(stage: &Stage, members: &[&str], expected: &str) {
    for member in members {
        until(&format!("{member} in `{expected}`"), || {
            stage.try_run(member, &["member", "validators", "show"]).as_deref() == Ok(expected)
        });
    }
}

#[test]
fn members_are_admitted_suspended_and_removed_by_ballots_while_the_ledger_goes_on() {
    let mut stage = Stage::new();
    stage.found("Ballots");
    for member in ["st-anna", "riverside", "northgate"] {
        stage.join(member);
    }
    stage.begin(4, &[FOUNDER, "st-anna", "riverside", "northgate"], &[]);
    let participants = ["--participants", "st-anna,riverside,northgate", "--threshold", "2"];
    stage.run(FOUNDER, &[&["member", "oracles", "establish"], &participants[..]].concat());

    // Two members have their people recorded through all that follows.
    let (stop, recorded) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let traffic = {
        let clients = [stage.client(FOUNDER), stage.client("st-anna")];
        let (stop, recorded) = (Arc::clone(&stop), Arc::clone(&recorded));
        std::thread::spawn(move || traffic(&clients, ["st-anna", FOUNDER], &stop, &recorded))
    };

    // Until somebody has them begin, nobody votes; then nobody invites alone.
    let early = stage.try_run("st-anna", &["gov", "propose", "suspend", "riverside"]).unwrap_err();
    assert!(early.contains("sotto gov begin"), "{early}");
    assert_eq!(stage.run("st-anna", &["gov", "parameters"]), "none");
    let barred = stage.try_run("st-anna", &["gov", "begin"]).unwrap_err();
    assert!(barred.contains("not_permitted"), "{barred}");
    assert_eq!(stage.run(FOUNDER, &["gov", "begin", "--issuers", "2/3"]), "ballots");
    let file = stage.directory.path().join("alone.invitation");
    let alone = stage.try_run(FOUNDER, &["invite", "eastfield", "--out", file.to_str().unwrap()]).unwrap_err();
    assert!(alone.contains("ballots_govern"), "{alone}");
    let leave = ["member", "validators", "leave", "--member", "riverside"];
    let alone = stage.try_run(FOUNDER, &leave).unwrap_err();
    assert!(alone.contains("ballots_govern"), "{alone}");

    // A fifth member: three of four.
    let file = stage.directory.path().join("eastfield.invitation");
    let file = file.to_str().unwrap();
    let admit = ["admit", "eastfield", "--out", file, "--reason", "it runs the register"];
    until("st-anna knows that ballots govern", || stage.run("st-anna", &["gov", "parameters"]) == "ballots");
    let proposal = stage.pass("st-anna", &["riverside", "northgate"], &admit);
    let view = stage.json("northgate", &["gov", "show", &proposal[..12]]);
    assert_eq!((view["phase"].as_str(), view["reason"].as_str()), (Some("passed"), Some("it runs the register")));
    assert_eq!(view["ballots"].as_array().unwrap().len(), 3);
    let late = stage.try_run(FOUNDER, &["gov", "vote", &proposal, "no"]).unwrap_err();
    assert!(late.contains("proposal_closed"), "{late}");
    let target = stage.directory.path().join("consortium.toml");
    let fingerprint = stage.run("st-anna", &["member", "export", "--out", target.to_str().unwrap()]);
    stage.join_with("eastfield", file, &fingerprint);
    let all = [FOUNDER, "st-anna", "riverside", "northgate", "eastfield"];
    stage.begin(5, &all, &[]);

    // A parameter: four of five, and the newcomer counts.
    let proposal = stage.run("eastfield", &["gov", "propose", "parameters", "--validators", "3/4", "--open", "3"]);
    let again = stage.try_run("eastfield", &["gov", "vote", &proposal, "yes"]).unwrap_err();
    assert!(again.contains("already_voted"), "{again}");
    for voter in [FOUNDER, "st-anna", "riverside"] {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        stage.run(voter, &["gov", "vote", &proposal, "yes"]);
    }
    let governance = stage.json("riverside", &["gov", "parameters"]);
    assert_eq!(
        (&governance["parameters"]["validators"]["numerator"], &governance["parameters"]["open"]),
        (&3.into(), &3.into())
    );

    // One is withdrawn, one fails.
    let proposal = stage.run("riverside", &["gov", "propose", "leave", "riverside"]);
    stage.run("riverside", &["gov", "withdraw", &proposal]);
    assert_eq!(stage.run("riverside", &["gov", "show", &proposal]), "withdrawn");
    let proposal = stage.run("riverside", &["gov", "propose", "suspend", FOUNDER]);
    for voter in [FOUNDER, "st-anna"] {
        until("the proposal is known", || stage.try_run(voter, &["gov", "show", &proposal]).is_ok());
        stage.run(voter, &["gov", "vote", &proposal, "no"]);
    }
    assert_eq!(stage.run("st-anna", &["gov", "show", &proposal]), "failed");

    // Who is suspended signs nothing more and orders nothing more, from the deciding block on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let northgate = stage.client("northgate");
    runtime.block_on(add(&northgate, "before")).unwrap();
    stage.pass("st-anna", &[FOUNDER, "riverside", "eastfield"], &["suspend", "northgate"]);
    ordering(&stage, &[FOUNDER, "st-anna", "riverside", "eastfield"], "quorum 6");
    let own = runtime.block_on(add(&northgate, "after")).unwrap_err();
    println!("at its own node: {own}");
    let elsewhere = runtime.block_on(async { add(&northgate.at_member("st-anna").await.unwrap(), "after").await });
    assert_eq!(elsewhere.unwrap_err().code(), Some("member_barred"));
    let members = stage.json("eastfield", &["member", "list"]);
    let of = |name: &str| {
        let members = members["members"].as_array().unwrap();
        members.iter().find(|member| member["card"]["name"] == name).unwrap().clone()
    };
    assert_eq!(of("northgate")["barred"]["standing"], "suspended");
    assert_eq!(of("riverside").get("barred"), None);

    // Reinstated, its node follows again, and takes its place by another vote.
    stage.pass("riverside", &[FOUNDER, "st-anna"], &["reinstate", "northgate"]);
    // Each attempt under a name of its own: one that was recorded though its answer was lost has taken it.
    until("northgate follows again", || runtime.block_on(add(&northgate, &format!("again-{}", stage::now()))).is_ok());
    ordering(&stage, &["northgate"], "quorum 6, followed");
    stage.pass("northgate", &[FOUNDER, "st-anna", "eastfield"], &["enter", "northgate"]);
    ordering(&stage, &all, "quorum 7");

    // Another is removed for good; two oracles of three are left, and no further one can go.
    stage.pass("northgate", &[FOUNDER, "st-anna", "eastfield"], &["remove", "riverside"]);
    let left = [FOUNDER, "st-anna", "northgate", "eastfield"];
    ordering(&stage, &left, "quorum 8");
    let fewer = stage.try_run(FOUNDER, &["gov", "propose", "remove", "st-anna"]).unwrap_err();
    assert!(fewer.contains("validators_missing") || fewer.contains("oracles_too_few"), "{fewer}");
    stage.kill("riverside");

    // The oracles of the next epoch are a decision too; then any member's node has their key made.
    let participants = ["--participants", "st-anna,northgate,eastfield", "--threshold", "2"];
    let establish = [&["member", "oracles", "establish"], &participants[..]].concat();
    let alone = stage.try_run(FOUNDER, &establish).unwrap_err();
    assert!(alone.contains("ballots_govern"), "{alone}");
    stage.pass(FOUNDER, &["st-anna", "northgate"], &[&["oracles"], &participants[..]].concat());
    until("eastfield knows who the oracles are to be", || stage.try_run("eastfield", &establish).is_ok());
    until("the founder knows the new oracles", || stage.json(FOUNDER, &["member", "oracles", "show"])["epoch"] == 2);

    let before = recorded.load(Ordering::Relaxed);
    until("ten more are recorded", || traffic.is_finished() || recorded.load(Ordering::Relaxed) > before + 10);
    stop.store(true, Ordering::Relaxed);
    let longest = traffic.join().unwrap();
    println!("{} transactions; the longest took {longest:?}", recorded.load(Ordering::Relaxed));
    assert!(longest < MOST, "{longest:?}");
    // All have the same blocks, and a checkpoint of the epoch that the ballots made.
    let height = |member: &&str| runtime.block_on(stage.client(member).health()).unwrap().height;
    until("equal heights", || left.iter().map(height).collect::<std::collections::BTreeSet<_>>().len() == 1);
    let eastfield = stage.client("eastfield");
    until("a checkpoint of epoch 8", || runtime.block_on(eastfield.checkpoint()).unwrap().contains("\nepoch 8\n"));

    // What was decided can be proven to who holds the consortium file alone.
    let (proof, consortium) =
        (stage.directory.path().join("proposal.proof"), stage.directory.path().join("newest.toml"));
    stage.run(FOUNDER, &["member", "export", "--out", consortium.to_str().unwrap()]);
    let key = format!("proposal/{proposal}");
    stage.run(FOUNDER, &["state", "prove", &key, "--out", proof.to_str().unwrap()]);
    stage.run(FOUNDER, &["verify", proof.to_str().unwrap(), "--consortium", consortium.to_str().unwrap()]);
}
