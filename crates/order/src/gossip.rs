//! Passes transactions on to the other validators, and takes theirs.

use std::sync::Arc;
use std::time::Duration;

use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, IoBuf, Metrics, Spawner};
use ledger::{MAX_BLOCK_BYTES, SignedTransaction};
use wire::Limits;

use crate::automaton::now;
use crate::committee::own_key;
use crate::docket::{Docket, Outbound};

/// Sends what was submitted here, several bundles to a page.
pub(crate) async fn send<E: Clock>(context: E, mut outbound: Outbound, mut sender: impl Sender<PublicKey = PublicKey>) {
    let mut next = None;
    loop {
        let Some(first) = (match next.take() {
            Some(bundle) => Some(bundle),
            None => outbound.recv().await,
        }) else {
            return;
        };
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
        let page = wire::to_vec(&page);
        debug_assert!(page.len() <= MAX_PAGE);
        // Who does not get it learns of it from the slate; this node proposes it when it leads.
        let _ = sender.send(Recipients::All, IoBuf::from(page), false);
        context.sleep(PAUSE).await;
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
            let page: Vec<Vec<SignedTransaction>> =
                wire::from_slice(page.as_ref(), Limits { bytes: MAX_PAGE, depth: 24 })
                    .map_err(|why| why.to_string())?;
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

fn size(bundle: &[SignedTransaction]) -> usize {
    bundle.iter().map(|signed| signed.to_bytes().len()).sum()
}

/// Where a page is full; a larger bundle travels alone.
const PAGE: usize = 256 * 1024;

/// Most bytes of a page: a bundle as large as a slate, and the arrays' heads.
pub(crate) const MAX_PAGE: usize = MAX_BLOCK_BYTES + 64 * 1024;

/// Least time between two pages, so that they keep below the channel's rate.
const PAUSE: Duration = Duration::from_millis(2);
