//! A party stays connected and says nothing from some frame on.

use mpc::net::sim::Silence;

use crate::program::{MALICIOUS, suffer};

#[test]
fn ends_without_a_result_and_is_named() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |seed, _| Silence { after: (seed / 15 % 20) as u32 });
        assert!(tally.failed > 200, "{protocol:?}: {tally:?}");
    }
}
