//! Frames are cut at any place.

use mpc::net::sim::Truncated;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_named() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| Truncated { permille: 200 });
        assert!(tally.failed > 200, "{protocol:?}: {tally:?}");
    }
}
