//! The demo as its user sees it: what it prints, what it leaves, and that nothing outlives it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ledger::Consortium;
use serde_json::Value;

#[path = "shared/python.rs"]
mod python;

#[test]
fn it_shows_what_it_says_and_again() {
    let kept = tempfile::tempdir().unwrap();
    let first = account(&demo(kept.path()).output().unwrap(), kept.path());
    let earlier = fs::read_to_string(path(&first["consortium"])).unwrap();
    let second = account(&demo(kept.path()).output().unwrap(), kept.path());

    let elsewhere = tempfile::tempdir().unwrap();
    let consortium = elsewhere.path().join("pinned.toml");
    fs::copy(path(&second["consortium"]), &consortium).unwrap();
    let receipts = second["receipts"].as_array().unwrap().iter().map(|receipt| {
        let copy = elsewhere.path().join(path(receipt).file_name().unwrap());
        fs::copy(path(receipt), &copy).unwrap();
        copy
    });
    let receipts: Vec<PathBuf> = receipts.collect();
    // They prove what they prove wherever they are, without what the demo left.
    drop(kept);
    for receipt in &receipts {
        assert!(accepted(&verify(receipt, Some(&consortium))), "{}", receipt.display());
        assert!(accepted(&verify_in_python(receipt, Some(&consortium))), "{}", receipt.display());
        assert!(!accepted(&verify(receipt, None)) && !accepted(&verify_in_python(receipt, None)));
        // Another run is another consortium.
        let other = elsewhere.path().join("earlier.toml");
        fs::write(&other, &earlier).unwrap();
        assert!(!accepted(&verify(receipt, Some(&other))) && !accepted(&verify_in_python(receipt, Some(&other))));
    }
    changes_are_refused(&receipts, &consortium);
}

#[test]
fn it_shows_what_becomes_of_a_party_that_dies() {
    let kept = tempfile::tempdir().unwrap();
    let told = account(&demo(kept.path()).args(["--drop", "riverside"]).output().unwrap(), kept.path());
    assert_eq!(told["dropped"]["member"], "riverside");
    let aborted = told["dropped"]["aborted"].as_str().unwrap();
    assert!(aborted.contains("computation_failed") && aborted.contains("riverside"), "{aborted}");
    // Who, at what, and why.
    let phases = ["verifying and giving out", "keeping what is verified"];
    assert!(phases.iter().any(|phase| aborted.contains(&format!(", while {phase}"))), "{aborted}");
    assert_eq!(told["dropped"]["resumed"], "after 5 operations that an earlier run had kept");
    assert!(told["timings_ms"]["compute_cancelled"].as_u64().unwrap() < 10_000, "{told}");
    assert!(told["timings_ms"]["compute_destroyed"].is_u64(), "{told}");
    // The contracts of two computations ended: all parties have destroyed shares and checkpoints, which the demo looked for on their disks.
    assert_eq!(told["dropped"]["ended"], serde_json::json!(["northgate", "riverside", "st-anna"]));
    assert!(told["timings_ms"]["compute_ended"].is_u64(), "{told}");
    // What a computation keeps on the way is gone when it is done, or withdrawn; the keys that could read it are, too.
    let left = |member: &str| fs::read_dir(kept.path().join(member).join("node/compute")).unwrap().count();
    assert_eq!(["st-anna", "riverside", "northgate"].map(left), [0; 3]);
    // The result without riverside has three shares, one of them the helper's: both readers follow.
    let (receipt, consortium) = (kept.path().join("receipts/compute-without-one.receipt"), path(&told["consortium"]));
    assert!(accepted(&verify_in_python(&receipt, Some(consortium))));
    let verified = verify(&receipt, Some(consortium));
    assert!(accepted(&verified));
    let steps = String::from_utf8(verified.stdout).unwrap();
    assert!(steps.contains("shamir (malicious)") && steps.contains("health-authority"), "{steps}");
}

#[test]
fn it_shows_that_validators_go_on_without_the_founder() {
    let kept = tempfile::tempdir().unwrap();
    let told = account(&demo(kept.path()).args(["--kill", "health-authority"]).output().unwrap(), kept.path());
    assert_eq!(told["killed"]["member"], "health-authority");
    let [killed, back] = [0, 1].map(|place| told["killed"]["blocks"][place].as_u64().unwrap());
    // All of the release, the computation and the refusals was ordered in between.
    assert!(back >= killed + 15, "{told}");
    assert!(told["timings_ms"]["catch_up"].as_u64().unwrap() < 30_000, "{told}");
}

