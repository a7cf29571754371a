//! The independent Python reader (`interop/check_escrow.py`) makes our escrow wraps from the page alone, and finds changed ones.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn python(vectors: &Path) -> Output {
    let interpreter = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/check_escrow.py");
    let output = Command::new(&interpreter).arg(script).arg(vectors).output();
    output.unwrap_or_else(|error| panic!("{interpreter} is needed by this test: {error}"))
}

#[test]
fn the_python_reader_makes_the_same_wraps() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/escrow.json");
    let output = python(&file);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "4 wraps hold");
    // A wrap with one bit changed is another.
    let mut vectors: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let wrap = vectors["wraps"][0]["wrap"].as_str().unwrap();
    let mut bytes = hex::decode(wrap).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    vectors["wraps"][0]["wrap"] = hex::encode(bytes).into();
    let directory = tempfile::tempdir().unwrap();
    let changed = directory.path().join("escrow.json");
    fs::write(&changed, vectors.to_string()).unwrap();
    let output = python(&changed);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("another wrap"), "{output:?}");
}
