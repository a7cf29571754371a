//! The keys that two parties share, and the masks made from them.

use crypto::{Digest, Secret};

use crate::domain::Element;
use crate::engine::{Io, OpId};
use crate::prg::Prg;

use zeroize::Zeroize as _;

/// What a party shares with one peer in a run.
pub(super) struct Pair {
    peer: u16,
    stream: Prg,
    confirmation: Digest,
}

impl Pair {
    /// Of the key on which the two agreed when the session was set up.
    pub(super) fn of(io: &Io, peer: u16) -> Self {
        Self::new(peer, &io.pair_key(peer, MASK), &io.pair_key(peer, CONFIRM))
    }

    fn new(peer: u16, mask: &Secret<[u8; 32]>, confirmation: &Secret<[u8; 32]>) -> Self {
        // The confirmation is independent of the mask key to anyone without the seeds, hence may be published.
        let confirmation = confirmation.expose(|bytes| *bytes).into();
        Self { peer, stream: Prg::wide(mask), confirmation }
    }

    /// As [`Pair::of`], of an agreement of the caller's making.
    #[cfg(test)]
    pub(super) fn agreed(peer: u16, root: &crate::prg::Root) -> Self {
        Self::new(peer, &root.key(&[MASK]), &root.key(&[CONFIRM]))
    }

    /// What both parties state beside the recipient's shares, so that different keys are noticed.
    pub(super) const fn confirmation(&self) -> Digest {
        self.confirmation
    }

    /// Masks elements from `at` on with an operation's stream: the lower party adds it, the higher one subtracts it.
    pub(super) fn apply<E: Element>(&self, op: OpId, at: usize, values: &mut [E], own: u16) {
        let mut masks = vec![E::ZERO; values.len().min(STRETCH)];
        for (stretch, values) in values.chunks_mut(STRETCH).enumerate() {
            let masks = &mut masks[..values.len()];
            self.stream.elements(op, at + stretch * STRETCH, masks);
            let pairs = values.iter_mut().zip(&*masks);
            if own < self.peer {
                pairs.for_each(|(value, mask)| *value = value.add(*mask));
            } else {
                pairs.for_each(|(value, mask)| *value = value.sub(*mask));
            }
        }
        masks.zeroize();
    }
}

/// Purposes of a pair's keys.
const MASK: &[u8] = b"mask";
const CONFIRM: &[u8] = b"confirm";
/// Elements masked at once: what stays in a processor's nearest cache.
const STRETCH: usize = 2048;
