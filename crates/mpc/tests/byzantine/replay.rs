//! Earlier frames come again, as they were or in the place of the one that is due.

use mpc::net::sim::Replay;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_caught_or_harmless() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| Replay::default());
        assert!(tally.failed > 50, "{protocol:?}: {tally:?}");
    }
}
