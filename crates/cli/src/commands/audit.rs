//! The node's audit trail.

use client::Client;
use client::api::AuditEntry;
use crypto::{Digest, Label, hash};
use serde_json::json;

use super::Surroundings;
use crate::args::AuditArgs;
use crate::error::Failure;
use crate::output::{Output, moment, short, table};

/// The entries after a sequence number, up to the newest or to a hundred thousand.
///
/// # Errors
/// The node's refusal.
pub(crate) async fn read(client: &Client, after: i64) -> Result<Vec<AuditEntry>, Failure> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let from = entries.last().map_or(after, |last| last.sequence);
        let page = client.audit(from, PAGE).await?.items;
        let last = page.len() < PAGE as usize;
        entries.extend(page);
        if last || entries.len() >= MOST {
            return Ok(entries);
        }
    }
}

/// Checks that the entries follow each other without gaps, each chained to the one before; the first of all to 32 zero
/// bytes, the first of a part to nothing that is known here.
///
/// # Errors
/// Names the first entry at fault.
pub(crate) fn check(entries: &[AuditEntry]) -> Result<(), Failure> {
    let broken = |sequence: i64, what: &str| {
        Err(Failure::new(format!("the audit trail is broken at entry {sequence}"))
            .because(what)
            .hint("keep a copy of the node's directory; someone changed its audit trail"))
    };
    let mut previous = entries.first().filter(|first| first.sequence == 1).map(|_| (0, Digest::from([0; 32])));
    for entry in entries {
        if let Some((sequence, digest)) = previous {
            if entry.sequence != sequence + 1 {
                return broken(entry.sequence, "an entry is missing before it");
            }
            let AuditEntry { sequence, at, actor, action, subject, code, detail, .. } = entry;
            let body = wire::to_vec(&(sequence, at, actor, action, subject, code, detail));
            if hash(Label::AUDIT, &[digest.as_ref(), &body]) != entry.digest {
                return broken(entry.sequence, "its digest is not that of what it says");
            }
        }
        previous = Some((entry.sequence, entry.digest));
    }
    Ok(())
}

pub(super) async fn run(args: AuditArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    // The entry before the first one anchors the chain.
    let anchored = args.verify && args.after > 0;
    let mut entries = read(&client, args.after - i64::from(anchored)).await?;
    if args.verify {
        check(&entries)?;
    }
    if anchored {
        entries.remove(0);
    }
    let row = |entry: &AuditEntry| {
        vec![
            entry.sequence.to_string(),
            moment(entry.at),
            if entry.actor.len() == 64 { short(&entry.actor) } else { entry.actor.clone() },
            entry.action.clone(),
            if entry.subject.len() == 64 { short(&entry.subject) } else { entry.subject.clone() },
            entry.code.clone(),
        ]
    };
    let header = ["", "time (UTC)", "who", "what", "on what", "outcome"];
    let mut text = table(&header, entries.iter().map(row).collect(), "nothing after that");
    if args.verify {
        text.push_str(&format!("\n\nThe chain of {} entries is whole.", entries.len()));
    }
    let value = json!({ "entries": entries, "verified": args.verify });
    let last = entries.last().map_or(args.after, |entry| entry.sequence);
    output.result(&value, &last.to_string(), &text);
    Ok(())
}

const PAGE: u32 = 500;
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn trail() -> Vec<AuditEntry> {
        let mut previous = Digest::from([0; 32]);
        let mut entry = |sequence: i64| {
            let (at, actor, action) = (7u64, "node".to_owned(), "node.start".to_owned());
            let (subject, code, detail) = (format!("s{sequence}"), "ok".to_owned(), String::new());
            let body = wire::to_vec(&(sequence, at, &actor, &action, &subject, &code, &detail));
            previous = hash(Label::AUDIT, &[previous.as_ref(), &body]);
            AuditEntry { sequence, at, actor, action, subject, code, detail, digest: previous }
        };
        (1..=5).map(&mut entry).collect()
    }

    #[test]
    fn a_whole_trail_and_any_part_of_it_hold() {
        let trail = trail();
        assert!((0..5).all(|from| check(&trail[from..]).is_ok()) && check(&[]).is_ok());
    }

    #[test]
    fn changed_missing_and_forged_entries_show() {
        let whole = trail();
        let mut changed = whole.clone();
        changed[2].detail = "nothing happened".into();
        assert!(check(&changed).is_err());
        let mut missing = whole.clone();
        missing.remove(2);
        assert!(check(&missing).is_err());
        let mut first = whole;
        first[0].subject = "another".into();
        assert!(check(&first).is_err());
    }
}
