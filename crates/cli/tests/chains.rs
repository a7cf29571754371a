//! One process serves two consortia with different members. Real nodes, by the commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::fs::{self, File};
use std::process::{Child, Stdio};

use stage::{FOUNDER, Stage, ports, until};

/// Two homes of one organisation: in the founder's consortium, and in its own.
const TRIALS: &str = "st-anna";
const RARE: &str = "st-anna-rare";

#[test]
fn one_process_serves_consortia_with_different_members() {
    let mut stage = Stage::new();
    stage.found("Trials");
    let place = || [ports::free(), ports::free()];
    let invite = |stage: &Stage, by: &str, whom: &str| {
        let file = stage.directory.path().join(format!("{whom}.invitation")).to_str().unwrap().to_owned();
        let fingerprint = stage.run(by, &["invite", whom, "--out", &file]);
        (file, fingerprint)
    };
    let (invitation, fingerprint) = invite(&stage, FOUNDER, "st-anna");
    let [listen, order] = place();
    let seat = ["--listen", &listen, "--order-listen", &order, "--fingerprint", &fingerprint];
    stage.run(TRIALS, &[&["join", &invitation], &seat[..]].concat());
    let [listen, order] = place();
    let founding = ["init", "--member", "st-anna", "--consortium", "Rare diseases", "--listen", &listen];
    stage.run(RARE, &[&founding[..], &["--order-listen", &order]].concat());

    let mut both = Both::start(&stage);
    let (invitation, fingerprint) = invite(&stage, RARE, "riverside");
    stage.join_with("riverside", &invitation, &fingerprint);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let members = |home: &str| {
        let members = runtime.block_on(stage.client(home).members()).unwrap();
        members.into_iter().map(|member| member.card.name).collect::<Vec<_>>()
    };
    let add = |home: &str, name: &str| {
        let placed = runtime.block_on(stage::add(&stage.client(home), name)).unwrap();
        assert_eq!(placed.code, "ok");
    };
    let principals = |home: &str| {
        let found = runtime.block_on(stage.client(home).principals()).unwrap();
        found.into_iter().map(|principal| principal.name).collect::<Vec<_>>()
    };
    until("both know their members", || {
        members(TRIALS) == [FOUNDER, "st-anna"] && members(RARE) == ["riverside", "st-anna"]
    });
    add(TRIALS, "kept-for-trials");
    add(RARE, "kept-for-rare");
    // One consortium's keys are nobody's in the other.
    let stranger = stage.run(TRIALS, &["key"]);
    assert!(!stage.run(RARE, &["member", "show"]).contains(&stranger));

    // Killed, both come back by one start, each with what it had.
    both.kill();
    both = Both::start(&stage);
    add(TRIALS, "later");
    add(RARE, "later");
    assert_eq!(principals(TRIALS), ["kept-for-trials", "later"]);
    assert_eq!(principals(RARE), ["kept-for-rare", "later"]);
    until("the other member has it", || {
        let found = runtime.block_on(stage.client("riverside").health()).unwrap();
        found.height >= runtime.block_on(stage.client(RARE).health()).unwrap().height
    });

    // They end together, in order.
    let told = both.end();
    assert!(told.contains(RARE) && told.matches("the node has stopped").count() == 2, "{told}");
}

#[test]
fn homes_that_cannot_run_together_are_told_apart() {
    let stage = Stage::new();
    let listen = ports::free();
    for home in [TRIALS, RARE] {
        stage.run(home, &["init", "--member", "st-anna", "--consortium", "Trials", "--listen", &listen]);
    }
    let path = |home: &str| stage.home(home).to_str().unwrap().to_owned();
    let refused = |with: &str| stage.try_run(TRIALS, &["node", "run", "--with", with]).unwrap_err();
    assert!(refused(&path(RARE)).contains("have the same `listen`"));
    assert!(refused(&path(TRIALS)).contains("have the same `data_dir`"));
    assert!(refused(&path("nowhere")).contains("there is no node at"));
    assert!(refused("=file").contains("name a home"));

    // Where one cannot run none stays behind.
    let config = stage.home(RARE).join("node/node.toml");
    let text = fs::read_to_string(&config).unwrap().replace(&listen, &ports::free());
    fs::write(&config, text).unwrap();
    let wrong = stage.directory.path().join("wrong");
    fs::write(&wrong, "another passphrase").unwrap();
    let told = refused(&format!("{}={}", path(RARE), wrong.display()));
    assert!(told.contains(&format!("the node of {} cannot run", path(RARE))), "{told}");
}

/// The process that serves both homes.
struct Both {
    process: Child,
    log: std::path::PathBuf,
}

impl Both {
    fn start(stage: &Stage) -> Self {
        let log = stage.home(TRIALS).join("node.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = stage.command(TRIALS);
        let passphrase = stage.directory.path().join("passphrase");
        let with = format!("{}={}", stage.home(RARE).display(), passphrase.display());
        command.args(["node", "run", "--stop-with-stdin", "--with", &with]).stdin(Stdio::piped());
        let process = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let both = Self { process, log };
        for home in [TRIALS, RARE] {
            stage.run(home, &["node", "status", "--wait", "90"]);
        }
        both
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What they have written by the end.
    fn end(mut self) -> String {
        drop(self.process.stdin.take());
        assert!(self.process.wait().unwrap().success());
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
