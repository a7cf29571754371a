//! The escrow agents: who they are, and opening what the members have decided.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;

use client::Client;
use client::api::{EscrowMaking, EscrowView};
use client::fetch::Received;
use contracts::message::EscrowOpen;
use crypto::kem::Suite;
use serde_json::json;
use vault::{Head, Vault};

use super::{Surroundings, find, governance};
use crate::args::EscrowCommand;
use crate::error::{Doing as _, Failure};
use crate::home::Session;
use crate::output::{Output, fields, moment, short};

pub(super) async fn run(command: EscrowCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let session = surroundings.session()?;
    match command {
        EscrowCommand::Show => show(&session.client, output).await,
        EscrowCommand::Export { asset, out } => export(&asset, &out, &session, surroundings, output).await,
        EscrowCommand::Open { proposal, file, out } => open(&proposal, (&file, &out), &session, output).await,
    }
}

async fn show(client: &Client, output: &Output) -> Result<(), Failure> {
    let view = client.escrow().await?;
    let EscrowView { epoch, destroyed, making } = &view;
    let mut lines = Vec::new();
    match epoch {
        None => lines.push(("escrow", "the consortium has no escrow agents".to_owned())),
        Some(epoch) => {
            lines.push(("epoch", format!("{}, since {}", epoch.number, moment(epoch.since))));
            lines.push(("key", epoch.group.key.to_string()));
            lines.push(("agents", format!("{} of {}", epoch.group.threshold, epoch.agents.join(", "))));
            if let Some(from) = epoch.from {
                let names: Vec<&str> = destroyed.iter().map(|one| one.member.as_str()).collect();
                let names = if names.is_empty() { "nobody so far".to_owned() } else { names.join(", ") };
                lines.push(("destroyed", format!("shares of epoch {from}: by {names}")));
            }
        }
    }
    if let Some(EscrowMaking { decided, dealers, needed, dealt, received }) = making {
        let holders: Vec<&str> = received.iter().map(|one| one.member.as_str()).collect();
        let listed = |names: &[&str]| if names.is_empty() { "nobody so far".to_owned() } else { names.join(", ") };
        let dealt: Vec<&str> = dealt.iter().map(String::as_str).collect();
        lines.push((
            "under way",
            format!("epoch {}: {} of {}", decided.epoch, decided.plan.threshold, decided.plan.agents.join(", ")),
        ));
        lines.push(("dealt", format!("{} ({needed} of {} needed)", listed(&dealt), dealers.join(", "))));
        lines.push(("received", format!("{} (all needed)", listed(&holders))));
    }
    let essence = epoch.as_ref().map_or("none".to_owned(), |epoch| format!("{} {}", epoch.number, epoch.group.key));
    output.result(&view, &essence, &fields(&lines));
    Ok(())
}

/// Writes one of this member's sealed objects, as it is in the node's vault, to a file.
async fn export(
    asset: &str,
    out: &Path,
    session: &Session,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let asset = find::asset(&session.client, asset).await?;
    let object = object_of(&asset)?;
    let directory = surroundings.home.node().join("vault");
    if !directory.is_dir() {
        return Err(Failure::file(&directory, &std::io::ErrorKind::NotFound.into())
            .hint("export where the owner's node, or a restored copy of it, has its vault"));
    }
    let copied = (|| {
        let mut export = Vault::open(&directory)?.export(&object, None)?;
        let mut file = BufWriter::new(File::create_new(out)?);
        let bytes = std::io::copy(&mut export, &mut file)?;
        file.flush()?;
        Ok::<_, vault::Error>(bytes)
    })();
    let bytes = copied.map_err(|error| Failure::of(&error)).doing("the sealed object was not exported")?;
    let value = json!({ "asset": asset.id, "object": object, "file": out, "bytes": bytes });
    let text =
        fields(&[("file", out.display().to_string()), ("object", object.to_string()), ("bytes", bytes.to_string())]);
    output.result(&value, &object.to_string(), &text);
    Ok(())
}

/// What is proposed so that the escrow agents open a sealed object to this wallet.
pub(super) async fn opening(file: &Path, asset: &str, session: &Session) -> Result<EscrowOpen, Failure> {
    let asset = find::asset(&session.client, asset).await?;
    let input = File::open(file).map_err(|error| Failure::file(file, &error))?;
    let head = Head::read(BufReader::new(input)).map_err(|error| Failure::of(&error))?;
    if head.id() != object_of(&asset)? {
        return Err(Failure::new(format!("{} is not the sealed object of that asset", file.display()))
            .hint("the asset's owner exports it: sotto escrow export"));
    }
    let wrap = head.stanzas().escrow().ok_or_else(|| {
        Failure::refused(contracts::code::NO_ESCROW.code, "the object was sealed without the escrow agents")
    })?;
    let recipient = session.wallet.ephemeral(Suite::XWing)?.public().map_err(|error| Failure::of(&error))?;
    Ok(EscrowOpen { asset: asset.id, wrap, recipient })
}

async fn open(proposal: &str, (file, out): (&Path, &Path), session: &Session, output: &Output) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let proposal = governance::find(&session.client, proposal).await?;
    let view = session.client.escrow_opening(&proposal).await?;
    let key = session.wallet.find_ephemeral(&view.opening.recipient)?;
    let opened = session.client.open_escrowed(&proposal, &key, file, out).await;
    let Received { object, sha256 } = opened.map_err(Failure::from).doing("the object is not opened")?;
    session.wallet.forget(&view.opening.recipient)?;
    let value =
        json!({ "proposal": proposal, "file": out, "bytes": object.length, "sha256": sha256, "root": object.root });
    let text = fields(&[
        ("file", out.display().to_string()),
        ("bytes", object.length.to_string()),
        ("sha256", sha256.to_string()),
        ("opened by", format!("proposal {}", short(proposal))),
    ]);
    output.result(&value, &sha256.to_string(), &text);
    Ok(())
}

fn object_of(asset: &contracts::record::Asset) -> Result<crypto::Digest, Failure> {
    let params = asset.registered.commitments.first().map(|one| &one.params);
    let object = params.and_then(|params| wire::Fixed::from_slice(params)).map(crypto::Digest);
    object.ok_or_else(|| Failure::new("the asset names no sealed object"))
}
