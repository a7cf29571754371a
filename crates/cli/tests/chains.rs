//! One process serves two consortia with different members, and votes in both. Real nodes, by the commands that operators use.

#[expect(dead_code, reason = "the governance's test uses all of it")]
#[path = "shared/stage.rs"]
mod stage;

use std::fs::{self, File};
use std::process::{Child, Stdio};

use stage::{FOUNDER, Stage, ports, until};

/// Two homes of one organisation: in the founder's consortium, and in its own.
const TRIALS: &str = "st-anna";
const RARE: &str = "st-anna-rare";

/// The other validators of each, without the founder's consortium's founder.
const OTHERS: [&str; 2] = ["northgate", "eastfield"];
const OTHERS_RARE: [&str; 3] = ["riverside", "lakeside", "hillside"];

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
    OTHERS.iter().for_each(|member| stage.join(member));
    for member in OTHERS_RARE {
        let (invitation, fingerprint) = invite(&stage, RARE, member);
        stage.join_with(member, &invitation, &fingerprint);
    }

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let members = |stage: &Stage, home: &str| {
        let members = runtime.block_on(stage.client(home).members()).unwrap();
        members.into_iter().map(|member| member.card.name).collect::<Vec<_>>()
    };
    let add = |stage: &Stage, home: &str, name: &str| {
        let placed = runtime.block_on(stage::add(&stage.client(home), name)).unwrap();
        assert_eq!(placed.code, "ok");
    };
    let principals = |stage: &Stage, home: &str| {
        let found = runtime.block_on(stage.client(home).principals()).unwrap();
        found.into_iter().map(|principal| principal.name).collect::<Vec<_>>()
    };
    until("both know their members", || {
        members(&stage, TRIALS) == ["eastfield", FOUNDER, "northgate", "st-anna"]
            && members(&stage, RARE) == ["hillside", "lakeside", "riverside", "st-anna"]
    });
    add(&stage, TRIALS, "kept-for-trials");
    add(&stage, RARE, "kept-for-rare");
    // One consortium's keys are nobody's in the other.
    let stranger = stage.run(TRIALS, &["key"]);
    assert!(!stage.run(RARE, &["member", "show"]).contains(&stranger));

    // In both the validators order together, and the process votes in both.
    stage.begin(4, &[&[FOUNDER, TRIALS], &OTHERS[..]].concat(), &[]);
    stage.begin_by(RARE, 4, &[&[RARE], &OTHERS_RARE[..]].concat(), &[]);
    add(&stage, TRIALS, "together-in-trials");
    add(&stage, RARE, "together-in-rare");

    // Killed, it is missed by neither consortium, and comes back in both by one start, with what it had and what it has missed.
    both.kill();
    add(&stage, FOUNDER, "meanwhile");
    add(&stage, "riverside", "meanwhile");
    both = Both::start(&stage);
    for home in [TRIALS, RARE] {
        until("it votes again", || stage.run(home, &["member", "validators", "show"]) == "quorum 4");
    }
    // Each consortium loses another validator: with three of four, each needs the vote of the one that came back.
    stage.kill("northgate");
    stage.kill("hillside");
    add(&stage, TRIALS, "later");
    add(&stage, RARE, "later");
    assert_eq!(principals(&stage, TRIALS), ["kept-for-trials", "later", "together-in-trials"]);
    assert_eq!(principals(&stage, RARE), ["kept-for-rare", "later", "together-in-rare"]);
    for (home, other) in [(TRIALS, FOUNDER), (RARE, "riverside")] {
        let height = runtime.block_on(stage.client(home).health()).unwrap().height;
        until("another member has it", || runtime.block_on(stage.client(other).health()).unwrap().height >= height);
        assert!(principals(&stage, other).contains(&"meanwhile".to_owned()));
    }

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
