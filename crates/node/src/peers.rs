//! The other members' nodes: canonical CBOR over mutual TLS, each pinned to the key its member registered.
//!
//! Where a node cannot be reached at its address, a call goes through a third member's ([`crate::tunnel`]), inside the
//! same TLS; [`link`] finds and remembers the way.

mod link;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use client::http::{self, Endpoint, Error as Transport, MAX_ANSWER};
use client::seen::Seen;
use client::tls::Identity;
use contracts::code;
use contracts::message::MemberCard;
use crypto::Digest;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use wire::Limits;

use crate::metrics::Metrics;
use crate::problem::ApiError;
use link::{Link, Way};

/// Calls to other members' nodes; connections are pooled for each.
pub(crate) struct Peers {
    /// This node's member.
    own: String,
    identity: Identity,
    /// Members' addresses as seen from here, where they differ from those in their cards.
    addresses: BTreeMap<String, String>,
    metrics: Arc<Metrics>,
    links: Mutex<HashMap<String, Known>>,
}

/// The link to a member, with what it was made from: a member that moves or changes its key gets a new one.
#[derive(Clone)]
struct Known {
    address: String,
    pin: Digest,
    link: Arc<Link>,
}

impl Peers {
    /// Calls as `identity` of the member `own`; `addresses` take precedence over those in the members' cards.
    pub(crate) fn new(
        own: String,
        identity: Identity,
        addresses: BTreeMap<String, String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { own, identity, addresses, metrics, links: Mutex::default() }
    }

    /// Where a member's node is, as seen from here.
    pub(crate) fn address<'a>(&'a self, card: &'a MemberCard) -> &'a str {
        self.addresses.get(&card.name).unwrap_or(&card.address)
    }

    /// Sends `message` to the member of this card and reads the answer. Where no connection comes about, it goes by way
    /// of one of the `members`; one that may be said twice goes so too where the connection breaks, or the node falls
    /// silent on it. The call names the height in `seen`, and the answer's is noted there.
    ///
    /// # Errors
    /// The peer's own refusal, with its code; `peer_unreachable` for anything else.
    pub(crate) async fn call<M, A>(
        &self,
        card: &MemberCard,
        members: impl Fn() -> Vec<MemberCard>,
        path: &str,
        message: &M,
        (patience, seen): (Duration, &Seen),
    ) -> Result<A, ApiError>
    where
        M: minicbor::Encode<()>,
        A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
    {
        let unreachable = |error: Transport| ApiError::new(code::PEER_UNREACHABLE, format!("{}: {error}", card.name));
        let link = self.link(card).map_err(unreachable)?;
        let message = Bytes::from(wire::to_vec(message));
        let post = |way: &Way| {
            let endpoint = way.endpoint.clone().with_patience(patience).with_seen(seen.clone());
            let message = message.clone();
            async move { post::<A>(&endpoint, path, message).await }
        };
        let repeatable = REPEATABLE.contains(&path);
        let mut way = link.way();
        let mut outcome = tokio::select! {
            outcome = post(&way) => outcome,
            other = self.overtake(&link, card, &way, &members), if repeatable => {
                way = other;
                post(&way).await
            }
        };
        if let Err(error) = &outcome
            && (error.is_unsent() || (repeatable && error.is_transport()))
            && let Some(other) = self.around(&link, card, &way, &members).await
        {
            outcome = post(&other).await;
        }
        outcome.map_err(|error| match error {
            Transport::Problem(problem) => ApiError::coded(&problem.code, format!("{}: {}", card.name, problem.detail)),
            other => unreachable(other),
        })
    }

    fn link(&self, card: &MemberCard) -> Result<Arc<Link>, Transport> {
        let (address, pin) = (self.address(card), card.tls);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = links.get(&card.name).filter(|known| known.address == address && known.pin == pin) {
            return Ok(Arc::clone(&known.link));
        }
        let link = Arc::new(Link::new(Endpoint::new(address, pin, Some(&self.identity))?));
        let known = Known { address: address.to_owned(), pin, link: Arc::clone(&link) };
        links.insert(card.name.clone(), known);
        Ok(link)
    }
}

async fn post<A>(endpoint: &Endpoint, path: &str, message: Bytes) -> Result<A, Transport>
where
    A: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let answer = endpoint.send(Method::POST, path, cbor(), http::full(message)).await?;
    let bytes = answer.bytes(MAX_ANSWER).await?;
    wire::from_slice(&bytes, Limits::large()).map_err(|error| Transport::Malformed(error.to_string()))
}

fn cbor() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/cbor"))])
}

/// What may be said twice, even while the first saying is under way: every message of a computation but the last, which
/// is for the ledger.
const REPEATABLE: [&str; 5] = [
    "/peer/v1/compute/start",
    "/peer/v1/compute/frame",
    "/peer/v1/compute/alive",
    "/peer/v1/compute/wait",
    "/peer/v1/compute/cancel",
];

#[cfg(test)]
mod tests;
