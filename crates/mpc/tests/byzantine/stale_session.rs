//! Frames bear the name of another run of the session.

use mpc::net::sim::Stale;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_named() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |_, _| Stale { permille: 200 });
        assert!(tally.failed > 200, "{protocol:?}: {tally:?}");
    }
}
