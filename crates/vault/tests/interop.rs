//! The independent Python reader (`interop/open_sealed.py`) opens what we seal, and refuses what we would refuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crypto::kem::{PrivateKey, Suite};
use vault::{Summary, seal};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `SOTTO_PYTHON` names another interpreter, as `test.sh` does for its virtual environment.
fn python(arguments: &[&Path], root: Option<String>) -> Output {
    let interpreter = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
    let mut command = Command::new(&interpreter);
    command.arg(repository().join("interop/open_sealed.py")).arg("--key").args(arguments);
    command.args(root.iter().flat_map(|root| ["--root", root]));
    let output = command.output().unwrap_or_else(|error| panic!("{interpreter} is needed by this test: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("ModuleNotFoundError") && !errors.contains("ImportError"),
        "pip install cryptography==48.0.0: {errors}"
    );
    assert!(!errors.contains("Traceback"), "the reader must refuse, not crash: {errors}");
    output
}

struct Case {
    directory: tempfile::TempDir,
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
    summary: Summary,
}

impl Case {
    fn new(length: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (key, other) = (PrivateKey::generate(Suite::X25519), PrivateKey::generate(Suite::XWing));
        let plaintext: Vec<u8> = (0..length).map(|i| (i * 31 + i / 251) as u8).collect();
        let mut sealed = Vec::new();
        let summary = seal(&plaintext[..], &mut sealed, [other.public(), key.public()], b"interop").unwrap();
        fs::write(directory.path().join("key"), key.secret().expose(|bytes| wire::text::to_hex(bytes))).unwrap();
        Self { directory, plaintext, sealed, summary }
    }

    fn open(&self, sealed: &[u8], root: Option<String>) -> Result<Vec<u8>, String> {
        let file = |name: &str| self.directory.path().join(name);
        fs::write(file("in.sotto"), sealed).unwrap();
        let output = python(&[&file("key"), &file("in.sotto"), &file("out")], root);
        if output.status.success() {
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), self.summary.root.to_string());
            let out = fs::read(file("out")).unwrap();
            fs::remove_file(file("out")).unwrap();
            Ok(out)
        } else {
            assert!(!file("out").exists() && !file("out.partial").exists(), "a refused object leaves no plaintext");
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

#[test]
fn python_opens_what_we_seal() {
    for length in [0, 1, 65_536, 65_537, 300_000] {
        let case = Case::new(length);
        assert_eq!(
            case.open(&case.sealed, Some(case.summary.root.to_string())).unwrap(),
            case.plaintext,
            "{length} bytes"
        );
    }
}

#[test]
fn python_refuses_what_was_tampered_with() {
    let case = Case::new(150_000);
    let head = case.sealed.len() - 150_000 - 3 * 16;
    let last = case.sealed.len() - 1;
    for at in [0, 12, 46, 1200, head - 60, head - 1, head, head + 65_552, last] {
        let mut tampered = case.sealed.clone();
        tampered[at] ^= 1;
        let refusal = case.open(&tampered, None).expect_err(&format!("byte {at}"));
        assert!(refusal.starts_with("refused:"), "{refusal}");
    }
    for length in [4, head, head + 65_552, last] {
        case.open(&case.sealed[..length], None).expect_err(&format!("cut at {length}"));
    }
    let other = Case::new(10);
    assert!(case.open(&case.sealed, Some(other.summary.root.to_string())).unwrap_err().contains("root"));
    assert!(case.open(&other.sealed, None).unwrap_err().contains("not sealed to this key"));
}

#[test]
fn python_checks_the_escrow_wrap() {
    let case = Case::new(10);
    let key = PrivateKey::from_secret(
        Suite::X25519,
        crypto::Secret::new(wire::text::hex(&fs::read_to_string(case.directory.path().join("key")).unwrap()).unwrap()),
    )
    .unwrap();
    // The base point is a key as good as any, for whoever only seals.
    let base = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76";
    let escrow: crypto::escrow::EscrowKey = base.parse().unwrap();
    let mut sealed = Vec::new();
    let to = [vault::Recipient::Key(key.public()), vault::Recipient::Escrow(&escrow)];
    let summary = seal(&case.plaintext[..], &mut sealed, to, b"interop").unwrap();
    let case = Case { summary, ..case };
    assert_eq!(case.open(&sealed, None).unwrap(), case.plaintext);
}

#[test]
fn python_opens_the_frozen_object() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let output = python(&[&vectors.join("x25519.key"), &vectors.join("x25519.sotto"), &out], None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<u8> = (0..70_000).map(|i| (i * 31 + i / 251) as u8).collect();
    assert_eq!(fs::read(out).unwrap(), expected);
}
