//! Payloads that only some members hold: put, listed, read, purged, proven.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use client::Client;
use client::api::{PrivatePlaced, PrivateView};
use client::flow::Putting;
use contracts::message::{PrivateBegin, PrivateNamed, private_commitment};
use contracts::record::Private;
use contracts::{MAX_PRIVATE, code, read};
use crypto::Digest;
use serde_json::json;

use super::{Surroundings, find, state};
use crate::args::{PrivateCommand, PrivatePutArgs, PurgeDate};
use crate::error::Failure;
use crate::home::{Session, now};
use crate::output::{Output, fields, moment, short, table};

pub(super) async fn run(command: PrivateCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    if let PrivateCommand::Prove { private, out } = &command {
        let id = identity(&surroundings.session()?.client, private).await?;
        return state::prove((&read::private_key(&id), None), out, surroundings, output).await;
    }
    let session = surroundings.session()?;
    let client = &session.client;
    match command {
        PrivateCommand::Begin => begin(&session, output).await?,
        PrivateCommand::Put(args) => put(&session, args, output).await?,
        PrivateCommand::List { missing } => {
            let mut views = client.privates().await?;
            views.retain(|view| !missing || view.here == MISSING);
            let header = ["private", "label", "from", "to", "bytes", "put (UTC)", "here", "held by", "purged by"];
            let nothing = if missing { "nothing is missing" } else { "no private payloads" };
            let text = table(&header, views.iter().map(row).collect(), nothing);
            let ids: Vec<String> = views.iter().map(|view| view.private.id.to_string()).collect();
            output.result(&json!({ "privates": views }), &ids.join("\n"), &text);
        }
        PrivateCommand::Show { private } => {
            let view = client.private(&identity(client, &private).await?).await?;
            output.result(&view, &view.here, &told(&view));
        }
        PrivateCommand::Get { private, out } => {
            let id = identity(client, &private).await?;
            get(&session, id, &out, output).await?;
        }
        PrivateCommand::Purge { private } => purge(&session, identity(client, &private).await?, output).await?,
        PrivateCommand::Prove { .. } => {}
    }
    Ok(())
}

async fn begin(session: &Session, output: &Output) -> Result<(), Failure> {
    let own = session.member()?;
    let members = session.client.members().await?;
    let presides = |name: &str| members.iter().any(|one| one.card.name == name && (one.regulator || one.joined == 0));
    // The ledger itself answers others as versions do that know no private payloads.
    if !presides(own) {
        return Err(Failure::refused(
            code::NOT_PERMITTED.code,
            format!("`{own}` is neither a regulator nor the founder"),
        ));
    }
    let placed = session.client.submit("private", "begin", &PrivateBegin {}).await?;
    output.result(&placed, &placed.id.to_string(), "members may put private payloads");
    Ok(())
}

async fn put(session: &Session, args: PrivatePutArgs, output: &Output) -> Result<(), Failure> {
    let PrivatePutArgs { file, to, label, purge_after } = args;
    let length = fs::metadata(&file).map_err(|error| Failure::file(&file, &error))?.len();
    if length == 0 || length > MAX_PRIVATE {
        return Err(Failure::new(format!("{} has {length} bytes", file.display()))
            .because(format!("a private payload has 1 to {MAX_PRIVATE}"))
            .hint("seal larger files as assets: `sotto asset seal`, and offer them under a contract"));
    }
    let payload = fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
    let purge_after = purge_after.map(|date| match date {
        PurgeDate::In(time) => now().saturating_add(time),
        PurgeDate::At(moment) => moment,
    });
    let waiting = output.waiting("the recipients' nodes take it");
    let putting = Putting { label, recipients: to, payload, purge_after };
    let placed = session.client.put_private(session.member()?, putting).await?;
    drop(waiting);
    let PrivatePlaced { id, held, waiting, .. } = &placed;
    let mut text = format!("put: {id}");
    if !held.is_empty() {
        text.push_str(&format!("\nheld by: {}", held.join(", ")));
    }
    if !waiting.is_empty() {
        text.push_str(&format!("\nnot there yet: {}; their nodes fetch it when they are back", waiting.join(", ")));
    }
    output.result(&placed, &id.to_string(), &text);
    Ok(())
}

