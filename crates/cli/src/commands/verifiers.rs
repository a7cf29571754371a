//! Verifiers of proofs: which there are, and how they are proposed.

use std::path::Path;

use client::Client;
use client::api::VerifierView;
use contracts::message::{Action, System, VerifierName, VerifierPlan};
use contracts::{ForeignLedger, VerifyingKey, code, verifier_digest};
use ledger::Consortium;
use serde_json::json;
use wasm::bounds::PROOF_BYTE;

use super::Surroundings;
use crate::args::VerifierCommand;
use crate::error::Failure;
use crate::output::{Output, fields, moment, short, table};

pub(super) async fn run(command: VerifierCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    match command {
        VerifierCommand::List => {
            let verifiers = surroundings.session()?.client.verifiers().await?;
            let header = ["verifier", "proofs of", "consortium", "digest", "up to epoch", "since (UTC)"];
            let text = table(&header, verifiers.iter().map(row).collect(), "no verifiers of proofs");
            let names: Vec<&str> = verifiers.iter().map(|view| view.registered.name.as_str()).collect();
            output.result(&json!({ "verifiers": verifiers }), &names.join("\n"), &text);
            Ok(())
        }
        VerifierCommand::Show { name } => {
            let view = surroundings.session()?.client.verifier(&name).await?;
            let one = &view.registered;
            let mut lines = vec![
                ("verifier", one.name.clone()),
                ("digest", one.verifier.to_string()),
                ("number", one.number.to_string()),
                ("since", moment(one.since)),
                ("fuel of a proof", fuel(one.fuel)),
            ];
            lines.extend(told(one.system, &view.ledger));
            lines.push(("proposal", one.proposal.to_string()));
            output.result(&view, &one.verifier.to_string(), &fields(&lines));
            Ok(())
        }
        VerifierCommand::Digest { consortium } => digest(&consortium, output),
    }
}

/// What a consortium file makes, without a home.
pub(super) fn digest(file: &Path, output: &Output) -> Result<(), Failure> {
    let (key, bytes) = load(file)?;
    let verifier = verifier_digest(System::LedgerState, &bytes);
    let (ledger, price) = (key.ledger(), key.fuel(bytes.len()));
    let mut lines = vec![("digest", verifier.to_string()), ("fuel of a proof", fuel(price))];
    lines.extend(told(System::LedgerState, &ledger));
    let json = json!({ "verifier": verifier, "system": System::LedgerState, "fuel": price, "ledger": ledger });
    output.result(&json, &verifier.to_string(), &fields(&lines));
    Ok(())
}

/// The action that registers a consortium file, in the place of the verifier that has the name now where that is wanted.
pub(super) async fn plan(name: String, file: &Path, replace: bool, client: &Client) -> Result<Action, Failure> {
    let (key, bytes) = load(file)?;
    let ledger = key.ledger();
    let registered = client.verifiers().await?.into_iter().find(|view| view.registered.name == name);
    let replaces = match (registered, replace) {
        (Some(view), true) if view.ledger.chain != ledger.chain => {
            return Err(Failure::new(format!("`{name}` verifies proofs of another ledger, {}", view.ledger.name))
                .because("contracts that ask it would take the one ledger for the other")
                .hint("choose another name; or have it retired first, and look at the contracts that ask it"));
        }
        (Some(view), true) => Some(view.registered.verifier),
        (Some(_), false) => {
            return Err(Failure::refused(
                code::VERIFIER_EXISTS.code,
                format!("`sotto verifier show {name}` tells of it"),
            ));
        }
        (None, true) => {
            return Err(Failure::refused(code::UNKNOWN_VERIFIER.code, format!("there is no `{name}` to replace")));
        }
        (None, false) => None,
    };
    Ok(Action::Verifier(VerifierPlan { name, system: System::LedgerState, key: bytes.into(), replaces }))
}

/// The action that takes the verifier off that has the name now.
pub(super) async fn retire(name: String, client: &Client) -> Result<Action, Failure> {
    let verifier = client.verifier(&name).await?.registered.verifier;
    Ok(Action::Retire(VerifierName { name, verifier }))
}

/// What one should know of a plan before one votes.
pub(super) fn details(plan: &VerifierPlan) -> Vec<(&'static str, String)> {
    let mut lines = vec![("digest", verifier_digest(plan.system, &plan.key).to_string())];
    lines.push(("replaces", plan.replaces.map_or("none".into(), |digest| digest.to_string())));
    match VerifyingKey::read(plan.system, &plan.key) {
        Ok(key) => {
            lines.extend(told(plan.system, &key.ledger()));
            lines.push(("fuel of a proof", fuel(key.fuel(plan.key.len()))));
        }
        // A newer version of the ledger may know more than this one.
        Err(error) => lines.push(("key", format!("cannot be read: {error}"))),
    }
    lines
}

/// A consortium file as a verifying key, found good.
fn load(file: &Path) -> Result<(VerifyingKey, Vec<u8>), Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::file(file, &error))?;
    let refused = |error: &dyn std::fmt::Display| {
        Failure::refused(code::VERIFIER_REFUSED.code, format!("{}: {error}", file.display()))
    };
    let consortium = Consortium::parse(&text).map_err(|error| refused(&error))?;
    let bytes = wire::to_vec(&consortium);
    let key = VerifyingKey::read(System::LedgerState, &bytes).map_err(|error| refused(&error))?;
    Ok((key, bytes))
}

fn told(system: System, ledger: &ForeignLedger) -> Vec<(&'static str, String)> {
    let with = if ledger.ml_dsa { ", with Ed25519 and ML-DSA-65" } else { "" };
    vec![
        ("proofs of", system.to_string()),
        ("consortium", ledger.name.clone()),
        ("chain", ledger.chain.to_string()),
        ("fingerprint", ledger.fingerprint.clone()),
        ("up to epoch", ledger.epoch.to_string()),
        ("trusted", format!("{} of {}{with}", ledger.quorum, ledger.validators.join(", "))),
    ]
}

fn fuel(price: u64) -> String {
    format!("{price}, and {PROOF_BYTE} for each of its bytes")
}

fn row(view: &VerifierView) -> Vec<String> {
    let one = &view.registered;
    vec![
        one.name.clone(),
        one.system.to_string(),
        view.ledger.name.clone(),
        short(one.verifier),
        view.ledger.epoch.to_string(),
        moment(one.since),
    ]
}
