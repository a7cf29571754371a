//! What ends by itself, once the members have agreed on it: a request that nobody decides. Real nodes, homes of an earlier version, and nobody who
//! sends anything meanwhile.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::path::Path;
use std::process::Command;

use stage::{FOUNDER, Stage, until};

const MEMBERS: [&str; 4] = [FOUNDER, "st-anna", "riverside", "northgate"];

#[test]
fn a_request_that_nobody_decides_ends_by_itself() {
    let mut stage = Stage::new();
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first/consortium.tar.gz");
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(stage.directory.path()).status().unwrap();
    assert!(unpacked.success());
    let path = |name: &str| stage.directory.path().join(name).to_str().unwrap().to_owned();
    let (credential, waiting) = (path("m-lind.credential"), std::fs::read_to_string(path("waiting")).unwrap());
    for member in MEMBERS {
        stage.start(member);
    }
    for member in MEMBERS {
        until(&format!("{member} votes"), || stage.run(member, &["member", "validators", "show"]) == "quorum 4");
    }
    stage.pass("st-anna", &["riverside", "northgate"], &["parameters", "--deadlines", "20s"]);
    until("m-lind's node knows", || {
        stage.json("st-anna", &["gov", "parameters"])["parameters"]["deadlines"]["undecided"] == 20_000
    });

    let apply = ["--purpose", "research", "--justification", "nobody answers", "--credential", &credential];
    let request = stage.run("m-lind", &[&["request", "apply", "northgate/trial/release"], &apply[..]].concat());
    let shown = |request: &str| stage.json("m-lind", &["request", "show", request]);
    assert!(shown(&request)["lapses"].as_u64().is_some());
    until("the request has ended", || shown(&request)["request"]["phase"]["state"] == "refused");
    let ended = shown(&request);
    assert_eq!(ended["request"]["phase"]["detail"], "request_expired");
    assert!(ended["lapses"].is_null());
    // One from before waits as it did.
    assert_eq!(shown(waiting.trim())["request"]["phase"]["state"], "pending");

    until("the steward knows", || stage.json("dr-okafor", &["request", "show", &request])["lapses"].is_null());
    let refused = stage.try_run("dr-okafor", &["approve", &request]).unwrap_err();
    assert!(refused.contains("request_closed"), "{refused}");
    for member in MEMBERS {
        let find = ["search", "objects", "--code", "request_expired"];
        until(&format!("{member} finds it"), || stage.run(member, &find) == request);
        let events = stage.json(member, &["search", "events", "--name", "request.expired"]);
        assert_eq!(events["items"][0]["subject"], request.as_str(), "{events}");
    }
}
