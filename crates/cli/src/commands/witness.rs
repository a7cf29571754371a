//! An independent witness of logs.

use std::fs;

use ledger::Consortium;
use node::config::Log;
use node::witness::{self, Card, Settings};
use serde_json::json;

use super::Surroundings;
use super::node::{announce, stop};
use super::setup::compare;
use crate::args::WitnessCommand;
use crate::error::Failure;
use crate::log;
use crate::output::{Output, fields};

pub(super) async fn run(command: WitnessCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let directory = surroundings.home.witness();
    match command {
        WitnessCommand::Init { name, listen, address } => {
            let address = address.unwrap_or_else(|| format!("https://{listen}"));
            let passphrase = surroundings.new_passphrase()?;
            let card = witness::set_up(&directory, &Settings { name, listen, address }, &passphrase)?;
            show(&card, "Go on: sotto witness trust FILE, then sotto witness run.", output);
        }
        WitnessCommand::Trust { consortium: path, fingerprint } => {
            let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
            let consortium = Consortium::parse(&text)?;
            let found = consortium.fingerprint();
            if let Some(told) = &fingerprint {
                compare(told, &found)?;
            }
            witness::trust(&directory, &consortium)?;
            let text = format!(
                "`{}` is witnessed by this file:\n{found}\nCompare the fingerprint with a member's.",
                consortium.name
            );
            output.result(&json!({ "chain": consortium.chain, "fingerprint": found }), &found, &text);
        }
        WitnessCommand::Show => {
            let card = witness::card(&directory, &surroundings.passphrase()?)?;
            show(&card, "Readers demand it: sotto log check --witness KEY.", output);
        }
        WitnessCommand::Run { stop_with_stdin } => {
            log::install(&Log::default(), false)?;
            let passphrase = surroundings.passphrase()?;
            witness::run(directory, passphrase, stop(stop_with_stdin)?, announce).await?;
        }
    }
    Ok(())
}

fn show(card: &Card, next: &str, output: &Output) {
    let key = card.key.to_string();
    let value = json!({ "key": key, "address": card.address, "pin": card.pin });
    let rows = fields(&[("key", key.clone()), ("address", card.address.clone()), ("pin", card.pin.to_string())]);
    let entry = format!("[[witnesses]]\nkey = \"{key}\"\naddress = \"{}\"\npin = \"{}\"", card.address, card.pin);
    let text = format!("{rows}\n\nFor the node.toml of members who ask it:\n\n{entry}\n\n{next}");
    output.result(&value, &key, &text);
}
