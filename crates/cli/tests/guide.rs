//! Runs the commands of `docs/user/guide.md`, in their order, on ports that are free.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

/// One fenced block: whose terminal, and its commands.
struct Block {
    terminal: String,
    commands: String,
}

/// The four terminals. Nodes that they started stop when their standard input closes, so that nothing outlives this
/// process whatever ends it; what does not stop is killed.
struct Terminals {
    directory: tempfile::TempDir,
    groups: Vec<(u32, Option<ChildStdin>)>,
}

impl Terminals {
    fn open(samples: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(samples, directory.path().join("samples")).unwrap();
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

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.directory.path().join(name)).unwrap()
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
    let mut blocks = Vec::new();
    for part in page.split("```sh\n").skip(1) {
        let (body, _) = part.split_once("\n```").expect("every block ends");
        let (first, commands) = body.split_once('\n').expect("a block has commands");
        let terminal = first.strip_prefix("# terminal: ").expect("a block begins with its terminal").to_owned();
        blocks.push(Block { terminal, commands: commands.to_owned() });
    }
    blocks
}

/// The page with a free port in place of each of its own.
fn with_free_ports(page: &str) -> String {
    let ports: BTreeMap<&str, TcpListener> =
        page.split("127.0.0.1:").skip(1).map(|rest| (&rest[..4], TcpListener::bind("127.0.0.1:0").unwrap())).collect();
    ports.iter().fold(page.to_owned(), |page, (port, listener)| {
        page.replace(&format!("127.0.0.1:{port}"), &listener.local_addr().unwrap().to_string())
    })
}

#[test]
fn the_guides_commands_do_what_it_says() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let page = fs::read_to_string(root.join("docs/user/guide.md")).unwrap();
    let blocks = blocks(&with_free_ports(&page));
    assert!(blocks.len() > 15);
    let mut terminals = Terminals::open(&root.join("samples"));
    let told: String = blocks.iter().enumerate().map(|(number, block)| terminals.run(number, block)).collect();
    for expected in ["the data was released", "the result was computed", "is whole", "Dr. Maria Lind"] {
        assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
    }

    // A receipt with one changed byte proves nothing.
    let mut receipt = terminals.file("release.receipt");
    let at = receipt.len() / 2;
    receipt[at] = if receipt[at] == b'A' { b'B' } else { b'A' };
    fs::write(terminals.directory.path().join("forged.receipt"), receipt).unwrap();
    let forged = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .args(["verify", "forged.receipt", "--consortium", "st-anna.toml"])
        .current_dir(terminals.directory.path())
        .output()
        .unwrap();
    assert!(!forged.status.success() && forged.stdout.is_empty());
}
