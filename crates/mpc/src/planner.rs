//! Chooses the protocol for a contract's threat model, and predicts what a program will cost under it.

mod prediction;

pub use prediction::{Prediction, predict, predict_session};

use crate::domain::Domain;
use crate::engine::{Adversary, Capabilities};

/// What a computation must withstand, as its contracts state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreatModel {
    /// Who computes.
    pub parties: u16,
    /// What the corrupt ones may do.
    pub adversary: Adversary,
    /// How many may be corrupt, together.
    pub max_corrupt: u16,
    /// How many may vanish without stopping it.
    pub tolerate_dropouts: u16,
}

/// Why no protocol suits: one reason for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no protocol withstands this: {}", reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect::<Vec<_>>().join("; "))]
pub struct Unplannable {
    /// Each protocol's name, and what it lacks.
    pub reasons: Vec<(&'static str, String)>,
}

/// The first of `offers` (in order of preference) that withstands the threat model and has all `domains`; its place in the list.
/// What is promised is never less than what is asked: more corrupt parties, a weaker adversary or fewer dropouts are refused.
///
/// # Errors
/// What each of them lacks.
pub fn plan(threat: &ThreatModel, domains: &[Domain], offers: &[&Capabilities]) -> Result<usize, Unplannable> {
    let mut reasons = Vec::new();
    for (place, offer) in offers.iter().enumerate() {
        match lacks(threat, domains, offer) {
            None => return Ok(place),
            Some(reason) => reasons.push((offer.name, reason)),
        }
    }
    Err(Unplannable { reasons })
}

/// What a protocol lacks for a threat model; nothing where it suits.
pub fn lacks(threat: &ThreatModel, domains: &[Domain], offer: &Capabilities) -> Option<String> {
    let ThreatModel { parties, adversary, max_corrupt, tolerate_dropouts } = *threat;
    let range = &offer.parties;
    if !range.contains(&parties) {
        let (least, most) = (range.start(), range.end());
        return Some(match least == most {
            true => format!("it runs with {least} parties, not {parties}"),
            false => format!("it runs with {least} to {most} parties, not {parties}"),
        });
    }
    if offer.adversary < adversary {
        return Some("it withstands parties that follow the protocol, not malicious ones".to_owned());
    }
    let corrupt = (offer.max_corrupt)(parties);
    if corrupt < max_corrupt {
        return Some(format!("it withstands {corrupt} corrupt of {parties}, not {max_corrupt}"));
    }
    let dropouts = (offer.dropouts)(parties);
    if dropouts < tolerate_dropouts {
        return Some(format!("it goes on without {dropouts} of {parties}, not {tolerate_dropouts}"));
    }
    let missing = domains.iter().find(|domain| !offer.domains.contains(domain));
    missing.map(|domain| format!("it has no {domain:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Guarantee;

    fn offer(name: &'static str, adversary: Adversary) -> Capabilities {
        Capabilities {
            name,
            parties: 3..=3,
            adversary,
            guarantee: Guarantee::Abort,
            max_corrupt: |_| 1,
            dropouts: |_| 0,
            domains: &[Domain::Ring64],
        }
    }

    #[test]
    fn what_is_asked_is_never_lessened() {
        let (weak, strong) = (offer("weak", Adversary::SemiHonest), offer("strong", Adversary::Malicious));
        let offers = [&weak, &strong];
        let asked = |change: &dyn Fn(&mut ThreatModel)| {
            let mut threat =
                ThreatModel { parties: 3, adversary: Adversary::SemiHonest, max_corrupt: 1, tolerate_dropouts: 0 };
            change(&mut threat);
            plan(&threat, &[Domain::Ring64], &offers)
        };
        assert_eq!(asked(&|_| ()), Ok(0));
        assert_eq!(asked(&|threat| threat.adversary = Adversary::Malicious), Ok(1));
        for change in [
            &(|threat: &mut ThreatModel| threat.parties = 4) as &dyn Fn(&mut ThreatModel),
            &|threat| threat.max_corrupt = 2,
            &|threat| threat.tolerate_dropouts = 1,
        ] {
            let refused = asked(change).unwrap_err();
            assert_eq!(refused.reasons.len(), 2, "{refused}");
        }
        let told = asked(&|threat| threat.tolerate_dropouts = 1).unwrap_err().to_string();
        assert!(told.contains("weak: it goes on without 0 of 3, not 1"), "{told}");
        assert!(
            lacks(
                &ThreatModel { parties: 3, adversary: Adversary::SemiHonest, max_corrupt: 1, tolerate_dropouts: 0 },
                &[Domain::M61],
                &weak
            )
            .is_some_and(|reason| reason.contains("M61"))
        );
    }
}
