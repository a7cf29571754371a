//! Frames are longer than they may be, or claim to be.

use mpc::net::sim::Oversized;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_named() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| Oversized { permille: 200 });
        assert!(tally.failed > 200, "{protocol:?}: {tally:?}");
    }
}
