//! What the engine's own counters tell of the other validators: who is connected, and whose votes come.

use crate::committee::Committee;

/// The others as this validator sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The view that this validator is in.
    pub view: u64,
    /// Names of the others to which there is a connection, in the order of their keys.
    pub connected: Vec<String>,
    /// How many views behind this one's the newest vote of each other came from, by name: 0 or 1 for one that takes part.
    pub behind: Vec<(String, u64)>,
}

impl Pulse {
    /// Reads the counters in Prometheus text; of what the engine no longer names there is nothing.
    pub(crate) fn read(text: &str, committee: &Committee, own: usize) -> Self {
        let mut pulse = Self::default();
        let others = committee.validators().iter().enumerate().filter(|(place, _)| *place != own);
        let others: Vec<(String, &str)> = others.map(|(_, one)| (one.key.to_string(), &*one.name)).collect();
        let mut votes = vec![None; others.len()];
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            if name.ends_with(VIEW) {
                pulse.view = value.parse().unwrap_or(0);
            }
            let place = || {
                let peer = labels.split_once("peer=\"")?.1.split_once('"')?.0;
                others.iter().position(|(key, _)| key == peer)
            };
            match place() {
                Some(place) if name.ends_with(CONNECTED) => pulse.connected.push(others[place].1.to_owned()),
                Some(place) if name.ends_with(VOTE) => votes[place] = value.parse::<u64>().ok(),
                _ => {}
            }
        }
        let behind = others.iter().zip(votes);
        let behind =
            behind.filter_map(|((_, name), vote)| Some(((*name).to_owned(), pulse.view.saturating_sub(vote?))));
        pulse.behind = behind.collect();
        pulse
    }
}

/// Ends of the names of the engine's counters.
const VIEW: &str = "_voter_state_current_view";
const CONNECTED: &str = "_directory_connected";
const VOTE: &str = "_batcher_latest_vote";

#[cfg(test)]
mod tests {
    use ledger::Epoch;

    use super::*;
    use crate::testing::{Chain, validator};

    #[test]
    fn reads_who_is_there_and_who_votes() {
        let chain = Chain;
        let epoch = Epoch { number: 0, validators: (0..4).map(validator).collect() };
        let committee = Committee::new(chain.id(), &epoch);
        let key = |place: usize| committee.validators()[place].key.to_string();
        let name = |place: usize| committee.validators()[place].name.clone();
        let text = format!(
            "# HELP engine_consensus_voter_state_current_view current view.\n\
             # TYPE engine_consensus_voter_state_current_view gauge\n\
             engine_consensus_batcher_latest_vote{{peer=\"{}\"}} 0\n\
             engine_consensus_batcher_latest_vote{{peer=\"{}\"}} 41\n\
             engine_consensus_batcher_latest_vote{{peer=\"{}\"}} 12\n\
             engine_consensus_voter_state_current_view 42\n\
             network_tracker_directory_connected{{peer=\"{}\"}} 1700000000000\n\
             network_tracker_directory_connected{{peer=\"ff\"}} 1\nnonsense\n",
            key(0),
            key(1),
            key(2),
            key(2),
        );
        let pulse = Pulse::read(&text, &committee, 0);
        let behind = vec![(name(1), 1), (name(2), 30)];
        assert_eq!(pulse, Pulse { view: 42, connected: vec![name(2)], behind });
        assert_eq!(Pulse::read("", &committee, 0), Pulse::default());
    }
}
