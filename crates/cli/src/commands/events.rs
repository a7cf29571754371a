//! What happens on the ledger, as it happens.

use std::time::Duration;

use client::Client;
use client::api::LedgerEvent;
use client::events::Which;
use contracts::code;
use serde_json::json;

use super::{Surroundings, find};
use crate::args::EventsArgs;
use crate::error::Failure;
use crate::output::{Output, moment, short};

pub(super) async fn run(args: EventsArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let client = surroundings.session()?.client;
    let request = match &args.request {
        Some(text) => Some(find::request(&client, text).await?),
        None => None,
    };
    let EventsArgs { after, from, follow, name, member, subject, limit, .. } = args;
    let which = Which { from: from.or((!follow).then_some(0)), after, wait: follow, name, member, subject, request };
    let limit = limit.unwrap_or(if follow { u64::MAX } else { MOST });
    let mut found = Vec::new();
    read(&client, which, limit, output, |event| match follow {
        true => output.result(&event, &event.id, &line(&event)),
        false => found.push(event),
    })
    .await?;
    if follow {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(line).collect();
    let ids: Vec<&str> = found.iter().map(|event| event.id.as_str()).collect();
    let text = if lines.is_empty() { "nothing of that kind has happened".to_owned() } else { lines.join("\n") };
    output.result(&json!({ "events": found }), &ids.join("\n"), &text);
    if found.len() as u64 == limit {
        output.note(&format!("there may be more: --after {}", ids.last().unwrap_or(&"")));
    }
    Ok(())
}

/// Reads up to `limit` events; where it follows and the connection breaks, it goes on from where it was.
async fn read(
    client: &Client,
    mut which: Which,
    limit: u64,
    output: &Output,
    mut tell: impl FnMut(LedgerEvent),
) -> Result<(), Failure> {
    let (mut left, mut pause) = (limit, FIRST_PAUSE);
    loop {
        let ended = async {
            let mut events = client.events(&which).await?;
            let ended = loop {
                match events.next().await {
                    Ok(Some(event)) => {
                        tell(event);
                        pause = FIRST_PAUSE;
                        left -= 1;
                        if left == 0 {
                            break Ok(());
                        }
                    }
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            if let Some(place) = events.place() {
                which.after = Some(place.to_owned());
            }
            ended
        };
        match ended.await {
            Ok(()) if left == 0 || !which.wait => return Ok(()),
            // The node stops, or has started anew.
            Ok(()) => {}
            Err(error)
                if which.wait
                    && (error.is_interruption() || error.code().is_some_and(|code| LATER.contains(&code))) =>
            {
                output.note(&format!("{error}; trying again"));
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

fn line(event: &LedgerEvent) -> String {
    let LedgerEvent { id, name, notice, .. } = event;
    let subject = if notice.subject.len() == 64 { short(&notice.subject) } else { notice.subject.clone() };
    let text = format!("{id:>8}  {}  {name:<22} {subject}  {}", moment(notice.at), notice.members.join(", "));
    let detail = if notice.detail.len() == 64 { short(&notice.detail) } else { notice.detail.clone() };
    format!("{text}  {detail}").trim_end().to_owned()
}

/// Refusals that say to ask again: too many streams, or a node that has just started and catches up.
const LATER: [&str; 3] = [code::BUSY.code, code::LEDGER_BEHIND.code, code::UNAVAILABLE.code];
/// Most events that are listed at once.
const MOST: u64 = 10_000;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);
