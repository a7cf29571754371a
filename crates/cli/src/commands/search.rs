//! Searching the ledger, in the node's read model.

use client::api::{Found, FoundObject, FoundTransaction, LedgerEvent};
use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use serde::Serialize;

use super::Surroundings;
use crate::args::{KindName, PageArgs, SearchCommand};
use crate::error::Failure;
use crate::home::now;
use crate::output::{Output, moment, parse_moment, short, table};

pub(super) async fn run(command: SearchCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    match command {
        SearchCommand::Transactions { id, sender, contract, method, code, page } => {
            let Window { since, until, order } = window(&page)?;
            let PageArgs { from_height, to_height, limit, after, .. } = page;
            let which = Transactions {
                id,
                sender,
                contract,
                method,
                code,
                from_height,
                to_height,
                since,
                until,
                order,
                limit: Some(limit),
                after,
            };
            let found = client.search_transactions(&which).await?;
            let row = |one: &FoundTransaction| {
                let method = format!("{}.{}", one.contract, one.method);
                vec![one.index.to_string(), moment(one.at), short(one.id), method, short(one.sender), one.code.clone()]
            };
            let header = ["index", "when (UTC)", "transaction", "method", "by", "code"];
            show(&found, &header, row, |one| one.id.to_string(), output);
        }
        SearchCommand::Events { name, member, subject, request, page } => {
            let Window { since, until, order } = window(&page)?;
            let PageArgs { from_height, to_height, limit, after, .. } = page;
            let which = Events {
                name,
                member,
                subject,
                request,
                from_height,
                to_height,
                since,
                until,
                order,
                limit: Some(limit),
                after,
            };
            let found = client.search_events(&which).await?;
            let row = |one: &LedgerEvent| {
                let notice = &one.notice;
                let (subject, detail) = (brief(&notice.subject), brief(&notice.detail));
                vec![one.id.clone(), moment(notice.at), one.name.clone(), subject, notice.members.join(", "), detail]
            };
            let header = ["event", "when (UTC)", "what", "about", "concerns", "detail"];
            show(&found, &header, row, |one| one.id.clone(), output);
        }
        SearchCommand::Objects { kind, status, code, name, id, member, under, maker, page } => {
            let Window { since, until, order } = window(&page)?;
            let PageArgs { from_height, to_height, limit, after, .. } = page;
            let which = Objects {
                kind: kind.map(|kind| match kind {
                    KindName::Member => ObjectKind::Member,
                    KindName::Asset => ObjectKind::Asset,
                    KindName::Contract => ObjectKind::Contract,
                    KindName::Request => ObjectKind::Request,
                }),
                status,
                code,
                name,
                id,
                member,
                under,
                maker,
                from_height,
                to_height,
                since,
                until,
                order,
                limit: Some(limit),
                after,
            };
            let found = client.search_objects(&which).await?;
            let row = |one: &FoundObject| {
                let status = match (&one.code, one.version) {
                    (Some(code), _) => format!("{}: {code}", one.status),
                    (None, Some(version)) => format!("{}, version {version}", one.status),
                    (None, None) => one.status.clone(),
                };
                let (name, owner) = (one.name.clone().unwrap_or_default(), one.owner.clone().unwrap_or_default());
                vec![
                    one.kind.name().into(),
                    brief(&one.id),
                    name,
                    owner,
                    status,
                    moment(one.made_at),
                    one.changed_at.map_or_else(|| "unknown".into(), moment),
                ]
            };
            let header = ["kind", "id", "name", "owner", "stands", "made (UTC)", "changed (UTC)"];
            show(&found, &header, row, |one| one.id.clone(), output);
        }
    }
    Ok(())
}

/// Times and order as the node takes them.
struct Window {
    since: Option<u64>,
    until: Option<u64>,
    order: Option<Order>,
}

fn window(page: &PageArgs) -> Result<Window, Failure> {
    let read = |text: &Option<String>| {
        let refuse = |text: &str| {
            Failure::new(format!("`{text}` is no time"))
                .hint("write 2026-11-21, 2026-11-21T09:30 or 2026-11-21T09:30:00, in UTC; or so long ago: 90m, 12h, 7d")
        };
        text.as_deref().map(|text| parse_moment(text, now()).ok_or_else(|| refuse(text))).transpose()
    };
    let order = if page.oldest { Order::Oldest } else { Order::Newest };
    Ok(Window { since: read(&page.since)?, until: read(&page.until)?, order: Some(order) })
}

fn show<T: Serialize>(
    found: &Found<T>,
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    id: impl Fn(&T) -> String,
    output: &Output,
) {
    let text = table(header, found.items.iter().map(row).collect(), "nothing of that kind is there");
    let ids: Vec<String> = found.items.iter().map(id).collect();
    output.result(found, &ids.join("\n"), &text);
    let from = match found.from {
        0 => String::new(),
        from => format!(", complete from block {from} on"),
    };
    match &found.next {
        Some(next) => output.note(&format!("as of block {}{from}; there is more: --after {next}", found.height)),
        None => output.note(&format!("as of block {}{from}", found.height)),
    }
}

/// An identity's first digits; all else as it is.
fn brief(text: &str) -> String {
    let is_identity = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_identity { short(text) } else { text.to_owned() }
}
