//! The ledger's log: mirrored as static files, and checked.

use std::fs;
use std::path::{Path, PathBuf};

use client::bucket::{Access, Bucket, Location};
use client::log::{self, Checked, Demands, Depth};
use ledger::{Consortium, Note};
use serde_json::json;

use super::{Surroundings, testimony};
use crate::args::{LogCheckArgs, LogCommand, StoreArgs};
use crate::error::Failure;
use crate::output::{Output, fields, moment};

pub(super) async fn run(command: LogCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    match command {
        LogCommand::Export { directory, hashes, to, store } => {
            // What is wrong with it is told before the log is mirrored.
            let bucket = to.map(|to| bucket(&to, &store).map(|bucket| (to, bucket))).transpose()?;
            export(&directory, hashes, bucket, surroundings, output).await
        }
        LogCommand::Check(args) => check_node(&args, surroundings, output).await,
    }
}

fn bucket(to: &Location, store: &StoreArgs) -> Result<Bucket, Failure> {
    let pem = |path: &PathBuf| fs::read(path).map_err(|error| Failure::file(path, &error));
    let authorities = store.authorities.as_ref().map(pem).transpose()?;
    let access = Access { endpoint: store.endpoint.clone(), region: store.region.clone(), authorities };
    Ok(Bucket::from_environment(to, &access).map_err(log::Error::from)?)
}

async fn export(
    directory: &Path,
    hashes: bool,
    to: Option<(Location, Bucket)>,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let mut session = surroundings.session()?;
    let consortium = session.refresh().await?.clone();
    let depth = if hashes { Depth::Hashes } else { Depth::Records };
    let waiting = output.waiting("mirroring the log");
    let told = |done: u64, all: u64| waiting.say(format!("mirroring the log: {done} of {all} files"));
    let exported = log::export(&session.client, &consortium, directory, depth, told).await?;
    let size = exported.checkpoint.size;
    let mut value = json!({
        "directory": directory, "size": size, "root": exported.checkpoint.root, "before": exported.before,
        "written": exported.written,
    });
    let mut text = format!(
        "{} holds the log of {size} entries ({} before), {} files written.\nCheck it anywhere: sotto log check {} --consortium FILE",
        directory.display(),
        exported.before,
        exported.written,
        directory.display()
    );
    if let Some((to, bucket)) = to {
        let told = |done: u64, all: u64| waiting.say(format!("writing to {to}: {done} of {all} files"));
        let published = log::publish(directory, &consortium, &bucket, told).await?;
        value["store"] = json!({ "to": to.to_string(), "before": published.before, "written": published.written });
        text.push_str(&format!(
            "\n{to} holds the same ({} entries before), {} files written.",
            published.before, published.written
        ));
    }
    drop(waiting);
    output.result(&value, &size.to_string(), &text);
    Ok(())
}

/// Checks an exported log. Needs no network, no key and no home.
///
/// # Errors
/// Which file is at fault, and why.
pub(super) fn run_offline(args: &LogCheckArgs, output: &Output) -> Result<(), Failure> {
    let (Some(directory), Some(consortium)) = (&args.directory, pinned(args)?) else {
        unreachable!("a directory is given, and requires a consortium file");
    };
    let since = since(args)?;
    let witnesses = testimony::keys(&args.witnesses)?;
    let demands = Demands { witnesses: &witnesses, since: since.as_ref() };
    let checked = log::check(directory, &consortium, demands)?;
    let scope = match checked.records {
        0 => format!("{} tiles make the cosigned root; no entries are here", checked.tiles),
        records => {
            format!("{} tiles make the cosigned root; {records} transactions are those of its leaves", checked.tiles)
        }
    };
    told(&checked, args, &scope, output)
}

async fn check_node(args: &LogCheckArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let mut session = surroundings.session()?;
    let consortium = match pinned(args)? {
        Some(consortium) => consortium,
        None => session.refresh().await?.clone(),
    };
    let since = since(args)?;
    let witnesses = testimony::keys(&args.witnesses)?;
    let demands = Demands { witnesses: &witnesses, since: since.as_ref() };
    let waiting = output.waiting("asking for the checkpoint");
    let checked = log::check_node(&session.client, &consortium, demands).await?;
    let mut scope = match &since {
        Some(_) => "your node's log continues the checkpoint you kept".to_owned(),
        None => "your node's checkpoint; keep it (--out) and the next check shows that nothing was changed (--since)"
            .to_owned(),
    };
    if let Some(member) = &args.member {
        let other = session.client.at_member(member).await?;
        // Either may be ahead of the other: whoever has the longer log shows that it continues the shorter one.
        let theirs = log::check_node(&other, &consortium, Demands::default()).await?;
        let (longer, shorter) = match theirs.checkpoint.size >= checked.checkpoint.size {
            true => (&other, &checked),
            false => (&session.client, &theirs),
        };
        log::check_node(longer, &consortium, Demands { witnesses: &[], since: Some(&shorter.note) }).await?;
        scope.push_str(&format!("; it is one log with that of {member}'s node"));
    }
    drop(waiting);
    told(&checked, args, &scope, output)
}

fn pinned(args: &LogCheckArgs) -> Result<Option<Consortium>, Failure> {
    args.consortium.as_ref().map(|path| Ok(Consortium::parse(&text(path)?)?)).transpose()
}

fn since(args: &LogCheckArgs) -> Result<Option<Note>, Failure> {
    args.since.as_ref().map(|path| Ok(Note::parse(&text(path)?)?)).transpose()
}

fn text(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, &error))
}

fn told(checked: &Checked, args: &LogCheckArgs, scope: &str, output: &Output) -> Result<(), Failure> {
    if let Some(out) = &args.out {
        fs::write(out, checked.note.to_string()).map_err(|error| Failure::file(out, &error))?;
    }
    let Checked { checkpoint, cosigners, ml_dsa, witnesses, tiles, records, .. } = checked;
    let value = json!({
        "verified": true, "checkpoint": checkpoint, "cosigners": cosigners, "ml_dsa": ml_dsa, "witnesses": witnesses, "tiles": tiles,
        "records": records,
    });
    let mut rows = vec![
        ("entries", checkpoint.size.to_string()),
        ("root", checkpoint.root.to_string()),
        ("epoch", checkpoint.epoch.to_string()),
        ("cosigned by", super::cosigned_by(cosigners, *ml_dsa)),
    ];
    for (name, time) in witnesses {
        rows.push(("witness", format!("{name} at {}", moment(time.saturating_mul(1000)))));
    }
    let text = format!("Verified: {scope}.\n\n{}", fields(&rows));
    output.result(&value, &checkpoint.size.to_string(), &text);
    Ok(())
}
