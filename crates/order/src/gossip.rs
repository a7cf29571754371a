//! Passes transactions on to the other validators, and takes theirs.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, IoBuf, Metrics, Spawner};
use ledger::{MAX_BLOCK_BYTES, SignedTransaction};
use wire::Limits;

use crate::automaton::now;
use crate::committee::own_key;
use crate::docket::{Docket, Outbound};

/// Sends what was submitted here, several bundles to a page; and again, a page at a time, what has waited for long: a validator that was
/// not connected yet, or no longer, has it then when it leads.
pub(crate) async fn send<E: Clock>(
    context: E,
    docket: Arc<Docket>,
    mut outbound: Outbound,
    mut sender: impl Sender<PublicKey = PublicKey>,
) {
    let mut send = |page: &[Vec<SignedTransaction>]| {
        // Who does not get it learns of it from the slate; this node proposes it when it leads.
        if let Some(page) = encode(page) {
            let _ = sender.send(Recipients::All, IoBuf::from(page), false);
        }
    };
    let (mut next, mut again) = (None, Again::new(context.current(), &docket));
    loop {
        let first = match next.take() {
            Some(bundle) => Some(bundle),
            None => tokio::select! {
                biased;
                () = context.sleep_until(again.due) => {
                    let page = again.page(context.current(), &docket);
                    if !page.is_empty() {
                        send(&page);
                    }
                    continue;
                }
                bundle = outbound.recv() => bundle,
            },
        };
        let Some(first) = first else { return };
        let mut bytes = size(&first);
        let mut page = vec![first];
        while let Ok(bundle) = outbound.try_recv() {
            bytes += size(&bundle);
            if bytes > PAGE {
                next = Some(bundle);
                break;
            }
            page.push(bundle);
        }
        send(&page);
        context.sleep(PAUSE).await;
    }
}

/// Which of the bundles that wait are sent again, and when.
struct Again {
    due: SystemTime,
    /// The first one to look at.
    from: u64,
    /// The first one that came in since the last time.
    fresh: u64,
}

impl Again {
    fn new(now: SystemTime, docket: &Docket) -> Self {
        Self { due: now + AGAIN, from: 0, fresh: docket.next() }
    }

    /// A page of what has waited since the last time at least; from the oldest on, and from there on again after the newest.
    fn page(&mut self, now: SystemTime, docket: &Docket) -> Vec<Vec<SignedTransaction>> {
        let (page, after) = docket.waiting(self.from..self.fresh, PAGE);
        self.from = if after < self.fresh { after } else { 0 };
        self.fresh = docket.next();
        self.due = now + AGAIN;
        page
    }
}

/// Takes what others pass on; one that passes on what no honest validator does is cut off.
pub(crate) async fn receive<E: Clock + Spawner + Metrics>(
    context: E,
    docket: Arc<Docket>,
    mut receiver: impl Receiver<PublicKey = PublicKey>,
    mut blocker: impl Blocker<PublicKey = PublicKey>,
) {
    while let Ok((peer, page)) = receiver.recv().await {
        let Some(origin) = docket.committee().place(&own_key(&peer)) else { continue };
        let time = now(&context);
        let docket = docket.clone();
        let taking = context.child("page").shared(true).spawn(move |_| async move {
            let page = parse(page.as_ref()).map_err(|why| why.to_string())?;
            docket.take(origin, page, time).map_err(|why| why.to_string())
        });
        match taking.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                tracing::warn!(?peer, why, "a validator is cut off");
                blocker.block(peer);
            }
            // This node is stopping.
            Err(_) => return,
        }
    }
}

/// A page as it travels; none where it is longer than any may be, which the others would refuse and at which the engine panics.
fn encode(page: &[Vec<SignedTransaction>]) -> Option<Vec<u8>> {
    let encoded = wire::to_vec(&page);
    let (bytes, bundles) = (encoded.len(), page.len());
    if bytes > MAX_PAGE {
        tracing::error!(bytes, bundles, most = MAX_PAGE, "transactions are not passed on: their page is too long");
        return None;
    }
    Some(encoded)
}

/// A page: bundles of transactions, not yet verified.
pub(crate) fn parse(page: &[u8]) -> Result<Vec<Vec<SignedTransaction>>, wire::Error> {
    wire::from_slice(page, Limits { bytes: MAX_PAGE, depth: 24 })
}

fn size(bundle: &[SignedTransaction]) -> usize {
    bundle.iter().map(|signed| signed.to_bytes().len()).sum()
}

/// Where a page is full; a larger bundle travels alone.
const PAGE: usize = 256 * 1024;

/// Most bytes of a page: a bundle as large as a slate, and the arrays' heads.
pub(crate) const MAX_PAGE: usize = MAX_BLOCK_BYTES + 64 * 1024;

/// Least time between two pages, so that they keep below the channel's rate.
const PAUSE: Duration = Duration::from_millis(2);

/// How long a bundle waits, at least, before it is sent again, and before it is sent once more. Longer than one waits where all is well;
/// with [`PAGE`] it bounds what that costs.
const AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use ledger::{MAX_ARGUMENTS, MAX_BLOCK_TRANSACTIONS};

    use super::*;
    use crate::testing::{Chain, signed};

    #[test]
    fn the_largest_bundle_is_a_page_and_what_no_peer_takes_is_not_sent() {
        let chain = Chain;
        let one = |number, length| signed(&chain, 1, number, 1_000_000, vec![7; length]).into_signed();
        let large = one(0, MAX_ARGUMENTS);
        let most = MAX_BLOCK_BYTES / large.to_bytes().len();
        let mut bundle = vec![large; most];
        let page = encode(&[bundle.clone()]).unwrap();
        assert_eq!(parse(&page).unwrap(), [bundle.clone()]);
        // As many small ones as a bundle may have, each a bundle of its own.
        let many = vec![vec![one(1, 8)]; MAX_BLOCK_TRANSACTIONS];
        assert_eq!(parse(&encode(&many).unwrap()).unwrap(), many);
        // Three more are above a page's bound too, and a page of that length is refused.
        bundle.extend([2, 3, 4].map(|number| one(number, MAX_ARGUMENTS)));
        assert_eq!(encode(&[bundle.clone()]), None);
        assert!(parse(&wire::to_vec(&[bundle])).is_err());
    }
}
