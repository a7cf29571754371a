//! Committed events as a stream of server-sent events (WHATWG HTML §9.2) that goes on where it was cut.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::HeaderMap};
use bytes::Bytes;
use client::api::LedgerEvent;
use contracts::code;
use contracts::record::Notice;
use crypto::Digest;
use futures_util::stream;
use http::header;
use ledger::{Committed, Event};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;
use wire::Limits;

use super::{Shared, insider, known};
use crate::auth::Caller;
use crate::extract::Query;
use crate::problem::ApiError;
use crate::requests;
use crate::service::Node;

pub(super) fn routes() -> Router<Arc<Node>> {
    Router::new().route("/v1/events", get(events))
}

/// From where on, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Those of the transaction at this place of the log and of later ones; from 0. Without it and `after`: only what comes from now on.
    pub from: Option<u64>,
    /// Those after the event of this id. The header `Last-Event-ID` takes precedence.
    pub after: Option<String>,
    /// Whether to wait for more at the end of the log (`true`, unless stated), or to end there.
    pub wait: Option<bool>,
    /// Of this name (`request.allowed`), or of all names that begin with this word (`request`).
    pub name: Option<String>,
    /// That concern this member.
    pub member: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// That belong to this request. The requester may ask for its own; all else is for members.
    #[param(value_type = Option<String>)]
    pub request: Option<Digest>,
}

/// What committed transactions did, as a stream of server-sent events, each with a [`LedgerEvent`] as its data. A block `id:` without data says how far the log was searched.
#[utoipa::path(get, path = "/v1/events", tag = "ledger", params(Which), responses((status = 200, body = LedgerEvent, content_type = "text/event-stream")))]
pub(crate) async fn events(
    State(node): Shared,
    caller: Caller,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    may_read(&node, &caller, &which)?;
    let place = Arc::clone(&node.streams).try_acquire_owned();
    let place =
        place.map_err(|_| ApiError::new(code::BUSY, "too many streams of events are open").with_retry(RETRY))?;
    let resumed = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let size = node.replica.log_size();
    let next = match (resumed.or(which.after.as_deref()), which.from) {
        (Some(id), _) => Id::from_str(id)?.next(),
        (None, Some(index)) => Id { index, position: 0 },
        // The newest is told to be behind, so that a stream that is cut before anything happens misses nothing.
        (None, None) => Id { index: size.saturating_sub(1), position: usize::MAX },
    };
    // Those of transactions that are not kept here are another node's to tell.
    let kept = node.replica.copied().kept()?;
    let is_new = resumed.is_none() && which.after.is_none() && which.from.is_none();
    let next = match next.index < kept.index {
        true if is_new => Id { index: size, position: 0 },
        true => return Err(ledger::Error::Gone { oldest: kept.height }.into()),
        false => next,
    };
    let end = if which.wait == Some(false) { size } else { u64::MAX };
    let heights = node.replica.heights();
    let feed = Feed { node, caller, which, next, end, heights, _place: place };
    let pieces = stream::unfold(feed, |mut feed| async {
        let piece = feed.piece().await?;
        Some((Ok::<_, Infallible>(piece), feed))
    });
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces)).into_response())
}

/// Members' people and nodes read everything, a requester what became of its own request.
fn may_read(node: &Node, caller: &Caller, which: &Which) -> Result<(), ApiError> {
    known(caller)?;
    if let (Caller::Key(key), Some(request)) = (caller, &which.request)
        && requests::request(node, request)?.requester == *key
    {
        return Ok(());
    }
    insider(node, caller)
}

/// An event's place: its transaction's in the log, and its own in the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    index: u64,
    position: usize,
}

impl Id {
    const fn next(self) -> Self {
        Self { position: self.position.saturating_add(1), ..self }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.index, self.position)
    }
}

impl FromStr for Id {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parts = text.split_once('.').and_then(|(index, position)| Some((number(index)?, number(position)?)));
        let id = parts.and_then(|(index, position)| Some(Self { index, position: usize::try_from(position).ok()? }));
        id.ok_or_else(|| ApiError::new(code::MALFORMED, "an event's id has the form `INDEX.POSITION`"))
    }
}

/// A stream that is open.
struct Feed {
    node: Arc<Node>,
    caller: Caller,
    which: Which,
    /// The first event that was not looked at yet.
    next: Id,
    /// Where the stream ends: the transaction after the last.
    end: u64,
    heights: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

impl Feed {
    /// The next bytes of the stream; nothing at its end.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            // Before the log is read: what comes while it is read wakes this up again.
            self.heights.borrow_and_update();
            if self.next.index >= self.end {
                return None;
            }
            // Rights may have gone since.
            may_read(&self.node, &self.caller, &self.which).ok()?;
            let entries = match self.node.replica.entries(self.next.index, BATCH).await {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::error!(%error, "a stream of events ends");
                    return None;
                }
            };
            if let Some(text) = tell(&self.which, &mut self.next, &entries) {
                return Some(text.into());
            }
            tokio::select! {
                changed = self.heights.changed() => changed.ok()?,
                () = tokio::time::sleep(ALIVE) => return Some(Bytes::from_static(b":\n\n")),
                () = self.node.stopping.cancelled() => return None,
            }
        }
    }
}

