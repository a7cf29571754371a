//! Whose word suffices for blocks that come from others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::{code, read};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use ledger::{Block, Checkpoint, Epoch};
use tokio::time::timeout;

use crate::message::{AskCosigned, Cosigned, CosignedBy};
use crate::problem::ApiError;
use crate::service::Node;

/// The first of these blocks, as many as can be checked at once: a quorum of those who order, or of all validators of the ledger's
/// epoch, answers for the last of them with its cosignature, and so for those before it, which its header commits to. With them, those of
/// these cosignatures that are of the ledger's epoch.
pub(super) async fn vouch(
    node: &Arc<Node>,
    mut blocks: Vec<Block>,
) -> Result<(Vec<Block>, Option<Cosigned>), ApiError> {
    let ledger = &node.replica.ledger;
    let view = ledger.view()?;
    let current = read::epoch(&*view)?;
    let quorum = read::quorum(&*view)?;
    let (alone, ordering) =
        (quorum.is_none(), quorum.map(|quorum| read::validators(&*view, quorum.epoch)).transpose()?.flatten());
    drop(view);
    // Who answers for later blocks is known once these are here.
    let (sent, fit) = (blocks.len(), blocks.iter().take_while(|block| block.header.epoch == current.number).count());
    blocks.truncate(fit);
    let Some(last) = blocks.last() else {
        return match sent {
            0 => Ok((blocks, None)),
            _ => Err(ApiError::new(code::UNAVAILABLE, "it sent blocks of another epoch than the ledger's")),
        };
    };
    let mut before = ledger.head().digest();
    for block in &blocks {
        if block.header.previous != before {
            return Err(ApiError::new(code::UNAVAILABLE, "it sent blocks that do not follow on each other"));
        }
        before = block.header.digest();
    }
    let (checkpoint, ask) = (Checkpoint::of(&last.header), AskCosigned { height: last.header.height });
    let epochs: Vec<Epoch> = [Some(current), ordering].into_iter().flatten().collect();
    let names: BTreeSet<&str> = epochs.iter().flat_map(|epoch| &epoch.validators).map(|one| &*one.name).collect();
    let mut asked: FuturesUnordered<_> = names
        .into_iter()
        .filter(|name| *name != node.member)
        .map(|name| async { timeout(VOUCH, node.call::<_, Cosigned>(name, "/peer/v1/cosign", &ask)).await.ok()?.ok() })
        .collect();
    let mut answered = vec![BTreeMap::new(); epochs.len()];
    while let Some(answer) = asked.next().await {
        for CosignedBy { member, cosignature } in answer.into_iter().flat_map(|cosigned| cosigned.signatures) {
            for (epoch, answered) in epochs.iter().zip(&mut answered) {
                let Some((_, validator)) = epoch.validator(&member) else { continue };
                // Those who order may be of an epoch before this one, when they had other ML-DSA keys or none: they are known by the keys
                // that they order with.
                let verified = match epoch.number == checkpoint.epoch {
                    true => validator.verify(&checkpoint, &cosignature),
                    false => checkpoint.verify(&validator.key, &cosignature),
                };
                if verified.is_ok() {
                    answered.insert(member.clone(), cosignature.clone());
                }
            }
        }
        let suffice = |epoch: &Epoch, answered: &BTreeMap<_, _>| match alone {
            true => answered.len() >= answering(epoch),
            false => suffice(epoch, answered.keys(), &node.member),
        };
        if epochs.iter().zip(&answered).any(|(epoch, answered)| suffice(epoch, answered)) {
            drop(asked);
            let of_the_ledger = std::mem::take(&mut answered[0]).into_iter();
            let signatures = of_the_ledger.map(|(member, cosignature)| CosignedBy { member, cosignature }).collect();
            return Ok((blocks, Some(Cosigned { height: ask.height, signatures })));
        }
    }
    Err(ApiError::new(code::UNAVAILABLE, format!("too few validators answer for block {}", ask.height)))
}

/// Whether these members' word for a block suffices: a quorum's, or where this member is a validator of the epoch, that of more others
/// than can lie, of whom one at least has executed it. Those who lie could else keep silent, and validators behind, whom the others
/// need, would wait for each other.
fn suffice<'a>(epoch: &Epoch, answered: impl Iterator<Item = &'a String>, own: &str) -> bool {
    let liars = epoch.validators.len() - epoch.quorum();
    let least = if epoch.validator(own).is_some() { liars + 1 } else { epoch.quorum() };
    answered.filter(|member| *member != own).count() >= least
}

/// How many validators beside a restored one answer for a block so surely that it cannot have cosigned another that counts: 2f + 1. Whoever
/// asks does not count itself: it has no signature of its own where it asks.
pub(super) fn answering(epoch: &Epoch) -> usize {
    2 * (epoch.validators.len() - epoch.quorum()) + 1
}

/// How long a validator's answer for a block may take.
pub(super) const VOUCH: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use crypto::SigningKey;

    use super::*;

    #[test]
    fn a_quorum_answers_for_a_block_and_to_a_validator_more_than_can_lie() {
        let epoch = |n: usize| {
            let validator = |at: usize| ledger::Validator {
                name: format!("v{at}"),
                key: SigningKey::from_seed(&[at as u8; 32]).public(),
                ml_dsa: None,
            };
            Epoch { number: 0, validators: (0..n).map(validator).collect() }
        };
        let names: Vec<String> = (0..10).map(|at| format!("v{at}")).collect();
        // How many of the others a validator needs, and how many somebody else.
        for (n, validator, newcomer) in [(2, 1, 2), (3, 1, 3), (4, 2, 3), (7, 3, 5), (10, 4, 7)] {
            let least = |own: &str| {
                let others: Vec<String> = names[..n].iter().filter(|name| *name != own).cloned().collect();
                (0..=others.len()).find(|count| suffice(&epoch(n), others[..*count].iter(), own))
            };
            assert_eq!((least("v0"), least("nobody")), (Some(validator), Some(newcomer)), "of {n}");
            // What others hand on of its own word does not count.
            assert!(!suffice(&epoch(n), names[..validator].iter(), "v0"));
        }
        // Nobody else's word is nobody's.
        assert!(!suffice(&epoch(1), names[..1].iter(), "v0"));
    }
}