async fn get(session: &Session, id: Digest, out: &Path, output: &Output) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::file(out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let view = session.client.private(&id).await?;
    let opening = session.client.private_payload(&id).await?;
    let Private { sender, put, .. } = &view.private;
    if private_commitment(&session.client.chain(), sender, &put.recipients, &opening) != put.commitment {
        return Err(
            Failure::new("what the node gave is not what its ledger commits to").hint("do not rely on that node")
        );
    }
    let file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(out);
    let written = file.and_then(|mut file| file.write_all(&opening.payload).and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::file(out, &error))?;
    let text = format!("{}: {} bytes from `{sender}` in {}", put.label, put.size, out.display());
    output.result(&json!({ "private": id, "file": out, "bytes": put.size }), &out.display().to_string(), &text);
    Ok(())
}

async fn purge(session: &Session, id: Digest, output: &Output) -> Result<(), Failure> {
    let client = &session.client;
    let own = session.member()?;
    let view = client.private(&id).await?;
    if view.private.sender == own {
        let placed = client.submit("private", "purge", &PrivateNamed { private: id }).await?;
        let holders: Vec<&str> = view.private.holders().map(String::as_str).collect();
        let text = format!("{id}: to be purged by {}; `sotto private show` tells who has", holders.join(", "));
        output.result(&placed, &placed.id.to_string(), &text);
        return Ok(());
    }
    let view = client.purge_private(&id).await?;
    let text = format!("{id}: destroyed here; the node has that recorded");
    output.result(&view, &view.here, &text);
    Ok(())
}

/// A private payload by its identifier, or a unique beginning of one that the own member is a holder of.
async fn identity(client: &Client, text: &str) -> Result<Digest, Failure> {
    if let Ok(id) = text.parse::<Digest>() {
        return Ok(id);
    }
    let views = client.privates().await?;
    find::prefix("private payload", text, views.iter().map(|view| (view.private.id, view.private.id)).collect())
}

fn row(view: &PrivateView) -> Vec<String> {
    let PrivateView { private, here, .. } = view;
    vec![
        short(private.id),
        private.put.label.clone(),
        private.sender.clone(),
        private.put.recipients.join(", "),
        private.put.size.to_string(),
        moment(private.since),
        here.clone(),
        format!("{} of {}", private.held.len(), private.put.recipients.len()),
        format!("{} of {}", private.purged.len(), private.holders().count()),
    ]
}

fn told(view: &PrivateView) -> String {
    let PrivateView { private, here, tries, due } = view;
    let mut rows = vec![("private", private.id.to_string())];
    rows.extend(record(private));
    let state = match (here.as_str(), tries) {
        (MISSING, tries) if *tries > 0 => format!("{here}, asked for {tries} times in vain"),
        _ => here.clone(),
    };
    rows.push(("here", state));
    if let Some(cause) = due {
        rows.push(("to be purged", cause.to_string()));
    }
    fields(&rows)
}

/// What the ledger says of one.
fn record(private: &Private) -> Vec<(&'static str, String)> {
    let Private { sender, put, since, purging, held, purged, .. } = private;
    let mut rows = vec![
        ("label", put.label.clone()),
        ("from", sender.clone()),
        ("to", put.recipients.join(", ")),
        ("bytes", put.size.to_string()),
        ("commitment", put.commitment.to_string()),
        ("put", moment(*since)),
    ];
    rows.extend(put.purge_after.map(|date| ("purge after", moment(date))));
    rows.extend(purging.as_ref().map(|purging| ("purge asked for", moment(purging.at))));
    rows.extend(held.iter().map(|held| ("held", format!("{} since {}", held.member, moment(held.at)))));
    rows.extend(purged.iter().map(|one| ("purged", format!("{} at {}: {}", one.member, moment(one.at), one.cause))));
    rows
}

/// What a proof of the state says of one: who has attested its purge, and whose attestation does not verify.
pub(super) fn proven(private: &Private, unsigned: &[String]) -> String {
    let mut rows = vec![("private", private.id.to_string())];
    rows.extend(record(private));
    let left: Vec<&str> =
        private.holders().filter(|holder| !private.is_purged_by(holder)).map(String::as_str).collect();
    let signed = private.purged.len() - unsigned.len().min(private.purged.len());
    rows.push(("attestations", format!("{signed} signed by the nodes' keys")));
    if !unsigned.is_empty() {
        rows.push(("DO NOT VERIFY", unsigned.join(", ")));
    }
    if !left.is_empty() {
        rows.push(("not purged by", left.join(", ")));
    }
    fields(&rows)
}

/// How the API says that a node lacks one.
const MISSING: &str = "missing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_moment_or_a_time_from_now() {
        let read = |text: &str| text.parse::<PurgeDate>();
        assert_eq!(read("36h"), Ok(PurgeDate::In(36 * 3_600_000)));
        assert_eq!(read("2027-03-31"), Ok(PurgeDate::At(1_806_451_200_000)));
        for wrong in ["", "soon", "-1d", "2027-02-30"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
