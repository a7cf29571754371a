//! The independent readings in Python: `samples/check.py` and `interop/`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What a joint computation over these samples must yield, computed in clear.
pub(crate) fn in_clear(samples: &str) -> Value {
    let output = run("samples/check.py", [samples], None);
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a script of the repository. `SOTTO_PYTHON` names another interpreter than `python3`.
pub(crate) fn run(
    script: &str,
    arguments: impl IntoIterator<Item = impl Into<PathBuf>>,
    input: Option<File>,
) -> Output {
    let interpreter = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(script);
    let mut command = Command::new(&interpreter);
    command.arg("-B").arg(script).args(arguments.into_iter().map(Into::into));
    command.stdin(input.map_or_else(Stdio::null, Into::into));
    let output = command.output().unwrap_or_else(|error| panic!("{interpreter} is needed by this test: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("Error: No module named"), "pip install cryptography==48.0.0: {errors}");
    assert!(!errors.contains("Traceback"), "it must refuse, not crash: {errors}");
    output
}

/// Whether two numbers are the same but for the last digits of a double.
pub(crate) fn equal(found: &Value, expected: &Value) -> bool {
    let (Some(found), Some(expected)) = (found.as_f64(), expected.as_f64()) else { return false };
    (found - expected).abs() <= 1e-9 * expected.abs()
}
