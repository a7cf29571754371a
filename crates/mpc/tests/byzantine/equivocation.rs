//! One party is told another story than the other.

use mpc::net::sim::Equivocation;

use crate::program::{MALICIOUS, suffer};

#[test]
fn is_caught() {
    for protocol in MALICIOUS {
        let tally = suffer(protocol, 0..300, |seed, liar| Equivocation { to: (liar + 1 + (seed % 2) as u16) % 3 });
        assert_eq!(tally.failed, 300, "{protocol:?}: {tally:?}");
    }
}
