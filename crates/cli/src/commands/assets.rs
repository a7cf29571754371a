//! Assets: sealed by the member's node, listed, retired.

use std::path::Path;
use std::sync::Arc;

use client::Client;
use contracts::message::AssetRetire;
use contracts::record::Asset;
use crypto::keystore::FileKeys;
use crypto::{Digest, Secret};
use serde_json::json;

use super::{Surroundings, find};
use crate::args::{AssetCommand, AssetKind};
use crate::error::{Doing as _, Failure};
use crate::home::{Home, Session, clock};
use crate::output::{Output, fields, moment, short, table};

/// Hands a file to the member's node, which seals and registers it; as its operator or an owner.
///
/// # Errors
/// The node's or the ledger's refusal.
pub(crate) async fn seal(client: &Client, file: &Path, name: &str, kind: AssetKind) -> Result<Asset, Failure> {
    seal_with(client, file, name, (kind, true)).await
}

/// As [`seal`], with or without the escrow agents.
async fn seal_with(
    client: &Client,
    file: &Path,
    name: &str,
    (kind, escrow): (AssetKind, bool),
) -> Result<Asset, Failure> {
    if !file.is_file() {
        return Err(Failure::file(file, &std::io::ErrorKind::NotFound.into()));
    }
    client.put_asset(name, kind.as_str(), escrow, file).await.doing(format!("{} was not sealed", file.display()))
}

/// Retires an asset, with the key of the member's own node; returns the transaction.
///
/// # Errors
/// The ledger's refusal; where the home is not the member's.
pub(crate) async fn retire(
    home: &Home,
    session: &Session,
    asset: Digest,
    passphrase: &Secret<Vec<u8>>,
) -> Result<Digest, Failure> {
    let keys = FileKeys::open(home.node().join("keys.sealed"), passphrase)
        .doing("an asset is retired with the key of its member's node, which this home does not open")?;
    let endpoint = session.client.endpoint().clone();
    let node = Client::new(endpoint, Arc::new(keys), NODE_KEY, session.client.chain(), clock())?;
    Ok(node.submit("assets", "retire", &AssetRetire { asset }).await?.id)
}

pub(super) async fn run(command: AssetCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    match command {
        AssetCommand::Seal { file, name, kind, no_escrow } => {
            let session = surroundings.session()?;
            let table = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
            let kind = kind.unwrap_or(if table { AssetKind::Table } else { AssetKind::File });
            let waiting = output.waiting(format!("the node seals {}", file.display()));
            let asset = seal_with(&session.client, &file, &name, (kind, !no_escrow)).await?;
            drop(waiting);
            print(&asset, output);
        }
        AssetCommand::List { member } => {
            let mut assets = surroundings.session()?.client.assets().await?;
            assets.retain(|asset| member.as_ref().is_none_or(|member| asset.owner == *member));
            let row = |asset: &Asset| {
                let of = &asset.registered;
                let standing = if asset.retired { "retired" } else { "" };
                vec![
                    format!("{}/{}", asset.owner, of.name),
                    of.kind.clone(),
                    moment(asset.since),
                    short(asset.id),
                    standing.into(),
                ]
            };
            let text =
                table(&["asset", "kind", "since", "identifier", ""], assets.iter().map(row).collect(), "no assets yet");
            let ids: Vec<String> = assets.iter().map(|asset| asset.id.to_string()).collect();
            output.result(&json!({ "assets": assets }), &ids.join("\n"), &text);
        }
        AssetCommand::Show { asset } => {
            let asset = find::asset(&surroundings.session()?.client, &asset).await?;
            print(&asset, output);
        }
        AssetCommand::Retire { asset } => {
            let passphrase = surroundings.passphrase()?;
            let session = surroundings.home.open(&passphrase)?;
            let asset = find::asset(&session.client, &asset).await?;
            let transaction = retire(&surroundings.home, &session, asset.id, &passphrase).await?;
            let text = format!("{}/{} is retired", asset.owner, asset.registered.name);
            output.result(&json!({ "asset": asset.id, "transaction": transaction }), &asset.id.to_string(), &text);
        }
    }
    Ok(())
}

fn print(asset: &Asset, output: &Output) {
    let of = &asset.registered;
    let columns = if of.columns.is_empty() { "none".into() } else { of.columns.join(", ") };
    let root = client::fetch::registered_root(asset).map_or_else(String::new, |root| root.to_string());
    let text = fields(&[
        ("asset", format!("{}/{}", asset.owner, of.name)),
        ("identifier", asset.id.to_string()),
        ("kind", of.kind.clone()),
        ("columns", columns),
        ("sealed", format!("{} segments, {}", of.segments, of.suite)),
        ("root", root),
        ("since", moment(asset.since)),
        ("standing", if asset.retired { "retired" } else { "in use" }.into()),
    ]);
    output.result(asset, &asset.id.to_string(), &text);
}

/// The handle of a node's own signing key (`node` keeps the name).
const NODE_KEY: &str = "node";
