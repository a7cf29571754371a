//! Proofs of what the ledger's state says.

use std::fs;
use std::path::Path;

use client::verify::{VerifiedState, is_state_proof, verify_state};
use serde_json::json;

use super::Surroundings;
use crate::args::StateCommand;
use crate::error::{Doing as _, Failure};
use crate::output::{Output, fields, moment};

pub(super) async fn run(command: StateCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let StateCommand::Prove { key, height, out } = command;
    prove((&key, height), &out, surroundings, output).await
}

/// Has what the state says of a key, after a block or the newest, proven into a file.
///
/// # Errors
/// The node's; where what it gave proves nothing.
pub(super) async fn prove(
    (key, height): (&str, Option<u64>),
    out: &Path,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut session = surroundings.session()?;
    let waiting = output.waiting("the members cosign");
    let text = session.client.prove_state(key, height).await?;
    let consortium = session.refresh().await?.to_toml();
    drop(waiting);
    let verified =
        verify_state(&text, &consortium).map_err(Failure::from).doing("the node gave a proof that proves nothing")?;
    let asked =
        verified.state.key == key.as_bytes() && height.is_none_or(|height| verified.state.header.height == height);
    if !asked {
        return Err(Failure::new("the node gave a proof of something else").hint("do not rely on that node"));
    }
    fs::write(out, text).map_err(|error| Failure::file(out, &error))?;
    show(&verified, Some(out), output);
    Ok(())
}

/// Verifies a proof of state in a file against the consortium in a file; none where the file holds something else.
///
/// # Errors
/// Which of the two is at fault, and why.
pub(super) fn verify_file(proof: &Path, consortium: &Path) -> Result<Option<VerifiedState>, Failure> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::file(path, &error));
    let text = read(proof)?;
    if !is_state_proof(&text) {
        return Ok(None);
    }
    Ok(Some(verify_state(&text, &read(consortium)?)?))
}

/// Prints what a proof of state proves.
pub(super) fn show(verified: &VerifiedState, file: Option<&Path>, output: &Output) {
    let VerifiedState { state, consortium, fingerprint, .. } = verified;
    let key = String::from_utf8_lossy(&state.key).escape_default().to_string();
    let value = state.value.as_deref().map(wire::text::to_hex);
    let private = verified.private();
    let word = if value.is_some() { "present" } else { "absent" };
    let json = json!({
        "verified": true, "file": file, "key": key, "value": value, "height": state.header.height,
        "time": state.header.time, "consortium": consortium, "fingerprint": fingerprint, "cosigners": state.cosigners,
        "ml_dsa": state.ml_dsa,
        "private": private.as_ref().map(|(private, unsigned)| json!({ "record": private, "unsigned": unsigned })),
    });
    let what = match &value {
        Some(_) => format!("Verified: after block {} the state held this under `{key}`.", state.header.height),
        None => format!("Verified: after block {} the state held nothing under `{key}`.", state.header.height),
    };
    let mut rows = vec![
        ("block", format!("{} of {}", state.header.height, moment(state.header.time))),
        ("consortium", consortium.clone()),
        ("fingerprint", fingerprint.clone()),
        ("cosigned by", super::cosigned_by(&state.cosigners, state.ml_dsa)),
    ];
    if let Some(value) = value {
        rows.push(("CBOR", value));
    }
    let mut text = format!("{what}\n\n{}", fields(&rows));
    if let Some((private, unsigned)) = private {
        text.push_str(&format!("\n\n{}", super::private::proven(&private, &unsigned)));
    }
    if let Some(file) = file {
        text.push_str(&format!("\n\nVerify it anywhere: sotto verify {} --consortium FILE", file.display()));
    }
    output.result(&json, word, &text);
}
