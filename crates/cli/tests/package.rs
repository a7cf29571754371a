//! The Debian package holds what it says, and its program runs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(output: Output) -> String {
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_package_holds_the_program_its_service_and_its_pages() {
    let has = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !has("dpkg-deb") || !has("objcopy") {
        eprintln!("left out: a package is built on Debian, with dpkg and binutils");
        return;
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = tempfile::tempdir().unwrap();
    let package =
        text(run(Command::new(root.join("packaging/deb/build.sh")).arg(env!("CARGO_BIN_EXE_sotto")).arg(place.path())));
    let field = |name: &str| text(run(Command::new("dpkg-deb").arg("--field").arg(&package).arg(name)));
    assert_eq!((field("Package"), field("Version")), ("sotto".into(), env!("CARGO_PKG_VERSION").into()));
    assert!(field("Depends").starts_with("libc6 (>= 2."));

    let tree = place.path().join("tree");
    run(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&tree));
    let version = text(run(Command::new(tree.join("usr/bin/sotto")).arg("--version")));
    assert_eq!(version, format!("sotto {}", env!("CARGO_PKG_VERSION")));
    for page in ["sotto.1.gz", "sotto-node-run.1.gz", "sotto-verify.1.gz"] {
        assert!(tree.join("usr/share/man/man1").join(page).exists(), "{page}");
    }
    assert!(tree.join("usr/share/sotto/prometheus/sottovoce.rules.yml").exists());
    for page in ["operator/README.md", "spec/receipt.md", "LICENSE-MIT", "copyright"] {
        assert!(tree.join("usr/share/doc/sotto").join(page).exists(), "{page}");
    }
    // The unit starts what the package brings, where the page says.
    let unit = fs::read_to_string(tree.join("lib/systemd/system/sotto.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/sotto --home /var/lib/sotto node run\n"));
    let operator = fs::read_to_string(root.join("docs/operator/README.md")).unwrap();
    assert!(operator.contains("packaging/deb/build.sh") && operator.contains("/etc/sotto/passphrase.cred"));
    for script in ["postinst", "prerm", "postrm"] {
        run(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
}
