//! An operation gets what belongs to another, or a party what is for the other.

use mpc::net::sim::Swapped;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_caught() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| Swapped::default());
        assert!(tally.failed > 150, "{protocol:?}: {tally:?}");
    }
}