/// The events among these transactions that are asked for, from `next` on, which moves on, then how far was looked; nothing where there are no
/// transactions.
fn tell(which: &Which, next: &mut Id, entries: &[Committed]) -> Option<String> {
    let end = entries.last()?;
    let reached = Id { index: end.index, position: end.outcome.events.len().saturating_sub(1) };
    let (mut text, mut told) = (String::new(), None);
    for entry in entries {
        for (position, Event { name, data }) in entry.outcome.events.iter().enumerate() {
            let id = Id { index: entry.index, position };
            // Another application's events may tell something else.
            let Ok(notice) = wire::from_slice::<Notice>(data, Limits::small()) else { continue };
            if id < *next || !is_asked_for(which, name, &notice) {
                continue;
            }
            let (id_text, transaction) = (id.to_string(), entry.transaction.id());
            let event = LedgerEvent { id: id_text, height: entry.height, transaction, name: name.clone(), notice };
            let data = serde_json::to_string(&event).expect("an event has string keys only");
            // JSON in one line holds no line break, and a name is letters and dots.
            _ = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
            told = Some(id);
        }
    }
    if told != Some(reached) {
        _ = write!(text, "id: {reached}\n\n");
    }
    *next = Id { index: end.index + 1, position: 0 };
    Some(text)
}

fn is_asked_for(which: &Which, name: &str, notice: &Notice) -> bool {
    let Which { name: wanted, member, subject, request, .. } = which;
    let begins = |wanted: &str| name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    wanted.as_deref().is_none_or(begins)
        && member.as_ref().is_none_or(|member| notice.members.contains(member))
        && subject.as_ref().is_none_or(|subject| *subject == notice.subject)
        && request.is_none_or(|request| notice.request == Some(request))
}

/// Streams open at once.
pub(crate) const STREAMS: usize = 128;
/// Transactions looked at at a time.
const BATCH: u64 = 64;
/// How often something is said where nothing happens, so that a connection that is gone shows.
const ALIVE: Duration = Duration::from_secs(10);
/// Seconds until who found no place asks again.
const RETRY: u64 = 10;

#[cfg(test)]
mod tests {
    use crypto::SigningKey;
    use ledger::{Outcome, Transaction};
    use wire::Fixed;

    use super::*;

    fn which(change: impl FnOnce(&mut Which)) -> Which {
        let mut which =
            Which { from: None, after: None, wait: None, name: None, member: None, subject: None, request: None };
        change(&mut which);
        which
    }

    fn entry(index: u64, events: &[(&str, &str)]) -> Committed {
        let key = SigningKey::generate();
        let transaction = Transaction {
            chain: Digest::from([1; 32]),
            sender: key.public(),
            nonce: Fixed([index as u8; 16]),
            expires: 0,
            contract: "c".into(),
            method: "m".into(),
            arguments: vec![].into(),
        };
        let event = |(name, member): &(&str, &str)| Event {
            name: (*name).into(),
            data: wire::to_vec(&Notice {
                at: 5,
                subject: format!("s{index}"),
                members: vec![(*member).into()],
                request: Some(Digest::from([index as u8; 32])),
                detail: "line\nbreak".into(),
            })
            .into(),
        };
        let outcome = Outcome { code: "ok".into(), events: events.iter().map(event).collect() };
        Committed { index, height: index / 2 + 1, position: 0, transaction: transaction.sign(&key), outcome }
    }

    /// The ids with data and without, as a reader sees them.
    fn ids(text: &str) -> Vec<(String, bool)> {
        let blocks = text.split_terminator("\n\n").map(|block| {
            let id = block.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
            (id.to_owned(), block.lines().any(|line| line.starts_with("data: ")))
        });
        blocks.collect()
    }

    #[test]
    fn events_are_told_from_where_they_are_asked_for() {
        let entries = [
            entry(3, &[("request.applied", "a"), ("grant.issued", "b")]),
            entry(4, &[]),
            entry(5, &[("requests", "a")]),
        ];
        let told = |from: &str, which: &Which| {
            let mut next = from.parse().unwrap();
            let text = tell(which, &mut next, &entries).unwrap();
            assert_eq!(next, Id { index: 6, position: 0 });
            ids(&text)
        };
        let some = |id: &str, data| (id.to_owned(), data);
        let all = which(|_| ());
        assert_eq!(told("0.0", &all), [some("3.0", true), some("3.1", true), some("5.0", true)]);
        assert_eq!(told("3.1", &all), [some("3.1", true), some("5.0", true)]);
        assert_eq!(told("5.1", &all), [some("5.0", false)], "how far it is, and nothing new");
        let requests = which(|which| which.name = Some("request".into()));
        assert_eq!(told("0.0", &requests), [some("3.0", true), some("5.0", false)]);
        assert_eq!(
            told("0.0", &which(|which| which.member = Some("b".into()))),
            [some("3.1", true), some("5.0", false)]
        );
        assert_eq!(told("0.0", &which(|which| which.subject = Some("s5".into()))), [some("5.0", true)]);
        assert_eq!(told("0.0", &which(|which| which.request = Some(Digest::from([5; 32])))), [some("5.0", true)]);
        assert_eq!(tell(&all, &mut Id { index: 6, position: 0 }, &[]), None);
        let text = tell(&all, &mut Id { index: 0, position: 0 }, &entries[..1]).unwrap();
        assert!(text.contains("line\\nbreak") && text.contains("\"height\":2"), "{text}");
    }

    #[test]
    fn ids_have_one_form() {
        assert_eq!("7.2".parse::<Id>().unwrap().next().to_string(), "7.3");
        for wrong in ["", "7", "7.", ".2", "+7.2", "7.2.1", "-1.0", "99999999999999999999.0", "a.b"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }
}
