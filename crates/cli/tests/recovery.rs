//! A member has lost its operator's key, and another's is claimed to be lost. Real nodes, by the commands that operators use.

#[path = "shared/stage.rs"]
#[expect(dead_code, reason = "the governance's test uses all of it")]
mod stage;

use std::fs;

use serde_json::Value;
use stage::{FOUNDER, Stage, add, until};

/// The JSON of a command, whether or not it finds faults.
fn json(stage: &Stage, home: &str, arguments: &[&str]) -> Value {
    let output = stage.command(home).arg("--json").args(arguments).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the doctor says of recoveries: of whom, and what to do.
fn warnings(stage: &Stage, home: &str) -> Vec<(String, String)> {
    let told = json(stage, home, &["doctor"]);
    let findings = told["findings"].as_array().unwrap_or_else(|| panic!("{told}")).iter();
    let recoveries = findings.filter(|finding| finding["what"] == "recovery" && finding["level"] == "warning");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    recoveries.map(|finding| (text(&finding["of"]), text(&finding["hint"]))).collect()
}

/// Has a home make a new key for a member, as the founder's operator knows that member's node.
fn make(stage: &Stage, home: &str, member: &str, file: &str) -> Result<String, String> {
    let shown = json(stage, FOUNDER, &["member", "show", member]);
    let (node, pin) = (shown["card"]["address"].as_str().unwrap(), shown["card"]["tls"].as_str().unwrap());
    let consortium = stage.directory.path().join("consortium.toml");
    let place = ["--member", member, "--node", node, "--pin", pin, "--consortium", consortium.to_str().unwrap()];
    stage.try_run(home, &[&["member", "recover-key", "--out", file], &place[..]].concat())
}

fn pending(stage: &Stage, runtime: &tokio::runtime::Runtime, member: &str) -> bool {
    let client = stage.client(member);
    let text = runtime.block_on(async {
        let asked = client.endpoint().ask(http::Method::GET, "/metrics", http::HeaderMap::new(), client::http::empty());
        asked.await.unwrap().text().await.unwrap()
    });
    let value = text.lines().find_map(|line| line.strip_prefix("sottovoce_recovery_pending ")).unwrap();
    value.trim() == "1"
}

#[test]
fn a_lost_key_is_recovered_and_one_that_is_not_lost_is_not() {
    let mut stage = Stage::new();
    stage.found("Recovery");
    for member in ["st-anna", "riverside", "northgate"] {
        stage.join(member);
    }
    stage.begin(4, &[FOUNDER, "st-anna", "riverside", "northgate"], &[]);
    let directory = stage.directory.path().to_owned();
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let (consortium, file, other, late) =
        (path("consortium.toml"), path("st-anna.recovery"), path("other.recovery"), path("late.recovery"));
    stage.run(FOUNDER, &["member", "export", "--out", &consortium]);

    // St. Anna's operator has lost its wallet. Its old key is kept here to see that it is refused later.
    let refused = make(&stage, "st-anna", "st-anna", &file).unwrap_err();
    assert!(refused.contains("move it aside"), "{refused}");
    fs::create_dir(stage.home("old")).unwrap();
    fs::rename(stage.home("st-anna").join("operator"), stage.home("old").join("operator")).unwrap();
    let key = make(&stage, "st-anna", "st-anna", &file).unwrap();
    let stranger = stage.try_run("st-anna", &["gov", "parameters"]).unwrap_err();
    assert!(stranger.contains("not_permitted"), "{stranger}");

    // Ballots do not govern, or say nothing of recovery: there is none.
    let early = stage.try_run("riverside", &["gov", "propose", "recover", &file]).unwrap_err();
    assert!(early.contains("recovery_off") && early.contains("sotto gov"), "{early}");
    stage.run(FOUNDER, &["gov", "begin", "--no-recovery"]);
    let still = stage.try_run(FOUNDER, &["gov", "propose", "recover", &file]).unwrap_err();
    assert!(still.contains("recovery_off"), "{still}");
    stage.pass(FOUNDER, &["riverside", "northgate"], &["parameters", "--recovery-delay", "20s"]);
    let parameters = json(&stage, FOUNDER, &["gov", "parameters"]);
    assert_eq!(parameters["parameters"]["recovery"]["delay"], 20_000);

    // The others give it its new key, and nobody has to send anything for that to happen.
    let voters = [FOUNDER, "northgate"];
    let recovered = stage.pass("riverside", &voters, &["recover", &file, "--reason", "a burnt laptop"]);
    until("the new key is in force", || stage.try_run("st-anna", &["gov", "parameters"]).is_ok());
    assert_eq!(json(&stage, "st-anna", &["member", "show"])["card"]["operator"], key.as_str());
    assert_eq!(stage.run("st-anna", &["gov", "recoveries"]), "");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(add(&stage.client("st-anna"), "by-the-new-key")).unwrap();
    let ages = runtime.block_on(stage.client("st-anna").key_ages()).unwrap();
    for one in ages {
        assert_eq!(one.operator, (one.member != "st-anna").then_some(one.node), "{one:?}");
    }
    let refused = runtime.block_on(add(&stage.client("old"), "by-the-old-key")).unwrap_err();
    assert_eq!(refused.code(), Some("key_not_in_force"));
    let stranger = stage.try_run("old", &["member", "principal", "list"]).unwrap_err();
    assert!(stranger.contains("not_permitted"), "{stranger}");
    // Its node goes on as it did, and starts as it did.
    stage.kill("st-anna");
    stage.start("st-anna");
    runtime.block_on(add(&stage.client("st-anna"), "after-the-restart")).unwrap();
    let told = json(&stage, "st-anna", &["search", "events", "--name", "member.recovered"]);
    assert_eq!(told["items"][0]["detail"], key.as_str(), "{told}");

    // Somebody says that Northgate has lost its key, too; the members believe it, and have an hour now.
    stage.pass("st-anna", &voters, &["parameters", "--recovery-delay", "1h"]);
    make(&stage, "mallory", "northgate", &other).unwrap();
    let own = stage.try_run("northgate", &["gov", "propose", "recover", &other]).unwrap_err();
    assert!(own.contains("not_permitted"), "{own}");
    until("st-anna knows", || {
        json(&stage, "st-anna", &["gov", "parameters"])["parameters"]["recovery"]["delay"] == 3_600_000
    });
    assert!(!pending(&stage, &runtime, "northgate"));
    let proposal = stage.pass("st-anna", &[FOUNDER, "riverside"], &["recover", &other]);
    // Northgate is told by whatever it looks at, and objects.
    until("northgate's node knows", || stage.run("northgate", &["gov", "recoveries"]) == "northgate");
    assert!(pending(&stage, &runtime, "northgate") && !pending(&stage, &runtime, "st-anna"));
    let [(of, hint)] = &warnings(&stage, "northgate")[..] else { panic!("one warning") };
    assert!(of == "northgate" && hint.contains("sotto gov veto"), "{of} {hint}");
    assert!(warnings(&stage, "riverside")[0].1.contains("by another way"));
    until("the read model knows", || {
        let found = json(&stage, "northgate", &["search", "objects", "--kind", "member", "--status", "recovering"]);
        found["items"].as_array().is_some_and(|items| items.len() == 1)
    });
    let foreign = stage.try_run("riverside", &["gov", "veto", &proposal]).unwrap_err();
    assert!(foreign.contains("not_permitted"), "{foreign}");
    assert_eq!(stage.run("northgate", &["gov", "veto"]), proposal);
    assert_eq!(stage.run("northgate", &["gov", "show", &proposal]), "vetoed");
    assert!(warnings(&stage, "northgate").is_empty() && !pending(&stage, &runtime, "northgate"));
    let none = stage.try_run("northgate", &["gov", "veto"]).unwrap_err();
    assert!(none.contains("no_recovery"), "{none}");
    let mallory = stage.try_run("mallory", &["gov", "parameters"]).unwrap_err();
    assert!(mallory.contains("not_permitted"), "{mallory}");
    until("st-anna knows of the veto", || stage.run("st-anna", &["gov", "show", &proposal]) == "vetoed");
    let again = stage.try_run("st-anna", &["gov", "propose", "recover", &other]).unwrap_err();
    assert!(again.contains("key_taken"), "{again}");

    // A file that somebody changed on its way is no proposal.
    let changed = fs::read_to_string(&other).unwrap().replace("northgate", "riverside");
    fs::write(&late, changed).unwrap();
    let changed = stage.try_run("st-anna", &["gov", "propose", "recover", &late]).unwrap_err();
    assert!(changed.contains("has not signed it"), "{changed}");
    // What was decided can be proven to who holds the consortium file alone.
    let proof = path("recovery.proof");
    stage.run(FOUNDER, &["member", "export", "--out", &consortium]);
    stage.run(FOUNDER, &["state", "prove", &format!("proposal/{recovered}"), "--out", &proof]);
    stage.run(FOUNDER, &["verify", &proof, "--consortium", &consortium]);
}
