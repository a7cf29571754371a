//! What outsiders read: the help of every command, and the errors of a command line. `BLESS=1` rewrites the snapshots.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn sotto(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sotto"));
    command.args(args).env("COLUMNS", "100").env_remove("SOTTO_HOME").env_remove("SOTTO_PASSPHRASE_FILE");
    command.env_remove("CREDENTIALS_DIRECTORY").stdin(std::process::Stdio::null()).output().unwrap()
}

fn compare(name: &str, text: &str, seen: &mut BTreeSet<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} has changed: approve it with BLESS=1 cargo nextest run -p sottovoce-cli help");
    seen.insert(name.to_owned());
}

/// Compares a command's help, then that of each command below it.
fn visit(path: &[&str], seen: &mut BTreeSet<String>) {
    let help = sotto(&[path, &["--help"]].concat());
    assert!(help.status.success(), "{path:?}");
    let text = String::from_utf8(help.stdout).unwrap();
    compare(&format!("{}.txt", [&["sotto"], path].concat().join("-")), &text, seen);
    let Some((_, commands)) = text.split_once("\nCommands:\n") else { return };
    for line in commands.lines().take_while(|line| line.starts_with("  ")) {
        if let Some(name) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            let name = name.split_whitespace().next().unwrap();
            visit(&[path, &[name]].concat(), seen);
        }
    }
}

#[test]
fn help_is_as_it_was_approved() {
    let mut seen = BTreeSet::new();
    visit(&[], &mut seen);
    assert!(seen.len() > 40, "{seen:?}");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with("sotto") || seen.contains(&name), "{name} is of a command that is gone: delete it");
    }
}

#[test]
fn errors_say_what_and_why_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("none");
    let at = |args: &[&str]| {
        let output = sotto(&[&["--home", home.to_str().unwrap()], args].concat());
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
        String::from_utf8(output.stderr).unwrap().replace(directory.path().to_str().unwrap(), "DIRECTORY")
    };
    let mut seen = BTreeSet::new();
    compare("error-no-wallet.txt", &at(&["member", "list"]), &mut seen);
    compare("error-no-node.txt", &at(&["node", "run"]), &mut seen);
    compare("error-no-file.txt", &at(&["verify", "x.receipt", "--consortium", "x.toml"]), &mut seen);
    compare("error-no-invitation.txt", &at(&["join", "x.invitation", "--listen", "127.0.0.1:1"]), &mut seen);
    fs::create_dir(&home).unwrap();
    fs::write(home.join("profile.toml"), "").unwrap();
    compare("error-no-passphrase.txt", &at(&["member", "list"]), &mut seen);
}

#[test]
fn json_failures_are_one_object_on_stdout() {
    let output = sotto(&["--json", "verify", "x.receipt", "--consortium", "x.toml"]);
    assert!(!output.status.success());
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["error"]["what"], "x.receipt cannot be used");
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let directory = tempfile::tempdir().unwrap();
    let output = sotto(&["--quiet", "man", directory.path().to_str().unwrap()]);
    assert!(output.status.success());
    for page in ["sotto.1", "sotto-node-run.1", "sotto-member-principal-add.1"] {
        assert!(directory.path().join(page).exists(), "{page}");
    }
}
