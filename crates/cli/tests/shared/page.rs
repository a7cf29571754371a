//! Pages of `docs/` whose commands are run, in their order, on ports that are free.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

#[path = "ports.rs"]
mod ports;

/// Runs the commands of a page; returns its terminals, where their nodes still run, and all that was told.
pub(crate) fn run(page: &str) -> (Terminals, String) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let page = fs::read_to_string(root.join(page)).unwrap();
    let blocks = blocks(&with_free_ports(&page));
    assert!(!blocks.is_empty());
    let mut terminals = Terminals::open(&root.join("samples"));
    let told: String = blocks.iter().enumerate().map(|(number, block)| terminals.run(number, block)).collect();
    // What the page shows is what was told.
    for shown in fenced(&page, "text") {
        assert!(told.contains(shown), "the page shows\n{shown}\nwhich is not in:\n{told}");
    }
    (terminals, told)
}

/// One fenced block: whose terminal, and its commands.
struct Block {
    terminal: String,
    commands: String,
}

/// The terminals of a page, in one directory. Nodes that they started stop when their standard input closes, so that
/// nothing outlives this process whatever ends it; what does not stop is killed.
pub(crate) struct Terminals {
    directory: tempfile::TempDir,
    groups: Vec<(u32, Option<ChildStdin>)>,
}

impl Terminals {
    fn open(samples: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(samples, directory.path().join("samples")).unwrap();
        Self { directory, groups: Vec::new() }
    }

    /// Runs a block in its terminal; variables stay for the terminal's next block.
    fn run(&mut self, number: usize, block: &Block) -> String {
        let at = |name: String| self.directory.path().join(name);
        let (log, state) = (at(format!("{number:02}.log")), at(format!("{}.state", block.terminal)));
        let state = state.display();
        let script = format!(
            "exec 3<&0 </dev/null; [ ! -e {state} ] || . {state}; set -euo pipefail; set -a\n{}\nexport -p > {state}\n",
            block.commands.replace("sotto node run &", "sotto node run --stop-with-stdin <&3 &")
        );
        let output = File::create(&log).unwrap();
        let mut child = Command::new("bash")
            .args(["-c", &script])
            .current_dir(self.directory.path())
            .env("PATH", path_with_sotto())
            .env_remove("SOTTO_HOME")
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap();
        self.groups.push((child.id(), child.stdin.take()));
        let status = child.wait().unwrap();
        let told = fs::read_to_string(&log).unwrap();
        let Block { terminal, commands } = block;
        assert!(status.success(), "block {number}, terminal {terminal}:\n{commands}\n{told}\n{}", self.complaints());
        told
    }

    /// What the nodes had to say.
    fn complaints(&self) -> String {
        let mut logs: Vec<PathBuf> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        let tell = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap();
            let lines: Vec<&str> =
                text.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
            format!("{}:\n{}", path.display(), lines.join("\n"))
        };
        logs.iter().map(tell).collect::<Vec<_>>().join("\n")
    }

    /// A file in the terminals' directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        for (_, input) in &mut self.groups {
            drop(input.take());
        }
        std::thread::sleep(Duration::from_secs(1));
        for (group, _) in &self.groups {
            // Most groups are gone by now.
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
        }
    }
}

fn path_with_sotto() -> String {
    let directory = Path::new(env!("CARGO_BIN_EXE_sotto")).parent().unwrap();
    format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default())
}

/// The `sh` blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let block = |body: &str| {
        let (first, commands) = body.split_once('\n').expect("a block has commands");
        let terminal = first.strip_prefix("# terminal: ").expect("a block begins with its terminal").to_owned();
        Block { terminal, commands: commands.to_owned() }
    };
    fenced(page, "sh").into_iter().map(block).collect()
}

/// What stands in a page's blocks of this kind.
fn fenced<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    page.split(&fence).skip(1).map(|part| part.split_once("\n```").expect("every block ends").0).collect()
}

/// The page with a free port in place of each of its own.
fn with_free_ports(page: &str) -> String {
    let own: BTreeSet<&str> = page.split("127.0.0.1:").skip(1).map(|rest| &rest[..4]).collect();
    own.iter().fold(page.to_owned(), |page, port| page.replace(&format!("127.0.0.1:{port}"), &ports::free()))
}
