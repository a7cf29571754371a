//! The ML-DSA key with which a principal signs contracts beside its own.

use client::Client;
use client::api::SignerView;
use contracts::code;
use crypto::{Digest, PublicKey};
use serde_json::json;

use super::Surroundings;
use crate::args::SignerCommand;
use crate::error::Failure;
use crate::output::{Output, fields, moment, short};

pub(super) async fn run(command: SignerCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    match command {
        SignerCommand::Show { key } => show(&client, key.unwrap_or(client.key()), output).await,
        SignerCommand::Register => {
            let view = client.signer(&client.key()).await?;
            if !view.demanded {
                let why = "the members have not decided that contracts are signed with ML-DSA";
                return Err(Failure::refused(code::ML_DSA_OFF.code, why));
            }
            told(&client.register_signer().await?, "registered", output)
        }
        SignerCommand::Rotate => {
            if client.signer(&client.key()).await?.registered.is_none() {
                return Err(Failure::new("no ML-DSA key of yours is registered that could be replaced")
                    .hint("`sotto signer show` tells whether one is needed, `sotto signer register` registers one"));
            }
            told(&client.rotate_signer().await?, "in the place of the one before", output)
        }
    }
}

fn told(id: &Digest, what: &str, output: &Output) -> Result<(), Failure> {
    let text = format!(
        "{what}: ML-DSA-65 key {id}\nBack your home up now: without this key nothing is signed for you any more."
    );
    output.result(&json!({ "ml_dsa": id }), &id.to_string(), &text);
    Ok(())
}

async fn show(client: &Client, key: PublicKey, output: &Output) -> Result<(), Failure> {
    let SignerView { demanded, registered } = client.signer(&key).await?;
    let held = match &registered {
        Some(registered) if key == client.key() => Some(client.second_key(&registered.key).is_ok()),
        _ => None,
    };
    let id = registered.as_ref().map(|registered| registered.key.id());
    let state = match (&registered, demanded, held) {
        (Some(_), _, Some(false)) => "registered, but this wallet does not hold it",
        (Some(_), _, _) => "registered: contracts are signed with both",
        (None, true, _) => "demanded, and not registered yet: signing makes and registers one",
        (None, false, _) => "not demanded",
    };
    let mut rows = vec![("key", key.to_string()), ("ML-DSA-65", state.to_owned())];
    if let Some(registered) = &registered {
        rows.push(("its key", registered.key.id().to_string()));
        rows.push((
            "since",
            format!("{} UTC, in transaction {}", moment(registered.since), short(registered.transaction)),
        ));
        rows.push(("replaced", format!("{} times", registered.changes)));
    }
    let value = json!({ "key": key, "demanded": demanded, "registered": registered, "ml_dsa": id, "held": held });
    let quiet = id.map_or_else(|| if demanded { "demanded" } else { "off" }.to_owned(), |id| id.to_string());
    output.result(&value, &quiet, &fields(&rows));
    Ok(())
}
