//! Ways to a member's node: at its address, or through a third member's node while that fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::http::{Dial, Endpoint, Error as Transport, empty, full};
use contracts::message::MemberCard;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue};
use tokio::time::{Instant, sleep, timeout};

use super::{Peers, cbor};
use crate::message::AskTunnel;
use crate::tunnel::PROTOCOL;

/// How a member's node is reached.
pub(super) struct Link {
    direct: Endpoint,
    /// The way round, and until when it is taken without trying the direct one again.
    detour: Mutex<Option<(Way, Instant)>>,
    /// Held while a way round is looked for, so that one look serves all who wait; when one was last in vain.
    search: tokio::sync::Mutex<Option<Instant>>,
}

/// One way to a member's node.
#[derive(Clone)]
pub(super) struct Way {
    /// The member whose node carries; none on the direct way.
    pub(super) carrier: Option<String>,
    pub(super) endpoint: Endpoint,
}

impl Link {
    pub(super) fn new(direct: Endpoint) -> Self {
        Self { direct, detour: Mutex::default(), search: tokio::sync::Mutex::default() }
    }

    /// The way that is taken now. Where the way round has served its time, it serves on while the direct one is tried.
    pub(super) fn way(self: &Arc<Self>) -> Way {
        let mut detour = self.detour.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((way, until)) = &mut *detour else { return self.straight() };
        if *until <= Instant::now() {
            *until = Instant::now() + REMEMBERED;
            let link = Arc::clone(self);
            tokio::spawn(async move {
                if answers(&link.direct, LOOK).await {
                    link.take(None);
                }
            });
        }
        way.clone()
    }

    /// The way round has served its time.
    #[cfg(test)]
    pub(super) fn expire(&self) {
        if let Some((_, until)) = &mut *self.detour.lock().unwrap() {
            *until = Instant::now();
        }
    }

    fn straight(&self) -> Way {
        Way { carrier: None, endpoint: self.direct.clone() }
    }

    fn take(&self, way: Option<Way>) {
        let detour = way.filter(|way| way.carrier.is_some()).map(|way| (way, Instant::now() + REMEMBERED));
        *self.detour.lock().unwrap_or_else(PoisonError::into_inner) = detour;
    }
}

impl Peers {
    /// Waits until the node has fallen silent on this way and answers on another: that one. A node that takes its time,
    /// or answers on none, is waited for.
    pub(super) async fn overtake(
        &self,
        link: &Arc<Link>,
        card: &MemberCard,
        way: &Way,
        members: impl Fn() -> Vec<MemberCard>,
    ) -> Way {
        loop {
            sleep(PAUSE).await;
            if !answers(&way.endpoint, LOOK).await
                && let Some(other) = self.around(link, card, way, &members).await
            {
                return other;
            }
        }
    }

    /// Another way to a member's node than the one that failed; none where nobody reaches it.
    ///
    /// The members are asked in the order of their names, beginning after this node's own, each a moment after the one
    /// before (as RFC 8305 §5 does with addresses), so that as a rule one of them learns of it, and a node that is away
    /// is known to be before long.
    pub(super) async fn around(
        &self,
        link: &Arc<Link>,
        card: &MemberCard,
        failed: &Way,
        members: impl Fn() -> Vec<MemberCard>,
    ) -> Option<Way> {
        if card.name == self.own {
            return None;
        }
        let mut vain = link.search.lock().await;
        let now = link.way();
        if now.carrier != failed.carrier {
            return Some(now);
        }
        if vain.is_some_and(|at| at.elapsed() < VAIN) {
            return None;
        }
        let straight = failed.carrier.as_ref().map(|_| link.straight());
        let mut carriers = members();
        carriers.retain(|carrier| carrier.name != self.own && carrier.name != card.name);
        carriers.sort_by(|a, b| (a.name < self.own, &a.name).cmp(&(b.name < self.own, &b.name)));
        // An address that cannot be used reaches nobody.
        let carried = carriers.iter().filter_map(|carrier| self.by_way_of(carrier, card).ok());
        let ways = straight.into_iter().chain(carried).zip(0u32..);
        let asked = ways.map(|(way, place)| async move {
            sleep(HEAD_START * place).await;
            answers(&way.endpoint, REACH).await.then_some(way)
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let first = async {
            while let Some(answered) = asked.next().await {
                if answered.is_some() {
                    return answered;
                }
            }
            None
        };
        let found = timeout(SEARCH, first).await.ok().flatten();
        *vain = found.is_none().then(Instant::now);
        link.take(found.clone());
        if let Some(carrier) = found.as_ref().and_then(|way| way.carrier.as_deref()) {
            tracing::warn!(member = card.name, carrier, "a node is out of reach; its traffic goes by way of another's");
            self.metrics.detours.inc(&[&card.name, carrier]);
        }
        found
    }

    /// To the member of `card` through the node of `carrier`.
    fn by_way_of(&self, carrier: &MemberCard, card: &MemberCard) -> Result<Way, Transport> {
        let opening = self.link(carrier)?.direct.clone().with_patience(REACH);
        let ask = bytes::Bytes::from(wire::to_vec(&AskTunnel { member: card.name.clone() }));
        let dial: Dial = Arc::new(move || {
            let (opening, ask) = (opening.clone(), ask.clone());
            let protocol = HeaderValue::from_static(PROTOCOL);
            Box::pin(async move { opening.upgrade("/peer/v1/tunnel", cbor(), full(ask), protocol).await })
        });
        let endpoint = Endpoint::dialled(dial, self.address(card), card.tls, Some(&self.identity))?;
        Ok(Way { carrier: Some(carrier.name.clone()), endpoint })
    }
}

/// Whether the node answers at all. A refusal is an answer.
async fn answers(endpoint: &Endpoint, patience: Duration) -> bool {
    let ask = async { endpoint.send(Method::GET, "/health", HeaderMap::new(), empty()).await?.bytes(MAX_HEALTH).await };
    matches!(timeout(patience, ask).await, Ok(Ok(_) | Err(Transport::Problem(_))))
}

/// How long a way round is taken before the direct one is tried again.
const REMEMBERED: Duration = Duration::from_secs(30);
/// How long a call may take before it is asked whether the node answers at all, and how long that answer may take: less
/// than a party may be silent in a computation.
const PAUSE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(2);
/// How long one way round may take to bring an answer, and the look for one as a whole.
const REACH: Duration = Duration::from_secs(5);
const SEARCH: Duration = Duration::from_secs(8);
/// How long after the one before the next is asked.
const HEAD_START: Duration = Duration::from_millis(250);
/// How long nobody looks again where nobody reached the node.
const VAIN: Duration = Duration::from_secs(5);
const MAX_HEALTH: usize = 64 * 1024;