#[test]
fn it_shows_how_a_third_node_carries_for_two_without_a_link() {
    let kept = tempfile::tempdir().unwrap();
    let told = account(&demo(kept.path()).arg("--cut").output().unwrap(), kept.path());
    assert_eq!(told["cut"]["members"], serde_json::json!(["riverside", "northgate"]));
    // Both ask st-anna first, and where it takes its time, the next one.
    let carriers = told["cut"]["carriers"].as_array().unwrap();
    assert!(!carriers.is_empty() && carriers.iter().all(|one| one == "st-anna" || one == "health-authority"), "{told}");
    assert!(told["timings_ms"]["compute_by_a_third_node"].as_u64().unwrap() < 20_000, "{told}");
    let (receipt, consortium) = (kept.path().join("receipts/compute-cut.receipt"), path(&told["consortium"]));
    let verified = verify(&receipt, Some(consortium));
    assert!(accepted(&verified) && accepted(&verify_in_python(&receipt, Some(consortium))));
    assert!(String::from_utf8(verified.stdout).unwrap().contains("rep3 (malicious)"));
}

#[test]
fn nothing_outlives_a_demo_that_is_killed() {
    let mut demo = Demo::start();
    demo.until("the release was received", |demo| demo.place().join("received-northgate.csv").exists());
    assert_eq!(processes(demo.place()).len(), 5);
    demo.child.kill().unwrap();
    assert_eq!(demo.ended(Duration::from_secs(5)).signal(), Some(9));
    demo.nothing_is_left();
}

#[test]
fn nothing_outlives_a_demo_that_is_interrupted() {
    let mut demo = Demo::start();
    demo.until("the third node runs", |demo| processes(demo.place()).len() > 3);
    signal("-INT", demo.child.id());
    assert_eq!(demo.ended(Duration::from_secs(20)).code(), Some(1));
    demo.nothing_is_left();
}

#[test]
fn nothing_outlives_a_demo_whose_node_dies() {
    let mut demo = Demo::start();
    demo.until("the release was received", |demo| demo.place().join("received-northgate.csv").exists());
    let [node] = processes(&demo.place().join("riverside"))[..] else { panic!("riverside's node does not run") };
    signal("-KILL", node);
    assert_eq!(demo.ended(Duration::from_secs(60)).code(), Some(1));
    demo.nothing_is_left();
    let told: Value =
        serde_json::from_str(&std::io::read_to_string(demo.child.stdout.take().unwrap()).unwrap()).unwrap();
    assert!(told.to_string().contains("riverside"), "{told}");
}

/// What a demo that went well told, compared with what it must tell.
fn account(output: &Output, directory: &Path) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stdout));
    let account: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert!(processes(directory).is_empty(), "a node outlived the demo");

    assert_eq!(account["members"], serde_json::json!(["health-authority", "st-anna", "riverside", "northgate"]));
    let northgate =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/hospitals/northgate.csv")).unwrap();
    assert_eq!(account["release"]["sha256"], crypto::sha256(&[&northgate]).to_string());
    let expected = python::in_clear("hospitals");
    let arms = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        (arms(&account["compute"]), arms(&expected)),
        (ARMS.map(str::to_owned).to_vec(), ARMS.map(str::to_owned).to_vec())
    );
    for (arm, figure) in ARMS.iter().flat_map(|arm| FIGURES.iter().map(move |figure| (*arm, *figure))) {
        let (found, expected) = (&account["compute"][arm][figure], &expected[arm][figure]);
        assert!(python::equal(found, expected), "arm {arm}, {figure}: {found}, in clear {expected}");
    }
    let refusals = account["refusals"].as_array().unwrap();
    let refusals: Vec<_> =
        refusals.iter().map(|one| [&one["case"], &one["code"]].map(|text| text.as_str().unwrap())).collect();
    assert_eq!(refusals, REFUSALS);
    assert!(account["timings_ms"].as_object().unwrap().len() > 5);

    let directory = directory.canonicalize().unwrap();
    assert!(path(&account["consortium"]).starts_with(&directory));
    let receipts: BTreeSet<&Path> = account["receipts"].as_array().unwrap().iter().map(path).collect();
    let there = fs::read_dir(directory.join("receipts")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(there.collect::<BTreeSet<_>>().iter().map(PathBuf::as_path).collect::<BTreeSet<_>>(), receipts);
    for ending in ["release.receipt", "compute.receipt"] {
        assert!(receipts.contains(&*directory.join("receipts").join(ending)));
    }
    account
}

