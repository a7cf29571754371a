//! A contract of one consortium acts on what another's ledger says: real nodes of both, by the commands that operators use.

#[expect(dead_code, reason = "the validators' tests use all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::cell::Cell;
use std::fs;

use serde_json::Value;
use stage::{FOUNDER, Stage, ports, until};

/// The home of the one member of the other consortium.
const TIDELAND: &str = "harbour";
const FACTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/contracts/facts/facts.wasm");

/// A file of its own name each time.
struct Files<'a>(&'a Stage, Cell<u32>);

impl Files<'_> {
    fn next(&self, what: &str) -> String {
        self.1.set(self.1.get() + 1);
        self.0.directory.path().join(format!("{}.{what}", self.1.get())).to_str().unwrap().to_owned()
    }

    /// What Tideland's ledger says of a key now.
    fn proof(&self, key: &str) -> String {
        let file = self.next("state");
        // While validators begin their nodes may not have found each other.
        until("the members of the other consortium cosign", || {
            self.0.try_run(TIDELAND, &["state", "prove", key, "--out", &file]).is_ok()
        });
        file
    }

    fn consortium(&self) -> String {
        let file = self.next("toml");
        self.0.run(TIDELAND, &["member", "export", "--out", &file]);
        file
    }
}

fn json(stage: &Stage, arguments: &[&str]) -> Value {
    let output = stage.command(FOUNDER).arg("--json").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_contract_acts_on_what_another_consortiums_ledger_says() {
    let mut stage = Stage::new();
    stage.found("Bookings");
    let [listen, order] = [ports::free(), ports::free()];
    let founding = ["init", "--member", "harbour", "--consortium", "Tideland", "--listen", &listen];
    stage.run(TIDELAND, &[&founding[..], &["--order-listen", &order]].concat());
    stage.start(TIDELAND);
    stage.run(FOUNDER, &["gov", "begin"]);
    {
        let files = Files(&stage, Cell::new(0));
        let consortium = files.consortium();
        // Not one's own ledger.
        let own = files.next("toml");
        stage.run(FOUNDER, &["member", "export", "--out", &own]);
        let propose = ["gov", "propose", "verifier", "tideland", "--consortium"];
        let refused = |more: &[&str]| stage.try_run(FOUNDER, &[&propose[..], more].concat()).unwrap_err();
        assert!(refused(&[&own]).contains("verifier_refused"));
        assert!(refused(&[FACTS]).contains("cannot be used") || refused(&[FACTS]).contains("UTF-8"));
        assert!(refused(&[&consortium, "--replace"]).contains("unknown_verifier"));

        // The only member's own vote decides.
        let proposal = stage.run(FOUNDER, &[&propose[..], &[&consortium]].concat());
        assert_eq!(stage.run(FOUNDER, &["gov", "show", &proposal]), "passed");
        let digest = stage.run(FOUNDER, &["verifier", "digest", &consortium]);
        assert_eq!(stage.run(FOUNDER, &["verifier", "show", "tideland"]), digest);
        assert_eq!(stage.run(FOUNDER, &["verifier", "list"]), "tideland");
        let view = json(&stage, &["verifier", "show", "tideland"]);
        assert_eq!((&view["system"], &view["ledger"]["name"]), (&"ledger.state/v1".into(), &"Tideland".into()));
        assert!(refused(&[&consortium]).contains("verifier_exists"));
        stage.run(FOUNDER, &["gov", "propose", "install", "x-facts", "--module", FACTS]);

        let learn =
            |file: &str| stage.try_run(FOUNDER, &["call", "x-facts", "learn", "tideland", &format!("file:{file}")]);
        let proof = files.proof("member/harbour");
        let text = fs::read_to_string(&proof).unwrap();
        // One letter of the record, of the header, of the checkpoint and of the cosignature.
        for at in [text.find("proven ").unwrap() + 60, text.find("\n\n").unwrap() + 90, text.len() - 20] {
            let tampered = files.next("state");
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            fs::write(&tampered, bytes).unwrap();
            let told = learn(&tampered).unwrap_err();
            assert!(told.contains("x-facts.not_proven"), "{told}");
        }
        let missing = learn("nowhere.state").unwrap_err();
        assert!(missing.contains("nowhere.state"), "{missing}");
        learn(&proof).unwrap();
        let read = |key: &str| stage.run(FOUNDER, &["module", "read", "x-facts", &format!("fact/tideland/{key}")]);
        let record = read("member/harbour");
        assert!(record.contains(&wire::text::to_hex(b"harbour")), "{record}");
        assert!(learn(&proof).unwrap_err().contains("x-facts.known"));
        learn(&files.proof("member/st-anna")).unwrap();
        assert_eq!(read("member/st-anna"), "");
    }

    // Tideland has another member, and with it other validators: they are believed once the members here have said so.
    let invitation = stage.directory.path().join("invitation").to_str().unwrap().to_owned();
    let fingerprint = stage.run(TIDELAND, &["invite", "st-anna", "--out", &invitation]);
    stage.join_with("st-anna", &invitation, &fingerprint);
    // The block in which it joined is the old validators' last; the next is of the new ones.
    let next = stage.directory.path().join("next.invitation").to_str().unwrap().to_owned();
    stage.run(TIDELAND, &["invite", "riverside", "--out", &next]);
    let files = Files(&stage, Cell::new(100));
    let learn = |file: &str| stage.try_run(FOUNDER, &["call", "x-facts", "learn", "tideland", &format!("file:{file}")]);
    let proof = files.proof("member/st-anna");
    let told = learn(&proof).unwrap_err();
    assert!(told.contains("x-facts.not_proven"), "{told}");
    let newer = files.consortium();
    stage.run(FOUNDER, &["gov", "propose", "verifier", "tideland", "--consortium", &newer, "--replace"]);
    learn(&proof).unwrap();
    let read = ["module", "read", "x-facts", "fact/tideland/member/st-anna"];
    assert!(stage.run(FOUNDER, &read).contains(&wire::text::to_hex(b"st-anna")));

    stage.run(FOUNDER, &["gov", "propose", "retire", "tideland"]);
    let told = learn(&proof).unwrap_err();
    assert!(told.contains("x-facts.unknown_verifier"), "{told}");
    assert_eq!(stage.run(FOUNDER, &["verifier", "list"]), "");
    assert!(
        stage.try_run(FOUNDER, &["gov", "propose", "retire", "tideland"]).unwrap_err().contains("unknown_verifier")
    );
}