/// Both readers refuse each of a thousand receipts with one byte changed.
fn changes_are_refused(receipts: &[PathBuf], consortium: &Path) {
    let directory = tempfile::tempdir().unwrap();
    let whole: Vec<Vec<u8>> = receipts.iter().map(|receipt| fs::read(receipt).unwrap()).collect();
    let pinned = Consortium::parse(&fs::read_to_string(consortium).unwrap()).unwrap();
    let mut random = Random(SEED);
    let mut names = Vec::new();
    for number in 0..CHANGES {
        let mut receipt = whole[number % whole.len()].clone();
        let (at, change) = (random.below(receipt.len()), 1 + random.below(255) as u8);
        receipt[at] ^= change;
        let name = directory.path().join(format!("{number}.receipt"));
        fs::write(&name, &receipt).unwrap();
        let verified =
            std::str::from_utf8(&receipt).is_ok_and(|text| client::verify::verify_under(text, &pinned).is_ok());
        let which = receipts[number % whole.len()].display();
        assert!(!verified, "change {number} is not noticed: byte {at} of {which}, by {change:#04x}");
        names.push(name);
    }

    let list = directory.path().join("names");
    fs::write(&list, names.iter().map(|name| format!("{}\n", name.display())).collect::<String>()).unwrap();
    let told = python::run(
        "interop/verify_receipt.py",
        ["--batch".into(), "--consortium".into(), consortium.to_owned()],
        Some(File::open(list).unwrap()),
    );
    let told = String::from_utf8(told.stdout).unwrap();
    assert_eq!(told.lines().count(), CHANGES, "{told}");
    for (number, line) in told.lines().enumerate() {
        assert!(line.starts_with("refused: "), "change {number}: {line}");
    }

    // The command reads no other way than the library; a few of each receipt show that.
    for name in names.iter().step_by(CHANGES / 20 + 1) {
        assert!(!accepted(&verify(name, Some(consortium))), "{}", name.display());
    }
}

/// Whether a reader accepted a receipt: by its status, and a refusal says nothing that could be taken for an answer.
fn accepted(output: &Output) -> bool {
    assert!(output.status.success() || output.stdout.is_empty());
    output.status.success()
}

fn verify(receipt: &Path, consortium: Option<&Path>) -> Output {
    let mut command = sotto();
    command.arg("verify").arg(receipt);
    if let Some(consortium) = consortium {
        command.arg("--consortium").arg(consortium);
    }
    command.output().unwrap()
}

fn verify_in_python(receipt: &Path, consortium: Option<&Path>) -> Output {
    let mut arguments = vec![receipt.to_owned()];
    arguments.extend(consortium.into_iter().flat_map(|consortium| ["--consortium".into(), consortium.to_owned()]));
    python::run("interop/verify_receipt.py", arguments, None)
}

fn demo(directory: &Path) -> Command {
    let mut command = sotto();
    command.args(["demo", "--json", "--keep"]).arg(directory);
    command
}

fn sotto() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
    command.env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE").env_remove("CREDENTIALS_DIRECTORY");
    command.stdin(Stdio::null());
    command
}

fn path(value: &Value) -> &Path {
    Path::new(value.as_str().expect("a path"))
}

/// A demo under way, which is ended with this.
struct Demo {
    directory: tempfile::TempDir,
    child: Child,
}

impl Demo {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let child = demo(directory.path()).stdout(Stdio::piped()).spawn().unwrap();
        Self { directory, child }
    }

    fn place(&self) -> &Path {
        self.directory.path()
    }

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert_eq!(self.child.try_wait().unwrap(), None, "the demo ended before {what}");
            assert!(begun.elapsed() < Duration::from_secs(60), "a minute went by before {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ended(&mut self, within: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < within, "the demo did not end in {within:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn nothing_is_left(&self) {
        let begun = Instant::now();
        while !processes(self.place()).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "left: {:?}", processes(self.place()));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that were told of this path.
fn processes(path: &Path) -> Vec<u32> {
    let path = path.to_str().unwrap().as_bytes();
    let pids = fs::read_dir("/proc")
        .expect("/proc tells of processes")
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        // One that has ended meanwhile has none.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(path.len()).any(|part| part == path)
    })
    .collect()
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): the same changes in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

const SEED: u64 = 175;
const CHANGES: usize = 1000;
const ARMS: [&str; 4] = ["0", "1", "2", "3"];
const FIGURES: [&str; 6] = ["patients", "mean_change", "sd_change", "event_share", "patients_96", "mean_change_96"];
/// Each case with its code, in the order in which they are told.
const REFUSALS: [[&str; 2]; 7] = [
    ["wrong_purpose", "purpose_not_allowed"],
    ["not_accredited", "not_accredited"],
    ["too_few_approvals", "approvals_missing"],
    ["grant_used_twice", "grant_already_used"],
    ["grant_stolen", "grant_wrong_key"],
    ["after_window", "grant_expired"],
    ["verdict_changed", "verdict_invalid"],
];
